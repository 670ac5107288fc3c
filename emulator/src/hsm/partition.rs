//! One partition: what it is now, and who hears which request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::crypto::{kdf, random};
use crate::env::{Attendance, Clock, SystemClock};
use crate::error::{Cause, Error, Result};
use crate::hsm::chosen;
use crate::hsm::journeys::Routes;
use crate::hsm::objects::Objects;
use crate::hsm::role;
use crate::hsm::session::{Session, Sessions};
use crate::hsm::size;
use crate::hsm::store::{Changes, PartitionRecord, RoleRecord, Step, Store};
use crate::hsm::verified::Verified;
use crate::mechanisms::{self, Offer, broken};
use crate::output::Output;
use crate::profile::{Codes, Destructive, Profile};
use crate::wire::{Description, Pin, PolicyState, Reply, Request};

/// HSM policy 12 and partition policy 43: "Allow non-FIPS algorithms" (Documented).
const HSM_POLICY_NON_FIPS: u32 = 12;
const POLICY_NON_FIPS: u32 = 43;

/// Partition policy 17: "Allow signing with non-local keys" (number Documented, effect recalled).
pub(super) const POLICY_FOREIGN_SIGNING: u32 = 17;

/// The domain of a partition that was given none (the vendor has a default domain; its text is not
/// published: Assumed).
const DEFAULT_DOMAIN: &[u8] = b"default cloning domain";

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

/// What a partition is, as of one generation of the store.
pub(super) struct State {
    pub(super) record: PartitionRecord,
    policies: FxHashMap<u32, u64>,
    hsm_policies: FxHashMap<u32, u64>,
    offers: Vec<Offer>,
    by_kind: FxHashMap<CK_MECHANISM_TYPE, usize>,
    /// By the number of the role.
    roles: [Option<RoleRecord>; Role::ALL.len()],
    /// Policy 17: keys that came from outside may sign. Asked at every signature.
    pub(super) foreign_keys_sign: bool,
    /// The codes of refusals that the profile chooses.
    pub(super) codes: Codes,
    /// Bytes for objects.
    pub(super) bytes: u64,
}

impl State {
    fn load(store: &dyn Store, profile: &Profile, serial: &str) -> Result<Self> {
        let record = store.partition(serial)?.ok_or_else(|| {
            Error::new(Cause::TokenNotPresent, format!("the HSM has no partition {serial}"))
        })?;
        let mut policies: FxHashMap<u32, u64> =
            profile.partition_policies.iter().map(|row| (row.id, row.policy)).collect();
        policies.extend(&record.policies);
        let mut hsm_policies: FxHashMap<u32, u64> =
            profile.hsm_policies.iter().map(|row| (row.id, row.policy)).collect();
        hsm_policies.extend(store.hsm()?.policies);
        let fips = hsm_policies.get(&HSM_POLICY_NON_FIPS) == Some(&0)
            || policies.get(&POLICY_NON_FIPS) == Some(&0);
        let allows = |policy: u32| policies.get(&policy).is_none_or(|value| *value != 0);
        let offers: Vec<Offer> = profile
            .order
            .iter()
            .filter_map(|kind| {
                let row = mechanisms::find(*kind)?;
                Offer::of(row, profile.mechanisms.get(kind)?, fips, allows)
            })
            .collect();
        let by_kind = offers.iter().enumerate().map(|(at, offer)| (offer.row.kind, at)).collect();
        let mut roles = [const { None }; Role::ALL.len()];
        for role in store.roles(serial)? {
            if let Some(place) = roles.get_mut(usize::from(role.role)) {
                *place = Some(role);
            }
        }
        let foreign_keys_sign = allows(POLICY_FOREIGN_SIGNING);
        let codes = profile.codes.clone();
        let bytes = size::read(&record.extra)?.unwrap_or(profile.limits.partition_bytes);
        Ok(Self {
            record,
            policies,
            hsm_policies,
            offers,
            by_kind,
            roles,
            foreign_keys_sign,
            codes,
            bytes,
        })
    }

    /// The value of a partition policy; 0 for one that does not show.
    pub(super) fn policy(&self, id: u32) -> u64 {
        self.policies.get(&id).copied().unwrap_or(0)
    }

