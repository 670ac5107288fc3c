//! `appliance … bundle`: what the provider of a cloud HSM gives a client to download.
//!
//! Layout and names are those of the vendor's (cloud.md section 3, Documented). Its client for Windows and
//! `setenv.cmd` are left out: the module is for Linux. Nothing is compressed, since the programs that unpack it are
//! everywhere and a test waits for it.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use emulator::network::cloud::PLUGIN;
use luna_appliance::desk::{self, NewPartition, Order, Outcome};
use luna_appliance::service::Issued;
use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::Refused;
use crate::network::{self, Server};
use crate::up::{LIBRARY, beside_this_program};

/// Options of `bundle`.
#[derive(Args)]
pub(crate) struct Bundle {
    /// Where it is written; `setup-NAME.zip` without it.
    output: Option<PathBuf>,
    /// What the service's client is called. One that there is gets new credentials; the old ones end.
    #[arg(long, default_value = network::CLIENT)]
    client: String,
    /// Serial number of the service's partition; a new service, not initialised, without it.
    #[arg(long, value_name = "SERIAL")]
    service: Option<u64>,
    /// Where clients reach the service; without it, where it is served now.
    #[arg(long, value_name = "HOST:PORT", value_parser = network::server)]
    server: Option<Server>,
    /// The module to put in; the one beside this program without it.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

const SETENV: &str = include_str!("../bundle/setenv");
const CONFIGURATION: &str = include_str!("../bundle/Chrystoki-base.conf");
const TEMPLATE: &str = include_str!("../bundle/crystoki-template.ini");
const OPENSSL: &str = include_str!("../bundle/openssl.cnf");
const PLUGIN_TEXT: &str = include_str!("../bundle/libdpod.plugin");

/// Programs of the client.
const TOOLS: [&str; 4] = ["lunacm", "vtl", "cmu", "configurator"];

impl Bundle {
    /// # Errors
    /// What the appliance refused; a file that cannot be read or written.
    pub(crate) fn run(
        &self,
        directory: &Path,
        order: impl Fn(&Order) -> Result<Outcome>,
        as_json: bool,
    ) -> Result<()> {
        let default = || PathBuf::from(format!("setup-{}.zip", self.client));
        let output = self.output.clone().unwrap_or_else(default);
        let module = match &self.module {
            Some(module) => module.clone(),
            None => beside_this_program(LIBRARY)
                .with_context(|| format!("{LIBRARY} is not beside this program: --module FILE"))?,
        };
        let server = self.server(&order)?;
        let certificate = desk::server_certificate(directory);
        let certificate = std::fs::read_to_string(&certificate).with_context(|| {
            Refused("the service has no certificate before its first `serve`".into())
        })?;
        let service = match self.service {
            Some(serial) => serial,
            None => new_service(&order)?,
        };
        let Outcome::Issued(issued) =
            order(&Order::IssueCredentials(self.client.clone(), service))?
        else {
            bail!("the appliance did not say what it issued");
        };
        // Under another name until it is whole; in the same directory, so that it can be moved.
        let unfinished = output.with_extension(format!("zip.new{}", std::process::id()));
        let written = self.write(&unfinished, &module, &server, &issued, &certificate);
        if let Err(error) = written {
            let _ = std::fs::remove_file(&unfinished);
            return Err(error);
        }
        std::fs::rename(&unfinished, &output).with_context(|| output.display().to_string())?;
        if as_json {
            let report = json!({
                "bundle": output,
                "client": self.client,
                "partition": issued.partition,
                "server": format!("{}:{}", server.host, server.port),
            });
            anstream::println!("{report:#}");
        } else {
            anstream::println!(
                "{} has what client {} of service {} needs",
                output.display(),
                self.client,
                issued.partition
            );
        }
        Ok(())
    }

    fn server(&self, order: &impl Fn(&Order) -> Result<Outcome>) -> Result<Server> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        match order(&Order::Show)? {
            Outcome::Appliance { address: Some(address), .. } => {
                network::server(&address).map_err(anyhow::Error::msg)
            }
            _ => bail!(Refused(
                "the service is not served now: --server HOST:PORT says where it will be".into()
            )),
        }
    }

