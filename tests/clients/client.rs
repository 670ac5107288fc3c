//! Finds and runs client programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use luna_tests::{HANG, Instance};

/// The program, where it is installed.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Daemons lie where the path of a plain user does not lead.
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    found(name, directories.map(|directory| directory.join(name)))
}

/// The first of these files that is there.
pub(crate) fn found(what: &str, mut files: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let found = files.find(|path| path.is_file());
    if found.is_none() {
        let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(!required, "{what} is not installed, and LUNA_REQUIRE_CLIENTS=1 asks for it");
        eprintln!("skipped: {what} is not installed");
    }
    found
}

/// A client that is pointed to the instance, and ended when it hangs.
pub(crate) fn command(instance: &Instance, program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &HANG.as_secs().to_string()])
        .arg(program)
        .env("ChrystokiConfigurationPath", instance.directory())
        // What is seen and signed shall be the instance's alone.
        .env_remove("LUNA_EMULATOR_LOG")
        .env_remove("OPENSSL_CONF")
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null());
    command
}

/// Standard output and standard error of a client, which must end well.
#[track_caller]
pub(crate) fn said(command: &mut Command) -> (String, String) {
    let done = command.output().expect("an installed program starts");
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{command:?}: {}\n{out}\n{err}", done.status);
    (out, err)
}

/// Standard output of a client, which must end well.
#[track_caller]
pub(crate) fn run(instance: &Instance, program: &Path, words: &[&str]) -> String {
    said(command(instance, program).args(words)).0
}

/// A client's end, whichever it is.
pub(crate) fn output(instance: &Instance, program: &Path, words: &[&str]) -> Output {
    command(instance, program).args(words).output().expect("an installed program starts")
}

/// A path as a word of a command.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("our own paths are text")
}
