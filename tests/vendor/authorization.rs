//! Keys with secrets of their own.

use luna_ck::*;
use luna_client::{
    Access, Attribute, Context, InitArgs, Mechanism, Module, ObjectHandle, Pin, Rv, Session,
    UserType,
};
use luna_tests::child::{Child, say};
use luna_tests::{CRYPTO_OFFICER, Instance};

use crate::call::{
    aes, at, ca, encrypts, logged_in, made_aes, object, officer, ok, refused, session, two,
};

/// A partition of version 1.
const V1: &[&str] = &["--profile", "luna-7.8.4", "--policy", "41=1"];

const SECRET: &[u8] = b"the key's secret";
const OTHER: &[u8] = b"another secret";

struct One {
    session: Session,
    context: Context,
    instance: Instance,
}

impl One {
    fn up(options: &[&str]) -> Self {
        let instance = Instance::up(options);
        let context = instance.context();
        let session = officer(&context, 0);
        Self { session, context, instance }
    }

    fn give(&self, key: ObjectHandle, secret: &[u8]) -> Rv {
        give(&self.context, &self.session, key, secret)
    }

    fn change(&self, key: ObjectHandle, old: Option<&[u8]>, new: &[u8]) -> Rv {
        let (old_at, old_len) = old.map_or((0, 0), |old| (at(old), old.len()));
        let words = [session(&self.session), object(key), old_at, old_len, at(new), new.len()];
        ca(&self.context, "CA_SetAuthorizationData", &words)
    }

    fn reset(&self, key: ObjectHandle, new: &[u8]) -> Rv {
        let words = [session(&self.session), object(key), at(new), new.len()];
        ca(&self.context, "CA_ResetAuthorizationData", &words)
    }

    fn assign(&self, key: ObjectHandle) -> Rv {
        ca(&self.context, "CA_AssignKey", &[session(&self.session), object(key)])
    }

    fn value(&self, key: ObjectHandle, kind: CK_ATTRIBUTE_TYPE) -> Vec<u8> {
        self.session.attributes(key, &[kind]).unwrap().remove(0).unwrap()
    }

    fn failures(&self, key: ObjectHandle) -> u64 {
        let count = self.value(key, CKA_FAILED_KEY_AUTH_COUNT);
        u64::from_ne_bytes(count.try_into().unwrap())
    }
}

fn give(context: &Context, own: &Session, key: ObjectHandle, secret: &[u8]) -> Rv {
    let words = [session(own), object(key), at(secret), secret.len()];
    ca(context, "CA_AuthorizeKey", &words)
}

fn with_secret(secret: &[u8]) -> Vec<Attribute> {
    vec![Attribute::bytes(CKA_AUTH_DATA, secret), Attribute::private(true)]
}

/// A key that can be its user's alone.
fn assignable() -> Vec<Attribute> {
    [
        with_secret(SECRET),
        vec![Attribute::bool(CKA_MODIFIABLE, false), Attribute::bool(CKA_EXTRACTABLE, false)],
    ]
    .concat()
}

#[track_caller]
fn code<T: std::fmt::Debug>(answer: luna_client::Result<T>) -> CK_RV {
    answer.unwrap_err().rv().unwrap().0
}

