//! Operations as the application sees them: what ends one, and what leaves it active.
//!
//! Initialising only asks whether key and mechanism fit; a whole message then goes in one request
//! that any member can serve and that can be sent again, and a message in parts begins on a member
//! with its first part.

use std::borrow::Cow;
use std::sync::Arc;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::client::Client;
use crate::luna::session::{AppSession, Pending};
use crate::mechanisms::Mechanism;
use crate::output::{Output, Room};
use crate::wire::{Operation, Reply, Request};

impl Client {
    /// `C_EncryptInit` and its kin.
    ///
    /// # Errors
    /// `OperationActive`, `MechanismInvalid`, `MechanismParamInvalid`, and those of the key.
    pub fn operation_init(
        &self,
        session: SessionHandle,
        purpose: Purpose,
        mechanism: &Mechanism,
        key: Option<ObjectHandle>,
    ) -> Result<()> {
        let session = self.session(session)?;
        if session.pending.lock().contains_key(&purpose) {
            return Err(Error::new(Cause::OperationActive, "such an operation is active"));
        }
        let pending = Pending { mechanism: Arc::new(mechanism.clone()), key, in_parts: false };
        session.call(&Request::Check(operation(&pending, purpose))).map_err(as_key)?;
        session.pending.lock().insert(purpose, pending);
        Ok(())
    }

    /// `C_Encrypt`, `C_Decrypt`, `C_Digest`, `C_Sign`.
    ///
    /// # Errors
    /// `OperationActive` after a part was fed, which ends the operation; those of the mechanism.
    pub fn operation_single(
        &self,
        session: SessionHandle,
        purpose: Purpose,
        input: &[u8],
        room: Room,
    ) -> Result<Output> {
        let session = self.session(session)?;
        let pending = session.pending(purpose)?;
        settle(&session, purpose, perform(&session, &pending, purpose, input, None, room))
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
        let (purpose, room) = (Purpose::Verify, Room::Bytes(0));
        let pending = session.pending(purpose)?;
        let outcome = perform(&session, &pending, purpose, data, Some(signature), room);
        settle(&session, purpose, outcome).map(drop)
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
            session.pending.lock().remove(&purpose);
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
    }
}

fn perform(
    session: &AppSession,
    pending: &Pending,
    purpose: Purpose,
    input: &[u8],
    signature: Option<&[u8]>,
    room: Room,
) -> Result<Output> {
    if pending.in_parts {
        return Err(Error::new(
            Cause::OperationActive,
            "the message was begun in parts and ends with a Final",
        ));
    }
    let request = Request::Perform {
        operation: operation(pending, purpose),
        input: Cow::Borrowed(input),
        signature: signature.map(Cow::Borrowed),
        room,
    };
    output(session.call(&request).map_err(as_key)?)
}

/// Begins the message on a member with its first part.
fn begin(session: &AppSession, purpose: Purpose) -> Result<()> {
    let pending = session.pending(purpose)?;
    if !pending.in_parts {
        session.call(&Request::Begin(operation(&pending, purpose))).map_err(as_key)?;
        if let Some(pending) = session.pending.lock().get_mut(&purpose) {
            pending.in_parts = true;
        }
    }
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
        Ok(Output::Size(_) | Output::TooSmall(_)) => {}
        Ok(Output::Data(_)) => {
            session.pending.lock().remove(&purpose);
        }
        Err(_) => end(session, purpose),
    }
    outcome
}

fn end(session: &AppSession, purpose: Purpose) {
    let ended = session.pending.lock().remove(&purpose);
    if ended.is_some_and(|pending| pending.in_parts) {
        // A member that cannot be told has nothing to forget.
        let _ = session.call(&Request::Abandon(NONE, purpose));
    }
}

/// A key that was destroyed since its operation began is a key that is not there, whoever notices.
fn as_key(error: Error) -> Error {
    error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid)
}

fn output(reply: Reply) -> Result<Output> {
    match reply {
        Reply::Output(output) => Ok(output),
        _ => Err(Error::new(Cause::GeneralError, "an output was wanted")),
    }
}
