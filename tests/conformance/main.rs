//! `luna-harness conformance` on the emulator, on SoftHSM 2 and on NSS' softoken, each held against its file of
//! expectations in `harness/conformance/expected`; probe and diff; the rate of breaches that are noticed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod others;

use std::path::PathBuf;
use std::process::{Command, Output};

use luna_tests::artefacts;

fn harness() -> Command {
    let mut command = Command::new(artefacts::program("luna-harness"));
    command.env_remove("ChrystokiConfigurationPath").env_remove("CARGO");
    command
}

fn expected(name: &str) -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.join("../harness/conformance/expected").join(format!("{name}.toml"))
}

#[track_caller]
fn held(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
}

/// The whole suite on a private emulator, against the files of these names.
#[track_caller]
fn emulator_of(names: &[&str], options: &[&str]) {
    let mut command = harness();
    command.arg("conformance").args(options);
    for name in names {
        command.arg("--expect").arg(expected(name));
    }
    held(&command.output().unwrap());
}

#[track_caller]
fn emulator(name: &str, options: &[&str]) {
    emulator_of(&[name], options);
}

#[test]
fn the_default_profile() {
    emulator("luna-7.4.0", &[]);
}

#[test]
fn the_default_profile_in_fips_mode() {
    emulator("luna-7.4.0-fips", &["--fips", "on"]);
}

#[test]
fn firmware_7_8_4() {
    emulator("luna-7.8.4", &["--profile", "luna-7.8.4"]);
    emulator("luna-7.8.4-fips", &["--profile", "luna-7.8.4", "--fips", "on"]);
}

#[test]
fn firmware_7_9_0() {
    emulator("luna-7.9.0", &["--profile", "luna-7.9.0"]);
    emulator("luna-7.9.0-fips", &["--profile", "luna-7.9.0", "--fips", "on"]);
}

/// A PED takes the Partition SO's passwords away, and nothing else that a check asks.
#[test]
fn partitions_with_a_ped() {
    for firmware in ["luna-7.4.0", "luna-7.8.4", "luna-7.9.0"] {
        emulator_of(&[firmware, "ped"], &["--profile", &format!("{firmware}-ped")]);
    }
    let options = ["--profile", "luna-7.9.0-ped", "--fips", "on"];
    emulator_of(&["luna-7.9.0-fips", "ped"], &options);
}

#[test]
fn the_cloud() {
    emulator_of(&["luna-7.8.4", "luna-cloud"], &["--profile", "luna-cloud"]);
    let options = ["--profile", "luna-cloud", "--fips", "on"];
    emulator_of(&["luna-7.8.4-fips", "luna-cloud", "luna-cloud-fips"], &options);
}

#[test]
fn a_group() {
    emulator("luna-7.4.0-fips-group", &["--ha", "--fips", "on"]);
}

#[test]
fn breaches_are_noticed() {
    held(&harness().arg("mutants").output().unwrap());
}

/// A profile that was observed says of the partition it was observed on what that says itself.
#[test]
fn what_was_probed_differs_in_nothing() {
    for profile in ["luna-7.4.0", "luna-7.8.4", "luna-7.9.0"] {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("observed.toml");
        let probed =
            harness().args(["probe", "--profile", profile, "--output"]).arg(&file).output();
        held(&probed.unwrap());
        let emulator = format!("emulator:{profile}");
        held(&harness().args(["diff", &emulator]).arg(&file).output().unwrap());
        // And an emulator that loaded it is the same as the one it was observed on.
        let loaded = format!("emulator:{}", file.display());
        let output = harness().args(["diff", &emulator, &loaded]).output().unwrap();
        held(&output);
    }
}

#[test]
fn a_read_only_run_leaves_no_call_that_makes_something() {
    let output =
        harness().args(["conformance", "--dry-run", "--module", "/nowhere/libm.so"]).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let asked = text.split("\n").filter(|line| line.ends_with("; asks")).count();
    assert!(asked > 300, "{asked}");
    for block in text.split("\ncipher.").skip(1) {
        assert!(block.contains("left out, needs --allow create"), "{block:.200}");
    }
}
