//! Mechanisms and their parameters as the caller owns them.

use luna_ck::*;

use crate::{MechanismType, ObjectHandle};

/// A mechanism with its parameter.
///
/// A parameter that holds pointers has a variant of its own, bound to the mechanisms that read it that way;
/// [`Mechanism::Bytes`] with a mechanism whose parameter could hold a pointer is refused when the call is made
/// (`Error::Refused`). Deliberately broken parameters are a matter for [`crate::module::Raw`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism {
    /// No parameter: null pointer, length 0.
    Plain(MechanismType),
    /// An IV, a length or any other parameter without pointers.
    Bytes(MechanismType, Vec<u8>),
    /// `CK_GCM_PARAMS` for `CKM_AES_GCM`.
    AesGcm {
        /// Empty for an IV made by the HSM, which the vendor demands in FIPS mode: a null pointer is passed.
        /// Source: `ThalesGroup/luna-samples`, `C_Samples` (Documented).
        iv: Vec<u8>,
        /// `ulIvBits`.
        iv_bits: CK_ULONG,
        /// Additional authenticated data.
        aad: Vec<u8>,
        /// `ulTagBits`.
        tag_bits: CK_ULONG,
    },
    /// `CK_GCM_PARAMS` for `CKM_AES_GMAC`, without additional data: what is authenticated is the message.
    AesGmac {
        /// The vector.
        iv: Vec<u8>,
        /// `ulTagBits`.
        tag_bits: CK_ULONG,
    },
    /// `CK_AES_CTR_PARAMS` for `CKM_AES_CTR`.
    AesCtr {
        /// `ulCounterBits`.
        counter_bits: CK_ULONG,
        /// The first counter block.
        block: [u8; 16],
    },
    /// `CK_RSA_PKCS_PSS_PARAMS`.
    RsaPss {
        /// `CKM_RSA_PKCS_PSS` or one that hashes as well.
        mechanism: MechanismType,
        /// `CKM_SHA256` and so on.
        hash: MechanismType,
        /// `CKG_MGF1_SHA256` and so on.
        mgf: CK_ULONG,
        /// Bytes of salt.
        salt_len: CK_ULONG,
    },
    /// `CK_RSA_PKCS_OAEP_PARAMS` for `CKM_RSA_PKCS_OAEP`.
    RsaOaep {
        /// `CKM_SHA256` and so on.
        hash: MechanismType,
        /// `CKG_MGF1_SHA256` and so on.
        mgf: CK_ULONG,
        /// The label; empty is passed as a null pointer.
        source: Vec<u8>,
    },
    /// `CK_ECDH1_DERIVE_PARAMS`.
    Ecdh1 {
        /// `CKM_ECDH1_DERIVE` or `CKM_ECDH1_COFACTOR_DERIVE`.
        mechanism: MechanismType,
        /// `CKD_NULL` and so on.
        kdf: CK_ULONG,
        /// May be empty.
        shared: Vec<u8>,
        /// The other side's point.
        public: Vec<u8>,
    },
    /// `CK_RC5_CBC_PARAMS`.
    Rc5Cbc {
        /// `CKM_RC5_CBC` or `CKM_RC5_CBC_PAD`.
        mechanism: MechanismType,
        /// `ulWordsize`, in bytes.
        word_bytes: CK_ULONG,
        /// `ulRounds`.
        rounds: CK_ULONG,
        /// Initialisation vector.
        iv: Vec<u8>,
    },
    /// `CK_PKCS5_PBKD2_PARAMS2` for `CKM_PKCS5_PBKD2`: its salt given, its password in the parameter.
    Pbkdf2 {
        /// `CKP_PKCS5_PBKD2_HMAC_SHA256` and so on.
        prf: CK_ULONG,
        /// May be empty.
        salt: Vec<u8>,
        /// How often the function is applied.
        iterations: CK_ULONG,
        /// May be empty.
        password: Vec<u8>,
    },
    /// `CK_KEY_DERIVATION_STRING_DATA`, as in `CKM_AES_ECB_ENCRYPT_DATA`.
    StringData {
        /// One of those that end in `_ECB_ENCRYPT_DATA`, or that join a key and data.
        mechanism: MechanismType,
        /// What is encrypted, or joined.
        data: Vec<u8>,
    },
    /// `CK_AES_CBC_ENCRYPT_DATA_PARAMS` and `CK_DES_CBC_ENCRYPT_DATA_PARAMS`, by the length of the IV.
    CbcEncryptData {
        /// One of those that end in `_CBC_ENCRYPT_DATA`.
        mechanism: MechanismType,
        /// A block: 8 or 16 bytes.
        iv: Vec<u8>,
        /// What is encrypted.
        data: Vec<u8>,
    },
    /// The vendor's `CK_ECIES_PARAMS` for `CKM_ECIES`, with the standard agreement.
    Ecies {
        /// `CKD_SHA256_KDF` and so on.
        kdf: CK_ULONG,
        /// What goes into that function; may be empty.
        shared: Vec<u8>,
        /// `CKES_AES_CTR` and so on, and the bits of its key.
        encryption: (CK_ULONG, CK_ULONG),
        /// `CKMS_HMAC_SHA256` and so on, the bits of its key, and its own.
        mac: (CK_ULONG, CK_ULONG, CK_ULONG),
    },
    /// `CK_EDDSA_PARAMS` for `CKM_EDDSA`.
    Eddsa {
        /// Ed25519ph: the module hashes the message first.
        prehash: bool,
        /// May be empty.
        context: Vec<u8>,
    },
    /// `CK_SIGN_ADDITIONAL_CONTEXT`, or `CK_HASH_SIGN_ADDITIONAL_CONTEXT` where a hash is named.
    SignContext {
        /// `CKM_ML_DSA` or one of its kin.
        mechanism: MechanismType,
        /// `CKH_HEDGE_PREFERRED` and so on.
        hedge: CK_ULONG,
        /// May be empty.
        context: Vec<u8>,
        /// `CKM_SHA256` and so on: who made the digest.
        hash: Option<MechanismType>,
    },
    /// An object's handle as parameter, as in `CKM_CONCATENATE_BASE_AND_KEY`.
    Key(MechanismType, ObjectHandle),
}

