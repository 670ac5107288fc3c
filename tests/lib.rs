//! What tests across the C boundary share: the built files, instances of their own, and child processes.
//!
//! [`artefacts`] finds what cargo built; [`Instance`] is an HSM, or a group of them, that one test has to
//! itself; [`child`] runs a part of a test in another process, so that a crash there is a failed assertion
//! here. What is true of the module is said in the themes, one folder each; nothing here decides it.
//!
//! Environment: `LUNA_TEST_MODE=network` puts every [`Instance`] behind appliances, one an HSM;
//! `LUNA_RELEASE_MODULE` names a module to test instead of the one cargo built with the tests;
//! `LUNA_SEED` repeats a random test; `LUNA_NIST_VECTORS` is the directory of the Python package
//! `cryptography-vectors`; `LUNA_REQUIRE_CLIENTS=1` makes a missing external program, or those vectors, a failure.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests: what fails here fails a test, with its reason"
)]

pub mod appliance;
pub mod artefacts;
pub mod child;
mod instance;
mod seed;

pub use self::appliance::Appliance;
pub use self::instance::{
    CRYPTO_OFFICER, Instance, Partition, first_slot, init_args, is_networked, officer, scratch,
};
pub use self::seed::Seeded;

/// A line for whoever reads the log of a run: how much a test went through. The test harness shows what a
/// test prints only where it failed, so this goes past it.
pub fn told(line: &str) {
    use std::io::Write as _;
    // Nobody may listen.
    let _ = std::io::stderr().lock().write_all(format!("\n    walked: {line}\n").as_bytes());
}

/// What is waited for at most, anywhere: far above what anything takes on a busy machine, so that only a
/// hang meets it.
pub const HANG: std::time::Duration = std::time::Duration::from_secs(120);
