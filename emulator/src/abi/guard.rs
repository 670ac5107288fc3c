//! The one static of the module, and what every call passes on its way in and out.
//!
//! The guard knows whether the library is initialised, in this process and not in a parent of it;
//! it keeps the library alive while calls are in it, turns a panic into `CKR_GENERAL_ERROR` and
//! remembers it, and hands failures to the call log. What the library is, it does not know.
//!
//! **Life.** The running library is reached through one pointer. A call announces itself in a
//! counter and looks at the pointer again: from then on `C_Finalize` can take the pointer away but
//! not the library. It tells the library to stop and does not wait; who leaves last drops it. A
//! call that hangs therefore never hangs `C_Finalize`. Announcing costs two atomic additions on
//! a cache line that few other threads use (a reader-writer lock with a reference count costs
//! four, on lines that all threads share), so calls of different threads do not slow each other
//! down.
//!
//! **Fork.** The pointer lies on a page that the kernel hands to a forked child as zeroes
//! (`MADV_WIPEONFORK`, Linux 4.14). A child therefore finds itself not initialised by the same
//! load that every call makes, and finds no lock that a thread of its parent may have held. What
//! it inherited is left alone: neither locked nor dropped. Where the kernel refuses, the page
//! carries the number of its process and every call asks for its own (about 50 ns more). Libraries
//! below have locks of their own, which a child would find held for ever by threads it does not
//! have: aws-lc notices a fork under one that every draw of randomness takes. So a fork waits for
//! the calls under way, and calls that come wait for the fork: see `hold`.
//!
//! **Panic.** A panic inside a call is caught; later calls answer `CKR_GENERAL_ERROR` until
//! `C_Finalize`, since nobody knows in what state the panic left the library. The message still
//! goes where the host's panic hook sends it, by default to standard error: a hook is a setting of
//! the whole process, and not ours to change.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::ck::CK_RV;
use crate::error::{Cause, Error, Result};
use crate::library::{Library, UNSERVED};

/// The library of this process.
static GUARD: Guard<Library> = Guard::new();

/// Makes the library with `make` unless there is one: `C_Initialize`.
///
/// `panic_in` names a function whose calls panic, to test the guard of a built module.
pub(super) fn start(make: impl FnOnce() -> Result<Library>, panic_in: Option<String>) -> CK_RV {
    GUARD.start(make, panic_in)
}

/// Stops the library: `C_Finalize`.
pub(super) fn finish() -> CK_RV {
    GUARD.finish()
}

/// Runs one call on the library.
pub(super) fn enter(function: &'static str, call: impl FnOnce(&Library) -> Result<()>) -> CK_RV {
    GUARD.enter(function, call)
}

/// The answer of a function that is exported and not served, given where any other would be.
#[inline(never)]
pub(super) fn unserved(function: &'static str) -> CK_RV {
    GUARD.enter(function, |library| {
        library.refuse(function, Error::new(Cause::FunctionNotSupported, UNSERVED))
    })
}

/// The answer of a function that the vendor's library has but refuses.
#[inline(never)]
pub(super) fn refused(function: &'static str, cause: Cause) -> CK_RV {
    GUARD.enter(function, |library| {
        library.refuse(function, Error::new(cause, "Luna answers this function so, always"))
    })
}

/// Keeps calls out until [`release`], and waits for those inside, but not for long: a thread in the
/// midst of a long call rarely holds a lock. For the prepare handler of `pthread_atfork`.
pub(super) fn hold() {
    GUARD.hold();
}

/// Lets calls go on, in the thread that held them back; for any other it is nothing.
pub(super) fn release() {
    GUARD.release();
}

/// In a forked child, where nothing is held back.
pub(super) fn forget_hold() {
    let _ = HOLDS.try_with(Cell::take);
}

/// Runs what needs no library: a panic is `CKR_GENERAL_ERROR` and nothing is remembered.
pub(super) fn shield(call: impl FnOnce() -> CK_RV) -> CK_RV {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        discard(payload);
        Cause::GeneralError.ck_rv()
    })
}

