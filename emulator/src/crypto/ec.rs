//! Elliptic curves over prime fields: ECDSA (FIPS 186-5) and ECDH (SP 800-56A), through aws-lc.
#![allow(unsafe_code, reason = "aws-lc-rs signs no given digest and has few of these curves")]

use super::CryptoError;
use super::foreign::{Bn, BnCtx, EcKey, EcPoint, EcdsaSig, be_bytes, check};
use aws_lc_sys as sys;
use std::fmt;
use zeroize::Zeroizing;

mod curves;

pub use self::curves::Curve;

impl Curve {
    /// The curve of a key that aws-lc parsed.
    fn of(key: &EcKey) -> Option<Self> {
        // SAFETY: reads the group of a live key; null when it has none.
        let group = unsafe { sys::EC_KEY_get0_group(key.as_ptr()) };
        if group.is_null() {
            return None;
        }
        // SAFETY: both are live groups; zero means equal.
        Self::all().filter(|curve| curve.is_named()).find(|curve| unsafe {
            curve.group().is_ok_and(|own| sys::EC_GROUP_cmp(group, own, std::ptr::null_mut()) == 0)
        })
    }

    fn empty_key(self) -> Result<EcKey, CryptoError> {
        // SAFETY: a new key, ours, given a group that stays.
        unsafe {
            let key = EcKey::adopt(sys::EC_KEY_new(), CryptoError::Internal)?;
            check(sys::EC_KEY_set_group(key.as_ptr(), self.group()?), CryptoError::Internal)?;
            Ok(key)
        }
    }

    fn empty_point(self) -> Result<EcPoint, CryptoError> {
        // SAFETY: a new point, ours.
        unsafe { EcPoint::adopt(sys::EC_POINT_new(self.group()?), CryptoError::Internal) }
    }
}

/// A private key with its public point.
pub struct EcPrivateKey {
    curve: Curve,
    key: EcKey,
}

/// A public key: a point of the curve, never the one at infinity.
pub struct EcPublicKey {
    curve: Curve,
    key: EcKey,
}

// SAFETY: an aws-lc EC_KEY is heap memory without ties to a thread.
unsafe impl Send for EcPrivateKey {}
// SAFETY: aws-lc documents EC_KEY objects as usable concurrently by non-mutating functions
// (openssl/ec_key.h); once the key is made only functions that take it `const` are called.
unsafe impl Sync for EcPrivateKey {}
// SAFETY: as for the private key.
unsafe impl Send for EcPublicKey {}
// SAFETY: as for the private key.
unsafe impl Sync for EcPublicKey {}

impl fmt::Debug for EcPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcPrivateKey({:?}, ..)", self.curve)
    }
}

impl fmt::Debug for EcPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcPublicKey({:?})", self.curve)
    }
}

