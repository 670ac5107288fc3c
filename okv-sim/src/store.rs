//! The embedded database: configuration, tablespaces, sealed objects, alerts, audit.
//!
//! SQLite, opened by one process at a time. Every change is one transaction: together with the atomic files of
//! [`crate::disk`] this is what makes Initialize all or nothing, since the switch from passphrase to HSM is one
//! commit. Freed pages are overwritten and the journal is cut after each commit, so that a path that was closed
//! does not stay readable in a corner of the file. Nothing that comes here is a secret in clear.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::blob::KeyNumber;
use crate::disk::{Disk, DiskError, Place};
use crate::recovery::RecoveryRecord;
use crate::watch::{Event, Stopped, Watch};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS config (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS recovery (
        one INTEGER PRIMARY KEY CHECK (one = 1), salt BLOB NOT NULL, iterations INTEGER NOT NULL,
        verifier BLOB NOT NULL, wrapped BLOB) STRICT;
    CREATE TABLE IF NOT EXISTS tablespace (
        id INTEGER PRIMARY KEY, master_key BLOB NOT NULL, wrapped BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS managed_object (
        id BLOB PRIMARY KEY, tablespace INTEGER NOT NULL REFERENCES tablespace(id),
        name BLOB NOT NULL, value BLOB NOT NULL, bytes INTEGER NOT NULL, stored_at TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS alert (
        id INTEGER PRIMARY KEY, cause TEXT NOT NULL, text TEXT NOT NULL, raised_at TEXT NOT NULL,
        cleared_at TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS audit (
        id INTEGER PRIMARY KEY, at TEXT NOT NULL, operation TEXT NOT NULL, outcome TEXT NOT NULL,
        who TEXT) STRICT;
";

mod accounts;
mod backups;
pub(crate) mod cluster;
mod endpoints;
mod journal;
mod security_objects;

pub(crate) use self::accounts::AccountRecord;
pub use self::backups::{BackupDestination, BackupJob, BackupKind, BackupRun, BackupStatus};
pub(crate) use self::backups::{NewRun, SealedDestination};
pub(crate) use self::endpoints::AuthorityRecord;
pub use self::endpoints::{Access, Endpoint, EndpointStatus, Grant, Holder, Named};
pub use self::journal::Interrupted;
pub(crate) use self::security_objects::SealedSecurityObject;

thread_local! {
    /// Whose operation runs on this thread: an operation runs on one thread from its begin to its end.
    static ACTING: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs an operation in the name of an account, for the audit trail.
pub(crate) fn acting<T>(who: Option<&str>, work: impl FnOnce() -> T) -> T {
    let before = ACTING.replace(who.map(str::to_owned));
    let done = work();
    ACTING.set(before);
    done
}

/// How long a second process waits for the first to end.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why the store could not answer.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// Another process has it open.
    InUse,
    Sqlite(rusqlite::Error),
    Disk(DiskError),
    /// A value that is missing or not what it should be.
    Corrupt(&'static str),
    Stopped(Stopped),
    /// A node of a cluster that may not write now; why.
    ReadOnly(String),
    /// The change is durable here, and the read-write peer did not acknowledge it.
    PeerSilent(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse => f.write_str("in use"),
            Self::Sqlite(error) => error.fmt(f),
            Self::Disk(error) => error.fmt(f),
            Self::Corrupt(what) => write!(f, "{what} is missing or damaged"),
            Self::Stopped(Stopped(why)) => write!(f, "stopped: {why}"),
            Self::ReadOnly(why) | Self::PeerSilent(why) => f.write_str(why),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<Stopped> for StoreError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// Which key opens the wallet, as the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The recovery passphrase.
    NotEnabled,
    /// The recovery passphrase; an HSM credential is stored for a restore.
    CredentialSet,
    /// The root key on the token.
    Enabled,
}

impl Mode {
    const fn word(self) -> &'static str {
        match self {
            Self::NotEnabled => "NOT_ENABLED",
            Self::CredentialSet => "CRED_SET",
            Self::Enabled => "ENABLED",
        }
    }
}

/// How the last run through the HSM went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    Fail,
    /// It was the one at start or while sealed, and failed.
    Sealed,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Sealed => "sealed",
        }
    }
}

/// Where the HSM is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HsmSettings {
    /// The entry of the vendor list, for display only.
    pub vendor: String,
    /// The PKCS#11 library.
    pub module: PathBuf,
    /// The token's label; `None` takes the first slot, as releases up to 18.3 always do (Documented).
    pub token_label: Option<String>,
}

impl HsmSettings {
    /// The vendor's present entry of the list, `Thales Luna` (Documented, 18.5 and later).
    pub fn luna(module: impl Into<PathBuf>, token_label: Option<&str>) -> Self {
        Self {
            vendor: "Thales Luna".to_owned(),
            module: module.into(),
            token_label: token_label.map(str::to_owned),
        }
    }
}

/// What the last successful run learned about slot and token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the standard's fields of the same names")]
pub struct HsmDetails {
    pub slot: u64,
    pub token_label: String,
    pub manufacturer: String,
    pub model: String,
    pub serial_number: String,
    pub firmware_version: String,
}

/// An alert, standing or cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Name of the [`crate::Cause`], as in `RootKeyConflict`: the latest, if it changed while standing.
    pub cause: String,
    /// Begins with [`crate::texts::ALERT_PREFIX`].
    pub text: String,
    /// UTC, RFC 3339.
    pub raised_at: String,
    /// UTC, RFC 3339; `None` while it stands.
    pub cleared_at: Option<String>,
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// UTC, RFC 3339.
    pub at: String,
    /// The account that asked; `None` for the timer and for commands on the server itself.
    pub who: Option<String>,
    /// Name of the operation.
    pub operation: String,
    /// `success`, or the cause's name.
    pub outcome: String,
}

