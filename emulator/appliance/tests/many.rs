//! A thousand clients with ten sessions each, on one appliance, in bounded memory.
//!
//! Both sides are in this process, so that the figure is an upper bound of the appliance's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "certificates begin today")]

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use emulator::ck::SessionHandle;
use emulator::hsm::store::Durability;
use emulator::hsm::{Appliance, Blueprint, PartitionBlueprint, Roles};
use emulator::network::channel::{Arrival, Channel};
use emulator::network::protocol::{Asking, Hello, Message, Welcome};
use emulator::network::tls;
use emulator::profile::{self, Profile};
use emulator::wire::{ApplicationId, Pin, Reply, Request};
use luna_appliance::desk::{Order, server_certificate};
use luna_appliance::limits::Limits;
use luna_appliance::{Options, Server, certificate, order};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use zeroize::Zeroizing;

const CLIENTS: u8 = 250;
const PROCESSES_OF_CLIENT: u8 = 4;
const SESSIONS_OF_PROCESS: u64 = 10;
const BOUND_MIB: u64 = 500;

fn manufacture(directory: &Path) {
    let pin = |text: &str| Pin::new(text.as_bytes());
    let plan = Blueprint {
        serial: "123456".into(),
        profile: Arc::new(Profile::built_in(profile::DEFAULT).unwrap()),
        authentication: None,
        hsm_so: None,
        policies: Vec::new(),
        created: 1,
        partitions: vec![PartitionBlueprint {
            serial: "1000000000001".into(),
            policies: Vec::new(),
            roles: Some(Roles {
                label: "many".into(),
                domain: pin("domain"),
                partition_so: pin("partition-so"),
                crypto_officer: pin("crypto-officer"),
                crypto_user: None,
            }),
        }],
    };
    Appliance::manufacture(directory, &plan).unwrap();
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn frame(channel: &mut Channel) {
    while channel.receive().unwrap() != Arrival::Frame {}
}

fn ask(channel: &mut Channel, session: u64, request: &Request<'_>) -> Reply {
    let mut outgoing = Zeroizing::default();
    Asking { partition: 1_000_000_000_001, session, request }.write(&mut outgoing);
    channel.send(&mut outgoing).unwrap();
    frame(channel);
    match Message::read(channel.frame()).unwrap() {
        Message::Answer { outcome, .. } => outcome.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn connect(server: &Server, tls: &Arc<rustls::ClientConfig>, process: u8) -> Channel {
    let socket = TcpStream::connect(server.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::clone(tls), name).unwrap();
    let mut channel = Channel::new(Arc::new(socket), connection);
    while !channel.shake_hands().unwrap() {}
    let application = ApplicationId::of_process(process.into());
    let hello =
        Hello { instance: [process; 16], epoch: 0, join: false, application, credential: None };
    channel.send(&mut hello.to_frame()).unwrap();
    frame(&mut channel);
    assert_eq!(Welcome::read(channel.frame()).unwrap().partitions, [1_000_000_000_001]);
    channel
}

#[test]
fn a_thousand_clients_with_ten_sessions_each() {
    let folder = tempfile::tempdir().unwrap();
    let hsm = folder.path().join("hsm");
    manufacture(&hsm);
    let server = Server::start(&Options {
        directory: &hsm,
        listen: "127.0.0.1:0".parse().unwrap(),
        hosts: &["localhost".into()],
        durability: Durability::Process,
        // A busy machine takes its time over a thousand handshakes.
        limits: Limits { patience: Duration::from_secs(60), ..Limits::default() },
    })
    .unwrap();
    let before = resident_mib();
    let mut channels = Vec::new();
    for client in 0..CLIENTS {
        let name = format!("client{client}");
        let (certificate, key) = (
            folder.path().join(format!("{name}.pem")),
            folder.path().join(format!("{name}Key.pem")),
        );
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let made = certificate::make(&name, &[], 10, now.as_secs()).unwrap();
        made.save(&certificate, &key).unwrap();
        order(&hsm, &Order::RegisterClient(name.clone(), made.certificate.clone())).unwrap();
        order(&hsm, &Order::Assign(name, 1_000_000_000_001)).unwrap();
        let tls = tls::client(&tls::Identity {
            certificate: &certificate,
            key: &key,
            servers: &server_certificate(&hsm),
            validate_host: false,
        })
        .unwrap();
        for process in 0..PROCESSES_OF_CLIENT {
            let mut channel = connect(&server, &tls, process);
            for _ in 0..SESSIONS_OF_PROCESS {
                let application = ApplicationId::of_process(process.into());
                let open = Request::OpenSession { application, read_write: true };
                let Reply::Session(session) = ask(&mut channel, 0, &open) else {
                    panic!("no session")
                };
                // Each is used once, so that what a first use takes is counted too.
                let random = Request::Random(SessionHandle(0), 16);
                assert!(matches!(ask(&mut channel, session.0, &random), Reply::Bytes(_)));
            }
            channels.push(channel);
        }
    }
    let processes = usize::from(CLIENTS) * usize::from(PROCESSES_OF_CLIENT);
    let sessions = processes * usize::try_from(SESSIONS_OF_PROCESS).unwrap();
    assert_eq!(server.count(), (processes, sessions));
    let now = resident_mib();
    println!(
        "{processes} client processes with {sessions} sessions: {now} MiB for both sides, {before} before"
    );
    assert!(now < BOUND_MIB, "{now} MiB");
    drop(channels);
    server.stop();
}
