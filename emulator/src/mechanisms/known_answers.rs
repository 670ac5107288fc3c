//! Every mechanism of the families below against published answers, through its row: whole, in
//! parts, back again, and a wrong signature refused. A row without an answer fails.
//!
//! A case has `mechanism`, `key` (hexadecimal) and `type` (`CKK_` name) unless it is a digest, what its
//! parameter wants of `iv`, `tweak` (a second key), `length` (of a MAC or of a SHAKE's output, in bytes), `counter` (bits; the
//! block is `iv`), `effective_bits` (RC2), `word` and `rounds` (RC5), `bit` (where a key is cut out),
//! `joined` (data combined with the key), the parts of a key derivation in counter mode, then `data`,
//! and `result` (ciphertext, MAC, digest or derived key). Key pairs have their own cases in [`pairs`].

mod pairs;

use std::collections::HashSet;
use std::sync::Arc;

use crate::ck::*;
use crate::crypto::hash::{Digest, digest};
use crate::crypto::vectors::{Case, cases};
use crate::error::Cause;
use crate::mechanisms::{
    Cipher, Digests, Limits, Params, Row, Shape, Signature, Use, aes, aes_gmac, aes_xts, aria,
    cast5, combine, des, des3, md2, md5, prf_kdf, rc2, rc4, rc5, rows, sha3, sm3, sm4,
};
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

const FIELDS: [&str; 18] = [
    "mechanism",
    "key",
    "type",
    "iv",
    "tweak",
    "length",
    "bit",
    "joined",
    "prf",
    "label",
    "context",
    "counter",
    "scheme",
    "effective_bits",
    "word",
    "rounds",
    "data",
    "result",
];

/// A family and its answers.
static FAMILIES: &[(&[Row], &str)] = &[
    (aes::ROWS, include_str!("vectors/aes.txt")),
    (aes_gmac::ROWS, include_str!("vectors/aes_gmac.txt")),
    (aes_xts::ROWS, include_str!("vectors/aes_xts.txt")),
    (des::ROWS, include_str!("vectors/des.txt")),
    (des3::ROWS, include_str!("vectors/des3.txt")),
    (rc2::ROWS, include_str!("vectors/rc2.txt")),
    (rc4::ROWS, include_str!("vectors/rc4.txt")),
    (rc5::ROWS, include_str!("vectors/rc5.txt")),
    (cast5::ROWS, include_str!("vectors/cast5.txt")),
    (aria::ROWS, include_str!("vectors/aria.txt")),
    (sm4::ROWS, include_str!("vectors/sm4.txt")),
    (md5::ROWS, include_str!("vectors/md5.txt")),
    (md2::ROWS, include_str!("vectors/md2.txt")),
    (sha3::ROWS, include_str!("vectors/sha3.txt")),
    (sm3::ROWS, include_str!("vectors/sm3.txt")),
    (combine::ROWS, include_str!("vectors/combine.txt")),
    (prf_kdf::ROWS, include_str!("vectors/prf_kdf.txt")),
];

fn key_type(case: &Case) -> CK_KEY_TYPE {
    let name = case.text("type");
    let row = names::CKK.iter().find(|(_, own)| *own == name);
    row.unwrap_or_else(|| panic!("no key type {name}")).0
}

fn params(case: &Case, shape: Shape) -> Params {
    let has = |name| case.names().any(|field| field == name);
    let number = |name| case.text(name).parse().unwrap();
    let iv = || has("iv").then(|| case.bytes("iv"));
    let mac_len = has("length").then(|| number("length"));
    match shape {
        Shape::Rc2(_) => {
            Params::Rc2 { effective_bits: number("effective_bits"), iv: iv(), mac_len }
        }
        Shape::Rc5(_) => {
            let (word_bytes, rounds) = (number("word"), number("rounds"));
            Params::Rc5 { word_bytes, rounds, iv: iv(), mac_len }
        }
        Shape::Xts => {
            let place = case.bytes("iv").try_into().unwrap();
            Params::Xts { tweak_key: ObjectHandle(1), place }
        }
        Shape::Ctr(_) => Params::Ctr { counter_bits: number("counter"), block: case.bytes("iv") },
        Shape::Data if has("joined") => Params::Data { iv: Vec::new(), data: case.bytes("joined") },
        Shape::Data | Shape::IvAndData(_) => {
            Params::Data { iv: iv().unwrap_or_default(), data: case.bytes("data") }
        }
        Shape::PrfKdf => Params::PrfKdf {
            prf: number("prf"),
            label: case.bytes("label"),
            context: case.bytes("context"),
            counter: number("counter"),
            scheme: number("scheme"),
        },
        _ if has("bit") => Params::Length(number("bit")),
        _ => match (iv(), mac_len) {
            (Some(iv), _) => Params::Iv(iv),
            (None, Some(len)) => Params::Length(len),
            (None, None) => Params::None,
        },
    }
}

