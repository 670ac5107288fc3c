//! Keys from passwords by PBKDF2.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.29; RFC 8018.

use std::num::NonZeroU32;

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::crypto::kdf;
use crate::error::Result;
use crate::mechanisms::{Limits, NOTHING, Params, Row, Shape, broken, keys, wrong_params};
use crate::object::Template;

/// Makes a secret key of whatever type the template names.
pub static ROWS: &[Row] =
    &[Row { kind: CKM_PKCS5_PBKD2, shape: Shape::Pbkd2, generate: Some(generate), ..NOTHING }];

static PRFS: &[(CK_ULONG, Hash)] = &[
    (CKP_PKCS5_PBKD2_HMAC_SHA1, Hash::Sha1),
    (CKP_PKCS5_PBKD2_HMAC_SHA224, Hash::Sha224),
    (CKP_PKCS5_PBKD2_HMAC_SHA256, Hash::Sha256),
    (CKP_PKCS5_PBKD2_HMAC_SHA384, Hash::Sha384),
    (CKP_PKCS5_PBKD2_HMAC_SHA512, Hash::Sha512),
];

/// The most iterations that are run (Assumed: seconds of work).
const MOST_ITERATIONS: u32 = 10_000_000;

/// The profile's sizes say nothing here (0 to 0): the type of key decides.
fn generate(template: &Template, params: &Params, _limits: Limits) -> Result<Template> {
    let Params::Pbkd2 { salt, iterations, prf, password } = params else {
        return Err(wrong_params("PBKDF2 wants its parameter"));
    };
    let hash = PRFS
        .iter()
        .find(|(own, _)| own == prf)
        .map(|(_, hash)| *hash)
        .ok_or_else(|| wrong_params("no such pseudo-random function is served"))?;
    let iterations = u32::try_from(*iterations)
        .ok()
        .filter(|iterations| *iterations <= MOST_ITERATIONS)
        .and_then(NonZeroU32::new)
        .ok_or_else(|| wrong_params("from 1 to 10 million iterations are run"))?;
    let len = keys::secret::asked_len(template.number(CKA_KEY_TYPE), template)?;
    let value = kdf::pbkdf2(hash, password, salt, iterations, len).map_err(broken)?;
    Ok(keys::secret::attributes(&value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors::cases;
    use crate::error::Cause;
    use crate::object::Attribute;

    const LIMITS: Limits = Limits { min_bits: 0, max_bits: 0, fips: false, former: false };

    fn params(iterations: CK_ULONG, prf: CK_ULONG) -> Params {
        Params::Pbkd2 {
            salt: b"salt".to_vec(),
            iterations,
            prf,
            password: b"password".to_vec().into(),
        }
    }

    fn wanted(key_type: CK_KEY_TYPE, len: usize) -> Template {
        Template::from_iter([
            Attribute::number(CKA_KEY_TYPE, key_type),
            Attribute::number(CKA_VALUE_LEN, len as u64),
        ])
    }

    #[test]
    fn every_function_gives_the_published_answers() {
        let mut seen = std::collections::BTreeSet::new();
        for case in cases(include_str!("vectors/pbkdf2.txt")) {
            let prf = case.text("prf").parse().unwrap();
            let params = Params::Pbkd2 {
                salt: case.bytes("salt"),
                iterations: case.text("iterations").parse().unwrap(),
                prf,
                password: case.bytes("password").into(),
            };
            let result = case.bytes("result");
            let template = wanted(CKK_GENERIC_SECRET, result.len());
            let made = generate(&template, &params, LIMITS).unwrap();
            assert_eq!(made.bytes(CKA_VALUE).unwrap(), result);
            assert_eq!(made.number(CKA_VALUE_LEN), Some(result.len() as u64));
            seen.insert(prf);
        }
        assert_eq!(seen, PRFS.iter().map(|(number, _)| *number).collect());
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        let template = wanted(CKK_AES, 16);
        let sha1 = CKP_PKCS5_PBKD2_HMAC_SHA1;
        for params in [params(0, sha1), params(1 << 32, sha1), params(1, 99), Params::None] {
            let cause = generate(&template, &params, LIMITS).unwrap_err().cause();
            assert_eq!(cause, Cause::MechanismParamInvalid, "{params:?}");
        }
        let odd = generate(&wanted(CKK_AES, 17), &params(1, sha1), LIMITS).unwrap_err();
        assert_eq!(odd.cause(), Cause::KeySizeRange);
        assert!(generate(&template, &params(1, sha1), LIMITS).is_ok());
    }
}
