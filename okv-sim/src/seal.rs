//! The only room that names `ring`: bytes in, bytes out.
//!
//! Everything kept on disk is AES-256-GCM with a fresh random nonce in front; what it belongs to goes in as
//! additional data, so that a record moved elsewhere does not open. Errors carry no detail: the caller knows
//! what it tried to open and gives the failure its meaning.

use std::num::NonZeroU32;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hkdf, hmac, pbkdf2};
use zeroize::{Zeroize, Zeroizing};

/// 256-bit key material.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// The operation could not be done: not the right key, not the right bytes, or no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed;

/// `N` random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Sealed> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Sealed)?;
    Ok(bytes)
}

/// A random key.
pub(crate) fn random_key() -> Result<Key, Sealed> {
    random().map(Zeroizing::new)
}

/// `nonce (12) || ciphertext || tag (16)`.
pub(crate) fn seal(key: &Key, belongs_to: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Sealed> {
    let nonce: [u8; NONCE_LEN] = random()?;
    let mut out = Vec::with_capacity(NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plaintext);
    let body = out.get_mut(NONCE_LEN..).ok_or(Sealed)?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    let sealed = cipher(key)?.seal_in_place_separate_tag(nonce, Aad::from(belongs_to), body);
    match sealed {
        Ok(tag) => {
            out.extend_from_slice(tag.as_ref());
            Ok(out)
        }
        Err(_) => {
            out.zeroize();
            Err(Sealed)
        }
    }
}

/// The plaintext of [`seal`].
pub(crate) fn open(
    key: &Key,
    belongs_to: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Sealed> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(Sealed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Sealed)?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = cipher(key)?
        .open_in_place(nonce, Aad::from(belongs_to), &mut body)
        .map_err(|_| Sealed)?
        .len();
    body.truncate(length);
    Ok(body)
}

/// [`open`] of something that is a key.
pub(crate) fn open_key(key: &Key, belongs_to: &[u8], sealed: &[u8]) -> Result<Key, Sealed> {
    to_key(&open(key, belongs_to, sealed)?)
}

/// 32 bytes as a key.
pub(crate) fn to_key(bytes: &[u8]) -> Result<Key, Sealed> {
    Ok(Zeroizing::new(bytes.try_into().map_err(|_| Sealed)?))
}

fn cipher(key: &Key) -> Result<LessSafeKey, Sealed> {
    UnboundKey::new(&AES_256_GCM, key.as_slice()).map(LessSafeKey::new).map_err(|_| Sealed)
}

/// Two keys from a passphrase somebody chose: PBKDF2-HMAC-SHA-512, 64 bytes, cut in half.
pub(crate) fn stretch(passphrase: &[u8], salt: &[u8], iterations: NonZeroU32) -> (Key, Key) {
    let mut out = Zeroizing::new([0; 64]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, salt, passphrase, out.as_mut_slice());
    let mut halves = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
    for (to, from) in halves.0.iter_mut().chain(halves.1.iter_mut()).zip(out.iter()) {
        *to = *from;
    }
    halves
}

/// A key from a secret that is already random: HKDF-SHA-256. One purpose, one key.
pub(crate) fn derive(secret: &[u8], salt: &[u8], purpose: &str) -> Result<Key, Sealed> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .map_err(|_| Sealed)?;
    Ok(key)
}

/// HMAC-SHA-256 of `data`: a name that tells nothing without the key.
pub(crate) fn blind(key: &Key, data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), data).as_ref().to_vec()
}

/// SHA-256.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest::digest(&digest::SHA256, data).as_ref()) {
        *to = *from;
    }
    out
}

/// Whether two byte strings are the same, in a time that does not tell where they differ: their MACs under one
/// key are compared, which `ring` does in constant time.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"comparison");
    hmac::verify(&key, b, hmac::sign(&key, a).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_only_with_key_and_place() {
        let (key, other) = (random_key().unwrap(), random_key().unwrap());
        let sealed = seal(&key, b"here", b"text").unwrap();
        assert_eq!(open(&key, b"here", &sealed).unwrap().as_slice(), b"text");
        assert_eq!(open(&key, b"there", &sealed), Err(Sealed));
        assert_eq!(open(&other, b"here", &sealed), Err(Sealed));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(open(&key, b"here", &damaged), Err(Sealed), "byte {at}");
            assert_eq!(open(&key, b"here", &sealed[..at]), Err(Sealed), "cut at {at}");
        }
    }

    #[test]
    fn purposes_and_salts_give_different_keys() {
        let a = derive(b"secret", b"salt", "one").unwrap();
        assert_ne!(a, derive(b"secret", b"salt", "two").unwrap());
        assert_ne!(a, derive(b"secret", b"pepper", "one").unwrap());
        let (wrap, verify) = stretch(b"pass", b"salt", NonZeroU32::MIN);
        assert_ne!(wrap, verify);
    }
}
