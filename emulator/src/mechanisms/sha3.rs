//! SHA-3, SHAKE and Keccak: digests, HMAC, keys derived by digest. Signatures over SHA-3 are rows
//! of [`super::rsa`] and [`super::ec`].
//!
//! Source: PKCS#11 v3.0 Current Mechanisms, sections 2.25 to 2.32; SHAKE and Keccak by the vendor's
//! numbers (Documented: thalesdocs, from firmware 7.4.2).

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::hash::{self, Function, Hash, Shake};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::derive::{by_digest, digest};
use crate::mechanisms::digest::{row as digests, shake};
use crate::mechanisms::hmac::{general, row as hmac, whole};
use crate::mechanisms::{Row, Use, broken, keys};

/// Every mechanism of the family.
pub static ROWS: &[Row] = &[
    digests(CKM_SHA3_224, Hash::Sha3_224),
    digests(CKM_SHA3_256, Hash::Sha3_256),
    digests(CKM_SHA3_384, Hash::Sha3_384),
    digests(CKM_SHA3_512, Hash::Sha3_512),
    shake(CKM_SHAKE_128, Shake::Shake128),
    shake(CKM_SHAKE_256, Shake::Shake256),
    digests(CKM_KECCAK_224, Hash::Keccak224),
    digests(CKM_KECCAK_256, Hash::Keccak256),
    digests(CKM_KECCAK_384, Hash::Keccak384),
    digests(CKM_KECCAK_512, Hash::Keccak512),
    hmac(CKM_SHA3_224_HMAC, &whole(Hash::Sha3_224)),
    hmac(CKM_SHA3_224_HMAC_GENERAL, &general(Hash::Sha3_224)),
    hmac(CKM_SHA3_256_HMAC, &whole(Hash::Sha3_256)),
    hmac(CKM_SHA3_256_HMAC_GENERAL, &general(Hash::Sha3_256)),
    hmac(CKM_SHA3_384_HMAC, &whole(Hash::Sha3_384)),
    hmac(CKM_SHA3_384_HMAC_GENERAL, &general(Hash::Sha3_384)),
    hmac(CKM_SHA3_512_HMAC, &whole(Hash::Sha3_512)),
    hmac(CKM_SHA3_512_HMAC_GENERAL, &general(Hash::Sha3_512)),
    digest(CKM_SHA3_224_KEY_DERIVE, |using, _| by_digest(using, Hash::Sha3_224)),
    digest(CKM_SHA3_256_KEY_DERIVE, |using, _| by_digest(using, Hash::Sha3_256)),
    digest(CKM_SHA3_384_KEY_DERIVE, |using, _| by_digest(using, Hash::Sha3_384)),
    digest(CKM_SHA3_512_KEY_DERIVE, |using, _| by_digest(using, Hash::Sha3_512)),
    digest(CKM_SHAKE_128_KEY_DERIVE, |using, wanted| by_shake(using, Shake::Shake128, wanted)),
    digest(CKM_SHAKE_256_KEY_DERIVE, |using, wanted| by_shake(using, Shake::Shake256, wanted)),
];

/// As many bytes as the template asks for; one that asks for none is incomplete.
fn by_shake(using: &Use, shake: Shake, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let len = wanted.ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the length of the key is wanted")
            .about(CKA_VALUE_LEN)
    })?;
    let value = keys::to_bytes(&using.key)?;
    hash::digest(Function::Shake(shake, len), &value).map(Zeroizing::new).map_err(broken)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mechanisms::{Limits, Params};
    use crate::object::held::Object;
    use crate::object::rules::Class;
    use crate::object::{Attribute, Template};

    #[test]
    fn a_shake_wants_a_length() {
        let row = ROWS.iter().find(|row| row.kind == CKM_SHAKE_256).unwrap().digest.unwrap();
        assert_eq!(row.function(&Params::Length(2048)).unwrap().len(), 2048);
        for params in [Params::None, Params::Length(0), Params::Length(2049)] {
            let cause = row.function(&params).unwrap_err().cause();
            assert_eq!(cause, Cause::MechanismParamInvalid, "{params:?}");
        }
        let class = Class { class: CKO_SECRET_KEY, key_type: Some(CKK_GENERIC_SECRET) };
        let attributes = Template::from_iter([Attribute::bytes(CKA_VALUE, *b"key")]);
        let using = Use {
            key: Arc::new(Object::new(class, attributes)),
            others: Vec::new(),
            params: Params::None,
            limits: Limits { min_bits: 8, max_bits: 4096, fips: false, former: false },
            forward: false,
        };
        let refused = by_shake(&using, Shake::Shake128, None).unwrap_err();
        assert_eq!(refused.cause(), Cause::TemplateIncomplete);
        assert_eq!(by_shake(&using, Shake::Shake128, Some(500)).unwrap().len(), 500);
    }
}
