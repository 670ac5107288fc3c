//! Who may not come in, and what is said to those who speak no KMIP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use luna_tests::{Instance, scratch};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::vault::Vault;
use crate::{RELEASE, Site, redeem, service};

#[test]
fn only_enrolled_endpoints_are_let_in() {
    let Some(site) = Site::new() else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let vault = site.vault(&instance);
    site.enrol(&vault, "hr_db");
    let created = site.tells("hr_db", &["create", "key"]);
    let (id, bytes) = created.split_once(' ').unwrap();

    service(&vault, "admin endpoint suspend", &["--endpoint", "hr_db"]);
    assert_eq!(site.refuses("hr_db", &["get", id]), "AUTHENTICATION_NOT_SUCCESSFUL");
    let said = vault.refuses(&["okv", "admin", "endpoint", "suspend", "--endpoint", "hr_db"]);
    assert!(said.contains("hr_db is SUSPENDED"), "{said}");
    service(&vault, "admin endpoint resume", &["--endpoint", "hr_db"]);
    assert_eq!(site.tells("hr_db", &["get", id]), bytes);

    // A new token: the old certificate is refused, the new one is the same endpoint's.
    let token = service(&vault, "admin endpoint re-enroll", &["--endpoint", "hr_db"]);
    assert_eq!(site.refuses("hr_db", &["get", id]), "AUTHENTICATION_NOT_SUCCESSFUL");
    std::fs::rename(site.directory("hr_db"), site.directory("old")).unwrap();
    redeem(&vault, token["enrollmentToken"].as_str().unwrap(), &site.directory("hr_db"));
    assert_eq!(site.tells("hr_db", &["get", id]), bytes);
    assert_eq!(site.refuses("old", &["get", id]), "AUTHENTICATION_NOT_SUCCESSFUL");

    service(&vault, "admin endpoint delete", &["--endpoint", "hr_db"]);
    assert_eq!(site.refuses("hr_db", &["get", id]), "AUTHENTICATION_NOT_SUCCESSFUL");
    // Another one of that name is another one.
    std::fs::rename(site.directory("hr_db"), site.directory("older")).unwrap();
    site.enrol(&vault, "hr_db");
    assert_eq!(site.refuses("hr_db", &["get", id]), "ITEM_NOT_FOUND");
    assert_eq!(site.refuses("older", &["get", id]), "AUTHENTICATION_NOT_SUCCESSFUL");
}

type Line = StreamOwned<ClientConnection, TcpStream>;

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// A connection with this certificate and key.
fn connect(
    vault: &Vault<'_>,
    authority: &[u8],
    own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
) -> Line {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        Some((certificate, key)) => config.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => config.with_no_client_auth(),
    };
    let socket = TcpStream::connect(&vault.kmip).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
}

fn enrolled(vault: &Vault<'_>, directory: &Path) -> Line {
    let certificate = CertificateDer::from_pem_slice(&read(&directory.join("ssl/cert.pem")));
    let key = PrivateKeyDer::from_pem_slice(&read(&directory.join("ssl/key.pem")));
    let own = Some((certificate.unwrap(), key.unwrap()));
    connect(vault, &read(&directory.join("ssl/CA.pem")), own)
}

/// What comes back until the other side hangs up.
fn answer(line: &mut Line, request: &[u8]) -> Vec<u8> {
    let _ = line.write_all(request).and_then(|()| line.flush());
    let mut answer = Vec::new();
    let _ = line.read_to_end(&mut answer);
    answer
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.replace(' ', "").as_bytes()).unwrap()
}

/// Whether the answer is a failure with this reason.
#[track_caller]
fn fails(answer: &[u8], reason: u8) {
    let mut wanted = hex("42007e05 00000004 000000");
    wanted.push(reason);
    let found = answer.windows(wanted.len()).any(|part| part == wanted);
    assert!(found, "no reason {reason} in {}", data_encoding::HEXLOWER.encode(answer));
}

/// A vault whose wallet the passphrase opens: what is asked here does not depend on an HSM.
fn opened<'a>(instance: &'a Instance, scratch: &Path) -> Vault<'a> {
    let vault = Vault::start(instance, &scratch.join("vault"), RELEASE);
    let made = service(&vault, "admin endpoint create", &["--endpoint", "ep"]);
    redeem(&vault, made["enrollmentToken"].as_str().unwrap(), &scratch.join("ep"));
    vault
}

