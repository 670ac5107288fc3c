//! A year of periodic checks in fast-forward, with a fault at each of the thirteen steps in turn and others by chance at
//! the HSM: sessions, handles, files, threads and memory are in the end as in the beginning.
//!
//! `LUNA_SOAK` is the number of checks: 500 without it, 100,000 is about what one node makes in a year.

use std::fs;
use std::path::Path;
use std::process::Command;

use luna_client::{InitArgs, Module};
use luna_tests::artefacts;
use okv_sim::{AlertChange, Event, State, Step, Vault, VerificationStep};

use crate::alone::{LABEL, OBJECT, Place, alone};

/// Checks before the first look: what is made once is made by then.
const WARM_UP: usize = 60;

/// By how much memory may have grown, whatever the number of checks: allocators keep a little.
const MEMORY_KIB: u64 = 6 * 1024;

/// What goes wrong by chance, as `luna-emulator fault add` takes it, and how likely it is each time.
const FAULTS: [(&str, &str); 7] = [
    ("refuse --call C_OpenSession --code CKR_DEVICE_ERROR", "0.03"),
    ("lose-answer --call C_OpenSession --after", "0.03"),
    ("refuse --call C_Login --code CKR_DEVICE_ERROR", "0.03"),
    ("refuse --call C_FindObjects --code CKR_SESSION_HANDLE_INVALID", "0.05"),
    ("refuse --call C_Decrypt --code CKR_KEY_HANDLE_INVALID", "0.03"),
    ("lose-answer --call C_Decrypt --after", "0.03"),
    ("refuse --call C_Logout --code CKR_DEVICE_ERROR", "0.05"),
];

/// What must not grow.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    open_files: usize,
    threads: usize,
    sessions: u64,
    slots: usize,
}

fn entries(directory: &str) -> usize {
    fs::read_dir(directory).unwrap().count()
}

fn held(place: &Place) -> Held {
    let module = Module::load(&place.module).unwrap();
    let context = module.initialize(InitArgs::OsLocking).unwrap();
    let slot = context.slot_by_label(LABEL).unwrap().unwrap();
    let sessions = context.token_info(slot).unwrap().session_count;
    let slots = context.slots(false).unwrap().len();
    drop(context);
    drop(module);
    Held {
        open_files: entries("/proc/self/fd"),
        threads: entries("/proc/self/task"),
        sessions,
        slots,
    }
}

/// Resident memory of this process.
fn memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

fn plan_faults() {
    for (fault_words, chance) in FAULTS {
        let words = ["add"].into_iter().chain(fault_words.split(' '));
        fault(&words.chain(["--times", "0", "--chance", chance]).collect::<Vec<_>>());
    }
}

fn fault(words: &[&str]) {
    let done = Command::new(artefacts::program("luna-emulator")).arg("fault").args(words).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// Where a check of this number is stopped; every other one is left alone.
fn wanted(number: usize) -> Option<VerificationStep> {
    let steps = VerificationStep::ALL;
    (number % 2 == 1).then(|| steps[number / 2 % steps.len()])
}

fn stop_at(vault: &Vault, step: Option<VerificationStep>) {
    let wanted = step.map(Step::from);
    vault.watch(Some(Box::new(move |event: &Event<'_>| match event {
        Event::Step(step) if Some(*step) == wanted => Err("by the test".to_owned()),
        _ => Ok(()),
    })));
}

/// How the checks went.
#[derive(Debug, Default)]
struct Tally {
    stopped: [usize; 13],
    by_chance: usize,
    green: usize,
    raised: usize,
    cleared: usize,
}

fn check(vault: &mut Vault, number: usize, tally: &mut Tally) {
    let step = wanted(number);
    stop_at(vault, step);
    let checked = vault.check().unwrap();
    assert!(checked.ran);
    match (&checked.failure, step) {
        (Some(error), Some(step)) if error.cause == okv_sim::Cause::Stopped => {
            assert_eq!(error.step, Some(Step::from(step)), "{error}");
            tally.stopped[usize::from(Step::from(step).number()) - 1] += 1;
        }
        (Some(_), _) => tally.by_chance += 1,
        (None, None) => tally.green += 1,
        (None, Some(step)) => panic!("the check came past {step:?}"),
    }
    let expected = if checked.failure.is_none() { State::EnabledOk } else { State::EnabledFail };
    assert_eq!(checked.state, expected);
    match checked.alert {
        AlertChange::Raised => tally.raised += 1,
        AlertChange::Cleared => tally.cleared += 1,
        AlertChange::None | AlertChange::Standing => {}
    }
    if number % 50 == 0 {
        assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
    }
}

#[test]
fn checks_with_faults_at_every_step_leave_nothing_behind() {
    let checks =
        std::env::var("LUNA_SOAK").map_or(500, |it| it.parse().expect("LUNA_SOAK: a number"));
    alone(
        "soak::checks_with_faults_at_every_step_leave_nothing_behind",
        |_| (),
        |place| {
            soak(place, checks);
        },
    );
}

fn soak(place: &Place, checks: usize) {
    let mut vault = place.install("okv");
    place.initialize(&mut vault);
    plan_faults();
    let mut tally = Tally::default();
    (0..WARM_UP).for_each(|number| check(&mut vault, number, &mut tally));
    // Looking itself must not meet a fault.
    fault(&["clear"]);
    let (before, memory_before) = (held(place), memory_kib());
    let traces = vault.traces().len();
    plan_faults();
    (WARM_UP..WARM_UP + checks).for_each(|number| check(&mut vault, number, &mut tally));
    fault(&["clear"]);
    let (after, memory_after) = (held(place), memory_kib());

    vault.watch(None);
    let checked = vault.check().unwrap();
    assert_eq!((checked.failure, checked.state), (None, State::EnabledOk));
    assert_eq!(vault.verify().unwrap().keys_found, 1);
    assert_eq!(vault.restart().unwrap().state, State::EnabledOk);
    assert_eq!(vault.read_object("key").unwrap().expose(), OBJECT);
    eprintln!(
        "okv: {checks} checks: {tally:?}; {after:?}; memory {memory_before} to {memory_after} KiB"
    );
    assert_eq!(after, before);
    let grown = memory_after.saturating_sub(memory_before);
    assert!(grown <= MEMORY_KIB, "memory: {memory_before} KiB before, {memory_after} KiB after");
    assert!(tally.stopped.iter().all(|count| *count > 0), "{tally:?}");
    assert!(tally.by_chance > 0 && tally.green > 0, "{tally:?}");
    assert!(tally.raised >= tally.cleared && tally.raised > 10, "{tally:?}");
    files_are_bounded(&place.data("okv"), traces);
}

/// Traces are kept, but not without end.
fn files_are_bounded(data: &Path, before: usize) {
    let files = entries(data.join("log/hsm").to_str().unwrap());
    assert!(files <= before.max(1_000), "{files} traces");
    assert_eq!(entries(data.join("run").to_str().unwrap()), 0);
}
