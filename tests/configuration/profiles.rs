//! HSMs that behave like a profile: one of a user's own, a cloud HSM.

use std::process::Output;

use luna_ck::*;
use luna_client::{Attribute, Pin, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance, artefacts, first_slot, officer, scratch};
use serde_json::Value;

const MINE: &str = "name = 'mine'\nformat = 1\nextends = 'luna-7.8.4'\n\
    [strings]\ntoken_model = { value = 'LunaSA 7.7.7', source = 'observed' }\n\
    [versions]\nfirmware = { value = [7, 7, 7], source = 'observed' }\n\
    [limits]\nmax_objects = { value = 2, source = 'observed' }\n\
    [codes]\nobjects_full = { value = 'CKR_DEVICE_MEMORY', source = 'observed' }\n\
    seed_refused = { value = 'CKR_RANDOM_SEED_NOT_SUPPORTED', source = 'observed' }\n\
    role_locked_out = { value = 'CKR_USER_LOCKED_OUT', source = 'observed' }\n\
    partition_not_initialised = { value = 'CKR_TOKEN_NOT_PRESENT', source = 'observed' }\n\
    [features]\nseed_random = { value = false, source = 'observed' }\n";

fn emulator(words: &[&str]) -> Output {
    let mut command = std::process::Command::new(artefacts::program("luna-emulator"));
    command.args(words).output().expect("luna-emulator runs")
}

#[test]
fn an_hsm_keeps_the_profile_it_was_made_with() {
    let scratch = scratch();
    let file = scratch.path().join("mine.toml");
    std::fs::write(&file, MINE).unwrap();
    let mut instance = Instance::up(&["--profile", file.to_str().unwrap()]);
    let behaves = |instance: &Instance, objects: usize| {
        let context = instance.context();
        let slot = first_slot(&context);
        let info = context.token_info(slot).unwrap();
        assert_eq!(info.model.trim_end(), "LunaSA 7.7.7");
        assert_eq!(context.firmware_version(slot).unwrap(), [7, 7, 7]);
        let session = officer(&context, slot);
        assert!(session.seed_random(b"seed").unwrap_err().is(CKR_RANDOM_SEED_NOT_SUPPORTED));
        let object = || {
            let template = [Attribute::class(CKO_DATA), Attribute::token(true)];
            session.create_object(&template)
        };
        for _ in objects..2 {
            object().unwrap();
        }
        let refused = object().unwrap_err();
        assert!(refused.is(CKR_DEVICE_MEMORY), "{refused}");
    };
    behaves(&instance, 0);
    // Another text, then none at all: the HSM has its own. What is made later is as the file then is.
    std::fs::write(&file, MINE.replace("7.7.7", "9.9.9")).unwrap();
    behaves(&instance, 2);
    std::fs::remove_file(&file).unwrap();
    behaves(&instance, 2);
    instance.up_again(&["--partition", "par1", "--partition", "new"]);
    let context = instance.context();
    let models: Vec<String> = context
        .slots(true)
        .unwrap()
        .into_iter()
        .map(|slot| context.token_info(slot).unwrap().model.trim_end().to_owned())
        .collect();
    assert_eq!(models, ["LunaSA 7.7.7", "LunaSA 7.4.0"]);
}

#[test]
fn codes_of_a_profile_are_what_applications_get() {
    let scratch = scratch();
    let file = scratch.path().join("mine.toml");
    std::fs::write(&file, MINE).unwrap();
    let instance = Instance::up(&["--profile", file.to_str().unwrap(), "--empty"]);
    let context = instance.context();
    let slot = context.slots(false).unwrap()[0];
    let session = context.open_session(slot, luna_client::Access::ReadWrite);
    let refused = session.and_then(|session| {
        session.create_object(&[Attribute::class(CKO_DATA), Attribute::token(true)])
    });
    assert!(refused.unwrap_err().is(CKR_TOKEN_NOT_PRESENT));
    drop(context);
    // A role that is locked out by its policy, in a partition and in a group.
    let path = file.to_str().unwrap();
    for options in [&["--partition", "grp"][..], &["--ha", "grp=one,two", "--ha-only"]] {
        let instance = Instance::up(&[&["--profile", path, "--policy", "20=1"], options].concat());
        let context = instance.context();
        let slot = first_slot(&context);
        let session = context.open_session(slot, luna_client::Access::ReadWrite).unwrap();
        let login = |pin: &str| session.login(UserType::CRYPTO_OFFICER, &Pin::from(pin));
        assert!(login("a wrong password").unwrap_err().is(CKR_PIN_INCORRECT), "{options:?}");
        assert!(login(CRYPTO_OFFICER).unwrap_err().is(CKR_USER_LOCKED_OUT), "{options:?}");
    }
}

