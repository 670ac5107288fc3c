//! `okv_hsm_env`: environment variables for the PKCS#11 library, set by the administrator of the machine.
//!
//! Lines are `NAME="VALUE"`, empty, or a comment after `#`. A malformed line is left out, with a warning in the trace
//! that gives its number (Observed, on a 21.10 server). An environment belongs to a whole process, and a library looks
//! at it whenever it likes: so the program takes these variables at its start, by starting itself again with them; the
//! trace of every operation tells what stands in the file then.

use std::path::Path;

use crate::disk::{Disk, Place};
use crate::run::Run;

/// Longest line, bytes, its end included. Observed of the file beside it, `okv_hsm.conf`.
const LONGEST: usize = 4096;

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line<'a> {
    /// Nothing to set.
    Empty,
    /// `NAME="VALUE"`.
    Variable(&'a str, &'a str),
    /// Neither.
    Malformed,
}

fn read_line(line: &str) -> Line<'_> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Line::Empty;
    }
    let Some((name, value)) = line.split_once('=') else { return Line::Malformed };
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|it| it.is_ascii_alphabetic() || it == '_');
    let named = begins && letters.all(|it| it.is_ascii_alphanumeric() || it == '_');
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    match value {
        Some(value) if named && line.len() < LONGEST && !value.contains(['"', '\0']) => {
            Line::Variable(name, value)
        }
        _ => Line::Malformed,
    }
}

fn text(data: &Path) -> Option<String> {
    let bytes = std::fs::read(data.join(Place::Environment.relative())).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The variables of the server in this directory, in their order; nothing where there is no such file.
pub fn variables(data: &Path) -> Vec<(String, String)> {
    let text = text(data).unwrap_or_default();
    let lines = text.lines().map(read_line);
    lines
        .filter_map(|line| match line {
            Line::Variable(name, value) => Some((name.to_owned(), value.to_owned())),
            Line::Empty | Line::Malformed => None,
        })
        .collect()
}

/// Tells the trace what stands in the file: names, not values, and a warning for each line that is left out.
pub(crate) fn note(disk: &Disk, run: &mut Run) {
    let text = text(disk.root()).unwrap_or_default();
    for (at, line) in text.lines().enumerate() {
        match read_line(line) {
            Line::Empty => {}
            Line::Variable(name, _) => run.note(format_args!("Environment variable {name}")),
            Line::Malformed => run.note(format_args!(
                "Warning: line {} of okv_hsm_env is malformed and is ignored",
                at + 1
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_variables_comments_or_left_out() {
        for (line, expected) in [
            ("", Line::Empty),
            ("  # ChrystokiConfigurationPath=\"/etc\"", Line::Empty),
            ("A=\"b c\"", Line::Variable("A", "b c")),
            ("  _A1=\"\"  ", Line::Variable("_A1", "")),
            ("A=\"b=c\"", Line::Variable("A", "b=c")),
            ("A=b", Line::Malformed),
            ("A=\"b", Line::Malformed),
            ("A=\"", Line::Malformed),
            ("=\"b\"", Line::Malformed),
            ("1A=\"b\"", Line::Malformed),
            ("A B=\"c\"", Line::Malformed),
            ("A=\"b\"c\"", Line::Malformed),
            ("junk", Line::Malformed),
        ] {
            assert_eq!(read_line(line), expected, "{line}");
        }
        let long = format!("A=\"{}\"", "x".repeat(LONGEST));
        assert_eq!(read_line(&long), Line::Malformed);
    }

    #[test]
    fn a_server_without_the_file_has_none() {
        let data = tempfile::tempdir().unwrap();
        assert!(variables(data.path()).is_empty());
        let file = data.path().join(Place::Environment.relative());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, b"A=\"1\"\n\xff\nB=\"2\"\n").unwrap();
        let all = variables(data.path());
        assert_eq!(all, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
    }
}
