//! A group: one virtual token over several members.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use crate::ck::*;
use crate::env::Clock;
use crate::error::{Cause, Class, Error, Result};
use crate::luna::config::{GroupEntry, Recovery};
use crate::luna::ha::handles::Handles;
use crate::luna::ha::leaving::Leaves;
use crate::luna::ha::member::{Member, Missed};
use crate::luna::log::Log;
use crate::output::Output;
use crate::wire::{
    ApplicationId, Audience, Counting, Description, Fault, Found, Link, Pin, Reply, Request, Seat,
};

/// The handle that `Group::send` fills in.
const NONE: SessionHandle = SessionHandle(0);

/// A group as this process uses it.
pub struct Group {
    label: String,
    serial: String,
    pub(super) members: Vec<Member>,
    primary: AtomicUsize,
    pub(super) synchronize: bool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) recovery: Recovery,
    pub(super) leaves: Leaves,
    pub(super) log: Log,
    pub(super) handles: Handles,
    /// In the order they were opened, so that the same calls make the same requests.
    pub(super) sessions: Mutex<BTreeMap<u64, Arc<GroupSession>>>,
    next_session: AtomicU64,
    pub(super) login: Mutex<Option<(Role, Pin)>>,
    /// Objects are made one after the other, so that every member has them in one order; held
    /// across calls, and nothing else is taken under it but what a call takes.
    making: Mutex<()>,
    /// Who hears that somebody has logged in already may rely on it on every member; held across
    /// calls, as `making`.
    logging_in: Mutex<()>,
    pub(super) recovering: Mutex<()>,
    /// Shared by calls that change members, while they do; a member that has been brought up to
    /// date is taken in alone, so that no change passes it by. Held across calls.
    pub(super) changing: RwLock<()>,
    /// Changes that have ended: see `recover`.
    pub(super) changed: AtomicU64,
    /// All members were lost and the mode is activeBasic: sessions and logins are gone.
    pub(super) stranded: AtomicBool,
}

/// A session of the group, and the members' sessions behind it.
pub struct GroupSession {
    pub(super) id: u64,
    application: ApplicationId,
    read_write: bool,
    members: Mutex<Vec<Option<MemberSession>>>,
    pinned: Mutex<HashMap<Purpose, usize>>,
}

impl GroupSession {
    /// The session behind this one on a member; not one of an older connection, whose number may be
    /// another's by now.
    pub(super) fn behind_on(&self, place: usize, epoch: u64) -> Option<SessionHandle> {
        let members = self.members.lock();
        let own = members.get(place)?.as_ref()?;
        (own.epoch == epoch).then_some(own.handle)
    }

    /// There is none any longer.
    pub(super) fn forget_behind_on(&self, place: usize) {
        if let Some(own) = self.members.lock().get_mut(place) {
            *own = None;
        }
    }
}

#[derive(Clone)]
struct MemberSession {
    epoch: u64,
    handle: SessionHandle,
    seat: Option<Arc<dyn Seat>>,
}

/// A change of members that is under way. Nothing in it looks for members that are back.
struct Change<'a> {
    group: &'a Group,
    _shared: RwLockReadGuard<'a, ()>,
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.group.changed.fetch_add(1, Ordering::AcqRel);
    }
}

impl Group {
    /// A group over links in the order of its members.
    pub fn new(
        entry: &GroupEntry,
        links: Vec<Arc<dyn Link>>,
        recovery: Recovery,
        clock: Arc<dyn Clock>,
        log: Log,
    ) -> Self {
        let members = links
            .into_iter()
            .map(|link| {
                let standby = entry.standby.iter().any(|serial| serial == link.serial());
                Member::new(link, standby)
            })
            .collect();
        Self {
            label: entry.label.clone(),
            serial: entry.serial.clone(),
            members,
            primary: AtomicUsize::new(0),
            synchronize: entry.synchronize,
            clock,
            recovery,
            leaves: Leaves::default(),
            log,
            handles: Handles::default(),
            sessions: Mutex::new(BTreeMap::new()),
            next_session: AtomicU64::new(0),
            login: Mutex::new(None),
            making: Mutex::new(()),
            logging_in: Mutex::new(()),
            recovering: Mutex::new(()),
            changing: RwLock::new(()),
            changed: AtomicU64::new(0),
            stranded: AtomicBool::new(false),
        }
    }

    /// The ways to its members, in the order of the list.
    pub fn links(&self) -> impl Iterator<Item = &Arc<dyn Link>> {
        self.members.iter().map(|member| &member.link)
    }

