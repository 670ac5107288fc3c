//! RC5, whose crate fixes word, rounds and length of the key when it is compiled.
//!
//! Keys of lengths between whole words need no line: RFC 2040 (section 4) fills the last word up
//! with zeros before it is used, so the filled-up key is the same key.

use ::rc5::RC5;
use cipher::consts::*;
use zeroize::Zeroizing;

use super::{BlockKey, eight, sixteen};
use crate::crypto::CryptoError;

/// A key by its length in bytes.
macro_rules! by_length {
    ($make:ident, $word:ty, $rounds:ty, $key:expr, $($len:literal $size:ty),+) => {
        match $key.len() {
            $($len => $make::<RC5<$word, $rounds, $size>>(&$key),)+
            _ => Err(CryptoError::Key),
        }
    };
}

macro_rules! words_of_4 {
    ($rounds:ty, $key:expr) => {
        by_length!(
            eight, u32, $rounds, $key, 4 U4, 8 U8, 12 U12, 16 U16, 20 U20, 24 U24, 28 U28, 32 U32
        )
    };
}

macro_rules! words_of_8 {
    ($rounds:ty, $key:expr) => {
        by_length!(sixteen, u64, $rounds, $key, 8 U8, 16 U16, 24 U24, 32 U32)
    };
}

pub(super) fn key(word_bytes: u64, rounds: u64, key: &[u8]) -> Result<BlockKey, CryptoError> {
    let word = match word_bytes {
        4 => 4,
        8 => 8,
        _ => return Err(CryptoError::Parameter),
    };
    let mut filled = Zeroizing::new(key.to_vec());
    filled.resize(key.len().next_multiple_of(word), 0);
    match (word, rounds) {
        (4, 8) => words_of_4!(U8, filled),
        (4, 12) => words_of_4!(U12, filled),
        (4, 16) => words_of_4!(U16, filled),
        (4, 20) => words_of_4!(U20, filled),
        (8, 8) => words_of_8!(U8, filled),
        (8, 12) => words_of_8!(U12, filled),
        (8, 16) => words_of_8!(U16, filled),
        (8, 20) => words_of_8!(U20, filled),
        (8, 24) => words_of_8!(U24, filled),
        _ => Err(CryptoError::Parameter),
    }
}
