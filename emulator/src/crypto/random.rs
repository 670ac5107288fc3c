//! Randomness from the operating system, through ring.
//!
//! Stateless: two processes after a `fork` cannot draw the same bytes.

use super::CryptoError;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// Fills `out` with random bytes.
///
/// # Errors
///
/// [`CryptoError::Internal`] when the operating system gives none; `out` is then not usable.
pub fn fill(out: &mut [u8]) -> Result<(), CryptoError> {
    SystemRandom::new().fill(out).map_err(|_| CryptoError::Internal)
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
