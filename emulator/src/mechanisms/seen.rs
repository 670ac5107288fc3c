//! What can be seen of a key without its being told: fingerprints, check values, and what else a
//! token works out when it is asked for an attribute.
//!
//! Nothing here is stored. Sources: `CKA_CHECK_VALUE` from PKCS#11 v2.40 sections 4.9 and 4.10; the
//! lengths of fingerprints from larskanis/pkcs11's tests on a device and the vendor's KMU
//! (Observed, Documented); what they are taken over is published nowhere (Assumed: what names the
//! key, so that both halves of an RSA or EC pair have the same).

use std::borrow::Cow;
use std::sync::Arc;

use crate::ck::*;
use crate::crypto::hash::{Hash, digest};
use crate::mechanisms::{self, Limits, Params, Use, keys};
use crate::object::held::Object;
use crate::object::{Attribute, Value};

/// Key types whose check value is an encrypted block of zeros: the mechanism, and its block.
const ENCRYPTED: &[(CK_KEY_TYPE, CK_MECHANISM_TYPE, usize)] = &[
    (CKK_AES, CKM_AES_ECB, 16),
    (CKK_DES, CKM_DES_ECB, 8),
    (CKK_DES2, CKM_DES3_ECB, 8),
    (CKK_DES3, CKM_DES3_ECB, 8),
    (CKK_CAST3, CKM_CAST3_ECB, 8),
    (CKK_CAST5, CKM_CAST5_ECB, 8),
    (CKK_ARIA, CKM_ARIA_ECB, 16),
    (CKK_SM4, CKM_SM4_ECB, 16),
];

/// Bytes of a check value.
const CHECK_VALUE: usize = 3;

/// An attribute that is worked out when asked for; none where the object has no such attribute, or
/// it is stored as any other.
pub fn attribute(object: &Object, kind: CK_ATTRIBUTE_TYPE) -> Option<Attribute> {
    // Asked of every attribute that is not stored: most are none of these.
    if !matches!(
        kind,
        CKA_FINGERPRINT_SHA1
            | CKA_FINGERPRINT_SHA256
            | CKA_CHECK_VALUE
            | CKA_USAGE_COUNT
            | CKA_X9_31_GENERATED
    ) {
        return None;
    }
    object.class().rule(kind)?;
    match kind {
        CKA_FINGERPRINT_SHA1 => fingerprint(object, kind, Hash::Sha1),
        CKA_FINGERPRINT_SHA256 => fingerprint(object, kind, Hash::Sha256),
        CKA_CHECK_VALUE => check_value(object),
        // A key without a limit does not count (Assumed); it was used no times that matter.
        CKA_USAGE_COUNT => Some(Attribute::number(kind, 0)),
        // By its name, and by the name of the mechanism (Assumed).
        CKA_X9_31_GENERATED => {
            let made_by = object.attributes().number(CKA_KEY_GEN_MECHANISM);
            Some(Attribute::flag(kind, made_by == Some(CKM_RSA_X9_31_KEY_PAIR_GEN)))
        }
        _ => None,
    }
}

fn fingerprint(object: &Object, kind: CK_ATTRIBUTE_TYPE, hash: Hash) -> Option<Attribute> {
    let print = digest(hash, &identity(object)?).ok()?;
    Some(Attribute::bytes(kind, print))
}

/// The bytes that tell a key from every other.
fn identity(object: &Object) -> Option<Cow<'_, [u8]>> {
    let stored = |kind| object.attributes().bytes(kind).map(Cow::Borrowed);
    match (object.class().class, object.class().key_type) {
        (_, Some(CKK_RSA)) => stored(CKA_MODULUS),
        (CKO_PUBLIC_KEY, Some(CKK_EC | CKK_BIP32)) => stored(CKA_EC_POINT),
        (CKO_PRIVATE_KEY, Some(CKK_EC | CKK_BIP32)) => {
            let point = keys::ec_private(object).ok()?.public().ok()?.point().ok()?;
            Some(Cow::Owned(keys::wrap_point(&point)))
        }
        (CKO_PRIVATE_KEY, Some(CKK_EC_EDWARDS)) => {
            let public = keys::ed25519_private(object).ok()?.public();
            Some(Cow::Owned(keys::wrap_point(public.bytes())))
        }
        (CKO_PRIVATE_KEY, Some(CKK_EC_MONTGOMERY)) => {
            let public = keys::x25519_private(object).ok()?.public();
            Some(Cow::Owned(keys::wrap_point(&public)))
        }
        (CKO_PRIVATE_KEY, Some(CKK_ML_DSA)) => {
            keys::lattice_private(object, keys::ML_DSA).ok()?.public().ok().map(Cow::Owned)
        }
        (CKO_PRIVATE_KEY, Some(CKK_ML_KEM)) => {
            keys::lattice_private(object, keys::ML_KEM).ok()?.public().ok().map(Cow::Owned)
        }
        _ => stored(CKA_VALUE).or_else(|| stored(CKA_EC_POINT)),
    }
}

