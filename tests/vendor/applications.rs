//! Identities of applications: shared logins, sessions under them, what a session tells of itself.

use luna_ck::*;
use luna_client::{Access, Attribute, Context, InitArgs, Module, Pin, Rv, Session, UserType};
use luna_tests::child::{Child, say, wait_for_parent};
use luna_tests::{CRYPTO_OFFICER, Instance, first_slot};

use crate::call::{aes, ca, cell, encrypts, ok, refused, session, slot};

/// High and low word.
const ID: [usize; 2] = [0x11, 0x2222];

/// What the child does: sets the identity, opens it if it is told to, logs in if it is told to, and says
/// which state its session has before and after each word of its parent.
pub(crate) fn child(words: &[String]) {
    let path = std::env::var_os("LUNA_MODULE").expect("given");
    let module = Module::load(std::path::Path::new(&path)).expect("loads");
    let context = module.initialize(InitArgs::OsLocking).expect("initialises");
    let does = |word: &str| words.iter().any(|it| it == word);
    ok(&context, "CA_SetApplicationID", &ID);
    let slot_id = first_slot(&context);
    if does("open") {
        ok(&context, "CA_OpenApplicationID", &[slot(slot_id), ID[0], ID[1]]);
    }
    let session = context.open_session(slot_id, Access::ReadWrite).expect("opens");
    if does("login") {
        session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).expect("logs in");
    }
    say(&state(&session).to_string());
    loop {
        wait_for_parent();
        say(&state(&session).to_string());
        if does("logout") {
            session.logout().expect("logs out");
            say("out");
        }
        if does("once") {
            // Leaves without a word, as a process that is killed does.
            std::process::exit(0);
        }
    }
}

fn state(session: &Session) -> CK_STATE {
    session.info().expect("a session").state
}

fn start(words: &[&str], instance: &Instance) -> Child {
    let mut command = Child::command("shares", words, instance.directory());
    command.env("LUNA_MODULE", instance.module());
    Child::begin(&mut command)
}

fn named(instance: &Instance) -> (Context, Session) {
    let context = instance.context();
    ok(&context, "CA_SetApplicationID", &ID);
    let session = context.open_session(first_slot(&context), Access::ReadWrite).unwrap();
    (context, session)
}

const PUBLIC: &str = "2";
const USER: &str = "3";

#[test]
fn two_processes_of_one_identity_share_a_login() {
    let instance = Instance::up(&[]);
    let (context, own) = named(&instance);
    let other = context.open_session(first_slot(&context), Access::ReadOnly).unwrap();
    let mut child = start(&["login"], &instance);
    child.expect(USER);
    assert_eq!(state(&own), CKS_RW_USER_FUNCTIONS);
    assert_eq!(state(&other), CKS_RO_USER_FUNCTIONS);
    let key = aes(&own, "shared", &[Attribute::private(true)]);
    encrypts(&own, key).unwrap();
    let again = own.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER));
    assert!(again.unwrap_err().is(CKR_USER_ALREADY_LOGGED_IN));

    // One that logs out logs all out.
    own.logout().unwrap();
    child.go_on();
    child.expect(PUBLIC);
    assert_eq!(state(&other), CKS_RO_PUBLIC_SESSION);
    assert!(encrypts(&own, key).is_err());
    drop(child);
}

#[test]
fn a_login_ends_with_the_last_process_that_dies() {
    let instance = Instance::up(&[]);
    let mut child = start(&["login"], &instance);
    child.expect(USER);
    let mut second = start(&[], &instance);
    second.expect(USER);
    child.kill();
    // The second keeps it alive.
    let mut third = start(&[], &instance);
    third.expect(USER);
    second.kill();
    third.kill();
    let mut fourth = start(&[], &instance);
    fourth.expect(PUBLIC);
    fourth.kill();
}

#[test]
fn another_identity_is_not_logged_in() {
    let instance = Instance::up(&[]);
    let mut child = start(&["login"], &instance);
    child.expect(USER);
    let context = instance.context();
    ok(&context, "CA_SetApplicationID", &[ID[0], ID[1] + 1]);
    let stranger = context.open_session(first_slot(&context), Access::ReadWrite).unwrap();
    assert_eq!(state(&stranger), CKS_RW_PUBLIC_SESSION);
    // Nor is one that names none.
    ok(&context, "CA_SetApplicationID", &[0, 0]);
    let nobody = context.open_session(first_slot(&context), Access::ReadWrite).unwrap();
    assert_eq!(state(&nobody), CKS_RW_PUBLIC_SESSION);
    child.kill();
}