impl Mechanism {
    /// AES-GCM with an IV of the caller's; `tag_bits` is usually 128.
    pub fn aes_gcm(iv: &[u8], aad: &[u8], tag_bits: CK_ULONG) -> Self {
        let iv_bits = iv.len() as CK_ULONG * 8;
        Self::AesGcm { iv: iv.to_vec(), iv_bits, aad: aad.to_vec(), tag_bits }
    }

    /// `CKM_AES_CBC` over whole blocks.
    pub fn aes_cbc(iv: [u8; 16]) -> Self {
        Self::Bytes(CKM_AES_CBC, iv.to_vec())
    }

    /// `CKM_AES_CBC_PAD`.
    pub fn aes_cbc_pad(iv: [u8; 16]) -> Self {
        Self::Bytes(CKM_AES_CBC_PAD, iv.to_vec())
    }

    /// `CKM_RSA_PKCS_OAEP` with one hash for label and mask; `None` for a hash without a mask number.
    pub fn rsa_oaep(hash: MechanismType) -> Option<Self> {
        Some(Self::RsaOaep { hash, mgf: mask_of(hash)?, source: Vec::new() })
    }

    /// `CKM_RSA_PKCS_PSS` over a digest, salt as long as the digest; `None` for a hash not known here.
    pub fn rsa_pss(hash: MechanismType) -> Option<Self> {
        let salt_len = match hash {
            CKM_SHA_1 => 20,
            CKM_SHA224 | CKM_SHA3_224 => 28,
            CKM_SHA256 | CKM_SHA3_256 => 32,
            CKM_SHA384 | CKM_SHA3_384 => 48,
            CKM_SHA512 | CKM_SHA3_512 => 64,
            _ => return None,
        };
        Some(Self::RsaPss { mechanism: CKM_RSA_PKCS_PSS, hash, mgf: mask_of(hash)?, salt_len })
    }

    /// A parameter that is one `CK_ULONG`, as in `CKM_AES_MAC_GENERAL`.
    pub fn ulong(mechanism: MechanismType, value: CK_ULONG) -> Self {
        Self::Bytes(mechanism, value.to_ne_bytes().to_vec())
    }

