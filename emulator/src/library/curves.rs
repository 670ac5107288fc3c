//! Explicit curve parameters in DER: `ECParameters` of X9.62 (SEC 1 appendix C.2).
//!
//! The file of `CA_EncodeECParamsFromFile` has a line for each part, `name = hexadecimal digits` (the
//! vendor's form is not published; Assumed), with the names `prime`, or `m`, `k1`, `k2`, `k3` for a binary
//! field, and `a`, `b`, `seed`, `x`, `y`, `order`, `cofactor`. What follows a `#` is a comment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::crypto::curve_parameters as der;
use crate::env::disk;
use crate::error::{Cause, Error, Result};

/// A curve by its parameters; numbers are big-endian, elements of the field are as long as it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub struct Curve {
    pub field: Field,
    pub a: Vec<u8>,
    pub b: Vec<u8>,
    pub seed: Option<Vec<u8>>,
    pub x: Vec<u8>,
    pub y: Vec<u8>,
    pub order: Vec<u8>,
    pub cofactor: Option<Vec<u8>>,
}

/// Over what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Field {
    /// A prime.
    Prime(Vec<u8>),
    /// Polynomials: degree, and the exponents between; one for a trinomial, three for a pentanomial.
    Binary {
        /// Degree.
        m: u64,
        /// The other exponents; those that are 0 are none.
        k: [u64; 3],
    },
}

/// A file of parameters is a few lines.
const FILE_BYTES_MAX: usize = 64 << 10;

/// The DER.
///
/// # Errors
/// `DomainParamsInvalid` for elements longer than the field, or exponents out of their order.
pub fn encode(curve: &Curve) -> Result<Vec<u8>> {
    let (field, len) = match &curve.field {
        Field::Prime(prime) => {
            let significant = prime.iter().skip_while(|byte| **byte == 0).count();
            (der::prime_field(prime), significant)
        }
        Field::Binary { m, k } => {
            let len = usize::try_from(m.div_ceil(8)).unwrap_or(usize::MAX);
            let k: Vec<u64> = k.iter().copied().filter(|exponent| *exponent != 0).collect();
            let rising = k.windows(2).all(|pair| matches!(pair, [low, high] if low < high));
            if !matches!(k.len(), 1 | 3) || !rising || k.iter().any(|exponent| exponent >= m) {
                return Err(invalid("a binary field has one exponent or three, rising, below m"));
            }
            (der::binary_field(*m, &k), len)
        }
    };
    if len == 0 || len > FILE_BYTES_MAX {
        return Err(invalid("no such field"));
    }
    let element = |bytes: &[u8]| padded(bytes, len);
    let curve_part = der::Part {
        a: element(&curve.a)?,
        b: element(&curve.b)?,
        seed: curve.seed.clone(),
        point: [vec![4], element(&curve.x)?, element(&curve.y)?].concat(),
        order: curve.order.clone(),
        cofactor: curve.cofactor.clone(),
    };
    Ok(der::parameters(&field, &curve_part))
}

/// As long as the field: leading zeros are put there or taken away.
fn padded(bytes: &[u8], len: usize) -> Result<Vec<u8>> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    let missing = len
        .checked_sub(digits.len())
        .ok_or_else(|| invalid("an element is longer than its field"))?;
    Ok([vec![0; missing], digits.to_vec()].concat())
}

/// Reads a file of parameters.
///
/// # Errors
/// `ArgumentsBad`, naming the file and the line or the part that is wrong or missing.
pub fn from_file(path: &[u8]) -> Result<Curve> {
    let path = Path::new(OsStr::from_bytes(path));
    let bad = |what: String| Error::new(Cause::ArgumentsBad, what);
    let text = disk::read_text(path, FILE_BYTES_MAX).map_err(|error| bad(error.to_string()))?;
    let mut parts = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let wrong = || {
            let number = number + 1;
            bad(format!("{}:{number}: `name = hexadecimal digits` is wanted", path.display()))
        };
        let (name, digits) = line.split_once('=').ok_or_else(wrong)?;
        parts.insert(name.trim().to_owned(), hexadecimal(digits.trim()).ok_or_else(wrong)?);
    }
    let missing = |name: &str| bad(format!("{}: {name} is missing", path.display()));
    let need = |name: &str| parts.get(name).cloned().ok_or_else(|| missing(name));
    let small = |name: &str| {
        let bytes = parts.get(name).map_or(&[][..], Vec::as_slice);
        bytes.iter().fold(0_u64, |all, byte| all.wrapping_mul(256) + u64::from(*byte))
    };
    let field = if parts.contains_key("m") {
        Field::Binary { m: small("m"), k: [small("k1"), small("k2"), small("k3")] }
    } else {
        Field::Prime(need("prime")?)
    };
    Ok(Curve {
        field,
        a: need("a")?,
        b: need("b")?,
        seed: parts.get("seed").cloned(),
        x: need("x")?,
        y: need("y")?,
        order: need("order")?,
        cofactor: parts.get("cofactor").cloned(),
    })
}

/// An odd number of digits has a zero before it.
fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let values: Option<Vec<u8>> =
        digits.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let mut values = values.filter(|values| !values.is_empty())?;
    if values.len() % 2 == 1 {
        values.insert(0, 0);
    }
    Some(values.chunks_exact(2).map(|pair| pair.iter().fold(0, |all, it| all * 16 + it)).collect())
}

fn invalid(rule: &'static str) -> Error {
    Error::new(Cause::DomainParamsInvalid, rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// secp192r1 as OpenSSL writes its explicit parameters would do; the smallest that shows each part.
    fn curve() -> Curve {
        Curve {
            field: Field::Prime(vec![0, 23]),
            a: vec![1],
            b: vec![1],
            seed: None,
            x: vec![3],
            y: vec![10],
            order: vec![28],
            cofactor: Some(vec![1]),
        }
    }

    #[test]
    fn a_prime_curve_is_encoded_part_by_part() {
        let expected = [
            0x30, 0x24, 0x02, 0x01, 0x01, // version 1
            0x30, 0x0c, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01, 0x01, 0x02, 0x01, 0x17,
            0x30, 0x06, 0x04, 0x01, 0x01, 0x04, 0x01, 0x01, // a, b
            0x04, 0x03, 0x04, 0x03, 0x0a, // the point
            0x02, 0x01, 0x1c, 0x02, 0x01, 0x01,
        ];
        assert_eq!(encode(&curve()).unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_its_field_is_refused() {
        let long = Curve { a: vec![1, 0], ..curve() };
        let none = Curve { field: Field::Binary { m: 163, k: [0, 0, 0] }, ..curve() };
        let falling = Curve { field: Field::Binary { m: 163, k: [7, 6, 3] }, ..curve() };
        for wrong in [long, none, falling] {
            assert_eq!(encode(&wrong).unwrap_err().cause(), Cause::DomainParamsInvalid);
        }
        encode(&Curve { field: Field::Binary { m: 163, k: [3, 6, 7] }, ..curve() }).unwrap();
    }

    #[test]
    fn a_file_says_what_the_arguments_would() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve");
        std::fs::write(&path, "# a toy\nprime = 17\na=1\nb=1\nx=3\ny=A\norder=1c\ncofactor=1\n")
            .unwrap();
        let read = from_file(path.as_os_str().as_bytes()).unwrap();
        assert_eq!(encode(&read).unwrap(), encode(&curve()).unwrap());
        std::fs::write(&path, "prime = 17\na = no\n").unwrap();
        let error = from_file(path.as_os_str().as_bytes()).unwrap_err();
        assert!(error.to_string().contains(":2:"), "{error}");
    }
}
