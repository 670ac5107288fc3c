//! Endpoints, their groups, virtual wallets, and who may do what with a wallet.
//!
//! Names of statuses are the console's (Documented for registered, enrolled and suspended). Nothing here is a secret in
//! clear: an enrolment token lies sealed until it is used, and of a certificate only its digest is kept.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::{Change, Result, Store, StoreError, now};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS virtual_wallet (
        name TEXT PRIMARY KEY COLLATE NOCASE, description TEXT NOT NULL, created_at TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS endpoint (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, type TEXT NOT NULL,
        platform TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL, token BLOB,
        certificate BLOB UNIQUE,
        default_wallet TEXT COLLATE NOCASE REFERENCES virtual_wallet(name) ON DELETE SET NULL,
        created_at TEXT NOT NULL, enrolled_at TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS endpoint_group (
        name TEXT PRIMARY KEY COLLATE NOCASE, description TEXT NOT NULL, created_at TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS endpoint_group_member (
        endpoint_group TEXT NOT NULL COLLATE NOCASE REFERENCES endpoint_group(name) ON DELETE CASCADE,
        endpoint INTEGER NOT NULL REFERENCES endpoint(id) ON DELETE CASCADE,
        PRIMARY KEY (endpoint_group, endpoint)) STRICT;
    CREATE TABLE IF NOT EXISTS wallet_access (
        wallet TEXT NOT NULL COLLATE NOCASE REFERENCES virtual_wallet(name) ON DELETE CASCADE,
        endpoint INTEGER REFERENCES endpoint(id) ON DELETE CASCADE,
        endpoint_group TEXT COLLATE NOCASE REFERENCES endpoint_group(name) ON DELETE CASCADE,
        access TEXT NOT NULL, CHECK ((endpoint IS NULL) <> (endpoint_group IS NULL))) STRICT;
    CREATE INDEX IF NOT EXISTS wallet_access_of_endpoint ON wallet_access (endpoint);
";

/// How far an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EndpointStatus {
    /// It has a token that was not redeemed.
    Registered,
    /// It has a certificate.
    Enrolled,
    /// It has a certificate that is not let in for now.
    Suspended,
}

impl EndpointStatus {
    /// `REGISTERED` and so on.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "REGISTERED",
            Self::Enrolled => "ENROLLED",
            Self::Suspended => "SUSPENDED",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Registered, Self::Enrolled, Self::Suspended].into_iter().find(|it| it.name() == name)
    }
}

/// A machine or database that stores and fetches objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Never given twice.
    #[serde(skip)]
    pub id: i64,
    /// Letters of any case are the same.
    pub name: String,
    /// As in `ORACLE_DB`.
    #[serde(rename = "type")]
    pub kind: String,
    /// As in `LINUX64`.
    pub platform: String,
    /// For people.
    pub description: String,
    /// How far it is.
    pub status: EndpointStatus,
    /// Where its new objects go.
    pub default_wallet: Option<String>,
    /// UTC, RFC 3339.
    pub created_at: String,
    /// UTC, RFC 3339.
    pub enrolled_at: Option<String>,
}

/// A sharing unit of objects, or of endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// Letters of any case are the same.
    pub name: String,
    /// For people.
    pub description: String,
    /// UTC, RFC 3339.
    pub created_at: String,
}

/// What somebody may do with a wallet. The four words of the real command line are Assumed, from memory of it; the
/// three things they speak of are Documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access {
    /// Read objects.
    pub read: bool,
    /// Change and destroy them as well.
    pub modify: bool,
    /// Put objects in and take them out.
    pub manage: bool,
}

impl Access {
    /// All combinations there are, with the words of the command line and of the console.
    pub const ALL: [(&'static str, &'static str, Self); 4] = [
        ("RO", "Read Only", Self { read: true, modify: false, manage: false }),
        ("RM", "Read and Modify", Self { read: true, modify: true, manage: false }),
        ("RO_MW", "Read Only, Manage Wallet", Self { read: true, modify: false, manage: true }),
        ("RM_MW", "Read and Modify, Manage Wallet", Self::FULL),
    ];

