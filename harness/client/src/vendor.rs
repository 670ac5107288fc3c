//! What the vendor's functions tell, as owned values; and the calls themselves.
//!
//! A module without one of them answers [`Error::Missing`](crate::Error::Missing).

use luna_ck::*;

use crate::{
    Attribute, Context, Mechanism, ObjectHandle, Pin, Result, Rv, Session, SlotId, UserType,
};

/// A member of an HA group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaMember {
    /// Decimal digits.
    pub serial: String,
    /// `CKR_OK` when up, else its fault.
    pub status: Rv,
}

/// What `CA_GetHAState` tells of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaState {
    /// Serial of the group.
    pub serial: String,
    /// In the order of the configuration.
    pub members: Vec<HaMember>,
}

/// A policy's or capability's number and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyValue {
    /// Its number, as in `luna_ck::CONTAINER_CONFIG_…`.
    pub id: CK_ULONG,
    /// 0, 1 or a number.
    pub value: CK_ULONG,
}

/// What a capability or policy is called, and what changing it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementDescription {
    /// Its words, as in `Enable private key cloning`.
    pub text: String,
    /// Bits of its value.
    pub bits: CK_ULONG,
    /// Changing it may wipe the partition.
    pub destructive: bool,
    /// It cannot be written.
    pub write_restricted: bool,
}

/// What `CA_RoleStateGet` tells of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleState {
    /// `CAF_ROLE_STATE_…` bits.
    pub flags: CK_ULONG,
    /// Wrong credentials left before the role is locked.
    pub login_attempts_left: u8,
    /// None 0, password 1, PED 2, invalid 0xff.
    pub primary_auth: u8,
    /// As `primary_auth`.
    pub secondary_auth: u8,
}

/// What `CA_GetContainerStatus` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerStatus {
    /// `LUNA_CF_…` bits.
    pub flags: CK_ULONG,
    /// Failed logins of the Partition SO.
    pub failed_so_logins: CK_ULONG,
    /// Failed logins of the Crypto Officer.
    pub failed_user_logins: CK_ULONG,
    /// Failed logins of the Crypto User.
    pub failed_limited_user_logins: CK_ULONG,
}

/// What `CA_GetTokenStorageInformation` tells, in bytes; the order of the five is that of the vendor's
/// published bindings (Documented), their meaning Assumed from the names there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenStorage {
    /// Bytes the partition itself takes.
    pub overhead: CK_ULONG,
    /// Bytes in all.
    pub total: CK_ULONG,
    /// Bytes taken.
    pub used: CK_ULONG,
    /// Bytes left.
    pub free: CK_ULONG,
    /// Objects, not bytes.
    pub objects: CK_ULONG,
}

fn told(state: &CK_HA_STATUS) -> HaState {
    let count = usize::try_from(state.listSize).unwrap_or(usize::MAX);
    let members = state.memberList.iter().take(count).map(|member| HaMember {
        serial: digits(&member.memberSerial),
        status: Rv(member.memberStatus),
    });
    HaState { serial: digits(&state.groupSerial), members: members.collect() }
}

/// Of slots.
impl Context {
    /// `CA_GetHAState`.
    pub fn ha_state(&self, slot: SlotId) -> Result<HaState> {
        Ok(told(&self.library().ha_state(slot.0)?))
    }

    /// `CA_GetCurrentHAState`: after every member was asked.
    pub fn current_ha_state(&self, slot: SlotId) -> Result<HaState> {
        Ok(told(&self.library().current_ha_state(slot.0)?))
    }

    /// `CA_GetFirmwareVersion`: major, minor, sub-minor.
    pub fn firmware_version(&self, slot: SlotId) -> Result<[CK_ULONG; 3]> {
        self.library().firmware_version(slot.0)
    }

    /// `CA_GetCVFirmwareVersion` of a cloud HSM: major, minor, sub-minor.
    pub fn cryptovisor_version(&self, slot: SlotId) -> Result<[CK_ULONG; 3]> {
        self.library().cryptovisor_version(slot.0)
    }

    /// `CA_GetTokenCapabilities`.
    pub fn token_capabilities(&self, slot: SlotId) -> Result<Vec<PolicyValue>> {
        Ok(values(self.library().token_capabilities(slot.0)?))
    }

    /// `CA_GetTokenPolicies`.
    pub fn token_policies(&self, slot: SlotId) -> Result<Vec<PolicyValue>> {
        Ok(values(self.library().token_policies(slot.0)?))
    }

    /// `CA_GetConfigurationElementDescription` of a partition's policy.
    pub fn policy_description(&self, slot: SlotId, id: CK_ULONG) -> Result<ElementDescription> {
        self.element_description(slot, false, id)
    }

    /// `CA_GetConfigurationElementDescription` of a partition's capability.
    pub fn capability_description(&self, slot: SlotId, id: CK_ULONG) -> Result<ElementDescription> {
        self.element_description(slot, true, id)
    }

    fn element_description(
        &self,
        slot: SlotId,
        capability: bool,
        id: CK_ULONG,
    ) -> Result<ElementDescription> {
        self.element_description_of(slot, true, capability, id)
    }

