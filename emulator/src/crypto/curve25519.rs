//! Ed25519 signatures (RFC 8032) and X25519 agreement (RFC 7748), through aws-lc.
//!
//! Private keys are the 32 bytes the RFCs begin with, public keys the 32 bytes they end with.
#![allow(unsafe_code, reason = "aws-lc-rs has no Ed25519 with a context and no X25519 to import")]

use super::CryptoError;
use super::foreign::check;
use super::random;
use aws_lc_sys as sys;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of every key of either curve.
pub const KEY_LEN: usize = 32;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_LEN: usize = 64;

/// Bytes of the digest that Ed25519ph signs: SHA-512.
pub const DIGEST_LEN: usize = 64;

/// Which of the three signature schemes of RFC 8032 section 5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme<'a> {
    /// Ed25519: the message itself.
    Pure,
    /// Ed25519ctx: the message under a context of 1 to 255 bytes.
    Context(&'a [u8]),
    /// Ed25519ph: the SHA-512 digest of the message under a context of at most 255 bytes.
    Digest(&'a [u8]),
}

/// An Ed25519 private key.
pub struct Ed25519PrivateKey {
    /// Seed and public key, as aws-lc wants them.
    both: Zeroizing<[u8; 64]>,
    public: Ed25519PublicKey,
}

/// An Ed25519 public key: a compressed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ed25519PublicKey([u8; KEY_LEN]);

impl fmt::Debug for Ed25519PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ed25519PrivateKey(..)")
    }
}

impl Ed25519PrivateKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when there is no randomness.
    pub fn generate() -> Result<Self, CryptoError> {
        Self::from_seed(&random::bytes(KEY_LEN)?)
    }

    /// The key of a seed of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for another length.
    pub fn from_seed(seed: &[u8]) -> Result<Self, CryptoError> {
        if seed.len() != KEY_LEN {
            return Err(CryptoError::Key);
        }
        let (mut public, mut both) = ([0; KEY_LEN], Zeroizing::new([0; 64]));
        // SAFETY: reads 32 bytes, writes 32 and 64.
        unsafe {
            sys::ED25519_keypair_from_seed(public.as_mut_ptr(), both.as_mut_ptr(), seed.as_ptr());
        }
        Ok(Self { both, public: Ed25519PublicKey(public) })
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> &[u8] {
        self.both.split_at(KEY_LEN).0
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> Ed25519PublicKey {
        self.public
    }

    /// A signature of the message, or of its digest where the scheme says so.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] for a context of a length the scheme has not,
    /// [`CryptoError::Length`] for a digest that is none.
    pub fn sign(&self, scheme: Scheme<'_>, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_scheme(scheme, message)?;
        let mut out = vec![0; SIGNATURE_LEN];
        let (to, from, len, key) =
            (out.as_mut_ptr(), message.as_ptr(), message.len(), self.both.as_ptr());
        // SAFETY: writes 64 bytes; reads the message and the context at their lengths, 64 bytes of
        // key, and 64 bytes of digest, which `check_scheme` counted.
        let returned = unsafe {
            match scheme {
                Scheme::Pure => sys::ED25519_sign(to, from, len, key),
                Scheme::Context(context) => {
                    sys::ED25519ctx_sign(to, from, len, key, context.as_ptr(), context.len())
                }
                Scheme::Digest(context) => {
                    sys::ED25519ph_sign_digest(to, from, key, context.as_ptr(), context.len())
                }
            }
        };
        check(returned, CryptoError::Internal)?;
        Ok(out)
    }
}

impl Ed25519PublicKey {
    /// A key from its 32 bytes. Whether they are a point shows when a signature is verified.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        bytes.try_into().map(Self).map_err(|_| CryptoError::Key)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Verifies a signature of the message, or of its digest where the scheme says so.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless the signature has 64 bytes, [`CryptoError::Failed`] when it
    /// is none of the message, and those of signing.
    pub fn verify(
        &self,
        scheme: Scheme<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        check_scheme(scheme, message)?;
        if signature.len() != SIGNATURE_LEN {
            return Err(CryptoError::Length);
        }
        let (from, len, signature, key) =
            (message.as_ptr(), message.len(), signature.as_ptr(), self.0.as_ptr());
        // SAFETY: reads what signing reads, 64 bytes of signature and 32 of key.
        let returned = unsafe {
            match scheme {
                Scheme::Pure => sys::ED25519_verify(from, len, signature, key),
                Scheme::Context(context) => sys::ED25519ctx_verify(
                    from,
                    len,
                    signature,
                    key,
                    context.as_ptr(),
                    context.len(),
                ),
                Scheme::Digest(context) => sys::ED25519ph_verify_digest(
                    from,
                    signature,
                    key,
                    context.as_ptr(),
                    context.len(),
                ),
            }
        };
        check(returned, CryptoError::Failed)
    }
}

fn check_scheme(scheme: Scheme<'_>, message: &[u8]) -> Result<(), CryptoError> {
    match scheme {
        Scheme::Context([]) => Err(CryptoError::Parameter),
        Scheme::Context(context) | Scheme::Digest(context) if context.len() > 255 => {
            Err(CryptoError::Parameter)
        }
        Scheme::Digest(_) if message.len() != DIGEST_LEN => Err(CryptoError::Length),
        _ => Ok(()),
    }
}

/// An X25519 private key.
pub struct X25519PrivateKey(Zeroizing<[u8; KEY_LEN]>);

impl fmt::Debug for X25519PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("X25519PrivateKey(..)")
    }
}

