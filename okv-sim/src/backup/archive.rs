//! The backup's file.
//!
//! ```text
//! magic (8) || header length (4, big-endian) || header (JSON) || nonce (12) || database, encrypted || tag (16)
//! ```
//!
//! The header is in clear and bound to the rest. It holds what leads to the key, each thing sealed as on the server's
//! disk: the password wallet, and its password under the root key of the HSM (or under the recovery passphrase, in a
//! backup without HSM); the tablespace key under the master key of that wallet; a secret under the recovery
//! passphrase. The key of the backup is derived from tablespace key and secret, so it takes the root of trust *and*
//! the passphrase. That both are needed is Documented; how the real format does it is not known (Assumed).
//! Neither HSM credential nor anything of the console's TLS is in it.

use std::num::NonZeroU32;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::recovery::{RecoveryError, RecoveryRecord};
use crate::seal::{self, Sealed};
use crate::secret::Secret;
use crate::tablespace::Tablespace;
use crate::wallet::MasterKeys;

const MAGIC: &[u8; 8] = b"OKVBKP\x01\n";

/// Longest header worth believing, bytes.
const LONGEST_HEADER: usize = 1 << 20;

/// Bytes as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        HEXLOWER.decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// What leads to the key, and what the backup is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) release: String,
    pub(crate) release_rank: u32,
    pub(crate) server_id: String,
    /// UTC, RFC 3339.
    pub(crate) taken_at: String,
    pub(crate) wallet: Hex,
    /// The wallet password under the root key; `None` in a backup taken without HSM.
    pub(crate) blob: Option<Hex>,
    pub(crate) passphrase_salt: Hex,
    pub(crate) passphrase_iterations: NonZeroU32,
    pub(crate) passphrase_verifier: Hex,
    /// The wallet password under the passphrase; `None` in a backup taken in HSM mode.
    pub(crate) passphrase_wrapped: Option<Hex>,
    pub(crate) backup_secret: Hex,
    pub(crate) master_key: Hex,
    pub(crate) tablespace_key: Hex,
    pub(crate) salt: Hex,
}

/// The file is no backup, or not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

impl From<Sealed> for Damaged {
    fn from(_: Sealed) -> Self {
        Self
    }
}

impl Header {
    pub(crate) fn is_hsm(&self) -> bool {
        self.blob.is_some()
    }

    pub(crate) fn recovery(&self) -> RecoveryRecord {
        RecoveryRecord {
            salt: self.passphrase_salt.0.clone(),
            iterations: self.passphrase_iterations,
            verifier: self.passphrase_verifier.0.clone(),
            wrapped: self.passphrase_wrapped.as_ref().map(|wrapped| wrapped.0.clone()),
        }
    }

    /// The secret that the passphrase of the time of the backup gives.
    pub(crate) fn secret(&self, passphrase: &Secret) -> Result<Secret, RecoveryError> {
        self.recovery().backup_secret(passphrase, &self.backup_secret.0)
    }

    /// The tablespace that the wallet's keys open.
    pub(crate) fn tablespace(&self, keys: &MasterKeys) -> Result<Tablespace, Damaged> {
        Ok(Tablespace::of_backup(keys, &self.master_key.0, &self.tablespace_key.0)?)
    }
}

/// A backup that was read, still encrypted.
pub(crate) struct Archive<'a> {
    pub(crate) header: Header,
    bound: &'a [u8],
    sealed: &'a [u8],
}

/// Makes the file.
pub(crate) fn write(
    header: &Header,
    tablespace: &Tablespace,
    secret: &Secret,
    database: &[u8],
) -> Result<Vec<u8>, Sealed> {
    let text = serde_json::to_vec(header).map_err(|_| Sealed)?;
    let length = u32::try_from(text.len()).map_err(|_| Sealed)?;
    let mut out = Vec::from(MAGIC);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&text);
    let key = tablespace.backup_key(secret, &header.salt.0)?;
    let sealed = seal::seal(&key, &out, database)?;
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Reads the file's header; what is encrypted stays so.
pub(crate) fn read(file: &[u8]) -> Result<Archive<'_>, Damaged> {
    let rest = file.strip_prefix(MAGIC).ok_or(Damaged)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(Damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Damaged)?;
    if length > LONGEST_HEADER {
        return Err(Damaged);
    }
    let (text, sealed) = rest.split_at_checked(length).ok_or(Damaged)?;
    let header = serde_json::from_slice(text).map_err(|_| Damaged)?;
    let bound = file.get(..MAGIC.len() + 4 + length).ok_or(Damaged)?;
    Ok(Archive { header, bound, sealed })
}

impl Archive<'_> {
    /// The database.
    pub(crate) fn open(
        &self,
        tablespace: &Tablespace,
        secret: &Secret,
    ) -> Result<Vec<u8>, Damaged> {
        let key = tablespace.backup_key(secret, &self.header.salt.0)?;
        Ok(seal::open(&key, self.bound, self.sealed)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tablespace;

    fn sample() -> (MasterKeys, Secret, Header) {
        let keys = MasterKeys::generate().unwrap();
        let (id, wrapped) = tablespace::create(&keys).unwrap();
        let secret = Secret::from("secret of backups");
        let (record, backup_secret) = RecoveryRecord::new(
            &"passphrase".into(),
            NonZeroU32::MIN,
            &"wallet password".into(),
            &secret,
        )
        .unwrap();
        let header = Header {
            release: "21.3".into(),
            release_rank: 210_300,
            server_id: "id".into(),
            taken_at: "2021-03-25T14:07:32Z".into(),
            wallet: Hex(vec![1, 2, 3]),
            blob: None,
            passphrase_salt: Hex(record.salt),
            passphrase_iterations: record.iterations,
            passphrase_verifier: Hex(record.verifier),
            passphrase_wrapped: record.wrapped.map(Hex),
            backup_secret: Hex(backup_secret),
            master_key: Hex(id),
            tablespace_key: Hex(wrapped),
            salt: Hex(vec![7; 32]),
        };
        (keys, secret, header)
    }

    #[test]
    fn a_backup_opens_with_wallet_and_passphrase_and_not_with_one_of_them() {
        let (keys, secret, header) = sample();
        let tablespace = header.tablespace(&keys).unwrap();
        let file = write(&header, &tablespace, &secret, b"the database").unwrap();
        let archive = read(&file).unwrap();
        assert!(!archive.header.is_hsm());
        let secret = archive.header.secret(&"passphrase".into()).unwrap();
        let tablespace = archive.header.tablespace(&keys).unwrap();
        assert_eq!(archive.open(&tablespace, &secret).unwrap(), b"the database");
        assert_eq!(archive.open(&tablespace, &"other secret".into()), Err(Damaged));
        assert_eq!(archive.header.secret(&"wrong".into()).err(), Some(RecoveryError::Wrong));
        let stranger = MasterKeys::generate().unwrap();
        assert!(archive.header.tablespace(&stranger).is_err());
    }

    #[test]
    fn damage_anywhere_is_noticed() {
        let (keys, secret, header) = sample();
        let file = write(&header, &header.tablespace(&keys).unwrap(), &secret, b"data").unwrap();
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            let opened = read(&damaged).and_then(|archive| {
                let secret = archive.header.secret(&"passphrase".into()).map_err(|_| Damaged)?;
                archive.open(&archive.header.tablespace(&keys)?, &secret)
            });
            assert_eq!(opened, Err(Damaged), "byte {at}");
            assert!(read(&file[..at]).is_err() || at > file.len() - 33, "cut at {at}");
        }
    }
}
