//! What a step of a scenario may expect, and how that is judged.

use anyhow::{Result, bail, ensure};
use okv_sim::{Cause, State, Status};
use serde::Deserialize;

use super::action::Action;
use super::vault::{objects_on_token, reads_all, reads_nothing, told};
use super::walk::Walk;
use crate::transcript::Seen;

/// A cause by its name, as in `CouldNotGetSlot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CauseName(Cause);

impl TryFrom<String> for CauseName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let found = okv_sim::texts::TABLE.iter().find(|text| text.cause.name() == name);
        found.map(|text| Self(text.cause)).ok_or_else(|| format!("there is no cause `{name}`"))
    }
}

/// A state by its name, as in `ENABLED_OK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StateName(State);

impl TryFrom<String> for StateName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let all = [
            State::NotEnabled,
            State::CredentialSet,
            State::EnabledOk,
            State::EnabledFail,
            State::Sealed,
        ];
        all.into_iter().find(|state| state.name() == name).map(Self).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|state| state.name()).collect();
            format!("there is no state `{name}`; there are {}", names.join(", "))
        })
    }
}

/// A step of a sequence, as in `verification 8`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct At {
    sequence: String,
    number: u8,
}

impl At {
    /// Whether it is this one.
    pub(super) fn is(&self, step: okv_sim::Step) -> bool {
        step.sequence() == self.sequence && step.number() == self.number
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.sequence, self.number)
    }
}

impl TryFrom<String> for At {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let sequences = [
            ("initialize", okv_sim::InitializeStep::ALL.len()),
            ("verification", okv_sim::VerificationStep::ALL.len()),
            ("reverse-migrate", okv_sim::ReverseMigrateStep::ALL.len()),
            ("backup", okv_sim::BackupStep::ALL.len()),
            ("restore", okv_sim::RestoreStep::ALL.len()),
        ];
        let parts = text.split_once(' ').and_then(|(name, number)| {
            let (sequence, steps) = sequences.iter().find(|it| it.0 == name)?;
            let number: u8 = number.parse().ok()?;
            (1..=*steps).contains(&number.into()).then_some((*sequence, number))
        });
        let Some((sequence, number)) = parts else {
            let all: Vec<_> =
                sequences.iter().map(|it| format!("{} 1 to {}", it.0, it.1)).collect();
            return Err(format!("there is no step `{text}`; there are {}", all.join(", ")));
        };
        Ok(Self { sequence: sequence.into(), number })
    }
}

/// Whether an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alert {
    /// None does.
    None,
    /// One does.
    Stands,
}

/// What the server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Serves {
    /// Every object that was stored, as it was.
    All,
    /// Nothing, not even a list.
    Nothing,
}

/// What is expected after a step's actions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// The last action fails, for this cause; for one of these, where it depends on what the HSM is.
    fails: Vec<CauseName>,
    /// The step of its sequence that fails.
    at: Option<At>,
    /// In the text of the failure, or of the alert that stands.
    says: Option<String>,
    /// The state of the server; the arrow goes with it.
    state: Option<StateName>,
    alert: Option<Alert>,
    serves: Option<Serves>,
    /// Objects on the token, less those that were there before the scenario.
    objects: Option<i64>,
    /// Label of the token that the server found; `@` is the label it is to use.
    token: Option<String>,
    /// The last action asks nothing of the HSM: no library, no slot, no login.
    hsm_untouched: bool,
}

impl Expect {
    /// Does the actions and judges.
    pub(super) fn judge(&self, actions: &[Action], walk: &mut Walk, seen: &mut Seen) -> Result<()> {
        let (mut failure, mut traces) = (None, 0);
        for action in actions {
            if let Some(error) = failure {
                bail!("{error}");
            }
            traces = walk.traces();
            failure = action.perform(walk, seen)?;
            if let Some(error) = &failure {
                seen.fact(said(error));
            }
        }
        self.failure(failure.as_ref())?;
        if self.hsm_untouched {
            untouched(walk, traces, seen)?;
        }
        self.server(failure.as_ref(), walk, seen)?;
        if let Some(expected) = self.objects {
            let before = i64::try_from(walk.objects_before.unwrap_or_default())?;
            let there = i64::try_from(objects_on_token(walk)?)? - before;
            seen.fact(format!("{there} object(s) of this scenario on the token"));
            ensure!(there == expected, "{there} objects, not {expected}");
        }
        Ok(())
    }

