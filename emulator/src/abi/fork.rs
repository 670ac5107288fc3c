//! What the store must know of a fork.
//!
//! The guard holds calls back while a fork is under way, so that no lock of a library below is held
//! in the child by a thread that did not come along. The database under an embedded HSM holds file
//! locks that belong to a process, so the store is told before and after. Raw `clone` calls pass
//! these handlers by; the guard notices such a child all the same.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::abi::guard;
use crate::hsm::store;

static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Has the C library call the handlers at every `fork` from now on. Once in the life of the loaded
/// module; the C library forgets them when it unloads the module.
///
/// A flag and not a `Once`: a child that is forked while a `Once` runs would wait for it for ever.
pub(super) fn watch() {
    if REGISTERED.swap(true, Ordering::AcqRel) {
        return;
    }
    // SAFETY: the handlers are functions of this module, and stay where they are while it is
    // loaded. Out of memory is the only failure; then forks go unnoticed by the store, which
    // checks on its own when it next opens a file.
    unsafe { libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
}

extern "C" fn before() {
    quietly(guard::hold);
    quietly(store::before_fork);
}

extern "C" fn after_in_parent() {
    quietly(store::after_fork_in_parent);
    quietly(guard::release);
}

extern "C" fn after_in_child() {
    quietly(guard::forget_hold);
    quietly(store::after_fork_in_child);
}

/// A panic in a handler must not reach the C library, which would end the host.
fn quietly(handler: fn()) {
    let _ = guard::shield(|| {
        handler();
        crate::ck::CKR_OK
    });
}
