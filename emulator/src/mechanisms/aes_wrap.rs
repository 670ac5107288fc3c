//! AES key wrap, with and without padding, under the vendor's numbers.
//!
//! Source: SP 800-38F; numbers 0x80000170 and 0x80000171 as a token of 2025 still lists them
//! (Observed: Mastercard/pkcs11-tools PR 90); IVs of 0, 4 or 8 bytes from pycryptoki's functional
//! tests (Documented).

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::aes::check_size;
use crate::mechanisms::stream::Collect;
use crate::mechanisms::{
    Cipher, NOTHING, Params, Row, Shape, Stream, Use, broken, keys, wrong_params,
};

struct Kw;
struct Kwp;

/// What RFC 5649 puts before the length of the message; a 4-byte IV must be this one, since the
/// library that serves it has no other.
const KWP_IV: [u8; 4] = [0xa6, 0x59, 0x59, 0xa6];

const fn row(kind: CK_MECHANISM_TYPE, shape: Shape, cipher: &'static dyn Cipher) -> Row {
    Row { kind, key: Some(CKK_AES), shape, cipher: Some(cipher), wrap: Some(cipher), ..NOTHING }
}

/// Both wrap and encrypt.
pub static ROWS: &[Row] =
    &[row(CKM_AES_KW, Shape::IvOf(&[8]), &Kw), row(CKM_AES_KWP, Shape::IvOf(&[4]), &Kwp)];

fn failed(error: CryptoError, using: &Use, lengths: &'static str) -> Error {
    match error {
        CryptoError::Internal => broken(error),
        CryptoError::Length if using.forward => Error::new(Cause::DataLenRange, lengths),
        CryptoError::Length => Error::new(Cause::EncryptedDataLenRange, lengths),
        _ => Error::new(Cause::EncryptedDataInvalid, "the data does not unwrap"),
    }
}

impl Cipher for Kw {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)
    }

    fn bounds(&self, using: &Use, input: usize) -> Result<(usize, usize)> {
        let len = if using.forward { input.saturating_add(8) } else { input.saturating_sub(8) };
        Ok((len, len))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let key = keys::aes(&using.key)?;
        let iv: Option<[u8; 8]> = match &using.params {
            Params::Iv(iv) => {
                Some(iv.as_slice().try_into().map_err(|_| wrong_params("an IV has 8 bytes"))?)
            }
            _ => None,
        };
        let lengths = "whole blocks of 8 bytes are wanted, two at least";
        if using.forward {
            return key.kw_wrap(iv.as_ref(), input).map_err(|error| failed(error, using, lengths));
        }
        let plain = key.kw_unwrap(iv.as_ref(), input);
        Ok(plain.map_err(|error| failed(error, using, lengths))?.to_vec())
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Collect::stream(self, using))
    }
}

impl Cipher for Kwp {
    fn prepare(&self, using: &Use) -> Result<()> {
        match &using.params {
            Params::Iv(iv) if iv.as_slice() != KWP_IV => {
                Err(wrong_params("only the alternative IV of RFC 5649 is served"))
            }
            _ => check_size(using),
        }
    }

    fn bounds(&self, using: &Use, input: usize) -> Result<(usize, usize)> {
        if using.forward {
            let len = input.next_multiple_of(8).saturating_add(8);
            return Ok((len, len));
        }
        Ok((input.saturating_sub(15), input.saturating_sub(8)))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let key = keys::aes(&using.key)?;
        let lengths = "at least one byte is wanted, and whole blocks of 8 to unwrap";
        if using.forward {
            return key.kwp_wrap(input).map_err(|error| failed(error, using, lengths));
        }
        let plain = key.kwp_unwrap(input);
        Ok(plain.map_err(|error| failed(error, using, lengths))?.to_vec())
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Collect::stream(self, using))
    }
}
