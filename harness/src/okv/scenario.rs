//! Scenarios as data: files of steps, each with what is done, what is expected and where that stands.
//!
//! A file is TOML: a list of scenarios, each a list of steps. Whatever is wrong with one is told with file, line and
//! key before anything is made. What an action is called and takes: [`Action`]; what can be expected: [`Expect`].
//!
//! | key of a scenario | |
//! |---|---|
//! | `name`, `title` | what it is called, and what it is about |
//! | `source` | where the expectations stand: `mark` and `text`; a step may have one of its own |
//! | `needs` | what all its steps need of what is looked at |
//! | `emulator` | what a private emulator is made with: `partitions` besides the usual one, `ha-only` |
//! | `step` | the steps |
//!
//! | key of a step | |
//! |---|---|
//! | `id`, `title`, `expected` | for people |
//! | `page` | page and step of the integration guide |
//! | `do`, `expect` | actions in their order, and what is looked at afterwards |
//! | `after` | steps it stands on; the one before it unless said |
//! | `needs` | besides what its actions need |
//! | `always` | done also when the walk is broken off |

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde::Deserialize;
use toml::Spanned;

use super::action::Action;
use super::expect::Expect;
use super::walk::Walk;
use crate::step::{Needs, Source, Step};
use crate::transcript::Mark;

/// Where an expectation stands, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    mark: Grade,
    text: String,
}

/// [`Mark`] as the files write it.
#[derive(Debug, Clone, Copy, Deserialize)]
enum Grade {
    Documented,
    Observed,
    Assumed,
}

/// What a private emulator is made with.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Making {
    /// Labels of partitions besides the one the vault is to use; each on an HSM of its own, listed before it.
    pub partitions: Vec<String>,
    /// Whether a group is listed alone (HAOnly).
    pub ha_only: bool,
}

impl Default for Making {
    fn default() -> Self {
        Self { partitions: Vec::new(), ha_only: true }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: Spanned<String>,
    title: String,
    page: Option<String>,
    source: Option<Reference>,
    expected: String,
    #[serde(rename = "do")]
    actions: Spanned<Vec<Action>>,
    #[serde(default)]
    expect: Expect,
    after: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    needs: Vec<Needs>,
    #[serde(default)]
    always: bool,
}

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    name: Spanned<String>,
    /// What it is about.
    pub title: String,
    source: Reference,
    #[serde(default)]
    needs: Vec<Needs>,
    /// What a private emulator is made with.
    #[serde(default)]
    pub emulator: Making,
    #[serde(rename = "step")]
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chapter {
    scenario: Vec<Scenario>,
}

/// Reads a file's text; `file` is its name, for complaints.
///
/// # Errors
/// What is wrong, with file, line and key.
pub fn read(file: &str, text: &str) -> Result<Vec<Scenario>> {
    let chapter: Chapter = toml::from_str(text).map_err(|error| {
        let at = error.span().unwrap_or_default();
        complaint(file, text, &at, error.message())
    })?;
    let wrong = |at: Range<usize>, what: String| Err(complaint(file, text, &at, &what));
    let mut names = Vec::new();
    for scenario in &chapter.scenario {
        let name = scenario.name();
        if names.contains(&name) || !is_plain(name) {
            let what = format!("`{name}` stands twice, or is not letters, digits and `-`");
            return wrong(scenario.name.span(), what);
        }
        names.push(name);
        if let Err((at, what)) = scenario.check() {
            return wrong(at, what);
        }
    }
    if names.is_empty() {
        bail!("{file}: there is no [[scenario]] in it");
    }
    Ok(chapter.scenario)
}

/// Names become directories.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-')
}

/// A complaint about a place in a file.
fn complaint(file: &str, text: &str, at: &Range<usize>, what: &str) -> anyhow::Error {
    let before = text.get(..at.start).unwrap_or(text);
    let number = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let column = at.start.saturating_sub(begin);
    let key = key_at(line, column).map(|key| format!(", key `{key}`")).unwrap_or_default();
    anyhow!("{file}, line {number}{key}: {}", what.trim().replace('\n', "; "))
}

/// The key a column of a line belongs to: the last that begins at it or before it.
fn key_at(line: &str, column: usize) -> Option<&str> {
    let is_key = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    let mut found = None;
    for (at, _) in line.match_indices('=') {
        let before = line.get(..at)?.trim_end();
        let begin = before.rfind(|it| !is_key(it)).map_or(0, |at| at + 1);
        let key = before.get(begin..)?;
        if !key.is_empty() && (begin <= column || found.is_none()) {
            found = Some(key);
        }
    }
    found
}

impl Scenario {
    /// As in `P7`.
    pub fn name(&self) -> &str {
        self.name.get_ref()
    }

