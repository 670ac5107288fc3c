//! What a token still does with MD5: HMAC, and keys derived by digest; it lists no plain MD5.
//!
//! Source: PKCS#11 v2.40 Historical Mechanisms; which of them a token lists is profile data.

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::mechanisms::Row;
use crate::mechanisms::derive::{by_digest, digest};
use crate::mechanisms::hmac::{general, row, whole};

/// HMAC whole and shortened, and the derivation.
pub static ROWS: &[Row] = &[
    row(CKM_MD5_HMAC, &whole(Hash::Md5)),
    row(CKM_MD5_HMAC_GENERAL, &general(Hash::Md5)),
    digest(CKM_MD5_KEY_DERIVATION, |using, _| by_digest(using, Hash::Md5)),
];
