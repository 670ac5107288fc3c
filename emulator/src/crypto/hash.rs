//! Message digests: which there are, and whole messages. Through aws-lc, and through `rust_crypto`
//! those it does not have.
#![allow(unsafe_code, reason = "aws-lc-rs offers neither MD5 nor SHA3-224 and panics on failure")]

pub(super) mod rust_crypto;

use super::CryptoError;
use aws_lc_sys as sys;

pub use super::running_digest::Digest;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// MD2, for legacy mechanisms only.
    Md2,
    /// MD5, for legacy mechanisms only.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-224.
    Sha3_224,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
    /// SM3 (GB/T 32905).
    Sm3,
    /// Keccak as it was submitted, before FIPS 202 changed its padding.
    Keccak224,
    /// As [`Hash::Keccak224`], longer.
    Keccak256,
    /// As [`Hash::Keccak224`], longer.
    Keccak384,
    /// As [`Hash::Keccak224`], longer.
    Keccak512,
}

/// RIPEMD-160, which names keys of BIP 32 and is no mechanism.
#[must_use]
pub fn ripemd160(data: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    // SAFETY: reads the data at its length and writes 20 bytes.
    unsafe { sys::RIPEMD160(data.as_ptr(), data.len(), out.as_mut_ptr()) };
    out
}

/// A function that gives as many bytes as are wanted (FIPS 202).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shake {
    /// SHAKE128.
    Shake128,
    /// SHAKE256.
    Shake256,
}

/// A hash, or a SHAKE and how many bytes it shall give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Its own length.
    Hash(Hash),
    /// So many bytes.
    Shake(Shake, usize),
}

impl From<Hash> for Function {
    fn from(hash: Hash) -> Self {
        Self::Hash(hash)
    }
}

impl Function {
    /// Length of the digest in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a digest may be empty, a function not")]
    pub const fn len(self) -> usize {
        match self {
            Self::Hash(hash) => hash.len(),
            Self::Shake(_, len) => len,
        }
    }

    /// aws-lc's description of the function: static, never null.
    pub(super) fn evp(self) -> Result<*const sys::EVP_MD, CryptoError> {
        match self {
            Self::Hash(hash) => hash.evp(),
            // SAFETY: takes nothing and returns a pointer to a static.
            Self::Shake(Shake::Shake128, _) => Ok(unsafe { sys::EVP_shake128() }),
            // SAFETY: as above.
            Self::Shake(Shake::Shake256, _) => Ok(unsafe { sys::EVP_shake256() }),
        }
    }
}

/// The longest digest of any [`enum@Hash`], in bytes.
pub const MAX_LEN: usize = 64;

impl Hash {
    /// Every hash served.
    pub const ALL: [Self; 16] = [
        Self::Md2,
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3_224,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
        Self::Sm3,
        Self::Keccak224,
        Self::Keccak256,
        Self::Keccak384,
        Self::Keccak512,
    ];

    /// Length of the digest in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no digest is empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Md2 | Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha3_224 | Self::Keccak224 => 28,
            Self::Sha256 | Self::Sha3_256 | Self::Keccak256 | Self::Sm3 => 32,
            Self::Sha384 | Self::Sha3_384 | Self::Keccak384 => 48,
            Self::Sha512 | Self::Sha3_512 | Self::Keccak512 => 64,
        }
    }

    /// Length of the block the function works in, in bytes; for SHA-3 its rate.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::Md2 => 16,
            Self::Md5 | Self::Sha1 | Self::Sha224 | Self::Sha256 | Self::Sm3 => 64,
            Self::Sha384 | Self::Sha512 => 128,
            Self::Sha3_224 | Self::Keccak224 => 144,
            Self::Sha3_256 | Self::Keccak256 => 136,
            Self::Sha3_384 | Self::Keccak384 => 104,
            Self::Sha3_512 | Self::Keccak512 => 72,
        }
    }

    /// The name as the standards write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md2 => "MD2",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha3_224 => "SHA3-224",
            Self::Sha3_256 => "SHA3-256",
            Self::Sha3_384 => "SHA3-384",
            Self::Sha3_512 => "SHA3-512",
            Self::Sm3 => "SM3",
            Self::Keccak224 => "Keccak-224",
            Self::Keccak256 => "Keccak-256",
            Self::Keccak384 => "Keccak-384",
            Self::Keccak512 => "Keccak-512",
        }
    }

    /// aws-lc's description of the function: static, never null.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Parameter`] for a function it does not have.
    pub(super) fn evp(self) -> Result<*const sys::EVP_MD, CryptoError> {
        // SAFETY: each takes nothing and returns a pointer to a static.
        unsafe {
            Ok(match self {
                Self::Md5 => sys::EVP_md5(),
                Self::Sha1 => sys::EVP_sha1(),
                Self::Sha224 => sys::EVP_sha224(),
                Self::Sha256 => sys::EVP_sha256(),
                Self::Sha384 => sys::EVP_sha384(),
                Self::Sha512 => sys::EVP_sha512(),
                Self::Sha3_224 => sys::EVP_sha3_224(),
                Self::Sha3_256 => sys::EVP_sha3_256(),
                Self::Sha3_384 => sys::EVP_sha3_384(),
                Self::Sha3_512 => sys::EVP_sha3_512(),
                Self::Md2
                | Self::Sm3
                | Self::Keccak224
                | Self::Keccak256
                | Self::Keccak384
                | Self::Keccak512 => return Err(CryptoError::Parameter),
            })
        }
    }

    /// aws-lc's number for the function.
    ///
    /// # Errors
    ///
    /// As [`Hash::evp`].
    pub(super) fn nid(self) -> Result<i32, CryptoError> {
        let evp = self.evp()?;
        // SAFETY: reads the static that `evp` returned.
        Ok(unsafe { sys::EVP_MD_type(evp) })
    }

    /// The one-shot function of aws-lc that needs no allocation, where there is one.
    fn direct(self) -> Option<unsafe extern "C" fn(*const u8, usize, *mut u8) -> *mut u8> {
        match self {
            Self::Sha1 => Some(sys::SHA1),
            Self::Sha224 => Some(sys::SHA224),
            Self::Sha256 => Some(sys::SHA256),
            Self::Sha384 => Some(sys::SHA384),
            Self::Sha512 => Some(sys::SHA512),
            _ => None,
        }
    }
}

