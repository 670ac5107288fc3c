//! Signatures and their verification. See `operation` for what they share with the others.

use crate::abi::operation;
use crate::ck::*;
use crate::error::Result;
use crate::library::Library;

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn sign_init(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::init(library, Purpose::Sign, session, mechanism, Some(key)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn sign(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::single(library, Purpose::Sign, session, (data, len), (out, out_len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn sign_update(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::absorb(library, Purpose::Sign, session, (data, len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn sign_final(
    library: &Library,
    session: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::finish(library, Purpose::Sign, session, (out, out_len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn verify_init(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::init(library, Purpose::Verify, session, mechanism, Some(key)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn verify(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let (data, signature) = unsafe {
        (
            operation::input(library, session, Purpose::Verify, data, len)?,
            operation::input(library, session, Purpose::Verify, signature, signature_len)?,
        )
    };
    library.verify_single(SessionHandle(session), data, signature)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn verify_update(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::absorb(library, Purpose::Verify, session, (data, len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn verify_final(
    library: &Library,
    session: CK_SESSION_HANDLE,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let signature =
        unsafe { operation::input(library, session, Purpose::Verify, signature, signature_len)? };
    library.verify_final(SessionHandle(session), signature)
}
