//! Numbers by which older clients call a mechanism that has got another since.
//!
//! A token lists current numbers only and answers to both. What comes in is renamed at the
//! boundary, so nothing behind it ever sees an old number.
//!
//! Source: the vendor's own client library for Python, whose numbers are older than those a present
//! token lists (Documented); that a present token still answers to them is Assumed.

use crate::ck::*;

/// Old number, present number.
static RENAMED: &[(CK_MECHANISM_TYPE, CK_MECHANISM_TYPE)] = &[
    (0x1089, CKM_AES_CMAC_GENERAL),
    (0x8000_0110, CKM_SHA224_RSA_PKCS),
    (0x8000_0111, CKM_SHA224_RSA_PKCS_PSS),
    (0x8000_0112, CKM_SHA224),
    (0x8000_0113, CKM_SHA224_HMAC),
    (0x8000_0114, CKM_SHA224_HMAC_GENERAL),
    (0x8000_0115, CKM_SHA224_KEY_DERIVATION),
    (0x8000_0118, CKM_AES_CFB8),
    (0x8000_0119, CKM_AES_CFB128),
    (0x8000_011a, CKM_AES_OFB),
    (0x8000_011c, CKM_AES_GCM),
    (0x8000_0122, CKM_ECDSA_SHA224),
    (0x8000_0123, CKM_ECDSA_SHA256),
    (0x8000_0124, CKM_ECDSA_SHA384),
    (0x8000_0125, CKM_ECDSA_SHA512),
    (0x8000_0126, CKM_AES_GMAC),
    (0x8000_0140, CKM_DSA_SHA224),
    (0x8000_0141, CKM_DSA_SHA256),
    (0x8000_0a04, CKM_AES_XTS),
    (0x8000_0c01, CKM_EC_EDWARDS_KEY_PAIR_GEN),
    (0x8000_0c03, CKM_EDDSA),
];

/// The number a mechanism has today; a number nobody renamed is itself.
pub fn current(kind: CK_MECHANISM_TYPE) -> CK_MECHANISM_TYPE {
    RENAMED.iter().find(|(old, _)| *old == kind).map_or(kind, |(_, now)| *now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanisms::rows;

    #[test]
    fn an_old_number_is_used_once_and_no_row_has_it() {
        let mut seen = std::collections::HashSet::new();
        for (old, now) in RENAMED {
            assert!(seen.insert(old), "{old:#x} twice");
            assert_ne!(old, now);
            assert_eq!(current(*old), *now);
            assert_eq!(current(*now), *now, "no chains");
            assert!(rows().all(|row| row.kind != *old), "{} is a row", names::ckm(*old));
        }
    }
}
