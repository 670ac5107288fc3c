//! RC5, whose every parameter begins with the bytes of a word and the rounds.
//!
//! Words of 4 and 8 bytes, 8, 12, 16 and 20 rounds (24 as well for words of 8) and keys of up to 32
//! bytes are served; the library that serves them fixes these when it is built.
//! Source: PKCS#11 v2.40 Historical Mechanisms, section 2.7; RFC 2040.

use std::sync::Arc;

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::block::{Algorithm, AnyCipher, BlockKey};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::block::{self, Cbc, Ecb, Family, Mac, PKCS7, Tuning, whole_key_mac};
use crate::mechanisms::{Params, Row, Use, keys, wrong_params};

const RC5: Family = Family { tuning: Tuning::Rc5, ..Family::new(CKK_RC5, 8, cipher) };

fn cipher(using: &Use) -> Result<AnyCipher> {
    let Params::Rc5 { word_bytes, rounds, .. } = using.params else {
        return Err(wrong_params("RC5 wants its word and rounds"));
    };
    match BlockKey::new(Algorithm::Rc5 { word_bytes, rounds }, keys::value(&using.key)?) {
        Ok(key) => Ok(Arc::new(key)),
        Err(CryptoError::Parameter) => {
            Err(wrong_params("that word or number of rounds is not served"))
        }
        Err(_) => Err(Error::new(Cause::KeySizeRange, "RC5 keys of up to 32 bytes are served")),
    }
}

/// RC5 as this module serves it.
pub static ROWS: &[Row] = &[
    block::key_gen(CKM_RC5_KEY_GEN, CKK_RC5, |template, _, limits| {
        keys::secret::generate(CKK_RC5, template, limits)
    }),
    block::ecb(CKM_RC5_ECB, &Ecb(RC5)),
    block::cbc(CKM_RC5_CBC, &Cbc(RC5, None)),
    block::cbc(CKM_RC5_CBC_PAD, &Cbc(RC5, PKCS7)),
    block::mac(CKM_RC5_MAC, &Mac(RC5, whole_key_mac)),
    block::mac_general(CKM_RC5_MAC_GENERAL, &Mac(RC5, whole_key_mac)),
];
