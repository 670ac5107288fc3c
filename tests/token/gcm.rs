//! AES-GCM: whose IV it is, tags, and what is refused.
//!
//! Source: the vendor sample CKM_AES_GCM_FIPS_demo.c and pycryptoki's functional tests (Documented): in FIPS
//! mode the HSM makes the IV, and ciphertext, tag and 16 bytes of IV come out together.

use std::collections::HashSet;

use luna_ck::*;
use luna_client::{Mechanism, Rv};

use crate::keys::{self, gcm_made_by_hsm};
use crate::raw;
use crate::token::{Kind, Token, refused, refused_as};

const TEXT: &[u8] = b"forty two bytes of text, or something near";

fn with(iv: &[u8], tag_bits: CK_ULONG) -> Mechanism {
    Mechanism::aes_gcm(iv, b"aad", tag_bits)
}

#[test]
fn in_fips_mode_the_hsm_makes_the_iv() {
    for kind in [Kind::Fips, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let key = keys::generated_aes(session, &[]).unwrap();
        let mut seen = HashSet::new();
        for text in [&b""[..], TEXT] {
            let sealed = session.encrypt(&gcm_made_by_hsm(b"aad"), key, text).unwrap();
            assert_eq!(sealed.len(), text.len() + 16 + 16);
            let (sealed, iv) = sealed.split_at(text.len() + 16);
            assert!(seen.insert(iv.to_vec()), "an IV twice");
            assert_eq!(session.decrypt(&with(iv, 128), key, sealed).unwrap(), text);
            // The IV is not stripped by the module.
            let uncut = [sealed, iv].concat();
            refused(session.decrypt(&with(iv, 128), key, &uncut), CKR_ENCRYPTED_DATA_INVALID);
        }
        session.encrypt_init(&gcm_made_by_hsm(b""), key).unwrap();
        let asked = raw::encrypt(session, TEXT, None);
        assert_eq!((asked.rv, asked.len), (Rv(CKR_OK), TEXT.len() + 32), "the query counts the IV");
    }
}

#[test]
fn in_fips_mode_a_callers_iv_is_refused_to_encrypt() {
    for kind in [Kind::Fips, Kind::Group] {
        let token = Token::up(kind);
        let key = keys::generated_aes(&token.session, &[]).unwrap();
        for len in [1, 8, 12, 16, 60] {
            let begun = token.session.encrypt_init(&with(&vec![7; len], 128), key);
            refused_as(begun, CKR_MECHANISM_PARAM_INVALID, &len);
        }
        let none = token.session.decrypt_init(&gcm_made_by_hsm(b"aad"), key);
        refused(none, CKR_MECHANISM_PARAM_INVALID);
    }
}

#[test]
fn outside_fips_mode_the_iv_is_the_callers() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let key = keys::generated_aes(session, &[]).unwrap();
    for len in [1, 8, 12, 16, 32, 60, 128] {
        let mechanism = with(&vec![7; len], 128);
        let sealed = session.encrypt(&mechanism, key, TEXT).unwrap();
        assert_eq!(sealed.len(), TEXT.len() + 16, "an IV of {len}");
        assert_eq!(session.decrypt(&mechanism, key, &sealed).unwrap(), TEXT, "an IV of {len}");
    }
    let none = gcm_made_by_hsm(b"aad");
    refused(session.encrypt_init(&none, key), CKR_MECHANISM_PARAM_INVALID);
    refused(session.decrypt_init(&none, key), CKR_MECHANISM_PARAM_INVALID);
}

#[test]
fn tags() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let key = keys::generated_aes(session, &[]).unwrap();
    let full = session.encrypt(&with(&[7; 12], 128), key, TEXT).unwrap();
    for bits in [32, 64, 96, 104, 112, 120, 128] {
        let mechanism = with(&[7; 12], bits);
        let sealed = session.encrypt(&mechanism, key, TEXT).unwrap();
        assert_eq!(sealed, full[..TEXT.len() + bits as usize / 8], "a shorter tag is the cut one");
        assert_eq!(session.decrypt(&mechanism, key, &sealed).unwrap(), TEXT);
    }
    for bits in [0, 1, 8, 127, 129, 136, 256, 1 << 32, CK_ULONG::MAX] {
        let begun = session.encrypt_init(&with(&[7; 12], bits), key);
        refused_as(begun, CKR_MECHANISM_PARAM_INVALID, &bits);
        let begun = session.decrypt_init(&with(&[7; 12], bits), key);
        refused_as(begun, CKR_MECHANISM_PARAM_INVALID, &bits);
    }
}

#[test]
fn what_was_changed_does_not_open() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let key = keys::generated_aes(session, &[]).unwrap();
    let other = keys::generated_aes(session, &[]).unwrap();
    let mechanism = with(&[7; 12], 128);
    let sealed = session.encrypt(&mechanism, key, TEXT).unwrap();
    for at in [0, TEXT.len() - 1, TEXT.len(), sealed.len() - 1] {
        let mut bent = sealed.clone();
        bent[at] ^= 0x80;
        refused_as(session.decrypt(&mechanism, key, &bent), CKR_ENCRYPTED_DATA_INVALID, &at);
    }
    for (case, mechanism, key) in [
        ("another key", &mechanism, other),
        ("another IV", &with(&[8; 12], 128), key),
        ("other data", &Mechanism::aes_gcm(&[7; 12], b"ada", 128), key),
        ("no data", &Mechanism::aes_gcm(&[7; 12], b"", 128), key),
    ] {
        let opened = session.decrypt(mechanism, key, &sealed);
        refused_as(opened, CKR_ENCRYPTED_DATA_INVALID, &case);
    }
    let short = session.decrypt(&mechanism, key, &sealed[..15]);
    refused(short, CKR_ENCRYPTED_DATA_LEN_RANGE);
}

/// In parts nothing comes out before the end: unverified text never does.
#[test]
fn in_parts_the_text_comes_at_the_end() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let key = keys::generated_aes(session, &[]).unwrap();
        let seal = if kind.is_fips() { gcm_made_by_hsm(b"aad") } else { with(&[7; 16], 128) };
        session.encrypt_init(&seal, key).unwrap();
        assert_eq!(session.encrypt_update(TEXT).unwrap(), b"");
        assert_eq!(session.encrypt_update(TEXT).unwrap(), b"");
        let mut sealed = session.encrypt_final().unwrap();
        let iv = if kind.is_fips() { sealed.split_off(sealed.len() - 16) } else { vec![7; 16] };
        session.decrypt_init(&with(&iv, 128), key).unwrap();
        for part in sealed.chunks(5) {
            assert_eq!(session.decrypt_update(part).unwrap(), b"");
        }
        assert_eq!(session.decrypt_final().unwrap(), [TEXT, TEXT].concat());
        *sealed.last_mut().unwrap() ^= 1;
        session.decrypt_init(&with(&iv, 128), key).unwrap();
        session.decrypt_update(&sealed).unwrap();
        refused(session.decrypt_final(), CKR_ENCRYPTED_DATA_INVALID);
        refused(session.decrypt_final(), CKR_OPERATION_NOT_INITIALIZED);
    }
}
