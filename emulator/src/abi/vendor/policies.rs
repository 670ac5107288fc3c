//! Policies and capabilities: the HSM's, a container's, as sets, one by one and as vectors.
//!
//! Source: signatures from `ThalesGroup/pycryptoki:pycryptoki/cryptoki/func_defs.py` and the list of
//! calls of the fact pack (Documented); what an argument means where neither says: Assumed, as
//! marked.

use super::numbers::put_all;
use super::{NOWHERE, POLICIES_MAX, put_pairs};
use crate::abi::ptr::{Buffer, List, Place};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::library::{Library, Whose};
use crate::wire::{Administration, PolicyState, TemplatePolicy};

/// The version of a policy template (Assumed: the vendor's own form is not published).
pub(super) const TEMPLATE_VERSION: CK_ULONG = 1;

/// # Safety
/// The lists are null, or valid for `count` numbers.
unsafe fn changes(
    count: CK_ULONG,
    ids: CK_ULONG_PTR,
    values: CK_ULONG_PTR,
) -> Result<Vec<(CK_ULONG, CK_ULONG)>> {
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
    Ok(changes)
}

/// # Safety
/// The list is null, or valid for `count` entries.
pub(super) unsafe fn template(
    count: CK_ULONG,
    at: *const CK_POLICY_INFO,
) -> Result<Vec<TemplatePolicy>> {
    if count > POLICIES_MAX || (count > 0 && at.is_null()) {
        return Err(Error::new(Cause::ArgumentsBad, "no such list of policies"));
    }
    let mut cell = at;
    let mut policies = Vec::new();
    for _ in 0..count {
        // SAFETY: the caller vouches for `count` entries; they may be unaligned.
        let entry = unsafe { cell.read_unaligned() };
        policies.push(TemplatePolicy {
            id: entry.ulId,
            value: entry.ulValue,
            off_to_on_destructive: entry.ulOffToOnDestructive != 0,
            on_to_off_destructive: entry.ulOnToOffDestructive != 0,
        });
        cell = cell.wrapping_add(1);
    }
    Ok(policies)
}

fn capability(policy: &PolicyState) -> CK_ULONG {
    policy.capability
}

fn value(policy: &PolicyState) -> CK_ULONG {
    policy.value
}

/// A whole set: numbers and what `of` says of each; a capability that no policy follows is no
/// policy.
fn pairs(
    all: &[PolicyState],
    of: fn(&PolicyState) -> CK_ULONG,
    policies: bool,
) -> Vec<(CK_ULONG, CK_ULONG)> {
    all.iter().filter(|it| !policies || !it.fixed).map(|it| (it.id, of(it))).collect()
}

macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident, $of:ident, $policies:literal;)+) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Pointers as the exported function wants them.
        pub(in crate::abi) unsafe fn $name(
            library: &Library,
            slot: CK_SLOT_ID,
            ids: CK_ULONG_PTR,
            id_count: CK_ULONG_PTR,
            values: CK_ULONG_PTR,
            value_count: CK_ULONG_PTR,
        ) -> Result<()> {
            // SAFETY: passed on.
            let ids = unsafe { List::new(ids, id_count)? };
            // SAFETY: passed on.
            let values = unsafe { List::new(values, value_count)? };
            let all = library.policies_of(SlotId(slot), Whose::Hsm)?;
            put_pairs(&ids, &values, &pairs(&all, $of, $policies))
        }
    )+};
}

sets! {
    /// Every capability of the HSM.
    hsm_capability_set, capability, false;
    /// Every policy of the HSM.
    hsm_policy_set, value, true;
}

