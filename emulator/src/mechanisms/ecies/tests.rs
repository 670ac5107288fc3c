use std::sync::Arc;

use super::*;
use crate::crypto::vectors::cases;
use crate::mechanisms::Limits;
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const X25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x6e];

/// As profiles A and B of 5G have it.
fn suci(shared: &[u8]) -> Ecies {
    Ecies {
        primitive: CKDHP_STANDARD,
        kdf: CKD_SHA256_KDF,
        shared: shared.to_vec(),
        scheme: CKES_AES_CTR,
        key_bits: 128,
        mac_scheme: CKMS_HMAC_SHA256,
        mac_key_bits: 256,
        mac_bits: 64,
        mac_shared: Vec::new(),
    }
}

fn key(
    class: CK_OBJECT_CLASS,
    key_type: CK_KEY_TYPE,
    curve: &[u8],
    part: Attribute,
) -> Arc<Object> {
    let attributes = Template::from_iter([Attribute::bytes(CKA_EC_PARAMS, curve), part]);
    Arc::new(Object::new(Class { class, key_type: Some(key_type) }, attributes))
}

fn using(key: &Arc<Object>, params: Ecies) -> Use {
    Use {
        key: Arc::clone(key),
        others: Vec::new(),
        params: Params::Ecies(Box::new(params)),
        limits: Limits { min_bits: 105, max_bits: 571, fips: false, former: false },
        forward: key.class().class == CKO_PUBLIC_KEY,
    }
}

/// Both halves of a new key.
fn pair(key_type: CK_KEY_TYPE) -> (Arc<Object>, Arc<Object>) {
    let (curve, public, private) = if key_type == CKK_EC {
        let key = EcPrivateKey::generate(crate::crypto::ec::Curve::P256).unwrap();
        (&P256[..], key.public().unwrap().point().unwrap(), key.scalar().unwrap().to_vec())
    } else {
        let key = X25519PrivateKey::generate().unwrap();
        (&X25519[..], key.public().to_vec(), key.bytes().to_vec())
    };
    let point = Attribute::bytes(CKA_EC_POINT, keys::wrap_point(&public));
    (
        key(CKO_PUBLIC_KEY, key_type, curve, point),
        key(CKO_PRIVATE_KEY, key_type, curve, Attribute::bytes(CKA_VALUE, private)),
    )
}

#[test]
fn subscribers_of_5g_are_revealed() {
    for case in cases(include_str!("../vectors/ecies.txt")) {
        let key_type = if case.text("type") == "CKK_EC" { CKK_EC } else { CKK_EC_MONTGOMERY };
        let value = Attribute::bytes(CKA_VALUE, case.bytes("private"));
        let private = key(CKO_PRIVATE_KEY, key_type, &case.bytes("curve"), value);
        let mut using = using(&private, suci(&case.bytes("shared")));
        Scheme.prepare(&using).unwrap();
        let sealed = case.bytes("sealed");
        assert_eq!(Scheme.once(&using, &sealed).unwrap(), case.bytes("data"));
        let mut stream = Scheme.start(using.clone()).unwrap();
        sealed.chunks(7).for_each(|part| assert!(stream.update(part).unwrap().is_empty()));
        assert_eq!(stream.finish().unwrap(), case.bytes("data"));
        // The sign of a compressed point does not change the x coordinate that is agreed on.
        let from = usize::from(key_type == CKK_EC);
        for at in from..sealed.len() {
            let mut wrong = sealed.clone();
            wrong[at] ^= 1;
            let refused = Scheme.once(&using, &wrong);
            let cause = refused.unwrap_err().cause();
            assert!(
                [Cause::EncryptedDataInvalid, Cause::EncryptedDataLenRange].contains(&cause),
                "{at}: {cause:?}"
            );
        }
        let refused = Scheme.once(&using, &sealed[..30]).unwrap_err();
        assert_eq!(refused.cause(), Cause::EncryptedDataLenRange);
        // Firmware before 7.7.2 counted from zero, and took no compressed point.
        using.limits.former = true;
        assert!(Scheme.once(&using, &sealed).is_err());
    }
}

