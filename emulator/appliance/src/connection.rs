//! One connection, from its handshake to its end, on a thread of its own.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emulator::error::{Cause, Error};
use emulator::network::channel::{Arrival, Channel};
use emulator::network::protocol::{Ask, Hello, Message, Misunderstood, Refusal, Welcome};
use emulator::wire::Fault;
use zeroize::Zeroizing;

use crate::association::{Association, Associations, Known};
use crate::certificate::{Fingerprint, fingerprint};
use crate::crowd::{Crowd, Member};
use crate::desk::{self, Desk};
use crate::limits::Limits;
use crate::trust;

/// What connections share.
pub(crate) struct Hall {
    pub(crate) desk: Desk,
    pub(crate) limits: Limits,
    pub(crate) associations: Associations,
    pub(crate) crowd: Crowd,
    /// The appliance takes no more requests.
    pub(crate) closing: AtomicBool,
}

/// Why a connection ended.
enum End {
    /// The client went, or was sent away.
    Gone,
    /// It did what clients do not do.
    Misbehaved(String),
}

impl desk::Hall for Hall {
    fn disconnect(&self, client: &Fingerprint) {
        self.crowd.end(|association| association.client().fingerprint == *client);
    }

    fn count(&self) -> (usize, usize) {
        self.associations.count()
    }
}

