//! What attributes an object of each class has, who may set them when, and what they are otherwise.
//!
//! One row an attribute; a class is a few tables of rows. What each type of key adds stands in
//! `key_types`. Sources: PKCS#11 v2.40 sections 4.4 to
//! 4.10 and the tables of each key type in the Current Mechanisms document; the vendor's defaults
//! from "Key Attribute Defaults" (Documented); vendor attributes from pycryptoki's
//! `attributes.py` (Documented).

use crate::ck::*;
use crate::object::key_types;

/// What a value looks like in memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// `CK_BBOOL`: one byte.
    Flag,
    /// `CK_ULONG`: eight bytes.
    Number,
    /// Any bytes.
    Bytes,
    /// `CK_DATE`: eight digits, or nothing.
    Date,
    /// An array of attributes.
    Template,
    /// An array of `CK_MECHANISM_TYPE`.
    Mechanisms,
}

/// What a template may say of an attribute on the way an object takes into the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Given {
    /// It must be there: `CKR_TEMPLATE_INCOMPLETE` otherwise.
    Must,
    /// It may be there.
    May,
    /// The token sets it: `CKR_ATTRIBUTE_READ_ONLY` when a template does.
    Never,
    /// Accepted because clients send it, never stored as sent; refused where the object itself
    /// has the attribute and says otherwise.
    Echo,
}

/// How an attribute may change afterwards, on a modifiable object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// Never.
    Never,
    /// Freely.
    Free,
    /// From false to true only.
    OnlyOn,
    /// From true to false only.
    OnlyOff,
    /// By `C_CopyObject` only.
    OnCopy,
    /// To true by the Partition SO only.
    BySo,
}

/// The value of an attribute that no template gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Default {
    /// The object does not have it.
    Absent,
    /// There and empty.
    Empty,
    /// False.
    Off,
    /// True.
    On,
    /// A number.
    Is(CK_ULONG),
    /// The token computes it (`object::build`).
    Computed,
}

/// How an object comes into the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// `C_CreateObject`.
    Created,
    /// `C_GenerateKey`, `C_GenerateKeyPair`.
    Generated,
    /// `C_UnwrapKey`.
    Unwrapped,
    /// `C_DeriveKey`.
    Derived,
}

/// One attribute of one class.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `CKA_` number.
    pub kind: CK_ATTRIBUTE_TYPE,
    /// What it looks like.
    pub form: Form,
    created: Given,
    made: Given,
    /// How it may change.
    pub change: Change,
    /// What it is when nobody says.
    pub default: Default,
    /// Hidden when the object is sensitive or unextractable, and sealed in the store.
    pub secret: bool,
}

impl Rule {
    /// What a template may say of it.
    pub fn given(&self, origin: Origin) -> Given {
        match origin {
            Origin::Created => self.created,
            Origin::Generated | Origin::Unwrapped | Origin::Derived => self.made,
        }
    }
}

pub(super) const fn row(
    kind: CK_ATTRIBUTE_TYPE,
    form: Form,
    (created, made): (Given, Given),
    change: Change,
    default: Default,
) -> Rule {
    Rule { kind, form, created, made, change, default, secret: false }
}

pub(super) const fn secret(kind: CK_ATTRIBUTE_TYPE, created: Given, made: Given) -> Rule {
    Rule {
        kind,
        form: Form::Bytes,
        created,
        made,
        change: Change::Never,
        default: Default::Absent,
        secret: true,
    }
}

use self::Default::{Absent, Computed, Empty, Off, On};
use Change::{BySo, Free, Never as Fixed, OnCopy, OnlyOff, OnlyOn};
use Form::{Bytes, Date, Flag, Mechanisms, Number};
use Given::{Echo, May, Must, Never};

pub(super) const ANY: (Given, Given) = (May, May);
pub(super) const NONE: (Given, Given) = (Never, Never);

