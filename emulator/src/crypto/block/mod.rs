//! Block ciphers under one interface, whoever serves them: AES through aws-lc, the others through
//! the RustCrypto crates.
//!
//! A new cipher is a line of [`Algorithm`] and one of `BlockKey::new`. Nothing is padded here, and
//! no mode is our own: those over RustCrypto's ciphers are RustCrypto's too.

mod padding;
mod rc5;
mod shared;
mod stream;

pub use padding::Padding;
pub use stream::{KeyStream, Mode, rc4};

use std::fmt;
use std::sync::Arc;

use cipher::common::InnerInit;
use cipher::consts::{U8, U16};
use cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit,
    IvState, KeyInit,
};
use cmac::Mac;

use self::shared::Shared;
use super::CryptoError;
use super::aes::{AesKey, BLOCK_LEN};

/// A block cipher with its key.
pub trait BlockCipher: Send + Sync {
    /// Bytes of a block: 8 or 16.
    fn block_len(&self) -> usize;

    /// Whole blocks in place, each on its own.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless `data` is whole blocks.
    fn ecb(&self, data: &mut [u8], forward: bool) -> Result<(), CryptoError>;

    /// Whole blocks in place, chained; leaves in `iv` what the next call continues from.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless `data` is whole blocks, [`CryptoError::Parameter`] unless
    /// `iv` is one.
    fn cbc(&self, iv: &mut [u8], data: &mut [u8], forward: bool) -> Result<(), CryptoError>;

    /// Begins a message in a mode that makes a stream of the cipher.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] unless `iv` is one block.
    fn stream(
        self: Arc<Self>,
        mode: Mode,
        iv: &[u8],
        forward: bool,
    ) -> Result<Box<dyn KeyStream>, CryptoError>;
}

/// What there is beside AES, with what decides on the key schedule besides the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// DES with one key of 8 bytes; parity is not looked at.
    Des,
    /// Triple DES with two keys (16 bytes) or three (24 bytes).
    TripleDes,
    /// RC2 with a key of 1 to 128 bytes.
    Rc2 {
        /// Bits of the key that count, 1 to 1024.
        effective_bits: usize,
    },
    /// RC5 with a key of 1 to 32 bytes.
    Rc5 {
        /// Bytes of a word: 4 or 8. A block is two words.
        word_bytes: u64,
        /// Rounds: 8, 12, 16 or 20.
        rounds: u64,
    },
    /// CAST-128 with a key of 1 to 16 bytes.
    Cast5,
    /// ARIA with a key of 16, 24 or 32 bytes.
    Aria,
    /// SM4.
    Sm4,
}

/// A key of one of these, its schedule made once.
#[derive(Clone)]
pub struct BlockKey(Width);

#[derive(Clone)]
enum Width {
    Eight(Shared<U8>),
    Sixteen(Shared<U16>),
}

/// The same for either width of a block.
macro_rules! either {
    ($width:expr, $shared:ident => $then:expr) => {
        match $width {
            Width::Eight($shared) => $then,
            Width::Sixteen($shared) => $then,
        }
    };
}

fn eight<C>(key: &[u8]) -> Result<BlockKey, CryptoError>
where
    C: KeyInit + shared::Raw<U8> + 'static,
{
    let cipher = C::new_from_slice(key).map_err(|_| CryptoError::Key)?;
    Ok(BlockKey(Width::Eight(Shared::new(cipher))))
}

fn sixteen<C>(key: &[u8]) -> Result<BlockKey, CryptoError>
where
    C: KeyInit + shared::Raw<U16> + 'static,
{
    let cipher = C::new_from_slice(key).map_err(|_| CryptoError::Key)?;
    Ok(BlockKey(Width::Sixteen(Shared::new(cipher))))
}

