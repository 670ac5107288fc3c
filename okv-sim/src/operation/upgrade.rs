//! An upgrade: the server goes to a later release, if the HSM's state allows it.
//!
//! From 12.2 with an enabled HSM it is refused until it is reverse-migrated (Documented: the format of what lies on
//! the token is another one); from 18.x on HSM mode stays (Assumed from the silence of the guides).

use super::Operation;
use crate::error::Error;
use crate::release::Release;
use crate::store::Mode;
use crate::texts::Cause;
use crate::vault::Vault;

pub(crate) fn upgrade(vault: &mut Vault, to: &str) -> Result<Release, Error> {
    let result = try_upgrade(vault, to);
    vault.record(Operation::Upgrade, &result);
    result
}

fn try_upgrade(vault: &mut Vault, to: &str) -> Result<Release, Error> {
    let operation = Operation::Upgrade;
    let (from, to) = (vault.view.release()?, Release::named(to)?);
    if to.rank <= from.rank {
        let detail = format!("{} to {}", from.name, to.name);
        return Err(Error::new(operation, Cause::ReleaseNotNewer).with_detail(detail));
    }
    let mode = vault.mode(operation)?;
    if mode == Mode::Enabled && !from.hsm_survives_upgrade.value {
        let detail = format!("{} to {}", from.name, to.name);
        return Err(Error::new(operation, Cause::UpgradeNeedsReverseMigrate).with_detail(detail));
    }
    let settings = vault.core.store.settings().map_err(|error| Error::store(operation, &error))?;
    // The vendor's entry has had two names: the stored one follows the list.
    let settings = settings.map(|mut settings| {
        if !to.vendors.value.contains(&settings.vendor) {
            to.luna_vendor().clone_into(&mut settings.vendor);
        }
        settings
    });
    let changed = vault.core.store.change(|change| {
        change.release(&to.name)?;
        change.own_version(&to.version)?;
        change.settings(settings.as_ref())
    });
    changed.map_err(|error| Error::store(operation, &error))?;
    Ok(to)
}
