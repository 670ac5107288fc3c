//! The state machine on a token in memory: what no healthy module answers, and a crash at every write.

use std::num::NonZeroU32;
use std::path::Path;

use super::*;
use crate::operation::{CredentialUse, InitializeStep, NumberObject, Step, VerificationStep};
use crate::token::memory::{Call, Memory};
use crate::watch::Event;
use crate::{seal, tablespace};

const PASSPHRASE: &str = "nine-lives-1";
const CREDENTIAL: &str = "seven-seas-1";
const OBJECT: &[u8] = b"a customer's key";

mod backups;

fn install(data: &Path, hsm: &Memory) -> Vault {
    let request = InstallRequest::new(PASSPHRASE.into());
    let request = InstallRequest { passphrase_iterations: NonZeroU32::MIN, ..request };
    let loader = Box::new(hsm.clone());
    let mut vault = operation::install_with(data, &request, loader, Watch::default()).unwrap();
    vault.store_object("key", OBJECT).unwrap();
    vault
}

fn reopen(data: &Path, hsm: &Memory) -> Vault {
    Vault::open_with(data, Box::new(hsm.clone()), Watch::default()).unwrap()
}

fn settings() -> HsmSettings {
    HsmSettings::luna("memory", Some("memory"))
}

fn request() -> InitializeRequest {
    InitializeRequest {
        hsm: settings(),
        credential: CREDENTIAL.into(),
        passphrase: PASSPHRASE.into(),
    }
}

fn credential(word: &str) -> SetCredentialRequest {
    SetCredentialRequest { hsm: settings(), credential: word.into() }
}

fn enabled() -> (tempfile::TempDir, Memory, Vault) {
    let directory = tempfile::tempdir().unwrap();
    let hsm = Memory::new(CREDENTIAL);
    let mut vault = install(directory.path(), &hsm);
    vault.initialize(&request()).unwrap();
    assert_eq!(vault.state(), State::EnabledOk);
    (directory, hsm, vault)
}

fn stop_at(step: impl Into<Step>) -> Option<Box<dyn Watcher>> {
    let wanted = step.into();
    Some(Box::new(move |event: &Event<'_>| match event {
        Event::Step(step) if *step == wanted => Err("by the test".to_owned()),
        _ => Ok(()),
    }))
}

/// Refuses everything from the n-th event on, as if the process had died there.
fn die_at(n: usize) -> Option<Box<dyn Watcher>> {
    let mut seen = 0;
    Some(Box::new(move |_: &Event<'_>| {
        seen += 1;
        if seen > n { Err("dead".to_owned()) } else { Ok(()) }
    }))
}

fn hsm_files(vault: &Vault) -> usize {
    HSM_FILES.iter().filter(|place| vault.core.disk.exists(**place)).count()
}

#[test]
fn a_failure_at_any_step_of_initialize_takes_everything_back() {
    let directory = tempfile::tempdir().unwrap();
    let hsm = Memory::new(CREDENTIAL);
    let mut vault = install(directory.path(), &hsm);
    for step in InitializeStep::ALL {
        vault.watch(stop_at(*step));
        let error = vault.initialize(&request()).unwrap_err();
        assert_eq!((error.step, error.cause), (Some((*step).into()), Cause::Stopped));
        assert_eq!(error.orphan, None);
        assert_eq!(vault.state(), State::NotEnabled, "{step:?}");
        assert_eq!((hsm.objects(), hsm_files(&vault)), (0, 0), "{step:?}");
        assert_eq!(hsm.0.lock().open, 0, "{step:?}");
        vault.restart().unwrap();
        vault.open_wallet(OpenWith::Passphrase(&PASSPHRASE.into())).unwrap();
        assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
    }
    vault.watch(None);
    vault.initialize(&request()).unwrap();
    assert_eq!((vault.state(), hsm.objects(), hsm_files(&vault)), (State::EnabledOk, 2, 4));
}

