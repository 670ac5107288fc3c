//! The audit log as the Auditor sees it, and the HSM's clock.
//!
//! Source: signatures from `ThalesGroup/pycryptoki:pycryptoki/cryptoki/func_defs.py` and the list of
//! calls of the fact pack (Documented); what an argument means where neither says: Assumed, as
//! marked.

use super::numbers::put_all;
use crate::abi::ptr::{self, Buffer};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;
use crate::wire::{Administration, LogConfiguration};

/// The longest path, in bytes, with its NUL.
const PATH_MAX: usize = 256;

/// The label says nothing here: the log has none (Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn init_audit(
    library: &Library,
    slot: CK_SLOT_ID,
    pin: CK_CHAR_PTR,
    len: CK_ULONG,
    _label: CK_CHAR_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let pin = unsafe { ptr::credential(pin, len)? };
    library.init_audit(SlotId(slot), pin)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn time_sync(
    library: &Library,
    session: CK_SESSION_HANDLE,
    seconds: CK_ULONG,
) -> Result<()> {
    library.command(SessionHandle(session), &Administration::SetTime(seconds))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn time(
    library: &Library,
    session: CK_SESSION_HANDLE,
    seconds: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([seconds], || Ok([library.hsm_time(SessionHandle(session))?])) }
}

/// Categories, offset and interval of the rotation, size of a file, and the directory as a text that
/// ends with a NUL; without one the records stay in the HSM (the order of the numbers: Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_configuration(
    library: &Library,
    session: CK_SESSION_HANDLE,
    events: CK_ULONG,
    rotation_offset_minutes: CK_ULONG,
    rotation_interval: CK_ULONG,
    rotation_kibibytes: CK_ULONG,
    path: CK_BYTE_PTR,
) -> Result<()> {
    let path = match std::ptr::NonNull::new(path) {
        // SAFETY: passed on.
        Some(path) => unsafe { ptr::terminated(path, PATH_MAX)? },
        None => Vec::new(),
    };
    let path = String::from_utf8(path)
        .map_err(|_| Error::new(Cause::LogBadFileName, "the log's directory is no text"))?;
    let wanted = LogConfiguration {
        events,
        rotation_offset_minutes,
        rotation_interval,
        rotation_kibibytes,
        path,
    };
    library.command(SessionHandle(session), &Administration::ConfigureLog(wanted))
}

/// What [`set_configuration`] set; a path goes, with its NUL, where there is room for 256 bytes.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn configuration(
    library: &Library,
    session: CK_SESSION_HANDLE,
    events: CK_ULONG_PTR,
    offset: CK_ULONG_PTR,
    interval: CK_ULONG_PTR,
    kibibytes: CK_ULONG_PTR,
    path: CK_BYTE_PTR,
) -> Result<()> {
    let mut directory = String::new();
    let read = || {
        let it = library.log_configuration(SessionHandle(session))?;
        directory = it.path;
        Ok([it.events, it.rotation_offset_minutes, it.rotation_interval, it.rotation_kibibytes])
    };
    // SAFETY: passed on.
    unsafe { put_all([events, offset, interval, kibibytes], read)? };
    if !path.is_null() {
        let mut cell = path;
        for byte in directory.bytes().take(PATH_MAX - 1).chain([0]) {
            // SAFETY: the caller has room for the longest path; bytes have no alignment.
            unsafe { cell.write(byte) };
            cell = cell.wrapping_add(1);
        }
    }
    Ok(())
}

/// Whether the Auditor is there, records in the HSM, the most of them, the last number, categories
/// (the order: Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn status(
    library: &Library,
    slot: CK_SLOT_ID,
    initialized: CK_ULONG_PTR,
    records: CK_ULONG_PTR,
    most: CK_ULONG_PTR,
    last: CK_ULONG_PTR,
    events: CK_ULONG_PTR,
) -> Result<()> {
    let read = || {
        let it = library.log_status(SlotId(slot))?;
        Ok([CK_ULONG::from(it.initialized), it.records, it.most, it.last, it.events])
    };
    // SAFETY: passed on.
    unsafe { put_all([initialized, records, most, last, events], read) }
}

/// Whether records are whole and, with a flag, follow each other; the number of them comes back.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn verify(
    library: &Library,
    session: CK_SESSION_HANDLE,
    lines: CK_BYTE_PTR,
    len: CK_ULONG,
    chained: CK_ULONG,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let lines = unsafe { ptr::bytes(lines, len)? };
    let run = || Ok([library.verify_log(SessionHandle(session), lines, chained != 0)?]);
    // SAFETY: passed on.
    unsafe { put_all([count], run) }
}

/// # Safety
/// Pointers as the exported function wants them; the name ends with a NUL.
pub(in crate::abi) unsafe fn verify_file(
    library: &Library,
    session: CK_SESSION_HANDLE,
    path: CK_CHAR_PTR,
    count: CK_ULONG_PTR,
) -> Result<()> {
    let path = std::ptr::NonNull::new(path)
        .ok_or_else(|| Error::new(Cause::LogBadFileName, "a log file has a name"))?;
    // SAFETY: passed on.
    let path = unsafe { ptr::terminated(path, 4096)? };
    let run = || Ok([library.verify_log_file(SessionHandle(session), &path)?]);
    // SAFETY: passed on.
    unsafe { put_all([count], run) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn export_secret(
    library: &Library,
    session: CK_SESSION_HANDLE,
    secret: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let buffer = unsafe { Buffer::new(secret, len)? };
    let told = library.export_log_secret(SessionHandle(session))?;
    buffer.put(&buffer.room().fit(told))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn import_secret(
    library: &Library,
    session: CK_SESSION_HANDLE,
    secret: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let secret = unsafe { ptr::bytes(secret, len)? }.to_vec();
    library.command(SessionHandle(session), &Administration::ImportLogSecret(secret))
}

/// The session must be on the slot.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn external(
    library: &Library,
    slot: CK_SLOT_ID,
    session: CK_SESSION_HANDLE,
    text: CK_CHAR_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let text = unsafe { ptr::bytes(text, len)? }.to_vec();
    if library.session_info(SessionHandle(session))?.slot != SlotId(slot) {
        return Err(Error::new(Cause::SlotIdInvalid, "the session is on another slot"));
    }
    library.command(SessionHandle(session), &Administration::LogExternal(text))
}
