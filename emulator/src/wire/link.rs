//! The way from a client to a partition.

use std::sync::Arc;

use super::{Reply, Request};
use crate::ck::*;
use crate::error::Error;

/// Why a request has no reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The partition heard it and refused.
    Refused(Error),
    /// The member did not hear it: nothing has happened there.
    Unreachable(String),
    /// The member may have heard it; the reply did not come.
    Lost(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// A way to one partition.
pub trait Link: Send + Sync {
    /// The partition's serial number, in decimal digits.
    fn serial(&self) -> &str;

    /// Whether [`Link::presence`] tells of a loss and of its end without being asked to look: a
    /// group then believes it at once, and tries at intervals where not.
    fn tells_at_once(&self) -> bool {
        true
    }

    /// Whether the member can be reached, found out now where that is not known.
    fn is_there(&self) -> bool {
        self.presence().reachable
    }

    /// Whether the slot is listed also when nothing can be reached behind it at the start.
    fn keeps_its_slot(&self) -> bool {
        false
    }

    /// Asks. Never sleeps; a deadline is the link's own matter.
    ///
    /// # Errors
    /// See [`Fault`].
    fn call(&self, request: &Request<'_>) -> Result<Reply, Fault>;

    /// A shorter way to a session that is open there, where the link has one.
    fn seat(&self, _session: SessionHandle) -> Option<Arc<dyn Seat>> {
        None
    }

    /// Whether the member can be reached, and how often it was lost before; sessions of an older
    /// count are gone. Costs a few nanoseconds where the link can tell, and is what the last call
    /// saw where it cannot.
    fn presence(&self) -> Presence;
}

/// One session of a partition, reached without being looked up for each request.
pub trait Seat: Send + Sync {
    /// As [`Link::call`]; whatever session the request names, this one is meant. An output goes to
    /// `out` where there is one with room for it, and is a reply like any other where not.
    ///
    /// # Errors
    /// As [`Link::call`].
    fn call(&self, request: &Request<'_>, out: Option<&mut [u8]>) -> Result<Reply, Fault>;
}

/// See [`Link::presence`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Presence {
    /// It can be reached, as far as the link can tell.
    pub reachable: bool,
    /// Counts the times it was lost.
    pub epoch: u64,
}
