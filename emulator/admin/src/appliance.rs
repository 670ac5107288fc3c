//! `appliance`: orders to an appliance, whether it runs or not.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use comfy_table::Table;
use emulator::wire::Pin;
use luna_appliance::certificate::{self, ClientFiles};
use luna_appliance::desk::{self, ClientRow, NewPartition, NewRoles, Order, Outcome, PartitionRow};
use serde_json::{Value, json};

use crate::Refused;
use crate::instance::Instance;
use crate::network;
use crate::up::{self, Up};

/// Options of `appliance`.
#[derive(Args)]
pub(crate) struct Administer {
    /// The directory of the HSM.
    directory: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the HSM and its partitions.
    Show,
    /// Partitions.
    #[command(subcommand)]
    Partition(Partition),
    /// Clients.
    #[command(subcommand)]
    Client(Client),
    /// Show what happened: who came, who was refused and why, what was ordered.
    Log {
        /// So many lines at most.
        #[arg(long, default_value_t = 100)]
        lines: usize,
    },
    /// Make what a client of a Luna Cloud HSM service downloads: `setup-NAME.zip`, with credentials of its own. The
    /// appliance is one of profile `luna-cloud`.
    Bundle(crate::bundle::Bundle),
    /// Make a client directory complete for this appliance in one step: certificates, registration,
    /// assignment, configuration.
    Deploy(Deploy),
}

#[derive(Subcommand)]
enum Partition {
    /// Make a partition.
    Create(Box<Create>),
    /// Delete a partition, with every key in it.
    Delete {
        /// Its serial number.
        serial: u64,
    },
    /// Give a partition another size.
    Resize {
        /// Its serial number.
        serial: u64,
        /// Bytes for objects.
        bytes: u64,
    },
    /// List partitions.
    List,
}

#[derive(Args)]
struct Create {
    /// Its label; without one it is left for `partition init`.
    #[arg(long)]
    label: Option<String>,
    /// Bytes for objects.
    #[arg(long)]
    bytes: Option<u64>,
    /// A partition policy to set before the roles are made; repeatable.
    #[arg(long, value_name = "N=VALUE", value_parser = up::policy)]
    policy: Vec<(u32, u64)>,
    /// Password of the Crypto Officer.
    #[arg(
        long,
        env = "LUNA_CO_PASSWORD",
        default_value = "crypto-officer",
        hide_env_values = true
    )]
    password: String,
    /// Password of the Partition SO.
    #[arg(long, default_value = "partition-so")]
    po_password: String,
    /// Password of the Crypto User.
    #[arg(long, default_value = "crypto-user")]
    cu_password: String,
    /// Cloning domain.
    #[arg(long, default_value = "luna-emulator")]
    domain: String,
}

#[derive(Subcommand)]
enum Client {
    /// Register a client by its certificate.
    Register {
        /// As it is to be called here.
        name: String,
        /// The certificate (PEM).
        certificate: PathBuf,
    },
    /// Forget a client and end its connections.
    Revoke {
        /// Its name.
        name: String,
    },
    /// List clients.
    List,
    /// Show a client a partition; it sees it from its next start on.
    Assign {
        /// Its name.
        name: String,
        /// Serial number of the partition.
        serial: u64,
    },
    /// Hide a partition from a client and end its connections.
    Unassign {
        /// Its name.
        name: String,
        /// Serial number of the partition.
        serial: u64,
    },
}

#[derive(Args)]
struct Deploy {
    /// The client directory, made where there is none.
    client: PathBuf,
    /// What the client is called.
    #[arg(long, default_value = network::CLIENT)]
    name: String,
    /// Where clients reach the appliance; without it, where it listens now.
    #[arg(long, value_name = "HOST:PORT", value_parser = network::server)]
    server: Option<network::Server>,
    /// Serial number of a partition to assign; repeatable. All without any.
    #[arg(long, value_name = "SERIAL")]
    partition: Vec<u64>,
    /// The module to install; the one beside this program without it.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

impl Administer {
    /// # Errors
    /// What the appliance refused, or why it cannot be reached.
    pub(crate) fn run(&self, as_json: bool) -> Result<()> {
        if !self.directory.join(emulator::hsm::store::DATABASE_FILE).exists() {
            bail!("{} holds no HSM; `luna-emulator serve` makes one", self.directory.display());
        }
        let order = match &self.verb {
            Verb::Show | Verb::Partition(Partition::List) => Order::Show,
            Verb::Partition(Partition::Create(new)) => Order::CreatePartition(Box::new(new.plan())),
            Verb::Partition(Partition::Delete { serial }) => Order::DeletePartition(*serial),
            Verb::Partition(Partition::Resize { serial, bytes }) => {
                Order::ResizePartition(*serial, *bytes)
            }
            Verb::Client(Client::Register { name, certificate }) => {
                Order::RegisterClient(name.clone(), certificate::read_one(certificate)?.1)
            }
            Verb::Client(Client::Revoke { name }) => Order::RevokeClient(name.clone()),
            Verb::Client(Client::List) => Order::ListClients,
            Verb::Client(Client::Assign { name, serial }) => Order::Assign(name.clone(), *serial),
            Verb::Client(Client::Unassign { name, serial }) => {
                Order::Unassign(name.clone(), *serial)
            }
            Verb::Log { lines } => Order::Log(*lines),
            Verb::Deploy(deploy) => return self.deploy(deploy, as_json),
            Verb::Bundle(bundle) => {
                return bundle.run(&self.directory, |order| self.order(order), as_json);
            }
        };
        show(&self.order(&order)?, as_json);
        Ok(())
    }

