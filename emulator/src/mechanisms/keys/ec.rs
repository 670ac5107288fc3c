//! Keys on named curves in the form of Weierstrass.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.3.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Pair, formless, invalid, need, not_such_a_key, place};
use crate::ck::*;
use crate::crypto::ec::{Curve, EcPrivateKey, EcPublicKey};
use crate::crypto::pkcs8::{self, PrivateKey};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::broken;
use crate::object::held::Object;
use crate::object::{Attribute, Template};

pub(super) struct EcPair;

impl Pair for EcPair {
    fn bits(&self, attributes: &Template) -> Result<u64> {
        Ok(curve(attributes)?.bits() as u64)
    }

    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template> {
        if class == CKO_PRIVATE_KEY {
            parse_ec_private(attributes)?;
            return Ok(Template::new());
        }
        let point = parse_ec_public(attributes)?.point().map_err(broken)?;
        Ok(Template::from_iter([Attribute::bytes(CKA_EC_POINT, wrap_point(&point))]))
    }

    fn to_pkcs8(&self, key: &Object) -> Result<Zeroizing<Vec<u8>>> {
        ec_private(key)?.to_pkcs8().map_err(|_| formless())
    }

    fn parse_pkcs8(&self, bytes: &[u8]) -> Result<Template> {
        match pkcs8::parse(bytes) {
            Ok(PrivateKey::Ec(key)) => Ok(Template::from_iter([
                Attribute::bytes(CKA_EC_PARAMS, key.curve().params_der().to_vec()),
                Attribute::bytes(CKA_VALUE, key.scalar().map_err(broken)?.to_vec()),
            ])),
            _ => Err(not_such_a_key()),
        }
    }
}

/// The EC private key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a scalar out of range, `CurveNotSupported`.
pub fn ec_private(object: &Object) -> Result<Arc<EcPrivateKey>> {
    object.parsed(place::EC_PRIVATE, parse_ec_private)
}

/// The EC public key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a point off the curve, `CurveNotSupported`.
pub fn ec_public(object: &Object) -> Result<Arc<EcPublicKey>> {
    object.parsed(place::EC_PUBLIC, parse_ec_public)
}

fn parse_ec_private(attributes: &Template) -> Result<EcPrivateKey> {
    EcPrivateKey::from_scalar(curve(attributes)?, need(attributes, CKA_VALUE)?)
        .map_err(|_| invalid(CKA_VALUE, "the scalar is not in the range of the curve"))
}

fn parse_ec_public(attributes: &Template) -> Result<EcPublicKey> {
    let (curve, point) = (curve(attributes)?, need(attributes, CKA_EC_POINT)?);
    EcPublicKey::from_point(curve, unwrap_point(curve, point))
        .map_err(|_| invalid(CKA_EC_POINT, "the point is not on the curve"))
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
    Curve::from_params_der(params).ok_or_else(|| {
        Error::new(Cause::CurveNotSupported, "no named curve of this module has that identifier")
            .about(CKA_EC_PARAMS)
    })
}

/// The point inside a DER OCTET STRING, or the bytes themselves where a client sends them bare.
///
/// A bare uncompressed point begins with 04 too, and one in 256 goes on with what could be its length, so
/// bytes as long as such a point of this curve are one; no wrapped point has that length.
pub fn unwrap_point(curve: Curve, value: &[u8]) -> &[u8] {
    match value {
        _ if value.len() == 1 + 2 * curve.field_len() => value,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_taken_bare_and_wrapped() {
        for curve in [Curve::P224, Curve::P256, Curve::P521] {
            let len = 1 + 2 * curve.field_len();
            let compressed = vec![0x02; 1 + curve.field_len()];
            let like_a_length = u8::try_from(len - 2).unwrap();
            let mut bare = vec![0x04, like_a_length];
            bare.resize(len, 0x41);
            for point in [bare, vec![0x04; len], compressed] {
                assert_eq!(unwrap_point(curve, &point), point.as_slice(), "{curve:?}");
                assert_eq!(unwrap_point(curve, &wrap_point(&point)), point.as_slice(), "{curve:?}");
            }
        }
    }
}
