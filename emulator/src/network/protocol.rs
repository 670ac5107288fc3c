//! What client and appliance say to each other, in frames.
//!
//! Each side's first frame has a layout that no version changes: magic, version, and then what
//! that version says. Everything after it is `postcard`, which is bounded by its frame: no list
//! has more elements than its bytes allow, and templates have a bound of their own.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::network::channel::HEADER_BYTES;
use crate::wire::{ApplicationId, Pin, Reply, Request};

/// The version this code speaks. Any change of [`Request`], [`Reply`] or the messages below is
/// another.
pub const VERSION: u16 = 2;

/// The TCP port of the vendor's NTLS (Documented).
pub const PORT: u16 = 1792;

const MAGIC: [u8; 6] = *b"LUNAEM";

const REFUSED: u8 = 0;
const WELCOME: u8 = 1;

/// The first thing a client says on each connection.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hello {
    /// The client process, by a random number; its connections belong together.
    pub instance: [u8; 16],
    /// How often it lost the appliance before: sessions of an older count are gone.
    pub epoch: u64,
    /// Whether other connections of this count are open already, and sessions with them.
    pub join: bool,
    /// The application of sessions that belong to this process alone.
    pub application: ApplicationId,
    /// Of a cloud service's client, who has no certificate.
    pub credential: Option<Credential>,
}

/// What a client of a cloud service is known by.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Credential {
    /// `AuthTokenClientId`.
    pub id: String,
    /// `AuthTokenClientSecret`.
    pub secret: Pin,
}

/// The answer to it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Welcome {
    /// The HSM's serial number.
    pub hsm: String,
    /// Its profile, as its HSM keeps it: the name of one that is built in, or its text.
    pub profile: String,
    /// Serial numbers of the partitions that are assigned to the client.
    pub partitions: Vec<u64>,
    /// Of cloud services, the certificates of these partitions (DER) in the same order; else none.
    pub certificates: Vec<Vec<u8>>,
}

/// Why an appliance does not want a connection.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// Another connection would be welcome later, or when one of this client's has ended.
    pub busy: bool,
    /// For people.
    pub reason: String,
}

/// A request on its way.
#[derive(Debug, Deserialize)]
pub struct Ask<'a> {
    /// Serial number of the partition.
    pub partition: u64,
    /// The session that is meant, whatever the request names; 0 for none.
    pub session: u64,
    /// What is asked.
    #[serde(borrow)]
    pub request: Request<'a>,
}

/// An [`Ask`] as it is written: what it asks belongs to somebody else.
#[derive(Debug, Serialize)]
pub struct Asking<'a> {
    /// As there.
    pub partition: u64,
    /// As there.
    pub session: u64,
    /// As there.
    pub request: &'a Request<'a>,
}

/// What an appliance says after its welcome.
#[derive(Debug, Deserialize, Serialize)]
pub enum Message {
    /// To the request before.
    Answer {
        /// Counts what changed in the partition: what was found out at an older count may be true
        /// no more.
        changes: u64,
        /// The reply, or why there is none.
        outcome: Result<Reply, Error>,
    },
    /// The request before takes long and is under way.
    Working,
    /// The appliance stops; it served so many requests of this connection and will serve no other.
    Bye {
        /// How many.
        served: u64,
    },
}

/// Why a first frame was not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Misunderstood {
    /// No such protocol.
    #[error("the peer does not speak the protocol of luna-emulator appliances")]
    Stranger,
    /// Another version.
    #[error(
        "the peer speaks version {0} of the protocol, this side version {VERSION}; use the same release on both"
    )]
    Version(u16),
    /// The version is right and what follows is not.
    #[error("the peer's first message is damaged")]
    Damaged,
    /// The appliance refused.
    #[error("the appliance refused: {}", .0.reason)]
    Refused(Refusal),
}

fn first(kind: Option<u8>, content: &impl Serialize) -> Vec<u8> {
    let mut frame = vec![0; HEADER_BYTES];
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&VERSION.to_le_bytes());
    frame.extend(kind);
    write(frame, content)
}

/// `content` behind what is in `frame` already.
///
/// Nothing that is sent can fail to be written: there are no maps and no lists of unknown length.
fn write(frame: Vec<u8>, content: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(content, frame).unwrap_or_default()
}

