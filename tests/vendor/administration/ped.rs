//! PED partitions: keys of a PED, challenges, activation and what a power cut leaves of it.

use luna_ck::*;
use luna_client::{Pin, PolicyValue, Session, UserType};
use luna_tests::{CRYPTO_OFFICER, Instance};

use super::hsm::*;

const OFFICER: UserType = UserType::CRYPTO_OFFICER;

fn officers(session: &Session) -> luna_client::Result<()> {
    session.login(OFFICER, &Pin::from(CRYPTO_OFFICER))
}

fn activated(hsm: &Hsm) -> bool {
    let state = hsm.context.role_state(hsm.user, OFFICER).unwrap();
    assert_eq!((state.primary_auth, state.secondary_auth), (2, 1));
    state.flags & CAF_ROLE_STATE_ACTIVATED != 0
}

fn set(hsm: &Hsm, po: &Session, id: u64, value: u64) {
    po.set_token_policies(hsm.user, &[PolicyValue { id, value }]).unwrap();
}

/// The Partition SO, whose key the PED holds.
fn partition_so(hsm: &Hsm) -> Session {
    let session = hsm.open(hsm.user);
    session.login_elsewhere(UserType::PARTITION_SO).unwrap();
    session
}

#[test]
fn an_activated_partition_wants_the_challenge_alone() {
    let hsm = Hsm::up(&["--ped"]);
    let flags = hsm.context.token_info(hsm.user).unwrap().flags;
    assert_ne!(flags & CKF_PROTECTED_AUTHENTICATION_PATH, 0);
    assert!(activated(&hsm));
    hsm.instance.member("detach-ped", 0);
    let session = hsm.open(hsm.user);
    officers(&session).unwrap();
    aes(&session, "by challenge");
    session.logout().unwrap();
    // Deactivated, the key is asked for again, and there is no PED.
    hsm.ok("CA_Deactivate", &[slot(hsm.user), CKU_USER as usize]);
    assert!(!activated(&hsm));
    refused(officers(&session), CKR_PED_UNPLUGGED);
    hsm.instance.member("attach-ped", 0);
    officers(&session).unwrap();
    assert!(activated(&hsm), "a login with the key caches it again");
    let status: [u64; 4] = hsm.numbers("CA_GetContainerStatus", &[slot(hsm.user), 1]);
    assert_ne!(status[0] & LUNA_CF_CONTAINER_ACTIVATED, 0);
    session.logout().unwrap();
    // No PIN where the PED asks, and no PED key where there is a challenge: neither counts.
    refused(session.login(UserType::PARTITION_SO, &Pin::from(PARTITION_SO)), CKR_ARGUMENTS_BAD);
    refused(session.login_elsewhere(OFFICER), CKR_ARGUMENTS_BAD);
    let state = hsm.context.role_state(hsm.user, OFFICER).unwrap();
    assert_eq!(state.login_attempts_left, 10);
}

/// Policies 22 and 23: a power cut ends activation, automatic activation lives through two hours.
#[test]
fn a_power_cut_ends_activation() {
    let hsm = Hsm::up(&["--ped"]);
    let cut = |off_for: &str| {
        hsm.instance.member("down", 0);
        let serial = &hsm.instance.partitions[0].serial;
        let done = hsm
            .instance
            .program("luna-emulator")
            .args(["member", "up", serial, "--off-for", off_for])
            .status()
            .unwrap();
        assert!(done.success());
    };
    assert!(activated(&hsm));
    cut("1");
    assert!(!activated(&hsm));
    let po = partition_so(&hsm);
    refused(
        po.set_token_policies(
            hsm.user,
            &[PolicyValue { id: 22, value: 0 }, PolicyValue { id: 23, value: 1 }],
        ),
        CKR_CONFIG_FAILS_DEPENDENCIES,
    );
    set(&hsm, &po, 23, 1);
    po.logout().unwrap();
    officers(&po).unwrap();
    drop(po);
    cut("7200");
    assert!(activated(&hsm));
    hsm.instance.member("detach-ped", 0);
    officers(&hsm.open(hsm.user)).unwrap();
    cut("7201");
    assert!(!activated(&hsm));
    refused(officers(&hsm.open(hsm.user)), CKR_PED_UNPLUGGED);
    hsm.instance.member("attach-ped", 0);
    // Policy 22 off, nothing is cached.
    let po = partition_so(&hsm);
    po.set_token_policies(
        hsm.user,
        &[PolicyValue { id: 23, value: 0 }, PolicyValue { id: 22, value: 0 }],
    )
    .unwrap();
    po.logout().unwrap();
    officers(&po).unwrap();
    assert!(!activated(&hsm));
}

