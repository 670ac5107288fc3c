//! `luna-harness probe` and `diff`: what a partition is like, and where two differ.
//!
//! A library is loaded in a process of its own, as everywhere here.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use luna_conformance::diff::{self, Difference, Side};
use luna_conformance::probe::{Observed, Whom, observe};
use luna_conformance::profile::{BUILT_IN, Profile};
use luna_conformance::run::{Provider as _, Seat};

use super::subject::{Owner, Subject};
use crate::render::show;

/// The hidden verb of the process that loads a library.
pub(super) const OBSERVER: &str = "conformance-observer";

/// Before the answer, so that a library's own words are told from it.
const MARK: &str = "\u{1}observed ";

/// Options of `probe`.
#[derive(Args)]
pub struct Probe {
    #[command(flatten)]
    subject: Subject,
    /// The profile's name.
    #[arg(long, value_name = "NAME", default_value = "observed")]
    name: String,
    /// Write the profile here instead of printing it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the token's label and serial number into it.
    #[arg(long)]
    with_serials: bool,
    /// Print what was observed as JSON instead; serial number and label only with --with-serials.
    #[arg(long)]
    json: bool,
}

/// Options of `diff`.
#[derive(Args)]
pub struct Diff {
    /// A library, a profile (a name or a .toml file), or `emulator[:PROFILE[:fips]]` for a private emulator.
    first: String,
    /// The other.
    second: String,
    /// Label of the token of the first library; its first token without.
    #[arg(long, value_name = "LABEL")]
    first_label: Option<String>,
    /// The same of the second.
    #[arg(long, value_name = "LABEL")]
    second_label: Option<String>,
    /// Print the differences as JSON.
    #[arg(long)]
    json: bool,
}

impl Probe {
    pub(super) fn run(self) -> Result<bool> {
        let owner = Owner::of(&self.subject)?;
        let mut observed = observed(&owner.target(0)?)?;
        if !self.with_serials {
            observed.serial.clear();
            observed.label.clear();
        }
        let text = if self.json {
            serde_json::to_string_pretty(&observed)? + "\n"
        } else {
            observed.profile(&self.name, self.with_serials)
        };
        match &self.output {
            None => show(&text),
            Some(path) => {
                std::fs::write(path, &text).with_context(|| path.display().to_string())?;
                show(&format!(
                    "{}: {} mechanisms, {} policies\n",
                    path.display(),
                    observed.mechanisms.len(),
                    observed.policies.len()
                ));
            }
        }
        Ok(true)
    }
}

/// Reads whom to look at from standard input, and tells what was seen: the process that loads the library.
pub(super) fn observer() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let whom: Whom = serde_json::from_str(&line).context("no assignment")?;
    let seen = observe(&whom).map_err(|error| format!("{error:#}"));
    let text = serde_json::to_string(&seen)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{MARK}{text}")?;
    Ok(out.flush()?)
}

fn observed(seat: &Seat) -> Result<Observed> {
    let whom = Whom {
        module: seat.target.module.clone(),
        slot: seat.target.slot,
        token_label: seat.target.token_label.clone(),
        reserved: seat.target.reserved.clone(),
    };
    let program = std::env::current_exe().context("this program's own path")?;
    let mut command = Command::new(program);
    command.arg(OBSERVER).envs(seat.environment.iter().map(|(name, value)| (name, value)));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{}", serde_json::to_string(&whom)?)?;
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.lines().find_map(|line| line.strip_prefix(MARK));
    let Some(answer) = answer else {
        bail!("{}: the process that loaded it ended with {}", whom.module.display(), output.status)
    };
    let seen: std::result::Result<Observed, String> = serde_json::from_str(answer)?;
    seen.map_err(|error| anyhow::anyhow!("{}: {error}", whom.module.display()))
}

/// A side of a diff.
enum Seen {
    Module(Box<Observed>),
    Profile(Box<Profile>),
}

fn seen(named: &str, label: Option<&String>) -> Result<Seen> {
    let built_in = BUILT_IN.iter().any(|row| row.0 == named);
    let is_emulator = named.starts_with("emulator:");
    if built_in || (named.ends_with(".toml") && !is_emulator) {
        let profile = if built_in {
            Profile::built_in(named)?
        } else {
            Profile::parse(&std::fs::read_to_string(named).with_context(|| named.to_owned())?)
                .with_context(|| named.to_owned())?
        };
        return Ok(Seen::Profile(Box::new(profile)));
    }
    let owner = Owner::of(&Subject::named(named, label.cloned()))?;
    Ok(Seen::Module(Box::new(observed(&owner.target(0)?)?)))
}

impl Diff {
    pub(super) fn run(self) -> Result<bool> {
        let first = seen(&self.first, self.first_label.as_ref())?;
        let second = seen(&self.second, self.second_label.as_ref())?;
        let differences = match (&first, &second) {
            (Seen::Module(one), Seen::Module(other)) => {
                diff::between(&Side::observed(one), &Side::observed(other))
            }
            (Seen::Module(one), Seen::Profile(other)) => diff::from_profile(one, other),
            (Seen::Profile(one), Seen::Module(other)) => swapped(diff::from_profile(other, one)),
            (Seen::Profile(_), Seen::Profile(_)) => {
                bail!("one of the two must be a library: two profiles are two files to compare")
            }
        };
        if self.json {
            show(&(serde_json::to_string_pretty(&differences)? + "\n"));
        } else {
            show(&told(&differences));
        }
        Ok(differences.is_empty())
    }
}

fn swapped(differences: Vec<Difference>) -> Vec<Difference> {
    let swap = |it: Difference| Difference { first: it.second, second: it.first, ..it };
    differences.into_iter().map(swap).collect()
}

fn told(differences: &[Difference]) -> String {
    let mut groups: BTreeMap<&str, Vec<&Difference>> = BTreeMap::new();
    for difference in differences {
        groups.entry(difference.group).or_default().push(difference);
    }
    let mut text = String::new();
    for (group, differences) in groups {
        let notice = differences.first().map_or("", |it| it.notice.as_str());
        text.push_str(&format!("\n{group}: {} ({notice})\n", differences.len()));
        for it in differences {
            text.push_str(&format!("  {}: {} | {}\n", it.what, it.first, it.second));
        }
    }
    text.push_str(&match differences.len() {
        0 => "no difference\n".to_owned(),
        count => format!("\n{count} differences\n"),
    });
    text
}
