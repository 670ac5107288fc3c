//! Which slot is which: by label, by the HSM behind it, by number.

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::client::Client;
use crate::luna::slots::Token;

impl Client {
    /// `CA_GetSlotId`: slots whose token has the label.
    pub fn slots_labelled(&self, label: &str) -> Vec<SlotId> {
        let slots = self
            .slots
            .iter()
            .filter(|slot| slot.describe().is_ok_and(|description| description.label == label));
        slots.map(|slot| slot.id).collect()
    }

    /// `CA_GetServerInstanceBySlotID`: HSMs count from 0, in the order of the configuration.
    ///
    /// # Errors
    /// `SlotIdInvalid`; `FunctionNotSupported` for a group, which several HSMs serve.
    pub fn server_instance(&self, slot: SlotId) -> Result<u64> {
        let link = self.slot(slot)?.partition()?;
        let instance = self.instance_of(link.serial()).ok_or_else(|| {
            Error::new(Cause::GeneralError, "the configuration names no HSM for the slot")
        })?;
        Ok(instance as u64)
    }

    fn instance_of(&self, serial: &str) -> Option<usize> {
        let mut known: Vec<&str> = Vec::new();
        for entry in &self.config.partitions {
            if !known.contains(&entry.hsm.as_str()) {
                known.push(&entry.hsm);
            }
        }
        let entry = self.config.partitions.iter().find(|entry| entry.serial == serial)?;
        known.iter().position(|hsm| *hsm == entry.hsm)
    }

    /// `CA_GetSlotListFromServerInstance`.
    ///
    /// # Errors
    /// `ArgumentsBad` for an instance that serves no slot (code Assumed).
    pub fn slots_of_instance(&self, instance: u64) -> Result<Vec<SlotId>> {
        let of_it =
            |serial: &str| self.instance_of(serial).is_some_and(|known| known as u64 == instance);
        let slots: Vec<SlotId> = self
            .slots
            .iter()
            .filter(|slot| match &slot.token {
                Token::Partition(link) => of_it(link.serial()),
                Token::Group(_) | Token::Usb => false,
            })
            .map(|slot| slot.id)
            .collect();
        if slots.is_empty() {
            return Err(Error::new(Cause::ArgumentsBad, "no slot is served by that instance"));
        }
        Ok(slots)
    }

    /// `CA_GetTokenInsertionCount`: the first insertion, and one for each time it was lost and came
    /// back (Assumed).
    ///
    /// # Errors
    /// `SlotIdInvalid`, `FunctionNotSupported` on a group.
    pub fn insertions(&self, slot: SlotId) -> Result<u64> {
        Ok(self.slot(slot)?.partition()?.presence().epoch.saturating_add(1))
    }
}
