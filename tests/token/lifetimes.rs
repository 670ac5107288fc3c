//! How long objects live: with their session, with the token, and what a read-only session may do.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys::{self, and};
use crate::token::{Kind, Token, refused, refused_as};

fn data(on_token: bool) -> [Attribute; 3] {
    [Attribute::class(CKO_DATA), Attribute::token(on_token), Attribute::label("it")]
}

#[test]
fn session_objects_die_with_their_session() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let other = token.open();
        let own = session.create_object(&data(false)).unwrap();
        let others = other.create_object(&data(false)).unwrap();
        let key = keys::aes(&other, &[1; 32]);
        // All sessions of an application see them.
        assert_eq!(session.find(&data(false)).unwrap().len(), 2, "{kind:?}");
        session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
        session.set_attributes(others, &[Attribute::label("of both")]).unwrap();
        other.close().unwrap();
        assert_eq!(session.find(&[]).unwrap(), [own], "{kind:?}");
        for gone in [others, key] {
            refused_as(session.attribute(gone, CKA_CLASS), CKR_OBJECT_HANDLE_INVALID, &kind);
        }
        let begun = session.encrypt_init(&Mechanism::aes_cbc([0; 16]), key);
        refused_as(begun, CKR_KEY_HANDLE_INVALID, &kind);
    }
}

#[test]
fn token_objects_survive_everything_but_destruction() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let stays = session.create_object(&data(true)).unwrap();
        session.create_object(&data(false)).unwrap();
        let goes = session.create_object(&data(true)).unwrap();
        session.destroy(goes).unwrap();
        let key = keys::generated_aes(session, &[Attribute::token(true), Attribute::label("key")]);
        let sealed = session.encrypt(&Mechanism::aes_cbc([0; 16]), key.unwrap(), &[0; 16]).unwrap();
        let ouid = session.attribute(stays, CKA_OUID).unwrap().unwrap();
        let token = token.restart();
        let session = &token.session;
        assert_eq!(session.find(&[]).unwrap().len(), 2, "{kind:?}");
        let stays = session.find(&[Attribute::bytes(CKA_OUID, ouid)]).unwrap();
        assert_eq!(session.attribute_text(stays[0], CKA_LABEL).unwrap().unwrap(), "it");
        let key = session.find(&[Attribute::label("key")]).unwrap()[0];
        let again = session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
        assert_eq!(again, sealed, "{kind:?}: the same key");
    }
}

/// And so does every attribute of every class.
#[test]
fn objects_come_back_as_they_were() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let on_token = [Attribute::token(true), Attribute::bytes(CKA_ID, [1, 2])];
        let private = and(
            &and(&keys::rsa_private(crate::rsa_key::RSA_N, crate::rsa_key::RSA_D), &on_token),
            &keys::rsa_primes(),
        );
        let loose = [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)];
        session.create_object(&and(&private, &loose)).unwrap();
        session.create_object(&and(&keys::rsa_public(crate::rsa_key::RSA_N), &on_token)).unwrap();
        session
            .create_object(&and(&and(&keys::secret(CKK_AES, &[9; 24]), &on_token), &loose))
            .unwrap();
        keys::generated_aes(
            session,
            &and(&on_token, &[Attribute::bytes(CKA_END_DATE, *b"20301231")]),
        )
        .unwrap();
        let everything = |token: &Token| -> Vec<Vec<Option<Vec<u8>>>> {
            let mut all: Vec<_> = token
                .session
                .find(&[])
                .unwrap()
                .into_iter()
                .map(|object| token.session.attributes(object, &EVERY).unwrap())
                .collect();
            all.sort();
            all
        };
        let before = everything(&token);
        assert_eq!(before.len(), 4);
        let token = token.restart();
        assert_eq!(everything(&token), before, "{kind:?}");
    }
}

