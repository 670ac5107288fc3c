//! The device: zeroisation, tamper, transport, tests, licences, statistics and metrics.

use luna_ck::*;
use luna_client::{Mechanism, Pin, PolicyValue, UserType};
use luna_tests::CRYPTO_OFFICER;

use super::hsm::*;

/// Keys and roles go, policies stay; after a factory reset they do not.
#[test]
fn zeroised_and_reset() {
    let hsm = Hsm::up(&[]);
    for name in ["CA_Zeroize", "CA_FactoryReset"] {
        hsm.refused(name, &[slot(hsm.user), 0], CKR_FUNCTION_NOT_SUPPORTED);
    }
    let so = hsm.so();
    hsm.ok("CA_SetHSMPolicy", &[session(&so), 21, 0]);
    hsm.container(&so, "second");
    let officer = hsm.officer();
    aes(&officer, "lost");
    hsm.ok("CA_Zeroize", &[slot(hsm.admin), 0]);
    assert_eq!(hsm.context.slots(true).unwrap(), [hsm.admin], "no partition is left");
    assert!(!hsm.context.token_info(hsm.admin).unwrap().initialized());
    assert_eq!(hsm.hsm_policy(21), 0, "policies stay");
    let hsm = hsm.restarted_without_partitions();
    let nobody = hsm.open(hsm.admin);
    let wrong = nobody.login(UserType::PARTITION_SO, &Pin::from(HSM_SO));
    refused(wrong, CKR_USER_PIN_NOT_INITIALIZED);
    nobody.close().unwrap();
    hsm.ok("CA_FactoryReset", &[slot(hsm.admin), 0]);
    assert_eq!(hsm.hsm_policy(21), 1);
    // A session for a security officer does not keep him from being made, once; any other does.
    let init = || hsm.context.init_token(hsm.admin, Some(&Pin::from(HSM_SO)), "again");
    let plain = hsm.open(hsm.admin);
    refused(init(), CKR_SESSION_EXISTS);
    plain.close().unwrap();
    let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION | CKF_SO_SESSION;
    let mut own: CK_SESSION_HANDLE = 0;
    hsm.ok("C_OpenSession", &[slot(hsm.admin), flags as usize, 0, 0, cell(&mut own)]);
    init().unwrap();
    refused(init(), CKR_SESSION_EXISTS);
    let words = [own as usize, CKU_SO as usize, at(HSM_SO.as_bytes()), HSM_SO.len()];
    // It ended with what was there before; the vendor's tests close all and open anew.
    hsm.refused("C_Login", &words, CKR_SESSION_HANDLE_INVALID);
    hsm.context.close_all_sessions(hsm.admin).unwrap();
    let so = hsm.so();
    assert_eq!(hsm.container(&so, "first"), 1);
}

/// Three wrong ones of the HSM SO, in several lives of the process.
#[test]
fn three_wrong_ones_of_the_hsm_so_zeroise_the_hsm() {
    let hsm = Hsm::up(&[]);
    let officer = hsm.officer();
    aes(&officer, "lost");
    let wrong = Pin::from("wrong-password");
    let session = hsm.open(hsm.admin);
    for _ in 0..2 {
        refused(session.login(UserType::PARTITION_SO, &wrong), CKR_PIN_INCORRECT);
    }
    session.login(UserType::PARTITION_SO, &Pin::from(HSM_SO)).unwrap();
    session.logout().unwrap();
    for left in [2, 1] {
        refused(session.login(UserType::PARTITION_SO, &wrong), CKR_PIN_INCORRECT);
        let state = hsm.context.role_state(hsm.admin, UserType::PARTITION_SO).unwrap();
        assert_eq!(state.login_attempts_left, left);
    }
    drop((session, officer));
    let hsm = hsm.restarted();
    let session = hsm.open(hsm.admin);
    refused(session.login(UserType::PARTITION_SO, &wrong), CKR_SO_LOGIN_FAILURE_THRESHOLD);
    assert_eq!(hsm.context.slots(true).unwrap(), [hsm.admin]);
    let late = hsm.open(hsm.admin).login(UserType::PARTITION_SO, &Pin::from(HSM_SO));
    refused(late, CKR_USER_PIN_NOT_INITIALIZED);
}

