//! The verification: thirteen steps from the settings to the opened wallet, each a failure point of its own.
//!
//! Verify, the periodic check, Set Credential and every opening of the wallet through the HSM are this one code
//! path; Initialize and Reverse Migrate use the middle of it. Order Observed on OKV 21.10 (`hsmclient
//! pre_restore`).

use crate::blob::{Blob, BlobError, KeyNumber};
use crate::credential::{self, CredentialError};
use crate::disk::{Disk, Place};
use crate::effect::{self, Effect, Moment};
use crate::environment;
use crate::error::Error;
use crate::operation::{SetCredentialRequest, VerificationStep as At};
use crate::release::Release;
use crate::run::Run;
use crate::seal;
use crate::secret::Secret;
use crate::store::{HsmDetails, HsmSettings, Mode, Store, StoreError};
use crate::texts::{Cause, VERIFIED};
use crate::token::{Labels, Loader, Token};
use crate::wallet::{self, MasterKeys, WalletError};
use crate::watch::Watch;

/// What every operation stands on.
pub(crate) struct Core {
    pub(crate) disk: Disk,
    pub(crate) store: Store,
    pub(crate) loader: Box<dyn Loader>,
    pub(crate) watch: Watch,
}

impl Core {
    /// The release that is installed. Servers of before there were releases count as the newest.
    pub(crate) fn release(&self) -> Result<Release, StoreError> {
        let name = self.store.release()?;
        Release::named(&name).map_err(|_| StoreError::Corrupt("release"))
    }
}

/// What the run is given.
pub(crate) enum Input<'a> {
    /// Settings and credential as stored.
    Stored,
    /// New ones, written first and verified after (Observed: a wrong credential does replace the stored one).
    New(&'a SetCredentialRequest),
}

/// Everything between the root key and the wallet holds.
pub(crate) struct Chain {
    pub(crate) number: KeyNumber,
    /// Objects on the token that carry the root key's label.
    pub(crate) labelled: usize,
    pub(crate) password: Secret,
    pub(crate) keys: MasterKeys,
}

/// A verification that got through.
pub(crate) struct Verified {
    pub(crate) details: HsmDetails,
    /// `None` when no HSM is enabled: there is no chain yet.
    pub(crate) chain: Option<Chain>,
    /// Step 13 failed; nothing else did.
    pub(crate) disconnect: Option<Error>,
}

/// Runs all steps. A lost session is reconnected once.
pub(crate) fn verify(core: &mut Core, run: &mut Run, input: &Input<'_>) -> Result<Verified, Error> {
    match attempt(core, run, input) {
        Err(error) if error.cause == Cause::SessionLost => {
            run.note(format_args!("{}; reconnecting once", error.what()));
            attempt(core, run, &Input::Stored)
        }
        result => result,
    }
}

fn attempt(core: &mut Core, run: &mut Run, input: &Input<'_>) -> Result<Verified, Error> {
    run.enter(At::ReadSettings)?;
    let settings = read_settings(core, run, input)?;

    run.enter(At::LoadLibrary)?;
    let mut token = load(core, run, &settings)?;

    match logged_in(core, run, token.as_mut(), input, &settings) {
        Ok((details, chain)) => {
            run.enter(At::Disconnect)?;
            let disconnect = token.disconnect().err();
            let disconnect = disconnect.map(|error| run.token(Moment::Disconnect, &error));
            if chain.is_some() && disconnect.is_none() {
                run.note(VERIFIED);
            }
            Ok(Verified { details, chain, disconnect })
        }
        Err(error) => {
            if let Err(error) = token.disconnect() {
                run.note(format_args!("While disconnecting: {error}"));
            }
            Err(error)
        }
    }
}

