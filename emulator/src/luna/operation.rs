//! Operations as the application sees them: what ends one, and what leaves it active.
//!
//! Initialising only asks whether key and mechanism fit; a whole message then goes in one request
//! that any member can serve and that can be sent again, and a message in parts begins on a member
//! with its first part.

use std::borrow::Cow;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::client::Client;
use crate::luna::session::{AppSession, Pending, PinAtUse};
use crate::mechanisms::{Mechanism, Params};
use crate::output::{Output, Room};
use crate::wire::{Operation, Pin, Reply, Request};

impl Client {
    /// `C_EncryptInit` and its kin.
    ///
    /// # Errors
    /// `OperationActive`, `MechanismInvalid`, `MechanismParamInvalid`, and those of the key.
    pub fn operation_init(
        &self,
        session: SessionHandle,
        purpose: Purpose,
        mechanism: Mechanism,
        key: Option<ObjectHandle>,
    ) -> Result<()> {
        let session = self.session(session)?;
        if session.pending.lock().of(purpose).is_some() {
            return Err(Error::new(Cause::OperationActive, "such an operation is active"));
        }
        let mut pending = Pending { mechanism, key, in_parts: false, pin: PinAtUse::Needless };
        let reply = session.call(&Request::Check(operation(&pending, purpose))).map_err(as_key)?;
        let mut all = session.pending.lock();
        if matches!(reply, Reply::PinWanted) {
            pending.pin = PinAtUse::Wanted(all.last_wanted().map_or(0, |(order, _)| order + 1));
        }
        *all.of(purpose) = Some(pending);
        Ok(())
    }

    /// `C_Login` as `CKU_CONTEXT_SPECIFIC`: the PIN for the operation that was initialised last with
    /// a key that asks for it. It serves that operation, until it ends.
    ///
    /// Source: PKCS#11 v2.40 section 4.9 and `C_Login`.
    ///
    /// # Errors
    /// `OperationNotInitialized` where nothing asks; `PinIncorrect`, which leaves the operation as it
    /// was; `PinLocked`, after which nobody is logged in.
    pub fn login_for_operation(&self, session: SessionHandle, pin: Pin) -> Result<()> {
        let handle = session;
        let session = self.session(session)?;
        let (_, purpose) = session.pending.lock().last_wanted().ok_or_else(|| {
            Error::new(Cause::OperationNotInitialized, "no operation asks for a login of its own")
        })?;
        match session.call(&Request::Reauthenticate(NONE, pin.clone())) {
            Ok(_) => {}
            Err(error) => {
                if matches!(error.cause(), Cause::PinLocked | Cause::UserLockedOut) {
                    self.logout(handle)?;
                }
                return Err(error);
            }
        }
        if let Some(pending) = session.pending.lock().of(purpose) {
            pending.pin = PinAtUse::Given(pin);
        }
        Ok(())
    }

    /// `C_Encrypt`, `C_Decrypt`, `C_Digest`, `C_Sign`; the output may go to `out`, where it has room.
    ///
    /// # Errors
    /// `OperationActive` after a part was fed, which ends the operation; those of the mechanism.
    pub fn operation_single(
        &self,
        session: SessionHandle,
        purpose: Purpose,
        input: &[u8],
        room: Room,
        out: Option<&mut [u8]>,
    ) -> Result<Output> {
        let session = self.session(session)?;
        perform(&session, purpose, (input, None), room, out)
    }

    /// `C_Verify`.
    ///
    /// # Errors
    /// `SignatureInvalid`, `SignatureLenRange`, and as [`Client::operation_single`].
    pub fn verify_single(
        &self,
        session: SessionHandle,
        data: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let session = self.session(session)?;
        let message = (data, Some(signature));
        perform(&session, Purpose::Verify, message, Room::Bytes(0), None).map(drop)
    }

