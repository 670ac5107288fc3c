//! Each step of a verification fails for a real cause of its own, and a repaired cause is forgotten.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use luna_client::Mechanism;
use okv_sim::{Cause, Event, Place, State, Step, Vault, VerificationStep as At};

use crate::hsm::{CREDENTIAL, Hsm, alone};
use crate::{assert_readable, enabled};

/// Does damage, sees that it fails at this step with this cause, repairs, sees that all is well.
fn fails(vault: &mut Vault, at: At, cause: Cause, damage: impl FnOnce(), repair: impl FnOnce()) {
    damage();
    let error = vault.verify().unwrap_err();
    assert_eq!((error.step, error.cause), (Some(Step::from(at)), cause), "{error}");
    assert_eq!(vault.state(), State::EnabledFail);
    assert_readable(vault);
    repair();
    vault.verify().unwrap();
    assert_eq!(vault.state(), State::EnabledOk);
}

/// The same for one file, whose content is changed.
fn fails_when(
    vault: &mut Vault,
    place: Place,
    at: At,
    cause: Cause,
    change: impl FnOnce(&mut Vec<u8>),
) {
    let path = vault.path(place);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    change(&mut bad);
    assert_ne!(good, bad);
    fails(vault, at, cause, || fs::write(&path, bad).unwrap(), || fs::write(&path, &good).unwrap());
}

fn fails_without(vault: &mut Vault, place: Place, at: At, cause: Cause) {
    let path = vault.path(place);
    let aside = path.with_extension("aside");
    fails(
        vault,
        at,
        cause,
        || fs::rename(&path, &aside).unwrap(),
        || fs::rename(&aside, &path).unwrap(),
    );
}

#[test]
fn damaged_files_fail_each_at_its_step() {
    alone("verification::damaged_files_fail_each_at_its_step", |hsm| {
        let mut vault = enabled(hsm, "okv");
        let vault = &mut vault;
        let aside = hsm.module.with_extension("aside");
        fails(
            vault,
            At::LoadLibrary,
            Cause::CouldNotLoadLibrary,
            || fs::rename(&hsm.module, &aside).unwrap(),
            || fs::rename(&aside, &hsm.module).unwrap(),
        );

        fails_without(
            vault,
            Place::CredentialWallet,
            At::CredentialWallet,
            Cause::CredentialMissing,
        );
        let wallet = vault.path(Place::CredentialWallet);
        let chmod = |mode| fs::set_permissions(&wallet, Permissions::from_mode(mode)).unwrap();
        let exposed = Cause::CredentialExposed;
        fails(vault, At::CredentialWallet, exposed, || chmod(0o644), || chmod(0o600));
        let (read, damaged) = (At::ReadCredential, Cause::CredentialDamaged);
        fails_when(vault, Place::CredentialWallet, read, damaged, |file| file[30] ^= 1);
        fails_when(vault, Place::CredentialKey, read, damaged, |file| file[0] ^= 1);

        let (header, header_damaged) = (At::BlobHeader, Cause::BlobHeaderDamaged);
        fails_without(vault, Place::Blob, header, Cause::BlobMissing);
        fails_when(vault, Place::Blob, header, Cause::BlobVersionUnknown, |file| file[1] ^= 1);
        fails_when(vault, Place::Blob, header, header_damaged, |file| file[7] ^= 1);
        fails_when(vault, Place::Blob, header, header_damaged, |file| file.truncate(79));

        // The padding fills a block of its own. A bit of the block before it makes that 0x90: no padding. SoftHSM
        // calls that a general error, where the standard has a code of its own.
        let (decrypt, wallet) = (At::DecryptPassword, At::CheckWallet);
        fails_when(vault, Place::Blob, decrypt, Cause::HsmCallFailed, |file| file[63] ^= 0x80);
        let wrong = Cause::WalletPasswordWrong;
        fails_when(vault, Place::Blob, wallet, wrong, |file| file[20] ^= 1);
        fails_when(vault, Place::Blob, wallet, wrong, |file| file[40] ^= 1);
        fails_without(vault, Place::Wallet, wallet, Cause::WalletMissing);
        fails_when(vault, Place::Wallet, wallet, Cause::WalletDamaged, |file| file[90] ^= 1);

        let (restore, unusable) = (At::CheckRestoreWallet, Cause::RestoreWalletUnusable);
        fails_without(vault, Place::RestoreWallet, restore, unusable);
        fails_when(vault, Place::RestoreWallet, restore, unusable, |file| file[90] ^= 1);

        let link = vault.path(Place::WalletLink);
        let relink = |target: &str| {
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
        };
        let good = fs::read_link(&link).unwrap();
        let broken = Cause::WalletLinkBroken;
        fails_without(vault, Place::WalletLink, At::CheckLinks, broken);
        let repair = || relink(good.to_str().unwrap());
        fails(vault, At::CheckLinks, broken, || relink("/etc/hostname"), repair);
    });
}

