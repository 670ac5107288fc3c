//! What a client asks of one partition, and what it answers.
//!
//! The same words travel inside a process (embedded host) and between machines (appliance). Each
//! request says whether it may be sent again and who of an HA group has to hear it; HA decides by
//! nothing else.

mod addressing;
mod administration;
mod application;
mod audience;
mod authorization;
mod cloning;
mod description;
mod link;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::mechanisms::Mechanism;
use crate::object::{Answer, Template};
use crate::output::{Output, Room};

pub use self::administration::*;
pub use self::application::{Belonging, Sharing};
pub use self::audience::Audience;
pub use self::authorization::{DeriveAndWrap, KeyAuthorization, RecoveryLogin};
pub use self::cloning::{Cargo, Cloning, Domain, Guard, Negotiated, Rollover, Route, Unmasking};
pub use self::description::{Description, PolicyState, RoleState};
pub use self::link::{Fault, Link, Presence, Seat};

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
