//! One application: its calls, and what it makes of the answers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use emulator::ck::*;
use emulator::error::{Cause, Error, Result};
use emulator::luna::config::{GroupEntry, Recovery};
use emulator::luna::ha::{Group, GroupSession};
use emulator::luna::log::Log;
use emulator::mechanisms::{Mechanism, Params};
use emulator::object::{Answer, Attribute, Template};
use emulator::output::{Output, Room};
use emulator::wire::{ApplicationId, Link, Operation, Pin, Reply, Request};
use ring::hmac;

use crate::ledger::{Debt, Fate, Kind};
use crate::step::Step;
use crate::wire::Wire;
use crate::world::{PIN, World};

/// `Group` fills it in.
const NONE: SessionHandle = SessionHandle(0);

/// Between attempts to bring a member back: the smallest the vendor allows (Documented).
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// What is signed in one call, and each part of what is signed in parts.
const MESSAGE: &[u8] = b"attack at dawn";

/// An application that runs, or does not.
#[derive(Default)]
pub(crate) struct Process {
    running: Option<Running>,
}

struct Running {
    number: usize,
    run: u64,
    group: Group,
    session: Arc<GroupSession>,
    /// None when a call that changes it was not answered.
    logged_in: Option<bool>,
    /// What it has made or met: the group's handles by number of object.
    handles: BTreeMap<usize, ObjectHandle>,
    parts: Option<Parts>,
    debts: Vec<Debt>,
    /// `activeBasic`, and all members may have been lost at a time.
    stranded: bool,
}

/// A signature in parts.
struct Parts {
    object: usize,
    fed: Vec<u8>,
    /// Some member was lost since it began.
    shaken: bool,
}

/// What a call was told, and amid which troubles.
struct Told<T> {
    answer: Result<T>,
    /// A fault struck, no member was up, or all were lost before: it may have failed.
    excused: bool,
}

impl Process {
    pub(crate) fn act(&mut self, world: &Arc<World>, number: usize, step: &Step) {
        if world.was_killed(number) {
            self.bury(world, number);
        }
        match (step, &mut self.running) {
            (Step::Start(_), None) => {
                world.note(&format!("{step:?}"));
                self.start(world, number);
            }
            (Step::Stop(_), Some(_)) => {
                world.note(&format!("{step:?}"));
                self.stop(world);
            }
            (Step::Start(_), Some(_)) | (_, None) => {}
            (step, Some(running)) => running.act(world, step),
        }
        if world.was_killed(number) {
            self.bury(world, number);
        }
    }

    fn start(&mut self, world: &Arc<World>, number: usize) {
        let run = world.begin_run(number);
        let Some(running) = Running::begin(world, number, run) else {
            world.note("  no member was up");
            return;
        };
        let running = self.running.insert(running);
        running.login(world);
    }

    /// `C_Finalize`: the process knows no more than it has told.
    fn stop(&mut self, world: &Arc<World>) {
        if let Some(mut running) = self.running.take() {
            running.group.close(&running.session);
            running.over(world);
        }
    }

    /// It was killed.
    fn bury(&mut self, world: &Arc<World>, number: usize) {
        if let Some(mut running) = self.running.take() {
            world.note(&format!("process {number} was killed"));
            running.over(world);
        }
    }

    /// Every member has what it was told of, or nothing runs.
    pub(crate) fn owes_nothing(&mut self, world: &World) -> bool {
        let Some(running) = &mut self.running else { return true };
        let down = running.look(world);
        down.is_empty() && running.debts.is_empty() && running.logged_in == Some(true)
    }

    /// All faults are mended: within the documented time every member is well again.
    pub(crate) fn converge(&mut self, world: &Arc<World>) {
        let Some(running) = &mut self.running else { return };
        for _ in 0..2 {
            world.clock.advance(INTERVAL);
            running.look(world);
        }
        let down: Vec<_> = running.down();
        if !running.stranded && !down.is_empty() {
            world.violated(format!(
                "process {}: members {down:?} are down, two intervals after all was mended",
                running.number
            ));
        }
    }
}

