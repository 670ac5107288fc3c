//! How an operation ends when it does not succeed.

use std::fmt;

use luna_ck::names;
use serde::{Serialize, Serializer};

use crate::blob::KeyNumber;
use crate::disk::DiskError;
use crate::operation::{Operation, Step};
use crate::store::StoreError;
use crate::texts::{Cause, Text};

/// A return code of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rv(pub u64);

impl fmt::Display for Rv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} 0x{:X}", names::ckr(self.0), self.0)
    }
}

impl Serialize for Rv {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

/// What went wrong, where, and what the HSM said.
///
/// Its text has the form `message (detail; CKR_… 0x…). remedy`, the words from [`crate::texts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Error {
    /// Which operation.
    pub operation: Operation,
    /// At which of its steps; `None` for operations without and for refusals before the first.
    pub step: Option<Step>,
    /// Within Initialize step 11: at which step of the verification.
    pub verification_step: Option<Step>,
    /// Why.
    pub cause: Cause,
    /// What the module answered, if it was the module.
    pub rv: Option<Rv>,
    /// More about it, never a secret; may be empty.
    pub detail: String,
    /// A root key this operation made and could not remove again: it stays on the token, of no use.
    pub orphan: Option<KeyNumber>,
}

impl Error {
    pub(crate) fn new(operation: Operation, cause: Cause) -> Self {
        let detail = String::new();
        Self {
            operation,
            step: None,
            verification_step: None,
            cause,
            rv: None,
            detail,
            orphan: None,
        }
    }

    #[must_use]
    pub(crate) fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = detail.to_string();
        self
    }

    /// A store that did not answer.
    pub(crate) fn store(operation: Operation, error: &StoreError) -> Self {
        let cause = match error {
            StoreError::InUse => Cause::DataDirectoryInUse,
            StoreError::Disk(_) => Cause::DiskFailed,
            StoreError::Stopped(_) => Cause::Stopped,
            StoreError::ReadOnly(_) => Cause::ReadOnlyRestricted,
            StoreError::PeerSilent(_) => Cause::PeerSilent,
            StoreError::Sqlite(_) | StoreError::Corrupt(_) => Cause::StoreFailed,
        };
        Self::new(operation, cause).with_detail(error)
    }

    /// A file that could not be read or written, which means `cause` here.
    pub(crate) fn disk(operation: Operation, cause: Cause, error: &DiskError) -> Self {
        let cause = if matches!(error, DiskError::Stopped(_)) { Cause::Stopped } else { cause };
        Self::new(operation, cause).with_detail(error)
    }

    /// The row of the table.
    pub fn text(&self) -> Text {
        self.cause.text()
    }

    /// What is wrong, without the remedy.
    pub fn what(&self) -> String {
        self.what_as(self.text().message)
    }

    fn what_as(&self, message: &str) -> String {
        let mut out = message.to_owned();
        let rv = self.rv.map(|rv| rv.to_string()).unwrap_or_default();
        match (self.detail.as_str(), rv.as_str()) {
            ("", "") => {}
            ("", only) | (only, "") => out.push_str(&format!(" ({only})")),
            (detail, rv) => out.push_str(&format!(" ({detail}; {rv})")),
        }
        out
    }
}

impl Error {
    /// The whole text with other words for what is wrong, as a release may have them.
    pub(crate) fn told_as(&self, message: &str) -> String {
        let mut out = format!("{}. {}", self.what_as(message), self.text().remedy);
        if let Some(number) = self.orphan {
            out.push_str(&format!(
                " The root key with number {number} made here could not be removed from the token."
            ));
        }
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told_as(self.text().message))
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_wrong_and_what_to_do_next() {
        let mut error = Error::new(Operation::Verify, Cause::CouldNotGetSlot);
        assert!(error.to_string().starts_with("Could Not Get Slot for HSM. Check"));
        error.rv = Some(Rv(0xa0));
        error.detail = "C_Login".into();
        assert_eq!(error.what(), "Could Not Get Slot for HSM (C_Login; CKR_PIN_INCORRECT 0xA0)");
    }
}