    /// `C_EncryptUpdate` and its kin.
    ///
    /// # Errors
    /// Those of the mechanism.
    pub fn operation_update(
        &self,
        session: SessionHandle,
        purpose: Purpose,
        input: &[u8],
        room: Room,
    ) -> Result<Output> {
        let session = self.session(session)?;
        let outcome = begin(&session, purpose).and_then(|()| {
            let input = Cow::Borrowed(input);
            output(session.call(&Request::Update { session: NONE, purpose, input, room })?)
        });
        if outcome.is_err() {
            *session.pending.lock().of(purpose) = None;
        }
        outcome
    }

    /// `C_EncryptFinal` and its kin.
    ///
    /// # Errors
    /// Those of the mechanism.
    pub fn operation_final(
        &self,
        session: SessionHandle,
        purpose: Purpose,
        room: Room,
    ) -> Result<Output> {
        let session = self.session(session)?;
        let outcome = finish(&session, purpose, None, room);
        settle(&session, purpose, outcome)
    }

    /// `C_VerifyFinal`.
    ///
    /// # Errors
    /// `SignatureInvalid`, `SignatureLenRange`.
    pub fn verify_final(&self, session: SessionHandle, signature: &[u8]) -> Result<()> {
        let session = self.session(session)?;
        let outcome = finish(&session, Purpose::Verify, Some(signature), Room::Bytes(0));
        settle(&session, Purpose::Verify, outcome).map(drop)
    }

    /// `C_DigestKey`.
    ///
    /// # Errors
    /// `KeyHandleInvalid`, `KeyIndigestible`.
    pub fn digest_key(&self, session: SessionHandle, key: ObjectHandle) -> Result<()> {
        let session = self.session(session)?;
        let outcome = begin(&session, Purpose::Digest)
            .and_then(|()| session.call(&Request::DigestKey(NONE, key)))
            .map_err(as_key);
        if outcome.is_err() {
            end(&session, Purpose::Digest);
        }
        outcome.map(drop)
    }

    /// `C_GetOperationState`: of a digest, the only operation of the session.
    ///
    /// # Errors
    /// `OperationNotInitialized`, `StateUnsaveable`.
    pub fn operation_state(&self, session: SessionHandle, room: Room) -> Result<Output> {
        let session = self.session(session)?;
        let (digest, others) = {
            let mut pending = session.pending.lock();
            let others = Purpose::ALL
                .into_iter()
                .any(|purpose| purpose != Purpose::Digest && pending.of(purpose).is_some());
            (pending.of(Purpose::Digest).clone(), others)
        };
        if others {
            return Err(Error::new(Cause::StateUnsaveable, "only digests are saved"));
        }
        let digest = digest.ok_or_else(|| {
            Error::new(Cause::OperationNotInitialized, "the session does nothing to be saved")
        })?;
        if !digest.in_parts {
            // A member learns of the digest for as long as it takes to save it.
            session.call(&Request::Begin(operation(&digest, Purpose::Digest)))?;
        }
        let saved = session.call(&Request::SaveState(NONE, Purpose::Digest));
        if !digest.in_parts {
            session.call(&Request::Abandon(NONE, Purpose::Digest))?;
        }
        match saved? {
            Reply::Bytes(state) => Ok(room.fit(state)),
            _ => Err(Error::new(Cause::GeneralError, "a state was wanted")),
        }
    }

    /// `C_SetOperationState`: in place of everything the session was doing.
    ///
    /// # Errors
    /// `SavedStateInvalid`, which leaves the session as it was.
    pub fn set_operation_state(&self, session: SessionHandle, state: &[u8]) -> Result<()> {
        let session = self.session(session)?;
        let loaded = session.call(&Request::LoadState(NONE, Cow::Borrowed(state)))?;
        let Reply::Restored { mechanism, begun } = loaded else {
            return Err(Error::new(Cause::GeneralError, "a state was to be restored"));
        };
        for other in [Purpose::Encrypt, Purpose::Decrypt, Purpose::Sign, Purpose::Verify] {
            end(&session, other);
        }
        let pending = Pending {
            mechanism: Mechanism { kind: mechanism, params: Params::None },
            key: None,
            in_parts: begun,
            pin: PinAtUse::Needless,
        };
        *session.pending.lock().of(Purpose::Digest) = Some(pending);
        Ok(())
    }