/// Policy 15: wrong challenges lock out only where they are not passed over.
#[test]
fn wrong_challenges() {
    let hsm = Hsm::up(&["--ped", "--policy", "20=3"]);
    let session = hsm.open(hsm.user);
    let wrong = Pin::from("wrong-challenge");
    for _ in 0..5 {
        refused(session.login(OFFICER, &wrong), CKR_CHALLENGE_INCORRECT);
    }
    officers(&session).unwrap();
    session.logout().unwrap();
    drop(session);
    let po = partition_so(&hsm);
    set(&hsm, &po, 15, 0);
    po.logout().unwrap();
    for _ in 0..3 {
        refused(po.login(OFFICER, &wrong), CKR_CHALLENGE_INCORRECT);
    }
    refused(officers(&po), CKR_PIN_LOCKED);
    let state = hsm.context.role_state(hsm.user, OFFICER).unwrap();
    assert_ne!(state.flags & CAF_ROLE_STATE_LOCKED_OUT, 0);
}

/// From nothing: by the PED alone, then with a challenge that the HSM chose and the role changes.
#[test]
fn a_challenge_from_its_making_on() {
    let hsm = Hsm::up(&["--ped", "--empty"]);
    hsm.context.init_token(hsm.user, None, "ped").unwrap();
    let po = partition_so(&hsm);
    let make = |name: &str, words: &[usize]| -> Vec<u8> {
        let mut len = 0_u64;
        let asked = [words, &[0, 0, cell(&mut len), 0]].concat();
        hsm.ok(name, &asked);
        let mut text = vec![0_u8; len as usize];
        hsm.ok(name, &[words, &[0, 0, cell(&mut len), list(&mut text)]].concat());
        text.truncate(len as usize);
        text
    };
    let mut len = 16_u64;
    let mut text = [0_u8; 16];
    let words = [session(&po), CKU_USER as usize, 0, 0, cell(&mut len), list(&mut text)];
    hsm.refused("CA_CreateLoginChallenge", &words, CKR_USER_PIN_NOT_INITIALIZED);
    po.init_role_pin_by_ped();
    // The key alone lets the officer in while he has no challenge.
    po.logout().unwrap();
    po.login_elsewhere(OFFICER).unwrap();
    aes(&po, "by key");
    hsm.refused("CA_CreateLoginChallenge", &words, CKR_USER_NOT_AUTHORIZED);
    po.logout().unwrap();
    po.login_elsewhere(UserType::PARTITION_SO).unwrap();
    let first = make("CA_CreateLoginChallenge", &[session(&po), CKU_USER as usize]);
    assert_eq!(first.len(), 16);
    let first = Pin::from(String::from_utf8(first).unwrap().as_str());
    po.logout().unwrap();
    po.login(OFFICER, &first).unwrap();
    refused(made_aes(&po, "too early"), CKR_PIN_EXPIRED);
    let state = hsm.context.role_state(hsm.user, OFFICER).unwrap();
    assert_ne!(state.flags & CAF_ROLE_STATE_CHALLENGE_CHANGE, 0);
    po.set_pin(&first, &Pin::from("own-challenge")).unwrap();
    aes(&po, "by challenge");
    po.logout().unwrap();
    refused(po.login(OFFICER, &first), CKR_CHALLENGE_INCORRECT);
    po.login(OFFICER, &Pin::from("own-challenge")).unwrap();
    po.logout().unwrap();
    // One that the caller chose; on its own slot the container form is the same.
    po.login_elsewhere(UserType::PARTITION_SO).unwrap();
    let chosen = b"chosen-challenge";
    let own = [session(&po), slot(hsm.user), CKU_USER as usize, chosen.len(), at(chosen), 0, 0];
    hsm.ok("CA_CreateContainerLoginChallenge", &own);
    po.logout().unwrap();
    po.login(OFFICER, &Pin::from("chosen-challenge")).unwrap();
    po.logout().unwrap();
    // The HSM SO is no owner of roles in other partitions.
    let so = hsm.open(hsm.admin);
    so.login_elsewhere(UserType::PARTITION_SO).unwrap();
    let others = [session(&so), slot(hsm.user), CKU_USER as usize, chosen.len(), at(chosen), 0, 0];
    hsm.refused("CA_CreateContainerLoginChallenge", &others, CKR_USER_NOT_AUTHORIZED);
}

