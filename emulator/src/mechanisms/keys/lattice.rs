//! Keys of ML-DSA and ML-KEM.
//!
//! Source: PKCS#11 v3.2, the sections of both: `CKA_VALUE` is the key as FIPS 203 and 204 write it,
//! `CKA_SEED` what it was made from, where that is known; a private key may come as either.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Pair, formless, invalid, need, not_such_a_key, place};
use crate::ck::*;
use crate::crypto::lattice::{LatticePrivateKey, LatticePublicKey, Set};
use crate::crypto::pkcs8::{self, PrivateKey};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{Limits, broken};
use crate::object::held::Object;
use crate::object::{Attribute, Template};

/// Parameter sets by the number `CKA_PARAMETER_SET` has of them.
type Sets = [(CK_ULONG, Set); 3];

/// Those of ML-DSA.
pub const ML_DSA: &Sets =
    &[(CKP_ML_DSA_44, Set::MlDsa44), (CKP_ML_DSA_65, Set::MlDsa65), (CKP_ML_DSA_87, Set::MlDsa87)];

/// Those of ML-KEM.
pub const ML_KEM: &Sets = &[
    (CKP_ML_KEM_512, Set::MlKem512),
    (CKP_ML_KEM_768, Set::MlKem768),
    (CKP_ML_KEM_1024, Set::MlKem1024),
];

/// Either family.
pub(super) struct LatticePair(pub(super) &'static Sets);

impl Pair for LatticePair {
    fn bits(&self, attributes: &Template) -> Result<u64> {
        // The standard's tables of key sizes count public keys.
        Ok(set_of(attributes, self.0)?.public_len() as u64 * 8)
    }

    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template> {
        let set = set_of(attributes, self.0)?;
        if class == CKO_PUBLIC_KEY {
            return parse_public(set, attributes).map(|_| Template::new());
        }
        let key = parse_private(set, attributes)?;
        Ok(Template::from_iter([Attribute::bytes(
            CKA_VALUE,
            key.expanded().map_err(broken)?.to_vec(),
        )]))
    }

    fn to_pkcs8(&self, key: &Object) -> Result<Zeroizing<Vec<u8>>> {
        lattice_private(key, self.0)?.to_pkcs8().map_err(|_| formless())
    }

    fn parse_pkcs8(&self, bytes: &[u8]) -> Result<Template> {
        match pkcs8::parse(bytes) {
            Ok(PrivateKey::Lattice(key)) => private_of(&key, self.0),
            _ => Err(not_such_a_key()),
        }
    }
}

/// The private key of an object of that family.
///
/// # Errors
/// `AttributeValueInvalid` for attributes that are no such key.
pub fn lattice_private(object: &Object, sets: &Sets) -> Result<Arc<LatticePrivateKey>> {
    object.parsed(place::LATTICE_PRIVATE, |attributes| {
        parse_private(set_of(attributes, sets)?, attributes)
    })
}

/// The public key of an object of that family.
///
/// # Errors
/// `AttributeValueInvalid` for attributes that are no such key.
pub fn lattice_public(object: &Object, sets: &Sets) -> Result<Arc<LatticePublicKey>> {
    object.parsed(place::LATTICE_PUBLIC, |attributes| {
        parse_public(set_of(attributes, sets)?, attributes)
    })
}

/// The parameter set of a key or key template.
///
/// # Errors
/// `TemplateIncomplete` without one, `AttributeValueInvalid` for a number the family has not.
pub fn set_of(attributes: &Template, sets: &Sets) -> Result<Set> {
    let number = attributes.number(CKA_PARAMETER_SET).ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the parameter set is wanted")
            .about(CKA_PARAMETER_SET)
    })?;
    let found = sets.iter().find(|(own, _)| *own == number);
    found.map(|(_, set)| *set).ok_or_else(|| invalid(CKA_PARAMETER_SET, "no such parameter set"))
}

/// The attributes of a private key.
///
/// # Errors
/// `WrappedKeyInvalid` for one of another family.
pub(super) fn private_of(key: &LatticePrivateKey, sets: &Sets) -> Result<Template> {
    let number = sets.iter().find(|(_, set)| *set == key.set()).ok_or_else(not_such_a_key)?.0;
    let mut attributes = Template::from_iter([
        Attribute::number(CKA_PARAMETER_SET, number),
        Attribute::bytes(CKA_VALUE, key.expanded().map_err(broken)?.to_vec()),
    ]);
    if let Some(seed) = key.seed() {
        attributes.set(Attribute::bytes(CKA_SEED, seed.to_vec()));
    }
    Ok(attributes)
}

fn parse_public(set: Set, attributes: &Template) -> Result<LatticePublicKey> {
    LatticePublicKey::from_bytes(set, need(attributes, CKA_VALUE)?)
        .map_err(|_| invalid(CKA_VALUE, "no public key of that parameter set"))
}

fn parse_private(set: Set, attributes: &Template) -> Result<LatticePrivateKey> {
    let Some(seed) = attributes.bytes(CKA_SEED) else {
        return LatticePrivateKey::from_expanded(set, need(attributes, CKA_VALUE)?)
            .map_err(|_| invalid(CKA_VALUE, "no private key of that parameter set"));
    };
    let key = LatticePrivateKey::from_seed(set, seed)
        .map_err(|_| invalid(CKA_SEED, "no seed of that parameter set"))?;
    let expanded = key.expanded().map_err(broken)?;
    if attributes.bytes(CKA_VALUE).is_some_and(|value| value != expanded.as_slice()) {
        return Err(invalid(CKA_VALUE, "the seed gives another key"));
    }
    Ok(key)
}

/// What the token adds to both halves of a pair it made. The private template may name the parameter
/// set too; the public one decides.
///
/// # Errors
/// `TemplateInconsistent` where they name two, `KeySizeRange`.
pub fn lattice_pair(
    (public, private): (&Template, &Template),
    sets: &Sets,
    limits: Limits,
) -> Result<(Template, Template)> {
    let set = set_of(public, sets)?;
    if private.find(CKA_PARAMETER_SET).is_some() && set_of(private, sets)? != set {
        return Err(Error::new(Cause::TemplateInconsistent, "the halves name two parameter sets")
            .about(CKA_PARAMETER_SET));
    }
    limits.check(set.public_len() as u64 * 8)?;
    let key = LatticePrivateKey::generate(set).map_err(broken)?;
    let value = key.public().map_err(broken)?;
    let public = Template::from_iter([Attribute::bytes(CKA_VALUE, value)]);
    Ok((public, private_of(&key, sets)?))
}
