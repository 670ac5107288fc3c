//! The password wallet: TDE master keys in a file that opens with the wallet password only.
//!
//! ```text
//! magic (8) || salt (32) || check (32) || nonce (12) || ciphertext || tag (16)
//! ```
//!
//! `check` tells a wrong password from a damaged file: it is derived from the password as the file's key is,
//! for another purpose. The password is 32 random bytes, so no stretching is needed. The plaintext is a list of
//! `id (16) || key (32)`; the last one is current.
//!
//! The real wallet is PKCS#12 made by Oracle's tool; nothing outside this crate reads ours.

use zeroize::{Zeroize as _, Zeroizing};

use crate::seal::{self, Key, Sealed};
use crate::secret::Secret;

const MAGIC: &[u8; 8] = b"OKVWLT\x01\n";
const SALT: usize = 32;
const CHECK: usize = 32;
const HEADER: usize = MAGIC.len() + SALT + CHECK;
const ENTRY: usize = 16 + 32;

/// Length of a wallet password, bytes.
pub(crate) const PASSWORD_LEN: usize = 32;

/// Why a wallet did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalletError {
    /// Not a wallet, cut short, or changed since it was written.
    Damaged,
    /// A wallet, but of another password.
    WrongPassword,
    /// The operating system gave no randomness.
    NoRandomness,
}

/// The TDE master keys, opened. Lives in memory only.
#[derive(Clone)]
pub(crate) struct MasterKeys(Vec<([u8; 16], Key)>);

impl MasterKeys {
    /// One new master key.
    pub(crate) fn generate() -> Result<Self, Sealed> {
        Ok(Self(vec![(seal::random()?, seal::random_key()?)]))
    }

    /// The key new tablespace keys are put under, with its id.
    pub(crate) fn current(&self) -> Option<(&[u8; 16], &Key)> {
        self.0.last().map(|(id, key)| (id, key))
    }

    /// The key of this id.
    pub(crate) fn by_id(&self, wanted: &[u8]) -> Option<&Key> {
        self.0.iter().find(|(id, _)| id == wanted).map(|(_, key)| key)
    }
}

/// A new wallet password.
pub(crate) fn new_password() -> Result<Secret, Sealed> {
    let mut bytes = seal::random::<PASSWORD_LEN>()?;
    let password = Secret::new(bytes.to_vec());
    bytes.zeroize();
    Ok(password)
}

/// The file's content.
pub(crate) fn write(password: &Secret, keys: &MasterKeys) -> Result<Vec<u8>, Sealed> {
    let mut plaintext = Zeroizing::new(Vec::with_capacity(keys.0.len() * ENTRY));
    for (id, key) in &keys.0 {
        plaintext.extend_from_slice(id);
        plaintext.extend_from_slice(key.as_slice());
    }
    let salt: [u8; SALT] = seal::random()?;
    let mut out = Vec::from(MAGIC);
    out.extend_from_slice(&salt);
    out.extend_from_slice(seal::derive(password.expose(), &salt, "wallet check")?.as_slice());
    let key = seal::derive(password.expose(), &salt, "wallet")?;
    let sealed = seal::seal(&key, &out, &plaintext)?;
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Opens a file's content with the password.
///
/// # Errors
/// [`WalletError::WrongPassword`] is told from [`WalletError::Damaged`] wherever the file allows it: damage to
/// salt or check looks like a wrong password.
pub(crate) fn open(password: &Secret, file: &[u8]) -> Result<MasterKeys, WalletError> {
    let (header, sealed) = file.split_at_checked(HEADER).ok_or(WalletError::Damaged)?;
    let rest = header.strip_prefix(MAGIC).ok_or(WalletError::Damaged)?;
    let (salt, check) = rest.split_at_checked(SALT).ok_or(WalletError::Damaged)?;
    let no_randomness = |_| WalletError::NoRandomness;
    let expected = seal::derive(password.expose(), salt, "wallet check").map_err(no_randomness)?;
    if !seal::same(expected.as_slice(), check) {
        return Err(WalletError::WrongPassword);
    }
    let key = seal::derive(password.expose(), salt, "wallet").map_err(no_randomness)?;
    let plaintext = seal::open(&key, header, sealed).map_err(|_| WalletError::Damaged)?;
    let mut keys = Vec::new();
    for entry in plaintext.chunks(ENTRY) {
        let (id, key) = entry.split_at_checked(16).ok_or(WalletError::Damaged)?;
        let id = id.try_into().map_err(|_| WalletError::Damaged)?;
        keys.push((id, seal::to_key(key).map_err(|_| WalletError::Damaged)?));
    }
    Ok(MasterKeys(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_opens_with_its_password_only() {
        let (password, other) = (new_password().unwrap(), new_password().unwrap());
        let keys = MasterKeys::generate().unwrap();
        let file = write(&password, &keys).unwrap();
        let opened = open(&password, &file).unwrap();
        let (id, key) = keys.current().unwrap();
        assert_eq!(opened.by_id(id), Some(key));
        assert_eq!(open(&other, &file).err(), Some(WalletError::WrongPassword));
    }

    #[test]
    fn damage_anywhere_is_noticed() {
        let password = new_password().unwrap();
        let file = write(&password, &MasterKeys::generate().unwrap()).unwrap();
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x80;
            let error = open(&password, &damaged).err().unwrap();
            let salt_or_check = (MAGIC.len()..HEADER).contains(&at);
            assert_eq!(error == WalletError::WrongPassword, salt_or_check, "byte {at}");
            assert!(open(&password, &file[..at]).is_err(), "cut at {at}");
        }
    }
}
