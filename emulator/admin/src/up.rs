//! `up`: a working client directory, without asking anything.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use emulator::crypto::random;
use emulator::env::{Clock, SystemClock};
use emulator::hsm::store::Durability;
use emulator::hsm::{Appliance, Blueprint, PartitionBlueprint, Roles};
use emulator::profile::{self, Authentication, Profile};
use emulator::wire::Pin;
use serde_json::json;

use crate::Refused;
use crate::instance::Instance;
use crate::network;

/// Options of `up`.
#[derive(Args)]
pub(crate) struct Up {
    /// The client directory: Chrystoki.conf, lib, bin and state appear in it.
    directory: PathBuf,
    /// Firmware and client version to behave like: a built-in profile (`profile list`), or a file, which
    /// the HSMs keep a copy of.
    #[arg(long, value_name = "NAME|FILE", default_value = profile::DEFAULT)]
    profile: String,
    /// FIPS mode (HSM policy 12 off); without it, as the profile has it.
    #[arg(long, value_name = "on|off")]
    fips: Option<Switch>,
    /// A partition to make, each on an HSM of its own; repeatable. `par1` without any.
    #[arg(long, value_name = "LABEL")]
    partition: Vec<String>,
    /// A partition policy to set before the roles are made; repeatable.
    #[arg(long, value_name = "N=VALUE", value_parser = policy)]
    policy: Vec<(u32, u64)>,
    /// An HA group of partitions, made where they are not there yet; repeatable. A serial number
    /// names a partition of an appliance.
    #[arg(long, value_name = "GROUP=LABEL,LABEL", value_parser = group)]
    ha: Vec<Group>,
    /// List HA groups only (HAOnly).
    #[arg(long)]
    ha_only: bool,
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
    /// Cloning domain of the partitions.
    #[arg(long, default_value = "luna-emulator")]
    domain: String,
    /// List the admin partitions of the HSMs too, and their empty containers (ShowAdminTokens), and
    /// give each HSM its SO.
    #[arg(long)]
    admin_slot: bool,
    /// Password of the HSM SO.
    #[arg(long, default_value = "hsm-so", requires = "admin_slot")]
    so_password: String,
    /// HSMs whose roles log in by PED keys; the passwords become challenges.
    #[arg(long)]
    ped: bool,
    /// Install the client without any HSM, for one that reaches appliances or a Luna Cloud HSM.
    #[arg(long, conflicts_with_all = ["partition", "ha"])]
    client_only: bool,
    /// Leave the partitions uninitialised, for `partition init`.
    #[arg(long)]
    empty: bool,
    /// An appliance to reach (`luna-emulator serve`); repeatable. Its administrator has to register
    /// the client's certificate.
    #[arg(long, value_name = "HOST:PORT", requires = "server_cert", value_parser = network::server)]
    server: Vec<network::Server>,
    /// The certificate of an appliance (PEM), one for each --server.
    #[arg(long, value_name = "FILE", requires = "server")]
    server_cert: Vec<PathBuf>,
    /// What the client is called in its certificate, which is made unless it is there.
    #[arg(long, value_name = "NAME", default_value = network::CLIENT)]
    client_name: String,
    /// The module to install; the one beside this program without it.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Clone)]
struct Group {
    label: String,
    members: Vec<String>,
}

pub(crate) fn policy(text: &str) -> Result<(u32, u64), String> {
    let (id, value) = text.split_once('=').ok_or("N=VALUE is wanted, as in 22=1")?;
    let wrong = |what: &str| format!("`{what}` is not a number");
    Ok((id.parse().map_err(|_| wrong(id))?, value.parse().map_err(|_| wrong(value))?))
}

fn group(text: &str) -> Result<Group, String> {
    let (label, members) = text.split_once('=').ok_or("GROUP=LABEL,LABEL is wanted")?;
    let members: Vec<String> = members.split(',').map(|it| it.trim().to_owned()).collect();
    if label.is_empty() || members.iter().any(String::is_empty) {
        return Err("a group and its members have names".into());
    }
    Ok(Group { label: label.to_owned(), members })
}

/// A partition that is there: its serial number and its label.
struct Present {
    serial: String,
    label: String,
}

impl Up {
    /// What completes a directory that has its HSMs already.
    pub(crate) fn again(directory: &Path) -> Self {
        #[derive(clap::Parser)]
        struct Defaults {
            #[command(flatten)]
            up: Up,
        }
        let words = [OsStr::new("up"), directory.as_os_str()];
        <Defaults as clap::Parser>::parse_from(words).up
    }

