//! `luna-harness model`: on a private emulator, on one that is broken in one way, and on SoftHSM with what is known of
//! it.

use std::path::PathBuf;
use std::process::{Command, Output};

use luna_tests::artefacts;

fn model(options: &[&str]) -> Command {
    let mut command = Command::new(artefacts::program("luna-harness"));
    command.env_remove("ChrystokiConfigurationPath").env_remove("CARGO");
    command.arg("model").args(options);
    command
}

fn ended(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    (status.code(), text.into_owned())
}

/// A private emulator with a library before it that breaks one rule.
fn broken(mutation: &str, options: &[&str]) -> (Option<i32>, String) {
    let mut command = model(options);
    ended(command.arg("--shim").arg(artefacts::shim()).env("LUNA_SHIM_MUTATION", mutation))
}

#[test]
fn a_private_emulator_answers_as_it_may() {
    let (code, text) = ended(&mut model(&["--cases", "100", "--histories", "100", "--seed", "5"]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("100 sequences and 100 histories of seed 5"), "{text}");
}

#[test]
fn a_profile_in_fips_mode_and_a_group_do() {
    // Threads at once are a matter of one partition so far: a group's search has been seen to give what was destroyed
    // a moment before.
    let group = ["--ha", "--histories", "0"];
    for options in [["--profile", "luna-7.9.0", "--fips", "on"].as_slice(), &group] {
        let (code, text) = ended(model(&["--cases", "60"]).args(options));
        assert_eq!(code, Some(0), "{options:?}: {text}");
    }
}

#[test]
fn a_breach_is_cut_down_to_a_few_calls_in_c() {
    let (code, text) = broken("find-twice-active", &["--cases", "200"]);
    assert_eq!(code, Some(1), "{text}");
    let calls: Vec<_> = text.lines().filter(|line| line.starts_with("C_")).collect();
    assert!(calls.len() <= 10, "{text}");
    assert!(calls.last().unwrap().starts_with("C_FindObjectsInit(s1, "), "{text}");
    assert!(text.contains("allowed: CKR_OPERATION_ACTIVE (PKCS#11 v2.40 5.7"), "{text}");
}

#[test]
fn a_crash_is_a_failure_like_another() {
    let (code, text) = broken("crash-copy", &["--cases", "200"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the module's process ended by signal"), "{text}");
    let calls: Vec<_> = text.lines().filter(|line| line.starts_with("C_")).collect();
    assert!(calls.last().unwrap().starts_with("C_CopyObject("), "{text}");
    // How short it becomes is a matter of time, since each attempt wants an emulator of its own.
    assert!(calls.len() <= 60 && !text.contains("crypto-officer"), "{text}");
}

/// One call after the other all is well, so only an order of calls made at once that cannot be tells.
#[test]
fn what_only_threads_at_once_can_notice_is_noticed() {
    let alone = ["--cases", "60", "--histories", "0"];
    for (mutation, call) in
        [("torn-read", "C_SetAttributeValue"), ("shared-handle", "C_CreateObject")]
    {
        let (code, text) = broken(mutation, &alone);
        assert_eq!(code, Some(0), "{mutation}, one call after the other: {text}");
        let (code, text) = broken(mutation, &["--cases", "0", "--histories", "400"]);
        assert_eq!(code, Some(1), "{mutation}: {text}");
        assert!(
            text.contains("no order of these calls explains all answers"),
            "{mutation}: {text}"
        );
        assert!(text.contains("// thread 2, at the same time") && text.contains(call), "{text}");
    }
}

const SOFTHSM: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

/// SoftHSM with a token of its own; none where it is not installed.
fn softhsm(options: &[&str]) -> Option<(Command, tempfile::TempDir)> {
    let Some(module) = SOFTHSM.iter().map(PathBuf::from).find(|path| path.exists()) else {
        let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and softhsm2 is not installed");
        eprintln!("SKIPPED: softhsm2 is not installed, so nothing of this test was run");
        return None;
    };
    let state = tempfile::tempdir().unwrap();
    let (tokens, conf) = (state.path().join("tokens"), state.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&conf, text).unwrap();
    let mut util = Command::new("softhsm2-util");
    util.args(["--init-token", "--free", "--label", "model", "--so-pin", "so-secret", "--pin"]);
    let (code, text) = ended(util.arg("user-secret").env("SOFTHSM2_CONF", &conf));
    assert_eq!(code, Some(0), "{text}");
    let mut command = model(options);
    command.arg("--module").arg(module).args(["--token-label", "model", "--pin-env", "PIN"]);
    command.env("SOFTHSM2_CONF", conf).env("PIN", "user-secret");
    Some((command, state))
}

/// With what is known of it, it answers as it may, and none of it is too much: without, a breach is found.
#[test]
fn softhsm_answers_as_it_may_but_for_what_is_known() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let known = here.join("../harness/model/exceptions/softhsm2.toml");
    // Its threads see a key that another one is destroying lose its attributes one by one: no histories.
    let options = ["--cases", "150", "--histories", "0", "--seed", "4"];
    let Some((mut command, _state)) = softhsm(&options) else { return };
    let (code, text) = ended(command.arg("--except").arg(known));
    assert_eq!(code, Some(0), "{text}");
    let Some((mut command, _state)) = softhsm(&options) else { return };
    let (code, text) = ended(&mut command);
    assert_eq!(code, Some(1), "{text}");
}

/// Nothing is made on a token of somebody's, and a password that is wrong is given once.
#[test]
fn a_token_of_somebodys_keeps_nothing_and_a_wrong_password_is_given_once() {
    let Some((mut command, state)) = softhsm(&["--cases", "20"]) else { return };
    let conf = state.path().join("softhsm2.conf");
    let (_, text) = ended(&mut command);
    assert!(!text.contains("user-secret"), "{text}");
    let Some((mut command, _)) = softhsm(&["--cases", "20"]) else { return };
    let (code, text) = ended(command.env("PIN", "another").env("SOFTHSM2_CONF", &conf));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("the password of CKU_USER was refused, CKR_PIN_INCORRECT"), "{text}");
    // One more than that would have been the same as none to SoftHSM: what is on the token is looked at.
    let objects = std::fs::read_dir(state.path().join("tokens")).unwrap().flatten();
    let left = objects.flat_map(|token| std::fs::read_dir(token.path()).unwrap()).flatten();
    let left: Vec<_> =
        left.filter(|it| it.path().extension().is_some_and(|it| it == "object")).collect();
    // The token's own, and none beside it.
    assert_eq!(left.len(), 1, "{left:?}");
}
