//! Every role, and nobody, over every class of exported function: on a user partition of version 1, and
//! on the admin partition.
//!
//! Source: the vendor's table of partition roles (Documented); on the admin partition pycryptoki's tests,
//! whose SO makes and uses keys (Documented), for the rest what the names of roles say (Assumed).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Pin, PolicyValue, Rv, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::administration::hsm::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Nobody,
    PartitionSo,
    Officer,
    Limited,
    User,
    HsmSo,
    Administrator,
    Auditor,
}

use Who::{Administrator, Auditor, HsmSo, Limited, Nobody, Officer, PartitionSo, User};

const USERS: [Who; 5] = [PartitionSo, Officer, Limited, User, Nobody];
const ADMINS: [Who; 4] = [HsmSo, Administrator, Auditor, Nobody];

/// Who has an object's right.
const MAKERS: &[Who] = &[Officer, Limited, HsmSo, Administrator];
const USERS_OF_KEYS: &[Who] = &[Officer, Limited, User, HsmSo, Administrator];
const ALL: &[Who] = &[Nobody, PartitionSo, Officer, Limited, User, HsmSo, Administrator, Auditor];
/// What may be public may be made by nobody, but not by roles that have no objects.
const PUBLIC: &[Who] = &[Nobody, Officer, Limited, User, HsmSo, Administrator];

struct Scene {
    hsm: Hsm,
    session: Session,
    key: ObjectHandle,
    other: ObjectHandle,
    public: ObjectHandle,
    container: usize,
}

type Request = fn(&Scene) -> Rv;

fn code<T>(answer: luna_client::Result<T>) -> Rv {
    match answer {
        Ok(_) => Rv(CKR_OK),
        Err(error) => error.rv().unwrap_or_else(|| panic!("{error}")),
    }
}

impl Scene {
    fn ca(&self, name: &str, words: &[usize]) -> Rv {
        self.hsm.call(name, &[&[session(&self.session)], words].concat())
    }

    fn slot(&self) -> usize {
        slot(self.session.slot())
    }
}

fn data(private: bool) -> Vec<Attribute> {
    vec![Attribute::class(CKO_DATA), Attribute::private(private), Attribute::token(true)]
}

fn pin() -> Pin {
    Pin::from("another-password")
}

fn role(scene: &Scene, role: UserType) -> Rv {
    code(scene.session.init_role_pin(role, &pin()))
}

/// On either partition.
const OF_OBJECTS: &[(&str, Request, &[Who])] = &[
    ("tell of the session", |s| code(s.session.info()), ALL),
    ("tell of the token", |s| code(s.hsm.context.token_info(s.session.slot())), ALL),
    ("tell of roles", |s| code(s.hsm.context.role_state(s.session.slot(), UserType(0))), ALL),
    ("tell of mechanisms", |s| code(s.hsm.context.mechanisms(s.session.slot())), ALL),
    ("random bytes", |s| code(s.session.random(16)), ALL),
    ("digest", |s| code(s.session.digest(&Mechanism::Plain(CKM_SHA256), b"x")), ALL),
    ("read a public object", |s| code(s.session.attribute(s.public, CKA_LABEL)), ALL),
    ("make a public object", |s| code(s.session.create_object(&data(false))), PUBLIC),
    ("make a private object", |s| code(s.session.create_object(&data(true))), MAKERS),
    ("read a private object", |s| code(s.session.attribute(s.key, CKA_LABEL)), USERS_OF_KEYS),
    ("generate a key", |s| code(made_aes(&s.session, "made")), MAKERS),
    ("use a key", |s| code(encrypts(&s.session, s.key)), USERS_OF_KEYS),
    (
        "change a private object",
        |s| code(s.session.set_attributes(s.key, &[Attribute::label("new")])),
        MAKERS,
    ),
    ("copy a private object", |s| code(s.session.copy(s.key, &[])), MAKERS),
    ("destroy a private object", |s| code(s.session.destroy(s.other)), MAKERS),
    ("read the clock", |s| s.ca("CA_GetTime", &[cell(&mut 0_u64)]), ALL),
    (
        "run a self-test",
        |s| {
            let words = [s.slot(), 1, 0, 0, 0, cell(&mut 0_u64)];
            s.hsm.call("CA_PerformSelfTest", &words)
        },
        ALL,
    ),
];

