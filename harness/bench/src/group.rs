//! Members that go and come back while an application works: how long it waits, and how long until all are there.
//!
//! The worker works without pause on the group's slot and writes down when each thread had no success for longer than
//! it is used to; its parent takes members away and gives them back ([`Members`]), and says when.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use luna_client::ck::CKR_OK;
use luna_client::{Context, SlotId};
use luna_conformance::check::{Finding, Outcome};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::bed::{Bed, Operation};
use crate::case;
use crate::pace::Pace;
use crate::side::Side;
use crate::worker::{Answer, Order, nanoseconds};

/// What the threads do: the first of these that the group can.
const WORKLOADS: [&str; 3] = ["aes-gcm/encrypt/64", "hmac-sha256/sign/64", "rsa-pkcs/sign/2048"];

/// Waits for a success that are shorter are none.
const GAP: Duration = Duration::from_micros(100);

/// How often the members' state is asked for.
const LOOK: Duration = Duration::from_millis(2);

/// One column of the picture.
const BIN_MS: u64 = 10;

/// Different errors that are kept.
const ERRORS: usize = 8;

/// What the worker wrote down. Times are nanoseconds since the flow began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// What the threads did.
    pub case: String,
    /// By `BIN_MS` milliseconds: operations that ended there, the slowest in nanoseconds, and how many failed.
    pub bins: Vec<Bin>,
    /// What the parent did.
    pub marks: Vec<(String, u64)>,
    /// When the number of members that are up changed, and to what.
    pub states: Vec<(u64, usize)>,
    /// From the beginning of the first operation after a success to the end of the next success.
    pub gaps: Vec<(u64, u64)>,
    /// When operations failed.
    pub failures: Vec<u64>,
    /// How they failed, each text once.
    pub errors: Vec<String>,
}

/// A column of the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bin {
    /// Where it begins, in milliseconds since the flow began.
    pub at_ms: u64,
    /// Operations that ended in it.
    pub calls: u64,
    /// The slowest, in nanoseconds.
    pub slowest_ns: u64,
    /// Those that failed.
    pub failed: u64,
}

/// One thread's part.
#[derive(Default)]
struct Part {
    bins: Vec<Bin>,
    gaps: Vec<(u64, u64)>,
    failures: Vec<u64>,
    errors: Vec<String>,
}

/// Works until told to end: the worker's side.
pub(crate) fn flow(
    bed: &mut Bed,
    threads: usize,
    pace: &Pace,
    next: &mut dyn FnMut() -> Option<String>,
    say: &dyn Fn(&Answer),
) -> Outcome<Flow> {
    let (context, slot) = bed.place()?;
    let state = context.ha_state(slot)?;
    let (id, mut operations) = workload(bed, threads)?;
    for operation in &mut operations {
        operation()?;
    }
    let members = state.members.into_iter().map(|member| member.serial).collect();
    say(&Answer::Flowing { members, up: up(&context, slot).unwrap_or(0) });
    let begun = Instant::now();
    let stop = AtomicBool::new(false);
    let (now_up, states) = (AtomicUsize::new(usize::MAX), Mutex::new(Vec::new()));
    let mut flow = Flow { case: id.to_owned(), ..Flow::default() };
    let parts = std::thread::scope(|scope| {
        let (stop, now_up, states) = (&stop, &now_up, &states);
        let start = |operation| scope.spawn(move || work(operation, begun, pace, stop));
        let working: Vec<_> = operations.into_iter().map(start).collect();
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if let Some(seen) = up(&context, slot)
                    && now_up.swap(seen, Ordering::Relaxed) != seen
                {
                    states.lock().push((nanoseconds(begun.elapsed()), seen));
                }
                std::thread::sleep(LOOK);
            }
        });
        while let Some(line) = next() {
            match serde_json::from_str::<Order>(&line) {
                Ok(Order::Mark(what)) => flow.marks.push((what, nanoseconds(begun.elapsed()))),
                Ok(Order::Await { up, limit_ms }) => {
                    let until = Instant::now() + Duration::from_millis(limit_ms);
                    while now_up.load(Ordering::Relaxed) != up && Instant::now() < until {
                        std::thread::sleep(LOOK);
                    }
                    say(&Answer::Awaited(now_up.load(Ordering::Relaxed) == up));
                }
                _ => break,
            }
        }
        stop.store(true, Ordering::Relaxed);
        working.into_iter().map(|it| it.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    flow.states = states.into_inner();
    for part in parts {
        flow.take(part);
    }
    Ok(flow)
}

fn workload(bed: &mut Bed, threads: usize) -> Outcome<(&'static str, Vec<Operation>)> {
    let mut reason = Finding::not_applicable("the group can do none of the workloads");
    for id in WORKLOADS {
        let Some(case) = case::find(id) else { continue };
        match bed.prepare(case, threads) {
            Ok(operations) => return Ok((id, operations)),
            Err(finding) => reason = finding,
        }
    }
    Err(reason)
}

