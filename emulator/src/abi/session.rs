//! Sessions, login, and the saved state of operations.

use crate::abi::ptr::{self, Buffer, Place};
use crate::ck::*;
use crate::error::Result;
use crate::library::Library;

/// The application's pointer and its notification function are not kept: the standard lets a
/// library never notify, and no source shows Luna doing it (Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn open(
    library: &Library,
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    _application: CK_VOID_PTR,
    _notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(session, "nowhere to put the session's handle")? };
    place.put(library.open_session(SlotId(slot), flags)?.0);
    Ok(())
}

/// # Safety
/// None of its own.
pub(super) unsafe fn close(library: &Library, session: CK_SESSION_HANDLE) -> Result<()> {
    library.close_session(SessionHandle(session))
}

/// # Safety
/// None of its own.
pub(super) unsafe fn close_all(library: &Library, slot: CK_SLOT_ID) -> Result<()> {
    library.close_all_sessions(SlotId(slot))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn info(
    library: &Library,
    session: CK_SESSION_HANDLE,
    info: CK_SESSION_INFO_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(info, "nowhere to put the information")? };
    let info = library.session_info(SessionHandle(session))?;
    place.put(CK_SESSION_INFO {
        slotID: info.slot.0,
        state: info.state,
        flags: info.flags,
        ulDeviceError: info.device_error,
    });
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn operation_state(
    library: &Library,
    session: CK_SESSION_HANDLE,
    state: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let out = unsafe { Buffer::new(state, len)? };
    out.put(&library.operation_state(SessionHandle(session), out.room())?)
}

/// A key handle of 0 means no key.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn set_operation_state(
    library: &Library,
    session: CK_SESSION_HANDLE,
    state: CK_BYTE_PTR,
    len: CK_ULONG,
    encryption_key: CK_OBJECT_HANDLE,
    authentication_key: CK_OBJECT_HANDLE,
) -> Result<()> {
    let key = |handle| (handle != CK_INVALID_HANDLE).then_some(ObjectHandle(handle));
    // SAFETY: passed on.
    let state = unsafe { ptr::bytes(state, len)? };
    library.set_operation_state(
        SessionHandle(session),
        state,
        key(encryption_key),
        key(authentication_key),
    )
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn login(
    library: &Library,
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: CK_UTF8CHAR_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let pin = unsafe { ptr::credential(pin, len)? };
    library.login(SessionHandle(session), user, pin)
}

/// # Safety
/// None of its own.
pub(super) unsafe fn logout(library: &Library, session: CK_SESSION_HANDLE) -> Result<()> {
    library.logout(SessionHandle(session))
}
