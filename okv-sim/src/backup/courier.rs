//! What is asked of a backup destination.

use std::fmt;
use std::path::Path;

use crate::secret::Secret;
use crate::store::BackupDestination;
use crate::watch::Stopped;

use super::{local, scp, sftp};

/// How a connection proves who it is.
pub(crate) enum Proof {
    Password(Secret),
    /// The server's own key pair: its 32-byte seed.
    Key(Secret),
    /// The local destination asks for none.
    None,
}

/// Why a destination did not do its part.
#[derive(Debug)]
pub(crate) enum CourierError {
    /// The host shows another key than the pinned one: which it shows.
    HostKey(String),
    /// Anything else: words for people, never a secret.
    Failed(String),
    /// A watcher's refusal.
    Stopped(Stopped),
}

impl CourierError {
    pub(crate) fn new(what: &str, why: impl fmt::Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }
}

impl fmt::Display for CourierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostKey(seen) => write!(f, "the host shows {seen}"),
            Self::Failed(why) => f.write_str(why),
            Self::Stopped(Stopped(why)) => write!(f, "stopped: {why}"),
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, CourierError>;

/// Told how many bytes have gone; may refuse to go on.
pub(crate) type Progress<'a> = dyn FnMut(usize) -> std::result::Result<(), Stopped> + 'a;

/// A connection to the directory of a destination. Names have no path in them.
pub(crate) trait Courier {
    /// Fingerprint of the host's key, as in `SHA256:…`; empty where there is none.
    fn host_key(&self) -> &str;

    /// Names of the files there.
    fn list(&mut self) -> Result<Vec<String>>;

    /// Writes a file whole, replacing one that is there.
    fn put(&mut self, name: &str, bytes: &[u8], progress: &mut Progress<'_>) -> Result<()>;

    /// Reads a file whole.
    fn get(&mut self, name: &str) -> Result<Vec<u8>>;

    /// Gives a file another name, replacing one that is there.
    fn rename(&mut self, from: &str, to: &str) -> Result<()>;

    /// Removes a file.
    fn remove(&mut self, name: &str) -> Result<()>;
}

/// What is needed to connect.
pub(crate) struct Call<'a> {
    pub(crate) destination: &'a BackupDestination,
    pub(crate) proof: &'a Proof,
    /// The server's directory for local backups.
    pub(crate) local: &'a Path,
}

type Connect = fn(&Call<'_>) -> Result<Box<dyn Courier>>;

/// A way to send.
pub(crate) struct Method {
    /// As in the dialog.
    pub(crate) name: &'static str,
    pub(crate) connect: Connect,
}

/// All of them.
pub(crate) const METHODS: [Method; 3] = [
    Method { name: "local", connect: local::connect },
    Method { name: "scp", connect: scp::connect },
    Method { name: "sftp", connect: sftp::connect },
];

/// Connects to a destination.
pub(crate) fn connect(call: &Call<'_>) -> Result<Box<dyn Courier>> {
    let name = &call.destination.transfer_method;
    match METHODS.iter().find(|method| method.name == name) {
        Some(method) => (method.connect)(call),
        None => Err(CourierError::new("no such transfer method", name)),
    }
}
