//! Reading and writing whole files, with bounds, modes and errors that name the path.
//!
//! The database of an HSM is not touched from here: closing any descriptor of a file drops every
//! record lock the process holds on it (POSIX, `fcntl`), so a file SQLite has open must never be
//! opened beside it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::process;

/// What went wrong with a file, and which.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct DiskError {
    /// What was being done, as a verb: `read`, `write`, `create`.
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system answered.
    pub source: io::Error,
}

impl DiskError {
    pub(crate) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_path_buf(), source }
    }

    /// The kind of the system's answer.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// The whole of a file of at most `max_bytes` bytes.
///
/// # Errors
/// `NotFound` and `PermissionDenied` as the system says; `FileTooLarge` when it is longer.
pub fn read_bytes(path: &Path, max_bytes: usize) -> Result<Vec<u8>, DiskError> {
    let failed = |error| DiskError::new("read", path, error);
    let file = OpenOptions::new().read(true).open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One more than allowed, so that a file that grows while it is read is noticed too.
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > max_bytes {
        let message = format!("it is longer than the {max_bytes} bytes allowed");
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, message)));
    }
    Ok(bytes)
}

/// The whole of a text file of at most `max_bytes` bytes.
///
/// # Errors
/// As [`read_bytes`], and `InvalidData` when the bytes are not UTF-8.
pub fn read_text(path: &Path, max_bytes: usize) -> Result<String, DiskError> {
    String::from_utf8(read_bytes(path, max_bytes)?).map_err(|error| {
        let error = io::Error::new(io::ErrorKind::InvalidData, error.utf8_error());
        DiskError::new("read", path, error)
    })
}

/// Puts `bytes` at `path` so that a reader, or a crash at any moment, sees the old file or the
/// new one and nothing between. `mode` is the permission of the new file, e.g. `0o600`.
///
/// # Errors
/// Whatever the system answers; the old file is then still there.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DiskError> {
    let temporary = write_beside(path, bytes, mode)?;
    let placed = fs::rename(&temporary, path).map_err(|error| DiskError::new("write", path, error));
    if placed.is_err() {
        discard(&temporary);
    }
    placed?;
    sync_directory_of(path)
}

/// Adds text at the end of a file, which is made with permission `mode` where there is none. Each
/// call is one write, so that lines of several processes do not mix.
///
/// # Errors
/// Whatever the system answers.
pub fn append_text(path: &Path, text: &str, mode: u32) -> Result<(), DiskError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| DiskError::new("append to", path, error))
}

/// As [`write_atomically`], but leaves a file that is already there as it is.
/// Returns whether it was this call that made the file.
///
/// # Errors
/// Whatever the system answers.
pub fn create_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, DiskError> {
    let temporary = write_beside(path, bytes, mode)?;
    let created = place_new(&temporary, path);
    discard(&temporary);
    if created? {
        sync_directory_of(path)?;
        return Ok(true);
    }
    Ok(false)
}

/// Gives the finished file `temporary` the name `path` unless something has it already; returns
/// whether it did. `temporary` keeps its name too where the file system has hard links.
pub(crate) fn place_new(temporary: &Path, path: &Path) -> Result<bool, DiskError> {
    match fs::hard_link(temporary, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Some file systems have no hard links. Two creators at the same instant are then told
        // apart by the check alone.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EPERM | libc::ENOTSUP | libc::ENOSYS | libc::EMLINK)
            ) =>
        {
            if path.try_exists().map_err(|error| DiskError::new("create", path, error))? {
                return Ok(false);
            }
            fs::rename(temporary, path).map_err(|error| DiskError::new("create", path, error))?;
            Ok(true)
        }
        Err(error) => Err(DiskError::new("create", path, error)),
    }
}

/// An empty file of permission `mode` under a name nobody else uses, in the folder of `path`.
pub(crate) fn create_beside(path: &Path, mode: u32) -> Result<(PathBuf, File), DiskError> {
    static TURN: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Names of a process that died are skipped, not reused: its number may be ours by now.
    for _ in 0..1000 {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!(".{name}.{}.{turn}.tmp", process::pid()));
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(DiskError::new("create", &temporary, error)),
        }
    }
    let error = io::Error::new(io::ErrorKind::AlreadyExists, "too many files left by other runs");
    Err(DiskError::new("create", path, error))
}

fn write_beside(path: &Path, bytes: &[u8], mode: u32) -> Result<PathBuf, DiskError> {
    let (temporary, mut file) = create_beside(path, mode)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        discard(&temporary);
        return Err(DiskError::new("write", path, error));
    }
    Ok(temporary)
}

/// Removes a temporary file. A failure leaves litter, not damage, so it is not reported.
pub(crate) fn discard(temporary: &Path) {
    let _ = fs::remove_file(temporary);
}

/// Makes the name of `path` in its folder last through a power loss.
pub(crate) fn sync_directory_of(path: &Path) -> Result<(), DiskError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    OpenOptions::new()
        .read(true)
        .open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| DiskError::new("write", folder, error))
}

/// Creates `path` and the folders above it that are missing, open to their owner alone (0700).
/// Folders that exist keep their permission.
///
/// # Errors
/// Whatever the system answers, for example when a file stands where a folder should.
pub fn create_private_directory(path: &Path) -> Result<(), DiskError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| DiskError::new("create", path, error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        write_atomically(&path, b"12345", 0o600).unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        let error = read_text(&path, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        write_atomically(&path, &[0xff, 0xfe], 0o600).unwrap();
        assert_eq!(read_text(&path, 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(
            read_text(&folder.path().join("none"), 10).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn writing_replaces_whole_files_and_leaves_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_atomically(&path, b"old", 0o644).unwrap();
        write_atomically(&path, b"new", 0o600).unwrap();
        assert_eq!(read_bytes(&path, 10).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!create_atomically(&path, b"other", 0o600).unwrap());
        assert_eq!(read_bytes(&path, 10).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        // A folder cannot be replaced by a file.
        let path = folder.path().join("taken");
        create_private_directory(&path.join("inside")).unwrap();
        assert!(write_atomically(&path, b"new", 0o600).is_err());
        assert!(path.join("inside").is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn made_directories_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        create_private_directory(&path).unwrap();
        create_private_directory(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(path.join("file"), b"").unwrap();
        assert!(create_private_directory(&path.join("file/c")).is_err());
    }
}