impl EcPrivateKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn generate(curve: Curve) -> Result<Self, CryptoError> {
        let key = curve.empty_key()?;
        // SAFETY: the key is ours alone while it is being made.
        check(unsafe { sys::EC_KEY_generate_key(key.as_ptr()) }, CryptoError::Internal)?;
        Ok(Self { curve, key })
    }

    /// The key with this private scalar, big-endian; leading zeros may be there or missing.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] unless the scalar is from 1 to the order less 1.
    pub fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self, CryptoError> {
        let (number, key, point) = (Bn::from_be(scalar)?, curve.empty_key()?, curve.empty_point()?);
        // SAFETY: live objects of one curve; the setters copy. The scalar is in range before it
        // is multiplied with the base point.
        unsafe {
            check(sys::EC_KEY_set_private_key(key.as_ptr(), number.as_ptr()), CryptoError::Key)?;
            let returned = sys::EC_POINT_mul(
                curve.group()?,
                point.as_ptr(),
                number.as_ptr(),
                std::ptr::null(),
                std::ptr::null(),
                std::ptr::null_mut(),
            );
            check(returned, CryptoError::Internal)?;
            check(sys::EC_KEY_set_public_key(key.as_ptr(), point.as_ptr()), CryptoError::Internal)?;
        }
        Ok(Self { curve, key })
    }

    /// Takes over a private key that aws-lc parsed and checked.
    pub(super) fn adopt(key: EcKey) -> Result<Self, CryptoError> {
        let curve = Curve::of(&key).ok_or(CryptoError::Parameter)?;
        // SAFETY: reads a live key.
        let complete = unsafe {
            !sys::EC_KEY_get0_private_key(key.as_ptr()).is_null()
                && !sys::EC_KEY_get0_public_key(key.as_ptr()).is_null()
        };
        if complete { Ok(Self { curve, key }) } else { Err(CryptoError::Key) }
    }

    /// aws-lc's own key, for the room's other files.
    pub(super) fn foreign(&self) -> &EcKey {
        &self.key
    }

    /// The curve.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The private scalar, big-endian, as long as the order.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn scalar(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        // SAFETY: a number of a live key.
        unsafe { be_bytes(sys::EC_KEY_get0_private_key(self.key.as_ptr()), self.curve.order_len()) }
    }

    /// The public half, as a key of its own.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory.
    pub fn public(&self) -> Result<EcPublicKey, CryptoError> {
        let key = self.curve.empty_key()?;
        // SAFETY: the setter copies a point of a live key of the same curve.
        let returned = unsafe {
            sys::EC_KEY_set_public_key(key.as_ptr(), sys::EC_KEY_get0_public_key(self.key.as_ptr()))
        };
        check(returned, CryptoError::Internal)?;
        Ok(EcPublicKey { curve: self.curve, key })
    }

    /// The key whose scalar is this one's plus another, modulo the order.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] unless the addend is from 1 to the order less 1, and for a sum of zero.
    pub fn plus(&self, addend: &[u8]) -> Result<Self, CryptoError> {
        let addend = Self::from_scalar(self.curve, addend)?;
        let (sum, scratch) = (Bn::zero()?, BnCtx::new()?);
        // SAFETY: live numbers below the order of the group, which stays; all are ours or read.
        let sum = unsafe {
            let returned = sys::BN_mod_add(
                sum.as_ptr(),
                sys::EC_KEY_get0_private_key(self.key.as_ptr()),
                sys::EC_KEY_get0_private_key(addend.key.as_ptr()),
                sys::EC_GROUP_get0_order(self.curve.group()?),
                scratch.as_ptr(),
            );
            check(returned, CryptoError::Internal)?;
            be_bytes(sum.as_ptr(), self.curve.order_len())?
        };
        Self::from_scalar(self.curve, &sum)
    }

    /// ECDSA signature of a digest: r || s, each as long as the order, big-endian.
    ///
    /// A digest longer than the order is shortened to its leftmost bits; one of any other
    /// length is taken as the number it is.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let len = self.curve.order_len();
        let (mut r, mut s) = (std::ptr::null(), std::ptr::null());
        // SAFETY: reads the digest at its length; the new signature is ours, and the two numbers
        // are read while it lives.
        let (r, s) = unsafe {
            let made = sys::ECDSA_do_sign(digest.as_ptr(), digest.len(), self.key.as_ptr());
            let signature = EcdsaSig::adopt(made, CryptoError::Internal)?;
            sys::ECDSA_SIG_get0(signature.as_ptr(), &raw mut r, &raw mut s);
            (be_bytes(r, len)?, be_bytes(s, len)?)
        };
        Ok([r.as_slice(), s.as_slice()].concat())
    }

    /// The x coordinate of the shared point, as long as the field, big-endian.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] when the peer is on another curve.
    pub fn ecdh(&self, peer: &EcPublicKey) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if peer.curve != self.curve {
            return Err(CryptoError::Parameter);
        }
        let mut out = Zeroizing::new(vec![0; self.curve.field_len()]);
        // SAFETY: a point and a key of one curve, both live; writes at most `out.len()` bytes,
        // and without a derivation function that is the x coordinate.
        let written = unsafe {
            sys::ECDH_compute_key(
                out.as_mut_ptr().cast(),
                out.len(),
                sys::EC_KEY_get0_public_key(peer.key.as_ptr()),
                self.key.as_ptr(),
                None,
            )
        };
        let complete = usize::try_from(written) == Ok(out.len());
        check(i32::from(complete), CryptoError::Internal)?;
        Ok(out)
    }
}

