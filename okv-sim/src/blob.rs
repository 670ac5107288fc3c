//! The wallet password as the root key left it: a header and what `C_Encrypt` answered.
//!
//! ```text
//! version (4) || key number (4) || header check (8) || IV (16) || AES-CBC-PAD ciphertext
//! ```
//!
//! Numbers are big-endian. Version `0x18010000`, a key number and a separately verified header are Observed (a
//! 21.10 server's trace); their order, the check (SHA-256 of version and number, first 8 bytes) and where the IV
//! lies are Assumed. The ciphertext carries no MAC, as in the real product: a changed IV decrypts to a wrong
//! password, which only the wallet notices.

use std::fmt;

use serde::Serialize;

use crate::seal;

/// The format's version, Observed on OKV 21.10.
pub const VERSION: u32 = 0x1801_0000;

const FIXED: usize = 4 + 4 + 8 + 16;
const BLOCK: usize = 16;
/// Largest ciphertext worth believing, bytes. Assumed: a password is tens of bytes.
const LONGEST: usize = 128;

/// A positive 31-bit number that tells one server's root key from another's on the same partition.
///
/// Observed: one value, 281109417; that it is random, and also the key's `CKA_ID`, is Assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct KeyNumber(u32);

impl KeyNumber {
    /// `None` for 0 and for more than 31 bits.
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 || number > i32::MAX as u32 { None } else { Some(Self(number)) }
    }

    /// A random one.
    pub(crate) fn random() -> Result<Self, seal::Sealed> {
        loop {
            if let Some(number) = Self::new(u32::from_be_bytes(seal::random()?) & 0x7fff_ffff) {
                return Ok(number);
            }
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The bytes of `CKA_ID`: 4, big-endian (Assumed).
    pub const fn id(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A blob that was read and whose header is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) number: KeyNumber,
    pub(crate) iv: [u8; 16],
    pub(crate) ciphertext: Vec<u8>,
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobError {
    /// Another format; the number found.
    Version(u32),
    /// Cut short, not whole blocks, or the check does not fit.
    Damaged,
}

impl Blob {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED + self.ciphertext.len());
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&self.number.id());
        out.extend_from_slice(&check(self.number.get()));
        out.extend_from_slice(&self.iv);
        out.extend_from_slice(&self.ciphertext);
        out
    }

    pub(crate) fn read(file: &[u8]) -> Result<Self, BlobError> {
        let (version, rest) = file.split_first_chunk().ok_or(BlobError::Damaged)?;
        let version = u32::from_be_bytes(*version);
        let (number, rest) = rest.split_first_chunk().ok_or(BlobError::Damaged)?;
        let number = u32::from_be_bytes(*number);
        let (header_check, rest) = rest.split_first_chunk::<8>().ok_or(BlobError::Damaged)?;
        if version != VERSION {
            return Err(BlobError::Version(version));
        }
        if *header_check != check(number) {
            return Err(BlobError::Damaged);
        }
        let (iv, ciphertext) = rest.split_first_chunk().ok_or(BlobError::Damaged)?;
        let whole_blocks = !ciphertext.is_empty() && ciphertext.len().is_multiple_of(BLOCK);
        if !whole_blocks || ciphertext.len() > LONGEST {
            return Err(BlobError::Damaged);
        }
        let number = KeyNumber::new(number).ok_or(BlobError::Damaged)?;
        Ok(Self { number, iv: *iv, ciphertext: ciphertext.to_vec() })
    }
}

fn check(number: u32) -> [u8; 8] {
    let mut header = Vec::from(VERSION.to_be_bytes());
    header.extend_from_slice(&number.to_be_bytes());
    let mut out = [0; 8];
    for (to, from) in out.iter_mut().zip(seal::sha256(&header)) {
        *to = from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob() -> Blob {
        let number = KeyNumber::new(281_109_417).unwrap();
        Blob { number, iv: [7; 16], ciphertext: vec![9; 48] }
    }

    #[test]
    fn header_is_as_described() {
        let file = blob().write();
        assert_eq!(file[..8], [0x18, 0x01, 0, 0, 0x10, 0xc1, 0x63, 0xa9]);
        assert_eq!(file[16..32], [7; 16]);
        assert_eq!(file.len(), 32 + 48);
        assert_eq!(Blob::read(&file), Ok(blob()));
    }

    #[test]
    fn every_bit_of_the_header_counts_and_no_bit_after_it() {
        let file = blob().write();
        for at in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert_eq!(Blob::read(&damaged).is_err(), at / 8 < 16, "bit {at}");
        }
        for at in 0..file.len() {
            let whole = at > 32 && (at - 32).is_multiple_of(16);
            assert_eq!(Blob::read(&file[..at]).is_ok(), whole, "cut at {at}");
        }
    }

    #[test]
    fn numbers_are_positive_31_bit() {
        assert_eq!(KeyNumber::new(0), None);
        assert_eq!(KeyNumber::new(0x8000_0000), None);
        assert_eq!(KeyNumber::new(0x7fff_ffff).unwrap().id(), [0x7f, 0xff, 0xff, 0xff]);
    }
}
