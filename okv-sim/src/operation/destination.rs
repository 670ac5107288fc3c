//! Backup destinations: made, changed and removed, and only saved once they have been connected to (Documented).

use super::{Operation, open};
use crate::backup::courier::{self, Call, Courier, CourierError, METHODS, Proof};
use crate::backup::{new_key, public_key};
use crate::disk::Place;
use crate::error::Error;
use crate::secret::Secret;
use crate::store::{self, BackupDestination, SealedDestination};
use crate::texts::Cause;
use crate::vault::Vault;
use crate::view::View;

/// The destination that is always there.
pub(crate) const LOCAL: &str = "LOCAL";

/// What the server's SSH key is sealed as.
const SSH_KEY: &str = "ssh key";

/// Written and removed again to see whether that can be done.
const PROBE: &str = "okvbackup_probe.part";

/// The dialog's fields, without the repeated password.
#[derive(Debug, Clone)]
pub struct DestinationRequest {
    /// Unique. One that is there is changed, all but its path.
    pub name: String,
    /// `scp` or `sftp`.
    pub transfer_method: String,
    /// Name or address.
    pub host_name: String,
    /// 22 unless said otherwise.
    pub port: u16,
    /// Directory there, from the root.
    pub path: String,
    /// Who logs in.
    pub user_name: String,
    /// For password authentication; `None` for key-based.
    pub password: Option<Secret>,
    /// Fingerprint that the host must show; `None` takes what it shows.
    pub host_key: Option<String>,
}

fn refuse(cause: Cause, detail: impl std::fmt::Display) -> Error {
    Error::new(Operation::Destination, cause).with_detail(detail)
}

/// A name of ours: letters, digits, `_` and `-`.
pub(crate) fn is_name(name: &str) -> bool {
    let usable = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    (1..=64).contains(&name.len()) && name.chars().all(usable)
}

/// Rules of the fields. That host and path have no spaces and quotes is Documented; that they have nothing else a
/// shell would look at is Assumed.
fn look_at(request: &DestinationRequest) -> Result<(), Error> {
    let unusable = |what: &str| Err(refuse(Cause::OptionUnusable, what));
    let plain = |text: &str, more: &str| {
        !text.is_empty()
            && text.len() <= 255
            && !text.starts_with('-')
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
    };
    if !is_name(&request.name) || request.name.eq_ignore_ascii_case(LOCAL) {
        return unusable(
            "a destination's name has 1 to 64 letters, digits, _ and -, and is not LOCAL",
        );
    }
    let remote = |method: &&courier::Method| method.name != "local";
    if !METHODS.iter().filter(remote).any(|method| method.name == request.transfer_method) {
        return unusable("the transfer method is scp or sftp");
    }
    if !plain(&request.host_name, ".-:") {
        return unusable("the host name has letters, digits, . - and :");
    }
    if request.port == 0 {
        return unusable("the port is 1 to 65535");
    }
    if !plain(&request.path, "/._@%+=:,~-") || !request.path.starts_with('/') {
        return unusable("the path begins with / and has no spaces or quotes");
    }
    if !plain(&request.user_name, "._@-") {
        return unusable("the user name has letters, digits and . _ @ -");
    }
    Ok(())
}

pub(crate) fn save_destination(
    vault: &mut Vault,
    request: &DestinationRequest,
) -> Result<BackupDestination, Error> {
    let result = save(vault, request);
    vault.record(Operation::Destination, &result);
    result
}

fn save(vault: &mut Vault, request: &DestinationRequest) -> Result<BackupDestination, Error> {
    let operation = Operation::Destination;
    look_at(request)?;
    let tablespace = open(&vault.view, operation)?;
    let store = &vault.core.store;
    let failed = |error| Error::store(operation, &error);
    let old = store.destination(&request.name).map_err(failed)?.map(|old| old.destination);
    if let Some(old) = &old
        && old.path != request.path
    {
        return Err(refuse(Cause::DestinationPathFixed, &old.path));
    }
    let same_host =
        |old: &&BackupDestination| old.host_name == request.host_name && old.port == request.port;
    let pinned = old.as_ref().filter(same_host).map(|old| old.host_key.clone());
    let wanted = request.host_key.clone().filter(|key| !key.is_empty());
    let mut destination = BackupDestination {
        name: request.name.clone(),
        transfer_method: request.transfer_method.clone(),
        host_name: request.host_name.clone(),
        port: request.port,
        path: request.path.clone(),
        user_name: request.user_name.clone(),
        authentication_method: if request.password.is_some() { "password" } else { "key" }.into(),
        host_key: wanted.or(pinned).unwrap_or_default(),
        created_at: old.map_or_else(store::now, |old| old.created_at),
    };
    let proof = match &request.password {
        Some(password) => Proof::Password(password.clone()),
        None => Proof::Key(ssh_seed(&vault.view, operation)?),
    };
    let local = vault.core.disk.path(Place::LocalBackups);
    let call = Call { destination: &destination, proof: &proof, local: &local };
    let tried = courier::connect(&call).and_then(|mut courier| {
        try_out(courier.as_mut())?;
        Ok(courier.host_key().to_owned())
    });
    destination.host_key =
        tried.map_err(|error| explain(operation, Cause::DestinationRefused, &error))?;
    let crypto = |_| Error::new(operation, Cause::CryptoFailed);
    let password = request
        .password
        .as_ref()
        .map(|password| tablespace.seal(&password_of(&destination.name), password.expose()));
    let password = password.transpose().map_err(crypto)?;
    let sealed = SealedDestination { destination, password };
    vault.core.store.change(|change| change.destination(&sealed)).map_err(failed)?;
    Ok(sealed.destination)
}

