//! What came of a run: `bench.json` is the truth, the table and the page are views of it.
//!
//! Its shape is described in `BENCH.md` and versioned by [`SCHEMA`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use askama::Template;
use comfy_table::{CellAlignment, Table, presets};
use luna_conformance::report::Subject;
use serde::{Deserialize, Serialize};

use crate::baseline::{Comparison, Standing};
use crate::distribution::{Latency, duration};
use crate::group::Group;
use crate::plot;
use crate::run::{Point, Request, took_ms};
use crate::side::Side;

/// Version of the JSON shape: raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// How a case ended on a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// With figures.
    Measured,
    /// The token cannot do it, or was not allowed to.
    NotApplicable,
    /// A call failed.
    Failed,
    /// Its process died.
    Crashed,
    /// Nothing was heard of it any more.
    Hung,
}

impl Outcome {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::NotApplicable => "not applicable",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
        }
    }

    /// Whether something is wrong.
    pub const fn is_red(self) -> bool {
        matches!(self, Self::Failed | Self::Crashed | Self::Hung)
    }
}

/// A case on a side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// `family/operation/size`.
    pub case: String,
    /// What one operation is.
    pub title: String,
    /// The side's name.
    pub side: String,
    /// Threads, each with a session.
    pub threads: usize,
    /// Other objects that lay there.
    pub objects: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// Why there are no figures; empty where there are.
    pub reason: String,
    /// Operations, all threads together.
    pub calls: u64,
    /// Operations a second, all threads together.
    pub rate_per_s: f64,
    /// Of one operation, one look at the clock included.
    pub latency_ns: Option<Latency>,
    /// Which part of the operations took no longer than so many nanoseconds.
    pub curve: Vec<(f64, u64)>,
    /// The median of each round.
    pub rounds_p50_ns: Vec<u64>,
}

/// A module under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// How measurements call it.
    pub name: String,
    /// Module and token.
    pub subject: Subject,
    /// Nanoseconds from one look at the clock to the next.
    pub clock_ns: u64,
}

/// Two sides of one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    /// The case.
    pub case: String,
    /// Threads.
    pub threads: usize,
    /// Other objects.
    pub objects: usize,
    /// The first's median over the second's: the median of all rounds' ratios.
    pub ratio: f64,
}

impl Versus {
    /// From the medians of rounds that took turns.
    #[allow(clippy::cast_precision_loss, reason = "a ratio with three digits")]
    pub fn of(point: &Point, first: &[u64], second: &[u64]) -> Option<Self> {
        let rounds = first.iter().zip(second);
        let mut ratios: Vec<f64> =
            rounds.map(|(first, second)| *first as f64 / (*second).max(1) as f64).collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = ratios.get(ratios.len() / 2)?;
        Some(Self {
            case: point.case.id.to_owned(),
            threads: point.threads,
            objects: point.objects,
            ratio: (ratio * 1000.0).round() / 1000.0,
        })
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The program and its version.
    pub program: String,
    /// When it began, UTC.
    pub started_at: String,
    /// How long it took.
    pub duration_ms: f64,
    /// The processor's name, and how many can be used.
    pub machine: String,
    /// What was allowed.
    pub allow: Vec<String>,
    /// Operations a second, at most; none without a budget.
    pub budget_per_s: Option<u32>,
    /// Rounds of each case.
    pub rounds: usize,
    /// How long a round was.
    pub round_ms: u64,
    /// The modules; the first is the one that is held against others.
    pub sides: Vec<Named>,
    /// Each case on each side.
    pub measurements: Vec<Measurement>,
    /// The first side over the second; only with two.
    pub versus: Vec<Versus>,
    /// What an HA group did when members went.
    pub group: Option<Group>,
    /// Why nothing was done to a group, where it was asked for.
    pub group_reason: String,
    /// What the run was held against.
    pub comparison: Option<Comparison>,
    /// What went wrong when it tidied up.
    pub complaints: Vec<String>,
    #[serde(skip, default = "Instant::now")]
    begun: Instant,
}

impl Report {
    /// A report that begins now.
    pub fn begin(request: &Request) -> Self {
        Self {
            schema: SCHEMA,
            program: format!("luna-harness {}", env!("CARGO_PKG_VERSION")),
            started_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            duration_ms: 0.0,
            machine: machine(),
            allow: request.allow.iter().map(|allow| allow.name().to_owned()).collect(),
            budget_per_s: request.per_second,
            rounds: request.rounds,
            round_ms: request.round_ms,
            sides: Vec::new(),
            measurements: Vec::new(),
            versus: Vec::new(),
            group: None,
            group_reason: String::new(),
            comparison: None,
            complaints: Vec::new(),
            begun: Instant::now(),
        }
    }

