//! What is wrong with a configuration file, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// A fault of the file: where it is, what is there, what was expected.
///
/// Printed as `FILE:LINE: section/key: what; expected …`, without the parts that are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(Box<Fault>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Fault {
    file: PathBuf,
    line: Option<usize>,
    section: Option<String>,
    key: Option<String>,
    what: String,
    expected: Option<String>,
}

impl Error {
    pub(crate) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        let what = format!("cannot be read: {error}");
        Self(Box::new(Fault { file: file.to_owned(), what, ..Fault::default() }))
    }

    pub(crate) fn unwritable(file: &Path, error: &std::io::Error) -> Self {
        let what = format!("cannot be written: {error}");
        Self(Box::new(Fault { file: file.to_owned(), what, ..Fault::default() }))
    }

    pub(crate) fn new(file: &Path, what: impl Into<String>, expected: impl Into<String>) -> Self {
        let (what, expected) = (what.into(), Some(expected.into()));
        Self(Box::new(Fault { file: file.to_owned(), what, expected, ..Fault::default() }))
    }

    pub(crate) fn on_line(mut self, line: usize) -> Self {
        self.0.line = Some(line);
        self
    }

    pub(crate) fn in_section(mut self, section: &str) -> Self {
        self.0.section = Some(section.to_owned());
        self
    }

    pub(crate) fn in_key(mut self, key: &str) -> Self {
        self.0.key = Some(key.to_owned());
        self
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.0.file
    }

    /// The line, counted from 1; `None` when no line is to blame.
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }

    /// The section, when one is concerned.
    pub fn section(&self) -> Option<&str> {
        self.0.section.as_deref()
    }

    /// The key, when one is concerned.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        match (&self.section, &self.key) {
            (Some(section), Some(key)) => write!(f, "{section}/{key}: ")?,
            (Some(section), None) => write!(f, "{section}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.what)?;
        match &self.expected {
            Some(expected) => write!(f, "; expected {expected}"),
            None => Ok(()),
        }
    }
}
