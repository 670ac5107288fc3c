//! The server's part in a cluster: where it listens for other nodes, and what it does with a seed.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::ServeRequest;
use super::desk::Desk;
use crate::cluster::identity::Identity;
use crate::cluster::replication::Replication;
use crate::cluster::wire::Seeding;
use crate::cluster::{Standing, listener};
use crate::disk::Disk;
use crate::error::Error;
use crate::operation::{self, Operation};
use crate::texts::Cause;
use crate::vault::Vault;

/// A socket that other nodes know or will know.
pub(super) struct Nodes {
    listener: TcpListener,
    replication: Arc<Replication>,
}

fn failed(why: impl std::fmt::Display) -> Error {
    Error::new(Operation::Serve, Cause::ServerFailed).with_detail(why)
}

impl Nodes {
    /// Takes the port; `None` in a release that has no clusters.
    pub(super) fn bind(
        vault: &Vault,
        disk: &Disk,
        request: &ServeRequest,
    ) -> Result<Option<Self>, Error> {
        if !vault.view.release()?.cluster.value {
            return Ok(None);
        }
        let store = &vault.core.store;
        let kept = |error| Error::store(Operation::Serve, &error);
        let remembered = store.node_address().map_err(kept)?;
        let free = SocketAddr::new(request.listen.ip(), 0);
        let wanted = request.node_listen.or_else(|| remembered.as_deref()?.parse().ok());
        let bound = match wanted {
            Some(wanted) => TcpListener::bind(wanted).map_err(|error| (wanted, error)),
            None => TcpListener::bind(free).map_err(|error| (free, error)),
        };
        let listener = match bound {
            Ok(listener) => listener,
            // Nobody knows the address yet: another one does as well.
            Err(_)
                if request.node_listen.is_none()
                    && store.standing().map_err(kept)? == Standing::Standalone =>
            {
                TcpListener::bind(free).map_err(failed)?
            }
            Err((wanted, error)) => {
                return Err(failed(format_args!(
                    "other nodes reach this one at {wanted}: {error}"
                )));
            }
        };
        let local = listener.local_addr().map_err(failed)?;
        store.change(|change| change.node_address(&local.to_string())).map_err(kept)?;
        let identity = Identity::of(disk).map_err(failed)?;
        let address = told(request, local);
        let replication = Replication::new(vault.view(), identity, address);
        Ok(Some(Self { listener, replication }))
    }

    /// Begins to answer and to carry.
    pub(super) fn start(self, desk: &Arc<Desk>) -> Result<(), String> {
        self.replication.start().map_err(|error| error.to_string())?;
        let (desk, replication) = (Arc::downgrade(desk), Arc::clone(&self.replication));
        let plant = move |seeding: &Seeding| {
            let desk = desk.upgrade().ok_or("the server ends")?;
            let planted = operation::plant(&mut desk.vault.lock(), &replication, seeding);
            planted.map_err(|error| desk.describe(&error))?;
            // Accounts are the cluster's from now on.
            desk.sessions.lock().end_all();
            Ok(())
        };
        listener::start(&self.replication, self.listener, Arc::new(plant))
    }
}

/// The address other nodes are told.
fn told(request: &ServeRequest, local: SocketAddr) -> String {
    match request.host_names.first() {
        _ if !local.ip().is_unspecified() => local.to_string(),
        Some(name) => format!("{name}:{}", local.port()),
        None => format!("localhost:{}", local.port()),
    }
}
