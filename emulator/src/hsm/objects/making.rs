//! Objects that are made: created, copied, generated, and given a place.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Held, SESSION_OBJECTS, expired, gone};
use crate::ck::*;
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::hsm::partition::Partition;
use crate::hsm::policies;
use crate::hsm::records;
use crate::hsm::rights::{self, Right};
use crate::hsm::session::Session;
use crate::hsm::store::NewObject;
use crate::mechanisms::{Functions, Mechanism, broken, keys, seen};
use crate::object::build::{self, Circumstances};
use crate::object::held::Object;
use crate::object::rules::{Class, Origin};
use crate::object::{Attribute, Template};
use crate::wire::{Found, Ouid};

impl Partition {
    pub(in crate::hsm) fn circumstances(
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

    pub(super) fn create(&self, session: &Session, template: &Template) -> Result<Found> {
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

    pub(super) fn copy(
        &self,
        session: &Session,
        source: ObjectHandle,
        template: &Template,
    ) -> Result<Found> {
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

    pub(super) fn generate_key(
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

    pub(super) fn generate_key_pair(
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
    pub(in crate::hsm) fn may_add(
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

    pub(super) fn need_writable(&self, session: &Session, attributes: &Template) -> Result<()> {
        if attributes.flag(CKA_TOKEN) == Some(true) && !session.read_write {
            return Err(Error::new(
                Cause::SessionReadOnly,
                "token objects want a read-write session",
            ));
        }
        Ok(())
    }

    /// Policy 28. Cloning into a partition for using keys only still adds them (Documented).
    pub(super) fn need_key_management(&self, class: Class) -> Result<()> {
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

    pub(super) fn need_state_for(
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
    pub(in crate::hsm) fn add_all(
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
    pub(super) fn add_whole(
        &self,
        session: &Session,
        objects: Vec<(Class, Template)>,
    ) -> Result<Vec<Found>> {
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
    pub(in crate::hsm) fn add_copy(
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

    pub(super) fn record(&self, session: &Session, attributes: &Template) -> Result<NewObject> {
        let private = attributes.flag(CKA_PRIVATE).unwrap_or(false);
        let ouid = attributes.bytes(CKA_OUID).and_then(|ouid| ouid.try_into().ok());
        self.with_key(&session.application, private, |key| {
            records::new_record(attributes, key, ouid)
        })
    }

    pub(super) fn store_all(&self, records: &[NewObject]) -> Result<Vec<Found>> {
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

    pub(super) fn add_session_object(
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
        let mut objects = self.objects.session.write();
        // A logout takes the role away and then, under this lock, what was its; so does who closes the session. Since
        // either may have happened after this call was let in, what came too late is not left behind.
        if held.private && !session.application.sees_private() {
            return Err(Error::new(Cause::UserNotLoggedIn, "the object is private"));
        }
        if session.closed.load(Ordering::Acquire) {
            return Err(Error::new(
                Cause::SessionHandleInvalid,
                "the session was closed meanwhile",
            ));
        }
        objects.insert(handle, Arc::new(held));
        Ok(found)
    }
}

/// # Errors
/// `AttributeValueInvalid` for a check value that is another key's.
///
/// Source: PKCS#11 v2.40 section 4.10, `CKA_CHECK_VALUE`.
pub(in crate::hsm) fn check_value_agrees(
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

fn wrong_function(mechanism: &Mechanism) -> Error {
    Error::new(
        Cause::MechanismInvalid,
        format!("{} does not make keys so here", names::ckm(mechanism.kind)),
    )
}
