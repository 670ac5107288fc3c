//! Verdicts that are known and have a reason: files that a run is held against.
//!
//! A file names checks by their ids or by patterns, each group with a verdict and a reason a person can read: the rule,
//! and why this module does so. `seen` narrows a pattern down to what ended in one way. What is not named must conform.
//! An entry that names a check which ended otherwise is stale, and told as well.

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
    /// Only of checks that saw this: a text, or one with `*` for what varies.
    #[serde(default)]
    pub seen: Option<String>,
    /// Whether some of them may conform: for patterns, and for what is left to chance or to the machine.
    #[serde(default)]
    pub sometimes: bool,
}

/// The text of a file that expects what a report shows. Groups that `known` has are kept with their patterns, but for
/// those that came true of nothing; what is new gets what was seen for a reason, to be read and put into better words.
pub fn accept(report: &Report, known: &Expectations) -> String {
    let mut text = String::from(
        "# What is known of this module, by cause; everything else must conform. A line that names a part of an id means all\n\
         # checks below it, and `*` any part. Written by `luna-harness conformance --accept`, read and reasoned by people.\n",
    );
    for expected in &known.expected {
        let true_of = |pattern: &&String| {
            expected.sometimes || report.checks.iter().any(|it| expected.is_of(pattern, it))
        };
        let checks: Vec<String> = expected.checks.iter().filter(true_of).cloned().collect();
        if !checks.is_empty() {
            text.push_str(&group(&Expected { checks, ..expected.clone() }));
        }
    }
    let mut groups: BTreeMap<(Verdict, String), Vec<&str>> = BTreeMap::new();
    let new = |record: &&Record| record.verdict != Verdict::Conforms && known.of(record).is_none();
    for record in report.checks.iter().filter(new) {
        groups.entry((record.verdict, record.why())).or_default().push(&record.id);
    }
    for ((verdict, reason), ids) in groups {
        let checks = folded(report, &ids);
        text.push_str(&group(&Expected { verdict, reason, checks, seen: None, sometimes: false }));
    }
    text
}

fn group(expected: &Expected) -> String {
    let quoted = |text: &str| toml::Value::from(text);
    let (verdict, reason) = (expected.verdict.name(), quoted(&expected.reason));
    let mut text = format!("\n[[expected]]\nverdict = \"{verdict}\"\nreason = {reason}\n");
    if expected.sometimes {
        text.push_str("sometimes = true\n");
    }
    if let Some(seen) = &expected.seen {
        text.push_str(&format!("seen = {}\n", quoted(seen)));
    }
    text.push_str("checks = [\n");
    for check in &expected.checks {
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

impl Expected {
    /// Whether a check ended so, and one of the patterns is of it.
    fn is_of(&self, pattern: &str, record: &Record) -> bool {
        self.verdict == record.verdict
            && matches(pattern, &record.id)
            && self.seen.as_ref().is_none_or(|seen| holds(&record.why(), seen))
    }
}

/// Whether a text holds another, of which `*` is any part.
fn holds(text: &str, wanted: &str) -> bool {
    let mut rest = Some(text);
    for part in wanted.split('*') {
        rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, after)| after);
    }
    rest.is_some()
}

impl Expectations {
    fn of(&self, record: &Record) -> Option<&Expected> {
        self.expected
            .iter()
            .find(|expected| expected.checks.iter().any(|pattern| expected.is_of(pattern, record)))
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
                if of_pattern().any(|record| expected.is_of(pattern, record)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_a_star_holds_what_varies() {
        let text = "the token does not list CKM_MD2";
        assert!(holds(text, "does not list") && holds(text, "token*list CKM_"));
        assert!(!holds(text, "list*token") && !holds(text, "lists"));
    }
}
