//! Configure as Candidate Node with First Node of Cluster: No. The candidate reaches the controller, knows it by the
//! certificate that was pasted in, and proves the recovery passphrase of the cluster.
//!
//! What is wrong with passphrase, address or certificate costs the server: it must be reinstalled (Documented). What can
//! be seen on this server alone, and another release or clock there, is refused before it is converted (Assumed).

use serde::Serialize;

use super::{Operation, running, store_failed};
use crate::cluster::link::Link;
use crate::cluster::listener::time_s;
use crate::cluster::replication::Replication;
use crate::cluster::wire::{Hello, Request, Response};
use crate::cluster::{CLOCK_LIMIT_S, Candidacy, Standing, identity};
use crate::error::Error;
use crate::recovery::{RecoveryRecord, Unlocked};
use crate::secret::Secret;
use crate::store::Mode;
use crate::tablespace::BACKUP_SECRET;
use crate::texts::Cause;
use crate::vault::Vault;

/// The page's fields.
#[derive(Debug, Clone)]
pub struct ConvertRequest {
    /// Recovery Passphrase of the Cluster.
    pub passphrase: Secret,
    /// Address of the controller, with its port if it is not the usual one.
    pub controller_address: String,
    /// Certificate of Controller Node, PEM.
    pub controller_certificate: String,
}

/// The server is a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Converted {
    /// Of the cluster that was reached.
    pub cluster_name: String,
    /// Candidate Node IP Address.
    pub address: String,
    /// Candidate Node Certificate, for the controller.
    pub certificate: String,
}

pub(crate) fn convert(vault: &mut Vault, request: &ConvertRequest) -> Result<Converted, Error> {
    let operation = Operation::Convert;
    let result = try_convert(vault, request);
    vault.record(operation, &result);
    result
}

/// How the conversion ends when it does.
enum Failure {
    /// The server is as it was.
    Harmless(Error),
    /// It is of no more use.
    Lost(String),
}

fn try_convert(vault: &mut Vault, request: &ConvertRequest) -> Result<Converted, Error> {
    let operation = Operation::Convert;
    let failed = store_failed(operation);
    let replication = running(&vault.view, operation)?;
    let standing = vault.core.store.standing().map_err(&failed)?;
    if standing != Standing::Standalone {
        let detail = standing.name();
        return Err(Error::new(operation, Cause::AlreadyInCluster).with_detail(detail));
    }
    super::super::open(&vault.view, operation)?;
    match reach(vault, &replication, request) {
        Ok(hello) => {
            adopt_passphrase(vault, request, &hello)?;
            Ok(Converted {
                cluster_name: hello.cluster_name,
                address: replication.address.clone(),
                certificate: replication.identity.pem.clone(),
            })
        }
        Err(Failure::Harmless(error)) => Err(error),
        Err(Failure::Lost(why)) => {
            let broken = Standing::Broken { why: why.clone() };
            vault.core.store.change(|change| change.standing(&broken)).map_err(failed)?;
            Err(Error::new(operation, Cause::ConversionFailed).with_detail(why))
        }
    }
}

fn reach(
    vault: &Vault,
    replication: &Replication,
    request: &ConvertRequest,
) -> Result<Hello, Failure> {
    let operation = Operation::Convert;
    let lost = |why: String| Failure::Lost(why);
    let pinned = identity::read_pem(&request.controller_certificate)
        .map_err(|why| lost(format!("certificate of the controller: {why}")))?;
    let address = &request.controller_address;
    let mut link = Link::connect(&replication.identity, address, &pinned).map_err(lost)?;
    let Response::Hello(hello) = link.call(&Request::Hello).map_err(lost)? else {
        return Err(lost(format!("{address}: no controller answers there")));
    };
    let release = vault.view.release().map_err(Failure::Harmless)?;
    if hello.release != release.name {
        let detail = format!("{} there, {} here", hello.release, release.name);
        let error = Error::new(operation, Cause::ReleasesDiffer).with_detail(detail);
        return Err(Failure::Harmless(error));
    }
    clocks(operation, hello.time_s, time_s()).map_err(Failure::Harmless)?;
    let proof =
        RecoveryRecord::proof(&request.passphrase, &hello.salt, hello.iterations, &hello.challenge);
    link.call(&Request::Prove { proof }).map_err(lost)?;
    Ok(hello)
}

/// Whether two clocks agree.
pub(super) fn clocks(operation: Operation, there_s: u64, here_s: u64) -> Result<(), Error> {
    let difference = there_s.abs_diff(here_s);
    if difference <= CLOCK_LIMIT_S {
        return Ok(());
    }
    let detail = format!("{difference} seconds, at most {CLOCK_LIMIT_S}");
    Err(Error::new(operation, Cause::ClocksDiffer).with_detail(detail))
}

/// The cluster's recovery passphrase is this server's from now on: one per cluster (Documented).
fn adopt_passphrase(vault: &Vault, request: &ConvertRequest, hello: &Hello) -> Result<(), Error> {
    let operation = Operation::Convert;
    let failed = store_failed(operation);
    let broken = |_| Error::new(operation, Cause::CryptoFailed);
    let store = &vault.core.store;
    let tablespace = super::super::open(&vault.view, operation)?;
    let password = if vault.mode(operation)? == Mode::Enabled {
        None
    } else {
        let recovery = store.recovery().map_err(&failed)?;
        match recovery.unlock(&request.passphrase) {
            Ok(Unlocked::Password(password)) => Some(password),
            _ => {
                let detail = "a candidate without HSM must have the cluster's as its own; \
                              it was not converted";
                return Err(Error::new(operation, Cause::PassphraseWrong).with_detail(detail));
            }
        }
    };
    let secret = match store.backup_secret().map_err(&failed)? {
        Some((sealed, _)) => tablespace.unseal(BACKUP_SECRET, &sealed).map_err(broken)?,
        None => super::super::new_backup_secret().map_err(broken)?,
    };
    let sealed = tablespace.seal(BACKUP_SECRET, secret.expose()).map_err(broken)?;
    let (salt, iterations) = (hello.salt.clone(), hello.iterations);
    let made = RecoveryRecord::with_salt(
        &request.passphrase,
        salt,
        iterations,
        password.as_ref(),
        &secret,
    );
    let (recovery, wrapped) = made.map_err(broken)?;
    let candidate = Standing::Candidate(Candidacy {
        controller_address: request.controller_address.clone(),
        controller_certificate: request.controller_certificate.clone(),
    });
    let changed = store.change(|change| {
        change.recovery(&recovery)?;
        change.backup_secret(&sealed, &wrapped)?;
        change.standing(&candidate)
    });
    changed.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_a_little() {
        let check = |there, here| clocks(Operation::Convert, there, here).map_err(|it| it.cause);
        assert_eq!(check(1000, 1000 + CLOCK_LIMIT_S), Ok(()));
        assert_eq!(check(1001 + CLOCK_LIMIT_S, 1000), Err(Cause::ClocksDiffer));
        assert_eq!(check(1000, 1001 + CLOCK_LIMIT_S), Err(Cause::ClocksDiffer));
    }
}
