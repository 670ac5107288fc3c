//! Random numbers.

use crate::abi::ptr::{self, INPUT_BYTES_MAX};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;

/// Asked for at a time: the most a partition gives in one request.
const PIECE_BYTES: usize = 1 << 20;

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn seed(
    library: &Library,
    session: CK_SESSION_HANDLE,
    seed: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let seed = unsafe { ptr::bytes(seed, len)? };
    library.seed_random(SessionHandle(session), seed)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn generate(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    let len = usize::try_from(len).ok().filter(|len| *len <= INPUT_BYTES_MAX);
    let Some(len) = len else {
        return Err(Error::new(Cause::ArgumentsBad, "more random bytes than a call can give"));
    };
    if data.is_null() && len > 0 {
        return Err(Error::new(Cause::ArgumentsBad, "nowhere to put the random bytes"));
    }
    let mut done = 0;
    loop {
        let wanted = PIECE_BYTES.min(len - done);
        // Asked for no bytes, the library still looks at the session.
        let piece: &mut [u8] = if wanted == 0 {
            &mut []
        } else {
            // SAFETY: not null, and the caller vouches for `len` bytes, of which `done` are written;
            // bytes have no alignment.
            unsafe { std::slice::from_raw_parts_mut(data.wrapping_add(done), wanted) }
        };
        library.random(SessionHandle(session), piece)?;
        done += wanted;
        if done == len {
            return Ok(());
        }
    }
}
