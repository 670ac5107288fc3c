//! AES-GCM: single part, or collected.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.12; the HSM-made IV of FIPS mode from the
//! vendor sample `CKM_AES_GCM_FIPS_demo.c` (Documented).

use crate::ck::*;
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::aes::check_size;
use crate::mechanisms::stream::Collect;
use crate::mechanisms::{
    Cipher, NOTHING, Params, Row, Shape, Stream, Use, broken, keys, wrong_params,
};

/// Bytes of the IV the HSM makes in FIPS mode and appends after the tag.
const HSM_IV: usize = 16;

struct Gcm;

/// It carries keys too.
pub static ROWS: &[Row] = &[Row {
    kind: CKM_AES_GCM,
    key: Some(CKK_AES),
    shape: Shape::Gcm,
    cipher: Some(&Gcm),
    wrap: Some(&Gcm),
    ..NOTHING
}];

struct GcmParams<'a> {
    iv: Option<&'a [u8]>,
    aad: &'a [u8],
    tag_len: usize,
}

impl Gcm {
    fn params(using: &Use) -> Result<GcmParams<'_>> {
        let Params::Gcm { iv, aad, tag_bits } = &using.params else {
            return Err(wrong_params("GCM wants its parameter"));
        };
        let tag_len = usize::try_from(*tag_bits)
            .ok()
            .filter(|bits| (32..=128).contains(bits) && bits.is_multiple_of(8))
            .map(|bits| bits / 8)
            .ok_or_else(|| wrong_params("a tag has 32 to 128 bits, in whole bytes"))?;
        let iv = iv.as_deref();
        let hsm_made = using.forward && using.limits.fips;
        match iv {
            Some(_) if hsm_made => {
                return Err(wrong_params(
                    "in FIPS mode the HSM makes the IV: give none, and cut 16 bytes off the end",
                ));
            }
            Some([]) => return Err(wrong_params("an IV has at least one byte")),
            None if !hsm_made => return Err(wrong_params("an IV is wanted")),
            _ => {}
        }
        Ok(GcmParams { iv, aad, tag_len })
    }
}

fn bad_tag() -> Error {
    Error::new(Cause::EncryptedDataInvalid, "the tag does not verify")
}

impl Cipher for Gcm {
    fn prepare(&self, using: &Use) -> Result<()> {
        Self::params(using)?;
        check_size(using)
    }

    fn bounds(&self, using: &Use, input: usize) -> Result<(usize, usize)> {
        let params = Self::params(using)?;
        let len = match (using.forward, params.iv) {
            (true, Some(_)) => input.saturating_add(params.tag_len),
            (true, None) => input.saturating_add(params.tag_len + HSM_IV),
            (false, _) => input.saturating_sub(params.tag_len),
        };
        Ok((len, len))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let params = Self::params(using)?;
        let key = keys::aes(&using.key)?;
        match (using.forward, params.iv) {
            (true, Some(iv)) => key.gcm_seal(iv, params.aad, input, params.tag_len).map_err(broken),
            (true, None) => {
                let iv = random::bytes(HSM_IV).map_err(broken)?;
                let mut sealed =
                    key.gcm_seal(&iv, params.aad, input, params.tag_len).map_err(broken)?;
                sealed.extend_from_slice(&iv);
                Ok(sealed)
            }
            (false, iv) => {
                if input.len() < params.tag_len {
                    return Err(Error::new(
                        Cause::EncryptedDataLenRange,
                        "the data is shorter than its tag",
                    ));
                }
                let plain = key
                    .gcm_open(iv.unwrap_or_default(), params.aad, input, params.tag_len)
                    .map_err(|_| bad_tag())?;
                Ok(plain.to_vec())
            }
        }
    }

    /// With an IV of the caller's. aws-lc clears what does not verify.
    fn once_into(&self, using: &Use, input: &[u8], out: &mut [u8]) -> Result<Option<usize>> {
        let params = Self::params(using)?;
        let Some(iv) = params.iv else { return Ok(None) };
        let key = keys::aes(&using.key)?;
        if using.forward {
            key.gcm_seal_into(iv, params.aad, input, params.tag_len, out).map_err(broken)?;
        } else if input.len() < params.tag_len {
            return Ok(None);
        } else {
            key.gcm_open_into(iv, params.aad, input, params.tag_len, out).map_err(|_| bad_tag())?;
        }
        Ok(Some(out.len()))
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Collect::stream(self, using))
    }
}
