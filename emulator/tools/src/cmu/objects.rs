//! `cmu list`, `getAttribute`, `setAttribute`, `delete`.

use luna_ck::{names, *};
use luna_client::{Attribute, ObjectHandle, Session};

use super::{bytes, digits, session};
use crate::failure::Failure;
use crate::options::{Known, Options, value};
use crate::start::Surroundings;

/// How an attribute is shown and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Bytes,
    Flag,
    Number,
    Class,
    KeyType,
}

/// Attributes by the name they have on the command line.
const ATTRIBUTES: &[(&str, CK_ATTRIBUTE_TYPE, Shape)] = &[
    ("class", CKA_CLASS, Shape::Class),
    ("token", CKA_TOKEN, Shape::Flag),
    ("private", CKA_PRIVATE, Shape::Flag),
    ("label", CKA_LABEL, Shape::Text),
    ("keytype", CKA_KEY_TYPE, Shape::KeyType),
    ("id", CKA_ID, Shape::Bytes),
    ("sensitive", CKA_SENSITIVE, Shape::Flag),
    ("encrypt", CKA_ENCRYPT, Shape::Flag),
    ("decrypt", CKA_DECRYPT, Shape::Flag),
    ("sign", CKA_SIGN, Shape::Flag),
    ("verify", CKA_VERIFY, Shape::Flag),
    ("wrap", CKA_WRAP, Shape::Flag),
    ("unwrap", CKA_UNWRAP, Shape::Flag),
    ("derive", CKA_DERIVE, Shape::Flag),
    ("extractable", CKA_EXTRACTABLE, Shape::Flag),
    ("modifiable", CKA_MODIFIABLE, Shape::Flag),
    ("local", CKA_LOCAL, Shape::Flag),
    ("alwayssensitive", CKA_ALWAYS_SENSITIVE, Shape::Flag),
    ("neverextractable", CKA_NEVER_EXTRACTABLE, Shape::Flag),
    ("modulusbits", CKA_MODULUS_BITS, Shape::Number),
    ("modulus", CKA_MODULUS, Shape::Bytes),
    ("publicexponent", CKA_PUBLIC_EXPONENT, Shape::Bytes),
    ("ecdsaparams", CKA_EC_PARAMS, Shape::Bytes),
    ("ecpoint", CKA_EC_POINT, Shape::Bytes),
    ("valuelen", CKA_VALUE_LEN, Shape::Number),
    ("subject", CKA_SUBJECT, Shape::Bytes),
    ("issuer", CKA_ISSUER, Shape::Bytes),
    ("serialnumber", CKA_SERIAL_NUMBER, Shape::Bytes),
    ("application", CKA_APPLICATION, Shape::Text),
    ("ouid", CKA_OUID, Shape::Bytes),
    ("fingerprint", CKA_FINGERPRINT_SHA256, Shape::Bytes),
];

/// What `setAttribute` changes.
pub(super) const SETTABLE: &[Known] = &[
    value("label", "the label"),
    value("id", "the identifier, in hexadecimal digits"),
    value("encrypt", "1 or 0"),
    value("decrypt", "1 or 0"),
    value("sign", "1 or 0"),
    value("verify", "1 or 0"),
    value("wrap", "1 or 0"),
    value("unwrap", "1 or 0"),
    value("derive", "1 or 0"),
    value("sensitive", "1, never 0 again"),
    value("extractable", "0, never 1 again"),
    value("application", "the application a data object belongs to"),
];

const CLASSES: &[(&str, CK_ULONG)] = &[
    ("data", CKO_DATA),
    ("certificate", CKO_CERTIFICATE),
    ("public", CKO_PUBLIC_KEY),
    ("private", CKO_PRIVATE_KEY),
    ("secret", CKO_SECRET_KEY),
];

const KEY_TYPES: &[(&str, CK_ULONG)] = &[
    ("rsa", CKK_RSA),
    ("dsa", CKK_DSA),
    ("dh", CKK_DH),
    ("ec", CKK_EC),
    ("ecdsa", CKK_EC),
    ("aes", CKK_AES),
    ("des3", CKK_DES3),
    ("generic", CKK_GENERIC_SECRET),
];

fn word(option: &str, text: &str, words: &[(&str, CK_ULONG)]) -> Result<CK_ULONG, Failure> {
    let found = words.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, number)| *number).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        Failure::misuse(format!("-{option}: '{text}' is none of {}", names.join(", ")))
    })
}

/// The object that `-handle` names.
pub(super) fn handle(options: &Options) -> Result<ObjectHandle, Failure> {
    let text = options.needed("handle")?;
    let number = text.parse().map(ObjectHandle);
    number.map_err(|_| Failure::misuse(format!("-handle: '{text}' is no object handle")))
}

