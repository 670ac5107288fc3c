//! The families of key pairs below against published answers, through their rows: both halves admitted
//! and consistent with each other, signatures made (where they are deterministic) and verified, whole
//! and in parts, keys agreed on. A row without an answer fails.
//!
//! A case has `mechanism`, `type` (`CKK_` name), `params` (`CKA_EC_PARAMS`), `private` and `public`
//! (the bare point), then `data` and `result` of a signature, or `peer` and `result` of a derivation;
//! with `prehash` and `context` where EdDSA has its parameter.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ck::*;
use crate::crypto::pkcs8;
use crate::crypto::vectors::{Case, cases};
use crate::error::Cause;
use crate::mechanisms::{Limits, Params, Row, Signature, Use, ecdh, eddsa, keys, rows, x25519};
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

const FIELDS: [&str; 10] = [
    "mechanism",
    "type",
    "params",
    "private",
    "public",
    "data",
    "result",
    "peer",
    "prehash",
    "context",
];

static FAMILIES: &[(&[Row], &str)] = &[
    (eddsa::ROWS, include_str!("vectors/eddsa.txt")),
    (x25519::ROWS, include_str!("vectors/ecdh.txt")),
    (ecdh::ROWS, include_str!("vectors/ecdh.txt")),
];

fn using(case: &Case, class: CK_OBJECT_CLASS) -> Use {
    let key_type = names::CKK.iter().find(|(_, name)| *name == case.text("type")).unwrap().0;
    let class = Class { class, key_type: Some(key_type) };
    let mut attributes =
        Template::from_iter([Attribute::bytes(CKA_EC_PARAMS, case.bytes("params"))]);
    if class.class == CKO_PRIVATE_KEY {
        attributes.set(Attribute::bytes(CKA_VALUE, case.bytes("private")));
    } else {
        attributes.set(Attribute::bytes(CKA_EC_POINT, case.bytes("public")));
    }
    for part in keys::admit(class, &attributes).unwrap().0 {
        attributes.set(part);
    }
    if class.class == CKO_PUBLIC_KEY {
        let kept = attributes.bytes(CKA_EC_POINT).unwrap();
        assert_eq!(kept, keys::wrap_point(&case.bytes("public")));
    }
    let has = |name| case.names().any(|field| field == name);
    let params = if has("peer") {
        Params::Ecdh { kdf: CKD_NULL, shared: Vec::new(), public: case.bytes("peer") }
    } else if has("prehash") {
        Params::Eddsa { prehash: case.text("prehash") == "yes", context: case.bytes("context") }
    } else {
        Params::None
    };
    let limits = Limits { min_bits: 105, max_bits: 571, fips: false, former: false };
    let key = Arc::new(Object::new(class, attributes));
    limits.check(keys::bits(&key).unwrap()).unwrap();
    Use { key, others: Vec::new(), params, limits, forward: class.class == CKO_PRIVATE_KEY }
}

fn fed(signature: &dyn Signature, using: &Use, data: &[u8], part: usize) -> Vec<u8> {
    signature.prepare(using).unwrap();
    let mut feed = signature.feed(using).unwrap();
    data.chunks(part).for_each(|chunk| feed.update(chunk).unwrap());
    feed.finish().unwrap()
}

fn signs(signature: &dyn Signature, case: &Case) {
    let (data, result) = (case.bytes("data"), case.bytes("result"));
    let (private, public) = (using(case, CKO_PRIVATE_KEY), using(case, CKO_PUBLIC_KEY));
    assert_eq!(signature.len(&private).unwrap(), result.len());
    for part in [1, 7, 4096] {
        let message = fed(signature, &private, &data, part);
        assert_eq!(signature.sign(&private, &message).unwrap(), result, "parts of {part}");
        let message = fed(signature, &public, &data, part);
        signature.verify(&public, &message, &result).unwrap();
        let mut wrong = result.clone();
        wrong[0] ^= 1;
        let refused = signature.verify(&public, &message, &wrong).unwrap_err();
        assert_eq!(refused.cause(), Cause::SignatureInvalid);
        let refused = signature.verify(&public, &message, &wrong[1..]).unwrap_err();
        assert_eq!(refused.cause(), Cause::SignatureLenRange);
    }
}

