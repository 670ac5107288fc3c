//! Keys with a secret of their own, keys that are derived and leave in one step, and logins by a key.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ck::{ObjectHandle, Role};
use crate::error::{Cause, Error};
use crate::mechanisms::Mechanism;
use crate::object::Template;
use crate::output::Room;
use crate::wire::{Audience, Pin};

/// What is said of one key's own secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum KeyAuthorization {
    /// `CA_AuthorizeKey`: the secret, for this session; none withdraws.
    Authorize(Option<Pin>),
    /// `CA_SetAuthorizationData`: the old one, where there is one, and the new.
    Change(Option<Pin>, Pin),
    /// `CA_ResetAuthorizationData`: a new one, whatever the old.
    Reset(Pin),
    /// `CA_AssignKey`.
    Assign,
    /// `CA_IncrementFailedAuthCount`.
    CountFailure,
}

impl KeyAuthorization {
    /// Hearing it twice leaves the partition as hearing it once.
    pub fn is_repeatable(&self) -> bool {
        matches!(self, Self::Authorize(None) | Self::Assign | Self::Reset(_))
    }
}

/// `CA_DeriveKeyAndWrap`: no handle is ever given.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DeriveAndWrap<'a> {
    /// How it is derived.
    pub derive: Cow<'a, Mechanism>,
    /// From which key.
    pub base: ObjectHandle,
    /// What it is to be.
    pub template: Cow<'a, Template>,
    /// How it is wrapped.
    pub wrap: Cow<'a, Mechanism>,
    /// By which key.
    pub wrapping: ObjectHandle,
    /// Room for the wrapped key.
    pub room: Room,
}

impl DeriveAndWrap<'_> {
    /// See [`super::Request::addressed`].
    pub(super) fn addressed(
        &self,
        object: &dyn Fn(ObjectHandle) -> Result<ObjectHandle, Error>,
    ) -> Result<DeriveAndWrap<'_>, Error> {
        let named = |handle, cause| {
            object(handle).map_err(|error| error.recast(Cause::ObjectHandleInvalid, cause))
        };
        Ok(DeriveAndWrap {
            derive: Cow::Borrowed(&*self.derive),
            base: named(self.base, Cause::KeyHandleInvalid)?,
            template: Cow::Borrowed(&*self.template),
            wrap: Cow::Borrowed(&*self.wrap),
            wrapping: named(self.wrapping, Cause::WrappingKeyHandleInvalid)?,
            room: self.room,
        })
    }
}

/// The login of one HSM by another: `CA_HAInit` and the exchange after it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum RecoveryLogin<'a> {
    /// `CA_HAInit`, `CA_HAInitExtended`: by this key, for these roles.
    Install(ObjectHandle, Vec<Role>),
    /// `CA_HAGetMasterPublic`; wants no session.
    Certificate,
    /// `CA_HAGetLoginChallenge`: for a role, from the other's certificate.
    Challenge(Role, Cow<'a, [u8]>),
    /// `CA_HAAnswerLoginChallenge`: by the key, the challenge.
    Answer(ObjectHandle, Cow<'a, [u8]>),
    /// `CA_HALogin`: by the answer.
    Login(Cow<'a, [u8]>),
}

impl RecoveryLogin<'_> {
    /// The key answers on any member that has it; the rest is between two members.
    pub(super) fn audience(&self) -> Audience {
        match self {
            Self::Answer(..) => Audience::Any,
            _ => Audience::Member,
        }
    }

    /// Hearing it twice leaves the partition as hearing it once.
    pub fn is_repeatable(&self) -> bool {
        matches!(self, Self::Certificate | Self::Answer(..))
    }

    /// See [`super::Request::addressed`].
    pub(super) fn addressed(
        &self,
        object: &dyn Fn(ObjectHandle) -> Result<ObjectHandle, Error>,
    ) -> Result<RecoveryLogin<'_>, Error> {
        Ok(match self {
            Self::Install(key, roles) => RecoveryLogin::Install(object(*key)?, roles.clone()),
            Self::Certificate => RecoveryLogin::Certificate,
            Self::Challenge(role, certificate) => {
                RecoveryLogin::Challenge(*role, Cow::Borrowed(certificate))
            }
            Self::Answer(key, challenge) => {
                RecoveryLogin::Answer(object(*key)?, Cow::Borrowed(challenge))
            }
            Self::Login(answer) => RecoveryLogin::Login(Cow::Borrowed(answer)),
        })
    }
}
