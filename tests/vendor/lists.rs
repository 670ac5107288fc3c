//! Functions on lists of objects and of members, and objects by their permanent identity in a container.
//!
//! Source: the vendor's list of functions and their shapes as pycryptoki binds them (Documented); the codes of
//! refusals where no page names one: Assumed.

use luna_ck::*;
use luna_client::{Attribute, ObjectHandle};
use luna_tests::Instance;

use crate::call::{aes, at, ca, cell, object, officer, ok, ouid, refused, session, slot, two};

/// All of a list, or those before the one that cannot be destroyed, whose index comes back.
#[test]
fn objects_are_destroyed_by_the_list() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let own = officer(&context, 0);
    let keys: Vec<ObjectHandle> = (0..4).map(|_| aes(&own, "listed", &[])).collect();
    let call = |handles: &[u64], failed: &mut u64| {
        let words = [session(&own), handles.len(), handles.as_ptr().addr(), cell(failed)];
        ca(&context, "CA_DestroyMultipleObjects", &words).0
    };
    let left = || own.find(&[Attribute::label("listed")]).unwrap().len();
    let mut failed = 77_u64;
    assert_eq!(call(&[], &mut failed), CKR_OK);
    assert_eq!(call(&[keys[0].0, keys[1].0], &mut failed), CKR_OK);
    assert_eq!((left(), failed), (2, 77));
    let last = [keys[2].0, keys[0].0, keys[3].0];
    assert_eq!(call(&last, &mut failed), CKR_OBJECT_HANDLE_INVALID);
    assert_eq!((left(), failed), (1, 1), "what stood before the wrong one is gone");
    let words = [session(&own), 2, 0, cell(&mut failed)];
    refused(&context, "CA_DestroyMultipleObjects", &words, CKR_ARGUMENTS_BAD);
    own.logout().unwrap();
    assert_ne!(call(&[keys[3].0], &mut failed), CKR_OK, "nobody is logged in");
    assert_eq!(failed, 0);
}

/// The same object in the container that a slot has, there and back, and none in another.
#[test]
fn an_identity_names_an_object_of_a_container() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let own = officer(&context, 0);
    let key = aes(&own, "named", &[]);
    let (place, container) = (slot(own.slot()), 1);
    let mut uid = [0_u8; 12];
    let words = [place, container, 0, object(key), uid.as_mut_ptr().expose_provenance()];
    ok(&context, "CA_GetObjectUID", &words);
    assert_eq!(uid.as_slice(), ouid(&own, key));
    let (mut kind, mut handle) = (9_u64, 0_u64);
    let words = |of: usize, uid: &[u8], kind: &mut u64, handle: &mut u64| {
        [place, of, at(uid), cell(kind), cell(handle)]
    };
    let found = words(container, &uid, &mut kind, &mut handle);
    ok(&context, "CA_GetObjectHandle", &found);
    assert_eq!((kind, ObjectHandle(handle)), (0, key));
    let elsewhere = words(container + 1, &uid, &mut kind, &mut handle);
    refused(&context, "CA_GetObjectHandle", &elsewhere, CKR_CONTAINER_HANDLE_INVALID);
    let nobody = words(container, &[0xee; 12], &mut kind, &mut handle);
    refused(&context, "CA_GetObjectHandle", &nobody, CKR_OBJECT_HANDLE_INVALID);
    own.destroy(key).unwrap();
    let gone = words(container, &uid, &mut kind, &mut handle);
    refused(&context, "CA_GetObjectHandle", &gone, CKR_OBJECT_HANDLE_INVALID);
    let words = [place, container, 0, object(key), uid.as_mut_ptr().expose_provenance()];
    refused(&context, "CA_GetObjectUID", &words, CKR_OBJECT_HANDLE_INVALID);
}

/// Both functions tell of every member, its serial number and its state.
#[test]
fn the_members_of_a_group_and_their_state() {
    let instance = two(&[]);
    let context = instance.context();
    let slots = context.slots(true).unwrap();
    let group = *slots.last().unwrap();
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8(bytes[..end].to_vec()).unwrap()
    };
    for (down, wanted) in [(false, CKR_OK), (true, CKR_DEVICE_ERROR)] {
        if down {
            instance.member("down", 1);
        }
        for name in ["CA_GetHAState", "CA_GetCurrentHAState"] {
            let mut status = Box::new(CK_HA_STATUS {
                groupSerial: [0; 20],
                memberList: [CK_HA_MEMBER { memberSerial: [0; 20], memberStatus: 9 }; 32],
                listSize: 0,
            });
            ok(&context, name, &[slot(group), cell(&mut *status)]);
            let [one, other] = &instance.partitions[..] else { panic!() };
            assert_eq!(text(&status.groupSerial), format!("1{}", one.serial), "{name}");
            assert_eq!(status.listSize, 2, "{name}");
            for (member, (serial, state)) in
                status.memberList.iter().zip([(&one.serial, CKR_OK), (&other.serial, wanted)])
            {
                assert_eq!(text(&member.memberSerial), *serial, "{name}");
                assert_eq!(member.memberStatus, state, "{name}, member down: {down}");
            }
            let none = [slot(slots[0]), cell(&mut *status)];
            refused(&context, name, &none, CKR_FUNCTION_NOT_SUPPORTED);
            refused(&context, name, &[99, cell(&mut *status)], CKR_SLOT_ID_INVALID);
            refused(&context, name, &[slot(group), 0], CKR_ARGUMENTS_BAD);
        }
    }
}

/// The vendor's table: its version, and the functions that the module exports by name.
#[test]
fn the_vendors_table_has_what_is_exported() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    refused(&context, "CA_GetFunctionList", &[0], CKR_ARGUMENTS_BAD);
    let mut list: *const u8 = std::ptr::null();
    ok(&context, "CA_GetFunctionList", &[cell(&mut list)]);
    assert!(!list.is_null());
    assert_eq!(crate::call::word_at(list, 0) & 0xffff, 0x1005, "version 5.16: its two bytes");
    for (place, name) in [
        (0, "CA_GetFunctionList"),
        (1, "CA_WaitForSlotEvent"),
        (4, "CA_ResetPIN"),
        (43, "CA_CloneObject"),
        (125, "CA_DestroyMultipleObjects"),
    ] {
        let listed = crate::call::word_at(list, 1 + place);
        assert_eq!(listed, crate::call::address(&context, name), "{name}");
    }
}