    /// Everything.
    pub const FULL: Self = Self { read: true, modify: true, manage: true };

    /// `RM_MW` and so on; empty for nothing at all.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(.., it)| *it == self).map_or("", |(name, ..)| name)
    }

    /// As the console shows it.
    pub fn title(self) -> &'static str {
        Self::ALL.iter().find(|(.., it)| *it == self).map_or("", |(_, title, _)| title)
    }

    /// The access of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, ..)| *known == name).map(|(.., it)| *it)
    }

    /// What two grants give together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            modify: self.modify || other.modify,
            manage: self.manage || other.manage,
        }
    }
}

impl Serialize for Access {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The wallet's name.
    pub wallet: String,
    /// Who has it.
    #[serde(flatten)]
    pub holder: Holder,
    /// What may be done.
    pub access: Access,
}

/// Who can have access to a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Holder {
    /// An endpoint, by name.
    Endpoint(String),
    /// All endpoints of a group, by name.
    EndpointGroup(String),
}

impl Holder {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Endpoint(name) | Self::EndpointGroup(name) => name,
        }
    }
}

/// Signs the certificates of endpoints and of the KMIP server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AuthorityRecord {
    /// The common name in it.
    pub(crate) name: String,
    /// PEM.
    pub(crate) certificate: String,
    /// PKCS#8, sealed under the tablespace key, in hexadecimal digits.
    pub(crate) key: String,
}

const ENDPOINT: &str =
    "SELECT id, name, type, platform, description, status, default_wallet, created_at,
     enrolled_at FROM endpoint";

fn endpoint(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
    let status: String = row.get(5)?;
    Ok(Endpoint {
        id: row.get(0)?,
        name: row.get(1)?,
        kind: row.get(2)?,
        platform: row.get(3)?,
        description: row.get(4)?,
        // A word nobody wrote lets nobody in.
        status: EndpointStatus::named(&status).unwrap_or(EndpointStatus::Suspended),
        default_wallet: row.get(6)?,
        created_at: row.get(7)?,
        enrolled_at: row.get(8)?,
    })
}

fn named(row: &Row<'_>) -> rusqlite::Result<Named> {
    Ok(Named { name: row.get(0)?, description: row.get(1)?, created_at: row.get(2)? })
}

impl Store {
    pub(crate) fn authority(&self) -> Result<Option<AuthorityRecord>> {
        self.json("endpoint_authority")
    }

    /// Where the KMIP server was last: `host:port`.
    pub(crate) fn kmip_server(&self) -> Result<Option<String>> {
        self.json("kmip_server")
    }

    pub(crate) fn endpoint(&self, name: &str) -> Result<Option<Endpoint>> {
        let text = format!("{ENDPOINT} WHERE name = ?1");
        Ok(self.connection.lock().query_row(&text, [name], endpoint).optional()?)
    }

    /// The endpoint that shows the certificate with this SHA-256.
    pub(crate) fn endpoint_of(&self, certificate: &[u8]) -> Result<Option<Endpoint>> {
        let connection = self.connection.lock();
        let mut statement =
            connection.prepare_cached(&format!("{ENDPOINT} WHERE certificate = ?1"))?;
        Ok(statement.query_row([certificate], endpoint).optional()?)
    }

    /// All endpoints by name.
    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(&format!("{ENDPOINT} ORDER BY name"))?;
        let rows = statement.query_map([], endpoint)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The sealed token of an endpoint that has one.
    pub(crate) fn enrolment_token(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let text = "SELECT token FROM endpoint WHERE name = ?1";
        let row = self.connection.lock().query_row(text, [name], |row| row.get(0)).optional()?;
        Ok(row.flatten())
    }

