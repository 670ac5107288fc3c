//! Releases of the product as data: what each calls things, where its pages stand, what it can do.
//!
//! One file a release under `okv-sim/releases`, laid over `common.toml`; every datum carries its grade and source.
//! A new release is a new file and one line in `FILES`. Nothing outside this room asks for a release by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::operation::Operation;
use crate::store::HsmSettings;
use crate::texts::{Cause, Grade};

const COMMON: &str = include_str!("../releases/common.toml");

/// Oldest first.
const FILES: [(&str, &str); 6] = [
    ("12.2.0.8", include_str!("../releases/12.2.0.8.toml")),
    ("18.1", include_str!("../releases/18.1.toml")),
    ("18.4", include_str!("../releases/18.4.toml")),
    ("18.5", include_str!("../releases/18.5.toml")),
    ("21.1", include_str!("../releases/21.1.toml")),
    ("21.3", include_str!("../releases/21.3.toml")),
];

/// What is installed unless another is named: the newest the guide certifies.
pub const NEWEST: &str = "21.3";

/// A value and how it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact<T> {
    /// The value itself.
    pub value: T,
    /// How it is known.
    pub grade: Grade,
    /// Document and page, or why it was chosen.
    pub source: String,
}

/// A text and how it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// The words on the screen.
    pub text: String,
    /// How they are known.
    pub grade: Grade,
    /// Document and page, or why they were chosen.
    pub source: String,
}

/// Where a page of the console stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MenuEntry {
    /// Order among all entries.
    pub order: u16,
    /// The tab, then what is clicked on the left.
    pub trail: Vec<String>,
}

impl MenuEntry {
    /// The page's address, as in `/system/hardware-security-module`.
    pub fn address(&self) -> String {
        self.trail.iter().map(|part| format!("/{}", slug(part))).collect()
    }

    /// The page's own name, the last of the trail.
    pub fn name(&self) -> &str {
        self.trail.last().map_or("", String::as_str)
    }

    /// The trail as the guide writes it.
    pub fn path(&self) -> String {
        self.trail.join(" \u{2192} ")
    }
}

fn slug(part: &str) -> String {
    let words = part.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// As in `18.5`: what `--release` takes.
    #[serde(default)]
    pub name: String,
    /// As in `18.5.0.0.0`: what node tables show.
    pub version: String,
    /// Grows with the release; upgrades go up only.
    pub rank: u32,
    /// The vendor list; the first entry is Luna's.
    pub vendors: Fact<Vec<String>>,
    /// Version of the Luna client that was certified with it.
    pub certified_client: Fact<String>,
    /// Whether a token can be chosen by its label; else it is the first slot.
    pub token_label: Fact<bool>,
    /// Whether it has clusters.
    pub cluster: Fact<bool>,
    /// Whether clusters were certified with Luna.
    pub cluster_certified: Fact<bool>,
    /// Whether Luna Cloud HSM was certified.
    pub cloud_hsm_certified: Fact<bool>,
    /// Whether it writes a trace file an operation.
    pub traces: Fact<bool>,
    /// Whether it checks the HSM periodically and raises an alert.
    pub alerts: Fact<bool>,
    /// Whether it can go back from the HSM.
    pub reverse_migrate: Fact<bool>,
    /// Whether the HSM page has a button to verify.
    pub verify: Fact<bool>,
    /// The KMIP operations that endpoints can ask for, by the standard's names.
    pub kmip_operations: Fact<Vec<String>>,
    /// `CKA_LABEL` of the root key.
    pub root_key_label: Fact<String>,
    /// `CKA_LABEL` of the data object with its number.
    pub key_number_label: Fact<String>,
    /// What a new backup destination has preset: `scp` or `sftp`.
    pub transfer_method: Fact<String>,
    /// Whether a server with an enabled HSM can be upgraded from here.
    pub hsm_survives_upgrade: Fact<bool>,
    /// Pages by their own id.
    pub menu: BTreeMap<String, MenuEntry>,
    /// Words of the console by their own id.
    pub words: BTreeMap<String, Word>,
    /// Messages that differ from [`crate::texts::TABLE`], by the cause's name.
    #[serde(default)]
    pub errors: BTreeMap<String, Word>,
}

