//! Owners of aws-lc's objects: one type per kind of pointer, freed when dropped.
//!
//! The rest of the room never frees by hand and never holds a foreign pointer outside its owner.
#![allow(unsafe_code, reason = "aws-lc-sys has no safe owners for these objects")]

use super::CryptoError;
use aws_lc_sys as sys;
use std::ptr::NonNull;
use zeroize::Zeroizing;

/// Forgets what aws-lc noted about a failure on this thread and hands back our word for it.
///
/// aws-lc keeps a list of errors per thread; we say less than it does, on purpose, and a list
/// left behind would show up as somebody else's error later.
pub(super) fn refused(error: CryptoError) -> CryptoError {
    // SAFETY: takes nothing and touches only this thread's list.
    unsafe { sys::ERR_clear_error() };
    error
}

/// aws-lc's "one is success", as a result.
pub(super) fn check(returned: i32, error: CryptoError) -> Result<(), CryptoError> {
    if returned == 1 { Ok(()) } else { Err(refused(error)) }
}

macro_rules! owner {
    ($(#[$doc:meta])* $name:ident, $raw:ty, $free:path) => {
        $(#[$doc])*
        pub(super) struct $name(NonNull<$raw>);

        impl $name {
            /// Takes over a pointer that aws-lc just made; null is `error`.
            ///
            /// # Safety
            ///
            /// A non-null `pointer` is valid for this type's free function and nobody else
            /// frees it.
            pub(super) unsafe fn adopt(
                pointer: *mut $raw,
                error: CryptoError,
            ) -> Result<Self, CryptoError> {
                NonNull::new(pointer).map(Self).ok_or_else(|| refused(error))
            }

            /// For the functions that read, and for those aws-lc calls non-mutating though
            /// their C type does not say `const`.
            pub(super) fn as_ptr(&self) -> *mut $raw {
                self.0.as_ptr()
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: `adopt` promised the pointer is ours to free, and only once.
                unsafe { $free(self.0.as_ptr()) }
            }
        }
    };
}

owner!(
    /// A big number. Freed memory is wiped by aws-lc's allocator.
    Bn, sys::BIGNUM, sys::BN_free
);
owner!(
    /// Scratch space for big numbers.
    BnCtx, sys::BN_CTX, sys::BN_CTX_free
);
owner!(
    /// An RSA key, public or private.
    Rsa, sys::RSA, sys::RSA_free
);
owner!(
    /// A key of any kind, for the functions that take no narrower type.
    Pkey, sys::EVP_PKEY, sys::EVP_PKEY_free
);
owner!(
    /// One asymmetric operation being set up.
    PkeyCtx, sys::EVP_PKEY_CTX, sys::EVP_PKEY_CTX_free
);
owner!(
    /// A DSA key, public or private.
    Dsa, sys::DSA, sys::DSA_free
);
owner!(
    /// A DSA signature as two numbers.
    DsaSig, sys::DSA_SIG, sys::DSA_SIG_free
);
owner!(
    /// A Diffie-Hellman key.
    Dh, sys::DH, sys::DH_free
);
owner!(
    /// An elliptic curve key, public or private.
    EcKey, sys::EC_KEY, sys::EC_KEY_free
);
owner!(
    /// A curve that aws-lc was told.
    EcGroup, sys::EC_GROUP, sys::EC_GROUP_free
);
owner!(
    /// A point of a curve.
    EcPoint, sys::EC_POINT, sys::EC_POINT_free
);
owner!(
    /// An ECDSA signature as two numbers.
    EcdsaSig, sys::ECDSA_SIG, sys::ECDSA_SIG_free
);
owner!(
    /// A keyed AEAD.
    AeadCtx, sys::EVP_AEAD_CTX, sys::EVP_AEAD_CTX_free
);
owner!(
    /// A keyed cipher, running.
    CipherCtx, sys::EVP_CIPHER_CTX, sys::EVP_CIPHER_CTX_free
);
owner!(
    /// A running digest.
    MdCtx, sys::EVP_MD_CTX, sys::EVP_MD_CTX_free
);
owner!(
    /// A keyed or running HMAC.
    HmacCtx, sys::HMAC_CTX, sys::HMAC_CTX_free
);

// SAFETY: a finished EC_GROUP is heap memory without ties to a thread.
unsafe impl Send for EcGroup {}
// SAFETY: nobody changes a group once it has its generator, and its count of references is atomic.
unsafe impl Sync for EcGroup {}

impl Bn {
    /// A number from big-endian bytes, leading zeros allowed.
    pub(super) fn from_be(bytes: &[u8]) -> Result<Self, CryptoError> {
        // SAFETY: reads `len` bytes of a slice; null as third argument makes a new number.
        unsafe {
            let made = sys::BN_bin2bn(bytes.as_ptr(), bytes.len(), std::ptr::null_mut());
            Self::adopt(made, CryptoError::Internal)
        }
    }

    /// The number zero.
    pub(super) fn zero() -> Result<Self, CryptoError> {
        // SAFETY: a new number, ours.
        unsafe { Self::adopt(sys::BN_new(), CryptoError::Internal) }
    }

    /// Gives the number away to a function that frees it from now on.
    pub(super) fn release(self) -> *mut sys::BIGNUM {
        let pointer = self.0.as_ptr();
        let _ = std::mem::ManuallyDrop::new(self);
        pointer
    }
}

impl BnCtx {
    /// New scratch space.
    pub(super) fn new() -> Result<Self, CryptoError> {
        // SAFETY: a new object, ours.
        unsafe { Self::adopt(sys::BN_CTX_new(), CryptoError::Internal) }
    }
}

/// Length of a number in bytes without leading zeros.
///
/// # Safety
///
/// `number` points to a live number.
pub(super) unsafe fn byte_len(number: *const sys::BIGNUM) -> usize {
    // SAFETY: the caller's promise.
    usize::try_from(unsafe { sys::BN_num_bytes(number) }).unwrap_or(usize::MAX)
}

/// Big-endian bytes of a number, left-padded with zeros to `len`.
///
/// # Safety
///
/// `number` is null or points to a live number.
pub(super) unsafe fn be_bytes(
    number: *const sys::BIGNUM,
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    if number.is_null() {
        return Err(CryptoError::Internal);
    }
    let mut out = Zeroizing::new(vec![0; len]);
    // SAFETY: writes exactly `len` bytes or fails; the number is live by the caller's promise.
    let returned = unsafe { sys::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), number) };
    check(returned, CryptoError::Internal)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_value_and_take_their_padding() {
        let number = Bn::from_be(&[0, 0, 1, 2]).unwrap();
        // SAFETY: the number lives in this function.
        unsafe {
            assert_eq!(byte_len(number.as_ptr()), 2);
            assert_eq!(*be_bytes(number.as_ptr(), 4).unwrap(), [0, 0, 1, 2]);
            assert_eq!(be_bytes(number.as_ptr(), 1).unwrap_err(), CryptoError::Internal);
            assert_eq!(be_bytes(std::ptr::null(), 1).unwrap_err(), CryptoError::Internal);
        }
    }
}
