//! The vendor's functions that are served.
//!
//! Source: signatures from `ThalesGroup/pycryptoki:pycryptoki/cryptoki/func_defs.py` (Documented),
//! behaviour as marked.

pub(super) mod applications;
pub(super) mod audit;
pub(super) mod containers;
pub(super) mod curves;
pub(super) mod device;
pub(super) mod extended_keys;
pub(super) mod items;
pub(super) mod journeys;
pub(super) mod keys;
pub(super) mod masking;
mod numbers;
pub(super) mod ped;
pub(super) mod places;
pub(super) mod policies;

use crate::abi::ptr::{self, Buffer, List, Place};
use crate::abi::text;
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::{HaState, Library, Whose};

/// The most handles `CA_DestroyMultipleObjects` takes. A bound of ours, above what a partition
/// holds.
const HANDLES_MAX: CK_ULONG = 1 << 20;

const NOWHERE: &str = "nowhere to put the answer";

/// `CA_GetHAState`: what the client knows of the members.
///
/// The whole structure is written, its count included: the vendor's engine presets the count and
/// takes the older layout for granted when it finds it unchanged (Observed:
/// `sampaul-thales/luna-openssl-4-pqc:engine/e_gem.c`). Serials are 20 bytes and end with a NUL, as
/// `atol` wants them (Documented: `ThalesGroup/pycryptoki`, `ThalesGroup/luna-ha-bench`).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn ha_state(
    library: &Library,
    slot: CK_SLOT_ID,
    status: *mut CK_HA_STATUS,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_ha_state(status, || library.ha_state(SlotId(slot))) }
}

/// `CA_GetCurrentHAState`: the same once every member was asked.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn current_ha_state(
    library: &Library,
    slot: CK_SLOT_ID,
    status: *mut CK_HA_STATUS,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_ha_state(status, || library.current_ha_state(SlotId(slot))) }
}

