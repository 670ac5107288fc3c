//! What a token still does with MD5: HMAC, and keys derived by digest. No firmware known lists the
//! plain digest; its row waits for a profile that does.
//!
//! Source: PKCS#11 v2.40 Historical Mechanisms; which of them a token lists is profile data.

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::mechanisms::Row;
use crate::mechanisms::derive::{by_digest, digest};
use crate::mechanisms::digest::row as digests;
use crate::mechanisms::hmac::{general, row, whole};

/// The digest, HMAC whole and shortened, and the derivation.
pub static ROWS: &[Row] = &[
    digests(CKM_MD5, Hash::Md5),
    row(CKM_MD5_HMAC, &whole(Hash::Md5)),
    row(CKM_MD5_HMAC_GENERAL, &general(Hash::Md5)),
    digest(CKM_MD5_KEY_DERIVATION, |using, _| by_digest(using, Hash::Md5)),
];
