//! Generations: one row per committed write, the last of which says where the store stands.
//!
//! A row holds the generation, the next free handle and what the write touched, so that a cache
//! can be brought up to date without reading everything again. One table and so one dirty page
//! serves all three. Old rows are removed; who asks further back is told to read everything.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::Trouble;
use super::record::{ChangeSet, Changes};

/// Generations the journal can tell about, at least.
pub(super) const KEPT_GENERATIONS: u64 = 10_000;

/// Rows are removed once in so many generations, not at every write.
const PRUNE_EVERY: u64 = 256;

/// Objects listed for one write; more are "everything".
const LISTED_HANDLES: usize = 64;

/// Objects listed in one answer; more are "everything".
const ANSWERED_HANDLES: usize = 10_000;

const ADMINISTRATION: i64 = 1;
const EVERYTHING: i64 = 2;

/// One write in the making.
#[derive(Debug)]
pub(super) struct Turn {
    /// The generation it will have.
    pub(super) generation: u64,
    next_handle: i64,
    kind: i64,
    handles: Vec<u64>,
    buries: bool,
}

impl Turn {
    /// The write after the last one.
    pub(super) fn next(connection: &Connection) -> Result<Self, Trouble> {
        let (generation, next_handle) = connection
            .prepare_cached(
                "SELECT generation, next_handle FROM journal ORDER BY generation DESC LIMIT 1",
            )?
            .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
            .optional()?
            .ok_or_else(|| Trouble::damaged("journal"))?;
        Ok(Self {
            generation: generation.cast_unsigned().wrapping_add(1),
            next_handle,
            kind: 0,
            handles: Vec::new(),
            buries: false,
        })
    }

    /// A handle nobody ever had.
    pub(super) fn take_handle(&mut self) -> i64 {
        let handle = self.next_handle;
        self.next_handle = handle.wrapping_add(1);
        handle
    }

    /// Notes that an object was made, changed or deleted.
    pub(super) fn object(&mut self, handle: i64) {
        if self.handles.len() < LISTED_HANDLES {
            self.handles.push(handle.cast_unsigned());
        } else {
            self.everything();
        }
    }

    /// Notes that the HSM, a partition or a role was changed.
    pub(super) fn administration(&mut self) {
        self.kind |= ADMINISTRATION;
    }

    /// Notes that more objects changed than are worth listing.
    pub(super) fn everything(&mut self) {
        self.kind |= EVERYTHING;
    }

    /// Notes that an object is known to be destroyed.
    pub(super) fn burial(&mut self) {
        self.buries = true;
    }

    /// Whether there is nothing to commit.
    pub(super) fn is_idle(&self) -> bool {
        self.kind == 0 && self.handles.is_empty() && !self.buries
    }

    /// Writes the row.
    pub(super) fn record(&self, connection: &Connection) -> Result<(), Trouble> {
        let handles: Vec<u8> = if self.kind & EVERYTHING == 0 {
            self.handles.iter().flat_map(|handle| handle.to_le_bytes()).collect()
        } else {
            Vec::new()
        };
        connection
            .prepare_cached(
                "INSERT INTO journal (generation, next_handle, kind, handles) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                self.generation.cast_signed(),
                self.next_handle,
                self.kind,
                handles
            ])?;
        if self.generation.is_multiple_of(PRUNE_EVERY) {
            let last = self.generation.saturating_sub(KEPT_GENERATIONS);
            connection
                .prepare_cached("DELETE FROM journal WHERE generation <= ?1")?
                .execute([last.cast_signed()])?;
            connection
                .prepare_cached("DELETE FROM destroyed WHERE generation <= ?1")?
                .execute([last.cast_signed()])?;
        }
        Ok(())
    }
}

/// The first row, of generation 1.
pub(super) fn begin(connection: &Connection) -> Result<(), Trouble> {
    connection.execute(
        "INSERT INTO journal (generation, next_handle, kind, handles) VALUES (1, 1, ?1, x'')",
        [ADMINISTRATION | EVERYTHING],
    )?;
    Ok(())
}

/// The generation that is committed.
pub(super) fn generation(connection: &Connection) -> Result<u64, Trouble> {
    connection
        .prepare_cached("SELECT generation FROM journal ORDER BY generation DESC LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?
        .map(i64::cast_unsigned)
        .ok_or_else(|| Trouble::damaged("journal"))
}

/// What was touched after `since`. To be called inside a transaction.
pub(super) fn changes(connection: &Connection, since: u64) -> Result<ChangeSet, Trouble> {
    let now = generation(connection)?;
    if since > now || now - since > KEPT_GENERATIONS {
        // A generation that was never reached belongs to a store that was put back.
        return Ok(ChangeSet {
            generation: now,
            administration: true,
            objects: Changes::Everything,
        });
    }
    let mut kinds = 0;
    let mut handles = Vec::new();
    let mut statement =
        connection.prepare_cached("SELECT kind, handles FROM journal WHERE generation > ?1")?;
    let mut rows = statement.query([since.cast_signed()])?;
    while let Some(row) = rows.next()? {
        kinds |= row.get::<_, i64>(0)?;
        let listed = row.get_ref(1)?.as_blob().map_err(|_| Trouble::damaged("journal"))?;
        handles.extend(listed.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)));
    }
    handles.sort_unstable();
    handles.dedup();
    let objects = if kinds & EVERYTHING != 0 || handles.len() > ANSWERED_HANDLES {
        Changes::Everything
    } else {
        Changes::Handles(handles)
    };
    Ok(ChangeSet { generation: now, administration: kinds & ADMINISTRATION != 0, objects })
}
