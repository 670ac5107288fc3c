//! Destinations that refuse, vanish, fill up or turn out to be another machine.

use luna_tests::{Instance, scratch};

use crate::sshd::{Sshd, USER};
use crate::vault::Vault;

/// The words that make a destination, but for the password.
fn create<'a>(name: &'a str, method: &'a str, port: &'a str, path: &'a str) -> Vec<&'a str> {
    let mut words = vec!["okv", "backup", "destination", "create", "--name", name];
    words.extend(["--transfer-method", method, "--host-name", "127.0.0.1", "--port", port]);
    words.extend(["--path", path, "--user-name", USER]);
    words
}

#[test]
fn a_destination_is_saved_only_if_it_can_be_used_and_a_backup_that_is_cut_short_counts_for_nothing()
{
    let Some(mut sshd) = Sshd::start() else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let vault = Vault::start(&instance, &scratch.path().join("vault"), "21.3");
    vault.tells(&[
        "initialize",
        "--token-label",
        "OKV",
        "--pin-env",
        "THE_PIN",
        "--passphrase-env",
        "THE_PASSPHRASE",
    ]);
    let (port, path) = (sshd.port.to_string(), sshd.destination.to_str().unwrap().to_owned());
    let list = ["okv", "backup", "destination", "list"];
    for method in ["scp", "sftp"] {
        let words = create("D", method, &port, &path);
        let said = vault.refuses(&[&words[..], &["--password-env", "WRONG"]].concat());
        assert!(said.contains(&format!("the host refused {USER}")), "{said}");
        let said = vault.refuses(&[&words[..], &["--authentication-method", "key"]].concat());
        assert!(said.contains("could not be used, so it was not saved"), "{said}");
        let good = ["--password-env", "BACKUP_PASSWORD"];
        let pinned = ["--host-key", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
        let said = vault.refuses(&[&words[..], &good, &pinned].concat());
        assert!(said.contains("another host key"), "{said}");
        let nowhere = create("D", method, &port, "/no/such/directory");
        vault.refuses(&[&nowhere[..], &good].concat());
        assert_eq!(vault.tells(&list), "");
    }
    let hostile = create("D", "scp", &port, "/tmp/$(id)");
    let done = vault.run(&[&hostile[..], &["--password-env", "BACKUP_PASSWORD"]].concat());
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    for method in ["scp", "sftp"] {
        let words = create(method, method, &port, &path);
        vault.tells(&[&words[..], &["--password-env", "BACKUP_PASSWORD"]].concat());
        vault.tells(&["backup", method, "--destination", method]);
    }
    let whole = sshd.files();
    assert_eq!(whole.len(), 4, "{whole:?}");

    // Larger than what the server may write: the file is cut short there.
    sshd.come_back(&["prlimit", "--fsize=20000:20000"], false);
    for method in ["scp", "sftp"] {
        let name = format!("full-{method}");
        vault.refuses(&["backup", &name, "--destination", method]);
    }
    sshd.stop();
    let said = vault.refuses(&["backup", "gone", "--destination", "sftp"]);
    assert!(said.contains("The backup destination did not do its part"), "{said}");
    let history = vault.tells(&["okv", "backup", "history", "list"]);
    assert_eq!(history.matches("PAUSED").count(), 3, "{history}");
    assert!(history.contains("no connection"), "{history}");

    // Back again: nothing half of it is offered, and the backup that was paused goes on.
    sshd.come_back(&[], false);
    let offered = vault.tells(&["okv", "backup", "restore", "list", "--source", "scp"]);
    assert_eq!(offered.lines().count(), 2, "{offered}");
    let left: Vec<_> = sshd.files().into_iter().filter(|it| !it.ends_with(".part")).collect();
    assert_eq!(left, whole);
    vault.tells(&["okv", "backup", "schedule", "resume", "--name", "gone"]);
    let until = std::time::Instant::now() + luna_tests::HANG;
    while !vault.tells(&["okv", "backup", "history", "list"]).contains("gone  DONE") {
        assert!(std::time::Instant::now() < until, "a resumed backup is not made");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }

    // Another machine answers under the address: nothing is sent to it, no password either.
    sshd.come_back(&[], true);
    let said = vault.refuses(&["backup", "other", "--destination", "scp"]);
    assert!(said.contains("another host key than the one that was pinned"), "{said}");
}
