//! The audit log as the Auditor sees it.

use std::path::Path;

use luna_ck::*;
use luna_client::{Pin, Session, UserType};
use luna_tests::scratch;

use super::hsm::*;

/// Categories, as the emulator numbers them.
const FAILURE: usize = 1;
const ACCESS: usize = 4;
const MANAGE: usize = 8;
const KEY_MANAGE: usize = 0x10;
const KEY_USE: usize = 0x20;
const KEY_FIRST_USE: usize = 0x40;
const EXTERNAL: usize = 0x80;

fn with_auditor(options: &[&str]) -> (Hsm, Session) {
    let hsm = Hsm::up(options);
    let words = [slot(hsm.admin), at(AUDITOR.as_bytes()), AUDITOR.len(), at(&[b' '; 32])];
    hsm.ok("CA_InitAudit", &words);
    let auditor = hsm.logged_in(hsm.admin, AUDIT, AUDITOR);
    (hsm, auditor)
}

fn configure(hsm: &Hsm, auditor: &Session, events: usize, path: &Path) {
    let path = format!("{}\0", path.display());
    let words = [session(auditor), events, 0, 0, 0, at(path.as_bytes())];
    hsm.ok("CA_LogSetConfig", &words);
}

/// The lines of the log's only file.
fn lines(directory: &Path) -> Vec<String> {
    let mut files = std::fs::read_dir(directory).unwrap();
    let Some(file) = files.next() else { return Vec::new() };
    let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
    assert!(files.next().is_none());
    text.lines().map(str::to_owned).collect()
}

fn status(hsm: &Hsm) -> [u64; 5] {
    hsm.numbers("CA_LogGetStatus", &[slot(hsm.admin)])
}

#[test]
fn nobody_but_the_auditor() {
    let hsm = Hsm::up(&[]);
    assert_eq!(status(&hsm), [0, 0, 1024, 0, 0]);
    let so = hsm.so();
    let (mut a, mut b, mut c, mut d) = (0_u64, 0_u64, 0_u64, 0_u64);
    let cells = [cell(&mut a), cell(&mut b), cell(&mut c), cell(&mut d), 0];
    let words = [&[session(&so)][..], &cells].concat();
    hsm.refused("CA_LogGetConfig", &words, CKR_LOG_AUDIT_NOT_INITIALIZED);
    let configuration = [session(&so), ACCESS, 0, 0, 0, 0];
    hsm.refused("CA_LogSetConfig", &configuration, CKR_USER_NOT_AUTHORIZED);
    hsm.refused("CA_TimeSync", &[session(&so), 1_700_000_000], CKR_USER_NOT_AUTHORIZED);
    let words = [slot(hsm.admin), at(b"short"), 5, 0];
    hsm.refused("CA_InitAudit", &words, CKR_PIN_LEN_RANGE);
    let words = [slot(hsm.admin), at(AUDITOR.as_bytes()), AUDITOR.len(), 0];
    hsm.ok("CA_InitAudit", &words);
    hsm.refused("CA_InitAudit", &words, CKR_USER_NOT_AUTHORIZED);
    hsm.refused("CA_LogSetConfig", &configuration, CKR_USER_NOT_AUTHORIZED);
    so.logout().unwrap();
    so.login(AUDIT, &Pin::from(AUDITOR)).unwrap();
    assert_eq!(so.info().unwrap().state, CKS_RW_AUDIT_FUNCTIONS);
    hsm.ok("CA_LogSetConfig", &configuration);
    assert_eq!(status(&hsm)[4], ACCESS as u64);
    refused(made_aes(&so, "no keys of his"), CKR_USER_NOT_AUTHORIZED);
    hsm.refused("CA_SetHSMPolicy", &[session(&so), 21, 0], CKR_USER_NOT_AUTHORIZED);
    hsm.refused("CA_LogSetConfig", &[session(&so), 1 << 20, 0, 0, 0, 0], CKR_ARGUMENTS_BAD);
    hsm.refused("CA_LogSetConfig", &[session(&so), 0, 0, 9, 0, 0], CKR_ARGUMENTS_BAD);
    let words = [session(&so), 0, 0, 0, 0, at(b"relative\0")];
    hsm.refused("CA_LogSetConfig", &words, CKR_LOG_BAD_FILE_NAME);
}

