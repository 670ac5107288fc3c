//! A message in parts gives what the whole message gives, for every mechanism a token lists.

use luna_ck::*;
use luna_client::{Mechanism, Result, Session};

use crate::samples::{self, Keys};
use crate::token::{Kind, Token, refused_as};

/// Ways to cut a message: the length of each part, the last as long as it takes.
const CUTS: [&[usize]; 5] = [&[], &[1, 15], &[16, 16, 1], &[0, 33, 0, 31], &[7, 7, 7, 7, 7]];

/// The parts of a message, and what is left of it.
fn parts<'a>(message: &'a [u8], cut: &[usize]) -> Vec<&'a [u8]> {
    let mut left = message;
    let mut parts = Vec::new();
    for len in cut {
        let (part, rest) = left.split_at((*len).min(left.len()));
        parts.push(part);
        left = rest;
    }
    parts.push(left);
    parts
}

fn encrypted(session: &Session, data: &[u8], cut: &[usize]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for part in parts(data, cut) {
        out.extend(session.encrypt_update(part)?);
    }
    out.extend(session.encrypt_final()?);
    Ok(out)
}

fn decrypted(session: &Session, data: &[u8], cut: &[usize]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for part in parts(data, cut) {
        out.extend(session.decrypt_update(part)?);
    }
    out.extend(session.decrypt_final()?);
    Ok(out)
}

fn ciphers(kind: Kind) {
    let token = Token::up(kind);
    let session = &token.session;
    let keys = Keys::of(session);
    for (mechanism, _) in samples::listed(&token, CKF_ENCRYPT) {
        let name = names::ckm(mechanism);
        let sample = samples::cipher(mechanism, kind, &keys);
        let whole = session.encrypt(&sample.mechanism, sample.public, &sample.data);
        let whole = whole.unwrap_or_else(|error| panic!("{kind:?} {name}: {error}"));
        for cut in CUTS {
            let case = format!("{kind:?} {name} {cut:?}");
            session.encrypt_init(&sample.mechanism, sample.public).unwrap();
            let sealed = encrypted(session, &sample.data, cut);
            let sealed = sealed.unwrap_or_else(|error| panic!("{case}: {error}"));
            if sample.repeats {
                assert_eq!(sealed, whole, "{case}");
            }
            let (with, sealed) = sample.to_decrypt(&sealed);
            assert_eq!(
                session.decrypt(&with, sample.private, &sealed).unwrap(),
                sample.data,
                "{case}"
            );
            session.decrypt_init(&with, sample.private).unwrap();
            let opened = decrypted(session, &sealed, cut);
            assert_eq!(
                opened.unwrap_or_else(|error| panic!("{case}: {error}")),
                sample.data,
                "{case}"
            );
        }
    }
}

#[test]
fn ciphers_of_a_plain_token() {
    ciphers(Kind::Plain);
}

#[test]
fn ciphers_of_a_fips_token() {
    ciphers(Kind::Fips);
}

#[test]
fn ciphers_of_a_group() {
    ciphers(Kind::Group);
}

fn signatures(kind: Kind) {
    let token = Token::up(kind);
    let session = &token.session;
    let keys = Keys::of(session);
    for mechanism in samples::signing(&token) {
        let sample = samples::signature(mechanism, &keys);
        let name = format!("{kind:?} {}", names::ckm(mechanism));
        let whole = session.sign(&sample.mechanism, sample.private, &sample.data);
        let whole = whole.unwrap_or_else(|error| panic!("{name}: {error}"));
        for cut in CUTS {
            session.sign_init(&sample.mechanism, sample.private).unwrap();
            for part in parts(&sample.data, cut) {
                session.sign_update(part).unwrap();
            }
            let signature = session.sign_final().unwrap();
            if sample.repeats {
                assert_eq!(signature, whole, "{name} {cut:?}");
            }
            for signature in [&signature, &whole] {
                verify_both_ways(session, &sample, signature, cut, &name);
            }
        }
        wrong_signatures(session, &sample, &whole, &name);
    }
}

