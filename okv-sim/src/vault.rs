//! The running vault: one state machine, and every operation on it.
//!
//! The state is derived, never stored: which key opens the wallet (the configuration), whether the wallet is
//! open (memory), and how the last run through the HSM went. States and arrows: the lifecycle as the guides
//! describe it (Documented), SEALED's name and the check's automatic reopening Assumed.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::blob::KeyNumber;
use crate::disk::{Disk, Place};
use crate::error::{Error, Rv};
use crate::operation::{
    self, Account, AlertChange, BackedUp, Checked, CredentialSet, DestinationRequest,
    InitializeRequest, Initialized, InstallRequest, OpenWith, Operation, Restorable,
    RestoreRequest, Restored, ReverseMigrateRequest, Role, ScheduleRequest, SetCredentialRequest,
    Started, Verification,
};
use crate::release::Release;
use crate::run::Run;
use crate::seal;
use crate::secret::Secret;
use crate::store::{
    Alert, AuditRecord, BackupDestination, BackupJob, HsmDetails, HsmSettings, Interrupted, Mode,
    Store, StoreError, Verdict,
};
use crate::tablespace::{ObjectInfo, Tablespace};
use crate::texts::{ALERT_POINTER, ALERT_PREFIX, Cause};
use crate::token::Loader;
use crate::token::module::Modules;
use crate::trace;
use crate::verification::{self, Core, Input, Verified};
use crate::view::View;
use crate::watch::{Watch, Watcher};

/// Where the vault stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The recovery passphrase opens the wallet.
    NotEnabled,
    /// As `NotEnabled`, with an HSM credential stored for a coming restore.
    CredentialSet,
    /// The root key opens the wallet, and the last check passed.
    EnabledOk,
    /// The last check failed; the wallet is still open.
    EnabledFail,
    /// The wallet could not be opened through the HSM: nothing is served.
    Sealed,
}

impl State {
    /// `NOT_ENABLED` and so on.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotEnabled => "NOT_ENABLED",
            Self::CredentialSet => "CRED_SET",
            Self::EnabledOk => "ENABLED_OK",
            Self::EnabledFail => "ENABLED_FAIL",
            Self::Sealed => "SEALED",
        }
    }

    /// Whether the HSM page shows the green arrow up; the red one down means "not configured or has a problem"
    /// (Documented).
    pub const fn is_green(self) -> bool {
        matches!(self, Self::EnabledOk)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a look at the vault shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Fixed at installation.
    pub server_id: String,
    /// The installed release, as in `18.5`.
    pub release: String,
    /// Where it stands.
    pub state: State,
    /// The HSM page's arrow is green and up.
    pub green: bool,
    /// Whether this process has the wallet open.
    pub wallet_open: bool,
    /// Where the HSM is; `None` while none is set.
    pub hsm: Option<HsmSettings>,
    /// Slot and token as the last successful run found them; `None` unless an HSM is enabled.
    pub details: Option<HsmDetails>,
    /// Of the root key; `None` unless an HSM is enabled.
    pub key_number: Option<KeyNumber>,
    /// The HSM refused the stored credential with this code; it is not sent again until it is set.
    pub credential_refused: Option<Rv>,
    /// The alert that stands, if one does.
    pub alert: Option<Alert>,
    /// The operation the server died in, and whether it counts.
    pub interrupted: Option<Interrupted>,
}

/// One server. Dropping it stops the server: the opened wallet is gone, the state on disk stays.
pub struct Vault {
    pub(crate) core: Core,
    pub(crate) view: View,
}

/// One verification and what it did to the state.
pub(crate) struct HsmRun {
    pub(crate) result: Result<Verified, Error>,
    pub(crate) alert: AlertChange,
    pub(crate) trace: PathBuf,
}

impl Vault {
    /// Sets a new server up in the directory: wallet, tablespace, recovery passphrase. It is running afterwards.
    ///
    /// # Errors
    /// [`Cause::AlreadyInstalled`], [`Cause::PassphraseTooShort`], [`Cause::DiskFailed`], [`Cause::StoreFailed`].
    pub fn install(data: &Path, request: &InstallRequest) -> Result<Self, Error> {
        operation::install_with(data, request, Box::new(Modules), Watch::default())
    }

