//! `ECParameters` in DER (SEC 1 appendix C.2), from its parts.

use super::der::{BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, wrapped};

/// 1.2.840.10045.1.1, 1.2.840.10045.1.2 and the bases below the latter.
const PRIME_FIELD: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01, 0x01];
const BINARY_FIELD: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01, 0x02];
const TRINOMIAL: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01, 0x02, 0x03, 0x02];
const PENTANOMIAL: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01, 0x02, 0x03, 0x03];

/// Everything but the field.
#[derive(Debug)]
pub struct Part {
    /// As long as an element of the field.
    pub a: Vec<u8>,
    /// As `a`.
    pub b: Vec<u8>,
    /// What the curve was drawn from.
    pub seed: Option<Vec<u8>>,
    /// The base point, uncompressed.
    pub point: Vec<u8>,
    /// Big-endian.
    pub order: Vec<u8>,
    /// Big-endian.
    pub cofactor: Option<Vec<u8>>,
}

/// A positive INTEGER in its shortest form.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    wrapped(INTEGER, &[sign, digits]).to_vec()
}

/// The `FieldID` of a prime field.
#[must_use]
pub fn prime_field(prime: &[u8]) -> Vec<u8> {
    let kind = wrapped(OBJECT_IDENTIFIER, &[PRIME_FIELD]);
    wrapped(SEQUENCE, &[&kind, &integer(prime)]).to_vec()
}

/// The `FieldID` of a binary field with one exponent between, or three.
#[must_use]
pub fn binary_field(m: u64, k: &[u64]) -> Vec<u8> {
    let number = |value: u64| integer(&value.to_be_bytes());
    let exponents: Vec<u8> = k.iter().flat_map(|exponent| number(*exponent)).collect();
    let (basis, exponents) = if k.len() == 1 {
        (TRINOMIAL, exponents)
    } else {
        (PENTANOMIAL, wrapped(SEQUENCE, &[&exponents]).to_vec())
    };
    let basis = wrapped(OBJECT_IDENTIFIER, &[basis]);
    let characteristic = wrapped(SEQUENCE, &[&number(m), &basis, &exponents]);
    wrapped(SEQUENCE, &[&wrapped(OBJECT_IDENTIFIER, &[BINARY_FIELD]), &characteristic]).to_vec()
}

/// The whole.
#[must_use]
pub fn parameters(field: &[u8], part: &Part) -> Vec<u8> {
    let seed = part.seed.as_ref().map(|seed| wrapped(BIT_STRING, &[&[0], seed]));
    let seed = seed.as_deref().map_or(&[][..], Vec::as_slice);
    let a = wrapped(OCTET_STRING, &[&part.a]);
    let b = wrapped(OCTET_STRING, &[&part.b]);
    let curve = wrapped(SEQUENCE, &[&a, &b, seed]);
    let point = wrapped(OCTET_STRING, &[&part.point]);
    let cofactor = part.cofactor.as_deref().map_or_else(Vec::new, integer);
    wrapped(SEQUENCE, &[&integer(&[1]), field, &curve, &point, &integer(&part.order), &cofactor])
        .to_vec()
}
