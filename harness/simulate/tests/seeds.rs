//! Seeds by the dozen, the lies that each checker must catch, and what earlier failures were cut down to.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;

use luna_simulate::{Lie, Schedule, run, run_in_detail, shrink};

/// Steps of a schedule.
const STEPS: usize = 200;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn told(schedule: &Schedule, lie: Option<Lie>) -> String {
    let outcome = run_in_detail(schedule, lie).unwrap();
    let mut text = String::new();
    for line in outcome.trace {
        writeln!(text, "{line}").unwrap();
    }
    writeln!(text, "{}", serde_json::to_string(schedule).unwrap()).unwrap();
    text
}

/// `LUNA_SIMULATE_SEEDS` says how many, `LUNA_SEED` the first.
#[test]
fn every_seed_holds() {
    let first = number("LUNA_SEED", 0);
    for seed in first..first + number("LUNA_SIMULATE_SEEDS", 300) {
        let schedule = Schedule::of_seed(seed, STEPS);
        if run(&schedule, None).unwrap().violation.is_some() {
            let short =
                shrink(&schedule, &mut |tried| run(tried, None).unwrap().violation.is_some());
            panic!("seed {seed}, cut down:\n{}", told(&short, None));
        }
    }
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    for seed in 0..20 {
        let schedule = Schedule::of_seed(seed, STEPS);
        assert_eq!(told(&schedule, None), told(&schedule, None), "seed {seed}");
    }
}

/// What the checker says that is there for a lie.
fn checker(lie: Lie) -> &'static [&'static str] {
    match lie {
        Lie::DropsCopies | Lie::ForgetsAtPowerOff => &["was acknowledged; on members"],
        Lie::KeepsDestroyed => &["was destroyed; on members"],
        Lie::TakesOtherKey => &["is not by its key"],
        Lie::StaysLoggedIn => &["without a login", "what a login is for"],
        Lie::MakesTwice => &["it was made once and is there"],
        Lie::DropsChanges => &["its id is", "and the id"],
        Lie::Refuses => &["FunctionFailed", "a lie"],
        Lie::GivesOtherHandle => &["has the label", "is not by its key"],
        Lie::NeverComesBack => &["two intervals after all was mended"],
    }
}

#[test]
fn every_lie_is_caught_by_its_checker() {
    for lie in Lie::ALL {
        let mut others = Vec::new();
        let caught = (0..200).any(|seed| {
            let outcome = run(&Schedule::of_seed(seed, STEPS), Some(*lie)).unwrap();
            let Some(violation) = outcome.violation else { return false };
            let caught = checker(*lie).iter().any(|words| violation.contains(words));
            if !caught {
                others.push(violation);
            }
            caught
        });
        assert!(caught, "{lie:?} was believed 200 times, or caught by others: {others:#?}");
    }
}

/// What seeds found, cut down; each was a bug of the group's.
#[test]
fn what_failed_once_holds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    let mut schedules = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let schedule: Schedule =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let outcome = run(&schedule, None).unwrap();
        assert_eq!(outcome.violation, None, "{}", path.display());
        schedules += 1;
    }
    assert!(schedules >= 5, "{schedules}");
}
