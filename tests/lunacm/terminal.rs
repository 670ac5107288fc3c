//! A pseudo-terminal, a program on it, and what someone in front of it would see.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use luna_tests::{HANG, Instance, artefacts};
use rustix::termios::LocalModes;
use vt100::Parser;

/// Rows enough for a whole session, so that nothing scrolls away, and columns enough that nothing wraps.
const ROWS: u16 = 1500;
const COLUMNS: u16 = 250;

/// What stands before each command.
pub(crate) const PROMPT: &str = "lunacm:>";

/// What is typed, and what must stand before the cursor until then.
pub(crate) struct Typed {
    before: &'static str,
    keys: String,
}

/// Keys at the prompt; Enter comes by itself.
pub(crate) fn line(keys: &str) -> Typed {
    answer(PROMPT, keys)
}

/// Keys after a question; Enter comes by itself.
pub(crate) fn answer(question: &'static str, keys: &str) -> Typed {
    Typed { before: question, keys: keys.to_owned() }
}

/// The terminal's side.
struct Terminal {
    screen: Parser,
    shown: Receiver<Vec<u8>>,
}

impl Terminal {
    /// The text of the cursor's row up to the cursor, and the row.
    fn cursor(&self) -> (String, u16) {
        let screen = self.screen.screen();
        let (row, column) = screen.cursor_position();
        (screen.contents_between(row, 0, row, column), row)
    }

    /// Takes in what is shown until `is_there`.
    #[track_caller]
    fn wait(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_there(self) {
            let left = HANG.saturating_sub(started.elapsed());
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(error) => {
                    let seen = self.screen.screen().contents();
                    panic!("waited for {what}: {error}; on the screen is\n{seen}");
                }
            }
        }
    }
}

/// A question stands on the screen a moment before the program takes the keys itself; nobody types as fast.
#[track_caller]
fn wait_until_keys_are_not_echoed(pty: &pty_process::blocking::Pty) {
    let started = Instant::now();
    while rustix::termios::tcgetattr(pty).unwrap().local_modes.contains(LocalModes::ECHO) {
        assert!(started.elapsed() < HANG, "the terminal still shows what is typed");
        std::thread::yield_now();
    }
}

/// Runs `lunacm` on a terminal, types, and gives the screen after it has ended, and its exit code.
#[track_caller]
pub(crate) fn session(instance: &Instance, words: &[&str], typed: &[Typed]) -> (String, i32) {
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    pty.resize(pty_process::Size::new(ROWS, COLUMNS)).unwrap();
    let mut child = pty_process::blocking::Command::new(artefacts::program("lunacm"))
        .args(words)
        .env("ChrystokiConfigurationPath", instance.directory())
        .env("TERM", "xterm")
        .spawn(pts)
        .unwrap();
    let mut reader = File::from(pty.as_fd().try_clone_to_owned().unwrap());
    let (send, shown) = mpsc::channel();
    let reading = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // When the program ends, Linux answers with an error.
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            if send.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut terminal = Terminal { screen: Parser::new(ROWS, COLUMNS, 0), shown };
    for Typed { before, keys } in typed {
        terminal.wait(before, |terminal| terminal.cursor().0.ends_with(before));
        wait_until_keys_are_not_echoed(&pty);
        let row = terminal.cursor().1;
        pty.write_all(keys.as_bytes()).unwrap();
        pty.write_all(b"\r").unwrap();
        terminal.wait("the next row", |terminal| terminal.cursor().1 > row);
    }
    let started = Instant::now();
    while let Ok(bytes) = terminal.shown.recv_timeout(HANG.saturating_sub(started.elapsed())) {
        terminal.screen.process(&bytes);
    }
    let code = child.wait().unwrap().code().unwrap_or(-1);
    reading.join().unwrap();
    (terminal.screen.screen().contents(), code)
}
