//! Verdicts that are known and have a reason: files that a run is held against.
//!
//! A file names checks by their ids or by patterns, each group with a verdict and a reason a person can read. What
//! is not named must conform. An entry that names a check which ended otherwise is stale, and told as well.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::check::matches;
use crate::report::{Record, Report, Verdict};

/// A file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// Groups of checks with one verdict and one reason.
    #[serde(default)]
    pub expected: Vec<Expected>,
}

/// Checks that are known to end so.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// How.
    pub verdict: Verdict,
    /// Why, for a person.
    pub reason: String,
    /// Ids or patterns.
    pub checks: Vec<String>,
    /// Whether some of them may conform: for patterns, and for what is left to chance or to the machine.
    #[serde(default)]
    pub sometimes: bool,
}

/// The text of a file that expects what a report shows. Reasons that `known` has are kept, and its groups of what is
/// left to chance whole; what is new gets what was seen for a reason, to be read and put into better words.
pub fn accept(report: &Report, known: &Expectations) -> String {
    let mut groups: BTreeMap<(Verdict, String), Vec<&str>> = BTreeMap::new();
    let chance = |record: &Record| known.of(record).is_some_and(|expected| expected.sometimes);
    let kept = |record: &&Record| record.verdict != Verdict::Conforms && !chance(record);
    for record in report.checks.iter().filter(kept) {
        let reason = known.of(record).map_or_else(|| record.why(), |it| it.reason.clone());
        groups.entry((record.verdict, reason)).or_default().push(&record.id);
    }
    let mut text = String::from(
        "# What is known of this module, check by check; everything else must conform. A line that names a part of an\n\
         # id means all checks below it. Written by `luna-harness conformance --accept`, read and reasoned by people.\n",
    );
    for expected in known.expected.iter().filter(|expected| expected.sometimes) {
        text.push_str(&group(expected.verdict, &expected.reason, true, &expected.checks));
    }
    for ((verdict, reason), ids) in groups {
        text.push_str(&group(verdict, &reason, false, &folded(report, &ids)));
    }
    text
}

fn group(verdict: Verdict, reason: &str, sometimes: bool, checks: &[String]) -> String {
    let reason = toml::Value::from(reason);
    let mut text = format!("\n[[expected]]\nverdict = \"{}\"\nreason = {reason}\n", verdict.name());
    if sometimes {
        text.push_str("sometimes = true\n");
    }
    text.push_str("checks = [\n");
    for check in checks {
        text.push_str(&format!("    \"{check}\",\n"));
    }
    text.push_str("]\n");
    text
}

/// Ids, with those of one subject named by it where all of its checks are among them.
fn folded(report: &Report, ids: &[&str]) -> Vec<String> {
    let subject = |id: &str| id.rsplit_once('.').map(|row| row.0.to_owned()).unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    for id in ids {
        let above = subject(id);
        let whole = above.contains('.')
            && report
                .checks
                .iter()
                .filter(|record| matches(&above, &record.id))
                .all(|record| ids.contains(&record.id.as_str()));
        let line = if whole { above } else { (*id).to_owned() };
        if lines.last() != Some(&line) && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

impl Expectations {
    fn of(&self, record: &Record) -> Option<&Expected> {
        self.expected.iter().find(|expected| {
            expected.verdict == record.verdict
                && expected.checks.iter().any(|pattern| matches(pattern, &record.id))
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let read: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        for expected in &read.expected {
            anyhow::ensure!(
                expected.reason.len() > 10 && !expected.checks.is_empty(),
                "{}: a group without a reason or without checks",
                path.display()
            );
        }
        Ok(read)
    }

    /// Holds a report against these; what is unexpected stands in the report afterwards.
    pub fn hold(&self, report: &mut Report) {
        report.unexpected.clear();
        for record in &mut report.checks {
            record.expectation = self.of(record).map(|expected| expected.reason.clone());
            if record.expectation.is_none() && record.verdict != Verdict::Conforms {
                let line = format!("{}: {}: {}", record.id, record.verdict.words(), record.why());
                report.unexpected.push(line);
            }
        }
        for expected in self.expected.iter().filter(|expected| !expected.sometimes) {
            for pattern in &expected.checks {
                let of_pattern = || report.checks.iter().filter(|it| matches(pattern, &it.id));
                if of_pattern().any(|record| record.verdict == expected.verdict) {
                    continue;
                }
                // A run of a part is not held against what it left out.
                if let Some(record) = of_pattern().next() {
                    report.unexpected.push(format!(
                        "{pattern}: expected `{}`, but it {} now; take the entry out",
                        expected.verdict.words(),
                        record.verdict.words()
                    ));
                }
            }
        }
    }
}
