//! What happened at an appliance: who came, who was refused and why, what was ordered. Never PINs,
//! keys or data.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Result;
use emulator::env::{Clock, disk};
use jiff::Timestamp;
use parking_lot::Mutex;

/// A longer file is put aside, in place of the one that was put aside before.
const MOST_BYTES: u64 = 8 << 20;

/// The file of an appliance.
pub struct Journal {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    writing: Mutex<()>,
}

impl Journal {
    /// The file at `path`, made when it is first written to.
    pub fn at(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { path, clock, writing: Mutex::new(()) }
    }

    /// Appends a line. One that cannot be written is nobody's reason to fail.
    pub fn line(&self, text: &str) {
        let now = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_millis()).ok();
        let now = now.and_then(|now| Timestamp::from_millisecond(now).ok()).unwrap_or_default();
        // What a peer said of itself must not look like another line.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = format!("{now:.3} {text}\n");
        let _one_at_a_time = self.writing.lock();
        if std::fs::metadata(&self.path).is_ok_and(|file| file.len() > MOST_BYTES) {
            let _ = std::fs::rename(&self.path, aside(&self.path));
        }
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }

    /// The last so many lines.
    ///
    /// # Errors
    /// When there is a file and it cannot be read.
    pub fn last(&self, count: usize) -> Result<Vec<String>> {
        let most = usize::try_from(MOST_BYTES * 2).unwrap_or(usize::MAX);
        let text = match disk::read_bytes(&self.path, most) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(count);
        Ok(lines.into_iter().skip(from).map(str::to_owned).collect())
    }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}
