//! CMAC: a whole block, or as much as the parameter of the general form says.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.14; SP 800-38B.

use super::Family;
use crate::crypto::block::{self, BlockKey};
use crate::error::Result;
use crate::mechanisms::hmac::{compare, mac_len};
use crate::mechanisms::{Feed, Signature, Use};

pub(in crate::mechanisms) struct Cmac(
    pub(in crate::mechanisms) Family,
    pub(in crate::mechanisms) fn(&Use) -> Result<std::sync::Arc<BlockKey>>,
);

impl Signature for Cmac {
    fn prepare(&self, using: &Use) -> Result<()> {
        self.len(using)?;
        self.0.check(using).map(drop)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        mac_len(using, using.params.mac_len().is_some(), self.0.block)
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        Ok(Box::new(Running((self.1)(using)?.cmac())))
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        Ok(fed.get(..self.len(using)?).unwrap_or(fed).to_vec())
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        compare(fed, signature, self.len(using)?)
    }
}

struct Running(block::Cmac);

impl Feed for Running {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.0.update(input);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        Ok(self.0.finish())
    }
}
