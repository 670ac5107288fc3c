//! Derivations from a secret key alone, by digest; and what a derivation may give besides bytes.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.20.6; lengths refused from
//! pycryptoki's functional tests (Documented: SHA-1 to a 24-byte key is `CKR_KEY_SIZE_RANGE`).

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::hash::{self, Hash};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{Derive, NOTHING, Row, Use, broken, keys};
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

/// What comes of a derivation that decides on more than the bytes of one key.
#[derive(Debug)]
pub struct Yield {
    /// The keys, in the order in which the caller's parameter has places for them. One alone goes
    /// where every derivation puts its key.
    pub keys: Vec<Yielded>,
    /// What the parameter gets back beside keys (vectors, a version), in such an order too.
    pub told: Vec<Vec<u8>>,
}

/// One key of them. What it is made of is never printed.
pub struct Yielded {
    /// The caller's template with what the mechanism imposes and presumes.
    pub template: Template,
    /// What it is made of.
    pub made: Made,
}

/// What a key is made of.
pub enum Made {
    /// The bytes of a secret key.
    Secret(Zeroizing<Vec<u8>>),
    /// The attributes of one half of a pair, and its class.
    Half(Class, Template),
}

impl std::fmt::Debug for Yielded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Yielded").field("template", &self.template).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Yielded {
    /// The bytes of a secret key.
    pub(super) fn secret(&self) -> &[u8] {
        match &self.made {
            Made::Secret(value) => value,
            Made::Half(class, _) => panic!("no secret key: {class:?}"),
        }
    }
}

impl Yield {
    /// One key and nothing beside it.
    pub fn one(template: Template, value: Zeroizing<Vec<u8>>) -> Self {
        Self { keys: vec![Yielded { template, made: Made::Secret(value) }], told: Vec::new() }
    }
}

/// Sets attributes that the mechanism decides; a template may say the same and nothing else.
///
/// # Errors
/// `TemplateInconsistent` where it says another thing.
pub(super) fn impose(template: &mut Template, imposed: &[Attribute]) -> Result<()> {
    for attribute in imposed {
        if template.find(attribute.kind).is_some_and(|own| own != attribute) {
            return Err(Error::new(
                Cause::TemplateInconsistent,
                "the mechanism decides this attribute",
            )
            .about(attribute.kind));
        }
        template.set(attribute.clone());
    }
    Ok(())
}

/// Sets flags to true that the template is silent on.
pub(super) fn presume(template: &mut Template, on: &[CK_ATTRIBUTE_TYPE]) {
    for kind in on {
        template.set_default(Attribute::flag(*kind, true));
    }
}

pub(super) const fn digest(kind: CK_MECHANISM_TYPE, derive: Derive) -> Row {
    Row { kind, derive: Some(derive), ..NOTHING }
}

/// Digests of any secret key.
pub static ROWS: &[Row] = &[
    digest(CKM_SHA1_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha1)),
    digest(CKM_SHA224_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha224)),
    digest(CKM_SHA256_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha256)),
    digest(CKM_SHA384_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha384)),
    digest(CKM_SHA512_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha512)),
];

pub(super) fn by_digest(using: &Use, hash: Hash) -> Result<Zeroizing<Vec<u8>>> {
    let value = keys::to_bytes(&using.key)?;
    hash::digest(hash, &value).map(Zeroizing::new).map_err(broken)
}
