//! Objects outlive what happens to the server.

use luna_tests::Instance;

use crate::{RELEASE, Site, service};

#[test]
fn objects_outlive_a_kill_a_seal_and_a_restore() {
    let Some(site) = Site::new() else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let mut vault = site.vault(&instance);
    site.enrol(&vault, "hr_db");
    let created = site.tells("hr_db", &["create", "key"]);
    let (id, bytes) = created.split_once(' ').unwrap();
    let password = site.tells("hr_db", &["register", "password", "736563726574"]);

    vault.killed_and_started(RELEASE);
    site.moved(&vault, "hr_db");
    assert_eq!(site.tells("hr_db", &["get", id]), bytes);
    assert_eq!(site.tells("hr_db", &["get", &password]), "736563726574");

    // Without its HSM a server that starts serves nothing, and says so; with it again, everything.
    instance.member("down", 0);
    vault.killed_and_started(RELEASE);
    site.moved(&vault, "hr_db");
    assert_eq!(site.refuses("hr_db", &["get", id]), "GENERAL_FAILURE");
    assert_eq!(site.refuses("hr_db", &["create", "sealed"]), "GENERAL_FAILURE");
    instance.member("up", 0);
    vault.tells(&["open-wallet"]);
    assert_eq!(site.tells("hr_db", &["get", id]), bytes);

    // What was backed up comes back, endpoint and all; what came later is not there.
    let done = service(&vault, "backup once run", &["--name", "B", "--destination", "LOCAL"]);
    let file = done["file"].as_str().unwrap();
    site.tells("hr_db", &["destroy", id]);
    let later = site.tells("hr_db", &["create", "later"]);
    vault.tells(&["restore", "LOCAL", file, "--passphrase-env", "THE_PASSPHRASE"]);
    assert_eq!(site.tells("hr_db", &["get", id]), bytes);
    assert_eq!(site.tells("hr_db", &["locate", "key"]), id);
    let (later, _) = later.split_once(' ').unwrap();
    assert_eq!(site.refuses("hr_db", &["get", later]), "ITEM_NOT_FOUND");

    // The HSM may go while the server runs: the wallet is open.
    instance.member("down", 0);
    assert_eq!(site.tells("hr_db", &["get", id]), bytes);
}

/// Killed again and again amid the making of keys: what an endpoint was told of is there.
#[test]
fn no_key_that_was_acknowledged_is_lost_to_a_kill() {
    let Some(site) = Site::new() else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let mut vault = site.vault(&instance);
    site.enrol(&vault, "hr_db");
    let mut known = Vec::new();
    for round in 0..3 {
        let told = std::thread::scope(|scope| {
            let maker = scope.spawn(|| {
                let mut told = Vec::new();
                for number in 0..1000 {
                    let done = site.run("hr_db", &["create", &format!("key {round} {number}")]);
                    if !done.status.success() {
                        break;
                    }
                    told.push(String::from_utf8_lossy(&done.stdout).trim().to_owned());
                }
                told
            });
            // Some time after the first key: whenever that is on this machine.
            let name = format!("key {round} 1");
            while site.run("hr_db", &["locate", &name]).stdout.len() < 10 {}
            vault.killed_and_started(RELEASE);
            maker.join().unwrap()
        });
        site.moved(&vault, "hr_db");
        known.extend(told);
        assert!(!known.is_empty());
        for line in &known {
            let (id, bytes) = line.split_once(' ').unwrap();
            assert_eq!(site.tells("hr_db", &["get", id]), bytes);
        }
    }
}
