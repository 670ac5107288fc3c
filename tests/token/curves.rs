//! Curves: what each token takes, points in both forms, and what is refused.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Result, Session, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance};

use crate::cross_checks::bare_point;
use crate::keys::{self, BRAINPOOL_P256R1, P224, P256, P384, P521, SECP256K1, and, on};
use crate::token::{Kind, Token, hex, refused_as};

/// A key and what OpenSSL signed with it: curve, scalar, point, ECDSA with SHA-256 over `sample`.
const KEYS: &[[&str; 4]] = &[
    [
        P224,
        "bc45be8c5d201f812e87ffca7a4a6f994b69f96cc5816acf603d37d9",
        "0495cd911a070a6e5168e3ab7086be77735a3238af299914c2013a25effa33f7536b79520df35dae6fb4863b\
         3d094009890c3e0df3f38a7774",
        "1d6251744d98915dafa84f655c1a55e4dd7432cbb37ea35536d53f15ee51b34345ac562e82d07447557eaab9\
         e751b9b05f1f1208d4c4db0d",
    ],
    [
        // RFC 6979, A.2.5.
        P256,
        "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
        "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9\
         e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1\
         b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ],
    [
        P384,
        "335886ed265006c7cf385ad75f7fd4a57683b0c246fe8f3ae5d47888ef10f8027ab7bb4b6f1f72cb77f8a057\
         7563c772",
        "046451808b2c066420e31346c4424e42458880615b5da2d511edcb6f3ec6ca1f52a557fb2a46ff489aeee991\
         2646a7a33f2afa0bca45bb8cfabd2f3b922cf43d918fbea2adc2fcb35d83b713935764eaffea2be6625b9ba8\
         7fa1c4be9aec459cb8",
        "d17681f641303108dc367a4c688725e9318881cb2b9883d8f4907af50ea731dfa6784bdb69df424a70ee000b\
         4289b2d1ea2607e42eb47040795b58891b26af00d54764e1fa20dbe854852fff5a3126b1037edacd0025e655\
         552fd646b13adf27",
    ],
    [
        P521,
        "00b0eab2c316c048f8e9588f4608989dda5c1a9daa45b854e6df1c7541377d074d8fd34086a1aedc43551471\
         1cb96f1f52ad82d973199f1583d6076690eb5e282e06",
        "040194fe9f672e7c9ee3cc7e0595cab35aa44ca53605b368d35f9db0e9551f7b25633dc25539c02651491e5a\
         21bedd869a6cca61d9590f5d4a454a483c3efda0032ae0018bc5c132d3fbe6005d917ba5b4bda05cc78ec66c\
         7deee1a64ab523111c6f1a62af467c1a0e0d56b3971c2dac5e23ba3a45aaf6907385c88a126afe616d2dd116\
         1c",
        "012f7689a0f61dd1581461571fbce8b9667a872806b0f35177c8da1a96b6660d96cec593e1e6e948b5c5c458\
         fe4fc407b050238d05357787760c7756c3f7c61f3e2601a758475c46d72cf63bf5eb16b2bd2cde4db108719d\
         578962b7a3d87d68e8f1a54b366bc074bfb390d79cd548af6a989d9c47c3175fadf2320e3322f5468e20397b",
    ],
    [
        SECP256K1,
        "60dac4630aa8e11a81e413237fcf6d034c8e4a37ac008db9fad835a1b3c0938e",
        "04432764c3843ffc5c5552b4d3ab937420215362b87213860bd9e3946763219768763bf702ee4fa00b7acd8e\
         bc2d50d16e666cc997aa5645227b8db74f1b4210fa",
        "3fb5c3e0f36101eaee24f7e2819ebabb2da05f9c899e8673933446e9eb3c9b9a44bd4d8d45838c2d6a57b4b0\
         62e13851c0c9c9e42cfbfd29253b5897de2ce148",
    ],
    [
        BRAINPOOL_P256R1,
        "47f1ff16b822f939ccc9ea352e7e0f5cd31431773168e08773255f1557fedb93",
        "041c48561e27c22f5efad2149132ee2fc3570d6193d0e0606cf386708030afcd423a3b1ae7d1a6bc007ddd1f\
         92542f112cec2adeca7a297e7bc6c89183e5b8e1b8",
        "9f66ae74f7850ecdf7d331cf8f4d52f0ffbe13661fb00e739d3fe1c36cda4ffe4750721266ecd2c4ea0d046d\
         68a6e6420b7aaa13ea5f4b92742e2d6e5eb16253",
    ],
];

const TEXT: &[u8] = b"sample";

fn public(curve: &[u8], point: &[u8]) -> Vec<Attribute> {
    and(
        &on(&[CKA_VERIFY]),
        &[
            Attribute::class(CKO_PUBLIC_KEY),
            Attribute::key_type(CKK_EC),
            Attribute::bytes(CKA_EC_PARAMS, curve),
            Attribute::bytes(CKA_EC_POINT, point),
        ],
    )
}

fn private(curve: &str, scalar: &[u8]) -> Vec<Attribute> {
    and(
        &on(&[CKA_SIGN, CKA_DERIVE]),
        &[
            Attribute::class(CKO_PRIVATE_KEY),
            Attribute::key_type(CKK_EC),
            Attribute::bytes(CKA_EC_PARAMS, hex(curve)),
            Attribute::bytes(CKA_VALUE, scalar),
        ],
    )
}

fn sha256(session: &Session) -> Vec<u8> {
    session.digest(&Mechanism::Plain(CKM_SHA256), TEXT).unwrap()
}

/// The digest as this curve's order takes it, so that raw and hashing mechanisms agree.
#[test]
fn keys_and_signatures_made_elsewhere() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for [curve, scalar, point, signature] in KEYS {
        let ours = session.create_object(&private(curve, &hex(scalar))).unwrap();
        for point in [hex(point), keys::octets(&hex(point))] {
            let theirs = session.create_object(&public(&hex(curve), &point)).unwrap();
            let kept = session.attribute(theirs, CKA_EC_POINT).unwrap().unwrap();
            assert_eq!(kept, keys::octets(&bare_point(session, theirs)), "{curve}: wrapped in DER");
            let (raw, hashed) = (CKM_ECDSA, CKM_ECDSA_SHA256);
            let (raw, hashed) = (Mechanism::Plain(raw), Mechanism::Plain(hashed));
            session.verify(&hashed, theirs, TEXT, &hex(signature)).unwrap();
            session.verify(&raw, theirs, &sha256(session), &hex(signature)).unwrap();
            let made = session.sign(&hashed, ours, TEXT).unwrap();
            assert_eq!(made.len(), hex(signature).len(), "{curve}");
            session.verify(&hashed, theirs, TEXT, &made).unwrap();
        }
    }
}