#[test]
fn restarts_end_sessions() {
    let hsm = Hsm::up(&[]);
    let [before] = hsm.numbers("CA_GetTokenInsertionCount", &[slot(hsm.admin)]);
    let officer = hsm.officer();
    hsm.ok("CA_Restart", &[slot(hsm.user)]);
    refused(officer.info(), CKR_SESSION_HANDLE_INVALID);
    let officer = hsm.officer();
    hsm.ok("CA_RestartForContainer", &[slot(hsm.user), 1]);
    refused(officer.info(), CKR_SESSION_HANDLE_INVALID);
    // The whole HSM: whoever was logged in anywhere is not any more.
    let officer = hsm.officer();
    let so = hsm.so();
    hsm.refused("CA_ResetDevice", &[slot(hsm.user), 0], CKR_FUNCTION_NOT_SUPPORTED);
    hsm.ok("CA_ResetDevice", &[slot(hsm.admin), 0]);
    assert!(made_aes(&officer, "late").is_err() && so.info().is_err());
    let [after] = hsm.numbers("CA_GetTokenInsertionCount", &[slot(hsm.admin)]);
    assert_eq!(after, before + 1);
    hsm.context.close_all_sessions(hsm.user).unwrap();
    aes(&hsm.officer(), "after it");
}

#[test]
fn self_tests() {
    let hsm = Hsm::up(&[]);
    let data = [7; 1000];
    for number in [1, 2, 7] {
        let mut len = 9_u64;
        let words = [slot(hsm.user), number, at(&data), data.len(), 0, cell(&mut len)];
        hsm.ok("CA_PerformSelfTest", &words);
        assert_eq!(len, 0);
    }
    let mut len = 0_u64;
    let words = [slot(hsm.user), 99, 0, 0, 0, cell(&mut len)];
    hsm.refused("CA_PerformSelfTest", &words, CKR_ARGUMENTS_BAD);
}

/// Without its master tamper key the HSM does nothing.
#[test]
fn the_master_tamper_key() {
    let hsm = Hsm::up(&[]);
    let admin = slot(hsm.admin);
    hsm.ok("CA_MTKRestore", &[admin]);
    hsm.ok("CA_MTKResplit", &[admin]);
    let officer = hsm.officer();
    hsm.ok("CA_MTKZeroize", &[admin]);
    assert_eq!(hsm.numbers::<1>("CA_MTKGetState", &[admin]), [4]);
    let [vector] = hsm.numbers("CA_GetTSV", &[admin]);
    assert_ne!(vector & 0x40, 0, "the key is missing");
    assert!(made_aes(&officer, "late").is_err());
    hsm.refused("CA_MTKResplit", &[admin], CKR_MTK_ZEROIZED);
    let late = hsm.open(hsm.user);
    let officers = || late.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER));
    refused(officers(), CKR_MTK_ZEROIZED);
    hsm.ok("CA_MTKRestore", &[admin]);
    assert_eq!(hsm.numbers::<1>("CA_MTKGetState", &[admin]), [0]);
    officers().unwrap();
    let so = hsm.so();
    hsm.ok("CA_MTKSetStorage", &[session(&so), 0]);
    hsm.refused("CA_MTKSetStorage", &[session(&so), 1], CKR_MTK_STATE_INVALID);
    hsm.refused("CA_MTKZeroize", &[slot(hsm.user)], CKR_FUNCTION_NOT_SUPPORTED);
}

