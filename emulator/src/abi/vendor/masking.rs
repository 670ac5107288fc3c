//! Masked objects, and the mechanism-driven forms of extraction and insertion.
//!
//! Source: the vendor's header and `CA_SIMExtract_demo.c` (Documented): a size asks for nothing and
//! deletes nothing; a null list of handles asks how many there are and inserts nothing.

use super::NOWHERE;
use super::journeys::{OBJECTS_MAX, route};
use crate::abi::params;
use crate::abi::ptr::{self, Buffer, List, Place};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;
use crate::wire::{Guard, Pin, Rollover, Route};

/// Secrets of one call; a bound of ours, above what a blob takes.
const SECRETS_MAX: CK_ULONG = 256;

fn bad(rule: &'static str) -> Error {
    Error::new(Cause::ArgumentsBad, rule)
}

/// The caller's numbers, copied.
///
/// # Safety
/// `at` is null or valid for reading `count` of them, if they are no more than `most`.
unsafe fn numbers(at: *const CK_ULONG, count: CK_ULONG, most: CK_ULONG) -> Result<Vec<CK_ULONG>> {
    if count > most || (at.is_null() && count > 0) {
        return Err(bad("no such list of numbers"));
    }
    let count = usize::try_from(count).map_err(|_| bad("no such list of numbers"))?;
    // SAFETY: the caller vouches for so many; they may be unaligned.
    Ok((0..count).map(|at_index| unsafe { at.add(at_index).read_unaligned() }).collect())
}

/// The caller's buffers, borrowed for the length of the call.
///
/// # Safety
/// Both lists are null or valid for `count`, and each buffer for its length.
unsafe fn pieces<'a>(
    list: *const CK_BYTE_PTR,
    lengths: *const CK_ULONG,
    count: CK_ULONG,
    most: CK_ULONG,
) -> Result<Vec<&'a [u8]>> {
    // SAFETY: passed on.
    let lengths = unsafe { numbers(lengths, count, most)? };
    if list.is_null() && !lengths.is_empty() {
        return Err(bad("no such list of buffers"));
    }
    let mut pieces = Vec::with_capacity(lengths.len());
    for (at, len) in lengths.into_iter().enumerate() {
        // SAFETY: the caller vouches for the list and for each buffer in it.
        pieces.push(unsafe { ptr::bytes(list.add(at).read_unaligned().cast_const(), len)? });
    }
    Ok(pieces)
}

