//! Client processes: their connections, their sessions, and what is over when they are gone.
//!
//! A session belongs to the process that opened it: no other can name it, whatever number it
//! guesses. When the last connection of a process ends, its sessions end, and with the last
//! session of an application its login, as on the real appliance (roles.md section 6, Documented).

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use emulator::ck::SessionHandle;
use emulator::error::{Cause, Error};
use emulator::fault::Gate;
use emulator::hsm::{Partition, Seated};
use emulator::network::protocol::{Hello, Refusal};
use emulator::wire::{ApplicationId, Belonging, Fault, Reply, Request, Sharing};
use parking_lot::{Mutex, RwLock};
use ring::digest::{Context, SHA256};
use rustc_hash::FxHashMap;

use crate::certificate::Fingerprint;
use crate::limits::Limits;

/// What is told of a client by the register when it connects.
#[derive(Clone)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its certificate.
    pub fingerprint: Fingerprint,
    /// What it sees.
    pub partitions: FxHashMap<u64, Arc<Partition>>,
}

/// A client process.
pub struct Association {
    client: Known,
    instance: [u8; 16],
    epoch: u64,
    /// The application that is this process's own; see [`Association::application`].
    own: ApplicationId,
    most_sessions: usize,
    /// The HSM's restarts when it began: a later one has closed its sessions.
    restarts: u64,
    sessions: RwLock<FxHashMap<(u64, u64), Arc<Seat>>>,
    over: AtomicBool,
}

struct Seat {
    partition: Arc<Partition>,
    seated: Seated,
    /// The application, as its client names it.
    named: ApplicationId,
}

/// Every client process that is connected.
#[derive(Default)]
pub struct Associations(Mutex<State>);

#[derive(Default)]
struct State {
    by_process: FxHashMap<(Fingerprint, [u8; 16]), Group>,
    /// Connections of a certificate.
    of_client: FxHashMap<Fingerprint, usize>,
}

struct Group {
    association: Arc<Association>,
    connections: usize,
}

impl Associations {
    /// Takes a connection in. Where the process says that it lost the appliance since, its older
    /// association is given back, to be ended.
    ///
    /// # Errors
    /// When the client has too many connections, or names an association that is over.
    pub fn enter(
        &self,
        client: &Known,
        hello: &Hello,
        limits: &Limits,
        restarts: u64,
    ) -> Result<(Arc<Association>, Option<Arc<Association>>), Refusal> {
        let refused = |busy, reason: String| Err(Refusal { busy, reason });
        let mut state = self.0.lock();
        let State { by_process, of_client } = &mut *state;
        let connections = of_client.entry(client.fingerprint).or_default();
        if *connections >= limits.connections_of_client {
            return refused(true, format!("client {} has {connections} connections", client.name));
        }
        let mut older = None;
        let fresh = || Arc::new(Association::new(client.clone(), hello, limits, restarts));
        let association = match by_process.entry((client.fingerprint, hello.instance)) {
            Entry::Occupied(mut there) => {
                let group = there.get_mut();
                if hello.join {
                    if group.association.epoch != hello.epoch {
                        return refused(false, "the connections of that process were lost".into());
                    }
                    group.connections += 1;
                } else if group.association.epoch > hello.epoch {
                    return refused(false, "the process has connected anew since".into());
                } else {
                    let new = Group { association: fresh(), connections: 1 };
                    older = Some(std::mem::replace(group, new).association);
                }
                Arc::clone(&group.association)
            }
            Entry::Vacant(_) if hello.join => {
                return refused(false, "the connections of that process were lost".into());
            }
            Entry::Vacant(place) => {
                let new = Group { association: fresh(), connections: 1 };
                Arc::clone(&place.insert(new).association)
            }
        };
        *connections += 1;
        Ok((association, older))
    }

    /// A connection has ended; with the last one its association is over.
    pub fn leave(&self, association: &Arc<Association>) {
        let key = (association.client.fingerprint, association.instance);
        let mut state = self.0.lock();
        if let Some(count) = state.of_client.get_mut(&key.0) {
            *count -= 1;
            if *count == 0 {
                state.of_client.remove(&key.0);
            }
        }
        if let Entry::Occupied(mut there) = state.by_process.entry(key)
            && Arc::ptr_eq(&there.get().association, association)
        {
            there.get_mut().connections -= 1;
            if there.get().connections > 0 {
                return;
            }
            there.remove();
        }
        drop(state);
        association.end();
    }

    /// Client processes and sessions, for the journal and for tests.
    pub fn count(&self) -> (usize, usize) {
        let state = self.0.lock();
        let sessions = state.by_process.values().map(|it| it.association.sessions.read().len());
        (state.by_process.len(), sessions.sum())
    }
}

