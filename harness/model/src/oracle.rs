//! What an operation must give, computed by other hands than the module's.
//!
//! A few mechanisms of each kind: enough to follow every way of calling, none for its own sake. Which of them a
//! module has is asked of it; the rest of its list is for known-answer tests.

use std::ops::RangeInclusive;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    UnboundCipherKey,
};
use aws_lc_rs::{aead, cmac, digest, hmac, iv};
use luna_ck::*;
use luna_client::Mechanism;
use luna_client::module::exact::Purpose;

use crate::object::Kind;

/// Bytes of an AES block.
const BLOCK: usize = 16;

/// What comes out at the end of a whole message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes, or one of these codes: the key is not known here.
    Some(RangeInclusive<usize>, &'static [CK_RV]),
    /// One of these codes.
    Refused(&'static [CK_RV]),
}

impl Outcome {
    /// The fewest bytes that come.
    pub(crate) fn least(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Some(lengths, _) => *lengths.start(),
            Self::Refused(_) => 0,
        }
    }

    /// The most bytes that come.
    pub(crate) fn most(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Some(lengths, _) => *lengths.end(),
            Self::Refused(_) => 0,
        }
    }
}

const DATA_LEN: &[CK_RV] = &[CKR_DATA_LEN_RANGE];
const ENCRYPTED_LEN: &[CK_RV] = &[CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_INVALID];
const ENCRYPTED: &[CK_RV] = &[CKR_ENCRYPTED_DATA_INVALID];
const NONE: &[CK_RV] = &[];

/// The operations a mechanism is for, and the keys it takes for them; `None` for one that is not modelled.
pub(crate) fn fits(mechanism: &Mechanism, purpose: Purpose) -> Option<Result<Option<Kind>, ()>> {
    let cipher = matches!(purpose, Purpose::Encrypt | Purpose::Decrypt);
    let signature = matches!(purpose, Purpose::Sign | Purpose::Verify);
    let fits = |fits: bool, kind| Some(if fits { Ok(kind) } else { Err(()) });
    match mechanism.kind() {
        CKM_AES_ECB | CKM_AES_CBC | CKM_AES_CBC_PAD | CKM_AES_CTR | CKM_AES_GCM => {
            fits(cipher, Some(Kind::Aes))
        }
        CKM_AES_CMAC => fits(signature, Some(Kind::Aes)),
        CKM_SHA256_HMAC | CKM_SHA512_HMAC => fits(signature, Some(Kind::Generic)),
        CKM_SHA_1 | CKM_SHA256 | CKM_SHA512 => fits(purpose == Purpose::Digest, None),
        CKM_ECDSA_SHA256 if purpose == Purpose::Verify => fits(true, Some(Kind::EcPublic)),
        CKM_ECDSA_SHA256 => fits(signature, Some(Kind::EcPrivate)),
        _ => None,
    }
}

/// Whether the parameter is one the mechanism takes.
pub(crate) fn parameter_fits(mechanism: &Mechanism) -> bool {
    match (mechanism.kind(), mechanism) {
        (CKM_AES_CBC | CKM_AES_CBC_PAD, Mechanism::Bytes(_, iv)) => iv.len() == BLOCK,
        (CKM_AES_CTR, Mechanism::AesCtr { counter_bits, .. }) => (1..=128).contains(counter_bits),
        (CKM_AES_GCM, Mechanism::AesGcm { iv, tag_bits, .. }) => {
            !iv.is_empty() && [96, 104, 112, 120, 128].contains(tag_bits)
        }
        (CKM_AES_CBC | CKM_AES_CBC_PAD | CKM_AES_CTR | CKM_AES_GCM, _) => false,
        (_, Mechanism::Plain(_)) => true,
        _ => false,
    }
}

/// Bytes of a signature or digest; `None` for a cipher.
pub(crate) fn fixed_len(mechanism: &Mechanism) -> Option<usize> {
    Some(match mechanism.kind() {
        CKM_AES_CMAC => BLOCK,
        CKM_SHA_1 => 20,
        CKM_SHA256 | CKM_SHA256_HMAC => 32,
        CKM_SHA512 | CKM_SHA512_HMAC | CKM_ECDSA_SHA256 => 64,
        _ => return None,
    })
}