/// What the guard needs of the library.
pub(super) trait Guarded: Send + Sync + 'static {
    /// Ends everything under way; calls still inside find it ended.
    fn stop(&self);
    /// Takes note of a call that failed.
    fn log_failure(&self, function: &'static str, error: &Error);
}

impl Guarded for Library {
    fn stop(&self) {
        Self::stop(self);
    }

    fn log_failure(&self, function: &'static str, error: &Error) {
        Self::log_failure(self, function, error);
    }
}

/// Counters among which threads are spread. More threads than this share some.
const STRIPES: usize = 16;

/// Calls in progress of some threads, on a cache line of their own (two, as processors fetch
/// them in pairs).
#[derive(Default)]
#[repr(align(128))]
struct Stripe(AtomicUsize);

/// How the running library stands.
mod mark {
    /// Calls go in.
    pub(super) const SOUND: u8 = 0;
    /// Calls go in, and one function panics on purpose.
    pub(super) const ARMED: u8 = 1;
    /// A call panicked; none goes in any more.
    pub(super) const POISONED: u8 = 2;
    /// Stopping it panicked too: it is never dropped.
    pub(super) const ABANDONED: u8 = 3;
}

struct Running<T> {
    library: T,
    panic_in: Option<String>,
}

/// A place for a running library. Places are made when needed, used again, and never freed, so
/// that a call may look at one whose library has just gone.
struct Instance<T> {
    running: UnsafeCell<Option<Running<T>>>,
    mark: AtomicU8,
    stripes: [Stripe; STRIPES],
}

// SAFETY: `running` is written only under the lock of `Life`, while the instance is not the current
// one and no stripe counts a call; it is read only by calls that a stripe counts since before
// they saw the instance current, and under that lock. `T` may be shared and sent.
unsafe impl<T: Send + Sync> Sync for Instance<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for Instance<T> {}

impl<T> Instance<T> {
    fn new() -> Self {
        Self {
            running: UnsafeCell::new(None),
            mark: AtomicU8::new(mark::SOUND),
            stripes: Default::default(),
        }
    }

    fn is_idle(&self) -> bool {
        self.stripes.iter().all(|stripe| stripe.0.load(Ordering::SeqCst) == 0)
    }
}

/// Every instance of this process; the lock makes `C_Initialize` and `C_Finalize` one at a time.
type Life<T> = Mutex<Instances<T>>;

type Instances<T> = Vec<&'static Instance<T>>;

/// What a forked child sees as zeroes: no library, no lock, no owner.
#[repr(C)]
struct Page<T: 'static> {
    current: AtomicPtr<Instance<T>>,
    life: AtomicPtr<Life<T>>,
    /// The process, where the kernel does not wipe the page; else 0.
    owner: AtomicI32,
}

pub(super) struct Guard<T: 'static> {
    page: AtomicPtr<Page<T>>,
}

impl<T: Guarded> Guard<T> {
    pub(super) const fn new() -> Self {
        Self { page: AtomicPtr::new(ptr::null_mut()) }
    }

