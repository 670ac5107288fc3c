//! Cloning: an object leaves sealed under the domain's key and enters another partition of the
//! domain, with the same permanent identity.
//!
//! Source: ha.md sections 4 and 6, abi.md section 7 (Documented: the OUID is kept).

use crate::ck::*;
use crate::crypto::kdf;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::objects::gone;
use crate::hsm::partition::Partition;
use crate::hsm::records;
use crate::hsm::session::Session;
use crate::mechanisms::broken;
use crate::object::Template;
use crate::wire::{Found, Reply, Request};

/// Partition policies 0 and 4 (Documented).
const POLICY_PRIVATE_CLONING: u32 = 0;
const POLICY_SECRET_CLONING: u32 = 4;

const SEAL: &[u8] = b"clone";

/// The first byte of a blob. Public objects, which anybody may read, also travel before a login,
/// when the domain is not open; they are sealed to be noticed when damaged, not to be hidden.
const PUBLIC: u8 = 0;
const UNDER_DOMAIN: u8 = 1;

fn public_key() -> Result<SealKey> {
    kdf::hkdf_sha256(b"public objects", b"luna emulator", b"cloning")
        .map(SealKey::new)
        .map_err(broken)
}

fn is_private(attributes: &Template) -> bool {
    attributes.flag(CKA_PRIVATE).unwrap_or(false)
}

impl Partition {
    /// Whether objects of a class may be cloned, from here or to here.
    fn check_cloning(&self, class: CK_OBJECT_CLASS) -> Result<()> {
        let state = self.current()?;
        state.need_replication()?;
        let policy = match class {
            CKO_PRIVATE_KEY => Some(POLICY_PRIVATE_CLONING),
            CKO_SECRET_KEY => Some(POLICY_SECRET_CLONING),
            _ => None,
        };
        match policy {
            Some(policy) if !state.allows(policy) => {
                Err(Error::new(Cause::CloneNotAttempted, "the key is not to be cloned")
                    .by_policy(policy))
            }
            _ => Ok(()),
        }
    }

    /// The object, readable by partitions of the domain alone.
    ///
    /// # Errors
    /// `CloneNotAttempted` where policy 0 or 4 forbids it (code Assumed).
    pub(super) fn extract(&self, session: &Session, object: ObjectHandle) -> Result<Vec<u8>> {
        let held = self.seen_by(&session.application, object)?;
        self.check_cloning(held.object.class().class)?;
        let plain = records::encode(held.object.attributes())?;
        let (mark, key) = if held.private {
            (UNDER_DOMAIN, self.domain(session)?)
        } else {
            (PUBLIC, public_key()?)
        };
        let sealed = key
            .seal(SEAL, &plain)
            .map_err(|_| Error::new(Cause::FunctionFailed, "sealing failed"))?;
        Ok([&[mark], sealed.as_slice()].concat())
    }

    /// Takes an object of the domain in. One that is here already stays as it is; one that was
    /// destroyed here after the generation is not taken.
    ///
    /// # Errors
    /// `CloneFailed` for a blob of another domain, `ObjectHandleInvalid` for one that was destroyed.
    pub(super) fn insert(
        &self,
        session: &Session,
        blob: &[u8],
        unless_destroyed_since: Option<u64>,
    ) -> Result<Found> {
        let attributes = self.unpack(session, blob)?;
        self.settle_in(session, attributes, unless_destroyed_since)
    }

    /// What is in a blob.
    pub(super) fn unpack(&self, session: &Session, blob: &[u8]) -> Result<Template> {
        let (keys, sealed) = match blob.split_first() {
            Some((&UNDER_DOMAIN, sealed)) => (self.domains(session)?, sealed),
            Some((&PUBLIC, sealed)) => (vec![public_key()?], sealed),
            _ => return Err(Error::new(Cause::CloneFailed, "this is no cloned object")),
        };
        let plain = keys.iter().find_map(|key| key.open(SEAL, sealed).ok()).ok_or_else(|| {
            Error::new(Cause::CloneFailed, "the object comes from another cloning domain")
        })?;
        let attributes = records::decode(&plain)?;
        if (blob.first() == Some(&PUBLIC)) == is_private(&attributes) {
            return Err(Error::new(
                Cause::CloneFailed,
                "a private object travels under its domain",
            ));
        }
        self.check_cloning(records::class_of(&attributes)?.class)?;
        Ok(attributes)
    }

    /// Takes the object in, unless it is here already.
    pub(super) fn settle_in(
        &self,
        session: &Session,
        attributes: Template,
        unless_destroyed_since: Option<u64>,
    ) -> Result<Found> {
        let identity = attributes.find(CKA_OUID).cloned().ok_or_else(gone)?;
        let ouid = identity.as_bytes().and_then(|bytes| bytes.try_into().ok());
        let here = || {
            let request = Request::Locate(session.handle, ouid?);
            match self.handle_object(&request, Some(session)) {
                Ok(Reply::Object(found)) => Some(found),
                _ => None,
            }
        };
        if let Some(found) = here() {
            return Ok(found);
        }
        let class = records::class_of(&attributes)?;
        self.add_copy(session, class, attributes, unless_destroyed_since)
            // Another process may have brought it between the look and the write.
            .or_else(|error| here().ok_or(error))
    }

    /// The key of the cloning domain, which a login opens.
    pub(super) fn domain(&self, session: &Session) -> Result<SealKey> {
        let login = session
            .application
            .login()
            .ok_or_else(|| Error::new(Cause::UserNotLoggedIn, "cloning wants a login"))?;
        self.domain_key(&login.key)
    }
}
