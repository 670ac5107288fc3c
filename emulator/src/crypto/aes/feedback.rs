//! AES in cipher feedback and output feedback, in parts, and CTR under the same interface.
#![allow(unsafe_code, reason = "aws-lc-rs offers neither OFB nor CFB with every key size")]

use super::super::CryptoError;
use super::super::block::{KeyStream, Mode};
use super::super::foreign::{CipherCtx, check};
use super::{AesKey, BLOCK_LEN, CtrState};
use aws_lc_sys as sys;
use std::sync::Arc;

/// The most bytes handed down in one call; aws-lc counts in `int`.
const STEP: usize = 1 << 30;

/// aws-lc's table of the mode for a key of that many bytes.
fn evp(mode: Mode, key_len: usize) -> Result<*const sys::EVP_CIPHER, CryptoError> {
    // SAFETY: these take nothing and give a table that lives as long as the process.
    Ok(unsafe {
        match (mode, key_len) {
            (Mode::Cfb8, 16) => sys::EVP_aes_128_cfb8(),
            (Mode::Cfb8, 24) => sys::EVP_aes_192_cfb8(),
            (Mode::Cfb8, 32) => sys::EVP_aes_256_cfb8(),
            (Mode::Cfb, 16) => sys::EVP_aes_128_cfb128(),
            (Mode::Cfb, 24) => sys::EVP_aes_192_cfb128(),
            (Mode::Cfb, 32) => sys::EVP_aes_256_cfb128(),
            (Mode::Ofb, 16) => sys::EVP_aes_128_ofb(),
            (Mode::Ofb, 24) => sys::EVP_aes_192_ofb(),
            (Mode::Ofb, 32) => sys::EVP_aes_256_ofb(),
            _ => return Err(CryptoError::Key),
        }
    })
}

impl AesKey {
    /// Begins a message in a mode that makes a stream of the cipher.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] unless `iv` is one block.
    pub(in crate::crypto) fn running(
        self: Arc<Self>,
        mode: Mode,
        iv: &[u8],
        forward: bool,
    ) -> Result<Box<dyn KeyStream>, CryptoError> {
        let iv: &[u8; BLOCK_LEN] = iv.try_into().map_err(|_| CryptoError::Parameter)?;
        if mode == Mode::Counter {
            return Ok(Box::new(Counting { key: self, state: CtrState::new(*iv) }));
        }
        let evp = evp(mode, self.bytes.len())?;
        // SAFETY: a new context, ours; the key has the length the table wants, the vector 16 bytes.
        let context = unsafe {
            let context = CipherCtx::adopt(sys::EVP_CIPHER_CTX_new(), CryptoError::Internal)?;
            let returned = sys::EVP_CipherInit_ex(
                context.as_ptr(),
                evp,
                std::ptr::null_mut(),
                self.bytes.as_ptr(),
                iv.as_ptr(),
                i32::from(forward),
            );
            check(returned, CryptoError::Internal)?;
            sys::EVP_CIPHER_CTX_set_padding(context.as_ptr(), 0);
            context
        };
        Ok(Box::new(Feedback(context)))
    }
}

/// A message in CFB or OFB.
struct Feedback(CipherCtx);

// SAFETY: heap memory without ties to a thread; every use takes `&mut`.
unsafe impl Send for Feedback {}

impl KeyStream for Feedback {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), CryptoError> {
        for part in data.chunks_mut(STEP) {
            let len = i32::try_from(part.len()).map_err(|_| CryptoError::Length)?;
            let mut written = 0;
            let pointer = part.as_mut_ptr();
            // SAFETY: reads `len` bytes and writes as many in place: stream modes hold nothing
            // back.
            let returned = unsafe {
                sys::EVP_CipherUpdate(self.0.as_ptr(), pointer, &raw mut written, pointer, len)
            };
            check(returned, CryptoError::Internal)?;
            if written != len {
                return Err(CryptoError::Internal);
            }
        }
        Ok(())
    }
}

/// A message in CTR.
struct Counting {
    key: Arc<AesKey>,
    state: CtrState,
}

impl KeyStream for Counting {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), CryptoError> {
        self.key.ctr(&mut self.state, data)
    }
}
