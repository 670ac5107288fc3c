//! Private objects: whose they are before a login, after it, and for each role.
//!
//! PKCS#11 v2.40 section 6.7; the roles' rights are the vendor's (Documented).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys;
use crate::token::{CRYPTO_USER, Kind, PARTITION_SO, Token, refused_as};

/// A private and a public object on the token.
fn pair(token: &Token) -> (ObjectHandle, ObjectHandle) {
    let data = |private| {
        [
            Attribute::class(CKO_DATA),
            Attribute::token(true),
            Attribute::private(private),
            Attribute::bytes(CKA_VALUE, *b"text"),
        ]
    };
    (
        token.session.create_object(&data(true)).unwrap(),
        token.session.create_object(&data(false)).unwrap(),
    )
}

#[test]
fn without_a_login_only_public_objects_are_there() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let (private, public) = pair(&token);
        let key = keys::generated_aes(session, &[Attribute::token(true)]).unwrap();
        session.logout().unwrap();
        assert_eq!(session.find(&[]).unwrap(), [public], "{kind:?}");
        assert!(session.find(&[Attribute::private(true)]).unwrap().is_empty());
        assert_eq!(session.attribute(public, CKA_VALUE).unwrap().unwrap(), b"text");
        for object in [private, key] {
            for (case, answer) in [
                ("asked", session.attribute(object, CKA_LABEL).map(drop)),
                ("changed", session.set_attributes(object, &[Attribute::label("x")])),
                ("copied", session.copy(object, &[]).map(drop)),
                ("measured", session.object_size(object).map(drop)),
                ("destroyed", session.destroy(object)),
            ] {
                let error = answer.expect_err(case);
                let known = [CKR_USER_NOT_LOGGED_IN, CKR_OBJECT_HANDLE_INVALID];
                assert!(known.iter().any(|code| error.is(*code)), "{kind:?} {case}: {error}");
            }
        }
        let error = session.encrypt_init(&Mechanism::aes_cbc([0; 16]), key).unwrap_err();
        assert!(error.is(CKR_USER_NOT_LOGGED_IN) || error.is(CKR_KEY_HANDLE_INVALID), "{error}");
        token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
        assert_eq!(session.find(&[]).unwrap().len(), 3, "{kind:?}");
        session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
    }
}

/// The Partition SO manages the partition and sees nothing of what is private in it.
#[test]
fn the_partition_so_sees_no_private_object() {
    let token = Token::up(Kind::Plain);
    let (private, public) = pair(&token);
    let key = keys::generated_aes(&token.session, &[Attribute::token(true)]).unwrap();
    token.change_role(UserType::PARTITION_SO, PARTITION_SO);
    assert_eq!(token.session.find(&[]).unwrap(), [public]);
    for object in [private, key] {
        assert!(token.session.attribute(object, CKA_LABEL).is_err());
        assert!(token.session.destroy(object).is_err());
    }
    assert!(token.session.encrypt_init(&Mechanism::aes_cbc([0; 16]), key).is_err());
}

/// The Crypto User sees and uses what the Crypto Officer made, and makes or changes nothing private.
#[test]
fn the_crypto_user_uses_and_does_not_change() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let (private, public) = pair(&token);
        let session = &token.session;
        let key = keys::generated_aes(session, &[Attribute::token(true)]).unwrap();
        token.change_role(UserType::CRYPTO_USER, CRYPTO_USER);
        assert_eq!(session.find(&[]).unwrap().len(), 3, "{kind:?}");
        assert_eq!(session.attribute(private, CKA_VALUE).unwrap().unwrap(), b"text");
        session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
        session.sign(&Mechanism::Plain(CKM_AES_CMAC), key, b"text").unwrap();
        let change = [Attribute::label("x")];
        for (case, answer) in [
            ("destroyed", session.destroy(private)),
            ("destroyed a key", session.destroy(key)),
            ("changed", session.set_attributes(private, &change)),
            ("changed a key", session.set_attributes(key, &change)),
            ("copied", session.copy(key, &[]).map(drop)),
            ("generated", keys::generated_aes(session, &[]).map(drop)),
            (
                "created",
                session
                    .create_object(&[Attribute::class(CKO_DATA), Attribute::private(true)])
                    .map(drop),
            ),
        ] {
            refused_as(answer, CKR_USER_NOT_AUTHORIZED, &(kind, case));
        }
        session.set_attributes(public, &change).unwrap();
        session.destroy(public).unwrap();
    }
}

/// Private session objects die with the login; public ones stay.
#[test]
fn a_logout_takes_private_session_objects_along() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let data = |private| {
            let template = [Attribute::class(CKO_DATA), Attribute::private(private)];
            session.create_object(&template).unwrap()
        };
        let (private, public) = (data(true), data(false));
        let key = keys::aes(session, &[1; 32]);
        session.logout().unwrap();
        assert_eq!(session.find(&[]).unwrap(), [public], "{kind:?}");
        token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
        assert_eq!(session.find(&[]).unwrap(), [public], "{kind:?}");
        for object in [private, key] {
            let told = session.attribute(object, CKA_CLASS);
            refused_as(told, CKR_OBJECT_HANDLE_INVALID, &kind);
        }
    }
}

/// Without a login: public session objects, and no keys that have something to guard.
#[test]
fn what_nobody_may_make() {
    let token = Token::nobody(&["--fips", "on"]);
    let session = &token.session;
    let data = |private, on_token| {
        let own = [Attribute::private(private), Attribute::token(on_token)];
        keys::and(&[Attribute::class(CKO_DATA)], &own)
    };
    session.create_object(&data(false, false)).unwrap();
    for private in [data(true, false), data(true, true)] {
        refused_as(session.create_object(&private), CKR_USER_NOT_LOGGED_IN, &private);
    }
    let made = keys::generated_aes(session, &[]);
    refused_as(made, CKR_USER_NOT_LOGGED_IN, &"a secret key");
    refused_as(keys::ec(session, keys::P256), CKR_USER_NOT_LOGGED_IN, &"a pair");
    let digest = session.digest(&Mechanism::Plain(CKM_SHA256), b"text").unwrap();
    assert_eq!(digest.len(), 32, "a digest wants nobody");
    assert_eq!(session.random(16).unwrap().len(), 16, "nor does chance");
}