#[test]
fn fips_mode_takes_the_nist_curves_only() {
    for kind in [Kind::Fips, Kind::Group] {
        let token = Token::up(kind);
        for curve in [P224, P256, P384, P521] {
            keys::ec(&token.session, curve).unwrap();
        }
        for curve in [SECP256K1, BRAINPOOL_P256R1] {
            let made = keys::ec(&token.session, curve);
            refused_as(made, CKR_ECC_CURVE_NOT_ALLOWED, &curve);
        }
        let [curve, scalar, ..] = KEYS[4];
        // Whether such a key comes in is not documented; that it signs nothing follows.
        if let Ok(key) = token.session.create_object(&private(curve, &hex(scalar))) {
            let begun = token.session.sign_init(&Mechanism::Plain(CKM_ECDSA), key);
            refused_as(begun, CKR_ECC_CURVE_NOT_ALLOWED, &curve);
        }
    }
}

#[test]
fn curves_nobody_has() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        for (case, params) in [
            ("nothing", ""),
            ("an unknown identifier", "06052b81040063"),
            ("a curve's name", "130a70726d653235367631"),
            ("a truncated identifier", "06082a8648ce3d0301"),
            ("an identifier and more", "06082a8648ce3d03010700"),
            ("implicit parameters", "0500"),
            ("explicit parameters", "30820101020101302c06072a8648ce3d0101022100ffffffff"),
        ] {
            let made = keys::ec(&token.session, params);
            let answer = made.expect_err(case).rv().unwrap().0;
            let refusals =
                [CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID, CKR_ATTRIBUTE_VALUE_INVALID];
            assert!(refusals.contains(&answer), "{case}: {}", names::ckr(answer));
            let point = keys::octets(&hex(KEYS[1][2]));
            let made = token.session.create_object(&public(&hex(params), &point));
            let answer = made.expect_err(case).rv().unwrap().0;
            assert!(refusals.contains(&answer), "{case}: {}", names::ckr(answer));
        }
    }
}

