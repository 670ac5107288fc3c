//! SM4, under the vendor's numbers.
//!
//! Source: the vendor's list of mechanisms for the numbers (Observed), GB/T 32907 for the cipher;
//! parameters as AES has them (Assumed).

use crate::ck::*;
use crate::crypto::block::Algorithm;
use crate::mechanisms::block::{self, Cbc, Ecb, Family, PKCS7};
use crate::mechanisms::{Row, keys};

const SM4: Family = Family::new(CKK_SM4, 16, |using| Ok(keys::block(&using.key, Algorithm::Sm4)?));

/// SM4 as this module serves it.
pub static ROWS: &[Row] = &[
    block::key_gen(CKM_SM4_KEY_GEN, CKK_SM4, |template, _, limits| {
        keys::secret::generate(CKK_SM4, template, limits)
    }),
    block::ecb(CKM_SM4_ECB, &Ecb(SM4)),
    block::cbc(CKM_SM4_CBC, &Cbc(SM4, None)),
    block::cbc(CKM_SM4_CBC_PAD, &Cbc(SM4, PKCS7)),
];
