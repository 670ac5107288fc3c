//! What a cluster's node keeps beside its own data: who its nodes are, and the log of what each of them changed.
//!
//! A change to a replicated table is noticed by triggers of the connection, so that whoever writes there needs to know
//! nothing of clusters: the rows of one transaction become one entry of the log, numbered by the node it was made on,
//! in the very transaction. Nodes have the same tablespace key (each under a master key of its own), so a sealed row
//! is the same bytes everywhere. What two nodes changed at once is settled by clock and node, on each node alike.
//! No source tells how the real product replicates (Assumed); what it promises is in [`crate::cluster`].

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Change, Result, Store, StoreError, now};
use crate::cluster::{Epoch, Node, NodeId, NodeStatus, Settings, Standing};
use crate::seal::Sealed;

mod change;
mod rows;

pub(crate) use self::rows::ObjectRow;
pub(super) use self::rows::notice_changes;
use self::rows::{
    REPLICATED, RowChange, apply_row, forget_noticed, noticed, put, rows, write_version,
};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS cluster_info (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS cluster_node (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL, certificate TEXT NOT NULL,
        subgroup TEXT NOT NULL, status TEXT NOT NULL, peer INTEGER, joined_at TEXT NOT NULL,
        disabled_at TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS cluster_setting (
        node INTEGER PRIMARY KEY, hsm INTEGER NOT NULL, epoch INTEGER NOT NULL, version TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS cluster_epoch (
        epoch INTEGER PRIMARY KEY, origin INTEGER NOT NULL, made_at TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS cluster_key (epoch INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS cluster_log (
        origin INTEGER NOT NULL, seq INTEGER NOT NULL, clock INTEGER NOT NULL, epoch INTEGER NOT NULL,
        at TEXT NOT NULL, body BLOB NOT NULL, applied INTEGER NOT NULL, PRIMARY KEY (origin, seq)) STRICT;
    CREATE TABLE IF NOT EXISTS cluster_mark (origin INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS cluster_row (
        name TEXT NOT NULL, key TEXT NOT NULL, clock INTEGER NOT NULL, origin INTEGER NOT NULL,
        PRIMARY KEY (name, key)) STRICT;
    CREATE INDEX IF NOT EXISTS cluster_row_clock ON cluster_row (clock);
    CREATE INDEX IF NOT EXISTS cluster_log_clock ON cluster_log (clock);
    CREATE INDEX IF NOT EXISTS cluster_log_waiting ON cluster_log (applied) WHERE applied = 0;
";

/// Every table of the cluster, for leaving it.
const TABLES: [&str; 8] = [
    "cluster_info",
    "cluster_node",
    "cluster_setting",
    "cluster_epoch",
    "cluster_key",
    "cluster_log",
    "cluster_mark",
    "cluster_row",
];

/// How far one has come with each node's log.
pub(crate) type Marks = BTreeMap<NodeId, i64>;

/// One node's transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) origin: NodeId,
    /// From 1, without gaps.
    pub(crate) seq: i64,
    /// Larger than that of everything the node had seen.
    pub(crate) clock: i64,
    /// Which replication key the body is sealed under.
    pub(crate) epoch: Epoch,
    pub(crate) at: String,
    #[serde(with = "crate::cluster::wire::base64")]
    pub(crate) body: Vec<u8>,
}

impl Entry {
    /// What the body belongs to.
    fn place(&self) -> Vec<u8> {
        format!("entry {} {} {} {}", self.origin, self.seq, self.clock, self.epoch).into_bytes()
    }
}

/// Everything a node begins with, as of one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Seed {
    rows: Vec<RowChange>,
    versions: Vec<(String, String, i64, NodeId)>,
    marks: Marks,
    /// Entries that wait for a replication key.
    waiting: Vec<Entry>,
}

/// What the store asks of whoever speaks with the other nodes. All of it is called with the database locked, but for
/// `committed`.
pub(crate) trait Pair: Send + Sync + std::fmt::Debug {
    /// Why critical data may not be written now.
    fn may_write(&self) -> std::result::Result<(), String>;
    /// Seals a body under a replication key that is itself sealed.
    fn seal(&self, key: &[u8], place: &[u8], body: &[u8]) -> std::result::Result<Vec<u8>, Sealed>;
    /// Opens one.
    fn open(&self, key: &[u8], place: &[u8], body: &[u8]) -> std::result::Result<Vec<u8>, Sealed>;
    /// The object row under another name: see [`crate::tablespace::Tablespace::rename`].
    fn rename(&self, row: &ObjectRow, suffix: &str) -> std::result::Result<ObjectRow, Sealed>;
    /// An entry of this node is durable here. Waits for the peer if the entry is critical.
    fn committed(&self, seq: i64, critical: bool) -> std::result::Result<(), String>;
}

/// Set while a server of a cluster runs.
pub(crate) type Attached = Arc<parking_lot::RwLock<Option<Arc<dyn Pair>>>>;

/// A transaction of this node that others are to have.
pub(super) struct Logged {
    seq: i64,
    critical: bool,
    pair: Arc<dyn Pair>,
}

impl Logged {
    pub(super) fn shipped(self) -> Result<()> {
        self.pair.committed(self.seq, self.critical).map_err(StoreError::PeerSilent)
    }
}

fn standing(connection: &Connection) -> Result<Standing> {
    let mut statement =
        connection.prepare_cached("SELECT value FROM config WHERE name = 'cluster'")?;
    let text: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    match text {
        Some(text) => {
            serde_json::from_str(&text).map_err(|_| StoreError::Corrupt("the cluster's record"))
        }
        None => Ok(Standing::Standalone),
    }
}

/// Makes an entry of what this transaction changed.
pub(super) fn log(transaction: &Transaction<'_>, attached: &Attached) -> Result<Option<Logged>> {
    let changes = noticed(transaction)?;
    if changes.is_empty() {
        return Ok(None);
    }
    forget_noticed(transaction)?;
    let standing = standing(transaction)?;
    let Standing::Member(me) = &standing else {
        return match standing {
            Standing::Standalone => Ok(None),
            other => Err(StoreError::ReadOnly(other.why_read_only())),
        };
    };
    let critical = changes
        .iter()
        .any(|change| REPLICATED.iter().any(|it| it.name == change.table && it.critical));
    let Some(pair) = attached.read().clone() else {
        let text = "its server does not run, so no other node would hear of it";
        return Err(StoreError::ReadOnly(text.into()));
    };
    if critical {
        pair.may_write().map_err(StoreError::ReadOnly)?;
    }
    let epoch = if critical { newest_key(transaction)? } else { Epoch::FIRST };
    let seq = mark(transaction, me.node_id)? + 1;
    let clock = next_clock(transaction)?;
    let body = serde_json::to_vec(&changes).map_err(|_| StoreError::Corrupt("a change"))?;
    let mut entry = Entry { origin: me.node_id, seq, clock, epoch, at: now(), body };
    let key = key(transaction, epoch)?.ok_or(StoreError::Corrupt("the replication key"))?;
    entry.body = pair
        .seal(&key, &entry.place(), &entry.body)
        .map_err(|_| StoreError::ReadOnly("its wallet is closed".into()))?;
    write_entry(transaction, &entry, true)?;
    for change in &changes {
        write_version(transaction, change, clock, me.node_id)?;
    }
    Ok(Some(Logged { seq, critical, pair }))
}

fn newest_key(connection: &Connection) -> Result<Epoch> {
    let found: Option<u32> =
        connection.query_row("SELECT max(epoch) FROM cluster_key", [], |row| row.get(0))?;
    Ok(found.map_or(Epoch::FIRST, Epoch))
}

fn key(connection: &Connection, epoch: Epoch) -> Result<Option<Vec<u8>>> {
    let mut statement =
        connection.prepare_cached("SELECT sealed FROM cluster_key WHERE epoch = ?1")?;
    Ok(statement.query_row([epoch.0], |row| row.get(0)).optional()?)
}

fn mark(connection: &Connection, origin: NodeId) -> Result<i64> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM cluster_mark WHERE origin = ?1")?;
    Ok(statement.query_row([origin], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn next_clock(connection: &Connection) -> Result<i64> {
    let of = |table: &str| -> Result<i64> {
        let text = format!("SELECT coalesce(max(clock), 0) FROM {table}");
        Ok(connection.prepare_cached(&text)?.query_row([], |row| row.get(0))?)
    };
    Ok(of("cluster_log")?.max(of("cluster_row")?) + 1)
}

fn write_entry(transaction: &Transaction<'_>, entry: &Entry, applied: bool) -> Result<()> {
    transaction
        .prepare_cached("INSERT INTO cluster_log VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            entry.origin,
            entry.seq,
            entry.clock,
            entry.epoch.0,
            entry.at,
            entry.body,
            applied
        ])?;
    write_mark(transaction, entry.origin, entry.seq)
}

fn write_mark(transaction: &Transaction<'_>, origin: NodeId, seq: i64) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO cluster_mark VALUES (?1, ?2)
             ON CONFLICT (origin) DO UPDATE SET seq = excluded.seq",
        )?
        .execute(params![origin, seq])?;
    Ok(())
}

/// Brings what another node changed into this one's tables.
fn apply(transaction: &Transaction<'_>, pair: &dyn Pair, entry: &Entry, body: &[u8]) -> Result<()> {
    let changes: Vec<RowChange> = serde_json::from_slice(body)
        .map_err(|_| StoreError::Corrupt("an entry of another node"))?;
    for change in changes {
        apply_row(transaction, pair, &change, (entry.clock, entry.origin))?;
    }
    Ok(())
}

impl Store {
    /// Who carries this node's changes to the others; `None` while no server runs.
    pub(crate) fn attach(&self, pair: Option<Arc<dyn Pair>>) {
        *self.attached.write() = pair;
    }

    fn pair(&self) -> Result<Arc<dyn Pair>> {
        let pair = self.attached.read().clone();
        pair.ok_or_else(|| StoreError::ReadOnly("its server does not run".into()))
    }

    /// Where other nodes reached this one when it last ran.
    pub(crate) fn node_address(&self) -> Result<Option<String>> {
        self.value("node_address")
    }

    /// The certificate authority of endpoints as it is kept: its key is sealed in the tablespace.
    pub(crate) fn kept_authority(&self) -> Result<Option<String>> {
        self.value("endpoint_authority")
    }

    /// What this server is to a cluster.
    pub(crate) fn standing(&self) -> Result<Standing> {
        standing(&self.connection.lock())
    }

    /// All nodes, the deleted ones too.
    pub(crate) fn nodes(&self) -> Result<Vec<Node>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, name, address, certificate, subgroup, status, peer, joined_at, disabled_at, \
             coalesce(hsm, 0), coalesce(epoch, 0), coalesce(version, '-') \
             FROM cluster_node LEFT JOIN cluster_setting ON node = id ORDER BY id",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Node {
                id: row.get(0)?,
                name: row.get(1)?,
                address: row.get(2)?,
                certificate: row.get(3)?,
                subgroup: row.get(4)?,
                status: NodeStatus::named(&row.get::<_, String>(5)?),
                peer: row.get(6)?,
                joined_at: row.get(7)?,
                disabled_at: row.get(8)?,
                settings: Settings {
                    hsm: row.get(9)?,
                    epoch: Epoch(row.get(10)?),
                    version: row.get(11)?,
                },
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// A value all nodes share.
    pub(crate) fn cluster_info(&self, name: &str) -> Result<Option<String>> {
        let connection = self.connection.lock();
        let mut statement =
            connection.prepare_cached("SELECT value FROM cluster_info WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    /// The newest replication key that exists, and the node that made it.
    pub(crate) fn newest_epoch(&self) -> Result<Option<(Epoch, NodeId)>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT epoch, origin FROM cluster_epoch ORDER BY epoch DESC LIMIT 1",
        )?;
        let found = statement.query_row([], |row| Ok((Epoch(row.get(0)?), row.get(1)?)));
        Ok(found.optional()?)
    }

    /// A replication key this node has, sealed.
    pub(crate) fn replication_key(&self, epoch: Epoch) -> Result<Option<Vec<u8>>> {
        key(&self.connection.lock(), epoch)
    }

    /// All of them.
    pub(crate) fn replication_keys(&self) -> Result<Vec<(Epoch, Vec<u8>)>> {
        let connection = self.connection.lock();
        let mut statement =
            connection.prepare_cached("SELECT epoch, sealed FROM cluster_key ORDER BY epoch")?;
        let rows = statement.query_map([], |row| Ok((Epoch(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How far this node is with each node's log.
    pub(crate) fn marks(&self) -> Result<Marks> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached("SELECT origin, seq FROM cluster_mark")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Entries that wait for a replication key this node does not have.
    pub(crate) fn entries_waiting(&self) -> Result<i64> {
        let text = "SELECT count(*) FROM cluster_log WHERE applied = 0
            AND epoch NOT IN (SELECT epoch FROM cluster_key)";
        Ok(self.connection.lock().query_row(text, [], |row| row.get(0))?)
    }

    /// Entries that are beyond the marks, each node's in its order, up to about so many bytes.
    pub(crate) fn entries_after(&self, marks: &Marks, bytes: usize) -> Result<Vec<Entry>> {
        let connection = self.connection.lock();
        let mut origins = connection.prepare_cached("SELECT origin FROM cluster_mark")?;
        let origins: Vec<NodeId> =
            origins.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let mut statement = connection.prepare_cached(
            "SELECT origin, seq, clock, epoch, at, body FROM cluster_log
             WHERE origin = ?1 AND seq > ?2 ORDER BY seq",
        )?;
        let mut found: Vec<Entry> = Vec::new();
        let mut room = bytes;
        for origin in origins {
            let after = marks.get(&origin).copied().unwrap_or(0);
            let mut rows = statement.query(params![origin, after])?;
            while let Some(row) = rows.next()? {
                let entry = Entry {
                    origin: row.get(0)?,
                    seq: row.get(1)?,
                    clock: row.get(2)?,
                    epoch: Epoch(row.get(3)?),
                    at: row.get(4)?,
                    body: row.get(5)?,
                };
                if entry.body.len() > room && !found.is_empty() {
                    return Ok(found);
                }
                room = room.saturating_sub(entry.body.len());
                found.push(entry);
            }
        }
        Ok(found)
    }

    /// Makes entries of other nodes durable, and brings those that can be opened into the tables. What is known is
    /// passed over; what leaves a gap is not taken.
    pub(crate) fn receive(&self, entries: &[Entry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let pair = self.pair()?;
        self.unlogged(|transaction| {
            let mut new = false;
            for entry in entries {
                if entry.seq != mark(transaction, entry.origin)? + 1 {
                    continue;
                }
                write_entry(transaction, entry, false)?;
                new = true;
            }
            if new { settle(transaction, pair.as_ref()).map(drop) } else { Ok(()) }
        })
    }

    /// Takes a replication key that came later, and what waited for it.
    pub(crate) fn take_key(&self, epoch: Epoch, sealed: &[u8]) -> Result<i64> {
        let pair = self.pair()?;
        let mut applied = 0;
        self.unlogged(|transaction| {
            write_key(transaction, epoch, sealed)?;
            applied = settle(transaction, pair.as_ref())?;
            Ok(())
        })?;
        Ok(applied)
    }

    /// One transaction that is no change of this node's own.
    fn unlogged(&self, work: impl FnOnce(&Transaction<'_>) -> Result<()>) -> Result<()> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction()?;
        work(&transaction)?;
        forget_noticed(&transaction)?;
        transaction.commit()?;
        Ok(())
    }

    /// Forgets entries that every other node has.
    pub(crate) fn forget_entries(&self, had_by_all: &Marks) -> Result<()> {
        self.unlogged(|transaction| {
            for (origin, seq) in had_by_all {
                transaction
                    .prepare_cached(
                        "DELETE FROM cluster_log WHERE origin = ?1 AND seq <= ?2 AND applied = 1",
                    )?
                    .execute(params![origin, seq])?;
            }
            Ok(())
        })
    }

    /// Everything a node begins with.
    pub(crate) fn seed(&self) -> Result<Seed> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction()?;
        let mut all = Vec::new();
        for table in REPLICATED {
            all.extend(rows(&transaction, table)?);
        }
        let versions = {
            let mut statement =
                transaction.prepare("SELECT name, key, clock, origin FROM cluster_row")?;
            let found = statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            found.collect::<rusqlite::Result<_>>()?
        };
        let marks = {
            let mut statement = transaction.prepare("SELECT origin, seq FROM cluster_mark")?;
            let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.collect::<rusqlite::Result<_>>()?
        };
        let waiting = waiting(&transaction, false)?;
        Ok(Seed { rows: all, versions, marks, waiting })
    }

    /// Puts a cluster's data in the place of this server's own. `more` belongs to the same transaction.
    pub(crate) fn plant(
        &self,
        seed: &Seed,
        more: impl FnOnce(&Change<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut connection = self.connection.lock();
        let change = Change(connection.transaction()?);
        for table in REPLICATED {
            change.0.execute(&format!("DELETE FROM {}", table.name), [])?;
        }
        clear(&change.0)?;
        for row in &seed.rows {
            put(&change.0, row)?;
        }
        for (name, key, clock, origin) in &seed.versions {
            change
                .0
                .prepare_cached("INSERT OR REPLACE INTO cluster_row VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![name, key, clock, origin])?;
        }
        for entry in &seed.waiting {
            write_entry(&change.0, entry, false)?;
        }
        for (origin, seq) in &seed.marks {
            write_mark(&change.0, *origin, *seq)?;
        }
        more(&change)?;
        forget_noticed(&change.0)?;
        self.watch.notify(&crate::watch::Event::Committing)?;
        change.0.commit()?;
        self.watch.notify(&crate::watch::Event::Committed)?;
        Ok(())
    }
}

/// Entries that are not in the tables yet: all, or those this node has the key of.
fn waiting(transaction: &Transaction<'_>, can_be_opened: bool) -> Result<Vec<Entry>> {
    let mut statement = transaction.prepare_cached(
        "SELECT origin, seq, clock, epoch, at, body FROM cluster_log WHERE applied = 0
         AND (NOT ?1 OR epoch IN (SELECT epoch FROM cluster_key)) ORDER BY clock, origin, seq",
    )?;
    let found = statement.query_map([can_be_opened], |row| {
        Ok(Entry {
            origin: row.get(0)?,
            seq: row.get(1)?,
            clock: row.get(2)?,
            epoch: Epoch(row.get(3)?),
            at: row.get(4)?,
            body: row.get(5)?,
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Brings entries that can be opened into the tables; how many. A row that refers to one which another node has yet to
/// ship, or which is gone, waits for it.
fn settle(transaction: &Transaction<'_>, pair: &dyn Pair) -> Result<i64> {
    let mut settled = 0;
    loop {
        let mut went_on = false;
        for entry in waiting(transaction, true)? {
            let key = key(transaction, entry.epoch)?.ok_or(StoreError::Corrupt("a key"))?;
            let body = pair
                .open(&key, &entry.place(), &entry.body)
                .map_err(|_| StoreError::Corrupt("an entry of another node"))?;
            transaction.execute_batch("SAVEPOINT entry")?;
            match apply(transaction, pair, &entry, &body) {
                Ok(()) => {
                    transaction.execute_batch("RELEASE entry")?;
                    transaction
                        .prepare_cached(
                            "UPDATE cluster_log SET applied = 1 WHERE origin = ?1 AND seq = ?2",
                        )?
                        .execute(params![entry.origin, entry.seq])?;
                    (settled, went_on) = (settled + 1, true);
                }
                Err(StoreError::Sqlite(error))
                    if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
                {
                    transaction.execute_batch("ROLLBACK TO entry; RELEASE entry")?;
                }
                Err(error) => return Err(error),
            }
        }
        if !went_on {
            return Ok(settled);
        }
    }
}

fn write_key(connection: &Connection, epoch: Epoch, sealed: &[u8]) -> Result<()> {
    connection
        .execute("INSERT OR REPLACE INTO cluster_key VALUES (?1, ?2)", params![epoch.0, sealed])?;
    Ok(())
}

fn clear(connection: &Connection) -> Result<()> {
    for table in TABLES {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

/// Makes a restored database one of a standalone server: a backup of a node can only be restored to one (Documented).
pub(super) fn leave(change: &Change<'_>) -> Result<()> {
    clear(&change.0)?;
    change.set("cluster", None)
}

#[cfg(test)]
mod tests;
