//! Identities of applications, sessions under them, and what a session belongs to.
//!
//! Source: signatures from pycryptoki's `func_defs.py` (Documented). A partition has one container, so the
//! number that some forms carry says nothing (Assumed).

use super::NOWHERE;
use crate::abi::ptr::{self, Place};
use crate::ck::*;
use crate::error::Result;
use crate::library::Library;

/// # Safety
/// As `ptr::read` wants.
unsafe fn identity(id: *mut CK_APPLICATION_ID) -> Result<[u8; 16]> {
    // SAFETY: passed on.
    Ok(unsafe { ptr::read(id.cast_const(), "an application id is wanted")? }.id)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn set(library: &Library, high: CK_ULONG, low: CK_ULONG) -> Result<()> {
    library.set_application_id(high, low)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_long(library: &Library, id: *mut CK_APPLICATION_ID) -> Result<()> {
    // SAFETY: passed on.
    library.set_long_application_id(unsafe { identity(id)? })
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn randomize(library: &Library) -> Result<()> {
    library.randomize_application_id()
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn current(library: &Library, id: *mut CK_APPLICATION_ID) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(id, NOWHERE)? };
    place.put(CK_APPLICATION_ID { id: library.application_id()? });
    Ok(())
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn open(
    library: &Library,
    slot: CK_SLOT_ID,
    high: CK_ULONG,
    low: CK_ULONG,
) -> Result<()> {
    library.open_application(SlotId(slot), high, low)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn close(
    library: &Library,
    slot: CK_SLOT_ID,
    high: CK_ULONG,
    low: CK_ULONG,
) -> Result<()> {
    library.close_application(SlotId(slot), high, low)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn open_for_container(
    library: &Library,
    slot: CK_SLOT_ID,
    high: CK_ULONG,
    low: CK_ULONG,
    _container: CK_ULONG,
) -> Result<()> {
    library.open_application(SlotId(slot), high, low)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn close_for_container(
    library: &Library,
    slot: CK_SLOT_ID,
    high: CK_ULONG,
    low: CK_ULONG,
    _container: CK_ULONG,
) -> Result<()> {
    library.close_application(SlotId(slot), high, low)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn open_long(
    library: &Library,
    slot: CK_SLOT_ID,
    id: *mut CK_APPLICATION_ID,
) -> Result<()> {
    // SAFETY: passed on.
    library.open_long_application(SlotId(slot), unsafe { identity(id)? })
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn close_long(
    library: &Library,
    slot: CK_SLOT_ID,
    id: *mut CK_APPLICATION_ID,
) -> Result<()> {
    // SAFETY: passed on.
    library.close_long_application(SlotId(slot), unsafe { identity(id)? })
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn open_long_for_container(
    library: &Library,
    slot: CK_SLOT_ID,
    id: *mut CK_APPLICATION_ID,
    _container: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { open_long(library, slot, id) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn close_long_for_container(
    library: &Library,
    slot: CK_SLOT_ID,
    id: *mut CK_APPLICATION_ID,
    _container: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { close_long(library, slot, id) }
}

/// `C_OpenSession` on a numbered container.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn open_session(
    library: &Library,
    slot: CK_SLOT_ID,
    _container: CK_ULONG,
    flags: CK_FLAGS,
    _application: CK_VOID_PTR,
    _notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(session, NOWHERE)? };
    place.put(library.open_session(SlotId(slot), flags)?.0);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn open_session_as(
    library: &Library,
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    high: CK_ULONG,
    low: CK_ULONG,
    _application: CK_VOID_PTR,
    _notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(session, NOWHERE)? };
    place.put(library.open_session_as(SlotId(slot), flags, high, low)?.0);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn open_session_as_long(
    library: &Library,
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    id: *mut CK_APPLICATION_ID,
    _application: CK_VOID_PTR,
    _notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, id) = unsafe { (Place::new(session, NOWHERE)?, identity(id)?) };
    place.put(library.open_session_as_long(SlotId(slot), flags, id)?.0);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn session_info(
    library: &Library,
    session: CK_SESSION_HANDLE,
    high: CK_ULONG_PTR,
    low: CK_ULONG_PTR,
    container: CK_ULONG_PTR,
    level: CK_ULONG_PTR,
) -> Result<()> {
    let mut places = Vec::new();
    for cell in [high, low, container, level] {
        // SAFETY: passed on.
        places.push(unsafe { Place::new(cell, NOWHERE)? });
    }
    let it = library.session_belonging(SessionHandle(session))?;
    let values = [it.application.0, it.application.1, it.container, it.level];
    for (place, value) in places.iter().zip(values) {
        place.put(value);
    }
    Ok(())
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn cancel(
    library: &Library,
    session: CK_SESSION_HANDLE,
    flags: CK_FLAGS,
) -> Result<()> {
    library.cancel_operations(SessionHandle(session), flags)
}
