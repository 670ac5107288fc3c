//! What a candidate is asked for and what it costs to be wrong.

use luna_tests::{Instance, scratch};

use crate::node::{Node, convert_words};

#[test]
fn an_error_at_the_conversion_costs_the_server_and_one_before_it_does_not() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let mut one = Node::start(&instance, scratch.path(), "one");
    one.first();
    let (address, certificate) = (one.address(), one.certificate());
    let words = convert_words(&address, &certificate);

    // What is wrong on this side alone.
    let older = Node::of_release(&instance, scratch.path(), "older", "18.5");
    assert_eq!(older.refuses(&words), "ReleasesDiffer");
    assert_eq!(older.value(["cluster", "info", "get"])["standing"], "STANDALONE");
    assert_eq!(older.refuses(&words.without("--controller-certificate")), "OptionMissing");

    // Passphrase, address, certificate: the guide says to reinstall.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let stranger = older.certificate();
    for (name, words) in [
        ("passphrase", words.but("--recovery-passphrase-env", "WRONG")),
        ("address", words.but("--controller-ip-address", &nowhere)),
        ("certificate", words.but("--controller-certificate", &stranger)),
        ("text", words.but("--controller-certificate", "not a certificate")),
    ] {
        let mut broken = Node::start(&instance, scratch.path(), name);
        assert!(broken.stores("kept"));
        assert_eq!(broken.refuses(&words), "ConversionFailed", "{name}");
        // It stays so, and nothing can be written or undone; what was there can be read.
        broken.kill();
        broken.back();
        assert_eq!(broken.value(["cluster", "info", "get"])["standing"], "BROKEN", "{name}");
        assert!(!broken.stores("refused"), "{name}");
        assert_eq!(broken.refuses(&words), "AlreadyInCluster", "{name}");
        broken.reads("kept");
    }

    // A candidate waits for the controller it was given and no other, through a restart too.
    let mut two = Node::start(&instance, scratch.path(), "two");
    two.tells(&words);
    let other = Node::start(&instance, scratch.path(), "other");
    other.first();
    assert_eq!(other.refuses(&other.add_words(&two, "2", "true")), "CandidateUnusable");
    two.kill();
    assert_eq!(one.refuses(&one.add_words_of("two", &nowhere, &stranger)), "CandidateUnusable");
    two.back();
    assert_eq!(two.value(["cluster", "info", "get"])["standing"], "CANDIDATE");
    // A server that is no candidate is not seeded, whatever the certificates say.
    let plain = Node::start(&instance, scratch.path(), "plain");
    assert_eq!(one.refuses(&one.add_words(&plain, "3", "false")), "CandidateUnusable");
    one.tells(&one.add_words(&two, "2", "true"));
    two.waits_for_mode("Read-Write");
    // Without an HSM too, both come back by themselves.
    one.kill();
    two.waits_for_mode("Read-Only Restricted");
    one.back();
    one.waits_for_mode("Read-Write");
}
