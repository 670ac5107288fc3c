//! The format of a trace: JSON, a line each. The first line is a [`Head`], the others are [`Line`]s.

use serde::{Deserialize, Serialize};

/// The version of the format this release writes and reads.
pub const FORMAT: u32 = 1;

/// The first line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Head {
    /// See [`FORMAT`].
    pub format: u32,
    /// The file name of the module, without its folder.
    pub module: String,
}

/// One call, in the order in which calls ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Line {
    /// From 1.
    pub n: u64,
    /// Threads in the order they first called, from 1.
    pub thread: u64,
    /// The function.
    pub call: String,
    /// What went in, an entry for each argument that says something.
    pub args: Vec<Value>,
    /// The name of the return code.
    pub rv: String,
    /// What came out.
    pub out: Vec<Value>,
    /// How long it took, in microseconds.
    pub us: u64,
}

/// An argument or a result.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A null pointer, or none of it.
    Null,
    /// A number.
    Number(u64),
    /// Text that is no secret: labels.
    Text(String),
    /// Bytes that are no secret: identifiers, curves, public keys.
    Hex(String),
    /// The session that was opened as the how-manieth.
    Session(u64),
    /// The object that was met as the how-manieth.
    Object(u64),
    /// Bytes by their number; the same number is the same bytes.
    Bytes {
        /// Which.
        id: u64,
        /// How many.
        len: u64,
    },
    /// Something that is never written, but for its length.
    Secret {
        /// In bytes.
        len: u64,
    },
    /// Room for an output; none: only its length is asked for.
    Room(Option<u64>),
    /// A mechanism.
    Mechanism {
        /// Its name, or its number in hexadecimal.
        kind: String,
        /// Its parameter.
        parameter: Parameter,
    },
    /// Attributes.
    Template(Vec<Attribute>),
    /// Several.
    List(Vec<Value>),
}

/// A mechanism's parameter.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// There is none.
    None,
    /// The structure, and what its pointers point to, in the order of its layout.
    Structure {
        /// The structure, pointers and handles blanked; where nothing but numbers is in it.
        numbers: Box<Value>,
        /// What pointers point to.
        pointed: Vec<Value>,
        /// Handles of keys.
        handles: Vec<Value>,
    },
    /// Its layout is not known; it cannot be played.
    Unknown {
        /// In bytes.
        len: u64,
    },
}

/// An attribute.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Attribute {
    /// Its name, or its number in hexadecimal.
    pub kind: String,
    /// What it is; where it is asked for, the room for it.
    pub value: Value,
}
