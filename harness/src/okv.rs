//! Oracle Key Vault's guides as scenarios: `luna-harness okv`.
//!
//! Without a library of somebody's each scenario gets a private emulator, in FIPS mode: one partition `OKV`, a group
//! `LUNAHA` of two members each with such a partition, or a Cloud HSM service. The vault is `okv-sim`, in the
//! worker's process; its HSM is the module, loaded by its path, like any application's.
//!
//! | room | what it is for |
//! |---|---|
//! | [`scenario`] | files of scenarios: what stands in them, and those that come with the program |
//! | [`action`], [`expect`] | what a step can do, and what it can expect |
//! | [`walk`] | the world the steps share |
//! | `vault`, `standing` | actions at a server and on its token, for any library |
//! | `backup` | actions with a server's files: backups, restores, a standby, a stolen disk |
//! | `members`, `token`, `surroundings` | what befalls HSM, keys, library and files |
//! | `guest` | leaving somebody's library as it was found |
//! | [`assignment`] | what the worker is told, and the secrets of a run |

pub mod action;
pub mod assignment;
mod backup;
pub mod expect;
mod guest;
mod members;
pub mod scenario;
mod standing;
mod surroundings;
mod token;
mod vault;
pub mod walk;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use zeroize::Zeroizing;

use self::assignment::Assignment;
use self::scenario::{Origin, Scenario};
use self::walk::Walk;
use crate::instance::{self, CONFIGURATION, Instance};
use crate::locate::{self, Cargo, Tool};
use crate::render::Face;
use crate::search::Search;
use crate::step::{Course, On, Step, Target, work};
use crate::transcript::{Record, Subject, Transcript, Verdict};
use crate::worker::{End, Message, Patience, conduct};

/// The hidden verb that makes this program the worker.
pub const WORKER: &str = "okv-worker";

/// The hidden verb that makes this program a machine of its own, with another client configuration.
pub const STRANGER: &str = "okv-stranger";

/// How long a worker may say nothing. The slowest step on record, a verification by a real server, takes six
/// seconds; a group whose members do not answer at all waits twenty seconds for each.
const SILENCE: Duration = Duration::from_secs(300);

/// Label of the group, as in the integration guide.
const GROUP: &str = "LUNAHA";

/// Label of each member's partition.
const PARTITION: &str = "OKV";

/// A library somebody owns.
pub struct Guest {
    /// The library.
    pub module: PathBuf,
    /// The token.
    pub token_label: String,
    /// The variable the password came from: not passed on.
    pub pin_variable: String,
    /// The Crypto Officer's password.
    pub pin: Zeroizing<String>,
}

/// What is asked for.
pub struct Request {
    /// A library; a private emulator without one.
    pub guest: Option<Guest>,
    /// What a private emulator is made as.
    pub on: On,
    /// What is walked, in this order.
    pub scenarios: Vec<(Origin, Scenario)>,
    /// Where to work; a temporary directory without it.
    pub directory: Option<PathBuf>,
    /// Leave the directory.
    pub keep: bool,
    /// This program.
    pub program: PathBuf,
    /// The cargo that started it.
    pub cargo: Option<Cargo>,
}

/// Client directory of the emulator, data directory of the vault, and what else a scenario makes, in its directory.
const OURS: [&str; 3] = ["luna", "okv", "others"];

/// Where the run works, and what of it is to be removed.
struct Place {
    /// Absolute.
    directory: PathBuf,
    /// Removed in the end, each with all that is in it.
    remove: Vec<PathBuf>,
}

impl Place {
    fn make(request: &Request) -> Result<Self> {
        let one = request.scenarios.len() == 1;
        let Some(directory) = &request.directory else {
            let directory = tempfile::Builder::new().prefix("luna-harness-").tempdir()?.keep();
            return Ok(Self { remove: vec![directory.clone()], directory });
        };
        let name = || directory.display().to_string();
        let existed = directory.exists();
        if existed && std::fs::read_dir(directory).with_context(name)?.next().is_some() {
            bail!("{} is not empty; name one that is, or that is not there", directory.display());
        }
        std::fs::create_dir_all(directory).with_context(name)?;
        let directory = directory.canonicalize().with_context(name)?;
        // A directory that was there before stays.
        let remove = if existed && one {
            OURS.map(|it| directory.join(it)).into()
        } else if existed {
            request.scenarios.iter().map(|(origin, _)| directory.join(&origin.name)).collect()
        } else {
            vec![directory.clone()]
        };
        Ok(Self { remove, directory })
    }

