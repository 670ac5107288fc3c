//! Objects of a partition: token objects in the store and its cache, session objects in memory.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::ck::*;
use crate::crypto::random;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::authorization;
use crate::hsm::partition::{Partition, State, done};
use crate::hsm::policies;
use crate::hsm::records;
use crate::hsm::rights::{self, Right};
use crate::hsm::session::{Application, Session};
use crate::hsm::store::{NewObject, Query, StoreError};
use crate::hsm::usage::Asks;
use crate::mechanisms::{Functions, Mechanism, broken, keys, seen};
use crate::object::build::{self, Circumstances};
use crate::object::held::Object;
use crate::object::rules::{Class, Origin};
use crate::object::{Answer, Attribute, Template, Value};
use crate::wire::{ApplicationId, Found, Ouid, Reply, Request};

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
}

impl Objects {
    pub(super) fn forget(&self, handles: &[u64]) {
        let mut token = self.token.write();
        for handle in handles {
            token.remove(handle);
        }
    }

    pub(super) fn forget_token_objects(&self) {
        self.token.write().clear();
    }

    pub(super) fn clear_session_objects(&self) {
        self.session.write().clear();
    }

    /// A session's objects go with it.
    pub(super) fn close_session(&self, session: SessionHandle) {
        self.session.write().retain(|_, held| held.owner.is_none_or(|(_, own)| own != session));
    }