    /// Opens the directory of an installed server without starting it: nothing is asked of the HSM, the wallet
    /// stays closed. What an interrupted operation left is cleared away.
    ///
    /// # Errors
    /// [`Cause::NotInstalled`], [`Cause::DataDirectoryInUse`], [`Cause::DiskFailed`], [`Cause::StoreFailed`].
    pub fn open(data: &Path) -> Result<Self, Error> {
        Self::open_with(data, Box::new(Modules), Watch::default())
    }

    /// Opens the directory and starts the server, as a boot does. A wallet that does not open is no error: see
    /// [`Started::state`].
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn start(data: &Path) -> Result<(Self, Started), Error> {
        let mut vault = Self::open(data)?;
        let started = vault.restart()?;
        Ok((vault, started))
    }

    pub(crate) fn open_with(
        data: &Path,
        loader: Box<dyn Loader>,
        watch: Watch,
    ) -> Result<Self, Error> {
        let disk = Disk::new(data, watch.clone());
        if !disk.exists(Place::Store) {
            return Err(Error::new(Operation::Open, Cause::NotInstalled));
        }
        let failed = |error: StoreError| Error::store(Operation::Open, &error);
        disk.prepare()
            .and_then(|()| operation::finish_or_discard(&disk))
            .map_err(|error| Error::disk(Operation::Open, Cause::DiskFailed, &error))?;
        let store = Store::open(&disk, watch.clone()).map_err(failed)?;
        if store.server_id().map_err(failed)?.is_none() {
            return Err(Error::new(Operation::Open, Cause::NotInstalled));
        }
        let core = Core { disk, store, loader, watch };
        note_interruption(&core).map_err(failed)?;
        clear_leftovers(&core)?;
        let view = View::new(core.store.clone());
        Ok(Self { core, view })
    }

    /// Makes the HSM the root of trust: twelve steps, all or nothing.
    ///
    /// # Errors
    /// The cause tells which step failed; the state is then `NOT_ENABLED` and no key of this run is left on the
    /// token, or [`Error::orphan`] names it.
    pub fn initialize(&mut self, request: &InitializeRequest) -> Result<Initialized, Error> {
        self.journaled(Operation::Initialize, |vault| operation::initialize(vault, request))
    }

    /// Stores an HSM credential: one that was changed on the HSM (enabled), or one for a coming restore (not
    /// enabled). Written first, verified after: a wrong one does replace the stored one.
    ///
    /// # Errors
    /// Those of a verification. Enabled: the state is `ENABLED_FAIL` then (`SEALED` stays `SEALED`), and a refused
    /// credential is not tried again. Not enabled: nothing is stored, the state is `NOT_ENABLED`.
    pub fn set_credential(
        &mut self,
        request: &SetCredentialRequest,
    ) -> Result<CredentialSet, Error> {
        self.journaled(Operation::SetCredential, |vault| operation::set_credential(vault, request))
    }

    /// The verification of thirteen steps, asked for. Sets the state as the periodic check does.
    ///
    /// # Errors
    /// One cause a step; [`Error::step`] tells which.
    pub fn verify(&mut self) -> Result<Verification, Error> {
        operation::verify(self)
    }

    /// What the timer does every five minutes (Documented default): verifies, raises or clears the alert, and
    /// opens the wallet of a sealed server when the HSM is back. A failed verification is a result, no error.
    ///
    /// # Errors
    /// [`Cause::StoreFailed`], when the outcome could not be recorded.
    pub fn check(&mut self) -> Result<Checked, Error> {
        operation::check(self)
    }

    /// Drops the opened wallet and starts anew: through the HSM when it is enabled, else the wallet waits for
    /// the recovery passphrase ([`Vault::open_wallet`]).
    ///
    /// # Errors
    /// [`Cause::DiskFailed`], [`Cause::StoreFailed`]. A wallet that does not open is no error.
    pub fn restart(&mut self) -> Result<Started, Error> {
        operation::restart(self)
    }

    /// Opens the wallet by hand.
    ///
    /// # Errors
    /// [`Cause::WrongState`] for the way that is not the present one; [`Cause::PassphraseWrong`]; those of a
    /// verification.
    pub fn open_wallet(&mut self, with: OpenWith<'_>) -> Result<State, Error> {
        operation::open_wallet(self, with)
    }

    /// Puts the wallet password back under a recovery passphrase and leaves the HSM. Its keys stay on the token.
    ///
    /// # Errors
    /// Before the commit nothing has changed; the cause tells which step failed.
    pub fn reverse_migrate(&mut self, request: &ReverseMigrateRequest) -> Result<State, Error> {
        self.journaled(Operation::ReverseMigrate, |vault| {
            operation::reverse_migrate(vault, request)
        })
    }

