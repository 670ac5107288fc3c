//! A peer of an appliance that speaks TLS, and inside it whatever a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A certificate and its key, in files.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// That of a client directory.
    pub(crate) fn of_client(client: &Path) -> Self {
        Self {
            certificate: client.join("cert/client/client.pem"),
            key: client.join("cert/client/clientKey.pem"),
        }
    }

    /// One that signed itself, valid from one year to another.
    pub(crate) fn make(directory: &Path, name: &str, from: i32, to: i32) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let made = params.self_signed(&key).unwrap();
        let own = Self {
            certificate: directory.join(format!("{name}.pem")),
            key: directory.join(format!("{name}Key.pem")),
        };
        std::fs::write(&own.certificate, made.pem()).unwrap();
        std::fs::write(&own.key, key.serialize_pem()).unwrap();
        own
    }
}

/// A connection whose TLS stands, as far as this side can tell.
pub(crate) type Peer = StreamOwned<ClientConnection, TcpStream>;

/// Calls an appliance with a certificate. A server certificate of rcgen's is its own authority.
pub(crate) fn call(address: SocketAddr, own: &Certificate, server: &Path) -> std::io::Result<Peer> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_file(&own.certificate).unwrap()],
            PrivateKeyDer::from_pem_file(&own.key).unwrap(),
        )
        .unwrap();
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut peer = StreamOwned::new(tls, socket);
    while peer.conn.is_handshaking() {
        peer.conn.complete_io(&mut peer.sock)?;
    }
    Ok(peer)
}

/// Bytes as a frame.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// A hello of the version the appliance speaks, of a process of its own.
pub(crate) fn hello(process: u8) -> Vec<u8> {
    let mut body = b"LUNAEM\x02\x00".to_vec();
    // Instance, epoch, no join, application: two numbers, and that nobody named it; no credentials.
    body.extend_from_slice(&[process; 16]);
    body.extend_from_slice(&[0, 0, 0, 1, 0, 0]);
    frame(&body)
}

/// The next frame, without its length.
pub(crate) fn next_frame(peer: &mut Peer) -> std::io::Result<Vec<u8>> {
    let mut header = [0; 4];
    peer.read_exact(&mut header)?;
    let mut body = vec![0; u32::from_le_bytes(header) as usize];
    peer.read_exact(&mut body)?;
    Ok(body)
}

/// A peer that was welcomed.
pub(crate) fn welcomed(address: SocketAddr, own: &Certificate, server: &Path, process: u8) -> Peer {
    let mut peer = call(address, own, server).unwrap();
    peer.write_all(&hello(process)).unwrap();
    let welcome = next_frame(&mut peer).unwrap();
    assert!(welcome.starts_with(b"LUNAEM\x02\x00\x01"), "{welcome:02x?}");
    peer
}
