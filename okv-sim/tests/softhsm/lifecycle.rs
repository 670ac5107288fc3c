//! One server's life: Initialize, loss of the HSM, restart, credentials, reverse migration; and two servers on
//! one partition.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use luna_client::Attribute;
use luna_client::ck::*;
use okv_sim::{
    AlertChange, Cause, CredentialUse, Event, InitializeStep, KEY_NUMBER_LABEL, NumberObject,
    Place, ROOT_KEY_LABEL, ReverseMigrateRequest, State, Step, Vault,
};

use crate::hsm::{CREDENTIAL, LABEL, alone};
use crate::{
    PASSPHRASE, assert_readable, copy, enabled, files, initialize, install, objects,
    open_with_passphrase, set_credential,
};

#[test]
fn full_lifecycle() {
    alone("lifecycle::full_lifecycle", |hsm| {
        // Without an HSM: the passphrase opens the wallet.
        let mut vault = install(&hsm.data("okv"));
        assert_eq!(vault.restart().unwrap().state, State::NotEnabled);
        assert_eq!(vault.list_objects().unwrap_err().cause, Cause::WalletClosed);
        open_with_passphrase(&mut vault);
        assert_readable(&vault);

        let done = vault.initialize(&initialize(hsm)).unwrap();
        assert_eq!((vault.state(), done.number_object), (State::EnabledOk, NumberObject::Created));
        assert_eq!(done.details.token_label, LABEL);
        let expected =
            [(KEY_NUMBER_LABEL.into(), CKO_DATA), (ROOT_KEY_LABEL.into(), CKO_SECRET_KEY)];
        assert_eq!(hsm.objects(), expected);
        assert_eq!(hsm.root_keys(), [done.key_number.id()]);
        vault.restart().unwrap();
        assert_readable(&vault);
        assert_eq!(vault.verify().unwrap().key_number, done.key_number);
        assert_eq!(vault.check().unwrap().alert, AlertChange::None);

        // The HSM goes: the vault runs on, with an alert.
        hsm.take_away();
        let checked = vault.check().unwrap();
        assert_eq!((checked.state, checked.alert), (State::EnabledFail, AlertChange::Raised));
        let failure = checked.failure.unwrap();
        assert_eq!(failure.cause, Cause::CouldNotGetSlot);
        assert!(failure.to_string().starts_with("Could Not Get Slot for HSM"), "{failure}");
        assert_eq!(vault.check().unwrap().alert, AlertChange::Standing);
        vault.store_object("stored without the HSM", b"value").unwrap();
        assert_readable(&vault);

        // A restart without it seals the vault, here and wherever its disk is carried.
        drop(vault);
        copy(&hsm.data("okv"), &hsm.data("stolen"));
        for place in ["okv", "stolen"] {
            let (vault, started) = Vault::start(&hsm.data(place)).unwrap();
            assert_eq!(started.failure.unwrap().cause, Cause::CouldNotGetSlot);
            assert_eq!(vault.state(), State::Sealed);
            assert_eq!(vault.list_objects().unwrap_err().cause, Cause::Sealed);
        }

        hsm.bring_back();
        let (mut vault, started) = Vault::start(&hsm.data("okv")).unwrap();
        assert_eq!((started.state, started.alert), (State::EnabledOk, AlertChange::Cleared));
        assert_readable(&vault);

        // Back to the passphrase; the objects stay on the token.
        let back = ReverseMigrateRequest {
            credential: CREDENTIAL.into(),
            passphrase: PASSPHRASE.into(),
            new_passphrase: None,
        };
        assert_eq!(vault.reverse_migrate(&back).unwrap(), State::NotEnabled);
        hsm.take_away();
        assert_eq!(vault.restart().unwrap().state, State::NotEnabled);
        open_with_passphrase(&mut vault);
        assert_readable(&vault);
        hsm.bring_back();
        assert_eq!(hsm.objects().len(), 2);
        vault.initialize(&initialize(hsm)).unwrap();
        assert_eq!((hsm.objects().len(), vault.verify().unwrap().keys_found), (4, 2));
    });
}

