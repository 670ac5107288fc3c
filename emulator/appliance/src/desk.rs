//! What an administrator orders of an appliance, and how it is carried out: the same on one that
//! runs and on one that does not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use emulator::crypto::random;
use emulator::env::{Clock, ControlPage, SystemClock};
use emulator::fault::Gate;
use emulator::hsm::store::{CONTROL_FILE, Durability};
use emulator::hsm::{Appliance, Partition, PartitionBlueprint, Roles};
use emulator::profile::Profile;
use emulator::wire::Pin;
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use rustls::pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use crate::certificate::{Fingerprint, in_digits};
use crate::journal::Journal;
use crate::register::Register;
use crate::service::Issued;

/// The directory of what is an appliance's and no HSM's, below the HSM's own.
pub const DIRECTORY: &str = "appliance";

/// What an administrator orders.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Order {
    /// The appliance and its partitions.
    Show,
    /// Makes a partition.
    CreatePartition(Box<NewPartition>),
    /// Deletes a partition with everything in it.
    DeletePartition(u64),
    /// Gives a partition so many bytes.
    ResizePartition(u64, u64),
    /// Registers a client of that name by its certificate (PEM).
    RegisterClient(String, String),
    /// Forgets a client, and ends its connections.
    RevokeClient(String),
    /// The clients.
    ListClients,
    /// Shows a client a partition.
    Assign(String, u64),
    /// Hides a partition from a client, and ends its connections.
    Unassign(String, u64),
    /// Gives a client of that name credentials for the service of a partition, in place of older ones.
    IssueCredentials(String, u64),
    /// The last so many lines of the journal.
    Log(usize),
}

/// A partition to be made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct NewPartition {
    /// Bytes, where not those of the profile.
    pub bytes: Option<u64>,
    /// Partition policies that differ from the profile's.
    pub policies: Vec<(u32, u64)>,
    /// Label and credentials; none leaves it uninitialised.
    pub roles: Option<NewRoles>,
}

/// The first credentials of a partition.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct NewRoles {
    /// Its label.
    pub label: String,
    /// Its cloning domain.
    pub domain: Pin,
    /// Partition SO.
    pub partition_so: Pin,
    /// Crypto Officer.
    pub crypto_officer: Pin,
    /// Crypto User.
    pub crypto_user: Option<Pin>,
}

/// A partition, as it is shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PartitionRow {
    /// Serial number.
    pub serial: String,
    /// Label; empty while uninitialised.
    pub label: String,
    /// Objects in it.
    pub objects: u64,
    /// Bytes that they take.
    pub used_bytes: u64,
    /// Bytes there are.
    pub total_bytes: u64,
    /// Names of the clients that see it.
    pub clients: Vec<String>,
}

/// A client, as it is shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClientRow {
    /// Its name.
    pub name: String,
    /// SHA-256 of its certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// Serial numbers of the partitions that it sees.
    pub partitions: Vec<String>,
}

/// What came of an order.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Outcome {
    /// The appliance.
    Appliance {
        /// The HSM's serial number.
        hsm: String,
        /// Its profile.
        profile: String,
        /// Where it listens, while it runs.
        address: Option<String>,
        /// Client processes that are connected.
        processes: usize,
        /// Their sessions.
        sessions: usize,
        /// Its partitions.
        partitions: Vec<PartitionRow>,
    },
    /// One partition.
    Partition(PartitionRow),
    /// Clients.
    Clients(Vec<ClientRow>),
    /// What the client of a cloud service is given.
    Issued(Box<Issued>),
    /// Lines.
    Lines(Vec<String>),
    /// Nothing to show.
    Done,
}

/// Where the clients of an appliance are.
pub(crate) trait Hall {
    /// Ends the connections of a certificate.
    fn disconnect(&self, client: &Fingerprint);

    /// Client processes and their sessions.
    fn count(&self) -> (usize, usize);
}

/// That of an appliance that does not run.
pub(crate) struct Nobody;

impl Hall for Nobody {
    fn disconnect(&self, _client: &Fingerprint) {}

    fn count(&self) -> (usize, usize) {
        (0, 0)
    }
}

/// Files of an appliance.
pub(crate) struct Files {
    pub(crate) directory: PathBuf,
}