/// On a user partition.
const OF_PARTITIONS: &[(&str, Request, &[Who])] = &[
    (
        "change partition policies",
        |s| {
            let policy = [PolicyValue { id: 20, value: 9 }];
            code(s.session.set_token_policies(s.session.slot(), &policy))
        },
        &[PartitionSo],
    ),
    (
        "change them as a container's",
        |s| s.ca("CA_SetContainerPolicy", &[1, 20, 8]),
        &[PartitionSo],
    ),
    (
        "rename the container",
        |s| s.hsm.call("CA_SetUserContainerName", &[s.slot(), at(b"x"), 1]),
        &[PartitionSo],
    ),
    ("make the Crypto User", |s| role(s, UserType::CRYPTO_USER), &[Officer]),
    ("make the Limited Crypto Officer", |s| role(s, UserType(3 | 1 << 31)), &[Officer]),
    ("change HSM policies", |s| s.ca("CA_SetHSMPolicy", &[21, 1]), &[]),
    ("delete another container", |s| s.ca("CA_DeleteContainerWithHandle", &[s.container]), &[]),
    ("resize a container", |s| s.ca("CA_SetContainerSize", &[1, 20_000]), &[]),
    ("configure the log", |s| s.ca("CA_LogSetConfig", &[0, 0, 0, 0, 0]), &[]),
    ("set the clock", |s| s.ca("CA_TimeSync", &[1_700_000_000]), &[]),
    ("store tamper key splits", |s| s.ca("CA_MTKSetStorage", &[0]), &[]),
    ("delete the own container", |s| s.ca("CA_DeleteContainer", &[]), &[PartitionSo]),
];

/// On the admin partition.
const OF_THE_HSM: &[(&str, Request, &[Who])] = &[
    ("change HSM policies", |s| s.ca("CA_SetHSMPolicy", &[21, 1]), &[HsmSo]),
    (
        "change them by a vector",
        |s| {
            let [vector] = s.hsm.numbers("CA_GetTPV", &[s.slot()]);
            s.ca("CA_SetTPV", &[vector as usize])
        },
        &[HsmSo],
    ),
    (
        "make a container",
        |s| {
            let mut number = 0;
            let words = container_words(&s.session, "more", "", 100, &mut number);
            s.hsm.call("CA_CreateContainer", &words)
        },
        &[HsmSo],
    ),
    ("resize a container", |s| s.ca("CA_SetContainerSize", &[s.container, 2000]), &[HsmSo]),
    (
        "change a container's policies",
        |s| s.ca("CA_SetContainerPolicy", &[s.container, 20, 8]),
        &[HsmSo],
    ),
    ("delete a container", |s| s.ca("CA_DeleteContainerWithHandle", &[s.container]), &[HsmSo]),
    (
        "rename the HSM",
        |s| s.hsm.call("CA_SetUserContainerName", &[s.slot(), at(b"x"), 1]),
        &[HsmSo],
    ),
    ("store tamper key splits", |s| s.ca("CA_MTKSetStorage", &[0]), &[HsmSo]),
    ("configure the log", |s| s.ca("CA_LogSetConfig", &[0, 0, 0, 0, 0]), &[Auditor]),
    ("verify the log", |s| s.ca("CA_LogVerify", &[0, 0, 0, cell(&mut 0_u64)]), &[Auditor]),
    ("export the log's secret", |s| s.ca("CA_LogExportSecret", &[0, cell(&mut 0_u64)]), &[Auditor]),
    ("set the clock", |s| s.ca("CA_TimeSync", &[1_700_000_000]), &[Auditor]),
    ("make the Administrator", |s| code(s.session.init_pin(&pin())), &[HsmSo]),
];

/// Codes that mean no. Those about handles are of objects that are not there for the role.
const REFUSALS: &[CK_RV] = &[
    CKR_USER_NOT_LOGGED_IN,
    CKR_USER_NOT_AUTHORIZED,
    CKR_OBJECT_HANDLE_INVALID,
    CKR_KEY_HANDLE_INVALID,
    CKR_FUNCTION_NOT_SUPPORTED,
    CKR_CONTAINER_HANDLE_INVALID,
];

