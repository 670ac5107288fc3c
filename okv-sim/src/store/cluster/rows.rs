//! Replicated tables: which they are, how a changed row is noticed and told, and how it comes into another node's table.

use std::collections::BTreeMap;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params, params_from_iter};
use serde::{Deserialize, Serialize};

use super::super::{Result, StoreError};
use super::Pair;
use crate::cluster::NodeId;

/// What two nodes that made the same row at once come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conflict {
    /// The later change stands.
    Later,
    /// Both stay: the one of the higher node gets another name, under which it is sealed anew.
    Reseal,
    /// The same for a table whose rows have another key, and a column `name` that is unique.
    Rename,
}

/// A table every node has the same rows of.
pub(super) struct Replicated {
    pub(super) name: &'static str,
    /// Data of customers or of who may reach it: written in read-write mode only, and acknowledged by the peer.
    pub(super) critical: bool,
    conflict: Conflict,
    /// What tells its rows apart, if it is not the primary key.
    key: &'static [&'static str],
}

const fn table(name: &'static str, critical: bool, conflict: Conflict) -> Replicated {
    Replicated { name, critical, conflict, key: &[] }
}

/// Those that others refer to come first.
pub(super) const REPLICATED: &[Replicated] = &[
    table("managed_object", true, Conflict::Reseal),
    table("account", true, Conflict::Later),
    table("virtual_wallet", true, Conflict::Later),
    table("endpoint_group", true, Conflict::Later),
    table("endpoint", true, Conflict::Rename),
    table("endpoint_group_member", true, Conflict::Later),
    Replicated {
        key: &["wallet", "endpoint", "endpoint_group"],
        ..table("wallet_access", true, Conflict::Later)
    },
    table("security_object", true, Conflict::Later),
    table("wallet_member", true, Conflict::Later),
    table("cluster_info", false, Conflict::Later),
    table("cluster_node", false, Conflict::Later),
    table("cluster_setting", false, Conflict::Later),
    table("cluster_epoch", false, Conflict::Later),
];

fn replicated(name: &str) -> Result<&'static Replicated> {
    let found = REPLICATED.iter().find(|table| table.name == name);
    found.ok_or(StoreError::Corrupt("a table of another node"))
}

/// A changed row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowChange {
    pub(super) table: String,
    kind: Kind,
    /// The primary key's columns, as `encoded` writes them.
    key: Vec<Option<String>>,
    /// All columns; empty for a row that is gone.
    row: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    New,
    Put,
    Gone,
}

