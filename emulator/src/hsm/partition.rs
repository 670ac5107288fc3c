//! One partition: what it is now, and who hears which request.

mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::crypto::{kdf, random};
use crate::env::{Attendance, Clock, SystemClock};
use crate::error::{Cause, Error, Result};
use crate::hsm::chosen;
use crate::hsm::facts::{self, HsmFacts, Kind, PartitionFacts};
use crate::hsm::journeys::Routes;
use crate::hsm::objects::Objects;
use crate::hsm::policies::Templates;
use crate::hsm::role;
use crate::hsm::session::{Session, Sessions};
use crate::hsm::store::{Changes, PartitionRecord, Step, Store};
use crate::hsm::verified::Verified;
use crate::hsm::watch;
use crate::mechanisms::broken;
use crate::output::Output;
use crate::profile::Profile;
use crate::wire::{Description, Pin, Reply, Request};

pub(super) use self::state::{POLICY_FOREIGN_SIGNING, State};

/// The domain of a partition that was given none (the vendor has a default domain; its text is not
/// published: Assumed).
pub(super) const DEFAULT_DOMAIN: &[u8] = b"default cloning domain";

/// A partition of an HSM, shared by every session of this process.
pub struct Partition {
    pub(super) serial: String,
    pub(super) profile: Arc<Profile>,
    pub(super) store: Arc<dyn Store>,
    pub(super) device_key: Arc<SealKey>,
    pub(super) sessions: Sessions,
    pub(super) objects: Objects,
    pub(super) verified: Verified,
    state: ArcSwap<State>,
    /// The generation of the store this process has seen.
    seen: AtomicU64,
    refreshing: Mutex<()>,
    pub(super) clock: Arc<dyn Clock>,
    changes: AtomicU64,
    /// Sessions of applications that share their identity come and go one after the other.
    pub(super) sharing: Mutex<()>,
    /// This process as others know it, once it shares an identity.
    pub(super) attendance: Mutex<Option<Attendance>>,
    /// Sessions negotiated with other partitions.
    pub(super) routes: Routes,
    /// No link without a Secure Trusted Channel reaches it: policy 37 is on, or the HSM has it no
    /// more.
    closed: AtomicBool,
    /// What is to be noticed of every request: bits of [`watch`].
    watched: AtomicU8,
    /// Keys whose first use the audit log has.
    pub(super) used: Mutex<FxHashSet<ObjectHandle>>,
}

/// A session of a partition, and the way to it.
pub struct Seated {
    partition: Arc<Partition>,
    session: Arc<Session>,
}

impl Seated {
    /// As [`Partition::handle`], in this session, whichever the request names; an output goes to
    /// `out` where there is one with room for it.
    ///
    /// # Errors
    /// What the request was refused for.
    pub fn handle(&self, request: &Request<'_>, out: Option<&mut [u8]>) -> Result<Reply> {
        let answer = self.partition.serve(request, Some(&self.session), out);
        answer.map_err(|error| self.partition.as_chosen(error))
    }
}

impl Partition {
    /// The partition as the store has it.
    ///
    /// # Errors
    /// `TokenNotPresent` when the store has no such partition, and the store's own.
    pub(super) fn open(
        serial: &str,
        profile: Arc<Profile>,
        store: Arc<dyn Store>,
        device_key: Arc<SealKey>,
    ) -> Result<Self> {
        // A change between the two lines is found by the first refresh.
        let seen = store.generation();
        let state = State::load(&*store, &profile, serial)?;
        let (watched, closed) = (watch::of(&state), state.forces_stc());
        Ok(Self {
            serial: serial.to_owned(),
            profile,
            store,
            device_key,
            sessions: Sessions::default(),
            objects: Objects::default(),
            verified: Verified::new().map_err(broken)?,
            state: ArcSwap::from_pointee(state),
            seen: AtomicU64::new(seen),
            refreshing: Mutex::new(()),
            clock: Arc::new(SystemClock::new()),
            changes: AtomicU64::new(0),
            sharing: Mutex::new(()),
            attendance: Mutex::new(None),
            routes: Routes::default(),
            closed: AtomicBool::new(closed),
            watched: AtomicU8::new(watched),
            used: Mutex::default(),
        })
    }

