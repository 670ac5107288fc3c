//! Numbers of tags and enumerations: the standard, section 9.1.3. Only those that the server looks at.

pub(crate) const APPLICATION_DATA: u32 = 0x42_0002;
pub(crate) const APPLICATION_NAMESPACE: u32 = 0x42_0003;
pub(crate) const ASYNCHRONOUS_INDICATOR: u32 = 0x42_0007;
pub(crate) const ATTRIBUTE: u32 = 0x42_0008;
pub(crate) const ATTRIBUTE_INDEX: u32 = 0x42_0009;
pub(crate) const ATTRIBUTE_NAME: u32 = 0x42_000a;
pub(crate) const ATTRIBUTE_VALUE: u32 = 0x42_000b;
pub(crate) const BATCH_COUNT: u32 = 0x42_000d;
pub(crate) const BATCH_ERROR_CONTINUATION_OPTION: u32 = 0x42_000e;
pub(crate) const BATCH_ITEM: u32 = 0x42_000f;
pub(crate) const CERTIFICATE: u32 = 0x42_0013;
pub(crate) const CERTIFICATE_TYPE: u32 = 0x42_001d;
pub(crate) const CERTIFICATE_VALUE: u32 = 0x42_001e;
pub(crate) const COMPROMISE_OCCURRENCE_DATE: u32 = 0x42_0021;
pub(crate) const CRITICALITY_INDICATOR: u32 = 0x42_0026;
pub(crate) const CRYPTOGRAPHIC_ALGORITHM: u32 = 0x42_0028;
pub(crate) const CRYPTOGRAPHIC_LENGTH: u32 = 0x42_002a;
pub(crate) const DIGEST_VALUE: u32 = 0x42_0035;
pub(crate) const HASHING_ALGORITHM: u32 = 0x42_0038;
pub(crate) const KEY_BLOCK: u32 = 0x42_0040;
pub(crate) const KEY_COMPRESSION_TYPE: u32 = 0x42_0041;
pub(crate) const KEY_FORMAT_TYPE: u32 = 0x42_0042;
pub(crate) const KEY_MATERIAL: u32 = 0x42_0043;
pub(crate) const KEY_VALUE: u32 = 0x42_0045;
pub(crate) const KEY_WRAPPING_DATA: u32 = 0x42_0046;
pub(crate) const KEY_WRAPPING_SPECIFICATION: u32 = 0x42_0047;
pub(crate) const LINK_TYPE: u32 = 0x42_004b;
pub(crate) const LINKED_OBJECT_IDENTIFIER: u32 = 0x42_004c;
pub(crate) const MAXIMUM_ITEMS: u32 = 0x42_004f;
pub(crate) const MAXIMUM_RESPONSE_SIZE: u32 = 0x42_0050;
pub(crate) const MESSAGE_EXTENSION: u32 = 0x42_0051;
pub(crate) const NAME: u32 = 0x42_0053;
pub(crate) const NAME_TYPE: u32 = 0x42_0054;
pub(crate) const NAME_VALUE: u32 = 0x42_0055;
pub(crate) const OBJECT_TYPE: u32 = 0x42_0057;
pub(crate) const OFFSET: u32 = 0x42_0058;
pub(crate) const OPAQUE_DATA_TYPE: u32 = 0x42_0059;
pub(crate) const OPAQUE_DATA_VALUE: u32 = 0x42_005a;
pub(crate) const OPAQUE_OBJECT: u32 = 0x42_005b;
pub(crate) const OPERATION: u32 = 0x42_005c;
pub(crate) const PRIVATE_KEY: u32 = 0x42_0064;
pub(crate) const PROTOCOL_VERSION: u32 = 0x42_0069;
pub(crate) const PROTOCOL_VERSION_MAJOR: u32 = 0x42_006a;
pub(crate) const PROTOCOL_VERSION_MINOR: u32 = 0x42_006b;
pub(crate) const PUBLIC_KEY: u32 = 0x42_006d;
pub(crate) const QUERY_FUNCTION: u32 = 0x42_0074;
pub(crate) const REQUEST_HEADER: u32 = 0x42_0077;
pub(crate) const REQUEST_MESSAGE: u32 = 0x42_0078;
pub(crate) const REQUEST_PAYLOAD: u32 = 0x42_0079;
pub(crate) const RESPONSE_HEADER: u32 = 0x42_007a;
pub(crate) const RESPONSE_MESSAGE: u32 = 0x42_007b;
pub(crate) const RESPONSE_PAYLOAD: u32 = 0x42_007c;
pub(crate) const RESULT_MESSAGE: u32 = 0x42_007d;
pub(crate) const RESULT_REASON: u32 = 0x42_007e;
pub(crate) const RESULT_STATUS: u32 = 0x42_007f;
pub(crate) const REVOCATION_MESSAGE: u32 = 0x42_0080;
pub(crate) const REVOCATION_REASON: u32 = 0x42_0081;
pub(crate) const REVOCATION_REASON_CODE: u32 = 0x42_0082;
pub(crate) const SECRET_DATA: u32 = 0x42_0085;
pub(crate) const SECRET_DATA_TYPE: u32 = 0x42_0086;
pub(crate) const STORAGE_STATUS_MASK: u32 = 0x42_008e;
pub(crate) const SYMMETRIC_KEY: u32 = 0x42_008f;
pub(crate) const TEMPLATE: u32 = 0x42_0090;
pub(crate) const TEMPLATE_ATTRIBUTE: u32 = 0x42_0091;
pub(crate) const TIME_STAMP: u32 = 0x42_0092;
pub(crate) const UNIQUE_BATCH_ITEM_ID: u32 = 0x42_0093;
pub(crate) const UNIQUE_IDENTIFIER: u32 = 0x42_0094;
pub(crate) const VENDOR_IDENTIFICATION: u32 = 0x42_009d;

