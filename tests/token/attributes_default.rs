//! Attributes nobody gave: the vendor's table.
//!
//! Source: the vendor's page "Key Attribute Defaults" (Documented).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};

use crate::keys::{self, and};
use crate::token::{Kind, Token, hex};

const USES: [CK_ATTRIBUTE_TYPE; 7] =
    [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE];

#[track_caller]
fn flags(session: &Session, object: ObjectHandle, wanted: &[(CK_ATTRIBUTE_TYPE, bool)]) {
    for (kind, value) in wanted {
        let told = session.attribute(object, *kind).unwrap();
        assert_eq!(told, Some(vec![u8::from(*value)]), "{}", names::cka(*kind));
    }
}

#[track_caller]
fn no_uses(session: &Session, object: ObjectHandle) {
    for kind in USES {
        // A half of a pair does not have the other half's uses at all.
        let told = session.attribute(object, kind).unwrap().unwrap_or(vec![0]);
        assert_eq!(told, [0], "{}", names::cka(kind));
    }
}

#[test]
fn generated_secret_keys() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        for mechanism in [CKM_AES_KEY_GEN, CKM_GENERIC_SECRET_KEY_GEN] {
            let template = [Attribute::ulong(CKA_VALUE_LEN, 32)];
            let key = session.generate_key(&Mechanism::Plain(mechanism), &template).unwrap();
            flags(
                session,
                key,
                &[
                    (CKA_TOKEN, false),
                    (CKA_PRIVATE, true),
                    (CKA_SENSITIVE, true),
                    (CKA_MODIFIABLE, true),
                    (CKA_EXTRACTABLE, false),
                    (CKA_ALWAYS_SENSITIVE, true),
                    (CKA_NEVER_EXTRACTABLE, true),
                    (CKA_LOCAL, true),
                    (CKA_COPYABLE, true),
                    (CKA_DESTROYABLE, true),
                    (CKA_TRUSTED, false),
                    (CKA_WRAP_WITH_TRUSTED, false),
                ],
            );
            no_uses(session, key);
            for empty in [CKA_LABEL, CKA_ID, CKA_START_DATE, CKA_END_DATE] {
                assert_eq!(session.attribute(key, empty).unwrap(), Some(vec![]));
            }
            let made_by = session.attribute_ulong(key, CKA_KEY_GEN_MECHANISM).unwrap();
            assert_eq!(made_by, Some(mechanism));
            assert_eq!(session.attribute_ulong(key, CKA_CLASS).unwrap(), Some(CKO_SECRET_KEY));
            assert_eq!(session.attribute_ulong(key, CKA_VALUE_LEN).unwrap(), Some(32));
        }
    }
}

/// History follows the template: what was made extractable was never unextractable.
#[test]
fn generated_keys_with_looser_templates() {
    let token = Token::up(Kind::Plain);
    let loose = [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)];
    let key = keys::generated_aes(&token.session, &loose).unwrap();
    flags(
        &token.session,
        key,
        &[(CKA_ALWAYS_SENSITIVE, false), (CKA_NEVER_EXTRACTABLE, false), (CKA_LOCAL, true)],
    );
    let tighter = [Attribute::bool(CKA_SENSITIVE, true), Attribute::bool(CKA_EXTRACTABLE, false)];
    token.session.set_attributes(key, &tighter).unwrap();
    flags(
        &token.session,
        key,
        &[
            (CKA_SENSITIVE, true),
            (CKA_EXTRACTABLE, false),
            (CKA_ALWAYS_SENSITIVE, false),
            (CKA_NEVER_EXTRACTABLE, false),
        ],
    );
}

#[test]
fn generated_pairs() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let curve = [Attribute::bytes(CKA_EC_PARAMS, hex(keys::P256))];
        let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
        let (public, private) = session.generate_key_pair(&mechanism, &curve, &[]).unwrap();
        flags(session, public, &[(CKA_TOKEN, false), (CKA_LOCAL, true), (CKA_MODIFIABLE, true)]);
        flags(
            session,
            private,
            &[
                (CKA_TOKEN, false),
                (CKA_PRIVATE, true),
                (CKA_SENSITIVE, true),
                (CKA_EXTRACTABLE, false),
                (CKA_ALWAYS_SENSITIVE, true),
                (CKA_NEVER_EXTRACTABLE, true),
                (CKA_LOCAL, true),
                (CKA_ALWAYS_AUTHENTICATE, false),
            ],
        );
        no_uses(session, public);
        no_uses(session, private);
        let params = session.attribute(private, CKA_EC_PARAMS).unwrap();
        assert_eq!(params.unwrap(), hex(keys::P256), "both halves tell their curve");
    }
}

