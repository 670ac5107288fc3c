//! What nodes say to each other: one request, one answer, each a length and JSON, inside TLS.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Epoch, Membership, NodeId, NodeMode};
use crate::secret::Secret;
use crate::store::cluster::{Entry, Marks, Seed};

/// Longest message of somebody unknown, bytes.
pub(crate) const LONGEST_OF_STRANGERS: u32 = 16 << 10;

/// Longest message, bytes: a seed is one.
pub(crate) const LONGEST: u32 = 512 << 20;

/// How many bytes of log go at once.
pub(crate) const BATCH: usize = 1 << 20;

/// A request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", content = "with", rename_all = "camelCase")]
pub(crate) enum Request {
    /// A candidate's first word: what must be known to prove the recovery passphrase. Anybody may ask.
    Hello,
    /// The proof.
    Prove {
        /// What the passphrase makes of the challenge; the passphrase itself never travels.
        #[serde(with = "base64")]
        proof: Vec<u8>,
    },
    /// The controller looks at the candidate.
    Look,
    /// The controller gives the candidate everything.
    Seed(Box<Seeding>),
    /// What the other may not have yet, and how the sender is.
    Push(Push),
}

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", content = "with", rename_all = "camelCase")]
pub(crate) enum Response {
    /// To [`Request::Hello`].
    Hello(Hello),
    /// Done.
    Done,
    /// To [`Request::Look`].
    Candidate(Candidate),
    /// To [`Request::Push`].
    Pushed(Pushed),
    /// No; why.
    Refused {
        /// For people.
        why: String,
    },
}

/// What a candidate learns of the cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hello {
    pub(crate) cluster_name: String,
    #[serde(with = "base64")]
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: std::num::NonZeroU32,
    #[serde(with = "base64")]
    pub(crate) challenge: Vec<u8>,
    pub(crate) release: String,
    /// Seconds since 1970.
    pub(crate) time_s: u64,
}

/// What the controller learns of the candidate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate {
    pub(crate) release: String,
    pub(crate) version: String,
    pub(crate) hsm: bool,
    pub(crate) time_s: u64,
}

/// Everything a node begins with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seeding {
    pub(crate) member: Membership,
    pub(crate) seed: Seed,
    /// The tablespace key.
    #[serde(with = "secret")]
    pub(crate) tablespace: Secret,
    /// The secret of backups, sealed in the tablespace and wrapped under the passphrase.
    pub(crate) backup_secret: Option<(Base64, Base64)>,
    /// The certificate authority of endpoints, as it is kept.
    pub(crate) authority: Option<String>,
    /// Replication keys, sealed in the tablespace.
    pub(crate) keys: Vec<(Epoch, Base64)>,
}

/// Log, and a sign of life.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Push {
    pub(crate) from: NodeId,
    pub(crate) entries: Vec<Entry>,
}

/// How far the other is now.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pushed {
    pub(crate) marks: Marks,
    pub(crate) mode: Word,
}

/// A mode by its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) NodeMode);

impl Serialize for Word {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mode = NodeMode::ALL.iter().copied().find(|mode| mode.name() == text);
        mode.map(Self).ok_or_else(|| serde::de::Error::custom("no mode of a node"))
    }
}

/// Bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Base64(#[serde(with = "base64")] pub(crate) Vec<u8>);

/// Bytes as a text.
pub(crate) mod base64 {
    use data_encoding::BASE64;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64.decode(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}

mod secret {
    use serde::{Deserializer, Serializer};

    use crate::secret::Secret;

    pub(super) fn serialize<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
        super::base64::serialize(secret.expose(), to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        super::base64::deserialize(from).map(Secret::new)
    }
}

/// Sends a message.
pub(crate) fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let body = Secret::new(serde_json::to_vec(message)?);
    let length = u32::try_from(body.len()).ok().filter(|it| *it <= LONGEST);
    let length = length.ok_or_else(|| io::Error::other("a message is too long to be sent"))?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(body.expose())?;
    to.flush()
}

/// Receives one of at most so many bytes. `None` when the other has ended before it began.
pub(crate) fn receive<T: DeserializeOwned>(
    from: &mut impl Read,
    longest: u32,
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    if let Err(error) = from.read_exact(&mut length) {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => Ok(None),
            _ => Err(error),
        };
    }
    let length = u32::from_be_bytes(length);
    if length > longest {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
    }
    // Grows with what comes, not with what was announced.
    let mut body = Vec::new();
    from.take(length.into()).read_to_end(&mut body)?;
    let body = Secret::new(body);
    if u32::try_from(body.len()).ok() != Some(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(body.expose()).map(Some).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_comes_and_what_is_cut_or_long_does_not() {
        let mut line = Vec::new();
        send(&mut line, &Request::Prove { proof: vec![1, 2, 255] }).unwrap();
        let got = receive::<Request>(&mut line.as_slice(), 1000).unwrap().unwrap();
        assert!(matches!(got, Request::Prove { proof } if proof == [1, 2, 255]));
        assert!(receive::<Request>(&mut line.as_slice(), 10).is_err());
        assert!(receive::<Request>(&mut [].as_slice(), 10).unwrap().is_none());
        for at in 4..line.len() {
            assert!(receive::<Request>(&mut &line[..at], 1000).is_err(), "cut at {at}");
        }
        // Marks are numbers by number.
        let marks = Marks::from([(1, 2), (3, 4)]);
        let pushed = Pushed { marks: marks.clone(), mode: Word(NodeMode::ReadOnly) };
        let mut line = Vec::new();
        send(&mut line, &Response::Pushed(pushed)).unwrap();
        let got = receive::<Response>(&mut line.as_slice(), 1000).unwrap().unwrap();
        assert!(matches!(got, Response::Pushed(got) if got.marks == marks));
        let mode = serde_json::to_value(Word(NodeMode::ReadWrite)).unwrap();
        assert_eq!(serde_json::from_value::<Word>(mode).unwrap().0, NodeMode::ReadWrite);
        assert!(serde_json::from_str::<Word>("\"Read\"").is_err());
    }
}
