//! The world that the steps of a scenario share: the token, and the servers.
//!
//! Sources that the scenarios name: *the integration guide* is Thales, "Oracle Key Vault: Integration Guide",
//! 007-000318-001 rev F; *the root of trust guide* is Oracle, "Key Vault Root of Trust HSM Configuration Guide",
//! releases 18.1 to 21.9. A mark speaks of the expectation, not of the simulator that meets it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use luna_client::{Context, InitArgs, Module, SlotId};
use okv_sim::{KeyNumber, Secret, Vault};
use zeroize::Zeroizing;

use super::assignment::Assignment;
use crate::lunacm::Lunacm;

/// A server of the run.
pub struct Server {
    /// Its data directory.
    pub(crate) data: PathBuf,
    /// While it runs.
    pub(crate) vault: Option<Vault>,
    /// Set at its installation.
    pub(crate) passphrase: Zeroizing<String>,
    /// Number of the root key it made, once there may be one.
    pub(crate) key_number: Option<KeyNumber>,
    /// Whether the endpoints' objects are in it.
    pub(crate) stored: bool,
    /// Name of its last backup in its local directory.
    pub(crate) backup: Option<String>,
}

/// What the steps share.
pub struct Walk {
    /// What the worker was told.
    pub(crate) told: Assignment,
    /// The slot of the token.
    pub(crate) slot: SlotId,
    /// The administrator's tool.
    pub(crate) lunacm: Lunacm,
    /// By their names.
    pub(crate) servers: BTreeMap<String, Server>,
    /// The one the actions are done at.
    current: String,
    /// The Crypto Officer's present password.
    pub(crate) pin: Zeroizing<String>,
    /// The one before it.
    pub(crate) former_pin: Zeroizing<String>,
    /// Objects on the token before Initialize.
    pub(crate) objects_before: Option<usize>,
    /// How many backups of the HSM there are.
    pub(crate) snapshots: usize,
    /// A library in place of the usual one, for the dialogs that follow.
    pub(crate) other_library: Option<PathBuf>,
}

/// Name of the first server.
pub const FIRST: &str = "okv";

/// What a library and a token say they are.
pub struct Introduction {
    /// The library.
    pub library: String,
    /// Slot and token.
    pub token: String,
}

impl Walk {
    /// Loads the library and finds the token. Nobody logs in.
    ///
    /// # Errors
    /// Why there is nothing to walk on.
    pub fn begin(told: Assignment) -> Result<(Self, Introduction)> {
        let context = open(&told)?;
        let slots = context.slots(true)?;
        let labelled: Vec<_> = slots
            .iter()
            .filter_map(|slot| Some((*slot, context.token_info(*slot).ok()?)))
            .collect();
        let mut with_label = labelled.iter().filter(|(_, token)| token.label == told.token_label);
        let (slot, token) = with_label.next().with_context(|| {
            let labels: Vec<_> = labelled.iter().map(|(_, it)| format!("`{}`", it.label)).collect();
            let present = if labels.is_empty() { "none".into() } else { labels.join(", ") };
            format!("no token is labelled `{}`; present: {present}", told.token_label)
        })?;
        ensure!(
            with_label.next().is_none(),
            "several tokens are labelled `{}`: the vault could not tell them apart",
            told.token_label
        );
        let info = context.info()?;
        let introduction = Introduction {
            library: format!(
                "{}, {}, version {}, Cryptoki {}",
                info.manufacturer, info.description, info.library_version, info.cryptoki_version
            ),
            token: format!(
                "slot {slot} of {}: {}, {}, serial number {}, firmware {}",
                slots.len(),
                token.label,
                token.model,
                token.serial_number,
                token.firmware_version
            ),
        };
        let (slot, module) = (*slot, told.module.clone());
        context.finalize()?;
        let module = told.instance.is_none().then_some(module);
        let lunacm = Lunacm { program: told.lunacm.clone(), module };
        let walk = Self {
            servers: servers(&told),
            current: FIRST.into(),
            slot,
            lunacm,
            pin: told.pin.clone(),
            former_pin: told.pin.clone(),
            objects_before: told.objects_before,
            snapshots: 0,
            other_library: None,
            told,
        };
        Ok((walk, introduction))
    }

    /// The library, initialised. The vault initialises it too, and a process can have it initialised once: so
    /// nothing of this may be held while the vault is asked for something.
    pub(crate) fn client(&self) -> Result<Context> {
        open(&self.told)
    }

    /// The server that actions are done at.
    pub(crate) fn server(&mut self) -> Result<&mut Server> {
        self.servers.get_mut(&self.current).context("there is no such server")
    }

    /// The same, while it runs.
    pub(crate) fn vault(&mut self) -> Result<&mut Vault> {
        let name = self.current.clone();
        let vault = self.server()?.vault.as_mut();
        vault.with_context(|| format!("the server `{name}` does not run"))
    }

    /// What follows is done at this one.
    pub(crate) fn go_to(&mut self, name: &str) -> Result<()> {
        ensure!(self.servers.contains_key(name), "there is no server `{name}`");
        name.clone_into(&mut self.current);
        Ok(())
    }

    /// How many traces the server has.
    pub(crate) fn traces(&mut self) -> usize {
        self.vault().map_or(0, |vault| vault.traces().len())
    }

    /// Its own passphrase.
    pub(crate) fn passphrase(&mut self) -> Result<Secret> {
        Ok(Secret::from(self.server()?.passphrase.as_str()))
    }
}

/// The servers of the scenario. Each has a recovery passphrase of its own.
fn servers(told: &Assignment) -> BTreeMap<String, Server> {
    let server = |data: PathBuf, passphrase: String| Server {
        data,
        vault: None,
        passphrase: Zeroizing::new(passphrase),
        key_number: None,
        stored: false,
        backup: None,
    };
    let mut all = BTreeMap::new();
    for name in &told.servers {
        let passphrase = format!("{}-{name}", told.passphrase.as_str());
        all.insert(name.clone(), server(told.others.join(name), passphrase));
    }
    all.insert(FIRST.into(), server(told.data.clone(), told.passphrase.to_string()));
    all
}

fn open(told: &Assignment) -> Result<Context> {
    let module = Module::load(&told.module)?;
    let name = || told.module.display().to_string();
    module.initialize(InitArgs::OsLocking).with_context(name)
}
