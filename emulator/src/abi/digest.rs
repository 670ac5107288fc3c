//! Digests. See `operation` for what they share with the others.

use crate::abi::operation;
use crate::ck::*;
use crate::error::Result;
use crate::library::Library;

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn digest_init(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::init(library, Purpose::Digest, session, mechanism, None) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn digest(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::single(library, Purpose::Digest, session, (data, len), (out, out_len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn digest_update(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::absorb(library, Purpose::Digest, session, (data, len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn digest_key(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
) -> Result<()> {
    library.digest_key(SessionHandle(session), ObjectHandle(key))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn digest_final(
    library: &Library,
    session: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::finish(library, Purpose::Digest, session, (out, out_len)) }
}
