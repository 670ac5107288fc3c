//! Containers, the slots they show up in, and roles of other slots.
//!
//! Source: signatures from `ThalesGroup/pycryptoki:pycryptoki/cryptoki/func_defs.py` and the list of
//! calls of the fact pack (Documented); what an argument means where neither says: Assumed, as
//! marked.

use super::numbers::put_all;
use super::policies::{TEMPLATE_VERSION, template};
use crate::abi::ptr::{self, Buffer, List};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::Library;
use crate::wire::Administration;

/// Bytes of an entry of a policy template.
const TEMPLATE_ENTRY: usize = size_of::<CK_POLICY_INFO>();

/// The arguments that a container is made with, as pycryptoki passes them: a kind, the label, a
/// credential, four numbers that say nothing here, the size (Documented there; that the credential
/// is the Partition SO's: Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn create_container(
    library: &Library,
    session: CK_SESSION_HANDLE,
    _kind: CK_ULONG,
    label: CK_CHAR_PTR,
    label_len: CK_ULONG,
    pin: CK_CHAR_PTR,
    pin_len: CK_ULONG,
    _first: CK_ULONG,
    _second: CK_ULONG,
    _third: CK_ULONG,
    _fourth: CK_ULONG,
    bytes: CK_ULONG,
    container: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (label, pin) = unsafe { (ptr::bytes(label, label_len)?, ptr::credential(pin, pin_len)?) };
    let made = || {
        let session = SessionHandle(session);
        Ok([library.create_container(session, label, pin, bytes, Vec::new())?])
    };
    // SAFETY: passed on.
    unsafe { put_all([container], made) }
}

