//! An appliance in this process, a client of it, and a bare round trip by TLS to compare with.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use chrystoki_conf::Conf;
use emulator::hsm::Appliance;
use emulator::hsm::store::Durability;
use emulator::network::tls;
use emulator::profile::{self, Profile};
use luna_appliance::certificate::{self, ClientFiles};
use luna_appliance::desk::{Order, server_certificate};
use luna_appliance::limits::Limits;
use luna_appliance::{Options, Server, order};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use crate::instance::{GROUP, Instance, TOKEN, blueprint};

/// A module that reaches its partition over the loopback interface.
pub struct Networked {
    pub(crate) instance: Instance,
    _server: Server,
}

/// A module that reaches a group of two appliances, which can be stopped.
pub struct Pair {
    instance: Instance,
    served: Mutex<Vec<Served>>,
}

/// An appliance of a pair.
struct Served {
    hsm: PathBuf,
    address: SocketAddr,
    server: Option<Server>,
}

/// An HSM with one partition, served where it is told; the client `bench` may use it.
fn appliance(directory: &Path, number: u32) -> Result<(PathBuf, String, Server)> {
    let serial = format!("100000000000{number}");
    let hsm = directory.join(format!("hsm{number}"));
    let profile = Arc::new(Profile::built_in(profile::DEFAULT)?);
    Appliance::manufacture(&hsm, &blueprint(&profile, &format!("10000{number}"), &serial)?)?;
    let server = start(&hsm, "127.0.0.1:0".parse()?)?;
    let files = ClientFiles::of(directory, CLIENT);
    if !files.certificate.exists() {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        certificate::make(CLIENT, &[], 10, now_s)?.save(&files.certificate, &files.key)?;
    }
    let text = std::fs::read_to_string(&files.certificate)?;
    order(&hsm, &Order::RegisterClient(CLIENT.into(), text))?;
    order(&hsm, &Order::Assign(CLIENT.into(), serial.parse()?))?;
    Ok((hsm, serial, server))
}

const CLIENT: &str = "bench";

fn start(hsm: &Path, listen: SocketAddr) -> Result<Server> {
    Server::start(&Options {
        directory: hsm,
        listen,
        hosts: &["localhost".to_owned()],
        durability: Durability::Process,
        limits: Limits::default(),
    })
}

/// The configuration of a client of these appliances.
fn configuration(directory: &Path, served: &[(&Path, SocketAddr)]) -> Result<Conf> {
    let files = ClientFiles::of(directory, CLIENT);
    let mut conf = Conf::empty(directory.join(chrystoki_conf::FILE_NAME));
    let mut known = String::new();
    for (number, (hsm, address)) in served.iter().enumerate() {
        known += &std::fs::read_to_string(server_certificate(hsm))?;
        let ip = address.ip().to_string();
        conf.set("LunaSA Client", &format!("ServerName{number:02}"), &ip)?;
        let port = address.port().to_string();
        conf.set("LunaSA Client", &format!("ServerPort{number:02}"), &port)?;
    }
    let servers = directory.join("servers.pem");
    std::fs::write(&servers, known)?;
    for (key, path) in [
        ("ClientCertFile", &files.certificate),
        ("ClientPrivKeyFile", &files.key),
        ("ServerCAFile", &servers),
    ] {
        conf.set("LunaSA Client", key, &path.display().to_string())?;
    }
    Ok(conf)
}

impl Networked {
    pub(crate) fn make() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (hsm, _, server) = appliance(directory.path(), 7)?;
        let conf = configuration(directory.path(), &[(&hsm, server.address())])?;
        std::fs::write(conf.file(), conf.to_text())?;
        Ok(Self { instance: Instance::of_client(directory, TOKEN)?, _server: server })
    }
}

impl Pair {
    pub(crate) fn make() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (mut served, mut serials) = (Vec::new(), Vec::new());
        for number in 1..=2 {
            let (hsm, serial, server) = appliance(directory.path(), number)?;
            served.push(Served { hsm, address: server.address(), server: Some(server) });
            serials.push(serial);
        }
        let places: Vec<_> = served.iter().map(|it| (it.hsm.as_path(), it.address)).collect();
        let mut conf = configuration(directory.path(), &places)?;
        conf.set("VirtualToken", "VirtualToken00Label", GROUP)?;
        conf.set("VirtualToken", "VirtualToken00Members", &serials.join(","))?;
        conf.set("HAConfiguration", "reconnAtt", "-1")?;
        conf.set("Emulator", "RecoverAtOnce", "1")?;
        std::fs::write(conf.file(), conf.to_text())?;
        Ok(Self { instance: Instance::of_client(directory, GROUP)?, served: served.into() })
    }

    /// The module that uses them.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Stops an appliance, which closes its connections, or serves it again.
    ///
    /// # Errors
    /// When there is none of that number; when it cannot be served.
    pub fn serve(&self, number: u32, is_served: bool) -> Result<()> {
        let mut all = self.served.lock();
        let served = all.get_mut(number as usize).context("an appliance of the pair")?;
        match served.server.take() {
            Some(server) if is_served => served.server = Some(server),
            Some(server) => server.stop(),
            None if is_served => served.server = Some(start(&served.hsm, served.address)?),
            None => {}
        }
        Ok(())
    }
}

/// Mutual TLS of the same kind with an echo at its end: what any request costs at least.
pub struct Echo {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Echo {
    /// Messages of so many bytes, each way.
    ///
    /// # Errors
    /// When the machine has no loopback interface to offer.
    pub fn of(message: usize) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = |name: &str| directory.path().join(name);
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        for name in ["server", "client"] {
            let made = certificate::make(name, &["localhost".to_owned()], 10, now_s)?;
            made.save(&path(&format!("{name}.pem")), &path(&format!("{name}Key.pem")))?;
        }
        let client = tls::client(&tls::Identity {
            certificate: &path("client.pem"),
            key: &path("clientKey.pem"),
            servers: &path("server.pem"),
            validate_host: false,
        });
        let chain = tls::certificates(&path("server.pem")).map_err(anyhow::Error::msg)?;
        let key = tls::private_key(&path("serverKey.pem")).map_err(anyhow::Error::msg)?;
        let server = ServerConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || echo(&listener, server, message));
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let name = ServerName::try_from("localhost")?;
        let tls = ClientConnection::new(client.map_err(anyhow::Error::msg)?, name)?;
        Ok(Self { stream: StreamOwned::new(tls, socket) })
    }

    /// One message there and back.
    ///
    /// # Errors
    /// When the other end is gone.
    pub fn round_trip(&mut self, message: &mut [u8]) -> Result<()> {
        self.stream.write_all(message)?;
        self.stream.flush()?;
        self.stream.read_exact(message).context("the echo")
    }
}

fn echo(listener: &TcpListener, config: ServerConfig, message: usize) -> Result<()> {
    let (socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config))?, socket);
    let mut buffer = vec![0; message];
    loop {
        stream.read_exact(&mut buffer)?;
        stream.write_all(&buffer)?;
        stream.flush()?;
    }
}