    /// What could not be removed.
    fn clear(&mut self) -> Option<String> {
        let mut complaints = Vec::new();
        for directory in self.remove.drain(..).filter(|it| it.exists()) {
            if let Err(error) = std::fs::remove_dir_all(&directory) {
                complaints.push(format!("{} could not be removed: {error}", directory.display()));
            }
        }
        (!complaints.is_empty()).then(|| complaints.join("; "))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Reached with something to remove only when setting up failed; that is told, this need not be.
        let _ = self.clear();
    }
}

/// A run that is through: its transcript, and what it must not show.
pub struct Done {
    /// What happened.
    pub transcript: Transcript,
    /// For a look at the files that are written from it: a search for the secrets of each scenario.
    pub searches: Vec<Search>,
}

/// Walks the scenarios. Everything is told to `face` as it happens.
///
/// # Errors
/// When it could not begin: nothing was looked at then, and nothing is left.
pub fn run(request: Request, face: &mut dyn Face) -> Result<Done> {
    check(request.guest.as_ref())?;
    let tools: &[Tool] =
        if request.guest.is_some() { &[Tool::Lunacm] } else { &[Tool::Emulator, Tool::Lunacm] };
    let mut say = |line: &str| face.remarks(line);
    locate::build(&request.program, request.cargo.as_ref(), tools, &mut say)?;
    let begin = Instant::now();
    let interrupts = interrupts()?;
    let mut place = Place::make(&request)?;
    let alone = request.scenarios.len() == 1;
    let mut conductor = Conductor {
        program: request.program.clone(),
        pin_variable: request.guest.as_ref().map(|guest| guest.pin_variable.clone()),
        interrupts,
        keep: request.keep,
        current: Current::default(),
        transcript: Transcript::begin("okv", Subject::default()),
        face,
    };
    let mut searches = Vec::new();
    let Request { guest, on, scenarios, program, keep, .. } = request;
    let target = if guest.is_some() { Target::Library } else { Target::Emulator(on) };
    for (origin, scenario) in scenarios {
        let directory =
            if alone { place.directory.clone() } else { place.directory.join(&origin.name) };
        let wanted =
            Wanted { guest: guest.as_ref(), program: &program, target, directory: &directory };
        if let Some(search) = conductor.scenario(&wanted, origin, scenario)? {
            searches.push(search);
        }
        if !keep && !alone && directory.exists() {
            std::fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
        }
    }
    let Conductor { mut transcript, .. } = conductor;
    if keep {
        place.remove.clear();
    } else if let Some(complaint) = place.clear() {
        transcript.complaints.push(complaint);
    }
    transcript.conclude(begin.elapsed());
    Ok(Done { transcript, searches })
}

fn check(guest: Option<&Guest>) -> Result<()> {
    let Some(guest) = guest else { return Ok(()) };
    ensure!(guest.module.is_file(), "{}: there is no such library", guest.module.display());
    let printable = !guest.pin.is_empty() && !guest.pin.contains(char::is_control);
    ensure!(printable, "${} holds no password lunacm could take", guest.pin_variable);
    Ok(())
}

/// Counts who wants the program to end. What was made is removed first.
fn interrupts() -> Result<&'static AtomicU32> {
    static INTERRUPTS: AtomicU32 = AtomicU32::new(0);
    ctrlc::set_handler(|| {
        INTERRUPTS.fetch_add(1, Ordering::Relaxed);
    })?;
    Ok(&INTERRUPTS)
}

fn subject(told: &Assignment, directory: &Path) -> Subject {
    Subject {
        kind: if told.instance.is_some() { "emulator" } else { "library" }.into(),
        on: match told.target {
            Target::Emulator(on) => on.name().into(),
            Target::Library => String::new(),
        },
        module: told.module.display().to_string(),
        directory: directory.display().to_string(),
        token_label: told.token_label.clone(),
        library: String::new(),
        token: String::new(),
        members: told.instance.as_ref().map(|it| it.members.clone()).unwrap_or_default(),
    }
}

/// What a scenario is walked on, and where.
struct Wanted<'a> {
    guest: Option<&'a Guest>,
    program: &'a Path,
    target: Target,
    directory: &'a Path,
}

