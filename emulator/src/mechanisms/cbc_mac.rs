//! CBC-MAC with AES: half a block, or as much as the parameter of the general form says.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, AES-MAC; FIPS 113 for filling the
//! last block up with zeros (Assumed for an empty message: one block of zeros).

use std::sync::Arc;

use crate::ck::*;
use crate::crypto::aes::AesKey;
use crate::error::Result;
use crate::mechanisms::aes::{BLOCK, check_size};
use crate::mechanisms::hmac::{compare, mac_len};
use crate::mechanisms::{Feed, NOTHING, Params, Row, Shape, Signature, Use, broken, keys};

struct CbcMac {
    general: bool,
}

const fn row(kind: CK_MECHANISM_TYPE, mac: &'static CbcMac) -> Row {
    let shape = if mac.general { Shape::Length } else { Shape::None };
    Row { kind, key: Some(CKK_AES), shape, signature: Some(mac), ..NOTHING }
}

/// Half a block, and any length.
pub static ROWS: &[Row] = &[
    row(CKM_AES_MAC, &CbcMac { general: false }),
    row(CKM_AES_MAC_GENERAL, &CbcMac { general: true }),
];

impl Signature for CbcMac {
    fn prepare(&self, using: &Use) -> Result<()> {
        self.len(using)?;
        check_size(using)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        match using.params {
            Params::Length(_) => mac_len(using, self.general, BLOCK),
            _ => Ok(BLOCK / 2),
        }
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        let key = keys::aes(&using.key)?;
        Ok(Box::new(Chain { key, last: [0; BLOCK], held: Vec::new(), begun: false }))
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        Ok(fed.get(..self.len(using)?).unwrap_or(fed).to_vec())
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        compare(fed, signature, self.len(using)?)
    }
}

/// What CBC leaves of the blocks so far, and the bytes that do not fill one yet.
struct Chain {
    key: Arc<AesKey>,
    last: [u8; BLOCK],
    held: Vec<u8>,
    begun: bool,
}

impl Feed for Chain {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.held.extend_from_slice(input);
        let ready = self.held.len() - self.held.len() % BLOCK;
        if ready > 0 {
            let mut blocks: Vec<u8> = self.held.drain(..ready).collect();
            self.key.cbc_encrypt(&mut self.last, &mut blocks).map_err(broken)?;
            self.begun = true;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>> {
        if !self.held.is_empty() || !self.begun {
            self.held.resize(BLOCK, 0);
            self.update(&[])?;
        }
        Ok(self.last.to_vec())
    }
}
