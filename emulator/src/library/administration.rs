//! The HSM's own administration, as the vendor's functions ask for it.

use std::path::Path;

use super::{Library, TokenStorage, password, role};
use crate::ck::*;
use crate::env::disk;
use crate::error::{Cause, Error, Result};
use crate::luna::slots::{Slot, Token};
use crate::wire::{
    Administered, Administration, CONTAINER_OVERHEAD_BYTES, ContainerState, DeviceState,
    HsmStorage, LogConfiguration, LogStatus, Pin, PolicyState, TamperKey, TemplatePolicy,
    UtilizationCount,
};

/// The largest log file that is verified, in bytes. A bound of ours.
const LOG_FILE_BYTES: usize = 1 << 28;

/// The policies of a vector: one bit each.
const VECTOR_BITS: u64 = 32;

/// Where HSM or partition stands in a function's arguments: they come in pairs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose {
    /// The HSM's, from the admin slot.
    Hsm,
    /// The policies of a container.
    Container(CK_ULONG),
}

/// A policy vector: bits of the first 32 policies, and of the next.
type Vector = (CK_ULONG, CK_ULONG);

fn strange() -> Error {
    Error::new(Cause::GeneralError, "a reply does not fit its request")
}

/// The answer of one kind, out of the many there are.
macro_rules! told {
    ($asked:expr, $kind:ident) => {
        match $asked? {
            Administered::$kind(it) => Ok(it),
            _ => Err(strange()),
        }
    };
}

impl Library {
    fn ask(&self, slot: SlotId, what: &Administration) -> Result<Administered> {
        self.running()?.administer_slot(slot, what)
    }

    fn ask_in(&self, session: SessionHandle, what: &Administration) -> Result<Administered> {
        self.running()?.administer(session, what)
    }

    /// One command in a session that tells nothing but that it was done.
    ///
    /// # Errors
    /// Those of the command.
    pub fn command(&self, session: SessionHandle, what: &Administration) -> Result<()> {
        self.ask_in(session, what).map(drop)
    }

    /// One command from a slot that tells nothing but that it was done.
    ///
    /// # Errors
    /// Those of the command.
    pub fn slot_command(&self, slot: SlotId, what: &Administration) -> Result<()> {
        self.ask(slot, what).map(drop)
    }

    /// The HSM's policies, or a container's.
    ///
    /// # Errors
    /// `FunctionNotSupported` for the HSM's from a partition, `ContainerHandleInvalid`.
    pub fn policies_of(&self, slot: SlotId, whose: Whose) -> Result<Vec<PolicyState>> {
        match whose {
            Whose::Hsm => told!(self.ask(slot, &Administration::HsmPolicies), Policies),
            Whose::Container(number) => {
                told!(self.ask(slot, &Administration::ContainerPolicies(number)), Policies)
            }
        }
    }

    /// One policy of those.
    ///
    /// # Errors
    /// As [`Library::policies_of`]; `PolicyIdInvalid` for one that does not show.
    pub fn policy_of(&self, slot: SlotId, whose: Whose, id: CK_ULONG) -> Result<PolicyState> {
        let mut all = self.policies_of(slot, whose)?.into_iter();
        all.find(|policy| policy.id == id).ok_or_else(|| {
            Error::new(Cause::PolicyIdInvalid, format!("there is no policy {id} here"))
        })
    }