    fn order(&self, order: &Order) -> Result<Outcome> {
        luna_appliance::order(&self.directory, order)
            .map_err(|error| Refused(format!("{error:#}")).into())
    }

    fn deploy(&self, deploy: &Deploy, as_json: bool) -> Result<()> {
        let Outcome::Appliance { address, partitions, .. } = self.order(&Order::Show)? else {
            bail!("the appliance did not say what it is");
        };
        let server = match (&deploy.server, address) {
            (Some(server), _) => server.clone(),
            (None, Some(address)) => network::server(&address).map_err(anyhow::Error::msg)?,
            (None, None) => {
                bail!(Refused(
                    "the appliance does not run: --server HOST:PORT says where it will".into()
                ))
            }
        };
        let certificate = desk::server_certificate(&self.directory);
        if !certificate.exists() {
            bail!(Refused("the appliance has no certificate before its first `serve`".into()));
        }
        let mut instance = client(&deploy.client, deploy.module.as_deref())?;
        network::join(&mut instance, &server, &certificate, &deploy.name)?;
        let files = ClientFiles::of(&instance.directory, &deploy.name);
        let mine = certificate::fingerprint(&certificate::read_one(&files.certificate)?.0);
        let mine = certificate::in_digits(&mine);
        let Outcome::Clients(clients) = self.order(&Order::ListClients)? else {
            bail!("the appliance did not say who its clients are");
        };
        if !clients.iter().any(|client| client.name == deploy.name && client.fingerprint == mine) {
            let text = certificate::read_one(&files.certificate)?.1;
            self.order(&Order::RegisterClient(deploy.name.clone(), text))?;
        }
        let mut wanted = deploy.partition.clone();
        if wanted.is_empty() {
            for row in &partitions {
                wanted.push(desk::number(&row.serial)?);
            }
        }
        for serial in &wanted {
            self.order(&Order::Assign(deploy.name.clone(), *serial))?;
        }
        if as_json {
            let serials: Vec<_> = wanted.iter().map(u64::to_string).collect();
            let report = json!({
                "configuration": instance.directory,
                "client": deploy.name,
                "partitions": serials,
            });
            anstream::println!("{report:#}");
        }
        Ok(())
    }
}

/// The client directory, with library and configuration.
fn client(directory: &Path, module: Option<&Path>) -> Result<Instance> {
    std::fs::create_dir_all(directory)?;
    let directory = directory.canonicalize()?;
    let mut instance = if directory.join(chrystoki_conf::FILE_NAME).exists() {
        Instance::open(&directory)?
    } else {
        Instance::fresh(&directory)
    };
    Up::install(module, &mut instance)?;
    Ok(instance)
}

impl Create {
    fn plan(&self) -> NewPartition {
        let pin = |text: &str| Pin::new(text.as_bytes());
        NewPartition {
            bytes: self.bytes,
            policies: self.policy.clone(),
            roles: self.label.as_ref().map(|label| NewRoles {
                label: label.clone(),
                domain: pin(&self.domain),
                partition_so: pin(&self.po_password),
                crypto_officer: pin(&self.password),
                crypto_user: Some(pin(&self.cu_password)),
            }),
        }
    }
}

fn show(outcome: &Outcome, as_json: bool) {
    if as_json {
        anstream::println!("{:#}", in_json(outcome));
        return;
    }
    match outcome {
        Outcome::Appliance { hsm, profile, address, processes, sessions, partitions } => {
            let state = address.as_ref().map_or("not served".into(), |address| {
                format!("on {address}; {processes} client processes, {sessions} sessions")
            });
            anstream::println!("HSM {hsm} ({profile}), {state}");
            anstream::println!("{}", partition_table(partitions));
        }
        Outcome::Partition(row) => {
            anstream::println!("{}", partition_table(std::slice::from_ref(row)));
        }
        Outcome::Clients(rows) => anstream::println!("{}", client_table(rows)),
        Outcome::Lines(lines) => lines.iter().for_each(|line| anstream::println!("{line}")),
        // Secrets are for the bundle alone.
        Outcome::Issued(_) | Outcome::Done => {}
    }
}

fn in_json(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Appliance { hsm, profile, address, processes, sessions, partitions } => json!({
            "hsm": hsm,
            "profile": profile,
            "address": address,
            "processes": processes,
            "sessions": sessions,
            "partitions": partitions,
        }),
        Outcome::Partition(row) => json!(row),
        Outcome::Clients(rows) => json!({ "clients": rows }),
        Outcome::Lines(lines) => json!({ "log": lines }),
        Outcome::Issued(_) | Outcome::Done => json!({}),
    }
}

fn partition_table(rows: &[PartitionRow]) -> Table {
    let mut table = Table::new();
    table.set_header(["SERIAL", "LABEL", "OBJECTS", "USED", "TOTAL", "CLIENTS"]);
    for row in rows {
        table.add_row([
            row.serial.clone(),
            row.label.clone(),
            row.objects.to_string(),
            row.used_bytes.to_string(),
            row.total_bytes.to_string(),
            row.clients.join(", "),
        ]);
    }
    table
}

fn client_table(rows: &[ClientRow]) -> Table {
    let mut table = Table::new();
    table.set_header(["CLIENT", "SHA-256 OF ITS CERTIFICATE", "PARTITIONS"]);
    for row in rows {
        table.add_row([row.name.clone(), row.fingerprint.clone(), row.partitions.join(", ")]);
    }
    table
}
