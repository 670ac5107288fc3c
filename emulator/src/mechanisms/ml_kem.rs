//! ML-KEM key pairs, encapsulation and decapsulation.
//!
//! Source: PKCS#11 v3.2, ML-KEM; FIPS 203; `ThalesGroup/luna-samples:C_Samples/pqc` (Documented).

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::keys::ML_KEM as SETS;
use crate::mechanisms::{Kem, Limits, NOTHING, Params, Row, Use, broken, keys, wrong_params};
use crate::object::Template;

/// Key pairs and encapsulation.
pub static ROWS: &[Row] = &[
    Row {
        kind: CKM_ML_KEM_KEY_PAIR_GEN,
        key: Some(CKK_ML_KEM),
        generate_pair: Some(generate_pair),
        ..NOTHING
    },
    Row { kind: CKM_ML_KEM, key: Some(CKK_ML_KEM), kem: Some(&MlKem), ..NOTHING },
];

struct MlKem;

impl Kem for MlKem {
    fn prepare(&self, using: &Use) -> Result<()> {
        match using.params {
            Params::None => Ok(()),
            _ => Err(wrong_params("ML-KEM takes no parameter")),
        }
    }

    fn len(&self, using: &Use) -> Result<usize> {
        Ok(keys::set_of(using.key.attributes(), SETS)?.output_len())
    }

    fn encapsulate(&self, using: &Use) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>)> {
        keys::lattice_public(&using.key, SETS)?.encapsulate().map_err(broken)
    }

    fn decapsulate(&self, using: &Use, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let key = keys::lattice_private(&using.key, SETS)?;
        key.decapsulate(ciphertext).map_err(|error| match error {
            CryptoError::Length => Error::new(
                Cause::WrappedKeyLenRange,
                format!("a ciphertext has {} bytes", key.set().output_len()),
            ),
            other => broken(other),
        })
    }
}

fn generate_pair(
    public: &Template,
    private: &Template,
    _params: &Params,
    limits: Limits,
) -> Result<(Template, Template)> {
    keys::lattice_pair((public, private), SETS, limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors::cases;
    use crate::object::Attribute;
    use crate::object::held::Object;
    use crate::object::rules::Class;
    use std::sync::Arc;

    fn using(class: CK_OBJECT_CLASS, set: CK_ULONG, value: Attribute) -> Use {
        let class = Class { class, key_type: Some(CKK_ML_KEM) };
        let mut attributes =
            Template::from_iter([Attribute::number(CKA_PARAMETER_SET, set), value]);
        for part in keys::admit(class, &attributes).unwrap().0 {
            attributes.set(part);
        }
        let key = Arc::new(Object::new(class, attributes));
        let limits = Limits { min_bits: 6400, max_bits: 12544, fips: false, former: false };
        limits.check(keys::bits(&key).unwrap()).unwrap();
        Use { key, others: Vec::new(), params: Params::None, limits, forward: false }
    }

    #[test]
    fn ciphertexts_give_the_published_secrets() {
        let mut walked = 0;
        for case in cases(include_str!("../crypto/vectors/lattice.txt")) {
            let set = match case.text("set") {
                "MlKem512" => CKP_ML_KEM_512,
                "MlKem768" => CKP_ML_KEM_768,
                "MlKem1024" => CKP_ML_KEM_1024,
                _ => continue,
            };
            let private =
                using(CKO_PRIVATE_KEY, set, Attribute::bytes(CKA_SEED, case.bytes("seed")));
            let public =
                using(CKO_PUBLIC_KEY, set, Attribute::bytes(CKA_VALUE, case.bytes("public")));
            let (ciphertext, secret) = (case.bytes("ciphertext"), case.bytes("secret"));
            assert_eq!(*MlKem.decapsulate(&private, &ciphertext).unwrap(), secret);
            assert_eq!(MlKem.len(&public).unwrap(), ciphertext.len());
            let (fresh, inside) = MlKem.encapsulate(&public).unwrap();
            assert_eq!(*MlKem.decapsulate(&private, &fresh).unwrap(), *inside);
            let refused = MlKem.decapsulate(&private, &fresh[1..]).unwrap_err();
            assert_eq!(refused.cause(), Cause::WrappedKeyLenRange);
            walked += 1;
        }
        assert_eq!(walked, 6);
    }
}
