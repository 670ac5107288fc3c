//! Diffie-Hellman modulo a prime: of PKCS #3, and of X9.42.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.4; RFC 2631 for the key derivation function.

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::dh::DhPrivateKey;
use crate::crypto::group::Group;
use crate::crypto::hash::Hash;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::dsa::generate_parameters;
use crate::mechanisms::ecdh::x963;
use crate::mechanisms::{
    Derive, GeneratePair, Limits, NOTHING, Params, Row, Shape, Use, broken, keys, wrong_params,
};
use crate::object::held::Object;
use crate::object::{Attribute, Template};

/// The longest public value: of a prime of 10000 bits, as much as any library takes.
const MOST_PUBLIC: usize = 1250;

const fn pair(kind: CK_MECHANISM_TYPE, key: CK_KEY_TYPE, generate: GeneratePair) -> Row {
    Row { kind, key: Some(key), generate_pair: Some(generate), ..NOTHING }
}

const fn agreement(kind: CK_MECHANISM_TYPE, key: CK_KEY_TYPE, shape: Shape, derive: Derive) -> Row {
    Row { kind, key: Some(key), shape, derive: Some(derive), ..NOTHING }
}

/// Key pairs, and the secrets two of them share.
pub static ROWS: &[Row] = &[
    pair(CKM_DH_PKCS_KEY_PAIR_GEN, CKK_DH, |public, private, _, limits| {
        generate_pair(public, private, false, limits)
    }),
    Row {
        kind: CKM_DH_PKCS_PARAMETER_GEN,
        key: Some(CKK_DH),
        product: CKO_DOMAIN_PARAMETERS,
        generate: Some(|template, _, limits| safe_prime(template, limits)),
        ..NOTHING
    },
    agreement(CKM_DH_PKCS_DERIVE, CKK_DH, Shape::Bytes(MOST_PUBLIC), plain),
    pair(CKM_X9_42_DH_KEY_PAIR_GEN, CKK_X9_42_DH, |public, private, _, limits| {
        generate_pair(public, private, true, limits)
    }),
    Row {
        kind: CKM_X9_42_DH_PARAMETER_GEN,
        key: Some(CKK_X9_42_DH),
        product: CKO_DOMAIN_PARAMETERS,
        generate: Some(|template, _, limits| generate_parameters(template, limits)),
        ..NOTHING
    },
    agreement(CKM_X9_42_DH_DERIVE, CKK_X9_42_DH, Shape::X942, by_function),
    agreement(CKM_X9_42_DH_HYBRID_DERIVE, CKK_X9_42_DH, Shape::X942Hybrid, hybrid),
];

fn shared(key: &Object, public: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    keys::dh_private(key)?.agree(public).map_err(|error| match error {
        CryptoError::Key => wrong_params("the other side's value is none of the group's"),
        _ => broken(error),
    })
}

fn plain(using: &Use, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Bytes(public) = &using.params else {
        return Err(wrong_params("the other side's public value is wanted"));
    };
    Ok(trailing(&shared(&using.key, public)?, wanted))
}

/// A shorter key is the end of the secret: bytes are taken away from its beginning.
///
/// Source: PKCS#11 v2.40 Current Mechanisms, section 2.4.6.
fn trailing(secret: &[u8], wanted: Option<usize>) -> Zeroizing<Vec<u8>> {
    let start = wanted.and_then(|len| secret.len().checked_sub(len)).unwrap_or(0);
    Zeroizing::new(secret.get(start..).unwrap_or_default().to_vec())
}

fn by_function(using: &Use, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Ecdh { kdf, shared: info, public } = &using.params else {
        return Err(wrong_params("X9.42 wants its parameter"));
    };
    stretch(*kdf, &shared(&using.key, public)?, info, wanted)
}

