//! What a partition must be to join a group: one row a rule.
//!
//! Source: ha.md section 4, from the vendor's pages on setting up and adding to HA groups (Documented, but where
//! said). Rules that only a login or a clone can tell are in [`super::members`]: the same Crypto Officer's
//! password, the same cloning domain.

use luna_ck::*;
use luna_client::{Context, PolicyValue, SlotId, TokenInfo, Version};

use crate::failure::Failure;
use crate::present::Shown;

/// From this client on a group may mix FIPS and non-FIPS members.
const MIXES_FIPS: Version = Version { major: 10, minor: 4 };

/// From this firmware on a partition cannot be primary to an older one.
const LEADS_ITS_OWN: [u64; 2] = [7, 7];

/// Of a partition's policies, the one for algorithms that are not FIPS, where the firmware has it.
const PARTITION_NON_FIPS: CK_ULONG = 43;

/// What is known of a partition. What the module does not tell is `None`, and no rule speaks of it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) serial: String,
    initialized: bool,
    group: bool,
    by_device: bool,
    /// A Luna Cloud HSM service.
    pub(super) cloud: bool,
    description: String,
    firmware: Vec<u64>,
    policies: Option<Vec<PolicyValue>>,
    hsm_policies: [(CK_ULONG, &'static str, Option<CK_ULONG>); 2],
    fips: Option<bool>,
}

impl Candidate {
    pub(super) fn of(context: &Context, slot: SlotId) -> luna_client::Result<Self> {
        let shown = Shown::of(context, slot)?;
        let token: &TokenInfo = &shown.token;
        let policies = context.token_policies(slot).ok();
        let hsm_policy = |id| context.hsm_policy(slot, id).ok();
        let of_partition = policies.iter().flatten().find(|it| it.id == PARTITION_NON_FIPS);
        let non_fips = of_partition
            .map(|policy| policy.value)
            .or_else(|| hsm_policy(HSM_CONFIG_NONFIPS_ALGORITHMS));
        Ok(Self {
            serial: token.serial_number.clone(),
            initialized: token.initialized(),
            group: shown.is_ha_group(),
            by_device: token.flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0,
            // Other HSMs do not have the call (Documented).
            cloud: context.cryptovisor_version(slot).is_ok(),
            description: context.slot_info(slot)?.description,
            firmware: shown.firmware.clone(),
            hsm_policies: [
                (HSM_CONFIG_CLONING, "cloning", hsm_policy(HSM_CONFIG_CLONING)),
                (
                    HSM_CONFIG_NETWORK_REPLICATION,
                    "network replication",
                    hsm_policy(HSM_CONFIG_NETWORK_REPLICATION),
                ),
            ],
            fips: non_fips.map(|value| value == 0),
            policies,
        })
    }

    fn policy(&self, id: CK_ULONG) -> Option<CK_ULONG> {
        // A policy whose capability is off is not listed at all (Documented).
        let value = |list: &Vec<PolicyValue>| list.iter().find(|it| it.id == id).map(|it| it.value);
        self.policies.as_ref().map(|list| value(list).unwrap_or(0))
    }
}

/// Why a partition cannot be in a group: the code, and in words.
type Refusal = Option<(CK_RV, String)>;

/// Rules about one partition.
const OF_ONE: &[fn(&Candidate) -> Refusal] = &[is_no_partition, is_empty, bars_cloning, hsm_bars];

/// Rules about the primary and one that joins it, with the client's version.
const OF_TWO: &[fn(&Candidate, &Candidate, Version) -> Refusal] =
    &[authenticates_otherwise, is_of_another_kind, is_behind_the_primary, mixes_fips];

/// Whether a partition can be in any group.
pub(super) fn alone(candidate: &Candidate) -> Result<(), Failure> {
    refuse(candidate, OF_ONE.iter().find_map(|rule| rule(candidate)))
}

/// Whether a partition can join a primary.
pub(super) fn together(
    primary: &Candidate,
    joining: &Candidate,
    client: Version,
) -> Result<(), Failure> {
    alone(joining)?;
    refuse(joining, OF_TWO.iter().find_map(|rule| rule(primary, joining, client)))
}

fn refuse(candidate: &Candidate, refusal: Refusal) -> Result<(), Failure> {
    match refusal {
        Some((rv, why)) => {
            let text = format!("partition {} cannot be a member: {why}", candidate.serial);
            Err(Failure::refused(rv, text))
        }
        None => Ok(()),
    }
}

fn is_no_partition(it: &Candidate) -> Refusal {
    it.group.then(|| (CKR_SLOT_ID_INVALID, "it is an HA group itself".to_owned()))
}

fn is_empty(it: &Candidate) -> Refusal {
    let text = "it is not initialized; 'partition init' and 'role init' come first";
    (!it.initialized).then(|| (CKR_TOKEN_NOT_RECOGNIZED, text.to_owned()))
}

/// Partition policies 0 and 4.
fn bars_cloning(it: &Candidate) -> Refusal {
    let policies = [
        (CONTAINER_CONFIG_PRIVATE_KEY_CLONING, "private key cloning"),
        (CONTAINER_CONFIG_SECRET_KEY_CLONING, "secret key cloning"),
    ];
    let (id, name) = policies.into_iter().find(|(id, _)| it.policy(*id) == Some(0))?;
    Some((CKR_CLONE_NOT_ATTEMPTED, format!("its partition policy {id} (Allow {name}) is off")))
}

/// HSM policies 7 and 16.
fn hsm_bars(it: &Candidate) -> Refusal {
    let (id, name, _) = it.hsm_policies.into_iter().find(|(_, _, value)| *value == Some(0))?;
    Some((CKR_CLONE_NOT_ATTEMPTED, format!("its HSM's policy {id} (Allow {name}) is off")))
}

fn authenticates_otherwise(primary: &Candidate, it: &Candidate, _: Version) -> Refusal {
    let kind = |it: &Candidate| if it.by_device { "a PED" } else { "a password" };
    (primary.by_device != it.by_device).then(|| {
        let text = format!(
            "it authenticates by {}, the primary {} by {}",
            kind(it),
            primary.serial,
            kind(primary)
        );
        (CKR_FUNCTION_NOT_SUPPORTED, text)
    })
}

/// Network partitions with each other, cards with each other; told by the description of the slot (Assumed).
fn is_of_another_kind(primary: &Candidate, it: &Candidate, _: Version) -> Refusal {
    let network = |it: &Candidate| it.description.starts_with("Net");
    let text = "network partitions and others cannot be mixed in one group";
    (network(primary) != network(it)).then(|| (CKR_FUNCTION_NOT_SUPPORTED, text.to_owned()))
}

fn is_behind_the_primary(primary: &Candidate, it: &Candidate, _: Version) -> Refusal {
    let new = |it: &Candidate| it.firmware.get(..2).is_some_and(|it| it >= &LEADS_ITS_OWN);
    (new(primary) && !new(it)).then(|| {
        let text = format!(
            "its firmware is older than 7.7 and that of the primary {} is not",
            primary.serial
        );
        (CKR_FUNCTION_NOT_SUPPORTED, text)
    })
}

fn mixes_fips(primary: &Candidate, it: &Candidate, client: Version) -> Refusal {
    let mode = |fips: bool| if fips { "in FIPS mode" } else { "not in FIPS mode" };
    match (primary.fips, it.fips) {
        (Some(primary), Some(own)) if primary != own && client < MIXES_FIPS => {
            let text = format!(
                "it is {} and the primary is {}, which clients before {MIXES_FIPS} do not mix",
                mode(own),
                mode(primary)
            );
            Some((CKR_FUNCTION_NOT_SUPPORTED, text))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Version = Version { major: 10, minor: 2 };

    fn member() -> Candidate {
        let on = |id| PolicyValue { id, value: 1 };
        Candidate {
            serial: "1".into(),
            initialized: true,
            group: false,
            by_device: false,
            cloud: false,
            description: "Net Token Slot".into(),
            firmware: vec![7, 4, 0],
            policies: Some(vec![on(0), on(4)]),
            hsm_policies: [(7, "cloning", Some(1)), (16, "network replication", Some(1))],
            fips: Some(true),
        }
    }

    fn refused(change: impl FnOnce(&mut Candidate)) -> String {
        let mut joining = member();
        change(&mut joining);
        together(&member(), &joining, OLD).unwrap_err().to_string()
    }

    #[test]
    fn equals_are_joined() {
        together(&member(), &member(), OLD).unwrap();
        let silent = Candidate { policies: None, fips: None, ..member() };
        together(&member(), &silent, OLD).unwrap();
    }

    #[test]
    fn every_rule_refuses_what_breaks_it() {
        for (what, text) in [
            (refused(|it| it.group = true), "is an HA group itself"),
            (refused(|it| it.initialized = false), "is not initialized"),
            (refused(|it| it.policies = Some(vec![])), "partition policy 0 (Allow private key"),
            (refused(|it| it.hsm_policies[1].2 = Some(0)), "policy 16 (Allow network"),
            (refused(|it| it.by_device = true), "authenticates by a PED"),
            (refused(|it| it.description = "Luna K7".into()), "cannot be mixed"),
            (refused(|it| it.fips = Some(false)), "is not in FIPS mode and the primary is in"),
        ] {
            assert!(what.contains(text), "{what}");
            assert!(what.starts_with("partition 1 cannot be a member: "), "{what}");
        }
        let new = Candidate { firmware: vec![7, 8, 4], ..member() };
        let older = together(&new, &member(), OLD).unwrap_err().to_string();
        assert!(older.contains("older than 7.7"), "{older}");
        together(&member(), &new, OLD).unwrap();
        let mixed = Candidate { fips: Some(false), ..member() };
        together(&member(), &mixed, MIXES_FIPS).unwrap();
    }
}
