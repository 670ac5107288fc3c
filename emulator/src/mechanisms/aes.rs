//! AES: key generation, CBC with and without padding, GCM.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, sections 2.9 to 2.13; the HSM-made IV of FIPS mode
//! from the vendor sample `CKM_AES_GCM_FIPS_demo.c` (Documented).

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::aes::{AesKey, pkcs7_pad, pkcs7_unpadded_len};
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::stream::Collect;
use crate::mechanisms::{
    Cipher, NOTHING, Params, Row, Shape, Stream, Use, broken, keys, wrong_params,
};

pub(super) const BLOCK: usize = 16;

/// Bytes of the IV the HSM makes in FIPS mode and appends after the tag.
const HSM_IV: usize = 16;

struct Cbc {
    padded: bool,
}
struct Gcm;

const fn row(kind: CK_MECHANISM_TYPE, shape: Shape, cipher: &'static dyn Cipher) -> Row {
    Row { kind, key: Some(CKK_AES), shape, cipher: Some(cipher), wrap: Some(cipher), ..NOTHING }
}

/// AES as this module serves it.
pub static ROWS: &[Row] = &[
    Row {
        kind: CKM_AES_KEY_GEN,
        key: Some(CKK_AES),
        generate: Some(|template, _, limits| keys::secret::generate(CKK_AES, template, limits)),
        ..NOTHING
    },
    row(CKM_AES_CBC, Shape::Iv(BLOCK), &Cbc { padded: false }),
    row(CKM_AES_CBC_PAD, Shape::Iv(BLOCK), &Cbc { padded: true }),
    row(CKM_AES_GCM, Shape::Gcm, &Gcm),
];

pub(super) fn check_size(using: &Use) -> Result<()> {
    using.limits.check(keys::bits(&using.key)?)
}

fn cbc_iv(using: &Use) -> Result<[u8; BLOCK]> {
    match &using.params {
        Params::Iv(iv) => iv.as_slice().try_into().ok(),
        _ => None,
    }
    .ok_or_else(|| wrong_params("CBC wants an IV of 16 bytes"))
}

pub(super) fn length_error(using: &Use) -> Error {
    let cause = if using.forward { Cause::DataLenRange } else { Cause::EncryptedDataLenRange };
    Error::new(cause, "whole blocks of 16 bytes are wanted")
}

/// All failures of padding are one, so that it cannot be probed more than the standard forces.
fn bad_padding() -> Error {
    Error::new(Cause::EncryptedDataInvalid, "the data does not decrypt")
}

/// A secret key filled up with zeros to whole blocks; a private key has no use for that, since its
/// end could not be found again.
///
/// Source: PKCS#11 v2.40 Current Mechanisms, section 2.10.4.
pub(super) fn zero_padded(plain: &[u8], class: CK_OBJECT_CLASS) -> Result<Zeroizing<Vec<u8>>> {
    if class != CKO_SECRET_KEY {
        return Err(Error::new(
            Cause::KeyNotWrappable,
            "a private key wants a mechanism that pads",
        ));
    }
    let mut padded = Zeroizing::new(plain.to_vec());
    padded.resize(plain.len().next_multiple_of(BLOCK), 0);
    Ok(padded)
}

/// Whether a key of `len` bytes was filled up to these with zeros.
pub(super) fn is_zero_padded(plain: &[u8], len: usize) -> bool {
    len.next_multiple_of(BLOCK) == plain.len()
        && plain.get(len..).is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}

/// Bytes after PKCS#7 padding.
fn padded_len(len: usize) -> usize {
    (len / BLOCK + 1).saturating_mul(BLOCK)
}

fn pad(tail: &[u8]) -> Vec<u8> {
    let mut padded = tail.to_vec();
    pkcs7_pad(&mut padded);
    padded
}

/// The IV is a copy, so that a second call gives the same bytes.
fn decrypt_padded(key: &AesKey, mut iv: [u8; BLOCK], input: &[u8]) -> Result<Vec<u8>> {
    let mut data = input.to_vec();
    key.cbc_decrypt(&mut iv, &mut data).map_err(broken)?;
    let len = pkcs7_unpadded_len(&data).map_err(|_| bad_padding())?;
    data.truncate(len);
    Ok(data)
}

impl Cipher for Cbc {
    fn prepare(&self, using: &Use) -> Result<()> {
        cbc_iv(using)?;
        check_size(using)
    }

