//! Processes that end, on either side, and what is left of their sessions.

use std::time::{Duration, Instant};

use luna_ck::{
    CKA_SIGN, CKA_VALUE_LEN, CKM_AES_CMAC, CKM_AES_KEY_GEN, CKR_DEVICE_ERROR,
    CKR_SESSION_HANDLE_INVALID,
};
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};
use luna_tests::child::{self, Child};
use luna_tests::{Appliance, HANG, first_slot, officer};

use crate::field::{Field, context, set};

pub(crate) fn new_key(session: &Session, label: &str) -> luna_client::Result<ObjectHandle> {
    session.generate_key(
        &Mechanism::Plain(CKM_AES_KEY_GEN),
        &[
            Attribute::label(label),
            Attribute::token(true),
            Attribute::bool(CKA_SIGN, true),
            Attribute::ulong(CKA_VALUE_LEN, 32),
        ],
    )
}

/// In a child: a login, some sessions and a session object, until it is killed.
pub(crate) fn hold_sessions(words: &[String]) {
    let context = context(words[0].as_ref());
    let slot = first_slot(&context);
    let sessions: Vec<_> = (0..10).map(|_| officer(&context, slot)).collect();
    sessions[0].create_object(&Attribute::data_object("of the child")).unwrap();
    child::say("held");
    loop {
        child::wait_for_parent();
    }
}

/// Waits until something is so, which on a busy machine may take its time.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < HANG, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    started.elapsed()
}

fn sessions(appliance: &Appliance) -> u64 {
    let shown = appliance.order(&["show"]).unwrap();
    shown["sessions"].as_u64().unwrap()
}

#[test]
fn a_client_that_is_killed_leaves_no_session_behind() {
    let field = Field::of(1);
    let mut command =
        Child::command("holds sessions", &[field.client.to_str().unwrap()], &field.client);
    let mut child = Child::begin(&mut command);
    assert_eq!(child.line().as_deref(), Some("held"));
    assert_eq!(sessions(&field.appliances[0]), 10);
    child.kill();
    let after = eventually("no session", || sessions(&field.appliances[0]) == 0);
    println!("sessions of a killed client were gone after {after:?}");
}

#[test]
fn what_was_acknowledged_survives_a_killed_appliance() {
    let mut field = Field::of(1);
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let context = field.context();
        let session = officer(&context, first_slot(&context));
        let appliance = &mut field.appliances[0];
        let (kill, killed) = std::sync::mpsc::channel::<()>();
        let failed = std::thread::scope(|scope| {
            scope.spawn(move || {
                killed.recv().unwrap();
                appliance.kill();
            });
            for number in 0.. {
                let label = format!("{round}-{number}");
                if number == 10 {
                    kill.send(()).unwrap();
                }
                match new_key(&session, &label) {
                    Ok(_) => acknowledged.push(label),
                    Err(error) => return error,
                }
            }
            panic!("the appliance was killed")
        });
        assert!(failed.is(CKR_DEVICE_ERROR), "{failed}");
        field.appliances[0].restart();
        // The session went with the connection, and says so; a new one serves.
        let gone = session.random(16).unwrap_err();
        assert!(gone.is(CKR_SESSION_HANDLE_INVALID), "{gone}");
        let session = officer(&context, first_slot(&context));
        for label in &acknowledged {
            let found = session.find(&[Attribute::label(label)]).unwrap();
            assert_eq!(found.len(), 1, "{label} was acknowledged");
        }
        context.finalize().unwrap();
    }
}

