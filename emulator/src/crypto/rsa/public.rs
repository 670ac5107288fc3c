//! What a public key does: verify, encrypt, and the bare operation.
#![allow(unsafe_code, reason = "aws-lc-rs verifies no given digest and encrypts few sizes")]

use super::super::CryptoError;
use super::super::foreign::{Pkey, PkeyCtx, Rsa, check};
use super::super::hash::Hash;
use super::super::hmac::same;
use super::{PKCS1_OVERHEAD, RsaPublicKey, padded_to, pss_salt};
use aws_lc_sys as sys;

impl RsaPublicKey {
    /// Verifies what [`sign_pkcs1`](super::RsaPrivateKey::sign_pkcs1) makes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless the signature is as long as the modulus and `data` of a
    /// length that could have been signed; [`CryptoError::Failed`] when it is not a signature
    /// of `data`.
    pub fn verify_pkcs1(
        &self,
        hash: Option<Hash>,
        data: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        if signature.len() != self.modulus_len() {
            return Err(CryptoError::Length);
        }
        let Some(hash) = hash else {
            if data.len() + PKCS1_OVERHEAD > self.modulus_len() {
                return Err(CryptoError::Length);
            }
            let signed = self.recover_pkcs1(signature)?;
            return if same(&signed, data) { Ok(()) } else { Err(CryptoError::Failed) };
        };
        if data.len() != hash.len() {
            return Err(CryptoError::Length);
        }
        // SAFETY: reads both slices at their lengths.
        let returned = unsafe {
            sys::RSA_verify(
                hash.nid()?,
                data.as_ptr(),
                data.len(),
                signature.as_ptr(),
                signature.len(),
                self.rsa.as_ptr(),
            )
        };
        check(returned, CryptoError::Failed)
    }

    /// What was signed by PKCS#1 v1.5, taken out of the signature.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless the signature is as long as the modulus,
    /// [`CryptoError::Failed`] when its padding is not that of a signature.
    pub fn recover_pkcs1(&self, signature: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if signature.len() != self.modulus_len() {
            return Err(CryptoError::Length);
        }
        self.raw(signature, sys::RSA_PKCS1_PADDING, CryptoError::Failed)
    }

    /// Verifies a PSS signature of a digest with exactly this salt length.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless the signature is as long as the modulus and the digest as
    /// its hash; [`CryptoError::Parameter`] when hash and salt do not fit the modulus;
    /// [`CryptoError::Failed`] when it is not a signature of the digest.
    pub fn verify_pss(
        &self,
        hash: Hash,
        mgf_hash: Hash,
        salt_len: usize,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        if signature.len() != self.modulus_len() || digest.len() != hash.len() {
            return Err(CryptoError::Length);
        }
        let salt_len = pss_salt(self.bits(), hash, salt_len)?;
        // SAFETY: reads both slices at their lengths; the hashes are statics.
        let returned = unsafe {
            sys::RSA_verify_pss_mgf1(
                self.rsa.as_ptr(),
                digest.as_ptr(),
                digest.len(),
                hash.evp()?,
                mgf_hash.evp()?,
                salt_len,
                signature.as_ptr(),
                signature.len(),
            )
        };
        check(returned, CryptoError::Failed)
    }

    /// The bare public operation on `input`, left-padded with zeros to the modulus; the result
    /// is as long as the modulus.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] when `input` is longer than the modulus,
    /// [`CryptoError::Parameter`] when it is not below it as a number.
    pub fn public_raw(&self, input: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let input = padded_to(self.modulus_len(), input)?;
        if input.as_slice() >= self.modulus()?.as_slice() {
            return Err(CryptoError::Parameter);
        }
        self.raw(&input, sys::RSA_NO_PADDING, CryptoError::Internal)
    }

