//! Objects from token to token, and masked ones out and in: what the client does of it.

use std::borrow::Cow;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::client::{Client, NONE, no_session, strange};
use crate::output::{Output, Room};
use crate::wire::{
    Cargo, Cloning, Domain, Found, Guard, Negotiated, Operation, Pin, Reply, Request, Rollover,
    Route, Unmasking,
};

/// One object of `CA_MigrateKeys`: its type and handle, and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// 0: a Cryptoki object.
    pub object_type: CK_ULONG,
    /// Where it is.
    pub source: ObjectHandle,
    /// Its handle where it went, or why it did not.
    pub outcome: std::result::Result<ObjectHandle, Cause>,
}

/// What is cloned, by the two numbers of the vendor's functions.
///
/// # Errors
/// `ObjectTypeInvalid` for what is neither an object nor the masking key.
fn cargo(object_type: CK_ULONG, handle: ObjectHandle) -> Result<Cargo> {
    match (object_type, handle.0) {
        (CK_CRYPTOKI_ELEMENT, _) => Ok(Cargo::Object(handle)),
        (CK_PARAM_ELEMENT, LUNA_MASKING_KEY_PID) => Ok(Cargo::MaskingKey),
        _ => Err(Error::new(
            Cause::ObjectTypeInvalid,
            "Cryptoki objects (type 0) are cloned, and the masking key (type 1, handle 24)",
        )),
    }
}

impl Client {
    fn step(&self, session: SessionHandle, step: Cloning<'_>) -> Result<Reply> {
        self.session(session)?.call(&Request::Cloning(NONE, step))
    }

    fn bytes_of(&self, session: SessionHandle, step: Cloning<'_>) -> Result<Vec<u8>> {
        match self.step(session, step)? {
            Reply::Bytes(bytes) => Ok(bytes),
            _ => Err(strange()),
        }
    }

    fn done(&self, session: SessionHandle, step: Cloning<'_>) -> Result<()> {
        self.step(session, step).map(drop)
    }

    /// `CA_CloneObject`; the masking key has no handle and answers its own number.
    ///
    /// # Errors
    /// `ObjectTypeInvalid`, `ObjectHandleInvalid`, `CloneFailed` between two domains,
    /// `CloneNotAttempted` by policy.
    pub fn clone_object(
        &self,
        target: SessionHandle,
        source: SessionHandle,
        object_type: CK_ULONG,
        object: ObjectHandle,
    ) -> Result<ObjectHandle> {
        // Both are named before either is asked.
        let to = self.session(target)?;
        let from = self.session(source)?;
        match cargo(object_type, object)? {
            Cargo::MaskingKey => {
                let blob = self.bytes_of(source, Cloning::PackMaskingKey)?;
                self.done(target, Cloning::UnpackMaskingKey(Cow::Owned(blob)))?;
                Ok(object)
            }
            Cargo::Object(object) => {
                let blob = match from.call(&Request::Extract(NONE, object))? {
                    Reply::Bytes(blob) => blob,
                    _ => return Err(strange()),
                };
                match to.call(&Request::Insert(NONE, Cow::Owned(blob), None))? {
                    Reply::Object(found) => Ok(found.handle),
                    _ => Err(strange()),
                }
            }
        }
    }

    /// `CA_ClonePrivateKey`.
    ///
    /// # Errors
    /// `KeyHandleInvalid` for another object, and those of [`Client::clone_object`].
    pub fn clone_private_key(
        &self,
        target: SessionHandle,
        source: SessionHandle,
        key: ObjectHandle,
    ) -> Result<ObjectHandle> {
        self.session(target)?;
        let class = self.attributes(source, key, &[CKA_CLASS])?;
        let number = CKO_PRIVATE_KEY.to_ne_bytes();
        let is_private = matches!(class.as_slice(), [crate::object::Answer::Value(
            crate::object::Value::Bytes(bytes))] if bytes.as_slice() == number);
        if !is_private {
            return Err(Error::new(Cause::KeyHandleInvalid, "private keys are cloned so"));
        }
        self.clone_object(target, source, CK_CRYPTOKI_ELEMENT, key)
    }

    /// `CA_MigrateKeys`: every object has its own outcome. Without `CKF_CPV4_CONTINUE_ON_ERR` those
    /// after the first that fails are not attempted (code Assumed).
    ///
    /// # Errors
    /// `SessionHandleInvalid`; `ArgumentsBad` for no object at all.
    pub fn migrate(
        &self,
        source: SessionHandle,
        target: SessionHandle,
        flags: CK_FLAGS,
        objects: &mut [Migration],
    ) -> Result<()> {
        self.session(source)?;
        self.session(target)?;
        if objects.is_empty() {
            return Err(Error::new(Cause::ArgumentsBad, "there is nothing to migrate"));
        }
        let mut failed = false;
        for object in objects {
            if failed && flags & CKF_CPV4_CONTINUE_ON_ERR == 0 {
                object.outcome = Err(Cause::CloneNotAttempted);
                continue;
            }
            object.outcome = if object.object_type == CK_CRYPTOKI_ELEMENT {
                self.clone_object(target, source, CK_CRYPTOKI_ELEMENT, object.source)
                    .map_err(|error| error.cause())
            } else {
                Err(Cause::ObjectTypeInvalid)
            };
            failed |= object.outcome.is_err();
        }
        Ok(())
    }

