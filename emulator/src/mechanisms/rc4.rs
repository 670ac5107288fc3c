//! RC4.
//!
//! Source: PKCS#11 v2.40 Historical Mechanisms, section 2.5.

use crate::ck::*;
use crate::crypto::block::rc4;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::block::{self, Parts};
use crate::mechanisms::{Cipher, NOTHING, Row, Stream, Use, keys};

struct Rc4;

/// RC4 carries no keys.
pub static ROWS: &[Row] = &[
    block::key_gen(CKM_RC4_KEY_GEN, CKK_RC4, |template, _, limits| {
        keys::secret::generate(CKK_RC4, template, limits)
    }),
    Row { kind: CKM_RC4, key: Some(CKK_RC4), cipher: Some(&Rc4), ..NOTHING },
];

fn begin(using: &Use) -> Result<Parts> {
    let stream = rc4(keys::value(&using.key)?)
        .map_err(|_| Error::new(Cause::KeySizeRange, "an RC4 key has 1 to 256 bytes"))?;
    Ok(Parts::new(stream, u128::MAX, using.forward))
}

impl Cipher for Rc4 {
    fn prepare(&self, using: &Use) -> Result<()> {
        using.limits.check(keys::bits(&using.key)?)
    }

    fn bounds(&self, _using: &Use, input: usize) -> Result<(usize, usize)> {
        Ok((input, input))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        begin(using)?.update(input)
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Box::new(begin(&using)?))
    }
}
