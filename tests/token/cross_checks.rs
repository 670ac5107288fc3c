//! What the module makes, `ring` and `aws-lc-rs` read, and the other way round.

use aws_lc_rs::rand::SystemRandom as OtherRandom;
use aws_lc_rs::{rsa as other_rsa, signature as other};
use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType, ObjectHandle, Session};
use ring::{aead, agreement, hmac, rand, signature};

use crate::keys::{self, P256, P384, P521, SECP256K1, and, on};
use crate::token::{Kind, Token, hex};

const MESSAGE: &[u8] = b"what both sides know";

/// A point as it is written everywhere but in CKA_EC_POINT.
pub(crate) fn bare_point(session: &Session, key: ObjectHandle) -> Vec<u8> {
    let der = session.attribute(key, CKA_EC_POINT).unwrap().unwrap();
    let head = if der[1] < 0x80 { 2 } else { 3 };
    der[head..].to_vec()
}

fn generated_rsa(session: &Session, bits: CK_ULONG) -> (ObjectHandle, ObjectHandle) {
    let public = and(&on(&[CKA_VERIFY, CKA_ENCRYPT]), &[Attribute::ulong(CKA_MODULUS_BITS, bits)]);
    let private = on(&[CKA_SIGN, CKA_DECRYPT]);
    session
        .generate_key_pair(&Mechanism::Plain(CKM_RSA_PKCS_KEY_PAIR_GEN), &public, &private)
        .unwrap()
}

fn pss(mechanism: MechanismType, hash: MechanismType) -> Mechanism {
    let Some(Mechanism::RsaPss { mgf, salt_len, .. }) = Mechanism::rsa_pss(hash) else {
        panic!("no such hash")
    };
    Mechanism::RsaPss { mechanism, hash, mgf, salt_len }
}

#[test]
fn rsa_signatures() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let (public, private) = generated_rsa(session, 2048);
        let part = |what| session.attribute(public, what).unwrap().unwrap();
        let (n, e) = (part(CKA_MODULUS), part(CKA_PUBLIC_EXPONENT));
        let key = signature::RsaPublicKeyComponents { n: &n, e: &e };
        let cases: [(Mechanism, &signature::RsaParameters); 6] = [
            (Mechanism::Plain(CKM_SHA256_RSA_PKCS), &signature::RSA_PKCS1_2048_8192_SHA256),
            (Mechanism::Plain(CKM_SHA384_RSA_PKCS), &signature::RSA_PKCS1_2048_8192_SHA384),
            (Mechanism::Plain(CKM_SHA512_RSA_PKCS), &signature::RSA_PKCS1_2048_8192_SHA512),
            (pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256), &signature::RSA_PSS_2048_8192_SHA256),
            (pss(CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384), &signature::RSA_PSS_2048_8192_SHA384),
            (pss(CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512), &signature::RSA_PSS_2048_8192_SHA512),
        ];
        for (mechanism, how) in cases {
            let made = session.sign(&mechanism, private, MESSAGE).unwrap();
            assert!(key.verify(how, MESSAGE, &made).is_ok(), "{kind:?} {mechanism:?}");
        }
        if kind == Kind::Plain {
            let made =
                session.sign(&Mechanism::Plain(CKM_SHA1_RSA_PKCS), private, MESSAGE).unwrap();
            let how = &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY;
            assert!(key.verify(how, MESSAGE, &made).is_ok());
        }
    }
}

/// A digest the caller made, with the prefix that names its hash, is signed as the message itself.
#[test]
fn raw_pkcs1_signs_a_digest_info() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let (public, private) = keys::rsa(session);
    let digest = session.digest(&Mechanism::Plain(CKM_SHA256), MESSAGE).unwrap();
    let info = [hex("3031300d060960864801650304020105000420"), digest.clone()].concat();
    let raw = session.sign(&Mechanism::Plain(CKM_RSA_PKCS), private, &info).unwrap();
    let hashed = Mechanism::Plain(CKM_SHA256_RSA_PKCS);
    assert_eq!(raw, session.sign(&hashed, private, MESSAGE).unwrap());
    session.verify(&hashed, public, MESSAGE, &raw).unwrap();
    let raw = session.sign(&Mechanism::rsa_pss(CKM_SHA256).unwrap(), private, &digest).unwrap();
    session.verify(&pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256), public, MESSAGE, &raw).unwrap();
}

