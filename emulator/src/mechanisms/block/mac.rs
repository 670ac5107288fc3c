//! CBC-MAC: half a block, or as much as the parameter of the general form says.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, AES-MAC and its kin; FIPS 113 for filling the last
//! block up with zeros (Assumed for an empty message: one block of zeros).

use super::Family;
use crate::crypto::block::AnyCipher;
use crate::error::Result;
use crate::mechanisms::hmac::{compare, mac_len};
use crate::mechanisms::{Feed, Signature, Use, broken};

/// Chains every block but the last with one cipher and the last with another, which is the same
/// but for the retail MAC.
pub(in crate::mechanisms) struct Mac(
    pub(in crate::mechanisms) Family,
    pub(in crate::mechanisms) fn(&Use) -> Result<Option<AnyCipher>>,
);

/// The cipher itself does the last block.
pub(in crate::mechanisms) fn whole_key_mac(_using: &Use) -> Result<Option<AnyCipher>> {
    Ok(None)
}

impl Signature for Mac {
    fn prepare(&self, using: &Use) -> Result<()> {
        self.len(using)?;
        self.0.check(using).map(drop)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        let block = (self.0.cipher)(using)?.block_len();
        if using.params.mac_len().is_some() { mac_len(using, true, block) } else { Ok(block / 2) }
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        let cipher = (self.0.cipher)(using)?;
        let chained = vec![0; cipher.block_len()];
        Ok(Box::new(Chain { cipher, last: (self.1)(using)?, chained, held: Vec::new() }))
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        Ok(fed.get(..self.len(using)?).unwrap_or(fed).to_vec())
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        compare(fed, signature, self.len(using)?)
    }
}

/// What the chain leaves of the blocks so far, and the bytes held back: a whole block at most,
/// since only the end tells the last one.
struct Chain {
    cipher: AnyCipher,
    last: Option<AnyCipher>,
    chained: Vec<u8>,
    held: Vec<u8>,
}

impl Feed for Chain {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.held.extend_from_slice(input);
        let whole = self.held.len().saturating_sub(1) / self.chained.len() * self.chained.len();
        let mut blocks: Vec<u8> = self.held.drain(..whole).collect();
        self.cipher.cbc(&mut self.chained, &mut blocks, true).map_err(broken)
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>> {
        let mut block = std::mem::take(&mut self.held);
        block.resize(self.chained.len(), 0);
        let cipher = self.last.as_ref().unwrap_or(&self.cipher);
        cipher.cbc(&mut self.chained, &mut block, true).map_err(broken)?;
        Ok(block)
    }
}