    /// Whether there is an account to log in with.
    ///
    /// # Errors
    /// [`Cause::StoreFailed`].
    pub fn has_accounts(&self) -> Result<bool, Error> {
        Ok(!operation::list_accounts(&self.core.store)?.is_empty())
    }

    /// Makes an account of the console.
    ///
    /// # Errors
    /// [`Cause::AccountExists`], [`Cause::PasswordUnusable`], [`Cause::OptionUnusable`], [`Cause::StoreFailed`].
    pub fn create_account(
        &mut self,
        name: &str,
        password: &Secret,
        roles: &[Role],
    ) -> Result<Account, Error> {
        operation::create_account(self, name, password, roles)
    }

    /// Makes or changes a backup destination. It is connected to first.
    ///
    /// # Errors
    /// [`Cause::DestinationRefused`] and it is not saved; [`Cause::HostKeyChanged`]; unusable fields.
    pub fn save_destination(
        &mut self,
        request: &DestinationRequest,
    ) -> Result<BackupDestination, Error> {
        operation::save_destination(self, request)
    }

    /// Puts a backup on the schedule.
    ///
    /// # Errors
    /// [`Cause::BackupExists`], [`Cause::DestinationUnknown`], unusable fields.
    pub fn schedule_backup(&mut self, request: &ScheduleRequest) -> Result<BackupJob, Error> {
        operation::schedule(self, request)
    }

    /// Makes the scheduled backup of this name now.
    ///
    /// # Errors
    /// The run is `PAUSED` then, with the error in the list; nothing of it counts at the destination.
    pub fn backup(&mut self, name: &str) -> Result<BackedUp, Error> {
        self.journaled(Operation::Backup, |vault| operation::backup(vault, name))
    }

    /// The backups that can be chosen at a destination.
    ///
    /// # Errors
    /// [`Cause::DestinationUnknown`], [`Cause::DestinationFailed`], [`Cause::HostKeyChanged`].
    pub fn list_backups(&mut self, destination: &str) -> Result<Vec<Restorable>, Error> {
        operation::list_backups(self, destination)
    }

    /// Restores a backup and restarts.
    ///
    /// # Errors
    /// Before the commit nothing has changed; the cause tells which step failed.
    pub fn restore(&mut self, request: &RestoreRequest) -> Result<Restored, Error> {
        self.journaled(Operation::Restore, |vault| operation::restore(vault, request))
    }

    /// Goes to a later release.
    ///
    /// # Errors
    /// [`Cause::ReleaseUnknown`], [`Cause::ReleaseNotNewer`], [`Cause::UpgradeNeedsReverseMigrate`].
    pub fn upgrade(&mut self, release: &str) -> Result<Release, Error> {
        operation::upgrade(self, release)
    }

    /// Takes over the HSM of a primary whose wallet files were brought here, as a standby does before pairing.
    ///
    /// # Errors
    /// [`Cause::StandbyFilesMissing`], those of a verification. The state is then `NOT_ENABLED`.
    pub fn adopt_hsm(&mut self, hsm: &HsmSettings) -> Result<State, Error> {
        operation::adopt_hsm(self, hsm)
    }

    /// Stores an object of a customer. Asks nothing of the HSM.
    ///
    /// # Errors
    /// [`Cause::Sealed`], [`Cause::WalletClosed`], [`Cause::ObjectExists`], [`Cause::NameUnusable`],
    /// [`Cause::StoreFailed`].
    pub fn store_object(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.view.store_object(name, bytes)
    }

    /// Reads an object. Asks nothing of the HSM.
    ///
    /// # Errors
    /// [`Cause::Sealed`], [`Cause::WalletClosed`], [`Cause::ObjectUnknown`], [`Cause::ObjectDamaged`].
    pub fn read_object(&self, name: &str) -> Result<Secret, Error> {
        self.view.read_object(name)
    }

    /// All objects, in the order they were stored. Asks nothing of the HSM.
    ///
    /// # Errors
    /// [`Cause::Sealed`], [`Cause::WalletClosed`], [`Cause::ObjectDamaged`].
    pub fn list_objects(&self) -> Result<Vec<ObjectInfo>, Error> {
        self.view.list_objects()
    }

