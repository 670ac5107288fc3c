//! Which slot is which, clusters, channels: questions about places.
//!
//! Source: signatures from pycryptoki's `func_defs.py`; vendor page "Cluster Extensions" (Documented).

use super::NOWHERE;
use crate::abi::ptr::{self, List, Place};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;

/// # Safety
/// Pointers as the exported function wants them; the label has 32 bytes.
pub(in crate::abi) unsafe fn slot_id(
    library: &Library,
    label: CK_UTF8CHAR_PTR,
    slots: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (list, label) = unsafe {
        (
            List::new(slots, count)?,
            ptr::read(label.cast_const().cast::<[u8; 32]>(), "a label of 32 bytes is wanted")?,
        )
    };
    let label = String::from_utf8_lossy(&label).trim_end_matches([' ', '\0']).to_owned();
    let slots = library.slots_labelled(&label)?;
    let slots: Vec<CK_SLOT_ID> = slots.into_iter().map(|slot| slot.0).collect();
    list.put(&slots)
}

/// A physical slot has the number of the slot.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn slot_of_physical(
    library: &Library,
    physical: CK_ULONG,
    slot: CK_SLOT_ID_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(slot, NOWHERE)? };
    library.need_slot(SlotId(physical))?;
    place.put(physical);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn server_instance(
    library: &Library,
    slot: CK_SLOT_ID,
    instance: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(instance, NOWHERE)? };
    place.put(library.server_instance(SlotId(slot))?);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn slots_of_instance(
    library: &Library,
    instance: CK_ULONG,
    slots: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let list = unsafe { List::new(slots, count)? };
    let slots = library.slots_of_instance(instance)?;
    let slots: Vec<CK_SLOT_ID> = slots.into_iter().map(|slot| slot.0).collect();
    list.put(&slots)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn insertion_count(
    library: &Library,
    slot: CK_SLOT_ID,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(count, NOWHERE)? };
    place.put(library.insertions(SlotId(slot))?);
    Ok(())
}

/// No slot here is a keyring of a cluster (code Assumed).
fn no_keyring(library: &Library, slot: CK_SLOT_ID) -> Result<()> {
    library.need_slot(SlotId(slot))?;
    Err(Error::new(Cause::ObjectNotKeyring, "the slot is no keyring of a cluster"))
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn cluster_lock(library: &Library, slot: CK_SLOT_ID) -> Result<()> {
    no_keyring(library, slot)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn cluster_state(
    library: &Library,
    slot: CK_SLOT_ID,
    _state: CK_VOID_PTR,
) -> Result<()> {
    no_keyring(library, slot)
}

/// No channel but that of the network is there: partition policy 37 is off.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn channel_enabled(
    library: &Library,
    slot: CK_ULONG,
    enabled: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(enabled, NOWHERE)? };
    library.need_slot(SlotId(slot))?;
    place.put(0);
    Ok(())
}

/// The text of a channel that is not there, ended by a NUL (Assumed), as much of it as fits.
const NO_CHANNEL: &[u8] = b"Not Enabled";

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn channel_state(
    library: &Library,
    slot: CK_ULONG,
    text: CK_CHAR_PTR,
    room: CK_BYTE,
) -> Result<()> {
    library.need_slot(SlotId(slot))?;
    if text.is_null() || room == 0 {
        return Err(Error::new(Cause::ArgumentsBad, NOWHERE));
    }
    let fits = NO_CHANNEL.iter().copied().take(usize::from(room) - 1).chain([0]);
    for (at, byte) in fits.enumerate() {
        // SAFETY: the caller vouches for `room` bytes, and no more are written.
        unsafe { text.add(at).write_unaligned(byte) };
    }
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn m_of_n_status(
    library: &Library,
    slot: CK_SLOT_ID,
    status: *mut CA_MOFN_STATUS,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(status, NOWHERE)? };
    library.need_slot(SlotId(slot))?;
    place.put(CA_MOFN_STATUS::default());
    Ok(())
}

/// Whether M of N is on, or still wanted: never, on a password HSM.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn no_m_of_n(
    library: &Library,
    slot: CK_SLOT_ID,
    answer: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(answer, NOWHERE)? };
    library.need_slot(SlotId(slot))?;
    place.put(0);
    Ok(())
}
