//! What an administrator, a timer or a client can ask of the vault: one file each, each existing once.
//!
//! Faces (the library's [`crate::Vault`], the command line, later a console) turn what they are given into a
//! request and call the operation; they decide nothing. Source of the steps and their order: the trace of a real
//! 21.10 server for the verification (Observed); for Initialize the guide's dialog, with the inner order Assumed
//! from that trace.

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

mod account;
mod alerts;
mod backup;
mod check;
mod cluster;
mod destination;
mod endpoint;
mod endpoint_group;
mod initialize;
mod install;
pub(crate) mod kmip;
mod objects;
mod open_wallet;
mod restart;
mod restore;
mod reverse_migrate;
mod schedule;
mod security_objects;
mod set_credential;
mod standby;
mod upgrade;
mod verify;
mod virtual_wallet;

pub use self::account::{Account, Role};
pub use self::backup::BackedUp;
pub use self::check::{AlertChange, Checked};
pub use self::cluster::{
    AddNodeRequest, BundleApplied, BundleCreated, ClusterView, ConvertRequest, Converted,
    FirstNodeRequest, NodeAdded, NodeView,
};
pub use self::destination::DestinationRequest;
pub use self::endpoint::{ENDPOINT_PLATFORMS, ENDPOINT_TYPES, Enrolled};
pub use self::initialize::{InitializeRequest, Initialized, NumberObject};
pub use self::install::InstallRequest;
pub use self::open_wallet::OpenWith;
pub use self::restart::Started;
pub use self::restore::{Restorable, RestoreRequest, Restored};
pub use self::reverse_migrate::ReverseMigrateRequest;
pub use self::schedule::{BackupStart, ScheduleRequest};
pub use self::security_objects::SecurityObject;
pub use self::set_credential::{CredentialSet, CredentialUse, SetCredentialRequest};
pub use self::verify::Verification;

pub(crate) use self::account::{
    change_password, check_password, create_account, delete_account, list_accounts,
};
pub(crate) use self::alerts::set_check_interval;
pub(crate) use self::backup::{backup, new_backup_secret};
pub(crate) use self::check::check;
pub(crate) use self::cluster::{
    abort_pairing, add_node, apply_bundle, change_node, convert, create_bundle, first_node,
    key_for_hsm, look, may_reverse_migrate, plant, set_disable_hours,
};
pub(crate) use self::destination::{delete_destination, save_destination, ssh_public_key};
pub(crate) use self::endpoint::{
    create_endpoint, delete_endpoint, endpoint, enrol, enrolment_token, re_enrol, resume, suspend,
};
pub(crate) use self::endpoint_group::{create_group, delete_group, set_member};
pub(crate) use self::initialize::initialize;
pub(crate) use self::install::install_with;
pub(crate) use self::objects::{list_objects, object_failed, open, read_object, store_object};
pub(crate) use self::open_wallet::open_wallet;
pub(crate) use self::restart::restart;
pub(crate) use self::restore::{finish_or_discard, list_backups, restore};
pub(crate) use self::reverse_migrate::reverse_migrate;
pub(crate) use self::schedule::{due_backups, pause_backup, resume_backup, schedule, unschedule};
pub(crate) use self::security_objects::{security_objects, set_wallet_member};
pub(crate) use self::set_credential::set_credential;
pub(crate) use self::standby::adopt_hsm;
pub(crate) use self::upgrade::upgrade;
pub(crate) use self::verify::verify;
pub(crate) use self::virtual_wallet::{
    create_wallet, delete_wallet, set_access, set_default_wallet, virtual_wallet,
};

