//! The data directory: where each file lies, and how a file is replaced whole or not at all.
//!
//! Directories are 0700 and files 0600. A replacement is written beside the file, synced, renamed over it, and
//! the directory is synced: after a crash there is the old content or the new, never a mixture. What a crash
//! leaves under a temporary name is removed at the next start.
//!
//! The names follow the real server's where a source gives them (`enctdepwd`, `cwallet.sso`, `log/hsm`:
//! Observed and Assumed, see [`Place`]).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::watch::{Event, Stopped, Watch};

/// A file with a fixed place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Configuration, objects, alerts, audit: the embedded database.
    Store,
    /// The password wallet with the TDE master keys.
    Wallet,
    /// The second wallet under the same password, which a verification checks as well. Existence Observed,
    /// path Assumed.
    RestoreWallet,
    /// The link from the HSM's wallet directory to the password wallet. Existence Observed ("check wallet
    /// links"), what it links Assumed.
    WalletLink,
    /// The HSM credential, as the auto-login wallet keeps it. Existence Observed, path Assumed.
    CredentialWallet,
    /// The key that hides the credential from a casual look.
    CredentialKey,
    /// The wallet password under the root key, with its header. Existence Observed, name Assumed.
    Blob,
    /// One trace file per operation that may touch the HSM. Documented (18.2 and later).
    TraceDirectory,
    /// The database's own journal.
    StoreJournal,
    /// The copy of the database while it is read for a backup.
    BackupCopy,
    /// A restore's database, before it counts.
    StagedStore,
    /// A restore's password wallet.
    StagedWallet,
    /// A restore's encrypted wallet password.
    StagedBlob,
    /// A restore's second wallet.
    StagedRestoreWallet,
    /// The file that makes a restore count.
    RestoreCommit,
    /// The destination that is always there.
    LocalBackups,
    /// Certificate of the console.
    ConsoleCertificate,
    /// Its key.
    ConsoleKey,
    /// Certificate and key of the KMIP server, with the authority's certificate between them.
    KmipIdentity,
    /// Where the command line finds the running server.
    Control,
    /// What the running server tells about itself.
    Running,
    /// Environment variables for the library. Path Observed, below the real product's `/usr/local/okv`.
    Environment,
    /// Certificate of the node, by which other nodes know it.
    NodeCertificate,
    /// Its key.
    NodeKey,
    /// The bundle that Create Bundle makes and Apply Bundle reads. Documented: `/usr/local/okv/hsm/hsmbundle`.
    Bundle,
}

impl Place {
    /// Path under the data directory.
    pub const fn relative(self) -> &'static str {
        match self {
            Self::Store => "okv.db",
            Self::Wallet => "wallet/ewallet.okv",
            Self::RestoreWallet => "hsm/restore/ewallet.okv",
            Self::WalletLink => "hsm/wallet/ewallet.okv",
            Self::CredentialWallet => "hsm/wallet/cwallet.sso",
            Self::CredentialKey => "hsm/local.key",
            Self::Blob => "hsm/wallet/enctdepwd",
            Self::TraceDirectory => "log/hsm",
            Self::StoreJournal => "okv.db-journal",
            Self::BackupCopy => "run/backup.db.new",
            Self::StagedStore => "restore/okv.db",
            Self::StagedWallet => "restore/ewallet.okv",
            Self::StagedBlob => "restore/enctdepwd",
            Self::StagedRestoreWallet => "restore/rwallet.okv",
            Self::RestoreCommit => "restore/commit",
            Self::LocalBackups => "backup",
            Self::ConsoleCertificate => "console/certificate.pem",
            Self::ConsoleKey => "console/key.pem",
            Self::KmipIdentity => "kmip/identity.pem",
            Self::Control => "run/control",
            Self::Running => "run/server.json",
            Self::Environment => "hsm/generic/okv_hsm_env",
            Self::NodeCertificate => "cluster/certificate.pem",
            Self::NodeKey => "cluster/key.pem",
            Self::Bundle => "hsm/hsmbundle",
        }
    }
}

/// Where [`Place::WalletLink`] must point.
const LINK_TARGET: &str = "../../wallet/ewallet.okv";

const DIRECTORIES: [&str; 10] = [
    "wallet",
    "hsm/wallet",
    "hsm/restore",
    "log/hsm",
    "restore",
    "backup",
    "console",
    "kmip",
    "run",
    "cluster",
];

/// Temporary names end with this; no other file's does.
const TEMPORARY: &str = ".new";

/// Why a file could not be read or replaced.
#[derive(Debug)]
pub(crate) enum DiskError {
    /// The operating system's answer, for this file.
    Io(PathBuf, io::Error),
    /// A watcher's refusal.
    Stopped(Stopped),
}

impl DiskError {
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(_, error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl std::fmt::Display for DiskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Stopped(Stopped(why)) => write!(f, "stopped: {why}"),
        }
    }
}

impl From<Stopped> for DiskError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// The data directory of one server.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    root: PathBuf,
    watch: Watch,
}

impl Disk {
    pub(crate) fn new(root: &Path, watch: Watch) -> Self {
        Self { root: root.to_owned(), watch }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, place: Place) -> PathBuf {
        self.root.join(place.relative())
    }

    pub(crate) fn exists(&self, place: Place) -> bool {
        self.path(place).symlink_metadata().is_ok()
    }

    /// Makes the directories that are not there yet.
    pub(crate) fn prepare(&self) -> Result<(), DiskError> {
        for directory in std::iter::once(self.root.clone())
            .chain(DIRECTORIES.iter().map(|directory| self.root.join(directory)))
        {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
            made.map_err(|error| DiskError::Io(directory, error))?;
        }
        Ok(())
    }