impl Running {
    fn begin(world: &Arc<World>, number: usize, run: u64) -> Option<Self> {
        let members: Vec<String> =
            world.devices().iter().map(|device| device.serial.clone()).collect();
        let links = members.iter().enumerate().map(|(member, serial)| {
            let world = Arc::downgrade(world);
            let serial = serial.clone();
            Arc::new(Wire { world, process: number, member, serial, run }) as Arc<dyn Link>
        });
        let standby = world.shape.standby.then(|| members.last().cloned()).flatten();
        let entry = GroupEntry {
            label: "group".into(),
            serial: "1100".into(),
            members: members.clone(),
            standby: standby.into_iter().collect(),
            synchronize: true,
        };
        let recovery =
            Recovery { attempts: None, interval: INTERVAL, enhanced: world.shape.enhanced };
        let group =
            Group::new(&entry, links.collect(), recovery, world.time(), Log::none(world.time()));
        let minor = number as u64 * 1_000_000 + run;
        let session = group.open(ApplicationId { major: 0, minor, named: false }, true).ok()?;
        Some(Self {
            number,
            run,
            group,
            session,
            logged_in: Some(false),
            handles: BTreeMap::new(),
            parts: None,
            debts: Vec::new(),
            stranded: false,
        })
    }

    fn over(&mut self, world: &World) {
        let mut ledger = world.ledger.lock();
        ledger.process_is_over(self.number);
        ledger.default_on(&mut self.debts);
    }

    fn act(&mut self, world: &Arc<World>, step: &Step) {
        let said = match step {
            Step::Login(_) if self.logged_in != Some(true) => self.login(world),
            Step::Logout(_) if self.logged_in == Some(true) => self.logout(world),
            Step::CreateData(_, token) => self.make(world, Kind::Data, *token),
            Step::CreateKey(_, token) => self.make(world, Kind::Key, *token),
            Step::Generate(_) => self.make(world, Kind::Generated, true),
            Step::Destroy(_, pick) => self.with(world, *pick, false, Self::destroy),
            Step::Change(_, pick) => self.with(world, *pick, false, Self::change),
            Step::Sign(_, pick) => self.with(world, *pick, true, Self::sign),
            Step::Begin(_, pick) => self.with(world, *pick, true, Self::begin_parts),
            Step::Update(_) => self.update(world),
            Step::Finish(_) => self.finish(world),
            Step::Read(_, pick) => self.with(world, *pick, false, Self::read),
            Step::Find(_, pick) => self.find(world, *pick),
            _ => None,
        };
        if let Some(said) = said {
            world.note(&format!("{step:?}: {said}"));
        }
    }

    /// Members that the group says are down.
    fn down(&self) -> Vec<usize> {
        let state = self.group.state();
        let down = state.iter().enumerate().filter(|(_, (_, status))| *status != CKR_OK);
        down.map(|(member, _)| member).collect()
    }

    /// Looks at the members as `CA_GetHAState` does, and keeps book of who knows what.
    fn look(&mut self, world: &World) -> Vec<usize> {
        let down = self.down();
        if down.len() == world.shape.members && !world.shape.enhanced {
            self.stranded = true;
        }
        let mut ledger = world.ledger.lock();
        for member in 0..world.shape.members {
            // With all of them down, what lived in their memory is given up, even where one was only
            // silent (ha.md section 9, Documented for a loss of all).
            if down.len() == world.shape.members {
                ledger.member_forgot(self.number, member);
            } else if !down.contains(&member) {
                ledger.member_is_well(self.number, member);
            }
        }
        // Nobody is told what he missed before somebody is logged in.
        if down.is_empty() && self.logged_in == Some(true) {
            ledger.settle(&mut self.debts);
        }
        down
    }

