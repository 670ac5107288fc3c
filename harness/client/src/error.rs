//! What can go wrong between a caller and a module.

use std::fmt;
use std::path::PathBuf;

use luna_ck::{CK_RV, names};

/// A return code of the module, printed with its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rv(pub CK_RV);

impl Rv {
    /// `CKR_PIN_INCORRECT`, or hexadecimal digits when nobody named the number.
    pub fn name(self) -> String {
        names::ckr(self.0)
    }
}

impl fmt::Display for Rv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x} ({})", self.0, self.name())
    }
}

impl fmt::Debug for Rv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Why a module could not be loaded, or what a call answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The call answered something other than `CKR_OK`.
    #[error("{function}: {rv}")]
    Call {
        /// The function that was called, as in `C_Login`.
        function: &'static str,
        /// What it answered.
        rv: Rv,
    },
    /// The module does not have this function.
    #[error("{function}: the module does not have it")]
    Missing {
        /// The function that was asked for.
        function: &'static str,
    },
    /// The module answered `CKR_OK` with something that cannot be: a count beyond the room it was given, a
    /// length no memory holds.
    #[error("{function}: answered CKR_OK, but {what}")]
    Malformed {
        /// The function that was called.
        function: &'static str,
        /// What was wrong with the answer.
        what: &'static str,
    },
    /// The request was not passed on, because it could make the module follow a pointer that is none.
    #[error("{function}: not called: {what}")]
    Refused {
        /// The function that would have been called.
        function: &'static str,
        /// What was wrong with the request.
        what: &'static str,
    },
    /// There is no file of this name.
    #[error("{}: no such file", path.display())]
    NotFound {
        /// The file that was asked for.
        path: PathBuf,
    },
    /// The file is there, but the loader refused it.
    #[error("{}: cannot be loaded: {reason}", path.display())]
    CannotLoad {
        /// The file that was asked for.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// The file is a library, but has neither `C_GetFunctionList` nor the functions by name.
    #[error("{}: not a PKCS#11 module: it has no function list", path.display())]
    NoFunctionList {
        /// The file that was asked for.
        path: PathBuf,
    },
}

/// The result of every call here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The code the module answered; `None` for every error that is not a module's answer.
    pub fn rv(&self) -> Option<Rv> {
        match self {
            Error::Call { rv, .. } => Some(*rv),
            _ => None,
        }
    }

    /// Whether the module answered this code: `error.is(CKR_PIN_INCORRECT)`.
    pub fn is(&self, rv: CK_RV) -> bool {
        self.rv() == Some(Rv(rv))
    }

    /// The function that failed; `None` when the module never came to be loaded.
    pub fn function(&self) -> Option<&'static str> {
        match self {
            Error::Call { function, .. }
            | Error::Missing { function }
            | Error::Malformed { function, .. }
            | Error::Refused { function, .. } => Some(function),
            Error::NotFound { .. } | Error::CannotLoad { .. } | Error::NoFunctionList { .. } => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use luna_ck::CKR_PIN_INCORRECT;

    use super::*;

    #[test]
    fn a_failed_call_prints_function_number_and_name() {
        let error = Error::Call { function: "C_Login", rv: Rv(CKR_PIN_INCORRECT) };
        assert_eq!(error.to_string(), "C_Login: 0xa0 (CKR_PIN_INCORRECT)");
        assert!(error.is(CKR_PIN_INCORRECT));
        assert_eq!(error.function(), Some("C_Login"));
    }

    #[test]
    fn a_loader_error_is_no_answer_of_the_module() {
        let error = Error::NotFound { path: "/nowhere".into() };
        assert_eq!((error.rv(), error.function()), (None, None));
    }
}
