//! An appliance of `luna-emulator serve`, in a process of its own, that a test can treat badly.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

use crate::{HANG, artefacts};

/// An appliance that runs. It is killed when this is dropped, and ends by itself when the test process does.
#[derive(Debug)]
pub struct Appliance {
    directory: PathBuf,
    address: SocketAddr,
    options: Vec<String>,
    process: Child,
}

#[derive(Deserialize)]
struct Report {
    address: SocketAddr,
}

impl Appliance {
    /// `luna-emulator serve` of the HSM in a directory, or of a new one, on a port that is free.
    #[track_caller]
    pub fn serve(directory: &Path, options: &[&str]) -> Self {
        Self::serve_on(directory, "127.0.0.1:0", options)
    }

    /// The same where it is told to listen.
    #[track_caller]
    pub fn serve_on(directory: &Path, listen: &str, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let (process, address) = start(directory, listen, &options).unwrap_or_else(|error| {
            panic!("luna-emulator serve {} {options:?}: {error}", directory.display())
        });
        Self { directory: directory.to_owned(), address, options, process }
    }

    /// The same in a network namespace.
    #[track_caller]
    pub fn serve_in(namespace: &str, directory: &Path, listen: &str) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(artefacts::program("luna-emulator"));
        let (process, address) = begin(&mut command, directory, listen, &[])
            .unwrap_or_else(|error| panic!("luna-emulator serve in {namespace}: {error}"));
        Self { directory: directory.to_owned(), address, options: Vec::new(), process }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its HSM.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// `luna-emulator appliance` with these words: what it prints.
    ///
    /// # Errors
    /// What it was refused for.
    pub fn order(&self, words: &[&str]) -> Result<Value, String> {
        order(&self.directory, words)
    }

    /// A client directory that is complete for this appliance.
    #[track_caller]
    pub fn deploy(&self, client: &Path, options: &[&str]) {
        let module = artefacts::module();
        let mut words = vec!["deploy", text(client), "--module", text(&module)];
        words.extend(options);
        self.order(&words).unwrap_or_else(|error| panic!("{error}"));
    }

    /// The lines of its log.
    #[track_caller]
    pub fn log(&self) -> Vec<String> {
        let log = self.order(&["log", "--lines", "1000"]).unwrap_or_else(|error| panic!("{error}"));
        let lines = log.get("log").and_then(|log| log.as_array()).expect("lines");
        lines.iter().map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// SIGTERM, and waits for its end.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal("TERM");
        let started = Instant::now();
        while self.process.try_wait().expect("a child").is_none() {
            assert!(started.elapsed() < HANG, "the appliance does not stop");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// SIGSTOP, and waits until every thread has stopped: it is there and says nothing.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal("STOP");
        let started = Instant::now();
        while !self.is_stopped() {
            assert!(started.elapsed() < HANG, "the appliance does not stop");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// What the kernel says of its threads: a signal is only on its way when `kill` returns.
    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("threads");
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Serves again where it did, after it was killed or stopped.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        let started = Instant::now();
        loop {
            match start(&self.directory, &self.address.to_string(), &self.options) {
                Ok((process, _)) => {
                    self.process = process;
                    return;
                }
                // The port may be in use by a connection of somebody else's for a moment.
                Err(error) => assert!(started.elapsed() < HANG, "{error}"),
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `luna-emulator appliance` on a directory, whoever serves it.
///
/// # Errors
/// What it was refused for.
pub fn order(directory: &Path, words: &[&str]) -> Result<Value, String> {
    let done = Command::new(artefacts::program("luna-emulator"))
        .arg("appliance")
        .arg(directory)
        .args(words)
        .arg("--json")
        .env_remove("LUNA_CO_PASSWORD")
        .output()
        .expect("luna-emulator runs");
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&done.stdout).expect("luna-emulator appliance --json prints JSON"))
}

fn start(
    directory: &Path,
    listen: &str,
    options: &[String],
) -> Result<(Child, SocketAddr), String> {
    let mut command = Command::new(artefacts::program("luna-emulator"));
    begin(&mut command, directory, listen, options)
}

fn begin(
    command: &mut Command,
    directory: &Path,
    listen: &str,
    options: &[String],
) -> Result<(Child, SocketAddr), String> {
    let mut process = command
        .arg("serve")
        .arg(directory)
        .args(["--json", "--until-eof", "--listen", listen])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("luna-emulator runs");
    let mut line = String::new();
    let out = process.stdout.take().expect("piped");
    let _ = BufReader::new(out).read_line(&mut line);
    match serde_json::from_str::<Report>(&line) {
        Ok(report) => Ok((process, report.address)),
        Err(_) => {
            let done = process.wait_with_output().expect("a child");
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}