    /// Ends an operation after an argument error in a call on it.
    pub fn operation_abandon(&self, session: SessionHandle, purpose: Purpose) {
        if let Ok(session) = self.session(session) {
            end(&session, purpose);
        }
    }
}

/// The handle that `AppSession::call` fills in.
const NONE: SessionHandle = SessionHandle(0);

fn operation(pending: &Pending, purpose: Purpose) -> Operation<'_> {
    Operation {
        session: NONE,
        purpose,
        mechanism: Cow::Borrowed(&pending.mechanism),
        key: pending.key,
        pin: match &pending.pin {
            PinAtUse::Given(pin) => Some(Cow::Borrowed(pin)),
            PinAtUse::Needless | PinAtUse::Wanted(_) => None,
        },
    }
}

/// A whole message. The operation is out of its place meanwhile, and goes back only if it stays
/// active.
fn perform(
    session: &AppSession,
    purpose: Purpose,
    (input, signature): (&[u8], Option<&[u8]>),
    room: Room,
    out: Option<&mut [u8]>,
) -> Result<Output> {
    let pending = session.pending.lock().of(purpose).take().ok_or_else(not_initialized)?;
    if pending.in_parts {
        abandon(session, purpose);
        return Err(Error::new(
            Cause::OperationActive,
            "the message was begun in parts and ends with a Final",
        ));
    }
    let request = Request::Perform {
        operation: operation(&pending, purpose),
        input: Cow::Borrowed(input),
        signature: signature.map(Cow::Borrowed),
        room,
    };
    let outcome = output(session.call_into(&request, out).map_err(as_key)?)?;
    if !outcome.is_final() {
        *session.pending.lock().of(purpose) = Some(pending);
    }
    Ok(outcome)
}

/// Begins the message on a member with its first part.
fn begin(session: &AppSession, purpose: Purpose) -> Result<()> {
    let mut pending = session.pending.lock().of(purpose).take().ok_or_else(not_initialized)?;
    if !pending.in_parts {
        session.call(&Request::Begin(operation(&pending, purpose))).map_err(as_key)?;
        pending.in_parts = true;
    }
    *session.pending.lock().of(purpose) = Some(pending);
    Ok(())
}

fn finish(
    session: &AppSession,
    purpose: Purpose,
    signature: Option<&[u8]>,
    room: Room,
) -> Result<Output> {
    begin(session, purpose)?;
    let signature = signature.map(Cow::Borrowed);
    output(session.call(&Request::Finish { session: NONE, purpose, signature, room })?)
}

/// A length question and a short buffer leave an operation active; anything else ends it.
///
/// Source: PKCS#11 v2.40 section 5.2 and the paragraphs on each function.
fn settle(session: &AppSession, purpose: Purpose, outcome: Result<Output>) -> Result<Output> {
    match &outcome {
        Ok(answer) if !answer.is_final() => {}
        Ok(_) => *session.pending.lock().of(purpose) = None,
        Err(_) => end(session, purpose),
    }
    outcome
}

fn end(session: &AppSession, purpose: Purpose) {
    let ended = session.pending.lock().of(purpose).take();
    if ended.is_some_and(|pending| pending.in_parts) {
        abandon(session, purpose);
    }
}

/// A key that was destroyed since its operation began is a key that is not there, whoever notices.
fn as_key(error: Error) -> Error {
    error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid)
}

fn abandon(session: &AppSession, purpose: Purpose) {
    // A member that cannot be told has nothing to forget.
    let _ = session.call(&Request::Abandon(NONE, purpose));
}

fn not_initialized() -> Error {
    Error::new(Cause::OperationNotInitialized, "no such operation is active")
}

fn output(reply: Reply) -> Result<Output> {
    match reply {
        Reply::Output(output) => Ok(output),
        _ => Err(Error::new(Cause::GeneralError, "an output was wanted")),
    }
}
