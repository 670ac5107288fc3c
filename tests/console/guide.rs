//! The guide's chapters "Configuring Oracle Key Vault to use Thales Luna HSM" and "Backing up and restoring Oracle Key
//! Vault in HSM Mode", page by page, for the releases before and after the console changed.

use std::time::{Duration, Instant};

use luna_client::Attribute;
use luna_client::ck::CKA_LABEL;
use luna_tests::{CRYPTO_OFFICER, HANG, Instance, first_slot, officer, scratch};

use crate::browser::Browser;
use crate::sshd::{PASSWORD, Sshd, USER};
use crate::vault::{ADMINISTRATOR, Vault};

/// What differs between releases, as the guide says it.
struct Release {
    name: &'static str,
    vendor: &'static str,
    hsm: &'static str,
    backup: &'static str,
    method: &'static str,
}

const OLD: Release = Release {
    name: "18.5",
    vendor: "Thales Luna",
    hsm: "Hardware Security Module",
    backup: "System Backup",
    method: "scp",
};

const NEW: Release = Release {
    name: "21.3",
    vendor: "Thales Luna",
    hsm: "HSM",
    backup: "Backup and Restore",
    method: "sftp",
};

#[track_caller]
pub(crate) fn log_in(browser: &Browser, vault: &Vault<'_>, password: &str) {
    browser.go(&vault.url);
    browser.fill("User Name", ADMINISTRATOR);
    browser.fill("Password", password);
    browser.submit("Log in");
}

#[track_caller]
fn open(browser: &Browser, page: &str) {
    browser.click("System");
    browser.click(page);
}

/// What the dialogs for the HSM have in common.
fn fill_hsm(browser: &Browser, release: &Release, credential: &str) {
    browser.fill("Vendor", release.vendor);
    browser.fill("HSM Credential", credential);
    browser.fill("Re-enter HSM Credential", credential);
    browser.choose("Use Token Label");
    browser.fill("Token Label", "LUNAHA");
}

fn labels(instance: &Instance) -> Vec<String> {
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    let mut labels: Vec<_> = session
        .find(&[] as &[Attribute])
        .unwrap()
        .into_iter()
        .map(|object| session.attribute_text(object, CKA_LABEL).unwrap().unwrap())
        .collect();
    labels.sort();
    labels
}

fn initialize(browser: &mut Browser, release: &Release, vault: &Vault<'_>, instance: &Instance) {
    browser.go(&vault.url);
    browser.shoot("login");
    log_in(browser, vault, "not the password");
    browser.sees("The user name or the password is wrong");
    log_in(browser, vault, &vault.password);
    browser.shoot("home");
    open(browser, release.hsm);
    browser.sees("The HSM is not initialized.");
    assert_eq!(
        browser.run("return document.querySelector('.arrow svg').getAttribute('aria-label')"),
        "red arrow down"
    );
    browser.shoot("not-initialized");
    browser.click("Initialize");
    browser.sees("Initialize HSM");
    browser.shoot("initialize");
    // What was typed wrong costs no login at the HSM, and what is no secret is still there.
    fill_hsm(browser, release, "one thing");
    browser.fill("Re-enter HSM Credential", "another");
    browser.fill("Recovery Passphrase", &vault.passphrase);
    browser.submit("Initialize");
    let text = browser.outcome();
    assert!(text.contains("The two HSM credentials entered are not the same"), "{text}");
    browser.shoot("credentials-differ");
    open(browser, release.hsm);
    browser.click("Initialize");
    fill_hsm(browser, release, CRYPTO_OFFICER);
    browser.fill("Recovery Passphrase", "not the passphrase");
    browser.submit("Initialize");
    let text = browser.outcome();
    assert!(text.contains("The recovery passphrase is wrong"), "{text}");
    open(browser, release.hsm);
    browser.click("Initialize");
    fill_hsm(browser, release, CRYPTO_OFFICER);
    browser.fill("Recovery Passphrase", &vault.passphrase);
    browser.submit("Initialize");
    browser.succeeds("initialized");
    browser.sees("LUNAHA");
    assert_eq!(
        browser.run("return document.querySelector('.arrow svg').getAttribute('aria-label')"),
        "green arrow up"
    );
    browser.shoot("green");
    assert_eq!(labels(instance), ["OKV 18.1 HSM Key Number", "OKV 18.1 HSM Root Key"]);
    browser.click("Verify");
    assert!(browser.succeeds("verified").contains("HSM configuration verified"));
}

