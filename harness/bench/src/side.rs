//! A worker as its parent sees it: started when it is needed, ended when it hangs, started again when it died.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use luna_conformance::report::Subject;
use luna_conformance::run::Seat;

use crate::worker::{Answer, Assignment, MARK, Order, WORKER};

/// One of the modules that take turns.
#[derive(Debug)]
pub struct Side {
    /// What the reader of a report is told of it.
    pub name: String,
    /// What the module said when it was met.
    pub subject: Subject,
    /// Nanoseconds from one look at the clock to the next, in its worker.
    pub clock_ns: u64,
    /// The token, and the environment that its client wants.
    pub seat: Seat,
    program: PathBuf,
    assignment: Box<str>,
    limit: Duration,
    worker: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The process ended; how.
    Crashed(String),
    /// Nothing was heard for as long as is waited.
    Hung,
}

/// What a worker answered, or why it did not.
pub type Heard = std::result::Result<Answer, Lost>;

impl Side {
    /// A module that nobody has loaded yet. `program` is what has the hidden verb; `limit` is how long one answer
    /// may take.
    ///
    /// # Errors
    /// None that could happen; the serialiser has one.
    pub fn of(
        name: &str,
        seat: Seat,
        assignment: &Assignment,
        program: &Path,
        limit: Duration,
    ) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            subject: Subject::default(),
            clock_ns: 0,
            seat,
            program: program.to_owned(),
            assignment: serde_json::to_string(assignment)?.into(),
            limit,
            worker: None,
        })
    }

    /// Starts the worker and hears what the module says of itself.
    ///
    /// # Errors
    /// When the module cannot be used.
    pub fn meet(&mut self) -> Result<()> {
        if self.worker.is_some() {
            return Ok(());
        }
        self.start()?;
        match self.hear() {
            Ok(Answer::Ready { subject, clock_ns }) => {
                self.subject = subject.unwrap_or_default();
                self.clock_ns = clock_ns;
                Ok(())
            }
            Ok(Answer::Unusable { reason, refused }) => {
                let never = if refused { "; it is not tried again" } else { "" };
                bail!("{}: {reason}{never}", self.name)
            }
            Ok(other) => bail!("{}: it said {other:?}", self.name),
            Err(Lost::Crashed(how)) => bail!("{}: the process ended {how}", self.name),
            Err(Lost::Hung) => bail!("{}: it hangs when it is loaded", self.name),
        }
    }

    /// Whether a worker has been started that has not ended.
    pub fn is_running(&self) -> bool {
        self.worker.is_some()
    }

    fn start(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.arg(WORKER);
        command.envs(self.seat.environment.iter().map(|(name, value)| (name, value)));
        // A terminal's interrupt is the parent's affair, which then lets the worker tidy up.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().with_context(|| self.program.display().to_string())?;
        let mut stdin = child.stdin.take().context("a pipe")?;
        let stdout = child.stdout.take().context("a pipe")?;
        // One that ended before it read it is noticed when it is heard.
        let _ = writeln!(stdin, "{}", self.assignment);
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                if let Some(text) = line.strip_prefix(MARK)
                    && sender.send(text.to_owned()).is_err()
                {
                    break;
                }
            }
        });
        self.worker = Some(Running { child, stdin, answers });
        Ok(())
    }

    /// Gives an order that has no answer of its own.
    pub fn tell(&mut self, order: &Order) {
        if let (Some(worker), Ok(text)) = (&mut self.worker, serde_json::to_string(order)) {
            // One that is gone is noticed when it is heard.
            let _ = writeln!(worker.stdin, "{text}").and_then(|()| worker.stdin.flush());
        }
    }

    /// Gives an order and hears the answer.
    ///
    /// # Errors
    /// When no worker can be had.
    pub fn ask(&mut self, order: &Order) -> Result<Heard> {
        self.meet()?;
        self.tell(order);
        Ok(self.hear())
    }

    /// Hears the next answer. A worker that gives none is gone afterwards.
    pub fn hear(&mut self) -> Heard {
        let Some(worker) = &mut self.worker else {
            return Err(Lost::Crashed("before".into()));
        };
        match worker.answers.recv_timeout(self.limit) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| Lost::Crashed(format!("with an answer of no sense: {error}"))),
            Err(RecvTimeoutError::Timeout) => {
                // It may have ended just now; then there is nothing to end.
                let _ = worker.child.kill();
                let _ = worker.child.wait();
                self.worker = None;
                Err(Lost::Hung)
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = worker.child.wait();
                self.worker = None;
                Err(Lost::Crashed(match status {
                    Ok(status) => format!("with {status}"),
                    Err(error) => format!("with {error}"),
                }))
            }
        }
    }

    /// Lets the worker end; the end of its input makes it tidy up first. One that does not end is ended.
    fn dismiss(&mut self) {
        let Some(Running { mut child, stdin, answers }) = self.worker.take() else { return };
        drop(stdin);
        let until = Instant::now() + self.limit;
        loop {
            match answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = child.kill();
                    break;
                }
            }
        }
        let _ = child.wait();
    }

    /// Removes what was made, by a new worker where the last one died, and ends.
    ///
    /// # Errors
    /// When something may be left on the token; the text says how to remove it.
    pub fn tidy(&mut self) -> Result<()> {
        let answer = self.ask(&Order::Tidy)?;
        self.dismiss();
        match answer {
            Ok(Answer::Tidied) => Ok(()),
            other => bail!(
                "{}: what was made may be left there ({other:?}); `luna-harness clean` removes it",
                self.name
            ),
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.dismiss();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use luna_conformance::stage::{ProfileChoice, Secrets, Target};

    use super::*;

    /// A side whose worker is this script; it reads a line for each `read`.
    pub(crate) fn of_script(directory: &Path, script: &str) -> Side {
        let program = directory.join("worker");
        let ready =
            format!("printf '\\n{MARK}{{\"Ready\":{{\"subject\":null,\"clock_ns\":7}}}}\\n'");
        std::fs::write(&program, format!("#!/bin/sh\nread assignment\n{ready}\n{script}\n"))
            .unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let target = Target {
            module: "module.so".into(),
            slot: None,
            token_label: None,
            reserved: None,
            scratch: directory.to_owned(),
            run: "run".into(),
            profile: ProfileChoice::None,
        };
        let seat = Seat { target: target.clone(), environment: Vec::new(), keep: None };
        let secrets = Secrets::default();
        let assignment = Assignment { target, secrets, allow: Vec::new(), per_second: None };
        Side::of("side", seat, &assignment, &program, Duration::from_secs(2)).unwrap()
    }

    #[test]
    fn a_worker_that_dies_is_a_result_and_the_next_order_starts_another() {
        let directory = tempfile::tempdir().unwrap();
        let mut side = of_script(directory.path(), "read order; kill -SEGV $$");
        for _ in 0..2 {
            let lost = side.ask(&Order::End).unwrap().unwrap_err();
            assert!(matches!(&lost, Lost::Crashed(how) if how.contains("11")), "{lost:?}");
        }
        assert_eq!(side.clock_ns, 7);
    }

    #[test]
    fn a_worker_that_says_nothing_hangs() {
        let directory = tempfile::tempdir().unwrap();
        let mut side = of_script(directory.path(), "read order; exec sleep 600");
        assert_eq!(side.ask(&Order::End).unwrap().unwrap_err(), Lost::Hung);
        assert!(!side.is_running());
    }
}
