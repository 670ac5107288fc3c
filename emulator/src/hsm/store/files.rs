//! The files of a store as the file system sees them: names, and why one cannot be opened.
//!
//! Nothing here opens the database: closing a second descriptor of it would drop the locks
//! SQLite holds on the first.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::error::{StoreError, Trouble};

/// `path` with `suffix` appended to its last part.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    name.into()
}

/// The name under which SQLite opens the file itself, even when it looks like a URI.
pub(super) fn plain_name(path: &Path) -> PathBuf {
    if path.as_os_str().as_bytes().starts_with(b"file:") {
        Path::new(".").join(path)
    } else {
        path.to_path_buf()
    }
}

/// The name under which SQLite opens the file as one that nobody writes.
pub(super) fn frozen_name(path: &Path) -> PathBuf {
    let mut name = b"file:".to_vec();
    // Two slashes at the start would name a host.
    if path.is_absolute() {
        name.extend_from_slice(b"//");
    }
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => name.push(*byte),
            other => name.extend_from_slice(format!("%{other:02x}").as_bytes()),
        }
    }
    name.extend_from_slice(b"?immutable=1");
    OsString::from_vec(name).into()
}

/// What tells whether a file was written: its length, and when, in seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    bytes: u64,
    written: (i64, i64),
}

/// Whether there are writes beside the database that are not in it.
pub(super) fn has_log(database: &Path) -> bool {
    fs::metadata(with_suffix(database, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// Refuses what cannot be a store before SQLite takes an empty file for an empty database.
pub(super) fn look_at(database: &Path) -> Result<Look, StoreError> {
    let metadata = fs::metadata(database).map_err(|error| StoreError::from_io(database, &error))?;
    let refused = |reason: &str| {
        Err(StoreError::NotADatabase { path: database.to_path_buf(), reason: reason.to_owned() })
    };
    if !metadata.is_file() {
        return refused("it is not a regular file");
    }
    if metadata.len() == 0 {
        return refused("it is empty");
    }
    Ok(Look { bytes: metadata.len(), written: (metadata.mtime(), metadata.mtime_nsec()) })
}

/// Why SQLite could not open the file; it only says that it could not.
pub(super) fn why_not(database: &Path, error: &rusqlite::Error) -> StoreError {
    let metadata = match fs::metadata(database) {
        Ok(metadata) => metadata,
        Err(error) => return StoreError::from_io(database, &error),
    };
    // The user this process acts as, without a system call of our own.
    let user = fs::metadata("/proc/self").map_or(0, |own| own.uid());
    let mode = metadata.permissions().mode();
    let readable = if user == metadata.uid() { mode & 0o400 } else { mode & 0o044 };
    if user != 0 && readable == 0 {
        return StoreError::Permission { path: database.to_path_buf() };
    }
    StoreError::from_sqlite(database, error)
}

/// Whether reading failed because the files SQLite keeps beside a database cannot be made.
pub(super) fn needs_files_beside(trouble: &Trouble) -> bool {
    let Trouble::Sql(error) = trouble else { return false };
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => true,
        Some(ErrorCode::SystemIoFailure) => matches!(
            error.sqlite_error().map(|error| error.extended_code),
            Some(rusqlite::ffi::SQLITE_IOERR_SHMOPEN | rusqlite::ffi::SQLITE_IOERR_SHMMAP)
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_for_what_they_are() {
        assert_eq!(plain_name(Path::new("file:x")), Path::new("./file:x"));
        assert_eq!(plain_name(Path::new("/a/file:x")), Path::new("/a/file:x"));
        assert_eq!(
            frozen_name(Path::new("/a b/c?d#e%")),
            Path::new("file:///a%20b/c%3fd%23e%25?immutable=1")
        );
        assert_eq!(frozen_name(Path::new("a")), Path::new("file:a?immutable=1"));
        assert_eq!(with_suffix(Path::new("/a/b.c"), "-wal"), Path::new("/a/b.c-wal"));
    }
}
