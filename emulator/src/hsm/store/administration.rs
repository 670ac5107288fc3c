//! The HSM, its partitions and their roles, as rows.

use std::collections::BTreeMap;
use std::fmt::Write;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::{StoreError, Trouble};
use super::journal::Turn;
use super::record::{HsmRecord, PartitionRecord, RoleRecord, Step};

/// A partition's serial number as it is stored.
pub(super) fn partition_number(serial: &str) -> Result<i64, StoreError> {
    let canonical = (1..=18).contains(&serial.len())
        && serial.bytes().all(|byte| byte.is_ascii_digit())
        && (serial == "0" || !serial.starts_with('0'));
    let number = if canonical { serial.parse().ok() } else { None };
    number.ok_or_else(|| StoreError::BadSerial { serial: serial.to_owned() })
}

fn no_such_partition(partition: i64) -> Trouble {
    StoreError::NoSuchPartition { serial: partition.to_string() }.into()
}

/// Policies as text, for a human with a database browser: `12=1 15=0`.
fn policies_to_text(policies: &BTreeMap<u32, u64>) -> String {
    let mut text = String::new();
    for (number, value) in policies {
        let gap = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{gap}{number}={value}");
    }
    text
}

fn policies_from_text(text: &str) -> Option<BTreeMap<u32, u64>> {
    text.split_whitespace()
        .map(|pair| {
            let (number, value) = pair.split_once('=')?;
            Some((number.parse().ok()?, value.parse().ok()?))
        })
        .collect()
}

/// A 32-bit column.
fn small(row: &Row<'_>, column: usize, table: &str) -> Result<u32, Trouble> {
    u32::try_from(row.get::<_, i64>(column)?).map_err(|_| Trouble::damaged(table))
}

fn large(row: &Row<'_>, column: usize) -> Result<u64, Trouble> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

pub(super) fn hsm(connection: &Connection) -> Result<HsmRecord, Trouble> {
    let mut statement = connection.prepare_cached(
        "SELECT serial, profile, policies, device_key, created, extra FROM hsm WHERE one = 1",
    )?;
    let mut rows = statement.query([])?;
    let row = rows.next()?.ok_or_else(|| Trouble::Damaged("it holds no HSM".into()))?;
    let policies: String = row.get(2)?;
    Ok(HsmRecord {
        serial: row.get(0)?,
        profile: row.get(1)?,
        policies: policies_from_text(&policies).ok_or_else(|| Trouble::damaged("hsm"))?,
        device_key: row.get(3)?,
        created: large(row, 4)?,
        extra: row.get(5)?,
    })
}

pub(super) fn put_hsm(connection: &Connection, record: &HsmRecord) -> Result<(), Trouble> {
    connection
        .prepare_cached(
            "INSERT INTO hsm (one, serial, profile, policies, device_key, created, extra) \
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (one) DO UPDATE SET serial = excluded.serial, \
             profile = excluded.profile, policies = excluded.policies, \
             device_key = excluded.device_key, created = excluded.created, \
             extra = excluded.extra",
        )?
        .execute(params![
            record.serial,
            record.profile,
            policies_to_text(&record.policies),
            record.device_key,
            record.created.cast_signed(),
            record.extra,
        ])?;
    Ok(())
}

const PARTITION: &str = "SELECT serial, label, initialized, policies, domain, object_counter, \
                         created, extra FROM partitions JOIN usage ON partition = serial";

fn partition_from(row: &Row<'_>) -> Result<PartitionRecord, Trouble> {
    let policies: String = row.get(3)?;
    Ok(PartitionRecord {
        serial: row.get::<_, i64>(0)?.to_string(),
        label: row.get(1)?,
        initialized: row.get(2)?,
        policies: policies_from_text(&policies).ok_or_else(|| Trouble::damaged("partitions"))?,
        domain: row.get(4)?,
        object_counter: large(row, 5)?,
        created: large(row, 6)?,
        extra: row.get(7)?,
    })
}

/// Every partition, by serial number.
pub(super) fn partitions(connection: &Connection) -> Result<Vec<PartitionRecord>, Trouble> {
    let mut statement = connection.prepare_cached(&format!("{PARTITION} ORDER BY serial"))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(partition_from(row)?);
    }
    Ok(found)
}

