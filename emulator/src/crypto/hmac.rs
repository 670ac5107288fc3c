//! HMAC (FIPS 198-1), and comparison in constant time. Through aws-lc; over SM3, which it does not
//! have, through RustCrypto. No mechanism wants one over MD2 or Keccak.
#![allow(unsafe_code, reason = "aws-lc-rs offers HMAC over neither SHA-3 nor MD5")]

use super::CryptoError;
use super::foreign::{HmacCtx, check};
use super::hash::Hash;
use aws_lc_sys as sys;
use hmac::{KeyInit, Mac};
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Whether two byte strings are equal, in a time that depends only on their lengths.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// An HMAC key, its padded blocks hashed once. Cloning shares it.
#[derive(Clone)]
pub struct HmacKey {
    hash: Hash,
    keyed: Arc<Keyed>,
}

/// The keyed state, which is only ever copied from.
enum Keyed {
    Evp(HmacCtx),
    Sm3(Sm3Hmac),
}

type Sm3Hmac = hmac::Hmac<sm3::Sm3>;

// SAFETY: heap memory without ties to a thread.
unsafe impl Send for Keyed {}
// SAFETY: after `HmacKey::new` the context is only the source of `HMAC_CTX_copy_ex`, whose
// source is `const` and which copies the three hash states by value.
unsafe impl Sync for Keyed {}

/// A context on the stack, for one computation without an allocation.
struct Local(MaybeUninit<sys::HMAC_CTX>);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: `run` initialised it; cleaning up wipes it and frees nothing twice.
        unsafe { sys::HMAC_CTX_cleanup(self.0.as_mut_ptr()) }
    }
}

impl HmacKey {
    /// A key of any length, an empty one included.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory, [`CryptoError::Parameter`] for a hash
    /// without HMAC here.
    pub fn new(hash: Hash, key: &[u8]) -> Result<Self, CryptoError> {
        if hash == Hash::Sm3 {
            let keyed = Sm3Hmac::new_from_slice(key).map_err(|_| CryptoError::Internal)?;
            return Ok(Self { hash, keyed: Arc::new(Keyed::Sm3(keyed)) });
        }
        let evp = hash.evp()?;
        // SAFETY: a new context, ours. The key pointer of a slice is never null, which aws-lc
        // would take as "keep the former key".
        let context = unsafe {
            let context = HmacCtx::adopt(sys::HMAC_CTX_new(), CryptoError::Internal)?;
            let returned = sys::HMAC_Init_ex(
                context.as_ptr(),
                key.as_ptr().cast(),
                key.len(),
                evp,
                std::ptr::null_mut(),
            );
            check(returned, CryptoError::Internal)?;
            context
        };
        Ok(Self { hash, keyed: Arc::new(Keyed::Evp(context)) })
    }

    /// The hash the key was made for.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The HMAC of `data`, as long as the hash.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let keyed = match &*self.keyed {
            Keyed::Evp(keyed) => keyed,
            Keyed::Sm3(keyed) => {
                return Ok(keyed.clone().chain_update(data).finalize().into_bytes().to_vec());
            }
        };
        let mut out = vec![0; self.hash.len()];
        let mut context = MaybeUninit::uninit();
        // SAFETY: initialised by the first call before anything else sees it; from here `Local`
        // cleans up. It is not moved while aws-lc works on it, and aws-lc keeps no pointer into
        // it. `out` is as long as the hash.
        unsafe {
            sys::HMAC_CTX_init(context.as_mut_ptr());
            let mut local = Local(context);
            let pointer = local.0.as_mut_ptr();
            check(sys::HMAC_CTX_copy_ex(pointer, keyed.as_ptr()), CryptoError::Internal)?;
            check(sys::HMAC_Update(pointer, data.as_ptr(), data.len()), CryptoError::Internal)?;
            let returned = sys::HMAC_Final(pointer, out.as_mut_ptr(), std::ptr::null_mut());
            check(returned, CryptoError::Internal)?;
        }
        Ok(out)
    }

    /// Checks an HMAC cut to `mac.len()` bytes, in constant time.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] when `mac` is empty or longer than the hash,
    /// [`CryptoError::Failed`] when it is not the HMAC of `data`.
    pub fn verify(&self, data: &[u8], mac: &[u8]) -> Result<(), CryptoError> {
        let expected = self.sign(data)?;
        compare(&expected, mac)
    }

    /// Begins an HMAC in parts.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory.
    pub fn stream(&self) -> Result<HmacStream, CryptoError> {
        let keyed = match &*self.keyed {
            Keyed::Evp(keyed) => keyed,
            Keyed::Sm3(keyed) => {
                return Ok(HmacStream { hash: self.hash, running: Running::Sm3(keyed.clone()) });
            }
        };
        // SAFETY: a new context, ours, filled from a live one.
        let context = unsafe {
            let context = HmacCtx::adopt(sys::HMAC_CTX_new(), CryptoError::Internal)?;
            check(sys::HMAC_CTX_copy_ex(context.as_ptr(), keyed.as_ptr()), CryptoError::Internal)?;
            context
        };
        Ok(HmacStream { hash: self.hash, running: Running::Evp(context) })
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({}, ..)", self.hash.name())
    }
}

/// Compares the beginning of a full HMAC with a possibly shortened one.
fn compare(expected: &[u8], mac: &[u8]) -> Result<(), CryptoError> {
    match expected.get(..mac.len()) {
        Some(beginning) if !mac.is_empty() => {
            if same(beginning, mac) {
                Ok(())
            } else {
                Err(CryptoError::Failed)
            }
        }
        _ => Err(CryptoError::Length),
    }
}

/// An HMAC in parts.
pub struct HmacStream {
    hash: Hash,
    running: Running,
}

