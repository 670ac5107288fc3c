//! The command line: each verb, its exit code, and that no password needs to stand on the line.

use std::io::Write as _;
use std::process::{Command, Stdio};

use okv_sim::Place;

use crate::hsm::{CREDENTIAL, Hsm, LABEL, alone};

fn okv_sim(hsm: &Hsm, arguments: &[&str], input: &[u8]) -> (i32, String, Vec<u8>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_okv-sim"))
        .arg("--data")
        .arg(hsm.data("okv"))
        .args(arguments)
        .env("THE_PASSPHRASE", crate::PASSPHRASE)
        .env("THE_PIN", CREDENTIAL)
        .env("WRONG", "something-wrong")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A child that takes no input may be gone before all of it is written.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text, output.stdout)
}

#[test]
fn every_verb_does_its_work() {
    alone("commands::every_verb_does_its_work", |hsm| {
        let module = hsm.module.to_str().unwrap();
        let run = |arguments: &[&str], input: &[u8]| okv_sim(hsm, arguments, input);
        let done = |arguments: &[&str], input: &[u8]| {
            let (code, text, _) = run(arguments, input);
            assert_eq!(code, 0, "{arguments:?}: {text}");
            text
        };
        let (code, text, _) = run(&["status"], b"");
        assert_eq!(code, 2, "{text}");
        assert!(text.contains("Run install first."), "{text}");
        assert_eq!(run(&["no-such-verb"], b"").0, 2);

        done(&["install", "--passphrase-iterations", "10"], b"recovery-passphrase-1\n");
        let passphrase = ["--passphrase-env", "THE_PASSPHRASE"];
        done(&[&["store", "key"], &passphrase[..]].concat(), b"\x00\x01the object");
        let set = ["--pin-env", "THE_PIN"];
        let on = ["--module", module, "--token-label", LABEL];
        let wrong = [&["initialize", "--passphrase-env", "WRONG"], &on[..], &set].concat();
        let (code, text, _) = run(&wrong, b"");
        assert_eq!(code, 1);
        assert!(text.contains("The recovery passphrase is wrong"), "{text}");
        // Both from standard input, a line each.
        let both = [CREDENTIAL, "\n", crate::PASSPHRASE, "\n"].concat();
        let text = done(&[&["initialize", "--json"], &on[..]].concat(), both.as_bytes());
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["result"], "Success");
        assert_eq!(answer["value"]["details"]["token_label"], LABEL);

        assert!(done(&["status"], b"").contains("ENABLED_OK"));
        done(&["verify"], b"");
        done(&["check"], b"");
        done(&["restart"], b"");
        assert_eq!(run(&["read", "key"], b"").2, b"\x00\x01the object");
        assert!(done(&["list"], b"").contains("key"));
        done(&["store", "another"], b"value");
        let (code, text, _) = run(&["store", "another"], b"value");
        assert_eq!(code, 1, "{text}");

        let (code, text, _) = run(&["set-credential", "--pin-env", "WRONG"], b"");
        assert_eq!(code, 1);
        assert!(text.contains("verification step 5: connect to the HSM"), "{text}");
        let (code, text, _) = run(&["check", "--json"], b"");
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &answer["result"]), (1, &"Failure".into()));
        assert_eq!(answer["value"]["failure"]["cause"], "CredentialPinned");
        done(&[&["set-credential"], &set[..]].concat(), b"");
        done(&["open-wallet"], b"");

        hsm.take_away();
        assert_eq!(run(&["restart"], b"").0, 1);
        assert!(done(&["status"], b"").contains("SEALED"));
        let (code, text, out) = run(&["read", "key"], b"");
        assert_eq!((code, out.len()), (1, 0), "{text}");
        hsm.bring_back();
        done(&["restart"], b"");

        let back = [&["reverse-migrate"], &set[..], &passphrase].concat();
        done(&back, b"");
        assert!(done(&["status"], b"").contains("NOT_ENABLED"));
        let (_, text, _) = run(&[&["read", "key"], &passphrase[..]].concat(), b"");
        assert!(text.contains("the object"), "{text}");
    });
}

#[test]
fn the_library_gets_the_variables_of_okv_hsm_env() {
    alone("commands::the_library_gets_the_variables_of_okv_hsm_env", |hsm| {
        let data = hsm.data("okv");
        drop(crate::enabled(hsm, "okv"));
        let file = data.join(Place::Environment.relative());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        // Without a configuration of its own SoftHSM finds no token: only the file says where it is.
        let conf = std::env::var("SOFTHSM2_CONF").unwrap();
        let check = || {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_okv-sim"));
            command.env("SOFTHSM2_CONF", "/nowhere/softhsm2.conf");
            command.arg("--data").arg(&data).arg("check").output().unwrap()
        };
        std::fs::write(&file, "# no variable\nSOFTHSM2_CONF=nowhere\n").unwrap();
        assert_eq!(check().status.code(), Some(1));
        std::fs::write(&file, format!("junk\nSOFTHSM2_CONF=\"{conf}\"\n")).unwrap();
        let done = check();
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        let vault = okv_sim::Vault::open(&data).unwrap();
        let trace = std::fs::read_to_string(vault.traces().pop().unwrap()).unwrap();
        assert!(
            trace.contains("Warning: line 1 of okv_hsm_env is malformed and is ignored"),
            "{trace}"
        );
        assert!(trace.contains("Environment variable SOFTHSM2_CONF") && !trace.contains(&conf));
    });
}
