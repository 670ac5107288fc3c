//! The schedule of backups: once or again and again, at a time or now (Documented).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::Operation;
use super::destination::{self, is_name};
use crate::error::Error;
use crate::store::{BackupJob, BackupKind, BackupStatus};
use crate::texts::Cause;
use crate::vault::Vault;
use crate::view::View;

/// Longest time between two backups, minutes: a year.
const LONGEST_PERIOD_MINUTES: u32 = 366 * 24 * 60;

/// The dialog's fields.
#[derive(Debug, Clone)]
pub struct ScheduleRequest {
    /// Unique.
    pub name: String,
    /// When the first run is.
    pub start: BackupStart,
    /// Name of a destination, or `LOCAL`.
    pub destination: String,
    /// Once or periodic.
    pub kind: BackupKind,
    /// Minutes from one run to the next; for periodic ones.
    pub every_minutes: Option<u32>,
}

/// When a backup begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupStart {
    /// As soon as it is scheduled.
    Now,
    /// Then.
    At(Timestamp),
}

impl BackupStart {
    /// `Now`, or a time: `25-MAR-2021 19:30` as the dialog has it (Documented), `2021-03-25T19:30` as a browser
    /// sends it, or RFC 3339. UTC where no zone is said.
    ///
    /// # Errors
    /// [`Cause::OptionUnusable`].
    pub fn read(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() || text.eq_ignore_ascii_case("now") {
            return Ok(Self::Now);
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::At(time));
        }
        let civil = ["%d-%b-%Y %H:%M:%S", "%d-%b-%Y %H:%M"]
            .iter()
            .find_map(|format| DateTime::strptime(format, text).ok())
            .or_else(|| text.parse().ok());
        match civil.and_then(|civil| TimeZone::UTC.to_timestamp(civil).ok()) {
            Some(time) => Ok(Self::At(time)),
            None => Err(refuse(
                Cause::OptionUnusable,
                "the start time is Now or like 25-MAR-2021 19:30",
            )),
        }
    }
}

fn refuse(cause: Cause, detail: impl std::fmt::Display) -> Error {
    Error::new(Operation::Schedule, cause).with_detail(detail)
}

