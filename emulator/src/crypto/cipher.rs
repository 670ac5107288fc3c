//! Ciphers and modes that run in parts under one interface, through aws-lc: CFB and OFB with AES.
//!
//! Nothing is padded here.
#![allow(unsafe_code, reason = "aws-lc-rs offers neither OFB nor CFB with every key size")]

use super::CryptoError;
use super::foreign::{CipherCtx, check};
use aws_lc_sys as sys;
use std::fmt;

/// A cipher in a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// AES, cipher feedback of 8 bits.
    AesCfb8,
    /// AES, cipher feedback of 128 bits.
    AesCfb128,
    /// AES, output feedback.
    AesOfb,
}

/// The most bytes handed down in one call; aws-lc counts in `int`.
const STEP: usize = 1 << 30;

impl Algorithm {
    /// aws-lc's table of the cipher for a key of that many bytes.
    fn evp(self, key_len: usize) -> Result<*const sys::EVP_CIPHER, CryptoError> {
        // SAFETY: these take nothing and give a table that lives as long as the process.
        Ok(unsafe {
            match (self, key_len) {
                (Self::AesCfb8, 16) => sys::EVP_aes_128_cfb8(),
                (Self::AesCfb8, 24) => sys::EVP_aes_192_cfb8(),
                (Self::AesCfb8, 32) => sys::EVP_aes_256_cfb8(),
                (Self::AesCfb128, 16) => sys::EVP_aes_128_cfb128(),
                (Self::AesCfb128, 24) => sys::EVP_aes_192_cfb128(),
                (Self::AesCfb128, 32) => sys::EVP_aes_256_cfb128(),
                (Self::AesOfb, 16) => sys::EVP_aes_128_ofb(),
                (Self::AesOfb, 24) => sys::EVP_aes_192_ofb(),
                (Self::AesOfb, 32) => sys::EVP_aes_256_ofb(),
                _ => return Err(CryptoError::Key),
            }
        })
    }
}

/// A message going through a cipher in parts.
pub struct Running(CipherCtx);

// SAFETY: heap memory without ties to a thread; every use takes `&mut`.
unsafe impl Send for Running {}

impl Running {
    /// Begins a message; `forward` encrypts.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for a key of another length, [`CryptoError::Parameter`] for an
    /// initialisation vector of another length.
    pub fn new(
        algorithm: Algorithm,
        key: &[u8],
        iv: &[u8],
        forward: bool,
    ) -> Result<Self, CryptoError> {
        let evp = algorithm.evp(key.len())?;
        // SAFETY: the table is live.
        let wanted = unsafe { sys::EVP_CIPHER_iv_length(evp) };
        if u32::try_from(iv.len()) != Ok(wanted) {
            return Err(CryptoError::Parameter);
        }
        // SAFETY: a new context, ours; key and vector have the lengths the table wants.
        unsafe {
            let context = CipherCtx::adopt(sys::EVP_CIPHER_CTX_new(), CryptoError::Internal)?;
            let returned = sys::EVP_CipherInit_ex(
                context.as_ptr(),
                evp,
                std::ptr::null_mut(),
                key.as_ptr(),
                iv.as_ptr(),
                i32::from(forward),
            );
            check(returned, CryptoError::Internal)?;
            sys::EVP_CIPHER_CTX_set_padding(context.as_ptr(), 0);
            Ok(Self(context))
        }
    }

    /// The next part of the message, as many bytes out as in.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn update(&mut self, input: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut output = vec![0; input.len()];
        for (from, into) in input.chunks(STEP).zip(output.chunks_mut(STEP)) {
            let len = i32::try_from(from.len()).map_err(|_| CryptoError::Length)?;
            let mut written = 0;
            // SAFETY: reads `len` bytes and writes as many: stream modes hold nothing back.
            let returned = unsafe {
                sys::EVP_CipherUpdate(
                    self.0.as_ptr(),
                    into.as_mut_ptr(),
                    &raw mut written,
                    from.as_ptr(),
                    len,
                )
            };
            check(returned, CryptoError::Internal)?;
            if written != len {
                return Err(CryptoError::Internal);
            }
        }
        Ok(output)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lengths_of_key_and_vector_are_refused() {
        let new = |key: &[u8], iv: &[u8]| Running::new(Algorithm::AesOfb, key, iv, true).err();
        assert_eq!(new(&[0; 16], &[0; 16]), None);
        assert_eq!(new(&[0; 20], &[0; 16]), Some(CryptoError::Key));
        assert_eq!(new(&[0; 16], &[0; 12]), Some(CryptoError::Parameter));
    }
}
