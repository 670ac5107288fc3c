//! What a client asks of one partition, and what it answers.
//!
//! The same words travel inside a process (embedded host) and between machines (appliance). Each
//! request says whether it may be sent again and who of an HA group has to hear it; HA decides by
//! nothing else.

mod administration;
mod application;
mod authorization;
mod cloning;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::error::{Cause, Error};
use crate::mechanisms::Mechanism;
use crate::object::{Answer, Template};
use crate::output::{Output, Room};

pub use self::administration::*;
pub use self::application::{Belonging, Sharing};
pub use self::authorization::{DeriveAndWrap, KeyAuthorization, RecoveryLogin};
pub use self::cloning::{Cargo, Cloning, Domain, Guard, Negotiated, Rollover, Route, Unmasking};

/// The application a session belongs to; logins are shared by all sessions of one.
///
/// Source: vendor page "Shared Login State and Application IDs" (Documented).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct ApplicationId {
    /// The first eight of its sixteen bytes.
    pub major: u64,
    /// The others.
    pub minor: u64,
    /// The application named it, so that other processes may share it; else it is the process's own.
    pub named: bool,
}

/// Permanent identity of an object, kept by cloning.
pub type Ouid = [u8; 12];

/// A PIN on its way; zeroed when dropped, never printed.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pin {
    bytes: Zeroizing<Vec<u8>>,
    protected_path: bool,
}

impl Pin {
    /// Takes a copy of the caller's bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: Zeroizing::new(bytes.to_vec()), protected_path: false }
    }

    /// No PIN of the caller's: the PED asks for its key.
    pub fn from_ped() -> Self {
        Self { bytes: Zeroizing::default(), protected_path: true }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is the PED's to ask.
    pub fn is_from_ped(&self) -> bool {
        self.protected_path
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin")
    }
}

