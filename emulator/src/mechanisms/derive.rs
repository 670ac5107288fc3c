//! Derivations from a secret key alone, by digest.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.20.6; lengths refused from
//! pycryptoki's functional tests (Documented: SHA-1 to a 24-byte key is `CKR_KEY_SIZE_RANGE`).

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::hash::{self, Hash};
use crate::error::Result;
use crate::mechanisms::{Derive, NOTHING, Row, Use, broken, keys};

pub(super) const fn digest(kind: CK_MECHANISM_TYPE, derive: Derive) -> Row {
    Row { kind, derive: Some(derive), ..NOTHING }
}

/// Digests of any secret key.
pub static ROWS: &[Row] = &[
    digest(CKM_SHA1_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha1)),
    digest(CKM_SHA224_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha224)),
    digest(CKM_SHA256_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha256)),
    digest(CKM_SHA384_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha384)),
    digest(CKM_SHA512_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha512)),
];

pub(super) fn by_digest(using: &Use, hash: Hash) -> Result<Zeroizing<Vec<u8>>> {
    let value = keys::to_bytes(&using.key)?;
    hash::digest(hash, &value).map(Zeroizing::new).map_err(broken)
}
