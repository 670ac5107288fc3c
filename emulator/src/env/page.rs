//! The control page: a few numbers that every process using one HSM can see at once.
//!
//! A file of 4096 bytes in the HSM's directory, mapped for reading. On the path of every call
//! stands the question whether anything changed; a system call would cost more than the
//! cryptography, a load from the mapping costs a few nanoseconds. Writing is rare and goes
//! through `pwrite`, never through the mapping, so that a full disk is an answer and not a
//! signal in somebody else's process, and so that a stray pointer of the host cannot reach it.
//!
//! | word | content |
//! |---|---|
//! | 0 | `"LUNAPG"` and the format of the page in the upper 16 bits |
//! | 1 | generation of the store, see `hsm::store` |
//! | 2 | link state: 0 up, 1 down |
//! | 3 | fault plan: odd while one is in force, another number for each |
//! | 4 | number of restarts of the HSM |
//! | 5 | until when the link is down, in milliseconds since 1970; 0: until it is set up by hand |
//!
//! Three assumptions, all of Linux: `MAP_SHARED` and `pwrite` of one file are coherent; eight
//! aligned bytes are copied at once; the file is never made shorter (a reader would get
//! `SIGBUS`) nor replaced while in use (its readers would look at the old one for ever). The
//! file is opened for writing before it is mapped wherever that is allowed, since on an overlay
//! file system a mapping made earlier would stay on the layer below.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::{self, DiskError};
use super::ffi::{Mapping, PAGE_BYTES};

/// `LUNAPG`, little-endian, in the lower 48 bits of word 0.
const MAGIC: u64 = u64::from_le_bytes(*b"LUNAPG\0\0");
const MAGIC_BITS: u32 = 48;

/// The page format this code writes and understands.
pub const PAGE_FORMAT: u64 = 1;

const WORDS_USED: usize = 6;

/// A number on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Never lower than the generation committed in the store.
    StoreGeneration = 1,
    /// 0 while the HSM can be reached, 1 while it is cut off.
    Link = 2,
    /// Changes whenever the fault plan does; odd while one is in force.
    FaultPlan = 3,
    /// How often the HSM was restarted; sessions and logins from before are gone.
    Restarts = 4,
    /// When a link that is down comes back by itself, in milliseconds since 1970; 0 for never.
    DownUntil = 5,
}

impl Word {
    const fn index(self) -> usize {
        self as usize
    }

    const fn offset(self) -> u64 {
        self as u64 * 8
    }
}

/// Why a page cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The file is missing, unreadable, or the disk is full.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file is something else.
    #[error(
        "{} is not a control page ({reason}); stop every process that uses this HSM and remove \
         it, it is made anew",
        path.display()
    )]
    NotAPage {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The page is of another release.
    #[error(
        "{} has format {found}, this release knows {PAGE_FORMAT}; use the release that made it, \
         or stop every process that uses this HSM and remove it",
        path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The format in the file.
        found: u64,
    },
    /// The page was opened by somebody who may not write it.
    #[error("{} may not be written by this process; check the file's permission", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
}

/// The page, open.
#[derive(Debug)]
pub struct ControlPage {
    path: PathBuf,
    words: Words,
}

#[derive(Debug)]
enum Words {
    /// Shared through a file; without the file when it may not be written.
    Mapped { mapping: Mapping, file: Option<File> },
    /// Seen by this process alone.
    Private([AtomicU64; WORDS_USED]),
}

impl ControlPage {
    /// Makes the page if there is none, of permission `mode`, and opens it. Another process
    /// doing the same at the same time ends up with the same page.
    ///
    /// # Errors
    /// As [`ControlPage::open`]; [`PageError::Disk`] when it cannot be made.
    pub fn create(path: &Path, mode: u32) -> Result<Self, PageError> {
        // Every byte is written: a page that exists has its disk space, and reading it through
        // the mapping can never fail for want of it.
        let mut bytes = [0_u8; PAGE_BYTES];
        let head = MAGIC | (PAGE_FORMAT << MAGIC_BITS);
        for (to, from) in bytes.iter_mut().zip(head.to_ne_bytes()) {
            *to = from;
        }
        disk::create_atomically(path, &bytes, mode)?;
        Self::open(path)
    }

