//! The client's side of an appliance: whom its configuration names, and its own certificate.

use std::path::Path;

use anyhow::{Context, Result};
use emulator::env::disk;
use emulator::luna::config::ServerEntry;
use emulator::network::protocol::PORT;
use emulator::network::tls;
use luna_appliance::certificate::{self, ClientFiles, Made};

use crate::instance::Instance;
use crate::up::seconds_now;

/// What a client is called without another name.
pub(crate) const CLIENT: &str = "client";

/// Days that a client's certificate is valid: ten years, as the vendor's (recalled; Assumed).
pub(crate) const CERTIFICATE_DAYS: u32 = 3653;

const SECTION: &str = "LunaSA Client";

/// The most bytes of a file of certificates.
const MOST_BYTES: usize = 4 << 20;

/// An appliance, as `--server` names it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Reads `HOST` or `HOST:PORT`; an address of version 6 stands in brackets.
///
/// # Errors
/// What is wrong.
pub(crate) fn server(text: &str) -> Result<Server, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().map_err(|_| format!("`{port}` is no port"))?)
        }
        _ => (text, PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("HOST:PORT is wanted".into());
    }
    Ok(Server { host: host.to_owned(), port })
}

/// Puts an appliance into the configuration unless it is there, after those that are.
///
/// # Errors
/// When a file cannot be read or written, naming it.
pub(crate) fn join(
    instance: &mut Instance,
    server: &Server,
    server_certificate: &Path,
    name: &str,
) -> Result<()> {
    let files = own(instance, name)?;
    know(&files.servers, server_certificate)?;
    let wanted = ServerEntry { host: server.host.clone(), port: server.port };
    let there = instance.config()?.network.map(|it| it.servers).unwrap_or_default();
    if !there.contains(&wanted) {
        let place = there.len();
        let key = |what: &str| format!("Server{what}{place:02}");
        instance.conf.set(SECTION, &key("Name"), &server.host)?;
        instance.conf.set(SECTION, &key("Port"), &server.port.to_string())?;
        instance.conf.set(SECTION, &key("Htl"), "0")?;
    }
    instance.save()
}

/// The client's own certificate and the keys that name it, made unless they are there.
fn own(instance: &mut Instance, name: &str) -> Result<ClientFiles> {
    let files = ClientFiles::of(&instance.directory, name);
    if !files.certificate.exists() {
        make(name, &[], CERTIFICATE_DAYS)?.save(&files.certificate, &files.key)?;
    }
    let text = |path: &Path| path.display().to_string();
    for (key, value) in [
        ("NetClient", "1".into()),
        ("ReceiveTimeout", "20000".into()),
        ("TCPKeepAlive", "1".into()),
        ("ClientCertFile", text(&files.certificate)),
        ("ClientPrivKeyFile", text(&files.key)),
        ("ServerCAFile", text(&files.servers)),
    ] {
        if instance.conf.value(SECTION, key).is_none() {
            instance.conf.set(SECTION, key, &value)?;
        }
    }
    Ok(files)
}

/// Adds the certificate of an appliance to those that the client knows.
fn know(file: &Path, certificate: &Path) -> Result<()> {
    let (wanted, text) = certificate::read_one(certificate)?;
    let mut known = String::new();
    if file.exists() {
        if tls::certificates(file).map_err(anyhow::Error::msg)?.contains(&wanted) {
            return Ok(());
        }
        known = disk::read_text(file, MOST_BYTES)?;
    }
    let directory = file.parent().context("a file lies in a directory")?;
    disk::create_private_directory(directory)?;
    if !known.is_empty() && !known.ends_with('\n') {
        known.push('\n');
    }
    known.push_str(&text);
    disk::write_atomically(file, known.as_bytes(), 0o644)?;
    Ok(())
}

/// A certificate from now on.
///
/// # Errors
/// As [`certificate::make`].
pub(crate) fn make(name: &str, hosts: &[String], days: u32) -> Result<Made> {
    certificate::make(name, hosts, days, seconds_now())
}
