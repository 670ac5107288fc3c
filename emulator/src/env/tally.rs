//! Counts that processes keep together, in a small file under a lock.
//!
//! For what happens rarely: an update opens the file, waits for whoever has it, reads, writes. The
//! lock belongs to the opened file, so threads of one process are kept apart as processes are, and
//! it ends with the process that held it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::disk::DiskError;

/// A file of counts.
#[derive(Debug)]
pub struct Tally {
    path: PathBuf,
}

impl Tally {
    /// The counts in a file, which is made when it is first needed.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Lets `change` see and set the first `len` counts, all 0 in a new file, while nobody else
    /// does. What it returns is returned.
    ///
    /// # Errors
    /// When the file cannot be opened, read or written; the counts are then as they were.
    pub fn update<T>(
        &self,
        len: usize,
        change: impl FnOnce(&mut [u64]) -> T,
    ) -> Result<T, DiskError> {
        self.locked(|file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let mut counts: Vec<u64> = bytes
                .chunks(8)
                .filter_map(|chunk| chunk.try_into().ok().map(u64::from_le_bytes))
                .collect();
            if counts.len() < len {
                counts.resize(len, 0);
            }
            let value = change(counts.get_mut(..len).unwrap_or_default());
            let bytes: Vec<u8> = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&bytes)?;
            Ok(value)
        })
    }

    /// Sets every count to 0.
    ///
    /// # Errors
    /// As [`Tally::update`].
    pub fn clear(&self) -> Result<(), DiskError> {
        self.locked(|file| file.set_len(0))
    }

    fn locked<T>(&self, body: impl FnOnce(&mut File) -> io::Result<T>) -> Result<T, DiskError> {
        let failed = |error| DiskError::new("count in", &self.path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)
            .map_err(failed)?;
        file.lock().map_err(failed)?;
        // Closing the file ends the lock.
        body(&mut file).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("count");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let tally = Tally::at(&path);
                    for _ in 0..100 {
                        tally.update(2, |counts| counts[1] += 1).unwrap();
                    }
                });
            }
        });
        let tally = Tally::at(&path);
        assert_eq!(tally.update(3, |counts| counts.to_vec()).unwrap(), [0, 400, 0]);
        tally.clear().unwrap();
        assert_eq!(tally.update(2, |counts| counts.to_vec()).unwrap(), [0, 0]);
    }
}
