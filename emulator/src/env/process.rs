//! What the process knows about itself: its environment, number and name.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::disk;

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

/// What the kernel drew at random when the machine was started, and keeps in memory alone. `None` where
/// it does not say.
#[must_use]
pub fn boot_id() -> Option<String> {
    disk::read_text(Path::new("/proc/sys/kernel/random/boot_id"), 64).ok()
}

/// The file name of the running program, without its folder, or `None` where the system does not
/// say. Bytes that are not UTF-8 are replaced.
#[must_use]
pub fn executable_name() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// The number of this thread, as the system counts them; none where it does not say.
#[must_use]
pub fn thread_number() -> Option<u64> {
    std::fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()
}

/// Whether this process acts for the superuser, or for somebody of the group `group` of this machine.
///
/// Groups that a directory service knows and `/etc/group` does not are not seen. Where the system does not
/// say who the process acts for, nobody is kept out.
#[must_use]
pub fn acts_for_group(group: &str) -> bool {
    const MOST_BYTES: usize = 1 << 20;
    let Ok(status) = disk::read_text(Path::new("/proc/self/status"), MOST_BYTES) else {
        return true;
    };
    let groups = disk::read_text(Path::new("/etc/group"), MOST_BYTES).unwrap_or_default();
    is_among(&status, &groups, group)
}

/// As [`acts_for_group`], from the texts that the system gives.
fn is_among(status: &str, groups: &str, group: &str) -> bool {
    let numbers = |key: &str| -> Vec<&str> {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().split_whitespace().collect()
    };
    // Real, effective, saved, file system.
    if numbers("Uid:").get(1) == Some(&"0") {
        return true;
    }
    let wanted = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1))?
    });
    wanted.is_some_and(|wanted| {
        numbers("Groups:").contains(&wanted) || numbers("Gid:").get(1) == Some(&wanted)
    })
}

/// Ends the process on the spot: nothing is cleaned up, nothing is written.
pub fn kill() -> ! {
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_of_a_group() {
        let status = |uid: &str, gid: &str, groups: &str| {
            format!("Name:\tx\nUid:\t1\t{uid}\t1\t1\nGid:\t9\t{gid}\t9\t9\nGroups:\t{groups} \n")
        };
        let file = "root:x:0:\nhsmusers:x:47:anna,bert\nother:x:48:\n";
        for (uid, gid, groups, is) in [
            ("0", "9", "", true),
            ("1000", "9", "4 24", false),
            ("1000", "9", "4 47", true),
            ("1000", "47", "", true),
            ("1000", "9", "147 470", false),
        ] {
            let status = status(uid, gid, groups);
            assert_eq!(is_among(&status, file, "hsmusers"), is, "{status}");
            assert!(uid == "0" || !is_among(&status, "root:x:0:\n", "hsmusers"), "no such group");
        }
        assert!(acts_for_group("hsmusers") || !acts_for_group("nobody is of this group"));
    }

    #[test]
    fn threads_have_numbers_of_their_own() {
        let own = thread_number().unwrap();
        let other = std::thread::spawn(|| thread_number().unwrap()).join().unwrap();
        assert_ne!(own, other);
    }

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
