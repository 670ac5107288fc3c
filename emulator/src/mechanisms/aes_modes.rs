//! AES in ECB and CTR.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, sections 2.10.3 and 2.13.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::aes::{AesKey, CtrState};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::aes::{BLOCK, check_size, is_zero_padded, length_error, zero_padded};
use crate::mechanisms::{
    Cipher, NOTHING, Params, Row, Shape, Stream, Use, broken, keys, wrong_params,
};

struct Ecb;
struct Ctr;

/// ECB carries keys too; CTR does not.
pub static ROWS: &[Row] = &[
    Row { kind: CKM_AES_ECB, key: Some(CKK_AES), cipher: Some(&Ecb), wrap: Some(&Ecb), ..NOTHING },
    Row { kind: CKM_AES_CTR, key: Some(CKK_AES), shape: Shape::Ctr, cipher: Some(&Ctr), ..NOTHING },
];

impl Cipher for Ecb {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)
    }

    fn bounds(&self, _using: &Use, input: usize) -> Result<(usize, usize)> {
        Ok((input, input))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        if !input.len().is_multiple_of(BLOCK) {
            return Err(length_error(using));
        }
        let mut data = input.to_vec();
        let run = if using.forward { AesKey::ecb_encrypt } else { AesKey::ecb_decrypt };
        run(&*keys::aes(&using.key)?, &mut data).map_err(broken)?;
        Ok(data)
    }

    fn fills_up(&self, plain: &[u8], len: usize) -> bool {
        is_zero_padded(plain, len)
    }

    fn padded_for_wrapping(
        &self,
        plain: &[u8],
        class: CK_OBJECT_CLASS,
    ) -> Result<Zeroizing<Vec<u8>>> {
        zero_padded(plain, class)
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Box::new(EcbStream { using, held: Vec::new() }))
    }
}

struct EcbStream {
    using: Use,
    held: Vec<u8>,
}

impl Stream for EcbStream {
    fn update_bound(&self, input: usize) -> usize {
        let total = self.held.len().saturating_add(input);
        total - total % BLOCK
    }

    fn update(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        let ready = self.update_bound(input.len());
        self.held.extend_from_slice(input);
        let data: Vec<u8> = self.held.drain(..ready).collect();
        Ecb.once(&self.using, &data)
    }

    fn finish_bound(&self) -> Result<usize> {
        Ok(0)
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        if self.held.is_empty() { Ok(Vec::new()) } else { Err(length_error(&self.using)) }
    }
}

/// The counter block; the counter may not come round, which would repeat the key stream.
fn counter(using: &Use) -> Result<([u8; BLOCK], u32)> {
    let Params::Ctr { counter_bits, block } = &using.params else {
        return Err(wrong_params("CTR wants its parameter"));
    };
    let bits = u32::try_from(*counter_bits)
        .ok()
        .filter(|bits| (1..=128).contains(bits))
        .ok_or_else(|| wrong_params("a counter has 1 to 128 bits"))?;
    let block = block.as_slice().try_into().map_err(|_| wrong_params("a block has 16 bytes"))?;
    Ok((block, bits))
}

/// Blocks left before a counter of so many bits comes round.
fn blocks_left(block: [u8; BLOCK], bits: u32) -> u128 {
    let value = u128::from_be_bytes(block);
    if bits == 128 {
        return (u128::MAX - value).saturating_add(1);
    }
    let modulus = 1_u128 << bits;
    modulus - (value & (modulus - 1))
}

impl Cipher for Ctr {
    fn prepare(&self, using: &Use) -> Result<()> {
        counter(using)?;
        check_size(using)
    }

    fn bounds(&self, _using: &Use, input: usize) -> Result<(usize, usize)> {
        Ok((input, input))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        CtrStream::new(using)?.update(input)
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Box::new(CtrStream::new(&using)?))
    }
}

struct CtrStream {
    key: Arc<AesKey>,
    state: CtrState,
    bytes_left: u128,
    error: Cause,
}

impl CtrStream {
    fn new(using: &Use) -> Result<Self> {
        let (block, bits) = counter(using)?;
        Ok(Self {
            key: keys::aes(&using.key)?,
            state: CtrState::new(block),
            bytes_left: blocks_left(block, bits).saturating_mul(BLOCK as u128),
            error: if using.forward { Cause::DataLenRange } else { Cause::EncryptedDataLenRange },
        })
    }
}

impl Stream for CtrStream {
    fn update_bound(&self, input: usize) -> usize {
        input
    }

    fn update(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        self.bytes_left = self.bytes_left.checked_sub(input.len() as u128).ok_or_else(|| {
            Error::new(self.error, "the counter would come round and repeat the key stream")
        })?;
        let mut data = input.to_vec();
        self.key.ctr(&mut self.state, &mut data).map_err(broken)?;
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
        let mut block = [0xff; BLOCK];
        assert_eq!(blocks_left(block, 8), 1);
        assert_eq!(blocks_left(block, 128), 1);
        block[15] = 0;
        assert_eq!(blocks_left(block, 8), 256);
        assert_eq!(blocks_left([0; BLOCK], 16), 65536);
    }
}
