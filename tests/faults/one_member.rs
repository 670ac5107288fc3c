//! A partition that is no member of a group: its application meets every fault itself.

use std::time::{Duration, Instant};

use luna_ck::*;
use luna_client::{Attribute, Context, InitArgs, Module};
use luna_tests::child::{Child, say, wait_for_parent};
use luna_tests::{Instance, first_slot, officer};

use crate::{encrypt, labels, new_key, plan};

#[test]
fn the_call_that_was_meant_is_refused_and_no_other() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    let words = ["add", "refuse", "--call", "C_GenerateKey", "--skip", "1"];
    plan(&instance, &[&words[..], &["--code", "CKR_DEVICE_MEMORY"]].concat());
    let key = new_key(&session, "first").unwrap();
    encrypt(&session, key).unwrap();
    assert!(new_key(&session, "second").unwrap_err().is(CKR_DEVICE_MEMORY));
    new_key(&session, "third").unwrap();
    assert_eq!(labels(&session), ["first", "third"]);
    let told = plan(&instance, &["log"]);
    assert!(told.contains("C_GenerateKey") && told.contains("refuse"), "{told}");
}

#[test]
fn an_answer_lost_after_the_key_was_made_leaves_one_key() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    plan(&instance, &["add", "lose-answer", "--call", "C_GenerateKey", "--after"]);
    assert!(new_key(&session, "lost").unwrap_err().is(CKR_DEVICE_ERROR));
    assert_eq!(labels(&session), ["lost"]);
    plan(&instance, &["add", "lose-answer", "--call", "C_GenerateKey"]);
    assert!(new_key(&session, "never").unwrap_err().is(CKR_DEVICE_ERROR));
    assert_eq!(labels(&session), ["lost"]);
    new_key(&session, "again").unwrap();
    assert_eq!(labels(&session), ["again", "lost"]);
}

#[test]
fn delays_and_hangs_take_their_time() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    let key = new_key(&session, "mine").unwrap();
    plan(&instance, &["add", "delay", "--call", "C_Encrypt", "--for-ms", "300"]);
    let begun = Instant::now();
    encrypt(&session, key).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    plan(&instance, &["add", "hang", "--call", "C_Encrypt", "--for-ms", "300"]);
    let begun = Instant::now();
    assert!(encrypt(&session, key).unwrap_err().is(CKR_DEVICE_ERROR));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    // One that would hang for hours is freed by the plan's end.
    plan(&instance, &["add", "hang", "--call", "C_Encrypt", "--for-ms", "36000000"]);
    std::thread::scope(|scope| {
        let stuck = scope.spawn(move || encrypt(&session, key));
        while !plan(&instance, &["log"]).lines().any(|line| line.contains("| 3 ")) {
            std::thread::sleep(Duration::from_millis(20));
        }
        plan(&instance, &["clear"]);
        assert!(stuck.join().unwrap().unwrap_err().is(CKR_DEVICE_ERROR));
    });
    encrypt(&officer(&context, first_slot(&context)), key).unwrap();
}

#[test]
fn a_member_that_was_cut_off_comes_back_without_its_sessions() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let slot = first_slot(&context);
    let session = officer(&context, slot);
    let key = new_key(&session, "mine").unwrap();
    plan(&instance, &["add", "cut", "--call", "C_Encrypt", "--for-ms", "400"]);
    assert!(encrypt(&session, key).unwrap_err().is(CKR_DEVICE_ERROR));
    let begun = Instant::now();
    while context.slots(true).unwrap().is_empty() {
        assert!(begun.elapsed() < luna_tests::HANG);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(encrypt(&session, key).is_err());
    drop(session);
    let session = officer(&context, slot);
    assert_eq!(labels(&session), ["mine"]);
}

#[test]
fn a_full_disk_changes_nothing() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    let key = new_key(&session, "mine").unwrap();
    let template = [Attribute::class(CKO_DATA), Attribute::token(true), Attribute::label("note")];
    for (effect, code) in [("store-full", CKR_DEVICE_MEMORY), ("store-error", CKR_DEVICE_ERROR)] {
        plan(&instance, &["load", "/dev/null"]);
        plan(&instance, &["add", effect, "--times", "0"]);
        let refused = session.create_object(&template).unwrap_err();
        assert!(refused.is(code), "{effect}: {refused}");
        assert!(new_key(&session, "other").unwrap_err().is(code), "{effect}");
        assert!(session.destroy(key).unwrap_err().is(code), "{effect}");
        // What is only read goes on.
        encrypt(&session, key).unwrap();
        assert_eq!(labels(&session), ["mine"]);
    }
    plan(&instance, &["clear"]);
    session.create_object(&template).unwrap();
    session.destroy(key).unwrap();
    assert!(labels(&session).is_empty());
}

#[test]
fn a_process_that_dies_after_the_effect_leaves_the_effect() {
    let instance = Instance::up(&[]);
    for (after, there) in [(false, 0), (true, 1)] {
        let mut child = Child::start("maker", &[], &instance);
        child.expect("ready");
        let when: &[&str] = if after { &["--after"] } else { &[] };
        plan(&instance, &[&["add", "kill", "--call", "C_GenerateKey"][..], when].concat());
        child.go_on();
        let ended = child.end();
        assert!(!ended.status.success() && ended.said.is_empty(), "{ended:?}");
        plan(&instance, &["clear"]);
        let context = instance.context();
        let session = officer(&context, first_slot(&context));
        assert_eq!(labels(&session).len(), there);
    }
}

/// The child of the test above.
pub(crate) fn make() {
    let context = application_context();
    let session = officer(&context, first_slot(&context));
    say("ready");
    wait_for_parent();
    let _ = new_key(&session, "of the dead");
    say("alive");
}

/// The environment's configuration, as an application loads it.
fn application_context() -> Context {
    let module = Module::load(luna_tests::artefacts::module()).expect("loads");
    module.initialize(InitArgs::OsLocking).expect("initialises")
}

#[test]
fn as_slow_as_a_model() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    let key = new_key(&session, "mine").unwrap();
    assert!(crate::load(&instance, "latency = 'g5'\n").status.success());
    let begun = Instant::now();
    for _ in 0..5 {
        encrypt(&session, key).unwrap();
    }
    // Five times 20 ms of work less a fifth, and the way there and back.
    assert!(begun.elapsed() >= Duration::from_millis(5 * 16), "{:?}", begun.elapsed());
}
