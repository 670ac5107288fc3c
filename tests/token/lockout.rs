//! Wrong passwords: counted, forgotten after a right one, and what happens when there were too many.
//!
//! Source: the vendor's pages on failed logins (Documented): policy 20 for officer and user, ten for the
//! Partition SO, whose partition is then zeroised. Which of two codes a locked role answers is not documented.

use luna_ck::*;
use luna_client::{Attribute, Error, Pin, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys;
use crate::token::{CRYPTO_USER, PARTITION_SO, Token, refused, refused_as};

const OFFICER: UserType = UserType::CRYPTO_OFFICER;
const USER: UserType = UserType::CRYPTO_USER;
const SO: UserType = UserType::PARTITION_SO;

#[track_caller]
fn locked(answer: Result<(), Error>) {
    let error = answer.unwrap_err();
    assert!(error.is(CKR_PIN_LOCKED) || error.is(CKR_USER_LOCKED_OUT), "{error}");
}

fn attempts_left(token: &Token, role: UserType) -> u8 {
    token.context.role_state(token.slot, role).unwrap().login_attempts_left
}

fn reopened(token: Token) -> Token {
    let Token { session, context, instance, .. } = token;
    session.close().unwrap();
    context.finalize().unwrap();
    Token::of(instance)
}

#[test]
fn too_many_wrong_ones_lock_officer_and_user_out_for_good() {
    let token = Token::nobody(&["--policy", "20=3"]);
    for left in [2, 1, 0] {
        refused(token.login(OFFICER, "wrong-password"), CKR_PIN_INCORRECT);
        assert_eq!(attempts_left(&token, OFFICER), left);
    }
    locked(token.login(OFFICER, CRYPTO_OFFICER));
    locked(token.login(OFFICER, "wrong-password"));
    locked(token.login(USER, CRYPTO_USER));
    locked(token.session.set_pin(&CRYPTO_OFFICER.into(), &"quite-another".into()));
    let state = token.context.role_state(token.slot, OFFICER).unwrap();
    assert_ne!(state.flags & CAF_ROLE_STATE_LOCKED_OUT, 0);
    let flags = token.context.token_info(token.slot).unwrap().flags;
    assert_ne!(flags & CKF_USER_PIN_LOCKED, 0);
    let token = reopened(token);
    locked(token.login(OFFICER, CRYPTO_OFFICER));
    // HSM policy 15 is off: the Partition SO cannot help.
    token.login(SO, PARTITION_SO).unwrap();
    assert!(token.session.init_pin(&"quite-another".into()).is_err());
    assert!(token.session.reset_pin(&"quite-another".into()).is_err());
    token.session.logout().unwrap();
    locked(token.login(OFFICER, CRYPTO_OFFICER));
}

#[test]
fn a_right_one_begins_the_count_anew() {
    let token = Token::nobody(&["--policy", "20=3"]);
    for _ in 0..3 {
        for _ in 0..2 {
            refused(token.login(OFFICER, "wrong-password"), CKR_PIN_INCORRECT);
        }
        assert_eq!(attempts_left(&token, OFFICER), 1);
        token.login(OFFICER, CRYPTO_OFFICER).unwrap();
        assert_eq!(attempts_left(&token, OFFICER), 3);
        token.session.logout().unwrap();
    }
    // The count outlives the process; a login that was never tried is not counted.
    refused(token.login(OFFICER, "wrong-password"), CKR_PIN_INCORRECT);
    let token = reopened(token);
    assert_eq!(attempts_left(&token, OFFICER), 2);
    token.login(SO, PARTITION_SO).unwrap();
    refused(token.login(OFFICER, "wrong-password"), CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
    refused(token.login(UserType(77), "wrong-password"), CKR_USER_TYPE_INVALID);
    assert!(token.session.login_elsewhere(OFFICER).is_err());
    assert_eq!(attempts_left(&token, OFFICER), 2);
}

/// C_SetPIN is no way to guess without being counted.
#[test]
fn a_wrong_old_password_counts_too() {
    let token = Token::nobody(&["--policy", "20=3"]);
    token.login(OFFICER, CRYPTO_OFFICER).unwrap();
    let new = Pin::from("quite-another");
    for _ in 0..3 {
        refused(token.session.set_pin(&"wrong-password".into(), &new), CKR_PIN_INCORRECT);
    }
    assert_eq!(attempts_left(&token, OFFICER), 0);
    locked(token.session.set_pin(&CRYPTO_OFFICER.into(), &new));
    token.session.logout().unwrap();
    locked(token.login(OFFICER, CRYPTO_OFFICER));
}

/// The Crypto Officer makes a locked user a new password, who changes it.
#[test]
fn a_locked_user_is_let_in_again_by_the_officer() {
    let token = Token::nobody(&["--policy", "20=2"]);
    for _ in 0..2 {
        refused(token.login(USER, "wrong-password"), CKR_PIN_INCORRECT);
    }
    locked(token.login(USER, CRYPTO_USER));
    token.login(OFFICER, CRYPTO_OFFICER).unwrap();
    token.session.init_role_pin(USER, &"made-anew".into()).unwrap();
    token.session.logout().unwrap();
    refused(token.login(USER, CRYPTO_USER), CKR_PIN_INCORRECT);
    token.login(USER, "made-anew").unwrap();
    token.session.set_pin(&"made-anew".into(), &CRYPTO_USER.into()).unwrap();
}

/// Ten in a row, in several lives of the process.
#[test]
fn ten_wrong_ones_of_the_partition_so_zeroise_the_partition() {
    let token = Token::nobody(&[]);
    token.login(OFFICER, CRYPTO_OFFICER).unwrap();
    let own = [Attribute::token(true), Attribute::private(false)];
    keys::generated_aes(&token.session, &own).unwrap();
    token.session.logout().unwrap();
    for _ in 0..9 {
        refused(token.login(SO, "wrong-password"), CKR_PIN_INCORRECT);
    }
    token.login(SO, PARTITION_SO).unwrap();
    token.session.logout().unwrap();
    for _ in 0..5 {
        refused(token.login(SO, "wrong-password"), CKR_PIN_INCORRECT);
    }
    let token = reopened(token);
    for _ in 0..4 {
        refused(token.login(SO, "wrong-password"), CKR_PIN_INCORRECT);
    }
    assert_eq!(attempts_left(&token, SO), 1);
    refused(token.login(SO, "wrong-password"), CKR_SO_LOGIN_FAILURE_THRESHOLD);
    let token = reopened(token);
    let info = token.context.token_info(token.slot).unwrap();
    assert!(!info.initialized(), "nothing is left");
    assert!(token.session.find(&[]).unwrap().is_empty(), "not even what was public");
    for (role, password) in [(SO, PARTITION_SO), (OFFICER, CRYPTO_OFFICER), (USER, CRYPTO_USER)] {
        let error = token.login(role, password).unwrap_err();
        let known = [CKR_USER_PIN_NOT_INITIALIZED, CKR_TOKEN_NOT_RECOGNIZED];
        assert!(known.iter().any(|code| error.is(*code)), "{role:?}: {error}");
    }
    // And it can be made anew.
    token.context.close_all_sessions(token.slot).unwrap();
    token.context.init_token(token.slot, Some(&"another-so".into()), "again").unwrap();
    let session = token.open();
    session.login(SO, &"another-so".into()).unwrap();
    session.init_pin(&CRYPTO_OFFICER.into()).unwrap();
    session.logout().unwrap();
    session.login(OFFICER, &CRYPTO_OFFICER.into()).unwrap();
    assert!(session.find(&[]).unwrap().is_empty());
}

/// A group asks its members: their counts hold.
#[test]
fn a_group_locks_as_its_members_do() {
    let options = ["--policy", "20=3", "--ha", "LUNAHA=OKV,OKV", "--ha-only"];
    let token = Token::nobody(&options);
    for attempt in 0..3 {
        refused_as(token.login(OFFICER, "wrong-password"), CKR_PIN_INCORRECT, &attempt);
    }
    let error = token.login(OFFICER, CRYPTO_OFFICER);
    locked(error);
}
