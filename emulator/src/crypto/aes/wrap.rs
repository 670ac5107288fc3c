//! AES key wrap: KW and KWP (NIST SP 800-38F; RFC 3394 and RFC 5649).
#![allow(unsafe_code, reason = "aws-lc-rs wraps with its own key type, without AES-192 or an IV")]

use super::super::CryptoError;
use super::super::foreign::{check, refused};
use super::{AesKey, Direction};
use aws_lc_sys as sys;
use zeroize::Zeroizing;

/// Bytes a wrapped key is longer than the (padded) key.
const OVERHEAD: usize = 8;
/// Longest input taken, in bytes; aws-lc counts in `unsigned` and so do we, well below.
const MAX_LEN: usize = 1 << 28;

impl AesKey {
    /// KW: wraps `key` (16 bytes or more, a multiple of 8) to 8 bytes more. Without an `iv` the
    /// standard's is used.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for any other length.
    pub fn kw_wrap(&self, iv: Option<&[u8; 8]>, key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if key.len() < 16 || key.len() > MAX_LEN || !key.len().is_multiple_of(8) {
            return Err(CryptoError::Length);
        }
        let schedule = self.schedule(Direction::Encrypt)?;
        let mut out = vec![0; key.len() + OVERHEAD];
        let iv = iv.map_or(std::ptr::null(), |iv| iv.as_ptr());
        // SAFETY: reads `key.len()` bytes and writes 8 more than that; the IV is 8 bytes or null.
        let written = unsafe {
            sys::AES_wrap_key(schedule.as_ptr(), iv, out.as_mut_ptr(), key.as_ptr(), key.len())
        };
        if usize::try_from(written) == Ok(out.len()) {
            Ok(out)
        } else {
            Err(refused(CryptoError::Internal))
        }
    }

    /// KW: unwraps what [`AesKey::kw_wrap`] made.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless there are 24 bytes or more, a multiple of 8;
    /// [`CryptoError::Failed`] when the integrity check fails.
    pub fn kw_unwrap(
        &self,
        iv: Option<&[u8; 8]>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if wrapped.len() < 24 || wrapped.len() > MAX_LEN || !wrapped.len().is_multiple_of(8) {
            return Err(CryptoError::Length);
        }
        let schedule = self.schedule(Direction::Decrypt)?;
        let mut out = Zeroizing::new(vec![0; wrapped.len() - OVERHEAD]);
        let iv = iv.map_or(std::ptr::null(), |iv| iv.as_ptr());
        // SAFETY: reads `wrapped.len()` bytes and writes 8 fewer; the IV is 8 bytes or null.
        let written = unsafe {
            sys::AES_unwrap_key(
                schedule.as_ptr(),
                iv,
                out.as_mut_ptr(),
                wrapped.as_ptr(),
                wrapped.len(),
            )
        };
        if usize::try_from(written) == Ok(out.len()) {
            Ok(out)
        } else {
            Err(refused(CryptoError::Failed))
        }
    }

    /// KWP: wraps a key of one byte or more, padded to a multiple of 8, to 8 bytes more.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for an empty key or one beyond 256 MiB.
    pub fn kwp_wrap(&self, key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if key.is_empty() || key.len() > MAX_LEN {
            return Err(CryptoError::Length);
        }
        let schedule = self.schedule(Direction::Encrypt)?;
        let mut out = vec![0; key.len().next_multiple_of(8) + OVERHEAD];
        let mut written = 0;
        // SAFETY: reads `key.len()` bytes and writes at most `out.len()`.
        let returned = unsafe {
            sys::AES_wrap_key_padded(
                schedule.as_ptr(),
                out.as_mut_ptr(),
                &raw mut written,
                out.len(),
                key.as_ptr(),
                key.len(),
            )
        };
        check(returned, CryptoError::Internal)?;
        out.truncate(written);
        Ok(out)
    }

    /// KWP: unwraps what [`AesKey::kwp_wrap`] made.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless there are 16 bytes or more, a multiple of 8;
    /// [`CryptoError::Failed`] when the integrity check fails.
    pub fn kwp_unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if wrapped.len() < 16 || wrapped.len() > MAX_LEN || !wrapped.len().is_multiple_of(8) {
            return Err(CryptoError::Length);
        }
        let schedule = self.schedule(Direction::Decrypt)?;
        let mut out = Zeroizing::new(vec![0; wrapped.len()]);
        let mut written = 0;
        // SAFETY: reads `wrapped.len()` bytes and writes at most `out.len()`.
        let returned = unsafe {
            sys::AES_unwrap_key_padded(
                schedule.as_ptr(),
                out.as_mut_ptr(),
                &raw mut written,
                out.len(),
                wrapped.as_ptr(),
                wrapped.len(),
            )
        };
        check(returned, CryptoError::Failed)?;
        out.truncate(written);
        Ok(out)
    }
}
