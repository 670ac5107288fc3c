//! Containers: partitions as the HSM SO makes, measures and deletes them.

use luna_ck::*;
use luna_client::{Pin, PolicyValue, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance};

use super::hsm::*;

const BITS: CK_ULONG = LUNA_CF_CONTAINER_ACTIVATED
    | LUNA_CF_CONTAINER_LUSR_ACTIVATED
    | LUNA_CF_PARTITION_INITIALIZED
    | LUNA_CF_USER_PIN_INITIALIZED
    | LUNA_CF_SO_PIN_LOCKED
    | LUNA_CF_SO_PIN_TO_BE_CHANGED
    | LUNA_CF_USER_PIN_LOCKED
    | LUNA_CF_LIMITED_USER_PIN_LOCKED
    | LUNA_CF_LIMITED_USER_CREATED
    | LUNA_CF_USER_PIN_TO_BE_CHANGED
    | LUNA_CF_LIMITED_USER_PIN_TO_BE_CHANGED
    | LUNA_CF_CONTAINER_ENABLED
    | LUNA_CF_KCV_CREATED
    | LUNA_CF_LKCV_CREATED
    | LUNA_CF_HA_INITIALIZED;

fn listed(hsm: &Hsm, slot_id: usize) -> Vec<CK_ULONG> {
    let mut count = 0_u64;
    hsm.ok("CA_GetContainerList", &[slot_id, 0, 0, 0, cell(&mut count)]);
    let mut all = vec![0; count as usize];
    hsm.ok("CA_GetContainerList", &[slot_id, 0, 0, list(&mut all), cell(&mut count)]);
    all
}

/// Made, used like any partition, and deleted: the slot is empty again, for good.
#[test]
fn a_partition_from_its_making_to_its_end() {
    let hsm = Hsm::up(&[]);
    let admin = slot(hsm.admin);
    let present = hsm.context.slots(true).unwrap().len();
    let [first] = hsm.numbers("CA_GetUserContainerNumber", &[slot(hsm.user)]);
    assert_eq!(listed(&hsm, admin), [first]);
    let so = hsm.so();
    let number = hsm.container(&so, "second");
    assert_eq!(listed(&hsm, admin), [first, number]);
    assert_eq!(hsm.bytes("CA_GetContainerName", &[admin, number as usize]), b"second");
    assert_eq!(hsm.context.slots(true).unwrap().len(), present + 1);
    let second = hsm.slot_of(number);
    assert!(!hsm.context.token_info(second).unwrap().initialized());
    let [found, previous] = hsm.numbers("CA_FindAdminSlotForSlot", &[slot(second)]);
    assert_eq!((found, previous), (hsm.admin.0, second.0));
    let [physical] = hsm.numbers("CA_GetSlotIdForPhysicalSlot", &[slot(second)]);
    assert_eq!(physical, second.0);

    // As any other partition.
    hsm.context.init_token(second, Some(&Pin::from(PARTITION_SO)), "two").unwrap();
    let session = hsm.logged_in(second, UserType::PARTITION_SO, PARTITION_SO);
    session.init_pin(&Pin::from("first-password")).unwrap();
    session.logout().unwrap();
    session.login(UserType::CRYPTO_OFFICER, &Pin::from("first-password")).unwrap();
    session.set_pin(&Pin::from("first-password"), &Pin::from(CRYPTO_OFFICER)).unwrap();
    let key = aes(&session, "here");
    encrypts(&session, key).unwrap();
    // It sees itself alone.
    assert_eq!(listed(&hsm, slot(second)), [number]);
    let mut len = 0_u64;
    let words = [slot(second), first as usize, 0, cell(&mut len)];
    hsm.refused("CA_GetContainerName", &words, CKR_CONTAINER_HANDLE_INVALID);
    drop(session);
    drop(so);

    let hsm = hsm.restarted();
    let session = hsm.logged_in(hsm.slot_of(number), UserType::CRYPTO_OFFICER, CRYPTO_OFFICER);
    assert_eq!(session.find(&[]).unwrap().len(), 1);
    refused_word(&hsm, "CA_DeleteContainerWithHandle", &session, number, CKR_USER_NOT_AUTHORIZED);
    let so = hsm.so();
    refused_word(&hsm, "CA_DeleteContainerWithHandle", &so, 99, CKR_CONTAINER_HANDLE_INVALID);
    hsm.ok("CA_DeleteContainerWithHandle", &[self::session(&so), number as usize]);
    assert_eq!(listed(&hsm, slot(hsm.admin)), [first]);
    assert_eq!(hsm.context.slots(true).unwrap().len(), present);
    assert!(encrypts(&session, key).is_err());
}

