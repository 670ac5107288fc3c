//! Roles of admin and user partitions: who makes whom, lock-outs, and the Limited Crypto Officer.

use luna_ck::*;
use luna_client::{Access, Pin, UserType};
use luna_tests::child::{Child, say, wait_for_parent};
use luna_tests::{CRYPTO_OFFICER, Instance};

use super::hsm::*;

const LIMITED: UserType = UserType(CKU_LIMITED_CRYPTO_OFFICER);
const V1: &[&str] = &["--profile", "luna-7.8.4", "--policy", "41=1"];
const CRYPTO_USER: &str = "crypto-user";

/// The password of `up`, which is shorter than those that roles may choose.
#[test]
fn the_hsm_so_of_up() {
    let hsm = Hsm::of(Instance::up(&["--admin-slot"]));
    hsm.logged_in(hsm.admin, UserType::PARTITION_SO, "hsm-so");
}

#[test]
fn the_admin_partition_has_three_roles() {
    let hsm = Hsm::up(&[]);
    let info = hsm.context.token_info(hsm.admin).unwrap();
    assert!(info.initialized() && info.flags & CKF_ADMIN_TOKEN != 0);
    assert_eq!(
        info.serial_number, hsm.instance.partitions[0].hsm,
        "its serial number is the HSM's"
    );
    let session = hsm.open(hsm.admin);
    let pin = Pin::from("some-password");
    for role in [UserType::CRYPTO_USER, LIMITED] {
        refused(session.login(role, &pin), CKR_USER_TYPE_INVALID);
    }
    refused(session.login(UserType::CRYPTO_OFFICER, &pin), CKR_USER_PIN_NOT_INITIALIZED);
    refused(session.login(AUDIT, &pin), CKR_USER_PIN_NOT_INITIALIZED);
    let on_user = hsm.open(hsm.user);
    refused(on_user.login(AUDIT, &pin), CKR_USER_TYPE_INVALID);
    // The HSM SO makes keys here (pycryptoki's tests do), and the Administrator.
    session.login(UserType::PARTITION_SO, &Pin::from(HSM_SO)).unwrap();
    let key = aes(&session, "the SO's");
    encrypts(&session, key).unwrap();
    session.init_pin(&Pin::from("first-password")).unwrap();
    session.logout().unwrap();
    session.login(UserType::CRYPTO_OFFICER, &Pin::from("first-password")).unwrap();
    refused(made_aes(&session, "too early"), CKR_PIN_EXPIRED);
    session.set_pin(&Pin::from("first-password"), &pin).unwrap();
    aes(&session, "the Administrator's");
    hsm.refused("CA_SetHSMPolicy", &[self::session(&session), 21, 0], CKR_USER_NOT_AUTHORIZED);
    // No read-only session beside a security officer.
    session.logout().unwrap();
    let read_only = hsm.context.open_session(hsm.admin, Access::ReadOnly).unwrap();
    let so = session.login(UserType::PARTITION_SO, &Pin::from(HSM_SO));
    refused(so, CKR_SESSION_READ_ONLY_EXISTS);
    read_only.close().unwrap();
}

/// Another slot's role, from a session of the HSM SO: the Partition SO, once.
#[test]
fn the_hsm_so_makes_a_partition_so() {
    let hsm = Hsm::up(&[]);
    let so = hsm.so();
    let number = hsm.container(&so, "theirs");
    let own = hsm.slot_of(number);
    let init = |of: &luna_client::Session, user: CK_USER_TYPE, pin: &str| {
        let words = [session(of), slot(own), user as usize, at(pin.as_bytes()), pin.len()];
        hsm.call("CA_InitSlotRolePIN", &words).0
    };
    assert_eq!(init(&so, CKU_USER, "some-password"), CKR_USER_NOT_AUTHORIZED);
    assert_eq!(init(&so, CKU_SO, "short"), CKR_PIN_LEN_RANGE);
    assert_eq!(init(&so, CKU_SO, PARTITION_SO), CKR_OK);
    assert_eq!(hsm.context.token_info(own).unwrap().label, "theirs");
    assert_eq!(init(&so, CKU_SO, PARTITION_SO), CKR_USER_NOT_AUTHORIZED);
    // On its own slot the call is CA_InitRolePIN.
    let po = hsm.logged_in(own, UserType::PARTITION_SO, PARTITION_SO);
    assert_eq!(init(&po, CKU_USER, "first-password"), CKR_OK);
    po.logout().unwrap();
    po.login(UserType::CRYPTO_OFFICER, &Pin::from("first-password")).unwrap();
}

