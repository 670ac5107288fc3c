//! Verify: the verification on demand, no inputs.

use std::path::PathBuf;

use serde::Serialize;

use super::Operation;
use crate::blob::KeyNumber;
use crate::error::Error;
use crate::store::{HsmDetails, Mode};
use crate::texts::Cause;
use crate::vault::Vault;
use crate::verification::Input;

/// The configuration is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Slot and token.
    pub details: HsmDetails,
    /// Of this server's root key.
    pub key_number: KeyNumber,
    /// Root keys on the token, of this server and of others.
    pub keys_found: usize,
    /// The trace file.
    pub trace: PathBuf,
}

pub(crate) fn verify(vault: &mut Vault) -> Result<Verification, Error> {
    let not_enabled = || Error::new(Operation::Verify, Cause::HsmNotEnabled);
    if let Ok(Mode::NotEnabled) = vault.core.store.mode() {
        return Err(not_enabled());
    }
    let run = vault.run_verification(Operation::Verify, &Input::Stored, false);
    let verified = run.result?;
    let chain = verified.chain.ok_or_else(not_enabled)?;
    Ok(Verification {
        details: verified.details,
        key_number: chain.number,
        keys_found: chain.labelled,
        trace: run.trace,
    })
}
