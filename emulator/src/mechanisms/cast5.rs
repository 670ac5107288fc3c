//! CAST5, the standard's CAST128.
//!
//! Source: PKCS#11 v2.40 Historical Mechanisms, section 2.13; RFC 2144.

use crate::ck::*;
use crate::crypto::block::Algorithm;
use crate::mechanisms::block::{self, Cbc, Ecb, Family, Mac, PKCS7, whole_key_mac};
use crate::mechanisms::{Row, keys};

const CAST5: Family =
    Family::new(CKK_CAST5, 8, |using| Ok(keys::block(&using.key, Algorithm::Cast5)?));

/// CAST5 as this module serves it.
pub static ROWS: &[Row] = &[
    block::key_gen(CKM_CAST5_KEY_GEN, CKK_CAST5, |template, _, limits| {
        keys::secret::generate(CKK_CAST5, template, limits)
    }),
    block::ecb(CKM_CAST5_ECB, &Ecb(CAST5)),
    block::cbc(CKM_CAST5_CBC, &Cbc(CAST5, None)),
    block::cbc(CKM_CAST5_CBC_PAD, &Cbc(CAST5, PKCS7)),
    block::mac(CKM_CAST5_MAC, &Mac(CAST5, whole_key_mac)),
    block::mac_general(CKM_CAST5_MAC_GENERAL, &Mac(CAST5, whole_key_mac)),
];