    /// Opens the page at `path`, for writing too where that is allowed.
    ///
    /// # Errors
    /// [`PageError::Disk`] when it is not there or cannot be read, [`PageError::NotAPage`] when
    /// it has the wrong size or start, [`PageError::OtherFormat`].
    pub fn open(path: &Path) -> Result<Self, PageError> {
        let failed = |error| DiskError::new("open", path, error);
        let (file, writable) = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => (file, true),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                (OpenOptions::new().read(true).open(path).map_err(failed)?, false)
            }
            Err(error) => return Err(failed(error).into()),
        };
        let wrong = |reason: String| PageError::NotAPage { path: path.to_path_buf(), reason };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(wrong("it is not a regular file".into()));
        }
        if usize::try_from(metadata.len()) != Ok(PAGE_BYTES) {
            return Err(wrong(format!("{} bytes long instead of {PAGE_BYTES}", metadata.len())));
        }
        let mapping = Mapping::of(&file).map_err(|error| DiskError::new("map", path, error))?;
        let head = mapping.load(0);
        if head & ((1 << MAGIC_BITS) - 1) != MAGIC {
            return Err(wrong("it starts with something else".into()));
        }
        let found = head >> MAGIC_BITS;
        if found != PAGE_FORMAT {
            return Err(PageError::OtherFormat { path: path.to_path_buf(), found });
        }
        let file = writable.then_some(file);
        Ok(Self { path: path.to_path_buf(), words: Words::Mapped { mapping, file } })
    }

    /// A page no other process sees, for a store that lives in memory.
    #[must_use]
    pub fn private() -> Self {
        Self { path: PathBuf::new(), words: Words::Private(Default::default()) }
    }

    /// The current value. A few nanoseconds, no system call.
    #[inline]
    #[must_use]
    pub fn word(&self, word: Word) -> u64 {
        match &self.words {
            Words::Mapped { mapping, .. } => mapping.load(word.index()),
            Words::Private(words) => {
                words.get(word.index()).map_or(0, |word| word.load(Ordering::Acquire))
            }
        }
    }

    /// Whether [`ControlPage::publish`] can work.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !matches!(self.words, Words::Mapped { file: None, .. })
    }

    /// Sets a word, for every process.
    ///
    /// # Errors
    /// [`PageError::ReadOnly`], or [`PageError::Disk`] when the write failed; the word then has
    /// its old value.
    pub fn publish(&self, word: Word, value: u64) -> Result<(), PageError> {
        match &self.words {
            Words::Mapped { file: Some(file), .. } => {
                file.write_all_at(&value.to_ne_bytes(), word.offset())
                    .map_err(|error| DiskError::new("write", &self.path, error))?;
            }
            Words::Mapped { file: None, .. } => {
                return Err(PageError::ReadOnly { path: self.path.clone() });
            }
            Words::Private(words) => {
                if let Some(word) = words.get(word.index()) {
                    word.store(value, Ordering::Release);
                }
            }
        }
        Ok(())
    }

    /// Adds one to a word and returns the new value. Reads and then writes, so two callers must
    /// be kept apart by a lock that spans processes: the store's write lock.
    ///
    /// # Errors
    /// As [`ControlPage::publish`].
    pub fn bump(&self, word: Word) -> Result<u64, PageError> {
        let value = self.word(word).wrapping_add(1);
        self.publish(word, value)?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_one_opener_writes_the_other_sees() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let one = ControlPage::create(&path, 0o600).unwrap();
        let two = ControlPage::create(&path, 0o600).unwrap();
        assert_eq!(two.word(Word::StoreGeneration), 0);
        one.publish(Word::StoreGeneration, u64::MAX - 1).unwrap();
        assert_eq!(two.bump(Word::StoreGeneration).unwrap(), u64::MAX);
        two.publish(Word::Link, 1).unwrap();
        two.publish(Word::FaultPlan, 7).unwrap();
        two.publish(Word::Restarts, 9).unwrap();
        let words = [Word::StoreGeneration, Word::Link, Word::FaultPlan, Word::Restarts];
        assert_eq!(words.map(|word| one.word(word)), [u64::MAX, 1, 7, 9]);
        assert_eq!(ControlPage::open(&path).unwrap().word(Word::FaultPlan), 7);
        assert_eq!(fs::metadata(&path).unwrap().len(), 4096);
    }

    #[test]
    fn other_files_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        assert!(matches!(ControlPage::open(&path), Err(PageError::Disk(error))
            if error.kind() == io::ErrorKind::NotFound));

        fs::write(&path, b"short").unwrap();
        let error = ControlPage::create(&path, 0o600).unwrap_err();
        assert!(matches!(&error, PageError::NotAPage { .. }), "{error}");
        assert!(error.to_string().contains("5 bytes long"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"short");

        fs::write(&path, [0x5a; 4096]).unwrap();
        assert!(matches!(ControlPage::open(&path), Err(PageError::NotAPage { .. })));

        let mut newer = vec![0; 4096];
        newer[..8].copy_from_slice(&(MAGIC | (2 << MAGIC_BITS)).to_ne_bytes());
        fs::write(&path, newer).unwrap();
        assert!(matches!(ControlPage::open(&path), Err(PageError::OtherFormat { found: 2, .. })));

        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(ControlPage::open(&path).is_err());
    }

    #[test]
    fn a_private_page_behaves_the_same() {
        let page = ControlPage::private();
        assert!(page.is_writable());
        assert_eq!(page.bump(Word::Restarts).unwrap(), 1);
        page.publish(Word::Link, 1).unwrap();
        assert_eq!((page.word(Word::Restarts), page.word(Word::Link)), (1, 1));
    }
}
