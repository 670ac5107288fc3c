//! The administrator's part of the integration guide, from partitions that nobody has initialised to an HA group
//! that lists its objects: piped, with the shortest words there are, and at a terminal.

use luna_tests::Instance;

use crate::terminal::{PROMPT, answer, line, session};
use crate::{compare, redacted, typed};

const SECRETS: [&str; 4] = ["partition-so", "first-password", "crypto-officer", "cloning-domain"];

fn instance() -> Instance {
    Instance::up(&["--empty", "--partition", "one", "--partition", "two"])
}

/// The session, its words written out.
const LONG: &[&str] = &[
    "slot list",
    "partition init -label OKV -password partition-so -domain cloning-domain",
    "proceed",
    "role login -name po -password partition-so",
    "role list",
    "partition showpolicies",
    "partition changepolicy -policy 20 -value 5",
    "role init -name co -password first-password",
    "role logout",
    "role changepw -name co -oldpw first-password -newpw crypto-officer",
    "slot set -slot 1",
    "partition init -label OKV -password partition-so -domain cloning-domain -force",
    "role login -name po -password partition-so",
    "partition changepolicy -policy 20 -value 5",
    "role init -name co -password first-password",
    "role logout",
    "role changepw -name co -oldpw first-password -newpw crypto-officer",
    "role login -name co -password crypto-officer",
    "role init -name cu -password first-password",
    "role show -name cu",
    "role logout",
    "hagroup listgroups",
    "hagroup creategroup -slot 0 -label LUNAHA -password crypto-officer",
    "hagroup addmember -slot 1 -group LUNAHA -password crypto-officer",
    "hagroup synchronize -group LUNAHA -password crypto-officer",
    "hagroup retry -count -1",
    "hagroup interval -interval 60",
    "hagroup recoverymode -mode activeEnhanced",
    "hagroup haonly -enable",
    "clientconfig restart",
    "proceed",
    "hagroup listgroups",
    "clientconfig verify",
    "slot set -slot 2",
    "role login -name co -password crypto-officer",
    "partition contents",
    "exit",
];

/// The same in words cut short.
const SHORT: &[&str] = &[
    "sl l",
    "par in -l OKV -p partition-so -do cloning-domain",
    "proceed",
    "ro logi -n po -p partition-so",
    "ro li",
    "par showp",
    "par changep -p 20 -v 5",
    "ro in -n co -p first-password",
    "ro logo",
    "ro ch -n co -o first-password -ne crypto-officer",
    "sl s -s 1",
    "par in -l OKV -p partition-so -do cloning-domain -f",
    "ro logi -n po -p partition-so",
    "par changep -p 20 -v 5",
    "ro in -n co -p first-password",
    "ro logo",
    "ro ch -n co -o first-password -ne crypto-officer",
    "ro logi -n co -p crypto-officer",
    "ro in -n cu -p first-password",
    "ro sh -n cu",
    "ro logo",
    "ha l",
    "ha c -sl 0 -l LUNAHA -p crypto-officer",
    "ha am -sl 1 -g LUNAHA -p crypto-officer",
    "ha s -g LUNAHA -p crypto-officer",
    "ha rt -c -1",
    "ha i -i 60",
    "ha recoverym -m activeenhanced",
    "ha ho -e",
    "cl r",
    "proceed",
    "ha l",
    "cl v",
    "sl s -s 2",
    "ro logi -n co -p crypto-officer",
    "par con",
    "ex",
];

/// The transcript without what was typed after each prompt.
fn answers(transcript: &str) -> String {
    let lines = transcript.lines().map(|line| match line.split_once(PROMPT) {
        Some((before, _)) => format!("{before}{PROMPT}\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn the_session_is_the_guides() {
    let instance = instance();
    let run = typed(&instance, &[], LONG);
    assert_eq!((run.code, run.errors.as_str()), (Some(0), ""), "{}", run.out);
    for secret in SECRETS {
        assert!(!run.out.contains(secret), "{secret} is shown");
    }
    compare(&instance, "guide.txt", &run.out);
    let conf = std::fs::read_to_string(instance.configuration()).unwrap();
    for line in ["VirtualToken00Label = LUNAHA;", "LUNAHA = 1;", "HAOnly = 1;", "reconnAtt = -1;"] {
        assert!(conf.contains(line), "{line} is not in\n{conf}");
    }
}

#[test]
fn words_cut_short_do_the_same() {
    let instance = instance();
    let run = typed(&instance, &[], SHORT);
    assert_eq!((run.code, run.errors.as_str()), (Some(0), ""), "{}", run.out);
    let long = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/lunacm/guide.txt"),
    )
    .unwrap();
    assert_eq!(answers(&redacted(&instance, &run.out)), answers(&long));
}

#[test]
fn a_terminal_shows_what_a_pipe_does() {
    let instance = instance();
    let keys: Vec<_> = LONG
        .iter()
        .map(|keys| match *keys {
            "proceed" => answer("to quit now ->", keys),
            keys => line(keys),
        })
        .collect();
    let (screen, code) = session(&instance, &[], &keys);
    assert_eq!(code, 0, "{screen}");
    // What is typed at a terminal is seen there. Names of options and roles are none of the secrets.
    let shown = screen.lines().map(|line| {
        let (at_prompt, rest) =
            line.split_at(if line.starts_with(PROMPT) { PROMPT.len() } else { 0 });
        let words =
            rest.split(' ').map(|word| if SECRETS.contains(&word) { "********" } else { word });
        format!("{at_prompt}{}\n", words.collect::<Vec<_>>().join(" "))
    });
    compare(&instance, "guide.txt", &shown.collect::<String>());
}

#[test]
fn secrets_are_asked_for_and_not_shown() {
    let instance = instance();
    let up = "\x1b[A";
    let (screen, code) = session(
        &instance,
        &["-q"],
        &[
            line("par init -label OKV"),
            answer("Enter password for Partition SO: ", "partition-so"),
            answer("Re-enter password for Partition SO: ", "partition-so"),
            answer("Enter the domain name: ", "cloning-domain"),
            answer("Re-enter the domain name: ", "cloning-domain"),
            answer("to quit now ->", "perhaps"),
            answer("to quit now ->", "proceed"),
            line("role login -name po"),
            answer("Enter password: ", "partition-so"),
            line("role init -name co"),
            answer("Enter new password: ", "first-password"),
            answer("Re-enter new password: ", "second-password"),
            // The arrow brings back the line before.
            line(up),
            answer("Enter new password: ", "first-password"),
            answer("Re-enter new password: ", "first-password"),
            line("role logout"),
            line("role changepw -name co"),
            answer("Enter existing password: ", "first-password"),
            answer("Enter new password: ", "crypto-officer"),
            answer("Re-enter new password: ", "crypto-officer"),
            line("role login ?"),
            line("role log"),
            line("quit"),
        ],
    );
    assert_eq!(code, 0, "{screen}");
    for secret in SECRETS {
        assert!(!screen.contains(secret), "{secret} is shown in\n{screen}");
    }
    compare(&instance, "asked.txt", &screen);
}
