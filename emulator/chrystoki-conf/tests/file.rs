//! A file as the vendor's tools write it: read, looked up, edited, written back.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use chrystoki_conf::Conf;

const SAMPLE: &str = include_str!("Chrystoki.conf");

fn sample() -> Conf {
    Conf::parse(SAMPLE, "/etc/Chrystoki.conf").unwrap()
}

#[test]
fn the_file_is_where_the_variable_says_and_nowhere_else() {
    assert_eq!(Conf::locate(None), Path::new("/etc/Chrystoki.conf"));
    assert_eq!(Conf::locate(Some("".into())), Path::new("/etc/Chrystoki.conf"));
    assert_eq!(Conf::locate(Some("/opt/luna".into())), Path::new("/opt/luna/Chrystoki.conf"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Conf::read(Path::new("/nowhere/Chrystoki.conf")).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/Chrystoki.conf: cannot be read: "), "{error}");
}

#[test]
fn values_are_found_whatever_the_case_and_the_layout() {
    let conf = sample();
    assert_eq!(
        conf.value("chrystoki2", "LIBUNIX64"),
        Some("/usr/safenet/lunaclient/lib/libCryptoki2_64.so")
    );
    assert_eq!(conf.value("LunaSA Client", "ServerName00"), Some("hsm1.example"));
    assert_eq!(conf.value("HASynchronize", "my group"), Some("1"), "keys may hold blanks");
    assert_eq!(conf.value("REST", "ServerURL"), Some("https://cloud.example/path"));
    assert_eq!(conf.value("Misc", "Nothing"), None);
    assert_eq!(conf.value("Nothing", "Nothing"), None);
    assert_eq!(conf.value("VirtualToken", "VirtualToken01Label"), None, "it is commented out");
}

#[test]
fn sections_of_one_name_are_one_and_the_last_value_counts() {
    let conf = sample();
    let misc = conf.section("Misc").unwrap();
    assert_eq!(misc.value("PE1746Enabled"), Some("0"));
    assert_eq!(misc.value("Apache"), Some("1"), "from the second section");
    assert_eq!(misc.value("ToolsDir"), Some("/opt/bin"), "given twice");
    let keys: Vec<&str> = misc.entries().iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["PE1746Enabled", "Apache", "ToolsDir"]);
    assert_eq!(conf.section_names().iter().filter(|name| **name == "Misc").count(), 1);
}

#[test]
fn values_have_types() {
    let conf = sample();
    let luna = "LunaSA Client";
    assert_eq!(conf.number(luna, "ReceiveTimeout", 0..=i64::MAX), Ok(Some(20000)));
    assert_eq!(conf.number("HAConfiguration", "reconnAtt", -1..=500), Ok(Some(-1)));
    assert_eq!(conf.number(luna, "ProbeTimeout", 0..=10), Ok(None));
    assert_eq!(conf.flag("HAConfiguration", "HAOnly"), Ok(Some(true)));
    assert_eq!(conf.flag("HAConfiguration", "haLogStatus"), Ok(Some(false)));
    assert_eq!(
        conf.list("VirtualToken", "VirtualToken00Members"),
        ["1234840370164", "1234924189183"]
    );
    assert!(conf.list("VirtualToken", "Nothing").is_empty());
    let modes = ["activeBasic", "activeEnhanced"];
    assert_eq!(conf.choice("VirtualToken", "VirtualTokenActiveRecovery", &modes), Ok(Some(1)));
}

#[test]
fn a_wrong_value_is_told_with_its_place() {
    let conf = sample();
    let error = conf.number("HAConfiguration", "AutoReconnectInterval", 60..=1200).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/etc/Chrystoki.conf:45: HAConfiguration/AutoReconnectInterval: `soon`; \
         expected a number from 60 to 1200"
    );
    let error = conf.flag("LunaSA Client", "ServerName00").unwrap_err();
    assert_eq!((error.line(), error.key()), (Some(14), Some("ServerName00")));
    let error = conf.wrong("Misc", "PluginModuleDir", "is missing", "a directory");
    assert_eq!(
        error.to_string(),
        "/etc/Chrystoki.conf: Misc/PluginModuleDir: is missing; expected a directory"
    );
}

#[test]
fn a_value_may_stand_between_quotation_marks() {
    let text = "A = {\n B = \"/opt/a {b}; c//d\" ;\n C = \"half;\n D = \"a\" b;\n E = \"\";\n}\n";
    let mut conf = Conf::parse(text, "C").unwrap();
    for (key, value) in [("B", "/opt/a {b}; c//d"), ("C", "\"half"), ("D", "\"a\" b"), ("E", "")] {
        assert_eq!(conf.value("A", key), Some(value), "{key}");
    }
    conf.set("A", "B", "/opt").unwrap();
    conf.set("A", "E", "x;y").unwrap();
    let expected = "A = {\n B = /opt ;\n C = \"half;\n D = \"a\" b;\n E = \"x;y\";\n}\n";
    assert_eq!(conf.to_text(), expected);
}

