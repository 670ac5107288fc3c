//! Handles and bytes to numbers, while a trace is written.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::line::Value;

/// Bytes shorter than this may be the same by chance; what comes out of a module so short is taken for new.
const CHANCE_BYTES: usize = 4;

/// What has turned up so far.
#[derive(Debug, Default)]
pub struct Symbols {
    /// Two hashes with keys of their own, so that the trace's writer keeps no bytes.
    hashers: [RandomState; 2],
    bytes: HashMap<(u64, u64, usize), u64>,
    last_bytes: u64,
    sessions: HashMap<u64, u64>,
    last_session: u64,
    objects: HashMap<u64, u64>,
    last_object: u64,
    threads: HashMap<u64, u64>,
}

impl Symbols {
    fn key(&self, bytes: &[u8]) -> (u64, u64, usize) {
        let [one, other] = &self.hashers;
        (one.hash_one(bytes), other.hash_one(bytes), bytes.len())
    }

    /// The number of these bytes where they turned up before.
    pub fn known(&self, bytes: &[u8]) -> Option<Value> {
        if bytes.len() < CHANCE_BYTES {
            return None;
        }
        let id = *self.bytes.get(&self.key(bytes))?;
        Some(Value::Bytes { id, len: bytes.len() as u64 })
    }

    /// Bytes that go in.
    pub fn input(&mut self, bytes: &[u8]) -> Value {
        let key = self.key(bytes);
        let id = match self.bytes.get(&key) {
            Some(id) => *id,
            None => self.new_bytes(key),
        };
        Value::Bytes { id, len: bytes.len() as u64 }
    }

    /// Bytes that come out.
    pub fn output(&mut self, bytes: &[u8]) -> Value {
        if bytes.len() < CHANCE_BYTES {
            let key = self.key(bytes);
            return Value::Bytes { id: self.new_bytes(key), len: bytes.len() as u64 };
        }
        self.input(bytes)
    }

    fn new_bytes(&mut self, key: (u64, u64, usize)) -> u64 {
        self.last_bytes += 1;
        self.bytes.insert(key, self.last_bytes);
        self.last_bytes
    }

    /// A session that goes in: its number, or the handle as it is where nobody opened it.
    pub fn session(&self, handle: u64) -> Value {
        self.sessions.get(&handle).map_or(Value::Number(handle), |number| Value::Session(*number))
    }

    /// A session that was opened.
    pub fn new_session(&mut self, handle: u64) -> Value {
        self.last_session += 1;
        self.sessions.insert(handle, self.last_session);
        Value::Session(self.last_session)
    }

    /// An object that goes in: its number, or the handle as it is where nobody met it.
    pub fn object(&self, handle: u64) -> Value {
        self.objects.get(&handle).map_or(Value::Number(handle), |number| Value::Object(*number))
    }

    /// An object that comes out, known or new.
    pub fn met_object(&mut self, handle: u64) -> Value {
        if let Some(number) = self.objects.get(&handle) {
            return Value::Object(*number);
        }
        self.new_object(handle)
    }

    /// An object that was made: its handle may have been another's before.
    pub fn new_object(&mut self, handle: u64) -> Value {
        self.last_object += 1;
        self.objects.insert(handle, self.last_object);
        Value::Object(self.last_object)
    }

    /// A thread, by whatever tells it from others.
    pub fn thread(&mut self, thread: u64) -> u64 {
        let next = self.threads.len() as u64 + 1;
        *self.threads.entry(thread).or_insert(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_the_same_number() {
        let mut symbols = Symbols::default();
        let first = symbols.input(b"a message");
        assert_eq!(symbols.output(b"a signature"), Value::Bytes { id: 2, len: 11 });
        assert_eq!(symbols.input(b"a message"), first);
        assert_eq!(symbols.known(b"a signature"), Some(Value::Bytes { id: 2, len: 11 }));
        assert_eq!(symbols.known(b"never seen"), None);
        assert_ne!(symbols.output(b"ab"), symbols.output(b"ab"));

        assert_eq!(symbols.session(7), Value::Number(7));
        assert_eq!(symbols.new_session(7), Value::Session(1));
        assert_eq!(symbols.session(7), Value::Session(1));
        let key = symbols.met_object(9);
        assert_eq!(symbols.met_object(9), key);
        assert_ne!(symbols.new_object(9), key);
        assert_eq!((symbols.thread(70), symbols.thread(71), symbols.thread(70)), (1, 2, 1));
    }
}