    /// # Errors
    /// What is wrong, and where; nothing that was there is changed then.
    pub(crate) fn run(&self, json: bool) -> Result<()> {
        let profile = Arc::new(crate::profile::read(&self.profile)?);
        self.check(&profile)?;
        let known: Vec<u32> = profile.partition_policies.iter().map(|row| row.id).collect();
        if let Some((id, _)) = self.policy.iter().find(|(id, _)| !known.contains(id)) {
            bail!(Refused(format!("profile {} shows no partition policy {id}", profile.name)));
        }
        std::fs::create_dir_all(&self.directory)
            .with_context(|| self.directory.display().to_string())?;
        let directory =
            self.directory.canonicalize().with_context(|| self.directory.display().to_string())?;
        let mut instance = if directory.join(chrystoki_conf::FILE_NAME).exists() {
            Instance::open(&directory)?
        } else {
            Instance::fresh(&directory)
        };
        crate::moved::follow(&mut instance.conf, &directory)?;
        Self::install(self.module.as_deref(), &mut instance)?;
        for (server, certificate) in self.server.iter().zip(&self.server_cert) {
            network::join(&mut instance, server, certificate, &self.client_name)?;
        }
        let mut present = Vec::new();
        for entry in instance.config()?.partitions {
            // One whose HSM is damaged stays in the list, and keeps its slot.
            let label = instance.look_at(&entry).map(|(label, _)| label).unwrap_or_default();
            present.push(Present { serial: entry.serial, label });
        }
        let alone = !self.client_only && instance.config()?.network.is_none();
        for label in self.missing(&present, alone) {
            let serial = self.manufacture(&mut instance, &profile, &label)?;
            present.push(Present { serial, label });
        }
        if self.admin_slot {
            self.show_admins(&mut instance)?;
        }
        self.group_all(&mut instance, &present)?;
        instance.save()?;
        self.report(&instance, json)
    }

    fn check(&self, profile: &Profile) -> Result<()> {
        for label in self.partition.iter().chain(self.ha.iter().flat_map(|group| &group.members)) {
            if label.is_empty() || label.len() > 32 {
                bail!(Refused(format!("`{label}`: a label has 1 to 32 bytes")));
            }
        }
        for (whose, password) in [
            ("Crypto Officer", &self.password),
            ("Partition SO", &self.po_password),
            ("Crypto User", &self.cu_password),
        ] {
            let asked = self.policy.iter().find(|(id, _)| *id == 25).map(|(_, value)| *value);
            let own = profile.partition_policies.iter().find(|row| row.id == 25);
            let inverted = asked.or(own.map(|row| row.policy)).unwrap_or(248);
            let shortest = 255_u64.saturating_sub(inverted);
            let len = password.len() as u64;
            if !self.empty && !(shortest..=255).contains(&len) {
                bail!(Refused(format!(
                    "the {whose}'s password has {len} bytes; {shortest} to 255 are allowed \
                     (policy 25 lowers the bound: --policy 25=251 for 4)"
                )));
            }
        }
        if self.server.len() != self.server_cert.len() {
            bail!(Refused("each --server wants its --server-cert".into()));
        }
        if self.ha_only && self.ha.is_empty() {
            bail!(Refused("--ha-only without --ha leaves an application no slot at all".into()));
        }
        Ok(())
    }

    /// Labels that were asked for and are not there, as often as they are lacking; one where nothing
    /// was asked for and the client stands `alone`, with no appliance to reach.
    fn missing(&self, present: &[Present], alone: bool) -> Vec<String> {
        let mut wanted: Vec<String> = self.partition.clone();
        for group in &self.ha {
            for label in &group.members {
                let needed = group.members.iter().filter(|other| *other == label).count();
                while wanted.iter().filter(|other| *other == label).count() < needed {
                    wanted.push(label.clone());
                }
            }
        }
        wanted.retain(|label| !is_serial(label));
        if wanted.is_empty() && present.is_empty() && alone {
            wanted.push("par1".into());
        }
        let mut there: Vec<&str> = present.iter().map(|it| it.label.as_str()).collect();
        wanted.retain(|label| match there.iter().position(|other| other == label) {
            Some(at) => {
                there.swap_remove(at);
                false
            }
            None => true,
        });
        wanted
    }

