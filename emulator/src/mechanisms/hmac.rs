//! HMAC over SHA-1 and SHA-2, with generic secret keys.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, sections 2.20.3, 2.21.3 and their kin.

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::crypto::hmac::{HmacStream, same};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{Feed, NOTHING, Row, Shape, Signature, Use, broken, keys, wrong_params};

/// An HMAC; in its general form the parameter says how much of it is used.
pub(super) struct Hmac {
    hash: Hash,
    general: bool,
}

pub(super) const fn row(kind: CK_MECHANISM_TYPE, mac: &'static Hmac) -> Row {
    let shape = if mac.general { Shape::Length } else { Shape::None };
    Row { kind, key: Some(CKK_GENERIC_SECRET), shape, signature: Some(mac), ..NOTHING }
}

pub(super) const fn whole(hash: Hash) -> Hmac {
    Hmac { hash, general: false }
}

pub(super) const fn general(hash: Hash) -> Hmac {
    Hmac { hash, general: true }
}

/// HMACs, and the keys they want.
pub static ROWS: &[Row] = &[
    row(CKM_SHA_1_HMAC, &whole(Hash::Sha1)),
    row(CKM_SHA_1_HMAC_GENERAL, &general(Hash::Sha1)),
    row(CKM_SHA224_HMAC, &whole(Hash::Sha224)),
    row(CKM_SHA224_HMAC_GENERAL, &general(Hash::Sha224)),
    row(CKM_SHA256_HMAC, &whole(Hash::Sha256)),
    row(CKM_SHA256_HMAC_GENERAL, &general(Hash::Sha256)),
    row(CKM_SHA384_HMAC, &whole(Hash::Sha384)),
    row(CKM_SHA384_HMAC_GENERAL, &general(Hash::Sha384)),
    row(CKM_SHA512_HMAC, &whole(Hash::Sha512)),
    row(CKM_SHA512_HMAC_GENERAL, &general(Hash::Sha512)),
    Row {
        kind: CKM_GENERIC_SECRET_KEY_GEN,
        key: Some(CKK_GENERIC_SECRET),
        generate: Some(|template, _, limits| {
            keys::secret::generate(CKK_GENERIC_SECRET, template, limits)
        }),
        ..NOTHING
    },
];

impl Signature for Hmac {
    fn prepare(&self, using: &Use) -> Result<()> {
        self.len(using)?;
        using.limits.check(keys::bits(&using.key)?)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        mac_len(using, self.general, self.hash.len())
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        Ok(Box::new(Running(keys::hmac(&using.key, self.hash)?.stream().map_err(broken)?)))
    }

    fn condense(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        keys::hmac(&using.key, self.hash)?.sign(input).map_err(broken)
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        Ok(fed.get(..self.len(using)?).unwrap_or(fed).to_vec())
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        compare(fed, signature, self.len(using)?)
    }
}

/// Bytes of a MAC: all of it, or as many as the parameter of the general form says.
pub(super) fn mac_len(using: &Use, general: bool, whole: usize) -> Result<usize> {
    match using.params.mac_len() {
        Some(len) if general => usize::try_from(len)
            .ok()
            .filter(|len| (1..=whole).contains(len))
            .ok_or_else(|| wrong_params("a MAC has at least one byte and at most all of them")),
        _ => Ok(whole),
    }
}

/// # Errors
/// `SignatureLenRange`, `SignatureInvalid`.
pub(super) fn compare(fed: &[u8], signature: &[u8], len: usize) -> Result<()> {
    if signature.len() != len {
        return Err(Error::new(Cause::SignatureLenRange, format!("this MAC has {len} bytes")));
    }
    if fed.get(..len).is_some_and(|own| same(own, signature)) {
        return Ok(());
    }
    Err(Error::new(Cause::SignatureInvalid, "the MAC is another"))
}

struct Running(HmacStream);

impl Feed for Running {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.0.update(input);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        self.0.finish().map_err(broken)
    }
}
