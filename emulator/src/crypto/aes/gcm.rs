//! AES-GCM (NIST SP 800-38D) with IVs and tags of any size the standard knows.
#![allow(unsafe_code, reason = "aws-lc-rs has no other IV and tag sizes than 12 and 16 bytes")]

use super::super::CryptoError;
use super::super::foreign::{AeadCtx, check};
use super::{AesKey, kept};
use aws_lc_sys as sys;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// Shortest tag, in bytes.
const MIN_TAG: usize = 4;
/// Longest tag, in bytes.
const MAX_TAG: usize = 16;
/// Longest plaintext in bytes: 2^39 - 256 bits.
const MAX_PLAIN: u64 = (1 << 36) - 32;

/// The keyed contexts, one per tag length since aws-lc fixes the length when it takes the key.
pub(super) struct Contexts([OnceLock<Context>; MAX_TAG - MIN_TAG + 1]);

struct Context(AeadCtx);

// SAFETY: heap memory without ties to a thread.
unsafe impl Send for Context {}
// SAFETY: aws-lc documents seal and open on one shared context as safe to run concurrently for
// the three AES-GCM algorithms used here (openssl/aead.h, "Concurrency"); nothing else is called
// on it between its making and its freeing.
unsafe impl Sync for Context {}

impl Contexts {
    pub(super) fn new() -> Self {
        Self([const { OnceLock::new() }; MAX_TAG - MIN_TAG + 1])
    }

    fn keyed(&self, key: &[u8], tag_len: usize) -> Result<&AeadCtx, CryptoError> {
        let cell = tag_len
            .checked_sub(MIN_TAG)
            .and_then(|index| self.0.get(index))
            .ok_or(CryptoError::Parameter)?;
        kept(cell, || Context::new(key, tag_len)).map(|context| &context.0)
    }
}

impl Context {
    fn new(key: &[u8], tag_len: usize) -> Result<Self, CryptoError> {
        // SAFETY: the algorithms are statics; `EVP_AEAD_CTX_new` reads `key.len()` bytes and
        // the new context is ours.
        unsafe {
            let algorithm = match key.len() {
                16 => sys::EVP_aead_aes_128_gcm(),
                24 => sys::EVP_aead_aes_192_gcm(),
                32 => sys::EVP_aead_aes_256_gcm(),
                _ => return Err(CryptoError::Key),
            };
            let made = sys::EVP_AEAD_CTX_new(algorithm, key.as_ptr(), key.len(), tag_len);
            AeadCtx::adopt(made, CryptoError::Internal).map(Self)
        }
    }
}

/// Whether GCM can take this much text.
fn fits(len: usize) -> bool {
    u64::try_from(len).is_ok_and(|len| len <= MAX_PLAIN)
}

impl AesKey {
    /// GCM-encrypts: ciphertext || tag.
    ///
    /// `iv` is one byte or longer, `tag_len` 4 to 16 bytes. Never use an IV twice with a key.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] for an empty IV or another tag length,
    /// [`CryptoError::Length`] beyond 64 GiB of text.
    pub fn gcm_seal(
        &self,
        iv: &[u8],
        aad: &[u8],
        plain: &[u8],
        tag_len: usize,
    ) -> Result<Vec<u8>, CryptoError> {
        let len = plain.len().checked_add(tag_len).ok_or(CryptoError::Parameter)?;
        // Before the memory is asked for, since `tag_len` is the caller's word.
        self.gcm.keyed(&self.bytes, tag_len)?;
        let mut out = vec![0; len];
        self.gcm_seal_into(iv, aad, plain, tag_len, &mut out)?;
        Ok(out)
    }

