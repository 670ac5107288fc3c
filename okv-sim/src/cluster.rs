//! Multi-master clusters: nodes that are servers of their own and keep the same customers' data.
//!
//! What is promised is what the guides say (Documented unless marked): in a read-write pair a write is acknowledged
//! when both nodes have it durably; all other nodes follow; a node that loses its peer is read-only restricted until
//! the peer is back and both know what the other knows. So nothing acknowledged is lost with any one node. No
//! consensus library fits that: all of them acknowledge by majority, elect a leader and stop where this product goes
//! on, and a pair of two has no majority. What is here is a log a node, shipped in order (see `store::cluster`).
//!
//! Each node has its own wallet password, its own root key on whatever HSM it was given, its own recovery record. What
//! nodes share is the tablespace key, which a joining node gets in the seed, and replication keys: entries of
//! customers' data are sealed with the newest. A node that becomes HSM-enabled in a cluster of several makes a new
//! replication key; the others store what it ships, and can read it once they have applied its bundle (Assumed: the
//! guide says that the bundle must be applied at once, and everywhere before that node is reverse-migrated).
//!
//! | room | what it is for |
//! |---|---|
//! | `identity` | the node's certificate |
//! | [`status`] | statuses, modes, and what may follow what |
//! | `wire` | what nodes say to each other |
//! | `link` | TLS between two nodes that know each other's certificate |
//! | `replication` | carries the log to the other nodes, and tells whether this one may write |
//! | `listener` | answers other nodes |
//! | `bundle` | the file of Create Bundle |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) mod bundle;
pub(crate) mod identity;
pub(crate) mod link;
pub(crate) mod listener;
pub(crate) mod replication;
pub mod status;
pub(crate) mod wire;

pub use self::status::{NodeAction, NodeMode, NodeStatus};

/// A node's number, chosen when it is added and never changed (Documented).
pub type NodeId = u32;

/// Node numbers that can be chosen: up to 16 nodes (Documented), of two digits (Assumed).
pub const NODE_IDS: std::ops::RangeInclusive<NodeId> = 1..=99;

/// Most nodes of a cluster. Documented.
pub const MOST_NODES: usize = 16;

/// How far clocks of two nodes may differ, seconds. That they must be synchronised is Documented, the limit Assumed.
pub const CLOCK_LIMIT_S: u64 = 300;

/// Maximum Disable Node Duration unless set otherwise, hours. Documented.
pub const DISABLE_HOURS: u32 = 24;

/// Which replication key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub(crate) u32);

impl Epoch {
    /// The one every node gets when it joins.
    pub const FIRST: Self = Self(1);
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What this server is to a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "camelCase")]
pub enum Standing {
    /// None of one.
    #[default]
    Standalone,
    /// Converted, and waits for the controller to add it.
    Candidate(Candidacy),
    /// The conversion failed: it must be reinstalled (Documented).
    Broken {
        /// What was wrong.
        why: String,
    },
    /// A node.
    Member(Membership),
    /// It was a node and was deleted: it must be reinstalled.
    Removed(Membership),
}

/// Whom a candidate waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidacy {
    /// Address and port of the controller.
    pub controller_address: String,
    /// The certificate that was pasted in, PEM.
    pub controller_certificate: String,
}

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// Random, made with the first node.
    pub cluster_id: String,
    /// Cannot be changed.
    pub cluster_name: String,
    /// Cannot be changed.
    pub node_id: NodeId,
    /// Cannot be changed.
    pub node_name: String,
}

impl Standing {
    /// Why nothing may be written here.
    pub(crate) fn why_read_only(&self) -> String {
        match self {
            Self::Candidate(_) => "it is a candidate: its data will be deleted when it is added",
            Self::Broken { .. } => "the conversion to a candidate failed: reinstall it",
            Self::Removed(_) => "it was deleted from its cluster: reinstall it",
            Self::Standalone | Self::Member(_) => "it may not write",
        }
        .to_owned()
    }

    /// Who this node is, if it is one.
    pub fn member(&self) -> Option<&Membership> {
        match self {
            Self::Member(me) => Some(me),
            _ => None,
        }
    }

    /// Its word in answers.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Standalone => "STANDALONE",
            Self::Candidate(_) => "CANDIDATE",
            Self::Broken { .. } => "BROKEN",
            Self::Member(_) => "MEMBER",
            Self::Removed(_) => "DELETED",
        }
    }
}

/// A node as all nodes know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Unique, also among deleted ones.
    pub id: NodeId,
    /// Unique.
    pub name: String,
    /// Where other nodes reach it: address and port.
    pub address: String,
    /// PEM.
    pub certificate: String,
    /// Such as a data centre's name.
    pub subgroup: String,
    /// Where it stands.
    pub status: NodeStatus,
    /// Its read-write peer.
    pub peer: Option<NodeId>,
    /// UTC, RFC 3339.
    pub joined_at: String,
    /// UTC, RFC 3339.
    pub disabled_at: Option<String>,
    /// What it says of itself.
    pub settings: Settings,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether its HSM is enabled.
    pub hsm: bool,
    /// The newest replication key it has.
    pub epoch: Epoch,
    /// As in `18.5.0.0.0`.
    pub version: String,
}

/// How another node is reached from here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// Whether it answers.
    pub up: bool,
    /// What it says its mode is.
    pub mode: Option<NodeMode>,
    /// How many entries of the log it has yet to get from here.
    pub behind: i64,
    /// Why it does not answer.
    pub problem: String,
}

/// Contacts by node.
pub type Contacts = BTreeMap<NodeId, Contact>;

/// The mode of a node from what is known of it.
///
/// Modes are Documented; that a node without a peer is Read-Only once there is a pair is Assumed from "if necessary, add
/// a read-only node first".
pub fn mode_of(node: &Node, all: &[Node], in_step_with_peer: bool) -> NodeMode {
    match node.peer {
        Some(_) if in_step_with_peer && node.status == NodeStatus::Active => NodeMode::ReadWrite,
        Some(_) => NodeMode::ReadOnlyRestricted,
        None if all.iter().any(|it| it.peer.is_some()) => NodeMode::ReadOnly,
        None => NodeMode::ReadOnlyRestricted,
    }
}