fn using(case: &Case, row: &Row, forward: bool) -> Use {
    let class = Class { class: CKO_SECRET_KEY, key_type: Some(key_type(case)) };
    assert!(row.key.is_none() || row.takes(class.key_type), "the row takes no such key");
    let key = |field| {
        let usages = [CKA_ENCRYPT, CKA_DECRYPT].map(|kind| Attribute::flag(kind, true));
        let value = Attribute::bytes(CKA_VALUE, case.bytes(field));
        Arc::new(Object::new(class, Template::from_iter(usages.into_iter().chain([value]))))
    };
    let limits = Limits { min_bits: 8, max_bits: 4096, fips: false, former: false };
    let others = case.names().filter(|name| *name == "tweak").map(key).collect();
    Use { key: key("key"), others, params: params(case, row.shape), limits, forward }
}

fn digests(digests: Digests, row: &Row, case: &Case) {
    let (data, result) = (case.bytes("data"), case.bytes("result"));
    let function = digests.function(&params(case, row.shape)).unwrap();
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

fn ciphers(cipher: &'static dyn Cipher, row: &Row, case: &Case) {
    let (data, result) = (case.bytes("data"), case.bytes("result"));
    for (forward, from, into) in [(true, &data, &result), (false, &result, &data)] {
        let using = using(case, row, forward);
        cipher.prepare(&using).unwrap();
        let (least, most) = cipher.bounds(&using, from.len()).unwrap();
        assert!((least..=most).contains(&into.len()));
        assert_eq!(&cipher.once(&using, from).unwrap(), into);
        for part in [1, 7, 16, 33] {
            assert_eq!(&in_parts(cipher, using.clone(), from, part), into, "parts of {part}");
        }
    }
}

fn signs(signature: &'static dyn Signature, row: &Row, case: &Case) {
    let (data, result, using) = (case.bytes("data"), case.bytes("result"), using(case, row, true));
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
                ciphers(cipher, row, &case);
            }
            if let Some(signature) = row.signature {
                signs(signature, row, &case);
            }
            if let Some(derive) = row.derive {
                let using = using(&case, row, true);
                let told = matches!(using.params, Params::Data { .. });
                assert!(told || case.bytes("data").is_empty(), "derived from the key alone");
                let result = case.bytes("result");
                assert_eq!(*derive(&using, Some(result.len())).unwrap(), result);
            }
            if let Some(digest) = row.digest {
                digests(digest, row, &case);
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
    for (family, file) in FAMILIES {
        for case in cases(file) {
            let row = family.iter().find(|row| names::ckm(row.kind) == case.text("mechanism"));
            let Some((row, cipher)) = row.and_then(|row| Some((row, row.cipher?))) else {
                continue;
            };
            let mut using = using(&case, row, true);
            let mut wrong = Vec::new();
            match &using.params {
                Params::Iv(iv) => wrong.push(Params::Iv(vec![0; iv.len() - 1])),
                Params::Ctr { block, .. } => {
                    for counter_bits in [0, block.len() as u64 * 8 + 1] {
                        wrong.push(Params::Ctr { counter_bits, block: block.clone() });
                    }
                    wrong.push(Params::Ctr { counter_bits: 8, block: vec![0; block.len() + 1] });
                }
                Params::Rc2 { iv: Some(_), effective_bits, .. } => {
                    let effective_bits = *effective_bits;
                    wrong.push(Params::Rc2 { effective_bits, iv: None, mac_len: None });
                }
                Params::Rc5 { iv: Some(_), rounds, .. } => {
                    let (iv, rounds, mac_len) = (Some(vec![0; 12]), *rounds, None);
                    wrong.push(Params::Rc5 { word_bytes: 4, rounds, iv, mac_len });
                }
                _ => continue,
            }
            wrong.push(Params::None);
            for params in wrong {
                using.params = params;
                let refused = cipher.prepare(&using).unwrap_err();
                assert_eq!(refused.cause(), Cause::MechanismParamInvalid, "{:?}", using.params);
            }
        }
    }
}
