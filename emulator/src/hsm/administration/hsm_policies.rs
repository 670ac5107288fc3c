//! HSM policies: reading and changing them, and templates of policies.
//!
//! Source: policies.md sections 1, 4 and 6 (Documented but where it marks otherwise). That the call
//! without `Destructive` refuses a change that wipes: Documented by their names, the code Assumed.

use std::collections::BTreeMap;

use crate::error::{Cause, Error, Result};
use crate::hsm::facts::{self, HsmFacts, Kind};
use crate::hsm::partition::{Partition, State};
use crate::hsm::policies::{self, Templates};
use crate::hsm::store::{PartitionRecord, Step};
use crate::profile::{Destructive, Policy};
use crate::wire::{PolicyState, TemplatePolicy};

const NON_FIPS: u32 = 12;
const FUNCTIONALITY_MODULES: u32 = 50;

/// The last firmware that has functionality modules outside of FIPS mode alone (Documented).
const MODULES_WANT_NON_FIPS_UNTIL: [u8; 3] = [7, 4, 2];

/// HSM policies whose values no application sees an effect of: they steer the hardware.
#[cfg(test)]
const WITHOUT_EFFECT: [u32; 4] = [20, 29, 37, 43];

impl Partition {
    /// Every HSM policy with the capability that bounds it; a capability that no policy follows
    /// says so by `fixed`.
    pub(super) fn hsm_policies(&self, state: &State) -> Vec<PolicyState> {
        self.hsm_rows(state)
            .map(|row| PolicyState {
                id: u64::from(row.id),
                text: row.text.clone(),
                capability: row.capability,
                value: state.hsm_policy(row.id),
                destructive: row.destructive != Destructive::None,
                fixed: row.fixed,
            })
            .collect()
    }

    fn hsm_rows<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Policy> {
        self.profile.hsm_policies.iter().filter(|row| row.is_on(state.authentication))
    }

    /// Whether HSM policies may change so: what is kept then, and whether the HSM is zeroised.
    fn lawful(
        &self,
        state: &State,
        changes: impl Iterator<Item = (u64, u64)>,
    ) -> Result<(BTreeMap<u32, u64>, bool)> {
        let mut set = self.store.hsm()?.policies;
        let mut after: BTreeMap<u32, u64> =
            self.hsm_rows(state).map(|row| (row.id, state.hsm_policy(row.id))).collect();
        let mut wipes = false;
        for (id, value) in changes {
            let row =
                self.hsm_rows(state).find(|row| u64::from(row.id) == id && !row.fixed).ok_or_else(
                    || Error::new(Cause::PolicyIdInvalid, format!("the HSM has no policy {id}")),
                )?;
            if value > row.capability {
                return Err(Error::new(
                    Cause::ConfigIllegal,
                    format!("HSM policy {id} is at most {}, its capability", row.capability),
                ));
            }
            let before = state.hsm_policy(row.id);
            wipes |= policies::wipes_by(row, &state.hsm.destructive, before, value);
            set.insert(row.id, value);
            after.insert(row.id, value);
        }
        let on = |id: u32| after.get(&id).is_some_and(|value| *value != 0);
        if on(FUNCTIONALITY_MODULES)
            && !on(NON_FIPS)
            && self.profile.versions.firmware <= MODULES_WANT_NON_FIPS_UNTIL
        {
            return Err(Error::new(
                Cause::ConfigFailsDependencies,
                "up to firmware 7.4.2 HSM policy 50 wants HSM policy 12 on",
            ));
        }
        Ok((set, wipes))
    }

    /// `CA_SetHSMPolicies` and `CA_SetDestructiveHSMPolicies`.
    ///
    /// # Errors
    /// `PolicyIdInvalid`, `ConfigIllegal`, `ConfigFailsDependencies`; `ConfigChangeIllegal` for a
    /// change that zeroises and was not asked for as one (code Assumed).
    pub(super) fn set_hsm_policies(
        &self,
        state: &State,
        changes: &[(u64, u64)],
        destructive: bool,
    ) -> Result<()> {
        let (set, wipes) = self.lawful(state, changes.iter().copied())?;
        if wipes && !destructive {
            return Err(Error::new(
                Cause::ConfigChangeIllegal,
                "the change zeroises the HSM: CA_SetDestructiveHSMPolicies is wanted",
            ));
        }
        if wipes {
            return self.zeroize_under(Some(set));
        }
        self.store.change_hsm(&mut |record| record.policies.clone_from(&set))?;
        self.refresh()
    }

    /// Policies and destructiveness of templates: the partition's policies in its record, the rest in
    /// the step that is told.
    ///
    /// # Errors
    /// Those of the policies: a template that conflicts is refused as a whole.
    pub(in crate::hsm) fn apply_templates(
        &self,
        state: &State,
        record: &mut PartitionRecord,
        templates: &Templates<'_>,
    ) -> Result<Option<Step>> {
        if templates.policies.is_empty() && templates.hsm_policies.is_empty() {
            return Ok(None);
        }
        let own = self.apply_template(state, record, templates.policies)?;
        let mut hsm = self.store.hsm()?;
        let mut kept: HsmFacts = facts::read(&hsm.extra)?;
        kept.partitions.entry(record.serial.clone()).or_default().destructive.extend(own);
        if templates.hsm_policies.is_empty() {
            hsm.extra = facts::write(&kept)?;
            return Ok(Some(Step::PutHsm(hsm)));
        }
        if state.kind == Kind::User {
            return Err(Error::new(
                Cause::UserNotAuthorized,
                "HSM policies are set where the HSM is initialised",
            ));
        }
        let rows: Vec<&Policy> = self.hsm_rows(state).collect();
        let tightened = policies::tightened(&rows, templates.hsm_policies)?;
        let (set, _) = self.lawful(state, values(templates.hsm_policies))?;
        kept.destructive.extend(tightened);
        (hsm.policies, hsm.extra) = (set, facts::write(&kept)?);
        Ok(Some(Step::PutHsm(hsm)))
    }

    /// Policies of a partition's template, put into its record; told what becomes more destructive.
    pub(super) fn apply_template(
        &self,
        state: &State,
        record: &mut PartitionRecord,
        template: &[TemplatePolicy],
    ) -> Result<BTreeMap<String, (bool, bool)>> {
        if template.is_empty() {
            return Ok(BTreeMap::new());
        }
        record.policies = policies::change(&self.profile, state, values(template))?.set;
        let rows: Vec<&Policy> = state.shown(&self.profile).collect();
        policies::tightened(&rows, template)
    }
}

fn values(template: &[TemplatePolicy]) -> impl Iterator<Item = (u64, u64)> {
    template.iter().map(|row| (row.id, row.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Profile, names};

    /// A row nobody asks for would be a policy that only looks like one.
    #[test]
    fn every_hsm_policy_acts_or_says_that_it_does_not() {
        let acting =
            [6, 7, NON_FIPS, 15, 16, 21, 22, 25, 26, 30, 33, 39, 40, 48, 49, FUNCTIONALITY_MODULES];
        for name in names() {
            for row in Profile::built_in(name).unwrap().hsm_policies {
                let known = acting.contains(&row.id) || WITHOUT_EFFECT.contains(&row.id);
                assert!(row.fixed || known, "{name}: HSM policy {}", row.id);
            }
        }
    }
}
