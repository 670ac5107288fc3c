//! `luna-harness bench`: figures of a private emulator, of a module that is not ours, of a group whose members go;
//! what it leaves on a token, and how often it tries a password.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

mod ci;
mod instructions;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use luna_client::Attribute;
use luna_tests::{CRYPTO_OFFICER, Instance, artefacts, first_slot, officer};
use serde_json::Value;

fn harness() -> Command {
    let mut command = Command::new(artefacts::program("luna-harness"));
    command.env_remove("ChrystokiConfigurationPath").env_remove("CARGO");
    command
}

/// Rounds that are short: what is tested is not how fast this machine is.
fn bench(filters: &[&str]) -> Command {
    let mut command = harness();
    command.args(["bench", "--rounds", "2", "--round-ms", "5"]);
    for filter in filters {
        command.args(["--filter", filter]);
    }
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn ends(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let (told, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "{told}\n{errors}");
    told + &errors
}

#[track_caller]
fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn of<'a>(report: &'a Value, case: &str) -> Vec<&'a Value> {
    let all = report["measurements"].as_array().unwrap();
    all.iter().filter(|it| it["case"] == case).collect()
}

#[test]
fn a_private_emulator_is_measured_by_threads_and_objects() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report");
    let mut command = bench(&["session/info", "object/find/*", "*/token"]);
    command.args(["--threads", "1,2", "--objects", "0,30"]).arg("--report").arg(&report);
    let told = ends(&mut command, 0);
    assert!(told.contains("object/find/label"), "{told}");
    let seen = json(&report.join("bench.json"));
    assert_eq!(seen["schema"], 1);
    // Objects are nothing to a session; a search is measured at both counts, each by one thread and by two.
    assert_eq!((of(&seen, "session/info").len(), of(&seen, "object/find/label").len()), (2, 4));
    for it in seen["measurements"].as_array().unwrap() {
        assert_eq!(it["outcome"], "measured", "{it}");
        let latency = &it["latency_ns"];
        let figures = ["min", "p50", "p90", "p99", "max"].map(|it| latency[it].as_u64().unwrap());
        assert!(figures.is_sorted() && figures[0] > 0, "{it}");
        assert!(it["calls"].as_u64() >= it["threads"].as_u64(), "{it}");
    }
    let page = std::fs::read_to_string(report.join("index.html")).unwrap();
    assert!(page.matches("<svg").count() > 4 && page.contains("object/find/label"));
}

#[test]
fn cases_are_listed_with_what_they_need() {
    let told = ends(harness().args(["bench", "--dry-run", "--module", "nowhere.so"]), 0);
    assert!(told.contains("needs CKM_AES_GCM"), "{told}");
    assert!(told.contains("left out, needs --allow token-objects"), "{told}");
    let told = ends(harness().args(["bench", "--filter", "nothing/*"]), 2);
    assert!(told.contains("no case matches `nothing/*`"), "{told}");
    let told = ends(harness().args(["bench", "--slower-than", "1.5"]), 2);
    assert!(told.contains("--baseline FILE or --vs OTHER.so"), "{told}");
    let told = ends(harness().args(["bench", "--failovers", "1"]), 2);
    assert!(told.contains("--ha"), "{told}");
}

/// A baseline by whose figures a case is far slower now, one by which it is not, and one that had a case more.
#[test]
fn a_case_that_is_slower_than_the_baseline_fails() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report");
    let cases = ["session/info", "random/generate/32"];
    ends(bench(&cases).arg("--report").arg(&report), 0);
    let file = report.join("bench.json");
    let held_against = |edit: &dyn Fn(&mut Value)| {
        let mut earlier = json(&file);
        edit(&mut earlier["measurements"][0]);
        let edited = directory.path().join("earlier.json");
        std::fs::write(&edited, earlier.to_string()).unwrap();
        let mut command = bench(&cases);
        command.args(["--slower-than", "100", "--baseline"]).arg(&edited);
        command
    };
    // No machine is so busy that a call takes a hundred times as long, and none takes no time.
    let fast = |it: &mut Value| it["latency_ns"]["p50"] = 0.into();
    let told = ends(&mut held_against(&|_| {}), 0);
    assert!(told.contains("2 held, 0 slower"), "{told}");
    let told = ends(&mut held_against(&fast), 1);
    assert!(told.contains("slower: session/info"), "{told}");
    assert!(told.contains("1 held, 1 slower than 100 times"), "{told}");
    let gone = |it: &mut Value| it["case"] = "session/gone".into();
    let told = ends(&mut held_against(&gone), 0);
    assert!(told.contains("1 without a figure there"), "{told}");
    std::fs::write(&file, r#"{"schema": 7}"#).unwrap();
    let told = ends(bench(&cases).arg("--baseline").arg(&file), 2);
    assert!(told.contains("schema 7"), "{told}");
}

fn of_module(instance: &Instance, filters: &[&str]) -> Command {
    let mut command = bench(filters);
    command.arg("--module").arg(instance.module()).args(["--pin-env", "CO_PIN"]);
    command.env("ChrystokiConfigurationPath", instance.directory()).env("CO_PIN", CRYPTO_OFFICER);
    command
}

fn objects(instance: &Instance) -> usize {
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    session.find(&[Attribute::token(true)]).unwrap().len()
}