    /// `CA_CloneObjectToAllSessions`.
    ///
    /// # Errors
    /// `FunctionNotSupported` where no group is; those of cloning.
    pub fn clone_to_all(&self, session: SessionHandle, object: ObjectHandle) -> Result<()> {
        let session = self.session(session)?;
        let (group, own) = session.group().ok_or_else(|| {
            Error::new(Cause::FunctionNotSupported, "the session is on no HA group")
        })?;
        group.spread(own, object)
    }

    /// `CA_CloneAllObjectsToSession`: what the session's token lacks of another slot.
    ///
    /// # Errors
    /// `UserNotLoggedIn` when the application has no session on that slot; those of cloning.
    pub fn clone_all(&self, session: SessionHandle, slot: SlotId) -> Result<()> {
        self.session(session)?;
        self.slot(slot)?;
        let source = self.sessions.any_of(slot).ok_or_else(no_session)?;
        let found: Vec<Found> = match source.call(&Request::Inventory(NONE))? {
            Reply::Inventory(found, _) => found,
            _ => return Err(strange()),
        };
        for object in found.iter().filter(|found| found.token) {
            let from = source.handle;
            self.clone_object(session, from, CK_CRYPTOKI_ELEMENT, object.handle)?;
        }
        Ok(())
    }

    /// `CA_GenerateCloningKEV`.
    ///
    /// # Errors
    /// `UserNotLoggedIn`.
    pub fn cloning_vector(&self, session: SessionHandle) -> Result<Vec<u8>> {
        self.bytes_of(session, Cloning::Vector)
    }

    /// `CA_CloneAsTargetInit`: the target's message.
    ///
    /// # Errors
    /// `CertificateDataMissing`, `CertificateDataInvalid`, `CloneFailed` for another's vector.
    pub fn clone_as_target_init(
        &self,
        session: SessionHandle,
        certificate: &[u8],
        vector: &[u8],
    ) -> Result<Vec<u8>> {
        let (certificate, vector) = (Cow::Borrowed(certificate), Cow::Borrowed(vector));
        self.bytes_of(session, Cloning::Invite(certificate, vector))
    }

    /// `CA_CloneAsSource`: the source's message.
    ///
    /// # Errors
    /// As [`Client::clone_object`].
    pub fn clone_as_source(
        &self,
        session: SessionHandle,
        object_type: CK_ULONG,
        object: ObjectHandle,
        message: &[u8],
    ) -> Result<Vec<u8>> {
        let cargo = cargo(object_type, object)?;
        self.bytes_of(session, Cloning::Answer(cargo, Cow::Borrowed(message)))
    }

    /// `CA_CloneAsTarget`: the object; none for the masking key.
    ///
    /// # Errors
    /// As [`Client::clone_object`].
    pub fn clone_as_target(
        &self,
        session: SessionHandle,
        vector: &[u8],
        message: &[u8],
    ) -> Result<Option<ObjectHandle>> {
        let (vector, message) = (Cow::Borrowed(vector), Cow::Borrowed(message));
        match self.step(session, Cloning::Accept(vector, message))? {
            Reply::Object(found) => Ok(Some(found.handle)),
            Reply::Done => Ok(None),
            _ => Err(strange()),
        }
    }

    /// `CA_MigrationStartSessionNegotiation` without a step, and its continuation.
    ///
    /// # Errors
    /// `SessionNegotiationInvalid`, `SessionNegotiationNoPsk` between two domains.
    pub fn negotiate(
        &self,
        session: SessionHandle,
        step: Option<(CK_ULONG, &[u8])>,
    ) -> Result<Negotiated> {
        let step = match step {
            None => Cloning::Negotiate,
            Some((step, message)) => Cloning::Continue(step, Cow::Borrowed(message)),
        };
        match self.step(session, step)? {
            Reply::Negotiated(negotiated) => Ok(negotiated),
            _ => Err(strange()),
        }
    }

    /// `CA_MigrationCloseSession`.
    ///
    /// # Errors
    /// `SessionIdInvalid`.
    pub fn hang(&self, session: SessionHandle, route: Route) -> Result<()> {
        self.done(session, Cloning::Hang(route))
    }

