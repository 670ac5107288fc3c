//! Names of `CKO_` numbers, sorted by number. Source: as `vendor.rs`.

/// Number and name.
pub static CKO: &[(u64, &str)] = &[
    (0x0, "CKO_DATA"),
    (0x1, "CKO_CERTIFICATE"),
    (0x2, "CKO_PUBLIC_KEY"),
    (0x3, "CKO_PRIVATE_KEY"),
    (0x4, "CKO_SECRET_KEY"),
    (0x5, "CKO_HW_FEATURE"),
    (0x6, "CKO_DOMAIN_PARAMETERS"),
    (0x7, "CKO_MECHANISM"),
    (0x8, "CKO_OTP_KEY"),
    (0x80000000, "CKO_VENDOR_DEFINED"),
    (0x80000001, "CKO_TOKEN_ROLE_POLICY_SET"),
    (0x80000002, "CKO_TOKEN_ROLE_POLICY"),
    (0x80000003, "CKO_TOKEN_ROLE_DESCRIPTOR"),
    (0x80000004, "CKO_TOKEN_ROLE_STATE"),
    (0x80000201, "CKO_CERTIFICATE_REQUEST"),
    (0x80000202, "CKO_CRL"),
    (0x8000020a, "CKO_ADAPTER"),
    (0x8000020b, "CKO_SLOT"),
    (0x8000020c, "CKO_FM"),
];