    /// Where the vault stands: see [`View::state`].
    pub fn state(&self) -> State {
        self.view.state()
    }

    /// Everything the status and HSM pages would show. Asks nothing of the HSM.
    ///
    /// # Errors
    /// [`Cause::StoreFailed`].
    pub fn status(&self) -> Result<Status, Error> {
        self.view.status()
    }

    /// Whether this process has the wallet open.
    pub fn is_wallet_open(&self) -> bool {
        self.view.is_open()
    }

    /// All alerts, oldest first.
    ///
    /// # Errors
    /// [`Cause::StoreFailed`].
    pub fn alerts(&self) -> Result<Vec<Alert>, Error> {
        self.view.alerts()
    }

    /// The audit trail, oldest first.
    ///
    /// # Errors
    /// [`Cause::StoreFailed`].
    pub fn audit(&self) -> Result<Vec<AuditRecord>, Error> {
        self.view.audit()
    }

    /// What can be asked while an operation runs, from any thread.
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// The trace files, oldest first.
    pub fn traces(&self) -> Vec<PathBuf> {
        trace::files(&self.core.disk.path(Place::TraceDirectory))
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.core.disk.root()
    }

    /// Where a file of this server lies.
    pub fn path(&self, place: Place) -> PathBuf {
        self.core.disk.path(place)
    }

    /// Sets who looks at every step and every write, or nobody.
    pub fn watch(&self, watcher: Option<Box<dyn Watcher>>) {
        self.core.watch.set(watcher);
    }

    pub(crate) fn mode(&self, operation: Operation) -> Result<Mode, Error> {
        self.core.store.mode().map_err(|error| {
            Error::new(operation, Cause::ConfigurationUnreadable).with_detail(error)
        })
    }

    /// A verification, and its effect on wallet, state and alert.
    ///
    /// With `open` the wallet is opened when the chain holds, even if the HSM then does not let go cleanly: that
    /// makes the check fail, not the boot.
    pub(crate) fn run_verification(
        &mut self,
        operation: Operation,
        input: &Input<'_>,
        open: bool,
    ) -> HsmRun {
        let mut run = Run::begin(operation, &self.core.disk, &self.core.watch);
        let mut result = verification::verify(&mut self.core, &mut run, input);
        let mut unwell = None;
        if let Ok(verified) = &mut result {
            unwell = verified.disconnect.take();
            if open && let Some(chain) = &verified.chain {
                match Tablespace::open(&self.core.store, &chain.keys) {
                    Ok(tablespace) => self.view.open(tablespace),
                    Err(error) => {
                        let error = operation::object_failed(operation, error);
                        unwell = Some(run.at(error));
                    }
                }
            }
        }
        if let Some(error) = &unwell
            && (!open || !self.view.is_open())
        {
            result = Err(error.clone());
        }
        let failure = result.as_ref().err().or(unwell.as_ref());
        let details = result.as_ref().ok().map(|verified| &verified.details);
        let alert = match self.settle(failure, details) {
            Ok(alert) => alert,
            Err(error) => {
                let error = run.store(&error);
                run.note(format_args!("The outcome could not be recorded: {error}"));
                if result.is_ok() {
                    result = Err(error);
                }
                AlertChange::None
            }
        };
        let trace = run.finish(result.as_ref().err().or(unwell.as_ref()));
        HsmRun { result, alert, trace }
    }

