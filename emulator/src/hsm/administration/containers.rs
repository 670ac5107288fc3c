//! Containers: the partitions as the HSM SO makes, measures and deletes them.
//!
//! Source: roles.md section 4 for the bits, pycryptoki's `partition_management.py` for the calls
//! (Documented); performance.md section 5 for sizes (Documented); codes as marked.

use std::collections::BTreeMap;

use crate::ck::*;
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::hsm::facts::{Kind, PartitionFacts, lowest_free};
use crate::hsm::partition::{DEFAULT_DOMAIN, Partition, State, initialization};
use crate::hsm::policies;
use crate::hsm::rights::{self, Right};
use crate::hsm::session::Session;
use crate::hsm::store::{PartitionRecord, RoleRecord, Step};
use crate::mechanisms::broken;
use crate::profile::Destructive;
use crate::wire::{
    CONTAINER_OVERHEAD_BYTES, ContainerState, HsmStorage, Pin, PolicyState, TemplatePolicy,
};

/// HSM policy 33, the partitions the licence allows (Documented).
const HSM_POLICY_MAX_PARTITIONS: u32 = 33;

/// The longest label. Source: PKCS#11 v2.40, `CK_TOKEN_INFO`.
const LABEL_BYTES: usize = 32;

/// A container to be made.
pub(super) struct Plan<'a> {
    pub(super) label: &'a str,
    /// Without one the partition stays uninitialised.
    pub(super) so: Option<&'a Pin>,
    pub(super) domain: Option<&'a Pin>,
    /// 0 for the profile's size.
    pub(super) bytes: u64,
    pub(super) template: &'a [TemplatePolicy],
}

fn no_container(number: u64) -> Error {
    Error::new(Cause::ContainerHandleInvalid, format!("there is no container {number}"))
}

impl Partition {
    /// The user partitions, by the numbers of their containers.
    fn user_partitions(&self, state: &State) -> Result<Vec<(u64, PartitionRecord)>> {
        let hsm = self.store.hsm()?.serial;
        let mut records = self.store.partitions()?;
        records.retain(|record| record.serial != hsm);
        let numbered = state.hsm.numbered(records.iter().map(|record| record.serial.as_str()));
        let of = |serial: &str| records.iter().find(|record| record.serial == serial).cloned();
        Ok(numbered
            .into_iter()
            .filter_map(|(number, serial)| Some((number, of(&serial)?)))
            .collect())
    }

    /// Those this partition may ask about: all for the admin partition, else itself.
    fn own_view(&self, state: &State) -> Result<Vec<(u64, PartitionRecord)>> {
        let mut all = self.user_partitions(state)?;
        if state.kind == Kind::User {
            all.retain(|(_, record)| record.serial == self.serial);
        }
        Ok(all)
    }

    /// Numbers of the containers.
    pub(super) fn containers(&self, state: &State) -> Result<Vec<u64>> {
        Ok(self.own_view(state)?.into_iter().map(|(number, _)| number).collect())
    }

    /// The number of the partition's own container; 0 is the admin partition's (Assumed).
    pub(super) fn own_container(&self, state: &State) -> Result<u64> {
        if state.kind == Kind::Admin {
            return Ok(0);
        }
        let own = self.own_view(state)?;
        own.first().map(|(number, _)| *number).ok_or_else(|| no_container(0))
    }

    fn container_state(&self, state: &State, number: u64) -> Result<State> {
        if number == 0 && state.kind == Kind::Admin {
            return State::load(&*self.store, &self.profile, &self.serial);
        }
        let mut view = self.own_view(state)?.into_iter();
        let (_, record) =
            view.find(|(own, _)| *own == number).ok_or_else(|| no_container(number))?;
        State::of(&*self.store, &self.profile, record)
    }

    /// What a container is; 0 is the admin partition itself.
    pub(super) fn container(&self, state: &State, number: u64) -> Result<ContainerState> {
        let of = self.container_state(state, number)?;
        let usage = self.store.count(&of.record.serial)?;
        let label = if of.facts.name.is_empty() { &of.record.label } else { &of.facts.name };
        let (so, user) = match of.kind {
            Kind::User => (Role::PartitionSo, Role::CryptoOfficer),
            Kind::Admin => (Role::HsmSo, Role::Administrator),
        };
        let failed =
            |role: Role| of.role(role).map_or(0, |record: &RoleRecord| u64::from(record.failed));
        Ok(ContainerState {
            number,
            serial: of.record.serial.clone(),
            label: label.clone(),
            flags: self.container_flags(&of, so, user),
            failed: [failed(so), failed(user), failed(Role::CryptoUser)],
            bytes: (of.bytes(&self.profile), usage.bytes),
            objects: usage.objects,
        })
    }

