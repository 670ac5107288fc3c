//! Known answers: published vectors, one row of `data/known_answers.toml` each.

use data_encoding::HEXLOWER_PERMISSIVE;
use luna_client::ck::*;
use luna_client::{Attribute, Mechanism};
use serde::Deserialize;

use crate::check::{Finding, Needs, Outcome, Registry, Source, same};
use crate::mechanism::{ckm, number};
use crate::stage::Stage;

const FILE: &str = include_str!("../../data/known_answers.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    answer: Vec<Answer>,
}

/// One answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// What follows the mechanism in the id.
    id: String,
    /// `CKM_…`.
    mechanism: String,
    /// `encrypt`, `sign`, `digest`.
    purpose: String,
    /// `CKK_…` of the key.
    #[serde(default)]
    key_type: String,
    /// Hexadecimal digits, as everything below.
    #[serde(default)]
    key: String,
    #[serde(default)]
    parameter: String,
    /// Additional data, for GCM.
    #[serde(default)]
    aad: String,
    data: String,
    result: String,
    /// The publication and its place.
    source: String,
}

pub(super) fn register(registry: &mut Registry) {
    let file: File = toml::from_str(FILE).unwrap_or(File { answer: Vec::new() });
    for answer in file.answer {
        let id = format!("known.{}.{}", answer.mechanism, answer.id);
        let title = format!("{}: the answer of {}", answer.mechanism, answer.source);
        let source = Source::standard(format!("mechanisms, section 2; {}", answer.source));
        let mechanisms = [ckm(&answer.mechanism)];
        let needs = match answer.purpose.as_str() {
            "digest" => Needs::officer().mechanisms(&mechanisms),
            _ => Needs::session_objects().mechanisms(&mechanisms),
        };
        registry.add(id, title, source, needs, move |stage| ask(stage, &answer));
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap_or_default()
}

fn ask(stage: &mut Stage, answer: &Answer) -> Outcome {
    let kind = ckm(&answer.mechanism);
    let session = stage.session()?;
    let (parameter, data, result) =
        (bytes(&answer.parameter), bytes(&answer.data), bytes(&answer.result));
    let mechanism = match kind {
        CKM_AES_GCM => Mechanism::aes_gcm(&parameter, &bytes(&answer.aad), 128),
        CKM_AES_CTR => {
            let block = parameter.try_into().map_err(|_| Finding::not_applicable("no block"))?;
            Mechanism::AesCtr { counter_bits: 128, block }
        }
        _ if parameter.is_empty() => Mechanism::Plain(kind),
        _ => Mechanism::Bytes(kind, parameter),
    };
    if answer.purpose == "digest" {
        stage.wants(kind, CKF_DIGEST)?;
        return same("the digest", &result, &session.digest(&mechanism, &data)?);
    }
    let key_type = number(names::CKK, &answer.key_type).unwrap_or(CKK_GENERIC_SECRET);
    let uses = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY].map(|it| Attribute::bool(it, true));
    let uses = if key_type == CKK_GENERIC_SECRET { &uses[2..] } else { &uses[..] };
    let key = crate::keys::import(stage, &session, key_type, &bytes(&answer.key), uses)?;
    if answer.purpose == "sign" {
        stage.wants(kind, CKF_SIGN)?;
        let smallest = stage.mechanism_info(kind)?.min_key_size;
        let begun = session.sign_init(&mechanism, key);
        // Sizes are in bits, and in bytes with some modules.
        let short = (bytes(&answer.key).len() as CK_ULONG) < smallest;
        if begun.is_err_and(|error| error.is(CKR_KEY_SIZE_RANGE)) && short {
            return Err(Finding::not_applicable("the token takes no key as short as this one"));
        }
        let session = stage.session()?;
        same("the MAC", &result, &session.sign(&mechanism, key, &data)?)?;
        return Ok(session.verify(&mechanism, key, &data, &result)?);
    }
    // In FIPS mode the HSM makes the vector of GCM, but opens with any.
    if !(kind == CKM_AES_GCM && stage.fips()?) && stage.offers(kind, CKF_ENCRYPT)? {
        same("the ciphertext", &result, &session.encrypt(&mechanism, key, &data)?)?;
    }
    stage.wants(kind, CKF_DECRYPT)?;
    same("the plaintext", &data, &session.decrypt(&mechanism, key, &result)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_and_its_digits_are_digits() {
        let file: File = toml::from_str(FILE).unwrap();
        for answer in &file.answer {
            let digits =
                [&answer.key, &answer.parameter, &answer.aad, &answer.data, &answer.result];
            assert!(digits.iter().all(|hex| bytes(hex).len() * 2 == hex.len()), "{}", answer.id);
            assert_ne!(ckm(&answer.mechanism), CK_ULONG::MAX, "{}", answer.mechanism);
        }
    }
}
