//! The plan of the walk, and the world its steps share.
//!
//! Sources named below: *the integration guide* is Thales, "Oracle Key Vault: Integration Guide",
//! 007-000318-001 rev F; *the root of trust guide* is Oracle, "Key Vault Root of Trust HSM Configuration Guide",
//! releases 18.1 to 21.9. A mark speaks of the expectation, not of the simulator that meets it.

use anyhow::{Context as _, Result, ensure};
use luna_client::{Context, InitArgs, Module, SlotId};
use okv_sim::{KeyNumber, Vault};

use super::assignment::Assignment;
use super::{guest, members, vault};
use crate::lunacm::Lunacm;
use crate::step::{Needs, Source, Step};
use crate::transcript::Mark;

/// What the steps share.
pub struct Walk {
    /// What the worker was told.
    pub(crate) told: Assignment,
    /// The slot of the token.
    pub(crate) slot: SlotId,
    /// The administrator's tool.
    pub(crate) lunacm: Lunacm,
    /// The server, while it runs.
    pub(crate) vault: Option<Vault>,
    /// Number of the root key this run made, once there may be one.
    pub(crate) key_number: Option<KeyNumber>,
    /// Objects on the token before Initialize.
    pub(crate) objects_before: Option<usize>,
    /// Whether the endpoints' objects are in the vault.
    pub(crate) stored: bool,
}

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
        let objects_before = told.objects_before;
        let walk = Self {
            told,
            slot,
            lunacm,
            vault: None,
            key_number: None,
            objects_before,
            stored: false,
        };
        Ok((walk, introduction))
    }

    /// The library, initialised. The vault initialises it too, and a process can have it initialised once: so
    /// nothing of this may be held while the vault is asked for something.
    pub(crate) fn client(&self) -> Result<Context> {
        open(&self.told)
    }

    /// The server.
    pub(crate) fn vault(&mut self) -> Result<&mut Vault> {
        self.vault.as_mut().context("the server does not run")
    }
}

fn open(told: &Assignment) -> Result<Context> {
    let module = Module::load(&told.module)?;
    let name = || told.module.display().to_string();
    module.initialize(InitArgs::OsLocking).with_context(name)
}

