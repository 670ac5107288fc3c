//! Backups and restores on a token in memory: every refusal, and a death at every event.

use super::*;
use crate::operation::{BackupStart, RestoreRequest, ScheduleRequest};
use crate::store::{BackupKind, BackupStatus};

const OTHER: &str = "another server's";

fn schedule(vault: &mut Vault, name: &str) {
    let request = ScheduleRequest {
        name: name.into(),
        start: BackupStart::Now,
        destination: "LOCAL".into(),
        kind: BackupKind::OneTime,
        every_minutes: None,
    };
    vault.schedule_backup(&request).unwrap();
}

fn back_up(vault: &mut Vault, name: &str) -> String {
    schedule(vault, name);
    vault.backup(name).unwrap().file
}

fn request_of(file: &str, passphrase: &str) -> RestoreRequest {
    RestoreRequest { source: "LOCAL".into(), file: file.into(), passphrase: passphrase.into() }
}

/// Brings a backup to the local directory of another server.
fn bring(file: &str, from: &Vault, to: &Vault) {
    let path = |vault: &Vault| vault.path(Place::LocalBackups).join(file);
    std::fs::copy(path(from), path(to)).unwrap();
}

/// A new server of another passphrase, with an object of its own.
fn fresh(hsm: &Memory) -> (tempfile::TempDir, Vault) {
    let directory = tempfile::tempdir().unwrap();
    let request = InstallRequest::new(OTHER.into());
    let request = InstallRequest { passphrase_iterations: NonZeroU32::MIN, ..request };
    let loader = Box::new(hsm.clone());
    let data = directory.path();
    let mut vault = operation::install_with(data, &request, loader, Watch::default()).unwrap();
    vault.store_object("its own", b"").unwrap();
    (directory, vault)
}

#[test]
fn a_backup_in_hsm_mode_is_restored_on_another_server() {
    let (_directory, hsm, mut vault) = enabled();
    let file = back_up(&mut vault, "once");
    assert!(file.ends_with("_hsm"), "{file}");
    let run = vault.view().backup_runs().unwrap().remove(0);
    assert_eq!((run.status, run.file.as_deref()), (BackupStatus::Done, Some(file.as_str())));
    assert!(vault.view().backup_jobs().unwrap().is_empty());
    vault.store_object("after", b"").unwrap();

    let (_elsewhere, mut other) = fresh(&hsm);
    bring(&file, &vault, &other);
    other.set_credential(&credential(CREDENTIAL)).unwrap();
    assert_eq!(other.list_backups("LOCAL").unwrap()[0].file, file);
    let restored = other.restore(&request_of(&file, PASSPHRASE)).unwrap();
    assert_eq!((restored.state, restored.failure), (State::EnabledOk, None));
    assert_eq!(restored.key_number, vault.status().unwrap().key_number);
    assert_eq!(other.read_object("key").unwrap().expose(), OBJECT);
    for gone in ["after", "its own"] {
        assert_eq!(other.read_object(gone).unwrap_err().cause, Cause::ObjectUnknown);
    }
    assert_eq!(other.status().unwrap().interrupted, None);
    // It stands on its own: the next start opens it, and so does its next backup's restore.
    assert_eq!(other.restart().unwrap().state, State::EnabledOk);
    other.verify().unwrap();
    let again = back_up(&mut other, "again");
    assert_eq!(other.restore(&request_of(&again, PASSPHRASE)).unwrap().state, State::EnabledOk);
}

#[test]
fn a_backup_without_hsm_takes_the_passphrase_alone() {
    let hsm = Memory::new(CREDENTIAL);
    let directory = tempfile::tempdir().unwrap();
    let mut vault = install(directory.path(), &hsm);
    let file = back_up(&mut vault, "once");
    assert!(!file.ends_with("_hsm"), "{file}");
    let (_elsewhere, mut other) = fresh(&hsm);
    bring(&file, &vault, &other);
    let restored = other.restore(&request_of(&file, PASSPHRASE)).unwrap();
    assert_eq!((restored.state, restored.key_number), (State::NotEnabled, None));
    assert_eq!(other.read_object("key").unwrap().expose(), OBJECT);
    assert_eq!(hsm.0.lock().loads, 0);
}