/// One question to one partition. Handles are the member's own.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Request<'a> {
    /// Label, flags, memory, policies: everything that needs no session.
    Describe,
    /// State of one role.
    RoleState(Role),
    /// Initialises the partition: label, Partition SO, cloning domain.
    InitToken {
        /// The Partition SO's credential.
        pin: Pin,
        /// At most 32 bytes.
        label: String,
        /// The cloning domain; the default one when none.
        domain: Option<Pin>,
    },
    /// Opens a session.
    OpenSession {
        /// For whom.
        application: ApplicationId,
        /// Read and write.
        read_write: bool,
    },
    /// Closes a session, and logs out with the last of an application.
    CloseSession(SessionHandle),
    /// State of a session.
    SessionState(SessionHandle),
    /// Logs a role in, for all sessions of the application.
    Login(SessionHandle, Role, Pin),
    /// Whether this is the PIN of the role that is logged in, for a key that asks at each use.
    Reauthenticate(SessionHandle, Pin),
    /// Logs out, for all sessions of the application.
    Logout(SessionHandle),
    /// Creates a role's credential: the Partition SO the Crypto Officer's, he the others'.
    InitPin(SessionHandle, Role, Pin),
    /// Changes the credential of the role that is logged in.
    SetPin {
        /// In which session.
        session: SessionHandle,
        /// Now.
        old: Pin,
        /// From then on.
        new: Pin,
    },
    /// Changes partition policies, all or none: number and value.
    SetPolicies(SessionHandle, Cow<'a, [(u64, u64)]>),
    /// `C_CreateObject`.
    Create(SessionHandle, Cow<'a, Template>),
    /// `C_CopyObject`.
    Copy(SessionHandle, ObjectHandle, Cow<'a, Template>),
    /// `C_DestroyObject`.
    Destroy(SessionHandle, ObjectHandle),
    /// `C_GetObjectSize`.
    ObjectSize(SessionHandle, ObjectHandle),
    /// `C_GetAttributeValue`.
    Attributes(SessionHandle, ObjectHandle, Cow<'a, [CK_ATTRIBUTE_TYPE]>),
    /// `C_SetAttributeValue`.
    SetAttributes(SessionHandle, ObjectHandle, Cow<'a, Template>),
    /// Makes a key count uses: `CA_ModifyUsageCount`, or those another member served.
    Count(SessionHandle, ObjectHandle, Counting),
    /// `C_FindObjects`, all at once.
    Find(SessionHandle, Cow<'a, Template>),
    /// The object of that permanent identity.
    Locate(SessionHandle, Ouid),
    /// Whether that key may be used so: `C_EncryptInit` and its kin.
    Check(Operation<'a>),
    /// A whole operation on a whole message, from its beginning to its end.
    Perform {
        /// What, with which key.
        operation: Operation<'a>,
        /// The message.
        #[serde(borrow, with = "serde_bytes")]
        input: Cow<'a, [u8]>,
        /// The signature to verify.
        #[serde(borrow, with = "serde_bytes")]
        signature: Option<Cow<'a, [u8]>>,
        /// Room for the output.
        room: Room,
    },
    /// Begins a message in parts, in place of an older one of that purpose.
    Begin(Operation<'a>),
    /// The next part.
    Update {
        /// In which session.
        session: SessionHandle,
        /// Of which operation.
        purpose: Purpose,
        /// The part.
        #[serde(borrow, with = "serde_bytes")]
        input: Cow<'a, [u8]>,
        /// Room for the output.
        room: Room,
    },
    /// The end.
    Finish {
        /// In which session.
        session: SessionHandle,
        /// Of which operation.
        purpose: Purpose,
        /// The signature to verify.
        #[serde(borrow, with = "serde_bytes")]
        signature: Option<Cow<'a, [u8]>>,
        /// Room for the output.
        room: Room,
    },
    /// Feeds a key to a digest in parts.
    DigestKey(SessionHandle, ObjectHandle),
    /// The sealed state of a message in parts, which goes on.
    SaveState(SessionHandle, Purpose),
    /// Goes on from a saved state, in place of a digest in parts.
    LoadState(SessionHandle, #[serde(borrow, with = "serde_bytes")] Cow<'a, [u8]>),
    /// Drops a message in parts.
    Abandon(SessionHandle, Purpose),
    /// `C_GenerateKey`.
    GenerateKey(SessionHandle, Cow<'a, Mechanism>, Cow<'a, Template>),
    /// `C_GenerateKeyPair`.
    GenerateKeyPair(SessionHandle, Cow<'a, Mechanism>, Cow<'a, Template>, Cow<'a, Template>),
    /// `C_WrapKey`: by the first key, the second.
    Wrap(SessionHandle, Cow<'a, Mechanism>, ObjectHandle, ObjectHandle, Room),
    /// `C_UnwrapKey`.
    Unwrap(SessionHandle, Cow<'a, Mechanism>, ObjectHandle, Cow<'a, [u8]>, Cow<'a, Template>),
    /// `C_DeriveKey`.
    Derive(SessionHandle, Cow<'a, Mechanism>, ObjectHandle, Cow<'a, Template>),
    /// `CA_EncapsulateKey`.
    Encapsulate(SessionHandle, Cow<'a, Mechanism>, ObjectHandle, Cow<'a, Template>, Room),
    /// `CA_DecapsulateKey`: the ciphertext.
    Decapsulate(SessionHandle, Cow<'a, Mechanism>, ObjectHandle, Cow<'a, [u8]>, Cow<'a, Template>),
    /// `C_GenerateRandom`.
    Random(SessionHandle, usize),
    /// `C_SeedRandom`.
    SeedRandom(SessionHandle, #[serde(borrow, with = "serde_bytes")] Cow<'a, [u8]>),
    /// The object, sealed under the cloning domain.
    Extract(SessionHandle, ObjectHandle),
    /// An object from another partition of the domain; with a generation, unless it was destroyed
    /// here after that.
    Insert(SessionHandle, #[serde(borrow, with = "serde_bytes")] Cow<'a, [u8]>, Option<u64>),
    /// Every object the session sees.
    Inventory(SessionHandle),
    /// An object was destroyed elsewhere: a copy that is on its way here is not to be taken.
    Bury(SessionHandle, Ouid),
    /// About applications that share a login.
    Sharing(Sharing),
    /// One step of an object's journey.
    Cloning(SessionHandle, Cloning<'a>),
    /// About a key's own secret.
    AuthorizeKey(SessionHandle, ObjectHandle, KeyAuthorization),
    /// `CA_DeriveKeyAndWrap`.
    DeriveAndWrap(SessionHandle, DeriveAndWrap<'a>),
    /// The login of one HSM by another.
    Recovery(SessionHandle, RecoveryLogin<'a>),
    /// `CA_GetTokenCertificates`: by `CKHSC_CERT_TYPE_` number.
    Certificate(CK_ULONG),
    /// The administration of the HSM itself, from a session of the admin partition or, with handle
    /// 0, from its slot.
    Administer(SessionHandle, Cow<'a, Administration>),
}

/// What to do with which key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Operation<'a> {
    /// In which session.
    pub session: SessionHandle,
    /// Encrypt, decrypt, digest, sign, verify.
    pub purpose: Purpose,
    /// How.
    pub mechanism: Cow<'a, Mechanism>,
    /// With which key; none for a digest.
    pub key: Option<ObjectHandle>,
    /// The PIN, for a key that asks for it at each use.
    pub pin: Option<Cow<'a, Pin>>,
}

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

/// What becomes of the count of a key's uses.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Counting {
    /// So many uses by another member of a group.
    Used(u64),
    /// So many more, by `CA_ModifyUsageCount`.
    Add(u64),
    /// So many, by `CA_ModifyUsageCount`.
    Set(u64),
}

/// An object as a member names it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Found {
    /// The member's handle.
    pub handle: ObjectHandle,
    /// The same on every member.
    pub ouid: Ouid,
    /// A token object, as against a session object.
    pub token: bool,
}

/// The answer to a request that was not refused.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Reply {
    /// Nothing to say but yes.
    Done,
    /// To `Describe`.
    Description(Box<Description>),
    /// To `RoleState`.
    RoleState(RoleState),
    /// To `OpenSession`.
    Session(SessionHandle),
    /// To `SessionState`.
    State(CK_STATE),
    /// To requests that make one object, or find one.
    Object(Found),
    /// To `GenerateKeyPair`: public, private.
    Pair(Found, Found),
    /// To `Encapsulate`: the ciphertext, and the key in it where there was room.
    Encapsulated(Output, Option<Found>),
    /// To a `Derive` of several keys, or of a key and more: the keys, and what is told beside them.
    Derived(Vec<Found>, Vec<Vec<u8>>),
    /// To `Find`.
    Objects(Vec<Found>),
    /// To `Inventory`: the objects, and a generation of the HSM that is no later than they.
    Inventory(Vec<Found>, u64),
    /// To `ObjectSize`.
    Size(u64),
    /// To `Attributes`, in the order asked.
    Answers(Vec<Answer>),
    /// To operations.
    Output(Output),
    /// To `Random`, `Extract` and `SaveState`.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// To `LoadState`.
    Restored {
        /// The digest's.
        mechanism: CK_MECHANISM_TYPE,
        /// The message was begun, so that it ends with a `Finish`.
        begun: bool,
    },
    /// To `Check` of a key that asks for the PIN at each use.
    PinWanted,
    /// To `Sharing::Belonging`.
    Belonging(Belonging),
    /// To the steps of a negotiation.
    Negotiated(Negotiated),
    /// To `Administer`.
    Administered(Box<Administered>),
    /// The reply to a use of a key that counts them: every member of a group must count this one.
    Counted(Box<Reply>),
}

impl Reply {
    /// The reply without the mark of a counted use, and whether it had one.
    pub fn uncounted(self) -> (Self, bool) {
        match self {
            Self::Counted(reply) => (*reply, true),
            reply => (reply, false),
        }
    }
}

/// What a partition says of itself.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Description {
    /// Without padding.
    pub label: String,
    /// Decimal digits.
    pub serial: String,
    /// The HSM's model.
    pub model: String,
    /// Who made it.
    pub manufacturer: String,
    /// `CKF_` flags of the token.
    pub flags: CK_FLAGS,
    /// Open sessions: all, and those that write.
    pub sessions: (u64, u64),
    /// The most sessions.
    pub max_sessions: u64,
    /// Shortest and longest PIN, in bytes.
    pub pin_len: (u64, u64),
    /// Bytes in all, and bytes free.
    pub memory: (u64, u64),
    /// Firmware: major, minor, sub-minor.
    pub firmware: (u64, u64, u64),
    /// Firmware of a cloud HSM beside that; zeroes where the HSM is none.
    pub cryptovisor: (u64, u64, u64),
    /// Objects in the partition.
    pub objects: u64,
    /// Partition policies that show.
    pub policies: Vec<PolicyState>,
    /// Mechanisms: number, smallest and largest key, flags.
    pub mechanisms: Vec<(CK_MECHANISM_TYPE, CK_ULONG, CK_ULONG, CK_FLAGS)>,
}

/// What a partition says of a policy and the capability that bounds it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PolicyState {
    /// Its number.
    pub id: u64,
    /// What follows "Enable" and "Allow".
    pub text: String,
    /// What the factory allows.
    pub capability: u64,
    /// What the Partition SO chose.
    pub value: u64,
    /// A change of it can wipe the partition.
    pub destructive: bool,
    /// A capability that no policy follows.
    pub fixed: bool,
}

/// What a partition says of a role.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RoleState {
    /// It has a credential.
    pub initialized: bool,
    /// Too many wrong ones.
    pub locked: bool,
    /// PED partitions: its key is cached, so that the challenge alone logs in.
    pub activated: bool,
    /// PED partitions: the first challenge must be changed.
    pub challenge_must_change: bool,
    /// `CKA_ROLE_AUTH_` numbers: of the credential, and of the challenge beside it.
    pub authentication: (u8, u8),
    /// The first credential must be changed.
    pub must_change: bool,
    /// Wrong credentials left.
    pub attempts_left: u64,
}

/// Who of an HA group has to hear a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// Any one member; the least busy.
    Any,
    /// The member the operation began on.
    Pinned,
    /// Every member that is up.
    All,
    /// The primary, who passes on what comes of it.
    Primary,
    /// The members themselves, never the group: administration.
    Member,
}

impl Request<'_> {
    /// Who of an HA group has to hear it. Source: ha.md sections 5 to 7 (Documented).
    pub fn audience(&self) -> Audience {
        match self {
            Self::Perform { .. }
            | Self::Check(_)
            | Self::Wrap(..)
            | Self::Random(..)
            | Self::Attributes(..)
            | Self::ObjectSize(..)
            | Self::Find(..)
            | Self::SessionState(_)
            | Self::SeedRandom(..)
            | Self::DeriveAndWrap(..)
            | Self::Sharing(Sharing::Belonging(_))
            | Self::Reauthenticate(..) => Audience::Any,
            Self::Begin(_)
            | Self::Update { .. }
            | Self::Finish { .. }
            | Self::DigestKey(..)
            | Self::SaveState(..)
            | Self::LoadState(..)
            | Self::Abandon(..) => Audience::Pinned,
            Self::OpenSession { .. }
            | Self::CloseSession(_)
            | Self::Login(..)
            | Self::Logout(_)
            | Self::Destroy(..)
            | Self::SetAttributes(..)
            | Self::AuthorizeKey(..)
            | Self::Count(_, _, Counting::Add(_) | Counting::Set(_)) => Audience::All,
            Self::Create(..)
            | Self::Copy(..)
            | Self::Unwrap(..)
            | Self::Derive(..)
            | Self::Encapsulate(..)
            | Self::Decapsulate(..)
            | Self::GenerateKey(..)
            | Self::GenerateKeyPair(..) => Audience::Primary,
            Self::Recovery(_, recovery) => recovery.audience(),
            Self::Describe
            | Self::RoleState(_)
            | Self::InitToken { .. }
            | Self::InitPin(..)
            | Self::SetPin { .. }
            | Self::SetPolicies(..)
            | Self::Sharing(Sharing::Open(_) | Sharing::Close(_))
            | Self::Cloning(..)
            | Self::Certificate(_)
            | Self::Count(_, _, Counting::Used(_))
            | Self::Locate(..)
            | Self::Extract(..)
            | Self::Insert(..)
            | Self::Bury(..)
            | Self::Administer(..)
            | Self::Inventory(_) => Audience::Member,
        }
    }

    /// Whether hearing it twice leaves the partition as hearing it once. Only such a request is
    /// sent again when its answer was lost.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Describe
            | Self::RoleState(_)
            | Self::SessionState(_)
            | Self::ObjectSize(..)
            | Self::Attributes(..)
            | Self::SetAttributes(..)
            | Self::Find(..)
            | Self::Locate(..)
            | Self::Check(_)
            | Self::Perform { .. }
            | Self::Begin(_)
            | Self::SaveState(..)
            | Self::LoadState(..)
            | Self::Abandon(..)
            | Self::Wrap(..)
            | Self::Random(..)
            | Self::SeedRandom(..)
            | Self::Extract(..)
            | Self::Count(_, _, Counting::Set(_))
            | Self::Bury(..)
            | Self::Sharing(Sharing::Belonging(_))
            | Self::Certificate(_)
            | Self::Inventory(_) => true,
            Self::Cloning(_, cloning) => cloning.is_repeatable(),
            Self::AuthorizeKey(_, _, said) => said.is_repeatable(),
            Self::Recovery(_, recovery) => recovery.is_repeatable(),
            Self::Administer(_, what) => what.is_question(),
            // Two sessions, two wrong PINs counted, two keys, a part fed twice.
            Self::InitToken { .. }
            | Self::OpenSession { .. }
            | Self::CloseSession(_)
            | Self::Login(..)
            | Self::Reauthenticate(..)
            | Self::Logout(_)
            | Self::InitPin(..)
            | Self::SetPin { .. }
            | Self::SetPolicies(..)
            | Self::Count(_, _, Counting::Used(_) | Counting::Add(_))
            | Self::Create(..)
            | Self::Copy(..)
            | Self::Destroy(..)
            | Self::Update { .. }
            | Self::Finish { .. }
            | Self::DigestKey(..)
            | Self::GenerateKey(..)
            | Self::GenerateKeyPair(..)
            | Self::Unwrap(..)
            | Self::Derive(..)
            | Self::Encapsulate(..)
            | Self::Decapsulate(..)
            | Self::DeriveAndWrap(..)
            | Self::Sharing(Sharing::Open(_) | Sharing::Close(_))
            | Self::Insert(..) => false,
        }
    }
}

/// Why a request has no reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The partition heard it and refused.
    Refused(Error),
    /// The member did not hear it: nothing has happened there.
    Unreachable(String),
    /// The member may have heard it; the reply did not come.
    Lost(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// A way to one partition.
pub trait Link: Send + Sync {
    /// The partition's serial number, in decimal digits.
    fn serial(&self) -> &str;

    /// Whether [`Link::presence`] tells of a loss and of its end without being asked to look: a
    /// group then believes it at once, and tries at intervals where not.
    fn tells_at_once(&self) -> bool {
        true
    }

    /// Whether the member can be reached, found out now where that is not known.
    fn is_there(&self) -> bool {
        self.presence().reachable
    }

    /// Whether the slot is listed also when nothing can be reached behind it at the start.
    fn keeps_its_slot(&self) -> bool {
        false
    }

    /// Asks. Never sleeps; a deadline is the link's own matter.
    ///
    /// # Errors
    /// See [`Fault`].
    fn call(&self, request: &Request<'_>) -> Result<Reply, Fault>;

    /// A shorter way to a session that is open there, where the link has one.
    fn seat(&self, _session: SessionHandle) -> Option<Arc<dyn Seat>> {
        None
    }

    /// Whether the member can be reached, and how often it was lost before; sessions of an older
    /// count are gone. Costs a few nanoseconds where the link can tell, and is what the last call
    /// saw where it cannot.
    fn presence(&self) -> Presence;
}

/// One session of a partition, reached without being looked up for each request.
pub trait Seat: Send + Sync {
    /// As [`Link::call`]; whatever session the request names, this one is meant. An output goes to
    /// `out` where there is one with room for it, and is a reply like any other where not.
    ///
    /// # Errors
    /// As [`Link::call`].
    fn call(&self, request: &Request<'_>, out: Option<&mut [u8]>) -> Result<Reply, Fault>;
}

/// See [`Link::presence`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Presence {
    /// It can be reached, as far as the link can tell.
    pub reachable: bool,
    /// Counts the times it was lost.
    pub epoch: u64,
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
