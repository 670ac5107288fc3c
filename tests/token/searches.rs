//! Searches: by every attribute, by several, in small bites, and while objects come and go.

use luna_ck::*;
use luna_client::{Attribute, ObjectHandle, Rv, Session};

use crate::keys::{self, and};
use crate::raw;
use crate::token::{Kind, Token};

#[track_caller]
fn found(session: &Session, wanted: &[Attribute]) -> Vec<ObjectHandle> {
    let mut found = session.find(wanted).unwrap();
    found.sort();
    let mut once = found.clone();
    once.dedup();
    assert_eq!(once, found, "an object twice");
    found
}

/// One of each class; the names are in their labels.
fn zoo(session: &Session, on_token: bool) -> Vec<ObjectHandle> {
    let own = |label: &str| {
        vec![Attribute::token(on_token), Attribute::label(label), Attribute::bytes(CKA_ID, label)]
    };
    let data = [Attribute::class(CKO_DATA), Attribute::text(CKA_APPLICATION, "app")];
    let certificate = [
        Attribute::class(CKO_CERTIFICATE),
        Attribute::ulong(CKA_CERTIFICATE_TYPE, CKC_X_509),
        Attribute::bytes(CKA_SUBJECT, *b"subject"),
    ];
    // A data object has no CKA_ID.
    vec![
        session.create_object(&and(&data, &own("data")[..2])).unwrap(),
        session.create_object(&and(&certificate, &own("certificate"))).unwrap(),
        session.create_object(&and(&keys::secret(CKK_AES, &[1; 32]), &own("aes"))).unwrap(),
        session
            .create_object(&and(&keys::secret(CKK_GENERIC_SECRET, &[1; 20]), &own("generic")))
            .unwrap(),
        session.create_object(&and(&keys::rsa_public(crate::rsa_key::RSA_N), &own("rsa"))).unwrap(),
    ]
}

#[test]
fn by_every_attribute() {
    for kind in Kind::ALL {
        for on_token in [true, false] {
            let token = Token::up(kind);
            let session = &token.session;
            let zoo = zoo(session, on_token);
            let (data, certificate, aes, generic, rsa) = (zoo[0], zoo[1], zoo[2], zoo[3], zoo[4]);
            let modulus = crate::token::hex(crate::rsa_key::RSA_N);
            for (wanted, there) in [
                (vec![], &zoo[..]),
                (vec![Attribute::class(CKO_SECRET_KEY)], &[aes, generic]),
                (vec![Attribute::class(CKO_DATA)], &[data]),
                (vec![Attribute::class(CKO_PRIVATE_KEY)], &[]),
                (vec![Attribute::key_type(CKK_AES)], &[aes]),
                (vec![Attribute::key_type(CKK_RSA)], &[rsa]),
                (vec![Attribute::label("certificate")], &[certificate]),
                (vec![Attribute::label("certificat")], &[]),
                (vec![Attribute::label("Certificate")], &[]),
                (vec![Attribute::label("")], &[]),
                (vec![Attribute::bytes(CKA_ID, *b"generic")], &[generic]),
                (vec![Attribute::bytes(CKA_ID, [])], &[]),
                (vec![Attribute::text(CKA_APPLICATION, "app")], &[data]),
                (vec![Attribute::token(on_token)], &zoo),
                (vec![Attribute::token(!on_token)], &[]),
                (vec![Attribute::private(true)], &[data, aes, generic]),
                (vec![Attribute::private(false)], &[certificate, rsa]),
                (vec![Attribute::bool(CKA_SIGN, true)], &[aes, generic]),
                (vec![Attribute::bool(CKA_VERIFY, true)], &[aes, generic, rsa]),
                (vec![Attribute::ulong(CKA_VALUE_LEN, 20)], &[generic]),
                (vec![Attribute::bytes(CKA_SUBJECT, *b"subject")], &[certificate]),
                (vec![Attribute::bytes(CKA_MODULUS, modulus)], &[rsa]),
                (vec![Attribute::ulong(CKA_MODULUS_BITS, 2048)], &[rsa]),
                (vec![Attribute::bool(CKA_LOCAL, true)], &[]),
                (vec![Attribute::class(CKO_SECRET_KEY), Attribute::label("aes")], &[aes]),
                (vec![Attribute::label("aes"), Attribute::class(CKO_DATA)], &[]),
                (
                    vec![
                        Attribute::token(on_token),
                        Attribute::class(CKO_SECRET_KEY),
                        Attribute::key_type(CKK_GENERIC_SECRET),
                        Attribute::bool(CKA_SIGN, true),
                        Attribute::bytes(CKA_ID, *b"generic"),
                    ],
                    &[generic],
                ),
            ] {
                let mut there = there.to_vec();
                there.sort();
                assert_eq!(found(session, &wanted), there, "{kind:?} {on_token}: {wanted:?}");
            }
        }
    }
}

