//! `client-cert`: what `vtl createCert` makes.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use luna_appliance::certificate::ClientFiles;
use serde_json::json;

use crate::Refused;
use crate::network::{self, CERTIFICATE_DAYS};

/// Options of `client-cert`.
#[derive(Args)]
pub(crate) struct ClientCert {
    /// The client directory; the files appear in its cert/client.
    directory: PathBuf,
    /// What the client is called.
    #[arg(default_value = network::CLIENT)]
    name: String,
    /// How long it is valid.
    #[arg(long, default_value_t = CERTIFICATE_DAYS, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

impl ClientCert {
    /// # Errors
    /// When the client has a certificate of that name already.
    pub(crate) fn run(&self, as_json: bool) -> Result<()> {
        if self.name.is_empty() || self.name.contains('/') {
            return Err(Refused(format!("`{}` cannot name a file", self.name)).into());
        }
        let files = ClientFiles::of(&self.directory, &self.name);
        if files.certificate.exists() || files.key.exists() {
            let file = files.certificate.display();
            return Err(Refused(format!("{file} is there already, and stays as it is")).into());
        }
        network::make(&self.name, &[], self.days)?.save(&files.certificate, &files.key)?;
        if as_json {
            let made = json!({ "certificate": files.certificate, "key": files.key });
            anstream::println!("{made:#}");
        } else {
            anstream::println!("{}", files.certificate.display());
        }
        Ok(())
    }
}
