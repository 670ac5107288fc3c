//! Sealing of what leaves for the disk: AES-256-GCM through ring.
//!
//! A sealed value is `nonce (12) || ciphertext || tag (16)`. The nonce is random, so one key
//! must not seal more than 2^32 values; a store makes far fewer before its key is changed.

use super::{CryptoError, random};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes a sealed value is longer than what it seals.
pub const OVERHEAD: usize = NONCE_LEN + 16;

/// A 32-byte sealing key, wiped when dropped and never printed.
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// Takes the key as it came from a derivation.
    #[must_use]
    pub fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// A new random key.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when there is no randomness.
    pub fn generate() -> Result<Self, CryptoError> {
        let mut key = Zeroizing::new([0; 32]);
        random::fill(key.as_mut_slice())?;
        Ok(Self(key))
    }

    /// The key itself, for sealing it under another.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `plain` bound to `aad`: nonce || ciphertext || tag.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when there is no randomness, [`CryptoError::Length`] beyond
    /// 64 GiB.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0; NONCE_LEN];
        random::fill(&mut nonce)?;
        let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let body = out.get_mut(NONCE_LEN..).ok_or(CryptoError::Internal)?;
        let tag = self
            .cipher()?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body)
            .map_err(|_| CryptoError::Length)?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// Opens what [`SealKey::seal`] made with the same `aad`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] when `sealed` is too short to be sealed,
    /// [`CryptoError::Failed`] when key, `aad` or any byte differ.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if sealed.len() < OVERHEAD {
            return Err(CryptoError::Length);
        }
        let (nonce, body) = sealed.split_first_chunk().ok_or(CryptoError::Length)?;
        let mut out = Zeroizing::new(body.to_vec());
        let plain_len = self
            .cipher()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut out)
            .map_err(|_| CryptoError::Failed)?
            .len();
        out.truncate(plain_len);
        Ok(out)
    }

    /// ring's key schedule; made per call (about 0.1 µs) because ring does not wipe it.
    fn cipher(&self) -> Result<LessSafeKey, CryptoError> {
        UnboundKey::new(&AES_256_GCM, self.0.as_slice())
            .map(LessSafeKey::new)
            .map_err(|_| CryptoError::Key)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::aes::AesKey;
    use super::*;

    fn key(byte: u8) -> SealKey {
        SealKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn what_is_sealed_opens_again_and_differs_each_time() {
        for plain in [&b""[..], b"x", &[7; 1000]] {
            let (one, two) = (key(1).seal(b"row 5", plain).unwrap(), key(1).seal(b"row 5", plain));
            assert_eq!(one.len(), plain.len() + OVERHEAD);
            assert_ne!(one, two.unwrap());
            assert_eq!(*key(1).open(b"row 5", &one).unwrap(), plain);
        }
    }

    #[test]
    fn another_key_another_place_or_any_changed_byte_is_refused() {
        let sealed = key(1).seal(b"row 5", b"secret").unwrap();
        assert_eq!(key(2).open(b"row 5", &sealed).unwrap_err(), CryptoError::Failed);
        assert_eq!(key(1).open(b"row 6", &sealed).unwrap_err(), CryptoError::Failed);
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(key(1).open(b"row 5", &changed).unwrap_err(), CryptoError::Failed);
        }
        assert_eq!(key(1).open(b"row 5", &sealed[..27]).unwrap_err(), CryptoError::Length);
        assert_eq!(key(1).open(b"row 5", b"").unwrap_err(), CryptoError::Length);
    }

    #[test]
    fn the_other_library_opens_it_too() {
        let sealed = key(9).seal(b"aad", b"the same standard").unwrap();
        let (iv, body) = sealed.split_at(12);
        let plain = AesKey::new(&[9; 32]).unwrap().gcm_open(iv, b"aad", body, 16).unwrap();
        assert_eq!(*plain, b"the same standard");
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", key(0x41)), "SealKey(..)");
    }
}
