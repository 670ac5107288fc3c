//! Which codes a call may answer, and by which clause.
//!
//! Each thing that is wrong with a call adds the codes that may be said of it. Any of them may be answered,
//! since PKCS#11 v2.40 section 5.1.7 leaves the order of checks open; `CKR_OK` is allowed only while nothing
//! is wrong. The one order the section fixes is that a wrong session is noticed first: see [`Allowed::only`].

use luna_ck::{CK_RV, CKR_OK, names};

/// Something that is wrong with a call, or may be.
#[derive(Clone, Debug)]
struct Wrong {
    /// What may be said of it; the standard's own word first.
    codes: Vec<CK_RV>,
    clause: &'static str,
    /// It is wrong for certain: the call must be refused.
    certain: bool,
}

/// A set of codes, each with the clause that allows it.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    wrongs: Vec<Wrong>,
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
        self.add(wrong, codes, clause, true);
    }

    /// If `open`, the call may be refused with one of these, or not: the sources leave it open.
    pub(crate) fn may(&mut self, open: bool, codes: &[CK_RV], clause: &'static str) {
        self.add(open, codes, clause, false);
    }

    fn add(&mut self, so: bool, codes: &[CK_RV], clause: &'static str, certain: bool) {
        if so {
            self.wrongs.push(Wrong { codes: codes.to_vec(), clause, certain });
        }
    }

    /// Whether something is wrong, or may be, whose first code is this.
    pub(crate) fn is_due(&self, rv: CK_RV) -> bool {
        self.wrongs.iter().any(|wrong| wrong.codes.first() == Some(&rv))
    }

    /// What is wrong by this code need not be noticed.
    pub(crate) fn forgive(&mut self, rv: CK_RV) {
        for wrong in self.wrongs.iter_mut().filter(|wrong| wrong.codes.first() == Some(&rv)) {
            wrong.certain = false;
        }
    }

    /// Whether a module may answer so.
    pub(crate) fn allows(&self, rv: CK_RV) -> bool {
        if rv == CKR_OK {
            return !self.wrongs.iter().any(|wrong| wrong.certain);
        }
        self.wrongs.iter().any(|wrong| wrong.codes.contains(&rv))
    }

    /// For a report: codes and clauses, each once.
    pub(crate) fn explained(&self) -> String {
        let mut all = Vec::new();
        if self.allows(CKR_OK) {
            all.push(names::ckr(CKR_OK));
        }
        for wrong in &self.wrongs {
            for code in &wrong.codes {
                let text = format!("{} ({})", names::ckr(*code), wrong.clause);
                if !all.contains(&text) {
                    all.push(text);
                }
            }
        }
        all.join(", ")
    }
}
