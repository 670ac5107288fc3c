//! Calls of an operation in a wrong order, and what ends one.
//!
//! PKCS#11 v2.40 sections 5.8 to 5.13: an error ends an operation; a length query and a short buffer do not,
//! and are shown in `operation_room`.

use luna_ck::*;
use luna_client::module::exact::{Input, Purpose, Room};
use luna_client::{Attribute, Mechanism, ObjectHandle, Rv, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::raw;
use crate::samples::Keys;
use crate::token::{Kind, Token, code, refused, refused_as};

/// The five operations, as a test drives them.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Encrypt,
    Decrypt,
    Digest,
    Sign,
    Verify,
}

use Operation::{Decrypt, Digest, Encrypt, Sign, Verify};

const OPERATIONS: [Operation; 5] = [Encrypt, Decrypt, Digest, Sign, Verify];
const NOT_BEGUN: Rv = Rv(CKR_OPERATION_NOT_INITIALIZED);
const BLOCKS: [u8; 32] = [0x11; 32];

impl Operation {
    fn init(self, session: &Session, keys: &Keys) -> Rv {
        let (cbc, mac) = (Mechanism::aes_cbc([5; 16]), Mechanism::Plain(CKM_SHA256_HMAC));
        code(match self {
            Encrypt => session.encrypt_init(&cbc, keys.aes),
            Decrypt => session.decrypt_init(&cbc, keys.aes),
            Digest => session.digest_init(&Mechanism::Plain(CKM_SHA256)),
            Sign => session.sign_init(&mac, keys.generic),
            Verify => session.verify_init(&mac, keys.generic),
        })
    }

    fn single(self, session: &Session) -> Rv {
        match self {
            Encrypt => raw::encrypt(session, &BLOCKS, Some(64)).rv,
            Decrypt => raw::decrypt(session, &BLOCKS, Some(64)).rv,
            Digest => raw::digest(session, &BLOCKS, Some(64)).rv,
            Sign => raw::sign(session, &BLOCKS, Some(64)).rv,
            Verify => raw::verify(session, &BLOCKS, &[0; 32]),
        }
    }

    fn ask(self, session: &Session) -> Rv {
        match self {
            Encrypt => raw::encrypt(session, &BLOCKS, None).rv,
            Decrypt => raw::decrypt(session, &BLOCKS, None).rv,
            Digest => raw::digest(session, &BLOCKS, None).rv,
            Sign => raw::sign(session, &BLOCKS, None).rv,
            Verify => Rv(CKR_OK),
        }
    }

    fn update(self, session: &Session, part: &[u8]) -> Rv {
        code(match self {
            Encrypt => session.encrypt_update(part).map(drop),
            Decrypt => session.decrypt_update(part).map(drop),
            Digest => session.digest_update(part),
            Sign => session.sign_update(part),
            Verify => session.verify_update(part),
        })
    }

    fn last(self, session: &Session) -> Rv {
        match self {
            Encrypt => raw::encrypt_final(session, Some(64)).rv,
            Decrypt => raw::decrypt_final(session, Some(64)).rv,
            Digest => raw::digest_final(session, Some(64)).rv,
            Sign => raw::sign_final(session, Some(64)).rv,
            Verify => code(session.verify_final(&[0; 32])),
        }
    }

    /// What a wrong signature of zeros answers for Verify, and everything else when it went well.
    fn done(self) -> Rv {
        if matches!(self, Verify) { Rv(CKR_SIGNATURE_INVALID) } else { Rv(CKR_OK) }
    }
}

fn each(run: impl Fn(Operation, &Session, &Keys)) {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let keys = Keys::of(&token.session);
        for operation in OPERATIONS {
            run(operation, &token.session, &keys);
        }
    }
}

#[test]
fn nothing_runs_before_it_is_begun() {
    each(|operation, session, _| {
        assert_eq!(operation.single(session), NOT_BEGUN, "{operation:?}");
        assert_eq!(operation.update(session, &BLOCKS), NOT_BEGUN, "{operation:?} Update");
        assert_eq!(operation.last(session), NOT_BEGUN, "{operation:?} Final");
    });
}

#[test]
fn a_second_init_is_refused_and_the_first_goes_on() {
    each(|operation, session, keys| {
        assert_eq!(operation.init(session, keys), Rv(CKR_OK), "{operation:?}");
        assert_eq!(operation.init(session, keys), Rv(CKR_OPERATION_ACTIVE), "{operation:?}");
        assert_eq!(operation.update(session, &BLOCKS), Rv(CKR_OK), "{operation:?}");
        assert_eq!(operation.init(session, keys), Rv(CKR_OPERATION_ACTIVE), "{operation:?}");
        assert_eq!(operation.last(session), operation.done(), "{operation:?}");
    });
}