fn check_value(object: &Object) -> Option<Attribute> {
    let class = object.class();
    if class.class != CKO_SECRET_KEY {
        return None;
    }
    let value = object.attributes().bytes(CKA_VALUE)?;
    let encrypted = ENCRYPTED
        .iter()
        .find(|(key_type, ..)| Some(*key_type) == class.key_type)
        .and_then(|(_, mechanism, block)| encrypted_zeros(object, *mechanism, *block));
    let mut check = match encrypted {
        Some(block) => block,
        None => digest(Hash::Sha1, value).ok()?,
    };
    check.truncate(CHECK_VALUE);
    Some(Attribute::bytes(CKA_CHECK_VALUE, check))
}

/// A copy of the key runs, since a parsed key may be kept in the object that is used.
fn encrypted_zeros(object: &Object, kind: CK_MECHANISM_TYPE, block: usize) -> Option<Vec<u8>> {
    let using = Use {
        key: Arc::new(Object::new(object.class(), object.attributes().clone())),
        others: Vec::new(),
        params: Params::None,
        limits: Limits { min_bits: 0, max_bits: u64::MAX, fips: false, former: false },
        forward: true,
    };
    mechanisms::find(kind)?.cipher?.once(&using, &vec![0; block]).ok()
}

/// Whether a check value that a caller gave is this key's. Giving an empty one says nothing.
pub fn agrees(object: &Object, given: &Attribute) -> bool {
    match &given.value {
        Value::Bytes(bytes) if bytes.is_empty() => true,
        _ => check_value(object).is_some_and(|own| own.value == given.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Template;
    use crate::object::rules::Class;

    fn secret(key_type: CK_KEY_TYPE, value: &[u8]) -> Object {
        let class = Class { class: CKO_SECRET_KEY, key_type: Some(key_type) };
        Object::new(class, Template::from_iter([Attribute::bytes(CKA_VALUE, value)]))
    }

    /// AES-128 of zeros under a key of zeros begins 66e94b (FIPS 197 arithmetic, in every suite of
    /// answers); SHA-1 of nothing but a zero byte begins 5ba93c. DES with a key of zeros but for its
    /// parity makes 8ca64d of zeros, and so does triple DES with that key three times.
    #[test]
    fn check_values() {
        for (key_type, value, begins) in [
            (CKK_AES, &[0; 16][..], [0x66, 0xe9, 0x4b]),
            (CKK_GENERIC_SECRET, &[0], [0x5b, 0xa9, 0x3c]),
            (CKK_DES, &[1; 8], [0x8c, 0xa6, 0x4d]),
            (CKK_DES2, &[1; 16], [0x8c, 0xa6, 0x4d]),
            (CKK_DES3, &[1; 24], [0x8c, 0xa6, 0x4d]),
        ] {
            let check = attribute(&secret(key_type, value), CKA_CHECK_VALUE).unwrap();
            assert_eq!(check.as_bytes(), Some(&begins[..]));
        }
    }

    #[test]
    fn a_check_value_that_is_given_must_agree() {
        let object = secret(CKK_AES, &[0; 16]);
        for (given, fits) in
            [(&[0x66, 0xe9, 0x4b][..], true), (&[], true), (&[1, 2, 3], false), (&[0x66], false)]
        {
            assert_eq!(agrees(&object, &Attribute::bytes(CKA_CHECK_VALUE, given)), fits);
        }
    }

    #[test]
    fn what_a_class_lacks_is_not_worked_out() {
        let class = Class { class: CKO_DATA, key_type: None };
        let object = Object::new(class, Template::from_iter([Attribute::bytes(CKA_VALUE, *b"x")]));
        for kind in [CKA_FINGERPRINT_SHA1, CKA_CHECK_VALUE, CKA_USAGE_COUNT] {
            assert_eq!(attribute(&object, kind), None);
        }
    }
}