/// Query, in KMIP 1.1.
const QUERY: &str = "42007801 00000070 \
    42007701 00000038 42006901 00000020 42006a02 00000004 00000001 00000000 \
    42006b02 00000004 00000001 00000000 42000d02 00000004 00000001 00000000 \
    42000f01 00000028 42005c05 00000004 00000018 00000000 42007901 00000010 \
    42007405 00000004 00000001 00000000";

#[test]
fn strangers_are_refused_before_they_can_ask() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let vault = opened(&instance, scratch.path());
    let directory = scratch.path().join("ep");
    let authority = read(&directory.join("ssl/CA.pem"));

    assert!(answer(&mut connect(&vault, &authority, None), &hex(QUERY)).is_empty());
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["ep".into()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    assert!(answer(&mut connect(&vault, &authority, Some((own, key))), &hex(QUERY)).is_empty());
    // The server's own certificate is not one to come in with.
    let identity = read(&scratch.path().join("vault/kmip/identity.pem"));
    let own = CertificateDer::from_pem_slice(&identity).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&identity).unwrap();
    assert!(answer(&mut connect(&vault, &authority, Some((own, key))), &hex(QUERY)).is_empty());
    // And no TLS at all.
    let mut plain = TcpStream::connect(&vault.kmip).unwrap();
    let _ = plain.write_all(&hex(QUERY));
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.windows(3).any(|part| part == hex("42007b")), "{said:?}");

    let mut line = enrolled(&vault, &directory);
    line.write_all(&hex(QUERY)).unwrap();
    let mut head = [0; 8];
    line.read_exact(&mut head).unwrap();
    assert_eq!(head[..3], hex("42007b"));
}

#[test]
fn what_is_no_request_is_answered_with_a_reason() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let vault = opened(&instance, scratch.path());
    let directory = scratch.path().join("ep");
    let invalid = 4;
    let asked = |request: &[u8]| answer(&mut enrolled(&vault, &directory), request);
    fails(&asked(b"GET / HTTP/1.1\r\n\r\n"), invalid);
    // More than a request may have, said at once: nobody waits for it to come.
    fails(&asked(&hex("42007801 7fffffff")), invalid);
    // Of every byte that can be changed, the server says something sensible or carries the request out.
    let good = hex(QUERY);
    for at in 8..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 0x81;
        let mut line = enrolled(&vault, &directory);
        line.write_all(&changed).unwrap();
        let mut head = [0; 8];
        line.read_exact(&mut head).unwrap_or_else(|error| panic!("byte {at}: {error}"));
        assert_eq!(head[..4], hex("42007b01"), "byte {at}");
    }
    // A version that is not spoken.
    let newer = QUERY.replace("42006b02 00000004 00000001", "42006b02 00000004 00000002");
    let mut line = enrolled(&vault, &directory);
    fails(&answer(&mut line, &hex(&newer)), invalid);
    // A batch of two that says it has one.
    let counted = QUERY.replace("42000d02 00000004 00000001", "42000d02 00000004 00000002");
    fails(&asked(&hex(&counted)), invalid);
}

/// Peers that shake no hands, and one that sends a byte and waits, stop nobody else.
#[test]
fn the_slow_and_the_many_stop_nobody() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let scratch = scratch();
    let vault = opened(&instance, scratch.path());
    let directory = scratch.path().join("ep");
    let silent: Vec<_> = (0..100).map(|_| TcpStream::connect(&vault.kmip).unwrap()).collect();
    let mut slow = enrolled(&vault, &directory);
    slow.write_all(&[0x42]).unwrap();
    slow.flush().unwrap();
    let mut line = enrolled(&vault, &directory);
    for _ in 0..3 {
        line.write_all(&hex(QUERY)).unwrap();
        let mut head = [0; 8];
        line.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(head[4..].try_into().unwrap());
        let mut rest = vec![0; usize::try_from(length).unwrap()];
        line.read_exact(&mut rest).unwrap();
    }
    drop(silent);
    // One endpoint has no more connections than it may have.
    let mut lines: Vec<_> = (0..70).map(|_| enrolled(&vault, &directory)).collect();
    let mut served = 0;
    for line in &mut lines {
        let mut head = [0; 8];
        let asked = line.write_all(&hex(QUERY)).and_then(|()| line.read_exact(&mut head));
        served += usize::from(asked.is_ok());
    }
    assert!((1..=64).contains(&served), "{served}");
    drop(lines);
    assert!(vault.tells(&["status"]).contains("NOT_ENABLED"));
}
