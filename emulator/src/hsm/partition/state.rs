//! A partition as of one generation of its store: what it is, allows and offers.

use rustc_hash::FxHashMap;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::facts::{self, HsmFacts, Kind, PartitionFacts};
use crate::hsm::ped::CHALLENGE;
use crate::hsm::policies::{self, Bounds};
use crate::hsm::store::{PartitionRecord, RoleRecord, Store};
use crate::mechanisms::{self, Functions, Offer};
use crate::profile::{Authentication, Codes, Destructive, Policy, Profile};
use crate::wire::PolicyState;

/// HSM policy 12 and partition policy 43: "Allow non-FIPS algorithms" (Documented).
const HSM_POLICY_NON_FIPS: u32 = 12;

const POLICY_NON_FIPS: u32 = 43;

/// HSM policies 7 and 16: objects are cloned, over the network too (Documented).
const HSM_POLICY_CLONING: u32 = 7;

const HSM_POLICY_NETWORK_REPLICATION: u32 = 16;

/// HSM policy 48: a tampered HSM waits for its SO (Documented).
const HSM_POLICY_TAMPER_RECOVERY: u32 = 48;

/// Partition policies 37, Secure Trusted Channel forced, and 41, the version (Documented).
const POLICY_FORCE_STC: u32 = 37;

const POLICY_VERSION: u32 = 41;

/// Partition policy 45: hashes of the caller's are signed in FIPS mode too, by these (Documented;
/// DSA Assumed to be none of them, since its name says ECDSA and RSA).
const POLICY_PREHASH: u32 = 45;

const PREHASH: &[CK_MECHANISM_TYPE] = &[CKM_ECDSA, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS];

/// Partition policy 17: "Allow signing with non-local keys" (number Documented, effect recalled).
pub(in crate::hsm) const POLICY_FOREIGN_SIGNING: u32 = 17;

/// What a partition is, as of one generation of the store.
pub(in crate::hsm) struct State {
    pub(in crate::hsm) record: PartitionRecord,
    pub(super) policies: FxHashMap<u32, u64>,
    pub(super) hsm_policies: FxHashMap<u32, u64>,
    pub(super) offers: Vec<Offer>,
    pub(super) by_kind: FxHashMap<CK_MECHANISM_TYPE, usize>,
    /// By the number of the role.
    pub(super) roles: [Option<RoleRecord>; Role::ALL.len()],
    pub(super) challenges: [Option<RoleRecord>; Role::ALL.len()],
    pub(in crate::hsm) kind: Kind,
    pub(in crate::hsm) hsm: HsmFacts,
    pub(in crate::hsm) facts: PartitionFacts,
    pub(in crate::hsm) authentication: Authentication,
    /// Policy 17: keys that came from outside may sign. Asked at every signature.
    pub(in crate::hsm) foreign_keys_sign: bool,
    /// The codes of refusals that the profile chooses.
    pub(in crate::hsm) codes: Codes,
}

impl State {
    pub(in crate::hsm) fn load(store: &dyn Store, profile: &Profile, serial: &str) -> Result<Self> {
        let record = store.partition(serial)?.ok_or_else(|| {
            Error::new(Cause::TokenNotPresent, format!("the HSM has no partition {serial}"))
        })?;
        Self::of(store, profile, record)
    }