    fn manufacture(
        &self,
        instance: &mut Instance,
        profile: &Arc<Profile>,
        label: &str,
    ) -> Result<String> {
        // The lengths of the guide's examples: 13 digits for a partition, six for an HSM.
        let serial = format!("1{:012}", number(1_000_000_000_000)?);
        let hsm = format!("{:06}", 100_000 + number(900_000)?);
        let place = instance.config()?.partitions.len();
        let pin = |text: &str| Pin::new(text.as_bytes());
        let roles = (!self.empty).then(|| Roles {
            label: label.to_owned(),
            domain: pin(&self.domain),
            partition_so: pin(&self.po_password),
            crypto_officer: pin(&self.password),
            crypto_user: Some(pin(&self.cu_password)),
        });
        let plan = Blueprint {
            serial: hsm.clone(),
            profile: Arc::clone(profile),
            authentication: self.ped.then_some(Authentication::Ped),
            hsm_so: self.admin_slot.then(|| pin(&self.so_password)),
            policies: self
                .fips
                .map(|fips| (12, u64::from(fips == Switch::Off)))
                .into_iter()
                .collect(),
            created: seconds_now(),
            partitions: vec![PartitionBlueprint {
                serial: serial.clone(),
                policies: self.policy.clone(),
                roles,
            }],
        };
        Appliance::manufacture(&instance.state()?.join(&hsm), &plan)?;
        instance.conf.set("Emulator", &format!("Partition{place:02}"), &serial)?;
        instance.conf.set("Emulator", &format!("Partition{place:02}Hsm"), &hsm)?;
        // Saved at once: a later failure must not leave an HSM that nobody knows of.
        instance.save()?;
        Ok(serial)
    }

    /// Every HSM of the directory has its SO, and shows it.
    fn show_admins(&self, instance: &mut Instance) -> Result<()> {
        let so = Pin::new(self.so_password.as_bytes());
        let mut seen = Vec::new();
        for entry in instance.config()?.partitions {
            if seen.contains(&entry.hsm) {
                continue;
            }
            let directory = instance.state()?.join(&entry.hsm);
            let built_in = |name: &str| -> Result<Arc<Profile>, emulator::error::Error> {
                Profile::built_in(name).map(Arc::new).map_err(|error| {
                    emulator::error::Error::new(
                        emulator::error::Cause::DeviceError,
                        error.to_string(),
                    )
                })
            };
            let hsm = Appliance::open(&directory, Durability::Power, built_in)?;
            hsm.initialize_admin(&so)?;
            seen.push(entry.hsm);
        }
        instance.conf.set("Presentation", "ShowAdminTokens", "yes")?;
        Ok(())
    }

    fn group_all(&self, instance: &mut Instance, present: &[Present]) -> Result<()> {
        let existing = instance.config()?.groups;
        for group in &self.ha {
            let place =
                existing.iter().position(|other| other.label == group.label).unwrap_or_else(|| {
                    let asked = self
                        .ha
                        .iter()
                        .filter(|other| !existing.iter().any(|there| there.label == other.label));
                    let before = asked.take_while(|other| other.label != group.label).count();
                    existing.len() + before
                });
            let mut free: Vec<&Present> = present.iter().collect();
            let mut serials = Vec::new();
            for label in &group.members {
                if is_serial(label) {
                    serials.push(label.clone());
                    continue;
                }
                let at = free
                    .iter()
                    .position(|it| it.label == *label)
                    .with_context(|| format!("no partition is called {label}"))?;
                serials.push(free.remove(at).serial.clone());
            }
            let key = |what: &str| format!("VirtualToken{place:02}{what}");
            let first = serials.first().map_or("", String::as_str);
            instance.conf.set("VirtualToken", &key("Label"), &group.label)?;
            instance.conf.set("VirtualToken", &key("SN"), &format!("1{first}"))?;
            instance.conf.set("VirtualToken", &key("Members"), &serials.join(","))?;
            instance.conf.set("VirtualToken", "VirtualTokenActiveRecovery", "activeEnhanced")?;
            instance.conf.set("HASynchronize", &group.label, "1")?;
            instance.conf.set("HAConfiguration", "reconnAtt", "-1")?;
            instance.conf.set("HAConfiguration", "AutoReconnectInterval", "60")?;
        }
        if self.ha_only {
            instance.conf.set("HAConfiguration", "HAOnly", "1")?;
        }
        Ok(())
    }

