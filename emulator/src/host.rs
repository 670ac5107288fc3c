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
    /// Links to what the configuration does not name, and whether they lead to an admin partition:
    /// containers and admin partitions of HSMs that show them.
    pub further: Vec<(Arc<dyn Link>, bool)>,
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
                Some(Ok(hsm)) if config.show_admin_tokens => hsm.named_place(&entry.serial),
                Some(Ok(hsm)) => hsm.link(&entry.serial),
                Some(Err(why)) => broken(&entry.serial, why.clone()),
                None => broken(&entry.serial, "no HSM".into()),
            });
        }
        let profile = match first {
            Some(profile) => profile,
            None => profiles.of_record(crate::profile::DEFAULT)?,
        };
        let mut further = Vec::new();
        if config.show_admin_tokens {
            let named: Vec<&str> = config.partitions.iter().map(|it| it.serial.as_str()).collect();
            let hsms = || opened.iter().filter_map(|(_, hsm)| hsm.as_ref().ok());
            for hsm in hsms() {
                further.extend(hsm.places_beside(&named)?.into_iter().map(|link| (link, false)));
            }
            for hsm in hsms() {
                further.push((hsm.admin_link()?, true));
            }
        }
        Ok(Self { links, further, profile, complaints })
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
    appliance: Arc<Appliance>,
    gate: Arc<Gate>,
}

/// A container of an HSM that shows them: whatever partition is in it now.
struct Place {
    serial: String,
    number: u64,
    appliance: Arc<Appliance>,
    gate: Arc<Gate>,
    now: Mutex<Option<Arc<Connection>>>,
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
        let gate = Arc::new(Gate::new(directory, Arc::new(page)));
        Ok(Self { appliance: Arc::new(appliance), gate })
    }

    fn link(&self, serial: &str) -> Arc<dyn Link> {
        let partition = self.appliance.partitions().iter().find(|it| it.serial() == serial);
        match partition {
            Some(partition) => Arc::new(Embedded(Connection::to(partition, &self.gate))),
            None => {
                broken(serial, format!("HSM {} has no partition {serial}", self.appliance.serial()))
            }
        }
    }
}

impl Hsm {
    fn place(&self, number: u64, serial: &str) -> Arc<dyn Link> {
        Arc::new(Place {
            serial: serial.to_owned(),
            number,
            appliance: Arc::clone(&self.appliance),
            gate: Arc::clone(&self.gate),
            now: Mutex::default(),
        })
    }

    /// The container of a partition that the configuration names: another partition that gets its
    /// number later shows up in the same slot.
    fn named_place(&self, serial: &str) -> Arc<dyn Link> {
        let containers = self.appliance.containers().unwrap_or_default();
        match containers.iter().find(|(_, own)| own == serial) {
            Some((number, _)) => self.place(*number, serial),
            None => self.link(serial),
        }
    }

    /// The containers that no named partition is in.
    fn places_beside(&self, named: &[&str]) -> Result<Vec<Arc<dyn Link>>> {
        let containers = self.appliance.containers()?;
        let taken = |number: u64| {
            let mut here = containers.iter().filter(|(own, _)| *own == number);
            here.any(|(_, serial)| named.contains(&serial.as_str()))
        };
        let last = containers.iter().map(|(number, _)| *number).max().unwrap_or(0);
        let most = self.appliance.most_containers().max(last);
        Ok((1..=most).filter(|it| !taken(*it)).map(|it| self.place(it, "")).collect())
    }

    fn admin_link(&self) -> Result<Arc<dyn Link>> {
        Ok(Arc::new(Embedded(Connection::to(&self.appliance.admin()?, &self.gate))))
    }
}

impl Place {
    /// The way to the partition that is in the container now.
    fn connection(&self) -> std::result::Result<Arc<Connection>, Fault> {
        let empty = || Fault::Unreachable(format!("container {} is empty", self.number));
        let containers = self.appliance.containers().map_err(Fault::Refused)?;
        let (_, serial) =
            containers.iter().find(|(number, _)| *number == self.number).ok_or_else(empty)?;
        let mut now = self.now.lock();
        if let Some(known) = now.as_ref().filter(|it| it.partition.serial() == serial) {
            return Ok(Arc::clone(known));
        }
        let partition = self.appliance.partition(serial).map_err(Fault::Refused)?;
        Ok(Arc::clone(now.insert(Connection::to(&partition, &self.gate))))
    }
}

/// A link to a partition that nobody has.
pub fn broken(serial: &str, why: String) -> Arc<dyn Link> {
    Arc::new(Broken { serial: serial.to_owned(), why })
}

impl Connection {
    fn to(partition: &Arc<Partition>, gate: &Arc<Gate>) -> Arc<Self> {
        Arc::new(Self {
            partition: Arc::clone(partition),
            gate: Arc::clone(gate),
            met: AtomicU64::new(gate.presence().epoch),
            meeting: Mutex::new(()),
        })
    }

    /// Through the gate to the partition.
    fn call(&self, request: &Request<'_>) -> std::result::Result<Reply, Fault> {
        let partition = self.reach()?;
        self.gate.pass(partition.serial(), request, || partition.handle(request))
    }

    fn seat(self: &Arc<Self>, session: SessionHandle) -> Option<Arc<dyn Seat>> {
        let seated = self.partition.seat(session).ok()?;
        Some(Arc::new(EmbeddedSeat { connection: Arc::clone(self), seated }))
    }

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
        let closed = self.partition.is_closed() && !self.partition.is_open_to_plain_links();
        if !presence.reachable || closed {
            let serial = self.partition.serial();
            return Err(Fault::Unreachable(format!(
                "member {serial} is down, deleted, or reached by Secure Trusted Channel alone"
            )));
        }
        Ok(&self.partition)
    }

    /// As far as the gate and the partition can tell.
    fn presence(&self) -> Presence {
        let mut presence = self.gate.presence();
        presence.reachable = presence.reachable && self.partition.is_open_to_plain_links();
        presence
    }
}

impl Link for Embedded {
    fn serial(&self) -> &str {
        self.0.partition.serial()
    }

    fn call(&self, request: &Request<'_>) -> std::result::Result<Reply, Fault> {
        self.0.call(request)
    }

    fn seat(&self, session: SessionHandle) -> Option<Arc<dyn Seat>> {
        self.0.seat(session)
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

impl Link for Place {
    fn serial(&self) -> &str {
        &self.serial
    }

    fn call(&self, request: &Request<'_>) -> std::result::Result<Reply, Fault> {
        self.connection()?.call(request)
    }

    fn seat(&self, session: SessionHandle) -> Option<Arc<dyn Seat>> {
        self.connection().ok()?.seat(session)
    }

    fn presence(&self) -> Presence {
        match self.connection() {
            Ok(connection) => connection.presence(),
            Err(_) => Presence { reachable: false, epoch: 0 },
        }
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
