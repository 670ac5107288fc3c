//! A restore: everything is looked at before anything is changed, laid ready beside what is there, and made to count
//! by one file.
//!
//! Before the commit a failure or a death leaves the server as it was; after it the next opening puts the restored
//! files in place. Only backups taken in HSM mode go onto an HSM-enabled server, with HSM and root of trust of the time
//! of the backup (Documented). Afterwards the root key is the backup's, not the one the server had before (Assumed);
//! the credential is the one that was set here. Scheduled backups of the restored server are paused: another server
//! may still send to the same place (Documented that a path must not be shared; the pausing is Assumed).

use std::path::PathBuf;

use serde::Serialize;

use super::backup::read_name;
use super::destination::{explain, reach};
use super::{Operation, RestoreStep as At};
use crate::backup::archive::{self, Archive};
use crate::blob::{Blob, KeyNumber};
use crate::credential;
use crate::disk::{Disk, DiskError, Place};
use crate::error::{Error, Rv};
use crate::recovery::{RecoveryError, Unlocked};
use crate::run::Run;
use crate::secret::Secret;
use crate::store::{HsmSettings, Mode, Store};
use crate::tablespace::Tablespace;
use crate::texts::Cause;
use crate::vault::{State, Vault};
use crate::verification::{self, Input};
use crate::wallet::{self, MasterKeys};

/// What is chosen on the Restore page.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// Name of the source, a destination or `LOCAL`.
    pub source: String,
    /// Name of the file there.
    pub file: String,
    /// The recovery passphrase of the time of the backup.
    pub passphrase: Secret,
}

/// A backup that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restorable {
    /// `One-Time` or `Periodic`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Name of the file.
    pub file: String,
    /// UTC, RFC 3339.
    pub taken_at: String,
    /// Whether it was taken in HSM mode.
    pub hsm: bool,
}

/// The restore is through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The state afterwards: `SEALED` if the wallet did not open.
    pub state: State,
    /// The root key's number; `None` for a backup without HSM.
    pub key_number: Option<KeyNumber>,
    /// When the backup was taken. UTC, RFC 3339.
    pub taken_at: String,
    /// Why the wallet did not open.
    pub failure: Option<Error>,
    /// The trace file.
    pub trace: PathBuf,
}

/// What was laid ready, and whose place it takes.
const MOVES: [(Place, Place); 4] = [
    (Place::StagedStore, Place::Store),
    (Place::StagedWallet, Place::Wallet),
    (Place::StagedBlob, Place::Blob),
    (Place::StagedRestoreWallet, Place::RestoreWallet),
];

const WITH_HSM: &[u8] = b"hsm\n";
const WITHOUT_HSM: &[u8] = b"no hsm\n";

pub(crate) fn list_backups(vault: &mut Vault, source: &str) -> Result<Vec<Restorable>, Error> {
    let operation = Operation::Restore;
    let mut courier = reach(vault, operation, source)?;
    let names =
        courier.list().map_err(|error| explain(operation, Cause::DestinationFailed, &error))?;
    let mut found: Vec<_> = names
        .into_iter()
        .filter_map(|file| {
            let (kind, stamp, hsm) = read_name(&file)?;
            let taken_at = time_of(stamp)?;
            let kind = match kind {
                crate::store::BackupKind::OneTime => "One-Time",
                crate::store::BackupKind::Periodic => "Periodic",
            };
            Some(Restorable { kind, taken_at, hsm, file })
        })
        .collect();
    found.sort_by(|one, other| other.taken_at.cmp(&one.taken_at));
    Ok(found)
}

fn time_of(stamp: &str) -> Option<String> {
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", stamp).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub(crate) fn restore(vault: &mut Vault, request: &RestoreRequest) -> Result<Restored, Error> {
    let mut run = Run::begin(Operation::Restore, &vault.core.disk, &vault.core.watch);
    let result = forward(vault, &mut run, request);
    let trace = run.finish(result.as_ref().err());
    if result.is_err() {
        vault.record(Operation::Restore, &result);
    }
    result.map(|restored| Restored { trace, ..restored })
}

/// What the backup gives, looked at from all sides.
struct Found {
    database: Vec<u8>,
    wallet: Vec<u8>,
    /// Blob, restore wallet and settings, for a backup taken in HSM mode.
    hsm: Option<(Vec<u8>, Vec<u8>, HsmSettings)>,
    tablespace: Tablespace,
    number: Option<KeyNumber>,
    taken_at: String,
}

