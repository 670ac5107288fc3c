//! Where cargo put what it built: the module, and the programs beside it.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Programs that tests start: the package, and the program.
const PROGRAMS: &[(&str, &str)] = &[
    ("luna-emulator", "luna-emulator"),
    ("lunacm", "lunacm"),
    ("luna-harness", "luna-harness"),
    ("okv-sim", "okv-sim"),
    ("luna-tools", "vtl"),
    ("luna-tools", "cmu"),
    ("luna-tools", "configurator"),
];

const LIBRARY: &str = "libCryptoki2_64.so";

/// The directory of the profile: `target/debug`, `target/release`.
pub fn directory() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a file");
    let deps = program.parent().expect("tests lie in a directory");
    deps.parent().expect("the directory of tests lies in that of the profile").to_owned()
}

/// The module: the one that `LUNA_RELEASE_MODULE` names, or the one cargo built for these tests.
pub fn module() -> PathBuf {
    if let Some(path) = std::env::var_os("LUNA_RELEASE_MODULE") {
        let path = PathBuf::from(path);
        return path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let built = directory().join("deps").join(LIBRARY);
    assert!(built.is_file(), "{}: cargo builds it for these tests", built.display());
    built
}

/// A program of the workspace.
///
/// `cargo test --workspace` builds all of them; when these tests are run alone, those that are missing are built
/// here. Such a run does not notice that a program is older than its source: build it first.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build_programs);
    let path = directory().join(name);
    assert!(path.is_file(), "{}: not built", path.display());
    path
}

/// The library that stands between an application and its module.
pub fn spy() -> PathBuf {
    library("luna-spy", "libluna_spy.so")
}

/// The library that passes calls on and breaks one rule.
pub fn shim() -> PathBuf {
    library("luna-shim", "libluna_shim.so")
}

/// A library other than the module, which its own package's tests have cargo build.
fn library(package: &str, file: &str) -> PathBuf {
    let directory = directory();
    let places = [directory.join("deps").join(file), directory.join(file)];
    let is_there = || places.iter().find(|path| path.is_file()).cloned();
    is_there().unwrap_or_else(|| {
        build(&["-p", package], &|| is_there().is_some());
        is_there().unwrap_or_else(|| panic!("{file}: not built"))
    })
}

fn build_programs() {
    let directory = directory();
    let are_there = || PROGRAMS.iter().all(|(_, it)| directory.join(it).is_file());
    if are_there() {
        return;
    }
    let packages: Vec<&str> = PROGRAMS.iter().flat_map(|(package, _)| ["-p", *package]).collect();
    build(&packages, &are_there);
}

/// Has cargo build packages, unless what is wanted of them is there by then.
fn build(packages: &[&str], are_there: &dyn Fn() -> bool) {
    let directory = directory();
    // Several test programs may find them missing at the same time.
    let lock = File::create(directory.join("luna-tests.lock")).expect("a lock beside the programs");
    lock.lock().expect("the lock is ours in the end");
    if are_there() {
        return;
    }
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--profile", profile])
        .args(packages)
        .arg("--target-dir")
        .arg(directory.parent().expect("a profile lies in the target directory"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(status.success(), "cargo could not build the programs");
}
