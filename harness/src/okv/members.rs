//! Actions that cut members off and bring them back, and faults that are planned for them.
//!
//! Members die by the hand of another process, as a machine does; the vault and the library notice by their next
//! call.

use anyhow::{Context as _, Result, ensure};
use luna_client::ck::{CKF_SIGN, CKF_VERIFY, CKM_SHA1_RSA_PKCS};

use super::action::Link;
use super::walk::Walk;
use crate::instance::{Change, Instance};
use crate::transcript::Seen;

pub(super) fn group(walk: &mut Walk, seen: &mut Seen, members: usize) -> Result<()> {
    let client = walk.client()?;
    let slots = client.slots(true)?;
    let token = client.token_info(walk.slot)?;
    seen.fact(format!("slots: {}; {}, {}", slots.len(), token.label, token.model));
    let sha1 = client.mechanism_info(walk.slot, CKM_SHA1_RSA_PKCS)?;
    let (signs, verifies) = (sha1.flags & CKF_SIGN != 0, sha1.flags & CKF_VERIFY != 0);
    seen.fact(format!("CKM_SHA1_RSA_PKCS: signs {signs}, verifies {verifies}"));
    drop(client);
    ensure!(!signs && verifies, "the group is not in FIPS mode");
    ensure!(slots.len() == 1, "{} slots are listed", slots.len());
    ensure!(token.model == "LunaVirtual", "the model is `{}`", token.model);
    alive(walk, seen, members)
}

/// What `CA_GetHAState` tells of the members.
pub(super) fn alive(walk: &Walk, seen: &mut Seen, expected: usize) -> Result<()> {
    let state = walk.client()?.ha_state(walk.slot)?;
    let told = |member: &luna_client::HaMember| {
        let alive = if member.status.0 == 0 { "alive".into() } else { member.status.to_string() };
        format!("{} {alive}", member.serial)
    };
    let members: Vec<_> = state.members.iter().map(told).collect();
    seen.fact(format!("CA_GetHAState of group {}: {}", state.serial, members.join(", ")));
    let alive = state.members.iter().filter(|member| member.status.0 == 0).count();
    ensure!(alive == expected, "{alive} members are alive, not {expected}");
    Ok(())
}

/// The emulator of this run.
pub(super) fn instance(walk: &Walk) -> Result<&Instance> {
    walk.told.instance.as_ref().context("there is no emulator of this run")
}

pub(super) fn change(walk: &Walk, seen: &mut Seen, member: usize, link: Link) -> Result<()> {
    let instance = instance(walk)?;
    let serial = instance.members.get(member).context("there is no such member")?;
    let (change, verb) = match link {
        Link::Down => (Change::Down, "down"),
        Link::Up => (Change::Up, "up"),
    };
    instance.change(serial, change)?;
    seen.fact(format!("luna-emulator member {verb} {serial}"));
    Ok(())
}

/// All of them.
pub(super) fn all(walk: &Walk, seen: &mut Seen, link: Link) -> Result<()> {
    (0..instance(walk)?.members.len()).try_for_each(|member| change(walk, seen, member, link))
}

/// Adds a fault to the plan in force on every HSM.
pub(super) fn fault(walk: &Walk, seen: &mut Seen, words: &[String]) -> Result<()> {
    instance(walk)?.tell(&[&["fault", "add"], words_of(words).as_slice()].concat())?;
    seen.fact(format!("luna-emulator fault add {}", words.join(" ")));
    Ok(())
}

pub(super) fn no_faults(walk: &Walk) -> Result<()> {
    instance(walk)?.tell(&["fault", "clear"])
}

fn words_of(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
