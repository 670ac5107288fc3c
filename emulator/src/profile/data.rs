//! The tables of a profile: what there is to be known of a firmware and its client.
//!
//! To add a datum: a line in a table here, and in `luna-7.4.0.toml` with its source. A file that
//! extends another says only what differs.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Entry;
use crate::ck::*;
use crate::error::{Cause, Error, Provenance};

/// A value as a file gives it, with how far it can be trusted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ value = ..., source = \"documented\" }")]
pub(super) struct Sourced<T> {
    pub(super) value: T,
    pub(super) source: Provenance,
}

/// A table of a profile, and the same table in a file that extends another, where a key that is not
/// given stays as it was.
macro_rules! table {
    ($(#[$doc:meta])* $section:literal $name:ident, $over:ident { $($(#[$about:meta])* $key:ident: $kind:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[$about])* pub $key: $kind,)+
            sources: BTreeMap<&'static str, Provenance>,
        }

        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $over {
            $($key: Option<Sourced<<$kind as Datum>::InFile>>,)+
        }

        impl $over {
            /// What is given here, else what the base has; the first key that neither has.
            pub(super) fn over(self, base: Option<&$name>) -> Result<$name, &'static str> {
                let mut sources = base.map(|base| base.sources.clone()).unwrap_or_default();
                Ok($name {
                    $($key: match (self.$key, base) {
                        (Some(own), _) => {
                            sources.insert(stringify!($key), own.source);
                            <$kind as Datum>::of(own.value, own.source)
                        }
                        (None, Some(base)) => base.$key.clone(),
                        (None, None) => {
                            return Err(concat!($section, ".", stringify!($key)));
                        }
                    },)+
                    sources,
                })
            }
        }

        impl $name {
            /// Every datum, with its source.
            pub(super) fn entries(&self) -> Vec<Entry> {
                vec![$(Entry {
                    key: concat!($section, ".", stringify!($key)).to_owned(),
                    value: self.$key.shown(),
                    // Every key got one when it was read.
                    source: self.sources.get(stringify!($key)).copied()
                        .unwrap_or(Provenance::Assumed),
                },)+]
            }
        }
    };
}

/// A kind of value: how a file has it, and how it is told to a reader.
trait Datum: Sized {
    type InFile;
    fn of(value: Self::InFile, source: Provenance) -> Self;
    fn shown(&self) -> String;
}

macro_rules! as_it_is {
    ($([$($generics:tt)*] $kind:ty, |$value:ident| $shown:expr;)+) => { $(
        impl<$($generics)*> Datum for $kind {
            type InFile = Self;

            fn of(value: Self, _: Provenance) -> Self {
                value
            }

            fn shown(&self) -> String {
                let $value = self;
                $shown
            }
        }
    )+ };
}

as_it_is! {
    [] String, |text| text.clone();
    [] u64, |number| number.to_string();
    [] u32, |number| number.to_string();
    [] bool, |is| if *is { "yes".to_owned() } else { "no".to_owned() };
    [const N: usize] [u8; N], |parts| parts.map(|part| part.to_string()).join(".");
    [] Authentication, |it| match it {
        Authentication::Password => "password".to_owned(),
        Authentication::Ped => "ped".to_owned(),
    };
    [] FlagWords, |flags| flags.to_string();
}

impl Datum for Code {
    type InFile = CodeName;

    fn of(value: CodeName, source: Provenance) -> Self {
        Self { cause: value.0, source }
    }

    fn shown(&self) -> String {
        names::ckr(self.cause.ck_rv())
    }
}

