//! Passwords: their lengths, their change, and the first one that must be changed.
//!
//! Source: partition policies 25 (255 minus the least length) and 26, HSM policy 21 (Documented).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, Pin, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys;
use crate::token::{CRYPTO_USER, Kind, PARTITION_SO, Token, refused, refused_as};

fn of_length(len: usize) -> Pin {
    Pin::new(vec![b'x'; len])
}

#[test]
fn lengths_are_the_policies() {
    for (options, least, most) in [
        (&[][..], 7, 255),
        (&["--policy", "25=251"], 4, 255),
        (&["--policy", "26=16"], 7, 16),
        (&["--policy", "25=245", "--policy", "26=14"], 10, 14),
    ] {
        let token = Token::nobody(options);
        token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
        let info = token.context.token_info(token.slot).unwrap();
        assert_eq!((info.min_pin_len, info.max_pin_len), (least as CK_ULONG, most as CK_ULONG));
        let mut old = Pin::from(CRYPTO_OFFICER);
        for len in [0, 1, least - 1, most + 1, 1000] {
            let set = token.session.set_pin(&old, &of_length(len));
            refused_as(set, CKR_PIN_LEN_RANGE, &(options, len));
            let made = token.session.init_role_pin(UserType::CRYPTO_USER, &of_length(len));
            refused_as(made, CKR_PIN_LEN_RANGE, &(options, len));
        }
        for len in [least, most, least + 1] {
            let new = of_length(len);
            token.session.set_pin(&old, &new).unwrap_or_else(|error| panic!("{len}: {error}"));
            old = new;
        }
    }
}

#[test]
fn every_role_changes_its_own() {
    for (role, password) in [
        (UserType::CRYPTO_OFFICER, CRYPTO_OFFICER),
        (UserType::CRYPTO_USER, CRYPTO_USER),
        (UserType::PARTITION_SO, PARTITION_SO),
    ] {
        let token = Token::nobody(&["--fips", "on"]);
        token.login(role, password).unwrap();
        let (old, new) = (Pin::from(password), Pin::from("quite-another"));
        refused_as(token.session.set_pin(&new, &new), CKR_PIN_INCORRECT, &role);
        token.session.set_pin(&old, &new).unwrap();
        refused_as(token.session.set_pin(&old, &new), CKR_PIN_INCORRECT, &role);
        token.session.logout().unwrap();
        refused_as(token.session.login(role, &old), CKR_PIN_INCORRECT, &role);
        token.session.login(role, &new).unwrap();
        token.session.logout().unwrap();
        // The others' are as they were.
        for (other, password) in [
            (UserType::CRYPTO_OFFICER, CRYPTO_OFFICER),
            (UserType::CRYPTO_USER, CRYPTO_USER),
            (UserType::PARTITION_SO, PARTITION_SO),
        ] {
            if other != role {
                token.login(other, password).unwrap();
                token.session.logout().unwrap();
            }
        }
    }
}

/// Objects outlive a change of password: what was sealed under the old one opens under the new.
#[test]
fn keys_outlive_a_new_password() {
    let token = Token::up(Kind::Plain);
    let own = [Attribute::token(true), Attribute::label("key")];
    let key = keys::generated_aes(&token.session, &own).unwrap();
    let cbc = Mechanism::aes_cbc([0; 16]);
    let sealed = token.session.encrypt(&cbc, key, &[0; 16]).unwrap();
    let new = Pin::from("quite-another");
    token.session.set_pin(&CRYPTO_OFFICER.into(), &new).unwrap();
    assert_eq!(token.session.encrypt(&cbc, key, &[0; 16]).unwrap(), sealed, "still logged in");
    let Token { session, context, instance, .. } = token;
    session.close().unwrap();
    context.finalize().unwrap();
    let token = Token::of(instance);
    refused(token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER), CKR_PIN_INCORRECT);
    token.session.login(UserType::CRYPTO_OFFICER, &new).unwrap();
    let key = token.session.find(&own[1..]).unwrap()[0];
    assert_eq!(token.session.encrypt(&cbc, key, &[0; 16]).unwrap(), sealed);
}

#[test]
fn a_read_only_session_changes_no_password() {
    let token = Token::nobody(&[]);
    let reader = token.open_read_only();
    let new = Pin::from("quite-another");
    refused(reader.set_pin(&CRYPTO_OFFICER.into(), &new), CKR_SESSION_READ_ONLY);
    reader.login(UserType::CRYPTO_OFFICER, &CRYPTO_OFFICER.into()).unwrap();
    refused(reader.set_pin(&CRYPTO_OFFICER.into(), &new), CKR_SESSION_READ_ONLY);
}

/// The standard: who is not logged in changes the user's.
#[test]
fn without_a_login_the_crypto_officers_is_changed() {
    let token = Token::nobody(&[]);
    let new = Pin::from("quite-another");
    refused(token.session.set_pin(&new, &new), CKR_PIN_INCORRECT);
    token.session.set_pin(&CRYPTO_OFFICER.into(), &new).unwrap();
    assert_eq!(token.session.info().unwrap().state, CKS_RW_PUBLIC_SESSION, "that is no login");
    token.session.login(UserType::CRYPTO_OFFICER, &new).unwrap();
}