impl BlockKey {
    /// A key for that cipher.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for a length the cipher has not, [`CryptoError::Parameter`] for
    /// effective bits, a word or rounds that are not served.
    pub fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, CryptoError> {
        match (algorithm, key.len()) {
            (Algorithm::Des, _) => eight::<des::Des>(key),
            (Algorithm::TripleDes, 16) => eight::<des::TdesEde2>(key),
            (Algorithm::TripleDes, _) => eight::<des::TdesEde3>(key),
            (Algorithm::Rc2 { effective_bits }, 1..=128) => {
                if !(1..=1024).contains(&effective_bits) {
                    return Err(CryptoError::Parameter);
                }
                let cipher = rc2::Rc2::new_with_eff_key_len(key, effective_bits);
                Ok(Self(Width::Eight(Shared::new(cipher))))
            }
            (Algorithm::Rc2 { .. }, _) => Err(CryptoError::Key),
            (Algorithm::Rc5 { word_bytes, rounds }, _) => rc5::key(word_bytes, rounds, key),
            // RFC 2144, section 2.5: shorter keys are filled up with zeros, which the crate does
            // from 5 bytes on.
            (Algorithm::Cast5, 1..5) => {
                let mut filled = zeroize::Zeroizing::new(key.to_vec());
                filled.resize(5, 0);
                eight::<cast5::Cast5>(&filled)
            }
            (Algorithm::Cast5, _) => eight::<cast5::Cast5>(key),
            (Algorithm::Aria, 16) => sixteen::<aria::Aria128>(key),
            (Algorithm::Aria, 24) => sixteen::<aria::Aria192>(key),
            (Algorithm::Aria, _) => sixteen::<aria::Aria256>(key),
            (Algorithm::Sm4, _) => sixteen::<sm4::Sm4>(key),
        }
    }

    /// Begins a CMAC.
    #[must_use]
    pub fn cmac(&self) -> Cmac {
        Cmac(match &self.0 {
            Width::Eight(shared) => CmacWidth::Eight(InnerInit::inner_init(shared.clone())),
            Width::Sixteen(shared) => CmacWidth::Sixteen(InnerInit::inner_init(shared.clone())),
        })
    }
}

impl BlockCipher for BlockKey {
    fn block_len(&self) -> usize {
        match self.0 {
            Width::Eight(_) => 8,
            Width::Sixteen(_) => 16,
        }
    }

    fn ecb(&self, data: &mut [u8], forward: bool) -> Result<(), CryptoError> {
        either!(&self.0, shared => {
            let (blocks, []) = Array::slice_as_chunks_mut(data) else {
                return Err(CryptoError::Length);
            };
            if forward { shared.encrypt_blocks(blocks) } else { shared.decrypt_blocks(blocks) }
        });
        Ok(())
    }

    fn cbc(&self, iv: &mut [u8], data: &mut [u8], forward: bool) -> Result<(), CryptoError> {
        either!(&self.0, shared => {
            let (blocks, []) = Array::slice_as_chunks_mut(data) else {
                return Err(CryptoError::Length);
            };
            let running = Array::try_from(&*iv).map_err(|_| CryptoError::Parameter)?;
            let running = if forward {
                let mut mode = cbc::Encryptor::inner_iv_init(shared.clone(), &running);
                mode.encrypt_blocks(blocks);
                mode.iv_state()
            } else {
                let mut mode = cbc::Decryptor::inner_iv_init(shared.clone(), &running);
                mode.decrypt_blocks(blocks);
                mode.iv_state()
            };
            iv.copy_from_slice(&running);
        });
        Ok(())
    }

    fn stream(
        self: Arc<Self>,
        mode: Mode,
        iv: &[u8],
        forward: bool,
    ) -> Result<Box<dyn KeyStream>, CryptoError> {
        match &self.0 {
            Width::Eight(shared) => stream::eight(shared, mode, iv, forward),
            Width::Sixteen(shared) => stream::sixteen(shared, mode, iv, forward),
        }
    }
}

impl fmt::Debug for BlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockKey(..)")
    }
}

impl BlockCipher for AesKey {
    fn block_len(&self) -> usize {
        BLOCK_LEN
    }

    fn ecb(&self, data: &mut [u8], forward: bool) -> Result<(), CryptoError> {
        if forward { self.ecb_encrypt(data) } else { self.ecb_decrypt(data) }
    }

    fn cbc(&self, iv: &mut [u8], data: &mut [u8], forward: bool) -> Result<(), CryptoError> {
        let iv = iv.try_into().map_err(|_| CryptoError::Parameter)?;
        if forward { self.cbc_encrypt(iv, data) } else { self.cbc_decrypt(iv, data) }
    }

