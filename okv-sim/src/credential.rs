//! The HSM credential on disk, so that an unattended boot can log in.
//!
//! The real product keeps it in an auto-login wallet, a file that opens without a password (Observed: the trace
//! of a verification writes and reads one). This room does the same and promises no more: the file is sealed
//! under a key that lies in another file of the same disk. Whoever can read the disk as the vault does can read
//! the credential. What stays protected is a copy of the disk taken to where the HSM cannot be reached.

use crate::disk::{Disk, DiskError, Place};
use crate::seal::{self, Key, Sealed};
use crate::secret::Secret;

const MAGIC: &[u8; 8] = b"OKVSSO\x01\n";

/// Why the credential could not be kept or read.
#[derive(Debug)]
pub(crate) enum CredentialError {
    Disk(DiskError),
    /// Not a credential wallet, changed since it was written, or of another server.
    Damaged,
    /// Others than the owner may read the file; the permission bits.
    Exposed(u32),
}

impl From<DiskError> for CredentialError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<Sealed> for CredentialError {
    fn from(_: Sealed) -> Self {
        Self::Damaged
    }
}

/// Replaces the stored credential.
pub(crate) fn store(disk: &Disk, credential: &Secret) -> Result<(), CredentialError> {
    Ok(disk.replace(Place::CredentialWallet, &wrap(disk, credential)?)?)
}

/// The content of a new credential wallet, which is not in its place yet.
pub(crate) fn wrap(disk: &Disk, credential: &Secret) -> Result<Vec<u8>, CredentialError> {
    let key = match read_key(disk) {
        Ok(key) => key,
        Err(CredentialError::Disk(error)) if error.is_not_found() => {
            let key = seal::random_key()?;
            disk.replace(Place::CredentialKey, key.as_slice())?;
            key
        }
        Err(error) => return Err(error),
    };
    let mut file = Vec::from(MAGIC);
    file.extend_from_slice(&seal::seal(&key, MAGIC, credential.expose())?);
    Ok(file)
}

/// Whether the wallet is there and closed to others, without opening it.
pub(crate) fn inspect(disk: &Disk) -> Result<(), CredentialError> {
    match disk.mode(Place::CredentialWallet)? {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(CredentialError::Exposed(mode)),
    }
}

/// The stored credential.
pub(crate) fn read(disk: &Disk) -> Result<Secret, CredentialError> {
    let file = disk.read(Place::CredentialWallet)?;
    let sealed = file.strip_prefix(MAGIC).ok_or(CredentialError::Damaged)?;
    let opened = seal::open(&read_key(disk)?, MAGIC, sealed)?;
    Ok(Secret::new(opened.to_vec()))
}

fn read_key(disk: &Disk) -> Result<Key, CredentialError> {
    Ok(seal::to_key(&disk.read(Place::CredentialKey)?)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::watch::Watch;

    #[test]
    fn what_is_stored_can_be_read_back_and_does_not_lie_there_in_clear() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path(), Watch::default());
        disk.prepare().unwrap();
        assert!(matches!(read(&disk), Err(CredentialError::Disk(error)) if error.is_not_found()));
        for word in ["first-credential", "second-credential"] {
            store(&disk, &word.into()).unwrap();
            assert_eq!(read(&disk).unwrap().expose(), word.as_bytes());
            let file = disk.read(Place::CredentialWallet).unwrap();
            assert!(!file.windows(word.len()).any(|window| window == word.as_bytes()));
        }
        inspect(&disk).unwrap();
        let path = disk.path(Place::CredentialWallet);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(inspect(&disk), Err(CredentialError::Exposed(0o640))));
        disk.replace(Place::CredentialWallet, b"junk").unwrap();
        assert!(matches!(read(&disk), Err(CredentialError::Damaged)));
    }
}
