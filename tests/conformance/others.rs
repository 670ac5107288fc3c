//! Modules that are not ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{expected, harness, held};

const SOFTHSM: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];
const SOFTOKN: &[&str] =
    &["/usr/lib/x86_64-linux-gnu/libsoftokn3.so", "/usr/lib/x86_64-linux-gnu/nss/libsoftokn3.so"];

fn there(places: &[&str], package: &str) -> Option<PathBuf> {
    let found = places.iter().map(Path::new).find(|path| path.exists());
    if found.is_none() {
        let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and {package} is not installed");
        eprintln!("SKIPPED: {package} is not installed, so nothing of this test was run");
    }
    found.map(Path::to_owned)
}

fn conformance(module: &Path, expectations: &str) -> Command {
    let mut command = harness();
    command.arg("conformance").arg("--module").arg(module).args(["--pin-env", "PIN"]);
    command.args(["--allow", "create", "--allow", "token-objects", "--allow", "roles"]);
    command.arg("--expect").arg(expected(expectations)).env("PIN", "user-secret");
    command
}

/// A token of SoftHSM's own making, and the environment that leads to it.
pub(super) fn softhsm() -> Option<(PathBuf, TempDir, PathBuf)> {
    let module = there(SOFTHSM, "softhsm2")?;
    let state = tempfile::tempdir().unwrap();
    let (tokens, conf) = (state.path().join("tokens"), state.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&conf, text).unwrap();
    let made = Command::new("softhsm2-util")
        .args([
            "--init-token",
            "--free",
            "--label",
            "conf",
            "--so-pin",
            "so-secret",
            "--pin",
            "user-secret",
        ])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some((module, state, conf))
}

#[test]
fn softhsm_2() {
    let Some((module, _state, conf)) = softhsm() else { return };
    let mut command = conformance(&module, "softhsm2");
    command.args(["--allow", "destructive", "--so-pin-env", "SO", "--token-label", "conf"]);
    held(&command.env("SO", "so-secret").env("SOFTHSM2_CONF", conf).output().unwrap());
}

#[test]
fn nss_softoken() {
    let Some(module) = there(SOFTOKN, "libnss3") else { return };
    let state = tempfile::tempdir().unwrap();
    let (database, pin) = (format!("sql:{}", state.path().display()), state.path().join("pin"));
    std::fs::write(&pin, "user-secret\n").unwrap();
    let made = Command::new("certutil").args(["-N", "-d", &database, "-f"]).arg(&pin).output();
    assert!(made.unwrap().status.success(), "certutil makes a database");
    let reserved = format!(
        "configdir='{database}' certPrefix='' keyPrefix='' secmod='secmod.db' flags= updatedir='' \
         updateCertPrefix='' updateKeyPrefix='' updateid='' updateTokenDescription=''"
    );
    let mut command = conformance(&module, "nss-softokn");
    held(&command.args(["--slot", "2", "--reserved", &reserved]).output().unwrap());
}

/// A credential that was refused is not tried again, in any process.
#[test]
fn a_wrong_password_is_tried_once() {
    let Some((module, _state, conf)) = softhsm() else { return };
    let mut command = harness();
    command.arg("conformance").arg("--module").arg(module).args(["--token-label", "conf"]);
    command.args(["--pin-env", "PIN", "--filter", "login.user", "--filter", "okv", "--json"]);
    let output = command.env("PIN", "wrong").env("SOFTHSM2_CONF", conf).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("the login was refused: C_Login").count(), 1, "{text}");
    assert!(text.contains("is not tried again"), "{text}");
}