fn create_destination(browser: &mut Browser, release: &Release, sshd: &Sshd, key: bool) {
    open(browser, release.backup);
    browser.click("Manage Backup Destinations");
    browser.click("Create");
    browser.fill("Destination Name", "BackupServer");
    browser.choose(release.method);
    browser.fill("Hostname", "127.0.0.1");
    browser.fill("Port", &sshd.port.to_string());
    browser.fill("Destination Path", sshd.destination.to_str().unwrap());
    browser.fill("User Name", USER);
    if key {
        browser.choose("Key-based");
        let line = browser.run("return document.querySelector('pre').innerText");
        sshd.authorize(line.as_str().unwrap());
    } else {
        browser.choose("Password Authentication");
        browser.fill("Password", PASSWORD);
        browser.fill("Re-enter Password", PASSWORD);
    }
    browser.shoot("create-destination");
    browser.submit("Save");
    browser.succeeds("destination-saved");
    browser.sees("SHA256:");
    browser.shoot("destinations");
}

/// The file's name.
fn back_up(browser: &mut Browser, release: &Release, sshd: &Sshd) -> String {
    open(browser, release.backup);
    browser.click_exactly("Backup");
    browser.fill("Name", "OKVBACKUP");
    browser.fill("Destination", "BackupServer");
    browser.choose("ONE-TIME");
    browser.shoot("backup");
    browser.submit("Schedule");
    browser.waits_for("DONE");
    browser.sees("Backup Once");
    browser.shoot("backup-done");
    let files = sshd.files();
    assert_eq!(files.len(), 3, "{files:?}");
    assert_eq!((files[0].as_str(), files[2].as_str()), ("okvbackup_onetime.mgr", "okvinit.bkp"));
    let name = &files[1];
    assert!(name.starts_with("okvbackup_onetime_onetime_2") && name.ends_with("_hsm"), "{name}");
    name.clone()
}

fn restore(
    browser: &mut Browser,
    release: &Release,
    vault: &Vault<'_>,
    old: &Vault<'_>,
    sshd: &Sshd,
    file: &str,
) {
    log_in(browser, vault, &vault.password);
    create_destination(browser, release, sshd, false);
    // Too early: the HSM comes first.
    choose_backup(browser, release, file);
    browser.fill("Recovery Passphrase", &old.passphrase);
    browser.submit("Restore");
    let text = browser.outcome();
    assert!(text.contains("no HSM credential is set on this server"), "{text}");
    browser.shoot("restore-too-early");

    open(browser, release.hsm);
    browser.click("Set Credential");
    browser.sees("Prepare for HSM Restore");
    fill_hsm(browser, release, CRYPTO_OFFICER);
    browser.shoot("prepare-for-restore");
    browser.submit("Set Credential");
    browser.succeeds("credential-set");
    choose_backup(browser, release, file);
    browser.fill("Recovery Passphrase", &vault.passphrase);
    browser.submit("Restore");
    let text = browser.outcome();
    assert!(text.contains("The recovery passphrase is wrong"), "{text}");
    choose_backup(browser, release, file);
    browser.fill("Recovery Passphrase", &old.passphrase);
    browser.submit("Restore");
    // The accounts are those of the backup now, so whoever asked is logged out.
    browser.waits_for("Log in");
    log_in(browser, vault, &old.password);
    open(browser, release.hsm);
    browser.sees("The HSM is the root of trust of this server.");
    browser.shoot("restored");
    assert_eq!(vault.tells(&["read", "key"]), "a customer's key");
    assert!(!vault.run(&["read", "later"]).status.success());
}

fn choose_backup(browser: &mut Browser, release: &Release, file: &str) {
    open(browser, release.backup);
    browser.click_exactly("Restore");
    browser.fill("Source", "BackupServer");
    browser.submit("Show backups");
    browser.sees(file);
    browser.shoot("restore-list");
    browser.click(&format!("Restore {file}"));
}

fn walk(release: &Release) {
    let instance = Instance::fips_group();
    let (Some(mut browser), Some(sshd)) = (Browser::start(release.name, true), Sshd::start())
    else {
        return;
    };
    let scratch = scratch();
    let vault = Vault::start(&instance, &scratch.path().join("first"), release.name);
    let object = scratch.path().join("object");
    std::fs::write(&object, "a customer's key").unwrap();
    let store = |name: &str| vault.tells(&["store", name, "--file", object.to_str().unwrap()]);
    store("key");
    initialize(&mut browser, release, &vault, &instance);
    create_destination(&mut browser, release, &sshd, true);
    let file = back_up(&mut browser, release, &sshd);
    store("later");
    browser.click("Log out");
    let second = Vault::start(&instance, &scratch.path().join("second"), release.name);
    restore(&mut browser, release, &second, &vault, &sshd, &file);
    assert_eq!(labels(&instance).len(), 2, "a restore makes nothing on the token");
    // Both servers are open now, each on the same root key.
    assert_eq!(vault.tells(&["read", "later"]), "a customer's key");
}

