//! Runs sequences on a target, and cuts a failing one down.

use std::fmt;

use luna_ck::*;
use luna_client::Attribute;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Listed, Names};
use crate::history::{Plan, record};
use crate::state::{Model, Token};
use crate::step::{Pick, Sequences, Step, plans};
use crate::target::{Answer, Given, Target};

/// Objects that one call of a search asks for while a token is looked over.
const AT_ONCE: usize = 64;

/// After so long a failing sequence is as short as it gets.
const LONGEST_SHRINK_MS: u32 = 30_000;

/// How often a plan for several threads is tried before it is taken for sound, while one is cut down.
const AGAIN: usize = 10;

/// Objects that are looked at for what to take away: a token that finds without end is left alone.
const MOST_SWEPT: usize = 100_000;

/// An answer that no source allows, and how it came to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The calls, one a line, with their answers; the last is the one at fault.
    pub listing: String,
    /// What would have been right.
    pub fault: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}    // {}", self.listing, self.fault)
    }
}

impl std::error::Error for Failure {}

/// Told of each call before it is made, so that the one that crashes a process is known.
pub type Trail<'a> = &'a mut dyn FnMut(&str);

/// A target, the model beside it, and what was said so far.
pub(crate) struct Watch<'a> {
    target: &'a mut dyn Target,
    trail: Trail<'a>,
    model: Model,
    names: Names,
    listing: String,
    calls: u64,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(target: &'a mut dyn Target, token: &Token, trail: Trail<'a>) -> Self {
        let (model, names) = (Model::new(token.clone()), Names::new(token));
        Self { target, trail, model, names, listing: String::new(), calls: 0 }
    }

    /// What the model takes the token for, what the listing calls things, the listing, and the number of calls.
    pub(crate) fn parts(self) -> (Model, Names, String, u64) {
        (self.model, self.names, self.listing, self.calls)
    }

    pub(crate) fn steps(&mut self, steps: &[Step]) -> Result<(), Failure> {
        for step in steps {
            let call = self.model.resolve(step);
            self.call(&call)?;
        }
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Result<Answer, Failure> {
        if self.model.leaves_out(call) {
            return Ok(Answer::code(CKR_OK));
        }
        let text = Listed { call, names: &self.names }.to_string();
        (self.trail)(&text);
        let answer = match self.target.call(call) {
            Ok(answer) => answer,
            Err(error) => {
                self.listing.push_str(&format!("{text};\n"));
                return Err(self.failure(error.to_string()));
            }
        };
        self.calls += 1;
        if answer.rv == CKR_OK {
            self.names.learn(call, &answer.given);
        }
        let (rv, remark) = (names::ckr(answer.rv), answer.remark(&self.names));
        self.listing.push_str(&format!("{text}; // {rv}{remark}\n"));
        match self.model.take(call, &answer) {
            Ok(()) => Ok(answer),
            Err(fault) => Err(self.failure(fault)),
        }
    }

    fn failure(&self, fault: String) -> Failure {
        Failure { listing: self.listing.clone(), fault }
    }

    /// Everything there is to see, seen: what was left behind unnoticed is noticed here.
    fn look_over(&mut self) -> Result<(), Failure> {
        let Some(session) = self.model.sessions.keys().next().copied() else { return Ok(()) };
        self.call(&Call::SessionInfo(session))?;
        // One that was left open is ended first.
        self.call(&Call::FindFinal(session))?;
        self.call(&Call::FindInit(session, Vec::new()))?;
        while let Given::Found(_, found) = self.call(&Call::FindNext(session, AT_ONCE))?.given
            && !found.is_empty()
        {}
        self.call(&Call::FindFinal(session))?;
        let visible: Vec<_> = self
            .model
            .objects
            .iter()
            .filter(|(_, entry)| self.model.is_visible(entry))
            .map(|(handle, entry)| (*handle, entry.kind))
            .collect();
        for (handle, kind) in visible {
            let asked = kind.attributes().map(|attribute| (attribute, Some(256))).collect();
            self.call(&Call::Attributes(session, handle, asked))?;
        }
        Ok(())
    }

    /// Back to an empty token with nobody logged in, and no wrong PIN counted.
    fn clear(&mut self) -> Result<(), Failure> {
        let slot = self.model.token.slot;
        self.call(&Call::CloseAllSessions(slot))?;
        let users: Vec<_> = self.model.token.credentials.clone();
        let access = CKF_SERIAL_SESSION | CKF_RW_SESSION;
        for (user, pin) in users {
            let tidy = user == CKU_USER && self.model.objects.values().any(|it| it.is_token());
            if !tidy && !self.model.wrong_pins.contains_key(&user) {
                continue;
            }
            self.call(&Call::OpenSession(slot, access))?;
            let Some(session) = self.model.sessions.keys().next().copied() else { continue };
            self.call(&Call::Login(session, user, pin))?;
            if user == CKU_USER {
                let left: Vec<_> = self.model.objects.keys().copied().collect();
                for object in left {
                    self.call(&Call::Destroy(session, object))?;
                }
            }
            self.call(&Call::CloseAllSessions(slot))?;
        }
        Ok(())
    }
}

