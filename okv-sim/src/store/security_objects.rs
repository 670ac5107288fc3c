//! What endpoints keep in the vault, sealed, and which virtual wallets it is in.
//!
//! In clear are an object's identifier, who made it, when, and the wallets: what access is decided by. Everything else,
//! names and states too, is sealed. A destroyed object stays without its bytes, as the standard has it.

use rusqlite::{OptionalExtension as _, params};

use super::{Access, Change, Result, Store, now};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS security_object (
        id TEXT PRIMARY KEY, tablespace INTEGER NOT NULL REFERENCES tablespace(id), owner INTEGER,
        attributes BLOB NOT NULL, value BLOB, created_at TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS security_object_of_owner ON security_object (owner);
    CREATE TABLE IF NOT EXISTS wallet_member (
        wallet TEXT NOT NULL COLLATE NOCASE, object TEXT NOT NULL,
        PRIMARY KEY (wallet, object)) STRICT;
    CREATE INDEX IF NOT EXISTS wallet_member_by_object ON wallet_member (object);
";

/// A row of `security_object`, still sealed, without its value.
pub(crate) struct SealedSecurityObject {
    pub(crate) id: String,
    pub(crate) owner: Option<i64>,
    pub(crate) attributes: Vec<u8>,
}

const OBJECT: &str = "SELECT o.id, o.owner, o.attributes FROM security_object o";

/// Wallets that an endpoint, the parameter `?1`, has some access to: directly, or as one of a group.
const GRANTED: &str = "(w.endpoint = ?1 OR w.endpoint_group IN
     (SELECT endpoint_group FROM endpoint_group_member WHERE endpoint = ?1))
     AND EXISTS (SELECT 1 FROM virtual_wallet v WHERE v.name = w.wallet)";

fn object(row: &rusqlite::Row<'_>) -> rusqlite::Result<SealedSecurityObject> {
    Ok(SealedSecurityObject { id: row.get(0)?, owner: row.get(1)?, attributes: row.get(2)? })
}

/// What several grants give together.
fn together(words: impl IntoIterator<Item = String>) -> Access {
    let grants = words.into_iter().filter_map(|word| Access::named(&word));
    grants.fold(Access::default(), Access::with)
}

impl Store {
    pub(crate) fn security_object(&self, id: &str) -> Result<Option<SealedSecurityObject>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(&format!("{OBJECT} WHERE o.id = ?1"))?;
        Ok(statement.query_row([id], object).optional()?)
    }

    /// All objects, in the order they were made.
    pub(crate) fn security_objects(&self) -> Result<Vec<SealedSecurityObject>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(&format!("{OBJECT} ORDER BY o.rowid"))?;
        let rows = statement.query_map([], object)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The objects that an endpoint made or has some access to, in the order they were made.
    pub(crate) fn security_objects_for(&self, endpoint: i64) -> Result<Vec<SealedSecurityObject>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(&format!(
            "{OBJECT} WHERE o.owner = ?1 OR o.id IN (SELECT m.object FROM wallet_member m
             JOIN wallet_access w ON w.wallet = m.wallet WHERE {GRANTED}) ORDER BY o.rowid"
        ))?;
        let rows = statement.query_map([endpoint], object)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many objects an endpoint made.
    pub(crate) fn count_security_objects(&self, endpoint: i64) -> Result<i64> {
        let text = "SELECT count(*) FROM security_object WHERE owner = ?1";
        Ok(self.connection.lock().query_row(text, [endpoint], |row| row.get(0))?)
    }

    /// The sealed bytes; `None` for one that is destroyed or has none.
    pub(crate) fn security_object_value(&self, id: &str) -> Result<Option<Vec<u8>>> {
        let connection = self.connection.lock();
        let mut statement =
            connection.prepare_cached("SELECT value FROM security_object WHERE id = ?1")?;
        Ok(statement.query_row([id], |row| row.get(0)).optional()?.flatten())
    }

    /// What the endpoint may do with the object by the wallets it is in.
    pub(crate) fn access_to_object(&self, endpoint: i64, id: &str) -> Result<Access> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT w.access FROM wallet_member m JOIN wallet_access w ON w.wallet = m.wallet
             WHERE m.object = ?2 AND {GRANTED}"
        ))?;
        let rows = statement.query_map(params![endpoint, id], |row| row.get(0))?;
        Ok(together(rows.collect::<rusqlite::Result<Vec<_>>>()?))
    }

    /// What the endpoint may do with the wallet.
    pub(crate) fn access_to_wallet(&self, endpoint: i64, wallet: &str) -> Result<Access> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT w.access FROM wallet_access w WHERE w.wallet = ?2 AND {GRANTED}"
        ))?;
        let rows = statement.query_map(params![endpoint, wallet], |row| row.get(0))?;
        Ok(together(rows.collect::<rusqlite::Result<Vec<_>>>()?))
    }

    /// Names of the wallets that an object is in.
    pub(crate) fn wallets_of(&self, id: &str) -> Result<Vec<String>> {
        let connection = self.connection.lock();
        let mut statement = connection
            .prepare_cached("SELECT wallet FROM wallet_member WHERE object = ?1 ORDER BY wallet")?;
        let rows = statement.query_map([id], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Change<'_> {
    /// Whether objects that are sealed under this tablespace belong here: a restore may have put another in its place.
    pub(crate) fn has_tablespace(&self, id: i64, wrapped: &[u8]) -> Result<bool> {
        let text = "SELECT count(*) FROM tablespace WHERE id = ?1 AND wrapped = ?2";
        let found: i64 = self.0.query_row(text, params![id, wrapped], |row| row.get(0))?;
        Ok(found == 1)
    }

    pub(crate) fn add_security_object(
        &self,
        tablespace: i64,
        object: &SealedSecurityObject,
        value: Option<&[u8]>,
    ) -> Result<()> {
        self.0.execute(
            "INSERT INTO security_object VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![object.id, tablespace, object.owner, object.attributes, value, now()],
        )?;
        Ok(())
    }

    /// `false` when there is none of this identifier.
    pub(crate) fn security_object_attributes(&self, id: &str, attributes: &[u8]) -> Result<bool> {
        let rows = self.0.execute(
            "UPDATE security_object SET attributes = ?2 WHERE id = ?1",
            params![id, attributes],
        )?;
        Ok(rows == 1)
    }

    /// Its bytes are gone for good.
    pub(crate) fn forget_security_object(&self, id: &str) -> Result<()> {
        self.0.execute("UPDATE security_object SET value = NULL WHERE id = ?1", [id])?;
        Ok(())
    }

    /// `false` when it was there already.
    pub(crate) fn put_into_wallet(&self, wallet: &str, id: &str) -> Result<bool> {
        let rows = self.0.execute(
            "INSERT INTO wallet_member VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            [wallet, id],
        )?;
        Ok(rows == 1)
    }

    /// `false` when it was not there.
    pub(crate) fn take_out_of_wallet(&self, wallet: &str, id: &str) -> Result<bool> {
        let text = "DELETE FROM wallet_member WHERE wallet = ?1 AND object = ?2";
        Ok(self.0.execute(text, [wallet, id])? == 1)
    }
}
