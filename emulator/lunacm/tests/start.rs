//! The program as a library: what it says when there is nothing to work on.

use lunacm::{Input, Surroundings, run};

fn started(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let mut lines: &[u8] = b"slot list\n";
    let surroundings = Surroundings {
        configuration_directory: Some("/nowhere".into()),
        view: None,
        input: Input::Lines(&mut lines),
        out: &mut out,
        errors: &mut errors,
    };
    let code = run(arguments, surroundings);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (code, text(&out), text(&errors))
}

#[test]
fn help_goes_to_output_and_misuse_to_errors() {
    let (code, out, errors) = started(&["lunacm", "--help"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(out.contains("Usage: lunacm"), "{out}");
    let (code, out, errors) = started(&["lunacm", "--slot", "one"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.contains("--slot"), "{errors}");
}

#[test]
fn without_a_configuration_nothing_is_begun() {
    let (code, out, errors) = started(&["lunacm"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.starts_with("lunacm: /nowhere/Chrystoki.conf: cannot be read: "), "{errors}");
}
