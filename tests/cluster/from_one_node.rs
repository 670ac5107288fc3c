//! The guide's chapter "Configure Luna HSM for a multi-master cluster starting with single node".

use luna_tests::{Instance, scratch};

use crate::node::Node;

const RESTRICTED: &str = "Read-Only Restricted";

#[test]
fn a_cluster_from_one_node_with_a_pair_and_a_node_that_follows() {
    let instance = Instance::up(&["--partition", "OKV", "--partition", "OTHER"]);
    let scratch = scratch();
    let one = Node::with_hsm(&instance, scratch.path(), "one");
    assert!(one.stores("before"));
    one.first();
    assert_eq!(
        one.refuses(&[
            "okv",
            "cluster",
            "node",
            "create",
            "--cluster-name",
            "c",
            "--node-name",
            "n",
            "--cluster-subgroup",
            "s"
        ]),
        "AlreadyInCluster"
    );
    let alone = ("ACTIVE".to_owned(), RESTRICTED.to_owned(), "-".to_owned());
    assert_eq!(one.sees("one"), alone);
    // Read-only restricted until it has a peer; what it has is still read.
    assert!(!one.stores("refused"));
    one.reads("before");
    assert_eq!(
        one.refuses(&["okv", "managed-object", "object", "register", "--name", "x"]),
        "ReadOnlyRestricted"
    );

    // Only HSM-enabled nodes into an HSM-enabled cluster; the candidate is none the worse.
    let mut two = Node::start(&instance, scratch.path(), "two");
    two.convert_for(&one);
    let add = one.add_words(&two, "2", "true");
    assert_eq!(one.refuses(&add), "CandidateWithoutHsm");
    drop(two);
    std::fs::remove_dir_all(scratch.path().join("two")).unwrap();
    two = Node::start(&instance, scratch.path(), "two");
    two.initialize("OTHER");
    assert!(two.stores("will be deleted"));
    two.convert_for(&one);
    assert!(!two.stores("refused"), "a candidate takes nothing");

    // Each refusal costs nothing.
    let add = one.add_words(&two, "2", "true");
    let wrong = add.but("--recovery-passphrase-env", "WRONG");
    assert_eq!(one.refuses(&wrong), "PassphraseWrong");
    assert_eq!(one.refuses(&add.but("--hsm-credential-env", "WRONG")), "CredentialWrong");
    assert_eq!(one.refuses(&add.without("--hsm-credential-env")), "OptionMissing");
    assert_eq!(one.refuses(&add.but("--node-id", "1")), "NodeIdTaken");
    assert_eq!(one.refuses(&add.but("--node-id", "0")), "OptionUnusable");
    assert_eq!(one.refuses(&add.but("--node-name", "ONE")), "NodeNameTaken");
    assert_eq!(one.refuses(&add.but("--candidate-certificate", "nothing")), "CertificateUnusable");
    let own = one.certificate();
    assert_eq!(one.refuses(&add.but("--candidate-certificate", &own)), "CandidateUnusable");
    one.tells(&add);

    for node in [&one, &two] {
        node.waits_for_mode("Read-Write");
        assert_eq!(node.sees("one").2, "two");
        node.waits_for_status("two", "ACTIVE");
        assert_eq!(node.sees("two").2, "one");
    }
    // Its own data is gone, the cluster's is there, under its own wallet and root key.
    assert_eq!(two.names(), ["before"]);
    two.reads("before");
    assert_eq!(two.value(["hsm", "config", "get"])["state"], "ENABLED_OK");
    let number = |node: &Node<'_>| node.value(["hsm", "config", "get"])["key_number"].clone();
    assert_ne!(number(&one), number(&two));

    // In a pair an acknowledged write is on both at once.
    assert!(one.stores("from one"));
    two.reads("from one");
    assert!(two.stores("from two"));
    one.reads("from two");

    // A third node follows; its number is its own, also after the first try.
    let mut three = Node::with_hsm(&instance, scratch.path(), "three");
    three.convert_for(&one);
    let add = one.add_words(&three, "3", "false");
    assert_eq!(one.refuses(&add.but("--node-id", "2")), "NodeIdTaken");
    assert_eq!(one.refuses(&add.but("--read-write-peer", "true")), "PeerTaken");
    one.tells(&add);
    three.waits_for_mode("Read-Only");
    assert_eq!(three.names(), ["before", "from one", "from two"]);
    assert!(!three.stores("refused"));
    assert!(two.stores("later"));
    three.waits("the later write", || three.names().len() == 4);
    three.reads("later");

    // Settings of the cluster are set anywhere.
    three.tells(&["okv", "cluster", "settings", "set", "--maximum-disable-node-duration", "12"]);
    one.waits("the setting", || {
        one.value(["cluster", "info", "get"])["maximumDisableNodeDuration"] == 12
    });

    // The peer is lost: read-only restricted, and back as soon as it is back and has caught up.
    two.kill();
    one.waits_for_mode(RESTRICTED);
    assert!(!one.stores("refused"));
    one.reads("later");
    three.kill();
    two.back();
    two.waits_for_mode("Read-Write");
    one.waits_for_mode("Read-Write");
    assert!(one.stores("while three was away"));
    three.back();
    three.waits("what it missed", || three.names().len() == 5);
    three.reads("while three was away");

    // A node restored from a backup would be a second one of its kind: only standalone servers are restored to.
    let made = one.tells(&["--json", "backup", "B"]);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let file = made["value"]["file"].as_str().unwrap();
    let restore = ["restore", "LOCAL", file, "--passphrase-env", "THE_PASSPHRASE"];
    assert_eq!(one.refuses(&restore), "RestoreOnNode");
}

#[test]
fn releases_without_clusters_have_none() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let old = Node::of_release(&instance, scratch.path(), "old", "12.2.0.8");
    let create = ["okv", "cluster", "node", "create", "--node-name", "n", "--cluster-name", "c"];
    let create = [&create[..], &["--cluster-subgroup", "s"]].concat();
    assert_eq!(old.refuses(&create), "NotInThisRelease");
    assert_eq!(old.refuses(&["okv", "cluster", "info", "get"]), "NotInThisRelease");
}
