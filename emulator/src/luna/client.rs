//! The client: everything an application asks, put to the tokens behind its slots.

mod applications;
mod hybrid;
mod journeys;
mod keys;
mod places;

pub use self::journeys::Migration;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::ck::*;
use crate::env::Clock;
use crate::error::{Cause, Error, Result};
use crate::luna::config::{ClientConfig, Presentation};
use crate::luna::ha::Group;
use crate::luna::log::Log;
use crate::luna::session::{AppSessions, Open, Search};
use crate::luna::slots::{self, Slot, Token, alone};
use crate::mechanisms::Mechanism;
use crate::object::{Answer, Attribute, Template};
use crate::output::{Output, Room};
use crate::wire::{
    Administered, Administration, ApplicationId, Counting, Description, Link, Ouid, Pin, Reply,
    Request, RoleState,
};

/// The client half of the library.
pub struct Client {
    config: ClientConfig,
    slots: Vec<Arc<Slot>>,
    sessions: AppSessions,
    application: Mutex<ApplicationId>,
    domain: Mutex<Option<Pin>>,
}

const NONE: SessionHandle = SessionHandle(0);

impl Client {
    /// A client over the links of its partitions, in the order of the configuration. A group's
    /// member that no link reaches is a member that is down.
    pub fn new(
        config: ClientConfig,
        partitions: &[Arc<dyn Link>],
        missing: &dyn Fn(&str) -> Arc<dyn Link>,
        application: ApplicationId,
        clock: &Arc<dyn Clock>,
        log: &Log,
    ) -> Self {
        let groups: Vec<Arc<Group>> = config
            .groups
            .iter()
            .map(|entry| {
                let links = entry.members.iter().map(|serial| {
                    let known = partitions.iter().find(|link| link.serial() == serial);
                    known.map_or_else(|| missing(serial), Arc::clone)
                });
                let (clock, log) = (Arc::clone(clock), log.clone());
                let group = Group::new(entry, links.collect(), config.recovery, clock, log);
                Arc::new(group.leaving(&config.probing))
            })
            .collect();
        let slots = slots::lay_out(&config, partitions, &groups);
        Self {
            config,
            slots,
            sessions: AppSessions::default(),
            application: Mutex::new(application),
            domain: Mutex::new(None),
        }
    }

    /// The same client with more slots behind the others, and whether each is an admin partition's.
    /// With `HAOnly` there are none.
    #[must_use]
    pub fn with_further(mut self, links: Vec<(Arc<dyn Link>, bool)>) -> Self {
        if !self.config.ha_only {
            let ids = self.slots.len() as u64..;
            self.slots.extend(links.into_iter().zip(ids).map(|((link, is_admin), id)| {
                Arc::new(Slot { id: SlotId(id), token: Token::Partition(link), is_admin })
            }));
        }
        self
    }

    /// Administers the HSM from a slot.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`, `FunctionNotSupported` on a group.
    pub fn administer_slot(&self, id: SlotId, what: &Administration) -> Result<Administered> {
        let link = self.slot(id)?.partition()?;
        let reply = link.call(&Request::Administer(NONE, Cow::Borrowed(what)));
        administered(
            reply
                .map_err(|fault| alone(fault).recast(Cause::DeviceError, Cause::TokenNotPresent))?,
        )
    }

    /// Administers the HSM in a session.
    ///
    /// # Errors
    /// `SessionHandleInvalid`, `FunctionNotSupported` on a group, those of the role.
    pub fn administer(
        &self,
        session: SessionHandle,
        what: &Administration,
    ) -> Result<Administered> {
        let session = self.session(session)?;
        session.slot.partition()?;
        administered(session.call(&Request::Administer(NONE, Cow::Borrowed(what)))?)
    }

