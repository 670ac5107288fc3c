//! One appliance as this process reaches it: its connections, and whether it is there.
//!
//! **Association.** All connections of a process to an appliance belong together; sessions and
//! logins are theirs in common. When one of them breaks, or an answer does not come in
//! `ReceiveTimeout`, the appliance counts as lost: every connection is given up, the epoch goes
//! up by one, and sessions of the older epoch are gone. The appliance sees it the same way.
//!
//! **Pool.** A call takes a connection, asks, waits for the answer and puts the connection back.
//! Threads that call at the same time have connections of their own, up to a bound; beyond it
//! they wait for one.
//!
//! **Lost and found.** A partition that is asked makes a connection there and then. An HA group
//! does not ask members that are down; it looks at [`Remote::presence`], which goes on with a
//! connection in the making and never waits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use zeroize::{Zeroize, Zeroizing};

use crate::ck::SessionHandle;
use crate::crypto::random;
use crate::env::Clock;
use crate::error::{Cause, Error};
use crate::luna::config::ClientConfig;
use crate::mechanisms::broken;
use crate::network::channel::{Arrival, Channel, HEADER_BYTES, MAX_FRAME_BYTES};
use crate::network::dial::{Called, Dial, Failure, Number};
use crate::network::link::NetworkLink;
use crate::network::protocol::{Asking, Credential, Hello, Message, Welcome};
use crate::network::tls;
use crate::wire::{ApplicationId, Fault, Link, Presence, Reply, Request};

/// Connections of one process to one appliance; a Luna is at its best with about 30 threads
/// (performance.md section 2, Documented).
const MOST_CONNECTIONS: usize = 32;

/// How often an appliance that was lost is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How long a list of slots waits for an appliance that was lost.
const LIST_PATIENCE: Duration = Duration::from_secs(1);

/// How often somebody who asks all the time is answered from memory meanwhile.
const GLANCE_INTERVAL: Duration = Duration::from_millis(5);

/// One appliance.
pub(super) struct Remote {
    number: Number,
    instance: [u8; 16],
    application: ApplicationId,
    /// What the client of a cloud service shows instead of a certificate.
    credential: Option<Credential>,
    /// The most connections.
    most: usize,
    clock: Arc<dyn Clock>,
    epoch: AtomicU64,
    reachable: AtomicBool,
    /// See [`Link::tells_at_once`].
    pub(super) tells_at_once: bool,
    pool: Mutex<Pool>,
    /// A connection came back, or there is news of the association.
    news: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    /// Connections of this epoch that exist or are being made.
    open: usize,
    /// How many there may be; less than wanted where the appliance has no room.
    most: usize,
    /// The association stands.
    founded: bool,
    /// Somebody is about to found it.
    founding: bool,
    /// How an appliance that was lost is looked for.
    look: Option<Dial>,
    look_since: Option<Duration>,
    glanced: Duration,
    addresses: Vec<SocketAddr>,
}

/// A connection that stands, and its buffers.
struct Connection {
    channel: Channel,
    epoch: u64,
    /// Requests that were sent.
    asked: u64,
    outgoing: Zeroizing<Vec<u8>>,
}

/// An answer, and the count of changes it is true for.
pub(super) struct Answer {
    pub(super) epoch: u64,
    pub(super) changes: u64,
    pub(super) outcome: Result<Reply, Error>,
}

/// In which way an appliance is called.
pub(super) struct Manner {
    /// See [`Remote`].
    pub(super) credential: Option<Credential>,
    /// The most connections.
    pub(super) most: usize,
    /// See [`Link::tells_at_once`].
    pub(super) at_once: bool,
}

/// What came of calling the appliances of a configuration.
pub struct Connected {
    /// Links to the partitions that they serve, in the order of `ServerNameNN` and of serial
    /// numbers.
    pub links: Vec<Arc<dyn Link>>,
    /// The profile of the first that answered.
    pub profile: Option<String>,
    /// What did not work, for the log.
    pub complaints: Vec<String>,
}

impl Connected {
    /// And those of others behind them.
    pub fn and(mut self, others: Self) -> Self {
        self.links.extend(others.links);
        self.profile = self.profile.or(others.profile);
        self.complaints.extend(others.complaints);
        self
    }
}

