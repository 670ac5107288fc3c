//! Disable, Enable, Delete and Force Delete, on another node than the one they are done to.
//!
//! A node that was disabled longer than the Maximum Disable Node Duration can only be force-deleted (Documented). A
//! deleted node must be reinstalled before it can be a candidate again, and its number is not given a second time.

use std::time::Duration;

use jiff::Timestamp;

use super::{Here, Operation, store_failed};
use crate::cluster::{Node, NodeAction, NodeId, NodeStatus};
use crate::error::Error;
use crate::store;
use crate::texts::Cause;
use crate::vault::Vault;

/// How long a node that answers may take to learn what is done to it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn change_node(
    vault: &mut Vault,
    name: &str,
    action: NodeAction,
) -> Result<(NodeId, NodeStatus), Error> {
    let result = change(vault, name, action);
    vault.record(Operation::ChangeNode, &result);
    result
}

fn change(vault: &Vault, name: &str, action: NodeAction) -> Result<(NodeId, NodeStatus), Error> {
    let operation = Operation::ChangeNode;
    let refuse = |cause, detail: String| Err(Error::new(operation, cause).with_detail(detail));
    let here = Here::of(vault, operation)?;
    let node = here.node(operation, name)?.clone();
    if node.id == here.me.node_id {
        return refuse(Cause::NodeIsThis, node.name);
    }
    let Some(begun) = node.status.after(action) else {
        return refuse(
            Cause::NodeStatusWrong,
            format!("{action}: {} is {}", node.name, node.status),
        );
    };
    if action == NodeAction::Enable {
        check_duration(vault, &node)?;
    }
    let answers = here.replication.contacts().get(&node.id).is_some_and(|it| it.up);
    if action == NodeAction::Delete && !answers {
        return refuse(Cause::NodeUnreachable, node.name);
    }
    let disabled_at = match action {
        NodeAction::Disable => Some(store::now()),
        NodeAction::Enable => None,
        _ => node.disabled_at.clone(),
    };
    let node = Node { disabled_at, ..node };
    set(vault, &here, &node, begun)?;
    here.replication.wake();
    // What follows by itself once the node knows; one that does not answer learns of it when it does.
    let (next, needs_answer) = match action {
        NodeAction::Disable => (NodeAction::Disabled, false),
        NodeAction::Enable => (NodeAction::Enabled, true),
        NodeAction::Delete => (NodeAction::Deleted, true),
        _ => return Ok((node.id, begun)),
    };
    let patience = if needs_answer || answers { PATIENCE } else { Duration::ZERO };
    let knows = here.replication.wait(patience, || here.replication.has_all(node.id));
    if needs_answer && !knows {
        return refuse(Cause::NodeUnreachable, format!("{} stays {begun}", node.name));
    }
    let Some(ended) = begun.after(next) else {
        return refuse(Cause::NodeStatusWrong, format!("{} is {begun}", node.name));
    };
    set(vault, &here, &node, ended)?;
    // Nothing is shipped to it from now on: this one change it must still get.
    here.replication.wake();
    Ok((node.id, ended))
}

/// Writes the status; who is deleted leaves its peer alone.
fn set(vault: &Vault, here: &Here, node: &Node, status: NodeStatus) -> Result<(), Error> {
    let gone = status == NodeStatus::Deleted;
    let peer = if gone { None } else { node.peer };
    let left = here.nodes.iter().find(|other| gone && other.peer == Some(node.id));
    let changed = vault.core.store.change(|change| {
        change.node(&Node { status, peer, ..node.clone() })?;
        match left {
            Some(left) => change.node(&Node { peer: None, ..left.clone() }),
            None => Ok(()),
        }
    });
    changed.map_err(store_failed(Operation::ChangeNode))
}

fn check_duration(vault: &Vault, node: &Node) -> Result<(), Error> {
    let hours = vault.view.maximum_disable_hours()?;
    let since: Option<Timestamp> = node.disabled_at.as_deref().and_then(|at| at.parse().ok());
    let Some(since) = since else { return Ok(()) };
    let seconds = Timestamp::now().as_second() - since.as_second();
    if seconds < i64::from(hours) * 3600 {
        return Ok(());
    }
    let detail = format!("{}: more than {hours} hours", node.name);
    Err(Error::new(Operation::ChangeNode, Cause::DisabledTooLong).with_detail(detail))
}

/// Sets the Maximum Disable Node Duration.
pub(crate) fn set_disable_hours(vault: &mut Vault, hours: u32) -> Result<(), Error> {
    let operation = Operation::ChangeNode;
    let here = Here::of(vault, operation)?;
    if hours > 240 {
        let detail = "maximum disable node duration: 0 to 240 hours";
        return Err(Error::new(operation, Cause::OptionUnusable).with_detail(detail));
    }
    let name = "maximum disable node duration, hours";
    let changed = vault.core.store.change(|change| change.cluster_info(name, &hours.to_string()));
    let result = changed.map_err(store_failed(operation));
    here.replication.wake();
    vault.record(operation, &result);
    result
}