/// As [`create_container`], with a template as `CA_GetPartitionPolicyTemplate` tells one: version,
/// length, bytes.
///
/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn create_container_with_policy(
    library: &Library,
    session: CK_SESSION_HANDLE,
    _kind: CK_ULONG,
    label: CK_CHAR_PTR,
    label_len: CK_ULONG,
    pin: CK_CHAR_PTR,
    pin_len: CK_ULONG,
    _first: CK_ULONG,
    _second: CK_ULONG,
    _third: CK_ULONG,
    _fourth: CK_ULONG,
    bytes: CK_ULONG,
    container: CK_ULONG_PTR,
    version: CK_ULONG,
    template_len: CK_ULONG,
    template_bytes: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (label, pin, blob) = unsafe {
        (
            ptr::bytes(label, label_len)?,
            ptr::credential(pin, pin_len)?,
            ptr::bytes(template_bytes, template_len)?,
        )
    };
    if version != TEMPLATE_VERSION || blob.len() % TEMPLATE_ENTRY != 0 {
        return Err(Error::new(
            Cause::ArgumentsBad,
            format!(
                "a template has version {TEMPLATE_VERSION} and {TEMPLATE_ENTRY} bytes a policy"
            ),
        ));
    }
    let entries = (blob.len() / TEMPLATE_ENTRY) as CK_ULONG;
    // SAFETY: the bytes were found to hold so many entries; they may be unaligned.
    let policies = unsafe { template(entries, blob.as_ptr().cast())? };
    let made = || {
        let session = SessionHandle(session);
        Ok([library.create_container(session, label, pin, bytes, policies)?])
    };
    // SAFETY: passed on.
    unsafe { put_all([container], made) }
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn delete_container(
    library: &Library,
    session: CK_SESSION_HANDLE,
) -> Result<()> {
    library.command(SessionHandle(session), &Administration::DeleteContainer(None))
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn delete_container_with_handle(
    library: &Library,
    session: CK_SESSION_HANDLE,
    container: CK_ULONG,
) -> Result<()> {
    library.command(SessionHandle(session), &Administration::DeleteContainer(Some(container)))
}

/// Group and type of the containers say nothing here: there is one of each (Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn container_list(
    library: &Library,
    slot: CK_SLOT_ID,
    _group: CK_ULONG,
    _kind: CK_ULONG,
    containers: CK_ULONG_PTR,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let list = unsafe { List::new(containers, count)? };
    list.put(&library.containers(SlotId(slot))?)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn container_name(
    library: &Library,
    slot: CK_SLOT_ID,
    container: CK_ULONG,
    name: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let buffer = unsafe { Buffer::new(name, len)? };
    let label = library.container(SlotId(slot), container)?.label;
    buffer.put(&buffer.room().fit(label.into_bytes()))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn own_container(
    library: &Library,
    slot: CK_SLOT_ID,
    container: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([container], || Ok([library.own_container(SlotId(slot))?])) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn own_container_name(
    library: &Library,
    slot: CK_SLOT_ID,
    name: CK_BYTE_PTR,
    len: CK_ULONG_PTR,
) -> Result<()> {
    let container = library.own_container(SlotId(slot))?;
    // SAFETY: passed on.
    unsafe { container_name(library, slot, container, name, len) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_own_container_name(
    library: &Library,
    slot: CK_SLOT_ID,
    name: CK_BYTE_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let name = unsafe { ptr::bytes(name, len)? };
    library.rename_container(SlotId(slot), name)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn container_status(
    library: &Library,
    slot: CK_SLOT_ID,
    container: CK_ULONG,
    flags: CK_ULONG_PTR,
    so: CK_ULONG_PTR,
    user: CK_ULONG_PTR,
    limited: CK_ULONG_PTR,
) -> Result<()> {
    let read = || {
        let it = library.container(SlotId(slot), container)?;
        let [so, user, limited] = it.failed;
        Ok([it.flags, so, user, limited])
    };
    // SAFETY: passed on.
    unsafe { put_all([flags, so, user, limited], read) }
}

/// # Safety
/// Pointers as the exported function wants them.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn container_storage(
    library: &Library,
    slot: CK_SLOT_ID,
    container: CK_ULONG,
    overhead: CK_ULONG_PTR,
    total: CK_ULONG_PTR,
    used: CK_ULONG_PTR,
    free: CK_ULONG_PTR,
    objects: CK_ULONG_PTR,
) -> Result<()> {
    let read = || {
        let it = library.container_storage(SlotId(slot), container)?;
        Ok([it.overhead, it.total, it.used, it.free, it.objects])
    };
    // SAFETY: passed on.
    unsafe { put_all([overhead, total, used, free, objects], read) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn hsm_storage(
    library: &Library,
    slot: CK_SLOT_ID,
    overhead: CK_ULONG_PTR,
    total: CK_ULONG_PTR,
    used: CK_ULONG_PTR,
    free: CK_ULONG_PTR,
) -> Result<()> {
    let read = || {
        let it = library.hsm_storage(SlotId(slot))?;
        let overhead = crate::wire::CONTAINER_OVERHEAD_BYTES;
        Ok([overhead, it.total, it.used, it.total.saturating_sub(it.used)])
    };
    // SAFETY: passed on.
    unsafe { put_all([overhead, total, used, free], read) }
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn set_container_size(
    library: &Library,
    session: CK_SESSION_HANDLE,
    container: CK_ULONG,
    bytes: CK_ULONG,
) -> Result<()> {
    let what = Administration::ResizeContainer(container, bytes);
    library.command(SessionHandle(session), &what)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn allowed_containers(
    library: &Library,
    slot: CK_SLOT_ID,
    count: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([count], || Ok([library.device(SlotId(slot))?.allowed_containers])) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn token_status(
    library: &Library,
    slot: CK_SLOT_ID,
    flags: CK_ULONG_PTR,
    sessions: CK_ULONG_PTR,
    read_write: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([flags, sessions, read_write], || library.token_status(SlotId(slot))) }
}

/// The admin slot, and the slot that asked, as the one before it (Assumed).
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn admin_slot(
    library: &Library,
    slot: CK_SLOT_ID,
    admin: CK_SLOT_ID_PTR,
    previous: CK_SLOT_ID_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([admin, previous], || Ok([library.admin_slot_for(SlotId(slot))?.0, slot])) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn primary_slot(
    library: &Library,
    session: CK_SESSION_HANDLE,
    slot: CK_SLOT_ID_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([slot], || Ok([library.member_slot(SessionHandle(session), 0)?.0])) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn secondary_slot(
    library: &Library,
    session: CK_SESSION_HANDLE,
    slot: CK_SLOT_ID_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([slot], || Ok([library.member_slot(SessionHandle(session), 1)?.0])) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn slot_for_container(
    library: &Library,
    slot: CK_ULONG,
    container: CK_ULONG,
    found: CK_SLOT_ID_PTR,
) -> Result<()> {
    let find = || Ok([library.slot_for_container(SlotId(slot), container)?.0]);
    // SAFETY: passed on.
    unsafe { put_all([found], find) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn init_slot_role_pin(
    library: &Library,
    session: CK_SESSION_HANDLE,
    slot: CK_SLOT_ID,
    user: CK_USER_TYPE,
    pin: CK_CHAR_PTR,
    len: CK_ULONG,
) -> Result<()> {
    // SAFETY: passed on.
    let pin = unsafe { ptr::credential(pin, len)? };
    library.init_slot_role_pin(SessionHandle(session), SlotId(slot), user, pin)
}

/// # Safety
/// Pointers as the exported function wants them; the label has 32 bytes.
#[allow(clippy::too_many_arguments, reason = "the vendor's signature")]
pub(in crate::abi) unsafe fn init_token(
    library: &Library,
    slot: CK_SLOT_ID,
    pin: CK_UTF8CHAR_PTR,
    pin_len: CK_ULONG,
    label: CK_UTF8CHAR_PTR,
    domain: CK_BYTE_PTR,
    domain_len: CK_ULONG,
    count: CK_ULONG,
    policies: *mut CK_POLICY_INFO,
    hsm_count: CK_ULONG,
    hsm_policies: *mut CK_POLICY_INFO,
) -> Result<()> {
    // SAFETY: passed on.
    let (pin, label, domain) = unsafe {
        (ptr::credential(pin, pin_len)?, ptr::bytes(label, 32)?, ptr::bytes(domain, domain_len)?)
    };
    // SAFETY: passed on.
    let templates = unsafe { (template(count, policies)?, template(hsm_count, hsm_policies)?) };
    library.init_token_with(SlotId(slot), pin, label, domain, templates)
}
