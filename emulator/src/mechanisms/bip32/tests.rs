use std::sync::Arc;

use super::*;
use crate::crypto::vectors::{Case, cases};
use crate::mechanisms::Limits;

fn using(key: Arc<Object>, public: bool, private: bool, path: &[CK_ULONG]) -> Use {
    let wanted = |wanted: bool| wanted.then(Template::new);
    let (public, private) = (wanted(public), wanted(private));
    Use {
        key,
        others: Vec::new(),
        params: Params::Bip32 { public, private, path: path.to_vec() },
        limits: Limits { min_bits: 128, max_bits: 512, fips: false, former: true },
        forward: false,
    }
}

fn seed(bytes: &[u8]) -> Arc<Object> {
    let class = Class { class: CKO_SECRET_KEY, key_type: Some(CKK_GENERIC_SECRET) };
    Arc::new(Object::new(class, Template::from_iter([Attribute::bytes(CKA_VALUE, bytes)])))
}

/// The key of a half, with what the token adds.
fn object(made: &Yielded) -> Arc<Object> {
    let Made::Half(class, parts) = &made.made else { panic!("no half") };
    let mut attributes = made.template.clone();
    parts.0.iter().for_each(|part| attributes.set(part.clone()));
    for part in keys::admit(*class, &attributes).unwrap().0 {
        attributes.set(part);
    }
    Arc::new(Object::new(*class, attributes))
}

fn path(case: &Case) -> Vec<CK_ULONG> {
    let step = |step: &str| match step.strip_suffix('\'') {
        Some(index) => index.parse::<CK_ULONG>().unwrap() | CKF_BIP32_HARDENED,
        None => step.parse().unwrap(),
    };
    case.text("path").split_whitespace().map(step).collect()
}

fn check(key: &Object, case: &Case, path: &[CK_ULONG]) {
    let attributes = key.attributes();
    let public = EcPublicKey::from_point(Curve::Secp256k1, &case.bytes("public")).unwrap();
    let identifier = keys::identifier(&public).unwrap();
    if key.class().class == CKO_PRIVATE_KEY {
        assert_eq!(attributes.bytes(CKA_VALUE).unwrap(), case.bytes("private"));
    } else {
        let point = keys::wrap_point(&public.point().unwrap());
        assert_eq!(attributes.bytes(CKA_EC_POINT).unwrap(), point);
    }
    assert_eq!(attributes.bytes(CKA_BIP32_CHAIN_CODE).unwrap(), case.bytes("chain"));
    assert_eq!(attributes.bytes(CKA_BIP32_PARENT_FINGERPRINT).unwrap(), case.bytes("parent"));
    assert_eq!(attributes.number(CKA_BIP32_CHILD_DEPTH), Some(path.len() as CK_ULONG));
    let index = path.last().copied().unwrap_or(0);
    assert_eq!(attributes.number(CKA_BIP32_CHILD_INDEX), Some(index));
    assert_eq!(attributes.bytes(CKA_BIP32_ID).unwrap(), identifier);
    assert_eq!(attributes.bytes(CKA_BIP32_FINGERPRINT).unwrap(), &identifier[..4]);
}

#[test]
fn published_trees_grow() {
    for case in cases(include_str!("../vectors/bip32.txt")) {
        let path = path(&case);
        let wanted = using(seed(&case.bytes("seed")), true, true, &[]);
        let root = master(&wanted, &Template::new()).unwrap();
        let [root_public, root_private] = [0, 1].map(|at| object(&root.keys[at]));
        if path.is_empty() {
            check(&root_public, &case, &path);
            check(&root_private, &case, &path);
            continue;
        }
        // The whole way at once.
        let made = child(&using(Arc::clone(&root_private), true, true, &path), &Template::new());
        made.unwrap().keys.iter().for_each(|key| check(&object(key), &case, &path));
        // One step after the other, and by public keys where the last step allows it.
        let (last, before) = path.split_last().unwrap();
        let mut parent = (root_public, root_private);
        for step in before {
            let wanted = using(Arc::clone(&parent.1), true, true, &[*step]);
            let made = child(&wanted, &Template::new()).unwrap();
            parent = (object(&made.keys[0]), object(&made.keys[1]));
        }
        let public = child(&using(parent.0, true, false, &[*last]), &Template::new());
        if last & CKF_BIP32_HARDENED == 0 {
            check(&object(&public.unwrap().keys[0]), &case, &path);
        } else {
            let cause = public.unwrap_err().cause();
            assert_eq!(cause, Cause::Bip32InvalidHardenedDerivation);
        }
    }
}

