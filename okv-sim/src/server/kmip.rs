//! The door for endpoints: KMIP over TLS, with a certificate that this vault's authority signed.
//!
//! Who has no such certificate is refused in the handshake. Who has one is looked up with every request: an endpoint
//! that is suspended, enrolled anew or removed gets a KMIP answer that says so, and the connection ends. The door stays
//! open while the server is sealed, and says that then (Assumed; the console is not there, which is Documented).
//!
//! Everything a client can do slowly, often or at length has a bound, all Assumed.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

use super::desk::Desk;
use crate::authority::Authority;
use crate::disk::{Disk, Place};
use crate::kmip::ttlv::{Bytes, HEADER, Header};
use crate::kmip::{Reason, Refusal, message, tag};
use crate::operation;
use crate::seal;

/// How many may shake hands at once; more wait.
const HANDSHAKES: usize = 64;

/// How many may be connected.
const CONNECTIONS: usize = 256;

/// How many of them may be one endpoint's.
const OF_ONE_ENDPOINT: usize = 64;

/// How many requests are worked on at once; others wait.
const AT_WORK: usize = 16;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long nothing may be asked.
const IDLE: Duration = Duration::from_secs(600);

/// How long a request may take to come, once it began, and an answer to go.
const MESSAGE: Duration = Duration::from_secs(30);

/// What the door needs.
pub(super) struct Door {
    desk: Arc<Desk>,
    disk: Disk,
    /// Names for the certificate.
    names: Vec<String>,
    identity: Mutex<Option<Identity>>,
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    work: Semaphore,
    connected: Mutex<HashMap<[u8; 32], usize>>,
}

/// What is shown to endpoints.
struct Identity {
    /// The authority's certificate, PEM.
    authority: String,
    /// Made by this process, which knows under which names it is reached.
    is_new: bool,
    acceptor: TlsAcceptor,
}

impl Door {
    pub(super) fn new(desk: Arc<Desk>, disk: Disk, names: Vec<String>) -> Arc<Self> {
        Arc::new(Self {
            desk,
            disk,
            names,
            identity: Mutex::new(None),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            work: Semaphore::new(AT_WORK),
            connected: Mutex::default(),
        })
    }

    /// How endpoints are talked to. With the wallet open a certificate is made at every start of the process, so that
    /// it is never old; with the wallet closed the last one is shown.
    fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let view = &self.desk.view;
        let mut identity = self.identity.lock();
        let authority = view.store.authority().map_err(|error| error.to_string())?;
        let authority = authority.map(|it| it.certificate);
        let opened = view.opened();
        if let (Some(identity), Some(authority)) = (&*identity, &authority)
            && identity.authority == *authority
            && (identity.is_new || opened.is_none())
        {
            return Ok(identity.acceptor.clone());
        }
        let (pem, authority, is_new) = match (&opened, authority) {
            (Some(tablespace), _) => {
                let told = |error| format!("{error:?}");
                let authority = Authority::open(&view.store, tablespace).map_err(told)?;
                let issued = authority.issue_to_server(&self.names).map_err(told)?;
                let mut pem = Zeroizing::new(issued.certificate.into_bytes());
                pem.extend_from_slice(authority.certificate.as_bytes());
                pem.extend_from_slice(issued.key.expose());
                let kept = self.disk.replace(Place::KmipIdentity, &pem);
                kept.map_err(|error| error.to_string())?;
                (pem, authority.certificate, true)
            }
            (None, Some(authority)) => {
                let pem = self.disk.read(Place::KmipIdentity).map_err(|error| error.to_string())?;
                (Zeroizing::new(pem), authority, false)
            }
            (None, None) => return Err("the wallet is closed, and no endpoint is enrolled".into()),
        };
        let acceptor = TlsAcceptor::from(Arc::new(config(&pem, &authority)?));
        *identity = Some(Identity { authority, is_new, acceptor: acceptor.clone() });
        Ok(acceptor)
    }

    /// Counts a connection of an endpoint, unless it has too many.
    fn enter(self: &Arc<Self>, certificate: [u8; 32]) -> Option<Guest> {
        let mut connected = self.connected.lock();
        let count = connected.entry(certificate).or_default();
        if *count >= OF_ONE_ENDPOINT {
            return None;
        }
        *count += 1;
        Some(Guest { door: Arc::clone(self), certificate })
    }
}

/// A connection that counts.
struct Guest {
    door: Arc<Door>,
    certificate: [u8; 32],
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut connected = self.door.connected.lock();
        if let Some(count) = connected.get_mut(&self.certificate) {
            *count -= 1;
            if *count == 0 {
                connected.remove(&self.certificate);
            }
        }
    }
}

