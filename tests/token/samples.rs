//! One use of every mechanism a token lists: keys, parameter and data that fit.
//!
//! A mechanism the module comes to list without a row here fails the tests that walk the list.

use luna_ck::*;
use luna_client::{Mechanism, MechanismType, ObjectHandle, Session};

use crate::token::{Kind, Token};
use crate::{groups, keys, lattice};

mod block;

pub(crate) use self::block::{cipher as block_cipher, odd};

/// Keys for every family, as session objects.
pub(crate) struct Keys {
    pub(crate) aes: ObjectHandle,
    /// A second one, for XTS.
    pub(crate) tweak: ObjectHandle,
    /// Keys of the other block ciphers, and of RC4.
    pub(crate) block: Vec<(CK_KEY_TYPE, ObjectHandle)>,
    pub(crate) generic: ObjectHandle,
    /// Of the size that SSL 3.0 has for its MACs.
    pub(crate) short: ObjectHandle,
    pub(crate) rsa: (ObjectHandle, ObjectHandle),
    pub(crate) ec: (ObjectHandle, ObjectHandle),
    pub(crate) ecies: (ObjectHandle, ObjectHandle),
    pub(crate) dsa: (ObjectHandle, ObjectHandle),
    /// None where the token has no such keys.
    pub(crate) ed25519: Option<(ObjectHandle, ObjectHandle)>,
    pub(crate) sm2: Option<(ObjectHandle, ObjectHandle)>,
    /// None before firmware 7.9.
    pub(crate) ml_dsa: Option<(ObjectHandle, ObjectHandle)>,
}

impl Keys {
    #[track_caller]
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            aes: keys::aes(session, &[0x42; 32]),
            tweak: keys::aes(session, &[0x45; 32]),
            block: block::keys(session),
            generic: keys::generic(session, &[0x43; 48]),
            short: keys::generic(session, &[0x44; 20]),
            rsa: keys::rsa(session),
            ec: keys::ec(session, keys::P256).unwrap(),
            ecies: keys::ecies(session, CKM_EC_KEY_PAIR_GEN, keys::P256).unwrap(),
            dsa: keys::in_group(session, CKM_DSA_KEY_PAIR_GEN, &groups::BITS_2048, &[]).unwrap(),
            ed25519: keys::ed25519(session, keys::ED25519).ok(),
            sm2: keys::sm2(session).ok(),
            ml_dsa: lattice::pair(session, CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_44).ok(),
        }
    }
}

/// A use of one mechanism.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) mechanism: Mechanism,
    /// The key that encrypts or verifies, and the one that decrypts or signs.
    pub(crate) public: ObjectHandle,
    pub(crate) private: ObjectHandle,
    pub(crate) data: Vec<u8>,
    /// The same input gives the same output.
    pub(crate) repeats: bool,
}

impl Sample {
    /// How what was encrypted is decrypted: in FIPS mode the IV comes off the end of the ciphertext.
    pub(crate) fn to_decrypt(&self, sealed: &[u8]) -> (Mechanism, Vec<u8>) {
        match &self.mechanism {
            Mechanism::AesGcm { iv, aad, tag_bits, .. } if iv.is_empty() => {
                let (sealed, iv) = sealed.split_at(sealed.len() - 16);
                (Mechanism::aes_gcm(iv, aad, *tag_bits), sealed.to_vec())
            }
            other => (other.clone(), sealed.to_vec()),
        }
    }
}

/// Text of 100 bytes.
pub(crate) fn text() -> Vec<u8> {
    (0..100).map(|n: u8| n.wrapping_mul(37)).collect()
}

fn pss(mechanism: MechanismType, hash: MechanismType) -> Mechanism {
    let Some(Mechanism::RsaPss { hash, mgf, salt_len, .. }) = Mechanism::rsa_pss(hash) else {
        panic!("no such hash")
    };
    Mechanism::RsaPss { mechanism, hash, mgf, salt_len }
}

/// ECIES as the vendor's HA bench has it.
pub(crate) fn ecies() -> Mechanism {
    Mechanism::Ecies {
        kdf: CKD_SHA256_KDF,
        shared: Vec::new(),
        encryption: (CKES_AES_CTR, 128),
        mac: (CKMS_HMAC_SHA256, 256, 256),
    }
}

/// AES-XTS with that key for the place, and that place.
pub(crate) fn xts(tweak: ObjectHandle, place: [u8; 16]) -> Mechanism {
    Mechanism::Bytes(CKM_AES_XTS, [&tweak.0.to_ne_bytes()[..], &place].concat())
}

/// The mechanisms of the list that have one of these functions.
pub(crate) fn listed(token: &Token, functions: CK_FLAGS) -> Vec<(MechanismType, CK_FLAGS)> {
    let listed: Vec<_> = token
        .context
        .mechanisms(token.slot)
        .unwrap()
        .into_iter()
        .map(|kind| (kind, token.context.mechanism_info(token.slot, kind).unwrap().flags))
        .filter(|(_, flags)| flags & functions != 0)
        .collect();
    assert!(listed.len() > 4, "a token lists more than {listed:?}");
    listed
}

