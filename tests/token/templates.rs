//! Templates that are wrong, each in one way: the code says which, and nothing is made.
//!
//! PKCS#11 v2.40 section 4.1.1.

use luna_ck::*;
use luna_client::{Attribute, Mechanism};

use crate::keys::{self, and};
use crate::token::{Kind, Token, refused_as};

fn data() -> Vec<Attribute> {
    vec![Attribute::class(CKO_DATA), Attribute::label("data")]
}

fn certificate() -> Vec<Attribute> {
    vec![Attribute::class(CKO_CERTIFICATE), Attribute::ulong(CKA_CERTIFICATE_TYPE, CKC_X_509)]
}

fn aes() -> Vec<Attribute> {
    keys::secret(CKK_AES, &[1; 32])
}

fn without(template: &[Attribute], kind: CK_ATTRIBUTE_TYPE) -> Vec<Attribute> {
    template.iter().filter(|attribute| attribute.kind() != kind).cloned().collect()
}

const UNKNOWN: CK_ATTRIBUTE_TYPE = 0x8765_4321;

#[test]
fn created_objects() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let with = |template: Vec<Attribute>, attribute| and(&template, &[attribute]);
        let cases = [
            ("nothing", vec![], CKR_TEMPLATE_INCOMPLETE),
            ("no class", vec![Attribute::label("x")], CKR_TEMPLATE_INCOMPLETE),
            ("no key type", without(&aes(), CKA_KEY_TYPE), CKR_TEMPLATE_INCOMPLETE),
            ("no value", without(&aes(), CKA_VALUE), CKR_TEMPLATE_INCOMPLETE),
            (
                "no certificate type",
                vec![Attribute::class(CKO_CERTIFICATE)],
                CKR_TEMPLATE_INCOMPLETE,
            ),
            (
                "no modulus",
                without(&keys::rsa_public(crate::rsa_key::RSA_N), CKA_MODULUS),
                CKR_TEMPLATE_INCOMPLETE,
            ),
            (
                "no exponent",
                without(&keys::rsa_public(crate::rsa_key::RSA_N), CKA_PUBLIC_EXPONENT),
                CKR_TEMPLATE_INCOMPLETE,
            ),
            ("an unknown class", vec![Attribute::class(0x77)], CKR_ATTRIBUTE_VALUE_INVALID),
            (
                "an unknown key type",
                vec![Attribute::class(CKO_SECRET_KEY), Attribute::key_type(0x7777)],
                CKR_ATTRIBUTE_VALUE_INVALID,
            ),
            (
                "an unknown attribute",
                with(data(), Attribute::bytes(UNKNOWN, [1])),
                CKR_ATTRIBUTE_TYPE_INVALID,
            ),
            (
                "a key's attribute on data",
                with(data(), Attribute::bool(CKA_SIGN, true)),
                CKR_TEMPLATE_INCONSISTENT,
            ),
            (
                "data's attribute on a key",
                with(aes(), Attribute::text(CKA_APPLICATION, "x")),
                CKR_TEMPLATE_INCONSISTENT,
            ),
            (
                "RSA's attribute on a secret key",
                with(aes(), Attribute::bytes(CKA_MODULUS, [1])),
                CKR_TEMPLATE_INCONSISTENT,
            ),
            ("locality", with(aes(), Attribute::bool(CKA_LOCAL, true)), CKR_ATTRIBUTE_READ_ONLY),
            (
                "history",
                with(aes(), Attribute::bool(CKA_ALWAYS_SENSITIVE, true)),
                CKR_ATTRIBUTE_READ_ONLY,
            ),
            (
                "more history",
                with(aes(), Attribute::bool(CKA_NEVER_EXTRACTABLE, true)),
                CKR_ATTRIBUTE_READ_ONLY,
            ),
            (
                "the mechanism it was made by",
                with(aes(), Attribute::ulong(CKA_KEY_GEN_MECHANISM, CKM_AES_KEY_GEN)),
                CKR_ATTRIBUTE_READ_ONLY,
            ),
            (
                "the identifier",
                with(aes(), Attribute::bytes(CKA_OUID, [1; 12])),
                CKR_ATTRIBUTE_READ_ONLY,
            ),
            (
                "trust",
                with(certificate(), Attribute::bool(CKA_TRUSTED, true)),
                CKR_ATTRIBUTE_READ_ONLY,
            ),
        ];
        for (case, template, code) in cases {
            refused_as(token.session.create_object(&template), code, &(kind, case));
        }
        assert!(token.session.find(&[]).unwrap().is_empty(), "{kind:?}: nothing was made");
    }
}

/// The same attribute twice, with one value or with two.
#[test]
fn an_attribute_twice() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for second in ["data", "other"] {
        let template = and(&data(), &[Attribute::label(second)]);
        let answer = session.create_object(&template).unwrap_err();
        assert!(
            answer.is(CKR_TEMPLATE_INCONSISTENT) || answer.is(CKR_ATTRIBUTE_VALUE_INVALID),
            "{answer}"
        );
    }
    let key = keys::generated_aes(session, &[]).unwrap();
    let twice = [Attribute::label("a"), Attribute::label("b")];
    refused_as(session.set_attributes(key, &twice), CKR_TEMPLATE_INCONSISTENT, &"set");
    refused_as(session.copy(key, &twice), CKR_TEMPLATE_INCONSISTENT, &"copied");
    let twice = [Attribute::ulong(CKA_VALUE_LEN, 16), Attribute::ulong(CKA_VALUE_LEN, 32)];
    let made = session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &twice);
    refused_as(made, CKR_TEMPLATE_INCONSISTENT, &"generated");
}

