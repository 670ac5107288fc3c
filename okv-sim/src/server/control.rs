//! The command line's way to the running server: a socket in the data directory, one JSON request and one answer each
//! connection.
//!
//! Who can reach the socket can read the server's disk, so no login is asked for, as for `hsmclient` run by `oracle` on
//! the real server. The console is not needed: a sealed server is opened this way.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::desk::Desk;
use crate::api;
use crate::disk::{Disk, Place};
use crate::secret::Secret;
use crate::watch::Watch;

/// Longest request, bytes.
const LONGEST: u64 = 8 << 20;

/// The socket's path through an open directory: a socket's own path may have 107 bytes only.
fn short(path: &Path) -> io::Result<(File, PathBuf)> {
    let directory = File::open(path.parent().unwrap_or(path))?;
    let name = path.file_name().unwrap_or_default();
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    Ok((directory, short))
}

/// The server's end.
pub(super) struct Ear(std::os::unix::net::UnixListener);

impl Ear {
    /// Listens in the data directory. One that is left of a dead server is taken away: the store's lock tells that no
    /// other server runs.
    pub(super) fn bind(disk: &Disk) -> Result<Self, String> {
        disk.remove(Place::Control).map_err(|error| error.to_string())?;
        let bind = || {
            let path = disk.path(Place::Control);
            let (_directory, short) = short(&path)?;
            let listener = std::os::unix::net::UnixListener::bind(short)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        bind()
            .map(Self)
            .map_err(|error: io::Error| format!("{}: {error}", Place::Control.relative()))
    }
}

/// Answers for as long as the server runs.
pub(super) async fn answer(desk: Arc<Desk>, ear: Ear) {
    let Ok(listener) = UnixListener::from_std(ear.0) else { return };
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others must end first.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let mut request = Vec::new();
            let (reader, mut writer) = stream.split();
            if reader.take(LONGEST).read_to_end(&mut request).await.is_ok() {
                let reply = reply(&desk, request).await.to_string();
                let _ = writer.write_all(reply.as_bytes()).await;
                let _ = writer.shutdown().await;
            }
        });
    }
}

async fn reply(desk: &Arc<Desk>, request: Vec<u8>) -> Value {
    let request = Secret::new(request);
    let request: Value = serde_json::from_slice(request.expose()).unwrap_or_default();
    let answer = match api::read_request(&request) {
        Ok((service, options)) => desk.call(service, options, None).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => answer.to_json(),
        Err(error) => api::failure_to_json(&error, &desk.describe(&error)),
    }
}

/// Asks the server of a data directory. `Ok(None)`: none runs.
///
/// # Errors
/// The server was there and did not answer.
pub fn ask(data: &Path, request: &Value) -> io::Result<Option<Value>> {
    let disk = Disk::new(data, Watch::default());
    let path = disk.path(Place::Control);
    if !path.exists() {
        return Ok(None);
    }
    let (_directory, short) = short(&path)?;
    let mut stream = match UnixStream::connect(short) {
        Ok(stream) => stream,
        // Left of a server that died.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.write_all(request.to_string().as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    serde_json::from_slice(&answer).map(Some).map_err(io::Error::other)
}