    /// Whether links without a Secure Trusted Channel reach the partition: the HSM has it still,
    /// and policy 37 lets them.
    pub fn is_open_to_plain_links(&self) -> bool {
        // A store that cannot be read is found out by whatever is asked next.
        let _ = self.refresh();
        !self.is_closed()
    }

    /// As the last request saw it: no link without a Secure Trusted Channel gets in. Costs a load.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether it is the HSM's own, as against one of applications.
    pub fn is_admin(&self) -> bool {
        self.state.load().kind == Kind::Admin
    }

    /// Seconds since 1970 by the machine's clock.
    pub(super) fn machine_seconds(&self) -> u64 {
        self.clock.wall().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
    }

    /// Changes what is kept of the HSM, while no other process can.
    pub(super) fn change_hsm_facts(&self, change: &mut dyn FnMut(&mut HsmFacts)) -> Result<()> {
        let mut outcome = Ok(());
        self.store.change_hsm(&mut |record| {
            let mut edit = || {
                let mut kept: HsmFacts = facts::read(&record.extra)?;
                change(&mut kept);
                facts::write(&kept)
            };
            match edit() {
                Ok(blob) => record.extra = blob,
                Err(error) => outcome = Err(error),
            }
        })?;
        outcome?;
        self.refresh()
    }

    /// Changes what is kept of the partition, while no other process can.
    pub(super) fn change_facts(&self, change: &mut dyn FnMut(&mut PartitionFacts)) -> Result<()> {
        self.change_hsm_facts(&mut |kept| {
            change(kept.partitions.entry(self.serial.clone()).or_default());
        })
    }

