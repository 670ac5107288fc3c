//! Members of an HA group, cut off and let back from another process.

use luna_ck::{CKR_DEVICE_ERROR, CKR_OK, CKR_OPERATION_NOT_INITIALIZED, CKR_TOKEN_NOT_PRESENT};
use luna_client::{Mechanism, Module};
use luna_tests::child::Child;
use luna_tests::{Instance, first_slot, officer};

use crate::{encrypt, labels, new_key};

#[test]
fn a_member_is_missed_and_found_again_by_the_next_call() {
    let instance = Instance::fips_group();
    let context = instance.context();
    let slot = first_slot(&context);
    let session = officer(&context, slot);
    let key = new_key(&session, "before").unwrap();
    let sealed = encrypt(&session, key).unwrap();
    let up = || {
        let state = context.ha_state(slot).unwrap();
        state.members.iter().map(|member| member.status.0 == CKR_OK).collect::<Vec<_>>()
    };
    assert_eq!(up(), [true, true]);

    instance.member("down", 0);
    assert_eq!(encrypt(&session, key).unwrap(), sealed);
    assert_eq!(up(), [false, true]);
    let fresh = new_key(&session, "meanwhile").unwrap();
    let from_one = encrypt(&session, fresh).unwrap();

    instance.member("up", 0);
    assert_eq!(up(), [true, true]);
    instance.member("down", 1);
    assert_eq!(encrypt(&session, fresh).unwrap(), from_one, "the one that came back has it");
    assert_eq!(up(), [true, false]);

    instance.member("down", 0);
    assert!(encrypt(&session, key).unwrap_err().is(CKR_DEVICE_ERROR));
    assert!(context.token_info(slot).unwrap_err().is(CKR_TOKEN_NOT_PRESENT));
    assert_eq!(context.slots(false).unwrap().len(), 1, "the slot is listed all the same");

    instance.member("up", 1);
    assert_eq!(encrypt(&session, key).unwrap(), sealed, "session and login came back");
    assert_eq!(labels(&session), ["before", "meanwhile"]);
}

#[test]
fn a_message_in_parts_is_lost_with_its_member_and_begun_again() {
    let instance = Instance::fips_group();
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    let key = new_key(&session, "key").unwrap();
    let whole = encrypt(&session, key).unwrap();
    let mechanism = Mechanism::aes_cbc_pad([7; 16]);
    session.encrypt_init(&mechanism, key).unwrap();
    session.encrypt_update(b"attack").unwrap();
    instance.member("down", 0);
    let lost = session.encrypt_update(b" at dawn").unwrap_err();
    assert!(lost.is(CKR_DEVICE_ERROR), "{lost}");
    // The operation is over; what was begun elsewhere is not taken for it.
    let over = session.encrypt_final().unwrap_err();
    assert!(over.is(CKR_OPERATION_NOT_INITIALIZED), "{over}");
    session.encrypt_init(&mechanism, key).unwrap();
    let mut parts = session.encrypt_update(b"attack").unwrap();
    parts.extend(session.encrypt_update(b" at dawn").unwrap());
    parts.extend(session.encrypt_final().unwrap());
    assert_eq!(parts, whole);
    // One that goes while it has no part of the message is no loss; who took over stays the primary.
    instance.member("up", 0);
    let state = context.ha_state(first_slot(&context)).unwrap();
    assert!(state.members.iter().all(|member| member.status.0 == CKR_OK), "{state:?}");
    session.encrypt_init(&mechanism, key).unwrap();
    let mut parts = session.encrypt_update(b"attack").unwrap();
    instance.member("down", 0);
    parts.extend(session.encrypt_update(b" at dawn").unwrap());
    parts.extend(session.encrypt_final().unwrap());
    assert_eq!(parts, whole);
}

#[test]
fn every_member_holds_what_the_group_made() {
    let instance = Instance::fips_group();
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    for number in 0..5 {
        new_key(&session, &format!("key{number}")).unwrap();
    }
    // Each member's own view, in a process of its own, without the group.
    for member in 0..2 {
        let serial = &instance.partitions[member].serial;
        let view = instance.seen_otherwise(&format!("view{member}"), |text| {
            let hsm = &instance.partitions[member].hsm;
            let library = text.lines().find(|line| line.contains("StateDirectory")).unwrap();
            format!(
                "Emulator = {{\n{library}\n   Partition00 = {serial};\n   Partition00Hsm = {hsm};\n}}\n"
            )
        });
        let mut command = Child::command("list", &[], &view);
        command.env("LUNA_MODULE", instance.module());
        let said = Child::begin(&mut command).end().well();
        assert_eq!(said, ["key0,key1,key2,key3,key4"], "member {serial}");
    }
}

#[test]
fn a_lone_partition_that_is_cut_off_is_a_device_error() {
    let instance = Instance::up(&["--partition", "app"]);
    let context =
        Module::load(instance.module()).unwrap().initialize(instance.init_args()).unwrap();
    let slot = first_slot(&context);
    let session = officer(&context, slot);
    let key = new_key(&session, "key").unwrap();
    instance.member("down", 0);
    assert!(encrypt(&session, key).unwrap_err().is(CKR_DEVICE_ERROR));
    assert!(context.slots(true).unwrap().is_empty());
    assert!(context.token_info(slot).unwrap_err().is(CKR_TOKEN_NOT_PRESENT));
    instance.member("up", 0);
    drop(session);
    let session = officer(&context, slot);
    assert_eq!(labels(&session), ["key"]);
}
