//! Objects on their way from partition to partition: step by step, by negotiated sessions, masked.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ck::{CK_ULONG, ObjectHandle};
use crate::error::Error;
use crate::output::Room;
use crate::wire::Pin;

/// The name of a negotiated session between two partitions.
pub type Route = [u8; 16];

/// A domain that a partition is given beside its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Domain {
    /// `CA_SetKCV`, `CA_ManualKCV`: its own, which it has from its initialisation on.
    Own,
    /// `CA_SetLKCV`: that of an older HSM.
    Legacy,
    /// `CA_SetRDK`: for recovery data.
    Recovery,
}

/// What guards a masked blob beside the masking key, or opens it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Guard {
    /// `CKA_SIM_` number.
    pub form: CK_ULONG,
    /// Of how many secrets as many are asked for at the insertion.
    pub subset: usize,
    /// The secrets.
    pub secrets: Vec<Pin>,
}

/// What becomes of the masking key (`CA_SMKRollover`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Rollover {
    /// A new one masks; what the old one masked comes in still.
    Start,
    /// The old one is gone.
    End,
    /// Whether both are there.
    Query,
}

/// What travels.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Cargo {
    /// An object.
    Object(ObjectHandle),
    /// The masking key (object type 1, handle 24: Documented in the vendor's `CloningSample`).
    MaskingKey,
}

/// One step of an object's journey, in a session.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Cloning<'a> {
    /// `CA_GenerateCloningKEV`, on the target.
    Vector,
    /// `CA_CloneAsTargetInit`, on the target: the source's certificate and the vector.
    Invite(Cow<'a, [u8]>, Cow<'a, [u8]>),
    /// `CA_CloneAsSource`, on the source: what travels and the target's message.
    Answer(Cargo, Cow<'a, [u8]>),
    /// `CA_CloneAsTarget`, on the target: the vector and the source's message.
    Accept(Cow<'a, [u8]>, Cow<'a, [u8]>),
    /// `CA_CloneObject` of the masking key, on the source.
    PackMaskingKey,
    /// The same on the target.
    UnpackMaskingKey(Cow<'a, [u8]>),
    /// `CA_MigrationStartSessionNegotiation`, on the target.
    Negotiate,
    /// `CA_MigrationContinueSessionNegotiation`: step and message.
    Continue(CK_ULONG, Cow<'a, [u8]>),
    /// `CA_MigrationCloseSession`.
    Hang(Route),
    /// `CA_Extract` by a negotiated session.
    Send(Route, ObjectHandle),
    /// `CA_Insert` by a negotiated session; true for an object that lives in memory.
    Receive(Route, Cow<'a, [u8]>, bool),
    /// `CA_SIMExtract` and its kin: the objects, none for all.
    Mask {
        /// In their order.
        objects: Vec<ObjectHandle>,
        /// What guards the blob.
        guard: Guard,
        /// They are destroyed when the blob was given.
        delete: bool,
        /// Room for the blob.
        room: Room,
    },
    /// `CA_SIMInsert` and its kin.
    Unmask {
        /// What opens the blob.
        guard: Guard,
        /// The blob.
        blob: Cow<'a, [u8]>,
        /// What is to be done.
        purpose: Unmasking,
    },
    /// `CA_SetKCV` and its kin.
    SetDomain(Domain, Pin),
    /// `CA_SMKRollover`.
    Rollover(Rollover),
}

/// What a masked blob is opened for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Unmasking {
    /// To count its objects.
    Count,
    /// To have them back.
    Insert,
    /// To use its one key in this session, by a handle that nobody else gets.
    Borrow,
}

/// Where a negotiation stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Negotiated {
    /// Which step comes next; 0 when none does.
    pub step: CK_ULONG,
    /// What the other partition is to be told.
    pub message: Vec<u8>,
    /// The session, once there is one.
    pub route: Option<Route>,
}

impl Cloning<'_> {
    /// Hearing it twice leaves the partition as hearing it once.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Vector
            | Self::Invite(..)
            | Self::Answer(..)
            | Self::PackMaskingKey
            | Self::UnpackMaskingKey(_)
            | Self::Send(..)
            | Self::Rollover(Rollover::Query) => true,
            Self::Mask { delete, .. } => !delete,
            Self::Unmask { purpose, .. } => *purpose == Unmasking::Count,
            _ => false,
        }
    }

    /// See [`super::Request::addressed`].
    pub(super) fn addressed(
        &self,
        object: &dyn Fn(ObjectHandle) -> Result<ObjectHandle, Error>,
    ) -> Result<Cloning<'_>, Error> {
        Ok(match self {
            Self::Vector => Cloning::Vector,
            Self::Invite(certificate, vector) => {
                Cloning::Invite(Cow::Borrowed(certificate), Cow::Borrowed(vector))
            }
            Self::Answer(cargo, message) => {
                let cargo = match cargo {
                    Cargo::Object(handle) => Cargo::Object(object(*handle)?),
                    Cargo::MaskingKey => Cargo::MaskingKey,
                };
                Cloning::Answer(cargo, Cow::Borrowed(message))
            }
            Self::PackMaskingKey => Cloning::PackMaskingKey,
            Self::UnpackMaskingKey(blob) => Cloning::UnpackMaskingKey(Cow::Borrowed(blob)),
            Self::Accept(vector, message) => {
                Cloning::Accept(Cow::Borrowed(vector), Cow::Borrowed(message))
            }
            Self::Negotiate => Cloning::Negotiate,
            Self::Continue(step, message) => Cloning::Continue(*step, Cow::Borrowed(message)),
            Self::Hang(route) => Cloning::Hang(*route),
            Self::Send(route, handle) => Cloning::Send(*route, object(*handle)?),
            Self::Receive(route, blob, in_memory) => {
                Cloning::Receive(*route, Cow::Borrowed(blob), *in_memory)
            }
            Self::Mask { objects, guard, delete, room } => Cloning::Mask {
                objects: objects.iter().map(|it| object(*it)).collect::<Result<_, _>>()?,
                guard: guard.clone(),
                delete: *delete,
                room: *room,
            },
            Self::Unmask { guard, blob, purpose } => Cloning::Unmask {
                guard: guard.clone(),
                blob: Cow::Borrowed(blob),
                purpose: *purpose,
            },
            Self::SetDomain(which, domain) => Cloning::SetDomain(*which, domain.clone()),
            Self::Rollover(rollover) => Cloning::Rollover(*rollover),
        })
    }
}
