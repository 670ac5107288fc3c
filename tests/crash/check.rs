//! The process that looks at what the killed ones left, and takes it away.

use std::collections::{BTreeMap, BTreeSet};

use luna_ck::*;
use luna_client::{Attribute, Context, InitArgs, Mechanism, Module, ObjectHandle, Session, SlotId};
use luna_tests::officer;

use crate::work::value;

pub(crate) fn application(words: &[String]) {
    let [module, told, slots @ ..] = words else { panic!("{words:?}") };
    let told = std::fs::read_to_string(told).unwrap();
    let context = Module::load(module).unwrap().initialize(InitArgs::OsLocking).unwrap();
    let all = |verb: &str| -> BTreeSet<&str> {
        told.lines().filter_map(|line| line.strip_prefix(verb)).collect()
    };
    let (made, going, gone) = (all("made "), all("going "), all("gone "));
    assert_eq!(made.len() + going.len() + gone.len(), told.lines().count(), "{told}");
    // What was going and is not known to be gone may be either.
    let kept: BTreeSet<&str> = made.difference(&going).copied().collect();
    for name in slots {
        let slot = context.slot_by_label(name).unwrap().unwrap();
        check_slot(&context, slot, name, &kept, &gone);
    }
    // The members before their group, whose own objects these are.
    for name in slots.iter().rev() {
        let slot = context.slot_by_label(name).unwrap().unwrap();
        let session = officer(&context, slot);
        for object in session.find(&[]).unwrap() {
            session.destroy(object).unwrap();
        }
        assert_eq!(session.find(&[]).unwrap(), []);
    }
}

fn check_slot(
    context: &Context,
    slot: SlotId,
    name: &str,
    kept: &BTreeSet<&str>,
    gone: &BTreeSet<&str>,
) {
    let session = officer(context, slot);
    let mut there: BTreeMap<String, Vec<ObjectHandle>> = BTreeMap::new();
    for object in session.find(&[]).unwrap() {
        let label = session.attribute_text(object, CKA_LABEL).unwrap();
        there.entry(label.expect("every object has its label")).or_default().push(object);
    }
    for label in kept {
        assert!(there.contains_key(*label), "{name}: {label} was acknowledged and is lost");
    }
    for label in gone {
        assert!(!there.contains_key(*label), "{name}: {label} was destroyed and is there");
    }
    for (label, objects) in &there {
        check_whole(&session, label, objects);
    }
}

/// What there is of one label works, whether or not its maker heard of it.
fn check_whole(session: &Session, label: &str, objects: &[ObjectHandle]) {
    for object in objects {
        check_attributes(session, *object, label);
    }
    match (label.rsplit('/').next().unwrap(), objects) {
        ("secret", [key]) => {
            let mechanism = Mechanism::Plain(CKM_AES_CMAC);
            let mac = session.sign(&mechanism, *key, b"data").unwrap();
            session.verify(&mechanism, *key, b"data", &mac).unwrap();
        }
        ("data", [object]) => {
            let found = session.attribute(*object, CKA_VALUE).unwrap().unwrap();
            assert_eq!(found, value(label), "{label}");
        }
        ("pair", [_, _]) => {
            let half = |class| {
                let wanted = [Attribute::class(class), Attribute::label(label)];
                let found = session.find(&wanted).unwrap();
                assert_eq!(found.len(), 1, "{label} is a pair");
                found[0]
            };
            let mechanism = Mechanism::Plain(CKM_ECDSA);
            let digest = [0x5a; 32];
            let signature = session.sign(&mechanism, half(CKO_PRIVATE_KEY), &digest).unwrap();
            session.verify(&mechanism, half(CKO_PUBLIC_KEY), &digest, &signature).unwrap();
        }
        (_, objects) => panic!("{label} has {} objects", objects.len()),
    }
}

fn check_attributes(session: &Session, object: ObjectHandle, label: &str) {
    assert!(session.object_size(object).unwrap() > 0, "{label}");
    let class = session.attribute_ulong(object, CKA_CLASS).unwrap().unwrap();
    let mut kinds = vec![CKA_TOKEN, CKA_PRIVATE, CKA_MODIFIABLE];
    kinds.extend_from_slice(match class {
        CKO_DATA => &[CKA_VALUE],
        CKO_SECRET_KEY => &[CKA_KEY_TYPE, CKA_ID, CKA_VALUE_LEN, CKA_LOCAL, CKA_SENSITIVE],
        CKO_PUBLIC_KEY => &[CKA_KEY_TYPE, CKA_ID, CKA_EC_PARAMS, CKA_EC_POINT, CKA_LOCAL],
        CKO_PRIVATE_KEY => &[CKA_KEY_TYPE, CKA_ID, CKA_EC_PARAMS, CKA_LOCAL, CKA_SENSITIVE],
        other => panic!("{label} is of class {other}"),
    });
    for kind in kinds {
        let found = session.attribute(object, kind).unwrap();
        assert!(found.is_some_and(|value| !value.is_empty()), "{label} lacks {}", names::cka(kind));
    }
}
