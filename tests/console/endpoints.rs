//! Endpoints, wallets and groups in the console, and the page that an endpoint's owner uses.

use std::process::Command;

use luna_tests::{Instance, scratch};

use crate::browser::Browser;
use crate::guide::log_in;
use crate::installed;
use crate::vault::Vault;

const HOSTILE: &str = "<script>document.title='owned'</script>\"'&";

#[track_caller]
fn wallets(browser: &Browser) {
    browser.click("Keys & Wallets");
    browser.click("Wallets");
}

#[test]
fn an_endpoint_from_its_registration_to_its_wallet() {
    let Some(curl) = installed("curl") else { return };
    let instance = Instance::up(&["--partition", "OKV"]);
    let Some(mut browser) = Browser::start("endpoints", true) else { return };
    let scratch = scratch();
    let vault = Vault::start(&instance, &scratch.path().join("vault"), "21.3");
    log_in(&browser, &vault, &vault.password);

    wallets(&browser);
    browser.click("Create");
    browser.fill("Wallet Name", "TDE");
    browser.fill("Description", HOSTILE);
    browser.submit("Create");
    browser.sees("The wallet TDE is made");
    browser.sees(HOSTILE);
    browser.click("Endpoints");
    browser.sees("No endpoint is registered.");
    browser.click("Add");
    browser.fill("Endpoint Name", "not a name");
    browser.submit("Register");
    browser.sees("That did not work.");
    browser.fill("Endpoint Name", "hr_db");
    browser.fill("Type", "MYSQL_DB");
    browser.submit("Register");
    browser.sees("Enrollment token");
    let text = browser.text();
    let (_, token) = text.split_once("Enrollment token").unwrap();
    let token = token.split_whitespace().next().unwrap().to_owned();
    assert_eq!(token.len(), 16, "{text}");
    browser.sees("REGISTERED");
    browser.shoot("registered");
    wallets(&browser);
    browser.fill("Default Wallet", "TDE");
    browser.submit("Save");
    browser.sees("New objects of hr_db go to TDE");
    browser.shoot("wallets");

    // The owner has no account. A guess is told nothing, the right token is worth an archive, once.
    browser.go(&format!("{}/enroll", vault.url));
    browser.fill("Enrollment Token", "0123456789abcdef");
    browser.submit("Enroll");
    browser.sees("The enrollment token was not accepted");
    browser.shoot("enrollment");
    let archive = scratch.path().join("okvclient.tar");
    let redeem = || {
        let done = Command::new(&curl)
            .args(["--silent", "--show-error", "--cacert"])
            .arg(vault.certificate())
            .args(["--write-out", "%{http_code}", "--data-urlencode"])
            .arg(format!("token={token}"))
            .arg("--output")
            .arg(&archive)
            .arg(format!("{}/enroll", vault.url))
            .output()
            .unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    assert_eq!(redeem(), "200");
    let listed = Command::new("tar").arg("-tf").arg(&archive).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names: Vec<_> = listed.lines().map(|line| line.rsplit_once("hr_db/").unwrap().1).collect();
    assert_eq!(names, ["okvclient.ora", "ssl/CA.pem", "ssl/cert.pem", "ssl/key.pem"]);
    assert_eq!(redeem(), "403");

    browser.go(&format!("{}/endpoints/endpoints", vault.url));
    browser.sees("ENROLLED");
    browser.click("Suspend");
    browser.submit("Suspend");
    browser.sees("The endpoint hr_db is suspended");
    browser.click("Resume");
    browser.sees("The endpoint hr_db is let in again");
    browser.shoot("enrolled");
    browser.click("Endpoint Groups");
    browser.click("Create");
    browser.fill("Group Name", "databases");
    browser.submit("Create");
    browser.sees("The endpoint group databases is made");
    browser.submit("Add");
    browser.sees("hr_db is in databases");
    browser.shoot("groups");
    wallets(&browser);
    browser.click("TDE");
    browser.fill("Endpoint Group", "databases");
    browser.fill("Access Level", "Read and Modify");
    browser.submit("Save");
    browser.sees("databases has Read and Modify to TDE");
    browser.sees("Read and Modify, Manage Wallet");
    browser.shoot("access");
    assert_ne!(browser.run("return document.title"), "owned");
}
