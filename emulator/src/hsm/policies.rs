//! Changing partition policies: who may, within which bounds, and what it costs; and what they say
//! of keys.
//!
//! A change is a whole or nothing. Sources: policies.md sections 1, 2 and 6 (that the Partition SO
//! does it, capabilities as bounds, destructive changes, that 0 and 1 exclude each other:
//! Documented; the codes of the other refusals and the remaining dependencies: Assumed).

use std::collections::BTreeMap;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::partition::{Partition, State};
use crate::hsm::session::Session;
use crate::hsm::store::Step;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};
use crate::profile::{Destructive, Policy};

/// Policies with a smallest value other than 0.
const LEAST: &[(u32, u64)] = &[(20, 1), (26, 8)];

/// The first is on only while the second has the value.
const DEPENDS: &[(u32, (u32, bool))] =
    &[(0, (1, false)), (1, (0, false)), (23, (22, true)), (40, (41, true))];

/// Partition policies whose capability falls with an HSM policy that is off.
const UNDER_HSM: &[(u32, u32)] = &[(0, 7), (4, 7), (37, 39), (43, 12)];

/// Partition policies 25 (255 minus the shortest PIN) and 26 (the longest).
const POLICY_MIN_PIN: u32 = 25;
const POLICY_MAX_PIN: u32 = 26;

impl Partition {
    /// `CA_SetTokenPolicies`. A destructive change takes every object of the partition with it.
    ///
    /// # Errors
    /// `UserNotLoggedIn`, `UserNotAuthorized`; `PolicyIdInvalid` for a policy that does not show;
    /// `ConfigIllegal` for a value out of its bounds; `ConfigFailsDependencies`.
    pub(super) fn set_policies(&self, session: &Session, changes: &[(u64, u64)]) -> Result<()> {
        match session.application.role() {
            Some(Role::PartitionSo) => {}
            None => {
                return Err(Error::new(
                    Cause::UserNotLoggedIn,
                    "the Partition SO changes policies",
                ));
            }
            Some(other) => {
                return Err(Error::new(
                    Cause::UserNotAuthorized,
                    format!("the Partition SO changes policies, not the {}", other.name()),
                ));
            }
        }
        let state = self.current()?;
        let mut record = state.record.clone();
        let mut after: BTreeMap<u32, u64> = self
            .profile
            .partition_policies
            .iter()
            .filter(|row| row.capability != 0)
            .map(|row| (row.id, state.policy(row.id)))
            .collect();
        let mut wipes = false;
        for (id, value) in changes {
            let row = self.shown(*id)?;
            check_value(&state, row, *value)?;
            wipes |= is_destructive(row.destructive, state.policy(row.id), *value);
            after.insert(row.id, *value);
            record.policies.insert(row.id, *value);
        }
        check_dependencies(&after)?;
        let mut steps = vec![Step::PutPartition(record)];
        if wipes {
            steps.push(Step::WipeObjects(self.serial.clone()));
        }
        self.store.apply(&steps)?;
        if wipes {
            self.objects.clear_session_objects();
        }
        self.refresh()
    }

    fn shown(&self, id: u64) -> Result<&Policy> {
        let mut rows = self.profile.partition_policies.iter().filter(|row| row.capability != 0);
        rows.find(|row| u64::from(row.id) == id).ok_or_else(|| {
            Error::new(Cause::PolicyIdInvalid, format!("the partition shows no policy {id}"))
        })
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

fn check_value(state: &State, row: &Policy, value: u64) -> Result<()> {
    let of = |table: &[(u32, u64)]| table.iter().find(|(id, _)| *id == row.id).map(|(_, it)| *it);
    let least = of(LEAST).unwrap_or(0);
    let forbidden = UNDER_HSM
        .iter()
        .find(|(id, above)| *id == row.id && value != 0 && state.hsm_policy(*above) == 0);
    if let Some((_, above)) = forbidden {
        return Err(Error::new(
            Cause::ConfigFailsDependencies,
            format!("HSM policy {above} is off"),
        )
        .by_policy(row.id));
    }
    if (least..=row.capability).contains(&value) {
        return Ok(());
    }
    Err(Error::new(
        Cause::ConfigIllegal,
        format!("its value is from {least} to {}, the capability", row.capability),
    )
    .by_policy(row.id))
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

fn is_destructive(destructive: Destructive, before: u64, after: u64) -> bool {
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
