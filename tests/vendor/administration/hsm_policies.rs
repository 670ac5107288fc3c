//! HSM policies and capabilities: who sees them, who sets them, what they do.

use luna_ck::*;
use luna_client::{Pin, UserType};
use luna_tests::Instance;

use super::hsm::*;

/// Without `ShowAdminTokens` a client sees its partition alone, and nothing of the HSM.
#[test]
fn a_network_client_never_sees_the_admin_partition() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let slots = context.slots(false).unwrap();
    assert_eq!(slots.len(), 1);
    let (mut ids, mut values) = (0_u64, 0_u64);
    let words = [slot(slots[0]), 0, cell(&mut ids), 0, cell(&mut values)];
    for name in ["CA_GetHSMPolicySet", "CA_GetHSMCapabilitySet"] {
        assert_eq!(ca(&context, name, &words).0, CKR_FUNCTION_NOT_SUPPORTED, "{name}");
    }
    let (mut admin, mut previous) = (0_u64, 0_u64);
    let words = [slot(slots[0]), cell(&mut admin), cell(&mut previous)];
    assert_eq!(ca(&context, "CA_FindAdminSlotForSlot", &words).0, CKR_SLOT_ID_INVALID);
}

#[test]
fn the_sets_agree_with_the_settings() {
    let hsm = Hsm::up(&[]);
    let admin = slot(hsm.admin);
    let capabilities = hsm.set("CA_GetHSMCapabilitySet", &[admin]);
    let policies = hsm.set("CA_GetHSMPolicySet", &[admin]);
    assert!(capabilities.len() > policies.len(), "some capabilities are no policies");
    for (id, value) in &capabilities {
        let [one] = hsm.numbers("CA_GetHSMCapabilitySetting", &[admin, *id as usize]);
        assert_eq!(one, *value, "capability {id}");
    }
    for (id, value) in &policies {
        assert_eq!(hsm.hsm_policy(*id as usize), *value, "policy {id}");
        let bound = capabilities.iter().find(|(own, _)| own == id).unwrap().1;
        assert!(*value <= bound, "policy {id}");
    }
    for (id, value) in [(7, 1), (12, 1), (15, 0), (16, 1), (21, 1)] {
        assert!(policies.contains(&(id, value)), "policy {id}");
    }
    let mut cell_of = 0_u64;
    hsm.refused("CA_GetHSMPolicySetting", &[admin, 2, cell(&mut cell_of)], CKR_POLICY_ID_INVALID);
    // The words of a policy and of its capability; whether it wipes.
    for (is_capability, wanted) in [(0, "Allow non-FIPS"), (1, "Enable non-FIPS")] {
        let (mut bits, mut wipes, mut fixed) = (0_u64, 0_u64, 9_u64);
        let cells = [cell(&mut bits), cell(&mut wipes), cell(&mut fixed)];
        let words = [&[admin, 0, is_capability, 12][..], &cells].concat();
        let text = hsm.bytes("CA_GetConfigurationElementDescription", &words);
        assert!(String::from_utf8(text).unwrap().starts_with(wanted));
        assert_eq!((bits, wipes, fixed), (1, 1, 0));
    }
}

#[test]
fn only_the_hsm_so_sets_them() {
    let hsm = Hsm::up(&[]);
    let nobody = hsm.open(hsm.admin);
    hsm.refused("CA_SetHSMPolicy", &[session(&nobody), 15, 1], CKR_USER_NOT_LOGGED_IN);
    let officer = hsm.officer();
    hsm.refused("CA_SetHSMPolicy", &[session(&officer), 15, 1], CKR_USER_NOT_AUTHORIZED);
    nobody.close().unwrap();
    let so = hsm.so();
    let so = session(&so);
    hsm.ok("CA_SetHSMPolicy", &[so, 21, 0]);
    assert_eq!(hsm.hsm_policy(21), 0);
    let (mut ids, mut values) = ([21_u64, 16], [1_u64, 0]);
    hsm.ok("CA_SetHSMPolicies", &[so, 2, list(&mut ids), list(&mut values)]);
    assert_eq!((hsm.hsm_policy(21), hsm.hsm_policy(16)), (1, 0));
    hsm.refused("CA_SetHSMPolicy", &[so, 77, 1], CKR_POLICY_ID_INVALID);
    hsm.refused("CA_SetHSMPolicy", &[so, 2, 1], CKR_POLICY_ID_INVALID);
    hsm.refused("CA_SetHSMPolicy", &[so, 33, 1000], CKR_CONFIG_ILLEGAL);
    // All or none.
    let (mut ids, mut values) = ([16_u64, 77], [1_u64, 1]);
    let words = [so, 2, list(&mut ids), list(&mut values)];
    hsm.refused("CA_SetHSMPolicies", &words, CKR_POLICY_ID_INVALID);
    assert_eq!(hsm.hsm_policy(16), 0);
    // Functionality modules want all algorithms on this firmware.
    let (mut ids, mut values) = ([50_u64, 12], [1_u64, 0]);
    let words = [so, 2, list(&mut ids), list(&mut values)];
    hsm.refused("CA_SetDestructiveHSMPolicies", &words, CKR_CONFIG_FAILS_DEPENDENCIES);
}

