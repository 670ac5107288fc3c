//! Whose session and which objects a request names.

use std::borrow::Cow;

use super::{Operation, Request, Sharing};
use crate::ck::*;
use crate::error::{Cause, Error};

impl Operation<'_> {
    /// See [`Request::addressed`].
    fn addressed(
        &self,
        session: SessionHandle,
        object: &dyn Fn(ObjectHandle) -> Result<ObjectHandle, Error>,
    ) -> Result<Operation<'_>, Error> {
        Ok(Operation {
            session,
            purpose: self.purpose,
            mechanism: self.mechanism.addressed(&|other| {
                object(other).map_err(|error| {
                    error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid)
                })
            })?,
            key: self.key.map(object).transpose()?,
            pin: self.pin.as_deref().map(Cow::Borrowed),
        })
    }
}

impl Request<'_> {
    /// The same request with another session's handle and other objects' handles; borrows all else.
    ///
    /// # Errors
    /// Those of `object`, for a handle it does not know.
    pub fn addressed(
        &self,
        session: SessionHandle,
        object: &dyn Fn(ObjectHandle) -> Result<ObjectHandle, Error>,
    ) -> Result<Request<'_>, Error> {
        let named = |handle, cause| {
            object(handle).map_err(|error| error.recast(Cause::ObjectHandleInvalid, cause))
        };
        Ok(match self {
            Self::Describe => Request::Describe,
            Self::RoleState(role) => Request::RoleState(*role),
            Self::InitToken { pin, label, domain } => Request::InitToken {
                pin: pin.clone(),
                label: label.clone(),
                domain: domain.clone(),
            },
            Self::OpenSession { application, read_write } => {
                Request::OpenSession { application: *application, read_write: *read_write }
            }
            Self::CloseSession(_) => Request::CloseSession(session),
            Self::SessionState(_) => Request::SessionState(session),
            Self::Login(_, role, pin) => Request::Login(session, *role, pin.clone()),
            Self::Reauthenticate(_, pin) => Request::Reauthenticate(session, pin.clone()),
            Self::Logout(_) => Request::Logout(session),
            Self::InitPin(_, role, pin) => Request::InitPin(session, *role, pin.clone()),
            Self::SetPin { old, new, .. } => {
                Request::SetPin { session, old: old.clone(), new: new.clone() }
            }
            Self::SetPolicies(_, changes) => Request::SetPolicies(session, Cow::Borrowed(changes)),
            Self::Create(_, template) => Request::Create(session, Cow::Borrowed(template)),
            Self::Copy(_, source, template) => {
                Request::Copy(session, object(*source)?, Cow::Borrowed(template))
            }
            Self::Destroy(_, target) => Request::Destroy(session, object(*target)?),
            Self::ObjectSize(_, target) => Request::ObjectSize(session, object(*target)?),
            Self::Attributes(_, target, kinds) => {
                Request::Attributes(session, object(*target)?, Cow::Borrowed(kinds))
            }
            Self::SetAttributes(_, target, template) => {
                Request::SetAttributes(session, object(*target)?, Cow::Borrowed(template))
            }
            Self::Count(_, target, counting) => {
                Request::Count(session, object(*target)?, *counting)
            }
            Self::Find(_, template) => Request::Find(session, Cow::Borrowed(template)),
            Self::Locate(_, ouid) => Request::Locate(session, *ouid),
            Self::Check(operation) => Request::Check(operation.addressed(session, object)?),
            Self::Perform { operation, input, signature, room } => Request::Perform {
                operation: operation.addressed(session, object)?,
                input: Cow::Borrowed(input),
                signature: signature.as_deref().map(Cow::Borrowed),
                room: *room,
            },
            Self::Begin(operation) => Request::Begin(operation.addressed(session, object)?),
            Self::Update { purpose, input, room, .. } => Request::Update {
                session,
                purpose: *purpose,
                input: Cow::Borrowed(input),
                room: *room,
            },
            Self::Finish { purpose, signature, room, .. } => Request::Finish {
                session,
                purpose: *purpose,
                signature: signature.as_deref().map(Cow::Borrowed),
                room: *room,
            },
            Self::DigestKey(_, key) => Request::DigestKey(session, object(*key)?),
            Self::SaveState(_, purpose) => Request::SaveState(session, *purpose),
            Self::LoadState(_, state) => Request::LoadState(session, Cow::Borrowed(state)),
            Self::Abandon(_, purpose) => Request::Abandon(session, *purpose),
            Self::GenerateKey(_, mechanism, template) => {
                Request::GenerateKey(session, Cow::Borrowed(mechanism), Cow::Borrowed(template))
            }
            Self::GenerateKeyPair(_, mechanism, public, private) => Request::GenerateKeyPair(
                session,
                Cow::Borrowed(mechanism),
                Cow::Borrowed(public),
                Cow::Borrowed(private),
            ),
            Self::Wrap(_, mechanism, wrapping, key, room) => Request::Wrap(
                session,
                mechanism.addressed(&|object| named(object, Cause::UnwrappingKeyHandleInvalid))?,
                named(*wrapping, Cause::WrappingKeyHandleInvalid)?,
                // There is none where the mechanism brings what is wrapped.
                match key.0 {
                    CK_INVALID_HANDLE => *key,
                    _ => named(*key, Cause::KeyHandleInvalid)?,
                },
                *room,
            ),
            Self::Unwrap(_, mechanism, unwrapping, wrapped, template) => Request::Unwrap(
                session,
                Cow::Borrowed(mechanism),
                named(*unwrapping, Cause::UnwrappingKeyHandleInvalid)?,
                Cow::Borrowed(wrapped),
                Cow::Borrowed(template),
            ),
            Self::Derive(_, mechanism, base, template) => Request::Derive(
                session,
                mechanism.addressed(&|other| named(other, Cause::KeyHandleInvalid))?,
                named(*base, Cause::KeyHandleInvalid)?,
                Cow::Borrowed(template),
            ),
            Self::Encapsulate(_, mechanism, key, template, room) => Request::Encapsulate(
                session,
                Cow::Borrowed(mechanism),
                named(*key, Cause::KeyHandleInvalid)?,
                Cow::Borrowed(template),
                *room,
            ),
            Self::Decapsulate(_, mechanism, key, ciphertext, template) => Request::Decapsulate(
                session,
                Cow::Borrowed(mechanism),
                named(*key, Cause::KeyHandleInvalid)?,
                Cow::Borrowed(ciphertext),
                Cow::Borrowed(template),
            ),
            Self::Random(_, len) => Request::Random(session, *len),
            Self::SeedRandom(_, seed) => Request::SeedRandom(session, Cow::Borrowed(seed)),
            Self::Extract(_, target) => Request::Extract(session, object(*target)?),
            Self::Insert(_, blob, since) => Request::Insert(session, Cow::Borrowed(blob), *since),
            Self::Bury(_, ouid) => Request::Bury(session, *ouid),
            Self::Administer(_, what) => Request::Administer(session, Cow::Borrowed(&**what)),
            Self::Inventory(_) => Request::Inventory(session),
            Self::Sharing(Sharing::Belonging(_)) => Request::Sharing(Sharing::Belonging(session)),
            Self::Sharing(sharing) => Request::Sharing(*sharing),
            Self::Cloning(_, cloning) => Request::Cloning(session, cloning.addressed(object)?),
            Self::AuthorizeKey(_, key, said) => {
                Request::AuthorizeKey(session, named(*key, Cause::KeyHandleInvalid)?, said.clone())
            }
            Self::DeriveAndWrap(_, both) => {
                Request::DeriveAndWrap(session, both.addressed(object)?)
            }
            Self::Recovery(_, recovery) => Request::Recovery(session, recovery.addressed(object)?),
            Self::Certificate(kind) => Request::Certificate(*kind),
        })
    }

    /// The session a request is asked in; none where it is asked of the partition itself.
    pub fn session(&self) -> Option<SessionHandle> {
        match self {
            Self::Describe
            | Self::RoleState(_)
            | Self::InitToken { .. }
            | Self::OpenSession { .. }
            | Self::Sharing(Sharing::Open(_) | Sharing::Close(_))
            | Self::Certificate(_)
            | Self::Administer(SessionHandle(0), _) => None,
            Self::Check(operation) | Self::Begin(operation) | Self::Perform { operation, .. } => {
                Some(operation.session)
            }
            Self::SetPin { session, .. }
            | Self::Update { session, .. }
            | Self::Finish { session, .. }
            | Self::CloseSession(session)
            | Self::SessionState(session)
            | Self::Login(session, ..)
            | Self::Reauthenticate(session, _)
            | Self::Logout(session)
            | Self::InitPin(session, ..)
            | Self::SetPolicies(session, _)
            | Self::Create(session, _)
            | Self::Copy(session, ..)
            | Self::Destroy(session, _)
            | Self::ObjectSize(session, _)
            | Self::Attributes(session, ..)
            | Self::SetAttributes(session, ..)
            | Self::Count(session, ..)
            | Self::Find(session, _)
            | Self::Locate(session, _)
            | Self::DigestKey(session, _)
            | Self::SaveState(session, _)
            | Self::LoadState(session, _)
            | Self::Abandon(session, _)
            | Self::GenerateKey(session, ..)
            | Self::GenerateKeyPair(session, ..)
            | Self::Wrap(session, ..)
            | Self::Unwrap(session, ..)
            | Self::Derive(session, ..)
            | Self::Encapsulate(session, ..)
            | Self::Decapsulate(session, ..)
            | Self::Random(session, _)
            | Self::SeedRandom(session, _)
            | Self::Extract(session, _)
            | Self::Insert(session, ..)
            | Self::Bury(session, _)
            | Self::Inventory(session)
            | Self::Sharing(Sharing::Belonging(session))
            | Self::Cloning(session, _)
            | Self::AuthorizeKey(session, ..)
            | Self::DeriveAndWrap(session, _)
            | Self::Recovery(session, _)
            | Self::Administer(session, _) => Some(*session),
        }
    }

    /// The key a request uses.
    pub fn key(&self) -> Option<ObjectHandle> {
        match self {
            Self::Perform { operation, .. } | Self::Begin(operation) => operation.key,
            Self::Wrap(_, _, key, ..)
            | Self::Unwrap(_, _, key, ..)
            | Self::Derive(_, _, key, _)
            | Self::Encapsulate(_, _, key, ..)
            | Self::Decapsulate(_, _, key, ..) => Some(*key),
            Self::DeriveAndWrap(_, both) => Some(both.base),
            _ => None,
        }
    }

    /// The purpose of a request on a message in parts.
    pub fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::Begin(operation) => Some(operation.purpose),
            Self::Update { purpose, .. } | Self::Finish { purpose, .. } => Some(*purpose),
            Self::Abandon(_, purpose) | Self::SaveState(_, purpose) => Some(*purpose),
            Self::DigestKey(..) | Self::LoadState(..) => Some(Purpose::Digest),
            _ => None,
        }
    }
}
