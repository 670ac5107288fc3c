//! Customers' objects, sealed under a tablespace key.
//!
//! The key lies in the store under the TDE master key. Names are sealed as well; a row is found by a keyed
//! digest of its name. So a closed wallet tells how many objects there are and how long each is, and no more.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::seal::{self, Key, Sealed};
use crate::secret::Secret;
use crate::store::cluster::ObjectRow;
use crate::store::{self, SealedObject, Store, StoreError};
use crate::wallet::MasterKeys;

/// The one tablespace of a standalone server.
pub(crate) const MANAGED_OBJECTS: i64 = 1;

/// What the secret of backups is sealed as.
pub(crate) const BACKUP_SECRET: &str = "backup secret";

/// Longest name, bytes.
const LONGEST_NAME: usize = 256;

/// An opened tablespace. Lives in memory only.
pub(crate) struct Tablespace {
    key: Key,
    index: Key,
    /// As the store has it: tells two tablespaces apart.
    pub(crate) wrapped: Vec<u8>,
    /// The master key it lies under, for another tablespace key that is to lie there.
    master: (Vec<u8>, Key),
}

/// What a listing tells about an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectInfo {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// UTC, RFC 3339.
    pub stored_at: String,
}

/// Why an object could not be stored or read.
#[derive(Debug)]
pub(crate) enum ObjectError {
    Exists,
    Unknown,
    Damaged,
    NameUnusable,
    Store(StoreError),
}

impl From<StoreError> for ObjectError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Sealed> for ObjectError {
    fn from(_: Sealed) -> Self {
        Self::Damaged
    }
}

/// A new tablespace key under the current master key: the master key's id, and the wrapped key.
pub(crate) fn create(master: &MasterKeys) -> Result<(Vec<u8>, Vec<u8>), Sealed> {
    let (id, key) = master.current().ok_or(Sealed)?;
    let wrapped = seal::seal(key, id, seal::random_key()?.as_slice())?;
    Ok((id.to_vec(), wrapped))
}

impl Tablespace {
    /// Opens the tablespace with the master key it was made under.
    pub(crate) fn open(store: &Store, master: &MasterKeys) -> Result<Self, ObjectError> {
        let (id, wrapped) = store.tablespace(MANAGED_OBJECTS)?;
        let master = master.by_id(&id).ok_or(ObjectError::Damaged)?;
        let key = seal::open_key(master, &id, &wrapped)?;
        Ok(Self::with_key(key, wrapped, (id, master.clone()))?)
    }

    fn with_key(key: Key, wrapped: Vec<u8>, master: (Vec<u8>, Key)) -> Result<Self, Sealed> {
        let index = seal::derive(key.as_slice(), b"", "index of object names")?;
        Ok(Self { key, index, wrapped, master })
    }

    /// Opens the tablespace from what a backup says about it.
    pub(crate) fn of_backup(
        master: &MasterKeys,
        id: &[u8],
        wrapped: &[u8],
    ) -> Result<Self, Sealed> {
        let master = master.by_id(id).ok_or(Sealed)?;
        let key = seal::open_key(master, id, wrapped)?;
        Self::with_key(key, wrapped.to_vec(), (id.to_vec(), master.clone()))
    }

    /// Seals a part of what an endpoint keeps here.
    pub(crate) fn seal_part(&self, id: &str, part: &str, plain: &[u8]) -> Result<Vec<u8>, Sealed> {
        seal::seal(&self.key, format!("security object {id} {part}").as_bytes(), plain)
    }