/// Calls every appliance that the configuration names, all at the same time. One that does not
/// answer has no slots until the next `C_Initialize`, since nobody knows what it serves
/// (ha.md section 10, Documented for members of a group).
///
/// # Errors
/// When the crypto library has no random bytes.
pub fn connect(
    config: &ClientConfig,
    application: ApplicationId,
    clock: &Arc<dyn Clock>,
) -> crate::error::Result<Connected> {
    let mut connected = Connected { links: Vec::new(), profile: None, complaints: Vec::new() };
    let Some(network) = config.network.as_ref().filter(|it| !it.servers.is_empty()) else {
        return Ok(connected);
    };
    let identity = tls::Identity {
        certificate: &network.certificate,
        key: &network.key,
        servers: &network.server_certificates,
        validate_host: network.validate_host,
    };
    let tls = match tls::client(&identity) {
        Ok(tls) => tls,
        Err(why) => {
            connected.complaints.push(format!("LunaSA Client: {why}"));
            return Ok(connected);
        }
    };
    let mut remotes = Vec::new();
    for server in &network.servers {
        let number = Number {
            host: server.host.clone(),
            port: server.port,
            tls: Arc::clone(&tls),
            keep_alive: network.keep_alive,
            patience: network.receive_timeout,
        };
        let manner =
            Manner { credential: None, most: MOST_CONNECTIONS, at_once: network.recover_at_once };
        remotes.push(Remote::new(number, manner, application, clock)?);
    }
    let dials: Vec<_> = remotes.iter().map(|remote| remote.dial(false)).collect();
    for (remote, dial) in remotes.into_iter().zip(dials) {
        // The others go on meanwhile as far as the system takes them; each has its own patience,
        // counted from here, which the first to be silent uses up for all.
        let called =
            dial.and_then(|dial| dial.finish(&remote.number, &**clock, remote.number.patience));
        match called {
            Ok(Called { channel, welcome }) => {
                connected.profile.get_or_insert_with(|| welcome.profile.clone());
                connected.links.extend(remote.found(channel, &welcome));
            }
            Err(Failure::Away(why) | Failure::Busy(why)) => {
                connected.complaints.push(format!("appliance {}: {why}", remote.number.name()));
            }
        }
    }
    Ok(connected)
}

impl Remote {
    pub(super) fn new(
        number: Number,
        manner: Manner,
        application: ApplicationId,
        clock: &Arc<dyn Clock>,
    ) -> crate::error::Result<Arc<Self>> {
        let mut instance = [0; 16];
        random::fill(&mut instance).map_err(broken)?;
        let Manner { credential, most, at_once } = manner;
        Ok(Arc::new(Self {
            number,
            instance,
            application,
            credential,
            most,
            clock: Arc::clone(clock),
            epoch: AtomicU64::new(0),
            reachable: AtomicBool::new(false),
            tells_at_once: at_once,
            pool: Mutex::new(Pool { most, ..Pool::default() }),
            news: Condvar::new(),
        }))
    }

    /// Calls for the first time, and waits for what comes of it.
    pub(super) fn call(self: &Arc<Self>) -> Result<(Welcome, Vec<Arc<dyn Link>>), Failure> {
        let dial = self.dial(false)?;
        let Called { channel, welcome } =
            dial.finish(&self.number, &*self.clock, self.number.patience)?;
        let links = self.found(channel, &welcome);
        Ok((welcome, links))
    }

    /// The association stands by its first connection: links to the partitions there.
    fn found(self: &Arc<Self>, channel: Channel, welcome: &Welcome) -> Vec<Arc<dyn Link>> {
        let mut pool = self.pool.lock();
        pool.founded = true;
        pool.open = 1;
        pool.idle.push(Connection::new(channel, 0));
        self.reachable.store(true, Ordering::Release);
        drop(pool);
        let link = |serial: &u64| -> Arc<dyn Link> {
            Arc::new(NetworkLink::new(Arc::clone(self), *serial))
        };
        welcome.partitions.iter().map(link).collect()
    }

    fn hello(&self, join: bool) -> Hello {
        Hello {
            instance: self.instance,
            epoch: self.epoch(),
            join,
            application: self.application,
            credential: self.credential.clone(),
        }
    }

