//! Secret keys: what lengths each type may have, and the forms ciphers keep them in.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms and Historical Mechanisms, the section of each type.

use std::sync::Arc;

use super::{need, place};
use crate::ck::*;
use crate::crypto::aes::AesKey;
use crate::crypto::cmac::CmacKey;
use crate::crypto::hash::Hash;
use crate::crypto::hmac::HmacKey;
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{Limits, broken};
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

/// How many bytes keys of a type have.
enum Lengths {
    /// One of these.
    Of(&'static [usize]),
    /// From and to.
    Within(usize, usize),
}

/// Every type of secret key. A type is also a row of `object::key_types`.
static LENGTHS: &[(CK_KEY_TYPE, Lengths)] = &[
    (CKK_AES, Lengths::Of(&[16, 24, 32])),
    // The most that a mechanism takes is profile data; this is for keys that come from outside.
    (CKK_GENERIC_SECRET, Lengths::Within(1, 1 << 20)),
];

fn lengths(key_type: Option<CK_KEY_TYPE>) -> Option<&'static Lengths> {
    LENGTHS.iter().find(|(kind, _)| Some(*kind) == key_type).map(|(_, lengths)| lengths)
}

impl Lengths {
    fn allow(&self, len: usize) -> bool {
        match self {
            Self::Of(these) => these.contains(&len),
            Self::Within(least, most) => (*least..=*most).contains(&len),
        }
    }

    fn rule(&self) -> String {
        match self {
            Self::Of(these) => {
                let these: Vec<_> = these.iter().map(usize::to_string).collect();
                format!("such a key has {} bytes", these.join(" or "))
            }
            Self::Within(least, most) => format!("such a key has {least} to {most} bytes"),
        }
    }
}

/// The length of every key of a type that has one only.
pub(super) fn only_length(key_type: Option<CK_KEY_TYPE>) -> Option<usize> {
    match lengths(key_type) {
        Some(Lengths::Of([only])) => Some(*only),
        _ => None,
    }
}

/// # Errors
/// `AttributeValueInvalid` for a value that is no key of the type.
pub(super) fn admit(key_type: Option<CK_KEY_TYPE>, value: &[u8]) -> Result<()> {
    match lengths(key_type) {
        Some(lengths) if !lengths.allow(value.len()) => {
            Err(Error::new(Cause::AttributeValueInvalid, lengths.rule()).about(CKA_VALUE))
        }
        _ => Ok(()),
    }
}

/// The first bytes of those that were unwrapped or derived.
///
/// # Errors
/// `KeySizeRange` for too few of them.
pub(super) fn from_bytes(bytes: &[u8], wanted: Option<usize>) -> Result<Template> {
    let value = match wanted {
        Some(len) => bytes.get(..len).ok_or_else(|| {
            Error::new(Cause::KeySizeRange, format!("{} bytes are there", bytes.len()))
                .about(CKA_VALUE_LEN)
        })?,
        None => bytes,
    };
    Ok(attributes(value))
}

/// The attributes of a secret key that come from its bytes.
pub fn attributes(value: &[u8]) -> Template {
    Template::from_iter([
        Attribute::bytes(CKA_VALUE, value.to_vec()),
        Attribute::number(CKA_VALUE_LEN, value.len() as u64),
    ])
}

/// The class of the secret key that a template names by its type.
///
/// # Errors
/// `TemplateIncomplete` without a type, `AttributeValueInvalid` for one that is no secret key's.
pub fn named(template: &Template) -> Result<Class> {
    let key_type = template.number(CKA_KEY_TYPE).ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the type of the key is wanted").about(CKA_KEY_TYPE)
    })?;
    let class = Class { class: CKO_SECRET_KEY, key_type: Some(key_type) };
    if class.tables().is_none() {
        return Err(Error::new(Cause::AttributeValueInvalid, "no secret key has that type")
            .about(CKA_KEY_TYPE));
    }
    Ok(class)
}

/// The length in bytes that a template asks of a key of that type.
///
/// # Errors
/// `TemplateIncomplete` without a length where the type has several, `KeySizeRange`.
pub fn asked_len(key_type: Option<CK_KEY_TYPE>, template: &Template) -> Result<usize> {
    let only = only_length(key_type).map(|len| len as u64);
    let len = template.number(CKA_VALUE_LEN).or(only).ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the length of the key is wanted")
            .about(CKA_VALUE_LEN)
    })?;
    let size = usize::try_from(len)
        .map_err(|_| Error::new(Cause::KeySizeRange, "longer than this machine can hold"))?;
    match lengths(key_type) {
        Some(lengths) if !lengths.allow(size) => {
            Err(Error::new(Cause::KeySizeRange, lengths.rule()).about(CKA_VALUE_LEN))
        }
        _ => Ok(size),
    }
}

/// `C_GenerateKey` for a key of random bytes, as long as the template says.
///
/// # Errors
/// `TemplateIncomplete` without a length where the type has several, `KeySizeRange`.
pub fn generate(key_type: CK_KEY_TYPE, template: &Template, limits: Limits) -> Result<Template> {
    let size = asked_len(Some(key_type), template)?;
    limits.check((size as u64).saturating_mul(8))?;
    let value = random::bytes(size).map_err(broken)?;
    Ok(attributes(&value))
}

/// The AES key of an object.
///
/// # Errors
/// `KeySizeRange` for a value that is no AES key.
pub fn aes(object: &Object) -> Result<Arc<AesKey>> {
    object.parsed(place::AES, |attributes| {
        AesKey::new(need(attributes, CKA_VALUE)?)
            .map_err(|_| Error::new(Cause::KeySizeRange, "an AES key has 16, 24 or 32 bytes"))
    })
}

/// The bytes of a secret key, for ciphers whose key schedule is not worth keeping.
///
/// # Errors
/// `TemplateIncomplete` for an object that has none.
pub fn value(object: &Object) -> Result<&[u8]> {
    need(object.attributes(), CKA_VALUE)
}

/// The CMAC key of an object.
///
/// # Errors
/// `FunctionFailed` when the crypto library refuses the key.
pub fn cmac(object: &Object) -> Result<Arc<CmacKey>> {
    object.parsed(place::CMAC, |attributes| {
        CmacKey::new(need(attributes, CKA_VALUE)?).map_err(broken)
    })
}

/// The HMAC key of an object for one hash.
///
/// # Errors
/// `FunctionFailed` when the crypto library refuses the key.
pub fn hmac(object: &Object, hash: Hash) -> Result<Arc<HmacKey>> {
    object.parsed(place::HMAC + hash as usize, |attributes| {
        HmacKey::new(hash, need(attributes, CKA_VALUE)?).map_err(broken)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_attributes() {
        for (key_type, lengths) in LENGTHS {
            let class = Class { class: CKO_SECRET_KEY, key_type: Some(*key_type) };
            assert!(class.tables().is_some(), "{key_type:#x}");
            assert!(!lengths.allow(0));
        }
    }
}
