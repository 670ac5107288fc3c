//! Conversations with `lunacm`, the administrator's tool.
//!
//! It runs as a program of its own and is told everything on standard input, as by somebody who types: secrets
//! are on no command line, and `lunacm` masks them in what it prints.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// The tool, and which module it is to look at.
#[derive(Debug, Clone)]
pub struct Lunacm {
    /// The program.
    pub program: PathBuf,
    /// The module; without it the one the client configuration names.
    pub module: Option<PathBuf>,
}

/// What was said.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All it printed on standard output.
    pub text: String,
    /// Its complaints.
    pub errors: String,
}

/// An object as `partition contents` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its label.
    pub label: String,
    /// As in `Symmetric Key`.
    pub kind: String,
}

impl Lunacm {
    /// Runs it with these commands, one a line.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn converse(&self, arguments: &[&str], commands: &[String]) -> Result<Conversation> {
        let mut command = Command::new(&self.program);
        if let Some(module) = &self.module {
            command.arg("--module").arg(module);
        }
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| self.program.display().to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ended early has said why, and does not read on.
            let _ = stdin.write_all(lines(commands).as_bytes());
        }
        let output = child.wait_with_output()?;
        Ok(Conversation {
            code: output.status.code(),
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The program's path.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

fn lines(commands: &[String]) -> zeroize::Zeroizing<String> {
    let mut text = zeroize::Zeroizing::new(String::new());
    for command in commands {
        text.push_str(command);
        text.push('\n');
    }
    text
}

impl Conversation {
    /// The objects `partition contents` listed, in their order.
    pub fn objects(&self) -> Vec<Listed> {
        let mut objects: Vec<Listed> = Vec::new();
        for line in self.text.lines().map(str::trim) {
            if let Some(label) = line.strip_prefix("Label:") {
                objects.push(Listed { label: label.trim().into(), kind: String::new() });
            } else if let (Some(kind), Some(object)) =
                (line.strip_prefix("Object Type:"), objects.last_mut())
            {
                object.kind = kind.trim().into();
            }
        }
        objects
    }

    /// The number `partition contents` ends with.
    pub fn number_of_objects(&self) -> Option<usize> {
        let line = self.text.lines().find_map(|it| it.trim().strip_prefix("Number of objects:"))?;
        line.trim().parse().ok()
    }

    /// The last `Command Result`, as in `0xa0 (CKR_PIN_INCORRECT)`.
    pub fn result(&self) -> Option<&str> {
        let mut lines = self.text.lines().rev();
        lines.find_map(|line| line.strip_prefix("Command Result :").map(str::trim))
    }
}

/// A word as `lunacm` takes it, whatever is in it: blanks and quotes between quotes, as there is no escape
/// character.
pub fn word(text: &str) -> zeroize::Zeroizing<String> {
    let mut out = zeroize::Zeroizing::new(String::new());
    if !text.is_empty() && text.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it)) {
        out.push_str(text);
        return out;
    }
    out.push('"');
    for (number, part) in text.split('"').enumerate() {
        if number > 0 {
            out.push_str("\"'\"'\"");
        }
        out.push_str(part);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Conversation {
        Conversation { code: Some(0), text: text.into(), errors: String::new() }
    }

    #[test]
    fn a_listing_is_read() {
        let listing = "\n        Object list:\n\n        Label:         OKV 18.1 HSM Root Key\n        \
                       Handle:        96\n        Object Type:   Symmetric Key\n        Usage Limit:   none\n\n        \
                       Label:         \n        Handle:        7\n        Object Type:   Data\n\n        \
                       Number of objects:  2\n\nCommand Result : No Error\n";
        let conversation = said(listing);
        let listed = |label: &str, kind: &str| Listed { label: label.into(), kind: kind.into() };
        assert_eq!(
            conversation.objects(),
            [listed("OKV 18.1 HSM Root Key", "Symmetric Key"), listed("", "Data")]
        );
        assert_eq!(conversation.number_of_objects(), Some(2));
        assert_eq!(conversation.result(), Some("No Error"));
        assert_eq!(said("").number_of_objects(), None);
        assert_eq!(said("").result(), None);
    }

    #[test]
    fn a_secret_of_any_characters_is_one_word() {
        assert_eq!(word("abc-123").as_str(), "abc-123");
        assert_eq!(word("two words").as_str(), "\"two words\"");
        assert_eq!(word("it's").as_str(), "\"it's\"");
        assert_eq!(word("a\"b").as_str(), "\"a\"'\"'\"b\"");
        assert_eq!(word("").as_str(), "\"\"");
    }
}