/// # Safety
/// `status` is null or valid for writing a status.
unsafe fn put_ha_state(
    status: *mut CK_HA_STATUS,
    state: impl FnOnce() -> Result<HaState>,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(status, NOWHERE)? };
    let state = state()?;
    let blank = CK_HA_MEMBER { memberSerial: [0; 20], memberStatus: 0 };
    let mut status = CK_HA_STATUS {
        groupSerial: text::terminated(&state.serial),
        memberList: [blank; CK_HA_MAX_MEMBERS],
        listSize: state.members.len().min(CK_HA_MAX_MEMBERS) as CK_ULONG,
    };
    for (cell, (serial, rv)) in status.memberList.iter_mut().zip(&state.members) {
        *cell = CK_HA_MEMBER { memberSerial: text::terminated(serial), memberStatus: *rv };
    }
    place.put(status);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn firmware_version(
    library: &Library,
    slot: CK_SLOT_ID,
    major: CK_ULONG_PTR,
    minor: CK_ULONG_PTR,
    sub_minor: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let places = unsafe {
        (Place::new(major, NOWHERE)?, Place::new(minor, NOWHERE)?, Place::new(sub_minor, NOWHERE)?)
    };
    let (major, minor, sub_minor) = library.firmware_version(SlotId(slot))?;
    places.0.put(major);
    places.1.put(minor);
    places.2.put(sub_minor);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn cryptovisor_version(
    library: &Library,
    slot: CK_SLOT_ID,
    major: CK_ULONG_PTR,
    minor: CK_ULONG_PTR,
    sub_minor: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let places = unsafe {
        (Place::new(major, NOWHERE)?, Place::new(minor, NOWHERE)?, Place::new(sub_minor, NOWHERE)?)
    };
    let (major, minor, sub_minor) = library.cryptovisor_version(SlotId(slot))?;
    places.0.put(major);
    places.1.put(minor);
    places.2.put(sub_minor);
    Ok(())
}

/// Ids and values, two arrays with a count each; null arrays ask for the counts.
///
/// Source: `ThalesGroup/pycryptoki:pycryptoki/partition_management.py` (Documented).
fn put_pairs(
    ids: &List<CK_ULONG>,
    values: &List<CK_ULONG>,
    pairs: &[(CK_ULONG, CK_ULONG)],
) -> Result<()> {
    let (id, value): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    List::put_all(&[(ids, &id), (values, &value)])
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn token_policies(
    library: &Library,
    slot: CK_SLOT_ID,
    ids: CK_ULONG_PTR,
    id_count: CK_ULONG_PTR,
    values: CK_ULONG_PTR,
    value_count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (ids, values) = unsafe { (List::new(ids, id_count)?, List::new(values, value_count)?) };
    put_pairs(&ids, &values, &library.token_policies(SlotId(slot))?)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn token_capabilities(
    library: &Library,
    slot: CK_SLOT_ID,
    ids: CK_ULONG_PTR,
    id_count: CK_ULONG_PTR,
    values: CK_ULONG_PTR,
    value_count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (ids, values) = unsafe { (List::new(ids, id_count)?, List::new(values, value_count)?) };
    put_pairs(&ids, &values, &library.token_capabilities(SlotId(slot))?)
}

/// More policies than any partition shows. A bound of ours.
const POLICIES_MAX: CK_ULONG = 1 << 8;

/// Several policies at once, all or none. The order of the arguments: pycryptoki's `func_defs.py`
/// (Documented).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn set_token_policies(
    library: &Library,
    session: CK_SESSION_HANDLE,
    slot: CK_SLOT_ID,
    count: CK_ULONG,
    ids: CK_ULONG_PTR,
    values: CK_ULONG_PTR,
) -> Result<()> {
    if count > POLICIES_MAX || (count > 0 && (ids.is_null() || values.is_null())) {
        return Err(Error::new(Cause::ArgumentsBad, "no such list of policies"));
    }
    let (mut id, mut value) = (ids.cast_const(), values.cast_const());
    let mut changes = Vec::new();
    for _ in 0..count {
        // SAFETY: the caller vouches for `count` numbers in either list; they may be unaligned.
        changes.push(unsafe { (id.read_unaligned(), value.read_unaligned()) });
        (id, value) = (id.wrapping_add(1), value.wrapping_add(1));
    }
    library.set_token_policies(SessionHandle(session), SlotId(slot), &changes)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn reset_pin(
    library: &Library,
    session: CK_SESSION_HANDLE,
    pin: CK_CHAR_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let pin = unsafe { ptr::credential(pin, len)? };
    library.reset_pin(SessionHandle(session), pin)
}

/// Size of the partition, in bytes; the order of the cells is that of the fact pack's list.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn token_storage(
    library: &Library,
    slot: CK_SLOT_ID,
    overhead: CK_ULONG_PTR,
    total: CK_ULONG_PTR,
    used: CK_ULONG_PTR,
    free: CK_ULONG_PTR,
    objects: CK_ULONG_PTR,
) -> Result<()> {
    let mut places = Vec::new();
    for cell in [overhead, total, used, free, objects] {
        // SAFETY: passed on.
        places.push(unsafe { Place::new(cell, NOWHERE)? });
    }
    let it = library.token_storage(SlotId(slot))?;
    for (place, value) in places.iter().zip([it.overhead, it.total, it.used, it.free, it.objects]) {
        place.put(value);
    }
    Ok(())
}

/// Width, destructiveness and text of a policy or capability of the slot's own partition, or of the
/// HSM on its admin slot. The text
/// has no terminator; its length pointer is the ninth argument, as in 7.x (Documented), and no
/// older caller with eight is told apart.
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(super) unsafe fn element_description(
    library: &Library,
    slot: CK_SLOT_ID,
    is_container: CK_ULONG,
    is_capability: CK_ULONG,
    id: CK_ULONG,
    bits: CK_ULONG_PTR,
    destructive: CK_ULONG_PTR,
    write_restricted: CK_ULONG_PTR,
    text: CK_CHAR_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let places = unsafe {
        (
            Place::new(bits, NOWHERE)?,
            Place::new(destructive, NOWHERE)?,
            Place::new(write_restricted, NOWHERE)?,
        )
    };
    // SAFETY: passed on.
    let buffer = unsafe { Buffer::new(text, len)? };
    // The HSM's own are seen from its admin slot alone.
    let it = match is_container {
        0 => library.policy_of(SlotId(slot), Whose::Hsm, id)?,
        _ => library.policy_description(SlotId(slot), id)?,
    };
    let verb = if is_capability == 0 { "Allow" } else { "Enable" };
    let text = format!("{verb} {}", it.text).into_bytes();
    places.0.put(if it.capability > 1 { 8 } else { 1 });
    places.1.put(CK_ULONG::from(it.destructive));
    // Every policy is a security officer's to set, and a capability without one is nobody's.
    places.2.put(CK_ULONG::from(it.fixed));
    buffer.put(&buffer.room().fit(text))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn role_state(
    library: &Library,
    slot: CK_SLOT_ID,
    user: CK_USER_TYPE,
    state: *mut CA_ROLE_STATE,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(state, NOWHERE)? };
    let state = library.role_state(SlotId(slot), user)?;
    place.put(CA_ROLE_STATE {
        flags: state.flags,
        loginAttemptsLeft: state.attempts_left,
        primaryAuthMech: state.primary_authentication,
        secondaryAuthMech: state.secondary_authentication,
    });
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn init_role_pin(
    library: &Library,
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: CK_CHAR_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let pin = unsafe { ptr::credential(pin, len)? };
    library.init_role_pin(SessionHandle(session), user, pin)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn set_cloning_domain(
    library: &Library,
    domain: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let domain = unsafe { ptr::bytes(domain, len)? };
    library.set_cloning_domain(domain)
}

/// # Safety
/// Pointers as the exported function wants them; the identifier has 12 bytes.
pub(super) unsafe fn token_object_uid(
    library: &Library,
    slot: CK_SLOT_ID,
    object_type: CK_ULONG,
    object: CK_ULONG,
    uid: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(uid.cast::<[u8; 12]>(), NOWHERE)? };
    place.put(library.object_uid(SlotId(slot), object_type, ObjectHandle(object))?);
    Ok(())
}

/// The type, always that of a Cryptoki object, and the handle of the object with an identifier.
///
/// # Safety
/// Pointers as the exported function wants them; the identifier has 12 bytes.
pub(super) unsafe fn token_object_handle(
    library: &Library,
    slot: CK_SLOT_ID,
    uid: CK_BYTE_PTR,
    object_type: CK_ULONG_PTR,
    object: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let uid = unsafe { ptr::read(uid.cast_const().cast::<[u8; 12]>(), "an identifier is wanted")? };
    // SAFETY: passed on.
    let places = unsafe { (Place::new(object_type, NOWHERE)?, Place::new(object, NOWHERE)?) };
    let found = library.object_by_uid(SlotId(slot), uid)?;
    places.0.put(0);
    places.1.put(found.0);
    Ok(())
}

/// As [`token_object_uid`]. A slot shows the objects of its own container alone (Assumed).
///
/// # Safety
/// As [`token_object_uid`].
pub(super) unsafe fn object_uid(
    library: &Library,
    slot: CK_SLOT_ID,
    container: CK_ULONG,
    object_type: CK_ULONG,
    object: CK_ULONG,
    uid: CK_BYTE_PTR,
) -> Result<()> {
    library.need_own_container(SlotId(slot), container)?;
    // SAFETY: passed on.
    unsafe { token_object_uid(library, slot, object_type, object, uid) }
}

/// As [`token_object_handle`]. A slot shows the objects of its own container alone (Assumed).
///
/// # Safety
/// As [`token_object_handle`].
pub(super) unsafe fn object_handle(
    library: &Library,
    slot: CK_SLOT_ID,
    container: CK_ULONG,
    uid: CK_BYTE_PTR,
    object_type: CK_ULONG_PTR,
    object: CK_ULONG_PTR,
) -> Result<()> {
    library.need_own_container(SlotId(slot), container)?;
    // SAFETY: passed on.
    unsafe { token_object_handle(library, slot, uid, object_type, object) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn check_operation_state(
    library: &Library,
    session: CK_SESSION_HANDLE,
    operation: CK_ULONG,
    active: *mut CK_BBOOL,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(active, NOWHERE)? };
    place.put(CK_BBOOL::from(library.is_operation_active(SessionHandle(session), operation)?));
    Ok(())
}

/// Destroys one after the other; at the first failure its index is written and the rest stays.
///
/// Source: the index in `ca-functions.csv` of the fact pack (Documented); that those before it are
/// gone: Assumed.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn destroy_multiple_objects(
    library: &Library,
    session: CK_SESSION_HANDLE,
    count: CK_ULONG,
    objects: CK_OBJECT_HANDLE_PTR,
    failed: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(failed, "nowhere to put the index of a failure")? };
    if count > HANDLES_MAX || (objects.is_null() && count > 0) {
        return Err(Error::new(Cause::ArgumentsBad, "no such list of handles"));
    }
    let mut cell = objects.cast_const();
    for index in 0..count {
        // SAFETY: the caller vouches for `count` handles; they may be unaligned.
        let object = ObjectHandle(unsafe { cell.read_unaligned() });
        library.destroy_object(SessionHandle(session), object).inspect_err(|_| place.put(index))?;
        cell = cell.wrapping_add(1);
    }
    Ok(())
}

/// # Safety
/// None of its own.
pub(super) unsafe fn modify_usage_count(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    command: CK_ULONG,
    value: CK_ULONG,
) -> Result<()> {
    library.modify_usage_count(SessionHandle(session), ObjectHandle(key), command, value)
}
