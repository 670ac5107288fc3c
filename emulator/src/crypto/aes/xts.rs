//! AES in XTS (IEEE 1619, SP 800-38E), through RustCrypto: aws-lc has it with keys of 256 bits only.

use aes::{Aes128, Aes256};
use cipher::consts::U16;
use cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use xts_mode::Xts128;

use super::BLOCK_LEN;
use crate::crypto::CryptoError;

/// The most bytes of one sector: 2^20 blocks (SP 800-38E, section 4).
pub const MOST_BYTES: usize = BLOCK_LEN << 20;

/// Two AES keys of one length.
pub struct XtsKey(Length);

enum Length {
    Bits128(Box<Xts128<Aes128>>),
    Bits256(Box<Xts128<Aes256>>),
}

fn pair<C>(data: &[u8], tweak: &[u8]) -> Result<Box<Xts128<C>>, CryptoError>
where
    C: KeyInit + BlockSizeUser<BlockSize = U16>,
{
    let cipher = |key| C::new_from_slice(key).map_err(|_| CryptoError::Key);
    Ok(Box::new(Xts128::new(cipher(data)?, cipher(tweak)?)))
}

fn check(data: &[u8]) -> Result<(), CryptoError> {
    if (BLOCK_LEN..=MOST_BYTES).contains(&data.len()) { Ok(()) } else { Err(CryptoError::Length) }
}

fn encrypt<C>(key: &Xts128<C>, place: [u8; BLOCK_LEN], data: &mut [u8])
where
    C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt,
{
    key.encrypt_sector(data, Array(place));
}

fn decrypt<C>(key: &Xts128<C>, place: [u8; BLOCK_LEN], data: &mut [u8])
where
    C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt,
{
    key.decrypt_sector(data, Array(place));
}

impl XtsKey {
    /// The key for the data, and the key for the place of the data.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] unless both have 16 or both have 32 bytes, [`CryptoError::Parameter`]
    /// for one key given twice.
    pub fn new(data: &[u8], tweak: &[u8]) -> Result<Self, CryptoError> {
        let length = match (data.len(), tweak.len()) {
            (16, 16) => Length::Bits128(pair(data, tweak)?),
            (32, 32) => Length::Bits256(pair(data, tweak)?),
            _ => return Err(CryptoError::Key),
        };
        if data == tweak { Err(CryptoError::Parameter) } else { Ok(Self(length)) }
    }

    /// Encrypts a sector in place.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for less than a block and for more than [`MOST_BYTES`].
    pub fn encrypt(&self, place: [u8; BLOCK_LEN], data: &mut [u8]) -> Result<(), CryptoError> {
        check(data)?;
        match &self.0 {
            Length::Bits128(key) => encrypt(key, place, data),
            Length::Bits256(key) => encrypt(key, place, data),
        }
        Ok(())
    }

    /// Decrypts a sector in place.
    ///
    /// # Errors
    ///
    /// As [`XtsKey::encrypt`].
    pub fn decrypt(&self, place: [u8; BLOCK_LEN], data: &mut [u8]) -> Result<(), CryptoError> {
        check(data)?;
        match &self.0 {
            Length::Bits128(key) => decrypt(key, place, data),
            Length::Bits256(key) => decrypt(key, place, data),
        }
        Ok(())
    }
}
