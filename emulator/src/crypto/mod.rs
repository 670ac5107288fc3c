//! Cryptography for the rest of the emulator: bytes in, bytes out.
//!
//! This is the only room that names a crypto crate. It knows no `CK_` name, no session and no
//! policy: what a mechanism permits (sizes, hashes, tag lengths, FIPS) is decided by whoever
//! calls, what can be computed is decided here. No primitive is our own.
//!
//! # Who serves what
//!
//! | file | served by | why |
//! |---|---|---|
//! | [`random`] | aws-lc | a generator for each thread that notices `fork`: 4 KiB 10 × faster than asking the operating system each time |
//! | [`kdf`] | ring, aws-lc | safe interface, level in speed; PBKDF2 over any hash is aws-lc's |
//! | [`seal`] | ring | safe AES-256-GCM with a 12-byte nonce is all the store asks for |
//! | [`hash`] | aws-lc, RustCrypto | SHA-224, SHA-3 and MD5 are not in ring; SHA-1 is 5 ×, SHA-256 of 64 bytes 1.7 × faster; MD2, SM3 and Keccak are in neither |
//! | [`hmac`] | aws-lc, RustCrypto | one keyed context for every hash of aws-lc, SM3 beside them; level with ring where ring has the hash |
//! | [`block`] | RustCrypto | DES, 3DES, RC2, RC4, RC5, CAST5, ARIA and SM4 with every mode of theirs; aws-lc has not all of them, and none in parts with such modes |
//! | [`aes`] | aws-lc | ring has no CBC, CTR, ECB, key wrap, AES-192, other IV or tag sizes |
//! | [`aes::xts`] | RustCrypto, xts-mode | aws-lc has XTS with keys of 256 bits only |
//! | [`cmac`] | aws-lc | not in ring |
//! | [`rsa`] | aws-lc | ring cannot generate, decrypt, sign a given digest or do the raw operation |
//! | [`ec`] | aws-lc | ring cannot sign a given digest, import for ECDH, or do P-224, P-521, secp256k1, brainpool |
//! | [`dsa`], [`dh`], [`group`] | aws-lc | not in ring |
//! | [`curve25519`] | aws-lc | ring has no Ed25519 with a context and no X25519 with a stored key |
//! | [`lattice`] | aws-lc, ml-dsa | not in ring; ml-dsa has the deterministic signatures aws-lc has no function for |
//! | [`milenage`] | milenage | over RustCrypto's AES; neither in ring nor in aws-lc |
//! | [`sm2`] | RustCrypto | neither in ring nor in aws-lc |
//! | [`pkcs8`] | aws-lc | the parser and writer belong to the keys |
//!
//! # Keys
//!
//! A key is parsed once and kept: parsing an RSA key costs more than its signature. Every key
//! type is `Send + Sync` and is meant to stand behind an `Arc`; no operation takes `&mut` of a
//! key. What holds a secret is wiped when dropped: Rust buffers by `zeroize`, aws-lc's own
//! memory by its `OPENSSL_free`, which wipes before it frees.
//!
//! # In somebody else's process
//!
//! Nothing here registers an `atexit` handler, starts a thread or opens a file. aws-lc does keep
//! a generator per thread (used for RSA and EC key generation, ECDSA nonces, RSA blinding and
//! PSS salts); it notices `fork` by a page the kernel clears in the child. Its first draw in a
//! process measures the jitter of the CPU for some 30 ms unless aws-lc was built with
//! `AWS_LC_SYS_NO_JITTER_ENTROPY=1` (then 0.1 ms, seeded by the kernel alone). It also has a
//! destructor function of the shared library and a thread-specific key, so the module must stay
//! mapped once loaded (linked with `-z nodelete`).
//!
//! # Errors
//!
//! [`CryptoError`] says what kind of thing was wrong and never why in detail: the mechanism that
//! asked gives it a meaning (bad signature, bad padding), and nobody learns more from it than
//! the caller should.

pub mod aes;
pub mod block;
pub mod cmac;
pub mod curve25519;
mod der;
pub mod dh;
pub mod dsa;
pub mod ec;
mod foreign;
pub mod group;
pub mod hash;
pub mod hmac;
pub mod kdf;
pub mod lattice;
pub mod milenage;
pub mod pkcs8;
pub mod random;
pub mod rsa;
mod running_digest;
pub mod seal;
pub mod sm2;
#[cfg(test)]
pub(crate) mod vectors;

/// Why an operation gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// A signature, tag or padding did not verify.
    #[error("verification or decryption failed")]
    Failed,
    /// The input is too long, too short, or not a multiple of what it has to be.
    #[error("input length wrong")]
    Length,
    /// The key material is not a key of this kind, or its parts do not fit together.
    #[error("key material unusable")]
    Key,
    /// A parameter other than the input is outside what can be served.
    #[error("parameter not served")]
    Parameter,
    /// The library below failed for a reason outside the caller's control.
    #[error("internal failure")]
    Internal,
}

#[cfg(test)]
mod tests {
    fn shareable<T: Send + Sync>() {}

    #[test]
    fn every_key_can_be_shared_between_threads() {
        shareable::<super::aes::AesKey>();
        shareable::<super::block::BlockKey>();
        shareable::<super::cmac::CmacKey>();
        shareable::<super::hmac::HmacKey>();
        shareable::<super::rsa::RsaPrivateKey>();
        shareable::<super::rsa::RsaPublicKey>();
        shareable::<super::ec::EcPrivateKey>();
        shareable::<super::ec::EcPublicKey>();
        shareable::<super::curve25519::Ed25519PrivateKey>();
        shareable::<super::curve25519::X25519PrivateKey>();
        shareable::<super::lattice::LatticePrivateKey>();
        shareable::<super::lattice::LatticePublicKey>();
        shareable::<super::seal::SealKey>();
    }

    fn movable<T: Send>() {}

    #[test]
    fn every_running_operation_can_move_to_another_thread() {
        movable::<super::hash::Digest>();
        movable::<super::hmac::HmacStream>();
        movable::<super::aes::CtrState>();
        movable::<super::block::Cmac>();
        movable::<Box<dyn super::block::KeyStream>>();
    }
}