    fn raw(&self, input: &[u8], padding: i32, error: CryptoError) -> Result<Vec<u8>, CryptoError> {
        let mut out = vec![0; self.modulus_len()];
        let mut written = 0;
        // SAFETY: reads `input.len()` and writes at most `out.len()` bytes.
        let returned = unsafe {
            sys::RSA_verify_raw(
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
        out.truncate(written);
        Ok(out)
    }

    /// PKCS#1 v1.5 encryption; the ciphertext is as long as the modulus.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] when `plain` is longer than the modulus less 11 bytes.
    pub fn encrypt_pkcs1(&self, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if plain.len() + PKCS1_OVERHEAD > self.modulus_len() {
            return Err(CryptoError::Length);
        }
        let mut out = vec![0; self.modulus_len()];
        let mut written = 0;
        // SAFETY: reads `plain.len()` and writes at most `out.len()` bytes.
        let returned = unsafe {
            sys::RSA_encrypt(
                self.rsa.as_ptr(),
                &raw mut written,
                out.as_mut_ptr(),
                out.len(),
                plain.as_ptr(),
                plain.len(),
                sys::RSA_PKCS1_PADDING,
            )
        };
        check(returned, CryptoError::Internal)?;
        if written == out.len() { Ok(out) } else { Err(CryptoError::Internal) }
    }

    /// OAEP encryption; the ciphertext is as long as the modulus.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] when the hash does not fit the modulus,
    /// [`CryptoError::Length`] when `plain` is longer than the modulus less two hashes and 2.
    pub fn encrypt_oaep(
        &self,
        hash: Hash,
        mgf_hash: Hash,
        label: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let room = self.modulus_len().checked_sub(2 * hash.len() + 2);
        if plain.len() > room.ok_or(CryptoError::Parameter)? {
            return Err(CryptoError::Length);
        }
        let mut out = vec![0; self.modulus_len()];
        let mut len = out.len();
        // SAFETY: `oaep_context` asks for a function that begins the operation, which this one
        // is; encryption reads `plain.len()` and writes at most `len` bytes of `out`.
        let returned = unsafe {
            let context =
                oaep_context(&self.rsa, sys::EVP_PKEY_encrypt_init, hash, mgf_hash, label)?;
            sys::EVP_PKEY_encrypt(
                context.as_ptr(),
                out.as_mut_ptr(),
                &raw mut len,
                plain.as_ptr(),
                plain.len(),
            )
        };
        check(returned, CryptoError::Internal)?;
        if len == out.len() { Ok(out) } else { Err(CryptoError::Internal) }
    }
}

/// An operation with OAEP padding, ready to run.
///
/// # Safety
///
/// `begin` is `EVP_PKEY_encrypt_init` or `EVP_PKEY_decrypt_init`.
pub(super) unsafe fn oaep_context(
    rsa: &Rsa,
    begin: unsafe extern "C" fn(*mut sys::EVP_PKEY_CTX) -> i32,
    hash: Hash,
    mgf_hash: Hash,
    label: &[u8],
) -> Result<PkeyCtx, CryptoError> {
    const INTERNAL: CryptoError = CryptoError::Internal;
    // SAFETY: new objects are ours; the RSA key is shared by its own count of references and the
    // wrapper by the context's; hashes are statics. The label has to come from aws-lc's
    // allocator because the context frees it once `set0` said yes; until then we do.
    unsafe {
        let wrapper = Pkey::adopt(sys::EVP_PKEY_new(), INTERNAL)?;
        check(sys::EVP_PKEY_set1_RSA(wrapper.as_ptr(), rsa.as_ptr()), INTERNAL)?;
        let made = sys::EVP_PKEY_CTX_new(wrapper.as_ptr(), std::ptr::null_mut());
        let context = PkeyCtx::adopt(made, INTERNAL)?;
        let pointer = context.as_ptr();
        check(begin(pointer), INTERNAL)?;
        check(sys::EVP_PKEY_CTX_set_rsa_padding(pointer, sys::RSA_PKCS1_OAEP_PADDING), INTERNAL)?;
        check(sys::EVP_PKEY_CTX_set_rsa_oaep_md(pointer, hash.evp()?), INTERNAL)?;
        check(sys::EVP_PKEY_CTX_set_rsa_mgf1_md(pointer, mgf_hash.evp()?), INTERNAL)?;
        if !label.is_empty() {
            let copy = sys::OPENSSL_memdup(label.as_ptr().cast(), label.len());
            if copy.is_null() {
                return Err(INTERNAL);
            }
            let returned = sys::EVP_PKEY_CTX_set0_rsa_oaep_label(pointer, copy.cast(), label.len());
            if returned != 1 {
                sys::OPENSSL_free(copy);
            }
            check(returned, INTERNAL)?;
        }
        Ok(context)
    }
}
