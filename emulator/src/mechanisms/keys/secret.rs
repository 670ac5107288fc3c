//! Secret keys: what lengths each type may have, and the forms ciphers keep them in.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms and Historical Mechanisms, the section of each type.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{need, place};
use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::aes::AesKey;
use crate::crypto::block::{Algorithm, BlockKey};
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
    (CKK_DES, Lengths::Of(&[8])),
    (CKK_DES2, Lengths::Of(&[16])),
    (CKK_DES3, Lengths::Of(&[24])),
    (CKK_RC2, Lengths::Within(1, 128)),
    (CKK_RC4, Lengths::Within(1, 256)),
    (CKK_RC5, Lengths::Within(1, 255)),
    (CKK_CAST5, Lengths::Within(1, 16)),
    (CKK_ARIA, Lengths::Of(&[16, 24, 32])),
    (CKK_SM4, Lengths::Of(&[16])),
    // The most that a mechanism takes is profile data; this is for keys that come from outside.
    (CKK_GENERIC_SECRET, Lengths::Within(1, 1 << 20)),
];

/// Types whose every byte has an odd number of ones.
const ODD_PARITY: &[CK_KEY_TYPE] = &[CKK_DES, CKK_DES2, CKK_DES3];

fn has_parity(key_type: Option<CK_KEY_TYPE>) -> bool {
    key_type.is_some_and(|key_type| ODD_PARITY.contains(&key_type))
}

/// Sets the lowest bit of each byte so that the ones are odd in number.
fn set_parity(value: &mut [u8]) {
    for byte in value {
        *byte ^= u8::from(byte.count_ones().is_multiple_of(2));
    }
}

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

/// A DES key that comes from outside has to have its parity, as PKCS#11 v2.40 says of each of its
/// types (Assumed of the product).
///
/// # Errors
/// `AttributeValueInvalid` for a value that is no key of the type.
pub(super) fn admit(key_type: Option<CK_KEY_TYPE>, value: &[u8]) -> Result<()> {
    let invalid = |rule| Error::new(Cause::AttributeValueInvalid, rule).about(CKA_VALUE);
    if let Some(lengths) = lengths(key_type)
        && !lengths.allow(value.len())
    {
        return Err(invalid(lengths.rule()));
    }
    if has_parity(key_type) && value.iter().any(|byte| byte.count_ones().is_multiple_of(2)) {
        return Err(invalid("every byte of a DES key has odd parity".to_owned()));
    }
    Ok(())
}

/// The first bytes of those that were unwrapped.
///
/// # Errors
/// `KeySizeRange` for too few of them, `WrappedKeyInvalid` for a DES key without parity.
pub(super) fn from_bytes(
    key_type: Option<CK_KEY_TYPE>,
    bytes: &[u8],
    wanted: Option<usize>,
) -> Result<Template> {
    let parts = first_of(bytes, wanted)?;
    if has_parity(key_type) {
        admit(key_type, need(&parts, CKA_VALUE)?).map_err(|error| {
            error.recast(Cause::AttributeValueInvalid, Cause::WrappedKeyInvalid)
        })?;
    }
    Ok(parts)
}

/// The first bytes of those that were derived, with the parity of their type.
///
/// # Errors
/// `KeySizeRange` for too few of them.
pub(super) fn from_derived(
    key_type: Option<CK_KEY_TYPE>,
    bytes: &[u8],
    wanted: Option<usize>,
) -> Result<Template> {
    let mut bytes = Zeroizing::new(bytes.to_vec());
    if has_parity(key_type) {
        set_parity(&mut bytes);
    }
    first_of(&bytes, wanted)
}

fn first_of(bytes: &[u8], wanted: Option<usize>) -> Result<Template> {
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
    let mut value = random::bytes(size).map_err(broken)?;
    if has_parity(Some(key_type)) {
        set_parity(&mut value);
    }
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

/// The key of an object for a block cipher of which it has one schedule only.
///
/// # Errors
/// `KeySizeRange` for a value that is no such key.
pub fn block(object: &Object, algorithm: Algorithm) -> Result<Arc<BlockKey>> {
    object.parsed(place::BLOCK, |attributes| tuned(algorithm, need(attributes, CKA_VALUE)?))
}

/// A key for a block cipher whose schedule depends on more than the key.
///
/// # Errors
/// `KeySizeRange` for a value that is no such key.
pub fn tuned(algorithm: Algorithm, value: &[u8]) -> Result<BlockKey> {
    BlockKey::new(algorithm, value).map_err(|error| match error {
        CryptoError::Key | CryptoError::Parameter => {
            Error::new(Cause::KeySizeRange, "the cipher has no keys of that length")
        }
        other => broken(other),
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

    #[test]
    fn parity_is_set_where_a_key_is_made_and_wanted_where_it_comes_in() {
        let limits = Limits { min_bits: 64, max_bits: 192, fips: false, former: false };
        for key_type in ODD_PARITY {
            let made = generate(*key_type, &Template::new(), limits).unwrap();
            let value = need(&made, CKA_VALUE).unwrap();
            admit(Some(*key_type), value).unwrap();
            for at in 0..value.len() {
                let mut even = value.to_vec();
                even[at] ^= 0x10;
                let refused = admit(Some(*key_type), &even).unwrap_err();
                assert_eq!(refused.cause(), Cause::AttributeValueInvalid);
                let refused = from_bytes(Some(*key_type), &even, None).unwrap_err();
                assert_eq!(refused.cause(), Cause::WrappedKeyInvalid);
                let derived = from_derived(Some(*key_type), &even, None).unwrap();
                even[at] ^= 1;
                assert_eq!(need(&derived, CKA_VALUE).unwrap(), even);
            }
        }
    }
}
