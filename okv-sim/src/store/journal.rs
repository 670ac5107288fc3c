//! Which operation is running, so that a server that died in it can say whether it counts.
//!
//! One row: written before the first change of an operation, marked in the very transaction that makes the operation
//! count, and removed at its end. Whoever opens the store and finds it there knows what was interrupted, and on which
//! side of the commit. No source tells how the real product does this (Assumed).

use rusqlite::{OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::{Change, HsmSettings, Result, Store, StoreError, now};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS journal (
        one INTEGER PRIMARY KEY CHECK (one = 1), operation TEXT NOT NULL, begun_at TEXT NOT NULL,
        counts INTEGER NOT NULL, expected BLOB, settings TEXT) STRICT;
";

/// An operation the server died in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// Its name.
    pub operation: String,
    /// UTC, RFC 3339.
    pub begun_at: String,
    /// Whether the operation counts as done; else the state is the one before it.
    pub done: bool,
}

/// The journal's row.
pub(crate) struct Journal {
    pub(crate) operation: String,
    pub(crate) begun_at: String,
    pub(crate) counts: bool,
    /// SHA-256 of the credential file that is about to count, with the settings that belong to it.
    pub(crate) expected: Option<(Vec<u8>, HsmSettings)>,
}

impl Store {
    /// The operation that is running, or was when the server died.
    pub(crate) fn journal(&self) -> Result<Option<Journal>> {
        let row = self
            .connection
            .lock()
            .query_row(
                "SELECT operation, begun_at, counts, expected, settings FROM journal",
                [],
                |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get::<_, Option<Vec<u8>>>(3)?,
                        row.get::<_, Option<String>>(4)?,
                    ))
                },
            )
            .optional()?;
        let Some((operation, begun_at, counts, digest, settings)) = row else { return Ok(None) };
        let settings = settings.map(|text| serde_json::from_str(&text)).transpose();
        let settings = settings.map_err(|_| StoreError::Corrupt("journal"))?;
        Ok(Some(Journal { operation, begun_at, counts, expected: digest.zip(settings) }))
    }

    /// The last operation the server died in, until the next one begins.
    pub(crate) fn interrupted(&self) -> Result<Option<Interrupted>> {
        self.json("interrupted")
    }

    /// An operation begins that will change something.
    pub(crate) fn begin(&self, operation: &str) -> Result<()> {
        self.change(|change| {
            change.set("interrupted", None)?;
            change.0.execute(
                "INSERT OR REPLACE INTO journal VALUES (1, ?1, ?2, 0, NULL, NULL)",
                [operation, &now()],
            )?;
            Ok(())
        })
    }

    /// It is over, one way or the other.
    pub(crate) fn end(&self) -> Result<()> {
        self.change(|change| change.end())
    }
}

impl Change<'_> {
    /// From this commit on the running operation counts, or no longer.
    pub(crate) fn counts(&self, counts: bool) -> Result<()> {
        self.0.execute("UPDATE journal SET counts = ?1", [counts])?;
        Ok(())
    }

    /// A file of this digest is about to be put in its place: if it is found there, the operation counts.
    pub(crate) fn expects(&self, digest: &[u8], settings: &HsmSettings) -> Result<()> {
        let settings =
            serde_json::to_string(settings).map_err(|_| StoreError::Corrupt("journal"))?;
        self.0.execute(
            "UPDATE journal SET expected = ?1, settings = ?2",
            params![digest, settings],
        )?;
        Ok(())
    }

    /// The row of a restore that counts, in the database that is being restored.
    pub(crate) fn begin_restored(&self) -> Result<()> {
        self.set("interrupted", None)?;
        self.0.execute(
            "INSERT OR REPLACE INTO journal VALUES (1, 'restore', ?1, 1, NULL, NULL)",
            [&now()],
        )?;
        Ok(())
    }

    pub(crate) fn end(&self) -> Result<()> {
        self.0.execute("DELETE FROM journal", [])?;
        Ok(())
    }

    /// What was found at the opening, for people to see.
    pub(crate) fn interrupted(&self, found: &Interrupted) -> Result<()> {
        self.set_json("interrupted", Some(found))
    }
}
