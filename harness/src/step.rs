//! A plan of steps as data, and the loop that works it off.
//!
//! A step says what it is about, what is expected and where that stands, what it needs, which steps it stands
//! on, and how it is done. What it does is its own affair; whether it runs at all is decided here, once, and in
//! the process that writes the transcript as in the one that does the work.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::transcript::{Mark, Record, Seen, Verdict, milliseconds};

/// What a step needs of what is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Needs {
    /// The HA group a run on the emulator makes.
    OwnGroup,
    /// One HSM, which is no group.
    SingleHsm,
    /// A Cloud HSM service that a run on the emulator makes.
    OwnCloud,
    /// An HSM whose keys, passwords and files may be changed behind the vault's back.
    OwnHsm,
    /// Members that may be killed.
    MembersToKill,
    /// A library that is used by others too, and is to be left as it was found.
    Guest,
}

/// What a private emulator is made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// One partition of a network HSM.
    One,
    /// An HA group of two members.
    Group,
    /// One Cloud HSM service.
    Cloud,
}

impl On {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::One, Self::Group, Self::Cloud];

    /// As in `group`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Group => "group",
            Self::Cloud => "cloud",
        }
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A private emulator, made for this run.
    Emulator(On),
    /// A library somebody owns.
    Library,
}

impl Needs {
    /// Why a step with these needs does not apply, or `None` when it does.
    pub const fn lacking(self, target: Target) -> Option<&'static str> {
        match (self, target) {
            (Self::OwnGroup, Target::Library | Target::Emulator(On::One | On::Cloud)) => {
                Some("it looks at the HA group a run on the emulator makes")
            }
            (Self::SingleHsm, Target::Emulator(On::Group)) => {
                Some("it looks at an HSM that is no HA group")
            }
            (Self::OwnCloud, Target::Library | Target::Emulator(On::One | On::Group)) => {
                Some("it looks at the Cloud HSM service a run on the emulator makes")
            }
            (Self::OwnHsm, Target::Library) => Some(
                "it changes the HSM or its client behind the vault's back, which is not done to a library of yours",
            ),
            (Self::MembersToKill, Target::Library) => {
                Some("it kills members of the group, which is not done to a library of yours")
            }
            (Self::Guest, Target::Emulator(_)) => {
                Some("the emulator was made for this run and is removed whole")
            }
            _ => None,
        }
    }
}

/// Where an expectation stands.
#[derive(Debug, Clone)]
pub struct Source {
    /// How far it can be trusted.
    pub mark: Mark,
    /// The document and its place.
    pub text: String,
}

/// Does a step. What was seen is kept when it fails, too.
pub type Run<W> = Box<dyn Fn(&mut W, &mut Seen) -> anyhow::Result<()> + Send + Sync>;

/// One step of a walk over a world `W`.
pub struct Step<W> {
    /// Fixed name.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// Where the expectation stands.
    pub source: Source,
    /// What is expected.
    pub expected: String,
    /// What it needs of what is looked at; nothing for what any module is taken through.
    pub needs: Vec<Needs>,
    /// Steps it stands on. One that was skipped is no hindrance; one that failed is.
    pub after: Vec<String>,
    /// Done also when the walk is stopped or was broken off.
    pub always: bool,
    /// Does it.
    pub run: Run<W>,
}

impl<W> Step<W> {
    /// The record of this step with a verdict and nothing seen.
    pub fn record(&self, verdict: Verdict, reason: Option<String>) -> Record {
        Record {
            scenario: String::new(),
            id: self.id.clone(),
            title: self.title.clone(),
            mark: self.source.mark,
            source: self.source.text.clone(),
            expected: self.expected.clone(),
            verdict,
            reason,
            seen: Seen::default(),
            duration_ms: 0.0,
        }
    }

    /// Runs it and takes the time.
    pub fn perform(&self, world: &mut W) -> Record {
        let mut seen = Seen::default();
        let begin = Instant::now();
        let outcome = (self.run)(world, &mut seen);
        let duration_ms = milliseconds(begin.elapsed());
        let (verdict, reason) = match outcome {
            Ok(()) => (Verdict::Held, None),
            Err(error) => (Verdict::Failed, Some(format!("{error:#}"))),
        };
        Record { seen, duration_ms, ..self.record(verdict, reason) }
    }
}

/// Verdicts so far, by step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Course(HashMap<String, Verdict>);

impl Course {
    /// Notes how a step ended.
    pub fn note(&mut self, record: &Record) {
        self.0.insert(record.id.clone(), record.verdict);
    }

    /// Whether the step has ended.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// The record of a step that is not to be run, or `None` when it is.
    pub fn obstacle<W>(&self, step: &Step<W>, target: Target) -> Option<Record> {
        if let Some(reason) = step.needs.iter().find_map(|needs| needs.lacking(target)) {
            return Some(step.record(Verdict::Skipped, Some(reason.into())));
        }
        let broken = step.after.iter().find(|id| {
            matches!(self.0.get(*id), None | Some(Verdict::Failed | Verdict::NotReached))
        })?;
        Some(step.record(Verdict::NotReached, Some(format!("it stands on step `{broken}`"))))
    }
}

