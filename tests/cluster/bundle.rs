//! The guide's chapter "Configure Luna HSM for a multi-master cluster with multiples nodes": one node is initialized, its
//! bundle is carried to the others and applied, then they are initialized.

use std::os::unix::fs::PermissionsExt as _;

use luna_tests::{Instance, scratch};

use crate::node::Node;

const CREATE: [&str; 8] = [
    "okv",
    "hsm",
    "bundle",
    "create",
    "--hsm-credential-env",
    "THE_PIN",
    "--recovery-passphrase-env",
    "THE_PASSPHRASE",
];

const APPLY: [&str; 6] =
    ["okv", "hsm", "bundle", "apply", "--recovery-passphrase-env", "THE_PASSPHRASE"];

const REVERSE: [&str; 5] =
    ["reverse-migrate", "--pin-env", "THE_PIN", "--passphrase-env", "THE_PASSPHRASE"];

/// What `scp`, `cp` and `chown` do.
fn carry(from: &Node<'_>, to: &Node<'_>) {
    let file = to.data.join("hsm/hsmbundle");
    std::fs::copy(from.data.join("hsm/hsmbundle"), &file).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn wrong(words: &[&'static str], option: &str) -> Vec<&'static str> {
    let mut words = words.to_vec();
    let at = words.iter().position(|word| *word == option).unwrap();
    words[at + 1] = "WRONG";
    words
}

fn hsm_marks(node: &Node<'_>) -> Vec<bool> {
    let rows = node.value(["cluster", "settings", "get"]);
    rows.as_array().unwrap().iter().map(|row| row["hsm"].as_bool().unwrap()).collect()
}

#[test]
fn hsms_are_enabled_node_by_node_with_the_bundle() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let one = Node::start(&instance, scratch.path(), "one");
    assert_eq!(one.refuses(&CREATE), "NotInCluster");
    one.first();
    let two = Node::start(&instance, scratch.path(), "two");
    two.is_added_by(&one, "2", "true");
    let three = Node::start(&instance, scratch.path(), "three");
    three.is_added_by(&one, "3", "false");
    one.waits_for_mode("Read-Write");
    assert_eq!(one.refuses(&CREATE), "HsmNotEnabled");
    assert_eq!(two.refuses(&APPLY), "BundleMissing");

    one.initialize("OKV");
    for node in [&one, &two, &three] {
        node.waits("the marks", || hsm_marks(node) == [true, false, false]);
    }
    // The others keep what it ships from now on, and cannot read it.
    assert!(one.stores("sealed for others"));
    two.waits("the entry", || two.value(["cluster", "status", "get"])["entriesWaiting"] == 1);
    assert!(two.names().is_empty());
    assert!(two.stores("from two"));
    one.reads("from two");
    // The order: the bundle before the HSM, everywhere before going back.
    assert_eq!(two.refuses(&two.initialize_words("OKV")), "BundleNotApplied");
    assert_eq!(one.refuses(&REVERSE), "BundleNotEverywhere");

    assert_eq!(one.refuses(&wrong(&CREATE, "--recovery-passphrase-env")), "PassphraseWrong");
    assert_eq!(one.refuses(&wrong(&CREATE, "--hsm-credential-env")), "CredentialWrong");
    one.tells(&CREATE);
    let bundle = std::fs::read(one.data.join("hsm/hsmbundle")).unwrap();
    assert_eq!(one.refuses(&APPLY), "WrongState");

    // Each way a bundle can be wrong.
    let file = two.data.join("hsm/hsmbundle");
    carry(&one, &two);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(two.refuses(&APPLY), "BundleOwnerWrong");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    if std::os::unix::fs::chown(&file, Some(12345), Some(12345)).is_ok() {
        assert_eq!(two.refuses(&APPLY), "BundleOwnerWrong");
        std::fs::remove_file(&file).unwrap();
    }
    for damaged in [&bundle[..bundle.len() - 1], b"", b"hmsbundle"] {
        std::fs::write(&file, damaged).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(two.refuses(&APPLY), "BundleDamaged");
    }
    let other = Node::start(&instance, scratch.path(), "other");
    other.first();
    carry(&one, &other);
    assert_eq!(other.refuses(&APPLY), "BundleOfOtherCluster");
    carry(&one, &two);
    assert_eq!(two.refuses(&wrong(&APPLY, "--recovery-passphrase-env")), "PassphraseWrong");
    assert!(two.names() == ["from two"], "nothing of a refused bundle is taken");

    two.tells(&APPLY);
    two.reads("sealed for others");
    // One node is still without it.
    assert_eq!(one.refuses(&REVERSE), "BundleNotEverywhere");
    two.initialize("OKV");
    carry(&one, &three);
    three.tells(&APPLY);
    three.waits("all of it", || three.names() == ["from two", "sealed for others"]);
    three.initialize("OKV");
    for node in [&one, &two, &three] {
        node.waits("all marks", || hsm_marks(node) == [true, true, true]);
    }
    assert!(two.stores("afterwards"));
    three.waits("what came afterwards", || three.names().len() == 3);
    one.reads("afterwards");
    for node in [&one, &two, &three] {
        node.waits("no waiting", || {
            node.value(["cluster", "status", "get"])["entriesWaiting"] == 0
        });
    }

    // All the way back, and again: the old bundle is older than the new key.
    for node in [&one, &two, &three] {
        node.waits("the bundles", || {
            let rows = node.value(["cluster", "settings", "get"]);
            rows.as_array().unwrap().iter().all(|row| row["bundleApplied"] == true)
        });
        node.tells(&REVERSE);
    }
    two.waits("no marks", || hsm_marks(&two) == [false, false, false]);
    two.initialize("OKV");
    three.waits("the new key", || hsm_marks(&three) == [false, true, false]);
    assert_eq!(three.refuses(&APPLY), "BundleOutdated");
    two.tells(&CREATE);
    carry(&two, &three);
    three.tells(&APPLY);
    carry(&two, &one);
    one.tells(&APPLY);
    one.waits_for_mode("Read-Write");
    assert!(one.stores("in the end"));
    for node in [&one, &two, &three] {
        node.waits("the end", || node.names().contains(&"in the end".to_owned()));
    }
}
