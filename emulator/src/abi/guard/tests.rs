#![allow(clippy::disallowed_methods, reason = "threads of a test wait for each other")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::ck::*;

/// What the tests see of a library.
#[derive(Default)]
struct Seen {
    stopped: AtomicUsize,
    dropped: AtomicUsize,
    failures: Mutex<Vec<(&'static str, Cause)>>,
}

struct Fake {
    seen: Arc<Seen>,
    panic_in_stop: bool,
    alive: AtomicBool,
}

impl Fake {
    fn new(seen: &Arc<Seen>) -> Self {
        Self { seen: Arc::clone(seen), panic_in_stop: false, alive: AtomicBool::new(true) }
    }
}

impl Guarded for Fake {
    fn stop(&self) {
        self.seen.stopped.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panic_in_stop, "asked for by the test");
    }

    fn log_failure(&self, function: &'static str, error: &Error) {
        self.seen.failures.lock().push((function, error.cause()));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::SeqCst);
        self.seen.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

fn guard() -> &'static Guard<Fake> {
    Box::leak(Box::new(Guard::new()))
}

fn counts(seen: &Seen) -> (usize, usize) {
    (seen.stopped.load(Ordering::SeqCst), seen.dropped.load(Ordering::SeqCst))
}

#[test]
fn calls_are_answered_between_start_and_finish_only() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    let call = || guard.enter("C_X", |_| Ok(()));
    for _ in 0..3 {
        assert_eq!(call(), CKR_CRYPTOKI_NOT_INITIALIZED);
        assert_eq!(guard.finish(), CKR_CRYPTOKI_NOT_INITIALIZED);
        assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
        let again = guard.start(|| panic!("a second library is made"), None);
        assert_eq!(again, CKR_CRYPTOKI_ALREADY_INITIALIZED);
        assert_eq!(call(), CKR_OK);
        assert_eq!(guard.finish(), CKR_OK);
    }
    assert_eq!(counts(&seen), (3, 3));
}

#[test]
fn failures_reach_the_log_and_the_caller() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    guard.start(|| Ok(Fake::new(&seen)), None);
    let rv = guard.enter("C_X", |_| Err(Error::new(Cause::DataLenRange, "a test")));
    assert_eq!(rv, CKR_DATA_LEN_RANGE);
    assert_eq!(*seen.failures.lock(), [("C_X", Cause::DataLenRange)]);
}

#[test]
fn a_start_that_fails_or_panics_leaves_nothing_behind() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    let failed = guard.start(|| Err(Error::new(Cause::CantLock, "a test")), None);
    assert_eq!(failed, CKR_CANT_LOCK);
    assert_eq!(guard.start(|| panic!("a test"), None), CKR_GENERAL_ERROR);
    assert_eq!(guard.enter("C_X", |_| Ok(())), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
}

#[test]
fn a_panic_poisons_until_finish() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    guard.start(|| Ok(Fake::new(&seen)), None);
    assert_eq!(guard.enter("C_X", |_| panic!("a test")), CKR_GENERAL_ERROR);
    let rv = guard.enter("C_Y", |_| panic!("nobody gets in"));
    assert_eq!(rv, CKR_GENERAL_ERROR);
    let again = guard.start(|| Ok(Fake::new(&seen)), None);
    assert_eq!(again, CKR_CRYPTOKI_ALREADY_INITIALIZED);
    assert_eq!(guard.finish(), CKR_OK);
    assert_eq!(counts(&seen), (1, 1));
    assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
    assert_eq!(guard.enter("C_X", |_| Ok(())), CKR_OK);
}

#[test]
fn a_panic_in_stop_is_caught_and_the_library_is_left_alone() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    let bad = || {
        let mut fake = Fake::new(&seen);
        fake.panic_in_stop = true;
        Ok(fake)
    };
    assert_eq!(guard.start(bad, None), CKR_OK);
    assert_eq!(guard.finish(), CKR_OK);
    assert_eq!(counts(&seen), (1, 0));
    assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
    assert_eq!(guard.enter("C_X", |_| Ok(())), CKR_OK);
    assert_eq!(guard.finish(), CKR_OK);
    assert_eq!(counts(&seen), (2, 1));
}

#[test]
fn the_function_a_test_names_panics_and_no_other() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    guard.start(|| Ok(Fake::new(&seen)), Some("C_Sign".into()));
    assert_eq!(guard.enter("C_Encrypt", |_| Ok(())), CKR_OK);
    assert_eq!(guard.enter("C_Sign", |_| Ok(())), CKR_GENERAL_ERROR);
    assert_eq!(guard.enter("C_Encrypt", |_| Ok(())), CKR_GENERAL_ERROR);
    assert_eq!(guard.finish(), CKR_OK);
    guard.start(|| Ok(Fake::new(&seen)), None);
    assert_eq!(guard.enter("C_Sign", |_| Ok(())), CKR_OK);
}

