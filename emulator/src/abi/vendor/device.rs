//! The device: zeroisation, tamper, transport, tests, licences, statistics and metrics.
//!
//! Source: signatures from `ThalesGroup/pycryptoki:pycryptoki/cryptoki/func_defs.py` and the list of
//! calls of the fact pack (Documented); what an argument means where neither says: Assumed, as
//! marked.

use super::numbers::{places, put_all};
use super::{NOWHERE, POLICIES_MAX};
use crate::abi::ptr::{self, Buffer, List, Place};
use crate::abi::text;
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;
use crate::wire::{Administration, TamperKey, UTILIZATION_BINS};

/// Bytes of a licence's text. Source: pycryptoki's `LICENSE_DESCRIPTION_SIZE` (Documented).
const LICENCE_TEXT: usize = 60;

/// Statistics by number. Source: pycryptoki's `LUNA_STATS_` (Documented).
const STATS: [CK_ULONG; 4] = [1, 2, 3, 4];

/// The flags say nothing here.
///
/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn zeroize(
    library: &Library,
    slot: CK_SLOT_ID,
    _flags: CK_FLAGS,
) -> Result<()> {
    library.slot_command(SlotId(slot), &Administration::Zeroize)
}

/// The flags say nothing here.
///
/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn factory_reset(
    library: &Library,
    slot: CK_SLOT_ID,
    _flags: CK_FLAGS,
) -> Result<()> {
    library.slot_command(SlotId(slot), &Administration::FactoryReset)
}

