//! Several threads of one application at the same time.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use luna_ck::*;
use luna_client::{Access, Attribute, Context, Error, InitArgs, Mechanism, Module, Pin, UserType};
use luna_tests::child::{self, Child};
use luna_tests::{CRYPTO_OFFICER, HANG, Instance, Seeded, first_slot, officer};

fn run(role: &str) {
    let instance = Instance::fips_group();
    let said = Child::start("threads", &[role, instance.module().to_str().unwrap()], &instance);
    assert_eq!(said.end().well(), ["done"]);
}

#[test]
fn one_of_several_initialises() {
    run("initialise");
}

#[test]
fn finalize_while_others_are_inside() {
    run("finalize");
}

#[test]
fn logins_at_the_same_time() {
    run("log in");
}

#[test]
fn one_session_used_by_all() {
    run("share");
}

pub(crate) fn application(words: &[String]) {
    let [role, module] = words else { panic!("{words:?}") };
    let module = Module::load(module).unwrap();
    match role.as_str() {
        "initialise" => initialise(&module),
        "finalize" => finalize(&module),
        "log in" => log_in(&module),
        "share" => share(&module),
        other => panic!("nobody plays {other}"),
    }
    child::say("done");
}

const THREADS: usize = 8;

fn initialise(module: &Module) {
    for _ in 0..100 {
        let (begun, start, end) =
            (AtomicUsize::new(0), Barrier::new(THREADS), Barrier::new(THREADS));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    let outcome = module.initialize(InitArgs::OsLocking);
                    // The library stays until all have asked.
                    end.wait();
                    match outcome {
                        Ok(context) => {
                            begun.fetch_add(1, Ordering::SeqCst);
                            assert_eq!(context.slots(true).unwrap().len(), 1);
                        }
                        Err(error) => {
                            assert!(error.is(CKR_CRYPTOKI_ALREADY_INITIALIZED), "{error}");
                        }
                    }
                });
            }
        });
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }
}

/// What a call may answer whose library is taken away, or given back, at any moment of it.
const TAKEN_AWAY: &[CK_RV] = &[
    CKR_CRYPTOKI_NOT_INITIALIZED,
    // A key that was being copied to the other member.
    CKR_FAILED_TO_CLONE_AN_OBJECT,
    CKR_KEY_HANDLE_INVALID,
    CKR_OBJECT_HANDLE_INVALID,
    // A handle from before may be another thread's session now.
    CKR_OPERATION_ACTIVE,
    CKR_OPERATION_NOT_INITIALIZED,
    CKR_SESSION_CLOSED,
    CKR_SESSION_HANDLE_INVALID,
    CKR_USER_ALREADY_LOGGED_IN,
    CKR_USER_NOT_LOGGED_IN,
];

/// An application's request, on whatever library there is by now.
fn request(context: &Context) -> Result<(), Error> {
    let slots = context.slots(true)?;
    assert_eq!(slots.len(), 1);
    let session = context.open_session(slots[0], Access::ReadWrite)?;
    match session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)) {
        Err(error) if !error.is(CKR_USER_ALREADY_LOGGED_IN) => return Err(error),
        _ => {}
    }
    let key = session.generate_key(
        &Mechanism::Plain(CKM_AES_KEY_GEN),
        &[Attribute::ulong(CKA_VALUE_LEN, 32), Attribute::bool(CKA_SIGN, true)],
    )?;
    for _ in 0..4 {
        session.sign_init(&Mechanism::Plain(CKM_AES_CMAC), key)?;
        session.sign_update(b"part")?;
        assert_eq!(session.sign_final()?.len(), 16);
        session.find(&[Attribute::class(CKO_SECRET_KEY)])?;
        session.random(64)?;
    }
    session.destroy(key)
}

fn finalize(module: &Module) {
    let first = module.initialize(InitArgs::OsLocking).unwrap();
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let context = first.clone();
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    match request(&context) {
                        Ok(()) => {
                            done.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => {
                            let allowed = TAKEN_AWAY.iter().any(|rv| error.is(*rv));
                            assert!(allowed, "{error}");
                        }
                    }
                }
            });
        }
        let mut chance = Seeded::new();
        let mut current = first.clone();
        for _ in 0..200 {
            std::thread::sleep(Duration::from_micros(chance.below(5000)));
            current.finalize().unwrap();
            current = module.initialize(InitArgs::OsLocking).unwrap();
        }
        // Left alone, they come through.
        let before = done.load(Ordering::SeqCst);
        let started = Instant::now();
        while done.load(Ordering::SeqCst) < before + 4 {
            assert!(started.elapsed() < HANG / 2, "nobody comes through any more");
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::SeqCst);
        // The context is left to the threads until they have ended.
        let _ = std::mem::ManuallyDrop::new(current);
    });
}

/// Who is told that somebody has logged in already may use that login, on every member of a group.
fn log_in(module: &Module) {
    for _ in 0..100 {
        let context = module.initialize(InitArgs::OsLocking).unwrap();
        let (start, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    let session = officer(&context, first_slot(&context));
                    let key = [Attribute::ulong(CKA_VALUE_LEN, 32)];
                    session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &key).unwrap();
                    // Closing the last session would log the others out.
                    end.wait();
                });
            }
        });
    }
}

fn share(module: &Module) {
    let context = module.initialize(InitArgs::OsLocking).unwrap();
    let session = officer(&context, first_slot(&context));
    let handle = session.handle().0;
    let functions = module.raw().functions().list;
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for _ in 0..500 {
                    for rv in requests(&functions, handle, thread) {
                        let allowed = [CKR_OK, CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED];
                        assert!(allowed.contains(&rv), "{}", names::ckr(rv));
                    }
                }
            });
        }
    });
    // Whatever is still under way, the session is good for something new.
    let _ = session.digest_final();
    let digest = session.digest(&Mechanism::Plain(CKM_SHA256), b"abc").unwrap();
    assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
}

fn requests(functions: &CK_FUNCTION_LIST, session: CK_SESSION_HANDLE, byte: u8) -> [CK_RV; 6] {
    let mut mechanism =
        CK_MECHANISM { mechanism: CKM_SHA256, pParameter: std::ptr::null_mut(), ulParameterLen: 0 };
    let mut data = [byte; 100];
    let (mut digest, mut len): (_, CK_ULONG) = ([0_u8; 32], 32);
    let (mut found, mut count) = ([0; 4], 0);
    // SAFETY: the arguments are as the standard wants them; only their moment is wrong.
    unsafe {
        [
            functions.C_DigestInit.unwrap()(session, &raw mut mechanism),
            functions.C_DigestUpdate.unwrap()(session, data.as_mut_ptr(), 100),
            functions.C_DigestFinal.unwrap()(session, digest.as_mut_ptr(), &raw mut len),
            functions.C_FindObjectsInit.unwrap()(session, std::ptr::null_mut(), 0),
            functions.C_FindObjects.unwrap()(session, found.as_mut_ptr(), 4, &raw mut count),
            functions.C_FindObjectsFinal.unwrap()(session),
        ]
    }
}
