//! DES with one key.
//!
//! Source: PKCS#11 v2.40 Historical Mechanisms, section 2.9; CFB and OFB of 64 bits from PKCS#11
//! v2.20 amendment, the parameter being a vector of one block.

use crate::ck::*;
use crate::crypto::block::{Algorithm, Mode};
use crate::mechanisms::block::{
    self, Cbc, Ecb, Family, Mac, PKCS7, Streaming, by_cbc, by_ecb, whole_key_mac,
};
use crate::mechanisms::{Row, keys};

const DES: Family = Family::new(CKK_DES, 8, |using| Ok(keys::block(&using.key, Algorithm::Des)?));

/// DES as this module serves it.
pub static ROWS: &[Row] = &[
    block::key_gen(CKM_DES_KEY_GEN, CKK_DES, |template, _, limits| {
        keys::secret::generate(CKK_DES, template, limits)
    }),
    block::ecb(CKM_DES_ECB, &Ecb(DES)),
    block::cbc(CKM_DES_CBC, &Cbc(DES, None)),
    block::cbc(CKM_DES_CBC_PAD, &Cbc(DES, PKCS7)),
    block::feedback(CKM_DES_OFB64, &Streaming(DES, Mode::Ofb)),
    block::feedback(CKM_DES_CFB64, &Streaming(DES, Mode::Cfb)),
    block::feedback(CKM_DES_CFB8, &Streaming(DES, Mode::Cfb8)),
    block::mac(CKM_DES_MAC, &Mac(DES, whole_key_mac)),
    block::mac_general(CKM_DES_MAC_GENERAL, &Mac(DES, whole_key_mac)),
    block::ecb_data(CKM_DES_ECB_ENCRYPT_DATA, DES, |using, _| by_ecb(DES, using)),
    block::cbc_data(CKM_DES_CBC_ENCRYPT_DATA, DES, |using, _| by_cbc(DES, using)),
];