/// The walk.
pub const PLAN: &[Step<Walk>] = &[
    Step {
        id: "banner",
        title: "lunacm starts and sees the token",
        source: Source {
            mark: Mark::Observed,
            text: "lunacm transcripts made public; the labels of an HA slot's block are Assumed",
        },
        expected: "banner, one block a slot, the token with the label asked for among them",
        needs: Needs::Nothing,
        after: &[],
        always: false,
        run: vault::banner,
    },
    Step {
        id: "group",
        title: "the application sees the HA group alone",
        source: Source {
            mark: Mark::Documented,
            text: "integration guide: HAOnly, so that no application is bound to one member; group in FIPS mode",
        },
        expected: "one slot, of model LunaVirtual, in FIPS mode (no signing with SHA-1: Assumed); both members alive",
        needs: Needs::OwnGroup,
        after: &["banner"],
        always: false,
        run: members::group,
    },
    Step {
        id: "before",
        title: "the Crypto Officer logs in and counts the objects",
        source: Source {
            mark: Mark::Assumed,
            text: "in no guide; what `partition contents` after Initialize is measured by",
        },
        expected: "the login succeeds; a partition made for this run is empty",
        needs: Needs::Nothing,
        after: &["banner"],
        always: false,
        run: vault::before,
    },
    Step {
        id: "install",
        title: "a Key Vault server is set up",
        source: Source {
            mark: Mark::Documented,
            text: "root of trust guide: the red arrow down stands for an HSM that is not configured, too",
        },
        expected: "state NOT_ENABLED, red arrow down, no alert",
        needs: Needs::Nothing,
        after: &["before"],
        always: false,
        run: vault::install,
    },
    Step {
        id: "initialize",
        title: "Initialize, with token label",
        source: Source {
            mark: Mark::Documented,
            text: "integration guide, dialog Initialize HSM: credential, recovery passphrase, Use Token Label",
        },
        expected: "state ENABLED_OK, green arrow up, details of the partition",
        needs: Needs::Nothing,
        after: &["install"],
        always: false,
        run: vault::initialize,
    },
    Step {
        id: "contents",
        title: "partition contents shows the two objects",
        source: Source {
            mark: Mark::Documented,
            text: "integration guide: the listing after Initialize; the key's attributes are Assumed",
        },
        expected: "two objects more: OKV 18.1 HSM Root Key, a symmetric key that does not leave the HSM, \
                   and OKV 18.1 HSM Key Number, data",
        needs: Needs::Nothing,
        after: &["initialize"],
        always: false,
        run: vault::contents,
    },
    Step {
        id: "verify",
        title: "Verify",
        source: Source {
            mark: Mark::Observed,
            text: "trace of a 21.10 server: thirteen steps from the settings to the wallet links",
        },
        expected: "HSM configuration verified, with this server's key number",
        needs: Needs::Nothing,
        after: &["initialize"],
        always: false,
        run: vault::verify,
    },
    Step {
        id: "store",
        title: "endpoints store their objects",
        source: Source {
            mark: Mark::Documented,
            text: "integration guide and root of trust guide: the HSM never sees what endpoints store",
        },
        expected: "all objects are stored and read back; the HSM is asked for nothing",
        needs: Needs::Nothing,
        after: &["initialize"],
        always: false,
        run: vault::store,
    },
    Step {
        id: "restart",
        title: "the server restarts",
        source: Source {
            mark: Mark::Observed,
            text: "trace of a 21.10 server: the stored credential opens the wallet with nobody there",
        },
        expected: "state ENABLED_OK by itself, all objects as they were stored",
        needs: Needs::Nothing,
        after: &["store"],
        always: false,
        run: vault::restart,
    },
    Step {
        id: "one-down",
        title: "one member is killed: the check stays green",
        source: Source {
            mark: Mark::Documented,
            text: "integration guide: certified with HA; Luna HA guide: the library fails over to the next member",
        },
        expected: "one member alive; the periodic check passes, green arrow up, no alert",
        needs: Needs::MembersToKill,
        after: &["restart", "group"],
        always: false,
        run: members::one_down,
    },
    Step {
        id: "both-down",
        title: "both are killed: red arrow and alert, data still readable",
        source: Source {
            mark: Mark::Documented,
            text: "root of trust guide: red arrow and an alert that begins `HSM configuration error`; that a \
                   running server goes on reading is Assumed, since its wallet is open in memory",
        },
        expected: "state ENABLED_FAIL, red arrow down, the alert raised; every object readable",
        needs: Needs::MembersToKill,
        after: &["one-down"],
        always: false,
        run: members::both_down,
    },
    Step {
        id: "sealed",
        title: "the server restarts without an HSM: sealed",
        source: Source {
            mark: Mark::Documented,
            text: "root of trust guide, 18.1: the wallet stays closed, and the console does not come up; the \
                   name SEALED is the simulator's",
        },
        expected: "state SEALED, nothing is served, opening the wallet by hand fails",
        needs: Needs::MembersToKill,
        after: &["both-down"],
        always: false,
        run: members::sealed,
    },
    Step {
        id: "back",
        title: "one member is back: the wallet opens, everything is readable",
        source: Source {
            mark: Mark::Documented,
            text: "root of trust guide, 18.1: hsmclient open_wallet",
        },
        expected: "state ENABLED_OK, the alert cleared, all objects as they were stored",
        needs: Needs::MembersToKill,
        after: &["sealed"],
        always: false,
        run: members::back,
    },
    Step {
        id: "whole",
        title: "the other member is back: the group is whole",
        source: Source {
            mark: Mark::Documented,
            text: "Luna HA guide: a member that can be reached again is used again",
        },
        expected: "both members alive, the check green, the same two objects",
        needs: Needs::MembersToKill,
        after: &["back"],
        always: false,
        run: members::whole,
    },
    Step {
        id: "search",
        title: "the disk is searched for plaintext",
        source: Source {
            mark: Mark::Documented,
            text: "root of trust guide: what lies on a server's disk is of no use without the HSM",
        },
        expected: "every file searched, nothing found, by a search that finds what is there",
        needs: Needs::Nothing,
        after: &["install"],
        always: true,
        run: vault::search,
    },
    Step {
        id: "leave",
        title: "reverse migration; the token is left as it was found",
        source: Source {
            mark: Mark::Documented,
            text: "root of trust guide: reverse migration; that keys stay on the token is Assumed, so the \
                   harness removes those it made",
        },
        expected: "state NOT_ENABLED, objects readable with the recovery passphrase, only the objects of this \
                   run removed",
        needs: Needs::Guest,
        after: &[],
        always: true,
        run: guest::leave,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stand_on_steps_before_them() {
        for (place, step) in PLAN.iter().enumerate() {
            let before: Vec<_> = PLAN[..place].iter().map(|step| step.id).collect();
            assert!(!before.contains(&step.id), "{} twice", step.id);
            assert!(step.after.iter().all(|id| before.contains(id)), "{}", step.id);
        }
    }

    #[test]
    fn what_is_always_done_is_done_last_and_hinders_nobody() {
        let first = PLAN.iter().position(|step| step.always).unwrap();
        assert!(PLAN[first..].iter().all(|step| step.always));
        for step in PLAN {
            assert!(!PLAN[first..].iter().any(|last| step.after.contains(&last.id)), "{}", step.id);
        }
    }
}
