//! `vtl`, `cmu` and `configurator` over the emulator: what guides tell an administrator to type, and what is then
//! on the partition and in the files.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod keys;
mod link;

use std::process::Command;

use luna_tests::Instance;

/// What a run left behind.
struct Run {
    code: Option<i32>,
    out: String,
    errors: String,
}

/// A tool with these words.
fn tool(instance: &Instance, name: &str, words: &[&str]) -> Run {
    done(instance.program(name).args(words))
}

fn done(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), errors: text(output.stderr) }
}

#[track_caller]
fn succeeds(run: Run) -> String {
    assert_eq!((run.code, run.errors.as_str()), (Some(0), ""), "{}", run.out);
    run.out
}

#[track_caller]
fn refused(run: &Run, code: i32, text: &str) {
    assert_eq!(run.code, Some(code), "{}{}", run.out, run.errors);
    assert!(run.errors.contains(text), "{text} is not in\n{}", run.errors);
}

/// Whether OpenSSL is there to look at what was made.
fn openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok_and(|it| it.status.success());
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(found || !required, "openssl is not installed, and LUNA_REQUIRE_CLIENTS=1 asks for it");
    if !found {
        eprintln!("skipped: openssl is not installed");
    }
    found
}

#[test]
fn a_value_is_set_shown_and_taken_out() {
    let instance = Instance::up(&["--partition", "one"]);
    let before = std::fs::read_to_string(instance.configuration()).unwrap();
    let entry = ["-s", "LunaSA Client", "-e", "ReceiveTimeout"];
    let with = |verb: &str, more: &[&str]| {
        let words: Vec<&str> = [&[verb][..], &entry, more].concat();
        tool(&instance, "configurator", &words)
    };
    refused(&with("getValue", &[]), 1, "there is no entry LunaSA Client/ReceiveTimeout");
    succeeds(with("setValue", &["-v", "10000"]));
    assert_eq!(succeeds(with("getValue", &[])), "10000\n");
    let after = std::fs::read_to_string(instance.configuration()).unwrap();
    assert!(after.starts_with(&before), "{after}");
    succeeds(with("deleteValue", &[]));
    refused(&with("deleteValue", &[]), 1, "there is no entry");
    refused(&with("setValue", &[]), 2, "-v is needed");
    refused(&with("setValue", &["-v", "a\nb"]), 2, "expected a value of one line");
    refused(&tool(&instance, "configurator", &[]), 2, "Usage: configurator");
}
