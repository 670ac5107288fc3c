//! The vendor's functions that have a safe form, one method each.

use luna_ck::*;

use super::Library;
use super::calls::answer;
use super::marshal::{Laid, Template, input, ulong};
use crate::{Attribute, Error, Mechanism, Result};

/// Room for the text of a policy; the longest known is under 100 bytes.
const TEXT_ROOM: usize = 512;

/// Entries a policy list may have before it is not believed.
const MOST_POLICIES: usize = 4096;

macro_rules! call {
    ($library:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $library.vendor.$name {
            Some(function) => {
                super::watch::called(stringify!($name));
                // SAFETY: the type is that of the vendor's published bindings; each pointer is made here from a
                // value that outlives the call and is as large as the function fills.
                let rv = unsafe { function($(super::watch::argument($argument)),*) };
                super::watch::returned(rv);
                answer(stringify!($name), rv)
            }
            None => Err(Error::Missing { function: stringify!($name) }),
        }
    };
}

fn blank_status() -> CK_HA_STATUS {
    let member = CK_HA_MEMBER { memberSerial: [0; 20], memberStatus: 0 };
    CK_HA_STATUS {
        groupSerial: [0; 20],
        memberList: [member; CK_HA_MAX_MEMBERS],
        listSize: ulong(CK_HA_MAX_MEMBERS),
    }
}

impl Library {
    pub(crate) fn ha_state(&self, slot: CK_SLOT_ID) -> Result<CK_HA_STATUS> {
        let mut state = blank_status();
        call!(self, CA_GetHAState(slot, &raw mut state))?;
        Ok(state)
    }

    pub(crate) fn current_ha_state(&self, slot: CK_SLOT_ID) -> Result<CK_HA_STATUS> {
        let mut state = blank_status();
        call!(self, CA_GetCurrentHAState(slot, &raw mut state))?;
        Ok(state)
    }

    pub(crate) fn firmware_version(&self, slot: CK_SLOT_ID) -> Result<[CK_ULONG; 3]> {
        let (mut major, mut minor, mut sub) = (0, 0, 0);
        call!(self, CA_GetFirmwareVersion(slot, &raw mut major, &raw mut minor, &raw mut sub))?;
        Ok([major, minor, sub])
    }

    pub(crate) fn cryptovisor_version(&self, slot: CK_SLOT_ID) -> Result<[CK_ULONG; 3]> {
        let (mut major, mut minor, mut sub) = (0, 0, 0);
        call!(self, CA_GetCVFirmwareVersion(slot, &raw mut major, &raw mut minor, &raw mut sub))?;
        Ok([major, minor, sub])
    }

    pub(crate) fn token_capabilities(&self, slot: CK_SLOT_ID) -> Result<Vec<(CK_ULONG, CK_ULONG)>> {
        let (mut n_ids, mut n_values) = (0, 0);
        let null = std::ptr::null_mut;
        let name = "CA_GetTokenCapabilities";
        call!(
            self,
            CA_GetTokenCapabilities(slot, null(), &raw mut n_ids, null(), &raw mut n_values)
        )?;
        let (mut ids, mut values) = (room(name, n_ids)?, room(name, n_values)?);
        call!(
            self,
            CA_GetTokenCapabilities(
                slot,
                ids.as_mut_ptr(),
                &raw mut n_ids,
                values.as_mut_ptr(),
                &raw mut n_values,
            )
        )?;
        pairs(name, ids, n_ids, values, n_values)
    }

    pub(crate) fn token_policies(&self, slot: CK_SLOT_ID) -> Result<Vec<(CK_ULONG, CK_ULONG)>> {
        let (mut n_ids, mut n_values) = (0, 0);
        let null = std::ptr::null_mut;
        let name = "CA_GetTokenPolicies";
        call!(self, CA_GetTokenPolicies(slot, null(), &raw mut n_ids, null(), &raw mut n_values))?;
        let (mut ids, mut values) = (room(name, n_ids)?, room(name, n_values)?);
        call!(
            self,
            CA_GetTokenPolicies(
                slot,
                ids.as_mut_ptr(),
                &raw mut n_ids,
                values.as_mut_ptr(),
                &raw mut n_values,
            )
        )?;
        pairs(name, ids, n_ids, values, n_values)
    }

