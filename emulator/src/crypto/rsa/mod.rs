//! RSA (RFC 8017), through aws-lc: key generation and import here, the operations in `private`
//! and `public`.
//!
//! # Limits of the library below
//!
//! * Generation rounds the size down to a multiple of 128 bits; sizes that are not such a
//!   multiple are refused here rather than answered with another size. The public exponent may
//!   have up to 32 bits.
//! * Import takes any size from [`MIN_BITS`] to [`MAX_BITS`]. Public exponents are odd and 3 or
//!   more; beyond 33 bits they are taken for public keys and for private keys whose primes are
//!   known.
//! * A private key without its primes works, with blinding and with the check of each result,
//!   at about a quarter of the speed.
//! * Blinding is always on and every private operation is checked by the public one before it
//!   leaves, both inside aws-lc.
#![allow(
    unsafe_code,
    reason = "aws-lc-rs imports and generates only a few sizes and exports no parts"
)]

mod private;
mod public;

use super::CryptoError;
use super::foreign::{Bn, BnCtx, Rsa, be_bytes, byte_len, check, refused};
use super::hash::Hash;
use aws_lc_sys as sys;
use std::fmt;
use zeroize::Zeroizing;

/// Smallest modulus served, in bits.
pub const MIN_BITS: usize = 256;
/// Largest modulus served, in bits.
pub const MAX_BITS: usize = 8192;
/// Public exponents beyond this many bits need aws-lc to be told so.
const USUAL_EXPONENT_BITS: u32 = 33;
/// Longest public exponent that can be generated for, in bits.
const GENERATED_EXPONENT_BITS: u32 = 32;

/// The numbers of a private key, big-endian. Leading zeros and empty optional parts are taken
/// on import; neither is given on export.
#[derive(Clone)]
pub struct RsaComponents {
    /// Modulus.
    pub n: Vec<u8>,
    /// Public exponent.
    pub e: Vec<u8>,
    /// Private exponent.
    pub d: Zeroizing<Vec<u8>>,
    /// First prime.
    pub p: Option<Zeroizing<Vec<u8>>>,
    /// Second prime.
    pub q: Option<Zeroizing<Vec<u8>>>,
    /// `d mod (p - 1)`.
    pub dp: Option<Zeroizing<Vec<u8>>>,
    /// `d mod (q - 1)`.
    pub dq: Option<Zeroizing<Vec<u8>>>,
    /// `q^-1 mod p`.
    pub qinv: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for RsaComponents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaComponents({} bytes, ..)", self.n.len())
    }
}

/// An RSA private key, parsed and checked.
pub struct RsaPrivateKey {
    rsa: Rsa,
    public: RsaPublicKey,
}

/// An RSA public key, parsed and checked.
pub struct RsaPublicKey {
    rsa: Rsa,
    bits: usize,
}

// SAFETY: an aws-lc RSA object is heap memory without ties to a thread.
unsafe impl Send for RsaPrivateKey {}
// SAFETY: aws-lc documents RSA objects as usable concurrently by the functions it calls
// non-mutating (openssl/rsa.h): signing, verifying, encrypting, decrypting and reading parts;
// what they compute on first use is behind the object's own lock. No other function is called
// once the key is made.
unsafe impl Sync for RsaPrivateKey {}
// SAFETY: as for the private key.
unsafe impl Send for RsaPublicKey {}
// SAFETY: as for the private key.
unsafe impl Sync for RsaPublicKey {}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPrivateKey({} bits, ..)", self.bits())
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits)", self.bits)
    }
}

/// The size of a modulus in bits, if it is one we serve.
fn served_bits(n: &Bn) -> Result<usize, CryptoError> {
    // SAFETY: reads a live number.
    let bits = unsafe { sys::BN_num_bits(n.as_ptr()) };
    let bits = usize::try_from(bits).map_err(|_| CryptoError::Key)?;
    if (MIN_BITS..=MAX_BITS).contains(&bits) { Ok(bits) } else { Err(CryptoError::Key) }
}

