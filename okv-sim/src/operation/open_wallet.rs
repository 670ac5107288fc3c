//! Opening the wallet by hand: `hsmclient open_wallet` (Documented), or with the recovery passphrase while no
//! HSM is enabled.

use super::{Operation, object_failed};
use crate::disk::Place;
use crate::error::Error;
use crate::recovery::{RecoveryError, Unlocked};
use crate::run::Run;
use crate::secret::Secret;
use crate::store::Mode;
use crate::tablespace::Tablespace;
use crate::texts::Cause;
use crate::vault::{State, Vault};
use crate::verification::{self, Input};

/// What opens it.
#[derive(Debug, Clone, Copy)]
pub enum OpenWith<'a> {
    /// The root key, with the stored credential.
    Hsm,
    /// The recovery passphrase. Not while an HSM is enabled: it is no second way around a lost HSM.
    Passphrase(&'a Secret),
}

pub(crate) fn open_wallet(vault: &mut Vault, with: OpenWith<'_>) -> Result<State, Error> {
    let operation = Operation::OpenWallet;
    let enabled = vault.mode(operation)? == Mode::Enabled;
    match (with, enabled) {
        (OpenWith::Hsm, true) => {
            vault.view.start();
            vault.run_verification(operation, &Input::Stored, true).result?;
        }
        (OpenWith::Passphrase(passphrase), false) => with_passphrase(vault, passphrase)?,
        (OpenWith::Hsm, false) => return Err(Error::new(operation, Cause::HsmNotEnabled)),
        (OpenWith::Passphrase(_), true) => {
            let detail = "an HSM is enabled: the passphrase does not open the wallet";
            return Err(Error::new(operation, Cause::WrongState).with_detail(detail));
        }
    }
    Ok(vault.state())
}

fn with_passphrase(vault: &mut Vault, passphrase: &Secret) -> Result<(), Error> {
    let operation = Operation::OpenWallet;
    let run = Run::begin(operation, &vault.core.disk, &vault.core.watch);
    let opened = passphrase_opens(vault, &run, passphrase);
    run.finish(opened.as_ref().err());
    vault.view.open(opened?);
    Ok(())
}

fn passphrase_opens(vault: &Vault, run: &Run, passphrase: &Secret) -> Result<Tablespace, Error> {
    let core = &vault.core;
    let recovery = core.store.recovery().map_err(|error| run.store(&error))?;
    let password = match recovery.unlock(passphrase) {
        Ok(Unlocked::Password(password)) => password,
        Ok(Unlocked::Proven) => return Err(run.fail(Cause::ConfigurationUnreadable)),
        Err(RecoveryError::Wrong) => return Err(run.fail(Cause::PassphraseWrong)),
        Err(RecoveryError::Damaged) => return Err(run.fail(Cause::CryptoFailed)),
    };
    let keys = verification::read_wallet(core, run, Place::Wallet, &password)
        .map_err(|(cause, detail)| run.fail(cause).with_detail(detail))?;
    Tablespace::open(&core.store, &keys)
        .map_err(|error| object_failed(Operation::OpenWallet, error))
}
