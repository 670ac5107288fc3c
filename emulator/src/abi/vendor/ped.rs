//! What PED partitions have: challenges, activation, remote PEDs.
//!
//! Source: signatures from `ThalesGroup/pycryptoki:pycryptoki/cryptoki/func_defs.py` and the list of
//! calls of the fact pack (Documented); what an argument means where neither says: Assumed, as
//! marked.

use super::NOWHERE;
use super::numbers::put_all;
use crate::abi::ptr::{self, Buffer, Place};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;
use crate::output::{Output, Room};
use crate::wire::Administration;

/// The longest host name of a remote PED, as in DNS.
const HOST_MAX: usize = 256;

/// The challenge of a role: the caller's, or one that the HSM chooses and tells.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn create_challenge(
    library: &Library,
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    chosen_len: CK_ULONG,
    chosen: CK_CHAR_PTR,
    len: CK_ULONG_PTR,
    out: CK_CHAR_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { challenge(library, session, None, user, (chosen, chosen_len), (out, len)) }
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn create_container_challenge(
    library: &Library,
    session: CK_SESSION_HANDLE,
    slot: CK_SLOT_ID,
    user: CK_USER_TYPE,
    chosen_len: CK_ULONG,
    chosen: CK_CHAR_PTR,
    len: CK_ULONG_PTR,
    out: CK_CHAR_PTR,
) -> Result<()> {
    let slot = Some(SlotId(slot));
    // SAFETY: passed on.
    unsafe { challenge(library, session, slot, user, (chosen, chosen_len), (out, len)) }
}

/// The longest challenge the HSM chooses, in bytes.
const CHALLENGE_MAX: usize = 16;

/// # Safety
/// As the exported functions.
unsafe fn challenge(
    library: &Library,
    session: CK_SESSION_HANDLE,
    slot: Option<SlotId>,
    user: CK_USER_TYPE,
    (chosen, chosen_len): (CK_CHAR_PTR, CK_ULONG),
    (out, len): (CK_CHAR_PTR, CK_ULONG_PTR),
) -> Result<()> {
    // SAFETY: passed on.
    let chosen = unsafe { ptr::bytes(chosen, chosen_len)? };
    // Who brings the challenge knows it; pycryptoki has no place for it then.
    if len.is_null() && !chosen.is_empty() {
        return library.create_challenge(SessionHandle(session), slot, user, chosen).map(drop);
    }
    // SAFETY: passed on.
    let buffer = unsafe { Buffer::new(out, len)? };
    let most = if chosen.is_empty() { CHALLENGE_MAX } else { chosen.len() };
    if let Some(refused) = buffer.room().refuse(most, most) {
        return buffer.put(&refused);
    }
    let told = library.create_challenge(SessionHandle(session), slot, user, chosen)?;
    buffer.put(&match buffer.room() {
        Room::Ask => Output::Size(told.len()),
        room => room.fit(told),
    })
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn deactivate(
    library: &Library,
    slot: CK_SLOT_ID,
    user: CK_USER_TYPE,
) -> Result<()> {
    library.deactivate(SlotId(slot), user)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn make_ped_vector(
    library: &Library,
    session: CK_SESSION_HANDLE,
) -> Result<()> {
    library.command(SessionHandle(session), &Administration::RemotePedVector(true))
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn delete_ped_vector(
    library: &Library,
    session: CK_SESSION_HANDLE,
) -> Result<()> {
    library.command(SessionHandle(session), &Administration::RemotePedVector(false))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn ped_vector_status(
    library: &Library,
    slot: CK_SLOT_ID,
    status: CK_ULONG_PTR,
) -> Result<()> {
    let read = || {
        library.need_ped(SlotId(slot))?;
        Ok([CK_ULONG::from(library.device(SlotId(slot))?.remote_ped_vector)])
    };
    // SAFETY: passed on.
    unsafe { put_all([status], read) }
}

/// # Safety
/// Pointers as the exported function wants them; the host's name ends with a NUL.
pub(in crate::abi) unsafe fn configure_remote_ped(
    library: &Library,
    slot: CK_SLOT_ID,
    host: CK_CHAR_PTR,
    _port: CK_ULONG,
    id: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { Place::new(id, NOWHERE)? };
    library.need_ped(SlotId(slot))?;
    let host = std::ptr::NonNull::new(host)
        .ok_or_else(|| Error::new(Cause::ArgumentsBad, "a remote PED server has a name"))?;
    // SAFETY: passed on.
    unsafe { ptr::terminated(host, HOST_MAX)? };
    library.remote_ped(SlotId(slot))
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn remote_ped(
    library: &Library,
    slot: CK_SLOT_ID,
    _id: CK_ULONG,
) -> Result<()> {
    library.remote_ped(SlotId(slot))
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn connect_remote_ped(
    library: &Library,
    slot: CK_SLOT_ID,
    _id: CK_ULONG,
    _wait: CK_BBOOL,
    _reserved: CK_VOID_PTR,
) -> Result<()> {
    library.remote_ped(SlotId(slot))
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn set_ped_id(
    library: &Library,
    slot: CK_SLOT_ID,
    id: CK_ULONG,
) -> Result<()> {
    library.set_ped_id(SlotId(slot), id)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn ped_id(
    library: &Library,
    slot: CK_SLOT_ID,
    id: CK_ULONG_PTR,
) -> Result<()> {
    let read = || {
        library.need_ped(SlotId(slot))?;
        Ok([0])
    };
    // SAFETY: passed on.
    unsafe { put_all([id], read) }
}
