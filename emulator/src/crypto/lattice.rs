//! ML-DSA signatures (FIPS 204) and ML-KEM encapsulation (FIPS 203), through aws-lc.
//!
//! Signatures are of `mu`, the 64 bytes into which FIPS 204 condenses a message, its context and the
//! public key; [`Mu`] makes it in parts. The deterministic variant is the crate `ml-dsa`'s, which wants
//! the seed: aws-lc has no function for it.
#![allow(unsafe_code, reason = "aws-lc-rs signs no mu and keeps its ML-KEM keys to itself")]

use super::CryptoError;
use super::foreign::{MdCtx, Pkey, PkeyCtx, check};
use aws_lc_sys as sys;
use ml_dsa::{B32, ExpandedSigningKey, MlDsa44, MlDsa65, MlDsa87};
use std::fmt;
use std::ptr::null_mut;
use zeroize::Zeroizing;

/// Bytes of `mu`.
pub const MU_LEN: usize = 64;

/// Bytes of a secret that ML-KEM encapsulates.
pub const SECRET_LEN: usize = 32;

/// A parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the standards' names")]
pub enum Set {
    MlDsa44,
    MlDsa65,
    MlDsa87,
    MlKem512,
    MlKem768,
    MlKem1024,
}

/// Sizes in bytes: FIPS 204 table 2, FIPS 203 table 3.
struct Sizes {
    nid: i32,
    public: usize,
    private: usize,
    seed: usize,
    /// Of a signature or a ciphertext.
    output: usize,
}

impl Set {
    /// Every set.
    pub const ALL: [Self; 6] = [
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::MlKem512,
        Self::MlKem768,
        Self::MlKem1024,
    ];

    const fn sizes(self) -> Sizes {
        let (nid, public, private, seed, output) = match self {
            Self::MlDsa44 => (sys::NID_MLDSA44, 1312, 2560, 32, 2420),
            Self::MlDsa65 => (sys::NID_MLDSA65, 1952, 4032, 32, 3309),
            Self::MlDsa87 => (sys::NID_MLDSA87, 2592, 4896, 32, 4627),
            Self::MlKem512 => (sys::NID_MLKEM512, 800, 1632, 64, 768),
            Self::MlKem768 => (sys::NID_MLKEM768, 1184, 2400, 64, 1088),
            Self::MlKem1024 => (sys::NID_MLKEM1024, 1568, 3168, 64, 1568),
        };
        Sizes { nid, public, private, seed, output }
    }

    /// Whether keys of the set encapsulate, as against sign.
    #[must_use]
    pub const fn is_kem(self) -> bool {
        matches!(self, Self::MlKem512 | Self::MlKem768 | Self::MlKem1024)
    }

    /// Bytes of a public key.
    #[must_use]
    pub const fn public_len(self) -> usize {
        self.sizes().public
    }

    /// Bytes of a signature or a ciphertext.
    #[must_use]
    pub const fn output_len(self) -> usize {
        self.sizes().output
    }

    /// An operation that makes keys.
    fn maker(self) -> Result<PkeyCtx, CryptoError> {
        let kind = if self.is_kem() { sys::EVP_PKEY_KEM } else { sys::EVP_PKEY_PQDSA };
        // SAFETY: a new context, ours, used by nobody else.
        unsafe {
            let made = sys::EVP_PKEY_CTX_new_id(kind, null_mut());
            let maker = PkeyCtx::adopt(made, CryptoError::Internal)?;
            check(sys::EVP_PKEY_keygen_init(maker.as_ptr()), CryptoError::Internal)?;
            let nid = self.sizes().nid;
            let returned = if self.is_kem() {
                sys::EVP_PKEY_CTX_kem_set_params(maker.as_ptr(), nid)
            } else {
                sys::EVP_PKEY_CTX_pqdsa_set_params(maker.as_ptr(), nid)
            };
            check(returned, CryptoError::Internal)?;
            Ok(maker)
        }
    }
}

/// A private key with its public half.
pub struct LatticePrivateKey {
    set: Set,
    key: Pkey,
    seed: Option<Zeroizing<Vec<u8>>>,
}

