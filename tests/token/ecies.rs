//! ECIES: what 5G networks publish is opened, and what was sealed here is opened here.
//!
//! Source: 3GPP TS 33.501 annex C.4; thalesdocs, "ECIES for 5G", for what firmware 7.7.2 changed
//! (Documented).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};

use crate::keys::{self, and, on};
use crate::samples;
use crate::token::{Kind, Token, hex, refused};

/// Curve, key type, private key, ephemeral public key, and all that goes on the air.
const PROFILES: [(&str, CK_KEY_TYPE, &str, &str, &str); 2] = [
    (
        keys::X25519,
        CKK_EC_MONTGOMERY,
        "c53c22208b61860b06c62e5406a7b330c2b577aa5558981510d128247d38bd1d",
        "b2e92f836055a255837debf850b528997ce0201cb82adfe4be1f587d07d8457d",
        "b2e92f836055a255837debf850b528997ce0201cb82adfe4be1f587d07d8457dcb02352410cddd9e730ef3fa87",
    ),
    (
        keys::P256,
        CKK_EC,
        "f1ab1074477ebcc7f554ea1c5fc368b1616730155e0041ac447d6301975fecda",
        "039aab8376597021e855679a9778ea0b67396e68c66df32c0f41e9acca2da9b9d1",
        "039aab8376597021e855679a9778ea0b67396e68c66df32c0f41e9acca2da9b9d146a33fc2716ac7dae96aa30a4d",
    ),
];

fn private(session: &Session, curve: &str, key_type: CK_KEY_TYPE, value: &str) -> ObjectHandle {
    let template = and(
        &on(&[CKA_DECRYPT]),
        &[
            Attribute::class(CKO_PRIVATE_KEY),
            Attribute::key_type(key_type),
            Attribute::bytes(CKA_EC_PARAMS, hex(curve)),
            Attribute::bytes(CKA_VALUE, hex(value)),
        ],
    );
    session.create_object(&template).unwrap()
}

fn suci(shared: &str) -> Mechanism {
    Mechanism::Ecies {
        kdf: CKD_SHA256_KDF,
        shared: hex(shared),
        encryption: (CKES_AES_CTR, 128),
        mac: (CKMS_HMAC_SHA256, 256, 64),
    }
}

#[test]
fn subscribers_are_revealed_since_the_firmware_that_can() {
    for (kind, able) in [(Kind::Newest, true), (Kind::Plain, false)] {
        let token = Token::up(kind);
        for (curve, key_type, value, ephemeral, output) in PROFILES {
            let key = private(&token.session, curve, key_type, value);
            let opened = token.session.decrypt(&suci(ephemeral), key, &hex(output));
            if able {
                assert_eq!(opened.unwrap(), hex("00012080f6"));
            } else {
                // The counter was zero, the MAC's key another, and a compressed point none.
                assert!(opened.is_err(), "{curve}");
            }
        }
    }
}

#[test]
fn what_was_sealed_is_opened() {
    for kind in [Kind::Plain, Kind::Newest] {
        let token = Token::up(kind);
        let session = &token.session;
        for (mechanism, curve, point) in [
            (CKM_EC_KEY_PAIR_GEN, keys::P256, 65),
            (CKM_EC_KEY_PAIR_GEN, keys::P521, 133),
            (CKM_EC_KEY_PAIR_GEN, keys::SECP256K1, 65),
            (CKM_EC_MONTGOMERY_KEY_PAIR_GEN, keys::X25519, 32),
        ] {
            let (public, private) = keys::ecies(session, mechanism, curve).unwrap();
            let sealed = session.encrypt(&samples::ecies(), public, b"message").unwrap();
            assert_eq!(sealed.len(), point + 7 + 32, "{curve}");
            let opened = session.decrypt(&samples::ecies(), private, &sealed).unwrap();
            assert_eq!(opened, b"message");
            let other = session.decrypt(&suci("01"), private, &sealed);
            refused(other, CKR_ENCRYPTED_DATA_INVALID);
            let short = session.decrypt(&samples::ecies(), private, &sealed[..20]);
            refused(short, CKR_ENCRYPTED_DATA_LEN_RANGE);
        }
    }
}
