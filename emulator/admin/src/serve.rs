//! `serve`: one HSM as an appliance on the network.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use emulator::hsm::store::{DATABASE_FILE, Durability};
use emulator::hsm::{Appliance, Blueprint};
use emulator::network::protocol::PORT;
use emulator::profile::{self, Profile};
use luna_appliance::limits::Limits;
use luna_appliance::{Options, Server};
use serde_json::json;

use crate::Refused;
use crate::up::{Switch, number, seconds_now};

/// Options of `serve`.
#[derive(Args)]
pub(crate) struct Serve {
    /// The directory of the HSM; one without partitions is made where there is none.
    directory: PathBuf,
    /// Where clients reach it; port 0 takes one that is free.
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = format!("0.0.0.0:{PORT}"))]
    listen: String,
    /// A host that its certificate names when it is made; repeatable. Clients look at it with
    /// ValidateHost = 1.
    #[arg(long, value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    host: Vec<String>,
    /// Firmware version of an HSM that is made.
    #[arg(long, default_value = profile::DEFAULT)]
    profile: String,
    /// FIPS mode of an HSM that is made; without it, as the profile has it.
    #[arg(long, value_name = "on|off")]
    fips: Option<Switch>,
    /// Writes reach the disk itself before a call is answered.
    #[arg(long)]
    durable: bool,
    /// Stop when standard input ends, so that it does not outlive a script that started it.
    #[arg(long)]
    until_eof: bool,
    /// Connections in all.
    #[arg(long, default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Connections of one client.
    #[arg(long, default_value_t = Limits::default().connections_of_client)]
    max_connections_of_client: usize,
}

impl Serve {
    /// # Errors
    /// When the HSM is damaged or served already, or the address is taken.
    pub(crate) fn run(&self, as_json: bool) -> Result<()> {
        let listen = self.address()?;
        if !self.directory.join(DATABASE_FILE).exists() {
            self.manufacture()?;
        }
        let (stop, stopped) = std::sync::mpsc::channel();
        let on_signal = stop.clone();
        ctrlc::set_handler(move || {
            // A second signal finds nobody who listens, and changes nothing.
            let _ = on_signal.send(());
        })?;
        if self.until_eof {
            std::thread::spawn(move || {
                // An error is as good as an end.
                let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                let _ = stop.send(());
            });
        }
        let server = Server::start(&Options {
            directory: &self.directory,
            listen,
            hosts: &self.host,
            durability: if self.durable { Durability::Power } else { Durability::Process },
            limits: Limits {
                connections: self.max_connections,
                connections_of_client: self.max_connections_of_client,
                ..Limits::default()
            },
        })?;
        // In one write: who started it reads one line.
        let address = server.address();
        let line = if as_json {
            let (hsm, certificate) = (server.hsm(), server.certificate());
            json!({ "address": address, "hsm": hsm, "certificate": certificate }).to_string()
        } else {
            format!("HSM {} is served on {address}", server.hsm())
        };
        anstream::println!("{line}");
        std::io::stdout().flush()?;
        let _ = stopped.recv();
        server.stop();
        Ok(())
    }

    fn address(&self) -> Result<SocketAddr> {
        let wrong = || Refused(format!("`{}` is no ADDRESS:PORT", self.listen));
        let mut found = self.listen.to_socket_addrs().with_context(wrong)?;
        found.next().with_context(wrong)
    }

    fn manufacture(&self) -> Result<()> {
        let profile = Arc::new(Profile::built_in(&self.profile)?);
        let plan = Blueprint {
            serial: format!("{:06}", 100_000 + number(900_000)?),
            profile,
            authentication: None,
            hsm_so: None,
            policies: self
                .fips
                .map(|fips| (12, u64::from(fips == Switch::Off)))
                .into_iter()
                .collect(),
            created: seconds_now(),
            partitions: Vec::new(),
        };
        emulator::env::disk::create_private_directory(&self.directory)?;
        Ok(Appliance::manufacture(&self.directory, &plan)?)
    }
}