    /// What a partition of that record is, stored or not.
    pub(in crate::hsm) fn of(
        store: &dyn Store,
        profile: &Profile,
        record: PartitionRecord,
    ) -> Result<Self> {
        let own_roles = store.roles(&record.serial)?;
        let hsm_record = store.hsm()?;
        let hsm: HsmFacts = facts::read(&hsm_record.extra)?;
        let facts = hsm.partitions.get(&record.serial).cloned().unwrap_or_default();
        let is_admin = record.serial == hsm_record.serial;
        let kind = if is_admin { Kind::Admin } else { Kind::User };
        let authentication = hsm.authentication.unwrap_or(profile.authentication);
        let hsm_policies = policies::of_hsm(profile, authentication, &hsm_record.policies);
        let policies =
            policies::of_partition(profile, authentication, &record.policies, &hsm_policies);
        let fips = hsm_policies.get(&HSM_POLICY_NON_FIPS) == Some(&0)
            || policies.get(&POLICY_NON_FIPS) == Some(&0);
        let allows = |policy: u32| policies.get(&policy).is_none_or(|value| *value != 0);
        let signs_hashes = policies.get(&POLICY_PREHASH).is_some_and(|value| *value != 0);
        let offers: Vec<Offer> = profile
            .order
            .iter()
            .filter_map(|kind| {
                let row = mechanisms::find(*kind)?;
                let mut datum = *profile.mechanisms.get(kind)?;
                if signs_hashes && PREHASH.contains(kind) {
                    datum.fips_functions =
                        datum.fips_functions.map(|left| left | (datum.functions & Functions::SIGN));
                }
                Offer::of(row, &datum, fips, allows)
            })
            .collect();
        let by_kind = offers.iter().enumerate().map(|(at, offer)| (offer.row.kind, at)).collect();
        let mut roles = [const { None }; Role::ALL.len()];
        let mut challenges = [const { None }; Role::ALL.len()];
        for role in own_roles {
            let places = if role.role & CHALLENGE == 0 { &mut roles } else { &mut challenges };
            if let Some(place) = places.get_mut(usize::from(role.role & !CHALLENGE)) {
                *place = Some(role);
            }
        }
        let foreign_keys_sign = allows(POLICY_FOREIGN_SIGNING);
        let codes = profile.codes.clone();
        Ok(Self {
            record,
            policies,
            hsm_policies,
            offers,
            by_kind,
            roles,
            challenges,
            kind,
            hsm,
            facts,
            authentication,
            foreign_keys_sign,
            codes,
        })
    }

    /// The value of a partition policy; 0 for one that does not show.
    pub(in crate::hsm) fn policy(&self, id: u32) -> u64 {
        self.policies.get(&id).copied().unwrap_or(0)
    }

    /// Whether a partition policy is on; one that does not show forbids nothing.
    pub(in crate::hsm) fn allows(&self, id: u32) -> bool {
        self.policies.get(&id).is_none_or(|value| *value != 0)
    }

    /// HSM policy 12 or partition policy 43 is off.
    pub(super) fn is_fips(&self) -> bool {
        let off = |policies: &FxHashMap<u32, u64>, id| policies.get(&id) == Some(&0);
        off(&self.hsm_policies, HSM_POLICY_NON_FIPS) || off(&self.policies, POLICY_NON_FIPS)
    }

    pub(in crate::hsm) fn hsm_policy(&self, id: u32) -> u64 {
        self.hsm_policies.get(&id).copied().unwrap_or(0)
    }

    /// Whether an HSM policy is on; one that does not show forbids nothing.
    pub(in crate::hsm) fn hsm_allows(&self, id: u32) -> bool {
        self.hsm_policies.get(&id).is_none_or(|value| *value != 0)
    }

    /// Whether objects may be cloned at all.
    ///
    /// # Errors
    /// `CloneNotAttempted` while HSM policy 7 or 16 is off (code Assumed).
    pub(in crate::hsm) fn need_replication(&self) -> Result<()> {
        for policy in [HSM_POLICY_CLONING, HSM_POLICY_NETWORK_REPLICATION] {
            if !self.hsm_allows(policy) {
                return Err(Error::new(
                    Cause::CloneNotAttempted,
                    format!("HSM policy {policy} is off"),
                ));
            }
        }
        Ok(())
    }

