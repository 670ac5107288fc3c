//! `luna-harness`: puts the same questions to the emulator and to a real Luna library.
//!
//! Arguments become a typed request, then run. Without a verb the Key Vault walk is taken. Exit codes: 0 every
//! step held, 1 one did not, 2 misuse or broken set-up.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use luna_harness::locate::Cargo;
use luna_harness::okv::{self, Guest, Request};
use luna_harness::render::{self, Console, Silence};
use luna_harness::step::On;
use luna_harness::{bench, ci, conformance, record, report, simulate, watch};
use luna_trace::replay::Pins;
use zeroize::Zeroizing;

/// Puts the same questions to the emulator and to a real Luna library.
///
/// Without a command: okv, on a private emulator. Exit codes: 0 every step held, 1 one did not, 2 misuse or
/// broken set-up.
#[derive(Parser)]
#[command(name = "luna-harness", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Walk scenarios of Oracle Key Vault: the integration guide with an HA group, members killed and brought back;
    /// or others that come with this program, or a file of yours.
    Okv(Box<Okv>),
    /// Put the emulator's code for HA groups through fault schedules, each of a seed: members that die, hang, lose
    /// an answer and come back, processes that are killed amid calls. One that fails is cut down and printed.
    Simulate(Simulate),
    /// Sign without pause, and tell what an application sees while members of an HA group die and come back.
    Watch(Watch),
    /// Run an application with a spy before its PKCS#11 module: a trace of its calls, with no secret in it.
    Record(Record),
    /// Play a trace on a module, and show the first call that it answers otherwise.
    Replay(Replay),
    #[command(flatten)]
    Conformance(conformance::Verb),
    /// Measure how long the calls of a module take, alone or by turns with another. On a private emulator without
    /// --module; on yours with session objects only, unless allowed.
    Bench(Box<bench::Bench>),
    /// Print a ready piece for a build server that runs emulator and harness, or the Dockerfile of its image.
    Ci(ci::Ci),
    #[command(name = luna_bench::worker::WORKER, hide = true)]
    BenchWorker,
    #[command(name = luna_bench::counted::COUNTED, hide = true)]
    BenchCounted,
    #[command(name = okv::WORKER, hide = true)]
    OkvWorker,
    #[command(name = okv::STRANGER, hide = true)]
    OkvStranger { data: PathBuf },
}

#[derive(Args, Default)]
struct Okv {
    /// What to walk: a scenario, a file of them by its name or path, or all; repeatable. `walk` without it.
    #[arg(long, value_name = "NAME|FILE")]
    scenario: Vec<String>,
    /// Show the scenarios that come with this program.
    #[arg(long, conflicts_with = "scenario")]
    list: bool,
    /// What the private emulator is made as.
    #[arg(long, value_enum, default_value_t, conflicts_with = "module")]
    on: Made,
    /// Walk on this library instead of a private emulator; what it makes on the token is removed in the end.
    #[arg(long, value_name = "FILE", requires_all = ["token_label", "pin_env"])]
    module: Option<PathBuf>,
    /// Label of the token, or of the HA group.
    #[arg(long, value_name = "LABEL", requires = "module")]
    token_label: Option<String>,
    /// Environment variable with the Crypto Officer's password.
    #[arg(long, value_name = "VAR", requires = "module")]
    pin_env: Option<String>,
    /// Work here instead of in a temporary directory; it must be empty, and is removed in the end.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Leave the directory, emulator and vault included.
    #[arg(long)]
    keep: bool,
    /// Print the transcript as JSON, in the end.
    #[arg(long)]
    json: bool,
    /// Also write report.json, junit.xml and index.html here.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// [`On`] for the command line.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Made {
    /// One partition of a network HSM.
    One,
    /// An HA group of two members.
    #[default]
    Group,
    /// One Cloud HSM service.
    Cloud,
}

