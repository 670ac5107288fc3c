//! What decides a case where the vector leaves it open, or where the HSM is known to differ from the vector.
//!
//! Each rule has its reason beside it, and a test of its name in the family it belongs to.

use luna_ck::*;

/// A rule of ours.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rule {
    /// RFC 3394 wraps two blocks or more; one block of 8 bytes is not wrapped, as in SP 800-38F.
    KeyWrapOfOneBlock,
}

impl Rule {
    /// Whether the module takes such a case.
    pub(crate) fn accepts(self) -> bool {
        match self {
            Self::KeyWrapOfOneBlock => false,
        }
    }

    /// The codes it refuses with; those of the set where the rule has none of its own.
    pub(crate) fn codes(self, of_set: &'static [CK_RV]) -> &'static [CK_RV] {
        match self {
            Self::KeyWrapOfOneBlock => of_set,
        }
    }
}
