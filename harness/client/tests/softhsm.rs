//! The client against a real module: SoftHSM 2, from the package `softhsm2`.
//!
//! Needs `libsofthsm2.so`. Without it each test says so on standard error and passes, unless
//! `LUNA_REQUIRE_CLIENTS=1`, which makes its absence a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use luna_client::ck::*;
use luna_client::{
    Access, Attribute, Context, Error, InitArgs, Mechanism, Module, Pin, Session, SlotId, UserType,
};

const PLACES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

/// One SoftHSM for all tests of this process: its state is the process's, and it finds its configuration by
/// the environment.
struct SoftHsm {
    context: Context,
    _state: tempfile::TempDir,
}

fn softhsm() -> Option<&'static SoftHsm> {
    static SOFTHSM: OnceLock<Option<SoftHsm>> = OnceLock::new();
    SOFTHSM.get_or_init(start).as_ref()
}

fn start() -> Option<SoftHsm> {
    let Some(library) = PLACES.iter().map(Path::new).find(|path| path.exists()) else {
        let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and softhsm2 is not installed");
        eprintln!("SKIPPED: softhsm2 is not installed, so nothing of this file was tested");
        return None;
    };
    let state = tempfile::tempdir().unwrap();
    let tokens = state.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
    let conf: PathBuf = state.path().join("softhsm2.conf");
    std::fs::write(&conf, text).unwrap();
    set_environment("SOFTHSM2_CONF", &conf);
    let module = Module::load(library).unwrap();
    let context = module.initialize(InitArgs::OsLocking).unwrap();
    Some(SoftHsm { context, _state: state })
}

/// Runs under the lock of `softhsm()`, before anything else reads the environment.
#[allow(unsafe_code, reason = "a module in this process finds its configuration only so")]
fn set_environment(name: &str, value: &Path) {
    // SAFETY: the only threads are those of the test runner, which wait in `softhsm()` or do not read the
    // environment.
    unsafe { std::env::set_var(name, value) };
}

const SO: &str = "so-secret";
const USER: &str = "user-secret";

/// A token of the test's own, with both secrets set and the user logged in.
fn token(label: &str) -> Option<(SlotId, Session)> {
    static ONE_AT_A_TIME: AtomicUsize = AtomicUsize::new(0);
    let context = &softhsm()?.context;
    while ONE_AT_A_TIME.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire).is_err() {
        std::thread::yield_now();
    }
    // SoftHSM always shows one uninitialised token more; initialising it makes the next.
    let slots = context.slots(true).unwrap();
    let slot =
        *slots.iter().find(|slot| !context.token_info(**slot).unwrap().initialized()).unwrap();
    context.init_token(slot, Some(&Pin::from(SO)), label).unwrap();
    // It moves the token to a slot of another number; a new list makes that known.
    context.slots(true).unwrap();
    let slot = context.slot_by_label(label).unwrap().unwrap();
    ONE_AT_A_TIME.store(0, Ordering::Release);
    let session = context.open_session(slot, Access::ReadWrite).unwrap();
    session.login(UserType::PARTITION_SO, &Pin::from(SO)).unwrap();
    session.init_pin(&Pin::from(USER)).unwrap();
    session.logout().unwrap();
    session.login(UserType::CRYPTO_OFFICER, &Pin::from(USER)).unwrap();
    Some((slot, session))
}

fn aes_key(session: &Session, label: &str) -> luna_client::ObjectHandle {
    let template = [
        Attribute::token(false),
        Attribute::label(label),
        Attribute::ulong(CKA_VALUE_LEN, 32),
        Attribute::bool(CKA_ENCRYPT, true),
        Attribute::bool(CKA_DECRYPT, true),
        Attribute::bool(CKA_WRAP, true),
        Attribute::bool(CKA_UNWRAP, true),
        Attribute::bool(CKA_EXTRACTABLE, true),
    ];
    session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template).unwrap()
}

#[test]
fn a_token_tells_its_label_without_padding() {
    let Some((slot, session)) = token("padding") else { return };
    let token = session.context().token_info(slot).unwrap();
    assert_eq!(token.label, "padding");
    assert!(token.initialized());
    assert!(!token.model.ends_with(' ') && !token.model.is_empty());
    let info = session.context().info().unwrap();
    assert_eq!(info.cryptoki_version.major, 2);
    assert!(session.context().slot_info(slot).unwrap().token_present());
}

#[test]
fn a_wrong_pin_names_the_function_and_the_code() {
    let Some((slot, session)) = token("wrong pin") else { return };
    session.logout().unwrap();
    let other = session.context().open_session(slot, Access::ReadOnly).unwrap();
    let error = other.login(UserType::CRYPTO_OFFICER, &Pin::from("not it")).unwrap_err();
    assert!(error.is(CKR_PIN_INCORRECT), "{error}");
    assert_eq!(error.to_string(), "C_Login: 0xa0 (CKR_PIN_INCORRECT)");
}

