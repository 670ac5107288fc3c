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

/// Functions that tests reach by a method of the safe client: the file below `tests`, and what it says.
const BY_METHOD: &[(&str, &str, &str)] = &[
    ("CA_CheckOperationState", "vendor/applications.rs", ".is_operation_active("),
    ("CA_DecapsulateKey", "token/lattice.rs", ".decapsulate("),
    ("CA_EncapsulateKey", "token/lattice.rs", ".encapsulate("),
    ("CA_GetFirmwareVersion", "configuration/profiles.rs", ".firmware_version("),
    ("CA_GetTokenCapabilities", "vendor/policy_walk.rs", ".token_capabilities("),
    ("CA_GetTokenObjectHandle", "token/vendor_attributes.rs", ".token_object_handle("),
    ("CA_GetTokenObjectUID", "token/vendor_attributes.rs", ".token_object_uid("),
    ("CA_GetTokenPolicies", "vendor/policy_walk.rs", ".token_policies("),
    ("CA_GetTokenStorageInformation", "vendor/administration/containers.rs", ".token_storage("),
    ("CA_InitRolePIN", "vendor/administration/roles.rs", ".init_role_pin("),
    ("CA_ModifyUsageCount", "token/vendor_attributes.rs", ".modify_usage_count("),
    ("CA_ResetPIN", "vendor/administration/hsm_policies.rs", ".reset_pin("),
    ("CA_RoleStateGet", "vendor/administration/roles.rs", ".role_state("),
    ("CA_SetCloningDomain", "vendor/cloning.rs", ".set_cloning_domain("),
    ("CA_SetTokenPolicies", "vendor/policy_walk.rs", ".set_token_policies("),
];

fn tests() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The sources of this theme, without this file.
fn theme() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for directory in ["vendor", "vendor/administration"] {
        for entry in std::fs::read_dir(tests().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".rs") && name != "names.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push((format!("{directory}/{name}"), text));
            }
        }
    }
    sources
}

/// Every name of tiers A and B stands in a test of this theme, in a call whose answer is checked (that
/// is all the calls there are: `call` and `administration/hsm` offer no other), or is reached by a
/// method of the safe client in a test that is named here.
#[test]
fn every_name_that_matters_is_called_by_a_test() {
    let sources = theme();
    let (mut left, mut by_method) = (Vec::new(), 0);
    let wanted: Vec<_> = listed().into_iter().filter(|(_, letter)| *letter != 'C').collect();
    for (name, _) in &wanted {
        let quoted = format!("\"{name}\"");
        if sources.iter().any(|(_, text)| text.contains(&quoted)) {
            continue;
        }
        let method = BY_METHOD.iter().find(|(of, ..)| of == name);
        let reached = method.is_some_and(|(_, file, text)| {
            std::fs::read_to_string(tests().join(file)).is_ok_and(|it| it.contains(text))
        });
        if reached {
            by_method += 1;
        } else {
            left.push(*name);
        }
    }
    assert!(left.is_empty(), "no test calls {left:#?}");
    luna_tests::told(&format!(
        "vendor functions: {} of tiers A and B, {by_method} of them by a method of the safe client",
        wanted.len()
    ));
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