#[test]
fn what_was_configured_is_kept() {
    let (hsm, auditor) = with_auditor(&[]);
    let directory = scratch();
    let path = format!("{}\0", directory.path().display());
    let words = [session(&auditor), KEY_USE, 30, 2, 512, at(path.as_bytes())];
    hsm.ok("CA_LogSetConfig", &words);
    drop(auditor);
    let hsm = hsm.restarted();
    let auditor = hsm.logged_in(hsm.admin, AUDIT, AUDITOR);
    let mut text = [9_u8; 256];
    let mut numbers = [0_u64; 4];
    let at = numbers.as_mut_ptr();
    let cells: Vec<usize> = (0..4).map(|cell| at.wrapping_add(cell).expose_provenance()).collect();
    let words = [&[session(&auditor)][..], &cells, &[list(&mut text)]].concat();
    hsm.ok("CA_LogGetConfig", &words);
    assert_eq!(numbers, [KEY_USE as u64, 30, 2, 512]);
    assert!(text.starts_with(path.as_bytes()));
}

/// Each record says who did what with which outcome, and belongs behind the one before it.
#[test]
fn records_are_chained_and_verified() {
    let (hsm, auditor) = with_auditor(&[]);
    let directory = scratch();
    configure(&hsm, &auditor, ACCESS | MANAGE | KEY_MANAGE | KEY_USE, directory.path());
    let officer = hsm.officer();
    let key = aes(&officer, "logged");
    encrypts(&officer, key).unwrap();
    encrypts(&officer, key).unwrap();
    officer.destroy(key).unwrap();
    officer.logout().unwrap();
    let all = lines(directory.path());
    let says = |what: &str| all.iter().filter(|line| line.contains(what)).count();
    assert_eq!((says("|encrypt|"), says("|generate key|"), says("|destroy object|")), (2, 1, 1));
    assert_eq!(says("|Crypto Officer|"), 6, "{all:#?}");
    assert!(all.iter().all(|line| line.contains(&hsm.instance.partitions[0].hsm)));
    let verify = |lines: &[String], chained: usize| {
        let text = lines.join("\n");
        let mut count = 0_u64;
        let words = [session(&auditor), at(text.as_bytes()), text.len(), chained, cell(&mut count)];
        (hsm.call("CA_LogVerify", &words).0, count)
    };
    assert_eq!(verify(&all, 1), (CKR_OK, all.len() as u64));
    let changed: Vec<String> =
        all.iter().map(|line| line.replace("destroy object", "destroy nothing")).collect();
    assert_eq!(verify(&changed, 1).0, CKR_LOG_BAD_RECORD_HMAC);
    let mut gap = all.clone();
    gap.remove(all.len() / 2);
    assert_eq!(verify(&gap, 1).0, CKR_LOG_BAD_RECORD_HMAC);
    assert_eq!(verify(&gap, 0), (CKR_OK, all.len() as u64 - 1));
    let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let name = format!("{}\0", file.display());
    let mut count = 0_u64;
    let words = [session(&auditor), at(name.as_bytes()), cell(&mut count)];
    hsm.ok("CA_LogVerifyFile", &words);
    assert_eq!(count as usize, lines(directory.path()).len());
    let words = [session(&auditor), at(b"/nowhere/at-all\0"), cell(&mut count)];
    hsm.refused("CA_LogVerifyFile", &words, CKR_LOG_FILE_NOT_OPEN);
    // No password and no key is in the log.
    assert!(all.iter().all(|line| !line.contains(luna_tests::CRYPTO_OFFICER)));
}

#[test]
fn categories_are_kept_apart() {
    let (hsm, auditor) = with_auditor(&[]);
    let directory = scratch();
    configure(&hsm, &auditor, KEY_FIRST_USE, directory.path());
    let officer = hsm.officer();
    let (one, two) = (aes(&officer, "one"), aes(&officer, "two"));
    for key in [one, one, two, one, two] {
        encrypts(&officer, key).unwrap();
    }
    assert_eq!(lines(directory.path()).len(), 2, "each key once");
    configure(&hsm, &auditor, FAILURE | ACCESS, directory.path());
    officer.logout().unwrap();
    refused(officer.login(UserType::CRYPTO_USER, &Pin::from("wrong-password")), CKR_PIN_INCORRECT);
    officer.login(UserType::CRYPTO_OFFICER, &Pin::from(luna_tests::CRYPTO_OFFICER)).unwrap();
    let all = lines(directory.path());
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(all[2].contains("|login|") && all[2].contains("CKR_PIN_INCORRECT"), "{}", all[2]);
    // A line of the application's, which cannot pass for a record.
    configure(&hsm, &auditor, EXTERNAL, directory.path());
    let text = b"payroll|run\nof May";
    let words = [slot(hsm.user), session(&officer), at(text), text.len()];
    hsm.ok("CA_LogExternal", &words);
    let all = lines(directory.path());
    assert_eq!(all.len(), 4);
    assert!(all[3].contains("payroll.run.of May"));
    let words = [slot(hsm.admin), session(&officer), at(text), text.len()];
    hsm.refused("CA_LogExternal", &words, CKR_SLOT_ID_INVALID);
    // Nothing configured, nothing kept.
    configure(&hsm, &auditor, 0, directory.path());
    encrypts(&officer, one).unwrap();
    assert_eq!(lines(directory.path()).len(), 4);
}

