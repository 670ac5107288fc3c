//! Groups of numbers modulo a prime: what DSA and Diffie-Hellman keys live in; through aws-lc.
#![allow(unsafe_code, reason = "aws-lc-rs has no DSA, no DH and no big numbers")]

use super::CryptoError;
use super::foreign::{Bn, BnCtx, Dh, Dsa, be_bytes, byte_len, check};
use aws_lc_sys as sys;
use zeroize::Zeroizing;

/// Domain parameters, big-endian.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// The prime.
    pub p: Vec<u8>,
    /// The order of the generator, where it is known.
    pub q: Option<Vec<u8>>,
    /// The generator.
    pub g: Vec<u8>,
}

/// The group's numbers as aws-lc's.
pub(super) struct Numbers {
    pub(super) p: Bn,
    pub(super) q: Option<Bn>,
    pub(super) g: Bn,
}

impl Group {
    /// The parameters as numbers, found to be odd and a generator of
    /// that order.
    pub(super) fn numbers(&self) -> Result<Numbers, CryptoError> {
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !odd(&self.p) || self.q.as_deref().is_some_and(|q| !odd(q)) {
            return Err(CryptoError::Key);
        }
        let (p, g) = (Bn::from_be(&self.p)?, Bn::from_be(&self.g)?);
        let q = self.q.as_deref().map(Bn::from_be).transpose()?;
        // SAFETY: all three live.
        let fits = unsafe {
            sys::BN_cmp(g.as_ptr(), p.as_ptr()) < 0
                && sys::BN_is_zero(g.as_ptr()) == 0
                && sys::BN_is_one(g.as_ptr()) == 0
                && q.as_ref().is_none_or(|q| sys::BN_cmp(q.as_ptr(), p.as_ptr()) < 0)
        };
        let numbers = Numbers { p, q, g };
        if fits && numbers.order_fits()? { Ok(numbers) } else { Err(CryptoError::Key) }
    }

    /// Parameters as FIPS 186 makes them, a prime order with them: 160 bits of it below 2048 bits
    /// of prime, 256 from there on.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for a size that is no multiple of 64 from 512 to 3072.
    pub fn generate_dsa(prime_bits: u32) -> Result<Self, CryptoError> {
        if !(512..=3072).contains(&prime_bits) || !prime_bits.is_multiple_of(64) {
            return Err(CryptoError::Length);
        }
        let (mut p, mut q, mut g) = (std::ptr::null(), std::ptr::null(), std::ptr::null());
        // SAFETY: a new object, ours; null stands for no seed and for outputs not wanted; the
        // numbers are read while it lives.
        unsafe {
            let dsa = Dsa::adopt(sys::DSA_new(), CryptoError::Internal)?;
            let returned = sys::DSA_generate_parameters_ex(
                dsa.as_ptr(),
                prime_bits,
                std::ptr::null(),
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            );
            check(returned, CryptoError::Internal)?;
            sys::DSA_get0_pqg(dsa.as_ptr(), &raw mut p, &raw mut q, &raw mut g);
            let bytes = |number| be_bytes(number, byte_len(number)).map(|bytes| bytes.to_vec());
            Ok(Self { p: bytes(p)?, q: Some(bytes(q)?), g: bytes(g)? })
        }
    }

    /// A safe prime and the generator 2, as PKCS #3 wants them.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for a size outside 512 to 4096 bits.
    pub fn generate_dh(prime_bits: u32) -> Result<Self, CryptoError> {
        const GENERATOR: i32 = 2;
        let bits = i32::try_from(prime_bits).map_err(|_| CryptoError::Length)?;
        if !(512..=4096).contains(&bits) {
            return Err(CryptoError::Length);
        }
        let (mut p, mut q, mut g) = (std::ptr::null(), std::ptr::null(), std::ptr::null());
        // SAFETY: as above.
        unsafe {
            let dh = Dh::adopt(sys::DH_new(), CryptoError::Internal)?;
            let made =
                sys::DH_generate_parameters_ex(dh.as_ptr(), bits, GENERATOR, std::ptr::null_mut());
            check(made, CryptoError::Internal)?;
            sys::DH_get0_pqg(dh.as_ptr(), &raw mut p, &raw mut q, &raw mut g);
            let bytes = |number| be_bytes(number, byte_len(number)).map(|bytes| bytes.to_vec());
            Ok(Self { p: bytes(p)?, q: None, g: bytes(g)? })
        }
    }