#[test]
fn a_key_is_used_in_sessions_that_gave_its_secret() {
    let one = One::up(V1);
    let key = aes(&one.session, "guarded", &with_secret(SECRET));
    let free = aes(&one.session, "free", &[]);
    encrypts(&one.session, free).unwrap();
    assert_eq!(code(encrypts(&one.session, key)), CKR_KEY_NOT_AUTHORIZED);
    assert_eq!(one.give(key, SECRET), Rv(CKR_OK));
    encrypts(&one.session, key).unwrap();
    let other =
        one.context.open_session(one.session.info().unwrap().slot, Access::ReadOnly).unwrap();
    assert_eq!(code(encrypts(&other, key)), CKR_KEY_NOT_AUTHORIZED);
    // A null secret withdraws.
    ok(&one.context, "CA_AuthorizeKey", &[session(&one.session), object(key), 0, 0]);
    assert_eq!(code(encrypts(&one.session, key)), CKR_KEY_NOT_AUTHORIZED);
    // So does a logout.
    assert_eq!(one.give(key, SECRET), Rv(CKR_OK));
    one.session.logout().unwrap();
    one.session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)).unwrap();
    assert_eq!(code(encrypts(&one.session, key)), CKR_KEY_NOT_AUTHORIZED);
    // A copy asks for the same, and to copy asks too.
    assert_eq!(code(one.session.copy(key, &[])), CKR_KEY_NOT_AUTHORIZED);
    assert_eq!(one.give(key, SECRET), Rv(CKR_OK));
    let copy = one.session.copy(key, &[]).unwrap();
    assert_eq!(code(encrypts(&one.session, copy)), CKR_KEY_NOT_AUTHORIZED);
    assert_eq!(one.give(copy, SECRET), Rv(CKR_OK));
    assert_eq!(one.give(free, SECRET), Rv(CKR_KEY_CANNOT_BE_AUTHORIZED));
    assert_eq!(one.give(ObjectHandle(4_711), SECRET), Rv(CKR_KEY_HANDLE_INVALID));
}

#[test]
fn the_attributes_say_what_is_and_never_the_secret() {
    let one = One::up(V1);
    let key = aes(&one.session, "guarded", &with_secret(SECRET));
    let free = aes(
        &one.session,
        "free",
        &[Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)],
    );
    assert_eq!(one.value(key, CKA_KEY_STATUS), [1, 10, 0, 0]);
    assert_eq!(one.value(free, CKA_KEY_STATUS), [0, 10, 0, 0]);
    assert_eq!(one.value(key, CKA_ASSIGNED), [0]);
    assert_eq!(one.failures(key), 0);
    let told = one.session.attributes(key, &[CKA_AUTH_DATA]).unwrap().remove(0);
    assert!(told.is_none_or(|it| it.is_empty()));
    assert!(one.session.find(&[Attribute::bytes(CKA_AUTH_DATA, SECRET)]).unwrap().is_empty());
    for entry in std::fs::read_dir(one.instance.hsm(0)).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET));
    }
}

#[test]
fn a_secret_changes_by_the_old_one_or_by_the_officer() {
    let one = One::up(V1);
    let key = aes(&one.session, "guarded", &with_secret(SECRET));
    assert_eq!(one.change(key, Some(OTHER), OTHER), Rv(CKR_AUTH_DATA_INCORRECT));
    assert_eq!(one.failures(key), 1);
    assert_eq!(one.change(key, None, OTHER), Rv(CKR_AUTH_DATA_INCORRECT));
    assert_eq!(one.give(key, SECRET), Rv(CKR_OK));
    assert_eq!(one.failures(key), 0, "a right one clears the count");
    assert_eq!(one.change(key, Some(SECRET), OTHER), Rv(CKR_OK));
    // Whoever gave the old one has to give the new.
    assert_eq!(code(encrypts(&one.session, key)), CKR_KEY_NOT_AUTHORIZED);
    assert_eq!(one.give(key, SECRET), Rv(CKR_AUTH_DATA_INCORRECT));
    assert_eq!(one.give(key, OTHER), Rv(CKR_OK));
    assert_eq!(one.reset(key, SECRET), Rv(CKR_OK));
    assert_eq!(one.give(key, SECRET), Rv(CKR_OK));
    assert_eq!(one.reset(key, b"short"), Rv(CKR_AUTH_DATA_TOO_SMALL));
    assert_eq!(one.reset(key, &[7; 300]), Rv(CKR_AUTH_DATA_TOO_LARGE));
    // A key without one gets its first.
    let free = aes(&one.session, "free", &[]);
    assert_eq!(one.change(free, None, SECRET), Rv(CKR_OK));
    assert_eq!(code(encrypts(&one.session, free)), CKR_KEY_NOT_AUTHORIZED);
    assert_eq!(one.give(free, SECRET), Rv(CKR_OK));
    encrypts(&one.session, free).unwrap();
}

