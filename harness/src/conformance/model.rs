//! `luna-harness model`: calls by chance, every answer held against the reference model of `luna-model`.
//!
//! The model and the chance are here; the module is in a process of its own, which it may crash or hang. That is a
//! failure like another then, and is cut down like another.

mod remote;
pub(super) mod seat;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use clap::{Args, ValueEnum};
use luna_conformance::run::Provider as _;
use luna_model::{Effort, Exception, Failure, Leave, check_at_once, check_with};
use serde::Serialize;

use self::remote::Remote;
use self::seat::Assignment;
use super::subject::{Owner, Subject};
use crate::render::show;

/// Attempts to cut a failing sequence down.
const SHRINK: u32 = 2000;

/// Options of `model`.
#[derive(Args)]
pub struct Model {
    #[command(flatten)]
    subject: Subject,
    /// How many sequences of calls.
    #[arg(long, value_name = "N", default_value_t = 300)]
    cases: u32,
    /// Steps of the longest.
    #[arg(long, value_name = "N", default_value_t = 60)]
    steps: usize,
    /// How often several threads call at once, each in a session of its own.
    #[arg(long, value_name = "N", default_value_t = 100)]
    histories: u32,
    /// So many threads at most.
    #[arg(long, value_name = "N", default_value_t = 3)]
    threads: usize,
    /// The same seed draws the same sequences.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// What may be done to a token of yours beside session objects and right passwords; repeatable.
    #[arg(long, value_name = "WHAT")]
    allow: Vec<Allowance>,
    /// Where the module is known to be unlike the standard, each with its reason; repeatable.
    #[arg(long, value_name = "FILE")]
    except: Vec<PathBuf>,
    /// Seconds that one sequence may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    time_limit: u64,
    /// Calls a second, at most, for a device that others work with too.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What may be done, as on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Allowance {
    /// Make objects on the token, labelled, and remove them.
    TokenObjects,
    /// Log in wrongly, three times at most before a right password.
    Roles,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Summary {
    library: String,
    token: String,
    seed: u64,
    cases: u32,
    histories: u32,
    calls: u64,
    seconds: f64,
    failure: Option<Failure>,
}

impl Model {
    pub(super) fn run(self) -> Result<bool> {
        let mut owner = Owner::of(&self.subject)?;
        let mut exceptions = Vec::new();
        for path in &self.except {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let rows = Exception::read(&text);
            exceptions.extend(rows.map_err(|what| anyhow!("{}: {what}", path.display()))?);
        }
        owner.prepare()?;
        let seat = owner.target(0)?;
        let (guest, allowed) = (owner.is_guest(), |what| self.allow.contains(&what));
        let leave = Leave {
            token_objects: !guest || allowed(Allowance::TokenObjects),
            wrong_pins: !guest || allowed(Allowance::Roles),
            alone: !guest,
        };
        let assignment = Assignment {
            target: seat.target.clone(),
            secrets: owner.secrets(),
            crypto_user: owner.crypto_user(),
            leave,
            exceptions,
            calls: seat.target.scratch.join("model-calls"),
            per_second: self.rate,
        };
        let begun = Instant::now();
        let quiet = self.json || !std::io::IsTerminal::is_terminal(&std::io::stderr());
        let progress = |done: u32| {
            if !quiet {
                anstream::eprint!("\r\x1b[K[{done}/{}]", self.cases + self.histories);
            }
        };
        let program = std::env::current_exe().context("this program's own path")?;
        let limit = Duration::from_secs(self.time_limit);
        let mut remote = Remote::start(program, &owner, seat, assignment, limit, &progress)?;
        let (cases, steps, seed) = (self.cases, self.steps, self.seed);
        let effort = Effort { cases, steps, seed, shrink: SHRINK };
        let outcome = check_with(&mut remote, effort).and_then(|calls| {
            let effort = Effort { cases: self.histories, ..effort };
            Ok(calls + check_at_once(&mut remote, effort, self.threads)?)
        });
        progress_ends(quiet);
        let subject = remote.subject.clone();
        let (calls, failure) = match outcome {
            Ok(calls) => (calls, None),
            Err(failure) => (remote.calls(), Some(failure)),
        };
        if let Some(reason) = remote.given_up() {
            return Err(anyhow!("{reason}"));
        }
        let summary = Summary {
            library: subject.library,
            token: subject.token,
            seed,
            cases,
            histories: self.histories,
            calls,
            seconds: begun.elapsed().as_secs_f64(),
            failure,
        };
        show(&if self.json {
            serde_json::to_string_pretty(&summary)? + "\n"
        } else {
            told(&summary)
        });
        Ok(summary.failure.is_none())
    }
}

fn progress_ends(quiet: bool) {
    if !quiet {
        anstream::eprint!("\r\x1b[K");
    }
}

fn told(summary: &Summary) -> String {
    let Summary { library, token, seed, cases, histories, calls, seconds, failure } = summary;
    let head = format!("{library}\n{token}\n");
    match failure {
        None => format!(
            "{head}{cases} sequences and {histories} histories of seed {seed}, {calls} calls in {seconds:.1} s: every answer is one that may be\n"
        ),
        Some(failure) => format!("{head}an answer that may not be, seed {seed}:\n\n{failure}\n"),
    }
}