/// The mechanisms that sign and, by the same token, verify. Those that sign alone, as the vendor has
/// them for mobile networks, give no signature and have tests of their own.
pub(crate) fn signing(token: &Token) -> Vec<MechanismType> {
    let both = CKF_SIGN | CKF_VERIFY;
    let listed = listed(token, CKF_SIGN).into_iter();
    listed.filter(|(_, flags)| flags & both == both).map(|(kind, _)| kind).collect()
}

/// A use of a mechanism as a cipher.
pub(crate) fn cipher(kind: MechanismType, token: Kind, keys: &Keys) -> Sample {
    let aes = |mechanism, data: &[u8]| Sample {
        mechanism,
        public: keys.aes,
        private: keys.aes,
        data: data.to_vec(),
        repeats: true,
    };
    let rsa = |mechanism, data: &[u8], repeats| Sample {
        mechanism,
        public: keys.rsa.0,
        private: keys.rsa.1,
        data: data.to_vec(),
        repeats,
    };
    let text = text();
    if let Some(sample) = block::cipher(kind, keys) {
        return sample;
    }
    match kind {
        CKM_AES_GCM if token.is_fips() => {
            Sample { repeats: false, ..aes(keys::gcm_made_by_hsm(b"aad"), &text) }
        }
        CKM_AES_GCM => aes(Mechanism::aes_gcm(&[1; 12], b"aad", 128), &text),
        CKM_ECIES => Sample {
            mechanism: ecies(),
            public: keys.ecies.0,
            private: keys.ecies.1,
            data: text,
            repeats: false,
        },
        CKM_AES_XTS => aes(xts(keys.tweak, [9; 16]), &text),
        CKM_AES_KW => aes(Mechanism::Plain(kind), &text[..96]),
        CKM_AES_KWP => aes(Mechanism::Plain(kind), &text),
        CKM_RSA_PKCS => rsa(Mechanism::Plain(kind), &text, false),
        CKM_RSA_X_509 => {
            let mut number = vec![0; 256];
            number[156..].copy_from_slice(&text);
            rsa(Mechanism::Plain(kind), &number, true)
        }
        CKM_RSA_PKCS_OAEP => rsa(Mechanism::rsa_oaep(CKM_SHA256).unwrap(), &text, false),
        _ => panic!("{} encrypts: give it a row", names::ckm(kind)),
    }
}

/// A use of a mechanism as a digest.
pub(crate) fn digest(kind: MechanismType) -> Mechanism {
    match kind {
        CKM_SHAKE_128 | CKM_SHAKE_256 => Mechanism::ulong(kind, 300),
        _ => Mechanism::Plain(kind),
    }
}

fn lattice_sample(keys: &Keys, mechanism: Mechanism, data: &[u8]) -> Sample {
    let (public, private) = keys.ml_dsa.expect("a token with ML-DSA makes keys for it");
    Sample { mechanism, public, private, data: data.to_vec(), repeats: true }
}