#[test]
fn ten_wrong_secrets_lock_a_key_until_its_secret_is_reset() {
    let one = One::up(V1);
    let key = aes(&one.session, "guarded", &with_secret(SECRET));
    for _ in 0..9 {
        assert_eq!(one.give(key, OTHER), Rv(CKR_AUTH_DATA_INCORRECT));
    }
    assert_eq!(one.give(key, OTHER), Rv(CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED));
    assert_eq!(one.value(key, CKA_KEY_STATUS), [1 | 2, 10, 0, 0]);
    assert_eq!(one.give(key, SECRET), Rv(CKR_KEY_CANNOT_BE_AUTHORIZED));
    assert_eq!(one.reset(key, OTHER), Rv(CKR_OK));
    assert_eq!(one.give(key, OTHER), Rv(CKR_OK));
}

#[test]
fn a_failure_is_counted_without_a_secret() {
    let one = One::up(V1);
    let key = aes(&one.session, "guarded", &with_secret(SECRET));
    let words = [session(&one.session), object(key)];
    ok(&one.context, "CA_IncrementFailedAuthCount", &words);
    ok(&one.context, "CA_IncrementFailedAuthCount", &words);
    assert_eq!(one.failures(key), 2);
}

/// Guesses a key's secret until it is killed, and says so before each guess is over.
pub(crate) fn child(_words: &[String]) {
    let path = std::env::var_os("LUNA_MODULE").expect("given");
    let module = Module::load(std::path::Path::new(&path)).expect("loads");
    let context = module.initialize(InitArgs::OsLocking).expect("initialises");
    let own = officer(&context, 0);
    let key = own.find(&[Attribute::label("guarded")]).expect("a search")[0];
    for _ in 0..3 {
        assert_eq!(give(&context, &own, key, OTHER), Rv(CKR_AUTH_DATA_INCORRECT));
        say("wrong");
    }
    luna_tests::child::wait_for_parent();
}

#[test]
fn the_count_survives_a_process_that_is_killed() {
    let one = One::up(V1);
    let key = aes(&one.session, "guarded", &with_secret(SECRET));
    let mut command = Child::command("guesses", &[], one.instance.directory());
    let mut child = Child::begin(command.env("LUNA_MODULE", one.instance.module()));
    for _ in 0..3 {
        child.expect("wrong");
    }
    child.kill();
    assert_eq!(one.failures(key), 3);
}

#[test]
fn an_assigned_key_is_its_users_alone() {
    let one = One::up(V1);
    let plain = aes(&one.session, "plain", &with_secret(SECRET));
    assert_eq!(one.assign(plain), Rv(CKR_ASSIGNED_KEY_FAILED_ATTRIBUTE_DEPENDENCIES));
    let bare = aes(&one.session, "bare", &[]);
    assert_eq!(one.assign(bare), Rv(CKR_ASSIGNED_KEY_REQUIRES_AUTH_DATA));
    let key = aes(&one.session, "key", &assignable());
    assert_eq!(one.assign(key), Rv(CKR_OK));
    assert_eq!(one.value(key, CKA_ASSIGNED), [1]);
    assert_eq!(one.assign(key), Rv(CKR_ASSIGNED_KEY_CANNOT_BE_MODIFIED));
    assert_eq!(one.reset(key, OTHER), Rv(CKR_ASSIGNED_KEY_CANNOT_BE_RESET));
    let label = one.session.set_attributes(key, &[Attribute::label("other")]);
    assert!(label.is_err());
    // Its user changes the secret still.
    assert_eq!(one.change(key, Some(SECRET), OTHER), Rv(CKR_OK));
    assert_eq!(one.give(key, OTHER), Rv(CKR_OK));
    encrypts(&one.session, key).unwrap();
    // A key is assigned at birth too.
    let born = [assignable(), vec![Attribute::bool(CKA_ASSIGNED, true)]].concat();
    let born = aes(&one.session, "born", &born);
    assert_eq!(one.value(born, CKA_ASSIGNED), [1]);
    let without = [Attribute::bool(CKA_ASSIGNED, true)];
    let code = code(made_aes(&one.session, "x", &without));
    assert_eq!(code, CKR_ASSIGNED_KEY_REQUIRES_AUTH_DATA);
}

