//! The embedded host: HSMs in this process, each behind links that can be cut from another one.
//!
//! The control page of an HSM says whether it can be reached and how often it was cut off; looking
//! costs a memory load, so a cut is seen by the very next call.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::ck::SessionHandle;
use crate::env::ControlPage;
use crate::error::{Cause, Error, Result};
use crate::fault::Gate;
use crate::hsm::store::{CONTROL_FILE, Durability};
use crate::hsm::{Appliance, Partition, Seated};
use crate::luna::config::ClientConfig;
use crate::network::Connected;
use crate::profile::Profile;
use crate::wire::{Fault, Link, Presence, Reply, Request, Seat};

/// A partition of an HSM in this process.
struct Embedded(Arc<Connection>);

/// The way to it, shared by its seats.
struct Connection {
    partition: Arc<Partition>,
    gate: Arc<Gate>,
    /// The count of cuts this process has met.
    met: AtomicU64,
    meeting: Mutex<()>,
}

/// A session there.
struct EmbeddedSeat {
    connection: Arc<Connection>,
    seated: Seated,
}

/// A partition whose HSM could not be opened, or that the configuration names and nobody has.
struct Broken {
    serial: String,
    why: String,
}

/// The HSMs of a configuration.
pub struct Host {
    /// Links to its partitions, in the order of the configuration.
    pub links: Vec<Arc<dyn Link>>,
    /// What the first HSM that opened behaves like; the default profile when none did.
    pub profile: Arc<Profile>,
    /// Why an HSM did not open, for the log.
    pub complaints: Vec<String>,
}

impl Host {
    /// Opens every HSM that the configuration names. One that does not open is a token that is not
    /// there: the others work, and nothing of it is touched.
    ///
    /// # Errors
    /// When no built-in profile can be read, which a test rules out.
    pub fn open(config: &ClientConfig) -> Result<Self> {
        let durability = if config.emulator.durable_against_power_loss {
            Durability::Power
        } else {
            Durability::Process
        };
        let mut opened: Vec<(String, std::result::Result<Hsm, String>)> = Vec::new();
        let (mut links, mut complaints) = (Vec::new(), Vec::new());
        let mut profiles = Profiles::default();
        let mut first = None;
        for entry in &config.partitions {
            if !opened.iter().any(|(name, _)| *name == entry.hsm) {
                let hsm = match &config.emulator.state_directory {
                    Some(state) => Hsm::open(&state.join(&entry.hsm), durability, &mut profiles),
                    None => Err("the Emulator section names no StateDirectory".into()),
                };
                match &hsm {
                    Ok(hsm) => {
                        first.get_or_insert_with(|| Arc::clone(hsm.appliance.profile()));
                    }
                    Err(why) => complaints.push(format!("HSM {}: {why}", entry.hsm)),
                }
                opened.push((entry.hsm.clone(), hsm));
            }
            let hsm = opened.iter().find(|(name, _)| *name == entry.hsm).map(|(_, hsm)| hsm);
            links.push(match hsm {
                Some(Ok(hsm)) => hsm.link(&entry.serial),
                Some(Err(why)) => broken(&entry.serial, why.clone()),
                None => broken(&entry.serial, "no HSM".into()),
            });
        }
        let profile = match first {
            Some(profile) => profile,
            None => profiles.of_record(crate::profile::DEFAULT)?,
        };
        Ok(Self { links, profile, complaints })
    }
}

impl Host {
    /// Puts partitions of appliances before the embedded ones: network partitions come first
    /// (ha.md section 2, Documented).
    pub fn join(&mut self, network: Connected) {
        let embedded = std::mem::replace(&mut self.links, network.links);
        if embedded.is_empty()
            && let Some(name) = network.profile
        {
            // A profile that this module does not have leaves it with its own.
            match Profiles::default().of_record(&name) {
                Ok(profile) => self.profile = profile,
                Err(error) => self.complaints.push(error.to_string()),
            }
        }
        self.links.extend(embedded);
        self.complaints.extend(network.complaints);
    }
}

/// Profiles already read: reading one takes a millisecond, and the HSMs of a host mostly share one.
#[derive(Default)]
struct Profiles(Vec<Arc<Profile>>);