/// An HSM with every role made, and one of them logged in.
fn scene(who: Who) -> Scene {
    let hsm = Hsm::up(&["--profile", "luna-7.8.4", "--policy", "41=1"]);
    let so = hsm.so();
    let container = hsm.container(&so, "spare") as usize;
    so.init_pin(&Pin::from("first-password")).unwrap();
    let words = [slot(hsm.admin), at(AUDITOR.as_bytes()), AUDITOR.len(), 0];
    hsm.ok("CA_InitAudit", &words);
    let (admin, user) = (so, hsm.officer());
    let limited = UserType(CKU_LIMITED_CRYPTO_OFFICER);
    user.init_role_pin(limited, &Pin::from("first-password")).unwrap();
    let is_admin = ADMINS.contains(&who) && who != Nobody;
    let session = if is_admin { admin } else { user };
    prepare(hsm, session, container, who)
}

fn prepare(hsm: Hsm, session: Session, container: usize, who: Who) -> Scene {
    let key = aes(&session, "key");
    let other = aes(&session, "other");
    let public = session.create_object(&data(false)).unwrap();
    session.logout().unwrap();
    let limited = UserType(CKU_LIMITED_CRYPTO_OFFICER);
    let login = match who {
        Nobody => None,
        PartitionSo => Some((UserType::PARTITION_SO, PARTITION_SO)),
        Officer => Some((UserType::CRYPTO_OFFICER, CRYPTO_OFFICER)),
        Limited => Some((limited, "first-password")),
        User => Some((UserType::CRYPTO_USER, "crypto-user")),
        HsmSo => Some((UserType::PARTITION_SO, HSM_SO)),
        Administrator => Some((UserType::CRYPTO_OFFICER, "first-password")),
        Auditor => Some((AUDIT, AUDITOR)),
    };
    if let Some((role, password)) = login {
        session.login(role, &Pin::from(password)).unwrap();
    }
    if matches!(who, Limited | Administrator) {
        let (old, new) = (Pin::from("first-password"), Pin::from("own-password"));
        session.set_pin(&old, &new).unwrap();
    }
    Scene { hsm, session, key, other, public, container }
}

fn walk(
    who: Who,
    scene: &Scene,
    tables: &[&[(&str, Request, &[Who])]],
    wrong: &mut Vec<String>,
) -> usize {
    let mut asked = 0;
    for (what, request, served) in tables.iter().copied().flatten() {
        asked += 1;
        let answer = request(scene);
        let fits =
            if served.contains(&who) { answer == Rv(CKR_OK) } else { REFUSALS.contains(&answer.0) };
        if !fits {
            let word = if served.contains(&who) { "served" } else { "refused" };
            wrong.push(format!("{who:?}: {what}: to be {word}, got {answer:?}"));
        }
    }
    asked
}

#[test]
fn every_role_over_every_class_of_function() {
    let mut wrong = Vec::new();
    let mut asked = 0;
    for who in USERS {
        asked += walk(who, &scene(who), &[OF_OBJECTS, OF_PARTITIONS], &mut wrong);
    }
    for who in ADMINS {
        let scene = if who == Nobody { nobody_on_the_admin_slot() } else { scene(who) };
        asked += walk(who, &scene, &[OF_OBJECTS, OF_THE_HSM], &mut wrong);
    }
    let requests = OF_OBJECTS.len() + OF_PARTITIONS.len() + OF_THE_HSM.len();
    luna_tests::told(&format!(
        "roles: {} and nobody on either slot, {requests} requests, {asked} answers",
        USERS.len() + ADMINS.len() - 2
    ));
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
}

fn nobody_on_the_admin_slot() -> Scene {
    let hsm = Hsm::up(&["--profile", "luna-7.8.4", "--policy", "41=1"]);
    let so = hsm.so();
    let container = hsm.container(&so, "spare") as usize;
    let words = [slot(hsm.admin), at(AUDITOR.as_bytes()), AUDITOR.len(), 0];
    hsm.ok("CA_InitAudit", &words);
    prepare(hsm, so, container, Nobody)
}