/// Whether aws-lc takes the exponent only from functions meant for large ones.
fn is_large(e: &Bn) -> bool {
    // SAFETY: reads a live number.
    unsafe { sys::BN_num_bits(e.as_ptr()) > USUAL_EXPONENT_BITS }
}

impl RsaPublicKey {
    /// A key from modulus and public exponent, big-endian.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] unless the modulus is odd and of a size served and the exponent odd,
    /// 3 or more, and below the modulus.
    pub fn new(n: &[u8], e: &[u8]) -> Result<Self, CryptoError> {
        let (n, e) = (Bn::from_be(n)?, Bn::from_be(e)?);
        let bits = served_bits(&n)?;
        // SAFETY: both functions copy the numbers; the new key is ours.
        let rsa = unsafe {
            if sys::BN_cmp(e.as_ptr(), n.as_ptr()) >= 0 {
                return Err(CryptoError::Key);
            }
            let made = if is_large(&e) {
                sys::RSA_new_public_key_large_e(n.as_ptr(), e.as_ptr())
            } else {
                sys::RSA_new_public_key(n.as_ptr(), e.as_ptr())
            };
            Rsa::adopt(made, CryptoError::Key)?
        };
        Ok(Self { rsa, bits })
    }

    /// Size of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Length of the modulus, of a signature and of a ciphertext, in bytes.
    #[must_use]
    pub fn modulus_len(&self) -> usize {
        self.bits.div_ceil(8)
    }

    /// The modulus, big-endian without leading zeros.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn modulus(&self) -> Result<Vec<u8>, CryptoError> {
        // SAFETY: reads a part of a live key.
        unsafe { part(sys::RSA_get0_n(self.rsa.as_ptr())).map(|bytes| bytes.to_vec()) }
    }

    /// The public exponent, big-endian without leading zeros.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn exponent(&self) -> Result<Vec<u8>, CryptoError> {
        // SAFETY: reads a part of a live key.
        unsafe { part(sys::RSA_get0_e(self.rsa.as_ptr())).map(|bytes| bytes.to_vec()) }
    }
}

/// A number of a key as bytes without leading zeros.
///
/// # Safety
///
/// `number` is null or points to a number of a key that outlives the call.
unsafe fn part(number: *const sys::BIGNUM) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    if number.is_null() {
        return Err(CryptoError::Internal);
    }
    // SAFETY: not null, live by the caller's promise.
    unsafe { be_bytes(number, byte_len(number)) }
}

/// As [`part`], with null as "the key has none".
///
/// # Safety
///
/// As for [`part`].
unsafe fn optional_part(
    number: *const sys::BIGNUM,
) -> Result<Option<Zeroizing<Vec<u8>>>, CryptoError> {
    if number.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { part(number).map(Some) }
}

/// The primes of a key with what follows from them.
struct Primes {
    p: Bn,
    q: Bn,
    dp: Bn,
    dq: Bn,
    qinv: Bn,
}

impl Primes {
    /// The parts given, the missing exponents and coefficient worked out; `None` without both
    /// primes.
    ///
    /// The arithmetic of the missing parts is aws-lc's ordinary one, whose time depends on the
    /// numbers. It runs once, at an import that names the primes and nothing else.
    fn complete(from: &RsaComponents, d: &Bn) -> Result<Option<Self>, CryptoError> {
        let given = |part: &Option<Zeroizing<Vec<u8>>>| {
            part.as_ref()
                .filter(|bytes| !bytes.is_empty())
                .map(|bytes| Bn::from_be(bytes))
                .transpose()
        };
        let (Some(p), Some(q)) = (given(&from.p)?, given(&from.q)?) else { return Ok(None) };
        let dp = given(&from.dp)?.map_or_else(|| exponent_mod_prime_less_one(d, &p), Ok)?;
        let dq = given(&from.dq)?.map_or_else(|| exponent_mod_prime_less_one(d, &q), Ok)?;
        let qinv = given(&from.qinv)?.map_or_else(|| inverse(&q, &p), Ok)?;
        Ok(Some(Self { p, q, dp, dq, qinv }))
    }
}

