//! The door of an HSM: where the plan in force acts on a request.

use std::fs::OpenOptions;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;

use super::latency::Counter;
use super::plan::{Code, Effect, Fault as Planned, Moment, PLAN_MAX, Plan, PlanError};
use super::{FILE, TALLY_FILE, TRACE_FILE, call};
use crate::env::{Clock, ControlPage, PageError, SystemClock, Tally, Word, clock, disk, process};
use crate::error::{Cause, Error};
use crate::hsm::store::{Provoked, provoke};
use crate::wire::{Fault, Presence, Reply, Request};

/// How often one who hangs looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);

/// The door of one HSM, for one process.
#[derive(Debug)]
pub struct Gate {
    directory: PathBuf,
    page: Arc<ControlPage>,
    clock: SystemClock,
    counter: Counter,
    /// The plan in force, and the number it has on the page.
    plan: Mutex<Option<(u64, Arc<Plan>)>>,
}

/// A line of the trace.
#[derive(Serialize)]
struct Line<'a> {
    /// Which fault of the plan, from 1.
    fault: usize,
    /// The how-manieth call that matched it, from 1.
    occurrence: u64,
    call: &'a str,
    partition: &'a str,
    effect: String,
}

impl Gate {
    /// The door of the HSM in a directory, whose control page is open already.
    pub fn new(directory: &Path, page: Arc<ControlPage>) -> Self {
        Self {
            directory: directory.to_path_buf(),
            page,
            clock: SystemClock::new(),
            counter: Counter::default(),
            plan: Mutex::new(None),
        }
    }

