//! SM2 key pairs and signatures.
//!
//! `CKM_SM2DSA` signs the digest that the caller made, of the signer and the message (`e` of the
//! standard). The others make it: by the named hash, of `Z` and the message, where `Z` is the same
//! hash of the default id, the curve and the key.
//!
//! Assumed, since the vendor's lists give names alone: that a mechanism takes no parameter, so that the
//! signer is always the default one of GM/T 0009; that hashes other than SM3 take the place of SM3 in
//! both of its uses; that a signature is `r || s`, as other vendors and ECDSA have it.
//!
//! Source: GB/T 32918.2 and .5; PKCS#11 v2.40 for what is like ECDSA.

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::hash::Hash;
use crate::crypto::sm2::{DEFAULT_ID, SIGNATURE_LEN, Sm2PrivateKey, digest_prefix};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::stream::Hashed;
use crate::mechanisms::{Feed, Limits, NOTHING, Params, Row, Signature, Use, broken, keys};
use crate::object::{Attribute, Template};

/// The longest digest that a signature can be of.
const LONGEST_DIGEST: usize = 64;

struct Sm2dsa(Option<Hash>);

const fn row(kind: CK_MECHANISM_TYPE, signature: &'static Sm2dsa) -> Row {
    Row { kind, key: Some(CKK_SM2), signature: Some(signature), ..NOTHING }
}

/// Key pairs, and signatures of a digest the caller made or one made here.
pub static ROWS: &[Row] = &[
    Row {
        kind: CKM_SM2_KEY_PAIR_GEN,
        key: Some(CKK_SM2),
        generate_pair: Some(generate_pair),
        ..NOTHING
    },
    row(CKM_SM2DSA, &Sm2dsa(None)),
    row(CKM_SM3_SM2DSA, &Sm2dsa(Some(Hash::Sm3))),
    row(CKM_SHA1_SM2DSA, &Sm2dsa(Some(Hash::Sha1))),
    row(CKM_SHA224_SM2DSA, &Sm2dsa(Some(Hash::Sha224))),
    row(CKM_SHA256_SM2DSA, &Sm2dsa(Some(Hash::Sha256))),
    row(CKM_SHA384_SM2DSA, &Sm2dsa(Some(Hash::Sha384))),
    row(CKM_SHA512_SM2DSA, &Sm2dsa(Some(Hash::Sha512))),
];

impl Signature for Sm2dsa {
    fn prepare(&self, using: &Use) -> Result<()> {
        keys::sm2_params(using.key.attributes())?;
        using.limits.check(keys::bits(&using.key)?)
    }

    fn len(&self, _using: &Use) -> Result<usize> {
        Ok(SIGNATURE_LEN)
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        let mut feed = Hashed::or_raw(self.0)?;
        if let Some(hash) = self.0 {
            let public = if using.key.class().class == CKO_PRIVATE_KEY {
                keys::sm2_private(&using.key)?.public().map_err(broken)?
            } else {
                (*keys::sm2_public(&using.key)?).clone()
            };
            feed.update(&digest_prefix(hash, DEFAULT_ID.as_bytes(), &public).map_err(broken)?)?;
        }
        Ok(feed)
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        check_digest(fed)?;
        keys::sm2_private(&using.key)?.sign(fed).map_err(broken)
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        check_digest(fed)?;
        if signature.len() != SIGNATURE_LEN {
            return Err(Error::new(Cause::SignatureLenRange, format!("{SIGNATURE_LEN} bytes")));
        }
        keys::sm2_public(&using.key)?.verify(fed, signature).map_err(|error| match error {
            CryptoError::Failed => Error::new(Cause::SignatureInvalid, "SM2 does not verify"),
            other => broken(other),
        })
    }
}

fn check_digest(fed: &[u8]) -> Result<()> {
    if (1..=LONGEST_DIGEST).contains(&fed.len()) {
        return Ok(());
    }
    Err(Error::new(Cause::DataLenRange, format!("a digest of 1 to {LONGEST_DIGEST} bytes")))
}

