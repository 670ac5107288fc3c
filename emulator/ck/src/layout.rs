//! Vendor structures as they lie in memory on 64-bit Linux (natural alignment).
//!
//! Source: `ThalesGroup/pycryptoki:pycryptoki/cryptoki/ck_defs.py` (Documented).

use pkcs11_sys::{CK_BYTE, CK_RV, CK_ULONG};

/// Members one HA group can have. Source: vendor header, `CK_HA_MAX_MEMBERS` (Documented).
pub const CK_HA_MAX_MEMBERS: usize = 32;

/// One member of an HA group: serial as NUL-terminated decimal digits, and `CKR_OK` or its fault.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_HA_MEMBER {
    /// Decimal digits, NUL-terminated.
    pub memberSerial: [CK_BYTE; 20],
    /// `CKR_OK` when up, else the code of the fault.
    pub memberStatus: CK_RV,
}

/// The parameter of `CKM_DES3_CTR`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_DES_CTR_PARAMS {
    /// Bits at the end of the block that count.
    pub ulCounterBits: CK_ULONG,
    /// The first counter block.
    pub cb: [CK_BYTE; 8],
}

/// What `CA_GetHAState` fills.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_HA_STATUS {
    /// Decimal digits, NUL-terminated.
    pub groupSerial: [CK_BYTE; 20],
    /// The first `listSize` entries count.
    pub memberList: [CK_HA_MEMBER; CK_HA_MAX_MEMBERS],
    /// Entries filled.
    pub listSize: CK_ULONG,
}

/// What `CA_RoleStateGet` fills.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CA_ROLE_STATE {
    /// `CAF_ROLE_STATE_*` bits.
    pub flags: CK_BYTE,
    /// Wrong credentials left before the role is locked.
    pub loginAttemptsLeft: CK_BYTE,
    /// None 0, password 1, PED 2, invalid 0xff.
    pub primaryAuthMech: CK_BYTE,
    /// As `primaryAuthMech`.
    pub secondaryAuthMech: CK_BYTE,
}

const _: () = assert!(size_of::<CK_DES_CTR_PARAMS>() == 16);
const _: () = assert!(size_of::<CK_HA_MEMBER>() == 32);
const _: () = assert!(size_of::<CK_HA_STATUS>() == 1056);
const _: () = assert!(std::mem::offset_of!(CK_HA_STATUS, listSize) == 1048);
const _: () = assert!(size_of::<CA_ROLE_STATE>() == 4);
