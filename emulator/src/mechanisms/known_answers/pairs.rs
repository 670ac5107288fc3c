//! Signatures of key pairs: published ones verify and altered ones do not; where the case has the
//! private exponent too, it signs the same.
//!
//! An RSA case has `n`, `e` and perhaps `d`; an ECDSA case `curve` (parameters) and `point`. PSS has
//! `hash` (`CKM_` name), `mgf` (number) and `salt` (bytes). The rest as in every case.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ck::*;
use crate::crypto::vectors::{Case, cases};
use crate::error::Cause;
use crate::mechanisms::{Limits, Params, Row, Use, find, keys, rows, rsa_x931};
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

const FIELDS: [&str; 11] =
    ["mechanism", "n", "e", "d", "curve", "point", "hash", "mgf", "salt", "data", "result"];

/// Signatures over SHA-3: rows of families whose others are proven elsewhere.
const SHA3: [CK_MECHANISM_TYPE; 12] = [
    CKM_SHA3_224_RSA_PKCS,
    CKM_SHA3_256_RSA_PKCS,
    CKM_SHA3_384_RSA_PKCS,
    CKM_SHA3_512_RSA_PKCS,
    CKM_SHA3_224_RSA_PKCS_PSS,
    CKM_SHA3_256_RSA_PKCS_PSS,
    CKM_SHA3_384_RSA_PKCS_PSS,
    CKM_SHA3_512_RSA_PKCS_PSS,
    CKM_ECDSA_SHA3_224,
    CKM_ECDSA_SHA3_256,
    CKM_ECDSA_SHA3_384,
    CKM_ECDSA_SHA3_512,
];

fn number(name: &str) -> CK_MECHANISM_TYPE {
    rows()
        .map(|row| row.kind)
        .find(|kind| names::ckm(*kind) == name)
        .unwrap_or_else(|| panic!("{name} is no row"))
}

fn has(case: &Case, name: &str) -> bool {
    case.names().any(|field| field == name)
}

fn using(case: &Case, class: CK_OBJECT_CLASS) -> Use {
    let part = |kind, name| Attribute::bytes(kind, case.bytes(name));
    let (key_type, mut attributes) = if has(case, "n") {
        (CKK_RSA, vec![part(CKA_MODULUS, "n"), part(CKA_PUBLIC_EXPONENT, "e")])
    } else {
        let point = keys::wrap_point(&case.bytes("point"));
        (CKK_EC, vec![part(CKA_EC_PARAMS, "curve"), Attribute::bytes(CKA_EC_POINT, point)])
    };
    if class == CKO_PRIVATE_KEY {
        attributes.push(part(CKA_PRIVATE_EXPONENT, "d"));
    }
    let params = if has(case, "salt") {
        Params::Pss {
            hash: number(case.text("hash")),
            mgf: case.text("mgf").parse().unwrap(),
            salt_len: case.text("salt").parse().unwrap(),
        }
    } else {
        Params::None
    };
    Use {
        key: Arc::new(Object::new(
            Class { class, key_type: Some(key_type) },
            Template::from_iter(attributes),
        )),
        others: Vec::new(),
        params,
        limits: Limits { min_bits: 105, max_bits: 8192, fips: false, former: false },
        forward: class == CKO_PRIVATE_KEY,
    }
}

fn check(row: &Row, case: &Case) {
    let signature = row.signature.unwrap();
    let (data, result) = (case.bytes("data"), case.bytes("result"));
    let public = using(case, CKO_PUBLIC_KEY);
    signature.prepare(&public).unwrap();
    assert_eq!(signature.len(&public).unwrap(), result.len());
    let mut fed = Vec::new();
    for part in [5, 4096] {
        let mut feed = signature.feed(&public).unwrap();
        data.chunks(part).for_each(|chunk| feed.update(chunk).unwrap());
        fed = feed.finish().unwrap();
        signature.verify(&public, &fed, &result).unwrap();
    }
    for at in [0, result.len() / 2, result.len() - 1] {
        let mut wrong = result.clone();
        wrong[at] ^= 1;
        let refused = signature.verify(&public, &fed, &wrong).unwrap_err();
        assert_eq!(refused.cause(), Cause::SignatureInvalid, "byte {at}");
    }
    let mut other = fed.clone();
    other[0] ^= 1;
    assert!(signature.verify(&public, &other, &result).is_err());
    if has(case, "d") {
        let private = using(case, CKO_PRIVATE_KEY);
        signature.prepare(&private).unwrap();
        assert_eq!(signature.sign(&private, &fed).unwrap(), result);
    }
}

fn all(file: &str) -> HashSet<CK_MECHANISM_TYPE> {
    let mut answered = HashSet::new();
    for case in cases(file) {
        assert!(case.names().all(|name| FIELDS.contains(&name)), "a field nobody reads");
        let kind = number(case.text("mechanism"));
        check(find(kind).unwrap(), &case);
        answered.insert(kind);
    }
    answered
}

#[test]
fn signatures_over_sha3() {
    assert_eq!(all(include_str!("../vectors/signatures_sha3.txt")), HashSet::from(SHA3));
}

#[test]
fn signatures_of_smart_metering() {
    let answered = all(include_str!("../vectors/ecdsa_gbcs.txt"));
    assert_eq!(answered, HashSet::from([CKM_ECDSA_GBCS_SHA256]));
}

#[test]
fn signatures_of_x9_31() {
    let answered = all(include_str!("../vectors/rsa_x931.txt"));
    assert_eq!(answered, rsa_x931::ROWS.iter().map(|row| row.kind).collect());
}