/// A public key.
pub struct LatticePublicKey {
    set: Set,
    key: Pkey,
}

// SAFETY: an aws-lc EVP_PKEY is heap memory without ties to a thread.
unsafe impl Send for LatticePrivateKey {}
// SAFETY: aws-lc documents EVP_PKEY objects as usable concurrently by non-mutating functions
// (openssl/evp.h); every operation has a context of its own.
unsafe impl Sync for LatticePrivateKey {}
// SAFETY: as for the private key.
unsafe impl Send for LatticePublicKey {}
// SAFETY: as for the private key.
unsafe impl Sync for LatticePublicKey {}

impl fmt::Debug for LatticePrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LatticePrivateKey({:?}, ..)", self.set)
    }
}

impl fmt::Debug for LatticePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LatticePublicKey({:?})", self.set)
    }
}

impl LatticePrivateKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn generate(set: Set) -> Result<Self, CryptoError> {
        let maker = set.maker()?;
        let mut made = null_mut();
        // SAFETY: writes the new key's pointer, which is ours.
        let key = unsafe {
            check(sys::EVP_PKEY_keygen(maker.as_ptr(), &raw mut made), CryptoError::Internal)?;
            Pkey::adopt(made, CryptoError::Internal)?
        };
        Self::of(set, key)
    }

    /// The key of a seed: `xi` of ML-DSA, 32 bytes; `d || z` of ML-KEM, 64 bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for another length.
    pub fn from_seed(set: Set, seed: &[u8]) -> Result<Self, CryptoError> {
        if seed.len() != set.sizes().seed {
            return Err(CryptoError::Key);
        }
        if !set.is_kem() {
            return Self::from_bytes(set, seed);
        }
        let maker = set.maker()?;
        let (mut made, mut len) = (null_mut(), seed.len());
        // SAFETY: reads the seed at its length; writes the new key's pointer, which is ours.
        let key = unsafe {
            let returned = sys::EVP_PKEY_keygen_deterministic(
                maker.as_ptr(),
                &raw mut made,
                seed.as_ptr(),
                &raw mut len,
            );
            check(returned, CryptoError::Key)?;
            Pkey::adopt(made, CryptoError::Key)?
        };
        Self::of(set, key)
    }

    /// A key as the standards write it, expanded.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for bytes that are no such key.
    pub fn from_expanded(set: Set, bytes: &[u8]) -> Result<Self, CryptoError> {
        if bytes.len() != set.sizes().private {
            return Err(CryptoError::Key);
        }
        Self::from_bytes(set, bytes)
    }

    fn from_bytes(set: Set, bytes: &[u8]) -> Result<Self, CryptoError> {
        let nid = set.sizes().nid;
        // SAFETY: reads the bytes at their lengths; the new key is ours.
        let key = unsafe {
            if set.is_kem() {
                // dk is dk_PKE, then ek, then 32 bytes of its hash and 32 of z: FIPS 203 algorithm 16.
                let end = bytes.len() - 64;
                let public = bytes.get(end - set.public_len()..end).ok_or(CryptoError::Key)?;
                let made = sys::EVP_PKEY_kem_new_raw_key(
                    nid,
                    public.as_ptr(),
                    public.len(),
                    bytes.as_ptr(),
                    bytes.len(),
                );
                let key = Pkey::adopt(made, CryptoError::Key)?;
                check(sys::EVP_PKEY_kem_check_key(key.as_ptr()), CryptoError::Key)?;
                key
            } else {
                let made =
                    sys::EVP_PKEY_pqdsa_new_raw_private_key(nid, bytes.as_ptr(), bytes.len());
                Pkey::adopt(made, CryptoError::Key)?
            }
        };
        Self::of(set, key)
    }

    /// Takes over a key that aws-lc made, of whatever set it is.
    pub(super) fn adopt(key: Pkey) -> Result<Self, CryptoError> {
        let public = told(&key, sys::EVP_PKEY_get_raw_public_key)?;
        // SAFETY: reads a live key.
        let is_kem = unsafe { sys::EVP_PKEY_id(key.as_ptr()) } == sys::EVP_PKEY_KEM;
        let fits = |set: &Set| set.is_kem() == is_kem && set.public_len() == public.len();
        let set = Set::ALL.into_iter().find(fits).ok_or(CryptoError::Parameter)?;
        Self::of(set, key)
    }

    fn of(set: Set, key: Pkey) -> Result<Self, CryptoError> {
        let seed = told(&key, sys::EVP_PKEY_get_private_seed).ok();
        Ok(Self { set, key, seed })
    }

    /// aws-lc's own key, for the room's other files.
    pub(super) fn foreign(&self) -> &Pkey {
        &self.key
    }

    /// The parameter set.
    #[must_use]
    pub fn set(&self) -> Set {
        self.set
    }

    /// The seed, where the key was made or came with one.
    #[must_use]
    pub fn seed(&self) -> Option<&[u8]> {
        self.seed.as_ref().map(|seed| seed.as_slice())
    }

    /// The key as the standards write it, expanded.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn expanded(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        told(&self.key, sys::EVP_PKEY_get_raw_private_key)
    }

    /// The public half.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn public(&self) -> Result<Vec<u8>, CryptoError> {
        told(&self.key, sys::EVP_PKEY_get_raw_public_key).map(|bytes| bytes.to_vec())
    }

    /// An ML-DSA signature of `mu` in the hedged variant: another one each time.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] unless `mu` has 64 bytes, [`CryptoError::Parameter`] for a key of
    /// ML-KEM.
    pub fn sign(&self, mu: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_mu(self.set, mu)?;
        let mut out = vec![0; self.set.output_len()];
        let mut len = out.len();
        // SAFETY: a context of our own; writes at most `len` bytes and says how many.
        let returned = unsafe {
            let using = PkeyCtx::adopt(
                sys::EVP_PKEY_CTX_new(self.key.as_ptr(), null_mut()),
                CryptoError::Internal,
            )?;
            check(sys::EVP_PKEY_sign_init(using.as_ptr()), CryptoError::Internal)?;
            sys::EVP_PKEY_sign(
                using.as_ptr(),
                out.as_mut_ptr(),
                &raw mut len,
                mu.as_ptr(),
                mu.len(),
            )
        };
        check(i32::from(returned == 1 && len == out.len()), CryptoError::Internal)?;
        Ok(out)
    }

    /// An ML-DSA signature of `mu` in the deterministic variant: always the same.
    ///
    /// # Errors
    ///
    /// As [`LatticePrivateKey::sign`]; [`CryptoError::Key`] for a key without its seed.
    pub fn sign_deterministic(&self, mu: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_mu(self.set, mu)?;
        let mu = mu.try_into().map_err(|_| CryptoError::Length)?;
        let seed: &[u8] = self.seed().ok_or(CryptoError::Key)?;
        let seed: &B32 = seed.try_into().map_err(|_| CryptoError::Key)?;
        macro_rules! signed {
            ($set:ty) => {
                ExpandedSigningKey::<$set>::from_seed(seed)
                    .sign_mu_deterministic(mu)
                    .encode()
                    .to_vec()
            };
        }
        match self.set {
            Set::MlDsa44 => Ok(signed!(MlDsa44)),
            Set::MlDsa65 => Ok(signed!(MlDsa65)),
            Set::MlDsa87 => Ok(signed!(MlDsa87)),
            _ => Err(CryptoError::Parameter),
        }
    }

    /// The secret in a ciphertext. One that was changed gives another secret, and no error: FIPS 203
    /// section 7.3.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for a ciphertext of another length, [`CryptoError::Parameter`] for a
    /// key of ML-DSA.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if !self.set.is_kem() {
            return Err(CryptoError::Parameter);
        }
        if ciphertext.len() != self.set.output_len() {
            return Err(CryptoError::Length);
        }
        let mut secret = Zeroizing::new(vec![0; SECRET_LEN]);
        let mut len = secret.len();
        // SAFETY: a context of our own; reads the ciphertext at its length, writes at most `len`
        // bytes and says how many.
        let returned = unsafe {
            let using = PkeyCtx::adopt(
                sys::EVP_PKEY_CTX_new(self.key.as_ptr(), null_mut()),
                CryptoError::Internal,
            )?;
            sys::EVP_PKEY_decapsulate(
                using.as_ptr(),
                secret.as_mut_ptr(),
                &raw mut len,
                ciphertext.as_ptr(),
                ciphertext.len(),
            )
        };
        check(i32::from(returned == 1 && len == SECRET_LEN), CryptoError::Internal)?;
        Ok(secret)
    }
}

