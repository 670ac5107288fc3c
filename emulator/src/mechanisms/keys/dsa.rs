//! DSA keys.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.2.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Pair, bit_length, formless, invalid, need, not_such_a_key, place};
use crate::ck::*;
use crate::crypto::dsa::{DsaPrivateKey, DsaPublicKey};
use crate::crypto::group::Group;
use crate::crypto::pkcs8::{self, PrivateKey};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::broken;
use crate::object::held::Object;
use crate::object::{Attribute, Template};

pub(super) struct DsaPair;

impl Pair for DsaPair {
    fn bits(&self, attributes: &Template) -> Result<u64> {
        Ok(bit_length(need(attributes, CKA_PRIME)?))
    }

    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template> {
        if class == CKO_PUBLIC_KEY {
            parse_public(attributes)?;
        } else {
            parse_private(attributes)?;
        }
        Ok(Template::new())
    }

    fn to_pkcs8(&self, key: &Object) -> Result<Zeroizing<Vec<u8>>> {
        dsa_private(key)?.to_pkcs8().map_err(|_| formless())
    }

    fn parse_pkcs8(&self, bytes: &[u8]) -> Result<Template> {
        match pkcs8::parse(bytes) {
            Ok(PrivateKey::Dsa(key)) => {
                let mut attributes = group_attributes(key.group());
                let value = key.value().map_err(broken)?;
                attributes.set(Attribute::bytes(CKA_VALUE, value.to_vec()));
                Ok(attributes)
            }
            _ => Err(not_such_a_key()),
        }
    }
}

/// The domain parameters of a key or template.
///
/// # Errors
/// `TemplateIncomplete` where one is missing.
pub fn dsa_group(attributes: &Template) -> Result<Group> {
    let number = |kind| need(attributes, kind).map(<[u8]>::to_vec);
    Ok(Group { p: number(CKA_PRIME)?, q: Some(number(CKA_SUBPRIME)?), g: number(CKA_BASE)? })
}

/// Domain parameters as attributes.
pub fn group_attributes(group: &Group) -> Template {
    let mut attributes = Template::from_iter([
        Attribute::bytes(CKA_PRIME, group.p.clone()),
        Attribute::bytes(CKA_BASE, group.g.clone()),
    ]);
    attributes.0.extend(group.q.clone().map(|q| Attribute::bytes(CKA_SUBPRIME, q)));
    attributes
}

/// The sizes a template asks of domain parameters, in bits: prime, and order where it says so.
///
/// # Errors
/// `TemplateIncomplete` without the first, `KeySizeRange` for a number no machine holds.
pub fn parameter_sizes(template: &Template) -> Result<(u32, Option<u32>)> {
    let size = |kind| {
        let bits = template.number(kind).map(u32::try_from).transpose();
        bits.map_err(|_| Error::new(Cause::KeySizeRange, "no prime is that long").about(kind))
    };
    let prime = size(CKA_PRIME_BITS)?.ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the size of the prime is wanted")
            .about(CKA_PRIME_BITS)
    })?;
    Ok((prime, size(CKA_SUBPRIME_BITS)?))
}

/// The DSA private key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for numbers that are no key.
pub fn dsa_private(object: &Object) -> Result<Arc<DsaPrivateKey>> {
    object.parsed(place::DSA_PRIVATE, parse_private)
}

/// The DSA public key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for numbers that are no key.
pub fn dsa_public(object: &Object) -> Result<Arc<DsaPublicKey>> {
    object.parsed(place::DSA_PUBLIC, parse_public)
}

fn parse_private(attributes: &Template) -> Result<DsaPrivateKey> {
    DsaPrivateKey::from_value(&dsa_group(attributes)?, need(attributes, CKA_VALUE)?)
        .map_err(|_| invalid(CKA_VALUE, "parameters and value do not make a DSA key"))
}

fn parse_public(attributes: &Template) -> Result<DsaPublicKey> {
    DsaPublicKey::from_value(&dsa_group(attributes)?, need(attributes, CKA_VALUE)?)
        .map_err(|_| invalid(CKA_VALUE, "parameters and value do not make a DSA key"))
}