/// A whole message. Without the key's bytes, what is known of any key.
pub(crate) fn whole(
    mechanism: &Mechanism,
    purpose: Purpose,
    key: Option<&[u8]>,
    input: &[u8],
) -> Outcome {
    let unknown = without_key(mechanism, purpose, input.len());
    if matches!(unknown, Outcome::Refused(_)) {
        return unknown;
    }
    let fixed = match (mechanism.kind(), key) {
        (CKM_SHA_1, _) => Some(hashed(&digest::SHA1_FOR_LEGACY_USE_ONLY, input)),
        (CKM_SHA256, _) => Some(hashed(&digest::SHA256, input)),
        (CKM_SHA512, _) => Some(hashed(&digest::SHA512, input)),
        (CKM_SHA256_HMAC, Some(key)) => Some(authenticated(hmac::HMAC_SHA256, key, input)),
        (CKM_SHA512_HMAC, Some(key)) => Some(authenticated(hmac::HMAC_SHA512, key, input)),
        (CKM_AES_CMAC, Some(key)) => cmac_of(key, input),
        _ => None,
    };
    if let Some(bytes) = fixed {
        return Outcome::Bytes(bytes);
    }
    let Some(key) = key else { return unknown };
    match (purpose, mechanism.kind()) {
        (Purpose::Encrypt, CKM_AES_CBC_PAD) => {
            let padding = BLOCK - input.len() % BLOCK;
            let pad = u8::try_from(padding).unwrap_or_default();
            let padded = [input, &vec![pad; padding]].concat();
            ciphered(mechanism, true, key, &padded).map_or(unknown, Outcome::Bytes)
        }
        (Purpose::Decrypt, CKM_AES_CBC_PAD) => match ciphered(mechanism, false, key, input) {
            Some(padded) => unpadded(&padded).map_or(Outcome::Refused(ENCRYPTED), Outcome::Bytes),
            None => unknown,
        },
        (Purpose::Encrypt, CKM_AES_GCM) => {
            sealed(mechanism, key, input).map_or(unknown, Outcome::Bytes)
        }
        (Purpose::Decrypt, CKM_AES_GCM) => {
            opened(mechanism, key, input).map_or(Outcome::Refused(ENCRYPTED), Outcome::Bytes)
        }
        (Purpose::Encrypt | Purpose::Decrypt, _) => {
            let forward = purpose == Purpose::Encrypt;
            ciphered(mechanism, forward, key, input).map_or(unknown, Outcome::Bytes)
        }
        _ => unknown,
    }
}

/// The most that updates may have given out of a message that began so: its exact beginning, or nothing that
/// can be told. What comes early must be a beginning of this.
pub(crate) fn early(
    mechanism: &Mechanism,
    purpose: Purpose,
    key: Option<&[u8]>,
    input: &[u8],
) -> (usize, Option<Vec<u8>>) {
    let blocks = input.get(..input.len() - input.len() % BLOCK).unwrap_or_default();
    let forward = purpose == Purpose::Encrypt;
    match mechanism.kind() {
        CKM_AES_CTR => (input.len(), key.and_then(|key| ciphered(mechanism, forward, key, input))),
        // A plaintext whose tag was not yet checked is not given out: the vendor collects the message.
        CKM_AES_GCM if !forward => (0, None),
        CKM_AES_GCM => {
            let sealed = key.and_then(|key| sealed(mechanism, key, input));
            let text = sealed.and_then(|sealed| sealed.get(..input.len()).map(<[u8]>::to_vec));
            (input.len(), text)
        }
        _ => (blocks.len(), key.and_then(|key| ciphered(mechanism, forward, key, blocks))),
    }
}

fn without_key(mechanism: &Mechanism, purpose: Purpose, len: usize) -> Outcome {
    if let Some(len) = fixed_len(mechanism) {
        return Outcome::Some(len..=len, NONE);
    }
    let (forward, whole) = (purpose == Purpose::Encrypt, len.is_multiple_of(BLOCK));
    match (mechanism.kind(), forward) {
        (CKM_AES_ECB | CKM_AES_CBC, true) if !whole => Outcome::Refused(DATA_LEN),
        (CKM_AES_ECB | CKM_AES_CBC, false) if !whole => Outcome::Refused(ENCRYPTED_LEN),
        (CKM_AES_CBC_PAD, true) => {
            let padded = len - len % BLOCK + BLOCK;
            Outcome::Some(padded..=padded, NONE)
        }
        (CKM_AES_CBC_PAD, false) if !whole || len == 0 => Outcome::Refused(ENCRYPTED_LEN),
        (CKM_AES_CBC_PAD, false) => Outcome::Some(len - BLOCK..=len - 1, ENCRYPTED),
        (CKM_AES_GCM, true) => Outcome::Some(len + tag(mechanism)..=len + tag(mechanism), NONE),
        (CKM_AES_GCM, false) if len < tag(mechanism) => Outcome::Refused(ENCRYPTED_LEN),
        (CKM_AES_GCM, false) => {
            Outcome::Some(len - tag(mechanism)..=len - tag(mechanism), ENCRYPTED)
        }
        _ => Outcome::Some(len..=len, NONE),
    }
}

