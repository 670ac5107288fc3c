//! The worker: loads the module, asks one check after the other, tells how each ended.

use std::io::BufRead as _;
use std::time::Instant;

use anyhow::{Context as _, Result};
use luna_client::module::watch;

use super::{Assignment, Message, Told};
use crate::check::{Allow, Check, Finding, Footing, Registry};
use crate::report::Subject;
use crate::stage::{Stage, leftovers};

/// Reads the assignment from standard input and does it.
///
/// # Errors
/// When there is no assignment to read.
pub fn work() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let assignment: Assignment = serde_json::from_str(&line).context("no assignment")?;
    // Without a record of the calls the checks are as good.
    let _ = watch::begin(&assignment.calls, assignment.per_second);
    let mut stage = match Stage::load(assignment.target.clone(), &assignment.secrets) {
        Ok(stage) => stage,
        Err(error) => {
            Message::Unusable(error.to_string()).send();
            return Ok(());
        }
    };
    if assignment.clean {
        clean(&mut stage, &assignment);
        Message::Finished.send();
        return Ok(());
    }
    let registry = Registry::all();
    let mut introduced = false;
    for id in &assignment.ids {
        Message::Began(id.clone()).send();
        let Some(check) = registry.find(id) else { continue };
        watch::clear();
        let begun = Instant::now();
        let told = ask(&mut stage, check);
        let duration_ms = begun.elapsed().as_secs_f64() * 1000.0;
        let calls = match &told {
            Told::Conforms | Told::NotApplicable(_) => Vec::new(),
            _ => std::fs::read_to_string(&assignment.calls)
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect(),
        };
        if !introduced && let Some(subject) = Subject::of(&stage) {
            introduced = true;
            Message::Ready(subject).send();
        }
        Message::Ended { id: id.clone(), told, calls, duration_ms }.send();
        if check.needs.allow.contains(&Allow::TokenObjects) {
            stage.tidy();
        }
        stage.settle();
        if check.needs.footing == Footing::Fresh && assignment.restore {
            let _ = stage.initialise();
        }
    }
    Message::Finished.send();
    if stage.has_abandoned() {
        // Nothing is dropped, and the library's own handlers at the end of a process run.
        std::process::exit(0);
    }
    Ok(())
}

fn ask(stage: &mut Stage, check: &Check) -> Told {
    let asked = stage
        .enter(check.needs.footing)
        .and_then(|()| fits(stage, check))
        .and_then(|()| check.ask(stage));
    match asked {
        Ok(()) => Told::Conforms,
        Err(Finding::Unlike { expected, seen }) => Told::Unlike { expected, seen },
        Err(Finding::Inconsistent { expected, seen }) => Told::Inconsistent { expected, seen },
        Err(Finding::NotApplicable(reason)) => Told::NotApplicable(reason),
    }
}

/// Whether the token is one the check is meant for.
fn fits(stage: &mut Stage, check: &Check) -> Result<(), Finding> {
    use crate::check::Subject as Kind;
    if matches!(check.needs.footing, Footing::Public | Footing::Officer) {
        let kind = stage.subject()?;
        match check.needs.subject {
            Kind::Luna if kind == Kind::Any => {
                return Err(Finding::not_applicable("the token is not a Luna's"));
            }
            Kind::Group if kind != Kind::Group => {
                return Err(Finding::not_applicable("the token is no HA group"));
            }
            _ => {}
        }
        for mechanism in &check.needs.mechanisms {
            if !stage.lists(*mechanism)? {
                let name = luna_client::ck::names::ckm(*mechanism);
                return Err(Finding::not_applicable(format!("the token does not list {name}")));
            }
        }
    } else if check.needs.subject != Kind::Any
        && stage.module.raw().vendor().CA_GetTokenPolicies.is_none()
    {
        return Err(Finding::not_applicable("the library is not the vendor's"));
    }
    Ok(())
}

/// Destroys what this run has left.
fn clean(stage: &mut Stage, assignment: &Assignment) {
    if stage.enter(Footing::Officer).is_err() {
        return;
    }
    let Ok(session) = stage.session() else { return };
    let label = stage.label();
    for (object, found) in leftovers(&session).unwrap_or_default() {
        if found == label || assignment.target.run.is_empty() {
            let _ = session.destroy(object);
        }
    }
}