impl LatticePublicKey {
    /// A key from its bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for bytes that are no such key.
    pub fn from_bytes(set: Set, bytes: &[u8]) -> Result<Self, CryptoError> {
        let (nid, at, len) = (set.sizes().nid, bytes.as_ptr(), bytes.len());
        // SAFETY: reads the bytes at their length; the new key is ours.
        let key = unsafe {
            let made = if set.is_kem() {
                sys::EVP_PKEY_kem_new_raw_public_key(nid, at, len)
            } else {
                sys::EVP_PKEY_pqdsa_new_raw_public_key(nid, at, len)
            };
            Pkey::adopt(made, CryptoError::Key)?
        };
        let key = Self { set, key };
        if set.is_kem() {
            // The check of FIPS 203 section 7.2 is part of encapsulating and has no function of its own.
            key.encapsulate().map_err(|_| CryptoError::Key)?;
        }
        Ok(key)
    }

    /// The parameter set.
    #[must_use]
    pub fn set(&self) -> Set {
        self.set
    }

    /// The bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn bytes(&self) -> Result<Vec<u8>, CryptoError> {
        told(&self.key, sys::EVP_PKEY_get_raw_public_key).map(|bytes| bytes.to_vec())
    }

    /// Verifies an ML-DSA signature of `mu`.
    ///
    /// # Errors
    ///
    /// As signing; [`CryptoError::Length`] for a signature of another length, [`CryptoError::Failed`]
    /// when it is none.
    pub fn verify(&self, mu: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        check_mu(self.set, mu)?;
        if signature.len() != self.set.output_len() {
            return Err(CryptoError::Length);
        }
        // SAFETY: a context of our own; reads both at their lengths.
        let returned = unsafe {
            let using = PkeyCtx::adopt(
                sys::EVP_PKEY_CTX_new(self.key.as_ptr(), null_mut()),
                CryptoError::Internal,
            )?;
            check(sys::EVP_PKEY_verify_init(using.as_ptr()), CryptoError::Internal)?;
            sys::EVP_PKEY_verify(
                using.as_ptr(),
                signature.as_ptr(),
                signature.len(),
                mu.as_ptr(),
                mu.len(),
            )
        };
        check(returned, CryptoError::Failed)
    }

    /// A fresh secret, and the ciphertext in which it travels.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] for a key of ML-DSA.
    pub fn encapsulate(&self) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), CryptoError> {
        if !self.set.is_kem() {
            return Err(CryptoError::Parameter);
        }
        let mut ciphertext = vec![0; self.set.output_len()];
        let mut secret = Zeroizing::new(vec![0; SECRET_LEN]);
        let (mut len, mut secret_len) = (ciphertext.len(), secret.len());
        // SAFETY: a context of our own; writes at most as many bytes as there are and says how many.
        let returned = unsafe {
            let using = PkeyCtx::adopt(
                sys::EVP_PKEY_CTX_new(self.key.as_ptr(), null_mut()),
                CryptoError::Internal,
            )?;
            sys::EVP_PKEY_encapsulate(
                using.as_ptr(),
                ciphertext.as_mut_ptr(),
                &raw mut len,
                secret.as_mut_ptr(),
                &raw mut secret_len,
            )
        };
        let whole = returned == 1 && len == ciphertext.len() && secret_len == SECRET_LEN;
        check(i32::from(whole), CryptoError::Internal)?;
        Ok((ciphertext, secret))
    }
}

