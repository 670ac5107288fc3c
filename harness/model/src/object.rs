//! Objects as the model has them, and what a template may say of each kind.
//!
//! Sources: PKCS#11 v2.40 sections 4.1 (templates and their codes), 4.4 to 4.9 (attributes and their
//! footnotes); the vendor's page "Key Attribute Defaults" for what is not given.

use std::collections::BTreeMap;

use luna_ck::*;
use luna_client::Attribute;
use serde::{Deserialize, Serialize};

use crate::allowed::Allowed;

/// The kinds of object that are modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// `CKO_DATA`.
    Data,
    /// An AES key.
    Aes,
    /// A generic secret.
    Generic,
    /// The public half of an EC key pair.
    EcPublic,
    /// The private half of an EC key pair.
    EcPrivate,
}

/// How an object comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By `C_CreateObject`.
    Created,
    /// By `C_GenerateKey` or `C_GenerateKeyPair`.
    Generated,
}

/// What stands for the secret of a key: two objects with the same are the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Material {
    /// Its bytes.
    Known(Vec<u8>),
    /// A number for what only the module knows; a pair shares one.
    Hidden(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Flag,
    Number,
    Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Must,
    May,
    Never,
    /// Some modules take it and some refuse it, where the standard forbids it to no end.
    Either,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Free,
    Never,
    /// True may become false by a copy or the reverse; never by `C_SetAttributeValue`.
    OnCopy,
    /// False may become true, not the reverse.
    OnlyOn,
    /// True may become false, not the reverse.
    OnlyOff,
}

/// What an attribute is when no template says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    /// Not known beforehand.
    Unknown,
    Off,
    On,
    /// Off when created, on when generated.
    OnWhenGenerated,
    Empty,
    /// It follows from the rest: see [`Entry::new`].
    Follows,
}

/// Type, form, what a template may say when it creates and when it generates, how it changes, what it is otherwise.
struct Row(CK_ATTRIBUTE_TYPE, Form, [Given; 2], Change, Otherwise);

impl Row {
    fn given(&self, origin: Origin) -> Given {
        let [created, generated] = self.2;
        if origin == Origin::Created { created } else { generated }
    }
}

use Change::{Free, OnCopy, OnlyOff, OnlyOn};
use Form::{Bytes, Flag, Number};
use Given::{Either, May, Must, Never};
use Otherwise::{Empty, Follows, Off, On, OnWhenGenerated, Unknown};

const STORAGE: &[Row] = &[
    Row(CKA_CLASS, Number, [Must, May], Change::Never, Follows),
    Row(CKA_TOKEN, Flag, [May, May], OnCopy, Off),
    Row(CKA_PRIVATE, Flag, [May, May], OnCopy, Follows),
    Row(CKA_LABEL, Bytes, [May, May], Free, Empty),
    Row(CKA_MODIFIABLE, Flag, [May, May], OnCopy, On),
    Row(CKA_COPYABLE, Flag, [May, May], OnlyOff, On),
    Row(CKA_DESTROYABLE, Flag, [May, May], OnlyOff, On),
];

const DATA: &[Row] = &[
    Row(CKA_APPLICATION, Bytes, [May, Never], Free, Empty),
    Row(CKA_VALUE, Bytes, [May, Never], Free, Empty),
];

const KEY: &[Row] = &[
    Row(CKA_KEY_TYPE, Number, [Must, May], Change::Never, Follows),
    Row(CKA_ID, Bytes, [May, May], Free, Empty),
    Row(CKA_DERIVE, Flag, [May, May], Free, Off),
    Row(CKA_LOCAL, Flag, [Never, Never], Change::Never, OnWhenGenerated),
    Row(CKA_KEY_GEN_MECHANISM, Number, [Never, Never], Change::Never, Follows),
];