    /// As [`enter`].
    #[inline]
    pub(super) fn enter(
        &self,
        function: &'static str,
        call: impl FnOnce(&T) -> Result<()>,
    ) -> CK_RV {
        let Some(page) = self.page() else { return Cause::CryptokiNotInitialized.ck_rv() };
        let Some(stay) = Stay::begin(self, page) else {
            return Cause::CryptokiNotInitialized.ck_rv();
        };
        if stay.instance.mark.load(Ordering::Relaxed) >= mark::POISONED {
            return Cause::GeneralError.ck_rv();
        }
        // A panic may leave the library half changed; the mark keeps everybody out of it.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            stay.spring(function);
            call(&stay.running.library).map_err(|error| {
                stay.running.library.log_failure(function, &error);
                error.ck_rv()
            })
        }));
        match outcome {
            Ok(Ok(())) => crate::ck::CKR_OK,
            Ok(Err(rv)) => rv,
            Err(payload) => {
                stay.instance.mark.fetch_max(mark::POISONED, Ordering::Relaxed);
                discard(payload);
                Cause::GeneralError.ck_rv()
            }
        }
    }

    /// As [`hold`].
    pub(super) fn hold(&self) {
        let Some(page) = self.page() else { return };
        // Already held by this thread, which forks within its own handlers.
        if !matches!(HOLDS.try_with(Cell::get), Ok(None)) {
            return;
        }
        // Somebody else initialises, finalises or forks.
        let Some(instances) = page.life().try_lock_for(FORK_PATIENCE) else { return };
        let current = page.current.swap(held_back(), Ordering::SeqCst);
        let mut waited = Duration::ZERO;
        while waited < FORK_PATIENCE && !instances.iter().all(|instance| instance.is_idle()) {
            nap();
            waited += FORK_POLL;
        }
        let lock = Box::into_raw(Box::new(instances));
        let _ = HOLDS.try_with(|holds| holds.set(Some((current.cast(), lock.cast()))));
    }

    /// As [`release`].
    pub(super) fn release(&self) {
        let Ok(Some((current, lock))) = HOLDS.try_with(Cell::take) else { return };
        let Some(page) = self.page() else { return };
        page.current.store(current.cast(), Ordering::SeqCst);
        // SAFETY: from the box that `hold` made in this thread, of this type; taken once.
        drop(unsafe { Box::from_raw(lock.cast::<MutexGuard<'static, Instances<T>>>()) });
    }

    /// As [`start`].
    pub(super) fn start(
        &self,
        make: impl FnOnce() -> Result<T>,
        panic_in: Option<String>,
    ) -> CK_RV {
        self.release();
        let Some(page) = self.page_or_new() else { return Cause::HostMemory.ck_rv() };
        let mut instances = page.life().lock();
        if !page.current.load(Ordering::SeqCst).is_null() {
            return Cause::CryptokiAlreadyInitialized.ck_rv();
        }
        page.sweep(&instances);
        let library = match catch_unwind(AssertUnwindSafe(make)) {
            Ok(Ok(library)) => library,
            Ok(Err(error)) => return error.ck_rv(),
            Err(payload) => {
                discard(payload);
                return Cause::GeneralError.ck_rv();
            }
        };
        // SAFETY: the lock is held, under which alone `running` is written.
        let free = instances.iter().find(|instance| unsafe { (*instance.running.get()).is_none() });
        let instance = match free {
            Some(instance) => *instance,
            None => {
                let new: &'static Instance<T> = Box::leak(Box::new(Instance::new()));
                instances.push(new);
                new
            }
        };
        let sound = if panic_in.is_some() { mark::ARMED } else { mark::SOUND };
        // SAFETY: the lock is held; the instance is not current, and empty, so no call is in it.
        unsafe { *instance.running.get() = Some(Running { library, panic_in }) };
        instance.mark.store(sound, Ordering::Relaxed);
        page.current.store(ptr::from_ref(instance).cast_mut(), Ordering::SeqCst);
        crate::ck::CKR_OK
    }

    /// As [`finish`].
    pub(super) fn finish(&self) -> CK_RV {
        self.release();
        let Some(page) = self.page() else { return Cause::CryptokiNotInitialized.ck_rv() };
        let instances = page.life().lock();
        let Some(current) = NonNull::new(page.current.swap(ptr::null_mut(), Ordering::SeqCst))
        else {
            return Cause::CryptokiNotInitialized.ck_rv();
        };
        // SAFETY: instances are never freed, and the pointer came from one.
        let instance: &Instance<T> = unsafe { current.as_ref() };
        // SAFETY: the lock is held, so nobody writes it.
        if let Some(running) = unsafe { &*instance.running.get() }
            && let Err(payload) = catch_unwind(AssertUnwindSafe(|| running.library.stop()))
        {
            discard(payload);
            instance.mark.store(mark::ABANDONED, Ordering::Relaxed);
        }
        page.sweep(&instances);
        crate::ck::CKR_OK
    }

    /// The page, if this process made one.
    #[inline]
    fn page(&self) -> Option<&'static Page<T>> {
        // SAFETY: null, or a page of ours, which is never unmapped once it stands here.
        let page = unsafe { self.page.load(Ordering::Acquire).as_ref() }?;
        let owner = page.owner.load(Ordering::Relaxed);
        (owner == 0 || owner == process()).then_some(page)
    }

    /// The page, made anew when there is none or it is a parent's.
    fn page_or_new(&self) -> Option<&'static Page<T>> {
        loop {
            let seen = self.page.load(Ordering::Acquire);
            if let Some(page) = self.page() {
                return Some(page);
            }
            let new = Page::map()?;
            if self
                .page
                .compare_exchange(seen, new.as_ptr(), Ordering::AcqRel, Ordering::Acquire)
                .is_err()
            {
                // Another thread was faster.
                Page::unmap(new);
            }
        }
    }
}