#[test]
fn an_open_identity_outlives_the_process_and_ends_when_it_is_closed() {
    let instance = Instance::up(&[]);
    let mut child = start(&["open", "login", "once"], &instance);
    child.expect(USER);
    child.go_on();
    child.expect(USER);
    assert!(child.end().status.success());

    let (context, own) = named(&instance);
    let first = slot(first_slot(&context));
    assert_eq!(state(&own), CKS_RW_USER_FUNCTIONS);
    let key = aes(&own, "kept", &[Attribute::private(true)]);
    encrypts(&own, key).unwrap();
    refused(&context, "CA_OpenApplicationID", &[first, ID[0], ID[1]], CKR_DATA_INVALID);
    own.close().unwrap();
    let own = context.open_session(first_slot(&context), Access::ReadWrite).unwrap();
    assert_eq!(state(&own), CKS_RW_USER_FUNCTIONS);
    own.close().unwrap();

    ok(&context, "CA_CloseApplicationID", &[first, ID[0], ID[1]]);
    // A second success would tell the vendor's tool that the identity is still in use.
    refused(&context, "CA_CloseApplicationID", &[first, ID[0], ID[1]], CKR_DATA_INVALID);
    let own = context.open_session(first_slot(&context), Access::ReadWrite).unwrap();
    assert_eq!(state(&own), CKS_RW_PUBLIC_SESSION);
}

#[test]
fn a_cut_of_the_member_ends_an_open_identity() {
    let instance = Instance::up(&[]);
    let (context, own) = named(&instance);
    let first = slot(first_slot(&context));
    ok(&context, "CA_OpenApplicationID", &[first, ID[0], ID[1]]);
    own.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
    instance.member("down", 0);
    instance.member("up", 0);
    let own = context.open_session(first_slot(&context), Access::ReadWrite).unwrap();
    assert_eq!(state(&own), CKS_RW_PUBLIC_SESSION);
    // It is open no longer, so that it can be opened.
    ok(&context, "CA_OpenApplicationID", &[first, ID[0], ID[1]]);
}

#[test]
fn the_partition_key_of_a_shared_login_is_in_no_file() {
    let instance = Instance::up(&[]);
    let (context, own) = named(&instance);
    ok(&context, "CA_OpenApplicationID", &[slot(first_slot(&context)), ID[0], ID[1]]);
    own.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
    for entry in std::fs::read_dir(instance.hsm(0)).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let secret = CRYPTO_OFFICER.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    // Without the machine's memory the files alone log nobody in: a copy on another machine has
    // another boot. What cannot be tried here is tried in `hsm::sharing`.
}

#[test]
fn identities_of_sixteen_bytes_say_what_two_words_say() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let first = first_slot(&context);
    let mut id = CK_APPLICATION_ID::default();
    ok(&context, "CA_SetApplicationID", &[0x0102_0304, 0x0506_0708]);
    ok(&context, "CA_GetApplicationID", &[cell(&mut id)]);
    assert_eq!(id.id, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    ok(&context, "CA_OpenApplicationIDV2", &[slot(first), cell(&mut id)]);
    let words = [slot(first), 0x0102_0304, 0x0506_0708];
    refused(&context, "CA_OpenApplicationID", &words, CKR_DATA_INVALID);
    ok(&context, "CA_CloseApplicationID", &words);
    refused(&context, "CA_CloseApplicationIDV2", &[slot(first), cell(&mut id)], CKR_DATA_INVALID);

    let mut drawn = CK_APPLICATION_ID::default();
    ok(&context, "CA_RandomizeApplicationID", &[]);
    ok(&context, "CA_GetApplicationID", &[cell(&mut drawn)]);
    assert_ne!(drawn.id, id.id);
    let mut long = CK_APPLICATION_ID { id: [9; 16] };
    ok(&context, "CA_SetApplicationIDV2", &[cell(&mut long)]);
    ok(&context, "CA_GetApplicationID", &[cell(&mut drawn)]);
    assert_eq!(drawn.id, [9; 16]);

    for (open, close, more) in [
        ("CA_OpenApplicationIDForContainer", "CA_CloseApplicationIDForContainer", [3, 4, 1]),
        (
            "CA_OpenApplicationIDForContainerV2",
            "CA_CloseApplicationIDForContainerV2",
            [cell(&mut long), 1, 0],
        ),
    ] {
        let words = [&[slot(first)][..], &more].concat();
        ok(&context, open, &words);
        refused(&context, open, &words, CKR_DATA_INVALID);
        ok(&context, close, &words);
        refused(&context, close, &words, CKR_DATA_INVALID);
        let nowhere = [&[99][..], &more].concat();
        refused(&context, open, &nowhere, CKR_SLOT_ID_INVALID);
    }
    refused(&context, "CA_SetApplicationID", &[1 << 32, 0], CKR_ARGUMENTS_BAD);
    refused(&context, "CA_GetApplicationID", &[0], CKR_ARGUMENTS_BAD);
}

