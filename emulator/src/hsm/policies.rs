//! Changing partition policies: who may, within which bounds, and what it costs; and what they say
//! of keys.
//!
//! A change is a whole or nothing. Sources: policies.md sections 1, 2 and 6 (that the Partition SO
//! does it, capabilities as bounds, destructive changes, that 0 and 1 exclude each other:
//! Documented; the codes of the other refusals and the remaining dependencies: Assumed).

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::partition::{Partition, State};
use crate::hsm::rights::{self, Right};
use crate::hsm::session::Session;
use crate::hsm::store::{PartitionRecord, Step};
use crate::object::rules::Class;
use crate::object::{Attribute, Template};
use crate::profile::{Authentication, Destructive, Policy, Profile};
use crate::wire::TemplatePolicy;

/// Policies with a smallest value other than 0.
const LEAST: &[(u32, u64)] = &[(20, 1), (26, 8)];

/// The first is on only while the second has the value.
const DEPENDS: &[(u32, (u32, bool))] =
    &[(0, (1, false)), (1, (0, false)), (23, (22, true)), (40, (41, true))];

/// Partition policies that are off while an HSM policy is, and whether they vanish from the list
/// with it: the capability falls, or the value is locked.
///
/// Source: policies.md sections 4 and 6 (7 and 12 Documented, 39 Documented or inferred; 6 and 30
/// for masking and unmasking Assumed from their names).
const UNDER_HSM: &[(u32, u32, bool)] = &[
    (0, 7, true),
    (4, 7, true),
    (3, 6, true),
    (7, 6, true),
    (31, 30, true),
    (32, 30, true),
    (37, 39, false),
    (43, 12, false),
];

/// Partition policies 25 (255 minus the shortest PIN) and 26 (the longest).
const POLICY_MIN_PIN: u32 = 25;
const POLICY_MAX_PIN: u32 = 26;

/// Values of policies, by number.
pub(super) type Values = FxHashMap<u32, u64>;

/// HSM policies as they hold: the profile's, and what was set.
pub(super) fn of_hsm(
    profile: &Profile,
    authentication: Authentication,
    set: &BTreeMap<u32, u64>,
) -> Values {
    let rows = profile.hsm_policies.iter().filter(|row| row.is_on(authentication));
    let mut values: Values = rows.map(|row| (row.id, row.policy)).collect();
    values.extend(set);
    values
}

/// Partition policies as they hold: the profile's, what was set, and what the HSM's leave of it.
pub(super) fn of_partition(
    profile: &Profile,
    authentication: Authentication,
    set: &BTreeMap<u32, u64>,
    hsm_policies: &Values,
) -> Values {
    let rows = profile.partition_policies.iter().filter(|row| row.is_on(authentication));
    let mut values: Values = rows.map(|row| (row.id, row.policy)).collect();
    values.extend(set);
    for (id, above, _) in UNDER_HSM {
        if hsm_policies.get(above) == Some(&0)
            && let Some(value) = values.get_mut(id)
        {
            *value = 0;
        }
    }
    values
}

/// What bounds a partition's policies.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) policies: &'a Values,
    pub(super) hsm_policies: &'a Values,
    pub(super) authentication: Authentication,
}

impl Bounds<'_> {
    fn is_under(&self, id: u32) -> Option<&'static (u32, u32, bool)> {
        UNDER_HSM
            .iter()
            .find(|(own, above, _)| *own == id && self.hsm_policies.get(above) == Some(&0))
    }

    /// Whether a policy is listed.
    pub(super) fn shows(&self, row: &Policy) -> bool {
        row.is_on(self.authentication) && !self.is_under(row.id).is_some_and(|(.., falls)| *falls)
    }

    fn value(&self, id: u32) -> u64 {
        self.policies.get(&id).copied().unwrap_or(0)
    }

    fn check_value(&self, row: &Policy, value: u64) -> Result<()> {
        if value != 0
            && let Some((_, above, _)) = self.is_under(row.id)
        {
            return Err(Error::new(
                Cause::ConfigFailsDependencies,
                format!("HSM policy {above} is off"),
            )
            .by_policy(row.id));
        }
        let least = LEAST.iter().find(|(id, _)| *id == row.id).map_or(0, |(_, least)| *least);
        if (least..=row.capability).contains(&value) {
            return Ok(());
        }
        Err(Error::new(
            Cause::ConfigIllegal,
            format!("its value is from {least} to {}, the capability", row.capability),
        )
        .by_policy(row.id))
    }
}

