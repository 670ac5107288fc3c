//! The places where connections live, and what a fork does to them.
//!
//! SQLite must not be carried over `fork(2)`: record locks stay with the parent while the
//! child's copy believes it has them, and a mutex some other thread held stays locked for ever.
//! So every connection of the process lives in a slot of one pool. Before a fork all slots are
//! locked and all connections closed completely, so that SQLite holds neither lock nor memory of
//! a file; afterwards parent and child let go, and each connects anew at its next use.
//!
//! Locks: pool before slot. Slots are never freed, only used again, so that a guard of one can
//! be kept from the prepare handler of a fork to the handlers after it.
//!
//! These are the standard library's mutexes and not `parking_lot`'s. A `parking_lot` mutex that
//! somebody waits for keeps the waiter in a table of the process; a child unlocking its copy may
//! find that table's lock taken, or hand the mutex to a waiter that exists only in the parent.
//! The standard one is a single word, which the child can simply clear.

#![allow(
    clippy::disallowed_types,
    reason = "a mutex held across fork(2) must not depend on a table of waiting threads"
)]

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::answers::Answers;
use crate::env::process;

/// A place for one connection.
#[derive(Debug, Default)]
pub(super) struct Slot {
    connection: Option<Connection>,
    /// Answers of the store the slot belongs to.
    pub(super) answers: Answers,
    /// Who connected: nobody else may even disconnect.
    pid: u32,
    /// Whether the connection is all there is of a store in memory, so that it stays open over a
    /// fork. It has no file and so nothing a fork could tear.
    in_memory: bool,
}

/// A slot was connected by a process that then forked without calling [`before_fork`].
#[derive(Debug)]
pub(super) struct Forked;

impl Slot {
    /// The connection, or `None` when there is none at the moment.
    pub(super) fn connection(&mut self) -> Result<Option<&mut Connection>, Forked> {
        if self.connection.is_some() && self.pid != process::pid() {
            return Err(Forked);
        }
        Ok(self.connection.as_mut())
    }

    /// Puts a new connection in.
    pub(super) fn connect(&mut self, connection: Connection, in_memory: bool) -> &mut Connection {
        self.pid = process::pid();
        self.in_memory = in_memory;
        self.connection.insert(connection)
    }

    fn disconnect(&mut self) {
        let connection = self.connection.take();
        if self.pid != process::pid() {
            // Its locks are the parent's. Nothing may be done with it, so it stays as it is.
            let _abandoned = ManuallyDrop::new(connection);
        }
    }
}

#[derive(Debug)]
struct Pool {
    all: Vec<&'static Mutex<Slot>>,
    free: Vec<&'static Mutex<Slot>>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { all: Vec::new(), free: Vec::new() });

/// Forks under way. Whoever wants a slot lets them go first, or a busy store could keep a fork
/// waiting for ever.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Everything locked, from before a fork until after it. Belongs to the thread that forks, of
/// which the child has a copy.
struct Held {
    /// Before the pool, so that the slots are free when the pool is.
    slots: Vec<MutexGuard<'static, Slot>>,
    _pool: MutexGuard<'static, Pool>,
    depth: u32,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// A panic while a slot was locked rolled the transaction back; the slot is as good as before.
fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn let_forks_pass() {
    if FORKS.load(Ordering::Acquire) > 0 {
        drop(lock(&POOL));
    }
}

/// The slots of one store.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<&'static Mutex<Slot>>,
}

impl Slots {
    /// Takes `count` slots from the pool.
    pub(super) fn take(count: usize) -> Self {
        let mut pool = lock(&POOL);
        let mut slots = Vec::with_capacity(count);
        while slots.len() < count {
            let slot = pool.free.pop().unwrap_or_else(|| {
                let slot: &'static Mutex<Slot> = Box::leak(Box::default());
                pool.all.push(slot);
                slot
            });
            slots.push(slot);
        }
        Self { slots }
    }

    /// The slot for writing, always the same one: SQLite has one writer at a time anyway.
    pub(super) fn writing(&self) -> Option<MutexGuard<'static, Slot>> {
        let_forks_pass();
        self.slots.first().map(|slot| lock(slot))
    }

    /// A slot for reading: the first that is free, so that one thread makes one connection.
    pub(super) fn reading(&self) -> Option<MutexGuard<'static, Slot>> {
        let_forks_pass();
        for slot in &self.slots {
            match slot.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.slots.last().map(|slot| lock(slot))
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // Under the pool's lock, so that no fork happens in the middle of a disconnection.
        let mut pool = lock(&POOL);
        for slot in self.slots.drain(..) {
            let mut guard = lock(slot);
            if let Ok(Some(connection)) = guard.connection() {
                // The last one to leave moves the log into the database and removes it.
                let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
            }
            guard.disconnect();
            guard.answers = Answers::default();
            drop(guard);
            pool.free.push(slot);
        }
    }
}

/// Disconnects every store of the process and keeps all of them still until the fork is over.
///
/// For the prepare handler of `pthread_atfork`. Waits for calls into a store that are under way,
/// so it must not be called from inside one (from a closure given to
/// [`Store::change_role`](super::Store::change_role)). May be nested; each call needs its
/// counterpart.
pub fn before_fork() {
    FORKS.fetch_add(1, Ordering::AcqRel);
    // A thread so near its end that it has no storage of its own any more forks unguarded: there
    // is nowhere to keep the guards, and the child of such a thread has nothing left to do.
    let _ = HELD.try_with(|held| {
        let mut held = held.borrow_mut();
        if let Some(held) = held.as_mut() {
            held.depth += 1;
            return;
        }
        let pool = lock(&POOL);
        let mut slots: Vec<_> = pool.all.iter().map(|slot| lock(slot)).collect();
        for slot in &mut slots {
            if !slot.in_memory {
                slot.disconnect();
            }
        }
        *held = Some(Held { slots, _pool: pool, depth: 1 });
    });
}

fn release() {
    let _ = HELD.try_with(|held| {
        let mut held = held.borrow_mut();
        if let Some(inner) = held.as_mut() {
            inner.depth -= 1;
            if inner.depth == 0 {
                *held = None;
            }
        }
    });
}

/// Lets the stores go on in the process that forked.
pub fn after_fork_in_parent() {
    FORKS.fetch_sub(1, Ordering::AcqRel);
    release();
}

/// Lets the stores go on in the new process, where each connects anew when it is used.
pub fn after_fork_in_child() {
    // Only this thread came along, so of all the forks under way only its own is left.
    let _ = HELD.try_with(|held| {
        let own = held.borrow().as_ref().map_or(0, |held| held.depth - 1);
        FORKS.store(own, Ordering::Release);
        for slot in held.borrow_mut().iter_mut().flat_map(|held| &mut held.slots) {
            if slot.in_memory {
                slot.pid = process::pid();
            }
        }
    });
    release();
}
