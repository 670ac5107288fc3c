//! Objects, as rows, and finding them.

use rusqlite::{Connection, OptionalExtension, Row, ffi, params};

use super::error::{StoreError, Trouble};
use super::journal::Turn;
use super::record::{NewObject, ObjectRecord, ObjectUpdate, Query, Usage};

/// OUIDs asked for before giving up, when those handed out are taken already.
const OUID_ATTEMPTS: u32 = 1000;

/// Empty bytes are NULL in the table.
fn filled(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

fn stored_bytes(attributes: &[u8], secret: &[u8]) -> i64 {
    i64::try_from(attributes.len().saturating_add(secret.len())).unwrap_or(i64::MAX)
}

fn is_taken(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if failure.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE)
}

/// Stores all of `objects` and returns their handles, in order.
pub(super) fn insert(
    connection: &Connection,
    turn: &mut Turn,
    partition: i64,
    objects: &[NewObject],
    ouid_of: &dyn Fn(u64) -> [u8; 12],
) -> Result<Vec<u64>, Trouble> {
    let mut counter = connection
        .prepare_cached("SELECT object_counter FROM usage WHERE partition = ?1")?
        .query_row([partition], |row| row.get::<_, i64>(0))
        .optional()?
        .ok_or_else(|| StoreError::NoSuchPartition { serial: partition.to_string() })?
        .cast_unsigned();
    let mut statement = connection.prepare_cached(
        "INSERT INTO objects (handle, partition, class, key_type, private, ouid, generation, \
         label, id, application, attributes, secret) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let mut handles = Vec::with_capacity(objects.len());
    let mut bytes = 0_i64;
    for object in objects {
        if let (Some(ouid), Some(since)) = (object.ouid, object.unless_destroyed_since) {
            refuse_destroyed(connection, partition, ouid, since)?;
        }
        let handle = turn.take_handle();
        let mut attempts = 0;
        loop {
            let ouid = object.ouid.unwrap_or_else(|| {
                counter = counter.wrapping_add(1);
                ouid_of(counter)
            });
            let inserted = statement.execute(params![
                handle,
                partition,
                object.class.cast_signed(),
                object.key_type.map(u64::cast_signed),
                object.private,
                ouid,
                turn.generation.cast_signed(),
                filled(&object.label),
                filled(&object.id),
                filled(&object.application),
                object.attributes,
                object.secret,
            ]);
            match inserted {
                Ok(_) => break,
                // A cloned object may have brought the OUID that is next in turn.
                Err(error)
                    if is_taken(&error) && object.ouid.is_none() && attempts < OUID_ATTEMPTS =>
                {
                    attempts += 1;
                }
                Err(error) if is_taken(&error) => {
                    return Err(StoreError::DuplicateOuid { ouid }.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        turn.object(handle);
        handles.push(handle.cast_unsigned());
        bytes = bytes.saturating_add(stored_bytes(&object.attributes, &object.secret));
    }
    connection
        .prepare_cached(
            "UPDATE usage SET objects = objects + ?2, bytes = bytes + ?3, object_counter = ?4 \
             WHERE partition = ?1",
        )?
        .execute(params![
            partition,
            i64::try_from(objects.len()).unwrap_or(i64::MAX),
            bytes,
            counter.cast_signed()
        ])?;
    Ok(handles)
}

fn refuse_destroyed(
    connection: &Connection,
    partition: i64,
    ouid: [u8; 12],
    since: u64,
) -> Result<(), Trouble> {
    let destroyed = connection
        .prepare_cached("SELECT generation FROM destroyed WHERE partition = ?1 AND ouid = ?2")?
        .query_row(params![partition, ouid], |row| row.get::<_, i64>(0))
        .optional()?;
    match destroyed {
        Some(generation) if generation.cast_unsigned() > since => {
            Err(StoreError::Destroyed { ouid }.into())
        }
        _ => Ok(()),
    }
}

/// Notes that an object was destroyed, whether it was here or is only on its way.
pub(super) fn bury(
    connection: &Connection,
    turn: &mut Turn,
    partition: i64,
    ouid: [u8; 12],
) -> Result<(), Trouble> {
    connection
        .prepare_cached(
            "INSERT INTO destroyed (partition, ouid, generation) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET generation = excluded.generation",
        )?
        .execute(params![partition, ouid, turn.generation.cast_signed()])?;
    turn.burial();
    Ok(())
}

fn object_from(row: &Row<'_>) -> Result<ObjectRecord, Trouble> {
    let bytes = |column| -> Result<Vec<u8>, Trouble> {
        Ok(row.get::<_, Option<Vec<u8>>>(column)?.unwrap_or_default())
    };
    Ok(ObjectRecord {
        handle: row.get::<_, i64>(0)?.cast_unsigned(),
        partition: row.get::<_, i64>(1)?.to_string(),
        class: row.get::<_, i64>(2)?.cast_unsigned(),
        key_type: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
        private: row.get(4)?,
        ouid: row.get(5)?,
        generation: row.get::<_, i64>(6)?.cast_unsigned(),
        label: bytes(7)?,
        id: bytes(8)?,
        application: bytes(9)?,
        attributes: row.get(10)?,
        secret: row.get(11)?,
    })
}

pub(super) fn load(connection: &Connection, handle: u64) -> Result<Option<ObjectRecord>, Trouble> {
    let mut statement = connection.prepare_cached(
        "SELECT handle, partition, class, key_type, private, ouid, generation, label, id, \
         application, attributes, secret FROM objects WHERE handle = ?1",
    )?;
    let mut rows = statement.query([handle.cast_signed()])?;
    rows.next()?.map(object_from).transpose()
}

/// Replaces what can change, and returns the object's new generation.
pub(super) fn update(
    connection: &Connection,
    turn: &mut Turn,
    handle: u64,
    expected: u64,
    update: &ObjectUpdate,
) -> Result<u64, Trouble> {
    let key = handle.cast_signed();
    let (found, partition, before, secret) = connection
        .prepare_cached(
            "SELECT generation, partition, length(attributes) + length(secret), length(secret) \
             FROM objects WHERE handle = ?1",
        )?
        .query_row([key], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, i64>(3)?,
            ))
        })
        .optional()?
        .ok_or(StoreError::NoSuchObject { handle })?;
    let found = found.cast_unsigned();
    if found != expected {
        return Err(StoreError::Conflict { handle, expected, found }.into());
    }
    connection
        .prepare_cached(
            "UPDATE objects SET private = ?2, generation = ?3, label = ?4, id = ?5, \
             application = ?6, attributes = ?7, secret = coalesce(?8, secret) WHERE handle = ?1",
        )?
        .execute(params![
            key,
            update.private,
            turn.generation.cast_signed(),
            filled(&update.label),
            filled(&update.id),
            filled(&update.application),
            update.attributes,
            update.secret,
        ])?;
    let after = match &update.secret {
        Some(secret) => stored_bytes(&update.attributes, secret),
        None => stored_bytes(&update.attributes, &[]).saturating_add(secret),
    };
    if after != before {
        add_usage(connection, partition, 0, after.saturating_sub(before))?;
    }
    turn.object(key);
    Ok(turn.generation)
}

/// Removes an object; false when there was none.
pub(super) fn delete(
    connection: &Connection,
    turn: &mut Turn,
    handle: u64,
) -> Result<bool, Trouble> {
    let key = handle.cast_signed();
    let gone = connection
        .prepare_cached(
            "DELETE FROM objects WHERE handle = ?1 \
             RETURNING partition, length(attributes) + length(secret), ouid",
        )?
        .query_row([key], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, [u8; 12]>(2)?))
        })
        .optional()?;
    let Some((partition, bytes, ouid)) = gone else { return Ok(false) };
    add_usage(connection, partition, -1, bytes.saturating_neg())?;
    bury(connection, turn, partition, ouid)?;
    turn.object(key);
    Ok(true)
}

