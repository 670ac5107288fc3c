//! Policies that members of a group ask for: cloning, network replication, recovery.

use luna_ck::*;
use luna_client::{Access, Attribute, Context, Pin, Session, SlotId, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance, officer};

use super::hsm::*;

const GROUP: [&str; 2] = ["--ha", "LUNAHA=a,b"];

/// Members and group: three slots.
fn slots(context: &Context) -> [SlotId; 3] {
    let all = context.slots(true).unwrap();
    [all[0], all[1], all[2]]
}

fn has(session: &Session, label: &str) -> bool {
    !session.find(&[Attribute::label(label)]).unwrap().is_empty()
}

/// Whether the second member is up, as the group sees it after a call.
fn second_is_up(context: &Context, group: SlotId, session: &Session) -> bool {
    session.find(&[Attribute::label("anything")]).unwrap();
    context.ha_state(group).unwrap().members[1].status.0 == CKR_OK
}

/// Policy 21: a member that was lost is logged in again by the others, or is not.
#[test]
fn recovery_wants_policy_21() {
    for (value, comes_back) in [("21=1", true), ("21=0", false)] {
        let instance = Instance::up(&[&GROUP[..], &["--policy", value]].concat());
        let context = instance.context();
        let [_, _, group] = slots(&context);
        let session = officer(&context, group);
        assert!(second_is_up(&context, group, &session));
        instance.member("down", 1);
        assert!(!second_is_up(&context, group, &session));
        instance.member("up", 1);
        assert_eq!(second_is_up(&context, group, &session), comes_back, "{value}");
        // Before a login there is nothing to log in again.
        session.logout().unwrap();
        assert!(second_is_up(&context, group, &session), "{value}");
    }
}

/// Policies 0 and 4: what must not be cloned stays where it was made.
#[test]
fn cloning_wants_its_policies() {
    let instance = Instance::up(&[&GROUP[..], &["--policy", "4=0"]].concat());
    let context = instance.context();
    let [first, second, group] = slots(&context);
    let session = officer(&context, group);
    let _ = made_aes(&session, "stays");
    session
        .create_object(&[
            Attribute::class(CKO_DATA),
            Attribute::token(true),
            Attribute::label("travels"),
        ])
        .unwrap();
    let (one, two) = (officer(&context, first), officer(&context, second));
    assert!(has(&one, "travels") && has(&two, "travels"));
    assert!(!(has(&one, "stays") && has(&two, "stays")));
}

/// HSM policy 16 keeps objects from travelling to an HSM and from it, live.
#[test]
fn replication_wants_hsm_policy_16() {
    let instance = Instance::up(&[&GROUP[..], &["--admin-slot", "--so-password", HSM_SO]].concat());
    let context = instance.context();
    let [first, second, group] = slots(&context);
    let all = context.slots(true).unwrap();
    let admins: Vec<SlotId> = all
        .iter()
        .copied()
        .filter(|it| context.token_info(*it).unwrap().flags & CKF_ADMIN_TOKEN != 0)
        .collect();
    assert_eq!(admins.len(), 2);
    let session = officer(&context, group);
    aes(&session, "before");
    let so = context.open_session(admins[1], Access::ReadWrite).unwrap();
    so.login(UserType::PARTITION_SO, &Pin::from(HSM_SO)).unwrap();
    let set = |value: usize| {
        let words = [self::session(&so), 16, value];
        assert_eq!(ca(&context, "CA_SetHSMPolicy", &words).0, CKR_OK);
    };
    set(0);
    let _ = made_aes(&session, "during");
    set(1);
    let (one, two) = (officer(&context, first), officer(&context, second));
    assert!(has(&one, "before") && has(&two, "before"));
    assert!(!(has(&one, "during") && has(&two, "during")));
}

/// HSM policy 12 off: partition policy 43 is off and locked.
#[test]
fn fips_mode_of_the_hsm_locks_that_of_the_partition() {
    let hsm = Hsm::up(&["--profile", "luna-7.8.4", "--fips", "on"]);
    let policies = hsm.context.token_policies(hsm.user).unwrap();
    assert_eq!(policies.iter().find(|it| it.id == 43).unwrap().value, 0);
    let po = hsm.logged_in(hsm.user, UserType::PARTITION_SO, PARTITION_SO);
    let on = [luna_client::PolicyValue { id: 43, value: 1 }];
    refused(po.set_token_policies(hsm.user, &on), CKR_CONFIG_FAILS_DEPENDENCIES);
    po.logout().unwrap();
    po.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
    assert!(!hsm.lists(hsm.user, CKM_DES_CBC));
}