/// Firmware 7.7 and partition version 1, or there is none.
#[test]
fn the_limited_crypto_officer() {
    let old = Instance::up(&["--profile", "luna-7.8.4"]);
    let context = old.context();
    let session = context.open_session(context.slots(true).unwrap()[0], Access::ReadWrite).unwrap();
    refused(session.login(LIMITED, &Pin::from("some-password")), CKR_USER_TYPE_INVALID);
    session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
    refused(session.init_role_pin(LIMITED, &Pin::from("some-password")), CKR_USER_TYPE_INVALID);
    drop(session);

    let hsm = Hsm::up(V1);
    let officer = hsm.officer();
    let key = aes(&officer, "the officer's");
    officer.init_role_pin(LIMITED, &Pin::from("first-password")).unwrap();
    officer.logout().unwrap();
    let role = || hsm.context.role_state(hsm.user, LIMITED).unwrap();
    assert_ne!(role().flags & CAF_ROLE_STATE_PIN_CHANGE, 0);
    let limited = officer;
    limited.login(LIMITED, &Pin::from("first-password")).unwrap();
    refused(encrypts(&limited, key), CKR_PIN_EXPIRED);
    limited.set_pin(&Pin::from("first-password"), &Pin::from("own-password")).unwrap();
    assert_eq!(role().flags & CAF_ROLE_STATE_PIN_CHANGE, 0);
    encrypts(&limited, key).unwrap();
    let own = aes(&limited, "his own");
    limited.destroy(own).unwrap();
    for made in [UserType::CRYPTO_USER, LIMITED] {
        refused(limited.init_role_pin(made, &Pin::from("some-password")), CKR_USER_NOT_AUTHORIZED);
    }
    limited.logout().unwrap();
    // His counter is his own; the officer lets him in again.
    for _ in 0..10 {
        refused(limited.login(LIMITED, &Pin::from("wrong-password")), CKR_PIN_INCORRECT);
    }
    refused(limited.login(LIMITED, &Pin::from("own-password")), CKR_PIN_LOCKED);
    limited.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
    limited.init_role_pin(LIMITED, &Pin::from("third-password")).unwrap();
    limited.logout().unwrap();
    limited.login(LIMITED, &Pin::from("third-password")).unwrap();
}

/// Each of five processes guesses; one is killed amid it. The role is locked once, by the right number
/// of guesses that were heard, and whoever comes later finds it so.
#[test]
fn wrong_logins_of_five_processes_lock_once() {
    let instance = Instance::up(&["--policy", "20=10"]);
    let mut children: Vec<Child> =
        (0..5).map(|_| Child::start("guesses-roles", &["4"], &instance)).collect();
    for child in &mut children {
        child.expect("ready");
    }
    for child in &mut children {
        child.go_on();
    }
    let victim = children.remove(0);
    let mut answers = victim.kill();
    for child in children {
        answers.extend(child.end().well());
    }
    let count = |what: &str| answers.iter().filter(|answer| *answer == what).count();
    // The victim may have been heard without saying so.
    let wrong = count("wrong");
    assert!((6..=10).contains(&wrong), "{answers:?}");
    assert!(count("other") == 0 && count("locked") >= 6, "{answers:?}");
    let context = instance.context();
    let slots = context.slots(true).unwrap();
    let session = context.open_session(slots[0], Access::ReadWrite).unwrap();
    let state = context.role_state(slots[0], UserType::CRYPTO_OFFICER).unwrap();
    assert_eq!(state.login_attempts_left, 0);
    assert_ne!(state.flags & CAF_ROLE_STATE_LOCKED_OUT, 0);
    for (role, password) in
        [(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER), (UserType::CRYPTO_USER, CRYPTO_USER)]
    {
        refused(session.login(role, &Pin::from(password)), CKR_PIN_LOCKED);
    }
    session.login(UserType::PARTITION_SO, &Pin::from(PARTITION_SO)).unwrap();
}

/// What a guessing process does.
pub(crate) fn child(words: &[String]) {
    let directory = std::env::var("ChrystokiConfigurationPath").unwrap();
    let directory = std::path::Path::new(&directory);
    let module = luna_client::Module::load(directory.join("lib/libCryptoki2_64.so")).unwrap();
    let context = module.initialize(luna_tests::init_args(directory)).unwrap();
    let slots = context.slots(true).unwrap();
    let session = context.open_session(slots[0], Access::ReadWrite).unwrap();
    say("ready");
    wait_for_parent();
    for guess in 0..words[0].parse::<usize>().unwrap() {
        let pin = Pin::from(format!("wrong-{guess}-{}", std::process::id()).as_str());
        let error = session.login(UserType::CRYPTO_OFFICER, &pin).unwrap_err();
        say(if error.is(CKR_PIN_INCORRECT) {
            "wrong"
        } else if error.is(CKR_PIN_LOCKED) {
            "locked"
        } else {
            "other"
        });
    }
}
