//! Finds the tools beside this program, and has cargo build them where it can.
//!
//! `cargo run` builds this package and the libraries it depends on; the emulator's library is one of them, so
//! the module arrives, but other packages' programs do not. When this program was started by cargo
//! (`CARGO` is set, and the program lies in a target directory), cargo is asked for them, with the same profile
//! and target directory: a no-op when they are there and fresh. So nobody works with a module of yesterday.
//! Otherwise the tools are taken as they lie, and one that is missing is an error that says what to run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The module's file name.
pub const MODULE: &str = "libCryptoki2_64.so";

/// A program of another package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `luna-emulator`.
    Emulator,
    /// `lunacm`.
    Lunacm,
}

impl Tool {
    /// Its package, and its file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emulator => "luna-emulator",
            Self::Lunacm => "lunacm",
        }
    }
}

/// The cargo that started this program.
#[derive(Debug, Clone)]
pub struct Cargo {
    /// The program: the variable `CARGO`.
    pub program: OsString,
    /// Of this package: the variable `CARGO_MANIFEST_DIR`.
    pub manifest_directory: PathBuf,
}

/// Where cargo put a program.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    target: PathBuf,
    triple: Option<String>,
    profile: String,
}

impl Layout {
    /// `TARGET/[TRIPLE/]PROFILE/program`; `None` outside of a target directory.
    fn of(program: &Path) -> Option<Self> {
        let mut directory = program.parent()?;
        if directory.ends_with("deps") {
            directory = directory.parent()?;
        }
        let profile = match directory.file_name()?.to_str()? {
            "debug" => "dev",
            other => other,
        };
        let above = directory.parent()?;
        // Cargo marks the root of a target directory by the first where it made it, and leaves the second in any.
        let is_target = |directory: &Path| {
            ["CACHEDIR.TAG", ".rustc_info.json"].iter().any(|mark| directory.join(mark).is_file())
        };
        let (target, triple) = if is_target(above) {
            (above, None)
        } else {
            let triple = above.file_name()?.to_str()?.to_owned();
            (above.parent().filter(|it| is_target(it))?, Some(triple))
        };
        Some(Self { target: target.to_owned(), triple, profile: profile.to_owned() })
    }