    fn failure(&self, failure: Option<&okv_sim::Error>) -> Result<()> {
        let names: Vec<_> = self.fails.iter().map(|it| it.0.name()).collect();
        let names = names.join(" or ");
        let Some(error) = failure else {
            ensure!(names.is_empty(), "nothing failed; expected was {names}");
            return Ok(());
        };
        ensure!(!names.is_empty(), "{error}");
        let expected = self.fails.iter().any(|it| it.0 == error.cause);
        ensure!(expected, "it failed with {}, not {names}: {error}", error.cause);
        if let Some(at) = &self.at {
            let steps = [error.step, error.verification_step];
            let right = steps.iter().flatten().any(|step| at.is(*step));
            ensure!(right, "it failed at {}, not at {at}", place(error));
        }
        Ok(())
    }

    fn server(
        &self,
        failure: Option<&okv_sim::Error>,
        walk: &mut Walk,
        seen: &mut Seen,
    ) -> Result<()> {
        let Ok(vault) = walk.vault() else {
            ensure!(self.state.is_none() && self.serves.is_none(), "the server does not run");
            return Ok(());
        };
        let status = vault.status()?;
        self.state(&status, seen)?;
        if let Some(text) = &self.says {
            let alert = status.alert.as_ref().map(|alert| alert.text.clone()).unwrap_or_default();
            let error = failure.map(ToString::to_string).unwrap_or_default();
            let there = error.contains(text) || alert.contains(text);
            ensure!(there, "`{text}` is not said, but: {error}{alert}");
        }
        if let Some(label) = &self.token {
            let found = status.details.map(|details| details.token_label).unwrap_or_default();
            let label = if label == "@" { &walk.told.token_label } else { label };
            ensure!(found == *label, "the token is `{found}`, not `{label}`");
            seen.fact(format!("the token is `{found}`"));
        }
        match self.serves {
            Some(Serves::All) => seen.fact(reads_all(walk)?),
            Some(Serves::Nothing) => seen.fact(reads_nothing(walk)?),
            None => {}
        }
        Ok(())
    }

    fn state(&self, status: &Status, seen: &mut Seen) -> Result<()> {
        let line = told(status);
        if (self.state.is_some() || self.alert.is_some())
            && !seen.facts.last().is_some_and(|last| last.ends_with(&line))
        {
            seen.fact(line);
        }
        if let Some(StateName(state)) = self.state {
            ensure!(status.state == state, "the state is {}, not {state}", status.state);
            ensure!(status.green == (state == State::EnabledOk), "arrow and state differ");
        }
        match (self.alert, &status.alert) {
            (Some(Alert::None), Some(alert)) => bail!("an alert stands: {}", alert.text),
            (Some(Alert::Stands), None) => bail!("no alert stands"),
            (Some(Alert::Stands), Some(alert)) => {
                let begins = alert.text.starts_with(okv_sim::texts::ALERT_PREFIX);
                ensure!(begins, "the alert begins otherwise: {}", alert.text);
            }
            (Some(Alert::None) | None, _) => {}
        }
        Ok(())
    }
}

fn place(error: &okv_sim::Error) -> String {
    let step = error.verification_step.or(error.step);
    step.map_or_else(|| "no step".to_owned(), |step| step.to_string())
}

/// What failed, and where.
fn said(error: &okv_sim::Error) -> String {
    format!("{}: {}, {}", error.operation, error.what(), place(error))
}

/// By its traces: what failed before the library was loaded asked the HSM nothing.
fn untouched(walk: &mut Walk, traces: usize, seen: &mut Seen) -> Result<()> {
    for trace in walk.vault()?.traces().iter().skip(traces) {
        let text = std::fs::read_to_string(trace)?;
        ensure!(!text.contains("load the PKCS#11 library"), "the library was loaded:\n{text}");
    }
    seen.fact("the library was not loaded: the HSM was asked for nothing");
    Ok(())
}