#[test]
fn a_crash_anywhere_in_initialize_leaves_it_done_or_not_begun() {
    let (mut enabled, mut not_enabled) = (0, 0);
    for n in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let hsm = Memory::new(CREDENTIAL);
        let mut vault = install(directory.path(), &hsm);
        vault.watch(die_at(n));
        let through = vault.initialize(&request()).is_ok();
        drop(vault);
        let mut vault = reopen(directory.path(), &hsm);
        vault.restart().unwrap();
        match vault.state() {
            State::EnabledOk => enabled += 1,
            State::NotEnabled => {
                not_enabled += 1;
                assert_eq!(hsm_files(&vault), 0, "event {n}");
                vault.open_wallet(OpenWith::Passphrase(&PASSPHRASE.into())).unwrap();
            }
            state => panic!("{state} after a crash at event {n}"),
        }
        assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT, "event {n}");
        if vault.state() == State::NotEnabled {
            vault.initialize(&request()).unwrap();
        }
        if through {
            break;
        }
    }
    assert!(not_enabled > 12 && enabled > 3, "{not_enabled} not enabled, {enabled} enabled");
}

#[test]
fn a_crash_anywhere_in_reverse_migrate_leaves_it_done_or_not_begun() {
    let (mut enabled, mut not_enabled) = (0, 0);
    for n in 0.. {
        let (directory, hsm, mut vault) = self::enabled();
        vault.watch(die_at(n));
        let request = ReverseMigrateRequest {
            credential: CREDENTIAL.into(),
            passphrase: PASSPHRASE.into(),
            new_passphrase: Some("another passphrase".into()),
        };
        let through = vault.reverse_migrate(&request).is_ok();
        drop(vault);
        let mut vault = reopen(directory.path(), &hsm);
        vault.restart().unwrap();
        match vault.state() {
            State::EnabledOk => enabled += 1,
            State::NotEnabled => {
                not_enabled += 1;
                assert_eq!(hsm_files(&vault), 0);
                vault.open_wallet(OpenWith::Passphrase(&"another passphrase".into())).unwrap();
            }
            state => panic!("{state} after a crash at event {n}"),
        }
        assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
        assert_eq!(hsm.objects(), 2);
        if through {
            break;
        }
    }
    assert!(enabled > 4 && not_enabled > 4, "{enabled} enabled, {not_enabled} not enabled");
}

#[test]
fn a_crash_anywhere_in_installation_leaves_a_server_or_none() {
    for n in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let hsm = Memory::new(CREDENTIAL);
        let watch = Watch::default();
        watch.set(die_at(n));
        let request = InstallRequest::new(PASSPHRASE.into());
        let request = InstallRequest { passphrase_iterations: NonZeroU32::MIN, ..request };
        let loader = Box::new(hsm.clone());
        let through = operation::install_with(directory.path(), &request, loader, watch).is_ok();
        match Vault::open_with(directory.path(), Box::new(hsm.clone()), Watch::default()) {
            Ok(mut vault) => {
                vault.open_wallet(OpenWith::Passphrase(&PASSPHRASE.into())).unwrap();
            }
            Err(error) => {
                assert_eq!(error.cause, Cause::NotInstalled);
                install(directory.path(), &hsm);
            }
        }
        if through {
            break;
        }
    }
}

#[test]
fn a_wrong_passphrase_does_not_even_load_the_library() {
    let directory = tempfile::tempdir().unwrap();
    let hsm = Memory::new(CREDENTIAL);
    let mut vault = install(directory.path(), &hsm);
    let wrong = InitializeRequest { passphrase: "a wrong one".into(), ..request() };
    assert_eq!(vault.initialize(&wrong).unwrap_err().cause, Cause::PassphraseWrong);
    assert_eq!((hsm.0.lock().loads, vault.state()), (0, State::NotEnabled));

    vault.initialize(&request()).unwrap();
    let loads = hsm.0.lock().loads;
    let wrong = ReverseMigrateRequest {
        credential: CREDENTIAL.into(),
        passphrase: "a wrong one".into(),
        new_passphrase: None,
    };
    assert_eq!(vault.reverse_migrate(&wrong).unwrap_err().cause, Cause::PassphraseWrong);
    assert_eq!(hsm.0.lock().loads, loads);
}

#[test]
fn a_key_whose_making_was_never_answered_is_removed_too() {
    let directory = tempfile::tempdir().unwrap();
    let hsm = Memory::new(CREDENTIAL);
    let mut vault = install(directory.path(), &hsm);
    hsm.fail(Call::GenerateReply, 1, 0x30);
    let error = vault.initialize(&request()).unwrap_err();
    assert_eq!((error.cause, error.orphan), (Cause::HsmUnreachable, None));
    assert_eq!(hsm.objects(), 0);
}

