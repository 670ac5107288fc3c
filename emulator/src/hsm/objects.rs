//! Objects of a partition: token objects in the store and its cache, session objects in memory.

mod changing;
mod making;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::authorization;
use crate::hsm::partition::{Partition, State, done};
use crate::hsm::records;
use crate::hsm::session::{Application, Session};
use crate::hsm::store::Query;
use crate::hsm::usage::Asks;
use crate::mechanisms::seen;
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Answer, Attribute, Template, Value};
use crate::wire::{ApplicationId, Found, Ouid, Reply, Request};

pub(super) use self::making::check_value_agrees;

/// Session objects have handles from here on, so that they never meet the store's.
const SESSION_OBJECTS: u64 = 1 << 28;

/// Token objects kept in memory; more are read again when they are used.
const MOST_CACHED: usize = 16_384;

/// An object as this process holds it.
pub(super) struct Held {
    pub(super) handle: ObjectHandle,
    pub(super) ouid: Ouid,
    pub(super) private: bool,
    /// The session it dies with; none for a token object.
    owner: Option<(ApplicationId, SessionHandle)>,
    /// The store's generation it is of.
    generation: u64,
    /// What it asks of each use.
    pub(super) asks: Asks,
    pub(super) object: Arc<Object>,
}

impl Held {
    fn new(
        (handle, ouid): (ObjectHandle, Ouid),
        owner: Option<(ApplicationId, SessionHandle)>,
        generation: u64,
        class: Class,
        attributes: Template,
    ) -> Self {
        Self {
            handle,
            ouid,
            private: attributes.flag(CKA_PRIVATE).unwrap_or(false),
            owner,
            generation,
            asks: Asks::of(class, &attributes),
            object: Arc::new(Object::new(class, attributes)),
        }
    }

    /// A key that is nobody's: made, used and forgotten within a request.
    pub(super) fn passing(class: Class, attributes: Template) -> Self {
        Self::new((ObjectHandle(0), Ouid::default()), None, 0, class, attributes)
    }

    fn found(&self) -> Found {
        Found { handle: self.handle, ouid: self.ouid, token: self.owner.is_none() }
    }
}

/// Objects in memory.
#[derive(Default)]
pub(super) struct Objects {
    token: RwLock<FxHashMap<u64, Arc<Held>>>,
    session: RwLock<FxHashMap<u64, Arc<Held>>>,
    next_session: AtomicU64,
    /// How often token objects were forgotten. What was read before one was is not kept after it: it may be what
    /// another thread has just changed or destroyed.
    forgotten: AtomicU64,
}

impl Objects {
    pub(super) fn forget(&self, handles: &[u64]) {
        let mut token = self.token.write();
        self.forgotten.fetch_add(1, Ordering::Release);
        for handle in handles {
            token.remove(handle);
        }
    }

    pub(super) fn forget_token_objects(&self) {
        let mut token = self.token.write();
        self.forgotten.fetch_add(1, Ordering::Release);
        token.clear();
    }

    pub(super) fn clear_session_objects(&self) {
        self.session.write().clear();
    }

    /// A session's objects go with it.
    pub(super) fn close_session(&self, session: SessionHandle) {
        self.session.write().retain(|_, held| held.owner.is_none_or(|(_, own)| own != session));
    }

    /// Keeps what was read when so many had been forgotten.
    fn keep(&self, held: &Arc<Held>, forgotten: u64) {
        let mut token = self.token.write();
        if self.forgotten.load(Ordering::Acquire) != forgotten {
            return;
        }
        if token.len() >= MOST_CACHED {
            token.clear();
        }
        token.insert(held.handle.0, Arc::clone(held));
    }
}

impl Partition {
    /// After a logout: private session objects of the application are gone. Private token objects
    /// stay in memory, where who is not logged in does not get at them: an application that logs in
    /// for each of its requests would read and parse them anew each time.
    pub(super) fn forget_private(&self, application: ApplicationId) {
        self.objects.session.write().retain(|_, held| {
            !held.private || held.owner.is_none_or(|(owner, _)| owner != application)
        });
    }

