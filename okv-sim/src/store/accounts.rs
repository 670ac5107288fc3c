//! Accounts of the console, and how often the HSM is checked.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension as _, params};

use super::{Change, Result, Store, StoreError, now};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS account (
        name TEXT PRIMARY KEY COLLATE NOCASE, salt BLOB NOT NULL, iterations INTEGER NOT NULL,
        verifier BLOB NOT NULL, roles TEXT NOT NULL, created_at TEXT NOT NULL) STRICT;
";

/// Seconds between two checks unless told otherwise. Documented: five minutes.
const CHECK_INTERVAL_S: u32 = 300;

/// A row of `account`.
#[derive(Debug, Clone)]
pub(crate) struct AccountRecord {
    pub(crate) name: String,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: NonZeroU32,
    /// SHA-256 of the stretched password.
    pub(crate) verifier: Vec<u8>,
    /// Names of roles, with commas between.
    pub(crate) roles: String,
    /// UTC, RFC 3339.
    pub(crate) created_at: String,
}

const COLUMNS: &str = "name, salt, iterations, verifier, roles, created_at";

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<AccountRecord> {
    Ok(AccountRecord {
        name: row.get(0)?,
        salt: row.get(1)?,
        iterations: NonZeroU32::new(row.get(2)?).unwrap_or(NonZeroU32::MIN),
        verifier: row.get(3)?,
        roles: row.get(4)?,
        created_at: row.get(5)?,
    })
}

impl Store {
    pub(crate) fn account(&self, name: &str) -> Result<Option<AccountRecord>> {
        let text = format!("SELECT {COLUMNS} FROM account WHERE name = ?1");
        Ok(self.connection.lock().query_row(&text, [name], record).optional()?)
    }

    /// All accounts by name.
    pub(crate) fn accounts(&self) -> Result<Vec<AccountRecord>> {
        let text = format!("SELECT {COLUMNS} FROM account ORDER BY name");
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(&text)?;
        let rows = statement.query_map([], record)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(crate) fn library(&self) -> Result<Option<PathBuf>> {
        self.json("library")
    }

    pub(crate) fn check_interval_s(&self) -> Result<u32> {
        Ok(self.json("check_interval_s")?.unwrap_or(CHECK_INTERVAL_S))
    }
}

impl Change<'_> {
    /// `false` when an account of this name exists.
    pub(crate) fn add_account(&self, account: &AccountRecord) -> Result<bool> {
        let rows = self.0.execute(
            "INSERT INTO account VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            params![
                account.name,
                account.salt,
                account.iterations.get(),
                account.verifier,
                account.roles,
                now()
            ],
        )?;
        Ok(rows == 1)
    }

    pub(crate) fn set_password(&self, account: &AccountRecord) -> Result<()> {
        let changed = self.0.execute(
            "UPDATE account SET salt = ?2, iterations = ?3, verifier = ?4 WHERE name = ?1",
            params![account.name, account.salt, account.iterations.get(), account.verifier],
        )?;
        if changed == 1 { Ok(()) } else { Err(StoreError::Corrupt("account")) }
    }

    /// `false` when there was none.
    pub(crate) fn remove_account(&self, name: &str) -> Result<bool> {
        Ok(self.0.execute("DELETE FROM account WHERE name = ?1", [name])? == 1)
    }

    pub(crate) fn library(&self, path: &Path) -> Result<()> {
        self.set_json("library", Some(&path))
    }

    pub(crate) fn check_interval_s(&self, seconds: u32) -> Result<()> {
        self.set_json("check_interval_s", Some(&seconds))
    }
}