/// The private half leaves as PKCS#8 and comes back the same.
fn travels(case: &Case) {
    let key = using(case, CKO_PRIVATE_KEY).key;
    let wrapped = keys::to_bytes(&key).unwrap();
    pkcs8::parse(&wrapped).unwrap();
    let back = keys::from_bytes(key.class(), &wrapped, &Template::new()).unwrap();
    assert_eq!(back.bytes(CKA_VALUE).unwrap(), case.bytes("private"));
    assert!(keys::admit(key.class(), &back).is_ok());
    let other = if case.text("type") == "CKK_EC" { CKK_EC_EDWARDS } else { CKK_EC };
    let class = Class { class: CKO_PRIVATE_KEY, key_type: Some(other) };
    let refused = keys::from_bytes(class, &wrapped, &Template::new()).unwrap_err();
    assert_eq!(refused.cause(), Cause::WrappedKeyInvalid);
}

#[test]
fn every_row_gives_the_published_answers() {
    for (family, file) in FAMILIES {
        let mut answered = HashSet::new();
        for case in cases(file) {
            assert!(case.names().all(|name| FIELDS.contains(&name)), "a field nobody reads");
            travels(&case);
            let Some(row) =
                family.iter().find(|row| names::ckm(row.kind) == case.text("mechanism"))
            else {
                continue;
            };
            answered.insert(row.kind);
            if let Some(signature) = row.signature {
                signs(signature, &case);
            }
            if let Some(derive) = row.derive {
                let using = using(&case, CKO_PRIVATE_KEY);
                assert_eq!(*derive(&using, None).unwrap(), case.bytes("result"));
                assert_eq!(*derive(&using, Some(8)).unwrap(), case.bytes("result")[24..]);
            }
        }
        for row in family.iter().filter(|row| row.generate_pair.is_none()) {
            assert!(answered.contains(&row.kind), "{} has no answer", names::ckm(row.kind));
        }
        let listed = |row: &Row| rows().any(|listed| listed.kind == row.kind);
        assert!(family.iter().all(listed), "the family is not listed");
    }
}

#[test]
fn pairs_made_here_fit_together() {
    let limits = Limits { min_bits: 105, max_bits: 571, fips: false, former: false };
    for (row, params, other) in [
        (&eddsa::ROWS[0], &b"\x06\x03\x2b\x65\x70"[..], &b"\x13\x0cedwards25519"[..]),
        (&x25519::ROWS[0], b"\x06\x03\x2b\x65\x6e", b"\x13\x0acurve25519"),
    ] {
        let generate = row.generate_pair.unwrap();
        let named =
            |params: &[u8]| Template::from_iter([Attribute::bytes(CKA_EC_PARAMS, params.to_vec())]);
        let none = Template::new();
        for (private, kept) in [(&none, params), (&named(other), other)] {
            let (public, private) =
                generate(&named(params), private, &Params::None, limits).unwrap();
            assert_eq!(public.bytes(CKA_EC_PARAMS).unwrap(), params);
            assert_eq!(private.bytes(CKA_EC_PARAMS).unwrap(), kept);
            for (class, half) in [(CKO_PUBLIC_KEY, &public), (CKO_PRIVATE_KEY, &private)] {
                keys::admit(Class { class, key_type: row.key }, half).unwrap();
            }
        }
        let p256 = named(b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
        for (public, private) in [(&p256, &none), (&named(params), &p256)] {
            let refused = generate(public, private, &Params::None, limits).unwrap_err();
            assert_eq!(refused.cause(), Cause::CurveNotSupported);
        }
        let refused = generate(&none, &none, &Params::None, limits).unwrap_err();
        assert_eq!(refused.cause(), Cause::TemplateIncomplete);
    }
}
