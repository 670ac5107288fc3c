//! A client directory: its configuration file, its HSMs, and where they lie.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chrystoki_conf::Conf;
use emulator::hsm::store::{Durability, SqliteStore, Store};
use emulator::luna::ClientConfig;
use emulator::luna::config::PartitionEntry;
use emulator::profile::Profile;

/// A client directory, its configuration read.
pub(crate) struct Instance {
    pub(crate) directory: PathBuf,
    pub(crate) conf: Conf,
}

impl Instance {
    /// The directory `up` made.
    ///
    /// # Errors
    /// When there is none, or its configuration is wrong (file, line and key).
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let file = directory.join(chrystoki_conf::FILE_NAME);
        if !file.exists() {
            bail!(
                "{} is not there; `luna-emulator up {}` makes it",
                file.display(),
                directory.display()
            );
        }
        let instance = Self { directory: directory.to_owned(), conf: Conf::read(&file)? };
        if instance.conf.section("Emulator").is_none() {
            bail!("{} has no Emulator section: it belongs to a real client", file.display());
        }
        instance.config()?;
        Ok(instance)
    }

    /// A directory that has no configuration yet.
    pub(crate) fn fresh(directory: &Path) -> Self {
        let file = directory.join(chrystoki_conf::FILE_NAME);
        Self { directory: directory.to_owned(), conf: Conf::empty(file) }
    }

    /// What the module reads of it.
    ///
    /// # Errors
    /// A value that makes no sense.
    pub(crate) fn config(&self) -> Result<ClientConfig> {
        Ok(ClientConfig::of(&self.conf)?)
    }

    /// Where HSMs keep their state.
    pub(crate) fn state(&self) -> Result<PathBuf> {
        self.config()?
            .emulator
            .state_directory
            .context("the Emulator section names no StateDirectory")
    }

    /// The store of the HSM that has a partition.
    ///
    /// # Errors
    /// The store's, which name the file.
    pub(crate) fn store(&self, partition: &PartitionEntry) -> Result<SqliteStore> {
        Ok(SqliteStore::open(&self.state()?.join(&partition.hsm), Durability::Process)?)
    }

    /// Label of a partition, and the number of its objects.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn look_at(&self, partition: &PartitionEntry) -> Result<(String, u64)> {
        let store = self.store(partition)?;
        let record = store.partition(&partition.serial)?.with_context(|| {
            format!("HSM {} has no partition {}", partition.hsm, partition.serial)
        })?;
        Ok((record.label, store.count(&partition.serial)?.objects))
    }

    /// The name of the profile that a partition's HSM was made with.
    ///
    /// # Errors
    /// The store's; a profile that this release cannot read.
    pub(crate) fn profile_of(&self, partition: &PartitionEntry) -> Result<String> {
        let recorded = self.store(partition)?.hsm()?.profile;
        Ok(Profile::of_record(&recorded)?.name)
    }

    /// Writes the configuration, whole or not at all.
    ///
    /// # Errors
    /// Those of the file system, naming the file.
    pub(crate) fn save(&self) -> Result<()> {
        emulator::env::disk::write_atomically(
            self.conf.file(),
            self.conf.to_text().as_bytes(),
            0o644,
        )?;
        Ok(())
    }
}
