//! CMAC with AES.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.14.

use crate::ck::*;
use crate::crypto::cmac::CmacStream;
use crate::error::Result;
use crate::mechanisms::aes::{BLOCK, check_size};
use crate::mechanisms::hmac::{compare, mac_len};
use crate::mechanisms::{Feed, NOTHING, Row, Shape, Signature, Use, broken, keys};

struct Cmac {
    general: bool,
}

const fn row(kind: CK_MECHANISM_TYPE, mac: &'static Cmac) -> Row {
    let shape = if mac.general { Shape::Length } else { Shape::None };
    Row { kind, key: Some(CKK_AES), shape, signature: Some(mac), ..NOTHING }
}

/// CMAC, whole and shortened.
pub static ROWS: &[Row] = &[
    row(CKM_AES_CMAC, &Cmac { general: false }),
    row(CKM_AES_CMAC_GENERAL, &Cmac { general: true }),
];

impl Signature for Cmac {
    fn prepare(&self, using: &Use) -> Result<()> {
        self.len(using)?;
        check_size(using)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        mac_len(using, self.general, BLOCK)
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        Ok(Box::new(Running(keys::cmac(&using.key)?.stream())))
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        Ok(fed.get(..self.len(using)?).unwrap_or(fed).to_vec())
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        compare(fed, signature, self.len(using)?)
    }
}

struct Running(CmacStream);

impl Feed for Running {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.0.update(input).map_err(broken)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        self.0.finish().map_err(broken)
    }
}
