//! Runs checks in children: several in one while all goes well, one alone when something crashed or hung.
//!
//! This process never loads the module. It plans, starts itself again as the worker with an assignment on its
//! standard input, hears what became of each check and writes it down; whatever a module does to its process, the
//! rest of the checks go on in the next.

mod child;
mod plan;
pub mod worker;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use parking_lot::Mutex;

pub use self::child::{Assignment, Message, Told};
use self::child::{End, conduct};
use self::plan::Batch;
use crate::check::{Allow, Check, Footing, Registry, matches};
use crate::report::{Record, Report, Subject, Verdict};
use crate::stage::{Secrets, Target};

/// Where the checks find a token.
pub trait Provider: Sync {
    /// The token that the job of this number works on.
    ///
    /// # Errors
    /// When there is none.
    fn target(&self, job: usize) -> Result<Seat>;

    /// A token that one check has to itself.
    ///
    /// # Errors
    /// When there is none.
    fn fresh(&self) -> Result<Seat>;

    /// Whether the token is somebody's, to be left as it was found.
    fn is_guest(&self) -> bool;
}

/// A token and what a process needs to reach it.
#[derive(Debug)]
pub struct Seat {
    /// The token.
    pub target: Target,
    /// Environment of the worker.
    pub environment: Vec<(String, PathBuf)>,
    /// Removed when the seat is given up.
    pub keep: Option<tempfile::TempDir>,
}

/// What to run, and how.
#[derive(Debug)]
pub struct Request {
    /// Patterns of ids; all checks without one.
    pub filters: Vec<String>,
    /// What may be done to the token.
    pub allow: Vec<Allow>,
    /// Children at a time.
    pub jobs: usize,
    /// How long one check may take.
    pub limit: Duration,
    /// Calls a second, at most.
    pub per_second: Option<u32>,
    /// Stop at the first check that does not conform.
    pub fail_fast: bool,
    /// This program, and the verb that makes it the worker.
    pub program: PathBuf,
    /// Checks in one child, at most.
    pub batch: usize,
    /// Secrets of the token.
    pub secrets: Secrets,
}

/// The name of the hidden verb.
pub const WORKER: &str = "conformance-worker";

impl Request {
    /// The checks that are meant, in the registry's order.
    pub fn chosen<'a>(&self, registry: &'a Registry) -> Vec<&'a Check> {
        let wanted = |id: &str| {
            self.filters.is_empty() || self.filters.iter().any(|filter| matches(filter, id))
        };
        registry.checks().iter().filter(|check| wanted(&check.id)).collect()
    }
}

struct Course<'a> {
    request: &'a Request,
    provider: &'a dyn Provider,
    queue: Mutex<VecDeque<Batch>>,
    done: Mutex<Vec<Record>>,
    stop: &'a AtomicBool,
    registry: &'a Registry,
    told: Mutex<Option<Subject>>,
}

/// Runs them; `hear` is told of each as it ends, with how many there are.
///
/// # Errors
/// When no child could be started, or the token was not to be had.
pub fn run(
    request: &Request,
    provider: &dyn Provider,
    registry: &Registry,
    stop: &AtomicBool,
    hear: &(dyn Fn(&Record, usize, usize) + Sync),
) -> Result<Report> {
    let begun = Instant::now();
    let mut report = Report::begin(request.allow.iter().map(|allow| allow.name().into()).collect());
    let chosen = request.chosen(registry);
    let total = chosen.len();
    let (batches, left_out) = plan::plan(&chosen, &request.allow, request.batch);
    for record in &left_out {
        hear(record, 0, total);
    }
    let course = Course {
        request,
        provider,
        queue: Mutex::new(batches.into()),
        done: Mutex::new(left_out),
        stop,
        registry,
        told: Mutex::new(None),
    };
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let course = &course;
        let jobs: Vec<_> = (0..request.jobs.max(1))
            .map(|job| scope.spawn(move || course.work(job, total, hear)))
            .collect();
        jobs.into_iter()
            .map(|job| job.join().unwrap_or_else(|_| anyhow::bail!("a job panicked")))
            .collect()
    });
    for result in results {
        result?;
    }
    report.subject = course.told.into_inner().unwrap_or_default();
    report.checks = course.done.into_inner();
    let order = |id: &str| registry.checks().iter().position(|check| check.id == id);
    report.checks.sort_by_key(|record| order(&record.id));
    report.conclude(begun.elapsed());
    Ok(report)
}

/// Removes from a token what any run has left on it.
///
/// # Errors
/// When no child could be started, or it did not end well.
pub fn clean(program: &std::path::Path, provider: &dyn Provider, secrets: Secrets) -> Result<()> {
    let seat = provider.target(0)?;
    let mut target = seat.target.clone();
    // No run's own label: everybody's.
    target.run = String::new();
    let assignment = Assignment {
        calls: target.scratch.join("calls-clean"),
        target,
        secrets,
        ids: Vec::new(),
        per_second: None,
        clean: true,
        restore: false,
    };
    let end = conduct(program, &seat, &assignment, Duration::from_secs(600), &mut |_| {})?;
    anyhow::ensure!(end == End::Finished, "the module did not end well: {end:?}");
    Ok(())
}

