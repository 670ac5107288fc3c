//! What a client sees when its service is not what it should be (cloud.md section 6).

use std::path::Path;

use luna_ck::{
    CKR_CONTAINER_OBJECT_STORAGE_FULL, CKR_DEVICE_ERROR, CKR_FUNCTION_NOT_SUPPORTED,
    CKR_SESSION_HANDLE_INVALID, CKR_TOKEN_NOT_PRESENT,
};
use luna_client::{Access, Attribute, Pin, UserType};
use luna_tests::{Appliance, first_slot, officer};

use crate::provider::{INITIALIZE, Provider, context, installed, shell, text};

/// Rewrites a file.
fn edit(file: &Path, change: impl FnOnce(String) -> String) {
    let before = std::fs::read_to_string(file).unwrap();
    let after = change(before.clone());
    assert_ne!(before, after, "nothing was changed in {}", file.display());
    std::fs::write(file, after).unwrap();
}

/// Gives a minimum client's service its roles.
#[track_caller]
fn initialize(client: &Path) {
    let lunacm = client.join("bin/64/lunacm");
    let variables = [("LUNACM", text(&lunacm)), ("SLOT", "0")];
    shell(client, &variables, &format!("source ./setenv\n{INITIALIZE}"));
}

#[test]
fn credentials_that_are_refused_leave_a_slot_without_a_token() {
    if !installed(&["unzip", "tar"]) {
        return;
    }
    let provider = Provider::new(&[]);
    let client = provider.minimum_client("one");
    let file = client.join("Chrystoki.conf");
    let kept = std::fs::read_to_string(&file).unwrap();
    edit(&file, |text| text.replace("AuthTokenClientSecret = ", "AuthTokenClientSecret = not-"));
    let refused = context(&client);
    assert!(refused.slots(true).unwrap().is_empty());
    let listed = refused.slots(false).unwrap();
    assert_eq!(listed.len(), 1, "its slot is listed");
    assert!(refused.token_info(listed[0]).unwrap_err().is(CKR_TOKEN_NOT_PRESENT));
    let opened = refused.open_session(listed[0], Access::ReadOnly).unwrap_err();
    assert!(opened.is(CKR_TOKEN_NOT_PRESENT), "{opened}");
    refused.finalize().unwrap();
    assert!(provider.server.log().iter().any(|line| line.contains("no client has this Auth")));
    std::fs::write(&file, &kept).unwrap();
    assert_eq!(context(&client).slots(true).unwrap().len(), 1);
    // Credentials that were made anew end the old ones; the service is the same.
    let (again, _) = provider.bundle("one", &["--service", &serial_of(&provider)]);
    assert!(context(&client).slots(true).unwrap().is_empty(), "they were replaced");
    let renewed = provider.unpacked(&again, "renewed");
    assert_eq!(context(&renewed).slots(true).unwrap().len(), 1);
}

fn serial_of(provider: &Provider) -> String {
    let shown = provider.server.order(&["show"]).unwrap();
    shown["partitions"][0]["serial"].as_str().unwrap().to_owned()
}

#[test]
fn a_partition_with_another_certificate_opens_no_session() {
    if !installed(&["unzip", "tar"]) {
        return;
    }
    let provider = Provider::new(&[]);
    let client = provider.minimum_client("one");
    let other = provider.minimum_client("other");
    let name = "partition-certificate.pem";
    std::fs::copy(other.join(name), client.join(name)).unwrap();
    let context = context(&client);
    let slot = first_slot(&context);
    let opened = context.open_session(slot, Access::ReadWrite).unwrap_err();
    assert!(opened.is(CKR_DEVICE_ERROR), "{opened}");
}

#[test]
fn a_server_with_another_certificate_is_not_believed() {
    if !installed(&["unzip", "tar"]) {
        return;
    }
    let provider = Provider::new(&[]);
    let client = provider.minimum_client("one");
    let name = "server-certificate.pem";
    std::fs::copy(client.join("partition-ca-certificate.pem"), client.join(name)).unwrap();
    let context = context(&client);
    assert!(context.slots(true).unwrap().is_empty());
    assert_eq!(context.slots(false).unwrap().len(), 1);
}