    pub(super) fn handle_object(
        &self,
        request: &Request<'_>,
        seat: Option<&Session>,
    ) -> Result<Reply> {
        match request {
            Request::Create(session, template) => {
                self.create(&*self.sessions.present(seat, *session)?, template).map(Reply::Object)
            }
            Request::Copy(session, object, template) => self
                .copy(&*self.sessions.present(seat, *session)?, *object, template)
                .map(Reply::Object),
            Request::Destroy(session, object) => {
                self.destroy(&*self.sessions.present(seat, *session)?, *object).map(done)
            }
            Request::ObjectSize(session, object) => {
                let held =
                    self.seen_by(&self.sessions.present(seat, *session)?.application, *object)?;
                Ok(Reply::Size(records::encode(held.object.attributes())?.len() as u64))
            }
            Request::Attributes(session, object, kinds) => {
                let held =
                    self.seen_by(&self.sessions.present(seat, *session)?.application, *object)?;
                Ok(Reply::Answers(kinds.iter().map(|kind| answer(&held.object, *kind)).collect()))
            }
            Request::SetAttributes(session, object, template) => self
                .set_attributes(&*self.sessions.present(seat, *session)?, *object, template)
                .map(done),
            Request::Count(session, object, counting) => self
                .modify_count(&*self.sessions.present(seat, *session)?, *object, *counting)
                .map(done),
            Request::Find(session, template) => {
                let session = self.sessions.present(seat, *session)?;
                let held = self.search(&session.application, template)?;
                Ok(Reply::Objects(held.iter().map(|held| held.found()).collect()))
            }
            Request::Locate(session, ouid) => {
                let session = self.sessions.present(seat, *session)?;
                let wanted = Template::from_iter([Attribute::bytes(CKA_OUID, ouid.to_vec())]);
                let found = self.search(&session.application, &wanted)?;
                let held = found.first().ok_or_else(gone)?;
                Ok(Reply::Object(held.found()))
            }
            Request::Inventory(session) => {
                let session = self.sessions.present(seat, *session)?;
                let generation = self.store.committed_generation()?;
                Ok(Reply::Inventory(self.inventory(&session.application)?, generation))
            }
            Request::GenerateKey(session, mechanism, template) => {
                let session = self.sessions.present(seat, *session)?;
                self.generate_key(&session, mechanism, template).map(Reply::Object)
            }
            Request::GenerateKeyPair(session, mechanism, public, private) => {
                let session = self.sessions.present(seat, *session)?;
                let (public, private) =
                    self.generate_key_pair(&session, mechanism, public, private)?;
                Ok(Reply::Pair(public, private))
            }
            Request::Wrap(session, mechanism, wrapping, key, room) => {
                let session = self.sessions.present(seat, *session)?;
                self.wrap(&session, mechanism, *wrapping, *key, *room)
            }
            Request::Unwrap(session, mechanism, unwrapping, wrapped, template) => {
                let session = self.sessions.present(seat, *session)?;
                self.unwrap(&session, mechanism, *unwrapping, wrapped, template)
            }
            Request::Encapsulate(session, mechanism, key, template, room) => {
                let session = self.sessions.present(seat, *session)?;
                self.encapsulate(&session, mechanism, *key, template, *room)
            }
            Request::Decapsulate(session, mechanism, key, ciphertext, template) => {
                let session = self.sessions.present(seat, *session)?;
                self.decapsulate(&session, mechanism, *key, ciphertext, template)
            }
            Request::Derive(session, mechanism, base, template) => {
                let session = self.sessions.present(seat, *session)?;
                self.derive(&session, mechanism, *base, template)
            }
            Request::Extract(session, object) => {
                self.extract(&*self.sessions.present(seat, *session)?, *object).map(Reply::Bytes)
            }
            Request::Insert(session, blob, since) => {
                let session = self.sessions.present(seat, *session)?;
                self.insert(&session, blob, *since).map(Reply::Object)
            }
            Request::Bury(session, ouid) => {
                self.sessions.present(seat, *session)?;
                self.store.bury(&self.serial, *ouid)?;
                Ok(Reply::Done)
            }
            _ => Err(Error::new(Cause::GeneralError, "a request went to the wrong room")),
        }
    }