fn opened(frame: &[u8]) -> Result<&[u8], Misunderstood> {
    let rest = frame.strip_prefix(&MAGIC).ok_or(Misunderstood::Stranger)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(Misunderstood::Stranger)?;
    match u16::from_le_bytes(*version) {
        VERSION => Ok(rest),
        other => Err(Misunderstood::Version(other)),
    }
}

impl Hello {
    /// As a frame.
    pub fn to_frame(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(first(None, self))
    }

    /// From a frame.
    ///
    /// # Errors
    /// See [`Misunderstood`].
    pub fn read(frame: &[u8]) -> Result<Self, Misunderstood> {
        postcard::from_bytes(opened(frame)?).map_err(|_| Misunderstood::Damaged)
    }
}

impl Welcome {
    /// As a frame.
    pub fn to_frame(&self) -> Vec<u8> {
        first(Some(WELCOME), self)
    }

    /// From a frame.
    ///
    /// # Errors
    /// See [`Misunderstood`].
    pub fn read(frame: &[u8]) -> Result<Self, Misunderstood> {
        // A refusal is read whatever version it comes from: it may be about the version.
        let rest = frame.strip_prefix(&MAGIC).ok_or(Misunderstood::Stranger)?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or(Misunderstood::Stranger)?;
        match rest.split_first() {
            Some((&REFUSED, rest)) => Err(match postcard::from_bytes(rest) {
                Ok(refusal) => Misunderstood::Refused(refusal),
                Err(_) => Misunderstood::Version(u16::from_le_bytes(*version)),
            }),
            Some((&WELCOME, rest)) => {
                opened(frame)?;
                postcard::from_bytes(rest).map_err(|_| Misunderstood::Damaged)
            }
            _ => Err(Misunderstood::Damaged),
        }
    }
}

impl Refusal {
    /// As a frame.
    pub fn to_frame(&self) -> Vec<u8> {
        first(Some(REFUSED), self)
    }
}

impl Asking<'_> {
    /// As a frame, in the buffer of an older one.
    pub fn write(&self, buffer: &mut Zeroizing<Vec<u8>>) {
        write_message(self, buffer);
    }
}

impl<'a> Ask<'a> {
    /// From a frame; what is long is borrowed from it.
    ///
    /// # Errors
    /// When the frame holds anything else.
    pub fn read(frame: &'a [u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(frame)
    }
}

impl Message {
    /// As a frame, in the buffer of an older one.
    pub fn write(&self, buffer: &mut Zeroizing<Vec<u8>>) {
        write_message(self, buffer);
    }

    /// From a frame.
    ///
    /// # Errors
    /// When the frame holds anything else.
    pub fn read(frame: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(frame)
    }
}

fn write_message(content: &impl Serialize, buffer: &mut Zeroizing<Vec<u8>>) {
    let mut frame = std::mem::take(&mut **buffer);
    frame.clear();
    frame.extend_from_slice(&[0; HEADER_BYTES]);
    **buffer = write(frame, content);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(frame: &[u8]) -> &[u8] {
        &frame[HEADER_BYTES..]
    }

    #[test]
    fn first_messages_are_read_as_they_were_written() {
        let hello = Hello {
            instance: [7; 16],
            epoch: 3,
            join: true,
            application: ApplicationId { major: 1, minor: 2, named: true },
            credential: Some(Credential { id: "one".into(), secret: Pin::new(b"two") }),
        };
        assert!(Hello::read(body(&hello.to_frame())).is_ok_and(|read| read == hello));
        let welcome = Welcome {
            hsm: "123456".into(),
            profile: "luna-7.8.4".into(),
            partitions: vec![1, 2],
            certificates: vec![vec![3], vec![]],
        };
        assert_eq!(Welcome::read(body(&welcome.to_frame())), Ok(welcome));
        let refusal = Refusal { busy: true, reason: "full".into() };
        let read = Welcome::read(body(&refusal.to_frame()));
        assert_eq!(read, Err(Misunderstood::Refused(refusal)));
    }

    #[test]
    fn strangers_and_other_versions_are_told_apart() {
        let why = |frame: &[u8]| Hello::read(frame).err();
        assert_eq!(why(b"GET / HTTP/1.1"), Some(Misunderstood::Stranger));
        assert_eq!(why(b""), Some(Misunderstood::Stranger));
        assert_eq!(why(b"LUNAEM\x09\x00whatever"), Some(Misunderstood::Version(9)));
        assert_eq!(why(b"LUNAEM\x02\x00\x01"), Some(Misunderstood::Damaged));
    }
}