#[test]
fn every_encryption_and_every_mac_opens_what_it_sealed() {
    for key_type in [CKK_EC, CKK_EC_MONTGOMERY] {
        let (public, private) = pair(key_type);
        for (scheme, key_bits) in [
            (CKES_XOR, 0),
            (CKES_DES3_CBC_PAD, 192),
            (CKES_AES_CBC_PAD, 256),
            (CKES_DES3_CBC, 128),
            (CKES_AES_CBC, 192),
            (CKES_AES_CTR, 128),
        ] {
            for (mac_scheme, hash) in MACS {
                let params = Ecies {
                    scheme,
                    key_bits,
                    mac_scheme: *mac_scheme,
                    mac_bits: hash.len() as u64 * 8,
                    mac_shared: b"more".to_vec(),
                    ..suci(b"info")
                };
                for former in [false, true] {
                    let [mut seal, mut open] =
                        [&public, &private].map(|key| using(key, params.clone()));
                    (seal.limits.former, open.limits.former) = (former, former);
                    let message = [0x5a; 48];
                    let sealed = Scheme.once(&seal, &message).unwrap();
                    assert_eq!(Scheme.bounds(&seal, 48).unwrap(), (sealed.len(), sealed.len()));
                    let (least, most) = Scheme.bounds(&open, sealed.len()).unwrap();
                    assert!((least..=most).contains(&message.len()));
                    assert_eq!(Scheme.once(&open, &sealed).unwrap(), message);
                    assert_ne!(Scheme.once(&seal, &message).unwrap(), sealed, "a fresh key");
                    let other = Ecies { mac_shared: b"less".to_vec(), ..params.clone() };
                    let refused = Scheme.once(&using(&private, other), &sealed).unwrap_err();
                    assert_eq!(refused.cause(), Cause::EncryptedDataInvalid);
                }
            }
        }
    }
}

#[test]
fn what_is_not_served_is_refused() {
    let (public, _) = pair(CKK_EC);
    let good = || suci(b"");
    for params in [
        Ecies { primitive: CKDHP_MODIFIED, ..good() },
        Ecies { primitive: 0, ..good() },
        Ecies { kdf: CKD_NULL, ..good() },
        Ecies { scheme: 7, ..good() },
        Ecies { scheme: CKES_DES3_CBC, key_bits: 256, ..good() },
        Ecies { key_bits: 127, ..good() },
        Ecies { key_bits: 64, ..good() },
        Ecies { mac_scheme: 2, ..good() },
        Ecies { mac_key_bits: 0, ..good() },
        Ecies { mac_key_bits: CK_ULONG::MAX - 7, ..good() },
        Ecies { mac_bits: 0, ..good() },
        Ecies { mac_bits: 264, ..good() },
    ] {
        let told = format!("{params:?}");
        let refused = Scheme.prepare(&using(&public, params)).unwrap_err();
        assert_eq!(refused.cause(), Cause::MechanismParamInvalid, "{told}");
    }
    let blocks = Ecies { scheme: CKES_AES_CBC, ..good() };
    let refused = Scheme.once(&using(&public, blocks), &[0; 17]).unwrap_err();
    assert_eq!(refused.cause(), Cause::DataLenRange);
}

/// The last 32 bits begin again, and nothing is carried into the others.
#[test]
fn a_counter_of_32_bits_begins_again() {
    let key = AesKey::new(&[1; 16]).unwrap();
    let mut block = [0x11; 16];
    block[12..].fill(0xff);
    let mut stream = [0; 40];
    count(&key, block, &mut stream).unwrap();
    let encrypted = |last: [u8; 4]| {
        let mut block = [0x11; 16];
        block[12..].copy_from_slice(&last);
        key.ecb_encrypt(&mut block).unwrap();
        block
    };
    assert_eq!(stream[..16], encrypted([0xff; 4]));
    assert_eq!(stream[16..32], encrypted([0; 4]));
    assert_eq!(stream[32..], encrypted([0, 0, 0, 1])[..8]);
}