#[test]
fn a_rollback_that_lost_its_session_reconnects_once_and_else_names_the_orphan() {
    let directory = tempfile::tempdir().unwrap();
    let hsm = Memory::new(CREDENTIAL);
    let mut vault = install(directory.path(), &hsm);
    hsm.fail(Call::Encrypt, 1, 0xb3);
    hsm.fail(Call::Destroy, 1, 0xb3);
    let error = vault.initialize(&request()).unwrap_err();
    assert_eq!((error.cause, error.orphan), (Cause::SessionLost, None));
    assert_eq!((hsm.objects(), hsm.0.lock().open), (0, 0));

    hsm.fail(Call::Encrypt, 1, 0x30);
    hsm.fail(Call::Destroy, 9, 0x30);
    let error = vault.initialize(&request()).unwrap_err();
    assert!(error.orphan.is_some() && error.to_string().contains("could not be removed"));
    assert_eq!((hsm.objects(), vault.state()), (2, State::NotEnabled));
}

#[test]
fn a_module_without_data_objects_is_tolerated_and_another_refusal_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let hsm = Memory::new(CREDENTIAL);
    let mut vault = install(directory.path(), &hsm);
    hsm.fail(Call::Record, 1, 0xe2);
    let error = vault.initialize(&request()).unwrap_err();
    assert_eq!((error.cause, error.rv), (Cause::NumberNotRecorded, Some(Rv(0xe2))));
    hsm.fail(Call::Record, 1, 0x54);
    let initialized = vault.initialize(&request()).unwrap();
    assert_eq!(initialized.number_object, NumberObject::NotSupported(Rv(0x54)));
    assert_eq!(hsm.objects(), 1);
    vault.verify().unwrap();
}

#[test]
fn every_step_of_a_verification_is_a_failure_point_of_its_own() {
    let (_directory, hsm, mut vault) = enabled();
    for step in VerificationStep::ALL {
        vault.watch(stop_at(*step));
        let error = vault.verify().unwrap_err();
        assert_eq!((error.step, error.cause), (Some((*step).into()), Cause::Stopped));
        assert_eq!((vault.state(), hsm.0.lock().open), (State::EnabledFail, 0));
        vault.watch(None);
        vault.verify().unwrap();
        assert_eq!(vault.state(), State::EnabledOk);
    }
    for (call, rv, number, cause) in [
        (Call::Load, 0x05, 2, Cause::CouldNotLoadLibrary),
        (Call::Connect, 0xe0, 5, Cause::CouldNotGetSlot),
        (Call::Login, 0x30, 5, Cause::HsmUnreachable),
        (Call::Find, 0x06, 8, Cause::HsmCallFailed),
        (Call::Decrypt, 0x40, 9, Cause::BlobDamaged),
        (Call::Disconnect, 0x30, 13, Cause::HsmUnreachable),
        (Call::Disconnect, 0x05, 13, Cause::DisconnectFailed),
    ] {
        hsm.fail(call, 1, rv);
        let error = vault.verify().unwrap_err();
        let step = error.step.map(Step::number);
        assert_eq!((step, error.cause, error.rv), (Some(number), cause, Some(Rv(rv))));
        vault.verify().unwrap();
    }
}

#[test]
fn a_lost_session_is_reconnected_once() {
    let (_directory, hsm, mut vault) = enabled();
    hsm.fail(Call::Decrypt, 1, 0xb3);
    vault.verify().unwrap();
    hsm.fail(Call::Decrypt, 2, 0xb0);
    assert_eq!(vault.verify().unwrap_err().cause, Cause::SessionLost);
    assert_eq!(vault.state(), State::EnabledFail);
    assert!(vault.check().unwrap().failure.is_none());
}

#[test]
fn a_refused_credential_is_sent_once_and_never_again_by_itself() {
    let (directory, hsm, mut vault) = enabled();
    hsm.0.lock().credential = b"changed".to_vec();
    let before = hsm.0.lock().logins;
    let checked = vault.check().unwrap();
    assert_eq!(checked.failure.unwrap().cause, Cause::CredentialWrong);
    for _ in 0..5 {
        assert_eq!(vault.check().unwrap().failure.unwrap().cause, Cause::CredentialPinned);
    }
    assert_eq!(vault.verify().unwrap_err().cause, Cause::CredentialPinned);
    assert_eq!(vault.restart().unwrap().state, State::Sealed);
    drop(vault);
    let mut vault = reopen(directory.path(), &hsm);
    assert_eq!(vault.restart().unwrap().failure.unwrap().cause, Cause::CredentialPinned);
    assert_eq!(hsm.0.lock().logins, before + 1);

    let set = vault.set_credential(&credential("changed")).unwrap();
    assert_eq!((set.used, set.state), (CredentialUse::Changed, State::Sealed));
    assert_eq!(vault.open_wallet(OpenWith::Hsm).unwrap(), State::EnabledOk);
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
}

