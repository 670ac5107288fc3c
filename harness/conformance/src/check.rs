//! A check: one question to a module, where its answer stands, and what it needs to be asked.

use std::collections::HashSet;
use std::fmt;

use luna_client::MechanismType;
use luna_client::ck::{CK_RV, CKR_OK, names};
use serde::{Deserialize, Serialize};

use crate::stage::Stage;

/// Where an expectation stands, by how far it binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// PKCS#11 says it, of every module.
    Standard,
    /// A page of the vendor says it.
    Documented,
    /// A sample of the vendor does it.
    Sample,
    /// A device did it.
    Observed,
    /// Somebody remembers it.
    Recalled,
    /// It follows from the others, in our opinion.
    Assumed,
}

impl Mark {
    /// As printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Documented => "documented",
            Self::Sample => "sample",
            Self::Observed => "observed",
            Self::Recalled => "recalled",
            Self::Assumed => "assumed",
        }
    }
}

/// Where an expectation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// How far it binds.
    pub mark: Mark,
    /// The document and its place.
    pub text: String,
}

impl Source {
    /// A clause of PKCS#11 v2.40.
    pub fn standard(clause: impl Into<String>) -> Self {
        Self { mark: Mark::Standard, text: format!("PKCS#11 v2.40, {}", clause.into()) }
    }

    /// A page of the vendor, or what stands behind a datum of the profile.
    pub fn vendor(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into() }
    }
}

/// What a check may do to the token, weakest first. None includes another: each is allowed in so many words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// Makes session objects, which end with their session.
    Create,
    /// Makes objects on the token, labelled, and removes them.
    TokenObjects,
    /// Logs in wrongly, changes PINs.
    Roles,
    /// Initialises the token: whatever is on it is lost.
    Destructive,
}

impl Allow {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Create, Self::TokenObjects, Self::Roles, Self::Destructive];

    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::TokenObjects => "token-objects",
            Self::Roles => "roles",
            Self::Destructive => "destructive",
        }
    }
}

/// In which state the module is when the check begins, and how it must be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Footing {
    /// Loaded, not initialised; left so.
    Loaded,
    /// Loaded, not initialised, in a process of its own.
    Alone,
    /// Initialised; nobody is logged in.
    Public,
    /// Initialised; the Crypto Officer is logged in.
    Officer,
    /// A partition of its own, just initialised, with roles, in a process of its own.
    Fresh,
}

/// For which tokens a check is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// Any.
    #[default]
    Any,
    /// A partition of a Luna, or a group of them.
    Luna,
    /// An HA group.
    Group,
}

/// What a check needs.
#[derive(Debug, Clone)]
pub struct Needs {
    /// How it finds the module.
    pub footing: Footing,
    /// What it does to the token.
    pub allow: Vec<Allow>,
    /// Mechanisms that must be listed.
    pub mechanisms: Vec<MechanismType>,
    /// Tokens it is meant for.
    pub subject: Subject,
    /// Functions it calls beside those of its footing, for `--dry-run`.
    pub functions: Vec<&'static str>,
}

impl Needs {
    const fn of(footing: Footing) -> Self {
        Self {
            footing,
            allow: Vec::new(),
            mechanisms: Vec::new(),
            subject: Subject::Any,
            functions: Vec::new(),
        }
    }

    /// The module as loaded.
    pub const fn loaded() -> Self {
        Self::of(Footing::Loaded)
    }

    /// A process of its own.
    pub const fn alone() -> Self {
        Self::of(Footing::Alone)
    }

    /// An initialised module.
    pub const fn public() -> Self {
        Self::of(Footing::Public)
    }

    /// The Crypto Officer, reading.
    pub const fn officer() -> Self {
        Self::of(Footing::Officer)
    }

    /// The Crypto Officer, who makes session objects.
    pub fn session_objects() -> Self {
        Self::of(Footing::Officer).allow(Allow::Create)
    }

    /// The Crypto Officer, who makes objects on the token.
    pub fn token_objects() -> Self {
        Self::of(Footing::Officer).allow(Allow::TokenObjects)
    }

