//! What a key asks of each use: the PIN once more, and a day in its time.
//!
//! Source: PKCS#11 v2.40 section 4.9 (`CKA_ALWAYS_AUTHENTICATE`) and `C_Login`; partition policy 39 as the
//! vendor names it, its code Assumed.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Pin, Result, Rv, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys::{self, and, on};
use crate::raw;
use crate::token::{CRYPTO_USER, Kind, Token, hex, refused, refused_as};

fn ecdsa() -> Mechanism {
    Mechanism::Plain(CKM_ECDSA_SHA256)
}

fn pin(session: &Session, pin: &str) -> Result<()> {
    session.login(UserType::CONTEXT_SPECIFIC, &Pin::from(pin))
}

/// The bytes of a call that ends its operation.
#[track_caller]
fn one_shot(given: raw::Given) -> Vec<u8> {
    assert_eq!(given.rv, Rv(CKR_OK));
    given.bytes
}

/// A pair whose private half asks for the PIN at each use.
fn careful_pair(session: &Session) -> (ObjectHandle, ObjectHandle) {
    let public = and(&on(&[CKA_VERIFY]), &[Attribute::bytes(CKA_EC_PARAMS, hex(keys::P256))]);
    let private = on(&[CKA_SIGN, CKA_DERIVE, CKA_TOKEN, CKA_ALWAYS_AUTHENTICATE]);
    session.generate_key_pair(&Mechanism::Plain(CKM_EC_KEY_PAIR_GEN), &public, &private).unwrap()
}

#[test]
fn a_key_that_asks_for_the_pin_gets_it_for_each_use() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let (public, key) = careful_pair(session);
        refused_as(session.sign(&ecdsa(), key, b"text"), CKR_USER_NOT_LOGGED_IN, &kind);
        refused(pin(session, CRYPTO_OFFICER), CKR_OPERATION_NOT_INITIALIZED);
        session.sign_init(&ecdsa(), key).unwrap();
        pin(session, CRYPTO_OFFICER).unwrap();
        refused(pin(session, CRYPTO_OFFICER), CKR_OPERATION_NOT_INITIALIZED);
        let signature = one_shot(raw::sign(session, b"text", Some(200)));
        session.verify(&ecdsa(), public, b"text", &signature).unwrap();
        // It served that one.
        refused(session.sign(&ecdsa(), key, b"text"), CKR_USER_NOT_LOGGED_IN);
        // In parts, and not to begin with.
        session.sign_init(&ecdsa(), key).unwrap();
        pin(session, CRYPTO_OFFICER).unwrap();
        session.sign_update(b"te").unwrap();
        session.sign_update(b"xt").unwrap();
        let signature = session.sign_final().unwrap();
        session.verify(&ecdsa(), public, b"text", &signature).unwrap();
        session.sign_init(&ecdsa(), key).unwrap();
        refused(session.sign_update(b"te"), CKR_USER_NOT_LOGGED_IN);
        refused(session.sign_final(), CKR_OPERATION_NOT_INITIALIZED);
    }
}

/// The session's operations are its own, and a PIN is for the one that was initialised last.
#[test]
fn a_pin_serves_one_operation_of_one_session() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (_, key) = careful_pair(session);
    let private = and(
        &and(&keys::rsa_private(crate::rsa_key::RSA_N, crate::rsa_key::RSA_D), &keys::rsa_primes()),
        &on(&[CKA_ALWAYS_AUTHENTICATE]),
    );
    let rsa = session.create_object(&private).unwrap();
    let public = session.create_object(&keys::rsa_public(crate::rsa_key::RSA_N)).unwrap();
    let pkcs = Mechanism::Plain(CKM_RSA_PKCS);
    let sealed = session.encrypt(&pkcs, public, b"text").unwrap();
    session.sign_init(&ecdsa(), key).unwrap();
    session.decrypt_init(&pkcs, rsa).unwrap();
    let other = token.open();
    refused(pin(&other, CRYPTO_OFFICER), CKR_OPERATION_NOT_INITIALIZED);
    pin(session, CRYPTO_OFFICER).unwrap();
    refused(session.sign_update(b"text"), CKR_USER_NOT_LOGGED_IN);
    assert_eq!(one_shot(raw::decrypt(session, &sealed, Some(256))), b"text");
    // Deriving has no moment for it.
    let peer = session.attribute(careful_pair(session).0, CKA_EC_POINT).unwrap().unwrap();
    let ecdh = Mechanism::Ecdh1 {
        mechanism: CKM_ECDH1_DERIVE,
        kdf: CKD_NULL,
        shared: Vec::new(),
        public: peer,
    };
    refused(session.derive(&ecdh, key, &[]), CKR_USER_NOT_LOGGED_IN);
    // Nobody asks for it where the key does not.
    session.sign_init(&ecdsa(), keys::ec(session, keys::P256).unwrap().1).unwrap();
    refused(pin(session, CRYPTO_OFFICER), CKR_OPERATION_NOT_INITIALIZED);
    session.sign_update(b"text").unwrap();
}