table! {
    /// Texts a client sees.
    "strings" Strings, StringsOver {
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
        /// The same of a slot that is kept for a USB HSM or a backup HSM.
        usb_slot_description: String,
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
    "versions" Versions, VersionsOver {
        /// Firmware: major, minor, sub-minor.
        firmware: [u8; 3],
        /// Client: major, minor.
        client: [u8; 2],
        /// Cryptoki: major, minor.
        cryptoki: [u8; 2],
        /// What `CA_GetCVFirmwareVersion` tells of a cloud HSM: major, minor, sub-minor. Zeroes where
        /// the HSM is none, and the function not supported.
        cryptovisor: [u8; 3],
    }
}

table! {
    /// Bounds.
    "limits" Limits, LimitsOver {
        /// Bytes of a partition.
        partition_bytes: u64,
        /// Bytes that a partition itself takes of the HSM.
        partition_overhead_bytes: u64,
        /// Objects of a partition; 0 where its bytes alone bound them.
        max_objects: u64,
        /// Sessions of one application on one partition.
        max_sessions: u64,
        /// Bytes of randomness in one call.
        max_random: u64,
        /// Wrong Partition SO credentials before the partition is zeroised.
        partition_so_attempts: u32,
    }
}

table! {
    /// Flags that do not depend on a partition's state.
    "flags" Flags, FlagsOver {
        /// `CK_SLOT_INFO.flags` of a partition, but for `CKF_TOKEN_PRESENT`.
        slot: FlagWords,
        /// The same of an HA group.
        group_slot: FlagWords,
        /// `CK_TOKEN_INFO.flags` of every token.
        token: FlagWords,
    }
}

table! {
    /// What the product is, where that is no number.
    "features" Features, FeaturesOver {
        /// How roles authenticate.
        authentication: Authentication,
        /// `C_SeedRandom` takes a seed.
        seed_random: bool,
        /// The customer has an HSM SO. Where a provider runs the HSM nobody sees its admin partition,
        /// whatever `ShowAdminTokens` says.
        hsm_so: bool,
    }
}

table! {
    /// Codes where the sources leave a choice, or where releases differ; what a probe of a device
    /// teaches goes here. `profile.codes.NAME.error("the rule")` is the refusal.
    "codes" Codes, CodesOver {
        /// A role that is locked out logs in.
        role_locked_out: Code,
        /// The Partition SO's last attempt was wrong: the partition is zeroised.
        partition_so_zeroised: Code,
        /// A wrong password.
        credential_wrong: Code,
        /// A wrong challenge, where a PED authenticates.
        challenge_wrong: Code,
        /// The role must change its first credential.
        credential_to_change: Code,
        /// The role has no credential yet.
        role_not_initialised: Code,
        /// A credential is shorter or longer than policies 25 and 26 allow.
        credential_length: Code,
        /// The role that is logged in lacks the right.
        right_lacking: Code,
        /// Nobody is logged in.
        login_wanted: Code,
        /// Resetting a Crypto Officer while HSM policy 15 is off.
        reset_off: Code,
        /// A role that this partition does not have.
        role_absent: Code,
        /// A PED is wanted and none is connected.
        ped_absent: Code,
        /// A policy that does not show.
        policy_unknown: Code,
        /// A policy's value beyond its capability.
        policy_out_of_bounds: Code,
        /// A policy that another one rules out.
        policy_dependency: Code,
        /// Anything but `C_InitToken` on a partition that is not initialised.
        partition_not_initialised: Code,
        /// A mechanism that profile, policy or FIPS mode does not offer; also policies 18 and 33.
        mechanism_not_offered: Code,
        /// A key whose size FIPS mode does not allow; there, any size that is refused.
        fips_key_size: Code,
        /// A curve that FIPS mode does not allow.
        fips_curve: Code,
        /// Wrapping a private key while policy 1 is off.
        private_wrapping_off: Code,
        /// Unwrapping a private key while policy 2 is off.
        private_unwrapping_off: Code,
        /// Wrapping a secret key while policy 5 is off.
        secret_wrapping_off: Code,
        /// Unwrapping a secret key while policy 6 is off.
        secret_unwrapping_off: Code,
        /// `C_DigestKey` while policy 9 is off.
        digest_key_off: Code,
        /// A key for two purposes while policy 10 is off.
        multipurpose_off: Code,
        /// A key's usages are changed while policy 11 is off.
        attribute_change_off: Code,
        /// A key that was not made here signs while policy 17 is off.
        foreign_signing_off: Code,
        /// Keys are made or destroyed while policy 28 is off.
        key_management_off: Code,
        /// A key is used outside of its dates while policy 39 is on.
        dates_outside: Code,
        /// A key is used more often than its usage limit allows.
        usage_limit_reached: Code,
        /// The partition's bytes are used up.
        storage_full: Code,
        /// The partition's number of objects is reached.
        objects_full: Code,
        /// `C_SeedRandom` where no seed is taken.
        seed_refused: Code,
        /// A function of cloud HSMs on another, and of others on a cloud HSM.
        function_absent: Code,
    }
}

/// How roles authenticate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authentication {
    /// By passwords: A-series, and the cloud.
    #[default]
    Password,
    /// By a PED (multifactor quorum): S-series.
    Ped,
}