impl Files {
    pub(crate) fn of(hsm: &Path) -> Self {
        Self { directory: hsm.join(DIRECTORY) }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.join("server.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.directory.join("serverKey.pem")
    }

    pub(crate) fn register(&self) -> PathBuf {
        self.directory.join("clients.json")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.directory.join("log")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    pub(crate) fn window(&self) -> PathBuf {
        self.directory.join("admin.sock")
    }
}

/// The certificate of the appliance in a directory (PEM), which its clients have to know.
pub fn server_certificate(hsm: &Path) -> PathBuf {
    Files::of(hsm).certificate()
}

/// An HSM and who may use it. At most one process has the desk of an appliance.
pub(crate) struct Desk {
    pub(crate) directory: PathBuf,
    pub(crate) hsm: Appliance,
    pub(crate) partitions: RwLock<FxHashMap<u64, Arc<Partition>>>,
    pub(crate) register: Arc<RwLock<Register>>,
    pub(crate) journal: Journal,
    /// Where a fault plan acts.
    pub(crate) gate: Gate,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where it listens.
    pub(crate) address: OnceLock<SocketAddr>,
    /// Held as long as the desk is.
    _lock: std::fs::File,
}

/// Somebody else has the desk.
#[derive(Debug, thiserror::Error)]
#[error("another process serves the appliance")]
pub struct Taken;

impl Desk {
    /// Takes the desk of the HSM in a directory.
    ///
    /// # Errors
    /// [`Taken`]; the store's and the register's, which name their file.
    pub(crate) fn take(directory: &Path, durability: Durability) -> Result<Self> {
        let files = Files::of(directory);
        emulator::env::disk::create_private_directory(&files.directory)?;
        let lock = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(files.lock())
            .with_context(|| files.lock().display().to_string())?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => bail!(Taken),
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(error).context(files.lock().display().to_string());
            }
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let hsm = Appliance::open(directory, durability, |name| {
            Profile::of_record(name).map(Arc::new).map_err(|error| {
                emulator::error::Error::new(emulator::error::Cause::DeviceError, error.to_string())
            })
        })?;
        let mut partitions = FxHashMap::default();
        for partition in hsm.partitions() {
            partitions.insert(number(partition.serial())?, Arc::clone(partition));
        }
        let page = ControlPage::open(&directory.join(CONTROL_FILE))?;
        Ok(Self {
            directory: directory.to_owned(),
            hsm,
            gate: Gate::new(directory, Arc::new(page)),
            partitions: RwLock::new(partitions),
            register: Arc::new(RwLock::new(Register::open(&files.register())?)),
            journal: Journal::at(files.journal(), Arc::clone(&clock)),
            clock,
            address: OnceLock::new(),
            _lock: lock,
        })
    }

    /// Seconds since 1970.
    pub(crate) fn now_s(&self) -> u64 {
        self.clock.wall().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
    }

    /// Carries an order out. `hall` is where its clients are.
    ///
    /// # Errors
    /// What the order was refused for; nothing has then changed.
    pub(crate) fn carry_out(&self, order: &Order, hall: &dyn Hall) -> Result<Outcome> {
        let outcome = self.decide(order, hall);
        if let Some(text) = described(order) {
            match &outcome {
                Ok(_) => self.journal.line(&format!("administrator: {text}")),
                Err(error) => {
                    self.journal.line(&format!("administrator: {text}: refused: {error:#}"));
                }
            }
        }
        outcome
    }

    fn decide(&self, order: &Order, hall: &dyn Hall) -> Result<Outcome> {
        match order {
            Order::Show => Ok(Outcome::Appliance {
                hsm: self.hsm.serial().to_owned(),
                profile: self.hsm.profile().name.clone(),
                address: self.address.get().map(|address| reachable(*address).to_string()),
                processes: hall.count().0,
                sessions: hall.count().1,
                partitions: self.rows()?,
            }),
            Order::CreatePartition(new) => self.create(new).map(Outcome::Partition),
            Order::DeletePartition(serial) => self.delete(*serial, hall),
            Order::ResizePartition(serial, bytes) => {
                self.known(*serial)?;
                self.hsm.resize_partition(&serial.to_string(), *bytes)?;
                self.row(*serial).map(Outcome::Partition)
            }
            Order::IssueCredentials(name, serial) => self.issue(name, *serial, hall),
            Order::RegisterClient(name, _) if self.is_cloud() => {
                bail!("client {name} of a cloud HSM wants credentials: `appliance … bundle`")
            }
            Order::RegisterClient(name, certificate) => {
                let now = UnixTime::since_unix_epoch(Duration::from_secs(self.now_s()));
                self.register.write().add(name, certificate, now)?;
                self.clients(Some(name))
            }
            Order::RevokeClient(name) => {
                let gone = self.register.write().remove(name)?;
                hall.disconnect(gone.fingerprint());
                Ok(Outcome::Done)
            }
            Order::ListClients => self.clients(None),
            Order::Assign(name, serial) => {
                self.known(*serial)?;
                self.register.write().assign(name, *serial, true)?;
                self.clients(Some(name))
            }
            Order::Unassign(name, serial) => {
                let client = self.register.write().assign(name, *serial, false)?;
                hall.disconnect(client.fingerprint());
                self.clients(Some(name))
            }
            Order::Log(count) => Ok(Outcome::Lines(self.journal.last(*count)?)),
        }
    }

    pub(crate) fn known(&self, serial: u64) -> Result<Arc<Partition>> {
        let partitions = self.partitions.read();
        partitions.get(&serial).cloned().with_context(|| {
            let mut there: Vec<_> = partitions.keys().map(u64::to_string).collect();
            there.sort();
            format!("the HSM has no partition {serial}; it has: {}", there.join(", "))
        })
    }

    fn create(&self, new: &NewPartition) -> Result<PartitionRow> {
        let serial = self.free_serial()?;
        let plan = PartitionBlueprint {
            serial: serial.to_string(),
            policies: new.policies.clone(),
            roles: new.roles.as_ref().map(|roles| Roles {
                label: roles.label.clone(),
                domain: roles.domain.clone(),
                partition_so: roles.partition_so.clone(),
                crypto_officer: roles.crypto_officer.clone(),
                crypto_user: roles.crypto_user.clone(),
            }),
        };
        let partition = self.hsm.make_partition(&plan, self.now_s())?;
        self.partitions.write().insert(serial, partition);
        if let Some(bytes) = new.bytes {
            self.hsm.resize_partition(&serial.to_string(), bytes)?;
        }
        self.row(serial)
    }

    /// 13 digits, as the guide's examples have, and of no other partition here.
    fn free_serial(&self) -> Result<u64> {
        loop {
            let mut bytes = [0; 8];
            random::fill(&mut bytes)?;
            let serial = 1_000_000_000_000 + u64::from_le_bytes(bytes) % 1_000_000_000_000;
            if !self.partitions.read().contains_key(&serial) {
                return Ok(serial);
            }
        }
    }

    fn delete(&self, serial: u64, hall: &dyn Hall) -> Result<Outcome> {
        let partition = self.known(serial)?;
        let seen_by: Vec<Fingerprint> = {
            let register = self.register.read();
            let clients = register.clients().iter();
            clients
                .filter(|client| client.partitions.contains(&serial))
                .map(|client| *client.fingerprint())
                .collect()
        };
        self.register.write().hide_from_all(serial)?;
        self.partitions.write().remove(&serial);
        seen_by.iter().for_each(|client| hall.disconnect(client));
        partition.forget_sessions();
        self.hsm.remove_partition(&serial.to_string())?;
        Ok(Outcome::Done)
    }

    fn rows(&self) -> Result<Vec<PartitionRow>> {
        let mut serials: Vec<u64> = self.partitions.read().keys().copied().collect();
        serials.sort_unstable();
        serials.into_iter().map(|serial| self.row(serial)).collect()
    }

    fn row(&self, serial: u64) -> Result<PartitionRow> {
        let text = serial.to_string();
        let (record, usage) = self.hsm.usage(&text)?;
        let register = self.register.read();
        let clients = register.clients().iter().filter(|it| it.partitions.contains(&serial));
        Ok(PartitionRow {
            total_bytes: self.hsm.bytes_of(&record)?,
            serial: text,
            label: record.label,
            objects: usage.objects,
            used_bytes: usage.bytes,
            clients: clients.map(|client| client.name.clone()).collect(),
        })
    }

    fn clients(&self, name: Option<&str>) -> Result<Outcome> {
        let register = self.register.read();
        let wanted = register.clients().iter().filter(|it| name.is_none_or(|name| it.name == name));
        Ok(Outcome::Clients(
            wanted
                .map(|client| ClientRow {
                    name: client.name.clone(),
                    fingerprint: in_digits(client.fingerprint()),
                    partitions: client.partitions.iter().map(u64::to_string).collect(),
                })
                .collect(),
        ))
    }
}

/// An order that changes something, for the journal.
fn described(order: &Order) -> Option<String> {
    Some(match order {
        Order::Show | Order::ListClients | Order::Log(_) => return None,
        Order::CreatePartition(new) => {
            let label = new.roles.as_ref().map_or("without a label", |roles| &roles.label);
            format!("create partition {label}")
        }
        Order::DeletePartition(serial) => format!("delete partition {serial}"),
        Order::ResizePartition(serial, bytes) => format!("resize partition {serial} to {bytes}"),
        Order::RegisterClient(name, _) => format!("register client {name}"),
        Order::IssueCredentials(name, serial) => {
            format!("issue credentials of client {name} for partition {serial}")
        }
        Order::RevokeClient(name) => format!("revoke client {name}"),
        Order::Assign(name, serial) => format!("assign partition {serial} to client {name}"),
        Order::Unassign(name, serial) => format!("unassign partition {serial} from client {name}"),
    })
}

/// An address that stands for all of a machine's, as one that can be called on it.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// A serial number as a number.
///
/// # Errors
/// When it is none.
pub fn number(serial: &str) -> Result<u64> {
    serial.parse().with_context(|| format!("`{serial}` is no serial number"))
}