/// Wrong ones count against the role, and the operation waits; once too often and the role is out.
#[test]
fn a_wrong_pin_at_use_counts() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (_, key) = careful_pair(session);
    let left = || {
        let state = token.context.role_state(token.slot, UserType::CRYPTO_OFFICER).unwrap();
        state.login_attempts_left
    };
    session.sign_init(&ecdsa(), key).unwrap();
    refused(pin(session, "wrong-one"), CKR_PIN_INCORRECT);
    refused(pin(session, "wrong-one"), CKR_PIN_INCORRECT);
    assert_eq!(left(), 8);
    pin(session, CRYPTO_OFFICER).unwrap();
    assert_eq!(left(), 10);
    one_shot(raw::sign(session, b"text", Some(200)));
    session.sign_init(&ecdsa(), key).unwrap();
    for _ in 0..10 {
        refused(pin(session, "wrong-one"), CKR_PIN_INCORRECT);
    }
    refused(pin(session, CRYPTO_OFFICER), CKR_PIN_LOCKED);
    let state = session.info().unwrap().state;
    assert_eq!(state, CKS_RW_PUBLIC_SESSION, "a locked role is logged out");
    refused(session.sign_final(), CKR_OPERATION_NOT_INITIALIZED);
}

/// The PIN is that of the role that is logged in.
#[test]
fn the_crypto_user_gives_his_own_pin() {
    let token = Token::up(Kind::Plain);
    let (_, key) = careful_pair(&token.session);
    token.change_role(UserType::CRYPTO_USER, CRYPTO_USER);
    token.session.sign_init(&ecdsa(), key).unwrap();
    refused(pin(&token.session, CRYPTO_OFFICER), CKR_PIN_INCORRECT);
    pin(&token.session, CRYPTO_USER).unwrap();
    one_shot(raw::sign(&token.session, b"text", Some(200)));
}

#[test]
fn only_private_objects_ask_for_a_pin() {
    let token = Token::up(Kind::Plain);
    let public = [Attribute::bytes(CKA_EC_PARAMS, hex(keys::P256))];
    let private = [Attribute::private(false), Attribute::bool(CKA_ALWAYS_AUTHENTICATE, true)];
    let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
    let made = token.session.generate_key_pair(&mechanism, &public, &private);
    refused(made, CKR_TEMPLATE_INCONSISTENT);
    let (_, key) = careful_pair(&token.session);
    let off = [Attribute::bool(CKA_ALWAYS_AUTHENTICATE, false)];
    refused(token.session.set_attributes(key, &off), CKR_ATTRIBUTE_READ_ONLY);
    refused(token.session.copy(key, &off), CKR_ATTRIBUTE_READ_ONLY);
}

fn dated(session: &Session, start: &str, end: &str) -> ObjectHandle {
    let dates = [
        Attribute::bytes(CKA_START_DATE, start.as_bytes()),
        Attribute::bytes(CKA_END_DATE, end.as_bytes()),
    ];
    keys::generated_aes(session, &dates).unwrap()
}

const DATES: &[(&str, &str, bool)] = &[
    ("", "", true),
    ("20000101", "", true),
    ("", "99991231", true),
    ("20000101", "99991231", true),
    ("99991231", "", false),
    ("", "20000101", false),
    ("19990101", "20000101", false),
];

/// Policy 39 off: dates are for people. On: the key is used in its time alone, whatever the use.
#[test]
fn dates_act_where_the_partition_says_so() {
    for (policy, acts) in [("39=0", false), ("39=1", true)] {
        let token = Token::nobody(&["--policy", policy]);
        token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
        let session = &token.session;
        let cbc = Mechanism::aes_cbc([0; 16]);
        for (start, end, in_time) in DATES {
            let key = dated(session, start, end);
            let other = keys::aes_extractable(session, &[9; 32]);
            let derivation = Mechanism::Plain(CKM_SHA256_KEY_DERIVATION);
            let uses = [
                session.encrypt(&cbc, key, &[0; 16]).map(drop),
                session.decrypt(&cbc, key, &[0; 16]).map(drop),
                session.sign(&Mechanism::Plain(CKM_AES_CMAC), key, b"text").map(drop),
                session.wrap(&Mechanism::Plain(CKM_AES_KW), key, other).map(drop),
                session.derive(&derivation, key, &[]).map(drop),
            ];
            for (at, used) in uses.into_iter().enumerate() {
                let case = (policy, start, end, at);
                if acts && !in_time {
                    refused_as(used, CKR_KEY_NOT_ACTIVE, &case);
                } else {
                    used.unwrap_or_else(|error| panic!("{case:?}: {error}"));
                }
            }
        }
    }
}