/// Steps 3 to 12.
fn logged_in(
    core: &mut Core,
    run: &mut Run,
    token: &mut dyn Token,
    input: &Input<'_>,
    settings: &HsmSettings,
) -> Result<(HsmDetails, Option<Chain>), Error> {
    run.enter(At::CredentialWallet)?;
    write_or_inspect_credential(core, run, input)?;

    run.enter(At::ReadCredential)?;
    let credential = credential::read(&core.disk).map_err(|error| read_failed(run, error))?;
    if let Some(rv) = core.store.refused().map_err(|error| run.store(&error))? {
        let mut error = run.fail(Cause::CredentialPinned);
        error.rv = Some(crate::error::Rv(rv));
        return Err(error);
    }

    run.enter(At::Connect)?;
    let details = match connect(run, token, settings, &credential) {
        Ok(details) => details,
        Err(error) => {
            pin(core, run, &error);
            return Err(error);
        }
    };

    run.enter(At::HsmEnabled)?;
    let mode = core
        .store
        .mode()
        .map_err(|error| run.fail(Cause::ConfigurationUnreadable).with_detail(error))?;
    if mode != Mode::Enabled {
        run.note("HSM is not enabled: prepared for restore, nothing more to verify");
        return Ok((details, None));
    }
    Ok((details, Some(whole_chain(core, run, token)?)))
}

/// Steps 7 to 10: from the blob to the opened wallet.
pub(crate) fn chain(core: &Core, run: &mut Run, token: &mut dyn Token) -> Result<Chain, Error> {
    run.enter(At::BlobHeader)?;
    let blob = read_blob(core, run)?;
    run.note(format_args!(
        "Header version 0x{:08x}, key number {}",
        crate::blob::VERSION,
        blob.number
    ));
    let (password, labelled) = unwrap(core, run, token, &blob)?;

    run.enter(At::CheckWallet)?;
    let keys = read_wallet(core, run, Place::Wallet, &password)
        .map_err(|(cause, detail)| run.fail(cause).with_detail(detail))?;
    Ok(Chain { number: blob.number, labelled, password, keys })
}

/// Steps 8 and 9: the root key of this blob, and what it makes of the blob. With it the number of root keys on the
/// token.
pub(crate) fn unwrap(
    core: &Core,
    run: &mut Run,
    token: &mut dyn Token,
    blob: &Blob,
) -> Result<(Secret, usize), Error> {
    run.enter(At::FindRootKey)?;
    let found = token.root_keys().map_err(|error| run.token(Moment::Find, &error))?;
    run.note(format_args!("Retrieved {} keys", found.len()));
    let mut ours = found.iter().filter(|key| key.id.as_deref() == Some(&blob.number.id()));
    let key = match (ours.next(), ours.next()) {
        (Some(key), None) => key.handle,
        (Some(_), Some(_)) => {
            let detail = format!("key number {}", blob.number);
            return Err(run.fail(Cause::RootKeyConflict).with_detail(detail));
        }
        (None, _) if found.is_empty() => {
            let release = core.release().map_err(|error| run.store(&error))?;
            let label = &release.root_key_label.value;
            return Err(run.fail(Cause::RootKeyMissing).with_detail(label));
        }
        (None, _) => {
            let detail = format!("key number {}; {} other keys", blob.number, found.len());
            return Err(run.fail(Cause::RootKeyOfOtherNumber).with_detail(detail));
        }
    };
    run.note(format_args!("Root key handle {}", key.0));

    run.enter(At::DecryptPassword)?;
    let password = token
        .decrypt(key, &blob.iv, &blob.ciphertext)
        .map_err(|error| run.token(Moment::Decrypt, &error))?;
    Ok((password, found.len()))
}

/// Steps 7 to 12.
fn whole_chain(core: &Core, run: &mut Run, token: &mut dyn Token) -> Result<Chain, Error> {
    let chain = chain(core, run, token)?;

    run.enter(At::CheckRestoreWallet)?;
    let restore = read_wallet(core, run, Place::RestoreWallet, &chain.password);
    restore.map_err(|(_, detail)| run.fail(Cause::RestoreWalletUnusable).with_detail(detail))?;

    run.enter(At::CheckLinks)?;
    let link = core.disk.wallet_link();
    link.map_err(|what| run.fail(Cause::WalletLinkBroken).with_detail(what))?;
    Ok(chain)
}

