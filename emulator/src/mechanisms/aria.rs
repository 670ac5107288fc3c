//! ARIA. The vendor has modes beside the standard's: CFB, OFB, CTR and CMAC.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, sections 2.33 and 2.34; RFC 5794. The parameters of the
//! vendor's modes are those of AES in the same mode (Assumed). Its `ARIA_L` mechanisms keep an
//! older layout of which nothing is published; they are not served.

use crate::ck::*;
use crate::crypto::block::{Algorithm, Mode};
use crate::mechanisms::block::{
    self, Cbc, Cmac, Ecb, Family, Mac, PKCS7, Streaming, by_cbc, by_ecb, whole_key_mac,
};
use crate::mechanisms::{Row, keys};

const ARIA: Family =
    Family::new(CKK_ARIA, 16, |using| Ok(keys::block(&using.key, Algorithm::Aria)?));

/// ARIA as this module serves it.
pub static ROWS: &[Row] = &[
    block::key_gen(CKM_ARIA_KEY_GEN, CKK_ARIA, |template, _, limits| {
        keys::secret::generate(CKK_ARIA, template, limits)
    }),
    block::ecb(CKM_ARIA_ECB, &Ecb(ARIA)),
    block::cbc(CKM_ARIA_CBC, &Cbc(ARIA, None)),
    block::cbc(CKM_ARIA_CBC_PAD, &Cbc(ARIA, PKCS7)),
    block::counter(CKM_ARIA_CTR, &Streaming(ARIA, Mode::Counter)),
    block::feedback(CKM_ARIA_CFB8, &Streaming(ARIA, Mode::Cfb8)),
    block::feedback(CKM_ARIA_CFB128, &Streaming(ARIA, Mode::Cfb)),
    block::feedback(CKM_ARIA_OFB, &Streaming(ARIA, Mode::Ofb)),
    block::mac(CKM_ARIA_MAC, &Mac(ARIA, whole_key_mac)),
    block::mac_general(CKM_ARIA_MAC_GENERAL, &Mac(ARIA, whole_key_mac)),
    block::cmac(CKM_ARIA_CMAC, &CMAC),
    block::cmac_general(CKM_ARIA_CMAC_GENERAL, &CMAC),
    block::ecb_data(CKM_ARIA_ECB_ENCRYPT_DATA, ARIA, |using, _| by_ecb(ARIA, using)),
    block::cbc_data(CKM_ARIA_CBC_ENCRYPT_DATA, ARIA, |using, _| by_cbc(ARIA, using)),
];

static CMAC: Cmac = Cmac(ARIA, |using| keys::block(&using.key, Algorithm::Aria));
