//! The table of mechanisms, `data/mechanisms.toml`, and the parameters its rows name.

use luna_client::ck::*;
use luna_client::{Mechanism, MechanismType};
use serde::Deserialize;

use crate::check::{Finding, Outcome};
use crate::keys::Family;
use crate::stage::Stage;

static TABLE: &str = include_str!("../data/mechanisms.toml");

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Encryption.
    pub cipher: Vec<Use>,
    /// Signatures and MACs.
    pub sign: Vec<Use>,
    /// Digests.
    pub digest: Vec<Hash>,
    /// Secret keys.
    pub generate: Vec<Generation>,
    /// Wrapping.
    pub wrap: Vec<Wrapping>,
}

/// A use of a mechanism with a key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// `CKM_…`.
    pub name: String,
    /// The key's family.
    pub key: Family,
    /// Shape of the parameter.
    #[serde(default)]
    pub parameter: String,
    /// Bytes of a message that fits.
    pub data: usize,
    /// The message must be a multiple of so many bytes; 1 for any length.
    #[serde(default = "one")]
    pub block: usize,
    /// Another result each time.
    #[serde(default)]
    pub random: bool,
    /// Notices a changed ciphertext.
    #[serde(default)]
    pub authenticated: bool,
    /// No parts, or all output at the end.
    #[serde(default)]
    pub whole: bool,
    /// Bytes of the signature; 0 where it is not said.
    #[serde(default)]
    pub size: usize,
    /// Who computes the same elsewhere; empty for nobody.
    #[serde(default)]
    pub software: String,
}

/// A digest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hash {
    /// `CKM_…`.
    pub name: String,
    /// Shape of the parameter.
    #[serde(default)]
    pub parameter: String,
    /// Bytes of the digest.
    pub size: usize,
    /// As in [`Use`].
    #[serde(default)]
    pub software: String,
}

/// Generation of a secret key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// `CKM_…`.
    pub name: String,
    /// `CKK_…`.
    pub key: String,
    /// Bytes asked for; 0 where the key type has one length.
    pub len: CK_ULONG,
    /// A length there is not.
    pub wrong: Option<CK_ULONG>,
}

/// What wraps.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrapping {
    /// `CKM_…`.
    pub name: String,
    /// The wrapping key's family.
    pub key: Family,
    /// Shape of the parameter.
    #[serde(default)]
    pub parameter: String,
}

fn one() -> usize {
    1
}

impl Table {
    /// The table; empty where the file is wrong, which a test rules out.
    pub fn read() -> Self {
        let empty = || Self {
            cipher: vec![],
            sign: vec![],
            digest: vec![],
            generate: vec![],
            wrap: vec![],
        };
        toml::from_str(TABLE).unwrap_or_else(|_| empty())
    }
}

/// The number of a name, by a table of `luna_client::ck::names`.
pub fn number(table: &[(u64, &str)], name: &str) -> Option<u64> {
    let synonym = SYNONYMS.iter().find(|row| row.0 == name).map(|row| row.1);
    synonym.or_else(|| table.iter().find(|row| row.1 == name).map(|row| row.0))
}

/// Names of the standard for numbers that the tables have under an older one.
const SYNONYMS: &[(&str, u64)] = &[
    ("CKA_EC_PARAMS", CKA_EC_PARAMS),
    ("CKM_AES_CTS", CKM_AES_CTS),
    ("CKM_SHA512_224", CKM_SHA512_224),
    ("CKM_SHA512_256", CKM_SHA512_256),
];

/// The number of a mechanism's name; one that nobody lists where there is no such name.
pub fn ckm(name: &str) -> MechanismType {
    number(names::CKM, name).unwrap_or(CK_ULONG::MAX)
}

/// Bytes of a message, none like its neighbours.
pub fn message(len: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(len).map(|n| n.wrapping_mul(37).wrapping_add(11)).collect()
}

/// A message that fits the row: raw RSA wants a number below the modulus, X9.31 the trailer of a hash.
pub fn message_of(row: &Use) -> Vec<u8> {
    let mut message = message(row.data);
    match row.parameter.as_str() {
        "number256" => message.iter_mut().take(64).for_each(|byte| *byte = 0),
        "x931" => {
            message.truncate(row.data.saturating_sub(2));
            message.extend([0x34, 0xcc]);
        }
        _ => {}
    }
    message
}

/// Initialisation vector of the checks.
pub const IV: [u8; 16] = [7; 16];

