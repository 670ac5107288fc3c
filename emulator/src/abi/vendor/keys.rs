//! Keys with secrets of their own, keys derived and wrapped at once, and logins by another HSM.
//!
//! Source: signatures from pycryptoki's `func_defs.py` (Documented).

use super::NOWHERE;
use crate::abi::ptr::{self, Buffer, Place};
use crate::abi::{params, template};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;
use crate::wire::{DeriveAndWrap, KeyAuthorization, Pin};

use std::borrow::Cow;

/// User types of one call; a bound of ours, above the roles there are.
const USERS_MAX: CK_ULONG = 64;

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_authorization_data(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    old: CK_UTF8CHAR_PTR,
    old_len: CK_ULONG,
    new: CK_UTF8CHAR_PTR,
    new_len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let (old, new) = unsafe { (ptr::credential(old, old_len)?, ptr::bytes(new, new_len)?) };
    library.change_key_secret(SessionHandle(session), ObjectHandle(key), old, new)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn reset_authorization_data(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    new: CK_UTF8CHAR_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let new = Pin::new(unsafe { ptr::bytes(new, len)? });
    let said = KeyAuthorization::Reset(new);
    library.authorize_key(SessionHandle(session), ObjectHandle(key), said)
}

/// A null secret withdraws (Documented: ca-functions.csv).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn authorize_key(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    secret: CK_UTF8CHAR_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let secret = unsafe { ptr::credential(secret, len)? }.map(Pin::new);
    let said = KeyAuthorization::Authorize(secret);
    library.authorize_key(SessionHandle(session), ObjectHandle(key), said)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn assign_key(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
) -> Result<()> {
    let said = KeyAuthorization::Assign;
    library.authorize_key(SessionHandle(session), ObjectHandle(key), said)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn increment_failed_auth_count(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
) -> Result<()> {
    let said = KeyAuthorization::CountFailure;
    library.authorize_key(SessionHandle(session), ObjectHandle(key), said)
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn derive_and_wrap(
    library: &Library,
    session: CK_SESSION_HANDLE,
    derive: CK_MECHANISM_PTR,
    base: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    wrap: CK_MECHANISM_PTR,
    wrapping: CK_OBJECT_HANDLE,
    wrapped: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, derive, wrap, template) = unsafe {
        (
            Buffer::new(wrapped, len)?,
            params::read(derive)?,
            params::read(wrap)?,
            template::read(template, count)?,
        )
    };
    let both = DeriveAndWrap {
        derive: Cow::Owned(derive),
        base: ObjectHandle(base),
        template: Cow::Owned(template),
        wrap: Cow::Owned(wrap),
        wrapping: ObjectHandle(wrapping),
        room: out.room(),
    };
    out.put(&library.derive_and_wrap(SessionHandle(session), both)?)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn ha_init(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
) -> Result<()> {
    library.install_login_key(SessionHandle(session), ObjectHandle(key), &[])
}

/// The exported key is not looked at: the one in the token is installed. A flag is 0 or
/// `CKF_ADMIN_TOKEN` (Documented: pycryptoki's `hsm_management.py`), and a user partition is no admin
/// token.
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn ha_init_extended(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    exported: CK_BYTE_PTR,
    len: CK_ULONG,
    users: CK_ULONG_PTR,
    flags: CK_ULONG_PTR,
    count: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { ptr::bytes(exported, len)? };
    if count > USERS_MAX || (count > 0 && (users.is_null() || flags.is_null())) {
        return Err(Error::new(Cause::ArgumentsBad, "no such list of roles"));
    }
    let (mut user, mut flag) = (users.cast_const(), flags.cast_const());
    let mut wanted = Vec::new();
    for _ in 0..count {
        // SAFETY: the caller vouches for `count` numbers in either list; they may be unaligned.
        let (own, own_flags) = unsafe { (user.read_unaligned(), flag.read_unaligned()) };
        if own_flags & CKF_ADMIN_TOKEN != 0 {
            return Err(Error::new(Cause::UserTypeInvalid, "a user partition has no admin roles"));
        }
        wanted.push(own);
        (user, flag) = (user.wrapping_add(1), flag.wrapping_add(1));
    }
    library.install_login_key(SessionHandle(session), ObjectHandle(key), &wanted)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn ha_master_public(
    library: &Library,
    slot: CK_SLOT_ID,
    certificate: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let out = unsafe { Buffer::new(certificate, len)? };
    out.put(&out.room().fit(library.login_certificate(SlotId(slot))?))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn ha_login_challenge(
    library: &Library,
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    certificate: CK_BYTE_PTR,
    certificate_len: CK_ULONG,
    challenge: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, certificate) =
        unsafe { (Buffer::new(challenge, len)?, ptr::bytes(certificate, certificate_len)?) };
    out.put(&out.room().fit(library.login_challenge(SessionHandle(session), user, certificate)?))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn ha_answer_login_challenge(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    challenge: CK_BYTE_PTR,
    challenge_len: CK_ULONG,
    answer: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, challenge) =
        unsafe { (Buffer::new(answer, len)?, ptr::bytes(challenge, challenge_len)?) };
    let (session, key) = (SessionHandle(session), ObjectHandle(key));
    out.put(&out.room().fit(library.login_answer(session, key, challenge)?))
}

/// There is no M of N leg: its blob is empty.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn ha_login(
    library: &Library,
    session: CK_SESSION_HANDLE,
    answer: CK_BYTE_PTR,
    answer_len: CK_ULONG,
    _m_of_n: CK_BYTE_PTR,
    m_of_n_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let answer = unsafe { ptr::bytes(answer, answer_len)? };
    library.recovery_login(SessionHandle(session), answer)?;
    if !m_of_n_len.is_null() {
        // SAFETY: passed on.
        unsafe { Place::new(m_of_n_len, NOWHERE)? }.put(0);
    }
    Ok(())
}