    /// The fifteen bits that pycryptoki knows, and no other. Source: roles.md sections 3 and 4
    /// (Documented but for their meaning, which their names say).
    fn container_flags(&self, of: &State, so: Role, user: Role) -> u64 {
        let is = |role: Role, what: fn(&RoleRecord) -> bool| of.role(role).is_ok_and(what);
        let locked =
            |role: Role| is(role, |it| it.locked) || of.challenge(role).is_some_and(|it| it.locked);
        let stale = |role: Role| {
            is(role, |it| it.must_change) || of.challenge(role).is_some_and(|it| it.must_change)
        };
        [
            (true, LUNA_CF_CONTAINER_ENABLED),
            (of.record.initialized, LUNA_CF_PARTITION_INITIALIZED),
            (!of.record.domain.is_empty(), LUNA_CF_KCV_CREATED),
            (is(user, |_| true), LUNA_CF_USER_PIN_INITIALIZED),
            (is(Role::CryptoUser, |_| true), LUNA_CF_LIMITED_USER_CREATED),
            (locked(so), LUNA_CF_SO_PIN_LOCKED),
            (locked(user), LUNA_CF_USER_PIN_LOCKED),
            (locked(Role::CryptoUser), LUNA_CF_LIMITED_USER_PIN_LOCKED),
            (stale(so), LUNA_CF_SO_PIN_TO_BE_CHANGED),
            (stale(user), LUNA_CF_USER_PIN_TO_BE_CHANGED),
            (stale(Role::CryptoUser), LUNA_CF_LIMITED_USER_PIN_TO_BE_CHANGED),
            (self.is_activated(of, user), LUNA_CF_CONTAINER_ACTIVATED),
            (self.is_activated(of, Role::CryptoUser), LUNA_CF_CONTAINER_LUSR_ACTIVATED),
        ]
        .into_iter()
        .filter(|(set, _)| *set)
        .fold(0, |flags, (_, flag)| flags | flag)
    }

    /// Policies and capabilities of a container.
    pub(super) fn container_policies(
        &self,
        state: &State,
        number: u64,
    ) -> Result<Vec<PolicyState>> {
        Ok(self.container_state(state, number)?.policy_states(&self.profile))
    }

    /// What a new partition of this HSM starts with.
    pub(super) fn policy_template(&self, state: &State) -> Vec<TemplatePolicy> {
        let rows = self.profile.partition_policies.iter();
        rows.filter(|row| state.bounds().shows(row))
            .map(|row| TemplatePolicy {
                id: u64::from(row.id),
                value: row.policy,
                off_to_on_destructive: matches!(
                    row.destructive,
                    Destructive::OffOn | Destructive::Both
                ),
                on_to_off_destructive: matches!(
                    row.destructive,
                    Destructive::OnOff | Destructive::Both
                ),
            })
            .collect()
    }

    /// How many partitions the HSM may have.
    pub(super) fn allowed_containers(&self, state: &State) -> u64 {
        state.hsm_policy(HSM_POLICY_MAX_PARTITIONS)
    }

    /// Bytes of the whole HSM: room for as many partitions of the profile's size as are allowed.
    pub(super) fn hsm_storage(&self, state: &State) -> Result<HsmStorage> {
        let one = self.profile.limits.partition_bytes.saturating_add(CONTAINER_OVERHEAD_BYTES);
        let mut used = 0_u64;
        for (_, record) in self.user_partitions(state)? {
            let bytes = state.hsm.partitions.get(&record.serial).and_then(|of| of.bytes);
            let bytes = bytes.unwrap_or(self.profile.limits.partition_bytes);
            used = used.saturating_add(bytes).saturating_add(CONTAINER_OVERHEAD_BYTES);
        }
        // A licence may have been more generous when they were made.
        Ok(HsmStorage { total: one.saturating_mul(self.allowed_containers(state)).max(used), used })
    }