/// The value of an attribute as it is shown; `None` where the object has none or does not tell it.
fn shown(
    session: &Session,
    object: ObjectHandle,
    attribute: (CK_ATTRIBUTE_TYPE, Shape),
) -> Result<Option<String>, Failure> {
    let (kind, shape) = attribute;
    let Some(value) = session.attribute(object, kind)? else { return Ok(None) };
    let number = || value.as_slice().try_into().ok().map(CK_ULONG::from_ne_bytes);
    Ok(match shape {
        Shape::Text => Some(String::from_utf8_lossy(&value).trim_end_matches('\0').to_owned()),
        Shape::Bytes => Some(digits(&value)),
        Shape::Flag => value.first().map(|flag| u8::from(*flag != 0).to_string()),
        Shape::Number => number().map(|number| number.to_string()),
        Shape::Class => number().map(|class| names::name(names::CKO, class)),
        Shape::KeyType => number().map(|kind| names::name(names::CKK, kind)),
    })
}

/// `list`: a row an object, `handle=16<TAB>label=name` unless something else is wanted (Observed).
pub(super) fn list(surroundings: &mut Surroundings<'_>, options: &Options) -> Result<(), Failure> {
    let mut template = vec![Attribute::token(true)];
    if let Some(class) = options.value("class") {
        template.push(Attribute::class(word("class", class, CLASSES)?));
    }
    if let Some(kind) = options.value("keytype") {
        template.push(Attribute::key_type(word("keytype", kind, KEY_TYPES)?));
    }
    if let Some(label) = options.value("label") {
        template.push(Attribute::label(label));
    }
    if let Some(id) = options.value("id") {
        template.push(Attribute::bytes(CKA_ID, bytes("id", id)?));
    }
    let wanted = options.value("display").unwrap_or("handle,label");
    let columns: Vec<&str> = wanted.split(',').map(str::trim).collect();
    let unknown = |name: &&&str| **name != "handle" && attribute(name).is_none();
    if let Some(name) = columns.iter().find(unknown) {
        return Err(Failure::misuse(format!("-display: nothing is called '{name}'")));
    }
    let session = session(surroundings, options)?;
    for object in session.find(&template)? {
        let mut row = Vec::new();
        for name in &columns {
            let value = match attribute(name) {
                Some(attribute) => shown(&session, object, attribute)?.unwrap_or_default(),
                None => object.to_string(),
            };
            row.push(format!("{name}={value}"));
        }
        writeln!(surroundings.out, "{}", row.join("\t"))?;
    }
    Ok(())
}

fn attribute(name: &str) -> Option<(CK_ATTRIBUTE_TYPE, Shape)> {
    let found = ATTRIBUTES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    found.map(|(_, kind, shape)| (*kind, *shape))
}

/// `getAttribute`: a line an attribute, those the object has.
pub(super) fn get_attribute(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let object = handle(options)?;
    let wanted: Vec<&str> = match options.value("attributes") {
        Some(names) => names.split(',').map(str::trim).collect(),
        None => ATTRIBUTES.iter().map(|(name, ..)| *name).collect(),
    };
    if let Some(name) = wanted.iter().find(|name| attribute(name).is_none()) {
        return Err(Failure::misuse(format!("-attributes: nothing is called '{name}'")));
    }
    let session = session(surroundings, options)?;
    for name in wanted {
        let Some(attribute) = attribute(name) else { continue };
        if let Some(value) = shown(&session, object, attribute)? {
            writeln!(surroundings.out, "{name}={value}")?;
        }
    }
    Ok(())
}

/// `setAttribute`.
pub(super) fn set_attribute(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let object = handle(options)?;
    let mut template = Vec::new();
    for Known { name, .. } in SETTABLE {
        let (Some(text), Some((kind, shape))) = (options.value(name), attribute(name)) else {
            continue;
        };
        template.push(match shape {
            Shape::Text => Attribute::text(kind, text),
            Shape::Bytes => Attribute::bytes(kind, bytes(name, text)?),
            _ => Attribute::bool(kind, options.flag(name)?.unwrap_or(false)),
        });
    }
    if template.is_empty() {
        return Err(Failure::misuse("an attribute to be changed is needed, as in -label"));
    }
    Ok(session(surroundings, options)?.set_attributes(object, &template)?)
}

/// `delete`.
pub(super) fn delete(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let object = handle(options)?;
    let session = session(surroundings, options)?;
    let label = session.attribute_text(object, CKA_LABEL)?.unwrap_or_default();
    if !options.has("force") {
        let question = format!("Delete object {object} ({label})? Type 'yes' to go on");
        if surroundings.ask(&question, "force")? != "yes" {
            return Err(Failure::refused("nothing was deleted"));
        }
    }
    Ok(session.destroy(object)?)
}
