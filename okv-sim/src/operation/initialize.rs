//! Initialize: the HSM becomes the root of trust.
//!
//! Everything before step 10 only adds: files the configuration does not speak of, objects on the token nobody
//! uses. Step 10 is one commit that says "enabled" and drops the wallet password sealed under the passphrase. A
//! crash before it leaves NOT_ENABLED (the next opening clears the files away; a key already made stays on the
//! token, of no use), a crash after it ENABLED with everything in place. A failure at any step, also after the
//! commit, takes all of it back: first the passphrase's path is restored, and only then the key is removed.

use std::path::PathBuf;

use serde::Serialize;

use super::{InitializeStep as At, Operation, object_failed};
use crate::blob::{Blob, KeyNumber};
use crate::cluster::{Epoch, NodeId};
use crate::credential::{self, CredentialError};
use crate::disk::Place;
use crate::effect::{self, Effect, Moment};
use crate::error::{Error, Rv};
use crate::recovery::{RecoveryError, RecoveryRecord, Unlocked};
use crate::run::Run;
use crate::seal;
use crate::secret::Secret;
use crate::store::{HsmDetails, HsmSettings, Mode, StoreError, Verdict};
use crate::tablespace::Tablespace;
use crate::texts::{Cause, INITIALIZED};
use crate::token::{Handle, Token, TokenError};
use crate::vault::{HSM_FILES, State, Vault};
use crate::verification::{self, Core};
use crate::wallet::{self, MasterKeys};

/// The dialog's fields, without the repeated one: see [`Secret::confirmed`].
#[derive(Debug, Clone)]
pub struct InitializeRequest {
    /// Vendor, library and token label.
    pub hsm: HsmSettings,
    /// The Crypto Officer's password.
    pub credential: Secret,
    /// Set at installation.
    pub passphrase: Secret,
}

/// What became of the data object with the key number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NumberObject {
    /// It is on the token.
    Created,
    /// The module takes no data objects, which is tolerated (Observed); what it answered.
    NotSupported(Rv),
}

/// Initialize is through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Initialized {
    /// Of the new root key.
    pub key_number: KeyNumber,
    /// Whether the number is on the token too.
    pub number_object: NumberObject,
    /// Slot and token.
    pub details: HsmDetails,
    /// The message of success.
    pub message: &'static str,
    /// The trace file.
    pub trace: PathBuf,
}

/// How often a new number is drawn when one is taken. Two random 31-bit numbers meet once in 2^31.
const DRAWS: usize = 8;

/// What this run has made, for taking it back.
#[derive(Default)]
struct Made {
    token: Option<Box<dyn Token>>,
    /// From step 5 on files may have been written.
    files: bool,
    /// From step 7 on the token may hold objects of this number.
    objects: Option<KeyNumber>,
    /// From step 10 on the commit may have been made; what to put back.
    committing: Option<RecoveryRecord>,
    /// On a node of a cluster: the replication key that begins to count at step 10.
    replication_key: Option<(Epoch, NodeId, Vec<u8>)>,
}

pub(crate) fn initialize(
    vault: &mut Vault,
    request: &InitializeRequest,
) -> Result<Initialized, Error> {
    if vault.mode(Operation::Initialize)? == Mode::Enabled {
        let detail = format!("{}; reverse-migrate first", vault.state());
        return Err(Error::new(Operation::Initialize, Cause::WrongState).with_detail(detail));
    }
    let release = vault.view.release()?;
    release.accepts(&request.hsm, Operation::Initialize)?;
    let replication_key = super::key_for_hsm(vault)?;
    let mut run = Run::begin(Operation::Initialize, &vault.core.disk, &vault.core.watch);
    let mut made = Made { replication_key, ..Made::default() };
    let mut result = forward(vault, &mut run, request, &mut made);
    if let Err(error) = &mut result {
        take_back(&mut vault.core, &mut run, request, &mut made, error);
    }
    if let Some(Err(error)) = made.token.take().map(Token::disconnect) {
        run.note(format_args!("While disconnecting: {error}"));
    }
    let trace = run.finish(result.as_ref().err());
    if result.is_err() {
        vault.record(Operation::Initialize, &result);
    }
    result.map(|initialized| Initialized { trace, ..initialized })
}

