//! A connection in the making, by a socket that does not block: name found, TCP, TLS, welcome.
//!
//! Whoever wants it now waits for it with [`Dial::finish`]; who only wants to know whether an
//! appliance is back looks in with [`Dial::step`] now and then, at the cost of a system call.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use zeroize::Zeroizing;

use crate::env::Clock;
use crate::network::channel::{Arrival, Channel};
use crate::network::protocol::{Hello, Misunderstood, Welcome};
use crate::network::tls;

/// Whom to call, and how.
pub(super) struct Number {
    /// As in the configuration: a name or an address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Arc<rustls::ClientConfig>,
    pub(super) keep_alive: bool,
    /// How long a silent appliance is waited for.
    pub(super) patience: Duration,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody answered, or not in a way that a client understands.
    Away(String),
    /// The appliance is there and has no room for another connection now.
    Busy(String),
}

/// A connection that stands, and what the appliance said.
pub(super) struct Called {
    pub(super) channel: Channel,
    pub(super) welcome: Welcome,
}

/// A connection in the making.
pub(super) struct Dial {
    name: ServerName<'static>,
    left: std::vec::IntoIter<SocketAddr>,
    hello: Zeroizing<Vec<u8>>,
    phase: Phase,
}

enum Phase {
    Connecting(TcpStream),
    ShakingHands(Channel),
    Waiting(Channel),
    Over,
}

impl Number {
    /// The addresses of the host. May ask a name server.
    ///
    /// # Errors
    /// Naming the host.
    pub(super) fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let host = self.host.as_str();
        match (host, self.port).to_socket_addrs() {
            Ok(found) => Ok(found.collect()),
            Err(error) => Err(Failure::Away(format!("the host {host} is not known: {error}"))),
        }
    }

    /// How messages name the appliance.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl Dial {
    /// Begins; nothing here waits.
    ///
    /// # Errors
    /// When there is no address, or none can be tried.
    pub(super) fn begin(
        number: &Number,
        addresses: Vec<SocketAddr>,
        hello: &Hello,
    ) -> Result<Self, Failure> {
        let name = ServerName::try_from(number.host.clone())
            .map_err(|_| Failure::Away(format!("{} is no host name", number.host)))?;
        let mut left = addresses.into_iter();
        let socket = next(&mut left, None)?;
        Ok(Self { name, left, hello: hello.to_frame(), phase: Phase::Connecting(socket) })
    }

    /// Goes as far as it can without waiting; none while there is something to wait for.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) fn step(&mut self, number: &Number) -> Result<Option<Called>, Failure> {
        loop {
            match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Connecting(socket) => match connected(&socket) {
                    Ok(false) => {
                        self.phase = Phase::Connecting(socket);
                        return Ok(None);
                    }
                    Ok(true) => {
                        let tls = ClientConnection::new(Arc::clone(&number.tls), self.name.clone())
                            .map_err(|error| Failure::Away(error.to_string()))?;
                        self.phase = Phase::ShakingHands(Channel::new(Arc::new(socket), tls));
                    }
                    Err(error) => {
                        self.phase = Phase::Connecting(next(&mut self.left, Some(&error))?);
                    }
                },
                Phase::ShakingHands(mut channel) => match channel.shake_hands() {
                    Ok(true) => {
                        // The appliance may be about to refuse the certificate: what it says then
                        // comes instead of a welcome.
                        channel.send(&mut self.hello).map_err(|error| away(&error))?;
                        self.phase = Phase::Waiting(channel);
                    }
                    Ok(false) => self.phase = Phase::ShakingHands(channel),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.phase = Phase::ShakingHands(channel);
                        return Ok(None);
                    }
                    Err(error) => return Err(away(&error)),
                },
                Phase::Waiting(mut channel) => match channel.receive() {
                    Ok(Arrival::Frame) => return welcomed(channel, number).map(Some),
                    Ok(Arrival::Part) => self.phase = Phase::Waiting(channel),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.phase = Phase::Waiting(channel);
                        return Ok(None);
                    }
                    Err(error) => return Err(away(&error)),
                },
                Phase::Over => return Err(Failure::Away("the connection failed before".into())),
            }
        }
    }

    /// Waits until it stands, but not longer than `patience`.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) fn finish(
        mut self,
        number: &Number,
        clock: &dyn Clock,
        patience: Duration,
    ) -> Result<Called, Failure> {
        let deadline = clock.now().saturating_add(patience);
        loop {
            if let Some(called) = self.step(number)? {
                return Ok(called);
            }
            let left = deadline.saturating_sub(clock.now());
            if left.is_zero() {
                return Err(Failure::Away(format!("no answer in {patience:?}")));
            }
            self.wait(left);
        }
    }

    /// Waits until there is something to do, or for so long.
    fn wait(&self, longest: Duration) {
        let (socket, interest) = match &self.phase {
            Phase::Connecting(socket) => (socket, PollFlags::OUT),
            Phase::ShakingHands(channel) | Phase::Waiting(channel) => {
                let writes = channel.tls().wants_write();
                (channel.socket(), if writes { PollFlags::OUT } else { PollFlags::IN })
            }
            Phase::Over => return,
        };
        ready(socket, interest, longest);
    }
}

