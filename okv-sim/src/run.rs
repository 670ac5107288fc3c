//! One run of an operation: which step it is at, its trace, and errors that know both.

use std::fmt::Display;
use std::path::PathBuf;

use crate::disk::{Disk, DiskError, Place};
use crate::effect::{self, Effect, Moment};
use crate::error::{Error, Rv};
use crate::operation::{Operation, Step};
use crate::store::StoreError;
use crate::texts::Cause;
use crate::token::TokenError;
use crate::trace::Trace;
use crate::watch::{Event, Stopped, Watch};

/// A run that has begun.
pub(crate) struct Run {
    operation: Operation,
    watch: Watch,
    trace: Trace,
    step: Option<Step>,
    /// A step of the verification, inside a step of another sequence.
    within: Option<Step>,
}

impl Run {
    pub(crate) fn begin(operation: Operation, disk: &Disk, watch: &Watch) -> Self {
        let trace = Trace::begin(&disk.path(Place::TraceDirectory), operation.verb());
        Self { operation, watch: watch.clone(), trace, step: None, within: None }
    }

    /// Begins a step; a watcher may refuse.
    pub(crate) fn enter(&mut self, step: impl Into<Step>) -> Result<(), Error> {
        let step = step.into();
        self.within = None;
        match self.step {
            Some(outer) if !outer.is_beside(step) => self.within = Some(step),
            _ => self.step = Some(step),
        }
        self.note(format_args!("{step}"));
        self.watch.notify(&Event::Step(step)).map_err(|stopped| self.stopped(&stopped))
    }

    /// Begins an action of a rollback; a watcher may refuse.
    pub(crate) fn undoing(&mut self, what: &'static str) -> Result<(), Stopped> {
        self.note(format_args!("Rolling back: {what}"));
        self.watch.notify(&Event::Undoing(what))
    }

    /// A line of the trace. Never a secret.
    pub(crate) fn note(&mut self, text: impl Display) {
        self.trace.line(text);
    }

    /// The error knows where the run is.
    pub(crate) fn at(&self, mut error: Error) -> Error {
        error.step = self.step;
        error.verification_step = self.within;
        error
    }

    pub(crate) fn fail(&self, cause: Cause) -> Error {
        self.at(Error::new(self.operation, cause))
    }

    pub(crate) fn stopped(&self, stopped: &Stopped) -> Error {
        self.fail(Cause::Stopped).with_detail(&stopped.0)
    }

    pub(crate) fn store(&self, error: &StoreError) -> Error {
        self.at(Error::store(self.operation, error))
    }

    pub(crate) fn disk(&self, cause: Cause, error: &DiskError) -> Error {
        self.at(Error::disk(self.operation, cause, error))
    }

    /// What a call's failure means at this moment.
    pub(crate) fn token(&self, moment: Moment, error: &TokenError) -> Error {
        let cause = match effect::effect(moment, error.rv) {
            Effect::Pin(cause) | Effect::Fail(cause) => cause,
            Effect::Reconnect => Cause::SessionLost,
            Effect::Success => Cause::HsmCallFailed,
        };
        self.module(cause, error)
    }

    /// A call's failure that means `cause`.
    pub(crate) fn module(&self, cause: Cause, error: &TokenError) -> Error {
        let mut out = self.fail(cause).with_detail(&error.detail);
        out.rv = error.rv.map(Rv);
        out
    }

    /// Writes the last line; where the trace lies.
    pub(crate) fn finish(mut self, failure: Option<&Error>) -> PathBuf {
        match failure {
            None => self.note("Finished successfully"),
            Some(error) => self.note(format_args!("Finished with error: {error}")),
        }
        self.trace.path().to_owned()
    }
}