/// Steps 6 to 12 in a session that is already there, for Initialize.
pub(crate) fn within(core: &Core, run: &mut Run, token: &mut dyn Token) -> Result<Chain, Error> {
    run.enter(At::HsmEnabled)?;
    match core.store.mode() {
        Ok(Mode::Enabled) => {}
        Ok(_) => return Err(run.fail(Cause::HsmNotEnabled)),
        Err(error) => return Err(run.fail(Cause::ConfigurationUnreadable).with_detail(error)),
    }
    let chain = whole_chain(core, run, token)?;
    run.note(VERIFIED);
    Ok(chain)
}

fn read_settings(core: &Core, run: &mut Run, input: &Input<'_>) -> Result<HsmSettings, Error> {
    let settings = match input {
        Input::New(request) => request.hsm.clone(),
        Input::Stored => match core.store.settings() {
            Ok(Some(settings)) => settings,
            Ok(None) => {
                return Err(run.fail(Cause::SettingsUnreadable).with_detail("none are stored"));
            }
            Err(error) => return Err(run.fail(Cause::SettingsUnreadable).with_detail(error)),
        },
    };
    run.note(format_args!("Vendor {}, library {}", settings.vendor, settings.module.display()));
    match &settings.token_label {
        Some(label) => run.note(format_args!("Token label {label}")),
        None => run.note("No token label given, defaulting to the first slot"),
    }
    Ok(settings)
}

/// Loads the library; a failure of `C_Initialize` counts as one of loading.
pub(crate) fn load(
    core: &Core,
    run: &mut Run,
    settings: &HsmSettings,
) -> Result<Box<dyn Token>, Error> {
    environment::note(&core.disk, run);
    let release = core.release().map_err(|error| run.store(&error))?;
    let labels = Labels {
        root_key: release.root_key_label.value,
        key_number: release.key_number_label.value,
    };
    core.loader
        .load(&settings.module, labels)
        .map_err(|error| run.module(Cause::CouldNotLoadLibrary, &error))
}

/// Slot, session and login.
pub(crate) fn connect(
    run: &mut Run,
    token: &mut dyn Token,
    settings: &HsmSettings,
    credential: &Secret,
) -> Result<HsmDetails, Error> {
    let details = choose_slot(run, token, settings)?;
    login(run, token, credential)?;
    Ok(details)
}

/// The slot with the label, or the first, and a session on it.
pub(crate) fn choose_slot(
    run: &mut Run,
    token: &mut dyn Token,
    settings: &HsmSettings,
) -> Result<HsmDetails, Error> {
    let label = settings.token_label.as_deref();
    match token.connect(label) {
        Ok(Some(details)) => {
            run.note(format_args!("Slot {}, token {}", details.slot, details.token_label));
            Ok(details)
        }
        Ok(None) => {
            let detail = match label {
                Some(label) => format!("no token has the label {label}"),
                None => "no slot has a token".to_owned(),
            };
            Err(run.fail(Cause::CouldNotGetSlot).with_detail(detail))
        }
        Err(error) => Err(run.token(Moment::Slot, &error)),
    }
}

/// One login, never repeated.
pub(crate) fn login(
    run: &mut Run,
    token: &mut dyn Token,
    credential: &Secret,
) -> Result<(), Error> {
    match token.login(credential) {
        Ok(()) => Ok(()),
        Err(error) if effect::effect(Moment::Login, error.rv) == Effect::Success => {
            run.note(format_args!("{error}: taken as success"));
            Ok(())
        }
        Err(error) => Err(run.token(Moment::Login, &error)),
    }
}

/// The stored credential was refused: remember it, so that it is not sent again.
pub(crate) fn pin(core: &Core, run: &mut Run, error: &Error) {
    let Some(rv) = error.rv else { return };
    if !matches!(error.cause, Cause::CredentialWrong | Cause::CredentialLocked) {
        return;
    }
    run.note("The credential is not tried again until it is set");
    if let Err(error) = core.store.change(|change| change.refused(Some(rv.0))) {
        run.note(format_args!("This could not be recorded: {error}"));
    }
}