/// Stands where the library does while a fork is under way. No instance has this address.
fn held_back<T>() -> *mut Instance<T> {
    ptr::without_provenance_mut(1)
}

/// The longest that a fork waits for calls.
const FORK_PATIENCE: Duration = Duration::from_millis(50);

/// How often it looks, and calls that wait for it.
const FORK_POLL: Duration = Duration::from_micros(20);

#[allow(clippy::disallowed_methods, reason = "a fork under way, of which no clock knows")]
fn nap() {
    std::thread::sleep(FORK_POLL);
}

fn process() -> i32 {
    // SAFETY: has no preconditions.
    unsafe { libc::getpid() }
}

/// Lets the message of a panic go without running whatever its destructor might do.
fn discard(payload: Box<dyn Any + Send>) {
    let _ = ManuallyDrop::new(payload);
}

const PAGE_BYTES: usize = 4096;

impl<T: 'static> Page<T> {
    const FITS: () = assert!(size_of::<Self>() <= PAGE_BYTES);

    /// A page of zeroes, which is a valid `Self` of null pointers.
    fn map() -> Option<NonNull<Self>> {
        let () = Self::FITS;
        // SAFETY: a new private mapping at an address the kernel chooses aliases nothing.
        let at = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: the advice is about exactly that mapping.
        let wiped = unsafe { libc::madvise(at, PAGE_BYTES, libc::MADV_WIPEONFORK) } == 0;
        let page = NonNull::new(at.cast::<Self>())?;
        if !wiped {
            // SAFETY: mapped, aligned, and zeroes are a valid value; nobody else knows it yet.
            unsafe { page.as_ref() }.owner.store(process(), Ordering::Relaxed);
        }
        Some(page)
    }

    /// Gives back a page that nobody else has seen.
    fn unmap(page: NonNull<Self>) {
        // SAFETY: `map` made exactly this mapping, and the only pointer to it is given up.
        unsafe { libc::munmap(page.as_ptr().cast(), PAGE_BYTES) };
    }

    /// The lock, made by whoever needs it first.
    fn life(&self) -> &'static Life<T> {
        let seen = self.life.load(Ordering::Acquire);
        // SAFETY: null, or leaked from a box below; a child's page does not have the parent's.
        if let Some(life) = unsafe { seen.as_ref() } {
            return life;
        }
        let new = Box::into_raw(Box::new(Mutex::new(Vec::new())));
        match self.life.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: from the box above, which is leaked now.
            Ok(_) => unsafe { &*new },
            Err(first) => {
                // SAFETY: nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: not null, else the exchange would not have failed.
                unsafe { &*first }
            }
        }
    }

    /// Drops every library that was stopped and that no call is in any more.
    fn sweep(&self, instances: &[&'static Instance<T>]) {
        let current = self.current.load(Ordering::SeqCst);
        for instance in instances {
            if ptr::eq(*instance, current)
                || instance.mark.load(Ordering::Relaxed) == mark::ABANDONED
                || !instance.is_idle()
            {
                continue;
            }
            // SAFETY: the caller holds the lock; the instance is not current, so calls that come
            // now turn away without looking, and none from before is inside.
            let gone = unsafe { (*instance.running.get()).take() };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(gone))) {
                discard(payload);
            }
        }
    }
}