    /// `CKM_…`.
    pub fn kind(&self) -> MechanismType {
        match self {
            Self::Plain(kind) | Self::Bytes(kind, _) | Self::Key(kind, _) => *kind,
            Self::AesGcm { .. } => CKM_AES_GCM,
            Self::AesGmac { .. } => CKM_AES_GMAC,
            Self::AesCtr { .. } => CKM_AES_CTR,
            Self::RsaOaep { .. } => CKM_RSA_PKCS_OAEP,
            Self::Eddsa { .. } => CKM_EDDSA,
            Self::Ecies { .. } => CKM_ECIES,
            Self::Pbkdf2 { .. } => CKM_PKCS5_PBKD2,
            Self::SignContext { mechanism, .. }
            | Self::RsaPss { mechanism, .. }
            | Self::Ecdh1 { mechanism, .. }
            | Self::Rc5Cbc { mechanism, .. }
            | Self::StringData { mechanism, .. }
            | Self::CbcEncryptData { mechanism, .. } => *mechanism,
        }
    }

    /// Whether the module can only read this parameter the way it was meant.
    ///
    /// A structure with a pointer and its length is at least 16 bytes long, so anything shorter is flat.
    pub(crate) fn is_well_formed(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Eddsa { .. } | Self::AesGcm { .. } | Self::AesGmac { .. } => {
                true
            }
            Self::AesCtr { .. } | Self::RsaOaep { .. } | Self::Pbkdf2 { .. } | Self::Key(..) => {
                true
            }
            Self::Ecies { .. } => true,
            Self::SignContext { mechanism, .. } => SIGN_CONTEXT.contains(mechanism),
            Self::Bytes(kind, bytes) => bytes.len() < 16 || FLAT.contains(kind),
            Self::RsaPss { mechanism, .. } => PSS.contains(mechanism),
            Self::StringData { mechanism, .. } => STRING_DATA.contains(mechanism),
            Self::CbcEncryptData { mechanism, iv, .. } => {
                CBC_ENCRYPT_DATA.contains(&(*mechanism, iv.len()))
            }
            Self::Ecdh1 { mechanism, .. } => {
                [CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE].contains(mechanism)
            }
            Self::Rc5Cbc { mechanism, .. } => [CKM_RC5_CBC, CKM_RC5_CBC_PAD].contains(mechanism),
        }
    }
}

fn mask_of(hash: MechanismType) -> Option<CK_ULONG> {
    match hash {
        CKM_SHA_1 => Some(CKG_MGF1_SHA1),
        CKM_SHA224 => Some(CKG_MGF1_SHA224),
        CKM_SHA256 => Some(CKG_MGF1_SHA256),
        CKM_SHA384 => Some(CKG_MGF1_SHA384),
        CKM_SHA512 => Some(CKG_MGF1_SHA512),
        CKM_SHA3_224 => Some(CKG_MGF1_SHA3_224),
        CKM_SHA3_256 => Some(CKG_MGF1_SHA3_256),
        CKM_SHA3_384 => Some(CKG_MGF1_SHA3_384),
        CKM_SHA3_512 => Some(CKG_MGF1_SHA3_512),
        _ => None,
    }
}

/// Mechanisms whose parameter of 16 bytes or more holds no pointer. Source: PKCS#11 v3.1 and the vendor's
/// structures (Documented).
const FLAT: &[MechanismType] = &[
    CKM_RC2_CBC,
    CKM_RC2_CBC_PAD,
    CKM_RC2_MAC_GENERAL,
    CKM_RC5_ECB,
    CKM_RC5_MAC,
    CKM_RC5_MAC_GENERAL,
    CKM_DES3_CTR,
    CKM_AES_CBC,
    CKM_AES_CBC_PAD,
    CKM_AES_CBC_PAD_IPSEC,
    CKM_AES_CTR,
    CKM_AES_OFB,
    CKM_AES_CFB1,
    CKM_AES_CFB8,
    CKM_AES_CFB64,
    CKM_AES_CFB128,
    CKM_AES_CTS,
    CKM_AES_XTS,
    CKM_AES_KEY_WRAP,
    CKM_AES_KEY_WRAP_PAD,
    CKM_SM4_CBC,
    CKM_SM4_CBC_PAD,
    CKM_ARIA_CBC,
    CKM_ARIA_CBC_PAD,
    CKM_ARIA_CTR,
    CKM_ARIA_CFB8,
    CKM_ARIA_CFB128,
    CKM_ARIA_OFB,
    CKM_SM4_CBC,
    CKM_SM4_CBC_PAD,
    CKM_CAMELLIA_CBC,
    CKM_CAMELLIA_CBC_PAD,
    CKM_SEED_CBC,
    CKM_SEED_CBC_PAD,
    CKM_DH_PKCS_DERIVE,
];