fn complaint(text: &str) -> String {
    Conf::parse(text, "C").unwrap_err().to_string()
}

#[test]
fn what_is_not_of_the_grammar_is_told_with_its_line() {
    for (text, expected) in [
        ("A = {\n\tB = 1;\n}\n", "C:2: a TAB character; expected blanks"),
        ("A = {\n B = 1\n}\n", "C:2: A/B: the value does not end; expected `;` on the same line"),
        ("A = { B = 1 }\n", "C:1: A/B: the value does not end; expected `;` on the same line"),
        ("\nA = {\n B = 1;\n", "C:2: A: the section is not closed; expected `}`"),
        ("A = 1;\n", "C:1: `A = …` stands outside of every section; expected `Section = {`"),
        ("A = {\n}\n}\n", "C:3: a brace out of place; expected `Section = {`"),
        (
            "A = {\n junk\n}\n",
            "C:2: A: `junk` without a `=` after it; expected `Key = value;` or `}`",
        ),
        (
            "A = {\n = 1;\n}\n",
            "C:2: A: a `=` without a name before it; expected `Key = value;` or `}`",
        ),
    ] {
        assert_eq!(complaint(text), expected, "{text:?}");
    }
    let nested = complaint("A = {\n B = 1;\nD = {\n}\n");
    assert!(nested.starts_with("C:3: A/D: a section inside a section"), "{nested}");
    let bytes = Conf::parse_bytes(b"A = {\n B = \xff;\n}", Path::new("C")).unwrap_err();
    assert_eq!(bytes.to_string(), "C:2: a byte that is not UTF-8; expected plain text");
}

#[test]
fn a_changed_value_changes_nothing_else() {
    let mut conf = sample();
    conf.set("lunasa client", "receivetimeout", "10000").unwrap();
    let expected = SAMPLE.replace("ReceiveTimeout = 20000;", "ReceiveTimeout = 10000;");
    assert_eq!(conf.to_text(), expected);
    conf.set("Misc", "ToolsDir", "/bin").unwrap();
    assert_eq!(conf.to_text(), expected.replace("/opt/bin", "/bin"), "the one that counts");
}

#[test]
fn a_new_key_goes_to_the_end_of_its_section() {
    let mut conf = sample();
    conf.set("LunaSA Client", "ServerName01", "hsm2.example").unwrap();
    conf.set("HASynchronize", "grp2", "0").unwrap();
    conf.set("Emulator", "State", "/var/lib/state").unwrap();
    let text = conf.to_text();
    assert!(text.contains("TCPKeepAlive = 1;\n   ServerName01 = hsm2.example;\n}\n"), "{text}");
    assert!(text.contains("{ grp = 1; my group = 1; grp2 = 0; }"), "{text}");
    assert!(text.ends_with("\nEmulator = {\n   State = /var/lib/state;\n}\n"), "{text}");
    assert_eq!(conf.value("Emulator", "State"), Some("/var/lib/state"));
}

#[test]
fn what_is_removed_takes_its_line_along_and_no_other() {
    let mut conf = sample();
    assert!(conf.remove("LunaSA Client", "ServerName00"));
    assert!(!conf.remove("LunaSA Client", "ServerName00"));
    assert!(conf.remove("HASynchronize", "grp"));
    assert!(conf.remove("Misc", "ToolsDir"), "both of them");
    let expected = SAMPLE
        .replace("   ServerName00 = hsm1.example;   // the order is the order of the slots\n", "")
        .replace("{ grp = 1; my", "{ my")
        .replace("   ToolsDir = /usr/safenet/lunaclient/bin;\n", "")
        .replace("   ToolsDir = /opt/bin;\n", "");
    assert_eq!(conf.to_text(), expected);
    assert!(conf.remove_section("Misc"));
    assert!(conf.section("Misc").is_none());
    assert!(conf.to_text().contains("// Added by a script."), "comments between sections stay");
    assert!(!conf.remove_section("Misc"));
}

#[test]
fn what_cannot_stand_in_the_file_is_not_put_there() {
    let mut conf = sample();
    for (section, key, value) in [
        ("Misc", "A", "\"1; B = 2"),
        ("Misc", "A", "two\nlines"),
        ("Misc", "A", "\"quoted\""),
        ("Misc", "A = B", "1"),
        ("Misc", "", "1"),
        ("", "A", "1"),
        ("// Misc", "A", "1"),
        ("Misc", "A", "a\ttab"),
    ] {
        assert!(conf.set(section, key, value).is_err(), "{section:?} {key:?} {value:?}");
    }
    assert_eq!(conf.to_text(), SAMPLE);
}
