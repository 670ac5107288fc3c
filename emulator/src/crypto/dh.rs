//! Diffie-Hellman modulo a prime, through aws-lc.
#![allow(unsafe_code, reason = "aws-lc-rs has no DH over integers")]

use super::CryptoError;
use super::foreign::{Bn, Dh, check};
use super::group::{Group, number};
use aws_lc_sys as sys;
use std::fmt;
use zeroize::Zeroizing;

/// A private key.
pub struct DhPrivateKey {
    group: Group,
    key: Dh,
}

// SAFETY: aws-lc locks what it computes lazily inside a key; nothing else of it changes.
unsafe impl Send for DhPrivateKey {}
// SAFETY: as above.
unsafe impl Sync for DhPrivateKey {}

impl fmt::Debug for DhPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DhPrivateKey").finish_non_exhaustive()
    }
}

/// A key without values in a group whose prime has 512 to 10000 bits.
fn empty(group: &Group) -> Result<Dh, CryptoError> {
    if !(64..=1250).contains(&group.prime_len()) {
        return Err(CryptoError::Key);
    }
    let numbers = group.numbers()?;
    let q = numbers.q.map_or(std::ptr::null_mut(), Bn::release);
    // SAFETY: a new object, ours; `set0` takes the numbers over and cannot refuse a prime and a
    // generator that are not null; the order may be null.
    unsafe {
        let key = Dh::adopt(sys::DH_new(), CryptoError::Internal)?;
        let returned = sys::DH_set0_pqg(key.as_ptr(), numbers.p.release(), q, numbers.g.release());
        check(returned, CryptoError::Internal)?;
        Ok(key)
    }
}

impl DhPrivateKey {
    /// A fresh key, its private value of `bits` bits where the caller wants so many.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for parameters that are none, [`CryptoError::Length`] for a private
    /// value longer than the prime.
    pub fn generate(group: &Group, bits: Option<u32>) -> Result<Self, CryptoError> {
        let key = empty(group)?;
        if let Some(bits) = bits {
            let prime_bits = u32::try_from(group.prime_len() * 8).unwrap_or(u32::MAX);
            if bits == 0 || bits > prime_bits || group.q.is_some() {
                return Err(CryptoError::Length);
            }
            // SAFETY: a live key.
            check(unsafe { sys::DH_set_length(key.as_ptr(), bits) }, CryptoError::Length)?;
        }
        // SAFETY: a live key with parameters.
        check(unsafe { sys::DH_generate_key(key.as_ptr()) }, CryptoError::Key)?;
        Ok(Self { group: group.clone(), key })
    }

    /// A key from its private value, big-endian.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for a value out of range or parameters that are none.
    pub fn from_value(group: &Group, value: &[u8]) -> Result<Self, CryptoError> {
        let key = empty(group)?;
        let (numbers, private) = (group.numbers()?, Bn::from_be(value)?);
        if !numbers.admits(&private) {
            return Err(CryptoError::Key);
        }
        let public = numbers.public_of(&private)?;
        // SAFETY: takes both numbers over; it cannot refuse two that are not null.
        let returned =
            unsafe { sys::DH_set0_key(key.as_ptr(), public.release(), private.release()) };
        check(returned, CryptoError::Key)?;
        Ok(Self { group: group.clone(), key })
    }

    /// Domain parameters.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The private value, big-endian.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn value(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let mut private = std::ptr::null();
        // SAFETY: a number of a live key.
        unsafe {
            sys::DH_get0_key(self.key.as_ptr(), std::ptr::null_mut(), &raw mut private);
            number(private)
        }
    }

    /// The public value, big-endian.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn public_value(&self) -> Result<Vec<u8>, CryptoError> {
        let mut public = std::ptr::null();
        // SAFETY: a number of a live key.
        unsafe {
            sys::DH_get0_key(self.key.as_ptr(), &raw mut public, std::ptr::null_mut());
            number(public).map(|bytes| bytes.to_vec())
        }
    }

    /// The shared secret, as long as the prime, big-endian.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for a public value out of range or, where the order is known, outside
    /// the group.
    pub fn agree(&self, public: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let peer = Bn::from_be(public)?;
        let mut out = Zeroizing::new(vec![0; self.group.prime_len()]);
        // SAFETY: writes as many bytes as the prime has, which is the length of `out`; the key is
        // not changed but for what aws-lc caches under its own lock.
        let written = unsafe {
            sys::DH_compute_key_padded(out.as_mut_ptr(), peer.as_ptr(), self.key.as_ptr())
        };
        let complete = usize::try_from(written) == Ok(out.len());
        check(i32::from(complete), CryptoError::Key)?;
        Ok(out)
    }
}

/// Whether a public value is one of the group's.
///
/// # Errors
///
/// [`CryptoError::Key`] when it is not, or the parameters are none.
pub fn check_public(group: &Group, public: &[u8]) -> Result<(), CryptoError> {
    let (key, value) = (empty(group)?, Bn::from_be(public)?);
    let mut flaws = 0;
    // SAFETY: both live; writes the flaws.
    let returned = unsafe { sys::DH_check_pub_key(key.as_ptr(), value.as_ptr(), &raw mut flaws) };
    check(returned, CryptoError::Key)?;
    if flaws == 0 { Ok(()) } else { Err(CryptoError::Key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_come_to_the_same_secret() {
        let group = Group::generate_dh(512).unwrap();
        let (one, other) =
            (DhPrivateKey::generate(&group, Some(160)), DhPrivateKey::generate(&group, None));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert!(one.value().unwrap().len() <= 20);
        let secret = one.agree(&other.public_value().unwrap()).unwrap();
        assert_eq!(*other.agree(&one.public_value().unwrap()).unwrap(), *secret);
        assert_eq!(secret.len(), 64);
        let again = DhPrivateKey::from_value(&group, &one.value().unwrap()).unwrap();
        assert_eq!(again.public_value().unwrap(), one.public_value().unwrap());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let group = Group::generate_dsa(512).unwrap();
        let key = DhPrivateKey::generate(&group, None).unwrap();
        for bad in [vec![], vec![1], group.p.clone(), vec![0xff; 64], vec![2]] {
            assert!(key.agree(&bad).is_err(), "{bad:?}");
            assert!(check_public(&group, &bad).is_err(), "{bad:?}");
        }
        check_public(&group, &key.public_value().unwrap()).unwrap();
        assert!(DhPrivateKey::from_value(&group, &[]).is_err());
    }
}
