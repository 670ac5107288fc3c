//! Answers other nodes, a thread a connection. Who shows the certificate of a node is that node; who shows another one may
//! only ask what a candidate must know, and prove the recovery passphrase.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use super::identity;
use super::link;
use super::replication::Replication;
use super::wire::{
    self, Candidate, Hello, LONGEST, LONGEST_OF_STRANGERS, Pushed, Request, Response, Seeding, Word,
};
use super::{NodeStatus, Standing};
use crate::seal;

/// Connections at once; more are hung up on.
const MOST: usize = 64;

/// How long somebody with a wrong passphrase waits.
const PENALTY: Duration = Duration::from_secs(1);

/// What puts a seed in place; the error is for people.
pub(crate) type Plant = dyn Fn(&Seeding) -> Result<(), String> + Send + Sync;

/// Seconds since 1970.
pub(crate) fn time_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

/// Begins to answer; the threads end with the process.
pub(crate) fn start(
    replication: &Arc<Replication>,
    listener: TcpListener,
    plant: Arc<Plant>,
) -> Result<(), String> {
    let config = link::server_config(&replication.identity)?;
    let replication = Arc::clone(replication);
    let open = Arc::new(AtomicUsize::new(0));
    let accept = move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Out of descriptors, most likely: others must end first.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            if open.load(Ordering::Relaxed) >= MOST {
                continue;
            }
            open.fetch_add(1, Ordering::Relaxed);
            let (replication, config) = (Arc::clone(&replication), Arc::clone(&config));
            let (plant, open) = (Arc::clone(&plant), Arc::clone(&open));
            let _ = std::thread::Builder::new().name("okv-node".into()).spawn(move || {
                if let Err(error) = answer(&replication, stream, &config, plant.as_ref()) {
                    // To the server's terminal: the other hears only that it was hung up on.
                    eprintln!("okv-sim: a node's connection ended: {error}");
                }
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    };
    let named = std::thread::Builder::new().name("okv-nodes".into());
    named.spawn(accept).map(drop).map_err(|error| error.to_string())
}

fn answer(
    replication: &Replication,
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    plant: &Plant,
) -> std::io::Result<()> {
    let (shown, mut tls) = link::accept(stream, config)?;
    let challenge: [u8; 32] = seal::random().map_err(|_| std::io::Error::other("no randomness"))?;
    let longest = if is_known(replication, &shown) { LONGEST } else { LONGEST_OF_STRANGERS };
    while let Some(request) = wire::receive(&mut tls, longest)? {
        let reply = reply(replication, &shown, &challenge, request, plant);
        let response = reply.unwrap_or_else(|why| Response::Refused { why });
        wire::send(&mut tls, &response)?;
    }
    Ok(())
}

fn same(pem: &str, shown: &CertificateDer<'_>) -> bool {
    identity::read_pem(pem).is_ok_and(|known| known.as_ref() == shown.as_ref())
}

/// Whether it is a node's certificate, or the controller's this candidate waits for.
fn is_known(replication: &Replication, shown: &CertificateDer<'_>) -> bool {
    let store = &replication.view.store;
    match store.standing() {
        Ok(Standing::Candidate(candidacy)) => same(&candidacy.controller_certificate, shown),
        Ok(Standing::Member(_)) => {
            store.nodes().is_ok_and(|nodes| nodes.iter().any(|node| same(&node.certificate, shown)))
        }
        _ => false,
    }
}

fn reply(
    replication: &Replication,
    shown: &CertificateDer<'_>,
    challenge: &[u8],
    request: Request,
    plant: &Plant,
) -> Result<Response, String> {
    let view = &replication.view;
    let failed = |error: crate::store::StoreError| error.to_string();
    let standing = view.store.standing().map_err(failed)?;
    match (request, standing) {
        (Request::Hello, Standing::Member(me)) => {
            let recovery = view.store.recovery().map_err(failed)?;
            Ok(Response::Hello(Hello {
                cluster_name: me.cluster_name,
                salt: recovery.salt,
                iterations: recovery.iterations,
                challenge: challenge.to_vec(),
                release: view.store.release().map_err(failed)?,
                time_s: time_s(),
            }))
        }
        (Request::Prove { proof }, Standing::Member(_)) => {
            if view.store.recovery().map_err(failed)?.is_proof(challenge, &proof) {
                return Ok(Response::Done);
            }
            std::thread::sleep(PENALTY);
            Err("the recovery passphrase of the cluster is another one".into())
        }
        (Request::Hello | Request::Prove { .. }, _) => {
            Err("the server there is no node of a cluster".into())
        }
        (Request::Look, Standing::Candidate(candidacy))
            if same(&candidacy.controller_certificate, shown) =>
        {
            let release = view.release().map_err(|error| error.to_string())?;
            let mode = view.store.mode().map_err(failed)?;
            let hsm = mode == crate::store::Mode::Enabled;
            let version = release.version;
            Ok(Response::Candidate(Candidate {
                release: release.name,
                version,
                hsm,
                time_s: time_s(),
            }))
        }
        (Request::Seed(seeding), Standing::Candidate(candidacy))
            if same(&candidacy.controller_certificate, shown) =>
        {
            plant(&seeding).map(|()| Response::Done)
        }
        (Request::Look | Request::Seed(_), Standing::Candidate(_)) => {
            Err("the candidate was given another controller's certificate".into())
        }
        (Request::Look | Request::Seed(_), _) => Err("the server there is no candidate".into()),
        (Request::Push(push), Standing::Member(_)) => {
            let nodes = view.store.nodes().map_err(failed)?;
            let from = nodes.iter().find(|node| node.id == push.from);
            let from = from.filter(|node| same(&node.certificate, shown));
            match from.map(|node| node.status) {
                None => return Err("the certificate is not that node's".into()),
                Some(NodeStatus::Deleted) => return Err("the node was deleted".into()),
                Some(NodeStatus::Disabled) => return Err("the node is disabled".into()),
                Some(_) => {}
            }
            if !view.is_open() {
                return Err("the wallet there is closed".into());
            }
            view.store.receive(&push.entries).map_err(failed)?;
            if !push.entries.is_empty() {
                replication.wake();
            }
            let marks = view.store.marks().map_err(failed)?;
            Ok(Response::Pushed(Pushed { marks, mode: Word(replication.mode()) }))
        }
        (Request::Push(_), _) => Err("the server there is no node of this cluster".into()),
    }
}
