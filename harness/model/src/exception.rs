//! Where a module is known to be unlike the standard: rows of data, each with the reason a person can check.
//!
//! Without a row the model judges strictly. A row loosens one thing for some functions; what it does not name is
//! judged as before, so a module with exceptions is still held to everything else.

use luna_ck::{CK_ATTRIBUTE_TYPE, CK_RV, CKR_OK, names};
use serde::{Deserialize, Serialize};

use crate::allowed::Allowed;
use crate::call::Call;

/// A file of exceptions.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    #[serde(default)]
    exception: Vec<Exception>,
}

/// One way in which a module is known to be unlike the standard.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// The rule, and why this module does so.
    pub reason: String,
    /// Functions it is about: `C_CopyObject`; all of them without.
    #[serde(default)]
    pub calls: Vec<String>,
    /// It is about calls that one of these codes was due to, as the first that the model names; about any without.
    #[serde(default)]
    pub instead_of: Vec<String>,
    /// It is about calls in a session that has an operation or a search under way.
    #[serde(default)]
    pub busy: bool,
    /// Codes that may come as well; `CKR_OK` where what `instead_of` is for need not be noticed.
    #[serde(default)]
    pub answers: Vec<String>,
    /// After the call the session's operations may go on or have ended.
    #[serde(default)]
    pub in_doubt: bool,
    /// A length that is asked for or told with a short buffer is taken as it is told.
    #[serde(default)]
    pub lengths: bool,
    /// Attributes whose values are taken as they are told.
    #[serde(default)]
    pub attributes: Vec<String>,
    /// What a refused change was to change may have changed.
    #[serde(default)]
    pub half_done: bool,
    /// It is not called at all.
    #[serde(default)]
    pub left_out: bool,
}

impl Exception {
    /// Reads a file of them.
    ///
    /// # Errors
    /// What is wrong with it: its form, a name nobody knows, a row without a reason.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let rows: Rows = toml::from_str(text).map_err(|error| error.to_string())?;
        for row in &rows.exception {
            if row.reason.len() < 20 {
                return Err(format!("an exception without a reason: {row:?}"));
            }
            for code in row.instead_of.iter().chain(&row.answers) {
                numbered(names::CKR, code).ok_or_else(|| format!("{code} is no code"))?;
            }
            for attribute in &row.attributes {
                numbered(names::CKA, attribute)
                    .ok_or_else(|| format!("{attribute} is no attribute"))?;
            }
        }
        Ok(rows.exception)
    }

    /// Whether it is about this call, in a session that is busy or not.
    pub(crate) fn concerns(&self, call: &Call, busy: bool) -> bool {
        let called = self.calls.is_empty() || self.calls.contains(&call.function());
        called && (busy || !self.busy)
    }

    /// Whether one of the codes is due that it is about.
    pub(crate) fn is_due(&self, allowed: &Allowed) -> bool {
        let mut due = self.instead_of.iter().filter_map(|code| numbered(names::CKR, code));
        self.instead_of.is_empty() || due.any(|code| allowed.is_due(code))
    }

    /// Adds what may be answered as well; whether this answer leaves an operation in doubt.
    pub(crate) fn loosen(&self, rv: CK_RV, allowed: &mut Allowed) -> bool {
        if !self.is_due(allowed) {
            return false;
        }
        let named = |code: &String| numbered(names::CKR, code);
        let due: Vec<_> = self.instead_of.iter().filter_map(named).collect();
        let answers: Vec<_> = self.answers.iter().filter_map(named).collect();
        for code in &answers {
            match *code {
                CKR_OK => due.iter().for_each(|code| allowed.forgive(*code)),
                code => allowed.may(true, &[code], "a known exception"),
            }
        }
        self.in_doubt && (answers.is_empty() || answers.contains(&rv))
    }

    /// Whether the value of an attribute is taken as it is told.
    pub(crate) fn leaves_open(&self, attribute: CK_ATTRIBUTE_TYPE) -> bool {
        self.attributes.iter().any(|name| *name == names::cka(attribute))
    }
}

fn numbered(table: &[(u64, &str)], name: &str) -> Option<u64> {
    table.iter().find(|row| row.1 == name).map(|row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_things_that_are_there_and_a_reason() {
        let row = |rest: &str| {
            format!("[[exception]]\nreason = \"it is known to be so, see there\"\n{rest}\n")
        };
        assert!(Exception::read(&row("answers = [\"CKR_OK\"]")).is_ok());
        assert!(Exception::read(&row("answers = [\"CKR_NO_SUCH\"]")).is_err());
        assert!(Exception::read(&row("attributes = [\"CKA_NO_SUCH\"]")).is_err());
        assert!(Exception::read("[[exception]]\nreason = \"so\"\n").is_err());
    }
}
