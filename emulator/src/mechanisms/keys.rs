//! Keys from attributes: parsed once an object, checked once when they come in.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::aes::AesKey;
use crate::crypto::cmac::CmacKey;
use crate::crypto::ec::{Curve, EcPrivateKey, EcPublicKey};
use crate::crypto::hash::Hash;
use crate::crypto::hmac::HmacKey;
use crate::crypto::pkcs8::{self, PrivateKey};
use crate::crypto::rsa::{RsaComponents, RsaPrivateKey, RsaPublicKey};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::broken;
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

/// Places in an object where parsed keys are kept; HMAC keys take one for each hash after these.
mod place {
    pub(super) const AES: usize = 0;
    pub(super) const RSA_PRIVATE: usize = 1;
    pub(super) const RSA_PUBLIC: usize = 2;
    pub(super) const EC_PRIVATE: usize = 3;
    pub(super) const EC_PUBLIC: usize = 4;
    pub(super) const CMAC: usize = 5;
    pub(super) const HMAC: usize = 6;
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

/// The RSA private key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for components that are no key.
pub fn rsa_private(object: &Object) -> Result<Arc<RsaPrivateKey>> {
    object.parsed(place::RSA_PRIVATE, parse_rsa_private)
}

/// The RSA public key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a modulus and exponent that are no key.
pub fn rsa_public(object: &Object) -> Result<Arc<RsaPublicKey>> {
    object.parsed(place::RSA_PUBLIC, parse_rsa_public)
}

/// The EC private key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a scalar out of range, `CurveNotSupported`.
pub fn ec_private(object: &Object) -> Result<Arc<EcPrivateKey>> {
    object.parsed(place::EC_PRIVATE, |attributes| {
        EcPrivateKey::from_scalar(curve(attributes)?, need(attributes, CKA_VALUE)?)
            .map_err(|_| invalid(CKA_VALUE, "the scalar is not in the range of the curve"))
    })
}

/// The EC public key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a point off the curve, `CurveNotSupported`.
pub fn ec_public(object: &Object) -> Result<Arc<EcPublicKey>> {
    object.parsed(place::EC_PUBLIC, |attributes| {
        let point = unwrap_point(need(attributes, CKA_EC_POINT)?);
        EcPublicKey::from_point(curve(attributes)?, point)
            .map_err(|_| invalid(CKA_EC_POINT, "the point is not on the curve"))
    })
}

/// The curve of an EC key or key template.
///
/// # Errors
/// `TemplateIncomplete` without parameters; `CurveNotSupported` for a curve this module has not,
/// explicit parameters among them.
pub fn curve(attributes: &Template) -> Result<Curve> {
    let params = attributes.bytes(CKA_EC_PARAMS).ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the curve is wanted").about(CKA_EC_PARAMS)
    })?;
    Curve::from_oid_der(params).ok_or_else(|| {
        Error::new(Cause::CurveNotSupported, "no named curve of this module has that identifier")
            .about(CKA_EC_PARAMS)
    })
}

/// The size of a key in bits, as size limits count it.
///
/// # Errors
/// Where the object is no key of this module.
pub fn bits(object: &Object) -> Result<u64> {
    let class = object.class();
    let attributes = object.attributes();
    Ok(match class.key_type {
        Some(CKK_RSA) => {
            let modulus = need(attributes, CKA_MODULUS)?;
            bit_length(modulus)
        }
        Some(CKK_EC) => curve(attributes)?.bits() as u64,
        _ => need(attributes, CKA_VALUE)?.len() as u64 * 8,
    })
}

