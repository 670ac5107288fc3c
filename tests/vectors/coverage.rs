//! Nothing is listed that no known answer stands for.
//!
//! An answer counts where it is compared: by the families of this theme, by the module's own vector files, and
//! by `tests/token/known_answers.rs`. Each family fails by itself when a mechanism it answers for is listed
//! and takes nothing, so that the lists joined here are true.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use luna_ck::*;

use crate::token::Token;
use crate::{agreement, derivation, dsa, ecdsa, eddsa, lattices, macs, nist, rsa, symmetric};

/// What depends on chance, or is checked as a part of something else, and how.
static BY_USE: &[(CK_MECHANISM_TYPE, &str)] = &[
    (CKM_DSA_SHA3_224, DSA_SHA3),
    (CKM_DSA_SHA3_256, DSA_SHA3),
    (CKM_DSA_SHA3_384, DSA_SHA3),
    (CKM_DSA_SHA3_512, DSA_SHA3),
    (CKM_EXTMU_ML_DSA, LATTICE),
    (CKM_HASH_ML_DSA, LATTICE),
    (CKM_ML_KEM, LATTICE),
    (CKM_KEY_TRANSLATE, "`tests/token/translations.rs`: RFC 3394, from one of its keys to another"),
];

/// `lattice.txt` and `hash_ml_dsa.txt` name parameter sets and hashes, not these mechanisms.
const LATTICE: &str =
    "compared with its vectors by the module's own tests, `mechanisms::ml_dsa` and `ml_kem`";

const DSA_SHA3: &str =
    "nobody published such a signature: `dsa` verifies the module's own by the digest";

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names in the vector files of the module: lines `mechanism = CKM_…`.
fn in_vector_files() -> BTreeSet<String> {
    let folder = root().join("emulator/src/mechanisms/vectors");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.map(|file| std::fs::read_to_string(file).unwrap()).collect::<Vec<_>>();
    let lines = texts.iter().flat_map(|text| text.lines());
    let names = lines.filter_map(|line| line.strip_prefix("mechanism = "));
    names.map(|name| name.trim().to_owned()).collect()
}

/// Names in the token's known answers.
fn in_known_answers() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("tests/token/known_answers.rs")).unwrap();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("CKM_")).map(str::to_owned).collect()
}

/// Names the families here answer for.
fn here() -> BTreeSet<String> {
    agreement::mechanisms()
        .chain(derivation::mechanisms())
        .chain(dsa::mechanisms())
        .chain(ecdsa::mechanisms())
        .chain(eddsa::mechanisms())
        .chain(lattices::mechanisms())
        .chain(macs::mechanisms())
        .chain(nist::mechanisms())
        .chain(rsa::mechanisms())
        .chain(symmetric::mechanisms())
        .map(names::ckm)
        .map(|name| name.to_string())
        .collect()
}

/// Whether a mechanism only makes keys, of nothing but chance.
fn is_chance(mechanism: CK_MECHANISM_TYPE, flags: CK_FLAGS) -> bool {
    let from_a_password = mechanism == CKM_PKCS5_PBKD2 || names::ckm(mechanism).contains("_PBE_");
    flags & !CKF_HW & !CKF_GENERATE & !CKF_GENERATE_KEY_PAIR == 0 && !from_a_password
}

/// The built-in profiles, as the program lists them.
fn profiles_there_are() -> Vec<String> {
    let mut command = std::process::Command::new(luna_tests::artefacts::program("luna-emulator"));
    let listed = command.args(["profile", "list", "--json"]).output().unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let name = |row: &serde_json::Value| row["name"].as_str().unwrap().to_owned();
    listed["profiles"].as_array().unwrap().iter().map(name).collect()
}

/// In every profile, FIPS mode off: what it takes away is a part of this.
#[test]
fn every_listed_mechanism_has_a_known_answer() {
    let mut answered = here();
    answered.extend(in_vector_files());
    answered.extend(in_known_answers());
    let mut without = BTreeSet::new();
    let mut profiles = 0;
    for profile in profiles_there_are() {
        // With a PED the same mechanisms are offered as without.
        if profile.ends_with("-ped") {
            continue;
        }
        let token = Token::of(&["--profile", &profile, "--fips", "off"]);
        profiles += 1;
        for mechanism in token.listed() {
            let name = names::ckm(mechanism).to_string();
            let by_use = BY_USE.iter().any(|(kind, _)| *kind == mechanism);
            if !by_use && !is_chance(mechanism, token.info(mechanism).flags) {
                without.extend((!answered.contains(&name)).then_some(name));
            }
        }
    }
    assert!(profiles > 0);
    assert!(without.is_empty(), "no known answer for {without:#?}");
}

#[test]
fn what_is_checked_by_use_has_no_answer_to_compare_with() {
    let here = here();
    for (mechanism, how) in BY_USE {
        let name = names::ckm(*mechanism).to_string();
        assert!(!here.contains(&name) && !in_vector_files().contains(&name), "{name}: {how}");
    }
}
