//! Luna Cloud HSM services: the sections `XTC` and `REST`.
//!
//! Source: cloud.md section 4 of the fact pack: the paths, the server and the credentials are
//! Documented, the numbers and their defaults recalled.

use std::path::PathBuf;
use std::time::Duration;

use chrystoki_conf::Conf;

use super::ServerEntry;
use crate::wire::Pin;

/// Services of a provider that this client has credentials for.
#[derive(Clone)]
pub struct CloudEntry {
    /// The provider's server.
    pub server: ServerEntry,
    /// The certificate by which it is known (PEM; `SSLClientSideVerifyFile`).
    pub server_certificates: PathBuf,
    /// The certificate that signs those of partitions (PEM; `PartitionCAPath`).
    pub partition_authority: PathBuf,
    /// One for each set of credentials, in the order of slots.
    pub services: Vec<ServiceEntry>,
    /// How long a silent server is waited for (`ClientTimeoutSec`).
    pub timeout: Duration,
    /// The most connections of a service (`ClientPoolSize`).
    pub pool_size: usize,
    /// The certificate of the server has to name its host (`ValidateHost`).
    pub validate_host: bool,
    /// Where the client's plugins lie (`PluginModuleDir`); none is known without it.
    pub plugins: Option<PathBuf>,
    /// As [`super::NetworkEntry::recover_at_once`].
    pub recover_at_once: bool,
}

/// A set of credentials, which opens one service.
#[derive(Clone)]
pub struct ServiceEntry {
    /// Where tokens are had (`AuthTokenConfigURI`); the emulator's server gives them itself.
    pub token_uri: String,
    /// `AuthTokenClientId`.
    pub client_id: String,
    /// `AuthTokenClientSecret`.
    pub client_secret: Pin,
    /// The certificate of the partition (PEM; `PartitionCertPathNN`).
    pub partition_certificate: PathBuf,
}

impl std::fmt::Debug for CloudEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} services at {}:{}", self.services.len(), self.server.host, self.server.port)
    }
}

const REST: &str = "REST";
const XTC: &str = "XTC";

/// HTTPS.
const PORT: u16 = 443;

/// Sets of credentials without `MaxUserIDCount` (Documented; clients from 10.5 on).
const MOST_SETS: i64 = 100;

impl CloudEntry {
    /// None where the file names no server, or switches the client of the cloud off.
    pub(super) fn of(conf: &Conf) -> Result<Option<Self>, chrystoki_conf::Error> {
        let switched_on = conf.flag(REST, "RestClient")?.unwrap_or(true)
            && conf.flag(XTC, "Enabled")?.unwrap_or(true);
        let port = conf.number(REST, "ServerPort", 1..=65_535)?;
        let seconds = conf.number(REST, "ClientTimeoutSec", 1..=3600)?.unwrap_or(120);
        let pool_size = conf.number(REST, "ClientPoolSize", 1..=1024)?.unwrap_or(32);
        let most = conf.number("Misc", "MaxUserIDCount", 1..=100)?.unwrap_or(MOST_SETS);
        // Read so that a wrong value is told: a connection is tried anew by each call.
        conf.number(REST, "ClientEofRetryCount", 0..=10_000)?;
        conf.number(REST, "ClientConnectRetryCount", 0..=100_000)?;
        conf.number(REST, "ClientConnectIntervalMs", 0..=3_600_000)?;
        conf.number(XTC, "TimeoutSec", 1..=86_400)?;
        let Some(host) = conf.value(REST, "ServerName").filter(|it| !it.is_empty()) else {
            return Ok(None);
        };
        if !switched_on {
            return Ok(None);
        }
        Ok(Some(Self {
            server: ServerEntry {
                host: host.to_owned(),
                port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT),
            },
            server_certificates: file(conf, REST, "SSLClientSideVerifyFile")?,
            partition_authority: file(conf, XTC, "PartitionCAPath")?,
            services: services(conf, usize::try_from(most).unwrap_or(1))?,
            timeout: Duration::from_secs(u64::try_from(seconds).unwrap_or(120)),
            pool_size: usize::try_from(pool_size).unwrap_or(32),
            validate_host: conf.flag("Misc", "ValidateHost")?.unwrap_or(false),
            plugins: conf.value("Misc", "PluginModuleDir").map(PathBuf::from),
            recover_at_once: conf.flag(super::EMULATOR, "RecoverAtOnce")?.unwrap_or(false),
        }))
    }
}