    /// A partition of its own.
    pub fn fresh() -> Self {
        Self::of(Footing::Fresh).allow(Allow::Roles).allow(Allow::Destructive)
    }

    /// And may do this.
    pub fn allow(mut self, allow: Allow) -> Self {
        self.allow.push(allow);
        self
    }

    /// And these mechanisms.
    pub fn mechanisms(mut self, mechanisms: &[MechanismType]) -> Self {
        self.mechanisms.extend_from_slice(mechanisms);
        self
    }

    /// And only such a token.
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }

    /// And calls these.
    pub fn functions(mut self, functions: &[&'static str]) -> Self {
        self.functions.extend_from_slice(functions);
        self
    }
}

/// Why a check did not end well. What it amounts to follows from where its expectation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Another answer than the one that should have come.
    Unlike {
        /// What should have come.
        expected: String,
        /// What came.
        seen: String,
    },
    /// Two answers of the module that cannot both be right.
    Inconsistent {
        /// The one.
        expected: String,
        /// The other.
        seen: String,
    },
    /// The question cannot be put to this module.
    NotApplicable(String),
}

impl Finding {
    /// Another answer than expected.
    pub fn unlike(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Unlike { expected: expected.into(), seen: seen.into() }
    }

    /// A question that cannot be put.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable(reason.into())
    }
}

impl From<luna_client::Error> for Finding {
    fn from(error: luna_client::Error) -> Self {
        match error {
            luna_client::Error::Missing { function } => {
                Self::NotApplicable(format!("the module does not have {function}"))
            }
            luna_client::Error::Refused { function, what } => {
                Self::NotApplicable(format!("{function} cannot be called so: {what}"))
            }
            error => Self::unlike("the call succeeds", error.to_string()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlike { expected, seen } => write!(f, "expected {expected}; seen {seen}"),
            Self::Inconsistent { expected, seen } => write!(f, "{expected}, but {seen}"),
            Self::NotApplicable(reason) => f.write_str(reason),
        }
    }
}

/// How a check's body ends.
pub type Outcome<T = ()> = Result<T, Finding>;

type Body = Box<dyn Fn(&mut Stage) -> Outcome + Send + Sync>;

/// One question.
pub struct Check {
    /// `area.subject.rule`.
    pub id: String,
    /// What is asked, in words.
    pub title: String,
    /// Where the answer stands.
    pub source: Source,
    /// What it needs.
    pub needs: Needs,
    body: Body,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl Check {
    /// The part of the id before its first dot.
    pub fn area(&self) -> &str {
        self.id.split('.').next().unwrap_or_default()
    }

    /// Puts the question.
    ///
    /// # Errors
    /// What was not as it should be.
    pub fn ask(&self, stage: &mut Stage) -> Outcome {
        (self.body)(stage)
    }
}

/// A check as a row of a table, for the areas that are written down one by one.
#[derive(Clone, Copy)]
pub struct Row {
    /// What follows the area in the id.
    pub id: &'static str,
    /// What is asked.
    pub title: &'static str,
    /// The clause, or the vendor's page.
    pub source: (Mark, &'static str),
    /// What it needs.
    pub needs: fn() -> Needs,
    /// Puts the question.
    pub run: fn(&mut Stage) -> Outcome,
}

/// All checks.
#[derive(Debug, Default)]
pub struct Registry {
    checks: Vec<Check>,
    ids: HashSet<String>,
}

impl Registry {
    /// Every check there is.
    pub fn all() -> Self {
        let mut registry = Self::default();
        crate::areas::register(&mut registry);
        registry
    }

    /// Adds one; an id that is there already is left out, and a test finds it.
    pub fn add(
        &mut self,
        id: impl Into<String>,
        title: impl Into<String>,
        source: Source,
        needs: Needs,
        body: impl Fn(&mut Stage) -> Outcome + Send + Sync + 'static,
    ) {
        let id = id.into();
        if !self.ids.insert(id.clone()) {
            debug_assert!(false, "{id} stands there twice");
            return;
        }
        self.checks.push(Check { id, title: title.into(), source, needs, body: Box::new(body) });
    }

