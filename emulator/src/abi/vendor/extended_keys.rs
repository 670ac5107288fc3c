//! Public keys of BIP 32 as text.
//!
//! Source: signatures from pycryptoki's `func_defs.py` (Documented).

use super::NOWHERE;
use crate::abi::ptr::{self, Buffer, Place};
use crate::abi::template;
use crate::ck::*;
use crate::error::Result;
use crate::library::Library;

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn export(
    library: &Library,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    text: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let out = unsafe { Buffer::new(text, len)? };
    let told = library.export_extended_key(SessionHandle(session), ObjectHandle(key))?;
    out.put(&out.room().fit(told))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn import(
    library: &Library,
    session: CK_SESSION_HANDLE,
    text: CK_BYTE_PTR,
    len: CK_ULONG,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, text, template) = unsafe {
        (Place::new(key, NOWHERE)?, ptr::bytes(text, len)?, template::read(attributes, count)?)
    };
    place.put(library.import_extended_key(SessionHandle(session), text, &template)?.0);
    Ok(())
}
