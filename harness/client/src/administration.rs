//! What an administrator's tools ask for: the vendor's functions about roles, applications and the whole HSM.
//!
//! A module without one of them answers [`Error::Missing`](crate::Error::Missing).

use luna_ck::CK_ULONG;

use crate::{
    Context, ElementDescription, ObjectHandle, Pin, PolicyValue, Result, Session, SlotId, UserType,
};

/// What `CA_GetHSMStorageInformation` tells, in bytes; meanings Assumed from the names of the vendor's
/// published bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HsmStorage {
    /// Bytes the HSM itself takes.
    pub overhead: CK_ULONG,
    /// Bytes in all.
    pub total: CK_ULONG,
    /// Bytes taken by partitions.
    pub used: CK_ULONG,
    /// Bytes left.
    pub free: CK_ULONG,
}

/// Of slots and of the application.
impl Context {
    /// `CA_Restart`: closes everything this application has on the slot.
    pub fn restart(&self, slot: SlotId) -> Result<()> {
        self.library().restart(slot.0)
    }

    /// `CA_SetApplicationID`: of the sessions opened from now on.
    pub fn set_application_id(&self, major: CK_ULONG, minor: CK_ULONG) -> Result<()> {
        self.library().set_application_id(major, minor)
    }

    /// `CA_OpenApplicationID`: its logins outlive its processes.
    pub fn open_application_id(
        &self,
        slot: SlotId,
        major: CK_ULONG,
        minor: CK_ULONG,
    ) -> Result<()> {
        self.library().open_application_id(slot.0, major, minor)
    }

    /// `CA_CloseApplicationID`.
    pub fn close_application_id(
        &self,
        slot: SlotId,
        major: CK_ULONG,
        minor: CK_ULONG,
    ) -> Result<()> {
        self.library().close_application_id(slot.0, major, minor)
    }

    /// `CA_GetApplicationID`: the 16 bytes of firmware 7.7 and later.
    pub fn application_id(&self) -> Result<[u8; 16]> {
        self.library().application_id()
    }

    /// `CA_SetUserContainerName`: another label for the slot's partition.
    pub fn set_container_name(&self, slot: SlotId, label: &str) -> Result<()> {
        self.library().set_container_name(slot.0, label.as_bytes())
    }

    /// `CA_Deactivate`: drops the kept login of a role on a PED partition.
    pub fn deactivate(&self, slot: SlotId, role: UserType) -> Result<()> {
        self.library().deactivate(slot.0, role.0)
    }

    /// `CA_FactoryReset` without flags.
    pub fn factory_reset(&self, slot: SlotId) -> Result<()> {
        self.library().factory_reset(slot.0)
    }

    /// `CA_GetHSMStorageInformation`.
    pub fn hsm_storage(&self, slot: SlotId) -> Result<HsmStorage> {
        let [overhead, total, used, free] = self.library().hsm_storage(slot.0)?;
        Ok(HsmStorage { overhead, total, used, free })
    }

    /// `CA_GetHSMCapabilitySet`.
    pub fn hsm_capabilities(&self, slot: SlotId) -> Result<Vec<PolicyValue>> {
        Ok(values(self.library().hsm_capabilities(slot.0)?))
    }

    /// `CA_GetHSMPolicySet`.
    pub fn hsm_policies(&self, slot: SlotId) -> Result<Vec<PolicyValue>> {
        Ok(values(self.library().hsm_policies(slot.0)?))
    }

    /// `CA_GetConfigurationElementDescription` of a policy of the whole HSM, or of a capability.
    pub fn hsm_element_description(
        &self,
        slot: SlotId,
        capability: bool,
        id: CK_ULONG,
    ) -> Result<ElementDescription> {
        self.element_description_of(slot, false, capability, id)
    }

    /// `CA_HAGetMasterPublic`: the certificate that recovery logins to this token are made for.
    pub fn ha_master_public(&self, slot: SlotId) -> Result<Vec<u8>> {
        self.library().ha_master_public(slot.0)
    }
}

/// Of sessions.
impl Session {
    /// `CA_CreateLoginChallenge`: the secret the HSM made for a role of a PED partition.
    pub fn create_login_challenge(&self, role: UserType) -> Result<Pin> {
        self.library().create_login_challenge(self.handle().0, role.0).map(Pin::new)
    }

    /// `CA_SetHSMPolicies`, or with `destructive` `CA_SetDestructiveHSMPolicies`.
    pub fn set_hsm_policies(&self, policies: &[PolicyValue], destructive: bool) -> Result<()> {
        let pairs: Vec<_> = policies.iter().map(|policy| (policy.id, policy.value)).collect();
        self.library().set_hsm_policies(self.handle().0, &pairs, destructive)
    }

    /// `CA_HAInit`: the key that answers recovery logins.
    pub fn ha_init(&self, key: ObjectHandle) -> Result<()> {
        self.library().ha_init(self.handle().0, key.0)
    }

    /// `CA_HAGetLoginChallenge`, on the token that is to be logged in to.
    pub fn ha_login_challenge(&self, role: UserType, certificate: &[u8]) -> Result<Vec<u8>> {
        self.library().ha_login_challenge(self.handle().0, role.0, certificate)
    }

    /// `CA_HAAnswerLoginChallenge`, on the token that is logged in already.
    pub fn ha_answer_challenge(&self, key: ObjectHandle, challenge: &[u8]) -> Result<Vec<u8>> {
        self.library().ha_answer_challenge(self.handle().0, key.0, challenge)
    }

    /// `CA_HALogin`: the role of the challenge is logged in. What is given back belongs to M of N.
    pub fn ha_login(&self, answer: &[u8]) -> Result<Vec<u8>> {
        self.library().ha_login(self.handle().0, answer)
    }
}

fn values(pairs: Vec<(CK_ULONG, CK_ULONG)>) -> Vec<PolicyValue> {
    pairs.into_iter().map(|(id, value)| PolicyValue { id, value }).collect()
}