    pub(crate) fn introduce(&mut self, side: &Side) {
        let (name, subject, clock_ns) = (side.name.clone(), side.subject.clone(), side.clock_ns);
        self.sides.push(Named { name, subject, clock_ns });
    }

    /// Nothing more is measured.
    pub fn conclude(&mut self) {
        self.duration_ms = took_ms(self.begun);
    }

    /// Whether nothing is wrong: every case was measured or is none for the token, and none is slower than allowed.
    pub fn holds(&self) -> bool {
        let slower = self.comparison.as_ref().is_some_and(|it| it.red().next().is_some());
        !slower
            && self.group_reason.is_empty()
            && self.complaints.is_empty()
            && !self.measurements.iter().any(|it| it.outcome.is_red())
    }

    /// Reads one: the file, or the directory it lies in.
    ///
    /// # Errors
    /// When the file is none, or of another schema.
    pub fn read(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join("bench.json") } else { path.to_owned() };
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let schema: Schema = serde_json::from_str(&text)
            .with_context(|| format!("{}: no report of `bench`", path.display()))?;
        anyhow::ensure!(
            schema.schema == SCHEMA,
            "{}: schema {}, this release knows {SCHEMA}",
            path.display(),
            schema.schema
        );
        serde_json::from_str(&text)
            .with_context(|| format!("{}: no report of `bench`", path.display()))
    }

