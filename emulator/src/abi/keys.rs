//! Making, wrapping, unwrapping and deriving keys.

use crate::abi::params::{self, Results};
use crate::abi::ptr::{self, Buffer, Place};
use crate::abi::template;
use crate::ck::*;
use crate::error::Result;
use crate::library::Library;
use crate::mechanisms::pbe;
use crate::output::Room;

const NO_PLACE: &str = "nowhere to put the key's handle";

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn generate(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, read, template) = unsafe {
        (Place::new(key, NO_PLACE)?, params::read(mechanism)?, template::read(template, count)?)
    };
    // Made before the key is, so that nothing fails after it.
    let iv = pbe::iv(&read)?;
    let made = library.generate_key(SessionHandle(session), &read, &template)?;
    if let Some(iv) = iv {
        // SAFETY: passed on; the registry gave a vector, so the parameter is that of a PBE.
        unsafe { params::give_iv(mechanism, &iv)? };
    }
    place.put(made.0);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the standard's")]
pub(super) unsafe fn generate_pair(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    public: CK_ATTRIBUTE_PTR,
    public_count: CK_ULONG,
    private: CK_ATTRIBUTE_PTR,
    private_count: CK_ULONG,
    public_key: CK_OBJECT_HANDLE_PTR,
    private_key: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (public_place, private_place) =
        unsafe { (Place::new(public_key, NO_PLACE)?, Place::new(private_key, NO_PLACE)?) };
    // SAFETY: passed on.
    let (mechanism, public, private) = unsafe {
        (
            params::read(mechanism)?,
            template::read(public, public_count)?,
            template::read(private, private_count)?,
        )
    };
    let (public, private) =
        library.generate_key_pair(SessionHandle(session), &mechanism, &public, &private)?;
    public_place.put(public.0);
    private_place.put(private.0);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn wrap(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    wrapping: CK_OBJECT_HANDLE,
    key: CK_OBJECT_HANDLE,
    wrapped: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, mechanism) = unsafe { (Buffer::new(wrapped, len)?, params::read(mechanism)?) };
    out.put(&library.wrap_key(
        SessionHandle(session),
        &mechanism,
        ObjectHandle(wrapping),
        ObjectHandle(key),
        out.room(),
    )?)
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the standard's")]
pub(super) unsafe fn unwrap(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    unwrapping: CK_OBJECT_HANDLE,
    wrapped: CK_BYTE_PTR,
    len: CK_ULONG,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, mechanism) = unsafe { (Place::new(key, NO_PLACE)?, params::read(mechanism)?) };
    // SAFETY: passed on.
    let (wrapped, template) =
        unsafe { (ptr::bytes(wrapped, len)?, template::read(template, count)?) };
    let key = library.unwrap_key(
        SessionHandle(session),
        &mechanism,
        ObjectHandle(unwrapping),
        wrapped,
        &template,
    )?;
    place.put(key.0);
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
pub(super) unsafe fn derive(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    base: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (read, results, template) = unsafe {
        (
            params::read(mechanism)?,
            Results::places(mechanism, key, NO_PLACE)?,
            template::read(template, count)?,
        )
    };
    let made = library.derive_key(SessionHandle(session), &read, ObjectHandle(base), &template);
    let (keys, told) = made.inspect_err(|error| results.failed(error, &read.params))?;
    results.put(&keys, &told)
}

/// Without a buffer, or with one too short, only the length is told and no key is made; nowhere to put
/// the key's handle is no error then.
///
/// Source: `ThalesGroup/luna-samples:C_Samples/pqc/CKM_ML_KEM_Encapsulate_Decapsulate_demo.c`
/// (Documented: the order of the arguments); PKCS#11 v3.2, `C_EncapsulateKey`, for the rest (Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's")]
pub(super) unsafe fn encapsulate(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    public: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    ciphertext: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
    key: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (out, mechanism, template) = unsafe {
        (Buffer::new(ciphertext, len)?, params::read(mechanism)?, template::read(template, count)?)
    };
    let place = match out.room() {
        Room::Ask => None,
        // SAFETY: passed on.
        Room::Bytes(_) => Some(unsafe { Place::new(key, NO_PLACE)? }),
    };
    let (output, made) = library.encapsulate_key(
        SessionHandle(session),
        &mechanism,
        ObjectHandle(public),
        &template,
        out.room(),
    )?;
    out.put(&output)?;
    if let (Some(place), Some(made)) = (place, made) {
        place.put(made.0);
    }
    Ok(())
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's")]
pub(super) unsafe fn decapsulate(
    library: &Library,
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    private: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    ciphertext: CK_BYTE_PTR,
    len: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, mechanism) = unsafe { (Place::new(key, NO_PLACE)?, params::read(mechanism)?) };
    // SAFETY: passed on.
    let (ciphertext, template) =
        unsafe { (ptr::bytes(ciphertext, len)?, template::read(template, count)?) };
    let made = library.decapsulate_key(
        SessionHandle(session),
        &mechanism,
        ObjectHandle(private),
        ciphertext,
        &template,
    )?;
    place.put(made.0);
    Ok(())
}