    pub(crate) fn set_token_policies(
        &self,
        session: CK_SESSION_HANDLE,
        slot: CK_SLOT_ID,
        policies: &[(CK_ULONG, CK_ULONG)],
    ) -> Result<()> {
        let (mut ids, mut values): (Vec<_>, Vec<_>) = policies.iter().copied().unzip();
        let count = ulong(policies.len());
        call!(
            self,
            CA_SetTokenPolicies(session, slot, count, ids.as_mut_ptr(), values.as_mut_ptr())
        )
    }

    /// Bits, destructive, restricted, text.
    pub(crate) fn element_description(
        &self,
        slot: CK_SLOT_ID,
        container: bool,
        capability: bool,
        id: CK_ULONG,
    ) -> Result<([CK_ULONG; 3], Vec<u8>)> {
        let (mut bits, mut destructive, mut restricted) = (0, 0, 0);
        let mut text = vec![0; TEXT_ROOM];
        let mut len = ulong(text.len());
        call!(
            self,
            CA_GetConfigurationElementDescription(
                slot,
                CK_ULONG::from(container),
                CK_ULONG::from(capability),
                id,
                &raw mut bits,
                &raw mut destructive,
                &raw mut restricted,
                text.as_mut_ptr(),
                &raw mut len,
            )
        )?;
        text.truncate(usize::try_from(len).unwrap_or(TEXT_ROOM));
        Ok(([bits, destructive, restricted], text))
    }

    pub(crate) fn hsm_policy(&self, slot: CK_SLOT_ID, id: CK_ULONG) -> Result<CK_ULONG> {
        let mut value = 0;
        call!(self, CA_GetHSMPolicySetting(slot, id, &raw mut value))?;
        Ok(value)
    }

    pub(crate) fn role_state(&self, slot: CK_SLOT_ID, role: CK_USER_TYPE) -> Result<CA_ROLE_STATE> {
        let mut state = CA_ROLE_STATE::default();
        call!(self, CA_RoleStateGet(slot, role, &raw mut state))?;
        Ok(state)
    }

    pub(crate) fn init_role_pin(
        &self,
        session: CK_SESSION_HANDLE,
        role: CK_USER_TYPE,
        pin: &[u8],
    ) -> Result<()> {
        call!(self, CA_InitRolePIN(session, role, pin.as_ptr().cast_mut(), ulong(pin.len())))
    }

    pub(crate) fn reset_pin(&self, session: CK_SESSION_HANDLE, pin: &[u8]) -> Result<()> {
        call!(self, CA_ResetPIN(session, pin.as_ptr().cast_mut(), ulong(pin.len())))
    }

    /// Flags; failed logins of SO, user and limited user.
    pub(crate) fn container_status(
        &self,
        slot: CK_SLOT_ID,
        container: CK_ULONG,
    ) -> Result<[CK_ULONG; 4]> {
        let (mut flags, mut so, mut user, mut limited) = (0, 0, 0, 0);
        call!(
            self,
            CA_GetContainerStatus(
                slot,
                container,
                &raw mut flags,
                &raw mut so,
                &raw mut user,
                &raw mut limited,
            )
        )?;
        Ok([flags, so, user, limited])
    }

    pub(crate) fn token_object_uid(
        &self,
        slot: CK_SLOT_ID,
        handle: CK_OBJECT_HANDLE,
    ) -> Result<[u8; 12]> {
        let mut uid = [0; 12];
        call!(self, CA_GetTokenObjectUID(slot, 0, handle, uid.as_mut_ptr()))?;
        Ok(uid)
    }

    /// Overhead, total, used, free, objects.
    pub(crate) fn token_storage(&self, slot: CK_SLOT_ID) -> Result<[CK_ULONG; 5]> {
        let (mut overhead, mut total, mut used, mut free, mut objects) = (0, 0, 0, 0, 0);
        call!(
            self,
            CA_GetTokenStorageInformation(
                slot,
                &raw mut overhead,
                &raw mut total,
                &raw mut used,
                &raw mut free,
                &raw mut objects,
            )
        )?;
        Ok([overhead, total, used, free, objects])
    }

    pub(crate) fn set_cloning_domain(&self, domain: &[u8]) -> Result<()> {
        call!(self, CA_SetCloningDomain(domain.as_ptr().cast_mut(), ulong(domain.len())))
    }