/// Works off what is left of the plan. `began` is told each step that runs, `ended` each record. Once `stop` is
/// set only what is done always is done.
pub fn work<W>(
    plan: &[Step<W>],
    target: Target,
    mut course: Course,
    stop: &AtomicBool,
    world: &mut W,
    mut began: impl FnMut(&str),
    mut ended: impl FnMut(&Record),
) {
    for step in plan {
        if course.has(&step.id) {
            continue;
        }
        let record = course.obstacle(step, target).unwrap_or_else(|| {
            if stop.load(Ordering::Relaxed) && !step.always {
                return step.record(Verdict::NotReached, Some("the run was interrupted".into()));
            }
            began(&step.id);
            step.perform(world)
        });
        course.note(&record);
        ended(&record);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn step(
        id: &str,
        needs: &[Needs],
        after: &[&str],
        run: fn(&mut Vec<&'static str>, &mut Seen) -> anyhow::Result<()>,
    ) -> Step<Vec<&'static str>> {
        Step {
            id: id.into(),
            title: id.into(),
            source: Source { mark: Mark::Assumed, text: "here".into() },
            expected: String::new(),
            needs: needs.to_vec(),
            after: after.iter().map(|id| (*id).to_owned()).collect(),
            always: id == "alone",
            run: Box::new(run),
        }
    }

    fn plan() -> Vec<Step<Vec<&'static str>>> {
        vec![
            step("one", &[], &[], |ran, seen| {
                ran.push("one");
                seen.fact("a fact");
                Ok(())
            }),
            step("kill", &[Needs::MembersToKill], &["one"], |ran, _| {
                ran.push("kill");
                Ok(())
            }),
            step("fails", &[], &["kill"], |ran, seen| {
                ran.push("fails");
                seen.fact("seen before it failed");
                bail!("as planned")
            }),
            step("stands on it", &[], &["fails"], |_, _| Ok(())),
            step("and on that", &[], &["one", "stands on it"], |_, _| Ok(())),
            step("alone", &[], &[], |ran, _| {
                ran.push("alone");
                Ok(())
            }),
        ]
    }

    fn verdicts(target: Target) -> (Vec<Verdict>, Vec<&'static str>, Vec<Record>) {
        worked(target, Course::default(), false)
    }

    fn worked(
        target: Target,
        course: Course,
        stop: bool,
    ) -> (Vec<Verdict>, Vec<&'static str>, Vec<Record>) {
        let (mut ran, mut began, mut records) = (Vec::new(), Vec::new(), Vec::new());
        let plan = plan();
        work(
            &plan,
            target,
            course,
            &AtomicBool::new(stop),
            &mut ran,
            |id| began.push(id.to_owned()),
            |record| records.push(record.clone()),
        );
        assert_eq!(began, ran);
        (records.iter().map(|record| record.verdict).collect(), ran, records)
    }

    #[test]
    fn what_stands_on_a_failed_step_is_not_reached_and_the_rest_is() {
        use Verdict::{Failed, Held, NotReached};
        let (verdicts, ran, records) = verdicts(Target::Emulator(On::Group));
        assert_eq!(verdicts, [Held, Held, Failed, NotReached, NotReached, Held]);
        assert_eq!(ran, ["one", "kill", "fails", "alone"]);
        assert_eq!(records[2].reason.as_deref(), Some("as planned"));
        assert_eq!(records[2].seen.facts, ["seen before it failed"]);
        assert_eq!(records[4].reason.as_deref(), Some("it stands on step `stands on it`"));
    }

    #[test]
    fn a_skipped_step_says_why_and_hinders_nobody() {
        let (verdicts, ran, records) = verdicts(Target::Library);
        assert_eq!(verdicts[1], Verdict::Skipped);
        assert!(records[1].reason.as_deref().is_some_and(|reason| reason.contains("kills")));
        assert_eq!(ran, ["one", "fails", "alone"]);
    }

    #[test]
    fn a_walk_that_is_stopped_still_does_what_is_always_done() {
        let (verdicts, ran, records) = worked(Target::Emulator(On::Group), Course::default(), true);
        assert_eq!(verdicts[..5], [Verdict::NotReached; 5]);
        assert_eq!((verdicts[5], ran), (Verdict::Held, vec!["alone"]));
        assert_eq!(records[0].reason.as_deref(), Some("the run was interrupted"));
    }

    #[test]
    fn a_second_worker_goes_on_where_the_first_ended() {
        let mut course = Course::default();
        for step in &plan()[..5] {
            course.note(&step.record(Verdict::NotReached, None));
        }
        let (verdicts, ran, _) = worked(Target::Emulator(On::Group), course, false);
        assert_eq!((verdicts, ran), (vec![Verdict::Held], vec!["alone"]));
    }

    #[test]
    fn a_step_that_stands_on_one_that_never_ended_is_not_reached() {
        let plan = plan();
        let obstacle = Course::default().obstacle(&plan[2], Target::Emulator(On::Group)).unwrap();
        assert_eq!(obstacle.verdict, Verdict::NotReached);
    }
}
