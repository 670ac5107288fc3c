//! Reader of the known answers in `vectors/*.txt`, for tests only.
//!
//! A file is a list of cases separated by blank lines; a case is lines of `name = value`; `#`
//! starts a comment. Byte strings are hexadecimal.

use std::collections::BTreeMap;

/// One case: its fields by name.
pub(crate) struct Case(BTreeMap<String, String>);

impl Case {
    /// The text of a field.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no field {name} in {:?}", self.0))
    }

    /// The bytes of a hexadecimal field; an empty field is no bytes.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        hex(self.text(name))
    }

    /// The names of all fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// All cases of a file; a file without any is a mistake.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let mut all = Vec::new();
    let mut current = BTreeMap::new();
    for line in file.lines().chain([""]) {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) => {
                let before = current.insert(name.trim().to_owned(), value.trim().to_owned());
                assert!(before.is_none(), "field twice: {line}");
            }
            None if line.is_empty() && !current.is_empty() => {
                all.push(Case(std::mem::take(&mut current)));
            }
            None => assert!(line.is_empty(), "not a field: {line}"),
        }
    }
    assert!(!all.is_empty(), "no cases");
    all
}

/// Bytes of a hexadecimal string.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of digits: {text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}