/// A code that a profile chose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Code {
    /// What is answered.
    pub cause: Cause,
    /// How far the choice can be trusted.
    pub source: Provenance,
}

impl Code {
    /// The refusal with that code; `rule` is one short sentence for the call log.
    pub fn error(self, rule: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::new(self.cause, rule).from_source(self.source)
    }
}

/// The name of a code, in a file.
pub(super) struct CodeName(Cause);

impl<'de> Deserialize<'de> for CodeName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Cause::by_name(&name).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{name}` is no code that this module answers; expected a name such as \
                 CKR_PIN_LOCKED (the table in emulator/src/error.rs has all)"
            ))
        })
    }
}

/// Flags by their names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FlagWords(pub CK_FLAGS);

/// The flags a profile may name.
const FLAGS: [(&str, CK_FLAGS); 8] = [
    ("CKF_REMOVABLE_DEVICE", CKF_REMOVABLE_DEVICE),
    ("CKF_HW_SLOT", CKF_HW_SLOT),
    ("CKF_RNG", CKF_RNG),
    ("CKF_LOGIN_REQUIRED", CKF_LOGIN_REQUIRED),
    ("CKF_RESTORE_KEY_NOT_NEEDED", CKF_RESTORE_KEY_NOT_NEEDED),
    ("CKF_CLOCK_ON_TOKEN", CKF_CLOCK_ON_TOKEN),
    ("CKF_DUAL_CRYPTO_OPERATIONS", CKF_DUAL_CRYPTO_OPERATIONS),
    ("CKF_PROTECTED_AUTHENTICATION_PATH", CKF_PROTECTED_AUTHENTICATION_PATH),
];

impl<'de> Deserialize<'de> for FlagWords {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let words = String::deserialize(from)?;
        let mut flags = 0;
        for word in words.split('|').filter(|word| !word.is_empty()) {
            let known = FLAGS.iter().find(|(name, _)| *name == word);
            let (_, flag) = known.ok_or_else(|| {
                let known: Vec<&str> = FLAGS.iter().map(|(name, _)| *name).collect();
                D::Error::custom(format!(
                    "`{word}` is no flag; expected some of {}",
                    known.join("|")
                ))
            })?;
            flags |= flag;
        }
        Ok(Self(flags))
    }
}

impl fmt::Display for FlagWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A slot's flags and a token's share numbers, so names would mislead.
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::profile::{DEFAULT, Profile};

    /// A code that nobody asks for would teach nothing.
    #[test]
    fn every_code_is_answered_somewhere() {
        let mut sources = Vec::new();
        let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.to_string_lossy().contains("/profile") {
                    sources.push(std::fs::read_to_string(path).unwrap());
                }
            }
        }
        // Chains of methods begin a line with the dot.
        let asked = |key: &str| {
            sources.iter().any(|text| {
                text.match_indices(key).any(|(at, _)| {
                    let before = text[..at].trim_end_matches(['.', ' ', '\n']);
                    let after = text[at + key.len()..].trim_start();
                    before.ends_with("codes") && after.starts_with(['.', ',', ';', ')'])
                })
            })
        };
        let codes = Profile::built_in(DEFAULT).unwrap().codes;
        let idle: Vec<String> = codes
            .entries()
            .into_iter()
            .map(|entry| entry.key.replace("codes.", ""))
            .filter(|key| !asked(key))
            .collect();
        assert_eq!(idle, [""; 0], "codes that no refusal asks for");
    }
}
