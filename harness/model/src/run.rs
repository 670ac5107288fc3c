//! Runs sequences on a target, and cuts a failing one down.

use std::fmt;

use luna_ck::*;
use luna_client::Attribute;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Listed, Names};
use crate::state::{Model, Token};
use crate::step::{Pick, Sequences, Step};
use crate::target::{Answer, Given, Target};

/// Objects that one call of a search asks for while a token is looked over.
const AT_ONCE: usize = 64;

/// After so long a failing sequence is as short as it gets.
const LONGEST_SHRINK_MS: u32 = 30_000;

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
struct Watch<'a> {
    target: &'a mut dyn Target,
    trail: Trail<'a>,
    model: Model,
    names: Names,
    listing: String,
    calls: u64,
}

impl Watch<'_> {
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
    let model = Model::new(token.clone());
    let names = Names::new(token);
    let mut watch = Watch { target, trail, model, names, listing: String::new(), calls: 0 };
    for step in steps {
        let call = watch.model.resolve(step);
        watch.call(&call)?;
    }
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
    let outcome = TestRunner::new(config).run(
        &Sequences::sequential_strategy(1..=effort.steps),
        |(_, steps, seen)| {
            if let Some(seen) = seen {
                seen.store(steps.len(), std::sync::atomic::Ordering::Relaxed);
            }
            let mut runner = runner.borrow_mut();
            // What follows of a run that was given up, the cutting down included, does nothing.
            if runner.gives_up() {
                return Ok(());
            }
            match runner.run(&steps) {
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
        },
    );
    match outcome {
        Ok(()) => Ok(calls.get()),
        // The last that failed is not always the shortest: it is run once more.
        Err(TestError::Fail(_, (_, steps, _))) => {
            let mut runner = runner.borrow_mut();
            let again = if runner.gives_up() { None } else { runner.run(&steps).err() };
            Err(again.or(last.into_inner()).unwrap_or_else(|| Failure {
                listing: format!("{steps:#?}\n"),
                fault: "it failed once and not again".to_owned(),
            }))
        }
        Err(other) => {
            Err(Failure { listing: String::new(), fault: format!("no sequences: {other}") })
        }
    }
}
