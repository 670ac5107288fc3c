//! Two processes on one state directory.

use luna_ck::{
    CKA_USAGE_COUNT, CKA_USAGE_LIMIT, CKM_SHA512, CKR_KEY_NOT_ACTIVE, CKR_PIN_INCORRECT,
    CKR_PIN_LOCKED, names,
};
use luna_client::{Access, Attribute, Mechanism, Pin, UserType};
use luna_tests::child::Child;
use luna_tests::{CRYPTO_OFFICER, Instance, first_slot, officer};

use crate::{labels, new_key};

fn child(role: &str, words: &[&str], instance: &Instance) -> Child {
    let mut command = Child::command(role, words, instance.directory());
    command.env("LUNA_MODULE", instance.module());
    Child::begin(&mut command)
}

#[test]
fn each_sees_what_the_other_makes_and_destroys() {
    for instance in [Instance::up(&["--partition", "app"]), Instance::fips_group()] {
        let context = instance.context();
        let session = officer(&context, first_slot(&context));
        let own = new_key(&session, "parent").unwrap();
        let mut other = child("objects", &[], &instance);
        other.expect("parent");
        other.expect("made");
        assert_eq!(labels(&session), ["child", "parent"]);
        session.destroy(own).unwrap();
        other.go_on();
        other.expect("child");
        other.end().well();
    }
}

/// The last uses of a key are given out once, whichever process comes for them.
#[test]
fn uses_of_all_processes_are_counted_together() {
    let instance = Instance::up(&["--partition", "app"]);
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    let key = new_key(&session, "counted").unwrap();
    session.set_attributes(key, &[Attribute::ulong(CKA_USAGE_LIMIT, 25)]).unwrap();
    let children: Vec<Child> =
        (0..3).map(|_| child("uses", &["counted", "10"], &instance)).collect();
    let said: Vec<String> = children.into_iter().flat_map(|child| child.end().well()).collect();
    let count = |what: &str| said.iter().filter(|said| *said == what).count();
    assert_eq!((count("served"), count(&names::ckr(CKR_KEY_NOT_ACTIVE))), (25, 5));
    assert_eq!(session.attribute_ulong(key, CKA_USAGE_COUNT).unwrap(), Some(25));
}

#[test]
fn a_digest_goes_on_in_another_process() {
    let instance = Instance::up(&["--partition", "app"]);
    let context = instance.context();
    let session = context.open_session(first_slot(&context), Access::ReadOnly).unwrap();
    let hash = Mechanism::Plain(CKM_SHA512);
    let whole = session.digest(&hash, b"one two").unwrap();
    session.digest_init(&hash).unwrap();
    session.digest_update(b"one ").unwrap();
    let state = session.operation_state().unwrap();
    let state: Vec<String> = state.iter().map(u8::to_string).collect();
    let said = child("digest", &[&state.join(","), "two"], &instance).end().well();
    assert_eq!(said, [format!("{whole:?}")]);
}

#[test]
fn wrong_pins_of_all_processes_are_counted_together() {
    let instance = Instance::up(&["--partition", "app"]);
    let children: Vec<Child> =
        ["3", "2", "2", "2"].map(|count| child("wrong-pins", &[count], &instance)).into();
    for child in children {
        for said in child.end().well() {
            assert_eq!(said, names::ckr(CKR_PIN_INCORRECT));
        }
    }
    // Nine are counted: one is left, and it is the last.
    let context = instance.context();
    let slot = first_slot(&context);
    let state = context.role_state(slot, UserType::CRYPTO_OFFICER).unwrap();
    assert_eq!(state.login_attempts_left, 1);
    let session = context.open_session(slot, Access::ReadWrite).unwrap();
    let login = |pin: &str| session.login(UserType::CRYPTO_OFFICER, &Pin::from(pin)).unwrap_err();
    assert!(login("wrong-password").is(CKR_PIN_INCORRECT));
    assert!(login(CRYPTO_OFFICER).is(CKR_PIN_LOCKED), "the right one comes too late");
    drop(session);
    drop(context);
    // A new process finds it locked.
    let said = child("wrong-pins", &["1"], &instance).end().well();
    assert_eq!(said, [names::ckr(CKR_PIN_LOCKED)]);
}

#[test]
fn a_pin_that_another_process_changed_is_wrong_at_once() {
    let instance = Instance::up(&["--partition", "app"]);
    let context = instance.context();
    let slot = first_slot(&context);
    // Right twice: the second time it is remembered.
    drop(officer(&context, slot));
    drop(officer(&context, slot));
    child("new-pin", &["another-password"], &instance).end().well();
    let session = context.open_session(slot, Access::ReadWrite).unwrap();
    let login = |pin: &str| session.login(UserType::CRYPTO_OFFICER, &Pin::from(pin));
    assert!(login(CRYPTO_OFFICER).unwrap_err().is(CKR_PIN_INCORRECT));
    let state = context.role_state(slot, UserType::CRYPTO_OFFICER).unwrap();
    assert_eq!(state.login_attempts_left, 9, "and counted");
    login("another-password").unwrap();
}

#[test]
fn the_right_pin_clears_the_count() {
    let instance = Instance::up(&["--partition", "app"]);
    child("wrong-pins", &["4"], &instance).end().well();
    let context = instance.context();
    let slot = first_slot(&context);
    drop(officer(&context, slot));
    let state = context.role_state(slot, UserType::CRYPTO_OFFICER).unwrap();
    assert_eq!(state.login_attempts_left, 10);
}