    /// # Errors
    /// `HsmStorageFull` (Documented for a full HSM).
    fn need_room(&self, state: &State, more: u64) -> Result<()> {
        let HsmStorage { total, used } = self.hsm_storage(state)?;
        if used.saturating_add(more) <= total {
            return Ok(());
        }
        Err(Error::new(
            Cause::HsmStorageFull,
            format!("{used} of {total} bytes are taken, {more} more are wanted"),
        ))
    }

    /// `CA_CreateContainer`: told the number.
    ///
    /// # Errors
    /// `LicenseCapacityExceeded`, `HsmStorageFull`, `ArgumentsBad` for a label that is none, those
    /// of the template and of the credential.
    pub(super) fn create_container(&self, state: &State, plan: &Plan<'_>) -> Result<u64> {
        state.need_initialized()?;
        state.need_operational()?;
        let label = check_label(plan.label)?;
        let allowed = self.allowed_containers(state);
        let present = self.user_partitions(state)?;
        if present.len() as u64 >= allowed {
            return Err(Error::new(
                Cause::LicenseCapacityExceeded,
                format!("the licence allows {allowed} partitions"),
            ));
        }
        let bytes = (plan.bytes != 0).then_some(plan.bytes);
        let wanted = bytes.unwrap_or(self.profile.limits.partition_bytes);
        self.need_room(state, wanted.saturating_add(CONTAINER_OVERHEAD_BYTES))?;
        let mut record = PartitionRecord {
            serial: new_serial()?,
            label: String::new(),
            initialized: false,
            policies: BTreeMap::new(),
            domain: Vec::new(),
            object_counter: 0,
            created: self.machine_seconds(),
            extra: Vec::new(),
        };
        let fresh = State::of(&*self.store, &self.profile, record.clone())?;
        let own = PartitionFacts {
            name: label.to_owned(),
            bytes,
            destructive: self.apply_template(&fresh, &mut record, plan.template)?,
            ..PartitionFacts::default()
        };
        let mut steps = vec![Step::PutPartition(record.clone())];
        if let Some(pin) = plan.so {
            let pin = self.new_credential(&fresh, Role::PartitionSo, pin)?;
            let domain = plan.domain.map_or(DEFAULT_DOMAIN, Pin::as_bytes);
            steps.extend(initialization(&record, label, (Role::PartitionSo, &pin), domain)?.0);
        }
        let mut number = 0;
        self.change_hsm_facts(&mut |kept| {
            // Those of an older store keep the numbers they are known by.
            for (number, record) in &present {
                kept.partitions.entry(record.serial.clone()).or_default().number = *number;
            }
            number = lowest_free(&kept.partitions.values().map(|of| of.number).collect::<Vec<_>>());
            let own = PartitionFacts { number, ..own.clone() };
            kept.partitions.insert(record.serial.clone(), own);
        })?;
        self.store.apply(&steps)?;
        self.refresh()?;
        Ok(number)
    }

    /// `CA_DeleteContainerWithHandle` of the HSM SO; without a number the partition of the session,
    /// by its Partition SO (that he may: Assumed).
    pub(super) fn delete_container(
        &self,
        session: &Session,
        state: &State,
        number: Option<u64>,
    ) -> Result<()> {
        let serial = match (state.kind, number) {
            (Kind::Admin, Some(number)) if number != 0 => {
                rights::check(session.application.role(), Right::AdministerHsm)?;
                self.container_state(state, number)?.record.serial
            }
            (Kind::Admin, _) => {
                return Err(Error::new(
                    Cause::OperationNotAllowed,
                    "the admin partition is not to be deleted",
                ));
            }
            (Kind::User, number) => {
                rights::check(session.application.role(), Right::AdministerPartition)?;
                match number {
                    Some(number) => self.container_state(state, number)?.record.serial,
                    None => self.serial.clone(),
                }
            }
        };
        self.store.apply(&[Step::RemovePartition(serial.clone())])?;
        match self.change_hsm_facts(&mut |kept| {
            kept.partitions.remove(&serial);
        }) {
            // It was this one.
            Err(error) if error.cause() == Cause::TokenNotPresent => Ok(()),
            outcome => outcome,
        }
    }

