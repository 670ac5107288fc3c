//! Operations: which calls follow which.

use luna_client::ck::*;
use luna_client::module::exact::{Input, Purpose, Room};
use luna_client::module::words::{SIGNATURES, Word};
use luna_client::{Mechanism, Session};

use super::arguments::good;
use crate::check::{Finding, Mark, Needs, Outcome, Registry, Row, Source, answers, ensure, same};
use crate::keys::Family;
use crate::stage::Stage;

/// Functions that go on with an operation, and what begins it.
const GO_ON: &[&str] = &[
    "C_Encrypt",
    "C_EncryptUpdate",
    "C_EncryptFinal",
    "C_Decrypt",
    "C_DecryptUpdate",
    "C_DecryptFinal",
    "C_Digest",
    "C_DigestUpdate",
    "C_DigestFinal",
    "C_Sign",
    "C_SignUpdate",
    "C_SignFinal",
    "C_Verify",
    "C_VerifyUpdate",
    "C_VerifyFinal",
    "C_SignRecover",
    "C_VerifyRecover",
    "C_DigestKey",
    "C_DigestEncryptUpdate",
    "C_DecryptDigestUpdate",
    "C_SignEncryptUpdate",
    "C_DecryptVerifyUpdate",
];

const DUAL: &[&str] = &[
    "C_DigestEncryptUpdate",
    "C_DecryptDigestUpdate",
    "C_SignEncryptUpdate",
    "C_DecryptVerifyUpdate",
    "C_SignRecover",
    "C_VerifyRecover",
    "C_DigestKey",
];

