//! What the profile of the token's firmware says: mechanisms, policies, texts, versions.
//!
//! Every datum is a check of its own, with the datum's own provenance as its source. The checks of all built-in
//! profiles are one set: a datum is asked of the profile that the token is compared with.

use std::collections::BTreeMap;

use luna_client::ck::*;

use crate::check::{Finding, Mark, Needs, Outcome, Registry, Source, Subject, ensure, same};
use crate::profile::{BUILT_IN, FUNCTIONS, Policy, Profile, Row, flags};
use crate::stage::Stage;

pub(super) fn register(registry: &mut Registry) {
    let profiles: Vec<_> =
        BUILT_IN.iter().filter_map(|row| Profile::built_in(row.0).ok()).collect();
    let mut mechanisms = BTreeMap::new();
    let (mut policies, mut hsm) = (BTreeMap::new(), BTreeMap::new());
    for profile in profiles {
        mechanisms.extend(profile.mechanisms);
        policies.extend(profile.partition_policies);
        hsm.extend(profile.hsm_policies);
    }
    let luna = || Needs::public().subject(Subject::Luna);
    for (kind, row) in mechanisms {
        let source = Source::vendor(row.source, format!("the profile's row of {}", row.name));
        let title = format!("{}: functions and sizes are those of the profile", row.name);
        let id = format!("profile.mechanism.{}", row.name);
        registry.add(id, title, source, luna(), move |stage| mechanism(stage, kind, &row.name));
    }
    for (id, policy) in policies {
        let source = Source::vendor(policy.source, format!("the profile's policy {id}"));
        let title = format!("capability {id} ({}) is that of the profile", policy.text);
        registry.add(
            format!("profile.capability.{id}"),
            title,
            source.clone(),
            luna(),
            move |stage| capability(stage, id),
        );
        let title = format!("policy {id} ({}) has the profile's text and danger", policy.text);
        registry.add(format!("profile.policy.{id}"), title, source, luna(), move |stage| {
            description(stage, id)
        });
    }
    for (id, policy) in hsm {
        let source = Source::vendor(policy.source, format!("the profile's HSM policy {id}"));
        let title = format!("HSM policy {id} ({}) is told", policy.text);
        registry.add(format!("profile.hsm-policy.{id}"), title, source, luna(), move |stage| {
            let there = stage.profile()?.hsm_policies.contains_key(&id);
            if !there {
                return Err(Finding::not_applicable("the profile has no such policy"));
            }
            match stage.context()?.hsm_policy(stage.slot()?, id) {
                Ok(_) => Ok(()),
                Err(error) if error.is(CKR_FUNCTION_NOT_SUPPORTED) => {
                    Err(Finding::not_applicable("a client is not told the HSM's policies"))
                }
                Err(error) => Err(error.into()),
            }
        });
    }
    for key in TEXTS {
        let source = Source::vendor(Mark::Documented, format!("the profile's strings, {key}"));
        let title = format!("the text {key} is that of the profile");
        registry.add(format!("profile.text.{key}"), title, source, luna(), move |stage| {
            text(stage, key)
        });
    }
    let source = Source::vendor(Mark::Documented, "the profile's versions, cryptoki");
    let title = "the version of Cryptoki is that of the profile";
    registry.add("profile.version.cryptoki", title, source, luna(), |stage| {
        let expected = stage.profile()?.cryptoki.clone();
        let version = stage.context()?.info()?.cryptoki_version;
        same("the version", &expected, &vec![u64::from(version.major), u64::from(version.minor)])
    });
    let source = Source::vendor(Mark::Documented, "the profile's versions, firmware");
    let title = "the firmware is that of the profile";
    registry.add("profile.version.firmware", title, source, luna(), |stage| {
        let expected = stage.profile()?.firmware.clone();
        let seen = stage.context()?.firmware_version(stage.slot()?)?;
        same("the firmware", &expected, &seen.to_vec())
    });
    let source = Source::vendor(Mark::Documented, "the profile's list of mechanisms");
    let title = "no mechanism is listed that the profile does not have";
    registry.add("profile.mechanism.others", title, source, luna(), |stage| {
        let known: Vec<_> = stage.profile()?.mechanisms.keys().copied().collect();
        let listed = stage.mechanisms()?.iter();
        let others: Vec<_> =
            listed.filter(|kind| !known.contains(kind)).map(|kind| names::ckm(*kind)).collect();
        ensure(others.is_empty(), "none but those of the profile", others.join(", "))
    });
}

const TEXTS: &[&str] = &[
    "token_model",
    "slot_description",
    "slot_manufacturer",
    "token_manufacturer",
    "library_manufacturer",
    "library_description",
];

fn words(flags: CK_FLAGS) -> String {
    let words = FUNCTIONS.iter().filter(|row| flags & row.1 != 0);
    words.map(|row| row.0).collect::<Vec<_>>().join("|")
}

