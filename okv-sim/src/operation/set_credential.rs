//! Set Credential: one dialog, two uses ("Prepare for HSM Restore").
//!
//! The verification does the work: it writes the new credential and then goes as far as the state lets it. In
//! the real product a wrong value does replace the stored one (Observed), and so it does here. The recovery
//! passphrase is not asked for (Documented).

use std::path::PathBuf;

use serde::Serialize;

use super::Operation;
use crate::disk::Place;
use crate::error::Error;
use crate::secret::Secret;
use crate::store::{HsmDetails, HsmSettings, Mode};
use crate::vault::{State, Vault};
use crate::verification::Input;

/// The dialog's fields, without the repeated one: see [`Secret::confirmed`].
#[derive(Debug, Clone)]
pub struct SetCredentialRequest {
    /// Vendor, library and token label.
    pub hsm: HsmSettings,
    /// The Crypto Officer's password.
    pub credential: Secret,
}

/// Which of the two uses it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum CredentialUse {
    /// The credential was changed on the HSM; the whole chain was verified with the new one.
    Changed,
    /// The server is prepared for a restore; the login was verified.
    PreparedForRestore,
}

/// Set Credential is through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialSet {
    /// Which use it was.
    pub used: CredentialUse,
    /// The state afterwards. A sealed server stays so until the wallet is opened.
    pub state: State,
    /// Slot and token.
    pub details: HsmDetails,
    /// The trace file.
    pub trace: PathBuf,
}

pub(crate) fn set_credential(
    vault: &mut Vault,
    request: &SetCredentialRequest,
) -> Result<CredentialSet, Error> {
    let operation = Operation::SetCredential;
    let enabled = vault.mode(operation)? == Mode::Enabled;
    vault.view.release()?.accepts(&request.hsm, operation)?;
    let run = vault.run_verification(operation, &Input::New(request), false);
    let settled = match (&run.result, enabled) {
        (_, true) => Ok(()),
        (Ok(_), false) => vault.core.store.change(|change| {
            change.mode(Mode::CredentialSet)?;
            change.counts(true)
        }),
        (Err(_), false) => forget(vault),
    };
    let trace = run.trace;
    let result = run.result.and_then(|verified| {
        settled.map_err(|error| Error::store(operation, &error))?;
        let used = if enabled { CredentialUse::Changed } else { CredentialUse::PreparedForRestore };
        Ok(CredentialSet { used, state: vault.state(), details: verified.details, trace })
    });
    vault.record(operation, &result);
    result
}

/// A credential that did not work prepares for nothing.
fn forget(vault: &mut Vault) -> Result<(), crate::store::StoreError> {
    vault.core.store.change(|change| {
        change.mode(Mode::NotEnabled)?;
        change.settings(None)?;
        change.counts(false)?;
        change.refused(None)
    })?;
    Ok(vault.core.disk.remove(Place::CredentialWallet)?)
}
