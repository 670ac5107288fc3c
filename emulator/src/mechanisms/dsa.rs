//! DSA, and the keys and parameters it wants.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.2; multi-part raw DSA and shortened input
//! from pycryptoki's functional tests (Documented).

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::dsa::DsaPrivateKey;
use crate::crypto::group::Group;
use crate::crypto::hash::Hash;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::stream::Hashed;
use crate::mechanisms::{Feed, Limits, NOTHING, Params, Row, Signature, Use, broken, keys};
use crate::object::{Attribute, Template};

struct Dsa(Option<Hash>);

const fn row(kind: CK_MECHANISM_TYPE, signature: &'static Dsa) -> Row {
    Row { kind, key: Some(CKK_DSA), signature: Some(signature), ..NOTHING }
}

/// Key pairs, and DSA over a digest the caller made or one made here.
pub static ROWS: &[Row] = &[
    Row {
        kind: CKM_DSA_KEY_PAIR_GEN,
        key: Some(CKK_DSA),
        generate_pair: Some(generate_pair),
        ..NOTHING
    },
    Row {
        kind: CKM_DSA_PARAMETER_GEN,
        key: Some(CKK_DSA),
        product: CKO_DOMAIN_PARAMETERS,
        generate: Some(|template, _, limits| generate_parameters(template, limits)),
        ..NOTHING
    },
    row(CKM_DSA, &Dsa(None)),
    row(CKM_DSA_SHA1, &Dsa(Some(Hash::Sha1))),
    row(CKM_DSA_SHA224, &Dsa(Some(Hash::Sha224))),
    row(CKM_DSA_SHA256, &Dsa(Some(Hash::Sha256))),
    row(CKM_DSA_SHA3_224, &Dsa(Some(Hash::Sha3_224))),
    row(CKM_DSA_SHA3_256, &Dsa(Some(Hash::Sha3_256))),
    row(CKM_DSA_SHA3_384, &Dsa(Some(Hash::Sha3_384))),
    row(CKM_DSA_SHA3_512, &Dsa(Some(Hash::Sha3_512))),
];

impl Signature for Dsa {
    fn prepare(&self, using: &Use) -> Result<()> {
        using.limits.check(keys::bits(&using.key)?)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        Ok(2 * keys::dsa_group(using.key.attributes())?.order_len())
    }

    fn feed(&self, _using: &Use) -> Result<Box<dyn Feed>> {
        Hashed::or_raw(self.0)
    }

    /// `r || s`, each as long as the order of the group, big-endian.
    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        keys::dsa_private(&using.key)?.sign(fed).map_err(broken)
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        let longest = self.len(using)?;
        keys::dsa_public(&using.key)?.verify(fed, signature).map_err(|error| match error {
            CryptoError::Length => Error::new(
                Cause::SignatureLenRange,
                format!("two equal halves, {longest} bytes at most"),
            ),
            CryptoError::Internal => broken(error),
            _ => Error::new(Cause::SignatureInvalid, "DSA does not verify"),
        })
    }
}

/// A prime and an order as FIPS 186 makes them, for DSA and for X9.42.
///
/// # Errors
/// `TemplateIncomplete` without the size of the prime, `KeySizeRange` for an order other than the
/// one that goes with it: 160 bits below 2048, 256 from there on.
pub(super) fn generate_parameters(template: &Template, limits: Limits) -> Result<Template> {
    let (prime, order) = keys::parameter_sizes(template)?;
    limits.check(u64::from(prime))?;
    let made = if prime < 2048 { 160 } else { 256 };
    if order.is_some_and(|order| order != made) {
        return Err(Error::new(
            Cause::KeySizeRange,
            format!("the crypto library makes an order of {made} bits for that prime"),
        )
        .about(CKA_SUBPRIME_BITS));
    }
    let group = Group::generate_dsa(prime).map_err(|error| match error {
        CryptoError::Length => {
            Error::new(Cause::KeySizeRange, "the size of the prime is a multiple of 64")
                .about(CKA_PRIME_BITS)
        }
        _ => broken(error),
    })?;
    let mut parameters = keys::group_attributes(&group);
    for (kind, bits) in [(CKA_PRIME_BITS, prime), (CKA_SUBPRIME_BITS, made)] {
        parameters.set(Attribute::number(kind, bits.into()));
    }
    Ok(parameters)
}

fn generate_pair(
    public: &Template,
    _private: &Template,
    _params: &Params,
    limits: Limits,
) -> Result<(Template, Template)> {
    let group = keys::dsa_group(public)?;
    limits.check(keys::bit_length(&group.p))?;
    let key = DsaPrivateKey::generate(&group).map_err(|error| match error {
        CryptoError::Key => Error::new(
            Cause::DomainParamsInvalid,
            "prime, subprime and base do not make parameters of DSA",
        )
        .about(CKA_PRIME),
        _ => broken(error),
    })?;
    let mut private = keys::group_attributes(&group);
    private.set(Attribute::bytes(CKA_VALUE, key.value().map_err(broken)?.to_vec()));
    let value = Attribute::bytes(CKA_VALUE, key.public_value().map_err(broken)?);
    Ok((Template::from_iter([value]), private))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::vectors::cases;
    use crate::mechanisms::rows;
    use crate::object::held::Object;
    use crate::object::rules::Class;

    #[test]
    fn published_signatures_verify_and_others_do_not() {
        let mut seen = std::collections::HashSet::new();
        for case in cases(include_str!("vectors/dsa.txt")) {
            let named = |row: &&Row| names::ckm(row.kind) == case.text("mechanism");
            let row = rows().find(named).unwrap();
            seen.insert(row.kind);
            let class = Class { class: CKO_PUBLIC_KEY, key_type: Some(CKK_DSA) };
            let attributes = Template::from_iter([
                Attribute::bytes(CKA_PRIME, case.bytes("p")),
                Attribute::bytes(CKA_SUBPRIME, case.bytes("q")),
                Attribute::bytes(CKA_BASE, case.bytes("g")),
                Attribute::bytes(CKA_VALUE, case.bytes("y")),
            ]);
            keys::admit(class, &attributes).unwrap();
            let using = Use {
                key: Arc::new(Object::new(class, attributes)),
                others: Vec::new(),
                params: Params::None,
                limits: Limits { min_bits: 1024, max_bits: 3072, fips: false, former: false },
                forward: false,
            };
            let signature = row.signature.unwrap();
            signature.prepare(&using).unwrap();
            let fed = |data: &[u8]| {
                let mut feed = signature.feed(&using).unwrap();
                feed.update(data).unwrap();
                feed.finish().unwrap()
            };
            let (data, mut result) = (case.bytes("data"), case.bytes("result"));
            assert_eq!(signature.len(&using).unwrap(), result.len());
            signature.verify(&using, &fed(&data), &result).unwrap();
            let other = signature.verify(&using, &fed(b"other"), &result).unwrap_err();
            assert_eq!(other.cause(), Cause::SignatureInvalid);
            result.pop();
            let short = signature.verify(&using, &fed(&data), &result).unwrap_err();
            assert_eq!(short.cause(), Cause::SignatureLenRange);
        }
        assert_eq!(seen.len(), 3);
    }
}
