//! Names of `CKS_` numbers, sorted by number. Source: as `vendor.rs`.

/// Number and name.
pub static CKS: &[(u64, &str)] = &[
    (0x0, "CKS_RO_PUBLIC_SESSION"),
    (0x1, "CKS_RO_USER_FUNCTIONS"),
    (0x2, "CKS_RW_PUBLIC_SESSION"),
    (0x3, "CKS_RW_USER_FUNCTIONS"),
    (0x4, "CKS_RW_SO_FUNCTIONS"),
    (0x5, "CKS_RO_SO_FUNCTIONS"),
    (0x80000000, "CKS_RO_VENDOR_DEFINED"),
    (0x90000000, "CKS_RW_VENDOR_DEFINED"),
    (0x90000001, "CKS_RW_AUDIT_FUNCTIONS"),
];
