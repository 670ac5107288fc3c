//! What an attribute's value is, as far as a trace may tell.

use luna_ck::*;

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A byte, true or false.
    Flag,
    /// A `CK_ULONG`.
    Number,
    /// Text.
    Text,
    /// Bytes anybody may see.
    Public,
    /// Bytes nobody may see.
    Secret,
}

const NUMBERS: &[CK_ATTRIBUTE_TYPE] = &[
    CKA_CLASS,
    CKA_CERTIFICATE_TYPE,
    CKA_CERTIFICATE_CATEGORY,
    CKA_KEY_TYPE,
    CKA_MODULUS_BITS,
    CKA_PRIME_BITS,
    CKA_VALUE_BITS,
    CKA_VALUE_LEN,
    CKA_KEY_GEN_MECHANISM,
];

const TEXTS: &[CK_ATTRIBUTE_TYPE] = &[CKA_LABEL, CKA_APPLICATION];

const PUBLIC: &[CK_ATTRIBUTE_TYPE] = &[
    CKA_ID,
    CKA_EC_PARAMS,
    CKA_EC_POINT,
    CKA_MODULUS,
    CKA_PUBLIC_EXPONENT,
    CKA_PRIME,
    CKA_SUBPRIME,
    CKA_BASE,
    CKA_SUBJECT,
    CKA_ISSUER,
    CKA_SERIAL_NUMBER,
    CKA_OBJECT_ID,
    CKA_START_DATE,
    CKA_END_DATE,
    CKA_ALLOWED_MECHANISMS,
];

pub(crate) const FLAGS: &[CK_ATTRIBUTE_TYPE] = &[
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_TRUSTED,
    CKA_SENSITIVE,
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_WRAP,
    CKA_UNWRAP,
    CKA_SIGN,
    CKA_SIGN_RECOVER,
    CKA_VERIFY,
    CKA_VERIFY_RECOVER,
    CKA_DERIVE,
    CKA_EXTRACTABLE,
    CKA_LOCAL,
    CKA_NEVER_EXTRACTABLE,
    CKA_ALWAYS_SENSITIVE,
    CKA_MODIFIABLE,
    CKA_COPYABLE,
    CKA_DESTROYABLE,
    CKA_ALWAYS_AUTHENTICATE,
    CKA_WRAP_WITH_TRUSTED,
];

/// What the value of an attribute is, in an object of that class where it is known.
pub(crate) fn kind(attribute: CK_ATTRIBUTE_TYPE, class: Option<CK_OBJECT_CLASS>) -> Kind {
    let certified = matches!(class, Some(CKO_CERTIFICATE | CKO_PUBLIC_KEY | CKO_DOMAIN_PARAMETERS));
    match attribute {
        it if FLAGS.contains(&it) => Kind::Flag,
        it if NUMBERS.contains(&it) => Kind::Number,
        it if TEXTS.contains(&it) => Kind::Text,
        it if PUBLIC.contains(&it) => Kind::Public,
        CKA_VALUE if certified => Kind::Public,
        _ => Kind::Secret,
    }
}

/// Whether the value is attributes itself, which a trace does not follow.
pub(crate) fn is_nested(attribute: CK_ATTRIBUTE_TYPE) -> bool {
    attribute & CKF_ARRAY_ATTRIBUTE != 0 && attribute != CKA_ALLOWED_MECHANISMS
}
