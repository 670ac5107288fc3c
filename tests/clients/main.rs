//! Real client programs against the module: OpenSC, Java, GnuTLS, OpenSSL.
//!
//! A program that is not installed is told of and passed over; under `LUNA_REQUIRE_CLIENTS=1` its absence is
//! a failure.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests: what fails here fails a test, with its reason"
)]

mod java;
mod opensc;
mod others;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use luna_tests::{CRYPTO_OFFICER, Instance, scratch};

/// The program, where it is installed.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(!required, "{name} is not installed, and LUNA_REQUIRE_CLIENTS=1 asks for it");
        eprintln!("skipped: {name} is not installed");
    }
    found
}

/// Runs a client with the instance's environment; its output when it ended well.
#[track_caller]
fn run(instance: &Instance, program: &Path, words: &[&str]) -> String {
    let done = output(instance, program, words);
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{} {words:?}: {}\n{out}\n{err}",
        program.display(),
        done.status
    );
    out
}

fn output(instance: &Instance, program: &Path, words: &[&str]) -> Output {
    Command::new(program)
        .args(words)
        .env("ChrystokiConfigurationPath", instance.directory())
        .env_remove("LUNA_EMULATOR_LOG")
        .output()
        .expect("an installed program starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our own paths are text")
}
