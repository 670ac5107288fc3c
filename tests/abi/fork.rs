//! `fork`: the child is not initialised, whatever its parent's threads were doing, and becomes so by itself.

use std::io::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use luna_ck::*;
use luna_client::{Attribute, Context, InitArgs, Mechanism, Module, Session};
use luna_tests::child::{self, Child};
use luna_tests::{HANG, Instance, first_slot, officer};

/// Forks while other threads are in the library.
const FORKS: usize = 200;

fn run(role: &str) {
    let instance = Instance::fips_group();
    let words = [role, instance.module().to_str().unwrap()];
    let said = Child::start("fork", &words, &instance).within(3 * HANG).end().well();
    assert_eq!(said, ["done"], "{role}");
}

#[test]
fn the_child_starts_anew_and_finds_the_token_objects() {
    run("once");
}

#[test]
fn forks_while_other_threads_hammer() {
    run("hammer");
}

/// The crypto library's generator notices a fork under a lock that every draw takes.
#[test]
fn forks_while_other_threads_draw() {
    run("draw");
}

#[test]
fn no_two_processes_draw_the_same_random_bytes() {
    run("random");
}

pub(crate) fn application(words: &[String]) {
    let [role, path] = words else { panic!("{words:?}") };
    let context = Module::load(path).unwrap().initialize(InitArgs::OsLocking).unwrap();
    let session = officer(&context, first_slot(&context));
    let key = [
        Attribute::token(true),
        Attribute::label("before the fork"),
        Attribute::ulong(CKA_VALUE_LEN, 32),
        Attribute::bool(CKA_SIGN, true),
    ];
    session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &key).unwrap();
    let mac = mac(&session);
    match role.as_str() {
        "once" => forked(&context, &mac),
        "hammer" => hammer(&context, &mac),
        "draw" => while_drawing(&context, &mac),
        "random" => draws(&context, &session),
        other => panic!("nobody plays {other}"),
    }
    assert_eq!(self::mac(&session), mac, "the parent's session and login are as they were");
    child::say("done");
}

fn mac(session: &Session) -> Vec<u8> {
    let key = session.find(&[Attribute::label("before the fork")]).unwrap();
    assert_eq!(key.len(), 1);
    session.sign(&Mechanism::Plain(CKM_AES_CMAC), key[0], b"data").unwrap()
}

fn hammer(context: &Context, mac: &[u8]) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let session = officer(context, first_slot(context));
                    assert_eq!(self::mac(&session), mac);
                    let object = [
                        Attribute::token(true),
                        Attribute::class(CKO_DATA),
                        Attribute::label("hammered"),
                        Attribute::bytes(CKA_VALUE, [7; 100]),
                    ];
                    let object = session.create_object(&object).unwrap();
                    session.destroy(object).unwrap();
                }
            });
        }
        for _ in 0..FORKS {
            forked(context, mac);
        }
        stop.store(true, Ordering::SeqCst);
    });
}

fn while_drawing(context: &Context, mac: &[u8]) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let session = officer(context, first_slot(context));
                while !stop.load(Ordering::SeqCst) {
                    session.random(32).unwrap();
                }
            });
        }
        for _ in 0..FORKS {
            forked(context, mac);
        }
        stop.store(true, Ordering::SeqCst);
    });
}

/// Several children of one parent whose generator has been in use, and the parent itself after each.
fn draws(context: &Context, session: &Session) {
    const LEN: usize = 32;
    let mut seen = vec![session.random(LEN).unwrap()];
    for _ in 0..4 {
        let mut ends = [0; 2];
        // SAFETY: room for the two ends.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0, "{}", Error::last_os_error());
        // SAFETY: as in `forked`.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "{}", Error::last_os_error());
        if pid == 0 {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let own = context.module().initialize(InitArgs::OsLocking).unwrap();
                let drawn = officer(&own, first_slot(&own)).random(LEN).unwrap();
                // SAFETY: the bytes are there, and a pipe takes so few at once.
                let written = unsafe { libc::write(ends[1], drawn.as_ptr().cast(), LEN) };
                assert_eq!(written.unsigned_abs(), LEN);
            }));
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(i32::from(outcome.is_err())) };
        }
        let mut drawn = vec![0; LEN];
        // SAFETY: the write end is ours to close, the bytes have room, and the child is ours.
        let (read, status) = unsafe {
            libc::close(ends[1]);
            let read = libc::read(ends[0], drawn.as_mut_ptr().cast(), LEN);
            libc::close(ends[0]);
            let mut status = 0;
            libc::waitpid(pid, &raw mut status, 0);
            (read, status)
        };
        assert_eq!((read.unsigned_abs(), status), (LEN, 0), "the child drew and ended well");
        seen.extend([drawn, session.random(LEN).unwrap()]);
    }
    let drawn = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), drawn, "bytes were drawn twice");
}

/// Forks, and has the child go through its life.
fn forked(context: &Context, mac: &[u8]) {
    // SAFETY: the child makes calls of the module and of the C library's allocator, which takes forks, and ends
    // with `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", Error::last_os_error());
    if pid == 0 {
        // No unwinding into the parent's frames.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live(context, mac)));
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(i32::from(outcome.is_err())) };
    }
    let started = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: a child of ours, and a place for its status.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
        if waited == pid {
            assert_eq!(status, 0, "the forked child failed (its words are on standard error)");
            return;
        }
        assert_eq!(waited, 0, "{}", Error::last_os_error());
        if started.elapsed() > HANG {
            // SAFETY: the child is ours.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            panic!("the forked child hangs");
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The life of a forked child.
fn live(context: &Context, mac: &[u8]) {
    let inherited = context.slots(true).unwrap_err();
    assert!(inherited.is(CKR_CRYPTOKI_NOT_INITIALIZED), "{inherited}");
    let own = context.module().initialize(InitArgs::OsLocking).unwrap();
    let session = officer(&own, first_slot(&own));
    assert_eq!(self::mac(&session), mac, "the same key");
    let object = [
        Attribute::token(true),
        Attribute::class(CKO_DATA),
        Attribute::label("of the child"),
        Attribute::bytes(CKA_VALUE, [7; 100]),
    ];
    let object = session.create_object(&object).unwrap();
    session.destroy(object).unwrap();
    own.finalize().unwrap();
    // Its parent is initialised; it is not any more.
    assert!(context.slots(true).unwrap_err().is(CKR_CRYPTOKI_NOT_INITIALIZED));
}
