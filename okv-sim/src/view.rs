//! What can be asked of a server while an operation is at the HSM: its state, its lists, its objects.
//!
//! A run through the HSM may take seconds, and a lost one minutes; key service goes on meanwhile, since the wallet
//! is open in memory (Assumed from the guides' "a running server serves on"). So everything that does not ask the
//! HSM lives here, on the store and the opened tablespace that all clones share, and never waits for the vault.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::cluster::replication::Replication;
use crate::error::{Error, Rv};
use crate::operation::{self, ClusterView, Operation, SecurityObject};
use crate::release::Release;
use crate::secret::Secret;
use crate::store::{
    Alert, AuditRecord, BackupDestination, BackupJob, BackupRun, Endpoint, Grant, Mode, Named,
    Store, StoreError, Verdict,
};
use crate::tablespace::{ObjectInfo, Tablespace};
use crate::vault::{State, Status};

/// Where the Luna client is on a real server. Documented.
const LUNA_LIBRARY: &str = "/usr/safenet/lunaclient/lib/libCryptoki2_64.so";

/// Where KMIP servers listen. Documented.
pub const KMIP_PORT: u16 = 5696;

/// The reading half of a server. Clones are the same one.
#[derive(Clone)]
pub struct View {
    pub(crate) store: Store,
    running: Arc<RwLock<Running>>,
    /// Held by what changes an endpoint's object.
    pub(crate) kmip_turn: Arc<Mutex<()>>,
    /// Where endpoints reach this process, if they do: what the store says may come from a backup.
    kmip_here: Arc<RwLock<Option<String>>>,
    replication: Arc<RwLock<Option<Arc<Replication>>>>,
}

#[derive(Default)]
struct Running {
    opened: Option<Arc<Tablespace>>,
    /// Whether a start was made: from then on an enabled vault with a closed wallet is sealed.
    started: bool,
}

