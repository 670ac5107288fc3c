//! The state of a digest, taken out of one session and put into another.
//!
//! A state is sealed, so that a damaged or invented one is noticed, and says its version. Any
//! process, and any member of a group, can go on from it. One that a key was fed to holds bytes of
//! the key: it travels under the cloning domain, which a login opens.
//!
//! Digests alone are saved: a cipher's or a signature's state would carry the key itself (what the
//! vendor saves is not published; Assumed). Source: PKCS#11 v2.40, `C_GetOperationState` and
//! `C_SetOperationState`.

use crate::ck::*;
use crate::crypto::hash::{Digest, Function};
use crate::crypto::kdf;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::operation::{Running, not_initialized};
use crate::hsm::partition::Partition;
use crate::hsm::session::Session;
use crate::mechanisms::{self, Digests, broken};
use crate::wire::Reply;

/// What begins every state: the version of this form.
const VERSION: u8 = 1;

/// The second byte: who can read it.
const OPEN: u8 = 0;
const UNDER_DOMAIN: u8 = 1;

const SEAL: &[u8] = b"operation state 1";

fn open_key() -> Result<SealKey> {
    kdf::hkdf_sha256(b"operation states", b"luna emulator", b"digest")
        .map(SealKey::new)
        .map_err(broken)
}

impl Partition {
    /// The state of what runs for a purpose, which goes on.
    ///
    /// # Errors
    /// `StateUnsaveable` for anything but a digest, and for hashes that cannot be saved.
    pub(super) fn save_state(&self, session: &Session, purpose: Purpose) -> Result<Vec<u8>> {
        let mut operations = session.operations.lock();
        let running = operations.running(purpose);
        let (digest, holds_key) = match running.as_ref().ok_or_else(not_initialized)? {
            Running::Digest { digest, holds_key } => (digest, *holds_key),
            _ => return Err(unsaveable("only digests are saved")),
        };
        let state = digest.state().ok_or_else(|| unsaveable("this hash keeps its state"))?;
        let kind = mechanisms::rows()
            .find(|row| {
                let hash = row.digest.and_then(Digests::hash);
                hash.map(Function::Hash) == Some(digest.function())
            })
            .map(|row| row.kind)
            .ok_or_else(|| unsaveable("no mechanism is this hash"))?;
        drop(operations);
        let plain = zeroize::Zeroizing::new([&kind.to_be_bytes(), state.as_slice()].concat());
        let (mark, key) = if holds_key {
            (UNDER_DOMAIN, self.domain(session).map_err(|_| unsaveable("a key was fed to it"))?)
        } else {
            (OPEN, open_key()?)
        };
        let sealed = key
            .seal(SEAL, &plain)
            .map_err(|_| Error::new(Cause::FunctionFailed, "sealing failed"))?;
        Ok([&[VERSION, mark], sealed.as_slice()].concat())
    }

    /// Goes on from a state, in place of a digest that runs.
    ///
    /// # Errors
    /// `SavedStateInvalid`, whatever is wrong with it.
    pub(super) fn load_state(&self, session: &Session, state: &[u8]) -> Result<Reply> {
        let (key, holds_key, sealed) = match state {
            [VERSION, OPEN, sealed @ ..] => (open_key()?, false, sealed),
            [VERSION, UNDER_DOMAIN, sealed @ ..] => {
                let key = self.domain(session).map_err(|_| invalid("a login opens it"))?;
                (key, true, sealed)
            }
            _ => return Err(invalid("this is no state of this version")),
        };
        let plain = key.open(SEAL, sealed).map_err(|_| invalid("it is damaged, or not ours"))?;
        let (kind, state) =
            plain.split_at_checked(size_of::<CK_ULONG>()).ok_or_else(|| invalid("it is cut"))?;
        let kind =
            kind.try_into().map(CK_ULONG::from_be_bytes).map_err(|_| invalid("it is cut"))?;
        let partition = self.current()?;
        let offer = partition.offer(kind).map_err(|_| invalid("the hash is not offered here"))?;
        let hash =
            offer.row.digest.and_then(Digests::hash).ok_or_else(|| invalid("it is of no hash"))?;
        let digest = Digest::resume(hash, state).map_err(|_| invalid("it is of another hash"))?;
        let begun = digest.added() != Some(0);
        let running = begun.then_some(Running::Digest { digest, holds_key });
        *session.operations.lock().running(Purpose::Digest) = running;
        Ok(Reply::Restored { mechanism: kind, begun })
    }
}

fn unsaveable(rule: &'static str) -> Error {
    Error::new(Cause::StateUnsaveable, rule)
}

fn invalid(rule: &'static str) -> Error {
    Error::new(Cause::SavedStateInvalid, rule)
}