/// Checks a key that comes from outside, and says what the token adds to its attributes.
///
/// # Errors
/// `AttributeValueInvalid` naming the attribute, `KeySizeRange`, `CurveNotSupported`.
pub fn admit(class: Class, attributes: &Template) -> Result<Template> {
    let mut added = Template::new();
    match (class.class, class.key_type) {
        (CKO_SECRET_KEY, Some(CKK_AES)) => {
            let value = need(attributes, CKA_VALUE)?;
            AesKey::new(value)
                .map_err(|_| invalid(CKA_VALUE, "an AES key has 16, 24 or 32 bytes"))?;
        }
        (CKO_SECRET_KEY, _) if need(attributes, CKA_VALUE)?.is_empty() => {
            return Err(invalid(CKA_VALUE, "a key has at least one byte"));
        }
        (CKO_PUBLIC_KEY, Some(CKK_RSA)) => {
            parse_rsa_public(attributes)?;
            let bits = bit_length(need(attributes, CKA_MODULUS)?);
            added.set(Attribute::number(CKA_MODULUS_BITS, bits));
        }
        (CKO_PRIVATE_KEY, Some(CKK_RSA)) => {
            let key = parse_rsa_private(attributes)?;
            added = rsa_private_attributes(&key).map_err(broken)?;
        }
        (CKO_PUBLIC_KEY, Some(CKK_EC)) => {
            let curve = curve(attributes)?;
            let point = unwrap_point(need(attributes, CKA_EC_POINT)?);
            let key = EcPublicKey::from_point(curve, point)
                .map_err(|_| invalid(CKA_EC_POINT, "the point is not on the curve"))?;
            added.set(Attribute::bytes(CKA_EC_POINT, wrap_point(&key.point().map_err(broken)?)));
        }
        (CKO_PRIVATE_KEY, Some(CKK_EC)) => {
            EcPrivateKey::from_scalar(curve(attributes)?, need(attributes, CKA_VALUE)?)
                .map_err(|_| invalid(CKA_VALUE, "the scalar is not in the range of the curve"))?;
        }
        _ => {}
    }
    Ok(added)
}

/// A key as it is wrapped: the value of a secret key, PKCS#8 of a private one.
///
/// # Errors
/// `KeyNotWrappable` for a key that has no such form.
pub fn to_bytes(object: &Object) -> Result<Zeroizing<Vec<u8>>> {
    let formless =
        |_| Error::new(Cause::KeyNotWrappable, "the key has no form in which it could be wrapped");
    match (object.class().class, object.class().key_type) {
        (CKO_PRIVATE_KEY, Some(CKK_RSA)) => rsa_private(object)?.to_pkcs8().map_err(formless),
        (CKO_PRIVATE_KEY, Some(CKK_EC)) => ec_private(object)?.to_pkcs8().map_err(formless),
        _ => Ok(Zeroizing::new(need(object.attributes(), CKA_VALUE)?.to_vec())),
    }
}

/// The attributes that come from the bytes of an unwrapped or derived key.
///
/// # Errors
/// `WrappedKeyInvalid` for bytes that are no such key, `KeySizeRange` for too few of them.
pub fn from_bytes(class: Class, bytes: &[u8], template: &Template) -> Result<Template> {
    let invalid = || Error::new(Cause::WrappedKeyInvalid, "the bytes are no key of that type");
    if class.class == CKO_SECRET_KEY {
        let value = match wanted_len(class, template)? {
            Some(len) => bytes.get(..len).ok_or_else(|| {
                Error::new(Cause::KeySizeRange, format!("{} bytes are there", bytes.len()))
                    .about(CKA_VALUE_LEN)
            })?,
            None => bytes,
        };
        let len = value.len() as u64;
        return Ok(Template::from_iter([
            Attribute::bytes(CKA_VALUE, value.to_vec()),
            Attribute::number(CKA_VALUE_LEN, len),
        ]));
    }
    match (pkcs8::parse(bytes).map_err(|_| invalid())?, class.key_type) {
        (PrivateKey::Rsa(key), Some(CKK_RSA)) => rsa_private_attributes(&key).map_err(broken),
        (PrivateKey::Ec(key), Some(CKK_EC)) => Ok(Template::from_iter([
            Attribute::bytes(CKA_EC_PARAMS, key.curve().oid_der().to_vec()),
            Attribute::bytes(CKA_VALUE, key.scalar().map_err(broken)?.to_vec()),
        ])),
        _ => Err(invalid()),
    }
}

/// The length a template asks of a secret key, in bytes.
///
/// # Errors
/// `KeySizeRange` for a length no machine holds.
pub fn wanted_len(class: Class, template: &Template) -> Result<Option<usize>> {
    if class.class != CKO_SECRET_KEY {
        return Ok(None);
    }
    let Some(len) = template.number(CKA_VALUE_LEN) else { return Ok(None) };
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

/// Every attribute of an RSA private key that comes from the key itself.
///
/// # Errors
/// When the crypto library cannot give the components out.
pub fn rsa_private_attributes(
    key: &RsaPrivateKey,
) -> std::result::Result<Template, crate::crypto::CryptoError> {
    let parts = key.components()?;
    let mut attributes = Template::from_iter([
        Attribute::bytes(CKA_MODULUS, parts.n),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, parts.e),
        Attribute::bytes(CKA_PRIVATE_EXPONENT, parts.d.to_vec()),
    ]);
    for (kind, part) in [
        (CKA_PRIME_1, parts.p),
        (CKA_PRIME_2, parts.q),
        (CKA_EXPONENT_1, parts.dp),
        (CKA_EXPONENT_2, parts.dq),
        (CKA_COEFFICIENT, parts.qinv),
    ] {
        attributes.0.extend(part.map(|part| Attribute::bytes(kind, part.to_vec())));
    }
    Ok(attributes)
}

