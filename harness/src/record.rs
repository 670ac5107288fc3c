//! `luna-harness record` and `replay`: an application run with the spy before its module, and what it did played
//! on another module.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use luna_trace::replay::{self, Outcome, Pins};

/// The spy's file name.
pub const SPY: &str = "libluna_spy.so";

/// Stands for the spy among the words of a command.
pub const PLACEHOLDER: &str = "{module}";

/// What to record.
#[derive(Debug)]
pub struct Recording {
    /// The module that is spied on.
    pub module: PathBuf,
    /// Where the trace goes.
    pub trace: PathBuf,
    /// The spy; the one beside this program without it.
    pub spy: Option<PathBuf>,
    /// A program and its words, of which `{module}` stands for the spy.
    pub command: Vec<OsString>,
}

/// Runs the command with the spy in place of the module. `LUNA_MODULE` names the spy too. Returns the command's
/// exit code.
///
/// # Errors
/// When the spy or the module is not there, the trace is, or the command cannot be started.
pub fn record(recording: &Recording, program: &Path) -> Result<i32> {
    if recording.trace.exists() {
        bail!("{} is there already; it was left as it is", recording.trace.display());
    }
    let module =
        recording.module.canonicalize().with_context(|| recording.module.display().to_string())?;
    let spy = match &recording.spy {
        Some(spy) => spy.clone(),
        None => crate::locate::library(program, SPY)?,
    };
    let mut words = recording.command.iter().map(|word| filled(word, &spy));
    let name = words.next().context("a command is wanted after `--`")?;
    let status = Command::new(&name)
        .args(words)
        .env("LUNA_SPY_MODULE", &module)
        .env("LUNA_SPY_TRACE", std::path::absolute(&recording.trace)?)
        .env("LUNA_MODULE", &spy)
        .status()
        .with_context(|| format!("{} cannot be started", name.display()))?;
    if !recording.trace.exists() {
        bail!(
            "the command called no module through {}: give it {PLACEHOLDER} or $LUNA_MODULE",
            spy.display()
        );
    }
    Ok(status.code().unwrap_or(1))
}

fn filled(word: &OsStr, spy: &Path) -> OsString {
    match word.to_str() {
        Some(text) => text.replace(PLACEHOLDER, &spy.display().to_string()).into(),
        None => word.to_owned(),
    }
}

/// Plays traces on a module, each from its beginning.
///
/// # Errors
/// When a trace cannot be read (file and line) or the module cannot be loaded.
pub fn replay(traces: &[PathBuf], module: &Path, pins: &Pins) -> Result<Vec<(PathBuf, Outcome)>> {
    let mut outcomes = Vec::new();
    for trace in traces {
        let lines = replay::read(trace)?;
        outcomes.push((trace.clone(), replay::replay(&lines, module, pins)?));
    }
    Ok(outcomes)
}

/// The outcome for people.
pub fn told(trace: &Path, outcome: &Outcome) -> String {
    let mut text = format!("{}: {} calls played", trace.display(), outcome.played);
    if !outcome.skipped.is_empty() {
        text.push_str(&format!(", {} left out\n", outcome.skipped.len()));
        for why in &outcome.skipped {
            text.push_str(&format!("  left out: {why}\n"));
        }
    } else {
        text.push('\n');
    }
    match &outcome.divergence {
        None => text.push_str("  the module answers as the one that was recorded\n"),
        Some(divergence) => {
            for line in &divergence.context {
                text.push_str(&format!("    {line}\n"));
            }
            text.push_str(&format!(
                "  line {}, {}: {} differs\n    recorded: {}\n    played:   {}\n",
                divergence.n,
                divergence.call,
                divergence.what,
                divergence.expected,
                divergence.seen
            ));
        }
    }
    text
}
