//! Keys with secrets of their own, keys derived and wrapped at once, and logins by another HSM.

use std::borrow::Cow;

use crate::ck::*;
use crate::error::{Cause, Result};
use crate::luna::client::{Client, NONE, strange};
use crate::luna::slots::alone;
use crate::output::Output;
use crate::wire::{DeriveAndWrap, KeyAuthorization, RecoveryLogin, Reply, Request};

impl Client {
    /// `CA_AuthorizeKey` and its kin.
    ///
    /// # Errors
    /// `KeyHandleInvalid`, and the codes of per-key authorisation.
    pub fn authorize_key(
        &self,
        session: SessionHandle,
        key: ObjectHandle,
        said: KeyAuthorization,
    ) -> Result<()> {
        self.session(session)?
            .call(&Request::AuthorizeKey(NONE, key, said))
            .map(drop)
            .map_err(|error| error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid))
    }

    /// `CA_DeriveKeyAndWrap`.
    ///
    /// # Errors
    /// Those of deriving and of wrapping.
    pub fn derive_and_wrap(
        &self,
        session: SessionHandle,
        both: DeriveAndWrap<'_>,
    ) -> Result<Output> {
        match self.session(session)?.call(&Request::DeriveAndWrap(NONE, both))? {
            Reply::Output(output) => Ok(output),
            _ => Err(strange()),
        }
    }

    /// `CA_HAInit`, `CA_HAInitExtended`: for the roles named, or the one that is logged in.
    ///
    /// # Errors
    /// `KeyInvalidForHaLogin`, `KeyExtractable`, `UserNotAuthorized`, `OperationNotAllowed` by policy.
    pub fn install_login_key(
        &self,
        session: SessionHandle,
        key: ObjectHandle,
        roles: Vec<Role>,
    ) -> Result<()> {
        let step = RecoveryLogin::Install(key, roles);
        self.session(session)?.call(&Request::Recovery(NONE, step)).map(drop)
    }

    /// `CA_HAGetMasterPublic`: of a partition, or of a group's first member.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn login_certificate(&self, slot: SlotId) -> Result<Vec<u8>> {
        let request = Request::Recovery(NONE, RecoveryLogin::Certificate);
        match self.slot(slot)?.partition()?.call(&request).map_err(alone)? {
            Reply::Bytes(bytes) => Ok(bytes),
            _ => Err(strange()),
        }
    }

    /// `CA_HAGetLoginChallenge` and `CA_HAAnswerLoginChallenge`.
    ///
    /// # Errors
    /// Those of the steps.
    pub fn recovery_message(
        &self,
        session: SessionHandle,
        step: RecoveryLogin<'_>,
    ) -> Result<Vec<u8>> {
        match self.session(session)?.call(&Request::Recovery(NONE, step))? {
            Reply::Bytes(bytes) => Ok(bytes),
            _ => Err(strange()),
        }
    }

    /// `CA_HALogin`.
    ///
    /// # Errors
    /// `ChallengeIncorrect`, `OperationNotInitialized` without a challenge, those of a login.
    pub fn recovery_login(&self, session: SessionHandle, answer: &[u8]) -> Result<()> {
        let step = RecoveryLogin::Login(Cow::Borrowed(answer));
        self.session(session)?.call(&Request::Recovery(NONE, step)).map(drop)
    }

    /// `CA_GetTokenCertificates`.
    ///
    /// # Errors
    /// `CertificateTypeInvalid`, `CertificateDataMissing`, `FunctionNotSupported` on a group.
    pub fn certificate(&self, slot: SlotId, kind: CK_ULONG) -> Result<Vec<u8>> {
        match self.slot(slot)?.partition()?.call(&Request::Certificate(kind)).map_err(alone)? {
            Reply::Bytes(bytes) => Ok(bytes),
            _ => Err(strange()),
        }
    }
}
