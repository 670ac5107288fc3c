//! What a partition is like, as a profile the emulator can load.
//!
//! Everything here is asked without harm: nothing is made, nobody logs in. Each datum says `observed`; what cannot be
//! asked is left to the profile that this one extends. The format is the emulator's, see `emulator/profiles`.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use luna_client::ck::*;
use luna_client::{Context, InitArgs, Module, SlotId};
use serde::{Deserialize, Serialize};

use crate::profile::{BY_FIRMWARE, FUNCTIONS, Profile};

/// What is asked of one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The day, as in `2026-11-28`.
    pub date: String,
    /// Texts, by their key in a profile.
    pub strings: Vec<(String, String)>,
    /// Firmware: major, minor, sub-minor; empty where the library has no such function.
    pub firmware: Vec<u64>,
    /// Version of the library: major, minor.
    pub client: Vec<u64>,
    /// Version of Cryptoki: major, minor.
    pub cryptoki: Vec<u64>,
    /// The token's label.
    pub label: String,
    /// The token's serial number.
    pub serial: String,
    /// Bytes of the partition; 0 where it is not told.
    pub partition_bytes: u64,
    /// Least and most bytes of a PIN.
    pub pin: (u64, u64),
    /// Partition policies.
    pub policies: Vec<ObservedPolicy>,
    /// Mechanisms, in the token's order.
    pub mechanisms: Vec<ObservedMechanism>,
    /// Functions of the standard's list that are there.
    pub functions: Vec<String>,
    /// Whether the partition is in FIPS mode, as far as its mechanisms and policies tell.
    pub fips: bool,
    /// Whether the slot is an HA group's.
    pub group: bool,
}

/// A policy, as told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedPolicy {
    /// Its number.
    pub id: u64,
    /// What it is called.
    pub text: String,
    /// The capability.
    pub capability: u64,
    /// The policy.
    pub value: u64,
    /// Changing it may wipe the partition.
    pub destructive: bool,
}

/// A mechanism, as told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedMechanism {
    /// Its number.
    pub kind: u64,
    /// Its flags.
    pub flags: u64,
    /// Sizes, in the mechanism's own unit.
    pub min: u64,
    /// As `min`.
    pub max: u64,
}

/// Which slot of which library.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Whom {
    /// The library.
    pub module: std::path::PathBuf,
    /// The slot.
    pub slot: Option<u64>,
    /// The token's label.
    pub token_label: Option<String>,
    /// A string for `pReserved`.
    pub reserved: Option<String>,
}

/// Asks. This loads the library: it is done in a process of its own.
///
/// # Errors
/// When it cannot be loaded or has no such token.
pub fn observe(whom: &Whom) -> Result<Observed> {
    let module = Module::load(&whom.module)?;
    let reserved = whom.reserved.as_ref().and_then(|it| std::ffi::CString::new(it.as_str()).ok());
    let context = module.initialize(reserved.map_or(InitArgs::OsLocking, InitArgs::Reserved))?;
    let slot = match (&whom.slot, &whom.token_label) {
        (Some(slot), _) => Some(SlotId(*slot)),
        (None, Some(label)) => context.slot_by_label(label)?,
        (None, None) => context.slots(true)?.first().copied(),
    };
    let slot = slot.context("the library has no such token")?;
    look(&module, &context, slot)
}

fn look(module: &Module, context: &Context, slot: SlotId) -> Result<Observed> {
    let (info, token, at) = (context.info()?, context.token_info(slot)?, context.slot_info(slot)?);
    let group = token.model == "LunaVirtual";
    let text = |key: &str, value: String| (key.to_owned(), value);
    let (model, description) = if group {
        ("group_model", "group_slot_description")
    } else {
        ("token_model", "slot_description")
    };
    let mut mechanisms = Vec::new();
    for kind in context.mechanisms(slot)? {
        // One that is listed without information is told by a check; a profile cannot say it.
        if let Ok(info) = context.mechanism_info(slot, kind) {
            let (min, max) = (info.min_key_size, info.max_key_size);
            mechanisms.push(ObservedMechanism { kind, flags: info.flags, min, max });
        }
    }
    let words = module.raw().words();
    let names = luna_client::module::words::SIGNATURES.iter().map(|row| row.0);
    let policies = policies(context, slot);
    let fips = policies.iter().any(|policy| policy.id == 43 && policy.value == 0)
        || context.hsm_policy(slot, 12).is_ok_and(|value| value == 0)
        || (!policies.is_empty() && vanished(&mechanisms));
    Ok(Observed {
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        strings: vec![
            text(model, token.model.clone()),
            text(description, at.description),
            text("slot_manufacturer", at.manufacturer),
            text("token_manufacturer", token.manufacturer.clone()),
            text("library_manufacturer", info.manufacturer),
            text("library_description", info.description),
        ],
        firmware: context.firmware_version(slot).map(Vec::from).unwrap_or_default(),
        client: vec![info.library_version.major.into(), info.library_version.minor.into()],
        cryptoki: vec![info.cryptoki_version.major.into(), info.cryptoki_version.minor.into()],
        label: token.label.clone(),
        serial: token.serial_number.clone(),
        partition_bytes: context.token_storage(slot).map_or(0, |storage| storage.total),
        pin: (token.min_pin_len, token.max_pin_len),
        policies,
        mechanisms,
        functions: names.filter(|name| words.has(name)).map(str::to_owned).collect(),
        fips,
        group,
    })
}