fn file(conf: &Conf, section: &str, key: &str) -> Result<PathBuf, chrystoki_conf::Error> {
    let missing = || conf.wrong(section, key, "missing", "a file (PEM), since REST has ServerName");
    conf.value(section, key).map(PathBuf::from).ok_or_else(missing)
}

/// The set whose keys have no number, then those of 00, 01, … That further sets are numbered as
/// `PartitionCertPath00` is, is Assumed: the page that tells of them was not found whole.
fn services(conf: &Conf, most: usize) -> Result<Vec<ServiceEntry>, chrystoki_conf::Error> {
    let mut found: Vec<ServiceEntry> = Vec::new();
    let numbered = (0..super::MOST_NUMBERED).map(|number| format!("{number:02}"));
    for suffix in std::iter::once(String::new()).chain(numbered) {
        let key = |what: &str| format!("AuthToken{what}{suffix}");
        let id_key = key("ClientId");
        let Some(id) = conf.value(REST, &id_key).filter(|it| !it.is_empty()) else { continue };
        if found.iter().any(|other| other.client_id == id) {
            return Err(conf.wrong(REST, &id_key, format!("`{id}` again"), "another client"));
        }
        if found.len() == most {
            let what = format!("more than {most} sets of credentials");
            return Err(conf.wrong(REST, &id_key, what, "as many as Misc/MaxUserIDCount allows"));
        }
        let secret_key = key("ClientSecret");
        let missing = || conf.wrong(REST, &secret_key, "missing", format!("the secret of {id}"));
        let secret = conf.value(REST, &secret_key).ok_or_else(missing)?;
        let certificate = format!("PartitionCertPath{:02}", found.len());
        found.push(ServiceEntry {
            token_uri: conf.value(REST, &key("ConfigURI")).unwrap_or_default().to_owned(),
            client_id: id.to_owned(),
            client_secret: Pin::new(secret.as_bytes()),
            partition_certificate: file(conf, XTC, &certificate)?,
        });
    }
    if found.is_empty() {
        return Err(conf.wrong(REST, "AuthTokenClientId", "missing", "the client's credentials"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTIONS: &str = "XTC = {\n Enabled = 1;\n PartitionCAPath = /c/ca.pem;\n \
         PartitionCertPath00 = /c/p.pem;\n}\nREST = {\n ServerName = eu.example;\n \
         SSLClientSideVerifyFile = /c/s.pem;\n AuthTokenClientId = one;\n \
         AuthTokenClientSecret = hidden;\n}\n";

    fn read(text: &str) -> Result<Option<CloudEntry>, chrystoki_conf::Error> {
        CloudEntry::of(&Conf::parse(text, "Chrystoki.conf")?)
    }

    #[test]
    fn a_bundle_is_read_with_its_defaults() {
        let cloud = read(SECTIONS).unwrap().unwrap();
        assert_eq!((cloud.server.host.as_str(), cloud.server.port), ("eu.example", 443));
        assert_eq!((cloud.timeout, cloud.pool_size), (Duration::from_secs(120), 32));
        assert_eq!(cloud.services[0].client_id, "one");
        assert!(!format!("{cloud:?}").contains("hidden"));
    }

    #[test]
    fn what_is_switched_off_or_not_there_is_no_cloud() {
        assert!(read("REST = { RestClient = 1; }").unwrap().is_none());
        for off in ["REST = { RestClient = 0; }", "XTC = { Enabled = 0; }"] {
            assert!(read(&format!("{off}\n{SECTIONS}")).is_ok());
        }
        assert!(read(&SECTIONS.replace("Enabled = 1", "Enabled = 0")).unwrap().is_none());
    }

    #[test]
    fn what_lacks_or_is_wrong_is_named() {
        for (text, key) in [
            (SECTIONS.replace("PartitionCAPath", "Other"), "PartitionCAPath"),
            (SECTIONS.replace("AuthTokenClientSecret", "Other"), "AuthTokenClientSecret"),
            (SECTIONS.replace("AuthTokenClientId", "Other"), "AuthTokenClientId"),
            (SECTIONS.replace("PartitionCertPath00", "Other"), "PartitionCertPath00"),
            (SECTIONS.replace("REST = {", "REST = {\n ServerPort = 0;"), "ServerPort"),
            (
                SECTIONS.replace("REST = {", "REST = {\n AuthTokenClientId01 = one;"),
                "AuthTokenClientId01",
            ),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
