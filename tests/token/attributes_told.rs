//! What C_GetAttributeValue tells, and what never leaves.
//!
//! PKCS#11 v2.40 section 5.7: every attribute is answered by itself, and the code is of one that failed.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Rv, Session};

use crate::keys::{self, and};
use crate::raw;
use crate::token::{Kind, Token};

const UNKNOWN: CK_ATTRIBUTE_TYPE = 0x8765_4321;
const NOT_TOLD: CK_ULONG = CK_UNAVAILABLE_INFORMATION;

fn labelled(session: &Session) -> ObjectHandle {
    keys::generated_aes(session, &[Attribute::label("label"), Attribute::bytes(CKA_ID, [1, 2, 3])])
        .unwrap()
}

/// All that can be had is there, whatever stands before and behind it.
#[test]
fn several_attributes_are_each_answered() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let key = labelled(&token.session);
        for (case, bad, code) in [
            ("sensitive", (CKA_VALUE, Some(32)), CKR_ATTRIBUTE_SENSITIVE),
            ("unknown", (UNKNOWN, Some(32)), CKR_ATTRIBUTE_TYPE_INVALID),
            ("another class's", (CKA_MODULUS, Some(256)), CKR_ATTRIBUTE_TYPE_INVALID),
            ("too short a buffer", (CKA_LABEL, Some(4)), CKR_BUFFER_TOO_SMALL),
        ] {
            for at in 0..3 {
                let mut asked = vec![(CKA_ID, Some(8)), (CKA_CLASS, Some(8))];
                asked.insert(at, bad);
                let (rv, mut answers) = raw::attributes(&token.session, key, &asked);
                assert_eq!(rv, Rv(code), "{kind:?} {case} at {at}");
                let (len, _) = answers.remove(at);
                assert_eq!(len, NOT_TOLD, "{kind:?} {case}");
                assert_eq!(answers[0], (3, vec![1, 2, 3, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5]));
                assert_eq!(answers[1], (8, CKO_SECRET_KEY.to_ne_bytes().to_vec()));
            }
        }
    }
}

#[test]
fn lengths_are_told_without_a_buffer() {
    let token = Token::up(Kind::Plain);
    let key = labelled(&token.session);
    let asked = [(CKA_LABEL, None), (CKA_VALUE, None), (CKA_ID, None), (CKA_START_DATE, None)];
    let (rv, answers) = raw::attributes(&token.session, key, &asked);
    assert_eq!(rv, Rv(CKR_ATTRIBUTE_SENSITIVE));
    let lengths: Vec<_> = answers.iter().map(|(len, _)| *len).collect();
    assert_eq!(lengths, [5, NOT_TOLD, 3, 0]);
    let (rv, answers) = raw::attributes(&token.session, key, &[(CKA_LABEL, Some(0))]);
    assert_eq!((rv, answers[0].0), (Rv(CKR_BUFFER_TOO_SMALL), NOT_TOLD));
    let (rv, answers) = raw::attributes(&token.session, key, &[(CKA_START_DATE, Some(0))]);
    assert_eq!((rv, answers[0].0), (Rv(CKR_OK), 0), "an empty value fits into nothing");
    let (rv, answers) = raw::attributes(&token.session, key, &[(CKA_LABEL, Some(5))]);
    assert_eq!((rv, &answers[0]), (Rv(CKR_OK), &(5, b"label".to_vec())));
    assert_eq!(raw::attributes(&token.session, key, &[]).0, Rv(CKR_OK), "nothing asked");
}

/// Templates a key does not impose: empty ones, but one byte on private keys, as a device was seen to answer.
#[test]
fn templates_that_were_never_given() {
    let token = Token::up(Kind::Plain);
    let secret = labelled(&token.session);
    let (public, private) = keys::ec(&token.session, keys::P256).unwrap();
    for (key, kind, len) in [
        (secret, CKA_WRAP_TEMPLATE, 0),
        (secret, CKA_UNWRAP_TEMPLATE, 0),
        (public, CKA_WRAP_TEMPLATE, 0),
        (private, CKA_UNWRAP_TEMPLATE, 1),
        (private, CKA_DERIVE_TEMPLATE, 1),
    ] {
        let (rv, answers) = raw::attributes(&token.session, key, &[(kind, None)]);
        assert_eq!((rv, answers[0].0), (Rv(CKR_OK), len), "{}", names::cka(kind));
    }
}