impl Association {
    fn new(client: Known, hello: &Hello, limits: &Limits, restarts: u64) -> Self {
        Self {
            client,
            instance: hello.instance,
            epoch: hello.epoch,
            own: hello.application,
            most_sessions: limits.sessions_of_process,
            restarts,
            sessions: RwLock::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Whose it is.
    pub fn client(&self) -> &Known {
        &self.client
    }

    /// Closes its sessions. Those that a request under way opens are closed by that request.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        let sessions: Vec<_> = self.sessions.write().drain().collect();
        for ((_, handle), seat) in sessions {
            close(&seat.partition, handle);
        }
    }

    /// Asks a partition on behalf of the process: the count of changes, and what came of it.
    ///
    /// # Errors
    /// While the HSM is cut off, and what a fault plan provokes: the connection is to end with it.
    pub fn ask(
        &self,
        gate: &Gate,
        partition: u64,
        session: u64,
        request: &Request<'_>,
    ) -> Result<(u64, Result<Reply, Error>), Fault> {
        let Some(partition) = self.client.partitions.get(&partition) else {
            let client = &self.client.name;
            let why = format!("partition {partition} is not assigned to client {client}");
            return Ok((NOT_KEPT, Err(Error::new(Cause::TokenNotPresent, why))));
        };
        let presence = gate.presence();
        if !presence.reachable || presence.epoch != self.restarts {
            return Err(Fault::Unreachable("the HSM is cut off, or was".into()));
        }
        let before = partition.changes();
        let serve = || self.serve(partition, session, request);
        let outcome = match gate.pass(partition.serial(), request, serve) {
            Ok(reply) => Ok(reply),
            Err(Fault::Refused(error)) => Err(error),
            Err(lost) => return Err(lost),
        };
        // What may begin is true as of before; what has changed is true as of after. While a plan
        // is in force every call is to meet it, so that nothing is kept.
        let changes = match request {
            Request::Check(_) if !gate.is_open() => NOT_KEPT,
            Request::Check(_) => before.saturating_add(1),
            _ => partition.changes().saturating_add(1),
        };
        Ok((changes, outcome))
    }

    fn serve(
        &self,
        partition: &Arc<Partition>,
        session: u64,
        request: &Request<'_>,
    ) -> Result<Reply, Error> {
        match request {
            Request::OpenSession { application, read_write } => {
                self.open(partition, *application, *read_write)
            }
            Request::CloseSession(_) => {
                let key = (number(partition), session);
                self.sessions.write().remove(&key).ok_or_else(no_session)?;
                partition.handle(&Request::CloseSession(SessionHandle(session)))
            }
            Request::Sharing(Sharing::Open(id)) => {
                partition.handle(&Request::Sharing(Sharing::Open(self.application(*id))))
            }
            Request::Sharing(Sharing::Close(id)) => {
                partition.handle(&Request::Sharing(Sharing::Close(self.application(*id))))
            }
            request if request.session().is_some() => {
                let key = (number(partition), session);
                let seat = self.sessions.read().get(&key).cloned().ok_or_else(no_session)?;
                match seat.seated.handle(request, None)? {
                    // The client knows its applications by its own names.
                    Reply::Belonging(belonging) => {
                        Ok(Reply::Belonging(Belonging { application: seat.named, ..belonging }))
                    }
                    reply => Ok(reply),
                }
            }
            request => partition.handle(request),
        }
    }

    fn open(
        &self,
        partition: &Arc<Partition>,
        application: ApplicationId,
        read_write: bool,
    ) -> Result<Reply, Error> {
        if self.sessions.read().len() >= self.most_sessions {
            return Err(Error::new(
                Cause::SessionCount,
                format!("the process has {} sessions on the appliance", self.most_sessions),
            ));
        }
        let named = application;
        let application = self.application(named);
        let reply = partition.handle(&Request::OpenSession { application, read_write })?;
        if let Reply::Session(handle) = &reply {
            let seated = partition.seat(*handle)?;
            let seat = Arc::new(Seat { partition: Arc::clone(partition), seated, named });
            self.sessions.write().insert((number(partition), handle.0), seat);
            if self.over.load(Ordering::SeqCst) {
                self.end();
            }
        }
        Ok(reply)
    }

    /// An application as the HSM knows it. The identity that a process has by default is its own,
    /// and never that of a process of another host that has the same number; one that was set
    /// (`CA_SetApplicationID`) is shared by the processes of one client (roles.md section 6,
    /// Documented), never by two clients.
    fn application(&self, named: ApplicationId) -> ApplicationId {
        let mut digest = Context::new(&SHA256);
        digest.update(&self.client.fingerprint);
        digest.update(&named.major.to_le_bytes());
        digest.update(&named.minor.to_le_bytes());
        digest.update(&[u8::from(named.named)]);
        if named == self.own {
            digest.update(&self.instance);
            digest.update(&self.epoch.to_le_bytes());
        }
        let digest = digest.finish();
        let mut words = digest
            .as_ref()
            .chunks_exact(8)
            .map(|word| word.try_into().map_or(0, u64::from_le_bytes));
        ApplicationId {
            major: words.next().unwrap_or_default(),
            minor: words.next().unwrap_or_default(),
            named: named.named,
        }
    }
}

/// A count of changes that no answer is true for any longer.
const NOT_KEPT: u64 = 0;

fn number(partition: &Partition) -> u64 {
    partition.serial().parse().unwrap_or(0)
}

fn close(partition: &Partition, handle: u64) {
    // One that is gone already went with its partition.
    let _ = partition.handle(&Request::CloseSession(SessionHandle(handle)));
}

fn no_session() -> Error {
    Error::new(Cause::SessionHandleInvalid, "the client process has no such session")
}
