//! Identities of the application, and sessions under them.

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::client::{Client, NONE, strange};
use crate::luna::slots::{Token, alone};
use crate::wire::{ApplicationId, Belonging, Reply, Request, Sharing};

impl Client {
    /// `CA_GetApplicationID`: that of sessions opened from now on.
    pub fn application_id(&self) -> ApplicationId {
        *self.application.lock()
    }

    /// `CA_OpenApplicationID`, on the partition or on every member of the group.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `DataInvalid` when it is open already.
    pub fn open_application(&self, slot: SlotId, id: ApplicationId) -> Result<()> {
        self.tell_token(slot, &Request::Sharing(Sharing::Open(id)))
    }

    /// `CA_CloseApplicationID`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `DataInvalid` when it is not open.
    pub fn close_application(&self, slot: SlotId, id: ApplicationId) -> Result<()> {
        self.tell_token(slot, &Request::Sharing(Sharing::Close(id)))
    }

    fn tell_token(&self, slot: SlotId, request: &Request<'_>) -> Result<()> {
        match &self.slot(slot)?.token {
            Token::Partition(link) => link
                .call(request)
                .map(drop)
                .map_err(|fault| alone(fault).recast(Cause::DeviceError, Cause::TokenNotPresent)),
            Token::Group(group) => group.tell_members(request),
            Token::Usb => Err(Error::new(Cause::TokenNotPresent, "the slot is kept for a USB HSM")),
        }
    }

    /// `CA_OpenSessionWithAppID`.
    ///
    /// # Errors
    /// Those of [`Client::open_session`].
    pub fn open_session_as(
        &self,
        slot: SlotId,
        flags: CK_FLAGS,
        id: ApplicationId,
    ) -> Result<SessionHandle> {
        let slot = self.slot(slot)?;
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(Error::new(
                Cause::SessionParallelNotSupported,
                "CKF_SERIAL_SESSION must be set",
            ));
        }
        self.sessions.open(slot, id, flags)
    }

    /// `CA_GetSessionInfo`.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn belonging(&self, session: SessionHandle) -> Result<Belonging> {
        match self.session(session)?.call(&Request::Sharing(Sharing::Belonging(NONE)))? {
            Reply::Belonging(belonging) => Ok(belonging),
            _ => Err(strange()),
        }
    }

    /// `CA_SessionCancel`: ends what the flags name; other flags say nothing here.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn cancel(&self, handle: SessionHandle, flags: CK_FLAGS) -> Result<()> {
        let session = self.session(handle)?;
        for (flag, purpose) in [
            (CKF_ENCRYPT, Purpose::Encrypt),
            (CKF_DECRYPT, Purpose::Decrypt),
            (CKF_DIGEST, Purpose::Digest),
            (CKF_SIGN, Purpose::Sign),
            (CKF_VERIFY, Purpose::Verify),
        ] {
            if flags & flag != 0 {
                self.operation_abandon(handle, purpose);
            }
        }
        if flags & CKF_FIND_OBJECTS != 0 {
            *session.search.lock() = None;
        }
        Ok(())
    }
}
