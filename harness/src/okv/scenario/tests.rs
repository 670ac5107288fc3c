//! Files of scenarios: what is wrong is named with file, line and key.

use super::*;

const GOOD: &str = r#"
[[scenario]]
name = "S"
title = "a title"
source = { mark = "Assumed", text = "here" }

[[scenario.step]]
id = "one"
title = "first"
expected = "something"
do = [{ install = {} }, { check = {} }]
expect = { fails = ["CouldNotGetSlot"], at = "verification 5", state = "ENABLED_OK" }

[[scenario.step]]
id = "two"
title = "second"
expected = "something"
do = [{ hsm = "down" }]
"#;

fn wrong(from: &str, to: &str) -> String {
    let text = GOOD.replacen(from, to, 1);
    assert_ne!(text, GOOD, "{from}");
    read("mine.toml", &text).unwrap_err().to_string()
}

#[test]
fn a_good_file_is_read_and_a_step_stands_on_the_one_before_it() {
    let scenario = read("mine.toml", GOOD).unwrap().remove(0);
    let plan = scenario.plan();
    let ids: Vec<_> = plan.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["one", "two", "leave"]);
    assert_eq!(plan[1].after, ["one"]);
    assert_eq!(plan[1].needs, [Needs::MembersToKill]);
    assert!(plan[2].always);
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_key() {
    for (from, to, line, key, says) in [
        ("title = \"first\"", "titel = \"first\"", 9, "titel", "unknown field `titel`"),
        ("title = \"first\"\n", "", 7, "", "missing field `title`"),
        ("{ check = {} }", "{ chekc = {} }", 11, "chekc", "unknown variant `chekc`"),
        ("{ install = {} }", "{ install = { n = 1 } }", 11, "n", "unexpected keys in table: n"),
        ("\"down\"", "\"sideways\"", 18, "hsm", "unknown variant `sideways`"),
        ("\"ENABLED_OK\"", "\"ENABLED\"", 12, "state", "there is no state `ENABLED`"),
        ("CouldNotGetSlot", "NoSlot", 12, "fails", "there is no cause `NoSlot`"),
        ("verification 5", "verification 14", 12, "at", "there is no step `verification 14`"),
        ("[{ hsm = \"down\" }]", "[]", 18, "do", "step `two` does nothing"),
        ("id = \"two\"", "id = \"one\"", 15, "id", "`one` stands twice"),
        ("id = \"two\"", "id = \"leave\"", 15, "id", "is taken"),
        ("id = \"two\"", "id = \"two\"\nafter = [\"three\"]", 16, "after", "called `three`"),
        ("name = \"S\"", "name = \"../S\"", 3, "name", "letters, digits and `-`"),
        ("\"Assumed\"", "\"Guessed\"", 5, "mark", "unknown variant `Guessed`"),
        ("name = \"S\"", "name = 7", 3, "name", "expected a string"),
    ] {
        let told = wrong(from, to);
        let key = if key.is_empty() { String::new() } else { format!(", key `{key}`") };
        let begins = format!("mine.toml, line {line}{key}: ");
        assert!(told.starts_with(&begins) && told.contains(says), "{told}\nnot {begins}… {says}");
    }
    let told = read("mine.toml", "[[scenario]\n").unwrap_err().to_string();
    assert!(told.starts_with("mine.toml, line 1: "), "{told}");
    let told = read("mine.toml", "scenario = []").unwrap_err().to_string();
    assert!(told.contains("there is no [[scenario]]"), "{told}");
}

#[test]
fn the_files_of_the_program_are_good_and_no_name_stands_twice() {
    let mut names = std::collections::HashSet::new();
    for (file, text) in FILES {
        for scenario in read(file, text).unwrap() {
            assert!(names.insert(scenario.name().to_owned()), "{}", scenario.name());
            let plan = scenario.plan();
            let first = plan.iter().position(|step| step.always).unwrap();
            assert!(plan[first..].iter().all(|step| step.always), "what is always done comes last");
        }
    }
}
