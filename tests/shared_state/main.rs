//! What processes share: token objects, PIN counters, members that were cut off; and what a damaged or
//! misconfigured state leads to.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests: what fails here fails a test, with its reason"
)]

mod bad_input;
mod members;
mod processes;

use std::path::Path;

use luna_ck::{CKA_LABEL, CKM_AES_KEY_GEN, CKO_SECRET_KEY};
use luna_client::{Attribute, Context, Mechanism, Module, ObjectHandle, Pin, Session, UserType};
use luna_tests::child::{role, say, wait_for_parent};
use luna_tests::{first_slot, officer};

/// The environment's configuration, as an application loads it.
fn application_context() -> Context {
    let module =
        Module::load(Path::new(&std::env::var_os("LUNA_MODULE").expect("given"))).expect("loads");
    module.initialize(luna_client::InitArgs::OsLocking).expect("initialises")
}

fn new_key(session: &Session, label: &str) -> luna_client::Result<ObjectHandle> {
    session.generate_key(
        &Mechanism::Plain(CKM_AES_KEY_GEN),
        &[
            Attribute::label(label),
            Attribute::token(true),
            Attribute::ulong(luna_ck::CKA_VALUE_LEN, 32),
            Attribute::bool(luna_ck::CKA_ENCRYPT, true),
        ],
    )
}

fn encrypt(session: &Session, key: ObjectHandle) -> luna_client::Result<Vec<u8>> {
    let mechanism = Mechanism::aes_cbc_pad([7; 16]);
    session.encrypt(&mechanism, key, b"attack at dawn")
}

fn labels(session: &Session) -> Vec<String> {
    let found = session.find(&[Attribute::class(CKO_SECRET_KEY)]).expect("a search");
    let mut labels: Vec<String> = found
        .into_iter()
        .map(|key| {
            let value = session.attributes(key, &[CKA_LABEL]).expect("a label").remove(0);
            String::from_utf8(value.expect("a label")).expect("text")
        })
        .collect();
    labels.sort();
    labels
}

/// What a child process of these tests does.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn application() {
    let Some((role, words)) = role() else { return };
    match role.as_str() {
        "objects" => {
            let context = application_context();
            let session = officer(&context, first_slot(&context));
            say(&labels(&session).join(","));
            new_key(&session, "child").expect("a key");
            say("made");
            wait_for_parent();
            say(&labels(&session).join(","));
        }
        "wrong-pins" => {
            let context = application_context();
            let count: usize = words[0].parse().expect("a number");
            let slot = first_slot(&context);
            let session = context.open_session(slot, luna_client::Access::ReadWrite).expect("open");
            for _ in 0..count {
                let error = session
                    .login(UserType::CRYPTO_OFFICER, &Pin::from("wrong-password"))
                    .expect_err("a wrong password");
                say(&luna_ck::names::ckr(error.rv().expect("a code").0));
            }
        }
        "uses" => {
            let context = application_context();
            let session = officer(&context, first_slot(&context));
            let key = session.find(&[Attribute::label(&words[0])]).expect("a search")[0];
            for _ in 0..words[1].parse().expect("a number") {
                say(&match encrypt(&session, key) {
                    Ok(_) => "served".to_owned(),
                    Err(error) => luna_ck::names::ckr(error.rv().expect("a code").0),
                });
            }
        }
        "digest" => {
            let context = application_context();
            let slot = first_slot(&context);
            let session = context.open_session(slot, luna_client::Access::ReadOnly).expect("open");
            let state: Vec<u8> = words[0].split(',').map(|byte| byte.parse().unwrap()).collect();
            session.set_operation_state(&state, None, None).expect("a state of another process");
            session.digest_update(words[1].as_bytes()).expect("a digest");
            say(&format!("{:?}", session.digest_final().expect("a digest")));
        }
        "new-pin" => {
            let context = application_context();
            let session = officer(&context, first_slot(&context));
            let new = Pin::from(words[0].as_str());
            session.set_pin(&Pin::from(luna_tests::CRYPTO_OFFICER), &new).expect("changed");
        }
        "list" => {
            let context = application_context();
            let session = officer(&context, first_slot(&context));
            say(&labels(&session).join(","));
        }
        other => panic!("no role {other}"),
    }
}

/// Makes keys until the disk is full, which must be a clear refusal.
#[test]
#[ignore = "run by the test of a full disk, under a limit"]
fn fills_the_disk() {
    let context = application_context();
    let session = officer(&context, first_slot(&context));
    for number in 0..10_000 {
        match new_key(&session, &format!("filler{number}")) {
            Ok(_) => say("made"),
            Err(error) => {
                let code = luna_ck::names::ckr(error.rv().expect("a code").0);
                say(&code);
                assert!(
                    matches!(code.as_str(), "CKR_DEVICE_MEMORY" | "CKR_DEVICE_ERROR"),
                    "{code}"
                );
                return;
            }
        }
    }
    panic!("the limit was never met");
}
