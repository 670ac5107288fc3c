//! What applications do, recorded through the spy and played again: on a new instance of the emulator it is the
//! same, on another module the first difference is told, and no trace holds a secret.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

use std::path::Path;
use std::process::{Command, Output};

use luna_client::ck::*;
use luna_client::{Access, Attribute, Context, InitArgs, Mechanism, Module, Pin, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance, artefacts, scratch};

/// This test program again, as the application `role`.
fn application(role: &str, instance: &Instance, trace: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "an_application", "--ignored", "--nocapture"])
        .env("LUNA_TEST_ROLE", role)
        .env("ChrystokiConfigurationPath", instance.directory())
        .env("LUNA_SPY_MODULE", instance.module())
        .env("LUNA_SPY_TRACE", trace)
        .env("LUNA_MODULE", artefacts::spy());
    command
}

#[track_caller]
fn done(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{errors}", output.status);
    out
}

fn replay(instance: &Instance, trace: &Path) -> Output {
    Command::new(artefacts::program("luna-harness"))
        .args(["replay", "--pin-env", "PIN", "--so-pin-env", "SO_PIN", "--module"])
        .arg(instance.module())
        .arg(trace)
        .env("PIN", CRYPTO_OFFICER)
        .env("SO_PIN", "partition-so")
        .env("ChrystokiConfigurationPath", instance.directory())
        .output()
        .expect("luna-harness runs")
}

/// What an application does that uses most of what there is.
fn work(context: &Context) {
    let slot = context.slots(true).unwrap()[0];
    context.token_info(slot).unwrap();
    context.mechanisms(slot).unwrap();
    let session = context.open_session(slot, Access::ReadWrite).unwrap();
    assert!(session.login(UserType::CRYPTO_OFFICER, &Pin::from("a wrong one")).is_err());
    session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
    let usage = |kinds: &[CK_ATTRIBUTE_TYPE]| {
        kinds.iter().map(|kind| Attribute::bool(*kind, true)).collect::<Vec<_>>()
    };
    let aes = session
        .generate_key(
            &Mechanism::Plain(CKM_AES_KEY_GEN),
            &[
                &[Attribute::label("a key"), Attribute::token(true)][..],
                &[Attribute::ulong(CKA_VALUE_LEN, 32), Attribute::bool(CKA_SENSITIVE, true)],
                &usage(&[CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP]),
            ]
            .concat(),
        )
        .unwrap();
    let random = session.random(16).unwrap();
    let iv: [u8; 16] = random.try_into().unwrap();
    let secret = b"the plaintext of a customer";
    let cbc = Mechanism::aes_cbc_pad(iv);
    let sealed = session.encrypt(&cbc, aes, secret).unwrap();
    assert_eq!(session.decrypt(&cbc, aes, &sealed).unwrap(), secret);
    let gcm = Mechanism::aes_gcm(&[7; 12], b"associated", 128);
    let sealed = session.encrypt(&gcm, aes, secret).unwrap();
    assert_eq!(session.decrypt(&gcm, aes, &sealed).unwrap(), secret);
    let oid = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let (public, private) = session
        .generate_key_pair(
            &Mechanism::Plain(CKM_EC_KEY_PAIR_GEN),
            &[&[Attribute::bytes(CKA_EC_PARAMS, oid)][..], &usage(&[CKA_VERIFY])].concat(),
            &[&[Attribute::label("a pair")][..], &usage(&[CKA_SIGN])].concat(),
        )
        .unwrap();
    let ecdsa = Mechanism::Plain(CKM_ECDSA_SHA256);
    let signature = session.sign(&ecdsa, private, secret).unwrap();
    session.verify(&ecdsa, public, secret, &signature).unwrap();
    assert!(session.verify(&ecdsa, public, b"another", &signature).is_err());
    session.attributes(public, &[CKA_EC_POINT, CKA_LABEL, CKA_CLASS]).unwrap();
    let hmac = session
        .create_object(
            &[
                &[Attribute::class(CKO_SECRET_KEY)][..],
                &[Attribute::ulong(CKA_KEY_TYPE, CKK_GENERIC_SECRET)],
                &[Attribute::bytes(CKA_VALUE, b"key material of a customer")],
                &usage(&[CKA_SIGN]),
            ]
            .concat(),
        )
        .unwrap();
    session.sign(&Mechanism::Plain(CKM_SHA256_HMAC), hmac, secret).unwrap();
    assert_eq!(session.find(&[Attribute::label("a key")]).unwrap(), [aes]);
    session.destroy(aes).unwrap();
    assert!(session.encrypt(&cbc, aes, secret).is_err());
}