fn write_or_inspect_credential(
    core: &mut Core,
    run: &mut Run,
    input: &Input<'_>,
) -> Result<(), Error> {
    match input {
        Input::New(request) => {
            let wrapped = credential::wrap(&core.disk, &request.credential);
            let file = wrapped.map_err(|error| match error {
                CredentialError::Disk(error) => run.disk(Cause::CredentialNotWritten, &error),
                _ => run.fail(Cause::CredentialNotWritten),
            })?;
            let digest = seal::sha256(&file);
            let expected = core.store.change(|change| change.expects(&digest, &request.hsm));
            expected.map_err(|error| run.store(&error))?;
            core.disk
                .replace(Place::CredentialWallet, &file)
                .map_err(|error| run.disk(Cause::CredentialNotWritten, &error))?;
            let enabled = matches!(core.store.mode(), Ok(Mode::Enabled));
            let written = core.store.change(|change| {
                change.settings(Some(&request.hsm))?;
                change.counts(enabled)?;
                change.refused(None)
            });
            written.map_err(|error| run.store(&error))?;
            run.note("Credential wallet written");
            Ok(())
        }
        Input::Stored => credential::inspect(&core.disk).map_err(|error| read_failed(run, error)),
    }
}

pub(crate) fn read_failed(run: &Run, error: CredentialError) -> Error {
    match error {
        CredentialError::Disk(error) if error.is_not_found() => {
            run.fail(Cause::CredentialMissing).with_detail(error)
        }
        CredentialError::Disk(error) => run.disk(Cause::DiskFailed, &error),
        CredentialError::Damaged => run.fail(Cause::CredentialDamaged),
        CredentialError::Exposed(mode) => {
            run.fail(Cause::CredentialExposed).with_detail(format_args!("mode {mode:03o}"))
        }
    }
}

fn read_blob(core: &Core, run: &Run) -> Result<Blob, Error> {
    let file = core.disk.read(Place::Blob).map_err(|error| {
        let cause = if error.is_not_found() { Cause::BlobMissing } else { Cause::DiskFailed };
        run.disk(cause, &error)
    })?;
    let blob = Blob::read(&file).map_err(|error| match error {
        BlobError::Version(version) => {
            run.fail(Cause::BlobVersionUnknown).with_detail(format_args!("0x{version:08x}"))
        }
        BlobError::Damaged => run.fail(Cause::BlobHeaderDamaged),
    })?;
    let configured = core
        .store
        .key_number()
        .map_err(|error| run.fail(Cause::ConfigurationUnreadable).with_detail(error))?;
    if configured == Some(blob.number) {
        return Ok(blob);
    }
    let detail = match configured {
        Some(number) => format!("key number {}, configured {number}", blob.number),
        None => format!("key number {}, none configured", blob.number),
    };
    Err(run.fail(Cause::BlobOfOtherKey).with_detail(detail))
}

/// Opens a wallet file. The error: why, and the file or the system's words.
pub(crate) fn read_wallet(
    core: &Core,
    run: &Run,
    place: Place,
    password: &Secret,
) -> Result<MasterKeys, (Cause, String)> {
    let file = core.disk.read(place).map_err(|error| {
        let cause = if error.is_not_found() { Cause::WalletMissing } else { Cause::DiskFailed };
        (run.disk(cause, &error).cause, error.to_string())
    })?;
    wallet::open(password, &file)
        .map_err(|error| (wallet_failed(error), place.relative().to_owned()))
}

/// What it means that a wallet does not open.
pub(crate) fn wallet_failed(error: WalletError) -> Cause {
    match error {
        WalletError::Damaged => Cause::WalletDamaged,
        WalletError::WrongPassword => Cause::WalletPasswordWrong,
        WalletError::NoRandomness => Cause::CryptoFailed,
    }
}
