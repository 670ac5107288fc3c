//! C_GetOperationState and C_SetOperationState: a digest goes on elsewhere.
//!
//! Source: PKCS#11 v2.40, both functions; that digests alone are saved: Assumed.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, Rv, Session, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance, officer};

use crate::keys;
use crate::raw;
use crate::token::{Kind, Token, refused, refused_as};

const HASHES: [CK_MECHANISM_TYPE; 5] = [CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512];

fn restore(session: &Session, state: &[u8]) {
    session.set_operation_state(state, None, None).unwrap();
}

/// Cuts around a block, and one message that ends in two sessions, each with the right digest.
#[test]
fn a_digest_goes_on_in_another_session() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let other = token.open();
        let message: Vec<u8> = (0..=255).cycle().take(300).collect();
        for hash in HASHES.map(Mechanism::Plain) {
            let whole = session.digest(&hash, &message).unwrap();
            for cut in [1, 63, 64, 128, 200] {
                session.digest_init(&hash).unwrap();
                session.digest_update(&message[..cut]).unwrap();
                let state = session.operation_state().unwrap();
                restore(&other, &state);
                for session in [session, &other] {
                    session.digest_update(&message[cut..]).unwrap();
                    assert_eq!(session.digest_final().unwrap(), whole, "{kind:?} {hash:?} {cut}");
                }
            }
        }
    }
}

/// Nothing fed yet: the state is that of a fresh digest, and the session it came from is none the wiser.
#[test]
fn a_digest_that_was_only_initialised() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let (session, other) = (&token.session, token.open());
        let hash = Mechanism::Plain(CKM_SHA256);
        let whole = session.digest(&hash, b"text").unwrap();
        session.digest_init(&hash).unwrap();
        let state = session.operation_state().unwrap();
        assert_eq!(raw::digest(session, b"text", Some(32)).bytes, whole);
        restore(&other, &state);
        assert_eq!(raw::digest(&other, b"text", Some(32)).bytes, whole);
        restore(&other, &state);
        other.digest_update(b"text").unwrap();
        assert_eq!(other.digest_final().unwrap(), whole);
    }
}

/// Another process, after a restart, and another member of a group.
#[test]
fn a_state_outlives_its_library_and_its_member() {
    let token = Token::of(Instance::up(&["--ha", "LUNAHA=OKV,OKV"]));
    let hash = Mechanism::Plain(CKM_SHA384);
    let whole = token.session.digest(&hash, b"one two").unwrap();
    token.session.digest_init(&hash).unwrap();
    token.session.digest_update(b"one ").unwrap();
    let state = token.session.operation_state().unwrap();
    let token = token.restart();
    for slot in token.context.slots(true).unwrap() {
        let session = officer(&token.context, slot);
        restore(&session, &state);
        session.digest_update(b"two").unwrap();
        assert_eq!(session.digest_final().unwrap(), whole, "{slot:?}");
    }
}

/// A key that was fed to a digest lies in its state: readable within the cloning domain, after a login.
#[test]
fn a_state_with_a_key_in_it_wants_a_login() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let hash = Mechanism::Plain(CKM_SHA256);
    let key = keys::aes(session, &[0x5a; 32]);
    let whole = session.digest(&hash, &[0x5a; 32]).unwrap();
    session.digest_init(&hash).unwrap();
    session.digest_key(key).unwrap();
    let state = session.operation_state().unwrap();
    assert!(!state.windows(8).any(|part| part == [0x5a; 8]), "the key does not lie open");
    restore(session, &state);
    assert_eq!(session.digest_final().unwrap(), whole);
    // Saved again, it is still one with a key in it.
    restore(session, &state);
    let again = session.operation_state().unwrap();
    session.logout().unwrap();
    for state in [&state, &again] {
        refused(session.set_operation_state(state, None, None), CKR_SAVED_STATE_INVALID);
    }
    let stranger = Token::nobody(&["--domain", "another domain"]);
    stranger.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    let answer = stranger.session.set_operation_state(&state, None, None);
    refused(answer, CKR_SAVED_STATE_INVALID);
}

#[test]
fn what_is_not_saved() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    refused(session.operation_state(), CKR_OPERATION_NOT_INITIALIZED);
    let key = keys::aes(session, &[1; 32]);
    session.encrypt_init(&Mechanism::aes_cbc([0; 16]), key).unwrap();
    refused(session.operation_state(), CKR_STATE_UNSAVEABLE);
    session.digest_init(&Mechanism::Plain(CKM_SHA256)).unwrap();
    refused_as(session.operation_state(), CKR_STATE_UNSAVEABLE, &"beside a digest");
    // Neither was touched.
    session.encrypt_update(&[0; 16]).unwrap();
    session.digest_update(b"text").unwrap();
    // A state takes the place of all that.
    let other = token.open();
    other.digest_init(&Mechanism::Plain(CKM_SHA256)).unwrap();
    other.digest_update(b"state").unwrap();
    let state = other.operation_state().unwrap();
    restore(session, &state);
    refused(session.encrypt_final(), CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(session.digest_final().unwrap(), other.digest_final().unwrap());
}

#[test]
fn what_is_no_state() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let hash = Mechanism::Plain(CKM_SHA256);
    session.digest_init(&hash).unwrap();
    session.digest_update(b"text").unwrap();
    let state = session.operation_state().unwrap();
    let mut wrong = vec![vec![], vec![0], state[..state.len() - 1].to_vec(), vec![1; 4096]];
    for at in 0..state.len() {
        let mut bent = state.clone();
        bent[at] ^= 1;
        wrong.push(bent);
    }
    for state in &wrong {
        let answer = session.set_operation_state(state, None, None);
        refused_as(answer, CKR_SAVED_STATE_INVALID, &state.len());
    }
    let key = keys::generated_aes(session, &[Attribute::label("k")]).unwrap();
    for (encryption, authentication) in [(Some(key), None), (None, Some(key))] {
        let answer = session.set_operation_state(&state, encryption, authentication);
        refused(answer, CKR_KEY_NOT_NEEDED);
    }
    // What ran goes on.
    assert_eq!(session.digest_final().unwrap(), session.digest(&hash, b"text").unwrap());
}

#[test]
fn the_length_is_told_first() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    session.digest_init(&Mechanism::Plain(CKM_SHA512)).unwrap();
    session.digest_update(&[7; 100]).unwrap();
    let state = session.operation_state().unwrap();
    let asked = raw::operation_state(session, None);
    assert_eq!((asked.rv, asked.len), (Rv(CKR_OK), state.len()));
    let short = raw::operation_state(session, Some(10));
    assert_eq!((short.rv, short.len), (Rv(CKR_BUFFER_TOO_SMALL), state.len()));
    session.digest_final().unwrap();
}