const GUARDED: &[Row] = &[
    Row(CKA_SENSITIVE, Flag, [May, May], OnlyOn, Follows),
    Row(CKA_EXTRACTABLE, Flag, [May, May], OnlyOff, Off),
    Row(CKA_ALWAYS_SENSITIVE, Flag, [Never, Never], Change::Never, Follows),
    Row(CKA_NEVER_EXTRACTABLE, Flag, [Never, Never], Change::Never, Follows),
    Row(CKA_WRAP_WITH_TRUSTED, Flag, [May, May], OnlyOn, Off),
];

const SECRET: &[Row] = &[
    Row(CKA_ENCRYPT, Flag, [May, May], Free, Off),
    Row(CKA_DECRYPT, Flag, [May, May], Free, Off),
    Row(CKA_SIGN, Flag, [May, May], Free, Off),
    Row(CKA_VERIFY, Flag, [May, May], Free, Off),
    Row(CKA_WRAP, Flag, [May, May], Free, Off),
    Row(CKA_UNWRAP, Flag, [May, May], Free, Off),
    Row(CKA_VALUE, Bytes, [Must, Never], Change::Never, Unknown),
    Row(CKA_VALUE_LEN, Number, [Either, Must], Change::Never, Follows),
];

const EC_PUBLIC: &[Row] = &[
    Row(CKA_ENCRYPT, Flag, [May, May], Free, Off),
    Row(CKA_WRAP, Flag, [May, May], Free, Off),
    Row(CKA_VERIFY, Flag, [May, May], Free, Off),
    Row(CKA_EC_PARAMS, Bytes, [Must, Must], Change::Never, Unknown),
    Row(CKA_EC_POINT, Bytes, [Must, Never], Change::Never, Unknown),
];

const EC_PRIVATE: &[Row] = &[
    Row(CKA_DECRYPT, Flag, [May, May], Free, Off),
    Row(CKA_UNWRAP, Flag, [May, May], Free, Off),
    Row(CKA_SIGN, Flag, [May, May], Free, Off),
    Row(CKA_EC_PARAMS, Bytes, [Must, Either], Change::Never, Unknown),
    Row(CKA_VALUE, Bytes, [Must, Never], Change::Never, Unknown),
];

/// What a token may choose where the template is silent: PKCS#11 v2.40 table 10, footnote 9.
const OF_THE_TOKEN: &[CK_ATTRIBUTE_TYPE] = &[
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_SIGN,
    CKA_VERIFY,
    CKA_WRAP,
    CKA_UNWRAP,
    CKA_SENSITIVE,
    CKA_EXTRACTABLE,
];

impl Kind {
    /// `CKO_` and `CKK_` numbers.
    pub(crate) fn class(self) -> (CK_OBJECT_CLASS, Option<CK_KEY_TYPE>) {
        match self {
            Self::Data => (CKO_DATA, None),
            Self::Aes => (CKO_SECRET_KEY, Some(CKK_AES)),
            Self::Generic => (CKO_SECRET_KEY, Some(CKK_GENERIC_SECRET)),
            Self::EcPublic => (CKO_PUBLIC_KEY, Some(CKK_EC)),
            Self::EcPrivate => (CKO_PRIVATE_KEY, Some(CKK_EC)),
        }
    }

    /// The kind a creating template names.
    fn named(template: &[Attribute]) -> Option<Self> {
        let number = |kind| find(template, kind).and_then(number);
        let class = (number(CKA_CLASS)?, number(CKA_KEY_TYPE));
        [Self::Data, Self::Aes, Self::Generic].into_iter().find(|kind| kind.class() == class)
    }