#[test]
fn created_keys() {
    let token = Token::up(Kind::Plain);
    let template = [
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_AES),
        Attribute::bytes(CKA_VALUE, [1; 32]),
    ];
    let key = token.session.create_object(&template).unwrap();
    flags(
        &token.session,
        key,
        &[
            (CKA_TOKEN, false),
            (CKA_PRIVATE, true),
            (CKA_EXTRACTABLE, false),
            (CKA_ALWAYS_SENSITIVE, false),
            (CKA_NEVER_EXTRACTABLE, false),
            (CKA_LOCAL, false),
        ],
    );
    no_uses(&token.session, key);
}

#[test]
fn unwrapped_and_derived_keys() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let by = keys::aes(session, &[3; 32]);
    let kw = Mechanism::Plain(CKM_AES_KW);
    let wrapped = session.encrypt(&kw, by, &[9; 32]).unwrap();
    let template = [Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_AES)];
    let unwrapped = session.unwrap(&kw, by, &wrapped, &template).unwrap();
    let never = [(CKA_ALWAYS_SENSITIVE, false), (CKA_NEVER_EXTRACTABLE, false), (CKA_LOCAL, false)];
    let common = [(CKA_PRIVATE, true), (CKA_EXTRACTABLE, false), (CKA_TOKEN, false)];
    flags(session, unwrapped, &and_flags(&[(CKA_SENSITIVE, true)], &and_flags(&never, &common)));
    no_uses(session, unwrapped);
    let derivation = Mechanism::Plain(CKM_SHA256_KEY_DERIVATION);
    let derived = session.derive(&derivation, by, &[]).unwrap();
    flags(session, derived, &and_flags(&[(CKA_SENSITIVE, false)], &and_flags(&never, &common)));
    let key_type = session.attribute_ulong(derived, CKA_KEY_TYPE).unwrap();
    assert_eq!(key_type, Some(CKK_GENERIC_SECRET));
    no_uses(session, derived);
}

fn and_flags(
    some: &[(CK_ATTRIBUTE_TYPE, bool)],
    more: &[(CK_ATTRIBUTE_TYPE, bool)],
) -> Vec<(CK_ATTRIBUTE_TYPE, bool)> {
    some.iter().chain(more).copied().collect()
}

/// CKA_PRIVATE is true if an officer or user is logged in, else false.
#[test]
fn privacy_follows_the_login() {
    let token = Token::nobody(&[]);
    let session = &token.session;
    let public = session.create_object(&[Attribute::class(CKO_DATA)]).unwrap();
    flags(session, public, &[(CKA_PRIVATE, false)]);
    token.login(luna_client::UserType::CRYPTO_OFFICER, luna_tests::CRYPTO_OFFICER).unwrap();
    let private = session.create_object(&[Attribute::class(CKO_DATA)]).unwrap();
    flags(session, private, &[(CKA_PRIVATE, true)]);
    let told = and(&[Attribute::class(CKO_DATA)], &[Attribute::private(false)]);
    let public = session.create_object(&told).unwrap();
    flags(session, public, &[(CKA_PRIVATE, false)]);
}

/// Twelve bytes that name an object for good.
#[test]
fn every_object_has_an_identifier_of_its_own() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let mut seen = std::collections::HashSet::new();
        for on_token in [true, false] {
            for _ in 0..3 {
                let key = keys::generated_aes(session, &[Attribute::token(on_token)]).unwrap();
                let ouid = session.attribute(key, CKA_OUID).unwrap().unwrap();
                assert_eq!(ouid.len(), 12);
                assert_eq!(
                    session.find(&[Attribute::bytes(CKA_OUID, ouid.clone())]).unwrap(),
                    [key]
                );
                assert!(seen.insert(ouid), "{kind:?}");
            }
        }
    }
}
