//! Post-installation set-up: a new wallet, its password under the recovery passphrase, an empty tablespace.

use std::num::NonZeroU32;
use std::path::Path;

use super::Operation;
use crate::disk::{Disk, Place};
use crate::error::Error;
use crate::recovery::{self, RecoveryRecord};
use crate::release::{NEWEST, Release};
use crate::seal;
use crate::secret::Secret;
use crate::store::{Mode, Store, StoreError};
use crate::tablespace::{self, BACKUP_SECRET, MANAGED_OBJECTS, Tablespace};
use crate::texts::Cause;
use crate::token::Loader;
use crate::vault::Vault;
use crate::verification::Core;
use crate::view::View;
use crate::wallet::{self, MasterKeys};
use crate::watch::Watch;

/// PBKDF2 iterations unless told otherwise. Assumed; OWASP's present advice for HMAC-SHA-512 is less.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();

/// What installation is given.
#[derive(Debug, Clone)]
pub struct InstallRequest {
    /// At least 8 bytes.
    pub passphrase: Secret,
    /// PBKDF2 iterations. A test that checks the passphrase often asks for few.
    pub passphrase_iterations: NonZeroU32,
    /// Name of the release.
    pub release: String,
}

impl InstallRequest {
    /// The usual number of iterations.
    pub fn new(passphrase: Secret) -> Self {
        let release = NEWEST.to_owned();
        Self { passphrase, passphrase_iterations: ITERATIONS, release }
    }
}

pub(crate) fn install_with(
    data: &Path,
    request: &InstallRequest,
    loader: Box<dyn Loader>,
    watch: Watch,
) -> Result<Vault, Error> {
    let fail = |cause| Error::new(Operation::Install, cause);
    if request.passphrase.len() < recovery::SHORTEST {
        return Err(fail(Cause::PassphraseTooShort));
    }
    let release = Release::named(&request.release)?;
    let failed = |error: StoreError| Error::store(Operation::Install, &error);
    let disk = Disk::new(data, watch.clone());
    disk.prepare().map_err(|error| Error::disk(Operation::Install, Cause::DiskFailed, &error))?;
    let store = Store::open(&disk, watch.clone()).map_err(failed)?;
    if store.server_id().map_err(failed)?.is_some() {
        return Err(fail(Cause::AlreadyInstalled));
    }
    let made = make(request).map_err(|_| fail(Cause::CryptoFailed))?;
    disk.replace(Place::Wallet, &made.wallet)
        .map_err(|error| Error::disk(Operation::Install, Cause::DiskFailed, &error))?;
    // The commit is what makes the directory an installed server.
    let (master_key, wrapped) = &made.tablespace;
    let committed = store.change(|change| {
        change.server_id(&made.server_id)?;
        change.release(&release.name)?;
        change.mode(Mode::NotEnabled)?;
        change.backup_secret(&made.backup_secret.0, &made.backup_secret.1)?;
        change.recovery(&made.recovery)?;
        change.tablespace(MANAGED_OBJECTS, master_key, wrapped)?;
        change.audit(Operation::Install.name(), "success")
    });
    committed.map_err(failed)?;
    let opened = Tablespace::open(&store, &made.keys)
        .map_err(|error| super::object_failed(Operation::Install, error))?;
    let core = Core { disk, store, loader, watch };
    let view = View::new(core.store.clone());
    view.open(opened);
    Ok(Vault { core, view })
}

struct Made {
    server_id: String,
    keys: MasterKeys,
    wallet: Vec<u8>,
    recovery: RecoveryRecord,
    tablespace: (Vec<u8>, Vec<u8>),
    backup_secret: (Vec<u8>, Vec<u8>),
}

fn make(request: &InstallRequest) -> Result<Made, seal::Sealed> {
    let password = wallet::new_password()?;
    let keys = MasterKeys::generate()?;
    let secret = super::new_backup_secret()?;
    let iterations = request.passphrase_iterations;
    let (recovery, wrapped) =
        RecoveryRecord::new(&request.passphrase, iterations, &password, &secret)?;
    let tablespace = tablespace::create(&keys)?;
    let (id, key) = &tablespace;
    let sealed = Tablespace::of_backup(&keys, id, key)?.seal(BACKUP_SECRET, secret.expose())?;
    Ok(Made {
        server_id: format!("{:032x}", u128::from_be_bytes(seal::random()?)),
        wallet: wallet::write(&password, &keys)?,
        recovery,
        tablespace,
        backup_secret: (sealed, wrapped),
        keys,
    })
}
