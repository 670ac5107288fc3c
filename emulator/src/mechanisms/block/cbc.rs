//! Chained blocks, with and without padding.

use zeroize::Zeroizing;

use super::{Family, failed, is_zero_padded, iv, length_error, zero_padded};
use crate::ck::*;
use crate::crypto::block::{AnyCipher, Padding};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{Cipher, Stream, Use, broken};

pub(in crate::mechanisms) struct Cbc(
    pub(in crate::mechanisms) Family,
    pub(in crate::mechanisms) Option<Padding>,
);

/// All failures of padding are one, so that it cannot be probed more than the standard forces.
fn bad_padding() -> Error {
    Error::new(Cause::EncryptedDataInvalid, "the data does not decrypt")
}

/// What the next block is joined to; kept beside the cipher without a heap of its own.
#[derive(Clone, Copy)]
struct Chained {
    block: [u8; 16],
    len: usize,
}

impl Chained {
    fn begin(using: &Use, cipher: &AnyCipher) -> Result<Self> {
        let iv = iv(using, cipher)?;
        let mut chained = Self { block: [0; 16], len: iv.len() };
        chained.bytes().copy_from_slice(iv);
        Ok(chained)
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.block.get_mut(..self.len).unwrap_or_default()
    }
}

fn padded(tail: &[u8], padding: Padding, block: usize) -> Vec<u8> {
    let mut padded = Vec::with_capacity(tail.len() + block);
    padded.extend_from_slice(tail);
    padding.pad(&mut padded, block);
    padded
}

/// `chained` is a copy, so that a second call gives the same bytes.
fn decrypt_padded(
    cipher: &AnyCipher,
    mut chained: Chained,
    padding: Padding,
    input: &[u8],
) -> Result<Vec<u8>> {
    let mut data = input.to_vec();
    cipher.cbc(chained.bytes(), &mut data, false).map_err(broken)?;
    let len = padding.unpadded_len(&data, cipher.block_len()).map_err(|_| bad_padding())?;
    data.truncate(len);
    Ok(data)
}

impl Cipher for Cbc {
    fn prepare(&self, using: &Use) -> Result<()> {
        iv(using, &self.0.check(using)?).map(drop)
    }

    fn bounds(&self, using: &Use, input: usize) -> Result<(usize, usize)> {
        let block = (self.0.cipher)(using)?.block_len();
        Ok(match (self.1, using.forward) {
            (None, _) => (input, input),
            (Some(_), true) => {
                let padded = (input / block + 1).saturating_mul(block);
                (padded, padded)
            }
            (Some(_), false) => (input.saturating_sub(block), input),
        })
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let cipher = (self.0.cipher)(using)?;
        let mut chained = Chained::begin(using, &cipher)?;
        let block = cipher.block_len();
        if let (Some(padding), false) = (self.1, using.forward) {
            if input.is_empty() || !input.len().is_multiple_of(block) {
                return Err(length_error(using));
            }
            return decrypt_padded(&cipher, chained, padding, input);
        }
        let mut data = match self.1 {
            Some(padding) => padded(input, padding, block),
            None => input.to_vec(),
        };
        cipher
            .cbc(chained.bytes(), &mut data, using.forward)
            .map_err(|error| failed(error, using))?;
        Ok(data)
    }

    /// Encryption alone: what does not decrypt must not be left where the caller can see it.
    fn once_into(&self, using: &Use, input: &[u8], out: &mut [u8]) -> Result<Option<usize>> {
        if !using.forward || self.1.is_some_and(|padding| padding != Padding::Pkcs7) {
            return Ok(None);
        }
        let Some((data, padding)) = out.split_at_mut_checked(input.len()) else {
            return Ok(None);
        };
        data.copy_from_slice(input);
        padding.fill(u8::try_from(padding.len()).unwrap_or_default());
        let cipher = (self.0.cipher)(using)?;
        let mut chained = Chained::begin(using, &cipher)?;
        cipher.cbc(chained.bytes(), out, true).map_err(|error| failed(error, using))?;
        Ok(Some(out.len()))
    }

    fn fills_up(&self, using: &Use, plain: &[u8], len: usize) -> Result<bool> {
        let zeros =
            self.1.is_none() && is_zero_padded(plain, len, (self.0.cipher)(using)?.block_len());
        Ok(zeros || plain.len() == len)
    }

    fn padded_for_wrapping(
        &self,
        using: &Use,
        plain: &[u8],
        class: CK_OBJECT_CLASS,
    ) -> Result<Zeroizing<Vec<u8>>> {
        match self.1 {
            Some(_) => Ok(Zeroizing::new(plain.to_vec())),
            None => zero_padded(plain, class, (self.0.cipher)(using)?.block_len()),
        }
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        let cipher = (self.0.cipher)(&using)?;
        let chained = Chained::begin(&using, &cipher)?;
        Ok(Box::new(InParts { cipher, chained, padding: self.1, using, held: Vec::new() }))
    }
}

/// Bytes that do not fill a block are held back, and when decrypting padded data the last whole
/// block too, since it may be the one with the padding.
struct InParts {
    cipher: AnyCipher,
    chained: Chained,
    padding: Option<Padding>,
    using: Use,
    held: Vec<u8>,
}

impl InParts {
    fn ready(&self, input: usize) -> usize {
        let block = self.cipher.block_len();
        let total = self.held.len().saturating_add(input);
        let keep = if self.padding.is_some() && !self.using.forward && total > 0 {
            (total - 1) % block + 1
        } else {
            total % block
        };
        total - keep
    }
}

impl Stream for InParts {
    fn update_bound(&self, input: usize) -> usize {
        self.ready(input)
    }

    fn update(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        let ready = self.ready(input.len());
        self.held.extend_from_slice(input);
        let mut data: Vec<u8> = self.held.drain(..ready).collect();
        self.cipher.cbc(self.chained.bytes(), &mut data, self.using.forward).map_err(broken)?;
        Ok(data)
    }

    fn finish_bound(&self) -> Result<usize> {
        Ok(if self.padding.is_some() { self.cipher.block_len() } else { 0 })
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        let block = self.cipher.block_len();
        match (self.padding, self.using.forward) {
            (None, _) if self.held.is_empty() => Ok(Vec::new()),
            (None, _) => Err(length_error(&self.using)),
            (Some(padding), true) => {
                let mut data = padded(&self.held, padding, block);
                // A copy of what is chained, so that a second call gives the same bytes.
                let mut chained = self.chained;
                self.cipher.cbc(chained.bytes(), &mut data, true).map_err(broken)?;
                Ok(data)
            }
            (Some(_), false) if self.held.len() != block => Err(length_error(&self.using)),
            (Some(padding), false) => {
                decrypt_padded(&self.cipher, self.chained, padding, &self.held)
            }
        }
    }
}