    /// Pages of the integration guide that its steps walk.
    pub fn pages(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| row.page.as_deref())
    }

    /// Names of servers besides the first.
    pub fn servers(&self) -> Vec<String> {
        let actions = self.rows.iter().flat_map(|row| row.actions.get_ref());
        let mut names: Vec<_> = actions.filter_map(Action::server).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }

    fn check(&self) -> Result<(), (Range<usize>, String)> {
        let mut before: Vec<&str> = Vec::new();
        for row in &self.rows {
            let id = row.id.get_ref().as_str();
            if before.contains(&id) || !is_plain(id) || id == LEAVE {
                let what =
                    format!("`{id}` stands twice, is not letters, digits and `-`, or is taken");
                return Err((row.id.span(), what));
            }
            if row.actions.get_ref().is_empty() {
                return Err((row.actions.span(), format!("step `{id}` does nothing")));
            }
            for on in row.after.iter().flatten() {
                if !before.contains(&on.get_ref().as_str()) {
                    let what = format!("no step before `{id}` is called `{}`", on.get_ref());
                    return Err((on.span(), what));
                }
            }
            before.push(id);
        }
        if before.is_empty() {
            return Err((self.name.span(), format!("`{}` has no [[scenario.step]]", self.name())));
        }
        Ok(())
    }

    /// Its steps, and the one that leaves somebody's library as it was found.
    pub fn plan(self) -> Vec<Step<Walk>> {
        let mut steps: Vec<Step<Walk>> = Vec::new();
        let (mut last, source, scenario_needs) = (None::<String>, self.source, self.needs);
        for row in self.rows {
            let id = row.id.into_inner();
            let stands_on = match row.after {
                Some(ids) => ids.into_iter().map(Spanned::into_inner).collect(),
                None => last.clone().into_iter().collect(),
            };
            let (actions, expect) = (row.actions.into_inner(), row.expect);
            let mut needs = scenario_needs.clone();
            needs.extend(row.needs);
            needs.extend(actions.iter().flat_map(Action::needs));
            let reference = row.source.unwrap_or_else(|| source.clone());
            let page = row.page.map(|page| format!("; page {page}")).unwrap_or_default();
            if !row.always {
                last = Some(id.clone());
            }
            steps.push(Step {
                id,
                title: row.title,
                source: Source {
                    mark: reference.mark.into(),
                    text: format!("{}{page}", reference.text),
                },
                expected: row.expected,
                needs,
                after: stands_on,
                always: row.always,
                run: Box::new(move |walk, seen| expect.judge(&actions, walk, seen)),
            });
        }
        steps.push(leave());
        steps
    }
}

/// The step every scenario ends with; no file may have one of this name.
pub(super) const LEAVE: &str = "leave";

fn leave() -> Step<Walk> {
    Step {
        id: LEAVE.into(),
        title: "reverse migration; the token is left as it was found".into(),
        source: Source {
            mark: Mark::Documented,
            text: "root of trust guide: reverse migration; that keys stay on the token is Assumed, so the \
                   harness removes those it made"
                .into(),
        },
        expected: "state NOT_ENABLED, objects readable with the recovery passphrase, only the objects of this \
                   run removed"
            .into(),
        needs: vec![Needs::Guest],
        after: Vec::new(),
        always: true,
        run: Box::new(super::guest::leave),
    }
}

impl From<Grade> for Mark {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Documented => Self::Documented,
            Grade::Observed => Self::Observed,
            Grade::Assumed => Self::Assumed,
        }
    }
}

/// The files that come with the program: name and text.
pub const FILES: &[(&str, &str)] = &[
    ("walk", include_str!("../../scenarios/walk.toml")),
    ("guide", include_str!("../../scenarios/guide.toml")),
    ("failures", include_str!("../../scenarios/failures.toml")),
    ("proofs", include_str!("../../scenarios/proofs.toml")),
];

/// What a run takes when nothing is asked for.
pub const DEFAULT: &str = "walk";

/// What a word of `--scenario` stands for: a file that comes with the program, one scenario in it, `all`, or a file
/// of somebody's. The name of the file and its text go with each, so that another process can read it again.
///
/// # Errors
/// What is wrong with the file; or that there is none, with the names there are.
pub fn find(word: &str) -> Result<Vec<(Origin, Scenario)>> {
    let mut found = Vec::new();
    for (file, text) in FILES {
        let whole = word == "all" || word == *file;
        for scenario in read(&format!("{file}.toml"), text)? {
            if whole || word == scenario.name() {
                found.push((Origin::of(file, text, &scenario), scenario));
            }
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if !Path::new(word).is_file() {
        let names: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        bail!(
            "there is no scenario and no file `{word}`; there are `all`, {}, and what --list shows",
            names.join(", ")
        );
    }
    let text = std::fs::read_to_string(word).map_err(|error| anyhow!("{word}: {error}"))?;
    let all = read(word, &text)?;
    Ok(all.into_iter().map(|it| (Origin::of(word, &text, &it), it)).collect())
}

/// The scenarios that come with the program, a line each.
///
/// # Errors
/// None that could happen: a test reads them all.
pub fn listing() -> Result<String> {
    let mut out = String::new();
    for (file, text) in FILES {
        for scenario in read(&format!("{file}.toml"), text)? {
            out.push_str(&format!("{file:<10}{:<16}{}\n", scenario.name(), scenario.title));
        }
    }
    Ok(out)
}

/// Where a scenario stands.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// All of its text.
    pub text: String,
    /// The scenario's name.
    pub name: String,
}

impl Origin {
    fn of(file: &str, text: &str, scenario: &Scenario) -> Self {
        Self { file: file.into(), text: text.into(), name: scenario.name().into() }
    }

    /// The scenario.
    ///
    /// # Errors
    /// As [`read`].
    pub fn scenario(&self) -> Result<Scenario> {
        let mut all = read(&self.file, &self.text)?.into_iter();
        all.find(|it| it.name() == self.name).ok_or_else(|| anyhow!("{} is gone", self.name))
    }
}

#[cfg(test)]
mod tests;
