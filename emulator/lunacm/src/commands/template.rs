//! Partition policy templates: a text with one policy a line, written by `partition showpolicies
//! -exporttemplate` and read by `partition init -applytemplate`.
//!
//! ```text
//! # Partition policy template
//! # Policy ID : description : value : destructive when switched on : destructive when switched off
//! 0:"Allow private key cloning":1:1:0
//! ```
//!
//! That there are templates, and that they set values and destructiveness, is Documented; the shape of the line is
//! Assumed, from memory of the vendor's page. Destructiveness cannot be set by a function of the library that is
//! published in full, so a template that asks for another one is refused.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use luna_ck::CK_ULONG;
use luna_client::PolicyValue;

use crate::failure::Failure;
use crate::shell::Shell;

/// Where a template is: a name alone stands in the directory that the configuration has for templates (Assumed).
pub(crate) fn place(shell: &Shell, file: &str) -> PathBuf {
    let conf = shell.conf().ok();
    let directory = conf.and_then(|conf| conf.value("Misc", "PartitionPolicyTemplatePath"));
    match directory.filter(|directory| !directory.is_empty()) {
        Some(directory) if !file.contains('/') => Path::new(directory).join(file),
        _ => PathBuf::from(file),
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: CK_ULONG,
    pub(crate) text: String,
    pub(crate) value: CK_ULONG,
    /// When it is switched on, when it is switched off.
    pub(crate) destructive: [bool; 2],
}

impl Row {
    pub(crate) fn policy(&self) -> PolicyValue {
        PolicyValue { id: self.id, value: self.value }
    }
}

/// A template as a file's text.
pub(crate) fn written(firmware: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "# Partition policy template, firmware {firmware}\n# Policy ID : description : value : destructive \
         when switched on : destructive when switched off\n# Values may be changed; lines may be taken out.\n"
    );
    for row in rows {
        let [on, off] = row.destructive.map(u8::from);
        let text_of = row.text.replace('"', "'");
        // Writing to a text does not fail.
        let _ = writeln!(text, "{}:\"{text_of}\":{}:{on}:{off}", row.id, row.value);
    }
    text
}

/// A file's text as a template.
///
/// # Errors
///
/// `Misuse`, with the number of the line.
pub(crate) fn read(text: &str) -> Result<Vec<Row>, Failure> {
    let mut rows: Vec<Row> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let row = row(line).ok_or_else(|| {
            let number = number + 1;
            Failure::misuse(format!(
                "line {number} of the template: '{line}'; expected ID:\"description\":value:0 or 1:0 or 1"
            ))
        })?;
        if rows.iter().any(|other| other.id == row.id) {
            let number = number + 1;
            return Err(Failure::misuse(format!(
                "line {number} of the template: policy {} is there twice",
                row.id
            )));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn row(line: &str) -> Option<Row> {
    let (id, rest) = line.split_once(':')?;
    let (text, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    let mut fields = rest.trim_start().strip_prefix(':')?.split(':').map(str::trim);
    let value = fields.next()?.parse().ok()?;
    let mut flag = || match fields.next()? {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    };
    let destructive = [flag()?, flag()?];
    if fields.next().is_some() {
        return None;
    }
    Some(Row { id: id.trim().parse().ok()?, text: text.to_owned(), value, destructive })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let rows = [
            Row { id: 0, text: "Allow a".into(), value: 1, destructive: [true, false] },
            Row { id: 25, text: "Minimum: pin".into(), value: 248, destructive: [false, false] },
        ];
        let text = written("7.4.0", &rows);
        assert_eq!(read(&text).unwrap(), rows);
        assert!(text.ends_with("25:\"Minimum: pin\":248:0:0\n"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line() {
        for line in
            ["0:x:1:0:0", "0:\"x\":1:0", "x:\"x\":1:0:0", "0:\"x\":1:2:0", "0:\"x\":1:0:0:0"]
        {
            let error = read(&format!("# a\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with("line 2 of the template: "), "{error}");
        }
        let twice = read("1:\"x\":1:0:0\n1:\"x\":0:0:0\n").unwrap_err().to_string();
        assert!(twice.contains("policy 1 is there twice"), "{twice}");
    }
}
