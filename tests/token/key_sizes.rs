//! Keys at the limits a token gives in C_GetMechanismInfo, and just beyond.
//!
//! Source: the vendor's tables of mechanisms (sizes Documented for RSA; FIPS mode raises the least size).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType};

use crate::keys::{self, and, on};
use crate::token::{Kind, Token, refused_as};

fn secret(token: &Token, mechanism: MechanismType, len: CK_ULONG) -> luna_client::Result<()> {
    let template = and(&on(&[CKA_SIGN]), &[Attribute::ulong(CKA_VALUE_LEN, len)]);
    let made = token.session.generate_key(&Mechanism::Plain(mechanism), &template)?;
    let told = token.session.attribute_ulong(made, CKA_VALUE_LEN).unwrap();
    assert_eq!(told, Some(len));
    Ok(())
}

#[test]
fn aes_keys_have_three_sizes() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let info = token.context.mechanism_info(token.slot, CKM_AES_KEY_GEN).unwrap();
        assert_eq!((info.min_key_size, info.max_key_size), (16, 32));
        for len in [16, 24, 32] {
            secret(&token, CKM_AES_KEY_GEN, len).unwrap();
        }
        for len in [0, 1, 8, 15, 17, 31, 33, 64, 1 << 32, CK_ULONG::MAX] {
            refused_as(secret(&token, CKM_AES_KEY_GEN, len), CKR_KEY_SIZE_RANGE, &len);
        }
        let made = token.session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &[]);
        refused_as(made, CKR_TEMPLATE_INCOMPLETE, &"no length");
    }
}

/// In bits, as the mechanism's information tells them.
#[test]
fn generic_secrets() {
    for kind in [Kind::Plain, Kind::Fips] {
        let token = Token::up(kind);
        let info = token.context.mechanism_info(token.slot, CKM_GENERIC_SECRET_KEY_GEN).unwrap();
        let least = if kind.is_fips() { 112 } else { 8 };
        assert_eq!((info.min_key_size, info.max_key_size), (least, 4096));
        for len in [least / 8, 20, 512] {
            secret(&token, CKM_GENERIC_SECRET_KEY_GEN, len).unwrap();
        }
        for len in [least / 8 - 1, 0, 513, 1 << 32, 1 << 61, CK_ULONG::MAX] {
            let made = secret(&token, CKM_GENERIC_SECRET_KEY_GEN, len);
            refused_as(made, CKR_KEY_SIZE_RANGE, &len);
        }
    }
}

/// A key that came in below the least size: FIPS mode does not use it.
#[test]
fn short_mac_keys_are_not_used_in_fips_mode() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let hmac = Mechanism::Plain(CKM_SHA256_HMAC);
    let short = keys::generic(session, &[1; 13]);
    refused_as(session.sign_init(&hmac, short), CKR_KEY_SIZE_RANGE, &13);
    let least = keys::generic(session, &[1; 14]);
    session.sign(&hmac, least, b"text").unwrap();
}

#[test]
fn rsa_sizes() {
    for (kind, mechanism, least) in [
        (Kind::Plain, CKM_RSA_PKCS_KEY_PAIR_GEN, 256),
        (Kind::Plain, CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN, 1024),
        (Kind::Fips, CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN, 2048),
    ] {
        let token = Token::up(kind);
        let info = token.context.mechanism_info(token.slot, mechanism).unwrap();
        assert_eq!((info.min_key_size, info.max_key_size), (least, 8192), "{kind:?}");
        let make = |bits| {
            let public = [Attribute::ulong(CKA_MODULUS_BITS, bits)];
            token.session.generate_key_pair(&Mechanism::Plain(mechanism), &public, &[])
        };
        for bits in [0, least - 8, least - 1, 8193, 16384, 1 << 32, CK_ULONG::MAX] {
            refused_as(make(bits), CKR_KEY_SIZE_RANGE, &(kind, bits));
        }
        make(least).unwrap_or_else(|error| panic!("{kind:?} {least} bits: {error}"));
    }
}

/// What goes in at the limits of RSA's padding.
#[test]
fn rsa_messages_at_their_limits() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (public, private) = keys::rsa(session);
    let pkcs = Mechanism::Plain(CKM_RSA_PKCS);
    for (mechanism, most) in [(pkcs.clone(), 245), (Mechanism::rsa_oaep(CKM_SHA256).unwrap(), 190)]
    {
        for len in [0, 1, most] {
            let sealed = session.encrypt(&mechanism, public, &vec![1; len]).unwrap();
            assert_eq!(sealed.len(), 256);
            let opened = session.decrypt(&mechanism, private, &sealed).unwrap();
            assert_eq!(opened, vec![1; len], "{mechanism:?}");
        }
        let answer = session.encrypt(&mechanism, public, &vec![1; most + 1]);
        refused_as(answer, CKR_DATA_LEN_RANGE, &mechanism);
        for len in [0, 255, 257] {
            let answer = session.decrypt(&mechanism, private, &vec![1; len]);
            refused_as(answer, CKR_ENCRYPTED_DATA_LEN_RANGE, &(&mechanism, len));
        }
        // Padding errors cannot be told from others.
        let answer = session.decrypt(&mechanism, private, &[1; 256]);
        refused_as(answer, CKR_ENCRYPTED_DATA_INVALID, &mechanism);
    }
    session.sign(&pkcs, private, &[1; 245]).unwrap();
    refused_as(session.sign(&pkcs, private, &[1; 246]), CKR_DATA_LEN_RANGE, &246);
    let raw = Mechanism::Plain(CKM_RSA_X_509);
    refused_as(session.sign(&raw, private, &[1; 257]), CKR_DATA_LEN_RANGE, &257);
    let answer = session.encrypt(&raw, public, &[0xff; 256]);
    refused_as(answer, CKR_DATA_INVALID, &"a number above the modulus");
}