#[test]
fn the_guide_in_release_18_5() {
    walk(&OLD);
}

#[test]
fn the_guide_in_release_21_3() {
    walk(&NEW);
}

/// The chapter "HSM Alert" of Oracle's guide, and a boot without HSM.
#[test]
fn the_arrow_turns_red_an_alert_comes_and_goes_and_a_boot_without_hsm_is_sealed() {
    let instance = Instance::fips_group();
    let Some(mut browser) = Browser::start("alert", true) else { return };
    let scratch = scratch();
    let vault = Vault::start(&instance, &scratch.path().join("vault"), NEW.name);
    let label = ["--token-label", "LUNAHA", "--pin-env", "THE_PIN"];
    vault.tells(&[&["initialize", "--passphrase-env", "THE_PASSPHRASE"], &label[..]].concat());
    log_in(&browser, &vault, &vault.password);
    browser.click("Reports");
    browser.click("Configure Alerts");
    browser.fill("HSM Monitoring Interval", "1");
    browser.submit("Save");
    browser.sees("checked every 1 seconds");
    instance.member("down", 0);
    instance.member("down", 1);
    browser.waits_for("HSM configuration error");
    browser.shoot("alert");
    open(&browser, NEW.hsm);
    browser.sees("Keys are still served");
    browser.shoot("red");
    instance.member("up", 0);
    instance.member("up", 1);
    browser.waits_for("The HSM is the root of trust of this server.");
    browser.click("Reports");
    browser.sees("CLEARED");
    browser.shoot("cleared");
    browser.click("HSM Traces");
    browser.sees("Finished successfully");
    browser.shoot("traces");

    instance.member("down", 0);
    instance.member("down", 1);
    let restarted = vault.run(&["restart"]);
    assert_eq!(restarted.status.code(), Some(1), "{restarted:?}");
    let until = Instant::now() + HANG;
    while vault.answers() {
        assert!(Instant::now() < until, "a sealed server's console still answers");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(vault.tells(&["status"]).contains("SEALED"));
    assert!(!vault.run(&["open-wallet"]).status.success());
    instance.member("up", 0);
    instance.member("up", 1);
    vault.tells(&["open-wallet"]);
    while !vault.answers() {
        assert!(Instant::now() < until, "the console does not come up");
        std::thread::sleep(Duration::from_millis(100));
    }
    browser.go(&vault.url);
    open(&browser, NEW.hsm);
    browser.sees("The HSM is the root of trust of this server.");
    browser.click("Reverse Migrate");
    browser.fill("HSM Credential", CRYPTO_OFFICER);
    browser.fill("Old Recovery Passphrase", &vault.passphrase);
    browser.shoot("reverse-migrate");
    browser.submit("Reverse Migrate");
    browser.succeeds("reverse-migrated");
    browser.sees("The HSM is not initialized.");
    assert_eq!(labels(&instance).len(), 2, "the keys stay for old backups");
    for (tab, page) in [
        ("Endpoints", None),
        ("Keys & Wallets", Some("Wallets")),
        ("Users", None),
        ("Reports", Some("Audit Trail")),
        ("System", Some("Status")),
    ] {
        browser.click(tab);
        if let Some(page) = page {
            browser.click(page);
        }
        browser.shoot(&tab.to_lowercase().replace([' ', '&'], ""));
    }
}

/// Everything works without scripts, and what somebody types comes back as text.
#[test]
fn without_scripts_and_with_hostile_names() {
    let instance = Instance::up(&["--partition", "LUNAHA"]);
    let Some(mut browser) = Browser::start("without-scripts", false) else { return };
    let scratch = scratch();
    let vault = Vault::start(&instance, &scratch.path().join("vault"), OLD.name);
    let object = scratch.path().join("object");
    std::fs::write(&object, "bytes").unwrap();
    let hostile = "<script>document.title='owned'</script>\"'&";
    vault.tells(&["store", hostile, "--file", object.to_str().unwrap()]);
    log_in(&browser, &vault, &vault.password);
    browser.click("Keys & Wallets");
    browser.sees(hostile);
    browser.shoot("hostile-name");
    open(&browser, OLD.hsm);
    browser.click("Initialize");
    fill_hsm(&browser, &OLD, CRYPTO_OFFICER);
    browser.fill("Recovery Passphrase", &vault.passphrase);
    browser.submit("Initialize");
    browser.succeeds("initialized");
    browser.sees("The HSM is the root of trust of this server.");
}
