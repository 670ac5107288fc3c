//! ECDH with the key derivation functions of X9.63 and SP 800-56A, on curves in the form of
//! Weierstrass and on X25519.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.3.8, and v3.0 for X25519 and the numbers of
//! more functions; ANSI X9.63 section 5.6.3; SP 800-56A section 5.8.1. The cofactor of every curve
//! here is 1 (X25519 clears its own), so both mechanisms are one.

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::ec::EcPublicKey;
use crate::crypto::hash::{Digest, Hash};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{NOTHING, Params, Row, Shape, Use, broken, keys, wrong_params};

const fn row(kind: CK_MECHANISM_TYPE) -> Row {
    Row {
        kind,
        key: Some(CKK_EC),
        also: &[CKK_EC_MONTGOMERY, CKK_BIP32],
        shape: Shape::Ecdh,
        derive: Some(derive),
        ..NOTHING
    }
}

/// ECDH under its two names.
pub static ROWS: &[Row] = &[row(CKM_ECDH1_DERIVE), row(CKM_ECDH1_COFACTOR_DERIVE)];

/// Where the counter stands in what is hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Counter {
    /// X9.63: `Hash(Z || counter || shared)`.
    After,
    /// SP 800-56A, concatenation: `Hash(counter || Z || shared)`.
    Before,
}

/// Every function served: the standard's numbers, those the vendor gave X9.63 before it
/// (`_KDF_OLD`), and the vendor's for SP 800-56A (`_NIST_KDF`, taken to be that function: Assumed).
/// 0x12 is SHA-512 with SP 800-56A in the standard and SHA-1 with it in the vendor's header; no key
/// is better than the wrong one, so nobody is served by it. Two numbers of the standard's functions
/// for X9.42 and the vendor's `_SES_KDF` are left out: no definition was found.
static FUNCTIONS: &[(CK_EC_KDF_TYPE, Hash, Counter)] = &[
    (CKD_SHA1_KDF, Hash::Sha1, Counter::After),
    (CKD_SHA224_KDF, Hash::Sha224, Counter::After),
    (CKD_SHA256_KDF, Hash::Sha256, Counter::After),
    (CKD_SHA384_KDF, Hash::Sha384, Counter::After),
    (CKD_SHA512_KDF, Hash::Sha512, Counter::After),
    (CKD_SHA3_224_KDF, Hash::Sha3_224, Counter::After),
    (CKD_SHA3_256_KDF, Hash::Sha3_256, Counter::After),
    (CKD_SHA3_384_KDF, Hash::Sha3_384, Counter::After),
    (CKD_SHA3_512_KDF, Hash::Sha3_512, Counter::After),
    (CKD_SHA224_KDF_OLD, Hash::Sha224, Counter::After),
    (CKD_SHA256_KDF_OLD, Hash::Sha256, Counter::After),
    (CKD_SHA384_KDF_OLD, Hash::Sha384, Counter::After),
    (CKD_SHA512_KDF_OLD, Hash::Sha512, Counter::After),
    (CKD_SHA1_KDF_SP800, Hash::Sha1, Counter::Before),
    (CKD_SHA224_KDF_SP800, Hash::Sha224, Counter::Before),
    (CKD_SHA256_KDF_SP800, Hash::Sha256, Counter::Before),
    (CKD_SHA384_KDF_SP800, Hash::Sha384, Counter::Before),
    (CKD_SHA3_224_KDF_SP800, Hash::Sha3_224, Counter::Before),
    (CKD_SHA3_256_KDF_SP800, Hash::Sha3_256, Counter::Before),
    (CKD_SHA3_384_KDF_SP800, Hash::Sha3_384, Counter::Before),
    (CKD_SHA3_512_KDF_SP800, Hash::Sha3_512, Counter::Before),
    (CKD_SHA224_NIST_KDF, Hash::Sha224, Counter::Before),
    (CKD_SHA256_NIST_KDF, Hash::Sha256, Counter::Before),
    (CKD_SHA384_NIST_KDF, Hash::Sha384, Counter::Before),
    (CKD_SHA512_NIST_KDF, Hash::Sha512, Counter::Before),
    (CKD_SHA3_224_NIST_KDF, Hash::Sha3_224, Counter::Before),
    (CKD_SHA3_256_NIST_KDF, Hash::Sha3_256, Counter::Before),
    (CKD_SHA3_384_NIST_KDF, Hash::Sha3_384, Counter::Before),
    (CKD_SHA3_512_NIST_KDF, Hash::Sha3_512, Counter::Before),
];

fn derive(using: &Use, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Ecdh { kdf, shared, public } = &using.params else {
        return Err(wrong_params("ECDH wants its parameter"));
    };
    if *kdf == CKD_NULL {
        if !shared.is_empty() {
            return Err(wrong_params("the null function takes no shared data"));
        }
        return Ok(trailing(agree(using, public)?, wanted));
    }
    let function = function(*kdf)?;
    stretch(function, &agree(using, public)?, shared, wanted.unwrap_or(function.hash.len()))
}