    /// Its label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its pseudo serial number.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Its members and their state: `CKR_OK` or the fault (`CKR_DEVICE_ERROR`; recalled).
    pub fn state(&self) -> Vec<(String, CK_RV)> {
        self.tick();
        self.members
            .iter()
            .map(|member| {
                let status = if member.is_up() { CKR_OK } else { Cause::DeviceError.ck_rv() };
                (member.link.serial().to_owned(), status)
            })
            .collect()
    }

    /// Whether cloud HSMs of this firmware or a later one are members, and others too. Of a member
    /// that is down and was never heard of, nothing is known.
    pub fn mixes_cloud(&self, since: (u64, u64, u64)) -> bool {
        let up = self.members.iter().filter(|member| member.is_up());
        let kinds: Vec<_> = up.filter_map(Member::cryptovisor).collect();
        kinds.iter().any(|it| *it >= since) && kinds.contains(&(0, 0, 0))
    }

    /// The primary's description under the group's name.
    ///
    /// # Errors
    /// `TokenNotPresent` when no member is up (Assumed).
    pub fn describe(&self) -> Result<Description> {
        self.tick();
        let mut described = None;
        for place in self.in_order() {
            match self.member(place)?.call(&Request::Describe) {
                Ok(Reply::Description(description)) => {
                    let first: &mut Description = described.get_or_insert(*description.clone());
                    // The smallest member bounds the group (Assumed).
                    first.memory.1 = first.memory.1.min(description.memory.1);
                }
                Ok(_) => {}
                Err(fault) => self.drop_member(place, &fault),
            }
        }
        let mut description = described
            .ok_or_else(|| Error::new(Cause::TokenNotPresent, "no member of the group is up"))?;
        description.label.clone_from(&self.label);
        description.serial.clone_from(&self.serial);
        Ok(description)
    }

    /// Opens a session on every member that is up.
    ///
    /// # Errors
    /// The primary's; `DeviceError` when no member is up.
    pub fn open(&self, application: ApplicationId, read_write: bool) -> Result<Arc<GroupSession>> {
        self.ready()?;
        let session = Arc::new(GroupSession {
            id: self.next_session.fetch_add(1, Ordering::Relaxed) + 1,
            application,
            read_write,
            members: Mutex::new(self.members.iter().map(|_| None).collect()),
            pinned: Mutex::new(HashMap::new()),
        });
        let mut opened = false;
        for place in self.in_order() {
            match self.member_session(&session, place) {
                Ok(_) => opened = true,
                Err(Fault::Refused(error)) if !self.is_members(&error) => {
                    self.close(&session);
                    return Err(error);
                }
                Err(fault) => self.drop_member(place, &fault),
            }
        }
        if !opened {
            return Err(nobody());
        }
        self.sessions.lock().insert(session.id, Arc::clone(&session));
        Ok(session)
    }

    /// Closes a session everywhere. With the last one the login is over, as on every member.
    pub fn close(&self, session: &GroupSession) {
        let open = std::mem::take(&mut *session.members.lock());
        for (member, own) in self.members.iter().zip(open) {
            if let Some(own) = own.filter(|own| own.epoch == member.epoch() && member.is_up()) {
                // A member that cannot be told has lost the session with the connection.
                let _ = member.call(&Request::CloseSession(own.handle));
            }
        }
        self.handles.forget_session(session.id);
        let last = {
            let mut sessions = self.sessions.lock();
            sessions.remove(&session.id);
            sessions.is_empty()
        };
        if last {
            self.forget_login();
        }
    }

    pub(super) fn forget_login(&self) {
        *self.login.lock() = None;
        for member in &self.members {
            member.set_logged_in(false);
        }
    }

    /// Asks the group. Handles in the request are virtual; so are those in the reply.
    ///
    /// # Errors
    /// What the members refuse; `DeviceError` when none can be asked.
    pub fn call(&self, session: &GroupSession, request: &Request<'_>) -> Result<Reply> {
        self.call_into(session, request, None)
    }