impl X25519PrivateKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when there is no randomness.
    pub fn generate() -> Result<Self, CryptoError> {
        Self::from_bytes(&random::bytes(KEY_LEN)?)
    }

    /// The key of 32 bytes; the bits RFC 7748 fixes are kept as they come and fixed in use.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        let bytes: [u8; KEY_LEN] = bytes.try_into().map_err(|_| CryptoError::Key)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The public key: 32 bytes, a u coordinate in little-endian order.
    #[must_use]
    pub fn public(&self) -> [u8; KEY_LEN] {
        let mut out = [0; KEY_LEN];
        // SAFETY: writes 32 bytes, reads 32.
        unsafe { sys::X25519_public_from_private(out.as_mut_ptr(), self.0.as_ptr()) };
        out
    }

    /// The shared secret with another side's public key, 32 bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for a public key of another length, or of low order: the secret would
    /// be all zeros whatever the private key is (RFC 7748 section 6.1).
    pub fn agree(&self, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if peer.len() != KEY_LEN {
            return Err(CryptoError::Key);
        }
        let mut out = Zeroizing::new(vec![0; KEY_LEN]);
        // SAFETY: writes 32 bytes, reads 32 and 32.
        let returned = unsafe { sys::X25519(out.as_mut_ptr(), self.0.as_ptr(), peer.as_ptr()) };
        check(returned, CryptoError::Key)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::{Hash, digest};
    use super::super::vectors::hex;
    use super::*;

    #[test]
    fn schemes_do_not_verify_each_others_signatures() {
        let key = Ed25519PrivateKey::generate().unwrap();
        let digest = digest(Hash::Sha512, b"text").unwrap();
        let schemes = [
            Scheme::Pure,
            Scheme::Context(b"a"),
            Scheme::Context(b"b"),
            Scheme::Digest(b""),
            Scheme::Digest(b"a"),
        ];
        for made in schemes {
            let signature = key.sign(made, &digest).unwrap();
            for asked in schemes {
                let answer = key.public().verify(asked, &digest, &signature);
                assert_eq!(answer.is_ok(), made == asked, "{made:?} {asked:?}");
            }
        }
    }

    #[test]
    fn lengths_that_are_none_are_refused() {
        let key = Ed25519PrivateKey::generate().unwrap();
        assert_eq!(key.sign(Scheme::Context(b""), b"text"), Err(CryptoError::Parameter));
        assert_eq!(key.sign(Scheme::Context(&[0; 256]), b"text"), Err(CryptoError::Parameter));
        assert_eq!(key.sign(Scheme::Digest(&[0; 256]), &[0; 64]), Err(CryptoError::Parameter));
        assert_eq!(key.sign(Scheme::Digest(b""), &[0; 63]), Err(CryptoError::Length));
        let answer = key.public().verify(Scheme::Pure, b"text", &[0; 63]);
        assert_eq!(answer, Err(CryptoError::Length));
        for len in [0, 31, 33, 64] {
            assert_eq!(Ed25519PrivateKey::from_seed(&vec![1; len]).unwrap_err(), CryptoError::Key);
            assert!(Ed25519PublicKey::from_bytes(&vec![1; len]).is_err());
            assert!(X25519PrivateKey::from_bytes(&vec![1; len]).is_err());
            assert!(X25519PrivateKey::generate().unwrap().agree(&vec![9; len]).is_err());
        }
    }

    #[test]
    fn points_of_low_order_agree_on_nothing() {
        let key = X25519PrivateKey::generate().unwrap();
        for peer in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            assert_eq!(key.agree(&hex(peer)).unwrap_err(), CryptoError::Key, "{peer}");
        }
    }

    #[test]
    fn private_keys_are_not_printed() {
        let (ed, x) = (Ed25519PrivateKey::generate(), X25519PrivateKey::generate());
        assert_eq!(format!("{:?}", ed.unwrap()), "Ed25519PrivateKey(..)");
        assert_eq!(format!("{:?}", x.unwrap()), "X25519PrivateKey(..)");
    }
}
