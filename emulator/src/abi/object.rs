//! Objects, their attributes, and searches.

use crate::abi::ptr::{List, Place};
use crate::abi::template::{self, Wanted};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn create(
    library: &Library,
    session: CK_SESSION_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    object: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, template) = unsafe {
        (Place::new(object, "nowhere to put the handle")?, template::read(template, count)?)
    };
    place.put(library.create_object(SessionHandle(session), &template)?.0);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn copy(
    library: &Library,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    copy: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, template) = unsafe {
        (Place::new(copy, "nowhere to put the handle")?, template::read(template, count)?)
    };
    let copy = library.copy_object(SessionHandle(session), ObjectHandle(object), &template)?;
    place.put(copy.0);
    Ok(())
}

/// # Safety
/// None of its own.
pub(super) unsafe fn destroy(
    library: &Library,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
) -> Result<()> {
    library.destroy_object(SessionHandle(session), ObjectHandle(object))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn size(
    library: &Library,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    size: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(size, "nowhere to put the size")? };
    place.put(library.object_size(SessionHandle(session), ObjectHandle(object))?);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn attributes(
    library: &Library,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let wanted = unsafe { Wanted::read(template, count)? };
    let kinds = wanted.kinds();
    let answers = library.attributes(SessionHandle(session), ObjectHandle(object), &kinds)?;
    wanted.fill(&answers)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn set_attributes(
    library: &Library,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let template = unsafe { template::read(template, count)? };
    library.set_attributes(SessionHandle(session), ObjectHandle(object), &template)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn find_init(
    library: &Library,
    session: CK_SESSION_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let template = unsafe { template::read(template, count)? };
    library.find_init(SessionHandle(session), &template)
}

/// A maximum longer than any array can be is honoured: only what is found is written.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn find(
    library: &Library,
    session: CK_SESSION_HANDLE,
    objects: CK_OBJECT_HANDLE_PTR,
    most: CK_ULONG,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let place = unsafe { Place::new(count, "nowhere to put the count")? };
    if objects.is_null() && most > 0 {
        return Err(Error::new(Cause::ArgumentsBad, "nowhere to put the handles"));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let found = library.find(SessionHandle(session), most)?;
    let found: Vec<CK_OBJECT_HANDLE> = found.iter().take(most).map(|object| object.0).collect();
    let mut written = found.len() as CK_ULONG;
    // SAFETY: there is room for `most` handles, and no more than that were found; the count is a
    // cell of ours.
    unsafe { List::new(objects, &raw mut written)? }.put(&found)?;
    place.put(written);
    Ok(())
}

/// # Safety
/// None of its own.
pub(super) unsafe fn find_final(library: &Library, session: CK_SESSION_HANDLE) -> Result<()> {
    library.find_final(SessionHandle(session))
}