/// Policies that a partition or an HSM starts with.
#[derive(Clone, Copy, Default)]
pub(super) struct Templates<'a> {
    pub(super) policies: &'a [TemplatePolicy],
    pub(super) hsm_policies: &'a [TemplatePolicy],
}

/// A change of a partition's policies that was found lawful.
pub(super) struct Lawful {
    /// What is kept.
    pub(super) set: BTreeMap<u32, u64>,
    /// It takes the objects with it.
    pub(super) wipes: bool,
}

/// Whether a partition's policies may change so.
///
/// # Errors
/// `PolicyIdInvalid` for a policy that does not show; `ConfigIllegal` for a value out of its bounds;
/// `ConfigFailsDependencies`.
pub(super) fn change(
    profile: &Profile,
    state: &State,
    changes: impl Iterator<Item = (u64, u64)>,
) -> Result<Lawful> {
    let bounds = state.bounds();
    let mut set = state.record.policies.clone();
    let mut after: BTreeMap<u32, u64> =
        state.shown(profile).map(|row| (row.id, bounds.value(row.id))).collect();
    let mut wipes = false;
    for (id, value) in changes {
        let row = state.shown(profile).find(|row| u64::from(row.id) == id).ok_or_else(|| {
            Error::new(Cause::PolicyIdInvalid, format!("the partition shows no policy {id}"))
        })?;
        bounds.check_value(row, value)?;
        wipes |= wipes_by(row, &state.facts.destructive, bounds.value(row.id), value);
        after.insert(row.id, value);
        set.insert(row.id, value);
    }
    check_dependencies(&after)?;
    Ok(Lawful { set, wipes })
}

/// Whether a change wipes, by the profile or by a template that is stricter.
pub(super) fn wipes_by(
    row: &Policy,
    stricter: &BTreeMap<String, (bool, bool)>,
    before: u64,
    after: u64,
) -> bool {
    let (on, off) = stricter.get(&row.id.to_string()).copied().unwrap_or_default();
    is_destructive(row.destructive, before, after)
        || (on && before == 0 && after != 0)
        || (off && before != 0 && after == 0)
}

/// What templates add to the destructiveness of policies.
///
/// # Errors
/// `PolicyIdInvalid`, and `ConfigIllegal` for a template that takes destructiveness away (code
/// Assumed).
pub(super) fn tightened(
    rows: &[&Policy],
    templates: &[TemplatePolicy],
) -> Result<BTreeMap<String, (bool, bool)>> {
    let mut all = BTreeMap::new();
    for wanted in templates {
        let row = rows.iter().find(|row| u64::from(row.id) == wanted.id).ok_or_else(|| {
            Error::new(Cause::PolicyIdInvalid, format!("there is no policy {}", wanted.id))
        })?;
        let has = |up: u64, down: u64| is_destructive(row.destructive, up, down);
        let own = (has(0, 1), has(1, 0));
        let asked = (wanted.off_to_on_destructive, wanted.on_to_off_destructive);
        if (own.0 && !asked.0) || (own.1 && !asked.1) {
            return Err(Error::new(
                Cause::ConfigIllegal,
                "a template makes a change destructive, and never harmless",
            )
            .by_policy(row.id));
        }
        if asked != own {
            all.insert(row.id.to_string(), asked);
        }
    }
    Ok(all)
}

impl Partition {
    /// `CA_SetTokenPolicies`. A destructive change takes every object of the partition with it.
    ///
    /// # Errors
    /// `UserNotLoggedIn`, `UserNotAuthorized`, and those of [`change`].
    pub(super) fn set_policies(&self, session: &Session, changes: &[(u64, u64)]) -> Result<()> {
        rights::check(session.application.role(), Right::AdministerPartition)?;
        let state = self.current()?;
        let lawful = change(&self.profile, &state, changes.iter().copied())?;
        let record = PartitionRecord { policies: lawful.set, ..state.record.clone() };
        let mut steps = vec![Step::PutPartition(record)];
        if lawful.wipes {
            steps.push(Step::WipeObjects(self.serial.clone()));
        }
        self.store.apply(&steps)?;
        if lawful.wipes {
            self.objects.clear_session_objects();
        }
        self.refresh()
    }
}

/// What a usage is for: keys of a partition without multipurpose keys serve one family.
const FAMILIES: &[&[CK_ATTRIBUTE_TYPE]] = &[
    &[CKA_ENCRYPT, CKA_DECRYPT],
    &[CKA_SIGN, CKA_SIGN_RECOVER, CKA_VERIFY, CKA_VERIFY_RECOVER],
    &[CKA_WRAP, CKA_UNWRAP],
    &[CKA_DERIVE],
];

