//! The guide's chapter "Enable Luna HSM in OKV Multi-Master Cluster", both its ways, in two browsers' worth of tabs.

use luna_tests::{CRYPTO_OFFICER, Instance, scratch};

use crate::browser::Browser;
use crate::vault::{ADMINISTRATOR, Vault};

const RELEASE: &str = "21.3";

/// One per cluster; accounts are the first node's after a node was added.
const PASSPHRASE: &str = "passphrase of the cluster";

#[track_caller]
fn log_in(browser: &Browser, vault: &Vault<'_>, password: &str) {
    // A log out of another vault may still be on its way, and would end on that one's page.
    browser.goes(&vault.url);
    if browser.path() != "/login" {
        return;
    }
    browser.fill("User Name", ADMINISTRATOR);
    browser.fill("Password", password);
    browser.submit("Log in");
}

fn pre(browser: &Browser) -> String {
    let text = browser.run("return document.querySelector('main pre').innerText");
    text.as_str().unwrap().to_owned()
}

/// A value of a list of names and values.
fn fact(browser: &Browser, name: &str) -> String {
    let script = format!(
        "const all = [...document.querySelectorAll('dt')].filter(it => it.innerText === '{name}');
         return all.at(-1).parentElement.querySelector('dd').innerText"
    );
    browser.run(&script).as_str().unwrap().to_owned()
}

fn open_hsm(browser: &Browser) {
    browser.click("System");
    browser.click("HSM");
}

fn initialize(browser: &mut Browser, name: &str) {
    open_hsm(browser);
    browser.click("Initialize");
    browser.fill("HSM Credential", CRYPTO_OFFICER);
    browser.fill("Re-enter HSM Credential", CRYPTO_OFFICER);
    browser.fill("Recovery Passphrase", PASSPHRASE);
    browser.choose("Use Token Label");
    browser.fill("Token Label", "OKV");
    browser.submit("Initialize");
    browser.succeeds(name);
    browser.sees("The HSM is the root of trust of this server.");
}

fn first_node(browser: &mut Browser, name: &str) {
    browser.click("Cluster");
    browser.sees("Configure as Candidate Node");
    browser.sees("Current Server IP");
    browser.shoot("configure-first-node");
    browser.fill("Node Name", name);
    browser.fill("Cluster Name", "mycluster");
    browser.fill("Cluster Subgroup", "mysubgroup");
    browser.submit("Convert to Candidate Node");
    browser.succeeds("first-node");
    browser.sees("Cluster Management");
    browser.sees("Read-Only Restricted");
    browser.shoot("first-node-management");
}

/// The exchange by hand: what one console shows is typed into the other.
fn add_node(
    browser: &mut Browser,
    controller: &Vault<'_>,
    candidate: &Vault<'_>,
    name: &str,
    with_hsm: bool,
) {
    log_in(browser, controller, &controller.password);
    browser.click("Cluster");
    browser.click_exactly("Add");
    browser.sees("Add Candidate Node to Cluster");
    let (address, certificate) = (fact(browser, "IP Address"), pre(browser));
    browser.shoot("add-before");
    browser.click("Log out");

    log_in(browser, candidate, &candidate.password);
    browser.click("Cluster");
    browser.click("First Node of Cluster: No");
    browser.sees("it must be reinstalled");
    browser.fill("Recovery Passphrase of the Cluster", PASSPHRASE);
    browser.fill("IP Address", &address);
    browser.fill("Certificate of Controller Node", &certificate);
    browser.shoot("configure-candidate");
    browser.submit("Convert to Candidate Node");
    browser.succeeds("converted");
    browser.sees("Adding Candidate Node to Cluster");
    let (address, certificate) = (fact(browser, "Candidate Node IP Address"), pre(browser));
    browser.shoot("adding-candidate");
    browser.click("Log out");

    log_in(browser, controller, &controller.password);
    browser.click("Cluster");
    browser.click_exactly("Add");
    browser.fill("Recovery Passphrase of the Cluster", PASSPHRASE);
    browser.choose("Yes");
    browser.fill("Node Name", name);
    browser.fill("IP Address", &address);
    browser.fill("Certificate of Candidate Node", &certificate);
    assert_eq!(browser.text().contains("HSM Credential"), with_hsm);
    if with_hsm {
        browser.fill("HSM Credential", CRYPTO_OFFICER);
    }
    browser.shoot("add-node");
    browser.submit("Add Node");
    browser.succeeds("added");
    browser.waits_for("Read-Write");
    browser.sees(name);
    browser.shoot("pair");
}