/// `d mod (prime - 1)`.
fn exponent_mod_prime_less_one(d: &Bn, prime: &Bn) -> Result<Bn, CryptoError> {
    let (scratch, less_one, rest) = (BnCtx::new()?, Bn::zero()?, Bn::zero()?);
    // SAFETY: live numbers, all distinct where aws-lc writes; the quotient may be null.
    unsafe {
        check(
            sys::BN_sub(less_one.as_ptr(), prime.as_ptr(), sys::BN_value_one()),
            CryptoError::Internal,
        )?;
        let returned = sys::BN_div(
            std::ptr::null_mut(),
            rest.as_ptr(),
            d.as_ptr(),
            less_one.as_ptr(),
            scratch.as_ptr(),
        );
        check(returned, CryptoError::Key)?;
    }
    Ok(rest)
}

/// `number^-1 mod modulus`.
fn inverse(number: &Bn, modulus: &Bn) -> Result<Bn, CryptoError> {
    let (scratch, out) = (BnCtx::new()?, Bn::zero()?);
    // SAFETY: live, distinct numbers; the answer is `out` itself or null.
    let returned = unsafe {
        sys::BN_mod_inverse(out.as_ptr(), number.as_ptr(), modulus.as_ptr(), scratch.as_ptr())
    };
    if returned.is_null() { Err(refused(CryptoError::Key)) } else { Ok(out) }
}

impl RsaPrivateKey {
    /// A new key of `bits` bits with this public exponent (big-endian, usually 01 00 01).
    ///
    /// Two primes of half the size each, as FIPS 186-4 appendix B.3.3 finds them.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] unless the size is a multiple of 128 from [`MIN_BITS`] to
    /// [`MAX_BITS`] and the exponent odd, from 3 to 2^32 - 1; [`CryptoError::Internal`] when no
    /// primes were found (once in 2^80).
    pub fn generate(bits: usize, public_exponent: &[u8]) -> Result<Self, CryptoError> {
        if !(MIN_BITS..=MAX_BITS).contains(&bits) || !bits.is_multiple_of(128) {
            return Err(CryptoError::Parameter);
        }
        let e = Bn::from_be(public_exponent)?;
        let c_bits = i32::try_from(bits).map_err(|_| CryptoError::Parameter)?;
        // SAFETY: the exponent is a live number; the new key is ours and nobody else has seen
        // it while it is being made; there is no progress callback.
        let rsa = unsafe {
            let e_bits = sys::BN_num_bits(e.as_ptr());
            if !(2..=GENERATED_EXPONENT_BITS).contains(&e_bits) || sys::BN_is_odd(e.as_ptr()) != 1 {
                return Err(CryptoError::Parameter);
            }
            let rsa = Rsa::adopt(sys::RSA_new(), CryptoError::Internal)?;
            let returned =
                sys::RSA_generate_key_ex(rsa.as_ptr(), c_bits, e.as_ptr(), std::ptr::null_mut());
            check(returned, CryptoError::Internal)?;
            rsa
        };
        Self::adopt(rsa)
    }

