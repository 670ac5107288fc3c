//! Known answers, round trips on every curve, refusals.

use super::super::hash::{Hash, digest};
use super::super::vectors::{cases, hex};
use super::*;
use std::collections::BTreeSet;

fn by_name(name: &str) -> Curve {
    Curve::all().find(|curve| format!("{curve:?}") == name).unwrap()
}

#[test]
fn keys_signatures_points_and_secrets_give_the_known_answers() {
    let mut seen = BTreeSet::new();
    for case in cases(include_str!("../vectors/ec.txt")) {
        let curve = by_name(case.text("curve"));
        let key = EcPrivateKey::from_scalar(curve, &case.bytes("scalar")).unwrap();
        assert_eq!(*key.scalar().unwrap(), case.bytes("scalar"));
        let point = case.bytes("point");
        assert_eq!(key.public().unwrap().point().unwrap(), point);
        for form in ["point", "compressed"] {
            let public = EcPublicKey::from_point(curve, &case.bytes(form)).unwrap();
            assert_eq!(public.point().unwrap(), point);
            let hash = *Hash::ALL.iter().find(|hash| hash.name() == case.text("hash")).unwrap();
            let digest = digest(hash, b"sample").unwrap();
            assert_eq!(public.verify(&digest, &case.bytes("signature")), Ok(()), "{curve:?}");
        }
        let peer = EcPublicKey::from_point(curve, &case.bytes("peer")).unwrap();
        assert_eq!(*key.ecdh(&peer).unwrap(), case.bytes("shared"));
        seen.insert(curve);
    }
    assert!(Curve::all().all(|curve| seen.contains(&curve)));
}

#[test]
fn ecdh_gives_the_known_answer_of_cavp() {
    // NIST CAVP, ECC CDH primitive, P-256, count 0.
    let key = EcPrivateKey::from_scalar(
        Curve::P256,
        &hex("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534"),
    );
    let peer = hex(concat!(
        "04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287",
        "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac"
    ));
    let peer = EcPublicKey::from_point(Curve::P256, &peer).unwrap();
    assert_eq!(
        *key.unwrap().ecdh(&peer).unwrap(),
        hex("46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b")
    );
}

#[test]
fn every_curve_generates_signs_verifies_and_agrees() {
    for curve in Curve::all() {
        let (one, two) =
            (EcPrivateKey::generate(curve).unwrap(), EcPrivateKey::generate(curve).unwrap());
        assert_ne!(*one.scalar().unwrap(), *two.scalar().unwrap());
        let again = EcPrivateKey::from_scalar(curve, &one.scalar().unwrap()).unwrap();
        let public = one.public().unwrap();
        assert_eq!(again.public().unwrap().point().unwrap(), public.point().unwrap());
        assert_eq!(one.scalar().unwrap().len(), curve.order_len());
        // Digests shorter than the order, as long, and longer: only leftmost bits count.
        for len in [1, 20, curve.order_len(), curve.order_len() + 40] {
            let mut message = vec![0x5a; len];
            let signature = one.sign(&message).unwrap();
            assert_eq!(signature.len(), 2 * curve.order_len());
            assert_eq!(public.verify(&message, &signature), Ok(()), "{curve:?} {len}");
            assert_ne!(signature, one.sign(&message).unwrap(), "the nonce is fresh");
            let other = two.public().unwrap().verify(&message, &signature);
            assert_eq!(other, Err(CryptoError::Failed));
            *message.last_mut().unwrap() ^= 0x80;
            let expected = if len > curve.order_len() { Ok(()) } else { Err(CryptoError::Failed) };
            assert_eq!(public.verify(&message, &signature), expected, "{curve:?} {len}");
        }
        let shared = one.ecdh(&two.public().unwrap()).unwrap();
        assert_eq!(*shared, *two.ecdh(&public).unwrap());
        assert_eq!(shared.len(), curve.field_len());
    }
}

#[test]
fn the_library_has_the_same_idea_of_the_sizes() {
    for curve in Curve::all() {
        let group = curve.group().unwrap();
        // SAFETY: reads a group that stays.
        let (degree, order_bits) =
            unsafe { (sys::EC_GROUP_get_degree(group), sys::EC_GROUP_order_bits(group)) };
        assert_eq!(curve.bits(), usize::try_from(degree).unwrap(), "{curve:?}");
        let order_bits = usize::try_from(order_bits).unwrap();
        assert_eq!(curve.order_len(), order_bits.div_ceil(8), "{curve:?}");
    }
}

#[test]
fn object_identifiers_find_their_curves_and_nothing_else_does() {
    for curve in Curve::all() {
        assert_eq!(Curve::from_params_der(curve.params_der()), Some(curve));
        assert_eq!(Curve::from_params_der(&[curve.params_der(), &[0]].concat()), None);
        assert_eq!(Curve::from_params_der(&curve.params_der()[1..]), None);
    }
    assert_eq!(Curve::from_params_der(b""), None);
    assert_eq!(Curve::from_params_der(&hex("06052b81040007")), None, "secp112r2");
}