/// The secret both sides have: the x coordinate of the shared point.
fn agree(using: &Use, public: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    // The vendor's code for a derivation without public data (Observed: larskanis/pkcs11).
    let bad_point = |rule| Error::new(Cause::EccPointInvalid, rule);
    if using.key.class().key_type == Some(CKK_EC_MONTGOMERY) {
        let key = keys::x25519_private(&using.key)?;
        return key
            .agree(keys::bare(public))
            .map_err(|_| bad_point("the other side's key is none, or of low order"));
    }
    let key = keys::ec_private(&using.key)?;
    let point = keys::unwrap_point(key.curve(), public);
    let peer = EcPublicKey::from_point(key.curve(), point)
        .map_err(|_| bad_point("the other side's point is not on the curve"))?;
    key.ecdh(&peer).map_err(broken)
}

/// The secret cut to the length of a key: its last bytes.
///
/// Source: PKCS#11 v2.40 Current Mechanisms, section 2.3.8: truncation removes leading bytes.
fn trailing(mut secret: Zeroizing<Vec<u8>>, wanted: Option<usize>) -> Zeroizing<Vec<u8>> {
    if let Some(excess) = wanted.and_then(|len| secret.len().checked_sub(len)) {
        secret.drain(..excess);
    }
    secret
}

/// The function of X9.63, which X9.42 has too.
pub(super) fn x963(
    hash: Hash,
    secret: &[u8],
    shared: &[u8],
    len: usize,
) -> Result<Zeroizing<Vec<u8>>> {
    stretch(Function { hash, counter: Counter::After }, secret, shared, len)
}

/// The function of a number.
///
/// # Errors
/// `MechanismParamInvalid` for one that is not served.
pub(super) fn function(kdf: CK_EC_KDF_TYPE) -> Result<Function> {
    FUNCTIONS
        .iter()
        .find(|(number, ..)| *number == kdf)
        .map(|(_, hash, counter)| Function { hash: *hash, counter: *counter })
        .ok_or_else(|| wrong_params("no such key derivation function is served"))
}

/// A key derivation function.
#[derive(Clone, Copy)]
pub(super) struct Function {
    hash: Hash,
    counter: Counter,
}

/// Digests with a counter from 1 in four bytes, joined until there is enough.
pub(super) fn stretch(
    Function { hash, counter: place }: Function,
    secret: &[u8],
    shared: &[u8],
    len: usize,
) -> Result<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(len + hash.len()));
    for counter in 1_u32.. {
        if out.len() >= len {
            break;
        }
        let counter = counter.to_be_bytes();
        let parts: [&[u8]; 3] = match place {
            Counter::After => [secret, &counter, shared],
            Counter::Before => [&counter, secret, shared],
        };
        let mut digest = Digest::new(hash).map_err(broken)?;
        parts.into_iter().for_each(|part| digest.update(part));
        out.extend_from_slice(&Zeroizing::new(digest.finish().map_err(broken)?));
    }
    out.truncate(len);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors::hex;

    const X963: Function = Function { hash: Hash::Sha256, counter: Counter::After };
    const SP800: Function = Function { hash: Hash::Sha256, counter: Counter::Before };

    /// NIST CAVP, ANSX963 SHA-256, shared secret length 192, key data length 128, COUNT 0.
    #[test]
    fn the_function_of_x9_63() {
        let secret = hex("96c05619d56c328ab95fe84b18264b08725b85e33fd34f08");
        let key = stretch(X963, &secret, &[], 16).unwrap();
        assert_eq!(key.as_slice(), hex("443024c3dae66b95e6f5670601558f71"));
        let long = stretch(X963, &secret, &[], 100).unwrap();
        assert_eq!(long.len(), 100);
        assert_eq!(long[..16], key[..]);
    }

    /// RFC 7518 appendix C: the concatenation function with SHA-256.
    #[test]
    fn the_function_of_sp_800_56a() {
        let secret = [
            158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49,
            110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
        ];
        let other = [
            0, 0, 0, 7, 65, 49, 50, 56, 71, 67, 77, 0, 0, 0, 5, 65, 108, 105, 99, 101, 0, 0, 0, 3,
            66, 111, 98, 0, 0, 0, 128,
        ];
        let key = stretch(SP800, &secret, &other, 16).unwrap();
        let wanted = [86, 170, 141, 234, 248, 35, 109, 32, 92, 34, 40, 205, 113, 167, 16, 26];
        assert_eq!(key.as_slice(), wanted);
    }

    #[test]
    fn a_number_names_one_function() {
        let mut seen = std::collections::HashSet::new();
        assert!(FUNCTIONS.iter().all(|(number, ..)| seen.insert(*number)));
        assert!(!seen.contains(&CKD_NULL) && !seen.contains(&CKD_SHA1_NIST_KDF));
    }

    #[test]
    fn a_secret_is_cut_at_its_beginning() {
        let secret = || Zeroizing::new(vec![1, 2, 3, 4]);
        assert_eq!(*trailing(secret(), Some(3)), [2, 3, 4]);
        assert_eq!(*trailing(secret(), Some(5)), [1, 2, 3, 4]);
        assert_eq!(*trailing(secret(), None), [1, 2, 3, 4]);
    }
}
