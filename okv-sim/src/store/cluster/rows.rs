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
    /// Both stay: the one of the higher node gets another name.
    Rename,
}

/// A table every node has the same rows of.
pub(super) struct Replicated {
    pub(super) name: &'static str,
    /// Data of customers or of who may reach it: written in read-write mode only, and acknowledged by the peer.
    pub(super) critical: bool,
    conflict: Conflict,
}

pub(super) const REPLICATED: &[Replicated] = &[
    Replicated { name: "managed_object", critical: true, conflict: Conflict::Rename },
    Replicated { name: "account", critical: true, conflict: Conflict::Later },
    Replicated { name: "endpoint_authority", critical: true, conflict: Conflict::Later },
    Replicated { name: "virtual_wallet", critical: true, conflict: Conflict::Later },
    Replicated { name: "endpoint", critical: true, conflict: Conflict::Later },
    Replicated { name: "endpoint_group", critical: true, conflict: Conflict::Later },
    Replicated { name: "endpoint_group_member", critical: true, conflict: Conflict::Later },
    Replicated { name: "wallet_access", critical: true, conflict: Conflict::Later },
    Replicated { name: "security_object", critical: true, conflict: Conflict::Later },
    Replicated { name: "wallet_member", critical: true, conflict: Conflict::Later },
    Replicated { name: "cluster_info", critical: false, conflict: Conflict::Later },
    Replicated { name: "cluster_node", critical: false, conflict: Conflict::Later },
    Replicated { name: "cluster_setting", critical: false, conflict: Conflict::Later },
    Replicated { name: "cluster_epoch", critical: false, conflict: Conflict::Later },
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

/// Columns of a table, and those of its primary key in their order.
fn columns(connection: &Connection, table: &str) -> Result<(Vec<String>, Vec<String>)> {
    let mut statement = connection.prepare("SELECT name, pk FROM pragma_table_info(?1)")?;
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    let all: Vec<(String, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    let mut key: Vec<_> = all.iter().filter(|(_, pk)| *pk > 0).cloned().collect();
    key.sort_by_key(|(_, pk)| *pk);
    let names = |list: Vec<(String, i64)>| list.into_iter().map(|(name, _)| name).collect();
    Ok((names(all), names(key)))
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
        let (all, key) = columns(connection, name)?;
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

/// What was changed in this transaction: the last of each row.
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
        let before = changes.iter().position(|it| it.table == table && it.key == key);
        let mut change = RowChange { table, kind, key, row };
        if let Some(before) = before {
            let before = changes.remove(before);
            if change.kind == Kind::Put {
                change.kind = before.kind;
            }
        }
        changes.push(change);
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
    let name = replicated(&change.table)?.name;
    let (all, key) = columns(transaction, name)?;
    if key.len() != change.key.len() {
        return Err(StoreError::Corrupt("a key of another node"));
    }
    if change.kind == Kind::Gone {
        let parts: Vec<_> = key.iter().map(|it| format!("{it} = ?")).collect();
        let values: Vec<_> =
            change.key.iter().map(|it| decoded(it.as_ref())).collect::<Result<_>>()?;
        let text = format!("DELETE FROM {name} WHERE {}", parts.join(" AND "));
        transaction.prepare_cached(&text)?.execute(params_from_iter(values))?;
        return Ok(());
    }
    if change.row.keys().any(|column| !all.contains(column)) {
        return Err(StoreError::Corrupt("a column of another node"));
    }
    let list: Vec<_> = change.row.keys().map(String::as_str).collect();
    let marks = vec!["?"; list.len()].join(", ");
    let sets: Vec<_> = list.iter().map(|it| format!("{it} = excluded.{it}")).collect();
    let text = format!(
        "INSERT INTO {name} ({}) VALUES ({marks}) ON CONFLICT ({}) DO UPDATE SET {}",
        list.join(", "),
        key.join(", "),
        sets.join(", ")
    );
    let values: Vec<_> =
        change.row.values().map(|it| decoded(it.as_ref())).collect::<Result<_>>()?;
    transaction.prepare_cached(&text)?.execute(params_from_iter(values))?;
    Ok(())
}

fn row_of(
    transaction: &Transaction<'_>,
    table: &str,
    key: &[Option<String>],
) -> Result<Option<RowChange>> {
    let found = rows(transaction, table)?;
    Ok(found.into_iter().find(|it| it.key == key))
}

/// All rows of a table.
pub(super) fn rows(connection: &Connection, table: &str) -> Result<Vec<RowChange>> {
    let (all, key) = columns(connection, table)?;
    let list = |columns: &[String]| columns.iter().map(|it| encoded(it)).collect::<Vec<_>>();
    let pairs: Vec<_> = all.iter().map(|it| format!("'{it}', {}", encoded(it))).collect();
    let text = format!(
        "SELECT json_array({}), json_object({}) FROM {table} ORDER BY rowid",
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
            table: table.to_owned(),
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

fn renamed(pair: &dyn Pair, change: &RowChange, origin: NodeId) -> Result<RowChange> {
    let object = pair
        .rename(&object_of(change)?, &format!("_OKV{origin:02}"))
        .map_err(|_| StoreError::Corrupt("an object of another node"))?;
    let blob = |bytes: &[u8]| Some(format!("x{}", data_encoding::HEXUPPER.encode(bytes)));
    let mut change = change.clone();
    change.key = vec![blob(&object.id)];
    for (name, bytes) in [("id", &object.id), ("name", &object.name), ("value", &object.value)] {
        change.row.insert(name.to_owned(), blob(bytes));
    }
    Ok(change)
}

pub(super) fn apply_row(
    transaction: &Transaction<'_>,
    pair: &dyn Pair,
    change: &RowChange,
    at: (i64, NodeId),
) -> Result<()> {
    let table = replicated(&change.table)?;
    let there = version(transaction, change)?;
    let rename = table.conflict == Conflict::Rename && change.kind == Kind::New;
    if let Some((clock, origin)) = there
        && rename
        && origin != at.1
        && let Some(here) = row_of(transaction, table.name, &change.key)?
    {
        // Both nodes made it: the lower node's keeps the name, whichever came first here.
        let (keeps, keeps_at, loses, loses_at) = if at.1 < origin {
            (change, at, &here, (clock, origin))
        } else {
            (&here, (clock, origin), change, at)
        };
        let other = renamed(pair, loses, loses_at.1)?;
        put(transaction, keeps)?;
        write_version(transaction, keeps, keeps_at.0, keeps_at.1)?;
        return apply_row(transaction, pair, &other, loses_at);
    }
    if there.is_some_and(|there| there >= at) {
        return Ok(());
    }
    put(transaction, change)?;
    write_version(transaction, change, at.0, at.1)
}