pub(super) fn partition(
    connection: &Connection,
    number: i64,
) -> Result<Option<PartitionRecord>, Trouble> {
    let mut statement = connection.prepare_cached(&format!("{PARTITION} WHERE serial = ?1"))?;
    let mut rows = statement.query([number])?;
    rows.next()?.map(partition_from).transpose()
}

fn exists(connection: &Connection, number: i64) -> Result<(), Trouble> {
    connection
        .prepare_cached("SELECT 1 FROM partitions WHERE serial = ?1")?
        .query_row([number], |_| Ok(()))
        .optional()?
        .ok_or_else(|| no_such_partition(number))
}

fn put_partition(connection: &Connection, record: &PartitionRecord) -> Result<(), Trouble> {
    let number = partition_number(&record.serial)?;
    connection
        .prepare_cached(
            "INSERT INTO partitions (serial, label, initialized, policies, domain, created, extra) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (serial) DO UPDATE SET label = excluded.label, \
             initialized = excluded.initialized, policies = excluded.policies, \
             domain = excluded.domain, created = excluded.created, extra = excluded.extra",
        )?
        .execute(params![
            number,
            record.label,
            record.initialized,
            policies_to_text(&record.policies),
            record.domain,
            record.created.cast_signed(),
            record.extra,
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO usage (partition, objects, bytes, object_counter) VALUES (?1, 0, 0, ?2) \
             ON CONFLICT (partition) DO UPDATE \
             SET object_counter = max(object_counter, excluded.object_counter)",
        )?
        .execute(params![number, record.object_counter.cast_signed()])?;
    Ok(())
}

fn empty_partition(connection: &Connection, number: i64) -> Result<(), Trouble> {
    exists(connection, number)?;
    connection.prepare_cached("DELETE FROM objects WHERE partition = ?1")?.execute([number])?;
    connection.prepare_cached("DELETE FROM roles WHERE partition = ?1")?.execute([number])?;
    Ok(())
}

fn wipe_objects(connection: &Connection, turn: &Turn, number: i64) -> Result<(), Trouble> {
    exists(connection, number)?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO destroyed (partition, ouid, generation) \
             SELECT partition, ouid, ?2 FROM objects WHERE partition = ?1",
        )?
        .execute([number, turn.generation.cast_signed()])?;
    connection.prepare_cached("DELETE FROM objects WHERE partition = ?1")?.execute([number])?;
    connection
        .prepare_cached("UPDATE usage SET objects = 0, bytes = 0 WHERE partition = ?1")?
        .execute([number])?;
    Ok(())
}

fn remove_partition(connection: &Connection, number: i64) -> Result<(), Trouble> {
    empty_partition(connection, number)?;
    connection.prepare_cached("DELETE FROM usage WHERE partition = ?1")?.execute([number])?;
    connection.prepare_cached("DELETE FROM partitions WHERE serial = ?1")?.execute([number])?;
    Ok(())
}

fn wipe_partition(connection: &Connection, number: i64) -> Result<(), Trouble> {
    empty_partition(connection, number)?;
    connection
        .prepare_cached("UPDATE usage SET objects = 0, bytes = 0 WHERE partition = ?1")?
        .execute([number])?;
    connection
        .prepare_cached(
            "UPDATE partitions SET initialized = 0, label = '', domain = x'' WHERE serial = ?1",
        )?
        .execute([number])?;
    Ok(())
}

const ROLE: &str = "SELECT role, salt, iterations, wrapped_key, failed, must_change, version, \
                    locked FROM roles WHERE partition = ?1";

fn role_from(row: &Row<'_>) -> Result<RoleRecord, Trouble> {
    let role = u8::try_from(row.get::<_, i64>(0)?).map_err(|_| Trouble::damaged("roles"))?;
    Ok(RoleRecord {
        role,
        salt: row.get(1)?,
        iterations: small(row, 2, "roles")?,
        wrapped_key: row.get(3)?,
        failed: small(row, 4, "roles")?,
        must_change: row.get(5)?,
        version: large(row, 6)?,
        locked: row.get(7)?,
    })
}

/// The roles of a partition, by number. None for a partition that does not exist.
pub(super) fn roles(connection: &Connection, number: i64) -> Result<Vec<RoleRecord>, Trouble> {
    let mut statement = connection.prepare_cached(&format!("{ROLE} ORDER BY role"))?;
    let mut rows = statement.query([number])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(role_from(row)?);
    }
    Ok(found)
}

