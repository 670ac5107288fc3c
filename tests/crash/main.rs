//! `kill -9` of an application while it makes token objects: what it was told is there, is there whole; what it
//! was not told is there whole or not at all.
//!
//! `LUNA_CRASH_ROUNDS` says how many applications are killed: 1000 without it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod check;
mod work;

use std::collections::BTreeSet;
use std::time::Duration;

use luna_tests::child::{self, Child};
use luna_tests::{Instance, Seeded};

/// The other side of the tests in this theme.
#[test]
#[ignore = "a process of its own, started by the other tests"]
fn application() {
    let Some((role, words)) = child::role() else { return };
    match role.as_str() {
        "work" => work::application(&words),
        "check" => check::application(&words),
        other => panic!("nobody plays {other}"),
    }
}

/// At the same time on one HSM: more than processors, so that one is killed while it waits for another.
const AT_ONCE: u64 = 4;

/// Applications that are killed before the objects they left are checked and removed: a partition holds no more.
const BATCH: u64 = 32;

fn rounds(of: u64) -> u64 {
    let text = std::env::var("LUNA_CRASH_ROUNDS").unwrap_or_else(|_| "1000".into());
    text.parse::<u64>().expect("LUNA_CRASH_ROUNDS is a number").div_ceil(of)
}

#[test]
fn objects_of_a_partition_survive() {
    let instance = Instance::up(&["--partition", "par1"]);
    survive(&instance, &["par1"], rounds(1));
}

/// A tenth of the rounds: what differs from a partition of its own is the copying to the second member.
#[test]
fn objects_of_a_group_survive_on_every_member() {
    let instance = Instance::up(&["--ha", "LUNAHA=one,two"]);
    survive(&instance, &["LUNAHA", "one", "two"], rounds(10));
}

/// Works on the first of the slots named and checks all of them.
fn survive(instance: &Instance, slots: &[&str], rounds: u64) {
    let mut chance = Seeded::new();
    let told_file = instance.directory().join("told");
    let mut killed = 0;
    let mut acknowledged = 0;
    while killed < rounds {
        let batch = BATCH.min(rounds - killed);
        let told = kill_all(instance, slots[0], killed, batch, &mut chance);
        acknowledged += told.len();
        killed += batch;
        std::fs::write(&told_file, told.join("\n")).unwrap();
        let mut words = vec![instance.module().to_str().unwrap(), told_file.to_str().unwrap()];
        words.extend(slots);
        Child::start("check", &words, instance).end().well();
    }
    println!("{killed} killed, {acknowledged} calls acknowledged");
    assert!(acknowledged as u64 > rounds, "hardly one came to make anything");
}

/// Kills a batch of applications and gives what they were told until then.
fn kill_all(
    instance: &Instance,
    slot: &str,
    first: u64,
    batch: u64,
    chance: &mut Seeded,
) -> Vec<String> {
    let seeds: Vec<u64> = (0..AT_ONCE).map(|_| chance.number()).collect();
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let killers: Vec<_> = seeds
            .into_iter()
            .zip(0..)
            .map(|(seed, place): (u64, u64)| {
                scope.spawn(move || {
                    let mut chance = Seeded::from(seed);
                    let mut told = Vec::new();
                    for number in (0..batch).filter(|number| number % AT_ONCE == place) {
                        let name = format!("application-{}", first + number);
                        told.extend(kill_one(instance, slot, &name, &mut chance));
                    }
                    told
                })
            })
            .collect();
        for killer in killers {
            all.extend(killer.join().unwrap());
        }
    });
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "an application says everything once");
    all
}

fn kill_one(instance: &Instance, slot: &str, name: &str, chance: &mut Seeded) -> Vec<String> {
    let words = [instance.module().to_str().unwrap(), slot, name];
    let mut application = Child::start("work", &words, instance);
    let mut told = Vec::new();
    // One in eight is killed while it begins.
    if chance.below(8) == 0 {
        std::thread::sleep(Duration::from_micros(chance.below(60_000)));
    } else {
        let Some(line) = application.line() else {
            panic!("it works until it is killed: {:?}", application.end());
        };
        told.push(line);
        std::thread::sleep(Duration::from_micros(chance.below(15_000)));
    }
    told.extend(application.kill());
    told
}
