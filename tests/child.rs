//! A part of a test in a process of its own: the test program again, running one ignored test.
//!
//! A theme has one test `#[ignore]`d for this, which asks [`role`] what it is to be and does it. What the
//! child [`say`]s, the parent reads line by line.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{HANG, Instance};

const ROLE: &str = "LUNA_TEST_ROLE";
const WORDS: &str = "LUNA_TEST_WORDS";

/// Before what the child says, among what the test harness prints.
const MARK: char = '@';

/// In the child: what it is to be, and with which words. `None` where nobody asked: the ignored test was
/// started by hand.
///
/// From here on a panic on any thread ends the process, so that no other thread waits for the one that is gone.
pub fn role() -> Option<(String, Vec<String>)> {
    let role = std::env::var(ROLE).ok()?;
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::abort();
    }));
    let words = std::env::var(WORDS).unwrap_or_default();
    Some((role, words.split('\n').filter(|it| !it.is_empty()).map(str::to_owned).collect()))
}

/// In the child: one line for the parent, in one write.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A parent that is gone does not listen.
    let _ = out.write_all(format!("{MARK}{line}\n").as_bytes());
    let _ = out.flush();
}

/// In the child: waits until the parent says so. Ends the process when the parent is gone.
pub fn wait_for_parent() {
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
        std::process::exit(3);
    }
}

/// A child that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    started: Instant,
    limit: Duration,
}

/// How a child ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it said that nobody had read yet.
    pub said: Vec<String>,
    /// Its standard error.
    pub errors: String,
}

impl Ended {
    /// Fails the test unless the child ended well; gives what it said.
    #[track_caller]
    pub fn well(self) -> Vec<String> {
        assert!(
            self.status.success(),
            "the child ended with {}; it said {:#?}\n{}",
            self.status,
            self.said,
            self.errors
        );
        self.said
    }
}

impl Child {
    /// Starts the role of the ignored test `application` in this test program, with `ChrystokiConfigurationPath`
    /// for the instance.
    pub fn start(role: &str, words: &[&str], instance: &Instance) -> Self {
        Self::begin(&mut Self::command(role, words, instance.directory()))
    }

    /// The command of [`Child::start`], for a caller that has something to add.
    pub fn command(role: &str, words: &[&str], configuration: &Path) -> Command {
        let mut command =
            Command::new(std::env::current_exe().expect("a running program has a file"));
        command
            .args(["--exact", "application", "--ignored", "--nocapture", "--test-threads=1"])
            .env("ChrystokiConfigurationPath", configuration)
            .env(ROLE, role)
            .env(WORDS, words.join("\n"))
            .env("RUST_BACKTRACE", "0");
        command
    }

    /// Starts a command made by [`Child::command`].
    pub fn begin(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child starts");
        let (sender, lines) = channel();
        let out = process.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                let Ok(line) = line else { return };
                // The harness may have begun the line.
                if let Some((_, said)) = line.split_once(MARK)
                    && sender.send(said.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        let mut errors = process.stderr.take().expect("piped");
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { process, lines, errors: Some(errors), started: Instant::now(), limit: HANG }
    }

    /// Gives it longer, or less, than [`HANG`].
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }

    /// The next thing it says; `None` once it has ended.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(self.left()) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.hang(),
        }
    }

    /// The next thing it says, which must be this.
    #[track_caller]
    pub fn expect(&mut self, line: &str) {
        match self.line() {
            Some(said) => assert_eq!(said, line),
            None => panic!("the child ended before it said {line}:\n{}", self.errors()),
        }
    }

    /// Lets it go on from [`wait_for_parent`].
    pub fn go_on(&mut self) {
        let mut stdin = self.process.stdin.as_ref().expect("piped");
        // One that has ended is noticed by what it does not say.
        let _ = stdin.write_all(b"\n");
    }

    /// `kill -9`, and what it had said until then.
    pub fn kill(mut self) -> Vec<String> {
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.lines.iter().collect()
    }

    /// Waits until it ends.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(self.left()) {
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.hang(),
            }
        }
        let status = self.process.wait().expect("a child that is ours");
        Ended { status, said, errors: self.errors() }
    }

    fn errors(&mut self) -> String {
        let _ = self.process.wait();
        self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }

    #[track_caller]
    fn hang(&mut self) -> ! {
        let _ = self.process.kill();
        let errors = self.errors();
        panic!("the child hangs: nothing came for {:?}\n{errors}", self.limit);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
