//! The README's table of the integration guide: every page of it is there, and every place it names exists.

use std::collections::BTreeSet;
use std::process::Command;

use luna_tests::artefacts;

use crate::{readme, root};

const HEAD: &str = "| guide, page | step | console | command line, JSON | proof |";

/// Pages of the guide that have steps.
const PAGES: std::ops::RangeInclusive<u32> = 5..=24;

/// The cells of each row.
fn table() -> Vec<[String; 5]> {
    let readme = readme();
    let (_, rest) = readme.split_once(HEAD).expect("the table of the guide");
    let rows: Vec<_> = rest
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let cells: [&str; 5] = cells.try_into().unwrap_or_else(|it| panic!("{it:?}"));
            cells.map(str::to_owned)
        })
        .collect();
    assert!(rows.len() > 15, "{rows:?}");
    rows
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The pages at the beginning of a first cell: `5`, `12 and 13`, `15 to 24`.
fn pages(cell: &str) -> Vec<u32> {
    let pages = cell.split(',').next().unwrap();
    let numbers: Vec<u32> = pages.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match (pages.contains(" to "), numbers.as_slice()) {
        (true, [first, last]) => (*first..=*last).collect(),
        (false, [_, ..]) => numbers,
        _ => panic!("no page in `{cell}`"),
    }
}

fn said(program: &str, words: &[&str]) -> String {
    let done = Command::new(artefacts::program(program)).args(words).output().unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn is_not_built(cell: &str) -> bool {
    cell == "not built yet" || cell == "–"
}

#[test]
fn every_page_of_the_guide_has_its_row() {
    let covered: BTreeSet<_> = table().iter().flat_map(|row| pages(&row[0])).collect();
    let missing: Vec<_> = PAGES.filter(|page| !covered.contains(page)).collect();
    assert!(missing.is_empty(), "no row for the pages {missing:?}");
    // What scenarios say they walk is in the table as well.
    let directory = root().join("harness/scenarios");
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("page = \"")) {
            let page: u32 = line.split(',').next().unwrap().parse().unwrap();
            assert!(covered.contains(&page), "{line}");
        }
    }
}

#[test]
fn every_proof_is_a_file_or_a_scenario() {
    let listed = said("luna-harness", &["okv", "--list"]);
    let scenarios: BTreeSet<_> =
        listed.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    for row in table().iter().filter(|row| !is_not_built(&row[4])) {
        let mut before = "";
        for (at, part) in row[4].split('`').enumerate() {
            if at % 2 == 1 && before.ends_with("scenario ") {
                assert!(scenarios.contains(part), "no scenario `{part}`");
            } else if at % 2 == 1 {
                assert!(root().join(part).exists(), "no `{part}`");
            }
            before = part;
        }
        assert!(!quoted(&row[4]).is_empty(), "no proof: {row:?}");
    }
}

#[test]
fn every_command_and_service_is_there() {
    let services = said("okv-sim", &["okv"]);
    let is_service = |words: &str| {
        services.lines().any(|line| line.trim().starts_with(&format!("okv {words} ")))
    };
    for row in table() {
        for command in quoted(&row[3]) {
            let words: Vec<_> = command.split_whitespace().collect();
            let known = match words.as_slice() {
                ["lunacm"] => !said("lunacm", &["--help"]).is_empty(),
                [program @ ("luna-emulator" | "okv-sim" | "luna-harness"), verb, options @ ..] => {
                    let help = said(program, &[verb, "--help"]);
                    let mut options = options.iter().filter(|word| word.starts_with("--"));
                    help.contains("Usage:") && options.all(|option| help.contains(option))
                }
                ["--user" | "--node-listen" | "CheckAccess" | "Chrystoki.conf"] => true,
                [_, _, _] => is_service(command),
                // A command of okv-sim, named in short.
                [_] | [_, _] => {
                    said("okv-sim", &[&words[..], &["--help"]].concat()).contains("Usage:")
                }
                _ => false,
            };
            assert!(known, "`{command}` in {row:?}");
        }
    }
}

#[test]
fn every_page_of_the_console_has_these_words() {
    let mut words = String::new();
    for place in ["okv-sim/releases", "okv-sim/templates", "okv-sim/src/server/console"] {
        for entry in std::fs::read_dir(root().join(place)).unwrap() {
            words.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
    }
    for row in table().iter().filter(|row| !is_not_built(&row[2])) {
        for name in row[2].split(", ") {
            assert!(words.contains(name), "the console has no `{name}`: {row:?}");
        }
    }
}
