//! Services of a cloud HSM: one partition each, and clients that have credentials instead of
//! certificates.
//!
//! Source: cloud.md sections 1, 3 and 4: one service is one partition, each of its clients a set of
//! credentials that can be made anew, its partition has a certificate that an authority signed
//! (Documented). How long credentials are is Assumed.

use std::path::PathBuf;

use anyhow::{Result, bail};
use data_encoding::{BASE64_NOPAD, HEXLOWER};
use emulator::crypto::random;
use emulator::network::protocol::Credential;
use emulator::network::tls;
use emulator::wire::Pin;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::certificate::{self, Authority, Fingerprint};
use crate::desk::{Desk, Files, Hall, Outcome};

/// Days that certificates of partitions are valid: as an appliance's (Assumed).
const CERTIFICATE_DAYS: u32 = 3653;

/// What is kept of credentials.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Kept {
    /// `AuthTokenClientId`.
    pub id: String,
    /// SHA-256 of `AuthTokenClientSecret`, in hexadecimal digits. It is as long as a key: nothing is
    /// to be gained by trying.
    pub secret_sha256: String,
}

impl Kept {
    fn of(credential: &Credential) -> Self {
        let secret = digest(&SHA256, credential.secret.as_bytes());
        Self { id: credential.id.clone(), secret_sha256: HEXLOWER.encode(secret.as_ref()) }
    }

    /// Whether they are the same.
    pub fn is(&self, credential: &Credential) -> bool {
        let other = Self::of(credential);
        self.id == other.id && self.secret_sha256 == other.secret_sha256
    }

    /// What stands for its client where another has the fingerprint of its certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        certificate::digest_of(format!("client {}", self.id).as_bytes())
    }
}

/// Everything that a client of a service is given.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Issued {
    /// Serial number of the service's partition.
    pub partition: String,
    /// `AuthTokenClientId`.
    pub id: String,
    /// `AuthTokenClientSecret`.
    pub secret: Pin,
    /// The certificate of the partition (PEM).
    pub partition_certificate: String,
    /// That of who signed it (PEM).
    pub partition_authority: String,
}

fn fresh() -> Result<Credential> {
    Ok(Credential {
        id: HEXLOWER.encode(&random::bytes(16)?),
        // No sign in it that a configuration file or a shell takes for something else.
        secret: Pin::new(
            BASE64_NOPAD.encode(&random::bytes(30)?).replace(['+', '/'], "x").as_bytes(),
        ),
    })
}

impl Files {
    fn of_channel(&self, name: &str) -> PathBuf {
        self.directory.join("channel").join(name)
    }
}

impl Desk {
    /// Whether the HSM is a cloud's, whose clients have credentials.
    pub(crate) fn is_cloud(&self) -> bool {
        self.hsm.profile().is_cloud()
    }

    /// Gives a client of that name credentials for a partition; the older ones of that name, and the
    /// connections they opened, are over.
    ///
    /// # Errors
    /// When the HSM is no cloud's; when a file cannot be written.
    pub(crate) fn issue(&self, name: &str, serial: u64, hall: &dyn Hall) -> Result<Outcome> {
        if !self.is_cloud() {
            let profile = &self.hsm.profile().name;
            bail!(
                "an HSM of profile {profile} knows its clients by certificates: `client register`"
            );
        }
        self.known(serial)?;
        let (partition_certificate, partition_authority) = self.certify(serial)?;
        let credential = fresh()?;
        let mut register = self.register.write();
        if let Some(older) = register.issue(name, Kept::of(&credential))? {
            hall.disconnect(&older);
        }
        register.assign(name, serial, true)?;
        Ok(Outcome::Issued(Box::new(Issued {
            partition: serial.to_string(),
            id: credential.id,
            secret: credential.secret,
            partition_certificate,
            partition_authority,
        })))
    }

    /// The certificate of a partition and that of its authority, made unless they are there.
    fn certify(&self, serial: u64) -> Result<(String, String)> {
        let files = Files::of(&self.directory);
        let own = files.of_channel(&format!("{serial}.pem"));
        let authority = (files.of_channel("authority.pem"), files.of_channel("authorityKey.pem"));
        let now_s = self.now_s();
        if !authority.0.exists() {
            certificate::make_authority(CERTIFICATE_DAYS, now_s)?
                .save(&authority.0, &authority.1)?;
        }
        if !own.exists() {
            let key = emulator::env::disk::read_text(&authority.1, 1 << 20)?;
            let made =
                Authority::with_key(&key)?.sign(&serial.to_string(), CERTIFICATE_DAYS, now_s)?;
            emulator::env::disk::write_atomically(&own, made.as_bytes(), 0o644)?;
        }
        let text = |path: &PathBuf| emulator::env::disk::read_text(path, 1 << 20);
        Ok((text(&own)?, text(&authority.0)?))
    }

    /// The certificate by which a partition is known (DER); empty where none was made.
    pub(crate) fn certificate_of(&self, serial: u64) -> Vec<u8> {
        let path = Files::of(&self.directory).of_channel(&format!("{serial}.pem"));
        let found = tls::certificates(&path).unwrap_or_default();
        found.first().map(|it| it.to_vec()).unwrap_or_default()
    }
}