/// The mechanism with a parameter of this shape. In FIPS mode a Luna makes the vector of GCM itself.
///
/// # Errors
/// Not applicable for a shape nobody knows.
pub fn with_parameter(stage: &Stage, kind: MechanismType, shape: &str) -> Outcome<Mechanism> {
    let numbers = |numbers: &[CK_ULONG], rest: &[u8]| {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|it| it.to_ne_bytes()).collect();
        bytes.extend_from_slice(rest);
        Mechanism::Bytes(kind, bytes)
    };
    let iv = |len: usize| IV.get(..len).unwrap_or(&IV).to_vec();
    let hash = |name: &str| match name {
        "sha1" => CKM_SHA_1,
        "sha224" => CKM_SHA224,
        "sha384" => CKM_SHA384,
        "sha512" => CKM_SHA512,
        "sha3-224" => CKM_SHA3_224,
        "sha3-256" => CKM_SHA3_256,
        "sha3-384" => CKM_SHA3_384,
        "sha3-512" => CKM_SHA3_512,
        _ => CKM_SHA256,
    };
    let unknown = Finding::not_applicable(format!("no parameter is called `{shape}`"));
    Ok(match shape {
        "" | "number256" | "x931" => Mechanism::Plain(kind),
        "iv8" => Mechanism::Bytes(kind, iv(8)),
        "iv12" => Mechanism::Bytes(kind, iv(12)),
        "iv16" => Mechanism::Bytes(kind, iv(16)),
        "ctr8" => numbers(&[32], &[3; 8]),
        "ctr16" if kind == CKM_AES_CTR => Mechanism::AesCtr { counter_bits: 32, block: [3; 16] },
        "ctr16" => numbers(&[32], &[3; 16]),
        "rc2" => numbers(&[64], &[]),
        "rc2-iv" => numbers(&[64], &iv(8)),
        "rc2-length3" => numbers(&[64, 3], &[]),
        "rc5" => numbers(&[4, 12], &[]),
        "rc5-iv" => Mechanism::Rc5Cbc { mechanism: kind, word_bytes: 4, rounds: 12, iv: iv(8) },
        "rc5-length3" => numbers(&[4, 12, 3], &[]),
        "gcm" if stage.fips()? => {
            Mechanism::AesGcm { iv: vec![], iv_bits: 0, aad: b"aad".to_vec(), tag_bits: 128 }
        }
        "gcm" => Mechanism::aes_gcm(&iv(12), b"aad", 128),
        _ => {
            if let Some(bytes) = shape.strip_prefix("length") {
                Mechanism::ulong(kind, bytes.parse().map_err(|_| unknown)?)
            } else if let Some(name) = shape.strip_prefix("oaep-") {
                Mechanism::rsa_oaep(hash(name)).ok_or(unknown)?
            } else if let Some(name) = shape.strip_prefix("pss-") {
                match Mechanism::rsa_pss(hash(name)).ok_or(unknown)? {
                    Mechanism::RsaPss { hash, mgf, salt_len, .. } => {
                        Mechanism::RsaPss { mechanism: kind, hash, mgf, salt_len }
                    }
                    other => other,
                }
            } else {
                return Err(unknown);
            }
        }
    })
}

/// How what was encrypted is decrypted: the vector that the HSM made comes off the end of the ciphertext.
/// Source: `ThalesGroup/luna-samples`, `CKM_AES_GCM_FIPS_demo.c` (sample).
pub fn to_decrypt(mechanism: &Mechanism, sealed: &[u8]) -> (Mechanism, Vec<u8>) {
    match mechanism {
        Mechanism::AesGcm { iv, aad, tag_bits, .. } if iv.is_empty() && sealed.len() >= 16 => {
            let (sealed, iv) = sealed.split_at(sealed.len() - 16);
            (Mechanism::aes_gcm(iv, aad, *tag_bits), sealed.to_vec())
        }
        other => (other.clone(), sealed.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_its_names_are_known() {
        let table: Table = toml::from_str(TABLE).unwrap();
        let rows = table.cipher.iter().chain(&table.sign).map(|row| &row.name);
        let others = table.digest.iter().map(|row| &row.name);
        let generated = table.generate.iter().map(|row| &row.name);
        for name in
            rows.chain(others).chain(generated).chain(table.wrap.iter().map(|row| &row.name))
        {
            assert_ne!(ckm(name), CK_ULONG::MAX, "{name}");
        }
        for row in &table.generate {
            assert!(number(names::CKK, &row.key).is_some(), "{}", row.key);
        }
    }
}