#[test]
fn what_gives_no_key_is_refused() {
    let none = Template::new();
    for (len, fits) in [(15, false), (16, true), (64, true), (65, false)] {
        let made = master(&using(seed(&vec![7; len]), true, true, &[]), &none);
        match made {
            Ok(_) => assert!(fits, "{len}"),
            Err(error) => {
                assert!(!fits, "{len}");
                assert_eq!(error.cause(), Cause::Bip32MasterSeedLenInvalid);
            }
        }
    }
    let refused = |using: &Use| {
        let derives = if using.key.class().class == CKO_SECRET_KEY { master } else { child };
        derives(using, &none).unwrap_err().cause()
    };
    let root = master(&using(seed(&[7; 32]), true, true, &[]), &none).unwrap();
    let [public, private] = [0, 1].map(|at| object(&root.keys[at]));
    assert_eq!(refused(&using(seed(&[7; 32]), false, false, &[])), Cause::MechanismParamInvalid);
    let long = vec![0; 256];
    for path in [&[][..], &long] {
        let cause = refused(&using(Arc::clone(&private), true, true, path));
        assert_eq!(cause, Cause::Bip32InvalidKeyPathLen);
    }
    let far = [1 << 32];
    let cause = refused(&using(Arc::clone(&private), true, true, &far));
    assert_eq!(cause, Cause::Bip32ChildIndexInvalid);
    let cause = refused(&using(Arc::clone(&public), true, true, &[0]));
    assert_eq!(cause, Cause::KeyTypeInconsistent);
    let aes = Class { class: CKO_SECRET_KEY, key_type: Some(CKK_AES) };
    let value = Template::from_iter([Attribute::bytes(CKA_VALUE, [1; 32])]);
    let wrong = using(Arc::new(Object::new(aes, value)), true, true, &[]);
    assert_eq!(refused(&wrong), Cause::KeyTypeInconsistent);
    let own = Template::from_iter([Attribute::flag(CKA_SIGN, true)]);
    let error = child(&using(private, true, true, &[0]), &own).unwrap_err();
    assert_eq!(error.cause(), Cause::TemplateInconsistent);
}

/// Firmware takes a curve in the templates since 7.8.7, and no other than secp256k1 is served.
#[test]
fn a_curve_in_the_template_is_judged_by_firmware() {
    let curve = |der: &[u8]| Template::from_iter([Attribute::bytes(CKA_EC_PARAMS, der)]);
    for (named, former, cause) in [
        (Curve::Secp256k1, true, Some(Cause::TemplateInconsistent)),
        (Curve::Secp256k1, false, None),
        (Curve::P256, false, Some(Cause::CurveNotSupported)),
    ] {
        let mut using = using(seed(&[7; 32]), false, false, &[]);
        using.limits.former = former;
        using.params = Params::Bip32 {
            public: Some(curve(named.params_der())),
            private: None,
            path: Vec::new(),
        };
        let made = master(&using, &Template::new());
        assert_eq!(made.err().map(|error| error.cause()), cause, "{named:?}");
    }
}

#[test]
fn versions_are_the_networks() {
    assert_eq!(version(&[0x04, 0x88, 0xad, 0xe4]), Some(CKG_BIP32_VERSION_MAINNET_PRIV));
    let number = CKG_BIP32_VERSION_TESTNET_PUB.to_ne_bytes();
    assert_eq!(version(&number), Some(CKG_BIP32_VERSION_TESTNET_PUB));
    assert_eq!(version(&[1, 2, 3]), None);
    let mut using = using(seed(&[7; 32]), true, true, &[]);
    let test = Attribute::number(CKA_BIP32_VERSION_BYTES, CKG_BIP32_VERSION_TESTNET_PRIV);
    using.params = Params::Bip32 {
        public: None,
        private: Some(Template::from_iter([test])),
        path: Vec::new(),
    };
    let root = object(&master(&using, &Template::new()).unwrap().keys[0]);
    let below = child(&self::using(root, true, true, &[5]), &Template::new()).unwrap();
    for (made, wanted) in
        below.keys.iter().zip([CKG_BIP32_VERSION_TESTNET_PUB, CKG_BIP32_VERSION_TESTNET_PRIV])
    {
        assert_eq!(object(made).attributes().number(CKA_BIP32_VERSION_BYTES), Some(wanted));
    }
}
