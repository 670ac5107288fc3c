//! C_InitToken: a partition's first life and the next ones.

use luna_ck::*;
use luna_client::{Attribute, Pin, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::credentials::empty_and_initialised;
use crate::keys;
use crate::token::{Kind, PARTITION_SO, Token, refused, refused_as};

#[test]
fn an_empty_partition_does_nothing() {
    let token = Token::nobody(&["--empty"]);
    let info = token.context.token_info(token.slot).unwrap();
    assert_eq!(info.flags & (CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED), 0);
    for role in [UserType::PARTITION_SO, UserType::CRYPTO_OFFICER, UserType::CRYPTO_USER] {
        let error = token.login(role, CRYPTO_OFFICER).unwrap_err();
        let known = [CKR_USER_PIN_NOT_INITIALIZED, CKR_TOKEN_NOT_RECOGNIZED];
        assert!(known.iter().any(|code| error.is(*code)), "{role:?}: {error}");
    }
    assert!(token.session.create_object(&Attribute::data_object("data")).is_err());
    assert!(token.session.find(&[]).unwrap().is_empty());
    refused(token.session.init_pin(&CRYPTO_OFFICER.into()), CKR_USER_NOT_LOGGED_IN);
}

#[test]
fn a_partition_is_made_step_by_step() {
    let token = empty_and_initialised();
    let info = token.context.token_info(token.slot).unwrap();
    assert_eq!(info.label, "made");
    assert_ne!(info.flags & CKF_TOKEN_INITIALIZED, 0);
    assert_eq!(info.flags & CKF_USER_PIN_INITIALIZED, 0);
    token.session.logout().unwrap();
    for role in [UserType::CRYPTO_OFFICER, UserType::CRYPTO_USER] {
        let answer = token.login(role, CRYPTO_OFFICER);
        refused_as(answer, CKR_USER_PIN_NOT_INITIALIZED, &role);
    }
    token.login(UserType::PARTITION_SO, PARTITION_SO).unwrap();
    token.session.init_pin(&"first-password".into()).unwrap();
    let info = token.context.token_info(token.slot).unwrap();
    assert_ne!(info.flags & CKF_USER_PIN_INITIALIZED, 0);
    token.change_role(UserType::CRYPTO_OFFICER, "first-password");
    token.session.set_pin(&"first-password".into(), &CRYPTO_OFFICER.into()).unwrap();
    let own = [Attribute::token(true)];
    keys::generated_aes(&token.session, &own).unwrap();
    let token = token.restart();
    assert_eq!(token.session.find(&own).unwrap().len(), 1);
}

/// CA_InitRolePIN makes both roles, as C_InitPIN makes the first.
#[test]
fn roles_are_made_by_name() {
    let token = empty_and_initialised();
    let session = &token.session;
    session.init_role_pin(UserType::CRYPTO_OFFICER, &"first-password".into()).unwrap();
    token.change_role(UserType::CRYPTO_OFFICER, "first-password");
    session.set_pin(&"first-password".into(), &CRYPTO_OFFICER.into()).unwrap();
    session.init_role_pin(UserType::CRYPTO_USER, &"first-password".into()).unwrap();
    token.change_role(UserType::CRYPTO_USER, "first-password");
}

#[test]
fn what_an_initialisation_is_refused_for() {
    let token = Token::up(Kind::Plain);
    let own = [Attribute::token(true)];
    keys::generated_aes(&token.session, &own).unwrap();
    let init = |pin: &str| token.context.init_token(token.slot, Some(&Pin::from(pin)), "anew");
    refused(init(PARTITION_SO), CKR_SESSION_EXISTS);
    token.context.close_all_sessions(token.slot).unwrap();
    refused(init("wrong-password"), CKR_PIN_INCORRECT);
    assert_ne!(token.context.token_info(token.slot).unwrap().label, "anew");
    let nowhere =
        token.context.init_token(luna_client::SlotId(4711), Some(&PARTITION_SO.into()), "x");
    refused(nowhere, CKR_SLOT_ID_INVALID);
    let token = Token { session: token.open(), ..token };
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    assert_eq!(token.session.find(&own).unwrap().len(), 1, "nothing was lost");

    let empty = Token::nobody(&["--empty"]);
    empty.context.close_all_sessions(empty.slot).unwrap();
    for len in [0, 6, 256] {
        let short = Pin::new(vec![b'x'; len]);
        let answer = empty.context.init_token(empty.slot, Some(&short), "x");
        refused_as(answer, CKR_PIN_LEN_RANGE, &len);
    }
    assert!(empty.context.init_token(empty.slot, None, "x").is_err(), "there is no PED");
    assert!(!empty.context.token_info(empty.slot).unwrap().initialized());
}

/// A new life has nothing of the old one: the same SO password again and again, on the same slot.
#[test]
fn again_and_again_on_the_same_slot() {
    let token = Token::up(Kind::Fips);
    let own = [Attribute::token(true), Attribute::private(false)];
    keys::generated_aes(&token.session, &own).unwrap();
    let label_of = |token: &Token| token.context.token_info(token.slot).unwrap().label;
    let serial = token.context.token_info(token.slot).unwrap().serial_number;
    token.context.close_all_sessions(token.slot).unwrap();
    for label in ["one", "two", "three", "\u{fc}ber 32 Bytes hat dieser Name"] {
        token.context.init_token(token.slot, Some(&PARTITION_SO.into()), label).unwrap();
        let kept: String = label_of(&token);
        assert!(label.starts_with(&kept) && kept.len() <= 32 && !kept.is_empty(), "{kept}");
        let session = token.open();
        assert!(session.find(&[]).unwrap().is_empty(), "{label}");
        let answer = session.login(UserType::CRYPTO_OFFICER, &CRYPTO_OFFICER.into());
        refused_as(answer, CKR_USER_PIN_NOT_INITIALIZED, &label);
        session.login(UserType::PARTITION_SO, &PARTITION_SO.into()).unwrap();
        session.init_pin(&"first-password".into()).unwrap();
        session.logout().unwrap();
        session.login(UserType::CRYPTO_OFFICER, &"first-password".into()).unwrap();
        session.set_pin(&"first-password".into(), &CRYPTO_OFFICER.into()).unwrap();
        keys::generated_aes(&session, &own).unwrap();
        assert_eq!(session.find(&own).unwrap().len(), 1);
        session.close().unwrap();
    }
    assert_eq!(token.context.slots(true).unwrap(), [token.slot]);
    assert_eq!(token.context.token_info(token.slot).unwrap().serial_number, serial);
    assert!(token.context.mechanisms(token.slot).unwrap().contains(&CKM_AES_GCM));
    assert!(!token.context.mechanisms(token.slot).unwrap().contains(&CKM_RSA_X_509), "FIPS stays");
}

/// Old handles name nothing in the new life.
#[test]
fn handles_of_the_old_life_are_stale() {
    let token = Token::up(Kind::Plain);
    let old =
        keys::generated_aes(&token.session, &[Attribute::token(true), Attribute::private(false)]);
    let old = old.unwrap();
    token.context.close_all_sessions(token.slot).unwrap();
    token.context.init_token(token.slot, Some(&PARTITION_SO.into()), "anew").unwrap();
    let session = token.open();
    refused(session.attribute(old, CKA_CLASS), CKR_OBJECT_HANDLE_INVALID);
    refused(token.session.info(), CKR_SESSION_HANDLE_INVALID);
}

/// A group is no partition: its members are initialised one by one.
#[test]
fn a_group_is_not_initialised() {
    let token = Token::up(Kind::Group);
    token.session.create_object(&Attribute::data_object("stays")).unwrap();
    token.context.close_all_sessions(token.slot).unwrap();
    let answer = token.context.init_token(token.slot, Some(&PARTITION_SO.into()), "anew");
    let error = answer.unwrap_err();
    let known = [CKR_FUNCTION_NOT_SUPPORTED, CKR_OPERATION_NOT_ALLOWED];
    assert!(known.iter().any(|code| error.is(*code)), "{error}");
    let session = token.open();
    session.login(UserType::CRYPTO_OFFICER, &CRYPTO_OFFICER.into()).unwrap();
    assert_eq!(session.find(&[]).unwrap().len(), 1);
}
