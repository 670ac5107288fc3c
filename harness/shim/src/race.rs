//! Breaches that only threads which call at once can notice: one call after the other, all is as it should be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use luna_client::ck::*;

use crate::{WORDS, behind};

/// How long a call stays open to what others do: far longer than a call takes.
const PAUSE: Duration = Duration::from_micros(500);

/// Reads the first half of the attributes, and a while later the rest.
///
/// # Safety
/// As the standard says of `C_GetAttributeValue`.
pub(crate) unsafe fn torn(words: [usize; WORDS]) -> CK_RV {
    let [session, object, template, count, ..] = words;
    let half = count / 2;
    let rest = template.saturating_add(half.saturating_mul(size_of::<CK_ATTRIBUTE>()));
    let read = |template: usize, count: usize| {
        // SAFETY: a part of the caller's array.
        unsafe {
            behind::call("C_GetAttributeValue", [session, object, template, count, 0, 0, 0, 0])
        }
    };
    if half == 0 {
        return read(template, count);
    }
    let first = read(template, half);
    std::thread::sleep(PAUSE);
    let second = read(rest, count - half);
    if first == CKR_OK { second } else { first }
}

/// Gives the handle of another object that is being made at the same moment.
///
/// # Safety
/// As the standard says of `C_CreateObject`.
pub(crate) unsafe fn shared(words: [usize; WORDS]) -> CK_RV {
    static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let others = UNDER_WAY.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the caller's promise.
    let rv = unsafe { behind::call("C_CreateObject", words) };
    std::thread::sleep(PAUSE);
    let handle = words[3] as *mut CK_OBJECT_HANDLE;
    if rv == CKR_OK && !handle.is_null() {
        // SAFETY: the function has written there.
        unsafe {
            let own = usize::try_from(handle.read_unaligned()).unwrap_or(0);
            match LAST.swap(own, Ordering::SeqCst) {
                0 => {}
                other if others > 0 => handle.write_unaligned(other as CK_ULONG),
                _ => {}
            }
        }
    }
    UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    rv
}
