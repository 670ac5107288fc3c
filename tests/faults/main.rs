//! Fault plans: what applications see while one is in force, and what is true afterwards.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests: what fails here fails a test, with its reason"
)]

mod groups;
mod one_member;
mod plans;

use std::io::Write;
use std::process::{Output, Stdio};

use luna_ck::{CKA_ENCRYPT, CKA_LABEL, CKA_VALUE_LEN, CKM_AES_KEY_GEN, CKO_SECRET_KEY};
use luna_client::{Attribute, Mechanism, ObjectHandle, Result, Session};
use luna_tests::Instance;

/// What a child process of these tests does.
#[test]
#[ignore = "a child process of other tests"]
fn application() {
    match luna_tests::child::role() {
        Some((role, _)) if role == "maker" => one_member::make(),
        Some((role, _)) => panic!("no child is called {role}"),
        None => {}
    }
}

/// `luna-emulator fault`, in another process.
fn fault(instance: &Instance, words: &[&str]) -> Output {
    instance.program("luna-emulator").arg("fault").args(words).output().expect("it runs")
}

/// The same, and it is done.
#[track_caller]
fn plan(instance: &Instance, words: &[&str]) -> String {
    let output = fault(instance, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// `luna-emulator fault load -`.
fn load(instance: &Instance, text: &str) -> Output {
    let mut child = instance
        .program("luna-emulator")
        .args(["fault", "load", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn new_key(session: &Session, label: &str) -> Result<ObjectHandle> {
    session.generate_key(
        &Mechanism::Plain(CKM_AES_KEY_GEN),
        &[
            Attribute::label(label),
            Attribute::token(true),
            Attribute::ulong(CKA_VALUE_LEN, 32),
            Attribute::bool(CKA_ENCRYPT, true),
        ],
    )
}

fn encrypt(session: &Session, key: ObjectHandle) -> Result<Vec<u8>> {
    session.encrypt(&Mechanism::aes_cbc_pad([7; 16]), key, b"attack at dawn")
}

/// Labels of the secret keys a session sees.
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
