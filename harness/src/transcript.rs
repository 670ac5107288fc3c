//! What a run expected, saw, and how long each step took.
//!
//! The transcript is the truth of a run; text, JSON and the report directory are views of it. Its JSON shape is
//! versioned by [`SCHEMA`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Version of the JSON shape: raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// How far the expectation of a step can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A vendor's document says so.
    Documented,
    /// It was seen on a real system.
    Observed,
    /// No source says it; it is what follows from the others.
    Assumed,
}

impl Mark {
    /// As in `Documented`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Documented => "Documented",
            Self::Observed => "Observed",
            Self::Assumed => "Assumed",
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What was expected was seen.
    Held,
    /// It was not; the reason says what was seen instead.
    Failed,
    /// It does not apply to what is looked at; the reason says why.
    Skipped,
    /// A step it depends on failed.
    NotReached,
}

impl Verdict {
    /// As printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
            Self::NotReached => "not reached",
        }
    }
}

/// Output of a program, word for word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    /// What printed it.
    pub title: String,
    /// The text, secrets masked by the program itself.
    pub text: String,
}

/// What a step has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// One fact a line.
    pub facts: Vec<String>,
    /// Output shown as it is.
    pub exhibits: Vec<Exhibit>,
}

impl Seen {
    /// Notes a fact.
    pub fn fact(&mut self, fact: impl Into<String>) {
        self.facts.push(fact.into());
    }

    /// Keeps output word for word, without the empty lines around it.
    pub fn exhibit(&mut self, title: impl Into<String>, text: &str) {
        self.exhibits.push(Exhibit { title: title.into(), text: text.trim_matches('\n').into() });
    }
}

/// One step as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The scenario it belongs to.
    #[serde(default)]
    pub scenario: String,
    /// Fixed name, as in `initialize`.
    pub id: String,
    /// What the step is about.
    pub title: String,
    /// How the expectation is known.
    pub mark: Mark,
    /// Where it stands.
    pub source: String,
    /// What was expected.
    pub expected: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it failed, was skipped or was not reached; `None` when it held.
    pub reason: Option<String>,
    /// What was seen.
    pub seen: Seen,
    /// How long it took, milliseconds; 0 when it did not run.
    pub duration_ms: f64,
}

impl Record {
    /// How long it took.
    pub fn duration(&self) -> Duration {
        Duration::try_from_secs_f64(self.duration_ms / 1000.0).unwrap_or_default()
    }
}

/// What a run looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// `emulator` or `library`.
    pub kind: String,
    /// What an emulator was made as: `one`, `group` or `cloud`.
    #[serde(default)]
    pub on: String,
    /// The module's path.
    pub module: String,
    /// The scratch directory.
    pub directory: String,
    /// The token's label.
    pub token_label: String,
    /// What the library says it is; empty until it is loaded.
    pub library: String,
    /// What the slot and the token say they are; empty until they are found.
    pub token: String,
    /// Serial numbers of the members of the group, where the run made them.
    pub members: Vec<String>,
}

/// Steps by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Held.
    pub held: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
    /// Not reached.
    pub not_reached: usize,
}

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `luna-harness` and its version.
    pub program: String,
    /// Which walk.
    pub verb: String,
    /// When it began: UTC, RFC 3339.
    pub started_at: String,
    /// What was looked at.
    pub subject: Subject,
    /// Whether every step that ran held, and none was kept from running by one that did not.
    pub held: bool,
    /// Steps by how they ended.
    pub counts: Counts,
    /// All of it with setting up and tidying up, milliseconds.
    pub duration_ms: f64,
    /// What went wrong besides the steps, as in tidying up.
    pub complaints: Vec<String>,
    /// In their order.
    pub steps: Vec<Record>,
}

impl Transcript {
    /// An empty one, begun now.
    pub fn begin(verb: &str, subject: Subject) -> Self {
        Self {
            schema: SCHEMA,
            program: format!("luna-harness {}", env!("CARGO_PKG_VERSION")),
            verb: verb.into(),
            started_at: now(),
            subject,
            held: false,
            counts: Counts::default(),
            duration_ms: 0.0,
            complaints: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Whether it is the first of its scenario.
    pub fn begins_scenario(&self, step: &Record) -> bool {
        let first = self.steps.iter().find(|it| it.scenario == step.scenario);
        first.is_some_and(|first| first.id == step.id)
    }

    /// Counts and decides. A run in which nothing held proves nothing and does not hold.
    pub fn conclude(&mut self, took: Duration) {
        let count = |verdict| self.steps.iter().filter(|step| step.verdict == verdict).count();
        self.counts = Counts {
            held: count(Verdict::Held),
            failed: count(Verdict::Failed),
            skipped: count(Verdict::Skipped),
            not_reached: count(Verdict::NotReached),
        };
        self.held = self.counts.held > 0
            && self.counts.failed + self.counts.not_reached == 0
            && self.complaints.is_empty();
        self.duration_ms = milliseconds(took);
    }
}

/// UTC to the second, RFC 3339.
fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// Milliseconds with microseconds behind the point.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A record for tests of other rooms.
#[cfg(test)]
pub(crate) fn record(id: &str, verdict: Verdict) -> Record {
    Record {
        scenario: "walk".into(),
        id: id.into(),
        title: format!("The step {id}"),
        mark: Mark::Documented,
        source: "a guide".into(),
        expected: "what was promised".into(),
        verdict,
        reason: (verdict != Verdict::Held).then(|| "it was not".into()),
        seen: Seen::default(),
        duration_ms: 12.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concluded(verdicts: &[Verdict]) -> Transcript {
        let mut transcript = Transcript::begin("okv", Subject::default());
        transcript.steps = verdicts.iter().map(|verdict| record("x", *verdict)).collect();
        transcript.conclude(Duration::from_micros(1_500_250));
        transcript
    }

    #[test]
    fn a_run_holds_when_every_step_that_applies_held() {
        use Verdict::{Failed, Held, NotReached, Skipped};
        assert!(concluded(&[Held, Skipped, Held]).held);
        assert!(!concluded(&[Held, Failed]).held);
        assert!(!concluded(&[Held, NotReached]).held);
        assert!(!concluded(&[Skipped]).held, "nothing was shown");
        assert!(!concluded(&[]).held);
        let counts = concluded(&[Held, Failed, NotReached, NotReached, Skipped]).counts;
        assert_eq!(counts, Counts { held: 1, failed: 1, skipped: 1, not_reached: 2 });
    }

    #[test]
    fn a_complaint_is_a_failure() {
        let mut transcript = concluded(&[Verdict::Held]);
        transcript.complaints.push("the directory could not be removed".into());
        transcript.conclude(Duration::ZERO);
        assert!(!transcript.held);
    }

    #[test]
    fn json_comes_back_as_it_was() {
        let transcript = concluded(&[Verdict::Held, Verdict::NotReached]);
        let text = serde_json::to_string(&transcript).unwrap();
        assert!(text.contains(r#""verdict":"not_reached""#), "{text}");
        assert_eq!(serde_json::from_str::<Transcript>(&text).unwrap(), transcript);
        assert_eq!(transcript.duration_ms, 1500.25);
    }
}