impl EcPublicKey {
    /// A key from a point as SEC 1 writes it: 04 || x || y, or 02 or 03 || x.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for any other form (hybrid and infinity included), a wrong length, a
    /// coordinate outside the field and a point that is not on the curve.
    pub fn from_point(curve: Curve, point: &[u8]) -> Result<Self, CryptoError> {
        let expected = match point.first() {
            Some(4) => 1 + 2 * curve.field_len(),
            Some(2 | 3) => 1 + curve.field_len(),
            _ => return Err(CryptoError::Key),
        };
        if point.len() != expected {
            return Err(CryptoError::Key);
        }
        let (key, parsed) = (curve.empty_key()?, curve.empty_point()?);
        // SAFETY: reads the bytes at their length into a point of the same curve; the setter
        // copies it; checking reads the finished key.
        unsafe {
            let returned = sys::EC_POINT_oct2point(
                curve.group()?,
                parsed.as_ptr(),
                point.as_ptr(),
                point.len(),
                std::ptr::null_mut(),
            );
            check(returned, CryptoError::Key)?;
            check(sys::EC_KEY_set_public_key(key.as_ptr(), parsed.as_ptr()), CryptoError::Key)?;
            check(sys::EC_KEY_check_key(key.as_ptr()), CryptoError::Key)?;
        }
        Ok(Self { curve, key })
    }

    /// The curve.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The point, uncompressed: 04 || x || y.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn point(&self) -> Result<Vec<u8>, CryptoError> {
        let mut out = vec![0; 1 + 2 * self.curve.field_len()];
        // SAFETY: a point of a live key; writes at most `out.len()` bytes.
        let written = unsafe {
            sys::EC_POINT_point2oct(
                self.curve.group()?,
                sys::EC_KEY_get0_public_key(self.key.as_ptr()),
                sys::point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED,
                out.as_mut_ptr(),
                out.len(),
                std::ptr::null_mut(),
            )
        };
        check(i32::from(written == out.len()), CryptoError::Internal)?;
        Ok(out)
    }

    /// The point, compressed: 02 or 03 || x.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn compressed(&self) -> Result<Vec<u8>, CryptoError> {
        let mut point = self.point()?;
        let odd = point.last().is_some_and(|last| last & 1 == 1);
        point.truncate(1 + self.curve.field_len());
        if let Some(first) = point.first_mut() {
            *first = if odd { 3 } else { 2 };
        }
        Ok(point)
    }

    /// The point plus that of a private key with this scalar.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] unless the addend is from 1 to the order less 1, and for a sum at
    /// infinity.
    pub fn plus(&self, addend: &[u8]) -> Result<Self, CryptoError> {
        let addend = EcPrivateKey::from_scalar(self.curve, addend)?;
        let (key, sum) = (self.curve.empty_key()?, self.curve.empty_point()?);
        // SAFETY: live points of one curve, ours or read; the setter copies.
        unsafe {
            let group = self.curve.group()?;
            let returned = sys::EC_POINT_add(
                group,
                sum.as_ptr(),
                sys::EC_KEY_get0_public_key(self.key.as_ptr()),
                sys::EC_KEY_get0_public_key(addend.key.as_ptr()),
                std::ptr::null_mut(),
            );
            check(returned, CryptoError::Internal)?;
            if sys::EC_POINT_is_at_infinity(group, sum.as_ptr()) == 1 {
                return Err(CryptoError::Key);
            }
            check(sys::EC_KEY_set_public_key(key.as_ptr(), sum.as_ptr()), CryptoError::Internal)?;
        }
        Ok(Self { curve: self.curve, key })
    }

    /// Verifies an ECDSA signature r || s of a digest.
    ///
    /// The halves are equally long and may be shorter than the order, as some clients send them.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for an odd or empty signature or one longer than twice the order,
    /// [`CryptoError::Failed`] when it is not a signature of the digest.
    pub fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let half = signature.len() / 2;
        if half == 0 || half > self.curve.order_len() || !signature.len().is_multiple_of(2) {
            return Err(CryptoError::Length);
        }
        let (r, s) = signature.split_at_checked(half).ok_or(CryptoError::Length)?;
        let (r, s) = (Bn::from_be(r)?, Bn::from_be(s)?);
        // SAFETY: the new signature is ours. `set0` takes over both numbers: with two non-null
        // numbers it cannot refuse them. Verifying reads the digest at its length.
        let returned = unsafe {
            let pair = EcdsaSig::adopt(sys::ECDSA_SIG_new(), CryptoError::Internal)?;
            check(
                sys::ECDSA_SIG_set0(pair.as_ptr(), r.release(), s.release()),
                CryptoError::Internal,
            )?;
            sys::ECDSA_do_verify(digest.as_ptr(), digest.len(), pair.as_ptr(), self.key.as_ptr())
        };
        check(returned, CryptoError::Failed)
    }
}

#[cfg(test)]
mod tests;
