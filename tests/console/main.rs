//! The key vault's console in a browser: the integration guide's single-server part as its reader does it, against the
//! emulator, with backups that leave by SSH to a real server.
//!
//! Screenshots of every station lie in `target/console` afterwards. Skipped with a notice where Chromium, its driver or
//! OpenSSH is missing, unless `LUNA_REQUIRE_CLIENTS=1`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod api;
mod backups;
mod browser;
mod cluster;
mod endpoints;
mod guide;
#[path = "../clients/server.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod server;
mod sshd;
mod vault;

use std::path::PathBuf;

/// Where a program is; `None` after a notice when it is not installed.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/lib/chromium".into()])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file());
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(
        found.is_some() || !required,
        "{name} is not installed, and LUNA_REQUIRE_CLIENTS=1 asks for it"
    );
    if found.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    found
}
