//! Where lines come from and where they go to: a terminal, or a pipe.

use std::io::{self, BufRead, Write};

use luna_client::Pin;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::failure::Failure;
use crate::registry;

/// What stands before each command. Source: the vendor's transcripts (Observed).
const PROMPT: &str = "lunacm:>";

/// Where commands and answers to questions come from.
pub enum Input<'a> {
    /// Someone types: lines can be edited and called back, secrets are not shown.
    Terminal,
    /// Lines of a pipe or a file. Nobody can be asked for a secret.
    Lines(&'a mut dyn BufRead),
}

/// Both directions of the conversation.
pub(crate) struct Console<'a> {
    input: Input<'a>,
    /// Made when the first line is asked for.
    editor: Option<DefaultEditor>,
    /// Where output goes.
    pub(crate) out: &'a mut dyn Write,
}

impl<'a> Console<'a> {
    pub(crate) fn new(input: Input<'a>, out: &'a mut dyn Write) -> Self {
        Self { input, editor: None, out }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.input, Input::Terminal)
    }

    /// The next command; `None` at the end of the input.
    ///
    /// From a pipe it is written after the prompt, so that a transcript reads as at a terminal, without the
    /// secrets in it.
    pub(crate) fn command(&mut self) -> io::Result<Option<String>> {
        loop {
            let line = self.line(PROMPT)?;
            let Some(line) = line else { return Ok(None) };
            if !self.is_terminal() {
                writeln!(self.out, "{}", registry::without_secrets(&line))?;
            }
            if line.trim().is_empty() {
                continue;
            }
            if let Some(editor) = &mut self.editor {
                // It lives in memory only. The line is not kept when it holds a secret.
                if registry::without_secrets(&line) == line {
                    let _ = editor.add_history_entry(&line);
                }
            }
            return Ok(Some(line));
        }
    }

    /// Asks something; the answer, or `None` at the end of the input.
    pub(crate) fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        let answer = self.line(question)?;
        if !self.is_terminal() {
            writeln!(self.out, "{}", answer.as_deref().unwrap_or_default())?;
        }
        Ok(answer)
    }

    fn line(&mut self, prompt: &str) -> io::Result<Option<String>> {
        match &mut self.input {
            Input::Lines(lines) => {
                write!(self.out, "{prompt}")?;
                self.out.flush()?;
                let mut line = String::new();
                if lines.read_line(&mut line)? == 0 {
                    writeln!(self.out)?;
                    return Ok(None);
                }
                Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
            }
            Input::Terminal => {
                self.out.flush()?;
                let editor = match &mut self.editor {
                    Some(editor) => editor,
                    None => self.editor.insert(DefaultEditor::new().map_err(io::Error::other)?),
                };
                match editor.readline(prompt) {
                    Ok(line) => Ok(Some(line)),
                    Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
                    Err(error) => Err(io::Error::other(error)),
                }
            }
        }
    }

    /// Asks for a secret that was not given with `option`, without showing it.
    ///
    /// # Errors
    ///
    /// `Misuse` when nobody is there to be asked, `Cancelled` when nothing is typed.
    pub(crate) fn secret(&mut self, question: &str, option: &str) -> Result<Pin, Failure> {
        if !self.is_terminal() {
            return Err(Failure::misuse(format!(
                "-{option} is needed: nobody can be asked for it"
            )));
        }
        self.out.flush()?;
        let secret = match rpassword::prompt_password(question) {
            Ok(secret) => Pin::from(secret),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Failure::Cancelled);
            }
            Err(error) => return Err(Failure::Stream(error)),
        };
        if secret.is_empty() { Err(Failure::Cancelled) } else { Ok(secret) }
    }

    /// Asks for a new secret, twice, the second time to `Re-enter` what the question says to `Enter` (Observed, a
    /// transcript of client 7.1).
    ///
    /// # Errors
    ///
    /// As [`Console::secret`]; `Misuse` when the two differ.
    pub(crate) fn new_secret(&mut self, question: &str, option: &str) -> Result<Pin, Failure> {
        let secret = self.secret(question, option)?;
        let again = question.replacen("Enter", "Re-enter", 1);
        if secret == self.secret(&again, option)? {
            Ok(secret)
        } else {
            Err(Failure::misuse("the two are not the same"))
        }
    }

    /// Asks whether to go on with what cannot be undone. The shape is Observed, in a transcript of client 7.1.
    ///
    /// # Errors
    ///
    /// `Cancelled` unless the answer is `proceed`.
    pub(crate) fn proceed(&mut self, warning: &str) -> Result<(), Failure> {
        writeln!(self.out, "        {warning}\n\n        Are you sure you wish to continue?\n")?;
        let question = "        Type 'proceed' to continue, or 'quit' to quit now ->";
        loop {
            let answer = self.ask(question)?;
            writeln!(self.out)?;
            match answer.as_deref().map(str::trim) {
                Some("proceed") => return Ok(()),
                Some("quit") | None => return Err(Failure::Cancelled),
                // Anything else is neither; from a pipe it would be the next command.
                Some(_) if !self.is_terminal() => return Err(Failure::Cancelled),
                Some(_) => {}
            }
        }
    }
}
