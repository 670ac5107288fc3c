//! Members, links, processes, the clock; and what happens to them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use emulator::env::{Clock, ManualClock};
use emulator::error::{Cause, Error, Result};
use emulator::hsm::appliance::partition_steps;
use emulator::hsm::store::{HsmRecord, Query, SqliteStore, Step as StoreStep, Store};
use emulator::hsm::{Appliance, Partition, PartitionBlueprint, Roles};
use emulator::profile::{self, Profile};
use emulator::wire::Pin;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;
use crate::process::Process;
use crate::step::{Lie, Step};

/// The Crypto Officer's PIN, on every member.
pub(crate) const PIN: &[u8] = b"crypto-officer";

/// Steps amid steps amid steps end somewhere.
const DEEPEST: usize = 3;

/// How many there are of what, and how the group is configured.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Shape {
    /// Members of the group, 1 and more.
    pub members: usize,
    /// Applications, 1 and more.
    pub processes: usize,
    /// `activeEnhanced`; else `activeBasic`.
    pub enhanced: bool,
    /// The last member stands by.
    pub standby: bool,
}

impl Shape {
    /// What a world can be made of.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self) -> std::result::Result<(), String> {
        // The vendor's most, and more than any schedule drawn here has.
        let within = |number: usize, most| (1..=most).contains(&number);
        if within(self.members, 32) && within(self.processes, 32) {
            return Ok(());
        }
        Err(format!("{} members and {} processes: 1 to 32 of each", self.members, self.processes))
    }
}

/// An HSM with one partition.
pub(crate) struct Device {
    store: Mutex<Arc<dyn Store>>,
    pub(crate) serial: String,
    pub(crate) power: AtomicBool,
    pub(crate) frozen: AtomicBool,
    /// It has lost power before.
    pub(crate) was_off: AtomicBool,
    pub(crate) lie: Option<Lie>,
}

/// The way of a process to a member.
pub(crate) struct Path {
    /// The member as this process sees it: what it keeps in memory is for this process alone.
    pub(crate) partition: Arc<Partition>,
    pub(crate) cut: bool,
    /// It is silent one way; see [`Step::Mute`].
    pub(crate) mute: Option<bool>,
    /// The process has given it up as silent, and does not reach it until that is over.
    pub(crate) given_up: bool,
    /// What a frozen member took, as bytes: it carries it out when it goes on.
    pub(crate) taken: Vec<Vec<u8>>,
    pub(crate) epoch: u64,
    losses: Vec<Loss>,
}

/// See [`Step::Lose`].
#[derive(Clone, Copy)]
pub(crate) struct Loss {
    after: u32,
    pub(crate) done: bool,
    pub(crate) reset: bool,
}

impl Path {
    fn new(partition: Arc<Partition>) -> Self {
        Self {
            partition,
            cut: false,
            mute: None,
            given_up: false,
            taken: Vec::new(),
            epoch: 0,
            losses: Vec::new(),
        }
    }

    /// The silence is over: what was given up meanwhile begins anew.
    fn speak(&mut self) {
        self.mute = None;
        if std::mem::take(&mut self.given_up) {
            self.reset();
        }
    }

    /// The loss that the next request meets.
    pub(crate) fn loss(&mut self) -> Option<Loss> {
        let due = self.losses.iter().position(|loss| loss.after == 0);
        for loss in &mut self.losses {
            loss.after = loss.after.saturating_sub(1);
        }
        due.map(|due| self.losses.remove(due))
    }
}

/// What is in store for a process.
#[derive(Default)]
pub(crate) struct Doom {
    /// Counts its runs.
    pub(crate) run: u64,
    dead: bool,
    kill_after: Option<u32>,
    amid: Vec<(u32, Step)>,
    /// A fault struck it since it last looked.
    pub(crate) struck: bool,
}

/// Everything.
pub struct World {
    pub(crate) shape: Shape,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ledger: Mutex<Ledger>,
    /// The trace has every request too.
    pub(crate) in_detail: bool,
    devices: Vec<Device>,
    paths: Vec<Vec<Mutex<Path>>>,
    processes: Vec<Mutex<Process>>,
    dooms: Vec<Mutex<Doom>>,
    trace: Mutex<Vec<String>>,
    violation: Mutex<Option<String>>,
    depth: AtomicUsize,
}

