//! What the worker is told: where things are, and the secrets of the run.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::scenario::Origin;
use crate::instance::Instance;
use crate::search::{Needle, Search};
use crate::step::{Course, Target};

/// An endpoint's object.
#[derive(Clone, Serialize, Deserialize)]
pub struct Object {
    /// Its name in the vault.
    pub name: String,
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// All the worker needs. Not printed: it holds secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// What is looked at.
    pub target: Target,
    /// The module.
    pub module: PathBuf,
    /// The token's label.
    pub token_label: String,
    /// The Crypto Officer's password.
    pub pin: Zeroizing<String>,
    /// What it is changed to, where a scenario changes it.
    pub other_pin: Zeroizing<String>,
    /// The first server's recovery passphrase; those of the others begin with it.
    pub passphrase: Zeroizing<String>,
    /// The scenario.
    pub origin: Origin,
    /// The first server's data directory.
    pub data: PathBuf,
    /// Names of the other servers.
    pub servers: Vec<String>,
    /// Where the other servers and all else of the scenario is.
    pub others: PathBuf,
    /// Directories that are searched for secrets.
    pub searched: Vec<PathBuf>,
    /// `lunacm`.
    pub lunacm: PathBuf,
    /// The emulator, when one was made.
    pub instance: Option<Instance>,
    /// What endpoints store.
    pub objects: Vec<Object>,
    /// Objects on the token before Initialize, as an earlier worker counted them.
    pub objects_before: Option<usize>,
    /// Steps that have ended already, under another worker.
    pub course: Course,
}

/// Names and lengths of what endpoints store: a small database server's worth. Sizes in bytes are Assumed, after
/// the object types Oracle's administrator's guide names.
const ENDPOINTS: [(&str, usize); 8] = [
    ("TDE master key of the CDB root", 32),
    ("TDE master key of a PDB", 32),
    ("TDE master key of the CDB root, rotated", 32),
    ("MySQL keyring key", 32),
    ("database password", 24),
    ("SSH private key", 1_766),
    ("Java keystore", 2_390),
    ("uploaded Oracle wallet", 4_112),
];

impl Assignment {
    /// The search for every secret of the run that is known: what endpoints store, the Crypto Officer's password
    /// and the recovery passphrase. Root key and wallet password are known to nobody outside the token and vault.
    ///
    /// # Errors
    /// Those of [`Search::new`].
    pub fn search(&self) -> Result<Search> {
        let mut needles = vec![
            Needle { name: "the Crypto Officer's password", bytes: self.pin.as_bytes() },
            Needle {
                name: "the Crypto Officer's other password",
                bytes: self.other_pin.as_bytes(),
            },
            Needle { name: "the recovery passphrase", bytes: self.passphrase.as_bytes() },
        ];
        let objects =
            self.objects.iter().map(|it| Needle { name: &it.name, bytes: it.bytes.as_slice() });
        needles.extend(objects);
        Search::new(&needles)
    }
}

/// Random contents for each of the endpoints' objects.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn objects() -> Result<Vec<Object>> {
    let object = |(name, len): (&str, usize)| {
        let mut bytes = Zeroizing::new(vec![0; len]);
        random(&mut bytes)?;
        Ok(Object { name: name.into(), bytes })
    };
    ENDPOINTS.into_iter().map(object).collect()
}

/// A random password of 24 letters and digits, about 120 bits.
///
/// # Errors
/// As [`objects`].
pub fn password() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; 15]);
    random(bytes.as_mut_slice())?;
    Ok(Zeroizing::new(data_encoding::BASE32_NOPAD.encode(bytes.as_slice())))
}

fn random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new().fill(bytes).ok().context("the operating system gives no random bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_its_own_secrets() {
        assert_ne!(password().unwrap().as_str(), password().unwrap().as_str());
        let (one, other) = (objects().unwrap(), objects().unwrap());
        assert_eq!(one.len(), ENDPOINTS.len());
        assert!(one.iter().zip(&other).all(|(one, other)| one.bytes != other.bytes));
        assert!(one.iter().all(|object| object.bytes.len() >= crate::search::SHORTEST));
    }
}
