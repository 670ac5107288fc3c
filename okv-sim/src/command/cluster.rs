//! The verbs of clusters. Certificates come and go as files, since people carry them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use okv_sim::{Operation, Secret};

use super::call::Asked;
use super::{Passphrase, Pin, text};

/// What is done.
#[derive(Subcommand)]
pub(super) enum Cluster {
    /// Make this server the first node of a cluster.
    First {
        #[command(flatten)]
        node: Name,
        /// Name of the cluster; cannot be changed later.
        #[arg(long, value_name = "NAME")]
        cluster_name: String,
    },
    /// Make this server a candidate. If passphrase, address or certificate are wrong, it must be reinstalled.
    Convert {
        /// Address of the controller, with its port.
        #[arg(long, value_name = "ADDRESS:PORT")]
        controller: String,
        /// File with the controller's certificate.
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Add a candidate; this node is its controller.
    Add {
        #[command(flatten)]
        node: Name,
        /// Number of the node; unique, and cannot be changed later.
        #[arg(long, value_name = "ID")]
        node_id: u32,
        /// Address of the candidate, with its port.
        #[arg(long, value_name = "ADDRESS:PORT")]
        candidate: String,
        /// File with the candidate's certificate.
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// Make it this node's read-write peer.
        #[arg(long)]
        peer: bool,
        #[command(flatten)]
        passphrase: Passphrase,
        /// This node's HSM credential, wanted while its HSM is enabled.
        #[command(flatten)]
        pin: Pin,
    },
    /// Print the certificate of this server, for another node.
    Certificate,
    /// Print the address at which other nodes reach this server.
    Address,
    /// Show the cluster and its nodes.
    Info,
    /// Show how the nodes reach each other.
    Status,
    /// Show which nodes have their HSM enabled and the bundle applied.
    Settings,
    /// Ship nothing to a node until it is enabled.
    Disable(Node),
    /// Let a disabled node catch up and take part again.
    Enable(Node),
    /// Remove a node that answers.
    Delete(Node),
    /// Remove a node that does not answer.
    ForceDelete(Node),
    /// Give a pairing up that was not finished.
    AbortPairing(Node),
}

/// A node's own names.
#[derive(Args)]
pub(super) struct Name {
    /// Name of the node; unique, and cannot be changed later.
    #[arg(long, value_name = "NAME")]
    node_name: String,
    /// Such as a data centre's name; cannot be changed later.
    #[arg(long, value_name = "NAME")]
    subgroup: String,
}

/// A node of the cluster.
#[derive(Args)]
pub(super) struct Node {
    /// Its name or ID.
    node: String,
}

fn file(path: &Path) -> Result<Secret> {
    let read = std::fs::read_to_string(path);
    Ok(Secret::from(read.with_context(|| format!("{} cannot be read", path.display()))?))
}

impl Name {
    fn options(&self) -> Vec<(&'static str, Secret)> {
        vec![("nodeName", text(&self.node_name)), ("clusterSubgroup", text(&self.subgroup))]
    }
}

impl Cluster {
    /// The service it is.
    pub(super) fn asked(&self) -> Result<Asked> {
        let plain = |resource, action| Asked::new(["cluster", resource, action], Vec::new());
        let node = |action, node: &Node| {
            Asked::new(["cluster", "node", action], vec![("node", text(&node.node))])
        };
        Ok(match self {
            Self::First { node, cluster_name } => {
                let mut options = node.options();
                options.push(("clusterName", text(cluster_name)));
                Asked::new(["cluster", "node", "create"], options)
            }
            Self::Convert { controller, certificate, passphrase } => {
                let options = vec![
                    ("controllerIpAddress", text(controller)),
                    ("controllerCertificate", file(certificate)?),
                    ("recoveryPassphrase", passphrase.ask()?),
                ];
                Asked::new(["cluster", "candidate", "convert"], options)
            }
            Self::Add { node, node_id, candidate, certificate, peer, passphrase, pin } => {
                let mut options = node.options();
                options.extend([
                    ("nodeId", text(node_id.to_string())),
                    ("candidateNodeIpAddress", text(candidate)),
                    ("candidateCertificate", file(certificate)?),
                    ("readWritePeer", text(peer.to_string())),
                    ("recoveryPassphrase", passphrase.ask()?),
                ]);
                if pin.pin_env.is_some() {
                    options.push(("hsmCredential", pin.ask(Operation::AddNode)?));
                }
                Asked::new(["cluster", "node", "add"], options)
            }
            Self::Certificate => plain("certificate", "get"),
            Self::Address => plain("address", "get"),
            Self::Info => plain("info", "get"),
            Self::Status => plain("status", "get"),
            Self::Settings => plain("settings", "get"),
            Self::Disable(it) => node("disable", it),
            Self::Enable(it) => node("enable", it),
            Self::Delete(it) => node("delete", it),
            Self::ForceDelete(it) => node("force-delete", it),
            Self::AbortPairing(it) => node("abort-pairing", it),
        })
    }
}