    /// Adds the rows of an area.
    pub fn rows(&mut self, area: &str, rows: &'static [Row]) {
        for row in rows {
            let source = match row.source.0 {
                Mark::Standard => Source::standard(row.source.1),
                mark => Source::vendor(mark, row.source.1),
            };
            self.add(format!("{area}.{}", row.id), row.title, source, (row.needs)(), row.run);
        }
    }

    /// All of them, in the order of the areas.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The one of this id.
    pub fn find(&self, id: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }
}

/// Whether an id matches a pattern, in which `*` stands for any text. A pattern without one matches what begins
/// with it, up to a dot.
pub fn matches(pattern: &str, id: &str) -> bool {
    if !pattern.contains('*') {
        return id == pattern || id.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.'));
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| id.strip_prefix(first)) else {
        return false;
    };
    let mut last = "";
    for part in parts {
        last = part;
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    // What follows the last star must end the id.
    rest.is_empty() || last.is_empty() || id.ends_with(last)
}

/// The name of a code, or of several.
pub fn named(codes: &[CK_RV]) -> String {
    codes.iter().map(|rv| names::ckr(*rv)).collect::<Vec<_>>().join(" or ")
}

/// One of these codes should have come from the call.
///
/// # Errors
/// When another came.
pub fn answers(call: &str, seen: CK_RV, expected: &[CK_RV]) -> Outcome {
    if expected.contains(&seen) {
        return Ok(());
    }
    Err(Finding::unlike(
        format!("{call} answers {}", named(expected)),
        format!("{call} answered {}", names::ckr(seen)),
    ))
}

/// The call should have been refused with one of these codes.
///
/// # Errors
/// When it succeeded, or was refused with another.
pub fn refused<T>(call: &str, seen: luna_client::Result<T>, expected: &[CK_RV]) -> Outcome {
    match seen {
        Ok(_) => answers(call, CKR_OK, expected),
        Err(error) => match error.rv() {
            Some(rv) => answers(call, rv.0, expected),
            None => Err(error.into()),
        },
    }
}

/// This should be so.
///
/// # Errors
/// When it is not.
pub fn ensure(held: bool, expected: impl Into<String>, seen: impl Into<String>) -> Outcome {
    if held { Ok(()) } else { Err(Finding::unlike(expected, seen)) }
}

/// These should be the same.
///
/// # Errors
/// When they are not.
pub fn same<T: PartialEq + fmt::Debug>(what: &str, expected: &T, seen: &T) -> Outcome {
    ensure(
        expected == seen,
        format!("{what} is {}", brief(expected)),
        format!("{what} is {}", brief(seen)),
    )
}

/// Two answers of the module should agree.
///
/// # Errors
/// When they do not.
pub fn agree(held: bool, one: impl Into<String>, other: impl Into<String>) -> Outcome {
    if held {
        Ok(())
    } else {
        Err(Finding::Inconsistent { expected: one.into(), seen: other.into() })
    }
}

fn brief<T: fmt::Debug>(value: &T) -> String {
    let text = format!("{value:02x?}");
    if text.len() <= 200 { text } else { text.chars().take(200).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_what_it_says() {
        assert!(matches("abi", "abi.function.C_Sign"));
        assert!(!matches("abi", "abide.function"));
        assert!(matches("cipher.*.round-trip", "cipher.CKM_AES_CBC.round-trip"));
        assert!(!matches("cipher.*.round-trip", "cipher.CKM_AES_CBC.round-trip.more"));
        assert!(matches("*", "anything.at.all"));
    }

    #[test]
    fn ids_are_unique_and_have_three_parts() {
        let registry = Registry::all();
        assert!(registry.checks().len() >= 600, "{}", registry.checks().len());
        for check in registry.checks() {
            assert!(check.id.split('.').count() >= 3, "{}", check.id);
            assert!(!check.title.is_empty() && !check.source.text.is_empty(), "{}", check.id);
        }
    }
}
