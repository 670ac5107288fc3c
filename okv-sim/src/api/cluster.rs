//! `cluster …` and `hsm bundle …`. Names are the real command line's where it has them (`cluster info get`, `cluster
//! node create` and its family, `cluster service monitor`: Documented); fields of nodes are Observed in public scripts.

use serde_json::json;

use super::{Answer, Call, Kind, OptionSpec, Service};
use crate::cluster::NodeAction;
use crate::error::Error;
use crate::operation::{
    self, AddNodeRequest, ClusterView, ConvertRequest, FirstNodeRequest, NodeView, Operation, Role,
};
use crate::texts::Cause;

type Run = fn(&Call<'_>) -> Result<Answer, Error>;

const fn service(
    words: (&'static str, &'static str, &'static str),
    about: &'static str,
    options: &'static [OptionSpec],
    run: Run,
) -> Service {
    let (category, resource, action) = words;
    Service {
        category,
        resource,
        action,
        about,
        role: Some(Role::SystemAdministrator),
        extension: false,
        wallet: false,
        slow: false,
        options,
        run,
    }
}

const fn slow(mut service: Service) -> Service {
    service.slow = true;
    service
}

const fn own(mut service: Service) -> Service {
    service.extension = true;
    service
}

const NODE_NAME: OptionSpec =
    OptionSpec::required("nodeName", Kind::Text(64), "unique; cannot be changed later");
const SUBGROUP: OptionSpec =
    OptionSpec::required("clusterSubgroup", Kind::Text(64), "such as a data centre's name");
const PASSPHRASE: OptionSpec =
    OptionSpec::required("recoveryPassphrase", Kind::Secret, "of the cluster");
const NODE: OptionSpec = OptionSpec::required("node", Kind::Text(64), "name or ID of the node");

pub(super) const SERVICES: &[Service] = &[
    service(("cluster", "info", "get"), "the cluster and its nodes", &[], info),
    service(("cluster", "status", "get"), "how the nodes reach each other", &[], status),
    service(("cluster", "service", "monitor"), "this node's mode and service", &[], monitor),
    own(service(
        ("cluster", "certificate", "get"),
        "the certificate of this server, to be pasted in at another node",
        &[],
        certificate,
    )),
    own(service(
        ("cluster", "address", "get"),
        "where other nodes reach this server",
        &[],
        address,
    )),
    own(service(("cluster", "settings", "get"), "Cluster Settings State", &[], settings)),
    own(service(
        ("cluster", "settings", "set"),
        "how long a node may be disabled",
        &[OptionSpec::required("maximumDisableNodeDuration", Kind::Number, "hours")],
        set_settings,
    )),
    slow(service(
        ("cluster", "node", "create"),
        "make this server the first node of a cluster",
        &[
            NODE_NAME,
            OptionSpec::required("clusterName", Kind::Text(64), "cannot be changed later"),
            SUBGROUP,
        ],
        create,
    )),
    slow(own(service(
        ("cluster", "candidate", "convert"),
        "make this server a candidate; if it fails, it must be reinstalled",
        &[
            PASSPHRASE,
            OptionSpec::required("controllerIpAddress", Kind::Text(255), "with port"),
            OptionSpec::required("controllerCertificate", Kind::Pem, "of the controller"),
        ],
        convert,
    ))),
    slow(own(service(
        ("cluster", "node", "add"),
        "add a candidate to the cluster, from this node",
        &[
            PASSPHRASE,
            OptionSpec::optional("readWritePeer", Kind::Flag, "make it this node's peer"),
            OptionSpec::required("nodeId", Kind::Number, "unique; cannot be changed later"),
            NODE_NAME,
            SUBGROUP,
            OptionSpec::required("candidateNodeIpAddress", Kind::Text(255), "with port"),
            OptionSpec::required("candidateCertificate", Kind::Pem, "of the candidate"),
            OptionSpec::optional(
                "hsmCredential",
                Kind::Secret,
                "of this node, while its HSM is enabled",
            ),
        ],
        add,
    ))),
    service(("cluster", "node", "status"), "where a node stands", &[NODE], node_status),
    service(("cluster", "node", "abort-pairing"), "give a pairing up", &[NODE], abort),
    slow(service(
        ("cluster", "node", "disable"),
        "ship nothing to a node for a while",
        &[NODE],
        |call| change(call, NodeAction::Disable),
    )),
    slow(service(("cluster", "node", "enable"), "let it catch up", &[NODE], |call| {
        change(call, NodeAction::Enable)
    })),
    slow(service(("cluster", "node", "delete"), "remove a node that answers", &[NODE], |call| {
        change(call, NodeAction::Delete)
    })),
    slow(service(
        ("cluster", "node", "force-delete"),
        "remove a node that does not answer",
        &[NODE],
        |call| change(call, NodeAction::ForceDelete),
    )),
    slow(own(service(
        ("hsm", "bundle", "create"),
        "make the bundle that every other node must apply",
        &[
            OptionSpec::required("hsmCredential", Kind::Secret, "of this node"),
            OptionSpec::required("recoveryPassphrase", Kind::Secret, "of the cluster"),
        ],
        create_bundle,
    ))),
    slow(own(service(
        ("hsm", "bundle", "apply"),
        "apply the bundle that was brought to hsm/hsmbundle",
        &[PASSPHRASE],
        apply_bundle,
    ))),
];

/// The cluster, which this server must be part of.
fn cluster(call: &Call<'_>) -> Result<ClusterView, Error> {
    let release = call.view.release()?;
    if !release.cluster.value {
        let detail = format!("release {}", release.name);
        return Err(Error::new(Operation::Status, Cause::NotInThisRelease).with_detail(detail));
    }
    call.view.cluster()
}

fn line(node: &NodeView) -> String {
    let here = if node.current { "*" } else { " " };
    format!(
        "{here}{:>2}  {:<20} {:<21} {:<10} {:<20} peer {:<20} {}",
        node.node_id,
        node.node_name,
        node.ip_address,
        node.status,
        node.mode,
        node.read_write_peer.as_deref().unwrap_or("-"),
        node.cluster_subgroup,
    )
}

fn info(call: &Call<'_>) -> Result<Answer, Error> {
    let cluster = cluster(call)?;
    let mut lines = vec![format!("{:<10}{}", "Standing", cluster.standing)];
    if let Some(name) = &cluster.cluster_name {
        lines.push(format!("{:<10}{name}", "Cluster"));
    }
    if let Some(address) = &cluster.address {
        lines.push(format!("{:<10}{address}", "Address"));
    }
    if let Some(why) = &cluster.problem {
        lines.push(format!("{:<10}{why}", "Problem"));
    }
    lines.extend(cluster.nodes.iter().map(line));
    Answer::new(&cluster, lines.join("\n"))
}

fn status(call: &Call<'_>) -> Result<Answer, Error> {
    let cluster = cluster(call)?;
    let links: Vec<_> = cluster
        .nodes
        .iter()
        .filter(|node| !node.current)
        .map(|node| {
            json!({
                "nodeID": node.node_id, "nodeName": node.node_name, "reachable": node.reachable,
                "mode": node.mode, "behind": node.behind, "problem": node.problem,
            })
        })
        .collect();
    let lines = cluster.nodes.iter().filter(|node| !node.current).map(|node| {
        let how = match (node.reachable, node.problem.as_str()) {
            (true, _) => format!("reached, {} behind", node.behind),
            (false, "") => "not reached".to_owned(),
            (false, why) => format!("not reached: {why}"),
        };
        format!("{:>2}  {:<20} {how}", node.node_id, node.node_name)
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let value = json!({
        "standing": cluster.standing, "entriesWaiting": cluster.entries_waiting, "links": links,
    });
    Answer::new(&value, text)
}

fn monitor(call: &Call<'_>) -> Result<Answer, Error> {
    let cluster = cluster(call)?;
    let Some(own) = cluster.current() else {
        let error = Error::new(Operation::Status, Cause::NotInCluster);
        return Err(error.with_detail(cluster.standing));
    };
    let up = if own.reachable { "UP" } else { "DOWN" };
    let value = json!({
        "clusterServiceStatus": up, "mode": own.mode,
        "nodeID": own.node_id, "nodeName": own.node_name,
    });
    Answer::new(&value, format!("{}: {}, {up}", own.node_name, own.mode))
}

fn certificate(call: &Call<'_>) -> Result<Answer, Error> {
    let cluster = cluster(call)?;
    let Some(certificate) = &cluster.certificate else {
        return Err(Error::new(Operation::Status, Cause::NodeNotServing));
    };
    let value = json!({ "certificate": certificate, "ipAddress": cluster.address });
    Answer::new(&value, certificate.trim_end())
}

fn address(call: &Call<'_>) -> Result<Answer, Error> {
    let cluster = cluster(call)?;
    let Some(address) = &cluster.address else {
        return Err(Error::new(Operation::Status, Cause::NodeNotServing));
    };
    Answer::new(&json!({ "ipAddress": address }), address)
}

fn settings(call: &Call<'_>) -> Result<Answer, Error> {
    let cluster = cluster(call)?;
    let rows: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| {
            json!({
                "nodeID": node.node_id, "nodeName": node.node_name, "hsm": node.hsm_enabled,
                "bundleApplied": node.bundle_applied,
            })
        })
        .collect();
    let lines = cluster.nodes.iter().map(|node| {
        let mark = |yes| if yes { "\u{2713}" } else { "\u{2717}" };
        let (hsm, bundle) = (mark(node.hsm_enabled), mark(node.bundle_applied));
        format!("{:>2}  {:<20} HSM {hsm}  bundle {bundle}", node.node_id, node.node_name)
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(&rows, text)
}

fn set_settings(call: &Call<'_>) -> Result<Answer, Error> {
    let hours = call.options.number("maximumDisableNodeDuration").unwrap_or_default();
    operation::set_disable_hours(&mut call.vault.lock(), hours)?;
    let text = format!("A node may be disabled for {hours} hours");
    Answer::new(&json!({ "maximumDisableNodeDuration": hours }), text)
}

fn create(call: &Call<'_>) -> Result<Answer, Error> {
    let word = |name: &str| call.options.word(name).trim().to_owned();
    let request = FirstNodeRequest {
        node_name: word("nodeName"),
        cluster_name: word("clusterName"),
        subgroup: word("clusterSubgroup"),
    };
    let me = operation::first_node(&mut call.vault.lock(), &request)?;
    let text = format!("{} is the first node of {}", me.node_name, me.cluster_name);
    Answer::new(&me, text)
}

fn convert(call: &Call<'_>) -> Result<Answer, Error> {
    let request = ConvertRequest {
        passphrase: call.options.secret_or_empty("recoveryPassphrase"),
        controller_address: call.options.word("controllerIpAddress").trim().to_owned(),
        controller_certificate: call.options.word("controllerCertificate").to_owned(),
    };
    let done = operation::convert(&mut call.vault.lock(), &request)?;
    let text = format!(
        "This server is a candidate of {}. At the controller: its address {}, and its certificate",
        done.cluster_name, done.address
    );
    Answer::new(&done, text)
}

fn add(call: &Call<'_>) -> Result<Answer, Error> {
    let options = call.options;
    let word = |name: &str| options.word(name).trim().to_owned();
    let request = AddNodeRequest {
        passphrase: options.secret_or_empty("recoveryPassphrase"),
        read_write_peer: options.flag("readWritePeer"),
        node_id: options.number("nodeId").unwrap_or_default(),
        node_name: word("nodeName"),
        subgroup: word("clusterSubgroup"),
        address: word("candidateNodeIpAddress"),
        certificate: options.word("candidateCertificate").to_owned(),
        credential: options.secret("hsmCredential"),
    };
    let done = operation::add_node(&mut call.vault.lock(), &request)?;
    let peer = match &done.read_write_peer {
        Some(peer) => format!(", read-write peer of {peer}"),
        None => String::new(),
    };
    Answer::new(&done, format!("{} is node {}{peer}", done.node_name, done.node_id))
}

fn node_status(call: &Call<'_>) -> Result<Answer, Error> {
    let cluster = cluster(call)?;
    let wanted = call.options.word("node");
    let is = |node: &&NodeView| node.node_name == wanted || node.node_id.to_string() == wanted;
    let Some(node) = cluster.nodes.iter().find(is) else {
        return Err(Error::new(Operation::Status, Cause::NodeUnknown).with_detail(wanted));
    };
    Answer::new(node, line(node))
}

fn abort(call: &Call<'_>) -> Result<Answer, Error> {
    let node = operation::abort_pairing(&mut call.vault.lock(), call.options.word("node"))?;
    Answer::new(&json!({ "nodeID": node }), format!("The pairing with node {node} is given up"))
}

fn change(call: &Call<'_>, action: NodeAction) -> Result<Answer, Error> {
    let node = call.options.word("node");
    let (id, status) = operation::change_node(&mut call.vault.lock(), node, action)?;
    Answer::new(&json!({ "nodeID": id, "status": status }), format!("Node {id} is {status}"))
}

fn create_bundle(call: &Call<'_>) -> Result<Answer, Error> {
    let credential = call.options.secret_or_empty("hsmCredential");
    let passphrase = call.options.secret_or_empty("recoveryPassphrase");
    let done = operation::create_bundle(&mut call.vault.lock(), &credential, &passphrase)?;
    let text = format!(
        "The bundle is {}. Bring it to every other node, set its owner there, and apply it at once",
        done.file.display()
    );
    Answer::new(&done, text)
}

fn apply_bundle(call: &Call<'_>) -> Result<Answer, Error> {
    let passphrase = call.options.secret_or_empty("recoveryPassphrase");
    let done = operation::apply_bundle(&mut call.vault.lock(), &passphrase)?;
    let text = format!(
        "The bundle of node {} is applied; {} changes had waited for it",
        done.source, done.caught_up
    );
    Answer::new(&done, text)
}
