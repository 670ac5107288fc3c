//! The model catches what it should: a model that cannot fail is worth nothing.

use luna_model::{Effort, check, sweep};

use crate::Subject;
use crate::liar::{ALL, Liar, Lie};

/// Sequences after which a lie must have been noticed.
const CASES: u32 = 1500;

/// A listing longer than this was not cut down.
const LONGEST: usize = 30;

#[test]
fn every_planted_lie_is_caught() {
    let subject = Subject::up(&["--fips", "off"]);
    let mut missed: Vec<Lie> = Vec::new();
    for lie in ALL {
        let mut liar = Liar::new(subject.module.clone(), lie);
        let effort = Effort { cases: CASES, steps: crate::STEPS, seed: 7, shrink: 300 };
        match check(&mut liar, &subject.token, effort) {
            Ok(calls) => {
                println!("{lie:?}: not noticed in {calls} calls");
                missed.push(lie);
            }
            Err(failure) => {
                let calls = failure.listing.lines().count();
                println!("{lie:?}, {calls} calls:\n{failure}\n");
                assert!(calls <= LONGEST, "{lie:?} was not cut down: {calls} calls");
            }
        }
        sweep(&mut subject.module.clone(), &subject.token);
    }
    assert!(missed.is_empty(), "{missed:?}");
}
