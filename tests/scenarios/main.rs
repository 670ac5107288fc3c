//! Oracle Key Vault's scenarios as their users walk them: the chapters of the guide, the failure catalogue and the
//! proof script, each on one HSM, on an HA group and on a Cloud HSM service.
//!
//! And every operation of the key vault's registry, killed at every event; and checks without end, with faults.
//!
//! Reports of every run, with transcript, JUnit and page, lie in `target/okv` afterwards.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod alone;
mod full_disk;
mod kill;
#[path = "../clients/server.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod server;
mod soak;
#[path = "../console/sshd.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod sshd;
mod walks;

use std::path::PathBuf;

/// Where a program is; `None` after a notice when it is not installed.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file());
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(found.is_some() || !required, "{name} is not installed");
    if found.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    found
}