    /// Bytes of the prime without leading zeros.
    pub fn prime_len(&self) -> usize {
        significant(&self.p).len()
    }

    /// Bytes of the order without leading zeros; 0 where it is not known.
    pub fn order_len(&self) -> usize {
        self.q.as_deref().map_or(0, |q| significant(q).len())
    }
}

impl Numbers {
    /// Whether the order, where it is known, is one: `g^q = 1`.
    fn order_fits(&self) -> Result<bool, CryptoError> {
        let Some(q) = &self.q else { return Ok(true) };
        let one = self.public_of(q)?;
        // SAFETY: a live number.
        Ok(unsafe { sys::BN_is_one(one.as_ptr()) } == 1)
    }

    /// `g^x mod p`, in constant time; the public value of a private one.
    pub(super) fn public_of(&self, private: &Bn) -> Result<Bn, CryptoError> {
        let (public, scratch) = (Bn::zero()?, BnCtx::new()?);
        // SAFETY: all live; null asks it to set up the modulus itself.
        let returned = unsafe {
            sys::BN_mod_exp_mont_consttime(
                public.as_ptr(),
                self.g.as_ptr(),
                private.as_ptr(),
                self.p.as_ptr(),
                scratch.as_ptr(),
                std::ptr::null(),
            )
        };
        check(returned, CryptoError::Key)?;
        Ok(public)
    }

    /// Whether a private value is in its range: positive, below the order or else the prime.
    pub(super) fn admits(&self, private: &Bn) -> bool {
        let bound = self.q.as_ref().unwrap_or(&self.p);
        // SAFETY: both live.
        unsafe {
            sys::BN_is_zero(private.as_ptr()) == 0
                && sys::BN_cmp(private.as_ptr(), bound.as_ptr()) < 0
        }
    }
}

/// A number of a live aws-lc object, without leading zeros.
///
/// # Safety
///
/// `number` is null or points to a live number.
pub(super) unsafe fn number(number: *const sys::BIGNUM) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    if number.is_null() {
        return Err(CryptoError::Internal);
    }
    // SAFETY: the caller's promise.
    unsafe { be_bytes(number, byte_len(number)) }
}

fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_made_and_fit() {
        let dsa = Group::generate_dsa(512).unwrap();
        assert_eq!((dsa.prime_len(), dsa.order_len()), (64, 20));
        assert!(dsa.numbers().is_ok());
        let dh = Group::generate_dh(512).unwrap();
        assert_eq!((dh.prime_len(), dh.g.as_slice()), (64, [2].as_slice()));
        assert_eq!(Group::generate_dsa(1000), Err(CryptoError::Length));
        assert_eq!(Group::generate_dh(8192), Err(CryptoError::Length));
    }

    #[test]
    fn generators_and_primes_out_of_range_are_refused() {
        let good = Group { p: vec![23], q: Some(vec![11]), g: vec![4] };
        assert!(good.numbers().is_ok());
        for bad in [
            Group { p: vec![22], ..good.clone() },
            Group { p: Vec::new(), ..good.clone() },
            Group { q: Some(vec![29]), ..good.clone() },
            Group { g: vec![1], ..good.clone() },
            Group { g: vec![23], ..good.clone() },
            Group { g: Vec::new(), ..good.clone() },
        ] {
            assert!(bad.numbers().is_err(), "{bad:?}");
        }
    }
}