impl Course<'_> {
    fn work(
        &self,
        job: usize,
        total: usize,
        hear: &(dyn Fn(&Record, usize, usize) + Sync),
    ) -> Result<()> {
        let mut seat = None;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let Some(batch) = self.queue.lock().pop_front() else { break };
            let own;
            let at = if batch.footing == Footing::Fresh {
                own = self.provider.fresh()?;
                &own
            } else {
                if seat.is_none() {
                    seat = Some(self.provider.target(job)?);
                }
                match &seat {
                    Some(seat) => seat,
                    None => continue,
                }
            };
            self.batch(&batch, at, total, hear)?;
        }
        match seat {
            Some(seat) if self.request.allow.contains(&Allow::TokenObjects) => self.clean(&seat),
            _ => Ok(()),
        }
    }

    /// What a crash may have left on the token is removed by a child of its own.
    fn clean(&self, seat: &Seat) -> Result<()> {
        let mut assignment = self.assignment(seat, &[]);
        assignment.clean = true;
        let limit = self.request.limit;
        conduct(&self.request.program, seat, &assignment, limit, &mut |_| {})?;
        Ok(())
    }

    fn assignment(&self, seat: &Seat, ids: &[String]) -> Assignment {
        Assignment {
            target: seat.target.clone(),
            secrets: self.request.secrets.clone(),
            ids: ids.to_vec(),
            calls: seat.target.scratch.join(format!("calls-{}", std::process::id())),
            per_second: self.request.per_second,
            clean: false,
            restore: self.provider.is_guest(),
        }
    }

    fn batch(
        &self,
        batch: &Batch,
        seat: &Seat,
        total: usize,
        hear: &(dyn Fn(&Record, usize, usize) + Sync),
    ) -> Result<()> {
        let mut assignment = self.assignment(seat, &batch.ids);
        // Jobs that share a scratch directory must not share the file.
        let first = batch.ids.first().map(|id| id.replace(['/', '.'], "_")).unwrap_or_default();
        assignment.calls = seat.target.scratch.join(format!("calls-{first}"));
        let mut left: VecDeque<String> = batch.ids.iter().cloned().collect();
        let mut begun = None;
        let mut unusable = None;
        let end = conduct(
            &self.request.program,
            seat,
            &assignment,
            self.request.limit,
            &mut |message| match message {
                Message::Ready(subject) => {
                    self.told.lock().get_or_insert(subject);
                }
                Message::Began(id) => begun = Some(id),
                Message::Ended { id, told, calls, duration_ms } => {
                    left.retain(|other| *other != id);
                    begun = None;
                    if let Some(check) = self.registry.find(&id) {
                        self.note(Record::of(check, told, calls, duration_ms), total, hear);
                    }
                }
                Message::Unusable(reason) => unusable = Some(reason),
                Message::Finished => {}
            },
        )?;
        let calls = std::fs::read_to_string(&assignment.calls).unwrap_or_default();
        // It goes with the scratch directory otherwise.
        let _ = std::fs::remove_file(&assignment.calls);
        if let Some(reason) = unusable {
            for id in left {
                if let Some(check) = self.registry.find(&id) {
                    let told = Told::NotApplicable(format!("the module cannot be used: {reason}"));
                    self.note(Record::of(check, told, Vec::new(), 0.0), total, hear);
                }
            }
            return Ok(());
        }
        if end == End::Finished && left.is_empty() {
            return Ok(());
        }
        // It ended in the middle: at the check that had begun, or at the door.
        let culprit = begun.or_else(|| left.front().cloned());
        let Some(culprit) = culprit else {
            return self.after_the_last(batch, &end, &calls, total, hear);
        };
        left.retain(|id| *id != culprit);
        let mut queue = self.queue.lock();
        if !left.is_empty() {
            queue.push_front(Batch { footing: batch.footing, ids: left.into() });
        }
        if batch.ids.len() > 1 {
            queue.push_front(Batch { footing: batch.footing, ids: vec![culprit] });
            return Ok(());
        }
        drop(queue);
        if let Some(check) = self.registry.find(&culprit) {
            self.note(Record::ended(check, &end, &calls), total, hear);
        }
        Ok(())
    }

    /// All checks were answered, and then the process ended badly: the last one's doing.
    fn after_the_last(
        &self,
        batch: &Batch,
        end: &End,
        calls: &str,
        total: usize,
        hear: &(dyn Fn(&Record, usize, usize) + Sync),
    ) -> Result<()> {
        let last = batch.ids.last().context("a batch has checks")?;
        if *end == End::Finished {
            return Ok(());
        }
        self.done.lock().retain(|record| record.id != *last);
        if let Some(check) = self.registry.find(last) {
            self.note(Record::ended(check, end, calls), total, hear);
        }
        Ok(())
    }

    fn note(&self, record: Record, total: usize, hear: &(dyn Fn(&Record, usize, usize) + Sync)) {
        let mut done = self.done.lock();
        if self.request.fail_fast && record.verdict.is_red() {
            self.stop.store(true, Ordering::Relaxed);
        }
        done.push(record);
        if let Some(record) = done.last() {
            hear(record, done.len(), total);
        }
    }
}

impl Verdict {
    /// The verdict of a process that ended so.
    fn of_end(end: &End) -> Self {
        if matches!(end, End::Silent) { Self::Hung } else { Self::Crashed }
    }
}

impl Record {
    /// The record of a check whose process ended in it.
    fn ended(check: &Check, end: &End, calls: &str) -> Self {
        let mut record = Self::of(check, Told::Conforms, Vec::new(), 0.0);
        record.verdict = Verdict::of_end(end);
        record.expected = "the call returns".into();
        record.seen = match end {
            End::Silent => "nothing was heard of the process any more".into(),
            End::Died(how) => format!("the process ended {how}"),
            End::Finished => "the process ended without an answer".into(),
        };
        record.calls = calls.lines().map(str::to_owned).collect();
        record
    }
}
