//! Cloning: in one call, step by step, by negotiated sessions.
//!
//! Source: signatures from pycryptoki's `func_defs.py`; which session is the target's from the vendor's
//! header and its JCPROV samples: the target comes first in `CA_CloneObject`, the source first in
//! `CA_MigrateKeys` (Documented).

use super::NOWHERE;
use crate::abi::ptr::{self, Buffer, Place};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;
use crate::luna::client::Migration;
use crate::wire::{Domain, Route};

/// Objects of one call. A bound of ours, above what a partition holds.
pub(super) const OBJECTS_MAX: CK_ULONG = 1 << 16;

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn clone_object(
    library: &Library,
    target: CK_SESSION_HANDLE,
    source: CK_SESSION_HANDLE,
    object_type: CK_ULONG,
    object: CK_OBJECT_HANDLE,
    clone: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(clone, NOWHERE)? };
    let (target, source) = (SessionHandle(target), SessionHandle(source));
    place.put(library.clone_object(target, source, object_type, ObjectHandle(object))?.0);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn clone_private_key(
    library: &Library,
    target: CK_SESSION_HANDLE,
    source: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    clone: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(clone, NOWHERE)? };
    let (target, source) = (SessionHandle(target), SessionHandle(source));
    place.put(library.clone_private_key(target, source, ObjectHandle(key))?.0);
    Ok(())
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn clone_to_all_sessions(
    library: &Library,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
) -> Result<()> {
    library.clone_to_all_sessions(SessionHandle(session), ObjectHandle(object))
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn clone_all_objects(
    library: &Library,
    session: CK_SESSION_HANDLE,
    slot: CK_SLOT_ID,
) -> Result<()> {
    library.clone_all_objects(SessionHandle(session), SlotId(slot))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn vector(
    library: &Library,
    session: CK_SESSION_HANDLE,
    vector: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let out = unsafe { Buffer::new(vector, len)? };
    out.put(&out.room().fit(library.cloning_vector(SessionHandle(session))?))
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn target_init(
    library: &Library,
    session: CK_SESSION_HANDLE,
    certificate: CK_BYTE_PTR,
    certificate_len: CK_ULONG,
    vector: CK_BYTE_PTR,
    vector_len: CK_ULONG,
    _replicate: CK_BBOOL,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, certificate, vector) = unsafe {
        (
            Buffer::new(part, part_len)?,
            ptr::bytes(certificate, certificate_len)?,
            ptr::bytes(vector, vector_len)?,
        )
    };
    let message = library.clone_as_target_init(SessionHandle(session), certificate, vector)?;
    out.put(&out.room().fit(message))
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn as_source(
    library: &Library,
    session: CK_SESSION_HANDLE,
    object_type: CK_ULONG,
    object: CK_ULONG,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
    _replicate: CK_BBOOL,
    answer: CK_BYTE_PTR,
    answer_len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, part) = unsafe { (Buffer::new(answer, answer_len)?, ptr::bytes(part, part_len)?) };
    let (session, object) = (SessionHandle(session), ObjectHandle(object));
    out.put(&out.room().fit(library.clone_as_source(session, object_type, object, part)?))
}

/// The number that comes back for the masking key, which has no handle, is the one that was given.
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn as_target(
    library: &Library,
    session: CK_SESSION_HANDLE,
    vector: CK_BYTE_PTR,
    vector_len: CK_ULONG,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
    _object_type: CK_ULONG,
    object: CK_ULONG,
    _replicate: CK_BBOOL,
    clone: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, vector, part) = unsafe {
        (Place::new(clone, NOWHERE)?, ptr::bytes(vector, vector_len)?, ptr::bytes(part, part_len)?)
    };
    let found = library.clone_as_target(SessionHandle(session), vector, part)?;
    place.put(found.map_or(object, |found| found.0));
    Ok(())
}

/// Every object's outcome is written beside it; the call itself succeeds.
///
/// Source: pycryptoki's `test_cpv4.py` (Documented).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn migrate(
    library: &Library,
    source: CK_SESSION_HANDLE,
    target: CK_SESSION_HANDLE,
    flags: CK_ULONG,
    count: CK_ULONG,
    objects: *mut CK_OBJECT_MIGRATION_DATA,
) -> Result<()> {
    if count > OBJECTS_MAX || (objects.is_null() && count > 0) {
        return Err(Error::new(Cause::ArgumentsBad, "no such list of objects"));
    }
    let mut migrations = Vec::new();
    let mut cell = objects;
    for _ in 0..count {
        // SAFETY: the caller vouches for `count` of them; they may be unaligned.
        let data = unsafe { cell.read_unaligned() };
        migrations.push(Migration {
            object_type: data.objectType,
            source: ObjectHandle(data.sourceHandle),
            outcome: Err(Cause::CloneNotAttempted),
        });
        cell = cell.wrapping_add(1);
    }
    let (source, target) = (SessionHandle(source), SessionHandle(target));
    library.migrate_keys(source, target, flags, &mut migrations)?;
    let mut cell = objects;
    for migration in &migrations {
        let data = CK_OBJECT_MIGRATION_DATA {
            objectType: migration.object_type,
            sourceHandle: migration.source.0,
            targetHandle: migration.outcome.map_or(CK_INVALID_HANDLE, |found| found.0),
            rv: migration.outcome.err().map_or(CKR_OK, Cause::ck_rv),
        };
        // SAFETY: as above.
        unsafe { cell.write_unaligned(data) };
        cell = cell.wrapping_add(1);
    }
    Ok(())
}