#[test]
fn the_state_of_a_session_follows_the_login() {
    let Some((slot, session)) = token("state") else { return };
    assert_eq!(session.info().unwrap().state, CKS_RW_USER_FUNCTIONS);
    session.set_pin(&Pin::from(USER), &Pin::from("another one")).unwrap();
    session.logout().unwrap();
    assert_eq!(session.info().unwrap().state, CKS_RW_PUBLIC_SESSION);
    session.login(UserType::CRYPTO_OFFICER, &Pin::from("another one")).unwrap();
    let reader = session.context().open_session(slot, Access::ReadOnly).unwrap();
    assert_eq!(reader.info().unwrap().state, CKS_RO_USER_FUNCTIONS);
}

#[test]
fn a_dropped_session_is_closed_and_a_closed_one_is_gone() {
    let Some((slot, session)) = token("close") else { return };
    let context = session.context().clone();
    let second = context.open_session(slot, Access::ReadOnly).unwrap();
    drop(session);
    second.close().unwrap();
    // A token is initialised again only when nobody has a session on it.
    let third = context.open_session(slot, Access::ReadOnly).unwrap();
    let again = || context.init_token(slot, Some(&Pin::from(SO)), "close");
    assert!(again().unwrap_err().is(CKR_SESSION_EXISTS));
    drop(third);
    again().unwrap();
}

#[test]
fn objects_are_made_found_read_changed_and_destroyed() {
    let Some((_, session)) = token("objects") else { return };
    let mut template = Attribute::data_object("OKV 18.1 HSM Key Number");
    template.push(Attribute::bytes(CKA_VALUE, b"42".as_slice()));
    let object = session.create_object(&template).unwrap();
    let label = [Attribute::label("OKV 18.1 HSM Key Number")];
    assert_eq!(session.find(&label).unwrap(), [object]);
    let values =
        session.attributes(object, &[CKA_VALUE, CKA_MODULUS, CKA_APPLICATION, CKA_CLASS]).unwrap();
    assert_eq!(values[0].as_deref(), Some(b"42".as_slice()));
    assert_eq!(values[1], None, "a data object has no modulus");
    assert_eq!(values[2].as_deref(), Some(b"".as_slice()), "empty is not absent");
    assert_eq!(session.attribute_ulong(object, CKA_CLASS).unwrap(), Some(CKO_DATA));
    session.set_attributes(object, &[Attribute::label("a longer label than before")]).unwrap();
    let read = session.attribute_text(object, CKA_LABEL).unwrap();
    assert_eq!(read.as_deref(), Some("a longer label than before"));
    session.set_attributes(object, &label).unwrap();
    let copy = session.copy(object, &[Attribute::label("copy")]).unwrap();
    assert_eq!(session.attribute_text(copy, CKA_LABEL).unwrap().as_deref(), Some("copy"));
    session.destroy(object).unwrap();
    assert_eq!(session.find(&label).unwrap(), []);
    assert!(session.attribute(object, CKA_LABEL).unwrap_err().is(CKR_OBJECT_HANDLE_INVALID));
}

#[test]
fn a_search_gives_all_objects_however_many() {
    let Some((_, session)) = token("many") else { return };
    for number in 0..600 {
        let template = [
            Attribute::class(CKO_DATA),
            Attribute::token(false),
            Attribute::label(&format!("{number}")),
        ];
        session.create_object(&template).unwrap();
    }
    assert_eq!(session.find(&[Attribute::class(CKO_DATA)]).unwrap().len(), 600);
}

#[test]
fn aes_gcm_in_one_part_and_in_several() {
    let Some((_, session)) = token("gcm") else { return };
    let key = aes_key(&session, "gcm");
    let mechanism = Mechanism::aes_gcm(&[7; 12], b"header", 128);
    let sealed = session.encrypt(&mechanism, key, b"root of trust").unwrap();
    assert_eq!(sealed.len(), 13 + 16);
    assert_eq!(session.decrypt(&mechanism, key, &sealed).unwrap(), b"root of trust");
    session.encrypt_init(&mechanism, key).unwrap();
    let mut parts = session.encrypt_update(b"root of ").unwrap();
    parts.extend(session.encrypt_update(b"trust").unwrap());
    parts.extend(session.encrypt_final().unwrap());
    assert_eq!(parts, sealed);
    let other = Mechanism::aes_gcm(&[7; 12], b"another header", 128);
    assert!(session.decrypt(&other, key, &sealed).is_err());
}

