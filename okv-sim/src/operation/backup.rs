//! A backup: a copy of the database, encrypted, sent, and given its name last.
//!
//! Whatever fails, or if the process dies, nothing counts at the destination that is not whole: what is sent has a
//! temporary name until it is. A run that failed is PAUSED, with its reason in the list (Assumed; the four statuses
//! are Documented). In HSM mode the configuration is verified first and a red arrow refuses: a backup of a server
//! whose root of trust cannot be reached could not be restored (Assumed).

use std::path::PathBuf;

use jiff::{Span, Timestamp};
use serde::Serialize;

use super::destination::{explain, reach};
use super::{BackupStep as At, Operation, open, schedule};
use crate::backup::archive::{self, Header, Hex};
use crate::backup::courier::Courier;
use crate::disk::Place;
use crate::error::Error;
use crate::run::Run;
use crate::seal::{self, Sealed};
use crate::secret::Secret;
use crate::store::{BackupJob, BackupKind, BackupStatus, Mode, NewRun};
use crate::tablespace::{BACKUP_SECRET, MANAGED_OBJECTS, Tablespace};
use crate::texts::Cause;
use crate::vault::Vault;
use crate::verification::Input;
use crate::watch::Event;

/// A temporary name at the destination ends so.
pub(super) const PART: &str = ".part";

/// The backup is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackedUp {
    /// The job's name.
    pub name: String,
    /// Name of the file at the destination.
    pub file: String,
    /// Its length.
    pub bytes: usize,
    /// The trace file.
    pub trace: PathBuf,
}

/// A secret for backups: drawn once a server.
pub(crate) fn new_backup_secret() -> Result<Secret, Sealed> {
    Ok(Secret::new(seal::random::<32>()?.to_vec()))
}

pub(crate) fn backup(vault: &mut Vault, name: &str) -> Result<BackedUp, Error> {
    let operation = Operation::Backup;
    let mut job = schedule::job(vault, operation, name)?;
    open(&vault.view, operation)?;
    if job.status == BackupStatus::Ongoing {
        return Err(Error::new(operation, Cause::WrongState).with_detail("it is being made"));
    }
    let mut run = Run::begin(operation, &vault.core.disk, &vault.core.watch);
    let mut id = None;
    let result = forward(vault, &mut run, &mut job, &mut id);
    if let Err(error) = &result {
        run.note(format_args!("The run is paused: {error}"));
        settle_failure(vault, &mut run, &job, id, error);
    }
    let trace = run.finish(result.as_ref().err());
    vault.record(operation, &result);
    result.map(|done| BackedUp { trace, ..done })
}

fn forward(
    vault: &mut Vault,
    run: &mut Run,
    job: &mut BackupJob,
    id: &mut Option<i64>,
) -> Result<BackedUp, Error> {
    run.enter(At::Begin)?;
    let scheduled_at = job.next_at.clone().unwrap_or_else(crate::store::now);
    job.runs = job.runs.saturating_add(1);
    job.status = BackupStatus::Ongoing;
    let mut begun = 0;
    let began = vault.core.store.change(|change| {
        begun = change.begin_backup_run(&NewRun { job, scheduled_at: &scheduled_at })?;
        change.backup_job(job)
    });
    began.map_err(|error| run.store(&error))?;
    *id = Some(begun);

    run.enter(At::VerifyHsm)?;
    let hsm = vault.mode(Operation::Backup)? == Mode::Enabled;
    if hsm {
        vault.run_verification(Operation::Backup, &Input::Stored, false).result?;
    }

    run.enter(At::CopyDatabase)?;
    let database = copy_database(vault, run)?;

    run.enter(At::Seal)?;
    let archive = seal_backup(vault, run, hsm, &database)?;

    run.enter(At::Connect)?;
    let mut courier = reach(vault, Operation::Backup, &job.destination).map_err(|it| run.at(it))?;

    run.enter(At::Send)?;
    let failed =
        |run: &Run, error| run.at(explain(Operation::Backup, Cause::DestinationFailed, &error));
    let there = courier.list().map_err(|error| failed(run, error))?;
    let file = file_name(job.kind, hsm, &there);
    let part = format!("{file}{PART}");
    let watch = vault.core.watch.clone();
    let sent = courier
        .put(&part, &archive, &mut |gone| watch.notify(&Event::Sent { gone, of: archive.len() }))
        .and_then(|()| {
            run.enter(At::Publish).map_err(|_| stopped())?;
            courier.rename(&part, &file)
        });
    if let Err(error) = sent {
        // Best effort: what stays has a temporary name, and nobody is offered it.
        let _ = courier.remove(&part);
        return Err(failed(run, error));
    }
    if let Err(error) = publish_list(courier.as_mut(), job.kind, &file, &archive, vault) {
        run.note(format_args!("The list of backups could not be renewed: {error}"));
    }

    run.enter(At::Record)?;
    job.last_full_at = Some(crate::store::now());
    job.next_at = schedule::next(job);
    job.status = BackupStatus::Active;
    let recorded = vault.core.store.change(|change| {
        change.end_backup_run(begun, &file, archive.len())?;
        change.counts(true)?;
        match job.kind {
            BackupKind::OneTime => change.remove_backup_job(&job.name).map(drop),
            BackupKind::Periodic => change.backup_job(job),
        }
    });
    recorded.map_err(|error| run.store(&error))?;
    Ok(BackedUp { name: job.name.clone(), file, bytes: archive.len(), trace: PathBuf::new() })
}