fn forward(vault: &mut Vault, run: &mut Run, request: &RestoreRequest) -> Result<Restored, Error> {
    let operation = Operation::Restore;
    run.enter(At::CheckState)?;
    let mode = vault.mode(operation)?;
    let standing = vault.core.store.standing().map_err(|error| run.store(&error))?;
    if standing != crate::cluster::Standing::Standalone {
        return Err(run.fail(Cause::RestoreOnNode));
    }

    run.enter(At::Fetch)?;
    if read_name(&request.file).is_none() {
        return Err(run.fail(Cause::BackupFileUnknown).with_detail(&request.file));
    }
    let mut courier = reach(vault, operation, &request.source).map_err(|error| run.at(error))?;
    let failed = |error| run.at(explain(operation, Cause::DestinationFailed, &error));
    if !courier.list().map_err(failed)?.contains(&request.file) {
        return Err(run.fail(Cause::BackupFileUnknown).with_detail(&request.file));
    }
    let file = courier.get(&request.file).map_err(failed)?;
    drop(courier);

    let found = look(vault, run, request, mode, &file)?;
    let (number, taken_at) = (found.number, found.taken_at.clone());

    run.enter(At::Stage)?;
    stage(vault, run, request, &found)?;

    run.enter(At::Commit)?;
    let word = if found.hsm.is_some() { WITH_HSM } else { WITHOUT_HSM };
    let committed = vault.core.disk.replace(Place::RestoreCommit, word);
    committed.map_err(|error| run.disk(Cause::DiskFailed, &error))?;

    run.enter(At::Replace)?;
    let disk = vault.core.disk.clone();
    let replaced = vault.core.store.replaced(&disk, || finish_or_discard(&disk));
    replaced.map_err(|error| run.store(&error))?;

    run.enter(At::Restart)?;
    let failure = if found.hsm.is_some() {
        vault.view.close();
        vault.run_verification(operation, &Input::Stored, true).result.err()
    } else {
        vault.view.open(found.tablespace);
        None
    };

    run.enter(At::Report)?;
    let reported = vault.core.store.change(|change| change.audit(operation.name(), "success"));
    reported.map_err(|error| run.store(&error))?;
    let (state, trace) = (vault.state(), PathBuf::new());
    Ok(Restored { state, key_number: number, taken_at, failure, trace })
}

/// Steps 3 to 8: nothing is changed yet, but that the HSM may refuse the credential.
fn look(
    vault: &mut Vault,
    run: &mut Run,
    request: &RestoreRequest,
    mode: Mode,
    file: &[u8],
) -> Result<Found, Error> {
    run.enter(At::ReadHeader)?;
    let damaged = |run: &Run| run.fail(Cause::BackupDamaged).with_detail(&request.file);
    let archive = archive::read(file).map_err(|_| damaged(run))?;
    let header = &archive.header;
    let release = vault.core.release().map_err(|error| run.store(&error))?;
    if header.release_rank > release.rank {
        let detail = format!("{}; this server is {}", header.release, release.name);
        return Err(run.fail(Cause::BackupOfLaterRelease).with_detail(detail));
    }
    match (mode, header.is_hsm()) {
        (Mode::NotEnabled, true) => return Err(run.fail(Cause::BackupNeedsHsm)),
        (Mode::CredentialSet | Mode::Enabled, false) => {
            return Err(run.fail(Cause::BackupWithoutHsm));
        }
        _ => {}
    }

    run.enter(At::CheckPassphrase)?;
    let secret = header.secret(&request.passphrase).map_err(|error| match error {
        RecoveryError::Wrong => run.fail(Cause::PassphraseWrong),
        RecoveryError::Damaged => damaged(run),
    })?;

    let wallet = header.wallet.0.clone();
    let (password, number, hsm) = match &header.blob {
        Some(blob) => {
            let (password, number, settings) = root_of_trust(vault, run, &blob.0, &damaged)?;
            let keys = open_wallet(run, &password, &wallet)?;
            let second =
                wallet::write(&password, &keys).map_err(|_| run.fail(Cause::CryptoFailed))?;
            (password, Some(number), Some((blob.0.clone(), second, settings)))
        }
        None => match header.recovery().unlock(&request.passphrase) {
            Ok(Unlocked::Password(password)) => (password, None, None),
            Ok(Unlocked::Proven) | Err(_) => return Err(damaged(run)),
        },
    };
    let keys = open_wallet(run, &password, &wallet)?;

    run.enter(At::OpenBackup)?;
    let (tablespace, database) = decrypt(&archive, &keys, &secret).map_err(|_| damaged(run))?;
    let taken_at = header.taken_at.clone();
    Ok(Found { database, wallet, hsm, tablespace, number, taken_at })
}