/// Booleans, numbers and dates that are too short, too long or out of range.
#[test]
fn values_of_another_form() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        for (case, attribute) in [
            ("an empty boolean", Attribute::bytes(CKA_PRIVATE, [])),
            ("a boolean of 8 bytes", Attribute::ulong(CKA_PRIVATE, 1)),
            ("a boolean of 4 bytes", Attribute::bytes(CKA_TOKEN, [1, 0, 0, 0])),
            ("a number of 4 bytes", Attribute::bytes(CKA_CLASS, [0; 4])),
            ("a number of 9 bytes", Attribute::bytes(CKA_CLASS, [0; 9])),
            ("an empty number", Attribute::bytes(CKA_CLASS, [])),
        ] {
            let mut template = without(&data(), attribute.kind());
            template.push(attribute);
            let made = session.create_object(&template);
            refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &(kind, case));
        }
        for date in [&b"2024"[..], b"20241301x", b"2024-1-1"] {
            let made = keys::generated_aes(session, &[Attribute::bytes(CKA_START_DATE, date)]);
            refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &date);
        }
        keys::generated_aes(session, &[Attribute::bytes(CKA_START_DATE, [])]).unwrap();
    }
}

#[test]
fn generated_keys() {
    let token = Token::up(Kind::Group);
    let mechanism = Mechanism::Plain(CKM_AES_KEY_GEN);
    let len = || Attribute::ulong(CKA_VALUE_LEN, 32);
    for (case, attribute, code) in [
        ("a value", Attribute::bytes(CKA_VALUE, [1; 32]), CKR_ATTRIBUTE_READ_ONLY),
        ("another class", Attribute::class(CKO_PUBLIC_KEY), CKR_TEMPLATE_INCONSISTENT),
        ("another type", Attribute::key_type(CKK_DES3), CKR_TEMPLATE_INCONSISTENT),
        ("RSA's attribute", Attribute::ulong(CKA_MODULUS_BITS, 2048), CKR_TEMPLATE_INCONSISTENT),
        ("an unknown attribute", Attribute::bytes(UNKNOWN, [1]), CKR_ATTRIBUTE_TYPE_INVALID),
        ("locality", Attribute::bool(CKA_LOCAL, false), CKR_ATTRIBUTE_READ_ONLY),
    ] {
        let made = token.session.generate_key(&mechanism, &[len(), attribute]);
        refused_as(made, code, &case);
    }
    assert!(token.session.find(&[]).unwrap().is_empty());
    let implied = [len(), Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_AES)];
    token.session.generate_key(&mechanism, &implied).unwrap();
}

/// Certificates as clients send them: with an empty subject, or with next to nothing.
#[test]
fn certificates_with_little_in_them() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let whole = and(
            &certificate(),
            &[
                Attribute::bytes(CKA_SUBJECT, []),
                Attribute::bytes(CKA_VALUE, [0x30, 0]),
                Attribute::token(true),
                Attribute::label("cert"),
            ],
        );
        let made = session.create_object(&whole).unwrap();
        assert_eq!(session.attribute(made, CKA_SUBJECT).unwrap().unwrap(), b"");
        assert_eq!(session.attribute(made, CKA_VALUE).unwrap().unwrap(), [0x30, 0]);
        assert_eq!(session.attribute(made, CKA_TRUSTED).unwrap().unwrap(), [0]);
        let token = token.restart();
        let found = token.session.find(&[Attribute::class(CKO_CERTIFICATE)]).unwrap();
        assert_eq!(found.len(), 1, "{kind:?}");
        let value = token.session.attribute(found[0], CKA_VALUE).unwrap();
        assert_eq!(value.unwrap(), [0x30, 0]);
    }
}

/// Data objects hold anything, nothing among it, and give it back.
#[test]
fn data_objects_hold_anything() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        for (case, value) in
            [("nothing", vec![]), ("a byte", vec![0]), ("more than a page", vec![0xa5; 20_000])]
        {
            let template = and(
                &data(),
                &[
                    Attribute::bytes(CKA_VALUE, value.clone()),
                    Attribute::text(CKA_APPLICATION, case),
                    Attribute::bytes(CKA_OBJECT_ID, hex_of(case)),
                    Attribute::token(true),
                ],
            );
            let object = session.create_object(&template).unwrap();
            assert_eq!(session.attribute(object, CKA_VALUE).unwrap().unwrap(), value, "{case}");
            assert!(session.object_size(object).unwrap() >= value.len() as CK_ULONG);
            let changed: Vec<u8> = value.iter().map(|byte| !byte).chain([7]).collect();
            let change = [Attribute::bytes(CKA_VALUE, changed.clone())];
            session.set_attributes(object, &change).unwrap();
            assert_eq!(session.attribute(object, CKA_VALUE).unwrap().unwrap(), changed, "{case}");
        }
    }
}

fn hex_of(text: &str) -> Vec<u8> {
    [&[6, text.len() as u8], text.as_bytes()].concat()
}
