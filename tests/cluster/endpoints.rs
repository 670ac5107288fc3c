//! Endpoints, wallets and who may do what belong to the cluster: made on one node, valid on all.

use std::path::Path;

use luna_tests::{Instance, scratch};
use serde_json::Value;

use crate::node::Node;

fn endpoints(node: &Node<'_>) -> Vec<(String, String)> {
    let listed = node.value(["admin", "endpoint", "list"]);
    let word = |it: &Value, field: &str| it[field].as_str().unwrap_or_default().to_owned();
    listed.as_array().unwrap().iter().map(|it| (word(it, "name"), word(it, "status"))).collect()
}

#[test]
fn an_endpoint_of_one_node_is_one_of_all() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let one = Node::with_hsm(&instance, scratch.path(), "one");
    let create = ["--json", "okv", "admin", "endpoint", "create", "--endpoint"];
    one.tells(&[&create[..], &["before"]].concat());
    one.first();
    let two = Node::with_hsm(&instance, scratch.path(), "two");
    // Its own goes with the rest of its data.
    two.tells(&[&create[..], &["of_the_candidate"]].concat());
    two.is_added_by(&one, "2", "true");
    let three = Node::with_hsm(&instance, scratch.path(), "three");
    three.is_added_by(&one, "3", "false");
    for node in [&one, &two] {
        node.waits_for_mode("Read-Write");
    }
    assert_eq!(endpoints(&two), [("before".to_owned(), "REGISTERED".to_owned())]);

    one.tells(&["okv", "manage-access", "wallet", "create", "--wallet", "TDE"]);
    let made = two.tells(&[&create[..], &["hr_db"]].concat());
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made["value"]["enrollmentToken"].as_str().unwrap();
    two.tells(&[
        "okv",
        "manage-access",
        "wallet",
        "set-default",
        "--endpoint",
        "hr_db",
        "--wallet",
        "TDE",
    ]);
    assert_eq!(three.refuses(&[&create[..], &["x"]].concat()), "ReadOnlyRestricted");

    // The token that one node gave is redeemed at the other; the certificate is the cluster's authority's.
    let directory = scratch.path().join("hr_db");
    let enrolled = one.enrolls(token, &directory);
    assert!(enrolled.status.success(), "{enrolled:?}");
    for node in [&one, &two, &three] {
        node.waits("the endpoint", || {
            endpoints(node).contains(&("hr_db".to_owned(), "ENROLLED".to_owned()))
        });
    }
    // All nodes sign with one authority.
    let again = one.tells(&[&create[..], &["other_db"]].concat());
    let again: Value = serde_json::from_str(&again).unwrap();
    let other = scratch.path().join("other_db");
    let enrolled = two.enrolls(again["value"]["enrollmentToken"].as_str().unwrap(), &other);
    assert!(enrolled.status.success(), "{enrolled:?}");
    let authority = |directory: &Path| std::fs::read(directory.join("ssl/CA.pem")).unwrap();
    assert_eq!(authority(&directory), authority(&other));
    // What a wallet takes with it, it takes everywhere.
    one.tells(&["okv", "manage-access", "wallet", "delete", "--wallet", "TDE"]);
    one.tells(&["okv", "admin", "endpoint", "delete", "--endpoint", "before"]);
    for node in [&two, &three] {
        node.waits("the deletions", || {
            endpoints(node).len() == 2
                && node.value(["manage-access", "wallet", "list"]) == Value::Array(Vec::new())
        });
    }
}
