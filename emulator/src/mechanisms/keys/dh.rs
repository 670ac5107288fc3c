//! Diffie-Hellman keys: of PKCS #3, and of X9.42, whose groups know their order.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.4.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Pair, bit_length, formless, invalid, need, not_such_a_key, place};
use crate::ck::*;
use crate::crypto::dh::{self, DhPrivateKey};
use crate::crypto::group::Group;
use crate::error::Result;
use crate::object::held::Object;
use crate::object::{Attribute, Template};

/// Keys of PKCS #3, or of X9.42.
pub(super) struct DhPair {
    pub(super) ordered: bool,
}

impl Pair for DhPair {
    fn bits(&self, attributes: &Template) -> Result<u64> {
        Ok(bit_length(need(attributes, CKA_PRIME)?))
    }

    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template> {
        if class == CKO_PUBLIC_KEY {
            let group = dh_group(attributes, self.ordered)?;
            dh::check_public(&group, need(attributes, CKA_VALUE)?)
                .map_err(|_| invalid(CKA_VALUE, "the value is none of the group's"))?;
            return Ok(Template::new());
        }
        parse_private(attributes, self.ordered)?;
        if self.ordered {
            return Ok(Template::new());
        }
        let bits = bit_length(need(attributes, CKA_VALUE)?);
        Ok(Template::from_iter([Attribute::number(CKA_VALUE_BITS, bits)]))
    }

    /// No library at hand writes these keys.
    fn to_pkcs8(&self, _key: &Object) -> Result<Zeroizing<Vec<u8>>> {
        Err(formless())
    }

    fn parse_pkcs8(&self, _bytes: &[u8]) -> Result<Template> {
        Err(not_such_a_key())
    }
}

/// The domain parameters of a key or template; with `ordered` the order is one of them.
///
/// # Errors
/// `TemplateIncomplete` where one is missing.
pub fn dh_group(attributes: &Template, ordered: bool) -> Result<Group> {
    let number = |kind| need(attributes, kind).map(<[u8]>::to_vec);
    let q = if ordered { Some(number(CKA_SUBPRIME)?) } else { None };
    Ok(Group { p: number(CKA_PRIME)?, q, g: number(CKA_BASE)? })
}

/// The private key of an object.
///
/// # Errors
/// `AttributeValueInvalid` for numbers that are no key.
pub fn dh_private(object: &Object) -> Result<Arc<DhPrivateKey>> {
    let ordered = object.class().key_type == Some(CKK_X9_42_DH);
    object.parsed(place::DH_PRIVATE, |attributes| parse_private(attributes, ordered))
}

fn parse_private(attributes: &Template, ordered: bool) -> Result<DhPrivateKey> {
    DhPrivateKey::from_value(&dh_group(attributes, ordered)?, need(attributes, CKA_VALUE)?)
        .map_err(|_| invalid(CKA_VALUE, "parameters and value do not make a key"))
}
