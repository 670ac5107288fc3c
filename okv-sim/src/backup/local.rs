//! The destination that is always there: a directory of the server itself.
//!
//! A remote one is advised (Documented): this one goes with the server's disk.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::courier::{Call, Courier, CourierError, Progress, Result};

/// How much goes between two looks at the progress, bytes.
const PIECE: usize = 256 * 1024;

struct Local(PathBuf);

pub(crate) fn connect(call: &Call<'_>) -> Result<Box<dyn Courier>> {
    let directory = call.local.to_owned();
    if directory.is_dir() {
        Ok(Box::new(Local(directory)))
    } else {
        Err(CourierError::new("no such directory", directory.display()))
    }
}

impl Courier for Local {
    fn host_key(&self) -> &'static str {
        ""
    }

    fn list(&mut self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.0).map_err(|error| CourierError::new("list", error))?;
        Ok(entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect())
    }

    fn put(&mut self, name: &str, bytes: &[u8], progress: &mut Progress<'_>) -> Result<()> {
        let failed = |error| CourierError::new(name, error);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.0.join(name)).map_err(failed)?;
        let mut gone = 0;
        for piece in bytes.chunks(PIECE) {
            file.write_all(piece).map_err(failed)?;
            gone += piece.len();
            progress(gone).map_err(CourierError::Stopped)?;
        }
        file.sync_all().map_err(failed)
    }

    fn get(&mut self, name: &str) -> Result<Vec<u8>> {
        fs::read(self.0.join(name)).map_err(|error| CourierError::new(name, error))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        fs::rename(self.0.join(from), self.0.join(to)).map_err(|error| CourierError::new(to, error))
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        fs::remove_file(self.0.join(name)).map_err(|error| CourierError::new(name, error))
    }
}
