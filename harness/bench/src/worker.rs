//! The worker: loads one module, and measures when it is told to.
//!
//! It hears an [`Order`] a line on standard input and answers each with an [`Answer`] on standard output. Between two
//! orders it does nothing, so that two workers can take turns on one machine without disturbing each other.

use std::io::{BufRead as _, Write as _};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use luna_client::UserType;
use luna_conformance::check::{Allow, Finding};
use luna_conformance::report::Subject;
use luna_conformance::stage::{REFUSED, Secrets, Target};
use serde::{Deserialize, Serialize};

use crate::bed::{Bed, Operation};
use crate::case;
use crate::distribution::Distribution;
use crate::group::{self, Flow};
use crate::pace::Pace;

/// The name of the hidden verb.
pub const WORKER: &str = "bench-worker";

/// Calls before the first round, at most, and how long they may take: caches fill, keys are parsed.
const WARM_UP: (u32, Duration) = (200, Duration::from_millis(20));

/// What a worker is to work on: the first line it reads.
#[derive(Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// The token.
    pub target: Target,
    /// Its secrets; they travel by the pipe only.
    pub secrets: Secrets,
    /// What may be done to it.
    pub allow: Vec<Allow>,
    /// Operations a second, at most.
    pub per_second: Option<u32>,
}

/// What a worker is to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// A round of a case.
    Measure(Measure),
    /// Work without pause on all members of a group, until [`Order::End`].
    Flow {
        /// How many threads.
        threads: usize,
    },
    /// Something happens to the group now; for the record of the flow.
    Mark(String),
    /// Wait until so many members are up, or this has passed.
    Await {
        /// How many.
        up: usize,
        /// How long at most.
        limit_ms: u64,
    },
    /// The flow ends.
    End,
    /// Remove what this run has made, and end.
    Tidy,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// The case's id.
    pub case: String,
    /// So many threads, each with a session.
    pub threads: usize,
    /// So many other objects.
    pub objects: usize,
    /// How long the round is; each thread does one operation at least.
    pub round_ms: u64,
}

/// What a worker says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    /// The module is loaded; what it says it is, and what a look at the clock costs.
    Ready {
        /// Module and token.
        subject: Option<Subject>,
        /// Nanoseconds from one look at the clock to the next.
        clock_ns: u64,
    },
    /// It cannot begin; why, and whether a password was refused.
    Unusable {
        /// Why.
        reason: String,
        /// Whether the password must not be tried again.
        refused: bool,
    },
    /// A round is over.
    Measured(Round),
    /// The case is none for this token; why.
    NotApplicable(String),
    /// The module did not do what the case asks.
    Failed(String),
    /// The flow has begun: every thread has done its first operation.
    Flowing {
        /// Serial numbers of the members.
        members: Vec<String>,
        /// Those that are up.
        up: usize,
    },
    /// Whether as many members are up as were waited for.
    Awaited(bool),
    /// The flow is over.
    Flowed(Box<Flow>),
    /// What was made is removed.
    Tidied,
}

/// What a round came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Latencies in nanoseconds, with their counts.
    pub buckets: Vec<(u64, u64)>,
    /// From the first thread's beginning to the last one's end.
    pub wall_ns: u64,
}

/// What comes before a message on a line, so that a module's own words are told from it.
pub(crate) const MARK: &str = "\u{1}luna-bench ";

impl Answer {
    /// Sends it to who started this worker. When nobody reads any more there is nothing left to do.
    fn send(&self) {
        if let Ok(text) = serde_json::to_string(self) {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "\n{MARK}{text}").and_then(|()| out.flush());
        }
    }
}

impl From<Finding> for Answer {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::NotApplicable(reason) => Self::NotApplicable(reason),
            Finding::Unlike { expected, seen } | Finding::Inconsistent { expected, seen } => {
                Self::Failed(format!("expected: {expected}; seen: {seen}"))
            }
        }
    }
}