/// Policy 12: the whole HSM goes, by the call that says so alone; then every partition is in FIPS mode.
#[test]
fn a_destructive_change_zeroises_the_hsm() {
    let hsm = Hsm::up(&[]);
    assert!(hsm.lists(hsm.user, CKM_DES_CBC));
    let officer = hsm.officer();
    aes(&officer, "lost");
    let so = hsm.so();
    let words = [session(&so), 12, 0];
    hsm.refused("CA_SetHSMPolicy", &words, CKR_CONFIG_CHANGE_ILLEGAL);
    assert_eq!(hsm.hsm_policy(12), 1);
    assert!(hsm.lists(hsm.user, CKM_DES_CBC));
    hsm.ok("CA_SetDestructiveHSMPolicy", &words);
    assert_eq!(hsm.hsm_policy(12), 0);
    assert!(hsm.context.token_info(hsm.user).is_err(), "the partition is gone");
    assert!(!hsm.context.token_info(hsm.admin).unwrap().initialized());
    refused(made_aes(&officer, "late"), CKR_TOKEN_NOT_PRESENT);
    // Initialised anew, with a partition in the same slot.
    hsm.context.close_all_sessions(hsm.admin).unwrap();
    hsm.context.init_token(hsm.admin, Some(&Pin::from(HSM_SO)), "again").unwrap();
    let so = hsm.so();
    let number = hsm.container(&so, "par1");
    assert_eq!(hsm.slot_of(number), hsm.user);
    assert!(!hsm.lists(hsm.user, CKM_DES_CBC) && hsm.lists(hsm.user, CKM_AES_CBC));
    drop(so);
    let hsm = hsm.restarted();
    assert_eq!(hsm.hsm_policy(12), 0);
    assert!(!hsm.lists(hsm.user, CKM_DES_CBC));
}

/// Policy 15 lets the Partition SO help a locked Crypto Officer, policy 21 has him change what he got;
/// both at once, in partitions that are open.
#[test]
fn policies_15_and_21_act() {
    let hsm = Hsm::up(&["--policy", "20=2"]);
    let po = hsm.logged_in(hsm.user, UserType::PARTITION_SO, PARTITION_SO);
    let fresh = Pin::from("fresh-password");
    refused(po.reset_pin(&fresh), CKR_OPERATION_NOT_ALLOWED);
    let so = hsm.so();
    hsm.ok("CA_SetDestructiveHSMPolicy", &[session(&so), 21, 0]);
    hsm.refused("CA_SetHSMPolicy", &[session(&so), 15, 1], CKR_CONFIG_CHANGE_ILLEGAL);
    // Off to on zeroises, so a partition is made under it.
    hsm.ok("CA_SetDestructiveHSMPolicy", &[session(&so), 15, 1]);
    hsm.context.close_all_sessions(hsm.admin).unwrap();
    hsm.context.close_all_sessions(hsm.user).unwrap();
    hsm.context.init_token(hsm.admin, Some(&Pin::from(HSM_SO)), "again").unwrap();
    let so = hsm.so();
    let mut number = 0;
    hsm.ok("CA_CreateContainer", &container_words(&so, "par1", PARTITION_SO, 0, &mut number));
    let user = hsm.slot_of(number);
    let po = hsm.logged_in(user, UserType::PARTITION_SO, PARTITION_SO);
    po.init_pin(&Pin::from("first-password")).unwrap();
    po.reset_pin(&fresh).unwrap();
    po.logout().unwrap();
    // Policy 21 is off: nothing has to be changed.
    po.login(UserType::CRYPTO_OFFICER, &fresh).unwrap();
    aes(&po, "usable");
    po.logout().unwrap();
    hsm.ok("CA_SetHSMPolicy", &[session(&so), 21, 1]);
    po.login(UserType::PARTITION_SO, &Pin::from(PARTITION_SO)).unwrap();
    po.reset_pin(&Pin::from("third-password")).unwrap();
    po.logout().unwrap();
    po.login(UserType::CRYPTO_OFFICER, &Pin::from("third-password")).unwrap();
    refused(made_aes(&po, "expired"), CKR_PIN_EXPIRED);
    po.set_pin(&Pin::from("third-password"), &Pin::from("own-password")).unwrap();
    aes(&po, "usable again");
}