/// What the target is given to begin with is not looked at: what it would say is not published.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn negotiate(
    library: &Library,
    session: CK_SESSION_HANDLE,
    input_len: CK_ULONG,
    input: CK_BYTE_PTR,
    step: CK_ULONG_PTR,
    output_len: CK_ULONG_PTR,
    output: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, step) = unsafe { (Buffer::new(output, output_len)?, Place::new(step, NOWHERE)?) };
    // SAFETY: passed on.
    unsafe { ptr::bytes(input, input_len)? };
    let negotiated = library.negotiate(SessionHandle(session), None)?;
    step.put(negotiated.step);
    out.put(&out.room().fit(negotiated.message))
}

/// The status is 1 once there is a session and 0 before (Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn continue_negotiation(
    library: &Library,
    session: CK_SESSION_HANDLE,
    step: CK_ULONG,
    input_len: CK_ULONG,
    input: CK_BYTE_PTR,
    _route_len: CK_ULONG,
    _route: CK_BYTE_PTR,
    next: CK_ULONG_PTR,
    output_len: CK_ULONG_PTR,
    output: CK_BYTE_PTR,
    status: CK_ULONG_PTR,
    made_len: CK_ULONG_PTR,
    made: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, next, status, made) = unsafe {
        (
            Buffer::new(output, output_len)?,
            Place::new(next, NOWHERE)?,
            Place::new(status, NOWHERE)?,
            Buffer::new(made, made_len)?,
        )
    };
    // SAFETY: passed on.
    let input = unsafe { ptr::bytes(input, input_len)? };
    let negotiated = library.negotiate(SessionHandle(session), Some((step, input)))?;
    next.put(negotiated.step);
    status.put(CK_ULONG::from(negotiated.route.is_some()));
    made.put(&made.room().fit(negotiated.route.map_or_else(Vec::new, |it| it.to_vec())))?;
    out.put(&out.room().fit(negotiated.message))
}

/// The name of a negotiated session.
///
/// # Errors
/// `SessionIdInvalid` for a name of another length.
///
/// # Safety
/// As `ptr::bytes` wants.
pub(super) unsafe fn route(at: CK_BYTE_PTR, len: CK_ULONG) -> Result<Route> {
    // SAFETY: passed on.
    let bytes = unsafe { ptr::bytes(at, len)? };
    bytes.try_into().map_err(|_| {
        Error::new(Cause::SessionIdInvalid, "a negotiated session has a name of 16 bytes")
    })
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn close_negotiated(
    library: &Library,
    session: CK_SESSION_HANDLE,
    len: CK_ULONG,
    name: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    library.close_negotiated(SessionHandle(session), unsafe { route(name, len)? })
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn manual_domain(
    library: &Library,
    session: CK_SESSION_HANDLE,
) -> Result<()> {
    library.set_domain(SessionHandle(session), Domain::Own, &[])
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_domain(
    library: &Library,
    session: CK_SESSION_HANDLE,
    domain: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    library.set_domain(SessionHandle(session), Domain::Own, unsafe { ptr::bytes(domain, len)? })
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_legacy_domain(
    library: &Library,
    session: CK_SESSION_HANDLE,
    domain: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    library.set_domain(SessionHandle(session), Domain::Legacy, unsafe { ptr::bytes(domain, len)? })
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_recovery_domain(
    library: &Library,
    session: CK_SESSION_HANDLE,
    domain: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let domain = unsafe { ptr::bytes(domain, len)? };
    library.set_domain(SessionHandle(session), Domain::Recovery, domain)
}

/// M of N belongs to PEDs: a password HSM has none to give (code Assumed). A bad session is told
/// first (Documented: pycryptoki's `test_key_usage.py`).
///
/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn clone_m_of_n(
    library: &Library,
    session: CK_SESSION_HANDLE,
    primary: CK_SESSION_HANDLE,
    _reserved: CK_VOID_PTR,
) -> Result<()> {
    library.need_session(SessionHandle(session))?;
    library.need_session(SessionHandle(primary))?;
    Err(Error::new(Cause::OperationNotAllowed, "a password HSM has no M of N"))
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn duplicate_m_of_n(
    library: &Library,
    session: CK_SESSION_HANDLE,
) -> Result<()> {
    library.need_session(SessionHandle(session))?;
    Err(Error::new(Cause::PedUnplugged, "PED keys are copied at a PED, and there is none"))
}
