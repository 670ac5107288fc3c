//! One HSM: its store, its profile, its partitions; and how one is made.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::facts::{self, Activation, HsmFacts, PartitionFacts};
use crate::hsm::partition::{self, DEFAULT_DOMAIN, Partition};
use crate::hsm::ped::{as_challenge, ped_key};
use crate::hsm::role;
use crate::hsm::store::{
    Durability, HsmRecord, PartitionRecord, SqliteStore, Step, Store, StoreError, Usage,
};
use crate::mechanisms::broken;
use crate::profile::{Authentication, Profile};
use crate::wire::Pin;

/// An HSM as this process holds it.
pub struct Appliance {
    serial: String,
    profile: Arc<Profile>,
    store: Arc<dyn Store>,
    device_key: Arc<SealKey>,
    partitions: Vec<Arc<Partition>>,
    /// Partitions that were made since, and the admin partition.
    later: Mutex<Vec<Arc<Partition>>>,
    /// Numbers of the containers, as of one generation.
    containers: Mutex<(u64, Vec<(u64, String)>)>,
}

/// An HSM to be made.
pub struct Blueprint {
    /// Decimal digits.
    pub serial: String,
    /// What it is to behave like.
    pub profile: Arc<Profile>,
    /// How its roles prove who they are; as the profile says without.
    pub authentication: Option<Authentication>,
    /// The HSM SO's credential; without one the admin partition stays uninitialised.
    pub hsm_so: Option<Pin>,
    /// HSM policies that differ from the profile's.
    pub policies: Vec<(u32, u64)>,
    /// Seconds since 1970.
    pub created: u64,
    /// Its partitions.
    pub partitions: Vec<PartitionBlueprint>,
}

/// A partition to be made.
pub struct PartitionBlueprint {
    /// Decimal digits.
    pub serial: String,
    /// Partition policies that differ from the profile's.
    pub policies: Vec<(u32, u64)>,
    /// Label, domain and credentials; none leaves the partition uninitialised.
    pub roles: Option<Roles>,
}

/// What `partition init` and `role init` would set.
pub struct Roles {
    /// At most 32 bytes.
    pub label: String,
    /// Cloning domain.
    pub domain: Pin,
    /// Partition SO.
    pub partition_so: Pin,
    /// Crypto Officer.
    pub crypto_officer: Pin,
    /// Crypto User, where there is to be one.
    pub crypto_user: Option<Pin>,
}

impl Appliance {
    /// Makes an HSM in an empty directory.
    ///
    /// # Errors
    /// The store's, which name the file; `PinLenRange` for a PIN that the policies refuse.
    pub fn manufacture(directory: &Path, plan: &Blueprint) -> Result<()> {
        let device_key = SealKey::generate().map_err(broken)?;
        let mut facts = HsmFacts { authentication: plan.authentication, ..HsmFacts::default() };
        let authentication = plan.authentication.unwrap_or(plan.profile.authentication);
        let ped = (authentication == Authentication::Ped).then_some(&device_key);
        for partition in plan.partitions.iter().filter(|it| ped.is_some() && it.roles.is_some()) {
            let activated = [Role::CryptoOfficer, Role::CryptoUser]
                .map(|role| (role.code().to_string(), Activation::default()));
            let own = PartitionFacts { activated: activated.into(), ..PartitionFacts::default() };
            facts.partitions.insert(partition.serial.clone(), own);
        }
        let record = HsmRecord {
            serial: plan.serial.clone(),
            profile: plan.profile.recorded().to_owned(),
            policies: plan.policies.iter().copied().collect(),
            device_key: device_key.expose().to_vec(),
            created: plan.created,
            extra: if facts == HsmFacts::default() { Vec::new() } else { facts::write(&facts)? },
        };
        let store = SqliteStore::create(directory, &record, Durability::Power)?;
        let mut steps = Vec::new();
        for partition in &plan.partitions {
            steps.extend(steps_of(partition, plan.created, ped)?);
        }
        steps.extend(admin_steps(&record, plan.hsm_so.as_ref(), ped)?);
        store.apply(&steps)?;
        Ok(())
    }