impl Hall {
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.desk.clock.now().as_millis()).unwrap_or(u64::MAX)
    }

    /// Serves a connection that the crowd has taken in.
    pub(crate) fn serve(&self, id: u64, member: &Arc<Member>, peer: SocketAddr) {
        let association = match self.introduce(id, member) {
            Ok(association) => association,
            Err(End::Gone) => return,
            Err(End::Misbehaved(why)) => {
                self.desk.journal.line(&format!("{peer}: refused: {why}"));
                return;
            }
        };
        let name = &association.client().name;
        // A panic is a bug of the HSM's; it costs the client its connection and nobody else.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.answer_all(member, &association)));
        member.set_busy(None);
        match outcome {
            Ok(End::Gone) => {}
            Ok(End::Misbehaved(why)) => {
                self.desk.journal.line(&format!("{peer}: client {name}: disconnected: {why}"));
            }
            Err(_) => {
                self.desk.journal.line(&format!("{peer}: client {name}: a request failed inside"));
            }
        }
        self.associations.leave(&association);
    }

    /// Handshake and hello, in the time that is given for both.
    fn introduce(&self, id: u64, member: &Arc<Member>) -> Result<Arc<Association>, End> {
        let deadline = self.desk.clock.now().saturating_add(self.limits.patience);
        let mut channel = member.channel.lock();
        let in_time = || {
            let slow = || End::Misbehaved("it was too slow to introduce itself".into());
            (self.desk.clock.now() < deadline).then_some(()).ok_or_else(slow)
        };
        loop {
            match channel.shake_hands() {
                Ok(true) => break,
                Ok(false) => in_time()?,
                Err(error) => return Err(refused(&error)),
            }
        }
        while channel.receive().map_err(|error| refused(&error))? != Arrival::Frame {
            in_time()?;
        }
        let hello = Hello::read(channel.frame()).map_err(|error| {
            say(&mut channel, &mut refusal(&error).to_frame());
            End::Misbehaved(error.to_string())
        })?;
        match self.welcome(&channel, &hello) {
            Ok((association, mut welcome)) => {
                *member.association.lock() = Some(Arc::clone(&association));
                self.crowd.introduced(id);
                if !say(&mut channel, &mut welcome) {
                    self.associations.leave(&association);
                    return Err(End::Gone);
                }
                Ok(association)
            }
            Err(refusal) => {
                say(&mut channel, &mut refusal.to_frame());
                channel.close();
                Err(End::Misbehaved(refusal.reason))
            }
        }
    }

    fn welcome(
        &self,
        channel: &Channel,
        hello: &Hello,
    ) -> Result<(Arc<Association>, Vec<u8>), Refusal> {
        let presence = self.desk.gate.presence();
        if !presence.reachable {
            return Err(Refusal { busy: false, reason: "the HSM is cut off, on purpose".into() });
        }
        let refused = |reason: &str| Refusal { busy: false, reason: reason.into() };
        let client = self.who(channel, hello).map_err(refused)?;
        let mut partitions: Vec<u64> = client.partitions.keys().copied().collect();
        partitions.sort_unstable();
        let (association, older) =
            self.associations.enter(&client, hello, &self.limits, presence.epoch)?;
        if let Some(older) = older {
            self.crowd.end(|other| Arc::ptr_eq(other, &older));
            older.end();
        }
        if !hello.join {
            let count = partitions.len();
            let name = &association.client().name;
            self.desk.journal.line(&format!("client {name} connected; it sees {count} partitions"));
        }
        let welcome = Welcome {
            hsm: self.desk.hsm.serial().to_owned(),
            profile: self.desk.hsm.profile().recorded().to_owned(),
            certificates: match self.desk.is_cloud() {
                true => partitions.iter().map(|it| self.desk.certificate_of(*it)).collect(),
                false => Vec::new(),
            },
            partitions,
        };
        Ok((association, welcome.to_frame()))
    }

    /// The client, by its certificate or, in the cloud, by its credentials.
    fn who(&self, channel: &Channel, hello: &Hello) -> Result<Known, &'static str> {
        let register = self.desk.register.read();
        let client = match (&hello.credential, self.desk.is_cloud()) {
            (Some(credential), true) => register
                .by_credential(credential)
                .ok_or("no client has this AuthTokenClientId with this AuthTokenClientSecret")?,
            (None, true) => return Err("it is a Luna Cloud HSM: its clients have credentials"),
            (Some(_), false) => return Err("it is no Luna Cloud HSM"),
            (None, false) => channel
                .tls()
                .peer_certificates()
                .and_then(<[_]>::first)
                .and_then(|certificate| register.by_fingerprint(&fingerprint(certificate)))
                .ok_or("the client was revoked")?,
        };
        let there = self.desk.partitions.read();
        let seen = client.partitions.iter();
        Ok(Known {
            name: client.name.clone(),
            fingerprint: *client.fingerprint(),
            partitions: seen
                .filter_map(|serial| Some((*serial, Arc::clone(there.get(serial)?))))
                .collect(),
        })
    }

    fn answer_all(&self, member: &Member, association: &Association) -> End {
        let (mut frame, mut answer) = (Zeroizing::default(), Zeroizing::default());
        let mut served = 0;
        loop {
            let mut channel = member.channel.lock();
            if let Err(end) = self.next_frame(&mut channel, served) {
                return end;
            }
            channel.take_frame(&mut frame);
            // Marked before the lock is let go: who looks in finds a request under way.
            member.set_busy(Some(self.now_ms()));
            drop(channel);
            let Ok(ask) = Ask::read(&frame) else {
                return End::Misbehaved("a request that cannot be understood".into());
            };
            let asked = association.ask(&self.desk.gate, ask.partition, ask.session, &ask.request);
            drop(ask);
            let (changes, outcome) = match asked {
                Ok(answered) => answered,
                Err(fault) => {
                    member.set_busy(None);
                    if matches!(fault, Fault::Unreachable(_)) {
                        goodbye(&mut member.channel.lock(), served);
                    }
                    return End::Gone;
                }
            };
            served += 1;
            Message::Answer { changes, outcome }.write(&mut answer);
            member.set_busy(None);
            let mut channel = member.channel.lock();
            if let Err(error) = channel.send(&mut answer) {
                if error.kind() != ErrorKind::InvalidInput {
                    return End::Gone;
                }
                let error = Error::new(
                    Cause::DataLenRange,
                    "the answer is longer than what goes over the network in one",
                );
                Message::Answer { changes, outcome: Err(error) }.write(&mut answer);
                if channel.send(&mut answer).is_err() {
                    return End::Gone;
                }
            }
        }
    }

    /// Waits for a request, as long as it takes to begin and not much longer than that.
    fn next_frame(&self, channel: &mut Channel, served: u64) -> Result<(), End> {
        let mut deadline: Option<Duration> = None;
        loop {
            if self.closing.load(Ordering::Acquire) {
                goodbye(channel, served);
                return Err(End::Gone);
            }
            match channel.receive() {
                Ok(Arrival::Frame) => return Ok(()),
                Ok(Arrival::Part) => {}
                // The socket waits for `patience` at a time; a client may rest longer.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if deadline.is_none() && !channel.is_amid_frame() {
                        continue;
                    }
                }
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    return Err(End::Misbehaved(error.to_string()));
                }
                Err(_) if self.closing.load(Ordering::Acquire) => continue,
                Err(_) => return Err(End::Gone),
            }
            let now = self.desk.clock.now();
            let until = *deadline.get_or_insert(now.saturating_add(self.limits.patience));
            if now >= until {
                return Err(End::Misbehaved("a request that did not end".into()));
            }
        }
    }
}

fn refused(error: &io::Error) -> End {
    match error.kind() {
        ErrorKind::InvalidData => End::Misbehaved(trust::explain(error)),
        ErrorKind::WouldBlock => End::Misbehaved("it was too slow to introduce itself".into()),
        _ => End::Gone,
    }
}

/// Tells how many requests were served, so that the client knows which was not.
fn goodbye(channel: &mut Channel, served: u64) {
    let mut bye = Zeroizing::default();
    Message::Bye { served }.write(&mut bye);
    let _ = channel.send(&mut bye);
    channel.close();
}

fn refusal(why: &Misunderstood) -> Refusal {
    let reason = match why {
        Misunderstood::Version(theirs) => format!(
            "this appliance speaks version {} of the protocol, the client version {theirs}; use \
             the same release on both",
            emulator::network::protocol::VERSION
        ),
        other => other.to_string(),
    };
    Refusal { busy: false, reason }
}

fn say(channel: &mut Channel, frame: &mut [u8]) -> bool {
    channel.send(frame).is_ok()
}