    /// Makes the file empty with mode 0600 unless it is there, for a library that opens it by name.
    pub(crate) fn touch(&self, place: Place) -> Result<PathBuf, DiskError> {
        let path = self.path(place);
        match OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(DiskError::Io(path, error)),
        }
    }

    pub(crate) fn read(&self, place: Place) -> Result<Vec<u8>, DiskError> {
        let path = self.path(place);
        fs::read(&path).map_err(|error| DiskError::Io(path, error))
    }

    /// Permission bits of the file, as in `0o600`.
    pub(crate) fn mode(&self, place: Place) -> Result<u32, DiskError> {
        let path = self.path(place);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.permissions().mode() & 0o777),
            Err(error) => Err(DiskError::Io(path, error)),
        }
    }

    /// Replaces the file whole.
    pub(crate) fn replace(&self, place: Place, content: &[u8]) -> Result<(), DiskError> {
        let path = self.path(place);
        let beside = temporary(&path);
        write_synced(&beside, content).map_err(|error| DiskError::Io(beside.clone(), error))?;
        self.watch.notify(&Event::Written(&path))?;
        fs::rename(&beside, &path).map_err(|error| DiskError::Io(path.clone(), error))?;
        sync_parent(&path)?;
        self.watch.notify(&Event::Replaced(&path))?;
        Ok(())
    }

    /// Puts a file that lies ready in the place of another, whole.
    pub(crate) fn rename(&self, from: Place, to: Place) -> Result<(), DiskError> {
        let (from, to) = (self.path(from), self.path(to));
        self.watch.notify(&Event::Written(&to))?;
        fs::rename(&from, &to).map_err(|error| DiskError::Io(to.clone(), error))?;
        sync_parent(&to)?;
        self.watch.notify(&Event::Replaced(&to))?;
        Ok(())
    }

    /// Makes [`Place::WalletLink`].
    pub(crate) fn link_wallet(&self) -> Result<(), DiskError> {
        let path = self.path(Place::WalletLink);
        let beside = temporary(&path);
        let made = match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => symlink(LINK_TARGET, &beside),
        };
        made.map_err(|error| DiskError::Io(beside.clone(), error))?;
        self.watch.notify(&Event::Written(&path))?;
        fs::rename(&beside, &path).map_err(|error| DiskError::Io(path.clone(), error))?;
        sync_parent(&path)?;
        self.watch.notify(&Event::Replaced(&path))?;
        Ok(())
    }

    /// Whether [`Place::WalletLink`] is a link to the password wallet; if not, what it is.
    pub(crate) fn wallet_link(&self) -> Result<(), String> {
        match fs::read_link(self.path(Place::WalletLink)) {
            Ok(target) if target == Path::new(LINK_TARGET) => Ok(()),
            Ok(target) => Err(format!("it points to {}", target.display())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Removes the file; one that is not there is no error.
    pub(crate) fn remove(&self, place: Place) -> Result<(), DiskError> {
        let path = self.path(place);
        if !self.exists(place) {
            return Ok(());
        }
        self.watch.notify(&Event::Removing(&path))?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DiskError::Io(path, error))
            }
            _ => sync_parent(&path),
        }
    }

    /// Removes what a crash left under a temporary name.
    pub(crate) fn sweep(&self) -> Result<(), DiskError> {
        for directory in std::iter::once("hsm").chain(DIRECTORIES) {
            let directory = self.root.join(directory);
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy().ends_with(TEMPORARY) {
                    let path = entry.path();
                    fs::remove_file(&path).map_err(|error| DiskError::Io(path, error))?;
                }
            }
        }
        Ok(())
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    name.into()
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_parent(path: &Path) -> Result<(), DiskError> {
    let parent = path.parent().unwrap_or(path);
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| DiskError::Io(parent.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, Disk, Watch) {
        let directory = tempfile::tempdir().unwrap();
        let watch = Watch::default();
        let disk = Disk::new(directory.path(), watch.clone());
        disk.prepare().unwrap();
        (directory, disk, watch)
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let (_directory, disk, watch) = disk();
        disk.replace(Place::Blob, b"old").unwrap();
        watch.set(Some(Box::new(|event: &Event<'_>| match event {
            Event::Written(_) => Err("crash".into()),
            _ => Ok(()),
        })));
        assert!(matches!(disk.replace(Place::Blob, b"new"), Err(DiskError::Stopped(_))));
        assert_eq!(disk.read(Place::Blob).unwrap(), b"old");
        watch.set(None);
        disk.sweep().unwrap();
        let left = fs::read_dir(disk.path(Place::Blob).parent().unwrap()).unwrap().count();
        assert_eq!(left, 1);
        disk.replace(Place::Blob, b"new").unwrap();
        assert_eq!(disk.read(Place::Blob).unwrap(), b"new");
        assert_eq!(disk.mode(Place::Blob).unwrap(), 0o600);
    }

    #[test]
    fn a_link_elsewhere_is_told_from_the_right_one() {
        let (_directory, disk, _) = disk();
        assert!(disk.wallet_link().is_err());
        disk.link_wallet().unwrap();
        disk.link_wallet().unwrap();
        assert_eq!(disk.wallet_link(), Ok(()));
        disk.remove(Place::WalletLink).unwrap();
        disk.remove(Place::WalletLink).unwrap();
        symlink("/elsewhere", disk.path(Place::WalletLink)).unwrap();
        assert!(disk.wallet_link().unwrap_err().contains("/elsewhere"));
    }
}