impl Profiles {
    fn of_record(&mut self, recorded: &str) -> Result<Arc<Profile>> {
        if let Some(known) = self.0.iter().find(|known| known.recorded() == recorded) {
            return Ok(Arc::clone(known));
        }
        let read = Profile::of_record(recorded)
            .map(Arc::new)
            .map_err(|error| Error::new(Cause::DeviceError, error.to_string()))?;
        self.0.push(Arc::clone(&read));
        Ok(read)
    }
}

struct Hsm {
    appliance: Appliance,
    gate: Arc<Gate>,
}

impl Hsm {
    fn open(
        directory: &Path,
        durability: Durability,
        profiles: &mut Profiles,
    ) -> std::result::Result<Self, String> {
        let appliance =
            Appliance::open(directory, durability, |recorded| profiles.of_record(recorded))
                .map_err(|error| error.to_string())?;
        let page =
            ControlPage::open(&directory.join(CONTROL_FILE)).map_err(|error| error.to_string())?;
        let gate = Gate::new(directory, Arc::new(page));
        Ok(Self { appliance, gate: Arc::new(gate) })
    }

    fn link(&self, serial: &str) -> Arc<dyn Link> {
        let partition = self.appliance.partitions().iter().find(|it| it.serial() == serial);
        match partition {
            Some(partition) => Arc::new(Embedded(Arc::new(Connection {
                partition: Arc::clone(partition),
                gate: Arc::clone(&self.gate),
                met: AtomicU64::new(self.gate.presence().epoch),
                meeting: Mutex::new(()),
            }))),
            None => {
                broken(serial, format!("HSM {} has no partition {serial}", self.appliance.serial()))
            }
        }
    }
}

/// A link to a partition that nobody has.
pub fn broken(serial: &str, why: String) -> Arc<dyn Link> {
    Arc::new(Broken { serial: serial.to_owned(), why })
}

impl Connection {
    /// The connection was lost since: the HSM has closed its sessions. Once for each loss, so that
    /// a session opened after it is not lost again.
    fn meet_anew(&self, epoch: u64) {
        let _one_at_a_time = self.meeting.lock();
        if self.met.load(Ordering::Acquire) != epoch {
            self.partition.forget_sessions();
            self.met.store(epoch, Ordering::Release);
        }
    }

    /// # Errors
    /// `Unreachable` while it is cut off.
    fn reach(&self) -> std::result::Result<&Arc<Partition>, Fault> {
        let presence = self.gate.presence();
        if presence.epoch != self.met.load(Ordering::Acquire) {
            self.meet_anew(presence.epoch);
        }
        if !presence.reachable {
            let serial = self.partition.serial();
            return Err(Fault::Unreachable(format!("member {serial} is down")));
        }
        Ok(&self.partition)
    }
}

impl Link for Embedded {
    fn serial(&self) -> &str {
        self.0.partition.serial()
    }

    fn call(&self, request: &Request<'_>) -> std::result::Result<Reply, Fault> {
        let partition = self.0.reach()?;
        self.0.gate.pass(partition.serial(), request, || partition.handle(request))
    }

    fn seat(&self, session: SessionHandle) -> Option<Arc<dyn Seat>> {
        let seated = self.0.partition.seat(session).ok()?;
        Some(Arc::new(EmbeddedSeat { connection: Arc::clone(&self.0), seated }))
    }

    fn presence(&self) -> Presence {
        self.0.gate.presence()
    }
}

impl Seat for EmbeddedSeat {
    fn call(
        &self,
        request: &Request<'_>,
        out: Option<&mut [u8]>,
    ) -> std::result::Result<Reply, Fault> {
        let serial = self.connection.reach()?.serial();
        self.connection.gate.pass(serial, request, || self.seated.handle(request, out))
    }
}

impl Link for Broken {
    fn serial(&self) -> &str {
        &self.serial
    }

    fn call(&self, _request: &Request<'_>) -> std::result::Result<Reply, Fault> {
        Err(Fault::Unreachable(self.why.clone()))
    }

    fn presence(&self) -> Presence {
        Presence { reachable: false, epoch: 0 }
    }
}
