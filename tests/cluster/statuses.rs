//! Disable, enable, delete and force-delete.

use luna_tests::{Instance, scratch};

use crate::node::Node;

fn words<'a>(action: &'a str, node: &'a str) -> [&'a str; 6] {
    ["okv", "cluster", "node", action, "--node", node]
}

#[test]
fn nodes_are_disabled_enabled_and_deleted_as_their_status_allows() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let one = Node::start(&instance, scratch.path(), "one");
    one.first();
    let two = Node::start(&instance, scratch.path(), "two");
    two.is_added_by(&one, "2", "true");
    let mut three = Node::start(&instance, scratch.path(), "three");
    three.is_added_by(&two, "3", "false");
    one.waits_for_mode("Read-Write");

    for action in ["disable", "delete", "force-delete"] {
        assert_eq!(one.refuses(&words(action, "one")), "NodeIsThis", "{action}");
        assert_eq!(one.refuses(&words(action, "nobody")), "NodeUnknown", "{action}");
    }
    assert_eq!(one.refuses(&words("enable", "3")), "NodeStatusWrong");
    assert_eq!(one.refuses(&words("abort-pairing", "3")), "NodeStatusWrong");

    // A node that is disabled gets nothing until it is enabled.
    three.waits_for_mode("Read-Only");
    one.tells(&words("disable", "3"));
    two.waits_for_status("three", "DISABLED");
    three.waits_for_status("three", "DISABLED");
    assert!(one.stores("while disabled"));
    assert!(three.names().is_empty());
    assert_eq!(one.refuses(&words("disable", "three")), "NodeStatusWrong");
    assert_eq!(one.refuses(&words("delete", "three")), "NodeStatusWrong");
    one.tells(&words("enable", "three"));
    one.waits_for_status("three", "ACTIVE");
    three.waits("what it missed", || three.names() == ["while disabled"]);

    // After the Maximum Disable Node Duration it can only be force-deleted.
    two.tells(&words("disable", "three"));
    one.waits_for_status("three", "DISABLED");
    one.tells(&["okv", "cluster", "settings", "set", "--maximum-disable-node-duration", "0"]);
    assert_eq!(one.refuses(&words("enable", "three")), "DisabledTooLong");
    one.tells(&words("force-delete", "three"));
    two.waits_for_status("three", "DELETED");

    // A number is not given twice, nor a name.
    let four = Node::start(&instance, scratch.path(), "four");
    four.convert_for(&one);
    let add = one.add_words(&four, "4", "false");
    assert_eq!(one.refuses(&add.but("--node-id", "3")), "NodeIdTaken");
    assert_eq!(one.refuses(&add.but("--node-name", "three")), "NodeNameTaken");
    one.tells(&add);
    four.waits_for_mode("Read-Only");

    // A node that is deleted knows it, keeps nothing going, and its peer stands alone.
    one.tells(&words("delete", "two"));
    two.waits("its deletion", || two.value(["cluster", "info", "get"])["standing"] == "DELETED");
    assert!(!two.stores("refused"));
    one.waits_for_mode("Read-Only Restricted");
    assert_eq!(one.sees("one").2, "-");
    four.waits_for_status("two", "DELETED");

    // One that does not answer is not deleted but by force; a new peer makes a pair again.
    let mut five = Node::start(&instance, scratch.path(), "five");
    five.is_added_by(&one, "5", "true");
    one.waits_for_mode("Read-Write");
    five.kill();
    one.waits_for_mode("Read-Only Restricted");
    assert_eq!(one.refuses(&words("delete", "five")), "NodeUnreachable");
    one.tells(&words("force-delete", "five"));
    assert_eq!(one.sees("five").0, "DELETED");
    five.back();
    five.waits_for_mode("Read-Only Restricted");
    assert!(!five.stores("refused"), "a node that was deleted while it was away");
    three.kill();
    assert_eq!(four.names(), ["while disabled"]);
}