    fn bounds(&self, using: &Use, input: usize) -> Result<(usize, usize)> {
        Ok(match (self.padded, using.forward) {
            (false, _) => (input, input),
            (true, true) => (padded_len(input), padded_len(input)),
            (true, false) => (input.saturating_sub(BLOCK), input),
        })
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let key = keys::aes(&using.key)?;
        let mut iv = cbc_iv(using)?;
        if using.forward {
            let mut data = if self.padded { pad(input) } else { input.to_vec() };
            if !data.len().is_multiple_of(BLOCK) {
                return Err(length_error(using));
            }
            key.cbc_encrypt(&mut iv, &mut data).map_err(broken)?;
            return Ok(data);
        }
        if !input.len().is_multiple_of(BLOCK) || (self.padded && input.is_empty()) {
            return Err(length_error(using));
        }
        if self.padded {
            return decrypt_padded(&key, iv, input);
        }
        let mut data = input.to_vec();
        key.cbc_decrypt(&mut iv, &mut data).map_err(broken)?;
        Ok(data)
    }

    /// Encryption alone: what does not decrypt must not be left where the caller can see it.
    fn once_into(&self, using: &Use, input: &[u8], out: &mut [u8]) -> Result<Option<usize>> {
        let (data, padding) = match out.split_at_mut_checked(input.len()) {
            Some(parts) if using.forward => parts,
            _ => return Ok(None),
        };
        if !self.padded && !input.len().is_multiple_of(BLOCK) {
            return Err(length_error(using));
        }
        data.copy_from_slice(input);
        padding.fill(u8::try_from(padding.len()).unwrap_or_default());
        let mut iv = cbc_iv(using)?;
        keys::aes(&using.key)?.cbc_encrypt(&mut iv, out).map_err(broken)?;
        Ok(Some(out.len()))
    }

    fn fills_up(&self, plain: &[u8], len: usize) -> bool {
        !self.padded && is_zero_padded(plain, len) || plain.len() == len
    }

    fn padded_for_wrapping(
        &self,
        plain: &[u8],
        class: CK_OBJECT_CLASS,
    ) -> Result<Zeroizing<Vec<u8>>> {
        if self.padded { Ok(Zeroizing::new(plain.to_vec())) } else { zero_padded(plain, class) }
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        let (key, iv) = (keys::aes(&using.key)?, cbc_iv(&using)?);
        Ok(Box::new(CbcStream { key, iv, padded: self.padded, using, held: Vec::new() }))
    }
}

/// CBC in parts. Bytes that do not fill a block are held back, and when decrypting padded data the
/// last whole block too, since it may be the one with the padding.
struct CbcStream {
    key: Arc<AesKey>,
    iv: [u8; BLOCK],
    padded: bool,
    using: Use,
    held: Vec<u8>,
}

impl CbcStream {
    fn ready(&self, input: usize) -> usize {
        let total = self.held.len().saturating_add(input);
        let keep = if self.padded && !self.using.forward && total > 0 {
            (total - 1) % BLOCK + 1
        } else {
            total % BLOCK
        };
        total - keep
    }
}

impl Stream for CbcStream {
    fn update_bound(&self, input: usize) -> usize {
        self.ready(input)
    }

    fn update(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        let ready = self.ready(input.len());
        self.held.extend_from_slice(input);
        let mut data: Vec<u8> = self.held.drain(..ready).collect();
        let run = if self.using.forward { AesKey::cbc_encrypt } else { AesKey::cbc_decrypt };
        run(&self.key, &mut self.iv, &mut data).map_err(broken)?;
        Ok(data)
    }

    fn finish_bound(&self) -> Result<usize> {
        Ok(if self.padded { BLOCK } else { 0 })
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        match (self.padded, self.using.forward) {
            (false, _) if self.held.is_empty() => Ok(Vec::new()),
            (false, _) => Err(length_error(&self.using)),
            (true, true) => {
                let mut data = pad(&self.held);
                // A copy of the running IV, so that a second call gives the same bytes.
                let mut iv = self.iv;
                self.key.cbc_encrypt(&mut iv, &mut data).map_err(broken)?;
                Ok(data)
            }
            (true, false) if self.held.len() != BLOCK => Err(length_error(&self.using)),
            (true, false) => decrypt_padded(&self.key, self.iv, &self.held),
        }
    }
}

fn bad_tag() -> Error {
    Error::new(Cause::EncryptedDataInvalid, "the tag does not verify")
}

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
