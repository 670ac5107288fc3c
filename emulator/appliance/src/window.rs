//! How orders reach an appliance that runs: a socket in its directory, which only its owner can
//! open. One order a connection, each way one line of JSON.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use emulator::env::clock::rest;
use emulator::hsm::store::Durability;
use serde::{Deserialize, Serialize};

use crate::desk::{Desk, Files, Nobody, Order, Outcome, Taken};

/// The longest line, in bytes.
const MOST_BYTES: u64 = 4 << 20;

/// How long the other side may take over a line.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an order may take: credentials are derived slowly, on a busy machine more so.
const ORDER_PATIENCE: Duration = Duration::from_secs(120);

/// How often, and how far apart, an appliance is tried that somebody else has for a moment.
const TRIES: u32 = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

#[derive(Deserialize, Serialize)]
enum Line {
    Done(Outcome),
    Refused(String),
}

/// Has an order carried out at the appliance in a directory: by the process that serves it, or
/// here when none does.
///
/// # Errors
/// What it was refused for; when the appliance cannot be reached.
pub fn order(directory: &Path, order: &Order) -> Result<Outcome> {
    for _ in 0..TRIES {
        match Desk::take(directory, Durability::Process) {
            Ok(desk) => return desk.carry_out(order, &Nobody),
            Err(error) if error.is::<Taken>() => {}
            Err(error) => return Err(error),
        }
        let path = Files::of(directory).window();
        let (_held, short) = short(&path)?;
        match UnixStream::connect(short) {
            Ok(stream) => return hand_in(&stream, order),
            // Whoever has the desk begins or ends, or is another who gives an order.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
            {
                rest(BETWEEN_TRIES);
            }
            Err(error) => return Err(error).context(path.display().to_string()),
        }
    }
    bail!("another process has the appliance and takes no orders")
}

/// Takes the desk to serve; whoever gives an order has it for a moment.
///
/// # Errors
/// As [`Desk::take`].
pub(crate) fn take_to_serve(directory: &Path, durability: Durability) -> Result<Desk> {
    for _ in 0..TRIES {
        match Desk::take(directory, durability) {
            Err(error) if error.is::<Taken>() && !Files::of(directory).window().exists() => {
                rest(BETWEEN_TRIES);
            }
            outcome => return outcome,
        }
    }
    bail!(Taken)
}

fn hand_in(mut stream: &UnixStream, order: &Order) -> Result<Outcome> {
    stream.set_read_timeout(Some(ORDER_PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    match read_line(stream)? {
        Line::Done(outcome) => Ok(outcome),
        Line::Refused(why) => Err(anyhow!(why)),
    }
}

/// The socket of an appliance that runs.
pub(crate) struct Window {
    listener: UnixListener,
    path: PathBuf,
}

impl Window {
    /// Opens it, in place of one that a process left behind.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn open(files: &Files) -> Result<Self> {
        let path = files.window();
        if path.exists() {
            // Whoever has the desk is alone.
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
        let (_held, short) = short(&path)?;
        let listener = UnixListener::bind(short).with_context(|| path.display().to_string())?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path })
    }

    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Serves who is waiting.
    pub(crate) fn serve(&self, carry_out: &dyn Fn(&Order) -> Result<Outcome>) {
        while let Ok((stream, _)) = self.listener.accept() {
            // Whoever fails to say what it wants is not heard.
            let _ = answer(&stream, carry_out);
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn answer(mut stream: &UnixStream, carry_out: &dyn Fn(&Order) -> Result<Outcome>) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let line = match read_line::<Order>(stream).and_then(|order| carry_out(&order)) {
        Ok(outcome) => Line::Done(outcome),
        Err(error) => Line::Refused(format!("{error:#}")),
    };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(())
}

fn read_line<T: for<'de> Deserialize<'de>>(stream: &UnixStream) -> Result<T> {
    let mut line = String::new();
    BufReader::new(stream.take(MOST_BYTES)).read_line(&mut line)?;
    if !line.ends_with('\n') {
        bail!("the other side said nothing whole");
    }
    Ok(serde_json::from_str(&line)?)
}

/// The address of a socket has room for some hundred bytes; a longer path is named by way of its
/// directory, which is held open meanwhile.
fn short(path: &Path) -> Result<(Option<std::fs::File>, PathBuf)> {
    const ROOM: usize = 100;
    if path.as_os_str().len() <= ROOM {
        return Ok((None, path.to_owned()));
    }
    let directory = path.parent().context("a socket lies in a directory")?;
    let held = std::fs::OpenOptions::new()
        .read(true)
        .open(directory)
        .with_context(|| directory.display().to_string())?;
    let name = path.file_name().context("a socket has a name")?;
    let short = Path::new("/proc/self/fd").join(held.as_raw_fd().to_string()).join(name);
    Ok((Some(held), short))
}