#[track_caller]
fn refused_word(
    hsm: &Hsm,
    name: &str,
    session: &luna_client::Session,
    word: CK_ULONG,
    code: CK_RV,
) {
    hsm.refused(name, &[self::session(session), word as usize], code);
}

/// `CA_DeleteContainer` has no number: it is the Partition SO's, of his own partition.
#[test]
fn a_partition_so_deletes_his_own() {
    let hsm = Hsm::up(&["--partition", "a"]);
    let officer = hsm.officer();
    hsm.refused("CA_DeleteContainer", &[session(&officer)], CKR_USER_NOT_AUTHORIZED);
    officer.logout().unwrap();
    let so = hsm.so();
    hsm.refused("CA_DeleteContainer", &[session(&so)], CKR_OPERATION_NOT_ALLOWED);
    officer.login(UserType::PARTITION_SO, &Pin::from(PARTITION_SO)).unwrap();
    hsm.ok("CA_DeleteContainer", &[session(&officer)]);
    assert!(!hsm.context.slots(true).unwrap().contains(&hsm.user));
}

#[test]
fn licence_and_room_are_bounds() {
    let hsm = Hsm::up(&[]);
    let admin = slot(hsm.admin);
    let [allowed] = hsm.numbers("CA_GetNumberOfAllowedContainers", &[admin]);
    assert_eq!(allowed, 5, "an A700 without a further licence");
    let so = hsm.so();
    let [overhead, total, used, free] = hsm.numbers("CA_GetHSMStorageInformation", &[admin]);
    assert_eq!((overhead, total), (9648, used + free));
    let mut number = 0;
    let words = container_words(&so, "huge", "", free as usize, &mut number);
    hsm.refused("CA_CreateContainer", &words, CKR_HSM_STORAGE_FULL);
    let words = container_words(&so, &"x".repeat(33), "", 0, &mut number);
    hsm.refused("CA_CreateContainer", &words, CKR_ARGUMENTS_BAD);
    for more in 2..=allowed {
        assert_eq!(hsm.container(&so, "more"), more);
    }
    let words = container_words(&so, "one too many", "", 0, &mut number);
    hsm.refused("CA_CreateContainer", &words, CKR_LICENSE_CAPACITY_EXCEEDED);
    let [_, _, _, free] = hsm.numbers("CA_GetHSMStorageInformation", &[admin]);
    assert_eq!(free, 0);
    // The lowest number is given again.
    hsm.ok("CA_DeleteContainerWithHandle", &[session(&so), 3]);
    assert_eq!(hsm.container(&so, "again"), 3);
}

