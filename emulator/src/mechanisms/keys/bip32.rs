//! Keys of BIP 32: keys on secp256k1 with a chain code, from which others are derived.
//!
//! They sign, agree and decrypt as other keys on curves do. How they are written when they are
//! wrapped is not published, so they are not wrapped here.
//!
//! Source: BIP 32; thalesdocs "BIP32 Mechanism Support and Implementation" (Documented).

use zeroize::Zeroizing;

use super::{Pair, ec_private, ec_public, formless, invalid, need, not_such_a_key, wrap_point};
use crate::ck::*;
use crate::crypto::ec::{Curve, EcPublicKey};
use crate::crypto::hash::{self, Hash};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::broken;
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

pub(super) struct Bip32Pair;

/// Bytes of a chain code.
const CHAIN_CODE_LEN: usize = 32;

/// Bytes of an identifier that make a fingerprint.
pub const FINGERPRINT_LEN: usize = 4;

/// What names a key: RIPEMD-160 of SHA-256 of its compressed point.
///
/// # Errors
/// When the crypto library fails.
pub fn identifier(public: &EcPublicKey) -> Result<Vec<u8>> {
    let point = public.compressed().map_err(broken)?;
    let digest = hash::digest(Hash::Sha256, &point).map_err(broken)?;
    Ok(hash::ripemd160(&digest).to_vec())
}

impl Pair for Bip32Pair {
    fn bits(&self, attributes: &Template) -> Result<u64> {
        Ok(super::curve(attributes)?.bits() as u64)
    }

    fn admit(&self, class: CK_OBJECT_CLASS, attributes: &Template) -> Result<Template> {
        if super::curve(attributes)? != Curve::Secp256k1 {
            return Err(
                Error::new(Cause::CurveNotSupported, "BIP 32 is of secp256k1").about(CKA_EC_PARAMS)
            );
        }
        if need(attributes, CKA_BIP32_CHAIN_CODE)?.len() != CHAIN_CODE_LEN {
            return Err(invalid(CKA_BIP32_CHAIN_CODE, "a chain code has 32 bytes"));
        }
        if let Some(version) = attributes.bytes(CKA_BIP32_VERSION_BYTES)
            && ![4, size_of::<CK_ULONG>()].contains(&version.len())
        {
            return Err(invalid(CKA_BIP32_VERSION_BYTES, "a version is four bytes, or a number"));
        }
        let parent = attributes.bytes(CKA_BIP32_PARENT_FINGERPRINT);
        if parent.is_some_and(|parent| parent.len() != FINGERPRINT_LEN) {
            return Err(invalid(CKA_BIP32_PARENT_FINGERPRINT, "a fingerprint has 4 bytes"));
        }
        // A copy is parsed: what was parsed stays with an object, and this is none yet.
        let key_type = Some(CKK_BIP32);
        let key = Object::new(Class { class, key_type }, attributes.clone());
        let mut parts = Template::new();
        let identifier = if class == CKO_PRIVATE_KEY {
            identifier(&ec_private(&key)?.public().map_err(broken)?)?
        } else {
            let public = ec_public(&key)?;
            let point = public.point().map_err(broken)?;
            parts.set(Attribute::bytes(CKA_EC_POINT, wrap_point(&point)));
            identifier(&public)?
        };
        let fingerprint = identifier.get(..FINGERPRINT_LEN).unwrap_or_default().to_vec();
        parts.set(Attribute::bytes(CKA_BIP32_FINGERPRINT, fingerprint));
        parts.set(Attribute::bytes(CKA_BIP32_ID, identifier));
        Ok(parts)
    }

    fn to_pkcs8(&self, _key: &Object) -> Result<Zeroizing<Vec<u8>>> {
        Err(formless())
    }

    fn parse_pkcs8(&self, _bytes: &[u8]) -> Result<Template> {
        Err(not_such_a_key())
    }
}