/// The vector is the HSM SO's; servers there are none.
#[test]
fn remote_peds() {
    let hsm = Hsm::up(&["--ped"]);
    let admin = slot(hsm.admin);
    let officer = hsm.open(hsm.user);
    officers(&officer).unwrap();
    for name in ["CA_InitializeRemotePEDVector", "CA_DeleteRemotePEDVector"] {
        hsm.refused(name, &[session(&officer)], CKR_USER_NOT_AUTHORIZED);
    }
    let so = hsm.open(hsm.admin);
    so.login_elsewhere(UserType::PARTITION_SO).unwrap();
    assert_eq!(hsm.numbers::<1>("CA_GetRemotePEDVectorStatus", &[admin]), [0]);
    hsm.ok("CA_InitializeRemotePEDVector", &[session(&so)]);
    assert_eq!(hsm.numbers::<1>("CA_GetRemotePEDVectorStatus", &[admin]), [1]);
    hsm.ok("CA_DeleteRemotePEDVector", &[session(&so)]);
    assert_eq!(hsm.numbers::<1>("CA_GetRemotePEDVectorStatus", &[admin]), [0]);
    hsm.ok("CA_SetHSMPolicy", &[session(&so), 25, 0]);
    hsm.refused("CA_InitializeRemotePEDVector", &[session(&so)], CKR_PED_UNSUPPORTED);
    let mut id = 9_u64;
    let words = [admin, at(b"ped.example\0"), 1503, cell(&mut id)];
    hsm.refused("CA_ConfigureRemotePED", &words, CKR_PED_CLIENT_NOT_RUNNING);
    hsm.refused("CA_DismantleRemotePED", &[admin, 1], CKR_PED_CLIENT_NOT_RUNNING);
    hsm.refused("CA_ConnectRemotePED", &[admin, 1, 0, 0], CKR_PED_CLIENT_NOT_RUNNING);
    hsm.refused("CA_DisconnectRemotePED", &[admin, 1], CKR_PED_CLIENT_NOT_RUNNING);
    hsm.refused("CA_SetPedId", &[admin, 1], CKR_PED_CLIENT_NOT_RUNNING);
    hsm.ok("CA_SetPedId", &[admin, 0]);
    assert_eq!(hsm.numbers::<1>("CA_GetPedId", &[admin]), [0]);
}

/// A password HSM has none of it.
#[test]
fn a_password_hsm_refuses_what_wants_a_ped() {
    let hsm = Hsm::up(&[]);
    let flags = hsm.context.token_info(hsm.user).unwrap().flags;
    assert_eq!(flags & CKF_PROTECTED_AUTHENTICATION_PATH, 0);
    let policies = hsm.context.token_policies(hsm.user).unwrap();
    assert!(policies.iter().all(|it| it.id != 22 && it.id != 23));
    let session = hsm.open(hsm.user);
    refused(session.login_elsewhere(OFFICER), CKR_ARGUMENTS_BAD);
    let no = CKR_FUNCTION_NOT_SUPPORTED;
    let user = slot(hsm.user);
    let mut number = 0_u64;
    hsm.refused("CA_Deactivate", &[user, CKU_USER as usize], no);
    hsm.refused("CA_InitializeRemotePEDVector", &[self::session(&session)], no);
    hsm.refused("CA_DeleteRemotePEDVector", &[self::session(&session)], no);
    hsm.refused("CA_GetRemotePEDVectorStatus", &[user, cell(&mut number)], no);
    hsm.refused("CA_ConfigureRemotePED", &[user, at(b"x\0"), 1503, cell(&mut number)], no);
    hsm.refused("CA_DismantleRemotePED", &[user, 1], no);
    hsm.refused("CA_ConnectRemotePED", &[user, 1, 0, 0], no);
    hsm.refused("CA_DisconnectRemotePED", &[user, 1], no);
    hsm.refused("CA_SetPedId", &[user, 0], no);
    hsm.refused("CA_GetPedId", &[user, cell(&mut number)], no);
    session.login(UserType::PARTITION_SO, &Pin::from(PARTITION_SO)).unwrap();
    let chosen = b"chosen-challenge";
    let words = [self::session(&session), CKU_USER as usize, chosen.len(), at(chosen), 0, 0];
    hsm.refused("CA_CreateLoginChallenge", &words, no);
}

/// What a session of the client library has no word for: a role made by the PED.
trait ByPed {
    fn init_role_pin_by_ped(&self);
}

impl ByPed for Session {
    #[track_caller]
    fn init_role_pin_by_ped(&self) {
        let code = ca(self.context(), "C_InitPIN", &[session(self), 0, 0]);
        assert_eq!(code.0, CKR_OK);
    }
}

/// One instance has one kind of HSM, and says so in its policies.
#[test]
fn capabilities_tell_the_kind() {
    let of = |options: &[&str]| {
        let instance = Instance::up(options);
        let hsm = Hsm::of(instance);
        let set = hsm.set("CA_GetHSMCapabilitySet", &[slot(hsm.admin)]);
        (set.contains(&(0, 1)), set.contains(&(1, 1)))
    };
    assert_eq!(of(&["--admin-slot"]), (true, false));
    assert_eq!(of(&["--admin-slot", "--ped"]), (false, true));
}