    /// The plaintext of [`Tablespace::seal_part`].
    pub(crate) fn open_part(
        &self,
        id: &str,
        part: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Sealed> {
        seal::open(&self.key, format!("security object {id} {part}").as_bytes(), sealed)
    }

    /// The tablespace key itself, for a node that joins: it goes there over a connection only the two can read.
    pub(crate) fn reveal(&self) -> Secret {
        Secret::new(self.key.to_vec())
    }

    /// Another tablespace key under this server's own master key: the opened tablespace, the master key's id, and the
    /// wrapped key.
    pub(crate) fn adopt(&self, key: &Secret) -> Result<(Self, Vec<u8>, Vec<u8>), Sealed> {
        let (key, (id, master)) = (seal::to_key(key.expose())?, &self.master);
        let wrapped = seal::seal(master, id, key.as_slice())?;
        Ok((Self::with_key(key, wrapped.clone(), self.master.clone())?, id.clone(), wrapped))
    }

    /// The object's row under a name with something behind it: two nodes of a cluster made one of the same name.
    pub(crate) fn rename(&self, row: &ObjectRow, suffix: &str) -> Result<ObjectRow, Sealed> {
        let mut name = seal::open(&self.key, &place(&row.id, b"name"), &row.name)?;
        let value = seal::open(&self.key, &place(&row.id, b"value"), &row.value)?;
        name.extend_from_slice(suffix.as_bytes());
        let id = seal::blind(&self.index, &name);
        Ok(ObjectRow {
            name: seal::seal(&self.key, &place(&id, b"name"), &name)?,
            value: seal::seal(&self.key, &place(&id, b"value"), &value)?,
            id,
        })
    }

    /// Seals a secret of the server itself, which `what` names.
    pub(crate) fn seal(&self, what: &str, plaintext: &[u8]) -> Result<Vec<u8>, Sealed> {
        let key = seal::derive(self.key.as_slice(), b"", "secrets of the server")?;
        seal::seal(&key, what.as_bytes(), plaintext)
    }

    /// The plaintext of [`Tablespace::seal`].
    pub(crate) fn unseal(&self, what: &str, sealed: &[u8]) -> Result<Secret, Sealed> {
        let key = seal::derive(self.key.as_slice(), b"", "secrets of the server")?;
        Ok(Secret::new(seal::open(&key, what.as_bytes(), sealed)?.to_vec()))
    }

    /// The key of one backup: it takes the tablespace, so the root of trust, and the secret, so the passphrase.
    pub(crate) fn backup_key(&self, secret: &Secret, salt: &[u8]) -> Result<Key, Sealed> {
        let both = Zeroizing::new([self.key.as_slice(), secret.expose()].concat());
        seal::derive(&both, salt, "backup")
    }

    pub(crate) fn put(&self, store: &Store, name: &str, value: &[u8]) -> Result<(), ObjectError> {
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err(ObjectError::NameUnusable);
        }
        let id = seal::blind(&self.index, name.as_bytes());
        let sealed = seal::seal(&self.key, &place(&id, b"value"), value)?;
        let object = SealedObject {
            name: seal::seal(&self.key, &place(&id, b"name"), name.as_bytes())?,
            id,
            bytes: value.len().try_into().map_err(|_| Sealed)?,
            stored_at: store::now(),
        };
        let mut new = false;
        store.change(|change| {
            new = change.object(MANAGED_OBJECTS, &object, &sealed)?;
            Ok(())
        })?;
        if new { Ok(()) } else { Err(ObjectError::Exists) }
    }

    pub(crate) fn take(&self, store: &Store, name: &str) -> Result<Secret, ObjectError> {
        let id = seal::blind(&self.index, name.as_bytes());
        let sealed = store.object_value(&id)?.ok_or(ObjectError::Unknown)?;
        let value = seal::open(&self.key, &place(&id, b"value"), &sealed)?;
        Ok(Secret::new(value.to_vec()))
    }

    pub(crate) fn list(&self, store: &Store) -> Result<Vec<ObjectInfo>, ObjectError> {
        let mut out = Vec::new();
        for object in store.objects()? {
            let name = seal::open(&self.key, &place(&object.id, b"name"), &object.name)?;
            let name = String::from_utf8(name.to_vec()).map_err(|_| ObjectError::Damaged)?;
            let bytes = u64::try_from(object.bytes).map_err(|_| ObjectError::Damaged)?;
            out.push(ObjectInfo { name, bytes, stored_at: object.stored_at });
        }
        Ok(out)
    }
}

fn place(id: &[u8], part: &[u8]) -> Vec<u8> {
    [id, part].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::watch::Watch;

    #[test]
    fn objects_come_back_and_only_under_their_master_key() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path(), Watch::default());
        let store = Store::open(&disk, Watch::default()).unwrap();
        let master = MasterKeys::generate().unwrap();
        let (id, wrapped) = create(&master).unwrap();
        store.change(|change| change.tablespace(MANAGED_OBJECTS, &id, &wrapped)).unwrap();

        let tablespace = Tablespace::open(&store, &master).unwrap();
        tablespace.put(&store, "key", b"value of the object").unwrap();
        tablespace.put(&store, "empty", b"").unwrap();
        assert_eq!(tablespace.take(&store, "key").unwrap().expose(), b"value of the object");
        assert!(tablespace.take(&store, "empty").unwrap().is_empty());
        assert!(matches!(tablespace.take(&store, "other"), Err(ObjectError::Unknown)));
        assert!(matches!(tablespace.put(&store, "key", b""), Err(ObjectError::Exists)));
        assert!(matches!(tablespace.put(&store, "", b""), Err(ObjectError::NameUnusable)));
        let names: Vec<_> =
            tablespace.list(&store).unwrap().into_iter().map(|object| object.name).collect();
        assert_eq!(names, ["key", "empty"]);

        let stranger = MasterKeys::generate().unwrap();
        assert!(matches!(Tablespace::open(&store, &stranger), Err(ObjectError::Damaged)));
    }
}
