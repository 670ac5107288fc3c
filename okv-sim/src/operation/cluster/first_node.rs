//! Configure as Candidate Node with First Node of Cluster: Yes. The server becomes node 1 and is read-only restricted until
//! it has a peer (Documented); its data stays.

use super::{Operation, running, store_failed, usable_name};
use crate::cluster::replication::REPLICATION_KEY;
use crate::cluster::{DISABLE_HOURS, Epoch, Membership, Node, NodeStatus, Settings, Standing};
use crate::error::Error;
use crate::seal;
use crate::store::{self, Mode};
use crate::texts::Cause;
use crate::vault::Vault;

/// The page's fields.
#[derive(Debug, Clone)]
pub struct FirstNodeRequest {
    /// Cannot be changed later.
    pub node_name: String,
    /// Cannot be changed later.
    pub cluster_name: String,
    /// Cannot be changed later.
    pub subgroup: String,
}

/// The first node's number. Documented.
const FIRST: u32 = 1;

pub(crate) fn first_node(
    vault: &mut Vault,
    request: &FirstNodeRequest,
) -> Result<Membership, Error> {
    let operation = Operation::FirstNode;
    let result = make(vault, request);
    vault.record(operation, &result);
    result
}

fn make(vault: &Vault, request: &FirstNodeRequest) -> Result<Membership, Error> {
    let operation = Operation::FirstNode;
    let failed = store_failed(operation);
    let replication = running(&vault.view, operation)?;
    let standing = vault.core.store.standing().map_err(&failed)?;
    if standing != Standing::Standalone {
        let detail = standing.name();
        return Err(Error::new(operation, Cause::AlreadyInCluster).with_detail(detail));
    }
    usable_name(operation, "node name", &request.node_name)?;
    usable_name(operation, "cluster name", &request.cluster_name)?;
    usable_name(operation, "cluster subgroup", &request.subgroup)?;
    let tablespace = super::super::open(&vault.view, operation)?;
    let broken = |_| Error::new(operation, Cause::CryptoFailed);
    let key = seal::random_key().map_err(broken)?;
    let key = tablespace.seal(REPLICATION_KEY, key.as_slice()).map_err(broken)?;
    let id = seal::random::<16>().map_err(broken)?;
    let me = Membership {
        cluster_id: format!("{:032x}", u128::from_be_bytes(id)),
        cluster_name: request.cluster_name.clone(),
        node_id: FIRST,
        node_name: request.node_name.clone(),
    };
    let settings = Settings {
        hsm: vault.mode(operation)? == Mode::Enabled,
        epoch: Epoch::FIRST,
        version: vault.view.release()?.version,
    };
    let node = Node {
        id: FIRST,
        name: request.node_name.clone(),
        address: replication.address.clone(),
        certificate: replication.identity.pem.clone(),
        subgroup: request.subgroup.clone(),
        status: NodeStatus::Active,
        peer: None,
        joined_at: store::now(),
        disabled_at: None,
        settings: settings.clone(),
    };
    let changed = vault.core.store.change(|change| {
        change.standing(&Standing::Member(me.clone()))?;
        change.replication_key(Epoch::FIRST, &key)?;
        change.cluster_info("maximum disable node duration, hours", &DISABLE_HOURS.to_string())?;
        change.node(&node)?;
        change.node_settings(FIRST, &settings)?;
        change.epoch(Epoch::FIRST, FIRST)
    });
    changed.map_err(failed)?;
    replication.wake();
    Ok(me)
}