#[test]
fn an_appliance_that_stops_finishes_what_it_does() {
    let mut field = Field::of(1);
    let context = field.context();
    let slot = first_slot(&context);
    let sessions: Vec<_> = (0..4).map(|_| officer(&context, slot)).collect();
    let key = new_key(&sessions[0], "key").unwrap();
    std::thread::scope(|scope| {
        let workers: Vec<_> = sessions
            .into_iter()
            .map(|session| {
                scope.spawn(move || {
                    loop {
                        let signed = session.sign(&Mechanism::Plain(CKM_AES_CMAC), key, b"data");
                        if let Err(error) = signed {
                            return error;
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(100));
        field.appliances[0].stop();
        for worker in workers {
            let error = worker.join().unwrap();
            // Not taken, or gone with the connection that another thread lost: never half done.
            let allowed = [CKR_DEVICE_ERROR, CKR_SESSION_HANDLE_INVALID];
            assert!(allowed.iter().any(|code| error.is(*code)), "{error}");
        }
    });
    let log =
        std::fs::read_to_string(field.appliances[0].directory().join("appliance/log")).unwrap();
    assert!(log.contains("stopped; 0 connections were cut off"), "{log}");
}

#[test]
fn an_appliance_that_is_silent_is_lost_after_receive_timeout() {
    let field = Field::of(1);
    field.set("LunaSA Client", "ReceiveTimeout", "700");
    let context = field.context();
    let slot = first_slot(&context);
    let session = officer(&context, slot);
    field.appliances[0].freeze();
    let asked = Instant::now();
    let lost = session.random(16).unwrap_err();
    let waited = asked.elapsed();
    assert!(lost.is(CKR_DEVICE_ERROR), "{lost}");
    assert!(waited >= Duration::from_millis(700), "{waited:?} is less than ReceiveTimeout");
    println!("a silent appliance was given up after {waited:?} (ReceiveTimeout 700 ms)");
    field.appliances[0].thaw();
    let session = officer(&context, slot);
    session.random(16).unwrap();
}

#[test]
fn a_command_that_takes_long_is_waited_for() {
    let served = Served::new();
    // Far less than the command takes: it is the heartbeats that keep the client waiting.
    set(&served.client, "LunaSA Client", "ReceiveTimeout", "6000");
    let context = context(&served.client);
    let session = officer(&context, first_slot(&context));
    served.fault(&["delay", "--for-ms", "10000", "--call", "C_GenerateRandom"]);
    let asked = Instant::now();
    assert_eq!(session.random(16).unwrap().len(), 16);
    assert!(asked.elapsed() >= Duration::from_secs(10), "{:?}", asked.elapsed());
    // And one that hangs is told of as long as it hangs; the answer that is lost is a loss.
    served.fault(&["lose-answer", "--call", "C_GenerateKey", "--after"]);
    let lost = new_key(&session, "made and not told of").unwrap_err();
    assert!(lost.is(CKR_DEVICE_ERROR), "{lost}");
    let session = officer(&context, first_slot(&context));
    let found = session.find(&[Attribute::label("made and not told of")]).unwrap();
    assert_eq!(found.len(), 1, "it was made");
}

/// An HSM of `luna-emulator up`, whose faults are planned there, served to a client elsewhere.
struct Served {
    embedded: std::path::PathBuf,
    client: std::path::PathBuf,
    _appliance: Appliance,
    _scratch: tempfile::TempDir,
}

impl Served {
    fn new() -> Self {
        let scratch = luna_tests::scratch();
        let (embedded, client) = (scratch.path().join("embedded"), scratch.path().join("client"));
        let up = luna_emulator(&["up", embedded.to_str().unwrap(), "--json"]);
        let hsm = up["partitions"][0]["hsm"].as_str().unwrap().to_owned();
        let appliance = Appliance::serve(&embedded.join("state").join(hsm), &[]);
        appliance.deploy(&client, &[]);
        Self { embedded, client, _appliance: appliance, _scratch: scratch }
    }

    fn fault(&self, words: &[&str]) {
        let mut all = vec!["fault", "add"];
        all.extend(words);
        all.extend(["--directory", self.embedded.to_str().unwrap(), "--json"]);
        luna_emulator(&all);
    }
}

fn luna_emulator(words: &[&str]) -> serde_json::Value {
    let mut command = std::process::Command::new(luna_tests::artefacts::program("luna-emulator"));
    if words[0] == "up" {
        command.args(["up", "--module", luna_tests::artefacts::module().to_str().unwrap()]);
        command.args(&words[1..]);
    } else {
        command.args(words);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap_or_default()
}