/// A password has any bytes.
#[test]
fn any_bytes_make_a_password() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let mut old = Pin::from(CRYPTO_OFFICER);
    for bytes in
        [&b"with \"quotes\" ?"[..], b"nul\0inside", &[0xff; 9], "p\u{e4}ssw\u{f6}rt".as_bytes()]
    {
        let new = Pin::new(bytes.to_vec());
        session.set_pin(&old, &new).unwrap();
        session.logout().unwrap();
        session.login(UserType::CRYPTO_OFFICER, &new).unwrap();
        old = new;
    }
}

/// Made by the Partition SO, changed by the Crypto Officer; until then he may log in and use no key.
#[test]
fn the_first_password_of_an_officer_must_be_changed() {
    let token = empty_and_initialised();
    let first = Pin::from("first-password");
    token.session.init_pin(&first).unwrap();
    token.session.logout().unwrap();
    token.session.login(UserType::CRYPTO_OFFICER, &first).unwrap();
    refused(keys::generated_aes(&token.session, &[]), CKR_PIN_EXPIRED);
    refused(keys::ec(&token.session, keys::P256), CKR_PIN_EXPIRED);
    let import = keys::secret(CKK_AES, &[1; 16]);
    refused(token.session.create_object(&import), CKR_PIN_EXPIRED);
    let second = Pin::from("second-password");
    token.session.set_pin(&first, &second).unwrap();
    let key = keys::generated_aes(&token.session, &[Attribute::token(true)]).unwrap();
    token.session.logout().unwrap();
    token.session.login(UserType::CRYPTO_OFFICER, &second).unwrap();
    token.session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();

    // And so with the Crypto User he makes.
    let first = Pin::from("first-of-the-user");
    token.session.init_role_pin(UserType::CRYPTO_USER, &first).unwrap();
    token.session.logout().unwrap();
    token.session.login(UserType::CRYPTO_USER, &first).unwrap();
    let begun = token.session.encrypt_init(&Mechanism::aes_cbc([0; 16]), key);
    refused(begun, CKR_PIN_EXPIRED);
    token.session.set_pin(&first, &second).unwrap();
    token.session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
    token.session.logout().unwrap();
    token.session.login(UserType::CRYPTO_USER, &second).unwrap();
    token.session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
}

/// A partition the Partition SO has just made, he logged in.
pub(crate) fn empty_and_initialised() -> Token {
    let token = Token::nobody(&["--empty"]);
    token.context.close_all_sessions(token.slot).unwrap();
    token.context.init_token(token.slot, Some(&PARTITION_SO.into()), "made").unwrap();
    let session = token.open();
    session.login(UserType::PARTITION_SO, &PARTITION_SO.into()).unwrap();
    Token { session, ..token }
}

/// A credential is made by the role above: the Partition SO makes the officer, the officer the user.
#[test]
fn credentials_are_made_by_the_role_above() {
    let token = Token::nobody(&[]);
    let new = Pin::from("quite-another");
    let officer = UserType::CRYPTO_OFFICER;
    refused(token.session.init_pin(&new), CKR_USER_NOT_LOGGED_IN);
    refused(token.session.init_role_pin(UserType::CRYPTO_USER, &new), CKR_USER_NOT_LOGGED_IN);
    let not_allowed =
        [CKR_USER_NOT_AUTHORIZED, CKR_OPERATION_NOT_ALLOWED, CKR_FUNCTION_NOT_SUPPORTED];
    for (role, password, made) in [
        (UserType::CRYPTO_OFFICER, CRYPTO_OFFICER, &[officer, UserType::PARTITION_SO][..]),
        (UserType::CRYPTO_USER, CRYPTO_USER, &[officer, UserType::CRYPTO_USER]),
        (UserType::PARTITION_SO, PARTITION_SO, &[UserType::CRYPTO_USER]),
    ] {
        token.login(role, password).unwrap();
        for other in made {
            let error = token.session.init_role_pin(*other, &new).unwrap_err();
            let known = not_allowed.iter().any(|code| error.is(*code));
            assert!(known || error.is(CKR_USER_TYPE_INVALID), "{role:?} makes {other:?}: {error}");
        }
        if role != UserType::PARTITION_SO {
            let error = token.session.init_pin(&new).unwrap_err();
            assert!(not_allowed.iter().any(|code| error.is(*code)), "{role:?}: {error}");
        }
        token.session.logout().unwrap();
    }
    // Resetting an officer who is there wants HSM policy 15, which is off.
    token.login(UserType::PARTITION_SO, PARTITION_SO).unwrap();
    assert!(token.session.init_pin(&new).is_err());
    assert!(token.session.reset_pin(&new).is_err());
    token.change_role(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER);
}
