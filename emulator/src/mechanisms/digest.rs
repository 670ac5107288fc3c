//! Digests. Source: PKCS#11 v2.40 Current Mechanisms, sections 2.21 to 2.25.

use crate::ck::*;
use crate::crypto::hash::{Function, Hash, Shake};
use crate::error::Result;
use crate::mechanisms::{NOTHING, Params, Row, Shape, wrong_params};

/// What a digest mechanism computes.
#[derive(Clone, Copy, Debug)]
pub enum Digests {
    /// A hash, of its own length.
    Fixed(Hash),
    /// As many bytes as the parameter says.
    AsLongAsAsked(Shake),
}

/// The most bytes a SHAKE gives. Source: thalesdocs, CKM_SHAKE_128 (Documented).
const MOST_OF_SHAKE: usize = 2048;

impl Digests {
    /// The hash, none where the parameter has a say in it.
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::Fixed(hash) => Some(hash),
            Self::AsLongAsAsked(_) => None,
        }
    }

    /// The function behind a mechanism and its parameter.
    ///
    /// # Errors
    /// `MechanismParamInvalid` for a parameter where there is none, and for a length out of range.
    pub fn function(self, params: &Params) -> Result<Function> {
        match (self, params) {
            (Self::Fixed(hash), Params::None) => Ok(Function::Hash(hash)),
            (Self::Fixed(_), _) => Err(wrong_params("a digest takes no parameter")),
            (Self::AsLongAsAsked(shake), Params::Length(len)) => usize::try_from(*len)
                .ok()
                .filter(|len| (1..=MOST_OF_SHAKE).contains(len))
                .map(|len| Function::Shake(shake, len))
                .ok_or_else(|| wrong_params("a SHAKE gives from 1 to 2048 bytes")),
            (Self::AsLongAsAsked(_), _) => {
                Err(wrong_params("a SHAKE wants the length of its output"))
            }
        }
    }
}

pub(super) const fn row(kind: CK_MECHANISM_TYPE, hash: Hash) -> Row {
    Row { kind, digest: Some(Digests::Fixed(hash)), ..NOTHING }
}

/// `CK_SHAKE_PARAMS` is one number, the length in bytes.
pub(super) const fn shake(kind: CK_MECHANISM_TYPE, shake: Shake) -> Row {
    Row { kind, shape: Shape::Length, digest: Some(Digests::AsLongAsAsked(shake)), ..NOTHING }
}

/// SHA-1 and SHA-2.
pub static ROWS: &[Row] = &[
    row(CKM_SHA_1, Hash::Sha1),
    row(CKM_SHA224, Hash::Sha224),
    row(CKM_SHA256, Hash::Sha256),
    row(CKM_SHA384, Hash::Sha384),
    row(CKM_SHA512, Hash::Sha512),
];
