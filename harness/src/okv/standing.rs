//! Actions at a server whose root of trust stands: checks, credentials, the wallet, the way back.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use okv_sim::{
    AlertChange, Event, OpenWith, Operation, ReverseMigrateRequest, SetCredentialRequest,
};

use super::action::{Dialog, Passphrase};
use super::expect::At;
use super::vault::{confirmed, credential, passphrase, settings, told};
use super::walk::Walk;
use crate::transcript::Seen;

type Outcome = Result<Option<okv_sim::Error>>;

/// The periodic check. That there is nothing to check is no outcome but a failure of the step.
pub(super) fn check(walk: &mut Walk, seen: &mut Seen) -> Outcome {
    let checked = walk.vault()?.check()?;
    let status = walk.vault()?.status()?;
    seen.fact(format!("check: {}", told(&status)));
    ensure!(checked.ran, "there was nothing to check");
    match (checked.alert, &status.alert) {
        (AlertChange::Raised, Some(alert)) => seen.fact(format!("alert raised: {}", alert.text)),
        (AlertChange::Cleared, _) => seen.fact("alert cleared"),
        _ => {}
    }
    Ok(checked.failure)
}

pub(super) fn set_credential(walk: &mut Walk, seen: &mut Seen, dialog: &Dialog) -> Outcome {
    let credential = match confirmed(walk, dialog, Operation::SetCredential) {
        Ok(credential) => credential,
        Err(error) => return Ok(Some(error)),
    };
    let request = SetCredentialRequest { hsm: settings(walk, dialog)?, credential };
    match walk.vault()?.set_credential(&request) {
        Ok(set) => {
            seen.fact(format!("the credential is set, state {}", set.state));
            Ok(None)
        }
        Err(error) => Ok(Some(error)),
    }
}

pub(super) fn open_wallet(walk: &mut Walk) -> Outcome {
    Ok(walk.vault()?.open_wallet(OpenWith::Hsm).err())
}

pub(super) fn open_with_passphrase(walk: &mut Walk, which: Passphrase) -> Outcome {
    let passphrase = passphrase(walk, which)?;
    Ok(walk.vault()?.open_wallet(OpenWith::Passphrase(&passphrase)).err())
}

pub(super) fn reverse_migrate(walk: &mut Walk, dialog: &Dialog) -> Outcome {
    let request = ReverseMigrateRequest {
        credential: credential(walk, dialog.credential),
        passphrase: passphrase(walk, dialog.passphrase)?,
        new_passphrase: None,
    };
    Ok(walk.vault()?.reverse_migrate(&request).err())
}

/// The next operation that comes to this step is stopped there, once.
pub(super) fn stop_at(walk: &mut Walk, seen: &mut Seen, at: &At) -> Result<()> {
    let (wanted, spent) = (at.clone(), AtomicBool::new(false));
    walk.vault()?.watch(Some(Box::new(move |event: &Event<'_>| match event {
        Event::Step(step) if wanted.is(*step) && !spent.swap(true, Ordering::Relaxed) => {
            Err("by the scenario".to_owned())
        }
        _ => Ok(()),
    })));
    seen.fact(format!("the next operation is stopped at {at}"));
    Ok(())
}
