//! `luna-harness mutants`: whether the checks notice a module that breaks a rule.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use luna_conformance::check::{Allow, Registry, matches};
use luna_conformance::mutants::{self, MUTATION, Mutation, Trial};
use luna_conformance::run::{self, Request};
use parking_lot::Mutex;

use super::subject::Owner;
use crate::locate;
use crate::render::show;

/// The shim's file.
const SHIM: &str = "libluna_shim.so";

/// Options of `mutants`.
#[derive(Args)]
pub struct Mutants {
    /// Only these breaches; repeatable, patterns with `*`.
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Fewer of a hundred breaches noticed than this are a failure.
    #[arg(long, value_name = "PERCENT", default_value_t = 95.0)]
    least: f64,
    /// Print the trials as JSON.
    #[arg(long)]
    json: bool,
}

impl Mutants {
    pub(super) fn run(&self) -> Result<bool> {
        let begun = Instant::now();
        let chosen: VecDeque<Mutation> = mutants::all()?
            .into_iter()
            .filter(|it| self.only.is_empty() || self.only.iter().any(|only| matches(only, &it.id)))
            .collect();
        if chosen.is_empty() {
            bail!("no breach is called so; they stand in harness/shim/mutations.toml");
        }
        let program = std::env::current_exe().context("this program's own path")?;
        let shim = locate::library(&program, SHIM)?;
        let registry = Registry::all();
        sound(&program, &shim, &registry, &chosen)?;
        let (queue, trials) = (Mutex::new(chosen), Mutex::new(Vec::new()));
        let work = || -> Result<()> {
            while let Some(mutation) = { queue.lock().pop_front() } {
                let trial = trial(&program, &shim, &registry, &mutation)?;
                if trial.noticed.is_none() {
                    anstream::eprintln!("not noticed: {} ({})", trial.id, trial.title);
                }
                trials.lock().push(trial);
            }
            Ok(())
        };
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let jobs: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
            jobs.into_iter()
                .try_for_each(|job| job.join().unwrap_or_else(|_| bail!("a job panicked")))
        })?;
        let trials = trials.into_inner();
        let rate = mutants::rate(&trials);
        if self.json {
            show(&(serde_json::to_string_pretty(&trials)? + "\n"));
        } else {
            let noticed = trials.iter().filter(|trial| trial.noticed.is_some()).count();
            show(&format!(
                "{noticed} of {} breaches noticed, {rate:.1} %, in {:.1} s\n",
                trials.len(),
                begun.elapsed().as_secs_f64()
            ));
        }
        Ok(rate >= self.least)
    }
}

fn request(program: &Path, filters: Vec<String>) -> Request {
    Request {
        filters,
        allow: Allow::ALL.to_vec(),
        jobs: 1,
        // A breach may be that nothing comes back.
        limit: Duration::from_secs(20),
        per_second: None,
        fail_fast: true,
        program: program.to_owned(),
        batch: 200,
        secrets: Default::default(),
    }
}

fn asked(
    program: &Path,
    shim: &Path,
    registry: &Registry,
    mutation: Option<&str>,
    filters: Vec<String>,
) -> Result<Option<String>> {
    let mut owner = Owner::behind(PathBuf::from(shim))?;
    owner.with(MUTATION, mutation.unwrap_or_default());
    let mut request = request(program, filters);
    request.secrets = owner.secrets();
    let stop = AtomicBool::new(false);
    let report = run::run(&request, &owner, registry, &stop, &|_, _, _| {})?;
    Ok(report.red().next().map(|record| format!("{}: {}", record.id, record.why())))
}

/// Without a breach nothing is red: only then does a red check tell anything.
fn sound(
    program: &Path,
    shim: &Path,
    registry: &Registry,
    chosen: &VecDeque<Mutation>,
) -> Result<()> {
    let mut filters: Vec<_> = chosen.iter().flat_map(|it| it.checks.clone()).collect();
    filters.sort();
    filters.dedup();
    match asked(program, shim, registry, None, filters)? {
        None => Ok(()),
        Some(red) => bail!("a check is red without any breach: {red}"),
    }
}

fn trial(program: &Path, shim: &Path, registry: &Registry, mutation: &Mutation) -> Result<Trial> {
    let noticed = asked(program, shim, registry, Some(&mutation.id), mutation.checks.clone())?;
    Ok(Trial { id: mutation.id.clone(), title: mutation.title.clone(), noticed })
}
