//! Mechanisms the vendor has and this module has not, and why: the README's table of limits.
//!
//! Source of what is listed: the vendor's list of a partition of firmware 7.9 less what came later
//! than a profile's firmware (Assumed); headers of its clients (Documented).

use crate::ck::*;

/// Mechanisms some firmware offers and this module does not serve.
pub struct Limit {
    /// `CKM_` numbers.
    pub kinds: &'static [CK_MECHANISM_TYPE],
    /// What stands in the way.
    pub why: &'static str,
}

/// Every limit. A mechanism that a profile offers is a row of the registry or stands here.
pub static LIMITS: &[Limit] = &[
    Limit {
        kinds: &[
            CKM_CAST3_KEY_GEN,
            CKM_CAST3_ECB,
            CKM_CAST3_CBC,
            CKM_CAST3_MAC,
            CKM_CAST3_MAC_GENERAL,
            CKM_CAST3_CBC_PAD,
        ],
        why: "the cipher was never published, and no library has it",
    },
    Limit {
        kinds: &[CKM_TUAK, CKM_TUAK_RESYNC, CKM_TUAK_AUTS, CKM_COMP128],
        why: "no library has TUAK or COMP128; `CKM_MILENAGE` is served",
    },
    Limit {
        kinds: &[
            CKM_ARIA_L_ECB,
            CKM_ARIA_L_CBC,
            CKM_ARIA_L_CBC_PAD,
            CKM_ARIA_L_MAC,
            CKM_ARIA_L_MAC_GENERAL,
        ],
        why: "an older layout of ARIA that no source describes; `CKM_ARIA_*` are served",
    },
    Limit {
        kinds: &[CKM_AES_CBC_CMAC_WRAP],
        why: "a list of the vendor's names it, no header and no page: neither its parameter nor how it \
              lays out what it wraps",
    },
    Limit {
        kinds: &[
            CKM_EDDSA_NACL,
            CKM_SHA1_EDDSA_NACL,
            CKM_SHA224_EDDSA_NACL,
            CKM_SHA256_EDDSA_NACL,
            CKM_SHA384_EDDSA_NACL,
            CKM_SHA512_EDDSA_NACL,
        ],
        why: "the vendor's header says \"NaCl compatible\" and no more, and NaCl's own signature is \
              another than that of its successors; `CKM_EDDSA` is served",
    },
    Limit {
        kinds: &[CKM_KEY_WRAP_SET_OAEP],
        why: "PKCS#11 defines the parameter alone and leaves the layout to the books of SET, of \
              which no copy and no answers were found",
    },
    Limit {
        kinds: &[CKM_PBE_SHA1_DES3_EDE_CBC_OLD, CKM_PBE_SHA1_DES2_EDE_CBC_OLD],
        why: "the vendor's header calls them old, and no source says what they did differently from \
              the present ones, which are served",
    },
    Limit {
        kinds: &[CKM_HSS_KEY_PAIR_GEN, CKM_HSS],
        why: "the one library that signs by HSS is a pre-release",
    },
];

/// Mechanisms that the vendor's headers name and that no firmware of a built-in profile lists. They
/// are refused, as that firmware does.
/// A profile of your own may offer those that the registry has.
pub static UNLISTED: &[(&[CK_MECHANISM_TYPE], &str)] = &[
    (
        &[CKM_MD2_RSA_PKCS, CKM_MD5_RSA_PKCS, CKM_MD5, CKM_TDEA_KW, CKM_TDEA_KWP, CKM_ARIA_GCM],
        "in the vendor's headers only",
    ),
    (
        &[
            CKM_CONCATENATE_BASE_AND_KEY,
            CKM_CONCATENATE_BASE_AND_DATA,
            CKM_CONCATENATE_DATA_AND_BASE,
            CKM_XOR_BASE_AND_DATA,
            CKM_XOR_BASE_AND_KEY,
            CKM_XOR_BASE_AND_DATA_W_KDF,
            CKM_EXTRACT_KEY_FROM_KEY,
        ],
        "in the vendor's headers only",
    ),
    (
        &[
            CKM_HAS160,
            CKM_KCDSA_KEY_PAIR_GEN,
            CKM_KCDSA_HAS160,
            CKM_SEED_KEY_GEN,
            CKM_SEED_ECB,
            CKM_SEED_CBC,
            CKM_SEED_CBC_PAD,
            CKM_SEED_MAC,
            CKM_SEED_MAC_GENERAL,
            CKM_SEED_CMAC,
            CKM_SEED_CTR,
        ],
        "wants the licence for Korean algorithms",
    ),
    (
        &[CKM_AES_CBC_PAD_EXTRACT, CKM_AES_CBC_PAD_INSERT, CKM_CPV4_EXTRACT, CKM_CPV4_INSERT],
        "the HSM's own, for cloning and key storage outside; never listed",
    ),
];

/// Why no firmware of a built-in profile lists a mechanism.
pub fn unlisted(kind: CK_MECHANISM_TYPE) -> Option<&'static str> {
    UNLISTED.iter().find(|(kinds, _)| kinds.contains(&kind)).map(|(_, why)| *why)
}

/// Why a mechanism is not served, none for one that is no limit.
pub fn limit(kind: CK_MECHANISM_TYPE) -> Option<&'static str> {
    LIMITS.iter().find(|limit| limit.kinds.contains(&kind)).map(|limit| limit.why)
}
