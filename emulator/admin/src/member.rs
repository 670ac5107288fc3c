//! `member`: cuts a partition's HSM off, or lets it back.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use emulator::env::{ControlPage, Word};
use emulator::hsm::appliance::DeviceEvent;
use emulator::hsm::store::CONTROL_FILE;
use serde_json::json;

use crate::Refused;
use crate::instance::Instance;

/// How long an automatic activation survives without power. Source: the vendor's page on activation
/// (Documented).
const LONGEST_ACTIVATED_SECONDS: u64 = 2 * 60 * 60;

/// Options of `member`.
#[derive(Args)]
pub(crate) struct Member {
    /// What happens to it.
    change: Change,
    /// Serial number of the partition.
    serial: String,
    /// With `up`: pretend that it was off for so many seconds. PED partitions stay activated for two
    /// hours at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    off_for: u64,
    /// The client directory.
    #[arg(long, env = "ChrystokiConfigurationPath")]
    directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Change {
    /// Its link is cut and its sessions are lost, as by a power cut.
    Down,
    /// It can be reached again.
    Up,
    /// Somebody opened its HSM: with HSM policy 48 its SO has to clear that.
    Tamper,
    /// The PED of its HSM is unplugged.
    DetachPed,
    /// The PED of its HSM is plugged in again, with the right keys.
    AttachPed,
}

impl Member {
    /// # Errors
    /// When no partition has that serial number.
    pub(crate) fn run(&self, as_json: bool) -> Result<()> {
        let instance = Instance::open(&self.directory)?;
        let config = instance.config()?;
        let Some(entry) = config.partitions.iter().find(|it| it.serial == self.serial) else {
            let known: Vec<_> = config.partitions.iter().map(|it| it.serial.as_str()).collect();
            bail!(Refused(format!("no partition {}; there is {}", self.serial, known.join(", "))));
        };
        let event = match self.change {
            Change::Tamper => Some(DeviceEvent::Tamper),
            Change::DetachPed => Some(DeviceEvent::PedDetached),
            Change::AttachPed => Some(DeviceEvent::PedAttached),
            Change::Up if self.off_for > LONGEST_ACTIVATED_SECONDS => Some(DeviceEvent::LongOutage),
            Change::Up | Change::Down => None,
        };
        if let Some(event) = event {
            emulator::hsm::appliance::suffer(&instance.store(entry)?, event)?;
        }
        let page = ControlPage::open(&instance.state()?.join(&entry.hsm).join(CONTROL_FILE))?;
        let was_down = page.word(Word::Link) != 0;
        match self.change {
            Change::Down if !was_down => {
                page.publish(Word::DownUntil, 0)?;
                page.publish(Word::Link, 1)?;
                // After the link: whoever sees the count moved finds the link cut too.
                page.bump(Word::Restarts)?;
            }
            // It was cut off for a time, and is now to stay so.
            Change::Down => page.publish(Word::DownUntil, 0)?,
            Change::Up if was_down => page.publish(Word::Link, 0)?,
            // As a power cut: nobody stays logged in.
            Change::Tamper => drop(page.bump(Word::Restarts)?),
            _ => {}
        }
        if as_json {
            let down = page.word(Word::Link) != 0;
            let state = if down { "down" } else { "up" };
            anstream::println!("{:#}", json!({ "serial": self.serial, "state": state }));
        }
        Ok(())
    }
}