    /// One call, judged by what happened around it.
    fn call(&mut self, world: &World, request: &Request<'_>) -> Told<Reply> {
        self.look(world);
        let before = world.was_struck(self.number);
        self.lost_all(world);
        let answer = self.group.call(&self.session, request);
        self.lost_all(world);
        let none_up = self.look(world).len() == world.shape.members;
        let struck = world.was_struck(self.number);
        if (before || struck)
            && let Some(parts) = &mut self.parts
        {
            parts.shaken = true;
        }
        Told {
            answer,
            excused: struck || none_up || self.stranded || world.was_killed(self.number),
        }
    }

    /// Whether every member was lost, before the group has looked.
    fn lost_all(&mut self, world: &World) {
        let lost = |member: usize| {
            world.path(self.number, member).is_none_or(|(path, device)| {
                let path = path.lock();
                path.cut
                    || path.given_up
                    || !device.power.load(std::sync::atomic::Ordering::Relaxed)
            })
        };
        if !world.shape.enhanced && (0..world.shape.members).all(lost) {
            self.stranded = true;
        }
    }

    fn complain(&self, world: &World, what: &str, error: &Error) {
        world.violated(format!("process {}: {what}: {error}", self.number));
    }

    fn login(&mut self, world: &Arc<World>) -> Option<String> {
        let request = Request::Login(NONE, Role::CryptoOfficer, Pin::new(PIN));
        let told = self.call(world, &request);
        match told.answer {
            Ok(_) => self.logged_in = Some(true),
            Err(error)
                if error.cause() == Cause::UserAlreadyLoggedIn && self.logged_in.is_none() =>
            {
                self.logged_in = Some(true);
            }
            Err(error) if told.excused => {
                self.logged_in = None;
                return Some(error.cause().name());
            }
            Err(error) => self.complain(world, "a right PIN", &error),
        }
        self.look(world);
        Some("ok".into())
    }

    fn logout(&mut self, world: &Arc<World>) -> Option<String> {
        // From here on nobody can be told what he missed.
        self.logged_in = None;
        let told = self.call(world, &Request::Logout(NONE));
        // Private session objects go with the login; all of these are private.
        world.ledger.lock().process_is_over(self.number);
        self.parts = None;
        match told.answer {
            Ok(_) => self.logged_in = Some(false),
            Err(error) if told.excused => return Some(error.cause().name()),
            Err(error) => self.complain(world, "a logout", &error),
        }
        Some("ok".into())
    }

    fn make(&mut self, world: &Arc<World>, kind: Kind, token: bool) -> Option<String> {
        let owner = (!token).then_some((self.number, self.run));
        let number = world.ledger.lock().open(kind, owner);
        let request = {
            let ledger = world.ledger.lock();
            making(kind, ledger.get(number)?, token)
        };
        let told = self.call(world, &request);
        let down = self.down();
        match told.answer {
            Ok(Reply::Object(found)) => {
                if self.logged_in == Some(false) {
                    world.violated(format!("process {} made what a login is for", self.number));
                }
                self.handles.insert(number, found.handle);
                let mut ledger = world.ledger.lock();
                let record = ledger.get_mut(number)?;
                // Another process may have met and destroyed it already.
                if record.fate == Fate::Unsure {
                    record.fate = Fate::Kept;
                }
                if !token {
                    // A fault amid the call may have taken it from where it was made.
                    let known = !told.excused;
                    let up =
                        (0..world.shape.members).filter(|member| known && !down.contains(member));
                    record.holders.extend(up);
                } else if !down.is_empty() {
                    record.partial = true;
                    self.debts.push(Debt::Made(number));
                }
                Some(format!("object-{number}"))
            }
            Ok(_) => {
                world.violated("an object was answered by something else".into());
                None
            }
            Err(error) if self.needs_login(&error) => {
                world.ledger.lock().get_mut(number)?.fate = Fate::Gone;
                Some(error.cause().name())
            }
            Err(error) if told.excused => Some(error.cause().name()),
            Err(error) => {
                self.complain(world, "making an object", &error);
                None
            }
        }
    }

    /// The refusal is right, or may be.
    fn needs_login(&self, error: &Error) -> bool {
        self.logged_in != Some(true) && error.cause() == Cause::UserNotLoggedIn
    }