    /// As [`Group::call`]; the output of a request that any member can serve may go to `out`.
    ///
    /// # Errors
    /// As [`Group::call`].
    pub fn call_into(
        &self,
        session: &GroupSession,
        request: &Request<'_>,
        out: Option<&mut [u8]>,
    ) -> Result<Reply> {
        self.ready()?;
        match request.audience() {
            Audience::Any => self.ask_any(session, request, false, out),
            Audience::Pinned => self.ask_pinned(session, request),
            Audience::All if matches!(request, Request::Login(..) | Request::Logout(_)) => {
                let _one_at_a_time = self.logging_in.lock();
                let _change = self.change();
                self.tell_all(session, request)
            }
            Audience::All => {
                let _change = self.change();
                self.tell_all(session, request)
            }
            Audience::Primary => {
                let _one_at_a_time = self.making.lock();
                let _change = self.change();
                self.make(session, request)
            }
            Audience::Member => Err(Error::new(
                Cause::FunctionNotSupported,
                "administration is done on the members, not on the group (ha.md section 4)",
            )),
        }
    }

    /// Says that members are being changed, until it is dropped.
    fn change(&self) -> Change<'_> {
        Change { group: self, _shared: self.changing.read() }
    }

    fn ready(&self) -> Result<()> {
        self.tick();
        if self.stranded.load(Ordering::Acquire) {
            return Err(Error::new(
                Cause::DeviceError,
                "all members were lost and the mode is activeBasic: finalise and begin again",
            ));
        }
        Ok(())
    }

    pub(super) fn member(&self, place: usize) -> Result<&Member> {
        self.members.get(place).ok_or_else(nobody)
    }

    /// Members that are up: the primary first, then in the order of the list, standby ones last.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let primary = self.primary.load(Ordering::Relaxed);
        let mut places: Vec<usize> = (0..self.members.len())
            .filter(|place| self.members.get(*place).is_some_and(Member::is_up))
            .collect();
        places.sort_by_key(|place| {
            let standby = self.members.get(*place).is_some_and(|member| member.standby);
            (standby, *place != primary, *place)
        });
        // Promotion stays until the next start (Assumed).
        if let Some(first) = places.first().filter(|first| **first != primary) {
            self.primary.store(*first, Ordering::Relaxed);
        }
        places
    }

    /// The least busy member that is up and was not tried; the primary at rest.
    fn least_busy(&self, tried: &[usize]) -> Option<usize> {
        let places = self.in_order();
        let active = |place: &usize| self.members.get(*place).is_some_and(|it| !it.standby);
        let any_active = places.iter().any(active);
        places
            .into_iter()
            .filter(|place| !tried.contains(place) && (!any_active || active(place)))
            .min_by_key(|place| self.members.get(*place).map_or(usize::MAX, Member::busy))
    }

    pub(super) fn drop_member(&self, place: usize, fault: &Fault) {
        let Some(member) = self.members.get(place) else { return };
        if matches!(fault, Fault::Lost(_)) {
            member.lost_an_answer();
        }
        if !member.set_down(self.clock.now()) {
            return;
        }
        self.handles.member_lost(place);
        let why = match fault {
            Fault::Refused(error) => error.to_string(),
            Fault::Unreachable(why) | Fault::Lost(why) => why.clone(),
        };
        self.log.line(&format!(
            "HA group: {} has dropped member: {} because of error 0x{:x} ({why})",
            self.serial,
            member.link.serial(),
            Cause::DeviceError.ck_rv(),
        ));
    }

    /// The member's session behind a session of the group, opened now if it has none, and with the
    /// group's login.
    pub(super) fn member_session(
        &self,
        session: &GroupSession,
        place: usize,
    ) -> Result<SessionHandle, Fault> {
        Ok(self.member_seat(session, place)?.handle)
    }

    /// Gives a member the group's login, by one of its sessions, or takes from it one that the group
    /// has not.
    pub(super) fn log_in(&self, member: &Member, handle: SessionHandle) -> Result<(), Fault> {
        let login = self.login.lock().clone();
        if login.is_none() && member.may_be_logged_in() {
            match member.call(&Request::Logout(handle)) {
                Err(fault @ (Fault::Unreachable(_) | Fault::Lost(_))) => return Err(fault),
                Ok(_) | Err(Fault::Refused(_)) => {}
            }
        }
        if let Some((role, pin)) = login
            && !member.is_logged_in()
        {
            match member.call(&Request::Login(handle, role, pin)) {
                Ok(_) => {}
                Err(Fault::Refused(error)) if error.cause() == Cause::UserAlreadyLoggedIn => {}
                Err(fault) => return Err(fault),
            }
            member.set_logged_in(true);
        }
        Ok(())
    }

    /// The same, with the shorter way to it where the link has one.
    fn member_seat(&self, session: &GroupSession, place: usize) -> Result<MemberSession, Fault> {
        let member = self.member(place)?;
        let epoch = member.epoch();
        if let Some(Some(known)) = session.members.lock().get(place)
            && known.epoch == epoch
        {
            return Ok(known.clone());
        }
        let request = Request::OpenSession {
            application: session.application,
            read_write: session.read_write,
        };
        let Reply::Session(handle) = member.call(&request)? else { return Err(strange().into()) };
        if member.link.presence().epoch != epoch {
            // A connection that the group has not met: nobody would close this session, nor log it out.
            let _ = member.call(&Request::CloseSession(handle));
            return Err(Fault::Unreachable("the connection began anew".into()));
        }
        self.log_in(member, handle)?;
        let own = MemberSession { epoch, handle, seat: member.link.seat(handle) };
        if let Some(kept) = session.members.lock().get_mut(place) {
            *kept = Some(own.clone());
        }
        Ok(own)
    }

    pub(super) fn send(
        &self,
        session: &GroupSession,
        place: usize,
        request: &Request<'_>,
    ) -> Result<Reply, Fault> {
        self.send_into(session, place, request, None)
    }

    fn send_into(
        &self,
        session: &GroupSession,
        place: usize,
        request: &Request<'_>,
        out: Option<&mut [u8]>,
    ) -> Result<Reply, Fault> {
        let MemberSession { epoch, handle, seat } = self.member_seat(session, place)?;
        let member = self.member(place)?;
        let outcome = request
            .addressed(handle, &|object| self.on_member(handle, place, object))
            .map_err(Fault::from)
            .and_then(|addressed| member.call_into(seat.as_deref(), &addressed, out));
        match outcome {
            // Lost since, and perhaps back: its session went with the connection. Another thread may
            // have noticed it first, so what the group thinks of the member by now says nothing.
            Err(Fault::Refused(error))
                if error.cause() == Cause::SessionHandleInvalid && !member.is_on(epoch) =>
            {
                Err(Fault::Unreachable("the connection was lost".into()))
            }
            outcome => outcome,
        }
    }

    /// What a member calls an object of the group, asked of it by the object's permanent identity
    /// where that is not known yet.
    pub(super) fn on_member(
        &self,
        session: SessionHandle,
        place: usize,
        object: ObjectHandle,
    ) -> Result<ObjectHandle> {
        if let Some(known) = self.handles.on(object, place) {
            return Ok(known);
        }
        let unmet = || {
            Error::new(
                Cause::ObjectHandleInvalid,
                "this process has neither made the object nor met it in a search",
            )
        };
        let entry = self.handles.find(object).ok_or_else(unmet)?;
        match self.member(place)?.call(&Request::Locate(session, entry.ouid)) {
            Ok(Reply::Object(found)) => {
                self.meet(place, found, entry.owner);
                Ok(found.handle)
            }
            Ok(_) => Err(strange()),
            Err(Fault::Refused(error)) => Err(error),
            Err(Fault::Unreachable(why) | Fault::Lost(why)) => {
                Err(Error::new(Cause::DeviceError, why))
            }
        }
    }

    pub(super) fn meet(&self, place: usize, found: Found, owner: Option<u64>) -> ObjectHandle {
        self.handles.meet(place, found, owner, self.members.len())
    }

    /// The reply with virtual handles; `maker` is the session whose session objects are in it.
    fn seen(&self, maker: Option<&GroupSession>, place: usize, reply: Reply) -> Reply {
        let owner = maker.map(|session| session.id);
        let meet = |found: Found| Found { handle: self.meet(place, found, owner), ..found };
        match reply {
            Reply::Object(found) => Reply::Object(meet(found)),
            Reply::Pair(public, private) => Reply::Pair(meet(public), meet(private)),
            Reply::Encapsulated(output, found) => Reply::Encapsulated(output, found.map(meet)),
            Reply::Derived(keys, told) => {
                Reply::Derived(keys.into_iter().map(meet).collect(), told)
            }
            Reply::Objects(all) => Reply::Objects(all.into_iter().map(meet).collect()),
            other => other,
        }
    }

    /// One member, another when it fails and the request bears repeating.
    fn ask_any(
        &self,
        session: &GroupSession,
        request: &Request<'_>,
        pin: bool,
        mut out: Option<&mut [u8]>,
    ) -> Result<Reply> {
        let mut tried = Vec::new();
        let mut refused = None;
        loop {
            let next = if pin {
                self.in_order().into_iter().find(|place| !tried.contains(place))
            } else {
                self.least_busy(&tried)
            };
            let Some(place) = next else { return Err(refused.unwrap_or_else(nobody)) };
            tried.push(place);
            // One that fails may have written; the next writes over it.
            match self.send_into(session, place, request, out.as_deref_mut()) {
                Ok(reply) => {
                    let reply = if matches!(reply, Reply::Counted(_)) {
                        let _change = self.change();
                        self.counted(session, place, request, reply)
                    } else {
                        reply
                    };
                    if let (true, Some(purpose)) = (pin, request.purpose()) {
                        session.pinned.lock().insert(purpose, place);
                    }
                    return Ok(self.seen(None, place, reply));
                }
                // A member may lack an object that another has.
                Err(Fault::Refused(error)) if lacks(&error) => refused = Some(error),
                Err(Fault::Refused(error)) if !self.is_members(&error) => return Err(error),
                Err(fault) => {
                    self.drop_member(place, &fault);
                    if matches!(fault, Fault::Lost(_)) && !request.is_repeatable() {
                        return Err(uncertain());
                    }
                    if let Fault::Refused(error) = fault
                        && error.class() == Class::Caller
                    {
                        refused = Some(error);
                    }
                }
            }
        }
    }

    /// A message in parts stays with the member it began on; when that is lost, so is the message.
    fn ask_pinned(&self, session: &GroupSession, request: &Request<'_>) -> Result<Reply> {
        if matches!(request, Request::Begin(_) | Request::LoadState(..)) {
            return self.ask_any(session, request, true, None);
        }
        let purpose = request.purpose().ok_or_else(strange)?;
        let place = session.pinned.lock().get(&purpose).copied().ok_or_else(|| {
            Error::new(Cause::OperationNotInitialized, "the operation was lost with its member")
        })?;
        let up = self.member(place)?.is_up();
        let outcome = if up {
            self.send(session, place, request)
        } else {
            Err(Fault::Unreachable("the member was lost".into()))
        };
        let goes_on = matches!(&outcome, Ok(Reply::Output(Output::Size(_) | Output::TooSmall(_))))
            || matches!(
                (&outcome, request),
                (Ok(_), Request::Update { .. } | Request::DigestKey(..) | Request::SaveState(..))
            );
        if !goes_on {
            session.pinned.lock().remove(&purpose);
        }
        match outcome {
            Ok(reply) => Ok(reply),
            Err(Fault::Refused(error)) if !self.is_members(&error) => Err(error),
            Err(fault) => {
                self.drop_member(place, &fault);
                Err(Error::new(
                    Cause::DeviceError,
                    "the member that had the message in parts was lost; begin the message again",
                ))
            }
        }
    }

    /// Every member that is up; the first to answer decides.
    fn tell_all(&self, session: &GroupSession, request: &Request<'_>) -> Result<Reply> {
        let mut answer = None;
        let mut places = self.in_order();
        if matches!(request, Request::Destroy(..)) {
            // See `bring_together`.
            places.sort_unstable();
        }
        for place in places {
            match self.send(session, place, request) {
                Ok(reply) => {
                    self.note_login(place, request);
                    answer.get_or_insert(reply);
                }
                Err(Fault::Refused(error)) if answer.is_none() && !self.is_members(&error) => {
                    self.count_failed_secret(session, place, request, &error);
                    // A recovered member had its login already when the application asks again.
                    return Err(error);
                }
                Err(Fault::Refused(error)) if lacks(&error) || already(&error) => {
                    self.bury(session, place, request);
                }
                Err(fault) => {
                    self.drop_member(place, &fault);
                    if matches!(fault, Fault::Lost(_)) && answer.is_none() {
                        return Err(uncertain());
                    }
                }
            }
        }
        let answer = answer.ok_or_else(nobody)?;
        self.remember(request);
        Ok(answer)
    }

    /// What a member lacks and others have destroyed may be on its way there.
    fn bury(&self, session: &GroupSession, place: usize, request: &Request<'_>) {
        let Request::Destroy(_, object) = request else { return };
        let Some(entry) = self.handles.find(*object).filter(|entry| entry.token) else { return };
        if let Err(fault) = self.send(session, place, &Request::Bury(NONE, entry.ouid)) {
            self.drop_member(place, &fault);
        }
    }

    /// A use that one member counted is counted by the others too, now or when they are back.
    fn counted(
        &self,
        session: &GroupSession,
        place: usize,
        request: &Request<'_>,
        reply: Reply,
    ) -> Reply {
        let (reply, counted) = reply.uncounted();
        let Some(key) = request.key().filter(|_| counted) else { return reply };
        let used = Counting::Used(1);
        for other in self.in_order().into_iter().filter(|other| *other != place) {
            match self.send(session, other, &Request::Count(NONE, key, used)) {
                // One that lacks the key gets it with its count.
                Ok(_) => {}
                Err(Fault::Refused(error)) if !self.is_members(&error) => {}
                Err(fault) => self.drop_member(other, &fault),
            }
        }
        if let Some(entry) = self.handles.find(key).filter(|entry| entry.token) {
            self.missed_by_others(&Missed::Counted(entry.ouid, used));
        }
        reply
    }

    /// Notes a change for every member that is down.
    pub(super) fn missed_by_others(&self, missed: &Missed) {
        for member in self.members.iter().filter(|member| !member.is_up()) {
            member.miss(missed.clone());
        }
    }

    fn note_login(&self, place: usize, request: &Request<'_>) {
        if let Some(member) = self.members.get(place) {
            match request {
                Request::Login(..) => member.set_logged_in(true),
                Request::Logout(_) => member.set_logged_in(false),
                _ => {}
            }
        }
    }

    /// What all members heard, for those that did not.
    fn remember(&self, request: &Request<'_>) {
        let missed = match request {
            Request::Login(_, role, pin) => {
                *self.login.lock() = Some((*role, pin.clone()));
                self.synchronize_late();
                return;
            }
            Request::Logout(_) => {
                self.forget_login();
                return;
            }
            Request::Destroy(_, object) => self
                .handles
                .forget(*object)
                .filter(|entry| entry.token)
                .map(|entry| Missed::Destroyed(entry.ouid)),
            Request::SetAttributes(_, object, template) => self
                .handles
                .find(*object)
                .filter(|entry| entry.token)
                .map(|entry| Missed::Changed(entry.ouid, template.clone().into_owned())),
            Request::Count(_, object, counting) => self
                .handles
                .find(*object)
                .filter(|entry| entry.token)
                .map(|entry| Missed::Counted(entry.ouid, *counting)),
            _ => None,
        };
        if let Some(missed) = missed {
            self.missed_by_others(&missed);
        }
    }

    /// The primary makes it, the others get it, the caller hears of it when all have it.
    fn make(&self, session: &GroupSession, request: &Request<'_>) -> Result<Reply> {
        loop {
            let place = *self.in_order().first().ok_or_else(nobody)?;
            match self.send(session, place, request) {
                Ok(reply) => {
                    let reply = self.counted(session, place, request, reply);
                    let made = made(&reply);
                    let seen = self.seen(Some(session), place, reply);
                    self.replicate(session, place, &made)?;
                    return Ok(seen);
                }
                Err(Fault::Refused(error)) if !self.is_members(&error) => return Err(error),
                Err(fault) => {
                    self.drop_member(place, &fault);
                    if matches!(fault, Fault::Lost(_)) {
                        return Err(uncertain());
                    }
                }
            }
        }
    }
}

