//! What a firmware and client version does, as data.
//!
//! A profile is a TOML file; the built-in ones lie in `emulator/profiles`. Every datum there says
//! how far it can be trusted. This room parses; others decide by it.

use std::collections::HashMap;

use serde::Deserialize;

use crate::ck::CK_MECHANISM_TYPE;
use crate::mechanisms::offer::Datum;
use crate::mechanisms::{Functions, current};

/// The default: the integration guide's own HSM.
pub const DEFAULT: &str = "luna-7.4.0";

static BUILT_IN: &[(&str, &str)] = &[(DEFAULT, include_str!("../profiles/luna-7.4.0.toml"))];

/// One firmware with one client.
#[derive(Debug)]
pub struct Profile {
    /// `luna-7.4.0`.
    pub name: String,
    /// Texts.
    pub strings: Strings,
    /// Version numbers.
    pub versions: Versions,
    /// Bounds.
    pub limits: Limits,
    /// Partition policies that show, by number.
    pub partition_policies: Vec<Policy>,
    /// HSM policies, by number.
    pub hsm_policies: Vec<Policy>,
    /// Mechanisms in the order the profile lists them.
    pub order: Vec<CK_MECHANISM_TYPE>,
    /// What the firmware says of each.
    pub mechanisms: HashMap<CK_MECHANISM_TYPE, Datum>,
}

/// Texts a client sees.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strings {
    /// `CK_TOKEN_INFO.model` of a partition.
    pub token_model: String,
    /// The same of an HA group.
    pub group_model: String,
    /// `CK_SLOT_INFO.slotDescription` of a partition.
    pub slot_description: String,
    /// The same of an HA group.
    pub group_slot_description: String,
    /// `CK_SLOT_INFO.manufacturerID`.
    pub slot_manufacturer: String,
    /// `CK_TOKEN_INFO.manufacturerID`.
    pub token_manufacturer: String,
    /// `CK_INFO.manufacturerID`.
    pub library_manufacturer: String,
    /// `CK_INFO.libraryDescription`.
    pub library_description: String,
}

/// Version numbers.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// Firmware: major, minor, sub-minor.
    pub firmware: [u8; 3],
    /// Client: major, minor.
    pub client: [u8; 2],
    /// Cryptoki: major, minor.
    pub cryptoki: [u8; 2],
}

/// Bounds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a partition.
    pub partition_bytes: u64,
    /// Sessions of one application on one partition.
    pub max_sessions: u64,
    /// Bytes of randomness in one call.
    pub max_random: u64,
    /// Wrong Partition SO credentials before the partition is zeroised.
    pub partition_so_attempts: u32,
}

/// A policy and the capability that bounds it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its number.
    pub id: u32,
    /// What follows "Enable" and "Allow".
    pub text: String,
    /// What the factory allows.
    pub capability: u64,
    /// What a new partition or HSM starts with.
    pub policy: u64,
    /// Which change of it wipes the partition or the HSM.
    pub destructive: Destructive,
    /// How far the datum can be trusted.
    pub source: Provenance,
}

/// Which change of a policy wipes what it governs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Destructive {
    /// Neither.
    None,
    /// Switching it on.
    OffOn,
    /// Switching it off.
    OnOff,
    /// Either.
    Both,
}

/// How far a datum can be trusted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// A vendor page says so.
    Documented,
    /// A vendor's code sample says so.
    Sample,
    /// A device said so.
    Observed,
    /// From memory.
    Recalled,
    /// Our choice.
    Assumed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    format: u32,
    strings: Strings,
    versions: Versions,
    limits: Limits,
    partition_policies: Vec<Policy>,
    hsm_policies: Vec<Policy>,
    offer: OfferTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferTable {
    mechanisms: Vec<MechanismRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MechanismRow {
    name: String,
    kind: CK_MECHANISM_TYPE,
    /// The number older clients use; `mechanisms::current` knows it, or the profile is wrong.
    old: Option<CK_MECHANISM_TYPE>,
    functions: String,
    min: u64,
    max: u64,
    fips: Option<String>,
    fips_min: Option<u64>,
    fips_legacy_min: Option<u64>,
    #[allow(dead_code, reason = "kept so that a row without it is refused")]
    source: Provenance,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Nobody knows the name.
    #[error("no profile is called `{0}`; there is {known}", known = names().join(", "))]
    Unknown(String),
    /// The file is wrong: `toml` names line and column, and shows them.
    #[error("profile {name}: {source}")]
    Syntax {
        /// The profile or its file.
        name: String,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A datum makes no sense.
    #[error("profile {name}: {what}")]
    Wrong {
        /// The profile or its file.
        name: String,
        /// Which datum, and what was expected.
        what: String,
    },
}

/// The names of the built-in profiles.
pub fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

impl Profile {
    /// The built-in profile of that name.
    ///
    /// # Errors
    /// `Unknown` names those there are.
    pub fn built_in(name: &str) -> Result<Self, ProfileError> {
        let (name, text) = BUILT_IN
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| ProfileError::Unknown(name.to_owned()))?;
        Self::parse(name, text)
    }

    /// A profile from the text of its file; `origin` names it in errors.
    ///
    /// # Errors
    /// `Syntax` with line and column, `Wrong` naming the row.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ProfileError> {
        let file: File = toml::from_str(text).map_err(|source| ProfileError::Syntax {
            name: origin.to_owned(),
            source: Box::new(source),
        })?;
        let wrong = |what: String| ProfileError::Wrong { name: origin.to_owned(), what };
        if file.format != 1 {
            return Err(wrong(format!("format {}; this release knows 1", file.format)));
        }
        let mut order = Vec::new();
        let mut mechanisms = HashMap::new();
        for row in &file.offer.mechanisms {
            let functions = |words: &str| {
                Functions::parse(words).ok_or_else(|| {
                    wrong(format!(
                        "{}: `{words}` is no list of functions (encrypt|decrypt|...)",
                        row.name
                    ))
                })
            };
            let fips_min_bits = row.fips_min.unwrap_or(row.min);
            let datum = Datum {
                functions: functions(&row.functions)?,
                fips_functions: row.fips.as_deref().map(functions).transpose()?,
                min_bits: row.min,
                max_bits: row.max,
                fips_min_bits,
                fips_legacy_min_bits: row.fips_legacy_min.unwrap_or(fips_min_bits),
            };
            if let Some(old) = row.old
                && current(old) != row.kind
            {
                return Err(wrong(format!("{}: no client calls it {old:#x}", row.name)));
            }
            if mechanisms.insert(row.kind, datum).is_some() {
                return Err(wrong(format!("{} stands there twice", row.name)));
            }
            order.push(row.kind);
        }
        Ok(Self {
            name: file.name,
            strings: file.strings,
            versions: file.versions,
            limits: file.limits,
            partition_policies: file.partition_policies,
            hsm_policies: file.hsm_policies,
            order,
            mechanisms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_profiles_parse_and_offer_what_the_registry_serves() {
        for name in super::names() {
            let profile = Profile::built_in(name).unwrap();
            assert_eq!(profile.name, name);
            for row in crate::mechanisms::rows() {
                let kind = luna_ck::names::ckm(row.kind);
                assert!(profile.mechanisms.contains_key(&row.kind), "{name} lacks {kind}");
            }
        }
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_line() {
        let text =
            include_str!("../profiles/luna-7.4.0.toml").replace("format = 1", "format = \"x\"");
        let error = Profile::parse("mine.toml", &text).unwrap_err().to_string();
        assert!(error.contains("mine.toml") && error.contains("line 10"), "{error}");
    }
}