fn password_of(name: &str) -> String {
    format!("password of {}", name.to_ascii_lowercase())
}

/// The directory can be listed and written.
fn try_out(courier: &mut dyn Courier) -> courier::Result<()> {
    courier.list()?;
    courier.put(PROBE, b"okv", &mut |_| Ok(()))?;
    courier.remove(PROBE)
}

/// What a courier's failure means.
pub(crate) fn explain(operation: Operation, cause: Cause, error: &CourierError) -> Error {
    let cause = match error {
        CourierError::HostKey(_) => Cause::HostKeyChanged,
        CourierError::Stopped(_) => Cause::Stopped,
        CourierError::Failed(_) => cause,
    };
    Error::new(operation, cause).with_detail(error)
}

pub(crate) fn delete_destination(vault: &mut Vault, name: &str) -> Result<(), Error> {
    let operation = Operation::Destination;
    let failed = |error| Error::store(operation, &error);
    let jobs = vault.core.store.backup_jobs().map_err(failed)?;
    if let Some(job) = jobs.iter().find(|job| job.destination.eq_ignore_ascii_case(name)) {
        return Err(refuse(Cause::DestinationInUse, &job.name));
    }
    let mut there = false;
    let removed = vault.core.store.change(|change| {
        there = change.remove_destination(name)?;
        change.audit("delete-destination", if there { "success" } else { "DestinationUnknown" })
    });
    removed.map_err(failed)?;
    if there { Ok(()) } else { Err(refuse(Cause::DestinationUnknown, name)) }
}

/// The seed of the server's SSH key; the first who asks makes it.
fn ssh_seed(view: &View, operation: Operation) -> Result<Secret, Error> {
    let tablespace = open(view, operation)?;
    let failed = |error| Error::store(operation, &error);
    let crypto = |_| Error::new(operation, Cause::CryptoFailed);
    if let Some((sealed, _)) = view.store.ssh_key().map_err(failed)? {
        return tablespace.unseal(SSH_KEY, &sealed).map_err(crypto);
    }
    let seed = new_key().map_err(crypto)?;
    let public = public_key(&seed).ok_or_else(|| Error::new(operation, Cause::CryptoFailed))?;
    let sealed = tablespace.seal(SSH_KEY, seed.expose()).map_err(crypto)?;
    view.store.change(|change| change.ssh_key(&sealed, &public)).map_err(failed)?;
    Ok(seed)
}

/// The line for the destination's `authorized_keys`.
pub(crate) fn ssh_public_key(view: &View) -> Result<String, Error> {
    let seed = ssh_seed(view, Operation::Destination)?;
    public_key(&seed).ok_or_else(|| Error::new(Operation::Destination, Cause::CryptoFailed))
}

/// Connects to a destination that was saved, or to the local one.
pub(crate) fn reach(
    vault: &Vault,
    operation: Operation,
    name: &str,
) -> Result<Box<dyn Courier>, Error> {
    let local = vault.core.disk.path(Place::LocalBackups);
    let (destination, proof) = if name.eq_ignore_ascii_case(LOCAL) {
        (local_destination(), Proof::None)
    } else {
        let failed = |error| Error::store(operation, &error);
        let unknown = || Error::new(operation, Cause::DestinationUnknown).with_detail(name);
        let found = vault.core.store.destination(name).map_err(failed)?.ok_or_else(unknown)?;
        let proof = match &found.password {
            Some(sealed) => {
                let tablespace = open(&vault.view, operation)?;
                let password = tablespace.unseal(&password_of(&found.destination.name), sealed);
                Proof::Password(password.map_err(|_| Error::new(operation, Cause::CryptoFailed))?)
            }
            None => Proof::Key(ssh_seed(&vault.view, operation)?),
        };
        (found.destination, proof)
    };
    courier::connect(&Call { destination: &destination, proof: &proof, local: &local })
        .map_err(|error| explain(operation, Cause::DestinationFailed, &error))
}

fn local_destination() -> BackupDestination {
    BackupDestination {
        name: LOCAL.into(),
        transfer_method: "local".into(),
        host_name: String::new(),
        port: 0,
        path: String::new(),
        user_name: String::new(),
        authentication_method: String::new(),
        host_key: String::new(),
        created_at: String::new(),
    }
}

/// Whether a backup can be sent there at all.
pub(crate) fn exists(view: &View, name: &str) -> Result<bool, Error> {
    let failed = |error| Error::store(Operation::Schedule, &error);
    Ok(name.eq_ignore_ascii_case(LOCAL) || view.store.destination(name).map_err(failed)?.is_some())
}
