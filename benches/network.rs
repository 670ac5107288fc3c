//! An appliance in this process, a client of it, and a bare round trip by TLS to compare with.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
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
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use crate::instance::{Instance, blueprint};

const SERIAL: &str = "1000000000007";

/// A module that reaches its partition over the loopback interface.
pub struct Networked {
    pub(crate) instance: Instance,
    _server: Server,
}

impl Networked {
    pub(crate) fn make() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let hsm = directory.path().join("hsm");
        let profile = Arc::new(Profile::built_in(profile::DEFAULT)?);
        Appliance::manufacture(&hsm, &blueprint(&profile, "100007", SERIAL)?)?;
        let server = Server::start(&Options {
            directory: &hsm,
            listen: "127.0.0.1:0".parse()?,
            hosts: &["localhost".to_owned()],
            durability: Durability::Process,
            limits: Limits::default(),
        })?;
        let files = ClientFiles::of(directory.path(), "bench");
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let made = certificate::make("bench", &[], 10, now_s)?;
        made.save(&files.certificate, &files.key)?;
        order(&hsm, &Order::RegisterClient("bench".into(), made.certificate.clone()))?;
        order(&hsm, &Order::Assign("bench".into(), SERIAL.parse()?))?;
        let mut conf = Conf::empty(directory.path().join(chrystoki_conf::FILE_NAME));
        for (key, value) in [
            ("ServerName00", server.address().ip().to_string()),
            ("ServerPort00", server.address().port().to_string()),
            ("ClientCertFile", files.certificate.display().to_string()),
            ("ClientPrivKeyFile", files.key.display().to_string()),
            ("ServerCAFile", server_certificate(&hsm).display().to_string()),
        ] {
            conf.set("LunaSA Client", key, &value)?;
        }
        std::fs::write(conf.file(), conf.to_text())?;
        Ok(Self { instance: Instance::of_client(directory)?, _server: server })
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
