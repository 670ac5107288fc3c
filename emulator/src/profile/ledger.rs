//! Every datum of a profile with its source: to be shown, counted and compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::{Destructive, Policy, Profile, Provenance};
use crate::mechanisms::Functions;
use crate::mechanisms::offer::Datum;

/// One datum.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// Where it stands, as in `limits.max_sessions` or `mechanisms.CKM_AES_CBC`.
    pub key: String,
    /// What it says, for a reader.
    pub value: String,
    /// How far it can be trusted.
    pub source: Provenance,
}

/// How many data are of each source.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names are those of the sources")]
pub struct Shares {
    pub documented: usize,
    pub sample: usize,
    pub observed: usize,
    pub recalled: usize,
    pub assumed: usize,
}

/// A datum that two profiles do not agree on; none where one does not have it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// Where it stands.
    pub key: String,
    /// What the first says.
    pub left: Option<String>,
    /// What the second says.
    pub right: Option<String>,
}

impl Shares {
    /// All together.
    pub fn all(&self) -> usize {
        self.documented + self.sample + self.observed + self.recalled + self.assumed
    }

    /// How many of one source.
    pub fn of(&self, source: Provenance) -> usize {
        match source {
            Provenance::Documented => self.documented,
            Provenance::Sample => self.sample,
            Provenance::Observed => self.observed,
            Provenance::Recalled => self.recalled,
            Provenance::Assumed => self.assumed,
        }
    }

    /// The share of one source in percent, rounded.
    pub fn percent(&self, source: Provenance) -> usize {
        (self.of(source) * 100 + self.all() / 2).checked_div(self.all()).unwrap_or(0)
    }

    fn count(&mut self, source: Provenance) {
        let place = match source {
            Provenance::Documented => &mut self.documented,
            Provenance::Sample => &mut self.sample,
            Provenance::Observed => &mut self.observed,
            Provenance::Recalled => &mut self.recalled,
            Provenance::Assumed => &mut self.assumed,
        };
        *place += 1;
    }
}

impl Profile {
    /// Every datum, table by table.
    pub fn entries(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        all.extend(self.strings.entries());
        all.extend(self.versions.entries());
        all.extend(self.limits.entries());
        all.extend(self.flags.entries());
        all.extend(self.features.entries());
        all.extend(self.codes.entries());
        for (table, rows) in
            [("partition_policies", &self.partition_policies), ("hsm_policies", &self.hsm_policies)]
        {
            all.extend(rows.iter().map(|row| policy(table, row)));
        }
        for kind in &self.order {
            let datum = self.mechanisms.get(kind);
            let source = self.mechanism_sources.get(kind);
            if let (Some(datum), Some(source)) = (datum, source) {
                all.push(Entry {
                    key: format!("mechanisms.{}", luna_ck::names::ckm(*kind)),
                    value: mechanism(datum),
                    source: *source,
                });
            }
        }
        all
    }

    /// How many data are of each source.
    pub fn shares(&self) -> Shares {
        let mut shares = Shares::default();
        for entry in self.entries() {
            shares.count(entry.source);
        }
        shares
    }

    /// Where another profile says something else, by key. Sources are not compared.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let by_key = |profile: &Self| -> BTreeMap<String, String> {
            profile.entries().into_iter().map(|entry| (entry.key, entry.value)).collect()
        };
        let (left, right) = (by_key(self), by_key(other));
        let keys: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
        keys.into_iter()
            .filter(|key| left.get(*key) != right.get(*key))
            .map(|key| Difference {
                key: key.clone(),
                left: left.get(key).cloned(),
                right: right.get(key).cloned(),
            })
            .collect()
    }
}

fn policy(table: &str, row: &Policy) -> Entry {
    let destructive = match row.destructive {
        Destructive::None => "",
        Destructive::OffOn => ", destructive when switched on",
        Destructive::OnOff => ", destructive when switched off",
        Destructive::Both => ", destructive",
    };
    let only = row.only.map_or(String::new(), |only| format!(", with {only:?} alone"));
    let fixed = if row.fixed { ", no policy of its own" } else { "" };
    let since = row.since.as_ref().map_or(String::new(), |since| format!(", since {since}"));
    Entry {
        key: format!("{table}.{}", row.id),
        value: format!(
            "{}: capability {}, starts as {}{destructive}{fixed}{only}{since}",
            row.text, row.capability, row.policy
        ),
        source: row.source,
    }
}

fn mechanism(datum: &Datum) -> String {
    let words = |functions: Functions| {
        let names = functions.iter_names().map(|(name, _)| name.to_lowercase());
        names.collect::<Vec<_>>().join("|")
    };
    let mut value =
        format!("{}, {} to {} bits", words(datum.functions), datum.min_bits, datum.max_bits);
    if datum.former {
        value.push_str("; in its former form");
    }
    match datum.fips_functions {
        None => value.push_str("; not in FIPS mode"),
        Some(left) => {
            let _ = write!(
                value,
                "; FIPS: {}, from {} ({} to verify and decrypt)",
                words(left),
                datum.fips_min_bits,
                datum.fips_legacy_min_bits
            );
        }
    }
    value
}

/// The README's table: a row a profile, the share of each source in percent.
pub fn shares_table(profiles: &[Profile]) -> String {
    let mut table = String::from("| profile | data |");
    for source in Provenance::ALL {
        let _ = write!(table, " {} |", source.word());
    }
    table.push_str("\n|---|---|---|---|---|---|---|\n");
    for profile in profiles {
        let shares = profile.shares();
        let _ = write!(table, "| `{}` | {} |", profile.name, shares.all());
        for source in Provenance::ALL {
            let _ = write!(table, " {} % |", shares.percent(source));
        }
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{DEFAULT, names};

    fn all() -> Vec<Profile> {
        names().into_iter().map(|name| Profile::built_in(name).unwrap()).collect()
    }

    #[test]
    fn every_datum_is_listed_once() {
        for profile in all() {
            let keys: Vec<String> = profile.entries().into_iter().map(|it| it.key).collect();
            let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
            assert_eq!(distinct.len(), keys.len(), "{}", profile.name);
            let rows =
                profile.order.len() + profile.partition_policies.len() + profile.hsm_policies.len();
            assert!(keys.len() > rows + 40, "{}", profile.name);
            assert_eq!(profile.shares().all(), keys.len());
        }
    }

    #[test]
    fn a_profile_differs_from_its_base_by_what_it_says() {
        let base = Profile::built_in(DEFAULT).unwrap();
        assert_eq!(base.differences(&base), []);
        let ped = Profile::built_in("luna-7.4.0-ped").unwrap();
        let found = base.differences(&ped);
        let of = |key: &str| found.iter().find(|it| it.key == key).unwrap();
        assert_eq!(of("features.authentication").right.as_deref(), Some("ped"));
        assert_eq!(of("hsm_policies.37").left, None);
        assert!(!found.iter().any(|it| it.key.starts_with("mechanisms.")));
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a switch of this test, not of the module")]
    fn the_readme_has_the_shares() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        let (from, to) = ("<!-- sources -->\n", "<!-- end of sources -->");
        let start = readme.find(from).unwrap() + from.len();
        let end = readme.find(to).unwrap();
        let mut fresh = readme.clone();
        fresh.replace_range(start..end, &format!("\n{}\n", shares_table(&all())));
        if std::env::var_os("LUNA_WRITE_README").is_some() {
            std::fs::write(path, &fresh).unwrap();
        } else {
            assert!(readme == fresh, "the table is old: write it with LUNA_WRITE_README=1");
        }
    }
}