#[test]
fn a_cloud_hsm_is_in_fips_mode_and_tells_its_own_version() {
    let instance = Instance::up(&["--profile", "luna-cloud"]);
    let context = instance.context();
    let slot = first_slot(&context);
    let info = context.token_info(slot).unwrap();
    assert_eq!((info.model.trim_end(), info.manufacturer.trim_end()), ("Cryptovisor7", "SafeNet"));
    assert_eq!(info.min_pin_len, 7);
    let listed = context.mechanisms(slot).unwrap();
    assert!(listed.contains(&CKM_AES_GCM) && !listed.contains(&CKM_RC4));
    let raw = context.mechanism_info(slot, CKM_ECDSA).unwrap();
    assert_eq!(raw.flags & (CKF_SIGN | CKF_VERIFY), CKF_SIGN);
    let policies = context.token_policies(slot).unwrap();
    assert!(policies.iter().all(|policy| policy.id != 43), "FIPS mode is not the partition's");
    let session = officer(&context, slot);
    assert!(session.seed_random(b"seed").unwrap_err().is(CKR_FUNCTION_NOT_SUPPORTED));
    drop(session);
    drop(context);
    // Made without the restrictions.
    let open = Instance::up(&["--profile", "luna-cloud", "--fips", "off"]);
    let context = open.context();
    assert!(context.mechanisms(first_slot(&context)).unwrap().contains(&CKM_RC4));
    assert_eq!(context.cryptovisor_version(first_slot(&context)).unwrap(), [3, 0, 0]);
    drop(context);
    let network = Instance::up(&[]);
    let context = network.context();
    let refused = context.cryptovisor_version(first_slot(&context)).unwrap_err();
    assert!(refused.is(CKR_FUNCTION_NOT_SUPPORTED));
}

#[test]
fn a_wrong_file_is_refused_and_nothing_is_made() {
    let scratch = scratch();
    let file = scratch.path().join("wrong.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, MINE.replace("value = 2", "value = 'two'")).unwrap();
    let client = scratch.path().join("client");
    let module = artefacts::module();
    for words in [
        &["profile", "check", path][..],
        &["profile", "show", path],
        &["up", client.to_str().unwrap(), "--module", module.to_str().unwrap(), "--profile", path],
    ] {
        let output = emulator(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.contains(&format!("{path}:9: limits.max_objects: ")), "{words:?}: {said}");
        assert!(said.contains("expected u64"), "{words:?}: {said}");
    }
    assert!(!client.exists());
    let unknown = emulator(&["profile", "show", "luna-1"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("`luna-1`") && said.contains("luna-7.9.0-ped"), "{said}");
}

#[test]
fn profiles_are_listed_shown_checked_and_compared() {
    let json = |words: &[&str]| -> Value {
        let output = emulator(&[words, &["--json"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let listed = json(&["profile", "list"]);
    let names: Vec<&str> = listed["profiles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 7, "{names:?}");
    for name in names {
        let shown = json(&["profile", "show", name]);
        let data = shown["data"].as_array().unwrap();
        let counted: u64 =
            shown["sources"].as_object().unwrap().values().map(|it| it.as_u64().unwrap()).sum();
        assert_eq!(usize::try_from(counted).unwrap(), data.len(), "{name}");
        assert!(data.iter().all(|it| it["source"].is_string() && it["key"].is_string()), "{name}");
    }
    let scratch = scratch();
    let file = scratch.path().join("mine.toml");
    std::fs::write(&file, MINE).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(json(&["profile", "check", path])["name"], "mine");
    let diff = json(&["profile", "diff", "luna-7.8.4", path]);
    let found = diff["differences"].as_array().unwrap();
    assert_eq!(found.len(), 8, "{found:#?}");
    let limit = found.iter().find(|it| it["key"] == "limits.max_objects").unwrap();
    assert_eq!((&limit["left"], &limit["right"]), (&"0".into(), &"2".into()));
    // For people.
    let text = emulator(&["profile", "show", "luna-7.4.0"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("\n[codes]\n") && text.contains("% documented"), "{text}");
    let checked = emulator(&["profile", "check", path]);
    assert!(String::from_utf8_lossy(&checked.stdout).contains("profile mine"));
}