/// Read once: that takes longer than a whole schedule.
pub(crate) fn profile() -> Result<Arc<Profile>> {
    static PROFILE: OnceLock<std::result::Result<Arc<Profile>, String>> = OnceLock::new();
    let read = PROFILE.get_or_init(|| {
        Profile::built_in(profile::DEFAULT).map(Arc::new).map_err(|error| error.to_string())
    });
    read.clone().map_err(strange)
}

fn strange(error: impl std::fmt::Display) -> Error {
    Error::new(Cause::GeneralError, error.to_string())
}

impl World {
    /// A world in which nothing has happened.
    ///
    /// # Errors
    /// When there is no memory for a store, or a built-in profile cannot be read.
    pub fn new(shape: &Shape, lie: Option<Lie>, in_detail: bool) -> Result<Arc<Self>> {
        let profile = profile()?;
        let devices = (0..shape.members)
            .map(|at| device(at, if at == 0 { lie } else { None }))
            .collect::<Result<Vec<_>>>()?;
        let paths = (0..shape.processes)
            .map(|_| {
                devices
                    .iter()
                    .map(|device| {
                        let partition = device.partition(&profile)?;
                        Ok(Mutex::new(Path::new(partition)))
                    })
                    .collect::<Result<Vec<_>>>()
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Self {
            shape: shape.clone(),
            clock: Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH)),
            ledger: Mutex::new(Ledger::default()),
            in_detail,
            devices,
            paths,
            processes: (0..shape.processes).map(|_| Mutex::new(Process::default())).collect(),
            dooms: (0..shape.processes).map(|_| Mutex::new(Doom::default())).collect(),
            trace: Mutex::new(Vec::new()),
            violation: Mutex::new(None),
            depth: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn time(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    pub(crate) fn devices(&self) -> &[Device] {
        &self.devices
    }

    pub(crate) fn path(&self, process: usize, member: usize) -> Option<(&Mutex<Path>, &Device)> {
        Some((self.paths.get(process)?.get(member)?, self.devices.get(member)?))
    }

    pub(crate) fn doom(&self, process: usize) -> Option<&Mutex<Doom>> {
        self.dooms.get(process)
    }

    pub(crate) fn is_dead(&self, process: usize, run: u64) -> bool {
        self.doom(process).is_none_or(|doom| {
            let doom = doom.lock();
            doom.dead || doom.run != run
        })
    }

    /// The first thing that may not be; what follows it is not looked at.
    pub(crate) fn violated(&self, what: String) {
        self.note(&format!("VIOLATION {what}"));
        self.violation.lock().get_or_insert(what);
    }

    /// What may not be and was.
    #[must_use]
    pub fn violation(&self) -> Option<String> {
        self.violation.lock().clone()
    }

    /// What happened, a line for each step.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.trace.lock().clone()
    }

    pub(crate) fn note(&self, line: &str) {
        let depth = self.depth.load(Ordering::Relaxed).saturating_sub(1);
        self.trace.lock().push(format!("{}{line}", "  ".repeat(depth)));
    }

    pub(crate) fn trace_length(&self) -> usize {
        self.trace.lock().len()
    }

    /// Every process sees all members well again, within the documented time.
    pub(crate) fn converge(self: &Arc<Self>) {
        for process in &self.processes {
            process.lock().converge(self);
        }
    }

    /// One step, and what comes of it.
    pub fn step(self: &Arc<Self>, step: &Step) {
        if self.violation.lock().is_some() || self.depth.load(Ordering::Relaxed) >= DEEPEST {
            return;
        }
        self.depth.fetch_add(1, Ordering::Relaxed);
        match step.process() {
            Some(process) => self.act(process % self.shape.processes.max(1), step),
            None => {
                self.note(&format!("{step:?}"));
                self.befall(step);
            }
        }
        self.depth.fetch_sub(1, Ordering::Relaxed);
    }

    fn act(self: &Arc<Self>, number: usize, step: &Step) {
        let Some(process) = self.processes.get(number) else { return };
        // In the midst of a call it makes no other.
        let Some(mut process) = process.try_lock() else { return };
        process.act(self, number, step);
    }

    fn befall(self: &Arc<Self>, step: &Step) {
        match step {
            Step::Kill(process, after) => {
                if let Some(doom) = self.doom(process % self.shape.processes) {
                    doom.lock().kill_after.get_or_insert(*after);
                }
            }
            Step::Cut(process, member) => self.on_path(*process, *member, |path| {
                let whole = !path.cut;
                path.cut = true;
                path.reset();
                whole
            }),
            Step::Mend(process, member) => {
                let frozen = self.is_frozen(member % self.shape.members);
                self.on_path(*process, *member, |path| {
                    path.cut = false;
                    if frozen {
                        path.mute = None;
                    } else {
                        path.speak();
                    }
                    false
                });
            }
            Step::Mute { process, member, done } => self.on_path(*process, *member, |path| {
                path.mute = Some(*done);
                false
            }),
            Step::Freeze(member) => {
                if let Some(device) = self.devices.get(member % self.shape.members) {
                    let has_power = device.power.load(Ordering::Relaxed);
                    device.frozen.fetch_or(has_power, Ordering::Relaxed);
                }
            }
            Step::Thaw(member) => self.thaw(member % self.shape.members),
            Step::Wipe(member) => self.wipe(member % self.shape.members),
            Step::PowerOff(member) => self.power_off(member % self.shape.members),
            Step::PowerOn(member) => {
                if let Some(device) = self.devices.get(member % self.shape.members) {
                    device.power.store(true, Ordering::Relaxed);
                }
            }
            Step::Lose { process, member, after, done, reset } => {
                let loss = Loss { after: *after, done: *done, reset: *reset };
                self.on_path(*process, *member, |path| {
                    path.losses.push(loss);
                    false
                });
            }
            Step::Amid(process, after, step) => {
                if let Some(doom) = self.doom(process % self.shape.processes) {
                    doom.lock().amid.push((*after, (**step).clone()));
                }
            }
            Step::Wait(seconds) => self.clock.advance(Duration::from_secs(u64::from(*seconds))),
            Step::Jump(seconds) => {
                let by = Duration::from_secs(u64::from(seconds.unsigned_abs()));
                let now = self.clock.wall();
                let then = if *seconds < 0 { now.checked_sub(by) } else { now.checked_add(by) };
                self.clock.set_wall(then.unwrap_or(now));
            }
            _ => {}
        }
    }

    /// `change` says whether the link was lost by it.
    fn on_path(&self, process: usize, member: usize, change: impl FnOnce(&mut Path) -> bool) {
        let (process, member) = (process % self.shape.processes, member % self.shape.members);
        let Some((path, _)) = self.path(process, member) else { return };
        let lost = change(&mut path.lock());
        if lost {
            self.strike(process, member);
        }
    }

    fn power_off(&self, member: usize) {
        let Some(device) = self.devices.get(member) else { return };
        if !device.power.swap(false, Ordering::Relaxed) {
            return;
        }
        device.was_off.store(true, Ordering::Relaxed);
        device.frozen.store(false, Ordering::Relaxed);
        for process in 0..self.shape.processes {
            if let Some((path, _)) = self.path(process, member) {
                let mut path = path.lock();
                path.taken.clear();
                // One that is mute stays so.
                path.given_up &= path.mute.is_some();
                path.reset();
                drop(path);
                self.strike(process, member);
            }
        }
        if device.lie == Some(Lie::ForgetsAtPowerOff)
            && let store = Arc::clone(&device.store.lock())
            && let Ok(handles) = store.find(&device.serial, &every())
            && let Some(handle) = handles.first()
        {
            let _ = store.delete_object(*handle);
        }
    }

    fn is_frozen(&self, member: usize) -> bool {
        self.devices.get(member).is_some_and(|device| device.frozen.load(Ordering::Relaxed))
    }

    /// What the member took it carries out now, before anybody reaches it anew.
    fn thaw(&self, member: usize) {
        let Some(device) = self.devices.get(member) else { return };
        if !device.frozen.swap(false, Ordering::Relaxed) {
            return;
        }
        for path in self.paths.iter().filter_map(|paths| paths.get(member)) {
            let mut path = path.lock();
            for taken in std::mem::take(&mut path.taken) {
                crate::wire::carry_out(&path.partition, device, &taken);
            }
            if path.mute.is_none() {
                path.speak();
            }
        }
    }

    /// See [`Step::Wipe`].
    fn wipe(&self, member: usize) {
        let well = |other: usize, device: &Device| {
            let open = |paths: &Vec<Mutex<Path>>| {
                paths.get(other).is_some_and(|path| {
                    let path = path.lock();
                    !path.cut && path.mute.is_none() && !path.given_up && path.losses.is_empty()
                })
            };
            device.power.load(Ordering::Relaxed)
                && !device.frozen.load(Ordering::Relaxed)
                && self.paths.iter().all(open)
        };
        let all_well = self.devices.iter().enumerate().all(|(other, device)| well(other, device));
        // Processes that are amid a call do not know what they will have promised.
        let mut told = self.processes.iter().map(|process| {
            process.try_lock().is_some_and(|mut process| process.owes_nothing(self))
        });
        let kept = |ledger: &Ledger| {
            ledger.records().iter().all(|record| !record.partial && !record.wiped)
        };
        let alone = self.shape.members == 1;
        if alone || !all_well || !told.all(|told| told) || !kept(&self.ledger.lock()) {
            return;
        }
        self.power_off(member);
        let (Some(device), Ok(profile)) = (self.devices.get(member), profile()) else { return };
        let Ok(store) = empty_store(member, &device.serial) else { return };
        // No HSM gives an object the identity of an earlier one (Assumed).
        let counted = device.store.lock().partition(&device.serial).ok().flatten();
        if let (Some(counted), Ok(Some(mut new))) = (counted, store.partition(&device.serial)) {
            new.object_counter = counted.object_counter;
            let _ = store.apply(&[StoreStep::PutPartition(new)]);
        }
        *device.store.lock() = store;
        self.ledger.lock().disk_is_new();
        for path in self.paths.iter().filter_map(|paths| paths.get(member)) {
            match device.partition(&profile) {
                Ok(partition) => path.lock().partition = partition,
                Err(error) => self.violated(format!("a new disk: {error}")),
            }
        }
    }

    /// Cuts every member off from a process but one.
    pub(crate) fn leave_alone_with(self: &Arc<Self>, process: usize, member: usize) {
        for other in (0..self.shape.members).filter(|other| *other != member) {
            self.step(&Step::Cut(process, other));
        }
    }

    /// A fault struck the link of a process: what the member kept for it is gone, or is given up when
    /// the member is taken back.
    pub(crate) fn strike(&self, process: usize, member: usize) {
        if let Some(doom) = self.doom(process) {
            doom.lock().struck = true;
        }
        self.ledger.lock().member_forgot(process, member);
    }

    /// Whether a fault struck a process since this was last asked.
    pub(crate) fn was_struck(&self, process: usize) -> bool {
        self.doom(process).is_some_and(|doom| std::mem::take(&mut doom.lock().struck))
    }

    /// What was to happen before this request of a process.
    pub(crate) fn meanwhile(self: &Arc<Self>, process: usize, run: u64) {
        let Some(doom) = self.doom(process) else { return };
        let due: Vec<Step> = {
            let mut doom = doom.lock();
            if doom.dead || doom.run != run {
                return;
            }
            match doom.kill_after {
                Some(0) => {
                    doom.dead = true;
                    doom.struck = true;
                    return;
                }
                Some(after) => doom.kill_after = Some(after - 1),
                None => {}
            }
            let (due, later) =
                std::mem::take(&mut doom.amid).into_iter().partition(|(after, _)| *after == 0);
            doom.amid = later;
            for (after, _) in &mut doom.amid {
                *after -= 1;
            }
            due.into_iter().map(|(_, step): (u32, Step)| step).collect()
        };
        for step in due {
            self.step(&step);
        }
    }

    /// A process begins a run; what was in store for an earlier one is off.
    pub(crate) fn begin_run(&self, process: usize) -> u64 {
        let Some(doom) = self.doom(process) else { return 0 };
        let mut doom = doom.lock();
        *doom = Doom { run: doom.run + 1, ..Doom::default() };
        for member in 0..self.shape.members {
            if let Some((path, _)) = self.path(process, member) {
                let mut path = path.lock();
                // What a process asked before is no longer its own to answer for.
                path.taken.clear();
                path.reset();
            }
        }
        doom.run
    }

    /// Whether the process was killed, and its end not noticed yet.
    pub(crate) fn was_killed(&self, process: usize) -> bool {
        self.doom(process).is_some_and(|doom| doom.lock().dead)
    }

    /// Everything is mended, and nothing more is in store.
    pub(crate) fn mend_all(&self) {
        for (member, device) in self.devices.iter().enumerate() {
            device.power.store(true, Ordering::Relaxed);
            self.thaw(member);
        }
        for path in self.paths.iter().flatten() {
            let mut path = path.lock();
            path.cut = false;
            path.speak();
            path.losses.clear();
        }
        for doom in &self.dooms {
            let mut doom = doom.lock();
            doom.amid.clear();
            doom.kill_after = None;
        }
    }
}

impl Step {
    /// Which process acts, where one does.
    fn process(&self) -> Option<usize> {
        match self {
            Self::Start(process)
            | Self::Stop(process)
            | Self::Logout(process)
            | Self::Login(process)
            | Self::CreateData(process, _)
            | Self::CreateKey(process, _)
            | Self::Generate(process)
            | Self::Destroy(process, _)
            | Self::Change(process, _)
            | Self::Sign(process, _)
            | Self::Begin(process, _)
            | Self::Update(process)
            | Self::Finish(process)
            | Self::Read(process, _)
            | Self::Find(process, _) => Some(*process),
            _ => None,
        }
    }
}

fn every() -> Query {
    Query { include_private: true, ..Query::default() }
}

impl Device {
    /// The member, seen from one more process.
    pub(crate) fn partition(&self, profile: &Arc<Profile>) -> Result<Arc<Partition>> {
        let appliance = Appliance::over(&self.store.lock(), |_| Ok(Arc::clone(profile)))?;
        let first = appliance.partitions().first();
        first.cloned().ok_or_else(|| strange("a member has no partition"))
    }
}

/// What initialises a member's partition. Made once for each: deriving keys from PINs takes longer than
/// a schedule, on purpose.
fn initialization(at: usize, serial: &str) -> Result<Vec<StoreStep>> {
    static MADE: Mutex<BTreeMap<usize, Vec<StoreStep>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock();
    if let Some(known) = made.get(&at) {
        return Ok(known.clone());
    }
    let plan = PartitionBlueprint {
        serial: serial.to_owned(),
        policies: Vec::new(),
        roles: Some(Roles {
            label: format!("member{at}"),
            domain: Pin::new(b"domain"),
            partition_so: Pin::new(b"partition-so"),
            crypto_officer: Pin::new(PIN),
            crypto_user: None,
        }),
    };
    let steps = partition_steps(&plan, 0)?;
    made.insert(at, steps.clone());
    Ok(steps)
}

fn device(at: usize, lie: Option<Lie>) -> Result<Device> {
    let serial = (100 + at).to_string();
    let store = Mutex::new(empty_store(at, &serial)?);
    let off = || AtomicBool::new(false);
    Ok(Device { store, serial, power: AtomicBool::new(true), frozen: off(), was_off: off(), lie })
}

fn empty_store(at: usize, serial: &str) -> Result<Arc<dyn Store>> {
    let record = HsmRecord {
        serial: "1".into(),
        profile: profile::DEFAULT.into(),
        policies: BTreeMap::new(),
        device_key: vec![7; 32],
        created: 0,
        extra: Vec::new(),
    };
    let store = SqliteStore::in_memory(&record)?;
    store.apply(&initialization(at, serial)?)?;
    Ok(Arc::new(store))
}
