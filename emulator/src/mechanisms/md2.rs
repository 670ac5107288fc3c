//! What a token still does with MD2: the digest, and keys derived by it.
//!
//! Source: PKCS#11 v2.40 Historical Mechanisms; which of them a token lists is profile data.

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::mechanisms::Row;
use crate::mechanisms::derive::{by_digest, digest};
use crate::mechanisms::digest::row as digests;

/// The digest and the derivation.
pub static ROWS: &[Row] = &[
    digests(CKM_MD2, Hash::Md2),
    digest(CKM_MD2_KEY_DERIVATION, |using, _| by_digest(using, Hash::Md2)),
];
