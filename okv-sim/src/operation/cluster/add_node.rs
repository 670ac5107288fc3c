//! Add Node: the controller seeds a candidate whose certificate was pasted in, and the candidate becomes a node.
//!
//! An HSM-enabled controller wants its HSM credential, and any HSM-enabled node lets only HSM-enabled ones in
//! (Documented). The candidate's data is deleted and it restarts (Documented); it keeps its own wallet, wallet password
//! and root key, and puts the cluster's tablespace key under its own master key (Assumed, from "nodes use different TDE
//! wallet passwords and RoT keys").

use serde::Serialize;

use super::candidate::clocks;
use super::{Here, Operation, check_passphrase, store_failed, usable_name};
use crate::authority::Authority;
use crate::cluster::link::{Link, SEED};
use crate::cluster::listener::time_s;
use crate::cluster::replication::Replication;
use crate::cluster::wire::{Base64, Candidate, Request, Response, Seeding};
use crate::cluster::{
    MOST_NODES, Membership, NODE_IDS, Node, NodeAction, NodeId, NodeStatus, Settings, Standing,
    identity,
};
use crate::error::Error;
use crate::secret::Secret;
use crate::store::{self, Mode};
use crate::tablespace::MANAGED_OBJECTS;
use crate::texts::Cause;
use crate::vault::Vault;

/// The page's fields.
#[derive(Debug, Clone)]
pub struct AddNodeRequest {
    /// Recovery Passphrase of the Cluster.
    pub passphrase: Secret,
    /// Add Node as Read-Write Peer.
    pub read_write_peer: bool,
    /// Unique and final.
    pub node_id: NodeId,
    /// Unique and final.
    pub node_name: String,
    /// One there is, or a new one.
    pub subgroup: String,
    /// Address of the candidate, with its port if it is not the usual one.
    pub address: String,
    /// Certificate of Candidate Node, PEM.
    pub certificate: String,
    /// The controller's, while its HSM is enabled.
    pub credential: Option<Secret>,
}

/// A node was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAdded {
    /// Its number.
    #[serde(rename = "nodeID")]
    pub node_id: NodeId,
    /// Its name.
    pub node_name: String,
    /// The node it makes a pair with.
    pub read_write_peer: Option<String>,
}

pub(crate) fn add_node(vault: &mut Vault, request: &AddNodeRequest) -> Result<NodeAdded, Error> {
    let operation = Operation::AddNode;
    let result = add(vault, request);
    vault.record(operation, &result);
    result
}

fn add(vault: &mut Vault, request: &AddNodeRequest) -> Result<NodeAdded, Error> {
    let operation = Operation::AddNode;
    let here = Here::of(vault, operation)?;
    check_passphrase(&vault.view, operation, &request.passphrase)?;
    look_at(vault, &here, request)?;
    super::bundle::prove_credential(vault, operation, request.credential.as_ref())?;
    let pinned = identity::read_pem(&request.certificate)
        .map_err(|why| Error::new(operation, Cause::CertificateUnusable).with_detail(why))?;
    let silent = |why: String| Error::new(operation, Cause::CandidateUnusable).with_detail(why);
    let mut link = Link::connect(&here.replication.identity, &request.address, &pinned)
        .map_err(silent)?
        .patient(SEED);
    let Response::Candidate(candidate) = link.call(&Request::Look).map_err(silent)? else {
        return Err(silent(format!("{}: no candidate answers there", request.address)));
    };
    look_at_candidate(vault, &here, &candidate)?;
    let node = pairing(request, &candidate);
    let failed = store_failed(operation);
    let store = &vault.core.store;
    let begun = store.change(|change| {
        change.node(&node)?;
        change.node_settings(node.id, &node.settings)
    });
    begun.map_err(&failed)?;
    here.replication.wake();
    let seeded = seeding(vault, &here, &node)
        .and_then(|seeding| link.call(&Request::Seed(Box::new(seeding))).map_err(silent));
    if let Err(error) = seeded {
        // Nothing was acknowledged to it: its number is free again.
        let forgotten = store.change(|change| change.forget_node(node.id));
        return Err(forgotten.map_err(failed).err().unwrap_or(error));
    }
    let own = here.own(operation)?;
    let peer = request.read_write_peer.then_some(own.id);
    let added = Node { status: NodeStatus::Active, peer, ..node };
    let done = store.change(|change| {
        change.node(&added)?;
        match peer {
            Some(_) => change.node(&Node { peer: Some(added.id), ..own.clone() }),
            None => Ok(()),
        }
    });
    done.map_err(failed)?;
    here.replication.wake();
    Ok(NodeAdded {
        node_id: added.id,
        node_name: added.name,
        read_write_peer: peer.map(|_| own.name.clone()),
    })
}

/// What can be seen without the candidate.
fn look_at(vault: &Vault, here: &Here, request: &AddNodeRequest) -> Result<(), Error> {
    let operation = Operation::AddNode;
    let refuse = |cause, detail: String| Err(Error::new(operation, cause).with_detail(detail));
    usable_name(operation, "node name", &request.node_name)?;
    usable_name(operation, "cluster subgroup", &request.subgroup)?;
    if !NODE_IDS.contains(&request.node_id) {
        let detail = format!("node id: {} to {}", NODE_IDS.start(), NODE_IDS.end());
        return refuse(Cause::OptionUnusable, detail);
    }
    if let Some(node) = here.nodes.iter().find(|node| node.id == request.node_id) {
        return refuse(Cause::NodeIdTaken, format!("{}, {}", node.id, node.name));
    }
    if here.nodes.iter().any(|node| node.name.eq_ignore_ascii_case(&request.node_name)) {
        return refuse(Cause::NodeNameTaken, request.node_name.clone());
    }
    if here.nodes.iter().filter(|node| node.status.is_there()).count() >= MOST_NODES {
        return refuse(Cause::ClusterFull, format!("{MOST_NODES} nodes"));
    }
    let own = here.own(operation)?;
    if own.status != NodeStatus::Active {
        return refuse(Cause::NodeNotActive, format!("{} is {}", own.name, own.status));
    }
    if let (true, Some(peer)) = (request.read_write_peer, own.peer) {
        let name = here.nodes.iter().find(|node| node.id == peer);
        return refuse(Cause::PeerTaken, name.map(|node| node.name.clone()).unwrap_or_default());
    }
    // The key of an HSM-enabled node that ships what this one cannot read goes by the bundle first.
    super::bundle::has_newest_key(vault, operation)
}

