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

/// An application's identity of 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(non_camel_case_types, non_snake_case, reason = "the header's spelling")]
pub struct CK_APPLICATION_ID {
    /// Its bytes.
    pub id: [CK_BYTE; 16],
}

/// One object of `CA_MigrateKeys`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(non_camel_case_types, non_snake_case, reason = "the header's spelling")]
pub struct CK_OBJECT_MIGRATION_DATA {
    /// 0: a Cryptoki object.
    pub objectType: CK_ULONG,
    /// Its handle where it is.
    pub sourceHandle: CK_ULONG,
    /// Its handle where it went.
    pub targetHandle: CK_ULONG,
    /// What became of it.
    pub rv: CK_ULONG,
}

/// The parameter of `CKM_CPV4_EXTRACT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, non_snake_case, reason = "the header's spelling")]
#[allow(missing_docs, reason = "the names say what is in them")]
pub struct CK_CPV4_EXTRACT_PARAMS {
    pub inputLength: CK_ULONG,
    pub input: *mut CK_BYTE,
    pub sessionOuidLen: CK_ULONG,
    pub sessionOuid: *mut CK_BYTE,
    pub extractionFlags: CK_ULONG,
    pub numberOfObjects: CK_ULONG,
    pub objectType: *mut CK_ULONG,
    pub objectHandle: *mut CK_ULONG,
    pub result: *mut CK_ULONG,
    pub keyBlobLen: *mut CK_ULONG,
    pub keyBlob: *mut *mut CK_BYTE,
}

/// The parameter of `CKM_CPV4_INSERT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, non_snake_case, reason = "the header's spelling")]
#[allow(missing_docs, reason = "the names say what is in them")]
pub struct CK_CPV4_INSERT_PARAMS {
    pub inputLength: CK_ULONG,
    pub input: *mut CK_BYTE,
    pub sessionOuidLen: CK_ULONG,
    pub sessionOuid: *mut CK_BYTE,
    pub insertionFlags: CK_ULONG,
    pub numberOfObjects: CK_ULONG,
    pub objectType: *mut CK_ULONG,
    pub storageType: *mut CK_ULONG,
    pub keyBlobLen: *mut CK_ULONG,
    pub keyBlob: *mut *mut CK_BYTE,
    pub result: *mut CK_ULONG,
    pub objectHandle: *mut CK_ULONG,
}

/// The parameter of `CKM_AES_CBC_PAD_EXTRACT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, non_snake_case, reason = "the header's spelling")]
#[allow(missing_docs, reason = "the names say what is in them")]
pub struct CK_AES_CBC_PAD_EXTRACT_PARAMS {
    pub ulType: CK_ULONG,
    pub ulHandle: CK_ULONG,
    pub ulDeleteAfterExtract: CK_ULONG,
    pub pBuffer: *mut CK_BYTE,
    pub pulBufferLen: *mut CK_ULONG,
    pub ulStorage: CK_ULONG,
    pub pedId: CK_ULONG,
    pub pbFileName: *mut CK_BYTE,
    pub ctxID: CK_ULONG,
}

/// The parameter of `CKM_AES_CBC_PAD_INSERT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, non_snake_case, reason = "the header's spelling")]
#[allow(missing_docs, reason = "the names say what is in them")]
pub struct CK_AES_CBC_PAD_INSERT_PARAMS {
    pub ulStorageType: CK_ULONG,
    pub ulContainerState: CK_ULONG,
    pub pBuffer: *mut CK_BYTE,
    pub ulBufferLen: CK_ULONG,
    pub pulType: *mut CK_ULONG,
    pub pulHandle: *mut CK_ULONG,
    pub ulStorage: CK_ULONG,
    pub pedId: CK_ULONG,
    pub pbFileName: *mut CK_BYTE,
    pub ctxID: CK_ULONG,
    pub ulContainerNumber: CK_ULONG,
}

/// What `CA_GetMofNStatus` fills.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(non_camel_case_types, non_snake_case, reason = "the header's spelling")]
pub struct CA_MOFN_STATUS {
    /// Which secret.
    pub ulID: CK_ULONG,
    /// How many parts are wanted.
    pub ulM: CK_ULONG,
    /// How many there are.
    pub ulN: CK_ULONG,
    /// Bytes of it.
    pub ulSecretSize: CK_ULONG,
    /// `LUNA_FLAG_M_OF_N_` bits.
    pub ulFlag: CK_ULONG,
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
const _: () = assert!(size_of::<CK_APPLICATION_ID>() == 16);
const _: () = assert!(size_of::<CK_OBJECT_MIGRATION_DATA>() == 32);
const _: () = assert!(size_of::<CK_CPV4_EXTRACT_PARAMS>() == 88);
const _: () = assert!(size_of::<CK_CPV4_INSERT_PARAMS>() == 96);
const _: () = assert!(size_of::<CK_AES_CBC_PAD_EXTRACT_PARAMS>() == 72);
const _: () = assert!(size_of::<CK_AES_CBC_PAD_INSERT_PARAMS>() == 88);
const _: () = assert!(size_of::<CA_MOFN_STATUS>() == 40);
const _: () = assert!(size_of::<CK_HA_MEMBER>() == 32);
const _: () = assert!(size_of::<CK_HA_STATUS>() == 1056);
const _: () = assert!(std::mem::offset_of!(CK_HA_STATUS, listSize) == 1048);
const _: () = assert!(size_of::<CA_ROLE_STATE>() == 4);