/// Every storage object.
pub(super) const STORAGE: &[Rule] = &[
    row(CKA_CLASS, Number, (Must, May), Fixed, Computed),
    row(CKA_TOKEN, Flag, ANY, OnCopy, Off),
    // The vendor: true if a Crypto Officer is logged in, else false (Documented).
    row(CKA_PRIVATE, Flag, ANY, OnCopy, Computed),
    row(CKA_LABEL, Bytes, ANY, Free, Empty),
    row(CKA_MODIFIABLE, Flag, ANY, OnCopy, On),
    row(CKA_COPYABLE, Flag, ANY, OnlyOff, On),
    row(CKA_DESTROYABLE, Flag, ANY, OnlyOff, On),
    row(CKA_OUID, Bytes, NONE, Fixed, Computed),
    row(CKA_GENERIC_1, Bytes, ANY, Free, Empty),
    row(CKA_GENERIC_2, Bytes, ANY, Free, Empty),
    row(CKA_GENERIC_3, Bytes, ANY, Free, Empty),
];

const DATA: &[Rule] = &[
    row(CKA_APPLICATION, Bytes, ANY, Free, Empty),
    row(CKA_OBJECT_ID, Bytes, ANY, Free, Empty),
    Rule { change: Free, default: Empty, ..secret(CKA_VALUE, May, Never) },
];

const CERTIFICATE: &[Rule] = &[
    row(CKA_CERTIFICATE_TYPE, Number, (Must, Never), Fixed, Absent),
    row(CKA_TRUSTED, Flag, (May, Never), BySo, Off),
    row(CKA_CERTIFICATE_CATEGORY, Number, (May, Never), Fixed, Default::Is(0)),
    row(CKA_CHECK_VALUE, Bytes, (May, Never), Fixed, Absent),
    // Of a certificate only its id, issuer and serial number may change (v2.40 section 4.6.3).
    row(CKA_START_DATE, Date, (May, Never), Fixed, Empty),
    row(CKA_END_DATE, Date, (May, Never), Fixed, Empty),
    // An empty subject is accepted: pycryptoki's functional tests send one (Documented).
    row(CKA_SUBJECT, Bytes, (May, Never), Fixed, Empty),
    row(CKA_ID, Bytes, (May, Never), Free, Empty),
    row(CKA_ISSUER, Bytes, (May, Never), Free, Empty),
    row(CKA_SERIAL_NUMBER, Bytes, (May, Never), Free, Empty),
    row(CKA_VALUE, Bytes, (May, Never), Fixed, Empty),
    row(CKA_URL, Bytes, (May, Never), Fixed, Empty),
    row(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes, (May, Never), Fixed, Empty),
    row(CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes, (May, Never), Fixed, Empty),
    row(CKA_JAVA_MIDP_SECURITY_DOMAIN, Number, (May, Never), Fixed, Default::Is(0)),
    row(CKA_NAME_HASH_ALGORITHM, Number, (May, Never), Fixed, Absent),
];

pub(super) const KEY: &[Rule] = &[
    row(CKA_KEY_TYPE, Number, (Must, May), Fixed, Computed),
    row(CKA_ID, Bytes, ANY, Free, Empty),
    row(CKA_START_DATE, Date, ANY, Free, Empty),
    row(CKA_END_DATE, Date, ANY, Free, Empty),
    row(CKA_DERIVE, Flag, ANY, Free, Off),
    row(CKA_LOCAL, Flag, NONE, Fixed, Computed),
    row(CKA_KEY_GEN_MECHANISM, Number, NONE, Fixed, Computed),
    // Not among the attributes that may change (v2.40 table 27): a key keeps to what it was made for.
    row(CKA_ALLOWED_MECHANISMS, Mechanisms, ANY, Fixed, Empty),
    row(CKA_EKM_UID, Bytes, ANY, Free, Empty),
    // How often it may be used, and was: `hsm::usage`. A key without a limit has neither.
    row(CKA_USAGE_LIMIT, Number, ANY, Free, Absent),
    row(CKA_USAGE_COUNT, Number, NONE, Fixed, Absent),
    // Computed when they are asked for: `mechanisms::seen`.
    row(CKA_FINGERPRINT_SHA1, Bytes, NONE, Fixed, Absent),
    row(CKA_FINGERPRINT_SHA256, Bytes, NONE, Fixed, Absent),
    // A boolean the vendor's tools show of every key (Documented); what it does is not, so it only
    // is what the template said (Assumed).
    row(CKA_CCM_PRIVATE, Flag, ANY, Fixed, Off),
];

