//! The process that has the module, as this one sees it: a runner of sequences that may die and is begun anew.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use luna_conformance::report::Subject;
use luna_conformance::run::{Provider, Seat};
use luna_model::{Failure, Plan, Runner, Step};

use super::seat::{Assignment, Case, MARK, SEAT, Word};

/// A module in another process.
pub(super) struct Remote<'a> {
    program: PathBuf,
    provider: &'a dyn Provider,
    seat: Seat,
    assignment: Assignment,
    limit: Duration,
    heard: &'a dyn Fn(u32),
    child: Option<(Child, Receiver<String>)>,
    given_up: Option<String>,
    runs: u32,
    calls: u64,
    /// What the module says it is.
    pub(super) subject: Subject,
}

/// What a process said, or how it ended.
enum Heard {
    Word(Word),
    Died(String),
}

impl<'a> Remote<'a> {
    /// Starts the process and waits until the module is there.
    pub(super) fn start(
        program: PathBuf,
        provider: &'a dyn Provider,
        seat: Seat,
        assignment: Assignment,
        limit: Duration,
        heard: &'a dyn Fn(u32),
    ) -> Result<Self> {
        let subject = Subject::default();
        let (child, given_up) = (None, None);
        let mut remote = Self {
            program,
            provider,
            seat,
            assignment,
            limit,
            heard,
            child,
            given_up,
            runs: 0,
            calls: 0,
            subject,
        };
        remote.begin()?;
        Ok(remote)
    }

    /// Why nothing more was asked.
    pub(super) fn given_up(&self) -> Option<&str> {
        self.given_up.as_deref()
    }

    /// Calls of the sequences that ended as they may.
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// A private emulator is thrown away after a failure: whatever broke, the next sequence finds all in order.
    fn renew(&mut self) {
        self.end();
        if self.provider.is_guest() {
            return;
        }
        match self.provider.fresh() {
            Ok(seat) => {
                self.assignment.calls = seat.target.scratch.join("model-calls");
                self.assignment.target = seat.target.clone();
                self.seat = seat;
            }
            Err(error) => self.given_up = Some(format!("{error:#}")),
        }
    }

    fn begin(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.arg(SEAT).envs(self.seat.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().with_context(|| self.program.display().to_string())?;
        let lines = reader(&mut child);
        self.child = Some((child, lines));
        let text = serde_json::to_string(&self.assignment)?;
        match self.ask(&text) {
            Heard::Word(Word::Ready(subject)) => self.subject = subject,
            Heard::Word(Word::GivesUp(reason)) => bail!("{reason}"),
            Heard::Word(other) => bail!("the process with the module said {other:?}"),
            Heard::Died(how) => bail!("the module cannot be used: its process {how}"),
        }
        Ok(())
    }

    /// Sends a line and waits for a word.
    fn ask(&mut self, line: &str) -> Heard {
        let Some((child, lines)) = &mut self.child else {
            return Heard::Died("is gone".into());
        };
        if let Some(stdin) = &mut child.stdin {
            // One that ended before it read it is noticed below.
            let _ = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
        }
        loop {
            match lines.recv_timeout(self.limit) {
                Ok(line) => {
                    let word = line.strip_prefix(MARK).map(serde_json::from_str);
                    if let Some(Ok(word)) = word {
                        return Heard::Word(word);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.end();
                    return Heard::Died(format!("said nothing for {} s", self.limit.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = child.wait();
                    self.child = None;
                    let how = status.map_or_else(|error| error.to_string(), |it| it.to_string());
                    return Heard::Died(format!("ended by {how}"));
                }
            }
        }
    }

    fn end(&mut self) {
        if let Some((mut child, lines)) = self.child.take() {
            drop(child.stdin.take());
            drop(lines);
            // It is killed, since a module that hangs hangs at its end too.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

impl Drop for Remote<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Runner for Remote<'_> {
    fn run(&mut self, steps: &[Step]) -> Result<u64, Failure> {
        self.done(&Case::Sequence(steps.to_vec()))
    }

    fn record(&mut self, plan: &Plan) -> Result<u64, Failure> {
        self.done(&Case::AtOnce(plan.clone()))
    }

    fn gives_up(&self) -> bool {
        self.given_up.is_some()
    }
}

impl Remote<'_> {
    fn done(&mut self, case: &Case) -> Result<u64, Failure> {
        let broken = |fault: String| Failure { listing: String::new(), fault };
        if self.child.is_none()
            && let Err(error) = self.begin()
        {
            self.given_up = Some(format!("{error:#}"));
            return Err(broken(format!("{error:#}")));
        }
        let text = serde_json::to_string(case).map_err(|error| broken(error.to_string()))?;
        self.runs += 1;
        (self.heard)(self.runs);
        match self.ask(&text) {
            Heard::Word(Word::Passed(calls)) => {
                self.calls += calls;
                Ok(calls)
            }
            Heard::Word(Word::Failed(failure, swept)) => {
                if !swept && !self.provider.is_guest() {
                    self.renew();
                }
                Err(failure)
            }
            Heard::Word(Word::GivesUp(reason)) => {
                self.end();
                self.given_up = Some(reason.clone());
                Err(broken(reason))
            }
            Heard::Word(Word::Ready(_)) => Err(broken("the process began twice".into())),
            Heard::Died(how) => {
                let listing = std::fs::read_to_string(&self.assignment.calls).unwrap_or_default();
                self.renew();
                Err(Failure { listing, fault: format!("the module's process {how}") })
            }
        }
    }
}

fn reader(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}
