//! AES with keys of 128, 192 and 256 bits, through aws-lc: ECB, CBC and CTR here, CFB and OFB in
//! `feedback`, GCM in `gcm`, key wrap in `wrap`, XTS (RustCrypto) in [`xts`].
//!
//! The caller decides what a mode is good for. Nothing here pads.
#![allow(unsafe_code, reason = "aws-lc-rs has no running IV, no in-place blocks and no AES-192")]

mod feedback;
mod gcm;
mod wrap;
pub mod xts;

use super::CryptoError;
use super::foreign::refused;
use aws_lc_sys as sys;
use std::fmt;
use std::sync::OnceLock;
use zeroize::{Zeroize, Zeroizing};

/// Length of an AES block in bytes.
pub const BLOCK_LEN: usize = 16;

/// An AES key. What a mode needs (key schedules, GCM tables) is made at its first use and kept.
pub struct AesKey {
    bytes: Zeroizing<Vec<u8>>,
    encrypt: OnceLock<Schedule>,
    decrypt: OnceLock<Schedule>,
    gcm: gcm::Contexts,
}

/// A key schedule, wiped when dropped. On the heap so that moving the key leaves no copy.
struct Schedule(Box<sys::AES_KEY>);

impl Drop for Schedule {
    fn drop(&mut self) {
        self.0.rd_key.zeroize();
    }
}

/// The way through the cipher, as aws-lc counts it.
#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

impl Direction {
    const fn code(self) -> i32 {
        match self {
            Self::Encrypt => sys::AES_ENCRYPT,
            Self::Decrypt => sys::AES_DECRYPT,
        }
    }
}

impl Schedule {
    fn new(key: &[u8], direction: Direction) -> Result<Self, CryptoError> {
        let bits = u32::try_from(key.len() * 8).map_err(|_| CryptoError::Key)?;
        let mut schedule = Self(Box::new(sys::AES_KEY { rd_key: [0; 60], rounds: 0 }));
        // SAFETY: reads `bits / 8` bytes, which is the slice's length, and writes one AES_KEY.
        // Lengths other than 16, 24 and 32 are refused by a negative answer.
        let returned = unsafe {
            match direction {
                Direction::Encrypt => {
                    sys::AES_set_encrypt_key(key.as_ptr(), bits, &raw mut *schedule.0)
                }
                Direction::Decrypt => {
                    sys::AES_set_decrypt_key(key.as_ptr(), bits, &raw mut *schedule.0)
                }
            }
        };
        if returned == 0 { Ok(schedule) } else { Err(refused(CryptoError::Key)) }
    }

    fn as_ptr(&self) -> *const sys::AES_KEY {
        &raw const *self.0
    }
}

/// What `OnceLock::get_or_try_init` will be once it is stable: a loser of the race drops its own.
fn kept<T>(
    cell: &OnceLock<T>,
    make: impl FnOnce() -> Result<T, CryptoError>,
) -> Result<&T, CryptoError> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