    /// As [`Client::administer`], in some session of a slot: for calls that name a slot and want an
    /// authority.
    ///
    /// # Errors
    /// `UserNotLoggedIn` without any.
    pub fn administer_in_any(&self, id: SlotId, what: &Administration) -> Result<Administered> {
        self.slot(id)?.partition()?;
        let session = self
            .sessions
            .any_of(id)
            .ok_or_else(|| Error::new(Cause::UserNotLoggedIn, "no session is open on the slot"))?;
        administered(session.call(&Request::Administer(NONE, Cow::Borrowed(what)))?)
    }

    /// The slot of a session.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn slot_of(&self, session: SessionHandle) -> Result<&Arc<Slot>> {
        let id = self.session(session)?.slot.id;
        self.slot(id)
    }

    /// Every slot.
    pub fn all_slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    /// The cloning domain for what is initialised next.
    pub fn cloning_domain(&self) -> Option<Pin> {
        self.domain.lock().clone()
    }

    /// The slots, or those with a token in them.
    pub fn slots(&self, token_present: bool) -> Vec<SlotId> {
        let slots = self.slots.iter().filter(|slot| !token_present || slot.is_present());
        slots.map(|slot| slot.id).collect()
    }

    /// # Errors
    /// `SlotIdInvalid`.
    pub fn slot(&self, id: SlotId) -> Result<&Arc<Slot>> {
        self.slots
            .iter()
            .find(|slot| slot.id == id)
            .ok_or_else(|| Error::new(Cause::SlotIdInvalid, format!("there is no slot {id}")))
    }

    /// What a token says of itself, with this application's sessions, and with the mechanisms that
    /// the configuration puts back.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn describe(&self, id: SlotId) -> Result<Description> {
        let mut description = self.slot(id)?.describe()?;
        description.sessions = self.sessions.count(id);
        for (asked, runs) in self.remaps() {
            let mechanisms = &mut description.mechanisms;
            let has = |wanted| mechanisms.iter().find(|(kind, ..)| *kind == wanted).copied();
            if let (None, Some((_, min, max, flags))) = (has(asked), has(runs)) {
                mechanisms.insert(0, (asked, min, max, flags));
            }
        }
        Ok(description)
    }

    /// What the configuration runs in place of a mechanism that a token does not offer.
    ///
    /// Source: chrystoki-conf.md, RSAKeyGenMechRemap, RSAPre1863KeyGenMechRemap (Documented).
    fn remaps(&self) -> impl Iterator<Item = (CK_MECHANISM_TYPE, CK_MECHANISM_TYPE)> + '_ {
        let config = &self.config;
        let newer = REMAPPED.iter().filter(|_| config.remap_rsa_generation).copied();
        let older = REMAPPED.iter().filter(|_| config.remap_pre_186_3_generation);
        newer.chain(older.map(|(old, new)| (*new, *old)))
    }

    /// How slots and tokens are shown.
    pub fn presentation(&self) -> &Presentation {
        &self.config.presentation
    }

    /// # Errors
    /// `SessionHandleInvalid`.
    pub(super) fn session(&self, handle: SessionHandle) -> Result<Open> {
        self.sessions.find(handle)
    }

    /// Whether the application has such a session.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn need_session(&self, handle: SessionHandle) -> Result<()> {
        self.session(handle).map(drop)
    }

    /// `C_InitToken`.
    ///
    /// # Errors
    /// `SessionExists`, `PinIncorrect`, `FunctionNotSupported` on a group.
    pub fn init_token(&self, id: SlotId, pin: &Pin, label: &str) -> Result<()> {
        let link = self.slot(id)?.partition()?;
        // Where there is no security officer yet, a session opened for him does not stand in the way: the
        // vendor's tests open one before C_InitToken (abi.md section 7, Documented).
        let mut open = self.sessions.count(id).0;
        if open > 0
            && self.sessions.of_users(id) == 0
            && self.describe(id)?.flags & CKF_TOKEN_INITIALIZED == 0
        {
            open = 0;
        }
        if open > 0 {
            return Err(Error::new(Cause::SessionExists, "a session is open on the slot"));
        }
        let domain = self.domain.lock().clone();
        let request = Request::InitToken { pin: pin.clone(), label: label.to_owned(), domain };
        link.call(&request).map(drop).map_err(alone)
    }

    /// `CA_SetCloningDomain`: for the next `C_InitToken`.
    pub fn set_cloning_domain(&self, domain: &[u8]) {
        *self.domain.lock() = Some(Pin::new(domain));
    }

    /// `CA_SetApplicationID`: for sessions opened from now on.
    pub fn set_application_id(&self, id: ApplicationId) {
        *self.application.lock() = id;
    }

    /// `CA_RoleStateGet`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `FunctionNotSupported` on a group.
    pub fn role_state(&self, id: SlotId, role: Role) -> Result<RoleState> {
        match self.slot(id)?.partition()?.call(&Request::RoleState(role)).map_err(alone)? {
            Reply::RoleState(state) => Ok(state),
            _ => Err(strange()),
        }
    }

    /// `C_OpenSession`.
    ///
    /// # Errors
    /// `SessionParallelNotSupported`, `TokenNotPresent`, `SessionCount`.
    pub fn open_session(&self, id: SlotId, flags: CK_FLAGS) -> Result<SessionHandle> {
        let slot = self.slot(id)?;
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(Error::new(
                Cause::SessionParallelNotSupported,
                "CKF_SERIAL_SESSION must be set",
            ));
        }
        let application = *self.application.lock();
        self.sessions.open(slot, application, flags)
    }

    /// `C_CloseSession`.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn close_session(&self, session: SessionHandle) -> Result<()> {
        self.sessions.close(session)
    }

    /// `C_CloseAllSessions`; every slot's when the library is finalised.
    ///
    /// # Errors
    /// `SlotIdInvalid`.
    pub fn close_all_sessions(&self, id: Option<SlotId>) -> Result<()> {
        if let Some(id) = id {
            self.slot(id)?;
        }
        self.sessions.close_all(id);
        Ok(())
    }

    /// Slot, state and flags of a session.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn session_info(&self, handle: SessionHandle) -> Result<(SlotId, CK_STATE, CK_FLAGS)> {
        let session = self.session(handle)?;
        match session.call(&Request::SessionState(NONE))? {
            Reply::State(state) => Ok((session.slot.id, state, session.flags)),
            _ => Err(strange()),
        }
    }

    /// `C_Login`.
    ///
    /// # Errors
    /// `PinIncorrect`, `PinLocked`, `UserAlreadyLoggedIn` and the others of roles.md section 5.
    pub fn login(&self, session: SessionHandle, role: Role, pin: Pin) -> Result<()> {
        self.session(session)?.call(&Request::Login(NONE, role, pin)).map(drop)
    }

    /// `C_Logout`: ends what is active in the sessions of the slot.
    ///
    /// # Errors
    /// `UserNotLoggedIn`.
    pub fn logout(&self, session: SessionHandle) -> Result<()> {
        let session = self.session(session)?;
        session.call(&Request::Logout(NONE))?;
        self.sessions.end_key_operations(session.slot.id);
        Ok(())
    }

    /// `C_InitPIN`, `CA_InitRolePIN`.
    ///
    /// # Errors
    /// `UserNotAuthorized`, `PinLenRange`.
    pub fn init_pin(&self, session: SessionHandle, role: Role, pin: Pin) -> Result<()> {
        self.session(session)?.call(&Request::InitPin(NONE, role, pin)).map(drop)
    }

    /// `C_SetPIN`.
    ///
    /// # Errors
    /// `PinIncorrect`, `PinLenRange`, `SessionReadOnly`.
    pub fn set_pin(&self, session: SessionHandle, old: Pin, new: Pin) -> Result<()> {
        self.session(session)?.call(&Request::SetPin { session: NONE, old, new }).map(drop)
    }

    /// `CA_SetTokenPolicies`.
    ///
    /// # Errors
    /// `SlotIdInvalid` for another slot than the session's (Assumed); `FunctionNotSupported` on a
    /// group; those of the role and of the policies.
    pub fn set_token_policies(
        &self,
        session: SessionHandle,
        slot: SlotId,
        changes: &[(u64, u64)],
    ) -> Result<()> {
        let session = self.session(session)?;
        if session.slot.id != slot {
            return Err(Error::new(Cause::SlotIdInvalid, "the session is on another slot"));
        }
        session.call(&Request::SetPolicies(NONE, Cow::Borrowed(changes))).map(drop)
    }

    /// `CA_ResetPIN`: the Partition SO gives the Crypto Officer a new credential.
    ///
    /// # Errors
    /// `UserPinNotInitialized` where there is none yet (Assumed), and those of
    /// [`Client::init_pin`].
    pub fn reset_pin(&self, session: SessionHandle, pin: Pin) -> Result<()> {
        let session = self.session(session)?;
        if !self.role_state(session.slot.id, Role::CryptoOfficer)?.initialized {
            return Err(Error::new(
                Cause::UserPinNotInitialized,
                "the Crypto Officer has no credential yet",
            ));
        }
        session.call(&Request::InitPin(NONE, Role::CryptoOfficer, pin)).map(drop)
    }

    /// `C_CreateObject`.
    ///
    /// # Errors
    /// Those of the template and of the role.
    pub fn create(&self, session: SessionHandle, template: &Template) -> Result<ObjectHandle> {
        self.make(session, &Request::Create(NONE, Cow::Borrowed(template)))
    }

    /// `C_CopyObject`.
    ///
    /// # Errors
    /// Those of the template and of the role.
    pub fn copy(
        &self,
        session: SessionHandle,
        source: ObjectHandle,
        template: &Template,
    ) -> Result<ObjectHandle> {
        self.make(session, &Request::Copy(NONE, source, Cow::Borrowed(template)))
    }

    /// `C_GenerateKey`.
    ///
    /// # Errors
    /// Those of mechanism, template and role.
    pub fn generate_key(
        &self,
        session: SessionHandle,
        mechanism: &Mechanism,
        template: &Template,
    ) -> Result<ObjectHandle> {
        let request = Request::GenerateKey(NONE, Cow::Borrowed(mechanism), Cow::Borrowed(template));
        self.make(session, &request)
    }

    /// `C_WrapKey`.
    ///
    /// # Errors
    /// `KeyUnextractable`, `KeyNotWrappable`, those of the wrapping key.
    pub fn wrap(
        &self,
        session: SessionHandle,
        mechanism: &Mechanism,
        wrapping: ObjectHandle,
        key: ObjectHandle,
        room: Room,
    ) -> Result<Output> {
        let mechanism = Cow::Borrowed(mechanism);
        match self.session(session)?.call(&Request::Wrap(NONE, mechanism, wrapping, key, room))? {
            Reply::Output(output) => Ok(output),
            _ => Err(strange()),
        }
    }

    /// `C_UnwrapKey`.
    ///
    /// # Errors
    /// `WrappedKeyInvalid`, those of the template and of the unwrapping key.
    pub fn unwrap(
        &self,
        session: SessionHandle,
        mechanism: &Mechanism,
        unwrapping: ObjectHandle,
        wrapped: &[u8],
        template: &Template,
    ) -> Result<ObjectHandle> {
        let (mechanism, template) = (Cow::Borrowed(mechanism), Cow::Borrowed(template));
        let wrapped = Cow::Borrowed(wrapped);
        self.make(session, &Request::Unwrap(NONE, mechanism, unwrapping, wrapped, template))
    }

    /// `C_DeriveKey`: the keys, one but for mechanisms that make several, and what is told beside
    /// them.
    ///
    /// # Errors
    /// Those of mechanism and template.
    pub fn derive(
        &self,
        session: SessionHandle,
        mechanism: &Mechanism,
        base: ObjectHandle,
        template: &Template,
    ) -> Result<(Vec<ObjectHandle>, Vec<Vec<u8>>)> {
        let (mechanism, template) = (Cow::Borrowed(mechanism), Cow::Borrowed(template));
        let request = Request::Derive(NONE, mechanism, base, template);
        match self.session(session)?.call(&request)? {
            Reply::Object(found) => Ok((vec![found.handle], Vec::new())),
            Reply::Derived(keys, told) => {
                Ok((keys.into_iter().map(|found| found.handle).collect(), told))
            }
            _ => Err(strange()),
        }
    }

    /// `CA_EncapsulateKey`: the ciphertext, and the key where there was room for it.
    ///
    /// # Errors
    /// Those of mechanism, key and template.
    pub fn encapsulate(
        &self,
        session: SessionHandle,
        mechanism: &Mechanism,
        key: ObjectHandle,
        template: &Template,
        room: Room,
    ) -> Result<(Output, Option<ObjectHandle>)> {
        let (mechanism, template) = (Cow::Borrowed(mechanism), Cow::Borrowed(template));
        let request = Request::Encapsulate(NONE, mechanism, key, template, room);
        match self.session(session)?.call(&request)? {
            Reply::Encapsulated(output, found) => Ok((output, found.map(|found| found.handle))),
            _ => Err(strange()),
        }
    }

    /// `CA_DecapsulateKey`.
    ///
    /// # Errors
    /// Those of mechanism, key and template; `WrappedKeyLenRange`.
    pub fn decapsulate(
        &self,
        session: SessionHandle,
        mechanism: &Mechanism,
        key: ObjectHandle,
        ciphertext: &[u8],
        template: &Template,
    ) -> Result<ObjectHandle> {
        let (mechanism, template) = (Cow::Borrowed(mechanism), Cow::Borrowed(template));
        let ciphertext = Cow::Borrowed(ciphertext);
        self.make(session, &Request::Decapsulate(NONE, mechanism, key, ciphertext, template))
    }

    fn make(&self, session: SessionHandle, request: &Request<'_>) -> Result<ObjectHandle> {
        match self.session(session)?.call(request)? {
            Reply::Object(found) => Ok(found.handle),
            _ => Err(strange()),
        }
    }

    /// `C_GenerateKeyPair`: public, private.
    ///
    /// # Errors
    /// Those of mechanism, templates and role.
    pub fn generate_key_pair(
        &self,
        session: SessionHandle,
        mechanism: &Mechanism,
        public: &Template,
        private: &Template,
    ) -> Result<(ObjectHandle, ObjectHandle)> {
        let session = self.session(session)?;
        let ask = |mechanism: &Mechanism| {
            session.call(&Request::GenerateKeyPair(
                NONE,
                Cow::Borrowed(mechanism),
                Cow::Borrowed(public),
                Cow::Borrowed(private),
            ))
        };
        let mut reply = ask(mechanism);
        if reply.is_err()
            && let Some((_, runs)) = self.remaps().find(|(asked, _)| *asked == mechanism.kind)
            && !session.slot.describe()?.mechanisms.iter().any(|(kind, ..)| *kind == mechanism.kind)
        {
            let params = mechanism.params.clone();
            reply = ask(&Mechanism { kind: runs, params });
        }
        match reply? {
            Reply::Pair(public, private) => Ok((public.handle, private.handle)),
            _ => Err(strange()),
        }
    }

    /// `C_DestroyObject`.
    ///
    /// # Errors
    /// `ObjectHandleInvalid`, those of the role.
    pub fn destroy(&self, session: SessionHandle, object: ObjectHandle) -> Result<()> {
        self.session(session)?.call(&Request::Destroy(NONE, object)).map(drop)
    }

    /// `C_GetObjectSize`, in bytes.
    ///
    /// # Errors
    /// `ObjectHandleInvalid`.
    pub fn object_size(&self, session: SessionHandle, object: ObjectHandle) -> Result<u64> {
        match self.session(session)?.call(&Request::ObjectSize(NONE, object))? {
            Reply::Size(size) => Ok(size),
            _ => Err(strange()),
        }
    }

    /// `C_GetAttributeValue`.
    ///
    /// # Errors
    /// `ObjectHandleInvalid`.
    pub fn attributes(
        &self,
        session: SessionHandle,
        object: ObjectHandle,
        kinds: &[CK_ATTRIBUTE_TYPE],
    ) -> Result<Vec<Answer>> {
        let request = Request::Attributes(NONE, object, Cow::Borrowed(kinds));
        match self.session(session)?.call(&request)? {
            Reply::Answers(answers) => Ok(answers),
            _ => Err(strange()),
        }
    }

    /// `C_SetAttributeValue`.
    ///
    /// # Errors
    /// `AttributeReadOnly` and those of the template and the role.
    pub fn set_attributes(
        &self,
        session: SessionHandle,
        object: ObjectHandle,
        template: &Template,
    ) -> Result<()> {
        let request = Request::SetAttributes(NONE, object, Cow::Borrowed(template));
        self.session(session)?.call(&request).map(drop)
    }

    /// `CA_ModifyUsageCount`.
    ///
    /// # Errors
    /// `KeyHandleInvalid`, those of the role.
    pub fn modify_usage_count(
        &self,
        session: SessionHandle,
        key: ObjectHandle,
        counting: Counting,
    ) -> Result<()> {
        self.session(session)?
            .call(&Request::Count(NONE, key, counting))
            .map(drop)
            .map_err(|error| error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid))
    }

    /// `C_FindObjectsInit`: what there is is found now.
    ///
    /// # Errors
    /// `OperationActive`.
    pub fn find_init(&self, session: SessionHandle, template: &Template) -> Result<()> {
        let session = self.session(session)?;
        if session.search.lock().is_some() {
            return Err(Error::new(Cause::OperationActive, "a search is active"));
        }
        match session.call(&Request::Find(NONE, Cow::Borrowed(template)))? {
            Reply::Objects(found) => {
                let found: Vec<_> = found.into_iter().map(|found| found.handle).collect();
                *session.search.lock() = Some(Search { found: found.into_iter() });
                Ok(())
            }
            _ => Err(strange()),
        }
    }

    /// `C_FindObjects`: at most so many.
    ///
    /// # Errors
    /// `OperationNotInitialized`.
    pub fn find(&self, session: SessionHandle, most: usize) -> Result<Vec<ObjectHandle>> {
        let session = self.session(session)?;
        let mut search = session.search.lock();
        let search = search.as_mut().ok_or_else(no_search)?;
        Ok(search.found.by_ref().take(most).collect())
    }

    /// `C_FindObjectsFinal`.
    ///
    /// # Errors
    /// `OperationNotInitialized`.
    pub fn find_final(&self, session: SessionHandle) -> Result<()> {
        let session = self.session(session)?;
        let ended = session.search.lock().take();
        ended.map(drop).ok_or_else(no_search)
    }

    /// `C_GenerateRandom`: fills `out`.
    ///
    /// # Errors
    /// `DataLenRange`.
    pub fn random(&self, session: SessionHandle, out: &mut [u8]) -> Result<()> {
        let wanted = Request::Random(NONE, out.len());
        match self.session(session)?.call_into(&wanted, Some(out))? {
            Reply::Output(Output::Placed(len)) if len == out.len() => Ok(()),
            Reply::Bytes(bytes) if bytes.len() == out.len() => {
                out.copy_from_slice(&bytes);
                Ok(())
            }
            _ => Err(strange()),
        }
    }

    /// `C_SeedRandom`.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn seed_random(&self, session: SessionHandle, seed: &[u8]) -> Result<()> {
        self.session(session)?.call(&Request::SeedRandom(NONE, Cow::Borrowed(seed))).map(drop)
    }

    /// `CA_GetTokenObjectUID`: the permanent identity of an object, seen from a slot.
    ///
    /// # Errors
    /// `ObjectHandleInvalid`; `UserNotLoggedIn` when the application has no session there.
    pub fn object_uid(&self, id: SlotId, object: ObjectHandle) -> Result<Ouid> {
        self.slot(id)?;
        let session = self.sessions.any_of(id).ok_or_else(no_session)?;
        let request = Request::Attributes(NONE, object, Cow::Borrowed(&[CKA_OUID]));
        let Reply::Answers(answers) = session.call(&request)? else { return Err(strange()) };
        match answers.first() {
            Some(Answer::Value(crate::object::Value::Bytes(bytes))) => {
                bytes.as_slice().try_into().map_err(|_| strange())
            }
            _ => Err(strange()),
        }
    }

    /// `CA_GetTokenObjectHandle`: the object of a permanent identity, seen from a slot.
    ///
    /// # Errors
    /// `ObjectHandleInvalid`; `UserNotLoggedIn` when the application has no session there.
    pub fn object_by_uid(&self, id: SlotId, ouid: Ouid) -> Result<ObjectHandle> {
        self.slot(id)?;
        let session = self.sessions.any_of(id).ok_or_else(no_session)?;
        let wanted = Template::from_iter([Attribute::bytes(CKA_OUID, ouid)]);
        match session.call(&Request::Find(NONE, Cow::Owned(wanted)))? {
            Reply::Objects(found) => found.first().map(|found| found.handle).ok_or_else(|| {
                Error::new(Cause::ObjectHandleInvalid, "the slot shows no such object")
            }),
            _ => Err(strange()),
        }
    }

    /// `CA_CheckOperationState`: whether such an operation is active.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn is_active(&self, session: SessionHandle, purpose: Purpose) -> Result<bool> {
        Ok(self.session(session)?.pending.lock().of(purpose).is_some())
    }

    /// The group in a slot.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `FunctionNotSupported`.
    pub fn group(&self, id: SlotId) -> Result<&Arc<Group>> {
        self.slot(id)?.group()
    }

    /// How long `CA_GetCurrentHAState` waits for the members of a group.
    pub fn status_timeout(&self) -> Duration {
        self.config.probing.status_timeout
    }

    /// Whether a slot holds a group.
    ///
    /// # Errors
    /// `SlotIdInvalid`.
    pub fn is_group(&self, id: SlotId) -> Result<bool> {
        Ok(matches!(self.slot(id)?.token, Token::Group(_)))
    }

    /// Whether a slot is kept for a USB HSM.
    ///
    /// # Errors
    /// `SlotIdInvalid`.
    pub fn is_usb(&self, id: SlotId) -> Result<bool> {
        Ok(matches!(self.slot(id)?.token, Token::Usb))
    }
}

/// Mechanisms of before FIPS 186-3, and those that do the same by it.
const REMAPPED: [(CK_MECHANISM_TYPE, CK_MECHANISM_TYPE); 2] = [
    (CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN),
    (CKM_RSA_X9_31_KEY_PAIR_GEN, CKM_RSA_FIPS_186_3_AUX_PRIME_KEY_PAIR_GEN),
];

fn no_session() -> Error {
    Error::new(Cause::UserNotLoggedIn, "the application has no session on the slot")
}

fn no_search() -> Error {
    Error::new(Cause::OperationNotInitialized, "no search is active")
}

fn administered(reply: Reply) -> Result<Administered> {
    match reply {
        Reply::Administered(told) => Ok(*told),
        _ => Err(strange()),
    }
}

fn strange() -> Error {
    Error::new(Cause::GeneralError, "a token gave an answer of the wrong kind")
}