#[test]
fn every_restore_that_cannot_be_is_refused_and_changes_nothing() {
    let (_directory, hsm, mut vault) = enabled();
    let with_hsm = back_up(&mut vault, "with");
    let plain_directory = tempfile::tempdir().unwrap();
    let mut plain = install(plain_directory.path(), &hsm);
    let without_hsm = back_up(&mut plain, "without");

    let (_elsewhere, mut other) = fresh(&hsm);
    bring(&with_hsm, &vault, &other);
    bring(&without_hsm, &plain, &other);
    let refused = |other: &mut Vault, file: &str, passphrase: &str, cause: Cause| {
        let before = other.state();
        let error = other.restore(&request_of(file, passphrase)).unwrap_err();
        assert_eq!(error.cause, cause, "{error}");
        assert_eq!((other.state(), other.status().unwrap().interrupted), (before, None));
        assert!(other.read_object("its own").is_ok(), "{cause}");
        assert!(!other.core.disk.exists(Place::RestoreCommit));
    };
    refused(&mut other, &with_hsm, PASSPHRASE, Cause::BackupNeedsHsm);
    other.set_credential(&credential(CREDENTIAL)).unwrap();
    refused(&mut other, &without_hsm, PASSPHRASE, Cause::BackupWithoutHsm);
    let logins = hsm.0.lock().logins;
    refused(&mut other, &with_hsm, OTHER, Cause::PassphraseWrong);
    assert_eq!(hsm.0.lock().logins, logins);
    let unknown = "okvbackup_onetime_onetime_20210325140732_hsm";
    refused(&mut other, unknown, PASSPHRASE, Cause::BackupFileUnknown);
    refused(&mut other, "../okv.db", PASSPHRASE, Cause::BackupFileUnknown);

    // Another partition: the root key of the backup is not there.
    let saved = std::mem::take(&mut hsm.0.lock().objects);
    refused(&mut other, &with_hsm, PASSPHRASE, Cause::RootKeyMissing);
    hsm.0.lock().objects = saved;
    hsm.fail(Call::Connect, 1, 0xe0);
    refused(&mut other, &with_hsm, PASSPHRASE, Cause::CouldNotGetSlot);

    let path = other.path(Place::LocalBackups).join(&with_hsm);
    let good = std::fs::read(&path).unwrap();
    for at in [0, 9, 200, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let error = other.restore(&request_of(&with_hsm, PASSPHRASE)).unwrap_err();
        assert!(other.read_object("its own").is_ok(), "byte {at}: {error}");
    }
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    refused(&mut other, &with_hsm, PASSPHRASE, Cause::BackupDamaged);
    std::fs::write(&path, &good).unwrap();
    other.restore(&request_of(&with_hsm, PASSPHRASE)).unwrap();

    // The credential that was refused once is not sent again by a restore either.
    let (_third, mut third) = fresh(&hsm);
    bring(&with_hsm, &vault, &third);
    third.set_credential(&credential(CREDENTIAL)).unwrap();
    hsm.0.lock().credential = b"changed".to_vec();
    refused(&mut third, &with_hsm, PASSPHRASE, Cause::CredentialWrong);
    let logins = hsm.0.lock().logins;
    refused(&mut third, &with_hsm, PASSPHRASE, Cause::CredentialPinned);
    assert_eq!(hsm.0.lock().logins, logins);
}

#[test]
fn a_backup_of_a_server_with_a_red_arrow_is_refused_and_paused() {
    let (_directory, hsm, mut vault) = enabled();
    schedule(&mut vault, "once");
    hsm.fail(Call::Find, 1, 0x30);
    let error = vault.backup("once").unwrap_err();
    assert_eq!(error.cause, Cause::HsmUnreachable);
    let run = vault.view().backup_runs().unwrap().remove(0);
    assert_eq!(run.status, BackupStatus::Paused);
    assert!(run.run_error.unwrap().contains("The HSM cannot be reached"));
    let job = vault.view().backup_jobs().unwrap().remove(0);
    assert_eq!((job.status, job.runs), (BackupStatus::Paused, 1));
    assert_eq!(vault.list_backups("LOCAL").unwrap(), []);
    operation::resume_backup(&mut vault, "once").unwrap();
    assert_eq!(operation::due_backups(&vault.view()).unwrap(), ["once"]);
    vault.backup("once").unwrap();
    assert_eq!(vault.view().backup_runs().unwrap()[0].run_index, 2);
}

#[test]
fn a_death_anywhere_in_a_backup_leaves_a_whole_one_or_none() {
    let (mut whole, mut none) = (0, 0);
    for n in 0.. {
        let (directory, hsm, mut vault) = enabled();
        schedule(&mut vault, "once");
        vault.watch(die_at(n));
        let through = vault.backup("once").is_ok();
        drop(vault);
        let mut vault = reopen(directory.path(), &hsm);
        let status = vault.status().unwrap();
        assert_eq!(vault.restart().unwrap().state, State::EnabledOk, "event {n}");
        assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT, "event {n}");
        let runs = vault.view().backup_runs().unwrap();
        assert!(runs.iter().all(|run| run.status != BackupStatus::Ongoing), "event {n}");
        if let Some(found) = status.interrupted {
            assert_eq!(found.operation, "backup");
            let done = runs.iter().any(|run| run.status == BackupStatus::Done);
            assert_eq!(found.done, done, "event {n}");
        }
        // What lies there is offered only if it can be restored.
        for backup in vault.list_backups("LOCAL").unwrap() {
            whole += 1;
            let restored = vault.restore(&request_of(&backup.file, PASSPHRASE)).unwrap();
            assert_eq!(restored.state, State::EnabledOk, "event {n}");
            assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
        }
        none += usize::from(runs.iter().all(|run| run.file.is_none()));
        if through {
            break;
        }
    }
    assert!(whole > 3 && none > 20, "{whole} whole, {none} none");
}