/// Whether a socket is ready within so long. An interrupted wait is one that ended early.
fn ready(socket: &TcpStream, interest: PollFlags, longest: Duration) -> bool {
    let longest = Timespec::try_from(longest).ok();
    let mut sockets = [PollFd::from_borrowed_fd(socket.as_fd(), interest)];
    poll(&mut sockets, longest.as_ref()).is_ok_and(|ready| ready > 0)
}

fn connected(socket: &TcpStream) -> io::Result<bool> {
    if !ready(socket, PollFlags::OUT, Duration::ZERO) {
        return Ok(false);
    }
    match socket.take_error()? {
        Some(error) => Err(error),
        None => {
            socket.set_nodelay(true)?;
            Ok(true)
        }
    }
}

/// A socket on its way to the next address that can be tried at all.
fn next(
    left: &mut std::vec::IntoIter<SocketAddr>,
    last: Option<&io::Error>,
) -> Result<TcpStream, Failure> {
    let mut why = last.map(ToString::to_string);
    for address in left {
        match begin_to(&address) {
            Ok(socket) => return Ok(socket),
            Err(error) => why = Some(error.to_string()),
        }
    }
    Err(Failure::Away(why.unwrap_or_else(|| "the host has no address".into())))
}

fn begin_to(address: &SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS | rustix::io::Errno::INTR) => {
            Ok(TcpStream::from(socket))
        }
        Err(error) => Err(error.into()),
    }
}

fn welcomed(channel: Channel, number: &Number) -> Result<Called, Failure> {
    let welcome = match Welcome::read(channel.frame()) {
        Ok(welcome) => welcome,
        Err(Misunderstood::Refused(refusal)) if refusal.busy => {
            return Err(Failure::Busy(refusal.reason));
        }
        Err(other) => return Err(Failure::Away(other.to_string())),
    };
    settle(channel.socket(), number).map_err(|error| away(&error))?;
    Ok(Called { channel, welcome })
}

/// From here on reads and writes wait, as long as a silent appliance is given.
fn settle(socket: &TcpStream, number: &Number) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(number.patience))?;
    socket.set_write_timeout(Some(number.patience))?;
    if number.keep_alive {
        sockopt::set_socket_keepalive(socket, true)?;
        // A path that is gone is noticed at rest about as soon as in a call.
        sockopt::set_tcp_keepidle(socket, number.patience.max(Duration::from_secs(1)))?;
        sockopt::set_tcp_keepintvl(socket, Duration::from_secs(2))?;
        sockopt::set_tcp_keepcnt(socket, 3)?;
    }
    Ok(())
}

fn away(error: &io::Error) -> Failure {
    Failure::Away(tls::explain(error))
}
