//! The administration of an HSM: what is asked of its admin partition, and of a user partition as
//! one container among others.
//!
//! Numbers of containers are the HSM's: the lowest that is free, kept while the partition lives.

use serde::{Deserialize, Serialize};

use super::{Pin, PolicyState};
use crate::ck::*;

/// One request to the HSM itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Administration {
    /// HSM policies and the capabilities that bound them.
    HsmPolicies,
    /// Numbers of the containers.
    Containers,
    /// The number of the partition's own container.
    OwnContainer,
    /// The serial number of the HSM, which is that of its admin partition.
    HsmSerial,
    /// What one container is.
    Container(u64),
    /// Policies and capabilities of one container.
    ContainerPolicies(u64),
    /// The policies a partition starts with, as a template.
    PolicyTemplate,
    /// Bytes of the whole HSM.
    Storage,
    /// Flags of the HSM: mode, tamper, transport.
    Device,
    /// The HSM's clock, in seconds since 1970.
    Time,
    /// What was counted of the partitions' operations at the last snapshot.
    Utilization,
    /// What the audit log is configured to keep.
    LogConfiguration,
    /// How full the audit log is.
    LogStatus,
    /// Changes HSM policies, all or none: number and value. Those that wipe want `destructive`.
    SetHsmPolicies {
        /// Number and value.
        changes: Vec<(u64, u64)>,
        /// The caller knows that the HSM may be zeroised by it.
        destructive: bool,
    },
    /// Changes policies of one container.
    SetContainerPolicies(u64, Vec<(u64, u64)>),
    /// Makes a partition.
    CreateContainer {
        /// At most 32 bytes.
        label: String,
        /// The Partition SO's; without one the partition stays uninitialised.
        pin: Option<Pin>,
        /// Its cloning domain, with a PIN.
        domain: Option<Pin>,
        /// Bytes; 0 for the HSM's own choice.
        bytes: u64,
        /// Policies it starts with, and how destructive they are.
        template: Vec<TemplatePolicy>,
    },
    /// Deletes a partition: that of the session without a number.
    DeleteContainer(Option<u64>),
    /// Gives a container another size, in bytes.
    ResizeContainer(u64, u64),
    /// Gives the partition another label.
    Relabel(String),
    /// Creates the credential of a role in another container.
    InitContainerRole(u64, Role, Pin),
    /// `CA_InitToken`: a partition or the HSM anew, with the policies it starts with.
    InitToken {
        /// The security officer's.
        pin: Pin,
        /// At most 32 bytes.
        label: String,
        /// The cloning domain; the default one when none.
        domain: Option<Pin>,
        /// Of the partition.
        policies: Vec<TemplatePolicy>,
        /// Of the HSM.
        hsm_policies: Vec<TemplatePolicy>,
    },
    /// Keys, roles and partitions go; policies stay.
    Zeroize,
    /// As the HSM, or the partition, left the factory.
    FactoryReset,
    /// Switches the HSM off and on.
    Restart,
    /// Runs a self-test by its number.
    SelfTest(u64),
    /// The master tamper key: restore, split anew, zeroise, where its splits lie.
    MasterTamperKey(TamperKey),
    /// Into secure transport mode or out of it, with the user's string; told the verification
    /// string.
    Transport {
        /// Into it.
        enter: bool,
        /// What the verification string is made with.
        user: Vec<u8>,
    },
    /// Acknowledges a tamper.
    ClearTamper,
    /// Makes the challenge of a PED role, here or in another container; told where the HSM chose it.
    CreateChallenge {
        /// Another container than the session's.
        container: Option<u64>,
        /// Whose.
        role: Role,
        /// Chosen by the caller; the HSM chooses without one.
        challenge: Option<Pin>,
    },
    /// Drops the cached credential of a PED role.
    Deactivate(Role),
    /// The vector of a remote PED: makes it, deletes it.
    RemotePedVector(bool),
    /// Takes a snapshot of what was counted, and begins anew where wanted.
    SnapshotUtilization {
        /// Counts begin at 0.
        reset: bool,
    },
    /// Makes the Auditor.
    InitAudit {
        /// His credential.
        pin: Pin,
        /// The log's cloning domain.
        domain: Option<Pin>,
    },
    /// Sets the HSM's clock, in seconds since 1970.
    SetTime(u64),
    /// What the audit log keeps from now on.
    ConfigureLog(LogConfiguration),
    /// Whether these lines are what this HSM, or one whose secret it knows, wrote.
    VerifyLog {
        /// Lines, each ended by a line feed.
        lines: Vec<u8>,
        /// Each line follows the one before it.
        chained: bool,
    },
    /// The secret of the log, under its domain.
    ExportLogSecret,
    /// The secret of another HSM's log.
    ImportLogSecret(Vec<u8>),
    /// A line of an application's own.
    LogExternal(Vec<u8>),
}

