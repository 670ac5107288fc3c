//! The tables, and telling one of our files from any other.
//!
//! | table | row |
//! |---|---|
//! | `hsm` | the one HSM |
//! | `partitions`, `usage` | a partition; what changes with every object stands apart from the rest |
//! | `roles` | a role of a partition |
//! | `objects` | an object; the columns that are searched, then what is opaque |
//! | `destroyed` | an object that was destroyed, for as long as the journal tells of it |
//! | `journal` | a committed write, see `journal` |
//! | `counters`, `audit` | what is written beside the generations, see `ledger` |
//!
//! Serial numbers of partitions are stored as integers, since they stand in every index entry.
//! 64-bit values keep their bits and may look negative. Empty label, id and application are
//! NULL, so that the indexes hold only objects that have one.

use rusqlite::Connection;

use super::error::Trouble;

/// `LUNA`: what `file` and SQLite itself can tell our files by.
pub(super) const APPLICATION_ID: i64 = 0x4c55_4e41;

/// The format this release writes. Format 1 is the first; it had no table `destroyed`, and format 2
/// no `counters` and `audit`.
pub(super) const FORMAT: i64 = 3;

/// The oldest format this release brings up to its own.
const OLDEST: i64 = 1;

const DESTROYED: &str = "
CREATE TABLE IF NOT EXISTS destroyed (
    partition INTEGER NOT NULL,
    ouid BLOB NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (partition, ouid)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS destroyed_by_generation ON destroyed (generation);
";

const LEDGER: &str = "
CREATE TABLE IF NOT EXISTS counters (
    partition INTEGER NOT NULL,
    bin INTEGER NOT NULL,
    count INTEGER NOT NULL,
    snapshot INTEGER NOT NULL,
    PRIMARY KEY (partition, bin)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit (
    sequence INTEGER PRIMARY KEY,
    line TEXT NOT NULL,
    exported INTEGER NOT NULL
) STRICT;
";

const TABLES: &str = "
CREATE TABLE hsm (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    serial TEXT NOT NULL,
    profile TEXT NOT NULL,
    policies TEXT NOT NULL,
    device_key BLOB NOT NULL,
    created INTEGER NOT NULL,
    extra BLOB NOT NULL
) STRICT;

CREATE TABLE partitions (
    serial INTEGER PRIMARY KEY,
    label TEXT NOT NULL,
    initialized INTEGER NOT NULL,
    policies TEXT NOT NULL,
    domain BLOB NOT NULL,
    created INTEGER NOT NULL,
    extra BLOB NOT NULL
) STRICT;

CREATE TABLE usage (
    partition INTEGER PRIMARY KEY,
    objects INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    object_counter INTEGER NOT NULL
) STRICT;

CREATE TABLE roles (
    partition INTEGER NOT NULL,
    role INTEGER NOT NULL,
    salt BLOB NOT NULL,
    iterations INTEGER NOT NULL,
    wrapped_key BLOB NOT NULL,
    failed INTEGER NOT NULL,
    must_change INTEGER NOT NULL,
    version INTEGER NOT NULL,
    locked INTEGER NOT NULL,
    PRIMARY KEY (partition, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE objects (
    handle INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    class INTEGER NOT NULL,
    key_type INTEGER,
    private INTEGER NOT NULL,
    ouid BLOB NOT NULL,
    generation INTEGER NOT NULL,
    label BLOB,
    id BLOB,
    application BLOB,
    attributes BLOB NOT NULL,
    secret BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX objects_by_ouid ON objects (partition, ouid);
CREATE INDEX objects_by_class ON objects (partition, class, key_type, private);
CREATE INDEX objects_by_label ON objects (partition, label, class, key_type, private)
    WHERE label IS NOT NULL;
CREATE INDEX objects_by_id ON objects (partition, id, class, key_type, private)
    WHERE id IS NOT NULL;
CREATE INDEX objects_by_application ON objects (partition, application, class, key_type, private)
    WHERE application IS NOT NULL;

CREATE TABLE journal (
    generation INTEGER PRIMARY KEY,
    next_handle INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    handles BLOB NOT NULL
) STRICT;
";

/// Makes the tables in an empty database.
pub(super) fn create(connection: &Connection) -> Result<(), Trouble> {
    connection.execute_batch(TABLES)?;
    connection.execute_batch(DESTROYED)?;
    connection.execute_batch(LEDGER)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    Ok(())
}

/// Brings a store of an older release up to this one's format. A second process that does the same
/// at the same time changes nothing.
pub(super) fn upgrade(connection: &Connection) -> Result<(), Trouble> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {DESTROYED} {LEDGER} PRAGMA user_version = {FORMAT}; COMMIT;"
    ))?;
    Ok(())
}

/// What a database says it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A store of this release.
    Ours,
    /// A store of an earlier release.
    Older,
    /// A store of a later release, with its format.
    Newer(i64),
    /// Somebody else's, or nobody's.
    Foreign(&'static str),
}

/// Looks at the marks in the file's header.
pub(super) fn kind(connection: &Connection) -> Result<Kind, Trouble> {
    let mark = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if mark("application_id")? != APPLICATION_ID {
        return Ok(Kind::Foreign("it is a database of another program"));
    }
    Ok(match mark("user_version")? {
        FORMAT => Kind::Ours,
        OLDEST..FORMAT => Kind::Older,
        newer if newer > FORMAT => Kind::Newer(newer),
        _ => Kind::Foreign("its format number is none this project ever used"),
    })
}
