//! HMAC over SHA-1 and SHA-2, with generic secret keys.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, sections 2.20.3, 2.21.3 and their kin.

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::crypto::hmac::{HmacStream, same};
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{Feed, Limits, NOTHING, Row, Signature, Use, broken, keys};
use crate::object::{Attribute, Template};

struct Hmac(Hash);

const fn row(kind: CK_MECHANISM_TYPE, mac: &'static Hmac) -> Row {
    Row { kind, key: Some(CKK_GENERIC_SECRET), signature: Some(mac), ..NOTHING }
}

/// HMACs, and the keys they want.
pub static ROWS: &[Row] = &[
    row(CKM_SHA_1_HMAC, &Hmac(Hash::Sha1)),
    row(CKM_SHA224_HMAC, &Hmac(Hash::Sha224)),
    row(CKM_SHA256_HMAC, &Hmac(Hash::Sha256)),
    row(CKM_SHA384_HMAC, &Hmac(Hash::Sha384)),
    row(CKM_SHA512_HMAC, &Hmac(Hash::Sha512)),
    Row {
        kind: CKM_GENERIC_SECRET_KEY_GEN,
        key: Some(CKK_GENERIC_SECRET),
        generate: Some(generate),
        ..NOTHING
    },
];

impl Signature for Hmac {
    fn prepare(&self, using: &Use) -> Result<()> {
        using.limits.check(keys::bits(&using.key)?)
    }

    fn len(&self, _using: &Use) -> Result<usize> {
        Ok(self.0.len())
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        Ok(Box::new(Running(keys::hmac(&using.key, self.0)?.stream().map_err(broken)?)))
    }

    fn sign(&self, _using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        Ok(fed.to_vec())
    }

    fn verify(&self, _using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        if signature.len() != fed.len() {
            return Err(Error::new(
                Cause::SignatureLenRange,
                format!("this HMAC has {} bytes", fed.len()),
            ));
        }
        if same(fed, signature) {
            return Ok(());
        }
        Err(Error::new(Cause::SignatureInvalid, "the HMAC is another"))
    }
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

fn generate(template: &Template, limits: Limits) -> Result<Template> {
    let len = template.number(CKA_VALUE_LEN).ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the length of the key is wanted")
            .about(CKA_VALUE_LEN)
    })?;
    limits.check(len.saturating_mul(8))?;
    let len = usize::try_from(len)
        .map_err(|_| Error::new(Cause::KeySizeRange, "longer than this machine can hold"))?;
    let value = random::bytes(len).map_err(broken)?;
    Ok(Template::from_iter([Attribute::bytes(CKA_VALUE, value.to_vec())]))
}
