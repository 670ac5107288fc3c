//! What there is to see of a cluster, for all faces.

use serde::Serialize;

use crate::cluster::{Contact, Epoch, Node, NodeId, NodeMode, NodeStatus, Standing, mode_of};
use crate::error::Error;
use crate::operation::Operation;
use crate::view::View;

/// A node as tables show it. Names are the real command line's (Observed in public scripts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Its number.
    #[serde(rename = "nodeID")]
    pub node_id: NodeId,
    /// Its name.
    pub node_name: String,
    /// Address and port for other nodes.
    pub ip_address: String,
    /// As far as it is known here.
    pub mode: NodeMode,
    /// Where it stands.
    pub status: NodeStatus,
    /// Name of the peer.
    pub read_write_peer: Option<String>,
    /// Such as a data centre's name.
    pub cluster_subgroup: String,
    /// UTC, RFC 3339.
    pub join_date: String,
    /// UTC, RFC 3339.
    pub disable_date: Option<String>,
    /// As in `18.5.0.0.0`.
    pub node_version: String,
    /// Whether its HSM is enabled.
    pub hsm_enabled: bool,
    /// Whether it can read what every node ships.
    pub bundle_applied: bool,
    /// Whether it is this node.
    pub current: bool,
    /// Whether it answers this node; this node itself does.
    pub reachable: bool,
    /// Entries of the log it has yet to get from here.
    pub behind: i64,
    /// Why it does not answer.
    pub problem: String,
}

/// The cluster as this server sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterView {
    /// What this server is to a cluster: `STANDALONE`, `CANDIDATE`, `BROKEN`, `MEMBER`, `DELETED`.
    pub standing: &'static str,
    /// Why it must be reinstalled.
    pub problem: Option<String>,
    /// The cluster's name.
    pub cluster_name: Option<String>,
    /// Address of this server for other nodes; `None` while its server does not run.
    pub address: Option<String>,
    /// Certificate of this server for other nodes, PEM; `None` while its server does not run.
    pub certificate: Option<String>,
    /// Address of the controller a candidate waits for.
    pub controller: Option<String>,
    /// Hours.
    pub maximum_disable_node_duration: u32,
    /// Entries here that wait for a bundle.
    pub entries_waiting: i64,
    /// All nodes, by number.
    pub nodes: Vec<NodeView>,
}

impl ClusterView {
    /// This node.
    pub fn current(&self) -> Option<&NodeView> {
        self.nodes.iter().find(|node| node.current)
    }
}

pub(crate) fn look(view: &View) -> Result<ClusterView, Error> {
    let failed = |error| Error::store(Operation::Status, &error);
    let standing = view.store.standing().map_err(failed)?;
    let nodes = view.store.nodes().map_err(failed)?;
    let newest = view.store.newest_epoch().map_err(failed)?;
    let newest = newest.map_or(Epoch::FIRST, |(epoch, _)| epoch);
    let replication = view.replication();
    let contacts = replication.as_ref().map(|it| it.contacts()).unwrap_or_default();
    let me = standing.member().map(|me| me.node_id);
    let row = |node: &Node| {
        let current = Some(node.id) == me;
        let contact = contacts.get(&node.id).cloned().unwrap_or_default();
        let mode = match &replication {
            Some(replication) if current => replication.mode(),
            _ => told_mode(node, &nodes, &contact),
        };
        NodeView {
            node_id: node.id,
            node_name: node.name.clone(),
            ip_address: node.address.clone(),
            mode,
            status: node.status,
            read_write_peer: node
                .peer
                .and_then(|peer| nodes.iter().find(|other| other.id == peer))
                .map(|peer| peer.name.clone()),
            cluster_subgroup: node.subgroup.clone(),
            join_date: node.joined_at.clone(),
            disable_date: node.disabled_at.clone(),
            node_version: node.settings.version.clone(),
            hsm_enabled: node.settings.hsm,
            bundle_applied: node.settings.epoch >= newest,
            current,
            reachable: if current { replication.is_some() } else { contact.up },
            behind: contact.behind,
            problem: contact.problem,
        }
    };
    let candidacy = match &standing {
        Standing::Candidate(candidacy) => Some(candidacy.controller_address.clone()),
        _ => None,
    };
    let problem = match &standing {
        Standing::Broken { why } => Some(why.clone()),
        _ => None,
    };
    let cluster_name = match &standing {
        Standing::Member(me) | Standing::Removed(me) => Some(me.cluster_name.clone()),
        _ => None,
    };
    Ok(ClusterView {
        standing: standing.name(),
        problem,
        cluster_name,
        address: replication.as_ref().map(|it| it.address.clone()),
        certificate: replication.as_ref().map(|it| it.identity.pem.clone()),
        controller: candidacy,
        maximum_disable_node_duration: view.maximum_disable_hours()?,
        entries_waiting: view.store.entries_waiting().map_err(failed)?,
        nodes: nodes.iter().map(row).collect(),
    })
}

/// What another node said last; of one that is silent, what follows from being so.
fn told_mode(node: &Node, all: &[Node], contact: &Contact) -> NodeMode {
    contact.mode.filter(|_| contact.up).unwrap_or_else(|| mode_of(node, all, false))
}