#[test]
fn a_death_anywhere_in_a_restore_leaves_the_server_before_or_after_it() {
    let (mut before, mut after) = (0, 0);
    let (_directory, hsm, mut source) = enabled();
    let file = back_up(&mut source, "once");
    for n in 0.. {
        let (directory, mut other) = fresh(&hsm);
        bring(&file, &source, &other);
        other.set_credential(&credential(CREDENTIAL)).unwrap();
        other.watch(die_at(n));
        let through = other.restore(&request_of(&file, PASSPHRASE)).is_ok();
        drop(other);
        let mut other = reopen(directory.path(), &hsm);
        let found = other.status().unwrap().interrupted;
        match other.restart().unwrap().state {
            State::CredentialSet => {
                before += 1;
                assert!(found.is_none_or(|found| !found.done), "event {n}");
                other.open_wallet(OpenWith::Passphrase(&OTHER.into())).unwrap();
                assert!(other.read_object("its own").is_ok(), "event {n}");
                other.restore(&request_of(&file, PASSPHRASE)).unwrap();
            }
            State::EnabledOk => {
                after += 1;
                // Dead after its end, there is nothing left to say.
                assert!(found.is_none_or(|found| found.done), "event {n}");
            }
            state => panic!("{state} after a death at event {n}"),
        }
        assert_eq!(other.read_object("key").unwrap().expose(), OBJECT, "event {n}");
        for place in [Place::RestoreCommit, Place::StagedStore, Place::StagedBlob] {
            assert!(!other.core.disk.exists(place), "event {n}: {place:?}");
        }
        if through {
            break;
        }
    }
    assert!(before > 20 && after > 10, "{before} before, {after} after");
}

#[test]
fn a_death_anywhere_in_set_credential_keeps_the_old_one_or_has_the_new_one() {
    let (mut old, mut new) = (0, 0);
    for n in 0.. {
        let (directory, hsm, mut vault) = enabled();
        hsm.0.lock().credential = b"changed".to_vec();
        vault.watch(die_at(n));
        let through = vault.set_credential(&credential("changed")).is_ok();
        drop(vault);
        let mut vault = reopen(directory.path(), &hsm);
        let found = vault.status().unwrap().interrupted;
        match vault.restart().unwrap().state {
            State::EnabledOk => {
                new += 1;
                // Dead after its end, there is nothing left to say.
                assert!(found.is_none_or(|found| found.done), "event {n}");
            }
            State::Sealed => {
                old += 1;
                assert!(found.is_none_or(|found| !found.done), "event {n}");
                vault.set_credential(&credential("changed")).unwrap();
                vault.open_wallet(OpenWith::Hsm).unwrap();
            }
            state => panic!("{state} after a death at event {n}"),
        }
        assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT, "event {n}");
        if through {
            break;
        }
    }
    assert!(old > 5 && new > 10, "{old} old, {new} new");
}

#[test]
fn a_dead_initialize_says_whether_it_counts() {
    let (mut done, mut not_done) = (0, 0);
    for n in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let hsm = Memory::new(CREDENTIAL);
        let mut vault = install(directory.path(), &hsm);
        vault.watch(die_at(n));
        let through = vault.initialize(&request()).is_ok();
        drop(vault);
        let vault = reopen(directory.path(), &hsm);
        if let Some(found) = vault.status().unwrap().interrupted {
            assert_eq!(found.operation, "initialize");
            let enabled = vault.core.store.mode().unwrap() == Mode::Enabled;
            assert_eq!(found.done, enabled, "event {n}");
            if enabled { done += 1 } else { not_done += 1 }
        }
        if through {
            break;
        }
    }
    assert!(done > 3 && not_done > 12, "{done} done, {not_done} not done");
}

