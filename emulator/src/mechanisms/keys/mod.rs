//! Keys from attributes: parsed once an object, checked once when they come in.
//!
//! A type of key pair is one file and one line of `PAIRS`; a type of secret key is one line in
//! [`secret`]. The attributes each type has are rows of `object::key_types`.

mod bip32;
mod curve25519;
mod dh;
mod dsa;
mod ec;
mod lattice;
mod rsa;
pub mod secret;
mod sm2;

use zeroize::Zeroizing;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::object::Template;
use crate::object::held::Object;
use crate::object::rules::Class;

pub use self::bip32::{FINGERPRINT_LEN, identifier};
pub(super) use self::curve25519::bare;
pub use self::curve25519::{
    ed25519_params, ed25519_private, ed25519_public, pair_of, x25519_params, x25519_private,
};
pub use self::dh::{dh_group, dh_private};
pub use self::dsa::{dsa_group, dsa_private, dsa_public, group_attributes, parameter_sizes};
pub(super) use self::ec::unwrap_point;
pub use self::ec::{curve, ec_private, ec_public, wrap_point};
pub use self::lattice::{ML_DSA, ML_KEM, lattice_pair, lattice_private, lattice_public, set_of};
pub use self::rsa::{rsa_private, rsa_private_attributes, rsa_public};
pub use self::secret::{aes, block, cmac, hmac, tuned, value};
pub use self::sm2::{sm2_params, sm2_private, sm2_public};

/// Places in an object where parsed keys are kept; HMAC keys take one for each hash after these.
mod place {
    pub(super) const AES: usize = 0;
    pub(super) const RSA_PRIVATE: usize = 1;
    pub(super) const RSA_PUBLIC: usize = 2;
    pub(super) const EC_PRIVATE: usize = 3;
    pub(super) const EC_PUBLIC: usize = 4;
    pub(super) const CMAC: usize = 5;
    pub(super) const DSA_PRIVATE: usize = 6;
    pub(super) const DSA_PUBLIC: usize = 7;
    pub(super) const DH_PRIVATE: usize = 8;
    pub(super) const ED25519_PRIVATE: usize = 9;
    pub(super) const ED25519_PUBLIC: usize = 10;
    pub(super) const X25519_PRIVATE: usize = 11;
    pub(super) const LATTICE_PRIVATE: usize = 12;
    pub(super) const LATTICE_PUBLIC: usize = 13;
    pub(super) const BLOCK: usize = 14;
    pub(super) const SM2_PRIVATE: usize = 15;
    pub(super) const SM2_PUBLIC: usize = 16;
    pub(super) const HMAC: usize = 0x100;
}

/// What a type of key pair is to the token.
pub trait Pair: Sync {
    /// The size of either key in bits, as size limits count it.
    ///
    /// # Errors
    /// Where the attributes are no such key.
    fn bits(&self, attributes: &Template) -> Result<u64>;

    /// Checks a key that comes from outside, and says what the token adds to its attributes.
    ///
    /// # Errors
    /// `AttributeValueInvalid` naming the attribute, `CurveNotSupported`.
    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template>;

    /// PKCS#8 of a private key.
    ///
    /// # Errors
    /// `KeyNotWrappable` for a key that has no such form.
    fn to_pkcs8(&self, key: &Object) -> Result<Zeroizing<Vec<u8>>>;

    /// The attributes of a private key from its PKCS#8.
    ///
    /// # Errors
    /// `WrappedKeyInvalid` for bytes that are no such key.
    fn parse_pkcs8(&self, bytes: &[u8]) -> Result<Template>;
}

/// Every type of key pair.
static PAIRS: &[(CK_KEY_TYPE, &dyn Pair)] = &[
    (CKK_RSA, &rsa::RsaPair),
    (CKK_EC, &ec::EcPair),
    (CKK_BIP32, &bip32::Bip32Pair),
    (CKK_DSA, &dsa::DsaPair),
    (CKK_DH, &dh::DhPair { ordered: false }),
    (CKK_X9_42_DH, &dh::DhPair { ordered: true }),
    (CKK_EC_EDWARDS, &curve25519::EdwardsPair),
    (CKK_EC_MONTGOMERY, &curve25519::MontgomeryPair),
    (CKK_SM2, &sm2::Sm2Pair),
    (CKK_ML_DSA, &lattice::LatticePair(ML_DSA)),
    (CKK_ML_KEM, &lattice::LatticePair(ML_KEM)),
];

fn pair(class: Class) -> Option<&'static dyn Pair> {
    if !matches!(class.class, CKO_PUBLIC_KEY | CKO_PRIVATE_KEY) {
        return None;
    }
    PAIRS.iter().find(|(kind, _)| Some(*kind) == class.key_type).map(|(_, pair)| *pair)
}

