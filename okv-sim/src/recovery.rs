//! The recovery passphrase: what proves it, and the wallet password under it while no HSM is enabled.
//!
//! PBKDF2-HMAC-SHA-512 gives two keys: one seals the wallet password (AES-256-GCM), of the other a digest is
//! kept to check the passphrase. Enabling the HSM drops the sealed password and keeps the digest: from then on
//! the passphrase proves who administers, and opens nothing. Source: the summaries of the Root of Trust guide
//! 18.2 and 18.3, chapter 2 (Documented that enabling replaces this path); the construction is Assumed.

use std::num::NonZeroU32;

use crate::seal::{self, Sealed};
use crate::secret::Secret;

/// Shortest passphrase accepted, bytes. Assumed.
pub(crate) const SHORTEST: usize = 8;

const BELONGS_TO: &[u8] = b"OKV wallet password under the recovery passphrase";
const SECRET_BELONGS_TO: &[u8] = b"OKV backup secret under the recovery passphrase";

/// What the store keeps about the passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecoveryRecord {
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: NonZeroU32,
    pub(crate) verifier: Vec<u8>,
    /// The wallet password, sealed; `None` while an HSM is enabled.
    pub(crate) wrapped: Option<Vec<u8>>,
}

/// What a right passphrase gives.
pub(crate) enum Unlocked {
    /// No HSM enabled: the wallet password.
    Password(Secret),
    /// An HSM is enabled: nothing but the proof.
    Proven,
}

/// Why it gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecoveryError {
    Wrong,
    /// The passphrase is right, the sealed password damaged.
    Damaged,
}

impl RecoveryRecord {
    /// Seals the wallet password under a passphrase, and the secret of backups with it.
    pub(crate) fn new(
        passphrase: &Secret,
        iterations: NonZeroU32,
        password: &Secret,
        backup_secret: &Secret,
    ) -> Result<(Self, Vec<u8>), Sealed> {
        let salt = seal::random::<16>()?.to_vec();
        Self::with_salt(passphrase, salt, iterations, Some(password), backup_secret)
    }

    /// The same with a salt that is given, as all nodes of a cluster have the same; without a password while an HSM
    /// is enabled.
    pub(crate) fn with_salt(
        passphrase: &Secret,
        salt: Vec<u8>,
        iterations: NonZeroU32,
        password: Option<&Secret>,
        backup_secret: &Secret,
    ) -> Result<(Self, Vec<u8>), Sealed> {
        let (wrap, verify) = seal::stretch(passphrase.expose(), &salt, iterations);
        let verifier = seal::sha256(verify.as_slice()).to_vec();
        let wrapped = password
            .map(|password| seal::seal(&wrap, BELONGS_TO, password.expose()))
            .transpose()?;
        let secret = seal::seal(&wrap, SECRET_BELONGS_TO, backup_secret.expose())?;
        Ok((Self { salt, iterations, verifier, wrapped }, secret))
    }

    /// The secret of backups, as [`RecoveryRecord::new`] wrapped it.
    pub(crate) fn backup_secret(
        &self,
        passphrase: &Secret,
        wrapped: &[u8],
    ) -> Result<Secret, RecoveryError> {
        let (wrap, verify) = seal::stretch(passphrase.expose(), &self.salt, self.iterations);
        if !seal::same(&seal::sha256(verify.as_slice()), &self.verifier) {
            return Err(RecoveryError::Wrong);
        }
        let secret = seal::open(&wrap, SECRET_BELONGS_TO, wrapped);
        Ok(Secret::new(secret.map_err(|_| RecoveryError::Damaged)?.to_vec()))
    }

    /// What somebody who knows the passphrase, and salt and iterations, answers to a challenge.
    pub(crate) fn proof(
        passphrase: &Secret,
        salt: &[u8],
        iterations: NonZeroU32,
        challenge: &[u8],
    ) -> Vec<u8> {
        let (_, verify) = seal::stretch(passphrase.expose(), salt, iterations);
        seal::blind(&seal::sha256(verify.as_slice()).into(), challenge)
    }

    /// Whether it is the answer.
    pub(crate) fn is_proof(&self, challenge: &[u8], proof: &[u8]) -> bool {
        let Ok(verifier) = seal::to_key(&self.verifier) else { return false };
        seal::same(&seal::blind(&verifier, challenge), proof)
    }

    /// Checks a passphrase, and opens what is still sealed under it.
    pub(crate) fn unlock(&self, passphrase: &Secret) -> Result<Unlocked, RecoveryError> {
        let (wrap, verify) = seal::stretch(passphrase.expose(), &self.salt, self.iterations);
        if !seal::same(&seal::sha256(verify.as_slice()), &self.verifier) {
            return Err(RecoveryError::Wrong);
        }
        let Some(wrapped) = &self.wrapped else { return Ok(Unlocked::Proven) };
        let password =
            seal::open(&wrap, BELONGS_TO, wrapped).map_err(|_| RecoveryError::Damaged)?;
        Ok(Unlocked::Password(Secret::new(password.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passphrase_opens_and_once_the_hsm_is_enabled_only_proves() {
        let password = Secret::from("wallet password");
        let secret = Secret::from("secret of backups");
        let (mut record, wrapped) =
            RecoveryRecord::new(&"right one".into(), NonZeroU32::MIN, &password, &secret).unwrap();
        let opened = record.backup_secret(&"right one".into(), &wrapped).unwrap();
        assert_eq!(opened.expose(), secret.expose());
        let wrong = record.backup_secret(&"wrong one".into(), &wrapped);
        assert_eq!(wrong.err(), Some(RecoveryError::Wrong));
        assert_eq!(record.unlock(&"wrong one".into()).err(), Some(RecoveryError::Wrong));
        let Ok(Unlocked::Password(opened)) = record.unlock(&"right one".into()) else { panic!() };
        assert_eq!(opened.expose(), password.expose());

        let prove = |word: &str| {
            RecoveryRecord::proof(&word.into(), &record.salt, record.iterations, b"challenge")
        };
        assert!(record.is_proof(b"challenge", &prove("right one")));
        assert!(!record.is_proof(b"challenge", &prove("wrong one")));
        assert!(!record.is_proof(b"another", &prove("right one")));

        let mut damaged = record.clone();
        damaged.wrapped.as_mut().unwrap()[20] ^= 1;
        assert_eq!(damaged.unlock(&"right one".into()).err(), Some(RecoveryError::Damaged));

        record.wrapped = None;
        assert!(matches!(record.unlock(&"right one".into()), Ok(Unlocked::Proven)));
        assert_eq!(record.unlock(&"wrong one".into()).err(), Some(RecoveryError::Wrong));
    }
}