/// A configuration with one key more of the section of groups.
fn initialized(instance: &Instance, key: Option<&str>) -> Context {
    let more = key.map_or(String::new(), |key| format!("HAConfiguration = {{\n   {key};\n}}\n"));
    let name = key.map_or("plain", |key| key.split(' ').next().unwrap());
    let view = instance.seen_otherwise(name, |text| text + &more);
    let module = luna_client::Module::load(instance.module()).unwrap();
    module.initialize(luna_tests::init_args(&view)).unwrap()
}

/// A member whose audit log is full refuses crypto, and the group with it; `ProbeTimeout` lets the group leave it.
///
/// Source: ha.md section 8 (Documented).
#[test]
fn a_member_with_a_full_log_is_left_by_probe_timeout_alone() {
    let instance = Instance::up(&[&GROUP[..], &["--admin-slot", "--so-password", HSM_SO]].concat());
    let context = initialized(&instance, None);
    let [first, _, group] = slots(&context);
    let session = officer(&context, group);
    let key = aes(&session, "busy");
    let all = context.slots(true).unwrap();
    let serial = &instance.partitions[0].hsm;
    let admin = all.iter().find(|it| context.token_info(**it).unwrap().serial_number == *serial);
    let admin = *admin.expect("the first member's admin slot");
    let words = [slot(admin), at(AUDITOR.as_bytes()), AUDITOR.len(), at(&[b' '; 32])];
    assert_eq!(ca(&context, "CA_InitAudit", &words).0, CKR_OK);
    let auditor = context.open_session(admin, Access::ReadWrite).unwrap();
    auditor.login(AUDIT, &Pin::from(AUDITOR)).unwrap();
    // Every use of a key, and nowhere to put the records.
    let words = [self::session(&auditor), 0x20, 0, 0, 0, 0];
    assert_eq!(ca(&context, "CA_LogSetConfig", &words).0, CKR_OK);
    auditor.logout().unwrap();
    for _ in 0..1024 {
        encrypts(&session, key).unwrap();
    }
    refused(encrypts(&session, key), CKR_LOG_FULL);
    assert_eq!(context.ha_state(group).unwrap().members[0].status.0, CKR_OK, "no failover");
    drop((session, auditor));
    context.finalize().unwrap();

    let context = initialized(&instance, Some("ProbeTimeout = 1000"));
    let session = officer(&context, group);
    let key = session.find(&[Attribute::label("busy")]).unwrap()[0];
    encrypts(&session, key).unwrap();
    let members = context.ha_state(group).unwrap().members;
    assert_eq!((members[0].status.0, members[1].status.0), (CKR_DEVICE_ERROR, CKR_OK));
    // The member's own slot says what it said.
    let own = officer(&context, first);
    let key = own.find(&[Attribute::label("busy")]).unwrap()[0];
    refused(encrypts(&own, key), CKR_LOG_FULL);
}

/// A member that is deactivated, and has no PED, fails the group's login; or the group goes on without it.
///
/// Source: ha.md sections 3 and 8 (Documented).
#[test]
fn a_deactivated_member_is_left_by_its_key_alone() {
    let instance = Instance::up(&[&GROUP[..], &["--ped"]].concat());
    let login = |context: &Context, group: SlotId| {
        let session = context.open_session(group, Access::ReadWrite).unwrap();
        let answer = session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER));
        (session, answer)
    };
    let context = initialized(&instance, None);
    let [first, _, group] = slots(&context);
    let (session, answer) = login(&context, group);
    answer.unwrap();
    drop(session);
    instance.member("detach-ped", 0);
    let words = [slot(first), CKU_USER as usize];
    assert_eq!(ca(&context, "CA_Deactivate", &words).0, CKR_OK);
    let (session, answer) = login(&context, group);
    refused(answer, CKR_PED_UNPLUGGED);
    drop(session);
    context.finalize().unwrap();

    let context = initialized(&instance, Some("failover_on_deactivation = 1"));
    let (session, answer) = login(&context, group);
    answer.unwrap();
    aes(&session, "on the other");
    let members = context.ha_state(group).unwrap().members;
    assert_eq!((members[0].status.0, members[1].status.0), (CKR_DEVICE_ERROR, CKR_OK));
}
