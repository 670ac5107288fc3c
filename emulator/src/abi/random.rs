//! Random numbers.

use crate::abi::ptr::{self, INPUT_BYTES_MAX};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;

/// Made and copied out at a time, so that a large request needs no large memory of ours.
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
        let piece = library.random(SessionHandle(session), wanted)?;
        if piece.len() != wanted {
            return Err(Error::new(Cause::GeneralError, "a random source gives what it is asked"));
        }
        // SAFETY: the caller vouches for `len` bytes, of which `done` are written; a length of 0
        // may come with a null pointer, which is fine for a copy of nothing.
        unsafe { std::ptr::copy_nonoverlapping(piece.as_ptr(), data.wrapping_add(done), wanted) };
        done += wanted;
        if done == len {
            return Ok(());
        }
    }
}
