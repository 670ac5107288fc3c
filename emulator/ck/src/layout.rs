//! Vendor structures as they lie in memory on 64-bit Linux (natural alignment).
//!
//! Source: `ThalesGroup/pycryptoki:pycryptoki/cryptoki/ck_defs.py` (Documented).

use pkcs11_sys::{CK_ATTRIBUTE, CK_BYTE, CK_OBJECT_HANDLE, CK_RV, CK_ULONG};

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

/// The parameter of `CKM_AES_XTS`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_AES_XTS_PARAMS {
    /// The key that encrypts the place of the data.
    pub hTweakKey: CK_OBJECT_HANDLE,
    /// The place of the data (the number of a sector, little-endian).
    pub cb: [CK_BYTE; 16],
}

const _: () = assert!(size_of::<CK_AES_XTS_PARAMS>() == 24);

/// The parameter of `CKM_ECIES`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_ECIES_PARAMS {
    /// `CKDHP_STANDARD` and so on.
    pub dhPrimitive: CK_ULONG,
    /// `CKD_SHA256_KDF` and so on.
    pub kdf: CK_ULONG,
    /// Bytes of what goes into that function.
    pub ulSharedDataLen1: CK_ULONG,
    /// What goes into that function.
    pub pSharedData1: *mut CK_BYTE,
    /// `CKES_AES_CTR` and so on.
    pub encScheme: CK_ULONG,
    /// Bits of the key that encrypts.
    pub ulEncKeyLenInBits: CK_ULONG,
    /// `CKMS_HMAC_SHA256` and so on.
    pub macScheme: CK_ULONG,
    /// Bits of the MAC's key.
    pub ulMacKeyLenInBits: CK_ULONG,
    /// Bits of the MAC.
    pub ulMacLenInBits: CK_ULONG,
    /// Bytes of what goes into the MAC.
    pub ulSharedDataLen2: CK_ULONG,
    /// What goes into the MAC behind the ciphertext.
    pub pSharedData2: *mut CK_BYTE,
}

const _: () = assert!(size_of::<CK_ECIES_PARAMS>() == 88);

// Encryption and MAC inside ECIES, those that are served. Source: thalesdocs, "ECIES general"
// (Documented).
/// Exclusive or with as many bytes of the derived key.
pub const CKES_XOR: CK_ULONG = 1;
/// Triple DES, padded.
pub const CKES_DES3_CBC_PAD: CK_ULONG = 2;
/// AES, padded.
pub const CKES_AES_CBC_PAD: CK_ULONG = 3;
/// Triple DES, whole blocks.
pub const CKES_DES3_CBC: CK_ULONG = 4;
/// AES, whole blocks.
pub const CKES_AES_CBC: CK_ULONG = 5;
/// AES as a stream.
pub const CKES_AES_CTR: CK_ULONG = 6;
/// HMAC, here and below.
pub const CKMS_HMAC_SHA1: CK_ULONG = 1;
/// As above.
pub const CKMS_HMAC_SHA224: CK_ULONG = 3;
/// As above.
pub const CKMS_HMAC_SHA256: CK_ULONG = 5;
/// As above.
pub const CKMS_HMAC_SHA384: CK_ULONG = 7;
/// As above.
pub const CKMS_HMAC_SHA512: CK_ULONG = 9;

/// The parameter of `CKM_BIP32_MASTER_DERIVE`; the handles are outputs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_BIP32_MASTER_DERIVE_PARAMS {
    /// Of the public key; null when none is wanted.
    pub pPublicKeyTemplate: *mut CK_ATTRIBUTE,
    /// Its attributes.
    pub ulPublicKeyAttributeCount: CK_ULONG,
    /// Of the private key; null when none is wanted.
    pub pPrivateKeyTemplate: *mut CK_ATTRIBUTE,
    /// Its attributes.
    pub ulPrivateKeyAttributeCount: CK_ULONG,
    /// The public key.
    pub hPublicKey: CK_OBJECT_HANDLE,
    /// The private key.
    pub hPrivateKey: CK_OBJECT_HANDLE,
}

const _: () = assert!(size_of::<CK_BIP32_MASTER_DERIVE_PARAMS>() == 48);

/// The parameter of `CKM_BIP32_CHILD_DERIVE`; the handles and the index are outputs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_BIP32_CHILD_DERIVE_PARAMS {
    /// As in `CK_BIP32_MASTER_DERIVE_PARAMS`.
    pub pPublicKeyTemplate: *mut CK_ATTRIBUTE,
    /// As above.
    pub ulPublicKeyAttributeCount: CK_ULONG,
    /// As above.
    pub pPrivateKeyTemplate: *mut CK_ATTRIBUTE,
    /// As above.
    pub ulPrivateKeyAttributeCount: CK_ULONG,
    /// The steps from the base key down.
    pub pulPath: *mut CK_ULONG,
    /// How many.
    pub ulPathLen: CK_ULONG,
    /// As above.
    pub hPublicKey: CK_OBJECT_HANDLE,
    /// As above.
    pub hPrivateKey: CK_OBJECT_HANDLE,
    /// Which step failed.
    pub ulPathErrorIndex: CK_ULONG,
}

const _: () = assert!(size_of::<CK_BIP32_CHILD_DERIVE_PARAMS>() == 72);

/// The parameter of `CKM_MILENAGE`, `CKM_MILENAGE_RESYNC` and `CKM_MILENAGE_AUTS`. Source: thalesdocs,
/// "3GPP Mechanisms for 5G Mobile Networks" (Documented).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_snake_case, non_camel_case_types, reason = "the header's spelling")]
pub struct CK_MILENAGE_SIGN_PARAMS {
    /// `LUNA_5G_OPC` and so on.
    pub ulMilenageFlags: CK_ULONG,
    /// Bytes of the subscriber's key.
    pub ulEncKiLen: CK_ULONG,
    /// The subscriber's key, wrapped.
    pub pEncKi: *mut CK_BYTE,
    /// Bytes of what the operator adds.
    pub ulEncOPcLen: CK_ULONG,
    /// What the operator adds: OP or OPc, plain or wrapped.
    pub pEncOPc: *mut CK_BYTE,
    /// An object in its place.
    pub hSecondaryKey: CK_OBJECT_HANDLE,
    /// An object with the operator's own rotations and constants.
    pub hRCKey: CK_OBJECT_HANDLE,
    /// Sequence number.
    pub sqn: [CK_BYTE; 6],
    /// Authentication management field.
    pub amf: [CK_BYTE; 2],
}

const _: () = assert!(size_of::<CK_MILENAGE_SIGN_PARAMS>() == 64);

/// What the operator adds is OPc, as against OP. The numbers of the other flags were found in no
/// source.
pub const LUNA_5G_OPC: CK_ULONG = 1;

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
