//! The same computed by other hands: `aws-lc-rs`.
//!
//! Names are those of the column `software` in `data/mechanisms.toml`. What is asked for a name nobody computes is
//! `None`, and a test holds the table to the names there are.

use aws_lc_rs::cipher::{
    AES_256, EncryptingKey, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::key_wrap::{AES_256 as WRAP_256, AesKek, KeyWrap as _, KeyWrapPadded as _};
use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use aws_lc_rs::{aead, cmac, digest, hmac, iv};

use crate::mechanism::IV;

/// Names of what is computed by [`encrypt`].
pub const CIPHERS: &[&str] =
    &["aes-ecb", "aes-cbc", "aes-cbc-pad", "aes-cfb128", "aes-ctr", "aes-gcm", "aes-kw", "aes-kwp"];

/// Names of what is computed by [`mac`].
pub const MACS: &[&str] =
    &["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512", "aes-cmac"];

/// Names of what is checked by [`verifies`].
pub const SIGNATURES: &[&str] = &[
    "rsa-pkcs1-sha256",
    "rsa-pkcs1-sha384",
    "rsa-pkcs1-sha512",
    "rsa-pss-sha256",
    "rsa-pss-sha384",
    "rsa-pss-sha512",
    "ecdsa-p256-sha256",
    "ed25519",
];

/// Names of what is computed by [`hash`].
pub const HASHES: &[&str] = &[
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sha512-256",
    "sha3-256",
    "sha3-384",
    "sha3-512",
];

/// A digest.
pub fn hash(name: &str, data: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match name {
        "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => &digest::SHA224,
        "sha256" => &digest::SHA256,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        "sha512-256" => &digest::SHA512_256,
        "sha3-256" => &digest::SHA3_256,
        "sha3-384" => &digest::SHA3_384,
        "sha3-512" => &digest::SHA3_512,
        _ => return None,
    };
    Some(digest::digest(algorithm, data).as_ref().to_vec())
}

/// A MAC, whole.
pub fn mac(name: &str, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match name {
        "hmac-sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "hmac-sha224" => hmac::HMAC_SHA224,
        "hmac-sha256" => hmac::HMAC_SHA256,
        "hmac-sha384" => hmac::HMAC_SHA384,
        "hmac-sha512" => hmac::HMAC_SHA512,
        "aes-cmac" => {
            let key = cmac::Key::new(cmac::AES_256, key).ok()?;
            return Some(cmac::sign(&key, data).ok()?.as_ref().to_vec());
        }
        _ => return None,
    };
    Some(hmac::sign(&hmac::Key::new(algorithm, key), data).as_ref().to_vec())
}

/// A ciphertext under a key of AES-256 with the parameters the checks use.
pub fn encrypt(name: &str, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let unbound = || UnboundCipherKey::new(&AES_256, key).ok();
    let vector = |bytes: [u8; 16]| EncryptionContext::Iv128(iv::FixedLength::from(bytes));
    let mut text = data.to_vec();
    let (cipher, context) = match name {
        "aes-ecb" => (EncryptingKey::ecb(unbound()?).ok()?, EncryptionContext::None),
        "aes-cbc" => (EncryptingKey::cbc(unbound()?).ok()?, vector(IV)),
        "aes-cfb128" => (EncryptingKey::cfb128(unbound()?).ok()?, vector(IV)),
        "aes-ctr" => (EncryptingKey::ctr(unbound()?).ok()?, vector([3; 16])),
        "aes-cbc-pad" => {
            let key = PaddedBlockEncryptingKey::cbc_pkcs7(unbound()?).ok()?;
            key.less_safe_encrypt(&mut text, vector(IV)).ok()?;
            return Some(text);
        }
        "aes-gcm" => {
            let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).ok()?);
            let nonce = aead::Nonce::try_assume_unique_for_key(IV.get(..12)?).ok()?;
            key.seal_in_place_append_tag(nonce, aead::Aad::from(b"aad"), &mut text).ok()?;
            return Some(text);
        }
        "aes-kw" => {
            let mut room = vec![0; data.len() + 8];
            let key = AesKek::new(&WRAP_256, key).ok()?;
            return Some(key.wrap(data, &mut room).ok()?.to_vec());
        }
        "aes-kwp" => {
            let mut room = vec![0; data.len() + 16];
            let key = AesKek::new(&WRAP_256, key).ok()?;
            return Some(key.wrap_with_padding(data, &mut room).ok()?.to_vec());
        }
        _ => return None,
    };
    cipher.less_safe_encrypt(&mut text, context).ok()?;
    Some(text)
}

/// The public half of a pair, as its attributes tell it.
#[derive(Debug, Clone)]
pub enum Public {
    /// Modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// A point without its wrapping.
    Point(Vec<u8>),
}

/// Whether the signature is good.
pub fn verifies(name: &str, public: &Public, data: &[u8], made: &[u8]) -> Option<bool> {
    let rsa = |how: &'static signature::RsaParameters| match public {
        Public::Rsa(n, e) => Some(RsaPublicKeyComponents { n, e }.verify(how, data, made).is_ok()),
        Public::Point(_) => None,
    };
    let point = |how: &'static dyn signature::VerificationAlgorithm| match public {
        Public::Point(point) => Some(UnparsedPublicKey::new(how, point).verify(data, made).is_ok()),
        Public::Rsa(..) => None,
    };
    match name {
        "rsa-pkcs1-sha256" => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        "rsa-pkcs1-sha384" => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        "rsa-pkcs1-sha512" => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        "rsa-pss-sha256" => rsa(&signature::RSA_PSS_2048_8192_SHA256),
        "rsa-pss-sha384" => rsa(&signature::RSA_PSS_2048_8192_SHA384),
        "rsa-pss-sha512" => rsa(&signature::RSA_PSS_2048_8192_SHA512),
        "ecdsa-p256-sha256" => point(&signature::ECDSA_P256_SHA256_FIXED),
        "ed25519" => point(&signature::ED25519),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::Table;

    #[test]
    fn what_the_table_names_is_computed() {
        let key: Vec<u8> = (0..32).collect();
        for name in CIPHERS {
            assert!(encrypt(name, &key, &[1; 96]).is_some(), "{name}");
        }
        assert!(MACS.iter().all(|name| mac(name, &key, b"data").is_some()));
        assert!(HASHES.iter().all(|name| hash(name, b"data").is_some()));
        let table = Table::read();
        for row in &table.cipher {
            assert!(row.software.is_empty() || CIPHERS.contains(&row.software.as_str()), "{row:?}");
        }
        for row in &table.sign {
            let known = [MACS, SIGNATURES].concat();
            assert!(row.software.is_empty() || known.contains(&row.software.as_str()), "{row:?}");
        }
        for row in &table.digest {
            assert!(row.software.is_empty() || HASHES.contains(&row.software.as_str()), "{row:?}");
        }
    }
}
