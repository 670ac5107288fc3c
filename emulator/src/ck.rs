//! The words of the standard and the vendor, with handles that cannot be mixed up.

use serde::{Deserialize, Serialize};

pub use luna_ck::*;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        pub struct $name(pub CK_ULONG);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

handle! {
    /// A slot as the application numbers it.
    SlotId
}
handle! {
    /// A session: the application's at the boundary, a member's behind a `Link`.
    SessionHandle
}
handle! {
    /// An object: the application's at the boundary, a member's behind a `Link`.
    ObjectHandle
}

/// What an initialised operation is for. One session holds at most one of each.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Purpose {
    /// `C_EncryptInit` and what follows it.
    Encrypt,
    /// `C_DecryptInit` and what follows it.
    Decrypt,
    /// `C_DigestInit` and what follows it.
    Digest,
    /// `C_SignInit` and what follows it.
    Sign,
    /// `C_VerifyInit` and what follows it.
    Verify,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] =
        [Self::Encrypt, Self::Decrypt, Self::Digest, Self::Sign, Self::Verify];
}

/// Who logs in, in the vendor's roles.
///
/// Source: roles.md section 1 of the fact pack (Documented).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Role {
    /// `CKU_SO` on a user partition.
    PartitionSo,
    /// `CKU_USER`.
    CryptoOfficer,
    /// `CKU_LIMITED_CRYPTO_OFFICER`: firmware 7.7 and later, on V1 partitions.
    LimitedCryptoOfficer,
    /// `CKU_LIMITED_USER`, in an old header 0x08000001.
    CryptoUser,
    /// `CKU_SO` on the admin partition.
    HsmSo,
    /// `CKU_USER` on the admin partition.
    Administrator,
    /// `CKU_AUDIT`: on the admin partition alone.
    Auditor,
}

impl Role {
    /// The role behind a `CK_USER_TYPE`, as a user partition names it; none where no partition has
    /// such a role. A partition reads it by [`Role::of_admin_partition`] where it is the admin one.
    pub fn from_user_type(user: CK_USER_TYPE) -> Option<Self> {
        match user {
            CKU_AUDIT => Some(Self::Auditor),
            CKU_SO => Some(Self::PartitionSo),
            CKU_USER => Some(Self::CryptoOfficer),
            CKU_LIMITED_CRYPTO_OFFICER => Some(Self::LimitedCryptoOfficer),
            CKU_LIMITED_USER | CKU_LIMITED_USER_OLD => Some(Self::CryptoUser),
            _ => None,
        }
    }

    /// The vendor's words.
    pub fn name(self) -> &'static str {
        match self {
            Self::PartitionSo => "Partition SO",
            Self::CryptoOfficer => "Crypto Officer",
            Self::LimitedCryptoOfficer => "Limited Crypto Officer",
            Self::CryptoUser => "Crypto User",
            Self::HsmSo => "HSM SO",
            Self::Administrator => "Administrator",
            Self::Auditor => "Auditor",
        }
    }

    /// The number the store keeps; never changed.
    pub fn code(self) -> u8 {
        match self {
            Self::PartitionSo => 0,
            Self::CryptoOfficer => 1,
            Self::LimitedCryptoOfficer => 2,
            Self::CryptoUser => 3,
            Self::HsmSo => 4,
            Self::Administrator => 5,
            Self::Auditor => 6,
        }
    }

    /// The same user type on the admin partition; none where it has no such role.
    pub fn of_admin_partition(self) -> Option<Self> {
        match self {
            Self::PartitionSo | Self::HsmSo => Some(Self::HsmSo),
            Self::CryptoOfficer | Self::Administrator => Some(Self::Administrator),
            Self::Auditor => Some(Self::Auditor),
            Self::LimitedCryptoOfficer | Self::CryptoUser => None,
        }
    }

    /// The same user type on a user partition; none where it has no such role.
    pub fn of_user_partition(self) -> Option<Self> {
        match self {
            Self::HsmSo | Self::Administrator | Self::Auditor => None,
            role => Some(role),
        }
    }

    /// A security officer: he logs in when no read-only session is open.
    pub fn is_security_officer(self) -> bool {
        matches!(self, Self::PartitionSo | Self::HsmSo)
    }

    /// Every role, those of a user partition first.
    pub const ALL: [Self; 7] = [
        Self::PartitionSo,
        Self::CryptoOfficer,
        Self::LimitedCryptoOfficer,
        Self::CryptoUser,
        Self::HsmSo,
        Self::Administrator,
        Self::Auditor,
    ];
}