    /// Opens the HSM in a directory.
    ///
    /// # Errors
    /// The store's, which name the file and tell missing, damaged, newer and forbidden apart.
    pub fn open(
        directory: &Path,
        durability: Durability,
        profile: impl FnOnce(&str) -> Result<Arc<Profile>>,
    ) -> Result<Self> {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(directory, durability)?);
        Self::over(&store, profile)
    }

    /// The HSM in a store.
    ///
    /// # Errors
    /// The store's; `DeviceError` for a damaged record.
    pub fn over(
        store: &Arc<dyn Store>,
        profile: impl FnOnce(&str) -> Result<Arc<Profile>>,
    ) -> Result<Self> {
        let hsm = store.hsm()?;
        let key: [u8; 32] =
            hsm.device_key.as_slice().try_into().map_err(|_| {
                Error::new(Cause::DeviceError, "the store holds a damaged device key")
            })?;
        let device_key = Arc::new(SealKey::new(Zeroizing::new(key)));
        let profile = profile(&hsm.profile)?;
        let mut partitions = Vec::new();
        for record in store.partitions()? {
            if record.serial != hsm.serial {
                let (profile, store) = (Arc::clone(&profile), Arc::clone(store));
                let key = Arc::clone(&device_key);
                partitions.push(Arc::new(Partition::open(&record.serial, profile, store, key)?));
            }
        }
        Ok(Self {
            serial: hsm.serial,
            profile,
            store: Arc::clone(store),
            device_key,
            partitions,
            later: Mutex::default(),
            containers: Mutex::default(),
        })
    }

    /// The partition of that serial number, though it was made after the HSM was opened.
    ///
    /// # Errors
    /// `TokenNotPresent` when the HSM has none.
    pub fn partition(&self, serial: &str) -> Result<Arc<Partition>> {
        if let Some(known) = self.partitions.iter().find(|it| it.serial() == serial) {
            return Ok(Arc::clone(known));
        }
        let mut later = self.later.lock();
        if let Some(known) = later.iter().find(|it| it.serial() == serial) {
            return Ok(Arc::clone(known));
        }
        let (profile, store) = (Arc::clone(&self.profile), Arc::clone(&self.store));
        let fresh =
            Arc::new(Partition::open(serial, profile, store, Arc::clone(&self.device_key))?);
        later.push(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// The admin partition, made where the store is older than it.
    ///
    /// # Errors
    /// The store's.
    pub fn admin(&self) -> Result<Arc<Partition>> {
        if self.store.partition(&self.serial)?.is_none() {
            self.store.apply(&admin_steps(&self.store.hsm()?, None, None)?)?;
        }
        self.partition(&self.serial)
    }

    /// Gives the HSM its SO, where it has none yet; partitions stay.
    ///
    /// # Errors
    /// The store's; `PinLenRange`.
    pub fn initialize_admin(&self, so: &Pin) -> Result<()> {
        if self.store.partition(&self.serial)?.is_some_and(|record| record.initialized) {
            return Ok(());
        }
        let hsm = self.store.hsm()?;
        let kept: HsmFacts = facts::read(&hsm.extra)?;
        let ped = kept.authentication.unwrap_or(self.profile.authentication);
        let ped = (ped == Authentication::Ped).then_some(&*self.device_key);
        Ok(self.store.apply(&admin_steps(&hsm, Some(so), ped)?)?)
    }

    /// The serial number in each container. Costs one load of shared memory while nothing changed.
    ///
    /// # Errors
    /// The store's.
    pub fn containers(&self) -> Result<Vec<(u64, String)>> {
        let generation = self.store.generation();
        let mut known = self.containers.lock();
        if known.0 != generation {
            let kept: HsmFacts = facts::read(&self.store.hsm()?.extra)?;
            let mut serials: Vec<String> =
                self.store.partitions()?.into_iter().map(|record| record.serial).collect();
            serials.retain(|serial| *serial != self.serial);
            *known = (generation, kept.numbered(serials.iter().map(String::as_str)));
        }
        Ok(known.1.clone())
    }

    /// Makes a partition, as the appliance's administrator does.
    ///
    /// # Errors
    /// The store's; `PinLenRange` for a PIN that the policies refuse.
    pub fn make_partition(
        &self,
        plan: &PartitionBlueprint,
        created: u64,
    ) -> Result<Arc<Partition>> {
        self.store.apply(&partition_steps(plan, created)?)?;
        let (profile, store) = (Arc::clone(&self.profile), Arc::clone(&self.store));
        Partition::open(&plan.serial, profile, store, Arc::clone(&self.device_key)).map(Arc::new)
    }

    /// Deletes a partition with everything in it.
    ///
    /// # Errors
    /// The store's, when there is no such partition.
    pub fn remove_partition(&self, serial: &str) -> Result<()> {
        Ok(self.store.remove_partition(serial)?)
    }

    /// Gives a partition another size, in bytes.
    ///
    /// # Errors
    /// `ContainerObjectStorageFull` for less than its objects take; the store's; `TokenNotPresent`
    /// when there is no such partition.
    pub fn resize_partition(&self, serial: &str, bytes: u64) -> Result<()> {
        let (record, usage) = self.usage(serial)?;
        if bytes < usage.bytes {
            return Err(Error::new(
                Cause::ContainerObjectStorageFull,
                format!("objects take {} bytes of the partition", usage.bytes),
            ));
        }
        self.partition(&record.serial)?.change_facts(&mut |facts| facts.bytes = Some(bytes))
    }

    /// Bytes of a partition for objects, by its record.
    ///
    /// # Errors
    /// `DeviceError` for a damaged record.
    pub fn bytes_of(&self, record: &PartitionRecord) -> Result<u64> {
        let kept: HsmFacts = facts::read(&self.store.hsm()?.extra)?;
        let own = kept.partitions.get(&record.serial).and_then(|facts| facts.bytes);
        Ok(own.unwrap_or(self.profile.limits.partition_bytes))
    }

    /// What is in a partition now.
    ///
    /// # Errors
    /// The store's; `TokenNotPresent` when there is no such partition.
    pub fn usage(&self, serial: &str) -> Result<(PartitionRecord, Usage)> {
        let record = self.store.partition(serial)?.ok_or_else(|| {
            Error::new(Cause::TokenNotPresent, format!("the HSM has no partition {serial}"))
        })?;
        Ok((record, self.store.count(serial)?))
    }

    /// How many containers it may have.
    pub fn most_containers(&self) -> u64 {
        let row = self.profile.hsm_policies.iter().find(|row| row.id == HSM_POLICY_MAX_PARTITIONS);
        row.map_or(0, |row| row.capability)
    }

    /// Its serial number.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// What it behaves like.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Its partitions, by serial number.
    pub fn partitions(&self) -> &[Arc<Partition>] {
        &self.partitions
    }
}

/// Partition policy 22 (Documented): challenges alone log in to a PED partition.
const POLICY_ACTIVATION: u32 = 22;

/// HSM policy 33, the partitions the licence allows (Documented).
const HSM_POLICY_MAX_PARTITIONS: u32 = 33;

/// The label of an admin partition that was not initialised by hand.
const ADMIN_LABEL: &str = "luna-emulator";

/// What happens to a device from outside, for tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeviceEvent {
    /// Somebody opened it.
    Tamper,
    /// Its PED was unplugged.
    PedDetached,
    /// Its PED was plugged in.
    PedAttached,
    /// It was without power for longer than an automatic activation lasts.
    LongOutage,
}

