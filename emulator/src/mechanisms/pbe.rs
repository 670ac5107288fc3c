//! Keys and vectors from passwords: by PKCS #12's function over SHA-1, and by PKCS #5's first one
//! over MD2.
//!
//! The vector is an output: [`iv`] gives it, and the boundary writes it where the caller's parameter
//! points. Source: PKCS#11 v2.40 Historical and Current Mechanisms, sections on PKCS #12 password-based
//! encryption (the parity of DES keys among them); RFC 7292 appendix B; RFC 8018 section 6.1, where the
//! digest is key and vector (a salt of another length than 8 bytes is Assumed to be fine). The password goes in as the
//! bytes it comes in: who wants PKCS #12's encoding (UTF-16 with its final zeros) passes it.

use std::num::NonZeroU32;

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::crypto::kdf;
use crate::error::Result;
use crate::mechanisms::{
    GenerateKey, Mechanism, NOTHING, Params, Row, Shape, broken, keys, wrong_params,
};
use crate::object::Template;

/// What the function is asked for. Source: RFC 7292 appendix B.3.
const KEY: u8 = 1;
const IV: u8 = 2;

/// The function that makes bytes of a password.
#[derive(Clone, Copy)]
enum Function {
    /// PKCS #12's.
    Pkcs12(Hash),
    /// PKCS #5's first: of the digest, the vector is what the key leaves.
    Pkcs5(Hash),
}

const SHA1: Function = Function::Pkcs12(Hash::Sha1);
const MD2: Function = Function::Pkcs5(Hash::Md2);

/// Bytes of the vectors of all ciphers here.
const IV_LEN: usize = 8;

/// The most iterations that are run (Assumed: seconds of work).
const MOST_ITERATIONS: u32 = 10_000_000;

const fn row(kind: CK_MECHANISM_TYPE, key_type: CK_KEY_TYPE, generate: GenerateKey) -> Row {
    Row { kind, key: Some(key_type), shape: Shape::Pbe, generate: Some(generate), ..NOTHING }
}

/// The sizes of a profile say nothing here: each mechanism makes keys of one length.
pub static ROWS: &[Row] = &[
    row(CKM_PBE_SHA1_CAST5_CBC, CKK_CAST5, |_, params, _| made(SHA1, params, 16, false)),
    row(CKM_PBE_SHA1_RC4_128, CKK_RC4, |_, params, _| made(SHA1, params, 16, false)),
    row(CKM_PBE_SHA1_RC4_40, CKK_RC4, |_, params, _| made(SHA1, params, 5, false)),
    row(CKM_PBE_SHA1_DES3_EDE_CBC, CKK_DES3, |_, params, _| made(SHA1, params, 24, true)),
    row(CKM_PBE_SHA1_DES2_EDE_CBC, CKK_DES2, |_, params, _| made(SHA1, params, 16, true)),
    row(CKM_PBE_SHA1_RC2_128_CBC, CKK_RC2, |_, params, _| made(SHA1, params, 16, false)),
    row(CKM_PBE_SHA1_RC2_40_CBC, CKK_RC2, |_, params, _| made(SHA1, params, 5, false)),
    row(CKM_PBE_MD2_DES_CBC, CKK_DES, |_, params, _| made(MD2, params, 8, true)),
];

fn made(function: Function, params: &Params, len: usize, parity: bool) -> Result<Template> {
    let mut value = run(function, params, KEY, len)?;
    if parity {
        for byte in value.iter_mut() {
            *byte ^= u8::from(byte.count_ones().is_multiple_of(2));
        }
    }
    Ok(keys::secret::attributes(&value))
}

/// The vector that goes with the key of a mechanism, none for one that is no PBE.
///
/// # Errors
/// `MechanismParamInvalid`.
pub fn iv(mechanism: &Mechanism) -> Result<Option<Vec<u8>>> {
    match (ROWS.iter().find(|row| row.kind == mechanism.kind), &mechanism.params) {
        // A stream cipher has none.
        (Some(row), Params::Pbe { .. }) if row.key != Some(CKK_RC4) => {
            let function = if row.kind == CKM_PBE_MD2_DES_CBC { MD2 } else { SHA1 };
            run(function, &mechanism.params, IV, IV_LEN).map(|iv| Some(iv.to_vec()))
        }
        _ => Ok(None),
    }
}

fn run(function: Function, params: &Params, what: u8, len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Pbe { password, salt, iterations } = params else {
        return Err(wrong_params("password and salt are wanted"));
    };
    let iterations = u32::try_from(*iterations)
        .ok()
        .filter(|iterations| *iterations <= MOST_ITERATIONS)
        .and_then(NonZeroU32::new)
        .ok_or_else(|| wrong_params("from 1 to 10 million iterations are run"))?;
    match function {
        Function::Pkcs12(hash) => {
            kdf::pkcs12(hash, password, salt, iterations, what, len).map_err(broken)
        }
        Function::Pkcs5(hash) => {
            let digest = kdf::pbkdf1(hash, password, salt, iterations).map_err(broken)?;
            let from = if what == IV { digest.len().saturating_sub(len) } else { 0 };
            Ok(Zeroizing::new(
                digest.get(from..).unwrap_or_default().iter().take(len).copied().collect(),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors::cases;
    use crate::error::Cause;
    use crate::mechanisms::Limits;

    const LIMITS: Limits = Limits { min_bits: 64, max_bits: 192, fips: false, former: false };

    #[test]
    fn every_mechanism_gives_the_known_key_and_vector() {
        let mut seen = std::collections::BTreeSet::new();
        for case in cases(include_str!("vectors/pbe.txt")) {
            let row = ROWS.iter().find(|row| names::ckm(row.kind) == case.text("mechanism"));
            let (row, generate) = row.and_then(|row| Some((row, row.generate?))).unwrap();
            let params = Params::Pbe {
                password: case.bytes("password").into(),
                salt: case.bytes("salt"),
                iterations: case.text("iterations").parse().unwrap(),
            };
            let key = generate(&Template::new(), &params, LIMITS).unwrap();
            assert_eq!(key.bytes(CKA_VALUE).unwrap(), case.bytes("result"));
            let given = iv(&Mechanism { kind: row.kind, params }).unwrap();
            assert_eq!(given.unwrap_or_default(), case.bytes("iv"));
            seen.insert(row.kind);
        }
        assert_eq!(seen.len(), ROWS.len());
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        let of = |iterations| Params::Pbe {
            password: b"password".to_vec().into(),
            salt: b"salt".to_vec(),
            iterations,
        };
        for params in [of(0), of(1 << 32), Params::None] {
            let cause = made(SHA1, &params, 16, false).unwrap_err().cause();
            assert_eq!(cause, Cause::MechanismParamInvalid, "{params:?}");
        }
        let digest = Mechanism { kind: CKM_SHA_1, params: Params::None };
        assert_eq!(iv(&digest).unwrap(), None);
    }
}
