//! What a firmware and client version does, as data.
//!
//! A profile is a TOML file; the built-in ones lie in `emulator/profiles`. Every datum there says
//! how far it can be trusted. One may extend another by name and then says only what differs.
//! `file` parses, `data` has the tables, `ledger` lists every datum with its source; others decide by
//! what comes of it.
//!
//! An HSM keeps what it was made with: the name of a built-in profile, or the text of a file of the
//! user's ([`Profile::recorded`]), so that a file that moves or changes does not change an HSM.

mod data;
mod file;
mod ledger;
mod place;

use std::collections::HashMap;

use serde::Deserialize;

pub use self::data::{
    Authentication, Code, Codes, Features, FlagWords, Flags, Limits, Strings, Versions,
};
pub use self::ledger::{Difference, Entry, Shares, shares_table};
use crate::ck::CK_MECHANISM_TYPE;
pub use crate::error::Provenance;
use crate::mechanisms::offer::Datum;

/// The default: the integration guide's own HSM.
pub const DEFAULT: &str = "luna-7.4.0";

static BUILT_IN: &[(&str, &str)] = &[
    (DEFAULT, include_str!("../profiles/luna-7.4.0.toml")),
    ("luna-7.4.0-ped", include_str!("../profiles/luna-7.4.0-ped.toml")),
    ("luna-7.8.4", include_str!("../profiles/luna-7.8.4.toml")),
    ("luna-7.8.4-ped", include_str!("../profiles/luna-7.8.4-ped.toml")),
    ("luna-7.9.0", include_str!("../profiles/luna-7.9.0.toml")),
    ("luna-7.9.0-ped", include_str!("../profiles/luna-7.9.0-ped.toml")),
    ("luna-cloud", include_str!("../profiles/luna-cloud.toml")),
];

/// One firmware with one client.
#[derive(Debug)]
pub struct Profile {
    /// `luna-7.4.0`.
    pub name: String,
    /// The profile it says its difference from.
    pub extends: Option<String>,
    /// Texts.
    pub strings: Strings,
    /// Version numbers.
    pub versions: Versions,
    /// Bounds.
    pub limits: Limits,
    /// Flags that do not depend on a state.
    pub flags: Flags,
    /// What the product is, where that is no number.
    pub features: Features,
    /// How roles prove who they are, where the HSM's own record does not say: the feature of that name.
    pub authentication: Authentication,
    /// Codes where the sources leave a choice.
    pub codes: Codes,
    /// Partition policies that show, by number.
    pub partition_policies: Vec<Policy>,
    /// HSM policies, by number.
    pub hsm_policies: Vec<Policy>,
    /// Mechanisms in the order the profile lists them.
    pub order: Vec<CK_MECHANISM_TYPE>,
    /// What the firmware says of each.
    pub mechanisms: HashMap<CK_MECHANISM_TYPE, Datum>,
    /// How far that can be trusted.
    mechanism_sources: HashMap<CK_MECHANISM_TYPE, Provenance>,
    /// What an HSM keeps of it.
    recorded: String,
}

/// A policy and the capability that bounds it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its number.
    pub id: u32,
    /// What follows "Enable" and "Allow".
    pub text: String,
    /// What the factory allows; 0: the policy does not show.
    pub capability: u64,
    /// What a new partition or HSM starts with.
    pub policy: u64,
    /// Which change of it wipes the partition or the HSM.
    pub destructive: Destructive,
    /// A capability that no policy follows.
    #[serde(default)]
    pub fixed: bool,
    /// Shown on HSMs of this authentication alone.
    #[serde(default)]
    pub only: Option<Authentication>,
    /// The firmware that brought it, where it came after 7.0.
    pub since: Option<String>,
    /// How far the datum can be trusted.
    pub source: Provenance,
}

impl Policy {
    /// Whether an HSM of that authentication has it at all.
    pub fn is_on(&self, authentication: Authentication) -> bool {
        self.capability != 0 && self.only.is_none_or(|only| only == authentication)
    }
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

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Nobody knows the name.
    #[error("no profile is called `{0}`; there is {known}", known = names().join(", "))]
    Unknown(String),
    /// A place in the file is wrong.
    #[error("{file}:{line}: {key}{what}", key = key.as_ref().map_or(String::new(), |key| format!("{key}: ")))]
    Wrong {
        /// The file, or the profile's name.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Table and key, as in `limits.max_sessions`, or the row.
        key: Option<String>,
        /// What is there, and what was expected.
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
        let mut profile = file::parse(name, text)?;
        (*name).clone_into(&mut profile.recorded);
        Ok(profile)
    }

