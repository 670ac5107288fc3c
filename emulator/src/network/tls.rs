//! TLS as both sides speak it, and which certificates they believe.
//!
//! An appliance and a client know each other by certificates that somebody handed over, most of
//! them signed by themselves: `vtl addServer` and `client register` (Documented). Such a
//! certificate is compared as a whole. One that another in the file has signed is believed too.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use zeroize::Zeroizing;

use crate::env::disk;

/// The longest file of certificates or of a key, in bytes.
const MAX_FILE_BYTES: usize = 4 << 20;

/// The cryptography of TLS.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates of a PEM file.
///
/// # Errors
/// Naming the file, and what is wrong with it.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = disk::read_bytes(path, MAX_FILE_BYTES).map_err(|error| error.to_string())?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(format!("{}: no certificate (PEM) in it", path.display()))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The private key of a PEM file.
///
/// # Errors
/// Naming the file, and what is wrong with it.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = disk::read_bytes(path, MAX_FILE_BYTES).map_err(|error| error.to_string())?;
    let bytes = Zeroizing::new(bytes);
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        format!("{}: no private key (PEM, not encrypted) in it: {error}", path.display())
    })
}

/// Whether a certificate that is known as a whole may be used at a time.
///
/// # Errors
/// `ExpiredContext`, `NotValidYetContext`, and `BadEncoding` for what is no certificate.
pub fn is_valid_at(
    certificate: &CertificateDer<'_>,
    now: UnixTime,
) -> Result<(), CertificateError> {
    let wrong = |_| CertificateError::BadEncoding;
    let parsed = webpki::EndEntityCert::try_from(certificate).map_err(wrong)?;
    let anchor = [webpki::anchor_from_trusted_cert(certificate).map_err(wrong)?];
    let algorithms = provider().signature_verification_algorithms.all;
    let usage = webpki::KeyUsage::client_auth();
    let verified = parsed.verify_for_usage(algorithms, &anchor, &[], now, usage, None, None);
    // Its dates are looked at before anything that a certificate that is known as a whole need
    // not fulfil: to be no authority, to have signed itself, to name its use.
    match verified {
        Err(webpki::Error::CertExpired { time, not_after }) => {
            Err(CertificateError::ExpiredContext { time, not_after })
        }
        Err(webpki::Error::CertNotValidYet { time, not_before }) => {
            Err(CertificateError::NotValidYetContext { time, not_before })
        }
        Err(webpki::Error::BadDer | webpki::Error::BadDerTime) => {
            Err(CertificateError::BadEncoding)
        }
        Err(webpki::Error::InvalidCertValidity) => Err(CertificateError::BadEncoding),
        _ => Ok(()),
    }
}

/// What a client needs to be known by, and to know.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    /// `ClientCertFile`.
    pub certificate: &'a Path,
    /// `ClientPrivKeyFile`.
    pub key: &'a Path,
    /// `ServerCAFile`.
    pub servers: &'a Path,
    /// `ValidateHost`.
    pub validate_host: bool,
}

/// Whether a certificate is valid at a time and signed by one of some others.
///
/// # Errors
/// What is wrong with it.
pub fn is_signed_by(
    certificate: &CertificateDer<'_>,
    authorities: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let parsed = webpki::EndEntityCert::try_from(certificate)?;
    let anchors = authorities.iter().map(webpki::anchor_from_trusted_cert);
    let anchors: Vec<_> = anchors.collect::<Result<_, _>>()?;
    let algorithms = provider().signature_verification_algorithms.all;
    let usage = webpki::KeyUsage::client_auth();
    parsed.verify_for_usage(algorithms, &anchors, &[], now, usage, None, None).map(drop)
}

/// TLS for a client that is known by its certificate.
///
/// # Errors
/// Naming the file that cannot be used, and why.
pub fn client(identity: &Identity<'_>) -> Result<Arc<ClientConfig>, String> {
    let chain = certificates(identity.certificate)?;
    let key = private_key(identity.key)?;
    let config =
        believing(identity.servers, identity.validate_host)?.with_client_auth_cert(chain, key);
    let mut config = config.map_err(|error| {
        format!(
            "{} and {} do not fit: {error}",
            identity.certificate.display(),
            identity.key.display()
        )
    })?;
    // Whoever is back shows its certificate again: it may have been revoked meanwhile.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// TLS for a client that is known by what it says.
///
/// # Errors
/// As [`client`].
pub fn client_without_certificate(
    servers: &Path,
    validate_host: bool,
) -> Result<Arc<ClientConfig>, String> {
    let mut config = believing(servers, validate_host)?.with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn believing(
    servers: &Path,
    validate_host: bool,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let known = certificates(servers)?;
    let provider = provider();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(known.iter().cloned());
    let signed =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .ok();
    let verifier = Servers {
        known,
        signed,
        algorithms: provider.signature_verification_algorithms,
        validate_host,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)))
}

/// The appliances that a client knows.
#[derive(Debug)]
struct Servers {
    known: Vec<CertificateDer<'static>>,
    /// None where no certificate of the file can sign others.
    signed: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    validate_host: bool,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.known.iter().any(|known| known == end_entity) {
            is_valid_at(end_entity, now)?;
            if self.validate_host {
                webpki::EndEntityCert::try_from(end_entity)
                    .map_err(|_| CertificateError::BadEncoding)?
                    .verify_is_valid_for_subject_name(server_name)
                    .map_err(|_| CertificateError::NotValidForName)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let signed = self.signed.as_ref().ok_or(CertificateError::UnknownIssuer)?;
        let verified =
            signed.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.validate_host => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
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

/// Why a handshake failed, for people.
pub fn explain(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "its certificate is not among those of ServerCAFile (of a cloud: SSLClientSideVerifyFile)"
                .into()
        }
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "its certificate has expired".into(),
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate is for another host (ValidateHost = 1)".into(),
        Some(Error::AlertReceived(alert)) => {
            format!(
                "it refused the certificate of ClientCertFile ({alert:?}): is it registered, and still valid?"
            )
        }
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection".into(),
        _ => error.to_string(),
    }
}
