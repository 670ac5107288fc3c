//! A restart: the opened wallet is gone, and is opened through the HSM again if one is enabled.
//!
//! A wallet that does not open leaves the server sealed: the embedded database stays closed and the console does
//! not come up (Documented, 18.1 guide).

use serde::Serialize;

use super::{AlertChange, Operation};
use crate::error::Error;
use crate::store::Mode;
use crate::vault::{State, Vault};
use crate::verification::Input;

/// The server has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Started {
    /// `SEALED` when the wallet could not be opened.
    pub state: State,
    /// Why it could not.
    pub failure: Option<Error>,
    /// What happened to the alert.
    pub alert: AlertChange,
}

pub(crate) fn restart(vault: &mut Vault) -> Result<Started, Error> {
    vault.view.close();
    let enabled = match vault.mode(Operation::Restart) {
        Ok(mode) => mode == Mode::Enabled,
        // Unreadable: sealed, and this is why.
        Err(error) => {
            let state = vault.state();
            return Ok(Started { state, failure: Some(error), alert: AlertChange::None });
        }
    };
    if !enabled {
        return Ok(Started { state: vault.state(), failure: None, alert: AlertChange::None });
    }
    let run = vault.run_verification(Operation::Restart, &Input::Stored, true);
    let failure = run.result.err();
    Ok(Started { state: vault.state(), failure, alert: run.alert })
}
