//! What the library tells of itself, slots, tokens and sessions.

use crate::ck::*;

/// `CK_INFO`, but for the Cryptoki version, which the function tables decide.
#[derive(Clone, Debug)]
pub struct LibraryInfo {
    /// `manufacturerID`.
    pub manufacturer: String,
    /// `libraryDescription`.
    pub description: String,
    /// `libraryVersion`.
    pub version: (u8, u8),
}

/// `CK_SLOT_INFO`.
#[derive(Clone, Debug)]
pub struct SlotInfo {
    /// `slotDescription`.
    pub description: String,
    /// `manufacturerID`.
    pub manufacturer: String,
    /// `CKF_` flags.
    pub flags: CK_FLAGS,
    /// `hardwareVersion`.
    pub hardware_version: (u8, u8),
    /// `firmwareVersion`.
    pub firmware_version: (u8, u8),
}

/// `CK_TOKEN_INFO`; lengths and memory in bytes.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are the structure's")]
pub struct TokenInfo {
    pub label: String,
    pub manufacturer: String,
    pub model: String,
    pub serial: String,
    pub flags: CK_FLAGS,
    pub max_session_count: CK_ULONG,
    pub session_count: CK_ULONG,
    pub max_rw_session_count: CK_ULONG,
    pub rw_session_count: CK_ULONG,
    pub max_pin_len: CK_ULONG,
    pub min_pin_len: CK_ULONG,
    pub total_public_memory: CK_ULONG,
    pub free_public_memory: CK_ULONG,
    pub total_private_memory: CK_ULONG,
    pub free_private_memory: CK_ULONG,
    pub hardware_version: (u8, u8),
    pub firmware_version: (u8, u8),
}

/// `CK_MECHANISM_INFO`.
#[derive(Clone, Copy, Debug)]
pub struct MechanismInfo {
    /// `ulMinKeySize`.
    pub min_key_size: CK_ULONG,
    /// `ulMaxKeySize`.
    pub max_key_size: CK_ULONG,
    /// `CKF_` flags.
    pub flags: CK_FLAGS,
}

/// `CK_SESSION_INFO`.
#[derive(Clone, Copy, Debug)]
pub struct SessionInfo {
    /// `slotID`.
    pub slot: SlotId,
    /// `CKS_` state.
    pub state: CK_STATE,
    /// `CKF_` flags.
    pub flags: CK_FLAGS,
    /// `ulDeviceError`.
    pub device_error: CK_ULONG,
}

/// What `CA_GetHAState` tells.
#[derive(Clone, Debug)]
pub struct HaState {
    /// The group's, decimal digits.
    pub serial: String,
    /// Serial number and state of each member.
    pub members: Vec<(String, CK_RV)>,
}

/// What `CA_GetTokenStorageInformation` tells, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct TokenStorage {
    /// What the partition itself takes of the HSM.
    pub overhead: CK_ULONG,
    /// For objects.
    pub total: CK_ULONG,
    /// By objects.
    pub used: CK_ULONG,
    /// Left.
    pub free: CK_ULONG,
    /// How many objects.
    pub objects: CK_ULONG,
}

/// `CA_ROLE_STATE`.
#[derive(Clone, Copy, Debug)]
pub struct RoleState {
    /// `CAF_ROLE_STATE_` bits.
    pub flags: u8,
    /// Wrong credentials left.
    pub attempts_left: u8,
    /// None 0, password 1, PED 2.
    pub primary_authentication: u8,
    /// The same for the challenge.
    pub secondary_authentication: u8,
}