fn verify_both_ways(
    session: &Session,
    sample: &samples::Sample,
    signature: &[u8],
    cut: &[usize],
    name: &str,
) {
    let whole = session.verify(&sample.mechanism, sample.public, &sample.data, signature);
    whole.unwrap_or_else(|error| panic!("{name}: {error}"));
    session.verify_init(&sample.mechanism, sample.public).unwrap();
    for part in parts(&sample.data, cut) {
        session.verify_update(part).unwrap();
    }
    session.verify_final(signature).unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Never CKR_DEVICE_ERROR: a bad signature is the caller's.
fn wrong_signatures(session: &Session, sample: &samples::Sample, signature: &[u8], name: &str) {
    let verify = |data: &[u8], signature: &[u8]| {
        session.verify(&sample.mechanism, sample.public, data, signature)
    };
    let mut other = sample.data.clone();
    other[3] ^= 1;
    refused_as(verify(&other, signature), CKR_SIGNATURE_INVALID, &name);
    let mut bent = signature.to_vec();
    *bent.last_mut().unwrap() ^= 1;
    refused_as(verify(&sample.data, &bent), CKR_SIGNATURE_INVALID, &name);
    let zeros = vec![0; signature.len()];
    refused_as(verify(&sample.data, &zeros), CKR_SIGNATURE_INVALID, &name);
    let longer = [signature, &[0, 0]].concat();
    refused_as(verify(&sample.data, &longer), CKR_SIGNATURE_LEN_RANGE, &name);
    refused_as(verify(&sample.data, &[]), CKR_SIGNATURE_LEN_RANGE, &name);
    let shorter = &signature[..signature.len() - 1];
    refused_as(verify(&sample.data, shorter), CKR_SIGNATURE_LEN_RANGE, &name);
}

#[test]
fn signatures_of_the_newest_firmware() {
    signatures(Kind::Newest);
}

#[test]
fn signatures_of_a_fips_token() {
    signatures(Kind::Fips);
}

#[test]
fn signatures_of_a_group() {
    signatures(Kind::Group);
}

#[test]
fn digests() {
    for kind in Kind::ALL.into_iter().chain([Kind::Newest]) {
        let token = Token::up(kind);
        let session = &token.session;
        for (mechanism, _) in samples::listed(&token, CKF_DIGEST) {
            let mechanism = samples::digest(mechanism);
            let whole = session.digest(&mechanism, &samples::text()).unwrap();
            for cut in CUTS {
                session.digest_init(&mechanism).unwrap();
                for part in parts(&samples::text(), cut) {
                    session.digest_update(part).unwrap();
                }
                assert_eq!(session.digest_final().unwrap(), whole, "{mechanism:?} {cut:?}");
            }
        }
    }
}

/// A long raw ECDSA input in two parts: the leftmost bits are signed, as the whole digest cut by hand.
#[test]
fn raw_ecdsa_takes_two_long_parts_and_shortens_them() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let keys = Keys::of(session);
    let mechanism = Mechanism::Plain(CKM_ECDSA);
    let part = [0x5a; 1024];
    session.sign_init(&mechanism, keys.ec.1).unwrap();
    session.sign_update(&part).unwrap();
    session.sign_update(&part).unwrap();
    let signature = session.sign_final().unwrap();
    session.verify(&mechanism, keys.ec.0, &part[..32], &signature).unwrap();
    session.verify_init(&mechanism, keys.ec.0).unwrap();
    session.verify_update(&part).unwrap();
    session.verify_update(&part).unwrap();
    session.verify_final(&signature).unwrap();
    let signature = session.sign(&mechanism, keys.ec.1, &part[..33]).unwrap();
    session.verify(&mechanism, keys.ec.0, &part[..32], &signature).unwrap();
}

/// A function a mechanism does not have here is refused, and only that.
#[test]
fn functions_a_mechanism_does_not_list_are_refused() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let keys = Keys::of(session);
        let mut barred = 0;
        for (mechanism, flags) in samples::listed(&token, CKF_VERIFY) {
            if flags & CKF_SIGN == 0 {
                let sample = samples::signature(mechanism, &keys);
                let begun = session.sign_init(&sample.mechanism, sample.private);
                refused_as(begun, CKR_MECHANISM_INVALID, &names::ckm(mechanism));
                session.verify_init(&sample.mechanism, sample.public).unwrap();
                let verified = session.verify_final(&[1; 64]);
                assert!(verified.is_err());
                barred += 1;
            }
            if flags & CKF_ENCRYPT == 0 {
                let begun = session.encrypt_init(&Mechanism::Plain(mechanism), keys.aes);
                assert!(begun.is_err(), "{}", names::ckm(mechanism));
            }
        }
        assert_eq!(
            barred > 0,
            kind.is_fips(),
            "FIPS mode verifies SHA-1 signatures and makes none"
        );
    }
}
