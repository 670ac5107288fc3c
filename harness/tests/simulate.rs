//! `luna-harness simulate`, as it is typed.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use std::process::{Command, Output};

fn simulate(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_luna-harness")).arg("simulate").args(words).output().unwrap()
}

#[test]
fn schedules_hold_and_are_counted() {
    let done = simulate(&["--seeds", "20", "--first", "100", "--steps", "60", "--json"]);
    assert!(done.status.success(), "{done:?}");
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&told["schedules"], &told["failure"]), (&20.into(), &serde_json::Value::Null));
    assert!(told["objects"].as_u64().unwrap() > 20, "{told}");
    let words = String::from_utf8(simulate(&["--seeds", "2"]).stdout).unwrap();
    assert!(words.contains("2 schedules of 200 steps"), "{words}");
}

#[test]
fn a_schedule_from_a_file_is_run_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedule.json");
    let run = |text: &str| {
        std::fs::write(&file, text).unwrap();
        simulate(&["--schedule", file.to_str().unwrap()])
    };
    let shape = |members: usize| {
        format!(r#""shape":{{"members":{members},"processes":1,"enhanced":true,"standby":false}}"#)
    };
    let good =
        run(&format!(r#"{{{},"steps":[{{"Start":0}},{{"CreateKey":[0,true]}}]}}"#, shape(2)));
    assert!(good.status.success(), "{good:?}");
    for (wrong, named) in [
        (format!(r#"{{{},"steps":[]}}"#, shape(0)), "0 members"),
        (format!(r#"{{{},"steps":[{{"Dance":0}}]}}"#, shape(2)), "Dance"),
    ] {
        let refused = run(&wrong);
        assert_eq!(refused.status.code(), Some(2));
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(text.contains(named) && text.contains("schedule.json"), "{text}");
    }
}
