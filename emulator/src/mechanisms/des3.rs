//! Triple DES with two and with three keys.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, sections 2.18 and 2.19 (mechanisms of DES3 take DES2
//! keys too). CTR is the vendor's, its parameter `CK_DES_CTR_PARAMS` (Documented); so is the
//! retail MAC of ANSI X9.19, that is algorithm 3 of ISO/IEC 9797-1: half a block of it, like the
//! other MACs without a length (Assumed).

use std::sync::Arc;

use crate::ck::*;
use crate::crypto::block::{Algorithm, AnyCipher, Mode};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::block::{
    self, Cbc, Cmac, Ecb, Family, IPSEC, Mac, PKCS7, Streaming, by_cbc, by_ecb, whole_key_mac,
};
use crate::mechanisms::{Row, Use, keys};

const DES3: Family = Family {
    also: &[CKK_DES2],
    ..Family::new(CKK_DES3, 8, |using| Ok(keys::block(&using.key, Algorithm::TripleDes)?))
};

/// Every block but the last of the retail MAC goes through DES with the first key alone.
const FIRST_KEY: Family = Family { cipher: first_key, ..DES3 };

fn first_key(using: &Use) -> Result<AnyCipher> {
    let value = keys::value(&using.key)?;
    let first = value.get(..8).ok_or_else(|| Error::new(Cause::KeySizeRange, "no DES key"))?;
    Ok(Arc::new(keys::tuned(Algorithm::Des, first)?))
}

/// Triple DES as this module serves it.
pub static ROWS: &[Row] = &[
    block::key_gen(CKM_DES2_KEY_GEN, CKK_DES2, |template, _, limits| {
        keys::secret::generate(CKK_DES2, template, limits)
    }),
    block::key_gen(CKM_DES3_KEY_GEN, CKK_DES3, |template, _, limits| {
        keys::secret::generate(CKK_DES3, template, limits)
    }),
    block::ecb(CKM_DES3_ECB, &Ecb(DES3)),
    block::cbc(CKM_DES3_CBC, &Cbc(DES3, None)),
    block::cbc(CKM_DES3_CBC_PAD, &Cbc(DES3, PKCS7)),
    block::cbc(CKM_DES3_CBC_PAD_IPSEC, &Cbc(DES3, IPSEC)),
    Row { wrap: Some(&COUNTER), ..block::counter(CKM_DES3_CTR, &COUNTER) },
    block::mac(CKM_DES3_MAC, &Mac(DES3, whole_key_mac)),
    block::mac_general(CKM_DES3_MAC_GENERAL, &Mac(DES3, whole_key_mac)),
    block::mac(CKM_DES3_X919_MAC, &Mac(FIRST_KEY, |using| Ok(Some((DES3.cipher)(using)?)))),
    block::cmac(CKM_DES3_CMAC, &CMAC),
    block::cmac_general(CKM_DES3_CMAC_GENERAL, &CMAC),
    block::ecb_data(CKM_DES3_ECB_ENCRYPT_DATA, DES3, |using, _| by_ecb(DES3, using)),
    block::cbc_data(CKM_DES3_CBC_ENCRYPT_DATA, DES3, |using, _| by_cbc(DES3, using)),
];

/// It carries keys, unlike CTR with AES (the vendor's table of functions).
static COUNTER: Streaming = Streaming(DES3, Mode::Counter);

static CMAC: Cmac = Cmac(DES3, |using| keys::block(&using.key, Algorithm::TripleDes));