#[derive(Args)]
struct Record {
    /// The module that the application really wants.
    #[arg(long, value_name = "FILE", env = "LUNA_MODULE")]
    module: PathBuf,
    /// Where the trace goes; further processes of the application add .1, .2 and so on.
    #[arg(long, value_name = "FILE")]
    trace: PathBuf,
    /// The spy; the one beside this program without it.
    #[arg(long, value_name = "FILE")]
    spy: Option<PathBuf>,
    /// The application and its arguments; {module} stands for the module to give it, as $LUNA_MODULE does.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

#[derive(Args)]
struct Replay {
    /// The module to play on.
    #[arg(long, value_name = "FILE", env = "LUNA_MODULE")]
    module: PathBuf,
    /// Environment variable with the PIN of the user, the Crypto Officer on a Luna.
    #[arg(long, value_name = "VAR")]
    pin_env: Option<String>,
    /// Environment variable with the PIN of the security officer, the Partition SO on a Luna.
    #[arg(long, value_name = "VAR")]
    so_pin_env: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Traces, played one after the other.
    #[arg(required = true)]
    traces: Vec<PathBuf>,
}

#[derive(Args)]
struct Watch {
    /// The module; it finds its configuration as ever.
    #[arg(long, value_name = "FILE", env = "LUNA_MODULE")]
    module: PathBuf,
    /// Label of the HA group, or of a token.
    #[arg(long, value_name = "LABEL")]
    token_label: String,
    /// Environment variable with the Crypto Officer's password.
    #[arg(long, value_name = "VAR")]
    pin_env: String,
    /// Threads that sign.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: u8,
    /// For how many seconds.
    #[arg(long, value_name = "N", default_value_t = 20)]
    seconds: u64,
    /// Print the result as JSON, in the end.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Simulate {
    /// How many schedules.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    seeds: u64,
    /// The first one's seed.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    first: u64,
    /// Steps of each.
    #[arg(long, value_name = "N", default_value_t = 200)]
    steps: usize,
    /// Run the schedule in this file instead, as an earlier failure printed it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "first", "steps"])]
    schedule: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        None => walk(Okv::default()),
        Some(Verb::Okv(arguments)) => walk(*arguments),
        Some(Verb::Simulate(arguments)) => simulate(&arguments),
        Some(Verb::Watch(arguments)) => watch(arguments),
        Some(Verb::Record(arguments)) => return recorded(arguments),
        Some(Verb::Replay(arguments)) => replay(&arguments),
        Some(Verb::Conformance(verb)) => verb.run(),
        Some(Verb::Ci(arguments)) => arguments.run(),
        Some(Verb::Bench(arguments)) => arguments.run(),
        Some(Verb::BenchCounted) => luna_bench::counted::count().map(|()| true),
        Some(Verb::BenchWorker) => luna_bench::worker::work().map(|()| true),
        Some(Verb::OkvStranger { data }) => okv::stranger(&data).map(|told| {
            render::show(&(told + "\n"));
            true
        }),
        Some(Verb::OkvWorker) => okv::worker().map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            anstream::eprintln!("luna-harness: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Ends with the application's own exit code, so that a script that records goes on as it would without.
fn recorded(arguments: Record) -> ExitCode {
    let Record { module, trace, spy, command } = arguments;
    let recording = record::Recording { module, trace, spy, command };
    let program = std::env::current_exe().context("this program's own path");
    match program.and_then(|program| record::record(&recording, &program)) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            anstream::eprintln!("luna-harness: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn replay(arguments: &Replay) -> Result<bool> {
    let pin = |variable: &Option<String>| match variable {
        None => Ok(None),
        Some(name) => match std::env::var(name) {
            Ok(pin) => Ok(Some(pin.into_bytes())),
            Err(error) => bail!("${name}: {error}"),
        },
    };
    let pins =
        Pins { user: pin(&arguments.pin_env)?, security_officer: pin(&arguments.so_pin_env)? };
    let outcomes = record::replay(&arguments.traces, &arguments.module, &pins)?;
    if arguments.json {
        let all: Vec<_> = outcomes
            .iter()
            .map(|(trace, outcome)| serde_json::json!({ "trace": trace, "outcome": outcome }))
            .collect();
        render::show(&(serde_json::to_string_pretty(&all)? + "\n"));
    } else {
        for (trace, outcome) in &outcomes {
            render::show(&record::told(trace, outcome));
        }
    }
    Ok(outcomes.iter().all(|(_, outcome)| outcome.divergence.is_none()))
}

fn watch(arguments: Watch) -> Result<bool> {
    let Watch { module, token_label, pin_env, threads, seconds, json } = arguments;
    let pin = match std::env::var(&pin_env) {
        Ok(pin) => luna_client::Pin::from(pin),
        Err(error) => bail!("${pin_env}: {error}"),
    };
    let request = watch::Request {
        module,
        token_label,
        pin,
        threads: threads.into(),
        time: std::time::Duration::from_secs(seconds),
    };
    let tell = |line: &str| {
        if !json {
            render::show(&format!("{line}\n"));
        }
    };
    let summary = watch::run(&request, &tell)?;
    if json {
        render::show(&(serde_json::to_string_pretty(&summary)? + "\n"));
    } else {
        render::show(&watch::told(&summary));
    }
    Ok(summary.failed == 0)
}

fn simulate(arguments: &Simulate) -> Result<bool> {
    let Simulate { seeds, first, steps, schedule, json } = arguments;
    let summary = match schedule {
        Some(file) => simulate::schedule(file)?,
        None => {
            let (first, seeds, steps) = (*first, *seeds, *steps);
            simulate::seeds(simulate::Request { first, seeds, steps })?
        }
    };
    let text = if *json {
        serde_json::to_string_pretty(&summary)? + "\n"
    } else {
        simulate::told(&summary)?
    };
    render::show(&text);
    Ok(summary.failure.is_none())
}

fn walk(arguments: Okv) -> Result<bool> {
    let Okv { module, token_label, pin_env, directory, keep, json, report, .. } = arguments;
    if arguments.list {
        render::show(&okv::scenario::listing()?);
        return Ok(true);
    }
    let mut scenarios = Vec::new();
    for word in &arguments.scenario {
        scenarios.extend(okv::scenario::find(word)?);
    }
    let mut names = HashSet::new();
    scenarios.retain(|(origin, _)| names.insert(origin.name.clone()));
    if arguments.scenario.is_empty() {
        scenarios = okv::scenario::find(okv::scenario::DEFAULT)?;
    }
    let on = match arguments.on {
        Made::One => On::One,
        Made::Group => On::Group,
        Made::Cloud => On::Cloud,
    };
    let guest = match (module, token_label, pin_env) {
        (Some(module), Some(token_label), Some(pin_variable)) => {
            let pin = match std::env::var(&pin_variable) {
                Ok(pin) => Zeroizing::new(pin),
                Err(error) => bail!("${pin_variable}: {error}"),
            };
            Some(Guest { module, token_label, pin_variable, pin })
        }
        _ => None,
    };
    let program = std::env::current_exe().context("this program's own path")?;
    let cargo = std::env::var_os("CARGO").zip(std::env::var_os("CARGO_MANIFEST_DIR"));
    let cargo =
        cargo.map(|(program, directory)| Cargo { program, manifest_directory: directory.into() });
    let request = Request { guest, on, scenarios, directory, keep, program, cargo };
    let done =
        if json { okv::run(request, &mut Silence) } else { okv::run(request, &mut Console) }?;
    let transcript = done.transcript;
    let mut held = transcript.held;
    if let Some(directory) = report {
        report::write(&directory, &transcript)?;
        for search in &done.searches {
            let leaked = search.through(std::slice::from_ref(&directory))?.hits;
            for hit in &leaked {
                let file = hit.file.display();
                anstream::eprintln!("luna-harness: {} stands in {file}", hit.secret);
            }
            held &= leaked.is_empty();
        }
    }
    if json {
        render::show(&report::json(&transcript)?);
    } else {
        render::show(&render::closing(&transcript));
    }
    Ok(held)
}
