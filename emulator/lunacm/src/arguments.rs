//! What the program is started with.

use std::path::PathBuf;

use clap::Parser;

/// Administrator tool in the manner of lunacm, for any PKCS#11 module of the Luna family.
///
/// Without a command it reads commands from the terminal or from standard input. Exit codes: 0 done, 1 a
/// command failed or was refused, 2 misuse or broken set-up.
#[derive(Debug, Parser)]
#[command(name = "lunacm", version)]
pub(crate) struct Arguments {
    /// Do not print the banner and the slots first
    #[arg(short, long)]
    quiet: bool,

    /// Run this command and end; may be given several times, and the first that fails is the last run
    #[arg(short, long = "command", value_name = "COMMAND", conflicts_with_all = ["file", "words"])]
    commands: Vec<String>,

    /// Run the commands of this file, one a line, and end with the first that fails
    #[arg(short, long, value_name = "FILE", conflicts_with = "words")]
    file: Option<PathBuf>,

    /// Begin with this slot instead of the first
    #[arg(short, long, value_name = "SLOT")]
    pub(crate) slot: Option<u64>,

    /// Load this module instead of the one the configuration file names
    #[arg(long, value_name = "PATH")]
    pub(crate) module: Option<PathBuf>,

    /// One command, its words as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    words: Vec<String>,
}

/// Where the commands come from.
pub(crate) enum Source {
    /// One command, already cut into words.
    Words(Vec<String>),
    /// Lines known beforehand.
    Lines(Vec<String>),
    /// Standard input.
    Console,
}

impl Arguments {
    pub(crate) fn wants_banner(&self) -> bool {
        !self.quiet && self.commands.is_empty() && self.words.is_empty()
    }

    pub(crate) fn source(&self) -> Result<Source, String> {
        if !self.words.is_empty() {
            return Ok(Source::Words(self.words.clone()));
        }
        if !self.commands.is_empty() {
            return Ok(Source::Lines(self.commands.clone()));
        }
        let Some(file) = &self.file else { return Ok(Source::Console) };
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(Source::Lines(text.lines().map(str::to_owned).collect())),
            Err(error) => Err(format!("{}: {error}", file.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_declaration_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_words_of_one_command_are_left_alone() {
        let arguments =
            Arguments::try_parse_from(["lunacm", "-q", "role", "login", "-n", "co", "-s"]).unwrap();
        assert_eq!(arguments.words, ["role", "login", "-n", "co", "-s"]);
        assert!(!arguments.wants_banner());
    }
}
