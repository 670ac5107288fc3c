//! Bytes that no client sends, and clients that are too slow or too many: each costs itself its connection,
//! and nobody else anything.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use luna_tests::{HANG, first_slot, officer};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::field::Field;
use crate::peer::{Certificate, Peer, call, frame, hello, next_frame, welcomed};

/// Whether the other side has ended the connection, within the time that anything may take.
#[track_caller]
fn assert_ended(peer: &mut impl Read) {
    let started = Instant::now();
    let mut rest = [0; 4096];
    loop {
        match peer.read(&mut rest) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the appliance keeps the connection: {error}")
            }
            Err(_) => return,
        }
        assert!(started.elapsed() < HANG, "the appliance talks on and on");
    }
}

/// The appliance still does what it is for.
#[track_caller]
fn assert_served(field: &Field) {
    let context = field.context();
    let session = officer(&context, first_slot(&context));
    assert_eq!(session.random(16).unwrap().len(), 16);
    context.finalize().unwrap();
}

#[test]
fn bytes_that_are_not_tls() {
    let field = Field::of(1);
    let address = field.appliances[0].address();
    let mut runner =
        TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&proptest::collection::vec(any::<u8>(), 1..600), |bytes| {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(HANG)).unwrap();
            let _ = socket.write_all(&bytes);
            // What is no record of TLS is refused at once, and what may become one by and by.
            let _ = socket.shutdown(std::net::Shutdown::Write);
            assert_ended(&mut socket);
            Ok(())
        })
        .unwrap();
    assert_served(&field);
}

#[test]
fn frames_that_are_no_requests() {
    let field = Field::of(1);
    let address = field.appliances[0].address();
    let server = field.appliances[0].directory().join("appliance/server.pem");
    let own = Certificate::of_client(&field.client);
    let serial: u64 = field.serials[0].parse().unwrap();
    let mut runner =
        TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let bodies = (any::<bool>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..300));
    runner
        .run(&bodies, |(addressed, process, rest)| {
            let mut peer = welcomed(address, &own, &server, process);
            let mut body = Vec::new();
            if addressed {
                // Far enough into a request that the rest is taken for one.
                varint(serial, &mut body);
                body.push(0);
            }
            body.extend_from_slice(&rest);
            peer.write_all(&frame(&body)).unwrap();
            // Some bytes are a request; it is answered. Others end the connection.
            if let Ok(answer) = next_frame(&mut peer) {
                assert!(!answer.is_empty());
            }
            Ok(())
        })
        .unwrap();
    assert_served(&field);
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
}

#[test]
fn first_frames_that_are_no_hello() {
    let field = Field::of(1);
    let address = field.appliances[0].address();
    let server = field.appliances[0].directory().join("appliance/server.pem");
    let own = Certificate::of_client(&field.client);
    for body in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"LUNAEM", b"LUNAEM\x02\x00\xff\xff"] {
        let mut peer = call(address, &own, &server).unwrap();
        peer.write_all(&frame(body)).unwrap();
        assert_ended(&mut peer);
    }
    assert_served(&field);
}

#[test]
fn a_claimed_length_is_not_believed() {
    let field = Field::of(1);
    let address = field.appliances[0].address();
    let server = field.appliances[0].directory().join("appliance/server.pem");
    let own = Certificate::of_client(&field.client);
    let before = resident_kib(field.appliances[0].pid());
    // Far beyond the bound: refused at once.
    let mut peer = welcomed(address, &own, &server, 1);
    peer.write_all(&u32::MAX.to_le_bytes()).unwrap();
    assert_ended(&mut peer);
    // Within it, a hundred times eight megabytes, and nothing comes.
    let claims: Vec<Peer> = (0..100)
        .map(|process| {
            let mut peer = welcomed(address, &own, &server, process);
            peer.write_all(&(8_u32 << 20).to_le_bytes()).unwrap();
            peer
        })
        .collect();
    assert_served(&field);
    let grown = resident_kib(field.appliances[0].pid()).saturating_sub(before);
    assert!(grown < 100 * 1024, "{grown} KiB for claims of 800 MiB");
    drop(claims);
}

#[test]
fn a_frame_that_does_not_end_is_not_waited_for() {
    let field = Field::of(1);
    let address = field.appliances[0].address();
    let server = field.appliances[0].directory().join("appliance/server.pem");
    let own = Certificate::of_client(&field.client);
    let mut cut_off = welcomed(address, &own, &server, 1);
    cut_off.write_all(&frame(&[1; 64])[..20]).unwrap();
    // The other one sends a byte now and then, for ever if it is let.
    let mut slow = welcomed(address, &own, &server, 2);
    let started = Instant::now();
    let mut sent = 0;
    while slow.write_all(&frame(&[1; 5000])[sent..=sent]).and_then(|()| slow.flush()).is_ok() {
        sent += 1;
        assert!(started.elapsed() < HANG, "it takes {sent} bytes in {:?}", started.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_ended(&mut cut_off);
    assert_served(&field);
    let log = field.appliances[0].log();
    assert!(log.iter().any(|line| line.contains("a request that did not end")), "{log:#?}");
}

#[test]
fn strangers_that_only_connect_displace_themselves() {
    let field = Field::of(1);
    let address = field.appliances[0].address();
    let context = field.context();
    let session = officer(&context, first_slot(&context));
    let mut strangers = Vec::new();
    for _ in 0..600 {
        strangers.push(TcpStream::connect(address).unwrap());
    }
    // Whoever is in stays in, and whoever has a certificate gets in.
    assert_eq!(session.random(16).unwrap().len(), 16);
    drop(session);
    context.finalize().unwrap();
    assert_served(&field);
    // The oldest were sent away long before their time was over.
    let mut first = strangers.swap_remove(0);
    first.set_read_timeout(Some(HANG)).unwrap();
    assert_ended(&mut first);
}

#[test]
fn more_connections_than_one_client_may_have() {
    let mut field = Field::of(1);
    field.appliances[0].stop();
    let directory = field.appliances[0].directory().to_owned();
    let address = field.appliances[0].address().to_string();
    let limit = ["--max-connections-of-client", "3"];
    field.appliances[0] = luna_tests::Appliance::serve_on(&directory, &address, &limit);
    let context = field.context();
    let slot = first_slot(&context);
    let first = officer(&context, slot);
    // Eight threads make do with three connections.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let session = officer(&context, slot);
                for _ in 0..20 {
                    session.random(64).unwrap();
                }
            });
        }
    });
    first.random(16).unwrap();
    let server = directory.join("appliance/server.pem");
    let own = Certificate::of_client(&field.client);
    let others: Vec<Peer> = (0..3)
        .map_while(|process| {
            let mut peer = call(address.parse().unwrap(), &own, &server).unwrap();
            peer.write_all(&hello(process)).unwrap();
            next_frame(&mut peer).is_ok_and(|answer| answer[8] == 1).then_some(peer)
        })
        .collect();
    assert!(others.len() < 3, "{} connections beyond the bound", others.len());
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
