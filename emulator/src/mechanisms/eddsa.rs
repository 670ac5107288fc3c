//! Ed25519 key pairs and signatures.
//!
//! Served: Ed25519 without a parameter; with one, Ed25519ph where `phFlag` is set, Ed25519ctx where
//! there is a context, and Ed25519 where there is neither (Assumed: RFC 8032 forbids Ed25519ctx an
//! empty context, and clients send an empty structure). The vendor's hashed names, such as
//! `CKM_SHA256_EDDSA`, hash the message by that hash and sign the digest as `CKM_EDDSA` would,
//! without a parameter or with one that does not hash once more: no definition is published, and so does the vendor name all its
//! other signatures (Assumed). Not served: `CKM_EDDSA_NACL` and its kin, of which the vendor's header says
//! no more than "NaCl compatible", and Ed448.
//!
//! Source: PKCS#11 v3.0 sections 2.3.9 and 2.3.16; RFC 8032 section 5.1.

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::curve25519::{Ed25519PrivateKey, SIGNATURE_LEN, Scheme};
use crate::crypto::hash::Hash;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::stream::Hashed;
use crate::mechanisms::{
    Feed, Limits, NOTHING, Params, Row, Shape, Signature, Use, broken, keys, wrong_params,
};
use crate::object::Template;

/// Key pairs and signatures.
pub static ROWS: &[Row] = &[
    Row {
        kind: CKM_EC_EDWARDS_KEY_PAIR_GEN,
        key: Some(CKK_EC_EDWARDS),
        generate_pair: Some(generate_pair),
        ..NOTHING
    },
    row(CKM_EDDSA, &Eddsa(None)),
    row(CKM_SHA1_EDDSA, &Eddsa(Some(Hash::Sha1))),
    row(CKM_SHA224_EDDSA, &Eddsa(Some(Hash::Sha224))),
    row(CKM_SHA256_EDDSA, &Eddsa(Some(Hash::Sha256))),
    row(CKM_SHA384_EDDSA, &Eddsa(Some(Hash::Sha384))),
    row(CKM_SHA512_EDDSA, &Eddsa(Some(Hash::Sha512))),
    row(CKM_SHA3_224_EDDSA, &Eddsa(Some(Hash::Sha3_224))),
    row(CKM_SHA3_256_EDDSA, &Eddsa(Some(Hash::Sha3_256))),
    row(CKM_SHA3_384_EDDSA, &Eddsa(Some(Hash::Sha3_384))),
    row(CKM_SHA3_512_EDDSA, &Eddsa(Some(Hash::Sha3_512))),
];

/// EdDSA of a message, or of its digest by that hash.
struct Eddsa(Option<Hash>);

const fn row(kind: CK_MECHANISM_TYPE, signature: &'static Eddsa) -> Row {
    Row {
        kind,
        key: Some(CKK_EC_EDWARDS),
        shape: Shape::Eddsa,
        signature: Some(signature),
        ..NOTHING
    }
}

fn scheme(params: &Params) -> Result<Scheme<'_>> {
    match params {
        Params::None => Ok(Scheme::Pure),
        Params::Eddsa { context, .. } if context.len() > 255 => {
            Err(wrong_params("a context has 255 bytes at most"))
        }
        Params::Eddsa { prehash: true, context } => Ok(Scheme::Digest(context)),
        Params::Eddsa { context, .. } if context.is_empty() => Ok(Scheme::Pure),
        Params::Eddsa { context, .. } => Ok(Scheme::Context(context)),
        _ => Err(wrong_params("EdDSA takes its own parameter or none")),
    }
}

impl Signature for Eddsa {
    fn prepare(&self, using: &Use) -> Result<()> {
        let scheme = scheme(&using.params)?;
        if self.0.is_some() && matches!(scheme, Scheme::Digest(_)) {
            return Err(wrong_params("the mechanism's own hash is the only one"));
        }
        keys::ed25519_params(using.key.attributes())?;
        Ok(())
    }

    fn len(&self, _using: &Use) -> Result<usize> {
        Ok(SIGNATURE_LEN)
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        let prehash = matches!(scheme(&using.params)?, Scheme::Digest(_));
        Hashed::or_raw(self.0.or(prehash.then_some(Hash::Sha512)))
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        keys::ed25519_private(&using.key)?.sign(scheme(&using.params)?, fed).map_err(broken)
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        let key = keys::ed25519_public(&using.key)?;
        key.verify(scheme(&using.params)?, fed, signature).map_err(|error| match error {
            CryptoError::Length => {
                Error::new(Cause::SignatureLenRange, format!("{SIGNATURE_LEN} bytes"))
            }
            CryptoError::Failed => Error::new(Cause::SignatureInvalid, "EdDSA does not verify"),
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
    keys::ed25519_params(public)?;
    limits.check(256)?;
    let key = Ed25519PrivateKey::generate().map_err(broken)?;
    let halves = (key.public().bytes().to_vec(), key.seed());
    keys::pair_of((public, private), keys::ed25519_params, (&halves.0, halves.1))
}