/// Policy 10: whether a key may have those usages together.
///
/// # Errors
/// `TemplateInconsistent` (code Assumed).
pub(super) fn check_purposes(state: &State, class: Class, attributes: &Template) -> Result<()> {
    const POLICY_MULTIPURPOSE: u32 = 10;
    if !class.is_key() || state.allows(POLICY_MULTIPURPOSE) {
        return Ok(());
    }
    let serves = |family: &&&[CK_ATTRIBUTE_TYPE]| {
        family.iter().any(|usage| attributes.flag(*usage) == Some(true))
    };
    if FAMILIES.iter().filter(serves).count() <= 1 {
        return Ok(());
    }
    Err(Error::new(Cause::TemplateInconsistent, "a key serves one purpose")
        .by_policy(POLICY_MULTIPURPOSE))
}

/// Policy 11: whether a key's usages, and whether it leaves, may change or differ in a copy.
///
/// # Errors
/// `AttributeReadOnly` (code Assumed).
pub(super) fn check_change(state: &State, class: Class, change: &Template) -> Result<()> {
    const POLICY_CHANGE_ATTRIBUTES: u32 = 11;
    if !class.is_key() || state.allows(POLICY_CHANGE_ATTRIBUTES) {
        return Ok(());
    }
    let kept = |it: &&Attribute| {
        matches!(it.kind, CKA_SENSITIVE | CKA_EXTRACTABLE)
            || FAMILIES.iter().any(|family| family.contains(&it.kind))
    };
    match change.0.iter().find(kept) {
        None => Ok(()),
        Some(attribute) => Err(Error::new(Cause::AttributeReadOnly, "keys keep their usages")
            .about(attribute.kind)
            .by_policy(POLICY_CHANGE_ATTRIBUTES)),
    }
}

fn check_dependencies(after: &BTreeMap<u32, u64>) -> Result<()> {
    let on = |id: u32| after.get(&id).is_some_and(|value| *value != 0);
    for (id, (other, wanted)) in DEPENDS {
        if on(*id) && on(*other) != *wanted {
            let word = if *wanted { "on" } else { "off" };
            return Err(Error::new(
                Cause::ConfigFailsDependencies,
                format!("it wants policy {other} {word}"),
            )
            .by_policy(*id));
        }
    }
    if let (Some(least), Some(most)) = (after.get(&POLICY_MIN_PIN), after.get(&POLICY_MAX_PIN))
        && 255_u64.saturating_sub(*least) > *most
    {
        return Err(Error::new(
            Cause::ConfigFailsDependencies,
            "the shortest PIN is not longer than the longest",
        )
        .by_policy(POLICY_MIN_PIN));
    }
    Ok(())
}

pub(super) fn is_destructive(destructive: Destructive, before: u64, after: u64) -> bool {
    match (before != 0, after != 0) {
        (false, true) => matches!(destructive, Destructive::OffOn | Destructive::Both),
        (true, false) => matches!(destructive, Destructive::OnOff | Destructive::Both),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_changes_are_destructive() {
        use Destructive::{Both, None, OffOn, OnOff};
        for (destructive, up, down) in
            [(None, false, false), (OffOn, true, false), (OnOff, false, true), (Both, true, true)]
        {
            assert_eq!(is_destructive(destructive, 0, 1), up);
            assert_eq!(is_destructive(destructive, 1, 0), down);
            assert!(!is_destructive(destructive, 1, 1) && !is_destructive(destructive, 5, 9));
        }
    }

    #[test]
    fn what_depends_on_what() {
        let check = |pairs: &[(u32, u64)]| check_dependencies(&pairs.iter().copied().collect());
        for fits in [
            &[(0, 1), (1, 0)][..],
            &[(0, 0), (1, 1)],
            &[(0, 0), (1, 0)],
            &[(22, 1), (23, 1)],
            &[(25, 247), (26, 8)],
        ] {
            check(fits).unwrap();
        }
        for fails in
            [&[(0, 1), (1, 1)][..], &[(22, 0), (23, 1)], &[(40, 1)], &[(25, 240), (26, 10)]]
        {
            let error = check(fails).unwrap_err();
            assert_eq!(error.cause(), Cause::ConfigFailsDependencies, "{fails:?}");
        }
    }
}