    fn command(&self, cargo: &Cargo, tools: &[Tool]) -> Command {
        let mut command = Command::new(&cargo.program);
        command.current_dir(&cargo.manifest_directory);
        command.arg("build").arg("--profile").arg(&self.profile);
        command.arg("--target-dir").arg(&self.target);
        if let Some(triple) = &self.triple {
            command.arg("--target").arg(triple);
        }
        for tool in tools {
            command.arg("-p").arg(tool.name());
        }
        // Both sides of an emulator are of one build.
        if tools.contains(&Tool::Emulator) {
            command.arg("-p").arg("luna-cryptoki");
        }
        // What cargo told this program about its package is not true of what it builds now, and build scripts
        // that look at it would make it build everything again.
        for (name, _) in std::env::vars_os() {
            let own = name.to_str().is_some_and(|name| {
                OF_THE_PACKAGE.iter().any(|beginning| name.starts_with(beginning))
            });
            if own {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// Variables `cargo run` and `cargo test` set for the package they run begin with these.
const OF_THE_PACKAGE: [&str; 5] =
    ["CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_PACKAGE"];

/// Builds what is wanted, if cargo started `program`; tells `say` in a line what it does.
///
/// # Errors
/// When cargo cannot be started or the build fails.
pub fn build(
    program: &Path,
    cargo: Option<&Cargo>,
    tools: &[Tool],
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let (Some(cargo), Some(layout)) = (cargo, Layout::of(program)) else { return Ok(()) };
    let mut command = layout.command(cargo, tools);
    let missing: Vec<_> =
        tools.iter().filter(|tool| beside(program, tool.name()).is_none()).collect();
    if !missing.is_empty() {
        let names: Vec<_> = tools.iter().map(|tool| tool.name()).collect();
        say(&format!("building {}, which `cargo run` leaves out", names.join(" and ")));
    }
    let status = command.status().context("cargo cannot be started")?;
    if !status.success() {
        bail!("cargo could not build the tools ({status})");
    }
    Ok(())
}

/// A tool beside the program.
///
/// # Errors
/// When it is not there; the text says what to run.
pub fn tool(program: &Path, tool: Tool) -> Result<PathBuf> {
    beside(program, tool.name()).with_context(|| missing(program, tool.name()))
}

/// The module beside the program.
///
/// # Errors
/// As [`tool`].
pub fn module(program: &Path) -> Result<PathBuf> {
    beside(program, MODULE).with_context(|| missing(program, MODULE))
}

/// Another library beside the program.
///
/// # Errors
/// As [`tool`].
pub fn library(program: &Path, name: &str) -> Result<PathBuf> {
    beside(program, name).with_context(|| missing(program, name))
}

fn missing(program: &Path, name: &str) -> String {
    let directory = program.parent().unwrap_or(program).display();
    format!("{name} is not in {directory}; `cargo build --release` in the repository builds it")
}

/// Beside the program, among cargo's dependencies, or in the `lib` beside its `bin`.
fn beside(program: &Path, name: &str) -> Option<PathBuf> {
    let mut directory = program.parent()?;
    if directory.ends_with("deps") {
        directory = directory.parent()?;
    }
    [directory.join(name), directory.join("deps").join(name), directory.join("../lib").join(name)]
        .into_iter()
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn target() -> tempfile::TempDir {
        marked("CACHEDIR.TAG")
    }

    fn marked(mark: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(mark), "").unwrap();
        directory
    }

    #[test]
    fn profile_and_target_are_read_from_the_programs_place() {
        // A directory that was there before cargo came has no tag.
        let before = marked(".rustc_info.json");
        let program = before.path().join("release/luna-harness");
        assert_eq!(Layout::of(&program).unwrap().target, before.path());
        let target = target();
        let root = target.path().to_owned();
        let layout = |path: &str| Layout::of(&root.join(path));
        let expected = |triple: Option<&str>, profile: &str| Layout {
            target: root.clone(),
            triple: triple.map(str::to_owned),
            profile: profile.into(),
        };
        assert_eq!(layout("release/luna-harness"), Some(expected(None, "release")));
        assert_eq!(layout("debug/luna-harness"), Some(expected(None, "dev")));
        assert_eq!(layout("debug/deps/okv-1234"), Some(expected(None, "dev")));
        assert_eq!(
            layout("x86_64-unknown-linux-musl/fast/luna-harness"),
            Some(expected(Some("x86_64-unknown-linux-musl"), "fast"))
        );
        assert_eq!(Layout::of(Path::new("/usr/local/bin/luna-harness")), None);
    }

    #[test]
    fn cargo_builds_with_the_same_profile_into_the_same_place() {
        let cargo = Cargo { program: "cargo".into(), manifest_directory: "/src".into() };
        let layout =
            Layout { target: "/t".into(), triple: Some("tr".into()), profile: "release".into() };
        let command = layout.command(&cargo, &[Tool::Emulator, Tool::Lunacm]);
        let arguments: Vec<_> = command.get_args().map(|it| it.to_str().unwrap()).collect();
        let expected = "build --profile release --target-dir /t --target tr -p luna-emulator -p lunacm \
                        -p luna-cryptoki";
        assert_eq!(arguments.join(" "), expected);
    }

    #[test]
    fn a_missing_tool_says_what_to_run() {
        let target = target();
        let program = target.path().join("release/luna-harness");
        let error = tool(&program, Tool::Lunacm).unwrap_err().to_string();
        assert!(error.starts_with("lunacm is not in ") && error.contains("cargo build"), "{error}");
        let deps = target.path().join("release/deps");
        fs::create_dir_all(&deps).unwrap();
        fs::write(deps.join(MODULE), "").unwrap();
        assert_eq!(module(&program).unwrap(), deps.join(MODULE));
    }

    #[test]
    fn without_cargo_nothing_is_built() {
        let target = target();
        let program = target.path().join("release/luna-harness");
        let mut said = Vec::new();
        let mut say = |line: &str| said.push(line.to_owned());
        build(&program, None, &[Tool::Lunacm], &mut say).unwrap();
        let cargo = Cargo { program: "/bin/false".into(), manifest_directory: "/".into() };
        let elsewhere = Path::new("/usr/local/bin/luna-harness");
        build(elsewhere, Some(&cargo), &[Tool::Lunacm], &mut say).unwrap();
        assert!(build(&program, Some(&cargo), &[Tool::Lunacm], &mut say).is_err());
        assert_eq!(said, ["building lunacm, which `cargo run` leaves out"]);
    }
}
