//! DSA, through aws-lc.
#![allow(unsafe_code, reason = "aws-lc-rs has no DSA")]

use super::CryptoError;
use super::foreign::{Bn, Dsa, DsaSig, Pkey, be_bytes, check};
use super::group::{Group, number};
use aws_lc_sys as sys;
use std::fmt;
use zeroize::Zeroizing;

/// A DSA private key.
pub struct DsaPrivateKey {
    group: Group,
    key: Dsa,
}

/// A DSA public key.
pub struct DsaPublicKey {
    group: Group,
    key: Dsa,
}

// SAFETY: aws-lc locks what it computes lazily inside a key; nothing else of it changes.
unsafe impl Send for DsaPrivateKey {}
// SAFETY: as above.
unsafe impl Sync for DsaPrivateKey {}
// SAFETY: as above.
unsafe impl Send for DsaPublicKey {}
// SAFETY: as above.
unsafe impl Sync for DsaPublicKey {}

impl fmt::Debug for DsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DsaPrivateKey").finish_non_exhaustive()
    }
}

/// A key without values in a group; its prime has at least 512 bits and at most 10000, its order
/// 160, 224 or 256.
fn empty(group: &Group) -> Result<Dsa, CryptoError> {
    if !(64..=1250).contains(&group.prime_len()) || ![20, 28, 32].contains(&group.order_len()) {
        return Err(CryptoError::Key);
    }
    let numbers = group.numbers()?;
    let q = numbers.q.ok_or(CryptoError::Key)?;
    // SAFETY: a new object, ours; with three non-null numbers `set0` cannot refuse and takes them
    // over.
    unsafe {
        let key = Dsa::adopt(sys::DSA_new(), CryptoError::Internal)?;
        let (p, q, g) = (numbers.p.release(), q.release(), numbers.g.release());
        check(sys::DSA_set0_pqg(key.as_ptr(), p, q, g), CryptoError::Internal)?;
        Ok(key)
    }
}

impl DsaPrivateKey {
    /// A fresh key.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for parameters that are none.
    pub fn generate(group: &Group) -> Result<Self, CryptoError> {
        let key = empty(group)?;
        // SAFETY: a live key with parameters.
        check(unsafe { sys::DSA_generate_key(key.as_ptr()) }, CryptoError::Key)?;
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
            unsafe { sys::DSA_set0_key(key.as_ptr(), public.release(), private.release()) };
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
            sys::DSA_get0_key(self.key.as_ptr(), std::ptr::null_mut(), &raw mut private);
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
            sys::DSA_get0_key(self.key.as_ptr(), &raw mut public, std::ptr::null_mut());
            number(public).map(|bytes| bytes.to_vec())
        }
    }

    /// Signature of a digest: r || s, each as long as the order, big-endian. A digest longer than
    /// the order is shortened to its leftmost bits.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let len = self.group.order_len();
        let (mut r, mut s) = (std::ptr::null(), std::ptr::null());
        // SAFETY: reads the digest at its length; the new signature is ours, and the two numbers
        // are read while it lives.
        let (r, s) = unsafe {
            let made = sys::DSA_do_sign(digest.as_ptr(), digest.len(), self.key.as_ptr());
            let signature = DsaSig::adopt(made, CryptoError::Internal)?;
            sys::DSA_SIG_get0(signature.as_ptr(), &raw mut r, &raw mut s);
            (be_bytes(r, len)?, be_bytes(s, len)?)
        };
        Ok([r.as_slice(), s.as_slice()].concat())
    }

    /// The key as `PrivateKeyInfo`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        // SAFETY: a new object, ours; the setter adds a reference of its own.
        unsafe {
            let key = Pkey::adopt(sys::EVP_PKEY_new(), CryptoError::Internal)?;
            check(sys::EVP_PKEY_set1_DSA(key.as_ptr(), self.key.as_ptr()), CryptoError::Internal)?;
            super::pkcs8::written(&key)
        }
    }

    /// Takes over a key that aws-lc parsed.
    pub(super) fn adopt(key: &Dsa) -> Result<Self, CryptoError> {
        let (mut p, mut q, mut g) = (std::ptr::null(), std::ptr::null(), std::ptr::null());
        let mut private = std::ptr::null();
        // SAFETY: numbers of a live key.
        let (group, value) = unsafe {
            sys::DSA_get0_pqg(key.as_ptr(), &raw mut p, &raw mut q, &raw mut g);
            sys::DSA_get0_key(key.as_ptr(), std::ptr::null_mut(), &raw mut private);
            let group = Group {
                p: number(p)?.to_vec(),
                q: Some(number(q)?.to_vec()),
                g: number(g)?.to_vec(),
            };
            (group, number(private)?)
        };
        Self::from_value(&group, &value)
    }
}

