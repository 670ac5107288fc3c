//! Certificates: made for an appliance or a client, read, and named by their fingerprints.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use emulator::env::disk;
use emulator::network::tls;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

/// SHA-256 of a certificate.
pub type Fingerprint = [u8; 32];

/// The fingerprint of a certificate.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    digest_of(certificate)
}

/// SHA-256 of something.
pub(crate) fn digest_of(bytes: &[u8]) -> Fingerprint {
    let mut fingerprint = [0; 32];
    for (place, byte) in fingerprint.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *place = *byte;
    }
    fingerprint
}

/// A fingerprint as people compare it: hexadecimal digits.
pub fn in_digits(fingerprint: &Fingerprint) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A certificate that signed itself, and its key, each as PEM.
pub struct Made {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: Zeroizing<String>,
}

/// Makes a certificate for a name, and for hosts, from yesterday on and for so many days.
///
/// # Errors
/// When a host is none, or the crypto library fails.
pub fn make(name: &str, hosts: &[String], days: u32, now_s: u64) -> Result<Made> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(hosts.to_vec())?;
    describe(&mut params, name, days, now_s)?;
    let certificate = params.self_signed(&key)?;
    Ok(Made { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

fn describe(params: &mut CertificateParams, name: &str, days: u32, now_s: u64) -> Result<()> {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let today = TimeZone::UTC.to_datetime(Timestamp::from_second(i64::try_from(now_s)?)?).date();
    // A clock that goes a little behind shall not refuse it.
    let (year, month, day) = parts(today.checked_sub(1.day())?)?;
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = parts(today.checked_add(i64::from(days).days())?)?;
    params.not_after = date_time_ymd(year, month, day);
    Ok(())
}

/// As the authority over partitions is called.
const AUTHORITY: &str = "Partition CA of a luna-emulator cloud";

fn authority(days: u32, now_s: u64) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    describe(&mut params, AUTHORITY, days, now_s)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(params)
}

/// Makes the certificate of an authority over partitions, from yesterday on and for so many days.
///
/// # Errors
/// When the crypto library fails.
pub fn make_authority(days: u32, now_s: u64) -> Result<Made> {
    let key = KeyPair::generate()?;
    let certificate = authority(days, now_s)?.self_signed(&key)?;
    Ok(Made { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

/// An authority over partitions, which signs their certificates.
pub struct Authority(KeyPair);

impl Authority {
    /// That of a key (PEM).
    ///
    /// # Errors
    /// When it is no key.
    pub fn with_key(key: &str) -> Result<Self> {
        Ok(Self(KeyPair::from_pem(key)?))
    }

    /// A certificate for a name (PEM). Its key is thrown away: nothing is signed with it.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn sign(&self, name: &str, days: u32, now_s: u64) -> Result<String> {
        let mut params = CertificateParams::default();
        describe(&mut params, name, days, now_s)?;
        let own = authority(days, now_s)?;
        let issuer = Issuer::from_params(&own, &self.0);
        Ok(params.signed_by(&KeyPair::generate()?, &issuer)?.pem())
    }
}

fn parts(date: Date) -> Result<(i32, u8, u8)> {
    Ok((i32::from(date.year()), u8::try_from(date.month())?, u8::try_from(date.day())?))
}

impl Made {
    /// Writes both, the key for its owner alone. Files that are there are left as they are.
    ///
    /// # Errors
    /// When one of them is there, or cannot be written.
    pub fn save(&self, certificate: &Path, key: &Path) -> Result<()> {
        for path in [certificate, key] {
            if path.exists() {
                bail!("{} is there already", path.display());
            }
            if let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
                disk::create_private_directory(directory)?;
            }
        }
        disk::write_atomically(key, self.key.as_bytes(), 0o600)?;
        disk::write_atomically(certificate, self.certificate.as_bytes(), 0o644)?;
        Ok(())
    }
}

/// The one certificate of a PEM file, and its text.
///
/// # Errors
/// Naming the file, when it holds none or several.
pub fn read_one(path: &Path) -> Result<(CertificateDer<'static>, String)> {
    let mut found = tls::certificates(path).map_err(anyhow::Error::msg)?;
    let certificate = found.pop().with_context(|| format!("{}: empty", path.display()))?;
    if !found.is_empty() {
        bail!("{}: one certificate is wanted, it has {}", path.display(), found.len() + 1);
    }
    let text = disk::read_text(path, 1 << 20)?;
    Ok((certificate, text))
}

/// Where a client's files lie below its directory, as the vendor's tools have them
/// (chrystoki-conf.md section 3, Documented).
pub struct ClientFiles {
    /// `ClientCertFile`.
    pub certificate: PathBuf,
    /// `ClientPrivKeyFile`.
    pub key: PathBuf,
    /// `ServerCAFile`.
    pub servers: PathBuf,
}

impl ClientFiles {
    /// Of a client of that name.
    pub fn of(directory: &Path, name: &str) -> Self {
        let client = directory.join("cert/client");
        Self {
            certificate: client.join(format!("{name}.pem")),
            key: client.join(format!("{name}Key.pem")),
            servers: directory.join("cert/server/CAFile.pem"),
        }
    }
}