/// The sealed parts of an object's row.
pub(crate) struct ObjectRow {
    pub(crate) id: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// A value so that its type survives: a letter, then the text.
fn encoded(column: &str) -> String {
    format!(
        "CASE typeof({column}) WHEN 'null' THEN NULL WHEN 'blob' THEN 'x' || hex({column}) \
         WHEN 'text' THEN 't' || {column} WHEN 'integer' THEN 'i' || {column} ELSE 'r' || {column} END"
    )
}

fn decoded(value: Option<&String>) -> Result<Sql> {
    let damaged = || StoreError::Corrupt("a value of another node");
    let Some(text) = value else { return Ok(Sql::Null) };
    let (kind, rest) = text.split_at_checked(1).ok_or_else(damaged)?;
    Ok(match kind {
        "t" => Sql::Text(rest.to_owned()),
        "i" => Sql::Integer(rest.parse().map_err(|_| damaged())?),
        "r" => Sql::Real(rest.parse().map_err(|_| damaged())?),
        "x" => Sql::Blob(data_encoding::HEXUPPER.decode(rest.as_bytes()).map_err(|_| damaged())?),
        _ => return Err(damaged()),
    })
}

/// Columns of a table, and those of its key in their order.
fn columns(connection: &Connection, table: &Replicated) -> Result<(Vec<String>, Vec<String>)> {
    let mut statement = connection.prepare("SELECT name, pk FROM pragma_table_info(?1)")?;
    let rows = statement.query_map([table.name], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    let all: Vec<(String, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    let mut key: Vec<_> = all.iter().filter(|(_, pk)| *pk > 0).cloned().collect();
    key.sort_by_key(|(_, pk)| *pk);
    let names = |list: Vec<(String, i64)>| list.into_iter().map(|(name, _)| name).collect();
    let key = match table.key {
        [] => names(key),
        own => own.iter().map(|name| (*name).to_owned()).collect(),
    };
    Ok((names(all), key))
}

/// Makes the triggers that notice changes. They live as long as the connection.
pub(in crate::store) fn notice_changes(connection: &Connection) -> Result<()> {
    let mut text = String::from(
        "PRAGMA recursive_triggers = ON;
         CREATE TEMP TABLE noticed (
            id INTEGER PRIMARY KEY, name TEXT, kind TEXT, key TEXT, content TEXT);",
    );
    for table in REPLICATED {
        let name = table.name;
        let (all, key) = columns(connection, table)?;
        let keys = |of: &str| {
            let parts: Vec<_> = key.iter().map(|it| encoded(&format!("{of}.{it}"))).collect();
            format!("json_array({})", parts.join(", "))
        };
        let row: Vec<_> =
            all.iter().map(|it| format!("'{it}', {}", encoded(&format!("NEW.{it}")))).collect();
        let row = format!("json_object({})", row.join(", "));
        let note = |kind: &str, key: String, content: &str| {
            format!(
                "INSERT INTO noticed (name, kind, key, content) VALUES ('{name}', '{kind}', {key}, {content});"
            )
        };
        text.push_str(&format!(
            "CREATE TEMP TRIGGER notice_new_{name} AFTER INSERT ON main.{name} BEGIN {} END;
             CREATE TEMP TRIGGER notice_put_{name} AFTER UPDATE ON main.{name} BEGIN
                INSERT INTO noticed (name, kind, key, content)
                    SELECT '{name}', 'gone', {old}, '{{}}' WHERE {old} <> {new}; {} END;
             CREATE TEMP TRIGGER notice_gone_{name} AFTER DELETE ON main.{name} BEGIN {} END;",
            note("new", keys("NEW"), &row),
            note("put", keys("NEW"), &row),
            note("gone", keys("OLD"), "'{}'"),
            old = keys("OLD"),
            new = keys("NEW"),
        ));
    }
    connection.execute_batch(&text)?;
    Ok(())
}

pub(super) fn forget_noticed(transaction: &Transaction<'_>) -> Result<()> {
    transaction.prepare_cached("DELETE FROM temp.noticed")?.execute([])?;
    Ok(())
}

/// What was changed in this transaction, in its order.
pub(super) fn noticed(transaction: &Transaction<'_>) -> Result<Vec<RowChange>> {
    let mut statement = transaction
        .prepare_cached("SELECT name, kind, key, content FROM temp.noticed ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
    })?;
    let damaged = |_| StoreError::Corrupt("a change");
    let mut changes: Vec<RowChange> = Vec::new();
    for row in rows {
        let (table, kind, key, content): (String, String, String, String) = row?;
        let kind = match kind.as_str() {
            "new" => Kind::New,
            "put" => Kind::Put,
            _ => Kind::Gone,
        };
        let key: Vec<Option<String>> = serde_json::from_str(&key).map_err(damaged)?;
        let row = serde_json::from_str(&content).map_err(damaged)?;
        changes.push(RowChange { table, kind, key, row });
    }
    Ok(changes)
}

fn key_text(key: &[Option<String>]) -> Result<String> {
    serde_json::to_string(key).map_err(|_| StoreError::Corrupt("a key"))
}

fn version(transaction: &Transaction<'_>, change: &RowChange) -> Result<Option<(i64, NodeId)>> {
    let key = key_text(&change.key)?;
    let mut statement = transaction
        .prepare_cached("SELECT clock, origin FROM cluster_row WHERE name = ?1 AND key = ?2")?;
    let row = statement.query_row([&change.table, &key], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(row.optional()?)
}

pub(super) fn write_version(
    transaction: &Transaction<'_>,
    change: &RowChange,
    clock: i64,
    origin: NodeId,
) -> Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO cluster_row VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![change.table, key_text(&change.key)?, clock, origin])?;
    Ok(())
}

/// Puts one row there, whatever was there.
pub(super) fn put(transaction: &Transaction<'_>, change: &RowChange) -> Result<()> {
    let table = replicated(&change.table)?;
    let name = table.name;
    let (all, key) = columns(transaction, table)?;
    if key.len() != change.key.len() {
        return Err(StoreError::Corrupt("a key of another node"));
    }
    let has_own_key = !table.key.is_empty();
    if change.kind == Kind::Gone || has_own_key {
        let parts: Vec<_> = key.iter().map(|it| format!("{it} IS ?")).collect();
        let values: Vec<_> =
            change.key.iter().map(|it| decoded(it.as_ref())).collect::<Result<_>>()?;
        let text = format!("DELETE FROM {name} WHERE {}", parts.join(" AND "));
        transaction.prepare_cached(&text)?.execute(params_from_iter(values))?;
    }
    if change.kind == Kind::Gone {
        return Ok(());
    }
    if change.row.keys().any(|column| !all.contains(column)) {
        return Err(StoreError::Corrupt("a column of another node"));
    }
    let list: Vec<_> = change.row.keys().map(String::as_str).collect();
    let marks = vec!["?"; list.len()].join(", ");
    let sets: Vec<_> = list.iter().map(|it| format!("{it} = excluded.{it}")).collect();
    let mut text = format!("INSERT INTO {name} ({}) VALUES ({marks})", list.join(", "));
    if !has_own_key {
        let (key, sets) = (key.join(", "), sets.join(", "));
        text.push_str(&format!(" ON CONFLICT ({key}) DO UPDATE SET {sets}"));
    }
    let values: Vec<_> =
        change.row.values().map(|it| decoded(it.as_ref())).collect::<Result<_>>()?;
    transaction.prepare_cached(&text)?.execute(params_from_iter(values))?;
    Ok(())
}

fn row_of(
    transaction: &Transaction<'_>,
    table: &Replicated,
    key: &[Option<String>],
) -> Result<Option<RowChange>> {
    let found = rows(transaction, table)?;
    Ok(found.into_iter().find(|it| it.key == key))
}

/// All rows of a table.
pub(super) fn rows(connection: &Connection, table: &Replicated) -> Result<Vec<RowChange>> {
    let (all, key) = columns(connection, table)?;
    let name = table.name;
    let list = |columns: &[String]| columns.iter().map(|it| encoded(it)).collect::<Vec<_>>();
    let pairs: Vec<_> = all.iter().map(|it| format!("'{it}', {}", encoded(it))).collect();
    let text = format!(
        "SELECT json_array({}), json_object({}) FROM {name} ORDER BY rowid",
        list(&key).join(", "),
        pairs.join(", ")
    );
    let mut statement = connection.prepare(&text)?;
    let found = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let damaged = |_| StoreError::Corrupt("a row");
    let of = |(key, row): (String, String)| {
        Ok(RowChange {
            table: name.to_owned(),
            kind: Kind::New,
            key: serde_json::from_str(&key).map_err(damaged)?,
            row: serde_json::from_str(&row).map_err(damaged)?,
        })
    };
    found.into_iter().map(of).collect()
}

/// The sealed parts of an object's row, and back.
fn object_of(change: &RowChange) -> Result<ObjectRow> {
    let blob = |name: &str| match change.row.get(name).map(|it| decoded(it.as_ref())) {
        Some(Ok(Sql::Blob(bytes))) => Ok(bytes),
        _ => Err(StoreError::Corrupt("an object of another node")),
    };
    Ok(ObjectRow { id: blob("id")?, name: blob("name")?, value: blob("value")? })
}

/// What stands behind a name that a lower node gave too. From memory of the real product (Assumed).
fn suffix(origin: NodeId) -> String {
    format!("_OKV{origin:02}")
}

fn resealed(pair: &dyn Pair, change: &RowChange, origin: NodeId) -> Result<RowChange> {
    let object = pair
        .rename(&object_of(change)?, &suffix(origin))
        .map_err(|_| StoreError::Corrupt("an object of another node"))?;
    let blob = |bytes: &[u8]| Some(format!("x{}", data_encoding::HEXUPPER.encode(bytes)));
    let mut change = change.clone();
    change.key = vec![blob(&object.id)];
    for (name, bytes) in [("id", &object.id), ("name", &object.name), ("value", &object.value)] {
        change.row.insert(name.to_owned(), blob(bytes));
    }
    Ok(change)
}

/// Another row of the same name, and who made or last changed it; nobody known is a node before all others.
fn namesake(
    transaction: &Transaction<'_>,
    table: &Replicated,
    change: &RowChange,
) -> Result<Option<(RowChange, (i64, NodeId))>> {
    let Some(name) = change.row.get("name") else { return Ok(None) };
    // Compared as the table does it.
    let text = format!("SELECT name FROM {} WHERE name = ?1", table.name);
    let found: Option<String> = transaction
        .prepare_cached(&text)?
        .query_row([decoded(name.as_ref())?], |row| row.get(0))
        .optional()?;
    let Some(found) = found.map(|name| Some(format!("t{name}"))) else { return Ok(None) };
    let all = rows(transaction, table)?;
    let other = all.into_iter().find(|it| it.row.get("name") == Some(&found));
    let Some(mut other) = other.filter(|it| it.key != change.key) else { return Ok(None) };
    other.kind = Kind::Put;
    let at = version(transaction, &other)?.unwrap_or_default();
    Ok(Some((other, at)))
}

fn renamed(change: &RowChange, origin: NodeId) -> RowChange {
    let mut change = change.clone();
    if let Some(Some(name)) = change.row.get_mut("name") {
        name.push_str(&suffix(origin));
    }
    change
}

/// Brings one row of another node into this one's table. Of what two nodes did at once, what comes out does not depend on
/// which came first here.
pub(super) fn apply_row(
    transaction: &Transaction<'_>,
    pair: &dyn Pair,
    change: &RowChange,
    at: (i64, NodeId),
) -> Result<()> {
    let table = replicated(&change.table)?;
    let there = version(transaction, change)?;
    let made_twice = table.conflict == Conflict::Reseal && change.kind == Kind::New;
    if let Some((clock, origin)) = there
        && made_twice
        && origin != at.1
        && let Some(here) = row_of(transaction, table, &change.key)?
    {
        // The lower node's keeps the name.
        let (keeps, keeps_at, loses, loses_at) = if at.1 < origin {
            (change, at, &here, (clock, origin))
        } else {
            (&here, (clock, origin), change, at)
        };
        let other = resealed(pair, loses, loses_at.1)?;
        put(transaction, keeps)?;
        write_version(transaction, keeps, keeps_at.0, keeps_at.1)?;
        return apply_row(transaction, pair, &other, loses_at);
    }
    // The same version is another change of the same transaction.
    if there.is_some_and(|there| there > at) {
        return Ok(());
    }
    if table.conflict == Conflict::Rename
        && change.kind != Kind::Gone
        && let Some((other, other_at)) = namesake(transaction, table, change)?
    {
        if at.1 < other_at.1 {
            put(transaction, &renamed(&other, other_at.1))?;
        } else {
            put(transaction, &renamed(change, at.1))?;
            return write_version(transaction, change, at.0, at.1);
        }
    }
    put(transaction, change)?;
    write_version(transaction, change, at.0, at.1)
}