#[test]
fn of_several_threads_that_start_one_wins() {
    for _ in 0..50 {
        let (guard, seen) = (guard(), Arc::new(Seen::default()));
        let mut answers: Vec<_> = thread::scope(|scope| {
            let start = || guard.start(|| Ok(Fake::new(&seen)), None);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        answers.sort_unstable();
        let late = CKR_CRYPTOKI_ALREADY_INITIALIZED;
        assert_eq!(answers, [CKR_OK, late, late, late]);
        let mut answers: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| guard.finish())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        answers.sort_unstable();
        let late = CKR_CRYPTOKI_NOT_INITIALIZED;
        assert_eq!(answers, [CKR_OK, late, late]);
        assert_eq!(counts(&seen), (1, 1));
    }
}

#[test]
fn finish_does_not_wait_and_the_last_call_out_drops_the_library() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    guard.start(|| Ok(Fake::new(&seen)), None);
    let (inside, is_inside) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let caller = thread::spawn(move || {
        guard.enter("C_Slow", |fake| {
            inside.send(()).unwrap();
            may_go_on.recv().unwrap();
            assert!(fake.alive.load(Ordering::SeqCst));
            Ok(())
        })
    });
    is_inside.recv().unwrap();
    assert_eq!(guard.finish(), CKR_OK);
    assert_eq!(counts(&seen), (1, 0));
    // A new life begins while a call of the old one is still inside.
    assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
    assert_eq!(guard.enter("C_X", |_| Ok(())), CKR_OK);
    go_on.send(()).unwrap();
    assert_eq!(caller.join().unwrap(), CKR_OK);
    assert_eq!(counts(&seen), (1, 1));
    assert_eq!(guard.finish(), CKR_OK);
    assert_eq!(counts(&seen), (2, 2));
}

#[test]
fn lives_come_and_go_under_load() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    let over = AtomicBool::new(false);
    const LIVES: usize = 500;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let rv = guard.enter("C_X", |fake| {
                        assert!(fake.alive.load(Ordering::SeqCst));
                        thread::yield_now();
                        assert!(fake.alive.load(Ordering::SeqCst));
                        Ok(())
                    });
                    assert!([CKR_OK, CKR_CRYPTOKI_NOT_INITIALIZED].contains(&rv), "{rv:#x}");
                }
            });
        }
        for _ in 0..LIVES {
            assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
            thread::yield_now();
            assert_eq!(guard.finish(), CKR_OK);
        }
        over.store(true, Ordering::Relaxed);
    });
    // Whatever a busy lock left over goes at the next chance.
    assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
    assert_eq!(guard.finish(), CKR_OK);
    assert_eq!(counts(&seen), (LIVES + 1, LIVES + 1));
    let instances = guard.page().unwrap().life().lock().len();
    assert!(instances <= 8, "places are used again, and there are {instances}");
}

/// Runs `child` in a forked process and returns its exit code; a child that hangs is ended by its
/// own alarm and shows as an error.
fn in_child(child: impl FnOnce() -> bool) -> std::result::Result<bool, i32> {
    // SAFETY: the child only runs the closure and leaves without unwinding; memory allocation
    // works in it, which the C library sees to.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: plain system calls.
            unsafe { libc::alarm(20) };
            let good = catch_unwind(AssertUnwindSafe(child)).unwrap_or(false);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!good)) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: waits for the child above.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            if libc::WIFEXITED(status) { Ok(libc::WEXITSTATUS(status) == 0) } else { Err(status) }
        }
    }
}

fn starts_afresh(guard: &'static Guard<Fake>, seen: &Arc<Seen>) -> bool {
    let call = || guard.enter("C_X", |_| Ok(()));
    let before = counts(seen);
    call() == CKR_CRYPTOKI_NOT_INITIALIZED
        && guard.finish() == CKR_CRYPTOKI_NOT_INITIALIZED
        && guard.start(|| Ok(Fake::new(seen)), None) == CKR_OK
        && call() == CKR_OK
        && guard.start(|| Ok(Fake::new(seen)), None) == CKR_CRYPTOKI_ALREADY_INITIALIZED
        && guard.finish() == CKR_OK
        // One library of its own, and the inherited one neither stopped nor dropped.
        && counts(seen) == (before.0 + 1, before.1 + 1)
}

