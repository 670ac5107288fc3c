//! Storing, reading and listing customers' objects. The wallet must be open; the HSM is not asked.

use std::sync::Arc;

use super::Operation;
use crate::error::Error;
use crate::secret::Secret;
use crate::store::Mode;
use crate::tablespace::{ObjectError, ObjectInfo, Tablespace};
use crate::texts::Cause;
use crate::view::View;

pub(crate) fn store_object(view: &View, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let operation = Operation::StoreObject;
    open(view, operation)?
        .put(&view.store, name, bytes)
        .map_err(|error| object_failed(operation, error))
}

pub(crate) fn read_object(view: &View, name: &str) -> Result<Secret, Error> {
    let operation = Operation::ReadObject;
    open(view, operation)?.take(&view.store, name).map_err(|error| object_failed(operation, error))
}

pub(crate) fn list_objects(view: &View) -> Result<Vec<ObjectInfo>, Error> {
    let operation = Operation::ListObjects;
    open(view, operation)?.list(&view.store).map_err(|error| object_failed(operation, error))
}

/// The opened tablespace, or why there is none.
pub(crate) fn open(view: &View, operation: Operation) -> Result<Arc<Tablespace>, Error> {
    view.opened().ok_or_else(|| match view.store.mode() {
        Ok(Mode::NotEnabled | Mode::CredentialSet) => Error::new(operation, Cause::WalletClosed),
        Ok(Mode::Enabled) | Err(_) => Error::new(operation, Cause::Sealed),
    })
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