/// Runs one sequence on a token that is empty, looks it over at the end, and empties it. Gives the number of calls.
///
/// # Errors
/// The first answer that no source allows. The token may be left with objects then: see [`sweep`].
pub fn run(
    target: &mut dyn Target,
    token: &Token,
    steps: &[Step],
    trail: Trail<'_>,
) -> Result<u64, Failure> {
    let mut watch = Watch::new(target, token, trail);
    watch.steps(steps)?;
    watch.look_over()?;
    watch.clear()?;
    let calls = watch.calls;
    if !token.luna {
        // Some may be there whose handles ended with a session.
        sweep(target, token);
    }
    Ok(calls)
}

/// Takes away what is on a token, whatever its state, trusting nothing it says: all, or what carries its mark.
pub fn sweep(target: &mut dyn Target, token: &Token) {
    let access = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    let mut ask = |call: Call| target.call(&call).ok();
    for (user, pin) in &token.credentials {
        ask(Call::CloseAllSessions(token.slot));
        let opened = ask(Call::OpenSession(token.slot, access));
        let Some(Given::Handle(session)) = opened.map(|answer| answer.given) else {
            continue;
        };
        ask(Call::Login(session, *user, pin.clone()));
        if *user != CKU_USER || !token.leave.token_objects {
            continue;
        }
        let mut all = Vec::new();
        ask(Call::FindInit(session, vec![Attribute::token(true)]));
        while let Some(Given::Found(_, found)) =
            ask(Call::FindNext(session, AT_ONCE)).map(|answer| answer.given)
            && !found.is_empty()
            && all.len() < MOST_SWEPT
        {
            all.extend(found);
        }
        ask(Call::FindFinal(session));
        for object in all {
            let asked = vec![(CKA_LABEL, Some(256))];
            let label = ask(Call::Attributes(session, object, asked)).map(|answer| answer.given);
            let ours = match label {
                Some(Given::Attributes(left)) => {
                    left.iter().any(|left| left.buffer.starts_with(token.mark.as_bytes()))
                }
                _ => false,
            };
            if ours {
                ask(Call::Destroy(session, object));
            }
        }
    }
    ask(Call::CloseAllSessions(token.slot));
}

/// Whether a token is empty, as far as it tells.
pub fn is_swept(target: &mut dyn Target, token: &Token) -> bool {
    let steps = [Step::Open(true, 0), Step::Login(Pick::Real(0), 0, true)];
    run(target, token, &steps, &mut |_| {}).is_ok()
}

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Sequences.
    pub cases: u32,
    /// Steps of the longest.
    pub steps: usize,
    /// The same seed draws the same sequences.
    pub seed: u64,
    /// Attempts to cut a failing one down.
    pub shrink: u32,
}

/// What runs a sequence: a module in this process or in another one.
pub trait Runner {
    /// Runs it on an empty token, and leaves the token so, failed or not. Gives the number of calls.
    ///
    /// # Errors
    /// As [`run`].
    fn run(&mut self, steps: &[Step]) -> Result<u64, Failure>;

    /// Has several threads call at once, and leaves the token empty. Gives the number of calls.
    ///
    /// # Errors
    /// As [`crate::record`].
    fn record(&mut self, plan: &Plan) -> Result<u64, Failure>;

    /// Whether there is no point in going on.
    fn gives_up(&self) -> bool {
        false
    }
}

/// A target in this process.
struct Here<'a> {
    target: &'a mut dyn Target,
    token: &'a Token,
}

