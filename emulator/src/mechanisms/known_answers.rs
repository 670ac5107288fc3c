//! Every mechanism of the families below against published answers, through its row: whole, in
//! parts, back again, and a wrong signature refused. A row without an answer fails.
//!
//! A case has `mechanism`, `key` (hexadecimal) and `type` (`CKK_` name) unless it is a digest, one of
//! `iv`, `length` (of a MAC or of a SHAKE's output, in bytes), `bit` (where a key is cut out),
//! `joined` (data combined with the key), the parts of a key derivation in counter mode, or nothing,
//! `data`, and `result` (ciphertext, MAC, digest or derived key). Key pairs have their own cases in [`pairs`].

mod pairs;

use std::collections::HashSet;
use std::sync::Arc;

use crate::ck::*;
use crate::crypto::hash::{Digest, digest};
use crate::crypto::vectors::{Case, cases};
use crate::error::Cause;
use crate::mechanisms::{
    Cipher, Digests, Limits, Params, Row, Signature, Use, aes_feedback, aes_gmac, cbc_mac, combine,
    md2, md5, prf_kdf, rows, sha3, sm3,
};
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

const FIELDS: [&str; 14] = [
    "mechanism",
    "key",
    "type",
    "iv",
    "length",
    "bit",
    "joined",
    "prf",
    "label",
    "context",
    "counter",
    "scheme",
    "data",
    "result",
];

/// A family and its answers.
static FAMILIES: &[(&[Row], &str)] = &[
    (aes_feedback::ROWS, include_str!("vectors/aes_feedback.txt")),
    (aes_gmac::ROWS, include_str!("vectors/aes_gmac.txt")),
    (cbc_mac::ROWS, include_str!("vectors/cbc_mac.txt")),
    (md5::ROWS, include_str!("vectors/md5.txt")),
    (md2::ROWS, include_str!("vectors/md2.txt")),
    (sha3::ROWS, include_str!("vectors/sha3.txt")),
    (sm3::ROWS, include_str!("vectors/sm3.txt")),
    (combine::ROWS, include_str!("vectors/combine.txt")),
    (prf_kdf::ROWS, include_str!("vectors/prf_kdf.txt")),
];

fn using(case: &Case, forward: bool) -> Use {
    let key_type = match case.text("type") {
        "CKK_AES" => CKK_AES,
        "CKK_GENERIC_SECRET" => CKK_GENERIC_SECRET,
        other => panic!("no key type {other}"),
    };
    let class = Class { class: CKO_SECRET_KEY, key_type: Some(key_type) };
    let attributes = Template::from_iter([Attribute::bytes(CKA_VALUE, case.bytes("key"))]);
    let limits = Limits { min_bits: 8, max_bits: 4096, fips: false };
    Use { key: Arc::new(Object::new(class, attributes)), params: params(case), limits, forward }
}

fn params(case: &Case) -> Params {
    let has = |name| case.names().any(|field| field == name);
    let number = |name| case.text(name).parse().unwrap();
    if has("iv") {
        Params::Iv(case.bytes("iv"))
    } else if has("length") {
        Params::Length(number("length"))
    } else if has("bit") {
        Params::Length(number("bit"))
    } else if has("joined") {
        Params::Data { iv: Vec::new(), data: case.bytes("joined") }
    } else if has("scheme") {
        Params::PrfKdf {
            prf: number("prf"),
            label: case.bytes("label"),
            context: case.bytes("context"),
            counter: number("counter"),
            scheme: number("scheme"),
        }
    } else {
        Params::None
    }
}

fn digests(digests: Digests, case: &Case) {
    let (data, result) = (case.bytes("data"), case.bytes("result"));
    let function = digests.function(&params(case)).unwrap();
    assert_eq!(function.len(), result.len());
    assert_eq!(digest(function, &data).unwrap(), result);
    for part in [1, 7, 64, 500] {
        let mut running = Digest::new(function).unwrap();
        data.chunks(part).for_each(|chunk| running.update(chunk));
        assert_eq!(running.try_clone().unwrap().finish().unwrap(), result, "parts of {part}");
        running.update(b"more");
        assert_ne!(running.finish().unwrap(), result);
    }
}

