//! Slots: what an application sees of partitions and groups, and in which order.
//!
//! Source: ha.md section 2 and abi.md section 2 (Documented, Observed in the vendor's samples).

use std::sync::Arc;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::config::ClientConfig;
use crate::luna::ha::Group;
use crate::wire::{Description, Fault, Link, Reply, Request};

/// A slot.
pub struct Slot {
    /// Its number.
    pub id: SlotId,
    /// What is in it.
    pub token: Token,
    /// Its token is an HSM's admin partition.
    pub is_admin: bool,
}

/// What a slot holds.
pub enum Token {
    /// A partition.
    Partition(Arc<dyn Link>),
    /// A group of partitions.
    Group(Arc<Group>),
}

/// Numbers the slots: partitions in the order of the configuration, then groups; with `HAOnly`
/// groups alone, from 0.
pub fn lay_out(
    config: &ClientConfig,
    partitions: &[Arc<dyn Link>],
    groups: &[Arc<Group>],
) -> Vec<Arc<Slot>> {
    let mut tokens = Vec::new();
    if !config.ha_only {
        tokens.extend(partitions.iter().map(|link| Token::Partition(Arc::clone(link))));
    }
    tokens.extend(groups.iter().map(|group| Token::Group(Arc::clone(group))));
    tokens
        .into_iter()
        .zip(0..)
        .map(|(token, id)| Arc::new(Slot { id: SlotId(id), token, is_admin: false }))
        .collect()
}

impl Slot {
    /// Whether a token can be reached in it. A group's slot is listed even when all its members
    /// are down, so that numbers do not move (Assumed from ha.md section 13).
    pub fn is_present(&self) -> bool {
        match &self.token {
            Token::Partition(link) => link.presence().reachable,
            Token::Group(_) => true,
        }
    }

    /// The group in it.
    ///
    /// # Errors
    /// `FunctionNotSupported` for a partition (Documented: `CA_GetHAState`).
    pub fn group(&self) -> Result<&Arc<Group>> {
        match &self.token {
            Token::Group(group) => Ok(group),
            Token::Partition(_) => {
                Err(Error::new(Cause::FunctionNotSupported, "the slot is not an HA group's"))
            }
        }
    }

    /// The partition in it, for administration.
    ///
    /// # Errors
    /// `FunctionNotSupported` for a group, whose members are administered one by one (Documented).
    pub fn partition(&self) -> Result<&Arc<dyn Link>> {
        match &self.token {
            Token::Partition(link) => Ok(link),
            Token::Group(_) => Err(Error::new(
                Cause::FunctionNotSupported,
                "administration is done on the members, not on the group",
            )),
        }
    }

    /// What the token says of itself.
    ///
    /// # Errors
    /// `TokenNotPresent` when it cannot be reached.
    pub fn describe(&self) -> Result<Description> {
        match &self.token {
            Token::Group(group) => group.describe(),
            Token::Partition(link) => match link.call(&Request::Describe) {
                Ok(Reply::Description(description)) => Ok(*description),
                Ok(_) => Err(Error::new(Cause::GeneralError, "a description was wanted")),
                Err(Fault::Refused(error)) => Err(error),
                Err(Fault::Unreachable(why) | Fault::Lost(why)) => {
                    Err(Error::new(Cause::TokenNotPresent, why))
                }
            },
        }
    }
}

/// A fault of a partition that is no member of a group, as its application sees it.
pub(super) fn alone(fault: Fault) -> Error {
    match fault {
        Fault::Refused(error) => error,
        Fault::Unreachable(why) | Fault::Lost(why) => Error::new(Cause::DeviceError, why),
    }
}
