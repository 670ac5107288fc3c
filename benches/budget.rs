//! What was measured beside what the project aims at.
//!
//! The goals stand in `budgets.toml`, as times on the machine they were taken on. Where a row gives the bare library
//! call there (`limit_ns`) and the `-direct` case ran here, the goal is also shown for this machine: times are worth
//! little across machines, ratios in one run are. Nothing fails by a figure here.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Deserialize;

/// Where criterion keeps its figures.
pub struct Figures {
    directory: PathBuf,
    started: SystemTime,
}

/// `budgets.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    budget: Vec<Budget>,
}

/// One goal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The case.
    pub id: String,
    /// A case whose time is taken off first: the goal is for what comes on top of it.
    pub over: Option<String>,
    /// What the project aims at.
    pub goal_ns: f64,
    /// The bare library call on the machine of the goal.
    pub limit_ns: Option<f64>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

impl Figures {
    /// Figures that appear in `directory` from now on.
    pub fn appearing_in(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), started: SystemTime::now() }
    }

    /// The median of a case in nanoseconds; `None` when it was not measured in this run.
    fn median(&self, id: &str) -> Option<f64> {
        let file = self.directory.join(id).join("new").join("estimates.json");
        let written = file.metadata().and_then(|file| file.modified()).ok()?;
        if written < self.started {
            return None;
        }
        let estimates: Estimates = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        Some(estimates.median.point_estimate)
    }

    /// Prints the cases of this run that have a goal; nothing when there are none.
    ///
    /// # Errors
    /// When `budgets.toml` is wrong.
    pub fn print(&self) -> Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["case", "measured", "goal", "ratio", "direct", "goal here", "ratio"]);
        for budget in budgets()? {
            if let Some(row) = self.row(&budget) {
                table.add_row(row);
            }
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if !table.is_empty() {
            anstream::println!("\n{table}");
        }
        Ok(())
    }

    fn row(&self, budget: &Budget) -> Option<[String; 7]> {
        let mut measured = self.median(&budget.id)?;
        if let Some(other) = &budget.over {
            measured -= self.median(other)?;
        }
        let direct = self.median(&direct(&budget.id));
        let here = direct.zip(budget.limit_ns).map(|(here, there)| budget.goal_ns * here / there);
        let shown = |value: Option<f64>| value.map(duration).unwrap_or_default();
        Some([
            budget.id.clone(),
            duration(measured),
            duration(budget.goal_ns),
            format!("{:.2}", measured / budget.goal_ns),
            shown(direct),
            shown(here),
            here.map(|here| format!("{:.2}", measured / here)).unwrap_or_default(),
        ])
    }
}

/// Every goal, in the order of the file.
///
/// # Errors
/// When `budgets.toml` is wrong.
pub fn budgets() -> Result<Vec<Budget>> {
    let budgets: Budgets = toml::from_str(include_str!("budgets.toml")).context("budgets.toml")?;
    Ok(budgets.budget)
}

/// The bare call of a case: `aes-gcm/encrypt-direct/64` of `aes-gcm/encrypt/64`.
fn direct(id: &str) -> String {
    let mut parts: Vec<String> = id.split('/').map(str::to_owned).collect();
    if let Some(operation) = parts.get_mut(1) {
        operation.push_str("-direct");
    }
    parts.join("/")
}

/// A time with the unit that suits it.
pub fn duration(ns: f64) -> String {
    match ns.abs() {
        size if size < 1e3 => format!("{ns:.0} ns"),
        size if size < 1e6 => format!("{:.2} µs", ns / 1e3),
        _ => format!("{:.2} ms", ns / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_budget_is_a_goal_for_a_case_of_its_own() {
        let budgets = budgets().unwrap();
        let mut ids: Vec<&str> = budgets.iter().map(|budget| budget.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), budgets.len());
        for budget in &budgets {
            assert!(budget.goal_ns > budget.limit_ns.unwrap_or(0.0), "{}", budget.id);
        }
    }

    #[test]
    fn the_table_of_the_readme_has_every_goal() {
        let readme = include_str!("../README.md");
        let table = readme.split("<!-- speed -->").nth(1).unwrap();
        for budget in budgets().unwrap() {
            let row = format!("| {} | {} | ", budget.id, duration(budget.goal_ns));
            assert!(table.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_figure_of_an_earlier_run_is_none_of_this_one() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("a/b/new");
        std::fs::create_dir_all(&place).unwrap();
        let file = place.join("estimates.json");
        let text = r#"{"mean":{"point_estimate":2.0},"median":{"point_estimate":1.5}}"#;
        std::fs::write(&file, text).unwrap();
        let mut figures = Figures::appearing_in(directory.path());
        figures.started = file.metadata().unwrap().modified().unwrap();
        assert_eq!(figures.median("a/b"), Some(1.5));
        figures.started += std::time::Duration::from_secs(1);
        assert_eq!(figures.median("a/b"), None);
    }

    #[test]
    fn the_bare_call_is_named_after_its_case() {
        assert_eq!(direct("rsa/sign/2048"), "rsa/sign-direct/2048");
    }
}
