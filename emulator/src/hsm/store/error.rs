//! What can go wrong with a store, told apart by what somebody has to do about it.

use std::path::{Path, PathBuf};

use crate::env::{DiskError, PageError};

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no HSM here.
    #[error("there is no HSM at {}; create one first", path.display())]
    Missing {
        /// The file that should be there.
        path: PathBuf,
    },
    /// There is an HSM here already.
    #[error("there is an HSM at {} already; it was left as it is", path.display())]
    AlreadyThere {
        /// The file that is there.
        path: PathBuf,
    },
    /// The file is not a store at all.
    #[error("{} is not an HSM's database ({reason}); it was left as it is", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        reason: String,
    },
    /// The file is a store, and damaged.
    #[error(
        "{} is damaged ({reason}); it was left as it is, restore it from a snapshot",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file, one of those beside it, or its directory may not be written; or it may only be
    /// read and somebody else began to write it.
    #[error(
        "{} can only be read; check its permission, and that of its directory and of the files \
         beside it",
        path.display()
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// No space.
    #[error("no space left for {}; nothing was changed, make room and try again", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Made by a later release.
    #[error(
        "{} has format {found}, this release knows up to {known}; use the release that made it",
        path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The latest format known.
        known: i64,
    },
    /// Another process held the store for longer than is waited.
    #[error(
        "{} was held by another process for longer than {waited_ms} ms; see who uses it",
        path.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        waited_ms: u64,
    },
    /// Not allowed to open the file.
    #[error("{} may not be opened by this user; check its permission and owner", path.display())]
    Permission {
        /// The file.
        path: PathBuf,
    },
    /// Anything else the system or SQLite answered.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The answer.
        reason: String,
    },
    /// The process was forked behind the store's back.
    #[error(
        "{} was opened before a fork that ran no fork handlers; open it again after an exec",
        path.display()
    )]
    Forked {
        /// The file.
        path: PathBuf,
    },
    /// The control page beside the database cannot be used.
    #[error(transparent)]
    Page(PageError),
    /// An object with this OUID is in the partition already.
    #[error("the partition has an object with OUID {} already", hex(ouid))]
    DuplicateOuid {
        /// The OUID.
        ouid: [u8; 12],
    },
    /// The object was destroyed while it was on its way here.
    #[error("the object with OUID {} was destroyed meanwhile", hex(ouid))]
    Destroyed {
        /// The OUID.
        ouid: [u8; 12],
    },
    /// The object changed since it was read.
    #[error("object {handle} is of generation {found}, not {expected}")]
    Conflict {
        /// The object.
        handle: u64,
        /// The generation the caller knew.
        expected: u64,
        /// The generation it has.
        found: u64,
    },
    /// There is no such object.
    #[error("there is no object {handle}")]
    NoSuchObject {
        /// The handle.
        handle: u64,
    },
    /// There is no such partition.
    #[error("there is no partition {serial}")]
    NoSuchPartition {
        /// The serial number.
        serial: String,
    },
    /// A serial number the store cannot keep.
    #[error("{serial:?} is not a partition's serial number: 1 to 18 digits, no leading zero")]
    BadSerial {
        /// What was given.
        serial: String,
    },
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl StoreError {
    /// The meaning of an answer of SQLite about the file at `path`.
    pub(super) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_path_buf();
        let reason = error.to_string();
        match error {
            // Only rows of a damaged file have other types than the strict tables allow.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => {
                return Self::Corrupt { path, reason };
            }
            _ => {}
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, reason },
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path, reason },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path, waited_ms: 0 }
            }
            Some(ErrorCode::PermissionDenied) => Self::Permission { path },
            _ => Self::Io { path, reason },
        }
    }

    /// The meaning of an answer of the file system.
    pub(super) fn from_io(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.to_path_buf();
        match error.kind() {
            ErrorKind::NotFound => Self::Missing { path },
            ErrorKind::AlreadyExists => Self::AlreadyThere { path },
            ErrorKind::PermissionDenied => Self::Permission { path },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, reason: error.to_string() },
        }
    }
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        Self::from_io(&error.path, &error.source)
    }
}

impl From<PageError> for StoreError {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Disk(error) => error.into(),
            PageError::ReadOnly { path } => Self::ReadOnly { path },
            other => Self::Page(other),
        }
    }
}

/// Trouble inside a transaction, before the path is known.
#[derive(Debug)]
pub(super) enum Trouble {
    /// SQLite said no.
    Sql(rusqlite::Error),
    /// The store says no.
    Refused(StoreError),
    /// A row holds what no release ever wrote.
    Damaged(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl Trouble {
    /// A row of `table` that cannot be understood.
    pub(super) fn damaged(table: &str) -> Self {
        Self::Damaged(format!("a row of {table} cannot be understood"))
    }

    /// Whether another process was in the way and the same may work a moment later.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sql(error) if is_busy(error))
    }

    /// As an error about the file at `path`.
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Sql(error) => StoreError::from_sqlite(path, &error),
            Self::Refused(error) => error,
            Self::Damaged(reason) => StoreError::Corrupt { path: path.to_path_buf(), reason },
        }
    }
}

/// Whether another process was in the way.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
