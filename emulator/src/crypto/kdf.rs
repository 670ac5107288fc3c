//! Key derivation: for PINs and for the store through ring, PBKDF2 over any hash through aws-lc.
#![allow(unsafe_code, reason = "aws-lc-rs offers PBKDF2 over no SHA-224")]

use super::CryptoError;
use super::foreign::check;
use super::hash::{Digest, Hash};
use aws_lc_sys as sys;
use ring::{hkdf, pbkdf2};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// PBKDF2 with HMAC-SHA-256 (RFC 8018), 32 bytes out.
#[must_use]
pub fn pbkdf2_sha256(secret: &[u8], salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, secret, out.as_mut_slice());
    out
}

/// PBKDF2 with HMAC over a hash (RFC 8018), `len` bytes out.
///
/// # Errors
///
/// [`CryptoError::Parameter`] for a hash aws-lc does not have, [`CryptoError::Internal`] when it
/// has no memory.
pub fn pbkdf2(
    hash: Hash,
    secret: &[u8],
    salt: &[u8],
    iterations: NonZeroU32,
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut out = Zeroizing::new(vec![0; len]);
    let evp = hash.evp()?;
    // SAFETY: reads both slices at their lengths and writes `len` bytes; the hash is a static.
    let returned = unsafe {
        sys::PKCS5_PBKDF2_HMAC(
            secret.as_ptr().cast(),
            secret.len(),
            salt.as_ptr(),
            salt.len(),
            iterations.get(),
            evp,
            out.len(),
            out.as_mut_ptr(),
        )
    };
    check(returned, CryptoError::Internal)?;
    Ok(out)
}

/// The function of PKCS #12 (RFC 7292 appendix B.2), `len` bytes for the purpose `id`. No library
/// that is past its drafts offers it; the hash is all the cryptography in it.
///
/// # Errors
///
/// [`CryptoError::Internal`] when aws-lc has no memory.
pub fn pkcs12(
    hash: Hash,
    secret: &[u8],
    salt: &[u8],
    iterations: NonZeroU32,
    id: u8,
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let block = hash.block_len();
    let filled = |bytes: &[u8]| -> Vec<u8> {
        let whole = bytes.len().div_ceil(block) * block;
        bytes.iter().copied().cycle().take(whole).collect()
    };
    let mut blocks = Zeroizing::new([filled(salt), filled(secret)].concat());
    let mut out = Zeroizing::new(Vec::new());
    loop {
        let mut digest = Digest::new(hash)?;
        digest.update(&vec![id; block]);
        digest.update(&blocks);
        let mut part = Zeroizing::new(digest.finish()?);
        for _ in 1..iterations.get() {
            part = Zeroizing::new(super::hash::digest(hash, &part)?);
        }
        out.extend_from_slice(&part);
        if out.len() >= len {
            out.truncate(len);
            return Ok(out);
        }
        // Each block, as a number, grows by the digest repeated to its length, and by one.
        let step = Zeroizing::new(filled(&part));
        for number in blocks.chunks_exact_mut(block) {
            let mut carry = 1;
            for (digit, more) in number.iter_mut().rev().zip(step.iter().take(block).rev()) {
                let sum = u16::from(*digit) + u16::from(*more) + carry;
                [_, *digit] = sum.to_be_bytes();
                carry = sum >> 8;
            }
        }
    }
}

/// PBKDF1 (RFC 8018 section 5.1): the whole digest, of which the caller takes its first bytes.
///
/// # Errors
///
/// [`CryptoError::Internal`] when aws-lc has no memory.
pub fn pbkdf1(
    hash: Hash,
    secret: &[u8],
    salt: &[u8],
    iterations: NonZeroU32,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut digest = Digest::new(hash)?;
    digest.update(secret);
    digest.update(salt);
    let mut out = Zeroizing::new(digest.finish()?);
    for _ in 1..iterations.get() {
        out = Zeroizing::new(super::hash::digest(hash, &out)?);
    }
    Ok(out)
}

/// HKDF with SHA-256 (RFC 5869), extract then expand, 32 bytes out.
///
/// # Errors
///
/// [`CryptoError::Internal`]; not reachable for 32 bytes.
pub fn hkdf_sha256(
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let mut out = Zeroizing::new([0; 32]);
    pseudorandom
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .map_err(|_| CryptoError::Internal)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::vectors::hex;
    use super::*;

    #[test]
    fn pbkdf2_gives_the_known_answers() {
        // The SHA-256 counterparts of RFC 6070, cases 1, 2 and 3.
        for (iterations, expected) in [
            (1, "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"),
            (2, "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"),
            (4096, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"),
        ] {
            let iterations = NonZeroU32::new(iterations).unwrap();
            assert_eq!(
                pbkdf2_sha256(b"password", b"salt", iterations).to_vec(),
                hex(expected),
                "{iterations} iterations"
            );
        }
    }

    #[test]
    fn hkdf_gives_the_known_answer_cut_to_32_bytes() {
        // RFC 5869 appendix A, cases 1 and 3.
        let out = hkdf_sha256(
            &[0x0b; 22],
            &hex("000102030405060708090a0b0c"),
            &hex("f0f1f2f3f4f5f6f7f8f9"),
        );
        assert_eq!(
            out.unwrap().to_vec(),
            hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
        );
        assert_eq!(
            hkdf_sha256(&[0x0b; 22], b"", b"").unwrap().to_vec(),
            hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d")
        );
    }
}