/// Salts of no byte, of the digest's length and as long as the key leaves room for.
#[test]
fn pss_salts_at_their_limits() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (public, private) = keys::rsa(session);
    let of = |salt_len| Mechanism::RsaPss {
        mechanism: CKM_SHA256_RSA_PKCS_PSS,
        hash: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        salt_len,
    };
    for salt in [0, 1, 32, 222] {
        let made = session.sign(&of(salt), private, MESSAGE).unwrap();
        session.verify(&of(salt), public, MESSAGE, &made).unwrap();
        let other = of(if salt == 32 { 31 } else { 32 });
        let answer = session.verify(&other, public, MESSAGE, &made);
        crate::token::refused_as(answer, CKR_SIGNATURE_INVALID, &salt);
    }
    for salt in [223, 1 << 32, CK_ULONG::MAX] {
        let answer = session.sign_init(&of(salt), private);
        crate::token::refused_as(answer, CKR_MECHANISM_PARAM_INVALID, &salt);
    }
}

#[test]
fn ecdsa_signatures() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let cases: [(&str, MechanismType, &'static dyn signature::VerificationAlgorithm); 2] = [
        (P256, CKM_ECDSA_SHA256, &signature::ECDSA_P256_SHA256_FIXED),
        (P384, CKM_ECDSA_SHA384, &signature::ECDSA_P384_SHA384_FIXED),
    ];
    for (curve, mechanism, how) in cases {
        let (public, private) = keys::ec(session, curve).unwrap();
        let made = session.sign(&Mechanism::Plain(mechanism), private, MESSAGE).unwrap();
        let key = signature::UnparsedPublicKey::new(how, bare_point(session, public));
        assert!(key.verify(MESSAGE, &made).is_ok(), "{curve}");
    }
    let cases: [(&str, MechanismType, &'static dyn other::VerificationAlgorithm); 4] = [
        (P521, CKM_ECDSA_SHA512, &other::ECDSA_P521_SHA512_FIXED),
        (P521, CKM_ECDSA_SHA256, &other::ECDSA_P521_SHA256_FIXED),
        (P384, CKM_ECDSA_SHA384, &other::ECDSA_P384_SHA384_FIXED),
        (SECP256K1, CKM_ECDSA_SHA256, &other::ECDSA_P256K1_SHA256_FIXED),
    ];
    for (curve, mechanism, how) in cases {
        let (public, private) = keys::ec(session, curve).unwrap();
        let made = session.sign(&Mechanism::Plain(mechanism), private, MESSAGE).unwrap();
        let key = other::UnparsedPublicKey::new(how, bare_point(session, public));
        assert!(key.verify(MESSAGE, &made).is_ok(), "{curve}");
    }
}

/// Signed outside, verified here: with a public key that came in by its point.
#[test]
fn ecdsa_signatures_made_elsewhere() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let random = OtherRandom::new();
    let cases: [(&str, MechanismType, &'static other::EcdsaSigningAlgorithm); 3] = [
        (P256, CKM_ECDSA_SHA256, &other::ECDSA_P256_SHA256_FIXED_SIGNING),
        (P384, CKM_ECDSA_SHA384, &other::ECDSA_P384_SHA384_FIXED_SIGNING),
        (P521, CKM_ECDSA_SHA512, &other::ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (curve, mechanism, how) in cases {
        let pair = other::EcdsaKeyPair::generate(how).unwrap();
        let made = pair.sign(&random, MESSAGE).unwrap();
        let public = and(
            &on(&[CKA_VERIFY]),
            &[
                Attribute::class(CKO_PUBLIC_KEY),
                Attribute::key_type(CKK_EC),
                Attribute::bytes(CKA_EC_PARAMS, hex(curve)),
                Attribute::bytes(
                    CKA_EC_POINT,
                    keys::octets(other::KeyPair::public_key(&pair).as_ref()),
                ),
            ],
        );
        let public = session.create_object(&public).unwrap();
        session.verify(&Mechanism::Plain(mechanism), public, MESSAGE, made.as_ref()).unwrap();
    }
}

/// OAEP with every hash of the standard's table, and with a label.
#[test]
fn oaep_both_ways() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let (public, private) = keys::rsa(session);
    let part = |what| session.attribute(public, what).unwrap().unwrap();
    let key = other_rsa::PublicKeyComponents { n: part(CKA_MODULUS), e: part(CKA_PUBLIC_EXPONENT) };
    let key: other_rsa::PublicEncryptingKey = key.try_into().unwrap();
    let key = other_rsa::OaepPublicEncryptingKey::new(key).unwrap();
    for (hash, how) in [
        (CKM_SHA_1, &other_rsa::OAEP_SHA1_MGF1SHA1),
        (CKM_SHA256, &other_rsa::OAEP_SHA256_MGF1SHA256),
        (CKM_SHA384, &other_rsa::OAEP_SHA384_MGF1SHA384),
        (CKM_SHA512, &other_rsa::OAEP_SHA512_MGF1SHA512),
    ] {
        for label in [&b""[..], b"a label"] {
            let Some(Mechanism::RsaOaep { mgf, .. }) = Mechanism::rsa_oaep(hash) else {
                panic!("no such hash")
            };
            let mechanism = Mechanism::RsaOaep { hash, mgf, source: label.to_vec() };
            let mut sealed = vec![0; 256];
            key.encrypt(how, MESSAGE, &mut sealed, (!label.is_empty()).then_some(label)).unwrap();
            assert_eq!(session.decrypt(&mechanism, private, &sealed).unwrap(), MESSAGE);
            let sealed = session.encrypt(&mechanism, public, MESSAGE).unwrap();
            assert_eq!(session.decrypt(&mechanism, private, &sealed).unwrap(), MESSAGE);
            let other = Mechanism::RsaOaep { hash, mgf, source: b"another".to_vec() };
            let answer = session.decrypt(&other, private, &sealed);
            crate::token::refused_as(answer, CKR_ENCRYPTED_DATA_INVALID, &mechanism);
        }
    }
}

#[test]
fn gcm_and_hmac() {
    let token = Token::up(Kind::Group);
    let session = &token.session;
    let key = keys::aes(session, &[0x21; 32]);
    let mut sealed = session.encrypt(&keys::gcm_made_by_hsm(b"aad"), key, MESSAGE).unwrap();
    let iv = sealed.split_off(sealed.len() - 16);
    let opened = session.decrypt(&Mechanism::aes_gcm(&iv, b"aad", 128), key, &sealed).unwrap();
    assert_eq!(opened, MESSAGE);
    let there =
        aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &[0x21; 32]).unwrap());
    let nonce = [3; 12];
    let mut sealed = MESSAGE.to_vec();
    let nonce_there = aead::Nonce::assume_unique_for_key(nonce);
    there.seal_in_place_append_tag(nonce_there, aead::Aad::from(b"aad"), &mut sealed).unwrap();
    let opened = session.decrypt(&Mechanism::aes_gcm(&nonce, b"aad", 128), key, &sealed).unwrap();
    assert_eq!(opened, MESSAGE);
    let key = keys::generic(session, &[0x22; 20]);
    let mac = session.sign(&Mechanism::Plain(CKM_SHA512_HMAC), key, MESSAGE).unwrap();
    let there = hmac::Key::new(hmac::HMAC_SHA512, &[0x22; 20]);
    assert!(hmac::verify(&there, MESSAGE, &mac).is_ok());
}