fn generate_pair(
    public: &Template,
    private: &Template,
    _params: &Params,
    limits: Limits,
) -> Result<(Template, Template)> {
    let params = keys::sm2_params(public)?.to_vec();
    keys::sm2_params(private)?;
    limits.check(256)?;
    let key = Sm2PrivateKey::generate().map_err(broken)?;
    let point = keys::wrap_point(&key.public().map_err(broken)?.point());
    let public = Template::from_iter([
        Attribute::bytes(CKA_EC_PARAMS, params.clone()),
        Attribute::bytes(CKA_EC_POINT, point),
    ]);
    let private = Template::from_iter([
        Attribute::bytes(CKA_EC_PARAMS, params),
        Attribute::bytes(CKA_VALUE, key.scalar().to_vec()),
    ]);
    Ok((public, private))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::crypto::vectors::{Case, cases, hex};
    use crate::object::held::Object;
    use crate::object::rules::Class;

    /// Of the standard's annex A.2.
    const SCALAR: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    const POINT: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                         ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";

    fn using(class: CK_OBJECT_CLASS) -> Use {
        let class = Class { class, key_type: Some(CKK_SM2) };
        let part = if class.class == CKO_PRIVATE_KEY {
            Attribute::bytes(CKA_VALUE, hex(SCALAR))
        } else {
            Attribute::bytes(CKA_EC_POINT, hex(POINT))
        };
        let curve = Attribute::bytes(CKA_EC_PARAMS, hex("06082a811ccf5501822d"));
        let mut attributes = Template::from_iter([curve, part]);
        for part in keys::admit(class, &attributes).unwrap().0 {
            attributes.set(part);
        }
        let limits = Limits { min_bits: 256, max_bits: 256, fips: false, former: false };
        let key = Arc::new(Object::new(class, attributes));
        Use {
            key,
            others: Vec::new(),
            params: Params::None,
            limits,
            forward: class.class == CKO_PRIVATE_KEY,
        }
    }

    fn fed(signature: &dyn Signature, using: &Use, data: &[u8], part: usize) -> Vec<u8> {
        signature.prepare(using).unwrap();
        let mut feed = signature.feed(using).unwrap();
        data.chunks(part).for_each(|chunk| feed.update(chunk).unwrap());
        feed.finish().unwrap()
    }

    fn holds(signature: &dyn Signature, case: &Case) {
        let (private, public) = (using(CKO_PRIVATE_KEY), using(CKO_PUBLIC_KEY));
        let (data, result) = (case.bytes("data"), case.bytes("result"));
        for part in [1, 7, 4096] {
            let e = fed(signature, &public, &data, part);
            signature.verify(&public, &e, &result).unwrap();
            let own = signature.sign(&private, &fed(signature, &private, &data, part)).unwrap();
            assert_eq!(own.len(), signature.len(&private).unwrap());
            signature.verify(&public, &e, &own).unwrap();
            let mut wrong = result.clone();
            wrong[40] ^= 1;
            let refused = signature.verify(&public, &e, &wrong).unwrap_err();
            assert_eq!(refused.cause(), Cause::SignatureInvalid);
            let refused = signature.verify(&public, &e, &result[1..]).unwrap_err();
            assert_eq!(refused.cause(), Cause::SignatureLenRange);
        }
    }

    #[test]
    fn every_row_verifies_the_answers_and_what_it_makes() {
        let mut answered = HashSet::new();
        for case in cases(include_str!("vectors/sm2.txt")) {
            let row = ROWS.iter().find(|row| names::ckm(row.kind) == case.text("mechanism"));
            let row = row.unwrap();
            holds(row.signature.unwrap(), &case);
            answered.insert(row.kind);
        }
        for row in ROWS.iter().filter(|row| row.signature.is_some()) {
            assert!(answered.contains(&row.kind), "{} has no answer", names::ckm(row.kind));
        }
    }

    #[test]
    fn digests_of_no_length_are_refused() {
        let signature = ROWS[1].signature.unwrap();
        for wrong in [&[][..], &[1; 65]] {
            let refused = signature.sign(&using(CKO_PRIVATE_KEY), wrong).unwrap_err();
            assert_eq!(refused.cause(), Cause::DataLenRange);
            let refused = signature.verify(&using(CKO_PUBLIC_KEY), wrong, &[1; 64]).unwrap_err();
            assert_eq!(refused.cause(), Cause::DataLenRange);
        }
    }

    #[test]
    fn keys_travel_and_another_curve_is_refused() {
        let key = using(CKO_PRIVATE_KEY).key;
        let wrapped = keys::to_bytes(&key).unwrap();
        let back = keys::from_bytes(key.class(), &wrapped, &Template::new()).unwrap();
        assert_eq!(back.bytes(CKA_VALUE).unwrap(), hex(SCALAR));
        let p256 = hex("06082a8648ce3d030107");
        let template = Template::from_iter([Attribute::bytes(CKA_EC_PARAMS, p256)]);
        let limits = Limits { min_bits: 256, max_bits: 256, fips: false, former: false };
        let generate = ROWS[0].generate_pair.unwrap();
        let refused = generate(&template, &Template::new(), &Params::None, limits).unwrap_err();
        assert_eq!(refused.cause(), Cause::CurveNotSupported);
    }
}
