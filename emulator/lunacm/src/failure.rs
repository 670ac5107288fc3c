//! Why a command did not do what it was asked.

use luna_ck::*;
use luna_client::{Error, Rv};

/// The cause; [`Failure::rv`] is the code that the last line of the command shows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The module said so.
    #[error("{0}")]
    Module(#[from] Error),
    /// The client configuration file is wrong, or cannot be read or written.
    #[error("{0}")]
    Configuration(#[from] chrystoki_conf::Error),
    /// The request cannot be understood or lacks something.
    #[error("{0}")]
    Misuse(String),
    /// The request is understood, but cannot be served as things are.
    #[error("{text}")]
    Refused {
        /// The code that says it best.
        rv: CK_RV,
        /// In words.
        text: String,
    },
    /// The administrator thought better of it.
    #[error("the command was cancelled")]
    Cancelled,
    /// Reading or writing failed.
    #[error("{0}")]
    Stream(#[from] std::io::Error),
}

impl Failure {
    pub(crate) fn misuse(text: impl Into<String>) -> Self {
        Failure::Misuse(text.into())
    }

    pub(crate) fn refused(rv: CK_RV, text: impl Into<String>) -> Self {
        Failure::Refused { rv, text: text.into() }
    }

    /// The code of an error, with words of our own.
    pub(crate) fn of(error: &Error, text: impl Into<String>) -> Self {
        let rv = Failure::Module(error.clone()).rv().0;
        Failure::Refused { rv, text: text.into() }
    }

    /// Of what is no answer of the module, the code that a module would have given.
    pub(crate) fn rv(&self) -> Rv {
        match self {
            Failure::Module(error) => error.rv().unwrap_or(match error {
                Error::Missing { .. } => Rv(CKR_FUNCTION_NOT_SUPPORTED),
                _ => Rv(CKR_GENERAL_ERROR),
            }),
            Failure::Misuse(_) | Failure::Configuration(_) => Rv(CKR_ARGUMENTS_BAD),
            Failure::Refused { rv, .. } => Rv(*rv),
            Failure::Cancelled => Rv(CKR_CANCEL),
            Failure::Stream(_) => Rv(CKR_GENERAL_ERROR),
        }
    }
}
