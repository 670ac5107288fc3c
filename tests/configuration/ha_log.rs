//! The log of HA groups: the file, its turn, standard output.

use luna_tests::child::Child;
use luna_tests::{Instance, first_slot, officer};

use crate::{context, with};

#[test]
fn a_lost_member_is_logged_and_a_long_log_put_aside() {
    let instance = Instance::fips_group();
    let logs = instance.directory().join("logs");
    std::fs::create_dir(&logs).unwrap();
    // What is there is long already: the next line begins a new file.
    std::fs::write(logs.join("haErrorLog.txt"), vec![b'.'; 256_000]).unwrap();
    let section = format!(
        "HAConfiguration = {{ haLogStatus = enabled; haLogPath = {}; logLen = 256000; }}",
        logs.display()
    );
    let context = context(&instance, &with(&instance, "logged", &section));
    let session = officer(&context, first_slot(&context));
    instance.member("down", 0);
    session.random(8).unwrap();
    let text = std::fs::read_to_string(logs.join("haErrorLog.txt")).unwrap();
    let serial = &instance.partitions[0].serial;
    let line = text.lines().next().unwrap();
    assert!(line.contains(&format!("has dropped member: {serial}")), "{text}");
    // As in `Wed Mar  4 10:21:07 2020 : [12345] HA group: ...`.
    let (date, rest) = line.split_once(" : [").unwrap();
    assert_eq!(date.len(), 24, "{line}");
    assert!(rest.contains("] HA group: 1"), "{line}");
    let mut names: Vec<String> = std::fs::read_dir(&logs)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    let aside = std::fs::metadata(logs.join(&names[1])).unwrap();
    assert!(names[1].starts_with("haErrorLog_20") && aside.len() == 256_000, "{names:?}");
}

#[test]
fn the_log_goes_to_standard_output_where_configured() {
    let instance = Instance::fips_group();
    let section = "HAConfiguration = { haLogToStdout = enabled; }";
    let directory = with(&instance, "stdout", section);
    let serial = &instance.partitions[0].serial;
    let mut command = Child::command("lose", &[serial], &directory);
    let output = command.env("LUNA_MODULE", instance.module()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("has dropped member: {serial}")), "{said}");
}
