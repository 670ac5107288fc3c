//! `profile`: what a firmware does, shown, checked and compared, with the source of every datum.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use comfy_table::Table;
use emulator::profile::{self, Entry, Profile, Provenance};
use serde_json::json;

use crate::Refused;

/// Verbs on profiles.
#[derive(Args)]
pub(crate) struct Verbs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the built-in profiles.
    List,
    /// Print every datum of a profile, and the share of each kind of source.
    Show {
        /// A built-in profile's name, or a file.
        profile: String,
    },
    /// Say whether a file is a profile; if not, where it is wrong and what was expected.
    Check {
        /// The file.
        file: String,
    },
    /// Print where two profiles differ.
    Diff {
        /// A built-in profile's name, or a file.
        left: String,
        /// Another.
        right: String,
    },
}

/// No profile is longer: the built-in ones have some 40 KiB.
const MOST_BYTES: usize = 4 << 20;

/// The built-in profile of that name, or that of a file.
///
/// # Errors
/// A file that is wrong, with line and key; a name that is neither a profile's nor a file's.
pub(crate) fn read(named: &str) -> Result<Profile> {
    if profile::names().contains(&named) {
        return Ok(Profile::built_in(named)?);
    }
    let path = Path::new(named);
    if !path.exists() {
        let known = profile::names().join(", ");
        bail!("`{named}` is neither a profile nor a file; there is {known}");
    }
    let text = emulator::env::disk::read_text(path, MOST_BYTES)?;
    let profile = Profile::parse(named, &text).map_err(|error| Refused(error.to_string()))?;
    // What an HSM keeps of it is read again by whoever opens the HSM.
    Profile::of_record(profile.recorded()).context("the text of the profile, read again")?;
    Ok(profile)
}

impl Verbs {
    /// # Errors
    /// Those of [`read`].
    pub(crate) fn run(&self, as_json: bool) -> Result<()> {
        match &self.verb {
            Verb::List => list(as_json),
            Verb::Show { profile } => show(&read(profile)?, as_json),
            Verb::Check { file } => check(file, as_json),
            Verb::Diff { left, right } => diff(&read(left)?, &read(right)?, as_json),
        }
    }
}

fn version(parts: &[u8]) -> String {
    parts.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
}

fn list(as_json: bool) -> Result<()> {
    let profiles = profile::names()
        .into_iter()
        .map(Profile::built_in)
        .collect::<std::result::Result<Vec<_>, _>>()?;
    if as_json {
        let rows: Vec<_> = profiles
            .iter()
            .map(|it| {
                json!({
                    "name": it.name,
                    "extends": it.extends,
                    "firmware": version(&it.versions.firmware),
                    "client": version(&it.versions.client),
                    "sources": it.shares(),
                })
            })
            .collect();
        anstream::println!("{:#}", json!({ "profiles": rows }));
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["PROFILE", "FIRMWARE", "CLIENT", "EXTENDS", "DATA", "ASSUMED"]);
    for it in &profiles {
        table.add_row([
            it.name.clone(),
            version(&it.versions.firmware),
            version(&it.versions.client),
            it.extends.clone().unwrap_or_else(|| "-".into()),
            it.shares().all().to_string(),
            format!("{} %", it.shares().percent(Provenance::Assumed)),
        ]);
    }
    anstream::println!("{table}");
    Ok(())
}

fn show(profile: &Profile, as_json: bool) -> Result<()> {
    let entries = profile.entries();
    if as_json {
        let report = json!({
            "name": profile.name,
            "extends": profile.extends,
            "data": entries,
            "sources": profile.shares(),
        });
        anstream::println!("{report:#}");
        return Ok(());
    }
    let of = profile.extends.as_ref().map_or(String::new(), |base| format!(", extends {base}"));
    anstream::println!("{}{of}", profile.name);
    let mut section = "";
    for Entry { key, value, source } in &entries {
        let (table, name) = key.split_once('.').unwrap_or(("", key));
        if table != section {
            anstream::println!("\n[{table}]");
            section = table;
        }
        anstream::println!("{name:<28} {:<11} {value}", source.word());
    }
    anstream::println!("\n{}", shares(profile));
    Ok(())
}

/// `340 data: 40 % documented, ...`
fn shares(profile: &Profile) -> String {
    let shares = profile.shares();
    let parts: Vec<String> = Provenance::ALL
        .into_iter()
        .map(|source| format!("{} % {}", shares.percent(source), source.word()))
        .collect();
    format!("{} data: {}", shares.all(), parts.join(", "))
}

fn check(file: &str, as_json: bool) -> Result<()> {
    let profile = read(file)?;
    if as_json {
        let report = json!({
            "name": profile.name,
            "extends": profile.extends,
            "sources": profile.shares(),
        });
        anstream::println!("{report:#}");
    } else {
        anstream::println!("{file}: profile {}, {}", profile.name, shares(&profile));
    }
    Ok(())
}

fn diff(left: &Profile, right: &Profile, as_json: bool) -> Result<()> {
    let found = left.differences(right);
    if as_json {
        let report = json!({ "left": left.name, "right": right.name, "differences": found });
        anstream::println!("{report:#}");
        return Ok(());
    }
    for difference in &found {
        anstream::println!("{}", difference.key);
        for (sign, value) in [("-", &difference.left), ("+", &difference.right)] {
            if let Some(value) = value {
                anstream::println!("  {sign} {value}");
            }
        }
    }
    anstream::println!("{} data differ", found.len());
    Ok(())
}