#[test]
fn secure_transport_mode() {
    let hsm = Hsm::up(&[]);
    let so = hsm.so();
    assert_eq!(hsm.numbers::<1>("CA_STMGetState", &[slot(hsm.admin)]), [0]);
    let told = |enter: usize, user: &[u8]| -> Vec<u8> {
        let mut text = [0_u8; 16];
        let mut len = 16_u64;
        let words = [session(&so), enter, user.len(), at(user), cell(&mut len), list(&mut text)];
        hsm.ok("CA_STMToggle", &words);
        text[..len as usize].to_vec()
    };
    let sent = told(1, b"as we agreed");
    assert_eq!(hsm.numbers::<1>("CA_STMGetState", &[slot(hsm.admin)]), [4]);
    let session = hsm.open(hsm.user);
    let officers = || session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER));
    refused(officers(), CKR_CMD_NOT_ALLOWED_HSM_IN_TRANSPORT);
    // The same string says that it is the same HSM; another one another.
    assert_eq!(told(0, b"as we agreed"), sent);
    assert_ne!(told(1, b"something else"), sent);
    let _ = told(0, b"whatever");
    officers().unwrap();
    let (mut text, mut len) = ([0_u8; 16], 16_u64);
    let words = [self::session(&so), 0, 0, 0, cell(&mut len), list(&mut text)];
    hsm.refused("CA_STMToggle", &words, CKR_CONFIG_ILLEGAL);
}

/// Policy 48: the HSM SO has to clear a tamper before anybody works.
#[test]
fn a_tampered_hsm_waits_for_its_so() {
    let hsm = Hsm::up(&[]);
    let so = hsm.so();
    hsm.refused("CA_TamperClear", &[session(&so)], CKR_OPERATION_NOT_ALLOWED);
    drop(so);
    hsm.instance.member("tamper", 0);
    let session_of = hsm.open(hsm.user);
    let officers = || session_of.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER));
    refused(officers(), CKR_HSM_TAMPERED);
    let [vector] = hsm.numbers("CA_GetTSV", &[slot(hsm.admin)]);
    assert_eq!(vector & 0xf, 3, "an error");
    let so = hsm.so();
    hsm.ok("CA_TamperClear", &[session(&so)]);
    officers().unwrap();
    assert_eq!(hsm.numbers::<1>("CA_GetTSV", &[slot(hsm.admin)])[0] & 0xf, 2);
    session_of.logout().unwrap();
    // Policy 48 off: nobody has to clear anything. Policy 40 on: nothing is left.
    hsm.ok("CA_SetHSMPolicy", &[session(&so), 48, 0]);
    hsm.instance.member("tamper", 0);
    hsm.context.close_all_sessions(hsm.user).unwrap();
    hsm.officer();
    hsm.context.close_all_sessions(hsm.admin).unwrap();
    let so = hsm.so();
    hsm.ok("CA_SetDestructiveHSMPolicy", &[session(&so), 40, 1]);
    hsm.context.close_all_sessions(hsm.admin).unwrap();
    hsm.context.init_token(hsm.admin, Some(&Pin::from(HSM_SO)), "again").unwrap();
    let so = hsm.so();
    let number = hsm.container(&so, "decommissioned");
    let own = hsm.slot_of(number);
    drop(so);
    hsm.tamper_hsm();
    assert!(!hsm.context.slots(true).unwrap().contains(&own));
    assert!(!hsm.context.token_info(hsm.admin).unwrap().initialized());
}

#[test]
fn licences_and_statistics() {
    let hsm = Hsm::up(&[]);
    let admin = slot(hsm.admin);
    let mut count = 0_u64;
    hsm.ok("CA_RetrieveLicenseList", &[admin, cell(&mut count), 0]);
    let mut words = vec![0_u64; count as usize];
    hsm.ok("CA_RetrieveLicenseList", &[admin, cell(&mut count), list(&mut words)]);
    assert!(count > 0 && count.is_multiple_of(2));
    for pair in words.chunks(2) {
        let (mut kind, mut version, mut other, mut text) = (0_u64, 0_u64, 0_u64, [0_u8; 60]);
        let cells = [cell(&mut kind), cell(&mut version), cell(&mut other), list(&mut text)];
        let asked = [&[admin, pair[0] as usize, pair[1] as usize][..], &cells].concat();
        hsm.ok("CA_QueryLicense", &asked);
        assert!(text[0] != 0 && text.contains(&0));
    }
    let (mut a, mut b, mut c, mut text) = (0_u64, 0_u64, 0_u64, [0_u8; 60]);
    let words = [admin, 1, 0, cell(&mut a), cell(&mut b), cell(&mut c), list(&mut text)];
    hsm.refused("CA_QueryLicense", &words, CKR_ARGUMENTS_BAD);
    let mut ids = [1_u64, 2, 3, 4];
    let mut stats = [HSM_STATS_PARAMS::default(); 4];
    hsm.ok("CA_GetHSMStats", &[admin, 4, list(&mut ids), list(&mut stats)]);
    let value = |at: usize| stats[at].ulHighValue << 32 | stats[at].ulLowValue;
    assert!(value(0) > 1_600_000_000 && value(3) > 0);
    let words = [admin, 1, list(&mut [77_u64]), list(&mut stats)];
    hsm.refused("CA_GetHSMStats", &words, CKR_ARGUMENTS_BAD);
    assert_eq!(hsm.numbers::<1>("CA_GetRollbackFirmwareVersion", &[admin]), [0]);
}

