//! Rules of the house that a machine can see: where `unsafe` may stand, and how long files get.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::root;

/// About 800: CONTRIBUTING.
const LINES_MAX: usize = 820;

/// Every Rust file of the workspace, by its path within it.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories: Vec<_> =
        ["emulator", "harness", "okv-sim", "benches", "tests"].map(|name| root().join(name)).into();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    directories.push(path);
                }
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The rooms that CONTRIBUTING names.
fn rooms() -> BTreeSet<String> {
    let text = read(Path::new("CONTRIBUTING.md"));
    let (_, table) = text.split_once("<!-- unsafe -->").expect("the table");
    let (table, _) = table.split_once("<!-- end of unsafe -->").expect("its end");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells
        .flat_map(|cell| cell.split(", "))
        .filter_map(|path| Some(path.strip_prefix('`')?.strip_suffix('`')?.to_owned()))
        .collect()
}

/// The lint is denied for the workspace, so `unsafe` is where a file lets it in, or below.
#[test]
fn unsafe_stands_where_the_house_lets_it() {
    let rooms = rooms();
    let mut used = BTreeSet::new();
    let mut strange = Vec::new();
    for path in sources() {
        let text = read(&path);
        let lets_in = text.lines().any(|line| {
            let line = line.trim_start();
            line.starts_with("#![allow(unsafe_code")
                || line.starts_with("#[allow(unsafe_code")
                || line.starts_with("unsafe_code,")
        });
        if !lets_in {
            continue;
        }
        match rooms.iter().find(|room| path.starts_with(room)) {
            Some(room) => {
                used.insert(room.clone());
            }
            None => strange.push(path),
        }
    }
    assert!(strange.is_empty(), "CONTRIBUTING does not name {strange:#?}");
    assert_eq!(used, rooms, "CONTRIBUTING names rooms that have no unsafe");
}

/// A crate without the workspace's lints would be let off everything.
#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let workspace = read(Path::new("Cargo.toml"));
    assert!(workspace.contains("unsafe_code = \"deny\""));
    let mut directories: BTreeSet<PathBuf> = BTreeSet::new();
    for path in sources() {
        directories.extend(path.ancestors().skip(1).map(Path::to_owned));
    }
    let mut crates = 0;
    for directory in directories.iter().filter(|it| !it.as_os_str().is_empty()) {
        let manifest = directory.join("Cargo.toml");
        if root().join(&manifest).is_file() {
            let lints = read(&manifest).contains("[lints]\nworkspace = true");
            assert!(lints, "{} does without the lints", manifest.display());
            crates += 1;
        }
    }
    assert!(crates > 10, "{crates} crates were found");
}

#[test]
fn no_file_is_longer_than_a_reader_bears() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "longer than {LINES_MAX} lines: {long:#?}");
}