/// HSM policy 40, "decommission on tamper" (number Documented).
const HSM_POLICY_DECOMMISSION: u32 = 40;

/// Lets something happen to the HSM in a store. One that is tampered with while HSM policy 40 is on
/// loses everything but its policies.
///
/// # Errors
/// The store's; `DeviceError` for a damaged record.
pub fn suffer(store: &dyn Store, event: DeviceEvent) -> Result<()> {
    let mut record = store.hsm()?;
    let mut kept: HsmFacts = facts::read(&record.extra)?;
    match event {
        DeviceEvent::Tamper => kept.tampered = true,
        DeviceEvent::PedDetached => kept.ped_detached = true,
        DeviceEvent::PedAttached => kept.ped_detached = false,
        DeviceEvent::LongOutage => kept.long_outages += 1,
    }
    let mut steps = Vec::new();
    let decommissions = record.policies.get(&HSM_POLICY_DECOMMISSION).is_some_and(|it| *it != 0);
    if event == DeviceEvent::Tamper && decommissions {
        kept.partitions.clear();
        for partition in store.partitions()? {
            steps.push(if partition.serial == record.serial {
                Step::WipePartition(partition.serial)
            } else {
                Step::RemovePartition(partition.serial)
            });
        }
    }
    record.extra = facts::write(&kept)?;
    steps.push(Step::PutHsm(record));
    Ok(store.apply(&steps)?)
}

