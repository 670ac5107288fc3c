//! The walk of Oracle Key Vault with an HA group: `luna-harness okv`.
//!
//! Without a library of somebody's it makes a private emulator: a group `LUNAHA` of two members, each with a
//! partition `OKV`, in FIPS mode. The vault is `okv-sim`, in the worker's process; its HSM is the module, loaded
//! by its path, like any application's.
//!
//! | room | what it is for |
//! |---|---|
//! | [`walk`] | the plan, with its sources, and the world the steps share |
//! | `vault` | steps of token and vault, for any library |
//! | `members` | steps that kill members and bring them back |
//! | `guest` | leaving somebody's library as it was found |
//! | [`assignment`] | what the worker is told, and the secrets of a run |

pub mod assignment;
mod guest;
mod members;
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
use self::walk::{PLAN, Walk};
use crate::instance::{self, CONFIGURATION, Instance};
use crate::locate::{self, Cargo, Tool};
use crate::render::Face;
use crate::step::{Course, Target, work};
use crate::transcript::{Record, Subject, Transcript, Verdict};
use crate::worker::{End, Message, Patience, conduct};

/// The hidden verb that makes this program the worker.
pub const WORKER: &str = "okv-worker";

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
    /// Where to work; a temporary directory without it.
    pub directory: Option<PathBuf>,
    /// Leave the directory.
    pub keep: bool,
    /// This program.
    pub program: PathBuf,
    /// The cargo that started it.
    pub cargo: Option<Cargo>,
}

/// Client directory of the emulator, and data directory of the vault, in the run's directory.
const OURS: [&str; 2] = ["luna", "okv"];

/// Where the run works, and what of it is to be removed.
struct Place {
    /// Absolute.
    directory: PathBuf,
    /// Removed in the end, each with all that is in it.
    remove: Vec<PathBuf>,
}

impl Place {
    fn make(request: &Request) -> Result<Self> {
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
        let remove = if existed {
            OURS.map(|it| directory.join(it)).into()
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
    /// For a look at the files that are written from it.
    pub search: crate::search::Search,
}

/// Takes the walk. Everything is told to `face` as it happens.
///
/// # Errors
/// When it could not begin: nothing was looked at then, and nothing is left.
pub fn run(request: &Request, face: &mut dyn Face) -> Result<Done> {
    check(request.guest.as_ref())?;
    let tools: &[Tool] =
        if request.guest.is_some() { &[Tool::Lunacm] } else { &[Tool::Emulator, Tool::Lunacm] };
    let mut say = |line: &str| face.remarks(line);
    locate::build(&request.program, request.cargo.as_ref(), tools, &mut say)?;
    let begin = Instant::now();
    let interrupts = interrupts()?;
    let mut place = Place::make(request)?;
    let assignment = prepare(request, &place.directory)?;
    let search = assignment.search()?;
    let mut conductor = Conductor {
        request,
        interrupts,
        course: Course::default(),
        running: None,
        objects_before: None,
        transcript: Transcript::begin("okv", subject(&assignment, &place.directory)),
        face,
    };
    conductor.face.begins(&conductor.transcript, request.keep);
    conductor.walk(assignment)?;
    let Conductor { mut transcript, .. } = conductor;
    if request.keep {
        place.remove.clear();
    } else if let Some(complaint) = place.clear() {
        transcript.complaints.push(complaint);
    }
    transcript.conclude(begin.elapsed());
    Ok(Done { transcript, search })
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
        module: told.module.display().to_string(),
        directory: directory.display().to_string(),
        token_label: told.token_label.clone(),
        library: String::new(),
        token: String::new(),
        members: told.instance.as_ref().map(|it| it.members.clone()).unwrap_or_default(),
    }
}

/// Makes what the walk works on.
fn prepare(request: &Request, directory: &Path) -> Result<Assignment> {
    let Request { program, guest, .. } = request;
    let [client, data] = OURS.map(|it| directory.join(it));
    let mut assignment = Assignment {
        target: Target::Library,
        module: PathBuf::new(),
        token_label: GROUP.into(),
        pin: Zeroizing::default(),
        passphrase: assignment::password()?,
        data: data.clone(),
        searched: vec![data],
        lunacm: locate::tool(program, Tool::Lunacm)?,
        instance: None,
        objects: assignment::objects()?,
        objects_before: None,
        course: Course::default(),
    };
    if let Some(guest) = guest {
        assignment.module = guest.module.canonicalize()?;
        assignment.token_label.clone_from(&guest.token_label);
        assignment.pin.clone_from(&guest.pin);
        return Ok(assignment);
    }
    let pin = assignment::password()?;
    let plan = instance::Plan { group: GROUP, partition: PARTITION, members: 2, password: &pin };
    let emulator = locate::tool(program, Tool::Emulator)?;
    let made = Instance::up(&emulator, &locate::module(program)?, &client, plan)?;
    assignment.target = Target::Emulator;
    assignment.module.clone_from(&made.module);
    assignment.searched.insert(0, client);
    assignment.instance = Some(made);
    assignment.pin = pin;
    Ok(assignment)
}

/// Hears the worker out and writes down what it says.
struct Conductor<'a> {
    request: &'a Request,
    interrupts: &'static AtomicU32,
    course: Course,
    /// The step that has begun and not ended.
    running: Option<(String, Instant)>,
    /// As the worker counted them.
    objects_before: Option<usize>,
    transcript: Transcript,
    face: &'a mut dyn Face,
}

impl Conductor<'_> {
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
        assignment.course = self.course.clone();
        assignment.objects_before = self.objects_before;
        let before = self.interrupts.load(Ordering::Relaxed);
        let how = match self.worker(&assignment, before)? {
            End::Finished => return Ok(()),
            End::Unusable(why) => why,
            End::Died(how) => format!("the process ended {how}"),
            End::Silent => "nothing was heard".into(),
            End::Interrupted => "interrupted twice".into(),
        };
        for step in PLAN {
            if !self.course.has(step.id) {
                self.ended(step.record(Verdict::Failed, Some(how.clone())));
            }
        }
        Ok(())
    }

    /// The worker has gone with the plan not worked off.
    fn broke_off(&mut self, how: &str, target: Target) {
        if let Some((id, since)) = self.running.take()
            && let Some(step) = PLAN.iter().find(|step| step.id == id)
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
        for step in PLAN.iter().filter(|step| !step.always) {
            if !self.course.has(step.id) {
                let skipped = self.course.obstacle(step, target);
                let reason = Some(format!("the walk was broken off: {how}"));
                self.ended(skipped.unwrap_or_else(|| step.record(Verdict::NotReached, reason)));
            }
        }
    }

    /// Runs one. Interrupts up to `before` were meant for another.
    fn worker(&mut self, assignment: &Assignment, before: u32) -> Result<End> {
        let mut command = Command::new(&self.request.program);
        command.arg(WORKER);
        if let Some(instance) = &assignment.instance {
            command.env(CONFIGURATION, &instance.directory);
        }
        if let Some(guest) = &self.request.guest {
            command.env_remove(&guest.pin_variable);
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
            Message::Counted(objects) => self.objects_before = Some(*objects),
            Message::Began(id) => self.running = Some((id.clone(), Instant::now())),
            Message::Ended(record) => {
                self.running = None;
                self.ended((**record).clone());
            }
            Message::Unusable(_) | Message::Finished => {}
        }
    }

    fn ended(&mut self, record: Record) {
        self.course.note(&record);
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
        PLAN,
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
