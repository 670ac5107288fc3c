//! A secret in shares, of which some are enough (Shamir), through blahaj.

use std::convert::Infallible;

use blahaj::{Share, Sharks};
use rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroizing;

use super::{CryptoError, random};

/// This module's randomness in the shape that blahaj asks for, which has no word for failing: a
/// failure is remembered, and what was made of it is thrown away.
struct Source {
    failed: bool,
}

impl TryRng for Source {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        self.failed |= random::fill(to).is_err();
        Ok(())
    }
}

impl TryCryptoRng for Source {}

/// `count` shares of a secret, any `enough` of which give it back; a share is one byte longer.
///
/// # Errors
///
/// [`CryptoError::Parameter`] unless 1 <= `enough` <= `count` <= 255; [`CryptoError::Internal`] when
/// there is no randomness.
pub fn split(
    secret: &[u8],
    enough: usize,
    count: usize,
) -> Result<Vec<Zeroizing<Vec<u8>>>, CryptoError> {
    let threshold = u8::try_from(enough).map_err(|_| CryptoError::Parameter)?;
    if threshold == 0 || enough > count || count > usize::from(u8::MAX) {
        return Err(CryptoError::Parameter);
    }
    let mut source = Source { failed: false };
    let shares: Vec<_> = Sharks(threshold)
        .dealer_rng(secret, &mut source)
        .take(count)
        .map(|share| Zeroizing::new(Vec::from(&share)))
        .collect();
    if source.failed || shares.len() != count {
        return Err(CryptoError::Internal);
    }
    Ok(shares)
}

/// The secret behind different shares. Whether they were enough, and right, is for the caller to find
/// out by using it.
///
/// # Errors
///
/// [`CryptoError::Failed`] for shares that are none, or fewer than `enough`.
pub fn join(
    shares: &[Zeroizing<Vec<u8>>],
    enough: usize,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let threshold = u8::try_from(enough).map_err(|_| CryptoError::Failed)?;
    let shares: Vec<Share> = shares
        .iter()
        .map(|share| Share::try_from(share.as_slice()))
        .collect::<Result<_, _>>()
        .map_err(|_| CryptoError::Failed)?;
    Sharks(threshold).recover(&shares).map(Zeroizing::new).map_err(|_| CryptoError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_enough_of_the_shares_give_the_secret_and_fewer_do_not() {
        let secret = b"thirty-two bytes of some secret!";
        let shares = split(secret, 3, 5).unwrap();
        for chosen in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            let some: Vec<_> = chosen.iter().map(|at| shares[*at].clone()).collect();
            assert_eq!(*join(&some, 3).unwrap(), secret);
        }
        let two: Vec<_> = shares.iter().take(2).cloned().collect();
        assert_eq!(join(&two, 3).unwrap_err(), CryptoError::Failed);
        assert_ne!(*join(&two, 2).unwrap(), secret);
        assert_ne!(split(secret, 3, 5).unwrap()[0], shares[0]);
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for (enough, count) in [(0, 1), (2, 1), (1, 256), (256, 256)] {
            assert_eq!(split(b"x", enough, count).unwrap_err(), CryptoError::Parameter);
        }
        assert_eq!(join(&[Zeroizing::new(vec![1])], 1).unwrap_err(), CryptoError::Failed);
    }
}