pub(super) fn role(
    connection: &Connection,
    number: i64,
    role: u8,
) -> Result<Option<RoleRecord>, Trouble> {
    let mut statement = connection.prepare_cached(&format!("{ROLE} AND role = ?2"))?;
    let mut rows = statement.query([number, i64::from(role)])?;
    rows.next()?.map(role_from).transpose()
}

fn put_role(connection: &Connection, number: i64, record: &RoleRecord) -> Result<(), Trouble> {
    exists(connection, number)?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO roles (partition, role, salt, iterations, wrapped_key, \
             failed, must_change, version, locked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            number,
            record.role,
            record.salt,
            record.iterations,
            record.wrapped_key,
            record.failed,
            record.must_change,
            record.version.cast_signed(),
            record.locked,
        ])?;
    Ok(())
}

/// Does one step of a change.
pub(super) fn apply(connection: &Connection, turn: &mut Turn, step: &Step) -> Result<(), Trouble> {
    turn.administration();
    match step {
        Step::PutHsm(record) => put_hsm(connection, record),
        Step::PutPartition(record) => put_partition(connection, record),
        Step::RemovePartition(serial) => {
            turn.everything();
            remove_partition(connection, partition_number(serial)?)
        }
        Step::WipePartition(serial) => {
            turn.everything();
            wipe_partition(connection, partition_number(serial)?)
        }
        Step::WipeObjects(serial) => {
            turn.everything();
            wipe_objects(connection, turn, partition_number(serial)?)
        }
        Step::PutRole(serial, record) => put_role(connection, partition_number(serial)?, record),
        Step::RemoveRole(serial, role) => {
            connection
                .prepare_cached("DELETE FROM roles WHERE partition = ?1 AND role = ?2")?
                .execute([partition_number(serial)?, i64::from(*role)])?;
            Ok(())
        }
    }
}

/// Lets `change` work on a role; writes it only when something is different afterwards.
pub(super) fn change_role(
    connection: &Connection,
    turn: &mut Turn,
    number: i64,
    which: u8,
    change: &mut dyn FnMut(&mut RoleRecord),
) -> Result<Option<RoleRecord>, Trouble> {
    let Some(before) = role(connection, number, which)? else { return Ok(None) };
    let mut after = before.clone();
    change(&mut after);
    after.role = which;
    if after != before {
        put_role(connection, number, &after)?;
        turn.administration();
    }
    Ok(Some(after))
}

/// As [`change_role`], for the HSM.
pub(super) fn change_hsm(
    connection: &Connection,
    turn: &mut Turn,
    change: &mut dyn FnMut(&mut HsmRecord),
) -> Result<HsmRecord, Trouble> {
    let before = hsm(connection)?;
    let mut after = before.clone();
    change(&mut after);
    if after != before {
        put_hsm(connection, &after)?;
        turn.administration();
    }
    Ok(after)
}

/// As [`change_role`], for a partition.
pub(super) fn change_partition(
    connection: &Connection,
    turn: &mut Turn,
    number: i64,
    change: &mut dyn FnMut(&mut PartitionRecord),
) -> Result<Option<PartitionRecord>, Trouble> {
    let Some(before) = partition(connection, number)? else { return Ok(None) };
    let mut after = before.clone();
    change(&mut after);
    after.serial.clone_from(&before.serial);
    after.object_counter = after.object_counter.max(before.object_counter);
    if after != before {
        put_partition(connection, &after)?;
        turn.administration();
    }
    Ok(Some(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_survive_as_text() {
        for policies in [BTreeMap::new(), BTreeMap::from([(0, 1), (12, 0), (u32::MAX, u64::MAX)])] {
            assert_eq!(policies_from_text(&policies_to_text(&policies)), Some(policies));
        }
        for text in ["1", "1=", "=1", "x=1", "1=-1"] {
            assert_eq!(policies_from_text(text), None, "{text}");
        }
    }

    #[test]
    fn serial_numbers_are_canonical() {
        assert_eq!(partition_number("1238700701510").unwrap(), 1_238_700_701_510);
        assert_eq!(partition_number("0").unwrap(), 0);
        for serial in ["", "01", "-1", "+1", "1a", " 1", "1234567890123456789"] {
            let error = partition_number(serial).unwrap_err();
            assert!(matches!(error, StoreError::BadSerial { .. }), "{serial}");
        }
    }
}