/// # Safety
/// As [`pieces`].
unsafe fn guard(
    form: CK_ULONG,
    subset: CK_ULONG,
    count: CK_ULONG,
    lengths: CK_ULONG_PTR,
    secrets: *mut CK_BYTE_PTR,
) -> Result<Guard> {
    // SAFETY: passed on.
    let secrets =
        unsafe { pieces(secrets.cast_const(), lengths.cast_const(), count, SECRETS_MAX)? };
    Ok(Guard {
        form,
        subset: usize::try_from(subset).map_err(|_| bad("no such number of secrets"))?,
        secrets: secrets.into_iter().map(Pin::new).collect(),
    })
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn sim_extract(
    library: &Library,
    session: CK_SESSION_HANDLE,
    count: CK_ULONG,
    objects: CK_OBJECT_HANDLE_PTR,
    secrets: CK_ULONG,
    subset: CK_ULONG,
    form: CK_ULONG,
    lengths: CK_ULONG_PTR,
    list: *mut CK_BYTE_PTR,
    delete: CK_BBOOL,
    len: CK_ULONG_PTR,
    blob: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, objects, guard) = unsafe {
        (
            Buffer::new(blob, len)?,
            numbers(objects.cast_const(), count, OBJECTS_MAX)?,
            guard(form, subset, secrets, lengths, list)?,
        )
    };
    let objects: Vec<_> = objects.into_iter().map(ObjectHandle).collect();
    let (session, delete) = (SessionHandle(session), delete != 0);
    out.put(&library.mask_objects(session, &objects, guard, delete, out.room())?)
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn sim_insert(
    library: &Library,
    session: CK_SESSION_HANDLE,
    secrets: CK_ULONG,
    form: CK_ULONG,
    lengths: CK_ULONG_PTR,
    list: *mut CK_BYTE_PTR,
    len: CK_ULONG,
    blob: CK_BYTE_PTR,
    count: CK_ULONG_PTR,
    objects: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (handles, room, blob, guard) = unsafe {
        (
            List::new(objects, count)?,
            Place::new(count, NOWHERE)?,
            ptr::bytes(blob, len)?,
            guard(form, secrets, secrets, lengths, list)?,
        )
    };
    let session = SessionHandle(session);
    let wanted = library.count_masked(session, guard.clone(), blob)?;
    if objects.is_null() {
        room.put(wanted);
        return Ok(());
    }
    if room.value() < wanted {
        room.put(wanted);
        return Err(Error::new(Cause::BufferTooSmall, "the list has room for fewer handles"));
    }
    let found = library.unmask_objects(session, guard, blob)?;
    let found: Vec<CK_ULONG> = found.into_iter().map(|found| found.0).collect();
    handles.put(&found)
}

/// The signature buffers are the caller's and large enough: lengths are not asked for (Documented).
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn sim_multi_sign(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    secrets: CK_ULONG,
    form: CK_ULONG,
    lengths: CK_ULONG_PTR,
    list: *mut CK_BYTE_PTR,
    len: CK_ULONG,
    blob: CK_BYTE_PTR,
    count: CK_ULONG,
    input_lengths: CK_ULONG_PTR,
    inputs: *mut CK_BYTE_PTR,
    signature_lengths: CK_ULONG_PTR,
    signatures: *mut CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (mechanism, guard, blob, inputs) = unsafe {
        (
            params::read(mechanism)?,
            guard(form, secrets, secrets, lengths, list)?,
            ptr::bytes(blob, len)?,
            pieces(inputs.cast_const(), input_lengths.cast_const(), count, OBJECTS_MAX)?,
        )
    };
    if signature_lengths.is_null() || signatures.is_null() {
        return Err(bad("nowhere to put the signatures"));
    }
    let mut buffers = Vec::with_capacity(inputs.len());
    for at in 0..inputs.len() {
        // SAFETY: the caller vouches for as many of both as there are inputs.
        let buffer =
            unsafe { Buffer::new(signatures.add(at).read_unaligned(), signature_lengths.add(at))? };
        if buffer.room() == crate::output::Room::Ask {
            return Err(bad("a signature has nowhere to go"));
        }
        buffers.push(buffer);
    }
    let session = SessionHandle(session);
    let signed = library.sign_masked(session, &mechanism, guard, blob, &inputs)?;
    for (buffer, signature) in buffers.iter().zip(signed) {
        buffer.put(&buffer.room().fit(signature))?;
    }
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn extract_masked(
    library: &Library,
    session: CK_SESSION_HANDLE,
    object: CK_ULONG,
    masked: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let out = unsafe { Buffer::new(masked, len)? };
    let (session, object) = (SessionHandle(session), ObjectHandle(object));
    out.put(&library.mask_objects(session, &[object], Guard::default(), false, out.room())?)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn insert_masked(
    library: &Library,
    session: CK_SESSION_HANDLE,
    object: CK_ULONG_PTR,
    masked: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, blob) = unsafe { (Place::new(object, NOWHERE)?, ptr::bytes(masked, len)?) };
    let found = library.unmask_objects(SessionHandle(session), Guard::default(), blob)?;
    let found = found.first().ok_or_else(|| bad("the blob holds no object"))?;
    place.put(found.0);
    Ok(())
}

/// 0 starts, 1 ends, 2 asks whether one is under way (numbers Assumed: only the three deeds are known).
///
/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn roll_over(
    library: &Library,
    session: CK_SESSION_HANDLE,
    deed: CK_ULONG,
) -> Result<()> {
    let deed = match deed {
        0 => Rollover::Start,
        1 => Rollover::End,
        2 => Rollover::Query,
        _ => return Err(bad("a rollover starts (0), ends (1) or is asked after (2)")),
    };
    library.roll_over(SessionHandle(session), deed)
}

/// A mechanism's parameter as a structure.
///
/// # Errors
/// `MechanismParamInvalid` for another length.
///
/// # Safety
/// The parameter is null, or valid for reading its length.
unsafe fn parameter<T: Copy>(mechanism: &CK_MECHANISM) -> Result<T> {
    if usize::try_from(mechanism.ulParameterLen) != Ok(size_of::<T>()) {
        return Err(Error::new(Cause::MechanismParamInvalid, "the parameter has another length"));
    }
    // SAFETY: as long as a `T`, and the caller vouches for it.
    unsafe { ptr::read(mechanism.pParameter.cast_const().cast::<T>(), "the parameter is null") }
        .map_err(|error| error.recast(Cause::ArgumentsBad, Cause::MechanismParamInvalid))
}

fn not_extracting(kind: CK_MECHANISM_TYPE) -> Error {
    Error::new(
        Cause::MechanismInvalid,
        format!("{} does not extract or insert objects here", names::ckm(kind)),
    )
}

fn host_only(storage: CK_ULONG) -> Result<()> {
    if storage == LUNA_MASKING_STORAGE_HOST {
        return Ok(());
    }
    Err(Error::new(Cause::PedUnplugged, "only the host's memory is there to store blobs in"))
}

/// # Safety
/// Pointers as the exported function wants them, those in the mechanism's parameter included.
pub(in crate::abi) unsafe fn extract(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let mechanism = unsafe { ptr::read(mechanism.cast_const(), "the mechanism is null")? };
    let session = SessionHandle(session);
    match mechanism.mechanism {
        // SAFETY: passed on.
        CKM_CPV4_EXTRACT => unsafe { extract_by_route(library, session, parameter(&mechanism)?) },
        CKM_AES_CBC_PAD_EXTRACT | CKM_AES_CBC_PAD_EXTRACT_DOMAIN_CTRL => {
            // SAFETY: passed on.
            let params: CK_AES_CBC_PAD_EXTRACT_PARAMS = unsafe { parameter(&mechanism)? };
            host_only(params.ulStorage)?;
            // SAFETY: passed on.
            let out = unsafe { Buffer::new(params.pBuffer, params.pulBufferLen)? };
            let guard = guard_of(mechanism.mechanism);
            let (objects, delete) =
                ([ObjectHandle(params.ulHandle)], params.ulDeleteAfterExtract != 0);
            out.put(&library.mask_objects(session, &objects, guard, delete, out.room())?)
        }
        kind => Err(not_extracting(kind)),
    }
}

/// The domain controls who reads what is extracted by the forms that say so (Assumed from the names).
fn guard_of(kind: CK_MECHANISM_TYPE) -> Guard {
    let portable =
        matches!(kind, CKM_AES_CBC_PAD_EXTRACT_DOMAIN_CTRL | CKM_AES_CBC_PAD_INSERT_DOMAIN_CTRL);
    let form = if portable { CKA_SIM_PORTABLE_NO_AUTHORIZATION } else { CKA_SIM_NO_AUTHORIZATION };
    Guard { form, ..Guard::default() }
}

/// # Safety
/// Pointers as the exported function wants them, those in the mechanism's parameter included.
pub(in crate::abi) unsafe fn insert(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let mechanism = unsafe { ptr::read(mechanism.cast_const(), "the mechanism is null")? };
    let session = SessionHandle(session);
    match mechanism.mechanism {
        // SAFETY: passed on.
        CKM_CPV4_INSERT => unsafe { insert_by_route(library, session, parameter(&mechanism)?) },
        CKM_AES_CBC_PAD_INSERT | CKM_AES_CBC_PAD_INSERT_DOMAIN_CTRL => {
            // SAFETY: passed on.
            let params: CK_AES_CBC_PAD_INSERT_PARAMS = unsafe { parameter(&mechanism)? };
            host_only(params.ulStorage)?;
            // SAFETY: passed on.
            let (kind, handle, blob) = unsafe {
                (
                    Place::new(params.pulType, NOWHERE)?,
                    Place::new(params.pulHandle, NOWHERE)?,
                    ptr::bytes(params.pBuffer, params.ulBufferLen)?,
                )
            };
            let guard = guard_of(mechanism.mechanism);
            let found = library.unmask_objects(session, guard, blob)?;
            let found = found.first().ok_or_else(|| bad("the blob holds no object"))?;
            kind.put(CK_CRYPTOKI_ELEMENT);
            handle.put(found.0);
            Ok(())
        }
        kind => Err(not_extracting(kind)),
    }
}

/// Each object has its outcome; without the flag to go on, those after a failure are not attempted.
///
/// # Safety
/// The pointers in the structure are null, or valid for as many objects as it says.
unsafe fn extract_by_route(
    library: &Library,
    session: SessionHandle,
    params: CK_CPV4_EXTRACT_PARAMS,
) -> Result<()> {
    let count = params.numberOfObjects;
    // SAFETY: passed on.
    let (route, types, handles) = unsafe {
        (
            route(params.sessionOuid, params.sessionOuidLen)?,
            numbers(params.objectType, count, OBJECTS_MAX)?,
            numbers(params.objectHandle, count, OBJECTS_MAX)?,
        )
    };
    if count == 0 || [params.result, params.keyBlobLen].iter().any(|it| it.is_null()) {
        return Err(bad("objects, and places for their blobs and results, are wanted"));
    }
    let mut outcomes = Outcomes::new(params.extractionFlags);
    for (at, (kind, handle)) in types.into_iter().zip(handles).enumerate() {
        let send = |out: &Buffer| {
            let blob = library.send_object(session, route, kind, ObjectHandle(handle))?;
            out.put(&out.room().fit(blob))
        };
        // SAFETY: the caller vouches for as many of each; a missing list asks for sizes alone.
        let (out, place) = unsafe {
            let blob = if params.keyBlob.is_null() {
                std::ptr::null_mut()
            } else {
                params.keyBlob.add(at).read_unaligned()
            };
            (
                Buffer::new(blob, params.keyBlobLen.add(at))?,
                Place::new(params.result.add(at), NOWHERE)?,
            )
        };
        place.put(outcomes.of(|| send(&out)));
    }
    Ok(())
}

/// # Safety
/// As [`extract_by_route`].
unsafe fn insert_by_route(
    library: &Library,
    session: SessionHandle,
    params: CK_CPV4_INSERT_PARAMS,
) -> Result<()> {
    let count = params.numberOfObjects;
    // SAFETY: passed on.
    let (route, types, storage, blobs) = unsafe {
        (
            route(params.sessionOuid, params.sessionOuidLen)?,
            numbers(params.objectType, count, OBJECTS_MAX)?,
            numbers(params.storageType, count, OBJECTS_MAX)?,
            pieces(params.keyBlob, params.keyBlobLen, count, OBJECTS_MAX)?,
        )
    };
    if count == 0 || params.result.is_null() || params.objectHandle.is_null() {
        return Err(bad("blobs, and places for their handles and results, are wanted"));
    }
    let mut outcomes = Outcomes::new(params.insertionFlags);
    for (at, ((kind, storage), blob)) in types.into_iter().zip(storage).zip(blobs).enumerate() {
        // SAFETY: the caller vouches for as many of each.
        let (handle, place) = unsafe {
            (
                Place::new(params.objectHandle.add(at), NOWHERE)?,
                Place::new(params.result.add(at), NOWHERE)?,
            )
        };
        place.put(outcomes.of(|| {
            let found = receive(library, session, route, (kind, storage), blob)?;
            handle.put(found.0);
            Ok(())
        }));
    }
    Ok(())
}

fn receive(
    library: &Library,
    session: SessionHandle,
    route: Route,
    (kind, storage): (CK_ULONG, CK_ULONG),
    blob: &[u8],
) -> Result<ObjectHandle> {
    if kind != CK_CRYPTOKI_ELEMENT {
        return Err(Error::new(Cause::ObjectTypeInvalid, "only Cryptoki objects are inserted so"));
    }
    library.receive_object(session, route, blob, storage == LUNA_STORAGE_RAM)
}

/// What became of one object after the other.
struct Outcomes {
    goes_on: bool,
    failed: bool,
}

impl Outcomes {
    fn new(flags: CK_FLAGS) -> Self {
        Self { goes_on: flags & CKF_CPV4_CONTINUE_ON_ERR != 0, failed: false }
    }

    fn of(&mut self, attempt: impl FnOnce() -> Result<()>) -> CK_RV {
        if self.failed && !self.goes_on {
            return Cause::CloneNotAttempted.ck_rv();
        }
        match attempt() {
            Ok(()) => CKR_OK,
            Err(error) => {
                self.failed = true;
                error.ck_rv()
            }
        }
    }
}