    fn dial(&self, join: bool) -> Result<Dial, Failure> {
        let addresses = self.number.addresses()?;
        self.pool.lock().addresses.clone_from(&addresses);
        Dial::begin(&self.number, addresses, &self.hello(join))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether the association of that epoch stands, as far as is known.
    pub(super) fn is_in(&self, epoch: u64) -> bool {
        self.epoch() == epoch && self.reachable.load(Ordering::Acquire)
    }

    /// See [`Link::presence`].
    pub(super) fn presence(&self) -> Presence {
        if !self.reachable.load(Ordering::Acquire) {
            self.glance();
        }
        Presence { reachable: self.reachable.load(Ordering::Acquire), epoch: self.epoch() }
    }

    /// See [`Link::is_there`]. Does not wait as long as a call would: who asks for a list of slots
    /// wants to know what there is now.
    pub(super) fn is_there(&self) -> bool {
        if !self.presence().reachable {
            let pool = self.pool.lock();
            if !pool.founded {
                // Whoever founds it meanwhile has the answer too.
                drop(self.found_anew(pool, LIST_PATIENCE.min(self.number.patience)));
            }
        }
        self.presence().reachable
    }

    /// Goes on with the search for an appliance that was lost, without waiting for anything.
    fn glance(&self) {
        let Some(mut pool) = self.pool.try_lock() else { return };
        let now = self.clock.now();
        if pool.founded || pool.founding || now < pool.glanced {
            return;
        }
        pool.glanced = now.saturating_add(GLANCE_INTERVAL);
        if let Some(mut dial) = pool.look.take() {
            match dial.step(&self.number) {
                Ok(None) => {
                    let since = pool.look_since.unwrap_or_default();
                    if now.saturating_sub(since) < self.number.patience {
                        pool.look = Some(dial);
                    }
                }
                Ok(Some(called)) => {
                    pool.founded = true;
                    pool.open = 1;
                    pool.idle.push(Connection::new(called.channel, self.epoch()));
                    self.reachable.store(true, Ordering::Release);
                    self.news.notify_all();
                }
                Err(_) => {}
            }
            return;
        }
        let due = pool.look_since.is_none_or(|last| now.saturating_sub(last) >= LOOK_INTERVAL);
        if due {
            pool.look_since = Some(now);
            let addresses = pool.addresses.clone();
            pool.look = Dial::begin(&self.number, addresses, &self.hello(false)).ok();
        }
    }

    /// Asks a partition, in a session of that epoch or in none.
    ///
    /// # Errors
    /// `Unreachable` while it is certain that the appliance has not heard a request it could carry
    /// out; `Lost` after that; `Refused` for a session whose connection was lost.
    pub(super) fn ask(
        &self,
        partition: u64,
        session: Option<(u64, SessionHandle)>,
        request: &Request<'_>,
    ) -> Result<Answer, Fault> {
        let mut connection = self.take(session.map(|(epoch, _)| epoch))?;
        let session = session.map_or(0, |(_, handle)| handle.0);
        Asking { partition, session, request }.write(&mut connection.outgoing);
        if connection.outgoing.len() > MAX_FRAME_BYTES + HEADER_BYTES {
            connection.outgoing = Zeroizing::default();
            self.give_back(connection);
            return Err(Fault::Refused(Error::new(
                Cause::DataLenRange,
                format!(
                    "{MAX_FRAME_BYTES} bytes in one call are the most that goes over the network"
                ),
            )));
        }
        match connection.ask() {
            Ok(answer) => {
                self.give_back(connection);
                Ok(answer)
            }
            Err(fault) => {
                self.lose(connection.epoch);
                let name = self.number.name();
                Err(match fault {
                    Fault::Unreachable(why) => {
                        Fault::Unreachable(format!("appliance {name}: {why}"))
                    }
                    Fault::Lost(why) => Fault::Lost(format!("appliance {name}: {why}")),
                    refused @ Fault::Refused(_) => refused,
                })
            }
        }
    }

    /// A connection that nobody else uses.
    fn take(&self, wanted: Option<u64>) -> Result<Connection, Fault> {
        let mut pool = self.pool.lock();
        loop {
            let epoch = self.epoch();
            if wanted.is_some_and(|wanted| wanted != epoch) {
                return Err(session_gone());
            }
            if let Some(connection) = pool.idle.pop() {
                if connection.channel.is_quiet() {
                    return Ok(connection);
                }
                drop(pool);
                self.lose(epoch);
                if wanted.is_some() {
                    return Err(self.unreachable("it closed the connection"));
                }
                pool = self.pool.lock();
            } else if !pool.founded {
                pool = self.found_anew(pool, self.number.patience)?;
            } else if pool.open < pool.most {
                pool = match self.add(pool, epoch)? {
                    Added::Here(connection) => return Ok(*connection),
                    Added::Look(pool) => pool,
                };
            } else if self.news.wait_for(&mut pool, self.number.patience).timed_out() {
                let most = pool.most;
                return Err(self.unreachable(&format!("all {most} connections are in use")));
            }
        }
    }

    /// Founds the association again after a loss, or waits for whoever is doing so.
    fn found_anew<'a>(
        &'a self,
        mut pool: MutexGuard<'a, Pool>,
        patience: Duration,
    ) -> Result<MutexGuard<'a, Pool>, Fault> {
        if pool.founding {
            self.news.wait(&mut pool);
            return Ok(pool);
        }
        pool.founding = true;
        pool.look = None;
        drop(pool);
        let called =
            self.dial(false).and_then(|dial| dial.finish(&self.number, &*self.clock, patience));
        let mut pool = self.pool.lock();
        pool.founding = false;
        self.news.notify_all();
        match called {
            Ok(called) => {
                pool.founded = true;
                pool.open = 1;
                pool.most = self.most;
                pool.idle.push(Connection::new(called.channel, self.epoch()));
                self.reachable.store(true, Ordering::Release);
                Ok(pool)
            }
            Err(Failure::Away(why) | Failure::Busy(why)) => {
                pool.look_since = Some(self.clock.now());
                Err(self.unreachable(&why))
            }
        }
    }

    /// Another connection of the association.
    fn add<'a>(&'a self, mut pool: MutexGuard<'a, Pool>, epoch: u64) -> Result<Added<'a>, Fault> {
        pool.open += 1;
        drop(pool);
        let patience = self.number.patience;
        let called =
            self.dial(true).and_then(|dial| dial.finish(&self.number, &*self.clock, patience));
        match called {
            Ok(called) => Ok(Added::Here(Box::new(Connection::new(called.channel, epoch)))),
            Err(Failure::Busy(why)) => {
                let mut pool = self.pool.lock();
                if self.epoch() == epoch {
                    pool.open -= 1;
                    if pool.open == 0 {
                        return Err(self.unreachable(&why));
                    }
                    pool.most = pool.open;
                }
                Ok(Added::Look(pool))
            }
            Err(Failure::Away(why)) => {
                self.lose(epoch);
                Err(self.unreachable(&why))
            }
        }
    }

    fn give_back(&self, connection: Connection) {
        let mut pool = self.pool.lock();
        // One of an older association is dropped, and closed by that.
        if connection.epoch == self.epoch() {
            pool.idle.push(connection);
            drop(pool);
            self.news.notify_one();
        }
    }

    /// The association of that epoch is over, unless that was known.
    fn lose(&self, epoch: u64) {
        let mut pool = self.pool.lock();
        if self.epoch() != epoch {
            return;
        }
        self.reachable.store(false, Ordering::Release);
        self.epoch.store(epoch.wrapping_add(1), Ordering::Release);
        pool.founded = false;
        pool.open = 0;
        pool.look = None;
        pool.look_since = Some(self.clock.now());
        let idle = std::mem::take(&mut pool.idle);
        drop(pool);
        self.news.notify_all();
        drop(idle);
    }

    fn unreachable(&self, why: &str) -> Fault {
        Fault::Unreachable(format!("appliance {}: {why}", self.number.name()))
    }
}

