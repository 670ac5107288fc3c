//! The integration guide's page 7, "To set up Luna HSM High-Availability", over two appliances: partitions that
//! nobody has initialised, a group of both that applications see alone, a key vault on it, and the primary that stops
//! functioning.

use std::path::Path;
use std::process::{Command, Stdio};

use luna_tests::{Appliance, artefacts, scratch};

use crate::field::{set, text};

/// What a program prints, which must end well.
#[track_caller]
fn run(client: &Path, program: &str, words: &[&str], input: &str) -> String {
    use std::io::Write;
    let mut command = Command::new(artefacts::program(program));
    command.args(words).env("ChrystokiConfigurationPath", client);
    command.env("PASSPHRASE", "one-recovery-passphrase").env("PIN", "crypto-officer");
    let mut child = command
        .env_remove("LUNA_EMULATOR_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {words:?}: {said}{errors}");
    said
}

#[test]
fn a_key_vault_on_a_group_whose_primary_stops_functioning() {
    let scratch = scratch();
    let client = scratch.path().join("client");
    let (mut appliances, mut serials) = (Vec::new(), Vec::new());
    for number in 0..2 {
        let directory = scratch.path().join(format!("hsm{number}"));
        let appliance = Appliance::serve(&directory, &["--fips", "on"]);
        let made = appliance.order(&["partition", "create"]).unwrap();
        serials.push(text(&made["serial"]));
        appliance.deploy(&client, &[]);
        appliances.push(appliance);
    }
    set(&client, "Emulator", "RecoverAtOnce", "1");
    for slot in ["0", "1"] {
        let roles = "partition init -label OKV -password partition-so -domain domain -force\n\
             role login -name po -password partition-so\n\
             role init -name co -password first-password\n\
             role logout\n\
             role changepw -name co -oldpw first-password -newpw crypto-officer\n";
        run(&client, "lunacm", &["-q", "-s", slot], roles);
    }
    let group = "hagroup creategroup -slot 0 -label LUNAHA -password crypto-officer\n\
         hagroup addmember -slot 1 -group LUNAHA -password crypto-officer\n\
         hagroup retry -count -1\n\
         hagroup haonly -enable\n\
         hagroup listgroups\n";
    let listed = run(&client, "lunacm", &["-q"], group);
    assert!(serials.iter().all(|serial| listed.contains(serial)), "{listed}");
    let data = scratch.path().join("vault");
    let data = data.to_str().unwrap();
    let module = client.join("lib/libCryptoki2_64.so");
    let module = module.to_str().unwrap();
    let okv = |words: &[&str], input: &str| {
        run(&client, "okv-sim", &[&["--data", data], words].concat(), input)
    };
    okv(
        &[
            "install",
            "--release",
            "21.3",
            "--passphrase-iterations",
            "1000",
            "--passphrase-env",
            "PASSPHRASE",
        ],
        "",
    );
    let token = ["--module", module, "--token-label", "LUNAHA", "--pin-env", "PIN"];
    okv(&[&["initialize"], &token[..], &["--passphrase-env", "PASSPHRASE"]].concat(), "");
    okv(&["store", "mine"], "a key of a customer");
    // The primary stops functioning: all calls go to the secondary.
    appliances[0].kill();
    okv(&["restart"], "");
    assert_eq!(okv(&["read", "mine"], ""), "a key of a customer");
    okv(&["store", "another"], "made while one was down");
    // Until the primary starts functioning again; then the other may go.
    appliances[0].restart();
    okv(&["verify"], "");
    appliances[1].kill();
    okv(&["restart"], "");
    assert_eq!(okv(&["read", "another"], ""), "made while one was down");
}
