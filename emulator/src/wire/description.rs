//! What a partition says of itself.

use serde::{Deserialize, Serialize};

use crate::ck::*;

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
