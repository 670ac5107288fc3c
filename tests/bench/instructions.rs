//! The instructions that the module takes for a call, held against `tests/data/instructions.toml`.
//!
//! Times are worth little on a busy machine; instructions are the same ones on every run. They are counted by
//! callgrind in this project's own code alone: functions of the module whose names are Rust's or begin with `C_`. What
//! libraries in C or assembly do depends on the processor that they find, and so does libc's copying. What is counted
//! is the module of a release, so the file is held against where `LUNA_RELEASE_MODULE` names one; what a count grows by
//! depends on the compiler too, which the file names. `LUNA_INSTRUCTIONS=accept` writes the file anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use luna_tests::{CRYPTO_OFFICER, Instance};
use serde_json::json;

use super::harness;

/// Operations of each case. More would only be the same again.
const CALLS: u64 = 10;

/// A case may take so many times the instructions it took.
const TOLERANCE: f64 = 1.08;

/// Below this many, a few instructions more are no matter.
const SLACK: f64 = 30.0;

/// The paths across the boundary that are counted: each operation once, and what every application does.
const PATHS: [&str; 24] = [
    "session/info",
    "session/open-close",
    "random/generate/32",
    "sha256/digest/64",
    "hmac-sha256/sign/64",
    "hmac-sha256/verify/64",
    "aes-gcm/encrypt/64",
    "aes-gcm/decrypt/64",
    "aes-gcm/encrypt/16384",
    "aes-cbc-pad/encrypt/64",
    "aes-cbc-pad/decrypt/64",
    "rsa-pkcs/sign/2048",
    "rsa-pkcs/verify/2048",
    "ecdsa/sign/p256",
    "ecdsa/verify/p256",
    "ecdh/derive/p256",
    "aes-kw/wrap/256",
    "aes-kw/unwrap/256",
    "generate/aes-256/session",
    "object/create-destroy/session",
    "object/create-destroy/token",
    "object/attributes/3",
    "object/set/label",
    "application/request",
];

type Counts = BTreeMap<String, u64>;

fn valgrind() -> Option<()> {
    if Command::new("valgrind").arg("--version").output().is_ok_and(|it| it.status.success()) {
        return Some(());
    }
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and valgrind is not installed");
    eprintln!("SKIPPED: valgrind is not installed, so nothing was counted");
    None
}

/// Instructions of one operation of each path.
#[track_caller]
fn counted(instance: &Instance, paths: &[&str]) -> Counts {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet", "--compress-strings=no", "--compress-pos=no"]);
    command.args(["--dump-line=no", "--zero-before=*counted_begins*"]);
    command.args(["--dump-before=*counted_ends*"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(harness().get_program()).arg("bench-counted");
    command.env("ChrystokiConfigurationPath", instance.directory());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let target = json!({
        "module": instance.module(), "slot": null, "token_label": null, "reserved": null,
        "scratch": directory.path(), "run": "counted", "profile": "None",
    });
    let assignment = json!({
        "target": target, "allow": ["create", "token-objects"], "per_second": null,
        "secrets": { "officer": CRYPTO_OFFICER, "security_officer": null },
    });
    let counting = json!({ "assignment": assignment, "cases": paths, "calls": CALLS });
    writeln!(child.stdin.take().unwrap(), "{counting}").unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // The dumps are numbered from 1, a case each; what comes after the last is in the file without a number.
    let of = |(number, path): (usize, &&str)| {
        let file = PathBuf::from(format!("{}.{}", out.display(), number + 1));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(text.contains("counted_ends"), "{path}: the dump is another one's");
        ((*path).to_owned(), ours(&text, instance.module()).div_ceil(CALLS))
    };
    paths.iter().enumerate().map(of).collect()
}

/// What our functions in the module took themselves. Source: the format of `callgrind.out`, "Callgrind Format
/// Specification" of Valgrind: costs are lines of numbers, the one after `calls=` is the callee's.
fn ours(text: &str, module: &Path) -> u64 {
    let module = module.canonicalize().unwrap();
    let (mut is_module, mut is_own, mut is_callee, mut sum) = (false, false, false, 0);
    for line in text.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            is_module = Path::new(object) == module;
        } else if let Some(name) = line.strip_prefix("fn=") {
            is_own = is_counted(name);
        } else if line.starts_with("calls=") {
            is_callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            if is_module && is_own && !is_callee {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
                sum += cost.unwrap_or_else(|| panic!("a line of costs: {line}"));
            }
            is_callee = false;
        }
    }
    sum
}

/// Rust's names have paths. `'2` after a name is a recursion's.
fn is_counted(name: &str) -> bool {
    name.contains("::") || name.starts_with("C_") || name.starts_with("CA_")
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/instructions.toml")
}

fn written(counts: &Counts) -> String {
    let mut text = String::from(
        "# Instructions of one operation, in our own code of a release's module: see tests/bench/instructions.rs.\n\
         # Written by LUNA_INSTRUCTIONS=accept; read what changed.\n",
    );
    let _ = writeln!(text, "compiler = \"{}\"\n", compiler());
    for (path, count) in counts {
        let _ = writeln!(text, "\"{path}\" = {count}");
    }
    text
}