/// The application of the tests below, in a process of its own.
#[test]
#[ignore = "a child process of other tests"]
fn an_application() {
    let Ok(role) = std::env::var("LUNA_TEST_ROLE") else { return };
    let module = Module::load(std::env::var_os("LUNA_MODULE").unwrap()).unwrap();
    let context = module.initialize(InitArgs::OsLocking).unwrap();
    work(&context);
    assert_eq!(role, "worker");
}

#[test]
fn an_application_played_on_a_new_instance_is_the_same() {
    let scratch = scratch();
    let trace = scratch.path().join("trace");
    for options in [&[][..], &["--fips", "off", "--ha", "LUNAHA=one,two", "--ha-only"]] {
        let _ = std::fs::remove_file(&trace);
        let recorded = Instance::up(options);
        done(&application("worker", &recorded, &trace).output().unwrap());
        let played = Instance::up(options);
        let output = replay(&played, &trace);
        let said = done(&output);
        assert!(said.contains("answers as the one that was recorded"), "{said}");
        assert!(!said.contains("left out"), "{said}");
        let lines = std::fs::read_to_string(&trace).unwrap().lines().count();
        assert!(lines > 40, "{lines} lines");
    }
}

#[test]
fn another_module_differs_and_the_first_difference_is_told() {
    let scratch = scratch();
    let trace = scratch.path().join("trace");
    let recorded = Instance::up(&[]);
    done(&application("worker", &recorded, &trace).output().unwrap());
    // In FIPS mode an IV is the HSM's to choose, and SHA-1 is another matter.
    let fips = Instance::up(&["--fips", "on"]);
    let output = replay(&fips, &trace);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("C_GetMechanismList") && said.contains("differs"), "{said}");
}

#[test]
fn a_trace_holds_no_secret() {
    let scratch = scratch();
    let trace = scratch.path().join("trace");
    let instance = Instance::up(&[]);
    done(&application("worker", &instance, &trace).output().unwrap());
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(text.contains("a key") && text.contains("CKM_ECDSA_SHA256"), "{text}");
    for secret in
        [CRYPTO_OFFICER, "a wrong one", "the plaintext of a customer", "key material of a customer"]
    {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!text.contains(secret) && !text.contains(&hex), "{secret} is in the trace");
    }
}

#[test]
fn pkcs11_tool_is_recorded_and_played() {
    if !artefacts_installed("pkcs11-tool") {
        return;
    }
    let scratch = scratch();
    let trace = scratch.path().join("trace");
    let recorded = Instance::up(&[]);
    let words = ["--login", "--pin", CRYPTO_OFFICER, "--keypairgen", "--key-type", "EC:prime256v1"];
    let record = Command::new(artefacts::program("luna-harness"))
        .args(["record", "--module"])
        .arg(recorded.module())
        .arg("--trace")
        .arg(&trace)
        .arg("--spy")
        .arg(artefacts::spy())
        .args(["--", "pkcs11-tool", "--module", "{module}"])
        .args(words)
        .args(["--label", "recorded"])
        .env("ChrystokiConfigurationPath", recorded.directory())
        .output()
        .unwrap();
    done(&record);
    let played = Instance::up(&[]);
    let said = done(&replay(&played, &trace));
    assert!(said.contains("answers as the one that was recorded"), "{said}");
}

fn artefacts_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(found || !required, "{name} is not installed, and LUNA_REQUIRE_CLIENTS=1 asks for it");
    if !found {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

#[test]
fn what_cannot_be_spied_on_is_told() {
    let scratch = scratch();
    let instance = Instance::up(&[]);
    let trace = scratch.path().join("trace");
    let missing = scratch.path().join("nowhere.so");
    let output =
        application("worker", &instance, &trace).env("LUNA_SPY_MODULE", &missing).output().unwrap();
    assert!(!output.status.success());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("luna_spy: ") && errors.contains("nowhere.so"), "{errors}");

    std::fs::write(&trace, "not a trace\n").unwrap();
    let output = replay(&instance, &trace);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("trace, line 1: no head of a trace"), "{errors}");
}
