//! What came of a run: for machines, for build servers, for a browser, and for a terminal.
//!
//! `report.json` is the truth; the others are views of it. Its shape is described in `REPORT.md` and versioned by
//! [`SCHEMA`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use askama::Template;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::{Deserialize, Serialize};

use crate::check::{Check, Mark, Source};
use crate::run::Told;
use crate::stage::Stage;

/// Version of the JSON shape: raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should.
    Conforms,
    /// Against a clause of the standard.
    ViolatesStandard,
    /// Otherwise than the profile or the vendor's documents say.
    DiffersFromProfile,
    /// With two answers that cannot both be right.
    Inconsistent,
    /// Not at all.
    NotApplicable,
    /// With the death of its process.
    Crashed,
    /// Never.
    Hung,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Conforms,
        Self::ViolatesStandard,
        Self::DiffersFromProfile,
        Self::Inconsistent,
        Self::NotApplicable,
        Self::Crashed,
        Self::Hung,
    ];

    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::ViolatesStandard => "violates-standard",
            Self::DiffersFromProfile => "differs-from-profile",
            Self::Inconsistent => "inconsistent",
            Self::NotApplicable => "not-applicable",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::ViolatesStandard => "violates the standard",
            Self::DiffersFromProfile => "differs from the profile",
            Self::Inconsistent => "inconsistent with itself",
            Self::NotApplicable => "not applicable",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
        }
    }

    /// Whether something is wrong.
    pub const fn is_red(self) -> bool {
        !matches!(self, Self::Conforms | Self::NotApplicable)
    }
}

/// One check as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `area.subject.rule`.
    pub id: String,
    /// Its first part.
    pub area: String,
    /// What was asked.
    pub title: String,
    /// Where the answer stands.
    pub source: Source,
    /// How it ended.
    pub verdict: Verdict,
    /// What should have come; empty where it conforms.
    pub expected: String,
    /// What came.
    pub seen: String,
    /// Why it is not applicable.
    pub reason: String,
    /// The calls it made, where it did not conform.
    pub calls: Vec<String>,
    /// How long it took; 0 where it did not run.
    pub duration_ms: f64,
    /// What the expectation file says of it, where one was given: the reason.
    pub expectation: Option<String>,
}

impl Record {
    /// The record of a check that ended so.
    pub fn of(check: &Check, told: Told, calls: Vec<String>, duration_ms: f64) -> Self {
        let (verdict, expected, seen, reason) = match told {
            Told::Conforms => (Verdict::Conforms, String::new(), String::new(), String::new()),
            Told::Unlike { expected, seen } => {
                let standard = check.source.mark == Mark::Standard;
                let verdict =
                    if standard { Verdict::ViolatesStandard } else { Verdict::DiffersFromProfile };
                (verdict, expected, seen, String::new())
            }
            Told::Inconsistent { expected, seen } => {
                (Verdict::Inconsistent, expected, seen, String::new())
            }
            Told::NotApplicable(reason) => {
                (Verdict::NotApplicable, String::new(), String::new(), reason)
            }
        };
        Self {
            id: check.id.clone(),
            area: check.area().to_owned(),
            title: check.title.clone(),
            source: check.source.clone(),
            verdict,
            expected,
            seen,
            reason,
            calls,
            duration_ms,
            expectation: None,
        }
    }

    /// How long it took, for a person.
    pub fn took(&self) -> String {
        if self.duration_ms == 0.0 { String::new() } else { format!("{:.1} ms", self.duration_ms) }
    }

    /// One line for a person: what was expected and seen, or why it does not apply.
    pub fn why(&self) -> String {
        if self.verdict == Verdict::NotApplicable {
            return self.reason.clone();
        }
        format!("expected {}; {}", self.expected, self.seen)
    }
}

/// What a run looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The module's path.
    pub module: String,
    /// What the library says it is.
    pub library: String,
    /// What the token says it is; no serial number.
    pub token: String,
    /// Whether it is in FIPS mode.
    pub fips: bool,
    /// The profile it was compared with, by name; empty for none.
    pub profile: String,
}