/// TLS with this identity, for who has a certificate of this authority.
fn config(identity: &[u8], authority: &str) -> Result<ServerConfig, String> {
    fn told(error: &dyn std::fmt::Debug) -> String {
        format!("the KMIP server's certificate: {error:?}")
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(identity).collect();
    let chain = chain.map_err(|error| told(&error))?;
    let key = PrivateKeyDer::from_pem_slice(identity).map_err(|error| told(&error))?;
    let authority =
        CertificateDer::from_pem_slice(authority.as_bytes()).map_err(|error| told(&error))?;
    // What lies there may belong to the server that was here before a restore.
    if chain.last() != Some(&authority) {
        return Err("the KMIP server's certificate is of another authority; open the wallet".into());
    }
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|error| told(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let guard =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| told(&error))?
        .with_client_cert_verifier(guard.map_err(|error| told(&error))?)
        .with_single_cert(chain, key)
        .map_err(|error| told(&error))?;
    // Every connection shows its certificate anew.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The names that endpoints may use for this server.
pub(super) fn names(listen: SocketAddr, host_names: &[String]) -> Vec<String> {
    let mut names = host_names.to_vec();
    if !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// Listens for as long as the server runs.
pub(super) async fn serve(door: Arc<Door>, listener: TcpListener) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        // Who comes when too many are at it waits outside, where the system's own bound holds.
        let Ok(turn) = Arc::clone(&door.handshakes).acquire_owned().await else { return };
        let Ok((socket, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others must end first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            let shaken = timeout(HANDSHAKE, shake_hands(&door, socket)).await;
            drop(turn);
            let Ok(Some((stream, certificate))) = shaken else { return };
            let room = Arc::clone(&door.connections).try_acquire_owned();
            if let (Ok(_room), Some(_guest)) = (room, door.enter(certificate)) {
                // However it ends, there is nobody to tell.
                let _ = converse(&door, stream, certificate).await;
            }
        });
    }
}

/// The connection, and the SHA-256 of the certificate that was shown.
async fn shake_hands(
    door: &Arc<Door>,
    socket: TcpStream,
) -> Option<(TlsStream<TcpStream>, [u8; 32])> {
    let _ = socket.set_nodelay(true);
    let asked = Arc::clone(door);
    let acceptor = tokio::task::spawn_blocking(move || asked.acceptor()).await.ok()?.ok()?;
    let stream = acceptor.accept(socket).await.ok()?;
    let certificate = seal::sha256(stream.get_ref().1.peer_certificates()?.first()?);
    Some((stream, certificate))
}

/// Answers one request after the other.
async fn converse(
    door: &Arc<Door>,
    mut stream: TlsStream<TcpStream>,
    certificate: [u8; 32],
) -> std::io::Result<()> {
    loop {
        let mut first = [0; 1];
        match timeout(IDLE, stream.read(&mut first)).await {
            Ok(Ok(1)) => {}
            _ => break,
        }
        let request = timeout(MESSAGE, read(&mut stream, first)).await;
        let (answer, goes_on) = match request {
            Ok(Ok(Ok(request))) => answer(door, certificate, request).await,
            Ok(Ok(Err(refusal))) => {
                (message::refuse(jiff::Timestamp::now().as_second(), refusal), false)
            }
            // Gone, or too slow.
            Ok(Err(_)) | Err(_) => break,
        };
        let sent = timeout(MESSAGE, async {
            stream.write_all(&answer).await?;
            stream.flush().await
        });
        if !matches!(sent.await, Ok(Ok(()))) || !goes_on {
            break;
        }
    }
    timeout(HANDSHAKE, stream.shutdown()).await.unwrap_or(Ok(()))
}

/// The rest of a request whose first byte has come. No more is read than a request may have.
async fn read(
    stream: &mut TlsStream<TcpStream>,
    [first]: [u8; 1],
) -> std::io::Result<Result<Bytes, Refusal>> {
    let mut header = [first, 0, 0, 0, 0, 0, 0, 0];
    stream.read_exact(&mut header[1..]).await?;
    let Header { tag: found, kind, length } = Header::read(header);
    if found != tag::REQUEST_MESSAGE || kind != 1 {
        let message = "this is no KMIP request";
        return Ok(Err(Refusal::new(Reason::InvalidMessage, message)));
    }
    if length > message::LONGEST {
        let text = format!("a request has at most {} bytes", message::LONGEST);
        return Ok(Err(Refusal::new(Reason::InvalidMessage, text)));
    }
    let mut bytes = Zeroizing::new(vec![0; HEADER + length]);
    let (start, rest) = bytes.split_at_mut(HEADER);
    start.copy_from_slice(&header);
    stream.read_exact(rest).await?;
    Ok(Ok(bytes))
}

/// Works a request out, off the threads that read and write.
async fn answer(door: &Arc<Door>, certificate: [u8; 32], request: Bytes) -> (Bytes, bool) {
    let now = jiff::Timestamp::now().as_second();
    let failed =
        |why: &str| (message::refuse(now, Refusal::new(Reason::GeneralFailure, why)), false);
    let Ok(_turn) = door.work.acquire().await else { return failed("the server ends") };
    let desk = Arc::clone(&door.desk);
    let done = tokio::task::spawn_blocking(move || {
        let release = desk.release().map_err(|error| error.to_string())?;
        Ok::<_, String>(operation::kmip::answer(&desk.view, &release, &certificate, &request))
    });
    match done.await {
        Ok(Ok(done)) => done,
        Ok(Err(why)) => failed(&why),
        Err(_) => failed("the server failed at this request"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_all_its_names_once() {
        let listen = "10.0.0.1:5696".parse().unwrap();
        let found = names(listen, &["okv".into(), "localhost".into()]);
        assert_eq!(found, ["okv", "localhost", "10.0.0.1", "127.0.0.1", "::1"]);
        let any = names("0.0.0.0:1".parse().unwrap(), &[]);
        assert_eq!(any, ["localhost", "127.0.0.1", "::1"]);
    }
}
