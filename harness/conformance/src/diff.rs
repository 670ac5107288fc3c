//! Where two modules differ, or a module and a profile: each difference once, in groups, with what an application
//! would notice.

use std::collections::BTreeMap;

use luna_client::ck::names;
use serde::Serialize;

use crate::probe::{Observed, ObservedMechanism};
use crate::profile::{FUNCTIONS, Profile, flags};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind of thing.
    pub group: &'static str,
    /// Which.
    pub what: String,
    /// In the first.
    pub first: String,
    /// In the second.
    pub second: String,
    /// What an application would notice.
    pub notice: String,
}

/// One side: everything by group and name, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    values: BTreeMap<(&'static str, String), String>,
    fips: bool,
}

/// What an application would notice of a difference in a group.
const NOTICES: &[(&str, &str)] = &[
    ("versions", "programs choose their behaviour by it"),
    ("texts", "scripts and tools that match on it"),
    (
        "functions",
        "a call that is missing answers CKR_FUNCTION_NOT_SUPPORTED, or crashes a caller that does not look",
    ),
    ("mechanisms", "use of one that is missing answers CKR_MECHANISM_INVALID"),
    ("mechanism functions", "an Init for a function that is missing answers CKR_MECHANISM_INVALID"),
    ("key sizes", "keys of other sizes answer CKR_KEY_SIZE_RANGE"),
    ("capabilities", "a policy above it cannot be set"),
    ("policies", "what it forbids is refused"),
    ("policy texts", "administrators and scripts that match on it"),
    ("limits", "what does not fit is refused"),
];

const ABSENT: &str = "absent";

impl Side {
    fn put(&mut self, group: &'static str, what: impl Into<String>, value: impl Into<String>) {
        self.values.insert((group, what.into()), value.into());
    }

    /// What was observed.
    pub fn observed(observed: &Observed) -> Self {
        let mut side = Self { fips: observed.fips, ..Self::default() };
        for (key, value) in &observed.strings {
            side.put("texts", key, format!("`{value}`"));
        }
        side.put("versions", "firmware", dotted(&observed.firmware));
        side.put("versions", "client", dotted(&observed.client));
        side.put("versions", "cryptoki", dotted(&observed.cryptoki));
        for name in &observed.functions {
            side.put("functions", name, "present");
        }
        side.put("limits", "partition_bytes", observed.partition_bytes.to_string());
        side.put("limits", "PIN, bytes", format!("{} to {}", observed.pin.0, observed.pin.1));
        for policy in &observed.policies {
            let id = format!("{:03} {}", policy.id, policy.text);
            side.put("capabilities", &id, policy.capability.to_string());
            side.put("policies", id, policy.value.to_string());
        }
        for mechanism in &observed.mechanisms {
            side.mechanism(mechanism);
        }
        side
    }

    fn mechanism(&mut self, mechanism: &ObservedMechanism) {
        let name = names::ckm(mechanism.kind);
        self.put("mechanisms", &name, "listed");
        self.put("mechanism functions", &name, words(mechanism.flags));
        self.put("key sizes", name, format!("{} to {}", mechanism.min, mechanism.max));
    }
}

fn words(flags: u64) -> String {
    FUNCTIONS.iter().filter(|row| flags & row.1 != 0).map(|row| row.0).collect::<Vec<_>>().join("|")
}

fn dotted(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// The differences of two sides. Where one lacks a mechanism, its functions and sizes are not told again.
pub fn between(first: &Side, second: &Side) -> Vec<Difference> {
    let keys: std::collections::BTreeSet<_> =
        first.values.keys().chain(second.values.keys()).collect();
    let absent = |name: &str| {
        let key = ("mechanisms", name.to_owned());
        !first.values.contains_key(&key) || !second.values.contains_key(&key)
    };
    let mut found = Vec::new();
    for key in keys {
        let (one, other) = (first.values.get(key), second.values.get(key));
        if one == other || (matches!(key.0, "mechanism functions" | "key sizes") && absent(&key.1))
        {
            continue;
        }
        let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| ABSENT.into());
        let notice = NOTICES.iter().find(|row| row.0 == key.0).map_or("", |row| row.1);
        found.push(Difference {
            group: key.0,
            what: key.1.clone(),
            first: text(one),
            second: text(other),
            notice: notice.into(),
        });
    }
    if first.fips != second.fips {
        let mode = |fips: bool| if fips { "on" } else { "off" }.to_owned();
        found.push(Difference {
            group: "versions",
            what: "FIPS mode".into(),
            first: mode(first.fips),
            second: mode(second.fips),
            notice: "most of the other differences follow from it".into(),
        });
    }
    found
}

/// The differences of what was observed from a profile: only what a profile says is compared.
pub fn from_profile(observed: &Observed, profile: &Profile) -> Vec<Difference> {
    let mut side = Side::observed(observed);
    let said = |group: &str| {
        matches!(group, "texts" | "versions" | "mechanisms" | "mechanism functions" | "key sizes")
            || matches!(group, "capabilities" | "policies")
    };
    side.values.retain(|key, _| said(key.0) || key.1 == "partition_bytes");
    let mut other = Side { fips: observed.fips, ..Side::default() };
    for (key, _) in &observed.strings {
        if let Some(text) = profile.strings.get(key) {
            other.put("texts", key, format!("`{text}`"));
        }
    }
    other.put("versions", "firmware", dotted(&profile.firmware));
    other.put("versions", "client", dotted(&profile.client));
    other.put("versions", "cryptoki", dotted(&profile.cryptoki));
    if let Some(bytes) = profile.limits.get("partition_bytes") {
        other.put("limits", "partition_bytes", bytes.to_string());
    }
    for policy in profile.partition_policies.values().filter(|policy| policy.capability > 0) {
        let seen = observed.policies.iter().find(|it| it.id == policy.id);
        let text = seen.map_or(&policy.text, |it| &it.text);
        let held = observed.fips && policy.id == 43;
        let told = |value: u64, seen: Option<u64>| {
            if held { seen.unwrap_or(0) } else { value }.to_string()
        };
        let id = format!("{:03} {text}", policy.id);
        other.put("capabilities", &id, told(policy.capability, seen.map(|it| it.capability)));
        other.put("policies", id, told(policy.policy, seen.map(|it| it.value)));
    }
    for row in profile.mechanisms.values() {
        let Some(functions) =
            (if observed.fips { row.fips.as_deref() } else { Some(row.functions.as_str()) })
        else {
            continue;
        };
        let seen = observed.mechanisms.iter().find(|it| it.kind == row.kind);
        let minima = if observed.fips {
            vec![
                row.fips_legacy_min.or(row.fips_min).unwrap_or(row.min),
                row.fips_min.unwrap_or(row.min),
                row.min,
            ]
        } else {
            vec![row.min]
        };
        // Sizes are told in the unit that was seen, and the smallest is one of several in FIPS mode.
        let (mut min, mut max) = (minima.first().copied().unwrap_or(0), row.max);
        if let Some(seen) = seen {
            let unit = if row.max == seen.max { 1 } else { 8 };
            max = row.max / unit;
            min = minima
                .iter()
                .map(|min| min / unit)
                .find(|min| *min == seen.min)
                .unwrap_or(min / unit);
        }
        other.mechanism(&ObservedMechanism { kind: row.kind, flags: flags(functions), min, max });
    }
    between(&side, &other)
}
