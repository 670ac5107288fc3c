//! RC2, whose every parameter begins with the bits of the key that count.
//!
//! Source: PKCS#11 v2.40 Historical Mechanisms, section 2.3. Eight effective bits are refused as a
//! size of the key (Documented: the vendor's tests of its bindings); that this is the rule for as
//! many as the smallest key has, and that more than the key's own bits are taken, is Assumed.

use std::sync::Arc;

use crate::ck::*;
use crate::crypto::block::{Algorithm, AnyCipher};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::block::{self, Cbc, Ecb, Family, Mac, PKCS7, Tuning, whole_key_mac};
use crate::mechanisms::{Params, Row, Use, keys, wrong_params};

const RC2: Family = Family { tuning: Tuning::Rc2, ..Family::new(CKK_RC2, 8, cipher) };

/// Fewest effective bits.
const LEAST: u64 = 16;

fn cipher(using: &Use) -> Result<AnyCipher> {
    let Params::Rc2 { effective_bits, .. } = using.params else {
        return Err(wrong_params("RC2 wants its effective bits"));
    };
    if effective_bits < LEAST {
        return Err(Error::new(Cause::KeySizeRange, "too few bits of the key would count"));
    }
    using.limits.check(effective_bits)?;
    let effective_bits = usize::try_from(effective_bits).unwrap_or(usize::MAX);
    let key = keys::tuned(Algorithm::Rc2 { effective_bits }, keys::value(&using.key)?)?;
    Ok(Arc::new(key))
}

/// RC2 as this module serves it.
pub static ROWS: &[Row] = &[
    block::key_gen(CKM_RC2_KEY_GEN, CKK_RC2, |template, _, limits| {
        keys::secret::generate(CKK_RC2, template, limits)
    }),
    block::ecb(CKM_RC2_ECB, &Ecb(RC2)),
    block::cbc(CKM_RC2_CBC, &Cbc(RC2, None)),
    block::cbc(CKM_RC2_CBC_PAD, &Cbc(RC2, PKCS7)),
    block::mac(CKM_RC2_MAC, &Mac(RC2, whole_key_mac)),
    block::mac_general(CKM_RC2_MAC_GENERAL, &Mac(RC2, whole_key_mac)),
];
