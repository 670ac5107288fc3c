//! The README's commands, run as they stand there.
//!
//! Blocks marked `sh` are one session: they run in their order, in one shell, in a scratch directory with the
//! built programs on the path. Commands that build are the gate's (`.ci/run`) to run; here it is only seen
//! that it does.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod guide;
mod house;

use std::path::{Path, PathBuf};
use std::process::Command;

use luna_tests::{artefacts, scratch};

/// What builds: too long for a test, and a test may not build what it is part of.
const RUN_BY_THE_GATE: [&str; 3] =
    ["cargo build --release", "cargo run --release", "cargo test --workspace"];

/// Programs of other people that the commands use.
const CLIENTS: [&str; 11] = [
    "curl",
    "pkcs11-tool",
    "python3",
    "p11tool",
    "openssl",
    "ssh-keygen",
    "modutil",
    "certutil",
    "keytool",
    "tar",
    "unzip",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The blocks fenced as `sh`, joined.
fn session(readme: &str) -> String {
    let mut blocks = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line.trim_end() {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => blocks.push(line),
            _ => {}
        }
    }
    assert!(!inside, "a block without an end");
    blocks.join("\n")
}

/// Every `cargo` command in code, whether fenced or indented.
fn cargo_commands(readme: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            found.extend(line.split("&&").filter_map(|part| {
                let part = part.trim_start().trim_start_matches("- run: ");
                part.starts_with("cargo ").then(|| part.trim_end())
            }));
        }
    }
    found
}

fn installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(found || !required, "{name} is not installed, and LUNA_REQUIRE_CLIENTS=1 asks for it");
    if !found {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

#[test]
fn the_session_runs_from_top_to_bottom() {
    let script = session(&readme());
    assert!(script.contains("luna-emulator up"), "the README no longer begins as it did");
    if CLIENTS.iter().any(|client| script.contains(client) && !installed(client)) {
        return;
    }
    let scratch = scratch();
    let bin = scratch.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    // The programs find the module beside themselves: the one that was built with these tests.
    for (from, name) in [
        (artefacts::program("luna-emulator"), "luna-emulator"),
        (artefacts::program("lunacm"), "lunacm"),
        (artefacts::program("luna-harness"), "luna-harness"),
        (artefacts::program("okv-sim"), "okv-sim"),
        (artefacts::program("vtl"), "vtl"),
        (artefacts::program("cmu"), "cmu"),
        (artefacts::program("configurator"), "configurator"),
        (artefacts::module(), "libCryptoki2_64.so"),
        (artefacts::spy(), "libluna_spy.so"),
    ] {
        let to = bin.join(name);
        if std::fs::hard_link(&from, &to).is_err() {
            std::fs::copy(&from, &to).unwrap();
        }
    }
    let mut path = vec![bin];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let home = scratch.path().join("work");
    std::fs::create_dir(&home).unwrap();
    // Whatever fails on the way, the key vault's server ends.
    // So do appliances, which would keep our pipes open.
    let stop = "for data in vault one two; do okv-sim --data $data stop >/dev/null 2>&1 || true; done; \
                kill $(jobs -p) 2>/dev/null || true";
    let script = format!("trap '{stop}' EXIT\n{script}");
    let done = Command::new("bash")
        .args(["-euxo", "pipefail", "-c", &script])
        .current_dir(&home)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env_remove("ChrystokiConfigurationPath")
        .env_remove("LUNA_CO_PASSWORD")
        // Another server of the machine may have the usual port.
        .env("OKV_SIM_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}\n{errors}", String::from_utf8_lossy(&done.stdout));
}

#[test]
fn what_builds_is_run_by_the_gate() {
    let readme = readme();
    let commands = cargo_commands(&readme);
    for needed in ["cargo run --release", "cargo test --workspace"] {
        assert!(commands.contains(&needed), "the README no longer tells of {needed}");
    }
    let gate = std::fs::read_to_string(root().join(".ci/run")).unwrap().replace("--quiet ", "");
    for command in commands {
        let known = RUN_BY_THE_GATE.iter().find(|known| command.starts_with(**known));
        let known = known.unwrap_or_else(|| panic!("nobody runs {command}"));
        assert!(gate.contains(known), ".ci/run does not run {known}");
    }
}

/// The limits count the curves that are not served, as the list of them does.
#[test]
fn curves_are_counted_as_they_are_listed() {
    let listed = include_str!("../data/curves.txt");
    let curves = listed.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (all, missing) =
        curves.fold((0, 0), |(all, no), line| (all + 1, no + usize::from(line.ends_with(" no"))));
    let claim = format!("{missing} of the {all} curves the vendor names");
    assert!(readme().contains(&claim), "{claim}");
}
