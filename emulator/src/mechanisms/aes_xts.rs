//! AES-XTS: one sector at a time, with a second key in the parameter.
//!
//! Source: IEEE 1619 and SP 800-38E for the mode; PKCS#11 v3.0 for what a message may be: any length
//! from one block on, and no final part; `CK_AES_XTS_PARAMS` of the vendor, where the standard has one
//! key of double length (Documented). FIPS 140-3 implementation guidance C.I: the two keys must
//! differ, in FIPS mode and out of it (Assumed). Sizes are told of both keys together. A message in
//! parts is collected: how it ends decides on its last two blocks (Assumed).

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::aes::xts::{MOST_BYTES, XtsKey};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::stream::Collect;
use crate::mechanisms::{
    Cipher, NOTHING, Params, Row, Shape, Stream, Use, broken, keys, wrong_params,
};
use crate::object::held::Object;

struct Xts;

/// AES-XTS.
pub static ROWS: &[Row] = &[Row {
    kind: CKM_AES_XTS,
    key: Some(CKK_AES),
    shape: Shape::Xts,
    cipher: Some(&Xts),
    ..NOTHING
}];

fn place(using: &Use) -> Result<[u8; 16]> {
    match using.params {
        Params::Xts { place, .. } => Ok(place),
        _ => Err(wrong_params("XTS wants its parameter")),
    }
}

/// The second key, which has to be one that might do what the first does (Assumed).
fn tweak_key(using: &Use) -> Result<&Object> {
    let [key] = using.others.as_slice() else {
        return Err(wrong_params("XTS wants a second key"));
    };
    let class = key.class();
    if class.class != CKO_SECRET_KEY || class.key_type != Some(CKK_AES) {
        return Err(Error::new(Cause::KeyTypeInconsistent, "the second key is an AES key too"));
    }
    let usage = if using.forward { CKA_ENCRYPT } else { CKA_DECRYPT };
    if !key.is(usage) {
        return Err(Error::new(Cause::KeyFunctionNotPermitted, "the second key is not for this")
            .about(usage));
    }
    Ok(key)
}

fn xts(using: &Use) -> Result<XtsKey> {
    let (data, tweak) = (keys::value(&using.key)?, keys::value(tweak_key(using)?)?);
    using.limits.check((data.len() + tweak.len()) as u64 * 8)?;
    XtsKey::new(data, tweak).map_err(|error| match error {
        CryptoError::Key => {
            Error::new(Cause::KeySizeRange, "XTS has two keys of 128, or two of 256 bits")
        }
        CryptoError::Parameter => wrong_params("the two keys of XTS differ"),
        _ => broken(error),
    })
}

impl Cipher for Xts {
    fn prepare(&self, using: &Use) -> Result<()> {
        place(using)?;
        xts(using).map(drop)
    }

    fn bounds(&self, _using: &Use, input: usize) -> Result<(usize, usize)> {
        Ok((input, input))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let (key, place) = (xts(using)?, place(using)?);
        let mut data = input.to_vec();
        let done = if using.forward {
            key.encrypt(place, &mut data)
        } else {
            key.decrypt(place, &mut data)
        };
        done.map_err(|_| {
            let cause =
                if using.forward { Cause::DataLenRange } else { Cause::EncryptedDataLenRange };
            Error::new(cause, format!("a sector has 16 to {MOST_BYTES} bytes"))
        })?;
        Ok(data)
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Collect::stream(self, using))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mechanisms::Limits;
    use crate::object::Attribute;
    use crate::object::rules::Class;

    fn key(key_type: CK_KEY_TYPE, value: &[u8], usages: &[CK_ATTRIBUTE_TYPE]) -> Arc<Object> {
        let class = Class { class: CKO_SECRET_KEY, key_type: Some(key_type) };
        let usages = usages.iter().map(|kind| Attribute::flag(*kind, true));
        let value = Attribute::bytes(CKA_VALUE, value);
        Arc::new(Object::new(class, usages.chain([value]).collect()))
    }

    fn using(first: &[u8], others: Vec<Arc<Object>>) -> Use {
        Use {
            key: key(CKK_AES, first, &[CKA_ENCRYPT, CKA_DECRYPT]),
            others,
            params: Params::Xts { tweak_key: ObjectHandle(2), place: [0; 16] },
            limits: Limits { min_bits: 256, max_bits: 512, fips: false, former: false },
            forward: true,
        }
    }

    #[test]
    fn the_second_key_has_to_fit_the_first() {
        let both = [CKA_ENCRYPT, CKA_DECRYPT];
        let aes = |value: &[u8]| key(CKK_AES, value, &both);
        for (first, others, cause) in [
            (&[1; 16][..], vec![], Cause::MechanismParamInvalid),
            (&[1; 16], vec![aes(&[1; 16])], Cause::MechanismParamInvalid),
            (&[1; 32], vec![aes(&[1; 32])], Cause::MechanismParamInvalid),
            (&[1; 16], vec![aes(&[2; 32])], Cause::KeySizeRange),
            (&[1; 24], vec![aes(&[2; 24])], Cause::KeySizeRange),
            (&[1; 16], vec![key(CKK_ARIA, &[2; 16], &both)], Cause::KeyTypeInconsistent),
            (
                &[1; 16],
                vec![key(CKK_AES, &[2; 16], &[CKA_DECRYPT])],
                Cause::KeyFunctionNotPermitted,
            ),
        ] {
            let refused = Xts.prepare(&using(first, others)).unwrap_err();
            assert_eq!(refused.cause(), cause, "{first:?}");
        }
        Xts.prepare(&using(&[1; 16], vec![aes(&[2; 16])])).unwrap();
    }

    #[test]
    fn a_sector_has_a_block_at_least() {
        let mut using = using(&[1; 16], vec![key(CKK_AES, &[2; 16], &[CKA_ENCRYPT, CKA_DECRYPT])]);
        for (forward, cause) in [(true, Cause::DataLenRange), (false, Cause::EncryptedDataLenRange)]
        {
            using.forward = forward;
            for len in [0, 1, 15, MOST_BYTES + 1] {
                let refused = Xts.once(&using, &vec![0; len]).unwrap_err();
                assert_eq!(refused.cause(), cause, "{len} bytes");
            }
            assert_eq!(Xts.once(&using, &[0; 17]).unwrap().len(), 17);
        }
    }
}