    /// As [`AesKey::gcm_seal`], into a buffer of exactly `plain.len() + tag_len` bytes; large
    /// texts are spared the fresh memory.
    ///
    /// # Errors
    ///
    /// As [`AesKey::gcm_seal`]; [`CryptoError::Length`] for a buffer of another length. The
    /// contents of `out` are nothing of value then.
    pub fn gcm_seal_into(
        &self,
        iv: &[u8],
        aad: &[u8],
        plain: &[u8],
        tag_len: usize,
        out: &mut [u8],
    ) -> Result<(), CryptoError> {
        let context = self.gcm.keyed(&self.bytes, tag_len)?;
        if iv.is_empty() {
            return Err(CryptoError::Parameter);
        }
        let (text, tag) = out.split_at_mut_checked(plain.len()).ok_or(CryptoError::Length)?;
        if !fits(plain.len()) || tag.len() != tag_len {
            return Err(CryptoError::Length);
        }
        let mut written = 0;
        // SAFETY: every pointer goes with the length of its slice; `text` is as long as `plain`,
        // `tag` as long as the context's tag, and none of them overlap.
        let returned = unsafe {
            sys::EVP_AEAD_CTX_seal_scatter(
                context.as_ptr(),
                text.as_mut_ptr(),
                tag.as_mut_ptr(),
                &raw mut written,
                tag.len(),
                iv.as_ptr(),
                iv.len(),
                plain.as_ptr(),
                plain.len(),
                std::ptr::null(),
                0,
                aad.as_ptr(),
                aad.len(),
            )
        };
        check(returned, CryptoError::Internal)?;
        if written == tag_len { Ok(()) } else { Err(CryptoError::Internal) }
    }

    /// GCM-decrypts ciphertext || tag.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] for an empty IV or a tag length other than 4 to 16 bytes,
    /// [`CryptoError::Length`] when there are fewer bytes than the tag has or more than 64 GiB,
    /// [`CryptoError::Failed`] when the tag is not right; no plaintext is given then.
    pub fn gcm_open(
        &self,
        iv: &[u8],
        aad: &[u8],
        ciphertext_and_tag: &[u8],
        tag_len: usize,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        self.gcm.keyed(&self.bytes, tag_len)?;
        let len = ciphertext_and_tag.len().checked_sub(tag_len).ok_or(CryptoError::Length)?;
        let mut out = Zeroizing::new(vec![0; len]);
        self.gcm_open_into(iv, aad, ciphertext_and_tag, tag_len, &mut out)?;
        Ok(out)
    }

    /// As [`AesKey::gcm_open`], into a buffer of exactly `ciphertext_and_tag.len() - tag_len`
    /// bytes.
    ///
    /// # Errors
    ///
    /// As [`AesKey::gcm_open`]; [`CryptoError::Length`] for a buffer of another length. After
    /// [`CryptoError::Failed`] `out` is all zeros.
    pub fn gcm_open_into(
        &self,
        iv: &[u8],
        aad: &[u8],
        ciphertext_and_tag: &[u8],
        tag_len: usize,
        out: &mut [u8],
    ) -> Result<(), CryptoError> {
        let context = self.gcm.keyed(&self.bytes, tag_len)?;
        if iv.is_empty() {
            return Err(CryptoError::Parameter);
        }
        let (text, tag) = ciphertext_and_tag
            .len()
            .checked_sub(tag_len)
            .filter(|&len| fits(len) && len == out.len())
            .and_then(|len| ciphertext_and_tag.split_at_checked(len))
            .ok_or(CryptoError::Length)?;
        // SAFETY: every pointer goes with the length of its slice; `out` is as long as `text`
        // and overlaps nothing. aws-lc clears `out` when it fails.
        let returned = unsafe {
            sys::EVP_AEAD_CTX_open_gather(
                context.as_ptr(),
                out.as_mut_ptr(),
                iv.as_ptr(),
                iv.len(),
                text.as_ptr(),
                text.len(),
                tag.as_ptr(),
                tag.len(),
                aad.as_ptr(),
                aad.len(),
            )
        };
        check(returned, CryptoError::Failed)
    }
}