#[test]
fn points_off_the_curve_do_not_come_in() {
    let token = Token::up(Kind::Fips);
    let mut off = hex(KEYS[1][2]);
    off[40] ^= 1;
    let of_p384 = hex(KEYS[2][2]);
    for (case, point) in [
        ("off the curve", off),
        ("of another curve", of_p384),
        ("infinity", vec![0]),
        ("nothing", vec![]),
        ("too short", hex(KEYS[1][2])[..64].to_vec()),
        ("too long", [hex(KEYS[1][2]), vec![0]].concat()),
        ("zeros", [vec![4], vec![0; 64]].concat()),
    ] {
        for point in [point.clone(), keys::octets(&point)] {
            let made = token.session.create_object(&public(&hex(P256), &point));
            refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &case);
        }
    }
}

#[test]
fn scalars_out_of_range_do_not_come_in() {
    let token = Token::up(Kind::Plain);
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for (case, scalar) in [
        ("zero", vec![0; 32]),
        ("nothing", vec![]),
        ("the order", order.clone()),
        ("above the order", vec![0xff; 32]),
        ("too long", [vec![1], order].concat()),
    ] {
        let made = token.session.create_object(&private(P256, &scalar));
        refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &case);
    }
    // Java drops leading zeros.
    let short = token.session.create_object(&private(P256, &[7])).unwrap();
    token.session.sign(&Mechanism::Plain(CKM_ECDSA), short, &[1; 32]).unwrap();
}

fn pair(session: &Session, at: usize) -> (ObjectHandle, ObjectHandle) {
    let [curve, scalar, point, _] = KEYS[at];
    let theirs = public(&hex(curve), &keys::octets(&hex(point)));
    (
        session.create_object(&theirs).unwrap(),
        session.create_object(&private(curve, &hex(scalar))).unwrap(),
    )
}

/// Java cuts both halves to the same length on P-521.
#[test]
fn signatures_with_short_halves_verify() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let (public, private) = pair(session, 3);
    let ecdsa = Mechanism::Plain(CKM_ECDSA_SHA512);
    let mut cut = 0;
    // Nearly every half begins with a zero byte or 01: a few tries give two that begin with zeros.
    for _ in 0..64 {
        let signature = session.sign(&ecdsa, private, TEXT).unwrap();
        assert_eq!(signature.len(), 132);
        if signature[0] == 0 && signature[66] == 0 {
            let short = [&signature[1..66], &signature[67..]].concat();
            session.verify(&ecdsa, public, TEXT, &short).unwrap();
            cut += 1;
        }
    }
    assert!(cut > 0);
    for len in [0, 1, 131, 133, 134] {
        let answer = session.verify(&ecdsa, public, TEXT, &vec![1; len]);
        refused_as(answer, CKR_SIGNATURE_LEN_RANGE, &len);
    }
}