fn check_mu(set: Set, mu: &[u8]) -> Result<(), CryptoError> {
    match (set.is_kem(), mu.len()) {
        (true, _) => Err(CryptoError::Parameter),
        (false, MU_LEN) => Ok(()),
        (false, _) => Err(CryptoError::Length),
    }
}

/// What one of aws-lc's functions tells of a key: its length first, then its bytes.
fn told(
    key: &Pkey,
    function: unsafe extern "C" fn(*const sys::EVP_PKEY, *mut u8, *mut usize) -> i32,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut len = 0;
    // SAFETY: a live key; without a place only the length is written.
    let returned = unsafe { function(key.as_ptr(), null_mut(), &raw mut len) };
    check(returned, CryptoError::Internal)?;
    let mut out = Zeroizing::new(vec![0; len]);
    // SAFETY: writes at most `len` bytes.
    let returned = unsafe { function(key.as_ptr(), out.as_mut_ptr(), &raw mut len) };
    check(i32::from(returned == 1 && len == out.len()), CryptoError::Internal)?;
    Ok(out)
}

/// SHAKE256 (FIPS 202) in parts.
pub struct Shake256(MdCtx);

// SAFETY: an aws-lc EVP_MD_CTX is heap memory without ties to a thread.
unsafe impl Send for Shake256 {}