#[test]
fn a_wrong_credential_set_while_enabled_replaces_the_stored_one() {
    let (_directory, hsm, mut vault) = enabled();
    let error = vault.set_credential(&credential("wrong")).unwrap_err();
    assert_eq!((error.cause, error.rv), (Cause::CredentialWrong, Some(Rv(0xa0))));
    assert_eq!(vault.state(), State::EnabledFail);
    assert_eq!(vault.check().unwrap().failure.unwrap().cause, Cause::CredentialPinned);
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
    vault.set_credential(&credential(CREDENTIAL)).unwrap();
    assert_eq!((vault.state(), hsm.0.lock().open), (State::EnabledOk, 0));
}

#[test]
fn a_credential_set_before_a_restore_stays_only_if_it_works() {
    let directory = tempfile::tempdir().unwrap();
    let hsm = Memory::new(CREDENTIAL);
    let mut vault = install(directory.path(), &hsm);
    let set = vault.set_credential(&credential(CREDENTIAL)).unwrap();
    assert_eq!((set.used, set.state), (CredentialUse::PreparedForRestore, State::CredentialSet));
    assert_eq!(vault.verify().unwrap_err().cause, Cause::HsmNotEnabled);
    drop(vault);
    let mut vault = reopen(directory.path(), &hsm);
    assert_eq!((vault.state(), hsm_files(&vault)), (State::CredentialSet, 1));
    vault.set_credential(&credential("wrong")).unwrap_err();
    assert_eq!((vault.state(), hsm_files(&vault)), (State::NotEnabled, 0));
    assert!(!vault.check().unwrap().ran);
}

#[test]
fn the_alert_is_raised_once_and_cleared_after_recovery() {
    let (_directory, hsm, mut vault) = enabled();
    hsm.fail(Call::Connect, 3, 0xe0);
    assert_eq!(vault.check().unwrap().alert, AlertChange::Raised);
    assert_eq!(vault.check().unwrap().alert, AlertChange::Standing);
    let alert = vault.status().unwrap().alert.unwrap();
    assert!(alert.text.starts_with("HSM configuration error: Could Not Get Slot for HSM"));
    assert_eq!(vault.check().unwrap().state, State::EnabledFail);
    let checked = vault.check().unwrap();
    assert_eq!((checked.alert, checked.state), (AlertChange::Cleared, State::EnabledOk));
    assert_eq!(vault.check().unwrap().alert, AlertChange::None);
    let alerts = vault.alerts().unwrap();
    assert!(alerts.len() == 1 && alerts[0].cleared_at.is_some());
}

#[test]
fn a_running_vault_serves_without_the_hsm_and_a_sealed_one_serves_nothing() {
    let (_directory, hsm, mut vault) = enabled();
    hsm.fail(Call::Load, u32::MAX, 0x05);
    vault.check().unwrap();
    assert_eq!(vault.state(), State::EnabledFail);
    vault.store_object("another", b"value").unwrap();
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);

    assert_eq!(vault.restart().unwrap().state, State::Sealed);
    assert_eq!(vault.read_object("key").unwrap_err().cause, Cause::Sealed);
    assert_eq!(vault.store_object("third", b"").unwrap_err().cause, Cause::Sealed);
    assert_eq!(vault.list_objects().unwrap_err().cause, Cause::Sealed);
    let passphrase = PASSPHRASE.into();
    let error = vault.open_wallet(OpenWith::Passphrase(&passphrase)).unwrap_err();
    assert_eq!(error.cause, Cause::WrongState);
    assert_eq!(vault.check().unwrap().state, State::Sealed);

    hsm.fail(Call::Load, 0, 0);
    let checked = vault.check().unwrap();
    assert_eq!((checked.state, checked.alert), (State::EnabledOk, AlertChange::Cleared));
    assert_eq!(vault.list_objects().unwrap().len(), 2);
}

