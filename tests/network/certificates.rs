//! Who is let in, and who sees which partition.

use std::io::Write;

use luna_ck::{CKR_TOKEN_NOT_PRESENT, CKR_USER_NOT_LOGGED_IN};
use luna_client::{Access, Attribute};
use luna_tests::{first_slot, officer};

use crate::field::{Field, context, set, text};
use crate::peer::{Certificate, call, hello, next_frame};

/// A client directory like the field's, with another certificate.
fn otherwise(field: &Field, certificate: &Certificate) -> std::path::PathBuf {
    let client = field.path("other");
    std::fs::create_dir_all(client.join("lib")).unwrap();
    for file in ["Chrystoki.conf", "lib/libCryptoki2_64.so"] {
        std::fs::copy(field.client.join(file), client.join(file)).unwrap();
    }
    set(&client, "LunaSA Client", "ClientCertFile", certificate.certificate.to_str().unwrap());
    set(&client, "LunaSA Client", "ClientPrivKeyFile", certificate.key.to_str().unwrap());
    client
}

#[track_caller]
fn assert_logged(field: &Field, what: &str) {
    let log = field.appliances[0].log();
    assert!(log.iter().any(|line| line.contains(what)), "no `{what}` in {log:#?}");
}

#[test]
fn a_client_sees_what_is_assigned_to_it_and_nothing_else() {
    let field = Field::unassigned(1);
    let appliance = &field.appliances[0];
    let second = appliance.order(&["partition", "create", "--label", "second"]).unwrap();
    appliance.deploy(&field.client, &["--partition", &field.serials[0]]);
    let labels = |field: &Field| {
        let context = field.context();
        let slots = context.slots(true).unwrap();
        let labels: Vec<_> =
            slots.into_iter().map(|slot| context.token_info(slot).unwrap().label).collect();
        context.finalize().unwrap();
        labels
    };
    assert_eq!(labels(&field), ["par0"]);
    appliance.order(&["client", "assign", "client", &text(&second["serial"])]).unwrap();
    let mut both = labels(&field);
    both.sort();
    assert_eq!(both, ["par0", "second"]);
    appliance.order(&["client", "unassign", "client", &field.serials[0]]).unwrap();
    assert_eq!(labels(&field), ["second"]);
    let refused = appliance.order(&["client", "assign", "client", "1234567890123"]).unwrap_err();
    assert!(refused.contains("no partition 1234567890123"), "{refused}");
}

#[test]
fn a_certificate_that_nobody_registered_is_refused_and_logged() {
    let field = Field::of(1);
    let stranger = Certificate::make(field.client.as_path(), "stranger", 2020, 2200);
    let client = otherwise(&field, &stranger);
    let context = context(&client);
    assert!(context.slots(true).unwrap().is_empty(), "it sees no token");
    assert_logged(&field, "no client has the certificate");
}

#[test]
fn a_certificate_that_has_expired_is_refused_and_logged() {
    let field = Field::of(1);
    let late = Certificate::make(field.client.as_path(), "late", 2020, 2021);
    let refused = field.appliances[0].order(&[
        "client",
        "register",
        "late",
        late.certificate.to_str().unwrap(),
    ]);
    assert!(refused.unwrap_err().contains("expired"), "it is not even registered");
    // One that expires after it was registered: as if the register had been made before.
    let register = field.appliances[0].directory().join("appliance/clients.json");
    let kept = std::fs::read_to_string(&register).unwrap();
    let mut content: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let pem = std::fs::read_to_string(&late.certificate).unwrap();
    content["clients"].as_array_mut().unwrap().push(serde_json::json!({
        "name": "late", "certificate": pem, "partitions": []
    }));
    let mut field = field;
    field.appliances[0].stop();
    std::fs::write(&register, content.to_string()).unwrap();
    field.appliances[0].restart();
    let context = context(&otherwise(&field, &late));
    assert!(context.slots(true).unwrap().is_empty(), "it sees no token");
    assert_logged(&field, "certificate expired");
}

#[test]
fn an_appliance_that_the_client_does_not_know_is_not_believed() {
    let field = Field::of(1);
    let other = Certificate::make(field.client.as_path(), "impostor", 2020, 2200);
    field.set("LunaSA Client", "ServerCAFile", other.certificate.to_str().unwrap());
    assert!(field.context().slots(true).unwrap().is_empty());
}

#[test]
fn the_host_is_looked_at_when_that_is_asked_for() {
    let field = Field::of(1);
    field.set("Misc", "ValidateHost", "1");
    let there = field.context();
    assert_eq!(there.slots(true).unwrap().len(), 1, "127.0.0.1 is in its certificate");
    there.finalize().unwrap();
    let address = field.appliances[0].address();
    field.set("LunaSA Client", "ServerName00", "127.0.0.2");
    field.set("LunaSA Client", "ServerPort00", &address.port().to_string());
    let elsewhere = field.context();
    assert!(elsewhere.slots(true).unwrap().is_empty(), "127.0.0.2 is not");
}

#[test]
fn a_client_that_is_revoked_loses_its_sessions_at_once() {
    let field = Field::of(1);
    let context = field.context();
    let slot = first_slot(&context);
    let session = officer(&context, slot);
    session.random(16).unwrap();
    field.appliances[0].order(&["client", "revoke", "client"]).unwrap();
    assert!(session.random(16).is_err());
    assert!(context.open_session(slot, Access::ReadWrite).is_err());
    assert!(context.token_info(slot).unwrap_err().is(CKR_TOKEN_NOT_PRESENT));
}

#[test]
fn another_release_is_told_so() {
    let field = Field::of(1);
    let appliance = &field.appliances[0];
    let server = appliance.directory().join("appliance/server.pem");
    let own = Certificate::of_client(&field.client);
    let mut peer = call(appliance.address(), &own, &server).unwrap();
    let mut newer = hello(1);
    newer[10] = 9;
    peer.write_all(&newer).unwrap();
    let answer = String::from_utf8_lossy(&next_frame(&mut peer).unwrap()).into_owned();
    assert!(answer.contains("version 2 of the protocol, the client version 9"), "{answer}");
}

#[test]
fn processes_of_one_client_do_not_share_a_login_unless_they_say_so() {
    let field = Field::of(1);
    let one = field.context();
    let session = officer(&one, first_slot(&one));
    session.create_object(&Attribute::data_object("private")).unwrap();
    // Another copy of the module is another process, as far as the appliance can tell.
    let copy = field.path("copy.so");
    std::fs::copy(field.client.join("lib/libCryptoki2_64.so"), &copy).unwrap();
    let other = luna_client::Module::load(&copy).unwrap();
    let other = other.initialize(luna_tests::init_args(&field.client)).unwrap();
    let other_session = other.open_session(first_slot(&other), Access::ReadWrite).unwrap();
    let refused = other_session
        .generate_key(
            &luna_client::Mechanism::Plain(luna_ck::CKM_AES_KEY_GEN),
            &[Attribute::token(true), Attribute::ulong(luna_ck::CKA_VALUE_LEN, 32)],
        )
        .unwrap_err();
    assert!(refused.is(CKR_USER_NOT_LOGGED_IN), "{refused}");
}
