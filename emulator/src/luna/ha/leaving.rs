//! When a group leaves a member that answers, but cannot serve.

use crate::error::{Cause, Class, Error};
use crate::luna::config::Probing;
use crate::luna::ha::group::Group;

/// Which refusals are a member's failure, beside those that always are: the group leaves the member and
/// asks another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leaves {
    /// Its audit log is full and blocks it, or a PED that is not there is waited for: `ProbeTimeout`.
    /// Without that there is no failover (ha.md section 8, Documented).
    stuck: bool,
    /// It is deactivated, so that only a PED could log in there: `failover_on_deactivation`.
    deactivated: bool,
}

impl Group {
    /// The group as its configuration wants it to leave members that are stuck or deactivated.
    ///
    /// An HSM that is stuck says so here at once, so there is nothing to wait `ProbeTimeout` for (Assumed).
    #[must_use]
    pub fn leaving(mut self, probing: &Probing) -> Self {
        self.leaves = Leaves {
            stuck: probing.probe_timeout.is_some(),
            deactivated: probing.failover_on_deactivation,
        };
        self
    }

    /// Whether a refusal is the member's failure and not the caller's.
    pub(super) fn is_members(&self, error: &Error) -> bool {
        match error.cause() {
            Cause::LogFull => self.leaves.stuck,
            Cause::PedUnplugged => self.leaves.stuck || self.leaves.deactivated,
            _ => error.class() == Class::Member,
        }
    }
}
