//! Frames over TLS over one socket, the same for client and appliance.
//!
//! A frame is its length as four bytes, little-endian, and so many bytes. What a peer claims is
//! never allocated: the buffer grows with what has come. A frame leaves in as few records as it
//! fits in, a small one in one write.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::net::RecvFlags;
use rustls::Connection;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a frame's length.
pub const HEADER_BYTES: usize = 4;

/// The longest frame, in bytes without its header. A message in one call has to fit in with its
/// parameters; the vendor's bound is not published (Assumed).
pub const MAX_FRAME_BYTES: usize = 8 << 20;

/// How much room is made for bytes that have not come yet.
const STEP_BYTES: usize = 16 << 10;

/// A larger buffer is not kept for the next frame.
const KEPT_BYTES: usize = 64 << 10;

/// What a look at the socket brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// A frame: see [`Channel::frame`].
    Frame,
    /// Some bytes of one, or of the handshake.
    Part,
}

/// One connection.
pub struct Channel {
    /// Shared with whoever may have to end the connection from outside.
    socket: Arc<TcpStream>,
    tls: Connection,
    /// The frame that was told of, and what came after it.
    incoming: Zeroizing<Vec<u8>>,
    /// Bytes of `incoming` that came.
    filled: usize,
    /// Bytes of the frame that was told of, with its header.
    told: usize,
}

impl Channel {
    /// A connection whose handshake has not begun.
    pub fn new(socket: Arc<TcpStream>, tls: impl Into<Connection>) -> Self {
        let incoming = Zeroizing::new(Vec::new());
        Self { socket, tls: tls.into(), incoming, filled: 0, told: 0 }
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The state of TLS.
    pub fn tls(&self) -> &Connection {
        &self.tls
    }

    /// Goes on with the handshake; true when it is over.
    ///
    /// # Errors
    /// `WouldBlock` when the peer has to say something first; `InvalidData` for what TLS refuses.
    pub fn shake_hands(&mut self) -> io::Result<bool> {
        if self.tls.wants_write() {
            self.flush()?;
        }
        if self.tls.is_handshaking() {
            self.read_some()?;
        }
        Ok(!self.tls.is_handshaking() && !self.tls.wants_write())
    }

    /// Sends a frame whose first [`HEADER_BYTES`] were left free for its length.
    ///
    /// # Errors
    /// Whatever the system answers. The frame was then not handed over whole, so that no peer can
    /// have read it: the rest of its last record is missing.
    pub fn send(&mut self, frame: &mut [u8]) -> io::Result<()> {
        let body = frame.len().checked_sub(HEADER_BYTES).filter(|body| *body <= MAX_FRAME_BYTES);
        let body = body.and_then(|body| u32::try_from(body).ok());
        let body = body.ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        if let Some(header) = frame.first_chunk_mut::<HEADER_BYTES>() {
            *header = body.to_le_bytes();
        }
        let mut left: &[u8] = frame;
        while !left.is_empty() {
            let taken = self.tls.writer().write(left)?;
            left = left.get(taken..).unwrap_or_default();
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut &*self.socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether part of a frame has come.
    pub fn is_amid_frame(&self) -> bool {
        self.filled > self.told
    }

    /// Reads until a frame is there or the socket has no more; forgets the last frame.
    ///
    /// # Errors
    /// `WouldBlock` when nothing came in the time the socket waits; `UnexpectedEof` at the end of
    /// the connection; `InvalidData` for what TLS refuses or a frame that is too long.
    pub fn receive(&mut self) -> io::Result<Arrival> {
        self.forget_frame();
        loop {
            if self.frame_is_whole()? {
                return Ok(Arrival::Frame);
            }
            if self.take_plaintext()? {
                continue;
            }
            self.read_some()?;
            if !self.take_plaintext()? || !self.frame_is_whole()? {
                return Ok(Arrival::Part);
            }
        }
    }

    /// The frame that [`Channel::receive`] told of.
    pub fn frame(&self) -> &[u8] {
        self.incoming.get(HEADER_BYTES..self.told).unwrap_or_default()
    }

    /// Takes the frame that [`Channel::receive`] told of out of the channel, into `place`.
    pub fn take_frame(&mut self, place: &mut Zeroizing<Vec<u8>>) {
        place.zeroize();
        place.extend_from_slice(self.frame());
        self.forget_frame();
    }

    fn forget_frame(&mut self) {
        if self.told == 0 {
            return;
        }
        self.incoming.copy_within(self.told..self.filled, 0);
        let left = self.filled.saturating_sub(self.told);
        if let Some(old) = self.incoming.get_mut(left..self.filled) {
            old.zeroize();
        }
        self.filled = left;
        self.told = 0;
        if left == 0 && self.incoming.len() > KEPT_BYTES {
            *self.incoming = Vec::new();
        }
    }

    /// The length of the frame at the front, with its header, once that has come.
    fn wanted(&self) -> io::Result<Option<usize>> {
        let come = self.incoming.get(..self.filled).unwrap_or_default();
        let Some(header) = come.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let body = usize::try_from(u32::from_le_bytes(*header)).unwrap_or(usize::MAX);
        if body > MAX_FRAME_BYTES {
            let message = format!("a frame of {body} bytes; {MAX_FRAME_BYTES} are the most");
            return Err(io::Error::new(ErrorKind::InvalidData, message));
        }
        Ok(Some(HEADER_BYTES.saturating_add(body)))
    }

    fn frame_is_whole(&mut self) -> io::Result<bool> {
        match self.wanted()? {
            Some(wanted) if wanted <= self.filled => {
                self.told = wanted;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Moves what TLS has opened to `incoming`; false when it has nothing more.
    fn take_plaintext(&mut self) -> io::Result<bool> {
        if self.incoming.len() < self.filled.saturating_add(STEP_BYTES / 4) {
            // The old buffer is wiped when the larger one replaces it.
            let mut larger = Zeroizing::new(vec![0; self.incoming.len().max(STEP_BYTES / 4) * 2]);
            for (to, from) in larger.iter_mut().zip(self.incoming.iter().take(self.filled)) {
                *to = *from;
            }
            self.incoming = larger;
        }
        let room = self.incoming.get_mut(self.filled..).unwrap_or_default();
        match self.tls.reader().read(room) {
            // The peer said that it is done.
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                self.filled = self.filled.saturating_add(read);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One read of the socket.
    fn read_some(&mut self) -> io::Result<()> {
        loop {
            match self.tls.read_tls(&mut &*self.socket) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let outcome = self.tls.process_new_packets();
        if self.tls.wants_write() {
            // An alert tells the peer why; whether it hears it changes nothing here.
            let flushed = self.flush();
            if outcome.is_ok() {
                flushed?;
            }
        }
        outcome.map(drop).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// Whether the connection is still there and nothing unasked-for has come. One system call.
    pub fn is_quiet(&self) -> bool {
        let mut byte = [0_u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let looked = rustix::net::recv(self.socket.as_fd(), &mut byte, flags);
        matches!(looked, Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR))
    }

    /// Says goodbye, as far as the socket takes it at once.
    pub fn close(&mut self) {
        self.tls.send_close_notify();
        let _ = self.flush();
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}
