//! Values that must not be printed, and are wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::operation::Operation;
use crate::texts::Cause;

/// A passphrase, an HSM credential, a wallet password or an object's bytes.
///
/// Printing one gives its length class only; the memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// What was typed into the two fields of a dialog.
    ///
    /// # Errors
    /// [`Cause::CredentialFieldsDiffer`] when the second is not the first; nothing has been touched then.
    pub fn confirmed(first: Self, second: &Self, operation: Operation) -> Result<Self, Error> {
        if first.0 == second.0 {
            Ok(first)
        } else {
            Err(Error::new(operation, Cause::CredentialFieldsDiffer))
        }
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", Secret::from("geheim42")).contains("geheim"));
    }

    #[test]
    fn two_fields_must_agree() {
        let again = Secret::from("b");
        let error = Secret::confirmed("a".into(), &again, Operation::Initialize).unwrap_err();
        assert_eq!(error.cause, Cause::CredentialFieldsDiffer);
        assert!(Secret::confirmed("b".into(), &again, Operation::Initialize).is_ok());
    }
}