/// Two agreements, the first by the key of the call; their secrets are joined in that order. Either
/// may have domain parameters of its own, as dhHybrid2 of X9.42 has them.
///
/// Source: PKCS#11 v2.40 Current Mechanisms, section 2.4.12, for the parameter; that the first secret
/// stands first is Assumed.
fn hybrid(using: &Use, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::X942Hybrid { kdf, info, public, second_public, .. } = &using.params else {
        return Err(wrong_params("X9.42 with two agreements wants its parameter"));
    };
    let [second] = using.others.as_slice() else {
        return Err(wrong_params("a second private key is wanted"));
    };
    let class = second.class();
    if class.class != CKO_PRIVATE_KEY || class.key_type != Some(CKK_X9_42_DH) {
        return Err(Error::new(Cause::KeyTypeInconsistent, "the second key is one of X9.42 too"));
    }
    if !second.is(CKA_DERIVE) {
        return Err(Error::new(Cause::KeyFunctionNotPermitted, "the second key is not for this")
            .about(CKA_DERIVE));
    }
    using.limits.check(keys::bits(second)?)?;
    let mut secret = shared(&using.key, public)?;
    secret.extend_from_slice(&shared(second, second_public)?);
    stretch(*kdf, &secret, info, wanted)
}

/// The key derivation functions of X9.42.
fn stretch(
    kdf: CK_EC_KDF_TYPE,
    secret: &[u8],
    info: &[u8],
    wanted: Option<usize>,
) -> Result<Zeroizing<Vec<u8>>> {
    match kdf {
        CKD_NULL if info.is_empty() => Ok(trailing(secret, wanted)),
        CKD_NULL => Err(wrong_params("the null function takes no other information")),
        // By concatenation: the same function as X9.63, other information in place of shared data.
        CKD_SHA1_KDF_CONCATENATE => {
            x963(Hash::Sha1, secret, info, wanted.unwrap_or(Hash::Sha1.len()))
        }
        _ => Err(wrong_params("no such key derivation function is served")),
    }
}

fn safe_prime(template: &Template, limits: Limits) -> Result<Template> {
    let (prime, _) = keys::parameter_sizes(template)?;
    limits.check(u64::from(prime))?;
    let group = Group::generate_dh(prime).map_err(broken)?;
    let mut parameters = keys::group_attributes(&group);
    parameters.set(Attribute::number(CKA_PRIME_BITS, u64::from(prime)));
    Ok(parameters)
}

