//! A forked child, to see what a module says in it.

use std::io::{Error, ErrorKind};
use std::time::{Duration, Instant};

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
    match child {
        -1 => Err(Error::last_os_error()),
        0 => {
            let body = std::panic::AssertUnwindSafe(body);
            let code = std::panic::catch_unwind(body).map_or(250, i32::from);
            // SAFETY: takes any number and does not return.
            unsafe { libc::_exit(code) }
        }
        child => wait(child, limit),
    }
}

fn wait(child: libc::pid_t, limit: Duration) -> std::io::Result<Forked> {
    let begun = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: the child is ours and nobody else waits for it; the cell outlives the call.
        match unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } {
            -1 => {
                let error = Error::last_os_error();
                if error.kind() != ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            0 if begun.elapsed() > limit => {
                // SAFETY: the child is ours and was not waited for, so the number is still its own.
                unsafe {
                    libc::kill(child, libc::SIGKILL);
                    libc::waitpid(child, &raw mut status, 0);
                }
                return Ok(Forked::Hung);
            }
            0 => std::thread::sleep(Duration::from_millis(2)),
            _ if libc::WIFEXITED(status) => return Ok(Forked::Exited(libc::WEXITSTATUS(status))),
            _ => return Ok(Forked::Killed(libc::WTERMSIG(status))),
        }
    }
}
