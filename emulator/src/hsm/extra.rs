//! What a partition keeps beside its columns: small values under numbers, each of one life of the
//! partition. A partition that is zeroised or initialised anew has none of them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Cause, Error, Result};
use crate::hsm::partition::Partition;
use crate::hsm::store::PartitionRecord;

/// What can be kept; the numbers stand in stores.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Entry {
    /// `sharing`.
    Applications = 1,
    /// `recovery`.
    RecoveryLogin = 2,
    /// `masking`.
    MaskingKey = 3,
    /// `journeys`: the domain of an older HSM.
    LegacyDomain = 4,
    /// `journeys`: the domain for recovery data.
    RecoveryDomain = 5,
}

#[derive(Default, Deserialize, Serialize)]
struct Kept {
    entries: BTreeMap<u8, Value>,
}

#[derive(Deserialize, Serialize)]
struct Value {
    /// The sealed domain of the life it belongs to: every life has another.
    life: Vec<u8>,
    bytes: Vec<u8>,
}

fn all(record: &PartitionRecord) -> Result<Kept> {
    if record.extra.is_empty() {
        return Ok(Kept::default());
    }
    postcard::from_bytes(&record.extra).map_err(|_| {
        Error::new(Cause::DeviceError, "the store holds a partition with something unreadable")
    })
}

/// The value of this life, if there is one.
pub(super) fn read<T: DeserializeOwned>(
    record: &PartitionRecord,
    entry: Entry,
) -> Result<Option<T>> {
    if record.extra.is_empty() {
        return Ok(None);
    }
    let Some(value) = all(record)?.entries.remove(&(entry as u8)) else { return Ok(None) };
    if value.life != record.domain {
        return Ok(None);
    }
    postcard::from_bytes(&value.bytes).map(Some).map_err(|_| {
        Error::new(Cause::DeviceError, format!("the store holds an unreadable {entry:?}"))
    })
}

/// Keeps the value, or forgets it.
pub(super) fn write<T: Serialize>(
    record: &mut PartitionRecord,
    entry: Entry,
    value: Option<&T>,
) -> Result<()> {
    let failed = |_| Error::new(Cause::FunctionFailed, "a value does not encode");
    let mut kept = all(record)?;
    kept.entries.retain(|_, value| value.life == record.domain);
    match value {
        Some(value) => {
            let bytes = postcard::to_allocvec(value).map_err(failed)?;
            kept.entries.insert(entry as u8, Value { life: record.domain.clone(), bytes });
        }
        None => {
            kept.entries.remove(&(entry as u8));
        }
    }
    record.extra = if kept.entries.is_empty() {
        Vec::new()
    } else {
        postcard::to_allocvec(&kept).map_err(failed)?
    };
    Ok(())
}

impl Partition {
    /// Lets `change` work on the value of an entry, while nobody else does; it is kept when `change`
    /// succeeds, and then known to this process.
    pub(super) fn change_extra<T: Serialize + DeserializeOwned, R>(
        &self,
        entry: Entry,
        change: &mut dyn FnMut(Option<T>, &PartitionRecord) -> Result<(Option<T>, R)>,
    ) -> Result<R> {
        let mut outcome = None;
        self.store.change_partition(&self.serial, &mut |record| {
            let changed = read(record, entry).and_then(|value| change(value, record)).and_then(
                |(value, said)| {
                    write(record, entry, value.as_ref())?;
                    Ok(said)
                },
            );
            outcome = Some(changed);
        })?;
        self.refresh()?;
        outcome.unwrap_or_else(|| {
            Err(Error::new(Cause::TokenNotPresent, "the HSM has the partition no longer"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(domain: &[u8]) -> PartitionRecord {
        PartitionRecord {
            serial: "1".into(),
            label: String::new(),
            initialized: true,
            policies: BTreeMap::new(),
            domain: domain.to_vec(),
            object_counter: 0,
            created: 0,
            extra: Vec::new(),
        }
    }

    #[test]
    fn a_value_belongs_to_one_life() {
        let mut one = record(b"one");
        assert_eq!(read::<u64>(&one, Entry::MaskingKey).unwrap(), None);
        write(&mut one, Entry::MaskingKey, Some(&7_u64)).unwrap();
        write(&mut one, Entry::LegacyDomain, Some(&8_u64)).unwrap();
        assert_eq!(read::<u64>(&one, Entry::MaskingKey).unwrap(), Some(7));
        let mut two = PartitionRecord { domain: b"two".to_vec(), ..one.clone() };
        assert_eq!(read::<u64>(&two, Entry::MaskingKey).unwrap(), None);
        write::<u64>(&mut two, Entry::MaskingKey, None).unwrap();
        assert!(two.extra.is_empty());
        write::<u64>(&mut one, Entry::MaskingKey, None).unwrap();
        assert_eq!(read::<u64>(&one, Entry::LegacyDomain).unwrap(), Some(8));
    }

    #[test]
    fn what_somebody_else_wrote_is_told_and_left_alone() {
        let mut other = PartitionRecord { extra: vec![0xff; 9], ..record(b"one") };
        assert_eq!(read::<u64>(&other, Entry::MaskingKey).unwrap_err().cause(), Cause::DeviceError);
        assert!(write(&mut other, Entry::MaskingKey, Some(&1_u64)).is_err());
        assert_eq!(other.extra, vec![0xff; 9]);
    }
}
