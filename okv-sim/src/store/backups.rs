//! Backup destinations, scheduled backups, and the runs that were made of them.
//!
//! Names of fields and statuses are the console's (Documented). Passwords of destinations and the server's own SSH
//! key come here sealed under the tablespace key, so a closed wallet cannot send a backup either.

use rusqlite::{OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::{Change, Result, Store, StoreError, now};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS backup_secret (
        one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL, wrapped BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS ssh_key (
        one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL, public TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS backup_destination (
        name TEXT PRIMARY KEY COLLATE NOCASE, place TEXT NOT NULL, password BLOB) STRICT;
    CREATE TABLE IF NOT EXISTS backup_job (
        name TEXT PRIMARY KEY COLLATE NOCASE, kind TEXT NOT NULL, destination TEXT NOT NULL,
        status TEXT NOT NULL, next_at TEXT, every_minutes INTEGER, runs INTEGER NOT NULL,
        last_full_at TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS backup_run (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, destination TEXT NOT NULL,
        status TEXT NOT NULL, run_index INTEGER NOT NULL, error TEXT, scheduled_at TEXT NOT NULL,
        started_at TEXT NOT NULL, ended_at TEXT, file TEXT, bytes INTEGER) STRICT;
";

/// How often a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackupKind {
    /// Once.
    #[serde(rename = "ONE-TIME")]
    OneTime,
    /// Again and again.
    #[serde(rename = "PERIODIC")]
    Periodic,
}

impl BackupKind {
    /// As the dialog has it: `ONE-TIME` or `PERIODIC`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneTime => "ONE-TIME",
            Self::Periodic => "PERIODIC",
        }
    }

    /// As the list of completed backups has it. `Backup Once` is Documented, the other Assumed.
    pub const fn listed(self) -> &'static str {
        match self {
            Self::OneTime => "Backup Once",
            Self::Periodic => "Periodic Backup",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::OneTime, Self::Periodic].into_iter().find(|kind| kind.name() == name)
    }
}

/// The four statuses of the console (Documented).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum BackupStatus {
    /// Scheduled, waiting for its time.
    Active,
    /// Being made.
    Ongoing,
    /// Stopped: by an administrator, by an error, or by a restore. Arrows to it are Assumed.
    Paused,
    /// Made.
    Done,
}

impl BackupStatus {
    /// `ACTIVE` and so on.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Ongoing => "ONGOING",
            Self::Paused => "PAUSED",
            Self::Done => "DONE",
        }
    }

    fn named(name: &str) -> Result<Self> {
        [Self::Active, Self::Ongoing, Self::Paused, Self::Done]
            .into_iter()
            .find(|status| status.name() == name)
            .ok_or(StoreError::Corrupt("backup status"))
    }
}

/// Where backups go. Field names are the dialog's (Documented).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupDestination {
    /// Unique.
    pub name: String,
    /// `scp`, `sftp`, or `local` for the one that is always there.
    pub transfer_method: String,
    /// Name or address.
    pub host_name: String,
    /// 22 unless said otherwise.
    pub port: u16,
    /// Directory there.
    pub path: String,
    /// Who logs in.
    pub user_name: String,
    /// `password` or `key`.
    pub authentication_method: String,
    /// Fingerprint of the host's key, pinned when the destination was made.
    pub host_key: String,
    /// UTC, RFC 3339.
    pub created_at: String,
}

/// A destination with its sealed password.
pub(crate) struct SealedDestination {
    pub(crate) destination: BackupDestination,
    pub(crate) password: Option<Vec<u8>>,
}

/// A scheduled backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupJob {
    /// Unique.
    pub name: String,
    /// Once or periodic.
    #[serde(rename = "type")]
    pub kind: BackupKind,
    /// Name of the destination.
    pub destination: String,
    /// Never `DONE`: then it is no job any more.
    pub status: BackupStatus,
    /// UTC, RFC 3339: when it is to run next.
    pub next_at: Option<String>,
    /// Minutes from one run to the next.
    pub every_minutes: Option<u32>,
    /// How many runs there were.
    pub runs: u32,
    /// UTC, RFC 3339.
    pub last_full_at: Option<String>,
}