#[test]
fn a_child_is_not_initialised_and_starts_afresh() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    guard.start(|| Ok(Fake::new(&seen)), None);
    let grandchild = || in_child(|| starts_afresh(guard, &seen)) == Ok(true);
    let child = in_child(|| {
        starts_afresh(guard, &seen)
            && guard.start(|| Ok(Fake::new(&seen)), None) == CKR_OK
            && grandchild()
            && guard.enter("C_X", |_| Ok(())) == CKR_OK
    });
    assert_eq!(child, Ok(true));
    assert_eq!(guard.enter("C_X", |_| Ok(())), CKR_OK);
    assert_eq!(counts(&seen), (0, 0));
}

#[test]
fn a_child_does_not_wait_for_locks_of_its_parent() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    guard.start(|| Ok(Fake::new(&seen)), None);
    let (inside, is_inside) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    // One thread is in a call, another in C_Finalize and holds the lock of life.
    let held = guard.page().unwrap().life().lock();
    let caller = thread::spawn(move || {
        guard.enter("C_Slow", |_| {
            inside.send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok(())
        })
    });
    is_inside.recv().unwrap();
    assert_eq!(in_child(|| starts_afresh(guard, &seen)), Ok(true));
    drop(held);
    go_on.send(()).unwrap();
    assert_eq!(caller.join().unwrap(), CKR_OK);
}

#[test]
fn threads_of_a_child_race_and_one_wins() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    guard.start(|| Ok(Fake::new(&seen)), None);
    let child = in_child(|| {
        let answers: Vec<_> = thread::scope(|scope| {
            let start = || guard.start(|| Ok(Fake::new(&seen)), None);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        answers.iter().filter(|rv| **rv == CKR_OK).count() == 1
    });
    assert_eq!(child, Ok(true));
}

#[test]
fn where_the_kernel_does_not_wipe_the_process_number_tells() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    let page = guard.page_or_new().unwrap();
    // As if the advice had been refused: the page is kept by the child and carries an owner.
    // SAFETY: exactly the page that was mapped.
    let kept = unsafe {
        libc::madvise(ptr::from_ref(page).cast_mut().cast(), PAGE_BYTES, libc::MADV_KEEPONFORK)
    };
    assert_eq!(kept, 0);
    page.owner.store(process(), Ordering::Relaxed);
    assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
    assert_eq!(in_child(|| starts_afresh(guard, &seen)), Ok(true));
    assert_eq!(guard.enter("C_X", |_| Ok(())), CKR_OK);
}

#[test]
fn a_fork_waits_for_calls_and_calls_for_it() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
    let (told, hears) = mpsc::channel();
    thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let ended = told.clone();
        scope.spawn(move || {
            let inside = || {
                begun.send(()).unwrap();
                thread::sleep(Duration::from_millis(10));
                ended.send("the call under way").unwrap();
                Ok(())
            };
            assert_eq!(guard.enter("C_X", |_| inside()), CKR_OK);
        });
        has_begun.recv().unwrap();
        guard.hold();
        assert_eq!(hears.try_recv(), Ok("the call under way"));
        let late = told.clone();
        scope.spawn(move || {
            let inside = || {
                late.send("the late call").unwrap();
                Ok(())
            };
            assert_eq!(guard.enter("C_X", |_| inside()), CKR_OK);
        });
        thread::sleep(Duration::from_millis(20));
        assert!(hears.try_recv().is_err(), "calls are held back");
        guard.release();
        assert_eq!(hears.recv(), Ok("the late call"));
    });
    // The thread that forks may call, and finalise, from handlers of its own.
    guard.hold();
    assert_eq!(guard.enter("C_X", |_| Ok(())), CKR_OK);
    guard.hold();
    assert_eq!(guard.finish(), CKR_OK);
    guard.release();
    assert_eq!(guard.enter("C_X", |_| Ok(())), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_eq!(counts(&seen), (1, 1));
}

#[test]
fn a_long_call_does_not_keep_a_fork_waiting() {
    let (guard, seen) = (guard(), Arc::new(Seen::default()));
    assert_eq!(guard.start(|| Ok(Fake::new(&seen)), None), CKR_OK);
    let forks_from_inside = |_: &Fake| {
        guard.hold();
        guard.release();
        Ok(())
    };
    assert_eq!(guard.enter("C_X", forks_from_inside), CKR_OK);
    assert_eq!(guard.finish(), CKR_OK);
    assert_eq!(counts(&seen), (1, 1));
}