// A key's own secret, on partitions of version 1: `hsm::authorization`. Elsewhere a key has none of them.
const AUTH_DATA: Rule = Rule { secret: true, ..row(CKA_AUTH_DATA, Bytes, ANY, Fixed, Absent) };
const ASSIGNED: Rule = row(CKA_ASSIGNED, Flag, ANY, Fixed, Absent);
const KEY_STATUS: Rule = row(CKA_KEY_STATUS, Bytes, NONE, Fixed, Absent);
const FAILED_KEY_AUTH_COUNT: Rule = row(CKA_FAILED_KEY_AUTH_COUNT, Number, NONE, Fixed, Absent);

pub(super) const PUBLIC: &[Rule] = &[
    row(CKA_SUBJECT, Bytes, ANY, Free, Empty),
    row(CKA_ENCRYPT, Flag, ANY, Free, Off),
    row(CKA_VERIFY, Flag, ANY, Free, Off),
    row(CKA_VERIFY_RECOVER, Flag, ANY, Free, Off),
    row(CKA_WRAP, Flag, ANY, Free, Off),
    row(CKA_TRUSTED, Flag, ANY, BySo, Off),
    row(CKA_WRAP_TEMPLATE, Form::Template, ANY, Fixed, Absent),
    // Clients put private-key usages on public templates; they mean nothing here and are not kept.
    row(CKA_DECRYPT, Flag, (Echo, Echo), Fixed, Absent),
    row(CKA_SIGN, Flag, (Echo, Echo), Fixed, Absent),
];

pub(super) const PRIVATE: &[Rule] = &[
    row(CKA_SUBJECT, Bytes, ANY, Free, Empty),
    row(CKA_SENSITIVE, Flag, ANY, OnlyOn, Computed),
    row(CKA_DECRYPT, Flag, ANY, Free, Off),
    row(CKA_SIGN, Flag, ANY, Free, Off),
    row(CKA_SIGN_RECOVER, Flag, ANY, Free, Off),
    row(CKA_UNWRAP, Flag, ANY, Free, Off),
    row(CKA_EXTRACTABLE, Flag, ANY, OnlyOff, Off),
    row(CKA_ALWAYS_SENSITIVE, Flag, NONE, Fixed, Computed),
    row(CKA_NEVER_EXTRACTABLE, Flag, NONE, Fixed, Computed),
    row(CKA_WRAP_WITH_TRUSTED, Flag, ANY, OnlyOn, Off),
    row(CKA_UNWRAP_TEMPLATE, Form::Template, ANY, Fixed, Absent),
    row(CKA_DERIVE_TEMPLATE, Form::Template, ANY, Fixed, Absent),
    row(CKA_ALWAYS_AUTHENTICATE, Flag, ANY, Fixed, Off),
    AUTH_DATA,
    ASSIGNED,
    KEY_STATUS,
    FAILED_KEY_AUTH_COUNT,
    row(CKA_ENCRYPT, Flag, (Echo, Echo), Fixed, Absent),
    row(CKA_VERIFY, Flag, (Echo, Echo), Fixed, Absent),
];

pub(super) const SECRET: &[Rule] = &[
    row(CKA_SENSITIVE, Flag, ANY, OnlyOn, Computed),
    row(CKA_ENCRYPT, Flag, ANY, Free, Off),
    row(CKA_DECRYPT, Flag, ANY, Free, Off),
    row(CKA_SIGN, Flag, ANY, Free, Off),
    row(CKA_VERIFY, Flag, ANY, Free, Off),
    row(CKA_WRAP, Flag, ANY, Free, Off),
    row(CKA_UNWRAP, Flag, ANY, Free, Off),
    row(CKA_EXTRACTABLE, Flag, ANY, OnlyOff, Off),
    row(CKA_ALWAYS_SENSITIVE, Flag, NONE, Fixed, Computed),
    row(CKA_NEVER_EXTRACTABLE, Flag, NONE, Fixed, Computed),
    // Computed when it is asked for: `mechanisms::seen`.
    row(CKA_CHECK_VALUE, Bytes, (Echo, Echo), Fixed, Absent),
    row(CKA_WRAP_WITH_TRUSTED, Flag, ANY, OnlyOn, Off),
    row(CKA_TRUSTED, Flag, ANY, BySo, Off),
    row(CKA_WRAP_TEMPLATE, Form::Template, ANY, Fixed, Absent),
    row(CKA_UNWRAP_TEMPLATE, Form::Template, ANY, Fixed, Absent),
    row(CKA_DERIVE_TEMPLATE, Form::Template, ANY, Fixed, Absent),
    AUTH_DATA,
    ASSIGNED,
    KEY_STATUS,
    FAILED_KEY_AUTH_COUNT,
    secret(CKA_VALUE, Must, Never),
    row(CKA_VALUE_LEN, Number, (Echo, May), Fixed, Computed),
];

