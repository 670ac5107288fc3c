//! Who may connect, and who sees which partition; in a file that is written whole or not at all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use emulator::env::disk;
use emulator::network::protocol::Credential;
use emulator::network::tls;
use rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject};
use serde::{Deserialize, Serialize};

use crate::certificate::{Fingerprint, fingerprint};
use crate::service::Kept;

const MOST_BYTES: usize = 64 << 20;

/// A client that was registered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Client {
    /// As the administrator calls it.
    pub name: String,
    /// Its certificate (PEM); empty where it has credentials.
    #[serde(default)]
    pub certificate: String,
    /// Its credentials, where it is the client of a cloud service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Kept>,
    /// Serial numbers of the partitions that it sees.
    pub partitions: BTreeSet<u64>,
    #[serde(skip)]
    fingerprint: Fingerprint,
}

impl Client {
    /// The fingerprint of its certificate, or what stands for it.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

#[derive(Default, Deserialize, Serialize)]
struct Content {
    clients: Vec<Client>,
}

/// The file.
pub struct Register {
    path: PathBuf,
    content: Content,
}

impl Register {
    /// Reads the file; an appliance without one has no clients.
    ///
    /// # Errors
    /// When it cannot be read or understood, naming it.
    pub fn open(path: &Path) -> Result<Self> {
        let mut content = match disk::read_text(path, MOST_BYTES) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(error.into()),
        };
        for client in &mut content.clients {
            client.fingerprint = match &client.credentials {
                Some(kept) => kept.fingerprint(),
                None => fingerprint(&parse(&client.certificate)?),
            };
        }
        Ok(Self { path: path.to_owned(), content })
    }

    /// Every client, in the order of registration.
    pub fn clients(&self) -> &[Client] {
        &self.content.clients
    }

    /// The client of a certificate.
    pub fn by_fingerprint(&self, wanted: &Fingerprint) -> Option<&Client> {
        self.content.clients.iter().find(|client| client.fingerprint == *wanted)
    }

    /// The client of a name.
    ///
    /// # Errors
    /// When there is none, with the names there are.
    pub fn by_name(&self, name: &str) -> Result<&Client> {
        self.content.clients.iter().find(|client| client.name == name).with_context(|| {
            let names: Vec<_> = self.content.clients.iter().map(|it| it.name.as_str()).collect();
            format!("no client is called {name}; there is: {}", names.join(", "))
        })
    }

    /// Registers a client by its certificate.
    ///
    /// # Errors
    /// When name or certificate are there already, or the certificate cannot be used.
    pub fn add(&mut self, name: &str, certificate: &str, now: UnixTime) -> Result<()> {
        check_name(name)?;
        if self.content.clients.iter().any(|client| client.name == name) {
            bail!("a client is called {name} already; revoke it first");
        }
        let parsed = parse(certificate)?;
        tls::is_valid_at(&parsed, now)
            .map_err(|error| anyhow::anyhow!("the certificate cannot be used: {error}"))?;
        let fingerprint = fingerprint(&parsed);
        if let Some(other) = self.by_fingerprint(&fingerprint) {
            bail!("the certificate is that of client {} already", other.name);
        }
        let client = Client {
            name: name.to_owned(),
            certificate: certificate.to_owned(),
            credentials: None,
            partitions: BTreeSet::new(),
            fingerprint,
        };
        self.change(|content| content.clients.push(client))
    }

    /// The client of these credentials.
    pub fn by_credential(&self, wanted: &Credential) -> Option<&Client> {
        let kept = |client: &&Client| client.credentials.as_ref().is_some_and(|it| it.is(wanted));
        self.content.clients.iter().find(kept)
    }

    /// Gives a client credentials, in place of those it has; what stood for these.
    ///
    /// # Errors
    /// When the name cannot be one; when the file cannot be written, and then nothing changes.
    pub fn issue(&mut self, name: &str, kept: Kept) -> Result<Option<Fingerprint>> {
        check_name(name)?;
        let older = self.content.clients.iter().find(|client| client.name == name);
        let older = older.map(|client| client.fingerprint);
        self.change(|content| {
            let fingerprint = kept.fingerprint();
            match content.clients.iter_mut().find(|client| client.name == name) {
                Some(client) => {
                    client.credentials = Some(kept);
                    client.fingerprint = fingerprint;
                }
                None => content.clients.push(Client {
                    name: name.to_owned(),
                    certificate: String::new(),
                    credentials: Some(kept),
                    partitions: BTreeSet::new(),
                    fingerprint,
                }),
            }
        })?;
        Ok(older)
    }

    /// Forgets a client.
    ///
    /// # Errors
    /// When there is none of that name; when the file cannot be written, and then nothing changes.
    pub fn remove(&mut self, name: &str) -> Result<Client> {
        let gone = self.by_name(name)?.clone();
        self.change(|content| content.clients.retain(|client| client.name != name))?;
        Ok(gone)
    }

    /// Shows a client a partition, or hides it.
    ///
    /// # Errors
    /// As [`Register::remove`].
    pub fn assign(&mut self, name: &str, partition: u64, sees: bool) -> Result<Client> {
        self.by_name(name)?;
        self.change(|content| {
            for client in content.clients.iter_mut().filter(|client| client.name == name) {
                if sees {
                    client.partitions.insert(partition);
                } else {
                    client.partitions.remove(&partition);
                }
            }
        })?;
        Ok(self.by_name(name)?.clone())
    }

    /// Nobody sees a partition any longer.
    ///
    /// # Errors
    /// When the file cannot be written, and then nothing changes.
    pub fn hide_from_all(&mut self, partition: u64) -> Result<()> {
        self.change(|content| {
            for client in &mut content.clients {
                client.partitions.remove(&partition);
            }
        })
    }

    fn change(&mut self, change: impl FnOnce(&mut Content)) -> Result<()> {
        let mut content = Content { clients: self.content.clients.clone() };
        change(&mut content);
        let text = serde_json::to_string_pretty(&content)?;
        disk::write_atomically(&self.path, text.as_bytes(), 0o600)?;
        self.content = content;
        Ok(())
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > 64 || !name.chars().all(|it| it.is_ascii_graphic()) {
        bail!("a client's name has 1 to 64 letters, digits and signs");
    }
    Ok(())
}

fn parse(text: &str) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(text.as_bytes())
        .map_err(|error| anyhow::anyhow!("no certificate (PEM): {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::certificate::make;

    #[test]
    fn clients_are_kept_and_found_again() {
        let folder = std::env::temp_dir().join(format!("luna-register-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("clients.json");
        let _ = std::fs::remove_file(&path);
        let day = 86_400;
        let now_s = 20_000 * day;
        let now = |s: u64| UnixTime::since_unix_epoch(Duration::from_secs(s));
        let one = make("one", &[], 10, now_s).unwrap().certificate;
        let mut register = Register::open(&path).unwrap();
        register.add("one", &one, now(now_s)).unwrap();
        assert!(register.add("one", &one, now(now_s)).is_err(), "the name is taken");
        assert!(register.add("two", &one, now(now_s)).is_err(), "the certificate is taken");
        let other = make("other", &[], 10, now_s).unwrap().certificate;
        assert!(register.add("late", &other, now(now_s + 20 * day)).is_err(), "it has expired");
        register.assign("one", 7, true).unwrap();
        assert!(register.assign("nobody", 7, true).is_err());
        let again = Register::open(&path).unwrap();
        let client = again.by_name("one").unwrap();
        assert_eq!(client.partitions, BTreeSet::from([7]));
        assert_eq!(again.by_fingerprint(client.fingerprint()).unwrap().name, "one");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
