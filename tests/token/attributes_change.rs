//! C_SetAttributeValue: what may change, what sticks, and that a change is whole or not at all.

use luna_ck::*;
use luna_client::{Attribute, ObjectHandle, Session};

use crate::keys::{self, and};
use crate::token::{Kind, Token, refused, refused_as};

fn label(session: &Session, object: ObjectHandle) -> String {
    session.attribute_text(object, CKA_LABEL).unwrap().unwrap()
}

fn is(session: &Session, object: ObjectHandle, kind: CK_ATTRIBUTE_TYPE) -> bool {
    session.attribute(object, kind).unwrap().unwrap() == [1]
}

#[test]
fn a_change_is_whole_or_not_at_all() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        for on_token in [true, false] {
            let own = [Attribute::token(on_token), Attribute::label("before")];
            let key = keys::generated_aes(session, &own).unwrap();
            for (bad, code) in [
                (Attribute::bool(CKA_SENSITIVE, false), CKR_ATTRIBUTE_READ_ONLY),
                (Attribute::bytes(0x8765_4321, [1]), CKR_ATTRIBUTE_TYPE_INVALID),
                (Attribute::bytes(CKA_MODULUS, [1]), CKR_TEMPLATE_INCONSISTENT),
                (Attribute::bytes(CKA_SIGN, [1; 8]), CKR_ATTRIBUTE_VALUE_INVALID),
            ] {
                for at in 0..3 {
                    let mut change =
                        vec![Attribute::label("after"), Attribute::bool(CKA_WRAP, false)];
                    change.insert(at, bad.clone());
                    refused_as(session.set_attributes(key, &change), code, &(kind, &bad, at));
                    assert_eq!(label(session, key), "before");
                    assert!(is(session, key, CKA_WRAP));
                }
            }
            let change = [Attribute::label("after"), Attribute::bool(CKA_WRAP, false)];
            session.set_attributes(key, &change).unwrap();
            assert_eq!(
                (label(session, key).as_str(), is(session, key, CKA_WRAP)),
                ("after", false)
            );
        }
    }
}

#[test]
fn what_sticks() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        for on_token in [true, false] {
            let own = [
                Attribute::token(on_token),
                Attribute::bool(CKA_WRAP_WITH_TRUSTED, true),
                Attribute::bool(CKA_COPYABLE, false),
            ];
            let key = keys::generated_aes(session, &own).unwrap();
            for change in [
                Attribute::class(CKO_DATA),
                Attribute::key_type(CKK_DES3),
                Attribute::token(!on_token),
                Attribute::private(false),
                Attribute::bool(CKA_MODIFIABLE, false),
                Attribute::bool(CKA_COPYABLE, true),
                Attribute::bool(CKA_SENSITIVE, false),
                Attribute::bool(CKA_EXTRACTABLE, true),
                Attribute::bool(CKA_WRAP_WITH_TRUSTED, false),
                Attribute::bool(CKA_TRUSTED, true),
                Attribute::bool(CKA_LOCAL, false),
                Attribute::bool(CKA_ALWAYS_SENSITIVE, false),
                Attribute::bool(CKA_NEVER_EXTRACTABLE, false),
                Attribute::ulong(CKA_KEY_GEN_MECHANISM, CKM_AES_CBC),
                Attribute::ulong(CKA_VALUE_LEN, 16),
                Attribute::bytes(CKA_VALUE, [1; 32]),
                Attribute::bytes(CKA_OUID, [1; 12]),
            ] {
                let changed = session.set_attributes(key, std::slice::from_ref(&change));
                refused_as(changed, CKR_ATTRIBUTE_READ_ONLY, &(kind, on_token, &change));
            }
            let (public, private) = keys::ec(session, keys::P256).unwrap();
            let params = [Attribute::bytes(CKA_EC_PARAMS, crate::token::hex(keys::P384))];
            for half in [public, private] {
                refused(session.set_attributes(half, &params), CKR_ATTRIBUTE_READ_ONLY);
            }
            let point = [Attribute::bytes(CKA_EC_POINT, [4; 67])];
            refused(session.set_attributes(public, &point), CKR_ATTRIBUTE_READ_ONLY);
        }
    }
}