    /// `CA_SetContainerSize`.
    ///
    /// # Errors
    /// `HsmStorageFull`, `ContainerObjectStorageFull` for a size that its objects exceed (code
    /// Assumed).
    pub(super) fn resize_container(&self, state: &State, number: u64, bytes: u64) -> Result<()> {
        let of = self.container_state(state, number)?;
        let now = of.bytes(&self.profile);
        let used = self.store.count(&of.record.serial)?.bytes;
        if bytes < used {
            return Err(Error::new(
                Cause::ContainerObjectStorageFull,
                format!("its objects take {used} bytes"),
            ));
        }
        self.need_room(state, bytes.saturating_sub(now))?;
        self.change_hsm_facts(&mut |kept| {
            kept.partitions.entry(of.record.serial.clone()).or_default().bytes = Some(bytes);
        })
    }

    /// `CA_SetUserContainerName`: by the partition's security officer (that it is he: Assumed).
    pub(super) fn relabel(&self, session: &Session, state: &State, label: &str) -> Result<()> {
        let right = match state.kind {
            Kind::Admin => Right::AdministerHsm,
            Kind::User => Right::AdministerPartition,
        };
        rights::check(session.application.role(), right)?;
        let label = check_label(label)?.to_owned();
        self.change_facts(&mut |facts| facts.name.clone_from(&label))
    }

    /// `CA_SetContainerPolicies`: the HSM SO's while the partition has no Partition SO, then his
    /// alone. Source: pycryptoki says the call should not be used with a Partition SO (Documented);
    /// that it is refused then: Assumed.
    pub(super) fn set_container_policies(
        &self,
        session: &Session,
        state: &State,
        number: u64,
        changes: &[(u64, u64)],
    ) -> Result<()> {
        let of = self.container_state(state, number)?;
        if of.record.serial == self.serial {
            return match of.kind {
                Kind::User => self.set_policies(session, changes),
                Kind::Admin => Err(no_container(number)),
            };
        }
        rights::check(session.application.role(), Right::AdministerHsm)?;
        if of.record.initialized {
            return Err(Error::new(
                Cause::UserNotAuthorized,
                "the partition has a Partition SO, who sets its policies",
            ));
        }
        let lawful = policies::change(&self.profile, &of, changes.iter().copied())?;
        let record = PartitionRecord { policies: lawful.set, ..of.record };
        self.store.apply(&[Step::PutPartition(record)])?;
        self.refresh()
    }

    /// `CA_InitSlotRolePIN` from the HSM SO: the Partition SO of a partition that has none yet,
    /// under the name of its container and in the default domain (Assumed).
    pub(super) fn init_container_role(
        &self,
        state: &State,
        number: u64,
        role: Role,
        pin: &Pin,
    ) -> Result<()> {
        let of = self.container_state(state, number)?;
        let own = of.own_role(role)?;
        if own != Role::PartitionSo || of.record.initialized {
            return Err(Error::new(
                Cause::UserNotAuthorized,
                "the HSM SO makes the Partition SO of a partition that has none",
            ));
        }
        let pin = self.new_credential(&of, own, pin)?;
        let name = of.facts.name.clone();
        let (steps, _) = initialization(&of.record, &name, (own, &pin), DEFAULT_DOMAIN)?;
        self.store.apply(&steps)?;
        self.refresh()
    }

    /// The steps that take every user partition away.
    pub(in crate::hsm) fn removals(&self) -> Result<Vec<Step>> {
        let state = self.current()?;
        let partitions = self.user_partitions(&state)?.into_iter();
        Ok(partitions.map(|(_, record)| Step::RemovePartition(record.serial)).collect())
    }

    /// After [`Partition::removals`]: their numbers are free again.
    pub(in crate::hsm) fn forget_containers(&self) -> Result<()> {
        self.change_hsm_facts(&mut |kept| kept.partitions.clear())
    }
}

fn check_label(label: &str) -> Result<&str> {
    let label = label.trim_end_matches([' ', '\0']);
    if label.is_empty() || label.len() > LABEL_BYTES {
        return Err(Error::new(
            Cause::ArgumentsBad,
            format!("a container's name has 1 to {LABEL_BYTES} bytes"),
        ));
    }
    Ok(label)
}

/// 13 digits, as those of the guide's examples.
fn new_serial() -> Result<String> {
    let bytes = random::bytes(size_of::<u64>()).map_err(broken)?;
    let number = bytes.iter().fold(0_u64, |so_far, byte| (so_far << 8) | u64::from(*byte));
    Ok(format!("1{:012}", number % 1_000_000_000_000))
}
