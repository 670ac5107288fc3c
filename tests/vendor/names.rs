//! Every name of the vendor's list: one that matters is served, or refused for a reason with a source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use luna_ck::CKR_FUNCTION_NOT_SUPPORTED;
use luna_client::Rv;
use luna_tests::Instance;

use crate::call::ca;

/// Name and letter, from the committed copy of the vendor's list.
fn listed() -> BTreeMap<&'static str, char> {
    include_str!("../data/vendor_functions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split(' ');
            let (name, letter) = (words.next().unwrap(), words.next().expect("a letter"));
            (name, letter.chars().next().unwrap())
        })
        .collect()
}

/// Rows of the README's table: name, and what the module does.
fn told() -> BTreeMap<String, String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let (_, table) = readme.split_once("<!-- vendor functions -->").expect("the table");
    let (table, _) = table.split_once("<!-- end of vendor functions -->").expect("its end");
    table
        .lines()
        .filter_map(|line| line.strip_prefix("| `CA_"))
        .map(|line| {
            let mut cells = line.split('|').map(str::trim);
            let name = format!("CA_{}", cells.next().unwrap().trim_end_matches('`'));
            let _letter = cells.next();
            (name, cells.next().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn every_name_that_matters_is_served_or_refused() {
    let told = told();
    let mut left: BTreeSet<&str> = BTreeSet::new();
    for (name, letter) in listed() {
        let served = told.get(name).unwrap_or_else(|| panic!("the README does not tell of {name}"));
        if letter != 'C' && served == "no" {
            left.insert(name);
        }
    }
    assert!(left.is_empty(), "neither served nor refused: {left:#?}");
}

/// What the table calls not served says so when it is called, and nothing else does.
#[test]
fn what_is_not_served_says_so() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let listed = listed();
    for (name, served) in told() {
        if served == "no" {
            assert!(listed.contains_key(name.as_str()), "{name} is no name of the vendor's");
            assert_eq!(ca(&context, &name, &[]), Rv(CKR_FUNCTION_NOT_SUPPORTED), "{name}");
        }
    }
}

/// A call that nobody serves is told of in the log once, however often it is made.
#[test]
fn a_function_that_is_not_served_is_logged_once() {
    let instance = Instance::up(&[]);
    let log = instance.directory().join("calls.log");
    let named = format!("Emulator = {{\n   LogFile = {};", log.display());
    let view = instance.seen_otherwise("logged", |text| text.replace("Emulator = {", &named));
    let module = luna_client::Module::load(instance.module()).unwrap();
    let context = module.initialize(luna_tests::init_args(&view)).unwrap();
    for _ in 0..3 {
        ca(&context, "CA_ReadCommonStore", &[]);
    }
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches("CA_ReadCommonStore").count(), 1, "{text}");
}
