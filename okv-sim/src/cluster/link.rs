//! TLS between two nodes. Either end knows the other by its certificate, which people carried over: who shows another
//! one is not talked to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, ServerConfig,
    ServerConnection, SignatureScheme, StreamOwned,
};

use super::identity::Identity;
use super::wire::{self, Request, Response};

/// How long a node may take to take a connection up.
const CONNECT: Duration = Duration::from_secs(5);

/// How long it may take to answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(20);

/// How long a candidate may take to put its seed in place: it goes to its HSM once more.
pub(crate) const SEED: Duration = Duration::from_secs(300);

/// The port of an address that has none. Assumed.
const PORT: u16 = 7443;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Takes this certificate and no other, or, as a server, any whose key the other shows to have.
#[derive(Debug)]
struct Pinned(Option<CertificateDer<'static>>, Arc<CryptoProvider>);

impl Pinned {
    fn look(&self, shown: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        match &self.0 {
            Some(pinned) if pinned.as_ref() != shown.as_ref() => Err(rustls::Error::General(
                "it shows another certificate than the one that was exchanged".into(),
            )),
            _ => Ok(()),
        }
    }

    fn tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.1.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.1.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.look(shown).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.look(shown).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

/// The server's end. Whose certificate it was is looked at by whoever answers.
pub(crate) fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, String> {
    let told = |error: rustls::Error| error.to_string();
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(told)?
        .with_client_cert_verifier(Arc::new(Pinned(None, provider())))
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())
        .map_err(told)?;
    Ok(Arc::new(config))
}

fn client_config(
    identity: &Identity,
    pinned: CertificateDer<'static>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(Some(pinned), provider())))
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    Ok(Arc::new(config))
}

/// `host`, `host:port` or `[address]:port` with a port in any case.
pub(crate) fn with_port(address: &str) -> String {
    let bare_ipv6 = address.parse::<std::net::Ipv6Addr>().is_ok();
    match address.rsplit_once(':') {
        _ if bare_ipv6 => format!("[{address}]:{PORT}"),
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        _ => format!("{address}:{PORT}"),
    }
}

/// An accepted connection: the certificate the other showed, and the stream.
pub(crate) fn accept(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
) -> io::Result<(CertificateDer<'static>, StreamOwned<ServerConnection, TcpStream>)> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    let shown = tls.conn.peer_certificates().and_then(|it| it.first());
    let shown = shown.ok_or_else(|| io::Error::other("no certificate was shown"))?;
    Ok((shown.clone().into_owned(), tls))
}

/// A connection to another node.
pub(crate) struct Link(StreamOwned<ClientConnection, TcpStream>);

impl Link {
    /// Connects; the error is for people.
    pub(crate) fn connect(
        identity: &Identity,
        address: &str,
        pinned: &CertificateDer<'static>,
    ) -> Result<Self, String> {
        let connect = || -> io::Result<Self> {
            let addresses: Vec<SocketAddr> = with_port(address).to_socket_addrs()?.collect();
            let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
            for one in addresses {
                match TcpStream::connect_timeout(&one, CONNECT) {
                    Ok(stream) => return Self::over(stream, identity, pinned.clone()),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        connect().map_err(|error| format!("{address}: {error}"))
    }

    fn over(
        stream: TcpStream,
        identity: &Identity,
        pinned: CertificateDer<'static>,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        let config = client_config(identity, pinned).map_err(io::Error::other)?;
        // The name says nothing: the certificate is the one that was exchanged.
        let name = ServerName::try_from("node").map_err(io::Error::other)?;
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut tls = StreamOwned::new(connection, stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Self(tls))
    }

    /// Waits longer for answers.
    pub(crate) fn patient(self, patience: Duration) -> Self {
        let _ = self.0.sock.set_read_timeout(Some(patience));
        self
    }

    /// Asks; the error is for people.
    pub(crate) fn call(&mut self, request: &Request) -> Result<Response, String> {
        match call(&mut self.0, request) {
            Ok(Response::Refused { why }) => Err(why),
            Ok(response) => Ok(response),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn call(stream: &mut (impl Read + Write), request: &Request) -> io::Result<Response> {
    wire::send(stream, request)?;
    let answer = wire::receive(stream, wire::LONGEST)?;
    answer.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the node hung up"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::disk::Disk;
    use crate::watch::Watch;

    fn identity() -> Identity {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path(), Watch::default());
        disk.prepare().unwrap();
        Identity::of(&disk).unwrap()
    }

    #[test]
    fn addresses_have_a_port() {
        for (given, whole) in [
            ("10.0.0.1", "10.0.0.1:7443"),
            ("node:1234", "node:1234"),
            ("::1", "[::1]:7443"),
            ("[::1]:99", "[::1]:99"),
        ] {
            assert_eq!(with_port(given), whole);
        }
    }

    #[test]
    fn only_the_certificate_that_was_exchanged_is_talked_to() {
        let (server, client, stranger) = (identity(), identity(), identity());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let config = server_config(&server).unwrap();
        let answering = std::thread::spawn(move || {
            let mut shown = Vec::new();
            for stream in listener.incoming().take(2) {
                if let Ok((certificate, mut tls)) = accept(stream.unwrap(), &config) {
                    shown.push(certificate);
                    if let Ok(Some(_)) = wire::receive::<Request>(&mut tls, 1000) {
                        wire::send(&mut tls, &Response::Done).unwrap();
                    }
                }
            }
            shown
        });
        let wrong = Link::connect(&client, &address, &stranger.certificate);
        let why = wrong.err().unwrap();
        assert!(why.contains("another certificate"), "{why}");
        let mut link = Link::connect(&client, &address, &server.certificate).unwrap();
        assert!(matches!(link.call(&Request::Look), Ok(Response::Done)));
        drop(link);
        assert_eq!(answering.join().unwrap(), [client.certificate]);
    }
}
