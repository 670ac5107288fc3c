//! A connection to a real SSH server, for both ways of sending over it.
//!
//! The host's key is shown and pinned when a destination is made; another one later ends the connection before any
//! login. Logins are by password or by the server's own Ed25519 key, whose public half the destination's owner puts
//! into `authorized_keys`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use russh::ChannelMsg;
use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use tokio::runtime::{Builder, Runtime};

use super::courier::{Call, CourierError, Proof, Result};
use crate::seal;
use crate::secret::Secret;

/// How long an answer may take. Assumed: slow disks are, dead hosts are not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the connection may take, host name look-up included.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);

/// A new key pair of the server: its seed.
pub(crate) fn new_key() -> std::result::Result<Secret, seal::Sealed> {
    Ok(Secret::new(seal::random::<32>()?.to_vec()))
}

fn private_key(seed: &Secret) -> Option<PrivateKey> {
    let pair = Ed25519Keypair::from_seed(seed.expose().try_into().ok()?);
    PrivateKey::new(KeypairData::Ed25519(pair), "okv-sim").ok()
}

/// The public half as a line for `authorized_keys`.
pub(crate) fn public_key(seed: &Secret) -> Option<String> {
    private_key(seed)?.public_key().to_openssh().ok()
}

/// Looks at the host's key.
struct Host {
    pinned: String,
    seen: Arc<Mutex<String>>,
}

impl client::Handler for Host {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> std::result::Result<bool, russh::Error> {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone(),
            PublicKeyOrCertificate::Certificate(certificate) => {
                certificate.public_key().clone().into()
            }
        };
        let seen = key.fingerprint(HashAlg::Sha256).to_string();
        let known = self.pinned.is_empty() || self.pinned == seen;
        *self.seen.lock() = seen;
        Ok(known)
    }
}

/// A logged-in connection.
pub(super) struct Connection {
    // Dropped before the runtime that carries it.
    handle: Handle<Host>,
    host_key: String,
    directory: String,
    runtime: Runtime,
}

impl Connection {
    pub(super) fn open(call: &Call<'_>) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CourierError::new("runtime", error))?;
        let (handle, host_key) = runtime.block_on(log_in(call))?;
        let directory = call.destination.path.trim_end_matches('/').to_owned();
        Ok(Self { handle, host_key, directory, runtime })
    }

    pub(super) fn host_key(&self) -> &str {
        &self.host_key
    }

    /// The path of a file of the destination.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    /// The destination's directory.
    pub(super) fn directory(&self) -> &str {
        if self.directory.is_empty() { "/" } else { &self.directory }
    }

    /// Waits for what happens on the connection, not for ever.
    pub(super) fn wait<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(async {
            match tokio::time::timeout(PATIENCE, work).await {
                Ok(result) => result,
                Err(_) => Err(CourierError::new(what, "the host does not answer")),
            }
        })
    }

    pub(super) async fn channel(&self) -> Result<russh::Channel<Msg>> {
        self.handle
            .channel_open_session()
            .await
            .map_err(|error| CourierError::new("the host opens no channel", error))
    }

    /// Starts a command there.
    pub(super) async fn start(&self, command: &str) -> Result<Pipe> {
        let channel = self.channel().await?;
        channel.exec(true, command).await.map_err(|error| CourierError::new(command, error))?;
        Ok(Pipe { channel, out: Vec::new(), read: 0, errors: String::new(), status: None })
    }

    /// Runs a command there and takes what it says.
    pub(super) async fn run(&self, command: &str) -> Result<Vec<u8>> {
        let mut pipe = self.start(command).await?;
        while pipe.more().await {}
        match pipe.status {
            Some(0) => Ok(pipe.out),
            _ => Err(pipe.failed(command)),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let goodbye = self.handle.disconnect(russh::Disconnect::ByApplication, "", "en");
        let _ = self
            .runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(2), goodbye).await });
    }
}

