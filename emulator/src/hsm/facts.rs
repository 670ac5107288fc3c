//! What an HSM keeps beside its policies and roles, and of each of its partitions: the blob of the HSM
//! that the store calls `extra`, as text a human with a database browser can read.
//!
//! It is the HSM's, not the partitions': a partition that is initialised anew, or not at all yet,
//! keeps its container.
//!
//! To keep something more: a field with a default. Older stores then lack it, older releases pass
//! it over.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Cause, Error, Result};
use crate::profile::Authentication;
use crate::wire::LogConfiguration;

/// Of the HSM.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct HsmFacts {
    /// How its roles prove who they are, where that is not its profile's.
    pub(super) authentication: Option<Authentication>,
    /// Its PED is not attached.
    pub(super) ped_detached: bool,
    /// A remote PED vector was made.
    pub(super) remote_ped_vector: bool,
    /// Its clock goes before the machine's by so many seconds.
    pub(super) clock_offset: i64,
    /// It was opened, or too hot, and nobody has cleared that.
    pub(super) tampered: bool,
    /// The master tamper key is erased.
    pub(super) tamper_key_zeroized: bool,
    /// Where the splits of the master tamper key lie.
    pub(super) tamper_key_storage: u64,
    /// It is in secure transport mode.
    pub(super) in_transport: bool,
    /// Outages longer than an automatic activation survives.
    pub(super) long_outages: u64,
    /// Of its partitions, by serial number.
    pub(super) partitions: BTreeMap<String, PartitionFacts>,
    /// The audit log; none before the Auditor is initialised.
    pub(super) audit: Option<AuditFacts>,
    /// What templates say of HSM policies: switching on wipes, switching off wipes.
    pub(super) destructive: BTreeMap<String, (bool, bool)>,
}

/// Of the audit log.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct AuditFacts {
    /// What is kept.
    pub(super) configuration: LogConfiguration,
    /// The secret of the records, under the device's key.
    pub(super) secret: Vec<u8>,
    /// The key of the log's domain, under the device's key.
    pub(super) domain: Vec<u8>,
    /// Secrets of other HSMs' logs, under the device's key.
    pub(super) imported: Vec<Vec<u8>>,
    /// The Auditor may not log in before that many seconds since 1970.
    pub(super) locked_until: u64,
}

/// What a partition is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Keys of applications.
    User,
    /// The HSM's own administration: the partition that has the HSM's serial number.
    Admin,
}

/// Of a partition.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct PartitionFacts {
    /// The number of its container; 0 for one that has none of its own yet.
    pub(super) number: u64,
    /// The name of its container; the label of the partition is its own.
    pub(super) name: String,
    /// Bytes for objects, where that is not the profile's size.
    pub(super) bytes: Option<u64>,
    /// What templates say of policies: switching on wipes, switching off wipes.
    pub(super) destructive: BTreeMap<String, (bool, bool)>,
    /// Roles whose PED key is cached, by the role's number.
    pub(super) activated: BTreeMap<String, Activation>,
}

/// A cached PED key, and the outages it was cached after.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Activation {
    /// The HSM's restarts then.
    pub(super) restarts: u64,
    /// Its long outages then.
    pub(super) long_outages: u64,
}

/// A blob as facts; an empty one is all defaults.
///
/// # Errors
/// `DeviceError` for one that no release wrote.
pub(super) fn read<T: DeserializeOwned + Default>(blob: &[u8]) -> Result<T> {
    if blob.is_empty() {
        return Ok(T::default());
    }
    std::str::from_utf8(blob).ok().and_then(|text| toml::from_str(text).ok()).ok_or_else(|| {
        Error::new(Cause::DeviceError, "the store holds facts that cannot be understood")
    })
}

/// Facts as a blob.
///
/// # Errors
/// `DeviceError`, which the types rule out.
pub(super) fn write<T: Serialize>(facts: &T) -> Result<Vec<u8>> {
    toml::to_string(facts).map(String::into_bytes).map_err(|error| {
        Error::new(Cause::DeviceError, format!("facts that cannot be written: {error}"))
    })
}

impl HsmFacts {
    /// Numbers of containers: those that are kept, and for partitions of older stores the lowest
    /// that are free, in the order of their serial numbers.
    pub(super) fn numbered<'a>(
        &self,
        serials: impl Iterator<Item = &'a str>,
    ) -> Vec<(u64, String)> {
        let serials: Vec<&str> = serials.collect();
        let mut all = Vec::new();
        let own = |serial: &str| {
            self.partitions.get(serial).map(|of| of.number).filter(|number| *number != 0)
        };
        let mut taken: Vec<u64> = serials.iter().filter_map(|serial| own(serial)).collect();
        for serial in serials {
            let number = own(serial).unwrap_or_else(|| {
                let free = lowest_free(&taken);
                taken.push(free);
                free
            });
            all.push((number, serial.to_owned()));
        }
        all.sort();
        all
    }
}

/// The lowest number from 1 on that is not taken.
pub(super) fn lowest_free(taken: &[u64]) -> u64 {
    (1..).find(|number| !taken.contains(number)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_as_text() {
        let mut facts = HsmFacts { clock_offset: -5, ..HsmFacts::default() };
        facts.audit = Some(AuditFacts { secret: vec![0, 255], ..AuditFacts::default() });
        facts.destructive.insert("12".into(), (true, false));
        assert_eq!(read::<HsmFacts>(&write(&facts).unwrap()).unwrap(), facts);
        let mut of = PartitionFacts { number: 2, ..PartitionFacts::default() };
        of.activated.insert("1".into(), Activation { restarts: 3, long_outages: 0 });
        facts.partitions.insert("123".into(), of);
        assert_eq!(read::<HsmFacts>(&write(&facts).unwrap()).unwrap(), facts);
    }

    #[test]
    fn an_empty_blob_is_all_defaults_and_a_strange_one_is_refused() {
        assert_eq!(read::<HsmFacts>(&[]).unwrap(), HsmFacts::default());
        assert_eq!(read::<HsmFacts>(b"later = 1").unwrap(), HsmFacts::default());
        assert!(read::<HsmFacts>(&[0xff]).is_err());
        assert!(read::<HsmFacts>(b"tampered = 'perhaps'").is_err());
    }

    #[test]
    fn containers_keep_their_numbers() {
        let mut facts = HsmFacts::default();
        let first = PartitionFacts { number: 1, ..PartitionFacts::default() };
        facts.partitions.insert("30".into(), first);
        let numbered = facts.numbered(["10", "20", "30"].into_iter());
        let wanted = [(1, "30"), (2, "10"), (3, "20")];
        assert_eq!(numbered, wanted.map(|(number, serial)| (number, serial.to_owned())));
    }
}