#[test]
fn the_root_key_has_the_template() {
    alone("lifecycle::the_root_key_has_the_template", |hsm| {
        let mut vault = enabled(hsm, "okv");
        hsm.session(CREDENTIAL, |session| {
            let key = session.find(&[Attribute::label(ROOT_KEY_LABEL)]).unwrap()[0];
            let flag = |kind| session.attribute(key, kind).unwrap().unwrap() == [1];
            assert!(flag(CKA_TOKEN) && flag(CKA_PRIVATE) && flag(CKA_SENSITIVE));
            assert!(flag(CKA_ENCRYPT) && flag(CKA_DECRYPT));
            for kind in
                [CKA_EXTRACTABLE, CKA_MODIFIABLE, CKA_WRAP, CKA_UNWRAP, CKA_SIGN, CKA_DERIVE]
            {
                assert!(!flag(kind), "{kind:#x}");
            }
            assert_eq!(session.attribute_ulong(key, CKA_VALUE_LEN).unwrap(), Some(32));
            assert_eq!(session.attribute_ulong(key, CKA_KEY_TYPE).unwrap(), Some(CKK_AES));
            assert_eq!(session.attribute(key, CKA_VALUE).unwrap(), None);
            let number = session.find(&[Attribute::label(KEY_NUMBER_LABEL)]).unwrap()[0];
            let id = session.attribute(key, CKA_ID).unwrap();
            assert_eq!(session.attribute(number, CKA_VALUE).unwrap(), id);
        });
        vault.verify().unwrap();
    });
}

#[test]
fn a_failure_at_any_step_of_initialize_leaves_no_trace_on_token_or_disk() {
    alone(
        "lifecycle::a_failure_at_any_step_of_initialize_leaves_no_trace_on_token_or_disk",
        |hsm| {
            let mut vault = install(&hsm.data("okv"));
            for step in InitializeStep::ALL {
                let wanted = Step::from(*step);
                vault.watch(Some(Box::new(move |event: &Event<'_>| match event {
                    Event::Step(step) if *step == wanted => Err("by the test".to_owned()),
                    _ => Ok(()),
                })));
                let error = vault.initialize(&initialize(hsm)).unwrap_err();
                assert_eq!((error.step, error.orphan), (Some(wanted), None));
                assert_eq!(
                    (vault.state(), hsm.objects().len()),
                    (State::NotEnabled, 0),
                    "{wanted}"
                );
                for place in [Place::CredentialWallet, Place::Blob, Place::RestoreWallet] {
                    assert!(!vault.path(place).exists(), "{wanted}");
                }
                vault.restart().unwrap();
                open_with_passphrase(&mut vault);
                assert_readable(&vault);
            }
            vault.watch(None);
            vault.initialize(&initialize(hsm)).unwrap();
        },
    );
}

#[test]
fn real_causes_fail_initialize_with_their_own_words() {
    alone("lifecycle::real_causes_fail_initialize_with_their_own_words", |hsm| {
        let mut vault = install(&hsm.data("okv"));
        // The passphrase comes first: the library named here does not exist.
        let mut request = initialize(hsm);
        request.passphrase = "a wrong passphrase".into();
        request.hsm.module = "/nowhere/libCryptoki2_64.so".into();
        let error = vault.initialize(&request).unwrap_err();
        assert_eq!(error.cause, Cause::PassphraseWrong);
        let trace = fs::read_to_string(vault.traces().last().unwrap()).unwrap();
        assert!(!trace.contains("load the PKCS#11 library"), "{trace}");

        request.passphrase = PASSPHRASE.into();
        let error = vault.initialize(&request).unwrap_err();
        assert!(error.to_string().starts_with("Could Not Load PKCS#11 Library"), "{error}");

        request.hsm = hsm.settings();
        request.hsm.token_label = Some("no such token".into());
        let error = vault.initialize(&request).unwrap_err();
        assert!(error.to_string().starts_with("Could Not Get Slot for HSM"), "{error}");

        request.hsm = hsm.settings();
        request.credential = "a wrong credential".into();
        let error = vault.initialize(&request).unwrap_err();
        assert_eq!((error.cause, error.rv.unwrap().0), (Cause::CredentialWrong, 0xa0));
        assert_eq!((vault.state(), hsm.objects().len()), (State::NotEnabled, 0));

        // Label given with the padding of the token's field; then no label at all.
        request.credential = CREDENTIAL.into();
        request.hsm.token_label = Some(format!("{LABEL:<32}"));
        vault.initialize(&request).unwrap();
        let mut other = install(&hsm.data("other"));
        request.hsm.token_label = None;
        assert_eq!(other.initialize(&request).unwrap().details.token_label, LABEL);
    });
}

