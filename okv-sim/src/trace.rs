//! One trace file per operation that may touch the HSM.
//!
//! Line format, first and last line Observed on OKV 21.10: `YYYY-MM-DD HH:MM:SS.mmm: text`, from
//! `Beginning trace for hsmclient <verb>` to `Finished successfully`. Times are UTC here. What the last line of
//! a failed run says is Assumed. The file's name is Assumed; it sorts by time, as `ls -ltr` shows the real ones.
//!
//! No secret is ever given to this room: callers pass counts, handles, numbers, names and return codes.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// How many trace files are kept; the oldest go first. Assumed: years of five-minute checks must fit a disk.
pub(crate) const KEPT: usize = 200;

/// An open trace. Lines reach the file one by one: a run that dies leaves what it had done.
#[derive(Debug)]
pub(crate) struct Trace {
    file: Option<File>,
    path: PathBuf,
}

impl Trace {
    /// Begins a trace in the directory. A trace that cannot be written stops no operation: it stays silent.
    pub(crate) fn begin(directory: &Path, verb: &str) -> Self {
        let stamp = Timestamp::now().strftime("%Y%m%d%H%M%S%3f").to_string();
        let mut trace = Self { file: None, path: directory.join("none") };
        for again in 0..100_u32 {
            let path = directory.join(format!("{stamp}_{again:02}_hsmclient_{verb}.trc"));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    trace = Self { file: Some(file), path };
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(_) => break,
            }
        }
        prune(directory);
        trace.line(format_args!("Beginning trace for hsmclient {verb}"));
        trace
    }

    pub(crate) fn line(&mut self, text: impl Display) {
        if let Some(file) = &mut self.file {
            let stamp = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.3f");
            let text = text.to_string().replace(['\r', '\n'], " ");
            if file.write_all(format!("{stamp}: {text}\n").as_bytes()).is_err() {
                self.file = None;
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Trace files of the directory, oldest first.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "trc"))
        .collect();
    files.sort();
    files
}

fn prune(directory: &Path) {
    let files = files(directory);
    for old in files.iter().take(files.len().saturating_sub(KEPT)) {
        // One that cannot be removed is tried again at the next run.
        let _ = fs::remove_file(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_observed_form_and_stay_one_line_each() {
        let directory = tempfile::tempdir().unwrap();
        let mut trace = Trace::begin(directory.path(), "verify");
        trace.line("one\ntwo");
        let text = fs::read_to_string(trace.path()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(&lines[0][23..], ": Beginning trace for hsmclient verify");
        let pattern = "dddd-dd-dd dd:dd:dd.ddd: ";
        for (seen, expected) in lines[1].chars().zip(pattern.chars()) {
            assert!(seen == expected || expected == 'd' && seen.is_ascii_digit(), "{}", lines[1]);
        }
        assert!(lines[1].ends_with(": one two"));
    }

    #[test]
    fn old_traces_go_and_new_ones_never_share_a_file() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..KEPT + 20 {
            Trace::begin(directory.path(), "verify");
        }
        assert_eq!(files(directory.path()).len(), KEPT);
    }
}
