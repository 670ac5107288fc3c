//! Digests. Source: PKCS#11 v2.40 Current Mechanisms, sections 2.21 to 2.25.

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::mechanisms::{NOTHING, Row, current};

const fn row(kind: CK_MECHANISM_TYPE, hash: Hash) -> Row {
    Row { kind, digest: Some(hash), ..NOTHING }
}

/// SHA-1 and SHA-2.
pub static ROWS: &[Row] = &[
    row(CKM_SHA_1, Hash::Sha1),
    row(CKM_SHA224, Hash::Sha224),
    row(CKM_SHA256, Hash::Sha256),
    row(CKM_SHA384, Hash::Sha384),
    row(CKM_SHA512, Hash::Sha512),
];

/// The hash a `CKM_` number names, as PSS and OAEP parameters name theirs.
pub fn hash_of(kind: CK_MECHANISM_TYPE) -> Option<Hash> {
    let kind = current(kind);
    ROWS.iter().find(|row| row.kind == kind).and_then(|row| row.digest)
}