    /// Whether no plan is in force, so that requests need not pass here.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.page.word(Word::FaultPlan) & 1 == 0
    }

    /// Whether the HSM can be reached, and how often it was lost. An outage that was to last for a
    /// time ends here.
    #[inline]
    pub fn presence(&self) -> Presence {
        let cut = self.page.word(Word::Link) != 0 && !self.is_over();
        Presence { reachable: !cut, epoch: self.page.word(Word::Restarts) }
    }

    #[cold]
    fn is_over(&self) -> bool {
        let until = self.page.word(Word::DownUntil);
        if until == 0 || self.now_ms() < until {
            return false;
        }
        // Where the page cannot be written the outage goes on for the others, and is over here.
        let _ = self.page.publish(Word::DownUntil, 0);
        let _ = self.page.publish(Word::Link, 0);
        true
    }

    fn now_ms(&self) -> u64 {
        let since = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Lets a request pass to `serve`, with what is planned for it.
    ///
    /// # Errors
    /// `serve`'s, and those of the plan; `DeviceError` when the plan cannot be read.
    pub fn pass(
        &self,
        partition: &str,
        request: &Request<'_>,
        serve: impl FnOnce() -> Result<Reply, Error>,
    ) -> Result<Reply, Fault> {
        if self.is_open() {
            return serve().map_err(Fault::Refused);
        }
        let plan = self.plan()?;
        let name = call::name(request);
        let before = self.due(&plan, partition, name, Moment::Before)?;
        for fault in &before {
            if let ControlFlow::Break(fault) = self.happen(fault)? {
                return Err(fault);
            }
        }
        let store = before.iter().find_map(|fault| match fault.effect {
            Effect::StoreFull => Some(Provoked::Full),
            Effect::StoreError => Some(Provoked::Io),
            _ => None,
        });
        let reply = {
            let _failing = store.map(provoke);
            match &plan.latency {
                None => serve(),
                Some(model) => {
                    let draw = self.draw(&plan);
                    let (work, round_trip) = model.of(request, draw);
                    clock::rest(round_trip);
                    self.counter.hold(model.in_parallel(), || {
                        clock::rest(work);
                        serve()
                    })
                }
            }
        };
        for fault in self.due(&plan, partition, name, Moment::After)? {
            if let ControlFlow::Break(fault) = self.happen(fault)? {
                return Err(fault);
            }
        }
        reply.map_err(Fault::Refused)
    }

    /// The plan in force, read anew when it was changed.
    fn plan(&self) -> Result<Arc<Plan>, Fault> {
        let number = self.page.word(Word::FaultPlan);
        let mut known = self.plan.lock();
        if let Some((its, plan)) = &*known
            && *its == number
        {
            return Ok(Arc::clone(plan));
        }
        let read = read(&self.directory).map_err(|error| {
            Fault::Refused(Error::new(Cause::DeviceError, format!("the fault plan: {error}")))
        })?;
        let plan = Arc::new(read);
        *known = Some((number, Arc::clone(&plan)));
        Ok(plan)
    }

    /// A number from 0 to 1 for what is counted nowhere.
    fn draw(&self, plan: &Plan) -> f64 {
        let tally = Tally::at(&self.directory.join(TALLY_FILE));
        let place = 2 * plan.faults.len();
        let drawn = tally.update(place + 1, |counts| {
            let count = counts.get_mut(place)?;
            *count = count.wrapping_add(1);
            Some(chance(plan.seed, place, *count))
        });
        drawn.ok().flatten().unwrap_or(0.5)
    }

    /// What happens to this request at that moment: counted for all processes, and noted in the
    /// trace, before any of it happens.
    fn due<'p>(
        &self,
        plan: &'p Plan,
        partition: &str,
        name: &str,
        moment: Moment,
    ) -> Result<Vec<&'p Planned>, Fault> {
        let matches = |fault: &Planned| fault.moment == moment && fault.matches(partition, name);
        let matching: Vec<(usize, &Planned)> =
            (0..).zip(&plan.faults).filter(|(_, fault)| matches(fault)).collect();
        if matching.is_empty() {
            return Ok(Vec::new());
        }
        let tally = Tally::at(&self.directory.join(TALLY_FILE));
        let counted = tally.update(2 * plan.faults.len(), |counts| {
            let (mut due, mut lines) = (Vec::new(), String::new());
            for (place, fault) in matching {
                let Some([met, done]) = counts.get_mut(2 * place..2 * place + 2) else { continue };
                let occurrence = *met;
                *met = met.saturating_add(1);
                let wanted = occurrence >= fault.skip
                    && (fault.times == 0 || *done < fault.times)
                    && chance(plan.seed, place, occurrence) < fault.chance.value();
                if wanted {
                    *done = done.saturating_add(1);
                    due.push(fault);
                    lines.push_str(&line(place, occurrence, fault, partition, name));
                }
            }
            self.note(&lines).map(|()| due)
        });
        counted.and_then(|due| due).map_err(|error| {
            Fault::Refused(Error::new(Cause::DeviceError, format!("the fault plan: {error}")))
        })
    }

    fn note(&self, lines: &str) -> Result<(), disk::DiskError> {
        if lines.is_empty() {
            return Ok(());
        }
        let path = self.directory.join(TRACE_FILE);
        let failed = |error| disk::DiskError::new("write", &path, error);
        let mut file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(lines.as_bytes()).map_err(failed)
    }

    /// Does it; what breaks is what the link answers instead of going on.
    fn happen(&self, fault: &Planned) -> Result<ControlFlow<Fault>, Fault> {
        let ended = |why: &str| Ok(ControlFlow::Break(Fault::Lost(format!("fault plan: {why}"))));
        match fault.effect {
            Effect::Refuse => {
                let cause = fault.code.as_ref().map_or(Cause::DeviceError, Code::cause);
                let error = Error::new(cause, "the fault plan wants this answer");
                Ok(ControlFlow::Break(Fault::Refused(error)))
            }
            Effect::Delay => {
                clock::rest(fault.lasts().unwrap_or_default());
                Ok(ControlFlow::Continue(()))
            }
            Effect::Hang => {
                self.hang(fault.lasts().unwrap_or_default());
                ended("the HSM hung")
            }
            Effect::LoseAnswer => ended("the connection ended before the answer came"),
            Effect::Cut => {
                self.cut(fault.lasts()).map_err(|error| unwritable(&error))?;
                match fault.moment {
                    // It cannot have heard the request.
                    Moment::Before => Ok(ControlFlow::Break(Fault::Unreachable(
                        "fault plan: the HSM was cut off".into(),
                    ))),
                    Moment::After => ended("the HSM was cut off"),
                }
            }
            Effect::Restart => {
                self.page.bump(Word::Restarts).map_err(|error| unwritable(&error))?;
                ended("the HSM was restarted")
            }
            Effect::Kill => process::kill(),
            // Met by the write itself.
            Effect::StoreFull | Effect::StoreError => Ok(ControlFlow::Continue(())),
        }
    }

    fn cut(&self, lasts: Option<Duration>) -> Result<(), PageError> {
        let lasts_ms = lasts.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
        let until = lasts_ms.map_or(0, |lasts_ms| self.now_ms().saturating_add(lasts_ms));
        self.page.publish(Word::DownUntil, until)?;
        self.page.publish(Word::Link, 1)?;
        // After the link: whoever sees the count moved finds the link cut too.
        self.page.bump(Word::Restarts)?;
        Ok(())
    }

    /// Until the time has passed, or the plan is another.
    fn hang(&self, lasts: Duration) {
        let number = self.page.word(Word::FaultPlan);
        let end = self.clock.now().saturating_add(lasts);
        while self.page.word(Word::FaultPlan) == number {
            let left = end.saturating_sub(self.clock.now());
            if left.is_zero() {
                return;
            }
            clock::rest(left.min(LOOK));
        }
    }
}

fn line(place: usize, met: u64, fault: &Planned, partition: &str, call: &str) -> String {
    let line = Line {
        fault: place + 1,
        occurrence: met + 1,
        call,
        partition,
        effect: fault.effect.to_string(),
    };
    // Text and numbers always have a JSON form.
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

fn unwritable(error: &PageError) -> Fault {
    Fault::Refused(Error::new(Cause::DeviceError, format!("the fault plan: {error}")))
}

/// A number from 0 to 1 that only the seed, the place and the count decide.
fn chance(seed: u64, place: usize, count: u64) -> f64 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let of_place = rng.fork().u64(..).wrapping_add(place as u64);
    fastrand::Rng::with_seed(of_place.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ count).f64()
}

