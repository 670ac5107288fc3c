//! AES in cipher feedback (8 and 128 bits) and output feedback.
//!
//! Source: PKCS#11 v3.0 Current Mechanisms (CFB and OFB take a vector of one block);
//! SP 800-38A for the modes. They carry no keys (the vendor's table of functions, Assumed).

use crate::ck::*;
use crate::crypto::cipher::{Algorithm, Running};
use crate::error::Result;
use crate::mechanisms::aes::{BLOCK, check_size};
use crate::mechanisms::{
    Cipher, NOTHING, Params, Row, Shape, Stream, Use, broken, keys, wrong_params,
};

struct Feedback(Algorithm);

const fn row(kind: CK_MECHANISM_TYPE, cipher: &'static Feedback) -> Row {
    Row { kind, key: Some(CKK_AES), shape: Shape::Iv(BLOCK), cipher: Some(cipher), ..NOTHING }
}

/// The modes that make a stream of a block cipher by feeding it back.
pub static ROWS: &[Row] = &[
    row(CKM_AES_CFB8, &Feedback(Algorithm::AesCfb8)),
    row(CKM_AES_CFB128, &Feedback(Algorithm::AesCfb128)),
    row(CKM_AES_OFB, &Feedback(Algorithm::AesOfb)),
];

impl Feedback {
    fn begin(&self, using: &Use) -> Result<Running> {
        let Params::Iv(iv) = &using.params else {
            return Err(wrong_params("an initialisation vector is wanted"));
        };
        let key = keys::value(&using.key)?;
        Running::new(self.0, key, iv, using.forward).map_err(broken)
    }
}

impl Cipher for Feedback {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)?;
        self.begin(using).map(drop)
    }

    fn bounds(&self, _using: &Use, input: usize) -> Result<(usize, usize)> {
        Ok((input, input))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        self.begin(using)?.update(input).map_err(broken)
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Box::new(InParts(self.begin(&using)?)))
    }
}

struct InParts(Running);

impl Stream for InParts {
    fn update_bound(&self, input: usize) -> usize {
        input
    }

    fn update(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        self.0.update(input).map_err(broken)
    }

    fn finish_bound(&self) -> Result<usize> {
        Ok(0)
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}
