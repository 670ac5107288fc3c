//! What a private key does: sign, decrypt, and the bare operation.
#![allow(unsafe_code, reason = "aws-lc-rs signs no given digest and decrypts few sizes")]

use super::super::CryptoError;
use super::super::foreign::{check, refused};
use super::super::hash::Hash;
use super::public::oaep_context;
use super::{PKCS1_OVERHEAD, RsaPrivateKey, padded_to, pss_salt};
use aws_lc_sys as sys;
use zeroize::Zeroizing;

impl RsaPrivateKey {
    /// PKCS#1 v1.5 signature, as long as the modulus.
    ///
    /// With a hash, `data` is its digest and the `DigestInfo` is put around it; without, `data`
    /// is padded as it is, whatever it is.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] when `data` is not as long as the hash, or too long for the key
    /// (modulus less 11 bytes, the `DigestInfo` included).
    pub fn sign_pkcs1(&self, hash: Option<Hash>, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let Some(hash) = hash else {
            if data.len() + PKCS1_OVERHEAD > self.modulus_len() {
                return Err(CryptoError::Length);
            }
            return self.raw(data, sys::RSA_PKCS1_PADDING, CryptoError::Internal);
        };
        if data.len() != hash.len() {
            return Err(CryptoError::Length);
        }
        let mut out = vec![0; self.modulus_len()];
        let mut written = 0;
        // SAFETY: reads the digest and writes at most the length of the modulus.
        let returned = unsafe {
            sys::RSA_sign(
                hash.nid()?,
                data.as_ptr(),
                data.len(),
                out.as_mut_ptr(),
                &raw mut written,
                self.rsa.as_ptr(),
            )
        };
        // The one fault of the caller's that is left: the DigestInfo does not fit the modulus.
        check(returned, CryptoError::Length)?;
        if usize::try_from(written) == Ok(out.len()) { Ok(out) } else { Err(CryptoError::Internal) }
    }

    /// PSS signature of a digest, as long as the modulus. `salt_len` is in bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] when `digest` is not as long as the hash,
    /// [`CryptoError::Parameter`] when hash and salt do not fit the modulus.
    pub fn sign_pss(
        &self,
        hash: Hash,
        mgf_hash: Hash,
        salt_len: usize,
        digest: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        if digest.len() != hash.len() {
            return Err(CryptoError::Length);
        }
        let salt_len = pss_salt(self.bits(), hash, salt_len)?;
        let mut out = vec![0; self.modulus_len()];
        let mut written = 0;
        // SAFETY: reads the digest and writes at most `out.len()` bytes; the hashes are statics.
        let returned = unsafe {
            sys::RSA_sign_pss_mgf1(
                self.rsa.as_ptr(),
                &raw mut written,
                out.as_mut_ptr(),
                out.len(),
                digest.as_ptr(),
                digest.len(),
                hash.evp()?,
                mgf_hash.evp()?,
                salt_len,
            )
        };
        check(returned, CryptoError::Internal)?;
        if written == out.len() { Ok(out) } else { Err(CryptoError::Internal) }
    }

    /// The bare private operation on `input`, left-padded with zeros to the modulus; the result
    /// is as long as the modulus.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] when `input` is longer than the modulus,
    /// [`CryptoError::Parameter`] when it is not below it as a number.
    pub fn private_raw(&self, input: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let input = padded_to(self.modulus_len(), input)?;
        let modulus = self.public.modulus()?;
        if input.as_slice() >= modulus.as_slice() {
            return Err(CryptoError::Parameter);
        }
        // aws-lc refuses the three numbers that any odd exponent maps to themselves.
        let (last, before) = input.split_last().ok_or(CryptoError::Internal)?;
        let is_zero_or_one = *last <= 1 && before.iter().all(|&byte| byte == 0);
        let mut one_less = modulus;
        if let Some(last) = one_less.last_mut() {
            *last -= 1; // The modulus is odd.
        }
        if is_zero_or_one || *input == one_less {
            return Ok(input);
        }
        self.raw(&input, sys::RSA_NO_PADDING, CryptoError::Internal).map(Zeroizing::new)
    }

    fn raw(&self, input: &[u8], padding: i32, error: CryptoError) -> Result<Vec<u8>, CryptoError> {
        let mut out = vec![0; self.modulus_len()];
        let mut written = 0;
        // SAFETY: reads `input.len()` and writes at most `out.len()` bytes.
        let returned = unsafe {
            sys::RSA_sign_raw(
                self.rsa.as_ptr(),
                &raw mut written,
                out.as_mut_ptr(),
                out.len(),
                input.as_ptr(),
                input.len(),
                padding,
            )
        };
        check(returned, error)?;
        if written == out.len() { Ok(out) } else { Err(CryptoError::Internal) }
    }

    /// PKCS#1 v1.5 decryption.
    ///
    /// The padding is looked at in constant time; that it was wrong at all is told, as the
    /// mechanism cannot but tell it.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless `ciphertext` is as long as the modulus,
    /// [`CryptoError::Failed`] for everything else.
    pub fn decrypt_pkcs1(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if ciphertext.len() != self.modulus_len() {
            return Err(CryptoError::Length);
        }
        let mut out = Zeroizing::new(vec![0; self.modulus_len()]);
        let mut written = 0;
        // SAFETY: reads the ciphertext and writes at most `out.len()` bytes.
        let returned = unsafe {
            sys::RSA_decrypt(
                self.rsa.as_ptr(),
                &raw mut written,
                out.as_mut_ptr(),
                out.len(),
                ciphertext.as_ptr(),
                ciphertext.len(),
                sys::RSA_PKCS1_PADDING,
            )
        };
        check(returned, CryptoError::Failed)?;
        out.truncate(written);
        Ok(out)
    }

    /// OAEP decryption.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless `ciphertext` is as long as the modulus,
    /// [`CryptoError::Parameter`] when the hash does not fit the modulus,
    /// [`CryptoError::Failed`] for everything else.
    pub fn decrypt_oaep(
        &self,
        hash: Hash,
        mgf_hash: Hash,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if ciphertext.len() != self.modulus_len() {
            return Err(CryptoError::Length);
        }
        if self.modulus_len() < 2 * hash.len() + 2 {
            return Err(CryptoError::Parameter);
        }
        let mut out = Zeroizing::new(vec![0; self.modulus_len()]);
        let mut len = out.len();
        // SAFETY: `oaep_context` asks for a function that begins the operation, which this one
        // is; decryption reads the ciphertext and writes at most `len` bytes of `out`.
        let returned = unsafe {
            let context =
                oaep_context(&self.rsa, sys::EVP_PKEY_decrypt_init, hash, mgf_hash, label)?;
            sys::EVP_PKEY_decrypt(
                context.as_ptr(),
                out.as_mut_ptr(),
                &raw mut len,
                ciphertext.as_ptr(),
                ciphertext.len(),
            )
        };
        if returned != 1 {
            return Err(refused(CryptoError::Failed));
        }
        out.truncate(len);
        Ok(out)
    }
}