    /// `CA_GetContainerList`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn containers(&self, slot: SlotId) -> Result<Vec<CK_ULONG>> {
        told!(self.ask(slot, &Administration::Containers), Numbers)
    }

    /// `CA_GetUserContainerNumber`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn own_container(&self, slot: SlotId) -> Result<CK_ULONG> {
        told!(self.ask(slot, &Administration::OwnContainer), Number)
    }

    /// Whether a slot shows that container. A group's slot has none of its own, and takes any number.
    ///
    /// # Errors
    /// `ContainerHandleInvalid` for another (code Assumed); those of [`Library::own_container`].
    pub fn need_own_container(&self, slot: SlotId, number: CK_ULONG) -> Result<()> {
        match self.own_container(slot) {
            Ok(own) if own != number => Err(Error::new(
                Cause::ContainerHandleInvalid,
                format!("the slot shows container {own}, not {number}"),
            )),
            Err(error) if error.cause() == Cause::FunctionNotSupported => Ok(()),
            other => other.map(drop),
        }
    }

    /// What a container is.
    ///
    /// # Errors
    /// `ContainerHandleInvalid`.
    pub fn container(&self, slot: SlotId, number: CK_ULONG) -> Result<ContainerState> {
        told!(self.ask(slot, &Administration::Container(number)), Container)
    }

    /// `CA_GetContainerStorageInformation`.
    ///
    /// # Errors
    /// `ContainerHandleInvalid`.
    pub fn container_storage(&self, slot: SlotId, number: CK_ULONG) -> Result<TokenStorage> {
        let it = self.container(slot, number)?;
        let (total, used) = it.bytes;
        Ok(TokenStorage {
            overhead: CONTAINER_OVERHEAD_BYTES,
            total,
            used,
            free: total.saturating_sub(used),
            objects: it.objects,
        })
    }

    /// `CA_GetHSMStorageInformation`.
    ///
    /// # Errors
    /// `FunctionNotSupported` from a partition.
    pub fn hsm_storage(&self, slot: SlotId) -> Result<HsmStorage> {
        told!(self.ask(slot, &Administration::Storage), Storage)
    }

    /// What the HSM is.
    ///
    /// # Errors
    /// `FunctionNotSupported` from a partition.
    pub fn device(&self, slot: SlotId) -> Result<DeviceState> {
        told!(self.ask(slot, &Administration::Device), Device)
    }

    /// `CA_CreateContainer` and `CA_CreateContainerWithPolicy`: the number.
    ///
    /// # Errors
    /// Those of the HSM SO's right, of licence and room, of label and template.
    pub fn create_container(
        &self,
        session: SessionHandle,
        label: &[u8],
        pin: Option<&[u8]>,
        bytes: CK_ULONG,
        template: Vec<TemplatePolicy>,
    ) -> Result<CK_ULONG> {
        let what = Administration::CreateContainer {
            label: text(label)?,
            pin: pin.filter(|pin| !pin.is_empty()).map(Pin::new),
            domain: self.running()?.cloning_domain(),
            bytes,
            template,
        };
        told!(self.ask_in(session, &what), Number)
    }

    /// `CA_SetUserContainerName`, by whoever is logged in on the slot.
    ///
    /// # Errors
    /// `UserNotLoggedIn`, `ArgumentsBad` for what is no name.
    pub fn rename_container(&self, slot: SlotId, name: &[u8]) -> Result<()> {
        let what = Administration::Relabel(text(name)?);
        self.running()?.administer_in_any(slot, &what).map(drop)
    }

    /// `CA_InitSlotRolePIN`: on the session's own slot as [`Library::init_role_pin`], on another by
    /// the HSM SO.
    ///
    /// # Errors
    /// `UserTypeInvalid`, `UserNotAuthorized`, `PinLenRange`.
    pub fn init_slot_role_pin(
        &self,
        session: SessionHandle,
        slot: SlotId,
        user: CK_USER_TYPE,
        pin: Option<&[u8]>,
    ) -> Result<()> {
        if self.running()?.slot_of(session)?.id == slot {
            return self.init_role_pin(session, user, pin);
        }
        self.same_hsm(session, slot)?;
        let number = self.own_container(slot)?;
        let what = Administration::InitContainerRole(number, role(user)?, password(pin));
        self.command(session, &what)
    }

    /// A slot that is to be administered from a session of another: of the same HSM.
    fn same_hsm(&self, session: SessionHandle, slot: SlotId) -> Result<()> {
        let own = self.running()?.slot_of(session)?.id;
        if self.hsm_serial(own)? == self.hsm_serial(slot)? {
            return Ok(());
        }
        Err(Error::new(Cause::SlotIdInvalid, "the slot belongs to another HSM"))
    }

    fn hsm_serial(&self, slot: SlotId) -> Result<Vec<u8>> {
        told!(self.ask(slot, &Administration::HsmSerial), Bytes)
    }

    /// `CA_InitToken`: with a domain of its own, and policies to start with.
    ///
    /// # Errors
    /// As [`Library::init_token`], and those of the policies.
    pub fn init_token_with(
        &self,
        slot: SlotId,
        pin: Option<&[u8]>,
        label: &[u8],
        domain: &[u8],
        (policies, hsm_policies): (Vec<TemplatePolicy>, Vec<TemplatePolicy>),
    ) -> Result<()> {
        let domain = match domain {
            [] => self.running()?.cloning_domain(),
            given if given.len() <= 128 => Some(Pin::new(given)),
            _ => {
                return Err(Error::new(Cause::ArgumentsBad, "a cloning domain has 1 to 128 bytes"));
            }
        };
        let (pin, label) = (password(pin), text(label)?);
        let what = Administration::InitToken { pin, label, domain, policies, hsm_policies };
        self.slot_command(slot, &what)
    }

    /// `CA_GetPartitionPolicyTemplate`.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn policy_template(&self, slot: SlotId) -> Result<Vec<TemplatePolicy>> {
        told!(self.ask(slot, &Administration::PolicyTemplate), Template)
    }

    /// `CA_FindAdminSlotForSlot`: the admin slot of the slot's HSM.
    ///
    /// # Errors
    /// `SlotIdInvalid` where no admin slot is shown (code Assumed).
    pub fn admin_slot_for(&self, slot: SlotId) -> Result<SlotId> {
        let serial = self.hsm_serial(slot)?;
        let client = self.running()?;
        let mut admins = client.all_slots().iter().filter(|slot| slot.is_admin);
        admins
            .find(|admin| self.hsm_serial(admin.id).is_ok_and(|own| own == serial))
            .map(|admin| admin.id)
            .ok_or_else(|| {
                Error::new(Cause::SlotIdInvalid, "the configuration shows no admin slot")
            })
    }

    /// `CA_GetSlotIdForContainer`: the slot of a container of the same HSM as a slot's.
    ///
    /// # Errors
    /// `ContainerHandleInvalid`.
    pub fn slot_for_container(&self, slot: SlotId, number: CK_ULONG) -> Result<SlotId> {
        let serial = self.hsm_serial(slot)?;
        let client = self.running()?;
        let holds = |it: &&std::sync::Arc<Slot>| {
            matches!(it.token, Token::Partition(_))
                && self.hsm_serial(it.id).is_ok_and(|own| own == serial)
                && self.own_container(it.id).is_ok_and(|own| own == number)
        };
        client.all_slots().iter().find(holds).map(|slot| slot.id).ok_or_else(|| {
            Error::new(Cause::ContainerHandleInvalid, format!("no slot shows container {number}"))
        })
    }

    /// `CA_GetPrimarySlot` (0) and `CA_GetSecondarySlot` (1): the slots of the members that serve an
    /// HA session. A session on a partition is its own primary.
    ///
    /// # Errors
    /// `FunctionNotSupported` for the second of a partition; `SlotIdInvalid` where the member has no
    /// slot of its own, as with `HAOnly`; `DeviceError` where there is no such member (codes
    /// Assumed).
    pub fn member_slot(&self, session: SessionHandle, which: usize) -> Result<SlotId> {
        let client = self.running()?;
        let own = client.slot_of(session)?;
        let Token::Group(group) = &own.token else {
            return match which {
                0 => Ok(own.id),
                _ => Err(Error::new(Cause::FunctionNotSupported, "the session has no second slot")),
            };
        };
        let state = group.state();
        let mut up = state.iter().filter(|(_, status)| *status == CKR_OK);
        let (serial, _) = up
            .nth(which)
            .ok_or_else(|| Error::new(Cause::DeviceError, "the group has no such member up"))?;
        let mut slots = client.all_slots().iter();
        let shown = slots
            .find(|slot| matches!(&slot.token, Token::Partition(link) if link.serial() == serial));
        shown.map(|slot| slot.id).ok_or_else(|| {
            Error::new(Cause::SlotIdInvalid, format!("member {serial} has no slot of its own"))
        })
    }

    /// `CA_GetTokenStatus`: flags of the token sessions, those that write. That the flags
    /// are those of `C_GetTokenInfo`: Assumed.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn token_status(&self, slot: SlotId) -> Result<[CK_ULONG; 3]> {
        let info = self.token_info(slot)?;
        Ok([info.flags, info.session_count, info.rw_session_count])
    }

    /// `CA_GetTPV`, `CA_GetFPV` and their extension: policies, or what bounds them, of the HSM on an
    /// admin slot and of the partition on another; one bit for each that is on.
    ///
    /// # Errors
    /// `SlotIdInvalid`, `TokenNotPresent`.
    pub fn policy_vector(&self, slot: SlotId, fixed: bool) -> Result<Vector> {
        let (mut low, mut high) = (0, 0);
        for policy in self.vector_policies(slot)? {
            let on = if fixed { policy.capability } else { policy.value } != 0;
            let (word, bit) = match policy.id.checked_sub(VECTOR_BITS) {
                None => (&mut low, policy.id),
                Some(bit) => (&mut high, bit),
            };
            if on && bit < VECTOR_BITS {
                *word |= 1 << bit;
            }
        }
        Ok((low, high))
    }

    fn vector_policies(&self, slot: SlotId) -> Result<Vec<PolicyState>> {
        let whose = match self.running()?.slot(slot)?.is_admin {
            true => Whose::Hsm,
            false => Whose::Container(self.own_container(slot)?),
        };
        self.policies_of(slot, whose)
    }

    /// `CA_SetTPV` and `CA_SetExtendedTPV`: switches policies on and off; numbers stay.
    ///
    /// # Errors
    /// Those of the policies.
    pub fn set_policy_vector(
        &self,
        session: SessionHandle,
        low: CK_ULONG,
        high: Option<CK_ULONG>,
    ) -> Result<()> {
        let slot = self.running()?.slot_of(session)?;
        let mut changes = Vec::new();
        for policy in self.vector_policies(slot.id)?.iter().filter(|it| !it.fixed) {
            let wanted = match (policy.id.checked_sub(VECTOR_BITS), high) {
                (None, _) => low >> policy.id & 1,
                (Some(bit), Some(high)) if bit < VECTOR_BITS => high >> bit & 1,
                _ => continue,
            };
            if policy.capability == 1 && wanted != policy.value {
                changes.push((policy.id, wanted));
            }
        }
        if slot.is_admin {
            let what = Administration::SetHsmPolicies { changes, destructive: false };
            return self.command(session, &what);
        }
        self.running()?.set_token_policies(session, slot.id, &changes)
    }

    /// `CA_Restart`: what this application has open on a slot is closed.
    ///
    /// # Errors
    /// `SlotIdInvalid`.
    pub fn restart(&self, slot: SlotId) -> Result<()> {
        self.close_all_sessions(slot)
    }

    /// `CA_MTKSetStorage` and its kin, from a slot.
    ///
    /// # Errors
    /// `MtkZeroized`, `FunctionNotSupported` from a partition.
    pub fn change_tamper_key(&self, slot: SlotId, change: TamperKey) -> Result<()> {
        self.slot_command(slot, &Administration::MasterTamperKey(change))
    }

    /// `CA_STMToggle`: the verification string.
    ///
    /// # Errors
    /// Those of the HSM SO's right; `ConfigIllegal` for an HSM that is there already.
    pub fn change_transport(
        &self,
        session: SessionHandle,
        enter: bool,
        user: &[u8],
    ) -> Result<Vec<u8>> {
        let what = Administration::Transport { enter, user: user.to_vec() };
        told!(self.ask_in(session, &what), Bytes)
    }

    /// `CA_CreateLoginChallenge`, and on another slot `CA_CreateContainerLoginChallenge`.
    ///
    /// # Errors
    /// `FunctionNotSupported` on a password HSM, those of the right.
    pub fn create_challenge(
        &self,
        session: SessionHandle,
        slot: Option<SlotId>,
        user: CK_USER_TYPE,
        chosen: &[u8],
    ) -> Result<Vec<u8>> {
        let own = self.running()?.slot_of(session)?.id;
        let container = match slot.filter(|slot| *slot != own) {
            Some(slot) => Some(self.own_container(slot)?),
            None => None,
        };
        let challenge = (!chosen.is_empty()).then(|| Pin::new(chosen));
        let what = Administration::CreateChallenge { container, role: role(user)?, challenge };
        told!(self.ask_in(session, &what), Bytes)
    }

    /// `CA_Deactivate`.
    ///
    /// # Errors
    /// `FunctionNotSupported` on a password HSM, `UserTypeInvalid`.
    pub fn deactivate(&self, slot: SlotId, user: CK_USER_TYPE) -> Result<()> {
        self.slot_command(slot, &Administration::Deactivate(role(user)?))
    }

    /// Whether the HSM of a slot has a PED.
    ///
    /// # Errors
    /// `FunctionNotSupported` where it has none (Assumed).
    pub fn need_ped(&self, slot: SlotId) -> Result<()> {
        if self.token_info(slot)?.flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0 {
            return Ok(());
        }
        Err(Error::new(Cause::FunctionNotSupported, "the HSM has no PED, near or remote"))
    }

    /// Remote PED servers: there is none to be had.
    ///
    /// # Errors
    /// Always: `PedClientNotRunning`, or that of [`Library::need_ped`].
    pub fn remote_ped(&self, slot: SlotId) -> Result<()> {
        self.need_ped(slot)?;
        Err(Error::new(Cause::PedClientNotRunning, "no remote PED server answers"))
    }

    /// `CA_SetPedId`: the local PED is number 0.
    ///
    /// # Errors
    /// As [`Library::remote_ped`] for another number.
    pub fn set_ped_id(&self, slot: SlotId, id: CK_ULONG) -> Result<()> {
        if id == 0 { self.need_ped(slot) } else { self.remote_ped(slot) }
    }

    /// `CA_GetTime`, in seconds since 1970.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub fn hsm_time(&self, session: SessionHandle) -> Result<CK_ULONG> {
        told!(self.ask_in(session, &Administration::Time), Number)
    }

    /// `CA_ReadAllUtilizationCounters`.
    ///
    /// # Errors
    /// `InvalidUtilizationMetrics` while HSM policy 49 is off.
    pub fn utilization(&self, session: SessionHandle) -> Result<Vec<UtilizationCount>> {
        told!(self.ask_in(session, &Administration::Utilization), Utilization)
    }

    /// `CA_InitAudit`.
    ///
    /// # Errors
    /// `UserNotAuthorized` where there is an Auditor, `PinLenRange`.
    pub fn init_audit(&self, slot: SlotId, pin: Option<&[u8]>) -> Result<()> {
        let domain = self.running()?.cloning_domain();
        self.slot_command(slot, &Administration::InitAudit { pin: password(pin), domain })
    }

    /// `CA_LogGetConfig`.
    ///
    /// # Errors
    /// `LogAuditNotInitialized`.
    pub fn log_configuration(&self, session: SessionHandle) -> Result<LogConfiguration> {
        told!(self.ask_in(session, &Administration::LogConfiguration), LogConfiguration)
    }

    /// `CA_LogGetStatus`.
    ///
    /// # Errors
    /// `FunctionNotSupported` from a partition.
    pub fn log_status(&self, slot: SlotId) -> Result<LogStatus> {
        told!(self.ask(slot, &Administration::LogStatus), LogStatus)
    }

    /// `CA_LogVerify`: how many lines there are.
    ///
    /// # Errors
    /// `LogBadRecordHmac`.
    pub fn verify_log(
        &self,
        session: SessionHandle,
        lines: &[u8],
        chained: bool,
    ) -> Result<CK_ULONG> {
        let what = Administration::VerifyLog { lines: lines.to_vec(), chained };
        told!(self.ask_in(session, &what), Number)
    }

    /// `CA_LogVerifyFile`.
    ///
    /// # Errors
    /// `LogBadFileName`, `LogFileNotOpen`, and as [`Library::verify_log`].
    pub fn verify_log_file(&self, session: SessionHandle, path: &[u8]) -> Result<CK_ULONG> {
        let path = std::str::from_utf8(path)
            .map_err(|_| Error::new(Cause::LogBadFileName, "the name of the file is no text"))?;
        let lines = disk::read_bytes(Path::new(path), LOG_FILE_BYTES)
            .map_err(|error| Error::new(Cause::LogFileNotOpen, error.to_string()))?;
        self.verify_log(session, &lines, true)
    }

    /// `CA_LogExportSecret`.
    ///
    /// # Errors
    /// `LogAuditNotInitialized`.
    pub fn export_log_secret(&self, session: SessionHandle) -> Result<Vec<u8>> {
        told!(self.ask_in(session, &Administration::ExportLogSecret), Bytes)
    }
}

/// A label or a name of the caller's.
fn text(bytes: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::new(Cause::ArgumentsBad, "a label is UTF-8 text"))?;
    Ok(text.trim_end_matches([' ', '\0']).to_owned())
}
