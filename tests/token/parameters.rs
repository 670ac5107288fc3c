//! Parameters of mechanisms that are not what the mechanism takes.
//!
//! PKCS#11 v2.40: a wrong parameter is CKR_MECHANISM_PARAM_INVALID, never CKR_MECHANISM_INVALID.

use luna_ck::*;
use luna_client::{Mechanism, Rv};

use crate::keys;
use crate::raw;
use crate::samples::Keys;
use crate::token::{Kind, Token, refused, refused_as};

const WRONG: Rv = Rv(CKR_MECHANISM_PARAM_INVALID);

#[test]
fn ivs_of_another_length() {
    let token = Token::up(Kind::Plain);
    let key = keys::aes(&token.session, &[1; 16]);
    for kind in [CKM_AES_CBC, CKM_AES_CBC_PAD] {
        for len in [0, 1, 8, 15, 17, 32] {
            let mechanism = Mechanism::Bytes(kind, vec![0; len]);
            refused_as(
                token.session.encrypt_init(&mechanism, key),
                CKR_MECHANISM_PARAM_INVALID,
                &len,
            );
        }
        assert_eq!(raw::encrypt_init(&token.session, kind, None, key), WRONG);
    }
}

#[test]
fn a_parameter_for_a_mechanism_that_takes_none() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let keys = Keys::of(session);
    let with = |kind| Mechanism::Bytes(kind, vec![1; 8]);
    refused(session.digest_init(&with(CKM_SHA256)), CKR_MECHANISM_PARAM_INVALID);
    for (kind, key) in [
        (CKM_SHA256_RSA_PKCS, keys.rsa.1),
        (CKM_ECDSA, keys.ec.1),
        (CKM_SHA256_HMAC, keys.generic),
        (CKM_AES_CMAC, keys.aes),
    ] {
        let begun = session.sign_init(&with(kind), key);
        refused_as(begun, CKR_MECHANISM_PARAM_INVALID, &names::ckm(kind));
    }
    let begun = session.encrypt_init(&with(CKM_AES_ECB), keys.aes);
    refused(begun, CKR_MECHANISM_PARAM_INVALID);
    let made = session.generate_key(&with(CKM_AES_KEY_GEN), &[]);
    refused(made, CKR_MECHANISM_PARAM_INVALID);
}

/// The size of a structure with something missing, or something more.
#[test]
fn structures_of_another_length() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let keys = Keys::of(session);
    for (kind, key) in
        [(CKM_AES_GCM, keys.aes), (CKM_AES_CTR, keys.aes), (CKM_RSA_PKCS_OAEP, keys.rsa.0)]
    {
        for len in [1, 8, 23, 25, 39, 41, 47, 49, 64] {
            // All zeros: no pointer can be followed.
            let begun = raw::encrypt_init(session, kind, Some(&mut vec![0; len]), key);
            assert_eq!(begun, WRONG, "{} with {len}", names::ckm(kind));
        }
        assert_eq!(raw::encrypt_init(session, kind, None, key), WRONG, "{}", names::ckm(kind));
    }
}

/// Null pointers with a length beside them.
#[test]
fn null_pointers_with_a_length() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let keys = Keys::of(session);
    let structure = |numbers: &[u64]| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
    };
    let refusals = [WRONG, Rv(CKR_ARGUMENTS_BAD)];
    for len in [12, 1 << 32, u64::MAX] {
        for (kind, key, mut parameter) in [
            // pIv, ulIvLen, ulIvBits, pAAD, ulAADLen, ulTagBits
            (CKM_AES_GCM, keys.aes, structure(&[0, len, 96, 0, 0, 128])),
            (CKM_AES_GCM, keys.aes, structure(&[0, 0, 0, 0, len, 128])),
            // hashAlg, mgf, source, pSourceData, ulSourceDataLen
            (
                CKM_RSA_PKCS_OAEP,
                keys.rsa.0,
                structure(&[CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, 0, len]),
            ),
        ] {
            let begun = raw::encrypt_init(session, kind, Some(&mut parameter), key);
            assert!(refusals.contains(&begun), "{} {len}: {begun:?}", names::ckm(kind));
        }
    }
    // Nothing of no length is legal.
    let mut empty = structure(&[CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, 0, 0]);
    let begun = raw::encrypt_init(session, CKM_RSA_PKCS_OAEP, Some(&mut empty), keys.rsa.0);
    assert_eq!(begun, Rv(CKR_OK));
}