fn forward(
    vault: &mut Vault,
    run: &mut Run,
    request: &InitializeRequest,
    made: &mut Made,
) -> Result<Initialized, Error> {
    let core = &mut vault.core;
    run.enter(At::CheckPassphrase)?;
    let (password, keys, recovery) = unlock(core, run, &request.passphrase)?;

    run.enter(At::LoadLibrary)?;
    let token = made.token.insert(verification::load(core, run, &request.hsm)?).as_mut();

    run.enter(At::ChooseSlot)?;
    let details = verification::choose_slot(run, token, &request.hsm)?;

    run.enter(At::Login)?;
    verification::login(run, token, &request.credential)?;

    run.enter(At::WriteCredential)?;
    made.files = true;
    credential::store(&core.disk, &request.credential).map_err(|error| match error {
        CredentialError::Disk(error) => run.disk(Cause::CredentialNotWritten, &error),
        _ => run.fail(Cause::CredentialNotWritten),
    })?;

    run.enter(At::PickNumber)?;
    let number = pick_number(run, token)?;

    run.enter(At::GenerateKey)?;
    made.objects = Some(number);
    let key = token.generate(number).map_err(|error| run.token(Moment::Generate, &error))?;

    run.enter(At::RecordNumber)?;
    let number_object = record_number(run, token, number)?;

    run.enter(At::EncryptPassword)?;
    let blob = encrypt(run, token, key, number, &password)?;
    write_files(core, run, &blob, &password, &keys)?;

    run.enter(At::MarkEnabled)?;
    mark_enabled(core, run, made, recovery, &request.hsm, number)?;

    run.enter(At::Verify)?;
    let token = made.token.as_deref_mut().ok_or_else(|| run.fail(Cause::HsmCallFailed))?;
    let chain = verification::within(core, run, token)?;
    let opened = Tablespace::open(&core.store, &chain.keys)
        .map_err(|error| run.at(object_failed(Operation::Initialize, error)))?;

    run.enter(At::Report)?;
    let reported = core.store.change(|change| {
        change.verdict(Some(Verdict::Ok))?;
        change.details(Some(&details))?;
        change.audit(Operation::Initialize.name(), "success")
    });
    reported.map_err(|error| run.store(&error))?;
    run.note(INITIALIZED);
    vault.view.open(opened);
    debug_assert_eq!(vault.state(), State::EnabledOk);
    let trace = PathBuf::new();
    Ok(Initialized { key_number: number, number_object, details, message: INITIALIZED, trace })
}

/// Step 1: the wallet password from the passphrase, and proof that it opens the wallet.
fn unlock(
    core: &Core,
    run: &Run,
    passphrase: &Secret,
) -> Result<(Secret, MasterKeys, RecoveryRecord), Error> {
    let recovery = core.store.recovery().map_err(|error| run.store(&error))?;
    let password = match recovery.unlock(passphrase) {
        Ok(Unlocked::Password(password)) => password,
        Ok(Unlocked::Proven) => return Err(run.fail(Cause::ConfigurationUnreadable)),
        Err(RecoveryError::Wrong) => return Err(run.fail(Cause::PassphraseWrong)),
        Err(RecoveryError::Damaged) => return Err(run.fail(Cause::CryptoFailed)),
    };
    let keys = verification::read_wallet(core, run, Place::Wallet, &password)
        .map_err(|(cause, detail)| run.fail(cause).with_detail(detail))?;
    Ok((password, keys, recovery))
}

/// Step 6: a number no root key on this token has as its ID.
fn pick_number(run: &mut Run, token: &mut dyn Token) -> Result<KeyNumber, Error> {
    let found = token.root_keys().map_err(|error| run.token(Moment::Find, &error))?;
    run.note(format_args!("Retrieved {} keys", found.len()));
    for _ in 0..DRAWS {
        let number = KeyNumber::random().map_err(|_| run.fail(Cause::CryptoFailed))?;
        if found.iter().all(|key| key.id.as_deref() != Some(&number.id())) {
            run.note(format_args!("Key number {number}"));
            return Ok(number);
        }
    }
    Err(run.fail(Cause::KeyNumberTaken))
}

/// Step 8.
fn record_number(
    run: &mut Run,
    token: &mut dyn Token,
    number: KeyNumber,
) -> Result<NumberObject, Error> {
    match token.record_number(number) {
        Ok(_) => Ok(NumberObject::Created),
        Err(error) => match (error.rv, effect::effect(Moment::RecordNumber, error.rv)) {
            (Some(rv), Effect::Success) => {
                run.note(format_args!("{error}: going on without the data object"));
                Ok(NumberObject::NotSupported(Rv(rv)))
            }
            _ => Err(run.token(Moment::RecordNumber, &error)),
        },
    }
}

/// Step 9, on the token.
fn encrypt(
    run: &Run,
    token: &mut dyn Token,
    key: Handle,
    number: KeyNumber,
    password: &Secret,
) -> Result<Blob, Error> {
    let iv = seal::random().map_err(|_| run.fail(Cause::CryptoFailed))?;
    let ciphertext =
        token.encrypt(key, &iv, password).map_err(|error| run.token(Moment::Encrypt, &error))?;
    Ok(Blob { number, iv, ciphertext })
}

