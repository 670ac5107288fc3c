//! `snapshot` and `restore`: a client directory's HSMs as they are, kept and brought back.
//!
//! A snapshot is a directory: `Chrystoki.conf` as it was, and `state/HSM/hsm.sqlite` for each HSM, each whole.
//! Applications may go on meanwhile; each HSM is kept as of one moment, and HSMs of a group one after the other.
//! What one machine's paths are is put right when it is restored.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chrystoki_conf::{Conf, FILE_NAME};
use clap::Args;
use emulator::env::disk::create_private_directory;
use emulator::hsm::store::{DATABASE_FILE, Durability, SqliteStore};
use serde_json::json;

use crate::Refused;
use crate::instance::Instance;

/// Options of `snapshot`.
#[derive(Args)]
pub(crate) struct Snapshot {
    /// The directory to make; it may not be there yet.
    target: PathBuf,
    /// The client directory.
    #[arg(long, env = "ChrystokiConfigurationPath")]
    directory: PathBuf,
}

/// Options of `restore`.
#[derive(Args)]
pub(crate) struct Restore {
    /// What `snapshot` made.
    snapshot: PathBuf,
    /// The client directory to make; there may be none yet. Never taken from the environment.
    directory: PathBuf,
}

/// The HSMs of a configuration, each once.
fn hsms(instance: &Instance) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in instance.config()?.partitions {
        if !names.contains(&entry.hsm) {
            names.push(entry.hsm);
        }
    }
    Ok(names)
}

fn must_be_new(path: &Path) -> Result<()> {
    if path.exists() {
        bail!(Refused(format!("{} is there already; it was left as it is", path.display())));
    }
    Ok(())
}

impl Snapshot {
    /// # Errors
    /// When the target is there, or an HSM cannot be read; nothing is left of it then.
    pub(crate) fn run(&self, as_json: bool) -> Result<()> {
        must_be_new(&self.target)?;
        let instance = Instance::open(&self.directory)?;
        let names = hsms(&instance)?;
        let kept = self.keep(&instance, &names);
        if kept.is_err() {
            // It was not there before.
            let _ = std::fs::remove_dir_all(&self.target);
        }
        kept?;
        if as_json {
            anstream::println!("{:#}", json!({ "snapshot": self.target, "hsms": names }));
        }
        Ok(())
    }

    fn keep(&self, instance: &Instance, names: &[String]) -> Result<()> {
        let state = self.target.join("state");
        create_private_directory(&state)?;
        for name in names {
            let directory = state.join(name);
            create_private_directory(&directory)?;
            let store = SqliteStore::open(&instance.state()?.join(name), Durability::Power)?;
            store.snapshot(&directory.join(DATABASE_FILE))?;
        }
        let text = instance.conf.to_text();
        emulator::env::disk::write_atomically(
            &self.target.join(FILE_NAME),
            text.as_bytes(),
            0o644,
        )?;
        Ok(())
    }
}

impl Restore {
    /// # Errors
    /// When the client directory is there, or the snapshot is damaged; nothing is left of it then.
    pub(crate) fn run(&self, as_json: bool) -> Result<()> {
        must_be_new(&self.directory)?;
        let kept = Instance::open(&self.snapshot)
            .with_context(|| format!("{} is no snapshot", self.snapshot.display()))?;
        let names = hsms(&kept)?;
        std::fs::create_dir_all(&self.directory)
            .with_context(|| self.directory.display().to_string())?;
        let directory = self.directory.canonicalize()?;
        let restored = bring_back(&self.snapshot, &kept, &names, &directory);
        if restored.is_err() {
            // It was not there before.
            let _ = std::fs::remove_dir_all(&directory);
        }
        restored?;
        crate::up::Up::again(&directory).run(as_json)
    }
}

fn bring_back(snapshot: &Path, kept: &Instance, names: &[String], directory: &Path) -> Result<()> {
    let state = directory.join("state");
    create_private_directory(&state)?;
    for name in names {
        let (from, to) = (snapshot.join("state").join(name), state.join(name));
        create_private_directory(&to)?;
        let (from, to_file) = (from.join(DATABASE_FILE), to.join(DATABASE_FILE));
        std::fs::copy(&from, &to_file).with_context(|| from.display().to_string())?;
        // Opened once, so that a damaged one is told now, by name.
        SqliteStore::open(&to, Durability::Power)?.verify()?;
    }
    let mut conf = Conf::parse(&kept.conf.to_text(), directory.join(FILE_NAME))?;
    // Where things lie is this directory's; `up` fills in what is missing.
    for (section, key) in [("Chrystoki2", "LibUNIX64"), ("Misc", "ToolsDir")] {
        conf.remove(section, key);
    }
    conf.set("Emulator", "StateDirectory", &state.display().to_string())?;
    Instance { directory: directory.to_owned(), conf }.save()
}
