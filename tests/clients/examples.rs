//! The applications of `tests/examples`, each on a group whose members fail by the plans there.

use std::path::{Path, PathBuf};
use std::process::Command;

use luna_tests::artefacts;

use crate::{HANG, installed, scratch, text};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Runs it as its README says; all of the plans must have happened, and the application must have lived with it.
#[track_caller]
fn lives_with_the_plans(command: &[&str]) {
    let directory = scratch();
    let bin = directory.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (from, name) in [
        (artefacts::program("luna-emulator"), "luna-emulator"),
        (artefacts::module(), "libCryptoki2_64.so"),
    ] {
        std::fs::copy(from, bin.join(name)).unwrap();
    }
    let mut path = vec![bin];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let done = Command::new("timeout")
        .args(["--kill-after=5", &HANG.as_secs().to_string()])
        .arg(examples().join("on-a-failing-group"))
        .args(command)
        .current_dir(directory.path())
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("TMPDIR", directory.path())
        .env_remove("ChrystokiConfigurationPath")
        .env_remove("LUNA_CO_PASSWORD")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}\n{errors}");
    assert!(told.contains("20 signatures, all verified"), "{told}");
    for effect in ["lose-answer", "cut", "delay"] {
        let happened = told.lines().any(|line| line.contains(&format!("| {effect} ")));
        assert!(happened, "{effect} did not happen:\n{told}");
    }
}

#[test]
fn an_application_in_c_lives_with_the_plans() {
    let Some(cc) = installed("cc") else { return };
    let directory = scratch();
    let program = directory.path().join("sign");
    let source = examples().join("c/sign.c");
    let built = Command::new(cc)
        .args(["-Wall", "-o", text(&program), text(&source), "-ldl"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && told.is_empty(), "{told}");
    lives_with_the_plans(&[text(&program)]);
}

#[test]
fn an_application_in_java_lives_with_the_plans() {
    let Some(java) = installed("java") else { return };
    lives_with_the_plans(&[text(&java), text(&examples().join("java/Sign.java"))]);
}

#[test]
fn an_application_in_python_lives_with_the_plans() {
    let Some(python) = crate::python::interpreter() else { return };
    lives_with_the_plans(&[text(&python), "-B", text(&examples().join("python/sign.py"))]);
}

#[test]
fn an_application_in_rust_lives_with_the_plans() {
    lives_with_the_plans(&[env!("CARGO_BIN_EXE_example-sign")]);
}
