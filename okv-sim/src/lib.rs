//! A simulated Oracle Key Vault whose root of trust lives in the HSM it is given.
//!
//! The chain is a true one. A customer's object is sealed under a tablespace key, that under a TDE master key,
//! which lies in a wallet file under a password; and the password is kept only as the ciphertext the HSM's root
//! key made of it. Take the HSM away and restart, and nothing can be read; while the vault runs, the wallet is
//! open in memory and the HSM is asked for nothing but a check every five minutes.
//!
//! The vault sees a library's path, a token label and a credential, and calls only what the standard names; it
//! runs on any PKCS#11 module.
//!
//! ```no_run
//! use okv_sim::{HsmSettings, InitializeRequest, InstallRequest, State, Vault};
//! use std::path::Path;
//!
//! # fn main() -> Result<(), okv_sim::Error> {
//! let data = Path::new("okv");
//! let mut vault = Vault::install(data, &InstallRequest::new("recovery passphrase".into()))?;
//! vault.store_object("tde master key", b"32 bytes of it")?;
//! vault.initialize(&InitializeRequest {
//!     hsm: HsmSettings::luna("/usr/safenet/lunaclient/lib/libCryptoki2_64.so", Some("OKV")),
//!     credential: "partition password".into(),
//!     passphrase: "recovery passphrase".into(),
//! })?;
//! let started = vault.restart()?;
//! assert_eq!(started.state, State::EnabledOk);
//! assert_eq!(vault.read_object("tde master key")?.expose(), b"32 bytes of it");
//! # Ok(())
//! # }
//! ```
//!
//! # Rooms
//!
//! | room | what it is for |
//! |---|---|
//! | [`Vault`] | the state machine; a method an operation, which hands over to its file |
//! | [`operation`] | one file an operation, each existing once, with its steps |
//! | `verification` | the thirteen steps that Verify, check, boot and Set Credential share |
//! | `token` | what is asked of a token; the real one stands on `luna-client` |
//! | [`environment`] | variables for the library, from a file of the machine's administrator |
//! | `effect` | what a return code means for the vault |
//! | [`texts`] | every text, with how it is known |
//! | [`View`] | what can be asked while an operation is at the HSM |
//! | `kmip` | the language of endpoints |
//! | [`api`] | each operation as a service with options: what console, JSON and command line call |
//! | [`server`] | the process: console, JSON API, timer |
//! | [`cluster`] | what makes servers nodes of one cluster |
//! | [`release`] | releases of the product as data |
//! | `backup` | the backup's format, and how it travels |
//! | `authority` | certificates of endpoints, and of the server they talk to |
//! | `blob`, `credential`, `wallet`, `recovery`, `tablespace` | the levels of the chain, one each |
//! | `seal` | the only room that names a cryptographic library |
//! | `disk`, `store` | files replaced whole, and one SQLite database |
//! | `trace`, [`watch`] | what happened, for people; and points to look on, for tests |
//!
//! # Threads and processes
//!
//! A [`Vault`] is used by one thread at a time and may move. Two vaults of one process take turns at the HSM,
//! since `C_Initialize` counts per process; nothing else in the process may hold the same library initialised
//! meanwhile. One process at a time uses a data directory.
//!
//! # What it does not do
//!
//! Memory is wiped where this crate owns it, no further. The
//! HSM credential on disk is as safe as the disk (see the data directory's `hsm/local.key`), as in the real
//! product, so that an unattended boot can log in.

pub mod api;
mod authority;
mod backup;
mod blob;
pub mod cluster;
mod credential;
mod disk;
mod effect;
pub mod environment;
mod error;
mod kmip;
pub mod operation;
mod recovery;
pub mod release;
mod run;
mod seal;
mod secret;
pub mod server;
mod store;
mod tablespace;
pub mod texts;
mod token;
mod trace;
mod vault;
mod verification;
mod view;
mod wallet;
pub mod watch;

pub use self::blob::{KeyNumber, VERSION as BLOB_VERSION};
pub use self::disk::Place;
pub use self::error::{Error, Rv};
pub use self::operation::{
    Account, AddNodeRequest, AlertChange, BackedUp, BackupStart, BackupStep, BundleApplied,
    BundleCreated, Checked, ClusterView, ConvertRequest, Converted, CredentialSet, CredentialUse,
    DestinationRequest, ENDPOINT_PLATFORMS, ENDPOINT_TYPES, Enrolled, FirstNodeRequest,
    InitializeRequest, InitializeStep, Initialized, InstallRequest, NodeAdded, NodeView,
    NumberObject, OpenWith, Operation, Restorable, RestoreRequest, RestoreStep, Restored,
    ReverseMigrateRequest, ReverseMigrateStep, Role, ScheduleRequest, SetCredentialRequest,
    Started, Step, Verification, VerificationStep,
};
pub use self::release::Release;
pub use self::secret::Secret;
pub use self::store::{
    Access, Alert, AuditRecord, BackupDestination, BackupJob, BackupKind, BackupRun, BackupStatus,
    Endpoint, EndpointStatus, Grant, Holder, HsmDetails, HsmSettings, Interrupted, Named,
};
pub use self::tablespace::ObjectInfo;
pub use self::texts::{Cause, Grade};
pub use self::token::{KEY_NUMBER_LABEL, ROOT_KEY_LABEL};
pub use self::vault::{State, Status, Vault, is_installed};
pub use self::view::{KMIP_PORT, View};
pub use self::watch::{Event, Watcher};
