//! What a module tells about itself, its slots, tokens, mechanisms and sessions.

use std::fmt;

use luna_ck::*;

/// A slot's number as the module gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub CK_SLOT_ID);

/// A session's handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle(pub CK_SESSION_HANDLE);

/// An object's handle: good for one application, until the object or the module is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectHandle(pub CK_OBJECT_HANDLE);

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ObjectHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who logs in: any number, with the roles of a Luna partition named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserType(pub CK_USER_TYPE);

impl UserType {
    /// The standard's security officer; the Partition SO of a user partition.
    pub const SO: Self = Self(CKU_SO);
    /// The Partition SO.
    pub const PARTITION_SO: Self = Self(CKU_SO);
    /// The standard's user; the Crypto Officer of a user partition.
    pub const USER: Self = Self(CKU_USER);
    /// The Crypto Officer.
    pub const CRYPTO_OFFICER: Self = Self(CKU_USER);
    /// The Limited Crypto Officer.
    pub const LIMITED_CRYPTO_OFFICER: Self = Self(CKU_LIMITED_CRYPTO_OFFICER);
    /// The Crypto User.
    pub const CRYPTO_USER: Self = Self(CKU_CRYPTO_USER);
    /// The auditor of an admin partition.
    pub const AUDITOR: Self = Self(CKU_AUDIT);
    /// `CKA_ALWAYS_AUTHENTICATE`.
    pub const CONTEXT_SPECIFIC: Self = Self(CKU_CONTEXT_SPECIFIC);
}

/// `CK_VERSION`: major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u8,
    /// After the dot.
    pub minor: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<CK_VERSION> for Version {
    fn from(version: CK_VERSION) -> Self {
        Self { major: version.major, minor: version.minor }
    }
}

/// `CK_INFO`. Texts are trimmed of their padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The version of the standard the module follows.
    pub cryptoki_version: Version,
    /// Who made the module.
    pub manufacturer: String,
    /// `CK_INFO::flags`; 0 by the standard.
    pub flags: CK_FLAGS,
    /// What the module calls itself.
    pub description: String,
    /// The version of the module.
    pub library_version: Version,
}

impl From<&CK_INFO> for Info {
    fn from(info: &CK_INFO) -> Self {
        Self {
            cryptoki_version: info.cryptokiVersion.into(),
            manufacturer: text(&info.manufacturerID),
            flags: info.flags,
            description: text(&info.libraryDescription),
            library_version: info.libraryVersion.into(),
        }
    }
}

/// `CK_SLOT_INFO`. Texts are trimmed of their padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotInfo {
    /// As in `Net Token Slot`.
    pub description: String,
    /// Who made the slot.
    pub manufacturer: String,
    /// `CKF_TOKEN_PRESENT` and so on.
    pub flags: CK_FLAGS,
    /// Of the slot.
    pub hardware_version: Version,
    /// Of the slot.
    pub firmware_version: Version,
}

impl SlotInfo {
    /// `CKF_TOKEN_PRESENT`.
    pub fn token_present(&self) -> bool {
        self.flags & CKF_TOKEN_PRESENT != 0
    }
}

impl From<&CK_SLOT_INFO> for SlotInfo {
    fn from(info: &CK_SLOT_INFO) -> Self {
        Self {
            description: text(&info.slotDescription),
            manufacturer: text(&info.manufacturerID),
            flags: info.flags,
            hardware_version: info.hardwareVersion.into(),
            firmware_version: info.firmwareVersion.into(),
        }
    }
}

/// `CK_TOKEN_INFO`. Texts are trimmed of their padding; counts and sizes are the module's numbers, with
/// `CK_UNAVAILABLE_INFORMATION` and `CK_EFFECTIVELY_INFINITE` left as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is the standard's field of the same name")]
pub struct TokenInfo {
    pub label: String,
    pub manufacturer: String,
    pub model: String,
    pub serial_number: String,
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
    pub hardware_version: Version,
    pub firmware_version: Version,
    pub utc_time: String,
}

impl TokenInfo {
    /// `CKF_TOKEN_INITIALIZED`.
    pub fn initialized(&self) -> bool {
        self.flags & CKF_TOKEN_INITIALIZED != 0
    }
}

impl From<&CK_TOKEN_INFO> for TokenInfo {
    fn from(info: &CK_TOKEN_INFO) -> Self {
        Self {
            label: text(&info.label),
            manufacturer: text(&info.manufacturerID),
            model: text(&info.model),
            serial_number: text(&info.serialNumber),
            flags: info.flags,
            max_session_count: info.ulMaxSessionCount,
            session_count: info.ulSessionCount,
            max_rw_session_count: info.ulMaxRwSessionCount,
            rw_session_count: info.ulRwSessionCount,
            max_pin_len: info.ulMaxPinLen,
            min_pin_len: info.ulMinPinLen,
            total_public_memory: info.ulTotalPublicMemory,
            free_public_memory: info.ulFreePublicMemory,
            total_private_memory: info.ulTotalPrivateMemory,
            free_private_memory: info.ulFreePrivateMemory,
            hardware_version: info.hardwareVersion.into(),
            firmware_version: info.firmwareVersion.into(),
            utc_time: text(&info.utcTime),
        }
    }
}

/// `CK_MECHANISM_INFO`: sizes in the mechanism's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MechanismInfo {
    /// Smallest key.
    pub min_key_size: CK_ULONG,
    /// Largest key.
    pub max_key_size: CK_ULONG,
    /// `CKF_ENCRYPT` and so on.
    pub flags: CK_FLAGS,
}

impl From<CK_MECHANISM_INFO> for MechanismInfo {
    fn from(info: CK_MECHANISM_INFO) -> Self {
        Self { min_key_size: info.ulMinKeySize, max_key_size: info.ulMaxKeySize, flags: info.flags }
    }
}

/// `CK_SESSION_INFO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionInfo {
    /// Where the session is open.
    pub slot: SlotId,
    /// `CKS_…`.
    pub state: CK_STATE,
    /// `CKF_RW_SESSION` and so on.
    pub flags: CK_FLAGS,
    /// The device's own code.
    pub device_error: CK_ULONG,
}

impl From<CK_SESSION_INFO> for SessionInfo {
    fn from(info: CK_SESSION_INFO) -> Self {
        Self {
            slot: SlotId(info.slotID),
            state: info.state,
            flags: info.flags,
            device_error: info.ulDeviceError,
        }
    }
}

/// A padded field as text: blanks at the end, and anything from a NUL on, do not belong to it.
fn text(field: &[CK_UTF8CHAR]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let field = field.get(..end).unwrap_or(field);
    String::from_utf8_lossy(field).trim_end_matches(' ').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_not_part_of_the_text() {
        assert_eq!(text(b"par1    "), "par1");
        assert_eq!(text(b"  par 1\0\0\0"), "  par 1");
        assert_eq!(text(b"        "), "");
    }
}