fn tag(mechanism: &Mechanism) -> usize {
    match mechanism {
        Mechanism::AesGcm { tag_bits, .. } => usize::try_from(tag_bits / 8).unwrap_or(BLOCK),
        _ => BLOCK,
    }
}

fn hashed(algorithm: &'static digest::Algorithm, input: &[u8]) -> Vec<u8> {
    digest::digest(algorithm, input).as_ref().to_vec()
}

fn authenticated(algorithm: hmac::Algorithm, key: &[u8], input: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), input).as_ref().to_vec()
}

fn cmac_of(key: &[u8], input: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match key.len() {
        16 => cmac::AES_128,
        24 => cmac::AES_192,
        _ => cmac::AES_256,
    };
    let key = cmac::Key::new(algorithm, key).ok()?;
    Some(cmac::sign(&key, input).ok()?.as_ref().to_vec())
}

fn unbound(key: &[u8]) -> Option<UnboundCipherKey> {
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    UnboundCipherKey::new(algorithm, key).ok()
}

/// ECB, CBC and CTR of whole blocks (or any length for CTR).
fn ciphered(mechanism: &Mechanism, forward: bool, key: &[u8], input: &[u8]) -> Option<Vec<u8>> {
    if input.is_empty() {
        return Some(Vec::new());
    }
    let start = match mechanism {
        Mechanism::Bytes(_, iv) => Some(iv.as_slice().try_into().ok()?),
        Mechanism::AesCtr { block, .. } => Some(*block),
        _ => None,
    };
    let mut text = input.to_vec();
    if forward || mechanism.kind() == CKM_AES_CTR {
        let context = match start {
            None => EncryptionContext::None,
            Some(start) => EncryptionContext::Iv128(iv::FixedLength::<16>::from(start)),
        };
        let key = match mechanism.kind() {
            CKM_AES_ECB => EncryptingKey::ecb(unbound(key)?),
            CKM_AES_CTR => EncryptingKey::ctr(unbound(key)?),
            _ => EncryptingKey::cbc(unbound(key)?),
        };
        key.ok()?.less_safe_encrypt(&mut text, context).ok()?;
    } else {
        let context = match start {
            None => DecryptionContext::None,
            Some(start) => DecryptionContext::Iv128(iv::FixedLength::<16>::from(start)),
        };
        let key = match mechanism.kind() {
            CKM_AES_ECB => DecryptingKey::ecb(unbound(key)?),
            _ => DecryptingKey::cbc(unbound(key)?),
        };
        key.ok()?.decrypt(&mut text, context).ok()?;
    }
    Some(text)
}

fn unpadded(padded: &[u8]) -> Option<Vec<u8>> {
    let pad = *padded.last()?;
    let len = usize::from(pad);
    let at = padded.len().checked_sub(len)?;
    let sound = (1..=BLOCK).contains(&len) && padded.get(at..)?.iter().all(|byte| *byte == pad);
    if sound { padded.get(..at).map(<[u8]>::to_vec) } else { None }
}

/// The key, nonce and data of a message of AES-GCM; this oracle knows vectors of 12 bytes and tags of 16.
fn gcm<'a>(
    mechanism: &'a Mechanism,
    key: &[u8],
) -> Option<(aead::LessSafeKey, aead::Nonce, aead::Aad<&'a [u8]>)> {
    let Mechanism::AesGcm { iv, aad, tag_bits: 128, .. } = mechanism else { return None };
    let algorithm = match key.len() {
        16 => &aead::AES_128_GCM,
        24 => &aead::AES_192_GCM,
        _ => &aead::AES_256_GCM,
    };
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).ok()?);
    let nonce = aead::Nonce::try_assume_unique_for_key(iv).ok()?;
    Some((key, nonce, aead::Aad::from(aad.as_slice())))
}

fn sealed(mechanism: &Mechanism, key: &[u8], input: &[u8]) -> Option<Vec<u8>> {
    let (key, nonce, aad) = gcm(mechanism, key)?;
    let mut text = input.to_vec();
    key.seal_in_place_append_tag(nonce, aad, &mut text).ok()?;
    Some(text)
}

fn opened(mechanism: &Mechanism, key: &[u8], input: &[u8]) -> Option<Vec<u8>> {
    let (key, nonce, aad) = gcm(mechanism, key)?;
    let mut text = input.to_vec();
    key.open_in_place(nonce, aad, &mut text).ok().map(|text| text.to_vec())
}