impl Administration {
    /// Whether it changes nothing.
    pub fn is_question(&self) -> bool {
        matches!(
            self,
            Self::HsmPolicies
                | Self::Containers
                | Self::OwnContainer
                | Self::HsmSerial
                | Self::Container(_)
                | Self::ContainerPolicies(_)
                | Self::PolicyTemplate
                | Self::Storage
                | Self::Device
                | Self::Time
                | Self::Utilization
                | Self::LogConfiguration
                | Self::LogStatus
                | Self::SelfTest(_)
                | Self::VerifyLog { .. }
                | Self::ExportLogSecret
        )
    }

    /// Whether a user partition answers it too; the rest is the admin partition's alone.
    pub fn is_for_any_partition(&self) -> bool {
        matches!(
            self,
            Self::Containers
                | Self::OwnContainer
                | Self::HsmSerial
                | Self::Container(_)
                | Self::ContainerPolicies(_)
                | Self::PolicyTemplate
                | Self::Time
                | Self::SetContainerPolicies(..)
                | Self::DeleteContainer(_)
                | Self::Relabel(_)
                | Self::InitToken { .. }
                | Self::SelfTest(_)
                | Self::CreateChallenge { container: None, .. }
                | Self::Deactivate(_)
                | Self::RemotePedVector(_)
                | Self::Utilization
                | Self::SnapshotUtilization { .. }
                | Self::LogExternal(_)
        )
    }
}

/// What is done with the master tamper key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum TamperKey {
    /// Rebuilt from its splits.
    Restore,
    /// Split anew.
    Resplit,
    /// Erased.
    Zeroize,
    /// Where its splits lie.
    Store(u64),
}

/// A policy of a template: `CK_POLICY_INFO`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TemplatePolicy {
    /// Its number.
    pub id: u64,
    /// What it starts with.
    pub value: u64,
    /// Switching it on wipes.
    pub off_to_on_destructive: bool,
    /// Switching it off wipes.
    pub on_to_off_destructive: bool,
}

/// What the audit log keeps, and where it goes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct LogConfiguration {
    /// Categories; see [`log_events`].
    pub events: u64,
    /// When a new file begins: minutes after midnight or the full hour.
    pub rotation_offset_minutes: u64,
    /// How often: 0 never, 1 hourly, 2 daily, 3 weekly, 4 monthly.
    pub rotation_interval: u64,
    /// The most a file takes; 0 without a bound.
    pub rotation_kibibytes: u64,
    /// The directory of the files; empty keeps the records in the HSM.
    pub path: String,
}