async fn log_in(call: &Call<'_>) -> Result<(Handle<Host>, String)> {
    let there = call.destination;
    let seen = Arc::new(Mutex::new(String::new()));
    let host = Host { pinned: there.host_key.clone(), seen: Arc::clone(&seen) };
    let config = client::Config {
        inactivity_timeout: Some(PATIENCE),
        nodelay: true,
        ..client::Config::default()
    };
    let address = (there.host_name.as_str(), there.port);
    let connecting = client::connect(Arc::new(config), address, host);
    let connected = tokio::time::timeout(CONNECT_PATIENCE, connecting).await;
    let shown = seen.lock().clone();
    let mut handle = match connected {
        Ok(Ok(handle)) => handle,
        Ok(Err(_))
            if !shown.is_empty() && !there.host_key.is_empty() && shown != there.host_key =>
        {
            return Err(CourierError::HostKey(shown));
        }
        Ok(Err(error)) => return Err(CourierError::new("no connection", error)),
        Err(_) => return Err(CourierError::new("no connection", "the host does not answer")),
    };
    let user = there.user_name.as_str();
    let answer = match call.proof {
        Proof::Password(password) => {
            let password = String::from_utf8_lossy(password.expose()).into_owned();
            handle.authenticate_password(user, password).await
        }
        Proof::Key(seed) => {
            let key = private_key(seed)
                .ok_or_else(|| CourierError::new("login", "the server's key cannot be used"))?;
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
            handle.authenticate_publickey(user, key).await
        }
        Proof::None => handle.authenticate_none(user).await,
    };
    match answer {
        Ok(AuthResult::Success) => Ok((handle, shown)),
        Ok(AuthResult::Failure { .. }) => {
            Err(CourierError::new("login", format_args!("the host refused {user}")))
        }
        Err(error) => Err(CourierError::new("login", error)),
    }
}

/// A command that runs there, with its ends.
pub(super) struct Pipe {
    channel: russh::Channel<Msg>,
    out: Vec<u8>,
    /// How much of `out` was read.
    read: usize,
    errors: String,
    status: Option<u32>,
}

impl Pipe {
    /// Takes the next thing that comes; `false` when nothing will any more.
    async fn more(&mut self) -> bool {
        match self.channel.wait().await {
            Some(ChannelMsg::Data { data }) => self.out.extend_from_slice(&data),
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                self.errors.push_str(&String::from_utf8_lossy(&data));
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => self.status = Some(exit_status),
            Some(_) => {}
            None => return false,
        }
        true
    }

    pub(super) async fn write(&self, bytes: &[u8]) -> Result<()> {
        self.channel.data(bytes).await.map_err(|error| CourierError::new("send", error))
    }

    /// The next byte that comes.
    pub(super) async fn byte(&mut self) -> Result<u8> {
        let next = self.take(1).await?;
        next.first().copied().ok_or_else(|| self.failed("read"))
    }

    /// The next bytes that come, exactly so many.
    pub(super) async fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.out.len() - self.read < length {
            if !self.more().await {
                return Err(self.failed("read"));
            }
        }
        let bytes = self.out.get(self.read..self.read + length).unwrap_or_default().to_vec();
        self.read += length;
        if self.read > 1 << 20 {
            self.out.drain(..self.read);
            self.read = 0;
        }
        Ok(bytes)
    }

    /// The rest of a line.
    pub(super) async fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        loop {
            match self.byte().await? {
                b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
                byte => line.push(byte),
            }
        }
    }

    pub(super) async fn end(self) {
        let _ = self.channel.eof().await;
        let _ = self.channel.close().await;
    }

    fn failed(&self, what: &str) -> CourierError {
        let said = self.errors.trim();
        match (said, self.status) {
            ("", Some(status)) => CourierError::new(what, format_args!("exit status {status}")),
            ("", None) => CourierError::new(what, "the connection ended"),
            (said, _) => CourierError::new(what, said),
        }
    }
}