/// A use of a mechanism for signatures.
pub(crate) fn signature(kind: MechanismType, keys: &Keys) -> Sample {
    let text = text();
    let rsa = |mechanism, data: &[u8], repeats| Sample {
        mechanism,
        public: keys.rsa.0,
        private: keys.rsa.1,
        data: data.to_vec(),
        repeats,
    };
    let ec = |data: &[u8]| Sample {
        mechanism: Mechanism::Plain(kind),
        public: keys.ec.0,
        private: keys.ec.1,
        data: data.to_vec(),
        repeats: false,
    };
    let dsa = |data: &[u8]| Sample {
        mechanism: Mechanism::Plain(kind),
        public: keys.dsa.0,
        private: keys.dsa.1,
        data: data.to_vec(),
        repeats: false,
    };
    let mac = |mechanism, key| Sample {
        mechanism,
        public: key,
        private: key,
        data: text.clone(),
        repeats: true,
    };
    if let Some(sample) = block::mac(kind, keys) {
        return sample;
    }
    match kind {
        CKM_RSA_X9_31 | CKM_RSA_X9_31_NON_FIPS => {
            rsa(Mechanism::Plain(kind), &[&text[..32], &[0x34, 0xcc]].concat(), true)
        }
        CKM_SHA1_RSA_X9_31
        | CKM_SHA224_RSA_X9_31
        | CKM_SHA256_RSA_X9_31
        | CKM_SHA384_RSA_X9_31
        | CKM_SHA512_RSA_X9_31
        | CKM_SHA1_RSA_X9_31_NON_FIPS
        | CKM_SHA224_RSA_X9_31_NON_FIPS
        | CKM_SHA256_RSA_X9_31_NON_FIPS
        | CKM_SHA384_RSA_X9_31_NON_FIPS
        | CKM_SHA512_RSA_X9_31_NON_FIPS
        | CKM_SHA3_224_RSA_PKCS
        | CKM_SHA3_256_RSA_PKCS
        | CKM_SHA3_384_RSA_PKCS
        | CKM_SHA3_512_RSA_PKCS => rsa(Mechanism::Plain(kind), &text, true),
        CKM_RSA_PKCS | CKM_RSA_X_509 => rsa(Mechanism::Plain(kind), &text[..32], true),
        CKM_SHA1_RSA_PKCS | CKM_SHA224_RSA_PKCS | CKM_SHA256_RSA_PKCS | CKM_SHA384_RSA_PKCS
        | CKM_SHA512_RSA_PKCS => rsa(Mechanism::Plain(kind), &text, true),
        CKM_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA256), &text[..32], false),
        CKM_SHA1_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA_1), &text, false),
        CKM_SHA224_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA224), &text, false),
        CKM_SHA256_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA256), &text, false),
        CKM_SHA384_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA384), &text, false),
        CKM_SHA512_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA512), &text, false),
        CKM_SHA3_224_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA3_224), &text, false),
        CKM_SHA3_256_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA3_256), &text, false),
        CKM_SHA3_384_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA3_384), &text, false),
        CKM_SHA3_512_RSA_PKCS_PSS => rsa(pss(kind, CKM_SHA3_512), &text, false),
        CKM_SSL3_MD5_MAC | CKM_SSL3_SHA1_MAC => mac(Mechanism::ulong(kind, 10), keys.short),
        CKM_EDDSA | CKM_SHA1_EDDSA..=CKM_SHA512_EDDSA | CKM_SHA3_224_EDDSA..=CKM_SHA3_512_EDDSA => {
            let (public, private) = keys.ed25519.expect("a token with EdDSA makes keys for it");
            Sample { public, private, repeats: true, ..ec(&text) }
        }
        CKM_SM2DSA => {
            let (public, private) = keys.sm2.expect("a token with SM2 makes keys for it");
            Sample { public, private, repeats: true, ..ec(&text[..32]) }
        }
        CKM_SM3_SM2DSA..=CKM_SHA512_SM2DSA => {
            let (public, private) = keys.sm2.expect("a token with SM2 makes keys for it");
            Sample { public, private, repeats: true, ..ec(&text) }
        }
        CKM_ML_DSA | CKM_HASH_ML_DSA | CKM_EXTMU_ML_DSA => {
            let hash = (kind == CKM_HASH_ML_DSA).then_some(CKM_SHA256);
            let len = if kind == CKM_EXTMU_ML_DSA { 64 } else { 32 };
            lattice_sample(
                keys,
                lattice::with(kind, CKH_DETERMINISTIC_REQUIRED, hash),
                &text[..len],
            )
        }
        CKM_HASH_ML_DSA_SHA224..=CKM_HASH_ML_DSA_SHAKE256 => {
            lattice_sample(keys, lattice::with(kind, CKH_DETERMINISTIC_REQUIRED, None), &text)
        }
        CKM_ECDSA => ec(&text[..32]),
        CKM_ECDSA_SHA3_224 | CKM_ECDSA_SHA3_256 | CKM_ECDSA_SHA3_384 | CKM_ECDSA_SHA3_512 => {
            ec(&text)
        }
        CKM_ECDSA_SHA1
        | CKM_ECDSA_SHA224
        | CKM_ECDSA_SHA256
        | CKM_ECDSA_SHA384
        | CKM_ECDSA_SHA512
        | CKM_ECDSA_GBCS_SHA256 => ec(&text),
        CKM_DSA => dsa(&text[..32]),
        CKM_DSA_SHA1 | CKM_DSA_SHA224 | CKM_DSA_SHA256 | CKM_DSA_SHA3_224 | CKM_DSA_SHA3_256
        | CKM_DSA_SHA3_384 | CKM_DSA_SHA3_512 => dsa(&text),
        CKM_SHA_1_HMAC | CKM_SHA224_HMAC | CKM_SHA256_HMAC | CKM_SHA384_HMAC | CKM_SHA512_HMAC => {
            mac(Mechanism::Plain(kind), keys.generic)
        }
        CKM_SHA_1_HMAC_GENERAL
        | CKM_SHA224_HMAC_GENERAL
        | CKM_SHA256_HMAC_GENERAL
        | CKM_SHA384_HMAC_GENERAL
        | CKM_SHA512_HMAC_GENERAL => mac(Mechanism::ulong(kind, 10), keys.generic),
        CKM_SHA3_224_HMAC | CKM_SHA3_256_HMAC | CKM_SHA3_384_HMAC | CKM_SHA3_512_HMAC
        | CKM_SM3_HMAC => mac(Mechanism::Plain(kind), keys.generic),
        CKM_SHA3_224_HMAC_GENERAL
        | CKM_SHA3_256_HMAC_GENERAL
        | CKM_SHA3_384_HMAC_GENERAL
        | CKM_SHA3_512_HMAC_GENERAL
        | CKM_SM3_HMAC_GENERAL => mac(Mechanism::ulong(kind, 10), keys.generic),
        CKM_MD5_HMAC => mac(Mechanism::Plain(kind), keys.generic),
        CKM_MD5_HMAC_GENERAL => mac(Mechanism::ulong(kind, 10), keys.generic),
        CKM_AES_GMAC => mac(Mechanism::Bytes(kind, vec![7; 12]), keys.aes),
        _ => panic!("{} signs: give it a row", names::ckm(kind)),
    }
}
