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
    /// Nothing: kept for a USB HSM or a backup HSM.
    Usb,
}

/// Numbers the slots: partitions in the order of the configuration, then those kept for USB HSMs, then
/// groups; with `HAOnly` groups alone. They count from 0, or from 1 with `OneBaseSlotId`.
///
/// A partition that cannot be reached has no slot, unless `ShowEmptySlots` keeps it: numbers may
/// shift after a restart when one is missing (Documented). Whoever goes away later keeps his.
pub fn lay_out(
    config: &ClientConfig,
    partitions: &[Arc<dyn Link>],
    groups: &[Arc<Group>],
) -> Vec<Arc<Slot>> {
    let shown = &config.presentation;
    let wanted = |serial: &str| {
        shown.user_slots.iter().find(|(_, of)| of == serial).map(|(number, _)| *number)
    };
    let mut fixed = Vec::new();
    let mut tokens = Vec::new();
    if !config.ha_only {
        for link in partitions {
            let keeps = shown.show_empty_slots || link.keeps_its_slot();
            if !keeps && !link.presence().reachable {
                continue;
            }
            match wanted(link.serial()) {
                Some(number) => fixed.push((number, Token::Partition(Arc::clone(link)))),
                None if is_hidden(config, link.serial()) => {}
                None => tokens.push(Token::Partition(Arc::clone(link))),
            }
        }
        tokens.extend((0..shown.usb_slots).map(|_| Token::Usb));
    }
    tokens.extend(groups.iter().map(|group| Token::Group(Arc::clone(group))));
    let taken: Vec<u64> = fixed.iter().map(|(number, _)| *number).collect();
    let free = (u64::from(shown.one_based)..).filter(|number| !taken.contains(number));
    let mut slots: Vec<(u64, Token)> = free.zip(tokens).chain(fixed).collect();
    slots.sort_by_key(|(number, _)| *number);
    slots
        .into_iter()
        .map(|(id, token)| Arc::new(Slot { id: SlotId(id), token, is_admin: false }))
        .collect()
}

/// `ShowUserSlots` names another partition of the same HSM, and not this one.
fn is_hidden(config: &ClientConfig, serial: &str) -> bool {
    let hsm = |serial: &str| {
        config.partitions.iter().find(|entry| entry.serial == serial).map(|entry| &entry.hsm)
    };
    let own = hsm(serial);
    let mut named = config.presentation.user_slots.iter();
    own.is_some() && named.any(|(_, other)| hsm(other) == own)
}

impl Slot {
    /// Whether a token can be reached in it. A group's slot is listed even when all its members
    /// are down, so that numbers do not move (Assumed from ha.md section 13).
    pub fn is_present(&self) -> bool {
        match &self.token {
            Token::Partition(link) => link.is_there(),
            Token::Group(_) => true,
            Token::Usb => false,
        }
    }

    /// The group in it.
    ///
    /// # Errors
    /// `FunctionNotSupported` for a partition, `TokenNotPresent` for an empty slot (Documented:
    /// `CA_GetHAState`).
    pub fn group(&self) -> Result<&Arc<Group>> {
        match &self.token {
            Token::Group(group) => Ok(group),
            Token::Partition(_) => {
                Err(Error::new(Cause::FunctionNotSupported, "the slot is not an HA group's"))
            }
            Token::Usb => Err(empty()),
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
            Token::Usb => Err(empty()),
        }
    }

    /// What the token says of itself.
    ///
    /// # Errors
    /// `TokenNotPresent` when it cannot be reached.
    pub fn describe(&self) -> Result<Description> {
        match &self.token {
            Token::Group(group) => group.describe(),
            Token::Usb => Err(empty()),
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

/// There is no token in the slot.
pub(super) fn empty() -> Error {
    Error::new(Cause::TokenNotPresent, "the slot is kept for a USB HSM, and there is none")
}

/// A fault of a partition that is no member of a group, as its application sees it.
pub(super) fn alone(fault: Fault) -> Error {
    match fault {
        Fault::Refused(error) => error,
        Fault::Unreachable(why) | Fault::Lost(why) => Error::new(Cause::DeviceError, why),
    }
}
