//! What encrypting, decrypting, digesting, signing and verifying have in common at the boundary.
//!
//! Each call reads its arguments, hands them on and writes one output. An argument error ends a
//! running operation as any other failure does, but it is noticed before the library is asked:
//! so the library is told. Source: PKCS#11 v2.40 section 5.2 and the calls themselves.

use crate::abi::params;
use crate::abi::ptr::{self, Buffer};
use crate::ck::*;
use crate::error::Result;
use crate::library::Library;

/// A result, after ending the running operation if it is an error.
fn or_abandon<T>(
    library: &Library,
    session: CK_SESSION_HANDLE,
    purpose: Purpose,
    read: Result<T>,
) -> Result<T> {
    if read.is_err() {
        library.operation_abandon(SessionHandle(session), purpose);
    }
    read
}

/// # Safety
/// As [`ptr::bytes`].
pub(super) unsafe fn input<'a>(
    library: &Library,
    session: CK_SESSION_HANDLE,
    purpose: Purpose,
    at: *const CK_BYTE,
    len: CK_ULONG,
) -> Result<&'a [u8]> {
    // SAFETY: passed on.
    or_abandon(library, session, purpose, unsafe { ptr::bytes(at, len) })
}

/// # Safety
/// As [`Buffer::new`].
unsafe fn output(
    library: &Library,
    session: CK_SESSION_HANDLE,
    purpose: Purpose,
    at: *mut CK_BYTE,
    len: *mut CK_ULONG,
) -> Result<Buffer> {
    // SAFETY: passed on.
    or_abandon(library, session, purpose, unsafe { Buffer::new(at, len) })
}

/// `C_…Init`: a null mechanism is an argument error, also where later versions of the standard
/// cancel by it. The key is none for digests.
///
/// # Safety
/// `mechanism` as [`params::read`] wants it.
pub(super) unsafe fn init(
    library: &Library,
    purpose: Purpose,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: Option<CK_OBJECT_HANDLE>,
) -> Result<()> {
    // SAFETY: passed on.
    let mechanism = unsafe { params::read(mechanism)? };
    library.operation_init(SessionHandle(session), purpose, mechanism, key.map(ObjectHandle))
}

/// `C_Encrypt`, `C_Decrypt`, `C_Digest`, `C_Sign`.
///
/// # Safety
/// `data` as [`ptr::bytes`], `out` as [`Buffer::new`] want them.
pub(super) unsafe fn single(
    library: &Library,
    purpose: Purpose,
    session: CK_SESSION_HANDLE,
    (data, len): (CK_BYTE_PTR, CK_ULONG),
    (out, out_len): (CK_BYTE_PTR, CK_ULONG_PTR),
) -> Result<()> {
    // SAFETY: passed on.
    let (data, out) = unsafe {
        (
            input(library, session, purpose, data, len)?,
            output(library, session, purpose, out, out_len)?,
        )
    };
    // SAFETY: nothing else is written to the buffer until the answer is there.
    let place = unsafe { out.beside(data) };
    let answer = library.operation_single(SessionHandle(session), purpose, data, out.room(), place);
    out.put(&answer?)
}

/// `C_EncryptUpdate`, `C_DecryptUpdate`.
///
/// # Safety
/// As [`single`].
pub(super) unsafe fn update(
    library: &Library,
    purpose: Purpose,
    session: CK_SESSION_HANDLE,
    (data, len): (CK_BYTE_PTR, CK_ULONG),
    (out, out_len): (CK_BYTE_PTR, CK_ULONG_PTR),
) -> Result<()> {
    // SAFETY: passed on.
    let (data, out) = unsafe {
        (
            input(library, session, purpose, data, len)?,
            output(library, session, purpose, out, out_len)?,
        )
    };
    out.put(&library.operation_update(SessionHandle(session), purpose, data, out.room())?)
}

/// `C_DigestUpdate`, `C_SignUpdate`, `C_VerifyUpdate`: nothing comes out.
///
/// # Safety
/// `data` as [`ptr::bytes`] wants it.
pub(super) unsafe fn absorb(
    library: &Library,
    purpose: Purpose,
    session: CK_SESSION_HANDLE,
    (data, len): (CK_BYTE_PTR, CK_ULONG),
) -> Result<()> {
    // SAFETY: passed on.
    let data = unsafe { input(library, session, purpose, data, len)? };
    let room = crate::output::Room::Bytes(0);
    library.operation_update(SessionHandle(session), purpose, data, room).map(drop)
}

/// `C_EncryptFinal`, `C_DecryptFinal`, `C_DigestFinal`, `C_SignFinal`.
///
/// # Safety
/// `out` as [`Buffer::new`] wants it.
pub(super) unsafe fn finish(
    library: &Library,
    purpose: Purpose,
    session: CK_SESSION_HANDLE,
    (out, out_len): (CK_BYTE_PTR, CK_ULONG_PTR),
) -> Result<()> {
    // SAFETY: passed on.
    let out = unsafe { output(library, session, purpose, out, out_len)? };
    out.put(&library.operation_final(SessionHandle(session), purpose, out.room())?)
}
