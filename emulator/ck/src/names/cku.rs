//! Names of `CKU_` numbers, sorted by number. Source: as `vendor.rs`.

/// Number and name.
pub static CKU: &[(u64, &str)] = &[
    (0x0, "CKU_SO"),
    (0x1, "CKU_USER"),
    (0x2, "CKU_CONTEXT_SPECIFIC"),
    (0x8000001, "CKU_LIMITED_USER_OLD"),
    (0x80000000, "CKU_VENDOR_DEFINED"),
    (0x80000001, "CKU_CRYPTO_USER"),
    (0x80000002, "CKU_AUDIT"),
    (0x80000003, "CKU_LIMITED_CRYPTO_OFFICER"),
    (0xffffffff, "CKU_INVALID_USER_TYPE"),
];
