//! What the vault asks of a token, call by call, and nothing of PKCS#11 beyond it.
//!
//! One value is one run of the real `hsmclient`: the library is loaded, used and unloaded again. The real
//! implementation ([`module`]) stands on `luna-client`; unit tests use one in memory, so that the answers no
//! healthy module gives can be given.

use std::fmt;
use std::path::Path;

use crate::blob::KeyNumber;
use crate::secret::Secret;
use crate::store::HsmDetails;

#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod module;

/// Label of the root key. Documented (18.5), Observed again on 21.10: "18.1" is the format, not the release.
pub const ROOT_KEY_LABEL: &str = "OKV 18.1 HSM Root Key";

/// Label of the data object with the key number. Documented (18.5).
pub const KEY_NUMBER_LABEL: &str = "OKV 18.1 HSM Key Number";

/// Length of the root key, bytes. The attribute is Observed, its value Assumed.
pub(crate) const ROOT_KEY_LEN: u64 = 32;

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenError {
    /// The module's answer; `None` when there was none.
    pub(crate) rv: Option<u64>,
    /// The call's name, or the loader's words.
    pub(crate) detail: String,
}

/// An object's handle, good for this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle(pub(crate) u64);

/// A key with the wanted label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) handle: Handle,
    /// `CKA_ID`, if it has one.
    pub(crate) id: Option<Vec<u8>>,
}

pub(crate) type Result<T> = std::result::Result<T, TokenError>;

/// What the objects of a server are called on its token: a release's matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) root_key: String,
    pub(crate) key_number: String,
}

/// Loads libraries.
pub(crate) trait Loader: Send {
    /// Loads and initialises the library, for objects of these labels.
    fn load(&self, path: &Path, labels: Labels) -> Result<Box<dyn Token>>;
}

/// A loaded library and, once connected, a session. Dropping it ends everything, without telling how.
pub(crate) trait Token {
    /// Chooses the slot, by label or the first, and opens a session that may write. `Ok(None)`: no such slot.
    fn connect(&mut self, label: Option<&str>) -> Result<Option<HsmDetails>>;

    /// Logs in as Crypto Officer.
    fn login(&mut self, credential: &Secret) -> Result<()>;

    /// All objects with the root key's label, whatever their class (Observed: OKV's search has none).
    fn root_keys(&mut self) -> Result<Vec<Found>>;

    /// The data objects that record this number.
    fn number_objects(&mut self, number: KeyNumber) -> Result<Vec<Handle>>;

    /// Generates the root key.
    fn generate(&mut self, number: KeyNumber) -> Result<Handle>;

    /// Records the number in a data object.
    fn record_number(&mut self, number: KeyNumber) -> Result<Handle>;

    /// Removes an object of this run's making.
    fn destroy(&mut self, object: Handle) -> Result<()>;

    /// AES-CBC-PAD.
    fn encrypt(&mut self, key: Handle, iv: &[u8; 16], plaintext: &Secret) -> Result<Vec<u8>>;

    /// AES-CBC-PAD.
    fn decrypt(&mut self, key: Handle, iv: &[u8; 16], ciphertext: &[u8]) -> Result<Secret>;

    /// Logs out, closes the session, finalises and unloads: all of it, whatever fails. The first failure.
    fn disconnect(self: Box<Self>) -> Result<()>;
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rv {
            Some(rv) => write!(f, "{}: {}", self.detail, crate::error::Rv(rv)),
            None => f.write_str(&self.detail),
        }
    }
}