fn in_parts(cipher: &'static dyn Cipher, using: Use, input: &[u8], part: usize) -> Vec<u8> {
    let mut stream = cipher.start(using).unwrap();
    let mut out = Vec::new();
    for chunk in input.chunks(part) {
        let bound = stream.update_bound(chunk.len());
        let more = stream.update(chunk).unwrap();
        assert!(more.len() <= bound);
        out.extend(more);
    }
    let rest = stream.finish().unwrap();
    assert!(rest.len() <= stream.finish_bound().unwrap());
    out.extend(rest);
    out
}

fn ciphers(cipher: &'static dyn Cipher, case: &Case) {
    let (data, result) = (case.bytes("data"), case.bytes("result"));
    for (forward, from, into) in [(true, &data, &result), (false, &result, &data)] {
        let using = using(case, forward);
        cipher.prepare(&using).unwrap();
        let (least, most) = cipher.bounds(&using, from.len()).unwrap();
        assert!((least..=most).contains(&into.len()));
        assert_eq!(&cipher.once(&using, from).unwrap(), into);
        for part in [1, 7, 16, 33] {
            assert_eq!(&in_parts(cipher, using.clone(), from, part), into, "parts of {part}");
        }
    }
}

fn signs(signature: &'static dyn Signature, case: &Case) {
    let (data, result, using) = (case.bytes("data"), case.bytes("result"), using(case, true));
    signature.prepare(&using).unwrap();
    assert_eq!(signature.len(&using).unwrap(), result.len());
    for part in [1, 7, 16, 4096] {
        let mut feed = signature.feed(&using).unwrap();
        data.chunks(part).for_each(|chunk| feed.update(chunk).unwrap());
        let fed = feed.finish().unwrap();
        assert_eq!(signature.sign(&using, &fed).unwrap(), result, "parts of {part}");
        signature.verify(&using, &fed, &result).unwrap();
        let mut wrong = result.clone();
        wrong[0] ^= 1;
        let refused = signature.verify(&using, &fed, &wrong).unwrap_err();
        assert_eq!(refused.cause(), Cause::SignatureInvalid);
        let refused = signature.verify(&using, &fed, &wrong[1..]).unwrap_err();
        assert_eq!(refused.cause(), Cause::SignatureLenRange);
    }
}

#[test]
fn every_row_gives_the_published_answers() {
    for (family, file) in FAMILIES {
        let mut answered = HashSet::new();
        for case in cases(file) {
            assert!(case.names().all(|name| FIELDS.contains(&name)), "a field nobody reads");
            let name = case.text("mechanism");
            let row = family
                .iter()
                .find(|row| names::ckm(row.kind) == name)
                .unwrap_or_else(|| panic!("{name} is no row of the family"));
            answered.insert(row.kind);
            if let Some(cipher) = row.cipher {
                ciphers(cipher, &case);
            }
            if let Some(signature) = row.signature {
                signs(signature, &case);
            }
            if let Some(derive) = row.derive {
                assert!(case.bytes("data").is_empty(), "derived from the key alone");
                let result = case.bytes("result");
                let derived = derive(&using(&case, true), Some(result.len())).unwrap();
                assert_eq!(*derived, result);
            }
            if let Some(row) = row.digest {
                digests(row, &case);
            }
        }
        for row in family.iter().filter(|row| row.generate.is_none() && row.generate_pair.is_none())
        {
            assert!(answered.contains(&row.kind), "{} has no answer", names::ckm(row.kind));
            assert!(rows().any(|listed| listed.kind == row.kind), "the family is not listed");
        }
    }
}

#[test]
fn a_vector_of_another_length_is_refused() {
    let case = cases(include_str!("vectors/aes_feedback.txt")).remove(0);
    for row in aes_feedback::ROWS {
        let mut using = using(&case, true);
        using.params = Params::Iv(vec![0; 8]);
        assert!(row.cipher.unwrap().prepare(&using).is_err());
        using.params = Params::None;
        let refused = row.cipher.unwrap().prepare(&using).unwrap_err();
        assert_eq!(refused.cause(), Cause::MechanismParamInvalid);
    }
}