/// A class of object, as finely as the rules differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Class {
    /// `CKO_` number.
    pub class: CK_OBJECT_CLASS,
    /// `CKK_` number, none where the class has no key type.
    pub key_type: Option<CK_KEY_TYPE>,
}

impl Class {
    /// The tables of the class, none where the module has no such class or key type.
    pub fn tables(self) -> Option<&'static [&'static [Rule]]> {
        match (self.class, self.key_type) {
            (CKO_DATA, None) => Some(&[STORAGE, DATA]),
            (CKO_CERTIFICATE, None) => Some(&[STORAGE, CERTIFICATE]),
            (class, Some(key_type)) => key_types::tables(class, key_type),
            _ => None,
        }
    }

    /// The class of an object of those two numbers; the key type is only looked at in classes that
    /// have one.
    pub fn of(class: CK_OBJECT_CLASS, key_type: Option<CK_KEY_TYPE>) -> Self {
        Self { class, key_type: key_type.filter(|_| has_key_type(class)) }
    }

    /// Every rule of the class.
    pub fn rules(self) -> impl Iterator<Item = &'static Rule> {
        self.tables().unwrap_or_default().iter().flat_map(|table| table.iter())
    }

    /// The rule of one attribute.
    pub fn rule(self, kind: CK_ATTRIBUTE_TYPE) -> Option<&'static Rule> {
        self.rules().find(|rule| rule.kind == kind)
    }

    /// Whether the class holds keys that can be used.
    pub fn is_key(self) -> bool {
        matches!(self.class, CKO_PUBLIC_KEY | CKO_PRIVATE_KEY | CKO_SECRET_KEY)
    }

    /// Whether objects of the class have secrets to guard.
    pub fn is_guarded(self) -> bool {
        matches!(self.class, CKO_PRIVATE_KEY | CKO_SECRET_KEY)
    }
}

/// Whether objects of a class name a key type.
pub fn has_key_type(class: CK_OBJECT_CLASS) -> bool {
    matches!(class, CKO_PUBLIC_KEY | CKO_PRIVATE_KEY | CKO_SECRET_KEY | CKO_DOMAIN_PARAMETERS)
}

/// Whether any class of this module has the attribute: decides between "not for this class" and
/// "never heard of".
pub fn is_known(kind: CK_ATTRIBUTE_TYPE) -> bool {
    let own = [STORAGE, DATA, CERTIFICATE].into_iter();
    own.chain(key_types::all()).any(|table| table.iter().any(|rule| rule.kind == kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_class_names_an_attribute_twice() {
        let mut classes = vec![
            Class { class: CKO_DATA, key_type: None },
            Class { class: CKO_CERTIFICATE, key_type: None },
        ];
        classes.extend(key_types::classes());
        assert!(classes.len() > 7);
        for class in classes {
            let mut seen = std::collections::HashSet::new();
            for rule in class.rules() {
                assert!(seen.insert(rule.kind), "{class:?} has {} twice", names::cka(rule.kind));
            }
            assert!(seen.len() > 10);
        }
    }

    #[test]
    fn secrets_are_never_in_a_template_for_a_made_key() {
        for class in key_types::classes() {
            // What authorises the use of a key is no part of it.
            let secrets = class.rules().filter(|rule| rule.secret && rule.kind != CKA_AUTH_DATA);
            for rule in secrets {
                assert_eq!(rule.given(Origin::Generated), Given::Never);
            }
        }
    }
}