/// The steps that make the admin partition; `ped` is the device's key where a PED asks for roles.
///
/// # Errors
/// When the crypto library fails.
fn admin_steps(hsm: &HsmRecord, so: Option<&Pin>, ped: Option<&SealKey>) -> Result<Vec<Step>> {
    let record = PartitionRecord {
        serial: hsm.serial.clone(),
        label: String::new(),
        initialized: false,
        policies: BTreeMap::new(),
        domain: Vec::new(),
        object_counter: 0,
        created: hsm.created,
        extra: Vec::new(),
    };
    let mut steps = vec![Step::PutPartition(record.clone())];
    if let Some(so) = so {
        let so = match ped {
            Some(device_key) => ped_key(device_key, &hsm.serial, Role::HsmSo)?,
            None => so.clone(),
        };
        let who = (Role::HsmSo, &so);
        steps.extend(partition::initialization(&record, ADMIN_LABEL, who, DEFAULT_DOMAIN)?.0);
    }
    Ok(steps)
}

/// The steps that make a partition.
///
/// # Errors
/// When the crypto library fails.
pub fn partition_steps(plan: &PartitionBlueprint, created: u64) -> Result<Vec<Step>> {
    steps_of(plan, created, None)
}

/// The steps that make a partition. With a PED its keys are those of the roles, the passwords are
/// challenges, and the roles are activated.
///
/// # Errors
/// When the crypto library fails.
fn steps_of(plan: &PartitionBlueprint, created: u64, ped: Option<&SealKey>) -> Result<Vec<Step>> {
    let mut record = PartitionRecord {
        serial: plan.serial.clone(),
        label: String::new(),
        initialized: false,
        policies: plan.policies.iter().copied().collect(),
        domain: Vec::new(),
        object_counter: 0,
        created,
        extra: Vec::new(),
    };
    let Some(roles) = &plan.roles else { return Ok(vec![Step::PutPartition(record)]) };
    let mut credentials = vec![(Role::CryptoOfficer, &roles.crypto_officer)];
    credentials.extend(roles.crypto_user.iter().map(|pin| (Role::CryptoUser, pin)));
    if ped.is_some() {
        record.policies.entry(POLICY_ACTIVATION).or_insert(1);
    }
    let primary = |role, pin: &Pin| match ped {
        Some(device_key) => ped_key(device_key, &plan.serial, role),
        None => Ok(pin.clone()),
    };
    let so = primary(Role::PartitionSo, &roles.partition_so)?;
    let who = (Role::PartitionSo, &so);
    let (mut steps, key) =
        partition::initialization(&record, &roles.label, who, roles.domain.as_bytes())?;
    for (role, pin) in credentials {
        let first = role::new_record(role, &primary(role, pin)?, &key, false, 1)?;
        steps.push(Step::PutRole(plan.serial.clone(), first));
        if ped.is_some() {
            let challenge = as_challenge(role::new_record(role, pin, &key, false, 1)?);
            steps.push(Step::PutRole(plan.serial.clone(), challenge));
        }
    }
    steps.insert(0, Step::PutPartition(record));
    Ok(steps)
}

impl From<StoreError> for crate::wire::Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}
