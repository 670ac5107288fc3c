//! `luna-harness conformance` and its kin: the arguments, and a private emulator where no module is named.
//!
//! What is asked stands in `luna-conformance`; here is where, of which token and with which allowances.

mod model;
mod mutants;
mod probe;
pub(crate) mod subject;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use luna_conformance::check::{Allow, Registry, matches};
use luna_conformance::compare::compare;
use luna_conformance::expect::{Expectations, accept};
use luna_conformance::report::{self, Record, Report, Verdict};
use luna_conformance::run::{self, Provider as _, worker};

use self::model::Model;
use self::mutants::Mutants;
use self::probe::{Diff, Probe};
use self::subject::{Owner, Subject};
use crate::render::show;

/// The verbs.
#[derive(Subcommand)]
pub enum Verb {
    /// Ask a module what the standard and the vendor's documents say it must answer, check by check, each in a
    /// process that may crash. On a private emulator without --module; on yours it only reads unless allowed.
    Conformance(Box<Conformance>),
    /// Remove from a token what earlier runs have left there, by its label.
    Clean(Clean),
    /// Tell what changed from one report to another.
    Compare(Compare),
    /// Break one rule of the emulator at a time, and tell how many of the breaches a check notices.
    Mutants(Mutants),
    /// Make calls by chance, hold every answer against a model of PKCS#11, and cut what fails down to a few calls in C.
    Model(Box<Model>),
    /// Ask a partition what can be asked without harm, and write it as a profile that the emulator loads.
    Probe(Probe),
    /// Tell each difference of two libraries, or of a library and a profile, and what an application would notice.
    Diff(Diff),
    /// Loads a library for `probe` and `diff`; not for people.
    #[command(name = probe::OBSERVER, hide = true)]
    Observer,
    /// Has the module for `model`; not for people.
    #[command(name = model::seat::SEAT, hide = true)]
    ModelSeat,
    /// The worker of a run; not for people.
    #[command(name = run::WORKER, hide = true)]
    Worker,
}

/// Options of `conformance`.
#[derive(Args)]
pub struct Conformance {
    #[command(flatten)]
    subject: Subject,
    /// What may be done to the token, each in so many words; repeatable. A private emulator may be done anything.
    #[arg(long, value_name = "WHAT")]
    allow: Vec<Allowance>,
    /// Ids of checks, or patterns with `*`; repeatable.
    #[arg(long, value_name = "PATTERN")]
    filter: Vec<String>,
    /// List what would be asked and called, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Verdicts that are known and have a reason; anything else is a failure.
    #[arg(long, value_name = "FILE")]
    expect: Vec<PathBuf>,
    /// Write a file for --expect that expects what was seen; reasons that it has already stay.
    #[arg(long, value_name = "FILE")]
    accept: Option<PathBuf>,
    /// Write report.json, junit.xml and index.html here.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Processes at a time; 1 for a module of yours.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Seconds that one check may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    time_limit: u64,
    /// Calls a second, at most, for a device that others work with too.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Stop at the first check that does not conform.
    #[arg(long)]
    fail_fast: bool,
}

/// What may be done, as on the command line.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Allowance {
    /// Make session objects.
    Create,
    /// Make objects on the token, labelled, and remove them.
    TokenObjects,
    /// Log in wrongly, change passwords.
    Roles,
    /// Initialise the token: all that is on it is lost.
    Destructive,
}

impl From<Allowance> for Allow {
    fn from(allowance: Allowance) -> Self {
        match allowance {
            Allowance::Create => Self::Create,
            Allowance::TokenObjects => Self::TokenObjects,
            Allowance::Roles => Self::Roles,
            Allowance::Destructive => Self::Destructive,
        }
    }
}

/// Options of `clean`.
#[derive(Args)]
pub struct Clean {
    #[command(flatten)]
    subject: Subject,
}

/// Options of `compare`.
#[derive(Args)]
pub struct Compare {
    /// A report directory, or its report.json.
    first: PathBuf,
    /// The other.
    second: PathBuf,
    /// Print the changes as JSON.
    #[arg(long)]
    json: bool,
}

impl Verb {
    /// Does it; whether all held.
    ///
    /// # Errors
    /// Misuse, or a broken set-up.
    pub fn run(self) -> Result<bool> {
        match self {
            Self::Conformance(arguments) => arguments.run(),
            Self::Clean(arguments) => arguments.run(),
            Self::Compare(arguments) => arguments.run(),
            Self::Mutants(arguments) => arguments.run(),
            Self::Model(arguments) => arguments.run(),
            Self::ModelSeat => model::seat::work().map(|()| true),
            Self::Probe(arguments) => arguments.run(),
            Self::Diff(arguments) => arguments.run(),
            Self::Observer => probe::observer().map(|()| true),
            Self::Worker => worker::work().map(|()| true),
        }
    }
}

pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// The first interrupt ends the run after the checks under way, which then tidy up; the second ends it at once.
pub(crate) fn stop_on_interrupt() {
    // A second handler is refused; the first one does what is wanted.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(2);
        }
    });
}

