//! Loading and unloading, and processes that end in the middle of it all.

use std::sync::Barrier;
use std::time::Duration;

use luna_ck::*;
use luna_client::{Attribute, Context, InitArgs, Mechanism, Module};
use luna_tests::child::{self, Child};
use luna_tests::{Instance, first_slot, officer};

fn run(role: &str) {
    let instance = Instance::fips_group();
    let words = [role, instance.module().to_str().unwrap()];
    let said = Child::start("life cycle", &words, &instance).end().well();
    assert_eq!(said, ["done"], "{role}");
}

#[test]
fn loaded_unloaded_and_loaded_again() {
    run("load again");
}

#[test]
fn threads_that_used_it_end_after_it_was_unloaded() {
    run("threads outlive");
}

#[test]
fn unloaded_without_finalize() {
    run("no finalize");
}

#[test]
fn exit_while_threads_are_inside() {
    run("exit inside");
}

#[test]
fn exit_with_everything_open() {
    run("exit open");
}

pub(crate) fn application(words: &[String]) {
    let [role, path] = words else { panic!("{words:?}") };
    let load = || Module::load(path).unwrap();
    match role.as_str() {
        "load again" => {
            for _ in 0..50 {
                let module = load();
                use_it(&module.initialize(InitArgs::OsLocking).unwrap());
            }
        }
        "threads outlive" => threads_outlive(load()),
        "no finalize" => {
            let context = load().initialize(InitArgs::OsLocking).unwrap();
            use_it(&context);
            // Its end would finalise.
            let _ = std::mem::ManuallyDrop::new(context);
            unload(path);
        }
        "exit inside" => {
            let context = load().initialize(InitArgs::OsLocking).unwrap();
            for _ in 0..4 {
                let context = context.clone();
                std::thread::spawn(move || {
                    loop {
                        use_it(&context);
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(50));
            child::say("done");
            std::process::exit(0);
        }
        "exit open" => {
            let context = load().initialize(InitArgs::OsLocking).unwrap();
            let session = officer(&context, first_slot(&context));
            session.digest_init(&Mechanism::Plain(CKM_SHA256)).unwrap();
            child::say("done");
            std::process::exit(0);
        }
        other => panic!("nobody plays {other}"),
    }
    child::say("done");
}

fn use_it(context: &Context) {
    let session = officer(context, first_slot(context));
    let key = session
        .generate_key(
            &Mechanism::Plain(CKM_AES_KEY_GEN),
            &[Attribute::ulong(CKA_VALUE_LEN, 32), Attribute::bool(CKA_SIGN, true)],
        )
        .unwrap();
    let mac = session.sign(&Mechanism::Plain(CKM_AES_CMAC), key, b"data").unwrap();
    assert_eq!(mac.len(), 16);
    session.destroy(key).unwrap();
}

fn threads_outlive(module: Module) {
    let (used, unloaded) = (Barrier::new(3), Barrier::new(3));
    let context = module.initialize(InitArgs::OsLocking).unwrap();
    let login = officer(&context, first_slot(&context));
    let mut contexts = vec![context.clone(), context.clone()];
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let context = contexts.pop().unwrap();
            let (used, unloaded) = (&used, &unloaded);
            scope.spawn(move || {
                use_it(&context);
                drop(context);
                used.wait();
                // Now the module goes, and with the end of the thread what it kept for the thread.
                unloaded.wait();
            });
        }
        used.wait();
        drop(login);
        context.finalize().unwrap();
        drop(module);
        unloaded.wait();
    });
}

/// Takes away the count that was left, and with it the module, unless it has to stay for a thread of this process.
fn unload(path: &str) {
    let path = std::ffi::CString::new(path).unwrap();
    // SAFETY: the path is a text; nothing of the module is used from here on.
    unsafe {
        let again = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
        assert!(!again.is_null(), "the context that was forgotten has it loaded");
        assert_eq!(libc::dlclose(again), 0, "the count of the line above");
        assert_eq!(libc::dlclose(again), 0, "the count that was left");
    }
}
