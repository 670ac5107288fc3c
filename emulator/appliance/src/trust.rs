//! TLS at the appliance: only clients that are registered, by the certificate as a whole.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use emulator::network::tls;
use parking_lot::RwLock;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, ServerConfig,
    SignatureScheme,
};

use crate::certificate::{fingerprint, in_digits};
use crate::register::Register;

/// TLS for an appliance.
///
/// # Errors
/// Naming the file that cannot be used, and why.
pub(crate) fn server(
    certificate: &Path,
    key: &Path,
    register: Arc<RwLock<Register>>,
) -> Result<Arc<ServerConfig>> {
    let chain = tls::certificates(certificate).map_err(anyhow::Error::msg)?;
    let key = tls::private_key(key).map_err(anyhow::Error::msg)?;
    let provider = tls::provider();
    let verifier = Registered { register, algorithms: provider.signature_verification_algorithms };
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain, key)
        .with_context(|| certificate.display().to_string())?;
    Ok(without_memory(config))
}

/// TLS for a cloud's server, whose clients say who they are.
///
/// # Errors
/// As [`server`].
pub(crate) fn server_of_all(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let chain = tls::certificates(certificate).map_err(anyhow::Error::msg)?;
    let key = tls::private_key(key).map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| certificate.display().to_string())?;
    Ok(without_memory(config))
}

/// Whoever is back shows again who it is: it may have been revoked meanwhile.
fn without_memory(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

struct Registered {
    register: Arc<RwLock<Register>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registered")
    }
}

/// A certificate that nobody registered.
#[derive(Debug, thiserror::Error)]
#[error("no client has the certificate of SHA-256 {0}")]
struct Unregistered(String);

impl ClientCertVerifier for Registered {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let fingerprint = fingerprint(end_entity);
        if self.register.read().by_fingerprint(&fingerprint).is_none() {
            let unregistered = Unregistered(in_digits(&fingerprint));
            return Err(CertificateError::Other(OtherError(Arc::new(unregistered))).into());
        }
        tls::is_valid_at(end_entity, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 alone is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Why a handshake failed, for the journal.
pub(crate) fn explain(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) => {
            why.to_string()
        }
        Some(Error::NoCertificatesPresented) => "it has no certificate".into(),
        Some(Error::AlertReceived(alert)) => {
            format!("it does not believe this appliance's certificate ({alert:?})")
        }
        Some(other) => other.to_string(),
        None => error.to_string(),
    }
}
