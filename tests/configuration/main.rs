//! What a client's configuration changes, seen through the C boundary: which slots there are, what tokens say of
//! themselves, what is logged, and what an HSM made with a profile of one's own does.
//!
//! Sources: the vendor's configuration file as the fact pack has it; what of it is recalled stands in
//! `emulator/src/luna/config`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod access;
mod call_log;
mod ha_log;
mod mechanisms;
mod profiles;
mod slots;

use std::path::PathBuf;

use luna_client::{Context, Module};
use luna_tests::child::{role, say};
use luna_tests::{Instance, artefacts, first_slot, init_args, officer};

/// A client directory beside the instance's, with these sections more.
fn with(instance: &Instance, name: &str, sections: &str) -> PathBuf {
    instance.seen_otherwise(name, |text| format!("{text}\n{sections}\n"))
}

/// The module, initialised with that directory.
#[track_caller]
fn context(instance: &Instance, directory: &std::path::Path) -> Context {
    let module = Module::load(instance.module()).unwrap_or_else(|error| panic!("{error}"));
    module.initialize(init_args(directory)).unwrap_or_else(|error| panic!("{error}"))
}

/// The instance's HSMs as a client with these sections more sees them.
#[track_caller]
fn seen_with(instance: &Instance, name: &str, sections: &str) -> Context {
    context(instance, &with(instance, name, sections))
}

/// What a child process of these tests does.
#[test]
#[ignore = "a part of other tests, started by them"]
fn application() {
    let Some((role, words)) = role() else { return };
    let path = std::env::var_os("LUNA_MODULE").expect("given");
    let module = Module::load(std::path::Path::new(&path)).expect("loads");
    let context = module.initialize(luna_client::InitArgs::OsLocking).expect("initialises");
    match role.as_str() {
        "lose" => {
            let session = officer(&context, first_slot(&context));
            let mut command = std::process::Command::new(artefacts::program("luna-emulator"));
            let lost = command.args(["member", "down", &words[0]]).status().expect("it runs");
            assert!(lost.success());
            session.random(8).expect("the other member's");
        }
        "slots" => {
            let slots = context.slots(false).expect("slots");
            say(&slots.len().to_string());
        }
        other => panic!("nobody is {other}"),
    }
}