fn agreed(session: &Session, private: ObjectHandle, public: Vec<u8>) -> Result<ObjectHandle> {
    let mechanism =
        Mechanism::Ecdh1 { mechanism: CKM_ECDH1_DERIVE, kdf: CKD_NULL, shared: Vec::new(), public };
    let template = and(
        &on(&[CKA_SIGN]),
        &[Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_GENERIC_SECRET)],
    );
    session.derive(&mechanism, private, &template)
}

#[test]
fn points_off_the_curve_are_not_agreed_with() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (_, private) = pair(session, 1);
    let mut off = hex(KEYS[1][2]);
    off[64] ^= 1;
    for point in [off, hex(KEYS[2][2]), vec![], vec![0], vec![4; 65]] {
        let made = agreed(session, private, point.clone());
        refused_as(made, CKR_ECC_POINT_INVALID, &point);
    }
    agreed(session, private, hex(KEYS[1][2])).unwrap();
}

/// What the vendor's Python library does with each of its curves: a pair, signatures, and a key agreed
/// on by passing the point on as it was told.
#[test]
fn every_curve_the_vendor_names_is_served_or_refused_as_listed() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let listed = include_str!("../data/curves.txt");
    let listed = listed.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut served = 0;
    for line in listed {
        let [name, params, answer] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("a name, parameters, an answer: {line}")
        };
        if answer == "no" {
            refused_as(keys::ec(session, params), CKR_CURVE_NOT_SUPPORTED, &name);
            continue;
        }
        let (public, private) = keys::ec(session, params).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (other, theirs) = keys::ec(session, params).unwrap();
        for mechanism in [CKM_ECDSA_SHA1, CKM_ECDSA_SHA512] {
            let mechanism = Mechanism::Plain(mechanism);
            let signature = session.sign(&mechanism, private, TEXT).unwrap();
            session.verify(&mechanism, public, TEXT, &signature).unwrap();
            let refused = session.verify(&mechanism, other, TEXT, &signature);
            refused_as(refused, CKR_SIGNATURE_INVALID, &name);
        }
        let told = |key| session.attribute(key, CKA_EC_POINT).unwrap().unwrap();
        let mine = agreed(session, private, told(other)).unwrap();
        let same = agreed(session, theirs, told(public)).unwrap();
        let mac = |key| session.sign(&Mechanism::Plain(CKM_SHA256_HMAC), key, TEXT).unwrap();
        assert_eq!(mac(mine), mac(same), "{name}");
        served += 1;
    }
    assert_eq!(served, 31);
}

/// A key of a curve that the crypto library has no name for goes out as PKCS#8 and comes back.
#[test]
fn keys_of_told_curves_travel() {
    let instance = Instance::up(&["--policy", "1=1"]);
    let token = Token::of(instance);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    let session = &token.session;
    let aes = keys::aes(session, &[4; 32]);
    let pad = Mechanism::aes_cbc_pad([0; 16]);
    for params in ["06052b81040009", "06092b240303020801010e"] {
        let public = and(&on(&[CKA_VERIFY]), &[Attribute::bytes(CKA_EC_PARAMS, hex(params))]);
        let private = on(&[CKA_SIGN, CKA_EXTRACTABLE]);
        let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
        let (public, private) = session.generate_key_pair(&mechanism, &public, &private).unwrap();
        let wrapped = session.wrap(&pad, aes, private).unwrap();
        let template = and(
            &on(&[CKA_SIGN]),
            &[Attribute::class(CKO_PRIVATE_KEY), Attribute::key_type(CKK_EC)],
        );
        let back = session.unwrap(&pad, aes, &wrapped, &template).unwrap();
        assert_eq!(session.attribute(back, CKA_EC_PARAMS).unwrap().unwrap(), hex(params));
        let ecdsa = Mechanism::Plain(CKM_ECDSA_SHA256);
        let signature = session.sign(&ecdsa, back, TEXT).unwrap();
        session.verify(&ecdsa, public, TEXT, &signature).unwrap();
    }
}