/// The plan that lies in an HSM's directory; an empty one where there is none.
///
/// # Errors
/// See [`PlanError`].
pub fn read(directory: &Path) -> Result<Plan, PlanError> {
    let path = directory.join(FILE);
    match disk::read_text(&path, PLAN_MAX) {
        Ok(text) => Plan::parse(&path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Plan::default()),
        Err(error) => Err(error.into()),
    }
}

/// Puts a plan in force for everybody who uses the HSM, in place of the one before; an empty one
/// ends it. With `anew`, counts and trace begin again.
///
/// # Errors
/// When the directory cannot be written; what was in force then still is.
pub fn force(
    directory: &Path,
    page: &ControlPage,
    plan: &Plan,
    anew: bool,
) -> Result<(), PlanError> {
    let path = directory.join(FILE);
    plan.check().map_err(|what| PlanError::Wrong { path: path.clone(), what })?;
    let wrong = |error: PageError| PlanError::Wrong { path: path.clone(), what: error.to_string() };
    disk::write_atomically(&path, plan.to_text().as_bytes(), 0o600)?;
    if anew {
        Tally::at(&directory.join(TALLY_FILE)).clear()?;
        disk::write_atomically(&directory.join(TRACE_FILE), b"", 0o600)?;
    }
    let next = (page.word(Word::FaultPlan) | 1).wrapping_add(1);
    let in_force = if plan.is_empty() { next } else { next | 1 };
    page.publish(Word::FaultPlan, in_force).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_decided_by_its_seed() {
        let draws = |seed| (0..1000).map(|n| chance(seed, 3, n)).collect::<Vec<_>>();
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        let low = draws(7).iter().filter(|draw| **draw < 0.25).count();
        assert!((200..300).contains(&low), "{low}");
        assert!((0..1000).all(|n| (0.0..1.0).contains(&chance(1, 0, n))));
    }

    #[test]
    fn what_is_in_force_shows_on_the_page() {
        let folder = tempfile::tempdir().unwrap();
        let page = Arc::new(ControlPage::create(&folder.path().join("control"), 0o600).unwrap());
        let gate = Gate::new(folder.path(), Arc::clone(&page));
        let some = Plan { faults: vec![Planned::new(Effect::LoseAnswer)], ..Plan::default() };
        let mut numbers = vec![page.word(Word::FaultPlan)];
        assert!(gate.is_open());
        for plan in [&some, &some, &Plan::default(), &some] {
            force(folder.path(), &page, plan, true).unwrap();
            assert_eq!(gate.is_open(), plan.is_empty());
            assert!(!numbers.contains(&page.word(Word::FaultPlan)));
            numbers.push(page.word(Word::FaultPlan));
        }
    }

    #[test]
    fn faults_are_counted_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let page = Arc::new(ControlPage::create(&folder.path().join("control"), 0o600).unwrap());
        let plan = Plan {
            faults: vec![
                Planned { skip: 1, times: 2, ..Planned::new(Effect::Refuse) },
                Planned { skip: 1, moment: Moment::After, ..Planned::new(Effect::LoseAnswer) },
            ],
            ..Plan::default()
        };
        let run = || {
            force(folder.path(), &page, &plan, true).unwrap();
            let gates = [0, 1].map(|_| Gate::new(folder.path(), Arc::clone(&page)));
            let mut served = 0;
            let answers: Vec<_> = (0..5)
                .map(|n| {
                    let answer = gates[n % 2].pass("123", &Request::Describe, || {
                        served += 1;
                        Ok(Reply::Done)
                    });
                    match answer {
                        Ok(_) => "ok",
                        Err(Fault::Refused(_)) => "refused",
                        Err(Fault::Lost(_)) => "lost",
                        Err(Fault::Unreachable(_)) => "unreachable",
                    }
                })
                .collect();
            (answers, served, std::fs::read_to_string(folder.path().join(TRACE_FILE)).unwrap())
        };
        let (answers, served, trace) = run();
        // What is refused before its effect never comes to the second fault's moment.
        assert_eq!(answers, ["ok", "refused", "refused", "lost", "ok"]);
        assert_eq!(served, 3);
        assert_eq!(trace.lines().count(), 3);
        assert!(trace.starts_with("{\"fault\":1,\"occurrence\":2,\"call\":\"C_GetTokenInfo\""));
        assert_eq!(run().2, trace);
    }

    #[test]
    fn an_outage_ends_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let page = Arc::new(ControlPage::create(&folder.path().join("control"), 0o600).unwrap());
        let gate = Gate::new(folder.path(), Arc::clone(&page));
        gate.cut(None).unwrap();
        assert_eq!(gate.presence(), Presence { reachable: false, epoch: 1 });
        gate.cut(Some(Duration::ZERO)).unwrap();
        assert_eq!(gate.presence(), Presence { reachable: true, epoch: 2 });
        assert_eq!(page.word(Word::Link), 0);
    }
}
