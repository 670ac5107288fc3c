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
