//! What is written without a generation, because no cache depends on it: counts of operations and
//! the records of the audit log.
//!
//! Both may be written at every use of a key, and a generation would have every process look at
//! everything anew. Who asks for neither pays nothing.

use rusqlite::{Connection, OptionalExtension, params};

use super::administration::partition_number;
use super::error::{StoreError, Trouble};
use super::sqlite::SqliteStore;

/// Counts and records.
///
/// Every method may fail as those of [`Store`](super::Store) do.
pub trait Ledger {
    /// Adds one to a counter of a partition.
    ///
    /// # Errors
    /// The common ones.
    fn count_operation(&self, partition: &str, bin: u8) -> Result<(), StoreError>;

    /// Keeps what the counters say now, and sets them to 0 where wanted.
    ///
    /// # Errors
    /// The common ones.
    fn snapshot_counts(&self, reset: bool) -> Result<(), StoreError>;

    /// What was kept: serial number of the partition, bin, count; in this order.
    ///
    /// # Errors
    /// The common ones.
    fn kept_counts(&self) -> Result<Vec<(String, u8, u64)>, StoreError>;

    /// Appends a record while nobody else can. `compose` makes it of its number and the record
    /// before it; `export` takes the records that have not left yet, oldest first, and says whether
    /// they have now. False when `most` records are here and none will leave: nothing is appended.
    ///
    /// # Errors
    /// The common ones.
    fn append_record(
        &self,
        most: u64,
        compose: &mut dyn FnMut(u64, Option<&str>) -> String,
        export: &mut dyn FnMut(&[String]) -> bool,
    ) -> Result<bool, StoreError>;

    /// Records that have not left, and the number of the last one ever.
    ///
    /// # Errors
    /// The common ones.
    fn record_counts(&self) -> Result<(u64, u64), StoreError>;

    /// The records that are here, oldest first.
    ///
    /// # Errors
    /// The common ones.
    fn records(&self) -> Result<Vec<String>, StoreError>;

    /// Forgets every record.
    ///
    /// # Errors
    /// The common ones.
    fn forget_records(&self) -> Result<(), StoreError>;
}

fn lines(connection: &Connection, filter: &str) -> Result<Vec<String>, Trouble> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT line FROM audit {filter} ORDER BY sequence"))?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn unexported(connection: &Connection) -> Result<u64, Trouble> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM audit WHERE exported = 0")?
        .query_row([], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// Offers what has not left; what left stays no longer than the next record needs it.
fn offer(
    connection: &Connection,
    export: &mut dyn FnMut(&[String]) -> bool,
) -> Result<(), Trouble> {
    if !export(&lines(connection, "WHERE exported = 0")?) {
        return Ok(());
    }
    connection.prepare_cached("UPDATE audit SET exported = 1 WHERE exported = 0")?.execute([])?;
    connection
        .prepare_cached("DELETE FROM audit WHERE sequence < (SELECT max(sequence) FROM audit)")?
        .execute([])?;
    Ok(())
}

impl Ledger for SqliteStore {
    fn count_operation(&self, partition: &str, bin: u8) -> Result<(), StoreError> {
        let number = partition_number(partition)?;
        self.write_aside(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO counters (partition, bin, count, snapshot) VALUES (?1, ?2, 1, 0) \
                     ON CONFLICT (partition, bin) DO UPDATE SET count = count + 1",
                )?
                .execute(params![number, bin])?;
            Ok(())
        })
    }

    fn snapshot_counts(&self, reset: bool) -> Result<(), StoreError> {
        self.write_aside(|connection| {
            connection.execute("UPDATE counters SET snapshot = count", [])?;
            if reset {
                connection.execute("UPDATE counters SET count = 0", [])?;
            }
            Ok(())
        })
    }

    fn kept_counts(&self) -> Result<Vec<(String, u8, u64)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT partition, bin, snapshot FROM counters ORDER BY partition, bin",
            )?;
            let rows = statement.query_map([], |row| {
                let serial: i64 = row.get(0)?;
                let count: i64 = row.get(2)?;
                Ok((serial.to_string(), row.get(1)?, count.cast_unsigned()))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn append_record(
        &self,
        most: u64,
        compose: &mut dyn FnMut(u64, Option<&str>) -> String,
        export: &mut dyn FnMut(&[String]) -> bool,
    ) -> Result<bool, StoreError> {
        self.write_aside(|connection| {
            if unexported(connection)? >= most {
                offer(connection, export)?;
                if unexported(connection)? >= most {
                    return Ok(false);
                }
            }
            let last: Option<(i64, String)> = connection
                .prepare_cached("SELECT sequence, line FROM audit ORDER BY sequence DESC LIMIT 1")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let sequence = last.as_ref().map_or(1, |(sequence, _)| sequence.wrapping_add(1));
            let line = compose(sequence.cast_unsigned(), last.as_ref().map(|(_, it)| it.as_str()));
            connection
                .prepare_cached("INSERT INTO audit (sequence, line, exported) VALUES (?1, ?2, 0)")?
                .execute(params![sequence, line])?;
            offer(connection, export)?;
            Ok(true)
        })
    }

    fn record_counts(&self) -> Result<(u64, u64), StoreError> {
        self.read(|connection| {
            let last: Option<i64> =
                connection.query_row("SELECT max(sequence) FROM audit", [], |row| row.get(0))?;
            Ok((unexported(connection)?, last.unwrap_or(0).cast_unsigned()))
        })
    }

    fn records(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| lines(connection, ""))
    }

    fn forget_records(&self) -> Result<(), StoreError> {
        self.write_aside(|connection| {
            connection.execute("DELETE FROM audit", [])?;
            Ok(())
        })
    }
}