/// Policy 49: operations are counted, of every process.
#[test]
fn utilization_metrics() {
    let hsm = Hsm::up(&[]);
    let so = hsm.so();
    let read = |of: usize| -> Vec<CK_UTILIZATION_COUNTER> {
        let mut count = 0_u64;
        hsm.ok("CA_ReadAllUtilizationCounters", &[of, 0, cell(&mut count)]);
        let blank = CK_UTILIZATION_COUNTER {
            ullSerialNumber: 0,
            label: [0; 66],
            ulBindId: 0,
            ulCounterId: 0,
            ullCount: 0,
        };
        let mut all = vec![blank; count as usize];
        hsm.ok("CA_ReadAllUtilizationCounters", &[of, list(&mut all), cell(&mut count)]);
        all
    };
    let admin = session(&so);
    hsm.refused("CA_ReadUtilizationMetrics", &[admin], CKR_INVALID_UTILIZATION_METRICS);
    let officer = hsm.officer();
    let key = aes(&officer, "not counted");
    hsm.ok("CA_SetHSMPolicy", &[admin, 49, 1]);
    let counted = aes(&officer, "counted");
    for _ in 0..3 {
        encrypts(&officer, counted).unwrap();
    }
    encrypts(&officer, key).unwrap();
    refused(officer.encrypt(&Mechanism::Plain(CKM_RSA_PKCS), key, b"x"), CKR_KEY_TYPE_INCONSISTENT);
    hsm.refused("CA_ReadUtilizationMetrics", &[session(&officer)], CKR_USER_NOT_AUTHORIZED);
    assert!(read(admin).iter().all(|it| it.ullCount == 0), "no snapshot yet");
    hsm.ok("CA_ReadUtilizationMetrics", &[admin]);
    let bin = |bin: u64| -> u64 {
        read(admin).iter().find(|it| it.ulBindId == bin).map_or(0, |it| it.ullCount)
    };
    assert_eq!((bin(2), bin(4), bin(0)), (4, 1, 0));
    let serial: u64 = hsm.instance.partitions[0].serial.parse().unwrap();
    assert!(read(admin).iter().all(|it| it.ullSerialNumber == serial));
    hsm.ok("CA_ReadAndResetUtilizationMetrics", &[admin]);
    assert_eq!(bin(2), 4);
    encrypts(&officer, key).unwrap();
    hsm.ok("CA_ReadUtilizationMetrics", &[admin]);
    assert_eq!(bin(2), 1);
    let mut name: *const u8 = std::ptr::null();
    hsm.ok("CA_DescribeUtilizationBinId", &[2, cell(&mut name)]);
    assert_eq!(terminated(name), "ENCRYPT");
    hsm.refused("CA_DescribeUtilizationBinId", &[6, cell(&mut name)], CKR_ARGUMENTS_BAD);
    // A partition policy changes nothing of it.
    officer.logout().unwrap();
    officer.login(UserType::PARTITION_SO, &Pin::from(PARTITION_SO)).unwrap();
    officer.set_token_policies(hsm.user, &[PolicyValue { id: 20, value: 9 }]).unwrap();
    hsm.ok("CA_ReadUtilizationMetrics", &[session(&officer)]);
}