#[test]
fn the_other_library_verifies_what_we_sign() {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
    let key = EcPrivateKey::generate(Curve::P256).unwrap();
    let signature = key.sign(&digest(Hash::Sha256, b"text").unwrap()).unwrap();
    let point = key.public().unwrap().point().unwrap();
    let theirs = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    assert!(theirs.verify(b"text", &signature).is_ok());
    assert!(theirs.verify(b"test", &signature).is_err());
    let key = EcPrivateKey::generate(Curve::P384).unwrap();
    let signature = key.sign(&digest(Hash::Sha384, b"text").unwrap()).unwrap();
    let point = key.public().unwrap().point().unwrap();
    let theirs = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
    assert!(theirs.verify(b"text", &signature).is_ok());
}

#[test]
fn shorter_signatures_with_equal_halves_are_taken() {
    // On P-521 the first byte of each half is 0 or 1, so short halves turn up soon.
    let key = EcPrivateKey::generate(Curve::P521).unwrap();
    let public = key.public().unwrap();
    let signature = loop {
        let signature = key.sign(&[1; 64]).unwrap();
        if signature[0] == 0 && signature[66] == 0 {
            break signature;
        }
    };
    let mut shorter = [&signature[1..66], &signature[67..]].concat();
    assert_eq!(public.verify(&[1; 64], &shorter), Ok(()));
    shorter[0] ^= 1;
    assert_eq!(public.verify(&[1; 64], &shorter), Err(CryptoError::Failed));
}

#[test]
fn signatures_of_wrong_lengths_or_values_are_refused() {
    let key = EcPrivateKey::generate(Curve::P256).unwrap();
    let public = key.public().unwrap();
    let signature = key.sign(&[1; 32]).unwrap();
    for wrong in [&[][..], &signature[..1], &signature[..63], &[0; 65], &[0; 66]] {
        assert_eq!(public.verify(&[1; 32], wrong), Err(CryptoError::Length));
    }
    let (r, s) = signature.split_at(32);
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for wrong in
        [[r, &[0; 32]], [&[0; 32], s], [&order, s], [r, &order], [s, r], [&[0; 32], &[0; 32]]]
    {
        assert_eq!(public.verify(&[1; 32], &wrong.concat()), Err(CryptoError::Failed));
    }
}

#[test]
fn points_that_are_none_are_refused() {
    for curve in Curve::all() {
        let good = EcPrivateKey::generate(curve).unwrap().public().unwrap().point().unwrap();
        let len = good.len();
        let refused = |point: &[u8]| {
            let answer = EcPublicKey::from_point(curve, point).unwrap_err();
            assert_eq!(answer, CryptoError::Key, "{curve:?} {point:02x?}");
        };
        for wrong in [&[][..], &[0], &[4], &good[..len - 1], &[&good[..], &[0]].concat()] {
            refused(wrong);
        }
        let mut off = good.clone();
        off[len - 1] ^= 1;
        refused(&off);
        // Not a point in any form: the origin, coordinates beyond the field, other first bytes.
        refused(&[&[4][..], &vec![0; len - 1]].concat());
        refused(&[&[4][..], &vec![0xff; len - 1]].concat());
        refused(&[&[2][..], &vec![0xff; curve.field_len()]].concat());
        let hybrid = 6 | (good[len - 1] & 1);
        for first in [0, 1, 2, 3, 5, hybrid, 8, 255] {
            let mut other = good.clone();
            other[0] = first;
            refused(&other);
        }
    }
}

#[test]
fn about_half_of_all_x_coordinates_have_no_point() {
    let mut refused = 0;
    for x in 0..100_u8 {
        let mut point = [0; 33];
        (point[0], point[32]) = (2, x);
        match EcPublicKey::from_point(Curve::P256, &point) {
            Ok(key) => assert_eq!(key.point().unwrap()[1..33], point[1..]),
            Err(error) => {
                assert_eq!(error, CryptoError::Key);
                refused += 1;
            }
        }
    }
    assert!((30..=70).contains(&refused), "{refused}");
}

#[test]
fn scalars_outside_the_order_are_refused() {
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for wrong in [&[][..], &[0; 32], &order, &[0xff; 32], &[0xff; 33]] {
        let answer = EcPrivateKey::from_scalar(Curve::P256, wrong);
        assert_eq!(answer.unwrap_err(), CryptoError::Key);
    }
    let mut last = order;
    *last.last_mut().unwrap() -= 1;
    let last = EcPrivateKey::from_scalar(Curve::P256, &[&[0; 3][..], &last].concat()).unwrap();
    let one = EcPrivateKey::from_scalar(Curve::P256, &[1]).unwrap();
    let (last, one) =
        (last.public().unwrap().point().unwrap(), one.public().unwrap().point().unwrap());
    assert_eq!(last[1..33], one[1..33], "the negative of the base point");
    assert_ne!(last[33..], one[33..]);
}

#[test]
fn keys_of_two_curves_do_not_agree_on_a_secret() {
    let key = EcPrivateKey::generate(Curve::P256).unwrap();
    let peer = EcPrivateKey::generate(Curve::Secp256k1).unwrap().public().unwrap();
    assert_eq!(key.ecdh(&peer).unwrap_err(), CryptoError::Parameter);
}

#[test]
fn one_key_serves_many_threads() {
    let key = EcPrivateKey::generate(Curve::P256).unwrap();
    let public = key.public().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(public.verify(&[3; 32], &key.sign(&[3; 32]).unwrap()), Ok(()));
                }
            });
        }
    });
}

#[test]
fn private_keys_are_not_printed() {
    let key = EcPrivateKey::generate(Curve::P256).unwrap();
    assert_eq!(format!("{key:?}"), "EcPrivateKey(P256, ..)");
}
