//! Keys of Curve25519: Ed25519 for signatures, X25519 for agreement.
//!
//! The token keeps the curve in the form in which it was named, and gives points as DER OCTET
//! STRINGs, as those of other curves (Assumed: PKCS#11 v3.0 section 2.3 left the wrapping open, v3.1
//! wants the bare bytes; clients read both).
//!
//! Source: PKCS#11 v3.0 sections 2.3.5 to 2.3.8; RFC 8410 for identifiers and PKCS#8; the vendor's
//! identifiers from pycryptoki and its samples (Documented).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::ec::wrap_point;
use super::{Pair, formless, invalid, need, not_such_a_key, place};
use crate::ck::*;
use crate::crypto::curve25519::{Ed25519PrivateKey, Ed25519PublicKey, KEY_LEN, X25519PrivateKey};
use crate::crypto::pkcs8::{self, PrivateKey};
use crate::error::{Cause, Error, Result};
use crate::object::held::Object;
use crate::object::{Attribute, Template};

/// `CKA_EC_PARAMS` of Ed25519: by RFC 8410, by name (PrintableString), by the vendor's identifier
/// 1.3.6.1.4.1.11591.15.1.
static ED25519: &[&[u8]] = &[
    &[0x06, 0x03, 0x2b, 0x65, 0x70],
    b"\x13\x0cedwards25519",
    &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01],
];

/// `CKA_EC_PARAMS` of X25519: by RFC 8410, by name, by the vendor's identifier
/// 1.3.6.1.4.1.3029.1.5.1.
static X25519: &[&[u8]] = &[
    &[0x06, 0x03, 0x2b, 0x65, 0x6e],
    b"\x13\x0acurve25519",
    &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01],
];

/// Bits of either, as the vendor's table of mechanisms counts them.
const ED25519_BITS: u64 = 256;
const X25519_BITS: u64 = 255;

pub(super) struct EdwardsPair;

pub(super) struct MontgomeryPair;

impl Pair for EdwardsPair {
    fn bits(&self, attributes: &Template) -> Result<u64> {
        ed25519_params(attributes).map(|_| ED25519_BITS)
    }

    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template> {
        if class == CKO_PRIVATE_KEY {
            return parse_ed25519_private(attributes).map(|_| Template::new());
        }
        Ok(point_of(parse_ed25519_public(attributes)?.bytes()))
    }

    fn to_pkcs8(&self, key: &Object) -> Result<Zeroizing<Vec<u8>>> {
        ed25519_private(key)?.to_pkcs8().map_err(|_| formless())
    }

    fn parse_pkcs8(&self, bytes: &[u8]) -> Result<Template> {
        match pkcs8::parse(bytes) {
            Ok(PrivateKey::Ed25519(key)) => Ok(private_of(ED25519, key.seed())),
            _ => Err(not_such_a_key()),
        }
    }
}

impl Pair for MontgomeryPair {
    fn bits(&self, attributes: &Template) -> Result<u64> {
        x25519_params(attributes).map(|_| X25519_BITS)
    }

    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template> {
        if class == CKO_PRIVATE_KEY {
            return parse_x25519_private(attributes).map(|_| Template::new());
        }
        x25519_params(attributes)?;
        let point = bare(need(attributes, CKA_EC_POINT)?);
        if point.len() != KEY_LEN {
            return Err(invalid(CKA_EC_POINT, "a public key of X25519 has 32 bytes"));
        }
        Ok(point_of(point))
    }

    fn to_pkcs8(&self, key: &Object) -> Result<Zeroizing<Vec<u8>>> {
        x25519_private(key)?.to_pkcs8().map_err(|_| formless())
    }

    fn parse_pkcs8(&self, bytes: &[u8]) -> Result<Template> {
        match pkcs8::parse(bytes) {
            Ok(PrivateKey::X25519(key)) => Ok(private_of(X25519, key.bytes())),
            _ => Err(not_such_a_key()),
        }
    }
}

/// The Ed25519 private key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a seed of another length, `CurveNotSupported`.
pub fn ed25519_private(object: &Object) -> Result<Arc<Ed25519PrivateKey>> {
    object.parsed(place::ED25519_PRIVATE, parse_ed25519_private)
}

/// The Ed25519 public key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a point of another length, `CurveNotSupported`.
pub fn ed25519_public(object: &Object) -> Result<Arc<Ed25519PublicKey>> {
    object.parsed(place::ED25519_PUBLIC, parse_ed25519_public)
}