#[test]
fn policy_40_makes_secrets_compulsory() {
    let options = [V1, &["--policy", "40=1"]].concat();
    let one = One::up(&options);
    assert_eq!(code(made_aes(&one.session, "x", &[])), CKR_OH_AUTH_DATA_NOT_PROVIDED);
    aes(&one.session, "guarded", &with_secret(SECRET));
    // Public keys have nothing to guard.
    let params = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let pair = one.session.generate_key_pair(
        &Mechanism::Plain(CKM_EC_KEY_PAIR_GEN),
        &[Attribute::bytes(CKA_EC_PARAMS, params)],
        &[Attribute::bool(CKA_SIGN, true), Attribute::bytes(CKA_AUTH_DATA, SECRET)],
    );
    let (_, private) = pair.unwrap();
    assert_eq!(one.give(private, SECRET), Rv(CKR_OK));
    one.session.sign(&Mechanism::Plain(CKM_ECDSA), private, &[1; 32]).unwrap();
}

#[test]
fn partitions_of_version_0_have_none_of_it() {
    let one = One::up(&["--profile", "luna-7.8.4"]);
    let secret = with_secret(SECRET);
    assert_eq!(code(made_aes(&one.session, "x", &secret)), CKR_AUTH_DATA_NOT_ALLOWED);
    let assigned = [Attribute::bool(CKA_ASSIGNED, true)];
    assert_eq!(code(made_aes(&one.session, "x", &assigned)), CKR_ASSIGNED_KEY_NOT_ALLOWED);
    let key = aes(&one.session, "key", &[]);
    assert_eq!(one.change(key, None, SECRET), Rv(CKR_AUTH_DATA_NOT_ALLOWED));
    assert_eq!(one.reset(key, SECRET), Rv(CKR_AUTH_DATA_NOT_ALLOWED));
    assert_eq!(one.assign(key), Rv(CKR_ASSIGNED_KEY_NOT_ALLOWED));
    assert_eq!(one.give(key, SECRET), Rv(CKR_KEY_CANNOT_BE_AUTHORIZED));
    let words = [session(&one.session), object(key)];
    refused(&one.context, "CA_IncrementFailedAuthCount", &words, CKR_KEY_CANNOT_BE_AUTHORIZED);
    assert!(one.session.attributes(key, &[CKA_KEY_STATUS]).unwrap()[0].is_none());
}

#[test]
fn a_group_asks_for_the_secret_once_and_counts_a_wrong_one_everywhere() {
    let instance = two(V1);
    let context = instance.context();
    let group = officer(&context, 2);
    let key = aes(&group, "guarded", &with_secret(SECRET));
    assert_eq!(give(&context, &group, key, OTHER), Rv(CKR_AUTH_DATA_INCORRECT));
    for number in 0..2 {
        let member = logged_in(&context, number);
        let own = member.find(&[Attribute::label("guarded")]).unwrap()[0];
        let count = member.attributes(own, &[CKA_FAILED_KEY_AUTH_COUNT]).unwrap().remove(0);
        assert_eq!(count.unwrap(), 1_u64.to_ne_bytes(), "member {number}");
    }
    assert_eq!(give(&context, &group, key, SECRET), Rv(CKR_OK));
    for _ in 0..4 {
        encrypts(&group, key).unwrap();
    }
    instance.member("down", 0);
    encrypts(&group, key).unwrap();
}
