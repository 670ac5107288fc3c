//! RSA keys.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.1.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Pair, bit_length, formless, invalid, need, not_such_a_key, place};
use crate::ck::*;
use crate::crypto::pkcs8::{self, PrivateKey};
use crate::crypto::rsa::{RsaComponents, RsaPrivateKey, RsaPublicKey};
use crate::error::Result;
use crate::mechanisms::broken;
use crate::object::held::Object;
use crate::object::{Attribute, Template};

pub(super) struct RsaPair;

impl Pair for RsaPair {
    fn bits(&self, attributes: &Template) -> Result<u64> {
        Ok(bit_length(need(attributes, CKA_MODULUS)?))
    }

    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template> {
        if class == CKO_PUBLIC_KEY {
            parse_rsa_public(attributes)?;
            let bits = Attribute::number(CKA_MODULUS_BITS, self.bits(attributes)?);
            return Ok(Template::from_iter([bits]));
        }
        rsa_private_attributes(&parse_rsa_private(attributes)?).map_err(broken)
    }

    fn to_pkcs8(&self, key: &Object) -> Result<Zeroizing<Vec<u8>>> {
        rsa_private(key)?.to_pkcs8().map_err(|_| formless())
    }

    fn parse_pkcs8(&self, bytes: &[u8]) -> Result<Template> {
        match pkcs8::parse(bytes) {
            Ok(PrivateKey::Rsa(key)) => rsa_private_attributes(&key).map_err(broken),
            _ => Err(not_such_a_key()),
        }
    }
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
