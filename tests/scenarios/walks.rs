//! `luna-harness okv --scenario`: every scenario that comes with it, on everything it can be walked on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use luna_tests::{artefacts, scratch};
use serde_json::Value;

fn harness() -> Command {
    let mut command = Command::new(artefacts::program("luna-harness"));
    // The tools are built already: it need not ask cargo.
    command.env_remove("ChrystokiConfigurationPath").env_remove("CARGO").arg("okv");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where the report of a run stays, for whoever looks at it after CI.
fn report(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("target/okv").join(name)
}

/// Steps that held and steps that did not apply, by scenario.
type Tally = BTreeMap<String, (usize, usize)>;

/// Walks a file of scenarios; all that applies must hold.
#[track_caller]
fn walk(file: &str, on: &str) -> Tally {
    let report = report(&format!("{file}-{on}"));
    let done = harness()
        .args(["--scenario", file, "--on", on, "--json", "--report"])
        .arg(&report)
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&done.stderr)));
    let mut tally = Tally::new();
    for step in told["steps"].as_array().unwrap() {
        let (scenario, id) = (step["scenario"].as_str().unwrap(), &step["id"]);
        let counts = tally.entry(scenario.to_owned()).or_default();
        match step["verdict"].as_str().unwrap() {
            "held" => counts.0 += 1,
            "skipped" => counts.1 += 1,
            verdict => panic!("{scenario} {id} {verdict}: {:#}", step),
        }
    }
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(told["subject"]["on"], on);
    for name in ["report.json", "junit.xml", "index.html"] {
        assert!(report.join(name).is_file(), "{name}");
    }
    tally
}

/// Scenarios of which no step was walked.
fn passed_over(tally: &Tally) -> Vec<&str> {
    tally.iter().filter(|(_, (held, _))| *held == 0).map(|(name, _)| name.as_str()).collect()
}

/// What cannot be asked of one HSM: how a group fails over.
const OF_A_GROUP: [&str; 1] = ["F12"];

#[test]
fn the_guide_on_one_hsm() {
    assert_eq!(passed_over(&walk("guide", "one")), ["cloud-hsm", "ha"]);
}

#[test]
fn the_guide_on_a_group() {
    assert_eq!(passed_over(&walk("guide", "group")), ["cloud-hsm"]);
}

#[test]
fn the_guide_on_a_cloud_hsm() {
    assert_eq!(passed_over(&walk("guide", "cloud")), ["ha"]);
}

#[test]
fn the_failure_catalogue_on_one_hsm() {
    assert_eq!(passed_over(&walk("failures", "one")), OF_A_GROUP);
}

#[test]
fn the_failure_catalogue_on_a_group() {
    assert!(passed_over(&walk("failures", "group")).is_empty());
}

#[test]
fn the_failure_catalogue_on_a_cloud_hsm() {
    assert_eq!(passed_over(&walk("failures", "cloud")), OF_A_GROUP);
}

#[test]
fn the_proof_script_on_one_hsm() {
    assert!(passed_over(&walk("proofs", "one")).is_empty());
}

#[test]
fn the_proof_script_on_a_group() {
    assert!(passed_over(&walk("proofs", "group")).is_empty());
}

#[test]
fn the_proof_script_on_a_cloud_hsm() {
    assert!(passed_over(&walk("proofs", "cloud")).is_empty());
}

#[test]
fn the_main_job_on_one_hsm_and_on_a_cloud_hsm() {
    for on in ["one", "cloud"] {
        let tally = walk("walk", on);
        // The group, one member of it down, one up again; and leaving somebody's library.
        assert_eq!(tally["walk"], (12, 4), "{on}");
    }
}

/// Failures that take several servers' processes: `tests/cluster/candidates.rs` has F7 and F9, and `tests/cluster` sees
/// nodes that are made anew (F8) in each of its pairings.
const OF_CLUSTERS: [&str; 3] = ["F7", "F8", "F9"];

#[test]
fn the_catalogue_is_whole() {
    let listed = harness().arg("--list").output().unwrap();
    assert_eq!(listed.status.code(), Some(0));
    let listed = text(&listed.stdout);
    let names: BTreeSet<_> = listed.lines().filter_map(|it| it.split_whitespace().nth(1)).collect();
    let failures = (1..=17).map(|number| format!("F{number}"));
    for name in failures.chain((1..=15).map(|number| format!("P{number}"))) {
        let known = names.contains(name.as_str()) || OF_CLUSTERS.contains(&name.as_str());
        assert!(known, "{name} is not in\n{listed}");
    }
}

fn refused(arguments: &[&str]) -> String {
    let done: Output = harness().args(arguments).output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    text(&done.stderr)
}

#[test]
fn a_wrong_scenario_file_is_told_with_file_line_and_key_and_nothing_is_made() {
    let place = scratch();
    let (file, work) = (place.path().join("mine.toml"), place.path().join("work"));
    let good = "[[scenario]]\nname = \"mine\"\ntitle = \"a server\"\n\
                source = { mark = \"Assumed\", text = \"nowhere\" }\n\n[[scenario.step]]\nid = \"one\"\n\
                title = \"it is set up\"\nexpected = \"a red arrow\"\ndo = [{ install = {} }]\n\
                expect = { state = \"NOT_ENABLED\" }\n";
    let (path, directory) = (file.to_str().unwrap(), work.to_str().unwrap());
    let arguments = ["--scenario", path, "--on", "one", "--directory", directory];
    for (from, to, says) in [
        ("install", "instal", "line 10, key `instal`: unknown variant `instal`"),
        ("NOT_ENABLED", "NOT_THERE", "line 11, key `state`: there is no state `NOT_THERE`"),
        ("expected", "expects", "line 9, key `expects`: unknown field `expects`"),
    ] {
        std::fs::write(&file, good.replace(from, to)).unwrap();
        let told = refused(&arguments);
        assert!(told.contains(&format!("mine.toml, {says}")), "{told}");
        assert!(!work.exists());
    }
    let told = refused(&["--scenario", "P99"]);
    assert!(told.contains("there is no scenario and no file `P99`"), "{told}");

    // And one that expects what is not so fails, and says what is.
    std::fs::write(&file, good.replace("NOT_ENABLED", "SEALED")).unwrap();
    let done = harness().args(arguments).output().unwrap();
    let shown = text(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{shown}");
    assert!(shown.contains("the state is NOT_ENABLED, not SEALED"), "{shown}");
    std::fs::write(&file, good).unwrap();
    let done = harness().args(arguments).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stdout));
}

/// A scenario that fails proves that the others can: a server is expected to be readable without its HSM.
#[test]
fn a_vault_that_were_readable_without_its_hsm_would_be_found_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let proofs = std::fs::read_to_string(root.join("harness/scenarios/proofs.toml")).unwrap();
    let place = scratch();
    let file = place.path().join("proofs.toml");
    let begin = proofs.find("[[scenario]]\nname = \"P5\"").unwrap();
    let end = proofs.find("[[scenario]]\nname = \"P6\"").unwrap();
    let p5 = &proofs[begin..end];
    let turned = p5.replace("serves = \"nothing\"", "serves = \"all\"");
    assert_ne!(p5, turned);
    std::fs::write(&file, turned).unwrap();
    let done = harness().args(["--on", "one", "--scenario"]).arg(&file).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
}
