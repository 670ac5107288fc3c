//! A few operations of each case between two marks, for a program that counts instructions.
//!
//! Under `valgrind --tool=callgrind --zero-before='*counted_begins*' --dump-before='*counted_ends*'` each case is one
//! dump, in order. What the module costs is then told from what the caller does by the object it lies in.

use std::io::BufRead as _;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::bed::Bed;
use crate::case;
use crate::worker::{Answer, Assignment};

/// The name of the hidden verb.
pub const COUNTED: &str = "bench-counted";

/// Operations before the counting begins: caches fill, keys are parsed.
const WARM_UP: u32 = 3;

/// What is to be counted.
#[derive(Clone, Serialize, Deserialize)]
pub struct Counting {
    /// The token.
    pub assignment: Assignment,
    /// Ids of cases.
    pub cases: Vec<String>,
    /// Operations of each.
    pub calls: u32,
}

/// Before the operations of a case.
#[inline(never)]
pub fn counted_begins(case: &str) {
    std::hint::black_box(case);
}

/// After them.
#[inline(never)]
pub fn counted_ends(case: &str) {
    std::hint::black_box(case);
}

/// Reads a [`Counting`] from standard input and does it.
///
/// # Errors
/// When a case is none for the token, or fails.
pub fn count() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let Counting { assignment, cases, calls } =
        serde_json::from_str(&line).context("nothing to count")?;
    let Assignment { target, secrets, allow, .. } = assignment;
    let told = |finding| match Answer::from(finding) {
        Answer::NotApplicable(reason) | Answer::Failed(reason) => anyhow::anyhow!("{reason}"),
        other => anyhow::anyhow!("{other:?}"),
    };
    let mut bed = Bed::make(target, &secrets, &allow).map_err(told)?;
    for id in &cases {
        let Some(case) = case::find(id) else { bail!("no case is called {id}") };
        let mut operations = bed.prepare(case, 1).map_err(told).with_context(|| id.clone())?;
        let Some(operation) = operations.first_mut() else { continue };
        for _ in 0..WARM_UP {
            operation().with_context(|| id.clone())?;
        }
        counted_begins(id);
        for _ in 0..calls {
            operation().with_context(|| id.clone())?;
        }
        counted_ends(id);
    }
    bed.tidy().map_err(told)
}