/// The digest of `data`.
///
/// # Errors
///
/// [`CryptoError::Internal`] when aws-lc has no memory.
pub fn digest(function: impl Into<Function>, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let function = function.into();
    let mut out = vec![0; function.len()];
    digest_into(function, data, &mut out)?;
    Ok(out)
}

/// As [`digest`], into memory of exactly its length.
///
/// # Errors
///
/// [`CryptoError::Length`] for memory of another length, [`CryptoError::Internal`] when aws-lc has
/// no memory.
pub fn digest_into(
    function: impl Into<Function>,
    data: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let function = function.into();
    if out.len() != function.len() {
        return Err(CryptoError::Length);
    }
    if let Function::Hash(hash) = function
        && let Some(direct) = hash.direct()
    {
        // SAFETY: reads `data.len()` bytes and writes exactly `hash.len()`.
        unsafe { direct(data.as_ptr(), data.len(), out.as_mut_ptr()) };
        return Ok(());
    }
    let mut digest = Digest::new(function)?;
    digest.update(data);
    out.copy_from_slice(&digest.finish()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::vectors::cases;
    use super::*;

    fn by_name(name: &str) -> Hash {
        *Hash::ALL.iter().find(|hash| hash.name() == name).unwrap()
    }

    #[test]
    fn known_answers_in_one_go_and_byte_by_byte() {
        let mut seen = std::collections::BTreeSet::new();
        for case in cases(include_str!("vectors/digest.txt")) {
            let hash = by_name(case.text("hash"));
            let message = case.text("text").repeat(case.text("times").parse().unwrap());
            let expected = case.bytes("digest");
            assert_eq!(expected.len(), hash.len());
            assert_eq!(digest(hash, message.as_bytes()).unwrap(), expected, "{}", hash.name());
            let mut parts = Digest::new(hash).unwrap();
            message.as_bytes().chunks(7).for_each(|part| parts.update(part));
            assert_eq!(parts.finish().unwrap(), expected, "{} in parts", hash.name());
            seen.insert(hash);
        }
        assert_eq!(seen.len(), Hash::ALL.len(), "every hash has a case");
    }

    #[test]
    fn the_other_library_agrees() {
        let message: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for (ours, theirs) in [
            (Hash::Sha1, &ring::digest::SHA1_FOR_LEGACY_USE_ONLY),
            (Hash::Sha256, &ring::digest::SHA256),
            (Hash::Sha384, &ring::digest::SHA384),
            (Hash::Sha512, &ring::digest::SHA512),
        ] {
            for len in [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000] {
                let theirs = ring::digest::digest(theirs, &message[..len]);
                assert_eq!(digest(ours, &message[..len]).unwrap(), theirs.as_ref());
            }
        }
    }

    #[test]
    fn the_library_has_the_same_idea_of_the_lengths() {
        for hash in Hash::ALL {
            assert_ne!(hash.evp().is_ok(), rust_crypto::start(hash).is_some(), "by one library");
            let (len, block) = match hash.evp() {
                // SAFETY: reads a static.
                Ok(evp) => unsafe { (sys::EVP_MD_size(evp), sys::EVP_MD_block_size(evp)) },
                Err(_) => rust_crypto::lengths(hash).unwrap(),
            };
            assert_eq!((hash.len(), hash.block_len()), (len, block), "{}", hash.name());
            assert!(hash.len() <= MAX_LEN);
        }
    }
}
