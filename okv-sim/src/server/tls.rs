//! The console's certificate, made at the first start and kept.
//!
//! The name of its owner and two years of validity follow the real node certificates (Observed in the guide's
//! pictures); the real key is RSA of 4096 bits, this one ECDSA P-256 (Assumed good enough: browsers do not mind).

use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ServeRequest;
use crate::disk::{Disk, Place};
use crate::seal;

/// Days from making to end.
const VALID_DAYS: i64 = 730;

/// Certificate and key as they are kept.
pub(super) struct Certificate {
    pem: Vec<u8>,
    key: Vec<u8>,
    /// SHA-256 in hexadecimal digits with colons, as browsers show it.
    pub(super) fingerprint: String,
}

/// The kept certificate, or a new one.
pub(super) fn certificate(disk: &Disk, request: &ServeRequest) -> Result<Certificate, String> {
    if !disk.exists(Place::ConsoleCertificate) || !disk.exists(Place::ConsoleKey) {
        make(disk, request)?;
    }
    let read = |place| disk.read(place).map_err(|error| error.to_string());
    let (pem, key) = (read(Place::ConsoleCertificate)?, read(Place::ConsoleKey)?);
    let der = CertificateDer::from_pem_slice(&pem)
        .map_err(|error| format!("{}: {error:?}", Place::ConsoleCertificate.relative()))?;
    let digits: Vec<_> = seal::sha256(&der).iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(Certificate { pem, key, fingerprint: digits.join(":") })
}

fn make(disk: &Disk, request: &ServeRequest) -> Result<(), String> {
    let told = |error: rcgen::Error| error.to_string();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !request.listen.ip().is_unspecified() {
        names.push(request.listen.ip().to_string());
    }
    names.extend(request.host_names.iter().cloned());
    names.dedup();
    let mut params = CertificateParams::new(names).map_err(told)?;
    let id = seal::random::<16>().map_err(|_| "no randomness".to_owned())?;
    params
        .distinguished_name
        .push(DnType::CommonName, format!("AVS_CA_Cert-{:032x}", u128::from_be_bytes(id)));
    let now = std::time::SystemTime::now();
    params.not_before = now.into();
    params.not_after =
        (now + std::time::Duration::from_secs(VALID_DAYS.unsigned_abs() * 24 * 3600)).into();
    let key = KeyPair::generate().map_err(told)?;
    let made = params.self_signed(&key).map_err(told)?;
    // The key first: a certificate without one would be kept.
    disk.replace(Place::ConsoleKey, key.serialize_pem().as_bytes())
        .and_then(|()| disk.replace(Place::ConsoleCertificate, made.pem().as_bytes()))
        .map_err(|error| error.to_string())
}

/// What rustls wants, with the provider this crate has.
pub(super) fn server_config(certificate: &Certificate) -> Result<RustlsConfig, String> {
    let told = |error: &dyn std::fmt::Debug| format!("the console's certificate: {error:?}");
    let chain = CertificateDer::from_pem_slice(&certificate.pem).map_err(|error| told(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&certificate.key).map_err(|error| told(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| told(&error))?
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .map_err(|error| told(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}
