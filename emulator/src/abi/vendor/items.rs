//! What a token tells of itself by number: `CA_Get`, certificates, the fixed policy vector.
//!
//! Source: `LUNA_GT_` and `CKHSC_CERT_TYPE_` numbers of the vendor's header (Documented); how an item lies in
//! the buffer is not published: texts without an end, numbers of 8 bytes one after the other (Assumed).

use crate::abi::ptr::{self, Buffer};
use crate::abi::template;
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;

fn numbers(all: &[CK_ULONG]) -> Vec<u8> {
    all.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn item(
    library: &Library,
    slot: CK_SLOT_ID,
    item: CK_ULONG,
    buffer: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let out = unsafe { Buffer::new(buffer, len)? };
    let slot = SlotId(slot);
    let token = library.token_info(slot)?;
    let value = match item {
        LUNA_GT_LABEL => token.label.into_bytes(),
        LUNA_GT_MFG => token.manufacturer.into_bytes(),
        LUNA_GT_MODEL => token.model.into_bytes(),
        LUNA_GT_S_N => token.serial.into_bytes(),
        LUNA_GT_FLAGS => numbers(&[token.flags]),
        LUNA_GT_SESSIONS => numbers(&[
            token.max_session_count,
            token.session_count,
            token.max_rw_session_count,
            token.rw_session_count,
        ]),
        LUNA_GT_PIN | LUNA_GT_DEFAULT_MIN_MAX_PIN_LEN => {
            numbers(&[token.min_pin_len, token.max_pin_len])
        }
        LUNA_GT_FLASH => numbers(&[token.total_private_memory, token.free_private_memory]),
        LUNA_GT_FWV => {
            let (major, minor, sub_minor) = library.firmware_version(slot)?;
            numbers(&[major, minor, sub_minor])
        }
        LUNA_GT_FPV => numbers(&[fixed_policies(library, slot)?]),
        LUNA_GT_TWC => library.certificate(slot, CKHSC_CERT_TYPE_TWC)?,
        LUNA_GT_TWC2 => library.certificate(slot, CKHSC_CERT_TYPE_TWC2)?,
        LUNA_GT_TWC3 => library.certificate(slot, CKHSC_CERT_TYPE_TWC3)?,
        LUNA_GT_ROOT_CERT | LUNA_GT_ECC_ROOT_CERT => {
            library.certificate(slot, CKHSC_CERT_TYPE_ECC_ROOT)?
        }
        LUNA_GT_MIC | LUNA_GT_ECC_MIC => library.certificate(slot, CKHSC_CERT_TYPE_ECC_MIC)?,
        LUNA_GT_HOC | LUNA_GT_ECC_HOC | LUNA_GT_HW_ORIGIN_CERT | LUNA_GT_ECC_HW_ORIGIN_CERT => {
            library.certificate(slot, CKHSC_CERT_TYPE_ECC_HOC)?
        }
        LUNA_GT_ECC_TWC => library.certificate(slot, CKHSC_CERT_TYPE_ECC_TWC)?,
        _ => return Err(Error::new(Cause::ArgumentsBad, "the token has no such item to tell")),
    };
    out.put(&out.room().fit(value))
}

/// A bit for each capability below 32 that is there (Assumed).
fn fixed_policies(library: &Library, slot: SlotId) -> Result<CK_ULONG> {
    let there = library.token_capabilities(slot)?.into_iter();
    Ok(there.filter(|(id, _)| *id < 32).fold(0, |vector, (id, _)| vector | (1 << id)))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn certificates(
    library: &Library,
    slot: CK_SLOT_ID,
    kind: CK_ULONG,
    certificate: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let out = unsafe { Buffer::new(certificate, len)? };
    out.put(&out.room().fit(library.certificate(SlotId(slot), kind)?))
}

/// The token wrapping certificate, by the one level that is published.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn certificate_info(
    library: &Library,
    slot: CK_SLOT_ID,
    level: CK_ULONG,
    certificate: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    if level != LEGACY_TWC_ACCESS_LEVEL {
        library.need_slot(SlotId(slot))?;
        return Err(Error::new(Cause::ArgumentsBad, "the access level of the certificate is 1"));
    }
    // SAFETY: passed on.
    unsafe { certificates(library, slot, CKHSC_CERT_TYPE_TWC, certificate, len) }
}

/// The token's keys are made with it, and nobody here has the authority to make others (code Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn generate_keys(
    library: &Library,
    session: CK_SESSION_HANDLE,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { template::read(attributes, count)? };
    library.need_session(SessionHandle(session))?;
    Err(Error::new(Cause::OperationNotAllowed, "the token has its certificate's keys"))
}

/// A template of another key than the token's own is refused so (Documented: pycryptoki's
/// `test_hsm_management.py`), and the token's own key is one that no template describes.
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn set_certificate_signature(
    library: &Library,
    session: CK_SESSION_HANDLE,
    _level: CK_ULONG,
    _customer: CK_ULONG,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    signature: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe {
        template::read(attributes, count)?;
        ptr::bytes(signature, len)?;
    }
    library.need_session(SessionHandle(session))?;
    Err(Error::new(Cause::AttributeValueInvalid, "this is not the token's own public key"))
}