/// Step 9, on disk.
fn write_files(
    core: &Core,
    run: &Run,
    blob: &Blob,
    password: &Secret,
    keys: &MasterKeys,
) -> Result<(), Error> {
    let restore = wallet::write(password, keys).map_err(|_| run.fail(Cause::CryptoFailed))?;
    core.disk
        .replace(Place::Blob, &blob.write())
        .and_then(|()| core.disk.replace(Place::RestoreWallet, &restore))
        .and_then(|()| core.disk.link_wallet())
        .map_err(|error| run.disk(Cause::DiskFailed, &error))
}

/// Step 10: the one commit.
fn mark_enabled(
    core: &mut Core,
    run: &Run,
    made: &mut Made,
    recovery: RecoveryRecord,
    settings: &HsmSettings,
    number: KeyNumber,
) -> Result<(), Error> {
    let without = RecoveryRecord { wrapped: None, ..recovery.clone() };
    made.committing = Some(recovery);
    let committed = core.store.change(|change| {
        change.mode(Mode::Enabled)?;
        change.settings(Some(settings))?;
        change.key_number(Some(number))?;
        change.refused(None)?;
        change.verdict(None)?;
        change.recovery(&without)?;
        change.own_hsm(true)?;
        if let Some((epoch, node, key)) = &made.replication_key {
            change.epoch(*epoch, *node)?;
            change.replication_key(*epoch, key)?;
            change.node_epoch(*node, *epoch)?;
        }
        change.counts(true)
    });
    committed.map_err(|error| run.store(&error))
}

/// Takes back what was made, in the order that never leaves the wallet without a key. Stops where it cannot go
/// on: what is left then is what a crash there would leave.
fn take_back(
    core: &mut Core,
    run: &mut Run,
    request: &InitializeRequest,
    made: &mut Made,
    error: &mut Error,
) {
    if let Err(why) = put_passphrase_back(core, run, made) {
        run.note(format_args!("The rollback stopped: {why}; the HSM stays enabled"));
        return;
    }
    if made.files {
        let removed = HSM_FILES.iter().try_for_each(|place| core.disk.remove(*place));
        if let Err(why) = removed {
            run.note(format_args!("A file stays until the next start: {why}"));
        }
    }
    let Some(number) = made.objects else { return };
    let undone = match run.undoing("remove the root key") {
        Ok(()) => remove_objects(core, run, request, made, number),
        Err(_) => false,
    };
    if !undone {
        run.note(format_args!("Root key {number} may stay on the token"));
        error.orphan = Some(number);
    }
}

fn put_passphrase_back(core: &mut Core, run: &mut Run, made: &Made) -> Result<(), StoreError> {
    if !made.files || core.store.mode()? == Mode::NotEnabled {
        return Ok(());
    }
    run.undoing("mark the HSM not enabled")?;
    core.store.change(|change| {
        change.mode(Mode::NotEnabled)?;
        change.settings(None)?;
        change.key_number(None)?;
        change.verdict(None)?;
        change.details(None)?;
        change.own_hsm(false)?;
        change.counts(false)?;
        match &made.committing {
            Some(recovery) => change.recovery(recovery),
            None => Ok(()),
        }
    })
}

/// Removes the objects of this number: in the session of the run, or in a new one if that does not answer.
fn remove_objects(
    core: &Core,
    run: &mut Run,
    request: &InitializeRequest,
    made: &mut Made,
    number: KeyNumber,
) -> bool {
    if let Some(token) = made.token.as_deref_mut() {
        match remove_by_number(token, number) {
            Ok(removed) => {
                run.note(format_args!("Removed {removed} objects"));
                return true;
            }
            Err(error) => run.note(format_args!("{error}; reconnecting once")),
        }
    }
    // The library is unloaded before it is loaded again.
    drop(made.token.take());
    let again = verification::load(core, run, &request.hsm).and_then(|token| {
        let token = made.token.insert(token).as_mut();
        verification::connect(run, token, &request.hsm, &request.credential)?;
        remove_by_number(token, number).map_err(|error| run.token(Moment::Find, &error))
    });
    match again {
        Ok(removed) => run.note(format_args!("Removed {removed} objects")),
        Err(error) => {
            run.note(error);
            return false;
        }
    }
    true
}

/// The number is of this run's drawing and was free, so all that carries it is of this run's making, also a key
/// whose making was never answered.
fn remove_by_number(token: &mut dyn Token, number: KeyNumber) -> Result<usize, TokenError> {
    let mut removed = 0;
    for key in token.root_keys()? {
        if key.id.as_deref() == Some(&number.id()) {
            token.destroy(key.handle)?;
            removed += 1;
        }
    }
    for object in token.number_objects(number)? {
        token.destroy(object)?;
        removed += 1;
    }
    Ok(removed)
}