/// How many members are up; `None` where the module does not tell now.
fn up(context: &Context, slot: SlotId) -> Option<usize> {
    let state = context.ha_state(slot).ok()?;
    Some(state.members.iter().filter(|member| member.status.0 == CKR_OK).count())
}

fn work(mut operation: Operation, begun: Instant, pace: &Pace, stop: &AtomicBool) -> Part {
    let mut part = Part::default();
    // Where the first operation after the last success began.
    let mut since = None;
    while !stop.load(Ordering::Relaxed) {
        pace.wait();
        let from = Instant::now();
        let first = *since.get_or_insert(from);
        let outcome = operation();
        let to = Instant::now();
        part.note(from - begun, to - begun, outcome.is_ok());
        match outcome {
            Ok(()) => {
                if to - first > GAP {
                    part.gaps.push((nanoseconds(first - begun), nanoseconds(to - begun)));
                }
                since = None;
            }
            Err(error) => {
                let text = error.to_string();
                if part.errors.len() < ERRORS && !part.errors.contains(&text) {
                    part.errors.push(text);
                }
            }
        }
    }
    // One that was waiting in the end waits still.
    if let Some(first) = since {
        part.gaps.push((nanoseconds(first - begun), nanoseconds(begun.elapsed())));
    }
    part
}

impl Part {
    fn note(&mut self, from: Duration, to: Duration, succeeded: bool) {
        let at = nanoseconds(to) / 1_000_000 / BIN_MS * BIN_MS;
        if self.bins.last().is_none_or(|bin| bin.at_ms != at) {
            self.bins.push(Bin { at_ms: at, ..Bin::default() });
        }
        if let Some(bin) = self.bins.last_mut() {
            bin.calls += 1;
            bin.slowest_ns = bin.slowest_ns.max(nanoseconds(to - from));
            bin.failed += u64::from(!succeeded);
        }
        if !succeeded {
            self.failures.push(nanoseconds(to));
        }
    }
}

impl Flow {
    fn take(&mut self, part: Part) {
        for bin in part.bins {
            match self.bins.binary_search_by_key(&bin.at_ms, |it| it.at_ms) {
                Ok(at) => {
                    if let Some(it) = self.bins.get_mut(at) {
                        it.calls += bin.calls;
                        it.slowest_ns = it.slowest_ns.max(bin.slowest_ns);
                        it.failed += bin.failed;
                    }
                }
                Err(at) => self.bins.insert(at, bin),
            }
        }
        self.gaps.extend(part.gaps);
        self.failures.extend(part.failures);
        for error in part.errors {
            if self.errors.len() < ERRORS && !self.errors.contains(&error) {
                self.errors.push(error);
            }
        }
    }

    fn mark(&self, name: &str) -> u64 {
        self.marks.iter().find(|mark| mark.0 == name).map_or(u64::MAX, |mark| mark.1)
    }

    /// What became of the member of this number of the time of this number.
    fn disturbance(&self, member: usize, time: usize, serial: &str, all: usize) -> Disturbance {
        let at = |what: &str| self.mark(&format!("{what} {member} {time}"));
        let (down, going_up) = (at("down"), at("up"));
        let whole = self.states.iter().find(|state| state.0 >= going_up && state.1 == all);
        let whole = whole.map(|state| state.0);
        let calm = at("calm");
        let longest = |from: u64, to: u64| {
            let within = self.gaps.iter().filter(|gap| gap.0 < to && gap.1 > from);
            within.map(|gap| gap.1 - gap.0).max().unwrap_or(0)
        };
        let before = self.marks.iter().map(|mark| mark.1).filter(|at| *at < down).max();
        let failed =
            |from: u64, to: u64| self.failures.iter().filter(|at| (from..to).contains(at)).count();
        Disturbance {
            member,
            serial: serial.to_owned(),
            calm_ns: longest(before.unwrap_or(0), down),
            pause_ns: longest(down, going_up),
            failed: failed(down, going_up),
            noticed: self.states.iter().any(|it| (down..going_up).contains(&it.0) && it.1 < all),
            recovery_ns: whole.map(|whole| whole - going_up),
            recovery_pause_ns: longest(going_up, calm),
            recovery_failed: failed(going_up, calm),
        }
    }
}

/// Who takes members away and gives them back.
pub trait Members {
    /// The member of this serial number can no longer be reached.
    ///
    /// # Errors
    /// When it could not be done.
    fn down(&self, serial: &str) -> Result<()>;

    /// It can be reached again.
    ///
    /// # Errors
    /// When it could not be done.
    fn up(&self, serial: &str) -> Result<()>;
}

