//! A forked child, to see what a module says in it.

use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

/// How a forked child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// With this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It did not end in time, and was killed.
    Hung,
}

/// Runs `body` in a fork of this process; what it returns is the child's exit code, of which eight bits arrive.
///
/// The child has only the thread that called, and memory as it was: `body` calls the module, and does not print.
///
/// # Errors
/// The system's, when it cannot fork.
pub fn forked(limit: Duration, body: impl FnOnce() -> u8) -> std::io::Result<Forked> {
    // SAFETY: the child runs `body` and ends by `_exit`, so that nothing of this process is run twice.
    let child = unsafe { libc::fork() };
    match Pid::from_raw(child) {
        _ if child < 0 => Err(std::io::Error::last_os_error()),
        None => {
            let body = std::panic::AssertUnwindSafe(body);
            let code = std::panic::catch_unwind(body).map_or(250, i32::from);
            // SAFETY: takes any number and does not return.
            unsafe { libc::_exit(code) }
        }
        Some(child) => wait(child, limit),
    }
}

fn wait(child: Pid, limit: Duration) -> std::io::Result<Forked> {
    let begun = Instant::now();
    loop {
        match rustix::process::waitpid(Some(child), WaitOptions::NOHANG) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(None) if begun.elapsed() > limit => {
                rustix::process::kill_process(child, Signal::KILL)?;
                rustix::process::waitpid(Some(child), WaitOptions::empty())?;
                return Ok(Forked::Hung);
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(2)),
            Ok(Some((_, status))) => {
                return Ok(match status.exit_status() {
                    Some(code) => Forked::Exited(code),
                    None => Forked::Killed(status.terminating_signal().unwrap_or_default()),
                });
            }
        }
    }
}