impl View {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            running: Arc::default(),
            kmip_turn: Arc::default(),
            kmip_here: Arc::default(),
            replication: Arc::default(),
        }
    }

    pub(crate) fn opened(&self) -> Option<Arc<Tablespace>> {
        self.running.read().opened.clone()
    }

    /// The server has started with this wallet.
    pub(crate) fn open(&self, tablespace: Tablespace) {
        *self.running.write() = Running { opened: Some(Arc::new(tablespace)), started: true };
    }

    /// The server has started, and its wallet is not open yet.
    pub(crate) fn close(&self) {
        *self.running.write() = Running { opened: None, started: true };
    }

    /// Who speaks with other nodes, while the server runs.
    pub(crate) fn replication(&self) -> Option<Arc<Replication>> {
        self.replication.read().clone()
    }

    pub(crate) fn set_replication(&self, replication: Arc<Replication>) {
        *self.replication.write() = Some(replication);
    }

    /// A start is being made; the wallet stays as it is.
    pub(crate) fn start(&self) {
        self.running.write().started = true;
    }

    /// Endpoints reach this process at this address. It is remembered for commands while no server runs.
    pub(crate) fn serves_kmip_at(&self, address: &str) -> Result<(), StoreError> {
        *self.kmip_here.write() = Some(address.to_owned());
        self.store.change(|change| change.kmip_server(address))
    }

    pub(crate) fn is_started(&self) -> bool {
        self.running.read().started
    }

    /// Whether the wallet is open.
    pub fn is_open(&self) -> bool {
        self.running.read().opened.is_some()
    }

    /// Where the vault stands. Before a start, the outcome of the last run stands in for the wallet. A
    /// configuration that cannot be read counts as sealed: nothing may be served from it.
    pub fn state(&self) -> State {
        let verdict = self.store.verdict().unwrap_or(None);
        let open = self.is_open();
        match self.store.mode() {
            Ok(Mode::NotEnabled) => State::NotEnabled,
            Ok(Mode::CredentialSet) => State::CredentialSet,
            Ok(Mode::Enabled) if self.is_started() && !open => State::Sealed,
            Ok(Mode::Enabled) => match verdict {
                Some(Verdict::Ok) => State::EnabledOk,
                Some(Verdict::Sealed) if !open => State::Sealed,
                _ => State::EnabledFail,
            },
            Err(_) => State::Sealed,
        }
    }

    /// Everything the status and HSM pages show.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn status(&self) -> Result<Status, Error> {
        self.read_status().map_err(|error| failed(&error))
    }

    fn read_status(&self) -> Result<Status, StoreError> {
        let store = &self.store;
        let state = self.state();
        Ok(Status {
            server_id: store.server_id()?.unwrap_or_default(),
            release: store.release()?,
            state,
            green: state.is_green(),
            wallet_open: self.is_open(),
            hsm: store.settings()?,
            details: store.details()?,
            key_number: store.key_number()?,
            credential_refused: store.refused()?.map(Rv),
            alert: store.standing_alert()?,
            interrupted: store.interrupted()?,
        })
    }

    /// The installed release.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn release(&self) -> Result<Release, Error> {
        let name = self.store.release().map_err(|error| failed(&error))?;
        Release::named(&name).map_err(|_| failed(&StoreError::Corrupt("release")))
    }

    /// The PKCS#11 library that the console's dialogs use. Real servers have it at the client's place (Documented).
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn library(&self) -> Result<PathBuf, Error> {
        let library = self.store.library().map_err(|error| failed(&error))?;
        Ok(library.unwrap_or_else(|| PathBuf::from(LUNA_LIBRARY)))
    }

    /// All alerts, oldest first.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn alerts(&self) -> Result<Vec<Alert>, Error> {
        self.store.alerts().map_err(|error| failed(&error))
    }

    /// The audit trail, oldest first.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn audit(&self) -> Result<Vec<AuditRecord>, Error> {
        self.store.audit().map_err(|error| failed(&error))
    }

    /// Seconds between two checks of the HSM.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn check_interval_s(&self) -> Result<u32, Error> {
        self.store.check_interval_s().map_err(|error| failed(&error))
    }

    /// The backup destinations, without their passwords.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn backup_destinations(&self) -> Result<Vec<BackupDestination>, Error> {
        self.store.destinations().map_err(|error| failed(&error))
    }

    /// The scheduled backups.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn backup_jobs(&self) -> Result<Vec<BackupJob>, Error> {
        self.store.backup_jobs().map_err(|error| failed(&error))
    }

    /// The backups that were begun, newest first.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn backup_runs(&self) -> Result<Vec<BackupRun>, Error> {
        self.store.backup_runs().map_err(|error| failed(&error))
    }

    /// The endpoints, by name.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, Error> {
        self.store.endpoints().map_err(|error| failed(&error))
    }

    /// The groups of endpoints, by name.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn endpoint_groups(&self) -> Result<Vec<Named>, Error> {
        self.store.endpoint_groups().map_err(|error| failed(&error))
    }

    /// Names of a group's endpoints.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn group_members(&self, group: &str) -> Result<Vec<String>, Error> {
        self.store.group_members(group).map_err(|error| failed(&error))
    }

    /// The virtual wallets, by name.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn virtual_wallets(&self) -> Result<Vec<Named>, Error> {
        self.store.virtual_wallets().map_err(|error| failed(&error))
    }

    /// Who may do what with the virtual wallets.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn grants(&self) -> Result<Vec<Grant>, Error> {
        self.store.grants().map_err(|error| failed(&error))
    }

    /// The objects of all endpoints, without their bytes, in the order they were made.
    ///
    /// # Errors
    /// [`crate::Cause::Sealed`], [`crate::Cause::WalletClosed`], [`crate::Cause::ObjectDamaged`].
    pub fn security_objects(&self) -> Result<Vec<SecurityObject>, Error> {
        operation::security_objects(self)
    }

    /// Where endpoints reach the server: `host:port`, as it was when it last ran.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn kmip_server(&self) -> Result<String, Error> {
        if let Some(here) = &*self.kmip_here.read() {
            return Ok(here.clone());
        }
        let known = self.store.kmip_server().map_err(|error| failed(&error))?;
        Ok(known.unwrap_or_else(|| format!("localhost:{KMIP_PORT}")))
    }

    /// Everything there is to see of the cluster.
    ///
    /// # Errors
    /// [`crate::Cause::StoreFailed`].
    pub fn cluster(&self) -> Result<ClusterView, Error> {
        operation::look(self)
    }

    /// How long a node may be disabled, hours. Documented: 24 unless set otherwise.
    pub(crate) fn maximum_disable_hours(&self) -> Result<u32, Error> {
        let name = "maximum disable node duration, hours";
        let hours = self.store.cluster_info(name).map_err(|error| failed(&error))?;
        Ok(hours.and_then(|it| it.parse().ok()).unwrap_or(crate::cluster::DISABLE_HOURS))
    }

    /// Stores an object of a customer.
    ///
    /// # Errors
    /// [`crate::Cause::Sealed`], [`crate::Cause::WalletClosed`], [`crate::Cause::ObjectExists`], [`crate::Cause::NameUnusable`],
    /// [`crate::Cause::StoreFailed`].
    pub fn store_object(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        operation::store_object(self, name, bytes)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`crate::Cause::Sealed`], [`crate::Cause::WalletClosed`], [`crate::Cause::ObjectUnknown`], [`crate::Cause::ObjectDamaged`].
    pub fn read_object(&self, name: &str) -> Result<Secret, Error> {
        operation::read_object(self, name)
    }

    /// All objects, in the order they were stored.
    ///
    /// # Errors
    /// [`crate::Cause::Sealed`], [`crate::Cause::WalletClosed`], [`crate::Cause::ObjectDamaged`].
    pub fn list_objects(&self) -> Result<Vec<ObjectInfo>, Error> {
        operation::list_objects(self)
    }
}

fn failed(error: &StoreError) -> Error {
    Error::store(Operation::Status, error)
}
