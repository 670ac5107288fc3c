//! What is done to clusters: the first node, candidates, adding, disabling, enabling and deleting nodes, bundles.
//!
//! Steps, fields and refusals follow the integration guide and Oracle's administrator's guides where they say something
//! (Documented); see each file.

use std::sync::Arc;

use super::Operation;
use crate::cluster::replication::Replication;
use crate::cluster::{Membership, Node, Standing};
use crate::error::Error;
use crate::store::StoreError;
use crate::texts::Cause;
use crate::vault::Vault;
use crate::view::View;

mod add_node;
mod bundle;
mod candidate;
mod change_node;
mod first_node;
mod look;

pub use self::add_node::{AddNodeRequest, NodeAdded};
pub use self::bundle::{BundleApplied, BundleCreated};
pub use self::candidate::{ConvertRequest, Converted};
pub use self::first_node::FirstNodeRequest;
pub use self::look::{ClusterView, NodeView};

pub(crate) use self::add_node::{abort_pairing, add_node, plant};
pub(crate) use self::bundle::{apply_bundle, create_bundle, key_for_hsm, may_reverse_migrate};
pub(crate) use self::candidate::convert;
pub(crate) use self::change_node::{change_node, set_disable_hours};
pub(crate) use self::first_node::first_node;
pub(crate) use self::look::look;

fn store_failed(operation: Operation) -> impl Fn(StoreError) -> Error {
    move |error| Error::store(operation, &error)
}

/// The release has clusters, and the server runs.
fn running(view: &View, operation: Operation) -> Result<Arc<Replication>, Error> {
    let release = view.release()?;
    if !release.cluster.value {
        let detail = format!("release {}", release.name);
        return Err(Error::new(operation, Cause::NotInThisRelease).with_detail(detail));
    }
    view.replication().ok_or_else(|| Error::new(operation, Cause::NodeNotServing))
}

/// This server is a node that runs.
struct Here {
    me: Membership,
    nodes: Vec<Node>,
    replication: Arc<Replication>,
}

impl Here {
    fn of(vault: &Vault, operation: Operation) -> Result<Self, Error> {
        let replication = running(&vault.view, operation)?;
        let store = &vault.core.store;
        let standing = store.standing().map_err(store_failed(operation))?;
        let Standing::Member(me) = standing else {
            let detail = standing.name();
            return Err(Error::new(operation, Cause::NotInCluster).with_detail(detail));
        };
        let nodes = store.nodes().map_err(store_failed(operation))?;
        Ok(Self { me, nodes, replication })
    }

    fn own(&self, operation: Operation) -> Result<&Node, Error> {
        let own = self.nodes.iter().find(|node| node.id == self.me.node_id);
        own.ok_or_else(|| {
            Error::new(operation, Cause::StoreFailed).with_detail("no row of this node")
        })
    }

    fn node(&self, operation: Operation, name: &str) -> Result<&Node, Error> {
        let found = self.nodes.iter().find(|node| node.name == name || node.id.to_string() == name);
        found.ok_or_else(|| Error::new(operation, Cause::NodeUnknown).with_detail(name))
    }

    fn others(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.id != self.me.node_id && node.status.is_there())
    }
}

/// Checked before anything else is touched.
fn check_passphrase(
    view: &View,
    operation: Operation,
    passphrase: &crate::secret::Secret,
) -> Result<(), Error> {
    use crate::recovery::RecoveryError;

    let recovery = view.store.recovery().map_err(store_failed(operation))?;
    match recovery.unlock(passphrase) {
        Err(RecoveryError::Wrong) => Err(Error::new(operation, Cause::PassphraseWrong)),
        Ok(_) | Err(RecoveryError::Damaged) => Ok(()),
    }
}

/// Names of nodes, clusters and subgroups: letters, digits, `_`, `-` and `.` (Assumed).
fn usable_name(operation: Operation, what: &str, name: &str) -> Result<(), Error> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    let detail = format!("{what}: 1 to 64 letters, digits, _ - and .");
    Err(Error::new(operation, Cause::OptionUnusable).with_detail(detail))
}
