//! `vtl`: the client's identity, the appliances it trusts, what it reaches.
//!
//! Sources: transcripts of integrators for `createCert`, `addServer` and `verify` (Observed); the vendor's pages on
//! VTL for the others (Documented); the order of columns of `listServers` is Assumed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrystoki_conf::{Conf, NTLS_PORT};
use der::asn1::{Ia5String, OctetString};
use der::{Decode, DecodePem, EncodePem};
use luna_client::{Context, SlotId};
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

use crate::certificate::{OwnKey, SelfSigned, name, self_signed};
use crate::failure::Failure;
use crate::options::{self, Known, Options, Verb, switch, value};
use crate::start::{Surroundings, client_directory};

type Run = fn(&mut Surroundings<'_>, &Options) -> Result<(), Failure>;

const CLIENT: &str = "LunaSA Client";

/// How long a client's certificate is good: ten years (Assumed).
const DAYS: u64 = 3653;

const SERVER: Known = value("n", "the appliance, by name or address");

const VERBS: &[Verb<Run>] = &[
    Verb {
        name: "createCert",
        options: &[&[
            value("n", "the client, by name or address"),
            value("c", "country"),
            value("s", "state"),
            value("l", "locality"),
            value("o", "organization"),
            value("u", "unit"),
            value("e", "mail address"),
            value("d", "days the certificate is good"),
            switch("f", "write over what is there"),
        ]],
        help: "Make the client's key and certificate",
        run: create_certificate,
    },
    Verb {
        name: "addServer",
        options: &[&[
            SERVER,
            value("c", "the file of its certificate"),
            value("p", "the port, instead of 1792"),
        ]],
        help: "Trust an appliance and reach for its partitions",
        run: add_server,
    },
    Verb {
        name: "deleteServer",
        options: &[&[SERVER]],
        help: "No longer trust an appliance",
        run: delete_server,
    },
    Verb { name: "listServers", options: &[], help: "Show the appliances", run: list_servers },
    Verb {
        name: "verify",
        options: &[],
        help: "Show the partitions this client reaches",
        run: verify,
    },
    Verb { name: "listSlots", options: &[], help: "Show all slots", run: list_slots },
];

/// Runs the program and gives its exit code: 0 done, 1 refused or nothing found, 2 misuse or broken set-up.
pub fn run(mut surroundings: Surroundings<'_>) -> u8 {
    let words = surroundings.arguments.clone();
    let done = writeln!(surroundings.out, "{}\n", lunacm::banner("vtl"))
        .map_err(Failure::from)
        .and_then(|()| options::parse("vtl", VERBS, &words))
        .and_then(|(verb, options)| (verb.run)(&mut surroundings, &options));
    match done {
        Ok(()) => 0,
        Err(failure) => {
            let _ = writeln!(surroundings.errors, "Error: {failure}");
            failure.code()
        }
    }
}

/// Where certificates lie. The directories are the vendor's (Observed).
fn certificates(conf: &Conf, of: &str) -> PathBuf {
    client_directory(conf).join("cert").join(of)
}

/// A name that can be part of a file's name.
fn host(options: &Options) -> Result<&str, Failure> {
    let name = options.needed("n")?;
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(sound) {
        return Err(Failure::misuse(format!("-n: '{name}' is no name or address of a host")));
    }
    Ok(name)
}

fn create_certificate(
    surroundings: &mut Surroundings<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let client = host(options)?;
    let conf = Conf::read(&surroundings.file())?;
    let directory = certificates(&conf, "client");
    let (key_file, file) =
        (directory.join(format!("{client}Key.pem")), directory.join(format!("{client}.pem")));
    if !options.has("f") && (key_file.exists() || file.exists()) {
        let text = format!("{} is there already; -f writes over it", file.display());
        return Err(Failure::refused(text));
    }
    let key = OwnKey::generate()?;
    let certificate = self_signed(&client_content(client, options)?, &key)?;
    fs::create_dir_all(&directory).map_err(|error| Failure::of_file(&directory, &error))?;
    write(&key_file, &key.private_pem()?, 0o600)?;
    write(&file, &certificate.to_pem(der::pem::LineEnding::LF)?, 0o644)?;
    chrystoki_conf::edit(&surroundings.file(), |conf| {
        conf.set(CLIENT, "ClientPrivKeyFile", &key_file.display().to_string())?;
        Ok::<_, Failure>(conf.set(CLIENT, "ClientCertFile", &file.display().to_string())?)
    })?;
    writeln!(surroundings.out, "Private Key created and written to: {}", key_file.display())?;
    writeln!(surroundings.out, "Certificate created and written to: {}", file.display())?;
    Ok(())
}

/// The certificate of a client: its name, also among the alternative names, where TLS looks.
fn client_content(client: &str, options: &Options) -> Result<SelfSigned, Failure> {
    let days = options.number("d")?.unwrap_or(DAYS);
    let parts = |part: &str| match part {
        "cn" => Some(client),
        "ou" => options.value("u"),
        part => options.value(part),
    };
    let alternative = match client.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            GeneralName::IpAddress(OctetString::new(address.octets().to_vec())?)
        }
        Ok(IpAddr::V6(address)) => {
            GeneralName::IpAddress(OctetString::new(address.octets().to_vec())?)
        }
        Err(_) => GeneralName::DnsName(Ia5String::new(client)?),
    };
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| Failure::refused("no random bytes"))?;
    // A positive number without a zero at its front.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    Ok(SelfSigned {
        subject: name(parts)?,
        serial: SerialNumber::new(&serial)?,
        validity: from_now(days)?,
        key_usage: None,
        names: Some(SubjectAltName(vec![alternative])),
    })
}

