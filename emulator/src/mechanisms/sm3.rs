//! SM3: digest, HMAC, keys derived by digest, by the vendor's numbers.
//!
//! Source: GB/T 32905; the vendor's sample lists name the mechanisms (Documented), that they work as
//! those of the other hashes do is Assumed.

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::mechanisms::Row;
use crate::mechanisms::derive::{by_digest, digest};
use crate::mechanisms::digest::row as digests;
use crate::mechanisms::hmac::{general, row as hmac, whole};

/// Every mechanism of the family.
pub static ROWS: &[Row] = &[
    digests(CKM_SM3, Hash::Sm3),
    hmac(CKM_SM3_HMAC, &whole(Hash::Sm3)),
    hmac(CKM_SM3_HMAC_GENERAL, &general(Hash::Sm3)),
    digest(CKM_SM3_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sm3)),
];