const ROWS: &[Row] = &[
    Row {
        id: "kinds.beside",
        title: "a digest and a search go on beside an encryption",
        source: (Mark::Standard, "section 5.6 (one operation of a kind in a session)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_ECB, CKM_SHA256]),
        run: |stage| {
            let (session, handle) = begun(stage)?;
            let digest = session.digest(&Mechanism::Plain(CKM_SHA256), b"abc")?;
            same("the digest's length", &32, &digest.len())?;
            session.find(&[luna_client::Attribute::label("luna-harness nothing")])?;
            let left = stage.exact().single(
                Purpose::Encrypt,
                handle,
                &Input::Bytes(vec![1; 16]),
                Room::Bytes(16),
            )?;
            answers("C_Encrypt after all that", left.rv, &[CKR_OK])
        },
    },
    Row {
        id: "sessions.apart",
        title: "an operation is its session's own",
        source: (Mark::Standard, "section 2 (sessions); section 5.8"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_ECB]),
        run: |stage| {
            let (_session, _) = begun(stage)?;
            let other = stage.session()?;
            let input = Input::Bytes(vec![1; 16]);
            let left = stage.exact().single(
                Purpose::Encrypt,
                other.handle().0,
                &input,
                Room::Bytes(16),
            )?;
            answers("C_Encrypt in another session", left.rv, &[CKR_OPERATION_NOT_INITIALIZED])
        },
    },
    Row {
        id: "close.ends",
        title: "an operation ends with its session",
        source: (Mark::Standard, "section 5.6 (C_CloseSession)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_ECB]),
        run: |stage| {
            let (session, handle) = begun(stage)?;
            session.close()?;
            let input = Input::Bytes(vec![1; 16]);
            let left = stage.exact().single(Purpose::Encrypt, handle, &input, Room::Bytes(16))?;
            let codes = [CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED];
            answers("C_Encrypt in a closed session", left.rv, &codes)
        },
    },
    Row {
        id: "logout.ends",
        title: "a logout ends an operation with a private key",
        source: (Mark::Standard, "section 5.6 (C_Logout)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_ECB]),
        run: |stage| {
            let (session, handle) = begun(stage)?;
            session.logout()?;
            let input = Input::Bytes(vec![1; 16]);
            let left = stage.exact().single(Purpose::Encrypt, handle, &input, Room::Bytes(16))?;
            ensure(left.rv != CKR_OK, "a refusal", "CKR_OK: the key was used after the logout")
        },
    },
    Row {
        id: "failure.ends",
        title: "a failure ends the operation",
        source: (Mark::Standard, "section 5.8 (C_Encrypt)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_ECB]),
        run: |stage| {
            let (_session, handle) = begun(stage)?;
            let encrypt = |len: usize| {
                let input = Input::Bytes(vec![1; len]);
                stage.exact().single(Purpose::Encrypt, handle, &input, Room::Bytes(64))
            };
            answers("C_Encrypt of 15 bytes", encrypt(15)?.rv, &[CKR_DATA_LEN_RANGE])?;
            let codes = [CKR_OPERATION_NOT_INITIALIZED];
            answers("C_Encrypt after the failure", encrypt(16)?.rv, &codes)
        },
    },
    Row {
        id: "final.broken-block",
        title: "a message in parts that ends within a block is refused at its end, and ends",
        source: (Mark::Standard, "section 5.8 (C_EncryptFinal), CKR_DATA_LEN_RANGE"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_ECB]),
        run: |stage| {
            let (_session, handle) = begun(stage)?;
            let (exact, input) = (stage.exact(), Input::Bytes(vec![1; 17]));
            let left = exact.update(Purpose::Encrypt, handle, &input, Room::Bytes(64))?;
            answers("C_EncryptUpdate of 17 bytes", left.rv, &[CKR_OK])?;
            let left = exact.finish(Purpose::Encrypt, handle, Room::Bytes(64))?;
            answers("C_EncryptFinal", left.rv, &[CKR_DATA_LEN_RANGE])?;
            let left = exact.finish(Purpose::Encrypt, handle, Room::Bytes(64))?;
            answers("C_EncryptFinal again", left.rv, &[CKR_OPERATION_NOT_INITIALIZED])
        },
    },
    Row {
        id: "final.ask",
        title: "a question for the length of the end ends nothing",
        source: (Mark::Standard, super::output::CLAUSE),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_CBC_PAD]),
        run: |stage| {
            let key = stage.key(Family::Aes)?.public.0;
            let session = stage.session()?;
            let (exact, handle) = (stage.exact(), session.handle().0);
            let mechanism = Mechanism::aes_cbc_pad([7; 16]);
            answers(
                "C_EncryptInit",
                exact.init(Purpose::Encrypt, handle, &mechanism, key)?,
                &[CKR_OK],
            )?;
            let input = Input::Bytes(vec![1; 5]);
            let left = exact.update(Purpose::Encrypt, handle, &input, Room::Bytes(64))?;
            answers("C_EncryptUpdate", left.rv, &[CKR_OK])?;
            let asked = exact.finish(Purpose::Encrypt, handle, Room::Ask)?;
            answers("C_EncryptFinal with no buffer", asked.rv, &[CKR_OK])?;
            ensure(asked.len >= 16, "a length of 16 or more", format!("{}", asked.len))?;
            let short = exact.finish(Purpose::Encrypt, handle, Room::Bytes(15))?;
            answers("C_EncryptFinal with a byte too few", short.rv, &[CKR_BUFFER_TOO_SMALL])?;
            let left = exact.finish(Purpose::Encrypt, handle, Room::Bytes(16))?;
            answers("C_EncryptFinal", left.rv, &[CKR_OK])?;
            same("the length of the end", &16, &left.len)
        },
    },
    Row {
        id: "state.save",
        title: "the state of a digest is saved and goes on in another session",
        source: (Mark::Standard, "section 5.6 (C_GetOperationState, C_SetOperationState)"),
        needs: || Needs::officer().mechanisms(&[CKM_SHA256]),
        run: |stage| {
            let (one, other) = (stage.session()?, stage.session()?);
            one.digest_init(&Mechanism::Plain(CKM_SHA256))?;
            one.digest_update(b"a")?;
            let state = match one.operation_state() {
                Ok(state) => state,
                Err(error)
                    if error.is(CKR_STATE_UNSAVEABLE) || error.is(CKR_FUNCTION_NOT_SUPPORTED) =>
                {
                    return Err(Finding::not_applicable("the module does not save it"));
                }
                Err(error) => return Err(error.into()),
            };
            other.set_operation_state(&state, None, None)?;
            other.digest_update(b"bc")?;
            let expected = crate::software::hash("sha256", b"abc").unwrap_or_default();
            same("the digest", &expected, &other.digest_final()?)
        },
    },
    Row {
        id: "state.garbage",
        title: "a state that is none is refused",
        source: (Mark::Standard, "section 5.6 (C_SetOperationState), CKR_SAVED_STATE_INVALID"),
        needs: Needs::officer,
        run: |stage| {
            let seen = stage.session()?.set_operation_state(&[7; 40], None, None);
            crate::check::refused(
                "C_SetOperationState",
                seen,
                &[CKR_SAVED_STATE_INVALID, CKR_FUNCTION_NOT_SUPPORTED],
            )
        },
    },
    Row {
        id: "state.none",
        title: "without an operation there is no state to save",
        source: (
            Mark::Standard,
            "section 5.6 (C_GetOperationState), CKR_OPERATION_NOT_INITIALIZED",
        ),
        needs: Needs::officer,
        run: |stage| {
            let seen = stage.session()?.operation_state();
            let codes = [CKR_OPERATION_NOT_INITIALIZED, CKR_FUNCTION_NOT_SUPPORTED];
            crate::check::refused("C_GetOperationState", seen, &codes)
        },
    },
    Row {
        id: "authenticate.always",
        title: "a key that wants the PIN each time is of no use without it",
        source: (Mark::Standard, "section 4.9 (CKA_ALWAYS_AUTHENTICATE); section 5.6 (C_Login)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_EC_KEY_PAIR_GEN, CKM_ECDSA]),
        run: |stage| {
            let session = stage.session()?;
            let public = [
                vec![luna_client::Attribute::bytes(CKA_EC_PARAMS, crate::keys::P256)],
                stage.own(false),
            ];
            let private = [
                vec![
                    luna_client::Attribute::bool(CKA_SIGN, true),
                    luna_client::Attribute::private(true),
                    luna_client::Attribute::bool(CKA_ALWAYS_AUTHENTICATE, true),
                ],
                stage.own(false),
            ];
            let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
            let (_, key) = session
                .generate_key_pair(&mechanism, &public.concat(), &private.concat())
                .map_err(|error| Finding::not_applicable(format!("no such key: {error}")))?;
            let seen = session.sign(&Mechanism::Plain(CKM_ECDSA), key, &[1; 32]);
            crate::check::refused("C_Sign", seen, &[CKR_USER_NOT_LOGGED_IN])?;
            session.sign_init(&Mechanism::Plain(CKM_ECDSA), key)?;
            let context_specific = luna_client::UserType::CONTEXT_SPECIFIC;
            stage.login(&session, context_specific, &stage.officer_pin()?)?;
            let input = Input::Bytes(vec![1; 32]);
            let left =
                stage.exact().single(Purpose::Sign, session.handle().0, &input, Room::Bytes(64))?;
            answers("C_Sign after the PIN", left.rv, &[CKR_OK])
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("operations", ROWS);
    for function in GO_ON {
        debug_assert!(SIGNATURES.iter().any(|row| row.0 == *function));
        let title = format!("{function} without an operation is refused");
        let source = Source::standard("section 5.1.6 (CKR_OPERATION_NOT_INITIALIZED)");
        registry.add(
            format!("operations.none.{function}"),
            title,
            source,
            Needs::officer(),
            move |stage| {
                if !stage.words().has(function) {
                    return Err(Finding::not_applicable(format!(
                        "the module does not have {function}"
                    )));
                }
                let session = stage.session()?;
                let words: Vec<Word> = good(function, session.handle().0, 0);
                let (rv, _) = stage.words().call(function, &words)?;
                let mut codes = vec![CKR_OPERATION_NOT_INITIALIZED];
                if DUAL.contains(function) {
                    codes.push(CKR_FUNCTION_NOT_SUPPORTED);
                }
                if *function == "C_DigestKey" {
                    codes.extend([CKR_KEY_HANDLE_INVALID, CKR_KEY_INDIGESTIBLE]);
                }
                answers(&format!("{function} without an operation"), rv, &codes)
            },
        );
    }
}

/// A session with an encryption begun.
fn begun(stage: &mut Stage) -> Outcome<(Session, CK_SESSION_HANDLE)> {
    let key = stage.key(Family::Aes)?.public.0;
    let session = stage.session()?;
    let handle = session.handle().0;
    let mechanism = Mechanism::Plain(CKM_AES_ECB);
    let rv = stage.exact().init(Purpose::Encrypt, handle, &mechanism, key)?;
    answers("C_EncryptInit", rv, &[CKR_OK])?;
    Ok((session, handle))
}
