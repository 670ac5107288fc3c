//! The bundle: what a node without HSM needs to read what an HSM-enabled node ships.
//!
//! ```text
//! magic (8) || length of head (4) || head, JSON || replication keys under the recovery passphrase, sealed with the head
//! ```
//!
//! The real content is unknown; what is certain is what it may not hold, the HSM credential and the root key. This one
//! holds the replication keys, sealed under the recovery passphrase with PBKDF2 and AES-256-GCM (Assumed).

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::wire::base64;
use super::{Epoch, NodeId};
use crate::seal::{self, Sealed};
use crate::secret::Secret;

const MAGIC: &[u8; 8] = b"OKVBDL\x01\n";

/// As in the header of the encrypted wallet password, where it was Observed.
const FORMAT: u32 = crate::blob::VERSION;

/// Length of a replication key, bytes.
const KEY: usize = 32;

/// Largest head worth believing, bytes.
const LONGEST_HEAD: usize = 4096;

/// What stands in it for all to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Head {
    format: u32,
    pub(crate) cluster_id: String,
    /// The node it was made on.
    pub(crate) source: NodeId,
    /// Of the newest key in it.
    pub(crate) epoch: Epoch,
    pub(crate) made_at: String,
    #[serde(with = "base64")]
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

/// A bundle that was read; its keys are still sealed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bundle {
    pub(crate) head: Head,
    written: Vec<u8>,
    sealed: Vec<u8>,
}

/// Why nothing came out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BundleError {
    /// Not a bundle, or cut short, or of another format.
    Damaged,
    /// The passphrase is another one, or the file was changed: the seal cannot tell which.
    DoesNotOpen,
}

impl From<Sealed> for BundleError {
    fn from(_: Sealed) -> Self {
        Self::DoesNotOpen
    }
}

/// A replication key and which it is.
pub(crate) type ReplicationKey = (Epoch, Secret);

/// The file's content.
pub(crate) fn write(
    cluster_id: &str,
    source: NodeId,
    keys: &[ReplicationKey],
    passphrase: &Secret,
    iterations: NonZeroU32,
) -> Result<Vec<u8>, BundleError> {
    let (newest, _) = keys.last().ok_or(BundleError::Damaged)?;
    let head = Head {
        format: FORMAT,
        cluster_id: cluster_id.to_owned(),
        source,
        epoch: *newest,
        made_at: crate::store::now(),
        salt: seal::random::<16>()?.to_vec(),
        iterations,
    };
    let written = serde_json::to_vec(&head).map_err(|_| BundleError::Damaged)?;
    let (wrap, _) = seal::stretch(passphrase.expose(), &head.salt, iterations);
    let mut plain = Zeroizing::new(Vec::new());
    for (epoch, key) in keys {
        if key.len() != KEY {
            return Err(BundleError::Damaged);
        }
        plain.extend_from_slice(&epoch.0.to_be_bytes());
        plain.extend_from_slice(key.expose());
    }
    let sealed = seal::seal(&wrap, &written, &plain)?;
    let length = u32::try_from(written.len()).map_err(|_| BundleError::Damaged)?;
    Ok([MAGIC.as_slice(), &length.to_be_bytes(), &written, &sealed].concat())
}

impl Bundle {
    pub(crate) fn read(file: &[u8]) -> Result<Self, BundleError> {
        let rest = file.strip_prefix(MAGIC).ok_or(BundleError::Damaged)?;
        let (length, rest) = rest.split_first_chunk().ok_or(BundleError::Damaged)?;
        let length = usize::try_from(u32::from_be_bytes(*length));
        let length = length.ok().filter(|it| *it <= LONGEST_HEAD).ok_or(BundleError::Damaged)?;
        let (written, sealed) = rest.split_at_checked(length).ok_or(BundleError::Damaged)?;
        let head: Head = serde_json::from_slice(written).map_err(|_| BundleError::Damaged)?;
        if head.format != FORMAT || head.iterations.get() > 10_000_000 {
            return Err(BundleError::Damaged);
        }
        Ok(Self { head, written: written.to_vec(), sealed: sealed.to_vec() })
    }

    /// The replication keys, oldest first.
    pub(crate) fn open(&self, passphrase: &Secret) -> Result<Vec<ReplicationKey>, BundleError> {
        let (wrap, _) = seal::stretch(passphrase.expose(), &self.head.salt, self.head.iterations);
        let plain = seal::open(&wrap, &self.written, &self.sealed)?;
        let one = |entry: &[u8]| {
            let (epoch, key) = entry.split_first_chunk()?;
            (key.len() == KEY)
                .then(|| (Epoch(u32::from_be_bytes(*epoch)), Secret::new(key.to_vec())))
        };
        let keys: Option<Vec<_>> = plain.chunks(4 + KEY).map(one).collect();
        keys.ok_or(BundleError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_opens_with_its_passphrase_and_whole() {
        let key = Secret::from("a replication key of thirty-two.");
        let keys = [(Epoch::FIRST, key.clone()), (Epoch(2), key)];
        let file = write("c", 1, &keys, &"passphrase".into(), NonZeroU32::MIN).unwrap();
        let bundle = Bundle::read(&file).unwrap();
        assert_eq!((bundle.head.source, bundle.head.epoch), (1, Epoch(2)));
        let opened = bundle.open(&"passphrase".into()).unwrap();
        assert_eq!(opened.len(), 2);
        for ((epoch, key), (other, same)) in opened.iter().zip(&keys) {
            assert_eq!((epoch, key.expose()), (other, same.expose()));
        }
        assert_eq!(bundle.open(&"another".into()).err(), Some(BundleError::DoesNotOpen));
        assert!(!file.windows(8).any(|it| it == b"replicat"));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            let opened = Bundle::read(&damaged).and_then(|it| it.open(&"passphrase".into()));
            assert!(opened.is_err(), "byte {at}");
            let cut = Bundle::read(&file[..at]).and_then(|it| it.open(&"passphrase".into()));
            assert!(cut.is_err(), "cut at {at}");
        }
    }
}
