//! What several threads do at once, each in a session of its own, written down with when each call began and ended.
//!
//! Whether the answers can be is for [`crate::linear`] to say. Threads know what they did themselves and what stood
//! before; what others do meanwhile they learn from answers, as an application would.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::time::Instant;

use luna_ck::*;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Listed, Names};
use crate::linear::{self, Verdict};
use crate::object::Kind;
use crate::run::{Failure, Watch, sweep};
use crate::state::{Model, Token};
use crate::step::Step;
use crate::target::{Answer, Given, Target};

/// Objects that one call of a search asks for afterwards.
const AT_ONCE: usize = 64;

/// Orders that are tried for one history before it is left undecided.
const MOST_ORDERS: usize = 200_000;

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// By one thread, before the others begin.
    pub before: Vec<Step>,
    /// By each thread.
    pub threads: Vec<Vec<Step>>,
}

/// A call that was made. Times are in nanoseconds from when the threads began.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) call: Call,
    pub(crate) answer: Answer,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// Told of each call before it is made, by the number of its thread; the one of before and after is 0.
pub type Trails<'a> = &'a (dyn Fn(usize, &str) + Sync);

/// Does what is planned, looks the token over, empties it, and says whether an order of the calls explains all
/// answers. Gives the number of calls; an order that was not found within bounds is no failure.
///
/// # Errors
/// An answer of before that may not be, or answers that no order explains.
pub fn record<T: Target + Clone + Send>(
    target: &T,
    token: &Token,
    plan: &Plan,
    trails: Trails<'_>,
) -> Result<u64, Failure> {
    let outcome = recorded(target, token, plan, trails);
    sweep(&mut target.clone(), token);
    outcome
}

fn recorded<T: Target + Clone + Send>(
    target: &T,
    token: &Token,
    plan: &Plan,
    trails: Trails<'_>,
) -> Result<u64, Failure> {
    let mut own = target.clone();
    let mut trail = |text: &str| trails(0, text);
    let mut watch = Watch::new(&mut own, token, &mut trail);
    watch.steps(&plan.before)?;
    let (mut model, names, before, calls) = watch.parts();
    model.at_once = true;
    let start = Barrier::new(plan.threads.len());
    let base = Instant::now();
    let done: Vec<_> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (number, steps) in plan.threads.iter().enumerate() {
            let thread = Thread { target: target.clone(), belief: model.clone(), base };
            let start = &start;
            threads.push(scope.spawn(move || {
                start.wait();
                thread.run(steps, &|text| trails(number + 1, text))
            }));
        }
        threads.into_iter().map(|thread| thread.join().ok()).collect()
    });
    let mut told = Told { names, text: before };
    let (mut threads, mut kinds) = (Vec::new(), BTreeMap::new());
    for thread in done {
        let Some((events, known, fault)) = thread else {
            return Err(told.failure("a thread of the harness ended early".to_owned()));
        };
        told.thread(threads.len() + 1, &events);
        if let Some(fault) = fault {
            return Err(told.failure(fault));
        }
        kinds.extend(known);
        threads.push(events);
    }
    let after = looked_over(&mut target.clone(), &model, &kinds, trails)
        .map_err(|fault| told.failure(fault))?;
    told.after(&after);
    let made: usize = threads.iter().map(Vec::len).sum::<usize>() + after.len();
    match linear::explain(&model, &threads, &after, MOST_ORDERS) {
        Verdict::Explained | Verdict::Undecided => Ok(calls + made as u64),
        Verdict::Unexplained(nearest) => Err(told.failure(nearest)),
    }
}

/// One of those that call at once.
struct Thread<T> {
    target: T,
    /// What it takes the token to be like.
    belief: Model,
    base: Instant,
}

/// What a thread did, the kinds of the objects it met, and a call that could not be made.
type Done = (Vec<Event>, BTreeMap<CK_OBJECT_HANDLE, Kind>, Option<String>);

impl<T: Target> Thread<T> {
    fn run(mut self, steps: &[Step], trail: &dyn Fn(&str)) -> Done {
        let mut events = Vec::new();
        let now = |base: Instant| u64::try_from(base.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut kinds = self.belief.kinds();
        for step in steps {
            let call = self.belief.resolve(step);
            if self.belief.leaves_out(&call) {
                continue;
            }
            trail(&call.to_string());
            let began = now(self.base);
            let answer = match self.target.call(&call) {
                Ok(answer) => answer,
                Err(error) => return (events, kinds, Some(format!("{call}: {error}"))),
            };
            let ended = now(self.base);
            // What it did not expect was another's doing: it goes on with what it knew.
            let _ = self.belief.take(&call, &answer);
            kinds.extend(self.belief.kinds());
            events.push(Event { call, answer, began, ended });
        }
        (events, kinds, None)
    }
}

/// All there is to see once the threads have ended.
fn looked_over(
    target: &mut dyn Target,
    model: &Model,
    kinds: &BTreeMap<CK_OBJECT_HANDLE, Kind>,
    trails: Trails<'_>,
) -> Result<Vec<(Call, Answer)>, String> {
    let mut seen = Vec::new();
    let mut ask = |call: Call| -> Result<Given, String> {
        trails(0, &call.to_string());
        let answer = target.call(&call).map_err(|error| format!("{call}: {error}"))?;
        let (given, rv) = (answer.given.clone(), answer.rv);
        seen.push((call, answer));
        Ok(if rv == CKR_OK { given } else { Given::Nothing })
    };
    for session in model.sessions.keys() {
        ask(Call::SessionInfo(*session))?;
    }
    let access = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    let Given::Handle(session) = ask(Call::OpenSession(model.token.slot, access))? else {
        return Ok(seen);
    };
    ask(Call::FindInit(session, Vec::new()))?;
    let mut objects = Vec::new();
    while let Given::Found(_, found) = ask(Call::FindNext(session, AT_ONCE))?
        && !found.is_empty()
    {
        objects.extend(found);
    }
    ask(Call::FindFinal(session))?;
    for object in objects {
        if let Some(kind) = kinds.get(&object) {
            let asked = kind.attributes().map(|attribute| (attribute, Some(256))).collect();
            ask(Call::Attributes(session, object, asked))?;
        }
    }
    Ok(seen)
}

/// The listing as it grows.
struct Told {
    names: Names,
    text: String,
}

impl Told {
    fn line(&mut self, call: &Call, answer: &Answer, when: &str) {
        let text = Listed { call, names: &self.names }.to_string();
        if answer.rv == CKR_OK {
            self.names.learn(call, &answer.given);
        }
        let (rv, remark) = (names::ckr(answer.rv), answer.remark(&self.names));
        self.text.push_str(&format!("{text}; // {when}{rv}{remark}\n"));
    }

    fn thread(&mut self, number: usize, events: &[Event]) {
        self.text.push_str(&format!("// thread {number}, at the same time as the others:\n"));
        for event in events {
            let us = |at: u64| at as f64 / 1000.0;
            let when = format!("{:.1} to {:.1} µs: ", us(event.began), us(event.ended));
            self.line(&event.call, &event.answer, &when);
        }
    }

    fn after(&mut self, calls: &[(Call, Answer)]) {
        self.text.push_str("// when all have ended:\n");
        for (call, answer) in calls {
            self.line(call, answer, "");
        }
    }

    fn failure(&self, fault: String) -> Failure {
        Failure { listing: self.text.clone(), fault }
    }
}