    fn write(
        &self,
        path: &Path,
        module: &Path,
        server: &Server,
        issued: &Issued,
        certificate: &str,
    ) -> Result<()> {
        // The credentials are in it.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.with_context(|| path.display().to_string())?;
        let mut zip = ZipWriter::new(BufWriter::new(file));
        let configuration = filled(CONFIGURATION, server, issued);
        for (name, content) in [
            ("setenv", SETENV),
            ("Chrystoki.conf", &configuration),
            ("Chrystoki-base.conf", &configuration),
            ("crystoki-template.ini", &filled(TEMPLATE, server, issued)),
            ("server-certificate.pem", certificate),
            ("partition-ca-certificate.pem", &issued.partition_authority),
            ("partition-certificate.pem", &issued.partition_certificate),
        ] {
            zip.start_file(name, options(0o600))?;
            zip.write_all(content.as_bytes())?;
        }
        zip.start_file("cvclient-min.tar", options(0o644).large_file(true))?;
        client(&mut zip, module)?;
        zip.finish()?.flush()?;
        Ok(())
    }
}

fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(mode)
}

fn new_service(order: &impl Fn(&Order) -> Result<Outcome>) -> Result<u64> {
    let new = NewPartition { bytes: None, policies: Vec::new(), roles: None };
    match order(&Order::CreatePartition(Box::new(new)))? {
        Outcome::Partition(row) => desk::number(&row.serial),
        _ => bail!("the appliance did not say which partition it made"),
    }
}

fn filled(text: &str, server: &Server, issued: &Issued) -> String {
    let host = &server.host;
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let secret = String::from_utf8_lossy(issued.secret.as_bytes());
    text.replace("@AUTHORITY@", &format!("{bracketed}:{}", server.port))
        .replace("@HOST@", host)
        .replace("@PORT@", &server.port.to_string())
        .replace("@SERIAL@", &issued.partition)
        .replace("@ID@", &issued.id)
        .replace("@SECRET@", &secret)
}

/// The client itself, as the archive `cvclient-min.tar`.
fn client(out: &mut impl Write, module: &Path) -> Result<()> {
    let mut tar = tar::Builder::new(out);
    let mut add = |from: &Path, name: &str, mode: u32| -> Result<()> {
        let file = OpenOptions::new().read(true).open(from);
        let mut file = file.with_context(|| from.display().to_string())?;
        let mut header = header(file.metadata()?.len(), mode);
        tar.append_data(&mut header, name, &mut file).with_context(|| name.to_owned())
    };
    add(module, "libs/64/libCryptoki2.so", 0o755)?;
    for tool in TOOLS {
        if let Some(found) = beside_this_program(tool) {
            add(&found, &format!("bin/64/{tool}"), 0o755)?;
        }
    }
    for (name, content) in
        [(format!("libs/64/plugins/{PLUGIN}"), PLUGIN_TEXT), ("etc/openssl.cnf".into(), OPENSSL)]
    {
        let mut header = header(content.len() as u64, 0o644);
        tar.append_data(&mut header, name, content.as_bytes())?;
    }
    tar.finish()?;
    Ok(())
}

fn header(len: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(len);
    header.set_mode(mode);
    header.set_mtime(crate::up::seconds_now());
    header.set_entry_type(tar::EntryType::Regular);
    header
}

/// Puts the plugin where the full client has it, for those who add the cloud's sections to its configuration (guide,
/// page 9).
///
/// # Errors
/// Those of the file system.
pub(crate) fn install_plugin(client: &Path) -> Result<()> {
    let plugins = client.join("plugins");
    std::fs::create_dir_all(&plugins)?;
    emulator::env::disk::write_atomically(&plugins.join(PLUGIN), PLUGIN_TEXT.as_bytes(), 0o644)?;
    Ok(())
}
