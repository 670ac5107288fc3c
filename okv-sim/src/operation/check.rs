//! The periodic check, and what it does for a sealed server.
//!
//! Every five minutes by default, once a server (Documented). Who calls it keeps the time. A credential the HSM
//! refused is not sent again: ten wrong tries lock a Luna Crypto Officer by default, which would be less than an
//! hour of checks.

use serde::Serialize;

use super::Operation;
use crate::error::Error;
use crate::store::Mode;
use crate::texts::Cause;
use crate::vault::{State, Vault};
use crate::verification::Input;

/// What a run did to the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AlertChange {
    /// None stands.
    None,
    /// It was raised now.
    Raised,
    /// It was raised before and stands.
    Standing,
    /// It stood and was cleared now.
    Cleared,
}

/// The check was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Whether there was anything to check: not while no HSM is enabled.
    pub ran: bool,
    /// The state afterwards.
    pub state: State,
    /// Why the verification failed; `None` when it passed.
    pub failure: Option<Error>,
    /// What happened to the alert.
    pub alert: AlertChange,
}

pub(crate) fn check(vault: &mut Vault) -> Result<Checked, Error> {
    if vault.mode(Operation::Check)? != Mode::Enabled {
        let state = vault.state();
        return Ok(Checked { ran: false, state, failure: None, alert: AlertChange::None });
    }
    let sealed = vault.view.is_started() && !vault.view.is_open();
    let run = vault.run_verification(Operation::Check, &Input::Stored, sealed);
    let failure = run.result.err();
    match failure {
        Some(error) if error.cause == Cause::StoreFailed => Err(error),
        failure => Ok(Checked { ran: true, state: vault.state(), failure, alert: run.alert }),
    }
}