    fn tables(self) -> &'static [&'static [Row]] {
        match self {
            Self::Data => &[STORAGE, DATA],
            Self::Aes | Self::Generic => &[STORAGE, KEY, GUARDED, SECRET],
            Self::EcPublic => &[STORAGE, KEY, EC_PUBLIC],
            Self::EcPrivate => &[STORAGE, KEY, GUARDED, EC_PRIVATE],
        }
    }

    fn rows(self) -> impl Iterator<Item = &'static Row> {
        self.tables().iter().flat_map(|table| table.iter())
    }

    fn row(self, kind: CK_ATTRIBUTE_TYPE) -> Option<&'static Row> {
        self.rows().find(|row| row.0 == kind)
    }

    /// Whether `C_SetAttributeValue` may ever change an attribute.
    pub(crate) fn changes(self, kind: CK_ATTRIBUTE_TYPE) -> bool {
        self.row(kind).is_some_and(|row| matches!(row.3, Free | OnlyOn | OnlyOff))
    }

    /// Every attribute that is modelled.
    pub(crate) fn attributes(self) -> impl Iterator<Item = CK_ATTRIBUTE_TYPE> {
        self.rows().map(|row| row.0)
    }

    /// Secret and private keys.
    pub(crate) fn is_guarded(self) -> bool {
        !matches!(self, Self::Data | Self::EcPublic)
    }

    /// Anything but data.
    pub(crate) fn is_key(self) -> bool {
        self != Self::Data
    }
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// The session it dies with; none for one on the token.
    pub(crate) owner: Option<CK_SESSION_HANDLE>,
    pub(crate) material: Material,
    /// Values; none where the sources leave it open, until it is read.
    pub(crate) values: BTreeMap<CK_ATTRIBUTE_TYPE, Option<Vec<u8>>>,
}

impl Entry {
    /// The object a template gives; `luna` where the vendor says what an attribute is that the template leaves out.
    pub(crate) fn new(
        luna: bool,
        kind: Kind,
        origin: Origin,
        template: &[Attribute],
        private: bool,
        mechanism: CK_MECHANISM_TYPE,
        fresh: u64,
    ) -> Self {
        let mut values = BTreeMap::new();
        for Row(attribute, _, _, _, otherwise) in kind.rows() {
            let value = match otherwise {
                _ if !luna && OF_THE_TOKEN.contains(attribute) => None,
                Unknown | Follows => None,
                Off => Some(vec![0]),
                On => Some(vec![1]),
                OnWhenGenerated => Some(vec![u8::from(origin == Origin::Generated)]),
                Empty => Some(Vec::new()),
            };
            values.insert(*attribute, value);
        }
        values.insert(CKA_PRIVATE, Some(vec![u8::from(private)]));
        let generated = origin == Origin::Generated;
        if luna && kind.is_guarded() && generated {
            values.insert(CKA_SENSITIVE, Some(vec![1]));
        }
        for attribute in template {
            values.insert(attribute.kind(), attribute.value().map(<[u8]>::to_vec));
        }
        let (class, key_type) = kind.class();
        values.insert(CKA_CLASS, Some(class.to_ne_bytes().to_vec()));
        if let Some(key_type) = key_type {
            values.insert(CKA_KEY_TYPE, Some(key_type.to_ne_bytes().to_vec()));
        }
        let mut entry = Self { kind, owner: None, material: Material::Hidden(fresh), values };
        entry.conclude(origin, mechanism);
        entry
    }

    /// What follows from the rest: the history of a key, its length, its mechanism.
    fn conclude(&mut self, origin: Origin, mechanism: CK_MECHANISM_TYPE) {
        if !self.kind.is_key() {
            return;
        }
        let generated = origin == Origin::Generated;
        let made_by = if generated { mechanism } else { CK_UNAVAILABLE_INFORMATION };
        self.values.insert(CKA_KEY_GEN_MECHANISM, Some(made_by.to_ne_bytes().to_vec()));
        if !self.kind.is_guarded() {
            return;
        }
        let history = |flag: Option<bool>| flag.map(|flag| vec![u8::from(flag && generated)]);
        let sensitive = if generated { self.flag(CKA_SENSITIVE) } else { Some(false) };
        let locked = self.flag(CKA_EXTRACTABLE).map(|extractable| !extractable);
        self.values.insert(CKA_ALWAYS_SENSITIVE, history(sensitive));
        self.values.insert(CKA_NEVER_EXTRACTABLE, history(locked));
        if let (Kind::Aes | Kind::Generic, Some(Some(value))) =
            (self.kind, self.values.get(&CKA_VALUE))
        {
            let len = CK_ULONG::try_from(value.len()).unwrap_or_default();
            self.material = Material::Known(value.clone());
            self.values.insert(CKA_VALUE_LEN, Some(len.to_ne_bytes().to_vec()));
        }
    }