impl DsaPublicKey {
    /// A key from its public value, big-endian.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for a value out of range or parameters that are none.
    pub fn from_value(group: &Group, value: &[u8]) -> Result<Self, CryptoError> {
        let key = empty(group)?;
        let (numbers, public) = (group.numbers()?, Bn::from_be(value)?);
        // SAFETY: live numbers; the setter takes the value over and a null private one leaves the
        // key public.
        unsafe {
            let fits = sys::BN_is_zero(public.as_ptr()) == 0
                && sys::BN_is_one(public.as_ptr()) == 0
                && sys::BN_cmp(public.as_ptr(), numbers.p.as_ptr()) < 0;
            if !fits {
                return Err(CryptoError::Key);
            }
            let returned = sys::DSA_set0_key(key.as_ptr(), public.release(), std::ptr::null_mut());
            check(returned, CryptoError::Key)?;
        }
        Ok(Self { group: group.clone(), key })
    }

    /// Domain parameters.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Verifies a signature r || s of a digest; the halves are equally long.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for an odd or empty signature or one longer than twice the order,
    /// [`CryptoError::Failed`] when it is not a signature of the digest.
    pub fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let half = signature.len() / 2;
        if half == 0 || half > self.group.order_len() || !signature.len().is_multiple_of(2) {
            return Err(CryptoError::Length);
        }
        let (r, s) = signature.split_at_checked(half).ok_or(CryptoError::Length)?;
        let (r, s) = (Bn::from_be(r)?, Bn::from_be(s)?);
        // SAFETY: the new signature is ours and takes over both numbers; verifying reads the
        // digest at its length and writes the verdict.
        unsafe {
            let pair = DsaSig::adopt(sys::DSA_SIG_new(), CryptoError::Internal)?;
            check(
                sys::DSA_SIG_set0(pair.as_ptr(), r.release(), s.release()),
                CryptoError::Internal,
            )?;
            let mut valid = 0;
            let returned = sys::DSA_do_check_signature(
                &raw mut valid,
                digest.as_ptr(),
                digest.len(),
                pair.as_ptr(),
                self.key.as_ptr(),
            );
            check(returned, CryptoError::Failed)?;
            check(valid, CryptoError::Failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_verifies_and_nothing_else() {
        let group = Group::generate_dsa(1024).unwrap();
        let key = DsaPrivateKey::generate(&group).unwrap();
        let public = DsaPublicKey::from_value(&group, &key.public_value().unwrap()).unwrap();
        let signature = key.sign(&[7; 32]).unwrap();
        assert_eq!(signature.len(), 40);
        public.verify(&[7; 32], &signature).unwrap();
        assert_eq!(public.verify(&[8; 32], &signature), Err(CryptoError::Failed));
        assert_eq!(public.verify(&[7; 32], &signature[..39]), Err(CryptoError::Length));
        assert_eq!(public.verify(&[7; 32], &[0; 40]), Err(CryptoError::Failed));
    }

    #[test]
    fn a_key_comes_back_from_its_value_and_from_pkcs8() {
        let group = Group::generate_dsa(512).unwrap();
        let key = DsaPrivateKey::generate(&group).unwrap();
        let again = DsaPrivateKey::from_value(&group, &key.value().unwrap()).unwrap();
        assert_eq!(again.public_value().unwrap(), key.public_value().unwrap());
        let der = key.to_pkcs8().unwrap();
        match super::super::pkcs8::parse(&der).unwrap() {
            super::super::pkcs8::PrivateKey::Dsa(parsed) => {
                assert_eq!(parsed.group(), &group);
                assert_eq!(*parsed.value().unwrap(), *key.value().unwrap());
            }
            other => panic!("{other:?}"),
        }
        assert!(DsaPrivateKey::from_value(&group, &[]).is_err());
        assert!(DsaPrivateKey::from_value(&group, &group.p).is_err());
        assert!(DsaPublicKey::from_value(&group, &[1]).is_err());
        assert!(DsaPublicKey::from_value(&group, &group.p).is_err());
    }
}
