//! Reverse Migrate: back from the HSM to the recovery passphrase.
//!
//! It needs a working HSM once more, to decrypt the wallet password; the key objects stay on the partition, since
//! old backups still need them (Assumed). As in Initialize one commit changes which key opens the wallet: before
//! it nothing has changed, after it only files are left to remove, which the next opening does if this one cannot.

use super::{Operation, ReverseMigrateStep as At, object_failed};
use crate::effect::Moment;
use crate::error::Error;
use crate::recovery::{self, RecoveryError, RecoveryRecord};
use crate::run::Run;
use crate::secret::Secret;
use crate::store::Mode;
use crate::tablespace::{BACKUP_SECRET, Tablespace};
use crate::texts::Cause;
use crate::token::Token;
use crate::vault::{HSM_FILES, State, Vault};
use crate::verification::{self, Chain};

/// The dialog's fields. That there are two passphrases is Assumed.
#[derive(Debug, Clone)]
pub struct ReverseMigrateRequest {
    /// The Crypto Officer's password.
    pub credential: Secret,
    /// The present recovery passphrase.
    pub passphrase: Secret,
    /// The one from now on; `None` keeps the present one.
    pub new_passphrase: Option<Secret>,
}

pub(crate) fn reverse_migrate(
    vault: &mut Vault,
    request: &ReverseMigrateRequest,
) -> Result<State, Error> {
    let operation = Operation::ReverseMigrate;
    if vault.mode(operation)? != Mode::Enabled {
        return Err(Error::new(operation, Cause::HsmNotEnabled));
    }
    if !vault.view.release()?.reverse_migrate.value {
        return Err(Error::new(operation, Cause::NotInThisRelease));
    }
    super::may_reverse_migrate(vault)?;
    let mut run = Run::begin(operation, &vault.core.disk, &vault.core.watch);
    let result = forward(vault, &mut run, request);
    run.finish(result.as_ref().err());
    if result.is_err() {
        vault.record(operation, &result);
    }
    result
}

fn forward(
    vault: &mut Vault,
    run: &mut Run,
    request: &ReverseMigrateRequest,
) -> Result<State, Error> {
    run.enter(At::CheckPassphrase)?;
    let old = vault.core.store.recovery().map_err(|error| run.store(&error))?;
    if let Err(error) = old.unlock(&request.passphrase) {
        return Err(run.fail(match error {
            RecoveryError::Wrong => Cause::PassphraseWrong,
            RecoveryError::Damaged => Cause::CryptoFailed,
        }));
    }
    let passphrase = request.new_passphrase.as_ref().unwrap_or(&request.passphrase);
    if passphrase.len() < recovery::SHORTEST {
        return Err(run.fail(Cause::PassphraseTooShort));
    }
    let settings = match vault.core.store.settings() {
        Ok(Some(settings)) => settings,
        Ok(None) => return Err(run.fail(Cause::SettingsUnreadable)),
        Err(error) => return Err(run.fail(Cause::SettingsUnreadable).with_detail(error)),
    };

    run.enter(At::LoadLibrary)?;
    let mut token = verification::load(&vault.core, run, &settings)?;
    let decrypted = decrypt(vault, run, token.as_mut(), &settings, &request.credential);
    if let Err(error) = token.disconnect() {
        run.note(run.token(Moment::Disconnect, &error));
    }
    let chain = decrypted?;

    run.enter(At::MarkNotEnabled)?;
    let tablespace = Tablespace::open(&vault.core.store, &chain.keys)
        .map_err(|error| run.at(object_failed(Operation::ReverseMigrate, error)))?;
    let secret = backup_secret(vault, run, &tablespace)?;
    let made = RecoveryRecord::new(passphrase, old.iterations, &chain.password, &secret);
    let (recovery, wrapped) = made.map_err(|_| run.fail(Cause::CryptoFailed))?;
    let sealed = tablespace
        .seal(BACKUP_SECRET, secret.expose())
        .map_err(|_| run.fail(Cause::CryptoFailed))?;
    let committed = vault.core.store.change(|change| {
        change.mode(Mode::NotEnabled)?;
        change.settings(None)?;
        change.key_number(None)?;
        change.refused(None)?;
        change.verdict(None)?;
        change.details(None)?;
        change.clear_alert()?;
        change.recovery(&recovery)?;
        change.backup_secret(&sealed, &wrapped)?;
        change.own_hsm(false)?;
        change.counts(true)
    });
    committed.map_err(|error| run.store(&error))?;

    run.enter(At::RemoveFiles)?;
    let removed = HSM_FILES.iter().try_for_each(|place| vault.core.disk.remove(*place));
    removed.map_err(|error| run.disk(Cause::DiskFailed, &error))?;

    run.enter(At::Report)?;
    let name = Operation::ReverseMigrate.name();
    let reported = vault.core.store.change(|change| change.audit(name, "success"));
    reported.map_err(|error| run.store(&error))?;
    Ok(vault.state())
}

fn decrypt(
    vault: &Vault,
    run: &mut Run,
    token: &mut dyn Token,
    settings: &crate::store::HsmSettings,
    credential: &Secret,
) -> Result<Chain, Error> {
    run.enter(At::Connect)?;
    verification::connect(run, token, settings, credential)?;
    run.enter(At::DecryptPassword)?;
    verification::chain(&vault.core, run, token)
}

/// What backups are sealed with beside the root of trust; servers of before there were backups have none yet.
fn backup_secret(vault: &Vault, run: &Run, tablespace: &Tablespace) -> Result<Secret, Error> {
    let failed = |_| run.fail(Cause::CryptoFailed);
    match vault.core.store.backup_secret().map_err(|error| run.store(&error))? {
        Some((sealed, _)) => tablespace.unseal(BACKUP_SECRET, &sealed).map_err(failed),
        None => super::new_backup_secret().map_err(failed),
    }
}