    pub(crate) fn element_description_of(
        &self,
        slot: SlotId,
        container: bool,
        capability: bool,
        id: CK_ULONG,
    ) -> Result<ElementDescription> {
        let (numbers, text) =
            self.library().element_description(slot.0, container, capability, id)?;
        let [bits, destructive, restricted] = numbers;
        Ok(ElementDescription {
            text: digits(&text),
            bits,
            destructive: destructive != 0,
            write_restricted: restricted != 0,
        })
    }

    /// `CA_GetHSMPolicySetting` of the HSM behind a slot.
    pub fn hsm_policy(&self, slot: SlotId, id: CK_ULONG) -> Result<CK_ULONG> {
        self.library().hsm_policy(slot.0, id)
    }

    /// `CA_RoleStateGet`.
    pub fn role_state(&self, slot: SlotId, role: UserType) -> Result<RoleState> {
        let state = self.library().role_state(slot.0, role.0)?;
        Ok(RoleState {
            flags: CK_ULONG::from(state.flags),
            login_attempts_left: state.loginAttemptsLeft,
            primary_auth: state.primaryAuthMech,
            secondary_auth: state.secondaryAuthMech,
        })
    }

    /// `CA_GetContainerStatus`.
    pub fn container_status(&self, slot: SlotId, container: CK_ULONG) -> Result<ContainerStatus> {
        let [flags, so, user, limited] = self.library().container_status(slot.0, container)?;
        Ok(ContainerStatus {
            flags,
            failed_so_logins: so,
            failed_user_logins: user,
            failed_limited_user_logins: limited,
        })
    }

    /// `CA_GetTokenObjectUID`.
    pub fn token_object_uid(&self, slot: SlotId, object: ObjectHandle) -> Result<[u8; 12]> {
        self.library().token_object_uid(slot.0, object.0)
    }

    /// `CA_GetTokenObjectHandle`, of a Cryptoki object.
    pub fn token_object_handle(&self, slot: SlotId, uid: [u8; 12]) -> Result<ObjectHandle> {
        self.library().token_object_handle(slot.0, uid).map(|(_, handle)| ObjectHandle(handle))
    }

    /// `CA_GetTokenStorageInformation`.
    pub fn token_storage(&self, slot: SlotId) -> Result<TokenStorage> {
        let [overhead, total, used, free, objects] = self.library().token_storage(slot.0)?;
        Ok(TokenStorage { overhead, total, used, free, objects })
    }

    /// `CA_SetCloningDomain`: of the next `init_token`.
    pub fn set_cloning_domain(&self, domain: &Pin) -> Result<()> {
        self.library().set_cloning_domain(domain.expose())
    }
}

/// Of sessions.
impl Session {
    /// `CA_InitRolePIN`.
    pub fn init_role_pin(&self, role: UserType, pin: &Pin) -> Result<()> {
        self.library().init_role_pin(self.handle().0, role.0, pin.expose())
    }

    /// `CA_ResetPIN`: the Partition SO gives the Crypto Officer a new secret.
    pub fn reset_pin(&self, pin: &Pin) -> Result<()> {
        self.library().reset_pin(self.handle().0, pin.expose())
    }

    /// `CA_SetTokenPolicies`, all in one call.
    pub fn set_token_policies(&self, slot: SlotId, policies: &[PolicyValue]) -> Result<()> {
        let pairs: Vec<_> = policies.iter().map(|policy| (policy.id, policy.value)).collect();
        self.library().set_token_policies(self.handle().0, slot.0, &pairs)
    }

    /// `CA_CheckOperationState`: encrypt 0, decrypt 1, sign 2, verify 3, digest 4.
    pub fn is_operation_active(&self, operation: CK_ULONG) -> Result<bool> {
        self.library().check_operation_state(self.handle().0, operation)
    }

    /// `CA_ModifyUsageCount`: command 1 adds `value` to a key's count of uses, 2 sets it.
    pub fn modify_usage_count(
        &self,
        key: ObjectHandle,
        command: CK_ULONG,
        value: CK_ULONG,
    ) -> Result<()> {
        self.library().modify_usage_count(self.handle().0, key.0, command, value)
    }

    /// `CA_EncapsulateKey`: the ciphertext, and the key in it.
    pub fn encapsulate(
        &self,
        mechanism: &Mechanism,
        public: ObjectHandle,
        template: &[Attribute],
    ) -> Result<(Vec<u8>, ObjectHandle)> {
        let made = self.library().encapsulate(self.handle().0, mechanism, public.0, template)?;
        Ok((made.0, ObjectHandle(made.1)))
    }

    /// `CA_DecapsulateKey`.
    pub fn decapsulate(
        &self,
        mechanism: &Mechanism,
        private: ObjectHandle,
        template: &[Attribute],
        ciphertext: &[u8],
    ) -> Result<ObjectHandle> {
        self.library()
            .decapsulate(self.handle().0, mechanism, private.0, template, ciphertext)
            .map(ObjectHandle)
    }

    /// `CA_CloneObject` from this session's token to the other's.
    pub fn clone_object(&self, target: &Session, object: ObjectHandle) -> Result<ObjectHandle> {
        self.library().clone_object(self.handle().0, target.handle().0, object.0).map(ObjectHandle)
    }
}

fn values(pairs: Vec<(CK_ULONG, CK_ULONG)>) -> Vec<PolicyValue> {
    pairs.into_iter().map(|(id, value)| PolicyValue { id, value }).collect()
}

/// Text up to its NUL.
fn digits(field: &[u8]) -> String {
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).trim().to_owned()
}
