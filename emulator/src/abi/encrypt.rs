//! Encryption and decryption. See `operation` for what they share with the others.

use crate::abi::operation;
use crate::ck::*;
use crate::error::Result;
use crate::library::Library;

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn encrypt_init(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::init(library, Purpose::Encrypt, session, mechanism, Some(key)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn encrypt(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::single(library, Purpose::Encrypt, session, (data, len), (out, out_len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn encrypt_update(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::update(library, Purpose::Encrypt, session, (data, len), (out, out_len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn encrypt_final(
    library: &Library,
    session: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::finish(library, Purpose::Encrypt, session, (out, out_len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn decrypt_init(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::init(library, Purpose::Decrypt, session, mechanism, Some(key)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn decrypt(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::single(library, Purpose::Decrypt, session, (data, len), (out, out_len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn decrypt_update(
    library: &Library,
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::update(library, Purpose::Decrypt, session, (data, len), (out, out_len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn decrypt_final(
    library: &Library,
    session: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { operation::finish(library, Purpose::Decrypt, session, (out, out_len)) }
}