/// The X25519 private key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for a key of another length, `CurveNotSupported`.
pub fn x25519_private(object: &Object) -> Result<Arc<X25519PrivateKey>> {
    object.parsed(place::X25519_PRIVATE, parse_x25519_private)
}

fn parse_ed25519_private(attributes: &Template) -> Result<Ed25519PrivateKey> {
    ed25519_params(attributes)?;
    Ed25519PrivateKey::from_seed(need(attributes, CKA_VALUE)?)
        .map_err(|_| invalid(CKA_VALUE, "a private key of Ed25519 has 32 bytes"))
}

fn parse_ed25519_public(attributes: &Template) -> Result<Ed25519PublicKey> {
    ed25519_params(attributes)?;
    Ed25519PublicKey::from_bytes(bare(need(attributes, CKA_EC_POINT)?))
        .map_err(|_| invalid(CKA_EC_POINT, "a public key of Ed25519 has 32 bytes"))
}

fn parse_x25519_private(attributes: &Template) -> Result<X25519PrivateKey> {
    x25519_params(attributes)?;
    X25519PrivateKey::from_bytes(need(attributes, CKA_VALUE)?)
        .map_err(|_| invalid(CKA_VALUE, "a private key of X25519 has 32 bytes"))
}

/// The form in which a template names Ed25519.
///
/// # Errors
/// `TemplateIncomplete` without one, `CurveNotSupported` for another curve.
pub fn ed25519_params(attributes: &Template) -> Result<&[u8]> {
    named(attributes, ED25519)
}

/// The form in which a template names X25519.
///
/// # Errors
/// As [`ed25519_params`].
pub fn x25519_params(attributes: &Template) -> Result<&[u8]> {
    named(attributes, X25519)
}

fn named<'a>(attributes: &'a Template, forms: &[&[u8]]) -> Result<&'a [u8]> {
    let params = attributes.bytes(CKA_EC_PARAMS).ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the curve is wanted").about(CKA_EC_PARAMS)
    })?;
    if forms.contains(&params) {
        return Ok(params);
    }
    Err(Error::new(Cause::CurveNotSupported, "keys of this type are on Curve25519")
        .about(CKA_EC_PARAMS))
}

/// A public key of 32 bytes: bare, in a DER OCTET STRING, or in a BIT STRING as certificates have
/// it.
pub(in crate::mechanisms) fn bare(value: &[u8]) -> &[u8] {
    match value {
        [0x04, 0x20, key @ ..] | [0x03, 0x21, 0x00, key @ ..] if key.len() == KEY_LEN => key,
        _ => value,
    }
}

fn point_of(key: &[u8]) -> Template {
    Template::from_iter([Attribute::bytes(CKA_EC_POINT, wrap_point(key))])
}

/// The attributes of a private key that came without a name for its curve.
fn private_of(forms: &[&[u8]], value: &[u8]) -> Template {
    let params = forms.first().copied().unwrap_or_default();
    Template::from_iter([
        Attribute::bytes(CKA_EC_PARAMS, params.to_vec()),
        Attribute::bytes(CKA_VALUE, value.to_vec()),
    ])
}

/// What the token adds to both halves of a pair it made. The private half names the curve as its
/// own template does, where that is another form of the same name.
///
/// # Errors
/// `CurveNotSupported` where the private template names another curve.
pub fn pair_of(
    (public, private): (&Template, &Template),
    params: fn(&Template) -> Result<&[u8]>,
    (point, value): (&[u8], &[u8]),
) -> Result<(Template, Template)> {
    let own = params(public)?;
    let theirs = if private.find(CKA_EC_PARAMS).is_some() { params(private)? } else { own };
    let mut made = point_of(point);
    made.set(Attribute::bytes(CKA_EC_PARAMS, own.to_vec()));
    let kept = Template::from_iter([
        Attribute::bytes(CKA_EC_PARAMS, theirs.to_vec()),
        Attribute::bytes(CKA_VALUE, value.to_vec()),
    ]);
    Ok((made, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_are_taken_in_every_wrapping() {
        let key: [u8; KEY_LEN] = std::array::from_fn(|at| if at == 0 { 4 } else { 30 });
        for wrapped in [
            key.to_vec(),
            [&[0x04, 0x20][..], &key].concat(),
            [&[0x03, 0x21, 0x00][..], &key].concat(),
        ] {
            assert_eq!(bare(&wrapped), key);
        }
        assert_ne!(bare(&[&[0x03, 0x21, 0x01][..], &key].concat()), key);
    }
}