#[test]
fn digests_signatures_and_random_bytes() {
    let Some((_, session)) = token("sign") else { return };
    let whole = session.digest(&Mechanism::Plain(CKM_SHA256), b"abc").unwrap();
    assert_eq!(whole[..4], [0xba, 0x78, 0x16, 0xbf]);
    session.digest_init(&Mechanism::Plain(CKM_SHA256)).unwrap();
    session.digest_update(b"a").unwrap();
    session.digest_update(b"bc").unwrap();
    assert_eq!(session.digest_final().unwrap(), whole);
    let public = [
        Attribute::ulong(CKA_MODULUS_BITS, 2048),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
        Attribute::bool(CKA_VERIFY, true),
        Attribute::bool(CKA_ENCRYPT, true),
    ];
    let private = [Attribute::bool(CKA_SIGN, true), Attribute::bool(CKA_DECRYPT, true)];
    let generation = Mechanism::Plain(CKM_RSA_PKCS_KEY_PAIR_GEN);
    let (public, private) = session.generate_key_pair(&generation, &public, &private).unwrap();
    let pss = Mechanism::rsa_pss(CKM_SHA256).unwrap();
    let signature = session.sign(&pss, private, &whole).unwrap();
    assert_eq!(signature.len(), 256);
    session.verify(&pss, public, &whole, &signature).unwrap();
    let error = session.verify(&pss, public, &[0; 32], &signature).unwrap_err();
    assert!(error.is(CKR_SIGNATURE_INVALID), "{error}");
    let oaep = Mechanism::rsa_oaep(CKM_SHA_1).unwrap();
    let sealed = session.encrypt(&oaep, public, b"secret").unwrap();
    assert_eq!(session.decrypt(&oaep, private, &sealed).unwrap(), b"secret");
    let (one, two) = (session.random(32).unwrap(), session.random(32).unwrap());
    assert!(one.len() == 32 && one != two);
}

#[test]
fn a_wrapped_key_comes_back_as_itself() {
    let Some((_, session)) = token("wrap") else { return };
    let (outer, inner) = (aes_key(&session, "outer"), aes_key(&session, "inner"));
    let mechanism = Mechanism::Plain(CKM_AES_KEY_WRAP);
    let wrapped = session.wrap(&mechanism, outer, inner).unwrap();
    assert_eq!(wrapped.len(), 40);
    let template = [
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_AES),
        Attribute::bool(CKA_DECRYPT, true),
    ];
    let back = session.unwrap(&mechanism, outer, &wrapped, &template).unwrap();
    let cbc = Mechanism::aes_cbc_pad([3; 16]);
    let sealed = session.encrypt(&cbc, inner, b"hello").unwrap();
    assert_eq!(session.decrypt(&cbc, back, &sealed).unwrap(), b"hello");
}

#[test]
fn a_request_that_could_forge_a_pointer_never_reaches_the_module() {
    let Some((_, session)) = token("refused") else { return };
    let key = aes_key(&session, "refused");
    let forged = Mechanism::Bytes(CKM_AES_GCM, vec![0x41; 48]);
    let error = session.encrypt(&forged, key, b"x").unwrap_err();
    assert!(matches!(error, Error::Refused { function: "C_EncryptInit", .. }), "{error}");
    let template = [Attribute::bytes(CKA_UNWRAP_TEMPLATE, vec![0x41; 24])];
    let error = session.find(&template).unwrap_err();
    assert!(matches!(error, Error::Refused { function: "C_FindObjectsInit", .. }), "{error}");
}

#[test]
fn a_module_without_the_vendor_functions_says_so() {
    let Some((slot, session)) = token("vendor") else { return };
    let error = session.context().ha_state(slot).unwrap_err();
    assert_eq!(error, Error::Missing { function: "CA_GetHAState" });
    let module = session.context().module();
    assert!(module.raw().exports("C_GetFunctionList"));
    assert!(!module.raw().exports("CA_GetFunctionList"));
    assert!(module.raw().functions().listed);
    assert!(module.raw().vendor().CA_GetHAState.is_none());
}

#[test]
fn mechanisms_are_listed_with_their_sizes() {
    let Some((slot, session)) = token("mechanisms") else { return };
    let context = session.context();
    assert!(context.mechanisms(slot).unwrap().contains(&CKM_AES_CBC_PAD));
    let info = context.mechanism_info(slot, CKM_RSA_PKCS_KEY_PAIR_GEN).unwrap();
    assert!(info.flags & CKF_GENERATE_KEY_PAIR != 0 && info.max_key_size >= 4096);
}

#[test]
fn one_context_at_a_time() {
    let Some(softhsm) = softhsm() else { return };
    let error = softhsm.context.module().initialize(InitArgs::SingleThread).unwrap_err();
    assert!(error.is(CKR_CRYPTOKI_ALREADY_INITIALIZED), "{error}");
}

#[test]
fn contexts_are_shared_between_threads_and_sessions_move() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}
    shared::<Context>();
    shared::<Module>();
    moved::<Session>();
    let Some((_, session)) = token("threads") else { return };
    let bytes = std::thread::spawn(move || session.random(8).unwrap()).join().unwrap();
    assert_eq!(bytes.len(), 8);
}

#[test]
fn what_cannot_be_loaded_says_why() {
    let error = Module::load("/nowhere/libCryptoki2_64.so").unwrap_err();
    assert_eq!(error, Error::NotFound { path: "/nowhere/libCryptoki2_64.so".into() });
    let text = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(text.path(), "not a library").unwrap();
    let error = Module::load(text.path()).unwrap_err();
    assert!(matches!(error, Error::CannotLoad { ref path, .. } if path == text.path()), "{error}");
    let error = Module::load("libc.so.6").unwrap_err();
    assert!(matches!(error, Error::NoFunctionList { .. }), "{error}");
}
