//! The two logs of the client: failed calls with their reasons, and what happened to HA members.
//!
//! A log that cannot be written is nobody's reason to fail. Neither holds PINs, keys or data.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::env::{Clock, process};

/// Lines with a time and a process before them.
#[derive(Clone)]
pub struct Log {
    target: Target,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
enum Target {
    None,
    Stderr,
    File(PathBuf),
}

impl Log {
    /// Nobody listens.
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        Self { target: Target::None, clock }
    }

    /// The file at `path`, or standard error for the word `stderr`; none for `off`.
    pub fn to(path: &Path, clock: Arc<dyn Clock>) -> Self {
        let target = match path.to_str() {
            Some("stderr") => Target::Stderr,
            Some("off") => Target::None,
            _ => Target::File(path.to_owned()),
        };
        Self { target, clock }
    }

    /// Whether a line would reach anybody.
    pub fn is_on(&self) -> bool {
        !matches!(self.target, Target::None)
    }

    /// Appends a line, in one write so that processes do not mix theirs.
    pub fn line(&self, text: &str) {
        if !self.is_on() {
            return;
        }
        let now = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line =
            format!("{}.{:03} : [{}] {text}\n", now.as_secs(), now.subsec_millis(), process::pid());
        let written = match &self.target {
            Target::None => Ok(()),
            Target::Stderr => std::io::stderr().write_all(line.as_bytes()),
            Target::File(path) => OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(line.as_bytes())),
        };
        // The call being logged has its own answer, which a full disk here must not change.
        drop(written);
    }
}
