//! ECDSA and the key pairs it wants.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.3; multi-part raw ECDSA and shortened input
//! from pycryptoki's functional tests (Documented).

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::ec::{Curve, EcPrivateKey};
use crate::crypto::hash::Hash;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::stream::Hashed;
use crate::mechanisms::{Feed, Limits, NOTHING, Params, Row, Signature, Use, broken, keys};
use crate::object::{Attribute, Template};

struct Ecdsa(Option<Hash>);

const fn row(kind: CK_MECHANISM_TYPE, signature: &'static Ecdsa) -> Row {
    Row { kind, key: Some(CKK_EC), also: &[CKK_BIP32], signature: Some(signature), ..NOTHING }
}

/// Key pairs and ECDSA, over a digest the caller made or one made here.
pub static ROWS: &[Row] = &[
    Row {
        kind: CKM_EC_KEY_PAIR_GEN,
        key: Some(CKK_EC),
        generate_pair: Some(generate_pair),
        ..NOTHING
    },
    Row {
        kind: CKM_LUNA_EC_KEY_PAIR_GEN_W_EXTRA_BITS,
        key: Some(CKK_EC),
        generate_pair: Some(generate_pair),
        ..NOTHING
    },
    row(CKM_ECDSA, &Ecdsa(None)),
    row(CKM_ECDSA_SHA1, &Ecdsa(Some(Hash::Sha1))),
    row(CKM_ECDSA_SHA224, &Ecdsa(Some(Hash::Sha224))),
    row(CKM_ECDSA_SHA256, &Ecdsa(Some(Hash::Sha256))),
    // By the specification of smart metering it is named after, ECDSA over SHA-256 on P-256. A user's
    // script says that the vendor's is deterministic, which no verifier sees; ours is not (Assumed).
    row(CKM_ECDSA_GBCS_SHA256, &Ecdsa(Some(Hash::Sha256))),
    row(CKM_ECDSA_SHA384, &Ecdsa(Some(Hash::Sha384))),
    row(CKM_ECDSA_SHA512, &Ecdsa(Some(Hash::Sha512))),
    row(CKM_ECDSA_SHA3_224, &Ecdsa(Some(Hash::Sha3_224))),
    row(CKM_ECDSA_SHA3_256, &Ecdsa(Some(Hash::Sha3_256))),
    row(CKM_ECDSA_SHA3_384, &Ecdsa(Some(Hash::Sha3_384))),
    row(CKM_ECDSA_SHA3_512, &Ecdsa(Some(Hash::Sha3_512))),
];

impl Signature for Ecdsa {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_curve(keys::curve(using.key.attributes())?, using.limits)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        Ok(2 * keys::curve(using.key.attributes())?.order_len())
    }

    fn feed(&self, _using: &Use) -> Result<Box<dyn Feed>> {
        Hashed::or_raw(self.0)
    }

    /// `r || s`, each as long as the order of the curve, big-endian.
    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        keys::ec_private(&using.key)?.sign(fed).map_err(broken)
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        let key = keys::ec_public(&using.key)?;
        let longest = self.len(using)?;
        if signature.is_empty() || signature.len() > longest || !signature.len().is_multiple_of(2) {
            return Err(Error::new(
                Cause::SignatureLenRange,
                format!("two equal halves, {longest} bytes at most"),
            ));
        }
        key.verify(fed, signature).map_err(|error| match error {
            CryptoError::Internal => broken(error),
            _ => Error::new(Cause::SignatureInvalid, "ECDSA does not verify"),
        })
    }
}

/// Whether the curve may be used here and now.
fn check_curve(curve: Curve, limits: Limits) -> Result<()> {
    limits.check(curve.bits() as u64)?;
    let nist = matches!(curve, Curve::P224 | Curve::P256 | Curve::P384 | Curve::P521);
    if limits.fips && !nist {
        return Err(Error::new(
            Cause::CurveNotAllowed,
            "FIPS mode allows the NIST curves only (policy facts: name Documented, use Assumed)",
        )
        .about(CKA_EC_PARAMS));
    }
    Ok(())
}

fn generate_pair(
    public: &Template,
    _private: &Template,
    _params: &Params,
    limits: Limits,
) -> Result<(Template, Template)> {
    let curve = keys::curve(public)?;
    check_curve(curve, limits)?;
    let key = EcPrivateKey::generate(curve).map_err(broken)?;
    let params = curve.params_der().to_vec();
    let point = key.public().and_then(|key| key.point()).map_err(broken)?;
    let public = Template::from_iter([
        Attribute::bytes(CKA_EC_PARAMS, params.clone()),
        Attribute::bytes(CKA_EC_POINT, keys::wrap_point(&point)),
    ]);
    let private = Template::from_iter([
        Attribute::bytes(CKA_EC_PARAMS, params),
        Attribute::bytes(CKA_VALUE, key.scalar().map_err(broken)?.to_vec()),
    ]);
    Ok((public, private))
}