/// Where records cannot leave, the HSM fills up and refuses what it could not log; other members of a
/// group are not asked for it.
#[test]
fn a_full_log_blocks() {
    let (hsm, auditor) = with_auditor(&[]);
    let officer = hsm.officer();
    let key = aes(&officer, "busy");
    let words = [session(&auditor), KEY_USE, 0, 0, 0, 0];
    hsm.ok("CA_LogSetConfig", &words);
    for _ in 0..1024 {
        encrypts(&officer, key).unwrap();
    }
    let [_, records, most, last, _] = status(&hsm);
    assert_eq!((records, most, last), (1024, 1024, 1024));
    refused(encrypts(&officer, key), CKR_LOG_FULL);
    // What is not logged goes on; who administers the log gets in.
    aes(&officer, "not logged");
    drop(auditor);
    let auditor = hsm.logged_in(hsm.admin, AUDIT, AUDITOR);
    let directory = scratch();
    configure(&hsm, &auditor, KEY_USE, directory.path());
    encrypts(&officer, key).unwrap();
    assert_eq!(lines(directory.path()).len(), 1025);
    assert_eq!(status(&hsm)[1], 0);
    // A directory that is gone fills it again.
    directory.close().unwrap();
    encrypts(&officer, key).unwrap();
    assert_eq!(status(&hsm)[1], 1);
}

/// Another HSM of the same domain verifies what it is given the secret of.
#[test]
fn a_log_is_verified_elsewhere() {
    let (one, auditor) = with_auditor(&[]);
    let directory = scratch();
    configure(&one, &auditor, KEY_MANAGE, directory.path());
    aes(&one.officer(), "logged");
    let text = lines(directory.path()).join("\n");
    let secret = one.bytes("CA_LogExportSecret", &[session(&auditor)]);
    let (two, elsewhere) = with_auditor(&[]);
    let mut count = 0_u64;
    let words = [session(&elsewhere), at(text.as_bytes()), text.len(), 1, cell(&mut count)];
    two.refused("CA_LogVerify", &words, CKR_LOG_BAD_RECORD_HMAC);
    let damaged = [&secret[..secret.len() - 1], &[secret[secret.len() - 1] ^ 1]].concat();
    let import = |blob: &[u8]| [session(&elsewhere), at(blob), blob.len()];
    two.refused("CA_LogImportSecret", &import(&damaged), CKR_LOG_NO_KCV);
    two.ok("CA_LogImportSecret", &import(&secret));
    two.ok("CA_LogVerify", &words);
    assert_eq!(count, 1);
}

#[test]
fn the_clock_is_the_auditors() {
    let (hsm, auditor) = with_auditor(&[]);
    let officer = hsm.officer();
    let time = |of: &Session| hsm.numbers::<1>("CA_GetTime", &[session(of)])[0];
    assert!(time(&officer) > 1_600_000_000 && time(&auditor) >= time(&officer));
    hsm.ok("CA_TimeSync", &[session(&auditor), 1_500_000_000]);
    let shown = time(&officer);
    assert!((1_500_000_000..1_500_003_600).contains(&shown), "{shown}");
    hsm.refused("CA_TimeSync", &[session(&auditor), 0], CKR_LOG_BAD_TIME);
    hsm.refused("CA_TimeSync", &[session(&officer), 5], CKR_USER_NOT_AUTHORIZED);
}

/// Three wrong ones, and the Auditor waits; nothing is lost, and others work on.
#[test]
fn the_auditor_waits_after_three_wrong_ones() {
    let (hsm, auditor) = with_auditor(&[]);
    auditor.logout().unwrap();
    let wrong = Pin::from("wrong-password");
    for _ in 0..2 {
        refused(auditor.login(AUDIT, &wrong), CKR_PIN_INCORRECT);
    }
    refused(auditor.login(AUDIT, &wrong), CKR_AUDIT_LOGIN_FAILURE_THRESHOLD);
    drop(auditor);
    let hsm = hsm.restarted();
    let session = hsm.open(hsm.admin);
    for pin in [&Pin::from(AUDITOR), &wrong] {
        refused(session.login(AUDIT, pin), CKR_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS);
    }
    hsm.officer();
    session.login(UserType::PARTITION_SO, &Pin::from(HSM_SO)).unwrap();
}