/// The flags say nothing here.
///
/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn reset_device(
    library: &Library,
    slot: CK_SLOT_ID,
    _flags: CK_FLAGS,
) -> Result<()> {
    library.slot_command(SlotId(slot), &Administration::Restart)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn restart(library: &Library, slot: CK_SLOT_ID) -> Result<()> {
    library.restart(SlotId(slot))
}

/// A slot has one container, so its number says nothing (Assumed).
///
/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn restart_for_container(
    library: &Library,
    slot: CK_SLOT_ID,
    _container: CK_ULONG,
) -> Result<()> {
    library.restart(SlotId(slot))
}

/// Tests give out nothing.
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn self_test(
    library: &Library,
    slot: CK_SLOT_ID,
    number: CK_ULONG,
    input: CK_BYTE_PTR,
    len: CK_ULONG,
    _out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> Result<()> {
    let run = || {
        // SAFETY: passed on.
        unsafe { ptr::bytes(input, len)? };
        library.slot_command(SlotId(slot), &Administration::SelfTest(number))?;
        Ok([0])
    };
    // SAFETY: passed on.
    unsafe { put_all([out_len], run) }
}

macro_rules! tamper_keys {
    ($($name:ident => $change:ident;)+) => {$(
        /// # Safety
        /// None of its own.
        pub(in crate::abi) unsafe fn $name(library: &Library, slot: CK_SLOT_ID) -> Result<()> {
            library.change_tamper_key(SlotId(slot), TamperKey::$change)
        }
    )+};
}

tamper_keys! {
    tamper_key_restore => Restore;
    tamper_key_resplit => Resplit;
    tamper_key_zeroize => Zeroize;
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn tamper_key_store(
    library: &Library,
    session: CK_SESSION_HANDLE,
    place: CK_ULONG,
) -> Result<()> {
    let what = Administration::MasterTamperKey(TamperKey::Store(place));
    library.command(SessionHandle(session), &what)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn tamper_clear(
    library: &Library,
    session: CK_SESSION_HANDLE,
) -> Result<()> {
    library.command(SessionHandle(session), &Administration::ClearTamper)
}

/// Into secure transport mode with 1, out of it with 0; the user's string in, the verification
/// string out, in the form of 7.x with six arguments.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn transport(
    library: &Library,
    session: CK_SESSION_HANDLE,
    enter: CK_ULONG,
    user_len: CK_ULONG,
    user: CK_CHAR_PTR,
    len: CK_ULONG_PTR,
    verification: CK_CHAR_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (user, buffer) = unsafe { (ptr::bytes(user, user_len)?, Buffer::new(verification, len)?) };
    // A length that is asked for changes nothing; the string has sixteen digits.
    if let Some(refused) = buffer.room().refuse(16, 16) {
        return buffer.put(&refused);
    }
    let told = library.change_transport(SessionHandle(session), enter != 0, user)?;
    buffer.put(&buffer.room().fit(told))
}

macro_rules! device_numbers {
    ($($(#[$doc:meta])* $name:ident => $of:expr;)+) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Pointers as the exported function wants them.
        pub(in crate::abi) unsafe fn $name(
            library: &Library,
            slot: CK_SLOT_ID,
            cell: CK_ULONG_PTR,
        ) -> Result<()> {
            let of: fn(&crate::wire::DeviceState) -> CK_ULONG = $of;
            // SAFETY: passed on.
            unsafe { put_all([cell], || Ok([of(&library.device(SlotId(slot))?)])) }
        }
    )+};
}

device_numbers! {
    /// The state of the master tamper key.
    tamper_key_state => |it| it.tamper_key;
    /// Whether the HSM is in secure transport mode. Source: `STM_STATE_FLAG_STM_TURNED_ON` of
    /// pycryptoki (Documented).
    transport_state => |it| if it.in_transport { 4 } else { 0 };
    /// The state vector.
    state_vector => |it| it.state_vector;
    /// The firmware a rollback brings; 0 where there is none (Assumed).
    rollback_firmware => |it| it.rollback_firmware.unwrap_or(0);
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn licence_list(
    library: &Library,
    slot: CK_SLOT_ID,
    count: CK_ULONG_PTR,
    licences: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let list = unsafe { List::new(licences, count)? };
    let all = library.device(SlotId(slot))?.licences;
    let words: Vec<CK_ULONG> =
        all.iter().flat_map(|(id, _)| [id & CK_ULONG::from(u32::MAX), id >> 32]).collect();
    list.put(&words)
}

/// Type, version and a third number that says nothing here, and the text of 60 bytes.
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn query_licence(
    library: &Library,
    slot: CK_SLOT_ID,
    low: CK_ULONG,
    high: CK_ULONG,
    kind: CK_ULONG_PTR,
    version: CK_ULONG_PTR,
    reserved: CK_ULONG_PTR,
    description: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(description.cast::<[u8; LICENCE_TEXT]>(), NOWHERE)? };
    // SAFETY: passed on.
    let places = unsafe { places([kind, version, reserved])? };
    let wanted = high.checked_shl(32).unwrap_or(0) | low;
    let all = library.device(SlotId(slot))?.licences;
    let (_, words) = all.into_iter().find(|(id, _)| *id == wanted).ok_or_else(|| {
        Error::new(Cause::ArgumentsBad, format!("the HSM has no licence {wanted}"))
    })?;
    for (place, value) in places.iter().zip([1, 1, 0]) {
        place.put(value);
    }
    place.put(text::terminated(&words));
    Ok(())
}

/// Statistics: when the HSM was switched on, how long it is up and idle, in seconds; requests that
/// changed it. An emulated HSM is idle whenever it is not asked (Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn hsm_stats(
    library: &Library,
    slot: CK_SLOT_ID,
    count: CK_ULONG,
    ids: CK_ULONG_PTR,
    results: *mut HSM_STATS_PARAMS,
) -> Result<()> {
    if count > POLICIES_MAX || (count > 0 && (ids.is_null() || results.is_null())) {
        return Err(Error::new(Cause::ArgumentsBad, "no such list of statistics"));
    }
    let it = library.device(SlotId(slot))?;
    let values = [it.up.0, it.up.1, it.up.1, it.commands];
    let (mut id, mut result) = (ids.cast_const(), results);
    for _ in 0..count {
        // SAFETY: the caller vouches for `count` of either; they may be unaligned.
        let wanted = unsafe { id.read_unaligned() };
        let known = STATS.iter().zip(values).find(|(known, _)| **known == wanted);
        let (_, value) = known.ok_or_else(|| {
            Error::new(Cause::ArgumentsBad, format!("there is no statistic {wanted}"))
        })?;
        let told = HSM_STATS_PARAMS {
            ulId: wanted,
            ulHighValue: value >> 32,
            ulLowValue: value & CK_ULONG::from(u32::MAX),
        };
        // SAFETY: as above.
        unsafe { result.write_unaligned(told) };
        (id, result) = (id.wrapping_add(1), result.wrapping_add(1));
    }
    Ok(())
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn read_metrics(
    library: &Library,
    session: CK_SESSION_HANDLE,
) -> Result<()> {
    let what = Administration::SnapshotUtilization { reset: false };
    library.command(SessionHandle(session), &what)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn read_and_reset_metrics(
    library: &Library,
    session: CK_SESSION_HANDLE,
) -> Result<()> {
    let what = Administration::SnapshotUtilization { reset: true };
    library.command(SessionHandle(session), &what)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn metrics(
    library: &Library,
    session: CK_SESSION_HANDLE,
    counters: *mut CK_UTILIZATION_COUNTER,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let list = unsafe { List::new(counters, count)? };
    let all: Vec<_> = library
        .utilization(SessionHandle(session))?
        .iter()
        .map(|it| CK_UTILIZATION_COUNTER {
            ullSerialNumber: it.serial,
            label: text::terminated(&it.label),
            ulBindId: it.bin,
            ulCounterId: 0,
            ullCount: it.count,
        })
        .collect();
    list.put(&all)
}

/// The address of a text that stays where it is.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn describe_bin(
    _library: &Library,
    bin: CK_ULONG,
    name: *mut CK_CHAR_PTR,
) -> Result<()> {
    const NAMES: [&[u8]; UTILIZATION_BINS.len()] = [
        b"SIGN\0",
        b"VERIFY\0",
        b"ENCRYPT\0",
        b"DECRYPT\0",
        b"KEY_GENERATION\0",
        b"KEY_DERIVATION\0",
    ];
    // SAFETY: passed on.
    let place = unsafe { Place::new(name, NOWHERE)? };
    let name = usize::try_from(bin).ok().and_then(|bin| NAMES.get(bin)).ok_or_else(|| {
        Error::new(Cause::ArgumentsBad, format!("nothing is counted in bin {bin}"))
    })?;
    place.put(name.as_ptr().cast_mut());
    Ok(())
}
