//! The threads of an appliance: one that accepts, one for each connection, one for heartbeats.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use emulator::hsm::store::Durability;
use emulator::network::channel::Channel;
use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::{ServerConfig, ServerConnection};
use zeroize::Zeroizing;

use crate::association::Associations;
use crate::certificate;
use crate::connection::Hall;
use crate::crowd::{Crowd, Member};
use crate::desk::Files;
use crate::limits::Limits;
use crate::window::{self, Window};
use crate::{heartbeat, trust};

/// How often threads that wait look whether they are to stop.
const LOOK: Duration = Duration::from_millis(250);

/// Days that a certificate of an appliance is valid: as the vendor's, ten years (recalled; Assumed).
const CERTIFICATE_DAYS: u32 = 3653;

/// What an appliance is to be.
pub struct Options<'a> {
    /// The directory of its HSM, which is there.
    pub directory: &'a Path,
    /// Where it listens; port 0 is any that is free.
    pub listen: SocketAddr,
    /// Hosts that its certificate names, when it is made.
    pub hosts: &'a [String],
    /// Whether writes reach the disk itself.
    pub durability: Durability,
    /// Bounds.
    pub limits: Limits,
}

/// An appliance that runs. Stop it: dropping it leaves its threads behind.
pub struct Server {
    hall: Arc<Hall>,
    address: SocketAddr,
    certificate: PathBuf,
    accepting: Option<JoinHandle<()>>,
    beating: Option<JoinHandle<()>>,
    stop: Arc<(Mutex<bool>, Condvar)>,
}

impl Server {
    /// Starts to serve.
    ///
    /// # Errors
    /// When another process serves the HSM; when the address is taken; the store's.
    pub fn start(options: &Options<'_>) -> Result<Self> {
        let files = Files::of(options.directory);
        let desk = window::take_to_serve(options.directory, options.durability)?;
        if !files.certificate().exists() {
            let name = options.hosts.first().map_or("luna-emulator", String::as_str);
            certificate::make(name, options.hosts, CERTIFICATE_DAYS, desk.now_s())?
                .save(&files.certificate(), &files.key())?;
        }
        let (certificate, key) = (files.certificate(), files.key());
        // Clients of the cloud have no certificates.
        let tls = match desk.is_cloud() {
            true => trust::server_of_all(&certificate, &key)?,
            false => trust::server(&certificate, &key, Arc::clone(&desk.register))?,
        };
        let listener = TcpListener::bind(options.listen)
            .with_context(|| format!("cannot listen on {}", options.listen))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let _ = desk.address.set(address);
        allow_many_files();
        desk.journal.line(&format!("serving HSM {} on {address}", desk.hsm.serial()));
        let hall = Arc::new(Hall {
            desk,
            limits: options.limits,
            associations: Associations::default(),
            crowd: Crowd::default(),
            closing: false.into(),
        });
        let window = Window::open(&files)?;
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let accepting = {
            let hall = Arc::clone(&hall);
            let stop = Arc::clone(&stop);
            Builder::new()
                .name("accept".into())
                .spawn(move || accept(&hall, &listener, &window, &tls, &stop.0))?
        };
        let beating = {
            let (hall, stop) = (Arc::clone(&hall), Arc::clone(&stop));
            Builder::new().name("heartbeat".into()).spawn(move || beat(&hall, &stop))?
        };
        Ok(Self {
            hall,
            address,
            certificate: files.certificate(),
            accepting: Some(accepting),
            beating: Some(beating),
            stop,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its certificate (PEM), which clients have to know.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The HSM's serial number.
    pub fn hsm(&self) -> &str {
        self.hall.desk.hsm.serial()
    }

    /// Client processes and their sessions.
    pub fn count(&self) -> (usize, usize) {
        self.hall.associations.count()
    }

    /// Stops: no new connection, no new request; calls under way are finished and answered, but
    /// not for ever.
    pub fn stop(mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.hall.closing.store(true, Ordering::Release);
        for member in self.hall.crowd.members() {
            // Wakes those that wait for a request; what is under way still can be answered.
            let _ = member.socket.shutdown(std::net::Shutdown::Read);
        }
        let left = self.hall.crowd.wait_until_empty(self.hall.limits.farewell);
        if let Some(beating) = self.beating.take() {
            let _ = beating.join();
        }
        self.hall.desk.journal.line(&format!("stopped; {left} connections were cut off"));
    }
}

/// Each client takes a descriptor, and many systems allow 1024 unless asked for more.
fn allow_many_files() {
    let now = getrlimit(Resource::Nofile);
    // Where it is refused, fewer clients find room.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, ..now });
}

fn accept(
    hall: &Arc<Hall>,
    listener: &TcpListener,
    window: &Window,
    tls: &Arc<ServerConfig>,
    stop: &Mutex<bool>,
) {
    while !*stop.lock() {
        wait_for_either(listener, window);
        window.serve(&|order| hall.desk.carry_out(order, &**hall));
        // A few at a time, so that a flood does not keep the administrator out.
        for _ in 0..64 {
            match listener.accept() {
                Ok((socket, peer)) => admit(hall, socket, peer, tls),
                Err(_) => break,
            }
        }
    }
}

fn wait_for_either(listener: &TcpListener, window: &Window) {
    let mut sockets = [
        PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(window.listener().as_fd(), PollFlags::IN),
    ];
    // An interrupted wait is one that ended early.
    let _ = poll(&mut sockets, Timespec::try_from(LOOK).ok().as_ref());
}

fn admit(hall: &Arc<Hall>, socket: TcpStream, peer: SocketAddr, tls: &Arc<ServerConfig>) {
    let patience = hall.limits.patience;
    if prepare(&socket, patience).is_err() {
        return;
    }
    let Ok(connection) = ServerConnection::new(Arc::clone(tls)) else { return };
    let socket = Arc::new(socket);
    let channel = Channel::new(Arc::clone(&socket), connection);
    let member = Arc::new(Member::new(channel, socket));
    let limits = &hall.limits;
    let entered = hall.crowd.enter(Arc::clone(&member), limits.connections, limits.strangers);
    let Some(id) = entered else {
        hall.desk.journal.line(&format!("{peer}: refused: {} connections", limits.connections));
        return;
    };
    let own = Arc::clone(hall);
    let thread = Builder::new().name("connection".into()).spawn(move || {
        own.serve(id, &member, peer);
        own.crowd.leave(id);
    });
    if thread.is_err() {
        hall.crowd.leave(id);
        hall.desk.journal.line(&format!("{peer}: refused: the system has no thread for it"));
    }
}

fn prepare(socket: &TcpStream, patience: Duration) -> std::io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(patience))?;
    // A client that is gone without a word is noticed in about half a minute.
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(10))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(5))?;
    sockopt::set_tcp_keepcnt(socket, 3)?;
    sockopt::set_tcp_user_timeout(socket, 25_000)?;
    Ok(())
}

fn beat(hall: &Hall, stop: &(Mutex<bool>, Condvar)) {
    let mut message = Zeroizing::default();
    loop {
        let mut stopped = stop.0.lock();
        if *stopped && hall.closing.load(Ordering::Acquire) && hall.crowd.members().is_empty() {
            return;
        }
        stop.1.wait_for(&mut stopped, LOOK.min(hall.limits.heartbeat));
        drop(stopped);
        heartbeat::round(&hall.crowd, hall.now_ms(), hall.limits.heartbeat, &mut message);
    }
}