impl AesKey {
    /// A key of 16, 24 or 32 bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for any other length.
    pub fn new(key: &[u8]) -> Result<Self, CryptoError> {
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(CryptoError::Key);
        }
        Ok(Self {
            bytes: Zeroizing::new(key.to_vec()),
            encrypt: OnceLock::new(),
            decrypt: OnceLock::new(),
            gcm: gcm::Contexts::new(),
        })
    }

    /// Length of the key in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bytes.len() * 8
    }

    fn schedule(&self, direction: Direction) -> Result<&Schedule, CryptoError> {
        let cell = match direction {
            Direction::Encrypt => &self.encrypt,
            Direction::Decrypt => &self.decrypt,
        };
        kept(cell, || Schedule::new(&self.bytes, direction))
    }

    /// Encrypts whole blocks in place, each on its own.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless `data` is whole blocks.
    pub fn ecb_encrypt(&self, data: &mut [u8]) -> Result<(), CryptoError> {
        self.ecb(data, Direction::Encrypt)
    }

    /// Decrypts whole blocks in place, each on its own.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless `data` is whole blocks.
    pub fn ecb_decrypt(&self, data: &mut [u8]) -> Result<(), CryptoError> {
        self.ecb(data, Direction::Decrypt)
    }

    fn ecb(&self, data: &mut [u8], direction: Direction) -> Result<(), CryptoError> {
        let schedule = self.schedule(direction)?;
        let (blocks, []) = data.as_chunks_mut::<BLOCK_LEN>() else {
            return Err(CryptoError::Length);
        };
        for block in blocks {
            let block = block.as_mut_ptr();
            // SAFETY: reads and writes one block of 16 bytes, which may be the same one.
            unsafe { sys::AES_ecb_encrypt(block, block, schedule.as_ptr(), direction.code()) }
        }
        Ok(())
    }

    /// CBC-encrypts whole blocks in place and leaves in `iv` what the next call continues from.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless `data` is whole blocks.
    pub fn cbc_encrypt(
        &self,
        iv: &mut [u8; BLOCK_LEN],
        data: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.cbc(iv, data, Direction::Encrypt)
    }

    /// CBC-decrypts whole blocks in place and leaves in `iv` what the next call continues from.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless `data` is whole blocks.
    pub fn cbc_decrypt(
        &self,
        iv: &mut [u8; BLOCK_LEN],
        data: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.cbc(iv, data, Direction::Decrypt)
    }

    fn cbc(
        &self,
        iv: &mut [u8; BLOCK_LEN],
        data: &mut [u8],
        direction: Direction,
    ) -> Result<(), CryptoError> {
        if !data.len().is_multiple_of(BLOCK_LEN) {
            return Err(CryptoError::Length);
        }
        let schedule = self.schedule(direction)?;
        if data.is_empty() {
            return Ok(());
        }
        let pointer = data.as_mut_ptr();
        // SAFETY: reads and writes `data.len()` bytes, whole blocks, in place, which aws-lc
        // allows; the IV is 16 bytes and not part of `data`.
        unsafe {
            sys::AES_cbc_encrypt(
                pointer,
                pointer,
                data.len(),
                schedule.as_ptr(),
                iv.as_mut_ptr(),
                direction.code(),
            );
        }
        Ok(())
    }

    /// Applies the CTR key stream in place (encryption and decryption are the same) and moves
    /// `state` on, so that parts of any length may follow each other.
    ///
    /// The whole block counts, big-endian, and wraps after 2^128; a mechanism whose counter is
    /// shorter has to see to it that it does not run over.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`]; not known to happen.
    pub fn ctr(&self, state: &mut CtrState, data: &mut [u8]) -> Result<(), CryptoError> {
        let schedule = self.schedule(Direction::Encrypt)?;
        let pointer = data.as_mut_ptr();
        // SAFETY: reads and writes `data.len()` bytes in place; counter and key stream are 16
        // bytes each, and `used` stays below 16, as aws-lc left it.
        unsafe {
            sys::AES_ctr128_encrypt(
                pointer,
                pointer,
                data.len(),
                schedule.as_ptr(),
                state.counter.as_mut_ptr(),
                state.stream.as_mut_ptr(),
                &raw mut state.used,
            );
        }
        Ok(())
    }
}

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AesKey({} bits, ..)", self.bits())
    }
}

/// Where a CTR operation stands: the next counter block and the rest of the current key stream.
pub struct CtrState {
    counter: [u8; BLOCK_LEN],
    stream: Zeroizing<[u8; BLOCK_LEN]>,
    used: u32,
}

impl CtrState {
    /// Begins with this counter block.
    #[must_use]
    pub fn new(counter: [u8; BLOCK_LEN]) -> Self {
        Self { counter, stream: Zeroizing::new([0; BLOCK_LEN]), used: 0 }
    }
}

impl fmt::Debug for CtrState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CtrState(..)")
    }
}

#[cfg(test)]
mod tests;
