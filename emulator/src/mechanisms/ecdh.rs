//! ECDH with the key derivation functions of X9.63.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.3.8; ANSI X9.63 section 5.6.3 for the
//! function. The cofactor of every curve here is 1, so both mechanisms are one.

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::ec::EcPublicKey;
use crate::crypto::hash::{Digest, Hash};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{NOTHING, Params, Row, Shape, Use, broken, keys, wrong_params};

const fn row(kind: CK_MECHANISM_TYPE) -> Row {
    Row { kind, key: Some(CKK_EC), shape: Shape::Ecdh, derive: Some(derive), ..NOTHING }
}

/// ECDH under its two names.
pub static ROWS: &[Row] = &[row(CKM_ECDH1_DERIVE), row(CKM_ECDH1_COFACTOR_DERIVE)];

fn derive(using: &Use, wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Ecdh { kdf, shared, public } = &using.params else {
        return Err(wrong_params("ECDH wants its parameter"));
    };
    let bad_point = |_| {
        // The vendor's code for a derivation without public data (Observed: larskanis/pkcs11).
        Error::new(Cause::EccPointInvalid, "the other side's point is not on the curve")
    };
    let key = keys::ec_private(&using.key)?;
    let point = keys::unwrap_point(key.curve(), public);
    let peer = EcPublicKey::from_point(key.curve(), point).map_err(bad_point)?;
    let secret = key.ecdh(&peer).map_err(broken)?;
    let hash = match *kdf {
        CKD_NULL if shared.is_empty() => None,
        CKD_NULL => return Err(wrong_params("the null function takes no shared data")),
        CKD_SHA1_KDF => Some(Hash::Sha1),
        CKD_SHA224_KDF => Some(Hash::Sha224),
        CKD_SHA256_KDF => Some(Hash::Sha256),
        CKD_SHA384_KDF => Some(Hash::Sha384),
        CKD_SHA512_KDF => Some(Hash::Sha512),
        _ => return Err(wrong_params("no such key derivation function is served")),
    };
    match hash {
        None => Ok(secret),
        Some(hash) => x963(hash, &secret, shared, wanted.unwrap_or(hash.len())),
    }
}

/// `Hash(Z || counter || shared)`, counter from 1 in four bytes, joined until there is enough.
pub(super) fn x963(
    hash: Hash,
    secret: &[u8],
    shared: &[u8],
    len: usize,
) -> Result<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::new());
    for counter in 1_u32.. {
        if out.len() >= len {
            break;
        }
        let mut digest = Digest::new(hash).map_err(broken)?;
        digest.update(secret);
        digest.update(&counter.to_be_bytes());
        digest.update(shared);
        out.extend_from_slice(&Zeroizing::new(digest.finish().map_err(broken)?));
    }
    out.truncate(len);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    /// NIST CAVP, ANSX963 SHA-256, shared secret length 192, key data length 128, COUNT 0.
    #[test]
    fn the_function_of_x9_63() {
        let secret = hex("96c05619d56c328ab95fe84b18264b08725b85e33fd34f08");
        let key = x963(Hash::Sha256, &secret, &[], 16).unwrap();
        assert_eq!(key.as_slice(), hex("443024c3dae66b95e6f5670601558f71"));
        assert_eq!(x963(Hash::Sha256, &secret, &[], 100).unwrap().len(), 100);
    }
}