/// The codes modules answer with differ; that it is refused, and that this ends the operation, does not.
#[test]
fn a_whole_message_after_a_part_is_refused_and_ends_the_operation() {
    each(|operation, session, keys| {
        assert_eq!(operation.init(session, keys), Rv(CKR_OK));
        assert_eq!(operation.update(session, &BLOCKS), Rv(CKR_OK));
        let answer = operation.single(session);
        let refusals = [Rv(CKR_OPERATION_ACTIVE), NOT_BEGUN];
        assert!(refusals.contains(&answer), "{operation:?}: {answer:?}");
        assert_eq!(operation.last(session), NOT_BEGUN, "{operation:?}");
    });
}

/// A length query changes nothing, so parts may still follow.
#[test]
fn parts_after_a_length_query_are_taken() {
    each(|operation, session, keys| {
        assert_eq!(operation.init(session, keys), Rv(CKR_OK));
        assert_eq!(operation.ask(session), Rv(CKR_OK), "{operation:?}");
        assert_eq!(operation.update(session, &BLOCKS), Rv(CKR_OK), "{operation:?}");
        assert_eq!(operation.last(session), operation.done(), "{operation:?}");
    });
}

#[test]
fn a_whole_message_after_a_length_query_for_a_part_is_refused_or_right() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let keys = Keys::of(session);
    let cbc = Mechanism::aes_cbc([5; 16]);
    let whole = session.encrypt(&cbc, keys.aes, &BLOCKS).unwrap();
    session.encrypt_init(&cbc, keys.aes).unwrap();
    assert_eq!(raw::encrypt_update(session, &BLOCKS, None).rv, Rv(CKR_OK));
    let given = raw::encrypt(session, &BLOCKS, Some(64));
    if given.rv == Rv(CKR_OK) {
        assert_eq!(given.bytes, whole);
    }
    assert_eq!(Encrypt.last(session), NOT_BEGUN);
}

#[test]
fn every_end_ends() {
    each(|operation, session, keys| {
        assert_eq!(operation.init(session, keys), Rv(CKR_OK));
        assert_eq!(operation.single(session), operation.done());
        assert_eq!(operation.single(session), NOT_BEGUN, "{operation:?}");
        assert_eq!(operation.init(session, keys), Rv(CKR_OK));
        assert_eq!(operation.last(session), operation.done(), "{operation:?}: an empty message");
        assert_eq!(operation.last(session), NOT_BEGUN, "{operation:?}");
        assert_eq!(operation.update(session, &BLOCKS), NOT_BEGUN, "{operation:?}");
    });
}

/// Half a block can neither be encrypted nor decrypted.
#[test]
fn an_error_ends_a_cipher() {
    for (operation, error) in
        [(Encrypt, CKR_DATA_LEN_RANGE), (Decrypt, CKR_ENCRYPTED_DATA_LEN_RANGE)]
    {
        let token = Token::up(Kind::Plain);
        let session = &token.session;
        let keys = Keys::of(session);
        operation.init(session, &keys);
        let half = &BLOCKS[..8];
        let answer = match operation {
            Encrypt => raw::encrypt(session, half, Some(64)).rv,
            _ => raw::decrypt(session, half, Some(64)).rv,
        };
        assert_eq!(answer, Rv(error));
        assert_eq!(operation.single(session), NOT_BEGUN);
        operation.init(session, &keys);
        assert_eq!(operation.update(session, half), Rv(CKR_OK));
        assert_eq!(operation.last(session), Rv(error));
        assert_eq!(operation.last(session), NOT_BEGUN);
        assert_eq!(operation.init(session, &keys), Rv(CKR_OK), "it can be begun again");
    }
}

#[test]
fn an_error_ends_a_signature() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let keys = Keys::of(session);
    session.sign_init(&Mechanism::Plain(CKM_RSA_PKCS), keys.rsa.1).unwrap();
    assert_eq!(raw::sign(session, &[1; 246], Some(256)).rv, Rv(CKR_DATA_LEN_RANGE));
    assert_eq!(raw::sign(session, &[1; 20], Some(256)).rv, NOT_BEGUN);
    let pss = Mechanism::rsa_pss(CKM_SHA256).unwrap();
    session.verify_init(&pss, keys.rsa.0).unwrap();
    session.verify_update(&[1; 31]).unwrap();
    refused(session.verify_final(&[0; 256]), CKR_DATA_LEN_RANGE);
    refused(session.verify_final(&[0; 256]), CKR_OPERATION_NOT_INITIALIZED);
}

/// One session's operations are no other's; each kind runs beside the others.
#[test]
fn sessions_and_kinds_do_not_meet() {
    let token = Token::up(Kind::Group);
    let keys = Keys::of(&token.session);
    let other = token.open();
    for operation in OPERATIONS {
        assert_eq!(operation.init(&token.session, &keys), Rv(CKR_OK), "{operation:?}");
        assert_eq!(operation.single(&other), NOT_BEGUN, "{operation:?}");
        assert_eq!(operation.init(&other, &keys), Rv(CKR_OK), "{operation:?}");
    }
    for operation in OPERATIONS {
        assert_eq!(operation.update(&token.session, &BLOCKS), Rv(CKR_OK), "{operation:?}");
    }
    for operation in OPERATIONS {
        assert_eq!(operation.last(&token.session), operation.done(), "{operation:?}");
        assert_eq!(operation.single(&other), operation.done(), "{operation:?}");
    }
}