/// As the store keeps times: two of them can be compared as texts.
fn written(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(crate) fn schedule(vault: &mut Vault, request: &ScheduleRequest) -> Result<BackupJob, Error> {
    let operation = Operation::Schedule;
    if !is_name(&request.name) {
        let rule = "a backup's name has 1 to 64 letters, digits, _ and -";
        return Err(refuse(Cause::OptionUnusable, rule));
    }
    let periods = 1..=LONGEST_PERIOD_MINUTES;
    let every_minutes = match (request.kind, request.every_minutes) {
        (BackupKind::OneTime, _) => None,
        (BackupKind::Periodic, Some(minutes)) if periods.contains(&minutes) => Some(minutes),
        (BackupKind::Periodic, _) => {
            let rule = "a periodic backup needs days, hours or minutes, a year at most";
            return Err(refuse(Cause::OptionUnusable, rule));
        }
    };
    if !destination::exists(&vault.view, &request.destination)? {
        return Err(refuse(Cause::DestinationUnknown, &request.destination));
    }
    let start = match request.start {
        BackupStart::Now => Timestamp::now(),
        BackupStart::At(time) => time,
    };
    let job = BackupJob {
        name: request.name.clone(),
        kind: request.kind,
        destination: request.destination.clone(),
        status: BackupStatus::Active,
        next_at: Some(written(start)),
        every_minutes,
        runs: 0,
        last_full_at: None,
    };
    let mut new = false;
    let scheduled = vault.core.store.change(|change| {
        new = change.add_backup_job(&job)?;
        change.audit(operation.name(), if new { "success" } else { "BackupExists" })
    });
    scheduled.map_err(|error| Error::store(operation, &error))?;
    if new { Ok(job) } else { Err(refuse(Cause::BackupExists, &request.name)) }
}

pub(crate) fn unschedule(vault: &mut Vault, name: &str) -> Result<(), Error> {
    let operation = Operation::Schedule;
    let mut there = false;
    let removed = vault.core.store.change(|change| {
        there = change.remove_backup_job(name)?;
        change.audit("unschedule", if there { "success" } else { "BackupUnknown" })
    });
    removed.map_err(|error| Error::store(operation, &error))?;
    if there { Ok(()) } else { Err(refuse(Cause::BackupUnknown, name)) }
}

/// The job of this name.
pub(super) fn job(vault: &Vault, operation: Operation, name: &str) -> Result<BackupJob, Error> {
    let jobs = vault.core.store.backup_jobs().map_err(|error| Error::store(operation, &error))?;
    let found = jobs.into_iter().find(|job| job.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| Error::new(operation, Cause::BackupUnknown).with_detail(name))
}

pub(crate) fn pause_backup(vault: &mut Vault, name: &str) -> Result<BackupJob, Error> {
    set_status(vault, name, BackupStatus::Paused)
}

pub(crate) fn resume_backup(vault: &mut Vault, name: &str) -> Result<BackupJob, Error> {
    set_status(vault, name, BackupStatus::Active)
}

fn set_status(vault: &mut Vault, name: &str, status: BackupStatus) -> Result<BackupJob, Error> {
    let operation = Operation::Schedule;
    let mut job = job(vault, operation, name)?;
    if job.status == BackupStatus::Ongoing {
        return Err(refuse(Cause::WrongState, "the backup is being made"));
    }
    job.status = status;
    if job.next_at.is_none() {
        job.next_at = Some(written(Timestamp::now()));
    }
    let changed = vault.core.store.change(|change| change.backup_job(&job));
    changed.map_err(|error| Error::store(operation, &error))?;
    Ok(job)
}

/// Names of the backups whose time has come.
pub(crate) fn due_backups(view: &View) -> Result<Vec<String>, Error> {
    let now = Timestamp::now();
    let jobs =
        view.store.backup_jobs().map_err(|error| Error::store(Operation::Schedule, &error))?;
    let due = jobs.into_iter().filter(|job| is_due(job, now));
    Ok(due.map(|job| job.name).collect())
}

fn time(job: &BackupJob) -> Option<Timestamp> {
    job.next_at.as_ref()?.parse().ok()
}

/// Between two runs of a periodic backup, seconds.
fn period_s(job: &BackupJob) -> Option<i64> {
    job.every_minutes.map(|minutes| i64::from(minutes) * 60)
}

/// Whether a periodic backup waits longer than its period for a run that is not its first: the clock has been set
/// back since that time was written.
fn waits_too_long(job: &BackupJob, now: Timestamp) -> bool {
    let wait = time(job).map(|at| at.as_second() - now.as_second());
    job.runs > 0 && wait.zip(period_s(job)).is_some_and(|(wait, period)| wait > period)
}

fn is_due(job: &BackupJob, now: Timestamp) -> bool {
    let come = time(job).is_some_and(|at| at <= now);
    job.status == BackupStatus::Active && (come || waits_too_long(job, now))
}

/// When a periodic backup runs next.
pub(super) fn next(job: &BackupJob) -> Option<String> {
    next_after(job, Timestamp::now()).map(written)
}

/// The first time after now that is whole periods after the one before, so that a server that was down, or whose clock
/// was set forward, does not make up for every run it missed; a period from now, if the clock was set back. One that was
/// made by hand ahead of its time leaves that time as it was.
fn next_after(job: &BackupJob, now: Timestamp) -> Option<Timestamp> {
    let period = period_s(job)?;
    let before = if waits_too_long(job, now) { now } else { time(job)? };
    if before > now {
        return Some(before);
    }
    let missed = (now.as_second() - before.as_second()).max(0).checked_div(period)?;
    let later = Span::new().try_seconds(period.checked_mul(missed + 1)?).ok()?;
    before.checked_add(later).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_times_are_read_as_the_dialog_and_as_a_browser_writes_them() {
        assert_eq!(BackupStart::read("Now").unwrap(), BackupStart::Now);
        let expected = BackupStart::At("2021-03-25T19:30:00Z".parse().unwrap());
        for text in [
            "25-MAR-2021 19:30",
            "25-Mar-2021 19:30:00",
            "2021-03-25T19:30",
            "2021-03-25T19:30:00Z",
        ] {
            assert_eq!(BackupStart::read(text).unwrap(), expected, "{text}");
        }
        assert_eq!(BackupStart::read("soon").unwrap_err().cause, Cause::OptionUnusable);
    }

    fn daily(next_at: &str) -> BackupJob {
        BackupJob {
            name: "daily".into(),
            kind: BackupKind::Periodic,
            destination: "LOCAL".into(),
            status: BackupStatus::Active,
            next_at: Some(next_at.into()),
            every_minutes: Some(24 * 60),
            runs: 1,
            last_full_at: None,
        }
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn runs_that_were_missed_are_not_made_up_for() {
        let job = daily("2026-03-01T12:00:00Z");
        assert!(is_due(&job, at("2026-03-01T12:00:00Z")));
        assert!(!is_due(&job, at("2026-03-01T11:59:59Z")));
        // Down for ten days and a half, or a clock that was set forward: one run, and then the next day.
        let now = at("2026-03-12T01:00:00Z");
        assert!(is_due(&job, now));
        assert_eq!(next_after(&job, now), Some(at("2026-03-12T12:00:00Z")));
        // By hand, ahead of its time.
        assert_eq!(next_after(&job, at("2026-03-01T07:00:00Z")), time(&job));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_a_backup_wait_for_years() {
        let job = daily("2031-03-01T12:00:00Z");
        let now = at("2026-03-01T09:00:00Z");
        assert!(is_due(&job, now));
        assert_eq!(next_after(&job, now), Some(at("2026-03-02T09:00:00Z")));
        let job = BackupJob { next_at: Some("2026-03-02T09:00:00Z".into()), ..job };
        assert!(!is_due(&job, now), "once is enough");
        // One that somebody wants to begin in five years is no such thing.
        let first = BackupJob { runs: 0, ..daily("2031-03-01T12:00:00Z") };
        assert!(!is_due(&first, now));
        let single = BackupJob { every_minutes: None, ..daily("2031-03-01T12:00:00Z") };
        assert!(!is_due(&single, now));
    }
}
