//! A standby takes over its primary's HSM, before the two are paired.
//!
//! The administrator brings `cwallet.sso` and `enctdepwd` over from the primary and marks the HSM enabled there by
//! hand (Assumed, from memory of the 18.x guides); both servers use the same root key, unlike the nodes of a cluster
//! (Assumed). What is checked is what goes wrong in practice: files that were not brought (Documented), or that other
//! users may read. In this simulator wallet and database come along, as they do in a pair's replication.

use super::Operation;
use crate::blob::Blob;
use crate::disk::Place;
use crate::error::Error;
use crate::store::{HsmSettings, Mode};
use crate::texts::Cause;
use crate::vault::{State, Vault};

/// What must be there, besides the database: bytes for bytes the primary's.
const BROUGHT: [Place; 5] = [
    Place::CredentialWallet,
    Place::CredentialKey,
    Place::Blob,
    Place::Wallet,
    Place::RestoreWallet,
];

pub(crate) fn adopt_hsm(vault: &mut Vault, hsm: &HsmSettings) -> Result<State, Error> {
    let operation = Operation::Standby;
    let result = adopt(vault, hsm);
    vault.record(operation, &result);
    result
}

fn adopt(vault: &mut Vault, hsm: &HsmSettings) -> Result<State, Error> {
    let operation = Operation::Standby;
    if vault.mode(operation)? != Mode::Enabled {
        // Opening a server that is not enabled clears such files away: they can only be brought to one that is.
        return Err(Error::new(operation, Cause::HsmNotEnabled));
    }
    vault.view.release()?.accepts(hsm, operation)?;
    let core = &vault.core;
    let missing: Vec<_> = BROUGHT
        .iter()
        .filter(|place| !core.disk.exists(**place))
        .map(|place| place.relative())
        .collect();
    if !missing.is_empty() {
        let detail = missing.join(", ");
        return Err(Error::new(operation, Cause::StandbyFilesMissing).with_detail(detail));
    }
    let failed = |error| Error::disk(operation, Cause::DiskFailed, &error);
    let file = core.disk.read(Place::Blob).map_err(failed)?;
    let blob = Blob::read(&file).map_err(|_| Error::new(operation, Cause::BlobHeaderDamaged))?;
    core.disk.link_wallet().map_err(failed)?;
    let changed = core.store.change(|change| {
        change.settings(Some(hsm))?;
        change.key_number(Some(blob.number))?;
        change.refused(None)
    });
    changed.map_err(|error| Error::store(operation, &error))?;
    let started = vault.restart()?;
    match started.failure {
        Some(error) => Err(error),
        None => Ok(started.state),
    }
}