/// Categories of the audit log.
///
/// The categories are those of `audit config` (Documented: roles.md section 8); their bits are not
/// published (Assumed).
pub mod log_events {
    /// Operations that failed.
    pub const FAILURE: u64 = 1;
    /// Operations that succeeded.
    pub const SUCCESS: u64 = 1 << 1;
    /// Sessions and logins.
    pub const ACCESS: u64 = 1 << 2;
    /// Partitions, roles and policies.
    pub const MANAGE: u64 = 1 << 3;
    /// Keys made and destroyed.
    pub const KEY_MANAGE: u64 = 1 << 4;
    /// Every use of a key.
    pub const KEY_USE: u64 = 1 << 5;
    /// The first use of each key.
    pub const KEY_FIRST_USE: u64 = 1 << 6;
    /// Lines of applications.
    pub const EXTERNAL: u64 = 1 << 7;
    /// The log itself.
    pub const LOG_MANAGE: u64 = 1 << 8;
    /// All of them.
    pub const ALL: u64 = (1 << 9) - 1;
}

/// The answer to [`Administration`].
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Administered {
    /// Nothing to say but yes.
    Done,
    /// One number.
    Number(u64),
    /// Several.
    Numbers(Vec<u64>),
    /// Policies with their capabilities.
    Policies(Vec<PolicyState>),
    /// A template.
    Template(Vec<TemplatePolicy>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// What a container is.
    Container(ContainerState),
    /// Bytes of the HSM.
    Storage(HsmStorage),
    /// What the HSM is.
    Device(DeviceState),
    /// What was counted.
    Utilization(Vec<UtilizationCount>),
    /// What the log keeps.
    LogConfiguration(LogConfiguration),
    /// How full it is.
    LogStatus(LogStatus),
}

/// What a container is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ContainerState {
    /// Its number.
    pub number: u64,
    /// Serial number of its partition.
    pub serial: String,
    /// Its label.
    pub label: String,
    /// `LUNA_CF_` bits.
    pub flags: u64,
    /// Failed logins of security officer, Crypto Officer and Crypto User.
    pub failed: [u64; 3],
    /// Bytes in all and bytes used.
    pub bytes: (u64, u64),
    /// Its objects.
    pub objects: u64,
}

/// What a partition takes of the HSM beside its size, in bytes.
///
/// Source: performance.md section 5 of the fact pack (Documented).
pub const CONTAINER_OVERHEAD_BYTES: u64 = 9648;

/// Bytes of the whole HSM.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HsmStorage {
    /// All there is.
    pub total: u64,
    /// What partitions and their overhead take.
    pub used: u64,
}

/// What the HSM is.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct DeviceState {
    /// The state vector of `CA_GetTSV`.
    pub state_vector: u64,
    /// `MTK_STATE_FLAG_` bits.
    pub tamper_key: u64,
    /// It is in secure transport mode.
    pub in_transport: bool,
    /// Licences: number and words.
    pub licences: Vec<(u64, String)>,
    /// A remote PED vector is there.
    pub remote_ped_vector: bool,
    /// It has a PED.
    pub has_ped: bool,
    /// Seconds since 1970 when it was switched on, and how long it has been.
    pub up: (u64, u64),
    /// Requests that changed it.
    pub commands: u64,
    /// Partitions it may have.
    pub allowed_containers: u64,
    /// The firmware a rollback would bring, where there is one.
    pub rollback_firmware: Option<u64>,
}

/// One counter of a partition's operations.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UtilizationCount {
    /// Serial number of the partition.
    pub serial: u64,
    /// Its label.
    pub label: String,
    /// What was counted; see [`UTILIZATION_BINS`].
    pub bin: u64,
    /// How often.
    pub count: u64,
}

/// Bins of the utilisation metrics, by number.
///
/// Source: `ThalesGroup/pycryptoki:pycryptoki/ca_extensions/utilization_metrics.py` (Documented).
pub const UTILIZATION_BINS: [&str; 6] =
    ["SIGN", "VERIFY", "ENCRYPT", "DECRYPT", "KEY_GENERATION", "KEY_DERIVATION"];

/// How full the audit log is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LogStatus {
    /// The Auditor is initialised.
    pub initialized: bool,
    /// Records in the HSM that have not left it.
    pub records: u64,
    /// The most it holds.
    pub most: u64,
    /// Number of the last record.
    pub last: u64,
    /// Category bits it keeps.
    pub events: u64,
}
