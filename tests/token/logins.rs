//! Logging in and out: codes, states, and who shares them.
//!
//! Source: PKCS#11 v2.40 section 5.6; the vendor's codes for logins (Documented).

use luna_ck::*;
use luna_client::{Access, Pin, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::token::{CRYPTO_USER, Kind, PARTITION_SO, Token, refused, refused_as};

const ROLES: [(UserType, &str); 3] = [
    (UserType::CRYPTO_OFFICER, CRYPTO_OFFICER),
    (UserType::CRYPTO_USER, CRYPTO_USER),
    (UserType::PARTITION_SO, PARTITION_SO),
];

const KINDS: [(Kind, &[&str]); 3] = [
    (Kind::Plain, &[]),
    (Kind::Fips, &["--fips", "on"]),
    (Kind::Group, &["--fips", "on", "--ha", "LUNAHA=OKV,OKV", "--ha-only"]),
];

#[test]
fn one_role_at_a_time() {
    for (kind, options) in KINDS {
        let token = Token::nobody(options);
        let other = token.open();
        for (role, password) in ROLES {
            if kind == Kind::Group && role == UserType::PARTITION_SO {
                continue;
            }
            token
                .login(role, password)
                .unwrap_or_else(|error| panic!("{kind:?} {role:?}: {error}"));
            for (another, password) in ROLES {
                let code = if another == role {
                    CKR_USER_ALREADY_LOGGED_IN
                } else {
                    CKR_USER_ANOTHER_ALREADY_LOGGED_IN
                };
                refused_as(token.login(another, password), code, &(kind, role, another));
                let there = other.login(another, &Pin::from(password));
                refused_as(there, code, &(kind, role, another));
            }
            // Whoever logged in, whoever logs out.
            other.logout().unwrap();
            refused(token.session.logout(), CKR_USER_NOT_LOGGED_IN);
            refused(other.logout(), CKR_USER_NOT_LOGGED_IN);
        }
    }
}

#[test]
fn states_are_shared_by_all_sessions() {
    for (kind, options) in KINDS {
        let token = Token::nobody(options);
        let state = |session: &luna_client::Session| session.info().unwrap().state;
        let reader = token.open_read_only();
        assert_eq!(
            (state(&token.session), state(&reader)),
            (CKS_RW_PUBLIC_SESSION, CKS_RO_PUBLIC_SESSION)
        );
        for (role, password) in &ROLES[..2] {
            reader.login(*role, &Pin::from(*password)).unwrap();
            let late = token.open();
            assert_eq!(state(&token.session), CKS_RW_USER_FUNCTIONS, "{kind:?} {role:?}");
            assert_eq!(state(&reader), CKS_RO_USER_FUNCTIONS, "{kind:?} {role:?}");
            assert_eq!(state(&late), CKS_RW_USER_FUNCTIONS, "{kind:?}: opened after the login");
            token.session.logout().unwrap();
            assert_eq!(state(&reader), CKS_RO_PUBLIC_SESSION, "{kind:?}");
        }
        drop(reader);
        if kind != Kind::Group {
            token.login(UserType::PARTITION_SO, PARTITION_SO).unwrap();
            assert_eq!(state(&token.session), CKS_RW_SO_FUNCTIONS);
        }
    }
}

#[test]
fn closing_the_last_session_logs_out() {
    for (kind, options) in KINDS {
        let token = Token::nobody(options);
        token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
        let Token { session, slot, context, instance: _instance } = token;
        let second = context.open_session(slot, Access::ReadOnly).unwrap();
        session.close().unwrap();
        assert_eq!(second.info().unwrap().state, CKS_RO_USER_FUNCTIONS, "{kind:?}: one is left");
        second.close().unwrap();
        let third = context.open_session(slot, Access::ReadOnly).unwrap();
        assert_eq!(third.info().unwrap().state, CKS_RO_PUBLIC_SESSION, "{kind:?}");
        refused(third.logout(), CKR_USER_NOT_LOGGED_IN);
    }
}

#[test]
fn the_partition_so_and_read_only_sessions_exclude_each_other() {
    let token = Token::nobody(&[]);
    let reader = token.open_read_only();
    refused(token.login(UserType::PARTITION_SO, PARTITION_SO), CKR_SESSION_READ_ONLY_EXISTS);
    refused(
        reader.login(UserType::PARTITION_SO, &PARTITION_SO.into()),
        CKR_SESSION_READ_ONLY_EXISTS,
    );
    reader.close().unwrap();
    token.login(UserType::PARTITION_SO, PARTITION_SO).unwrap();
    let opened = token.context.open_session(token.slot, Access::ReadOnly);
    refused(opened, CKR_SESSION_READ_WRITE_SO_EXISTS);
    token.open();
}

#[test]
fn wrong_passwords_and_unknown_roles() {
    for (kind, options) in KINDS {
        let token = Token::nobody(options);
        for wrong in ["wrong-password", "", "crypto-officer ", "Crypto-officer", "crypto-office"] {
            let answer = token.login(UserType::CRYPTO_OFFICER, wrong);
            refused_as(answer, CKR_PIN_INCORRECT, &(kind, wrong));
        }
        assert_eq!(token.session.info().unwrap().state, CKS_RW_PUBLIC_SESSION);
        for role in [4, 99, CKU_AUDIT, 0x8000_0009, CK_ULONG::MAX] {
            let answer = token.login(UserType(role), CRYPTO_OFFICER);
            refused_as(answer, CKR_USER_TYPE_INVALID, &(kind, role));
        }
        let answer = token.login(UserType::CONTEXT_SPECIFIC, CRYPTO_OFFICER);
        refused_as(answer, CKR_OPERATION_NOT_INITIALIZED, &kind);
        token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    }
}

/// Older headers gave the Crypto User another number.
#[test]
fn the_crypto_user_has_two_numbers() {
    for role in [CKU_CRYPTO_USER, CKU_LIMITED_USER_OLD] {
        let token = Token::nobody(&[]);
        token
            .login(UserType(role), CRYPTO_USER)
            .unwrap_or_else(|error| panic!("0x{role:x}: {error}"));
    }
}

#[test]
fn session_flags() {
    let token = Token::nobody(&["--fips", "on"]);
    let open = |flags| token.context.open_session_with(token.slot, flags);
    refused(open(0), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
    refused(open(CKF_RW_SESSION), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
    let info = open(CKF_SERIAL_SESSION | CKF_RW_SESSION).unwrap().info().unwrap();
    assert_eq!((info.slot, info.flags), (token.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION));
    assert_eq!(open(CKF_SERIAL_SESSION).unwrap().info().unwrap().flags, CKF_SERIAL_SESSION);
    let nowhere = token.context.open_session(luna_client::SlotId(4711), Access::ReadOnly);
    refused(nowhere, CKR_SLOT_ID_INVALID);
}

/// What C_GetTokenInfo counts.
#[test]
fn sessions_are_counted() {
    for (kind, options) in KINDS {
        let token = Token::nobody(options);
        let counts = || {
            let info = token.context.token_info(token.slot).unwrap();
            (info.session_count, info.rw_session_count)
        };
        assert_eq!(counts(), (1, 1), "{kind:?}");
        let reader = token.open_read_only();
        let writer = token.open();
        assert_eq!(counts(), (3, 2), "{kind:?}");
        drop((reader, writer));
        assert_eq!(counts(), (1, 1), "{kind:?}");
    }
}
