//! AES: key generation, and the modes it shares with other block ciphers.
//!
//! GCM, GMAC, CMAC and key wrap, which AES has by libraries of its own, have files of their own.
//! Source: PKCS#11 v2.40 Current Mechanisms, sections 2.9 to 2.15; v3.0 for CFB and OFB.

use crate::ck::*;
use crate::crypto::block::Mode;
use crate::error::Result;
use crate::mechanisms::block::{
    self, Cbc, Ecb, Family, IPSEC, Mac, PKCS7, Streaming, by_cbc, by_ecb, whole_key_mac,
};
use crate::mechanisms::{Row, Use, keys};

pub(super) const BLOCK: usize = 16;

const AES: Family = Family::new(CKK_AES, BLOCK, |using| Ok(keys::aes(&using.key)?));

/// AES as this module serves it.
pub static ROWS: &[Row] = &[
    block::key_gen(CKM_AES_KEY_GEN, CKK_AES, |template, _, limits| {
        keys::secret::generate(CKK_AES, template, limits)
    }),
    block::ecb(CKM_AES_ECB, &Ecb(AES)),
    block::cbc(CKM_AES_CBC, &Cbc(AES, None)),
    block::cbc(CKM_AES_CBC_PAD, &Cbc(AES, PKCS7)),
    block::cbc(CKM_AES_CBC_PAD_IPSEC, &Cbc(AES, IPSEC)),
    block::counter(CKM_AES_CTR, &Streaming(AES, Mode::Counter)),
    block::feedback(CKM_AES_CFB8, &Streaming(AES, Mode::Cfb8)),
    block::feedback(CKM_AES_CFB128, &Streaming(AES, Mode::Cfb)),
    block::feedback(CKM_AES_OFB, &Streaming(AES, Mode::Ofb)),
    block::mac(CKM_AES_MAC, &Mac(AES, whole_key_mac)),
    block::mac_general(CKM_AES_MAC_GENERAL, &Mac(AES, whole_key_mac)),
    block::ecb_data(CKM_AES_ECB_ENCRYPT_DATA, AES, |using, _| by_ecb(AES, using)),
    block::cbc_data(CKM_AES_CBC_ENCRYPT_DATA, AES, |using, _| by_cbc(AES, using)),
];

pub(super) fn check_size(using: &Use) -> Result<()> {
    using.limits.check(keys::bits(&using.key)?)
}
