//! A module for the tests of the client: its functions can be found by name only, and its answers are wrong
//! in every way a client must survive.

#![allow(unsafe_code, reason = "it is a C library")]
#![allow(non_snake_case, reason = "the standard's spelling")]
#![allow(clippy::missing_safety_doc, reason = "called by the client's tests only")]

use luna_ck::*;

const HUGE: CK_ULONG = CK_ULONG::MAX - 8;

#[unsafe(no_mangle)]
extern "C" fn C_Initialize(_: CK_VOID_PTR) -> CK_RV {
    CKR_OK
}

#[unsafe(no_mangle)]
extern "C" fn C_Finalize(_: CK_VOID_PTR) -> CK_RV {
    CKR_OK
}

/// With `present`, more slots than there was room for; without, a count no memory holds.
#[unsafe(no_mangle)]
unsafe extern "C" fn C_GetSlotList(
    present: CK_BBOOL,
    slots: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    let lie = match (present, slots.is_null()) {
        (CK_TRUE, true) => 2,
        (CK_TRUE, false) => 3,
        _ => HUGE,
    };
    // SAFETY: the client gives a cell for the count.
    unsafe { count.write(lie) };
    CKR_OK
}

/// A list that is always one longer than what was asked for.
#[unsafe(no_mangle)]
unsafe extern "C" fn C_GetMechanismList(
    _: CK_SLOT_ID,
    list: CK_MECHANISM_TYPE_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    // SAFETY: the client gives a cell for the count.
    unsafe { count.write(count.read() + 1) };
    if list.is_null() { CKR_OK } else { CKR_BUFFER_TOO_SMALL }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn C_OpenSession(
    _: CK_SLOT_ID,
    _: CK_FLAGS,
    _: CK_VOID_PTR,
    _: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    // SAFETY: the client gives a cell for the handle.
    unsafe { session.write(7) };
    CKR_OK
}

#[unsafe(no_mangle)]
extern "C" fn C_CloseSession(_: CK_SESSION_HANDLE) -> CK_RV {
    CKR_OK
}

#[unsafe(no_mangle)]
extern "C" fn C_FindObjectsInit(_: CK_SESSION_HANDLE, _: CK_ATTRIBUTE_PTR, _: CK_ULONG) -> CK_RV {
    CKR_OK
}

/// One handle more than there was room for.
#[unsafe(no_mangle)]
unsafe extern "C" fn C_FindObjects(
    _: CK_SESSION_HANDLE,
    _: CK_OBJECT_HANDLE_PTR,
    room: CK_ULONG,
    count: CK_ULONG_PTR,
) -> CK_RV {
    // SAFETY: the client gives a cell for the count.
    unsafe { count.write(room + 1) };
    CKR_OK
}

#[unsafe(no_mangle)]
extern "C" fn C_FindObjectsFinal(_: CK_SESSION_HANDLE) -> CK_RV {
    CKR_OK
}

/// A value of one byte that turns out to be of two; for `CKA_VALUE`, one no memory holds; for `CKA_ID`, one
/// that has gone when it is read.
#[unsafe(no_mangle)]
unsafe extern "C" fn C_GetAttributeValue(
    _: CK_SESSION_HANDLE,
    _: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the client gives as many attributes as it says.
    let template = unsafe { std::slice::from_raw_parts_mut(template, count) };
    for attribute in template {
        attribute.ulValueLen = match (attribute.type_, attribute.pValue.is_null()) {
            (CKA_VALUE, _) => HUGE,
            (_, true) => 1,
            (CKA_ID, false) => CK_UNAVAILABLE_INFORMATION,
            (_, false) => 2,
        };
    }
    CKR_OK
}

#[unsafe(no_mangle)]
extern "C" fn C_DigestInit(_: CK_SESSION_HANDLE, _: CK_MECHANISM_PTR) -> CK_RV {
    CKR_OK
}

/// Writes nothing and says it wrote more than there was room for.
#[unsafe(no_mangle)]
unsafe extern "C" fn C_Digest(
    _: CK_SESSION_HANDLE,
    _: CK_BYTE_PTR,
    _: CK_ULONG,
    out: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> CK_RV {
    // SAFETY: the client gives a cell for the length.
    unsafe { len.write(if out.is_null() { 4 } else { 5 }) };
    CKR_OK
}

/// Never has enough room.
#[unsafe(no_mangle)]
unsafe extern "C" fn C_DigestFinal(
    _: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> CK_RV {
    // SAFETY: the client gives a cell for the length.
    unsafe { len.write(len.read() + 1) };
    if out.is_null() { CKR_OK } else { CKR_BUFFER_TOO_SMALL }
}

/// As `C_GetMechanismList`: numbers and values that do not match.
#[unsafe(no_mangle)]
unsafe extern "C" fn CA_GetTokenPolicies(
    _: CK_SLOT_ID,
    _: CK_ULONG_PTR,
    ids: CK_ULONG_PTR,
    _: CK_ULONG_PTR,
    values: CK_ULONG_PTR,
) -> CK_RV {
    // SAFETY: the client gives a cell for each count.
    unsafe {
        ids.write(3);
        values.write(4);
    }
    CKR_OK
}

/// More members than a group can have.
#[unsafe(no_mangle)]
unsafe extern "C" fn CA_GetHAState(_: CK_SLOT_ID, state: *mut CK_HA_STATUS) -> CK_RV {
    // SAFETY: the client gives a whole structure.
    unsafe { (*state).listSize = HUGE };
    CKR_OK
}
