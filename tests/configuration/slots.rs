//! `Presentation`, `CardReader` and the flag of a PED.

use luna_ck::{
    CKF_HW_SLOT, CKF_PROTECTED_AUTHENTICATION_PATH, CKF_REMOVABLE_DEVICE, CKF_TOKEN_PRESENT,
    CKR_FUNCTION_NOT_SUPPORTED, CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_PRESENT,
};
use luna_client::{Access, Context, SlotId};
use luna_tests::{Instance, first_slot, officer};

use crate::seen_with;

/// Slot numbers with the labels of what is in them; nothing for an empty slot.
fn seen(context: &Context) -> Vec<(u64, String)> {
    let slots = context.slots(false).unwrap();
    let label = |slot| context.token_info(slot).map(|it| it.label.trim_end().to_owned());
    slots.into_iter().map(|slot| (slot.0, label(slot).unwrap_or_default())).collect()
}

fn expected(slots: &[(u64, &str)]) -> Vec<(u64, String)> {
    slots.iter().map(|(number, label)| (*number, (*label).to_owned())).collect()
}

#[test]
fn slots_are_counted_from_nought_or_from_one() {
    let instance = Instance::up(&["--ha", "grp=one,two"]);
    let nought = [(0, "one"), (1, "two"), (2, "grp")];
    assert_eq!(seen(&instance.context()), expected(&nought));
    let context = seen_with(&instance, "zero", "Presentation = { OneBaseSlotId = 0; }");
    assert_eq!(seen(&context), expected(&nought));
    drop(context);
    let context = seen_with(&instance, "one", "Presentation = { OneBaseSlotId = 1; }");
    assert_eq!(seen(&context), expected(&[(1, "one"), (2, "two"), (3, "grp")]));
    assert!(context.slot_info(SlotId(0)).unwrap_err().is(CKR_SLOT_ID_INVALID));
    // A slot of that number works.
    officer(&context, SlotId(3)).close().unwrap();
    drop(context);
    let only = "Presentation = { OneBaseSlotId = 1; }\nHAConfiguration = { HAOnly = 1; }";
    assert_eq!(seen(&seen_with(&instance, "only", only)), expected(&[(1, "grp")]));
}

#[test]
fn partitions_keep_the_slots_that_are_given_to_them() {
    let instance = Instance::up(&["--ha", "grp=one,two", "--partition", "three"]);
    let [one, two, three] = &instance.partitions[..] else { panic!("three partitions") };
    assert_eq!(one.label, "three", "what --partition asks for comes first");
    let sections =
        format!("Presentation = {{ ShowUserSlots = 5({}), 0({}); }}", one.serial, three.serial);
    let context = seen_with(&instance, "fixed", &sections);
    // The others, each on an HSM of its own, take what is left.
    let all = [(0, "two"), (1, "one"), (2, "grp"), (5, "three")];
    assert_eq!(seen(&context), expected(&all));
    assert_eq!(context.token_info(SlotId(1)).unwrap().serial_number, two.serial);
}

#[test]
fn a_partition_that_is_missing_at_the_start_has_a_slot_where_empty_ones_are_shown() {
    let instance = Instance::up(&["--partition", "one", "--partition", "two"]);
    instance.member("down", 0);
    assert_eq!(seen(&instance.context()), expected(&[(0, "two")]), "numbers shift");
    let context = seen_with(&instance, "empty", "Presentation = { ShowEmptySlots = yes; }");
    assert_eq!(seen(&context), expected(&[(0, ""), (1, "two")]));
    assert_eq!(context.slots(true).unwrap(), [SlotId(1)]);
    assert_eq!(context.slot_info(SlotId(0)).unwrap().flags & CKF_TOKEN_PRESENT, 0);
    instance.member("up", 0);
    assert_eq!(seen(&context), expected(&[(0, "one"), (1, "two")]), "it is back in its slot");
    // Whoever goes away later keeps his slot.
    instance.member("down", 1);
    assert_eq!(seen(&context), expected(&[(0, "one"), (1, "")]));
}

#[test]
fn slots_are_kept_for_usb_hsms() {
    let instance = Instance::up(&["--ha", "grp=one,two"]);
    for (section, count) in [
        ("CardReader = { RemoteCommand = 1; }", 3),
        ("CardReader = { LunaG5Slots = 0; }", 0),
        ("CardReader = { LunaG5Slots = 1; }", 1),
    ] {
        let context = seen_with(&instance, &format!("usb{count}"), section);
        let slots = context.slots(false).unwrap();
        assert_eq!(slots.len(), 3 + count, "{section}");
        assert_eq!(context.slots(true).unwrap().len(), 3, "{section}");
        let group = SlotId(2 + count as u64);
        assert_eq!(context.token_info(group).unwrap().label.trim_end(), "grp", "{section}");
        for empty in (2..2 + count as u64).map(SlotId) {
            let info = context.slot_info(empty).unwrap();
            assert_eq!(info.flags, CKF_REMOVABLE_DEVICE | CKF_HW_SLOT, "{section}");
            let answers = [
                context.token_info(empty).err(),
                context.open_session(empty, Access::ReadOnly).err(),
                context.mechanisms(empty).err(),
                context.ha_state(empty).err(),
            ];
            for answer in answers {
                assert!(answer.unwrap().is(CKR_TOKEN_NOT_PRESENT), "{section}");
            }
        }
        assert!(context.ha_state(SlotId(0)).unwrap_err().is(CKR_FUNCTION_NOT_SUPPORTED));
    }
}

#[test]
fn the_flag_of_a_ped_is_as_the_hsm_is_or_as_configured() {
    for (profile, own) in [("luna-7.4.0", false), ("luna-7.4.0-ped", true)] {
        let instance = Instance::up(&["--profile", profile]);
        for (status, set) in [("0", own), ("1", true), ("2", false)] {
            let section = format!("Misc = {{ ProtectedAuthenticationPathFlagStatus = {status}; }}");
            let context = seen_with(&instance, &format!("status{status}"), &section);
            let flags = context.token_info(first_slot(&context)).unwrap().flags;
            let found = flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0;
            assert_eq!(found, set, "{profile}, {section}");
        }
    }
}