/// Lines `"path" = count` and the compiler's.
fn read(text: &str) -> (String, Counts) {
    let mut compiler = String::new();
    let mut counts = Counts::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.split_once(" = ") else { continue };
        match value.parse() {
            Ok(count) => drop(counts.insert(name.trim_matches('"').to_owned(), count)),
            Err(_) => compiler = value.trim_matches('"').to_owned(),
        }
    }
    (compiler, counts)
}

fn compiler() -> String {
    let told = Command::new("rustc").arg("--version").output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// What is slower than it may be, or was not counted; a line each.
#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn slower(before: &Counts, now: &Counts) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, now) in now {
        match before.get(path) {
            None => lines.push(format!("{path}: {now} instructions, and none are known of before")),
            Some(then) if *now as f64 > *then as f64 * TOLERANCE + SLACK => {
                let times = *now as f64 / *then as f64;
                lines.push(format!("{path}: {now} instructions, {then} before: {times:.2} times"));
            }
            Some(_) => {}
        }
    }
    lines.extend(
        before.keys().filter(|path| !now.contains_key(*path)).map(|path| format!("{path}: gone")),
    );
    lines
}

#[test]
fn the_release_takes_no_more_instructions() {
    if std::env::var_os("LUNA_RELEASE_MODULE").is_none() {
        eprintln!("SKIPPED: LUNA_RELEASE_MODULE names no release to count in; .ci/run does");
        return;
    }
    if valgrind().is_none() {
        return;
    }
    let counts = counted(&Instance::up(&["--partition", "app"]), &PATHS);
    assert!(counts.values().all(|count| *count > 0), "a module without symbols? {counts:?}");
    if std::env::var("LUNA_INSTRUCTIONS").is_ok_and(|value| value == "accept") {
        std::fs::write(file(), written(&counts)).unwrap();
        return;
    }
    let (by, before) = read(&std::fs::read_to_string(file()).unwrap());
    let lines = slower(&before, &counts);
    assert!(
        lines.is_empty(),
        "{}\nThe counts before are {by}'s, these are {}'s. What is meant to cost more is accepted by \
         LUNA_INSTRUCTIONS=accept.",
        lines.join("\n"),
        compiler()
    );
    #[allow(clippy::cast_precision_loss, reason = "counts are small")]
    for (path, now) in counts {
        let then = before[&path];
        if (then as f64) > now as f64 * TOLERANCE + SLACK {
            println!("{path}: {now} instructions, {then} before: worth accepting");
        }
    }
}

/// The gate can fail: a module that writes each call to a log takes more instructions for it, and is told of.
#[test]
fn a_call_that_does_more_is_noticed() {
    if valgrind().is_none() {
        return;
    }
    let paths = ["session/info", "random/generate/32"];
    let instance = Instance::up(&["--partition", "app"]);
    let before = counted(&instance, &paths);
    // Counts are the same from one run to the next.
    assert_eq!(slower(&before, &counted(&instance, &paths)), Vec::<String>::new());
    let mut text = std::fs::read_to_string(instance.configuration()).unwrap();
    let log = instance.directory().join("calls.log");
    let _ = writeln!(
        text,
        "CkLog2 = {{\n   Enabled = 1;\n   LoggingFile = {};\n   LoggingMask = C_GetSessionInfo;\n}}",
        log.display()
    );
    std::fs::write(instance.configuration(), text).unwrap();
    let lines = slower(&before, &counted(&instance, &paths));
    assert!(log.exists(), "nothing was logged");
    assert!(lines.iter().any(|line| line.starts_with("session/info: ")), "{lines:?}");
}

#[test]
fn a_count_is_held_against_the_one_before() {
    let of = |counts: &[(&str, u64)]| -> Counts {
        counts.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect()
    };
    let before = of(&[("a", 1000), ("b", 1000), ("c", 10), ("d", 5)]);
    let (by, read) = read(&written(&before));
    assert_eq!((by, &read), (compiler(), &before));
    let now = of(&[("a", 1100), ("b", 1200), ("c", 30), ("e", 5)]);
    let lines = slower(&before, &now);
    let expected =
        ["b: 1200 instructions, 1000 before: 1.20 times", "e: 5 instructions, ", "d: gone"];
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().zip(expected).all(|(line, start)| line.starts_with(start)), "{lines:?}");
}

#[test]
fn our_own_functions_are_counted_and_no_others() {
    let module = std::env::current_exe().unwrap();
    let text = format!(
        "events: Ir\nob={0}\nfl=a.rs\nfn=luna::sign\n0 10\ncob=/lib/libc.so\ncfn=memcpy\ncalls=2 0\n0 500\n0 7\n\
         fn=aws_lc_sha\n0 900\nfn=C_Sign\n0 3\nob=/lib/libc.so\nfn=core::copy\n0 90\n",
        module.canonicalize().unwrap().display()
    );
    assert_eq!(ours(&text, &module), 20);
}