fn look_at_candidate(vault: &Vault, here: &Here, candidate: &Candidate) -> Result<(), Error> {
    let operation = Operation::AddNode;
    let release = vault.view.release()?;
    if candidate.release != release.name {
        let detail = format!("{} there, {} here", candidate.release, release.name);
        return Err(Error::new(operation, Cause::ReleasesDiffer).with_detail(detail));
    }
    clocks(operation, candidate.time_s, time_s())?;
    let enabled = here.nodes.iter().find(|node| node.status.is_there() && node.settings.hsm);
    match enabled {
        Some(node) if !candidate.hsm => {
            let detail = format!("{} is", node.name);
            Err(Error::new(operation, Cause::CandidateWithoutHsm).with_detail(detail))
        }
        _ => Ok(()),
    }
}

fn pairing(request: &AddNodeRequest, candidate: &Candidate) -> Node {
    Node {
        id: request.node_id,
        name: request.node_name.clone(),
        address: crate::cluster::link::with_port(&request.address),
        certificate: request.certificate.clone(),
        subgroup: request.subgroup.clone(),
        status: NodeStatus::Pairing,
        peer: None,
        joined_at: store::now(),
        disabled_at: None,
        settings: Settings {
            hsm: candidate.hsm,
            epoch: crate::cluster::Epoch::FIRST,
            version: candidate.version.clone(),
        },
    }
}

/// Everything the candidate begins with.
fn seeding(vault: &Vault, here: &Here, node: &Node) -> Result<Seeding, Error> {
    let operation = Operation::AddNode;
    let failed = store_failed(operation);
    let store = &vault.core.store;
    let tablespace = super::super::open(&vault.view, operation)?;
    let keys = store.replication_keys().map_err(&failed)?;
    let secret = store.backup_secret().map_err(&failed)?;
    // Made now if it was not needed yet: later each node would make its own.
    Authority::open(store, &tablespace)
        .map_err(|error| crate::operation::endpoint::authority_failed(operation, &error))?;
    let authority = store.kept_authority().map_err(&failed)?;
    Ok(Seeding {
        authority,
        member: Membership { node_id: node.id, node_name: node.name.clone(), ..here.me.clone() },
        seed: store.seed().map_err(failed)?,
        tablespace: tablespace.reveal(),
        backup_secret: secret.map(|(sealed, wrapped)| (Base64(sealed), Base64(wrapped))),
        keys: keys.into_iter().map(|(epoch, key)| (epoch, Base64(key))).collect(),
    })
}

/// On the candidate: the seed takes the place of its own data, in one transaction, and it restarts.
pub(crate) fn plant(
    vault: &mut Vault,
    replication: &Replication,
    seeding: &Seeding,
) -> Result<(), Error> {
    let operation = Operation::AddNode;
    let failed = store_failed(operation);
    let tablespace = super::super::open(&vault.view, operation)?;
    let adopted = tablespace.adopt(&seeding.tablespace);
    let (opened, master, wrapped) =
        adopted.map_err(|_| Error::new(operation, Cause::CryptoFailed))?;
    let newest = seeding.keys.last().map(|(epoch, _)| *epoch);
    let planted = vault.core.store.plant(&seeding.seed, |change| {
        change.forget_backups()?;
        change.keep_authority(seeding.authority.as_deref())?;
        change.tablespace(MANAGED_OBJECTS, &master, &wrapped)?;
        if let Some((sealed, wrapped)) = &seeding.backup_secret {
            change.backup_secret(&sealed.0, &wrapped.0)?;
        }
        for (epoch, key) in &seeding.keys {
            change.replication_key(*epoch, &key.0)?;
        }
        if let Some(epoch) = newest {
            change.node_epoch(seeding.member.node_id, epoch)?;
        }
        change.standing(&Standing::Member(seeding.member.clone()))?;
        change.audit("cluster-join", "success")
    });
    planted.map_err(failed)?;
    vault.view.open(opened);
    replication.wake();
    if vault.mode(operation)? == Mode::Enabled
        && let Some(error) = vault.restart()?.failure
    {
        return Err(error);
    }
    Ok(())
}

/// Gives a pairing up that the controller did not finish.
pub(crate) fn abort_pairing(vault: &mut Vault, name: &str) -> Result<NodeId, Error> {
    let operation = Operation::ChangeNode;
    let here = Here::of(vault, operation)?;
    let node = here.node(operation, name)?;
    let result = match node.status.after(NodeAction::Abort) {
        Some(_) => {
            let forgotten = vault.core.store.change(|change| change.forget_node(node.id));
            forgotten.map(|()| node.id).map_err(store_failed(operation))
        }
        None => {
            let detail = format!("abort-pairing: {} is {}", node.name, node.status);
            Err(Error::new(operation, Cause::NodeStatusWrong).with_detail(detail))
        }
    };
    here.replication.wake();
    vault.record(operation, &result);
    result
}
