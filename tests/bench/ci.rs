//! The pieces that `luna-harness ci` prints: read as their build servers read them, their shell run as it stands, and
//! the image's layout made here, where no Docker builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use luna_tests::{artefacts, scratch};

use super::{ends, harness};

const SERVERS: [&str; 3] = ["github", "gitlab", "jenkins"];

/// What a job does for an application, in the place of one.
const APPLICATION: &str = "lunacm -q slot list";

fn piece(server: &str, command: &str) -> String {
    ends(harness().args(["ci", server, "--image", "registry/luna:1", "--command", command]), 0)
}

/// Lines that are indented by more than the line that begins a block, for each block.
fn blocks(text: &str, begins: impl Fn(&str) -> bool) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if begins(line.trim()) {
            let body = lines.get(number + 1..).unwrap_or_default();
            let own =
                body.iter().take_while(|it| it.trim().is_empty() || indent(it) > indent(line));
            found.push(own.map(|it| it.trim_start()).collect::<Vec<_>>().join("\n"));
        }
    }
    found
}

/// The shell of a piece, in order.
fn scripts(server: &str, text: &str) -> Vec<String> {
    match server {
        "github" => blocks(text, |line| line == "run: |"),
        "gitlab" => blocks(text, |line| line == "- |"),
        _ => {
            let mut parts = text.split("'''#!/bin/bash -e\n").skip(1);
            let stages: Vec<_> = parts
                .by_ref()
                .map(|part| part.split_once("'''").unwrap().0.replace("\\\\", "\\"))
                .collect();
            let post = text.lines().filter_map(|line| line.trim().strip_prefix("sh '"));
            let post = post.filter_map(|line| line.strip_suffix('\'')).map(str::to_owned);
            stages.into_iter().chain(post).collect()
        }
    }
}

/// `/opt/luna` as the image has it: what the Dockerfile copies, from where cargo built it.
fn installed(root: &Path) -> PathBuf {
    let dockerfile = ends(harness().args(["ci", "docker"]), 0);
    let mut copied = 0;
    for line in dockerfile.lines() {
        let Some(words) = line.strip_prefix("COPY --from=build ") else { continue };
        let (from, to) = words.split_once(' ').unwrap();
        let name = from.strip_prefix("/src/target/release/").unwrap();
        let from = match name {
            "libCryptoki2_64.so" => artefacts::module(),
            "libluna_spy.so" => artefacts::spy(),
            "libluna_shim.so" => shim(),
            program => artefacts::program(program),
        };
        let directory = root.join(to.strip_prefix("/opt/luna/").unwrap());
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::copy(from, directory.join(name)).unwrap();
        copied += 1;
    }
    assert!(copied > 5, "{dockerfile}");
    assert!(dockerfile.contains("ENV PATH=/opt/luna/bin:"), "{dockerfile}");
    root.join("bin")
}

fn shim() -> PathBuf {
    let directory = artefacts::directory();
    let name = "libluna_shim.so";
    let places = [directory.join("deps").join(name), directory.join(name)];
    places.into_iter().find(|path| path.is_file()).expect("cargo builds it for these tests")
}

/// Each server's shell, from the first step to the last, with the programs where the image has them.
#[test]
fn the_pieces_run_as_they_stand() {
    let image = scratch();
    let bin = installed(image.path());
    let mut path = vec![bin];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let path = std::env::join_paths(path).unwrap();
    for server in SERVERS {
        let text = piece(server, APPLICATION);
        let scripts = scripts(server, &text);
        assert_eq!(scripts.len(), 5, "{server}: {scripts:?}");
        let home = scratch();
        for script in &scripts {
            let done = Command::new("bash")
                .args(["-euo", "pipefail", "-c", script])
                .current_dir(home.path())
                .env("PATH", &path)
                .env_remove("ChrystokiConfigurationPath")
                .env_remove("LUNA_CO_PASSWORD")
                .output()
                .unwrap();
            let errors = String::from_utf8_lossy(&done.stderr);
            let told = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success(), "{server}: {script}\n{told}\n{errors}");
            if script.contains(" bench ") {
                assert!(told.contains("members that go and come"), "{told}");
            }
        }
        assert!(home.path().join("report/index.html").is_file());
        assert!(!home.path().join("hsm").exists(), "the HSMs are gone");
    }
}

