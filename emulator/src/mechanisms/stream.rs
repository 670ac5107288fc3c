//! Messages in parts.

use crate::crypto::hash::{Digest, Hash};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{Cipher, Use, broken};

/// A message being encrypted or decrypted in parts.
pub trait Stream: Send {
    /// The most bytes that `input` more bytes can give.
    fn update_bound(&self, input: usize) -> usize;

    /// Takes the next part.
    ///
    /// # Errors
    /// Those of the mechanism; the operation is over then.
    fn update(&mut self, input: &[u8]) -> Result<Vec<u8>>;

    /// The most bytes that the end can give.
    ///
    /// # Errors
    /// Where the key's size decides and cannot be read.
    fn finish_bound(&self) -> Result<usize>;

    /// Ends the message. Called once more after a buffer that was too short, so nothing may be lost
    /// by it.
    ///
    /// # Errors
    /// Those of the mechanism.
    fn finish(&mut self) -> Result<Vec<u8>>;
}

/// A message being signed, verified or digested in parts.
pub trait Feed: Send {
    /// Takes the next part.
    ///
    /// # Errors
    /// `DataLenRange` when a collected message grows too long.
    fn update(&mut self, input: &[u8]) -> Result<()>;

    /// What is left of the message.
    ///
    /// # Errors
    /// When the crypto library fails.
    fn finish(self: Box<Self>) -> Result<Vec<u8>>;
}

/// The longest message that is collected before the mechanism sees it (Assumed; the vendor names
/// no figure, its GCM test sends 4 KiB).
const MOST_COLLECTED: usize = 64 << 20;

/// Collects the message for a mechanism that works on the whole of it.
pub struct Collect {
    cipher: &'static dyn Cipher,
    using: Use,
    message: Vec<u8>,
}

impl Collect {
    /// For `start` of a cipher that cannot stream.
    pub fn stream(cipher: &'static dyn Cipher, using: Use) -> Box<dyn Stream> {
        Box::new(Self { cipher, using, message: Vec::new() })
    }
}

impl Stream for Collect {
    fn update_bound(&self, _input: usize) -> usize {
        0
    }

    fn update(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        collect(&mut self.message, input)?;
        Ok(Vec::new())
    }

    fn finish_bound(&self) -> Result<usize> {
        Ok(self.cipher.bounds(&self.using, self.message.len())?.1)
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        self.cipher.once(&self.using, &self.message)
    }
}

fn collect(message: &mut Vec<u8>, input: &[u8]) -> Result<()> {
    if message.len().saturating_add(input.len()) > MOST_COLLECTED {
        return Err(Error::new(
            Cause::DataLenRange,
            format!("a message in parts may have {MOST_COLLECTED} bytes with this mechanism"),
        ));
    }
    message.extend_from_slice(input);
    Ok(())
}

/// The message itself, for mechanisms that sign what the caller hashed.
#[derive(Default)]
pub struct Raw(Vec<u8>);

impl Feed for Raw {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        collect(&mut self.0, input)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// The digest of the message.
pub struct Hashed(Digest);

impl Hashed {
    /// A feed through that hash, or the message itself without one.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn or_raw(hash: Option<Hash>) -> Result<Box<dyn Feed>> {
        Ok(match hash {
            Some(hash) => Box::new(Self(Digest::new(hash).map_err(broken)?)),
            None => Box::<Raw>::default(),
        })
    }
}

impl Feed for Hashed {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.0.update(input);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        self.0.finish().map_err(broken)
    }
}
