//! The node's certificate: made once, shown to be pasted in at other nodes, and known there byte by byte.
//!
//! Its owner's name and two years of validity follow the real node certificates (Observed in the guide's pictures); the
//! real key is RSA of 4096 bits, this one ECDSA P-256 (Assumed good enough: nobody but nodes looks at it). No authority
//! vouches for it and its dates are not looked at: it is the one that was pasted in, or it is not.

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::disk::{Disk, Place};
use crate::seal;

/// Days from making to end.
const VALID_DAYS: u64 = 730;

/// Certificate and key of this node.
pub(crate) struct Identity {
    pub(crate) pem: String,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        let (pem, certificate) = (self.pem.clone(), self.certificate.clone());
        Self { pem, certificate, key: self.key.clone_key() }
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// The kept one, or a new one.
    pub(crate) fn of(disk: &Disk) -> Result<Self, String> {
        if !disk.exists(Place::NodeCertificate) || !disk.exists(Place::NodeKey) {
            make(disk)?;
        }
        let read = |place| disk.read(place).map_err(|error| error.to_string());
        let (pem, key) = (read(Place::NodeCertificate)?, read(Place::NodeKey)?);
        let told = |error: &dyn std::fmt::Debug| format!("the node's certificate: {error:?}");
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|error| told(&error))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| told(&error))?;
        let pem = String::from_utf8(pem).map_err(|error| told(&error))?;
        Ok(Self { pem, certificate, key })
    }
}

fn make(disk: &Disk) -> Result<(), String> {
    let told = |error: rcgen::Error| error.to_string();
    let mut params = CertificateParams::new(Vec::new()).map_err(told)?;
    let id = seal::random::<16>().map_err(|_| "no randomness".to_owned())?;
    params
        .distinguished_name
        .push(DnType::CommonName, format!("AVS_CA_Cert-{:032x}", u128::from_be_bytes(id)));
    let now = std::time::SystemTime::now();
    params.not_before = now.into();
    params.not_after = (now + std::time::Duration::from_secs(VALID_DAYS * 24 * 3600)).into();
    let key = KeyPair::generate().map_err(told)?;
    let made = params.self_signed(&key).map_err(told)?;
    // The key first: a certificate without one would be kept.
    disk.replace(Place::NodeKey, key.serialize_pem().as_bytes())
        .and_then(|()| disk.replace(Place::NodeCertificate, made.pem().as_bytes()))
        .map_err(|error| error.to_string())
}

/// The certificate in a text that was pasted in: exactly one.
pub(crate) fn read_pem(text: &str) -> Result<CertificateDer<'static>, String> {
    let mut found = CertificateDer::pem_slice_iter(text.as_bytes());
    match (found.next(), found.next()) {
        (Some(Ok(certificate)), None) => Ok(certificate),
        (Some(Err(error)), _) => Err(format!("not whole: {error:?}")),
        (None, _) => Err("there is no certificate in it; copy it from BEGIN to END".into()),
        (Some(Ok(_)), Some(_)) => Err("there is more than one certificate in it".into()),
    }
}
