//! What a slot and its token say of themselves.

use super::{Library, MechanismInfo, SlotInfo, TokenInfo, TokenStorage};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::config::ProtectedPath;
use crate::mechanisms::current;
use crate::profile::Authentication;
use crate::wire::PolicyState;

impl Library {
    /// `C_GetSlotList`.
    ///
    /// # Errors
    /// `CryptokiNotInitialized`.
    pub fn slots(&self, token_present: bool) -> Result<Vec<SlotId>> {
        Ok(self.running()?.slots(token_present))
    }

    /// `C_GetSlotInfo`. Flags and versions as the vendor's sample shows them (Observed there).
    ///
    /// # Errors
    /// `SlotIdInvalid`.
    pub fn slot_info(&self, slot: SlotId) -> Result<SlotInfo> {
        let client = self.running()?;
        let strings = &self.profile.strings;
        let [major, minor, _] = self.profile.versions.firmware;
        let present = if client.slot(slot)?.is_present() { CKF_TOKEN_PRESENT } else { 0 };
        let flags = &self.profile.flags;
        Ok(if client.is_group(slot)? {
            SlotInfo {
                description: strings.group_slot_description.clone(),
                manufacturer: strings.slot_manufacturer.clone(),
                flags: present | flags.group_slot.0,
                hardware_version: (0, 0),
                firmware_version: (major, minor),
            }
        } else {
            let usb = client.is_usb(slot)?;
            let is_admin = client.slot(slot)?.is_admin;
            let description = match (usb, is_admin) {
                (true, _) => &strings.usb_slot_description,
                (false, true) => &strings.admin_slot_description,
                (false, false) => &strings.slot_description,
            };
            SlotInfo {
                description: description.clone(),
                manufacturer: strings.slot_manufacturer.clone(),
                flags: present | flags.slot.0,
                hardware_version: (0, 0),
                firmware_version: (0, 0),
            }
        })
    }

    /// `C_GetTokenInfo`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn token_info(&self, slot: SlotId) -> Result<TokenInfo> {
        let client = self.running()?;
        let it = client.describe(slot)?;
        let version = |part: u64| u8::try_from(part).unwrap_or(u8::MAX);
        let model = if client.is_group(slot)? {
            self.profile.strings.group_model.clone()
        } else {
            it.model
        };
        Ok(TokenInfo {
            label: it.label,
            manufacturer: it.manufacturer,
            model,
            serial: it.serial,
            flags: self.protected_path(it.flags),
            max_session_count: it.max_sessions,
            session_count: it.sessions.0,
            max_rw_session_count: it.max_sessions,
            rw_session_count: it.sessions.1,
            max_pin_len: it.pin_len.1,
            min_pin_len: it.pin_len.0,
            total_public_memory: it.memory.0,
            free_public_memory: it.memory.1,
            total_private_memory: it.memory.0,
            free_private_memory: it.memory.1,
            hardware_version: (0, 0),
            firmware_version: (version(it.firmware.0), version(it.firmware.1)),
        })
    }

    /// Token flags with the one that tells of a PED as HSM and configuration have it.
    fn protected_path(&self, flags: CK_FLAGS) -> CK_FLAGS {
        let ped = self.profile.features.authentication == Authentication::Ped;
        let set = match self.client.presentation().protected_path {
            ProtectedPath::ByToken => ped || flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0,
            ProtectedPath::Always => true,
            ProtectedPath::Never => false,
        };
        let others = flags & !CKF_PROTECTED_AUTHENTICATION_PATH;
        others | if set { CKF_PROTECTED_AUTHENTICATION_PATH } else { 0 }
    }

    /// `C_GetMechanismList`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn mechanisms(&self, slot: SlotId) -> Result<Vec<CK_MECHANISM_TYPE>> {
        Ok(self.describe(slot)?.mechanisms.into_iter().map(|(kind, ..)| kind).collect())
    }

    /// `C_GetMechanismInfo`.
    ///
    /// # Errors
    /// `MechanismInvalid` for one the token does not list.
    pub fn mechanism_info(&self, slot: SlotId, kind: CK_MECHANISM_TYPE) -> Result<MechanismInfo> {
        let kind = current(kind);
        self.describe(slot)?
            .mechanisms
            .into_iter()
            .find(|(known, ..)| *known == kind)
            .map(|(_, min_key_size, max_key_size, flags)| MechanismInfo {
                min_key_size,
                max_key_size,
                flags,
            })
            .ok_or_else(|| {
                Error::new(
                    Cause::MechanismInvalid,
                    format!("the token does not list {}", names::ckm(kind)),
                )
            })
    }

    /// `CA_GetFirmwareVersion`: major, minor, sub-minor.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn firmware_version(&self, slot: SlotId) -> Result<(CK_ULONG, CK_ULONG, CK_ULONG)> {
        Ok(self.describe(slot)?.firmware)
    }

    /// `CA_GetCVFirmwareVersion`: major, minor, sub-minor of a cloud HSM's own firmware.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`; the profile's `function_absent` where the HSM is none of the
    /// cloud (Assumed).
    pub fn cryptovisor_version(&self, slot: SlotId) -> Result<(CK_ULONG, CK_ULONG, CK_ULONG)> {
        match self.describe(slot)?.cryptovisor {
            (0, 0, 0) => {
                Err(self.profile.codes.function_absent.error("the HSM is no Luna Cloud HSM"))
            }
            version => Ok(version),
        }
    }

    /// `CA_GetTokenPolicies`: number and value.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn token_policies(&self, slot: SlotId) -> Result<Vec<(CK_ULONG, CK_ULONG)>> {
        Ok(self.describe(slot)?.policies.iter().map(|it| (it.id, it.value)).collect())
    }

    /// `CA_GetTokenCapabilities`: number and value.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn token_capabilities(&self, slot: SlotId) -> Result<Vec<(CK_ULONG, CK_ULONG)>> {
        Ok(self.describe(slot)?.policies.iter().map(|it| (it.id, it.capability)).collect())
    }

    /// `CA_GetConfigurationElementDescription` of a partition policy or its capability.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`; `ArgumentsBad` for one that does not show (Assumed).
    pub fn policy_description(&self, slot: SlotId, id: CK_ULONG) -> Result<PolicyState> {
        let policies = self.describe(slot)?.policies;
        policies.into_iter().find(|it| it.id == id).ok_or_else(|| {
            Error::new(Cause::ArgumentsBad, format!("the partition shows no policy {id}"))
        })
    }

    /// `CA_GetTokenStorageInformation`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn token_storage(&self, slot: SlotId) -> Result<TokenStorage> {
        let it = self.describe(slot)?;
        let (total, free) = it.memory;
        Ok(TokenStorage {
            overhead: self.profile.limits.partition_overhead_bytes,
            total,
            used: total.saturating_sub(free),
            free,
            objects: it.objects,
        })
    }
}