    fn keep(&self, held: &Arc<Held>) {
        let mut token = self.token.write();
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
        self.objects.keep(&held);
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
        let token = wanted.flag(CKA_TOKEN);
        let private = application.sees_private();
        let mut found = Vec::new();
        if token != Some(false) {
            for handle in self.store.find(&self.serial, &query(wanted, private))? {
                // One that another process destroyed meanwhile is none to be found.
                match self.seen_by(application, ObjectHandle(handle)) {
                    Ok(held) if matches(&held.object, wanted) => found.push(held),
                    Err(error) if error.cause() != Cause::ObjectHandleInvalid => return Err(error),
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

    pub(super) fn circumstances(
        session: &Session,
        origin: Origin,
        mechanism: Option<&Mechanism>,
    ) -> Circumstances {
        let role = session.application.role();
        Circumstances {
            origin,
            logged_in: session.application.sees_private(),
            partition_so: role.is_some_and(Role::is_security_officer),
            mechanism: mechanism.map(|mechanism| mechanism.kind),
        }
    }

    fn create(&self, session: &Session, template: &Template) -> Result<Found> {
        let class = build::class_of(template, None)?;
        let how = Self::circumstances(session, Origin::Created, None);
        let mut attributes = build::complete(template, class, how)?;
        for attribute in keys::admit(class, &attributes)?.0 {
            attributes.set(attribute);
        }
        build::check_echoes(template, &attributes, class, Origin::Created)?;
        check_value_agrees(template, class, &attributes)?;
        self.add_all(session, vec![(class, attributes)])?.pop().ok_or_else(gone)
    }

    fn copy(&self, session: &Session, source: ObjectHandle, template: &Template) -> Result<Found> {
        let held = self.seen_by(&session.application, source)?;
        if !held.object.is(CKA_COPYABLE) {
            return Err(Error::new(Cause::ActionProhibited, "the object is not to be copied")
                .about(CKA_COPYABLE));
        }
        let so = session.application.role().is_some_and(Role::is_security_officer);
        let class = held.object.class();
        policies::check_change(&*self.current()?, class, template)?;
        let mut attributes = build::change(held.object.attributes(), class, template, true, so)?;
        attributes.remove(CKA_OUID);
        if held.private && attributes.flag(CKA_PRIVATE) != Some(true) {
            return Err(Error::new(Cause::TemplateInconsistent, "a private object stays private")
                .about(CKA_PRIVATE));
        }
        self.need_authorized(session, &held)?;
        self.add_whole(session, vec![(class, attributes)])?.pop().ok_or_else(gone)
    }

    fn generate_key(
        &self,
        session: &Session,
        mechanism: &Mechanism,
        template: &Template,
    ) -> Result<Found> {
        let state = self.current()?;
        let offer = state.offer(mechanism.kind)?;
        let generate = offer
            .row
            .generate
            .filter(|_| offer.functions.contains(Functions::GENERATE))
            .ok_or_else(|| wrong_function(mechanism))?;
        let makes = match offer.row.key {
            Some(_) => offer.row.makes(offer.row.product),
            // A mechanism that makes keys of any type leaves the type to the template.
            None => keys::secret::named(template)?,
        };
        let class = build::class_of(template, Some(makes))?;
        let how = Self::circumstances(session, Origin::Generated, Some(mechanism));
        let mut attributes = build::complete(template, class, how)?;
        self.may_add(session, class, &attributes)?;
        for attribute in generate(template, &mechanism.params, offer.limits(Functions::GENERATE))?.0
        {
            attributes.set(attribute);
        }
        self.add_all(session, vec![(class, attributes)])?.pop().ok_or_else(gone)
    }

    fn generate_key_pair(
        &self,
        session: &Session,
        mechanism: &Mechanism,
        public: &Template,
        private: &Template,
    ) -> Result<(Found, Found)> {
        let state = self.current()?;
        let offer = state.offer(mechanism.kind)?;
        let generate = offer
            .row
            .generate_pair
            .filter(|_| offer.functions.contains(Functions::GENERATE_PAIR))
            .ok_or_else(|| wrong_function(mechanism))?;
        let how = Self::circumstances(session, Origin::Generated, Some(mechanism));
        let mut halves = Vec::new();
        for (template, class) in [(public, CKO_PUBLIC_KEY), (private, CKO_PRIVATE_KEY)] {
            let class = build::class_of(template, Some(offer.row.makes(class)))?;
            let attributes = build::complete(template, class, how)?;
            self.may_add(session, class, &attributes)?;
            halves.push((class, attributes));
        }
        let limits = offer.limits(Functions::GENERATE_PAIR);
        let (public, private) = generate(public, private, &mechanism.params, limits)?;
        for ((_, attributes), made) in halves.iter_mut().zip([public, private]) {
            for attribute in made.0 {
                attributes.set(attribute);
            }
        }
        match self.add_all(session, halves)?.as_slice() {
            [public, private] => Ok((*public, *private)),
            _ => Err(gone()),
        }
    }

    /// Whether the session may have such an object made.
    pub(super) fn may_add(
        &self,
        session: &Session,
        class: Class,
        attributes: &Template,
    ) -> Result<()> {
        let private = attributes.flag(CKA_PRIVATE).unwrap_or(false);
        policies::check_purposes(&*self.current()?, class, attributes)?;
        self.need_writable(session, attributes)?;
        self.need_state_for(session, class, private, Right::Make)?;
        self.need_key_management(class)
    }

    fn need_writable(&self, session: &Session, attributes: &Template) -> Result<()> {
        if attributes.flag(CKA_TOKEN) == Some(true) && !session.read_write {
            return Err(Error::new(
                Cause::SessionReadOnly,
                "token objects want a read-write session",
            ));
        }
        Ok(())
    }

    /// Policy 28. Cloning into a partition for using keys only still adds them (Documented).
    fn need_key_management(&self, class: Class) -> Result<()> {
        const POLICY_KEY_MANAGEMENT: u32 = 28;
        let state = self.current()?;
        if class.is_key() && !state.allows(POLICY_KEY_MANAGEMENT) {
            return Err(state
                .codes
                .key_management_off
                .error("the partition is for using keys only")
                .by_policy(POLICY_KEY_MANAGEMENT));
        }
        Ok(())
    }

    fn need_state_for(
        &self,
        session: &Session,
        class: Class,
        private: bool,
        guarded: Right,
    ) -> Result<()> {
        let state = self.current()?;
        state.need_initialized()?;
        state.need_operational()?;
        let role = session.application.role();
        let right = if private || class.is_guarded() { guarded } else { Right::ManagePublic };
        rights::check(role, right)?;
        if let Some(login) = session.application.login()
            && login.must_change
            && class.is_key()
        {
            return Err(expired(&state));
        }
        Ok(())
    }

    /// Adds objects, all or none: to the store, or to the session.
    pub(super) fn add_all(
        &self,
        session: &Session,
        mut objects: Vec<(Class, Template)>,
    ) -> Result<Vec<Found>> {
        for (class, attributes) in &mut objects {
            self.guard_key(session, *class, attributes)?;
        }
        self.add_whole(session, objects)
    }

    /// As [`Partition::add_all`], for objects that have all that is theirs.
    fn add_whole(&self, session: &Session, objects: Vec<(Class, Template)>) -> Result<Vec<Found>> {
        let mut records = Vec::new();
        for (class, attributes) in &objects {
            self.may_add(session, *class, attributes)?;
            if attributes.flag(CKA_TOKEN) == Some(true) {
                records.push(self.record(session, attributes)?);
            }
        }
        let mut stored = self.store_all(&records)?.into_iter();
        let mut added = Vec::new();
        for (class, attributes) in objects {
            added.push(if attributes.flag(CKA_TOKEN) == Some(true) {
                stored.next().ok_or_else(gone)?
            } else {
                self.add_session_object(session, class, attributes)?
            });
        }
        Ok(added)
    }

    /// Adds a copy of what another partition has, unless it was destroyed here after the generation.
    ///
    /// # Errors
    /// As [`Partition::may_add`]; `ObjectHandleInvalid` when it was destroyed.
    pub(super) fn add_copy(
        &self,
        session: &Session,
        class: Class,
        attributes: Template,
        unless_destroyed_since: Option<u64>,
    ) -> Result<Found> {
        let private = attributes.flag(CKA_PRIVATE).unwrap_or(false);
        self.need_writable(session, &attributes)?;
        self.need_state_for(session, class, private, Right::Make)?;
        if attributes.flag(CKA_TOKEN) != Some(true) {
            return self.add_session_object(session, class, attributes);
        }
        let record = self.record(session, &attributes)?;
        self.store_all(&[NewObject { unless_destroyed_since, ..record }])?.pop().ok_or_else(gone)
    }

    fn record(&self, session: &Session, attributes: &Template) -> Result<NewObject> {
        let private = attributes.flag(CKA_PRIVATE).unwrap_or(false);
        let ouid = attributes.bytes(CKA_OUID).and_then(|ouid| ouid.try_into().ok());
        self.with_key(&session.application, private, |key| {
            records::new_record(attributes, key, ouid)
        })
    }

    fn store_all(&self, records: &[NewObject]) -> Result<Vec<Found>> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let usage = self.store.count(&self.serial)?;
        let used = usage.bytes;
        let wanted: u64 = records
            .iter()
            .map(|record| (record.attributes.len() + record.secret.len()) as u64)
            .sum();
        let total = self.current()?.bytes(&self.profile);
        if used.saturating_add(wanted) > total {
            let what = format!("{used} of {total} bytes are used, {wanted} more are wanted");
            return Err(self.profile.codes.storage_full.error(what));
        }
        let most = self.profile.limits.max_objects;
        if most > 0 && usage.objects.saturating_add(records.len() as u64) > most {
            let what = format!("the partition holds {} of {most} objects", usage.objects);
            return Err(self.profile.codes.objects_full.error(what));
        }
        let fresh = RefCell::new(Vec::new());
        let handles = self.store.insert_objects(&self.serial, records, &|counter| {
            let ouid = new_ouid(&self.serial, counter);
            fresh.borrow_mut().push(ouid);
            ouid
        })?;
        let mut fresh = fresh.into_inner().into_iter();
        let ouids = records.iter().filter_map(|record| record.ouid.or_else(|| fresh.next()));
        Ok(handles
            .into_iter()
            .zip(ouids)
            .map(|(handle, ouid)| Found { handle: ObjectHandle(handle), ouid, token: true })
            .collect())
    }

    fn add_session_object(
        &self,
        session: &Session,
        class: Class,
        mut attributes: Template,
    ) -> Result<Found> {
        let handle = SESSION_OBJECTS + self.objects.next_session.fetch_add(1, Ordering::Relaxed);
        let ouid: Ouid = match attributes.bytes(CKA_OUID).map(TryInto::try_into) {
            Some(Ok(ouid)) => ouid,
            _ => {
                let bytes = random::bytes(size_of::<Ouid>()).map_err(broken)?;
                bytes.as_slice().try_into().map_err(|_| gone())?
            }
        };
        attributes.set(Attribute::bytes(CKA_OUID, ouid.to_vec()));
        let owner = Some((session.application.id, session.handle));
        let held = Held::new((ObjectHandle(handle), ouid), owner, 0, class, attributes);
        let found = held.found();
        session.made_objects.store(true, Ordering::Release);
        self.objects.session.write().insert(handle, Arc::new(held));
        Ok(found)
    }

    pub(super) fn may_change(&self, session: &Session, held: &Held) -> Result<()> {
        if held.owner.is_none() && !session.read_write {
            return Err(Error::new(
                Cause::SessionReadOnly,
                "token objects want a read-write session",
            ));
        }
        let class = held.object.class();
        if class.is_guarded()
            && held.object.is(CKA_ASSIGNED)
            && session.application.role() == Some(Role::LimitedCryptoOfficer)
        {
            return Err(Error::new(
                Cause::UserNotAuthorized,
                "the Limited Crypto Officer changes no assigned key",
            )
            .about(CKA_ASSIGNED));
        }
        self.need_state_for(session, class, held.private, Right::Change)?;
        self.need_key_management(class)
    }

    pub(super) fn destroy(&self, session: &Session, handle: ObjectHandle) -> Result<()> {
        let held = self.seen_by(&session.application, handle)?;
        self.may_change(session, &held)?;
        if !held.object.is(CKA_DESTROYABLE) {
            return Err(Error::new(Cause::ActionProhibited, "the object is not to be destroyed")
                .about(CKA_DESTROYABLE));
        }
        if held.owner.is_some() {
            self.objects.session.write().remove(&handle.0);
            self.touch();
            return Ok(());
        }
        if !self.store.delete_object(handle.0)? {
            return Err(gone());
        }
        self.objects.forget(&[handle.0]);
        self.touch();
        Ok(())
    }

    fn set_attributes(
        &self,
        session: &Session,
        handle: ObjectHandle,
        template: &Template,
    ) -> Result<()> {
        let so = session.application.role().is_some_and(Role::is_security_officer);
        self.rewrite(&session.application, handle, &|held| {
            if !(so && trusts(held, template)) {
                self.may_change(session, held)?;
            }
            if !held.object.is(CKA_MODIFIABLE) {
                return Err(Error::new(Cause::ActionProhibited, "the object is not to be changed")
                    .about(CKA_MODIFIABLE));
            }
            authorization::check_modifiable(held)?;
            let (class, state) = (held.object.class(), self.current()?);
            policies::check_change(&state, class, template)?;
            let changed = build::change(held.object.attributes(), class, template, false, so)?;
            policies::check_purposes(&state, class, &changed)?;
            Ok(changed)
        })
    }

    /// Gives an object other attributes; `change` sees it as it is, again when somebody else changed
    /// it meanwhile, and nothing happens when it refuses.
    pub(super) fn rewrite(
        &self,
        application: &Application,
        handle: ObjectHandle,
        change: &dyn Fn(&Held) -> Result<Template>,
    ) -> Result<()> {
        loop {
            let held = self.seen_by(application, handle)?;
            let attributes = change(&held)?;
            if held.owner.is_some() {
                let class = held.object.class();
                let fresh = Held::new((handle, held.ouid), held.owner, 0, class, attributes);
                let mut session = self.objects.session.write();
                match session.get_mut(&handle.0) {
                    Some(now) if Arc::ptr_eq(now, &held) => {
                        *now = Arc::new(fresh);
                        self.touch();
                        return Ok(());
                    }
                    Some(_) => continue,
                    None => return Err(gone()),
                }
            }
            let update =
                self.with_key(application, held.private, |key| records::update(&attributes, key))?;
            let outcome = self.store.update_object(handle.0, held.generation, &update);
            self.objects.forget(&[handle.0]);
            self.touch();
            match outcome {
                // Another process changed it meanwhile: look again, by its rules as they are now.
                Err(StoreError::Conflict { .. }) => {}
                other => return other.map(drop).map_err(Error::from),
            }
        }
    }
}

/// Whether a change says no more than that the Partition SO trusts the object or does not. It is his
/// only right over objects, and over public ones, which alone he sees.
///
/// Source: PKCS#11 v2.40 section 4.2 table 10 note 10.
fn trusts(held: &Held, template: &Template) -> bool {
    !held.private && matches!(template.0.as_slice(), [only] if only.kind == CKA_TRUSTED)
}

/// # Errors
/// `AttributeValueInvalid` for a check value that is another key's.
///
/// Source: PKCS#11 v2.40 section 4.10, `CKA_CHECK_VALUE`.
pub(super) fn check_value_agrees(
    template: &Template,
    class: Class,
    attributes: &Template,
) -> Result<()> {
    let Some(given) = template.find(CKA_CHECK_VALUE) else { return Ok(()) };
    if class.class == CKO_SECRET_KEY
        && !seen::agrees(&Object::new(class, attributes.clone()), given)
    {
        return Err(Error::new(Cause::AttributeValueInvalid, "the key itself says otherwise")
            .about(CKA_CHECK_VALUE));
    }
    Ok(())
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

/// A counter, then bytes that tell the HSM: the shape of the identifiers the guide prints. Two
/// partitions never make the same one.
///
/// Source: the guide's `partition contents` (Documented); the meaning of its parts Assumed.
fn new_ouid(serial: &str, counter: u64) -> Ouid {
    let counter = u32::try_from(counter & u64::from(u32::MAX)).unwrap_or(0).to_le_bytes();
    let mut ouid = [0; 12];
    let serial = serial.parse::<u64>().unwrap_or(0).to_le_bytes();
    let parts = counter.into_iter().chain(serial);
    for (byte, part) in ouid.iter_mut().zip(parts) {
        *byte = part;
    }
    ouid
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

fn wrong_function(mechanism: &Mechanism) -> Error {
    Error::new(
        Cause::MechanismInvalid,
        format!("{} does not make keys so here", names::ckm(mechanism.kind)),
    )
}
