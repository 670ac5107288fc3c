//! A disk without room: every operation is refused with words that say so, nothing that was acknowledged is lost, and
//! with room again everything goes on.
//!
//! The disk is a small file system in memory, mounted where only this test sees it (`unshare`, of util-linux).

use std::fs;
use std::path::Path;
use std::process::Command;

use luna_tests::CRYPTO_OFFICER;
use okv_sim::{
    BackupKind, BackupStart, Cause, OpenWith, ReverseMigrateRequest, ScheduleRequest, Secret,
    SetCredentialRequest, State, Vault,
};

use crate::alone::{OBJECT, PASSPHRASE, Place, alone};

/// Set in the process whose disk is small.
const SMALL: &str = "LUNA_TEST_OKV_SMALL_DISK";

const TEST: &str = "full_disk::a_full_disk_refuses_what_it_must_and_loses_nothing";

/// Mounts a disk of two megabytes at the directory named first, and runs the rest on it.
const MOUNT: &str = "mount -t tmpfs -o size=2m none \"$0\" && exec \"$@\"";

#[test]
fn a_full_disk_refuses_what_it_must_and_loses_nothing() {
    alone(
        TEST,
        |_| (),
        |place| {
            if std::env::var_os(SMALL).is_some() {
                return on_a_small_disk(place);
            }
            let unshare = || {
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-root-user", "--mount"]);
                command
            };
            let tried = unshare().arg("true").status();
            if !tried.is_ok_and(|status| status.success()) {
                let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|it| it == "1");
                assert!(!required, "no file system can be mounted here");
                eprintln!("okv: skipped: no file system can be mounted here");
                return;
            }
            let disk = place.data("disk");
            fs::create_dir(&disk).unwrap();
            let done = unshare()
                .args(["sh", "-c", MOUNT])
                .arg(&disk)
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", TEST, "--nocapture"])
                .env(SMALL, "1")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{}{said}", String::from_utf8_lossy(&done.stdout));
            said.lines().filter(|it| it.starts_with("okv: ")).for_each(|line| eprintln!("{line}"));
        },
    );
}

/// Fills what is left of the disk.
fn fill(disk: &Path) {
    for size in [65_536, 4_096, 512] {
        for number in 0..1_000 {
            let file = disk.join(format!("filler-{size}-{number}"));
            if fs::write(&file, vec![1; size]).is_err() {
                break;
            }
        }
    }
}

fn make_room(disk: &Path) {
    for entry in fs::read_dir(disk).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("filler") {
            fs::remove_file(path).unwrap();
        }
    }
}

const OF_THE_DISK: [Cause; 4] =
    [Cause::StoreFailed, Cause::DiskFailed, Cause::CredentialNotWritten, Cause::DestinationFailed];

fn full<T: std::fmt::Debug>(what: &str, outcome: Result<T, okv_sim::Error>) {
    let error = outcome.expect_err(what);
    eprintln!("okv: {what}: {error}");
    assert!(OF_THE_DISK.contains(&error.cause), "{what}: {error}");
}

fn on_a_small_disk(place: &Place) {
    let disk = place.data("disk");
    let mut vault = place.install("disk/okv");
    fill(&disk);
    // No HSM yet: Initialize finds no room, and leaves nothing on the token.
    let request = okv_sim::InitializeRequest {
        hsm: place.settings(),
        credential: CRYPTO_OFFICER.into(),
        passphrase: PASSPHRASE.into(),
    };
    full("initialize", vault.initialize(&request));
    assert_eq!(vault.state(), State::NotEnabled);
    make_room(&disk);
    place.initialize(&mut vault);
    assert_eq!(vault.verify().unwrap().keys_found, 1, "the key of the first try is gone");
    let schedule = ScheduleRequest {
        name: "nightly".into(),
        start: BackupStart::Now,
        destination: "LOCAL".into(),
        kind: BackupKind::Periodic,
        every_minutes: Some(60),
    };
    vault.schedule_backup(&schedule).unwrap();

    fill(&disk);
    let mut stored = 0;
    let refused = loop {
        match vault.store_object(&format!("object-{stored}"), &[7; 2_000]) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    full::<()>("store", Err(refused));
    let set = SetCredentialRequest { hsm: place.settings(), credential: CRYPTO_OFFICER.into() };
    full("set-credential", vault.set_credential(&set));
    full("backup", vault.backup("nightly"));
    let back = ReverseMigrateRequest {
        credential: CRYPTO_OFFICER.into(),
        passphrase: PASSPHRASE.into(),
        new_passphrase: None,
    };
    full("reverse-migrate", vault.reverse_migrate(&back));
    let readable = |vault: &Vault, when: &str| {
        assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT, "{when}");
        for number in 0..stored {
            let read = vault.read_object(&format!("object-{number}")).unwrap();
            assert_eq!(read.expose(), [7; 2_000], "{when}");
        }
        let unknown = vault.read_object(&format!("object-{stored}")).unwrap_err();
        assert_eq!(unknown.cause, Cause::ObjectUnknown, "{when}");
    };
    readable(&vault, "on the full disk");

    make_room(&disk);
    drop(vault);
    let (mut vault, started) = Vault::start(&disk.join("okv")).unwrap();
    assert_eq!((started.state, started.failure), (State::EnabledOk, None));
    readable(&vault, "with room again");
    vault.backup("nightly").unwrap();
    vault.set_credential(&set).unwrap();
    vault.reverse_migrate(&back).unwrap();
    vault.restart().unwrap();
    vault.open_wallet(OpenWith::Passphrase(&Secret::from(PASSPHRASE))).unwrap();
    readable(&vault, "after reverse migration");
}
