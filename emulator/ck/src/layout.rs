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

/// The parameter of `CKM_NIST_PRF_KDF` and `CKM_PRF_KDF`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_KDF_PRF_PARAMS {
    /// `CK_NIST_PRF_KDF_` or `CK_PRF_KDF_` number.
    pub prfType: CK_ULONG,
    /// What the key is for.
    pub pLabel: *mut CK_BYTE,
    /// Its length in bytes.
    pub ulLabelLen: CK_ULONG,
    /// Whom the key is for.
    pub pContext: *mut CK_BYTE,
    /// Its length in bytes.
    pub ulContextLen: CK_ULONG,
    /// The first value of the counter.
    pub ulCounter: CK_ULONG,
    /// `LUNA_PRF_KDF_ENCODING_SCHEME_` number.
    pub ulEncodingScheme: CK_ULONG,
}

const _: () = assert!(size_of::<CK_KDF_PRF_PARAMS>() == 56);
/// The parameter of ML-DSA, PKCS#11 v3.2. Source: `ThalesGroup/luna-samples:
/// Node-PKCS11_Samples/lib/pqc_helper.js` (Documented).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_SIGN_ADDITIONAL_CONTEXT {
    /// `CKH_HEDGE_PREFERRED` and so on.
    pub hedgeVariant: CK_ULONG,
    /// The context.
    pub pContext: *mut CK_BYTE,
    /// Its bytes.
    pub ulContextLen: CK_ULONG,
}

/// The parameter of ML-DSA over a digest, PKCS#11 v3.2. Source: as above.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_HASH_SIGN_ADDITIONAL_CONTEXT {
    /// `CKH_HEDGE_PREFERRED` and so on.
    pub hedgeVariant: CK_ULONG,
    /// The context.
    pub pContext: *mut CK_BYTE,
    /// Its bytes.
    pub ulContextLen: CK_ULONG,
    /// `CKM_SHA256` and so on.
    pub hash: CK_ULONG,
}

/// Signatures may differ from each other, and do.
pub const CKH_HEDGE_PREFERRED: CK_ULONG = 0;
/// Signatures differ from each other.
pub const CKH_HEDGE_REQUIRED: CK_ULONG = 1;
/// The same message gives the same signature.
pub const CKH_DETERMINISTIC_REQUIRED: CK_ULONG = 2;

/// Parameter sets, for `CKA_PARAMETER_SET`.
pub const CKP_ML_DSA_44: CK_ULONG = 1;
/// As above.
pub const CKP_ML_DSA_65: CK_ULONG = 2;
/// As above.
pub const CKP_ML_DSA_87: CK_ULONG = 3;
/// As above.
pub const CKP_ML_KEM_512: CK_ULONG = 1;
/// As above.
pub const CKP_ML_KEM_768: CK_ULONG = 2;
/// As above.
pub const CKP_ML_KEM_1024: CK_ULONG = 3;

const _: () = assert!(size_of::<CK_SIGN_ADDITIONAL_CONTEXT>() == 24);
const _: () = assert!(size_of::<CK_HASH_SIGN_ADDITIONAL_CONTEXT>() == 32);
const _: () = assert!(size_of::<CK_DES_CTR_PARAMS>() == 16);
const _: () = assert!(size_of::<CK_HA_MEMBER>() == 32);
const _: () = assert!(size_of::<CK_HA_STATUS>() == 1056);
const _: () = assert!(std::mem::offset_of!(CK_HA_STATUS, listSize) == 1048);
const _: () = assert!(size_of::<CA_ROLE_STATE>() == 4);

/// A policy of a template.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_POLICY_INFO {
    /// Its number.
    pub ulId: CK_ULONG,
    /// What it starts with.
    pub ulValue: CK_ULONG,
    /// Switching it on wipes: 0 or 1.
    pub ulOffToOnDestructive: CK_ULONG,
    /// Switching it off wipes: 0 or 1.
    pub ulOnToOffDestructive: CK_ULONG,
}

/// A counter of the utilisation metrics.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_UTILIZATION_COUNTER {
    /// Serial number of the partition.
    pub ullSerialNumber: CK_ULONG,
    /// Its label, NUL-terminated.
    pub label: [CK_BYTE; 66],
    /// Which bin.
    pub ulBindId: CK_ULONG,
    /// Which counter of the bin.
    pub ulCounterId: CK_ULONG,
    /// How often.
    pub ullCount: CK_ULONG,
}

/// A number of `CA_GetHSMStats`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct HSM_STATS_PARAMS {
    /// Which.
    pub ulId: CK_ULONG,
    /// Its upper 32 bits.
    pub ulHighValue: CK_ULONG,
    /// Its lower 32 bits.
    pub ulLowValue: CK_ULONG,
}

const _: () = assert!(size_of::<CK_POLICY_INFO>() == 32);
const _: () = assert!(size_of::<CK_UTILIZATION_COUNTER>() == 104);
const _: () = assert!(size_of::<HSM_STATS_PARAMS>() == 24);
