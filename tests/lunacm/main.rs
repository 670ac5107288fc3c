//! `lunacm` over the emulator, as an administrator types: whole sessions, compared with transcripts.
//!
//! `LUNACM_ACCEPT=1` writes the transcripts of `tests/data/lunacm` anew; read the difference.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod groups;
mod guide;
mod terminal;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use luna_ck::CKO_DATA;
use luna_client::Attribute;
use luna_tests::{Instance, first_slot, officer};

/// What a run left behind.
struct Run {
    code: Option<i32>,
    out: String,
    errors: String,
}

/// The program with these lines typed into it.
fn typed(instance: &Instance, words: &[&str], lines: &[&str]) -> Run {
    let mut command: Command = instance.program("lunacm");
    let mut process = command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    // One that ended before reading everything is told by its exit code.
    let _ = input.write_all((lines.join("\n") + "\n").as_bytes());
    drop(input);
    let done = process.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: done.status.code(), out: text(done.stdout), errors: text(done.stderr) }
}

/// Numbers that are dealt out by chance, in words. Widths change, so runs of blanks become one.
fn redacted(instance: &Instance, text: &str) -> String {
    // Said only where the module does not serve CA_CloneObject; what it then does is tested with the groups.
    let uncompared =
        "        The cloning domain was not compared: this library clones no objects.\n\n";
    let mut text = text.replace(env!("CARGO_PKG_VERSION"), "<version>").replace(uncompared, "");
    for (number, partition) in instance.partitions.iter().enumerate() {
        let group = format!("1{}", partition.serial);
        text = text.replace(&group, &format!("<group of {number}>"));
        text = text.replace(&partition.serial, &format!("<partition {number}>"));
    }
    let lines = text.lines().map(|line| {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{}{}", &line[..indent], words.join(" "))
    });
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[track_caller]
fn compare(instance: &Instance, transcript: &str, out: &str) {
    let found = redacted(instance, out);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/lunacm").join(transcript);
    if std::env::var("LUNACM_ACCEPT").is_ok_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    for (number, (wanted, found)) in wanted.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, wanted, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(found.lines().count(), wanted.lines().count(), "{}", path.display());
}

#[test]
fn a_group_and_its_members_are_shown() {
    let instance = Instance::up(&["--fips", "on", "--ha", "LUNAHA=OKV,OKV"]);
    let run = typed(
        &instance,
        &[],
        &[
            "slot list",
            "role list",
            "role login -n co -p crypto-officer",
            "role show -n co",
            "partition contents",
            "partition showinfo",
            "partition showpolicies",
            "role logout",
            "slot set -slot 2",
            "hagroup listgroups",
            "exit",
        ],
    );
    assert_eq!((run.code, run.errors.as_str()), (Some(0), ""), "{}", run.out);
    compare(&instance, "group.txt", &run.out);
}

#[test]
fn a_partition_is_initialised_and_its_roles_are_made() {
    let instance = Instance::up(&["--partition", "OKV", "--empty"]);
    let run = typed(
        &instance,
        &["-q"],
        &[
            "partition init -label mine -password partition-so -domain cloning-domain -force",
            "role login -n po -p partition-so",
            "role init -n co -password first-password",
            "role logout",
            "role login -n co -p first-password",
            "role changepw -n co -oldpw first-password -newpw second-password",
            "role show -n co",
            "role init -n cu -p crypto-user",
            "role logout",
            "role login -n co -p second-password",
            "partition contents",
            "partition clear -force",
        ],
    );
    assert_eq!((run.code, run.errors.as_str()), (Some(0), ""), "{}", run.out);
    for secret in ["first-password", "second-password", "partition-so", "cloning-domain"] {
        assert!(!run.out.contains(secret), "{secret} is shown");
    }
    compare(&instance, "initialise.txt", &run.out);
}

#[test]
fn a_wrong_password_counts_and_is_told() {
    let instance = Instance::up(&["--partition", "par1"]);
    let login = ["-c", "role login -n co -p wrong-password"];
    let run = typed(&instance, &login, &[]);
    assert_eq!(run.code, Some(1), "{}", run.out);
    assert!(run.out.contains("Command Result : 0xa0 (CKR_PIN_INCORRECT)"), "{}", run.out);
    let run = typed(&instance, &["-c", "role show -n co"], &[]);
    let left = run.out.lines().find(|line| line.contains("attempts left")).unwrap();
    assert!(left.ends_with(" 9"), "{left}");
}

#[test]
fn what_the_officer_made_is_listed_and_cleared() {
    let instance = Instance::up(&["--partition", "par1"]);
    {
        let context = instance.context();
        let session = officer(&context, first_slot(&context));
        let object =
            [Attribute::class(CKO_DATA), Attribute::token(true), Attribute::label("a note")];
        session.create_object(&object).unwrap();
    }
    let login = "role login -n co -p crypto-officer";
    let run = typed(&instance, &["-q"], &[login, "partition contents"]);
    assert!(run.out.contains("a note"), "{}", run.out);
    assert!(run.out.contains("Number of objects:  1"), "{}", run.out);
    let run = typed(&instance, &["-q"], &[login, "partition clear -force", "partition contents"]);
    assert!(run.out.contains("Number of objects destroyed:  1"), "{}", run.out);
    assert!(run.out.contains("Number of objects:  0"), "{}", run.out);
    assert_eq!(run.code, Some(0));
}

#[test]
fn misuse_and_a_missing_configuration_are_two() {
    let instance = Instance::up(&["--partition", "par1"]);
    let run = typed(&instance, &["nonsense"], &[]);
    assert_eq!(run.code, Some(2), "{}", run.out);
    let mut command = instance.program("lunacm");
    let done = command.env("ChrystokiConfigurationPath", "/nowhere").output().unwrap();
    assert_eq!(done.status.code(), Some(2));
    let errors = String::from_utf8(done.stderr).unwrap();
    assert!(errors.contains("/nowhere/Chrystoki.conf"), "{errors}");
}