    /// A flag; none where it is not known.
    pub(crate) fn flag(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<bool> {
        match self.values.get(&kind) {
            Some(Some(value)) => Some(value.as_slice() == [1]),
            Some(None) => None,
            None => Some(false),
        }
    }

    /// Whether only those who are logged in may see it.
    pub(crate) fn is_private(&self) -> bool {
        self.flag(CKA_PRIVATE) == Some(true)
    }

    /// Whether the token keeps it.
    pub(crate) fn is_token(&self) -> bool {
        self.flag(CKA_TOKEN) == Some(true)
    }

    /// Whether the value of a key must not be told: for certain, or perhaps.
    pub(crate) fn hides(&self, kind: CK_ATTRIBUTE_TYPE) -> (bool, bool) {
        if kind != CKA_VALUE || !self.kind.is_guarded() {
            return (false, false);
        }
        let (sensitive, open) = (self.flag(CKA_SENSITIVE), self.flag(CKA_EXTRACTABLE));
        let surely = sensitive == Some(true) || open == Some(false);
        (surely, surely || sensitive.is_none() || open.is_none())
    }

    /// Whether a search for this attribute finds the object: surely, or perhaps.
    pub(crate) fn matches(&self, wanted: &Attribute) -> (bool, bool) {
        if self.hides(wanted.kind()).1 {
            return (false, true);
        }
        match self.values.get(&wanted.kind()) {
            Some(Some(value)) => {
                let same = Some(value.as_slice()) == wanted.value();
                (same, same)
            }
            Some(None) => (false, true),
            None => (false, false),
        }
    }
}

const TEMPLATES: &str = "PKCS#11 v2.40 4.1.1";
const CHANGES: &str = "PKCS#11 v2.40 4.1.2 and 4.1.3";
const READ_ONLY: &[CK_RV] = &[CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT];

/// Judges the template of a new object; the kind it names, where it names one.
pub(crate) fn judge_new(
    template: &[Attribute],
    made: Option<Kind>,
    allowed: &mut Allowed,
) -> Option<Kind> {
    let origin = if made.is_some() { Origin::Generated } else { Origin::Created };
    let Some(kind) = made.or_else(|| Kind::named(template)) else {
        let class = find(template, CKA_CLASS);
        let of_a_key = class.and_then(number).is_some_and(|class| class != CKO_DATA);
        let incomplete = class.is_none() || (of_a_key && find(template, CKA_KEY_TYPE).is_none());
        allowed.must(incomplete, &[CKR_TEMPLATE_INCOMPLETE], TEMPLATES);
        let codes = [CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT];
        allowed.must(!incomplete, &codes, TEMPLATES);
        return None;
    };
    judge_each(kind, template, allowed);
    for attribute in template {
        let Some(row) = kind.row(attribute.kind()) else { continue };
        let given = row.given(origin);
        allowed.must(given == Never, READ_ONLY, TEMPLATES);
        let codes =
            [CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_TYPE_INVALID];
        allowed.may(given == Either, &codes, TEMPLATES);
    }
    for row in kind.rows() {
        let missing = row.given(origin) == Must && find(template, row.0).is_none();
        allowed.must(missing, &[CKR_TEMPLATE_INCOMPLETE], TEMPLATES);
    }
    judge_length(kind, origin, template, allowed);
    Some(kind)
}

/// Whether an AES key has the length of one.
fn judge_length(kind: Kind, origin: Origin, template: &[Attribute], allowed: &mut Allowed) {
    let len = match origin {
        Origin::Created => find(template, CKA_VALUE).and_then(Attribute::value).map(<[u8]>::len),
        Origin::Generated => find(template, CKA_VALUE_LEN)
            .and_then(number)
            .map(|len| usize::try_from(len).unwrap_or(usize::MAX)),
    };
    let codes = [CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT];
    let wrong = kind == Kind::Aes && len.is_some_and(|len| ![16, 24, 32].contains(&len));
    allowed.must(wrong, &codes, "PKCS#11 v2.40 AES key objects");
}

/// What is wrong with attributes whatever is done with them.
fn judge_each(kind: Kind, template: &[Attribute], allowed: &mut Allowed) {
    for (at, attribute) in template.iter().enumerate() {
        let invalid = [CKR_ATTRIBUTE_TYPE_INVALID, CKR_TEMPLATE_INCONSISTENT];
        let Some(Row(_, form, ..)) = kind.row(attribute.kind()) else {
            allowed.must(true, &invalid, TEMPLATES);
            continue;
        };
        let value = attribute.value().unwrap_or_default();
        let well_formed = match form {
            Flag => matches!(value, [0 | 1]),
            Number => value.len() == size_of::<CK_ULONG>(),
            Bytes => true,
        };
        allowed.must(!well_formed, &[CKR_ATTRIBUTE_VALUE_INVALID], TEMPLATES);
        let earlier = template.iter().take(at).find(|other| other.kind() == attribute.kind());
        let twice = [CKR_TEMPLATE_INCONSISTENT];
        allowed.may(earlier.is_some(), &twice, TEMPLATES);
        allowed.must(earlier.is_some_and(|earlier| earlier != attribute), &twice, TEMPLATES);
    }
}

/// Judges what `C_SetAttributeValue` or, with `copying`, `C_CopyObject` is to change.
pub(crate) fn judge_change(
    entry: &Entry,
    template: &[Attribute],
    copying: bool,
    allowed: &mut Allowed,
) {
    judge_each(entry.kind, template, allowed);
    for attribute in template {
        let Some(Row(kind, _, _, change, _)) = entry.kind.row(attribute.kind()) else {
            allowed.may(true, READ_ONLY, CHANGES);
            continue;
        };
        let old = entry.values.get(kind).and_then(Option::as_deref);
        let on = attribute.value() == Some(&[1]);
        let against = match change {
            Free => false,
            Change::Never => true,
            OnCopy => !copying,
            OnlyOn => !on,
            OnlyOff => on,
        };
        // To say again what is so anyway, or may be, is refused by some.
        let same = old.is_some() && old == attribute.value();
        let again = same || old.is_none();
        allowed.may(again && matches!(change, OnlyOn | OnlyOff), READ_ONLY, CHANGES);
        let certain = against && !same && old.is_some();
        allowed.must(certain, READ_ONLY, CHANGES);
        allowed.may(against && !certain, READ_ONLY, CHANGES);
        let opens = *kind == CKA_PRIVATE && copying && !on && entry.is_private();
        let codes =
            [CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_VALUE_INVALID];
        allowed.must(opens && entry.kind.is_guarded(), &codes, CHANGES);
        allowed.may(opens, &codes, CHANGES);
    }
}

/// The last of a type, as the one that counts.
pub(crate) fn find(template: &[Attribute], kind: CK_ATTRIBUTE_TYPE) -> Option<&Attribute> {
    template.iter().rev().find(|attribute| attribute.kind() == kind)
}

/// A `CK_ULONG`.
pub(crate) fn number(attribute: &Attribute) -> Option<CK_ULONG> {
    attribute.value()?.try_into().ok().map(CK_ULONG::from_ne_bytes)
}
