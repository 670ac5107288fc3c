//! Which codes a call may answer, and by which clause.
//!
//! Each thing that is wrong with a call adds the codes that may be said of it. Any of them may be answered,
//! since PKCS#11 v2.40 section 5.1.7 leaves the order of checks open; `CKR_OK` is allowed only while nothing
//! is wrong. The one order the section fixes is that a wrong session is noticed first: see [`Allowed::only`].

use luna_ck::{CK_RV, CKR_FUNCTION_FAILED, CKR_OK, names};

/// A set of codes, each with the clause that allows it.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    codes: Vec<(CK_RV, &'static str)>,
    /// Something is wrong for certain.
    refused: bool,
}

impl Allowed {
    /// Nothing is wrong so far.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Only these, whatever else is wrong.
    pub(crate) fn only(codes: &[CK_RV], clause: &'static str) -> Self {
        let mut allowed = Self::new();
        allowed.must(true, codes, clause);
        allowed
    }

    /// If `wrong`, the call must be refused, with one of these codes or that of another thing that is wrong.
    pub(crate) fn must(&mut self, wrong: bool, codes: &[CK_RV], clause: &'static str) {
        self.may(wrong, codes, clause);
        self.refused |= wrong;
    }

    /// If `open`, the call may be refused with one of these, or not: the sources leave it open.
    pub(crate) fn may(&mut self, open: bool, codes: &[CK_RV], clause: &'static str) {
        if open {
            self.codes.extend(codes.iter().map(|code| (*code, clause)));
        }
    }

    /// Whether a module may answer so.
    pub(crate) fn allows(&self, rv: CK_RV) -> bool {
        if rv == CKR_OK {
            return !self.refused;
        }
        self.codes.iter().any(|(code, _)| *code == rv)
    }

    /// For a report: codes and clauses.
    pub(crate) fn explained(&self) -> String {
        let ok = (!self.refused).then(|| "CKR_OK".to_owned());
        let others =
            self.codes.iter().map(|(code, clause)| format!("{} ({clause})", names::ckr(*code)));
        let all: Vec<_> = ok.into_iter().chain(others).collect();
        if all.is_empty() { names::ckr(CKR_FUNCTION_FAILED) } else { all.join(", ") }
    }
}