fn parse_rsa_private(attributes: &Template) -> Result<RsaPrivateKey> {
    let number = |kind| attributes.bytes(kind).unwrap_or_default().to_vec();
    let part = |kind| attributes.bytes(kind).map(|part| Zeroizing::new(part.to_vec()));
    RsaPrivateKey::from_components(&RsaComponents {
        n: number(CKA_MODULUS),
        e: number(CKA_PUBLIC_EXPONENT),
        d: Zeroizing::new(number(CKA_PRIVATE_EXPONENT)),
        p: part(CKA_PRIME_1),
        q: part(CKA_PRIME_2),
        dp: part(CKA_EXPONENT_1),
        dq: part(CKA_EXPONENT_2),
        qinv: part(CKA_COEFFICIENT),
    })
    .map_err(|_| invalid(CKA_PRIVATE_EXPONENT, "the components do not make an RSA key"))
}

fn parse_rsa_public(attributes: &Template) -> Result<RsaPublicKey> {
    RsaPublicKey::new(need(attributes, CKA_MODULUS)?, need(attributes, CKA_PUBLIC_EXPONENT)?)
        .map_err(|_| invalid(CKA_MODULUS, "modulus and exponent do not make an RSA key"))
}

/// The point inside a DER OCTET STRING, or the bytes themselves where a client sends them bare.
///
/// A bare uncompressed point begins with 04 too, so the length byte must fit exactly.
pub(super) fn unwrap_point(value: &[u8]) -> &[u8] {
    match value {
        [0x04, len, point @ ..] if usize::from(*len) == point.len() && point.len() < 0x80 => point,
        [0x04, 0x81, len, point @ ..] if usize::from(*len) == point.len() => point,
        _ => value,
    }
}

/// A point as `CKA_EC_POINT` holds it: a DER OCTET STRING.
///
/// Source: PKCS#11 v2.40 Current Mechanisms, section 2.3.3.
pub fn wrap_point(point: &[u8]) -> Vec<u8> {
    let mut der = vec![0x04];
    match u8::try_from(point.len()) {
        Ok(len) if len < 0x80 => der.push(len),
        Ok(len) => der.extend_from_slice(&[0x81, len]),
        Err(_) => {
            let len = u16::try_from(point.len()).unwrap_or(u16::MAX).to_be_bytes();
            der.push(0x82);
            der.extend_from_slice(&len);
        }
    }
    der.extend_from_slice(point);
    der
}

fn bit_length(number: &[u8]) -> u64 {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    digits
        .next()
        .map_or(0, |first| u64::from(8 - first.leading_zeros()) + digits.count() as u64 * 8)
}

fn need(attributes: &Template, kind: CK_ATTRIBUTE_TYPE) -> Result<&[u8]> {
    attributes.bytes(kind).ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the key has no such component").about(kind)
    })
}

fn invalid(kind: CK_ATTRIBUTE_TYPE, rule: &'static str) -> Error {
    Error::new(Cause::AttributeValueInvalid, rule).about(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_taken_bare_and_wrapped() {
        let mut bare = vec![0x04];
        bare.extend([0x41; 64]);
        assert_eq!(unwrap_point(&bare), bare.as_slice());
        assert_eq!(unwrap_point(&wrap_point(&bare)), bare.as_slice());
        let long = vec![0x04; 133];
        assert_eq!(unwrap_point(&wrap_point(&long)), long.as_slice());
    }

    #[test]
    fn bit_lengths_skip_leading_zeros() {
        assert_eq!(bit_length(&[0, 0, 1, 0]), 9);
        assert_eq!(bit_length(&[0x80]), 8);
        assert_eq!(bit_length(&[]), 0);
    }
}