impl Shake256 {
    /// Begins.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory.
    pub fn new() -> Result<Self, CryptoError> {
        Self::of(false)
    }

    /// SHAKE128 instead.
    ///
    /// # Errors
    ///
    /// As [`Shake256::new`].
    pub fn smaller() -> Result<Self, CryptoError> {
        Self::of(true)
    }

    fn of(smaller: bool) -> Result<Self, CryptoError> {
        // SAFETY: a new context, ours; the algorithms are statics.
        unsafe {
            let context = MdCtx::adopt(sys::EVP_MD_CTX_new(), CryptoError::Internal)?;
            let algorithm = if smaller { sys::EVP_shake128() } else { sys::EVP_shake256() };
            let returned = sys::EVP_DigestInit_ex(context.as_ptr(), algorithm, null_mut());
            check(returned, CryptoError::Internal)?;
            Ok(Self(context))
        }
    }

    /// Takes the next part.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn update(&mut self, part: &[u8]) -> Result<(), CryptoError> {
        // SAFETY: reads the part at its length.
        let returned =
            unsafe { sys::EVP_DigestUpdate(self.0.as_ptr(), part.as_ptr().cast(), part.len()) };
        check(returned, CryptoError::Internal)
    }

    /// So many bytes of it.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn finish(self, len: usize) -> Result<Vec<u8>, CryptoError> {
        let mut out = vec![0; len];
        // SAFETY: writes exactly `len` bytes.
        let returned =
            unsafe { sys::EVP_DigestFinalXOF(self.0.as_ptr(), out.as_mut_ptr(), out.len()) };
        check(returned, CryptoError::Internal)?;
        Ok(out)
    }
}

/// `mu` of a message, in parts: `SHAKE256(SHAKE256(pk) || kind || len(ctx) || ctx || M)`.
pub struct Mu(Shake256);

impl Mu {
    /// Begins for a public key: with the message itself, or `prehashed` with the identifier of a hash
    /// and its digest. FIPS 204 algorithms 2, 4 and 7.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] for a context of more than 255 bytes.
    pub fn new(public: &[u8], prehashed: bool, context: &[u8]) -> Result<Self, CryptoError> {
        let len = u8::try_from(context.len()).map_err(|_| CryptoError::Parameter)?;
        let mut of_key = Shake256::new()?;
        of_key.update(public)?;
        let mut message = Shake256::new()?;
        message.update(&of_key.finish(MU_LEN)?)?;
        message.update(&[u8::from(prehashed), len])?;
        message.update(context)?;
        Ok(Self(message))
    }

    /// Takes the next part of the message.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn update(&mut self, part: &[u8]) -> Result<(), CryptoError> {
        self.0.update(part)
    }

    /// The 64 bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn finish(self) -> Result<Vec<u8>, CryptoError> {
        self.0.finish(MU_LEN)
    }
}

#[cfg(test)]
mod tests;