    /// As JSON.
    ///
    /// # Errors
    /// None that could happen; the serialiser has one.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For a terminal: who was measured, the table, what was not measured and why, and what is slower.
    pub fn told(&self) -> String {
        let mut text = String::new();
        for side in &self.sides {
            let Subject { library, token, .. } = &side.subject;
            let _ = writeln!(text, "{}: {library}; {token}", side.name);
        }
        if !self.measurements.is_empty() {
            let _ = writeln!(text, "\n{}", self.table());
        }
        self.tell_reasons(&mut text);
        self.tell_group(&mut text);
        if let Some(comparison) = &self.comparison {
            tell_comparison(&mut text, comparison);
        }
        for complaint in &self.complaints {
            let _ = writeln!(text, "\ncomplaint: {complaint}");
        }
        let clock = self.sides.iter().map(|side| side.clock_ns).max().unwrap_or(0);
        let measured = self.count(Outcome::Measured);
        let others = [Outcome::NotApplicable, Outcome::Failed, Outcome::Crashed, Outcome::Hung];
        let others = others.iter().filter(|it| self.count(**it) > 0);
        let others: String =
            others.map(|it| format!(", {} {}", self.count(*it), it.words())).collect();
        let _ = writeln!(
            text,
            "\n{measured} measured{others}, {:.1} s in all, {}; each figure has one look at the clock in it, {clock} ns",
            self.duration_ms / 1000.0,
            self.machine
        );
        text
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.measurements.iter().filter(|it| it.outcome == outcome).count()
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let is_pair = self.sides.len() > 1;
        let mut header = vec!["case", "threads", "objects"];
        if is_pair {
            header.push("module");
        }
        header.extend(["min", "p50", "p90", "p99", "max", "rate/s"]);
        if is_pair {
            header.push("ratio");
        }
        let columns = header.len();
        table.set_header(header);
        let first = self.sides.first().map(|side| side.name.as_str()).unwrap_or_default();
        for it in &self.measurements {
            let Some(latency) = it.latency_ns else { continue };
            let mut row = vec![it.case.clone(), it.threads.to_string(), it.objects.to_string()];
            if is_pair {
                row.push(it.side.clone());
            }
            let figures = [latency.min, latency.p50, latency.p90, latency.p99, latency.max];
            row.extend(figures.map(duration));
            row.push(rate(it.rate_per_s));
            if is_pair && it.side == first {
                let versus = self.versus.iter().find(|versus| {
                    (&versus.case, versus.threads, versus.objects)
                        == (&it.case, it.threads, it.objects)
                });
                row.push(versus.map(|it| format!("{:.2}", it.ratio)).unwrap_or_default());
            }
            table.add_row(row);
        }
        let words = if is_pair { [0, 3] } else { [0, 0] };
        for number in (0..columns).filter(|number| !words.contains(number)) {
            if let Some(column) = table.column_mut(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }

    fn tell_reasons(&self, text: &mut String) {
        let without: Vec<_> =
            self.measurements.iter().filter(|it| it.outcome != Outcome::Measured).collect();
        if !without.is_empty() {
            text.push_str("\nnot measured:\n");
        }
        for it in without {
            let side =
                if self.sides.len() > 1 { format!(" on {}", it.side) } else { String::new() };
            let point = point(it.threads, it.objects);
            let _ =
                writeln!(text, "  {}{point}{side}: {}: {}", it.case, it.outcome.words(), it.reason);
        }
    }

    fn tell_group(&self, text: &mut String) {
        if !self.group_reason.is_empty() {
            let _ = writeln!(text, "\nthe group was not measured: {}", self.group_reason);
        }
        let Some(group) = &self.group else { return };
        let threads = group.threads;
        let _ =
            writeln!(text, "\n{} on {threads} threads, members that go and come:", group.flow.case);
        for it in &group.disturbances {
            let _ = writeln!(text, "  {}", it.told());
        }
        for error in &group.flow.errors {
            let _ = writeln!(text, "  an operation failed: {error}");
        }
    }
}

impl crate::group::Disturbance {
    /// One line for a person.
    pub fn told(&self) -> String {
        let role = if self.member == 0 { "primary" } else { "secondary" };
        let recovery = match self.recovery_ns {
            Some(ns) => format!("all up {} after its return", duration(ns)),
            None => "not seen up again in time".to_owned(),
        };
        format!(
            "{role} {}: pause {} (before, when all was calm: {}), {} failed{}; {recovery}, pause {}, {} failed",
            self.serial,
            pause(self.pause_ns),
            pause(self.calm_ns),
            self.failed,
            if self.noticed { "" } else { ", not told by CA_GetHAState" },
            pause(self.recovery_pause_ns),
            self.recovery_failed,
        )
    }
}

fn pause(ns: u64) -> String {
    if ns == 0 { "under 100 µs".into() } else { duration(ns) }
}

fn rate(per_s: f64) -> String {
    if per_s < 100.0 { format!("{per_s:.1}") } else { format!("{per_s:.0}") }
}

/// Where it is not one thread and no objects.
fn point(threads: usize, objects: usize) -> String {
    match (threads, objects) {
        (1, 0) => String::new(),
        (1, objects) => format!(" at {objects} objects"),
        (threads, 0) => format!(" on {threads} threads"),
        (threads, objects) => format!(" on {threads} threads at {objects} objects"),
    }
}

fn tell_comparison(text: &mut String, comparison: &Comparison) {
    let Comparison { against, slower_than, cases } = comparison;
    let count = |wanted| cases.iter().filter(|it| it.verdict == wanted).count();
    let _ = writeln!(
        text,
        "\nbeside {against}: {} held, {} slower than {slower_than} times, {} lost, {} without a figure there",
        count(Standing::Held),
        count(Standing::Slower),
        count(Standing::Lost),
        count(Standing::New),
    );
    for it in comparison.red() {
        let point = point(it.threads, it.objects);
        let _ = match it.ratio {
            Some(ratio) => writeln!(text, "  slower: {}{point}: {ratio:.2} times", it.case),
            None => writeln!(text, "  lost: {}{point}: {}", it.case, it.reason),
        };
    }
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

#[derive(Template)]
#[template(path = "bench.html")]
struct Page<'a> {
    report: &'a Report,
    is_pair: bool,
    overview: String,
    timeline: String,
    plots: Vec<plot::Pictures>,
}

/// Writes `bench.json` and `index.html`; the directory is made where it is not there.
///
/// # Errors
/// The file system's, naming the file.
pub fn write(directory: &Path, report: &Report) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let page = Page {
        report,
        is_pair: report.sides.len() > 1,
        overview: plot::overview(report)?,
        timeline: match &report.group {
            Some(group) => plot::timeline(group)?,
            None => String::new(),
        },
        plots: plot::cases(report)?,
    };
    let mut written = Vec::new();
    for (name, text) in [("bench.json", report.json()?), ("index.html", page.render()?)] {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        written.push(path);
    }
    Ok(written)
}

/// The processor, as Linux calls it. Source: proc(5).
fn machine() -> String {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{count} × {}", name.map_or("a processor without a name", |it| it.1.trim()))
}

/// A report of one side with these medians.
#[cfg(test)]
pub(crate) fn sample(medians: &[(&str, u64)]) -> Report {
    let request = Request {
        filters: Vec::new(),
        threads: vec![1],
        objects: vec![0],
        rounds: 1,
        round_ms: 1,
        per_second: None,
        allow: Vec::new(),
    };
    let mut report = Report::begin(&request);
    let (name, subject) = ("module".to_owned(), Subject::default());
    report.sides = vec![Named { name: name.clone(), subject, clock_ns: 20 }];
    for (case, p50) in medians {
        let p50 = *p50;
        let mean = 1.0;
        let (p90, p99, p999, max) = (p50 * 2, p50 * 3, p50 * 4, p50 * 5);
        report.measurements.push(Measurement {
            case: (*case).to_owned(),
            title: "a <case>".into(),
            side: name.clone(),
            threads: 1,
            objects: 0,
            outcome: Outcome::Measured,
            reason: String::new(),
            calls: 10,
            rate_per_s: 12.5,
            latency_ns: Some(Latency { min: p50, p50, p90, p99, p999, max, mean }),
            curve: vec![(0.0, p50), (0.5, p50), (0.9, p90), (1.0, max)],
            rounds_p50_ns: vec![p50],
        });
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut report = sample(&[("a/b/1", 100), ("a/c/2", 2_000)]);
        report.measurements[1].outcome = Outcome::NotApplicable;
        report.measurements[1].latency_ns = None;
        report.measurements[1].reason = "the token does not list CKM_X & more".into();
        report.conclude();
        write(&directory.path().join("new/report"), &report).unwrap();
        let there = directory.path().join("new/report");
        let mut read = Report::read(&there).unwrap();
        read.begun = report.begun;
        assert_eq!(read, report);
        assert!(report.holds());
        let page = std::fs::read_to_string(there.join("index.html")).unwrap();
        assert!(page.contains("<svg") && page.contains("CKM_X &#38; more"), "{page}");
        assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "it needs nothing");
        let told = report.told();
        assert!(told.contains("a/c/2: not applicable: the token does not list"), "{told}");
    }

    #[test]
    fn a_report_of_another_schema_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bench.json");
        std::fs::write(&file, r#"{"schema": 9}"#).unwrap();
        let error = Report::read(directory.path()).unwrap_err().to_string();
        assert!(error.contains("schema 9") && error.contains("bench.json"), "{error}");
        std::fs::write(&file, "[]").unwrap();
        assert!(format!("{:#}", Report::read(&file).unwrap_err()).contains("no report"));
    }

    #[test]
    fn what_failed_does_not_hold() {
        let mut report = sample(&[("a/b/1", 100)]);
        assert!(report.holds());
        report.measurements[0].outcome = Outcome::Crashed;
        assert!(!report.holds());
        let mut report = sample(&[("a/b/1", 100)]);
        let then = sample(&[("a/b/1", 10)]);
        report.comparison = Comparison::with_earlier(&report, &then, "then", 2.0).ok();
        assert!(!report.holds());
        assert!(report.told().contains("slower: a/b/1: 10.00 times"), "{}", report.told());
        let mut report = sample(&[("a/b/1", 100)]);
        report.complaints.push("it was left".into());
        assert!(!report.holds() && report.told().contains("complaint: it was left"));
    }
}