/// Nobody has such an attribute: nothing is found, or the call says why.
#[test]
fn by_an_attribute_nobody_has() {
    let token = Token::up(Kind::Plain);
    zoo(&token.session, true);
    match token.session.find(&[Attribute::bytes(0x8765_4321, [1])]) {
        Ok(found) => assert!(found.is_empty()),
        Err(error) => assert!(error.is(CKR_ATTRIBUTE_TYPE_INVALID), "{error}"),
    }
    assert_eq!(token.session.find(&[]).unwrap().len(), 5, "and the session searches on");
}

/// A number of four bytes, a boolean of eight: nothing matches, or the call says why. Never cut to fit.
#[test]
fn by_values_of_another_form() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        zoo(&token.session, true);
        for wanted in [
            Attribute::bytes(CKA_CLASS, [0; 4]),
            Attribute::bytes(CKA_KEY_TYPE, []),
            Attribute::bytes(CKA_TOKEN, [1; 8]),
            Attribute::bytes(CKA_SIGN, [1; 8]),
        ] {
            match token.session.find(std::slice::from_ref(&wanted)) {
                Ok(found) => assert!(found.is_empty(), "{kind:?} {wanted:?}"),
                Err(error) => assert!(error.is(CKR_ATTRIBUTE_VALUE_INVALID), "{wanted:?}: {error}"),
            }
        }
        assert_eq!(token.session.find(&[]).unwrap().len(), 5, "and the session searches on");
    }
}

/// Labels are bytes, not text.
#[test]
fn labels_of_all_kinds() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let labels: [&[u8]; 8] = [
            b"",
            b"\0",
            b"a\0b",
            b"a",
            "Schl\u{fc}ssel \u{1f511}".as_bytes(),
            &[0xff, 0xfe],
            b"'; DROP TABLE object; --",
            &[b'%'; 1000],
        ];
        let with = |label: &[u8]| Attribute::bytes(CKA_LABEL, label);
        for label in labels {
            keys::generated_aes(session, &[with(label), Attribute::token(true)]).unwrap();
        }
        for label in labels {
            let found = found(session, &[with(label)]);
            assert_eq!(found.len(), 1, "{kind:?} {label:?}");
            assert_eq!(session.attribute(found[0], CKA_LABEL).unwrap().unwrap(), label);
        }
        for label in [&b"%"[..], b"a%", b"_", b"b"] {
            assert!(found(session, &[with(label)]).is_empty(), "{label:?}");
        }
    }
}

/// More objects than any call asks for at once, with and without an attribute of their own.
#[test]
fn in_bites_of_any_size() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let template = [Attribute::class(CKO_DATA), Attribute::label("one of many")];
    let all: Vec<_> = (0..40)
        .map(|n| {
            let own = [Attribute::token(n % 2 == 0), Attribute::bytes(CKA_OBJECT_ID, [n])];
            session.create_object(&and(&template, &own)).unwrap().0
        })
        .collect();
    for most in [1, 3, 39, 40, 41, 1000] {
        assert_eq!(raw::find_init(session, &template), Rv(CKR_OK));
        let mut found = Vec::new();
        loop {
            let (rv, some) = raw::find_next(session, most);
            assert_eq!(rv, Rv(CKR_OK));
            assert!(some.len() <= most);
            if some.is_empty() {
                break;
            }
            found.extend(some);
        }
        assert_eq!(raw::find_next(session, most), (Rv(CKR_OK), vec![]), "and none after the last");
        assert_eq!(raw::find_final(session), Rv(CKR_OK));
        found.sort_unstable();
        let mut all = all.clone();
        all.sort_unstable();
        assert_eq!(found, all, "{most} at once");
    }
}

/// Objects that come and go meanwhile are found or not; the others are found once.
#[test]
fn while_objects_come_and_go() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let other = token.open();
        let template = [Attribute::class(CKO_DATA), Attribute::token(true)];
        let make = || session.create_object(&template).unwrap();
        let before: Vec<_> = (0..6).map(|_| make()).collect();
        assert_eq!(raw::find_init(session, &template), Rv(CKR_OK));
        let (_, first) = raw::find_next(session, 2);
        assert_eq!(first.len(), 2);
        other.destroy(before[5]).unwrap();
        let late = other.create_object(&template).unwrap();
        let (rv, rest) = raw::find_next(session, 100);
        assert_eq!((rv, raw::find_final(session)), (Rv(CKR_OK), Rv(CKR_OK)));
        let seen = [first, rest].concat();
        for object in &before[..5] {
            assert_eq!(seen.iter().filter(|one| **one == object.0).count(), 1, "{kind:?}");
        }
        assert_eq!(other.find(&template).unwrap().len(), 6);
        other.destroy(late).unwrap();
    }
}

/// A search found nothing; then there is something, and the same search finds it.
#[test]
fn an_old_answer_is_not_given_again() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let wanted = [Attribute::label("later")];
        for _ in 0..3 {
            assert!(session.find(&wanted).unwrap().is_empty());
        }
        let key = keys::generated_aes(session, &and(&wanted, &[Attribute::token(true)])).unwrap();
        for _ in 0..3 {
            assert_eq!(session.find(&wanted).unwrap(), [key], "{kind:?}");
        }
        session.destroy(key).unwrap();
        assert!(session.find(&wanted).unwrap().is_empty(), "{kind:?}");
    }
}