/// The size of a key in bits, as size limits count it.
///
/// # Errors
/// Where the object is no key of this module.
pub fn bits(object: &Object) -> Result<u64> {
    match pair(object.class()) {
        Some(pair) => pair.bits(object.attributes()),
        None => Ok(value(object)?.len() as u64 * 8),
    }
}

/// Checks a key that comes from outside, and says what the token adds to its attributes.
///
/// # Errors
/// `AttributeValueInvalid` naming the attribute, `KeySizeRange`, `CurveNotSupported`.
pub fn admit(class: Class, attributes: &Template) -> Result<Template> {
    if let Some(pair) = pair(class) {
        return pair.admit(class.class, attributes);
    }
    if class.class == CKO_SECRET_KEY {
        secret::admit(class.key_type, need(attributes, CKA_VALUE)?)?;
    }
    Ok(Template::new())
}

/// A key as it is wrapped: the value of a secret key, PKCS#8 of a private one.
///
/// # Errors
/// `KeyNotWrappable` for a key that has no such form.
pub fn to_bytes(object: &Object) -> Result<Zeroizing<Vec<u8>>> {
    match pair(object.class()) {
        Some(pair) if object.class().class == CKO_PRIVATE_KEY => pair.to_pkcs8(object),
        _ => Ok(Zeroizing::new(value(object)?.to_vec())),
    }
}

/// The attributes that come from the bytes of an unwrapped key.
///
/// # Errors
/// `WrappedKeyInvalid` for bytes that are no such key, `KeySizeRange` for too few of them.
pub fn from_bytes(class: Class, bytes: &[u8], template: &Template) -> Result<Template> {
    if class.class == CKO_SECRET_KEY {
        return secret::from_bytes(class.key_type, bytes, wanted_len(class, template)?);
    }
    pair(class).ok_or_else(not_such_a_key)?.parse_pkcs8(bytes)
}

/// The length a template asks of a secret key, in bytes; the only length of its type where the
/// template is silent.
///
/// # Errors
/// `KeySizeRange` for a length no machine holds.
pub fn wanted_len(class: Class, template: &Template) -> Result<Option<usize>> {
    if class.class != CKO_SECRET_KEY {
        return Ok(None);
    }
    let Some(len) = template.number(CKA_VALUE_LEN) else {
        return Ok(secret::only_length(class.key_type));
    };
    usize::try_from(len).ok().filter(|len| (1..=1 << 20).contains(len)).map(Some).ok_or_else(|| {
        Error::new(Cause::KeySizeRange, "no key has that length").about(CKA_VALUE_LEN)
    })
}

/// The class a derived key has: a secret key, generic where the template does not say.
///
/// # Errors
/// `TemplateInconsistent` for a class that cannot be derived.
pub fn derived_class(template: &Template) -> Result<Class> {
    let class = template.number(CKA_CLASS).unwrap_or(CKO_SECRET_KEY);
    let key_type = template.number(CKA_KEY_TYPE).unwrap_or(CKK_GENERIC_SECRET);
    let class = Class { class, key_type: Some(key_type) };
    if class.class != CKO_SECRET_KEY || class.tables().is_none() {
        return Err(
            Error::new(Cause::TemplateInconsistent, "secret keys are derived").about(CKA_CLASS)
        );
    }
    Ok(class)
}

/// The attributes that come from the bytes a mechanism derived.
///
/// # Errors
/// `KeySizeRange` for too few of them.
pub fn from_derived(class: Class, bytes: &[u8], template: &Template) -> Result<Template> {
    secret::from_derived(class.key_type, bytes, wanted_len(class, template)?)
}

fn not_such_a_key() -> Error {
    Error::new(Cause::WrappedKeyInvalid, "the bytes are no key of that type")
}

fn formless() -> Error {
    Error::new(Cause::KeyNotWrappable, "the key has no form in which it could be wrapped")
}

fn need(attributes: &Template, kind: CK_ATTRIBUTE_TYPE) -> Result<&[u8]> {
    attributes.bytes(kind).ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the key has no such component").about(kind)
    })
}

fn invalid(kind: CK_ATTRIBUTE_TYPE, rule: &'static str) -> Error {
    Error::new(Cause::AttributeValueInvalid, rule).about(kind)
}

/// Bits of a number, big-endian, leading zeros not counted.
pub fn bit_length(number: &[u8]) -> u64 {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    digits
        .next()
        .map_or(0, |first| u64::from(8 - first.leading_zeros()) + digits.count() as u64 * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_lengths_skip_leading_zeros() {
        assert_eq!(bit_length(&[0, 0, 1, 0]), 9);
        assert_eq!(bit_length(&[0x80]), 8);
        assert_eq!(bit_length(&[]), 0);
    }
}