#[test]
fn a_damaged_token_fails_each_at_its_step() {
    alone("verification::a_damaged_token_fails_each_at_its_step", |hsm| {
        let mut vault = enabled(hsm, "okv");
        let vault = &mut vault;
        let slot = Cause::CouldNotGetSlot;
        fails(vault, At::Connect, slot, || hsm.take_away(), || hsm.bring_back());

        let id = vault.verify().unwrap().key_number.id();
        let find = At::FindRootKey;
        let tokens = hsm.directory.join("tokens");
        let saved = hsm.directory.join("saved");
        let restore = || {
            fs::remove_dir_all(&tokens).unwrap();
            crate::copy(&saved, &tokens);
        };
        crate::copy(&tokens, &saved);
        let missing = Cause::RootKeyMissing;
        fails(vault, find, missing, || hsm.delete_root_key(&id), restore);
        let replace = || {
            hsm.delete_root_key(&id);
            hsm.add_root_key(&[1, 2, 3, 4]);
        };
        fails(vault, find, Cause::RootKeyOfOtherNumber, replace, restore);
        fails(vault, find, Cause::RootKeyConflict, || hsm.add_root_key(&id), restore);
        // Other servers' keys do no harm.
        hsm.add_root_key(&[1, 2, 3, 4]);
        assert_eq!(vault.verify().unwrap().keys_found, 2);

        // A wrong key whose padding happens to be right, once in 256: only the wallet notices.
        let blob = fs::read(vault.path(Place::Blob)).unwrap();
        let wrong = || {
            hsm.delete_root_key(&id);
            plant_wrong_key_with_right_padding(hsm, &id, &blob);
        };
        fails(vault, At::CheckWallet, Cause::WalletPasswordWrong, wrong, restore);
    });
}

fn plant_wrong_key_with_right_padding(hsm: &Hsm, id: &[u8], blob: &[u8]) {
    let mechanism = Mechanism::aes_cbc_pad(blob[16..32].try_into().unwrap());
    hsm.session(CREDENTIAL, |session| {
        for _ in 0..20_000 {
            let value = session.random(32).unwrap();
            let key = Hsm::import(session, None, &value);
            if session.decrypt(&mechanism, key, &blob[32..]).is_ok() {
                Hsm::import(session, Some(id), &value);
                return;
            }
            session.destroy(key).unwrap();
        }
        panic!("no key of 20,000 gave right padding");
    });
}

#[test]
fn a_damaged_configuration_fails_at_its_step() {
    alone("verification::a_damaged_configuration_fails_at_its_step", |hsm| {
        drop(enabled(hsm, "okv"));
        let data = hsm.data("okv");
        for (name, value, at, cause) in [
            ("hsm_settings", "{}", At::ReadSettings, Cause::SettingsUnreadable),
            ("mode", "", At::HsmEnabled, Cause::ConfigurationUnreadable),
            ("key_number", "12345", At::BlobHeader, Cause::BlobOfOtherKey),
        ] {
            let good = configure(&data, name, value);
            let (mut vault, started) = Vault::start(&data).unwrap();
            assert_eq!(started.state, State::Sealed);
            let error = vault.verify().unwrap_err();
            assert_eq!((error.step, error.cause), (Some(at.into()), cause), "{error}");
            drop(vault);
            configure(&data, name, &good);
        }
        let (vault, started) = Vault::start(&data).unwrap();
        assert_eq!(started.failure, None);
        assert_readable(&vault);
    });
}

/// Sets a value of the store; the one before.
fn configure(data: &Path, name: &str, value: &str) -> String {
    let store = rusqlite::Connection::open(data.join(Place::Store.relative())).unwrap();
    let get = "SELECT value FROM config WHERE name = ?1";
    let before = store.query_row(get, [name], |row| row.get(0)).unwrap();
    store.execute("UPDATE config SET value = ?2 WHERE name = ?1", [name, value]).unwrap();
    before
}

#[test]
fn the_trace_tells_the_steps_and_ends_as_the_real_one() {
    alone("verification::the_trace_tells_the_steps_and_ends_as_the_real_one", |hsm| {
        let mut vault = enabled(hsm, "okv");
        let trace = fs::read_to_string(vault.verify().unwrap().trace).unwrap();
        let lines: Vec<_> = trace.lines().map(|line| line.split_once(": ").unwrap().1).collect();
        assert_eq!(lines[0], "Beginning trace for hsmclient verify");
        assert_eq!(
            lines[lines.len() - 2..],
            ["HSM configuration verified", "Finished successfully"]
        );
        for step in At::ALL {
            assert!(lines.contains(&Step::from(*step).to_string().as_str()), "{step:?}");
        }
        assert!(lines.contains(&"Retrieved 1 keys"));
    });
}

#[test]
fn a_token_lost_in_the_middle_fails_where_it_is_lost() {
    alone("verification::a_token_lost_in_the_middle_fails_where_it_is_lost", |hsm| {
        let mut vault = enabled(hsm, "okv");
        let id = vault.verify().unwrap().key_number.id();
        let path =
            fs::read_dir(hsm.directory.join("tokens")).unwrap().next().unwrap().unwrap().path();
        // The key's file goes after it was found: what the module then says is its own matter, that it fails at
        // the decryption is ours.
        vault.watch(Some(Box::new(move |event: &Event<'_>| {
            if let Event::Step(step) = event
                && *step == Step::from(At::DecryptPassword)
            {
                for file in fs::read_dir(&path).unwrap() {
                    let file = file.unwrap().path();
                    if file.extension().is_some_and(|extension| extension == "object") {
                        fs::remove_file(file).unwrap();
                    }
                }
            }
            Ok(())
        })));
        let error = vault.verify().unwrap_err();
        assert_eq!(error.step, Some(At::DecryptPassword.into()), "{error} {id:?}");
        assert!(error.rv.is_some(), "{error}");
        assert_readable(&vault);
    });
}