impl Subject {
    /// What the module on this stage says it is; `None` where it is not initialised.
    pub fn of(stage: &Stage) -> Option<Self> {
        let (info, token) = (stage.context().ok()?.info().ok()?, stage.token().ok()?);
        Some(Self {
            module: stage.module.path().display().to_string(),
            library: format!(
                "{}, {} {}, Cryptoki {}",
                info.manufacturer, info.description, info.library_version, info.cryptoki_version
            ),
            token: format!(
                "{}, {} of {}, firmware {}",
                token.label, token.model, token.manufacturer, token.firmware_version
            ),
            fips: stage.fips().unwrap_or(false),
            profile: stage.profile_name(),
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
    /// What it looked at.
    pub subject: Subject,
    /// What it was allowed to do.
    pub allow: Vec<String>,
    /// Checks by how they ended.
    pub counts: BTreeMap<String, usize>,
    /// Each check.
    pub checks: Vec<Record>,
    /// Verdicts that no expectation names, and expectations that did not come true; only where a file was given.
    pub unexpected: Vec<String>,
}

impl Report {
    /// A report that begins now.
    pub fn begin(allow: Vec<String>) -> Self {
        Self {
            schema: SCHEMA,
            program: format!("luna-harness {}", env!("CARGO_PKG_VERSION")),
            started_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            duration_ms: 0.0,
            subject: Subject::default(),
            allow,
            counts: BTreeMap::new(),
            checks: Vec::new(),
            unexpected: Vec::new(),
        }
    }

    /// Counts.
    pub fn conclude(&mut self, took: Duration) {
        self.duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        self.counts.clear();
        for record in &self.checks {
            *self.counts.entry(record.verdict.name().into()).or_default() += 1;
        }
    }

    /// How many ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.counts.get(verdict.name()).copied().unwrap_or(0)
    }

    /// Those with which something is wrong.
    pub fn red(&self) -> impl Iterator<Item = &Record> {
        self.checks.iter().filter(|record| record.verdict.is_red())
    }

    /// `194 conform, 3 violate the standard, …`.
    pub fn summary(&self) -> String {
        let counts = Verdict::ALL.iter().map(|verdict| (verdict, self.count(*verdict)));
        let told = counts.filter(|(_, count)| *count > 0);
        told.map(|(verdict, count)| format!("{count} {}", verdict.words()))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Reads one.
    ///
    /// # Errors
    /// When the file is none, or of another schema.
    pub fn read(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let report: Self = serde_json::from_str(&text)
            .with_context(|| format!("{}: no report", path.display()))?;
        anyhow::ensure!(
            report.schema == SCHEMA,
            "{}: schema {}, this release knows {SCHEMA}",
            path.display(),
            report.schema
        );
        Ok(report)
    }
}

#[derive(Template)]
#[template(path = "conformance.html")]
struct Page<'a> {
    report: &'a Report,
    areas: Vec<&'a str>,
}

/// Writes `report.json`, `junit.xml` and `index.html`; the directory is made where it is not there.
///
/// # Errors
/// The file system's, naming the file.
pub fn write(directory: &Path, report: &Report) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let mut areas: Vec<_> = report.checks.iter().map(|record| record.area.as_str()).collect();
    areas.dedup();
    let files = [
        ("report.json", json(report)?),
        ("junit.xml", junit(report)?),
        ("index.html", Page { report, areas }.render()?),
    ];
    let mut written = Vec::new();
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        written.push(path);
    }
    Ok(written)
}

/// The report as JSON.
///
/// # Errors
/// None that could happen; the serialiser has one.
pub fn json(report: &Report) -> Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

fn junit(report: &Report) -> Result<String> {
    let mut junit = quick_junit::Report::new("luna-harness conformance");
    let mut suites: Vec<(String, TestSuite)> = Vec::new();
    for record in &report.checks {
        if suites.last().is_none_or(|(area, _)| *area != record.area) {
            suites.push((record.area.clone(), TestSuite::new(record.area.clone())));
        }
        if let Some((_, suite)) = suites.last_mut() {
            suite.add_test_case(case(record));
        }
    }
    junit.add_test_suites(suites.into_iter().map(|(_, suite)| suite));
    Ok(junit.to_string()?)
}

fn case(record: &Record) -> TestCase {
    let status = match (record.verdict, &record.expectation) {
        (Verdict::Conforms, _) => TestCaseStatus::success(),
        (Verdict::NotApplicable, _) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(record.reason.clone());
            status
        }
        (verdict, Some(reason)) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("expected: {} ({reason})", verdict.words()));
            status
        }
        (verdict, None) => {
            let kind = match verdict {
                Verdict::Crashed | Verdict::Hung => NonSuccessKind::Error,
                _ => NonSuccessKind::Failure,
            };
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(record.why()).set_type(verdict.name());
            status.set_description(format!("{}\n{}", record.source.text, record.calls.join("\n")));
            status
        }
    };
    let mut case = TestCase::new(record.id.clone(), status);
    let time = Duration::try_from_secs_f64(record.duration_ms / 1000.0).unwrap_or_default();
    case.set_classname(format!("luna-harness.{}", record.area)).set_time(time);
    case
}