fn vanished(mechanisms: &[ObservedMechanism]) -> bool {
    let listed = |kind| mechanisms.iter().any(|mechanism| mechanism.kind == kind);
    ![CKM_DES_ECB, CKM_RC4, CKM_RSA_X_509, CKM_MD2].into_iter().any(listed)
}

fn policies(context: &Context, slot: SlotId) -> Vec<ObservedPolicy> {
    let capabilities = context.token_capabilities(slot).unwrap_or_default();
    let policies = context.token_policies(slot).unwrap_or_default();
    policies
        .iter()
        .map(|policy| {
            let described = context.policy_description(slot, policy.id).ok();
            let capability = capabilities.iter().find(|it| it.id == policy.id);
            ObservedPolicy {
                id: policy.id,
                text: described.as_ref().map(|it| plain(&it.text)).unwrap_or_default(),
                capability: capability.map_or(policy.value, |it| it.value),
                value: policy.value,
                destructive: described.is_some_and(|it| it.destructive),
            }
        })
        .collect()
}

/// What follows "Enable" and "Allow".
fn plain(text: &str) -> String {
    let words = ["Enable ", "Allow "];
    let rest = words.iter().find_map(|word| text.strip_prefix(word));
    rest.unwrap_or(text).to_owned()
}

/// Mechanisms whose sizes the standard counts in bytes: their families.
const IN_BYTES: &[&str] = &["AES", "ARIA", "SM4", "CAST", "RC5", "CAMELLIA", "SEED", "BLOWFISH"];

/// The factor from a mechanism's own unit to the bits of a profile.
fn unit(name: &str, base: Option<&crate::profile::Row>, observed: &ObservedMechanism) -> u64 {
    // The profile that this one extends knows best: its sizes are either the same or eight times as much.
    if let Some(row) = base {
        let same = |max: u64| max > 0 && max == observed.max;
        if same(row.max) {
            return 1;
        }
        if same(row.max / 8) {
            return 8;
        }
    }
    let bytes = IN_BYTES.iter().any(|family| name.contains(family)) && observed.max <= 64;
    if bytes { 8 } else { 1 }
}

fn functions(flags: u64) -> String {
    let words = FUNCTIONS.iter().filter(|row| flags & row.1 != 0);
    words.map(|row| row.0).collect::<Vec<_>>().join("|")
}

impl Observed {
    /// The built-in profile that is nearest: that of the same firmware, or the newest that is older.
    pub fn base(&self) -> Profile {
        let firmware: Option<[u64; 3]> = self.firmware.clone().try_into().ok();
        let near = firmware.and_then(Profile::of_firmware);
        let first = || BY_FIRMWARE.first().and_then(|name| Profile::built_in(name).ok());
        near.or_else(first).unwrap_or_default()
    }