#[test]
fn what_may_change() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let own = [
            Attribute::token(true),
            Attribute::bool(CKA_SENSITIVE, false),
            Attribute::bool(CKA_EXTRACTABLE, true),
        ];
        let key = keys::generated_aes(session, &own).unwrap();
        let changes = [
            Attribute::label("another"),
            Attribute::label(""),
            Attribute::bytes(CKA_ID, vec![7; 300]),
            Attribute::bytes(CKA_START_DATE, *b"20240229"),
            Attribute::bool(CKA_SIGN, false),
            Attribute::bool(CKA_ENCRYPT, false),
            Attribute::bool(CKA_DERIVE, false),
            Attribute::bool(CKA_ENCRYPT, true),
            Attribute::bytes(CKA_GENERIC_1, *b"of the user's"),
            Attribute::bytes(CKA_GENERIC_3, []),
            Attribute::bytes(CKA_EKM_UID, *b"uid"),
            Attribute::bool(CKA_SENSITIVE, true),
            Attribute::bool(CKA_EXTRACTABLE, false),
            Attribute::bool(CKA_WRAP_WITH_TRUSTED, true),
            Attribute::bool(CKA_COPYABLE, false),
            Attribute::bool(CKA_DESTROYABLE, false),
        ];
        for change in &changes {
            session
                .set_attributes(key, std::slice::from_ref(change))
                .unwrap_or_else(|error| panic!("{kind:?} {change:?}: {error}"));
            let told = session.attribute(key, change.kind()).unwrap();
            assert_eq!(told.as_deref(), change.value(), "{kind:?} {change:?}");
        }
        let token = token.restart();
        let key = token.session.find(&[changes[2].clone()]).unwrap();
        assert_eq!(key.len(), 1, "{kind:?}: found by what it was given");
        for change in &changes[7..] {
            let told = token.session.attribute(key[0], change.kind()).unwrap();
            assert_eq!(told.as_deref(), change.value(), "{kind:?} {change:?}: after a restart");
        }
    }
}

#[test]
fn objects_that_may_not_change_or_go() {
    let token = Token::up(Kind::Group);
    let session = &token.session;
    let fixed = [Attribute::bool(CKA_MODIFIABLE, false), Attribute::token(true)];
    let key = keys::generated_aes(session, &fixed).unwrap();
    let change = [Attribute::label("x")];
    let answer = session.set_attributes(key, &change).unwrap_err();
    assert!(
        answer.is(CKR_ACTION_PROHIBITED) || answer.is(CKR_ATTRIBUTE_READ_ONLY),
        "2.40 has a code of its own, 2.20 has not: {answer}"
    );
    session.destroy(key).unwrap();
    let stays = [Attribute::bool(CKA_DESTROYABLE, false), Attribute::token(true)];
    let key = keys::generated_aes(session, &stays).unwrap();
    refused(session.destroy(key), CKR_ACTION_PROHIBITED);
    session.set_attributes(key, &change).unwrap();
    assert_eq!(session.find(&change).unwrap(), [key]);
}

/// A change is seen at once by every session, and by searches for the old and the new value.
#[test]
fn changes_are_seen_at_once() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let other = token.open();
        let old = [Attribute::label("old"), Attribute::bytes(CKA_ID, [1])];
        let new = [Attribute::label("new"), Attribute::bytes(CKA_ID, [2])];
        for on_token in [true, false] {
            let template = and(&old, &[Attribute::token(on_token)]);
            let key = keys::generated_aes(&token.session, &template).unwrap();
            assert_eq!(other.find(&old).unwrap(), [key]);
            token.session.set_attributes(key, &new).unwrap();
            assert_eq!(label(&other, key), "new");
            assert!(
                other.find(&old).unwrap().is_empty() && other.find(&old[1..]).unwrap().is_empty()
            );
            assert_eq!(other.find(&new).unwrap(), [key], "{kind:?}");
            let on = [Attribute::bool(CKA_SIGN, false)];
            token.session.set_attributes(key, &on).unwrap();
            let begun = other.sign_init(&luna_client::Mechanism::Plain(CKM_AES_CMAC), key);
            refused(begun, CKR_KEY_FUNCTION_NOT_PERMITTED);
            token.session.destroy(key).unwrap();
            assert!(other.find(&new).unwrap().is_empty());
            refused(other.attribute(key, CKA_LABEL), CKR_OBJECT_HANDLE_INVALID);
        }
    }
}
