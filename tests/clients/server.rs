//! Programs that serve while a test talks to them.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use luna_tests::HANG;

/// A program that runs until this is dropped, also when the test fails.
pub(crate) struct Server {
    process: Child,
    lines: Receiver<String>,
}

impl Server {
    /// Starts it. Must not be a command of `timeout`, which would be killed in its stead.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(process.stdout.take().expect("piped")),
            Box::new(process.stderr.take().expect("piped")),
        ];
        for stream in streams {
            let sender = sender.clone();
            // Read to the end, so that a talkative server never waits for us.
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { process, lines }
    }

    /// Waits for a line of its output that contains this.
    #[track_caller]
    pub(crate) fn line(&self, wanted: &str) -> String {
        let mut said = Vec::new();
        let until = Instant::now() + HANG;
        while let Ok(line) =
            self.lines.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if line.contains(wanted) {
                return line;
            }
            said.push(line);
        }
        panic!("a server never said {wanted}, but\n{}", said.join("\n"));
    }

    /// Waits until what it is to make is there.
    #[track_caller]
    pub(crate) fn wait_for_file(&mut self, path: &Path) {
        assert!(self.wait(|| path.exists()), "no {}: {}", path.display(), self.said());
    }

    /// Starts what `command` makes for a free port of the loopback interface, once it accepts connections.
    #[track_caller]
    pub(crate) fn on_free_port(command: impl Fn(u16) -> Command) -> (Self, u16) {
        let mut said = String::new();
        // Another program may take the port between our look and the server's.
        for _ in 0..5 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let port = free.local_addr().expect("a bound socket has an address").port();
            drop(free);
            let mut server = Self::start(&mut command(port));
            if server.wait(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()) {
                return (server, port);
            }
            said = server.said();
        }
        panic!("the server does not serve: {said}");
    }

    /// Whether it came to be, while the server runs.
    fn wait(&mut self, holds: impl Fn() -> bool) -> bool {
        let started = Instant::now();
        while started.elapsed() < HANG {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return false;
            }
            if holds() {
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }

    fn said(&self) -> String {
        self.lines.try_iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
