//! `luna-emulator`: makes, shows and breaks emulated Luna HSMs.
//!
//! Arguments become a typed request, then run. Exit codes: 0 done, 1 the operation was refused,
//! 2 misuse or broken set-up. To add a verb: a variant of [`Verb`] and a file that carries it out.

mod appliance;
mod bundle;
mod client_cert;
mod down;
mod fault;
mod instance;
mod member;
mod moved;
mod network;
mod profile;
mod serve;
mod snapshot;
mod status;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes, shows and breaks emulated Luna HSMs.
#[derive(Parser)]
#[command(name = "luna-emulator", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Print the result as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Create a working client directory with emulated HSMs, or complete one that is there.
    Up(Box<up::Up>),
    /// Remove a client directory that `up` made, with its HSMs and every key in them.
    Down(down::Down),
    /// Show partitions, groups and whether they can be reached.
    Status(Directory),
    /// Cut a member off, or let it back; running applications notice with their next call.
    Member(member::Member),
    /// Show, check and compare profiles: what a firmware and its client do, and how we know.
    Profile(profile::Verbs),
    /// Serve the partitions of one HSM on the network, as a Luna Network HSM does, until told to stop.
    Serve(serve::Serve),
    /// Administer an appliance, whether it runs or not: partitions, clients, its log.
    Appliance(appliance::Administer),
    /// Make the certificate by which appliances know a client, as `vtl createCert` does.
    ClientCert(client_cert::ClientCert),
    /// Plan what goes wrong, while applications run: refusals, delays, lost answers, cuts, full disks.
    Fault(fault::Fault),
    /// Keep the HSMs of a client directory as they are, while applications run.
    Snapshot(snapshot::Snapshot),
    /// Make a client directory of what `snapshot` kept.
    Restore(snapshot::Restore),
}

/// Which client directory.
#[derive(clap::Args)]
struct Directory {
    /// Made by `up`; without it, where ChrystokiConfigurationPath points.
    #[arg(env = "ChrystokiConfigurationPath")]
    directory: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.verb {
        Verb::Up(up) => up.run(arguments.json),
        Verb::Down(down) => down.run(arguments.json),
        Verb::Status(status) => status::run(&status.directory, arguments.json),
        Verb::Member(member) => member.run(arguments.json),
        Verb::Profile(verbs) => verbs.run(arguments.json),
        Verb::Serve(serve) => serve.run(arguments.json),
        Verb::Appliance(appliance) => appliance.run(arguments.json),
        Verb::ClientCert(certificate) => certificate.run(arguments.json),
        Verb::Fault(fault) => fault.run(arguments.json),
        Verb::Snapshot(snapshot) => snapshot.run(arguments.json),
        Verb::Restore(restore) => restore.run(arguments.json),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("luna-emulator: {error:#}");
            ExitCode::from(if error.is::<Refused>() { 1 } else { 2 })
        }
    }
}

/// An operation that was understood and refused, as against a set-up that is broken.
#[derive(Debug)]
struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}