    /// A key from its numbers.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] when the numbers do not make a key: parts that do not fit together,
    /// a modulus of a size not served, an exponent not served (see the limits above).
    pub fn from_components(components: &RsaComponents) -> Result<Self, CryptoError> {
        let n = Bn::from_be(&components.n)?;
        let e = Bn::from_be(&components.e)?;
        let d = Bn::from_be(&components.d)?;
        served_bits(&n)?;
        let primes = Primes::complete(components, &d)?;
        // SAFETY: all three functions copy live numbers and check that they fit; the new key is
        // ours. Without primes nothing is divided or inverted, so `n <= d` is refused here.
        let rsa = unsafe {
            if sys::BN_is_zero(d.as_ptr()) == 1 || sys::BN_ucmp(d.as_ptr(), n.as_ptr()) >= 0 {
                return Err(CryptoError::Key);
            }
            let made = match &primes {
                Some(primes) => {
                    let make = if is_large(&e) {
                        sys::RSA_new_private_key_large_e
                    } else {
                        sys::RSA_new_private_key
                    };
                    make(
                        n.as_ptr(),
                        e.as_ptr(),
                        d.as_ptr(),
                        primes.p.as_ptr(),
                        primes.q.as_ptr(),
                        primes.dp.as_ptr(),
                        primes.dq.as_ptr(),
                        primes.qinv.as_ptr(),
                    )
                }
                None => sys::RSA_new_private_key_no_crt(n.as_ptr(), e.as_ptr(), d.as_ptr()),
            };
            Rsa::adopt(made, CryptoError::Key)?
        };
        let key = Self::adopt(rsa)?;
        if primes.is_none() {
            // With primes aws-lc has checked that d belongs to e. Without, nothing has shown it
            // yet; but each private operation is checked by the public one, so one shows it.
            key.private_raw(&[2]).map_err(|_| CryptoError::Key)?;
        }
        Ok(key)
    }

    /// Completes a private key that aws-lc made.
    pub(super) fn adopt(rsa: Rsa) -> Result<Self, CryptoError> {
        // SAFETY: reads parts of a live key.
        let (n, e) =
            unsafe { (part(sys::RSA_get0_n(rsa.as_ptr()))?, part(sys::RSA_get0_e(rsa.as_ptr()))?) };
        let public = RsaPublicKey::new(&n, &e)?;
        Ok(Self { rsa, public })
    }

    /// The numbers of the key. Without primes when it was imported without.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn components(&self) -> Result<RsaComponents, CryptoError> {
        let rsa = self.rsa.as_ptr();
        // SAFETY: each function reads a part of a live key, null when the key has none.
        unsafe {
            Ok(RsaComponents {
                n: self.public.modulus()?,
                e: self.public.exponent()?,
                d: part(sys::RSA_get0_d(rsa))?,
                p: optional_part(sys::RSA_get0_p(rsa))?,
                q: optional_part(sys::RSA_get0_q(rsa))?,
                dp: optional_part(sys::RSA_get0_dmp1(rsa))?,
                dq: optional_part(sys::RSA_get0_dmq1(rsa))?,
                qinv: optional_part(sys::RSA_get0_iqmp(rsa))?,
            })
        }
    }

    /// aws-lc's own key, for the room's other files.
    pub(super) fn foreign(&self) -> &Rsa {
        &self.rsa
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &RsaPublicKey {
        &self.public
    }

    /// Size of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.public.bits
    }

    /// Length of the modulus, of a signature and of a ciphertext, in bytes.
    #[must_use]
    pub fn modulus_len(&self) -> usize {
        self.public.modulus_len()
    }
}

/// `input` left-padded with zeros to the length of the modulus.
fn padded_to(len: usize, input: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let missing = len.checked_sub(input.len()).ok_or(CryptoError::Length)?;
    let mut out = Zeroizing::new(Vec::with_capacity(len));
    out.resize(missing, 0);
    out.extend_from_slice(input);
    Ok(out)
}

/// Checks what PSS can carry: `hash || salt || 2 bytes` in one bit less than the modulus has.
fn pss_salt(bits: usize, hash: Hash, salt_len: usize) -> Result<i32, CryptoError> {
    let room = (bits - 1).div_ceil(8).checked_sub(hash.len() + 2);
    match room {
        Some(room) if salt_len <= room => {
            i32::try_from(salt_len).map_err(|_| CryptoError::Parameter)
        }
        _ => Err(CryptoError::Parameter),
    }
}

/// Bytes PKCS#1 v1.5 padding takes at least.
const PKCS1_OVERHEAD: usize = 11;

#[cfg(test)]
mod tests;
