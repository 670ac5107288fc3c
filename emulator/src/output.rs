//! Outputs of variable length: what the caller has room for, and what it gets.
//!
//! Source: PKCS#11 v2.40 section 5.2, conventions for functions returning output in a
//! variable-length buffer.

use serde::{Deserialize, Serialize};

/// The caller's buffer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Room {
    /// A null buffer: only the length is wanted, and the operation stays active.
    Ask,
    /// So many bytes.
    Bytes(usize),
}

/// What becomes of an output.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Output {
    /// The length asked for; an upper bound where the exact one costs the operation.
    Size(usize),
    /// The buffer is too short; so many bytes are needed, and the operation stays active.
    TooSmall(usize),
    /// The bytes, no more than there is room for.
    Data(#[serde(with = "serde_bytes")] Vec<u8>),
    /// So many bytes, which are where the caller wants them already.
    Placed(usize),
}

impl Output {
    /// Whether bytes came out, as against an answer that leaves the operation active.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Data(_) | Self::Placed(_))
    }
}

impl Room {
    /// The answer that can be given before the key runs: a length asked for, or too little room
    /// for what will certainly come.
    pub fn refuse(self, certain: usize, bound: usize) -> Option<Output> {
        match self {
            Self::Ask => Some(Output::Size(bound)),
            Self::Bytes(room) if room < certain => Some(Output::TooSmall(bound)),
            Self::Bytes(_) => None,
        }
    }

    /// The answer once the bytes are there.
    pub fn fit(self, data: Vec<u8>) -> Output {
        match self {
            Self::Ask => Output::Size(data.len()),
            Self::Bytes(room) if room < data.len() => Output::TooSmall(data.len()),
            Self::Bytes(_) => Output::Data(data),
        }
    }
}