    /// The profile file. Serial numbers stand in it only where they are wanted.
    pub fn profile(&self, name: &str, with_serials: bool) -> String {
        let base = self.base();
        let mut text = String::new();
        let version =
            |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "# Observed on {} by luna-harness {} with client {} and firmware {}, FIPS mode {}.",
            self.date,
            env!("CARGO_PKG_VERSION"),
            version(&self.client).replace(", ", "."),
            version(&self.firmware).replace(", ", "."),
            if self.fips { "on" } else { "off" }
        );
        if with_serials {
            let _ = writeln!(
                text,
                "# Token {}, serial number {}.",
                comment(&self.label),
                comment(&self.serial)
            );
        }
        let _ = writeln!(
            text,
            "# What could not be asked is as in {}.\n\nname = {}\nformat = 1\nextends = {}\n",
            base.name,
            quoted(name),
            quoted(&base.name)
        );
        text.push_str("[strings]\n");
        for (key, value) in &self.strings {
            let _ =
                writeln!(text, "{key} = {{ value = {}, source = \"observed\" }}", quoted(value));
        }
        text.push_str("\n[versions]\n");
        let versions =
            [("firmware", &self.firmware), ("client", &self.client), ("cryptoki", &self.cryptoki)];
        for (key, numbers) in versions.into_iter().filter(|row| !row.1.is_empty()) {
            let numbers = version(numbers);
            let _ = writeln!(text, "{key} = {{ value = [{numbers}], source = \"observed\" }}");
        }
        if self.partition_bytes > 0 {
            let bytes = self.partition_bytes;
            let _ = writeln!(
                text,
                "\n[limits]\npartition_bytes = {{ value = {bytes}, source = \"observed\" }}"
            );
        }
        self.write_policies(&mut text, &base);
        self.write_mechanisms(&mut text, &base);
        text
    }

    fn write_policies(&self, text: &mut String, base: &Profile) {
        for policy in &self.policies {
            // A call tells that a change wipes, not in which direction; the base may know.
            let known = base.partition_policies.get(&policy.id);
            let direction = known.map(|it| it.destructive.as_str()).filter(|it| *it != "none");
            let destructive = if policy.destructive { direction.unwrap_or("both") } else { "none" };
            // In FIPS mode policy 43 is held down; a profile says what it is otherwise.
            let held = self.fips && policy.id == 43;
            let (capability, value) = match known.filter(|_| held) {
                Some(known) => (known.capability, known.policy),
                None => (policy.capability, policy.value),
            };
            let _ = writeln!(
                text,
                "\n[[partition_policies]]\nid = {}\ntext = {}\ncapability = {capability}\n\
                 policy = {value}\ndestructive = \"{destructive}\"\nsource = \"observed\"",
                policy.id,
                quoted(&policy.text),
            );
        }
    }

    fn write_mechanisms(&self, text: &mut String, base: &Profile) {
        text.push_str("\n[offer]\n");
        let listed = |kind: u64| self.mechanisms.iter().any(|it| it.kind == kind);
        let gone: Vec<_> = base
            .mechanisms
            .values()
            // What FIPS mode takes away is there without it, and the profile of the firmware says so.
            .filter(|row| !listed(row.kind) && !self.fips)
            .map(|row| quoted(&row.name))
            .collect();
        if !gone.is_empty() {
            let _ = writeln!(text, "gone = [\n    {},\n]", gone.join(",\n    "));
        }
        text.push_str("mechanisms = [\n");
        for mechanism in &self.mechanisms {
            let name = names::ckm(mechanism.kind);
            // A number that nobody named has no row; it stands in a comment, so that nothing is lost.
            let comment = if name.starts_with("CKM_") { "" } else { "# " };
            let row = base.mechanisms.get(&mechanism.kind);
            let unit = unit(&name, row, mechanism);
            let (min, max) = (mechanism.min * unit, mechanism.max * unit);
            let seen = functions(mechanism.flags);
            let extra: Vec<_> = row
                .map(|row| {
                    row.functions.split('|').filter(|it| it.ends_with("capsulate")).collect()
                })
                .unwrap_or_default();
            let all = |seen: String| [vec![seen.as_str()], extra.clone()].concat().join("|");
            let sizes = row.map(|row| (row.min, row.max)).unwrap_or((min, max));
            let line = match (self.fips, row) {
                (true, _) => {
                    let functions =
                        row.map_or_else(|| all(seen.clone()), |row| row.functions.clone());
                    let legacy = row.and_then(|row| row.fips_legacy_min).filter(|it| *it != min);
                    let legacy =
                        legacy.map_or(String::new(), |it| format!(", fips_legacy_min = {it}"));
                    format!(
                        "functions = \"{functions}\", min = {}, max = {}, fips = \"{}\", \
                         fips_min = {min}{legacy}",
                        sizes.0.min(min),
                        sizes.1.max(max),
                        all(seen)
                    )
                }
                (false, Some(row)) => {
                    let mut line =
                        format!("functions = \"{}\", min = {min}, max = {max}", all(seen));
                    if let Some(fips) = &row.fips {
                        let _ = write!(line, ", fips = \"{fips}\"");
                    }
                    for (key, value) in
                        [("fips_min", row.fips_min), ("fips_legacy_min", row.fips_legacy_min)]
                    {
                        if let Some(value) = value {
                            let _ = write!(line, ", {key} = {value}");
                        }
                    }
                    line
                }
                (false, None) => format!("functions = \"{}\", min = {min}, max = {max}", all(seen)),
            };
            let _ = writeln!(
                text,
                "    {comment}{{ name = {}, kind = {:#x}, {line}, source = \"observed\" }},",
                quoted(&name),
                mechanism.kind
            );
        }
        text.push_str("]\n");
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A text that stays on its line of comment.
fn comment(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_of_what_was_observed_is_read_back() {
        let observed = Observed {
            date: "2026-01-01".into(),
            strings: vec![("token_model".into(), "Luna \"K7\"".into())],
            firmware: vec![7, 8, 4],
            client: vec![10, 7],
            cryptoki: vec![2, 20],
            serial: "1234567890123".into(),
            mechanisms: vec![ObservedMechanism {
                kind: CKM_AES_CBC,
                flags: CKF_ENCRYPT | CKF_HW,
                min: 16,
                max: 32,
            }],
            ..Observed::default()
        };
        let text = observed.profile("mine", false);
        assert!(!text.contains("1234567890123"), "serial numbers are left out");
        assert!(observed.profile("mine", true).contains("1234567890123"));
        let read = Profile::parse(&text).unwrap();
        assert_eq!(read.name, "mine");
        assert_eq!(read.strings["token_model"], "Luna \"K7\"");
        assert_eq!(read.mechanisms.keys().collect::<Vec<_>>(), [&CKM_AES_CBC]);
        assert_eq!(
            (read.mechanisms[&CKM_AES_CBC].min, read.mechanisms[&CKM_AES_CBC].max),
            (128, 256)
        );
    }
}
