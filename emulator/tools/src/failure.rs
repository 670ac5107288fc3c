//! Why a tool did not do what it was asked.

use std::path::Path;

/// The cause, in words; the exit code follows from it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request cannot be understood or lacks something, or there is nothing to work on.
    #[error("{0}")]
    Misuse(String),
    /// The request was understood and refused.
    #[error("{0}")]
    Refused(String),
    /// The configuration file is wrong, or cannot be read or written.
    #[error("{0}")]
    Configuration(#[from] chrystoki_conf::Error),
    /// The module said so.
    #[error("{0}")]
    Module(#[from] luna_client::Error),
    /// Reading or writing a stream failed.
    #[error("{0}")]
    Stream(#[from] std::io::Error),
    /// A certificate, request or key cannot be read or made.
    #[error("not of the encoding that is expected: {0}")]
    Encoding(#[from] der::Error),
    /// A certificate or request cannot be made of what it is to hold.
    #[error("{0}")]
    Certificate(#[from] x509_cert::builder::Error),
}

impl Failure {
    pub(crate) fn misuse(text: impl Into<String>) -> Self {
        Failure::Misuse(text.into())
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Failure::Refused(text.into())
    }

    /// A file that cannot be read or written.
    pub(crate) fn of_file(path: &Path, error: &std::io::Error) -> Self {
        Failure::Misuse(format!("{}: {error}", path.display()))
    }

    /// 1 refused, 2 misuse or broken set-up.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Misuse(_) | Failure::Configuration(_) => 2,
            Failure::Module(error) if error.rv().is_none() => 2,
            Failure::Refused(_)
            | Failure::Module(_)
            | Failure::Stream(_)
            | Failure::Encoding(_)
            | Failure::Certificate(_) => 1,
        }
    }
}