    /// A profile from the text of its file; `origin` names it in errors.
    ///
    /// # Errors
    /// `Wrong` with file, line and key, also for a base nobody knows.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ProfileError> {
        file::parse(origin, text)
    }

    /// Whether the HSM is a Luna Cloud HSM.
    pub fn is_cloud(&self) -> bool {
        self.versions.cryptovisor != [0, 0, 0]
    }

    /// The profile that an HSM keeps: a built-in one by its name, another by its text.
    ///
    /// # Errors
    /// Those of [`Profile::built_in`] and [`Profile::parse`].
    pub fn of_record(recorded: &str) -> Result<Self, ProfileError> {
        // No name has a line end, and no file is without one key on a line.
        if recorded.contains(['\n', '=']) {
            Self::parse("the HSM's own profile", recorded)
        } else {
            Self::built_in(recorded)
        }
    }

    /// What an HSM keeps of it, for [`Profile::of_record`].
    pub fn recorded(&self) -> &str {
        &self.recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ck::*;

    #[test]
    fn built_in_profiles_parse_and_offer_what_the_registry_serves() {
        let profiles: Vec<_> =
            names().into_iter().map(|name| Profile::built_in(name).unwrap()).collect();
        for (profile, name) in profiles.iter().zip(names()) {
            assert_eq!(profile.name, name);
        }
        // In the vendor's headers and in no list of a firmware; for profiles of one's own.
        let unlisted = [
            CKM_MD5,
            CKM_CONCATENATE_BASE_AND_DATA,
            CKM_CONCATENATE_DATA_AND_BASE,
            CKM_XOR_BASE_AND_DATA,
            CKM_EXTRACT_KEY_FROM_KEY,
        ];
        for row in crate::mechanisms::rows().filter(|row| !unlisted.contains(&row.kind)) {
            let offered = profiles.iter().any(|profile| profile.mechanisms.contains_key(&row.kind));
            assert!(offered, "no profile offers {}", luna_ck::names::ckm(row.kind));
        }
    }

    #[test]
    fn a_profile_that_extends_another_says_only_what_differs() {
        let text = "name = 'mine'\nformat = 1\nextends = 'luna-7.4.0'\n\
            [versions]\nfirmware = { value = [7, 7, 1], source = 'documented' }\n\
            [[partition_policies]]\nid = 43\ntext = 'non-FIPS algorithms'\n\
            capability = 1\npolicy = 0\ndestructive = 'off-on'\nsource = 'documented'\n\
            [offer]\ngone = ['CKM_MD2']\nmechanisms = [{ name = 'CKM_SHA_1', kind = 0x220, \
            functions = 'digest', min = 0, max = 0, source = 'assumed' }]\n";
        let base = Profile::built_in(DEFAULT).unwrap();
        let mine = Profile::parse("mine.toml", text).unwrap();
        assert_eq!((mine.versions.firmware, mine.versions.client), ([7, 7, 1], [10, 2]));
        assert_eq!(mine.partition_policies.len(), base.partition_policies.len() + 1);
        assert_eq!(mine.mechanisms.len(), base.mechanisms.len() - 1);
        assert!(mine.mechanisms[&CKM_SHA_1].fips_functions.is_none());
        assert!(base.mechanisms[&CKM_SHA_1].fips_functions.is_some());
        // An HSM that was made with it knows it by its text.
        assert_eq!(mine.recorded(), text);
        assert_eq!(Profile::of_record(mine.recorded()).unwrap().name, "mine");
        assert_eq!(base.recorded(), DEFAULT);
        let lonely = text.replace("extends = 'luna-7.4.0'\n", "");
        let error = Profile::parse("mine.toml", &lonely).unwrap_err().to_string();
        assert!(error.contains("mine.toml") && error.contains("strings.token_model"), "{error}");
    }

    /// A file that says little, and where each of its wrong versions is wrong.
    #[test]
    fn a_wrong_file_is_refused_with_line_key_and_what_was_expected() {
        let text = "name = 'mine'\nformat = 1\nextends = 'luna-7.4.0'\n\n[limits]\n\
            max_sessions = { value = 16, source = 'observed' }\n\n[codes]\n\
            role_locked_out = { value = 'CKR_USER_LOCKED_OUT', source = 'observed' }\n\n\
            [flags]\ntoken = { value = 'CKF_RNG', source = 'observed' }\n\n[offer]\n\
            gone = ['CKM_MD2']\nmechanisms = [\n    { name = 'CKM_SHA_1', kind = 0x220, \
            functions = 'digest', min = 0, max = 0, source = 'assumed' },\n]\n\n\
            [[partition_policies]]\nid = 22\ntext = 'activation'\ncapability = 1\npolicy = 0\n\
            destructive = 'none'\nsource = 'documented'\n";
        let mine = Profile::parse("mine.toml", text).unwrap();
        assert_eq!(mine.codes.role_locked_out.cause, crate::error::Cause::UserLockedOut);
        for (right, wrong, place, expected) in [
            ("format = 1", "format = 'x'", "mine.toml:2: format", "u32"),
            ("format = 1", "format = 7", "mine.toml:2: format", "1"),
            ("'luna-7.4.0'", "'luna-9'", "mine.toml:3: extends", "luna-7.8.4"),
            ("value = 16", "value = 'many'", "mine.toml:6: limits.max_sessions", "u64"),
            ("'observed' }\n\n[codes]", "'guess' }\n\n[codes]", "mine.toml:6", "`assumed`"),
            ("{ value = 16, source = 'observed' }", "16", "mine.toml:6: limits.max", "source"),
            ("max_sessions", "most_sessions", "mine.toml:6", "`max_sessions`"),
            ("CKR_USER_LOCKED_OUT", "CKR_NONE", "mine.toml:9: codes.role_locked", "CKR_PIN_LOCKED"),
            ("'CKF_RNG'", "'CKF_NONE'", "mine.toml:12: flags.token", "CKF_LOGIN_REQUIRED"),
            ("'CKM_MD2'", "'CKM_NONE'", "mine.toml:15: offer.gone", "base offers"),
            ("'digest'", "'digets'", "mine.toml:17: offer.mechanisms", "digest"),
            ("min = 0", "min = 1", "mine.toml:17: offer.mechanisms", "least"),
            ("0x220", "0x221", "mine.toml:17: offer.mechanisms", "CKM_SHA_1"),
            ("'none'", "'never'", "mine.toml:25: partition_policies", "`off-on`"),
            ("id = 22", "id = 22\nextra = 1", "mine.toml:22: partition_policies", "`capability`"),
        ] {
            let text = text.replacen(right, wrong, 1);
            let error = Profile::parse("mine.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with(place), "{wrong}: {error}");
            assert!(error.contains(expected), "{wrong}: {error}");
        }
    }
}
