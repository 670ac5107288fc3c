//! Known answers through the rows: messages and `mu` from Wycheproof, digests by another library.

use super::*;
use crate::crypto::hash::digest;
use crate::crypto::vectors::{Case, cases};
use crate::mechanisms::find;
use crate::object::Attribute;
use crate::object::rules::Class;
use std::collections::HashSet;
use std::sync::Arc;

fn key(class: CK_OBJECT_CLASS, set: &str, kind: CK_ATTRIBUTE_TYPE, value: Vec<u8>) -> Arc<Object> {
    let class = Class { class, key_type: Some(CKK_ML_DSA) };
    let number = match set {
        "MlDsa44" => CKP_ML_DSA_44,
        "MlDsa65" => CKP_ML_DSA_65,
        _ => CKP_ML_DSA_87,
    };
    let mut attributes = Template::from_iter([
        Attribute::number(CKA_PARAMETER_SET, number),
        Attribute::bytes(kind, value),
    ]);
    for part in keys::admit(class, &attributes).unwrap().0 {
        attributes.set(part);
    }
    Arc::new(Object::new(class, attributes))
}

fn using(key: &Arc<Object>, context: &[u8], hash: Option<CK_MECHANISM_TYPE>) -> Use {
    let limits = Limits { min_bits: 10496, max_bits: 20736, fips: false, former: false };
    limits.check(keys::bits(key).unwrap()).unwrap();
    let params =
        Params::SignContext { hedge: CKH_DETERMINISTIC_REQUIRED, context: context.to_vec(), hash };
    Use { key: Arc::clone(key), others: Vec::new(), params, limits, forward: true }
}

fn signed(kind: CK_MECHANISM_TYPE, using: &Use, data: &[u8], part: usize) -> Vec<u8> {
    let signature = find(kind).unwrap().signature.unwrap();
    signature.sign(using, &fed(signature, using, data, part)).unwrap()
}

fn fed(signature: &dyn Signature, using: &Use, data: &[u8], part: usize) -> Vec<u8> {
    signature.prepare(using).unwrap();
    let mut feed = signature.feed(using).unwrap();
    data.chunks(part).for_each(|chunk| feed.update(chunk).unwrap());
    feed.finish().unwrap()
}

fn verifies(kind: CK_MECHANISM_TYPE, using: &Use, data: &[u8], made: &[u8]) {
    let signature = find(kind).unwrap().signature.unwrap();
    let message = fed(signature, using, data, 5);
    signature.verify(using, &message, made).unwrap();
    let mut wrong = made.to_vec();
    wrong[0] ^= 1;
    let refused = signature.verify(using, &message, &wrong).unwrap_err();
    assert_eq!(refused.cause(), Cause::SignatureInvalid);
    let refused = signature.verify(using, &message, &made[1..]).unwrap_err();
    assert_eq!(refused.cause(), Cause::SignatureLenRange);
}

#[test]
fn messages_and_mu_give_the_published_signatures() {
    let all = cases(include_str!("../../crypto/vectors/lattice.txt"));
    let ours = |case: &&Case| case.text("set").starts_with("MlDsa");
    let mut walked = 0;
    for case in all.iter().filter(ours) {
        let set = case.text("set");
        let private = key(CKO_PRIVATE_KEY, set, CKA_SEED, case.bytes("seed"));
        let public = key(CKO_PUBLIC_KEY, set, CKA_VALUE, case.bytes("public"));
        let (message, context) = (case.bytes("message"), case.bytes("context"));
        for (kind, data, context) in
            [(CKM_ML_DSA, &message, &context[..]), (CKM_EXTMU_ML_DSA, &case.bytes("mu"), b"")]
        {
            for part in [1, 7, 4096] {
                let made = signed(kind, &using(&private, context, None), data, part);
                assert_eq!(made, case.bytes("signature"), "{}", names::ckm(kind));
            }
            verifies(kind, &using(&public, context, None), data, &case.bytes("signature"));
        }
        walked += 1;
    }
    assert_eq!(walked, 6);
}

