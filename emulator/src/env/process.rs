//! What the process knows about itself: its environment, number and name.

use std::ffi::{OsStr, OsString};

/// The environment variable `name`, or `None` when it is not set.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the room the ban points to")]
pub fn var_os(name: impl AsRef<OsStr>) -> Option<OsString> {
    std::env::var_os(name)
}

/// The number of this process. Asked of the kernel each time, so it is right after a fork.
#[must_use]
pub fn pid() -> u32 {
    std::process::id()
}

/// The file name of the running program, without its folder, or `None` where the system does not
/// say. Bytes that are not UTF-8 are replaced.
#[must_use]
pub fn executable_name() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// Ends the process on the spot: nothing is cleaned up, nothing is written.
pub fn kill() -> ! {
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_seen() {
        assert!(var_os("PATH").is_some());
        assert!(var_os("A_VARIABLE_NOBODY_SETS_4711").is_none());
    }

    #[test]
    fn the_process_has_a_number_and_a_name() {
        assert_ne!(pid(), 0);
        assert!(!executable_name().unwrap().contains('/'));
    }
}
