//! Groups of network and cloud HSMs.
//!
//! Source: cloud.md section 5 of the fact pack (Documented).

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::client::Client;
use crate::luna::slots::Token;

/// From this firmware of the cloud on, a login to a group that has it and others wants a newer
/// client: see [`LOGS_IN_TO_BOTH`].
const CRYPTOVISOR: (u64, u64, u64) = (3, 0, 0);

/// The first client that logs in to such a group.
const LOGS_IN_TO_BOTH: [u8; 2] = [10, 8];

impl Client {
    /// Whether a client of this version may log in to what a session is on.
    ///
    /// # Errors
    /// `FunctionNotSupported` for a group of both kinds, on a client before 10.8.
    pub fn may_log_in(&self, session: SessionHandle, version: [u8; 2]) -> Result<()> {
        if version >= LOGS_IN_TO_BOTH {
            return Ok(());
        }
        let session = self.session(session)?;
        let Token::Group(group) = &session.slot.token else { return Ok(()) };
        if !group.mixes_cloud(CRYPTOVISOR) {
            return Ok(());
        }
        let [major, minor] = version;
        Err(Error::new(
            Cause::FunctionNotSupported,
            format!(
                "a group of network HSMs and a Luna Cloud HSM of firmware 3.0 wants a client of \
                 10.8 or later; this one is {major}.{minor}"
            ),
        ))
    }
}
