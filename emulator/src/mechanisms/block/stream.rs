//! Modes that make a stream of a block cipher: CFB, OFB and CTR.
//!
//! Source: SP 800-38A for the modes; PKCS#11 v2.40 Current Mechanisms, section 2.13, for what CTR
//! refuses.

use super::{Family, iv};
use crate::crypto::block::{AnyCipher, KeyStream, Mode};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{Cipher, Params, Stream, Use, broken, wrong_params};

pub(in crate::mechanisms) struct Streaming(
    pub(in crate::mechanisms) Family,
    pub(in crate::mechanisms) Mode,
);

/// The counter block, and how many blocks are left before the counter comes round, which would
/// repeat the key stream.
fn counter<'a>(using: &'a Use, cipher: &AnyCipher) -> Result<(&'a [u8], u128)> {
    let Params::Ctr { counter_bits, block } = &using.params else {
        return Err(wrong_params("CTR wants its parameter"));
    };
    let len = cipher.block_len();
    if block.len() != len {
        return Err(wrong_params("a counter block is one block"));
    }
    let bits = u32::try_from(*counter_bits)
        .ok()
        .filter(|bits| (1..=len * 8).contains(&(*bits as usize)))
        .ok_or_else(|| wrong_params("a counter has 1 bit to all of its block"))?;
    Ok((block, blocks_left(block, bits)))
}

/// Blocks left before a counter of so many bits comes round.
fn blocks_left(block: &[u8], bits: u32) -> u128 {
    let value = block.iter().fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
    if bits == 128 {
        return (u128::MAX - value).saturating_add(1);
    }
    let modulus = 1_u128 << bits;
    modulus - (value & (modulus - 1))
}

impl Streaming {
    fn begin(&self, using: &Use) -> Result<Parts> {
        let cipher = (self.0.cipher)(using)?;
        let (first, bytes_left) = match self.1 {
            Mode::Counter => {
                let (block, blocks) = counter(using, &cipher)?;
                (block, blocks.saturating_mul(block.len() as u128))
            }
            _ => (iv(using, &cipher)?, u128::MAX),
        };
        let stream = cipher.stream(self.1, first, using.forward).map_err(broken)?;
        Ok(Parts::new(stream, bytes_left, using.forward))
    }
}

impl Cipher for Streaming {
    fn prepare(&self, using: &Use) -> Result<()> {
        let cipher = self.0.check(using)?;
        match self.1 {
            Mode::Counter => counter(using, &cipher).map(drop),
            _ => iv(using, &cipher).map(drop),
        }
    }

    fn bounds(&self, _using: &Use, input: usize) -> Result<(usize, usize)> {
        Ok((input, input))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        self.begin(using)?.update(input)
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Box::new(self.begin(&using)?))
    }
}

/// A message going through a stream, as many bytes out as in.
pub(in crate::mechanisms) struct Parts {
    stream: Box<dyn KeyStream>,
    bytes_left: u128,
    error: Cause,
}

impl Parts {
    /// At most `bytes_left` bytes.
    pub(in crate::mechanisms) fn new(
        stream: Box<dyn KeyStream>,
        bytes_left: u128,
        forward: bool,
    ) -> Self {
        let error = if forward { Cause::DataLenRange } else { Cause::EncryptedDataLenRange };
        Self { stream, bytes_left, error }
    }
}

impl Stream for Parts {
    fn update_bound(&self, input: usize) -> usize {
        input
    }

    fn update(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        self.bytes_left = self.bytes_left.checked_sub(input.len() as u128).ok_or_else(|| {
            Error::new(self.error, "the counter would come round and repeat the key stream")
        })?;
        let mut data = input.to_vec();
        self.stream.apply(&mut data).map_err(broken)?;
        Ok(data)
    }

    fn finish_bound(&self) -> Result<usize> {
        Ok(0)
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_says_how_far_it_goes() {
        let mut block = [0xff; 16];
        assert_eq!(blocks_left(&block, 8), 1);
        assert_eq!(blocks_left(&block, 128), 1);
        block[15] = 0;
        assert_eq!(blocks_left(&block, 8), 256);
        assert_eq!(blocks_left(&[0; 16], 16), 65536);
        assert_eq!(blocks_left(&[0xff; 8], 64), 1);
        assert_eq!(blocks_left(&[0; 8], 64), 1 << 64);
    }
}