#[test]
fn a_server_that_is_gone_fails_calls_and_then_has_no_token() {
    if !installed(&["unzip", "tar"]) {
        return;
    }
    let mut provider = Provider::new(&[]);
    let client = provider.minimum_client("one");
    initialize(&client);
    let running = context(&client);
    let slot = first_slot(&running);
    let session = officer(&running, slot);
    provider.server.kill();
    let failed = session.random(16).unwrap_err();
    assert!(failed.is(CKR_DEVICE_ERROR), "{failed}");
    assert!(running.token_info(slot).unwrap_err().is(CKR_TOKEN_NOT_PRESENT));
    provider.server.restart();
    // What was opened before is gone; what is opened now serves.
    assert!(session.random(16).unwrap_err().is(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(officer(&running, slot).random(16).unwrap().len(), 16);
    running.finalize().unwrap();
    provider.server.kill();
    let started = context(&client);
    assert!(started.slots(true).unwrap().is_empty(), "nor has it at the next start");
    assert_eq!(started.slots(false).unwrap().len(), 1);
}

#[test]
fn a_full_service_says_so() {
    if !installed(&["unzip", "tar"]) {
        return;
    }
    let provider = Provider::new(&[]);
    let client = provider.minimum_client("one");
    initialize(&client);
    let context = context(&client);
    let session = officer(&context, first_slot(&context));
    let object =
        |number: usize| session.create_object(&Attribute::data_object(&format!("object {number}")));
    for number in 0..100 {
        object(number).unwrap();
    }
    let full = object(100).unwrap_err();
    assert!(full.is(CKR_CONTAINER_OBJECT_STORAGE_FULL), "{full}");
}

#[test]
fn a_client_without_the_plugin_knows_no_cloud() {
    if !installed(&["unzip", "tar"]) {
        return;
    }
    let provider = Provider::new(&[]);
    let client = provider.minimum_client("one");
    std::fs::remove_file(client.join("libs/64/plugins/libdpod.plugin")).unwrap();
    assert!(context(&client).slots(false).unwrap().is_empty());
}

#[test]
fn network_and_cloud_clients_are_not_mistaken_for_each_other() {
    if !installed(&["unzip", "tar"]) {
        return;
    }
    let provider = Provider::new(&[]);
    let client = provider.minimum_client("one");
    let network = Appliance::serve(&provider.path("network"), &[]);
    let refused = network.order(&["bundle", "--client", "one"]).unwrap_err();
    assert!(refused.contains("certificates"), "{refused}");
    // A client of the cloud at an appliance that knows certificates.
    let port = |appliance: &Appliance| appliance.address().port().to_string();
    edit(&client.join("Chrystoki.conf"), |text| {
        text.replace(&port(&provider.server), &port(&network))
    });
    std::fs::copy(
        network.directory().join("appliance/server.pem"),
        client.join("server-certificate.pem"),
    )
    .unwrap();
    assert!(context(&client).slots(true).unwrap().is_empty());
}

/// A group of both kinds: clients before 10.8 do not log in to it.
#[test]
fn an_old_client_does_not_log_in_to_a_hybrid_group() {
    if !installed(&["unzip", "tar"]) {
        return;
    }
    let provider = Provider::new(&[]);
    let client = provider.minimum_client("one");
    initialize(&client);
    // The default profile's client is 10.2.
    let network = Appliance::serve(&provider.path("network"), &[]);
    let made = network.order(&["partition", "create", "--label", "par1"]).unwrap();
    let serials = [made["serial"].as_str().unwrap().to_owned(), serial_of(&provider)];
    let hybrid = provider.path("hybrid");
    network.deploy(&hybrid, &[]);
    let sections = std::fs::read_to_string(client.join("Chrystoki.conf")).unwrap();
    let wanted = ["XTC = {", "REST = {"].map(|name| {
        let from = sections.find(name).unwrap();
        let until = from + sections[from..].find('}').unwrap() + 1;
        sections[from..until].to_owned()
    });
    edit(&hybrid.join("Chrystoki.conf"), |text| {
        format!(
            "{text}\n{}\n{}\nMisc = {{ PluginModuleDir = {}; }}\nVirtualToken = {{\n \
             VirtualToken00Label = both;\n VirtualToken00Members = {};\n}}\n",
            wanted[0],
            wanted[1],
            hybrid.join("plugins").display(),
            serials.join(",")
        )
    });
    let module = luna_client::Module::load(hybrid.join("lib/libCryptoki2_64.so")).unwrap();
    let context = module.initialize(luna_tests::init_args(&hybrid)).unwrap();
    let slots = context.slots(true).unwrap();
    assert_eq!(slots.len(), 3, "two partitions and their group");
    let login = |slot| {
        let session = context.open_session(slot, Access::ReadWrite).unwrap();
        session.login(UserType::CRYPTO_OFFICER, &Pin::from(luna_tests::CRYPTO_OFFICER))
    };
    let refused = login(slots[2]).unwrap_err();
    assert!(refused.is(CKR_FUNCTION_NOT_SUPPORTED), "{refused}");
    login(slots[1]).unwrap();
}
