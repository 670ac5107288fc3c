//! The emulator's profile files, read as any other program may read them: what a firmware and a client do, each
//! datum with how far it can be trusted.
//!
//! The format is the emulator's; its own documentation stands at the top of `emulator/profiles/luna-7.4.0.toml`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use luna_client::MechanismType;
use luna_client::ck::*;
use serde::Deserialize;

use crate::check::Mark;

/// The built-in profiles: name and text.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("luna-7.4.0-ped", include_str!("../../../emulator/profiles/luna-7.4.0-ped.toml")),
    ("luna-7.8.4-ped", include_str!("../../../emulator/profiles/luna-7.8.4-ped.toml")),
    ("luna-7.9.0-ped", include_str!("../../../emulator/profiles/luna-7.9.0-ped.toml")),
    ("luna-cloud", include_str!("../../../emulator/profiles/luna-cloud.toml")),
    ("luna-7.4.0", include_str!("../../../emulator/profiles/luna-7.4.0.toml")),
    ("luna-7.8.4", include_str!("../../../emulator/profiles/luna-7.8.4.toml")),
    ("luna-7.9.0", include_str!("../../../emulator/profiles/luna-7.9.0.toml")),
];

/// The built-in profiles that stand for a firmware; the others differ in what a firmware's number does not tell.
pub const BY_FIRMWARE: &[&str] = &["luna-7.4.0", "luna-7.8.4", "luna-7.9.0"];

/// A firmware with a client.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// As in `luna-7.4.0`.
    pub name: String,
    /// Texts a client sees, by their key.
    pub strings: BTreeMap<String, String>,
    /// Firmware: major, minor, sub-minor.
    pub firmware: Vec<u64>,
    /// Client: major, minor.
    pub client: Vec<u64>,
    /// Cryptoki: major, minor.
    pub cryptoki: Vec<u64>,
    /// Bounds, by their key.
    pub limits: BTreeMap<String, u64>,
    /// Partition policies, by number.
    pub partition_policies: BTreeMap<u64, Policy>,
    /// HSM policies, by number.
    pub hsm_policies: BTreeMap<u64, Policy>,
    /// How roles prove who they are; by passwords where it is silent.
    pub authentication: Option<String>,
    /// Mechanisms, by number.
    pub mechanisms: BTreeMap<MechanismType, Row>,
}

/// A policy and its capability.
#[derive(Debug, Clone, Deserialize)]
pub struct Policy {
    /// Its number.
    pub id: u64,
    /// What follows "Enable" and "Allow".
    pub text: String,
    /// What the factory allows.
    pub capability: u64,
    /// What a new partition starts with.
    pub policy: u64,
    /// `none`, `off-on`, `on-off`, `both`.
    pub destructive: String,
    /// Shown on HSMs of this authentication alone.
    pub only: Option<String>,
    /// How far it can be trusted.
    pub source: Mark,
}

/// A mechanism.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// `CKM_…`.
    pub name: String,
    /// Its number.
    pub kind: MechanismType,
    /// `encrypt|decrypt`.
    pub functions: String,
    /// Smallest key.
    pub min: u64,
    /// Largest key.
    pub max: u64,
    /// Functions in FIPS mode; not offered there without.
    pub fips: Option<String>,
    /// Smallest key in FIPS mode.
    pub fips_min: Option<u64>,
    /// Smallest key in FIPS mode for what is old.
    pub fips_legacy_min: Option<u64>,
    /// How far it can be trusted.
    pub source: Mark,
}

#[derive(Deserialize)]
struct File {
    name: String,
    extends: Option<String>,
    #[serde(default)]
    strings: BTreeMap<String, toml::Value>,
    #[serde(default)]
    versions: BTreeMap<String, toml::Value>,
    #[serde(default)]
    limits: BTreeMap<String, toml::Value>,
    #[serde(default)]
    features: BTreeMap<String, toml::Value>,
    #[serde(default)]
    partition_policies: Vec<Policy>,
    #[serde(default)]
    hsm_policies: Vec<Policy>,
    #[serde(default)]
    offer: Offer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Offer {
    mechanisms: Vec<Row>,
    gone: Vec<String>,
}

/// Words of `functions`, and their flags.
pub const FUNCTIONS: &[(&str, CK_FLAGS)] = &[
    ("encrypt", CKF_ENCRYPT),
    ("decrypt", CKF_DECRYPT),
    ("digest", CKF_DIGEST),
    ("sign", CKF_SIGN),
    ("sign_recover", CKF_SIGN_RECOVER),
    ("verify", CKF_VERIFY),
    ("verify_recover", CKF_VERIFY_RECOVER),
    ("generate", CKF_GENERATE),
    ("generate_key_pair", CKF_GENERATE_KEY_PAIR),
    ("wrap", CKF_WRAP),
    ("unwrap", CKF_UNWRAP),
    ("derive", CKF_DERIVE),
];

/// The flags of `encrypt|decrypt`. Words without a flag of the standard (`encapsulate`) have none.
pub fn flags(functions: &str) -> CK_FLAGS {
    let flag = |word: &str| FUNCTIONS.iter().find(|row| row.0 == word).map_or(0, |row| row.1);
    functions.split('|').map(|word| flag(word.trim())).fold(0, |all, flag| all | flag)
}

impl Profile {
    /// A profile from its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        let mut profile = Self::whole(text)?;
        let own = profile.authentication.clone().unwrap_or_else(|| "password".to_owned());
        let shown = |policy: &Policy| policy.only.as_ref().is_none_or(|only| *only == own);
        profile.partition_policies.retain(|_, policy| shown(policy));
        profile.hsm_policies.retain(|_, policy| shown(policy));
        Ok(profile)
    }