/// An operation's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Post-installation set-up.
    Install,
    /// Opening the data directory.
    Open,
    /// Making the HSM the root of trust.
    Initialize,
    /// Storing a credential: a changed one, or before a restore.
    SetCredential,
    /// The verification, asked for.
    Verify,
    /// The verification, by the timer.
    Check,
    /// A restart of the server.
    Restart,
    /// Opening the wallet by hand.
    OpenWallet,
    /// Back from the HSM to the recovery passphrase.
    ReverseMigrate,
    /// Storing an object.
    StoreObject,
    /// Reading an object.
    ReadObject,
    /// Listing objects.
    ListObjects,
    /// Looking at the state.
    Status,
    /// Making, changing or removing an account of the console, and logging in with one.
    Account,
    /// Setting how often the HSM is checked.
    Alerts,
    /// Making, changing or removing a backup destination.
    Destination,
    /// Scheduling a backup.
    Schedule,
    /// Making a backup.
    Backup,
    /// Restoring one.
    Restore,
    /// Going to a later release.
    Upgrade,
    /// Taking over the primary's HSM files on a standby.
    Standby,
    /// Making, changing or removing an endpoint, and enrolling it.
    Endpoint,
    /// Making, changing or removing a group of endpoints.
    EndpointGroup,
    /// Making or removing a virtual wallet, and who may do what with it.
    VirtualWallet,
    /// Serving an endpoint over KMIP.
    Kmip,
    /// Making the first node of a cluster.
    FirstNode,
    /// Converting this server to a candidate.
    Convert,
    /// Adding a candidate to the cluster.
    AddNode,
    /// Disabling, enabling or deleting a node.
    ChangeNode,
    /// Making the bundle.
    CreateBundle,
    /// Applying it.
    ApplyBundle,
    /// Serving console and API.
    Serve,
}

impl Operation {
    /// The name, as on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Open => "open",
            Self::Initialize => "initialize",
            Self::SetCredential => "set-credential",
            Self::Verify => "verify",
            Self::Check => "check",
            Self::Restart => "restart",
            Self::OpenWallet => "open-wallet",
            Self::ReverseMigrate => "reverse-migrate",
            Self::StoreObject => "store",
            Self::ReadObject => "read",
            Self::ListObjects => "list",
            Self::Status => "status",
            Self::Account => "account",
            Self::Alerts => "alerts",
            Self::Destination => "backup-destination",
            Self::Schedule => "schedule",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Upgrade => "upgrade",
            Self::Standby => "adopt-hsm",
            Self::Endpoint => "endpoint",
            Self::EndpointGroup => "endpoint-group",
            Self::VirtualWallet => "wallet",
            Self::Kmip => "kmip",
            Self::FirstNode => "first-node",
            Self::Convert => "convert",
            Self::AddNode => "add-node",
            Self::ChangeNode => "change-node",
            Self::CreateBundle => "create-bundle",
            Self::ApplyBundle => "apply-bundle",
            Self::Serve => "serve",
        }
    }

    /// The verb of the real `hsmclient` in the trace. `open_wallet` and `pre_restore` are Observed or
    /// Documented, the others Assumed by analogy.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::SetCredential => "pre_restore",
            Self::Restart | Self::OpenWallet => "open_wallet",
            Self::ReverseMigrate => "reverse_migrate",
            Self::Backup => "pre_backup",
            Self::Restore => "restore",
            Self::Standby => "adopt",
            Self::CreateBundle => "create_bundle",
            _ => "verify",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A step of a sequence of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Of Initialize.
    Initialize(InitializeStep),
    /// Of a verification.
    Verification(VerificationStep),
    /// Of Reverse Migrate.
    ReverseMigrate(ReverseMigrateStep),
    /// Of a backup.
    Backup(BackupStep),
    /// Of a restore.
    Restore(RestoreStep),
}

impl Step {
    /// How many steps its sequence has.
    pub const fn of(self) -> usize {
        match self {
            Self::Initialize(_) => InitializeStep::ALL.len(),
            Self::Verification(_) => VerificationStep::ALL.len(),
            Self::ReverseMigrate(_) => ReverseMigrateStep::ALL.len(),
            Self::Backup(_) => BackupStep::ALL.len(),
            Self::Restore(_) => RestoreStep::ALL.len(),
        }
    }