/// A private key is nobody's after a logout, whether its operation had begun or not, and in whichever session.
#[test]
fn a_logout_ends_what_a_private_key_was_doing() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let other = token.open();
        let key = crate::keys::generated_aes(&token.session, &[Attribute::token(true)]).unwrap();
        let cbc = Mechanism::aes_cbc_pad([0; 16]);
        for (session, whose) in [(&token.session, "its own"), (&other, "another")] {
            for in_parts in [false, true] {
                let case = format!("{kind:?}, {whose} session, in parts {in_parts}");
                session.encrypt_init(&cbc, key).unwrap();
                if in_parts {
                    session.encrypt_update(&BLOCKS).unwrap();
                }
                token.session.logout().unwrap();
                let answer = if in_parts {
                    raw::encrypt_final(session, Some(64)).rv
                } else {
                    raw::encrypt(session, &BLOCKS, Some(64)).rv
                };
                assert_ne!(answer, Rv(CKR_OK), "{case}: used after the logout");
                token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
                assert_eq!(code(session.encrypt_init(&cbc, key)), Rv(CKR_OK), "{case}: begun anew");
                session.encrypt_final().unwrap();
            }
        }
    }
}

#[test]
fn a_digest_takes_keys_in() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let keys = Keys::of(session);
        let sha = Mechanism::Plain(CKM_SHA256);
        let by_value = session.digest(&sha, &[&b"salt"[..], &[0x43; 48]].concat()).unwrap();
        session.digest_init(&sha).unwrap();
        session.digest_update(b"salt").unwrap();
        session.digest_key(keys.generic).unwrap();
        assert_eq!(session.digest_final().unwrap(), by_value, "{kind:?}");
        refused(session.digest_key(keys.generic), CKR_OPERATION_NOT_INITIALIZED);
        for (key, error) in [
            (keys.rsa.1, CKR_KEY_INDIGESTIBLE),
            (keys.ec.0, CKR_KEY_INDIGESTIBLE),
            (ObjectHandle(0), CKR_KEY_HANDLE_INVALID),
        ] {
            session.digest_init(&sha).unwrap();
            refused_as(session.digest_key(key), error, &kind);
            assert_eq!(Digest.last(session), NOT_BEGUN, "the error ended it");
        }
    }
}

#[test]
fn searches_are_begun_once_and_ended_once() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        assert_eq!(raw::find_next(session, 4).0, NOT_BEGUN);
        assert_eq!(raw::find_final(session), NOT_BEGUN);
        assert_eq!(raw::find_init(session, &[]), Rv(CKR_OK));
        assert_eq!(raw::find_init(session, &[]), Rv(CKR_OPERATION_ACTIVE));
        assert_eq!(raw::find_next(session, 4), (Rv(CKR_OK), vec![]));
        assert_eq!(raw::find_final(session), Rv(CKR_OK));
        assert_eq!(raw::find_final(session), NOT_BEGUN);
    }
}

/// A session that is none is named before anything else that is wrong: PKCS#11 v2.40 section 5.1.7.
#[test]
fn a_wrong_session_is_named_before_a_wrong_argument() {
    let token = Token::up(Kind::Plain);
    let module = token.context.module();
    let raw = module.raw();
    let exact = raw.exact();
    let closed = token.open();
    let handle = closed.handle().0;
    closed.close().unwrap();
    let null = Input::Null(16);
    for session in [0, handle] {
        for purpose in [Purpose::Encrypt, Purpose::Decrypt, Purpose::Digest, Purpose::Sign] {
            let answer = exact.single(purpose, session, &null, Room::NoLength).unwrap().rv;
            assert_eq!(Rv(answer), Rv(CKR_SESSION_HANDLE_INVALID), "{purpose:?}");
        }
        let answer = exact.absorb(Purpose::Verify, session, &null).unwrap();
        assert_eq!(Rv(answer), Rv(CKR_SESSION_HANDLE_INVALID));
        let long = [Attribute::bytes(CKA_TOKEN, [1; 8])];
        let (answer, _) = exact.create(session, &long).unwrap();
        assert_eq!(Rv(answer), Rv(CKR_SESSION_HANDLE_INVALID));
    }
}

/// An operation whose key is destroyed before its message says so of the key, on a group too.
#[test]
fn an_operation_outlives_its_key_by_no_message() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        for in_parts in [false, true] {
            let key = crate::keys::generated_aes(session, &[]).unwrap();
            session.encrypt_init(&Mechanism::aes_cbc([0; 16]), key).unwrap();
            session.destroy(key).unwrap();
            let answer = if in_parts {
                code(session.encrypt_update(&BLOCKS))
            } else {
                raw::encrypt(session, &BLOCKS, Some(64)).rv
            };
            assert_eq!(answer, Rv(CKR_KEY_HANDLE_INVALID), "{kind:?}, in parts {in_parts}");
            assert_eq!(Encrypt.last(session), NOT_BEGUN);
        }
    }
}