/// Reads the assignment and then order after order from standard input, and does them.
///
/// # Errors
/// When there is no assignment, or an order makes no sense.
pub fn work() -> Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    let assignment: Assignment =
        serde_json::from_str(&lines.next().context("no assignment")??).context("no assignment")?;
    let Assignment { target, secrets, allow, per_second } = assignment;
    let pace = Pace::of(per_second);
    let scratch = target.scratch.clone();
    let mut bed = match Bed::make(target, &secrets, &allow) {
        Ok(bed) => bed,
        Err(finding) => {
            let reason = match Answer::from(finding) {
                Answer::NotApplicable(reason) | Answer::Failed(reason) => reason,
                _ => String::new(),
            };
            let refused =
                scratch.join(format!("{REFUSED}-{}", UserType::CRYPTO_OFFICER.0)).exists();
            Answer::Unusable { reason, refused }.send();
            return Ok(());
        }
    };
    Answer::Ready { subject: bed.subject(), clock_ns: clock() }.send();
    let mut prepared: Option<Prepared> = None;
    while let Some(line) = lines.next() {
        match serde_json::from_str::<Order>(&line?).context("no order")? {
            Order::Measure(order) => {
                if prepared.as_ref().is_none_or(|it| !it.fits(&order)) {
                    // The sessions of the last case are closed before the next one's are opened.
                    drop(prepared.take());
                    match Prepared::of(&mut bed, &order, &pace) {
                        Ok(made) => prepared = Some(made),
                        Err(answer) => {
                            answer.send();
                            continue;
                        }
                    }
                }
                if let Some(it) = &mut prepared {
                    it.round(order.round_ms, &pace).send();
                }
            }
            Order::Flow { threads } => {
                drop(prepared.take());
                let mut next = || lines.next().and_then(Result::ok);
                match group::flow(&mut bed, threads, &pace, &mut next, &|answer| answer.send()) {
                    Ok(flow) => Answer::Flowed(Box::new(flow)).send(),
                    Err(finding) => Answer::from(finding).send(),
                }
            }
            Order::Mark(_) | Order::Await { .. } | Order::End => {}
            Order::Tidy => {
                drop(prepared.take());
                match bed.tidy() {
                    Ok(()) => Answer::Tidied.send(),
                    Err(finding) => Answer::from(finding).send(),
                }
                return Ok(());
            }
        }
    }
    // Whoever started this process has gone: nothing that was made may stay.
    drop(prepared);
    let _ = bed.tidy();
    Ok(())
}

/// Nanoseconds between two looks at the clock: the least of many.
fn clock() -> u64 {
    let between = |_| {
        let begun = Instant::now();
        nanoseconds(begun.elapsed())
    };
    (0..10_000).map(between).min().unwrap_or(0)
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A case with its threads' operations.
struct Prepared {
    order: Measure,
    operations: Vec<Operation>,
}

impl Prepared {
    /// Prepares and warms up.
    fn of(bed: &mut Bed, order: &Measure, pace: &Pace) -> Result<Self, Answer> {
        let unknown = || Answer::Failed(format!("no case is called {}", order.case));
        let case = case::find(&order.case).ok_or_else(unknown)?;
        bed.fill(order.objects, pace)?;
        let mut operations = bed.prepare(case, order.threads)?;
        for operation in &mut operations {
            let begun = Instant::now();
            let calls = if pace.is_bound() { 1 } else { WARM_UP.0 };
            for _ in 0..calls {
                pace.wait();
                operation().map_err(|error| Answer::Failed(error.to_string()))?;
                if begun.elapsed() > WARM_UP.1 {
                    break;
                }
            }
        }
        Ok(Self { order: order.clone(), operations })
    }

    fn fits(&self, order: &Measure) -> bool {
        (&self.order.case, self.order.threads, self.order.objects)
            == (&order.case, order.threads, order.objects)
    }

    fn round(&mut self, round_ms: u64, pace: &Pace) -> Answer {
        let length = Duration::from_millis(round_ms);
        let barrier = Barrier::new(self.operations.len());
        let mut all = Distribution::default();
        let mut failed = None;
        let mut wall = Duration::ZERO;
        let done: Vec<_> = match self.operations.as_mut_slice() {
            // On the spot: a thread that has just begun finds cold caches.
            [operation] => vec![one(operation, length, pace)],
            many => std::thread::scope(|scope| {
                let start = |operation| {
                    scope.spawn(|| {
                        barrier.wait();
                        one(operation, length, pace)
                    })
                };
                let threads: Vec<_> = many.iter_mut().map(start).collect();
                let panicked = || (Distribution::default(), length, Some("panicked".to_owned()));
                threads.into_iter().map(|it| it.join().unwrap_or_else(|_| panicked())).collect()
            }),
        };
        for (distribution, took, error) in done {
            all.add(&distribution);
            wall = wall.max(took);
            failed = failed.or(error);
        }
        match failed {
            Some(error) => Answer::Failed(error),
            None => Answer::Measured(Round { buckets: all.buckets(), wall_ns: nanoseconds(wall) }),
        }
    }
}

/// One thread's part of a round: operation after operation, each with its time.
fn one(
    operation: &mut Operation,
    length: Duration,
    pace: &Pace,
) -> (Distribution, Duration, Option<String>) {
    let mut distribution = Distribution::default();
    let begun = Instant::now();
    loop {
        pace.wait();
        let from = Instant::now();
        let outcome = operation();
        let to = Instant::now();
        if let Err(error) = outcome {
            return (distribution, begun.elapsed(), Some(error.to_string()));
        }
        distribution.record(nanoseconds(to - from));
        if to - begun >= length {
            return (distribution, to - begun, None);
        }
    }
}