#[test]
fn a_container_has_a_size() {
    let hsm = Hsm::up(&[]);
    let admin = slot(hsm.admin);
    let so = hsm.so();
    let mut number = 0;
    hsm.ok("CA_CreateContainer", &container_words(&so, "small", PARTITION_SO, 2000, &mut number));
    let storage = || -> [CK_ULONG; 5] {
        hsm.numbers("CA_GetContainerStorageInformation", &[admin, number as usize])
    };
    assert_eq!(storage(), [9648, 2000, 0, 2000, 0]);
    let user = hsm.slot_of(number);
    let session_of = hsm.logged_in(user, UserType::PARTITION_SO, PARTITION_SO);
    session_of.init_pin(&Pin::from("first-password")).unwrap();
    session_of.logout().unwrap();
    session_of.login(UserType::CRYPTO_OFFICER, &Pin::from("first-password")).unwrap();
    session_of.set_pin(&Pin::from("first-password"), &Pin::from(CRYPTO_OFFICER)).unwrap();
    let mut made = 0;
    let full = loop {
        match made_aes(&session_of, "filler") {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert!(full.is(CKR_CONTAINER_OBJECT_STORAGE_FULL) && made > 0, "{full} after {made}");
    let [_, total, used, free, objects] = storage();
    assert_eq!((total, objects), (used + free, made));
    let so = session(&so);
    let words = [so, number as usize, 100];
    hsm.refused("CA_SetContainerSize", &words, CKR_CONTAINER_OBJECT_STORAGE_FULL);
    let words = [so, number as usize, 1 << 30];
    hsm.refused("CA_SetContainerSize", &words, CKR_HSM_STORAGE_FULL);
    hsm.ok("CA_SetContainerSize", &[so, number as usize, 20_000]);
    aes(&session_of, "there is room");
    assert_eq!(storage()[1], 20_000);
}

#[test]
fn a_container_has_a_name_of_its_own() {
    let hsm = Hsm::up(&["--partition", "label"]);
    let user = slot(hsm.user);
    assert_eq!(hsm.bytes("CA_GetUserContainerName", &[user]), b"label");
    let words = [user, at(b"renamed"), 7];
    hsm.refused("CA_SetUserContainerName", &words, CKR_USER_NOT_LOGGED_IN);
    let officer = hsm.officer();
    hsm.refused("CA_SetUserContainerName", &words, CKR_USER_NOT_AUTHORIZED);
    officer.logout().unwrap();
    officer.login(UserType::PARTITION_SO, &Pin::from(PARTITION_SO)).unwrap();
    hsm.ok("CA_SetUserContainerName", &words);
    drop(officer);
    let hsm = hsm.restarted();
    assert_eq!(hsm.bytes("CA_GetUserContainerName", &[user]), b"renamed");
    assert_eq!(hsm.context.token_info(hsm.user).unwrap().label, "label");
}

/// Policies are the HSM SO's to set until there is a Partition SO.
#[test]
fn policies_of_a_container() {
    let hsm = Hsm::up(&[]);
    let admin = slot(hsm.admin);
    let so = hsm.so();
    let number = hsm.container(&so, "policies") as usize;
    let own = hsm.slot_of(number as u64);
    let capabilities = hsm.set("CA_GetContainerCapabilitySet", &[admin, number]);
    let policies = hsm.set("CA_GetContainerPolicySet", &[admin, number]);
    assert_eq!(capabilities.len(), policies.len());
    for ((id, value), (same, bound)) in policies.iter().zip(&capabilities) {
        assert_eq!(id, same);
        let [one] = hsm.numbers("CA_GetContainerPolicySetting", &[admin, number, *id as usize]);
        let [most] =
            hsm.numbers("CA_GetContainerCapabilitySetting", &[admin, number, *id as usize]);
        assert_eq!((one, most), (*value, *bound), "policy {id}");
    }
    let of = |id: u64| {
        hsm.context.token_policies(own).unwrap().iter().find(|it| it.id == id).unwrap().value
    };
    hsm.ok("CA_SetContainerPolicy", &[session(&so), number, 20, 3]);
    assert_eq!(of(20), 3);
    let (mut ids, mut values) = ([0_u64, 1], [0_u64, 1]);
    let words = [session(&so), number, 2, list(&mut ids), list(&mut values)];
    hsm.ok("CA_SetContainerPolicies", &words);
    assert_eq!((of(0), of(1)), (0, 1));
    let (mut ids, mut values) = ([0_u64], [1_u64]);
    let words = [session(&so), number, 1, list(&mut ids), list(&mut values)];
    hsm.refused("CA_SetContainerPolicies", &words, CKR_CONFIG_FAILS_DEPENDENCIES);
    // With a Partition SO they are his alone.
    hsm.context.init_token(own, Some(&Pin::from(PARTITION_SO)), "own").unwrap();
    let words = [session(&so), number, 20, 4];
    hsm.refused("CA_SetContainerPolicy", &words, CKR_USER_NOT_AUTHORIZED);
    let po = hsm.logged_in(own, UserType::PARTITION_SO, PARTITION_SO);
    hsm.ok("CA_SetContainerPolicy", &[session(&po), number, 20, 4]);
    assert_eq!(of(20), 4);
}

#[test]
fn the_status_of_a_container() {
    let hsm = Hsm::up(&["--policy", "20=3"]);
    let status = |slot_id: usize, number: usize| -> [CK_ULONG; 4] {
        let told: [CK_ULONG; 4] = hsm.numbers("CA_GetContainerStatus", &[slot_id, number]);
        assert_eq!(told[0] & !BITS, 0, "pycryptoki stops at any other bit");
        told
    };
    let admin = slot(hsm.admin);
    let so = hsm.so();
    let fresh = hsm.container(&so, "fresh") as usize;
    assert_eq!(status(admin, fresh), [LUNA_CF_CONTAINER_ENABLED, 0, 0, 0]);
    let [flags, ..] = status(slot(hsm.user), 1);
    let wanted = LUNA_CF_PARTITION_INITIALIZED
        | LUNA_CF_USER_PIN_INITIALIZED
        | LUNA_CF_LIMITED_USER_CREATED
        | LUNA_CF_KCV_CREATED
        | LUNA_CF_CONTAINER_ENABLED;
    assert_eq!(flags, wanted);
    let session = hsm.open(hsm.user);
    let wrong = Pin::from("wrong-password");
    for _ in 0..2 {
        refused(session.login(UserType::CRYPTO_USER, &wrong), CKR_PIN_INCORRECT);
    }
    refused(session.login(UserType::PARTITION_SO, &wrong), CKR_PIN_INCORRECT);
    assert_eq!(status(admin, 1), [wanted, 1, 0, 2]);
    for _ in 0..3 {
        refused(session.login(UserType::CRYPTO_OFFICER, &wrong), CKR_PIN_INCORRECT);
    }
    assert_eq!(status(admin, 1), [wanted | LUNA_CF_USER_PIN_LOCKED, 1, 3, 2]);
    let [flags, sessions, writing] = hsm.numbers("CA_GetTokenStatus", &[slot(hsm.user)]);
    assert_eq!((sessions, writing), (1, 1));
    assert_ne!(flags & CKF_USER_PIN_LOCKED, 0);
}

/// What a partition starts with, and one that starts otherwise, with stricter rules.
#[test]
fn a_template_sets_values_and_destructiveness() {
    let hsm = Hsm::up(&[]);
    let admin = slot(hsm.admin);
    let (mut version, mut len) = (0_u64, 0_u64);
    let asked = [admin, cell(&mut version), cell(&mut len), 0];
    hsm.ok("CA_GetPartitionPolicyTemplate", &asked);
    let mut template = vec![0_u8; len as usize];
    let asked = [admin, cell(&mut version), cell(&mut len), list(&mut template)];
    hsm.ok("CA_GetPartitionPolicyTemplate", &asked);
    let words: Vec<u64> =
        template.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect();
    let cloning = words.chunks(4).find(|row| row[0] == 0).unwrap();
    assert_eq!(cloning, [0, 1, 1, 0]);
    let so = hsm.so();
    let entry = |id: u64, value: u64, on: u64, off: u64| -> Vec<u8> {
        [id, value, on, off].iter().flat_map(|word| word.to_ne_bytes()).collect()
    };
    let made = |blob: &[u8], number: &mut u64| {
        let mut words = container_words(&so, "strict", PARTITION_SO, 0, number);
        words.extend([version as usize, blob.len(), at(blob)]);
        hsm.call("CA_CreateContainerWithPolicy", &words).0
    };
    let mut number = 0;
    // Harmless to switch off by the profile; destructive by this template.
    let strict = [entry(21, 1, 0, 1), entry(20, 4, 0, 0)].concat();
    assert_eq!(made(&strict, &mut number), CKR_OK);
    assert_eq!(made(&entry(0, 1, 0, 0), &mut 0), CKR_CONFIG_ILLEGAL, "never milder");
    let both = [entry(0, 1, 1, 0), entry(1, 1, 1, 0)].concat();
    assert_eq!(made(&both, &mut 0), CKR_CONFIG_FAILS_DEPENDENCIES);
    assert_eq!(made(&entry(99, 1, 0, 0), &mut 0), CKR_POLICY_ID_INVALID);
    assert_eq!(made(&strict[1..], &mut 0), CKR_ARGUMENTS_BAD);
    let user = hsm.slot_of(number);
    let session = hsm.logged_in(user, UserType::PARTITION_SO, PARTITION_SO);
    session.init_pin(&Pin::from("first-password")).unwrap();
    session.logout().unwrap();
    session.login(UserType::CRYPTO_OFFICER, &Pin::from("first-password")).unwrap();
    session.set_pin(&Pin::from("first-password"), &Pin::from(CRYPTO_OFFICER)).unwrap();
    aes(&session, "goes with the policy");
    session.logout().unwrap();
    session.login(UserType::PARTITION_SO, &Pin::from(PARTITION_SO)).unwrap();
    session.set_token_policies(user, &[PolicyValue { id: 20, value: 5 }]).unwrap();
    let objects = || hsm.context.token_storage(user).unwrap().objects;
    assert_eq!(objects(), 1);
    session.set_token_policies(user, &[PolicyValue { id: 21, value: 0 }]).unwrap();
    assert_eq!(objects(), 0);
}

/// `CA_InitToken` brings domain and policies with it.
#[test]
fn a_partition_initialised_with_policies() {
    let hsm = Hsm::up(&["--empty"]);
    let label = format!("{:32}", "with policies");
    let init = |slot_id, policies: &mut [CK_POLICY_INFO], hsm_policies: &mut [CK_POLICY_INFO]| {
        let words = [
            slot(slot_id),
            at(PARTITION_SO.as_bytes()),
            PARTITION_SO.len(),
            at(label.as_bytes()),
            at(b"domain"),
            6,
            policies.len(),
            list(policies),
            hsm_policies.len(),
            list(hsm_policies),
        ];
        hsm.call("CA_InitToken", &words).0
    };
    let row = |id, value, on| CK_POLICY_INFO {
        ulId: id,
        ulValue: value,
        ulOffToOnDestructive: on,
        ulOnToOffDestructive: 0,
    };
    let key_export = [row(0, 0, 1), row(1, 1, 1)];
    assert_eq!(
        init(hsm.user, &mut [row(0, 1, 1), row(1, 1, 1)], &mut []),
        CKR_CONFIG_FAILS_DEPENDENCIES
    );
    assert!(!hsm.context.token_info(hsm.user).unwrap().initialized());
    assert_eq!(init(hsm.user, &mut [], &mut [row(21, 0, 0)]), CKR_USER_NOT_AUTHORIZED);
    assert_eq!(init(hsm.user, &mut key_export.clone(), &mut []), CKR_OK);
    let info = hsm.context.token_info(hsm.user).unwrap();
    assert!(info.initialized() && info.label == "with policies");
    let policies = hsm.context.token_policies(hsm.user).unwrap();
    let of = |id| policies.iter().find(|it| it.id == id).unwrap().value;
    assert_eq!((of(0), of(1)), (0, 1));
    // The HSM likewise; its SO has this password from now on, and no partition is left.
    hsm.ok("CA_FactoryReset", &[slot(hsm.admin), 0]);
    assert_eq!(init(hsm.admin, &mut [], &mut [row(21, 0, 0)]), CKR_OK);
    assert_eq!(hsm.hsm_policy(21), 0);
    hsm.logged_in(hsm.admin, UserType::PARTITION_SO, PARTITION_SO);
}

/// The members of a group are its first and second slot.
#[test]
fn the_slots_behind_a_group() {
    let instance = Instance::up(&["--ha", "LUNAHA=OKV,OKV"]);
    let context = instance.context();
    let slots = context.slots(true).unwrap();
    let session_on =
        |at: usize| context.open_session(slots[at], luna_client::Access::ReadWrite).unwrap();
    let (group, member) = (session_on(2), session_on(1));
    let told = |name: &str, of: &luna_client::Session| {
        let mut found = 99_u64;
        (ca(&context, name, &[session(of), cell(&mut found)]).0, found)
    };
    assert_eq!(told("CA_GetPrimarySlot", &group), (CKR_OK, slots[0].0));
    assert_eq!(told("CA_GetSecondarySlot", &group), (CKR_OK, slots[1].0));
    assert_eq!(told("CA_GetPrimarySlot", &member), (CKR_OK, slots[1].0));
    assert_eq!(told("CA_GetSecondarySlot", &member).0, CKR_FUNCTION_NOT_SUPPORTED);
    instance.member("down", 0);
    assert_eq!(told("CA_GetPrimarySlot", &group), (CKR_OK, slots[1].0));
}