#[test]
fn a_disk_that_is_full_leaves_a_clear_status_and_no_damage() {
    let (_directory, _hsm, mut vault) = enabled();
    schedule(&mut vault, "once");
    let directory = vault.path(Place::LocalBackups);
    let aside = directory.with_extension("aside");
    std::fs::rename(&directory, &aside).unwrap();
    let error = vault.backup("once").unwrap_err();
    assert_eq!(error.cause, Cause::DestinationFailed, "{error}");
    std::fs::rename(&aside, &directory).unwrap();
    // In the middle of sending: the destination goes away.
    let gone = directory.clone();
    vault.watch(Some(Box::new(move |event: &Event<'_>| match event {
        Event::Sent { .. } => {
            std::fs::remove_dir_all(&gone).unwrap();
            Ok(())
        }
        _ => Ok(()),
    })));
    operation::resume_backup(&mut vault, "once").unwrap();
    let error = vault.backup("once").unwrap_err();
    assert_eq!(error.cause, Cause::DestinationFailed, "{error}");
    vault.watch(None);
    let runs = vault.view().backup_runs().unwrap();
    assert!(runs.iter().all(|run| run.status == BackupStatus::Paused && run.file.is_none()));
    vault.core.disk.prepare().unwrap();
    operation::resume_backup(&mut vault, "once").unwrap();
    let done = vault.backup("once").unwrap();
    vault.restore(&request_of(&done.file, PASSPHRASE)).unwrap();
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
}

#[test]
fn releases_decide_what_an_operation_takes() {
    let directory = tempfile::tempdir().unwrap();
    let hsm = Memory::new(CREDENTIAL);
    let old =
        InstallRequest { release: "12.2.0.8".into(), ..InstallRequest::new(PASSPHRASE.into()) };
    let old = InstallRequest { passphrase_iterations: NonZeroU32::MIN, ..old };
    let loader = Box::new(hsm.clone());
    let mut vault =
        operation::install_with(directory.path(), &old, loader, Watch::default()).unwrap();
    assert_eq!(vault.initialize(&request()).unwrap_err().cause, Cause::VendorUnknown);
    let mut safenet = request();
    safenet.hsm.vendor = "Safenet".into();
    assert_eq!(vault.initialize(&safenet).unwrap_err().cause, Cause::TokenLabelNotOffered);
    safenet.hsm.token_label = None;
    vault.initialize(&safenet).unwrap();
    assert_eq!(vault.upgrade("18.5").unwrap_err().cause, Cause::UpgradeNeedsReverseMigrate);
    let back = ReverseMigrateRequest {
        credential: CREDENTIAL.into(),
        passphrase: PASSPHRASE.into(),
        new_passphrase: None,
    };
    vault.reverse_migrate(&back).unwrap();
    vault.upgrade("18.4").unwrap();
    assert_eq!(vault.upgrade("18.4").unwrap_err().cause, Cause::ReleaseNotNewer);
    assert_eq!(vault.upgrade("18.1").unwrap_err().cause, Cause::ReleaseNotNewer);
    assert_eq!(vault.upgrade("19").unwrap_err().cause, Cause::ReleaseUnknown);
    vault.initialize(&safenet).unwrap();
    vault.upgrade("21.3").unwrap();
    assert_eq!(vault.status().unwrap().hsm.unwrap().vendor, "Thales Luna");
    assert_eq!(vault.restart().unwrap().state, State::EnabledOk);
}

#[test]
fn a_backup_of_a_later_release_is_refused() {
    let (_directory, hsm, mut vault) = enabled();
    let file = back_up(&mut vault, "once");
    let directory = tempfile::tempdir().unwrap();
    let old = InstallRequest { release: "18.5".into(), ..InstallRequest::new(OTHER.into()) };
    let old = InstallRequest { passphrase_iterations: NonZeroU32::MIN, ..old };
    let loader = Box::new(hsm.clone());
    let mut other =
        operation::install_with(directory.path(), &old, loader, Watch::default()).unwrap();
    bring(&file, &vault, &other);
    other.set_credential(&credential(CREDENTIAL)).unwrap();
    let error = other.restore(&request_of(&file, PASSPHRASE)).unwrap_err();
    assert_eq!(error.cause, Cause::BackupOfLaterRelease);
}

#[test]
fn a_standby_without_the_primarys_files_says_which_are_missing() {
    let (primary, hsm, vault) = enabled();
    drop(vault);
    let standby = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let to = standby.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(primary.path().join(name), to).unwrap();
    };
    for place in [Place::Store, Place::Wallet, Place::CredentialKey, Place::RestoreWallet] {
        copy(place.relative());
    }
    let mut vault = reopen(standby.path(), &hsm);
    assert_eq!(vault.restart().unwrap().state, State::Sealed);
    let error = vault.adopt_hsm(&settings()).unwrap_err();
    assert_eq!(error.cause, Cause::StandbyFilesMissing);
    assert_eq!(error.detail, "hsm/wallet/cwallet.sso, hsm/wallet/enctdepwd");
    copy(Place::CredentialWallet.relative());
    copy(Place::Blob.relative());
    assert_eq!(vault.adopt_hsm(&settings()).unwrap(), State::EnabledOk);
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
    // The credential that is changed on the primary does not reach the standby.
    hsm.0.lock().credential = b"changed".to_vec();
    assert_eq!(vault.restart().unwrap().failure.unwrap().cause, Cause::CredentialWrong);
}
