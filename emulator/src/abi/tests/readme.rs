//! The README's table of the vendor's functions, made from the list of functions.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::abi::functions::{FUNCTIONS, Service, Table};

/// Name, letter and phrase of every function of the vendor's.
fn described() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    include_str!("../../../../tests/data/vendor_functions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().unwrap();
            (word(), (word(), word()))
        })
        .collect()
}

fn table() -> String {
    let described = described();
    let mut table =
        String::from("| function | tier | served | what it is for |\n|---|---|---|---|\n");
    for function in FUNCTIONS.iter().filter(|it| it.table == Table::Vendor) {
        let (letter, phrase) = described[function.name];
        let served = match function.service {
            Service::Served => "yes",
            Service::Refused => "refused",
            Service::Unserved => "no",
        };
        writeln!(table, "| `{}` | {letter} | {served} | {phrase} |", function.name).unwrap();
    }
    table
}

#[test]
fn every_function_is_described() {
    let described = described();
    for function in FUNCTIONS.iter().filter(|it| it.table == Table::Vendor) {
        assert!(described.contains_key(function.name), "{}", function.name);
    }
    assert_eq!(described.len(), crate::abi::tables::VENDOR_FUNCTIONS);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a switch of this test, not of the module")]
fn the_readme_has_the_table_of_vendor_functions() {
    let write = std::env::var_os("LUNA_WRITE_README").is_some();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (from, to) = ("<!-- vendor functions -->\n", "<!-- end of vendor functions -->");
    let start = readme.find(from).unwrap() + from.len();
    let end = readme.find(to).unwrap();
    let mut fresh = readme.clone();
    fresh.replace_range(start..end, &format!("\n{}\n", table()));
    if write {
        std::fs::write(path, &fresh).unwrap();
    }
    assert!(
        readme == fresh || write,
        "the README's table of vendor functions is old: write it with LUNA_WRITE_README=1"
    );
}