#[test]
fn a_session_is_opened_for_an_identity_and_tells_it() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let first = slot(first_slot(&context));
    let flags = (CKF_SERIAL_SESSION | CKF_RW_SESSION) as usize;
    let mut handle: CK_SESSION_HANDLE = 0;
    let words = [first, flags, 5, 6, 0, 0, cell(&mut handle)];
    ok(&context, "CA_OpenSessionWithAppID", &words);
    let (mut high, mut low, mut container, mut level) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut tell = |handle: CK_SESSION_HANDLE| {
        let cells = [cell(&mut high), cell(&mut low), cell(&mut container), cell(&mut level)];
        let rv = ca(&context, "CA_GetSessionInfo", &[&[handle as usize][..], &cells].concat());
        (rv, high, low, container, level)
    };
    let told = tell(handle);
    assert_eq!((told.0, told.1, told.2, told.4), (Rv(CKR_OK), 5, 6, LUNA_SACCESS_PUBLIC));
    assert_eq!(tell(999).0, Rv(CKR_SESSION_HANDLE_INVALID));

    // Another of the same identity is logged in with it.
    let mut long = CK_APPLICATION_ID { id: [0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0] };
    let mut second: CK_SESSION_HANDLE = 0;
    let words = [first, flags, cell(&mut long), 0, 0, cell(&mut second)];
    ok(&context, "CA_OpenSessionWithAppIDV2", &words);
    let pin = CRYPTO_OFFICER.as_bytes();
    let words = [handle as usize, CKU_USER as usize, crate::call::at(pin), pin.len()];
    ok(&context, "C_Login", &words);
    let told = tell(second);
    assert_eq!((told.1, told.2, told.4), (5, 6, LUNA_SACCESS_USER));

    let mut third: CK_SESSION_HANDLE = 0;
    let words = [first, 1, flags, 0, 0, cell(&mut third)];
    ok(&context, "CA_OpenSession", &words);
    let told = tell(third);
    let own = u64::from(std::process::id());
    assert_eq!((told.1, told.2, told.4), (0, own, LUNA_SACCESS_PUBLIC), "the process's identity");
    refused(
        &context,
        "CA_OpenSession",
        &[first, 1, 0, 0, 0, cell(&mut third)],
        CKR_SESSION_PARALLEL_NOT_SUPPORTED,
    );
}

#[test]
fn what_is_active_is_cancelled_by_its_flag() {
    let instance = Instance::up(&[]);
    let context = instance.context();
    let own = crate::call::officer(&context, 0);
    own.digest_init(&luna_client::Mechanism::Plain(CKM_SHA256)).unwrap();
    ok(&context, "C_FindObjectsInit", &[session(&own), 0, 0]);
    ok(&context, "CA_SessionCancel", &[session(&own), CKF_ENCRYPT as usize]);
    assert!(own.is_operation_active(4).unwrap());
    ok(&context, "CA_SessionCancel", &[session(&own), (CKF_DIGEST | CKF_FIND_OBJECTS) as usize]);
    assert!(!own.is_operation_active(4).unwrap());
    ok(&context, "C_FindObjectsInit", &[session(&own), 0, 0]);
    refused(&context, "CA_SessionCancel", &[999, 0], CKR_SESSION_HANDLE_INVALID);
}