    /// The object behind a handle, if the application may see it.
    ///
    /// # Errors
    /// `ObjectHandleInvalid`; `UserNotLoggedIn` for a private one without a login (Assumed).
    pub(super) fn seen_by(
        &self,
        application: &Application,
        handle: ObjectHandle,
    ) -> Result<Arc<Held>> {
        let held = self.held(application, handle)?;
        if held.owner.is_some_and(|(owner, _)| owner != application.id) {
            return Err(gone());
        }
        if held.private && !application.sees_private() {
            return Err(hidden(application));
        }
        Ok(held)
    }

    pub(super) fn held(
        &self,
        application: &Application,
        handle: ObjectHandle,
    ) -> Result<Arc<Held>> {
        let (table, in_store) = if handle.0 >= SESSION_OBJECTS {
            (&self.objects.session, false)
        } else {
            (&self.objects.token, true)
        };
        if let Some(held) = table.read().get(&handle.0) {
            return Ok(Arc::clone(held));
        }
        if !in_store {
            return Err(gone());
        }
        let forgotten = self.objects.forgotten.load(Ordering::Acquire);
        let record = self.store.load_object(handle.0)?.ok_or_else(gone)?;
        if record.partition != self.serial {
            return Err(gone());
        }
        // The Partition SO sees no private object either, and names one to be logged in by
        // (`recovery`); whoever looks for him says so.
        let so = application.role() == Some(Role::PartitionSo);
        if record.private && !so && !application.sees_private() {
            return Err(hidden(application));
        }
        let attributes =
            self.with_key(application, record.private, |key| records::attributes(&record, key))?;
        let class = records::class_of(&attributes)?;
        let name = (handle, record.ouid);
        let held = Arc::new(Held::new(name, None, record.generation, class, attributes));
        self.objects.keep(&held, forgotten);
        Ok(held)
    }

    /// Runs with the key that seals private or public objects.
    fn with_key<T>(
        &self,
        application: &Application,
        private: bool,
        run: impl FnOnce(&SealKey) -> Result<T>,
    ) -> Result<T> {
        if !private {
            return run(&self.device_key);
        }
        let login = application
            .login()
            .ok_or_else(|| Error::new(Cause::UserNotLoggedIn, "the object is private"))?;
        run(&login.key)
    }

    /// What the application sees, by name alone: a partition may hold a hundred thousand objects.
    fn inventory(&self, application: &Application) -> Result<Vec<Found>> {
        let private = application.sees_private();
        let token = self.store.identities(&self.serial, private)?.into_iter();
        let mut found: Vec<_> = token
            .map(|(handle, ouid)| Found { handle: ObjectHandle(handle), ouid, token: true })
            .collect();
        let in_memory =
            self.search(application, &Template::from_iter([Attribute::flag(CKA_TOKEN, false)]))?;
        found.extend(in_memory.iter().map(|held| held.found()));
        Ok(found)
    }

    pub(super) fn search(
        &self,
        application: &Application,
        wanted: &Template,
    ) -> Result<Vec<Arc<Held>>> {
        loop {
            let private = application.sees_private();
            let found = self.search_as(application, wanted, private)?;
            // Another thread may have logged in or out meanwhile: what was found is half of the one, half of the other.
            if application.sees_private() == private {
                return Ok(found);
            }
        }
    }