/// A member that went and came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disturbance {
    /// Its place in the group; 0 is the primary.
    pub member: usize,
    /// Its serial number.
    pub serial: String,
    /// As `pause_ns`, of the time before, when all was calm: what the machine's other work does.
    pub calm_ns: u64,
    /// The longest that a thread was without a success while it was away; 0 when under 100 microseconds.
    pub pause_ns: u64,
    /// Operations that failed meanwhile.
    pub failed: usize,
    /// Whether `CA_GetHAState` told of it.
    pub noticed: bool,
    /// From when it was told to come back until `CA_GetHAState` tells that all are up; none where that was not seen
    /// in time.
    pub recovery_ns: Option<u64>,
    /// As `pause_ns`, from its coming back on.
    pub recovery_pause_ns: u64,
    /// As `failed`, from its coming back on.
    pub recovery_failed: usize,
}

/// What came of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Threads that worked.
    pub threads: usize,
    /// Serial numbers, the primary first.
    pub members: Vec<String>,
    /// Each time a member went.
    pub disturbances: Vec<Disturbance>,
    /// What was written down meanwhile.
    pub flow: Flow,
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Threads that work.
    pub threads: usize,
    /// How often each member goes.
    pub times: usize,
    /// How long it is away, and how long all is calm before it goes.
    pub away: Duration,
    /// How long its return is waited for.
    pub limit: Duration,
}

/// Lets each member go and come back.
///
/// # Errors
/// When the group is none, a member cannot be moved, or the module is lost.
pub fn disturb(side: &mut Side, members: &dyn Members, plan: Plan) -> Result<Group> {
    let (serials, all) = match side.ask(&Order::Flow { threads: plan.threads })? {
        Ok(Answer::Flowing { members, up }) if up == members.len() && up > 1 => (members, up),
        Ok(Answer::Flowing { members, up }) => {
            bail!("{up} of {} members are up: a group of two that are is wanted", members.len())
        }
        Ok(Answer::NotApplicable(reason) | Answer::Failed(reason)) => bail!("{reason}"),
        other => bail!("the group's worker is lost: {other:?}"),
    };
    for time in 0..plan.times {
        for (member, serial) in serials.iter().enumerate() {
            let mark = |side: &mut Side, what: &str| {
                side.tell(&Order::Mark(format!("{what} {member} {time}")));
            };
            std::thread::sleep(plan.away);
            mark(side, "down");
            let gone = members.down(serial);
            std::thread::sleep(plan.away);
            mark(side, "up");
            // Whatever happened, no member stays away.
            let back = members.up(serial);
            gone.and(back)?;
            let limit_ms = u64::try_from(plan.limit.as_millis()).unwrap_or(u64::MAX);
            match side.ask(&Order::Await { up: all, limit_ms })? {
                Ok(Answer::Awaited(_)) => {}
                other => bail!("the group's worker is lost: {other:?}"),
            }
            std::thread::sleep(plan.away / 2);
            mark(side, "calm");
        }
    }
    match side.ask(&Order::End)? {
        Ok(Answer::Flowed(flow)) => {
            let each = (0..plan.times).flat_map(|time| {
                serials.iter().enumerate().map(move |(member, serial)| (member, time, serial))
            });
            let told = each.map(|(member, time, serial)| {
                flow.disturbance(member, time, serial, serials.len())
            });
            let disturbances = told.collect();
            Ok(Group { threads: plan.threads, members: serials.clone(), disturbances, flow: *flow })
        }
        other => bail!("the group's worker is lost: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_in_a_members_absence_is_its_pause() {
        let mark = |what: &str, at| (format!("{what} 1 0"), at);
        let flow = Flow {
            marks: vec![mark("down", 100), mark("up", 200), mark("calm", 300)],
            states: vec![(0, 2), (120, 1), (250, 2)],
            gaps: vec![(10, 90), (95, 130), (140, 150), (205, 240), (310, 900)],
            failures: vec![50, 130, 135, 290],
            ..Flow::default()
        };
        let told = flow.disturbance(1, 0, "123", 2);
        assert_eq!((told.pause_ns, told.failed, told.noticed), (35, 2, true));
        // The longest wait before it went.
        assert_eq!(told.calm_ns, 80);
        assert_eq!((told.recovery_ns, told.recovery_pause_ns), (Some(50), 35));
        assert_eq!(told.recovery_failed, 1);
        let never = Flow { states: vec![(0, 2), (120, 1)], ..flow };
        assert_eq!(never.disturbance(1, 0, "123", 2).recovery_ns, None);
    }

    #[test]
    fn threads_share_their_columns() {
        let part = |ms: u64, ok| {
            let mut part = Part::default();
            part.note(Duration::from_millis(ms), Duration::from_millis(ms + 1), ok);
            part
        };
        let mut flow = Flow::default();
        [part(25, true), part(3, true), part(22, false)].into_iter().for_each(|it| flow.take(it));
        let seen: Vec<_> = flow.bins.iter().map(|it| (it.at_ms, it.calls, it.failed)).collect();
        assert_eq!(seen, [(0, 1, 0), (20, 2, 1)]);
    }
}
