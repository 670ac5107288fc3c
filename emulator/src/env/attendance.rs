//! Which processes are alive, told by locks that the kernel takes away from the dead.
//!
//! A process that wants to be known holds a lock (`flock`) on a file of its own, under a name drawn at
//! random. However it ends, the lock goes with it; process numbers would be used again, and mean
//! nothing in another container. A forked child holds its parent's lock too until it ends or runs
//! another program: children share their parent's connection (Documented: the vendor's OpenSSL engine).

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::disk::DiskError;

/// A process, as others know it.
pub type Name = [u8; 16];

/// This process, known as long as the value lives.
#[derive(Debug)]
pub struct Attendance {
    name: Name,
    path: PathBuf,
    _locked: File,
}

fn path_of(directory: &Path, name: &Name) -> PathBuf {
    directory.join(format!("present-{:032x}", u128::from_be_bytes(*name)))
}

impl Attendance {
    /// Makes this process known by a name that nobody has.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn begin(directory: &Path, name: Name) -> Result<Self, DiskError> {
        let path = path_of(directory, &name);
        let failed = |action, error| DiskError::new(action, &path, error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o660)
            .open(&path)
            .map_err(|error| failed("create", error))?;
        file.lock().map_err(|error| failed("lock", error))?;
        Ok(Self { name, path, _locked: file })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// Whether the process of that name lives; the file of one that does not is removed. One that
    /// cannot be asked after is taken to live: nobody loses a login by it.
    #[must_use]
    pub fn is_present(directory: &Path, name: &Name) -> bool {
        let path = path_of(directory, name);
        let file = match OpenOptions::new().read(true).open(&path) {
            Ok(file) => file,
            Err(error) => return error.kind() != std::io::ErrorKind::NotFound,
        };
        let gone = file.try_lock_shared().is_ok();
        if gone {
            // What stays is litter: nobody uses the name again.
            let _ = fs::remove_file(&path);
        }
        !gone
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_there_is_known_until_he_goes() {
        let folder = tempfile::tempdir().unwrap();
        let own = Attendance::begin(folder.path(), [7; 16]).unwrap();
        assert!(Attendance::is_present(folder.path(), &own.name()));
        assert!(!Attendance::is_present(folder.path(), &[8; 16]));
        drop(own);
        assert!(!Attendance::is_present(folder.path(), &[7; 16]));
    }

    #[test]
    fn the_file_of_the_dead_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let left = path_of(folder.path(), &[9; 16]);
        fs::write(&left, b"").unwrap();
        assert!(!Attendance::is_present(folder.path(), &[9; 16]));
        assert!(!left.exists());
    }
}