#[test]
fn digests_give_the_signatures_of_another_library() {
    let private = key(CKO_PRIVATE_KEY, "MlDsa44", CKA_SEED, vec![0x2a; 32]);
    let value = keys::lattice_private(&private, SETS).unwrap().public().unwrap();
    let public = key(CKO_PUBLIC_KEY, "MlDsa44", CKA_VALUE, value);
    let mut answered = HashSet::from([CKM_ML_DSA, CKM_EXTMU_ML_DSA, CKM_HASH_ML_DSA]);
    for case in cases(include_str!("../vectors/hash_ml_dsa.txt")) {
        let number = |name| names::CKM.iter().find(|row| row.1 == case.text(name)).unwrap().0;
        let (kind, hash) = (number("mechanism"), number("hash"));
        let hashed = signed(kind, &using(&private, b"ctx", None), b"Hello world", 3);
        let print = digest(Hash::Sha256, &hashed).unwrap();
        assert_eq!(print, case.bytes("signature_sha256"), "{}", names::ckm(kind));
        let by_caller = using(&private, b"ctx", Some(hash));
        let digest = case.bytes("digest");
        assert_eq!(signed(CKM_HASH_ML_DSA, &by_caller, &digest, 9), hashed);
        verifies(kind, &using(&public, b"ctx", None), b"Hello world", &hashed);
        verifies(CKM_HASH_ML_DSA, &using(&public, b"ctx", Some(hash)), &digest, &hashed);
        answered.insert(kind);
    }
    for row in ROWS.iter().filter(|row| row.signature.is_some()) {
        assert!(answered.contains(&row.kind), "{} has no answer", names::ckm(row.kind));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let private = key(CKO_PRIVATE_KEY, "MlDsa44", CKA_SEED, vec![0x2a; 32]);
    let with = |params| Use { params, ..using(&private, b"", None) };
    let context = |hedge, len| Params::SignContext { hedge, context: vec![0; len], hash: None };
    let prepare = |kind, params| {
        find(kind).unwrap().signature.unwrap().prepare(&with(params)).map_err(|error| error.cause())
    };
    assert_eq!(prepare(CKM_ML_DSA, context(CKH_HEDGE_REQUIRED, 255)), Ok(()));
    let wrong = Err(Cause::MechanismParamInvalid);
    assert_eq!(prepare(CKM_ML_DSA, context(3, 0)), wrong);
    assert_eq!(prepare(CKM_ML_DSA, context(0, 256)), wrong);
    assert_eq!(prepare(CKM_EXTMU_ML_DSA, context(0, 1)), wrong);
    assert_eq!(prepare(CKM_HASH_ML_DSA, context(0, 0)), wrong, "which hash?");
    assert_eq!(prepare(CKM_HASH_ML_DSA, Params::None), wrong);
    for (kind, hash, len) in [(CKM_EXTMU_ML_DSA, None, 63), (CKM_HASH_ML_DSA, Some(CKM_SHA256), 33)]
    {
        let signature = find(kind).unwrap().signature.unwrap();
        let refused = signature.sign(&using(&private, b"", hash), &vec![0; len]).unwrap_err();
        assert_eq!(refused.cause(), Cause::DataLenRange);
    }
}

#[test]
fn a_private_key_comes_as_value_seed_or_both() {
    let class = Class { class: CKO_PRIVATE_KEY, key_type: Some(CKK_ML_DSA) };
    let seeded = key(CKO_PRIVATE_KEY, "MlDsa65", CKA_SEED, vec![7; 32]);
    let value = seeded.attributes().bytes(CKA_VALUE).unwrap().to_vec();
    let expanded = key(CKO_PRIVATE_KEY, "MlDsa65", CKA_VALUE, value);
    let signature = find(CKM_ML_DSA).unwrap().signature.unwrap();
    let refused = signature.sign(&using(&expanded, b"", None), &[1; MU_LEN]).unwrap_err();
    assert_eq!(refused.cause(), Cause::MechanismParamInvalid, "no seed, no determinism");
    let hedged = Use { params: Params::None, ..using(&expanded, b"", None) };
    signature.sign(&hedged, &[1; MU_LEN]).unwrap();
    let mut both = seeded.attributes().clone();
    keys::admit(class, &both).unwrap();
    both.set(Attribute::bytes(CKA_SEED, vec![8; 32]));
    let refused = keys::admit(class, &both).unwrap_err();
    assert_eq!(refused.cause(), Cause::AttributeValueInvalid);
    let wrapped = keys::to_bytes(&seeded).unwrap();
    let back = keys::from_bytes(class, &wrapped, &Template::new()).unwrap();
    assert_eq!(back.bytes(CKA_SEED), Some(&[7; 32][..]));
    assert_eq!(back.number(CKA_PARAMETER_SET), Some(CKP_ML_DSA_65));
    assert_eq!(keys::to_bytes(&expanded).unwrap_err().cause(), Cause::KeyNotWrappable);
    let kem = Class { key_type: Some(CKK_ML_KEM), ..class };
    let refused = keys::from_bytes(kem, &wrapped, &Template::new()).unwrap_err();
    assert_eq!(refused.cause(), Cause::WrappedKeyInvalid);
}