    /// `CA_Extract` of one object by a negotiated session.
    ///
    /// # Errors
    /// `SessionIdInvalid`, `ObjectTypeInvalid`, those of cloning.
    pub fn send(
        &self,
        session: SessionHandle,
        route: Route,
        object_type: CK_ULONG,
        object: ObjectHandle,
    ) -> Result<Vec<u8>> {
        match cargo(object_type, object)? {
            Cargo::Object(object) => self.bytes_of(session, Cloning::Send(route, object)),
            Cargo::MaskingKey => Err(Error::new(
                Cause::ObjectTypeInvalid,
                "only Cryptoki objects travel by negotiated sessions",
            )),
        }
    }

    /// `CA_Insert` of one object by a negotiated session.
    ///
    /// # Errors
    /// `SessionIdInvalid`, `CloneFailed`.
    pub fn receive(
        &self,
        session: SessionHandle,
        route: Route,
        blob: &[u8],
        in_memory: bool,
    ) -> Result<ObjectHandle> {
        match self.step(session, Cloning::Receive(route, Cow::Borrowed(blob), in_memory))? {
            Reply::Object(found) => Ok(found.handle),
            _ => Err(strange()),
        }
    }

    /// `CA_SIMExtract` and its kin.
    ///
    /// # Errors
    /// The `Sim` ones; `OperationNotAllowed` by policy.
    pub fn mask(
        &self,
        session: SessionHandle,
        objects: &[ObjectHandle],
        guard: Guard,
        delete: bool,
        room: Room,
    ) -> Result<Output> {
        let step = Cloning::Mask { objects: objects.to_vec(), guard, delete, room };
        match self.step(session, step)? {
            Reply::Output(output) => Ok(output),
            _ => Err(strange()),
        }
    }

    /// How many objects a masked blob holds.
    ///
    /// # Errors
    /// The `Sim` ones.
    pub fn count_masked(&self, session: SessionHandle, guard: Guard, blob: &[u8]) -> Result<u64> {
        let purpose = Unmasking::Count;
        match self.step(session, Cloning::Unmask { guard, blob: Cow::Borrowed(blob), purpose })? {
            Reply::Size(count) => Ok(count),
            _ => Err(strange()),
        }
    }

    /// `CA_SIMInsert` and its kin.
    ///
    /// # Errors
    /// The `Sim` ones; `OperationNotAllowed` by policy.
    pub fn unmask(
        &self,
        session: SessionHandle,
        guard: Guard,
        blob: &[u8],
    ) -> Result<Vec<ObjectHandle>> {
        let purpose = Unmasking::Insert;
        match self.step(session, Cloning::Unmask { guard, blob: Cow::Borrowed(blob), purpose })? {
            Reply::Objects(found) => Ok(found.into_iter().map(|found| found.handle).collect()),
            _ => Err(strange()),
        }
    }

    /// `CA_SIMMultiSign`: a signature for each input, by a key that stays in its blob.
    ///
    /// # Errors
    /// The `Sim` ones, those of the key and of the mechanism.
    pub fn sign_masked(
        &self,
        session: SessionHandle,
        mechanism: &crate::mechanisms::Mechanism,
        guard: Guard,
        blob: &[u8],
        inputs: &[&[u8]],
    ) -> Result<Vec<Vec<u8>>> {
        let purpose = Unmasking::Borrow;
        let step = Cloning::Unmask { guard, blob: Cow::Borrowed(blob), purpose };
        let borrowed = match self.step(session, step)? {
            Reply::Objects(found) => found.first().map(|found| found.handle).ok_or_else(strange)?,
            _ => return Err(strange()),
        };
        let open = self.session(session)?;
        let signed = inputs.iter().map(|input| {
            let operation = Operation {
                session: NONE,
                purpose: Purpose::Sign,
                mechanism: Cow::Borrowed(mechanism),
                key: Some(borrowed),
                pin: None,
            };
            let input = Cow::Borrowed(*input);
            let room = Room::Bytes(usize::MAX);
            match open.call(&Request::Perform { operation, input, signature: None, room })? {
                Reply::Output(Output::Data(signature)) => Ok(signature),
                _ => Err(strange()),
            }
        });
        let signed: Result<Vec<_>> = signed.collect();
        // The key goes whether it could sign or not; its session would take it along otherwise.
        let gone = open.call(&Request::Destroy(NONE, borrowed));
        signed.and_then(|signed| gone.map(|_| signed))
    }

    /// `CA_SetKCV`, `CA_SetLKCV`, `CA_SetRDK`.
    ///
    /// # Errors
    /// `CloningParameterAlreadyExists`, `UserNotLoggedIn`.
    pub fn set_domain(&self, session: SessionHandle, which: Domain, domain: &[u8]) -> Result<()> {
        self.done(session, Cloning::SetDomain(which, Pin::new(domain)))
    }

    /// `CA_SMKRollover`.
    ///
    /// # Errors
    /// `OperationActive`, `OperationNotInitialized`.
    pub fn roll_over(&self, session: SessionHandle, rollover: Rollover) -> Result<()> {
        self.done(session, Cloning::Rollover(rollover))
    }
}
