//! Leaving a library of somebody's as it was found.
//!
//! What this run made carries a key number of its own, drawn at random and seen to be free: by it the objects are
//! found, and none of anybody else's is ever touched. A password that was refused is not sent again, so without
//! a key number nothing is asked of the token at all.

use anyhow::{Context as _, Result, bail, ensure};
use luna_client::Access;
use okv_sim::{Cause, KeyNumber, OpenWith, ReverseMigrateRequest, Secret, State, Vault};

use super::action::Credential;
use super::vault::{
    credential, number_objects, officer, partition_contents, reads_all, restart, root_keys, told,
};
use super::walk::Walk;
use crate::transcript::Seen;

pub(super) fn leave(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let names: Vec<_> = walk.servers.keys().cloned().collect();
    let mut numbers = Vec::new();
    let mut migrated = Ok(());
    for name in names {
        walk.go_to(&name)?;
        if walk.server()?.vault.is_none() {
            left_by_another(walk)?;
        }
        let Some(number) = walk.server()?.key_number else { continue };
        if !numbers.contains(&number) {
            numbers.push(number);
        }
        let outcome = reverse_migrate(walk, seen);
        if let Err(error) = &outcome
            && let Some(error) = error.downcast_ref::<okv_sim::Error>()
            && matches!(error.cause, Cause::CredentialWrong | Cause::CredentialLocked)
        {
            bail!("{error}; key number {number} is left on the token");
        }
        migrated = migrated.and(outcome);
    }
    if numbers.is_empty() {
        seen.fact("no root key of this run is on record: nothing is removed, nobody logs in");
        return Ok(());
    }
    for number in numbers {
        let removed = remove(walk, number);
        let removed =
            removed.with_context(|| format!("key number {number} may be left on the token"))?;
        seen.fact(format!("removed {removed} object(s) with key number {number}"));
    }
    if let Some(before) = walk.objects_before {
        let number = partition_contents(walk, seen)?.number_of_objects();
        seen.exhibits.clear();
        ensure!(number == Some(before), "{number:?} objects; before there were {before}");
        seen.fact(format!("partition contents: {before} object(s), as before"));
    }
    migrated
}

/// The server of a worker that died; its disk knows what it made. Nothing where it was not even set up.
fn left_by_another(walk: &mut Walk) -> Result<()> {
    let server = walk.server()?;
    let vault = match Vault::open(&server.data) {
        Ok(vault) => vault,
        Err(error) if error.cause == Cause::NotInstalled => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    server.key_number = vault.status()?.key_number.or_else(|| {
        // It died inside Initialize, and the vault does not know the key yet; or here, and does no more.
        let traces = vault.traces();
        let texts = traces.iter().rev().filter_map(|path| std::fs::read_to_string(path).ok());
        texts.into_iter().find_map(|text| drawn(&text))
    });
    server.vault = Some(vault);
    Ok(())
}

/// The key number a trace of Initialize says was drawn. It was free on the token then.
fn drawn(trace: &str) -> Option<KeyNumber> {
    let number = trace.lines().rev().find_map(|line| line.split_once(": Key number "))?.1;
    KeyNumber::new(number.trim().parse().ok()?)
}

fn reverse_migrate(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let passphrase = Secret::from(walk.server()?.passphrase.as_str());
    let request = ReverseMigrateRequest {
        credential: credential(walk, Credential::Present),
        passphrase: passphrase.clone(),
        new_passphrase: None,
    };
    walk.vault()?.watch(None);
    if walk.vault()?.state() == State::NotEnabled {
        return Ok(());
    }
    walk.vault()?.reverse_migrate(&request)?;
    seen.fact(format!("reverse migrated: {}", told(&walk.vault()?.status()?)));
    if let Some(error) = restart(walk, seen)? {
        return Err(error.into());
    }
    walk.vault()?.open_wallet(OpenWith::Passphrase(&passphrase))?;
    let state = walk.vault()?.state();
    ensure!(state == State::NotEnabled, "the state is {state}, not {}", State::NotEnabled);
    if walk.server()?.stored {
        let read = reads_all(walk)?;
        seen.fact(format!("with the recovery passphrase: {read}"));
    }
    Ok(())
}

fn remove(walk: &Walk, number: KeyNumber) -> Result<usize> {
    let client = walk.client()?;
    let session = officer(walk, &client, Access::ReadWrite)?;
    let mut ours = root_keys(&session, number)?;
    ours.extend(number_objects(&session, number)?);
    for object in &ours {
        session.destroy(*object)?;
    }
    let left = root_keys(&session, number)?.len() + number_objects(&session, number)?.len();
    session.logout()?;
    ensure!(left == 0, "{left} objects are still there");
    Ok(ours.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_drawn_is_read_from_the_trace() {
        let trace = "2026-01-01 00:00:00.001: Beginning trace for hsmclient initialize\n\
                     2026-01-01 00:00:00.002: Retrieved 0 keys\n\
                     2026-01-01 00:00:00.003: Key number 281109417\n\
                     2026-01-01 00:00:00.004: generate the root key\n";
        assert_eq!(drawn(trace), KeyNumber::new(281_109_417));
        assert_eq!(drawn("2026-01-01 00:00:00.002: Retrieved 0 keys\n"), None);
    }
}
