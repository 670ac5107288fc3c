//! C_CopyObject: a copy with no template, what a template may change, and what it may not.
//!
//! PKCS#11 v2.40 section 5.7; NSS copies with no template.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};

use crate::keys::{self, and};
use crate::token::{Kind, Token, refused, refused_as};

fn sealed(session: &Session, key: ObjectHandle) -> Vec<u8> {
    session.encrypt(&Mechanism::aes_cbc([1; 16]), key, &[3; 32]).unwrap()
}

const KEPT: [CK_ATTRIBUTE_TYPE; 12] = [
    CKA_CLASS,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_LABEL,
    CKA_ID,
    CKA_SENSITIVE,
    CKA_EXTRACTABLE,
    CKA_ALWAYS_SENSITIVE,
    CKA_NEVER_EXTRACTABLE,
    CKA_LOCAL,
    CKA_KEY_GEN_MECHANISM,
    CKA_VALUE_LEN,
];

#[test]
fn a_copy_without_a_template_is_the_same_and_another() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        for on_token in [true, false] {
            let own =
                [Attribute::token(on_token), Attribute::label("it"), Attribute::bytes(CKA_ID, [7])];
            let key = keys::generated_aes(session, &own).unwrap();
            let copy = session.copy(key, &[]).unwrap();
            assert_ne!(copy, key);
            assert_eq!(
                session.attributes(copy, &KEPT).unwrap(),
                session.attributes(key, &KEPT).unwrap()
            );
            assert_eq!(sealed(session, copy), sealed(session, key), "{kind:?}");
            let ouid = |object| session.attribute(object, CKA_OUID).unwrap().unwrap();
            assert_ne!(ouid(copy), ouid(key), "{kind:?}: each has its own");
            // Apart from here on.
            session.set_attributes(copy, &[Attribute::label("copy")]).unwrap();
            assert_eq!(session.attribute_text(key, CKA_LABEL).unwrap().unwrap(), "it");
            let before = sealed(session, key);
            session.destroy(key).unwrap();
            assert_eq!(sealed(session, copy), before, "{kind:?}");
            session.destroy(copy).unwrap();
        }
    }
}

#[test]
fn what_a_copy_may_change() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let own = [
            Attribute::bool(CKA_SENSITIVE, false),
            Attribute::bool(CKA_EXTRACTABLE, true),
            Attribute::private(false),
        ];
        let key = session.create_object(&and(&keys::secret(CKK_AES, &[1; 32]), &own)).unwrap();
        for change in [
            Attribute::token(true),
            Attribute::private(true),
            Attribute::bool(CKA_MODIFIABLE, false),
            Attribute::bool(CKA_SENSITIVE, true),
            Attribute::bool(CKA_EXTRACTABLE, false),
            Attribute::bool(CKA_WRAP_WITH_TRUSTED, true),
            Attribute::bool(CKA_SIGN, false),
            Attribute::label("copy"),
        ] {
            let copy = session.copy(key, std::slice::from_ref(&change));
            let copy = copy.unwrap_or_else(|error| panic!("{kind:?} {change:?}: {error}"));
            let told = session.attribute(copy, change.kind()).unwrap();
            assert_eq!(told.as_deref(), change.value(), "{kind:?} {change:?}");
            assert_eq!(sealed(session, copy), sealed(session, key));
        }
        let label = [Attribute::label("stays"), Attribute::token(true)];
        session.copy(key, &label).unwrap();
        let token = token.restart();
        assert_eq!(token.session.find(&label[..1]).unwrap().len(), 1, "{kind:?}");
    }
}

#[test]
fn what_a_copy_may_not_change() {
    let token = Token::up(Kind::Group);
    let session = &token.session;
    let key =
        keys::generated_aes(session, &[Attribute::bool(CKA_WRAP_WITH_TRUSTED, true)]).unwrap();
    let count = session.find(&[]).unwrap().len();
    for (change, code) in [
        (Attribute::bool(CKA_SENSITIVE, false), CKR_ATTRIBUTE_READ_ONLY),
        (Attribute::bool(CKA_EXTRACTABLE, true), CKR_ATTRIBUTE_READ_ONLY),
        (Attribute::bool(CKA_WRAP_WITH_TRUSTED, false), CKR_ATTRIBUTE_READ_ONLY),
        (Attribute::bool(CKA_TRUSTED, true), CKR_ATTRIBUTE_READ_ONLY),
        (Attribute::bool(CKA_ALWAYS_SENSITIVE, false), CKR_ATTRIBUTE_READ_ONLY),
        (Attribute::class(CKO_DATA), CKR_ATTRIBUTE_READ_ONLY),
        (Attribute::bytes(CKA_VALUE, [1; 32]), CKR_ATTRIBUTE_READ_ONLY),
        (Attribute::bytes(CKA_MODULUS, [1; 32]), CKR_TEMPLATE_INCONSISTENT),
        (Attribute::bytes(0x8765_4321, [1]), CKR_ATTRIBUTE_TYPE_INVALID),
        (Attribute::bytes(CKA_TOKEN, [1; 8]), CKR_ATTRIBUTE_VALUE_INVALID),
    ] {
        let label = Attribute::label("none of it");
        refused_as(session.copy(key, &[label, change.clone()]), code, &change);
    }
    assert_eq!(session.find(&[]).unwrap().len(), count, "nothing was made");
}

#[test]
fn what_is_not_to_be_copied() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let key = keys::generated_aes(session, &[Attribute::bool(CKA_COPYABLE, false)]).unwrap();
    refused(session.copy(key, &[]), CKR_ACTION_PROHIBITED);
    let once = keys::generated_aes(session, &[]).unwrap();
    let copy = session.copy(once, &[Attribute::bool(CKA_COPYABLE, false)]).unwrap();
    refused(session.copy(copy, &[]), CKR_ACTION_PROHIBITED);
    let reader = token.open_read_only();
    refused(reader.copy(once, &[Attribute::token(true)]), CKR_SESSION_READ_ONLY);
    reader.copy(once, &[]).unwrap();
}

#[test]
fn every_class_is_copied() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let certificate = [
            Attribute::class(CKO_CERTIFICATE),
            Attribute::ulong(CKA_CERTIFICATE_TYPE, CKC_X_509),
            Attribute::bytes(CKA_VALUE, [0x30, 0]),
        ];
        let data = [Attribute::class(CKO_DATA), Attribute::bytes(CKA_VALUE, *b"text")];
        let (rsa_public, rsa_private) = keys::rsa(session);
        let (ec_public, ec_private) = keys::ec(session, keys::P384).unwrap();
        for (object, kinds) in [
            (session.create_object(&certificate).unwrap(), &[CKA_VALUE, CKA_CERTIFICATE_TYPE][..]),
            (session.create_object(&data).unwrap(), &[CKA_VALUE]),
            (rsa_public, &[CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_MODULUS_BITS]),
            (rsa_private, &[CKA_MODULUS, CKA_PUBLIC_EXPONENT]),
            (ec_public, &[CKA_EC_PARAMS, CKA_EC_POINT]),
            (ec_private, &[CKA_EC_PARAMS]),
        ] {
            let copy = session.copy(object, &[Attribute::token(true)]).unwrap();
            let told = session.attributes(copy, kinds).unwrap();
            assert!(told.iter().all(Option::is_some));
            assert_eq!(told, session.attributes(object, kinds).unwrap(), "{kind:?}");
        }
    }
}