    /// The partition's policies as values and bounds.
    pub(in crate::hsm) fn bounds(&self) -> Bounds<'_> {
        Bounds {
            policies: &self.policies,
            hsm_policies: &self.hsm_policies,
            authentication: self.authentication,
        }
    }

    /// The policies that show, of the profile's.
    pub(in crate::hsm) fn shown<'a>(
        &'a self,
        profile: &'a Profile,
    ) -> impl Iterator<Item = &'a Policy> {
        let user = self.kind == Kind::User;
        profile.partition_policies.iter().filter(move |row| user && self.bounds().shows(row))
    }

    /// What is to be said of the policies that show.
    pub(in crate::hsm) fn policy_states(&self, profile: &Profile) -> Vec<PolicyState> {
        self.shown(profile)
            .map(|row| PolicyState {
                id: u64::from(row.id),
                text: row.text.clone(),
                capability: row.capability,
                value: self.policy(row.id),
                destructive: row.destructive != Destructive::None,
                fixed: false,
            })
            .collect()
    }

    /// Version 1 of partitions: policy 41.
    pub(in crate::hsm) fn is_v1(&self) -> bool {
        self.policy(POLICY_VERSION) != 0
    }

    /// Policy 37: links other than a Secure Trusted Channel lose the partition.
    pub(super) fn forces_stc(&self) -> bool {
        self.policy(POLICY_FORCE_STC) != 0
    }

    /// Bytes for objects.
    pub(in crate::hsm) fn bytes(&self, profile: &Profile) -> u64 {
        self.facts.bytes.unwrap_or(profile.limits.partition_bytes)
    }

    /// The role a user type means here.
    ///
    /// # Errors
    /// `UserTypeInvalid` where there is no such role: the admin partition has its own, and the
    /// Limited Crypto Officer exists on partitions of version 1 alone (Documented).
    pub(in crate::hsm) fn own_role(&self, role: Role) -> Result<Role> {
        let own = match self.kind {
            Kind::Admin => role.of_admin_partition(),
            Kind::User => role.of_user_partition(),
        };
        match own {
            Some(Role::LimitedCryptoOfficer) if !self.is_v1() => Err(Error::new(
                Cause::UserTypeInvalid,
                "the Limited Crypto Officer exists from firmware 7.7, on V1 partitions",
            )
            .by_policy(POLICY_VERSION)),
            Some(own) => Ok(own),
            None => Err(Error::new(
                Cause::UserTypeInvalid,
                format!("this partition has no {}", role.name()),
            )),
        }
    }

    /// Whether the HSM does anything but be administered.
    ///
    /// # Errors
    /// `HsmInTransport`, `MtkZeroized`, `HsmTampered`.
    pub(in crate::hsm) fn need_operational(&self) -> Result<()> {
        if self.hsm.in_transport {
            return Err(Error::new(Cause::HsmInTransport, "the HSM is in secure transport mode"));
        }
        if self.hsm.tamper_key_zeroized {
            return Err(Error::new(Cause::MtkZeroized, "the master tamper key is erased"));
        }
        if self.hsm.tampered && self.hsm_policy(HSM_POLICY_TAMPER_RECOVERY) != 0 {
            return Err(Error::new(Cause::HsmTampered, "the HSM SO has to clear the tamper"));
        }
        Ok(())
    }

    /// The challenge of a role, where it has one.
    pub(in crate::hsm) fn challenge(&self, role: Role) -> Option<&RoleRecord> {
        self.challenges.get(usize::from(role.code())).and_then(Option::as_ref)
    }

    /// # Errors
    /// `MechanismInvalid` for one that profile, policy or FIPS mode does not offer.
    pub(in crate::hsm) fn offer(&self, kind: CK_MECHANISM_TYPE) -> Result<Offer> {
        self.by_kind.get(&kind).and_then(|at| self.offers.get(*at)).copied().ok_or_else(|| {
            let what = format!("this partition does not offer {}", names::ckm(kind));
            self.codes.mechanism_not_offered.error(what)
        })
    }

    /// # Errors
    /// `TokenNotRecognized` until the partition is initialised (code Assumed).
    pub(in crate::hsm) fn need_initialized(&self) -> Result<()> {
        if self.record.initialized {
            return Ok(());
        }
        Err(self
            .codes
            .partition_not_initialised
            .error("the partition is not initialised: partition init, or C_InitToken"))
    }

    /// The credential of a role and what became of it.
    ///
    /// # Errors
    /// `UserPinNotInitialized` for a role that has none.
    pub(in crate::hsm) fn role(&self, role: Role) -> Result<&RoleRecord> {
        self.roles.get(usize::from(role.code())).and_then(Option::as_ref).ok_or_else(|| {
            let what = format!("the {} has no credential yet", role.name());
            self.codes.role_not_initialised.error(what)
        })
    }

    /// Those that say how the partition stands; the others are the profile's.
    pub(super) fn flags(&self) -> CK_FLAGS {
        let admin = self.kind == Kind::Admin;
        let user = if admin { Role::Administrator } else { Role::CryptoOfficer };
        let challenge = self.challenge(user);
        let mut flags = 0;
        for (set, flag) in [
            (self.record.initialized, CKF_TOKEN_INITIALIZED),
            (self.role(user).is_ok(), CKF_USER_PIN_INITIALIZED),
            (
                self.role(user).is_ok_and(|it| it.locked)
                    || challenge.is_some_and(|challenge| challenge.locked),
                CKF_USER_PIN_LOCKED,
            ),
            (self.authentication == Authentication::Ped, CKF_PROTECTED_AUTHENTICATION_PATH),
            (admin, CKF_ADMIN_TOKEN),
        ] {
            if set {
                flags |= flag;
            }
        }
        flags
    }
}
