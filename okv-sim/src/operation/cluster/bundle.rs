//! Create Bundle and Apply Bundle, for enabling HSMs in a cluster of several nodes.
//!
//! The order is the guide's (Documented): one node is initialized, its bundle is made, carried to every other node by
//! people, given its owner there, and applied; then the others are initialized. Words of the refusals are Assumed.

use std::os::unix::fs::MetadataExt as _;

use serde::Serialize;

use super::{Here, Operation, check_passphrase, store_failed};
use crate::cluster::bundle::{self, Bundle, ReplicationKey};
use crate::cluster::replication::REPLICATION_KEY;
use crate::cluster::{Epoch, NodeId, Standing};
use crate::disk::Place;
use crate::error::Error;
use crate::run::Run;
use crate::seal;
use crate::secret::Secret;
use crate::store::Mode;
use crate::tablespace::Tablespace;
use crate::texts::Cause;
use crate::vault::Vault;
use crate::verification;

/// Create Bundle is through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleCreated {
    /// The file, to be carried to every other node.
    pub file: std::path::PathBuf,
    /// Which replication key is the newest in it.
    pub epoch: Epoch,
}

/// Apply Bundle is through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleApplied {
    /// The node it was made on.
    pub source: NodeId,
    /// Which replication key is the newest in it.
    pub epoch: Epoch,
    /// Entries that had waited for it.
    pub caught_up: i64,
}

/// The credential that was entered opens the chain of this node, as Add Node and Create Bundle want it.
pub(super) fn prove_credential(
    vault: &Vault,
    operation: Operation,
    credential: Option<&Secret>,
) -> Result<(), Error> {
    if vault.mode(operation)? != Mode::Enabled {
        return Ok(());
    }
    let Some(credential) = credential else {
        let detail = "hsmCredential: this node's HSM is enabled";
        return Err(Error::new(operation, Cause::OptionMissing).with_detail(detail));
    };
    let core = &vault.core;
    let mut run = Run::begin(operation, &core.disk, &core.watch);
    let settings = core.store.settings().map_err(store_failed(operation))?;
    let proved = settings.ok_or_else(|| run.fail(Cause::SettingsUnreadable)).and_then(|settings| {
        let mut token = verification::load(core, &mut run, &settings)?;
        let proved = verification::connect(&mut run, token.as_mut(), &settings, credential)
            .and_then(|_| verification::chain(core, &mut run, token.as_mut()));
        if let Err(error) = token.disconnect() {
            run.note(format_args!("While disconnecting: {error}"));
        }
        proved.map(drop)
    });
    run.finish(proved.as_ref().err());
    proved
}

fn has_key(vault: &Vault, operation: Operation, epoch: Epoch) -> Result<bool, Error> {
    let key = vault.core.store.replication_key(epoch).map_err(store_failed(operation))?;
    Ok(key.is_some())
}

/// This node can read what every other node ships.
pub(super) fn has_newest_key(vault: &Vault, operation: Operation) -> Result<(), Error> {
    let newest = vault.core.store.newest_epoch().map_err(store_failed(operation))?;
    match newest {
        Some((epoch, _)) if !has_key(vault, operation, epoch)? => {
            Err(Error::new(operation, Cause::BundleNotApplied))
        }
        _ => Ok(()),
    }
}

/// What Initialize adds on a node of a cluster: the first HSM-enabled one among several makes a replication key.
pub(crate) fn key_for_hsm(vault: &Vault) -> Result<Option<(Epoch, NodeId, Vec<u8>)>, Error> {
    let operation = Operation::Initialize;
    let failed = store_failed(operation);
    let store = &vault.core.store;
    match store.standing().map_err(&failed)? {
        Standing::Standalone => return Ok(None),
        Standing::Member(_) => {}
        other => {
            return Err(Error::new(operation, Cause::WrongState).with_detail(other.name()));
        }
    }
    let here = Here::of(vault, operation)?;
    let tablespace = super::super::open(&vault.view, operation)?;
    let another_hsm = here.others().any(|node| node.settings.hsm);
    if another_hsm {
        has_newest_key(vault, operation)?;
        return Ok(None);
    }
    if here.others().next().is_none() {
        return Ok(None);
    }
    let newest = store.newest_epoch().map_err(&failed)?.map_or(Epoch::FIRST, |(epoch, _)| epoch);
    let (epoch, broken) = (Epoch(newest.0 + 1), |_| Error::new(operation, Cause::CryptoFailed));
    let key = seal::random_key().map_err(broken)?;
    let sealed = tablespace.seal(REPLICATION_KEY, key.as_slice()).map_err(broken)?;
    Ok(Some((epoch, here.me.node_id, sealed)))
}

/// The node that made the newest replication key stays on its HSM until every other node has applied the bundle
/// (Documented).
pub(crate) fn may_reverse_migrate(vault: &Vault) -> Result<(), Error> {
    let operation = Operation::ReverseMigrate;
    let failed = store_failed(operation);
    let store = &vault.core.store;
    if store.standing().map_err(&failed)?.member().is_none() {
        return Ok(());
    }
    let here = Here::of(vault, operation)?;
    let Some((epoch, origin)) = store.newest_epoch().map_err(failed)? else { return Ok(()) };
    if origin != here.me.node_id {
        return Ok(());
    }
    let without: Vec<_> = here
        .others()
        .filter(|node| node.settings.epoch < epoch)
        .map(|node| node.name.as_str())
        .collect();
    if without.is_empty() {
        return Ok(());
    }
    let detail = without.join(", ");
    Err(Error::new(operation, Cause::BundleNotEverywhere).with_detail(detail))
}

