//! `down`: takes away what `up` made, and nothing else.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use crate::instance::Instance;

/// Options of `down`.
#[derive(Args)]
pub(crate) struct Down {
    /// The client directory. Never taken from the environment: keys are destroyed.
    directory: PathBuf,
}

impl Down {
    /// # Errors
    /// When the directory was not made by `up`, or cannot be removed.
    pub(crate) fn run(&self, as_json: bool) -> Result<()> {
        let instance = Instance::open(&self.directory)?;
        let state = instance.state()?;
        let mut removed = Vec::new();
        // The configuration goes last, so that an interrupted `down` can be repeated.
        for path in [
            state,
            self.directory.join("lib"),
            self.directory.join("bin"),
            self.directory.join("cert"),
            self.directory.join("data"),
            self.directory.join("plugins"),
            self.directory.join(chrystoki_conf::FILE_NAME),
        ] {
            if path.is_dir() {
                std::fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
            } else if path.exists() {
                std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
            } else {
                continue;
            }
            removed.push(path);
        }
        // Only when nothing else lies in it.
        let _ = std::fs::remove_dir(&self.directory);
        if as_json {
            anstream::println!("{:#}", json!({ "removed": removed }));
        }
        Ok(())
    }
}
