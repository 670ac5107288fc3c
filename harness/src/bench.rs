//! `luna-harness bench`: the arguments, the modules that take turns, and members that are taken away.
//!
//! How it is measured stands in `luna-bench`; here is on which module, and what may be done to it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use luna_bench::baseline::Comparison;
use luna_bench::group::{self, Members, Plan};
use luna_bench::report::{self, Report};
use luna_bench::run::{self, Point, Request};
use luna_bench::side::Side;
use luna_bench::worker::Assignment;
use luna_client::ck::names;
use luna_conformance::check::Allow;
use luna_conformance::run::{Provider as _, Seat};

use crate::conformance::subject::{Owner, Subject};
use crate::conformance::{Allowance, STOP, stop_on_interrupt};
use crate::instance::{CONFIGURATION, Change, Instance};
use crate::locate::{self, Tool};
use crate::render::show;

/// Options of `bench`.
#[derive(Args)]
pub struct Bench {
    #[command(flatten)]
    subject: Subject,
    /// Measure by turns with this library, or with `emulator[:PROFILE[:fips]]`, a private emulator.
    #[arg(long, value_name = "OTHER.so")]
    vs: Option<String>,
    /// Label of the token of --vs; its first token without.
    #[arg(long, value_name = "LABEL", requires = "vs")]
    vs_token_label: Option<String>,
    /// Environment variable with the Crypto Officer's password of --vs.
    #[arg(long, value_name = "VAR", requires = "vs")]
    vs_pin_env: Option<String>,
    /// Ids of cases, or patterns with `*`; repeatable.
    #[arg(long, value_name = "PATTERN")]
    filter: Vec<String>,
    /// Numbers of threads, each with a session.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1")]
    threads: Vec<usize>,
    /// Numbers of other objects that lie there, for the cases that they matter to.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "0")]
    objects: Vec<usize>,
    /// Rounds of each case and module.
    #[arg(long, value_name = "N", default_value_t = 10)]
    rounds: usize,
    /// Milliseconds of a round.
    #[arg(long, value_name = "MS", default_value_t = 50)]
    round_ms: u64,
    /// Operations a second, at most, for a device that others work with too.
    #[arg(long, value_name = "N")]
    budget: Option<u32>,
    /// What may be done to the token beside making session objects; repeatable. A private emulator may be done
    /// anything.
    #[arg(long, value_name = "WHAT")]
    allow: Vec<Allowance>,
    /// List the cases and what they need, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Let each member of the HA group go and come back this often, under load, after the cases. With --ha on a
    /// private emulator; with --module, --instance says which emulator it is.
    #[arg(long, value_name = "N", default_value_t = 0)]
    failovers: usize,
    /// The client directory of `luna-emulator up` that --module belongs to: its members are taken away and given
    /// back.
    #[arg(long, value_name = "DIR", requires = "module")]
    instance: Option<PathBuf>,
    /// Milliseconds that a member is away, and that all is calm before it goes.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    away_ms: u64,
    /// Seconds that a member's return is waited for.
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    recovery_limit: u64,
    /// Hold the figures against an earlier run's bench.json.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Fail when a case takes more than so many times as long as in --baseline (1.25 without this), or as --vs takes.
    #[arg(long, value_name = "RATIO")]
    slower_than: Option<f64>,
    /// Write bench.json and index.html here.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Seconds that one round may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    time_limit: u64,
}

/// What a case may take where --baseline says no ratio.
const SLOWER_THAN: f64 = 1.25;

