//! The language of endpoints: KMIP 1.1, as bytes and as what they mean.
//!
//! Source throughout: OASIS, Key Management Interoperability Protocol Specification 1.1 (24 January 2013), called the
//! standard here. What is done with a request is in [`crate::operation`], one file an operation; how requests
//! travel is the server's matter.
//!
//! The codec is our own. Of the crates there are, `kmip-protocol` writes requests and reads answers, the client's half;
//! `kmip-ttlv` below it reads into types that must be known beforehand, and takes as much memory as a length field asks
//! for; `cosmian_kmip` has a licence we cannot take.
//!
//! | room | what it is for |
//! |---|---|
//! | [`ttlv`] | bytes to items and back, bounded |
//! | [`tag`] | names of tags and values |
//! | [`attribute`] | the attributes: a row each, with its rules |
//! | [`message`] | requests and answers around the operations |

pub(crate) mod attribute;
pub(crate) mod message;
pub(crate) mod tag;
pub(crate) mod ttlv;

/// Why a request was refused: what the standard calls result reason, and words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// A field that must be there is not.
    pub(crate) fn missing(what: &str) -> Self {
        Self::new(Reason::MissingData, format!("{what} is missing"))
    }

    /// A field that is there and cannot be used.
    pub(crate) fn invalid(what: &str, why: &str) -> Self {
        Self::new(Reason::InvalidField, format!("{what}: {why}"))
    }

    /// The object is not there, or not for who asks: the same words for both, so that nobody learns of others'.
    pub(crate) fn not_found(id: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        let message = format!("there is no object {id} that this endpoint may use");
        Self::new(Reason::ItemNotFound, message)
    }
}

/// Result reasons. The standard, table "Result Reason Enumeration".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Reason {
    ItemNotFound = 0x01,
    ResponseTooLarge = 0x02,
    AuthenticationNotSuccessful = 0x03,
    InvalidMessage = 0x04,
    OperationNotSupported = 0x05,
    MissingData = 0x06,
    InvalidField = 0x07,
    FeatureNotSupported = 0x08,
    CryptographicFailure = 0x0a,
    IllegalOperation = 0x0b,
    PermissionDenied = 0x0c,
    IndexOutOfBounds = 0x0e,
    KeyFormatTypeNotSupported = 0x10,
    KeyCompressionTypeNotSupported = 0x11,
    GeneralFailure = 0x100,
}