    /// Its serial number, in decimal digits.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The seat of an open session: whoever has it reaches the session without its handle.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn seat(self: &Arc<Self>, session: SessionHandle) -> Result<Seated> {
        Ok(Seated { partition: Arc::clone(self), session: self.sessions.find(session)? })
    }

    /// Says that what was found out about keys, objects, logins and mechanisms may be true no more.
    /// Said after each change, before anybody hears of it.
    pub(super) fn touch(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// What was found out while this was the number is true while it still is.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Forgets sessions, logins and session objects, as a power cut or a lost connection does.
    pub fn forget_sessions(&self) {
        self.sessions.clear();
        self.objects.clear_session_objects();
        self.objects.forget_token_objects();
        self.routes.clear();
        self.touch();
    }

    /// The partition as it is now, with what other processes changed. Costs one load of shared
    /// memory while nothing did.
    pub(super) fn current(&self) -> Result<Guard<Arc<State>>> {
        self.refresh()?;
        Ok(self.state.load())
    }

    #[inline]
    pub(super) fn refresh(&self) -> Result<()> {
        if self.store.generation() == self.seen.load(Ordering::Acquire) {
            return Ok(());
        }
        self.catch_up()
    }

    #[cold]
    fn catch_up(&self) -> Result<()> {
        let _one_at_a_time = self.refreshing.lock();
        let seen = self.seen.load(Ordering::Acquire);
        if self.store.generation() == seen {
            return Ok(());
        }
        let changes = self.store.changes_since(seen)?;
        if changes.administration {
            let fresh = match State::load(&*self.store, &self.profile, &self.serial) {
                Ok(fresh) => fresh,
                Err(error) if error.cause() == Cause::TokenNotPresent => {
                    self.closed.store(true, Ordering::Release);
                    self.forget_sessions();
                    return Err(error);
                }
                Err(error) => return Err(error),
            };
            self.watched.store(watch::of(&fresh), Ordering::Release);
            self.closed.store(fresh.forces_stc(), Ordering::Release);
            let domain = fresh.record.domain.clone();
            let old = self.state.swap(Arc::new(fresh));
            // Another domain blob is another life of the partition: zeroised or initialised anew.
            if old.record.domain != domain {
                self.forget_sessions();
            }
            self.follow_all(&self.state.load())?;
        }
        match changes.objects {
            Changes::Everything => self.objects.forget_token_objects(),
            Changes::Handles(handles) => self.objects.forget(&handles),
        }
        self.touch();
        self.seen.store(changes.generation, Ordering::Release);
        Ok(())
    }

    /// Answers a request.
    ///
    /// # Errors
    /// What the request was refused for.
    pub fn handle(&self, request: &Request<'_>) -> Result<Reply> {
        self.serve(request, None, None).map_err(|error| self.as_chosen(error))
    }

    /// The refusal with the code that the profile chose.
    #[cold]
    fn as_chosen(&self, error: Error) -> Error {
        let is_fips = self.current().is_ok_and(|state| state.is_fips());
        chosen::as_chosen(error, &self.profile.codes, is_fips)
    }

    /// Answers a request that came to a session's seat, or to the partition; an output may go to
    /// `out`.
    pub(super) fn serve(
        &self,
        request: &Request<'_>,
        seat: Option<&Session>,
        out: Option<&mut [u8]>,
    ) -> Result<Reply> {
        self.refresh()?;
        match self.watched.load(Ordering::Relaxed) {
            0 => self.answer(request, seat, out),
            watched => self.answer_watched(watched, request, seat, out),
        }
    }

    pub(super) fn answer(
        &self,
        request: &Request<'_>,
        seat: Option<&Session>,
        out: Option<&mut [u8]>,
    ) -> Result<Reply> {
        match request {
            Request::Describe => self.describe().map(|it| Reply::Description(Box::new(it))),
            Request::RoleState(role) => self.role_state(*role).map(Reply::RoleState),
            Request::InitToken { pin, label, domain } => {
                self.init_token(pin, label, domain.as_ref()).map(done)
            }
            Request::OpenSession { application, read_write } => {
                let most = self.profile.limits.max_sessions;
                if application.named {
                    return self.open_shared(*application, *read_write, most).map(Reply::Session);
                }
                self.sessions.open(*application, *read_write, most).map(Reply::Session)
            }
            Request::CloseSession(session) => self.close_session(*session).map(done),
            Request::SessionState(session) => {
                Ok(Reply::State(self.sessions.present(seat, *session)?.state()))
            }
            Request::Login(session, role, pin) => {
                self.login(&*self.sessions.present(seat, *session)?, *role, pin).map(done)
            }
            Request::Logout(session) => {
                self.logout(&*self.sessions.present(seat, *session)?).map(done)
            }
            Request::Reauthenticate(session, pin) => {
                self.reauthenticate(&*self.sessions.present(seat, *session)?, pin).map(done)
            }
            Request::InitPin(session, role, pin) => {
                self.init_pin(&*self.sessions.present(seat, *session)?, *role, pin).map(done)
            }
            Request::SetPin { session, old, new } => {
                self.set_pin(&*self.sessions.present(seat, *session)?, old, new).map(done)
            }
            Request::SetPolicies(session, changes) => {
                self.set_policies(&*self.sessions.present(seat, *session)?, changes).map(done)
            }
            Request::Random(session, len) => {
                self.sessions.present(seat, *session)?;
                self.random(*len, out)
            }
            // The HSM's own generator needs no seed; where it takes one it is none the worse.
            Request::SeedRandom(session, _) => {
                self.sessions.present(seat, *session)?;
                if self.profile.features.seed_random {
                    return Ok(Reply::Done);
                }
                Err(self.profile.codes.seed_refused.error("the HSM takes no seed"))
            }
            Request::Administer(session, what) => {
                self.administer(*session, seat, what).map(|it| Reply::Administered(Box::new(it)))
            }
            Request::Check(_)
            | Request::Perform { .. }
            | Request::Begin(_)
            | Request::Update { .. }
            | Request::Finish { .. }
            | Request::DigestKey(..)
            | Request::SaveState(..)
            | Request::LoadState(..)
            | Request::Abandon(..) => self.handle_operation(request, seat, out),
            Request::Create(..)
            | Request::Copy(..)
            | Request::Destroy(..)
            | Request::ObjectSize(..)
            | Request::Attributes(..)
            | Request::SetAttributes(..)
            | Request::Count(..)
            | Request::Find(..)
            | Request::Locate(..)
            | Request::GenerateKey(..)
            | Request::GenerateKeyPair(..)
            | Request::Wrap(..)
            | Request::Unwrap(..)
            | Request::Derive(..)
            | Request::Encapsulate(..)
            | Request::Decapsulate(..)
            | Request::Extract(..)
            | Request::Insert(..)
            | Request::Bury(..)
            | Request::Inventory(_) => self.handle_object(request, seat),
            Request::Sharing(sharing) => self.handle_sharing(*sharing, seat),
            Request::Cloning(session, cloning) => {
                self.handle_cloning(&*self.sessions.present(seat, *session)?, cloning)
            }
            Request::AuthorizeKey(session, key, said) => {
                self.authorize_key(&*self.sessions.present(seat, *session)?, *key, said).map(done)
            }
            Request::DeriveAndWrap(session, both) => {
                self.derive_and_wrap(&*self.sessions.present(seat, *session)?, both)
            }
            Request::Recovery(session, recovery) => self.handle_recovery(*session, seat, recovery),
            Request::Certificate(kind) => self.certificate(*kind).map(Reply::Bytes),
        }
    }

    fn random(&self, len: usize, out: Option<&mut [u8]>) -> Result<Reply> {
        let most = usize::try_from(self.profile.limits.max_random).unwrap_or(usize::MAX);
        if len > most {
            return Err(Error::new(
                Cause::DataLenRange,
                format!("{most} random bytes in one call are the most"),
            ));
        }
        match out.and_then(|out| out.get_mut(..len)) {
            Some(out) => {
                random::fill(out).map_err(broken)?;
                Ok(Reply::Output(Output::Placed(len)))
            }
            None => Ok(Reply::Bytes(random::bytes(len).map_err(broken)?.to_vec())),
        }
    }

    fn close_session(&self, session: SessionHandle) -> Result<()> {
        let (session, last) = self.sessions.close(session)?;
        if last {
            self.touch();
            self.forget_private(session.application.id);
            if session.application.id.named {
                let _one_at_a_time = self.sharing.lock();
                if !self.sessions.has_any(session.application.id) {
                    self.leave(session.application.id)?;
                }
            }
        }
        if session.made_objects.load(Ordering::Acquire) {
            self.touch();
            self.objects.close_session(session.handle);
        }
        Ok(())
    }

    fn describe(&self) -> Result<Description> {
        let state = self.current()?;
        let firmware = self.profile.versions.firmware.map(u64::from);
        let usage = self.store.count(&self.serial)?;
        let total = state.bytes(&self.profile);
        Ok(Description {
            label: state.record.label.clone(),
            serial: self.serial.clone(),
            model: self.profile.strings.token_model.clone(),
            manufacturer: self.profile.strings.token_manufacturer.clone(),
            flags: self.profile.flags.token.0 | state.flags(),
            sessions: self.sessions.count(),
            max_sessions: self.profile.limits.max_sessions,
            pin_len: role::pin_len(&state),
            memory: (total, total.saturating_sub(usage.bytes)),
            firmware: firmware.into(),
            cryptovisor: self.profile.versions.cryptovisor.map(u64::from).into(),
            objects: usage.objects,
            policies: state.policy_states(&self.profile),
            mechanisms: state
                .offers
                .iter()
                .map(|offer| {
                    let (min, max, flags) = offer.info();
                    (offer.row.kind, min, max, flags)
                })
                .collect(),
        })
    }

    /// `C_InitToken`: the partition anew, with its Partition SO and domain and nothing else.
    ///
    /// Source: PKCS#11 v2.40 C_InitToken: the SO PIN of an initialised token must be right, and no
    /// session may be open.
    fn init_token(&self, pin: &Pin, label: &str, domain: Option<&Pin>) -> Result<()> {
        self.init_from_template(pin, label, domain, &Templates::default())
    }

    /// As [`Partition::init_token`], with policies to start with. The admin partition is the whole
    /// HSM: with it go the others (Documented for an HSM that is initialised again).
    pub(super) fn init_from_template(
        &self,
        pin: &Pin,
        label: &str,
        domain: Option<&Pin>,
        templates: &Templates<'_>,
    ) -> Result<()> {
        let state = self.current()?;
        // Which sessions stand in the way of a first initialisation the client knows.
        if state.record.initialized && self.sessions.count().0 > 0 {
            return Err(Error::new(Cause::SessionExists, "a session is open on the partition"));
        }
        let so = state.own_role(Role::PartitionSo)?;
        state.need_operational()?;
        if state.record.initialized {
            self.authenticate(&state, so, pin)?;
        }
        let pin = self.new_credential(&state, so, pin)?;
        let domain = domain.map_or(DEFAULT_DOMAIN, Pin::as_bytes);
        let mut record = state.record.clone();
        let mut steps: Vec<Step> =
            self.apply_templates(&state, &mut record, templates)?.into_iter().collect();
        if so == Role::HsmSo {
            steps.extend(self.removals()?);
        }
        let (more, _) = initialization(&record, label, (so, &pin), domain)?;
        steps.extend(more);
        if so == Role::HsmSo {
            steps.extend(self.auditor_kept()?);
        }
        self.store.apply(&steps)?;
        match so {
            Role::HsmSo => self.forget_containers(),
            _ => self.refresh(),
        }
    }

    /// The key under which objects travel to other partitions of the domain.
    pub(super) fn domain_key(&self, partition_key: &SealKey) -> Result<SealKey> {
        let state = self.current()?;
        let opened = partition_key
            .open(b"domain", &state.record.domain)
            .map_err(|_| Error::new(Cause::DeviceError, "the store holds a damaged domain"))?;
        domain_key_of(opened.get(DOMAIN_NONCE..).unwrap_or_default())
    }
}