    /// The same with what another authentication would show, for files that extend it.
    fn whole(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).context("not a profile")?;
        let mut profile = match &file.extends {
            Some(base) => Self::whole(built_in(base)?)?,
            None => Self::default(),
        };
        profile.name = file.name;
        // A datum stands alone, or with its source beside it.
        let bare = |value: toml::Value| match value {
            toml::Value::Table(mut table) => {
                table.remove("value").unwrap_or(toml::Value::Table(table))
            }
            bare => bare,
        };
        let texts = file.strings.into_iter().map(|(key, value)| (key, bare(value)));
        profile
            .strings
            .extend(texts.filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))));
        for (key, value) in file.versions {
            let value = bare(value);
            let numbers = value.as_array().into_iter().flatten();
            let numbers: Vec<u64> =
                numbers.filter_map(|number| number.as_integer()?.try_into().ok()).collect();
            match key.as_str() {
                "firmware" => profile.firmware = numbers,
                "client" => profile.client = numbers,
                "cryptoki" => profile.cryptoki = numbers,
                _ => {}
            }
        }
        if let Some(toml::Value::String(authentication)) =
            file.features.get("authentication").cloned().map(bare)
        {
            profile.authentication = Some(authentication);
        }
        let limits = file.limits.into_iter().map(|(key, value)| (key, bare(value)));
        profile.limits.extend(
            limits.filter_map(|(key, value)| Some((key, value.as_integer()?.try_into().ok()?))),
        );
        let by_id = |policies: Vec<Policy>| policies.into_iter().map(|policy| (policy.id, policy));
        profile.partition_policies.extend(by_id(file.partition_policies));
        profile.hsm_policies.extend(by_id(file.hsm_policies));
        profile.mechanisms.retain(|_, row| !file.offer.gone.contains(&row.name));
        profile.mechanisms.extend(file.offer.mechanisms.into_iter().map(|row| (row.kind, row)));
        Ok(profile)
    }

    /// A built-in profile.
    ///
    /// # Errors
    /// When nobody knows the name.
    pub fn built_in(name: &str) -> Result<Self> {
        Self::parse(built_in(name)?)
    }

    /// The built-in profile of a firmware: of the same, else the newest that is older.
    pub fn of_firmware(firmware: [CK_ULONG; 3]) -> Option<Self> {
        let profiles = BY_FIRMWARE.iter().filter_map(|name| Self::built_in(name).ok());
        profiles.rev().find(|profile| profile.firmware.as_slice() <= firmware.as_slice())
    }
}

/// The text of a built-in profile.
fn built_in(name: &str) -> Result<&'static str> {
    let Some((_, text)) = BUILT_IN.iter().find(|row| row.0 == name) else {
        let known: Vec<_> = BUILT_IN.iter().map(|row| row.0).collect();
        bail!("no profile is called `{name}`; there is {}", known.join(", "))
    };
    Ok(*text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_profiles_are_read_as_the_emulator_writes_them() {
        for (name, _) in BUILT_IN {
            let profile = Profile::built_in(name).unwrap();
            assert_eq!(profile.name, *name);
            assert!(profile.mechanisms.len() > 150 && profile.partition_policies.len() > 15);
            for row in profile.mechanisms.values() {
                assert_eq!(names::ckm(row.kind), row.name);
            }
        }
        assert_eq!(Profile::of_firmware([7, 8, 5]).unwrap().name, "luna-7.8.4");
        assert!(Profile::of_firmware([6, 0, 0]).is_none());
    }
}