/// Kinds of managed objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum ObjectType {
    Certificate = 1,
    SymmetricKey = 2,
    PublicKey = 3,
    PrivateKey = 4,
    Template = 6,
    SecretData = 7,
    OpaqueObject = 8,
}

impl ObjectType {
    /// Those that are served. Opaque Object, Secret Data, Symmetric Key and Template Documented for release 21.1, the
    /// others for "later": no source names the release, so they are always there (Assumed).
    pub(crate) const ALL: [Self; 7] = [
        Self::Certificate,
        Self::SymmetricKey,
        Self::PublicKey,
        Self::PrivateKey,
        Self::Template,
        Self::SecretData,
        Self::OpaqueObject,
    ];

    pub(crate) fn numbered(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|it| *it as u32 == number)
    }

    /// The standard's words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "Certificate",
            Self::SymmetricKey => "Symmetric Key",
            Self::PublicKey => "Public Key",
            Self::PrivateKey => "Private Key",
            Self::Template => "Template",
            Self::SecretData => "Secret Data",
            Self::OpaqueObject => "Opaque Object",
        }
    }

    /// The tag of the structure that holds one.
    pub(crate) const fn tag(self) -> u32 {
        match self {
            Self::Certificate => CERTIFICATE,
            Self::SymmetricKey => SYMMETRIC_KEY,
            Self::PublicKey => PUBLIC_KEY,
            Self::PrivateKey => PRIVATE_KEY,
            Self::Template => TEMPLATE,
            Self::SecretData => SECRET_DATA,
            Self::OpaqueObject => OPAQUE_OBJECT,
        }
    }

    /// Whether it is used in cryptography, and so has a state. The standard, section 3.17.
    pub(crate) const fn is_cryptographic(self) -> bool {
        !matches!(self, Self::Template | Self::OpaqueObject)
    }
}

/// Where an object is in its life: NIST SP 800-57 by way of the standard, section 3.17.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum ObjectState {
    PreActive = 1,
    Active = 2,
    Deactivated = 3,
    Compromised = 4,
    Destroyed = 5,
    DestroyedCompromised = 6,
}

impl ObjectState {
    const ALL: [Self; 6] = [
        Self::PreActive,
        Self::Active,
        Self::Deactivated,
        Self::Compromised,
        Self::Destroyed,
        Self::DestroyedCompromised,
    ];

    pub(crate) fn numbered(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|it| *it as u32 == number)
    }

    /// As the console shows it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PreActive => "PRE-ACTIVE",
            Self::Active => "ACTIVE",
            Self::Deactivated => "DEACTIVATED",
            Self::Compromised => "COMPROMISED",
            Self::Destroyed => "DESTROYED",
            Self::DestroyedCompromised => "DESTROYED-COMPROMISED",
        }
    }
}

/// Algorithms by their number, with the lengths of key that the server makes, in bits; those without are only kept. The
/// standard, table "Cryptographic Algorithm Enumeration".
pub(crate) const ALGORITHMS: &[(u32, &str, &[i32])] = &[
    (0x01, "DES", &[]),
    (0x02, "3DES", &[112, 128, 168, 192]),
    (0x03, "AES", &[128, 192, 256]),
    (0x04, "RSA", &[]),
    (0x05, "DSA", &[]),
    (0x06, "ECDSA", &[]),
    (0x07, "HMAC-SHA1", &[160]),
    (0x08, "HMAC-SHA224", &[224]),
    (0x09, "HMAC-SHA256", &[256]),
    (0x0a, "HMAC-SHA384", &[384]),
    (0x0b, "HMAC-SHA512", &[512]),
    (0x0c, "HMAC-MD5", &[]),
    (0x0d, "DH", &[]),
    (0x0e, "ECDH", &[]),
    (0x0f, "ECMQV", &[]),
    (0x10, "Blowfish", &[]),
    (0x11, "Camellia", &[128, 192, 256]),
    (0x12, "CAST5", &[]),
    (0x13, "IDEA", &[]),
    (0x14, "MARS", &[]),
    (0x15, "RC2", &[]),
    (0x16, "RC4", &[]),
    (0x17, "RC5", &[]),
    (0x18, "SKIPJACK", &[]),
    (0x19, "Twofish", &[]),
];

/// The algorithm's row.
pub(crate) fn algorithm(number: u32) -> Option<&'static (u32, &'static str, &'static [i32])> {
    ALGORITHMS.iter().find(|(known, ..)| *known == number)
}

/// Hashing Algorithm: SHA-256.
pub(crate) const SHA_256: u32 = 6;

/// Link Type: the object that replaced this one, and the one that it replaced.
pub(crate) const REPLACEMENT_OBJECT_LINK: u32 = 0x106;
/// See [`REPLACEMENT_OBJECT_LINK`].
pub(crate) const REPLACED_OBJECT_LINK: u32 = 0x107;

/// Key Format Type: the bytes of a symmetric key.
pub(crate) const RAW: u32 = 1;
/// Key Format Type: bytes that nobody looks into.
pub(crate) const OPAQUE: u32 = 2;
/// Key Format Type: X.509, in DER.
pub(crate) const X_509: u32 = 5;