/// From a day ago, as clocks differ.
fn from_now(days: u64) -> Result<Validity, Failure> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    #[allow(clippy::disallowed_methods, reason = "a certificate is dated by the clock")]
    let now = SystemTime::now();
    let whole = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Time::try_from(SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()))
    };
    let length = Duration::from_secs(days.saturating_mul(DAY.as_secs()).min(u32::MAX.into()));
    Ok(Validity::new(whole(now - DAY)?, whole(now + length)?))
}

fn write(file: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    // One that is there may have another mode.
    let _ = fs::remove_file(file);
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::of_file(file, &error))
}

/// A certificate from a file, as PEM or DER.
fn read(file: &Path) -> Result<Certificate, Failure> {
    let bytes = fs::read(file).map_err(|error| Failure::of_file(file, &error))?;
    let read = Certificate::from_pem(&bytes).or_else(|_| Certificate::from_der(&bytes));
    read.map_err(|error| Failure::misuse(format!("{}: no certificate: {error}", file.display())))
}

/// The certificates of all appliances in one file, from those in its directory that the configuration names.
fn gather(conf: &Conf) -> Result<PathBuf, Failure> {
    let directory = certificates(conf, "server");
    let all = conf
        .value(CLIENT, "ServerCAFile")
        .filter(|path| !path.is_empty())
        .map_or_else(|| directory.join("CAFile.pem"), PathBuf::from);
    let mut text = String::new();
    for server in conf.luna_servers() {
        let own = directory.join(format!("{}Cert.pem", server.name));
        match fs::read_to_string(&own) {
            Ok(own) => text += &own,
            // One that another tool has put into the common file only.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::of_file(&own, &error)),
        }
    }
    write(&all, &text, 0o644)?;
    Ok(all)
}