#[test]
fn a_changed_credential_works_until_the_restart() {
    alone("lifecycle::a_changed_credential_works_until_the_restart", |hsm| {
        let mut vault = enabled(hsm, "okv");
        hsm.change_pin(CREDENTIAL, "changed-password");
        let checked = vault.check().unwrap();
        assert_eq!(checked.failure.unwrap().cause, Cause::CredentialWrong);
        assert_readable(&vault);
        assert_eq!(vault.check().unwrap().failure.unwrap().cause, Cause::CredentialPinned);
        assert_eq!(vault.restart().unwrap().state, State::Sealed);

        // Pinned even after the old one is right again: only Set Credential lets it go.
        hsm.change_pin("changed-password", CREDENTIAL);
        assert_eq!(vault.restart().unwrap().failure.unwrap().cause, Cause::CredentialPinned);
        let set = vault.set_credential(&set_credential(hsm, CREDENTIAL)).unwrap();
        assert_eq!(set.used, CredentialUse::Changed);
        assert_eq!(vault.restart().unwrap().state, State::EnabledOk);

        // Set before the restart: nothing is noticed.
        hsm.change_pin(CREDENTIAL, "changed-password");
        vault.set_credential(&set_credential(hsm, "changed-password")).unwrap();
        assert_eq!(vault.restart().unwrap().state, State::EnabledOk);
        assert_readable(&vault);
    });
}

#[test]
fn two_servers_share_a_partition_and_nothing_else() {
    alone("lifecycle::two_servers_share_a_partition_and_nothing_else", |hsm| {
        let mut a = enabled(hsm, "a");
        let mut b = enabled(hsm, "b");
        assert_eq!(hsm.objects().len(), 4);
        let (key_a, key_b) = (a.verify().unwrap(), b.verify().unwrap());
        assert_ne!(key_a.key_number, key_b.key_number);
        assert_eq!(key_a.keys_found, 2);

        hsm.delete_root_key(&key_a.key_number.id());
        assert_eq!(b.restart().unwrap().state, State::EnabledOk);
        assert_readable(&b);
        assert_eq!(a.check().unwrap().failure.unwrap().cause, Cause::RootKeyOfOtherNumber);
        assert_readable(&a);
        assert_eq!(a.restart().unwrap().state, State::Sealed);
    });
}

#[test]
fn nothing_secret_lies_on_the_disk_in_clear() {
    alone("lifecycle::nothing_secret_lies_on_the_disk_in_clear", |hsm| {
        let data = hsm.data("okv");
        let mut vault = enabled(hsm, "okv");
        let blob = fs::read(vault.path(Place::Blob)).unwrap();
        let password = hsm.decrypt(&blob);
        assert_eq!(password.len(), 32);
        vault.set_credential(&set_credential(hsm, "some-wrong-credential")).unwrap_err();
        vault.set_credential(&set_credential(hsm, CREDENTIAL)).unwrap();
        vault.restart().unwrap();
        vault.check().unwrap();

        let mut secrets: Vec<Vec<u8>> =
            [PASSPHRASE, CREDENTIAL, "some-wrong-credential", "object-0"].map(Vec::from).into();
        secrets.extend(objects().into_iter().map(|(_, bytes)| bytes[..16].to_vec()));
        let digits: String = password.iter().map(|byte| format!("{byte:02x}")).collect();
        secrets.extend([
            password[..16].to_vec(),
            digits.clone().into(),
            digits.to_uppercase().into(),
        ]);
        let all = files(&data);
        assert!(all.len() > 8, "{all:?}");
        for path in all {
            if path.is_symlink() {
                continue;
            }
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
            let content = fs::read(&path).unwrap();
            for secret in &secrets {
                let found = content.windows(secret.len()).any(|window| window == secret);
                assert!(!found, "{} holds {}", path.display(), String::from_utf8_lossy(secret));
            }
        }
        let mode = fs::metadata(&data).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
    });
}