/// The key of a domain.
pub(super) fn domain_key_of(domain: &[u8]) -> Result<SealKey> {
    kdf::hkdf_sha256(domain, b"luna emulator", b"cloning domain").map(SealKey::new).map_err(broken)
}

/// Random bytes before the domain, so that each life of a partition has another blob.
const DOMAIN_NONCE: usize = 16;

/// The steps that give a partition its first or a new life: objects and roles gone, a fresh key,
/// a Partition SO, a domain.
pub(super) fn initialization(
    record: &PartitionRecord,
    label: &str,
    (so, pin): (Role, &Pin),
    domain: &[u8],
) -> Result<(Vec<Step>, SealKey)> {
    let key = SealKey::generate().map_err(broken)?;
    let mut plain = random::bytes(DOMAIN_NONCE).map_err(broken)?.to_vec();
    plain.extend_from_slice(domain);
    let mut fresh = record.clone();
    label.trim_end().clone_into(&mut fresh.label);
    fresh.initialized = true;
    fresh.domain = key.seal(b"domain", &plain).map_err(broken)?;
    let so = role::new_record(so, pin, &key, false, 1)?;
    let steps = vec![
        Step::WipePartition(record.serial.clone()),
        Step::PutPartition(fresh),
        Step::PutRole(record.serial.clone(), so),
    ];
    Ok((steps, key))
}

pub(super) fn done((): ()) -> Reply {
    Reply::Done
}