fn add_server(surroundings: &mut Surroundings<'_>, options: &Options) -> Result<(), Failure> {
    let server = host(options)?;
    let port = match options.number("p")? {
        None => NTLS_PORT,
        Some(port) => {
            u16::try_from(port).map_err(|_| Failure::misuse(format!("-p: {port} is no port")))?
        }
    };
    let certificate = read(Path::new(options.needed("c")?))?;
    chrystoki_conf::edit(&surroundings.file(), |conf| {
        if !conf.add_luna_server(server, port)? {
            return Err(Failure::refused(format!("server {server} is in the list already")));
        }
        let directory = certificates(conf, "server");
        fs::create_dir_all(&directory).map_err(|error| Failure::of_file(&directory, &error))?;
        let own = directory.join(format!("{server}Cert.pem"));
        write(&own, &certificate.to_pem(der::pem::LineEnding::LF)?, 0o644)?;
        let all = gather(conf)?;
        conf.set(CLIENT, "ServerCAFile", &all.display().to_string())?;
        Ok(())
    })?;
    writeln!(surroundings.out, "New server {server} successfully added to server list.")?;
    Ok(())
}

fn delete_server(surroundings: &mut Surroundings<'_>, options: &Options) -> Result<(), Failure> {
    let server = host(options)?;
    chrystoki_conf::edit(&surroundings.file(), |conf| {
        if !conf.remove_luna_server(server)? {
            return Err(Failure::refused(format!("server {server} is not in the list")));
        }
        let own = certificates(conf, "server").join(format!("{server}Cert.pem"));
        if own.exists() {
            fs::remove_file(&own).map_err(|error| Failure::of_file(&own, &error))?;
            gather(conf)?;
        }
        Ok(())
    })?;
    writeln!(surroundings.out, "Server {server} successfully removed from server list.")?;
    Ok(())
}

fn list_servers(surroundings: &mut Surroundings<'_>, _: &Options) -> Result<(), Failure> {
    let conf = Conf::read(&surroundings.file())?;
    for server in conf.luna_servers() {
        let htl = if server.host_trust_link { "yes" } else { "no" };
        writeln!(surroundings.out, "Server: {}  HTL required: {htl}", server.name)?;
    }
    Ok(())
}

/// A slot that an HA group is behind is told by the model of its token (Observed).
fn is_group(context: &Context, slot: SlotId) -> bool {
    context.token_info(slot).is_ok_and(|token| token.model.starts_with("LunaVirtual"))
}

fn verify(surroundings: &mut Surroundings<'_>, _: &Options) -> Result<(), Failure> {
    let context = surroundings.module()?;
    let mut rows = Vec::new();
    for slot in context.slots(true)?.into_iter().filter(|slot| !is_group(&context, *slot)) {
        let token = context.token_info(slot)?;
        rows.push(format!("{slot:>4}    {:>16}        {}", token.serial_number, token.label));
    }
    if rows.is_empty() {
        return Err(Failure::refused("no partition can be reached; see 'vtl listServers'"));
    }
    let out = &mut surroundings.out;
    writeln!(out, "The following Luna SA Slots/Partitions were found:\n")?;
    writeln!(out, "Slot    Serial #                Label")?;
    writeln!(out, "====    ================        =====")?;
    for row in rows {
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}

/// The names of slots are this tool's own: `LunaNet Slot` where the module says `Net Token Slot` (Documented).
fn list_slots(surroundings: &mut Surroundings<'_>, _: &Options) -> Result<(), Failure> {
    let context = surroundings.module()?;
    let slots = context.slots(false)?;
    let out = &mut surroundings.out;
    writeln!(out, "Number of slots: {}\n", slots.len())?;
    writeln!(out, "The following slots were found:\n")?;
    writeln!(
        out,
        "{:<7} {:<20} {:<32} {:<16} Status",
        "Slot #", "Description", "Label", "Serial #"
    )?;
    writeln!(out, "{:=<7} {:=<20} {:=<32} {:=<16} ============", "", "", "", "")?;
    for slot in slots {
        let description = context.slot_info(slot)?.description;
        let name = if description.starts_with("Net") { "LunaNet Slot" } else { &description };
        let (label, serial, status) = match context.token_info(slot) {
            Ok(token) => (token.label, token.serial_number, "Present"),
            Err(_) => ("-".to_owned(), "-".to_owned(), "Not present"),
        };
        let slot = format!("slot #{slot}");
        writeln!(out, "{slot:<7} {name:<20} {label:<32} {serial:<16} {status}")?;
    }
    Ok(())
}