thread_local! {
    /// The counter this thread uses. No destructor, so that a thread may outlive the module.
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };

    /// Where this thread holds calls back: what stood where the library does, and the boxed guard of
    /// `Life`. A child leaves both alone.
    static HOLDS: Cell<Option<(*mut (), *mut ())>> = const { Cell::new(None) };
}

/// Deals the counters out.
static NEXT_STRIPE: AtomicUsize = AtomicUsize::new(0);

fn stripe() -> usize {
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT_STRIPE.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        stripe.get()
    })
}

/// A call inside the library, which stays alive as long as this does.
struct Stay<T: Guarded> {
    page: &'static Page<T>,
    instance: &'static Instance<T>,
    stripe: &'static Stripe,
    running: &'static Running<T>,
}

impl<T: Guarded> Stay<T> {
    #[inline]
    fn begin(guard: &Guard<T>, page: &'static Page<T>) -> Option<Self> {
        let current = page.current.load(Ordering::SeqCst);
        if ptr::eq(current, held_back()) {
            return Self::begin_after_fork(guard, page);
        }
        // SAFETY: null, or an instance, and instances are never freed.
        let instance = unsafe { current.as_ref() }?;
        let stripe = instance.stripes.get(stripe())?;
        stripe.0.fetch_add(1, Ordering::SeqCst);
        if page.current.load(Ordering::SeqCst) == current {
            // SAFETY: the instance is current after this call was counted. Whoever ends it takes
            // the pointer away first and then looks at the counters, all in one order, and so
            // either we see the pointer gone or they see us.
            if let Some(running) = unsafe { (*instance.running.get()).as_ref() } {
                return Some(Self { page, instance, stripe, running });
            }
        }
        stripe.0.fetch_sub(1, Ordering::SeqCst);
        if ptr::eq(page.current.load(Ordering::SeqCst), held_back()) {
            return Self::begin_after_fork(guard, page);
        }
        None
    }

    /// A thread that calls from its own fork handlers does not wait for itself.
    #[cold]
    fn begin_after_fork(guard: &Guard<T>, page: &'static Page<T>) -> Option<Self> {
        guard.release();
        while ptr::eq(page.current.load(Ordering::SeqCst), held_back()) {
            nap();
        }
        Self::begin(guard, page)
    }

    /// Panics where a test wants it.
    #[inline]
    fn spring(&self, function: &str) {
        if self.instance.mark.load(Ordering::Relaxed) == mark::ARMED {
            self.spring_armed(function);
        }
    }

    #[cold]
    #[allow(clippy::panic, reason = "asked for by a test, through the environment")]
    fn spring_armed(&self, function: &str) {
        if self.running.panic_in.as_deref() == Some(function) {
            panic!("LUNA_EMULATOR_PANIC_IN names {function}");
        }
    }
}

impl<T: Guarded> Drop for Stay<T> {
    #[inline]
    fn drop(&mut self) {
        self.stripe.0.fetch_sub(1, Ordering::SeqCst);
        if !ptr::eq(self.page.current.load(Ordering::SeqCst), self.instance) {
            leave(self.page);
        }
    }
}

/// The library was stopped while this call was in it. If nobody else is, it goes now; when
/// somebody holds the lock, it goes at the next chance.
#[cold]
fn leave<T: Guarded>(page: &'static Page<T>) {
    if let Some(instances) = page.life().try_lock() {
        page.sweep(&instances);
    }
}

#[cfg(test)]
mod tests;
