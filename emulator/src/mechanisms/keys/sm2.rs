//! Keys of SM2.
//!
//! The curve is named in `CKA_EC_PARAMS`, as the vendor's key management utility sends it
//! (Documented), and points are DER OCTET STRINGs, as those of other curves (Assumed).
//!
//! Source: GB/T 32918; the identifier from GM/T 0006, 1.2.156.10197.1.301.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::ec::wrap_point;
use super::{Pair, formless, invalid, need, not_such_a_key, place};
use crate::ck::*;
use crate::crypto::sm2::{FIELD_LEN, Sm2PrivateKey, Sm2PublicKey};
use crate::error::{Cause, Error, Result};
use crate::object::held::Object;
use crate::object::{Attribute, Template};

/// `CKA_EC_PARAMS` of the one curve there is.
const CURVE: &[u8] = &[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];

/// Bits of its order, as the vendor's table of mechanisms counts them.
const BITS: u64 = 256;

pub(super) struct Sm2Pair;

impl Pair for Sm2Pair {
    fn bits(&self, attributes: &Template) -> Result<u64> {
        sm2_params(attributes).map(|_| BITS)
    }

    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template> {
        if class == CKO_PRIVATE_KEY {
            return parse_private(attributes).map(|_| Template::new());
        }
        let point = wrap_point(&parse_public(attributes)?.point());
        Ok(Template::from_iter([Attribute::bytes(CKA_EC_POINT, point)]))
    }

    fn to_pkcs8(&self, key: &Object) -> Result<Zeroizing<Vec<u8>>> {
        sm2_private(key)?.to_pkcs8().map_err(|_| formless())
    }

    fn parse_pkcs8(&self, bytes: &[u8]) -> Result<Template> {
        let key = Sm2PrivateKey::from_pkcs8(bytes).map_err(|_| not_such_a_key())?;
        Ok(Template::from_iter([
            Attribute::bytes(CKA_EC_PARAMS, CURVE),
            Attribute::bytes(CKA_VALUE, key.scalar().to_vec()),
        ]))
    }
}

/// The private key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a scalar out of range, `CurveNotSupported`.
pub fn sm2_private(object: &Object) -> Result<Arc<Sm2PrivateKey>> {
    object.parsed(place::SM2_PRIVATE, parse_private)
}

/// The public key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a point off the curve, `CurveNotSupported`.
pub fn sm2_public(object: &Object) -> Result<Arc<Sm2PublicKey>> {
    object.parsed(place::SM2_PUBLIC, parse_public)
}

/// The name of the curve; that of a private template may be left to its public half.
///
/// # Errors
/// `CurveNotSupported` for another curve.
pub fn sm2_params(attributes: &Template) -> Result<&[u8]> {
    match attributes.bytes(CKA_EC_PARAMS) {
        None | Some(CURVE) => Ok(CURVE),
        Some(_) => {
            Err(Error::new(Cause::CurveNotSupported, "keys of this type are on SM2's curve")
                .about(CKA_EC_PARAMS))
        }
    }
}

fn parse_private(attributes: &Template) -> Result<Sm2PrivateKey> {
    sm2_params(attributes)?;
    Sm2PrivateKey::from_scalar(need(attributes, CKA_VALUE)?)
        .map_err(|_| invalid(CKA_VALUE, "the scalar is not in the range of the curve"))
}

fn parse_public(attributes: &Template) -> Result<Sm2PublicKey> {
    sm2_params(attributes)?;
    Sm2PublicKey::from_point(bare(need(attributes, CKA_EC_POINT)?))
        .map_err(|_| invalid(CKA_EC_POINT, "the point is not on the curve"))
}

/// The point inside a DER OCTET STRING, or the bytes themselves. A bare point has an even number of
/// coordinate bytes after its first; no wrapped one has its length.
fn bare(value: &[u8]) -> &[u8] {
    match value {
        _ if value.len() == 1 + 2 * FIELD_LEN || value.len() == 1 + FIELD_LEN => value,
        [0x04, len, point @ ..] if usize::from(*len) == point.len() => point,
        _ => value,
    }
}
