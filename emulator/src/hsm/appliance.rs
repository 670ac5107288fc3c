//! One HSM: its store, its profile, its partitions; and how one is made.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::partition::{self, Partition};
use crate::hsm::role;
use crate::hsm::size;
use crate::hsm::store::{
    Durability, HsmRecord, PartitionRecord, SqliteStore, Step, Store, StoreError, Usage,
};
use crate::mechanisms::broken;
use crate::profile::Profile;
use crate::wire::Pin;

/// An HSM as this process holds it.
pub struct Appliance {
    serial: String,
    profile: Arc<Profile>,
    partitions: Vec<Arc<Partition>>,
    store: Arc<dyn Store>,
    device_key: Arc<SealKey>,
}

/// An HSM to be made.
pub struct Blueprint {
    /// Decimal digits.
    pub serial: String,
    /// What it is to behave like.
    pub profile: Arc<Profile>,
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
        let record = HsmRecord {
            serial: plan.serial.clone(),
            profile: plan.profile.recorded().to_owned(),
            policies: plan.policies.iter().copied().collect(),
            device_key: device_key.expose().to_vec(),
            created: plan.created,
            extra: Vec::new(),
        };
        let store = SqliteStore::create(directory, &record, Durability::Power)?;
        let mut steps = Vec::new();
        for partition in &plan.partitions {
            steps.extend(partition_steps(partition, plan.created)?);
        }
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
        let partitions = store
            .partitions()?
            .into_iter()
            .map(|record| {
                let (profile, store) = (Arc::clone(&profile), Arc::clone(store));
                Partition::open(&record.serial, profile, store, Arc::clone(&device_key))
                    .map(Arc::new)
            })
            .collect::<Result<_>>()?;
        let store = Arc::clone(store);
        Ok(Self { serial: hsm.serial, profile, partitions, store, device_key })
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
        let extra = size::written(&record.extra, bytes)?;
        self.store.change_partition(serial, &mut |record| record.extra.clone_from(&extra))?;
        Ok(())
    }

    /// Bytes of a partition for objects, by its record.
    ///
    /// # Errors
    /// `DeviceError` for a damaged record.
    pub fn bytes_of(&self, record: &PartitionRecord) -> Result<u64> {
        Ok(size::read(&record.extra)?.unwrap_or(self.profile.limits.partition_bytes))
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

/// The steps that make a partition.
///
/// # Errors
/// When the crypto library fails.
pub fn partition_steps(plan: &PartitionBlueprint, created: u64) -> Result<Vec<Step>> {
    let record = PartitionRecord {
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
    let (mut steps, key) = partition::initialization(
        &record,
        &roles.label,
        &roles.partition_so,
        roles.domain.as_bytes(),
    )?;
    let mut credentials = vec![(Role::CryptoOfficer, &roles.crypto_officer)];
    credentials.extend(roles.crypto_user.iter().map(|pin| (Role::CryptoUser, pin)));
    for (role, pin) in credentials {
        let record = role::new_record(role, pin, &key, false, 1)?;
        steps.push(Step::PutRole(plan.serial.clone(), record));
    }
    steps.insert(0, Step::PutPartition(record));
    Ok(steps)
}

impl From<StoreError> for crate::wire::Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}