fn generate_pair(
    public: &Template,
    private: &Template,
    ordered: bool,
    limits: Limits,
) -> Result<(Template, Template)> {
    let group = keys::dh_group(public, ordered)?;
    limits.check(keys::bit_length(&group.p))?;
    let bits = private.number(CKA_VALUE_BITS).filter(|_| !ordered);
    let bits = bits.map(|bits| u32::try_from(bits).unwrap_or(u32::MAX));
    let key = DhPrivateKey::generate(&group, bits).map_err(|error| match error {
        CryptoError::Key => {
            Error::new(Cause::DomainParamsInvalid, "prime and base do not make a group")
                .about(CKA_PRIME)
        }
        CryptoError::Length => {
            Error::new(Cause::AttributeValueInvalid, "a private value is shorter than the prime")
                .about(CKA_VALUE_BITS)
        }
        _ => broken(error),
    })?;
    let value = key.value().map_err(broken)?;
    let mut private = keys::group_attributes(&group);
    if !ordered {
        private.set(Attribute::number(CKA_VALUE_BITS, keys::bit_length(&value)));
    }
    private.set(Attribute::bytes(CKA_VALUE, value.to_vec()));
    let value = Attribute::bytes(CKA_VALUE, key.public_value().map_err(broken)?);
    Ok((Template::from_iter([value]), private))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::vectors::cases;
    use crate::object::rules::Class;

    /// A private key of X9.42 of a published case.
    fn key(case: &crate::crypto::vectors::Case) -> Arc<Object> {
        let class = Class { class: CKO_PRIVATE_KEY, key_type: Some(CKK_X9_42_DH) };
        let attributes = Template::from_iter([
            Attribute::flag(CKA_DERIVE, true),
            Attribute::bytes(CKA_PRIME, case.bytes("p")),
            Attribute::bytes(CKA_SUBPRIME, case.bytes("q")),
            Attribute::bytes(CKA_BASE, case.bytes("g")),
            Attribute::bytes(CKA_VALUE, case.bytes("x")),
        ]);
        Arc::new(Object::new(class, attributes))
    }

    #[test]
    fn two_published_secrets_are_joined() {
        let agreements = cases(include_str!("vectors/dh.txt"));
        for case in cases(include_str!("vectors/dh_hybrid.txt")) {
            let [first, second] =
                ["first", "second"].map(|at| &agreements[case.text(at).parse::<usize>().unwrap()]);
            let mut using = Use {
                key: key(first),
                others: vec![key(second)],
                params: Params::X942Hybrid {
                    kdf: CKD_SHA1_KDF_CONCATENATE,
                    info: case.bytes("info"),
                    public: first.bytes("public"),
                    key: ObjectHandle(2),
                    second_public: second.bytes("public"),
                },
                limits: Limits { min_bits: 512, max_bits: 4096, fips: false, former: false },
                forward: true,
            };
            let result = case.bytes("result");
            assert_eq!(*hybrid(&using, Some(result.len())).unwrap(), result);
            assert_eq!(*hybrid(&using, None).unwrap(), result[..20]);
            if let Params::X942Hybrid { kdf, .. } = &mut using.params {
                *kdf = CKD_NULL;
            }
            let refused = hybrid(&using, None).unwrap_err();
            assert_eq!(refused.cause(), Cause::MechanismParamInvalid, "information without use");
            if let Params::X942Hybrid { info, .. } = &mut using.params {
                info.clear();
            }
            let joined = [first.bytes("result"), second.bytes("result")].concat();
            assert_eq!(*hybrid(&using, None).unwrap(), joined);
            using.others.clear();
            let refused = hybrid(&using, None).unwrap_err();
            assert_eq!(refused.cause(), Cause::MechanismParamInvalid);
            let class = Class { class: CKO_SECRET_KEY, key_type: Some(CKK_GENERIC_SECRET) };
            using.others.push(Arc::new(Object::new(class, Template::new())));
            let refused = hybrid(&using, None).unwrap_err();
            assert_eq!(refused.cause(), Cause::KeyTypeInconsistent);
        }
    }

    #[test]
    fn published_secrets_are_shared() {
        for case in cases(include_str!("vectors/dh.txt")) {
            for (key_type, params) in [
                (
                    CKK_X9_42_DH,
                    Params::Ecdh {
                        kdf: CKD_NULL,
                        shared: Vec::new(),
                        public: case.bytes("public"),
                    },
                ),
                (CKK_DH, Params::Bytes(case.bytes("public"))),
            ] {
                let class = Class { class: CKO_PRIVATE_KEY, key_type: Some(key_type) };
                let attributes = Template::from_iter([
                    Attribute::bytes(CKA_PRIME, case.bytes("p")),
                    Attribute::bytes(CKA_SUBPRIME, case.bytes("q")),
                    Attribute::bytes(CKA_BASE, case.bytes("g")),
                    Attribute::bytes(CKA_VALUE, case.bytes("x")),
                ]);
                keys::admit(class, &attributes).unwrap();
                let using = Use {
                    key: Arc::new(Object::new(class, attributes)),
                    others: Vec::new(),
                    params,
                    limits: Limits { min_bits: 512, max_bits: 4096, fips: false, former: false },
                    forward: true,
                };
                let result = case.bytes("result");
                let named = |row: &&Row| row.key == Some(key_type) && row.derive.is_some();
                let derive = ROWS.iter().find(named).unwrap().derive.unwrap();
                assert_eq!(*derive(&using, None).unwrap(), result);
                let end = derive(&using, Some(16)).unwrap();
                assert_eq!(*end, result[result.len() - 16..]);
            }
        }
    }

    #[test]
    fn values_outside_the_group_are_refused() {
        let case = &cases(include_str!("vectors/dh.txt"))[0];
        let class = Class { class: CKO_PUBLIC_KEY, key_type: Some(CKK_X9_42_DH) };
        for bad in [vec![], vec![0], vec![1], case.bytes("p"), vec![5; 400]] {
            let attributes = Template::from_iter([
                Attribute::bytes(CKA_PRIME, case.bytes("p")),
                Attribute::bytes(CKA_SUBPRIME, case.bytes("q")),
                Attribute::bytes(CKA_BASE, case.bytes("g")),
                Attribute::bytes(CKA_VALUE, bad.clone()),
            ]);
            let refused = keys::admit(class, &attributes).unwrap_err();
            assert_eq!(refused.cause(), Cause::AttributeValueInvalid, "{bad:?}");
        }
    }
}