    /// Whether a partition policy is on; one that does not show forbids nothing.
    pub(super) fn allows(&self, id: u32) -> bool {
        self.policies.get(&id).is_none_or(|value| *value != 0)
    }

    /// HSM policy 12 or partition policy 43 is off.
    fn is_fips(&self) -> bool {
        let off = |policies: &FxHashMap<u32, u64>, id| policies.get(&id) == Some(&0);
        off(&self.hsm_policies, HSM_POLICY_NON_FIPS) || off(&self.policies, POLICY_NON_FIPS)
    }

    pub(super) fn hsm_policy(&self, id: u32) -> u64 {
        self.hsm_policies.get(&id).copied().unwrap_or(0)
    }

    /// # Errors
    /// `MechanismInvalid` for one that profile, policy or FIPS mode does not offer.
    pub(super) fn offer(&self, kind: CK_MECHANISM_TYPE) -> Result<Offer> {
        self.by_kind.get(&kind).and_then(|at| self.offers.get(*at)).copied().ok_or_else(|| {
            let what = format!("this partition does not offer {}", names::ckm(kind));
            self.codes.mechanism_not_offered.error(what)
        })
    }

    /// # Errors
    /// `TokenNotRecognized` until the partition is initialised (code Assumed).
    pub(super) fn need_initialized(&self) -> Result<()> {
        if self.record.initialized {
            return Ok(());
        }
        Err(self
            .codes
            .partition_not_initialised
            .error("the partition is not initialised: partition init, or C_InitToken"))
    }

    /// The credential of a role and what became of it.
    ///
    /// # Errors
    /// `UserPinNotInitialized` for a role that has none.
    pub(super) fn role(&self, role: Role) -> Result<&RoleRecord> {
        self.roles.get(usize::from(role.code())).and_then(Option::as_ref).ok_or_else(|| {
            let what = format!("the {} has no credential yet", role.name());
            self.codes.role_not_initialised.error(what)
        })
    }

    /// Those that say how the partition stands; the others are the profile's.
    fn flags(&self) -> CK_FLAGS {
        let mut flags = 0;
        for (set, flag) in [
            (self.record.initialized, CKF_TOKEN_INITIALIZED),
            (self.role(Role::CryptoOfficer).is_ok(), CKF_USER_PIN_INITIALIZED),
            (self.role(Role::CryptoOfficer).is_ok_and(|it| it.locked), CKF_USER_PIN_LOCKED),
        ] {
            if set {
                flags |= flag;
            }
        }
        flags
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
            let fresh = State::load(&*self.store, &self.profile, &self.serial)?;
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

    pub(super) fn hsm_policy(&self, id: u32) -> Result<u64> {
        Ok(self.current()?.hsm_policy(id))
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
        let total = state.bytes;
        let shown = self.profile.partition_policies.iter().filter(|row| row.capability != 0);
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
            objects: usage.objects,
            policies: shown
                .map(|row| PolicyState {
                    id: u64::from(row.id),
                    text: row.text.clone(),
                    capability: row.capability,
                    value: state.policy(row.id),
                    destructive: row.destructive != Destructive::None,
                })
                .collect(),
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
        if self.sessions.count().0 > 0 {
            return Err(Error::new(Cause::SessionExists, "a session is open on the partition"));
        }
        let state = self.current()?;
        if state.record.initialized {
            self.authenticate(&state, Role::PartitionSo, pin)?;
        }
        role::check_pin(&state, pin)?;
        let domain = domain.map_or(DEFAULT_DOMAIN, Pin::as_bytes);
        let (steps, _) = initialization(&state.record, label, pin, domain)?;
        self.store.apply(&steps)?;
        self.refresh()
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
    pin: &Pin,
    domain: &[u8],
) -> Result<(Vec<Step>, SealKey)> {
    let key = SealKey::generate().map_err(broken)?;
    let mut plain = random::bytes(DOMAIN_NONCE).map_err(broken)?.to_vec();
    plain.extend_from_slice(domain);
    let mut fresh = record.clone();
    label.trim_end().clone_into(&mut fresh.label);
    fresh.initialized = true;
    fresh.domain = key.seal(b"domain", &plain).map_err(broken)?;
    let so = role::new_record(Role::PartitionSo, pin, &key, false, 1)?;
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