impl Release {
    /// Names of all releases, oldest first.
    pub fn names() -> Vec<&'static str> {
        FILES.iter().map(|(name, _)| *name).collect()
    }

    /// The release of this name.
    ///
    /// # Errors
    /// [`Cause::ReleaseUnknown`], with the list.
    pub fn named(name: &str) -> Result<Self, Error> {
        let unknown = || {
            Error::new(Operation::Install, Cause::ReleaseUnknown)
                .with_detail(format!("{name}; there are {}", Self::names().join(", ")))
        };
        let (name, text) = FILES.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
        Self::read(name, text).map_err(|error| unknown().with_detail(error))
    }

    fn read(name: &str, text: &str) -> Result<Self, toml::de::Error> {
        let mut table: toml::Table = toml::from_str(COMMON)?;
        lay_over(&mut table, toml::from_str(text)?);
        let mut release: Self = table.try_into()?;
        name.clone_into(&mut release.name);
        if !release.cluster.value {
            release.menu.retain(|id, _| !id.starts_with("cluster"));
        }
        Ok(release)
    }

    /// The vendor list's entry for Luna.
    pub fn luna_vendor(&self) -> &str {
        self.vendors.value.first().map_or("", String::as_str)
    }

    /// A word of the console. One that is missing shows its id, so that it is noticed.
    pub fn word<'a>(&'a self, id: &'a str) -> &'a str {
        self.words.get(id).map_or(id, |word| word.text.as_str())
    }

    /// The page of this id, if the release has it.
    pub fn page(&self, id: &str) -> Option<&MenuEntry> {
        self.menu.get(id)
    }

    /// All pages in their order.
    pub fn pages(&self) -> Vec<(&str, &MenuEntry)> {
        let mut pages: Vec<_> = self.menu.iter().map(|(id, page)| (id.as_str(), page)).collect();
        pages.sort_by_key(|(_, page)| page.order);
        pages
    }

    /// An error as this release words it.
    pub fn describe(&self, error: &Error) -> String {
        match self.errors.get(error.cause.name()) {
            Some(word) => error.told_as(&word.text),
            None => error.to_string(),
        }
    }

    /// Whether the dialogs of this release can give these settings.
    pub(crate) fn accepts(
        &self,
        settings: &HsmSettings,
        operation: Operation,
    ) -> Result<(), Error> {
        let vendors = &self.vendors.value;
        if !vendors.contains(&settings.vendor) {
            let list = format!("{}; there is {}", settings.vendor, vendors.join(", "));
            return Err(Error::new(operation, Cause::VendorUnknown).with_detail(list));
        }
        if settings.token_label.is_some() && !self.token_label.value {
            let detail = format!("release {}", self.name);
            return Err(Error::new(operation, Cause::TokenLabelNotOffered).with_detail(detail));
        }
        Ok(())
    }
}

/// What `above` says counts; tables of tables are joined one level after the other, but a fact is taken whole.
fn lay_over(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new))
                if !new.contains_key("grade") && !new.contains_key("trail") =>
            {
                lay_over(old, new);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::texts::TABLE;

    #[test]
    fn every_release_can_be_read_and_they_are_in_order() {
        let releases: Vec<_> =
            FILES.iter().map(|(name, text)| Release::read(name, text).unwrap()).collect();
        assert!(releases.is_sorted_by_key(|release| release.rank));
        assert_eq!(releases.last().unwrap().name, NEWEST);
        let ids: HashSet<_> = TABLE.iter().map(|text| text.cause.name()).collect();
        for release in &releases {
            assert!(release.version.starts_with(&release.name), "{}", release.name);
            let addresses: HashSet<_> = release.menu.values().map(MenuEntry::address).collect();
            assert_eq!(addresses.len(), release.menu.len());
            for cause in release.errors.keys() {
                assert!(ids.contains(cause.as_str()), "{cause}");
            }
        }
    }

    #[test]
    fn what_the_guide_says_of_each_release() {
        for (name, vendor, label, hsm, backup, client) in [
            ("12.2.0.8", "Safenet", false, "Hardware Security Module", "System Backup", "10.2"),
            ("18.1", "Safenet", false, "Hardware Security Module", "System Backup", "10.2"),
            ("18.4", "Safenet", true, "Hardware Security Module", "System Backup", "10.2"),
            ("18.5", "Thales Luna", true, "Hardware Security Module", "System Backup", "10.2"),
            ("21.1", "Thales Luna", true, "HSM", "Backup and Restore", "10.3"),
            ("21.3", "Thales Luna", true, "HSM", "Backup and Restore", "10.4"),
        ] {
            let release = Release::named(name).unwrap();
            assert_eq!(release.luna_vendor(), vendor, "{name}");
            assert_eq!(release.token_label.value, label, "{name}");
            assert_eq!(release.page("hsm").unwrap().name(), hsm, "{name}");
            assert_eq!(release.page("backup").unwrap().name(), backup, "{name}");
            assert_eq!(release.certified_client.value, client, "{name}");
        }
        for name in Release::names() {
            let release = Release::named(name).unwrap();
            assert_eq!(release.page("cluster").is_some(), name != "12.2.0.8", "{name}");
            assert_eq!(release.cluster.value, name != "12.2.0.8", "{name}");
        }
        let certified: Vec<_> = Release::names()
            .into_iter()
            .filter(|name| Release::named(name).unwrap().cloud_hsm_certified.value)
            .collect();
        assert_eq!(certified, ["21.1"]);
        let new = Release::named("21.3").unwrap();
        assert_eq!(
            new.page("hsm").unwrap().path(),
            "System \u{2192} Settings \u{2192} Network Services \u{2192} HSM"
        );
    }

    #[test]
    fn a_release_has_texts_of_its_own() {
        let error = Error::new(Operation::Initialize, Cause::CouldNotGetSlot);
        let said = |name| Release::named(name).unwrap().describe(&error);
        assert!(said("18.1").starts_with("hsm_initialize: Could Not Get Slot for HSM. Check"));
        assert!(said("21.3").starts_with("Could Not Get Slot for HSM. Check"));
    }

    #[test]
    fn an_unknown_release_is_refused_with_the_list() {
        let error = Release::named("19.0").unwrap_err();
        assert_eq!(error.cause, Cause::ReleaseUnknown);
        for name in Release::names() {
            assert!(error.detail.contains(name), "{error}");
        }
    }
}