/// A row of `managed_object`, still sealed.
pub(crate) struct SealedObject {
    pub(crate) id: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) bytes: i64,
    pub(crate) stored_at: String,
}

/// The open database. Clones are the same one: what reads goes on beside an operation that is at the HSM.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    connection: Arc<Mutex<Connection>>,
    watch: Watch,
    attached: cluster::Attached,
}

/// One transaction's changes; nothing counts before it is committed.
pub(crate) struct Change<'a>(Transaction<'a>);

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl Store {
    /// Opens the file, which is made if need be, and keeps other processes out until dropped.
    pub(crate) fn open(disk: &Disk, watch: Watch) -> Result<Self> {
        let connection = Arc::new(Mutex::new(Self::connect(disk)?));
        Ok(Self { connection, watch, attached: cluster::Attached::default() })
    }

    fn connect(disk: &Disk) -> Result<Connection> {
        let connection = Connection::open(disk.touch(Place::Store)?)?;
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL;
             PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;",
        )?;
        connection.query_row("PRAGMA journal_mode = TRUNCATE", [], |_| Ok(()))?;
        // The first write takes the lock; with this mode it is kept.
        connection.execute_batch(&format!(
            "BEGIN EXCLUSIVE; {SCHEMA} {} {} {} {} {} {} COMMIT;",
            journal::SCHEMA,
            accounts::SCHEMA,
            backups::SCHEMA,
            endpoints::SCHEMA,
            security_objects::SCHEMA,
            cluster::SCHEMA
        ))?;
        // Servers of before the console had no accounts.
        let known = connection.prepare("SELECT who FROM audit LIMIT 1").is_ok();
        if !known {
            connection.execute_batch("ALTER TABLE audit ADD COLUMN who TEXT")?;
        }
        cluster::notice_changes(&connection)?;
        Ok(connection)
    }

    /// One transaction. An error of `work`, or a watcher's refusal before the commit, leaves nothing of it.
    ///
    /// `work` must not ask the store itself: the connection is its own until the commit.
    pub(crate) fn change(&self, work: impl FnOnce(&Change<'_>) -> Result<()>) -> Result<()> {
        let logged = {
            let mut connection = self.connection.lock();
            let change = Change(connection.transaction()?);
            work(&change)?;
            let logged = cluster::log(&change.0, &self.attached)?;
            self.watch.notify(&Event::Committing)?;
            change.0.commit()?;
            self.watch.notify(&Event::Committed)?;
            logged
        };
        // Others are waited for with the database free: they may have something for this one.
        logged.map_or(Ok(()), cluster::Logged::shipped)
    }

    /// A whole and compact copy in the file, which is there and empty. What was deleted is not in it.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<()> {
        let path = path.to_str().ok_or(StoreError::Corrupt("the path of the data directory"))?;
        self.connection.lock().execute("VACUUM INTO ?1", [path])?;
        Ok(())
    }

    /// Lets the database go while its file is replaced. Who asks meanwhile waits.
    pub(crate) fn replaced(
        &self,
        disk: &Disk,
        work: impl FnOnce() -> std::result::Result<(), DiskError>,
    ) -> Result<()> {
        let mut connection = self.connection.lock();
        drop(std::mem::replace(&mut *connection, Connection::open_in_memory()?));
        work()?;
        *connection = Self::connect(disk)?;
        Ok(())
    }

    /// Makes a restored database this server's, where it was laid ready. Everything a backup must have is looked for.
    pub(crate) fn adapt_restored(
        disk: &Disk,
        settings: Option<&HsmSettings>,
        file: &str,
    ) -> Result<()> {
        let mut connection = Connection::open(disk.path(Place::StagedStore))?;
        let well: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if well != "ok" {
            return Err(StoreError::Corrupt("the restored database"));
        }
        connection.execute_batch(&format!(
            "{SCHEMA} {} {} {} {} {} {}",
            journal::SCHEMA,
            accounts::SCHEMA,
            backups::SCHEMA,
            endpoints::SCHEMA,
            security_objects::SCHEMA,
            cluster::SCHEMA
        ))?;
        let mode = if settings.is_some() { Mode::Enabled } else { Mode::NotEnabled };
        let change = Change(connection.transaction()?);
        let found: String =
            change
                .0
                .query_row("SELECT value FROM config WHERE name = 'mode'", [], |it| it.get(0))?;
        let found = if found == Mode::CredentialSet.word() { "NOT_ENABLED" } else { &found };
        if found != mode.word() {
            return Err(StoreError::Corrupt("the mode of the restored server"));
        }
        change.mode(mode)?;
        change.settings(settings)?;
        change.refused(None)?;
        change.verdict(None)?;
        change.details(None)?;
        change.finish_own_run(file)?;
        change.pause_all_jobs()?;
        cluster::leave(&change)?;
        change.begin_restored()?;
        change.0.commit()?;
        Ok(())
    }

    fn value(&self, name: &str) -> Result<Option<String>> {
        let connection = self.connection.lock();
        let mut statement =
            connection.prepare_cached("SELECT value FROM config WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    fn json<T: for<'de> Deserialize<'de>>(&self, name: &'static str) -> Result<Option<T>> {
        match self.value(name)? {
            Some(text) => {
                serde_json::from_str(&text).map(Some).map_err(|_| StoreError::Corrupt(name))
            }
            None => Ok(None),
        }
    }

    /// Random and fixed at installation; `None` when nothing is installed here.
    pub(crate) fn server_id(&self) -> Result<Option<String>> {
        self.value("server_id")
    }

    /// The installed release's name.
    pub(crate) fn release(&self) -> Result<String> {
        Ok(self.value("release")?.unwrap_or_else(|| crate::release::NEWEST.to_owned()))
    }

    pub(crate) fn mode(&self) -> Result<Mode> {
        match self.value("mode")?.as_deref() {
            Some("NOT_ENABLED") => Ok(Mode::NotEnabled),
            Some("CRED_SET") => Ok(Mode::CredentialSet),
            Some("ENABLED") => Ok(Mode::Enabled),
            _ => Err(StoreError::Corrupt("mode")),
        }
    }

    pub(crate) fn verdict(&self) -> Result<Option<Verdict>> {
        Ok(match self.value("verdict")?.as_deref() {
            Some("ok") => Some(Verdict::Ok),
            Some("fail") => Some(Verdict::Fail),
            Some("sealed") => Some(Verdict::Sealed),
            _ => None,
        })
    }

    pub(crate) fn settings(&self) -> Result<Option<HsmSettings>> {
        self.json("hsm_settings")
    }

    pub(crate) fn details(&self) -> Result<Option<HsmDetails>> {
        self.json("hsm_details")
    }

    pub(crate) fn key_number(&self) -> Result<Option<KeyNumber>> {
        let Some(number) = self.json("key_number")? else { return Ok(None) };
        KeyNumber::new(number).map(Some).ok_or(StoreError::Corrupt("key_number"))
    }

    /// The code with which the HSM refused the stored credential; no login is tried while it is there.
    pub(crate) fn refused(&self) -> Result<Option<u64>> {
        self.json("credential_refused")
    }

    pub(crate) fn recovery(&self) -> Result<RecoveryRecord> {
        let row = self
            .connection
            .lock()
            .query_row("SELECT salt, iterations, verifier, wrapped FROM recovery", [], |row| {
                Ok((row.get(0)?, row.get::<_, u32>(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let (salt, iterations, verifier, wrapped) = row.ok_or(StoreError::Corrupt("recovery"))?;
        let iterations = NonZeroU32::new(iterations).ok_or(StoreError::Corrupt("recovery"))?;
        Ok(RecoveryRecord { salt, iterations, verifier, wrapped })
    }

    /// Id of the master key, and the tablespace key under it.
    pub(crate) fn tablespace(&self, id: i64) -> Result<(Vec<u8>, Vec<u8>)> {
        self.connection
            .lock()
            .query_row("SELECT master_key, wrapped FROM tablespace WHERE id = ?1", [id], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?
            .ok_or(StoreError::Corrupt("tablespace"))
    }

    pub(crate) fn object_value(&self, id: &[u8]) -> Result<Option<Vec<u8>>> {
        let connection = self.connection.lock();
        let mut statement =
            connection.prepare_cached("SELECT value FROM managed_object WHERE id = ?1")?;
        Ok(statement.query_row([id], |row| row.get(0)).optional()?)
    }

    pub(crate) fn objects(&self) -> Result<Vec<SealedObject>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, name, bytes, stored_at FROM managed_object ORDER BY rowid",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(SealedObject {
                id: row.get(0)?,
                name: row.get(1)?,
                bytes: row.get(2)?,
                stored_at: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(crate) fn standing_alert(&self) -> Result<Option<Alert>> {
        Ok(self.alerts()?.into_iter().find(|alert| alert.cleared_at.is_none()))
    }

    /// All alerts, oldest first.
    pub(crate) fn alerts(&self) -> Result<Vec<Alert>> {
        let connection = self.connection.lock();
        let mut statement = connection
            .prepare_cached("SELECT cause, text, raised_at, cleared_at FROM alert ORDER BY id")?;
        let rows = statement.query_map([], |row| {
            Ok(Alert {
                cause: row.get(0)?,
                text: row.get(1)?,
                raised_at: row.get(2)?,
                cleared_at: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The audit trail, oldest first.
    pub(crate) fn audit(&self) -> Result<Vec<AuditRecord>> {
        let connection = self.connection.lock();
        let mut statement = connection
            .prepare_cached("SELECT at, who, operation, outcome FROM audit ORDER BY id")?;
        let rows = statement.query_map([], |row| {
            Ok(AuditRecord {
                at: row.get(0)?,
                who: row.get(1)?,
                operation: row.get(2)?,
                outcome: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Change<'_> {
    fn set(&self, name: &str, value: Option<&str>) -> Result<()> {
        match value {
            Some(value) => self.0.execute(
                "INSERT INTO config VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [name, value],
            )?,
            None => self.0.execute("DELETE FROM config WHERE name = ?1", [name])?,
        };
        Ok(())
    }

    fn set_json(&self, name: &'static str, value: Option<&impl Serialize>) -> Result<()> {
        let text = value.map(serde_json::to_string).transpose();
        self.set(name, text.map_err(|_| StoreError::Corrupt(name))?.as_deref())
    }

    pub(crate) fn server_id(&self, id: &str) -> Result<()> {
        self.set("server_id", Some(id))
    }

    pub(crate) fn release(&self, name: &str) -> Result<()> {
        self.set("release", Some(name))
    }

    pub(crate) fn mode(&self, mode: Mode) -> Result<()> {
        self.set("mode", Some(mode.word()))
    }

    pub(crate) fn verdict(&self, verdict: Option<Verdict>) -> Result<()> {
        self.set("verdict", verdict.map(Verdict::word))
    }

    pub(crate) fn settings(&self, settings: Option<&HsmSettings>) -> Result<()> {
        self.set_json("hsm_settings", settings)
    }

    pub(crate) fn details(&self, details: Option<&HsmDetails>) -> Result<()> {
        self.set_json("hsm_details", details)
    }

    pub(crate) fn key_number(&self, number: Option<KeyNumber>) -> Result<()> {
        self.set_json("key_number", number.map(KeyNumber::get).as_ref())
    }

    pub(crate) fn refused(&self, rv: Option<u64>) -> Result<()> {
        self.set_json("credential_refused", rv.as_ref())
    }

    pub(crate) fn recovery(&self, record: &RecoveryRecord) -> Result<()> {
        self.0.execute(
            "INSERT OR REPLACE INTO recovery VALUES (1, ?1, ?2, ?3, ?4)",
            params![record.salt, record.iterations.get(), record.verifier, record.wrapped],
        )?;
        Ok(())
    }

    pub(crate) fn tablespace(&self, id: i64, master_key: &[u8], wrapped: &[u8]) -> Result<()> {
        self.0.execute(
            "INSERT OR REPLACE INTO tablespace VALUES (?1, ?2, ?3)",
            params![id, master_key, wrapped],
        )?;
        Ok(())
    }

    /// `false` when an object of this id exists.
    pub(crate) fn object(
        &self,
        tablespace: i64,
        object: &SealedObject,
        value: &[u8],
    ) -> Result<bool> {
        let rows = self.0.execute(
            "INSERT INTO managed_object VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            params![object.id, tablespace, object.name, value, object.bytes, object.stored_at],
        )?;
        Ok(rows == 1)
    }

    pub(crate) fn raise_alert(&self, cause: &str, text: &str) -> Result<()> {
        self.0.execute(
            "INSERT INTO alert (cause, text, raised_at) VALUES (?1, ?2, ?3)",
            [cause, text, &now()],
        )?;
        Ok(())
    }

    pub(crate) fn update_alert(&self, cause: &str, text: &str) -> Result<()> {
        self.0.execute(
            "UPDATE alert SET cause = ?1, text = ?2 WHERE cleared_at IS NULL",
            [cause, text],
        )?;
        Ok(())
    }

    pub(crate) fn clear_alert(&self) -> Result<()> {
        self.0.execute("UPDATE alert SET cleared_at = ?1 WHERE cleared_at IS NULL", [&now()])?;
        Ok(())
    }

    pub(crate) fn audit(&self, operation: &str, outcome: &str) -> Result<()> {
        self.0.execute(
            "INSERT INTO audit (at, who, operation, outcome) VALUES (?1, ?2, ?3, ?4)",
            params![now(), ACTING.with_borrow(Clone::clone), operation, outcome],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, Disk) {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path(), Watch::default());
        disk.prepare().unwrap();
        (directory, disk)
    }

    #[test]
    fn one_process_at_a_time() {
        let (_directory, disk) = disk();
        let first = Store::open(&disk, Watch::default()).unwrap();
        assert!(matches!(Store::open(&disk, Watch::default()), Err(StoreError::InUse)));
        drop(first);
        Store::open(&disk, Watch::default()).unwrap();
        assert_eq!(disk.mode(Place::Store).unwrap(), 0o600);
    }

    #[test]
    fn a_stopped_commit_leaves_nothing() {
        let (_directory, disk) = disk();
        let watch = Watch::default();
        let store = Store::open(&disk, watch.clone()).unwrap();
        watch.set(Some(Box::new(|event: &Event<'_>| match event {
            Event::Committing => Err("stop".into()),
            _ => Ok(()),
        })));
        let stopped = store.change(|change| change.mode(Mode::Enabled));
        assert!(matches!(stopped, Err(StoreError::Stopped(_))));
        assert!(matches!(store.mode(), Err(StoreError::Corrupt("mode"))));
        watch.set(None);
        store.change(|change| change.mode(Mode::Enabled)).unwrap();
        assert_eq!(store.mode().unwrap(), Mode::Enabled);
    }

    #[test]
    fn what_is_deleted_is_gone_from_every_file() {
        let (directory, disk) = disk();
        let store = Store::open(&disk, Watch::default()).unwrap();
        let mut record = RecoveryRecord {
            salt: vec![1; 16],
            iterations: NonZeroU32::MIN,
            verifier: vec![2; 32],
            wrapped: Some(b"a wrapped password that must go".to_vec()),
        };
        store.change(|change| change.recovery(&record)).unwrap();
        assert_eq!(store.recovery().unwrap(), record);
        record.wrapped = None;
        store.change(|change| change.recovery(&record)).unwrap();
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let content = std::fs::read(&path).unwrap();
                let needle = b"wrapped password";
                assert!(!content.windows(needle.len()).any(|window| window == needle));
            }
        }
    }
}