fn stopped() -> crate::backup::courier::CourierError {
    let stopped = crate::watch::Stopped("before the backup had its name".into());
    crate::backup::courier::CourierError::Stopped(stopped)
}

/// The run is paused; a periodic job waits for its next time, a single one for somebody to resume it.
fn settle_failure(
    vault: &mut Vault,
    run: &mut Run,
    job: &BackupJob,
    id: Option<i64>,
    error: &Error,
) {
    let Some(id) = id else { return };
    let mut job = job.clone();
    job.status = match job.kind {
        BackupKind::OneTime => BackupStatus::Paused,
        BackupKind::Periodic => BackupStatus::Active,
    };
    if job.kind == BackupKind::Periodic {
        job.next_at = schedule::next(&job);
    }
    let settled = vault.core.store.change(|change| {
        change.pause_backup_runs(Some(id), &error.to_string())?;
        change.backup_job(&job)
    });
    if let Err(error) = settled {
        run.note(format_args!("This could not be recorded: {error}"));
    }
}

fn copy_database(vault: &Vault, run: &Run) -> Result<Vec<u8>, Error> {
    let disk = &vault.core.disk;
    let failed = |error| run.disk(Cause::DiskFailed, &error);
    disk.remove(Place::BackupCopy).map_err(failed)?;
    let path = disk.touch(Place::BackupCopy).map_err(failed)?;
    vault.core.store.copy_to(&path).map_err(|error| run.store(&error))?;
    let database = disk.read(Place::BackupCopy).map_err(failed)?;
    disk.remove(Place::BackupCopy).map_err(failed)?;
    Ok(database)
}

fn seal_backup(vault: &Vault, run: &Run, hsm: bool, database: &[u8]) -> Result<Vec<u8>, Error> {
    let core = &vault.core;
    let crypto = |_| run.fail(Cause::CryptoFailed);
    let store = |error| run.store(&error);
    let read = |place| core.disk.read(place).map_err(|error| run.disk(Cause::DiskFailed, &error));
    let tablespace: &Tablespace = &*open(&vault.view, Operation::Backup)?;
    let (sealed, wrapped) =
        core.store.backup_secret().map_err(store)?.ok_or_else(|| {
            run.fail(Cause::CryptoFailed).with_detail("there is no backup secret")
        })?;
    let secret = tablespace.unseal(BACKUP_SECRET, &sealed).map_err(crypto)?;
    let recovery = core.store.recovery().map_err(store)?;
    let (master_key, tablespace_key) = core.store.tablespace(MANAGED_OBJECTS).map_err(store)?;
    let release = core.release().map_err(store)?;
    let header = Header {
        release: release.name,
        release_rank: release.rank,
        server_id: core.store.server_id().map_err(store)?.unwrap_or_default(),
        taken_at: crate::store::now(),
        wallet: Hex(read(Place::Wallet)?),
        blob: if hsm { Some(Hex(read(Place::Blob)?)) } else { None },
        passphrase_salt: Hex(recovery.salt),
        passphrase_iterations: recovery.iterations,
        passphrase_verifier: Hex(recovery.verifier),
        passphrase_wrapped: recovery.wrapped.map(Hex),
        backup_secret: Hex(wrapped),
        master_key: Hex(master_key),
        tablespace_key: Hex(tablespace_key),
        salt: Hex(seal::random::<32>().map_err(crypto)?.to_vec()),
    };
    archive::write(&header, tablespace, &secret, database).map_err(crypto)
}

