//! Each block on its own.

use zeroize::Zeroizing;

use super::{Family, failed, is_zero_padded, length_error, zero_padded};
use crate::ck::*;
use crate::crypto::block::AnyCipher;
use crate::error::Result;
use crate::mechanisms::{Cipher, Stream, Use};

pub(in crate::mechanisms) struct Ecb(pub(in crate::mechanisms) Family);

impl Cipher for Ecb {
    fn prepare(&self, using: &Use) -> Result<()> {
        self.0.check(using).map(drop)
    }

    fn bounds(&self, _using: &Use, input: usize) -> Result<(usize, usize)> {
        Ok((input, input))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let mut data = input.to_vec();
        let cipher = (self.0.cipher)(using)?;
        cipher.ecb(&mut data, using.forward).map_err(|error| failed(error, using))?;
        Ok(data)
    }

    fn fills_up(&self, using: &Use, plain: &[u8], len: usize) -> Result<bool> {
        Ok(is_zero_padded(plain, len, (self.0.cipher)(using)?.block_len()))
    }

    fn padded_for_wrapping(
        &self,
        using: &Use,
        plain: &[u8],
        class: CK_OBJECT_CLASS,
    ) -> Result<Zeroizing<Vec<u8>>> {
        zero_padded(plain, class, (self.0.cipher)(using)?.block_len())
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        let cipher = (self.0.cipher)(&using)?;
        Ok(Box::new(InParts { cipher, using, held: Vec::new() }))
    }
}

/// Bytes that do not fill a block are held back.
struct InParts {
    cipher: AnyCipher,
    using: Use,
    held: Vec<u8>,
}

impl Stream for InParts {
    fn update_bound(&self, input: usize) -> usize {
        let total = self.held.len().saturating_add(input);
        total - total % self.cipher.block_len()
    }

    fn update(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        let ready = self.update_bound(input.len());
        self.held.extend_from_slice(input);
        let mut data: Vec<u8> = self.held.drain(..ready).collect();
        let forward = self.using.forward;
        self.cipher.ecb(&mut data, forward).map_err(|error| failed(error, &self.using))?;
        Ok(data)
    }

    fn finish_bound(&self) -> Result<usize> {
        Ok(0)
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        if self.held.is_empty() { Ok(Vec::new()) } else { Err(length_error(&self.using)) }
    }
}