/// What the profile's row comes to on a token: nothing where it is not offered in FIPS mode.
fn offered(row: &Row, fips: bool) -> Option<(CK_FLAGS, u64, u64)> {
    if !fips {
        return Some((flags(&row.functions), row.min, row.max));
    }
    let functions = row.fips.as_ref()?;
    Some((flags(functions), row.fips_legacy_min.or(row.fips_min).unwrap_or(row.min), row.max))
}

fn mechanism(stage: &mut Stage, kind: CK_MECHANISM_TYPE, name: &str) -> Outcome {
    let fips = stage.fips()?;
    let Some(row) = stage.profile()?.mechanisms.get(&kind).cloned() else {
        return Err(Finding::not_applicable("the profile does not have it"));
    };
    let Some((functions, min, max)) = offered(&row, fips) else {
        if remapped(kind) {
            return Err(Finding::not_applicable("the configuration decides whether it is listed"));
        }
        let listed = stage.lists(kind)?;
        return ensure(!listed, format!("{name} is not listed in FIPS mode"), "it is listed");
    };
    ensure(stage.lists(kind)?, format!("{name} is listed"), "it is not")?;
    let info = stage.mechanism_info(kind)?;
    // Encapsulation has no flag in a list of 2.20.
    let known: CK_FLAGS = FUNCTIONS.iter().map(|row| row.1).fold(0, |all, flag| all | flag);
    same(&format!("what {name} is for"), &words(functions), &words(info.flags & known))?;
    // The profile counts in bits; the standard has some mechanisms count in bytes, both sizes alike.
    let minima = [min, row.fips_min.unwrap_or(min), row.min];
    let fits = |unit: u64| {
        minima.iter().any(|min| min / unit == info.min_key_size) && max / unit == info.max_key_size
    };
    ensure(
        fits(1) || fits(8),
        format!("keys of {min} to {max} bits"),
        format!("{} to {}", info.min_key_size, info.max_key_size),
    )
}

/// `RSAKeyGenMechRemap` puts these back in the list.
fn remapped(kind: CK_MECHANISM_TYPE) -> bool {
    [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X9_31_KEY_PAIR_GEN].contains(&kind)
}

fn policy(stage: &mut Stage, id: u64) -> Outcome<Policy> {
    let none = Finding::not_applicable("the profile has no such policy");
    stage.profile()?.partition_policies.get(&id).cloned().ok_or(none)
}

fn capability(stage: &mut Stage, id: u64) -> Outcome {
    let expected = policy(stage, id)?;
    let capabilities = stage.context()?.token_capabilities(stage.slot()?)?;
    let seen = capabilities.iter().find(|value| value.id == id).map(|value| value.value);
    // In FIPS mode what is not FIPS is not to be had.
    if id == 43 && expected.capability != 0 && stage.fips()? {
        return ensure(seen.is_some(), "a capability", "none");
    }
    // One that a partition does not have is told as 0, or not told.
    if expected.capability == 0 && seen.is_none() {
        return Ok(());
    }
    same("the capability", &Some(expected.capability), &seen)
}

fn description(stage: &mut Stage, id: u64) -> Outcome {
    let expected = policy(stage, id)?;
    let capabilities = stage.context()?.token_capabilities(stage.slot()?)?;
    if expected.capability == 0 && capabilities.iter().all(|value| value.id != id) {
        return Err(Finding::not_applicable(
            "the partition has no such capability, as the profile says",
        ));
    }
    let seen = stage.context()?.policy_description(stage.slot()?, id)?;
    let (text, want) = (seen.text.to_lowercase(), expected.text.to_lowercase());
    ensure(text.contains(&want), format!("a text with `{want}`"), format!("`{text}`"))?;
    same(
        "whether a change wipes the partition",
        &(expected.destructive != "none"),
        &seen.destructive,
    )
}

fn text(stage: &mut Stage, key: &str) -> Outcome {
    let group = stage.subject()? == Subject::Group;
    let strings = &stage.profile()?.strings;
    let of_group = match key {
        "token_model" => strings.get("group_model"),
        "slot_description" => strings.get("group_slot_description"),
        _ => None,
    };
    let expected = of_group.filter(|_| group).or_else(|| strings.get(key)).cloned();
    let Some(expected) = expected else {
        return Err(Finding::not_applicable("the profile does not say"));
    };
    let (context, slot) = (stage.context()?, stage.slot()?);
    let seen = match key {
        "token_model" => context.token_info(slot)?.model,
        "token_manufacturer" => context.token_info(slot)?.manufacturer,
        "slot_description" => context.slot_info(slot)?.description,
        "slot_manufacturer" => context.slot_info(slot)?.manufacturer,
        "library_manufacturer" => context.info()?.manufacturer,
        _ => context.info()?.description,
    };
    same(key, &expected, &seen)
}