/// The same one twice, and a hundred of them.
#[test]
fn attributes_may_be_asked_for_again_and_again() {
    let token = Token::up(Kind::Group);
    let key = labelled(&token.session);
    let (rv, answers) = raw::attributes(&token.session, key, &[(CKA_LABEL, Some(5)); 100]);
    assert_eq!(rv, Rv(CKR_OK));
    assert!(answers.iter().all(|answer| answer == &(5, b"label".to_vec())));
}

const RSA_SECRETS: [CK_ATTRIBUTE_TYPE; 6] = [
    CKA_PRIVATE_EXPONENT,
    CKA_PRIME_1,
    CKA_PRIME_2,
    CKA_EXPONENT_1,
    CKA_EXPONENT_2,
    CKA_COEFFICIENT,
];

/// Sensitive or unextractable: each alone keeps a secret in; neither, and it is told.
#[test]
fn secrets_are_told_only_where_nothing_forbids_it() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let rsa = keys::rsa_private(crate::rsa_key::RSA_N, crate::rsa_key::RSA_D);
        let rsa = and(&rsa, &keys::rsa_primes());
        let generic = keys::secret(CKK_GENERIC_SECRET, &[7; 20]);
        for (sensitive, extractable) in [(true, true), (true, false), (false, false), (false, true)]
        {
            let flags = [
                Attribute::bool(CKA_SENSITIVE, sensitive),
                Attribute::bool(CKA_EXTRACTABLE, extractable),
            ];
            let told = !sensitive && extractable;
            let code = Rv(if told { CKR_OK } else { CKR_ATTRIBUTE_SENSITIVE });
            let key = session.create_object(&and(&generic, &flags)).unwrap();
            let (rv, answers) = raw::attributes(session, key, &[(CKA_VALUE, Some(20))]);
            assert_eq!(rv, code, "{kind:?} sensitive {sensitive}, extractable {extractable}");
            let wanted = if told { (20, vec![7; 20]) } else { (NOT_TOLD, vec![0xa5; 20]) };
            assert_eq!(answers[0], wanted, "nothing is written where nothing is told");
            let key = session.create_object(&and(&rsa, &flags)).unwrap();
            for secret in RSA_SECRETS {
                let (rv, answers) = raw::attributes(session, key, &[(secret, Some(256))]);
                assert_eq!(rv, code, "{kind:?} {}", names::cka(secret));
                assert_eq!(answers[0].0 == NOT_TOLD, !told);
            }
            let (rv, _) = raw::attributes(session, key, &[(CKA_MODULUS, Some(256))]);
            assert_eq!(rv, Rv(CKR_OK));
        }
    }
}

/// Nor does a search say whether a guess at a secret is right.
#[test]
fn secrets_are_not_searched_for() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let strict = [Attribute::bool(CKA_SENSITIVE, true), Attribute::token(true)];
        session.create_object(&and(&keys::secret(CKK_AES, &[7; 32]), &strict)).unwrap();
        assert!(session.find(&[Attribute::bytes(CKA_VALUE, [7; 32])]).unwrap().is_empty());
        let (_, private) = keys::ec(session, keys::P256).unwrap();
        let (rv, _) = raw::attributes(session, private, &[(CKA_VALUE, Some(32))]);
        assert_eq!(rv, Rv(CKR_ATTRIBUTE_SENSITIVE));
    }
}

/// A key told once is not told any more once it became sensitive, and its history says it was not always.
#[test]
fn a_key_made_sensitive_is_silent_from_then_on() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let loose = [
        Attribute::bool(CKA_SENSITIVE, false),
        Attribute::bool(CKA_EXTRACTABLE, true),
        Attribute::token(true),
    ];
    let key = session.create_object(&and(&keys::secret(CKK_AES, &[7; 32]), &loose)).unwrap();
    assert_eq!(session.attribute(key, CKA_VALUE).unwrap().unwrap(), [7; 32]);
    session.set_attributes(key, &[Attribute::bool(CKA_SENSITIVE, true)]).unwrap();
    assert_eq!(session.attribute(key, CKA_VALUE).unwrap(), None);
    let token = token.restart();
    let key = token.session.find(&[Attribute::class(CKO_SECRET_KEY)]).unwrap()[0];
    assert_eq!(token.session.attribute(key, CKA_VALUE).unwrap(), None);
    token.session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
}
