//! Python with nothing but `ctypes`: functions looked up by name, as the vendor's own package does.
//!
//! The program goes through what that package's functional tests go through; the list of its themes is
//! here, so that one that is dropped is noticed.

use std::path::Path;

use crate::{CRYPTO_OFFICER, Instance, installed, run, text};

const THEMES: &[&str] = &[
    "cpv4",
    "digests",
    "encryption",
    "tokens",
    "management",
    "keys",
    "chance",
    "objects",
    "signatures",
    "limits",
    "wrapping",
    "sharing",
    "end",
];

#[test]
fn a_client_with_nothing_but_ctypes_works() {
    let Some(python) = installed("python3") else { return };
    let instance = Instance::up(&["--fips", "off", "--ha", "LUNAHA=OKV,OKV"]);
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/python/use_ctypes.py");
    let told = run(&instance, &python, &["-B", text(&program), CRYPTO_OFFICER]);
    let held: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("held: ")).collect();
    assert_eq!(held, THEMES, "{told}");
}