    /// All virtual wallets by name.
    pub(crate) fn virtual_wallets(&self) -> Result<Vec<Named>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT name, description, created_at FROM virtual_wallet ORDER BY name",
        )?;
        let rows = statement.query_map([], named)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The virtual wallet's name as it was given.
    pub(crate) fn virtual_wallet(&self, name: &str) -> Result<Option<String>> {
        let text = "SELECT name FROM virtual_wallet WHERE name = ?1";
        Ok(self.connection.lock().query_row(text, [name], |row| row.get(0)).optional()?)
    }

    /// All endpoint groups by name.
    pub(crate) fn endpoint_groups(&self) -> Result<Vec<Named>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT name, description, created_at FROM endpoint_group ORDER BY name",
        )?;
        let rows = statement.query_map([], named)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(crate) fn endpoint_group(&self, name: &str) -> Result<Option<String>> {
        let text = "SELECT name FROM endpoint_group WHERE name = ?1";
        Ok(self.connection.lock().query_row(text, [name], |row| row.get(0)).optional()?)
    }

    /// Names of the endpoints of a group.
    pub(crate) fn group_members(&self, group: &str) -> Result<Vec<String>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT e.name FROM endpoint_group_member m JOIN endpoint e ON e.id = m.endpoint
             WHERE m.endpoint_group = ?1 ORDER BY e.name",
        )?;
        let rows = statement.query_map([group], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// All grants, by wallet.
    pub(crate) fn grants(&self) -> Result<Vec<Grant>> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT w.wallet, e.name, w.endpoint_group, w.access FROM wallet_access w
             LEFT JOIN endpoint e ON e.id = w.endpoint ORDER BY w.wallet, w.rowid",
        )?;
        let rows = statement.query_map([], |row| {
            let endpoint: Option<String> = row.get(1)?;
            let group: Option<String> = row.get(2)?;
            let access: String = row.get(3)?;
            let holder = match (endpoint, group) {
                (Some(name), _) => Holder::Endpoint(name),
                (None, group) => Holder::EndpointGroup(group.unwrap_or_default()),
            };
            let access = Access::named(&access).unwrap_or_default();
            Ok(Grant { wallet: row.get(0)?, holder, access })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Change<'_> {
    /// Keeps the authority unless there is one.
    pub(crate) fn first_authority(&self, record: &AuthorityRecord) -> Result<()> {
        let text = serde_json::to_string(record);
        let text = text.map_err(|_| StoreError::Corrupt("endpoint_authority"))?;
        self.0.execute(
            "INSERT INTO config VALUES ('endpoint_authority', ?1) ON CONFLICT DO NOTHING",
            [text],
        )?;
        Ok(())
    }

    pub(crate) fn kmip_server(&self, address: &str) -> Result<()> {
        self.set_json("kmip_server", Some(&address))
    }

    /// `false` when an endpoint of this name exists.
    pub(crate) fn add_endpoint(&self, endpoint: &Endpoint, token: &[u8]) -> Result<bool> {
        let rows = self.0.execute(
            // Drawn, since two nodes of a cluster may each add one at once.
            "INSERT INTO endpoint (id, name, type, platform, description, status, token, created_at)
             VALUES (abs(random() >> 11), ?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
            params![
                endpoint.name,
                endpoint.kind,
                endpoint.platform,
                endpoint.description,
                endpoint.status.name(),
                token,
                endpoint.created_at
            ],
        )?;
        Ok(rows == 1)
    }

    /// The token is used up; the endpoint has this certificate. `false` when it has another token by now.
    pub(crate) fn enrol(&self, id: i64, token: &[u8], certificate: &[u8]) -> Result<bool> {
        let rows = self.0.execute(
            "UPDATE endpoint SET token = NULL, certificate = ?3, status = 'ENROLLED', enrolled_at = ?4
             WHERE id = ?1 AND token = ?2",
            params![id, token, certificate, now()],
        )?;
        Ok(rows == 1)
    }

    /// Back to where it was before it enrolled: a new token, no certificate.
    pub(crate) fn register_again(&self, id: i64, token: &[u8]) -> Result<()> {
        self.0.execute(
            "UPDATE endpoint SET token = ?2, certificate = NULL, status = 'REGISTERED', enrolled_at = NULL
             WHERE id = ?1",
            params![id, token],
        )?;
        Ok(())
    }

    /// `false` when it was not in the first status.
    pub(crate) fn endpoint_status(
        &self,
        id: i64,
        from: EndpointStatus,
        to: EndpointStatus,
    ) -> Result<bool> {
        let rows = self.0.execute(
            "UPDATE endpoint SET status = ?3 WHERE id = ?1 AND status = ?2",
            params![id, from.name(), to.name()],
        )?;
        Ok(rows == 1)
    }

    /// `false` when there was none.
    pub(crate) fn remove_endpoint(&self, name: &str) -> Result<bool> {
        Ok(self.0.execute("DELETE FROM endpoint WHERE name = ?1", [name])? == 1)
    }

    pub(crate) fn default_wallet(&self, id: i64, wallet: Option<&str>) -> Result<()> {
        self.0.execute(
            "UPDATE endpoint SET default_wallet = ?2 WHERE id = ?1",
            params![id, wallet],
        )?;
        Ok(())
    }

    /// `false` when one of this name exists.
    pub(crate) fn add_virtual_wallet(&self, name: &str, description: &str) -> Result<bool> {
        let rows = self.0.execute(
            "INSERT INTO virtual_wallet VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            [name, description, &now()],
        )?;
        Ok(rows == 1)
    }

    /// `false` when there was none.
    pub(crate) fn remove_virtual_wallet(&self, name: &str) -> Result<bool> {
        Ok(self.0.execute("DELETE FROM virtual_wallet WHERE name = ?1", [name])? == 1)
    }

    /// `false` when one of this name exists.
    pub(crate) fn add_endpoint_group(&self, name: &str, description: &str) -> Result<bool> {
        let rows = self.0.execute(
            "INSERT INTO endpoint_group VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            [name, description, &now()],
        )?;
        Ok(rows == 1)
    }

    /// `false` when there was none.
    pub(crate) fn remove_endpoint_group(&self, name: &str) -> Result<bool> {
        Ok(self.0.execute("DELETE FROM endpoint_group WHERE name = ?1", [name])? == 1)
    }

    /// `false` when it was there already.
    pub(crate) fn add_to_group(&self, group: &str, endpoint: i64) -> Result<bool> {
        let rows = self.0.execute(
            "INSERT INTO endpoint_group_member VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![group, endpoint],
        )?;
        Ok(rows == 1)
    }

    /// `false` when it was not there.
    pub(crate) fn remove_from_group(&self, group: &str, endpoint: i64) -> Result<bool> {
        let rows = self.0.execute(
            "DELETE FROM endpoint_group_member WHERE endpoint_group = ?1 AND endpoint = ?2",
            params![group, endpoint],
        )?;
        Ok(rows == 1)
    }

    /// Gives somebody this access to a wallet in place of what they had; `None` takes it away. Whether they had any.
    pub(crate) fn grant(
        &self,
        wallet: &str,
        holder: &Holder,
        access: Option<Access>,
    ) -> Result<bool> {
        let (endpoint, group) = match holder {
            Holder::Endpoint(name) => {
                let text = "SELECT id FROM endpoint WHERE name = ?1";
                let id: Option<i64> =
                    self.0.query_row(text, [name], |row| row.get(0)).optional()?;
                (Some(id.ok_or(StoreError::Corrupt("endpoint"))?), None)
            }
            Holder::EndpointGroup(name) => (None, Some(name)),
        };
        let had = self.0.execute(
            "DELETE FROM wallet_access WHERE wallet = ?1 AND endpoint IS ?2 AND endpoint_group IS ?3",
            params![wallet, endpoint, group],
        )?;
        if let Some(access) = access {
            self.0.execute(
                "INSERT INTO wallet_access VALUES (?1, ?2, ?3, ?4)",
                params![wallet, endpoint, group, access.name()],
            )?;
        }
        Ok(had > 0)
    }
}