/// The objects that a reply tells of.
fn made(reply: &Reply) -> Vec<Found> {
    match reply {
        Reply::Object(found) | Reply::Encapsulated(_, Some(found)) => vec![*found],
        Reply::Pair(public, private) => vec![*public, *private],
        Reply::Derived(found, _) => found.clone(),
        _ => Vec::new(),
    }
}

pub(super) fn lacks(error: &Error) -> bool {
    matches!(
        error.cause(),
        Cause::ObjectHandleInvalid
            | Cause::KeyHandleInvalid
            | Cause::WrappingKeyHandleInvalid
            | Cause::UnwrappingKeyHandleInvalid
    )
}

fn already(error: &Error) -> bool {
    matches!(error.cause(), Cause::UserAlreadyLoggedIn | Cause::UserNotLoggedIn)
}

/// First `CKR_DEVICE_ERROR` (recalled; Assumed).
pub(super) fn nobody() -> Error {
    Error::new(Cause::DeviceError, "no member of the group is up")
}

fn uncertain() -> Error {
    Error::new(
        Cause::DeviceError,
        "the member was lost with the answer: it may have been done, and is not done again",
    )
}

pub(super) fn strange() -> Error {
    Error::new(Cause::GeneralError, "a member gave an answer of the wrong kind")
}