/// Mechanisms that take a string. Source: PKCS#11 v2.40 (Documented).
const STRING_DATA: &[MechanismType] = &[
    CKM_DES_ECB_ENCRYPT_DATA,
    CKM_DES3_ECB_ENCRYPT_DATA,
    CKM_AES_ECB_ENCRYPT_DATA,
    CKM_ARIA_ECB_ENCRYPT_DATA,
    CKM_SEED_ECB_ENCRYPT_DATA,
    CKM_CONCATENATE_BASE_AND_DATA,
    CKM_CONCATENATE_DATA_AND_BASE,
    CKM_XOR_BASE_AND_DATA,
    CKM_DES2_DUKPT_IPEK,
    CKM_DES2_DUKPT_PIN,
    CKM_DES2_DUKPT_MAC,
    CKM_DES2_DUKPT_MAC_RESP,
    CKM_DES2_DUKPT_DATA,
    CKM_DES2_DUKPT_DATA_RESP,
];

/// Mechanisms that take an IV and a string, and the bytes of the IV. Source: PKCS#11 v2.40 (Documented).
const CBC_ENCRYPT_DATA: &[(MechanismType, usize)] = &[
    (CKM_DES_CBC_ENCRYPT_DATA, 8),
    (CKM_DES3_CBC_ENCRYPT_DATA, 8),
    (CKM_AES_CBC_ENCRYPT_DATA, 16),
    (CKM_ARIA_CBC_ENCRYPT_DATA, 16),
    (CKM_SEED_CBC_ENCRYPT_DATA, 16),
];

const SIGN_CONTEXT: &[MechanismType] = &[
    CKM_ML_DSA,
    CKM_HASH_ML_DSA,
    CKM_HASH_ML_DSA_SHA224,
    CKM_HASH_ML_DSA_SHA256,
    CKM_HASH_ML_DSA_SHA384,
    CKM_HASH_ML_DSA_SHA512,
    CKM_HASH_ML_DSA_SHA3_224,
    CKM_HASH_ML_DSA_SHA3_256,
    CKM_HASH_ML_DSA_SHA3_384,
    CKM_HASH_ML_DSA_SHA3_512,
    CKM_HASH_ML_DSA_SHAKE128,
    CKM_HASH_ML_DSA_SHAKE256,
    CKM_EXTMU_ML_DSA,
];

const PSS: &[MechanismType] = &[
    CKM_RSA_PKCS_PSS,
    CKM_SHA1_RSA_PKCS_PSS,
    CKM_SHA224_RSA_PKCS_PSS,
    CKM_SHA256_RSA_PKCS_PSS,
    CKM_SHA384_RSA_PKCS_PSS,
    CKM_SHA512_RSA_PKCS_PSS,
    CKM_SHA3_224_RSA_PKCS_PSS,
    CKM_SHA3_256_RSA_PKCS_PSS,
    CKM_SHA3_384_RSA_PKCS_PSS,
    CKM_SHA3_512_RSA_PKCS_PSS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_could_be_read_as_pointers_are_not_well_formed() {
        assert!(!Mechanism::Bytes(CKM_AES_GCM, vec![0x41; 48]).is_well_formed());
        assert!(!Mechanism::Bytes(CKM_RSA_PKCS_OAEP, vec![0x41; 16]).is_well_formed());
        assert!(Mechanism::Bytes(CKM_AES_GCM, vec![0x41; 15]).is_well_formed());
        assert!(Mechanism::aes_cbc([0; 16]).is_well_formed());
        let ecdh =
            |mechanism| Mechanism::Ecdh1 { mechanism, kdf: 1, shared: vec![], public: vec![] };
        assert!(!ecdh(CKM_RSA_PKCS_OAEP).is_well_formed());
        assert!(ecdh(CKM_ECDH1_DERIVE).is_well_formed());
        let rc5 =
            |mechanism| Mechanism::Rc5Cbc { mechanism, word_bytes: 4, rounds: 12, iv: vec![0; 8] };
        assert!(rc5(CKM_RC5_CBC).is_well_formed());
        assert!(!rc5(CKM_RC5_ECB).is_well_formed());
    }
}
