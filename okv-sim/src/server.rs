//! The server as a process: console and JSON API over HTTPS, the timer, and the socket for the command line.
//!
//! One vault, one thread that runs slow operations in their order (`desk`), and faces that only ask. While the wallet
//! is closed on an HSM-enabled server nothing listens on the console's port: the real console does not come up either
//! (Documented); the command line's socket is there all the same, so that `okv-sim open-wallet` has somebody to ask.
//!
//! | room | what it is for |
//! |---|---|
//! | `desk` | sessions, jobs, progress: what faces share |
//! | `sessions` | who is logged in, and who tried too often |
//! | `console` | the pages |
//! | `json` | the JSON API |
//! | [`control`] | the command line's socket, both ends |
//! | `kmip` | the door for endpoints |
//! | `nodes` | the server's part in a cluster |
//! | `timer` | the periodic check and the schedule of backups |
//! | `tls` | the console's certificate |

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use serde::Serialize;

use crate::disk::{Disk, Place};
use crate::error::Error;
use crate::operation::{OpenWith, Operation};
use crate::secret::Secret;
use crate::texts::Cause;
use crate::vault::{State, Vault};
use crate::view::KMIP_PORT;
use crate::watch::Watch;

mod console;
pub mod control;
mod desk;
mod json;
mod kmip;
mod nodes;
mod sessions;
mod timer;
mod tls;

use self::desk::Desk;

/// How often it is looked whether the console may be up.
const LOOK: Duration = Duration::from_millis(200);

/// How long answers under way may take when the console goes down.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the server is started with.
#[derive(Debug, Clone)]
pub struct ServeRequest {
    /// The data directory of an installed server.
    pub data: PathBuf,
    /// Where the console listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the KMIP server listens; `None` is port 5696 of the console's address, or any where the console's is.
    pub kmip_listen: Option<SocketAddr>,
    /// The PKCS#11 library of the console's dialogs, remembered; `None` keeps what is remembered.
    pub library: Option<PathBuf>,
    /// Where other nodes of a cluster reach the server; `None` takes what was taken before, or a free port beside the
    /// console's.
    pub node_listen: Option<SocketAddr>,
    /// Names for the certificate, besides `localhost` and the address.
    pub host_names: Vec<String>,
    /// Opens the wallet at the start while no HSM is enabled; without it the wallet waits for the console.
    pub passphrase: Option<Secret>,
}

/// What a running server tells about itself.
#[derive(Debug, Clone, Serialize)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// The console's address.
    pub url: String,
    /// Where endpoints reach the server, as `host:port`.
    pub kmip: String,
    /// The console's certificate, for clients to trust.
    pub certificate: PathBuf,
    /// The certificate's SHA-256, in hexadecimal digits.
    pub fingerprint: String,
    /// Where the server stands.
    pub state: State,
}

fn failed(why: impl std::fmt::Display) -> Error {
    Error::new(Operation::Serve, Cause::ServerFailed).with_detail(why)
}