    /// Which sequence it belongs to.
    pub const fn sequence(self) -> &'static str {
        match self {
            Self::Initialize(_) => "initialize",
            Self::Verification(_) => "verification",
            Self::ReverseMigrate(_) => "reverse-migrate",
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
        }
    }

    /// Its number there, from 1.
    pub const fn number(self) -> u8 {
        match self {
            Self::Initialize(step) => step as u8,
            Self::Verification(step) => step as u8,
            Self::ReverseMigrate(step) => step as u8,
            Self::Backup(step) => step as u8,
            Self::Restore(step) => step as u8,
        }
    }

    /// What is done.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialize(step) => step.name(),
            Self::Verification(step) => step.name(),
            Self::ReverseMigrate(step) => step.name(),
            Self::Backup(step) => step.name(),
            Self::Restore(step) => step.name(),
        }
    }

    /// Whether the other belongs to the same sequence.
    pub(crate) fn is_beside(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} step {}: {}", self.sequence(), self.number(), self.name())
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Step", 3)?;
        out.serialize_field("sequence", self.sequence())?;
        out.serialize_field("number", &self.number())?;
        out.serialize_field("name", self.name())?;
        out.end()
    }
}

macro_rules! steps {
    (
        $(#[$doc:meta])* $name:ident => $variant:ident;
        $($(#[$step_doc:meta])* $step:ident $number:literal $text:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$step_doc])* $step = $number,)* }

        impl $name {
            /// All of them in their order.
            pub const ALL: &[Self] = &[$(Self::$step,)*];

            const fn name(self) -> &'static str {
                match self { $(Self::$step => $text,)* }
            }
        }

        impl From<$name> for Step {
            fn from(step: $name) -> Self {
                Self::$variant(step)
            }
        }
    };
}

steps! {
    /// The twelve of Initialize. Order Assumed.
    InitializeStep => Initialize;
    /// Before the HSM is touched.
    CheckPassphrase 1 "check the recovery passphrase";
    /// `dlopen` and `C_Initialize`.
    LoadLibrary 2 "load the PKCS#11 library";
    /// By token label, or the first.
    ChooseSlot 3 "choose the slot";
    /// As Crypto Officer.
    Login 4 "log in";
    /// The auto-login wallet.
    WriteCredential 5 "write the credential wallet";
    /// Random, and not taken on this token.
    PickNumber 6 "pick the key number";
    /// `C_GenerateKey`.
    GenerateKey 7 "generate the root key";
    /// `C_CreateObject`.
    RecordNumber 8 "record the key number";
    /// `C_Encrypt`, then blob, restore wallet and link.
    EncryptPassword 9 "encrypt the wallet password";
    /// The one commit that changes which key opens the wallet.
    MarkEnabled 10 "mark the HSM enabled";
    /// Steps 6 to 12 of the verification, in the same session.
    Verify 11 "verify";
    /// Audit record and message.
    Report 12 "report success";
}

steps! {
    /// The thirteen of a verification. Order Observed.
    VerificationStep => Verification;
    /// Module, vendor, token label or none.
    ReadSettings 1 "read the HSM settings";
    /// `dlopen` and `C_Initialize`.
    LoadLibrary 2 "load the PKCS#11 library";
    /// Writes the new one, or sees that the old one is there and private.
    CredentialWallet 3 "credential wallet";
    /// As an unattended boot would.
    ReadCredential 4 "read the credential back";
    /// Slot, session, login.
    Connect 5 "connect to the HSM";
    /// If not, the rest does not apply.
    HsmEnabled 6 "is the HSM enabled";
    /// Version and key number.
    BlobHeader 7 "verify the header of the encrypted password";
    /// By label, then by number.
    FindRootKey 8 "find the root key";
    /// `C_Decrypt`.
    DecryptPassword 9 "decrypt the wallet password";
    /// The password against the TDE wallet.
    CheckWallet 10 "check the password against the wallet";
    /// The password against the restore wallet.
    CheckRestoreWallet 11 "check the password against the restore wallet";
    /// The link points to the wallet.
    CheckLinks 12 "check the wallet links";
    /// Logout, session, library.
    Disconnect 13 "disconnect";
}

steps! {
    /// The seven of Reverse Migrate. Assumed.
    ReverseMigrateStep => ReverseMigrate;
    /// Before the HSM is touched.
    CheckPassphrase 1 "check the recovery passphrase";
    /// `dlopen` and `C_Initialize`.
    LoadLibrary 2 "load the PKCS#11 library";
    /// Slot, session, login with the credential entered.
    Connect 3 "connect to the HSM";
    /// Blob, root key, `C_Decrypt`, wallet.
    DecryptPassword 4 "decrypt the wallet password";
    /// The one commit that puts the passphrase back.
    MarkNotEnabled 5 "protect the wallet password with the recovery passphrase";
    /// Credential, blob, restore wallet, link.
    RemoveFiles 6 "remove the files of the HSM";
    /// Audit record.
    Report 7 "report success";
}

steps! {
    /// The eight of a backup. Assumed.
    BackupStep => Backup;
    /// The wallet is open, the destination known.
    Begin 1 "begin the run";
    /// The whole verification, when the HSM is enabled: a backup nobody could restore is of no use.
    VerifyHsm 2 "verify the HSM configuration";
    /// A whole and compact copy of the embedded database.
    CopyDatabase 3 "copy the database";
    /// Under a key that wants both root of trust and recovery passphrase.
    Seal 4 "encrypt the backup";
    /// Host key, login, directory.
    Connect 5 "connect to the destination";
    /// Under a temporary name.
    Send 6 "send the backup";
    /// The name counts from here, then the list of backups.
    Publish 7 "give the backup its name";
    /// The run is done.
    Record 8 "record the backup";
}

steps! {
    /// The thirteen of a restore. Order of the checks Documented, the rest Assumed.
    RestoreStep => Restore;
    /// Mode of this server.
    CheckState 1 "check the state of this server";
    /// From the source.
    Fetch 2 "fetch the backup";
    /// Format, release, mode.
    ReadHeader 3 "read the header of the backup";
    /// Of the time of the backup.
    CheckPassphrase 4 "check the recovery passphrase";
    /// `dlopen` and `C_Initialize`.
    LoadLibrary 5 "load the PKCS#11 library";
    /// Slot, session, login with the credential that was set.
    Connect 6 "connect to the HSM";
    /// The root key of the backup, `C_Decrypt`, wallet.
    FindRootOfTrust 7 "find the root of trust of the backup";
    /// Nothing of it was changed.
    OpenBackup 8 "decrypt the backup";
    /// Beside what is there.
    Stage 9 "lay the restored files ready";
    /// The one file that makes it count.
    Commit 10 "commit the restore";
    /// Each whole.
    Replace 11 "put the restored files in place";
    /// As a boot does.
    Restart 12 "restart and open the wallet";
    /// Audit record.
    Report 13 "report success";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_in_their_order() {
        fn numbers<T: Copy + Into<Step>>(steps: &[T]) -> Vec<u8> {
            steps.iter().map(|step| (*step).into().number()).collect()
        }
        assert_eq!(numbers(InitializeStep::ALL), (1..=12).collect::<Vec<_>>());
        assert_eq!(numbers(VerificationStep::ALL), (1..=13).collect::<Vec<_>>());
        assert_eq!(numbers(ReverseMigrateStep::ALL), (1..=7).collect::<Vec<_>>());
        assert_eq!(numbers(BackupStep::ALL), (1..=8).collect::<Vec<_>>());
        assert_eq!(numbers(RestoreStep::ALL), (1..=13).collect::<Vec<_>>());
    }

    #[test]
    fn a_step_says_where_it_belongs() {
        let step = serde_json::to_value(Step::from(InitializeStep::Login)).unwrap();
        let expected =
            serde_json::json!({ "sequence": "initialize", "number": 4, "name": "log in" });
        assert_eq!(step, expected);
    }
}