enum Running {
    Evp(HmacCtx),
    Sm3(Sm3Hmac),
}

// SAFETY: heap memory without ties to a thread; every method that writes takes it whole or
// `&mut`.
unsafe impl Send for HmacStream {}

impl HmacStream {
    /// Adds the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.running {
            // SAFETY: the context is keyed and ours alone. It cannot fail before `finish`.
            Running::Evp(context) => unsafe {
                sys::HMAC_Update(context.as_ptr(), data.as_ptr(), data.len());
            },
            Running::Sm3(running) => running.update(data),
        }
    }

    /// The HMAC of everything added, as long as the hash.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn finish(self) -> Result<Vec<u8>, CryptoError> {
        let context = match self.running {
            Running::Evp(context) => context,
            Running::Sm3(running) => return Ok(running.finalize().into_bytes().to_vec()),
        };
        let mut out = vec![0; self.hash.len()];
        // SAFETY: writes as many bytes as the hash has; the size pointer may be null.
        let returned =
            unsafe { sys::HMAC_Final(context.as_ptr(), out.as_mut_ptr(), std::ptr::null_mut()) };
        check(returned, CryptoError::Internal)?;
        Ok(out)
    }

    /// As [`HmacKey::verify`], of everything added.
    ///
    /// # Errors
    ///
    /// As [`HmacKey::verify`].
    pub fn verify(self, mac: &[u8]) -> Result<(), CryptoError> {
        compare(&self.finish()?, mac)
    }
}

impl fmt::Debug for HmacStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacStream({})", self.hash.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{cases, hex};
    use super::*;

    #[test]
    fn known_answers_in_one_go_and_in_parts() {
        for case in cases(include_str!("vectors/hmac.txt")) {
            let hash = *Hash::ALL.iter().find(|hash| hash.name() == case.text("hash")).unwrap();
            let (key, data) = (case.bytes("key"), case.bytes("data"));
            let key = HmacKey::new(hash, &key).unwrap();
            assert_eq!(key.sign(&data).unwrap(), case.bytes("mac"), "{}", hash.name());
            let mut stream = key.stream().unwrap();
            data.chunks(3).for_each(|part| stream.update(part));
            assert_eq!(stream.finish().unwrap(), case.bytes("mac"), "{} in parts", hash.name());
        }
    }

    #[test]
    fn every_hash_and_key_length_follows_the_definition() {
        // FIPS 198-1: H((K ^ opad) || H((K ^ ipad) || text)), a long key hashed first.
        let without = |hash| matches!(HmacKey::new(hash, b"k"), Err(CryptoError::Parameter));
        assert_eq!(Hash::ALL.into_iter().filter(|hash| without(*hash)).count(), 5, "see the top");
        for hash in Hash::ALL.into_iter().filter(|hash| !without(*hash)) {
            let block = hash.block_len();
            for key_len in [0, 1, hash.len(), block - 1, block, block + 1, 3 * block] {
                let key: Vec<u8> = (0..=255).cycle().take(key_len).collect();
                let data = b"some text";
                let mut padded = if key_len > block {
                    super::super::hash::digest(hash, &key).unwrap()
                } else {
                    key.clone()
                };
                padded.resize(block, 0);
                let pad = |with: u8| padded.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
                let inner =
                    super::super::hash::digest(hash, &[pad(0x36), data.to_vec()].concat()).unwrap();
                let outer = super::super::hash::digest(hash, &[pad(0x5c), inner].concat()).unwrap();
                let key = HmacKey::new(hash, &key).unwrap();
                assert_eq!(key.sign(data).unwrap(), outer, "{} {key_len}", hash.name());
            }
        }
    }

    #[test]
    fn the_other_library_agrees() {
        for (ours, theirs) in [
            (Hash::Sha1, ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            (Hash::Sha256, ring::hmac::HMAC_SHA256),
            (Hash::Sha384, ring::hmac::HMAC_SHA384),
            (Hash::Sha512, ring::hmac::HMAC_SHA512),
        ] {
            let theirs = ring::hmac::sign(&ring::hmac::Key::new(theirs, &[3; 40]), &[9; 300]);
            let ours = HmacKey::new(ours, &[3; 40]).unwrap().sign(&[9; 300]).unwrap();
            assert_eq!(ours, theirs.as_ref());
        }
    }

    #[test]
    fn one_key_serves_many_messages_and_threads() {
        let key = HmacKey::new(Hash::Sha256, b"key").unwrap();
        let expected = key.sign(b"message").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        assert_eq!(key.clone().sign(b"message").unwrap(), expected);
                    }
                });
            }
        });
    }

    #[test]
    fn verification_takes_shortened_macs_and_refuses_wrong_ones() {
        let key = HmacKey::new(Hash::Sha1, b"key").unwrap();
        let mut mac = key.sign(b"data").unwrap();
        assert_eq!(key.verify(b"data", &mac), Ok(()));
        assert_eq!(key.verify(b"data", &mac[..4]), Ok(()));
        assert_eq!(key.verify(b"data", b""), Err(CryptoError::Length));
        assert_eq!(key.verify(b"date", &mac), Err(CryptoError::Failed));
        mac[19] ^= 0x80;
        assert_eq!(key.verify(b"data", &mac), Err(CryptoError::Failed));
        mac.push(0);
        assert_eq!(key.verify(b"data", &mac), Err(CryptoError::Length));
        let mut stream = key.stream().unwrap();
        stream.update(b"data");
        assert_eq!(stream.verify(&mac[..10]), Ok(()));
    }

    #[test]
    fn equality_is_of_length_and_of_every_byte() {
        assert!(same(b"", b"") && same(&hex("00ff"), &[0, 255]));
        assert!(!same(b"a", b"") && !same(b"ab", b"ac") && !same(b"ab", b"bb"));
    }
}