impl Bench {
    /// Does it; whether every case was measured or is none for the token, and none is slower than allowed.
    ///
    /// # Errors
    /// Misuse, or a broken set-up.
    pub fn run(self: Box<Self>) -> Result<bool> {
        self.check()?;
        let mut owners = vec![(self.name(), Owner::of(&self.subject)?)];
        if let Some(other) = &self.vs {
            let subject = Subject::named(other, self.vs_token_label.clone())
                .with_pin_env(self.vs_pin_env.clone());
            owners.push((self.name_of_other(other), Owner::of(&subject)?));
        }
        let is_guest = owners.iter().any(|owner| owner.1.is_guest());
        let mut allow: Vec<Allow> = self.allow.iter().map(|it| (*it).into()).collect();
        if !is_guest && allow.is_empty() {
            allow = Allow::ALL.to_vec();
        }
        let request = Request {
            filters: self.filter.clone(),
            threads: self.threads.clone(),
            objects: self.objects.clone(),
            rounds: self.rounds,
            round_ms: self.round_ms,
            per_second: self.budget,
            allow,
        };
        if self.dry_run {
            show(&listed(&request));
            return Ok(true);
        }
        let earlier = self.baseline.as_deref().map(Report::read).transpose()?;
        for (_, owner) in &mut owners {
            owner.prepare()?;
        }
        let mut sides = self.sides(&owners, &request)?;
        stop_on_interrupt();
        if is_guest && !self.json {
            anstream::eprintln!("{}", announced(&request));
        }
        let mut report = self.measured(&request, &mut sides)?;
        self.hold(&mut report, earlier.as_ref())?;
        if let Some(directory) = &self.report {
            report::write(directory, &report)?;
        }
        show(&if self.json { report.json()? } else { report.told() });
        Ok(report.holds() && !STOP.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn check(&self) -> Result<()> {
        for filter in &self.filter {
            if luna_bench::case::chosen(std::slice::from_ref(filter)).is_empty() {
                bail!("no case matches `{filter}`; --dry-run lists them");
            }
        }
        if self.threads.is_empty() || self.threads.contains(&0) {
            bail!("--threads: at least one thread works");
        }
        if self.slower_than.is_some() && self.baseline.is_none() && self.vs.is_none() {
            bail!("--slower-than: than what? --baseline FILE or --vs OTHER.so says it");
        }
        if self.slower_than.is_some_and(|ratio| !ratio.is_finite() || ratio <= 0.0) {
            bail!("--slower-than: a ratio above 0 is wanted, such as 1.25");
        }
        if self.failovers > 0 && !self.subject.is_group() && self.instance.is_none() {
            bail!(
                "--failovers: --ha makes a private group; with --module, --instance names the emulator's directory"
            );
        }
        Ok(())
    }

    /// How the report calls the first module.
    fn name(&self) -> String {
        self.subject.module().map_or("emulator".into(), |module| stem(&module.to_string_lossy()))
    }

    fn name_of_other(&self, other: &str) -> String {
        let name = stem(other);
        if name == self.name() { format!("{name} (vs)") } else { name }
    }

    fn sides(&self, owners: &[(String, Owner)], request: &Request) -> Result<Vec<Side>> {
        let program = std::env::current_exe().context("this program's own path")?;
        let mut sides = Vec::new();
        for (name, owner) in owners {
            let mut seat = owner.target(0)?;
            if sides.is_empty()
                && let Some(directory) = &self.instance
            {
                seat.environment.push((CONFIGURATION.to_owned(), directory.clone()));
            }
            let assignment = Assignment {
                target: seat.target.clone(),
                secrets: owner.secrets(),
                allow: request.allow.clone(),
                per_second: request.per_second,
            };
            let limit = Duration::from_secs(self.time_limit.max(self.recovery_limit + 10));
            sides.push(Side::of(name, seat, &assignment, &program, limit)?);
        }
        Ok(sides)
    }

    /// The cases and the group; what was made is removed, whatever comes in between.
    fn measured(&self, request: &Request, sides: &mut [Side]) -> Result<Report> {
        let quiet = self.json || !std::io::IsTerminal::is_terminal(&std::io::stderr());
        let report = run::run(request, sides, &STOP, &|point, number, total| {
            if !quiet {
                progress(point, number, total);
            }
        });
        let report = report.and_then(|mut report| {
            if let (true, Some(side)) = (self.failovers > 0, sides.first_mut()) {
                let members = self.members(&side.seat)?;
                match group::disturb(side, &members, self.plan()) {
                    Ok(group) => report.group = Some(group),
                    Err(error) => report.group_reason = format!("{error:#}"),
                }
            }
            Ok(report)
        });
        let tidy = sides.iter_mut().filter(|side| report.is_ok() || side.is_running());
        let complaints: Vec<String> =
            tidy.filter_map(|side| side.tidy().err()).map(|error| format!("{error:#}")).collect();
        let mut report = match report {
            Err(error) if !complaints.is_empty() => {
                return Err(error.context(complaints.join("; ")));
            }
            report => report?,
        };
        report.complaints = complaints;
        report.conclude();
        Ok(report)
    }

    fn plan(&self) -> Plan {
        Plan {
            threads: self.threads.iter().copied().max().unwrap_or(1),
            times: self.failovers,
            away: Duration::from_millis(self.away_ms),
            limit: Duration::from_secs(self.recovery_limit),
        }
    }

    fn members(&self, seat: &Seat) -> Result<Emulated> {
        let program = std::env::current_exe().context("this program's own path")?;
        let directory = seat.environment.iter().rev().find(|it| it.0 == CONFIGURATION);
        let directory = directory.map(|it| it.1.clone()).context("no directory of an emulator")?;
        let instance = Instance {
            program: locate::tool(&program, Tool::Emulator)?,
            directory,
            module: seat.target.module.clone(),
            members: Vec::new(),
        };
        Ok(Emulated { instance })
    }

    fn hold(&self, report: &mut Report, earlier: Option<&Report>) -> Result<()> {
        report.comparison = match (earlier, &self.baseline, self.slower_than) {
            (Some(earlier), Some(file), ratio) => {
                let ratio = ratio.unwrap_or(SLOWER_THAN);
                let against = file.display().to_string();
                Some(Comparison::with_earlier(report, earlier, &against, ratio)?)
            }
            (_, _, Some(ratio)) => Some(Comparison::with_other(report, ratio)),
            _ => None,
        };
        Ok(())
    }
}

/// A library's name, or what a private emulator is called.
fn stem(named: &str) -> String {
    let file = named.rsplit('/').next().unwrap_or(named);
    file.strip_suffix(".so").unwrap_or(file).to_owned()
}

/// Members of an emulated group.
struct Emulated {
    instance: Instance,
}

impl Members for Emulated {
    fn down(&self, serial: &str) -> Result<()> {
        self.instance.change(serial, Change::Down)
    }

    fn up(&self, serial: &str) -> Result<()> {
        self.instance.change(serial, Change::Up)
    }
}

fn progress(point: &Point, number: usize, total: usize) {
    let Point { case, threads, objects } = point;
    anstream::eprint!("\r\x1b[K[{number}/{total}] {} {threads} threads {objects} objects", case.id);
    if number == total {
        anstream::eprint!("\r\x1b[K");
    }
}

/// What is going to be done to somebody's token.
fn announced(request: &Request) -> String {
    let on_token = request.allow.contains(&Allow::TokenObjects);
    format!(
        "logs in once a process as Crypto Officer, never again with a password that was refused; makes session \
         objects{}, and removes what it made",
        if on_token { ", and objects on the token that carry this run's label" } else { "" }
    )
}

/// The cases with what they need.
fn listed(request: &Request) -> String {
    let mut text = String::new();
    let mut last = "";
    for Point { case, .. } in request.points() {
        if case.id == last {
            continue;
        }
        last = case.id;
        let needs = case.work.needs();
        let mut words = Vec::new();
        if let Some((mechanism, _)) = needs.mechanism {
            words.push(format!("needs {}", names::ckm(mechanism)));
        }
        if let Some(allow) = needs.allow.filter(|allow| !request.allow.contains(allow)) {
            words.push(format!("left out, needs --allow {}", allow.name()));
        }
        if case.scales {
            words.push("at each of --objects".to_owned());
        }
        let words =
            if words.is_empty() { String::new() } else { format!("\n    {}", words.join("; ")) };
        text.push_str(&format!("{}\n    {}{words}\n", case.id, case.title));
    }
    text
}