    /// Records how a run through the HSM went: the verdict, and the alert. Writes only what changed.
    fn settle(
        &mut self,
        failure: Option<&Error>,
        details: Option<&HsmDetails>,
    ) -> Result<AlertChange, StoreError> {
        if self.core.store.mode()? != Mode::Enabled {
            return Ok(AlertChange::None);
        }
        let known = self.core.store.verdict()?;
        // A process that only looks in leaves a sealed server sealed.
        let closed = !self.view.is_open();
        let sealed = closed && (self.view.is_started() || known == Some(Verdict::Sealed));
        let verdict = match failure {
            None => Verdict::Ok,
            Some(_) if sealed => Verdict::Sealed,
            Some(_) => Verdict::Fail,
        };
        let standing = self.core.store.standing_alert()?;
        let text = failure.map(|error| (error.cause.name(), alert_text(error)));
        let alert = match (&text, &standing) {
            (None, None) => AlertChange::None,
            (None, Some(_)) => AlertChange::Cleared,
            // Nobody is there to see it: the console is not up.
            (Some(_), None) if sealed => AlertChange::None,
            (Some(_), None) => AlertChange::Raised,
            (Some(_), Some(_)) => AlertChange::Standing,
        };
        let same_text = match (&text, &standing) {
            (Some((_, text)), Some(standing)) => *text == standing.text,
            _ => true,
        };
        let new_details = match details {
            Some(details) => self.core.store.details()?.as_ref() != Some(details),
            None => false,
        };
        let same = known == Some(verdict);
        let changes_alert = matches!(alert, AlertChange::Raised | AlertChange::Cleared);
        if same && same_text && !new_details && !changes_alert {
            return Ok(alert);
        }
        self.core.store.change(|change| {
            change.verdict(Some(verdict))?;
            if new_details {
                change.details(details)?;
            }
            match (alert, &text) {
                (AlertChange::Raised, Some((cause, text))) => change.raise_alert(cause, text),
                (AlertChange::Standing, Some((cause, text))) => change.update_alert(cause, text),
                (AlertChange::Cleared, _) => change.clear_alert(),
                _ => Ok(()),
            }
        })?;
        Ok(alert)
    }

    /// Runs an operation that changes something, so that a death in it is noticed at the next opening.
    pub(crate) fn journaled<T>(
        &mut self,
        operation: Operation,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let failed = |error: StoreError| Error::store(operation, &error);
        self.core.store.begin(operation.name()).map_err(failed)?;
        let result = work(self);
        match self.core.store.end() {
            Ok(()) => result,
            // What failed first is what to tell.
            Err(error) => result.and(Err(failed(error))),
        }
    }

    /// A line in the audit trail. One that cannot be written stops no operation that is already over.
    pub(crate) fn record<T>(&mut self, operation: Operation, result: &Result<T, Error>) {
        let outcome = match result {
            Ok(_) => "success",
            Err(error) => error.cause.name(),
        };
        let _ = self.core.store.change(|change| change.audit(operation.name(), outcome));
    }
}

/// Whether a server is installed in the directory.
pub fn is_installed(data: &Path) -> bool {
    Disk::new(data, Watch::default()).exists(Place::Store)
}

/// Settles what an operation left that the process died in: what it was, and whether it counts.
fn note_interruption(core: &Core) -> Result<(), StoreError> {
    let Some(journal) = core.store.journal()? else { return Ok(()) };
    // The credential file is in place before the store says so: its digest tells.
    let settings = match &journal.expected {
        Some((digest, settings)) if !journal.counts && core.store.mode()? != Mode::NotEnabled => {
            let file = core.disk.read(Place::CredentialWallet).unwrap_or_default();
            (seal::sha256(&file).as_slice() == digest.as_slice()).then_some(settings)
        }
        _ => None,
    };
    let done = journal.counts || settings.is_some();
    let found = Interrupted { operation: journal.operation, begun_at: journal.begun_at, done };
    let outcome = if done { "interrupted, and done" } else { "interrupted, and not done" };
    core.store.change(|change| {
        if settings.is_some() {
            change.settings(settings)?;
            change.refused(None)?;
        }
        change.pause_backup_runs(None, "The server stopped while the backup was made.")?;
        change.stop_ongoing_jobs()?;
        change.audit(&found.operation, outcome)?;
        change.interrupted(&found)?;
        change.end()
    })
}

fn alert_text(error: &Error) -> String {
    format!("{ALERT_PREFIX}: {}. {ALERT_POINTER}", error.what())
}

/// Removes the files of an operation that a crash cut short: what the configuration does not speak of.
fn clear_leftovers(core: &Core) -> Result<(), Error> {
    let swept = core.disk.sweep().and_then(|()| {
        let idle: &[Place] = match core.store.mode() {
            Ok(Mode::NotEnabled) => &HSM_FILES,
            Ok(Mode::CredentialSet) => HSM_FILES.get(1..).unwrap_or_default(),
            Ok(Mode::Enabled) | Err(_) => &[],
        };
        idle.iter().try_for_each(|place| core.disk.remove(*place))
    });
    swept.map_err(|error| Error::disk(Operation::Open, Cause::DiskFailed, &error))
}

/// What belongs to an enabled HSM; the first also to a credential set for a restore.
pub(crate) const HSM_FILES: [Place; 4] =
    [Place::CredentialWallet, Place::Blob, Place::RestoreWallet, Place::WalletLink];

#[cfg(test)]
mod tests;