/// Makes what the scenario works on.
fn prepare(wanted: &Wanted<'_>, origin: Origin, scenario: &Scenario) -> Result<Assignment> {
    let Wanted { guest, program, target, directory } = wanted;
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let [client, data, others] = OURS.map(|it| directory.join(it));
    let mut assignment = Assignment {
        target: *target,
        module: PathBuf::new(),
        token_label: String::new(),
        pin: Zeroizing::default(),
        other_pin: assignment::password()?,
        passphrase: assignment::password()?,
        origin,
        data: data.clone(),
        servers: scenario.servers(),
        others: others.clone(),
        searched: vec![data, others],
        lunacm: locate::tool(program, Tool::Lunacm)?,
        instance: None,
        objects: assignment::objects()?,
        objects_before: None,
        course: Course::default(),
    };
    assignment.servers.retain(|name| name != walk::FIRST);
    let on = match (guest, target) {
        (None, Target::Emulator(on)) => *on,
        (Some(guest), _) => {
            assignment.module = guest.module.canonicalize()?;
            assignment.token_label.clone_from(&guest.token_label);
            assignment.pin.clone_from(&guest.pin);
            return Ok(assignment);
        }
        (None, Target::Library) => bail!("no library was named"),
    };
    let pin = assignment::password()?;
    let plan = instance::Plan {
        on,
        group: GROUP,
        partition: PARTITION,
        members: 2,
        further: &scenario.emulator.partitions,
        ha_only: scenario.emulator.ha_only,
        password: &pin,
    };
    plan.label().clone_into(&mut assignment.token_label);
    let emulator = locate::tool(program, Tool::Emulator)?;
    let made = Instance::up(&emulator, &locate::module(program)?, &client, plan)?;
    assignment.module.clone_from(&made.module);
    assignment.searched.insert(0, client);
    assignment.instance = Some(made);
    assignment.pin = pin;
    Ok(assignment)
}

/// The scenario that is walked now.
#[derive(Default)]
struct Current {
    name: String,
    plan: Vec<Step<Walk>>,
    course: Course,
    /// The step that has begun and not ended.
    running: Option<(String, Instant)>,
    /// As the worker counted them.
    objects_before: Option<usize>,
}

/// Hears workers out and writes down what they say.
struct Conductor<'a> {
    program: PathBuf,
    /// Not passed on to a worker, which is told by other means.
    pin_variable: Option<String>,
    interrupts: &'static AtomicU32,
    keep: bool,
    current: Current,
    transcript: Transcript,
    face: &'a mut dyn Face,
}