/// A backup that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRun {
    /// Grows.
    pub id: i64,
    /// The job's name.
    pub name: String,
    /// Once or periodic.
    #[serde(rename = "type")]
    pub kind: BackupKind,
    /// Name of the destination.
    pub destination: String,
    /// `ONGOING`, `DONE` or `PAUSED`.
    pub status: BackupStatus,
    /// From 1 for each job.
    pub run_index: u32,
    /// Why it is paused.
    pub run_error: Option<String>,
    /// UTC, RFC 3339.
    pub scheduled_at: String,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// UTC, RFC 3339.
    pub ended_at: Option<String>,
    /// Name of the file at the destination.
    pub file: Option<String>,
    /// Its length.
    pub bytes: Option<i64>,
}

/// A run that begins.
pub(crate) struct NewRun<'a> {
    pub(crate) job: &'a BackupJob,
    pub(crate) scheduled_at: &'a str,
}

impl Store {
    /// The backup secret sealed under the tablespace key, and wrapped under the recovery passphrase.
    pub(crate) fn backup_secret(&self) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let text = "SELECT sealed, wrapped FROM backup_secret";
        let connection = self.connection.lock();
        Ok(connection.query_row(text, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// The server's SSH key, sealed, and its public half in OpenSSH's form.
    pub(crate) fn ssh_key(&self) -> Result<Option<(Vec<u8>, String)>> {
        let text = "SELECT sealed, public FROM ssh_key";
        let connection = self.connection.lock();
        Ok(connection.query_row(text, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    pub(crate) fn destinations(&self) -> Result<Vec<BackupDestination>> {
        let connection = self.connection.lock();
        let mut statement =
            connection.prepare_cached("SELECT place FROM backup_destination ORDER BY rowid")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.map(|text| read_place(&text?)).collect()
    }

    pub(crate) fn destination(&self, name: &str) -> Result<Option<SealedDestination>> {
        let text = "SELECT place, password FROM backup_destination WHERE name = ?1";
        let row = self
            .connection
            .lock()
            .query_row(text, [name], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
            .optional()?;
        let Some((place, password)) = row else { return Ok(None) };
        Ok(Some(SealedDestination { destination: read_place(&place)?, password }))
    }

    pub(crate) fn backup_jobs(&self) -> Result<Vec<BackupJob>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT name, kind, destination, status, next_at, every_minutes, runs, last_full_at
             FROM backup_job ORDER BY rowid",
        )?;
        let mut rows = statement.query([])?;
        let mut jobs = Vec::new();
        while let Some(row) = rows.next()? {
            jobs.push(BackupJob {
                name: row.get(0)?,
                kind: kind(&row.get::<_, String>(1)?)?,
                destination: row.get(2)?,
                status: BackupStatus::named(&row.get::<_, String>(3)?)?,
                next_at: row.get(4)?,
                every_minutes: row.get(5)?,
                runs: row.get(6)?,
                last_full_at: row.get(7)?,
            });
        }
        Ok(jobs)
    }

    pub(crate) fn backup_runs(&self) -> Result<Vec<BackupRun>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, name, kind, destination, status, run_index, error, scheduled_at, started_at,
                    ended_at, file, bytes FROM backup_run ORDER BY id DESC LIMIT 500",
        )?;
        let mut rows = statement.query([])?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next()? {
            runs.push(BackupRun {
                id: row.get(0)?,
                name: row.get(1)?,
                kind: kind(&row.get::<_, String>(2)?)?,
                destination: row.get(3)?,
                status: BackupStatus::named(&row.get::<_, String>(4)?)?,
                run_index: row.get(5)?,
                run_error: row.get(6)?,
                scheduled_at: row.get(7)?,
                started_at: row.get(8)?,
                ended_at: row.get(9)?,
                file: row.get(10)?,
                bytes: row.get(11)?,
            });
        }
        Ok(runs)
    }
}

fn read_place(text: &str) -> Result<BackupDestination> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt("backup destination"))
}

fn kind(name: &str) -> Result<BackupKind> {
    BackupKind::named(name).ok_or(StoreError::Corrupt("backup type"))
}

