//! Attributes the vendor added: how often a key was used, and what it looks like from outside.
//!
//! Source: pycryptoki's test_usage_limit_and_count.py and attributes.py, larskanis/pkcs11's tests for Luna
//! (Documented and Observed).

use luna_ck::*;
use luna_client::{Attribute, Mechanism};

use crate::keys;
use crate::token::{Kind, Token, refused};

#[test]
fn a_key_with_a_limit_is_used_so_often() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let cbc = Mechanism::aes_cbc([0; 16]);
    let limit = [Attribute::ulong(CKA_USAGE_LIMIT, 3)];
    let key = keys::generated_aes(session, &[Attribute::token(true)]).unwrap();
    session.set_attributes(key, &limit).unwrap();
    for used in 0..3 {
        assert_eq!(session.attribute_ulong(key, CKA_USAGE_COUNT).unwrap(), Some(used));
        session.encrypt(&cbc, key, &[0; 16]).unwrap();
    }
    refused(session.encrypt(&cbc, key, &[0; 16]), CKR_KEY_NOT_ACTIVE);
    // A new limit begins anew.
    session.set_attributes(key, &limit).unwrap();
    session.encrypt(&cbc, key, &[0; 16]).unwrap();
}

/// Of 20 and of 32 bytes, over the key: equal keys have equal ones, and they tell no other key.
#[test]
fn fingerprints_tell_keys_apart() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let same = [keys::aes(session, &[1; 32]), keys::aes(session, &[1; 32])];
    let other = keys::aes(session, &[2; 32]);
    for (kind, len) in [(CKA_FINGERPRINT_SHA1, 20), (CKA_FINGERPRINT_SHA256, 32)] {
        let of = |key| session.attribute(key, kind).unwrap();
        let prints = same.map(of);
        assert_eq!(prints[0].as_ref().map(Vec::len), Some(len), "{}", names::cka(kind));
        assert_eq!(prints[0], prints[1]);
        assert_ne!(prints[0], of(other));
        let (public, private) = keys::rsa(session);
        assert_eq!(of(public).map(|print| print.len()), Some(len));
        assert_eq!(of(private).map(|print| print.len()), Some(len));
    }
}

#[test]
fn a_private_key_tells_whether_it_is_a_ccm_key() {
    let token = Token::up(Kind::Plain);
    let (_, private) = keys::ec(&token.session, keys::P256).unwrap();
    let told = token.session.attribute(private, CKA_CCM_PRIVATE).unwrap();
    assert_eq!(told.map(|flag| flag.len()), Some(1));
}