enum Added<'a> {
    Here(Box<Connection>),
    /// There is no room for it: another has to come back.
    Look(MutexGuard<'a, Pool>),
}

/// A session of an older epoch.
pub(super) fn session_gone() -> Fault {
    Fault::Refused(Error::new(
        Cause::SessionHandleInvalid,
        "the connection to the appliance was lost, and the session with it",
    ))
}

impl Connection {
    fn new(channel: Channel, epoch: u64) -> Self {
        Self { channel, epoch, asked: 0, outgoing: Zeroizing::default() }
    }

    /// Sends what is in `outgoing` and waits for the answer.
    fn ask(&mut self) -> Result<Answer, Fault> {
        if let Err(error) = self.channel.send(&mut self.outgoing) {
            return Err(Fault::Unreachable(format!("the request could not be sent: {error}")));
        }
        self.asked += 1;
        self.outgoing.zeroize();
        loop {
            match self.channel.receive() {
                Ok(Arrival::Part) => continue,
                Ok(Arrival::Frame) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Err(Fault::Lost("it was silent for ReceiveTimeout".into()));
                }
                Err(error) => return Err(Fault::Lost(tls::explain(&error))),
            }
            match Message::read(self.channel.frame()) {
                Ok(Message::Answer { changes, outcome }) => {
                    return Ok(Answer { epoch: self.epoch, changes, outcome });
                }
                Ok(Message::Working) => {}
                Ok(Message::Bye { served }) if served < self.asked => {
                    return Err(Fault::Unreachable(
                        "it stops, and did not take the request".into(),
                    ));
                }
                Ok(Message::Bye { .. }) => return Err(Fault::Lost("it stopped".into())),
                Err(_) => return Err(Fault::Lost("its answer is damaged".into())),
            }
        }
    }
}