    fn stream(
        self: Arc<Self>,
        mode: Mode,
        iv: &[u8],
        forward: bool,
    ) -> Result<Box<dyn KeyStream>, CryptoError> {
        self.running(mode, iv, forward)
    }
}

/// A CMAC in parts (NIST SP 800-38B).
pub struct Cmac(CmacWidth);

enum CmacWidth {
    Eight(cmac::Cmac<Shared<U8>>),
    Sixteen(cmac::Cmac<Shared<U16>>),
}

impl Cmac {
    /// Adds the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            CmacWidth::Eight(running) => running.update(data),
            CmacWidth::Sixteen(running) => running.update(data),
        }
    }

    /// The CMAC of everything added, one block.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            CmacWidth::Eight(running) => running.finalize().into_bytes().to_vec(),
            CmacWidth::Sixteen(running) => running.finalize().into_bytes().to_vec(),
        }
    }
}

impl fmt::Debug for Cmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cmac(..)")
    }
}

/// A cipher shared by all that use its key.
pub type AnyCipher = Arc<dyn BlockCipher>;

#[cfg(test)]
mod tests {
    use super::*;

    fn made(algorithm: Algorithm, len: usize) -> Option<CryptoError> {
        BlockKey::new(algorithm, &vec![7; len]).err()
    }

    #[test]
    fn keys_of_other_lengths_are_refused() {
        for (algorithm, lengths) in [
            (Algorithm::Des, &[8][..]),
            (Algorithm::TripleDes, &[16, 24]),
            (Algorithm::Aria, &[16, 24, 32]),
            (Algorithm::Sm4, &[16]),
            (Algorithm::Cast5, &[1, 4, 5, 16]),
            (Algorithm::Rc2 { effective_bits: 63 }, &[1, 16, 128]),
            (Algorithm::Rc5 { word_bytes: 4, rounds: 12 }, &[1, 5, 16, 32]),
        ] {
            for len in [0, 1, 4, 5, 7, 8, 15, 16, 17, 24, 31, 32, 33, 128, 129] {
                if lengths.contains(&len) {
                    assert_eq!(made(algorithm, len), None, "{algorithm:?} {len}");
                }
            }
            for len in [0, 129] {
                assert_eq!(made(algorithm, len), Some(CryptoError::Key), "{algorithm:?} {len}");
            }
        }
        for algorithm in [Algorithm::Des, Algorithm::TripleDes, Algorithm::Aria, Algorithm::Sm4] {
            assert_eq!(made(algorithm, 9), Some(CryptoError::Key));
        }
    }

    #[test]
    fn schedules_that_nobody_serves_are_refused() {
        for effective_bits in [0, 1025] {
            let refused = made(Algorithm::Rc2 { effective_bits }, 16);
            assert_eq!(refused, Some(CryptoError::Parameter));
        }
        for (word_bytes, rounds) in [(2, 12), (16, 12), (4, 0), (4, 13), (8, 255)] {
            let refused = made(Algorithm::Rc5 { word_bytes, rounds }, 16);
            assert_eq!(refused, Some(CryptoError::Parameter), "{word_bytes} {rounds}");
        }
    }

    #[test]
    fn parts_of_blocks_and_other_vectors_are_refused() {
        for key in [
            BlockKey::new(Algorithm::Des, &[1; 8]).unwrap(),
            BlockKey::new(Algorithm::Sm4, &[1; 16]).unwrap(),
        ] {
            let block = key.block_len();
            assert_eq!(key.ecb(&mut vec![0; block + 1], true), Err(CryptoError::Length));
            let mut iv = vec![0; block];
            let data = &mut vec![0; 2 * block - 1];
            assert_eq!(key.cbc(&mut iv, data, false), Err(CryptoError::Length));
            let data = &mut vec![0; 2 * block];
            iv.push(0);
            assert_eq!(key.cbc(&mut iv, data, false), Err(CryptoError::Parameter));
            for mode in [Mode::Cfb, Mode::Cfb8, Mode::Ofb, Mode::Counter] {
                assert!(matches!(
                    Arc::new(key.clone()).stream(mode, &iv, true),
                    Err(CryptoError::Parameter)
                ));
            }
        }
    }
}