    /// What is found by who sees private objects, or by who does not.
    fn search_as(
        &self,
        application: &Application,
        wanted: &Template,
        private: bool,
    ) -> Result<Vec<Arc<Held>>> {
        let token = wanted.flag(CKA_TOKEN);
        let mut found = Vec::new();
        if token != Some(false) {
            for handle in self.store.find(&self.serial, &query(wanted, private))? {
                // One that another process destroyed meanwhile, or a logout hid, is none to be found.
                match self.seen_by(application, ObjectHandle(handle)) {
                    Ok(held) if matches(&held.object, wanted) => found.push(held),
                    Err(error)
                        if !matches!(
                            error.cause(),
                            Cause::ObjectHandleInvalid | Cause::UserNotLoggedIn
                        ) =>
                    {
                        return Err(error);
                    }
                    _ => {}
                }
            }
        }
        if token != Some(true) {
            let session = self.objects.session.read();
            let mut own: Vec<_> = session
                .values()
                .filter(|held| held.owner.is_some_and(|(owner, _)| owner == application.id))
                .filter(|held| private || !held.private)
                .filter(|held| matches(&held.object, wanted))
                .cloned()
                .collect();
            own.sort_by_key(|held| held.handle);
            found.append(&mut own);
        }
        Ok(found)
    }
}

/// What `C_GetAttributeValue` says.
fn answer(object: &Object, kind: CK_ATTRIBUTE_TYPE) -> Answer {
    if object.hides(kind) {
        return Answer::Sensitive;
    }
    match object.attributes().find(kind) {
        Some(attribute) => Answer::Value(attribute.value.clone()),
        None if kind == CKA_KEY_STATUS
            && let Some(status) = authorization::status(object) =>
        {
            Answer::Value(status)
        }
        None if let Some(attribute) = seen::attribute(object, kind) => {
            Answer::Value(attribute.value)
        }
        // A rule without a value is an attribute the object could have: an empty template or list.
        None => match object.class().rule(kind) {
            // One byte, where an empty template has none (Observed: Mastercard/pkcs11-tools on
            // private keys of a device; which byte: Assumed).
            Some(_)
                if object.class().class == CKO_PRIVATE_KEY
                    && matches!(kind, CKA_UNWRAP_TEMPLATE | CKA_DERIVE_TEMPLATE) =>
            {
                Answer::Value(Value::Bytes(zeroize::Zeroizing::new(vec![0])))
            }
            Some(rule) if rule.form == crate::object::rules::Form::Template => {
                Answer::Value(Value::Template(Template::new()))
            }
            _ => Answer::Invalid,
        },
    }
}

/// Whether every attribute of a search template is there and equal. Secrets never match.
pub(super) fn matches(object: &Object, wanted: &Template) -> bool {
    wanted.0.iter().all(|attribute| match object.attributes().find(attribute.kind) {
        Some(own) => own == attribute && !object.hides(attribute.kind),
        None => seen::attribute(object, attribute.kind).is_some_and(|own| own == *attribute),
    })
}

/// What the store can look for by its indexes; the rest is looked at object by object.
fn query(wanted: &Template, include_private: bool) -> Query {
    let bytes = |kind| wanted.bytes(kind).map(<[u8]>::to_vec);
    Query {
        class: wanted.number(CKA_CLASS),
        key_type: wanted.number(CKA_KEY_TYPE),
        label: bytes(CKA_LABEL),
        id: bytes(CKA_ID),
        application: bytes(CKA_APPLICATION),
        ouid: wanted.bytes(CKA_OUID).and_then(|ouid| ouid.try_into().ok()),
        include_private,
    }
}

/// A private object, to who does not see private ones (code Assumed).
fn hidden(application: &Application) -> Error {
    match application.role() {
        None => Error::new(Cause::UserNotLoggedIn, "the object is private"),
        Some(_) => gone(),
    }
}

pub(super) fn gone() -> Error {
    Error::new(Cause::ObjectHandleInvalid, "the partition has no such object")
}

pub(super) fn expired(state: &State) -> Error {
    let rule = "the first credential of a role must be changed (HSM policy 21)";
    state.codes.credential_to_change.error(rule)
}