#[test]
fn a_boot_succeeds_when_only_the_farewell_fails() {
    let (_directory, hsm, mut vault) = enabled();
    hsm.fail(Call::Disconnect, 1, 0x05);
    let started = vault.restart().unwrap();
    assert_eq!((started.state, started.alert), (State::EnabledFail, AlertChange::Raised));
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
    assert_eq!(vault.check().unwrap().alert, AlertChange::Cleared);
}

#[test]
fn operations_keep_to_their_states() {
    let (_directory, _hsm, mut vault) = enabled();
    assert_eq!(vault.initialize(&request()).unwrap_err().cause, Cause::WrongState);
    let request = ReverseMigrateRequest {
        credential: CREDENTIAL.into(),
        passphrase: PASSPHRASE.into(),
        new_passphrase: None,
    };
    assert_eq!(vault.reverse_migrate(&request).unwrap(), State::NotEnabled);
    assert_eq!(vault.reverse_migrate(&request).unwrap_err().cause, Cause::HsmNotEnabled);
    assert_eq!(vault.verify().unwrap_err().cause, Cause::HsmNotEnabled);
    assert_eq!(vault.open_wallet(OpenWith::Hsm).unwrap_err().cause, Cause::HsmNotEnabled);
    vault.restart().unwrap();
    assert_eq!(vault.read_object("key").unwrap_err().cause, Cause::WalletClosed);
    vault.open_wallet(OpenWith::Passphrase(&PASSPHRASE.into())).unwrap();
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
    let audit: Vec<_> = vault.audit().unwrap().into_iter().map(|line| line.operation).collect();
    assert!(audit.iter().any(|operation| operation == "reverse-migrate"), "{audit:?}");
}

#[test]
fn a_thousand_checks_leave_nothing_behind() {
    let (_directory, hsm, mut vault) = enabled();
    let calls =
        [Call::Load, Call::Connect, Call::Login, Call::Find, Call::Decrypt, Call::Disconnect];
    for n in 0..1_000 {
        if n % 3 == 0 {
            hsm.fail(calls[n / 3 % calls.len()], 1, 0x30);
        }
        vault.check().unwrap();
    }
    assert_eq!((hsm.objects(), hsm.0.lock().open), (2, 0));
    assert!(vault.traces().len() <= trace::KEPT);
    assert_eq!(vault.check().unwrap().state, State::EnabledOk);
}

#[test]
fn no_key_and_no_password_lies_on_the_disk_in_clear() {
    let (directory, _hsm, mut vault) = enabled();
    let mut run = Run::begin(Operation::Verify, &vault.core.disk, &vault.core.watch);
    let verified = verification::verify(&mut vault.core, &mut run, &Input::Stored).unwrap();
    let chain = verified.chain.unwrap();
    let (id, wrapped) = vault.core.store.tablespace(tablespace::MANAGED_OBJECTS).unwrap();
    let master = chain.keys.by_id(&id).unwrap();
    let tablespace_key = seal::open_key(master, &id, &wrapped).unwrap();
    let secrets: [(&str, &[u8]); 7] = [
        ("wallet password", chain.password.expose()),
        ("master key", master.as_slice()),
        ("tablespace key", tablespace_key.as_slice()),
        ("object", OBJECT),
        ("object's name", b"a name of its own"),
        ("credential", CREDENTIAL.as_bytes()),
        ("passphrase", PASSPHRASE.as_bytes()),
    ];
    vault.store_object("a name of its own", b"").unwrap();
    let mut open = vec![directory.path().to_owned()];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        seen += 1;
        let content = std::fs::read(&path).unwrap();
        for (what, secret) in secrets {
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            for form in [secret, hex.as_bytes()] {
                let found = content.windows(form.len()).any(|window| window == form);
                assert!(!found, "{} holds the {what}", path.display());
            }
        }
    }
    assert!(seen >= 8, "only {seen} files");
}

#[test]
fn a_look_from_outside_leaves_a_sealed_server_sealed() {
    let (directory, hsm, mut vault) = enabled();
    hsm.fail(Call::Load, u32::MAX, 0x05);
    assert_eq!(vault.restart().unwrap().state, State::Sealed);
    drop(vault);
    let mut vault = reopen(directory.path(), &hsm);
    let checked = vault.check().unwrap();
    assert_eq!((checked.state, checked.alert), (State::Sealed, AlertChange::None));
}
