//! Steps that kill members of the group and bring them back.
//!
//! Members die by the hand of another process, as a machine does; the vault and the library notice by their next
//! call. The primary goes first, as that is the harder loss; and it comes back first and alone, after the check
//! was green with the other alone: so each of the two has shown that it holds the root key.

use anyhow::{Context as _, Result, bail, ensure};
use luna_client::ck::{CKF_SIGN, CKF_VERIFY, CKM_SHA1_RSA_PKCS};
use okv_sim::texts::ALERT_PREFIX;
use okv_sim::{AlertChange, Cause, Checked, OpenWith, State};

use super::vault::{expect, partition_contents, reads_all, stop_and_start, told};
use super::walk::Walk;
use crate::instance::Change;
use crate::transcript::Seen;

pub(super) fn group(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
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
    members_alive(walk, seen, 2)
}

/// What `CA_GetHAState` tells of the members.
fn members_alive(walk: &Walk, seen: &mut Seen, expected: usize) -> Result<()> {
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

fn change(walk: &Walk, seen: &mut Seen, member: usize, change: Change) -> Result<()> {
    let instance = walk.told.instance.as_ref().context("there is no emulator")?;
    let serial = instance.members.get(member).context("there is no such member")?;
    instance.change(serial, change)?;
    let verb = if change == Change::Down { "down" } else { "up" };
    seen.fact(format!("luna-emulator member {verb} {serial}"));
    Ok(())
}

fn check(walk: &mut Walk, seen: &mut Seen) -> Result<Checked> {
    let checked = walk.vault()?.check()?;
    let status = walk.vault()?.status()?;
    seen.fact(format!("check: {}", told(&status)));
    ensure!(checked.ran, "there was nothing to check");
    Ok(checked)
}

/// A check that finds nothing wrong.
fn green(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let checked = check(walk, seen)?;
    let status = walk.vault()?.status()?;
    if let Some(error) = checked.failure {
        bail!("the check failed: {error}");
    }
    expect(&status, State::EnabledOk)?;
    ensure!(status.green && status.alert.is_none(), "the check passed, but: {}", told(&status));
    Ok(())
}

pub(super) fn one_down(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    change(walk, seen, 0, Change::Down)?;
    members_alive(walk, seen, 1)?;
    green(walk, seen)?;
    seen.fact(reads_all(walk)?);
    Ok(())
}

pub(super) fn both_down(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    change(walk, seen, 1, Change::Down)?;
    let checked = check(walk, seen)?;
    let status = walk.vault()?.status()?;
    expect(&status, State::EnabledFail)?;
    ensure!(!status.green && checked.failure.is_some(), "the check passed without an HSM");
    ensure!(checked.alert == AlertChange::Raised, "the alert was not raised by this check");
    let alert = status.alert.context("no alert stands")?;
    seen.fact(format!("alert raised: {}", alert.text));
    ensure!(alert.text.starts_with(ALERT_PREFIX), "the alert begins otherwise: {}", alert.text);
    seen.fact(format!("meanwhile: {}", reads_all(walk)?));
    Ok(())
}

pub(super) fn sealed(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    stop_and_start(walk, seen)?;
    let names: Vec<_> = walk.told.objects.iter().map(|object| object.name.clone()).collect();
    let vault = walk.vault()?;
    let status = vault.status()?;
    expect(&status, State::Sealed)?;
    ensure!(!status.green && !status.wallet_open, "sealed, but green or open");
    for name in &names {
        match vault.read_object(name) {
            Err(error) if error.cause == Cause::Sealed => {}
            Err(error) => bail!("reading `{name}` fails otherwise: {error}"),
            Ok(_) => bail!("`{name}` can be read without an HSM"),
        }
    }
    ensure!(vault.list_objects().is_err(), "objects are listed without an HSM");
    seen.fact(format!("{} reads and a listing refused", names.len()));
    match vault.open_wallet(OpenWith::Hsm) {
        Err(error) => seen.fact(format!("open_wallet: {}", error.what())),
        Ok(state) => bail!("the wallet opens without an HSM; state {state}"),
    }
    expect(&vault.status()?, State::Sealed)
}

pub(super) fn back(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    change(walk, seen, 0, Change::Up)?;
    members_alive(walk, seen, 1)?;
    let state = walk.vault()?.open_wallet(OpenWith::Hsm)?;
    let status = walk.vault()?.status()?;
    seen.fact(format!("open_wallet: {}", told(&status)));
    ensure!(state == State::EnabledOk && status.green, "the wallet opened, but: {}", told(&status));
    ensure!(status.alert.is_none(), "the alert still stands");
    let cleared = walk.vault()?.alerts()?.iter().all(|alert| alert.cleared_at.is_some());
    ensure!(cleared, "an alert was not cleared");
    seen.fact(reads_all(walk)?);
    Ok(())
}

pub(super) fn whole(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    change(walk, seen, 1, Change::Up)?;
    members_alive(walk, seen, 2)?;
    green(walk, seen)?;
    let number = partition_contents(walk, seen)?.number_of_objects();
    // Shown once is enough.
    seen.exhibits.clear();
    ensure!(number == Some(2), "{number:?} objects are on the token");
    seen.fact("partition contents: 2 objects");
    Ok(())
}