fn add_usage(
    connection: &Connection,
    partition: i64,
    objects: i64,
    bytes: i64,
) -> Result<(), Trouble> {
    connection
        .prepare_cached(
            "UPDATE usage SET objects = objects + ?2, bytes = bytes + ?3 WHERE partition = ?1",
        )?
        .execute([partition, objects, bytes])?;
    Ok(())
}

pub(super) fn usage(connection: &Connection, partition: i64) -> Result<Usage, Trouble> {
    let usage = connection
        .prepare_cached("SELECT objects, bytes FROM usage WHERE partition = ?1")?
        .query_row([partition], |row| {
            Ok(Usage {
                objects: row.get::<_, i64>(0)?.cast_unsigned(),
                bytes: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        })
        .optional()?;
    Ok(usage.ok_or_else(|| StoreError::NoSuchPartition { serial: partition.to_string() })?)
}

/// Handle and OUID of every object of a partition, ascending by handle.
pub(super) fn identities(
    connection: &Connection,
    partition: i64,
    include_private: bool,
) -> Result<Vec<(u64, [u8; 12])>, Trouble> {
    let mut statement = connection.prepare_cached(
        "SELECT handle, ouid FROM objects INDEXED BY objects_by_ouid \
         WHERE partition = ?1 AND private <= ?2",
    )?;
    let mut rows = statement.query(params![partition, include_private])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?));
    }
    all.sort_unstable();
    Ok(all)
}

