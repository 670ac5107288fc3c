//! A process of its own for what may crash or hang.
//!
//! The worker is this program started again, with the environment a module needs. It reads its assignment, which
//! holds secrets, from a line of standard input and writes a line of JSON a message to standard output. Who
//! started it reads them, and knows what to think when they end.
//!
//! Standard input ends when the worker is to stop, or when whoever started it is gone: then it ends the step it
//! is at and does what is always done. It is in a process group of its own, so that an interrupt from the
//! terminal does not meet it in the middle of making a key.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
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
    /// So many objects are on the token before anything is made: for a second worker to compare with.
    Counted(usize),
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
    /// It was asked to stop, did not, and was ended.
    Interrupted,
}

/// What ends a worker before its time.
#[derive(Debug, Clone, Copy)]
pub struct Patience<'a> {
    /// How long it may say nothing.
    pub limit: Duration,
    /// Counts how often somebody wanted the program to end: once, and the worker is asked to stop; twice, and it
    /// is ended.
    pub interrupts: &'a AtomicU32,
    /// So many of them were meant for another.
    pub before: u32,
}

/// Starts the worker with its assignment, one line, and hears it out.
///
/// # Errors
/// When it cannot be started.
pub fn conduct(
    mut command: Command,
    assignment: &str,
    patience: Patience<'_>,
    hear: &mut dyn FnMut(&Message),
) -> Result<End> {
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| program.display().to_string())?;
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        // One that ended before it read it is noticed below.
        let _ = stdin.write_all(assignment.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
    }
    let lines = reader(&mut child);
    let mut heard = Instant::now();
    let mut end = None;
    loop {
        let interrupts =
            patience.interrupts.load(Ordering::Relaxed).saturating_sub(patience.before);
        if interrupts > 0 {
            drop(stdin.take());
        }
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
                let ending = match interrupts {
                    0 | 1 if heard.elapsed() <= patience.limit => continue,
                    0 | 1 => End::Silent,
                    _ => End::Interrupted,
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
        _ => End::Died(ended(status)),
    })
}

fn ended(status: ExitStatus) -> String {
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
        conducted(script, Duration::from_secs(20), 0)
    }

    /// Interrupted so often when the first step begins.
    fn conducted(script: &str, limit: Duration, times: u32) -> (End, Vec<String>) {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        let mut heard = Vec::new();
        // Interrupts of an earlier worker do not count.
        let interrupts = AtomicU32::new(7);
        let patience = Patience { limit, interrupts: &interrupts, before: 7 };
        let end = conduct(command, "assignment", patience, &mut |message| {
            if let Message::Began(id) = message {
                heard.push(id.clone());
                interrupts.store(7 + times, Ordering::Relaxed);
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
        let hangs = r#"echo '{"Began":"one"}'; exec sleep 100"#;
        let begin = Instant::now();
        let (end, heard) = conducted(hangs, Duration::from_millis(300), 0);
        assert_eq!((end, heard), (End::Silent, vec!["one".to_owned()]));
        assert_eq!(conducted(hangs, Duration::from_secs(90), 2).0, End::Interrupted);
        assert!(begin.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_worker_is_asked_to_stop_before_it_is_ended() {
        // `cat` ends with standard input.
        let script = r#"read -r line; echo '{"Began":"one"}'; cat; echo '{"Began":"last"}'; echo '"Finished"'"#;
        let (end, heard) = conducted(script, Duration::from_secs(90), 1);
        assert_eq!((end, heard), (End::Finished, vec!["one".to_owned(), "last".to_owned()]));
    }
}
