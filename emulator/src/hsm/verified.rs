//! PINs that were right in this process, so that the next login with one is spared the derivation.
//!
//! Deriving a key from a PIN takes most of a millisecond on purpose. Applications that log in for each
//! of their requests would spend their lives on it; a real HSM checks its PIN in no such time. What is
//! remembered is the partition's key, sealed under an HMAC of the PIN by a key that this partition drew
//! at random when it was opened: neither PIN nor partition's key lies in memory for it. It counts for
//! one record of the role alone, as the store has it now, so that a PIN changed by any process, a
//! locked role and a partition initialised anew are seen. A PIN that does not open it proves nothing:
//! it goes the long way, and is counted there.

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::ck::Role;
use crate::crypto::CryptoError;
use crate::crypto::hash::Hash;
use crate::crypto::hmac::HmacKey;
use crate::crypto::random;
use crate::crypto::seal::SealKey;
use crate::hsm::store::RoleRecord;
use crate::wire::Pin;

/// What is remembered of each role's PIN.
pub(super) struct Verified {
    by: HmacKey,
    roles: Mutex<[Option<Remembered>; Role::ALL.len()]>,
}

struct Remembered {
    version: u64,
    /// The key under the PIN's derivation: another with every change of the PIN, since its nonce is.
    wrapped_key: Vec<u8>,
    sealed: Vec<u8>,
}

impl Verified {
    /// Nothing yet.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(super) fn new() -> Result<Self, CryptoError> {
        let by = HmacKey::new(Hash::Sha256, &random::bytes(32)?)?;
        Ok(Self { by, roles: Mutex::default() })
    }

    /// The partition's key, where this PIN was right before for this very record.
    pub(super) fn recall(&self, role: Role, record: &RoleRecord, pin: &Pin) -> Option<SealKey> {
        let roles = self.roles.lock();
        let known = roles.get(usize::from(role.code()))?.as_ref()?;
        if known.version != record.version || known.wrapped_key != record.wrapped_key {
            return None;
        }
        let opened = self.under(pin)?.open(role.name().as_bytes(), &known.sealed).ok()?;
        Some(SealKey::new(Zeroizing::new(opened.as_slice().try_into().ok()?)))
    }

    /// Remembers a PIN that was right.
    pub(super) fn remember(&self, role: Role, record: &RoleRecord, pin: &Pin, key: &SealKey) {
        let sealed =
            self.under(pin).and_then(|by| by.seal(role.name().as_bytes(), key.expose()).ok());
        if let Some(place) = self.roles.lock().get_mut(usize::from(role.code())) {
            *place = sealed.map(|sealed| Remembered {
                version: record.version,
                wrapped_key: record.wrapped_key.clone(),
                sealed,
            });
        }
    }

    fn under(&self, pin: &Pin) -> Option<SealKey> {
        let mac = Zeroizing::new(self.by.sign(pin.as_bytes()).ok()?);
        Some(SealKey::new(Zeroizing::new(mac.as_slice().try_into().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(version: u64, wrapped_key: &[u8]) -> RoleRecord {
        RoleRecord {
            role: Role::CryptoOfficer.code(),
            salt: vec![1; 16],
            iterations: 1,
            wrapped_key: wrapped_key.to_vec(),
            failed: 0,
            must_change: false,
            version,
            locked: false,
        }
    }

    #[test]
    fn a_pin_is_recalled_for_its_own_record_alone() {
        let verified = Verified::new().unwrap();
        let (role, pin) = (Role::CryptoOfficer, Pin::new(b"right"));
        let (now, key) = (record(3, b"wrapped"), SealKey::new(Zeroizing::new([7; 32])));
        assert!(verified.recall(role, &now, &pin).is_none());
        verified.remember(role, &now, &pin, &key);
        assert_eq!(verified.recall(role, &now, &pin).unwrap().expose(), key.expose());
        assert!(verified.recall(role, &now, &Pin::new(b"wrong")).is_none());
        assert!(verified.recall(Role::CryptoUser, &now, &pin).is_none());
        assert!(verified.recall(role, &record(4, b"wrapped"), &pin).is_none());
        // A partition initialised anew counts its versions from 1 again.
        assert!(verified.recall(role, &record(3, b"another"), &pin).is_none());
    }

    #[test]
    fn neither_pin_nor_key_is_what_is_kept() {
        let verified = Verified::new().unwrap();
        let (pin, key) = (Pin::new(b"a long enough pin"), SealKey::new(Zeroizing::new([7; 32])));
        verified.remember(Role::CryptoOfficer, &record(1, b"wrapped"), &pin, &key);
        let roles = verified.roles.lock();
        let kept = &roles[usize::from(Role::CryptoOfficer.code())].as_ref().unwrap().sealed;
        assert!(!kept.windows(8).any(|bytes| bytes == [7; 8]));
        assert!(!kept.windows(pin.as_bytes().len()).any(|bytes| bytes == pin.as_bytes()));
    }
}