/// The statement that answers `query`. The index is named, since without statistics the planner
/// cannot know that a label tells more than a class.
pub(super) fn find_statement(query: &Query) -> String {
    let has = |bytes: &Option<Vec<u8>>| bytes.as_ref().is_some_and(|bytes| !bytes.is_empty());
    let index = if query.ouid.is_some() {
        "objects_by_ouid"
    } else if has(&query.label) {
        "objects_by_label"
    } else if has(&query.id) {
        "objects_by_id"
    } else if has(&query.application) {
        "objects_by_application"
    } else {
        "objects_by_class"
    };
    let mut sql = String::with_capacity(384);
    // The generation in the same statement, so that both are of one view of the database. The
    // first column says which row it is.
    sql.push_str(
        "SELECT 0, max(generation) FROM journal \
         UNION ALL SELECT 1, handle FROM objects INDEXED BY ",
    );
    sql.push_str(index);
    sql.push_str(" WHERE partition = ?1");
    let bytes = |given: &Option<Vec<u8>>, equal: &'static str, none: &'static str| match given {
        None => "",
        Some(bytes) if bytes.is_empty() => none,
        Some(_) => equal,
    };
    sql.push_str(if query.class.is_some() { " AND class = ?2" } else { "" });
    sql.push_str(if query.key_type.is_some() { " AND key_type = ?3" } else { "" });
    sql.push_str(bytes(&query.label, " AND label = ?4", " AND label IS NULL"));
    sql.push_str(bytes(&query.id, " AND id = ?5", " AND id IS NULL"));
    sql.push_str(bytes(&query.application, " AND application = ?6", " AND application IS NULL"));
    sql.push_str(if query.ouid.is_some() { " AND ouid = ?7" } else { "" });
    sql.push_str(if query.include_private { "" } else { " AND private = 0" });
    sql
}

/// The committed generation, and handles of the objects that match in it, ascending.
pub(super) fn find(
    connection: &Connection,
    partition: i64,
    query: &Query,
) -> Result<(u64, Vec<u64>), Trouble> {
    let mut statement = connection.prepare_cached(&find_statement(query))?;
    // The numbers are positions: SQLite reserves places up to the highest one named.
    let places = statement.parameter_count();
    let class = query.class.map(u64::cast_signed);
    let key_type = query.key_type.map(u64::cast_signed);
    let values: [&dyn rusqlite::ToSql; 7] =
        [&partition, &class, &key_type, &query.label, &query.id, &query.application, &query.ouid];
    for (place, value) in (1..=places).zip(values) {
        statement.raw_bind_parameter(place, value)?;
    }
    let mut rows = statement.raw_query();
    let mut generation = 0;
    let mut handles = Vec::new();
    while let Some(row) = rows.next()? {
        let value = row.get::<_, i64>(1)?.cast_unsigned();
        if row.get::<_, i64>(0)? == 0 {
            generation = value;
        } else {
            handles.push(value);
        }
    }
    // Only the order of the index comes out of it; handles of one class and label are in order
    // already, and sorting what is sorted costs next to nothing.
    handles.sort_unstable();
    Ok((generation, handles))
}