fn open_keys(
    vault: &Vault,
    operation: Operation,
    tablespace: &Tablespace,
) -> Result<Vec<ReplicationKey>, Error> {
    let keys = vault.core.store.replication_keys().map_err(store_failed(operation))?;
    keys.into_iter()
        .map(|(epoch, sealed)| {
            let key = tablespace.unseal(REPLICATION_KEY, &sealed);
            key.map(|key| (epoch, key)).map_err(|_| Error::new(operation, Cause::CryptoFailed))
        })
        .collect()
}

pub(crate) fn create_bundle(
    vault: &mut Vault,
    credential: &Secret,
    passphrase: &Secret,
) -> Result<BundleCreated, Error> {
    let operation = Operation::CreateBundle;
    let result = create(vault, credential, passphrase);
    vault.record(operation, &result);
    result
}

fn create(vault: &Vault, credential: &Secret, passphrase: &Secret) -> Result<BundleCreated, Error> {
    let operation = Operation::CreateBundle;
    let here = Here::of(vault, operation)?;
    if vault.mode(operation)? != Mode::Enabled {
        return Err(Error::new(operation, Cause::HsmNotEnabled));
    }
    check_passphrase(&vault.view, operation, passphrase)?;
    has_newest_key(vault, operation)?;
    prove_credential(vault, operation, Some(credential))?;
    let tablespace = super::super::open(&vault.view, operation)?;
    let keys = open_keys(vault, operation, &tablespace)?;
    let epoch = keys.last().map_or(Epoch::FIRST, |(epoch, _)| *epoch);
    let recovery = vault.core.store.recovery().map_err(store_failed(operation))?;
    let (id, source) = (&here.me.cluster_id, here.me.node_id);
    let file = bundle::write(id, source, &keys, passphrase, recovery.iterations)
        .map_err(|_| Error::new(operation, Cause::CryptoFailed))?;
    let disk = &vault.core.disk;
    disk.replace(Place::Bundle, &file)
        .map_err(|error| Error::disk(operation, Cause::DiskFailed, &error))?;
    Ok(BundleCreated { file: disk.path(Place::Bundle), epoch })
}

pub(crate) fn apply_bundle(vault: &mut Vault, passphrase: &Secret) -> Result<BundleApplied, Error> {
    let operation = Operation::ApplyBundle;
    let result = apply(vault, passphrase);
    vault.record(operation, &result);
    result
}

/// The file, if it is there and belongs to the server's user alone. On the real server owner and group are
/// `oracle:oinstall` (Documented).
fn read_file(vault: &Vault) -> Result<Vec<u8>, Error> {
    let operation = Operation::ApplyBundle;
    let disk = &vault.core.disk;
    if !disk.exists(Place::Bundle) {
        let detail = disk.path(Place::Bundle).display().to_string();
        return Err(Error::new(operation, Cause::BundleMissing).with_detail(detail));
    }
    let owner = |place| std::fs::metadata(disk.path(place)).map(|it| (it.uid(), it.mode() & 0o777));
    match (owner(Place::Bundle), owner(Place::Store)) {
        (Ok((uid, mode)), Ok((own, _))) if uid != own || mode & 0o077 != 0 => {
            let detail = format!("owner {uid}, mode {mode:03o}; wanted owner {own}, mode 600");
            return Err(Error::new(operation, Cause::BundleOwnerWrong).with_detail(detail));
        }
        _ => {}
    }
    disk.read(Place::Bundle).map_err(|error| Error::disk(operation, Cause::DiskFailed, &error))
}

fn apply(vault: &Vault, passphrase: &Secret) -> Result<BundleApplied, Error> {
    let operation = Operation::ApplyBundle;
    let refuse = |cause, detail: String| Err(Error::new(operation, cause).with_detail(detail));
    let failed = store_failed(operation);
    let here = Here::of(vault, operation)?;
    if vault.mode(operation)? == Mode::Enabled {
        return refuse(
            Cause::WrongState,
            "apply the bundle before this node is initialized".into(),
        );
    }
    let file = read_file(vault)?;
    let Ok(bundle) = Bundle::read(&file) else {
        return refuse(Cause::BundleDamaged, String::new());
    };
    let head = &bundle.head;
    if head.cluster_id != here.me.cluster_id {
        return refuse(Cause::BundleOfOtherCluster, String::new());
    }
    let store = &vault.core.store;
    if let Some((newest, origin)) = store.newest_epoch().map_err(&failed)?
        && head.epoch < newest
    {
        let detail = format!("made {}; node {origin} was initialized since", head.made_at);
        return refuse(Cause::BundleOutdated, detail);
    }
    // A wrong passphrase is told from a changed file by the server's own.
    check_passphrase(&vault.view, operation, passphrase)?;
    let Ok(keys) = bundle.open(passphrase) else {
        return refuse(Cause::BundleDamaged, String::new());
    };
    let tablespace = super::super::open(&vault.view, operation)?;
    let mut caught_up = 0;
    for (epoch, key) in &keys {
        if has_key(vault, operation, *epoch)? {
            continue;
        }
        let sealed = tablespace
            .seal(REPLICATION_KEY, key.expose())
            .map_err(|_| Error::new(operation, Cause::CryptoFailed))?;
        caught_up += store.take_key(*epoch, &sealed).map_err(&failed)?;
    }
    let told = store.change(|change| change.node_epoch(here.me.node_id, head.epoch));
    told.map_err(failed)?;
    here.replication.wake();
    Ok(BundleApplied { source: head.source, epoch: head.epoch, caught_up })
}
