//! Randomness, through aws-lc: a generator (CTR-DRBG over AES-256) for each thread, seeded by the
//! operating system and reseeded from it.
//!
//! Two processes after a `fork` do not draw the same bytes: aws-lc sees the fork by a page that the
//! kernel hands to the child as zeroes, and seeds anew. A question to the operating system for every
//! draw would need no such care, and costs 2 times as much for 32 bytes and 10 times for 4 KiB.

use super::CryptoError;
use zeroize::Zeroizing;

/// Fills `out` with random bytes.
///
/// # Errors
///
/// [`CryptoError::Internal`] when there is none to be had; `out` is then not usable.
pub fn fill(out: &mut [u8]) -> Result<(), CryptoError> {
    aws_lc_rs::rand::fill(out).map_err(|_| CryptoError::Internal)
}

/// `len` random bytes, wiped when dropped since they are usually a key.
///
/// # Errors
///
/// [`CryptoError::Internal`] when the operating system gives none.
pub fn bytes(len: usize) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut out = Zeroizing::new(vec![0; len]);
    fill(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ_and_have_the_length_asked_for() {
        let (a, b) = (bytes(32).unwrap(), bytes(32).unwrap());
        assert_eq!((a.len(), b.len()), (32, 32));
        assert_ne!(*a, *b);
        assert!(bytes(0).unwrap().is_empty());
    }

    #[test]
    fn every_byte_of_a_long_draw_is_written() {
        // 4096 bytes left at zero by chance in a row of 32 would be 2^-256.
        let drawn = bytes(4096).unwrap();
        assert!(drawn.chunks(32).all(|chunk| chunk.iter().any(|&byte| byte != 0)));
    }
}