/// Runs the server until it is told to end by SIGINT or SIGTERM. `ready` is told once it can be reached.
///
/// # Errors
/// Those of [`Vault::open`]; [`Cause::ServerFailed`] when address or socket cannot be had.
pub fn serve(request: &ServeRequest, ready: impl FnOnce(&Running)) -> Result<(), Error> {
    let (mut vault, started) = Vault::start(&request.data)?;
    if let Some(passphrase) = &request.passphrase
        && !vault.is_wallet_open()
        && started.state != State::Sealed
    {
        vault.open_wallet(OpenWith::Passphrase(passphrase))?;
    }
    if let Some(library) = &request.library {
        let library = std::path::absolute(library).map_err(failed)?;
        let kept = vault.core.store.change(|change| change.library(&library));
        kept.map_err(|error| Error::store(Operation::Serve, &error))?;
    }
    let disk = Disk::new(&request.data, Watch::default());
    let certificate = tls::certificate(&disk, request).map_err(failed)?;
    // Taken now, so that its port is known and stays the console's.
    let listener = TcpListener::bind(request.listen)
        .map_err(|error| failed(format_args!("{}: {error}", request.listen)))?;
    let address = listener.local_addr().map_err(failed)?;
    let door = kmip_listener(request)?;
    let kmip_address = door.local_addr().map_err(failed)?;
    let kmip = format!("{}:{}", host(request, kmip_address), kmip_address.port());
    let kept = vault.view.serves_kmip_at(&kmip);
    kept.map_err(|error| Error::store(Operation::Serve, &error))?;
    let running = Running {
        pid: std::process::id(),
        url: format!("https://{}:{}", host(request, address), address.port()),
        kmip,
        certificate: disk.path(Place::ConsoleCertificate),
        fingerprint: certificate.fingerprint.clone(),
        state: started.state,
    };
    let told = serde_json::to_vec_pretty(&running).map_err(failed)?;
    let nodes = nodes::Nodes::bind(&vault, &disk, request)?;
    let desk = Desk::new(vault, running.clone()).map_err(failed)?;
    if let Some(nodes) = nodes {
        nodes.start(&desk).map_err(failed)?;
    }
    let control = control::Ear::bind(&disk).map_err(failed)?;
    let written = disk.replace(Place::Running, &told);
    written.map_err(|error| Error::disk(Operation::Serve, Cause::DiskFailed, &error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("okv-console")
        .build()
        .map_err(failed)?;
    let result = runtime.block_on(async {
        let config = tls::server_config(&certificate).map_err(failed)?;
        tokio::spawn(control::answer(Arc::clone(&desk), control));
        tokio::spawn(timer::run(Arc::clone(&desk)));
        let names = kmip::names(kmip_address, &request.host_names);
        let kmip_door = kmip::Door::new(Arc::clone(&desk), disk.clone(), names);
        tokio::spawn(kmip::serve(kmip_door, door));
        ready(&running);
        tokio::select! {
            result = console_while_open(&desk, address, listener, config) => result,
            () = told_to_end() => Ok(()),
            () = desk.ending.notified() => {
                // Whoever asked gets the answer.
                tokio::time::sleep(LOOK).await;
                Ok(())
            }
        }
    });
    // Operations under way are waited for a little; one that hangs at the HSM is left to its death.
    runtime.shutdown_timeout(GOODBYE);
    let _ = disk.remove(Place::Running);
    let _ = disk.remove(Place::Control);
    result
}

/// How others name this machine.
fn host(request: &ServeRequest, address: SocketAddr) -> String {
    match (request.host_names.first(), address) {
        (Some(name), _) => name.clone(),
        (None, _) if address.ip().is_unspecified() => "localhost".to_owned(),
        (None, SocketAddr::V4(address)) => address.ip().to_string(),
        (None, SocketAddr::V6(address)) => format!("[{}]", address.ip()),
    }
}

fn kmip_listener(request: &ServeRequest) -> Result<TcpListener, Error> {
    let address = request.kmip_listen.unwrap_or_else(|| {
        let any = request.listen.port() == 0;
        SocketAddr::new(request.listen.ip(), if any { 0 } else { KMIP_PORT })
    });
    let listener = TcpListener::bind(address).map_err(|error| {
        failed(format_args!("KMIP on {address}: {error}; choose another by --kmip-listen"))
    })?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

/// Listens while the server is not sealed.
async fn console_while_open(
    desk: &Arc<Desk>,
    address: SocketAddr,
    listener: TcpListener,
    config: RustlsConfig,
) -> Result<(), Error> {
    let mut listener = Some(listener);
    loop {
        if desk.view.state() == State::Sealed {
            // The port is let go: who knocks hears that nobody is there.
            drop(listener.take());
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let socket = match listener.take() {
            Some(socket) => socket,
            None => TcpListener::bind(address).map_err(failed)?,
        };
        socket.set_nonblocking(true).map_err(failed)?;
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(socket, config.clone())
            .map_err(failed)?
            .handle(handle.clone())
            .serve(
                console::router(Arc::clone(desk))
                    .into_make_service_with_connect_info::<SocketAddr>(),
            );
        let sealed = async {
            while desk.view.state() != State::Sealed {
                tokio::time::sleep(LOOK).await;
            }
            // Whoever asked for the restart sees how it went.
            tokio::time::sleep(GOODBYE).await;
            handle.graceful_shutdown(Some(GOODBYE));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = server => result.map_err(failed)?,
            () = sealed => {}
        }
    }
}

/// What the server of a data directory tells about itself, if one runs.
pub fn running(data: &Path) -> Option<serde_json::Value> {
    let disk = Disk::new(data, Watch::default());
    serde_json::from_slice(&disk.read(Place::Running).ok()?).ok()
}