const EVERY: [CK_ATTRIBUTE_TYPE; 41] = [
    CKA_CLASS,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_LABEL,
    CKA_ID,
    CKA_KEY_TYPE,
    CKA_MODIFIABLE,
    CKA_COPYABLE,
    CKA_DESTROYABLE,
    CKA_OUID,
    CKA_START_DATE,
    CKA_END_DATE,
    CKA_SENSITIVE,
    CKA_EXTRACTABLE,
    CKA_ALWAYS_SENSITIVE,
    CKA_NEVER_EXTRACTABLE,
    CKA_LOCAL,
    CKA_KEY_GEN_MECHANISM,
    CKA_TRUSTED,
    CKA_WRAP_WITH_TRUSTED,
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_SIGN,
    CKA_VERIFY,
    CKA_WRAP,
    CKA_UNWRAP,
    CKA_DERIVE,
    CKA_VALUE,
    CKA_VALUE_LEN,
    CKA_MODULUS,
    CKA_MODULUS_BITS,
    CKA_PUBLIC_EXPONENT,
    CKA_PRIVATE_EXPONENT,
    CKA_PRIME_1,
    CKA_PRIME_2,
    CKA_EXPONENT_1,
    CKA_EXPONENT_2,
    CKA_COEFFICIENT,
    CKA_SUBJECT,
    CKA_ALWAYS_AUTHENTICATE,
    CKA_GENERIC_1,
];

#[test]
fn a_read_only_session_leaves_the_token_as_it_is() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let object = token.session.create_object(&data(true)).unwrap();
        let key = keys::generated_aes(&token.session, &[Attribute::token(true)]).unwrap();
        let reader = token.open_read_only();
        let change = [Attribute::label("x")];
        for (case, answer) in [
            ("create", reader.create_object(&data(true)).map(drop)),
            ("generate", keys::generated_aes(&reader, &[Attribute::token(true)]).map(drop)),
            ("change", reader.set_attributes(object, &change)),
            ("destroy", reader.destroy(object)),
            ("destroy a key", reader.destroy(key)),
            ("copy", reader.copy(object, &[]).map(drop)),
        ] {
            refused_as(answer, CKR_SESSION_READ_ONLY, &(kind, case));
        }
        let own = reader.create_object(&data(false)).unwrap();
        reader.set_attributes(own, &change).unwrap();
        reader.destroy(own).unwrap();
        keys::generated_aes(&reader, &[]).unwrap();
        reader.copy(object, &[Attribute::token(false)]).unwrap();
        reader.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
    }
}

#[test]
fn closing_all_sessions_ends_everything() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let other = token.open();
        let gone = token.session.create_object(&data(false)).unwrap();
        token.session.create_object(&data(true)).unwrap();
        token.context.close_all_sessions(token.slot).unwrap();
        refused_as(token.session.info(), CKR_SESSION_HANDLE_INVALID, &kind);
        refused_as(other.find(&[]), CKR_SESSION_HANDLE_INVALID, &kind);
        let session = token.open();
        assert_eq!(session.info().unwrap().state, CKS_RW_PUBLIC_SESSION, "{kind:?}: logged out");
        session.login(UserType::CRYPTO_OFFICER, &CRYPTO_OFFICER.into()).unwrap();
        refused_as(session.attribute(gone, CKA_CLASS), CKR_OBJECT_HANDLE_INVALID, &kind);
        assert_eq!(session.find(&[]).unwrap().len(), 1, "{kind:?}");
    }
}

#[test]
fn destroyed_is_gone_for_everybody() {
    let token = Token::up(Kind::Group);
    let other = token.open();
    for on_token in [true, false] {
        let object = token.session.create_object(&data(on_token)).unwrap();
        other.attribute(object, CKA_LABEL).unwrap();
        other.destroy(object).unwrap();
        refused(token.session.destroy(object), CKR_OBJECT_HANDLE_INVALID);
        refused(token.session.attribute(object, CKA_LABEL), CKR_OBJECT_HANDLE_INVALID);
        assert!(token.session.find(&[]).unwrap().is_empty());
    }
}

/// A handle names one object for as long as the application runs.
#[test]
fn handles_are_not_given_twice() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let mut seen: Vec<ObjectHandle> = Vec::new();
        for n in 0..12 {
            let object = token.session.create_object(&data(n % 2 == 0)).unwrap();
            assert!(!seen.contains(&object), "{kind:?}");
            seen.push(object);
            token.session.destroy(object).unwrap();
        }
    }
}
