//! Slots, tokens and their mechanisms; `C_InitToken` and PINs.

use crate::abi::general::version;
use crate::abi::ptr::{self, List, Place};
use crate::abi::text;
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;

const LABEL_BYTES: CK_ULONG = 32;

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn slot_list(
    library: &Library,
    token_present: CK_BBOOL,
    slots: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let list = unsafe { List::new(slots, count)? };
    let slots: Vec<_> =
        library.slots(token_present != CK_FALSE)?.into_iter().map(|slot| slot.0).collect();
    list.put(&slots)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn slot_info(
    library: &Library,
    slot: CK_SLOT_ID,
    info: CK_SLOT_INFO_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(info, "nowhere to put the information")? };
    let info = library.slot_info(SlotId(slot))?;
    place.put(CK_SLOT_INFO {
        slotDescription: text::blank_padded(&info.description),
        manufacturerID: text::blank_padded(&info.manufacturer),
        flags: info.flags,
        hardwareVersion: version(info.hardware_version),
        firmwareVersion: version(info.firmware_version),
    });
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn token_info(
    library: &Library,
    slot: CK_SLOT_ID,
    info: CK_TOKEN_INFO_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(info, "nowhere to put the information")? };
    let info = library.token_info(SlotId(slot))?;
    place.put(CK_TOKEN_INFO {
        label: text::blank_padded(&info.label),
        manufacturerID: text::blank_padded(&info.manufacturer),
        model: text::blank_padded(&info.model),
        serialNumber: text::blank_padded(&info.serial),
        flags: info.flags,
        ulMaxSessionCount: info.max_session_count,
        ulSessionCount: info.session_count,
        ulMaxRwSessionCount: info.max_rw_session_count,
        ulRwSessionCount: info.rw_session_count,
        ulMaxPinLen: info.max_pin_len,
        ulMinPinLen: info.min_pin_len,
        ulTotalPublicMemory: info.total_public_memory,
        ulFreePublicMemory: info.free_public_memory,
        ulTotalPrivateMemory: info.total_private_memory,
        ulFreePrivateMemory: info.free_private_memory,
        hardwareVersion: version(info.hardware_version),
        firmwareVersion: version(info.firmware_version),
        // Says something only together with CKF_CLOCK_ON_TOKEN.
        utcTime: text::blank_padded(""),
    });
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn mechanism_list(
    library: &Library,
    slot: CK_SLOT_ID,
    mechanisms: CK_MECHANISM_TYPE_PTR,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let list = unsafe { List::new(mechanisms, count)? };
    list.put(&library.mechanisms(SlotId(slot))?)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn mechanism_info(
    library: &Library,
    slot: CK_SLOT_ID,
    kind: CK_MECHANISM_TYPE,
    info: CK_MECHANISM_INFO_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(info, "nowhere to put the information")? };
    let info = library.mechanism_info(SlotId(slot), kind)?;
    place.put(CK_MECHANISM_INFO {
        ulMinKeySize: info.min_key_size,
        ulMaxKeySize: info.max_key_size,
        flags: info.flags,
    });
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them; the label has 32 bytes.
pub(super) unsafe fn init_token(
    library: &Library,
    slot: CK_SLOT_ID,
    pin: CK_UTF8CHAR_PTR,
    pin_len: CK_ULONG,
    label: CK_UTF8CHAR_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (pin, label) = unsafe { (ptr::credential(pin, pin_len)?, ptr::bytes(label, LABEL_BYTES)?) };
    library.init_token(SlotId(slot), pin, label)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn init_pin(
    library: &Library,
    session: CK_SESSION_HANDLE,
    pin: CK_UTF8CHAR_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let pin = unsafe { ptr::credential(pin, len)? };
    library.init_pin(SessionHandle(session), pin)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn set_pin(
    library: &Library,
    session: CK_SESSION_HANDLE,
    old: CK_UTF8CHAR_PTR,
    old_len: CK_ULONG,
    new: CK_UTF8CHAR_PTR,
    new_len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let (old, new) = unsafe { (ptr::credential(old, old_len)?, ptr::credential(new, new_len)?) };
    if old.is_none() != new.is_none() {
        return Err(Error::new(
            Cause::ArgumentsBad,
            "both PINs come from the caller or both from the protected path",
        ));
    }
    library.set_pin(SessionHandle(session), old, new)
}
