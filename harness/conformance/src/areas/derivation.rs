//! Derivation of keys, agreed with other implementations.

use aws_lc_rs::agreement;
use luna_client::ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};

use super::signatures::public_half;
use crate::check::{Finding, Mark, Needs, Outcome, Registry, Row, Source, refused, same};
use crate::keys::Family;
use crate::software::{self, Public};
use crate::stage::Stage;

const ROWS: &[Row] = &[
    Row {
        id: "ecdh.agrees",
        title: "ECDH on P-256 gives the secret that the other side has",
        source: (Mark::Standard, "mechanisms, section 2.3.7 (CKM_ECDH1_DERIVE)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_ECDH1_DERIVE]),
        run: |stage| agrees(stage, Family::Ec, &agreement::ECDH_P256),
    },
    Row {
        id: "x25519.agrees",
        title: "X25519 gives the secret that the other side has",
        source: (Mark::Standard, "v3.0, mechanisms, section 2.3.8 (CKM_ECDH1_DERIVE)"),
        needs: || {
            Needs::session_objects().mechanisms(&[CKM_ECDH1_DERIVE, CKM_EC_MONTGOMERY_KEY_PAIR_GEN])
        },
        run: |stage| agrees(stage, Family::X25519, &agreement::X25519),
    },
    Row {
        id: "ecdh.no-public",
        title: "ECDH without the other side's point is refused",
        source: (Mark::Standard, "mechanisms, section 2.3.7 (CKR_MECHANISM_PARAM_INVALID)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_ECDH1_DERIVE]),
        run: |stage| point(stage, Vec::new()),
    },
    Row {
        id: "ecdh.off-the-curve",
        title: "ECDH with a point off the curve is refused",
        source: (Mark::Standard, "mechanisms, section 2.3.7 (CKR_MECHANISM_PARAM_INVALID)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_ECDH1_DERIVE]),
        run: |stage| point(stage, [vec![4], vec![0x11; 64]].concat()),
    },
    Row {
        id: "ecdh.derive-flag",
        title: "a key without CKA_DERIVE derives nothing",
        source: (Mark::Standard, "section 5.14 (C_DeriveKey), CKR_KEY_FUNCTION_NOT_PERMITTED"),
        needs: || Needs::session_objects().mechanisms(&[CKM_ECDH1_DERIVE]),
        run: |stage| {
            let session = stage.session()?;
            let pair = Family::Ec.make(stage, &session, &[CKA_SIGN, CKA_VERIFY])?;
            let mechanism = ecdh(bare(&session, Family::Ec, pair.public)?);
            let seen = session.derive(&mechanism, pair.private, &template(stage, 32));
            refused("C_DeriveKey", seen, &[CKR_KEY_FUNCTION_NOT_PERMITTED])
        },
    },
    Row {
        id: "ecdh.no-key",
        title: "a handle of nothing derives nothing",
        source: (Mark::Standard, "section 5.14 (C_DeriveKey), CKR_KEY_HANDLE_INVALID"),
        needs: || Needs::session_objects().mechanisms(&[CKM_ECDH1_DERIVE]),
        run: |stage| {
            let pair = stage.key(Family::Ec)?;
            let session = stage.session()?;
            let mechanism = ecdh(bare(&session, Family::Ec, pair.public)?);
            let nothing = ObjectHandle(0x7fff_fff0);
            let seen = session.derive(&mechanism, nothing, &template(stage, 32));
            refused("C_DeriveKey", seen, &[CKR_KEY_HANDLE_INVALID])
        },
    },
    Row {
        id: "ecdh.history",
        title: "a derived key is not local",
        source: (Mark::Standard, "section 4.7.2 (CKA_LOCAL)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_ECDH1_DERIVE]),
        run: |stage| {
            let pair = stage.key(Family::Ec)?;
            let session = stage.session()?;
            let mechanism = ecdh(bare(&session, Family::Ec, pair.public)?);
            let key = session.derive(&mechanism, pair.private, &template(stage, 32))?;
            same("CKA_LOCAL", &Some(vec![0]), &session.attribute(key, CKA_LOCAL)?)
        },
    },
    Row {
        id: "encrypt-data.ecb",
        title: "a key derived by encrypting data is the ciphertext",
        source: (Mark::Standard, "mechanisms, section 2.14 (CKM_AES_ECB_ENCRYPT_DATA)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_ECB_ENCRYPT_DATA]),
        run: |stage| {
            let (kind, data) = (CKM_AES_ECB_ENCRYPT_DATA, vec![0x31; 32]);
            let mechanism = Mechanism::StringData { mechanism: kind, data: data.clone() };
            encrypted(stage, &mechanism, "aes-ecb", &data)
        },
    },
    Row {
        id: "encrypt-data.cbc",
        title: "a key derived by encrypting data in CBC is the ciphertext",
        source: (Mark::Standard, "mechanisms, section 2.14 (CKM_AES_CBC_ENCRYPT_DATA)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_CBC_ENCRYPT_DATA]),
        run: |stage| {
            let (kind, data) = (CKM_AES_CBC_ENCRYPT_DATA, vec![0x31; 32]);
            let iv = crate::mechanism::IV.to_vec();
            let mechanism = Mechanism::CbcEncryptData { mechanism: kind, iv, data: data.clone() };
            encrypted(stage, &mechanism, "aes-cbc", &data)
        },
    },
];

/// Derivations whose key is the digest of the base key.
const BY_HASH: &[(&str, CK_ULONG, &str)] = &[
    ("CKM_SHA1_KEY_DERIVATION", CKM_SHA1_KEY_DERIVATION, "sha1"),
    ("CKM_SHA224_KEY_DERIVATION", CKM_SHA224_KEY_DERIVATION, "sha224"),
    ("CKM_SHA256_KEY_DERIVATION", CKM_SHA256_KEY_DERIVATION, "sha256"),
    ("CKM_SHA384_KEY_DERIVATION", CKM_SHA384_KEY_DERIVATION, "sha384"),
    ("CKM_SHA512_KEY_DERIVATION", CKM_SHA512_KEY_DERIVATION, "sha512"),
    ("CKM_SHA3_256_KEY_DERIVE", CKM_SHA3_256_KEY_DERIVE, "sha3-256"),
    ("CKM_SHA3_384_KEY_DERIVE", CKM_SHA3_384_KEY_DERIVE, "sha3-384"),
    ("CKM_SHA3_512_KEY_DERIVE", CKM_SHA3_512_KEY_DERIVE, "sha3-512"),
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("derivation", ROWS);
    for (name, kind, hash) in BY_HASH {
        let title = format!("{name}: the derived key is the digest of the base key");
        let source = Source::standard(format!("mechanisms, section 2.20 ({name})"));
        let needs = Needs::session_objects().mechanisms(&[*kind]).functions(&["C_DeriveKey"]);
        registry.add(format!("derivation.{name}.digest"), title, source, needs, move |stage| {
            stage.wants(*kind, CKF_DERIVE)?;
            let session = stage.session()?;
            let base = [0x42; 24];
            let derive = [Attribute::bool(CKA_DERIVE, true)];
            let base_key =
                crate::keys::import(stage, &session, CKK_GENERIC_SECRET, &base, &derive)?;
            let expected = software::hash(hash, &base).unwrap_or_default();
            let template = template(stage, expected.len() as CK_ULONG);
            let key = session.derive(&Mechanism::Plain(*kind), base_key, &template)?;
            holds(&session, key, &expected)
        });
    }
}

fn template(stage: &Stage, len: CK_ULONG) -> Vec<Attribute> {
    let mut template = stage.own(false);
    template.extend([
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_GENERIC_SECRET),
        Attribute::ulong(CKA_VALUE_LEN, len),
        Attribute::bool(CKA_SIGN, true),
        Attribute::bool(CKA_EXTRACTABLE, true),
    ]);
    template
}

/// The key has this value: it makes the MAC that the value makes.
fn holds(session: &Session, key: ObjectHandle, value: &[u8]) -> Outcome {
    let expected = software::mac("hmac-sha256", value, b"which key").unwrap_or_default();
    let seen = session.sign(&Mechanism::Plain(CKM_SHA256_HMAC), key, b"which key")?;
    same("the MAC under the derived key", &expected, &seen)
}

fn ecdh(public: Vec<u8>) -> Mechanism {
    Mechanism::Ecdh1 { mechanism: CKM_ECDH1_DERIVE, kdf: CKD_NULL, shared: vec![], public }
}

fn bare(session: &Session, family: Family, key: ObjectHandle) -> Outcome<Vec<u8>> {
    match public_half(session, family, key)? {
        Public::Point(point) => Ok(point),
        Public::Rsa(..) => Err(Finding::not_applicable("no point")),
    }
}

fn agrees(stage: &mut Stage, family: Family, algorithm: &'static agreement::Algorithm) -> Outcome {
    stage.wants(CKM_ECDH1_DERIVE, CKF_DERIVE)?;
    let pair = stage.key(family)?;
    let session = stage.session()?;
    let mine = bare(&session, family, pair.public)?;
    let broken = |_| Finding::not_applicable("the other implementation refuses it");
    let key = agreement::PrivateKey::generate(algorithm).map_err(broken)?;
    let theirs = key.compute_public_key().map_err(broken)?;
    let peer = agreement::UnparsedPublicKey::new(algorithm, &mine);
    let off = Finding::unlike("a point on the curve", "one that others refuse");
    let secret = agreement::agree(&key, peer, off, |secret| Ok(secret.to_vec()))?;
    let mechanism = ecdh(theirs.as_ref().to_vec());
    let derived = session.derive(&mechanism, pair.private, &template(stage, 32))?;
    holds(&session, derived, &secret)
}

fn point(stage: &mut Stage, public: Vec<u8>) -> Outcome {
    let pair = stage.key(Family::Ec)?;
    let session = stage.session()?;
    let seen = session.derive(&ecdh(public), pair.private, &template(stage, 32));
    // The vendor has a code of its own: `larskanis/pkcs11`, pkcs11_luna/test.
    let codes = [CKR_MECHANISM_PARAM_INVALID, CKR_ECC_POINT_INVALID, CKR_ARGUMENTS_BAD];
    refused("C_DeriveKey", seen, &codes)
}

fn encrypted(stage: &mut Stage, mechanism: &Mechanism, software: &str, data: &[u8]) -> Outcome {
    stage.wants(mechanism.kind(), CKF_DERIVE)?;
    let base = stage.key(Family::Aes)?;
    let none = Finding::not_applicable("the token takes no key in, so nobody else has it");
    let value = base.value.ok_or(none)?;
    let expected = software::encrypt(software, &value, data).unwrap_or_default();
    let session = stage.session()?;
    let key = session.derive(mechanism, base.private, &template(stage, 32))?;
    holds(&session, key, &expected)
}
