//! Cloning: an object leaves sealed under the domain's key and enters another partition of the
//! domain, with the same permanent identity.
//!
//! Source: ha.md sections 4 and 6, abi.md section 7 (Documented: the OUID is kept).

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::objects::gone;
use crate::hsm::partition::Partition;
use crate::hsm::records;
use crate::hsm::session::Session;
use crate::object::Template;
use crate::wire::{Found, Request};

/// Partition policies 0 and 4 (Documented).
const POLICY_PRIVATE_CLONING: u32 = 0;
const POLICY_SECRET_CLONING: u32 = 4;

const SEAL: &[u8] = b"clone";

impl Partition {
    /// The object, readable by partitions of the domain alone.
    ///
    /// # Errors
    /// `CloneNotAttempted` where policy 0 or 4 forbids it (code Assumed).
    pub(super) fn extract(&self, session: &Session, object: ObjectHandle) -> Result<Vec<u8>> {
        let held = self.seen_by(&session.application, object)?;
        let policy = match held.object.class().class {
            CKO_PRIVATE_KEY => Some(POLICY_PRIVATE_CLONING),
            CKO_SECRET_KEY => Some(POLICY_SECRET_CLONING),
            _ => None,
        };
        if let Some(policy) = policy
            && !self.current()?.allows(policy)
        {
            return Err(Error::new(Cause::CloneNotAttempted, "the key is not to be cloned")
                .by_policy(policy));
        }
        let plain = records::encode(held.object.attributes())?;
        self.domain(session)?
            .seal(SEAL, &plain)
            .map_err(|_| Error::new(Cause::FunctionFailed, "sealing failed"))
    }

    /// Takes an object of the domain in. One that is here already stays as it is.
    ///
    /// # Errors
    /// `CloneFailed` for a blob of another domain.
    pub(super) fn insert(&self, session: &Session, blob: &[u8]) -> Result<Found> {
        let plain = self.domain(session)?.open(SEAL, blob).map_err(|_| {
            Error::new(Cause::CloneFailed, "the object comes from another cloning domain")
        })?;
        let attributes = records::decode(&plain)?;
        let identity = attributes.find(CKA_OUID).cloned().ok_or_else(gone)?;
        if let Some(ouid) = identity.as_bytes().and_then(|bytes| bytes.try_into().ok())
            && let Ok(crate::wire::Reply::Object(found)) =
                self.handle_object(&Request::Locate(session.handle, ouid))
        {
            return Ok(found);
        }
        let class = records::class_of(&attributes)?;
        let objects = vec![(class, Template(attributes.0))];
        self.add_all(session, objects)?.pop().ok_or_else(gone)
    }

    fn domain(&self, session: &Session) -> Result<crate::crypto::seal::SealKey> {
        let login = session
            .application
            .login()
            .ok_or_else(|| Error::new(Cause::UserNotLoggedIn, "cloning wants a login"))?;
        self.domain_key(&login.key)
    }
}