    /// One of the objects the process knows.
    fn with(
        &mut self,
        world: &Arc<World>,
        pick: usize,
        key: bool,
        run: impl FnOnce(&mut Self, &Arc<World>, usize, ObjectHandle) -> Option<String>,
    ) -> Option<String> {
        let known: Vec<(usize, ObjectHandle)> = {
            let ledger = world.ledger.lock();
            let mine = self.handles.iter().map(|(number, handle)| (*number, *handle));
            mine.filter(|(number, _)| {
                ledger.get(*number).is_some_and(|record| !key || record.kind != Kind::Data)
            })
            .collect()
        };
        let (number, handle) = *known.get(pick.checked_rem(known.len())?)?;
        run(self, world, number, handle)
    }

    /// Judges a refusal of a call that names an object.
    fn refused(&mut self, world: &World, number: usize, error: &Error, excused: bool) -> String {
        let must = world.ledger.lock().get(number).is_some_and(|it| it.must_be_found());
        let missing = matches!(error.cause(), Cause::ObjectHandleInvalid | Cause::KeyHandleInvalid);
        // Unless logged in, a private object is not shown, or not found.
        let hidden = self.logged_in != Some(true) && missing;
        if !(excused || self.needs_login(error) || hidden || (missing && !must)) {
            self.complain(world, &format!("object-{number}"), error);
        }
        error.cause().name()
    }

    fn destroy(
        &mut self,
        world: &Arc<World>,
        number: usize,
        handle: ObjectHandle,
    ) -> Option<String> {
        let before = {
            let mut ledger = world.ledger.lock();
            let record = ledger.get_mut(number)?;
            let before = record.fate;
            record.torn |= record.owner.is_none();
            if before == Fate::Kept {
                record.fate = Fate::Unsure;
            }
            before
        };
        let told = self.call(world, &Request::Destroy(NONE, handle));
        let down = self.down();
        match told.answer {
            Ok(_) => {
                let mut ledger = world.ledger.lock();
                let alone = world.shape.processes == 1;
                let record = ledger.get_mut(number)?;
                // Two that destroy it, or one amid its making, leave it to the order; with members
                // down, another process may bring it back from one of them.
                if before == Fate::Unsure || (!alone && !down.is_empty()) {
                    record.fate = Fate::Unsure;
                } else {
                    record.fate = Fate::Gone;
                    if !down.is_empty() {
                        self.debts.push(Debt::Destroyed(number));
                    }
                }
                self.handles.remove(&number);
                if self.logged_in == Some(false) {
                    world.violated(format!("object-{number} was destroyed without a login"));
                }
                Some("ok".into())
            }
            Err(error) => {
                // Another process may have destroyed it amid this call.
                if !told.excused
                    && world.shape.processes == 1
                    && let Some(record) = world.ledger.lock().get_mut(number)
                    && record.fate == Fate::Unsure
                {
                    record.fate = before;
                }
                Some(self.refused(world, number, &error, told.excused))
            }
        }
    }

    fn change(
        &mut self,
        world: &Arc<World>,
        number: usize,
        handle: ObjectHandle,
    ) -> Option<String> {
        let (id, former) = {
            let mut ledger = world.ledger.lock();
            let record = ledger.get_mut(number)?;
            if record.kind == Kind::Data {
                return None;
            }
            let former: Vec<Vec<u8>> = record.ids.iter().cloned().collect();
            let id = format!("{}/{}", self.number, world.trace_length()).into_bytes();
            record.ids.insert(id.clone());
            (id, former)
        };
        let template = Template::from_iter([Attribute::bytes(CKA_ID, id.clone())]);
        let request = Request::SetAttributes(NONE, handle, Cow::Owned(template));
        let told = self.call(world, &request);
        let down = self.down();
        match told.answer {
            Ok(_) => {
                // Several processes that change it, or one that brings an older copy: either.
                if world.shape.processes == 1 {
                    world.ledger.lock().get_mut(number)?.ids = [id].into();
                    if !down.is_empty() {
                        let changed = former.into_iter().map(|id| Debt::Changed(number, id));
                        self.debts.extend(changed);
                    }
                }
                Some("ok".into())
            }
            Err(error) => Some(self.refused(world, number, &error, told.excused)),
        }
    }