impl Conductor<'_> {
    /// Walks one; the search for its secrets, if anything was made for it.
    fn scenario(
        &mut self,
        wanted: &Wanted<'_>,
        origin: Origin,
        scenario: Scenario,
    ) -> Result<Option<Search>> {
        let (name, title) = (origin.name.clone(), scenario.title.clone());
        let interrupted = self.interrupts.load(Ordering::Relaxed) > 0;
        let applies = !interrupted
            && origin.scenario()?.plan().iter().any(|step| {
                step.needs.iter().all(|needs| needs.lacking(wanted.target).is_none())
                    && step.id != scenario::LEAVE
            });
        let assignment = applies.then(|| prepare(wanted, origin, &scenario)).transpose()?;
        self.current = Current { name: name.clone(), plan: scenario.plan(), ..Current::default() };
        if self.transcript.subject.kind.is_empty()
            && let Some(assignment) = &assignment
        {
            self.transcript.subject = subject(assignment, wanted.directory);
            self.face.begins(&self.transcript, self.keep);
        }
        self.face.scenario(&name, &title);
        let Some(assignment) = assignment else {
            self.not_begun(wanted.target, interrupted);
            return Ok(None);
        };
        let search = assignment.search()?;
        self.walk(assignment)?;
        Ok(Some(search))
    }

    /// Writes down why none of its steps was done.
    fn not_begun(&mut self, target: Target, interrupted: bool) {
        let reason =
            if interrupted { "the run was interrupted" } else { "nothing was made for it" };
        let record = |step: &Step<Walk>| {
            let skipped = self.current.course.obstacle(step, target);
            skipped
                .filter(|record| record.verdict == Verdict::Skipped)
                .unwrap_or_else(|| step.record(Verdict::NotReached, Some(reason.into())))
        };
        let records: Vec<_> = self.current.plan.iter().map(record).collect();
        records.into_iter().for_each(|record| self.ended(record));
    }

    fn walk(&mut self, mut assignment: Assignment) -> Result<()> {
        let how = match self.worker(&assignment, 0)? {
            End::Finished => return Ok(()),
            End::Unusable(why) => bail!(why),
            End::Died(how) => format!("the process ended {how}"),
            End::Silent => format!("nothing was heard for {} seconds", SILENCE.as_secs()),
            End::Interrupted => "interrupted twice".into(),
        };
        self.broke_off(&how, assignment.target);
        // What is always done is done by another worker, which knows how far the first came.
        assignment.course = self.current.course.clone();
        assignment.objects_before = self.current.objects_before;
        let before = self.interrupts.load(Ordering::Relaxed);
        let how = match self.worker(&assignment, before)? {
            End::Finished => return Ok(()),
            End::Unusable(why) => why,
            End::Died(how) => format!("the process ended {how}"),
            End::Silent => "nothing was heard".into(),
            End::Interrupted => "interrupted twice".into(),
        };
        let left: Vec<_> = self
            .current
            .plan
            .iter()
            .filter(|step| !self.current.course.has(&step.id))
            .map(|step| step.record(Verdict::Failed, Some(how.clone())))
            .collect();
        left.into_iter().for_each(|record| self.ended(record));
        Ok(())
    }

    /// The worker has gone with the plan not worked off.
    fn broke_off(&mut self, how: &str, target: Target) {
        if let Some((id, since)) = self.current.running.take()
            && let Some(step) = self.current.plan.iter().find(|step| step.id == id)
        {
            if step.always {
                let complaint = format!("step `{id}` was done again by another process: {how}");
                self.transcript.complaints.push(complaint);
                return;
            }
            let mut record = step.record(Verdict::Failed, Some(how.into()));
            record.duration_ms = crate::transcript::milliseconds(since.elapsed());
            self.ended(record);
        }
        let ids: Vec<_> = self.current.plan.iter().map(|step| step.id.clone()).collect();
        for id in ids {
            let found = self.current.plan.iter().find(|step| step.id == id && !step.always);
            if let Some(step) = found
                && !self.current.course.has(&id)
            {
                let skipped = self.current.course.obstacle(step, target);
                let reason = Some(format!("the walk was broken off: {how}"));
                let record = skipped.unwrap_or_else(|| step.record(Verdict::NotReached, reason));
                self.ended(record);
            }
        }
    }

    /// Runs one. Interrupts up to `before` were meant for another.
    fn worker(&mut self, assignment: &Assignment, before: u32) -> Result<End> {
        let mut command = Command::new(&self.program);
        command.arg(WORKER);
        if let Some(instance) = &assignment.instance {
            command.env(CONFIGURATION, &instance.directory);
        }
        if let Some(variable) = &self.pin_variable {
            command.env_remove(variable);
        }
        let text = Zeroizing::new(serde_json::to_string(assignment)?);
        let patience = Patience { limit: SILENCE, interrupts: self.interrupts, before };
        conduct(command, &text, patience, &mut |message| self.hear(message))
    }

    fn hear(&mut self, message: &Message) {
        match message {
            Message::Ready { library, token } => {
                let first = self.transcript.subject.library.is_empty();
                self.transcript.subject.library.clone_from(library);
                self.transcript.subject.token.clone_from(token);
                if first {
                    self.face.meets(&self.transcript);
                }
            }
            Message::Counted(objects) => self.current.objects_before = Some(*objects),
            Message::Began(id) => self.current.running = Some((id.clone(), Instant::now())),
            Message::Ended(record) => {
                self.current.running = None;
                self.ended((**record).clone());
            }
            Message::Unusable(_) | Message::Finished => {}
        }
    }

    fn ended(&mut self, mut record: Record) {
        self.current.course.note(&record);
        record.scenario.clone_from(&self.current.name);
        self.face.step(&record, self.transcript.steps.len() + 1);
        self.transcript.steps.push(record);
    }
}

/// The worker: reads its assignment, does the steps, says how each went.
///
/// # Errors
/// When the assignment makes no sense.
pub fn worker() -> Result<()> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut text)?;
    let told: Assignment = serde_json::from_str(&text).context("this verb is the harness's own")?;
    let (target, course) = (told.target, told.course.clone());
    let plan = told.origin.scenario()?.plan();
    let stop = until_input_ends();
    let mut walk = match Walk::begin(told) {
        Ok((walk, introduction)) => {
            let walk::Introduction { library, token } = introduction;
            Message::Ready { library, token }.send();
            walk
        }
        Err(error) => {
            Message::Unusable(format!("{error:#}")).send();
            return Ok(());
        }
    };
    work(
        &plan,
        target,
        course,
        &stop,
        &mut walk,
        |id| Message::Began(id.into()).send(),
        |record| Message::Ended(Box::new(record.clone())).send(),
    );
    Message::Finished.send();
    Ok(())
}

/// The machine a stolen disk was carried to: starts a server from its files, tries to open its wallet, and says in
/// words what came of it.
///
/// # Errors
/// When the files are no server's.
pub fn stranger(data: &Path) -> Result<String> {
    let (mut vault, started) = okv_sim::Vault::start(data)?;
    let why = started.failure.map(|error| error.what()).unwrap_or_default();
    let opened = vault.open_wallet(okv_sim::OpenWith::Hsm).is_ok();
    let listed = vault.list_objects().is_ok();
    Ok(format!("state {}, opened {opened}, listed {listed}: {why}", vault.state()))
}

/// Set when standard input ends.
fn until_input_ends() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    std::thread::spawn(move || {
        // An error ends it as well.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        set.store(true, Ordering::Relaxed);
    });
    stop
}