/// Without leave nothing is made on the token; with it, what was made is gone in the end.
#[test]
fn a_token_is_left_as_it_was() {
    let instance = Instance::up(&["--partition", "app"]);
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    session.create_object(&Attribute::data_object("mine")).unwrap();
    drop((session, context));
    let told = ends(&mut of_module(&instance, &["*/token", "object/*"]), 0);
    assert!(
        told.contains("generate/aes-256/token: not applicable: --allow token-objects"),
        "{told}"
    );
    assert!(told.contains("logs in once a process as Crypto Officer"), "{told}");
    assert_eq!(objects(&instance), 1);
    let mut command = of_module(&instance, &["*/token", "object/*"]);
    command.args(["--allow", "token-objects", "--objects", "0,25"]);
    let told = ends(&mut command, 0);
    assert!(!told.contains("not measured"), "{told}");
    assert_eq!(objects(&instance), 1);
}

/// Whatever is asked and however many processes that takes, a wrong password is tried once.
#[test]
fn a_password_that_is_refused_is_tried_once() {
    let instance = Instance::up(&["--partition", "app"]);
    let left = || {
        let context = instance.context();
        let slot = first_slot(&context);
        context.role_state(slot, luna_client::UserType::CRYPTO_OFFICER).unwrap().login_attempts_left
    };
    let before = left();
    let mut command = of_module(&instance, &["session/*"]);
    command.arg("--vs").arg(instance.module()).args(["--vs-pin-env", "CO_PIN"]);
    let told = ends(command.env("CO_PIN", "wrong-password"), 2);
    assert!(told.contains("CKR_PIN_INCORRECT") && told.contains("not tried again"), "{told}");
    assert_eq!(before - left(), 1);
}

#[test]
fn a_budget_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report");
    let mut command = harness();
    command.args(["bench", "--filter", "session/info", "--rounds", "2", "--round-ms", "400"]);
    command.args(["--budget", "20"]).arg("--report").arg(&report);
    ends(&mut command, 0);
    let seen = json(&report.join("bench.json"));
    // Each of the two rounds takes 400 ms and the one operation that began in it.
    assert!(of(&seen, "session/info")[0]["calls"].as_u64().unwrap() <= 18, "{seen}");
    assert_eq!(seen["budget_per_s"], 20);
}

#[test]
fn members_go_and_come_back_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report");
    let mut command = bench(&["session/info"]);
    command.args(["--ha", "--failovers", "1", "--away-ms", "200", "--threads", "2"]);
    let told = ends(command.arg("--report").arg(&report), 0);
    assert!(told.contains("primary") && told.contains("secondary"), "{told}");
    let seen = json(&report.join("bench.json"));
    let times = seen["group"]["disturbances"].as_array().unwrap();
    assert_eq!(times.len(), 2);
    for it in times {
        assert_eq!((&it["noticed"], &it["failed"]), (&true.into(), &0.into()), "{it}");
        assert!(it["recovery_ns"].as_u64().is_some(), "{it}");
    }
    let calls: u64 = seen["group"]["flow"]["bins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["calls"].as_u64().unwrap())
        .sum();
    assert!(calls > 10, "{seen}");
    let page = std::fs::read_to_string(report.join("index.html")).unwrap();
    assert!(page.contains("Members that go and come back"));
}

/// An emulator that somebody else has made, and that it is told of.
#[test]
fn members_of_an_instance_are_moved() {
    let instance = Instance::up(&["--ha", "LUNAHA=a,b", "--ha-only"]);
    let mut command = of_module(&instance, &["session/info"]);
    command.arg("--instance").arg(instance.directory());
    command.args(["--failovers", "1", "--away-ms", "100", "--json"]);
    let output = command.env_remove("ChrystokiConfigurationPath").output().unwrap();
    let (told, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{told}\n{errors}");
    let seen: Value = serde_json::from_str(&told).unwrap();
    let serials: Vec<_> = instance.partitions.iter().map(|it| it.serial.as_str().into()).collect();
    assert_eq!(seen["group"]["members"], Value::Array(serials));
    // One HSM is no group: said, and a failure, since it was asked for.
    let alone = Instance::up(&["--partition", "app"]);
    let mut command = of_module(&alone, &["session/info"]);
    command.arg("--instance").arg(alone.directory()).args(["--failovers", "1"]);
    let told = ends(&mut command, 1);
    assert!(told.contains("the group was not measured"), "{told}");
}

/// Debian's SoftHSM, by turns with a private emulator.
#[test]
fn a_module_that_is_not_ours_takes_turns() {
    let Some((module, _state, conf)) = softhsm() else { return };
    let mut command = bench(&["session/info", "hmac-*", "object/find/*", "ecdsa/*"]);
    command.arg("--module").arg(module).args(["--token-label", "bench", "--pin-env", "PIN"]);
    command.args(["--vs", "emulator", "--json"]).env("PIN", "user-secret");
    let output = command.env("SOFTHSM2_CONF", conf).output().unwrap();
    let (told, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{told}\n{errors}");
    let seen: Value = serde_json::from_str(&told).unwrap();
    let names: Vec<_> = seen["sides"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["libsofthsm2", "emulator"]);
    let versus = seen["versus"].as_array().unwrap();
    assert_eq!(versus.len(), 6, "{seen}");
    assert!(versus.iter().all(|it| it["ratio"].as_f64().unwrap() > 0.0));
}

fn softhsm() -> Option<(PathBuf, tempfile::TempDir, PathBuf)> {
    let module = Path::new("/usr/lib/softhsm/libsofthsm2.so");
    if !module.exists() {
        let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and softhsm2 is not installed");
        eprintln!("SKIPPED: softhsm2 is not installed, so nothing of this test was run");
        return None;
    }
    let state = tempfile::tempdir().unwrap();
    let conf = state.path().join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        state.path().display()
    );
    std::fs::write(&conf, text).unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "bench"])
        .args(["--so-pin", "so-secret", "--pin", "user-secret"])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some((module.to_owned(), state, conf))
}
