//! The worker as its parent sees it: what it is told, what it says, how it ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{Seat, WORKER};
use crate::report::Subject;
use crate::stage::{Secrets, Target};

/// What a worker is to do.
#[derive(Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// The token.
    pub target: Target,
    /// Its secrets; they travel by the pipe only.
    pub secrets: Secrets,
    /// The checks, in order.
    pub ids: Vec<String>,
    /// Where calls are written as they are made.
    pub calls: PathBuf,
    /// Calls a second, at most.
    pub per_second: Option<u32>,
    /// Remove what this run left on the token.
    pub clean: bool,
    /// Leave the token initialised, as it was, after a check that initialised it.
    pub restore: bool,
}

/// How a check ended, as its worker tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// As it should.
    Conforms,
    /// With another answer.
    Unlike {
        /// What should have come.
        expected: String,
        /// What came.
        seen: String,
    },
    /// With two answers that cannot both be right.
    Inconsistent {
        /// The one.
        expected: String,
        /// The other.
        seen: String,
    },
    /// Not at all; why.
    NotApplicable(String),
}

/// What a worker says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Message {
    /// The module is loaded; what it says it is.
    Ready(Subject),
    /// It cannot begin; why.
    Unusable(String),
    /// A check has begun.
    Began(String),
    /// A check has ended.
    Ended {
        /// Which.
        id: String,
        /// How.
        told: Told,
        /// Its calls, where it did not conform.
        calls: Vec<String>,
        /// How long it took.
        duration_ms: f64,
    },
    /// All have ended.
    Finished,
}

/// What comes before a message on a line, so that a module's own words are told from it.
const MARK: &str = "\u{1}luna-conformance ";

impl Message {
    /// Sends it to who started this worker. When nobody reads any more there is nothing left to do.
    pub fn send(&self) {
        if let Ok(text) = serde_json::to_string(self) {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "\n{MARK}{text}").and_then(|()| out.flush());
        }
    }
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    Died(String),
    Silent,
}

/// Starts a worker with its assignment and hears it out; one that says nothing for `limit` is ended.
pub(super) fn conduct(
    program: &Path,
    seat: &Seat,
    assignment: &Assignment,
    limit: Duration,
    hear: &mut dyn FnMut(Message),
) -> Result<End> {
    let mut command = Command::new(program);
    command.arg(WORKER).envs(seat.environment.iter().map(|(name, value)| (name, value)));
    // A terminal's interrupt is this process's affair, which then lets the worker end its check.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().with_context(|| program.display().to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        let text = serde_json::to_string(assignment)?;
        // One that ended before it read it is noticed below.
        let _ = stdin.write_all(text.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
    }
    let lines = reader(&mut child);
    let mut finished = false;
    loop {
        match lines.recv_timeout(limit) {
            Ok(line) => {
                let Some(text) = line.strip_prefix(MARK) else { continue };
                match serde_json::from_str::<Message>(text) {
                    Ok(Message::Finished) => finished = true,
                    Ok(message) => hear(message),
                    Err(_) => {}
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                child.wait()?;
                return Ok(End::Silent);
            }
        }
    }
    let status = child.wait()?;
    Ok(match (finished, status.success()) {
        (true, true) => End::Finished,
        _ if status.signal().is_some() => End::Died(format!("by {status}")),
        _ => End::Died(format!("with {status}")),
    })
}

fn reader(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut stdout = BufReader::new(stdout);
            while stdout.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
                let line = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
                if sender.send(line).is_err() {
                    break;
                }
                bytes.clear();
            }
        });
    }
    receiver
}
