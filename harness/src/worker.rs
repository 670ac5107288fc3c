//! A process of its own for what may crash or hang.
//!
//! The worker is this program started again, with the environment a module needs. It reads its assignment, which
//! holds secrets, from standard input and writes a line of JSON a message to standard output. Who started it
//! reads them, and knows what to think when they end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::transcript::Record;

/// What the worker says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Message {
    /// It cannot begin; why.
    Unusable(String),
    /// It has loaded the library and found the token: what they say they are.
    Ready {
        /// The library.
        library: String,
        /// Slot and token.
        token: String,
    },
    /// The step with this id has begun.
    Began(String),
    /// A step has ended, or will not run.
    Ended(Box<Record>),
    /// All steps have ended.
    Finished,
}

impl Message {
    /// Sends it to who started this worker. When nobody reads any more there is nothing left to do, so failing to
    /// is not told.
    pub fn send(&self) {
        if let Ok(text) = serde_json::to_string(self) {
            let mut out = std::io::stdout().lock();
            // A library may have printed something without ending the line.
            let _ = writeln!(out, "\n{text}").and_then(|()| out.flush());
        }
    }
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All was said.
    Finished,
    /// It could not begin.
    Unusable(String),
    /// It ended in the middle; how.
    Died(String),
    /// Nothing was heard of it for too long, and it was ended.
    Silent,
    /// Somebody wants the program to end, and it was ended.
    Interrupted,
}

/// Starts the worker with its assignment and hears it out.
///
/// # Errors
/// When it cannot be started.
pub fn conduct(
    mut command: Command,
    assignment: &str,
    limit: Duration,
    interrupted: &AtomicBool,
    hear: &mut dyn FnMut(&Message),
) -> Result<End> {
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program.display().to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended before it read it is noticed below.
        let _ = stdin.write_all(assignment.as_bytes());
    }
    let lines = reader(&mut child);
    let mut heard = Instant::now();
    let mut end = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => {
                heard = Instant::now();
                match serde_json::from_str::<Message>(&line) {
                    Ok(Message::Unusable(why)) => end = Some(End::Unusable(why)),
                    Ok(Message::Finished) => end = Some(End::Finished),
                    Ok(message) => hear(&message),
                    Err(_) if line.trim().is_empty() => {}
                    // The library's own words.
                    Err(_) => anstream::eprintln!("{line}"),
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let ending = if interrupted.load(Ordering::Relaxed) {
                    End::Interrupted
                } else if heard.elapsed() > limit {
                    End::Silent
                } else {
                    continue;
                };
                child.kill()?;
                child.wait()?;
                return Ok(ending);
            }
        }
    }
    let status = child.wait()?;
    Ok(match end {
        Some(End::Unusable(why)) => End::Unusable(why),
        Some(End::Finished) if status.success() => End::Finished,
        _ if interrupted.load(Ordering::Relaxed) => End::Interrupted,
        _ => End::Died(ended(status)),
    })
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;

    if status.signal().is_some() { format!("by {status}") } else { format!("with {status}") }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (End, Vec<String>) {
        conducted(script, Duration::from_secs(20), false)
    }

    fn conducted(script: &str, limit: Duration, interrupted: bool) -> (End, Vec<String>) {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        let mut heard = Vec::new();
        let interrupted = AtomicBool::new(interrupted);
        let end = conduct(command, "assignment", limit, &interrupted, &mut |message| {
            if let Message::Began(id) = message {
                heard.push(id.clone());
            }
        });
        (end.unwrap(), heard)
    }

    #[test]
    fn what_a_worker_says_is_heard_to_its_end() {
        let (end, heard) = shell(
            r#"read -r line; printf 'library chatter\n{"Began":"one"}\n\n{"Began":"'"$line"'"}\n"Finished"\n'"#,
        );
        assert_eq!(end, End::Finished);
        assert_eq!(heard, ["one", "assignment"]);
    }

    #[test]
    fn a_worker_that_dies_is_told_from_one_that_ends() {
        let (end, heard) = shell(r#"echo '{"Began":"one"}'; kill -SEGV $$"#);
        assert!(matches!(&end, End::Died(how) if how.contains("SIGSEGV")), "{end:?}");
        assert_eq!(heard, ["one"]);
        assert_eq!(shell("exit 3").0, End::Died("with exit status: 3".into()));
        assert_eq!(shell("true").0, End::Died("with exit status: 0".into()), "nothing was said");
        assert_eq!(shell(r#"echo '{"Unusable":"x"}'; exit 2"#).0, End::Unusable("x".into()));
    }

    #[test]
    fn a_worker_that_hangs_is_ended() {
        let begin = Instant::now();
        let (end, heard) = conducted(
            r#"echo '{"Began":"one"}'; exec sleep 100"#,
            Duration::from_millis(300),
            false,
        );
        assert_eq!((end, heard), (End::Silent, vec!["one".to_owned()]));
        assert_eq!(conducted("exec sleep 100", Duration::from_secs(50), true).0, End::Interrupted);
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}
