//! The key vault's endpoints: PyKMIP as a stranger's client, with what enrolment gave it, against a real server whose
//! root of trust is the emulated HSM; and peers that do what no client does.
//!
//! PyKMIP lives in the virtual environment that `.ci/run` makes. Without it its tests are skipped with a notice, unless
//! `LUNA_REQUIRE_CLIENTS=1`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod endurance;
mod life;
#[path = "../clients/server.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod server;
mod sharing;
mod strangers;
#[path = "../console/vault.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod vault;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use luna_tests::{Instance, artefacts, scratch};
use serde_json::Value;
use tempfile::TempDir;

use crate::vault::Vault;

/// What `vault.rs` asks of the console's tests.
mod sshd {
    pub(crate) const PASSWORD: &str = "no backup leaves here";
}

const RELEASE: &str = "21.3";

/// The interpreter that knows PyKMIP; `None` after a notice when there is none.
fn python() -> Option<PathBuf> {
    let target = artefacts::directory().parent().expect("a profile lies in a directory").to_owned();
    let python = target.join("clients-venv/bin/python");
    let found = Command::new(&python)
        .args(["-c", "import kmip.pie.client"])
        .output()
        .is_ok_and(|done| done.status.success());
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(
        found || !required,
        "no PyKMIP in target/clients-venv, and LUNA_REQUIRE_CLIENTS=1 asks for it"
    );
    if !found {
        eprintln!("skipped: there is no PyKMIP in target/clients-venv");
    }
    found.then_some(python)
}

/// A server with its HSM, and where its endpoints have their directories.
struct Site {
    python: PathBuf,
    scratch: TempDir,
}

impl Site {
    fn new() -> Option<Self> {
        Some(Self { python: python()?, scratch: scratch() })
    }

    /// A server with an HSM as its root of trust.
    #[track_caller]
    fn vault<'a>(&self, instance: &'a Instance) -> Vault<'a> {
        let vault = Vault::start(instance, &self.scratch.path().join("vault"), RELEASE);
        vault.tells(&[
            "initialize",
            "--token-label",
            "OKV",
            "--pin-env",
            "THE_PIN",
            "--passphrase-env",
            "THE_PASSPHRASE",
        ]);
        vault
    }

    fn directory(&self, endpoint: &str) -> PathBuf {
        self.scratch.path().join(endpoint)
    }

    /// Registers an endpoint and enrols it; its token, which is used up.
    #[track_caller]
    fn enrol(&self, vault: &Vault<'_>, endpoint: &str) -> String {
        let token = service(vault, "admin endpoint create", &["--endpoint", endpoint]);
        let token = token["enrollmentToken"].as_str().unwrap().to_owned();
        redeem(vault, &token, &self.directory(endpoint));
        token
    }

    /// Runs the endpoint's program.
    fn run(&self, endpoint: &str, words: &[&str]) -> Output {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/python/use_pykmip.py");
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(source).arg(self.directory(endpoint)).args(words);
        command.env("HOME", self.scratch.path()).output().unwrap()
    }

    /// What a program says that must succeed.
    #[track_caller]
    fn tells(&self, endpoint: &str, words: &[&str]) -> String {
        let done = self.run(endpoint, words);
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        assert!(
            done.status.success(),
            "{words:?}: {said}{}",
            String::from_utf8_lossy(&done.stderr)
        );
        said
    }

    /// The reason with which a program must be refused.
    #[track_caller]
    fn refuses(&self, endpoint: &str, words: &[&str]) -> String {
        let done = self.run(endpoint, words);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success(), "{words:?} was not refused");
        let refused = said.lines().find_map(|line| line.strip_prefix("refused: "));
        let refused = refused.unwrap_or_else(|| panic!("{words:?}: {said}"));
        refused.split(':').next().unwrap().to_owned()
    }

    /// The server came back at another port.
    fn moved(&self, vault: &Vault<'_>, endpoint: &str) {
        let text = format!("SERVER={}\nSTANDBY_SERVER=\nSSL_DIR=ssl\n", vault.kmip);
        std::fs::write(self.directory(endpoint).join("okvclient.ora"), text).unwrap();
    }
}

/// The value that a service gives.
#[track_caller]
fn service(vault: &Vault<'_>, name: &str, options: &[&str]) -> Value {
    let mut words = vec!["--json", "okv"];
    words.extend(name.split(' '));
    words.extend(options);
    let answer: Value = serde_json::from_str(&vault.tells(&words)).unwrap();
    answer["value"].clone()
}

fn redeeming(vault: &Vault<'_>, token: &str, directory: &Path) -> Output {
    use std::io::Write as _;
    use std::process::Stdio;

    let mut command = vault.command();
    command.arg("enroll").arg(directory);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{token}").unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn redeem(vault: &Vault<'_>, token: &str, directory: &Path) {
    let done = redeeming(vault, token, directory);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Everything in a directory, file by file.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found
}