    /// The object's type, and its handle.
    pub(crate) fn token_object_handle(
        &self,
        slot: CK_SLOT_ID,
        mut uid: [u8; 12],
    ) -> Result<(CK_ULONG, CK_OBJECT_HANDLE)> {
        let (mut kind, mut handle) = (0, 0);
        let uid = uid.as_mut_ptr();
        call!(self, CA_GetTokenObjectHandle(slot, uid, &raw mut kind, &raw mut handle))?;
        Ok((kind, handle))
    }

    pub(crate) fn check_operation_state(
        &self,
        session: CK_SESSION_HANDLE,
        operation: CK_ULONG,
    ) -> Result<bool> {
        let mut active = 0;
        call!(self, CA_CheckOperationState(session, operation, &raw mut active))?;
        Ok(active != 0)
    }

    pub(crate) fn modify_usage_count(
        &self,
        session: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
        command: CK_ULONG,
        value: CK_ULONG,
    ) -> Result<()> {
        call!(self, CA_ModifyUsageCount(session, key, command, value))
    }

    /// Asks for the length first: no key is made by that.
    pub(crate) fn encapsulate(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        public: CK_OBJECT_HANDLE,
        template: &[Attribute],
    ) -> Result<(Vec<u8>, CK_OBJECT_HANDLE)> {
        let mut mechanism = Laid::of("CA_EncapsulateKey", mechanism)?;
        let mut template = Template::of("CA_EncapsulateKey", template)?;
        let (mut key, mut len, count) = (0, 0, template.count());
        let mut ciphertext = Vec::new();
        for out in [false, true] {
            ciphertext.resize(usize::try_from(len).unwrap_or(0), 0);
            let at: *mut CK_BYTE = if out { ciphertext.as_mut_ptr() } else { std::ptr::null_mut() };
            call!(
                self,
                CA_EncapsulateKey(
                    session,
                    mechanism.pointer(),
                    public,
                    template.pointer(),
                    count,
                    at,
                    &raw mut len,
                    &raw mut key
                )
            )?;
        }
        ciphertext.truncate(usize::try_from(len).unwrap_or(0));
        Ok((ciphertext, key))
    }

    pub(crate) fn decapsulate(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        private: CK_OBJECT_HANDLE,
        template: &[Attribute],
        ciphertext: &[u8],
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut mechanism = Laid::of("CA_DecapsulateKey", mechanism)?;
        let mut template = Template::of("CA_DecapsulateKey", template)?;
        let (mut key, count) = (0, template.count());
        call!(
            self,
            CA_DecapsulateKey(
                session,
                mechanism.pointer(),
                private,
                template.pointer(),
                count,
                input(ciphertext),
                ulong(ciphertext.len()),
                &raw mut key
            )
        )?;
        Ok(key)
    }

    pub(crate) fn clone_object(
        &self,
        source: CK_SESSION_HANDLE,
        target: CK_SESSION_HANDLE,
        handle: CK_OBJECT_HANDLE,
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut clone = 0;
        // The target comes first in the vendor's header.
        call!(self, CA_CloneObject(target, source, 0, handle, &raw mut clone))?;
        Ok(clone)
    }
}

fn room(function: &'static str, count: CK_ULONG) -> Result<Vec<CK_ULONG>> {
    let what = "with a count no partition has";
    let count = usize::try_from(count).ok().filter(|count| *count <= MOST_POLICIES);
    Ok(vec![0; count.ok_or(Error::Malformed { function, what })?.max(1)])
}

fn pairs(
    function: &'static str,
    mut ids: Vec<CK_ULONG>,
    n_ids: CK_ULONG,
    mut values: Vec<CK_ULONG>,
    n_values: CK_ULONG,
) -> Result<Vec<(CK_ULONG, CK_ULONG)>> {
    if n_ids != n_values || n_ids > ulong(ids.len()) || n_values > ulong(values.len()) {
        return Err(Error::Malformed { function, what: "numbers and values that do not match" });
    }
    let count = usize::try_from(n_ids).unwrap_or(0);
    ids.truncate(count);
    values.truncate(count);
    Ok(ids.into_iter().zip(values).collect())
}
