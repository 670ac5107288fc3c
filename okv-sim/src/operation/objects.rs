//! Storing, reading and listing customers' objects. The wallet must be open; the HSM is not asked.

use super::Operation;
use crate::error::Error;
use crate::secret::Secret;
use crate::store::Mode;
use crate::tablespace::{ObjectError, ObjectInfo, Tablespace};
use crate::texts::Cause;
use crate::vault::Vault;

pub(crate) fn store_object(vault: &mut Vault, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let operation = Operation::StoreObject;
    let Some(tablespace) = &vault.opened else { return Err(closed(vault, operation)) };
    tablespace
        .put(&mut vault.core.store, name, bytes)
        .map_err(|error| object_failed(operation, error))
}

pub(crate) fn read_object(vault: &Vault, name: &str) -> Result<Secret, Error> {
    let operation = Operation::ReadObject;
    open(vault, operation)?
        .take(&vault.core.store, name)
        .map_err(|error| object_failed(operation, error))
}

pub(crate) fn list_objects(vault: &Vault) -> Result<Vec<ObjectInfo>, Error> {
    let operation = Operation::ListObjects;
    open(vault, operation)?.list(&vault.core.store).map_err(|error| object_failed(operation, error))
}

fn open(vault: &Vault, operation: Operation) -> Result<&Tablespace, Error> {
    vault.opened.as_ref().ok_or_else(|| closed(vault, operation))
}

fn closed(vault: &Vault, operation: Operation) -> Error {
    match vault.core.store.mode() {
        Ok(Mode::NotEnabled | Mode::CredentialSet) => Error::new(operation, Cause::WalletClosed),
        Ok(Mode::Enabled) | Err(_) => Error::new(operation, Cause::Sealed),
    }
}

/// What an object's or a tablespace's failure means.
pub(crate) fn object_failed(operation: Operation, error: ObjectError) -> Error {
    let cause = match error {
        ObjectError::Store(error) => return Error::store(operation, &error),
        ObjectError::Exists => Cause::ObjectExists,
        ObjectError::Unknown => Cause::ObjectUnknown,
        ObjectError::Damaged => Cause::ObjectDamaged,
        ObjectError::NameUnusable => Cause::NameUnusable,
    };
    Error::new(operation, cause)
}