#[test]
fn hashes_and_masks_that_do_not_fit() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (public, private) = keys::rsa(session);
    let pss = |mechanism, hash, mgf| Mechanism::RsaPss { mechanism, hash, mgf, salt_len: 20 };
    for mechanism in [
        pss(CKM_RSA_PKCS_PSS, CKM_AES_GCM, CKG_MGF1_SHA256),
        pss(CKM_RSA_PKCS_PSS, CKM_SHA256, 99),
        pss(CKM_RSA_PKCS_PSS, 0, 0),
        pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA384),
    ] {
        let begun = session.sign_init(&mechanism, private);
        refused_as(begun, CKR_MECHANISM_PARAM_INVALID, &mechanism);
    }
    for (hash, mgf) in [(CKM_AES_ECB, CKG_MGF1_SHA256), (CKM_SHA256, 0), (0, CKG_MGF1_SHA1)] {
        let mechanism = Mechanism::RsaOaep { hash, mgf, source: Vec::new() };
        let begun = session.encrypt_init(&mechanism, public);
        refused_as(begun, CKR_MECHANISM_PARAM_INVALID, &mechanism);
    }
}

#[test]
fn counters_and_lengths_out_of_bounds() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let keys = Keys::of(session);
    for bits in [0, 129, 1 << 32, CK_ULONG::MAX] {
        let mechanism = Mechanism::AesCtr { counter_bits: bits, block: [0; 16] };
        let begun = session.encrypt_init(&mechanism, keys.aes);
        refused_as(begun, CKR_MECHANISM_PARAM_INVALID, &bits);
    }
    for len in [33, 1 << 32, CK_ULONG::MAX] {
        let begun =
            session.sign_init(&Mechanism::ulong(CKM_SHA256_HMAC_GENERAL, len), keys.generic);
        refused_as(begun, CKR_MECHANISM_PARAM_INVALID, &len);
    }
}

/// A counter never comes round: the key stream would repeat. The last block before that is still there.
#[test]
fn counters_do_not_come_round() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let key = keys::aes(session, &[1; 16]);
    for counter_bits in [8, 16, 32, 128] {
        let mechanism = Mechanism::AesCtr { counter_bits, block: [0xff; 16] };
        let sealed = session.encrypt(&mechanism, key, &[0; 16]);
        let sealed = sealed.unwrap_or_else(|error| panic!("{counter_bits} bits: {error}"));
        let block = session.encrypt(&Mechanism::Plain(CKM_AES_ECB), key, &[0xff; 16]).unwrap();
        assert_eq!(sealed, block, "{counter_bits} bits");
        let answer = session.encrypt(&mechanism, key, &[0; 17]);
        refused_as(answer, CKR_DATA_LEN_RANGE, &counter_bits);
    }
}

#[test]
fn a_mechanism_nobody_has() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let keys = Keys::of(session);
        for number in [0x7fff_ffff, CKM_VENDOR_DEFINED + 0x0fff_0000, CK_ULONG::MAX] {
            let mechanism = Mechanism::Plain(number);
            refused(session.digest_init(&mechanism), CKR_MECHANISM_INVALID);
            refused(session.encrypt_init(&mechanism, keys.aes), CKR_MECHANISM_INVALID);
            refused(session.sign_init(&mechanism, keys.ec.1), CKR_MECHANISM_INVALID);
            refused(session.generate_key(&mechanism, &[]), CKR_MECHANISM_INVALID);
            refused(session.generate_key_pair(&mechanism, &[], &[]), CKR_MECHANISM_INVALID);
            let info = token.context.mechanism_info(token.slot, number);
            refused(info, CKR_MECHANISM_INVALID);
        }
    }
}

/// Raw RSA and key generation by PKCS#1 and X9.31 are not for FIPS mode.
#[test]
fn what_fips_mode_bars_is_not_listed_and_refused() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let keys = Keys::of(session);
    let listed = token.context.mechanisms(token.slot).unwrap();
    for barred in [CKM_RSA_X_509, CKM_SHA256_KEY_DERIVATION, CKM_DES_ECB, CKM_MD5] {
        assert!(!listed.contains(&barred), "{}", names::ckm(barred));
    }
    let raw_rsa = Mechanism::Plain(CKM_RSA_X_509);
    refused(session.sign_init(&raw_rsa, keys.rsa.1), CKR_MECHANISM_INVALID);
    refused(session.encrypt_init(&raw_rsa, keys.rsa.0), CKR_MECHANISM_INVALID);
    refused(session.wrap(&raw_rsa, keys.rsa.0, keys.aes), CKR_MECHANISM_INVALID);
    let derived = session.derive(&Mechanism::Plain(CKM_SHA256_KEY_DERIVATION), keys.generic, &[]);
    refused(derived, CKR_MECHANISM_INVALID);
}