/// YAML that a parser reads, with the parts that its server looks for.
#[test]
fn the_pieces_are_what_their_servers_read() {
    let code = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
    for server in ["github", "gitlab"] {
        let text = piece(server, "./run --all \"quoted\" # and a remark");
        let home = scratch();
        let file = home.path().join("piece.yml");
        std::fs::write(&file, &text).unwrap();
        let Some(read) = yaml(&file, code) else { return };
        if server == "github" {
            let job = &read["jobs"]["hsm"];
            assert_eq!(job["container"], "registry/luna:1", "{read}");
            let steps = job["steps"].as_array().unwrap();
            assert_eq!(steps.len(), 7, "{read}");
            let runs: Vec<_> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
            assert_eq!(runs.len(), 5);
            assert!(runs[1].contains("./run --all \"quoted\" # and a remark"), "{runs:?}");
            assert_eq!(steps[5]["if"], "always()", "{read}");
        } else {
            let job = &read["hsm"];
            assert_eq!(job["script"].as_array().unwrap().len(), 4, "{read}");
            assert_eq!(job["after_script"].as_array().unwrap().len(), 1, "{read}");
        }
    }
    let text = piece("jenkins", APPLICATION);
    let count = |what: &str| text.matches(what).count();
    assert_eq!((count("{"), count("stage('")), (count("}"), 4), "{text}");
    assert_eq!(count("'''") % 2, 0, "{text}");
}

fn yaml(file: &Path, code: &str) -> Option<serde_json::Value> {
    // The virtual environment that .ci/run makes has a parser, as many a system's Python has.
    let own = artefacts::directory().parent().unwrap().join("clients-venv/bin/python");
    for python in [own, PathBuf::from("python3")] {
        let input = std::fs::File::open(file).unwrap();
        let Ok(done) = Command::new(python).args(["-c", code]).stdin(input).output() else {
            continue;
        };
        let errors = String::from_utf8_lossy(&done.stderr);
        if errors.contains("ModuleNotFoundError") {
            continue;
        }
        assert!(done.status.success(), "{errors}");
        return Some(serde_json::from_slice(&done.stdout).unwrap());
    }
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and no Python here knows PyYAML");
    eprintln!("SKIPPED: no Python here knows PyYAML, so no YAML was read");
    None
}

#[test]
fn what_would_break_out_of_a_file_is_refused() {
    for command in ["it's", "one\ntwo", " "] {
        let told = ends(harness().args(["ci", "github", "--command", command]), 2);
        assert!(told.contains("--command: a line without single quotation marks"), "{told}");
    }
}

/// Every program and library that is built for people is in the image, and nothing else is asked for.
#[test]
fn the_image_has_what_is_built() {
    let dockerfile = ends(harness().args(["ci", "docker"]), 0);
    for name in ["luna-emulator", "luna-harness", "lunacm", "okv-sim", "libCryptoki2_64.so"] {
        assert!(dockerfile.contains(&format!("/release/{name} ")), "{name}");
    }
    const KNOWN: [&str; 8] = ["FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "CMD", "#"];
    for line in dockerfile.lines().filter(|line| !line.trim().is_empty()) {
        let word = line.split(' ').next().unwrap();
        assert!(KNOWN.contains(&word), "{line}");
        if let Some(script) = line.strip_prefix("RUN ") {
            let read = Command::new("bash").args(["-n", "-c", script]).status().unwrap();
            assert!(read.success(), "{line}");
        }
    }
}
