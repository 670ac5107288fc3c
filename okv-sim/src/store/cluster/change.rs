//! What a transaction may change about the cluster.

use rusqlite::params;

use super::super::{Change, Result, now};
use super::{standing, write_key};
use crate::cluster::{Epoch, Node, NodeId, Settings, Standing};

impl Change<'_> {
    /// What this server is to a cluster, from this commit on.
    pub(crate) fn standing(&self, standing: &Standing) -> Result<()> {
        match standing {
            Standing::Standalone => self.set("cluster", None),
            other => self.set_json("cluster", Some(other)),
        }
    }

    /// Where other nodes reach this one.
    pub(crate) fn node_address(&self, address: &str) -> Result<()> {
        self.set("node_address", Some(address))
    }

    pub(crate) fn cluster_info(&self, name: &str, value: &str) -> Result<()> {
        self.0.execute(
            "INSERT INTO cluster_info VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, value],
        )?;
        Ok(())
    }

    /// Adds or changes a node, without what it says of itself.
    pub(crate) fn node(&self, node: &Node) -> Result<()> {
        self.0.execute(
            "INSERT INTO cluster_node VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET address = excluded.address, status = excluded.status,
                peer = excluded.peer, disabled_at = excluded.disabled_at",
            params![
                node.id,
                node.name,
                node.address,
                node.certificate,
                node.subgroup,
                node.status.name(),
                node.peer,
                node.joined_at,
                node.disabled_at
            ],
        )?;
        Ok(())
    }

    /// A node that never came to be.
    pub(crate) fn forget_node(&self, id: NodeId) -> Result<()> {
        self.0.execute("DELETE FROM cluster_node WHERE id = ?1", [id])?;
        Ok(())
    }

    /// What a node says of itself.
    pub(crate) fn node_settings(&self, id: NodeId, settings: &Settings) -> Result<()> {
        self.0.execute(
            "INSERT INTO cluster_setting VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (node) DO UPDATE SET hsm = excluded.hsm, epoch = excluded.epoch,
                version = excluded.version",
            params![id, settings.hsm, settings.epoch.0, settings.version],
        )?;
        Ok(())
    }

    /// The cluster's certificate authority takes the place of this server's own.
    pub(crate) fn keep_authority(&self, kept: Option<&str>) -> Result<()> {
        self.set("endpoint_authority", kept)
    }

    /// The newest replication key a node has.
    pub(crate) fn node_epoch(&self, id: NodeId, epoch: Epoch) -> Result<()> {
        self.0.execute(
            "UPDATE cluster_setting SET epoch = ?2 WHERE node = ?1",
            params![id, epoch.0],
        )?;
        Ok(())
    }

    /// What lies under the tablespace key that is left: destinations with their passwords, the SSH key, the schedule.
    pub(crate) fn forget_backups(&self) -> Result<()> {
        self.0.execute_batch(
            "DELETE FROM backup_run; DELETE FROM backup_job; DELETE FROM backup_destination;
             DELETE FROM ssh_key;",
        )?;
        Ok(())
    }

    /// The HSM of this server was enabled or left: a node of a cluster tells the others.
    pub(crate) fn own_hsm(&self, hsm: bool) -> Result<()> {
        if let Standing::Member(me) = standing(&self.0)? {
            self.0.execute(
                "UPDATE cluster_setting SET hsm = ?2 WHERE node = ?1",
                params![me.node_id, hsm],
            )?;
        }
        Ok(())
    }

    /// This server went to another release: a node of a cluster tells the others.
    pub(crate) fn own_version(&self, version: &str) -> Result<()> {
        if let Standing::Member(me) = standing(&self.0)? {
            self.0.execute(
                "UPDATE cluster_setting SET version = ?2 WHERE node = ?1",
                params![me.node_id, version],
            )?;
        }
        Ok(())
    }

    /// A replication key was made here; all nodes are to know.
    pub(crate) fn epoch(&self, epoch: Epoch, origin: NodeId) -> Result<()> {
        self.0.execute(
            "INSERT INTO cluster_epoch VALUES (?1, ?2, ?3)",
            params![epoch.0, origin, now()],
        )?;
        Ok(())
    }

    /// Keeps a replication key, sealed.
    pub(crate) fn replication_key(&self, epoch: Epoch, sealed: &[u8]) -> Result<()> {
        write_key(&self.0, epoch, sealed)
    }
}