macro_rules! container_sets {
    ($($(#[$doc:meta])* $name:ident, $of:ident, $policies:literal;)+) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Pointers as the exported function wants them.
        pub(in crate::abi) unsafe fn $name(
            library: &Library,
            slot: CK_SLOT_ID,
            container: CK_ULONG,
            ids: CK_ULONG_PTR,
            id_count: CK_ULONG_PTR,
            values: CK_ULONG_PTR,
            value_count: CK_ULONG_PTR,
        ) -> Result<()> {
            // SAFETY: passed on.
            let ids = unsafe { List::new(ids, id_count)? };
            // SAFETY: passed on.
            let values = unsafe { List::new(values, value_count)? };
            let all = library.policies_of(SlotId(slot), Whose::Container(container))?;
            put_pairs(&ids, &values, &pairs(&all, $of, $policies))
        }
    )+};
}

container_sets! {
    /// Every capability of a container.
    container_capability_set, capability, false;
    /// Every policy of a container.
    container_policy_set, value, true;
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn hsm_capability(
    library: &Library,
    slot: CK_SLOT_ID,
    id: CK_ULONG,
    cell: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([cell], || Ok([library.policy_of(SlotId(slot), Whose::Hsm, id)?.capability])) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn hsm_policy(
    library: &Library,
    slot: CK_SLOT_ID,
    id: CK_ULONG,
    cell: CK_ULONG_PTR,
) -> Result<()> {
    let policy = || {
        let policy = library.policy_of(SlotId(slot), Whose::Hsm, id)?;
        if policy.fixed {
            return Err(Error::new(
                Cause::PolicyIdInvalid,
                format!("HSM capability {id} is no policy"),
            ));
        }
        Ok([policy.value])
    };
    // SAFETY: passed on.
    unsafe { put_all([cell], policy) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn container_capability(
    library: &Library,
    slot: CK_SLOT_ID,
    container: CK_ULONG,
    id: CK_ULONG,
    cell: CK_ULONG_PTR,
) -> Result<()> {
    let whose = Whose::Container(container);
    // SAFETY: passed on.
    unsafe { put_all([cell], || Ok([library.policy_of(SlotId(slot), whose, id)?.capability])) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn container_policy(
    library: &Library,
    slot: CK_SLOT_ID,
    container: CK_ULONG,
    id: CK_ULONG,
    cell: CK_ULONG_PTR,
) -> Result<()> {
    let whose = Whose::Container(container);
    // SAFETY: passed on.
    unsafe { put_all([cell], || Ok([library.policy_of(SlotId(slot), whose, id)?.value])) }
}

fn set_hsm(
    library: &Library,
    session: CK_SESSION_HANDLE,
    changes: Vec<(CK_ULONG, CK_ULONG)>,
    destructive: bool,
) -> Result<()> {
    let what = Administration::SetHsmPolicies { changes, destructive };
    library.command(SessionHandle(session), &what)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn set_hsm_policy(
    library: &Library,
    session: CK_SESSION_HANDLE,
    id: CK_ULONG,
    value: CK_ULONG,
) -> Result<()> {
    set_hsm(library, session, vec![(id, value)], false)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn set_destructive_hsm_policy(
    library: &Library,
    session: CK_SESSION_HANDLE,
    id: CK_ULONG,
    value: CK_ULONG,
) -> Result<()> {
    set_hsm(library, session, vec![(id, value)], true)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_hsm_policies(
    library: &Library,
    session: CK_SESSION_HANDLE,
    count: CK_ULONG,
    ids: CK_ULONG_PTR,
    values: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    set_hsm(library, session, unsafe { changes(count, ids, values)? }, false)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_destructive_hsm_policies(
    library: &Library,
    session: CK_SESSION_HANDLE,
    count: CK_ULONG,
    ids: CK_ULONG_PTR,
    values: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    set_hsm(library, session, unsafe { changes(count, ids, values)? }, true)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn set_container_policy(
    library: &Library,
    session: CK_SESSION_HANDLE,
    container: CK_ULONG,
    id: CK_ULONG,
    value: CK_ULONG,
) -> Result<()> {
    let what = Administration::SetContainerPolicies(container, vec![(id, value)]);
    library.command(SessionHandle(session), &what)
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn set_container_policies(
    library: &Library,
    session: CK_SESSION_HANDLE,
    container: CK_ULONG,
    count: CK_ULONG,
    ids: CK_ULONG_PTR,
    values: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let changes = unsafe { changes(count, ids, values)? };
    let what = Administration::SetContainerPolicies(container, changes);
    library.command(SessionHandle(session), &what)
}

/// A policy vector, its extension beside it where there is a place for it.
///
/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn policy_vector(
    library: &Library,
    slot: CK_SLOT_ID,
    vector: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([vector], || Ok([library.policy_vector(SlotId(slot), false)?.0])) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn fixed_policy_vector(
    library: &Library,
    slot: CK_SLOT_ID,
    vector: CK_ULONG_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { put_all([vector], || Ok([library.policy_vector(SlotId(slot), true)?.0])) }
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn extended_policy_vector(
    library: &Library,
    slot: CK_SLOT_ID,
    vector: CK_ULONG_PTR,
    extension: CK_ULONG_PTR,
) -> Result<()> {
    let read = || library.policy_vector(SlotId(slot), false).map(<[CK_ULONG; 2]>::from);
    // SAFETY: passed on.
    unsafe { put_all([vector, extension], read) }
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn set_policy_vector(
    library: &Library,
    session: CK_SESSION_HANDLE,
    vector: CK_ULONG,
) -> Result<()> {
    library.set_policy_vector(SessionHandle(session), vector, None)
}

/// # Safety
/// None of its own.
pub(in crate::abi) unsafe fn set_extended_policy_vector(
    library: &Library,
    session: CK_SESSION_HANDLE,
    vector: CK_ULONG,
    extension: CK_ULONG,
) -> Result<()> {
    library.set_policy_vector(SessionHandle(session), vector, Some(extension))
}

/// # Safety
/// Pointers as the exported function wants them.
pub(in crate::abi) unsafe fn partition_policy_template(
    library: &Library,
    slot: CK_SLOT_ID,
    version: CK_ULONG_PTR,
    len: CK_ULONG_PTR,
    bytes: CK_BYTE_PTR,
) -> Result<()> {
    // SAFETY: passed on.
    let (place, buffer) = unsafe { (Place::new(version, NOWHERE)?, Buffer::new(bytes, len)?) };
    let mut blob = Vec::new();
    for policy in library.policy_template(SlotId(slot))? {
        for word in [
            policy.id,
            policy.value,
            CK_ULONG::from(policy.off_to_on_destructive),
            CK_ULONG::from(policy.on_to_off_destructive),
        ] {
            blob.extend(word.to_ne_bytes());
        }
    }
    place.put(TEMPLATE_VERSION);
    buffer.put(&buffer.room().fit(blob))
}
