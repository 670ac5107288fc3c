//! Cloning: an object leaves sealed under the domain's key and enters another partition of the
//! domain, with the same permanent identity.
//!
//! Source: ha.md sections 4 and 6, abi.md section 7 (Documented: the OUID is kept).

use crate::ck::*;
use crate::crypto::kdf;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::objects::gone;
use crate::hsm::partition::{Partition, State};
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

/// The second byte: the protocols its source speaks. Firmware before 7.7 has the older one alone, version
/// 0 of partitions has both, and version 1 the older one only while policy 42 is on: who has none in
/// common with the source takes nothing from it.
///
/// Source: policies.md, policy 42 (Documented: the older protocol on V1 partitions); that the newer came
/// with 7.7, and that a copy is refused rather than sent otherwise: Assumed.
const CPV1: u8 = 1;
const CPV3: u8 = 2;
const POLICY_CPV1: u32 = 42;
const NEWER_SINCE: [u8; 3] = [7, 7, 0];

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

    /// The protocols of cloning the partition speaks.
    fn protocols(&self, state: &State) -> u8 {
        if self.profile.versions.firmware < NEWER_SINCE {
            CPV1
        } else if state.is_v1() && !state.allows(POLICY_CPV1) {
            CPV3
        } else {
            CPV1 | CPV3
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
        Ok([&[mark, self.protocols(&*self.current()?)], sealed.as_slice()].concat())
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
        let (keys, spoken, sealed) = match blob {
            [UNDER_DOMAIN, spoken, sealed @ ..] => (self.domains(session)?, spoken, sealed),
            [PUBLIC, spoken, sealed @ ..] => (vec![public_key()?], spoken, sealed),
            _ => return Err(Error::new(Cause::CloneFailed, "this is no cloned object")),
        };
        if spoken & self.protocols(&*self.current()?) == 0 {
            let rule = "source and target have no cloning protocol in common";
            return Err(Error::new(Cause::CloneNotAttempted, rule).by_policy(POLICY_CPV1));
        }
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use zeroize::Zeroizing;

    use super::*;
    use crate::hsm::store::{HsmRecord, PartitionRecord, SqliteStore, Step, Store};
    use crate::object::Attribute;
    use crate::profile::Profile;
    use crate::wire::ApplicationId;

    /// A partition in memory with a session, under a profile and policies.
    fn partition(profile: &str, policies: &[(u32, u64)]) -> (Partition, SessionHandle) {
        let record = HsmRecord {
            serial: "100001".into(),
            profile: profile.into(),
            policies: BTreeMap::new(),
            device_key: vec![7; 32],
            created: 0,
            extra: Vec::new(),
        };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory(&record).unwrap());
        let own = PartitionRecord {
            serial: "1000010001".into(),
            label: "par1".into(),
            initialized: true,
            policies: policies.iter().copied().collect(),
            domain: Vec::new(),
            object_counter: 0,
            created: 0,
            extra: Vec::new(),
        };
        store.apply(&[Step::PutPartition(own)]).unwrap();
        let profile = Arc::new(Profile::built_in(profile).unwrap());
        let key = Arc::new(SealKey::new(Zeroizing::new([7; 32])));
        let partition = Partition::open("1000010001", profile, store, key).unwrap();
        let application = ApplicationId { major: 0, minor: 1, named: false };
        let open = Request::OpenSession { application, read_write: true };
        let Reply::Session(session) = partition.handle(&open).unwrap() else { panic!() };
        (partition, session)
    }

    /// Version 1 speaks with older firmware while policy 42 is on, and with its like always.
    #[test]
    fn policy_42_is_what_older_firmware_needs() {
        const OLD: &str = "luna-7.4.0";
        const NEW: &str = "luna-7.8.4";
        const V1: (u32, u64) = (41, 1);
        let on: &[(u32, u64)] = &[V1, (42, 1)];
        let off: &[(u32, u64)] = &[V1, (42, 0)];
        for ((from, its), (to, own), goes) in [
            ((OLD, &[][..]), (OLD, &[][..]), true),
            ((OLD, &[]), (NEW, &[]), true),
            ((NEW, &[]), (OLD, &[]), true),
            ((OLD, &[]), (NEW, off), false),
            ((OLD, &[]), (NEW, on), true),
            ((NEW, off), (OLD, &[]), false),
            ((NEW, on), (OLD, &[]), true),
            ((NEW, off), (NEW, off), true),
            ((NEW, off), (NEW, on), true),
            ((NEW, off), (NEW, &[]), true),
            ((NEW, &[]), (NEW, off), true),
        ] {
            let (source, session) = partition(from, its);
            let template = Template::from_iter([
                Attribute::number(CKA_CLASS, CKO_DATA),
                Attribute::flag(CKA_PRIVATE, false),
                Attribute::flag(CKA_TOKEN, true),
            ]);
            let create = Request::Create(session, Cow::Owned(template));
            let Reply::Object(made) = source.handle(&create).unwrap() else { panic!() };
            let extract = Request::Extract(session, made.handle);
            let Reply::Bytes(blob) = source.handle(&extract).unwrap() else { panic!() };
            let (target, session) = partition(to, own);
            let insert = Request::Insert(session, Cow::Owned(blob), None);
            let answer = target.handle(&insert).map(drop).map_err(|error| error.cause());
            let wanted = if goes { Ok(()) } else { Err(Cause::CloneNotAttempted) };
            assert_eq!(answer, wanted, "{from} {its:?} to {to} {own:?}");
        }
    }
}