/// "Configure Luna HSM for a multi-master cluster starting with single node (recommended)".
#[test]
fn a_cluster_from_one_node_in_release_21_3() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let Some(mut browser) = Browser::start("cluster-from-one-node", true) else { return };
    let scratch = scratch();
    let start = |name: &str| {
        let data = scratch.path().join(name);
        Vault::start_with_passphrase(&instance, &data, RELEASE, PASSPHRASE)
    };
    let (one, two) = (start("one"), start("two"));
    log_in(&browser, &one, &one.password);
    first_node(&mut browser, "okv005056aa3535");
    initialize(&mut browser, "first-node-initialized");
    browser.sees("Create Bundle");
    // Nothing can be stored here yet: the page of objects still shows what there is.
    browser.click("Cluster");
    browser.click("Cluster Settings State");
    browser.shoot("settings-one");
    browser.click("Log out");
    log_in(&browser, &two, &two.password);
    initialize(&mut browser, "candidate-initialized");
    browser.click("Log out");
    add_node(&mut browser, &one, &two, "node2", true);
    browser.click("node2");
    browser.waits_for("HSM enabled");
    assert_eq!(fact(&browser, "HSM enabled"), "yes");
    browser.shoot("node");
    browser.click("Monitoring");
    browser.waits_for("UP");
    browser.shoot("monitoring");
    browser.click("Log out");

    // The cluster's accounts are valid on the node that was added, its own are gone.
    log_in(&browser, &two, &two.password);
    browser.sees("The user name or the password is wrong");
    log_in(&browser, &two, &one.password);
    browser.click("Cluster");
    browser.waits_for("Read-Write");
    assert_eq!(fact(&browser, "Node Type"), "Read-Write");
    browser.click("Cluster Settings State");
    browser.sees("okv005056aa3535");
    browser.shoot("settings-two");
    let object = scratch.path().join("object");
    std::fs::write(&object, "a customer's key").unwrap();
    two.tells(&["store", "key", "--file", object.to_str().unwrap()]);
    assert_eq!(one.tells(&["read", "key"]), "a customer's key");
    // Disabled and enabled again by its buttons.
    browser.click("Management");
    browser.click("Disable okv005056aa3535");
    browser.submit("Disable");
    browser.succeeds("disabled");
    browser.waits_for("DISABLED");
    browser.shoot("disabled-node");
    browser.click("Enable okv005056aa3535");
    browser.submit("Enable");
    browser.succeeds("enabled");
    browser.waits_for("Read-Write");
}

/// "Configure Luna HSM for a multi-master cluster with multiples nodes": the bundle.
#[test]
fn a_cluster_of_several_nodes_and_its_bundle_in_release_21_3() {
    let instance = Instance::up(&["--partition", "OKV"]);
    let Some(mut browser) = Browser::start("cluster-bundle", true) else { return };
    let scratch = scratch();
    let start = |name: &str| {
        let data = scratch.path().join(name);
        Vault::start_with_passphrase(&instance, &data, RELEASE, PASSPHRASE)
    };
    let (one, two) = (start("one"), start("two"));
    log_in(&browser, &one, &one.password);
    first_node(&mut browser, "node1");
    browser.click("Log out");
    add_node(&mut browser, &one, &two, "node2", false);
    initialize(&mut browser, "node1-initialized");
    browser.click("Cluster");
    browser.click("Cluster Settings State");
    browser.sees("node2");
    browser.shoot("settings-one-of-two");
    open_hsm(&browser);
    browser.click("Create Bundle");
    browser.fill("HSM Credential", CRYPTO_OFFICER);
    browser.fill("Recovery Passphrase", PASSPHRASE);
    browser.shoot("create-bundle");
    browser.submit("Create Bundle");
    assert!(browser.succeeds("bundle-created").contains("hsmbundle"));
    browser.click("Log out");

    log_in(&browser, &two, &one.password);
    open_hsm(&browser);
    browser.click("Apply Bundle");
    browser.fill("Recovery Passphrase", PASSPHRASE);
    browser.submit("Apply Bundle");
    assert!(browser.outcome().contains("There is no bundle on this node"));
    browser.shoot("no-bundle");
    // What scp, cp and chown do.
    let place = |name: &str| scratch.path().join(name).join("hsm/hsmbundle");
    std::fs::copy(place("one"), place("two")).unwrap();
    open_hsm(&browser);
    browser.click("Apply Bundle");
    browser.fill("Recovery Passphrase", PASSPHRASE);
    browser.shoot("apply-bundle");
    browser.submit("Apply Bundle");
    browser.succeeds("bundle-applied");
    initialize(&mut browser, "node2-initialized");
    browser.click("Cluster");
    browser.click("Cluster Settings State");
    let marks =
        "return [...document.querySelectorAll('tbody tr')].map(it => it.cells[4].innerText).join()";
    browser.waits_for("node1");
    assert_eq!(browser.run(marks), "\u{2713},\u{2713}");
    browser.shoot("settings-two-of-two");
}