    fn sign(&mut self, world: &Arc<World>, number: usize, handle: ObjectHandle) -> Option<String> {
        let told = self.call(
            world,
            &Request::Perform {
                operation: operation(handle),
                input: Cow::Borrowed(MESSAGE),
                signature: None,
                room: Room::Bytes(64),
            },
        );
        match told.answer {
            Ok(Reply::Output(Output::Data(mac))) => {
                self.check_mac(world, number, MESSAGE, &mac);
                Some("ok".into())
            }
            Ok(other) => {
                world.violated(format!("a signature was answered by {other:?}"));
                None
            }
            Err(error) => Some(self.refused(world, number, &error, told.excused)),
        }
    }

    fn check_mac(&self, world: &World, number: usize, message: &[u8], mac: &[u8]) {
        if self.logged_in == Some(false) {
            world.violated(format!("object-{number} was used without a login"));
        }
        let ledger = world.ledger.lock();
        let Some(value) = ledger.get(number).and_then(|record| record.value.as_ref()) else {
            return;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, value);
        if hmac::verify(&key, message, mac).is_err() {
            drop(ledger);
            world.violated(format!("a signature by object-{number} is not by its key"));
        }
    }

    fn begin_parts(
        &mut self,
        world: &Arc<World>,
        number: usize,
        handle: ObjectHandle,
    ) -> Option<String> {
        let told = self.call(world, &Request::Begin(operation(handle)));
        match told.answer {
            Ok(_) => {
                self.parts = Some(Parts { object: number, fed: Vec::new(), shaken: told.excused });
                Some("ok".into())
            }
            Err(error) => {
                self.parts = None;
                Some(self.refused(world, number, &error, told.excused))
            }
        }
    }

    fn update(&mut self, world: &Arc<World>) -> Option<String> {
        self.parts.as_ref()?;
        let request = Request::Update {
            session: NONE,
            purpose: Purpose::Sign,
            input: Cow::Borrowed(MESSAGE),
            room: Room::Bytes(64),
        };
        let told = self.call(world, &request);
        if told.answer.is_ok()
            && let Some(parts) = &mut self.parts
        {
            parts.fed.extend_from_slice(MESSAGE);
            return Some("ok".into());
        }
        self.parts_lost(world, told)
    }

    fn finish(&mut self, world: &Arc<World>) -> Option<String> {
        self.parts.as_ref()?;
        let request = Request::Finish {
            session: NONE,
            purpose: Purpose::Sign,
            signature: None,
            room: Room::Bytes(64),
        };
        let told = self.call(world, &request);
        if let Ok(Reply::Output(Output::Data(mac))) = &told.answer {
            let parts = self.parts.take()?;
            self.check_mac(world, parts.object, &parts.fed, mac);
            return Some("ok".into());
        }
        self.parts_lost(world, told)
    }

    /// A message in parts may be lost with its member, and with its key, and for no other reason.
    fn parts_lost(&mut self, world: &World, told: Told<Reply>) -> Option<String> {
        let parts = self.parts.take()?;
        let error = match told.answer {
            Err(error) => error,
            Ok(other) => {
                world.violated(format!("a part was answered by {other:?}"));
                return None;
            }
        };
        let lost = matches!(error.cause(), Cause::DeviceError | Cause::OperationNotInitialized);
        if !(told.excused || parts.shaken && lost) {
            return Some(self.refused(world, parts.object, &error, false));
        }
        Some(error.cause().name())
    }

