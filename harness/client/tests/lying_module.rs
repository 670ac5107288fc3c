//! The client against a module without a function list that answers wrongly: every wrong answer is an error,
//! and nothing is read or written beyond what was given.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::PathBuf;

use luna_client::ck::*;
use luna_client::{
    Access, Context, Error, InitArgs, Mechanism, Module, ObjectHandle, Session, SlotId,
};

/// Cargo puts examples beside the directory of the tests.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples/liblying_module.so");
    assert!(path.exists(), "cargo builds {} unless told to build one test only", path.display());
    path
}

fn context() -> Context {
    Module::load(library()).unwrap().initialize(InitArgs::OsLocking).unwrap()
}

fn session() -> Session {
    context().open_session(SlotId(0), Access::ReadOnly).unwrap()
}

fn malformed<T: std::fmt::Debug>(answer: Result<T, Error>, expected: &str) {
    match answer {
        Err(Error::Malformed { function, .. }) => assert_eq!(function, expected),
        other => panic!("{expected}: {other:?}"),
    }
}

#[test]
fn functions_are_found_by_name_without_a_list() {
    let module = Module::load(library()).unwrap();
    assert!(!module.raw().functions().listed);
    assert!(module.raw().functions().list.C_OpenSession.is_some());
    let error = context().info().unwrap_err();
    assert_eq!(error, Error::Missing { function: "C_GetInfo" });
}

#[test]
fn counts_and_lengths_are_not_believed() {
    malformed(context().slots(true), "C_GetSlotList");
    malformed(context().slots(false), "C_GetSlotList");
    malformed(context().mechanisms(SlotId(0)), "C_GetMechanismList");
    malformed(session().find(&[]), "C_FindObjects");
    malformed(context().token_policies(SlotId(0)), "CA_GetTokenPolicies");
    malformed(session().digest(&Mechanism::Plain(CKM_SHA256), b"x"), "C_Digest");
    let error = session().digest_final().unwrap_err();
    assert!(error.is(CKR_BUFFER_TOO_SMALL), "tried again once, and no more: {error}");
}

#[test]
fn lengths_of_attributes_are_not_believed() {
    malformed(session().attribute(ObjectHandle(1), CKA_VALUE), "C_GetAttributeValue");
    malformed(session().attribute(ObjectHandle(1), CKA_LABEL), "C_GetAttributeValue");
    assert_eq!(session().attribute(ObjectHandle(1), CKA_ID), Ok(None), "gone between two calls");
}

#[test]
fn a_group_has_no_more_members_than_its_structure() {
    assert_eq!(context().ha_state(SlotId(0)).unwrap().members.len(), CK_HA_MAX_MEMBERS);
}