impl Change<'_> {
    pub(crate) fn backup_secret(&self, sealed: &[u8], wrapped: &[u8]) -> Result<()> {
        let text = "INSERT OR REPLACE INTO backup_secret VALUES (1, ?1, ?2)";
        self.0.execute(text, params![sealed, wrapped])?;
        Ok(())
    }

    pub(crate) fn ssh_key(&self, sealed: &[u8], public: &str) -> Result<()> {
        let text = "INSERT OR REPLACE INTO ssh_key VALUES (1, ?1, ?2)";
        self.0.execute(text, params![sealed, public])?;
        Ok(())
    }

    /// Makes the destination, or changes the one of this name.
    pub(crate) fn destination(&self, sealed: &SealedDestination) -> Result<()> {
        let place = serde_json::to_string(&sealed.destination)
            .map_err(|_| StoreError::Corrupt("backup destination"))?;
        self.0.execute(
            "INSERT INTO backup_destination VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE
             SET place = excluded.place, password = excluded.password",
            params![sealed.destination.name, place, sealed.password],
        )?;
        Ok(())
    }

    /// `false` when there was none.
    pub(crate) fn remove_destination(&self, name: &str) -> Result<bool> {
        Ok(self.0.execute("DELETE FROM backup_destination WHERE name = ?1", [name])? == 1)
    }

    /// `false` when a job of this name exists.
    pub(crate) fn add_backup_job(&self, job: &BackupJob) -> Result<bool> {
        let rows = self.0.execute(
            "INSERT INTO backup_job VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
            params![
                job.name,
                job.kind.name(),
                job.destination,
                job.status.name(),
                job.next_at,
                job.every_minutes,
                job.runs,
                job.last_full_at
            ],
        )?;
        Ok(rows == 1)
    }

    /// Puts the job of this name as it is now.
    pub(crate) fn backup_job(&self, job: &BackupJob) -> Result<()> {
        self.0.execute(
            "UPDATE backup_job SET status = ?2, next_at = ?3, runs = ?4, last_full_at = ?5
             WHERE name = ?1",
            params![job.name, job.status.name(), job.next_at, job.runs, job.last_full_at],
        )?;
        Ok(())
    }

    /// `false` when there was none.
    pub(crate) fn remove_backup_job(&self, name: &str) -> Result<bool> {
        Ok(self.0.execute("DELETE FROM backup_job WHERE name = ?1", [name])? == 1)
    }

    /// The run's id.
    pub(crate) fn begin_backup_run(&self, run: &NewRun<'_>) -> Result<i64> {
        self.0.execute(
            "INSERT INTO backup_run (name, kind, destination, status, run_index, scheduled_at, started_at)
             VALUES (?1, ?2, ?3, 'ONGOING', ?4, ?5, ?6)",
            params![
                run.job.name,
                run.job.kind.name(),
                run.job.destination,
                run.job.runs,
                run.scheduled_at,
                now()
            ],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    pub(crate) fn end_backup_run(&self, id: i64, file: &str, bytes: usize) -> Result<()> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.execute(
            "UPDATE backup_run SET status = 'DONE', ended_at = ?2, file = ?3, bytes = ?4 WHERE id = ?1",
            params![id, now(), file, bytes],
        )?;
        Ok(())
    }

    /// Pauses the run with this reason, or with `None` all that are under way: nobody is making them any more.
    pub(crate) fn pause_backup_runs(&self, id: Option<i64>, why: &str) -> Result<()> {
        self.0.execute(
            "UPDATE backup_run SET status = 'PAUSED', ended_at = ?2, error = ?3
             WHERE status = 'ONGOING' AND (?1 IS NULL OR id = ?1)",
            params![id, now(), why],
        )?;
        Ok(())
    }

    /// Jobs that were under way wait again if they are periodic, and are paused if not.
    pub(crate) fn stop_ongoing_jobs(&self) -> Result<()> {
        self.0.execute(
            "UPDATE backup_job SET status = CASE kind WHEN 'PERIODIC' THEN 'ACTIVE' ELSE 'PAUSED' END
             WHERE status = 'ONGOING'",
            [],
        )?;
        Ok(())
    }

    /// In a backup's own database its run is still under way.
    pub(crate) fn finish_own_run(&self, file: &str) -> Result<()> {
        self.0.execute(
            "UPDATE backup_run SET status = 'DONE', ended_at = ?1, file = ?2 WHERE status = 'ONGOING'",
            [&now(), file],
        )?;
        Ok(())
    }

    /// After a restore nothing starts by itself: another server may still send to the same place.
    pub(crate) fn pause_all_jobs(&self) -> Result<()> {
        self.0.execute("UPDATE backup_job SET status = 'PAUSED'", [])?;
        Ok(())
    }
}
