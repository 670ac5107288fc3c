//! GMAC: the tag GCM gives a message that is authenticated and not encrypted.
//!
//! Source: SP 800-38D; PKCS#11 v2.40 Current Mechanisms, AES-GMAC (parameter: a vector of 12
//! bytes, tag of 16). That the structure of GCM is taken too, its tag length with it and its
//! additional data empty, is Assumed from the vendor's bindings.

use crate::ck::*;
use crate::error::Result;
use crate::mechanisms::aes::check_size;
use crate::mechanisms::hmac::compare;
use crate::mechanisms::stream::Raw;
use crate::mechanisms::{
    Feed, NOTHING, Params, Row, Shape, Signature, Use, broken, keys, wrong_params,
};

struct Gmac;

/// The tag as a signature.
pub static ROWS: &[Row] = &[Row {
    kind: CKM_AES_GMAC,
    key: Some(CKK_AES),
    shape: Shape::Gmac,
    signature: Some(&Gmac),
    ..NOTHING
}];

/// Bytes of a whole tag.
const TAG: usize = 16;

/// The vector, and the bytes of the tag that are wanted.
fn params(using: &Use) -> Result<(&[u8], usize)> {
    let (iv, len) = match &using.params {
        Params::Iv(iv) => (iv, TAG),
        Params::Gcm { iv: Some(iv), aad, tag_bits } if aad.is_empty() => {
            let len = usize::try_from(*tag_bits)
                .ok()
                .filter(|bits| (32..=128).contains(bits) && bits.is_multiple_of(8))
                .map(|bits| bits / 8)
                .ok_or_else(|| wrong_params("a tag has 32 to 128 bits, in whole bytes"))?;
            (iv, len)
        }
        _ => return Err(wrong_params("GMAC wants a vector, and the data as the message")),
    };
    if iv.is_empty() {
        return Err(wrong_params("a vector has at least one byte"));
    }
    Ok((iv, len))
}

impl Signature for Gmac {
    fn prepare(&self, using: &Use) -> Result<()> {
        params(using)?;
        check_size(using)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        Ok(params(using)?.1)
    }

    fn feed(&self, _using: &Use) -> Result<Box<dyn Feed>> {
        Ok(Box::<Raw>::default())
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        let (iv, len) = params(using)?;
        keys::aes(&using.key)?.gcm_seal(iv, fed, &[], len).map_err(broken)
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        compare(&self.sign(using, fed)?, signature, self.len(using)?)
    }
}
