//! What one key wrapped, wrapped by another, without becoming an object in between.
//!
//! The mechanism does nothing of its own: both keys and both mechanisms are those of unwrapping and
//! wrapping, and `hsm::transport` carries it out.
//!
//! Source: thalesdocs, Luna Key Translation (Documented: the parameter, the most data, flags of
//! zero, no key to wrap, `CKA_WRAP` of the wrapping key). That the other key needs `CKA_UNWRAP`, and
//! that the partition must allow both of secret keys, is Assumed.

use crate::ck::*;
use crate::mechanisms::{NOTHING, Row, Shape};

/// The most bytes of what was wrapped. Source: as above (Documented).
pub const MOST_DATA: usize = 8000;

/// The mechanism.
pub static ROWS: &[Row] =
    &[Row { kind: CKM_KEY_TRANSLATE, shape: Shape::Translate, translates: true, ..NOTHING }];