/// First words of a file's name: `okvbackup_onetime_onetime` is Documented, the periodic one Assumed.
const fn stem(kind: BackupKind) -> &'static str {
    match kind {
        BackupKind::OneTime => "okvbackup_onetime_onetime",
        BackupKind::Periodic => "okvbackup_periodic_full",
    }
}

/// The file's name, with the time in UTC (Documented), one that is not there yet.
fn file_name(kind: BackupKind, hsm: bool, there: &[String]) -> String {
    let mut time = Timestamp::now();
    loop {
        let stamp = time.strftime("%Y%m%d%H%M%S");
        let name = format!("{}_{stamp}{}", stem(kind), if hsm { "_hsm" } else { "" });
        if !there.contains(&name) {
            return name;
        }
        time = time.checked_add(Span::new().seconds(1)).unwrap_or(time);
    }
}

/// What a file's name tells: the kind, the stamp, and whether it was taken in HSM mode. `None` for other files.
pub(super) fn read_name(name: &str) -> Option<(BackupKind, &str, bool)> {
    [BackupKind::OneTime, BackupKind::Periodic].into_iter().find_map(|kind| {
        let rest = name.strip_prefix(stem(kind))?.strip_prefix('_')?;
        let (stamp, hsm) = match rest.strip_suffix("_hsm") {
            Some(stamp) => (stamp, true),
            None => (rest, false),
        };
        let digits = stamp.len() == 14 && stamp.bytes().all(|digit| digit.is_ascii_digit());
        digits.then_some((kind, stamp, hsm))
    })
}

/// `okvbackup_onetime.mgr` and `okvinit.bkp`: that they are there is Documented, what is in them Assumed: a line for
/// each backup, and who made them.
fn publish_list(
    courier: &mut dyn Courier,
    kind: BackupKind,
    file: &str,
    archive: &[u8],
    vault: &Vault,
) -> crate::backup::courier::Result<()> {
    let name = match kind {
        BackupKind::OneTime => "okvbackup_onetime.mgr",
        BackupKind::Periodic => "okvbackup_periodic.mgr",
    };
    let there = courier.list()?;
    let mut lines = if there.iter().any(|other| other == name) {
        String::from_utf8_lossy(&courier.get(name)?).into_owned()
    } else {
        String::new()
    };
    let digest = data_encoding::HEXLOWER.encode(&seal::sha256(archive));
    lines.push_str(&format!("{file} {} {digest}\n", archive.len()));
    let mut whole = |name: &str, bytes: &[u8]| {
        let part = format!("{name}{PART}");
        courier.put(&part, bytes, &mut |_| Ok(()))?;
        courier.rename(&part, name)
    };
    whole(name, lines.as_bytes())?;
    let server = vault.core.store.server_id().ok().flatten().unwrap_or_default();
    let release = vault.core.store.release().unwrap_or_default();
    whole("okvinit.bkp", format!("server {server}\nrelease {release}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_guide_and_are_read_back() {
        let guide = "okvbackup_onetime_onetime_20210325140732_hsm";
        assert_eq!(read_name(guide), Some((BackupKind::OneTime, "20210325140732", true)));
        let mut there = vec![];
        for kind in [BackupKind::OneTime, BackupKind::Periodic] {
            for hsm in [false, true, true] {
                let name = file_name(kind, hsm, &there);
                let (read, _, in_hsm) = read_name(&name).unwrap();
                assert_eq!((read, in_hsm), (kind, hsm));
                assert!(!there.contains(&name));
                there.push(name);
            }
        }
        for other in ["okvbackup_onetime.mgr", "okvinit.bkp", &format!("{guide}.part"), "../etc"] {
            assert_eq!(read_name(other), None, "{other}");
        }
    }
}
