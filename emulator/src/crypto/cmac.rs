//! AES-CMAC (NIST SP 800-38B), through aws-lc's safe interface.

use super::CryptoError;
use super::hmac::same;
use aws_lc_rs::cmac;
use std::fmt;

/// Length of a whole CMAC in bytes.
pub const LEN: usize = 16;

/// An AES-CMAC key, parsed once.
pub struct CmacKey(cmac::Key);

impl CmacKey {
    /// A key of 16, 24 or 32 bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for any other length.
    pub fn new(key: &[u8]) -> Result<Self, CryptoError> {
        let algorithm = match key.len() {
            16 => cmac::AES_128,
            24 => cmac::AES_192,
            32 => cmac::AES_256,
            _ => return Err(CryptoError::Key),
        };
        cmac::Key::new(algorithm, key).map(Self).map_err(|_| CryptoError::Internal)
    }

    /// The CMAC of `data`, 16 bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut stream = self.stream();
        stream.update(data)?;
        stream.finish()
    }

    /// Begins a CMAC in parts.
    #[must_use]
    pub fn stream(&self) -> CmacStream {
        CmacStream(cmac::Context::with_key(&self.0))
    }

    /// Checks a CMAC cut to `mac.len()` bytes, in constant time.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] when `mac` is empty or longer than 16 bytes,
    /// [`CryptoError::Failed`] when it is not the CMAC of `data`.
    pub fn verify(&self, data: &[u8], mac: &[u8]) -> Result<(), CryptoError> {
        let expected = self.sign(data)?;
        match expected.get(..mac.len()) {
            Some(beginning) if !mac.is_empty() => {
                if same(beginning, mac) {
                    Ok(())
                } else {
                    Err(CryptoError::Failed)
                }
            }
            _ => Err(CryptoError::Length),
        }
    }
}

impl fmt::Debug for CmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CmacKey(..)")
    }
}

/// A CMAC in parts.
pub struct CmacStream(cmac::Context);

impl CmacStream {
    /// Adds the next bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn update(&mut self, data: &[u8]) -> Result<(), CryptoError> {
        self.0.update(data).map_err(|_| CryptoError::Internal)
    }

    /// The CMAC of everything added, 16 bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`]; not known to happen.
    pub fn finish(self) -> Result<Vec<u8>, CryptoError> {
        self.0.sign().map(|tag| tag.as_ref().to_vec()).map_err(|_| CryptoError::Internal)
    }
}

impl fmt::Debug for CmacStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CmacStream(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::cases;
    use super::*;

    #[test]
    fn known_answers_in_one_go_and_in_parts() {
        for case in cases(include_str!("vectors/cmac.txt")) {
            let key = CmacKey::new(&case.bytes("key")).unwrap();
            let data = case.bytes("data");
            assert_eq!(key.sign(&data).unwrap(), case.bytes("mac"));
            let mut stream = key.stream();
            data.chunks(5).for_each(|part| stream.update(part).unwrap());
            assert_eq!(stream.finish().unwrap(), case.bytes("mac"));
        }
    }

    #[test]
    fn wrong_macs_and_wrong_keys_are_refused() {
        let key = CmacKey::new(&[1; 24]).unwrap();
        let mac = key.sign(b"data").unwrap();
        assert_eq!(mac.len(), LEN);
        assert_eq!(key.verify(b"data", &mac[..8]), Ok(()));
        assert_eq!(key.verify(b"date", &mac), Err(CryptoError::Failed));
        assert_eq!(key.verify(b"data", &[]), Err(CryptoError::Length));
        assert_eq!(key.verify(b"data", &[0; 17]), Err(CryptoError::Length));
        assert_eq!(CmacKey::new(&[1; 20]).unwrap_err(), CryptoError::Key);
    }
}
