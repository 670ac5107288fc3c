//! Whether the checks notice: a module that breaks one rule at a time, and how many of the breaches turn a check red.
//!
//! The breaches are rows of `harness/shim/mutations.toml`; the shim (`luna-shim`) loads the module behind it and
//! breaks the rule that the environment names. Each row says which checks should notice, so that only those run.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// The rows.
pub const FILE: &str = include_str!("../../shim/mutations.toml");

/// The environment variable that names the breach.
pub const MUTATION: &str = "LUNA_SHIM_MUTATION";

/// A breach.
#[derive(Debug, Clone, Deserialize)]
pub struct Mutation {
    /// Its name.
    pub id: String,
    /// What is wrong with the module then.
    pub title: String,
    /// Patterns of the checks that should notice.
    pub checks: Vec<String>,
    /// Whether only threads that call at once can notice: then the reference model does, and no check.
    #[serde(default)]
    pub at_once: bool,
}

#[derive(Deserialize)]
struct File {
    mutation: Vec<Mutation>,
}

/// What became of one.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// The breach.
    pub id: String,
    /// What is wrong with the module then.
    pub title: String,
    /// The first check that noticed, and how; `None` where none did.
    pub noticed: Option<String>,
}

/// Those that a check can notice.
///
/// # Errors
/// When the file is wrong, which a test rules out.
pub fn all() -> Result<Vec<Mutation>> {
    let file: File = toml::from_str(FILE).context("harness/shim/mutations.toml")?;
    Ok(file.mutation.into_iter().filter(|it| !it.at_once).collect())
}

/// How many of a hundred were noticed.
pub fn rate(trials: &[Trial]) -> f64 {
    let noticed = trials.iter().filter(|trial| trial.noticed.is_some()).count();
    if trials.is_empty() { 0.0 } else { 100.0 * noticed as f64 / trials.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Registry, matches};

    #[test]
    fn every_breach_has_checks_that_could_notice() {
        let (mutations, registry) = (all().unwrap(), Registry::all());
        assert!(mutations.len() >= 80, "{}", mutations.len());
        let mut ids = std::collections::HashSet::new();
        for mutation in &mutations {
            assert!(!mutation.checks.is_empty(), "{}: which checks?", mutation.id);
            assert!(ids.insert(&mutation.id), "{} stands there twice", mutation.id);
            for pattern in &mutation.checks {
                let known = registry.checks().iter().any(|check| matches(pattern, &check.id));
                assert!(known, "{}: no check matches {pattern}", mutation.id);
            }
        }
    }
}