impl Runner for Here<'_> {
    fn run(&mut self, steps: &[Step]) -> Result<u64, Failure> {
        run(self.target, self.token, steps, &mut |_| {})
            .inspect_err(|_| sweep(self.target, self.token))
    }

    fn record(&mut self, _: &Plan) -> Result<u64, Failure> {
        let fault = "a target that cannot be called by several threads".to_owned();
        Err(Failure { listing: String::new(), fault })
    }
}

/// A target in this process that several threads may call.
#[derive(Debug)]
pub struct Shared<'a, T> {
    /// Each thread calls a clone.
    pub target: T,
    /// Whose everything is destroyed.
    pub token: &'a Token,
}

impl<T: Target + Clone + Send> Runner for Shared<'_, T> {
    fn run(&mut self, steps: &[Step]) -> Result<u64, Failure> {
        Here { target: &mut self.target, token: self.token }.run(steps)
    }

    fn record(&mut self, plan: &Plan) -> Result<u64, Failure> {
        record(&self.target, self.token, plan, &|_, _| {})
    }
}

/// Draws sequences and runs them; gives the number of calls that were made.
///
/// The token must be empty and a test's own: everything on it is destroyed.
///
/// # Errors
/// The failure of the shortest sequence that was found to fail.
pub fn check(target: &mut dyn Target, token: &Token, effort: Effort) -> Result<u64, Failure> {
    check_with(&mut Here { target, token }, effort)
}

/// [`check`], wherever the module is.
///
/// # Errors
/// As [`check`].
pub fn check_with(runner: &mut dyn Runner, effort: Effort) -> Result<u64, Failure> {
    let sequences = Sequences::sequential_strategy(1..=effort.steps);
    tried(runner, effort, sequences, |runner, (_, steps, seen)| {
        if let Some(seen) = seen {
            seen.store(steps.len(), std::sync::atomic::Ordering::Relaxed);
        }
        runner.run(&steps)
    })
}

/// Draws plans for several threads, and has them done; gives the number of calls that were made.
///
/// # Errors
/// The failure of the shortest plan that was found to fail.
pub fn check_at_once(
    runner: &mut dyn Runner,
    effort: Effort,
    threads: usize,
) -> Result<u64, Failure> {
    // What fails by chance is tried more than once before it is taken for sound, once one has failed.
    let failed = std::cell::Cell::new(false);
    tried(runner, effort, plans(threads, effort.steps), |runner, plan| {
        let times = if failed.get() { AGAIN } else { 1 };
        let mut calls = 0;
        for _ in 0..times {
            calls += runner.record(&plan).inspect_err(|_| failed.set(true))?;
        }
        Ok(calls)
    })
}

/// Draws cases, tries each, and cuts the first that fails down.
fn tried<S: Strategy<Value: Clone>>(
    runner: &mut dyn Runner,
    effort: Effort,
    cases: S,
    one: impl Fn(&mut dyn Runner, S::Value) -> Result<u64, Failure>,
) -> Result<u64, Failure> {
    let config = Config {
        cases: effort.cases,
        failure_persistence: None,
        max_shrink_iters: effort.shrink,
        max_shrink_time: LONGEST_SHRINK_MS,
        rng_seed: RngSeed::Fixed(effort.seed),
        ..Config::default()
    };
    let runner = std::cell::RefCell::new(runner);
    let (calls, last) = (std::cell::Cell::new(0), std::cell::RefCell::new(None));
    let outcome = TestRunner::new(config).run(&cases, |case| {
        let mut runner = runner.borrow_mut();
        // What follows of a run that was given up, the cutting down included, does nothing.
        if runner.gives_up() {
            return Ok(());
        }
        match one(&mut **runner, case) {
            Ok(made) => {
                calls.set(calls.get() + made);
                Ok(())
            }
            Err(failure) => {
                let why = TestCaseError::fail(failure.fault.clone());
                last.replace(Some(failure));
                Err(why)
            }
        }
    });
    match outcome {
        Ok(()) => Ok(calls.get()),
        // The last that failed is not always the shortest: it is tried once more.
        Err(TestError::Fail(_, case)) => {
            let mut runner = runner.borrow_mut();
            let mut again = None;
            if !runner.gives_up() {
                again = one(&mut **runner, case).err();
            }
            Err(again.or(last.into_inner()).unwrap_or_else(|| Failure {
                listing: String::new(),
                fault: "it failed once and not again".to_owned(),
            }))
        }
        Err(other) => Err(Failure { listing: String::new(), fault: format!("no cases: {other}") }),
    }
}