    /// Library, tools and the sections every client has.
    pub(crate) fn install(module: Option<&Path>, instance: &mut Instance) -> Result<()> {
        let directory = instance.directory.clone();
        let library = directory.join("lib").join(LIBRARY);
        std::fs::create_dir_all(directory.join("lib"))?;
        std::fs::create_dir_all(directory.join("bin"))?;
        emulator::env::disk::create_private_directory(&directory.join("state"))?;
        let module = match module {
            Some(module) => module.to_owned(),
            None => beside_this_program(LIBRARY).with_context(|| {
                format!("{LIBRARY} is not beside this program: `cargo build --release`, or --module FILE")
            })?,
        };
        copy(&module, &library)?;
        let alias = directory.join("lib").join("libCryptoki2.so");
        if !alias.exists() {
            std::os::unix::fs::symlink(LIBRARY, &alias)?;
        }
        // The vendor's client has these beside bin and lib; certificates are put there by vtl.
        for part in ["cert/client", "cert/server", "data/partition_policy_templates"] {
            std::fs::create_dir_all(directory.join(part))?;
        }
        crate::bundle::install_plugin(&directory)?;
        for tool in TOOLS {
            if let Some(found) = beside_this_program(tool) {
                copy(&found, &directory.join("bin").join(tool))?;
            }
        }
        let path = |path: &Path| path.display().to_string();
        for (section, key, value) in [
            ("Chrystoki2", "LibUNIX64", path(&library)),
            ("Misc", "ToolsDir", path(&directory.join("bin"))),
            ("Misc", "RSAKeyGenMechRemap", "1".into()),
            (
                "Misc",
                "PartitionPolicyTemplatePath",
                path(&directory.join("data/partition_policy_templates")),
            ),
            ("Emulator", "StateDirectory", path(&directory.join("state"))),
            // A CI job is nobody's member of hsmusers.
            ("Emulator", "CheckAccess", "0".into()),
        ] {
            if instance.conf.value(section, key).is_none() {
                instance.conf.set(section, key, &value)?;
            }
        }
        Ok(())
    }

    fn report(&self, instance: &Instance, as_json: bool) -> Result<()> {
        let config = instance.config()?;
        let library = instance.directory.join("lib").join(LIBRARY);
        if as_json {
            let partitions: Vec<_> = config
                .partitions
                .iter()
                .map(|entry| {
                    let label = instance.look_at(entry).map(|(label, _)| label).unwrap_or_default();
                    json!({ "serial": entry.serial, "label": label, "hsm": entry.hsm })
                })
                .collect();
            let groups: Vec<_> = config
                .groups
                .iter()
                .map(|it| json!({ "label": it.label, "serial": it.serial, "members": it.members }))
                .collect();
            let report = json!({
                "configuration": instance.directory,
                "module": library,
                "partitions": partitions,
                "groups": groups,
            });
            anstream::println!("{report:#}");
            return Ok(());
        }
        let bin = instance.directory.join("bin");
        anstream::println!("export ChrystokiConfigurationPath={}", quoted(&instance.directory));
        anstream::println!("export LUNA_MODULE={}", quoted(&library));
        anstream::println!("export PATH={}:\"$PATH\"", quoted(&bin));
        Ok(())
    }
}

/// Whether a member of a group is named by a serial number: 13 digits, as here and on a Luna.
fn is_serial(member: &str) -> bool {
    member.len() == 13 && member.bytes().all(|byte| byte.is_ascii_digit())
}

pub(crate) const LIBRARY: &str = "libCryptoki2_64.so";

/// Programs of the client's `bin`, copied where they lie beside this one.
const TOOLS: [&str; 5] = ["lunacm", "vtl", "cmu", "configurator", "luna-emulator"];

/// A file of the build: beside this program, or among cargo's dependencies.
pub(crate) fn beside_this_program(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    let directory = program.parent()?;
    // An installed program finds the library in the lib beside its bin.
    [directory.join(name), directory.join("deps").join(name), directory.join("../lib").join(name)]
        .into_iter()
        .find(|path| path.is_file())
}

/// Copies by way of a temporary name, so that a process that has the old file open keeps it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() && same_content(from, to) {
        return Ok(());
    }
    let temporary = to.with_extension(format!("new{}", std::process::id()));
    std::fs::copy(from, &temporary)
        .with_context(|| format!("{} to {}", from.display(), temporary.display()))?;
    std::fs::rename(&temporary, to).with_context(|| to.display().to_string())
}

fn same_content(one: &Path, other: &Path) -> bool {
    matches!((std::fs::read(one), std::fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

pub(crate) fn number(below: u64) -> Result<u64> {
    let bytes = random::bytes(8)?;
    let bytes: [u8; 8] = bytes.as_slice().try_into()?;
    Ok(u64::from_le_bytes(bytes) % below)
}

pub(crate) fn seconds_now() -> u64 {
    SystemClock::new().wall().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}