    fn read(&mut self, world: &Arc<World>, number: usize, handle: ObjectHandle) -> Option<String> {
        let kinds = [CKA_LABEL, CKA_ID];
        let told = self.call(world, &Request::Attributes(NONE, handle, Cow::Borrowed(&kinds)));
        match told.answer {
            Ok(Reply::Answers(answers)) => {
                let ledger = world.ledger.lock();
                let record = ledger.get(number)?;
                let mut texts = answers.iter().map(|answer| match answer {
                    Answer::Value(emulator::object::Value::Bytes(bytes)) => bytes.to_vec(),
                    _ => Vec::new(),
                });
                let (label, id) = (texts.next()?, texts.next()?);
                let right = label == record.label.as_bytes() && record.ids.contains(&id);
                drop(ledger);
                if !right {
                    world.violated(format!(
                        "object-{number} has the label {:?} and the id {:?}",
                        String::from_utf8_lossy(&label),
                        String::from_utf8_lossy(&id)
                    ));
                }
                Some("ok".into())
            }
            Ok(_) => None,
            Err(error) => Some(self.refused(world, number, &error, told.excused)),
        }
    }

    fn find(&mut self, world: &Arc<World>, pick: usize) -> Option<String> {
        let (number, label) = {
            let ledger = world.ledger.lock();
            let number = pick.checked_rem(ledger.records().len())?;
            (number, ledger.get(number)?.label.clone())
        };
        let wanted = Template::from_iter([Attribute::bytes(CKA_LABEL, label.as_bytes())]);
        let told = self.call(world, &Request::Find(NONE, Cow::Owned(wanted)));
        let ledger = world.ledger.lock();
        let record = ledger.get(number)?.clone();
        drop(ledger);
        match told.answer {
            Ok(Reply::Objects(found)) => {
                let others = record.owner.is_some_and(|(owner, _)| owner != self.number);
                let settled = self.logged_in == Some(true) && !told.excused && !others;
                match found.as_slice() {
                    [] if settled && record.must_be_found() => {
                        world.violated(format!("object-{number} was acknowledged and not found"));
                    }
                    [] => {}
                    [_] if self.logged_in == Some(false) => {
                        world.violated(format!("object-{number} was found without a login"));
                    }
                    [one] => {
                        self.handles.insert(number, one.handle);
                    }
                    several => world.violated(format!(
                        "object-{number} was made once and is there {} times",
                        several.len()
                    )),
                }
                Some(format!("object-{number} {}", found.len()))
            }
            Ok(_) => None,
            Err(error) => Some(self.refused(world, number, &error, told.excused)),
        }
    }
}

fn operation(key: ObjectHandle) -> Operation<'static> {
    let mechanism = Mechanism { kind: CKM_SHA256_HMAC, params: Params::None };
    Operation {
        session: NONE,
        purpose: Purpose::Sign,
        mechanism: Cow::Owned(mechanism),
        key: Some(key),
        pin: None,
    }
}

fn making(kind: Kind, record: &crate::ledger::Record, token: bool) -> Request<'static> {
    let mut template = Template::from_iter([
        Attribute::flag(CKA_TOKEN, token),
        Attribute::flag(CKA_PRIVATE, true),
        Attribute::bytes(CKA_LABEL, record.label.as_bytes()),
    ]);
    if kind != Kind::Data {
        template.set(Attribute::flag(CKA_SIGN, true));
    }
    match kind {
        Kind::Generated => {
            template.set(Attribute::number(CKA_VALUE_LEN, 32));
            let mechanism = Mechanism { kind: CKM_GENERIC_SECRET_KEY_GEN, params: Params::None };
            return Request::GenerateKey(NONE, Cow::Owned(mechanism), Cow::Owned(template));
        }
        Kind::Data => template.set(Attribute::number(CKA_CLASS, CKO_DATA)),
        Kind::Key => {
            template.set(Attribute::number(CKA_CLASS, CKO_SECRET_KEY));
            template.set(Attribute::number(CKA_KEY_TYPE, CKK_GENERIC_SECRET));
        }
    }
    template.set(Attribute::bytes(CKA_VALUE, record.value.clone().unwrap_or_default()));
    Request::Create(NONE, Cow::Owned(template))
}

/// The name of a cause, for the trace.
trait Named {
    fn name(&self) -> String;
}

impl Named for Cause {
    fn name(&self) -> String {
        format!("{self:?}")
    }
}