/// Policy 7 takes cloning from every partition; 39 is asked for a Secure Trusted Channel.
#[test]
fn policies_7_and_39_bound_those_of_partitions() {
    let hsm = Hsm::up(&[]);
    let shown = |slot_id| -> Vec<u64> {
        hsm.context.token_policies(slot_id).unwrap().iter().map(|it| it.id).collect()
    };
    assert!(shown(hsm.user).contains(&0) && shown(hsm.user).contains(&4));
    let po = hsm.logged_in(hsm.user, UserType::PARTITION_SO, PARTITION_SO);
    let stc = [luna_client::PolicyValue { id: 37, value: 1 }];
    refused(po.set_token_policies(hsm.user, &stc), CKR_CONFIG_FAILS_DEPENDENCIES);
    let so = hsm.so();
    let (mut ids, mut values) = ([7_u64, 39], [0_u64, 1]);
    let words = [session(&so), 2, list(&mut ids), list(&mut values)];
    hsm.ok("CA_SetDestructiveHSMPolicies", &words);
    hsm.context.close_all_sessions(hsm.admin).unwrap();
    hsm.context.init_token(hsm.admin, Some(&Pin::from(HSM_SO)), "again").unwrap();
    let so = hsm.so();
    let mut number = 0;
    hsm.ok("CA_CreateContainer", &container_words(&so, "par1", PARTITION_SO, 0, &mut number));
    let user = hsm.slot_of(number);
    assert!(!shown(user).contains(&0) && !shown(user).contains(&4));
    hsm.context.close_all_sessions(user).unwrap();
    let po = hsm.logged_in(user, UserType::PARTITION_SO, PARTITION_SO);
    po.set_token_policies(user, &stc).unwrap();
    // This link is none, so the slot is lost.
    assert!(hsm.context.token_info(user).is_err());
    assert!(!hsm.context.slots(true).unwrap().contains(&user));
}

/// Bits for policies: the HSM's on the admin slot, the partition's on its own.
#[test]
fn policy_vectors() {
    let hsm = Hsm::up(&[]);
    let [fixed] = hsm.numbers("CA_GetFPV", &[slot(hsm.admin)]);
    let [vector] = hsm.numbers("CA_GetTPV", &[slot(hsm.admin)]);
    let [low, high] = hsm.numbers("CA_GetExtendedTPV", &[slot(hsm.admin)]);
    assert_eq!(vector, low);
    assert_eq!(vector & !fixed, 0, "no policy exceeds its capability");
    assert!(vector & 1 << 12 != 0 && vector & 1 << 15 == 0);
    assert!(high & 1 << (48 - 32) != 0);
    let so = hsm.so();
    hsm.ok("CA_SetTPV", &[session(&so), (vector & !(1 << 21)) as usize]);
    assert_eq!(hsm.hsm_policy(21), 0);
    let off = (high & !(1 << (48 - 32))) as usize;
    hsm.ok("CA_SetExtendedTPV", &[session(&so), vector as usize, off]);
    assert_eq!((hsm.hsm_policy(21), hsm.hsm_policy(48)), (1, 0));
    let [partition] = hsm.numbers("CA_GetTPV", &[slot(hsm.user)]);
    assert!(partition & 1 != 0 && partition & 2 == 0, "cloning on, wrapping off");
    let po = hsm.logged_in(hsm.user, UserType::PARTITION_SO, PARTITION_SO);
    hsm.ok("CA_SetTPV", &[session(&po), (partition & !(1 << 21)) as usize]);
    let [after] = hsm.numbers("CA_GetTPV", &[slot(hsm.user)]);
    assert_eq!(after, partition & !(1 << 21));
}