impl Conformance {
    fn run(self: Box<Self>) -> Result<bool> {
        let registry = Registry::all();
        for filter in &self.filter {
            if !registry.checks().iter().any(|check| matches(filter, &check.id)) {
                bail!("no check matches `{filter}`; --dry-run lists them");
            }
        }
        let mut owner = Owner::of(&self.subject)?;
        let mut allow: Vec<Allow> = self.allow.iter().map(|it| (*it).into()).collect();
        if !owner.is_guest() && allow.is_empty() {
            allow = Allow::ALL.to_vec();
        }
        let request = run::Request {
            filters: self.filter.clone(),
            jobs: self.jobs.unwrap_or_else(|| owner.jobs()),
            limit: Duration::from_secs(self.time_limit),
            per_second: self.rate,
            fail_fast: self.fail_fast,
            program: std::env::current_exe().context("this program's own path")?,
            batch: 60,
            secrets: owner.secrets(),
            allow,
        };
        if self.dry_run {
            show(&listed(&request, &registry));
            return Ok(true);
        }
        let mut expectations = Expectations::default();
        for path in &self.expect {
            expectations.expected.extend(Expectations::read(path)?.expected);
        }
        owner.prepare()?;
        stop_on_interrupt();
        let quiet = self.json || !std::io::IsTerminal::is_terminal(&std::io::stderr());
        let mut report = run::run(&request, &owner, &registry, &STOP, &|record, done, total| {
            if !quiet {
                progress(record, done, total);
            }
        })?;
        if !self.expect.is_empty() {
            expectations.hold(&mut report);
        }
        if let Some(path) = &self.accept {
            if path.exists() && !self.expect.contains(path) {
                expectations.expected.extend(Expectations::read(path)?.expected);
            }
            std::fs::write(path, accept(&report, &expectations))
                .with_context(|| path.display().to_string())?;
        }
        if let Some(directory) = &self.report {
            report::write(directory, &report)?;
        }
        let held = if self.expect.is_empty() {
            report.red().next().is_none()
        } else {
            report.unexpected.is_empty()
        };
        show(&if self.json {
            report::json(&report)?
        } else {
            told(&report, !self.expect.is_empty())
        });
        Ok(held && (self.fail_fast || !STOP.load(Ordering::Relaxed)))
    }
}

fn progress(record: &Record, done: usize, total: usize) {
    let line = format!("[{done}/{total}] {}", record.id);
    if record.verdict.is_red() {
        anstream::eprintln!("\r\x1b[K{}: {}", record.id, record.verdict.words());
    }
    anstream::eprint!("\r\x1b[K{line}");
}

/// The failures with their calls, and the counts.
fn told(report: &Report, held_against: bool) -> String {
    let mut text = String::new();
    for record in report.red().filter(|record| record.expectation.is_none()) {
        text.push_str(&format!(
            "\n{}: {}\n    {}\n    {}: {}\n    expected: {}\n    seen:     {}\n",
            record.verdict.words(),
            record.id,
            record.title,
            record.source.mark.name(),
            record.source.text,
            record.expected,
            record.seen
        ));
        let skipped = record.calls.len().saturating_sub(12);
        if skipped > 0 {
            text.push_str(&format!("      … {skipped} calls before\n"));
        }
        for call in record.calls.iter().skip(skipped) {
            text.push_str(&format!("      {call}\n"));
        }
    }
    if held_against && !report.unexpected.is_empty() {
        text.push_str("\nunexpected:\n");
        for line in &report.unexpected {
            text.push_str(&format!("  {line}\n"));
        }
    }
    let seconds = report.duration_ms / 1000.0;
    let known = report.checks.iter().filter(|it| it.expectation.is_some()).count();
    text.push_str(&format!("\n{}\n{}\n", report.subject.library, report.subject.token));
    text.push_str(&format!(
        "{} checks in {seconds:.1} s: {}",
        report.checks.len(),
        report.summary()
    ));
    if held_against {
        text.push_str(&format!("; {known} as expected, {} unexpected", report.unexpected.len()));
    }
    text.push('\n');
    text
}

/// What would be asked, by footing and allowance.
fn listed(request: &run::Request, registry: &Registry) -> String {
    let mut text = String::new();
    for check in request.chosen(registry) {
        let needs = &check.needs;
        let missing: Vec<_> = needs
            .allow
            .iter()
            .filter(|it| !request.allow.contains(it))
            .map(|it| it.name())
            .collect();
        let run = if missing.is_empty() {
            "asks".to_owned()
        } else {
            format!("left out, needs --allow {}", missing.join(" --allow "))
        };
        text.push_str(&format!("{}\n    {}; {run}\n", check.id, check.title));
        if !needs.functions.is_empty() {
            text.push_str(&format!("    calls {}\n", needs.functions.join(", ")));
        }
    }
    text.push_str(&format!("{} checks\n", request.chosen(registry).len()));
    text
}

impl Clean {
    fn run(self) -> Result<bool> {
        let owner = Owner::of(&self.subject)?;
        if !owner.is_guest() {
            bail!("--module is wanted: a private emulator is removed whole");
        }
        let program = std::env::current_exe().context("this program's own path")?;
        run::clean(&program, &owner, owner.secrets())?;
        show("what runs had left is removed\n");
        Ok(true)
    }
}

impl Compare {
    fn run(self) -> Result<bool> {
        let (first, second) = (Report::read(&self.first)?, Report::read(&self.second)?);
        let changes = compare(&first, &second);
        if self.json {
            show(&(serde_json::to_string_pretty(&changes)? + "\n"));
        } else {
            let told = |side: &Option<(Verdict, String)>| match side {
                None => "not asked".to_owned(),
                Some((verdict, why)) if verdict.is_red() => format!("{} ({why})", verdict.words()),
                Some((verdict, _)) => verdict.words().to_owned(),
            };
            for change in &changes {
                let (one, other) = (told(&change.first), told(&change.second));
                show(&format!("{}\n    {}\n    {one}\n    {other}\n", change.id, change.title));
            }
            show(&format!("{} checks ended otherwise\n", changes.len()));
        }
        Ok(!changes.iter().any(luna_conformance::compare::Change::is_worse))
    }
}
