//! What a firmware and client version does, as data.
//!
//! A profile is a TOML file; the built-in ones lie in `emulator/profiles`. Every datum there says
//! how far it can be trusted. One may extend another by name and then says only what differs.
//! `file` parses; others decide by what comes of it.

mod file;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::ck::CK_MECHANISM_TYPE;
use crate::mechanisms::offer::Datum;

/// The default: the integration guide's own HSM.
pub const DEFAULT: &str = "luna-7.4.0";

static BUILT_IN: &[(&str, &str)] = &[
    (DEFAULT, include_str!("../profiles/luna-7.4.0.toml")),
    ("luna-7.8.4", include_str!("../profiles/luna-7.8.4.toml")),
    ("luna-7.9.0", include_str!("../profiles/luna-7.9.0.toml")),
];

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
    /// How roles prove who they are, where the HSM's own record does not say.
    pub authentication: Authentication,
    /// Partition policies that show, by number.
    pub partition_policies: Vec<Policy>,
    /// HSM policies, by number.
    pub hsm_policies: Vec<Policy>,
    /// Mechanisms in the order the profile lists them.
    pub order: Vec<CK_MECHANISM_TYPE>,
    /// What the firmware says of each.
    pub mechanisms: HashMap<CK_MECHANISM_TYPE, Datum>,
}

/// A table of a profile, and the same table in a file that extends another, where a key that is not
/// given stays as it was.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident, $over:ident { $($(#[$about:meta])* $key:ident: $kind:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[$about])* pub $key: $kind,)+
        }

        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct $over {
            $($key: Option<$kind>,)+
        }

        impl $over {
            /// What is given here, else what the base has; the first key that neither has.
            fn over(self, base: Option<&$name>) -> Result<$name, &'static str> {
                Ok($name {
                    $($key: match (self.$key, base) {
                        (Some(own), _) => own,
                        (None, Some(base)) => base.$key.clone(),
                        (None, None) => return Err(stringify!($key)),
                    },)+
                })
            }
        }
    };
}

table! {
    /// Texts a client sees.
    Strings, StringsOver {
        /// `CK_TOKEN_INFO.model` of a partition.
        token_model: String,
        /// The same of an HA group.
        group_model: String,
        /// `CK_SLOT_INFO.slotDescription` of a partition.
        slot_description: String,
        /// The same of an HA group.
        group_slot_description: String,
        /// The same of an admin partition.
        admin_slot_description: String,
        /// `CK_SLOT_INFO.manufacturerID`.
        slot_manufacturer: String,
        /// `CK_TOKEN_INFO.manufacturerID`.
        token_manufacturer: String,
        /// `CK_INFO.manufacturerID`.
        library_manufacturer: String,
        /// `CK_INFO.libraryDescription`.
        library_description: String,
    }
}

table! {
    /// Version numbers.
    Versions, VersionsOver {
        /// Firmware: major, minor, sub-minor.
        firmware: [u8; 3],
        /// Client: major, minor.
        client: [u8; 2],
        /// Cryptoki: major, minor.
        cryptoki: [u8; 2],
    }
}

table! {
    /// Bounds.
    Limits, LimitsOver {
        /// Bytes of a partition.
        partition_bytes: u64,
        /// Sessions of one application on one partition.
        max_sessions: u64,
        /// Bytes of randomness in one call.
        max_random: u64,
        /// Wrong Partition SO credentials before the partition is zeroised.
        partition_so_attempts: u32,
    }
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
    /// A capability that no policy follows.
    #[serde(default)]
    pub fixed: bool,
    /// Shown on HSMs of this authentication alone.
    #[serde(default)]
    pub only: Option<Authentication>,
    /// How far the datum can be trusted.
    pub source: Provenance,
}

impl Policy {
    /// Whether an HSM of that authentication has it at all.
    pub fn is_on(&self, authentication: Authentication) -> bool {
        self.capability != 0 && self.only.is_none_or(|only| only == authentication)
    }
}

/// How the roles of an HSM prove who they are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authentication {
    /// By passwords.
    #[default]
    Password,
    /// By keys of a PED, and challenges beside them.
    Ped,
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
    /// `Syntax` with line and column, `Wrong` naming the row, `Unknown` for a base nobody knows.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ProfileError> {
        file::parse(origin, text)
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
            [versions]\nfirmware = [7, 7, 1]\n\
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
        for (wrong, about) in [
            ("gone = ['CKM_NONE']", "CKM_NONE"),
            ("gone = ['CKM_MD2'], other = 1", "expected newline"),
        ] {
            let text = text.replace("gone = ['CKM_MD2']", wrong);
            let error = Profile::parse("mine.toml", &text).unwrap_err().to_string();
            assert!(error.contains(about), "{error}");
        }
        let lonely = text.replace("extends = 'luna-7.4.0'\n", "");
        let error = Profile::parse("mine.toml", &lonely).unwrap_err().to_string();
        assert!(error.contains("mine.toml") && error.contains("strings.token_model"), "{error}");
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_line() {
        let text =
            include_str!("../profiles/luna-7.4.0.toml").replace("format = 1", "format = \"x\"");
        let error = Profile::parse("mine.toml", &text).unwrap_err().to_string();
        assert!(error.contains("mine.toml") && error.contains("line 11"), "{error}");
    }
}