fn open_wallet(run: &Run, password: &Secret, wallet: &[u8]) -> Result<MasterKeys, Error> {
    wallet::open(password, wallet).map_err(|error| run.fail(verification::wallet_failed(error)))
}

fn decrypt(
    archive: &Archive<'_>,
    keys: &MasterKeys,
    secret: &Secret,
) -> Result<(Tablespace, Vec<u8>), archive::Damaged> {
    let tablespace = archive.header.tablespace(keys)?;
    let database = archive.open(&tablespace, secret)?;
    Ok((tablespace, database))
}

/// Steps 5 to 7: the wallet password of the time of the backup, through the HSM that was set here.
fn root_of_trust(
    vault: &mut Vault,
    run: &mut Run,
    blob: &[u8],
    damaged: &dyn Fn(&Run) -> Error,
) -> Result<(Secret, KeyNumber, HsmSettings), Error> {
    let core = &mut vault.core;
    let blob = Blob::read(blob).map_err(|_| damaged(run))?;
    let settings = match core.store.settings() {
        Ok(Some(settings)) => settings,
        Ok(None) => return Err(run.fail(Cause::SettingsUnreadable)),
        Err(error) => return Err(run.fail(Cause::SettingsUnreadable).with_detail(error)),
    };
    let credential =
        credential::read(&core.disk).map_err(|error| verification::read_failed(run, error))?;
    if let Some(rv) = core.store.refused().map_err(|error| run.store(&error))? {
        let mut error = run.fail(Cause::CredentialPinned);
        error.rv = Some(Rv(rv));
        return Err(error);
    }

    run.enter(At::LoadLibrary)?;
    let mut token = verification::load(core, run, &settings)?;

    run.enter(At::Connect)?;
    let unwrapped = match verification::connect(run, token.as_mut(), &settings, &credential) {
        Ok(_) => run
            .enter(At::FindRootOfTrust)
            .and_then(|()| verification::unwrap(core, run, token.as_mut(), &blob)),
        Err(error) => {
            verification::pin(core, run, &error);
            Err(error)
        }
    };
    if let Err(error) = token.disconnect() {
        run.note(format_args!("While disconnecting: {error}"));
    }
    let (password, _) = unwrapped?;
    Ok((password, blob.number, settings))
}

/// Step 9.
fn stage(vault: &Vault, run: &Run, request: &RestoreRequest, found: &Found) -> Result<(), Error> {
    let disk = &vault.core.disk;
    let mut lay = vec![(Place::StagedStore, &found.database), (Place::StagedWallet, &found.wallet)];
    if let Some((blob, second, _)) = &found.hsm {
        lay.extend([(Place::StagedBlob, blob), (Place::StagedRestoreWallet, second)]);
    }
    for (place, content) in lay {
        disk.replace(place, content).map_err(|error| run.disk(Cause::DiskFailed, &error))?;
    }
    let settings = found.hsm.as_ref().map(|(_, _, settings)| settings);
    Store::adapt_restored(disk, settings, &request.file)
        .map_err(|error| run.fail(Cause::BackupDamaged).with_detail(error))
}

/// Puts a committed restore in place, or clears one away that was not. Done at every opening.
pub(crate) fn finish_or_discard(disk: &Disk) -> Result<(), DiskError> {
    if !disk.exists(Place::RestoreCommit) {
        return MOVES.iter().try_for_each(|(staged, _)| disk.remove(*staged));
    }
    if disk.exists(Place::StagedStore) {
        // It belongs to the database that goes.
        disk.remove(Place::StoreJournal)?;
    }
    for (from, to) in MOVES {
        if disk.exists(from) {
            disk.rename(from, to)?;
        }
    }
    if disk.read(Place::RestoreCommit)? == WITH_HSM {
        disk.link_wallet()?;
    }
    disk.remove(Place::RestoreCommit)
}