/// The shared secret itself, and an EC_POINT attribute passed on as it is.
#[test]
fn ecdh() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for (curve, how) in [(P256, &agreement::ECDH_P256), (P384, &agreement::ECDH_P384)] {
        let (public, private) = keys::ec(session, curve).unwrap();
        let there =
            agreement::EphemeralPrivateKey::generate(how, &rand::SystemRandom::new()).unwrap();
        let point = there.compute_public_key().unwrap();
        let ours = agreement::UnparsedPublicKey::new(how, bare_point(session, public));
        let shared = agreement::agree_ephemeral(there, &ours, <[u8]>::to_vec).unwrap();
        for public in [point.as_ref().to_vec(), keys::octets(point.as_ref())] {
            let mechanism = Mechanism::Ecdh1 {
                mechanism: CKM_ECDH1_DERIVE,
                kdf: CKD_NULL,
                shared: Vec::new(),
                public,
            };
            let template = [
                Attribute::class(CKO_SECRET_KEY),
                Attribute::key_type(CKK_GENERIC_SECRET),
                Attribute::bool(CKA_SENSITIVE, false),
                Attribute::bool(CKA_EXTRACTABLE, true),
            ];
            let key = session.derive(&mechanism, private, &template).unwrap();
            assert_eq!(session.attribute(key, CKA_VALUE).unwrap().unwrap(), shared, "{curve}");
        }
    }
}
